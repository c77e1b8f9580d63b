"""Random graphs against all graphs with the same links, and against the law of FANMOD's rules."""
import itertools
from collections import Counter

import numpy as np
import pytest
from motif_oracles import graph_of, matrix_of, matrix_of_edges, random_layers, random_matrix
from scipy import stats

from gradnets import motifs
from gradnets.errors import UserError
from gradnets.motifs import rewiring


def links_of(matrix):
    """Return how many links of each kind each node has: a list of Counters of (colour there, colour back)."""
    nodes = range(len(matrix))
    return [Counter((int(matrix[i, j]), int(matrix[j, i])) for j in nodes if matrix[i, j] or matrix[j, i])
            for i in nodes]


def all_with_the_links_of(matrix, layer=None):
    """Return all colour matrices whose nodes have the same links by kind; with layers, edges lead one layer on."""
    left, pairs = links_of(matrix), list(itertools.combinations(range(len(matrix)), 2))
    kinds = sorted(set().union(*left))

    def complete(place, partial):
        if place == len(pairs):
            if not any(node.total() for node in left):
                yield partial.copy()
            return
        i, j = pairs[place]
        if any(node.total() for node in left[:i]):
            return
        yield from complete(place + 1, partial)
        for there, back in kinds:
            if left[i][there, back] > 0 and left[j][back, there] > 0:
                for step in (-1, 1):
                    left[i][there, back] += step
                    left[j][back, there] += step
                    partial[i, j], partial[j, i] = (there, back) if step < 0 else (0, 0)
                    if step < 0:
                        yield from complete(place + 1, partial)

    graphs = complete(0, np.zeros_like(matrix))
    return [graph for graph in graphs
            if layer is None or all(layer[j] == layer[i] + 1 for i, j in np.argwhere(graph))]


UNDIRECTED = [(0, 1), (0, 2), (0, 3), (1, 2), (3, 4), (4, 5)]
SMALL = {
    "one colour": matrix_of_edges(6, (1, 5, 1), (2, 3, 1), (4, 0, 1), (4, 1, 1), (4, 2, 1), (5, 3, 1)),
    "two colours": matrix_of_edges(7, (0, 2, 2), (1, 5, 1), (3, 0, 1), (5, 4, 2), (6, 2, 1), (6, 3, 2)),
    "mutual of one colour": sum(matrix_of_edges(6, (i, j, 1), (j, i, 1)) for i, j in UNDIRECTED),
    "mutual of two colours": sum(matrix_of_edges(6, (i, j, 2), (j, i, 1)) for i, j in UNDIRECTED),
    "mutual and single": matrix_of_edges(6, (0, 5, 1), (5, 0, 1), (2, 3, 1), (3, 2, 1), (2, 4, 1), (4, 2, 1), (0, 3, 1),
                                         (1, 5, 1), (2, 1, 1), (3, 4, 1)),
    "layered": matrix_of(motifs.from_layers([np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0]]),
                                             np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1]])])),
}


@pytest.mark.parametrize("words", [16, 0])  # linked pairs as bits, or in a hash table
@pytest.mark.parametrize("name", SMALL)
def test_random_graphs_are_uniform_over_all_graphs_with_the_same_links(monkeypatch, many, name, words):
    # With one try, an exchange and its reverse are equally likely. Exchanges lead from each of these graphs to each,
    # so in the long run all graphs are equally likely.
    monkeypatch.setattr(rewiring, "SWEEPS", 10)
    monkeypatch.setattr(rewiring, "TRIES", 1)
    monkeypatch.setattr(rewiring, "WORDS_PER_LINK", words)
    matrix, sizes = SMALL[name], (3, 3, 3) if name == "layered" else None
    possible = all_with_the_links_of(matrix, np.repeat(range(3), 3) if sizes else None)
    assert 10 < len(possible) < 120
    graph, rng = graph_of(matrix), np.random.default_rng(13)
    drawn = Counter(matrix_of(motifs.rewire(graph, rng, sizes is not None, sizes).graph).tobytes()
                    for _ in range(many(15, 60) * len(possible)))
    assert set(drawn) <= {expected.tobytes() for expected in possible}
    assert stats.chisquare([drawn[expected.tobytes()] for expected in possible]).pvalue > 1e-4


