"""The parts of sparse_train.py by other means, and its main with few steps."""
from itertools import pairwise

import numpy as np
import pytest
from helpers import assert_fits_the_page
from matplotlib.figure import Figure

import mlp
import sparse_train
from gradnets import datasets, experiment, sparse
from gradnets.errors import UserError

SMALL = {"dataset": "tree", "steps": 300, "hidden_units": (12,), "parameters": (80, 200), "widths": (16, 8),
         "criteria": ("magnitude", "random", "set"), "learning_rates": (0.02, 0.05), "runs": 2, "burn_in": 40,
         "prunings": 3}


def run(**changes):
    return sparse_train.main(experiment.settings(sparse_train, **SMALL | changes))


def rows_of(result, part):
    return [row for row in result.rows if row["part"] == part]


@pytest.fixture(scope="module")
def result():
    return run()


def small_net():
    return mlp.MLP((31, 6, 4), "tanh", "cross-entropy", "normal(0.3)", 1)


def test_the_numpy_step_is_that_of_the_plain_net():
    data, network = datasets.load("clusters", limit=1), small_net()
    weights, biases = [w.copy() for w in network.weights], [b.copy() for b in network.biases]
    sparse_train.numpy_step(weights, biases, data.inputs[0], data.labels[0], 0.1)
    for _ in mlp.train(network, data, 1, 0.1):
        pass
    for ours, theirs in zip(weights + biases, network.weights + network.biases, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)


def test_pytorch_learns_what_the_plain_net_learns():
    pytest.importorskip("torch")
    data, network = datasets.load("clusters", limit=20), small_net()
    inputs = data.inputs.astype(np.float32)
    epoch = sparse_train.torch_epoch([w.astype(np.float32) for w in network.weights],
                                     [b.astype(np.float32) for b in network.biases], inputs, data.labels)
    epoch()
    for k in range(20):
        sparse_train.numpy_step(network.weights, network.biases, data.inputs[k], data.labels[k], 0.01)
    layers = next(cell.cell_contents for cell in epoch.__closure__ if hasattr(cell.cell_contents, "__getitem__")
                  and hasattr(cell.cell_contents, "children"))
    for ours, theirs in zip(network.weights, layers[::2], strict=True):
        np.testing.assert_allclose(ours, theirs.weight.detach().numpy().T, atol=1e-5)


def test_break_even_is_the_last_density_before_dense_wins():
    rows = [{"part": "density", "what": "fused dense", "density": 1, "microseconds": 10}]
    rows += [{"part": "density", "what": "sparse", "density": density, "microseconds": time}
             for density, time in ((0.5, 40), (0.25, 9), (0.125, 12), (0.0625, 8), (0.03125, 4))]
    assert sparse_train.break_even(rows, "sparse") == 0.0625
    rows[-1]["microseconds"] = 11
    assert sparse_train.break_even(rows, "sparse") is None


@pytest.mark.parametrize(("blocks", "single", "words"), [
    ((9, 8), (11, 9), "at all tested densities, single weights up to 1/4"),
    ((11, 9), (11, 9), "up to a density of 1/4, single weights up to 1/4"),
    ((11, 12), (9, 8), "at no density, single weights at all tested densities"),
    ((11, 12), (11, 9), "at no density, single weights up to a density of 1/4")])
def test_the_title_of_the_times_says_where_layouts_beat_the_dense_kernel(blocks, single, words):
    rows = [{"part": "density", "what": "fused dense", "hidden": 8, "density": 1, "microseconds": 10}]
    rows += [{"part": "density", "what": layout, "hidden": 8, "density": density, "microseconds": time}
             for layout, times in (("blocks", blocks), ("sparse", single))
             for density, time in zip((0.5, 0.25), times, strict=True)]
    assert sparse_train.finding_of_times(rows) == f"Blocks of 16 beat the dense kernel {words}"
    axes = Figure().subplots()
    sparse_train.draw_density(axes, rows)
    notes = [text.get_text() for text in axes.texts if "pays" in text.get_text()]
    assert notes == [f"pays up to 1/{4 if times[0] > 10 else 2}" + ",\nthe densest tested" * (times[0] < 10)
                     for times in (single, blocks) if min(times) < 10]


