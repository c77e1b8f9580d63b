"""Recurrent nets near criticality: exponents with closed forms, planted critical gains, and the script."""
import itertools

import numpy as np
import pytest
from helpers import assert_fits_the_page

import criticality as script
import rnn
from gradnets import datasets, experiment
from gradnets.dynamics import criticality
from gradnets.errors import NoResult, UserError

SMALL = {"dataset": "glyphs", "images": 240, "gains": (0.5, 1.0, 1.5), "hidden_units": 12, "steps": 60,
         "learning_rates": (0.03, 0.1), "runs": 2}


def orthogonal(size, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


# ---- exponents --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("gain", [0.3, 0.8])
def test_the_silent_state_of_an_orthogonal_net_has_the_exponent_log_gain(gain):
    exponent = criticality.free_exponent(gain * orthogonal(20), np.zeros(20), 300, 200)
    assert exponent == pytest.approx(np.log(gain), abs=1e-6)


def test_a_net_of_one_unit_has_the_exponent_of_its_fixed_point():
    point = 0.9
    for _ in range(500):
        point = np.tanh(2 * point + 0.1)
    expected = np.log(2 * (1 - point**2))
    assert criticality.free_exponent(np.array([[2.0]]), np.array([0.1])) == pytest.approx(expected, abs=1e-6)
    states = np.full((30, 3, 1), point)
    np.testing.assert_allclose(criticality.driven_exponents(np.array([[2.0]]), states), expected)


def test_a_strongly_random_net_is_chaotic_and_input_calms_it():
    """Sompolinsky, Crisanti and Sommers 1988: chaos above gain 1; Molgedey and others 1992: noise suppresses it."""
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 3 / np.sqrt(150), (150, 150))
    assert criticality.free_exponent(weights, np.zeros(150)) > 0.2
    states = np.zeros((60, 4, 150))
    for step in range(59):
        states[step + 1] = np.tanh(states[step] @ weights + 20 * rng.normal(size=(4, 150)))
    assert criticality.driven_exponents(weights, states).max() < 0


def test_driven_exponents_are_the_growth_of_small_differences():
    rng = np.random.default_rng(1)
    network = rnn.RNN(5, 30, 3, seed=0, recurrent_init="orthogonal(1.3)")
    items = 0.3 * rng.random((4, 40, 5))
    states, _ = network.forward(items)
    measured = criticality.driven_exponents(network.recurrent_weights, states, 10)
    for item in range(4):
        near, logs = states[1, item] + 1e-7 * rng.normal(size=30), []
        for step in range(2, 41):
            drive = items[item, step - 1] @ network.input_weights + network.hidden_bias
            before = np.linalg.norm(near - states[step - 1, item])
            near = np.tanh(drive + near @ network.recurrent_weights)
            after = np.linalg.norm(near - states[step, item])
            logs.append(np.log(after / before))
            near = states[step, item] + (near - states[step, item]) * 1e-7 / after
        assert measured[item] == pytest.approx(np.mean(logs[9:]), abs=0.05)


def test_a_lost_direction_is_minus_infinity():
    states = np.zeros((6, 2, 3))
    states[3, 0] = 1  # saturated: no difference survives
    with np.errstate(all="raise"):
        exponents = criticality.driven_exponents(np.eye(3), states, 1)
    assert exponents[0] == -np.inf
    assert exponents[1] == 0


def test_the_first_crossing_is_that_of_the_line_between_neighbors():
    assert criticality.first_crossing([0.5, 1.0, 2.0], [-1.0, -0.5, 0.5]) == 1.5
    assert criticality.first_crossing([0.5, 1.0, 2.0], [-1.0, 1.0, -5.0], 0.5) == pytest.approx(0.875)
    for values in ([-3.0, -2.0, -1.0], [1.0, 2.0, 3.0]):
        with pytest.raises(NoResult, match="take more gains"):
            criticality.first_crossing([0.5, 1.0, 2.0], values)
    with pytest.raises(UserError, match="expected rising gains"):
        criticality.first_crossing([1.0, 0.5], [0.0, 1.0])


