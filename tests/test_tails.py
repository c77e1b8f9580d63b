"""Tails against the library powerlaw, plain numpy, and samples of known laws."""
import tracemalloc
import warnings

import mpmath
import numpy as np
import powerlaw
import pytest
from scipy import stats

from gradnets import tails


def rng(seed=0):
    return np.random.default_rng(seed)


def pareto(alpha, n, seed):
    return (1 - rng(seed).random(n)) ** (-1 / (alpha - 1))


def with_body(alpha, n, seed):
    """Two thirds power law from 1 on, one third uniform below."""
    return np.concatenate((pareto(alpha, 2 * n // 3, seed), rng(seed + 1000).random(n // 3)))


def theirs(values, xmin=None):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = powerlaw.Fit(values, xmin=xmin, parameter_ranges={"alpha": [1.01, 30.0]}, verbose=0)
        return found, {name: found.distribution_compare("power_law", name, normalized_ratio=True)
                       for name in ("exponential", "lognormal", "stretched_exponential")} if xmin else None


@pytest.mark.parametrize("values", [with_body(2.5, 150, 1), with_body(3.7, 240, 2), rng(3).lognormal(0, 1, 200),
                                    rng(4).exponential(1e-9, 150), pareto(1.8, 90, 5)])
def test_fit_equals_powerlaws_own_search(values):
    ours, (fit, _) = tails.fit(values), theirs(values)
    assert ours.xmin == fit.xmin
    assert ours.alpha == pytest.approx(fit.alpha, rel=1e-6)
    assert ours.sigma == pytest.approx(fit.sigma, rel=1e-6)
    assert ours.ks == pytest.approx(fit.D, rel=1e-6)
    assert ours.n_tail == fit.n_tail


def test_fit_and_stability_equal_plain_numpy():
    values = np.round(rng(1).lognormal(0, 1, 300), 2)  # with ties
    found = tails.stability(values)
    positive = np.sort(values)
    np.testing.assert_array_equal(found.xmin, np.unique(positive)[:-1])
    for k, xmin in enumerate(found.xmin):
        tail = positive[positive >= xmin]
        alpha = 1 + len(tail) / np.log(tail / xmin).sum()
        gaps = np.abs(1 - (tail / xmin) ** (1 - alpha) - np.arange(len(tail)) / len(tail))
        assert (found.alpha[k], found.ks[k]) == pytest.approx((alpha, gaps.max()), rel=1e-9)
        assert found.n_tail[k] == len(tail)
        assert found.sigma[k] == pytest.approx((alpha - 1) / np.sqrt(len(tail)), rel=1e-9)
    best = tails.fit(values)
    assert best.ks == pytest.approx(found.ks.min(), rel=1e-12)
    assert best.xmin == found.xmin[found.ks.argmin()]


def test_zeros_are_counted_apart():
    values = with_body(2.5, 300, 1)
    fit = tails.fit(values)
    more = tails.fit(np.concatenate((values, np.zeros(77))).reshape(-1, 1))
    assert (more.zeros, more.n) == (77, 377)
    assert (more.xmin, more.alpha, more.ks) == (fit.xmin, fit.alpha, fit.ks)


def test_exponents_of_500_known_samples():
    for alpha in (1.8, 2.5, 4.0):
        found = [tails.fit(pareto(alpha, 1000, seed)).alpha for seed in range(500)]
        assert np.mean(found) == pytest.approx(alpha, rel=0.02)
        assert np.median(found) == pytest.approx(alpha, rel=0.02)


def test_many_values_use_fewer_candidates_and_find_the_same_exponent():
    values = with_body(2.5, 30_000, 6)
    few = tails.fit(values)
    assert len(tails.stability(values).xmin) <= tails.CANDIDATES
    everywhere = np.log(np.sort(values))
    _, alpha, ks = tails._best(everywhere, np.arange(len(values) - 1))
    assert few.alpha == pytest.approx(alpha, rel=0.02)
    assert few.ks < 1.3 * ks


def known_law(name, n=20_000):
    one = rng(7)
    if name == "exponential":
        return 1 + one.exponential(0.5, n)
    if name == "lognormal":
        drawn = one.lognormal(0.5, 0.7, 4 * n)
    elif name == "stretched_exponential":
        drawn = one.weibull(0.5, 6 * n)
    else:
        drawn = pareto(1.5, 4 * n, 8)
        drawn = drawn[one.random(4 * n) < np.exp(-0.05 * (drawn - 1))]
    return drawn[drawn >= 1][:n]


@pytest.mark.parametrize("name", tails.LAWS)
@pytest.mark.parametrize("unit", [1.0, 1e-200])
def test_the_right_law_is_chosen(name, unit):
    values = known_law(name) * unit
    rows = tails.compare(values, values.min())
    assert min(rows, key=lambda row: row["aic"])["alternative"] == name
    assert tails.verdict(rows) == f"{name.replace('_', ' ')}, not a power law"


def test_a_power_law_is_called_one():
    values = pareto(2.5, 20_000, 9)
    rows = tails.compare(values, 1.0)
    assert tails.verdict(rows) == "power law"
    assert {row["alternative"]: row["ratio"] > 2 for row in rows}["exponential"]


@pytest.mark.parametrize("name", ["exponential", "lognormal", "stretched_exponential"])
def test_ratios_equal_powerlaws(name):
    values = known_law(name, 3000)
    _, ratios = theirs(values, 1.0)
    for row in tails.compare(values, 1.0):
        if row["alternative"] == name:
            assert row["ratio"] == pytest.approx(ratios[name][0], rel=1e-3)
            assert row["p"] == pytest.approx(ratios[name][1], rel=1e-2, abs=1e-12)


@pytest.mark.parametrize("name", tails.LAWS)
def test_laws_are_fitted_as_well_as_any_neighbour(name):
    """Likelihoods by powerlaw's densities: at the fitted parameters as returned, and less at any around them."""
    values = known_law(name, 4000) / known_law(name, 4000).min()
    parameters, ours = tails.LAWS[name](values, np.log(values))
    law = getattr(powerlaw, "_".join(word.capitalize() for word in name.split("_")))

    def total(at):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return law(xmin=1.0, parameters=at, verbose=0).loglikelihoods(values)
    np.testing.assert_allclose(ours, total(parameters), rtol=1e-6, atol=1e-8)
    for key in parameters:
        for factor in (0.99, 1.01):
            assert total(parameters | {key: parameters[key] * factor}).sum() < ours.sum()


@pytest.mark.parametrize("order", [-40.5, -3.0, 0.0, 0.3, 1.0, 1.5, 2.5, 7.0, 60.0])
@pytest.mark.parametrize("at", [1e-12, 1e-3, 0.7, 5.0, 80.0])
def test_exponential_integral_equals_mpmaths(order, at):
    with mpmath.workdps(120):  # its series cancel
        expected = float(mpmath.log(mpmath.re(mpmath.expint(mpmath.mpf(order), mpmath.mpf(at)))))
    assert tails._log_exponential_integral(order, at) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("order", "at"), [(700.0, 150.0), (-1e5, 1e5), (1e6, 1e-9), (-800.0, 3.0)])
def test_exponential_integral_keeps_its_bounds_at_extremes(order, at):
    """E_n(x) exp(x) lies between 1 / (x + n) and 1 / (x + n - 1) for n > 1; else E grows by parts."""
    value = tails._log_exponential_integral(order, at)
    if order > 1:
        assert -np.log(at + order) <= value + at <= -np.log(at + order - 1)
    else:  # at E_n = exp(-at) - n E_(n + ... ), integration by parts
        lower = tails._log_exponential_integral(order + 1, at)
        assert np.exp(-at - value) - order * np.exp(lower - value) == pytest.approx(at, rel=1e-6)


@pytest.mark.parametrize("values", [
    rng(1).normal(10, 0.1, 500), rng(2).normal(10, 3, 500).clip(0), 1 + rng(3).random(400),
    1 + rng(4).random(400) * 1e-6,
    rng(5).weibull(8, 500), rng(6).poisson(5, 500), rng(7).pareto(0.3, 500), np.arange(1.0, 11),
    np.geomspace(1, 1e200, 30),
], ids=["narrow", "wide", "uniform", "within 1e-6", "steep", "whole", "very heavy", "ten", "200 decades"])
def test_any_tail_is_compared_without_a_warning(values):
    for xmin in (tails.fit(values).xmin, values[values > 0].min()):
        if len(np.unique(values[values >= xmin])) >= tails.FEWEST:
            rows = tails.compare(values, xmin)
            aic = {row["alternative"]: row["aic"] for row in rows}
            assert np.isfinite([*aic.values(), *(row["ratio"] for row in rows)]).all(), rows
            # It contains the power law and the exponential, so one more parameter is all that it can lose.
            assert aic["truncated_power_law"] <= min(0, aic["exponential"]) + 2.1
    assert 0 < tails.bootstrap_p(values, 20) <= 1


@pytest.mark.parametrize("name", ["power_law", *tails.LAWS])
def test_survival_is_that_of_the_samples(name):
    values = pareto(2.5, 20_000, 9) if name == "power_law" else known_law(name)
    values = values / values.min()
    parameters = {"alpha": tails.fit(values).alpha}
    if name != "power_law":
        parameters, _ = tails.LAWS[name](values, np.log(values))
    at = np.quantile(values, (0.0, 0.1, 0.5, 0.9, 0.99))
    shares = [(values >= x).mean() for x in at]
    np.testing.assert_allclose(tails.survival(name, parameters, at), shares, atol=0.02)
    assert tails.survival(name, parameters, np.array([1.0])) == pytest.approx(1.0)


@pytest.mark.parametrize("nested", [False, True])
def test_likelihood_ratios_equal_powerlaws(nested):
    plain, other = rng(1).normal(-3, 1, 4000), rng(2).normal(-3.02, 1.1, 4000)
    other[17] = -np.inf
    expected = powerlaw.loglikelihood_ratio(plain.copy(), other.copy(), nested=nested, normalized_ratio=True)
    assert tails._vuong(plain, other, nested) == expected


def by_sorting(values, replicates, seed):
    """bootstrap_p with every replicate drawn in full, sorted, and searched by `fit`'s own rule."""
    one, logs = rng(seed), np.log(np.sort(values))
    first, alpha, ks = tails._best(logs, tails._candidates(logs, len(logs)))
    worse = 0
    for _ in range(replicates):
        in_tail = one.binomial(len(logs), 1 - first / len(logs))
        tail = logs[first] + one.exponential(1 / (alpha - 1), in_tail)
        drawn = np.concatenate((one.choice(logs[:first], len(logs) - in_tail), tail)) if first else tail
        drawn.sort()
        worse += tails._best(drawn, tails._candidates(drawn, len(drawn)))[2] >= ks
    return (1 + worse) / (1 + replicates)


@pytest.mark.parametrize("values", [
    with_body(2.5, 300, 1), with_body(2.5, 30_000, 2), pareto(2.2, 5000, 3), rng(4).lognormal(0, 1, 20_000),
    np.round(rng(5).lognormal(1, 1, 20_000), 2) + 0.01,
    1 + np.abs(rng(6).standard_t(3, 9000).astype("f2").astype(float)),
], ids=["few", "many", "no body", "lognormal", "ties", "float16"])
def test_bootstrap_equals_sorting_every_replicate(values, monkeypatch):
    monkeypatch.setattr(tails, "AT_A_TIME", 1000)
    assert tails.bootstrap_p(values, 60, seed=8) == by_sorting(values, 60, seed=8)


@pytest.mark.parametrize("values", [
    np.sort(rng(1).random(30_000)), np.sort(np.round(rng(2).lognormal(3, 1, 30_000), 2)),
    np.concatenate((np.ones(5000), 1 + np.sort(rng(3).random(4000)))), np.repeat(np.arange(1.0, 3000), 4),
], ids=["distinct", "ties", "one long run", "fours"])
def test_candidates_are_the_first_of_equal_values(values):
    firsts = np.flatnonzero(np.concatenate(([True], np.diff(values) > 0)))[:-1]
    sizes = np.geomspace(len(values), len(values) - firsts[-1], tails.CANDIDATES)
    expected = np.unique(firsts[np.searchsorted(firsts, len(values) - sizes)])
    np.testing.assert_array_equal(tails._candidates(values, len(values)), expected)
    begin = len(values) - 3000
    inside = firsts[np.searchsorted(firsts, [t for t in len(values) - sizes if t > begin - 1])] - begin
    np.testing.assert_array_equal(tails._candidates(values[begin:], len(values)), np.unique(np.maximum(inside, 0)))


def test_the_best_candidate_is_found_at_either_end():
    logs = np.sort(np.log(with_body(2.5, 150, 1)))
    candidates = tails._candidates(logs, len(logs))
    _, gaps = tails._all(logs, candidates)
    best = gaps.argmin()
    least, second = np.sort(gaps)[:2]
    for some in (candidates[:best + 1], candidates[best:]):
        assert len(some) > 1
        assert tails._best(logs, some)[0] == candidates[best]
        assert tails._fits_better(logs, some, (least + second) / 2)
        assert not tails._fits_better(logs, some, least * (1 - 1e-9))


@pytest.mark.parametrize("dtype", ["f4", "f2", ">f4", ">f8"])
def test_other_floats_give_what_float64_gives(dtype):
    values = np.abs(rng(1).standard_t(2, (40, 300))).astype(dtype)
    wide = values.astype(np.float64)
    assert tails.describe(values, 5, 0) == tails.describe(wide, 5, 0)
    assert tails.bootstrap_p(values[:, ::2], 5, 0) == tails.bootstrap_p(wide[:, ::2].T.T, 5, 0)


def test_tails_of_many_values_take_few_copies():
    values = np.abs(rng().standard_t(3, 400_000)).astype(np.float32)
    tails.describe(values[:5000], 2, 0)  # compiled
    tracemalloc.start()
    tails.describe(values, 2, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 8 * values.size + 16 * tails.AT_A_TIME  # eight arrays of float64, and some numbers drawn


def test_survival_refuses_an_unknown_law():
    with pytest.raises(ValueError, match="expected power_law or one of"):
        tails.survival("cauchy", {}, np.ones(1))


def test_bootstrap_p_is_uniform_where_the_power_law_is_true():
    p = [tails.bootstrap_p(with_body(2.5, 240, seed), replicates=99, seed=seed) for seed in range(150)]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_bootstrap_p_is_small_where_it_is_not():
    assert tails.bootstrap_p(np.minimum(pareto(2.5, 5000, 1), 5), replicates=99) < 0.05  # censored
    assert tails.bootstrap_p(rng().poisson(5, 3000) + 1, replicates=99) < 0.05  # a hump of whole numbers


def test_bootstrap_p_repeats_with_its_seed():
    values = with_body(2.5, 300, 1)
    assert tails.bootstrap_p(values, 50, seed=3) == tails.bootstrap_p(values, 50, seed=3)
    assert tails.bootstrap_p(values, 50, seed=3) == tails.bootstrap_p(values, 50, seed=rng(3))


@pytest.mark.parametrize("function", [tails.fit, tails.stability, tails.bootstrap_p, lambda v: tails.compare(v, 1.0)])
@pytest.mark.parametrize(("values", "message"), [
    ([], "got 0 values"), ([0.0] * 50, "0 distinct positive"), ([2.0] * 50, "1 distinct positive"),
    (list(range(9)), "8 distinct positive"), ([1.0, np.nan] * 20, "20 values are NaN or infinite"),
    ([1.0, np.inf] * 20, "NaN or infinite"), ([-1.0, 2.0] * 20, "20 negative"), (["a"] * 20, "real numbers"),
    ([1j] * 20, "real numbers"), ([None] * 20, "real numbers"),
])
def test_values_without_a_tail_are_refused_by_name(function, values, message):
    with pytest.raises(tails.NoTail, match=message):
        function(np.array(values))


@pytest.mark.parametrize("xmin", [0.0, -1.0, 1e9, np.nan])
def test_compare_refuses_an_xmin_that_leaves_no_tail(xmin):
    with pytest.raises(tails.NoTail, match="xmin"):
        tails.compare(with_body(2.5, 300, 1), xmin)


def test_bootstrap_refuses_no_replicates():
    with pytest.raises(ValueError, match="replicates is 0"):
        tails.bootstrap_p(with_body(2.5, 300, 1), 0)


def test_describe_gives_the_fit_of_the_nonzero_values():
    values = np.concatenate((np.random.default_rng(0).exponential(1, 3000), np.zeros(500)))
    row, (xmin, law, parameters) = tails.describe(values, 20, 0)
    fit = tails.fit(values)
    assert (row["n"], row["zeros"], row["xmin"], row["alpha"]) == (3500, 500, fit.xmin, fit.alpha)
    assert row["skew"] == pytest.approx(stats.skew(values[values > 0]))
    assert row["tail"] == fit.n_tail / 3000
    assert xmin == fit.xmin
    best = min(tails.compare(values, xmin), key=lambda one: one["aic"])
    assert (law, parameters) == ((best["alternative"], best["parameters"]) if best["aic"] < 0 else
                                 ("power_law", {"alpha": fit.alpha}))


def test_what_has_no_tail_is_said():
    row, law = tails.describe(np.zeros(100), 20, 0)
    assert law is None
    assert row["verdict"].startswith("no tail: 0 distinct positive values")
    row, _ = tails.describe(np.minimum((1 - np.random.default_rng(1).random(5000)) ** (-1 / 1.5), 5), 99, 0)
    assert row["p"] < 0.1
    assert row["verdict"] != "power law"


def test_describe_sees_the_body_that_the_tail_leaves_out():
    values = np.random.default_rng(0).weibull(0.6, 20_000)
    row, _ = tails.describe(values, 5, 0)
    assert row["top_90_percent"] == "stretched exponential, not a power law"
    assert row["beta"] == pytest.approx(0.6, rel=0.05)


def test_runs_are_summed_up_by_medians_and_commonest_words():
    rows = [{"n": 5, "p": p, "verdict": word} for p, word in ((0.1, "a"), (0.3, "b"), (0.2, "a"))]
    del rows[1]["p"]
    together = tails.over_runs(rows)
    assert together["verdict"] == "a: 2 of 3"
    assert (together["runs"], together["n"], together["p_low"], together["p_high"]) == (3, 5, 0.1, 0.2)
