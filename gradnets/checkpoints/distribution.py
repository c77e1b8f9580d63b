"""Measure how the entries of a matrix are distributed, and which law of initialisation they resemble.

All functions pass over the entries in blocks, so that no copy of a large matrix is made.
"""
import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from gradnets import checks

BLOCK = 2**17        # entries at a time, where copies are made, which stay in the cache
QUANTILES = 100_000  # entries, evenly spaced in rank, at which the KS distance is taken


class Law(NamedTuple):
    """A law with mean 0 and mean square 1: the probability of a magnitude of at least x, and the mean fourth power."""

    survival: Callable
    fourth: float


_INSIDE = 2 * special.ndtr(2) - 1  # share of a normal law within two standard deviations
_EDGE = np.exp(-2) / np.sqrt(2 * np.pi) / _INSIDE
_CUT = np.sqrt(1 - 4 * _EDGE)      # root mean square of this share
LAWS = {
    "normal": Law(lambda x: special.erfc(x / np.sqrt(2)), 3.0),
    "uniform": Law(lambda x: np.maximum(1 - x / np.sqrt(3), 0), 1.8),
    "truncated normal": Law(lambda x: np.maximum(1 - special.erf(x * _CUT / np.sqrt(2)) / _INSIDE, 0),
                            (3 - 28 * _EDGE) / _CUT**4),
}


def survival(law, x):
    """Return the probability of a magnitude of at least x under one of LAWS, float64 of the shape of x.

    x is in units of the root mean square.
    """
    return LAWS[checks.choice("law", law, LAWS)].survival(checks.real_array("x", x).astype(float))


def sums(values, largest):
    """Return the sum of squares and the largest magnitude of each row and column of a matrix.

    Parameters
    ----------
    values : float32 or float64 array (n, m)
    largest : float
        Largest magnitude. Squares are of entries divided by it, since squares of tiny gradients would underflow.

    Returns
    -------
    dict of float64 arrays
        row_squares and row_heights (n,), column_squares and column_heights (m,); heights are magnitudes, undivided.
    """
    rows, columns = values.shape
    totals = {"row_squares": np.empty(rows), "row_heights": np.empty(rows),
              "column_squares": np.zeros(columns), "column_heights": np.zeros(columns)}
    step = max(BLOCK // columns, 1)
    for start in range(0, rows, step):
        chosen = slice(start, start + step)
        block = np.abs(values[chosen])
        totals["row_heights"][chosen] = block.max(axis=1)
        np.maximum(totals["column_heights"], block.max(axis=0), out=totals["column_heights"])
        block = block.astype(np.float64) / largest
        block *= block
        totals["row_squares"][chosen] = block.sum(axis=1)
        totals["column_squares"] += block.sum(axis=0)
    return totals


def moments(entries, largest):
    """Return skew and excess kurtosis of the magnitudes above 0, as `summaries.moments` does, block by block."""
    zero = entries.dtype.type(0)  # as an integer it would make numpy widen all entries
    parts = entries[:np.searchsorted(entries, zero)], entries[np.searchsorted(entries, zero, "right"):]

    def magnitudes():
        for part in parts:
            for start in range(0, len(part), BLOCK):
                block = part[start:start + BLOCK].astype(np.float64)
                block /= largest
                yield np.abs(block, out=block)

    count, total = np.sum([(block.size, block.sum()) for block in magnitudes()], axis=0)
    powers = np.zeros(3)
    for block in magnitudes():
        block -= total / count
        square = block * block
        powers += square.sum(), square @ block, square @ square
    second, third, fourth = powers / count
    if second < np.finfo(float).eps**2:  # every entry is plus or minus one number
        return {"skew": np.nan, "kurtosis": np.nan}
    return {"skew": third / second**1.5, "kurtosis": fourth / second**2 - 3}


def nearest_law(entries, std):
    """Find the law of LAWS that is nearest to sorted entries.

    Parameters
    ----------
    entries : float array (n,), sorted
    std : float
        Their root mean square.

    Returns
    -------
    dict
        near, its name; ks, its Kolmogorov-Smirnov distance; fourth, the mean fourth power of the entries over the
        fourth power of the law.
    """
    n = len(entries)
    ranks = np.unique(np.linspace(0, n - 1, min(n, QUANTILES)).astype(np.int64))
    x = entries[ranks].astype(np.float64) / std
    distances = {}
    for law in LAWS:
        below = 0.5 + np.sign(x) * (1 - survival(law, np.abs(x))) / 2
        distances[law] = float(max((below - ranks / n).max(), ((ranks + 1) / n - below).max()))
    near = min(distances, key=distances.get)
    fourth = 0.0
    for start in range(0, n, BLOCK):
        square = (entries[start:start + BLOCK].astype(np.float64) / std)**2
        fourth += square @ square / n
    return {"near": near, "ks": distances[near], "fourth": float(fourth / LAWS[near].fourth)}


def ccdf(entries, largest, points=400):
    """Return x and the share of sorted entries with a magnitude of at least x: two float64 arrays.

    x is evenly spaced in the logarithm, over at most six decades.
    """
    x = np.geomspace(1e-6, 1, points) * largest
    x[-1] = largest
    x = x.astype(entries.dtype)  # otherwise the largest entry might lie just below its own rounding
    above = len(entries) - np.searchsorted(entries, x, "left") + np.searchsorted(entries, -x, "right")
    return x.astype(np.float64), above / len(entries)


def fingerprint(entries):
    """Return a digest of sorted entries, or None if they have so few distinct values that chance may repeat them."""
    ranks = np.linspace(0, len(entries) - 1, min(len(entries), QUANTILES)).astype(np.int64)
    return hashlib.sha256(entries.data).hexdigest() if len(np.unique(entries[ranks])) >= 16 else None
