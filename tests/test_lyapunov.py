"""Rows, counts and words of the script; the exponents themselves are tested in test_dynamics.py."""
import numpy as np
import pytest

import lyapunov
import mlp
from gradnets import datasets, dynamics, experiment
from gradnets.errors import UserError

SMALL = {"images": 30, "side": 2, "hidden_units": 2, "learning_rates": (0.2, 1.5), "steps": 40, "transient": 20,
         "window": 10, "exponents": 2, "spectrum_rates": (1.5,), "spectrum_steps": 5, "well_rates": (0.25, 1.9),
         "well_steps": 300, "essay_units": (4,), "essay_rates": (0.1,), "essay_steps": 20, "runs": 2}


def run(**changes):
    return lyapunov.main(experiment.settings(lyapunov, **SMALL | changes))


@pytest.fixture(scope="module")
def batch():
    images = datasets.load("glyphs", limit=30)
    return datasets.pool(images, 2).inputs, images.labels


def small(seed):
    return mlp.MLP((4, 2, 10), "tanh", "squared", "glorot", seed)


# ---- rows -------------------------------------------------------------------------------------------------

def test_diverged_runs_are_counted_and_left_out_of_medians():
    numbers = {"exponent": 0.5, "first_loss": 1.0, "last_loss": 2.0}
    row = lyapunov.summary([numbers, None, numbers | {"exponent": 0.01, "last_loss": 0.5}], 0.02)
    assert [row[key] for key in ("runs", "diverged", "positive", "saturated")] == [3, 1, 1, 1]
    assert (row["exponent_low"], row["exponent_high"]) == (0.01, 0.5)
    assert lyapunov.summary([None], 0.02) == {"runs": 1, "diverged": 1, "positive": 0, "saturated": 0}
    assert np.isnan(lyapunov.band([], 4)).all()


def test_exponents_of_a_spectrum_are_counted():
    row = lyapunov.spectrum_row(0.5, 3, np.array([0.3, 0.02, 0, -0.02, -0.03, -9]), 0.02)
    assert [row[key] for key in ("seed", "exponent", "above", "within", "below")] == [3, 0.3, 1, 3, 2]
    assert lyapunov.spectrum_row(9.0, 3, np.full(6, np.nan), 0.02)["diverged"] == 1


def test_leaders_are_the_runs_with_the_largest_exponent(batch):
    rows, _, leaders = lyapunov.small_net(small, *batch, (0.2, 1.5), (4, 5, 6), 20, 10, 5, 1, 0.02)
    for row in (row for row in rows if row["part"] == "full batch"):
        seed = leaders[row["learning_rate"]]
        numbers, _ = dynamics.full_batch(small(seed), *batch, row["learning_rate"], 20, 10, 5, 1, seed)
        assert numbers["exponent"] == row["exponent_high"]


def test_script_returns_rows_of_every_part(batch):
    result = run()
    parts = [(row["part"], row.get("learning_rate", row.get("edge"))) for row in result.rows]
    assert parts == [("full batch", 0.2), ("full batch", 1.5), ("single samples", 0.2), ("single samples", 1.5),
                     ("whole spectrum", 1.5), ("double well", 0.25), ("double well", 1.9),
                     *(("quadratic", product / 2) for product in lyapunov.QUADRATIC), ("essay's net", 0.1)]
    slow, fast, *_, essay = result.rows
    runs = [dynamics.full_batch(small(seed), *batch, 0.2, 40, 20, 10, 2, seed)[0] for seed in (0, 1)]
    for key in ("exponent", "exponent_2", "edge", "highest_window", "last_loss"):
        assert [slow[key + "_low"], slow[key + "_high"]] == sorted(numbers[key] for numbers in runs)
    assert fast["edge_at_start"] == pytest.approx(7.5 * slow["edge_at_start"], rel=1e-9)  # the same initial nets
    curves = result.files[".npz"]
    spectrum = next(row for row in result.rows if row["part"] == "whole spectrum")
    assert spectrum["above"] + spectrum["within"] + spectrum["below"] == curves["spectra"].shape[1] == 40
    assert result.finding == lyapunov.finding(result.rows, 0.02, 10)
    assert (essay["net"], essay["runs"]) == ("784-4-10", 2)
    assert curves["edges"].shape == (2, 3, 5)
    assert curves["windows"].shape == (2, 3, 4)
    assert curves["tangent"].shape == curves["copies"].shape == (1, 3, 3)


# ---- words ------------------------------------------------------------------------------------------------

def row(part, rate, positive, runs=5, diverged=0, **more):
    return {"part": part, "learning_rate": rate, "runs": runs, "diverged": diverged, "positive": positive} | more


def test_the_finding_follows_from_the_rows():
    rows = [row("full batch", 0.1, 0, exponent=0.001, highest_window=0.1),
            row("full batch", 0.2, 0, exponent=0.004, highest_window=0.3),
            row("full batch", 0.4, 4, diverged=1, exponent=0.5, highest_window=0.9),
            row("full batch", 0.8, 0, diverged=5),
            row("single samples", 0.1, 2, exponent=0.1), row("single samples", 0.2, 3, exponent=0.1)]
    sentence = lyapunov.finding(rows, 0.02, 50)
    assert "above 0.02 per step: full batch in no run at 0.1 to 0.2, in all at 0.4, (all diverged) at 0.8;" in sentence
    assert "single samples in some at 0.1 to 0.2." in sentence
    assert "Windows of 50 full-batch steps reach 0.3 even at 0.2, where the long-time exponent is 0.004" in sentence
    assert "Windows" not in lyapunov.finding(rows[2:], 0.02, 50)
    assert "Windows" not in lyapunov.finding(rows[:2], 0.3, 50)  # no window is above the threshold


@pytest.mark.parametrize(("change", "message"), [
    ({"dataset": "tree"}, "tree has 31 features: expected square images"),
    ({"side": 29}, "expected square images of 29 x 29"),
    ({"window": 7}, "window is 7"),
    ({"transient": 40}, "transient 40"),
    ({"learning_rates": (0.2, -1.0)}, "learning_rates has -1.0"),
    ({"learning_rates": (0.2, float("nan"))}, "learning_rates has nan"),
    ({"learning_rates": (1.5, 1.5)}, "expected each number once"),
    ({"spectrum_rates": (0.3,)}, "expected some of the learning rates"),
    ({"well_rates": (2.1,)}, "well_rates has 2.1"),
    ({"essay_steps": 15}, "expected a multiple of 10"),
    ({"perturbation": 1.0}, "perturbation is 1.0"),
    ({"near_zero": 0.0}, "near_zero is 0.0"),
    ({"exponents": 41}, "expected at most 40, the number of parameters"),
    ({"runs": 0}, "runs is 0"),
    ({"loss": "hinge"}, "loss is 'hinge'"),
    ({"learning_rates": (1e308,), "spectrum_rates": (1e308,), "loss": "cross-entropy"},
     "every full-batch run diverged"),
    ({"essay_rates": (1e308,)}, r"the essay's net at learning rate 1e\+308 is not finite after 2 steps"),
])
def test_mistakes_in_settings_raise(change, message):
    with pytest.raises(UserError, match=message):
        run(**change)
