"""Motifs against brute force over all sets of nodes, networkx, binomials, and all graphs with the same links."""
import itertools
import math
import tracemalloc
from collections import Counter
from functools import lru_cache

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gradnets import motifs

MOST = {3: 1447, 4: 37, 5: 7}  # colours at each size


# ---- oracles ----------------------------------------------------------------------------------------------

@lru_cache
def worth(size, colors):
    """[i size + j, order]: what a colour from i to j counts in the number that this order of the nodes makes."""
    places = [(i, j) for i in range(size) for j in range(size) if i != j]
    table = np.zeros((size * size, math.factorial(size)), np.int64)
    for number, order in enumerate(itertools.permutations(range(size))):
        for power, (i, j) in enumerate(reversed(places)):
            table[order[i] * size + order[j], number] = (colors + 1)**power
    return table


def smallest(matrices, colors):
    """Of each colour matrix (q, k, k) the smallest number that any order of its nodes makes."""
    size = matrices.shape[1]
    return (matrices.reshape(-1, size * size) @ worth(size, colors)).min(axis=1)


def brute(matrix, size, colors):
    """Connected subgraphs of a colour matrix (n, n) by their codes, looking at every subset: Counter."""
    subsets = np.array(list(itertools.combinations(range(len(matrix)), size)), np.int64).reshape(-1, size)
    matrices = matrix[subsets[:, :, None], subsets[:, None, :]]
    linked = (matrices + matrices.swapaxes(1, 2) > 0) + np.eye(size)
    connected = np.linalg.matrix_power(linked, size - 1).min(axis=(1, 2)) > 0
    return Counter(smallest(matrices[connected], colors).tolist())


def of_matrix(matrix):
    sources, targets = matrix.nonzero()
    return motifs.graph(len(matrix), sources, targets, matrix[sources, targets])


def to_matrix(graph):
    matrix = np.zeros((graph.nodes, graph.nodes), np.int64)
    np.add.at(matrix, (graph.sources, graph.targets), graph.colors)
    assert np.count_nonzero(matrix) == len(graph.sources)  # no edge twice
    assert not matrix.diagonal().any()
    return matrix


def random_matrix(rng, nodes, chance, colors, kind="any"):
    """Colours of a random directed graph: "any", "oriented" without mutual edges, or "mutual" throughout."""
    matrix = rng.integers(1, colors + 1, (nodes, nodes)) * (rng.random((nodes, nodes)) < chance)
    if kind == "any":
        np.fill_diagonal(matrix, 0)
        return matrix
    matrix = np.triu(matrix, 1)
    matrix = matrix + matrix.T * rng.integers(1, 3) if kind == "mutual" else matrix
    names = rng.permutation(nodes)
    return matrix[names][:, names]


def random_layers(rng, sides, chance, colors):
    return [rng.integers(1, colors + 1, shape) * (rng.random(shape) < chance)
            for shape in itertools.pairwise(sides)]


def as_counter(found):
    return dict(zip(found.codes.tolist(), found.counts.tolist(), strict=True))


def assert_census(found, expected, size, colors):
    assert as_counter(found) == expected
    assert found.codes.tolist() == sorted(expected)
    assert (found.counts.dtype, type(found.total), found.errors) == (np.int64, int, None)
    assert found.total == sum(expected.values())
    assert found.adjacency.shape == (len(expected), size, size)
    as_shown = found.adjacency.reshape(-1, size * size).astype(np.int64) @ worth(size, colors)[:, 0]
    np.testing.assert_array_equal(as_shown, found.codes)


