"""Feigenbaum's constant, from the rates at which periods double."""
import numpy as np

from gradnets import checks
from gradnets.errors import NoResult, UserError

FEIGENBAUM = 4.669201609102990  # delta: limit of the ratios of successive distances (Feigenbaum 1978)
ITERATIONS = 60   # of Newton's method for one superstable rate
TOLERANCE = 1e-14  # largest last step of the rate, relative


def ratios(rates):
    """Return the ratios of successive distances, (r_k - r_(k-1)) / (r_(k+1) - r_k), float64 (n - 2,).

    rates : real array (n,), strictly rising. Raises UserError otherwise.
    """
    rates = checks.real_array("rates", rates, axes=1).astype(float)
    distances = np.diff(rates)
    if not (distances > 0).all():
        raise UserError("rates do not rise: expected the rates of successive doublings")
    return distances[:-1] / distances[1:]


def superstable_rates(advance, critical, first, second, count):
    """Return the rates at which the critical point of a map lies on the cycle of period 1, 2, 4, ..., float64 (count,).

    Parameters
    ----------
    advance : function from a point and a rate to the next point, and its derivatives with respect to point and rate
    critical : function from a rate to the critical point, where the first derivative is 0, and its derivative
    first, second : float
        Guesses of the first two rates.
    count : int, 2 or more
        The ratios of ten rates have six digits of Feigenbaum's constant; beyond some twelve, rounding takes over.

    Raises
    ------
    NoResult
        If Newton's method does not converge, or converges to rates that do not rise.
    UserError
        If count is below 2.

    Notes
    -----
    Newton's method for f^(2^n)(c) = c, from a guess that extrapolates by the constant (Briggs 1991). O(2^count) time.
    """
    if not checks.is_integer(count) or count < 2:
        raise UserError(f"count is {count!r}: expected an integer of at least 2")
    rates = []
    for level in range(count):
        rate = (first, second)[level] if level < 2 else rates[-1] + (rates[-1] - rates[-2]) / FEIGENBAUM
        rates.append(_superstable(advance, critical, rate, 2**level))
        if level and not rates[-1] > rates[-2]:
            raise NoResult(f"superstable rates of periods {2**(level - 1)} and {2**level} do not rise: change the "
                           "guesses")
    return np.array(rates)


def _superstable(advance, critical, rate, period):
    for _ in range(ITERATIONS):
        start, start_slope = critical(rate)
        point, slope = start, start_slope
        for _ in range(period):
            point, by_point, by_rate = advance(point, rate)
            slope = by_point * slope + by_rate
        if not np.isfinite(point) or slope == start_slope:
            break
        step = (point - start) / (slope - start_slope)
        rate -= step
        if abs(step) <= TOLERANCE * abs(rate):
            return float(rate)
    raise NoResult(f"no superstable cycle of period {period} near rate {rate:.6g}: change the guesses")
