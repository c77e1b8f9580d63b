"""Null models: what they keep, uniformity over all possible networks, and closed forms against their definitions."""
import itertools
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from gradnets.errors import UserError
from gradnets.networks import graphs, metrics, nulls


def rng(seed=0):
    return np.random.default_rng(seed)


def merged(n, probability, seed=0):
    return graphs.merge_layers(rng(seed).random((n, n)) < probability)


# ---- what null models keep --------------------------------------------------------------------------------

@pytest.mark.parametrize("probability", [0.02, 0.1, 0.5])
def test_each_null_model_keeps_its_property(probability):
    network, generator = merged(60, probability), rng(1)
    for null in (nulls.erdos_renyi, nulls.undirected_configuration):
        random = null(network, generator)
        assert random.dtype == bool
        assert random.sum() == network.sum()
        np.testing.assert_array_equal(random, graphs.merge_layers(random))  # symmetric, no loops
        assert (random != network).any()
        np.testing.assert_array_equal(null(metrics.pack(network), 2), null(network, 2))
    np.testing.assert_array_equal(nulls.undirected_configuration(network, generator).sum(axis=0), network.sum(axis=0))
    assert not nulls.erdos_renyi(network, generator)[network.sum(axis=0) == 0].any()

    directed = rng(2).random((40, 25)) < probability
    random = nulls.directed_configuration(directed, generator)
    assert_same_degrees(random, directed)
    assert (random != directed).any()
    assert nulls.shuffled_entries(directed, generator).sum() == directed.sum()


def assert_same_degrees(random, network):
    for axis in (0, 1):
        np.testing.assert_array_equal(random.sum(axis=axis), network.sum(axis=axis))


@pytest.mark.parametrize("shape", [(1, 5000), (3, 5000), (5000, 3)])
def test_null_models_of_long_matrices_keep_their_properties(shape):
    links = rng(6).random(shape) < 0.3
    assert nulls.shuffled_entries(links, 1).sum() == links.sum()
    assert_same_degrees(nulls.directed_configuration(links, 1), links)


def test_networks_that_cannot_change_stay_the_same():
    empty, full = np.zeros((5, 5), bool), ~np.eye(5, dtype=bool)
    for network in (empty, full):
        for null in (nulls.erdos_renyi, nulls.undirected_configuration):
            np.testing.assert_array_equal(null(network, rng()), network)
        np.testing.assert_array_equal(nulls.directed_configuration(np.ones((3, 4), bool), rng()), np.ones((3, 4)))


# ---- uniformity -------------------------------------------------------------------------------------------


def network_of(nodes, links):
    """Return a symmetric bool matrix (nodes, nodes) from pairs of nodes."""
    matrix = np.zeros((nodes, nodes), dtype=bool)
    for i, j in links:
        matrix[i, j] = matrix[j, i] = True
    return matrix


def assert_uniform(null, start, possible, draws=6000):
    """Test that the null model gives all possible matrices equally often, by chi-square."""
    generator = rng(5)
    counts = Counter(null(start, generator).tobytes() for _ in range(draws))
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
def test_choices_are_those_of_numpy(places, links):
    generator, numpys = rng(4), rng(4)
    np.testing.assert_array_equal(nulls._choice(places, links, generator),
                                  numpys.choice(places, links, replace=False, shuffle=False))
    assert generator.random() == numpys.random()  # the same part of the stream was used


