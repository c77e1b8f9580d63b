"""Power-law fits against the library powerlaw, plain numpy, and samples of known exponents."""
import numpy as np
import pytest
import tail_kinds
from tail_samples import pareto, powerlaw_fit, rng, with_body

from gradnets import tails
from gradnets.errors import NoResult
from gradnets.tails import _kernels, power_law


@pytest.mark.parametrize("values", [with_body(2.5, 150, 1), with_body(3.7, 240, 2), rng(3).lognormal(0, 1, 200),
                                    rng(4).exponential(1e-9, 150), pareto(1.8, 90, 5)])
def test_fit_equals_the_search_of_powerlaw(values):
    fit, expected = tails.fit(values), powerlaw_fit(values)
    assert fit.xmin == expected.xmin
    assert fit.alpha == pytest.approx(expected.alpha, rel=1e-6)
    assert fit.sigma == pytest.approx(expected.sigma, rel=1e-6)
    assert fit.ks == pytest.approx(expected.D, rel=1e-6)
    assert fit.n_tail == expected.n_tail


def test_fit_and_stability_equal_plain_numpy():
    values = np.round(rng(1).lognormal(0, 1, 300), 2)  # with ties
    fits = tails.stability(values)
    positive = np.sort(values)
    np.testing.assert_array_equal(fits.xmin, np.unique(positive)[:-1])
    for k, xmin in enumerate(fits.xmin):
        tail = positive[positive >= xmin]
        alpha = 1 + len(tail) / np.log(tail / xmin).sum()
        gaps = np.abs(1 - (tail / xmin) ** (1 - alpha) - np.arange(len(tail)) / len(tail))
        assert (fits.alpha[k], fits.ks[k]) == pytest.approx((alpha, gaps.max()), rel=1e-9)
        assert fits.n_tail[k] == len(tail)
        assert fits.sigma[k] == pytest.approx((alpha - 1) / np.sqrt(len(tail)), rel=1e-9)
    best = tails.fit(values)
    assert best.ks == pytest.approx(fits.ks.min(), rel=1e-12)
    assert best.xmin == fits.xmin[fits.ks.argmin()]


def test_zeros_are_counted_apart():
    values = with_body(2.5, 300, 1)
    fit = tails.fit(values)
    with_zeros = tails.fit(np.concatenate((values, np.zeros(77))).reshape(-1, 1))
    assert (with_zeros.zeros, with_zeros.n) == (77, 377)
    assert (with_zeros.xmin, with_zeros.alpha, with_zeros.ks) == (fit.xmin, fit.alpha, fit.ks)


@pytest.mark.parametrize("alpha", [1.8, 2.5, 4.0])
def test_known_exponents_are_recovered(alpha, many):
    alphas = [tails.fit(pareto(alpha, 1000, seed)).alpha for seed in range(many(50, 500))]
    assert np.mean(alphas) == pytest.approx(alpha, rel=0.02)
    assert np.median(alphas) == pytest.approx(alpha, rel=0.02)


def every_candidate(values):
    """Return index, alpha and distance of the best of all candidates, each tried in plain numpy."""
    logs = np.log(np.sort(values))
    first, smallest = 0, np.inf
    for candidate in np.flatnonzero(np.diff(logs, prepend=-np.inf))[:-1]:
        tail = logs[candidate:] - logs[candidate]
        gaps = np.abs(1 - np.exp(-tail / tail.mean()) - np.arange(len(tail)) / len(tail))
        if gaps.max() < smallest - 1e-13:  # of equal distances the longest tail is taken
            first, alpha, smallest = candidate, 1 + 1 / tail.mean(), gaps.max()
    return first, alpha, smallest


