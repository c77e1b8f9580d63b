"""Deltas over training: of the right step and samples, with vanishing steps counted; deltas in files."""
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy import stats

import mlp
import show_delta_stats
from gradnets import checkpoints, datasets, experiment
from gradnets.errors import UserError

SMALL = {"dataset": "tree", "hidden_units": (12,), "steps": (1, 20, 60), "samples": 10, "runs": 2, "replicates": 2}


def run(**changes):
    """Return the Result of the script with some settings changed."""
    return show_delta_stats.main(experiment.settings(show_delta_stats, **changes))


def assert_readable(result):
    """Check what every figure and table of the project keeps to."""
    assert len(result.finding) <= 90
    assert len(result.names) + len(result.columns) <= 7
    assert len(result.printed or result.rows) <= 15
    for figure in (result.figure, *result.figures.values()):
        assert len(figure.axes) <= 6
        assert len(figure.get_suptitle()) <= 90


# ---- nets that are trained --------------------------------------------------------------------------------

def test_deltas_are_those_of_the_net_before_the_update_of_the_step():
    data = datasets.load("tree", limit=50)
    recorded = show_delta_stats.deltas_of_steps(data, data, (9,), "uniform(0.25)", 0.1, [1, 15], 7, seed=3)
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
        (first, second), vanished = recorded[stop]
        np.testing.assert_allclose(second, delta, rtol=1e-10)
        np.testing.assert_allclose(first, delta @ network.weights[1].T * (1 - hidden**2), rtol=1e-10)
        assert vanished == 0


def test_vanishing_steps_are_counted_since_the_chosen_step_before():
    rng = np.random.default_rng(0)
    data = SimpleNamespace(name="toy", inputs=rng.random((20, 30)), labels=rng.integers(3, size=20), classes=3)
    recorded = show_delta_stats.deltas_of_steps(data, data, (30,), "uniform(5)", 30.0, [1, 10, 50], 5, seed=0)
    network = mlp.MLP((30, 30, 3), init="uniform(5)", seed=0, biases=(True, False))
    vanish = [not step.deltas[0].any() for step in mlp.train(network, data, 50, 30.0, seed=0)]
    assert sum(vanish) > 0
    assert [recorded[step][1] for step in (1, 10, 50)] == [vanish[0], np.mean(vanish[1:10]), np.mean(vanish[10:])]


def test_a_mixture_of_scales_is_told_from_heavy_samples():
    rng = np.random.default_rng(1)
    deltas = rng.normal(size=(40, 500)) * np.geomspace(1, 1e-4, 40)[:, None]
    row = show_delta_stats.describe(deltas, True, 0.25, 2, 0)
    assert row["skew"] == pytest.approx(stats.skew(np.abs(deltas), axis=None))
    assert row["skew_within"] == pytest.approx(stats.skew(np.abs(rng.normal(size=10**6))), rel=0.1)
    assert row["skew"] > 3 * row["skew_within"]
    deltas[:, ::2] = 0  # zeros are left out of both
    halved = show_delta_stats.describe(deltas, True, 0.25, 2, 0)
    assert halved["skew_within"] == pytest.approx(row["skew_within"], rel=0.2)
    assert "skew_within" not in show_delta_stats.describe(deltas, False, 0.25, 2, 0)
    assert row["vanished"] == 0.25


def test_deltas_without_a_tail_have_a_verdict_that_says_why():
    assert show_delta_stats.describe(np.full((2, 3), np.nan), True, 1.0, 5, 0)["verdict"] == "no tail: not finite"
    row = show_delta_stats.describe(np.zeros((2, 3)), True, 1.0, 5, 0)
    assert row["zeros"] == 6
    assert row["verdict"].startswith("no tail")


def test_each_layer_and_step_has_a_row():
    result = run(**SMALL)
    assert [(row["layer"], row["step"]) for row in result.rows] == [(k, s) for k in (1, 2) for s in (1, 20, 60)]
    assert_readable(result)
    skew = result.figure.axes[0]
    drawn = [list(line.get_ydata()) for line in skew.lines]
    for key in ("skew", "skew_within"):
        assert [row[key] for row in result.rows[:3]] in drawn
    arrays = result.files[".npz"]
    assert arrays["step_20_layer_1"].shape == (2, 10, 12)
    assert not np.array_equal(*arrays["step_1_layer_1"])  # runs have seeds of their own
    assert [(data["name"], data["split"]) for data in result.data] == [("tree", "train"), ("tree", "test")]


def test_each_hidden_layer_has_a_figure():
    result = run(**SMALL | {"hidden_units": (12, 9), "steps": (1, 3), "runs": 1})
    assert list(result.figures) == ["_2"]
    assert "in hidden layer 2" in result.figures["_2"].texts[-1].get_text()
    assert_readable(result)


