"""Tails of weights and gradients: the right numbers are fitted, and what has no tail is said."""
import json

import numpy as np
import pytest

import mlp
import show_stats
from gradnets import datasets, experiment

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
