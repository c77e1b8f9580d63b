"""Medians, intervals and moments by their definitions."""
import numpy as np
import pytest
from scipy import stats

from gradnets import summaries


def test_medians_and_intervals_are_values_of_the_sample():
    assert summaries.median_intervals(x=[3, 1, float("inf"), 2]) == {"x": 2, "x_low": 1, "x_high": float("inf")}


def test_the_interval_is_the_range_below_20_values_and_drops_one_value_at_each_end_above():
    values = np.random.default_rng(0).permutation(100.0 + np.arange(41))
    assert summaries.quantiles(values[:19]).tolist()[::2] == [values[:19].min(), values[:19].max()]
    # 3/41, 21/41 and 39/41 are the first shares of at least 5 %, 50 % and 95 %.
    assert summaries.quantiles(values).tolist() == [102, 120, 138]


def test_quantiles_follow_an_axis():
    values = np.random.default_rng(0).normal(size=(9, 2, 3))
    found = summaries.quantiles(values, axis=0)
    assert found.shape == (3, 2, 3)
    np.testing.assert_array_equal(found[:, 1, 2], summaries.quantiles(values[:, 1, 2]))


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_moments_equal_scipys_at_any_size(scale):
    values = np.random.default_rng(0).exponential(size=1000)
    assert summaries.moments(values * scale) == pytest.approx((stats.skew(values), stats.kurtosis(values)), rel=1e-9)


def test_equal_values_have_no_moments():
    assert np.isnan(summaries.moments(np.full(5, 0.1))).all()
