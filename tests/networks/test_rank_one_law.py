"""The law of deltas against simulated nets and quadrature; its clustering against enumeration and drawn networks."""
import itertools

import networkx as nx
import numpy as np
import pytest
from scipy import integrate, stats

from gradnets.errors import UserError
from gradnets.networks import graphs, nulls, rank_one_law


def rng(seed=0):
    return np.random.default_rng(seed)


def simulated(inputs, scale, hidden_units, outputs, generator):
    """Return the deltas of an untrained tanh net for one sample, written out: hidden pre-activations, both deltas."""
    totals = inputs @ generator.uniform(-scale, scale, (len(inputs), hidden_units))
    totals += generator.uniform(-scale, scale, hidden_units)  # the bias
    hidden, weights = np.tanh(totals), generator.uniform(-scale, scale, (hidden_units, outputs))
    result = np.tanh(hidden @ weights)
    output_deltas = (result - np.eye(outputs)[0]) * (1 - result**2)
    return totals, (weights @ output_deltas) / np.cosh(totals)**2, output_deltas


# ---- the law of deltas ------------------------------------------------------------------------------------

@pytest.mark.parametrize("scale", [0.02, 0.25, 1.0])
def test_pre_activations_have_the_deviation_of_the_law(scale):
    inputs = rng(1).random(50) * (rng(2).random(50) < 0.3)
    totals = np.concatenate([simulated(inputs, scale, 500, 3, rng(seed))[0] for seed in range(40)])
    deviation = rank_one_law.deviation(inputs, scale)
    assert totals.std() == pytest.approx(deviation, rel=0.02)
    assert stats.kstest(totals / deviation, "norm").pvalue > 1e-3
    assert stats.kstest(totals / (1.1 * deviation), "norm").pvalue < 1e-6


def test_the_deviation_of_huge_inputs_is_finite():
    assert rank_one_law.deviation(np.array([3e200, -4e200]), 0.3) == pytest.approx(5e200 * 0.3 / np.sqrt(3))


def distribution(draw, count):
    return np.concatenate([np.ravel(draw(seed)) for seed in range(count)])


@pytest.mark.parametrize("scale", [0.05, 0.25])
def test_output_deltas_are_those_of_simulated_nets(scale):
    inputs = rng(1).random(60)
    deviation = rank_one_law.deviation(inputs, scale)

    def law(seed, deviation=deviation):
        return rank_one_law.draw_output_deltas(deviation, scale, 300, 10, seed)
    for part in (slice(1), slice(1, None)):  # the right output, and the others
        nets = distribution(lambda seed: simulated(inputs, scale, 300, 10, rng(seed))[2][part], 800)  # noqa: B023
        assert stats.ks_2samp(nets, distribution(lambda seed: law(seed)[part], 3000)).pvalue > 1e-3  # noqa: B023
        wrong = distribution(lambda seed: law(seed, deviation / 3)[part], 3000)  # noqa: B023
        assert stats.ks_2samp(nets, wrong).pvalue < 1e-6


@pytest.mark.parametrize("scale", [0.05, 0.25, 0.6])
def test_deltas_are_those_of_simulated_nets(scale):
    """Over nets with one sample, each delta over the length of its output deltas; and so for two wrong laws."""
    inputs = rng(3).random(80)
    deviation = rank_one_law.deviation(inputs, scale)
    samples = {"nets": [], "law": [], "even errors": [], "wrong gates": []}
    for seed in range(40):
        _, deltas, output_deltas = simulated(inputs, scale, 400, 10, rng(seed))
        unit = output_deltas / np.linalg.norm(output_deltas)
        samples["nets"].append(np.abs(deltas) / np.linalg.norm(output_deltas))
        for law, errors, factor in (("law", unit, 1), ("even errors", np.full(10, 0.1**0.5), 1),
                                    ("wrong gates", unit, 1.5)):
            samples[law].append(rank_one_law.draw_deltas(errors, scale, factor * deviation, 2000, seed))
    nets, law, even, gates = map(np.concatenate, samples.values())
    assert stats.ks_2samp(nets, law).statistic < 0.012
    if scale == 0.05:  # where one output carries the error
        assert stats.ks_2samp(nets, even).pvalue < 1e-20
    else:
        assert stats.ks_2samp(nets, gates).pvalue < 1e-20


