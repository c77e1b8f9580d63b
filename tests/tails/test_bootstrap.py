"""The bootstrap against replicates that are drawn in full and sorted, and against samples of known laws."""
import numpy as np
import pytest
from scipy import stats
from tail_samples import pareto, rng, with_body

from gradnets import tails
from gradnets.errors import UserError
from gradnets.tails import _kernels, bootstrap, power_law


def by_sorting(values, replicates, seed):
    """Return bootstrap_p with every replicate drawn in full, sorted, and searched by the rule of `fit`."""
    generator, logs = rng(seed), np.log(np.sort(values))
    first, alpha, ks = _kernels.best_candidate(logs, power_law.candidates(logs, len(logs)))
    worse = 0
    for _ in range(replicates):
        in_tail = generator.binomial(len(logs), 1 - first / len(logs))
        tail = logs[first] + generator.exponential(1 / (alpha - 1), in_tail)
        drawn = np.concatenate((generator.choice(logs[:first], len(logs) - in_tail), tail)) if first else tail
        drawn.sort()
        worse += _kernels.best_candidate(drawn, power_law.candidates(drawn, len(drawn)))[2] >= ks
    return (1 + worse) / (1 + replicates)


@pytest.mark.parametrize("values", [
    with_body(2.5, 300, 1), with_body(2.5, 30_000, 2), pareto(2.2, 5000, 3), rng(4).lognormal(0, 1, 20_000),
    np.round(rng(5).lognormal(1, 1, 20_000), 2) + 0.01,
    1 + np.abs(rng(6).standard_t(3, 9000).astype("f2").astype(float)),
], ids=["few", "many", "no body", "lognormal", "ties", "float16"])
def test_bootstrap_equals_sorting_every_replicate(values, monkeypatch):
    monkeypatch.setattr(bootstrap, "BLOCK", 1000)
    assert tails.bootstrap_p(values, 25, seed=8) == by_sorting(values, 25, seed=8)


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