@pytest.mark.parametrize(("weights", "states", "discarded", "message"), [
    (np.eye(3)[:2], np.zeros((5, 2, 3)), 1, "expected a square matrix"),
    (np.eye(3), np.zeros((5, 2, 2)), 1, "one value between -1 and 1"),
    (np.eye(3), np.full((5, 2, 3), 1.5), 1, "up to 1.5"),
    (np.eye(3), np.zeros((5, 2, 3)), 4, "integer from 0 to 3"),
])
def test_mistakes_in_arrays_are_named(weights, states, discarded, message):
    with pytest.raises(UserError, match=message):
        criticality.driven_exponents(weights, states, discarded)


# ---- the script -------------------------------------------------------------------------------------------

def test_gains_are_those_of_the_recurrent_weights():
    for law in ("normal", "orthogonal"):
        network = script.make_network(law, 1.7, 28, 10, 400, 0)
        assert np.abs(np.linalg.eigvals(network.recurrent_weights)).max() == pytest.approx(1.7, rel=0.06)


def test_measures_of_a_net_are_those_of_rnn():
    network = script.make_network("orthogonal", 0.5, 28, 10, 16, 0)
    few = datasets.load("glyphs", "test", limit=20)
    state = script.state_of(network, few)
    assert state["free"] == pytest.approx(np.log(0.5), abs=1e-3)
    assert 10 ** state["deltas"] == pytest.approx(np.median(rnn.fading(network, few)[:, 0]))
    assert state["driven"] < state["free"]


def test_critical_points_and_best_gains_are_found():
    gains = [0.5, 1.0, 1.5, 2.0]
    runs = [[{"free": gain - 1.01, "deltas": gain - 1.25, "driven": gain - 5, "accuracy": share + 0.01 * run}
             for run in range(3)] for gain, share in zip(gains, (0.5, 0.80, 0.81, 0.6), strict=True)]
    points = {point["border"]: point for point in script.critical_points("normal", gains, runs)}
    assert points["without input"]["critical_gain"] == pytest.approx(1.0)
    assert points["deltas"]["critical_gain_low"] == pytest.approx(1.25)
    assert "critical_gain" not in points["driven by images"]
    assert points["driven by images"]["crossings"] == 0
    best = points["best accuracy"]
    assert [best[f"critical_gain{end}"] for end in ("_low", "", "_high")] == [1.0, 1.5, 1.5]


def test_the_finding_fits_a_title():
    rows = [{"init": "normal", "driven_after": end} for end in (-0.08, -0.02, 0.01)]
    points = [{"init": "normal", "border": "best accuracy", "critical_gain_low": 0.75, "critical_gain_high": 1.25},
              {"init": "normal", "border": "driven by images", "critical_gain": 1.349}]
    finding = script.finding_of(rows, points)
    assert finding == "Nets learn best below the onset of chaos; from 2 of 3 gains training ends below it"
    assert len(finding) <= 90
    for onset, place in ((1.0, "around"), (0.5, "above")):
        assert f"learn best {place} the onset" in script.finding_of(rows, [points[0], points[1] | {
            "critical_gain": onset}])
    assert "chaos" not in script.finding_of(rows, [points[0], {"init": "normal", "border": "driven by images"}])


def test_there_is_a_row_for_each_law_and_gain():
    result = script.main(experiment.settings(script, **SMALL))
    rows = [row for row in result.rows if "accuracy" in row]
    assert [(row["init"], row["gain"]) for row in rows] == [
        (law, gain) for law in ("normal", "orthogonal") for gain in (0.5, 1.0, 1.5)]
    assert len(result.rows) == len(rows) + 8
    assert all(row["learning_rate"] in (0.03, 0.1) for row in rows)
    assert all(first["driven"] < second["driven"] for first, second in itertools.pairwise(rows[:3]))
    assert_fits_the_page(result)


@pytest.mark.parametrize(("changes", "message"), [
    ({"gains": (1.0, 1.0, 2.0)}, "three or more"), ({"gains": (-1.0, 1.0, 2.0)}, "positive numbers"),
    ({"laws": ("glorot",)}, "law"), ({"runs": 0}, "runs is 0"), ({"learning_rates": ()}, "one value or more"),
    ({"hidden_units": 1.5}, "hidden_units is 1.5"),
])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        script.main(experiment.settings(script, **SMALL | changes))
