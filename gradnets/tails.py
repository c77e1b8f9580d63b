"""How heavy is a tail, and which law does it follow?

The lower end xmin of a power-law tail is searched as Clauset, Shalizi and Newman (2009) do, on sorted logarithms and
compiled; at that xmin other laws are fitted and their likelihoods compared by Vuong's test, as the library `powerlaw`
does; a bootstrap that searches xmin anew in each replicate says whether a power law is plausible at all.

Zeros belong to no tail: every function leaves them out, and `TailFit` counts them. Values of float16 and float32 are
sorted as they are, which is quicker, and widened afterwards: the result is that of the same values in float64.
"""
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import optimize, special

from gradnets import arrays, experiment, graphs, metrics

EXHAUSTIVE = 2000     # so many distinct values or fewer: each is tried as xmin
CANDIDATES = 300      # of more, so many, evenly spaced in the logarithm of the tail's size
FEWEST = 10           # distinct values, below which no tail is fitted
AT_A_TIME = 1 << 16   # numbers drawn, so that a bootstrap of many values does not hold them all


class NoTail(ValueError):
    """Values that no tail can be fitted to: too few, not finite, negative."""


@dataclass(frozen=True)
class TailFit:
    """A power law p(x) ~ x^-alpha above xmin.

    `sigma` is alpha's standard error, (alpha - 1) / sqrt(n_tail); `ks` the Kolmogorov-Smirnov distance over the tail;
    `zeros` and `n` count the zeros and all values.
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
    """The fit at every candidate xmin, in rising order: arrays of one length."""

    xmin: np.ndarray
    alpha: np.ndarray
    sigma: np.ndarray
    ks: np.ndarray
    n_tail: np.ndarray


def fit(values):
    """The power-law tail whose Kolmogorov-Smirnov distance is least.

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
        If a value is negative or not finite, or fewer than ten distinct ones are positive.

    Notes
    -----
    Maximum likelihood for continuous values, alpha = 1 + n / Σ log(x / xmin) (Clauset, Shalizi and Newman 2009, eq.
    3.1), for each candidate xmin. Up to 2,000 distinct values all are candidates; above, 300 of them, evenly spaced in
    the logarithm of the number of values in the tail.
    """
    positive, zeros = _positive(values)
    return _fit(positive, np.log(positive), zeros)


def stability(values):
    """How the fit depends on xmin: a power law shows as a plateau of alpha.

    Parameters and errors as for `fit`; returns Stability.
    """
    positive, _ = _positive(values)
    logs = np.log(positive)
    candidates = _candidates(logs, len(logs))
    alpha, ks = _all(logs, candidates)
    n_tail = len(logs) - candidates
    return Stability(positive[candidates], alpha, (alpha - 1) / np.sqrt(n_tail), ks, n_tail)


def compare(values, xmin):
    """Log-likelihood ratios of a power law against the other laws, all fitted above xmin.

    Parameters
    ----------
    values : real array, any shape, not negative
    xmin : float, positive
        Usually that of `fit`.

    Returns
    -------
    list of dict
        A row an alternative: `alternative`; `ratio`, the normalised log-likelihood ratio, negative where the
        alternative fits better; `p`, the chance of a ratio so far from 0 if both fit equally well (Vuong 1989; for the
        truncated power law, which contains the plain one, by the chi-squared law of nested models); `aic`, Akaike's
        criterion less that of the power law, negative where the alternative is the better description; `parameters`
        of the alternative, named as by powerlaw, for values in units of xmin.

    Raises
    ------
    NoTail
        As `fit`, of the values from xmin on.

    Notes
    -----
    The laws are those of the library powerlaw, and so are ratio and p. Its optimisers pass over all values at each step
    and take a minute for half a million of them, its sums are Python's; so the laws are fitted here, from a few sums of
    the values, with no cap on the exponent. At most six arrays of the tail's size stand at a time, in float64.
    """
    return _compare(_positive(values)[0], xmin)


def best(rows):
    """The row of `compare` whose law Akaike's criterion puts first, or None if that is the power law."""
    row = min(rows, key=lambda row: row["aic"])
    return row if row["aic"] < 0 else None


