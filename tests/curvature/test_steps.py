"""Newton's step and its relatives against dense algebra written out, scipy's derivatives and known convergence."""
import numpy as np
import plain_perceptron as plain
import pytest
from plain_perceptron import BIASES, SIZES, problem
from scipy import optimize

import mlp
from gradnets import curvature


def indefinite(size=6, seed=0, least=-2.5):
    """Return a gradient, a symmetric matrix, its eigenvalues from `least` to 3, and its eigenvectors in columns."""
    rng = np.random.default_rng(seed)
    vectors, values = np.linalg.qr(rng.normal(size=(size, size)))[0], np.linspace(least, 3.0, size)
    return rng.normal(size=size), vectors @ np.diag(values) @ vectors.T, values, vectors


# ---- steps of a gradient and a Hessian --------------------------------------------------------------------

def test_newtons_step_solves_its_equation():
    gradient, hessian, _, _ = indefinite()
    step = curvature.newton_step(gradient, hessian)
    assert np.abs(hessian @ step + gradient).max() < 1e-13
    np.testing.assert_allclose(step, -np.linalg.inv(hessian) @ gradient, rtol=1e-12)
    network, inputs, labels = problem(2, "tanh", "cross-entropy", batch=40)
    gradient, hessian = curvature.gradient(network, inputs, labels), curvature.hessian(network, inputs, labels)
    hessian += 0.01 * np.eye(len(gradient))  # softmax ignores a constant that is added to all outputs
    assert np.abs(hessian @ curvature.newton_step(gradient, hessian) + gradient).max() < 1e-13


def test_newtons_step_on_rosenbrock_uses_scipys_derivatives():
    point = np.array([-1.2, 1.0, 0.4])
    gradient, hessian = optimize.rosen_der(point), optimize.rosen_hess(point)
    step = curvature.newton_step(gradient, hessian)
    np.testing.assert_allclose(optimize.rosen_hess_prod(point, step), -gradient, rtol=1e-11)


@pytest.mark.parametrize("damping", [2.6, 50.0])
def test_damped_step_adds_to_the_diagonal(damping):
    gradient, hessian, values, vectors = indefinite()
    expected = -vectors @ (vectors.T @ gradient / (values + damping))
    np.testing.assert_allclose(curvature.damped_step(gradient, hessian, damping), expected, rtol=1e-11)


def test_zero_damping_is_newton_where_the_matrix_is_positive():
    gradient, hessian, _, _ = indefinite(least=0.5)
    np.testing.assert_allclose(curvature.damped_step(gradient, hessian, 0.0), -np.linalg.solve(hessian, gradient),
                               rtol=1e-12)


@pytest.mark.parametrize("least", [-2.5, 0.5])
def test_shifted_step_moves_the_spectrum_until_it_is_positive(least):
    gradient, hessian, values, vectors = indefinite(least=least)
    dampings = (0.1, 2.0, 30.0)
    shift = 2.5 if least < 0 else 0.0
    expected = [-vectors @ (vectors.T @ gradient / (values + shift + damping)) for damping in dampings]
    np.testing.assert_allclose(curvature.shifted_step(gradient, hessian, dampings), expected, rtol=1e-11)
    np.testing.assert_allclose(curvature.shifted_step(gradient, hessian, 2.0), expected[1], rtol=1e-11)


def test_saddle_free_step_takes_absolute_eigenvalues():
    gradient, hessian, values, vectors = indefinite()
    dampings = (0.1, 2.0, 30.0)
    expected = [-vectors @ (vectors.T @ gradient / (np.abs(values) + damping)) for damping in dampings]
    np.testing.assert_allclose(curvature.saddle_free_step(gradient, hessian, dampings), expected, rtol=1e-11)
    np.testing.assert_allclose(curvature.saddle_free_step(gradient, hessian, 2.0), expected[1], rtol=1e-11)


