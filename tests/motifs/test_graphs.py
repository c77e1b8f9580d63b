"""Graphs from edges, matrices and layers; the layers of a graph, by sizes and by edges."""
import numpy as np
import pytest
from motif_oracles import random_layers

from gradnets import motifs
from gradnets.errors import UserError


def edges_of(graph):
    return sorted(zip(graph.sources.tolist(), graph.targets.tolist(), graph.colors.tolist(), strict=True))


def test_loops_are_dropped_and_a_repeated_edge_keeps_its_last_colour():
    graph = motifs.graph(5, [3, 0, 1, 0, 2, 0], [1, 1, 0, 1, 2, 1], [4, 1, 5, 2, 9, 3])
    assert edges_of(graph) == [(0, 1, 3), (1, 0, 5), (3, 1, 4)]
    assert (graph.nodes, graph.labels, graph.largest_color) == (5, None, 5)
    assert {array.dtype for array in (graph.sources, graph.targets, graph.colors)} == {np.dtype(np.int64)}
    assert motifs.graph(2, np.array([0], np.uint8), [1]).colors.tolist() == [1]
    assert motifs.graph(3, [0], [1], labels=np.array([4, 9, 100])).labels.tolist() == [4, 9, 100]
    assert (motifs.graph(0, [], []).nodes, motifs.graph(0, [], []).largest_color) == (0, 1)


@pytest.mark.parametrize(("arrays", "message"), [
    (([0, 1], [1]), "2 sources, 1 targets and 2 colours: expected the same number"),
    (([0], [1], [1, 2]), "1 sources, 1 targets and 2 colours: expected the same number"),
    (([0, 2], [1, 3]), "the edges join nodes 0 to 3: expected nodes 0 to 2"),
    (([0, -1], [1, 2]), "the edges join nodes -1 to 2: expected nodes 0 to 2"),
    (([0], [1], [0]), "an edge has colour 0: expected 1 or more"),
    (([0, 1], [1, 2], [3, -2]), "an edge has colour -2"),
    (([0.5], [1]), "sources: got float64 .* expected integers"),
    (([0], [1.5]), "targets: got float64 .* expected integers"),
    (([0], [1], [1.5]), "colors: got float64 .* expected integers"),
    (([0], [np.nan]), "expected integers"),
])
def test_wrong_edges_are_refused(arrays, message):
    with pytest.raises(UserError, match=message):
        motifs.graph(3, *arrays)


def test_graph_of_an_adjacency_matrix():
    matrix = np.array([[9, 2, 0], [0, 0, 1], [3, 0, 0]])  # the loop is dropped
    assert edges_of(motifs.from_adjacency(matrix)) == [(0, 1, 2), (1, 2, 1), (2, 0, 3)]
    assert motifs.from_adjacency(matrix > 0).colors.tolist() == [1, 1, 1]
    assert motifs.uncolored(motifs.from_adjacency(matrix)).colors.tolist() == [1, 1, 1]
    with pytest.raises(UserError, match=r"a matrix of shape \(2, 3\): expected a square matrix"):
        motifs.from_adjacency(np.ones((2, 3), int))


@pytest.mark.parametrize("function", [motifs.from_layers, motifs.layered_census])
@pytest.mark.parametrize(("matrices", "message"), [
    ([], "expected one matrix of colours"),
    ([np.ones(3, int)], "expected one matrix of colours"),
    ([np.ones((2, 3), int), np.ones((2, 3), int)], r"shapes \(2, 3\) and \(2, 3\) do not follow one another"),
    ([np.array([[1, -1]])], "colour -1 is negative: expected 0 for no edge"),
    ([np.array([[1, 0.5]])], "expected integers"),
])
def test_wrong_layers_are_refused(function, matrices, message):
    with pytest.raises(UserError, match=message):
        function(matrices)


# ---- layers of a graph ------------------------------------------------------------------------------------

def assert_same_matrices(first, second):
    for matrix, expected in zip(first, second, strict=True):
        np.testing.assert_array_equal(matrix, expected)
        assert matrix.dtype == np.int64