def verdict(rows, level=0.05):
    """What a comparison says, in words.

    Parameters
    ----------
    rows : list of dict
        As `compare` returns them.
    level : float
        A ratio whose p lies below counts as decided.

    Returns
    -------
    str
        Names the best law by Akaike's criterion if its ratio against the power law is decided; else says that the
        power law cannot be told from it, or is the best.
    """
    first = best(rows)
    if first is None:
        return "power law"
    name = first["alternative"].replace("_", " ")
    if first["p"] < level:
        return f"{name}, not a power law"
    return f"power law or {name}, undecided"


def describe(values, replicates=200, seed=0):
    """Everything that these functions say of a set of magnitudes.

    Parameters
    ----------
    values : real array, any shape, not negative
    replicates : int, positive
        Of the bootstrap.
    seed : int or numpy.random.Generator

    Returns
    -------
    row : dict
        n, zeros, skew and excess kurtosis of the rest; the tail of `fit`: xmin, its share of the positive values,
        alpha, alpha_error, the ratio of `compare` by alternative, p of `bootstrap_p`, the verdict in words, and whether
        p (below 0.1) or a decided ratio rules a power law out. Then the top 90 % of the positive values, where the body
        counts as well: the verdict on it, and the exponent beta of its stretched exponential: 1 is an exponential, less
        is heavier, and the magnitudes of a normal law give 1.4. Where there is no tail, n, zeros and why.
    law : (float, str, dict) or None
        xmin, name and parameters of the tail's best law, as `survival` takes them.
    """
    values = np.asarray(values)
    row = {"n": values.size, "zeros": values.size - np.count_nonzero(values)}
    try:
        positive, zeros = _positive(values)
        found = _fit(positive, np.log(positive), zeros)
        laws = _compare(positive, found.xmin)
        body = _compare(positive, np.quantile(positive, 0.1))
    except NoTail as error:
        return row | {"verdict": f"no tail: {error}"}, None
    p = _bootstrap_p(np.log(positive), found, replicates, seed)
    del positive
    skew, kurtosis = metrics.moments(values[values > 0].astype(np.float64, copy=False))
    row |= {"skew": skew, "kurtosis": kurtosis, "xmin": found.xmin, "tail": found.n_tail / (found.n - found.zeros),
            "alpha": found.alpha, "alpha_error": found.sigma, **{law["alternative"]: law["ratio"] for law in laws},
            "p": p}
    row["verdict"] = verdict(laws)
    if row["verdict"] == "power law" and row["p"] < 0.1:  # the best of these laws, and yet the bootstrap rules it out
        row["verdict"] = "none of these laws"
    row["power_law_ruled_out"] = row["p"] < 0.1 or row["verdict"].endswith("not a power law")
    row["top_90_percent"] = verdict(body)
    row["beta"] = next(law["parameters"]["beta"] for law in body if law["alternative"] == "stretched_exponential")
    first = best(laws) or {"alternative": "power_law", "parameters": {"alpha": found.alpha}}
    return row, (found.xmin, first["alternative"], first["parameters"])


def over_runs(rows):
    """One row of several of `describe`: medians with their 90 % intervals, the commonest words with their count, and in
    how many of the rows a thing is so."""
    together = {"runs": len(rows)}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row[key] for row in rows if key in row]
        if isinstance(values[0], str):
            words, count = Counter(values).most_common(1)[0]
            together[key] = f"{words}: {count} of {len(rows)}"
        elif isinstance(values[0], bool):
            together[key] = sum(values)
        else:
            together |= experiment.spread(**{key: values})
    return together


