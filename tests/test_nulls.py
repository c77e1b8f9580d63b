"""Nulls: what they keep, that they are uniform where all possibilities can be listed, and the closed forms."""
import itertools
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from gradnets import graphs, metrics, nulls


def rng(seed=0):
    return np.random.default_rng(seed)


def merged(n, chance, seed=0):
    return graphs.merge_layers(rng(seed).random((n, n)) < chance)


@pytest.mark.parametrize("chance", [0.02, 0.1, 0.5])
def test_what_each_null_keeps(chance):
    network = merged(60, chance)
    links, one = network.sum(), rng(1)
    for null in (nulls.erdos_renyi, nulls.undirected_configuration):
        drawn = null(network, one)
        assert drawn.dtype == bool
        assert drawn.sum() == links
        np.testing.assert_array_equal(drawn, graphs.merge_layers(drawn))  # symmetric, no loops
        assert (drawn != network).any()
    np.testing.assert_array_equal(nulls.undirected_configuration(network, one).sum(axis=0), network.sum(axis=0))
    assert not nulls.erdos_renyi(network, one)[network.sum(axis=0) == 0].any()

    directed = rng(2).random((40, 25)) < chance
    drawn = nulls.directed_configuration(directed, one)
    np.testing.assert_array_equal(drawn.sum(axis=0), directed.sum(axis=0))
    np.testing.assert_array_equal(drawn.sum(axis=1), directed.sum(axis=1))
    assert (drawn != directed).any()
    assert nulls.shuffled_entries(directed, one).sum() == directed.sum()


def network_of(nodes, links):
    """bool (nodes, nodes), symmetric, from pairs of nodes."""
    matrix = np.zeros((nodes, nodes), dtype=bool)
    for i, j in links:
        matrix[i, j] = matrix[j, i] = True
    return matrix


def assert_uniform(null, start, possible, draws=6000):
    """Chi-square over all the matrices that the null may give."""
    one = rng(5)
    counts = Counter(null(start, one).tobytes() for _ in range(draws))
    assert set(counts) == {matrix.tobytes() for matrix in possible}
    assert stats.chisquare(list(counts.values())).pvalue > 1e-4


def test_undirected_configuration_is_uniform_over_all_simple_graphs():
    degrees = np.array([3, 2, 2, 2, 2, 1])
    pairs = list(itertools.combinations(range(6), 2))
    every = (network_of(6, links) for links in itertools.combinations(pairs, 6))
    possible = [matrix for matrix in every if (matrix.sum(axis=0) == degrees).all()]
    assert len(possible) > 20
    assert_uniform(nulls.undirected_configuration, possible[0], possible, draws=200 * len(possible))


def test_directed_configuration_is_uniform_over_all_matrices_with_these_sums():
    rows, columns = [2, 1, 1], [1, 2, 0, 1]
    every = (np.array(bits, dtype=bool).reshape(3, 4) for bits in itertools.product((0, 1), repeat=12))
    possible = [m for m in every if m.sum(axis=1).tolist() == rows and m.sum(axis=0).tolist() == columns]
    assert len(possible) == 5
    assert_uniform(nulls.directed_configuration, possible[0], possible)


def test_erdos_renyi_and_shuffling_are_uniform():
    path = graphs.merge_layers(np.eye(4, k=1, dtype=bool))
    pairs = list(itertools.combinations(range(4), 2))
    possible = [network_of(4, links) for links in itertools.combinations(pairs, 3)]
    assert_uniform(nulls.erdos_renyi, path, possible)
    start = np.array([[True, True, False], [False, False, False]])
    possible = []
    for links in itertools.combinations(range(6), 2):
        matrix = np.zeros(6, dtype=bool)
        matrix[list(links)] = True
        possible.append(matrix.reshape(2, 3))
    assert_uniform(nulls.shuffled_entries, start, possible)


@pytest.mark.parametrize(("places", "links"), [(100, 50), (10_001, 500), (10_001, 501), (20_000, 20_000), (50_000, 0),
                                               (300_000, 100_000)])
def test_choices_are_numpys(places, links):
    ours, theirs = rng(4), rng(4)
    np.testing.assert_array_equal(nulls._choice(places, links, ours),
                                  theirs.choice(places, links, replace=False, shuffle=False))
    assert ours.random() == theirs.random()  # and as much of the stream is used


