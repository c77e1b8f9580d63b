"""The race of second_order.py: its steps by dense algebra, its counts and sentences from rows written out."""
import numpy as np
import pytest

import optimizers
import second_order
from gradnets import datasets, experiment


@pytest.fixture(scope="module")
def objective():
    return optimizers.classifier(datasets.load("glyphs", limit=60), 0)


def test_a_step_to_infinity_ends_a_race():
    class Runaway:
        start = np.ones(2)

        def loss(self, point):
            return np.inf if abs(point[0]) > 10 else 1.0

        def gradient(self, point):
            return np.array([1e3, 0.0])

        def hessian(self, point):
            return np.eye(2)

    descent = second_order.newton_descent(Runaway(), "Newton", 3)
    assert descent.losses.tolist() == [1, np.inf, np.inf, np.inf]
    assert descent.iterations.tolist() == [0, 1, 2, 3]
    assert (np.diff(descent.seconds) >= 0).all()
    assert np.array_equal(descent.end, [-999, 1])


def test_newton_methods_take_the_steps_that_they_name(objective):
    values, vectors = np.linalg.eigh(objective.hessian(objective.start))
    along = vectors.T @ objective.gradient(objective.start)
    for method, denominators in (("saddle-free", np.abs(values)), ("shifted", values - values[0])):
        descent = second_order.newton_descent(objective, method, 1)
        expected = min(objective.loss(objective.start - vectors @ (along / (denominators + damping)))
                       for damping in second_order.DAMPINGS)
        assert descent.losses[1] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("method", ["SGD", "Adam", "L-BFGS", "shifted", "saddle-free"])
def test_every_method_descends(method, objective):
    tried = second_order.descents(objective, method, 1, 30, 0)
    assert len(tried) == (12 if method in second_order.RATES else 1)
    best = second_order.lowest(tried)
    assert best.losses.min() < best.losses[0]


def test_the_fewest_iterations_and_seconds_of_any_try_count():
    fast = optimizers.Descent(np.array([0, 1, 2]), np.array([3.0, 1.0, 0.5]), np.array([0, 0.1, 0.2]), None)
    slow = optimizers.Descent(np.array([0, 10, 20]), np.array([3.0, 2.0, 0.4]), np.array([0, 0.05, 0.6]), None)
    assert second_order.first_reached([fast, slow], 2.0) == (1, 0.05)
    assert second_order.first_reached([fast, slow], 0.5) == (2, 0.2)
    assert second_order.first_reached([fast, slow], 0.4) == (20, 0.6)
    assert second_order.first_reached([fast, slow], 0.1) == (np.inf, np.inf)
    assert second_order.lowest([fast, slow]) is slow


def test_main_runs_all_methods_on_both_nets():
    result = second_order.main(experiment.settings(second_order, images=40, iterations=1, steps=10, runs=1))
    rows = {row["what"]: row for row in result.rows}
    assert list(rows) == [f"{net}, {method}" for net in second_order.NETS for method in second_order.COLORS]
    assert rows["digits, Newton"]["parameters"] == 490
    assert rows["autoencoder, saddle-free"]["parameters"] == 509
    assert result.files[".npz"]["digits_Newton"].shape == (3, 2)
    assert result.finding.startswith("To 2 times the lowest loss saddle-free Newton ")
    assert len(result.figure.axes) == 4
    assert [entry["name"] for entry in result.data] == ["glyphs"]


def test_the_finding_follows_the_rows():
    def row(net, method, seconds):
        return {"what": f"{net}, {method}", "seconds_to_2": seconds}

    rivals = [row(net, method, seconds) for net in second_order.NETS
              for method, seconds in (("SGD", np.inf), ("Adam", 2.0), ("L-BFGS", 4.0))]
    rows = [*rivals, row("digits", "saddle-free", 3.0), row("autoencoder", "saddle-free", 0.5)]
    assert second_order.finding_of(rows) == (
        "To 2 times the lowest loss saddle-free Newton is 1.5 times slower than Adam on digits, and is 4.0 times "
        "faster than Adam on the autoencoder")
    assert second_order.comparison(np.inf, 1.0, "SGD") == "does not arrive"
    assert second_order.comparison(1.0, np.inf, "SGD") == "alone arrives"
    assert second_order.comparison(0.0, 0.0, "SGD") == "is as fast as SGD"


@pytest.mark.parametrize(("changes", "message"), [
    ({"iterations": 0}, "iterations is 0: expected a positive integer"),
    ({"dataset": "tree"}, "tree has 31 features: expected square images")])
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        second_order.main(experiment.settings(second_order, **changes))