def survival(law, parameters, x):
    """Chance that a value of the law is at least x, above xmin = 1.

    Parameters
    ----------
    law : str
        "power_law" or one of the alternatives of `compare`.
    parameters : dict
        Its `parameters`; {"alpha": ...} for the power law.
    x : float array, each at least 1
        In units of xmin.

    Returns
    -------
    float64 array of x's shape

    Raises
    ------
    ValueError
        For an unknown law, and for x that is not finite or below 1.
    """
    x = arrays.real("x", x).astype(float)
    if x.min() < 1 - 1e-9:  # a value over its own xmin may be a rounding below
        raise ValueError(f"x runs down to {x.min():.6g}: expected values of the tail, at least 1 in units of xmin")
    if law == "power_law":
        return x ** (1 - parameters["alpha"])
    if law == "exponential":
        return np.exp(-parameters["Lambda"] * (x - 1))
    if law == "lognormal":
        mu, sigma = parameters["mu"], parameters["sigma"]
        return np.exp(special.log_ndtr((mu - np.log(x)) / sigma) - special.log_ndtr(mu / sigma))
    if law == "stretched_exponential":
        rate, beta = parameters["Lambda"], parameters["beta"]
        return np.exp(-rate**beta * np.expm1(beta * np.log(x)))
    if law == "truncated_power_law":
        alpha, rate = parameters["alpha"], parameters["Lambda"]
        logs = [_log_exponential_integral(alpha, rate * v) for v in x.ravel()]
        # In one exponential: of a steep tail x ** (1 - alpha) alone overflows.
        return np.exp((1 - alpha) * np.log(x) + np.reshape(logs, x.shape) - _log_exponential_integral(alpha, rate))
    raise ValueError(f"unknown law {law!r}: expected power_law or one of {', '.join(LAWS)}")


def bootstrap_p(values, replicates=1000, seed=0):
    """The chance that a true power law fits as badly as these values do.

    Parameters
    ----------
    values : real array, any shape, not negative
    replicates : int, positive
    seed : int or numpy.random.Generator

    Returns
    -------
    float
        (1 + replicates with a distance at least the observed one) / (1 + replicates). Clauset, Shalizi and Newman
        (2009, section 4.1) rule a power law out below 0.1.

    Raises
    ------
    NoTail
        As `fit`.
    ValueError
        If replicates is not a positive whole number.

    Notes
    -----
    Each replicate draws a value from the fitted tail with probability n_tail / n and one of the values below xmin
    otherwise, and searches its own xmin: with xmin kept, p would be too large. A replicate takes time in proportion to
    the values, but none is spent on sorting: how often each value below xmin was drawn is counted, which leaves them in
    order; and where a tail among the values above xmin already fits better, those below are not looked at.
    """
    positive, zeros = _positive(values)
    logs = np.log(positive)
    return _bootstrap_p(logs, _fit(positive, logs, zeros), replicates, seed)


# ---- the same, of positive values in rising order -----------------------------------------------------------

def _fit(positive, logs, zeros):
    first, alpha, ks = _best(logs, _candidates(logs, len(logs)))
    n_tail = len(logs) - first
    return TailFit(float(positive[first]), alpha, float((alpha - 1) / np.sqrt(n_tail)), ks, n_tail, zeros,
                   len(positive) + zeros)


def _compare(positive, xmin):
    if not xmin > 0:
        raise NoTail(f"xmin is {xmin:.6g}: expected a positive number")
    tail = positive[np.searchsorted(positive, xmin):]
    distinct = _distinct(tail, FEWEST)
    if distinct < FEWEST:
        raise NoTail(f"{distinct} distinct values from xmin = {xmin:.6g} on: expected at least {FEWEST}; choose a "
                     "positive, smaller xmin")
    tail = tail / xmin  # likelihood ratios do not depend on the unit, and tiny gradients would underflow
    logs = np.log(tail)
    steepness = 1 / logs.mean()  # alpha - 1
    plain = np.log(steepness) - (1 + steepness) * logs
    rows = []
    for alternative, fitted in LAWS.items():
        parameters, other = fitted(tail, logs)
        ratio, p = _vuong(plain, other, nested=alternative == "truncated_power_law")
        other -= plain
        aic = 2 * (len(parameters) - 1) - 2 * other.sum()
        rows.append({"alternative": alternative, "ratio": float(ratio), "p": float(p), "aic": float(aic),
                     "parameters": parameters})
    return rows


