"""Distances of weighted histograms, against scipy on expanded samples."""
import numpy as np
import pytest
from scipy import stats

from gradnets.errors import UserError
from gradnets.networks import histograms


@pytest.mark.parametrize("standardized", [False, True])
def test_distance_is_that_of_the_expanded_samples(standardized):
    rng = np.random.default_rng(5)
    sides = [(rng.integers(0, 40, n) / 7, rng.integers(0, 9, n)) for n in (30, 50)]
    expanded = [np.repeat(values, weights) for values, weights in sides]
    if standardized:
        expanded = [stats.zscore(sample) for sample in expanded]
    # Ties within one sample may differ by rounding once standardized, hence the tolerance of one value.
    expected = stats.ks_2samp(*[np.round(sample, 12) for sample in expanded]).statistic
    assert histograms.ks_distance(*sides[0], *sides[1], standardized=standardized) == pytest.approx(expected, abs=1e-12)


def test_distance_ignores_the_scale_of_weights_and_standardized_also_that_of_values():
    rng = np.random.default_rng(6)
    values, weights = rng.normal(size=200), rng.random(200)
    assert histograms.ks_distance(values, weights, values, 7 * weights) == pytest.approx(0, abs=1e-12)
    assert histograms.ks_distance(values, weights, values + 100, weights) == pytest.approx(1)
    second = rng.exponential(size=300)
    once = histograms.ks_distance(values, weights, second, np.ones(300), standardized=True)
    again = histograms.ks_distance(values, weights, 5 * second - 3, np.ones(300), standardized=True)
    assert again == pytest.approx(once, abs=1e-12)
    assert once > 0.05


def test_normal_distance_is_that_of_the_expanded_sample():
    rng = np.random.default_rng(7)
    values, weights = rng.integers(0, 25, 60) / 3, rng.integers(0, 9, 60)
    expected = stats.kstest(stats.zscore(np.repeat(values, weights)), "norm").statistic
    assert histograms.ks_distance_from_normal(values, weights) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("values", "weights", "message"), [
    ([1.0, 2.0], [1.0], "one weight for each value"),
    ([], [], "at least one number"),
    ([1.0, np.nan], [1.0, 1.0], "1 of 2 numbers are NaN"),
    ([1.0, 2.0], [1.0, -1.0], "weights of at least 0"),
    ([1.0, 2.0], [0.0, 0.0], "one of them above 0"),
    ([3.0, 3.0], [1.0, 2.0], "all 2 values with a weight are 3: a distribution without spread"),
])
def test_values_and_weights_that_are_no_distribution_are_refused(values, weights, message):
    with pytest.raises(UserError, match=message):
        histograms.ks_distance_from_normal(values, weights)
    with pytest.raises(UserError, match=message):
        histograms.ks_distance([0.0, 1.0], [1.0, 1.0], values, weights, standardized=True)
