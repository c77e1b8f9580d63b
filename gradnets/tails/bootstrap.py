"""Test by a bootstrap, which searches xmin again in each replicate, whether a power law is plausible at all."""
import numpy as np

from gradnets import checks
from gradnets.tails import _kernels, power_law

BLOCK = 1 << 14  # number of values drawn at a time, which stay in the cache
BINS = 1024      # a bin of values below xmin holds one part in so many of the values above it


def bootstrap_p(values, replicates=1000, seed=0):
    """Return the probability that a true power law fits as badly as the power law fitted to these values.

    Parameters
    ----------
    values : real array, any shape, not negative
    replicates : int, positive
    seed : int, not negative, or numpy.random.Generator

    Returns
    -------
    float
        (1 + replicates whose distance is at least the observed one) / (1 + replicates). Clauset, Shalizi and Newman
        (2009, section 4.1) rule a power law out below 0.1.

    Raises
    ------
    NoTail
        As `fit` does.
    UserError
        If replicates is not a positive integer.

    Notes
    -----
    Each replicate draws a value from the fitted tail with probability n_tail / n and one of the values below xmin
    otherwise, and searches its own xmin among all of its distinct values: with xmin kept, p would be too large. The
    values below xmin are first only counted in bins, by one multinomial draw. The counts rule out most candidates
    there, and only the bins above the deepest candidate that may fit better are drawn one by one. The law of p is the
    law of replicates drawn in full.
    """
    positive, zeros = power_law.positive_values(values)
    logs = power_law.logarithms(positive)
    return p_of_fit(logs, power_law.fit_sorted(positive, logs, zeros), replicates, seed)


def p_of_fit(logs, fit, replicates, seed):
    """Return `bootstrap_p` of positive values from their sorted logarithms and their TailFit."""
    checks.positive_integers(replicates=replicates)
    edges = bin_edges(logs, len(logs) - fit.n_tail)
    seeds = np.random.default_rng(seed).integers(2**63, size=replicates)
    room = np.empty(len(logs))  # of which only the pages that some replicate draws are used
    fitting = sum(replicate_fits_better(np.random.default_rng(each), logs, edges, fit, room) for each in seeds)
    return (1 + replicates - fitting) / (1 + replicates)


def replicate_fits_better(rng, logs, edges, fit, room):
    """Draw one replicate, as far down as is needed, and return whether its distance is below the one of the fit.

    Parameters
    ----------
    logs : float64 array (n,), sorted
    edges : int64 array, those of `bin_edges`
    fit : TailFit
    room : float64 array (n,)
        Overwritten: the replicate's largest values stand at its end.
    """
    n, first = len(logs), edges[-1]
    begin = n - rng.binomial(n, fit.n_tail / n)
    tail = room[begin:]
    if fits_better(tail, fill_with_power_law(tail, rng, np.log(fit.xmin), 1 / (fit.alpha - 1)), fit.ks):
        return True
    if first == 0:
        return False
    counts = rng.multinomial(begin, np.diff(edges) / first)
    deepest = _kernels.deepest_bin(logs[edges[:-1]], logs[edges[1:] - 1], counts, tail, fit.ks)
    if deepest == len(counts):
        return False
    drawn = counts[deepest:].sum()
    _kernels.fill_from_bins(rng, logs, edges, counts, room[begin - drawn:begin])
    sample = room[begin - drawn:]
    return fits_better(sample, _kernels.excess_sums(sample), fit.ks)


def fill_with_power_law(tail, rng, start, scale):
    """Fill an array with a sorted sample of an exponential law above `start`, and return its `excess_sums`."""
    parts, value = np.empty((-(-len(tail) // _kernels.STRIDE), 2)), start
    for first in range(0, len(tail), BLOCK):
        block = rng.standard_exponential(out=tail[first:first + BLOCK])
        value = _kernels.add_spacings(block, len(tail) - first, value, scale, parts[first // _kernels.STRIDE:].ravel())
    sums = np.zeros(len(parts) + 1)
    np.cumsum(parts[::-1, 1], out=sums[-2::-1])
    sums[:-1] -= parts[:, 0]  # a value's own draw is the way to it from below
    return sums


def bin_edges(logs, first):
    """Return the edges of bins of logs[:first], int64 rising from 0 to `first`; equal values share a bin.

    From the tail down, each bin holds 1 / BINS of the values above it.
    """
    edges = [first]
    while edges[-1] > 0:
        size = max((len(logs) - edges[-1]) // BINS, 1)
        edges.append(_kernels.run_start(logs, max(edges[-1] - size, 0)))
    return np.array(edges[::-1])


def fits_better(sample, sums, ks):
    """Return whether some tail of sorted logarithms, with their `excess_sums`, has a distance below ks."""
    return len(sample) > 1 and _kernels.search(sample, sums, ks, True)[2] < ks