def _vuong(plain, other, nested):
    """Normalised log-likelihood ratio and its p, as powerlaw.loglikelihood_ratio; infinite entries are overwritten."""
    other[other == -np.inf] = LEAST
    n = float(len(plain))
    ratio, squares = map(np.float64, _ratio_sums(plain, other, plain.mean() - other.mean()))
    variance = squares / n
    p = 1 - special.chdtr(1, abs(2 * ratio)) if nested else special.erfc(abs(ratio) / np.sqrt(2 * n * variance))
    return ratio / np.sqrt(n * variance), p


def _bootstrap_p(logs, found, replicates, seed):
    if not isinstance(replicates, int | np.integer) or replicates < 1:
        raise ValueError(f"replicates is {replicates!r}: expected a positive whole number")
    rng = np.random.default_rng(seed)
    n, first = len(logs), len(logs) - found.n_tail
    many = _distinct(logs, EXHAUSTIVE + 1) > EXHAUSTIVE
    counts, drawn = np.empty(first, dtype=np.int32), np.empty(n)  # for every replicate that needs them
    worse = 0
    for _ in range(replicates):
        in_tail = rng.binomial(n, 1 - first / n)
        tail = np.sort(logs[first] + rng.exponential(1 / (found.alpha - 1), in_tail))  # the logarithm of a power law
        below = (rng.integers(0, first, min(AT_A_TIME, n - in_tail - start))
                 for start in range(0, n - in_tail, AT_A_TIME))
        if many and _distinct(tail, 2) == 2 and _fits_better(tail, _candidates(tail, n), found.ks):
            for _ in below:  # not looked at, but the next replicate takes up the stream behind them
                pass
            continue
        counts[:] = 0
        for indices in below:
            _count(counts, indices)
        _repeat(logs, counts, drawn)
        drawn[n - in_tail:] = tail
        worse += not _fits_better(drawn, _candidates(drawn, n), found.ks)
    return (1 + worse) / (1 + replicates)


# ---- maximum likelihood above xmin = 1: each law's parameters, and the log-likelihood of each value ----------
#      In place, where it can be: of tens of millions of values, new arrays cost more than what is done with them.

def _exponential(x, logs):
    rate = 1 / (x.mean() - 1)
    likelihoods = x - 1
    likelihoods *= -rate
    likelihoods += np.log(rate)
    return {"Lambda": float(rate)}, likelihoods


def _lognormal(x, logs):
    """From the mean and the mean square of the logarithms; the law is cut off below 1."""
    likelihoods = logs**2
    first, second = logs.mean(), likelihoods.mean()

    def loss(parameters):
        mu, sigma = parameters[0], np.exp(parameters[1])
        return np.log(sigma) + (second - 2 * mu * first + mu**2) / (2 * sigma**2) + special.log_ndtr(mu / sigma)

    mu, log_sigma = _least(loss, (first, np.log(logs.std())))
    sigma = float(np.exp(log_sigma))
    cut = special.log_ndtr(mu / sigma) + log_sigma + 0.5 * np.log(2 * np.pi)
    np.subtract(logs, mu, out=likelihoods)
    likelihoods *= likelihoods
    likelihoods /= -2 * sigma**2
    likelihoods -= logs
    likelihoods -= cut
    return {"mu": mu, "sigma": sigma}, likelihoods


def _stretched_exponential(x, logs):
    """p(x) ~ x^(β - 1) exp(-(Λ x)^β). At a given β the best Λ^β is 1 / mean(x^β - 1): one number is left to find."""
    first, powers = logs.mean(), np.empty_like(logs)

    def loss(log_beta):
        beta = np.exp(log_beta)
        np.expm1(np.multiply(beta, logs, out=powers), out=powers)
        return -log_beta + np.log(powers.mean()) - (beta - 1) * first

    beta = float(np.exp(optimize.minimize_scalar(loss, bounds=np.log((0.02, 20.0)), method="bounded").x))
    np.expm1(np.multiply(beta, logs, out=powers), out=powers)
    scale = 1 / powers.mean()  # Λ^β
    powers *= scale
    likelihoods = (beta - 1) * logs
    likelihoods += np.log(beta * scale)
    likelihoods -= powers
    return {"Lambda": float(scale ** (1 / beta)), "beta": beta}, likelihoods


