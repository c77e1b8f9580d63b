"""Power-law fits against the library powerlaw, plain numpy, and samples of known exponents."""
import numpy as np
import pytest
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


def test_many_values_use_fewer_candidates_and_find_the_same_exponent():
    values = with_body(2.5, 15_000, 6)
    fit = tails.fit(values)
    assert len(tails.stability(values).xmin) <= tails.CANDIDATES
    _, alpha, ks = _kernels.best_candidate(np.log(np.sort(values)), np.arange(len(values) - 1))
    assert fit.alpha == pytest.approx(alpha, rel=0.02)
    assert fit.ks < 1.3 * ks


@pytest.mark.parametrize("values", [
    np.sort(rng(1).random(30_000)), np.sort(np.round(rng(2).lognormal(3, 1, 30_000), 2)),
    np.concatenate((np.ones(5000), 1 + np.sort(rng(3).random(4000)))), np.repeat(np.arange(1.0, 3000), 4),
], ids=["distinct", "ties", "one long run", "fours"])
def test_candidates_are_the_first_of_equal_values(values):
    firsts = np.flatnonzero(np.concatenate(([True], np.diff(values) > 0)))[:-1]
    sizes = np.geomspace(len(values), len(values) - firsts[-1], tails.CANDIDATES)
    expected = np.unique(firsts[np.searchsorted(firsts, len(values) - sizes)])
    np.testing.assert_array_equal(power_law.candidates(values, len(values)), expected)
    begin = len(values) - 3000
    inside = firsts[np.searchsorted(firsts, [t for t in len(values) - sizes if t > begin - 1])] - begin
    np.testing.assert_array_equal(power_law.candidates(values[begin:], len(values)), np.unique(np.maximum(inside, 0)))


def test_the_best_candidate_is_found_at_either_end():
    logs = np.sort(np.log(with_body(2.5, 150, 1)))
    candidates = power_law.candidates(logs, len(logs))
    _, gaps = _kernels.fit_all(logs, candidates)
    best = gaps.argmin()
    smallest, second = np.sort(gaps)[:2]
    for part in (candidates[:best + 1], candidates[best:]):
        assert len(part) > 1
        assert _kernels.best_candidate(logs, part)[0] == candidates[best]
        assert _kernels.any_fits_better(logs, part, (smallest + second) / 2)
        assert not _kernels.any_fits_better(logs, part, smallest * (1 - 1e-9))


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
