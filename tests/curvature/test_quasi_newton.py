"""The update of the scaled inverse against the textbook's dense formula; the line search against its conditions."""
import dense_nets
import numpy as np
import pytest
from scipy import optimize

from gradnets import curvature
from gradnets.curvature import quasi_newton


def dense(inverse):
    """Return the inverse as a full matrix, float64 (p, p)."""
    lower = np.tril(inverse.matrix).astype(float)
    return inverse.scale * (lower + np.tril(lower, -1).T)


def bfgs_update(matrix, step, change):
    """Return the BFGS update of an inverse, by the product form of Nocedal and Wright (2006), eq. 6.17."""
    along = step @ change
    left = np.eye(len(step)) - np.outer(step, change) / along
    return left @ matrix @ left.T + np.outer(step, step) / along


def test_updates_equal_the_dense_formula():
    rng = np.random.default_rng(0)
    hessian = rng.normal(size=(7, 7))
    hessian = hessian @ hessian.T + 0.1 * np.eye(7)
    inverse, expected = curvature.ScaledInverse(7), np.eye(7)
    gradient = rng.normal(size=7)
    product, scaled = gradient, 0
    for index in range(6):
        step = -rng.uniform(0.3, 3.0) * product
        change = hessian @ step + 0.05 * rng.normal() * step
        curved = step @ np.linalg.solve(expected, step)
        if index == 0:
            expected = step @ change / (change @ change) * expected
        else:
            scaled += step @ change < curved
            expected = expected / min(1.0, step @ change / curved)
        expected = bfgs_update(expected, step, change)
        product = inverse.update(step, change, curved, gradient + change, product)
        gradient = gradient + change
        np.testing.assert_allclose(dense(inverse), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
        np.testing.assert_allclose(inverse.times(change), step, rtol=1e-3, atol=1e-5 * np.abs(step).max())  # secant
        np.testing.assert_allclose(product, expected @ gradient, rtol=1e-3, atol=1e-4 * np.abs(product).max())
    assert 0 < scaled < 5  # both cases have been met


def test_line_search_ends_at_the_weak_wolfe_conditions():
    objective = dense_nets.objective("softmax")
    loss, gradient = objective.loss_and_gradient(objective.start)
    for first in (1e-6, 1.0, 1e6):
        length, value, new_gradient = quasi_newton.line_search(objective, objective.start, loss, gradient, -gradient,
                                                               first)
        end = objective.start - length * gradient
        assert value == objective.loss(end)
        assert value <= loss - 1e-4 * length * gradient @ gradient
        assert -new_gradient @ gradient >= -0.9 * gradient @ gradient


@pytest.mark.parametrize("sizes", [(4, 3), (4, 5, 3)])
def test_descent_reaches_a_minimum(sizes):
    objective = dense_nets.objective("softmax", sizes)
    iterates = []
    for iterate in curvature.bfgs_descent(objective):
        iterates.append(iterate)
        if len(iterates) == 300:
            break
    losses = [iterate.loss for iterate in iterates]
    assert np.diff(losses).max() < 1e-15
    point = iterates[-1].point
    assert losses[-1] == objective.loss(point)
    assert np.abs(objective.loss_and_gradient(point)[1]).max() < 1e-6
    best = optimize.minimize(objective.loss_and_gradient, point, jac=True, tol=1e-13)
    assert losses[-1] == pytest.approx(best.fun, rel=1e-9)