def _truncated_power_law(x, logs):
    """p(x) ~ x^-α exp(-Λ x), whose integral from 1 on is the exponential integral E_α(Λ)."""
    first, mean = logs.mean(), x.mean()

    def loss(parameters):
        alpha, rate = parameters[0], np.exp(parameters[1])
        return alpha * first + rate * mean + _log_exponential_integral(alpha, rate)

    starts = [(1 + 1 / first, np.log(1e-3 / mean)), (1 + 1 / first, np.log(1 / mean)), (0.0, -np.log(mean - 1))]
    alpha, log_rate = min((_least(loss, start) for start in starts), key=loss)
    rate = float(np.exp(log_rate))
    return {"alpha": alpha, "Lambda": rate}, -alpha * logs - rate * x - _log_exponential_integral(alpha, rate)


def _log_exponential_integral(order, at):
    """log E_order(at), for at > 0 and any real order.

    With t = e^u, E = ∫ t^-order exp(-at t) dt from 1 on is exp(-at) ∫ exp(f(u)) du from 0 on, and f is concave: one
    peak, and bounds on both sides beyond which nothing counts. Between them Gauss's rule is exact to rounding, also
    where the usual series lose all their digits to cancellation.
    """
    def f(u):
        return (1 - order) * u - at * np.expm1(u)

    def bound(direction, limit):
        """Where f has fallen by 50 from its peak, or the limit."""
        inside, step = 0.0, 1e-9
        while f(peak + direction * step) > f(peak) - 50 and step < limit:
            inside, step = step, 2 * step
        outside = min(step, limit)
        for _ in range(20):  # halving the bracket: a rough bound will do
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if f(peak + direction * middle) > f(peak) - 50 else (inside, middle)
        return peak + direction * outside

    with np.errstate(over="ignore"):
        peak = max(0.0, np.log((1 - order) / at)) if order < 1 else 0.0
        low, high = bound(-1, peak), bound(1, np.inf)
        half = (high - low) / 2
        area = half * (WEIGHTS @ np.exp(f(low + half * (1 + NODES)) - f(peak)))
    return f(peak) - at + np.log(area)


def _least(loss, start):
    options = {"xatol": 1e-6, "fatol": 1e-12, "maxiter": 2000}
    return tuple(map(float, optimize.minimize(loss, start, method="Nelder-Mead", options=options).x))


LEAST = np.log(1e-307)  # stands for the logarithm of 0 in Vuong's test, as in powerlaw
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)
LAWS = {"exponential": _exponential, "lognormal": _lognormal, "stretched_exponential": _stretched_exponential,
        "truncated_power_law": _truncated_power_law}


# ---- values and candidates --------------------------------------------------------------------------------

