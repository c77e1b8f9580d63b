"""Weighted Kronecker fractals: the Kronecker power of a small matrix, and its statistics without the matrix.

The power of order k takes k Kronecker products of the seed matrix with itself, so it has k + 1 factors. Each entry is a
product of k + 1 entries of the seed, chosen independently, and every choice occurs once. Its logarithm is a sum of
independent terms, which gives the histogram, the moments and the spectrum in closed form.

Read as probabilities of links, a symmetric seed is a stochastic Kronecker graph (Leskovec et al. 2010, "Kronecker
graphs: an approach to modeling networks"). `fit_seed` fits it to a network by expected counts of links, wedges, tripins
and triangles (Gleich and Owen 2012, "Moment-based estimation of stochastic Kronecker graph parameters").
"""
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import optimize

from gradnets import checks, summaries
from gradnets.errors import UserError
from gradnets.networks import metrics

HIGHEST_ORDER = 10_000            # exact integers of higher orders take long
LARGEST_MATRIX = 2**28            # entries of a power: 2 GB
LARGEST_HISTOGRAM = 2**31         # bits of all levels with their exact counts: 256 MB
LEVEL_BITS = 1024                 # bits of one level without its count
SAME_LEVEL = 16 * np.finfo(float).eps  # largest difference of equal logarithms, relative to the largest summand
GRID, STARTS = 21, 10             # of the fit: values tried of each parameter, and number of best seeds refined


@dataclass(frozen=True)
class Levels:
    """The histogram of a Kronecker power: its distinct positive values and how often each occurs.

    `logs` float64 (q,) are the natural logarithms of the values, in rising order. `counts` is a list of q exact ints.
    `shares` float64 (q,) are the counts divided by that of all positive entries, 0 if below the smallest float.
    `zeros` is the exact number of entries that are 0.
    """

    logs: np.ndarray
    counts: list
    shares: np.ndarray
    zeros: int


class Moments(NamedTuple):
    """Skew and excess kurtosis of all entries, zeros included, and of the logarithms of the positive entries."""

    skew: float
    kurtosis: float
    log_skew: float
    log_kurtosis: float


class Counts(NamedTuple):
    """Counts in an undirected network: links, pairs of links at a node, triples of links at a node, and triangles."""

    edges: float
    wedges: float
    tripins: float
    triangles: float


