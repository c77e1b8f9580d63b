"""The race of second_order.py: its steps by dense algebra, its counts and sentences from rows written out."""
import numpy as np
import pytest
from helpers import assert_fits_the_page

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
    bumpy = optimizers.Descent(np.array([0, 1, 2]), np.array([3.0, np.nan, 2.5]), np.array([0, 1.0, 2.0]), None)
    reached = second_order.first_reached([fast, slow, bumpy], [3.0, 2.5, 2.0, 0.5, 0.4, 0.1])
    assert reached.tolist() == [[0, 1, 1, 2, 20, np.inf], [0, 0.05, 0.05, 0.2, 0.6, np.inf]]
    assert second_order.lowest([fast, slow]) is slow


def test_main_runs_all_methods_on_both_nets():
    result = second_order.main(experiment.settings(second_order, images=40, iterations=1, steps=10, runs=1))
    rows = {row["what"]: row for row in result.rows}
    assert list(rows) == [f"{net}, {method}" for net in second_order.NETS for method in second_order.STYLES]
    assert rows["digits, Newton"]["parameters"] == 490
    assert rows["autoencoder, saddle-free"]["parameters"] == 509
    levels, course = (result.files[".npz"][name] for name in ("levels", "digits_L-BFGS"))
    assert course.shape == (2, len(levels))
    target = np.argmin(abs(levels - 2))
    assert levels[target] == pytest.approx(2)
    assert course[0, target] == rows["digits, L-BFGS"]["iterations_to_2"]
    assert_fits_the_page(result)
    assert [entry["name"] for entry in result.data] == ["glyphs"]


def test_the_finding_follows_the_rows():
    def rows(seconds_of_newton, iterations_of_newton):
        return [{"what": f"{net}, {method}", "seconds_to_2": seconds, "iterations_to_2": iterations}
                for net, newton in zip(second_order.NETS, seconds_of_newton, strict=True)
                for method, seconds, iterations in (("SGD", np.inf, np.inf), ("Adam", 2.0, 100), ("L-BFGS", 4.0, 20),
                                                    ("saddle-free", newton, iterations_of_newton))]

    assert second_order.finding_of(rows((3.0, 25.0), 5)) == (
        "Saddle-free Newton saves iterations but takes 1.5 to 12 times as long as the best rival")
    assert "saves no iterations and takes 2 times" in second_order.finding_of(rows((4.0, 4.0), 30))
    assert "too near or too far" in second_order.finding_of(rows((4.0, np.inf), 5))


@pytest.mark.parametrize(("changes", "message"), [
    ({"iterations": 0}, "iterations is 0: expected a positive integer"),
    ({"dataset": "tree"}, "tree has 31 features: expected square images")])
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        second_order.main(experiment.settings(second_order, **changes))