def _positive(values):
    """The positive values, sorted, float64 (n,), and the number of zeros."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiub" or values.size == 0:
        raise NoTail(f"expected real numbers, got {values.size} values of type {values.dtype}")
    values = graphs.as_floats(values)
    if not (values.min() >= 0 and values.max() < np.inf):  # NaN is neither
        raise NoTail(f"{np.count_nonzero(~np.isfinite(values))} values are NaN or infinite and "
                     f"{np.count_nonzero(values < 0)} negative: pass finite magnitudes")
    positive = values[values > 0]
    positive.sort()
    positive = positive.astype(np.float64, copy=False)
    distinct = _distinct(positive, FEWEST)
    if distinct < FEWEST:
        raise NoTail(f"{distinct} distinct positive values among {values.size}: a tail needs at least {FEWEST}")
    return positive, values.size - positive.size


def _candidates(logs, n):
    """Where in the sorted values, the largest of n, a tail may begin: the first of equal ones, but not the largest."""
    if len(logs) == n and _distinct(logs, EXHAUSTIVE + 1) <= EXHAUSTIVE:
        return np.concatenate(([0], 1 + np.flatnonzero(logs[1:] > logs[:-1])))[:-1]
    last = np.searchsorted(logs, logs[np.searchsorted(logs, logs[-1]) - 1])  # where the second largest begins
    wanted = np.ceil(n - np.geomspace(n, len(logs) - last, CANDIDATES)).astype(np.int64) - (n - len(logs))
    wanted = wanted[wanted >= 0]
    begin, end = (np.searchsorted(logs, logs[wanted], side) for side in ("left", "right"))
    return np.unique(np.where(begin == wanted, begin, end))


# ---- kernels: on sorted logarithms, where a power law is an exponential -----------------------------------

@njit(cache=True)
def _alphas(logs, candidates):
    """Maximum likelihood at every candidate, in one pass from the largest value down."""
    alphas = np.empty(len(candidates))
    total, upto = 0.0, len(logs)
    for k in range(len(candidates) - 1, -1, -1):
        first = candidates[k]
        for i in range(first, upto):
            total += logs[i]
        upto = first
        n = len(logs) - first
        alphas[k] = 1.0 + n / (total - n * logs[first])
    return alphas


@njit(cache=True)
def _distance(logs, first, alpha, enough):
    """Largest gap between the tail's own distribution and the fitted one; stops once it exceeds `enough`."""
    n = len(logs) - first
    largest = 0.0
    for stride in (64, 1):  # a coarse look first: most candidates are ruled out by it
        for i in range(0, n, stride):
            gap = abs(1.0 - np.exp((1.0 - alpha) * (logs[first + i] - logs[first])) - i / n)
            if gap > largest:
                largest = gap
        if largest > enough:
            break
    return largest


@njit(cache=True)
def _best(logs, candidates):
    """Index, alpha and distance of the candidate whose distance is least."""
    alphas = _alphas(logs, candidates)
    best, least = 0, np.inf
    for k in range(len(candidates) - 1, -1, -1):
        gap = _distance(logs, candidates[k], alphas[k], least)
        if gap <= least:
            best, least = k, gap
    return candidates[best], alphas[best], least


@njit(cache=True)
def _fits_better(logs, candidates, ks):
    """Whether some candidate's distance is less; the shortest tails are looked at first."""
    total, upto = 0.0, len(logs)
    for k in range(len(candidates) - 1, -1, -1):
        first = candidates[k]
        for i in range(first, upto):
            total += logs[i]
        upto = first
        n = len(logs) - first
        if _distance(logs, first, 1.0 + n / (total - n * logs[first]), ks) < ks:
            return True
    return False


@njit(cache=True)
def _distinct(ordered, enough):
    """How many distinct values there are, or `enough` if there are more."""
    found = min(len(ordered), 1)
    for i in range(1, len(ordered)):
        if found == enough:
            break
        found += ordered[i] > ordered[i - 1]
    return found


@njit(cache=True)
def _count(counts, indices):
    for i in indices:
        counts[i] += 1


@njit(cache=True)
def _repeat(values, counts, repeated):
    """Fill in value i as often as counts[i] says, in the order of the values."""
    at = 0
    for i in range(len(counts)):
        for _ in range(counts[i]):
            repeated[at] = values[i]
            at += 1


@njit(cache=True)
def _ratio_sums(plain, other, mean):
    """The sum of the differences, and that of their squares about the mean, from the first to the last."""
    total, squares = 0.0, 0.0
    for i in range(len(plain)):
        difference = plain[i] - other[i]
        total += difference
        away = difference - mean
        squares += away * away
    return total, squares


@njit(cache=True)
def _all(logs, candidates):
    """Alpha and distance at every candidate."""
    alphas = _alphas(logs, candidates)
    gaps = np.empty(len(candidates))
    for k in range(len(candidates)):
        gaps[k] = _distance(logs, candidates[k], alphas[k], np.inf)
    return alphas, gaps
