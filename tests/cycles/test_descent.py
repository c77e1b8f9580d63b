"""Descent of a small net beside `mlp.py` and the tested derivatives of `gradnets.curvature`, and beside itself."""
import numpy as np
import pytest

import mlp
from gradnets import curvature, cycles
from gradnets.errors import UserError

DECAY = 0.03


def problem(units=3, items=11, features=4, seed=0):
    rng = np.random.default_rng(seed)
    inputs, targets = rng.normal(size=(items, features)), rng.choice([-0.8, 0.8], items)
    descent = cycles.Descent(inputs, targets, units, DECAY)
    return descent, rng.normal(0, 0.5, descent.size)


def by_curvature(function, descent, point):
    """Return a derivative of the loss by an mlp net for each of the two targets, weighted by their items."""
    network, total = mlp.MLP((descent.inputs.shape[1], descent.hidden_units, 1), "tanh", "squared", seed=0), 0
    for target in np.unique(descent.targets):
        network.targets = np.full((1, 1), target)
        chosen = descent.inputs[descent.targets == target]
        part = function(curvature.at(network, point), chosen, np.zeros(len(chosen), int))
        total = total + part * len(chosen) / len(descent.inputs)
    return total


@pytest.mark.parametrize("units", [1, 3])
def test_derivatives_are_those_of_mlp(units):
    descent, point = problem(units)
    size = descent.size
    assert descent.loss(point) == pytest.approx(by_curvature(curvature.loss, descent, point)
                                                + DECAY / 2 * (point**2).sum())
    np.testing.assert_allclose(descent.gradient(point),
                               by_curvature(curvature.gradient, descent, point) + DECAY * point, atol=1e-14)
    np.testing.assert_allclose(descent.hessian(point),
                               by_curvature(curvature.hessian, descent, point) + DECAY * np.eye(size), atol=1e-14)


def test_an_orbit_takes_steps_along_the_gradient():
    descent, point = problem()
    points = [point]
    for _ in range(6):
        points.append(points[-1] - 0.7 * descent.gradient(points[-1]))
    np.testing.assert_allclose(descent.orbit(point, 0.7, 2, 4), points[2:6], rtol=1e-12)
    end, jacobian, by_rate = descent.around(point, 0.7, 3)
    np.testing.assert_allclose(end, points[3], rtol=1e-12)
    h = 1e-5
    numeric = [(descent.around(point + h * e, 0.7, 3)[0] - descent.around(point - h * e, 0.7, 3)[0]) / (2 * h)
               for e in np.eye(descent.size)]
    np.testing.assert_allclose(jacobian, np.transpose(numeric), atol=1e-8)
    np.testing.assert_allclose(by_rate, (descent.around(point, 0.7 + h, 3)[0] - descent.around(point, 0.7 - h, 3)[0])
                               / (2 * h), atol=1e-8)
    np.testing.assert_array_equal(point, problem()[1])  # is not written to


def test_a_minimum_flips_at_two_over_its_sharpness():
    descent, point = problem(units=1)
    for _ in range(20_000):
        point = point - 0.3 * descent.gradient(point)
    sharpness = np.linalg.eigvalsh(descent.hessian(point))[-1]
    cycle = cycles.find(descent.around, point, 1 / sharpness, 1)
    crossing = cycles.follow(descent.around, cycle, 0.1 / sharpness, 9 / sharpness)
    assert crossing.kind == cycles.FLIP
    assert crossing.cycle.rate == pytest.approx(2 / sharpness, rel=1e-6)


@pytest.mark.parametrize(("arguments", "message"), [
    ((np.ones((3, 2)), np.ones(4), 1, 0.1), "one target per row"),
    ((np.ones((3, 2)), np.ones(3), 0, 0.1), "hidden_units is 0"),
    ((np.ones((3, 2)), np.ones(3), 1, -0.1), "decay is -0.1"),
    ((np.ones(3), np.ones(3), 1, 0.1), "inputs"),
])
def test_mistakes_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        cycles.Descent(*arguments)
    descent, point = problem()
    with pytest.raises(UserError, match="expected 19"):
        descent.gradient(point[1:])
