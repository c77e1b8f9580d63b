"""Tails of weights and gradients: the right numbers are described, and each matrix of a file gets its verdict."""
import io
import json
from itertools import pairwise

import numpy as np
import pytest
from safetensors.numpy import save_file

import mlp
import show_stats
from gradnets import checkpoints, datasets, experiment, plots
from gradnets.checkpoints import distribution
from gradnets.errors import NoResult, UserError

SMALL = {"datasets": ("glyphs", "noise-constant"), "images": 60, "hidden_units": (4,), "steps": 50, "gradients": 2,
         "replicates": 2, "runs": 2}


def run(**changes):
    """Return the Result of the script with some settings changed."""
    return show_stats.main(experiment.settings(show_stats, **changes))


def assert_readable(result):
    """Check what every figure and table of the project keeps to."""
    assert len(result.finding) <= 90
    assert result.figure.get_suptitle().replace("\n", " ") == result.finding
    assert len(result.names) + len(result.columns) <= 7
    assert len(result.printed or result.rows) <= 16
    for figure in (result.figure, *result.figures.values()):
        assert len(figure.axes) <= 6
        assert len(figure.get_suptitle()) <= 90


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
    assert_readable(result)
    *tails, exponents = result.figure.axes
    first = [row for row in result.rows if row["layer"] == 1]
    assert {row["beta"] for row in first} <= {float(line.get_ydata()[0]) for line in exponents.lines}
    assert len(tails) == 2
    x, shares = tails[0].lines[1].get_data()  # trained weights on glyphs
    run_of = show_stats.before_and_after("mlp", datasets.load("glyphs", limit=60), (4,), "normal(0.01)", 0.01, 50, 2, 0)
    assert np.array_equal((x, shares), plots.tail_curve(run_of["after"]["weights"][0]))


def row_of(data, kind, beta_high):
    return {"data": data, "what": kind, "when": "after", "layer": 1, "beta": beta_high - 0.1, "beta_high": beta_high}


@pytest.mark.parametrize(("gradients", "weights", "finding"), [
    ((0.5, 1.2), (0.5, 1.2), "Trained gradients and trained weights have heavy tails on mnist"),
    ((0.5, 0.5), (0.5, 0.95), "Trained gradients have heavy tails on mnist and noise, trained weights on mnist alone"),
    ((0.5, 1.2), (1.2, 0.5), "Trained gradients have heavy tails on mnist, trained weights on noise"),
    ((1.2, 1.2), (1.2, 0.5), "Trained weights have heavy tails on noise, trained gradients nowhere"),
    ((1.2, 1.2), (1.2, 1.2), "Neither trained gradients nor trained weights have heavy tails"),
])
def test_the_finding_names_the_data_whose_exponents_are_low(gradients, weights, finding):
    rows = [row_of(data, kind, beta) for kind, betas in (("gradients", gradients), ("weights", weights))
            for data, beta in zip(("mnist", "noise"), betas, strict=True)]
    assert show_stats.finding(rows) == finding


def test_the_finding_about_one_data_set_has_no_places():
    assert show_stats.finding([row_of("mnist", "gradients", 0.5), row_of("mnist", "weights", 1.2)]) == (
        "Trained gradients have heavy tails on mnist, trained weights do not")


def test_the_finding_counts_data_sets_with_long_names():
    rows = [row_of(data, kind, 0.5 + (kind == "weights") * k) for kind in ("gradients", "weights")
            for k, data in enumerate(("glyphs", "noise-constant", "clusters", "cifar100"))]
    assert show_stats.finding(rows) == ("Trained gradients have heavy tails on 4 of 4 data sets, trained weights on "
                                        "glyphs alone")


@pytest.mark.parametrize("names", [("one",), ("one", "two"), tuple("abcdefgh")])
def test_any_number_of_data_sets_has_at_most_six_panels(names):
    magnitudes = {when: {kind: [np.arange(9.0)] for kind in ("weights", "gradients")} for when in ("before", "after")}
    figure = show_stats.picture(dict.fromkeys(names, magnitudes), [], "title", "caption")
    assert len(figure.axes) == min(len(names), 5) + 1
    assert [tick.get_text() for tick in figure.axes[-1].get_xticklabels()] == list(names)


def test_a_boltzmann_machine_has_one_layer():
    rows = run(**SMALL | {"model": "rbm", "datasets": ("noise",), "hidden_units": (5,), "runs": 1}).rows
    assert [(row["what"], row["when"], row["layer"]) for row in rows] == [
        (kind, when, 1) for kind in ("weights", "gradients") for when in ("before", "after")]
    assert {row["n"] for row in rows} == {784 * 5, 2 * 784 * 5}  # two gradients


