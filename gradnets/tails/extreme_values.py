"""Estimate the exponent of a tail by extreme-value theory: Hill's estimator, the moments estimator and a kernel.

This is a second school beside `fit`. Clauset's method asks whether the tail is a power law with a sharp beginning.
These estimators ask only how fast the tail falls in the end, with any slowly varying factor. The first school rejects
many samples of power laws with such factors. The second cannot tell a power law from another law with a like tail. How
many of the largest values count is chosen by a double bootstrap, by the rules and defaults of the code published with
Voitalov and others (2019).
"""
from dataclasses import dataclass

import numpy as np

from gradnets import checks
from gradnets.tails import _extreme_kernels as kernels
from gradnets.tails.power_law import NoTail, logarithms, positive_values

REPLICATES = 500  # number of samples drawn in each of the two bootstraps
SHARE = 0.5       # the second bootstrap draws this share of n values, the first the geometric mean of it and n
BANDWIDTHS = 200  # number of bandwidths of the kernel, evenly spaced in their logarithm
POWER = 0.6       # of the kernel's weights near 0 (alpha)
ROUNDS = 50       # number of times that a bootstrap is repeated whose second minimum is beyond the first


@dataclass(frozen=True)
class TailIndex:
    """The tail index xi of a sample by one estimator, from its `tail` largest values.

    P(X > x) falls as x^(-1 / xi), so that the density's exponent is gamma = 1 + 1 / xi. An xi of 0 or below is that of
    a tail lighter than any power law, and gamma is infinite.
    """

    xi: float
    tail: int

    @property
    def gamma(self):
        """Exponent of the density, as alpha of TailFit; infinite for xi <= 0."""
        return 1 + 1 / self.xi if self.xi > 0 else float("inf")


def curves(values):
    """Return the estimates of xi from each number of largest values.

    Parameters
    ----------
    values : real array, any shape, not negative
        Zeros are left out.

    Returns
    -------
    dict of float64 arrays
        `hill` and `moments` (n - 1,), where entry k - 1 is the estimate from the k largest of n positive values: Hill
        (1975), and Dekkers, Einmahl and de Haan (1989), NaN where the latter divide by zero. `kernel` has the estimates
        of Groeneboom, Lopuhaä and de Wolf (2003) at the `bandwidths`, which are shares of the values.

    Raises
    ------
    NoTail
        As `fit` does.
    """
    logs, _ = _falling_logs(values)
    hill, moments = _hill_and_moments(logs)
    kernel = _Kernel(len(logs))
    return {"hill": hill, "moments": moments, "bandwidths": kernel.bandwidths, "kernel": kernel.biweight(logs)}


def tail_indices(values, replicates=REPLICATES, seed=0):
    """Estimate the tail index by three estimators, each from a number of values chosen by a double bootstrap.

    Parameters
    ----------
    values : real array, any shape, not negative
        Zeros are left out. Integers, such as degrees, get uniform noise from -0.5 to 0.5: the estimators are for
        continuous laws.
    replicates : int, positive
    seed : int, not negative, or numpy.random.Generator

    Returns
    -------
    dict of TailIndex
        Under `hill`, `moments` and `kernel`.

    Raises
    ------
    NoTail
        As `fit` does; for fewer than some 400 positive values, or where no minimum is found.

    Notes
    -----
    Danielsson and others (2001) and Qi (2008) for Hill's estimator, Draisma and others (1999) for the moments, and
    Groeneboom, Lopuhaä and de Wolf (2003) for the kernel. The three share their samples. Each bootstrap finds where the
    mean square of the difference of two estimates is least, and the two minima give the number of values.
    """
    checks.positive_integers(replicates=replicates)
    rng = np.random.default_rng(seed)
    logs, searched = _falling_logs(values, rng)
    n = len(logs)
    first = int(n ** (0.5 + 0.5 * np.log(max(int(SHARE * n), 1)) / np.log(n)))
    second = first * first // n
    if second < BANDWIDTHS:
        raise NoTail(f"{n} positive values: a double bootstrap of {BANDWIDTHS} bandwidths needs some {2 * BANDWIDTHS}")
    sizes = first, second
    hill, moments = _hill_and_moments(logs)
    hill_sum, skipped = 0.0, 1  # of the first bootstrap of all rounds, and the smallest numbers of values
    indices = {}
    for done in range(ROUNDS):
        sums = [_squared_differences(logs, size, searched, replicates, rng, with_kernel=done == 0) for size in sizes]
        hill_sum = hill_sum + sums[0]["hill"]
        if done == 0:
            indices["kernel"] = _by_kernel(logs, *(part["kernel"] for part in sums), sizes)
        if "hill" not in indices:
            ks = [1 + skipped + part[skipped:].argmin() for part in (hill_sum, sums[1]["hill"])]
            if ks[1] <= ks[0]:
                indices["hill"] = _index(hill, np.round(ks[0]**2 / ks[1] * _hill_factor(ks[0], first)))
            skipped = min(skipped + int(0.005 * n), len(sums[1]["hill"]) - 1)
        if "moments" not in indices:
            ks = [1 + part["moments"].argmin() for part in sums]
            if ks[1] <= ks[0]:
                rho = np.log(ks[0]) / (2 * np.log(ks[0] / first))
                factor = _moments_factor(moments[int(n**0.5) - 1], rho)
                indices["moments"] = _index(moments, np.floor(ks[0]**2 / ks[1] * factor))
        if len(indices) == 3:
            return {name: indices[name] for name in ("hill", "moments", "kernel")}
    raise NoTail(f"in {ROUNDS} double bootstraps the second minimum lies beyond the first: the tail has no index")


