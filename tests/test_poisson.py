"""Poisson's equation: the residuals of the solution itself, the methods on a small budget, rows and sentences."""
import numpy as np
import pytest
from helpers import assert_fits_the_page

import poisson
from gradnets import experiment


def test_the_source_is_minus_the_solutions_laplacian_and_the_boundary_is_zero():
    problem, h = poisson.Poisson(4), 1e-3
    assert problem.inside.shape == (16, 2)
    assert problem.boundary.shape == (16, 2)
    moves = h * np.eye(2)
    around = sum(poisson.solution(problem.inside + sign * move) for move in moves for sign in (1, -1))
    laplacian = (around - 4 * poisson.solution(problem.inside)) / h**2
    np.testing.assert_allclose(problem.source, -laplacian, rtol=1e-5)
    np.testing.assert_allclose(poisson.solution(problem.boundary), 0, atol=1e-15)
    assert ((problem.boundary == 0) | (problem.boundary == 1)).any(axis=1).all()
    assert 0 < problem.inside.min() < problem.inside.max() < 1
    assert len(problem.residuals(poisson.initial(3, 0))) == 32
    assert problem.error(np.zeros(13)) == pytest.approx(1.0)


def test_the_gradient_equals_differences_of_the_loss():
    problem, vector = poisson.Poisson(3), poisson.initial(4, 1)
    loss, gradient = problem.loss_and_gradient(vector)
    assert loss == pytest.approx((problem.residuals(vector)**2).sum() / 2)
    ahead, behind = (np.array([problem.loss_and_gradient(vector + sign * 1e-5 * unit)[0] for unit in np.eye(17)])
                     for sign in (1, -1))
    np.testing.assert_allclose(gradient, (ahead - behind) / 2e-5, rtol=1e-6, atol=1e-6 * np.abs(gradient).max())


@pytest.mark.parametrize(("method", "options", "steps"), [
    (poisson.levenberg_marquardt, (), 40), (poisson.lbfgs, (), 150), (poisson.adam, (1e-2,), 20)])
def test_each_method_lowers_the_loss_and_ends_when_told(method, options, steps):
    problem, vector, points = poisson.Poisson(5), poisson.initial(6, 0), []

    def report(point):
        points.append(point.copy())
        return len(points) == steps

    method(problem, vector, report, *options)
    assert len(points) == steps
    first, last = (problem.loss_and_gradient(point)[0] for point in (vector, points[-1]))
    assert last < 0.1 * first
    losses = [problem.loss_and_gradient(point)[0] for point in points]
    assert method is poisson.adam or all(np.diff(losses) <= 0)
    assert poisson.adam is method or problem.error(points[-1]) < 0.2


def test_the_time_to_the_target_is_that_of_the_first_error_below():
    times, errors = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 0.1, 0.5, 0.01])
    assert poisson.first_below(times, errors, 0.2) == 2.0
    assert poisson.first_below(times, errors, 0.1) == 4.0
    assert poisson.first_below(times, errors, 0.001) == np.inf
    row = poisson.row_of("Adam", [(times, errors), (times, errors + 1)], 0.2)
    assert (row["runs"], row["arrived"], row["seconds"], row["error_high"]) == (2, 1, 2.0, 1.01)


def test_the_finding_names_the_method_that_arrives():
    rows = [{"what": name, "arrived": count, "seconds": seconds}
            for name, count, seconds in (("Adam", 0, np.inf), ("L-BFGS", 3, 0.5), ("Levenberg-Marquardt", 3, 0.4))]
    assert poisson.finding_of(rows, 1e-6) == "Levenberg-Marquardt solves Poisson's equation to 1e-6 in 0.40 s"
    assert poisson.finding_of(rows[:2], 1e-6).endswith("in 0.50 s; no other method does")
    assert poisson.finding_of(rows[:1], 1e-6) == "No method solves Poisson's equation to 1e-06"


def test_main_makes_a_row_for_each_method():
    result = poisson.main(experiment.settings(poisson, runs=2, points=4, hidden_units=4, seconds=0.05, target=0.5))
    assert [row["what"] for row in result.rows] == list(poisson.STYLES)
    assert all(row["runs"] == 2 and row["error_low"] <= row["error"] <= row["error_high"] for row in result.rows)
    assert_fits_the_page(result)


@pytest.mark.parametrize(("changes", "message"), [
    ({"runs": 0}, "runs is 0"), ({"seconds": 0.0}, "seconds is 0.0 and target 1e-06"),
    ({"target": 2.0}, "seconds is 1.5 and target 2.0")])
def test_mistakes_are_named(changes, message):
    with pytest.raises(ValueError, match=message):
        poisson.main(experiment.settings(poisson, **changes))
