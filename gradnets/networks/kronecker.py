"""Weighted Kronecker fractals: a small matrix, its Kronecker power, and that power's statistics without the matrix.

The power of order k takes k Kronecker products of the seed with itself, so it has k + 1 factors: each entry is a
product of k + 1 entries of the seed, chosen independently, and every choice occurs once. Its logarithm is a sum of
independent terms, which gives the histogram, the moments and the spectrum in closed form.

Read as chances of links, a symmetric seed is a stochastic Kronecker graph (Leskovec et al. 2010, "Kronecker graphs: an
approach to modeling networks"), which `fit_seed` fits to a network by its expected counts (Gleich and Owen 2012,
"Moment-based estimation of stochastic Kronecker graph parameters").
"""
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from gradnets import checks, summaries
from gradnets.errors import UserError
from gradnets.networks import metrics

HIGHEST_ORDER = 10_000            # beyond it exact numbers take long
LARGEST_MATRIX = 2**28            # entries: 2 GB
LARGEST_COUNTS = 2**31            # bits of all levels of a histogram, exact counts and what holds them: 256 MB
LEVEL = 1024                      # bits of a level without its count
MERGE = 16 * np.finfo(float).eps  # logarithms so close, relative to the largest that was added up, are one level
GRID, STARTS = 21, 10             # of the fit: values tried of each parameter, and the best seeds that are refined


@dataclass(frozen=True)
class Levels:
    """The histogram of a Kronecker power: its distinct positive values and how often each occurs.

    `logs` float64 (q,) are their natural logarithms, in rising order; `counts` a list of q exact ints; `shares`
    float64 (q,) the counts over that of all positive entries, 0 where that is below the smallest float; `zeros` the
    exact number of entries that are 0.
    """

    logs: np.ndarray
    counts: list
    shares: np.ndarray
    zeros: int


class Moments(NamedTuple):
    """Skew and excess kurtosis of all entries, zeros too, and of the logarithms of the positive ones."""

    skew: float
    kurtosis: float
    log_skew: float
    log_kurtosis: float


class Counts(NamedTuple):
    """Links, pairs of links at one node, triples of links at one node, and triangles of an undirected network."""

    edges: float
    wedges: float
    tripins: float
    triangles: float


@dataclass(frozen=True)
class Fit:
    """A seed [[a, b], [b, c]] with a >= c, fitted to a network.

    `order` is that of its power; `misfit` the sum over the four counts of ((expected - observed) / observed)²;
    `at_bound` names the parameters that ended at 0 or 1, as in ("a = 1", "c = 0").
    """

    seed: np.ndarray
    order: int
    misfit: float
    observed: Counts
    expected: Counts
    at_bound: tuple


# ---- the power and its histogram --------------------------------------------------------------------------

def power(seed, order):
    """The Kronecker power itself.

    Parameters
    ----------
    seed : real array (s, s), s at least 2, not negative, not zero everywhere
    order : int, 0 to 10,000
        How many Kronecker products are taken; 0 gives the seed.

    Returns
    -------
    float64 array (s^(order + 1), s^(order + 1))

    Raises
    ------
    ValueError
        For another seed or order, for more than 2^28 entries, and where one would exceed all floats.
    """
    seed, factors = _checked(seed, order)
    side = len(seed) ** factors
    if side**2 > LARGEST_MATRIX:
        raise UserError(f"the power of order {order} would have {len(seed)}^{factors} rows and as many columns, but "
                         f"{LARGEST_MATRIX:,} entries are the most: lower the order, or take fractals.levels, which "
                         "needs no matrix")
    if math.log(seed.max()) * factors > math.log(np.finfo(float).max):
        raise UserError(f"the largest entry of the power of order {order} would be {seed.max():.6g}^{factors}, beyond "
                         "all floats: lower the order, or divide the seed by its largest entry")
    matrix = seed
    for _ in range(order):
        matrix = np.kron(matrix, seed)
    return matrix


