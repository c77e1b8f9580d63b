"""Tails of weights and gradients: the right numbers are described, and each matrix of a file gets its verdict."""
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

import mlp
import show_stats
from gradnets import checkpoints, datasets, experiment
from gradnets.checkpoints import distribution
from gradnets.errors import NoResult, UserError

SMALL = {"datasets": ("glyphs", "noise-constant"), "images": 60, "hidden_units": (4,), "steps": 50, "gradients": 2,
         "replicates": 2, "runs": 2}


def run(**changes):
    """Return the Result of the script with some settings changed."""
    return show_stats.main(experiment.settings(show_stats, **changes))


# ---- nets that are trained --------------------------------------------------------------------------------

def test_magnitudes_are_those_of_weights_and_pooled_gradients():
    data = datasets.load("tree", limit=50)
    network = mlp.MLP((31, 6, 4), seed=1)
    before = [weights.copy() for weights in network.weights]
    magnitudes = show_stats.magnitudes("mlp", network, data, 3, seed=2)
    for kept, weights in zip(before, network.weights, strict=True):
        np.testing.assert_array_equal(kept, weights)  # looking does not train
    np.testing.assert_array_equal(magnitudes["weights"][1], np.abs(network.weights[1]).ravel())
    steps = list(mlp.train(network, data, 3, 0.0, seed=2))
    for layer in range(2):
        expected = np.abs(np.stack([step.gradients[layer] for step in steps])).ravel()
        np.testing.assert_array_equal(magnitudes["gradients"][layer], expected)


def test_training_moves_the_weights_between_before_and_after():
    data = datasets.load("tree", limit=50)
    magnitudes = show_stats.before_and_after("mlp", data, (6,), "normal(0.01)", 0.05, 200, 2, seed=0)
    assert magnitudes["after"]["weights"][0].mean() > 2 * magnitudes["before"]["weights"][0].mean()


def test_each_case_has_a_row_and_the_finding_its_numbers():
    result = run(**SMALL)
    cases = {(row["data"], row["what"], row["when"], row["layer"]) for row in result.rows}
    assert len(cases) == len(result.rows) == 2 * 2 * 2 * 2
    assert {row["runs"] for row in result.rows} == {2}
    weights = [row for row in result.rows if (row["what"], row["layer"]) == ("weights", 1)]
    assert all(row["skew_low"] < row["skew_high"] for row in weights)  # runs have seeds of their own
    assert [data["name"] for data in result.data] == ["glyphs", "noise-constant"]
    first = {(row["data"], row["what"], row["when"]): row for row in result.rows if row["layer"] == 1}
    for kind in ("weights", "gradients"):
        before, after = first["glyphs", kind, "before"], first["glyphs", kind, "after"]
        assert (f"|{kind}| untrained {before['skew']:.1f} ({before['beta']:.2f}), trained glyphs {after['skew']:.1f} "
                f"({after['beta']:.2f}), noise-constant") in result.finding
    ruled_out = sum(row["power_law_ruled_out"] for (*_, when), row in first.items() if when == "after")
    assert result.finding.endswith(f"A power law is ruled out in {ruled_out} of 8 trained tails")
    assert len(result.figure.axes) == 8
    assert result.figure.get_suptitle().replace("\n", " ") == result.finding


def test_a_boltzmann_machine_has_one_layer():
    rows = run(**SMALL | {"model": "rbm", "datasets": ("noise",), "hidden_units": (5,), "runs": 1}).rows
    assert [(row["what"], row["when"], row["layer"]) for row in rows] == [
        (kind, when, 1) for kind in ("weights", "gradients") for when in ("before", "after")]
    assert {row["n"] for row in rows} == {784 * 5, 2 * 784 * 5}  # two gradients


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


def test_each_matrix_of_a_checkpoint_has_its_verdict(checkpoint):
    result = run(weights=str(checkpoint), replicates=2)
    assert {row["tensor"]: row["verdict"] for row in result.rows} == VERDICTS
    order = [row["verdict"] for row in result.rows]
    assert order == sorted(order, key=list(dict.fromkeys(VERDICTS.values())).index)
    assert result.finding == ("11 matrices: 1 constant, 1 of rank one, 1 dead in part, 2 duplicated, 2 near "
                              "initialisation, 1 heavy-tailed, 3 plain")
    rows = {row["tensor"]: row for row in result.rows}
    assert (rows["b.weight"]["dead_rows"], rows["c.weight"]["duplicate_columns"]) == (0.2, 0.2)
    assert rows["g.weight"]["copy_of"] == "a.weight"
    assert (rows["d.weight"]["near"], rows["conv"]["shape"]) == ("uniform", "64 x 72")
    assert result.data == checkpoints.provenance(checkpoint)


