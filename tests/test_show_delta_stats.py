"""Deltas over training: taken at the right step, of the right samples, and what vanishes is counted."""
import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

import mlp
import show_delta_stats
from gradnets import datasets, experiment

SMALL = ["--dataset", "tree", "--hidden-units", "12", "--steps", "1", "20", "60", "--samples", "10", "--runs", "2",
         "--replicates", "5"]


def test_deltas_are_those_of_the_net_before_the_steps_update():
    data = datasets.load("tree", limit=50)
    found = show_delta_stats.deltas_of_steps(data, data, (9,), "uniform(0.25)", 0.1, {1, 15}, 7, seed=3)
    chosen = np.random.default_rng((3, 4)).integers(50, size=7)
    inputs, targets = data.inputs[chosen], np.eye(4)[data.labels[chosen]]
    for stop in (1, 15):
        network = mlp.MLP((31, 9, 4), seed=3, biases=(True, False))
        if stop > 1:
            for _ in mlp.train(network, data, stop - 1, 0.1, seed=3):
                pass
        hidden = np.tanh(inputs @ network.weights[0] + network.biases[0])
        outputs = np.tanh(hidden @ network.weights[1])
        delta = (outputs - targets) * (1 - outputs**2)
        (first, second), vanished = found[stop]
        np.testing.assert_allclose(second, delta, rtol=1e-10)
        np.testing.assert_allclose(first, delta @ network.weights[1].T * (1 - hidden**2), rtol=1e-10)
        assert vanished == 0


def test_vanishing_steps_are_counted_since_the_step_before():
    rng = np.random.default_rng(0)
    data = SimpleNamespace(name="toy", inputs=rng.random((20, 30)), labels=rng.integers(3, size=20), classes=3)
    found = show_delta_stats.deltas_of_steps(data, data, (30,), "uniform(5)", 30.0, {1, 10, 50}, 5, seed=0)
    network = mlp.MLP((30, 30, 3), init="uniform(5)", seed=0, biases=(True, False))
    gone = [not step.deltas[0].any() for step in mlp.train(network, data, 50, 30.0, seed=0)]
    assert sum(gone) > 0
    assert [found[step][1] for step in (1, 10, 50)] == [gone[0], np.mean(gone[1:10]), np.mean(gone[10:])]


def test_a_mixture_of_scales_is_told_from_heavy_samples():
    rng = np.random.default_rng(1)
    deltas = rng.normal(size=(40, 500)) * np.geomspace(1, 1e-4, 40)[:, None]
    row = show_delta_stats.describe(deltas, True, 0.25, 5, 0)
    assert row["skew"] == pytest.approx(stats.skew(np.abs(deltas), axis=None))
    assert row["skew_within"] == pytest.approx(stats.skew(np.abs(rng.normal(size=10**6))), rel=0.1)
    assert row["skew"] > 3 * row["skew_within"]
    deltas[:, ::2] = 0  # zeros are left out of both
    halved = show_delta_stats.describe(deltas, True, 0.25, 5, 0)
    assert halved["skew_within"] == pytest.approx(row["skew_within"], rel=0.2)
    assert "skew_within" not in show_delta_stats.describe(deltas, False, 0.25, 5, 0)
    assert row["vanished"] == 0.25


def test_what_is_not_finite_or_zero_is_said():
    assert show_delta_stats.describe(np.full((2, 3), np.nan), True, 1.0, 5, 0)["verdict"] == "no tail: not finite"
    row = show_delta_stats.describe(np.zeros((2, 3)), True, 1.0, 5, 0)
    assert row["zeros"] == 6
    assert row["verdict"].startswith("no tail")


def test_script_writes_a_row_for_each_layer_and_step(tmp_path):
    experiment.run(show_delta_stats.main, [*SMALL, "--out", str(tmp_path)])
    record = json.loads((tmp_path / "show_delta_stats.json").read_text())
    assert [(row["layer"], row["step"]) for row in record["rows"]] == [(k, s) for k in (1, 2) for s in (1, 20, 60)]
    assert record["finding"].startswith("Hidden |deltas|: skew")
    with np.load(tmp_path / "show_delta_stats.npz", allow_pickle=False) as kept:
        assert kept["step_20_layer_1"].shape == (2, 10, 12)
        assert not np.array_equal(*kept["step_1_layer_1"])  # runs have seeds of their own


def test_saturated_nets_end_with_a_finding_too(tmp_path):
    experiment.run(show_delta_stats.main, [*SMALL, "--init", "uniform(1000)", "--out", str(tmp_path)])
    record = json.loads((tmp_path / "show_delta_stats.json").read_text())
    assert record["finding"] == "The deltas of step 1 have no tail"
    assert record["rows"][0]["vanished"] == 1


def test_from_the_shell(script, tmp_path):
    done = script("show_delta_stats.py", *SMALL, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "show_delta_stats.png").stat().st_size > 40_000


@pytest.mark.parametrize(("flags", "words"), [
    (["--steps", "0", "5"], "STEPS is 0"),
    (["--samples", "0"], "SAMPLES is 0"),
    (["--runs", "0"], "RUNS is 0"),
    (["--replicates", "0"], "REPLICATES is 0"),
    (["--hidden-units", "0"], "positive whole numbers"),
])
def test_mistakes_end_with_one_line(tmp_path, capsys, flags, words):
    with pytest.raises(SystemExit) as end:
        experiment.run(show_delta_stats.main, [*SMALL, *flags, "--out", str(tmp_path)])
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert words in err
    assert err.count("\n") == 1