def levels(seed, order):
    """The exact histogram of the power, at any order, without its matrix.

    Parameters
    ----------
    seed, order
        As for `power`.

    Returns
    -------
    Levels

    Raises
    ------
    ValueError
        For another seed or order, and where the levels would take more than 2^31 bits.

    Notes
    -----
    The value v_1^k_1 ... v_d^k_d of the d distinct positive entries of the seed, where v_i occurs m_i times and the
    exponents sum to order + 1, occurs (order + 1)! / (k_1! ... k_d!) m_1^k_1 ... m_d^k_d times. Different exponents may
    give one value, as 1 · 0.25 = 0.5 · 0.5: logarithms that differ by less than their rounding, 16 units in the last
    place of (order + 1) times the seed's largest |logarithm|, are one level. Takes 3 s for half a million levels.
    """
    seed, factors = _checked(seed, order)
    values, times = np.unique(seed[seed > 0], return_counts=True)
    distinct, positive = len(values), int(times.sum())
    how_many = math.comb(factors + distinct - 1, distinct - 1)
    if how_many * (factors * math.log2(positive + 1) + LEVEL) > LARGEST_COUNTS:
        raise UserError(f"the power of order {order} of a seed with {distinct} distinct positive values has up to "
                         f"{_rounded(how_many)} levels, which take too much memory: lower the order, or "
                         "take a seed with fewer distinct values")
    logs = np.log(values)
    found = list(_products(logs.tolist(), times.tolist(), factors))
    found.sort()
    everywhere = np.array([log for log, _ in found])
    firsts = np.flatnonzero(np.diff(everywhere, prepend=-np.inf) > MERGE * factors * np.abs(logs).max())
    counts = [sum(count for _, count in found[i:j]) for i, j in pairwise([*firsts.tolist(), how_many])]
    total = positive**factors
    shares = np.array([count / total for count in counts])
    return Levels(everywhere[firsts], counts, shares, seed.size**factors - total)


