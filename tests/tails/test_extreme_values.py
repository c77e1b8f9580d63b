"""Extreme-value estimators against outputs of the published code, plain numpy, and samples of known tails."""
import os
from pathlib import Path

import numpy as np
import pytest
from tail_samples import pareto, rng

from gradnets import tails
from gradnets.errors import UserError
from gradnets.tails import _extreme_kernels as kernels
from gradnets.tails import extreme_values

PUBLISHED = {  # smallest and largest gamma over the runs of the published code, by estimator
    "Pareto.dat": ((2.524, 2.538), (2.560, 2.566), (2.541, 2.626)),
    "CAIDA_KONECT.dat": ((2.094, 2.114), (2.113, 2.114), (2.094, 2.133)),
    "EmailURoviraIVirgili_degseq.dat": ((6.340, 7.093), (11.680, np.inf), (np.inf, np.inf)),
    "ProteinYeast_degseq.dat": ((3.065, 3.144), (3.243, 3.475), (3.442, 3.972)),
    "PowerGrid_degseq.dat": ((7.051, 8.633), (6.799, 10.870), (8.893, 11.332)),
    "RouteViews_degseq.dat": ((2.102, 2.496), (2.148, 2.161), (2.137, 2.165)),
    "AstroPh_degseq.dat": ((4.443, 4.519), (5.555, 6.053), (3.552, 7.254)),
    "WordNet_degseq.dat": ((28.544, 29.231), (2.668, 2.674), (2.631, 2.631)),
}
QUICK = ("CAIDA_KONECT.dat", "ProteinYeast_degseq.dat")


def published(name):
    """Return a table of the published code's data or outputs, or skip the test."""
    path = Path(os.environ.get("GRADNETS_DATA", ""), "tails", name)
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return np.loadtxt(path, unpack=True)


def sequence(name):
    values, counts = published(name)
    return np.repeat(values, counts.astype(int))


@pytest.mark.parametrize(("name", "data"), [("Pareto", "Pareto.dat"), ("CAIDA", "CAIDA_KONECT.dat")])
@pytest.mark.parametrize(("estimator", "file"), [("hill", "adj_hill"), ("moments", "mom"), ("kernel", "kern")])
def test_curves_equal_those_of_the_published_code(name, data, estimator, file):
    _, expected = published(f"curves/{name}_{file}_plot.dat")
    curve = tails.curves(sequence(data))[estimator]
    defined = np.isfinite(curve)
    assert defined[20:].all()
    np.testing.assert_allclose(curve[defined], expected[defined], rtol=1e-8)


@pytest.mark.parametrize("name", PUBLISHED)
def test_estimates_lie_within_the_spread_of_the_published_code(name, many):
    """xi of each estimator, where the few published runs may have missed as much again on either side."""
    if name not in many(QUICK, tuple(PUBLISHED)):
        pytest.skip("needs --long")
    values = sequence(name)
    if name == "Pareto.dat":  # the published code adds its noise to any numbers
        values = values + rng(0).uniform(-0.5, 0.5, len(values))
    runs = [tails.tail_indices(values, seed=seed) for seed in range(3)]
    for estimator, gammas in zip(("hill", "moments", "kernel"), PUBLISHED[name], strict=True):
        low, high = (1 / (gamma - 1) for gamma in reversed(gammas))
        xi = np.median([max(run[estimator].xi, 0.0) for run in runs])
        spread = max(high - low, 0.02)
        assert low - spread <= xi <= high + spread


@pytest.mark.parametrize("alpha", [1.8, 2.5, 3.5])
def test_all_three_find_the_exponent_of_a_power_law(alpha, many):
    runs = [tails.tail_indices(pareto(alpha, 4000, seed), 100, seed) for seed in range(many(3, 20))]
    for estimator in ("hill", "moments", "kernel"):
        assert np.median([run[estimator].xi for run in runs]) == pytest.approx(1 / (alpha - 1), abs=0.08)
    assert tails.classify(runs[0]).startswith("power law")
    assert ("infinite" in tails.classify(runs[0])) == (alpha < 3)