def test_erdos_renyi_numbers_pairs_as_the_upper_triangle_does():
    network = merged(150, 0.2)
    network[:, :7] = network[:7] = False  # without a link
    linked = np.flatnonzero(network.any(axis=0))
    first, second = np.triu_indices(len(linked), k=1)
    chosen = rng(9).choice(len(first), network.sum() // 2, replace=False, shuffle=False)
    expected = network_of(150, zip(linked[first[chosen]], linked[second[chosen]], strict=True))
    np.testing.assert_array_equal(nulls.erdos_renyi(network, rng(9)), expected)


@pytest.mark.parametrize("shape", [(1, 5000), (3, 5000), (5000, 3)])
def test_nulls_of_long_matrices_keep_what_they_keep(shape):
    links = rng(6).random(shape) < 0.3
    assert nulls.shuffled_entries(links, 1).sum() == links.sum()
    drawn = nulls.directed_configuration(links, 1)
    np.testing.assert_array_equal(drawn.sum(axis=0), links.sum(axis=0))
    np.testing.assert_array_equal(drawn.sum(axis=1), links.sum(axis=1))


def test_networks_that_cannot_change_do_not():
    empty, full = np.zeros((5, 5), bool), ~np.eye(5, dtype=bool)
    for network in (empty, full):
        for null in (nulls.erdos_renyi, nulls.undirected_configuration):
            np.testing.assert_array_equal(null(network, rng()), network)
        np.testing.assert_array_equal(nulls.directed_configuration(np.ones((3, 4), bool), rng()), np.ones((3, 4)))


def dense_forms(row, column):
    """Expected degrees and clustering by the definitions: the whole matrix U, its cube, and all sets of links."""
    u = 1 - (1 - np.outer(row, column)) * (1 - np.outer(column, row))
    np.fill_diagonal(u, 0)
    closed = np.diag(u @ u @ u)
    pairs = u.sum(axis=1)**2 - (u**2).sum(axis=1)
    at_least_two = [sum(np.prod(np.where(links, chances, 1 - chances))
                        for links in itertools.product((False, True), repeat=len(chances)) if sum(links) >= 2)
                    for chances in u]
    ratio = np.divide(closed, pairs, out=np.zeros_like(closed), where=pairs > 0)
    return u.sum(axis=1), np.mean(ratio * at_least_two)


@pytest.mark.parametrize("seed", range(4))
def test_closed_forms_equal_their_definitions(seed):
    row, column = rng(seed).random(9) * (rng(seed + 10).random(9) < 0.7), rng(seed + 20).random(9)**3
    row[0], column[1] = 1.0, 1.0  # some links are certain
    degrees, clustering = dense_forms(row, column)
    np.testing.assert_allclose(nulls.expected_degrees(row, column), degrees, rtol=1e-12, atol=1e-14)
    assert nulls.expected_clustering(row, column) == pytest.approx(clustering, rel=1e-10)


def assert_closed_form_predicts(chances, tolerance, draws):
    row, column = nulls.rank_one(chances)
    np.testing.assert_allclose(np.outer(row, column), chances, rtol=1e-9, atol=1e-14)
    one = rng(1)
    drawn = [metrics.measure(graphs.merge_layers(graphs.sample(chances, one))) for _ in range(draws)]
    edges = np.mean([stats.edges for stats in drawn])
    clustering = np.mean([stats.average_clustering for stats in drawn])
    assert nulls.expected_degrees(row, column).sum() / 2 == pytest.approx(edges, rel=0.01)
    assert nulls.expected_clustering(row, column) == pytest.approx(clustering, rel=tolerance)


def test_closed_form_predicts_mnist(mnist_chances):
    assert_closed_form_predicts(mnist_chances, 0.05, draws=60)


def test_closed_form_predicts_cifar10(cifar10_chances):
    assert_closed_form_predicts(cifar10_chances, 0.01, draws=4)


def test_rank_one_of_float32_is_exact_to_its_rounding():
    row, column = rng(1).random(100).astype("f4"), rng(2).random(300).astype("f4")
    chances = graphs.probabilities(np.outer(row, column))
    found = nulls.rank_one(chances)
    assert {factor.dtype for factor in found} == {np.dtype("f8")}
    np.testing.assert_allclose(np.outer(*found), chances, rtol=1e-6)
    chances[70, 5] *= 1.001
    with pytest.raises(ValueError, match="no outer product"):
        nulls.rank_one(chances)


def test_rank_one_refuses_what_is_no_outer_product():
    with pytest.raises(ValueError, match="3 x 3 matrix is no outer product"):
        nulls.rank_one(np.eye(3))
    with pytest.raises(graphs.DegenerateMatrix, match="zero everywhere"):
        nulls.rank_one(np.zeros((3, 3)))


@pytest.mark.parametrize("wrong", [np.array([0.5]), np.array([[2.0]]), np.array([[-0.5]]), np.array([[np.nan]])])
def test_rank_one_refuses_what_are_no_probabilities(wrong):
    with pytest.raises(ValueError, match="matrix of probabilities"):
        nulls.rank_one(wrong)


@pytest.mark.parametrize(("row", "column", "message"), [
    ([0.5, 0.5], [0.5], "one length"),
    ([], [], "at least one"),
    ([-0.5, 0.5], [0.5, 0.5], "must be a probability"),
    ([2.0, 0.5], [0.6, 0.5], "largest is 1.2"),
    ([np.nan, 0.5], [0.6, 0.5], "1 of 2 numbers are NaN"),
])
def test_closed_forms_refuse_what_are_no_probabilities(row, column, message):
    for form in (nulls.expected_degrees, nulls.expected_clustering):
        with pytest.raises(ValueError, match=message):
            form(np.array(row), np.array(column))


def test_a_network_without_triangles_expects_no_clustering():
    assert nulls.expected_clustering(np.array([1.0, 0, 0, 0]), np.array([0, 0.5, 0.5, 0.5])) == 0
    assert nulls.expected_clustering(np.zeros(5), np.ones(5)) == 0


@pytest.mark.parametrize("null", [nulls.erdos_renyi, nulls.undirected_configuration])
@pytest.mark.parametrize(("network", "message"), [
    (np.eye(3, dtype=bool), "empty diagonal"), (np.zeros((2, 3), bool), "square"), (np.zeros((2, 2)), "bools"),
])
def test_undirected_nulls_refuse_other_networks(null, network, message):
    with pytest.raises(ValueError, match=message):
        null(network, rng())


@pytest.mark.parametrize("null", [nulls.directed_configuration, nulls.shuffled_entries])
def test_directed_nulls_refuse_what_are_no_links(null):
    with pytest.raises(ValueError, match="matrix of bools"):
        null(np.ones((2, 2)), rng())
