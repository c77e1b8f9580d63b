"""Compare weighted histograms by the Kolmogorov-Smirnov distance: the largest gap of two distribution functions."""
import numpy as np
from scipy import special

from gradnets import checks
from gradnets.errors import UserError


def ks_distance(values, weights, values_2, weights_2, standardized=False):
    """Return the Kolmogorov-Smirnov distance between two weighted sets of values.

    Parameters
    ----------
    values, values_2 : real arrays (n,) and (m,), in any order
    weights, weights_2 : real arrays of the same lengths, entries of at least 0
        Only their proportions count.
    standardized : bool
        Give each set mean 0 and standard deviation 1 first.

    Returns
    -------
    float
        The largest difference of the two distribution functions, in [0, 1].

    Raises
    ------
    UserError
        If lengths differ, values are not finite, a weight is negative or all are 0; if standardized, also if all
        values of a set are equal.
    """
    first, first_weights = _distribution(values, weights, standardized)
    second, second_weights = _distribution(values_2, weights_2, standardized)
    grid = np.concatenate((first, second))
    gaps = _cumulative(first, first_weights, grid) - _cumulative(second, second_weights, grid)
    return float(np.abs(gaps).max())


def ks_distance_from_normal(values, weights):
    """Return the Kolmogorov-Smirnov distance between standardized values and a standard normal distribution.

    Parameters and errors are those of `ks_distance` with `standardized`.
    """
    values, weights = _distribution(values, weights, standardized=True)
    normal, cumulative = special.ndtr(values), np.cumsum(weights)
    after_jump, before_jump = cumulative - normal, cumulative - weights - normal
    return float(max(np.abs(after_jump).max(), np.abs(before_jump).max()))


def standardize(values, weights):
    """Return the values with weighted mean 0 and standard deviation 1, float64 (n,).

    Parameters and errors are those of `ks_distance` with `standardized`.
    """
    values, weights = _weighted(values, weights)
    counted = values[weights > 0]
    if counted.min() == counted.max():
        raise UserError(f"all {counted.size} values with a weight are {counted[0]:.6g}: a distribution without spread "
                        "cannot be standardised")
    values, weights = _rescaled(values), _rescaled(weights)
    deviations = _rescaled(values - np.average(values, weights=weights))
    return deviations / np.sqrt(np.average(deviations**2, weights=weights))


def _distribution(values, weights, standardized):
    """Return the values in rising order, and their weights, which sum to 1."""
    values, weights = _weighted(values, weights)
    if standardized:
        values = standardize(values, weights)
    rising, weights = np.argsort(values, kind="stable"), _rescaled(weights)
    return values[rising], weights[rising] / weights.sum()


def _cumulative(values, weights, grid):
    """Return the share of the weights whose values, which rise, are at most each point of the grid."""
    return np.concatenate(([0], np.cumsum(weights)))[np.searchsorted(values, grid, side="right")]


def _weighted(values, weights):
    """Return both arrays as float64; raise UserError unless they are a distribution."""
    values = checks.real_array("values", values).astype(float)
    weights = checks.real_array("weights", weights).astype(float)
    if values.ndim != 1 or values.shape != weights.shape:
        raise UserError("expected one weight for each value, and at least one value, got shapes "
                        f"{values.shape} and {weights.shape}")
    if not (weights.min() >= 0 and weights.any()):
        raise UserError("expected weights of at least 0, one of them above 0; the weights run from "
                        f"{weights.min():.6g} to {weights.max():.6g}")
    return values, weights


def _rescaled(numbers):
    """Divide the numbers by a power of two, so that their sums and squares neither overflow nor underflow."""
    return np.ldexp(numbers, -np.frexp(np.abs(numbers).max())[1])
