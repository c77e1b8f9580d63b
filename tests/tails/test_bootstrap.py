"""The bootstrap against replicates that are drawn in full, and against samples of known laws."""
import numpy as np
import pytest
from scipy import stats
from tail_samples import pareto, rng, with_body

from gradnets import tails
from gradnets.errors import UserError
from gradnets.tails import _kernels, bootstrap


def all_drawn(values, replicates, seed):
    """Return bootstrap_p with every replicate drawn in full by numpy, and searched as a sample of its own."""
    generator, logs, fit = rng(seed), np.log(np.sort(values)), tails.fit(values)
    first, worse = len(logs) - fit.n_tail, 0
    for _ in range(replicates):
        in_tail = generator.binomial(len(logs), fit.n_tail / len(logs))
        tail = np.log(fit.xmin) + generator.exponential(1 / (fit.alpha - 1), in_tail)
        drawn = np.append(generator.choice(logs[:first], len(logs) - in_tail) if first else [], tail)
        worse += tails.fit(np.exp(drawn)).ks >= fit.ks
    return (1 + worse) / (1 + replicates)


SAMPLES = {
    "few": with_body(2.5, 300, 1), "many": with_body(2.5, 6000, 2), "no body": np.append(1.0, pareto(2.2, 900, 2)),
    "power law": pareto(2.2, 2000, 3), "lognormal": rng(4).lognormal(0, 1, 5000),
    "student": rng(6).standard_t(3, 3000)**2,
    "ties": np.round(rng(5).lognormal(1, 1, 5000), 2) + 0.01, "integers": np.floor(20 * pareto(2.5, 1000, 4)),
    "weibull": rng(7).weibull(0.5, 2000), "float16": 1 + np.abs(rng(6).standard_t(3, 3000).astype("f2").astype(float)),
}


@pytest.mark.parametrize("values", SAMPLES.values(), ids=SAMPLES)
def test_counts_in_bins_rule_out_no_candidate_that_fits_better(values, monkeypatch):
    """The same replicates, drawn down to the deepest candidate or in full, give the same p."""
    bounded = tails.bootstrap_p(values, 200, seed=8)
    monkeypatch.setattr(_kernels, "deepest_bin", lambda *_: 0)
    assert tails.bootstrap_p(values, 200, seed=8) == bounded


@pytest.mark.parametrize("values", SAMPLES.values(), ids=SAMPLES)
def test_p_follows_the_law_of_replicates_that_are_drawn_in_full(values, many):
    replicates = many(150, 10_000)
    p = [function(values, replicates, 9) for function in (tails.bootstrap_p, all_drawn)]
    error = np.sqrt(2 * max(np.mean(p) * (1 - np.mean(p)), 1 / replicates) / replicates)
    assert abs(p[0] - p[1]) < 4 * error


def test_values_drawn_from_bins_are_those_of_the_bins():
    logs, edges, counts = np.arange(100.0), np.array([0, 10, 40, 100]), np.array([3, 0, 500])
    sample = np.empty(503)
    _kernels.fill_from_bins(rng(1), logs, edges, counts, sample)
    assert (np.diff(sample) >= 0).all()
    assert (np.count_nonzero(sample < 10), np.count_nonzero(sample >= 40)) == (3, 500)
    assert stats.kstest(sample[3:], stats.uniform(39.5, 60).cdf).pvalue > 1e-3
    shorter = np.empty(500)
    _kernels.fill_from_bins(rng(1), logs, edges[1:], counts[1:], shorter)
    np.testing.assert_array_equal(shorter, sample[3:])


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 5000, 40_000])
def test_spacings_make_a_sorted_exponential_sample(n):
    sample = np.empty(n)
    sums = bootstrap.fill_with_power_law(sample, rng(2), 3.0, 0.5)
    assert (np.diff(sample) >= 0).all()
    np.testing.assert_allclose(sums, _kernels.excess_sums(sample), rtol=1e-9, atol=1e-12)
    if n > 1000:
        assert stats.kstest(sample, stats.expon(3, 0.5).cdf).pvalue > 1e-3


def test_p_is_uniform_where_the_power_law_is_true(many):
    p = [tails.bootstrap_p(with_body(2.5, 240, seed), replicates=99, seed=seed) for seed in range(many(50, 150))]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_p_is_small_where_the_power_law_is_false():
    assert tails.bootstrap_p(np.minimum(pareto(2.5, 5000, 1), 5), replicates=99) < 0.05  # censored
    assert tails.bootstrap_p(rng().poisson(5, 3000) + 1, replicates=99) < 0.05  # a hump of integers


def test_p_repeats_with_its_seed():
    values = with_body(2.5, 300, 1)
    assert tails.bootstrap_p(values, 50, seed=3) == tails.bootstrap_p(values, 50, seed=3)
    assert tails.bootstrap_p(values, 50, seed=3) == tails.bootstrap_p(values, 50, seed=rng(3))


@pytest.mark.parametrize("replicates", [0, -1, 2.5])
def test_the_number_of_replicates_is_a_positive_integer(replicates):
    with pytest.raises(UserError, match=f"replicates is {replicates}: expected a positive integer"):
        tails.bootstrap_p(with_body(2.5, 300, 1), replicates)
