"""Rows, counts and words of the script; the exponents themselves are tested in test_dynamics.py."""
import numpy as np
import pytest
from helpers import assert_fits_the_page

import lyapunov
import mlp
from gradnets import datasets, dynamics, experiment, plots
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
    row = lyapunov.summary([numbers, None, numbers | {"exponent": 0.01, "last_loss": 0.5}])
    assert [row[key] for key in ("runs", "diverged", "positive", "saturated")] == [3, 1, 1, 1]
    assert (row["exponent_low"], row["exponent_high"]) == (0.01, 0.5)
    assert lyapunov.summary([None]) == {"runs": 1, "diverged": 1, "positive": 0, "saturated": 0}
    assert np.isnan(lyapunov.band([], 4)).all()


def test_exponents_of_a_spectrum_are_counted():
    row = lyapunov.spectrum_row(0.5, 3, np.array([0.3, 0.02, 0, -0.02, -0.03, -9]))
    assert [row[key] for key in ("seed", "exponent", "above", "within", "below")] == [3, 0.3, 1, 3, 2]
    assert lyapunov.spectrum_row(9.0, 3, np.full(6, np.nan))["diverged"] == 1


def test_leaders_are_the_runs_with_the_largest_exponent(batch):
    rows, _, leaders = lyapunov.small_net(small, *batch, (0.2, 1.5), (4, 5, 6), 20, 10, 5, 1)
    for row in (row for row in rows if row["part"] == "full batch"):
        seed = leaders[row["learning_rate"]]
        numbers, _ = dynamics.full_batch(small(seed), *batch, row["learning_rate"], 20, 10, 5, 1, seed)
        assert numbers["exponent"] == row["exponent_high"]


def test_script_returns_rows_of_every_part(batch):
    result = run()
    parts = [(row["part"], row.get("learning_rate", row.get("edge"))) for row in result.rows]
    assert parts == [("full batch", 0.2), ("full batch", 1.5), ("single samples", 0.2), ("single samples", 1.5),
                     ("whole spectrum", 1.5), ("double well", 0.25), ("double well", 1.9),
                     *(("quadratic", product / 2) for product in lyapunov.QUADRATIC), ("nets on whole images", 0.1)]
    slow, fast, *_, essay = result.rows
    runs = [dynamics.full_batch(small(seed), *batch, 0.2, 40, 20, 10, 2, seed)[0] for seed in (0, 1)]
    for key in ("exponent", "exponent_2", "edge", "highest_window", "last_loss"):
        assert [slow[key + "_low"], slow[key + "_high"]] == sorted(numbers[key] for numbers in runs)
    assert fast["edge_at_start"] == pytest.approx(7.5 * slow["edge_at_start"], rel=1e-9)  # the same initial nets
    curves = result.files[".npz"]
    spectrum = next(row for row in result.rows if row["part"] == "whole spectrum")
    assert spectrum["above"] + spectrum["within"] + spectrum["below"] == curves["spectra"].shape[1] == 40
    assert result.finding == lyapunov.finding(result.rows)
    assert_fits_the_page(result)
    for figure in result.figures.values():
        assert len(figure.get_suptitle()) <= plots.LONGEST_TITLE
    assert {row["part"] for row in result.printed} == {"full batch", "single samples", "nets on whole images"}
    assert (essay["net"], essay["runs"]) == ("784-4-10", 2)
    assert essay["positive"] == (essay["exponent_low"] > 0.02) + (essay["exponent_high"] > 0.02)
    assert curves["edges"].shape == (2, 3, 5)
    assert curves["windows"].shape == (2, 3, 4)
    assert curves["tangent"].shape == curves["copies"].shape == (1, 3, 3)


def test_the_dots_of_the_double_well_lie_on_its_curve():
    """Around 1.7 is a window without chaos that is 0.005 wide."""
    result = run(well_rates=(0.25, 1.7), well_steps=1000)
    panel = result.figures["_controls"].axes[0]
    curve, dots = (line.get_data() for line in panel.lines[:2])
    np.testing.assert_allclose(np.interp(dots[0], *curve), dots[1], atol=0.01)
    assert dots[1][1] < -0.4 < 0.5 < np.interp(1.69, *curve)


# ---- words ------------------------------------------------------------------------------------------------

def rows(part, counts, **diverged):
    """Return rows of 5 runs each: the number of positive ones at the learning rates 0.1, 0.2, ..."""
    return [{"part": part, "learning_rate": 0.1 * (k + 1), "runs": 5, "positive": count,
             "diverged": diverged.get("diverged", (0,) * len(counts))[k]} for k, count in enumerate(counts)]


