"""Samples of known laws, and what the library powerlaw says of them."""
import warnings

import numpy as np
import powerlaw


def rng(seed=0):
    return np.random.default_rng(seed)


def pareto(alpha, n, seed):
    """Draw n values of a power law from 1 on."""
    return (1 - rng(seed).random(n)) ** (-1 / (alpha - 1))


def with_body(alpha, n, seed):
    """Draw two thirds of n values from a power law from 1 on, and one third uniformly below 1."""
    return np.concatenate((pareto(alpha, 2 * n // 3, seed), rng(seed + 1000).random(n // 3)))


def known_law(name, n=20_000):
    """Draw n values from 1 on of one of the alternatives to a power law."""
    generator = rng(7)
    if name == "exponential":
        return 1 + generator.exponential(0.5, n)
    if name == "lognormal":
        drawn = generator.lognormal(0.5, 0.7, 4 * n)
    elif name == "stretched_exponential":
        drawn = generator.weibull(0.5, 6 * n)
    else:
        drawn = pareto(1.5, 4 * n, 8)
        drawn = drawn[generator.random(4 * n) < np.exp(-0.05 * (drawn - 1))]
    return drawn[drawn >= 1][:n]


def quietly(function, *args, **options):
    """Call powerlaw, which warns and divides by zero on sound values."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args, **options)


def powerlaw_fit(values, xmin=None):
    return quietly(powerlaw.Fit, values, xmin=xmin, parameter_ranges={"alpha": [1.01, 30.0]}, verbose=0)
