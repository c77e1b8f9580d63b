"""Compare a power law with other laws that are fitted to the same tail.

The laws, the likelihood ratios and their p are those of the library powerlaw. Its optimisers pass over all values at
each step and take a minute for half a million values; here the laws are fitted from a few sums of the values, with no
limit on the exponent.
"""
import math

import numpy as np
from scipy import optimize, special

from gradnets import checks
from gradnets.errors import UserError
from gradnets.tails import _kernels, compression
from gradnets.tails.compression import mean
from gradnets.tails.power_law import FEWEST, NoTail, positive_values


def compare(values, xmin):
    """Compare a power law with the other laws, all fitted to the values from xmin on.

    Parameters
    ----------
    values : real array, any shape, not negative
    xmin : float, positive
        Usually the xmin of `fit`.

    Returns
    -------
    list of dict
        One row for each alternative: `alternative`; `ratio`, the normalised log-likelihood ratio, negative where the
        alternative fits better; `p`, the probability of a ratio so far from 0 if both laws fit equally well (Vuong
        1989; for the truncated power law, which contains the plain one, by the chi-squared law of nested models);
        `aic`, Akaike's criterion minus the criterion of the power law, negative where the alternative is the better
        description; `parameters` of the alternative, named as in powerlaw, for values in units of xmin.

    Raises
    ------
    NoTail
        As `fit` does, for the values from xmin on.

    Notes
    -----
    Of more than 65,536 values, weighted nodes stand for the values (`gradnets/tails/compression.py`): the likelihoods
    are exact to some 1e-13, and ratios of nearly equal likelihoods to 1e-6.
    """
    positive, _ = positive_values(values)
    first = first_of_tail(positive, xmin)
    return compare_weighted(*compression.weighted(positive, [first])[0], xmin)


def first_of_tail(positive, xmin):
    """Return the index of the first of sorted positive values that is at least xmin; raise NoTail if few follow."""
    if not xmin > 0:
        raise NoTail(f"xmin is {xmin:.6g}: expected a positive number")
    first = compression.first_at_least(positive, xmin)
    distinct = _kernels.count_distinct(positive[first:], FEWEST)
    if distinct < FEWEST:
        raise NoTail(f"{distinct} distinct values from xmin = {xmin:.6g} on: expected at least {FEWEST}; choose a "
                     "positive, smaller xmin")
    return first


def compare_weighted(tail, weights, xmin):
    """Return `compare` of the values from xmin on, as `compression.weighted` gives them."""
    tail = tail / xmin  # likelihood ratios do not depend on the unit, and tiny gradients would underflow
    logs = np.log(tail)
    steepness = 1 / mean(logs, weights)  # alpha - 1
    power_law = np.log(steepness) - (1 + steepness) * logs
    n = len(tail) if weights is None else weights.sum()
    rows = []
    for name, fit_law in LAWS.items():
        parameters, likelihoods = fit_law(tail, logs, weights)
        ratio, p = vuong(power_law, likelihoods, name == "truncated_power_law", weights)
        aic = 2 * (len(parameters) - 1) - 2 * n * mean(likelihoods - power_law, weights)
        rows.append({"alternative": name, "ratio": float(ratio), "p": float(p), "aic": float(aic),
                     "parameters": parameters})
    return rows


def vuong(power_law, alternative, nested, weights=None):
    """Return the normalised log-likelihood ratio and its p, as powerlaw.loglikelihood_ratio does.

    The first two arguments are log-likelihoods of the values, float64 (n,); infinite entries of `alternative` are
    overwritten.
    """
    alternative[alternative == -np.inf] = LOG_OF_ZERO
    if weights is None:
        n = float(len(power_law))
        ratio, squares = map(np.float64, _kernels.ratio_sums(power_law, alternative,
                                                             power_law.mean() - alternative.mean()))
    else:
        n, difference = weights.sum(), power_law - alternative
        ratio = weights @ difference
        squares = weights @ (difference - ratio / n)**2
    variance = squares / n
    p = 1 - special.chdtr(1, abs(2 * ratio)) if nested else special.erfc(abs(ratio) / np.sqrt(2 * n * variance))
    return ratio / np.sqrt(n * variance), p


def best(rows):
    """Return the row of `compare` whose law has the smallest Akaike criterion, or None if the power law has it."""
    row = min(rows, key=lambda row: row["aic"])
    return row if row["aic"] < 0 else None


def verdict(rows, level=0.05):
    """Say in words what a comparison found.

    Parameters
    ----------
    rows : list of dict
        As `compare` returns them.
    level : float
        A ratio is decided if its p lies below this level.

    Returns
    -------
    str
        The best law by Akaike's criterion if its ratio against the power law is decided; otherwise that the data do
        not decide between this law and a power law, or that the power law is the best.
    """
    first = best(rows)
    if first is None:
        return "power law"
    name = first["alternative"].replace("_", " ")
    if first["p"] < level:
        return f"{name}, not a power law"
    return f"power law or {name}, undecided"


def survival(law, parameters, x):
    """Return the probability that a value of a law, cut off below xmin = 1, is at least x.

    Parameters
    ----------
    law : str
        "power_law" or one of the alternatives of `compare`.
    parameters : dict
        The `parameters` of the alternative; {"alpha": ...} for the power law.
    x : float array, each at least 1
        In units of xmin.

    Returns
    -------
    float64 array of the shape of x

    Raises
    ------
    UserError
        For an unknown law, and for x that is not finite or below 1.
    """
    x = checks.real_array("x", x).astype(float)
    if x.min() < 1 - 1e-9:  # a value divided by its own xmin may be a rounding below 1
        raise UserError(f"the smallest x is {x.min():.6g}: expected values of the tail, at least 1 in units of xmin")
    checks.choice("law", law, ("power_law", *LAWS))
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
    alpha, rate = parameters["alpha"], parameters["Lambda"]
    logs = [log_exponential_integral(alpha, rate * value) for value in x.ravel()]
    # In one exponential, since x ** (1 - alpha) alone overflows for a steep tail.
    return np.exp((1 - alpha) * np.log(x) + np.reshape(logs, x.shape) - log_exponential_integral(alpha, rate))


