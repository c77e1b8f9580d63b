"""Weighted nodes in bins against sums over all values."""
import numpy as np
import pytest
import tail_kinds
from scipy import stats
from tail_samples import rng

from gradnets import tails
from gradnets.tails import compression, laws

FUNCTIONS = {"log": np.log, "square of log": lambda x: np.log(x)**2, "power": lambda x: x**0.4,
             "steep": lambda x: x**-3, "exponential": lambda x: np.exp(-x)}


@pytest.mark.parametrize("kind", tail_kinds.KINDS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_sums_over_nodes_equal_sums_over_values(kind, dtype):
    positive = np.sort(tail_kinds.KINDS[kind](70_000, rng(1)).astype(dtype))
    firsts = [0, 1000, 60_000]
    wide = positive.astype(float)
    largest = wide.max()
    for first, (values, weights) in zip(firsts, compression.weighted(positive, firsts), strict=True):
        assert weights.sum() == pytest.approx(len(positive) - first, rel=1e-13)
        assert len(values) < 20_000
        for function in FUNCTIONS.values():
            expected = function(wide[first:] / largest)
            tolerance = 1e-11 * np.abs(expected).sum() + 1e-10
            assert weights @ function(values / largest) == pytest.approx(expected.sum(), rel=0, abs=tolerance)


@pytest.mark.parametrize("kind", tail_kinds.KINDS)
def test_laws_of_nodes_equal_laws_of_all_values(kind, monkeypatch):
    values = tail_kinds.KINDS[kind](70_000, rng(2))
    xmin = np.quantile(values, 0.1)
    nodes = laws.compare(values, xmin)
    monkeypatch.setattr(compression, "PLAIN", len(values))
    for by_nodes, plain in zip(nodes, laws.compare(values, xmin), strict=True):
        assert by_nodes["alternative"] == plain["alternative"]
        assert by_nodes["aic"] == pytest.approx(plain["aic"], rel=1e-5, abs=0.1)
        if kind != "one long run":  # where a lognormal law is as good as the power law, with any of many parameters
            assert by_nodes["ratio"] == pytest.approx(plain["ratio"], rel=1e-5, abs=1e-2)
            assert by_nodes["parameters"] == pytest.approx(plain["parameters"], rel=1e-4)


def test_moments_of_nodes_equal_those_of_scipy():
    values = np.sort(rng(3).lognormal(0, 1, 80_000))
    moments = compression.moments(*compression.weighted(values, [0])[0])
    assert moments == pytest.approx((stats.skew(values), stats.kurtosis(values)), rel=1e-10)


def test_values_next_to_underflow_stand_for_themselves():
    values = np.sort(rng(4).lognormal(0, 1, 70_000)) * 1e-300
    assert compression.weighted(values, [0])[0][1] is None


def test_the_first_of_at_least_a_value_needs_no_wider_copy():
    ordered = np.sort(rng(5).random(1000, dtype=np.float32))
    for value in (0.0, 0.1, 0.5, float(ordered[7]), np.nextafter(float(ordered[7]), 1), 2.0, 1e300):
        assert compression.first_at_least(ordered, value) == np.count_nonzero(ordered.astype(float) < value)


def test_many_float32_values_have_the_row_of_float64():
    values = rng(7).standard_t(3, 150_000).astype(np.float32)**2
    assert tails.describe(values, 5, 0) == tails.describe(values.astype(float), 5, 0)