def test_damping_inside_the_absolute_value_has_the_sources_pole():
    gradient, hessian, values, vectors = indefinite()  # eigenvalues from -2.5 to 3, 1.1 apart
    for damping in (0.1, 0.7, 2.0):
        expected = -vectors @ (np.abs(1 / (values + damping)) * (vectors.T @ gradient))
        np.testing.assert_allclose(curvature.saddle_free_step(gradient, hessian, damping, inside=True), expected,
                                   rtol=1e-11)
    near = np.linalg.norm(curvature.saddle_free_step(gradient, hessian, 1.4 + 1e-7, inside=True))
    assert near == pytest.approx(1e7 * abs(vectors[:, 1] @ gradient), rel=1e-5)
    assert np.linalg.norm(curvature.saddle_free_step(gradient, hessian, 1.4 + 1e-7)) < np.linalg.norm(gradient)
    with pytest.raises(curvature.SingularHessian, match=r"minus the damping, 0\.1"):
        curvature.saddle_free_step(np.ones(3), np.diag([-0.1, 1.0, 2.0]), 0.1, inside=True)


def test_several_dampings_inside_give_one_step_per_row():
    gradient, hessian, _, _ = indefinite()
    dampings = np.linspace(0.1, 0.2, 6)  # as many as eigenvalues: a wrong axis would raise no error
    np.testing.assert_allclose(curvature.saddle_free_step(gradient, hessian, dampings, inside=True),
                               [curvature.saddle_free_step(gradient, hessian, damping, inside=True)
                                for damping in dampings], rtol=1e-11)


def test_inside_holds_for_lanczos_too():
    gradient, hessian, _, _ = indefinite()
    dense = curvature.saddle_free_step(gradient, hessian, 0.7, inside=True)
    by_products = curvature.saddle_free_step(gradient, hessian.__matmul__, 0.7, inside=True)
    np.testing.assert_allclose(by_products, dense, rtol=1e-11)


def test_saddle_free_by_lanczos_in_the_whole_space_equals_dense():
    network, inputs, labels = problem(3, "tanh", "cross-entropy", batch=30)
    gradient, hessian = curvature.gradient(network, inputs, labels), curvature.hessian(network, inputs, labels)
    values, vectors = np.linalg.eigh(hessian)
    assert values[0] < -0.01
    expected = [-vectors @ (vectors.T @ gradient / (np.abs(values) + damping)) for damping in (0.05, 1.0)]
    product = curvature.products(network, inputs, labels)
    both = curvature.saddle_free_step(gradient, product, (0.05, 1.0), iterations=gradient.size)
    np.testing.assert_allclose(both, expected, rtol=1e-9, atol=1e-12)
    alone = curvature.saddle_free_step(gradient, product, 0.05, iterations=10 * gradient.size)
    np.testing.assert_allclose(alone, expected[0], rtol=1e-9, atol=1e-12)


def test_saddle_free_by_few_lanczos_iterations_is_close():
    rng = np.random.default_rng(4)
    network = mlp.MLP((12, 15, 7), "tanh", "squared", "normal(0.6)", rng)
    inputs, labels = rng.normal(size=(40, 12)), rng.integers(7, size=40)
    gradient, hessian = curvature.gradient(network, inputs, labels), curvature.hessian(network, inputs, labels)
    values, vectors = np.linalg.eigh(hessian)
    assert gradient.size == 307
    assert values[0] < -0.05
    expected = -vectors @ (vectors.T @ gradient / (np.abs(values) + 0.3))
    product, errors = curvature.products(network, inputs, labels), {}
    for iterations in (5, 50, 120):
        calls = []
        step = curvature.saddle_free_step(gradient, lambda v, calls=calls: calls.append(v) or product(v), 0.3,
                                          iterations)
        errors[iterations] = plain.relative_error(step, expected)
        assert len(calls) == iterations
    assert errors[120] < 1e-3 < errors[50] < 1e-2 < 0.1 < errors[5]


def test_a_zero_gradient_asks_for_no_step():
    assert np.array_equal(curvature.saddle_free_step(np.zeros(3), lambda vector: vector, 0.1), np.zeros(3))
    assert np.array_equal(curvature.saddle_free_step(np.zeros(3), np.eye(3), [0.1, 1.0]), np.zeros((2, 3)))


def test_chebyshevs_step_converges_with_third_order():
    # f' = exp(x) - 2 about ln 2: by Taylor the next error is (2 c₂² - c₃) error³ = (1/2 - 1/6) error³
    for error in (0.02, -0.02, 0.005):
        x = np.log(2) + error
        slope, hessian = np.array([np.exp(x) - 2]), np.array([[np.exp(x)]])
        step = curvature.chebyshev_step(slope, hessian, lambda p, x=x: np.exp(x) * p**2)
        assert x + step[0] - np.log(2) == pytest.approx(error**3 / 3, rel=0.06)


