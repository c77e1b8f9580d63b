"""Medians, intervals, moments and shares by their definitions."""
import itertools

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
    for k, value in enumerate(np.random.default_rng(0).random(200)):
        assert np.isnan(summaries.moments(np.full(5 + k, value))).all()


# ---- Shapley values ---------------------------------------------------------------------------------------

def is_in(values):
    """Return whether an array that `shapley_values` passes on is a factor itself; its mean would be constant."""
    return np.ptp(values) > 0


def players(names):
    return {name: np.array([0.0, 1.0]) for name in names}


def test_the_glove_game_has_its_published_values():
    """One player has a left glove, two have a right one, and a pair is worth 1."""
    def worth(left, right, another):
        return float(is_in(left) and (is_in(right) or is_in(another)))
    assert summaries.shapley_values(worth, players(("left", "right", "another"))) == pytest.approx(
        {"left": 4 / 6, "right": 1 / 6, "another": 1 / 6})


def test_the_airport_game_has_its_published_values():
    """Runways of lengths 1, 3, 6 and 10: those who need a stretch share its cost (Littlechild and Owen 1973)."""
    lengths = {"a": 1, "b": 3, "c": 6, "d": 10}

    def cost(**factors):
        return float(max((lengths[name] for name in factors if is_in(factors[name])), default=0))
    assert summaries.shapley_values(cost, players(lengths)) == pytest.approx(
        {"a": 1 / 4, "b": 1 / 4 + 2 / 3, "c": 1 / 4 + 2 / 3 + 3 / 2, "d": 1 / 4 + 2 / 3 + 3 / 2 + 4})


def test_shares_are_means_over_all_orders_and_add_up():
    generator = np.random.default_rng(0)
    factors = {name: generator.random(6) for name in "xyz"}

    def value(x, y, z):
        return float(np.var(x * y * z) + x[0] * y[1])
    means = {name: np.full(6, values.mean()) for name, values in factors.items()}
    changes = {name: [] for name in factors}
    for order in itertools.permutations(factors):
        state = dict(means)
        for name in order:
            before = value(**state)
            state[name] = factors[name]
            changes[name].append(value(**state) - before)
    shares = summaries.shapley_values(value, factors)
    assert shares == pytest.approx({name: np.mean(values) for name, values in changes.items()})
    assert sum(shares.values()) == pytest.approx(value(**factors) - value(**means))