@pytest.mark.parametrize(("low", "kurtosis", "within", "finding"), [
    (2.5, 6.1, 1.9, "Deltas have heavy tails at 2 of 3 steps because samples differ in scale"),
    (2.5, 6.1, 2.1, "Deltas have heavy tails at 2 of 3 steps, within single samples at 1 step"),
    (1.9, 6.1, 2.1, "Deltas have heavy tails at 1 of 3 steps"),
    (2.5, 5.9, 2.1, "Deltas have heavy tails at 1 of 3 steps"),
])
def test_the_finding_counts_steps_whose_intervals_lie_above_an_exponential_law(low, kurtosis, within, finding):
    rows = [{"step": 1, "skew": 9.0, "kurtosis": 99.0}, {"step": 10, "vanished": 1.0},
            {"step": 20, "skew": 5.9, "skew_low": low, "kurtosis": 50.0, "kurtosis_low": kurtosis, "skew_within": 2.4,
             "skew_within_low": within}]
    assert show_delta_stats.finding(rows) == finding


@pytest.mark.parametrize(("first", "words"), [(3.0, "at all 3 steps"), (1.9, "from step 1,000 on")])
def test_the_finding_says_so_if_all_steps_or_all_later_ones_are_heavy(first, words):
    rows = [{"step": step, "skew": skew, "kurtosis": 20.0, "skew_within": 1.5}
            for step, skew in ((1, first), (1000, 3.0), (9000, 3.0))]
    assert show_delta_stats.finding(rows) == f"Deltas have heavy tails {words} because samples differ in scale"


