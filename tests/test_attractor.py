"""Attractors of training: one run beside plain descent, planted regimes, findings, figures and the script."""
import itertools

import numpy as np
import pytest
from helpers import assert_fits_the_page

import attractor
import mlp
from gradnets import curvature, datasets, experiment
from gradnets.dynamics import attractors
from gradnets.errors import UserError

SMALL = {"dataset": "glyphs", "images": 40, "learning_rates": (0.3, 3.0), "decays": (0.0, 0.05), "transient": 60,
         "orbit": 400, "stride": 4, "spectrum_steps": 20, "theiler": 10, "surrogates": 2, "runs": 2, "jobs": 1}
ONE = {"dataset": "glyphs", "images": 40, "side": 4, "hidden_units": 2, "transient": 30, "orbit": 200, "stride": 4,
       "spectrum_steps": 20, "theiler": 5, "surrogates": 2, "data_seed": 0}


def run(**changes):
    return attractor.main(experiment.settings(attractor, **SMALL | changes))


@pytest.fixture(scope="module")
def result():
    return run()


@pytest.mark.parametrize("training", [attractor.FULL_BATCH, attractor.SINGLE_SAMPLES])
def test_an_orbit_is_that_of_plain_descent(training, monkeypatch):
    seen = []
    monkeypatch.setattr(attractor, "of_orbit", lambda points, *rest: seen.append(points) or {})
    monkeypatch.setattr(attractor, "of_spectrum", lambda exponents: seen.append(exponents) or {})
    numbers = attractor.measure(training, 0.1, 0.5, 3, **ONE)
    exponents, points = seen
    data = datasets.pool(datasets.load("glyphs", limit=40), 4)
    network = mlp.MLP((16, 2, 10), "tanh", "squared", "glorot", 3)
    order = np.random.default_rng((3, 1)).integers(40, size=30 + 200 + 20 + attractor.ALIGNMENT)
    point, expected, jacobian = curvature.parameters(network), [], np.eye(64)
    for step, k in enumerate(order):
        batch = ((data.inputs, data.labels) if training == attractor.FULL_BATCH else
                 (data.inputs[[k]], data.labels[[k]]))
        if 30 <= step < 230 and (step - 30) % 4 == 0:
            expected.append(point)
        moved = curvature.at(network, point)
        if step >= 230 + attractor.ALIGNMENT:
            hessian = curvature.hessian(moved, *batch, method="finite-difference")
            jacobian = (0.95 * np.eye(64) - 0.5 * hessian) @ jacobian
        point = 0.95 * point - 0.5 * curvature.gradient(moved, *batch)
    np.testing.assert_allclose(points, expected, rtol=1e-9, atol=1e-12)
    assert exponents.sum() == pytest.approx(np.linalg.slogdet(jacobian)[1] / 20, rel=1e-5)
    assert numbers["commonest"] == np.bincount(data.labels).max() / 40
    assert 0 <= numbers["accuracy"] <= 1


def test_a_run_that_leaves_is_counted():
    numbers = attractor.measure(attractor.FULL_BATCH, 500.0, 10.0, 0, **ONE)
    assert attractor.regime_of(numbers, 20) == attractor.DIVERGED
    row = attractor.summary([{"training": "full batch", "decay": 500.0, "learning_rate": 10.0,
                              "regime": attractor.DIVERGED} | numbers])
    assert row["diverged"] == row["runs"] == 1


ALIVE = {"drift": 0.1, "exponent": 0.1, "spread": 0.1, "accuracy": 0.5, "commonest": 0.12}


@pytest.mark.parametrize(("changes", "regime"), [
    ({}, attractor.STRANGE),
    ({"drift": 0.31}, attractor.DRIFTS),
    ({"drift": 1.4, "exponent": -1}, attractor.DRIFTS),
    ({"exponent": 0.012}, attractor.CALM),
    ({"exponent": -2.0, "spread": 0.0}, attractor.CALM),
    ({"spread": 0.01}, attractor.COLLAPSED),
    ({"accuracy": 0.2}, attractor.COLLAPSED),
])
def test_regimes_of_planted_runs(changes, regime):
    assert attractor.regime_of(ALIVE | changes, 500) == regime


def test_growth_in_proportion_to_time_is_no_chaos():
    shear = np.linalg.matrix_power(np.array([[1.0, 1.0], [0.0, 1.0]]), 500)
    assert np.log(np.linalg.norm(shear, 2)) / 500 == pytest.approx(attractor.least_exponent(500), rel=1e-3)


def test_controls_have_their_known_numbers(result):
    controls = {row["control"]: row for row in result.rows if row["training"] == attractor.CONTROL}
    assert controls.pop("random walk")["drift"] > 1.2
    for row in controls.values():
        assert row["drift"] < attractors.STATIONARY
        assert row["entropy"] == pytest.approx(row["known_entropy"], abs=0.02)
        assert row["kaplan_yorke"] == pytest.approx(row["known_kaplan_yorke"], abs=0.01)
        assert row["correlation"] == pytest.approx(row["known_correlation"], abs=0.15)


def test_rows_are_settings_and_runs(result):
    assert_fits_the_page(result)
    settings = list(itertools.product(("full batch", "single samples"), (0.0, 0.05), (0.3, 3.0)))
    assert [(row["training"], row["decay"], row["learning_rate"]) for row in result.printed] == settings
    runs = [row for row in result.rows if "regime" in row]
    assert len(runs) == 16
    for row in result.printed:
        assert row["runs"] == 2 == sum(row[key] for key in ("diverged", "drifting", "calm", "collapsed", "strange"))
    assert result.finding == attractor.finding_of(runs)


def planted(regime, decay, **numbers):
    return {"regime": regime, "decay": decay, "correlation": 2.0, "phases": 3.0, "walk": 4.0} | numbers


def test_findings_follow_the_runs():
    runs = [planted(attractor.STRANGE, 0.01), planted(attractor.STRANGE, 0.01, correlation=3.5),
            planted(attractor.STRANGE, 0.01, correlation=8.0, phases=9.0, walk=9.0), planted(attractor.DRIFTS, 0.0)]
    sentence = attractor.finding_of(runs)
    assert sentence == "Strange attractors in 100 % of runs with weight decay and in 0 % of runs without"
    assert "can be read for 1 of 3 orbits" in attractor.finding_of_dimensions(runs, 2000)
    assert attractor.finding_of_dimensions(runs[3:], 2000).startswith("No orbit")
    assert attractor.finding_of(runs[:1]).endswith("in 100 % of runs with weight decay")


@pytest.mark.parametrize(("changes", "message"), [
    ({"orbit": 401}, "expected a multiple of the stride"),
    ({"theiler": 60}, "of at least 120 points"),
    ({"decays": (-0.1,)}, "decays has -0.1: expected finite numbers, not negative"),
    ({"learning_rates": (0.0,)}, "learning_rates has 0.0: expected finite numbers, positive"),
    ({"learning_rates": (1.0, 1.0)}, "each value once"),
    ({"spectrum_steps": 3}, "spectrum_steps is 3"),
    ({"runs": 0}, "runs is 0"),
    ({"seed": -1}, "seed is -1"),
])
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        run(**changes)
