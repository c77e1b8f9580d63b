"""Compiled loops of the extreme-value estimators. They take logarithms in falling order."""
import numpy as np
from numba import njit

FAST = {"contract", "reassoc", "nsz", "arcp"}


@njit(cache=True)
def resample(ordered, bits, size, counts, sample):
    """Draw `size` of the values with replacement, and write the largest ones of the draw into `sample`, in order.

    Parameters
    ----------
    ordered : float64 array (n,)
    bits : uint64 array, at least size / 2 of them
        Random bits, 32 for each draw: some values are more likely than others by a share of at most n / 2^32.
    size : int
    counts : int32 array (n,), work space
    sample : float64 array, of at most the draw's size
    """
    n, shift, low = np.uint64(len(ordered)), np.uint64(32), np.uint64(0xFFFFFFFF)
    counts[:] = 0
    for j in range(size // 2):
        counts[((bits[j] & low) * n) >> shift] += 1
        counts[((bits[j] >> shift) * n) >> shift] += 1
    if size % 2:
        counts[((bits[size // 2] >> shift) * n) >> shift] += 1
    place, i, safe = 0, 0, len(sample) - 16
    while place < safe:  # nearly all counts are below 4, and a branch on each one would be slow
        value, count = ordered[i], counts[i]
        sample[place] = value
        sample[place + 1] = value
        sample[place + 2] = value
        if count > 3:
            for extra in range(3, min(count, len(sample) - place)):
                sample[place + extra] = value
        place += count
        i += 1
    while place < len(sample):
        for _ in range(min(counts[i], len(sample) - place)):
            sample[place] = ordered[i]
            place += 1
        i += 1


@njit(cache=True, fastmath={"contract"})
def add_up(logs, powers, ends, a1, a2, a3, sums):
    """Add up what the estimators need.

    Parameters
    ----------
    logs : float64 array (m,)
    powers : float64 array (at least m - 1, 8)
    ends : int64 array (h,), rising; those below 0 and above m - 2 are left out
    a1, a2, a3 : float64 arrays (m - 1,)
        Get Σ (log_j - log_k)^p over j < k at each k = 1, ..., m - 1, for p = 1, 2, 3.
    sums : float64 array (h, 8)
        Row h gets Σ powers[i] (log_i - log_(i + 1)) over i <= ends[h].
    """
    s1 = s2 = s3 = 0.0
    t0 = t1 = t2 = t3 = t4 = t5 = t6 = t7 = 0.0
    k = 0
    for h in range(len(ends)):
        for i in range(k, min(ends[h] + 1, len(logs) - 1)):
            d = logs[i] - logs[i + 1]
            t0 += powers[i, 0] * d
            t1 += powers[i, 1] * d
            t2 += powers[i, 2] * d
            t3 += powers[i, 3] * d
            t4 += powers[i, 4] * d
            t5 += powers[i, 5] * d
            t6 += powers[i, 6] * d
            t7 += powers[i, 7] * d
        k = max(min(ends[h] + 1, len(logs) - 1), k)
        sums[h, 0], sums[h, 1], sums[h, 2], sums[h, 3] = t0, t1, t2, t3
        sums[h, 4], sums[h, 5], sums[h, 6], sums[h, 7] = t4, t5, t6, t7
    for i in range(len(logs) - 1):
        d = logs[i] - logs[i + 1]
        step = d * (i + 1)
        s3 += d * (3.0 * s2 + d * (3.0 * s1 + step))
        s2 += d * (2.0 * s1 + step)
        s1 += step
        a1[i], a2[i], a3[i] = s1, s2, s3


@njit(cache=True, fastmath=FAST, error_model="numpy")
def add_squares(a1, a2, a3, inverse, hill, moments):
    """Add the squared difference of two estimates at each k: of Hill's method, and of the method of moments.

    Where the method of moments divides by zero, the sum becomes infinite and stays so. inverse : 1 / k.
    """
    for k in range(len(a1)):
        a, b, c = a1[k] * inverse[k], a2[k] * inverse[k], a3[k] * inverse[k]
        difference = b - 2.0 * a * a
        hill[k] += difference * difference
        second, third = b - a * a, c - a * b
        degenerate = (b <= 0.0) | (second < 1e-10 * b) | (abs(third) < 1e-10 * c)
        difference = a - np.sqrt(0.5 * b) + (2.0 / 3.0 * c * second - 0.5 * b * third) / (second * third)
        moments[k] += np.inf if degenerate else difference * difference


@njit(cache=True, error_model="numpy")
def kernel_estimates(sums, biweights, triweights, power, first, second):
    """Write the estimates of xi by two kernels at each bandwidth, from the sums of `add_up`.

    biweights, triweights : float64 arrays (h, 4), the factors of the powers of the rank.
    """
    for weights, estimates in ((biweights, first), (triweights, second)):
        for h in range(len(sums)):
            positive = q1 = q2 = 0.0
            for j in range(4):
                positive += weights[h, j] * sums[h, j]
                q1 += weights[h, j] * sums[h, 4 + j]
                q2 += (1.0 + 2.0 * j + power) * weights[h, j] * sums[h, 4 + j]
            estimates[h] = positive - 1.0 + q2 / q1