def test_a_tail_with_an_end_is_no_power_law():
    indices = tails.tail_indices(rng(1).random(4000), 100, 1)
    assert indices["moments"].xi < -0.5
    assert indices["moments"].gamma == np.inf
    assert tails.classify(indices) == "no power law"


def test_words_follow_the_smallest_estimate():
    def words(*xis):
        return tails.classify({str(k): tails.TailIndex(xi, 10) for k, xi in enumerate(xis)})
    assert words(0.9, 0.8, 0.0) == "no power law"
    assert words(0.9, 0.8, 0.25) == "hardly a power law"
    assert words(0.9, 0.8, 0.5) == "power law"
    assert words(0.9, 0.8, 0.51) == "power law of infinite variance"


def test_moments_equal_those_of_plain_numpy():
    logs = np.sort(rng(2).exponential(1, 300))[::-1].copy()
    kernel = extreme_values._Kernel(300)
    parts = np.empty((3, 299))
    kernels.add_up(logs, kernel.powers, kernel.ends, *parts, kernel.sums)
    for k in (1, 2, 17, 299):
        away = logs[:k] - logs[k]
        assert parts[:, k - 1] == pytest.approx([(away**power).sum() for power in (1, 2, 3)])
    terms = (logs[:-1] - logs[1:])[:, None] * kernel.powers
    expected = [terms[:max(end + 1, 0)].sum(axis=0) for end in kernel.ends]
    np.testing.assert_allclose(kernel.sums, expected, rtol=1e-10)


def test_squares_are_those_of_the_two_estimates():
    logs = np.sort(rng(3).exponential(1, 200))[::-1].copy()
    parts, hill, moments = np.empty((3, 199)), np.zeros(199), np.zeros(199)
    kernels.add_up(logs, np.empty((0, 8)), np.empty(0, np.int64), *parts, np.empty((0, 8)))
    kernels.add_squares(*parts, 1 / np.arange(1, 200), hill, moments)
    m1, m2, m3 = (parts / np.arange(1, 200))[:, 1:]  # at one value the moments' estimate divides by zero
    second = m1 + 1 - 0.5 / (1 - m1**2 / m2)
    third = np.sqrt(m2 / 2) + 1 - 2 / 3 / (1 - m1 * m2 / m3)
    np.testing.assert_allclose(hill[1:], (m2 - 2 * m1**2)**2)
    np.testing.assert_allclose(moments[1:], (second - third)**2, rtol=1e-8)
    assert moments[0] == np.inf


@pytest.mark.parametrize("size", [400, 401])
def test_resampling_draws_each_value_as_often(size):
    ordered = np.arange(50.0)[::-1].copy()
    counts, sample, seen = np.empty(50, np.int32), np.empty(size), np.zeros(50)
    for seed in range(200):
        kernels.resample(ordered, rng(seed).integers(2**64, size=size // 2 + 1, dtype=np.uint64), size, counts, sample)
        assert counts.sum() == size
        np.testing.assert_array_equal(sample, np.repeat(ordered, counts))
        seen += counts
        top = np.empty(size // 3)
        kernels.resample(ordered, rng(seed).integers(2**64, size=size // 2 + 1, dtype=np.uint64), size, counts, top)
        np.testing.assert_array_equal(top, sample[:len(top)])
    assert abs(seen / (200 * size / 50) - 1).max() < 0.15  # 1,600 expected of each


def test_values_without_an_index_are_refused_by_name():
    with pytest.raises(tails.NoTail, match="300 positive values: a double bootstrap of 200 bandwidths needs some 400"):
        tails.tail_indices(pareto(2.5, 300, 1))
    with pytest.raises(tails.NoTail, match="NaN or infinite"):
        tails.curves(np.array([1.0, np.nan] * 20))
    with pytest.raises(tails.NoTail, match="too few different values"):
        tails.tail_indices(np.append(np.full(900, 7.5), np.arange(1, 12) / 13), 20)
    with pytest.raises(UserError, match="replicates is 0"):
        tails.tail_indices(pareto(2.5, 3000, 1), 0)
