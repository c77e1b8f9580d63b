"""Medians, intervals, moments and shares, by the one definition that tables, figures and tests share."""
import itertools
import math

import numpy as np

from gradnets import checks

INTERVAL = (0.05, 0.5, 0.95)  # quantiles: lower end, median, upper end
TINY = np.finfo(float).tiny


def quantiles(values, axis=None):
    """Return the lower end of the middle 90 %, the median and the upper end, each one of the values.

    Quantiles are those of the empirical distribution function, without interpolation, so that infinite values are
    allowed: of an even number of values the median is the lower of the two in the middle, and below 20 values the
    interval is the range. The result has shape (3,), or (3, ...) along `axis`.
    """
    return np.quantile(values, INTERVAL, axis=axis, method="inverted_cdf")


def median_intervals(**samples):
    """Return the median and the middle 90 % of each sample, as rows hold them: name, name_low, name_high."""
    row = {}
    for name, values in samples.items():
        low, median, high = quantiles(values).tolist()
        row |= {name: median, f"{name}_low": low, f"{name}_high": high}
    return row


def moments(values):
    """Return the skew and the excess kurtosis of finite real numbers, by population moments; NaN if all are equal."""
    values = checks.real_array("values", values)
    if values.max() == values.min():  # their mean may be rounded, and the differences from it would have a skew
        return float("nan"), float("nan")
    _, exponent = np.frexp(max(float(values.max()), -float(values.min())))  # a power of two rounds nothing, and
    away = np.ldexp(values.astype(np.float64, copy=False), -exponent)       # sums of the largest floats stay finite
    away -= away.sum() / away.size  # its mean; numpy's mean() takes twice as long for a few hundred
    away /= max(away.max(), -away.min(), TINY)  # powers of tiny numbers would underflow
    square = away * away
    variance = square.sum() / away.size
    if variance == 0:
        return float("nan"), float("nan")
    away *= square
    square *= square
    return float(away.sum() / away.size / variance**1.5), float(square.sum() / away.size / variance**2 - 3)


def shapley_values(function, factors):
    """Share the value of a function of several arrays among these arrays, by Shapley's rule.

    Parameters
    ----------
    function : callable
        Called as function(**factors), returns a float.
    factors : dict of str to float array
        An array that is left out is replaced by its mean at every place.

    Returns
    -------
    dict of str to float
        For each array the change of the function when the array comes in, averaged over all orders in which the arrays
        can come in. The sum is the function of all arrays, less the function of all means.

    Notes
    -----
    The function is called 2^n times for n arrays. Lloyd Shapley 1953, "A value for n-person games".
    """
    factors = {name: checks.real_array(name, values).astype(float) for name, values in factors.items()}
    means = {name: np.full_like(values, np.sum(values / values.size)) for name, values in factors.items()}
    sets = [frozenset(names) for size in range(len(factors) + 1) for names in itertools.combinations(factors, size)]
    values = {present: function(**{name: (factors if name in present else means)[name] for name in factors})
              for present in sets}
    shares = {}
    for name in factors:
        without = [present for present in sets if name not in present]
        shares[name] = sum((values[present | {name}] - values[present])
                           / (len(factors) * math.comb(len(factors) - 1, len(present))) for present in without)
    return shares