def test_gradients_have_words_of_their_own_and_a_panel_each(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "gradient.npz"
    np.savez(path, noise=rng.normal(size=(90, 60)), outer=np.outer(rng.normal(size=30), rng.normal(size=20)),
             none=np.zeros((5, 5)), bias=np.zeros(5))
    result = run(gradient=str(path), replicates=2, panels=2)
    assert [(row["tensor"], row["verdict"]) for row in result.rows] == [("none", "constant"), ("outer", "rank one"),
                                                                        ("noise", "like noise")]
    assert result.finding == "3 matrices: 1 constant, 1 of rank one, 1 like noise" == result.figure.get_suptitle()
    assert [axes.get_title(loc="left").split("\n")[0] for axes in result.figure.axes] == ["none", "outer"]
    assert "The 2 worst; 1 more are in the table" in result.figure.texts[-1].get_text().replace("\n", " ")


def test_one_layer_by_name_and_its_curves(checkpoint):
    result = run(weights=str(checkpoint), layer="heads[1]", replicates=2)
    assert result.finding == "heads[1] is plain"
    (row,) = result.rows
    values = np.abs(next(checkpoints.matrices(checkpoint, "heads[1]")).values)
    near, observed, tail = result.figure.axes[0].lines
    assert observed.get_ydata() == pytest.approx([(values >= x).mean() for x in observed.get_xdata()])
    assert near.get_label() == row["near"]
    assert near.get_ydata() == pytest.approx(distribution.survival(row["near"], near.get_xdata() / row["std"]))
    x = tail.get_xdata()
    assert (x[0], x[-1]) == pytest.approx((row["xmin"], values.max()))
    assert tail.get_ydata()[0] == pytest.approx((values >= row["xmin"]).mean())  # where the dashes begin


def test_convolution_kernels_may_be_stored_as_jax_does(tmp_path):
    np.save(tmp_path / "kernel.npy", np.random.default_rng(0).standard_t(3, (3, 3, 4, 8)))
    (row,) = run(weights=str(tmp_path / "kernel.npy"), kernels="hwio", replicates=1).rows
    assert row["shape"] == "36 x 8"


def test_the_worst_of_many_layers_are_drawn(tmp_path):
    rng = np.random.default_rng(2)
    names = [f"model.layers.{k}.self_attention.query_projection.weight" for k in range(7)]
    np.savez(tmp_path / "a.npz", **{name: rng.normal(size=(12, 12)) for name in names})
    result = run(weights=str(tmp_path / "a.npz"), replicates=1, panels=6)
    assert (len(result.rows), len(result.figure.axes)) == (7, 6)
    titles = [axes.get_title(loc="left").split("\n")[0] for axes in result.figure.axes]
    assert titles == [f"{row['tensor'][:12]}...{row['tensor'][-25:]}" for row in result.rows[:6]]


def test_list_prints_the_contents_of_a_file_and_writes_nothing(checkpoint, tmp_path, capsys):
    experiment.run(show_stats.main, ["--weights", str(checkpoint), "--list", "--out", str(tmp_path / "out")])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["heads", "3", "x", "20", "x", "20", "float64", "3"] in lines
    assert ["a.bias", "40", "float64", "0"] in lines
    assert list((tmp_path / "out").iterdir()) == []


# ---- mistakes ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("changes", "message"), [
    ({"weights": "FILE", "layer": "nothing"}, "no layer 'nothing'"),
    ({"weights": "FILE", "layer": "a.bias"}, "a.bias of .* has one axis"),
    ({"weights": "FILE", "gradient": "FILE"}, "--weights and --gradient are both given"),
    ({"weights": "nowhere.npz"}, "there is no file nowhere.npz"),
    ({"weights": "FILE", "seed": -1}, "seed is -1"),
    ({"list": True}, "name it with --weights or --gradient"),
    ({"layer": "fc1"}, "name it with --weights or --gradient"),
    ({"weights": "FILE", "panels": 0}, "panels is 0"),
    ({"weights": "FILE", "replicates": 0}, "replicates is 0"),
    ({"datasets": ("nothing",)}, "nothing"),
    ({"datasets": ()}, r"datasets is \(\)"),
    ({"steps": 0}, "steps is 0"),
    ({"model": "cnn"}, "expected mlp or rbm"),
    ({"model": "rbm", "hidden_units": (4, 4)}, "one hidden layer"),
    ({"gradients": 0}, "gradients is 0"),
    ({"runs": 0}, "runs is 0"),
    ({"hidden_units": (0,)}, "hidden_units is 0"),
    ({"init": "zero"}, "unknown init"),
])
def test_mistakes_are_named(checkpoint, changes, message):
    changes = {name: str(checkpoint) if value == "FILE" else value for name, value in changes.items()}
    with pytest.raises(UserError, match=message):
        run(**SMALL | changes)


def test_training_that_diverges_has_no_result():
    with pytest.raises(NoResult, match=r"training diverged, weights reach .* lower --learning-rate"):
        run(**SMALL | {"learning_rate": 1e308})


def test_a_mistake_ends_with_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        experiment.run(show_stats.main, ["--weights", str(tmp_path / "nowhere.npz"), "--out", str(tmp_path)])
    error = capsys.readouterr().err
    assert end.value.code == 2
    assert error.startswith("show_stats: there is no file")
    assert error.count("\n") == 1


def test_the_record_holds_rows_and_finding(checkpoint, tmp_path):
    flags = ["--weights", str(checkpoint), "--layer", "e.weight", "--out", str(tmp_path)]
    experiment.run(show_stats.main, flags)
    record = json.loads((tmp_path / "show_stats.json").read_text())
    assert record["finding"] == "e.weight is constant"
    assert [row["verdict"] for row in record["rows"]] == ["constant"]
    assert record["data"][0]["name"] == "net.safetensors"
