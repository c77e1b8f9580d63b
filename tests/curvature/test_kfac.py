"""K-FAC's factors, solves and momentum against dense Kronecker products and matrices."""
import itertools

import dense_nets
import numpy as np
import pytest

from gradnets import curvature
from gradnets.curvature import kfac


def test_a_solve_equals_the_dense_kronecker_product():
    rng = np.random.default_rng(0)
    squares = [rng.normal(size=(9, n)) for n in (5, 3)]
    inputs, gradients = (square.T @ square / 9 for square in squares)
    part, damping = rng.normal(size=(5, 3)), 0.07
    solved, = curvature.KroneckerPreconditioner([(inputs, gradients)], damping).solve([part])
    pi = np.sqrt(np.trace(inputs) / 5 / (np.trace(gradients) / 3))
    dense = np.kron(inputs + pi * damping**0.5 * np.eye(5), gradients + damping**0.5 / pi * np.eye(3))
    np.testing.assert_allclose(solved.ravel(), np.linalg.solve(dense, part.ravel()), rtol=1e-10)


@pytest.mark.parametrize("output", ["softmax", "tanh", "linear"])
def test_second_moments_of_drawn_targets_are_the_output_curvature(output):
    objective = dense_nets.objective(output, samples=4)
    run, rng = objective.forward(objective.start), np.random.default_rng(0)
    draws = np.array([kfac.output_gradients(objective, run, rng) for _ in range(20_000)])
    for sample, values in enumerate(run.outputs):
        expected = {"softmax": np.diag(values) - np.outer(values, values),
                    "tanh": np.diag((1 - values**2)**2), "linear": np.eye(3)}[output]
        np.testing.assert_allclose(draws[:, sample].T @ draws[:, sample] / len(draws), expected, atol=0.05)
    assert np.abs(draws.mean(axis=0)).max() < 0.05


def test_factors_are_the_layers_second_moments():
    objective = dense_nets.objective("softmax", (4, 5, 2, 3))
    run = objective.forward(objective.start)
    factors = curvature.kronecker_factors(objective, run, np.random.default_rng(3))
    delta = kfac.output_gradients(objective, run, np.random.default_rng(3))
    derivatives = dense_nets.jacobian(objective, objective.start)
    # a bias's derivative is the delta of its unit, because its input is 1
    of_biases = [objective.split(np.arange(objective.start.size))[layer][-1] for layer in range(3)]
    for (inputs, gradients), layer_inputs, places in zip(factors, run.inputs, of_biases, strict=True):
        deltas = np.einsum("np,npk->nk", delta, derivatives[:, :, places])
        np.testing.assert_allclose(gradients, deltas.T @ deltas / 12, rtol=1e-10, atol=1e-15)
        if inputs is not None:
            np.testing.assert_allclose(inputs, layer_inputs.T @ layer_inputs / 12, rtol=1e-12)
    assert [inputs is None for inputs, _ in factors] == [True, False, False]


def test_momentum_minimizes_the_quadratic_model():
    objective = dense_nets.objective("softmax")
    run, rng = objective.forward(objective.start), np.random.default_rng(1)
    gradient, directions = objective.gradient(run), list(rng.normal(size=(2, objective.start.size)))
    changes = [curvature.tangent(objective, run, direction) for direction in directions]
    shares, value = kfac.best_combination(objective, run, gradient, directions, changes, 0.2)
    matrix = dense_nets.gauss_newton_matrix(objective, objective.start) + 0.2 * np.eye(len(gradient))

    def model(first, second):
        step = first * directions[0] + second * directions[1]
        return gradient @ step + step @ matrix @ step / 2

    assert model(*shares) == pytest.approx(value, rel=1e-9)
    for moves in itertools.product((-0.01, 0.01), repeat=2):
        assert model(*(shares + np.array(moves))) > value


def test_one_linear_layer_needs_a_few_steps():
    objective = dense_nets.objective("linear", (4, 3), samples=40, l2=0.0)  # whose block is one Kronecker product
    solution, *_ = np.linalg.lstsq(objective.inputs, objective.targets, rcond=None)
    best = objective.loss(solution.ravel())
    iterates = list(itertools.islice(curvature.kfac_descent(objective, damping=1e-6), 12))
    assert iterates[-1].loss == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("output", ["softmax", "tanh", "linear"])
def test_the_reused_products_give_the_loss_at_the_point(output):
    objective = dense_nets.objective(output, (4, 5, 2, 3), samples=60, l2=1e-3)
    iterates = list(itertools.islice(curvature.kfac_descent(objective), 80))
    losses = [iterate.loss for iterate in iterates]
    assert losses == sorted(losses, reverse=True)
    assert iterates[-1].loss == pytest.approx(objective.loss(iterates[-1].point), rel=1e-11)
    assert losses[-1] < 0.9 * losses[0]
    gradient = np.linalg.norm(objective.loss_and_gradient(iterates[-1].point)[1])
    assert gradient < 0.2 * np.linalg.norm(objective.loss_and_gradient(objective.start)[1])