# ---- files ------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A .safetensors file with layers of every verdict, biases, a stack of heads and kernels."""
    rng = np.random.default_rng(0)
    heavy, dead, twins = (rng.standard_t(3, (40, 50)).astype(np.float32) for _ in range(3))
    dead[:8] = 0
    twins[:, 5:10] = -2 * twins[:, 15:20]
    path = tmp_path_factory.mktemp("model") / "net.safetensors"
    save_file({"a.bias": np.ones(40), "a.weight": heavy, "b.weight": dead, "c.weight": twins,
               "d.weight": rng.uniform(-0.1, 0.1, (80, 70)).astype(np.float16), "e.weight": np.zeros((4, 5)),
               "f.weight": np.outer(rng.normal(size=40), rng.normal(size=30)), "g.weight": heavy.T.copy(),
               "heads": rng.normal(1, 1, size=(3, 20, 20)), "conv": rng.normal(size=(64, 8, 3, 3))}, path)
    return path


@pytest.fixture(scope="module")
def diagnosed(checkpoint):
    return run(weights=str(checkpoint), replicates=2)


VERDICTS = {"e.weight": "constant", "f.weight": "rank one", "b.weight": "dead", "c.weight": "duplicated",
            "g.weight": "duplicated", "d.weight": "near initialisation", "conv": "near initialisation",
            "a.weight": "heavy-tailed", "heads[0]": "plain", "heads[1]": "plain", "heads[2]": "plain"}


def test_each_matrix_of_a_checkpoint_has_its_verdict(checkpoint, diagnosed):
    result = diagnosed
    assert {row["tensor"]: row["verdict"] for row in result.rows} == VERDICTS
    order = [row["verdict"] for row in result.rows]
    assert order == sorted(order, key=list(dict.fromkeys(VERDICTS.values())).index)
    assert result.finding == "7 of 11 matrices stand out: constant, rank one, dead, duplicated or near initialisation"
    assert_readable(result)
    rows = {row["tensor"]: row for row in result.rows}
    assert (rows["b.weight"]["dead_rows"], rows["c.weight"]["duplicate_columns"]) == (0.2, 0.2)
    assert rows["g.weight"]["copy_of"] == "a.weight"
    assert (rows["d.weight"]["near"], rows["conv"]["shape"]) == ("uniform", "64 x 72")
    assert result.data == checkpoints.provenance(checkpoint)


