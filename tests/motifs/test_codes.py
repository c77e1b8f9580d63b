"""Codes of motifs against all orders of nodes and networkx; texts; colours from weights."""
import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motif_oracles import MOST_COLORS, assert_census, brute_force, graph_of, place_values, random_matrix, smallest_codes

from gradnets import motifs
from gradnets.errors import UserError


@pytest.mark.parametrize(("size", "classes"), [(3, 13), (4, 199)])
def test_all_connected_graphs_fall_into_the_known_number_of_classes(size, classes):
    pairs = list(itertools.permutations(range(size), 2))
    bits = np.array(list(itertools.product((0, 1), repeat=len(pairs))))
    matrices = np.zeros((len(bits), size, size), np.int64)
    matrices[:, *np.transpose(pairs)] = bits
    codes = motifs.canonical(matrices, 1)
    np.testing.assert_array_equal(codes, smallest_codes(matrices, 1))
    connected = [nx.is_weakly_connected(nx.from_numpy_array(matrix, create_using=nx.DiGraph)) for matrix in
                 motifs.decode(np.unique(codes), size, 1)]
    assert sum(connected) == classes


@st.composite
def colored_matrices(draw):
    size = draw(st.sampled_from(sorted(MOST_COLORS)))
    colors = draw(st.one_of(st.integers(1, 3), st.integers(1, MOST_COLORS[size])))
    entries = draw(st.lists(st.integers(0, colors), min_size=size * size, max_size=size * size))
    matrix = np.array(entries).reshape(size, size)
    np.fill_diagonal(matrix, 0)
    return matrix, colors, np.array(draw(st.permutations(range(size))))


@settings(max_examples=50, deadline=None)
@given(colored_matrices())
def test_a_code_is_the_smallest_number_for_any_order_of_nodes_and_decodes_to_its_class(drawn):
    matrix, colors, order = drawn
    both = np.stack([matrix, matrix[order][:, order]])
    codes = motifs.canonical(both, colors)
    assert codes[0] == codes[1] == smallest_codes(both[:1], colors)[0]
    shown = motifs.decode(codes, len(matrix), colors)
    assert (shown.dtype, shown.shape) == (np.int64, both.shape)
    assert shown[0].reshape(-1) @ place_values(len(matrix), colors)[:, 0] == codes[0]
    assert any((shown[0] == matrix[list(order)][:, list(order)]).all()
               for order in itertools.permutations(range(len(matrix))))
    assert (motifs.adjacency_of(motifs.text_of(matrix)) == matrix).all()


def test_codes_are_equal_if_and_only_if_networkx_finds_an_isomorphism():
    rng, outcomes = np.random.default_rng(1), set()
    for _ in range(100):
        size = rng.integers(3, 6)
        pair = [random_matrix(rng, size, 0.3, 2) for _ in range(2)]
        graphs = [nx.from_numpy_array(matrix, create_using=nx.DiGraph) for matrix in pair]
        isomorphic = nx.is_isomorphic(*graphs, edge_match=lambda a, b: a["weight"] == b["weight"])
        codes = motifs.canonical(np.stack(pair), 2)
        assert (codes[0] == codes[1]) == isomorphic
        outcomes.add(isomorphic)
    assert outcomes == {True, False}


@pytest.mark.parametrize("size", sorted(MOST_COLORS))
def test_the_largest_colour_of_a_code_is_counted_and_the_next_one_refused(size):
    rng, most = np.random.default_rng(size), MOST_COLORS[size]
    assert motifs.most_colors(size) == most
    assert (most + 1)**(size * (size - 1)) < 2**63 <= (most + 2)**(size * (size - 1))
    matrix = random_matrix(rng, 8, 0.5, most)
    matrix[0, 1] = most
    census = motifs.census(graph_of(matrix), size)
    assert_census(census, brute_force(matrix, size, most), size, most)
    assert census.adjacency.max() == most
    matrix[0, 1] += 1
    message = f"got {most + 1} colours, and motifs of {size} nodes can have {most}: merge colours or leave them out"
    for function in (motifs.census, lambda graph, size: motifs.significance(graph, size, 2),
                     lambda graph, size: motifs.sampled_census(graph, size, 0.5)):
        with pytest.raises(UserError, match=message):
            function(graph_of(matrix), size)
    assert motifs.census(graph_of(matrix), size, colored=False).total == census.total
    if size < 5:
        with pytest.raises(UserError, match=message):
            motifs.layered_census([np.array([[most + 1]])], size)


@pytest.mark.parametrize("size", [2, 6, 0, "3", None])
@pytest.mark.parametrize("function", [motifs.census, lambda graph, size: motifs.significance(graph, size, 2),
                                      lambda graph, size: motifs.sampled_census(graph, size, 0.5),
                                      motifs.subgraphs_at_most])
def test_wrong_sizes_are_refused(function, size):
    with pytest.raises(UserError, match=rf"size is {size!r}: expected 3, 4 or 5"):
        function(motifs.graph(3, [0, 1], [1, 2]), size)


def test_colours_of_more_digits_are_separated_by_points():
    assert motifs.text_of(np.array([[0, 2], [1, 0]])) == "02/10"
    assert motifs.text_of(np.array([[0, 12], [1, 0]])) == "0.12/1.0"
    assert motifs.adjacency_of("0.12/1.0").tolist() == [[0, 12], [1, 0]]


def test_mild_edges_are_a_fifth_of_each_tail():
    weights = np.random.default_rng(0).normal(0.1, 0.5, 200_000)
    cuts = motifs.weight_cuts(weights)
    assert (cuts[1:3] - 0.1) / 0.5 == pytest.approx([-1.0935, 1.0935], abs=0.01)  # where exp(-x² / 2) is 0.55
    colors = motifs.weight_colors(weights, cuts)
    for strong, tail in ((1, weights < cuts[1]), (3, weights > cuts[2])):
        assert np.mean(colors[tail] == 2) == pytest.approx(0.2, abs=0.001)
        assert set(colors[tail]) == {2, strong}
    assert not colors[(weights > cuts[1]) & (weights < cuts[2])].any()