def test_the_caption_explains_the_criteria_that_were_tried(result):
    words = result.figure.texts[-1].get_text()
    assert "SET: published methods" in words
    assert "oved: farthest" not in words


def test_overlap_grows_from_chance_to_all():
    data = datasets.load("glyphs", limit=1000, seed=1)
    samples = sparse.pack_samples(data.inputs, data.labels)
    rows = sparse_train.overlap_rows(samples, (16,), data.classes, 2000, 0.02, runs=1, seed=1)
    steps, shares = [row["step"] for row in rows], [row["overlap"] for row in rows]
    assert (steps[0], steps[-1], shares[-1]) == (0, 2000, 1)
    assert rows[0]["chance"] == 4 * 784 / (784 * 16)
    assert shares[0] < shares[len(shares) // 2] < 1
    assert all(early <= late + 0.05 for early, late in pairwise(shares))


def test_criteria_stay_within_their_budgets(result):
    dense, *pruned = rows_of(result, "criteria")
    assert (dense["what"], dense["parameters"]) == ("dense", 31 * 12 + 12 * 4 + 12 + 4)
    assert [(row["what"], row["budget"]) for row in pruned] == [
        (criterion, budget) for criterion in SMALL["criteria"] for budget in SMALL["parameters"]]
    assert all(row["parameters"] == row["budget"] for row in pruned)
    assert all(row["learning_rate"] in SMALL["learning_rates"] for row in (dense, *pruned))


def test_the_recipe_halves_the_first_layer_alone(result):
    parameters = {(row["what"], row["hidden"]): row["parameters"] for row in rows_of(result, "recipe")}
    assert parameters == {("dense", 16): 32 * 16 + 16 * 4,  # the bias is one more input
                          ("halved", 16): 32 * 16 // 4 + 16 * 4,
                          ("dense", 8): 32 * 8 + 8 * 4, ("halved", 8): 32 * 8 // 2 + 8 * 4}


def test_densities_are_timed_at_the_widest_net(result):
    assert {row["hidden"] for row in rows_of(result, "clock")} == {16, 8}
    assert {row["hidden"] for row in rows_of(result, "density")} == {16}
    assert all(row["microseconds"] > 0 for part in ("clock", "density") for row in rows_of(result, part))


def test_main_reports_all_parts_and_what_it_read(result):
    assert {row["part"] for row in result.rows} == {"criteria", "recipe", "clock", "density", "overlap"}
    assert [(data["name"], data["split"]) for data in result.data] == [("tree", "train"), ("tree", "test")]
    assert_fits_the_page(result)


def test_the_finding_is_about_the_middle_budget():
    rows = [{"part": "criteria", "what": "random", "budget": 80, "validation": 0.9, "accuracy": 0.8, "parameters": 80},
            {"part": "criteria", "what": "random", "budget": 200, "validation": 0.9, "accuracy": 0.6,
             "parameters": 200},
            {"part": "criteria", "what": "magnitude", "budget": 200, "validation": 0.95, "accuracy": 0.7,
             "parameters": 199},
            {"part": "criteria", "what": "dense", "validation": 0.99, "accuracy": 0.9, "parameters": 1436}]
    sentence = sparse_train.finding(rows, (200, 80))
    assert sentence == "A net that keeps 14 % of its parameters loses 20.0 points of test accuracy"


@pytest.mark.parametrize(("changes", "message"), [
    ({"criteria": ("size",)}, "criterion is 'size'"),
    ({"criteria": ("random", "random")}, "criteria is .*expected each value once"),
    ({"schedule": "sudden"}, "schedule is 'sudden'"),
    ({"parameters": (5,)}, "5 parameters do not cover the 16 biases"),
    ({"hidden_units": (0,)}, "hidden_units is 0"),
    ({"steps": 0}, "steps is 0"),
    ({"block": 3}, "block is 3: set regrows single weights, expected 1"),
    ({"learning_rates": (float("nan"),)}, "learning rates are nan"),
    ({"burn_in": 400}, "does not fit into 300 samples"),
    ({"activation": "step"}, "activation 'step'"),
])
def test_mistakes_are_errors_of_the_user(changes, message):
    with pytest.raises(UserError, match=message):
        run(**changes)