@dataclass(frozen=True)
class Fit:
    """A seed [[a, b], [b, c]] with a >= c, fitted to a network.

    `order` is the order of the power. `misfit` is the sum over the four counts of ((expected - observed) / observed)².
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
    """Compute the Kronecker power of a seed matrix.

    Parameters
    ----------
    seed : real array (s, s), s at least 2, entries of at least 0, not zero everywhere
    order : int, 0 to 10,000
        Number of Kronecker products; 0 gives the seed.

    Returns
    -------
    float64 array (s^(order + 1), s^(order + 1))

    Raises
    ------
    UserError
        For any other seed or order, for more than 2^28 entries, and if an entry would exceed the largest float.
    """
    seed, factors = _seed_and_factors(seed, order)
    side = len(seed) ** factors
    if side**2 > LARGEST_MATRIX:
        raise UserError(f"the power of order {order} would have {len(seed)}^{factors} rows and columns, but at most "
                        f"{LARGEST_MATRIX:,} entries are allowed: lower the order, or take kronecker.levels, which "
                        "needs no matrix")
    if math.log(seed.max()) * factors > math.log(np.finfo(float).max):
        raise UserError(f"the largest entry of the power of order {order} would be {seed.max():.6g}^{factors}, above "
                        "the largest float: lower the order, or divide the seed by its largest entry")
    matrix = seed
    for _ in range(order):
        matrix = np.kron(matrix, seed)
    return matrix


def levels(seed, order):
    """Compute the exact histogram of the power, at any order, without its matrix.

    Parameters
    ----------
    seed, order
        As for `power`.

    Returns
    -------
    Levels

    Raises
    ------
    UserError
        For any other seed or order, and if the levels would take more than 2^31 bits.

    Notes
    -----
    Let the d distinct positive entries v_i of the seed occur m_i times. Then the value v_1^k_1 ... v_d^k_d, whose
    exponents sum to order + 1, occurs (order + 1)! / (k_1! ... k_d!) m_1^k_1 ... m_d^k_d times. Different exponents may
    give one value, as in 1 · 0.25 = 0.5 · 0.5. Logarithms are one level if they differ by less than their rounding: 16
    units in the last place of (order + 1) times the seed's largest |logarithm|. Takes 3 s for half a million levels.
    """
    seed, factors = _seed_and_factors(seed, order)
    values, multiplicities = np.unique(seed[seed > 0], return_counts=True)
    distinct, positive = len(values), int(multiplicities.sum())
    at_most = math.comb(factors + distinct - 1, distinct - 1)
    if at_most * (factors * math.log2(positive + 1) + LEVEL_BITS) > LARGEST_HISTOGRAM:
        raise UserError(f"the power of order {order} of a seed with {distinct} distinct positive values has up to "
                        f"{_short(at_most)} levels, which take too much memory: lower the order, or take a seed with "
                        "fewer distinct values")
    seed_logs = np.log(values)
    products = sorted(_products(seed_logs.tolist(), multiplicities.tolist(), factors))
    logs = np.array([log for log, _ in products])
    tolerance = SAME_LEVEL * factors * np.abs(seed_logs).max()
    firsts = np.flatnonzero(np.diff(logs, prepend=-np.inf) > tolerance)
    counts = [sum(count for _, count in products[i:j]) for i, j in pairwise([*firsts.tolist(), at_most])]
    total = positive**factors
    shares = np.array([count / total for count in counts])
    return Levels(logs[firsts], counts, shares, seed.size**factors - total)


def moments(seed, order):
    """Compute skew and excess kurtosis of the power's entries and of their logarithms, in closed form.

    Parameters
    ----------
    seed, order
        As for `power`.

    Returns
    -------
    Moments
        NaN if all (positive) entries are equal, infinite if a number exceeds the largest float.

    Raises
    ------
    UserError
        For any other seed or order.

    Notes
    -----
    The mean of v^k over the entries of the power is the mean over the seed to the power of order + 1. Central moments
    are differences of such means. They are computed in exact integers, where nothing cancels: in a suitable unit all
    floats are integers, and the unit drops out. Cumulants of the logarithm are those of the seed times order + 1.
    """
    seed, factors = _seed_and_factors(seed, order)
    fractions = [value.as_integer_ratio() for value in seed.ravel().tolist()]
    unit = max(denominator for _, denominator in fractions)  # all denominators are powers of two
    integers = [numerator * (unit // denominator) for numerator, denominator in fractions]
    n = seed.size**factors
    m1, m2, m3, m4 = (sum(value**k for value in integers) ** factors for k in (1, 2, 3, 4))  # n times the raw moments
    second = m2 * n - m1**2                                                # n² times the central moment
    third = m3 * n**2 - 3 * m2 * m1 * n + 2 * m1**3                        # n³ times it
    fourth = m4 * n**3 - 4 * m3 * m1 * n**2 + 6 * m2 * m1**2 * n - 3 * m1**4
    skew, kurtosis = math.nan, math.nan
    if second:
        skew = math.sqrt(_ratio(third**2, second**3)) * (1 if third > 0 else -1)
        kurtosis = _ratio(fourth - 3 * second**2, second**2)
    positive = seed[seed > 0]
    log_skew, log_kurtosis = summaries.moments(np.log(positive / positive.max()))  # equal entries give exactly 0
    return Moments(skew, kurtosis, log_skew / math.sqrt(factors), log_kurtosis / factors)


def energy_share(seed, order):
    """Compute the share of the power's squared entries in its first singular vectors; 1 for a matrix of rank one.

    Parameters and errors are those of `moments`. Singular values of a Kronecker product are products of those of its
    factors, so the share is (s_1² / Σ s_i²)^(order + 1) with the singular values s_i of the seed.
    """
    seed, factors = _seed_and_factors(seed, order)
    squares = np.linalg.svd(seed / seed.max(), compute_uv=False) ** 2
    return float((squares[0] / squares.sum()) ** factors)


# ---- the stochastic Kronecker graph -----------------------------------------------------------------------

def expected_counts(seed, order):
    """Compute the expected counts in a network whose nodes i < j are linked with the probability of entry (i, j).

    Parameters
    ----------
    seed : real array (s, s), symmetric, entries in [0, 1]
    order : int, 0 to 10,000

    Returns
    -------
    Counts
        Floats. Loops do not occur.

    Raises
    ------
    UserError
        For any other seed or order, and if a count exceeds the largest float.

    Notes
    -----
    Row sums r of entries, s of squares, t of cubes, and the diagonal d of a Kronecker product are the Kronecker
    products of those of its factors. So a sum over all nodes of a product of them is a power of the sum for the seed.
    Sets of links at a node that hold neither its loop nor a link twice follow by inclusion and exclusion. With
    R = r - d, S = s - d² and T = t - d³, wedges are Σ (R² - S) / 2 and tripins Σ (R³ - 3 R S + 2 T) / 6. Triangles are
    the closed walks of three links that never stay at a node, (tr P³ - 3 Σ d s + 2 Σ d³) / 6 (Gleich and Owen 2012,
    section 3).
    """
    seed, factors = _seed_and_factors(seed, order)
    if seed.max() > 1 or not np.array_equal(seed, seed.T):
        raise UserError(f"the seed {seed.tolist()} is no symmetric matrix of probabilities: expected equal entries "
                        "across the diagonal, each in [0, 1]")
    with np.errstate(over="ignore", invalid="ignore"):
        counts = Counts(*_expected(seed, factors).tolist())
    if not np.isfinite(counts).all():
        raise UserError(f"the counts of order {order} are too large for floats: lower the order")
    return counts


def observed_counts(adjacency):
    """Count links, wedges, tripins and triangles of one network.

    Takes a bool array (n, n), symmetric without loops, or metrics.Packed; returns Counts of exact ints.
    """
    packed = metrics.pack(adjacency)
    k = packed.degrees
    return Counts(int(k.sum()) // 2, int((k * (k - 1) // 2).sum()), int((k * (k - 1) * (k - 2) // 6).sum()),
                  int(metrics.triangles(packed).sum()) // 3)


def fit_seed(adjacency):
    """Fit the symmetric 2 x 2 seed whose expected counts are nearest to those of a network.

    Parameters
    ----------
    adjacency : bool array (n, n), symmetric without loops, or metrics.Packed

    Returns
    -------
    Fit
        Its order is ⌈log2 n⌉ - 1: the smallest power with at least n nodes.

    Raises
    ------
    UserError
        Unless the matrix is such a network, and has at least one link, wedge, tripin and triangle.

    Notes
    -----
    Minimises the sum of squares relative to the observed counts, one of the criteria of Gleich and Owen (2012, section
    4). Of a grid of seeds, the ten whose counts are nearest in ratio are refined within [0, 1]; the best one is kept.
    """
    packed = metrics.pack(adjacency)
    nodes = len(packed.bits)
    observed = observed_counts(packed)
    missing = [name for name, count in observed._asdict().items() if count == 0]
    if missing:
        raise UserError(f"the network of {nodes} nodes and {observed.edges} links has no {missing[0]}: a fit by "
                        "moments needs at least one link, wedge, tripin and triangle")
    factors = math.ceil(math.log2(nodes))

    def ratios(parameters):
        """Return expected over observed counts, (..., 4), of parameters (..., 3)."""
        return _expected(np.asarray(parameters)[..., [[0, 1], [1, 2]]], factors) / observed

    a, b, c = np.meshgrid(*[np.linspace(0, 1, GRID)] * 3, indexing="ij")
    grid = np.stack([a, b, c], axis=-1)[a >= c]                            # (seeds, 3)
    differences = (np.log(np.maximum(ratios(grid), 1e-300)) ** 2).sum(axis=1)
    fits = [optimize.least_squares(lambda x: ratios(x) - 1, start, bounds=(0, 1), method="dogbox", xtol=1e-12,
                                   ftol=1e-12, gtol=1e-12)
            for start in grid[np.argsort(differences)[:STARTS]]]
    a, b, c = min(fits, key=lambda fit: fit.cost).x
    a, c = max(a, c), min(a, c)
    expected = ratios((a, b, c)) * observed
    at_bound = tuple(f"{name} = {round(value)}" for name, value in zip("abc", (a, b, c), strict=True)
                     if min(value, 1 - value) < 1e-9)
    return Fit(np.array([[a, b], [b, c]]), factors - 1, float(((expected / observed - 1) ** 2).sum()), observed,
               Counts(*expected.tolist()), at_bound)


# ---- parts ------------------------------------------------------------------------------------------------

def _seed_and_factors(seed, order):
    """Return the seed as float64 (s, s), and the number of factors of the power."""
    seed = np.asarray(seed)
    if seed.ndim != 2 or seed.shape[0] != seed.shape[1] or len(seed) < 2 or seed.dtype.kind not in "fiu":
        raise UserError(f"the seed is {seed.dtype} of shape {seed.shape}: expected a square matrix of real numbers, "
                        "at least 2 x 2")
    seed = seed.astype(np.float64)
    if not np.isfinite(seed).all() or seed.min() < 0 or seed.max() == 0:
        raise UserError(f"the seed is {seed.tolist()}: expected finite numbers of at least 0, one of them above 0")
    if not checks.is_integer(order) or not 0 <= order <= HIGHEST_ORDER:
        raise UserError(f"order is {order!r}: expected an integer from 0 to {HIGHEST_ORDER:,}")
    return seed, int(order) + 1


def _products(logs, multiplicities, factors):
    """Yield the logarithm of each product of `factors` values and its number of occurrences; equal products stay apart.
    """
    if len(logs) == 1:
        yield factors * logs[0], multiplicities[0] ** factors
        return
    ways = 1  # number of choices of the k factors that are the first value, each in multiplicities[0] places
    for k in range(factors + 1):
        for log, count in _products(logs[1:], multiplicities[1:], factors - k):
            yield k * logs[0] + log, ways * count
        ways = ways * multiplicities[0] * (factors - k) // (k + 1)


def _expected(seed, factors):
    """Return the expected counts (..., 4) of the powers of seeds (..., s, s)."""
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
    return np.maximum(np.stack([edges, wedges, tripins, triangles], axis=-1), 0)  # rounding may give less than 0


def _ratio(numerator, denominator):
    """Divide two ints of any size; infinite if the quotient exceeds the largest float."""
    try:
        return numerator / denominator
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


def _short(count):
    """Write an int of any size in a few characters."""
    return f"{count:,}" if count < 10**15 else f"10^{int(math.log10(count))}"
