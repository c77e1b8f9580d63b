"""How fast are tail fits, compared with the library powerlaw and the published extreme-value code?

Both sides of the xmin search try every distinct value: powerlaw fits each one in full, and gradnets rules out most of
them by single values. The laws are one with a body (two thirds a power law, one third uniform below it), a power law
throughout, a lognormal and an exponential law. The published code of Voitalov and others (2019) was timed once on this
kind of machine, estimates without figures; both sides draw 500 samples in each of two bootstraps for three estimators.
Seconds are those of the processor.
"""
import harness  # first: it pins the threads  # isort: skip

import os
import statistics
import time
import warnings
from pathlib import Path

import numpy as np

from gradnets import tails

LAWS = {
    "with a body": lambda n, rng: np.append((1 - rng.random(2 * n // 3)) ** (-1 / 1.5), rng.random(n - 2 * n // 3)),
    "power law": lambda n, rng: (1 - rng.random(n)) ** (-1 / 1.5),
    "lognormal": lambda n, rng: rng.lognormal(0, 1, n),
    "exponential": lambda n, rng: rng.exponential(1, n),
}
PUBLISHED = {  # seconds of the published code, by degree sequence
    "Pareto": ("Pareto.dat", 2.867), "CAIDA": ("CAIDA_KONECT.dat", 6.611),
    "email": ("EmailURoviraIVirgili_degseq.dat", 1.786), "yeast proteins": ("ProteinYeast_degseq.dat", 2.105),
    "power grid": ("PowerGrid_degseq.dat", 2.791), "RouteViews": ("RouteViews_degseq.dat", 3.114),
    "AstroPh": ("AstroPh_degseq.dat", 5.310), "WordNet": ("WordNet_degseq.dat", 42.676)}

SIDES = {  # what each side does
    "xmin": "both: sort the values and try each distinct one as xmin; ours rules most of them out by single values, "
            "powerlaw fits each one in full",
    "indices": "both: three estimators, each with two bootstraps of 500 samples; the published code was timed once",
}


def values(n, law="with a body", seed=0):
    return LAWS[law](n, np.random.default_rng(seed))


def fit_and_compare(data):
    return tails.compare(data, tails.fit(data).xmin)


def seconds_of(function, rounds=3):
    """Return the median seconds of the processor of a function, called once more before."""
    function()
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def against_powerlaw(powerlaw):
    """Return a row for each law: the same search by both, over all of 20,000 values."""
    rows = []
    for law in LAWS:
        few = values(20_000, law)

        def search(few=few):
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                return powerlaw.Fit(few, parameter_ranges={"alpha": [1.01, 30.0]}, verbose=0)
        start = time.process_time()
        expected, fit = search(), tails.fit(few)
        seconds = {"powerlaw": time.process_time() - start, "ours": seconds_of(lambda few=few: tails.fit(few), 20)}
        if (fit.xmin, fit.n_tail) != (expected.xmin, expected.n_tail):
            raise RuntimeError(f"{law}: powerlaw finds xmin {expected.xmin}, gradnets {fit.xmin}")
        rows.append(harness.ratio(f"xmin search over all of 20,000 values, {law}, against powerlaw", seconds, "ours",
                                  "powerlaw", 500, SIDES["xmin"]))
    return rows


def against_published(missing):
    """Return a row for each degree sequence: the estimates of three extreme-value estimators."""
    folder = Path(os.environ.get("GRADNETS_DATA", ""), "tails")
    if not folder.is_dir():
        missing.append("degree sequences")
        return []
    rows = []
    for name, (file, published) in PUBLISHED.items():
        sizes, counts = np.loadtxt(folder / file, unpack=True)
        sequence = np.repeat(sizes, counts.astype(int))
        seconds = {"ours": seconds_of(lambda sequence=sequence: tails.tail_indices(sequence), 3), "peer": published}
        rows.append(harness.ratio(f"Hill, moments and kernel estimates, {name}, against the published code", seconds,
                                  "ours", "peer", 100, SIDES["indices"]))
    return rows


def main():
    rows, missing = [], []
    powerlaw = harness.peer("powerlaw", missing)
    if powerlaw:
        rows += against_powerlaw(powerlaw)
    for law in LAWS:
        many = values(5_000_000, law)
        rows.append(harness.figure(f"5 million values, {law}: fit over all values, every comparison, seconds",
                                   seconds_of(lambda many=many: fit_and_compare(many)), 10))
    many = values(20_000_000, "power law").astype(np.float32)
    rows.append(harness.figure("20 million values, power law: every comparison, 20 replicates, seconds",
                               seconds_of(lambda: tails.describe(many, 20), 1), 10))
    some = values(5_000)
    rows.append(harness.figure("1,000 bootstrap replicates of 5,000 values, seconds",
                               seconds_of(lambda: tails.bootstrap_p(some, 1000)), 30))
    rows += against_published(missing)
    harness.report("tails", rows, ("numpy", "numba", "scipy", "powerlaw"), missing)


if __name__ == "__main__":
    main()
