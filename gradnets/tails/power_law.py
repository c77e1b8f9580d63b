"""Fit the power-law tail of positive values, and find where it begins.

The lower end xmin of the tail is searched as Clauset, Shalizi and Newman (2009) do, in compiled code on sorted
logarithms. Zeros belong to no tail: every function leaves them out, and `TailFit` counts them. Values of float16 and
float32 are sorted as float32 and never widened all at once; the result is that of the same values in float64.
"""
from dataclasses import dataclass

import numpy as np

from gradnets import checks, sorting
from gradnets.errors import NoResult
from gradnets.tails import _kernels

EXHAUSTIVE = 2000  # `stability` shows each distinct value as xmin if there are at most so many
CANDIDATES = 300   # number of values that it shows of more, evenly spaced in the logarithm of the tail's size
FEWEST = 10        # smallest number of distinct values that a tail is fitted to


class NoTail(NoResult):
    """Values that no tail can be fitted to: too few, not finite, or negative."""


@dataclass(frozen=True)
class TailFit:
    """A power law p(x) ~ x^-alpha above xmin.

    `sigma` is the standard error of alpha, (alpha - 1) / sqrt(n_tail); `ks` the Kolmogorov-Smirnov distance over the
    tail; `n_tail` the number of values in the tail, `zeros` the number of zeros, `n` the number of all values.
    """

    xmin: float
    alpha: float
    sigma: float
    ks: float
    n_tail: int
    zeros: int
    n: int


@dataclass(frozen=True)
class Stability:
    """The fit at every candidate for xmin, in rising order of xmin: arrays of one length."""

    xmin: np.ndarray
    alpha: np.ndarray
    sigma: np.ndarray
    ks: np.ndarray
    n_tail: np.ndarray


def fit(values):
    """Fit the power-law tail with the smallest Kolmogorov-Smirnov distance.

    Parameters
    ----------
    values : real array, any shape, not negative
        Magnitudes; zeros are counted and left out.

    Returns
    -------
    TailFit

    Raises
    ------
    NoTail
        If a value is negative or not finite, or fewer than ten distinct values are positive.

    Notes
    -----
    Maximum likelihood for continuous values, alpha = 1 + n / Σ log(x / xmin) (Clauset, Shalizi and Newman 2009, eq.
    3.1), for each candidate for xmin. All distinct values except the largest are candidates. Most are ruled out by a
    single value where the gap exceeds the smallest distance so far; the result is that of trying each one. Of equal
    distances the longest tail's is taken. Five million values take about a second.
    """
    positive, zeros = positive_values(values)
    return fit_sorted(positive, logarithms(positive), zeros)


def stability(values):
    """Fit the tail at many candidates for xmin; a power law shows as a plateau of alpha.

    Parameters and errors are those of `fit`. Returns Stability. All candidates are shown if at most 2,000 values are
    distinct, else 300 of them, evenly spaced in the logarithm of the tail's size.
    """
    positive, _ = positive_values(values)
    logs = logarithms(positive)
    firsts = candidates(logs)
    rate, ks = _kernels.fit_all(logs, _kernels.excess_sums(logs), firsts)
    n_tail = len(logs) - firsts
    return Stability(positive[firsts], 1 + rate, rate / np.sqrt(n_tail), ks, n_tail)


# ---- shared by the modules of this folder -----------------------------------------------------------------

def positive_values(values):
    """Return the positive values, sorted, and the number of zeros; raise NoTail as `fit` does.

    Values of float16 and float32 are returned as float32 (n,), all others as float64 (n,).
    """
    values = np.asarray(values)
    if values.dtype.kind not in "fiub" or values.size == 0:
        raise NoTail(f"expected real numbers, got {values.size} values of type {values.dtype}")
    values = checks.as_floats(values)
    if not (values.min() >= 0 and values.max() < np.inf):  # NaN fails both comparisons
        raise NoTail(f"{np.count_nonzero(~np.isfinite(values))} values are NaN or infinite and "
                     f"{np.count_nonzero(values < 0)} negative: pass finite magnitudes")
    positive = sorting.sorted_floats(values[values > 0], overwrite=True)
    distinct = _kernels.count_distinct(positive, FEWEST)
    if distinct < FEWEST:
        raise NoTail(f"{distinct} distinct positive values among {values.size}: a tail needs at least {FEWEST}")
    return positive, values.size - positive.size


def logarithms(positive):
    """Return the logarithms of positive values, float64 (n,)."""
    return np.log(positive, dtype=np.float64)


def fit_sorted(positive, logs, zeros):
    """Return the TailFit of sorted positive values; `logs` are their logarithms."""
    first, rate, ks = _kernels.search(logs, _kernels.excess_sums(logs), np.inf, False)
    if first < 0:
        raise NoTail(f"the values from {positive[0]:.6g} to {positive[-1]:.6g} differ by rounding alone: a tail needs "
                     "values whose logarithms differ")
    n_tail = len(logs) - first
    return TailFit(float(positive[first]), 1 + rate, float(rate / np.sqrt(n_tail)), ks, n_tail, zeros,
                   len(positive) + zeros)


def candidates(logs):
    """Return the indices that `stability` shows, int64: the first of equal values, and never the largest value.

    `logs` are sorted.
    """
    n = len(logs)
    if _kernels.count_distinct(logs, EXHAUSTIVE + 1) <= EXHAUSTIVE:
        return np.concatenate(([0], 1 + np.flatnonzero(logs[1:] > logs[:-1])))[:-1]
    last = np.searchsorted(logs, logs[np.searchsorted(logs, logs[-1]) - 1])  # where the second largest value begins
    wanted = np.ceil(n - np.geomspace(n, n - last, CANDIDATES)).astype(np.int64)
    begin, end = (np.searchsorted(logs, logs[wanted], side) for side in ("left", "right"))
    return np.unique(np.where(begin == wanted, begin, end))
