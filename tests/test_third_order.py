"""The iterations that third_order.py counts, and Rosenbrock's Taylor coefficients by differences."""
import numpy as np
import pytest
from helpers import assert_fits_the_page
from scipy import optimize

import third_order
from gradnets import experiment

ROSENBROCK = third_order.Problem(optimize.rosen, optimize.rosen_der, optimize.rosen_hess,
                                 third_order.rosenbrock_series, halve=False)


def test_rosenbrocks_coefficients_equal_a_fit_of_its_gradient():
    """Along a path of degree three the gradient is a polynomial of degree nine in t."""
    rng = np.random.default_rng(0)
    times = np.cos(np.pi * (np.arange(14) + 0.5) / 14)
    for point in rng.uniform(-2, 2, size=(5, 2)):
        terms = rng.normal(size=(3, 2))
        gradient, series = third_order.rosenbrock_series(point)
        np.testing.assert_array_equal(gradient, optimize.rosen_der(point))
        for k in (2, 3, 4):
            path = point + times[:, None]**np.arange(1, k) @ terms[:k - 1]
            fit = np.polynomial.polynomial.polyfit(times, np.array([optimize.rosen_der(x) for x in path]), 9)
            np.testing.assert_allclose(series(terms[:k - 1]), fit[k], rtol=1e-8, atol=1e-7)


def test_higher_orders_take_fewer_iterations_and_the_limit_holds():
    starts = np.random.default_rng(1).uniform(-2, 2, size=(30, 2))
    iterations = [sum(third_order.iterations_to_minimum(ROSENBROCK, start, order) for start in starts)
                  for order in (2, 3, 4, 5)]
    assert 0 < max(iterations[2:]) < iterations[1] < 0.85 * iterations[0]
    halved = ROSENBROCK._replace(halve=True)
    assert third_order.iterations_to_minimum(halved, np.ones(2), 4) == 0
    assert third_order.iterations_to_minimum(halved, starts[0], 2, limit=1) == np.inf


def test_a_step_that_raises_the_loss_is_halved():
    """Newton's method on √(1 + x²) diverges from 2, where the whole step ends at -8."""
    def hessian(x):
        return np.array([[(1 + x[0]**2)**-1.5]])

    def gradient(x):
        return x / np.sqrt(1 + x[0]**2)

    problem = third_order.Problem(lambda x: np.sqrt(1 + x[0]**2), gradient, hessian, None, halve=True)
    assert problem.loss([-8.0]) > problem.loss([2.0])
    assert third_order.iterations_to_minimum(problem, np.array([2.0]), 2) < 10


def test_main_saves_iterations_on_every_problem():
    result = third_order.main(experiment.settings(third_order, images=40, starts=10, sides=(5,)))
    assert [(row["what"], row["order"]) for row in result.rows] == [
        (what, order) for what in ("Rosenbrock", "logistic regression, 260 parameters, l2 0.0001",
                                   "logistic regression, 260 parameters, l2 1e-06") for order in (3, 4, 5)]
    assert [row["cases"] for row in result.rows] == [10] * 3 + [20] * 6
    assert all(row["iterations"] <= row["newton"] for row in result.rows)
    assert all(0 < row["time_ratio_low"] <= row["time_ratio"] <= row["time_ratio_high"] for row in result.rows)
    assert_fits_the_page(result)


def test_the_finding_leaves_out_what_nobody_solved():
    rows = [{"order": 4, "all_ended": count, "fewer_percent": percent, "time_ratio": ratio}
            for count, percent, ratio in ((3, 20.0, 0.9), (0, np.nan, np.nan), (5, 30.0, 1.1))]
    saves = "Order 4 saves {} % of Newton's iterations, {}"
    assert third_order.finding_of(rows) == saves.format("20 to 30", "and time on some problems")
    assert third_order.finding_of([*rows, rows[0]]) == saves.format("20 to 30", "and time on most problems")
    assert third_order.finding_of(rows[:1]) == saves.format("20", "and time on every problem")
    assert third_order.finding_of(rows[2:]) == saves.format("30", "but no time")
    assert third_order.finding_of(rows[1:2]) == "No case was solved by all orders"


@pytest.mark.parametrize(("changes", "message"), [
    ({"images": 3}, "images is 3: expected at least 5"), ({"starts": 0}, "starts is 0"),
    ({"sides": (0,)}, "sides")])
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        third_order.main(experiment.settings(third_order, **changes))