def moments(seed, order):
    """Skew and excess kurtosis of the power's entries and of their logarithms, in closed form.

    Parameters
    ----------
    seed, order
        As for `power`.

    Returns
    -------
    Moments
        NaN where all (positive) entries are equal, infinite where a number is beyond the largest float.

    Raises
    ------
    ValueError
        As `power`, but for the size.

    Notes
    -----
    The mean of v^k over the power's entries is that over the seed's to the power of order + 1. Central moments are
    differences of these, so they are taken in whole numbers, where nothing cancels: in a suitable unit, which drops
    out, all floats are. Cumulants of the logarithm are those of the seed times order + 1.
    """
    seed, factors = _checked(seed, order)
    ratios = [value.as_integer_ratio() for value in seed.ravel().tolist()]
    unit = max(denominator for _, denominator in ratios)  # all are powers of two
    whole = [numerator * (unit // denominator) for numerator, denominator in ratios]
    n = seed.size**factors
    m1, m2, m3, m4 = (sum(value**k for value in whole) ** factors for k in (1, 2, 3, 4))  # n times the raw moments
    second = m2 * n - m1**2                                                # n² times the central moments, and so on
    third = m3 * n**2 - 3 * m2 * m1 * n + 2 * m1**3
    fourth = m4 * n**3 - 4 * m3 * m1 * n**2 + 6 * m2 * m1**2 * n - 3 * m1**4
    skew, kurtosis = math.nan, math.nan
    if second:
        skew = math.sqrt(_ratio(third**2, second**3)) * (1 if third > 0 else -1)
        kurtosis = _ratio(fourth - 3 * second**2, second**2)
    positive = seed[seed > 0]
    log_skew, log_kurtosis = summaries.moments(np.log(positive / positive.max()))  # equal entries: exactly 0
    return Moments(skew, kurtosis, log_skew / math.sqrt(factors), log_kurtosis / factors)


def energy_share(seed, order):
    """The share of the power's squared entries that its first singular vectors hold, 1 for a matrix of rank one.

    Parameters and errors as for `moments`; returns float, (s_1² / Σ s_i²)^(order + 1) of the seed's singular values
    s_i: those of a Kronecker product are the products.
    """
    seed, factors = _checked(seed, order)
    squares = np.linalg.svd(seed / seed.max(), compute_uv=False) ** 2
    return float((squares[0] / squares.sum()) ** factors)


# ---- the stochastic Kronecker graph -----------------------------------------------------------------------

def expected_counts(seed, order):
    """What a network drawn from the power has on average: i < j are linked with the chance of entry (i, j).

    Parameters
    ----------
    seed : real array (s, s), symmetric, in [0, 1]
    order : int, 0 to 10,000

    Returns
    -------
    Counts
        Of floats; loops do not occur.

    Raises
    ------
    ValueError
        As `moments`, for a seed that is not symmetric or not of probabilities, and where counts exceed all floats.

    Notes
    -----
    Row sums r of entries, s of squares, t of cubes, and the diagonal d of a Kronecker product are the Kronecker
    products of those of its factors, so a sum over all nodes of a product of them is a power of the seed's. Links at a
    node without its loop, and with no link taken twice, follow by inclusion and exclusion, with R = r - d, S = s - d²
    and T = t - d³: wedges are Σ (R² - S) / 2 and tripins Σ (R³ - 3 R S + 2 T) / 6. Triangles are the closed walks of
    three links without those that stay at a node, (tr P³ - 3 Σ d s + 2 Σ d³) / 6 (Gleich and Owen 2012, section 3).
    """
    seed, factors = _checked(seed, order)
    if seed.max() > 1 or not np.array_equal(seed, seed.T):
        raise UserError(f"the seed {seed.tolist()} is no symmetric matrix of probabilities: expected equal entries "
                         "across the diagonal, each in [0, 1]")
    with np.errstate(over="ignore", invalid="ignore"):
        counts = Counts(*_expected(seed, factors).tolist())
    if not np.isfinite(counts).all():
        raise UserError(f"the counts of order {order} are too large for floats: lower the order")
    return counts


def observed_counts(adjacency):
    """The same counts of one network: bool array (n, n), symmetric without loops; returns Counts of exact ints."""
    packed = metrics.pack(adjacency)
    k = packed.degrees
    return Counts(int(k.sum()) // 2, int((k * (k - 1) // 2).sum()), int((k * (k - 1) * (k - 2) // 6).sum()),
                  int(metrics.triangles(packed).sum()) // 3)


def fit_seed(adjacency):
    """The symmetric 2 x 2 seed whose network has, on average, most nearly the counts of this one.

    Parameters
    ----------
    adjacency : bool array (n, n), symmetric without loops

    Returns
    -------
    Fit
        Of order ⌈log2 n⌉ - 1, the smallest power with at least n nodes.

    Raises
    ------
    ValueError
        If the matrix is no such network, or has no link, wedge, tripin or triangle.

    Notes
    -----
    Least sum of squares relative to the observed counts, one of the criteria of Gleich and Owen (2012, section 4). Of a
    grid of seeds the ten whose counts are nearest in ratio are refined under the bounds 0 and 1; the best is kept.
    """
    observed = observed_counts(adjacency)
    missing = [name for name, count in observed._asdict().items() if count == 0]
    if missing:
        raise UserError(f"the network of {len(adjacency)} nodes and {observed.edges} links has no {missing[0]}: a fit "
                         "by moments needs at least one link, wedge, tripin and triangle")
    factors = math.ceil(math.log2(len(adjacency)))

    def ratios(parameters):
        """Expected over observed counts, (..., 4), of parameters (..., 3)."""
        return _expected(np.asarray(parameters)[..., [[0, 1], [1, 2]]], factors) / observed

    a, b, c = np.meshgrid(*[np.linspace(0, 1, GRID)] * 3, indexing="ij")
    grid = np.stack([a, b, c], axis=-1)[a >= c]                            # (seeds, 3)
    apart = (np.log(np.maximum(ratios(grid), 1e-300)) ** 2).sum(axis=1)
    fits = [optimize.least_squares(lambda x: ratios(x) - 1, start, bounds=(0, 1), method="dogbox", xtol=1e-12,
                                   ftol=1e-12, gtol=1e-12)
            for start in grid[np.argsort(apart)[:STARTS]]]
    a, b, c = min(fits, key=lambda fit: fit.cost).x
    a, c = max(a, c), min(a, c)
    expected = ratios((a, b, c)) * observed
    at_bound = tuple(f"{name} = {round(value)}" for name, value in zip("abc", (a, b, c), strict=True)
                     if min(value, 1 - value) < 1e-9)
    return Fit(np.array([[a, b], [b, c]]), factors - 1, float(((expected / observed - 1) ** 2).sum()), observed,
               Counts(*expected.tolist()), at_bound)


# ---- distances between histograms -------------------------------------------------------------------------

def distance(values, weights, other_values, other_weights, standardised=False):
    """The Kolmogorov-Smirnov distance between two weighted sets of values.

    Parameters
    ----------
    values, other_values : real arrays (n,) and (m,), in any order
    weights, other_weights : real arrays of the same lengths, not negative
        Only their proportions count.
    standardised : bool
        Give each set mean 0 and standard deviation 1 first.

    Returns
    -------
    float
        The largest difference of the two distribution functions, in [0, 1].

    Raises
    ------
    ValueError
        If lengths differ, values are not finite, weights negative or all zero, or, standardised, all values are equal.
    """
    first, second = (_distribution(*pair, standardised) for pair in ((values, weights), (other_values, other_weights)))
    at = np.concatenate((first[0], second[0]))
    one, two = (np.concatenate(([0], np.cumsum(w)))[np.searchsorted(v, at, side="right")] for v, w in (first, second))
    return float(np.abs(one - two).max())


def normal_distance(values, weights):
    """The Kolmogorov-Smirnov distance between standardised values and a standard normal law.

    Parameters and errors as for `distance`, standardised; returns float.
    """
    values, weights = _distribution(values, weights, True)
    normal, upto = special.ndtr(values), np.cumsum(weights)
    return float(max(np.abs(upto - normal).max(), np.abs(upto - weights - normal).max()))  # after and before each jump


def standardise(values, weights):
    """The values with weighted mean 0 and standard deviation 1, float64 (n,).

    Parameters and errors as for `distance`; ValueError too if all that have a weight are equal.
    """
    values, weights = _weighted(values, weights)
    counted = values[weights > 0]
    if counted.min() == counted.max():
        raise UserError(f"all {counted.size} values with a weight are {counted[0]:.6g}: a distribution without spread "
                         "cannot be standardised")
    values, weights = _of_ordinary_size(values), _of_ordinary_size(weights)
    away = _of_ordinary_size(values - np.average(values, weights=weights))
    return away / np.sqrt(np.average(away**2, weights=weights))


# ---- parts ------------------------------------------------------------------------------------------------

def _checked(seed, order):
    """The seed as float64 (s, s), and the number of factors."""
    seed = np.asarray(seed)
    if seed.ndim != 2 or seed.shape[0] != seed.shape[1] or len(seed) < 2 or seed.dtype.kind not in "fiu":
        raise UserError(f"the seed is {seed.dtype} of shape {seed.shape}: expected a square matrix of real numbers, "
                         "at least 2 x 2")
    seed = seed.astype(np.float64)
    if not np.isfinite(seed).all() or seed.min() < 0 or seed.max() == 0:
        raise UserError(f"the seed is {seed.tolist()}: expected finite numbers, none negative and not all 0")
    if isinstance(order, bool) or not isinstance(order, int | np.integer) or not 0 <= order <= HIGHEST_ORDER:
        raise UserError(f"order is {order!r}: expected a whole number from 0 to {HIGHEST_ORDER:,}")
    return seed, int(order) + 1


def _products(logs, times, factors):
    """Every product of so many of the values: its logarithm and in how many ways it arises, equal ones apart."""
    if len(logs) == 1:
        yield factors * logs[0], times[0] ** factors
        return
    ways = 1  # to choose the k factors that are the first value, each in times[0] places
    for k in range(factors + 1):
        for log, count in _products(logs[1:], times[1:], factors - k):
            yield k * logs[0] + log, ways * count
        ways = ways * times[0] * (factors - k) // (k + 1)


def _expected(seed, factors):
    """Expected counts (..., 4) of the powers of seeds (..., s, s)."""
    r, s, t = (np.sum(seed**k, axis=-1) for k in (1, 2, 3))
    d = np.diagonal(seed, axis1=-2, axis2=-1)

    def total(terms):
        return terms.sum(axis=-1) ** factors

    cubes = total(d**3)
    walks = np.trace(seed @ seed @ seed, axis1=-2, axis2=-1) ** factors
    edges = (total(r) - total(d)) / 2
    wedges = (total(r**2) - 2 * total(r * d) - total(s) + 2 * total(d**2)) / 2
    tripins = (total(r**3) - 3 * total(r**2 * d) + 6 * total(r * d**2) - 3 * total(r * s) + 3 * total(d * s)
               + 2 * total(t) - 6 * cubes) / 6
    triangles = (walks - 3 * total(d * s) + 2 * cubes) / 6
    return np.maximum(np.stack([edges, wedges, tripins, triangles], axis=-1), 0)  # rounding may leave less than none


def _distribution(values, weights, standardised):
    """Values in rising order, and weights that sum to 1."""
    values, weights = _weighted(values, weights)
    if standardised:
        values = standardise(values, weights)
    rising, weights = np.argsort(values, kind="stable"), _of_ordinary_size(weights)
    return values[rising], weights[rising] / weights.sum()


def _weighted(values, weights):
    """Both as float64, checked."""
    values, weights = (checks.real_array(what, array).astype(float) for what, array in
                       (("values", values), ("weights", weights)))
    if values.ndim != 1 or values.shape != weights.shape:
        raise UserError(f"expected as many weights as values, at least one, got shapes {values.shape} and "
                         f"{weights.shape}")
    if not (weights.min() >= 0 and weights.any()):
        raise UserError("expected finite values and weights, no weight negative and not all 0; the weights run from "
                         f"{weights.min():.6g} to {weights.max():.6g}")
    return values, weights


def _of_ordinary_size(numbers):
    """The numbers in a unit, a power of two, in which their sums and squares neither over- nor underflow."""
    return np.ldexp(numbers, -np.frexp(np.abs(numbers).max())[1])


def _ratio(numerator, denominator):
    """The quotient of two ints of any size as a float, infinite where it is too large for one."""
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


def _rounded(count):
    """An int of any size in a few characters."""
    return f"{count:,}" if count < 10**15 else f"10^{int(math.log10(count))}"