def assert_same(one, other):
    for name in ("codes", "counts", "adjacency"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.total == other.total


def code_of(size, edges, colors=1):
    """Of a subgraph written as (source, target) or (source, target, colour)."""
    matrix = np.zeros((1, size, size), np.int64)
    for source, target, *color in edges:
        matrix[0, source, target] = color[0] if color else 1
    return smallest(matrix, colors)[0]


# ---- graphs and layers ------------------------------------------------------------------------------------

def test_loops_are_dropped_and_of_a_repeated_edge_the_last_colour_stays():
    graph = motifs.graph(5, [3, 0, 1, 0, 2, 0], [1, 1, 0, 1, 2, 1], [4, 1, 5, 2, 9, 3])
    edges = zip(graph.sources.tolist(), graph.targets.tolist(), graph.colors.tolist(), strict=True)
    assert set(edges) == {(3, 1, 4), (1, 0, 5), (0, 1, 3)}
    assert (graph.nodes, graph.labels, len(graph.sources)) == (5, None, 3)
    assert {array.dtype for array in (graph.sources, graph.targets, graph.colors)} == {np.dtype(np.int64)}
    assert motifs.graph(2, np.array([0], np.uint8), [1]).colors.tolist() == [1]
    labels = np.array([4, 9, 100])
    assert motifs.graph(3, [0], [1], labels=labels).labels.tolist() == [4, 9, 100]
    assert motifs.graph(0, [], []).nodes == 0


@pytest.mark.parametrize(("arrays", "words"), [
    (([0, 1], [1]), "2 sources, 1 targets, 2 colours: expected as many"),
    (([0], [1], [1, 2]), "1 sources, 1 targets, 2 colours: expected as many"),
    (([0, 2], [1, 3]), "edges between nodes 0 and 3: expected 0 to 2"),
    (([0, -1], [1, 2]), "edges between nodes -1 and 2: expected 0 to 2"),
    (([0], [1], [0]), "an edge of colour 0: expected 1 or more"),
    (([0, 1], [1, 2], [3, -2]), "an edge of colour -2"),
    (([0.5], [1]), "whole numbers"),
    (([0], [1.5]), "whole numbers"),
    (([0], [1], [1.5]), "whole numbers"),
    (([0], [np.nan]), "whole numbers"),
])
def test_what_is_no_graph_is_refused(arrays, words):
    with pytest.raises(ValueError, match=words):
        motifs.graph(3, *arrays)


def test_layers_come_back_by_sizes_and_by_edges():
    rng = np.random.default_rng(0)
    for sides in ((2, 3), (4, 1, 5), (3, 4, 2, 6), (1, 1, 1, 1, 1)):
        matrices = random_layers(rng, sides, 0.4, 3)
        graph = motifs.from_layers(matrices)
        assert (graph.nodes, graph.labels) == (sum(sides), None)
        np.testing.assert_array_equal(motifs.layer_of(graph, sides), np.repeat(np.arange(len(sides)), sides))
        for one, other in zip(motifs.layers(graph, sides), matrices, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == np.int64
        full = random_layers(rng, sides, 1.1, 3)  # connected, so that edges tell the layers
        graph = motifs.from_layers(full)
        for one, other in zip(motifs.layers(graph), full, strict=True):
            np.testing.assert_array_equal(one, other)
        names = rng.permutation(graph.nodes)
        renamed = motifs.graph(graph.nodes, names[graph.sources], names[graph.targets])
        np.testing.assert_array_equal(motifs.layer_of(renamed)[names], np.repeat(np.arange(len(sides)), sides))


def test_layers_by_edges_leave_out_isolated_nodes_and_each_part_begins_in_the_first():
    edges = [(7, 2), (2, 5), (1, 5), (0, 4), (3, 1)]  # 7 and 3 over 2 and 1 to 5; 0 to 4; 6 and 8 alone
    graph = motifs.graph(9, *zip(*edges, strict=True), [1, 2, 3, 4, 5])
    assert motifs.layer_of(graph).tolist() == [0, 1, 1, 0, 1, 2, -1, 0, -1]
    first, second = motifs.layers(graph)  # rows 0, 3, 7, columns 1, 2, 4; then to 5
    assert first.tolist() == [[0, 0, 4], [5, 0, 0], [0, 1, 0]]
    assert second.tolist() == [[3], [2], [0]]
    backwards = motifs.graph(6, [5, 4, 3, 2, 1], [4, 3, 2, 1, 0])
    assert motifs.layer_of(backwards).tolist() == [5, 4, 3, 2, 1, 0]
    assert motifs.layer_of(motifs.graph(4, [1, 0, 3], [2, 1, 1])).tolist() == [0, 1, 2, 0]
    assert [matrix.shape for matrix in motifs.layers(motifs.graph(4, [], []))] == [(0, 0)]


def test_sizes_speak_of_labels_where_nodes_have_some():
    graph = motifs.graph(4, [0, 1, 1], [1, 2, 3], [1, 2, 1], labels=np.array([0, 4, 8, 9]))  # of 3 + 4 + 3 units
    assert motifs.layer_of(graph, (3, 4, 3)).tolist() == [0, 1, 2, 2]
    first, second = motifs.layers(graph, (3, 4, 3))
    assert (first.tolist(), second.tolist()) == ([[1]], [[2, 1]])
    with pytest.raises(ValueError, match="layers of 3 4 2 units, and a node 9: expected positive numbers whose"):
        motifs.layers(graph, (3, 4, 2))
    with pytest.raises(motifs.NotLayered, match="or other layers"):
        motifs.layers(graph, (3, 6, 3))
    with pytest.raises(motifs.NotLayered, match="from node 0 to 2 does not"):
        motifs.layers(motifs.graph(3, [0], [2]), (1, 1, 1))
    for sizes in ((3, 0, 9), (12, -1)):
        with pytest.raises(ValueError, match="expected positive numbers"):
            motifs.layer_of(graph, sizes)


@pytest.mark.parametrize("edges", [
    [(0, 1), (1, 0)], [(0, 1), (1, 2), (2, 0)], [(0, 1), (1, 2), (0, 2)], [(0, 1), (1, 2), (2, 3), (0, 3)],
    [(0, 1), (2, 1), (2, 3), (3, 4), (0, 4)]])
@pytest.mark.parametrize("function", [motifs.layers, motifs.layer_of, lambda graph: motifs.rewire(graph, 0, True),
                                      lambda graph: motifs.census(graph, 4, method="layered"),
                                      lambda graph: motifs.significance(graph, 4, 2, "layered")])
def test_circles_and_edges_that_skip_a_layer_have_no_layers(function, edges):
    with pytest.raises(motifs.NotLayered, match=r"the edge from node \d to \d does not lead from one layer to the "
                                                "next: take the null model fanmod$"):
        function(motifs.graph(6, *zip(*edges, strict=True)))


def test_an_edge_that_skips_a_layer_is_named_by_the_labels_of_its_nodes():
    graph = motifs.graph(3, [0, 1, 0], [1, 2, 2], labels=np.array([10, 20, 30]))
    with pytest.raises(motifs.NotLayered, match=r"from node [123]0 to [123]0 does not"):
        motifs.layers(graph)


@pytest.mark.parametrize("function", [motifs.from_layers, motifs.layered_census])
@pytest.mark.parametrize(("matrices", "words"), [
    ([], "expected one matrix of colours or more"),
    ([np.ones(3, int)], "expected one matrix of colours or more"),
    ([np.ones((2, 3), int), np.ones((2, 3), int)], r"layers of shapes \(2, 3\) and \(2, 3\) do not meet"),
    ([np.array([[1, -1]])], "a colour is negative: expected 0 for no edge"),
    ([np.array([[1, 0.5]])], "whole numbers"),
])
def test_what_is_no_layered_net_is_refused(function, matrices, words):
    with pytest.raises(ValueError, match=words):
        function(matrices)


# ---- classes ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("size", "classes"), [(3, 13), (4, 199)])
def test_all_connected_graphs_fall_into_the_known_number_of_classes(size, classes):
    places = [(i, j) for i in range(size) for j in range(size) if i != j]
    bits = np.array(list(itertools.product((0, 1), repeat=len(places))))
    matrices = np.zeros((len(bits), size, size), np.int64)
    matrices[:, *np.transpose(places)] = bits
    codes = motifs.canonical(matrices, 1)
    np.testing.assert_array_equal(codes, smallest(matrices, 1))
    connected = [nx.is_weakly_connected(nx.from_numpy_array(matrix, create_using=nx.DiGraph)) for matrix in
                 motifs.decode(np.unique(codes), size, 1)]
    assert sum(connected) == classes


@st.composite
def coloured_matrices(draw):
    size = draw(st.sampled_from(sorted(MOST)))
    colors = draw(st.one_of(st.integers(1, 3), st.integers(1, MOST[size])))
    entries = draw(st.lists(st.integers(0, colors), min_size=size * size, max_size=size * size))
    matrix = np.array(entries).reshape(size, size)
    np.fill_diagonal(matrix, 0)
    return matrix, colors, np.array(draw(st.permutations(range(size))))


@settings(max_examples=150, deadline=None)
@given(coloured_matrices())
def test_a_code_is_the_smallest_number_whatever_the_nodes_are_called_and_decodes_to_its_class(drawn):
    matrix, colors, names = drawn
    both = np.stack([matrix, matrix[names][:, names]])
    codes = motifs.canonical(both, colors)
    assert codes[0] == codes[1] == smallest(both[:1], colors)[0]
    shown = motifs.decode(codes, len(matrix), colors)
    assert (shown.dtype, shown.shape) == (np.int64, both.shape)
    assert shown[0].reshape(-1) @ worth(len(matrix), colors)[:, 0] == codes[0]
    assert any((shown[0] == matrix[list(order)][:, list(order)]).all()
               for order in itertools.permutations(range(len(matrix))))


def test_codes_are_equal_exactly_where_networkx_finds_a_renaming():
    rng, seen = np.random.default_rng(1), set()
    for _ in range(300):
        size = rng.integers(3, 6)
        one, other = (random_matrix(rng, size, 0.3, 2) for _ in range(2))
        graphs = [nx.from_numpy_array(matrix, create_using=nx.DiGraph) for matrix in (one, other)]
        alike = nx.is_isomorphic(*graphs, edge_match=lambda a, b: a["weight"] == b["weight"])
        codes = motifs.canonical(np.stack([one, other]), 2)
        assert (codes[0] == codes[1]) == alike
        seen.add(alike)
    assert seen == {True, False}


@pytest.mark.parametrize("size", sorted(MOST))
def test_as_many_colours_as_a_code_holds_and_not_one_more(size):
    rng = np.random.default_rng(size)
    assert motifs.most_colors(size) == MOST[size]
    assert (MOST[size] + 1)**(size * (size - 1)) < 2**63 <= (MOST[size] + 2)**(size * (size - 1))
    matrix = random_matrix(rng, 8, 0.5, MOST[size])
    matrix[0, 1] = MOST[size]
    found = motifs.census(of_matrix(matrix), size)
    assert_census(found, brute(matrix, size, MOST[size]), size, MOST[size])
    assert found.adjacency.max() == MOST[size]
    matrix[0, 1] += 1
    words = f"{MOST[size] + 1} colours at size {size}: expected at most {MOST[size]}, merge some or leave colours"
    for function in (lambda g: motifs.census(g, size), lambda g: motifs.significance(g, size, 2),
                     lambda g: motifs.sampled_census(g, size, 0.5)):
        with pytest.raises(ValueError, match=words):
            function(of_matrix(matrix))
    assert motifs.census(of_matrix(matrix), size, colored=False).total == found.total
    if size < 5:
        with pytest.raises(ValueError, match=words):
            motifs.layered_census([np.array([[MOST[size] + 1]])], size)


@pytest.mark.parametrize("size", [2, 6, 0, "3", None])
@pytest.mark.parametrize("function", [motifs.census, lambda graph, size: motifs.significance(graph, size, 2),
                                      lambda graph, size: motifs.sampled_census(graph, size, 0.5),
                                      motifs.subgraphs_at_most])
def test_other_sizes_are_refused(function, size):
    with pytest.raises(ValueError, match=rf"size {size!r}: expected 3, 4 or 5"):
        function(motifs.graph(3, [0, 1], [1, 2]), size)


# ---- census by enumeration --------------------------------------------------------------------------------

@pytest.mark.parametrize("size", motifs.SIZES)
def test_census_is_what_a_look_at_every_subset_finds(size):
    rng, mutual = np.random.default_rng(size), 0
    for number in range(160):
        colors = int(rng.integers(1, 4)) if number % 8 else int(rng.integers(4, 8))
        matrix = random_matrix(rng, rng.integers(1, 13), rng.uniform(0.05, 0.7), colors,
                               ("any", "any", "oriented", "mutual")[number % 4])
        colors = max(1, matrix.max(initial=0))
        if (colors + 1)**(size * (size - 1)) >= 2**63:
            matrix, colors = np.minimum(matrix, 7), 7
        mutual += np.any((matrix > 0) & (matrix.T > 0))
        graph = of_matrix(matrix)
        found = motifs.census(graph, size, threads=1 + number % 3)
        assert_census(found, brute(matrix, size, colors), size, colors)
        if number % 4 == 0:
            uncolored = motifs.census(graph, size, colored=False)
            assert_census(uncolored, brute(np.minimum(matrix, 1), size, 1), size, 1)
            assert_same(motifs.census(graph, size, method="enumerate", threads=3), found)
    assert mutual > 50


def test_uncoloured_triads_are_those_of_networkx():
    rng = np.random.default_rng(3)
    for chance in (0.05, 0.2, 0.4, 0.8):
        matrix = random_matrix(rng, 20, chance, 3)
        expected = nx.triadic_census(nx.from_numpy_array(matrix, create_using=nx.DiGraph))
        found = motifs.census(of_matrix(matrix), 3, colored=False)
        names = [nx.triad_type(nx.from_numpy_array(shown, create_using=nx.DiGraph)) for shown in found.adjacency]
        assert dict(zip(names, found.counts.tolist(), strict=True)) == {
            name: count for name, count in expected.items() if count and name not in ("003", "012", "102")}


@pytest.mark.parametrize(("row", "cells", "ways"), [
    (4096, 2**27, {(True, True)}), (0, 2**27, {(False, True)}), (4096, 0, {(True, False), (False, True)})])
@pytest.mark.parametrize(("size", "kind", "colors"), [(3, "any", 5), (4, "any", 2), (5, "oriented", 3)])
def test_direct_tables_hashed_counts_and_the_change_between_them_agree(monkeypatch, row, cells, ways, size, kind,
                                                                      colors):
    taken, enumerate_ = [], motifs._enumerate

    def watched(*arguments):
        made = enumerate_(*arguments)
        taken.append((arguments[6] > 0, made[2]))
        return made

    monkeypatch.setattr(motifs, "_enumerate", watched)
    monkeypatch.setattr(motifs, "FEW", (0, 0))  # in direct tables whenever they are not wider than ROW
    monkeypatch.setattr(motifs, "ROW", row)
    monkeypatch.setattr(motifs, "CELLS", cells)
    matrix = random_matrix(np.random.default_rng(4), 18, 0.7, colors, kind)
    graph, expected = of_matrix(matrix), brute(matrix, size, colors)
    for threads in (1, 2, 3):
        assert_census(motifs.census(graph, size, threads=threads), expected, size, colors)
    assert set(taken) == ways  # whether in direct tables, and whether they sufficed


def test_a_graph_keeps_its_census_under_other_names_and_beside_isolated_nodes():
    rng = np.random.default_rng(5)
    matrix = random_matrix(rng, 30, 0.1, 2)
    wide = np.zeros((60, 60), np.int64)
    names = rng.permutation(60)[:30]
    wide[np.ix_(names, names)] = matrix
    for size in motifs.SIZES:
        assert_same(motifs.census(of_matrix(wide), size), motifs.census(of_matrix(matrix), size))


@pytest.mark.parametrize("graph", [motifs.graph(0, [], []), motifs.graph(5, [], []),
                                   motifs.graph(4, [0, 2], [1, 3])])
@pytest.mark.parametrize("size", motifs.SIZES)
def test_a_graph_without_subgraphs_of_that_size(graph, size):
    for method in ("auto", "enumerate", "layered")[:3 if size < 5 else 2]:
        assert_census(motifs.census(graph, size, method=method, threads=2), {}, size, 1)
    assert motifs.sampled_census(graph, size, 0.5).total == 0
    assert motifs.subgraphs_at_most(graph, size) == 0
    for model in motifs.MODELS:
        table = motifs.significance(graph, size, 3, model)
        assert table.totals.tolist() == [0, 0, 0]
        for name in ("frequency", "mean_frequency", "std", "differs", "z", "p", "q", "larger", "profile"):
            assert getattr(table, name).shape == (0,)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", None])
@pytest.mark.parametrize("function", [lambda g, n: motifs.census(g, 3, threads=n),
                                      lambda g, n: motifs.sampled_census(g, 3, 0.5, threads=n),
                                      lambda g, n: motifs.significance(g, 3, 2, threads=n)])
def test_wrong_numbers_of_threads_are_refused(function, threads):
    with pytest.raises(ValueError, match=f"threads is {threads!r}: expected a positive whole number"):
        function(motifs.graph(3, [0, 1], [1, 2]), threads)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="method 'fast': expected auto, enumerate or layered"):
        motifs.census(motifs.graph(3, [0, 1], [1, 2]), 3, method="fast")


# ---- census of layers -------------------------------------------------------------------------------------

def test_layered_census_is_what_a_look_at_every_subset_finds():
    rng, wide_first = np.random.default_rng(6), set()
    for number in range(80):
        sides = rng.integers(1, 7, rng.integers(2, 6)) if number % 4 else rng.choice([1, 2, 9], rng.integers(2, 4))
        matrices = random_layers(rng, sides, rng.uniform(0.15, 1.1), rng.integers(1, 4))
        matrix = to_matrix(motifs.from_layers(matrices))
        colors = max(1, matrix.max())
        for size in (3, 4):
            assert_census(motifs.layered_census(matrices, size), brute(matrix, size, colors), size, colors)
        wide_first |= set(np.diff(sides) < 0)
    assert wide_first == {False, True}
    assert_same(motifs.layered_census(matrices), motifs.layered_census(matrices, 4))


@pytest.mark.parametrize(("sides", "chance", "colors"), [((500, 520), 0.004, 4), ((480, 470, 490), 0.004, 3),
                                                         ((150, 7, 700), 0.03, 7), ((2, 40, 1, 60), 0.4, 5)])
def test_layers_wider_than_a_block_of_rows_are_counted_as_by_enumeration(sides, chance, colors):
    matrices = random_layers(np.random.default_rng(7), sides, chance, colors)
    graph = motifs.from_layers(matrices)
    for size in (3, 4):
        assert_same(motifs.layered_census(matrices, size), motifs.census(graph, size, method="enumerate"))
        assert_same(motifs.census(graph, size, method="layered"), motifs.census(graph, size, method="enumerate"))


def test_layers_too_wide_for_exact_sums_are_refused(monkeypatch):
    monkeypatch.setattr(motifs, "WIDEST", 4)
    assert motifs.layered_census([np.ones((4, 3), int)]).total > 0
    for matrices in ([np.ones((5, 2), int)], [np.ones((2, 5), int)], [np.ones((2, 2), int), np.ones((2, 5), int)]):
        with pytest.raises(ValueError, match="a layer of 5 units: the closed form covers 4, take enumeration"):
            motifs.layered_census(matrices)
        assert motifs.census(motifs.from_layers(matrices), 4).total > 0


def test_the_closed_form_is_taken_where_it_is_quicker_and_gives_the_same(monkeypatch):
    calls, layered = [], motifs.layered_census
    monkeypatch.setattr(motifs, "layered_census", lambda *arguments: calls.append(1) or layered(*arguments))
    rng = np.random.default_rng(8)
    matrices = random_layers(rng, (60, 60, 60), 0.3, 2)
    graph = motifs.from_layers(matrices)
    assert motifs.subgraphs_at_most(graph, 4) > 1e6
    auto = motifs.census(graph, 4)
    assert calls == [1]
    assert_same(auto, motifs.census(graph, 4, method="enumerate"))
    assert_same(motifs.census(graph, 4, colored=False), motifs.census(graph, 4, colored=False, method="enumerate"))
    assert calls == [1, 1]
    skipping = motifs.graph(180, [*graph.sources, 0], [*graph.targets, 150], [*graph.colors, 2])
    found = motifs.census(skipping, 4)
    motifs.census(motifs.from_layers(random_layers(rng, (9, 9), 0.3, 2)), 4)
    for limit in ("WIDEST", "DENSE"):
        with monkeypatch.context() as narrow:
            narrow.setattr(motifs, limit, 59)
            assert_same(motifs.census(graph, 4), auto)
    assert calls == [1, 1]
    assert found.total > auto.total


def test_layers_without_units_or_without_edges_have_no_subgraphs():
    for shapes in ([(2, 0)], [(0, 2)], [(0, 0)], [(3, 0), (0, 2)], [(2, 3)], [(2, 3), (3, 0)], [(2, 3), (3, 2)]):
        matrices = [np.zeros(shape, np.int64) for shape in shapes]
        assert [motifs.layered_census(matrices, size).total for size in (3, 4)] == [0, 0]
    matrices = [np.ones((2, 3), np.int64), np.zeros((3, 0), np.int64)]
    assert motifs.layered_census(matrices, 4).total == 2 + 3


def test_large_sparse_layers_are_not_made_dense():
    pairs = 20_000  # a dense matrix would take 3.2 GB
    sources = np.concatenate([np.arange(pairs), np.zeros(1500, np.int64)])
    targets = np.concatenate([np.arange(pairs, 2 * pairs), np.arange(pairs + 1, pairs + 1501)])
    graph = motifs.graph(2 * pairs, sources, targets)
    assert motifs.subgraphs_at_most(graph, 3) > 1e6
    expected = {code_of(3, [(0, 1), (0, 2)]): math.comb(1501, 2), code_of(3, [(0, 1), (2, 1)]): 1500}
    tracemalloc.start()
    try:
        assert as_counter(motifs.census(graph, 3)) == expected
        motifs.significance(graph, 3, 2, "layered")
        assert tracemalloc.get_traced_memory()[1] < 1e8
    finally:
        tracemalloc.stop()


def test_counts_beyond_32_bits_and_beyond_exact_floats_are_binomials():
    first, middle, last = 2, 300_000, 3
    complete = [np.ones((first, middle), np.int64), np.ones((middle, last), np.int64)]
    c = math.comb
    expected = {
        code_of(4, [(0, 1), (0, 2), (0, 3)]): first * c(middle, 3) + middle * c(last, 3),
        code_of(4, [(1, 0), (2, 0), (3, 0)]): last * c(middle, 3),
        code_of(4, [(1, 0), (0, 2), (0, 3)]): middle * first * c(last, 2),
        code_of(4, [(1, 0), (2, 0), (0, 3)]): middle * c(first, 2) * last,
        code_of(4, [(0, 2), (0, 3), (1, 2), (1, 3)]): c(middle, 2) * (c(first, 2) + c(last, 2)),
        code_of(4, [(0, 2), (0, 3), (2, 1), (3, 1)]): first * last * c(middle, 2)}
    found = motifs.layered_census(complete)
    assert_census(found, expected, 4, 1)
    assert found.total > 2**53
    assert sorted(expected.values())[-4] > 2**31

    for leaves, turned in itertools.product((100_001, 400_001), (False, True)):
        star = np.full((1, leaves), 2, np.int64)
        star[0, 0] = 1
        edges = [(1, 0), (2, 0), (3, 0)] if turned else [(0, 1), (0, 2), (0, 3)]
        expected = {code_of(4, [(*edge, 2) for edge in edges], 2): c(leaves - 1, 3),
                    code_of(4, [(*edges[0], 1), (*edges[1], 2), (*edges[2], 2)], 2): c(leaves - 1, 2)}
        found = motifs.layered_census([star.T if turned else star])
        assert_census(found, expected, 4, 2)
        if leaves < 2e5:
            assert_same(motifs.census(motifs.from_layers([star.T if turned else star]), 4), found)
    assert found.total > 2**53


@pytest.mark.parametrize("size", [2, 5, None])
def test_the_closed_form_covers_sizes_3_and_4(size):
    with pytest.raises(ValueError, match=f"size {size}: the closed form covers 3 and 4"):
        motifs.layered_census([np.ones((3, 3), int)], size)
    if size == 5:
        with pytest.raises(ValueError, match="size 5: the closed form covers 3 and 4"):
            motifs.census(motifs.graph(3, [0, 1], [1, 2]), 5, method="layered")


# ---- bounds and samples -----------------------------------------------------------------------------------

def test_the_bound_is_exact_on_trees_and_holds_on_all_graphs():
    rng = np.random.default_rng(9)
    for number in range(60):
        nodes = int(rng.integers(2, 13))
        edges = np.array(nx.random_labeled_tree(nodes, seed=number).edges)
        edges = np.where(rng.random((len(edges), 1)) < 0.5, edges, edges[:, ::-1])
        tree = motifs.graph(nodes, *edges.T)
        mutual = motifs.graph(nodes, *np.concatenate([edges, edges[:, ::-1]]).T)
        other = of_matrix(random_matrix(rng, nodes, rng.uniform(0.05, 0.8), 2))
        for size in motifs.SIZES:
            exact = sum(brute(to_matrix(tree), size, 1).values())
            assert motifs.subgraphs_at_most(tree, size) == motifs.subgraphs_at_most(mutual, size) == exact
            assert motifs.subgraphs_at_most(other, size) >= sum(brute(to_matrix(other), size, 2).values())
            assert isinstance(motifs.subgraphs_at_most(other, size), float)


@pytest.mark.parametrize(("size", "chance", "row"), [(3, 0.9, 4096), (4, 0.3, 4096), (4, 0.9, 0), (5, 0.1, 0)])
def test_samples_are_unbiased_and_know_their_errors(monkeypatch, size, chance, row):
    monkeypatch.setattr(motifs, "FEW", (0, 0))
    monkeypatch.setattr(motifs, "ROW", row)  # in direct tables, and hashed
    rng = np.random.default_rng(10)
    matrix = random_matrix(rng, 16, 0.3, 1)
    graph, exact = of_matrix(matrix), brute(matrix, size, 1)
    codes = sorted(exact)
    counts, variances = np.zeros((50, len(codes))), np.zeros((50, len(codes)))
    for seed in range(50):
        found = motifs.sampled_census(graph, size, chance, replicates=8, seed=seed)
        here = np.searchsorted(codes, found.codes)
        counts[seed, here], variances[seed, here] = found.counts, found.errors**2
        assert (found.counts.dtype, found.errors.dtype, type(found.total)) == (np.float64, np.float64, float)
        assert found.total == pytest.approx(found.counts.sum())
        seen = found.counts * chance  # each subgraph that was seen counts 1 / chance
        np.testing.assert_allclose(seen, np.rint(seen), atol=1e-6)
    expected = np.array([exact[code] for code in codes])
    error = counts.std(axis=0, ddof=1) / np.sqrt(50)
    assert (np.abs(counts.mean(axis=0) - expected) < 5 * np.maximum(error, np.sqrt(expected / chance / 50))).all()
    assert variances.mean(axis=0).sum() == pytest.approx(counts.var(axis=0, ddof=1).sum(), rel=0.3)
    assert counts.sum(axis=1).mean() == pytest.approx(expected.sum(), rel=0.03)


def test_a_chance_of_1_is_shared_by_the_replicates_and_still_an_estimate():
    matrix = random_matrix(np.random.default_rng(11), 14, 0.3, 2)
    graph, total = of_matrix(matrix), sum(brute(matrix, 4, 2).values())
    for replicates in (2, 25):
        found = motifs.sampled_census(graph, 4, 1, replicates=replicates)
        np.testing.assert_allclose(found.counts, np.rint(found.counts), atol=1e-6)
        assert 0 < abs(found.total - total) < 0.5 * total
        assert found.errors.max() > 0
    uncoloured = motifs.sampled_census(graph, 4, 1.0, colored=False)
    assert uncoloured.adjacency.max() == 1


def test_a_sample_depends_on_its_seed_and_not_on_the_threads():
    graph = of_matrix(random_matrix(np.random.default_rng(12), 15, 0.3, 3))
    one = motifs.sampled_census(graph, 5, 0.2, seed=4)
    for threads, seed in ((1, 4), (2, 4), (3, np.random.default_rng(4))):
        other = motifs.sampled_census(graph, 5, 0.2, threads=threads, seed=seed)
        assert_same(one, other)
        np.testing.assert_array_equal(one.errors, other.errors)
    assert motifs.sampled_census(graph, 5, 0.2, seed=5).total != one.total


@pytest.mark.parametrize(("chance", "replicates"), [(0, 10), (-0.1, 10), (1.01, 10), (np.nan, 10), (0.5, 1),
                                                    (0.5, 0)])
def test_impossible_samples_are_refused(chance, replicates):
    with pytest.raises(ValueError, match=rf"chance {chance!r} and {replicates} replicates: expected a number in "
                                         r"\(0, 1\] and 2 or more"):
        motifs.sampled_census(motifs.graph(3, [0, 1], [1, 2]), 3, chance, replicates=replicates)


# ---- random graphs ----------------------------------------------------------------------------------------

def links_of(matrix):
    """Of each node, how many links it has of each kind: Counters of (colour there, colour back)."""
    nodes = range(len(matrix))
    return [Counter((int(matrix[i, j]), int(matrix[j, i])) for j in nodes if matrix[i, j] or matrix[j, i])
            for i in nodes]


def alike(matrix, depth=None):
    """All colour matrices whose nodes have the same links by kind; given layers, edges lead one layer on."""
    left, pairs = links_of(matrix), list(itertools.combinations(range(len(matrix)), 2))
    kinds = sorted(set().union(*left))

    def complete(place, made):
        if place == len(pairs):
            if not any(node.total() for node in left):
                yield made.copy()
            return
        i, j = pairs[place]
        if any(node.total() for node in left[:i]):
            return
        yield from complete(place + 1, made)
        for there, back in kinds:
            if left[i][there, back] > 0 and left[j][back, there] > 0:
                for step in (-1, 1):
                    left[i][there, back] += step
                    left[j][back, there] += step
                    made[i, j], made[j, i] = (there, back) if step < 0 else (0, 0)
                    if step < 0:
                        yield from complete(place + 1, made)

    every = complete(0, np.zeros_like(matrix))
    return [made for made in every if depth is None or all(depth[j] == depth[i] + 1 for i, j in np.argwhere(made))]


def matrix_of(nodes, *edges):
    matrix = np.zeros((nodes, nodes), np.int64)
    for source, target, color in edges:
        matrix[source, target] = color
    return matrix


UNDIRECTED = [(0, 1), (0, 2), (0, 3), (1, 2), (3, 4), (4, 5)]
SMALL = {
    "one colour": matrix_of(6, (1, 5, 1), (2, 3, 1), (4, 0, 1), (4, 1, 1), (4, 2, 1), (5, 3, 1)),
    "two colours": matrix_of(7, (0, 2, 2), (1, 5, 1), (3, 0, 1), (5, 4, 2), (6, 2, 1), (6, 3, 2)),
    "mutual of one colour": sum(matrix_of(6, (i, j, 1), (j, i, 1)) for i, j in UNDIRECTED),
    "mutual of two colours": sum(matrix_of(6, (i, j, 2), (j, i, 1)) for i, j in UNDIRECTED),
    "mutual and single": matrix_of(6, (0, 5, 1), (5, 0, 1), (2, 3, 1), (3, 2, 1), (2, 4, 1), (4, 2, 1), (0, 3, 1),
                                   (1, 5, 1), (2, 1, 1), (3, 4, 1)),
    "layered": to_matrix(motifs.from_layers([np.array([[1, 1, 0], [0, 1, 1], [1, 0, 0]]),
                                             np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1]])])),
}