def test_full_dots_are_the_heavy_steps():
    rows = [{"step": step, "skew": skew, "kurtosis": 20.0, "skew_within": within, "vanished": 0.0}
            for step, skew, within in ((1, 1.9, 1.0), (10, 2.1, 1.1), (100, 9.0, 2.1))]
    axes = show_delta_stats.picture(rows, {1: np.ones((2, 3))}, "steps", "caption").axes[0]
    open_dots = [line.get_xydata().tolist() for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert open_dots == [[[1, 1.9]], [[1, 1.0], [10, 1.1]]]


def test_samples_are_divided_by_their_root_mean_squares():
    rng = np.random.default_rng(3)
    magnitudes = np.abs(rng.normal(size=(40, 50))) * np.geomspace(1, 1e-200, 40)[:, None]
    magnitudes[3] = 0
    scaled = show_delta_stats.over_samples(magnitudes).reshape(39, 50)
    assert (scaled**2).mean(axis=1) == pytest.approx(np.ones(39))
    assert scaled[0] == pytest.approx(magnitudes[0] / np.sqrt(np.mean(magnitudes[0]**2)))


def test_saturated_nets_have_a_finding_too():
    result = run(**SMALL | {"init": "uniform(1000)", "steps": (1, 3), "runs": 1})
    assert result.finding == "All deltas are zero or not finite, so they have no tail"
    assert result.rows[0]["vanished"] == 1


# ---- files ------------------------------------------------------------------------------------------------

@pytest.fixture
def recorded(tmp_path):
    """A recording of deltas of two layers at three steps, whose samples become more unequal, and of gradients."""
    rng = np.random.default_rng(0)
    path = tmp_path / "run.safetensors"
    with checkpoints.Recorder(path, [0, 9, 1000]) as recorder:
        for step, spread in ((0, 1), (9, 1e-1), (1000, 1e-4)):
            deltas = rng.normal(size=(20, 300)) * np.geomspace(1, spread, 20)[:, None]
            deltas[:5] *= step != 1000
            recorder.add(step, "delta", "fc1", deltas)
            recorder.add(step, "delta", "fc2", deltas[:, :8])
            recorder.add(step, "gradient", "fc1.weight", rng.normal(size=(7, 300)))
    return path


def test_a_recording_has_a_row_for_each_layer_and_step(recorded):
    result = run(gradient=str(recorded), replicates=2)
    assert [(row["layer"], row["step"]) for row in result.rows] == [
        (layer, step) for layer in ("delta/fc1", "delta/fc2") for step in (0, 9, 1000)]
    first, last = result.rows[0], result.rows[2]
    assert [row["vanished"] for row in result.rows] == [0, 0, 0.25] * 2
    assert last["skew_within"] == pytest.approx(first["skew_within"], rel=0.2)
    assert last["skew"] > 2 * last["skew_within"]
    assert "skew_within" not in result.rows[3]  # eight units are too few
    stored = [np.abs(load_file(recorded)[f"delta/fc1/{step:06}"]) for step in (0, 9, 1000)]
    assert [stats.kurtosis(values[values > 0]) > 6 for values in stored] == [False, True, True]
    assert result.finding == "Deltas have heavy tails from step 9 on because samples differ in scale"
    assert_readable(result)
    assert result.data == checkpoints.provenance(recorded)


def test_the_numbers_are_those_of_the_file(recorded):
    result = run(gradient=str(recorded), replicates=2, layer="delta/fc1/*9")
    (row,), stored = result.rows, np.abs(load_file(recorded)["delta/fc1/000009"])
    assert row["skew"] == pytest.approx(stats.skew(stored, axis=None))
    assert row["skew_within"] == pytest.approx(np.median(stats.skew(stored, axis=1)))
    assert (row["n"], row["samples"]) == (6000, 20)
    x, shares = result.figure.axes[2].lines[0].get_data()
    scaled = stored / np.sqrt(np.mean(stored**2))
    assert shares == pytest.approx([(scaled >= least).mean() for least in x], abs=1.1 / stored.size)


def test_samples_are_drawn_and_items_of_stacks_are_samples(tmp_path):
    deltas = np.random.default_rng(1).normal(size=(4, 6, 50))  # (batch, sequence, units)
    np.savez(tmp_path / "a.npz", **{"attention.3": deltas})
    (row,) = run(gradient=str(tmp_path / "a.npz"), replicates=2).rows
    assert (row["layer"], row["step"], row["samples"], row["n"]) == ("attention", 3, 24, 1200)
    assert row["skew"] == pytest.approx(stats.skew(np.abs(deltas), axis=None))
    result = run(gradient=str(tmp_path / "a.npz"), replicates=2, samples=10)
    assert (result.rows[0]["samples"], result.rows[0]["n"]) == (10, 500)
    assert "10 of 24 samples" in result.figure.texts[-1].get_text()


def test_layers_may_differ_in_steps_and_only_the_first_are_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr(show_delta_stats, "describe", lambda *_: {"vanished": 0.0, "skew": 1.0})
    rng = np.random.default_rng(2)
    np.savez(tmp_path / "a.npz", **{f"fc{k}/{step}": rng.normal(size=(5, 40)) for k in range(6)
                                    for step in range(k, 12, 1 + k)})
    result = run(gradient=str(tmp_path / "a.npz"))
    assert [(row["layer"], row["step"]) for row in result.rows] == [(f"fc{k}", step) for k in range(6)
                                                                    for step in range(k, 12, 1 + k)]
    assert_readable(result)
    assert list(result.figures) == ["_2", "_3", "_4"]
    for k, figure in enumerate((result.figure, *result.figures.values())):
        assert f"in fc{k}," in figure.texts[-1].get_text()
        *curves, _ = figure.axes[2].lines
        assert len(curves) == min(len(range(k, 12, 1 + k)), 5)


def test_a_file_of_zeros_has_a_finding_too(tmp_path):
    np.save(tmp_path / "fc1-7.npy", np.zeros((3, 40)))
    result = run(gradient=str(tmp_path / "fc1-7.npy"))
    (row,) = result.rows
    assert (row["layer"], row["step"], row["vanished"]) == ("fc1", 7, 1)
    assert result.finding == result.figure.get_suptitle() == "All deltas are zero or not finite, so they have no tail"


def test_list_shows_the_contents_of_a_file_and_draws_nothing(recorded):
    result = run(gradient=str(recorded), list=True)
    assert "delta/fc2/000009" in [row["name"] for row in result.rows]
    assert result.figure is None


# ---- mistakes ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("layer", "words"), [
    ("gradient/fc1.weight/000000,delta/fc3/*", "delta/fc3"), ("delta/fc1/000001", "delta/fc1/000001"),
])
def test_layers_that_a_file_lacks_are_named(recorded, layer, words):
    with pytest.raises(UserError, match=f"no layer '{words}"):
        run(gradient=str(recorded), layer=layer)


@pytest.mark.parametrize(("names", "message"), [
    (["fc1.weight"], "fc1.weight: expected a name that ends with its step"),
    (["fc1"], "fc1: expected a name that ends with its step"),
    (["fc1/" + "9" * 30], "expected a name that ends with its step"),
    (["fc1/5", "fc1/05"], "deltas of fc1 at step 5 twice"),
    (["fc1/5", "other/1", "fc1.5"], "deltas of fc1 at step 5 twice"),
])
def test_names_have_to_end_with_the_step(tmp_path, names, message):
    np.savez(tmp_path / "a.npz", **{name: np.ones((3, 4)) for name in names})
    with pytest.raises(UserError, match=message):
        run(gradient=str(tmp_path / "a.npz"))


@pytest.mark.parametrize(("changes", "message"), [
    ({"list": True}, "--list and --layer need a file: name it with --gradient"),
    ({"layer": "fc1"}, "name it with --gradient"),
    ({"steps": (0, 5)}, "steps is 0"),
    ({"steps": ()}, r"steps is \(\)"),
    ({"samples": 0}, "samples is 0"),
    ({"runs": 0}, "runs is 0"),
    ({"replicates": 0}, "replicates is 0"),
    ({"hidden_units": (0,)}, "hidden_units is 0"),
    ({"seed": -1}, "seed is -1"),
])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        run(**SMALL | changes)
