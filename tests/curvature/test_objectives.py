"""The objective's derivatives against differences of its loss."""
import numpy as np
import pytest
from plain_perceptron import problem

from gradnets import curvature


def test_objective_equals_finite_differences():
    objective = curvature.Objective(*problem(3, "tanh", "cross-entropy"), l2=0.3)
    rng = np.random.default_rng(0)
    start, along = objective.start, rng.normal(size=objective.start.size)
    ahead, behind = start + 1e-5 * along, start - 1e-5 * along
    assert objective.gradient(start) @ along == pytest.approx((objective.loss(ahead) - objective.loss(behind)) / 2e-5,
                                                              rel=1e-6)
    np.testing.assert_allclose(objective.hessian(start) @ along,
                               (objective.gradient(ahead) - objective.gradient(behind)) / 2e-5, atol=1e-7)
    moved = objective.hessian(ahead) - objective.hessian(behind)
    gradient, series = objective.gradient_and_series(start)
    np.testing.assert_allclose(gradient, objective.gradient(start), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(series(along[None]), moved @ along / 4e-5, atol=1e-4)
    without = curvature.Objective(objective.network, *objective.batch)
    assert objective.loss(start) - without.loss(start) == pytest.approx(0.15 * (start**2).sum(), rel=1e-9)
    assert objective.loss(np.full(start.size, 1e200)) == np.inf
