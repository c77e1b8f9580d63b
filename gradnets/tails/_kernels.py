"""Compiled loops of the tail fits. They take sorted logarithms, where a power law is an exponential law.

All stand in one file, since numba's cache of a kernel does not notice changes of kernels in other files.
"""
import numpy as np
from numba import njit


@njit(cache=True)
def alphas(logs, candidates):
    """Return the maximum-likelihood alpha at every candidate, in one pass from the largest value down."""
    exponents = np.empty(len(candidates))
    total, end = 0.0, len(logs)
    for k in range(len(candidates) - 1, -1, -1):
        first = candidates[k]
        for i in range(first, end):
            total += logs[i]
        end = first
        n = len(logs) - first
        exponents[k] = 1.0 + n / (total - n * logs[first])
    return exponents


@njit(cache=True)
def distance(logs, first, alpha, limit):
    """Return the largest gap between the distribution of the tail and the fitted one; stop once it exceeds `limit`."""
    n = len(logs) - first
    largest = 0.0
    for stride in (64, 1):  # a coarse pass first, which rules out most candidates
        for i in range(0, n, stride):
            gap = abs(1.0 - np.exp((1.0 - alpha) * (logs[first + i] - logs[first])) - i / n)
            if gap > largest:
                largest = gap
        if largest > limit:
            break
    return largest


@njit(cache=True)
def best_candidate(logs, candidates):
    """Return the index, alpha and distance of the candidate whose distance is smallest."""
    exponents = alphas(logs, candidates)
    best, smallest = 0, np.inf
    for k in range(len(candidates) - 1, -1, -1):
        gap = distance(logs, candidates[k], exponents[k], smallest)
        if gap <= smallest:
            best, smallest = k, gap
    return candidates[best], exponents[best], smallest


@njit(cache=True)
def any_fits_better(logs, candidates, ks):
    """Return whether some candidate's distance is below `ks`; the shortest tails come first."""
    total, end = 0.0, len(logs)
    for k in range(len(candidates) - 1, -1, -1):
        first = candidates[k]
        for i in range(first, end):
            total += logs[i]
        end = first
        n = len(logs) - first
        if distance(logs, first, 1.0 + n / (total - n * logs[first]), ks) < ks:
            return True
    return False


@njit(cache=True)
def fit_all(logs, candidates):
    """Return alpha and distance at every candidate."""
    exponents = alphas(logs, candidates)
    gaps = np.empty(len(candidates))
    for k in range(len(candidates)):
        gaps[k] = distance(logs, candidates[k], exponents[k], np.inf)
    return exponents, gaps


@njit(cache=True)
def count_distinct(ordered, limit):
    """Return the number of distinct values in sorted ones, or `limit` if there are more."""
    distinct = min(len(ordered), 1)
    for i in range(1, len(ordered)):
        if distinct == limit:
            break
        distinct += ordered[i] > ordered[i - 1]
    return distinct


@njit(cache=True)
def count_draws(counts, indices):
    """Add to counts[i] the number of times that i stands in `indices`."""
    for i in indices:
        counts[i] += 1


@njit(cache=True)
def repeat_values(values, counts, repeated):
    """Write value i counts[i] times into `repeated`, in the order of the values."""
    place = 0
    for i in range(len(counts)):
        for _ in range(counts[i]):
            repeated[place] = values[i]
            place += 1


@njit(cache=True)
def ratio_sums(power_law, alternative, mean):
    """Return the sum of the differences, and the sum of their squares about the mean, added from first to last."""
    total, squares = 0.0, 0.0
    for i in range(len(power_law)):
        difference = power_law[i] - alternative[i]
        total += difference
        deviation = difference - mean
        squares += deviation * deviation
    return total, squares
