"""Derivatives of a net's loss against complex steps, differences and, where it is installed, PyTorch."""
from itertools import pairwise, product
from types import SimpleNamespace

import numpy as np
import plain_perceptron as plain
import pytest
from plain_perceptron import BIASES, SIZES, H, problem

import mlp
from gradnets import curvature
from gradnets.curvature import assembly, passes

ACTIVATIONS = ("tanh", "relu", "leaky(0.3)")
NETS = list(product(SIZES, ACTIVATIONS, mlp.LOSSES, BIASES))
every_net = pytest.mark.parametrize(("layers", "activation", "loss", "biases"), NETS)


@pytest.mark.parametrize("batch_size", [1, 6])
@pytest.mark.parametrize("biases", BIASES)
def test_gradient_is_the_one_of_training(batch_size, biases):
    network, inputs, labels = problem(3, "leaky(0.3)", "squared", biases, batch=9)
    inputs[:, :3] *= np.random.default_rng(0).random((9, 3)) > 0.5
    data = SimpleNamespace(name="toy", inputs=inputs, labels=labels, classes=2)
    for step in mlp.train(network, data, 3, 0.1, batch_size, seed=1):
        batch = step.activations[0]
        chosen = np.array([labels[(inputs == row).all(axis=1)][0] for row in batch])
        expected = [part.ravel() for layer in zip(step.gradients, step.bias_gradients, strict=True) for part in layer
                    if part is not None]
        np.testing.assert_allclose(curvature.gradient(network, batch, chosen), np.concatenate(expected), rtol=1e-12,
                                   atol=1e-15)
        assert curvature.loss(network, batch, chosen) == pytest.approx(step.loss, rel=1e-13)


@every_net
def test_gradient_and_products_equal_complex_steps_and_differences(layers, activation, loss, biases):
    network, inputs, labels = problem(layers, activation, loss, biases)
    vector, targets = curvature.parameters(network), np.eye(network.sizes[-1])[labels]
    assert curvature.loss(network, inputs, labels) == pytest.approx(plain.losses(network, vector, inputs, targets),
                                                                    rel=1e-12)
    exact = plain.gradients(network, vector, inputs, targets)
    assert np.abs(exact).max() > 0.01
    np.testing.assert_allclose(curvature.gradient(network, inputs, labels), exact, rtol=1e-11, atol=1e-14)
    rows = np.random.default_rng(1).normal(size=(3, vector.size))
    together = curvature.products(network, inputs, labels)(rows)
    np.testing.assert_allclose(together, plain.hessian_products(network, inputs, labels, rows), rtol=1e-7, atol=1e-8)
    for row, expected in zip(rows, together, strict=True):
        alone = curvature.hessian_vector(network, inputs, labels, row)
        np.testing.assert_allclose(alone, expected, rtol=1e-12, atol=1e-14)
        moved = curvature.at(network, vector + 1j * H * row)  # no modulus and no conjugate on the way
        np.testing.assert_allclose(curvature.gradient(moved, inputs, labels).imag / H, alone, rtol=1e-11, atol=1e-13)