def mean_of_slope(deviation, power):
    """Return E sech²(deviation N)^power by quadrature."""
    return integrate.quad(lambda z: stats.norm.pdf(z) / np.cosh(deviation * z)**(2 * power), -12, 12)[0]


@pytest.mark.parametrize("deviation", [0.01, 1.3, 5.0])
def test_moments_of_deltas_are_those_of_quadrature(deviation):
    d, scale = 0.7, 0.4
    draws = rank_one_law.draw_deltas(np.array([d]), scale, deviation, 400_000, 0)  # |d u| is uniform up to d scale
    assert draws.mean() == pytest.approx(d * scale / 2 * mean_of_slope(deviation, 1), rel=0.02)
    assert np.mean(draws**2) == pytest.approx((d * scale)**2 / 3 * mean_of_slope(deviation, 2), rel=0.02)
    two = rank_one_law.draw_deltas(np.array([d, -0.3]), scale, deviation, 400_000, 1)
    of_sum = integrate.dblquad(lambda u, v: abs(d * u - 0.3 * v) / (2 * scale)**2, -scale, scale, -scale, scale)[0]
    assert two.mean() == pytest.approx(of_sum * mean_of_slope(deviation, 1), rel=0.02)


def test_saturated_units_have_no_delta_and_no_overflow():
    draws = rank_one_law.draw_deltas(np.ones(3), 1.0, 1e200, 100, 0)
    assert (draws == 0).all()
    assert np.isfinite(rank_one_law.draw_output_deltas(1e200, 1e200, 5, 3, 0)).all()


# ---- clustering and degrees -------------------------------------------------------------------------------

def test_predictions_equal_an_enumeration_of_node_types():
    """Inputs and deltas of few values: expectations over a node's two neighbors are sums over all types of nodes."""
    row = np.repeat([0.0, 0.3, 1.0], [5, 3, 2])
    column = np.array([0.1, 0.5, 1.0])
    magnitudes = np.repeat(column, 400)  # the median of the largest of ten is 1
    types = [(r, c, row_share / 3) for (r, row_share) in ((0.0, 0.5), (0.3, 0.3), (1.0, 0.2)) for c in column]

    def linked(a, b):
        return 1 - (1 - a[0] * b[1]) * (1 - b[0] * a[1])
    expected, degrees = 0.0, {}
    for node in types:
        degree = sum(other[2] * linked(node, other) for other in types)
        closed = sum(a[2] * b[2] * linked(node, a) * linked(node, b) * linked(a, b)
                     for a, b in itertools.product(types, types))
        degrees[node[:2]] = 10 * degree
        expected += node[2] * closed / degree**2 * stats.poisson.sf(1, 10 * degree)
    prediction = rank_one_law.predict(row, 7 * magnitudes)
    assert prediction.clustering == pytest.approx(expected, rel=0.01)  # 200 quantiles do not fall into three parts
    middle = rank_one_law.QUANTILES // 2
    for quantile, c in ((0, 0.1), (middle, 0.5), (-1, 1.0)):
        assert prediction.hidden_degrees[quantile] == pytest.approx(c * row.sum())
        for i, r in enumerate(row):
            assert prediction.degrees[i, quantile] == pytest.approx(degrees[r, c])
    np.testing.assert_allclose(prediction.input_degrees, row * 10 * column.mean(), rtol=1e-12)


