"""A row of numbers for a sample: equal to the functions behind it, to scipy, and in few copies of the values."""
import tracemalloc

import numpy as np
import pytest
from scipy import stats
from tail_samples import pareto, rng

from gradnets import tails
from gradnets.tails import description, extreme_values


def test_describe_gives_the_fit_of_the_nonzero_values():
    values = np.concatenate((rng().exponential(1, 3000), np.zeros(500)))
    row, (xmin, law, parameters) = tails.describe(values, 20, 0)
    fit, comparison = tails.fit(values), tails.compare(values, xmin)
    assert (row["n"], row["zeros"], row["xmin"], row["alpha"]) == (3500, 500, fit.xmin, fit.alpha)
    assert row["skew"] == pytest.approx(stats.skew(values[values > 0]))
    assert row["kurtosis"] == pytest.approx(stats.kurtosis(values[values > 0]))
    assert row["tail"] == fit.n_tail / 3000
    assert row["p"] == tails.bootstrap_p(values, 20, 0)
    assert {key: row[key] for key in tails.LAWS} == {best["alternative"]: best["ratio"] for best in comparison}
    assert xmin == fit.xmin
    best = min(comparison, key=lambda row: row["aic"])
    assert (law, parameters) == ((best["alternative"], best["parameters"]) if best["aic"] < 0 else
                                 ("power_law", {"alpha": fit.alpha}))


def test_values_without_a_tail_have_a_verdict_that_says_why():
    row, law = tails.describe(np.zeros(100), 20, 0)
    assert law is None
    assert row["verdict"].startswith("no tail: 0 distinct positive values")


def test_the_bootstrap_rules_out_the_best_of_the_laws():
    row, _ = tails.describe(np.minimum(pareto(2.5, 5000, 1), 5), 99, 0)
    assert row["p"] < 0.1
    assert row["verdict"] != "power law"
    assert row["power_law_ruled_out"]


def test_describe_sees_the_body_that_the_tail_leaves_out():
    row, _ = tails.describe(rng().weibull(0.6, 20_000), 5, 0)
    assert row["top_90_percent"] == "stretched exponential, not a power law"
    assert row["beta"] == pytest.approx(0.6, rel=0.05)


@pytest.mark.parametrize("dtype", ["f4", "f2", ">f4", ">f8"])
def test_other_floats_give_the_rows_of_float64(dtype):
    values = np.abs(rng(1).standard_t(2, (40, 300))).astype(dtype)
    wide = values.astype(np.float64)
    assert tails.describe(values, 5, 0) == tails.describe(wide, 5, 0)
    assert tails.bootstrap_p(values[:, ::2], 5, 0) == tails.bootstrap_p(wide[:, ::2].T.T, 5, 0)


def test_many_values_take_few_copies():
    values = np.abs(rng().standard_t(3, 200_000)).astype(np.float32)
    tails.describe(values[:5000], 2, 0)  # compiles
    tracemalloc.start()
    tails.describe(values, 2, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 8 * values.size  # eight arrays of float64


def test_extremes_of_a_power_law_and_of_an_exponential_law():
    heavy = tails.describe_extremes(pareto(2.5, 3000, 1), 100, 0)
    assert heavy["power_law_by_extremes"]
    assert [heavy[f"xi_{name}"] for name in ("hill", "moments", "kernel")] == pytest.approx([1 / 1.5] * 3, abs=0.15)
    light = tails.describe_extremes(rng(1).random(3000), 100, 0)
    assert (light["power_law_by_extremes"], light["extreme_values"]) == (False, "no power law")
    assert tails.describe_extremes(np.ones(50), 100, 0) == {"extreme_values": "no estimate",
                                                            "power_law_by_extremes": False}


def test_extremes_of_many_values_are_those_of_a_sample(monkeypatch):
    sizes = []
    monkeypatch.setattr(description, "MOST_EXTREMES", 2000)
    monkeypatch.setattr(extreme_values, "tail_indices", lambda values, *_: sizes.append(len(set(values))) or {
        "hill": tails.TailIndex(0.5, 10)})
    for size in (1500, 5000):
        assert tails.describe_extremes(pareto(2.5, size, 2), 20, 3)["xi_hill"] == 0.5
    assert sizes == [1500, 2000]


def test_rows_of_runs_become_medians_and_commonest_words():
    rows = [{"n": 5, "p": p, "verdict": word, "ruled_out": word == "a"}
            for p, word in ((0.1, "a"), (0.3, "b"), (0.2, "a"))]
    del rows[1]["p"]
    summary = tails.over_runs(rows)
    assert summary["verdict"] == "a: 2 of 3"
    assert summary["ruled_out"] == 2
    assert (summary["runs"], summary["n"], summary["p_low"], summary["p_high"]) == (3, 5, 0.1, 0.2)