@pytest.mark.parametrize("kind", tail_kinds.KINDS)
def test_the_search_equals_trying_every_candidate(kind, many):
    for seed in range(many(3, 80)):
        values = tail_kinds.sample(kind, many(300, 1500), rng(seed))
        first, alpha, ks = every_candidate(values)
        fit = tails.fit(values)
        assert (fit.xmin, fit.n_tail) == (np.sort(values)[first], len(values) - first)
        assert (fit.alpha, fit.ks) == pytest.approx((alpha, ks), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("kind", tail_kinds.KINDS)
def test_the_search_of_many_values_equals_trying_every_candidate(kind, many):
    values = np.sort(tail_kinds.KINDS[kind](many(5000, 40_000), rng(7)))
    logs = np.log(values)
    firsts = np.flatnonzero(np.diff(logs, prepend=-np.inf))[:-1]
    rates, gaps = _kernels.fit_all(logs, _kernels.excess_sums(logs), firsts)
    fit, best = tails.fit(values), gaps.argmin()
    assert (fit.xmin, fit.alpha, fit.ks) == (values[firsts[best]], 1 + rates[best], gaps[best])


def test_a_power_law_of_many_values_has_its_smallest_distance_found(many):
    """Of so many values not all can be tried; no candidate of a random sample, or near the best one, is better."""
    logs = np.sort(rng(1).exponential(1, many(200_000, 5_000_000)))
    sums = _kernels.excess_sums(logs)
    best, rate, ks = _kernels.search(logs, sums, np.inf, False)
    others = np.append(rng(2).integers(0, len(logs) - 1, 500), np.arange(max(best - 250, 0), best + 250))
    _, gaps = _kernels.fit_all(logs, sums, others)
    assert (gaps >= ks).all()
    assert rate == pytest.approx(1 / (logs[best:] - logs[best]).mean(), rel=1e-12)
    share = np.arange(len(logs) - best) / (len(logs) - best)
    assert ks == pytest.approx(np.abs(1 - np.exp(-rate * (logs[best:] - logs[best])) - share).max(), abs=1e-14)


def test_the_search_stops_at_the_first_distance_below_a_limit():
    logs = np.sort(np.log(with_body(2.5, 600, 1)))
    sums = _kernels.excess_sums(logs)
    first, _, ks = _kernels.search(logs, sums, np.inf, False)
    assert _kernels.search(logs, sums, ks * (1 + 1e-9), True)[0] == first
    assert _kernels.search(logs, sums, ks * (1 - 1e-9), True)[0] == -1
    assert ks < _kernels.search(logs, sums, 3 * ks, True)[2] < 3 * ks


@pytest.mark.parametrize("values", [
    np.sort(rng(1).random(30_000)), np.sort(np.round(rng(2).lognormal(3, 1, 30_000), 2)),
    np.concatenate((np.ones(5000), 1 + np.sort(rng(3).random(4000)))), np.repeat(np.arange(1.0, 3000), 4),
], ids=["distinct", "ties", "one long run", "fours"])
def test_shown_candidates_are_the_first_of_equal_values(values):
    firsts = np.flatnonzero(np.concatenate(([True], np.diff(values) > 0)))[:-1]
    sizes = np.geomspace(len(values), len(values) - firsts[-1], tails.CANDIDATES)
    expected = np.unique(firsts[np.searchsorted(firsts, len(values) - sizes)])
    np.testing.assert_array_equal(power_law.candidates(values), expected)


def test_values_that_differ_by_rounding_alone_have_no_tail():
    values = 1e300 * (1 + np.arange(40) * np.finfo(float).eps)
    with pytest.raises(tails.NoTail, match="differ by rounding alone"):
        tails.fit(values)


@pytest.mark.parametrize("function", [tails.fit, tails.stability, tails.bootstrap_p, lambda v: tails.compare(v, 1.0)])
@pytest.mark.parametrize(("values", "message"), [
    ([], "got 0 values"), ([0.0] * 50, "0 distinct positive"), ([2.0] * 50, "1 distinct positive"),
    (list(range(9)), "8 distinct positive"), ([1.0, np.nan] * 20, "20 values are NaN or infinite"),
    ([1.0, np.inf] * 20, "NaN or infinite"), ([-1.0, 2.0] * 20, "20 negative"), (["a"] * 20, "real numbers"),
    ([1j] * 20, "real numbers"), ([None] * 20, "real numbers"),
])
def test_values_without_a_tail_are_refused_by_name(function, values, message):
    with pytest.raises(tails.NoTail, match=message) as caught:
        function(np.array(values))
    assert isinstance(caught.value, NoResult)  # a sweep counts such runs