def test_equal_inputs_and_uniform_deltas_are_a_quadrature():
    """With inputs r and c uniform in [0, 1], the integral over one node and its two neighbors has three dimensions."""
    r, nodes = 0.4, 300

    def linked(a, b):
        return 1 - (1 - r * a) * (1 - r * b)

    def clustering(c):
        degree = integrate.quad(lambda a: linked(c, a), 0, 1)[0]
        closed = integrate.dblquad(lambda a, b: linked(c, a) * linked(c, b) * linked(a, b), 0, 1, 0, 1)[0]
        return closed / degree**2 * stats.poisson.sf(1, nodes * degree)
    expected = integrate.quad(clustering, 0, 1, epsrel=1e-6)[0]
    magnitudes = (np.arange(100_000) + 0.5) / 100_000 * 0.5**(-1 / nodes)  # the quantile of the largest is 1
    assert rank_one_law.predict(np.full(nodes, r), magnitudes).clustering == pytest.approx(expected, rel=0.002)


@pytest.mark.parametrize("scale", [0.02, 0.25, 1.0])
def test_predictions_are_means_over_closed_forms_and_over_drawn_networks(scale):
    """Images with dark pixels: each draw of deltas has a network of its own, and the prediction is their mean."""
    generator = rng(5)
    row = generator.random(300) * (generator.random(300) < 0.25)
    deviation, output_deltas = rank_one_law.deviation(row, scale), np.array([-1.0, 0.2, 0.1])
    prediction = rank_one_law.predict(row, rank_one_law.draw_deltas(output_deltas, scale, deviation, 50_000, 0))
    closed, drawn, degrees = [], [], []
    for seed in range(40):
        deltas = rank_one_law.draw_deltas(output_deltas, scale, deviation, 300, seed + 1)
        column = deltas / deltas.max()
        closed.append(nulls.expected_clustering(row, column))
        degrees.append(nulls.expected_degrees(row, column).mean())
        if seed < 12:
            links = graphs.sample(np.outer(row, column), generator)
            drawn.append(nx.average_clustering(nx.from_numpy_array(graphs.merge_layers(links))))
    assert prediction.clustering == pytest.approx(np.mean(closed), abs=0.012)
    assert prediction.clustering == pytest.approx(np.mean(drawn), abs=0.015)
    assert prediction.degrees.mean() == pytest.approx(np.mean(degrees), rel=0.05)
    assert prediction.input_degrees.sum() == pytest.approx(prediction.hidden_degrees.mean() * 300, rel=0.02)
    if scale == 0.02:  # where one output carries the error, a law with ten like ones is wrong
        even = rank_one_law.draw_deltas(np.ones(10), scale, deviation, 50_000, 0)
        assert rank_one_law.predict(row, even).clustering < np.mean(closed) - 0.1


def test_inputs_that_are_all_dark_have_no_network():
    prediction = rank_one_law.predict(np.zeros(5), np.ones(10))
    assert prediction.clustering == 0
    assert not prediction.degrees.any()


# ---- mistakes ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("row", "magnitudes", "message"), [
    ([0.5, 1.5], [1.0], "row runs from 0.5 to 1.5"),
    ([-0.5, 1.0], [1.0], "row runs from -0.5"),
    ([0.5], [0.0, 0.0], "magnitudes run from 0 to 0"),
    ([0.5], [-1.0, 1.0], "magnitudes run from -1"),
    ([[0.5]], [1.0], "1 axis"),
    ([0.5], [], "at least one number"),
])
def test_predictions_refuse_what_are_no_factors(row, magnitudes, message):
    with pytest.raises(UserError, match=message):
        rank_one_law.predict(np.array(row), np.array(magnitudes))


def test_laws_refuse_scales_that_are_not_positive():
    for call in (lambda: rank_one_law.deviation(np.ones(3), 0.0),
                 lambda: rank_one_law.draw_deltas(np.ones(3), 0.1, float("nan"), 5, 0),
                 lambda: rank_one_law.draw_output_deltas(1.0, -0.5, 5, 3, 0)):
        with pytest.raises(UserError, match="expected a positive number"):
            call()
    with pytest.raises(UserError, match="size is 0"):
        rank_one_law.draw_deltas(np.ones(3), 0.1, 1.0, 0, 0)
