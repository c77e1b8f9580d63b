"""Levenberg-Marquardt in sample space against dense Jacobians and solves in parameter space."""
import dense_nets
import numpy as np
import pytest

from gradnets import curvature
from gradnets.errors import UserError


@pytest.mark.parametrize("sizes", [(4, 1), (4, 5, 1), (4, 5, 3, 1)])
@pytest.mark.parametrize("l2", [0.0, 0.03])
def test_steps_equal_the_dense_solves(sizes, l2):
    objective = dense_nets.objective("linear", sizes, l2=l2)
    run, damping = objective.forward(objective.start), 0.2
    derivatives = dense_nets.jacobian(objective, objective.start)[:, 0]
    kernel = curvature.sample_kernel(objective, run)
    np.testing.assert_allclose(kernel, derivatives @ derivatives.T, rtol=1e-11, atol=1e-13)
    step, correction = curvature.geodesic_step(objective, run, kernel, damping)
    damped = derivatives.T @ derivatives / 12 + (damping + l2) * np.eye(len(step))
    np.testing.assert_allclose(step, -np.linalg.solve(damped, objective.gradient(run)), rtol=1e-9, atol=1e-13)
    moves = [dense_nets.preactivations(objective, objective.start + sign * 1e-3 * step)[:, 0] for sign in (1, 0, -1)]
    bend = (moves[0] - 2 * moves[1] + moves[2]) / 1e-6
    second = curvature.second_tangent(objective, run, step)
    np.testing.assert_allclose(second[:, 0], bend, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(correction, -0.5 * np.linalg.solve(damped, derivatives.T @ second[:, 0] / 12), rtol=1e-9,
                               atol=1e-14)


def test_the_acceleration_cancels_the_bend_of_the_outputs():
    """With an invertible kernel and no damping the outputs move by -residuals up to third order in the step."""
    objective = dense_nets.objective("linear", (4, 9, 1), l2=0.0)
    outputs = dense_nets.preactivations(objective, objective.start)
    errors = {}
    for scale in (0.02, 0.01):
        near = curvature.FusedObjective(objective.sizes, objective.inputs[:, :-1],
                                        outputs + scale * np.random.default_rng(1).normal(size=outputs.shape),
                                        objective.start, "linear")
        run = near.forward(near.start)
        step, correction = curvature.geodesic_step(near, run, curvature.sample_kernel(near, run), 1e-14)
        errors[scale] = [np.abs(dense_nets.preactivations(near, near.start + move) - near.targets).max()
                         for move in (step, step + correction)]
    plain, accelerated = (errors[0.02][k] / errors[0.01][k] for k in (0, 1))
    assert plain == pytest.approx(4, abs=1)
    assert accelerated == pytest.approx(8, abs=2.5)


def test_descent_fits_a_function_to_rounding():
    points = np.linspace(-1, 1, 30)[:, None]
    start = np.random.default_rng(0).normal(size=31)
    objective = curvature.FusedObjective((1, 10, 1), points, np.sin(3 * points), start, "linear")
    losses = []
    for iterate in curvature.levenberg_marquardt_descent(objective):
        losses.append(iterate.loss)
        if iterate.loss < 1e-15 or len(losses) == 1000:
            break
    assert losses[-1] < 1e-15
    assert losses == sorted(losses, reverse=True)
    assert iterate.loss == objective.loss(iterate.point)


def test_other_outputs_are_refused():
    for objective in (dense_nets.objective("softmax"), dense_nets.objective("linear")):
        with pytest.raises(UserError, match="one linear output"):
            next(curvature.levenberg_marquardt_descent(objective))
