"""Deltas over training: taken at the right step, of the right samples, and what vanishes is counted; files."""
import json
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy import stats

import mlp
import show_delta_stats
from gradnets import datasets, experiment, record

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


# ---- files ------------------------------------------------------------------------------------------------

@pytest.fixture
def recorded(tmp_path):
    """A file of gradnets.record: deltas of two layers at three steps, ever more unequal samples, and gradients."""
    rng = np.random.default_rng(0)
    path = tmp_path / "run.safetensors"
    with record.Recorder(path, [0, 9, 1000]) as recorder:
        for step, spread in ((0, 1), (9, 1e-1), (1000, 1e-4)):
            deltas = rng.normal(size=(20, 300)) * np.geomspace(1, spread, 20)[:, None]
            deltas[:5] *= step != 1000
            recorder.add(step, "delta", "fc1", deltas)
            recorder.add(step, "delta", "fc2", deltas[:, :8])
            recorder.add(step, "gradient", "fc1.weight", rng.normal(size=(7, 300)))
    return path


def test_recorded_deltas_from_the_shell(script, recorded, tmp_path):
    done = script("show_delta_stats.py", "--gradient", recorded, "--replicates", 5, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "show_delta_stats.png").stat().st_size > 40_000
    saved = json.loads((tmp_path / "show_delta_stats.json").read_text())
    assert [(row["layer"], row["step"]) for row in saved["rows"]] == [
        (layer, step) for layer in ("delta/fc1", "delta/fc2") for step in (0, 9, 1000)]
    first, last = saved["rows"][0], saved["rows"][2]
    assert [row["vanished"] for row in saved["rows"]] == [0, 0, 0.25] * 2
    assert last["skew_within"] == pytest.approx(first["skew_within"], rel=0.2)
    assert last["skew"] > 2 * last["skew_within"]
    assert "skew_within" not in saved["rows"][3]  # eight units are too few
    assert saved["finding"] == (
        f"|deltas| of delta/fc1: skew {first['skew']:.1f} at step 0, {last['skew']:.1f} at 1,000, within a sample "
        f"{first['skew_within']:.1f} and {last['skew_within']:.1f}; 25% of its samples vanish")


def of_file(monkeypatch, path, **constants):
    for name, value in ({"GRADIENT": str(path), "REPLICATES": 2} | constants).items():
        monkeypatch.setattr(show_delta_stats, name, value)
    return show_delta_stats.main()


def test_the_numbers_are_those_of_the_file(recorded, monkeypatch):
    rows, figure = of_file(monkeypatch, recorded, LAYER="delta/fc1/*9")
    (row,), (stored,) = rows, [values for name, values in load_file(recorded).items() if name == "delta/fc1/000009"]
    assert row["skew"] == pytest.approx(stats.skew(np.abs(stored), axis=None))
    assert row["skew_within"] == pytest.approx(np.median(stats.skew(np.abs(stored), axis=1)))
    assert (row["n"], row["samples"]) == (6000, 20)
    x, share = figure.axes[0].lines[0].get_data()
    assert share == pytest.approx([(np.abs(stored) >= one).mean() for one in x], abs=1.1 / stored.size)


def test_so_many_samples_are_drawn_and_stacks_are_samples(tmp_path, monkeypatch):
    deltas = np.random.default_rng(1).normal(size=(4, 6, 50))  # (batch, sequence, units)
    np.savez(tmp_path / "a.npz", **{"attention.3": deltas})
    rows, _ = of_file(monkeypatch, tmp_path / "a.npz")
    assert [(row["layer"], row["step"], row["samples"], row["n"]) for row in rows] == [("attention", 3, 24, 1200)]
    assert rows[0]["skew"] == pytest.approx(stats.skew(np.abs(deltas), axis=None))
    rows, figure = of_file(monkeypatch, tmp_path / "a.npz", SAMPLES=10)
    assert (rows[0]["samples"], rows[0]["n"]) == (10, 500)
    assert "deltas of 10 of 24 samples" in figure.texts[-1].get_text()


def test_layers_need_not_share_steps_and_only_the_first_are_drawn(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    np.savez(tmp_path / "a.npz", **{f"fc{k}/{step}": rng.normal(size=(5, 40)) for k in range(6)
                                    for step in range(k, 12, 1 + k)})
    rows, figure = of_file(monkeypatch, tmp_path / "a.npz")
    assert [(row["layer"], row["step"]) for row in rows] == [(f"fc{k}", step) for k in range(6)
                                                             for step in range(k, 12, 1 + k)]
    assert [axes.get_title(loc="left") for axes in figure.axes][:5] == [
        *(f"|deltas| of layer fc{k}" for k in range(4)), "tail exponent alpha"]
    assert len(figure.axes[0].lines) == 8
    assert "2 more layers are in the table" in figure.texts[-1].get_text()


def test_a_file_of_zeros_ends_with_a_finding_too(tmp_path, monkeypatch):
    np.save(tmp_path / "fc1-7.npy", np.zeros((3, 40)))
    (row,), figure = of_file(monkeypatch, tmp_path / "fc1-7.npy")
    assert (row["layer"], row["step"], row["vanished"]) == ("fc1", 7, 1)
    assert figure.get_suptitle() == "The deltas of step 7 have no tail"


def test_list_prints_what_a_file_holds_and_writes_nothing(script, recorded, tmp_path):
    done = script("show_delta_stats.py", "--gradient", recorded, "--list", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "delta/fc2/000009" in done.stdout
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("flags", "words"), [
    (["--layer", "gradient/fc1.weight/000000,delta/fc3/*"], "delta/fc3"),
    (["--layer", "delta/fc1/000001"], "delta/fc1/000001"),
])
def test_layers_that_a_file_has_not_end_with_one_line(recorded, tmp_path, capsys, flags, words):
    with pytest.raises(SystemExit) as end:
        experiment.run(show_delta_stats.main, ["--gradient", str(recorded), *flags, "--out", str(tmp_path)])
    err = capsys.readouterr().err
    assert (end.value.code, err.count("\n")) == (2, 1)
    assert words in err


@pytest.mark.parametrize(("names", "words"), [
    (["fc1.weight"], "fc1.weight: expected a name that ends with its step"),
    (["fc1"], "fc1: expected a name that ends with its step"),
    (["fc1/5", "fc1/05"], "deltas of fc1 at step 5 twice"),
    (["fc1/5", "other/1", "fc1.5"], "deltas of fc1 at step 5 twice"),
])
def test_names_have_to_say_the_step(tmp_path, monkeypatch, names, words):
    np.savez(tmp_path / "a.npz", **{name: np.ones((3, 4)) for name in names})
    with pytest.raises(ValueError, match=words):
        of_file(monkeypatch, tmp_path / "a.npz")


@pytest.mark.parametrize("flags", [["--list"], ["--layer", "fc1"]])
def test_flags_of_files_need_one(tmp_path, capsys, flags):
    with pytest.raises(SystemExit):
        experiment.run(show_delta_stats.main, [*flags, "--out", str(tmp_path)])
    assert "name it with --gradient" in capsys.readouterr().err


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
