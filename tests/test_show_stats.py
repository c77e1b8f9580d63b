"""Tails of weights and gradients: the right numbers are fitted, and what has no tail is said; files of your own."""
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import mlp
import show_stats
from gradnets import datasets, experiment, layers, tensors

SMALL = ["--datasets", "glyphs", "noise-constant", "--images", "60", "--hidden-units", "8", "--steps", "50",
         "--gradients", "2", "--replicates", "5", "--runs", "2"]


def test_magnitudes_are_those_of_weights_and_pooled_gradients():
    data = datasets.load("tree", limit=50)
    network = mlp.MLP((31, 6, 4), seed=1)
    before = [w.copy() for w in network.weights]
    found = show_stats.magnitudes("mlp", network, data, 3, seed=2)
    for kept, weights in zip(before, network.weights, strict=True):
        np.testing.assert_array_equal(kept, weights)  # looking does not train
    np.testing.assert_array_equal(found["weights"][1], np.abs(network.weights[1]).ravel())
    steps = list(mlp.train(network, data, 3, 0.0, seed=2))
    for layer in range(2):
        expected = np.abs(np.stack([step.gradients[layer] for step in steps])).ravel()
        np.testing.assert_array_equal(found["gradients"][layer], expected)


def test_training_moves_the_weights_between_before_and_after():
    data = datasets.load("tree", limit=50)
    found = show_stats.before_and_after("mlp", data, (6,), "normal(0.01)", 0.05, 200, 2, seed=0)
    assert found["after"]["weights"][0].mean() > 2 * found["before"]["weights"][0].mean()


def test_script_writes_a_row_for_each_case(tmp_path):
    experiment.run(show_stats.main, [*SMALL, "--out", str(tmp_path)])
    record = json.loads((tmp_path / "show_stats.json").read_text())
    cases = {(row["data"], row["what"], row["when"], row["layer"]) for row in record["rows"]}
    assert len(cases) == len(record["rows"]) == 2 * 2 * 2 * 2
    assert {row["runs"] for row in record["rows"]} == {2}
    weights = [row for row in record["rows"] if row["what"] == "weights"]
    assert all(row["skew_low"] < row["skew_high"] for row in weights)  # runs have seeds of their own
    assert [data["name"] for data in record["data"]] == ["glyphs", "noise-constant"]
    first = {(row["data"], row["what"], row["when"]): row for row in record["rows"] if row["layer"] == 1}
    for what in ("weights", "gradients"):
        row = first["glyphs", what, "after"]
        assert f", trained glyphs {row['skew']:.1f} ({row['beta']:.2f})" in record["finding"]
    out = sum(row["power_law_ruled_out"] for (*_, when), row in first.items() if when == "after")
    assert record["finding"].endswith(f"A power law is ruled out in {out} of 8 trained tails")


def test_a_boltzmann_machine_has_one_layer(tmp_path):
    flags = ["--model", "rbm", "--datasets", "noise", "--hidden-units", "5", "--out", str(tmp_path)]
    experiment.run(show_stats.main, [*SMALL, *flags])
    rows = json.loads((tmp_path / "show_stats.json").read_text())["rows"]
    assert [(row["what"], row["when"], row["layer"]) for row in rows] == [
        (what, when, 1) for what in ("weights", "gradients") for when in ("before", "after")]
    assert {row["n"] for row in rows} == {784 * 5, 2 * 784 * 5}  # two gradients


def test_from_the_shell(script, tmp_path):
    done = script("show_stats.py", *SMALL, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "show_stats.png").stat().st_size > 50_000


# ---- files ------------------------------------------------------------------------------------------------

@pytest.fixture
def checkpoint(tmp_path):
    """A .safetensors file with layers of every verdict, biases, a stack of heads and kernels."""
    rng = np.random.default_rng(0)
    heavy, dead, twins = (rng.standard_t(3, (40, 50)).astype(np.float32) for _ in range(3))
    dead[:8] = 0
    twins[:, 5:10] = -2 * twins[:, 15:20]
    path = tmp_path / "net.safetensors"
    save_file({"a.bias": np.ones(40), "a.weight": heavy, "b.weight": dead, "c.weight": twins,
               "d.weight": rng.uniform(-0.1, 0.1, (80, 70)).astype(np.float16), "e.weight": np.zeros((4, 5)),
               "f.weight": np.outer(rng.normal(size=40), rng.normal(size=30)), "g.weight": heavy.T.copy(),
               "heads": rng.normal(1, 1, size=(3, 20, 20)), "conv": rng.normal(size=(64, 8, 3, 3))}, path)
    return path


VERDICTS = {"e.weight": "constant", "f.weight": "rank one", "b.weight": "dead", "c.weight": "duplicated",
            "g.weight": "duplicated", "d.weight": "near initialisation", "conv": "near initialisation",
            "a.weight": "heavy-tailed", "heads[0]": "plain", "heads[1]": "plain", "heads[2]": "plain"}


def test_a_checkpoint_from_the_shell(script, checkpoint, tmp_path):
    done = script("show_stats.py", "--weights", checkpoint, "--replicates", 5, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "show_stats.png").stat().st_size > 50_000
    record = json.loads((tmp_path / "show_stats.json").read_text())
    assert {row["tensor"]: row["verdict"] for row in record["rows"]} == VERDICTS
    order = [row["verdict"] for row in record["rows"]]
    assert order == sorted(order, key=list(dict.fromkeys(VERDICTS.values())).index)
    assert record["finding"] == ("11 matrices: 1 constant, 1 of rank one, 1 dead in part, 2 duplicated, 2 near "
                                 "initialisation, 1 heavy-tailed, 3 plain")
    rows = {row["tensor"]: row for row in record["rows"]}
    assert (rows["b.weight"]["dead_rows"], rows["c.weight"]["duplicate_columns"]) == (0.2, 0.2)
    assert rows["g.weight"]["copy_of"] == "a.weight"
    assert (rows["d.weight"]["near"], rows["conv"]["shape"]) == ("uniform", "64 x 72")