@every_net
def test_hessian_and_blocks_by_all_methods(layers, activation, loss, biases):
    network, inputs, labels = problem(layers, activation, loss, biases)
    expected = plain.hessian(network, inputs, labels)
    assert np.abs(expected).max() > 0.01
    structured, operator, differences = (curvature.hessian(network, inputs, labels, method)
                                         for method in curvature.METHODS)
    np.testing.assert_allclose(structured, expected, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(differences, expected, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(structured, operator, rtol=1e-12, atol=1e-12)
    for matrix, rounding in ((structured, 1e-14), (operator, 1e-14), (differences, 1e-8)):  # none is symmetrized
        np.testing.assert_allclose(matrix, matrix.T, rtol=0, atol=rounding * np.abs(expected).max() * 10)
    np.testing.assert_array_equal(curvature.hessian(network, inputs, labels), structured)

    blocks = curvature.blocks(network, inputs, labels)
    if loss == "squared":
        rows, columns = network.weights[-1].shape[0] + (network.biases[-1] is not None), network.sizes[-1]
        assert blocks[-1].shape == (columns, rows, rows)
        dense = np.zeros((rows, columns, rows, columns))
        for unit, block in enumerate(blocks[-1]):
            dense[:, unit, :, unit] = block
        blocks[-1] = dense.reshape(rows * columns, -1)
    for part, block in zip(plain.diagonal_blocks(network, operator), blocks, strict=True):
        np.testing.assert_allclose(block, part, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("chunk", [1, 7, 300])
@pytest.mark.parametrize("loss", mlp.LOSSES)
def test_chunks_of_any_size_give_the_same_hessian(chunk, loss, monkeypatch):
    network, inputs, labels = problem(3, "tanh", loss)
    whole, blocks = curvature.hessian(network, inputs, labels), curvature.blocks(network, inputs, labels)
    monkeypatch.setattr(passes, "CHUNK", chunk)
    monkeypatch.setattr(assembly, "PRODUCTS", chunk)
    for method in ("structured", "r-operator"):
        np.testing.assert_allclose(curvature.hessian(network, inputs, labels, method), whole, rtol=1e-12, atol=1e-14)
    for block, expected in zip(curvature.blocks(network, inputs, labels), blocks, strict=True):
        np.testing.assert_allclose(block, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # PyTorch's own, at its first Hessian
@pytest.mark.parametrize(("activation", "loss"), [("tanh", "cross-entropy"), ("leaky(0.3)", "squared")])
def test_hessian_equals_pytorchs(activation, loss):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (make peers)")
    network, inputs, labels = problem(3, activation, loss, "some")
    functional = torch.nn.functional
    activate = torch.tanh if activation == "tanh" else lambda total: functional.leaky_relu(total, 0.3)
    data, classes = torch.tensor(inputs), torch.tensor(labels)

    def mean_loss(vector):
        value, start = data, 0
        for layer, (rows, columns) in enumerate(pairwise(network.sizes)):
            value = value @ vector[start:start + rows * columns].reshape(rows, columns)
            start += rows * columns
            if network.biases[layer] is not None:
                value = value + vector[start:start + columns]
                start += columns
            if loss == "squared" or layer < len(network.weights) - 1:
                value = activate(value)
        if loss == "cross-entropy":
            return functional.cross_entropy(value, classes)
        return functional.mse_loss(value, functional.one_hot(classes, 2).double(), reduction="sum") / 2 / len(data)

    expected = torch.func.hessian(mean_loss)(torch.tensor(curvature.parameters(network)))
    for method in ("structured", "r-operator"):
        np.testing.assert_allclose(curvature.hessian(network, inputs, labels, method), expected.numpy(), rtol=1e-12,
                                   atol=1e-14)


def test_blocks_of_a_leaky_net_are_positive_inside_an_indefinite_whole():
    network, inputs, labels = problem(3, "leaky(0.3)", "squared", batch=20)
    whole = plain.hessian(network, inputs, labels)
    assert np.linalg.eigvalsh(whole + whole.T)[0] < -0.01
    assert np.linalg.eigvalsh(curvature.hessian(network, inputs, labels))[0] < -0.01
    for block in curvature.blocks(network, inputs, labels):
        assert np.linalg.eigvalsh(block).min() >= -1e-12


@pytest.mark.parametrize(("activation", "loss"), [("tanh", "squared"), ("tanh", "cross-entropy"),
                                                  ("leaky(0.3)", "cross-entropy")])
@pytest.mark.parametrize("layers", SIZES)
def test_third_derivative_equals_second_differences_of_the_gradient(activation, loss, layers):
    network, inputs, labels = problem(layers, activation, loss, "some")
    vector, targets = curvature.parameters(network), np.eye(network.sizes[-1])[labels]
    direction, h = 0.3 * np.random.default_rng(2).normal(size=vector.size), 1e-3
    moves = h * np.arange(-2, 3)[:, None] * direction
    stencil = np.array([-1, 16, -30, 16, -1]) / 12
    expected = stencil @ plain.gradients(network, vector + moves, inputs, targets) / h**2
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(curvature.third(network, inputs, labels, direction), expected, rtol=1e-6, atol=1e-7)


def test_an_autoencoder_has_its_inputs_as_targets():
    rng = np.random.default_rng(3)
    network, inputs, labels = mlp.MLP((5, 3, 5), init="normal(0.8)", seed=rng), rng.random((8, 5)), np.arange(8)
    network.targets = inputs
    vector = curvature.parameters(network)
    assert curvature.loss(network, inputs, labels) == pytest.approx(plain.losses(network, vector, inputs, inputs),
                                                                    rel=1e-13)
    np.testing.assert_allclose(curvature.gradient(network, inputs, labels),
                               plain.gradients(network, vector, inputs, inputs), rtol=1e-11, atol=1e-14)
    moves = 1e-5 * np.eye(vector.size)
    ahead, behind = (plain.gradients(network, vector + sign * moves, inputs, inputs) for sign in (1, -1))
    np.testing.assert_allclose(curvature.hessian(network, inputs, labels), (ahead - behind) / 2e-5, rtol=1e-7,
                               atol=1e-8)
    chosen = np.array([6, 1])
    expected = plain.gradients(network, vector, inputs[chosen], inputs[chosen])
    np.testing.assert_allclose(curvature.gradient(network, inputs[chosen], chosen), expected, rtol=1e-11, atol=1e-14)


# ---- what is refused --------------------------------------------------------------------------------------

BATCH = {"network": mlp.MLP((3, 2), seed=0), "inputs": np.ones((2, 3)), "labels": np.array([0, 1])}
EVERY_DERIVATIVE = [curvature.gradient, curvature.hessian, curvature.products, curvature.blocks,
                    lambda *batch: curvature.hessian(*batch, method="r-operator"),
                    lambda *batch: curvature.hessian(*batch, method="finite-difference"),
                    lambda *batch: curvature.block_step(*batch, 0.1),
                    lambda *batch: curvature.third(*batch, np.ones(8))]


@pytest.mark.parametrize(("inputs", "labels", "message"), [
    (np.ones((2, 4)), np.array([0, 1]), r"inputs of shape \(2, 4\): expected \(batch, 3\)"),
    (np.ones(3), np.array([0]), r"inputs of shape \(3,\)"),
    (np.ones((0, 3)), np.array([], int), r"inputs of shape \(0, 3\).*at least one sample"),
    (np.ones((2, 3)), np.array([0]), r"labels of shape \(1,\) for 2 inputs"),
    (np.ones((2, 3)), np.array([0.0, 1.0]), "expected one integer per input"),
    (np.ones((2, 3)), np.eye(2, dtype=int), r"labels of shape \(2, 2\)"),
    (np.ones((2, 3)), np.array([0, -1]), "labels from -1 to 0: expected 0 to 1"),
    (np.ones((2, 3)), np.array([0, 2]), "labels from 0 to 2"),
])
def test_batches_that_do_not_fit_are_refused(inputs, labels, message):
    for derivative in [*EVERY_DERIVATIVE, curvature.loss]:
        with pytest.raises(ValueError, match=message):
            derivative(mlp.MLP((3, 2)), inputs, labels)


@pytest.mark.parametrize(("activation", "loss"), [("tanh", "cross-entropy"), ("leaky(0.5)", "squared")])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_nets_that_are_not_finite_are_refused_without_a_warning(activation, loss, value):
    network = mlp.MLP((3, 2), activation, loss, seed=0)
    network.weights[0][:, 0] = value
    inputs, labels = np.full((2, 3), 1e200), np.array([0, 1])
    for derivative in EVERY_DERIVATIVE:
        with pytest.raises(curvature.NotFinite, match="outputs or deltas are not finite"):
            derivative(network, inputs, labels)
    assert not np.isfinite(curvature.loss(network, inputs, labels))


def test_products_and_methods_that_cannot_be_are_refused():
    product = curvature.products(**BATCH)
    with pytest.raises(curvature.NotFinite, match="the vector to be multiplied by the Hessian is not finite"):
        product(np.full(8, np.nan))
    with pytest.raises(curvature.NotFinite, match="times the vector is not finite: one of them is too large"):
        product(np.full(8, 1e308))
    with pytest.raises(ValueError, match="'exact': expected structured, r-operator or finite-difference"):
        curvature.hessian(**BATCH, method="exact")
    with pytest.raises(ValueError, match="direction: 8 of 8 numbers are NaN"):
        curvature.third(**BATCH, direction=np.full(8, np.nan))
