"""Superstable rates beside published ones, and Feigenbaum's constant."""
import numpy as np
import pytest

from gradnets import cycles
from gradnets.errors import NoResult, UserError

# Superstable rates of the logistic map: 2 and 1 + sqrt(5) are exact; Strogatz 2015, example 10.6.
LOGISTIC = (2.0, 1 + 5**0.5, 3.4985616993, 3.5546408628, 3.5666673799, 3.5692435316)


def logistic(x, r):
    return r * x * (1 - x), r * (1 - 2 * x), x * (1 - x)


def test_superstable_rates_are_the_published_ones_and_their_ratios_reach_the_constant():
    rates = cycles.superstable_rates(logistic, lambda r: (0.5, 0.0), 2.1, 3.2, 11)
    np.testing.assert_allclose(rates[:6], LOGISTIC, atol=1e-9)
    assert cycles.ratios(rates)[-1] == pytest.approx(4.669201609, abs=1e-6)


def test_ratios_of_a_geometric_sequence():
    np.testing.assert_allclose(cycles.ratios([1, 4, 5, 5.5]), [3, 2])
    with pytest.raises(UserError, match="do not rise"):
        cycles.ratios([1.0, 3.0, 2.0])


def test_a_map_without_superstable_cycles_has_no_result():
    with pytest.raises(NoResult, match="no superstable cycle of period 1"):
        cycles.superstable_rates(lambda x, r: (x + 1.0, 1.0, 0.0), lambda r: (0.0, 0.0), 1.0, 2.0, 3)
    with pytest.raises(UserError, match="count is 1"):
        cycles.superstable_rates(logistic, lambda r: (0.5, 0.0), 2.1, 3.2, 1)
