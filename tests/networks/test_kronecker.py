"""Kronecker powers: closed forms against dense matrices, enumeration, mpmath, scipy and networkx."""
import functools
import itertools
import math

import mpmath
import networkx as nx
import numpy as np
import pytest
from scipy import stats

from gradnets.errors import UserError
from gradnets.networks import graphs, histograms, kronecker

SOURCE = np.array([[0.99, 0.7], [0.7, 0.1]])  # the seed of the source


def dense(seed, order):
    return functools.reduce(np.kron, [np.asarray(seed, dtype=float)] * (order + 1))


def random_seed(number, side=2):
    return np.random.default_rng(number).random((side, side))


# ---- the power and its histogram --------------------------------------------------------------------------

def test_power_multiplies_an_entry_of_the_seed_for_each_digit_of_row_and_column():
    seed, order = random_seed(0, 3), 2
    matrix = kronecker.power(seed, order)
    assert matrix.shape == (27, 27)
    for row, column in ((0, 0), (5, 22), (26, 13)):
        digits = [(row // 3**k % 3, column // 3**k % 3) for k in range(order + 1)]
        assert matrix[row, column] == pytest.approx(math.prod(seed[digit] for digit in digits))
    np.testing.assert_array_equal(kronecker.power(seed, 0), seed)


CASES = [*((SOURCE, order) for order in range(1, 11)), *((random_seed(k), 5) for k in range(3)),
         ([[0.9, 0.0], [0.4, 0.2]], 6), ([[0, 2], [2, 0]], 4), ([[3, 3], [3, 3]], 5), ([[1, 0.5], [0.5, 0.25]], 7),
         ([[0.6, 0.36], [1, 0.6]], 6), (random_seed(7, 3), 2), ([[1, 0.5, 0], [0.5, 0.3, 0.2], [0, 0.2, 0.1]], 3)]


@pytest.mark.parametrize(("seed", "order"), CASES)
def test_levels_are_the_distinct_entries_of_the_matrix(seed, order):
    matrix = dense(seed, order)
    logs, counts = np.unique(np.round(np.log(matrix[matrix > 0]), 9), return_counts=True)
    levels = kronecker.levels(seed, order)
    np.testing.assert_allclose(levels.logs, logs, rtol=0, atol=2e-9)
    assert levels.counts == counts.tolist()
    assert levels.zeros == np.count_nonzero(matrix == 0)
    np.testing.assert_allclose(levels.shares, counts / counts.sum(), rtol=1e-14)


def test_the_power_of_the_source_has_78_values():
    levels = kronecker.levels(SOURCE, 10)
    assert len(levels.counts) == 78
    assert sum(levels.counts) == 4**11
    assert np.exp(levels.logs) @ np.array(levels.counts, float) == pytest.approx(2.49**11, rel=1e-12)


def test_equal_products_of_different_values_are_one_level():
    levels = kronecker.levels([[1, 0.5], [0.5, 0.25]], 100)  # 2^-j, out of two factors 1 or 1/2 a choice
    assert levels.counts == [math.comb(202, j) for j in range(203)]
    np.testing.assert_allclose(levels.logs, -math.log(2) * np.arange(202, -1, -1), rtol=1e-12)


def test_order_30_is_exact():
    levels = kronecker.levels(SOURCE, 30)
    assert sum(levels.counts) == 4**31
    assert math.fsum(math.exp(log) * count for log, count in zip(levels.logs, levels.counts, strict=True)) == (
        pytest.approx(2.49**31, rel=1e-12))


def test_order_1000_neither_overflows_nor_underflows():
    levels = kronecker.levels([[0.9, 0.5], [0.5, 0]], 1000)
    by_halves = {1001 - k: math.comb(1001, k) * 2 ** (1001 - k) for k in range(1002)}  # how many factors are 0.5
    assert levels.counts == [by_halves[k] for k in range(1001, -1, -1)]
    assert levels.zeros == 4**1001 - 3**1001
    assert levels.logs[0] == pytest.approx(1001 * math.log(0.5))  # its exponential is no float
    assert np.isfinite(levels.logs).all()
    assert levels.shares.sum() == pytest.approx(1)
    assert sum(kronecker.levels(SOURCE, 300).counts) == 4**301


def test_logs_of_high_powers_are_normal():
    distances = [histograms.ks_distance_from_normal(levels.logs, levels.shares)
                 for levels in (kronecker.levels(SOURCE, order) for order in (3, 30, 200))]
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < 0.02


# ---- moments and spectrum ---------------------------------------------------------------------------------

@pytest.mark.parametrize(("seed", "order"), [(SOURCE, 0), (SOURCE, 7), (random_seed(1), 5), (random_seed(2, 3), 2),
                                             ([[0.9, 0], [0.4, 0.2]], 5)])
def test_moments_are_those_of_the_matrix(seed, order):
    matrix = dense(seed, order).ravel()
    logs = np.log(matrix[matrix > 0])
    expected = stats.skew(matrix), stats.kurtosis(matrix), stats.skew(logs), stats.kurtosis(logs)
    assert kronecker.moments(seed, order) == pytest.approx(expected, rel=1e-9)


def test_moments_of_a_nearly_constant_seed_keep_their_digits():
    seed = np.array([[1, 1 + 1e-9], [1 + 3e-9, 1]])
    with mpmath.workdps(80):
        values = [mpmath.mpf(value) for value in seed.ravel()]
        entries = [mpmath.fprod(chosen) for chosen in itertools.product(values, repeat=3)]
        mean = mpmath.fsum(entries) / len(entries)
        second, third, fourth = (mpmath.fsum((v - mean) ** k for v in entries) / len(entries) for k in (2, 3, 4))
        expected = float(third / second**1.5), float(fourth / second**2 - 3)
    assert kronecker.moments(seed, 2)[:2] == pytest.approx(expected, rel=1e-12)


def test_moments_may_be_nan_or_infinite():
    assert np.isnan(kronecker.moments([[0.1, 0.1], [0.1, 0.1]], 4)).all()
    high = kronecker.moments(SOURCE, 3000)
    assert high[:2] == (math.inf, math.inf)
    assert high[2:] == pytest.approx(np.array(kronecker.moments(SOURCE, 0)[2:]) / [math.sqrt(3001), 3001])


@pytest.mark.parametrize(("seed", "order"), [(SOURCE, 0), (SOURCE, 6), (random_seed(3), 5), (random_seed(4, 3), 3)])
def test_energy_share_is_that_of_the_svd(seed, order):
    squares = np.linalg.svd(dense(seed, order), compute_uv=False) ** 2
    assert kronecker.energy_share(seed, order) == pytest.approx(squares[0] / squares.sum(), rel=1e-10)


def test_energy_share_of_the_source():
    assert kronecker.energy_share(SOURCE, 9) == pytest.approx(0.657, abs=5e-4)
    assert kronecker.energy_share([[2, 4], [1, 2]], 5) == pytest.approx(1)


# ---- the stochastic Kronecker graph -----------------------------------------------------------------------

def enumerated_counts(p):
    """Return expected counts by their definition: sums over sets of nodes, from probabilities p (n, n)."""
    nodes = range(len(p))
    links = [[p[i, j] for j in nodes if j != i] for i in nodes]
    return (sum(p[i, j] for i, j in itertools.combinations(nodes, 2)),
            sum(math.prod(pair) for row in links for pair in itertools.combinations(row, 2)),
            sum(math.prod(triple) for row in links for triple in itertools.combinations(row, 3)),
            sum(p[i, j] * p[j, k] * p[k, i] for i, j, k in itertools.combinations(nodes, 3)))


def symmetric(number, side):
    seed = random_seed(number, side)
    return (seed + seed.T) / 2


@pytest.mark.parametrize(("seed", "order"), [(SOURCE, 0), (SOURCE, 3), (symmetric(0, 2), 3), (symmetric(1, 3), 1),
                                             (symmetric(2, 3), 0), ([[1, 0], [0, 1]], 2), ([[0, 1], [1, 0.3]], 3)])
def test_expected_counts_are_sums_over_sets_of_nodes(seed, order):
    expected = kronecker.expected_counts(seed, order)
    assert expected == pytest.approx(enumerated_counts(dense(seed, order)), rel=1e-10, abs=1e-12)


def drawn_network(seed, order, rng):
    return graphs.merge_layers(graphs.sample(np.triu(dense(seed, order), k=1), rng))


def test_observed_counts_are_those_of_networkx():
    adjacency = drawn_network(SOURCE, 6, 0)
    graph = nx.from_numpy_array(adjacency)
    degrees = [degree for _, degree in graph.degree]
    assert kronecker.observed_counts(adjacency) == (
        graph.number_of_edges(), sum(math.comb(k, 2) for k in degrees), sum(math.comb(k, 3) for k in degrees),
        sum(nx.triangles(graph).values()) // 3)


@pytest.mark.parametrize(("a", "b", "c"), [(0.99, 0.7, 0.1), (0.9, 0.6, 0.5), (0.95, 0.8, 0.3)])
def test_fit_recovers_the_seed_of_a_drawn_network(a, b, c):
    fits = [kronecker.fit_seed(drawn_network([[a, b], [b, c]], 9, number)) for number in range(4)]
    for fit in fits:
        np.testing.assert_allclose(fit.seed, [[a, b], [b, c]], atol=0.05)
        assert fit.order == 9
        assert fit.misfit < 0.01
    np.testing.assert_allclose(np.mean([fit.seed for fit in fits], axis=0), [[a, b], [b, c]], atol=0.03)


def test_fit_is_as_good_as_the_best_seed_of_a_grid():
    hubs = np.zeros((60, 60), dtype=bool)
    hubs[:8, :40] = True  # links among hubs, and to their followers: no Kronecker graph
    adjacency = graphs.merge_layers(hubs)
    fit = kronecker.fit_seed(adjacency)
    observed = np.array(kronecker.observed_counts(adjacency))
    assert fit.observed == tuple(observed)
    assert fit.expected == pytest.approx(kronecker.expected_counts(fit.seed, 5))
    assert fit.misfit == pytest.approx(((fit.expected / observed - 1) ** 2).sum())

    grid = np.linspace(0, 1, 21)
    misfits = [((np.array(kronecker.expected_counts([[a, b], [b, c]], 5)) / observed - 1) ** 2).sum()
              for a, b, c in itertools.product(grid, repeat=3) if a >= c and a + b > 0]
    assert fit.misfit <= min(misfits) < fit.misfit + 0.2
    (a, b), (_, c) = fit.seed
    assert a >= c
    assert set(fit.at_bound) == {f"{name} = {value:.0f}" for name, value in (("a", a), ("b", b), ("c", c))
                                 if value in (0, 1)}
    assert fit.at_bound


# ---- mistakes ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("seed", "order", "message"), [
    ([[0.5]], 2, r"float64 of shape \(1, 1\): expected a square matrix .* at least 2 x 2"),
    ([[0.5, 1]], 2, "expected a square matrix"),
    ([0.5, 1], 2, "expected a square matrix"),
    ([["a", "b"], ["c", "d"]], 2, "expected a square matrix of real numbers"),
    ([[0.5, -1], [1, 1]], 2, "at least 0"),
    ([[0.5, np.nan], [1, 1]], 2, "expected finite numbers"),
    ([[0.5, np.inf], [1, 1]], 2, "expected finite numbers"),
    ([[0, 0], [0, 0]], 2, "one of them above 0"),
    (SOURCE, -1, "order is -1: expected an integer from 0"),
    (SOURCE, 1.5, "order is 1.5: expected an integer"),
    (SOURCE, True, "order is True: expected an integer"),
    (SOURCE, 10**9, "from 0 to 10,000"),
])
@pytest.mark.parametrize("function", [kronecker.power, kronecker.levels, kronecker.moments, kronecker.energy_share,
                                      kronecker.expected_counts])
def test_invalid_seeds_and_orders_are_refused(function, seed, order, message):
    with pytest.raises(UserError, match=message):
        function(seed, order)


def test_powers_and_levels_that_exceed_memory_are_refused():
    with pytest.raises(UserError, match=r"would have 2\^15 rows .* kronecker.levels, which needs no matrix"):
        kronecker.power(SOURCE, 14)
    with pytest.raises(UserError, match=f"9 distinct positive values has up to {math.comb(109, 8):,} levels"):
        kronecker.levels(random_seed(0, 3), 100)
    with pytest.raises(UserError, match=r"up to 10\^27 levels"):
        kronecker.levels(random_seed(0, 3), 10_000)


def test_counts_need_a_symmetric_seed_and_must_fit_into_floats():
    for seed in ([[0.9, 0.5], [0.4, 0.1]], [[1.2, 0.5], [0.5, 0.1]]):
        with pytest.raises(UserError, match="no symmetric matrix of probabilities"):
            kronecker.expected_counts(seed, 3)
    with pytest.raises(UserError, match="too large for floats"):
        kronecker.expected_counts(SOURCE, 5000)


@pytest.mark.parametrize(("graph", "message"), [
    (nx.empty_graph(5), "5 nodes and 0 links has no edges"),
    (nx.path_graph(2), "has no wedges"),
    (nx.complete_graph(3), "has no tripins"),
    (nx.star_graph(6), "7 nodes and 6 links has no triangles"),
])
def test_networks_without_a_count_are_refused(graph, message):
    with pytest.raises(UserError, match=message):
        kronecker.fit_seed(nx.to_numpy_array(graph, dtype=bool))


def test_a_fit_needs_an_undirected_network():
    with pytest.raises(UserError, match="must be symmetric"):
        kronecker.fit_seed(np.triu(np.ones((5, 5), dtype=bool), k=1))