@pytest.mark.parametrize("name", SMALL)
def test_random_graphs_are_uniform_over_all_with_the_same_links(monkeypatch, name):
    # With one try an exchange and its reverse are as likely, and so, in the long run, are all graphs, where
    # exchanges lead from each to each, as in these.
    monkeypatch.setattr(motifs, "SWEEPS", 10)
    monkeypatch.setattr(motifs, "TRIES", 1)
    matrix, sizes = SMALL[name], (3, 3, 3) if name == "layered" else None
    possible = alike(matrix, np.repeat(range(3), 3) if sizes else None)
    assert 10 < len(possible) < 120
    graph, rng = of_matrix(matrix), np.random.default_rng(13)
    drawn = Counter(to_matrix(motifs.rewire(graph, rng, sizes is not None, sizes).graph).tobytes()
                    for _ in range(30 * len(possible)))
    assert set(drawn) <= {made.tobytes() for made in possible}
    assert stats.chisquare([drawn[made.tobytes()] for made in possible]).pvalue > 1e-4


def law(edges, kinds, sweeps, tries):
    """Chances of all graphs that exchanges of these edges may lead to: {frozenset of (source, target): chance}."""
    chances = {tuple(edges): 1.0}
    for link in sweeps * list(range(len(edges))):
        partners, after = [other for other in range(len(edges)) if kinds[other] == kinds[link]], Counter()
        for state, chance in chances.items():
            linked, made = {frozenset(edge) for edge in state}, []
            for partner in partners:
                (a, b), (c, d) = state[link], state[partner]
                if len({a, b, c, d}) == 4 and not {frozenset((a, d)), frozenset((c, b))} & linked:
                    new = {link: (a, d), partner: (c, b)}
                    made.append(tuple(new.get(place, edge) for place, edge in enumerate(state)))
            refused = (1 - len(made) / len(partners))**tries
            after[state] += chance * refused
            for new in made:
                after[new] += chance * (1 - refused) / len(made)
        chances = after
    graphs = Counter()
    for state, chance in chances.items():
        graphs[frozenset(state)] += chance
    return graphs