def classify(indices):
    """Say in words what three estimates mean, by the rules of Voitalov and others (2019, section III).

    Parameters
    ----------
    indices : dict of TailIndex
        As `tail_indices` returns them.

    Returns
    -------
    str
        "no power law" if some xi is 0 or below; "hardly a power law" if some xi is at most 1/4, a gamma of 5; else
        "power law", with "of infinite variance" if every xi is above 1/2.
    """
    least = min(index.xi for index in indices.values())
    return ("no power law" if least <= 0 else "hardly a power law" if least <= 1 / 4 else
            "power law" if least <= 1 / 2 else "power law of infinite variance")


# ---- samples of the double bootstrap -----------------------------------------------------------------------

def _falling_logs(values, noise=None):
    """Return the logarithms of the positive values in falling order, and the share of them where minima are searched.

    Whole numbers get noise by a Generator, and minima are searched among those above 1.
    """
    positive, _ = positive_values(values)
    searched = 1.0
    if noise is not None and (positive == np.floor(positive)).all():
        searched = np.mean(positive > 1)
        positive = positive + noise.uniform(-0.5, 0.5, len(positive))
        positive = np.sort(positive[positive > 0])
    return np.ascontiguousarray(logarithms(positive)[::-1]), searched


def _squared_differences(logs, size, searched, replicates, rng, with_kernel):
    """Return the sums over samples of the squared differences of two estimates, of each of three kinds.

    Those of `hill` and `moments` are by number of values, up to a share of the sample, and those of `kernel` by
    bandwidth up to this share. Infinity stands where a method divides by zero.
    """
    last = np.abs(np.linspace(1 / size, 1, size) - searched).argmin()
    kernel = _Kernel(size)
    kernel.keep(np.abs(kernel.bandwidths - searched).argmin() if with_kernel else 0)
    counts, sample, inverse = np.empty(len(logs), dtype=np.int32), np.empty(last + 1), 1 / np.arange(1, last + 1)
    parts = np.empty((3, last))
    sums = {"hill": np.zeros(last), "moments": np.zeros(last), "kernel": np.zeros(len(kernel.bandwidths))}
    for _ in range(replicates):
        kernels.resample(logs, rng.integers(2**64, size=size // 2 + 1, dtype=np.uint64), size, counts, sample)
        kernels.add_up(sample, kernel.powers, kernel.ends, *parts, kernel.sums)
        kernels.add_squares(*parts, inverse, sums["hill"], sums["moments"])
        biweight, triweight = kernel.estimates()
        sums["kernel"] += (biweight - triweight)**2
    sums["kernel"][(kernel.ends < 0) | np.isnan(sums["kernel"])] = np.inf
    if not all(np.isfinite(part).any() for name, part in sums.items() if len(part)):
        raise NoTail("too few different values for a double bootstrap")
    return sums


# ---- Hill's estimator and the moments ----------------------------------------------------------------------

def _hill_and_moments(logs):
    """Return both estimates of xi from the k largest values, k = 1, ..., n - 1."""
    m1, m2, m3 = np.empty((3, len(logs) - 1))
    kernels.add_up(logs, np.empty((0, 8)), np.empty(0, np.int64), m1, m2, m3, np.empty((0, 8)))
    m1, m2 = (part / np.arange(1, len(logs)) for part in (m1, m2))
    with np.errstate(divide="ignore", invalid="ignore"):
        moments = m1 + 1 - 0.5 * m2 / (m2 - m1**2)
    moments[~(m2 - m1**2 > 1e-10 * m2)] = np.nan
    return m1, moments


def _index(estimates, k):
    """Return the TailIndex of the estimate from the k largest values, at least 2 and not all."""
    if np.isfinite(k):
        k = int(min(max(k, 2), len(estimates)))
        if np.isfinite(estimates[k - 1]):
            return TailIndex(float(estimates[k - 1]), k)
    raise NoTail("too few different values among the largest ones for an estimate of the tail index")


def _hill_factor(k, size):
    """Return the constant by which the minima give the number of values (Qi 2008)."""
    return (1 - 2 * np.log(k / size) / np.log(k)) ** (np.log(k) / np.log(size) - 1)


def _moments_factor(xi, rho):
    """Return the constant by which the minima give the number of values (Draisma and others 1999)."""
    if xi >= 0:
        variances = 1 + xi**2, (1 + xi**2) / 4
    else:
        square = (1 - xi)**2
        variances = (square * (1 - 2 * xi) * (6 * xi**2 - xi + 1) / ((1 - 3 * xi) * (1 - 4 * xi)),
                     square / 4 * np.polyval((72, -222, 263, -154, 48, -8, 1), xi)
                     / np.prod([1 - factor * xi for factor in (2, 3, 4, 5, 6)]))
    if xi < rho:
        biases = ((1 - xi) * (1 - 2 * xi) / ((1 - rho - xi) * (1 - rho - 2 * xi)),
                  -rho * (1 - xi)**2 / 2 / np.prod([1 - factor * xi - rho for factor in (1, 2, 3)]))
    elif xi < 0:
        root = np.sqrt((1 - xi) * (1 - 2 * xi))
        biases = 1 / (1 - xi), (1 - 2 * xi - root) / root**2
    else:
        biases = xi / (rho * (1 - rho)) + 1 / (1 - rho)**2, -(rho + xi * (1 - rho)) / (2 * (1 - rho)**3)
    return (variances[0] * biases[1]**2 / (variances[1] * biases[0]**2)) ** (1 / (1 - 2 * rho))


# ---- the kernel --------------------------------------------------------------------------------------------

class _Kernel:
    """Estimates of xi by a biweight and a triweight kernel, at each of the bandwidths, for samples of one size."""

    def __init__(self, size):
        self.bandwidths = np.logspace(np.log10(1 / size), 0, BANDWIDTHS)
        ranks = np.arange(1, size)[:, None] / size
        self.powers = ranks ** np.array([1, 3, 5, 7, POWER, 2 + POWER, 4 + POWER, 6 + POWER])
        self.keep(BANDWIDTHS)

    def keep(self, count):
        """Keep the smallest bandwidths alone."""
        self.bandwidths = self.bandwidths[:count]
        self.ends = np.floor((len(self.powers) + 1) * self.bandwidths).astype(np.int64) - 2
        divisors = self.bandwidths[:, None] ** np.array([1, 3, 5, 7])
        self.weights = tuple(scale * np.array(signs) / divisors
                             for scale, signs in ((15 / 8, (1, -2, 1, 0)), (35 / 16, (1, -3, 3, -1))))
        self.sums, self.both = np.zeros((count, 8)), np.zeros((2, count))

    def estimates(self):
        """Return the estimates by either kernel from `sums`, which `add_up` has written."""
        kernels.kernel_estimates(self.sums, *self.weights, POWER, *self.both)
        return self.both

    def biweight(self, logs):
        """Return the estimates by the biweight kernel from logarithms; NaN at bandwidths of fewer than two values."""
        kernels.add_up(logs, self.powers, self.ends, *np.empty((3, len(logs) - 1)), self.sums)
        return np.where(self.ends < 0, np.nan, self.estimates()[0])


def _by_kernel(logs, first_sums, second_sums, sizes):
    """Return the TailIndex at the bandwidth that two minima give (Groeneboom, Lopuhaä and de Wolf 2003)."""
    least, second = (_Kernel(size).bandwidths[sums.argmin()]
                     for size, sums in zip(sizes, (first_sums, second_sums), strict=True))
    whole, share = np.log(sizes[0]), np.log(least)
    factor = (143 * (whole + share)**2 / (3 * (whole - 13 * share)**2)) ** (-share / whole)
    kernel = _Kernel(len(logs))
    chosen = np.abs(kernel.bandwidths - min(least**2 / second * factor, 1)).argmin()
    return TailIndex(float(kernel.biweight(logs)[chosen]), int(kernel.bandwidths[chosen] * len(logs)))