def test_gradients_have_words_of_their_own(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "gradient.npz"
    np.savez(path, noise=rng.normal(size=(90, 60)), outer=np.outer(rng.normal(size=30), rng.normal(size=20)),
             none=np.zeros((5, 5)), bias=np.zeros(5))
    result = run(gradient=str(path), replicates=2)
    assert [(row["tensor"], row["verdict"]) for row in result.rows] == [("none", "constant"), ("outer", "rank one"),
                                                                        ("noise", "like noise")]
    assert result.finding == "3 of 3 matrices stand out: constant, rank one or like noise"
    assert [label.get_text() for label in result.figure.axes[0].get_yticklabels()] == ["noise", "outer", "none"]


def test_the_map_has_a_line_for_each_matrix_in_the_order_of_the_model(diagnosed):
    result = diagnosed
    verdicts, kurtosis, exponent, spike = result.figure.axes
    names = [label.get_text() for label in verdicts.get_yticklabels()]
    assert names == [f"{letter}.weight" for letter in "abc"] + ["conv"] + [f"{letter}.weight" for letter in "defg"] + [
        "heads[0]", "heads[1]", "heads[2]"]
    rows = {row["tensor"]: row for row in result.rows}
    words = dict(zip(names, (text.get_text() for text in verdicts.texts), strict=True))
    assert {name: text.split(":")[0] for name, text in words.items()} == VERDICTS
    assert [words[name].split(": ")[-1] for name in ("b.weight", "c.weight", "d.weight", "e.weight", "g.weight")] == [
        "20 % of rows", "20 % of columns", "uniform", "every entry is 0", "same entries as a.weight"]
    for axes, key in ((kurtosis, "kurtosis"), (exponent, "beta"), (spike, "spike")):
        dots = {int(line.get_ydata()[0]): line.get_xdata()[0] for line in axes.lines if line.get_marker() != "None"}
        assert dots == {place: rows[name][key] for place, name in enumerate(names) if key in rows[name]}
    limits = {axes: axes.patches[0].get_data().values for axes in (kurtosis, exponent)}
    for place, row in enumerate(rows[name] for name in names):
        if "near" in row:
            is_heavy = [row["kurtosis"] > limits[kurtosis][place], row.get("beta", 1.0) < limits[exponent][place]]
            assert any(is_heavy) or row["verdict"] != "heavy-tailed"
            assert not any(is_heavy) or row["verdict"] != "plain"
    solid = {names[int(line.get_ydata()[0])]: axes for axes in (kurtosis, exponent, spike) for line in axes.lines
             if line.get_marker() != "None" and line.get_alpha() == 1}
    assert solid == {"a.weight": kurtosis, "f.weight": spike, "d.weight": spike, "conv": spike}
    assert words["a.weight"] == "heavy-tailed: kurtosis"


def test_tails_are_drawn_of_the_worst_matrices_that_are_not_constant(checkpoint, diagnosed):
    result = diagnosed
    axes = result.figures["_worst"].axes
    assert [panel.get_title(loc="left").split("\n")[0] for panel in axes] == [
        row["tensor"] for row in result.rows if row["verdict"] != "constant"][:4]
    (row,) = (row for row in result.rows if row["tensor"] == "f.weight")
    values = np.abs(next(checkpoints.matrices(checkpoint, "f.weight")).values) / row["std"]
    observed, near, _ = axes[0].lines
    x = observed.get_xdata()[1:-1]
    assert observed.get_ydata()[1:-1] == pytest.approx([(values >= least).mean() for least in x])
    assert near.get_ydata() == pytest.approx(distribution.survival(row["near"], near.get_xdata()))


@pytest.mark.parametrize("numbers", [range(1), range(8, 13), range(26), range(110)])
def test_long_names_are_whole_and_apart(numbers, tmp_path, monkeypatch):
    monkeypatch.setattr(show_stats.checkpoints.diagnosis, "table", constant_layers)
    names = [f"model.layers.{k}.self_attention.query_projection.lora_a.weight"[:60].ljust(60, "x") for k in numbers]
    save_file({name: np.full((2, 2), 0.5) for name in names}, tmp_path / "a.safetensors")
    result = run(weights=str(tmp_path / "a.safetensors"))
    assert_readable(result)
    labels = result.figure.axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == sorted(sorted(names)[:100], key=names.index)
    result.figure.savefig(io.BytesIO())
    boxes = [label.get_window_extent() for label in labels]
    assert all(lower.y1 <= upper.y0 for upper, lower in pairwise(boxes))
    assert min(box.x0 for box in boxes) >= 0
    assert max(box.x1 for box in boxes) <= min(axes.get_window_extent().x0 for axes in result.figure.axes)


def constant_layers(matrices, *_):
    return [checkpoints.diagnosis.describe(name, values) for name, values in matrices]


@pytest.mark.parametrize("name", ["$x$", r"$\frac{$", "a_{b", "中", "x" * 300, "many words " * 27])
def test_any_name_of_a_layer_or_file_is_drawn(name, tmp_path, recwarn):
    path = tmp_path / f"{name[:9]}.safetensors"
    save_file({name: np.random.default_rng(0).normal(size=(9, 9)), "b": np.zeros((2, 2))}, path)
    result = run(weights=str(path), replicates=1)
    for figure in (result.figure, *result.figures.values()):
        figure.savefig(io.BytesIO())
    assert_readable(result)
    assert_readable(run(weights=str(path), replicates=1, layer="b"))
    assert list(recwarn) == []


def test_a_file_name_that_is_not_utf_8_is_drawn(checkpoint):
    path = checkpoint.with_name("net\udcff.safetensors")
    path.write_bytes(checkpoint.read_bytes())
    run(weights=str(path), layer="e.weight").figure.savefig(io.BytesIO())


def test_convolution_kernels_may_be_stored_as_jax_does(tmp_path):
    np.save(tmp_path / "kernel.npy", np.random.default_rng(0).standard_t(3, (3, 3, 4, 8)))
    (row,) = run(weights=str(tmp_path / "kernel.npy"), kernels="hwio", replicates=1).rows
    assert row["shape"] == "36 x 8"


def test_a_sound_model_has_nothing_that_stands_out(checkpoint):
    result = run(weights=str(checkpoint), layer="a.weight,heads", replicates=1)
    assert result.finding == "None of 4 matrices of weights stands out; heavy tails: 1"
    assert run(weights=str(checkpoint), layer="heads[1]", replicates=1).finding == "heads[1] is plain"


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
