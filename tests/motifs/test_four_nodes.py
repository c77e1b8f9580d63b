"""The formulas for four nodes against brute force over all subsets of nodes, enumeration, and binomials."""
import itertools
import math

import networkx as nx
import numpy as np
import pytest
from motif_oracles import assert_census, assert_same_census, brute_force, code_of, graph_of, random_matrix

from gradnets import motifs
from gradnets.errors import UserError
from gradnets.motifs import counting, four_nodes


def test_formulas_equal_brute_force(many):
    rng, cliques = np.random.default_rng(30), 0
    for number in range(many(60, 600)):
        colors = int(rng.integers(1, 4)) if number % 8 else int(rng.integers(4, 7))
        matrix = random_matrix(rng, rng.integers(1, 14), rng.uniform(0.05, 0.9), colors,
                               ("any", "any", "oriented", "mutual")[number % 4])
        colors, graph = max(1, matrix.max(initial=0)), graph_of(matrix)
        if len(np.unique(matrix * 10 + matrix.T)) > 32:
            continue
        expected = brute_force(matrix, 4, colors)
        assert_census(motifs.census(graph, 4, method="formulas"), expected, 4, colors)
        uncolored = motifs.census(graph, 4, colored=False, method="formulas")
        assert_census(uncolored, brute_force(np.minimum(matrix, 1), 4, 1), 4, 1)
        cliques += (np.count_nonzero(uncolored.adjacency + uncolored.adjacency.swapaxes(1, 2), axis=(1, 2)) == 12).any()
    assert 10 < cliques < number


@pytest.mark.parametrize(("mutual", "colors"), [(False, 1), (True, 1), (False, 3), (True, 3)])
def test_formulas_equal_enumeration_with_hubs(mutual, colors):
    rng = np.random.default_rng(31)
    edges = np.array(nx.barabasi_albert_graph(300, 4, seed=0).edges)
    edges = np.where(rng.random((len(edges), 1)) < 0.5, edges, edges[:, ::-1])
    if mutual:
        edges = np.concatenate([edges, edges[::3, ::-1]])
    graph = motifs.graph(500, *edges.T, rng.integers(1, colors + 1, len(edges)))
    assert_same_census(motifs.census(graph, 4, method="formulas"), motifs.census(graph, 4, method="enumerate"))


def undirected(name, *arguments):
    """Return a graph of networkx as a Graph of mutual edges."""
    network = nx.convert_node_labels_to_integers(getattr(nx, name)(*arguments))
    edges = np.array(network.edges)
    return motifs.graph(len(network), *np.concatenate([edges, edges[:, ::-1]]).T)


def test_counts_of_regular_graphs_are_binomials():
    c = math.comb

    def code(*edges):
        return code_of(4, [*edges, *((j, i) for i, j in edges)])
    star, path = code((0, 1), (0, 2), (0, 3)), code((0, 1), (1, 2), (2, 3))
    cycle, clique = code((0, 1), (1, 2), (2, 3), (3, 0)), code(*itertools.combinations(range(4), 2))
    for graph, expected in [
            (undirected("complete_graph", 60), {clique: c(60, 4)}),
            (undirected("cycle_graph", 50), {path: 50}),
            (undirected("star_graph", 5000), {star: c(5000, 3)}),
            (undirected("complete_bipartite_graph", 30, 40), {star: 30 * c(40, 3) + 40 * c(30, 3),
                                                              cycle: c(30, 2) * c(40, 2)}),
            (undirected("hypercube_graph", 6), {star: 64 * c(6, 3), cycle: c(6, 2) * 2**4,
                                                path: 192 * 25 - 4 * c(6, 2) * 2**4})]:
        assert_census(motifs.census(graph, 4, method="formulas"), expected, 4, 1)


def test_formulas_are_chosen_where_they_are_quicker_and_change_no_count(monkeypatch):
    calls, formulas = [], four_nodes.counts_of_four
    monkeypatch.setattr(counting, "counts_of_four", lambda *arguments: calls.append(1) or formulas(*arguments))
    rng = np.random.default_rng(32)
    dense, sparse = (graph_of(random_matrix(rng, nodes, chance, 1)) for nodes, chance in ((80, 0.5), (300, 0.001)))
    many_states = graph_of(random_matrix(rng, 40, 0.5, 6))
    for graph, size, is_chosen in ((dense, 4, True), (dense, 3, False), (sparse, 4, False), (many_states, 4, False)):
        calls.clear()
        census = motifs.census(graph, size)
        assert bool(calls) == is_chosen
        assert_same_census(census, motifs.census(graph, size, method="enumerate"))
        assert bool(calls) == is_chosen
    drawn = [motifs.significance(dense, 4, 5, seed=3)]
    assert len(calls) == 6
    monkeypatch.setattr(counting, "seconds_of_formulas", lambda *_: np.inf)
    drawn.append(motifs.significance(dense, 4, 5, seed=3))
    assert len(calls) == 6
    assert_same_census(*(comparison.census for comparison in drawn))
    np.testing.assert_array_equal(*(comparison.z for comparison in drawn))


def test_what_the_formulas_cannot_count_is_refused(monkeypatch):
    graph = graph_of(random_matrix(np.random.default_rng(33), 20, 0.5, 2))
    for size in (3, 5):
        with pytest.raises(UserError, match=f"size is {size}: the formulas count motifs of 4 nodes"):
            motifs.census(graph, size, method="formulas")
    expected = motifs.census(graph, 4)
    for limit in ("MOST_VIEWS", "MOST_CLASSES", "MOST_SUBGRAPHS"):
        with monkeypatch.context() as patch:
            patch.setattr(four_nodes, limit, 100)
            with pytest.raises(UserError, match="a graph of 20 nodes, 9 states of a pair and "):
                motifs.census(graph, 4, method="formulas")
            assert_same_census(motifs.census(graph, 4), expected)
