"""Kinds of samples on which searches of a tail are compared, among them power laws throughout, ties and spikes."""
import numpy as np

KINDS = {
    "power law": lambda n, rng: (1 - rng.random(n)) ** (-1 / 1.5),
    "with body": lambda n, rng: np.append((1 - rng.random(n - n // 3)) ** (-1 / 1.5), rng.random(n // 3)),
    "lognormal": lambda n, rng: rng.lognormal(0, 1, n),
    "student": lambda n, rng: np.abs(rng.standard_t(3, n)),
    "exponential": lambda n, rng: rng.exponential(1e-9, n),
    "uniform": lambda n, rng: rng.random(n),
    "within 1e-6": lambda n, rng: 1 + 1e-6 * rng.random(n),
    "two decimals": lambda n, rng: np.round(rng.lognormal(1, 1, n), 2) + 0.01,
    "integer power law": lambda n, rng: np.floor(20 * (1 - rng.random(n)) ** (-1 / 1.5)),
    "poisson": lambda n, rng: rng.poisson(5, n) + 1.0,
    "cut off": lambda n, rng: np.minimum((1 - rng.random(n)) ** (-1 / 1.5), 5),
    "float16": lambda n, rng: 1 + np.abs(rng.standard_t(3, n)).astype("f2").astype(float),
    "one long run": lambda n, rng: np.append(np.ones(n // 2), 1 + rng.pareto(2, n - n // 2)),
}


def sample(kind, largest, rng, distinct=10):
    """Draw up to `largest` values of a kind, with at least so many distinct ones."""
    while True:
        values = KINDS[kind](int(np.exp(rng.uniform(np.log(15), np.log(largest)))), rng)
        if len(np.unique(values)) >= distinct:
            return values
