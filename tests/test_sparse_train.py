"""The parts of the sparse-training script by other means, and the script as a user runs it."""
import json
from itertools import pairwise

import numpy as np
import pytest

import mlp
import sparse_train
from gradnets import datasets, experiment, sparse

SMALL = ["--dataset", "tree", "--steps", "300", "--hidden-units", "12", "--parameters", "80", "200", "--widths", "8",
         "16", "--criteria", "magnitude", "random", "set", "--learning-rates", "0.02", "0.05", "--runs", "2",
         "--burn-in", "40", "--prunings", "3"]


def run(tmp_path, *flags):
    experiment.run(sparse_train.main, [*SMALL, *flags, "--out", str(tmp_path)])
    return json.loads((tmp_path / "sparse_train.json").read_text())


def test_training_validation_and_test_items_are_apart():
    dataset, (training, validation, test) = sparse_train.load("tree", 3)
    together = np.concatenate([training.labels, validation.labels])
    np.testing.assert_array_equal(together, dataset.labels)
    assert len(validation.labels) == len(dataset.labels) - len(dataset.labels) * 5 // 6
    np.testing.assert_array_equal(test.labels, datasets.load("tree", "test", seed=3).labels)


def test_the_numpy_step_is_that_of_the_plain_net():
    data = datasets.load("clusters", limit=1)
    network = mlp.MLP((31, 6, 4), "tanh", "cross-entropy", "normal(0.3)", 1)
    weights, biases = [w.copy() for w in network.weights], [b.copy() for b in network.biases]
    sparse_train.numpy_step(weights, biases, data.inputs[0], data.labels[0], 0.1)
    for _ in mlp.train(network, data, 1, 0.1):
        pass
    for ours, theirs in zip(weights + biases, network.weights + network.biases, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


def test_pytorch_learns_what_the_plain_net_learns():
    pytest.importorskip("torch")
    data = datasets.load("clusters", limit=20)
    network = mlp.MLP((31, 6, 4), "tanh", "cross-entropy", "normal(0.3)", 1)
    inputs = data.inputs.astype(np.float32)
    epoch = sparse_train.torch_epoch([w.astype(np.float32) for w in network.weights],
                                     [b.astype(np.float32) for b in network.biases], inputs, data.labels)
    epoch()
    for k in range(20):
        sparse_train.numpy_step(network.weights, network.biases, data.inputs[k], data.labels[k], 0.01)
    parameters = next(cell.cell_contents for cell in epoch.__closure__ if hasattr(cell.cell_contents, "__getitem__")
                      and hasattr(cell.cell_contents, "children"))
    for ours, theirs in zip(network.weights, parameters[::2], strict=True):
        np.testing.assert_allclose(ours, theirs.weight.detach().numpy().T, atol=1e-5)


def test_the_rate_is_chosen_on_validation_data(monkeypatch):
    _, parts = sparse_train.load("tree", 0)
    asked = []
    monkeypatch.setattr(sparse_train, "accuracy", lambda trained, on, **net: asked.append(on) or
                        {0.1: 0.5, 0.2: 0.9}[trained[0]] - 0.01 * trained[1])
    monkeypatch.setattr(sparse, "parameters", lambda masks, biases: 7)

    class Rate(tuple):
        masks = biases = None
        seconds = 1.0
    monkeypatch.setattr(sparse_train, "train", lambda criterion, count, rate, **how: Rate((rate, how["seed"])))
    rows = sparse_train.criteria_rows(("magnitude",), (100,), (0.1, 0.2), 3, parts, "tanh", 0, steps=10)
    assert [row["learning_rate"] for row in rows] == [0.2, 0.2]
    assert rows[0]["accuracy_low"] == pytest.approx(0.88)  # of the third seed
    assert [on is parts[1] for on in asked] == ([True] * 2 + [False] * 3) * 2
    assert not any(on is parts[0] for on in asked)


def test_break_even_is_the_last_density_before_dense_wins():
    rows = [{"part": "density", "what": "fused dense", "density": 1, "microseconds": 10}]
    rows += [{"part": "density", "what": "sparse", "density": d, "microseconds": t}
             for d, t in ((0.5, 40), (0.25, 9), (0.125, 12), (0.0625, 8), (0.03125, 4))]
    assert sparse_train.break_even(rows, "sparse") == 0.0625
    rows[-1]["microseconds"] = 11
    assert sparse_train.break_even(rows, "sparse") is None


def test_overlap_grows_from_chance_to_all():
    dataset, (samples, *_) = sparse_train.load("glyphs", 0)
    rows = sparse_train.overlap_rows(dataset, samples, (16,), 2000, 0.02, 2, seed=1)
    steps, shares = [row["step"] for row in rows], [row["overlap"] for row in rows]
    assert (steps[0], steps[-1], shares[-1]) == (0, 2000, 1)
    assert rows[0]["chance"] == 4 * 784 / (784 * 16)
    assert shares[0] < shares[len(shares) // 2] < 1
    assert all(early <= late + 0.05 for early, late in pairwise(shares))


def test_recipe_halves_the_first_layer_alone():
    rows = sparse_train.recipe_rows("tree", (16,), 300, 2, 0)
    dense, halved = rows
    assert dense["parameters"] == 32 * 16 + 16 * 4  # the bias is one more input
    assert halved["parameters"] == 32 * 16 // 4 + 16 * 4


def test_script_writes_every_part(tmp_path):
    record = run(tmp_path)
    parts = {}
    for row in record["rows"]:
        parts.setdefault(row["part"], []).append(row)
    assert set(parts) == {"criteria", "recipe", "clock", "density", "overlap"}
    assert len(parts["criteria"]) == 1 + 3 * 2
    assert all(row["parameters"] <= count for row, count in zip(parts["criteria"][1:], (80, 200) * 3, strict=True))
    assert [row["hidden"] for row in parts["recipe"]] == [8, 8, 16, 16]
    assert "parameters reach an accuracy of" in record["finding"]


def test_recurrent_nets_have_a_table_of_their_own(tmp_path):
    record = run(tmp_path, "--model", "rnn", "--dataset", "glyphs", "--steps", "60", "--hidden-units", "32",
                 "--burn-in", "20")
    assert [row["what"] for row in record["rows"]][:2] == ["dense", "blocks of 16, 1/4"]
    dense, quarter, *_ = record["rows"]
    assert dense["parameters"] == 28 * 32 + 32 * 32 + 32 * 10 + 42
    assert quarter["parameters"] == 28 * 32 + 32 * 32 // 4 + 32 * 10 + 42
    assert dense["times_faster"] == 1


def test_from_the_shell(script, tmp_path):
    done = script("sparse_train.py", *SMALL, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "sparse_train.png").stat().st_size > 50_000


@pytest.mark.parametrize(("flags", "words"), [
    (["--model", "cnn"], "expected mlp or rnn"),
    (["--criteria", "size"], "unknown criterion 'size'"),
    (["--schedule", "sudden"], "unknown schedule 'sudden'"),
    (["--parameters", "5"], "5 parameters do not cover the 16 biases"),
    (["--hidden-units", "0"], "HIDDEN_UNITS is 0"),
    (["--steps", "0"], "STEPS is 0"),
    (["--block", "3"], "regrows single weights: expected block 1, got 3"),
    (["--learning-rates", "nan"], "learning rates are nan"),
    (["--burn-in", "400"], "does not fit into 300 samples"),
    (["--activation", "step"], "unknown activation"),
])
def test_mistakes_end_with_one_line(tmp_path, capsys, flags, words):
    with pytest.raises(SystemExit) as end:
        experiment.run(sparse_train.main, [*SMALL, *flags, "--out", str(tmp_path)])
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert words in err
    assert err.count("\n") == 1