def test_erdos_renyi_numbers_pairs_as_the_upper_triangle_does():
    network = merged(150, 0.2)
    network[:, :7] = network[:7] = False  # without a link
    linked = np.flatnonzero(network.any(axis=0))
    first, second = np.triu_indices(len(linked), k=1)
    chosen = rng(9).choice(len(first), network.sum() // 2, replace=False, shuffle=False)
    expected = network_of(150, zip(linked[first[chosen]], linked[second[chosen]], strict=True))
    np.testing.assert_array_equal(nulls.erdos_renyi(network, rng(9)), expected)


# ---- closed forms -----------------------------------------------------------------------------------------

def dense_forms(row, column):
    """Return expected degrees and clustering by their definitions: the matrix U, its cube, and all sets of links."""
    u = 1 - (1 - np.outer(row, column)) * (1 - np.outer(column, row))
    np.fill_diagonal(u, 0)
    closed = np.diag(u @ u @ u)
    pairs = u.sum(axis=1)**2 - (u**2).sum(axis=1)
    every = np.array(list(itertools.product((False, True), repeat=len(u))))
    at_least_two = [np.prod(np.where(every, probabilities, 1 - probabilities), axis=1)[every.sum(axis=1) >= 2].sum()
                    for probabilities in u]
    ratio = np.divide(closed, pairs, out=np.zeros_like(closed), where=pairs > 0)
    return u.sum(axis=1), np.mean(ratio * at_least_two)


@pytest.mark.parametrize("seed", range(4))
def test_closed_forms_equal_their_definitions(seed):
    row, column = rng(seed).random(9) * (rng(seed + 10).random(9) < 0.7), rng(seed + 20).random(9)**3
    row[0], column[1] = 1.0, 1.0  # some links are certain
    degrees, clustering = dense_forms(row, column)
    np.testing.assert_allclose(nulls.expected_degrees(row, column), degrees, rtol=1e-12, atol=1e-14)
    assert nulls.expected_clustering(row, column) == pytest.approx(clustering, rel=1e-10)


@pytest.mark.parametrize("largest", [0.05, 0.2, 0.4, 0.6, 1.0])
def test_chances_of_two_links_are_exact_in_sparse_and_in_dense_networks(largest):
    row, column = rng(1).random(200) * largest, rng(2).random(200)
    u = 1 - (1 - np.outer(row, column)) * (1 - np.outer(column, row))
    np.fill_diagonal(u, 0)
    none = np.prod(1 - u, axis=1)
    np.testing.assert_allclose(nulls._at_least_two(row, column), 1 - none - none * (u / (1 - u)).sum(axis=1),
                               rtol=1e-13)


@pytest.mark.parametrize(("data", "tolerance", "draws"), [("mnist", 0.05, 60), ("cifar10", 0.01, 4)])
def test_closed_form_predicts_sampled_networks(data, tolerance, draws, request, many):
    if data not in many(("mnist",), ("mnist", "cifar10")):
        pytest.skip("training on CIFAR-10 takes seconds: in make test-long")
    probabilities = request.getfixturevalue(f"{data}_probabilities")
    row, column = nulls.rank_one(probabilities)
    np.testing.assert_allclose(np.outer(row, column), probabilities, rtol=1e-9, atol=1e-14)
    generator = rng(1)
    sampled = [metrics.pack(graphs.merge_layers(graphs.sample(probabilities, generator))) for _ in range(draws)]
    edges = np.mean([network.degrees.sum() / 2 for network in sampled])
    clustering = np.mean([metrics.average_clustering(network) for network in sampled])
    assert nulls.expected_degrees(row, column).sum() / 2 == pytest.approx(edges, rel=0.01)
    assert nulls.expected_clustering(row, column) == pytest.approx(clustering, rel=tolerance)


def test_rank_one_of_float32_is_exact_to_its_rounding():
    row, column = rng(1).random(100).astype("f4"), rng(2).random(300).astype("f4")
    probabilities = graphs.probabilities(np.outer(row, column))
    factors = nulls.rank_one(probabilities)
    assert {factor.dtype for factor in factors} == {np.dtype("f8")}
    np.testing.assert_allclose(np.outer(*factors), probabilities, rtol=1e-6)
    probabilities[70, 5] *= 1.001
    with pytest.raises(UserError, match="no outer product"):
        nulls.rank_one(probabilities)


def test_rank_one_refuses_matrices_that_are_no_outer_product():
    with pytest.raises(UserError, match="3 x 3 matrix is no outer product"):
        nulls.rank_one(np.eye(3))
    with pytest.raises(graphs.DegenerateMatrix, match="zero everywhere"):
        nulls.rank_one(np.zeros((3, 3)))


@pytest.mark.parametrize("matrix", [np.array([0.5]), np.array([[2.0]]), np.array([[-0.5]]), np.array([[np.nan]])])
def test_rank_one_refuses_entries_that_are_no_probabilities(matrix):
    with pytest.raises(UserError, match="matrix of probabilities"):
        nulls.rank_one(matrix)


@pytest.mark.parametrize(("row", "column", "message"), [
    ([0.5, 0.5], [0.5], "one length"),
    ([], [], "at least one"),
    ([-0.5, 0.5], [0.5, 0.5], "must be a probability"),
    ([2.0, 0.5], [0.6, 0.5], "largest is 1.2"),
    ([np.nan, 0.5], [0.6, 0.5], "1 of 2 numbers are NaN"),
])
def test_closed_forms_refuse_products_that_are_no_probabilities(row, column, message):
    for form in (nulls.expected_degrees, nulls.expected_clustering):
        with pytest.raises(UserError, match=message):
            form(np.array(row), np.array(column))


def test_a_network_without_triangles_expects_no_clustering():
    assert nulls.expected_clustering(np.array([1.0, 0, 0, 0]), np.array([0, 0.5, 0.5, 0.5])) == 0
    assert nulls.expected_clustering(np.zeros(5), np.ones(5)) == 0


# ---- mistakes ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("null", [nulls.erdos_renyi, nulls.undirected_configuration])
@pytest.mark.parametrize(("network", "message"), [
    (np.eye(3, dtype=bool), "empty diagonal"), (np.zeros((2, 3), bool), "square"), (np.zeros((2, 2)), "bools"),
])
def test_undirected_null_models_refuse_directed_networks(null, network, message):
    with pytest.raises(UserError, match=message):
        null(network, rng())


@pytest.mark.parametrize("null", [nulls.directed_configuration, nulls.shuffled_entries])
def test_directed_null_models_refuse_numbers(null):
    with pytest.raises(UserError, match="matrix of bools"):
        null(np.ones((2, 2)), rng())