def law(edges, kinds, sweeps, tries):
    """Return the chances of all graphs that exchanges of these edges lead to: {frozenset of edges: chance}."""
    chances = {tuple(edges): 1.0}
    for link in sweeps * list(range(len(edges))):
        partners, after = [k for k in range(len(edges)) if kinds[k] == kinds[link]], Counter()
        for state, chance in chances.items():
            linked, exchanged = {frozenset(edge) for edge in state}, []
            for partner in partners:
                (a, b), (c, d) = state[link], state[partner]
                if len({a, b, c, d}) == 4 and not {frozenset((a, d)), frozenset((c, b))} & linked:
                    new = {link: (a, d), partner: (c, b)}
                    exchanged.append(tuple(new.get(place, edge) for place, edge in enumerate(state)))
            refused = (1 - len(exchanged) / len(partners))**tries
            after[state] += chance * refused
            for new_state in exchanged:
                after[new_state] += chance * (1 - refused) / len(exchanged)
        chances = after
    graphs = Counter()
    for state, chance in chances.items():
        graphs[frozenset(state)] += chance
    return graphs


@pytest.mark.parametrize("name", ["one colour", "layered"])
def test_three_sweeps_of_up_to_three_tries_follow_the_law_of_fanmods_rules(name):
    matrix, is_layered = SMALL[name], name == "layered"
    graph, rng, draws = graph_of(matrix), np.random.default_rng(21), 2000
    edges = sorted((tuple(edge) for edge in np.argwhere(matrix).tolist()), key=sorted)  # by the smaller end
    expected = law(edges, [source // 3 if is_layered else 0 for source, _ in edges], 3, 3)
    drawn = Counter()
    for _ in range(draws):
        null = motifs.rewire(graph, rng, is_layered, (3, 3, 3) if is_layered else None).graph
        drawn[frozenset(zip(null.sources.tolist(), null.targets.tolist(), strict=True))] += 1
    assert set(drawn) <= set(expected)
    observed, chances = np.array([(drawn[edges], chance) for edges, chance in expected.items()]).T
    assert draws * chances.min() > 20
    assert stats.chisquare(observed, draws * chances).pvalue > 1e-4
    assert stats.chisquare(observed).pvalue < 1e-4  # not uniform: few exchanges lead away from some graphs


@pytest.mark.parametrize("words", [16, 0])
@pytest.mark.parametrize(("chance", "colors", "kind"), [
    (0.03, 2, "any"), (0.3, 3, "any"), (0.2, 1, "any"), (0.5, 1, "mutual"), (0.4, 2, "mutual"),
    (0.6, 2, "oriented")])
def test_a_random_graph_keeps_the_links_of_each_node_by_kind(monkeypatch, chance, colors, kind, words):
    monkeypatch.setattr(rewiring, "WORDS_PER_LINK", words)
    rng = np.random.default_rng(14)
    matrix = random_matrix(rng, 30, chance, colors, kind)
    graph, before = graph_of(matrix), matrix.copy()
    for _ in range(3):
        null = motifs.rewire(graph, rng)
        drawn = matrix_of(null.graph)  # fails for loops and repeated edges
        assert links_of(drawn) == links_of(matrix)
        assert (drawn != matrix).any()
        for color in range(1, colors + 1):
            for axis in (0, 1):
                np.testing.assert_array_equal((drawn == color).sum(axis=axis), (matrix == color).sum(axis=axis))
        links = np.count_nonzero(np.triu(matrix + matrix.T))
        assert 0 < null.exchanges <= 3 * links <= null.tries <= 9 * links
        assert null.tries >= null.exchanges + 3 * (3 * links - null.exchanges)  # three before a link is given up
    np.testing.assert_array_equal(matrix_of(graph), before)


def test_nearly_every_link_of_a_large_sparse_graph_is_exchanged():
    rng, nodes = np.random.default_rng(15), 5000
    graph = motifs.graph(nodes, rng.integers(0, nodes, 6000), rng.integers(0, nodes, 6000))
    null = motifs.rewire(graph, rng)
    links = len(graph.sources)
    assert 0.99 * 3 * links < null.exchanges <= 3 * links
    assert null.tries < 1.01 * 3 * links
    kept = np.isin(null.graph.sources * nodes + null.graph.targets, graph.sources * nodes + graph.targets)
    assert kept.mean() < 0.01
    for side in ("sources", "targets"):
        np.testing.assert_array_equal(np.bincount(getattr(null.graph, side), minlength=nodes),
                                      np.bincount(getattr(graph, side), minlength=nodes))


@pytest.mark.parametrize("sizes", [None, (12, 9, 10, 8)])
def test_the_layered_null_model_keeps_edges_and_degrees_of_each_pair_of_layers(sizes):
    rng = np.random.default_rng(16)
    matrices = random_layers(rng, (12, 9, 10, 8), 0.35, 3)
    graph = motifs.from_layers(matrices)
    assert (motifs.layer_of(graph) == np.repeat(range(4), (12, 9, 10, 8))).all()
    null = motifs.rewire(graph, rng, keep_layers=True, sizes=sizes)
    for drawn, matrix in zip(motifs.layers(null.graph, (12, 9, 10, 8)), matrices, strict=True):
        assert (drawn != matrix).any()
        for color, axis in itertools.product((1, 2, 3), (0, 1)):
            np.testing.assert_array_equal((drawn == color).sum(axis=axis), (matrix == color).sum(axis=axis))
    with pytest.raises(motifs.NotLayered):
        motifs.layers(motifs.rewire(graph, rng).graph, (12, 9, 10, 8))


def test_links_of_different_pairs_of_layers_are_not_exchanged():
    graph = motifs.graph(8, [0, 3], [2, 6], labels=np.arange(8))
    for seed in range(5):
        null = motifs.rewire(graph, seed, keep_layers=True, sizes=(2, 3, 3)).graph
        assert (matrix_of(null) == matrix_of(graph)).all()
        np.testing.assert_array_equal(null.labels, graph.labels)
    drawn = {matrix_of(motifs.rewire(graph, seed, keep_layers=True).graph).tobytes() for seed in range(20)}
    assert len(drawn) == 2  # by the edges alone both links start in the first layer
    with pytest.raises(UserError, match="2, 3, 2 units have nodes 0 to 6, and the graph has a node 7"):
        motifs.rewire(graph, 0, keep_layers=True, sizes=(2, 3, 2))


@pytest.mark.parametrize("matrix", [
    np.zeros((4, 4), np.int64), matrix_of_edges(5, (0, 1, 1)),
    matrix_of_edges(5, *((0, leaf, 1) for leaf in range(1, 5))),
    np.ones((5, 5), np.int64) - np.eye(5, dtype=np.int64), np.triu(np.ones((6, 6), np.int64), 1),
    matrix_of_edges(4, (0, 1, 1), (2, 3, 2)), matrix_of_edges(4, (0, 1, 1), (2, 3, 1), (3, 2, 1)),
    matrix_of_edges(3, (0, 1, 1), (1, 2, 1), (2, 0, 1)),
    matrix_of_edges(4, (0, 1, 1), (2, 3, 1), (3, 0, 2)),  # 0 and 3 are linked, the other way and in another colour
    matrix_of_edges(4, (0, 1, 1), (2, 3, 1), (1, 2, 2)), matrix_of_edges(4, (0, 1, 1), (2, 3, 1), (2, 1, 2)),
])
def test_a_graph_without_possible_exchanges_stays_as_it_is(matrix):
    null = motifs.rewire(graph_of(matrix), 0)
    np.testing.assert_array_equal(matrix_of(null.graph), matrix)
    assert (null.tries, null.exchanges) == (9 * np.count_nonzero(np.triu(matrix + matrix.T)), 0)


def test_random_graphs_follow_each_other_and_stay_as_they_were(monkeypatch):
    graph = graph_of(random_matrix(np.random.default_rng(18), 20, 0.2, 2))
    chains = []
    for words in (16, 0):
        monkeypatch.setattr(rewiring, "WORDS_PER_LINK", words)
        random = rewiring.random_graphs(graph, np.random.default_rng(1))
        drawn = [next(random).graph for _ in range(3)]
        chains.append([matrix_of(null) for null in drawn])
    first, second, third = chains[0]
    assert (first != second).any()
    assert (second != third).any()
    np.testing.assert_array_equal(*chains)  # the table of linked pairs changes nothing
    np.testing.assert_array_equal(first, matrix_of(motifs.rewire(graph, 1).graph))


def test_the_same_seed_gives_the_same_random_graph():
    graph = graph_of(random_matrix(np.random.default_rng(17), 20, 0.2, 2))
    first, second, third = (motifs.rewire(graph, rng) for rng in (3, np.random.default_rng(3), 4))
    np.testing.assert_array_equal(matrix_of(first.graph), matrix_of(second.graph))
    assert (first.tries, first.exchanges) == (second.tries, second.exchanges)
    assert (matrix_of(first.graph) != matrix_of(third.graph)).any()
    with pytest.raises(UserError, match="seed is -3: expected an integer of at least 0"):
        motifs.rewire(graph, -3)