def test_gradients_have_words_of_their_own_and_a_panel_each(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    path = tmp_path / "gradient.npz"
    np.savez(path, noise=rng.normal(size=(90, 60)), outer=np.outer(rng.normal(size=30), rng.normal(size=20)),
             none=np.zeros((5, 5)), bias=np.zeros(5))
    for name, value in {"GRADIENT": str(path), "REPLICATES": 3, "PANELS": 2}.items():
        monkeypatch.setattr(show_stats, name, value)
    rows, figure = show_stats.main()
    assert [(row["tensor"], row["verdict"]) for row in rows] == [("none", "constant"), ("outer", "rank one"),
                                                                 ("noise", "like noise")]
    assert figure.get_suptitle() == "3 matrices: 1 constant, 1 of rank one, 1 like noise"
    assert [axes.get_title(loc="left").split("\n")[0] for axes in figure.axes] == ["none", "outer"]
    assert "The 2 worst; 1 more are in the table" in figure.texts[-1].get_text().replace("\n", " ")


def test_one_layer_by_name_and_its_curves(checkpoint, monkeypatch):
    for name, value in {"WEIGHTS": str(checkpoint), "LAYER": "heads[1]", "REPLICATES": 3}.items():
        monkeypatch.setattr(show_stats, name, value)
    (row,), figure = show_stats.main()
    assert figure.get_suptitle() == "heads[1] is plain"
    values = np.abs(next(tensors.matrices(checkpoint, "heads[1]")).values)
    near, own, tail = figure.axes[0].lines
    assert own.get_ydata() == pytest.approx([(values >= x).mean() for x in own.get_xdata()])
    assert near.get_label() == row["near"]
    assert near.get_ydata() == pytest.approx(layers.survival(row["near"], near.get_xdata() / row["std"]))
    x = tail.get_xdata()
    assert (x[0], x[-1]) == pytest.approx((row["xmin"], values.max()))
    assert tail.get_ydata()[0] == pytest.approx((values >= row["xmin"]).mean())  # where the dashes begin


def test_many_layers_keep_to_their_panels(tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    names = [f"model.layers.{k}.self_attention.query_projection.weight" for k in range(30)]
    np.savez(tmp_path / "a.npz", **{name: rng.normal(size=(12, 12)) for name in names})
    monkeypatch.setattr(show_stats, "WEIGHTS", str(tmp_path / "a.npz"))
    monkeypatch.setattr(show_stats, "REPLICATES", 1)
    rows, figure = show_stats.main()
    assert (len(rows), len(figure.axes)) == (30, 24)
    titles = [axes.get_title(loc="left").split("\n")[0] for axes in figure.axes]
    assert titles == [f"{row['tensor'][:12]}...{row['tensor'][-25:]}" for row in rows[:24]]


def test_list_prints_what_a_file_holds_and_writes_nothing(script, checkpoint, tmp_path):
    done = script("show_stats.py", "--weights", checkpoint, "--list", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["heads", "3", "x", "20", "x", "20", "float64", "3"] in lines
    assert ["a.bias", "40", "float64", "0"] in lines
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(("flags", "words"), [
    (["--weights", "FILE", "--layer", "nothing"], "nothing"),
    (["--weights", "FILE", "--layer", "a.bias"], "a.bias"),
    (["--weights", "FILE", "--gradient", "FILE"], "--weights and --gradient are both given"),
    (["--weights", "nowhere.npz"], "nowhere.npz"),
    (["--list"], "name it with --weights or --gradient"),
    (["--layer", "fc1"], "name it with --weights or --gradient"),
    (["--weights", "FILE", "--panels", "0"], "PANELS is 0"),
    (["--weights", "FILE", "--replicates", "0"], "REPLICATES is 0"),
])
def test_mistakes_with_files_end_with_one_line(checkpoint, tmp_path, capsys, flags, words):
    flags = [str(checkpoint) if flag == "FILE" else flag for flag in flags]
    with pytest.raises(SystemExit) as end:
        experiment.run(show_stats.main, [*flags, "--out", str(tmp_path)])
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("flags", "words"), [
    (["--datasets", "nothing"], "expected one of glyphs"),
    (["--steps", "0"], "STEPS is 0"),
    (["--model", "cnn"], "expected mlp or rbm"),
    (["--model", "rbm", "--hidden-units", "4", "4"], "one hidden layer"),
    (["--gradients", "0"], "GRADIENTS is 0"),
    (["--runs", "0"], "RUNS is 0"),
    (["--replicates", "0"], "REPLICATES is 0"),
    (["--hidden-units", "0"], "positive whole numbers"),
    (["--init", "zero"], "unknown init"),
    (["--learning-rate", "1e308"], "training diverged, weights reach"),
])
def test_mistakes_end_with_one_line(tmp_path, capsys, flags, words):
    with pytest.raises(SystemExit) as end:
        experiment.run(show_stats.main, [*SMALL, *flags, "--out", str(tmp_path)])
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert words in err
    assert err.count("\n") == 1
