"""Taylor coefficients of gradients against Cauchy's integral, and the terms of Newton's path against the path."""
from itertools import pairwise, product

import numpy as np
import plain_perceptron as plain
import pytest
from plain_perceptron import BIASES, SIZES, problem
from scipy import integrate, optimize

import mlp
from gradnets import curvature

COUNT, RADIUS = 16, 0.1  # points on the circle of Cauchy's integral, and its radius


def by_cauchys_integral(network, inputs, labels, terms):
    """Return the coefficient of t^k of a plain gradient along the path of k - 1 terms."""
    start, targets, k = plain.vector_of(network), np.eye(network.sizes[-1])[labels], len(terms) + 1
    angles = np.exp(2j * np.pi * np.arange(COUNT) / COUNT)
    powers = (RADIUS * angles)[:, None]**np.arange(1, k)
    gradients = [gradient_of(network, start + path, inputs, targets) for path in powers @ terms]
    return (angles**-k @ gradients).real / COUNT / RADIUS**k


def gradient_of(network, vector, inputs, targets, h=1e-5):
    """Return a complex gradient: central differences of the plain loss, of the fourth order."""
    moves = h * np.eye(vector.size)
    values = [plain.losses(network, vector + k * moves, inputs, targets) for k in (-2, -1, 1, 2)]
    return np.array([1, -8, 8, -1]) / 12 @ values / h


@pytest.mark.parametrize(("layers", "loss", "biases"), list(product(SIZES, mlp.LOSSES, BIASES)))
def test_coefficients_equal_cauchys_integral(layers, loss, biases):
    network, inputs, labels = problem(layers, "tanh", loss, biases)
    vector = curvature.parameters(network)
    terms = 0.3 * np.random.default_rng(0).normal(size=(4, vector.size))
    series = curvature.GradientSeries(network, inputs, labels)
    np.testing.assert_allclose(series.gradient, curvature.gradient(network, inputs, labels), rtol=1e-13, atol=1e-16)
    for k in (2, 3, 4, 5):
        expected = by_cauchys_integral(network, inputs, labels, terms[:k - 1])
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(series(terms[:k - 1]), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("activation", "loss"), [("tanh", "squared"), ("tanh", "cross-entropy"),
                                                  ("leaky(0.3)", "squared"), ("leaky(0.3)", "cross-entropy")])
def test_the_second_coefficient_is_half_of_the_third_derivative(activation, loss):
    network, inputs, labels = problem(3, activation, loss, "some")
    direction = np.random.default_rng(1).normal(size=curvature.parameters(network).size)
    series = curvature.GradientSeries(network, inputs, labels)
    expected = curvature.third(network, inputs, labels, direction) / 2
    np.testing.assert_allclose(series(direction[None]), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("point", [(0.8, 0.7), (-0.5, 0.9)])  # a positive definite Hessian, and an indefinite one
def test_terms_are_the_derivatives_of_newtons_path(point):
    """The path solves dx/dt = -H(x)⁻¹ g(0): a reference by an integrator, without any series."""
    start = np.array(point)
    gradient, hessian = optimize.rosen_der(start), optimize.rosen_hess(start)

    def coefficient(terms):
        x, y = np.vstack([start, terms, np.zeros(2)]).T
        top = len(terms) + 1
        excess = y - np.convolve(x, x)[:top + 1]
        return np.array([2 * x[top] - 400 * np.convolve(x, excess)[top], 200 * excess[top]])

    terms = curvature.newton_series(gradient, hessian, coefficient, 5)
    times = np.linspace(0, 0.02, 9)
    path = integrate.solve_ivp(lambda _, x: -np.linalg.solve(optimize.rosen_hess(x), gradient), (0, 0.02), start,
                               t_eval=times, rtol=1e-12, atol=1e-13).y.T
    lengths = [np.linalg.norm(start + times[-1]**np.arange(1, k + 1) @ terms[:k] - path[-1]) for k in range(1, 5)]
    assert all(longer < 0.3 * shorter for shorter, longer in pairwise(lengths))
    np.testing.assert_allclose(optimize.rosen_der(path[-1]), 0.98 * gradient, rtol=1e-8)


def test_order_two_is_newtons_step_and_order_three_is_chebyshevs():
    network, inputs, labels = problem(1, "tanh", "cross-entropy", batch=40)
    objective = curvature.Objective(network, inputs, labels, l2=0.1)
    gradient, series = objective.gradient_and_series(objective.start)
    hessian = objective.hessian(objective.start)
    terms = curvature.newton_series(gradient, hessian, series, 3)
    np.testing.assert_allclose(terms[0], curvature.newton_step(gradient, hessian), rtol=1e-11)
    chebyshev = curvature.chebyshev_step(gradient, hessian, lambda p: curvature.third(network, inputs, labels, p))
    np.testing.assert_allclose(terms.sum(axis=0), chebyshev, rtol=1e-10)
    assert np.array_equal(curvature.newton_series(gradient, hessian, None, 2), terms[:1])


def test_errors_near_a_minimum_shrink_with_the_order():
    """The root of x + x² + x³ / 2 is 0: k terms leave an error that scales as the (k + 1)th power of the distance."""
    def length_after(x, order):
        def coefficient(terms):
            path = np.concatenate([[x], terms[:, 0], [0.0]])
            square = np.convolve(path, path)
            return np.array([square[len(terms) + 1] + np.convolve(square, path)[len(terms) + 1] / 2])
        gradient, hessian = np.array([x + x**2 + x**3 / 2]), np.array([[1 + 2 * x + 1.5 * x**2]])
        return abs(x + curvature.newton_series(gradient, hessian, coefficient, order).sum())

    for order in (2, 3, 4, 5):
        rate = np.log(length_after(0.02, order) / length_after(0.01, order)) / np.log(2)
        assert rate == pytest.approx(order, abs=0.3)


def test_what_has_no_series_is_refused():
    gradient, hessian = np.ones(2), np.eye(2)
    with pytest.raises(curvature.SingularHessian, match="singular to rounding"):
        curvature.newton_series(gradient, np.ones((2, 2)), None, 2)
    with pytest.raises(curvature.NotFinite, match="term 2 of Newton's path is not finite"):
        curvature.newton_series(gradient, hessian, lambda terms: np.full(2, np.inf), 3)
    for order in (0, 1, 2.5):
        with pytest.raises(ValueError, match="order is"):
            curvature.newton_series(gradient, hessian, None, order)
    network, inputs, labels = problem(2, "tanh", "squared")
    size = curvature.parameters(network).size
    with pytest.raises(ValueError, match="2 terms of the path after 0: expected one more in each call"):
        curvature.GradientSeries(network, inputs, labels)(np.ones((2, size)))
    with pytest.raises(curvature.NotFinite, match="Taylor coefficient is not finite"):
        curvature.GradientSeries(network, inputs, labels)(np.full((1, size), 1e200))