@pytest.mark.parametrize("name", ["one colour", "layered"])
def test_three_sweeps_of_up_to_three_tries_have_the_law_of_fanmods_rules(name):
    matrix, layered = SMALL[name], name == "layered"
    graph, rng, draws = of_matrix(matrix), np.random.default_rng(21), 4000
    edges = sorted((tuple(edge) for edge in np.argwhere(matrix).tolist()), key=sorted)  # by the smaller end
    expected = law(edges, [source // 3 if layered else 0 for source, _ in edges], 3, 3)
    drawn = Counter()
    for _ in range(draws):
        made = motifs.rewire(graph, rng, layered, (3, 3, 3) if layered else None).graph
        drawn[frozenset(zip(made.sources.tolist(), made.targets.tolist(), strict=True))] += 1
    assert set(drawn) <= set(expected)
    observed, chances = np.array([(drawn[one], chance) for one, chance in expected.items()]).T
    assert draws * chances.min() > 20
    assert stats.chisquare(observed, draws * chances).pvalue > 1e-4
    assert stats.chisquare(observed).pvalue < 1e-4  # not uniform: few exchanges lead away from some graphs


@pytest.mark.parametrize(("chance", "colors", "kind"), [
    (0.03, 2, "any"), (0.3, 3, "any"), (0.2, 1, "any"), (0.5, 1, "mutual"), (0.4, 2, "mutual"),
    (0.6, 2, "oriented")])
def test_a_random_graph_keeps_each_nodes_links_by_kind(chance, colors, kind):
    rng = np.random.default_rng(14)
    matrix = random_matrix(rng, 40, chance, colors, kind)
    graph = of_matrix(matrix)
    before = matrix.copy()
    for _ in range(5):
        made = motifs.rewire(graph, rng)
        drawn = to_matrix(made.graph)  # says if there are loops or repeated edges
        assert links_of(drawn) == links_of(matrix)
        assert (drawn != matrix).any()
        for color in range(1, colors + 1):
            np.testing.assert_array_equal((drawn == color).sum(axis=0), (matrix == color).sum(axis=0))
            np.testing.assert_array_equal((drawn == color).sum(axis=1), (matrix == color).sum(axis=1))
        links = np.count_nonzero(np.triu(matrix + matrix.T))
        assert 0 < made.exchanges <= 3 * links <= made.tries <= 9 * links
        assert made.tries >= made.exchanges + 3 * (3 * links - made.exchanges)  # three before a link is given up
    np.testing.assert_array_equal(to_matrix(graph), before)


def test_a_large_sparse_graph_exchanges_nearly_every_link_and_forgets_where_it_was():
    rng = np.random.default_rng(15)
    nodes = 5000
    graph = motifs.graph(nodes, rng.integers(0, nodes, 6000), rng.integers(0, nodes, 6000))
    made = motifs.rewire(graph, rng)
    links = len(graph.sources)
    assert 0.99 * 3 * links < made.exchanges <= 3 * links
    assert made.tries < 1.01 * 3 * links
    kept = np.isin(made.graph.sources * nodes + made.graph.targets, graph.sources * nodes + graph.targets)
    assert kept.mean() < 0.01
    for side in ("sources", "targets"):
        np.testing.assert_array_equal(np.bincount(getattr(made.graph, side), minlength=nodes),
                                      np.bincount(getattr(graph, side), minlength=nodes))


@pytest.mark.parametrize("sizes", [None, (12, 9, 10, 8)])
def test_layers_keep_their_edges_and_the_degrees_within_each_pair(sizes):
    rng = np.random.default_rng(16)
    matrices = random_layers(rng, (12, 9, 10, 8), 0.35, 3)
    graph = motifs.from_layers(matrices)
    assert (motifs.layer_of(graph) == np.repeat(range(4), (12, 9, 10, 8))).all()
    made = motifs.rewire(graph, rng, keep_layers=True, sizes=sizes)
    for one, other in zip(motifs.layers(made.graph, (12, 9, 10, 8)), matrices, strict=True):
        assert (one != other).any()
        for color in (1, 2, 3):
            for axis in (0, 1):
                np.testing.assert_array_equal((one == color).sum(axis=axis), (other == color).sum(axis=axis))
    with pytest.raises(motifs.NotLayered):
        motifs.layers(motifs.rewire(graph, rng).graph, (12, 9, 10, 8))


def test_only_links_of_one_pair_of_layers_are_exchanged():
    graph = motifs.graph(8, [0, 3], [2, 6], labels=np.array([0, 1, 2, 3, 4, 5, 6, 7]))
    for seed in range(5):
        drawn = motifs.rewire(graph, seed, keep_layers=True, sizes=(2, 3, 3)).graph  # edges of two pairs of layers
        assert (to_matrix(drawn) == to_matrix(graph)).all()
        np.testing.assert_array_equal(drawn.labels, graph.labels)
    drawn = [to_matrix(motifs.rewire(graph, seed, keep_layers=True).graph).tobytes() for seed in range(20)]
    assert len(set(drawn)) == 2  # by the edges alone they begin in one layer
    with pytest.raises(ValueError, match="expected positive numbers whose sum"):
        motifs.rewire(graph, 0, keep_layers=True, sizes=(2, 3, 2))


@pytest.mark.parametrize("matrix", [
    np.zeros((4, 4), np.int64), matrix_of(5, (0, 1, 1)), matrix_of(5, *((0, leaf, 1) for leaf in range(1, 5))),
    np.ones((5, 5), np.int64) - np.eye(5, dtype=np.int64), np.triu(np.ones((6, 6), np.int64), 1),
    matrix_of(4, (0, 1, 1), (2, 3, 2)), matrix_of(4, (0, 1, 1), (2, 3, 1), (3, 2, 1)),
    matrix_of(3, (0, 1, 1), (1, 2, 1), (2, 0, 1)),
    matrix_of(4, (0, 1, 1), (2, 3, 1), (3, 0, 2)),  # 0 and 3 are linked, the other way and in another colour
    matrix_of(4, (0, 1, 1), (2, 3, 1), (1, 2, 2)), matrix_of(4, (0, 1, 1), (2, 3, 1), (2, 1, 2)),
])
def test_a_graph_that_cannot_change_does_not(matrix):
    made = motifs.rewire(of_matrix(matrix), 0)
    np.testing.assert_array_equal(to_matrix(made.graph), matrix)
    assert (made.tries, made.exchanges) == (9 * np.count_nonzero(np.triu(matrix + matrix.T)), 0)


def test_the_same_seed_gives_the_same_random_graph():
    graph = of_matrix(random_matrix(np.random.default_rng(17), 20, 0.2, 2))
    one, other, third = (motifs.rewire(graph, rng) for rng in (3, np.random.default_rng(3), 4))
    np.testing.assert_array_equal(to_matrix(one.graph), to_matrix(other.graph))
    assert (one.tries, one.exchanges) == (other.tries, other.exchanges)
    assert (to_matrix(one.graph) != to_matrix(third.graph)).any()


# ---- what stands out --------------------------------------------------------------------------------------

def assert_table(table, own, nulls, model):
    """All columns by their definitions, in plain Python; own and nulls: counts of motifs by code."""
    total, rows = sum(own.values()), []
    for code in sorted(own):
        counts = [null.get(code, 0) for null in nulls]
        shares = [count / (sum(null.values()) or 1) for count, null in zip(counts, nulls, strict=True)]
        observed, chance = (own[code], counts) if model == "layered" else (own[code] / total, shares)
        differs = len(set(chance)) > 1
        if differs:
            z = (observed - np.mean(chance)) / np.std(chance, ddof=1)
        else:
            z = 0 if observed == chance[0] else np.inf if observed > chance[0] else -np.inf
        rows.append({"differs": differs, "z": z,
                     "p": (1 + sum(one >= observed for one in chance)) / (1 + len(chance)),
                     "larger": sum(one > observed for one in chance) / len(chance),
                     "frequency": own[code] / total, "mean_frequency": np.mean(shares),
                     "std": np.std(shares, ddof=1) if len(set(shares)) > 1 else 0})
    for name in rows[0]:
        np.testing.assert_allclose(getattr(table, name), [row[name] for row in rows], rtol=1e-9, atol=1e-12,
                                   err_msg=name)
    assert table.differs.dtype == bool
    tested, finite = table.differs | (table.z != 0), np.isfinite(table.z)
    if tested.any():
        np.testing.assert_allclose(table.q[tested], stats.false_discovery_control(table.p[tested]), rtol=1e-12)
    assert (table.q[~tested] == 1).all()
    z = np.where(finite, table.z, np.sign(table.z) * np.abs(table.z[finite]).max(initial=0))
    np.testing.assert_allclose(table.profile, z / (np.sqrt((z**2).sum()) or 1), atol=1e-12)
    assert table.totals.tolist() == [sum(null.values()) for null in nulls]


@pytest.mark.parametrize(("model", "size", "colored", "threads"), [
    ("fanmod", 3, True, 1), ("fanmod", 4, True, 2), ("fanmod", 4, False, 1), ("fanmod", 5, False, 3),
    ("layered", 3, True, 1), ("layered", 4, True, 1), ("layered", 4, False, 2), ("layered", 5, False, 1)])
@pytest.mark.parametrize("closed", [False, True])
def test_significance_is_plain_numpy_over_the_censuses_of_random_graphs(monkeypatch, model, size, colored, threads,
                                                                       closed):
    monkeypatch.setattr(motifs, "_layered_is_quicker", lambda *_: closed)
    rng, nulls, sizes = np.random.default_rng(18), 12, (7, 6, 5)
    if model == "layered":
        graph = motifs.from_layers(random_layers(rng, sizes, 0.4, 2))
    else:
        graph, sizes = of_matrix(random_matrix(rng, 16, 0.12, 2)), None
    seen = []
    table = motifs.significance(graph, size, nulls, model, seed=6, colored=colored, threads=threads, sizes=sizes,
                                progress=lambda rows: seen.extend(rows) or seen)
    assert seen == list(range(nulls))

    colors = 2 if colored else 1
    one = graph if colored else motifs.uncolored(graph)
    own, again, drawn = brute(to_matrix(one), size, colors), np.random.default_rng(6), []
    for _ in range(nulls + 1):
        drawn.append(motifs.rewire(drawn[-1].graph if drawn else one, again, model == "layered", sizes))
    censuses = [brute(to_matrix(null.graph), size, colors) for null in drawn[1:]]  # the first is not counted
    assert_census(table.census, own, size, colors)
    assert_table(table, own, censuses, model)
    assert table.differs.any() == (model == "fanmod" or size > 3)  # of layers all motifs of size 3 are conserved
    assert table.differs.all() <= (model == "fanmod")
    assert (table.tries, table.exchanges) == (sum(one.tries for one in drawn), sum(one.exchanges for one in drawn))


@pytest.mark.parametrize("model", motifs.MODELS)
def test_columns_are_defined_where_random_graphs_do_not_differ(model):
    rng, codes, seen = np.random.default_rng(22), list(range(1, 10)), set()
    for case in range(30):
        observed = rng.integers(1, 5, 9)
        spread = np.zeros(9, int) if case % 3 == 0 else rng.integers(0, 3, 9)
        counts = rng.integers(0, 5, 9) + rng.integers(0, spread + 1, (7 + case, 9))  # ties, many without spread
        if case % 2:
            for some in (observed, counts):
                some[..., -1] += 99 - some.sum(axis=-1)  # of one total, so that shares may be equal too
        if case % 5 == 0:
            counts[3] = 0  # a random graph without any
        own = motifs.Census(motifs.decode(codes, 3, 1), observed, int(observed.sum()), np.array(codes))
        table = motifs._compared(own, counts, counts.sum(axis=1), model, 5, 4)
        assert_table(table, dict(zip(codes, observed.tolist(), strict=True)),
                     [dict(zip(codes, row, strict=True)) for row in counts.tolist()], model)
        assert (table.tries, table.exchanges) == (5, 4)
        seen |= set(table.z[~table.differs].tolist())
    assert seen == {-np.inf, 0.0, np.inf}


def test_a_motif_that_no_random_graph_has_stands_out_without_end_and_one_they_all_have_does_not():
    nodes = np.arange(200)
    edges = np.concatenate([np.transpose([nodes, (nodes + 1) % 200]), [(0, 2), (10, 12)]])
    table = motifs.significance(motifs.graph(200, *edges.T), 3, 4, seed=1)
    triangle = table.census.codes == code_of(3, [(0, 1), (1, 2), (0, 2)])
    assert table.census.counts[triangle].tolist() == [2]
    assert (table.z[triangle].tolist(), table.p[triangle].tolist()) == ([np.inf], [1 / 5])
    assert table.profile[triangle] == np.abs(table.profile).max()
    star = motifs.significance(motifs.graph(5, [0] * 4, [1, 2, 3, 4]), 4, 5)
    for name, value in {"differs": False, "z": 0, "p": 1, "q": 1, "larger": 0, "profile": 0, "std": 0,
                        "frequency": 1, "mean_frequency": 1}.items():
        assert getattr(star, name).tolist() == [value]
    assert (star.totals.tolist(), star.exchanges) == ([4] * 5, 0)


def test_q_is_that_of_scipy():
    rng = np.random.default_rng(19)
    for size in (1, 2, 30):
        p = np.round(rng.random(size)**3, 2)  # with ties
        np.testing.assert_allclose(motifs.false_discovery(p), stats.false_discovery_control(p), rtol=1e-12)
    assert motifs.false_discovery(np.empty(0)).shape == (0,)


@pytest.fixture(scope="module")
def untrained():
    """Nets of random colours: the significance of their motifs of size 4 under both null models."""
    rng, sizes = np.random.default_rng(20), (31, 30, 30, 4)
    nets = [motifs.from_layers(random_layers(rng, sizes, 0.22, 3)) for _ in range(4)]
    return [{model: motifs.significance(net, 4, 40, model, seed=seed, sizes=sizes) for model in motifs.MODELS}
            for seed, net in enumerate(nets)]


def test_the_layered_null_conserves_trees_around_one_node(untrained):
    conserved = set()
    for number in (14, 28, 2116, 2184):  # FANMOD's names: the matrix as a binary number, diagonal included
        matrix = np.array([int(bit) for bit in f"{number:016b}"]).reshape(1, 4, 4)
        conserved.add(smallest(matrix, 1)[0])
    for tables in untrained:
        table = tables["layered"]
        tree = np.isin(smallest(np.minimum(table.census.adjacency.astype(np.int64), 1), 1), list(conserved))
        assert 40 < tree.sum() < len(tree)
        assert not table.differs[tree].any()
        assert (table.z[tree] == 0).all()
        assert (table.q[tree] == 1).all()
        assert table.differs[~tree].mean() > 0.9
        assert tables["fanmod"].differs[tree].all()


def test_random_nets_have_few_motifs_under_the_layered_null_and_many_under_fanmods(untrained):
    share = {model: np.mean(np.abs(np.concatenate([tables[model].z[np.isfinite(tables[model].z)]
                                                   for tables in untrained])) > 2) for model in motifs.MODELS}
    assert share["layered"] <= 0.12
    assert share["fanmod"] > 0.3


@pytest.mark.parametrize(("how", "words"), [
    ({"model": "uniform"}, "null model 'uniform': expected one of fanmod, layered"),
    ({"nulls": 1}, "1 random graphs: expected 2 or more"),
    ({"nulls": 2.0}, "2.0 random graphs: expected 2 or more"),
    ({"seed": -1}, "non-negative"),
    ({"model": "layered", "sizes": (2, 2)}, "layers of 2 2 units, and a node 4"),
])
def test_impossible_comparisons_are_refused(how, words):
    with pytest.raises(ValueError, match=words):
        motifs.significance(motifs.graph(5, [0, 1], [1, 2]), 3, **{"nulls": 2} | how)


def test_a_graph_of_an_adjacency_matrix():
    matrix = np.array([[9, 2, 0], [0, 0, 1], [3, 0, 0]])  # a loop is dropped
    graph = motifs.from_adjacency(matrix)
    assert sorted(zip(graph.sources.tolist(), graph.targets.tolist(), graph.colors.tolist(), strict=True)) == [
        (0, 1, 2), (1, 2, 1), (2, 0, 3)]
    assert motifs.from_adjacency(matrix > 0).colors.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match=r"a matrix of shape \(2, 3\): expected a square one"):
        motifs.from_adjacency(np.ones((2, 3), int))


def test_more_subgraphs_than_64_bits_hold_are_refused(monkeypatch):
    matrices = [np.ones((3, 4), int), np.ones((4, 2), int)]
    trees = motifs.subgraphs_at_most(motifs.from_layers(matrices), 4)
    assert motifs._trees_of(matrices) == trees
    monkeypatch.setattr(motifs, "_trees_of", lambda _: 2.0**63)
    with pytest.raises(ValueError, match="more subgraphs than 64-bit counts hold"):
        motifs.layered_census(matrices)