def test_chebyshevs_step_is_its_formula_on_rosenbrock():
    point = np.array([-1.2, 1.0])

    def third(p, h=1e-3):  # the Hessian is quadratic in the parameters: central differences are exact
        return (optimize.rosen_hess(point + h * p) - optimize.rosen_hess(point - h * p)) @ p / (2 * h)

    gradient, hessian = optimize.rosen_der(point), optimize.rosen_hess(point)
    newton = np.linalg.solve(hessian, gradient)
    expected = -newton - 0.5 * np.linalg.solve(hessian, third(newton))
    np.testing.assert_allclose(curvature.chebyshev_step(gradient, hessian, third), expected, rtol=1e-9)


def test_chebyshev_needs_fewer_iterations_than_newton_on_logistic_regression():
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(200, 5))
    labels = (inputs @ rng.normal(size=5) + 0.3 * rng.normal(size=200) > 0).astype(int)
    network, l2, iterations = mlp.MLP((5, 2), loss="cross-entropy"), 1e-4, {}

    def gradient_at(vector):
        return curvature.gradient(curvature.at(network, vector), inputs, labels) + l2 * vector

    for name in ("newton", "chebyshev"):
        vector, iterations[name] = np.zeros(12), 0
        while np.linalg.norm(gradient_at(vector)) > 1e-10:
            moved, gradient = curvature.at(network, vector), gradient_at(vector)
            hessian = curvature.hessian(moved, inputs, labels) + l2 * np.eye(12)
            step = curvature.newton_step(gradient, hessian)
            if name == "chebyshev":
                longer = curvature.chebyshev_step(gradient, hessian,
                                                  lambda p, moved=moved: curvature.third(moved, inputs, labels, p))
                if np.linalg.norm(gradient_at(vector + longer)) < np.linalg.norm(gradient):
                    step = longer
            vector = vector + step
            iterations[name] += 1
            assert iterations[name] < 50
        expected = plain.gradients(network, vector, inputs, np.eye(2)[labels]) + l2 * vector
        assert np.linalg.norm(expected) < 2e-10
    assert iterations["chebyshev"] <= 0.8 * iterations["newton"]


# ---- block steps ------------------------------------------------------------------------------------------

def block_newton(network, inputs, labels, damping):
    """Return -(|H_l| + damping I)⁻¹ g_l from the reference's Hessian and gradient, by eigendecomposition."""
    vector = plain.vector_of(network)
    gradient = plain.gradients(network, vector, inputs, np.eye(network.sizes[-1])[labels])
    parts = np.split(gradient, np.cumsum(plain.layer_sizes(network))[:-1])
    steps = []
    for part, block in zip(parts, plain.diagonal_blocks(network, plain.hessian(network, inputs, labels)), strict=True):
        values, vectors = np.linalg.eigh((block + block.T) / 2)
        steps.append(-vectors @ (vectors.T @ part / (np.abs(values) + damping)))
    return np.concatenate(steps)