def test_layers_come_back_by_sizes_and_by_edges():
    rng = np.random.default_rng(0)
    for sizes in ((2, 3), (4, 1, 5), (3, 4, 2, 6), (1, 1, 1, 1, 1)):
        layer = np.repeat(np.arange(len(sizes)), sizes)
        matrices = random_layers(rng, sizes, 0.4, 3)
        graph = motifs.from_layers(matrices)
        assert (graph.nodes, graph.labels) == (sum(sizes), None)
        np.testing.assert_array_equal(motifs.layer_of(graph, sizes), layer)
        assert_same_matrices(motifs.layers(graph, sizes), matrices)
        matrices = random_layers(rng, sizes, 1.1, 3)  # connected, so that the edges tell the layers
        graph = motifs.from_layers(matrices)
        assert_same_matrices(motifs.layers(graph), matrices)
        names = rng.permutation(graph.nodes)
        renamed = motifs.graph(graph.nodes, names[graph.sources], names[graph.targets])
        np.testing.assert_array_equal(motifs.layer_of(renamed)[names], layer)


def test_each_part_of_a_graph_starts_in_the_first_layer_and_isolated_nodes_are_left_out():
    edges = [(7, 2), (2, 5), (1, 5), (0, 4), (3, 1)]  # 7 and 3 by 2 and 1 to 5; 0 to 4; 6 and 8 alone
    graph = motifs.graph(9, *zip(*edges, strict=True), [1, 2, 3, 4, 5])
    assert motifs.layer_of(graph).tolist() == [0, 1, 1, 0, 1, 2, -1, 0, -1]
    first, second = motifs.layers(graph)  # rows 0, 3, 7, columns 1, 2, 4; then to 5
    assert first.tolist() == [[0, 0, 4], [5, 0, 0], [0, 1, 0]]
    assert second.tolist() == [[3], [2], [0]]
    assert motifs.layer_of(motifs.graph(6, [5, 4, 3, 2, 1], [4, 3, 2, 1, 0])).tolist() == [5, 4, 3, 2, 1, 0]
    assert motifs.layer_of(motifs.graph(4, [1, 0, 3], [2, 1, 1])).tolist() == [0, 1, 2, 0]
    assert [matrix.shape for matrix in motifs.layers(motifs.graph(4, [], []))] == [(0, 0)]


def test_sizes_count_labels_if_the_graph_has_labels():
    graph = motifs.graph(4, [0, 1, 1], [1, 2, 3], [1, 2, 1], labels=np.array([0, 4, 8, 9]))  # of 3 + 4 + 3 units
    assert motifs.layer_of(graph, (3, 4, 3)).tolist() == [0, 1, 2, 2]
    first, second = motifs.layers(graph, (3, 4, 3))
    assert (first.tolist(), second.tolist()) == ([[1]], [[2, 1]])
    with pytest.raises(UserError, match="3, 4, 2 units have nodes 0 to 8, and the graph has a node 9: expected layers"):
        motifs.layers(graph, (3, 4, 2))
    with pytest.raises(motifs.NotLayered, match="or other layers"):
        motifs.layers(graph, (3, 6, 3))
    with pytest.raises(motifs.NotLayered, match="from node 0 to node 2 does not"):
        motifs.layers(motifs.graph(3, [0], [2]), (1, 1, 1))
    for sizes in ((3, 0, 9), (12, -1), (12.0,), ()):
        with pytest.raises(UserError, match=r"sizes is .*: expected"):
            motifs.layer_of(graph, sizes)


@pytest.mark.parametrize("edges", [
    [(0, 1), (1, 0)], [(0, 1), (1, 2), (2, 0)], [(0, 1), (1, 2), (0, 2)], [(0, 1), (1, 2), (2, 3), (0, 3)],
    [(0, 1), (2, 1), (2, 3), (3, 4), (0, 4)]])
@pytest.mark.parametrize("function", [motifs.layers, motifs.layer_of, lambda graph: motifs.rewire(graph, 0, True),
                                      lambda graph: motifs.census(graph, 4, method="layered"),
                                      lambda graph: motifs.significance(graph, 4, 2, "layered")])
def test_circles_and_edges_that_skip_a_layer_are_not_layered(function, edges):
    with pytest.raises(motifs.NotLayered, match=r"the edge from node \d to node \d does not lead from one layer to the "
                                                "next: choose the null model fanmod$"):
        function(motifs.graph(6, *zip(*edges, strict=True)))


def test_an_edge_that_skips_a_layer_is_named_by_the_labels_of_its_nodes():
    graph = motifs.graph(3, [0, 1, 0], [1, 2, 2], labels=np.array([10, 20, 30]))
    with pytest.raises(motifs.NotLayered, match=r"from node [123]0 to node [123]0 does not"):
        motifs.layers(graph)
