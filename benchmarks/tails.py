"""How fast are tail fits, compared with the library powerlaw?

Two thirds of the values follow a power law and one third is uniform below it. powerlaw tries every value as xmin;
gradnets tries 300 of them if more than 2,000 are distinct.
"""
import harness  # first: it pins the threads  # isort: skip

import warnings

import numpy as np

from gradnets import tails


def values(n, seed=0):
    rng = np.random.default_rng(seed)
    return np.concatenate(((1 - rng.random(2 * n // 3)) ** (-1 / 1.5), rng.random(n - 2 * n // 3)))


def fit_and_compare(data):
    return tails.compare(data, tails.fit(data).xmin)


def main():
    rows, missing = [], []
    powerlaw = harness.peer("powerlaw", missing)
    if powerlaw:
        few = values(20_000)

        def search():
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                powerlaw.Fit(few, parameter_ranges={"alpha": [1.01, 30.0]}, verbose=0)
        seconds = harness.medians({"ours": (lambda: tails.fit(few), 20), "powerlaw": (search, 1)}, 3)
        rows.append(harness.ratio("xmin search, 20,000 values, against powerlaw", seconds, "ours", "powerlaw", 100))
    many, some = values(600_000), values(5_000)
    seconds = harness.medians({"everything": (lambda: fit_and_compare(many), 1),
                               "bootstrap": (lambda: tails.bootstrap_p(some, 1000), 1)}, 3)
    rows += [harness.figure("600,000 values, fit and every comparison, seconds", seconds["everything"], 5),
             harness.figure("1,000 bootstrap replicates of 5,000 values, seconds", seconds["bootstrap"], 30)]
    harness.report("tails", rows, ("numpy", "numba", "scipy", "powerlaw"), missing)


if __name__ == "__main__":
    main()