@pytest.mark.parametrize(("full", "single", "larger", "words"), [
    ((0, 0, 0), (0, 2, 0), (1, 0), "no learning rate, neither"),
    ((0, 3, 0), (0, 0, 0), (5, 0), "at rate 0.2 (full batch), none (single samples), and in 1 of 2 larger nets"),
    ((0, 3, 5), (4, 5, 3), (0, 0), "at 2 of 3 rates (full batch), 3 of 3 (single samples), and in 0 of 2 larger nets"),
    ((0, 3, 5), (0, 0, 3), (0, 0), "at rates 0.2 and 0.3 (full batch), 0.3 (single samples), and in 0 of 2 larger"),
    ((0, 0, 0), (4, 0, 3), (0, 0), "at no rate (full batch), 0.1 and 0.3 (single samples), and in 0 of 2 larger nets"),
    ((5,) * 5, (3, 0, 5), (0, 3), "at 5 of 5 rates (full batch), 2 of 3 (single samples), and in 1 of 2 larger nets"),
    ((0, 0, 0), (0, 0, 0), (3, 5), "at no rate (full batch), none (single samples), and in 2 of 2 larger nets"),
])
def test_the_finding_names_the_rates_at_which_most_runs_are_positive(full, single, larger, words):
    sentence = lyapunov.finding(rows("full batch", full) + rows("single samples", single)
                                + rows("nets on whole images", larger))
    assert words in sentence
    assert len(sentence) <= plots.LONGEST_TITLE


@pytest.mark.parametrize(("words", "sentence"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"),
                                                 (["a", "b", "c"], "a, b and c")])
def test_words_are_listed(words, sentence):
    assert lyapunov.listed(words) == sentence


def test_every_rate_of_the_flags_fits_the_finding():
    longest = max(lyapunov.LEARNING_RATES, key=lambda rate: len(f"{rate:g}"))
    most = [{"part": part, "learning_rate": longest, "runs": 5, "positive": 5} for part in
            ("full batch", "single samples", "nets on whole images")]
    assert len(lyapunov.finding(most)) <= plots.LONGEST_TITLE


@pytest.mark.parametrize(("edges", "spectra", "words"), [
    ((0.5, 0.9, 1.1, 1.3), ((1, 8, 2), (0, 9, 1)), "at 2 of 4 rates, and most exponents near zero"),
    ((0.81, 1.19, 0.79), ((1, 2, 8), (0, 5, 1)), "at 2 of 3 rates, but few exponents near zero")])
def test_the_finding_of_training_counts_edges_and_exponents(edges, spectra, words):
    sentence = lyapunov.finding_of_training(
        [{"part": "full batch", "edge": edge} for edge in edges]
        + [{"part": "whole spectrum", "above": above, "within": within, "below": below}
           for above, within, below in spectra] + [{"part": "whole spectrum", "diverged": 1}])
    assert words in sentence
    assert len(sentence) <= plots.LONGEST_TITLE


def test_copies_separate_where_most_runs_are_positive():
    assert "separate at 2 of 3 settings" in lyapunov.finding_of_copies(rows("nets on whole images", (0, 3, 5)))


def test_rates_whose_outputs_saturate_stay_in_the_panel():
    """Runs of one rate end at the edge; most runs of the other rate end at 0, and the panel says how many."""
    edges = np.array([[[1.0] * 3, [1.1] * 3, [1.2] * 3], [[8.0, 0, 0], [9.0, 0.01, 0], [9.5, 3.0, 2.0]]])
    curves = {"steps": np.array([0, 10, 20]), "edges": edges, "windows": np.zeros((2, 3, 2)),
              "spectra": np.array([[0.3, 0.1, -0.1]])}
    of_rates = [{"part": "full batch", "learning_rate": rate, "runs": 5, "saturated": count}
                for rate, count in ((0.8, 0), (2.4, 3))]
    spectrum = {"part": "whole spectrum", "learning_rate": 2.4, "above": 2}
    figure = lyapunov.training_picture([*of_rates, spectrum], curves, 10, "title", "caption")
    panel, _, spectra = figure.axes[:3]
    low, high = panel.get_ylim()
    assert low < edges[:, 1].min()
    assert edges.max() < high
    words = {text.get_text() for text in panel.texts}
    assert "2.4: 3 of 5 runs saturated" in words
    assert not any("0.8: " in text for text in words)
    assert "2.4: upper\nend of runs" in words
    rings = next(line for line in spectra.lines if line.get_marker() == "o")
    assert rings.get_ydata().tolist() == [0.3, 0.1]
    assert spectra.get_xticks()[[0, -1]].tolist() == [1, 3]


def test_steps_without_gradient_are_named_over_the_longest_flat_stretch():
    _, panels = plots.figure([["one"]], 4, 3, "title", "caption")
    growth = np.array([0, 1, 1, 1, 2, 4, 4, 4, 4, 4, 5.0])
    lyapunov.name_idle_steps(panels["one"], np.arange(0, 110, 10), growth, 0.58, plots.INK)
    label, = panels["one"].texts
    assert (label.get_text(), label.xy) == ("no gradient in 58 % of steps", (70, 4))


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
    ({"exponents": 41}, "expected at most 40, the number of parameters"),
    ({"runs": 0}, "runs is 0"),
    ({"loss": "hinge"}, "loss is 'hinge'"),
    ({"learning_rates": (1e308,), "spectrum_rates": (1e308,), "loss": "cross-entropy"},
     "every full-batch run diverged"),
    ({"essay_rates": (1e308,)}, r"a net on whole images at learning rate 1e\+308 is not finite after 2"),
])
def test_mistakes_in_settings_raise(change, message):
    with pytest.raises(UserError, match=message):
        run(**change)