# ---- maximum likelihood above xmin = 1: the parameters of each law, and the log-likelihood of each value ----

def _exponential(x, logs, weights=None):
    rate = 1 / (mean(x, weights) - 1)
    return {"Lambda": float(rate)}, np.log(rate) - rate * (x - 1)


def _lognormal(x, logs, weights=None):
    """Fit a lognormal law, cut off below 1, from the mean and the mean square of the logarithms."""
    average, mean_square = mean(logs, weights), mean(logs**2, weights)

    def loss(parameters):
        mu, sigma = parameters[0], np.exp(parameters[1])
        return np.log(sigma) + (mean_square - 2 * mu * average + mu**2) / (2 * sigma**2) + special.log_ndtr(mu / sigma)

    deviation = np.sqrt(mean((logs - average)**2, weights))
    mu, log_sigma = _minimum(loss, (average, np.log(deviation)))
    sigma = float(np.exp(log_sigma))
    cut = special.log_ndtr(mu / sigma) + log_sigma + 0.5 * np.log(2 * np.pi)
    return {"mu": mu, "sigma": sigma}, -(logs - mu)**2 / (2 * sigma**2) - logs - cut


def _stretched_exponential(x, logs, weights=None):
    """Fit p(x) ~ x^(β - 1) exp(-(Λ x)^β). At a given β the best Λ^β is 1 / mean(x^β - 1), so only β is searched."""
    average = mean(logs, weights)

    def loss(log_beta):
        beta = np.exp(log_beta)
        return -log_beta + np.log(mean(np.expm1(beta * logs), weights)) - (beta - 1) * average

    beta = float(np.exp(optimize.minimize_scalar(loss, bounds=np.log(BETAS), method="bounded").x))
    powers = np.expm1(beta * logs)
    scale = 1 / mean(powers, weights)  # Λ^β
    return ({"Lambda": float(scale ** (1 / beta)), "beta": beta},
            (beta - 1) * logs + np.log(beta * scale) - scale * powers)


def _truncated_power_law(x, logs, weights=None):
    """Fit p(x) ~ x^-α exp(-Λ x), whose integral from 1 on is the exponential integral E_α(Λ)."""
    log_mean, average = mean(logs, weights), mean(x, weights)

    def loss(parameters):
        alpha, rate = parameters[0], np.exp(parameters[1])
        return alpha * log_mean + rate * average + log_exponential_integral(alpha, rate)

    starts = [(1 + 1 / log_mean, np.log(1e-3 / average)), (1 + 1 / log_mean, np.log(1 / average)),
              (0.0, -np.log(average - 1))]
    alpha, log_rate = min((_minimum(loss, start) for start in starts), key=loss)
    rate = float(np.exp(log_rate))
    return {"alpha": alpha, "Lambda": rate}, -alpha * logs - rate * x - log_exponential_integral(alpha, rate)


def log_exponential_integral(order, x):
    """Return log E_order(x), for x > 0 and any real order.

    With t = e^u, E = ∫ t^-order exp(-x t) dt from 1 on is exp(-x) ∫ exp(f(u)) du from 0 on. f is concave: one peak,
    and a bound on each side beyond which nothing counts. Between the bounds Gauss's rule is exact to rounding, also
    where the usual series lose all their digits to cancellation.
    """
    def f(u):
        return (1 - order) * u - x * np.expm1(u)

    def is_above(u):
        """Return whether f is above the floor at one point: for single numbers math is faster than numpy."""
        try:
            return slope * u - rate * math.expm1(u) > floor
        except OverflowError:
            return False

    def bound(direction, limit):
        """Return where f has fallen to the floor, or the limit."""
        inside, step = 0.0, 1e-9
        while is_above(peak + direction * step) and step < limit:
            inside, step = step, 2 * step
        outside = min(step, limit)
        for _ in range(20):  # halve the bracket: a rough bound is enough
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if is_above(peak + direction * middle) else (inside, middle)
        return peak + direction * outside

    with np.errstate(over="ignore"):
        peak = max(0.0, np.log((1 - order) / x)) if order < 1 else 0.0
        top = f(peak)
        slope, rate, peak, floor = map(float, (1 - order, x, peak, top - 50))
        low, high = bound(-1, peak), bound(1, np.inf)
        half = (high - low) / 2
        area = half * (WEIGHTS @ np.exp(f(low + half * (1 + NODES)) - top))
    return top - x + np.log(area)


def _minimum(loss, start):
    options = {"xatol": 1e-6, "fatol": 1e-12, "maxiter": 2000}
    return tuple(map(float, optimize.minimize(loss, start, method="Nelder-Mead", options=options).x))


BETAS = 0.02, 20.0            # limits of the search for the exponent beta of a stretched exponential
LOG_OF_ZERO = np.log(1e-307)  # stands for the logarithm of 0 in Vuong's test, as in powerlaw
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)
LAWS = {"exponential": _exponential, "lognormal": _lognormal, "stretched_exponential": _stretched_exponential,
        "truncated_power_law": _truncated_power_law}
