"""Test by a bootstrap, which searches xmin again in each replicate, whether a power law is plausible at all."""
import numpy as np

from gradnets import checks
from gradnets.tails import _kernels, power_law

BLOCK = 1 << 16  # number of values drawn at a time, so that a replicate of many values does not hold all draws


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
    otherwise, and searches its own xmin: with xmin kept, p would be too large. A replicate takes time in proportion to
    the number of values, but spends none on sorting the values below xmin: counting how often each one was drawn keeps
    them in order. Where a tail among the values above xmin already fits better, those below are never compared.
    """
    positive, zeros = power_law.positive_values(values)
    logs = np.log(positive)
    return p_of_fit(logs, power_law.fit_sorted(positive, logs, zeros), replicates, seed)


def p_of_fit(logs, fit, replicates, seed):
    """Return `bootstrap_p` of positive values from their sorted logarithms and their TailFit."""
    checks.positive_integers(replicates=replicates)
    rng = np.random.default_rng(seed)
    n, first = len(logs), len(logs) - fit.n_tail
    sampled_candidates = _kernels.count_distinct(logs, power_law.EXHAUSTIVE + 1) > power_law.EXHAUSTIVE
    counts, drawn = np.empty(first, dtype=np.int32), np.empty(n)  # for every replicate that needs them
    worse = 0
    for _ in range(replicates):
        in_tail = rng.binomial(n, 1 - first / n)
        tail = np.sort(logs[first] + rng.exponential(1 / (fit.alpha - 1), in_tail))  # the logarithm of a power law
        below = (rng.integers(0, first, min(BLOCK, n - in_tail - start))
                 for start in range(0, n - in_tail, BLOCK))
        if (sampled_candidates and _kernels.count_distinct(tail, 2) == 2
                and _kernels.any_fits_better(tail, power_law.candidates(tail, n), fit.ks)):
            for _ in below:  # unused, but the next replicate continues the random stream behind them
                pass
            continue
        counts[:] = 0
        for indices in below:
            _kernels.count_draws(counts, indices)
        _kernels.repeat_values(logs, counts, drawn)
        drawn[n - in_tail:] = tail
        worse += not _kernels.any_fits_better(drawn, power_law.candidates(drawn, n), fit.ks)
    return (1 + worse) / (1 + replicates)