@pytest.mark.parametrize(("activation", "loss"), [("leaky(0.3)", "squared"), ("relu", "cross-entropy")])
@pytest.mark.parametrize("biases", BIASES)
@pytest.mark.parametrize("layers", SIZES)
def test_block_step_by_its_three_methods(layers, activation, loss, biases):
    network, inputs, labels = problem(layers, activation, loss, biases, batch=20)
    expected = block_newton(network, inputs, labels, 0.1)
    default = curvature.block_step(network, inputs, labels, 0.1)
    for method in curvature.BLOCK_METHODS:
        step = curvature.block_step(network, inputs, labels, 0.1, method)
        np.testing.assert_allclose(step, expected, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(step, default, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("loss", mlp.LOSSES)
def test_an_indefinite_block_is_refused_or_made_positive(loss):
    network, inputs, labels = problem(2, "tanh", loss, batch=20)
    least = min(np.linalg.eigvalsh(block).min() for block in curvature.blocks(network, inputs, labels))
    assert least < -0.01
    with pytest.raises(curvature.IndefiniteHessian, match=f"least eigenvalue is .* damping {-least / 2:g}"):
        curvature.block_step(network, inputs, labels, -least / 2, "cholesky")
    with pytest.raises(curvature.IndefiniteHessian, match=r"layer \d has negative curvature"):
        curvature.block_step(network, inputs, labels, -least / 2)
    step = curvature.block_step(network, inputs, labels, -least / 2, "eigendecomposition")
    np.testing.assert_allclose(step, block_newton(network, inputs, labels, -least / 2), rtol=1e-6, atol=1e-7)


# ---- what is refused --------------------------------------------------------------------------------------

EYE, ONES, BAD = np.eye(2), np.ones(2), np.array([[np.nan, 0.0], [np.inf, 1.0]])
BATCH = {"network": mlp.MLP((3, 2), seed=0), "inputs": np.ones((2, 3)), "labels": np.array([0, 1])}


@pytest.mark.parametrize("step", [curvature.newton_step, lambda *a: curvature.damped_step(*a, 1.0),
                                  lambda *a: curvature.shifted_step(*a, 1.0),
                                  lambda *a: curvature.saddle_free_step(*a, 1.0),
                                  lambda *a: curvature.chebyshev_step(*a, lambda p: p)])
def test_every_step_refuses_numbers_that_are_not_finite_or_do_not_fit(step):
    with pytest.raises(curvature.NotFinite, match="the gradient has 1 entries"):
        step(np.array([1.0, np.nan]), EYE)
    with pytest.raises(curvature.NotFinite, match="the Hessian has 2 entries"):
        step(ONES, BAD)
    for wrong in (np.eye(3), np.ones((2, 3)), ONES):
        with pytest.raises(ValueError, match=r"expected \(2, 2\)"):
            step(ONES, wrong)


@pytest.mark.parametrize("hessian", [np.zeros((2, 2)), np.ones((2, 2)), np.diag([1.0, 1e-17])])
@pytest.mark.parametrize("step", [curvature.newton_step, lambda *a: curvature.chebyshev_step(*a, lambda p: p)])
def test_singular_hessians_are_refused(step, hessian):
    with pytest.raises(curvature.SingularHessian, match="2 parameters is singular to rounding: choose a damped"):
        step(ONES, hessian)


@pytest.mark.parametrize("damping", [0.0, 0.1, 2.0])
def test_too_little_damping_is_refused_with_the_least_eigenvalue(damping):
    with pytest.raises(curvature.IndefiniteHessian, match=f"least eigenvalue is -2 and the damping {damping:g}"):
        curvature.damped_step(ONES, np.diag([3.0, -2.0]), damping)


def test_a_damped_hessian_that_is_singular_or_overflows_is_refused():
    with pytest.raises(curvature.SingularHessian, match="a damping of 1e-17 is singular to rounding"):
        curvature.damped_step(ONES, np.diag([1.0, 0.0]), 1e-17)
    with np.errstate(over="ignore"), pytest.raises(curvature.NotFinite, match="the Hessian with damping has 2 entries"):
        curvature.damped_step(ONES, np.diag([1e308, 1e308]), 1e308)
    with pytest.raises(curvature.SingularHessian, match="the step is not finite: choose more damping"):
        curvature.saddle_free_step(np.full(2, 1e300), np.zeros((2, 2)), 1e-300)


@pytest.mark.parametrize("damping", [0.0, -1.0, np.nan, np.inf, (1.0, 0.0), (1.0, np.inf)])
@pytest.mark.parametrize("step", [lambda damping: curvature.shifted_step(ONES, EYE, damping),
                                  lambda damping: curvature.saddle_free_step(ONES, EYE, damping),
                                  lambda damping: curvature.saddle_free_step(ONES, lambda v: v, damping),
                                  lambda damping: curvature.block_step(**BATCH, damping=damping)])
def test_dampings_that_must_be_positive(step, damping):
    with pytest.raises(ValueError, match="expected positive, finite numbers"):
        step(damping)


@pytest.mark.parametrize("damping", [-1.0, np.nan, np.inf])
def test_dampings_that_must_be_at_least_zero(damping):
    with pytest.raises(ValueError, match="expected finite numbers of at least 0"):
        curvature.damped_step(ONES, EYE, damping)


def test_several_dampings_and_unknown_methods_are_refused():
    with pytest.raises(ValueError, match="expected one number"):
        curvature.damped_step(ONES, EYE, [0.1, 0.2])
    with pytest.raises(ValueError, match="method is 'lu': expected conjugate-gradients, cholesky or eigen"):
        curvature.block_step(**BATCH, damping=1, method="lu")
