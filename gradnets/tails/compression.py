"""Sum functions over very many values: a few weighted nodes in each of some thousand bins stand for them.

A bin is an eighth of an octave at most, where logarithms, powers and exponentials are close to polynomials. The sums of
the first ten powers over a bin are exact, and ten weighted nodes in it have the same sums. So the weighted sum of such
a function over the nodes equals its sum over the values, to some 1e-13.
"""
import numpy as np

from gradnets.tails import _kernels

PLAIN = 1 << 16   # number of values up to which they stand for themselves
PER_OCTAVE = 8    # number of bins between a value and its double
SMALLEST = 1e-290  # values below would underflow in bins; they stand for themselves
NODES = np.cos(np.pi * (np.arange(10) + 0.5) / 10)  # of Chebyshev, in a bin from -1 to 1
FROM_SUMS = np.linalg.inv(np.vander(NODES, increasing=True).T)  # weights of the nodes from the sums of powers


def weighted(positive, firsts):
    """Return values and weights that stand for positive[first:], for each of several indices.

    Parameters
    ----------
    positive : float32 or float64 array (n,), sorted, positive
    firsts : sequence of int, each below n

    Returns
    -------
    list of (float64 array (m,), float64 array (m,) or None)
        Up to 65,536 values are returned as they are, with None for weights of 1. Of more values, the nodes: single
        weights may be negative, and all add up to the number of values.

    Notes
    -----
    One pass over the values; some 25 MB for any number of them in a hundred octaves.
    """
    if len(positive) - min(firsts) <= PLAIN or positive[0] < SMALLEST:
        return [(positive[first:].astype(np.float64), None) for first in firsts]
    _, (low, high) = np.frexp(positive[[0, -1]])
    marks = np.ldexp(1 + np.arange(PER_OCTAVE) / PER_OCTAVE, np.arange(low - 1, high)[:, None]).ravel()
    edges = np.unique([*(first_at_least(positive, mark) for mark in marks), *firsts, 0, len(positive)])
    lowest, highest = positive[edges[:-1]].astype(np.float64), positive[edges[1:] - 1].astype(np.float64)
    centers, half_widths = lowest / 2 + highest / 2, highest / 2 - lowest / 2
    sums = np.empty((len(centers), len(NODES)))
    _kernels.power_sums(positive, edges, centers, np.where(half_widths > 0, half_widths, 1), sums)
    values, weights = centers[:, None] + half_widths[:, None] * NODES, sums @ FROM_SUMS.T
    return [(values[b:].ravel(), weights[b:].ravel()) for b in np.searchsorted(edges, firsts)]


def mean(values, weights):
    """Return the mean of values with weights, or without if these are None."""
    return values.mean() if weights is None else weights @ values / weights.sum()


def moments(values, weights):
    """Return skew and excess kurtosis of weighted positive values, as `summaries.moments` does."""
    away = values / values.max()
    away -= mean(away, weights)
    variance, third, fourth = (mean(away**power, weights) for power in (2, 3, 4))
    return float(third / variance**1.5), float(fourth / variance**2 - 3)


def first_at_least(ordered, value):
    """Return the index of the first of sorted floats that is at least `value`, without a wider copy of them."""
    with np.errstate(over="ignore"):
        key = ordered.dtype.type(value)
    if float(key) < float(value):  # numpy would round the wider one
        key = np.nextafter(key, ordered.dtype.type(np.inf))
    return int(np.searchsorted(ordered, key))
