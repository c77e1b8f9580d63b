"""Gauss-Newton products against the dense matrix, and its minimizer against scipy's."""
import dense_nets
import numpy as np
import pytest
from scipy import optimize

from gradnets import curvature
from gradnets.curvature import gauss_newton


@pytest.mark.parametrize("output", ["softmax", "tanh", "linear"])
@pytest.mark.parametrize("sizes", [(4, 3), dense_nets.SIZES, (4, 5, 2, 3)])
def test_products_equal_the_dense_matrix(output, sizes):
    objective = dense_nets.objective(output, sizes)
    run = objective.forward(objective.start)
    vector = np.random.default_rng(1).normal(size=objective.start.size)
    np.testing.assert_allclose(curvature.tangent(objective, run, vector),
                               dense_nets.jacobian(objective, objective.start) @ vector, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(curvature.gauss_newton_product(objective, run, vector),
                               dense_nets.gauss_newton_matrix(objective, objective.start) @ vector, rtol=1e-10)


def test_without_hidden_units_the_matrix_is_the_hessian():
    objective = dense_nets.objective("softmax", (4, 3))
    along = np.random.default_rng(1).normal(size=objective.start.size)
    ahead, behind = (objective.loss_and_gradient(objective.start + sign * 1e-5 * along)[1] for sign in (1, -1))
    product = curvature.gauss_newton_product(objective, objective.forward(objective.start), along)
    np.testing.assert_allclose(product, (ahead - behind) / 2e-5, rtol=1e-6, atol=1e-9)


def test_steihaugs_step_inside_on_and_beyond_the_ball():
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    positive = vectors @ np.diag(np.linspace(1, 3, 6)) @ vectors.T
    gradient = 1e-9 * rng.normal(size=6)  # so small that the step is nearly exact
    step, image = gauss_newton.steihaug_step(positive.__matmul__, gradient, 1.0)
    np.testing.assert_allclose(step, -np.linalg.solve(positive, gradient), rtol=1e-3, atol=1e-12)
    np.testing.assert_allclose(image, positive @ step, rtol=1e-10, atol=1e-22)
    gradient *= 1e9
    indefinite = vectors @ np.diag(np.linspace(-2, 3, 6)) @ vectors.T
    for matrix, radius in ((positive, 0.01), (indefinite, 5.0)):
        step, image = gauss_newton.steihaug_step(matrix.__matmul__, gradient, radius)
        assert np.linalg.norm(step) == pytest.approx(radius, rel=1e-12)
        cauchy = -radius * gradient / np.linalg.norm(gradient)
        assert gradient @ step + step @ image / 2 <= gradient @ cauchy + cauchy @ matrix @ cauchy / 2 + 1e-12


def test_descent_reaches_the_minimum_of_a_convex_loss():
    objective = dense_nets.objective("softmax", (4, 3))
    iterates = list(curvature.gauss_newton_descent(objective))
    losses = [iterate.loss for iterate in iterates]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == objective.loss(iterates[-1].point)
    best = optimize.minimize(objective.loss_and_gradient, objective.start, jac=True, tol=1e-13)
    assert losses[-1] == pytest.approx(best.fun, rel=1e-10)
    assert len(losses) < 40
