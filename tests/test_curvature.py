"""Curvature against complex steps, dense algebra written out, scipy and, where it is installed, PyTorch."""
from itertools import pairwise, product
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import linalg, optimize

import mlp
from gradnets import curvature

H = 1e-50  # a complex step of the reference, not the module's
SIZES = {1: (4, 3), 2: (4, 5, 3), 3: (4, 3, 5, 2), 4: (3, 4, 2, 5, 3)}  # no two neighbours alike: transposes show
ACTIVATIONS = ("tanh", "relu", "leaky(0.3)")
BIASES = {"biases": (True,) * 4, "none": (False,) * 4, "some": (True, False, False, True)}
NETS = list(product(SIZES, ACTIVATIONS, mlp.LOSSES, BIASES))
every_net = pytest.mark.parametrize(("layers", "activation", "loss", "biases"), NETS)


def problem(layers, activation, loss, biases="biases", batch=7, seed=963):
    """A net, inputs and labels, drawn: with this seed every net has a gradient and no unit sits on its kink."""
    sizes, rng = SIZES[layers], np.random.default_rng(seed)
    network = mlp.MLP(sizes, activation, loss, "normal(1)", rng, biases=BIASES[biases][:layers])
    return network, rng.normal(size=(batch, sizes[0])), rng.integers(sizes[-1], size=batch)


# ---- the reference: forward passes written out, on many parameter vectors at once ---------------------------

def plain_totals(network, vectors, inputs):
    """Last pre-activations (..., batch, n_L) at parameters (..., p): layer by layer weights, by rows, and bias."""
    value, start = inputs, 0
    for layer, (rows, columns) in enumerate(pairwise(network.sizes)):
        total = value @ vectors[..., start:start + rows * columns].reshape(*vectors.shape[:-1], rows, columns)
        start += rows * columns
        if network.biases[layer] is not None:
            total = total + vectors[..., None, start:start + columns]
            start += columns
        value = plain_activation(network, total)
    assert start == vectors.shape[-1]
    return total


def plain_activation(network, total):
    if network.activation == "tanh":
        return np.tanh(total)
    return np.where(total.real > 0, total, (network.slope or 0.0) * total)


def plain_losses(network, vectors, inputs, goals):
    """Mean loss (...,) for wanted outputs (batch, n_L)."""
    total = plain_totals(network, vectors, inputs)
    if network.loss_name == "squared":
        return 0.5 * ((plain_activation(network, total) - goals)**2).sum(axis=-1).mean(axis=-1)
    return (np.log(np.exp(total).sum(axis=-1)) - (total * goals).sum(axis=-1)).mean(axis=-1)


def plain_gradients(network, vectors, inputs, goals):
    """Gradients (..., p), exact: a complex step along each axis."""
    steps = 1j * H * np.eye(vectors.shape[-1])
    return plain_losses(network, vectors[..., None, :] + steps, inputs, goals).imag / H


def plain_product(network, inputs, labels, vectors, h=2e-6):
    """Hessian times each row: central differences of exact gradients, good to 1e-9."""
    centre, goals = plain_vector(network), np.eye(network.sizes[-1])[labels]
    ahead, behind = (plain_gradients(network, centre + move * vectors, inputs, goals) for move in (h, -h))
    return (ahead - behind) / (2 * h)


def plain_vector(network):
    parts = [part.ravel() for layer in zip(network.weights, network.biases, strict=True) for part in layer
             if part is not None]
    return np.concatenate(parts)


def plain_jacobians(network, inputs):
    """Derivatives of all outputs by each layer's parameters: a list of (batch n_L, p_l), exact."""
    vector = plain_vector(network)
    outputs = plain_activation(network, plain_totals(network, vector + 1j * H * np.eye(vector.size), inputs))
    ends = np.cumsum(layer_sizes(network))[:-1]
    return np.split(outputs.imag.reshape(vector.size, -1).T / H, ends, axis=1)


def layer_sizes(network):
    return [(rows + (bias is not None)) * columns
            for (rows, columns), bias in zip(pairwise(network.sizes), network.biases, strict=True)]


def diagonal_blocks(network, whole):
    ends = np.cumsum([0, *layer_sizes(network)])
    return [whole[start:end, start:end] for start, end in pairwise(ends)]


# ---- parameters as one vector -----------------------------------------------------------------------------

@pytest.mark.parametrize("biases", BIASES)
def test_parameters_are_split_and_put_back(biases):
    network, inputs, _ = problem(4, "tanh", "squared", biases)
    vector = curvature.parameters(network)
    np.testing.assert_array_equal(vector, plain_vector(network))
    assert not any(np.shares_memory(vector, weights) for weights in network.weights)
    other = curvature.at(network, np.arange(vector.size))
    assert [bias is None for bias in other.biases] == [bias is None for bias in network.biases]
    for part, weights, bias in zip(curvature.split(network, np.arange(vector.size)), other.weights, other.biases,
                                   strict=True):
        np.testing.assert_array_equal(part, weights if bias is None else np.vstack([weights, bias]))
    np.testing.assert_array_equal(curvature.parameters(other), np.arange(vector.size))
    np.testing.assert_array_equal(curvature.parameters(network), vector)
    np.testing.assert_array_equal(curvature.at(network, vector).forward(inputs)[-1], network.forward(inputs)[-1])


def test_a_net_at_a_vector_is_a_view_of_it():
    network, _, _ = problem(2, "tanh", "squared")
    vector = curvature.parameters(network)
    other = curvature.at(network, vector)
    vector[:] = 7
    assert all((part == 7).all() for part in other.weights + other.biases)
    assert not (network.weights[0] == 7).any()
    assert curvature.at(network, vector * 1j).weights[1].dtype == complex


def test_many_vectors_are_split_at_once():
    network, _, _ = problem(3, "tanh", "squared", "some")
    vectors = np.arange(2. * 3 * curvature.parameters(network).size).reshape(2, 3, -1)
    for layer, part in enumerate(curvature.split(network, vectors)):
        assert np.shares_memory(part, vectors)
        for index in np.ndindex(2, 3):
            np.testing.assert_array_equal(part[index], curvature.split(network, vectors[index])[layer])


# ---- gradient, product, Hessian ---------------------------------------------------------------------------

@pytest.mark.parametrize("batch_size", [1, 6])
@pytest.mark.parametrize("biases", BIASES)
def test_gradient_is_the_one_that_training_takes(batch_size, biases):
    network, inputs, labels = problem(3, "leaky(0.3)", "squared", biases, batch=9)
    inputs[:, :3] *= np.random.default_rng(0).random((9, 3)) > 0.5
    data = SimpleNamespace(name="toy", inputs=inputs, labels=labels, classes=2)
    for step in mlp.train(network, data, 3, 0.1, batch_size, seed=1):
        batch = step.activations[0]
        chosen = [labels[(inputs == row).all(axis=1)][0] for row in batch]
        wanted = [part.ravel() for layer in zip(step.gradients, step.bias_gradients, strict=True) for part in layer
                  if part is not None]
        np.testing.assert_allclose(curvature.gradient(network, batch, np.array(chosen)), np.concatenate(wanted),
                                   rtol=1e-12, atol=1e-15)
        assert curvature.loss(network, batch, np.array(chosen)) == pytest.approx(step.loss, rel=1e-13)


@every_net
def test_gradient_and_products_equal_complex_steps_and_differences(layers, activation, loss, biases):
    network, inputs, labels = problem(layers, activation, loss, biases)
    vector, goals = curvature.parameters(network), np.eye(network.sizes[-1])[labels]
    assert curvature.loss(network, inputs, labels) == pytest.approx(plain_losses(network, vector, inputs, goals),
                                                                    rel=1e-12)
    exact = plain_gradients(network, vector, inputs, goals)
    assert np.abs(exact).max() > 0.01
    np.testing.assert_allclose(curvature.gradient(network, inputs, labels), exact, rtol=1e-11, atol=1e-14)
    rows = np.random.default_rng(1).normal(size=(3, vector.size))
    together = curvature.products(network, inputs, labels)(rows)
    np.testing.assert_allclose(together, plain_product(network, inputs, labels, rows), rtol=1e-7, atol=1e-8)
    for row, found in zip(rows, together, strict=True):
        one = curvature.hessian_vector(network, inputs, labels, row)
        np.testing.assert_allclose(one, found, rtol=1e-12, atol=1e-14)
        moved = curvature.at(network, vector + 1j * H * row)  # no modulus and no conjugate on the way
        np.testing.assert_allclose(curvature.gradient(moved, inputs, labels).imag / H, one, rtol=1e-11, atol=1e-13)


@every_net
def test_hessian_by_its_three_methods(layers, activation, loss, biases):
    network, inputs, labels = problem(layers, activation, loss, biases)
    plain = plain_product(network, inputs, labels, np.eye(curvature.parameters(network).size))
    assert np.abs(plain).max() > 0.01
    structured, operator, differences = (curvature.hessian(network, inputs, labels, method)
                                         for method in curvature.METHODS)
    np.testing.assert_allclose(structured, plain, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(differences, plain, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(structured, operator, rtol=1e-12, atol=1e-12)
    for found, rounding in ((structured, 1e-14), (operator, 1e-14), (differences, 1e-8)):  # none is symmetrised
        np.testing.assert_allclose(found, found.T, rtol=0, atol=rounding * np.abs(plain).max() * 10)
    np.testing.assert_array_equal(curvature.hessian(network, inputs, labels), structured)


@pytest.mark.parametrize("chunk", [1, 300, 2000])
def test_hessian_in_chunks_is_the_same(chunk, monkeypatch):
    network, inputs, labels = problem(3, "tanh", "cross-entropy")
    whole = curvature.hessian(network, inputs, labels)
    monkeypatch.setattr(curvature, "CHUNK", chunk)
    for method in ("structured", "r-operator"):
        np.testing.assert_allclose(curvature.hessian(network, inputs, labels, method), whole, rtol=1e-12,
                                   atol=1e-14)


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

    theirs = torch.func.hessian(mean_loss)(torch.tensor(curvature.parameters(network)))
    for method in ("structured", "r-operator"):
        np.testing.assert_allclose(curvature.hessian(network, inputs, labels, method), theirs.numpy(), rtol=1e-12,
                                   atol=1e-14)


@every_net
def test_blocks_are_the_diagonal_of_the_whole(layers, activation, loss, biases):
    network, inputs, labels = problem(layers, activation, loss, biases)
    whole = diagonal_blocks(network, curvature.hessian(network, inputs, labels, "r-operator"))
    found = curvature.blocks(network, inputs, labels)
    if loss == "squared":
        rows, columns = network.weights[-1].shape[0] + (network.biases[-1] is not None), network.sizes[-1]
        assert found[-1].shape == (columns, rows, rows)
        dense = np.zeros((rows, columns, rows, columns))
        for unit, block in enumerate(found[-1]):
            dense[:, unit, :, unit] = block
        found[-1] = dense.reshape(rows * columns, -1)
    for part, block in zip(whole, found, strict=True):
        np.testing.assert_allclose(block, part, rtol=1e-12, atol=1e-13)


def test_blocks_of_a_leaky_net_are_positive_inside_an_indefinite_whole():
    network, inputs, labels = problem(3, "leaky(0.3)", "squared", batch=20)
    whole = plain_product(network, inputs, labels, np.eye(curvature.parameters(network).size))
    assert np.linalg.eigvalsh(whole + whole.T)[0] < -0.01
    assert np.linalg.eigvalsh(curvature.hessian(network, inputs, labels))[0] < -0.01
    for block in curvature.blocks(network, inputs, labels):
        assert np.linalg.eigvalsh(block).min() >= -1e-12


@pytest.mark.parametrize(("activation", "loss"), [("tanh", "squared"), ("tanh", "cross-entropy"),
                                                  ("leaky(0.3)", "cross-entropy")])
@pytest.mark.parametrize("layers", SIZES)
def test_third_derivative_equals_second_differences_of_the_gradient(activation, loss, layers):
    network, inputs, labels = problem(layers, activation, loss, "some")
    vector, goals = curvature.parameters(network), np.eye(network.sizes[-1])[labels]
    direction, h = 0.3 * np.random.default_rng(2).normal(size=vector.size), 1e-3
    moves = h * np.arange(-2, 3)[:, None] * direction
    wanted = np.array([-1, 16, -30, 16, -1]) / 12 @ plain_gradients(network, vector + moves, inputs, goals) / h**2
    assert np.abs(wanted).max() > 0.01
    np.testing.assert_allclose(curvature.third(network, inputs, labels, direction), wanted, rtol=1e-6, atol=1e-7)


def test_an_autoencoder_has_its_inputs_as_targets():
    rng = np.random.default_rng(3)
    network, inputs, labels = mlp.MLP((5, 3, 5), init="normal(0.8)", seed=rng), rng.random((8, 5)), np.arange(8)
    network.targets = inputs
    vector = curvature.parameters(network)
    assert curvature.loss(network, inputs, labels) == pytest.approx(plain_losses(network, vector, inputs, inputs),
                                                                    rel=1e-13)
    np.testing.assert_allclose(curvature.gradient(network, inputs, labels),
                               plain_gradients(network, vector, inputs, inputs), rtol=1e-11, atol=1e-14)
    moves = 1e-5 * np.eye(vector.size)
    ahead, behind = (plain_gradients(network, vector + sign * moves, inputs, inputs) for sign in (1, -1))
    np.testing.assert_allclose(curvature.hessian(network, inputs, labels), (ahead - behind) / 2e-5, rtol=1e-7,
                               atol=1e-8)
    some = np.array([6, 1])
    wanted = plain_gradients(network, vector, inputs[some], inputs[some])
    np.testing.assert_allclose(curvature.gradient(network, inputs[some], some), wanted, rtol=1e-11, atol=1e-14)


# ---- steps of a gradient and a Hessian --------------------------------------------------------------------

def indefinite(size=6, seed=0, least=-2.5):
    """A gradient, a symmetric matrix, its eigenvalues and its eigenvectors in columns."""
    rng = np.random.default_rng(seed)
    vectors, values = np.linalg.qr(rng.normal(size=(size, size)))[0], np.linspace(least, 3.0, size)
    return rng.normal(size=size), vectors @ np.diag(values) @ vectors.T, values, vectors


def test_newtons_step_solves_its_equation():
    gradient, hessian, _, _ = indefinite()
    step = curvature.newton_step(gradient, hessian)
    assert np.abs(hessian @ step + gradient).max() < 1e-13
    np.testing.assert_allclose(step, -np.linalg.inv(hessian) @ gradient, rtol=1e-12)
    network, inputs, labels = problem(2, "tanh", "cross-entropy", batch=40)
    gradient, hessian = curvature.gradient(network, inputs, labels), curvature.hessian(network, inputs, labels)
    hessian += 0.01 * np.eye(len(gradient))  # softmax does not see a constant that is added to all outputs
    assert np.abs(hessian @ curvature.newton_step(gradient, hessian) + gradient).max() < 1e-13


def test_newtons_step_on_rosenbrock_uses_scipys_derivatives():
    point = np.array([-1.2, 1.0, 0.4])
    gradient, hessian = optimize.rosen_der(point), optimize.rosen_hess(point)
    step = curvature.newton_step(gradient, hessian)
    np.testing.assert_allclose(optimize.rosen_hess_prod(point, step), -gradient, rtol=1e-11)


@pytest.mark.parametrize("damping", [2.6, 50.0])
def test_damped_step_adds_to_the_diagonal(damping):
    gradient, hessian, values, vectors = indefinite()
    wanted = -vectors @ (vectors.T @ gradient / (values + damping))
    np.testing.assert_allclose(curvature.damped_step(gradient, hessian, damping), wanted, rtol=1e-11)


def test_zero_damping_is_newton_where_the_matrix_is_positive():
    gradient, hessian, _, _ = indefinite(least=0.5)
    np.testing.assert_allclose(curvature.damped_step(gradient, hessian, 0.0), -np.linalg.solve(hessian, gradient),
                               rtol=1e-12)


@pytest.mark.parametrize("least", [-2.5, 0.5])
def test_shifted_step_moves_the_spectrum_until_it_is_positive(least):
    gradient, hessian, values, vectors = indefinite(least=least)
    dampings = (0.1, 2.0, 30.0)
    shift = 2.5 if least < 0 else 0.0
    wanted = [-vectors @ (vectors.T @ gradient / (values + shift + damping)) for damping in dampings]
    np.testing.assert_allclose(curvature.shifted_step(gradient, hessian, dampings), wanted, rtol=1e-11)
    np.testing.assert_allclose(curvature.shifted_step(gradient, hessian, 2.0), wanted[1], rtol=1e-11)


def test_saddle_free_step_takes_absolute_eigenvalues():
    gradient, hessian, values, vectors = indefinite()
    dampings = (0.1, 2.0, 30.0)
    wanted = [-vectors @ (vectors.T @ gradient / (np.abs(values) + damping)) for damping in dampings]
    np.testing.assert_allclose(curvature.saddle_free_step(gradient, hessian, dampings), wanted, rtol=1e-11)
    np.testing.assert_allclose(curvature.saddle_free_step(gradient, hessian, 2.0), wanted[1], rtol=1e-11)


def test_damping_inside_the_modulus_has_the_sources_pole():
    gradient, hessian, values, vectors = indefinite()  # eigenvalues from -2.5 to 3, 1.1 apart
    for damping in (0.1, 0.7, 2.0):
        wanted = -vectors @ (np.abs(1 / (values + damping)) * (vectors.T @ gradient))
        np.testing.assert_allclose(curvature.saddle_free_step(gradient, hessian, damping, inside=True), wanted,
                                   rtol=1e-11)
    near = np.linalg.norm(curvature.saddle_free_step(gradient, hessian, 1.4 + 1e-7, inside=True))
    assert near == pytest.approx(1e7 * abs(vectors[:, 1] @ gradient), rel=1e-5)
    assert np.linalg.norm(curvature.saddle_free_step(gradient, hessian, 1.4 + 1e-7)) < np.linalg.norm(gradient)
    with pytest.raises(curvature.SingularHessian, match=r"minus the damping, 0\.1"):
        curvature.saddle_free_step(np.ones(3), np.diag([-0.1, 1.0, 2.0]), 0.1, inside=True)


def test_several_dampings_inside_give_a_step_a_row():
    gradient, hessian, _, _ = indefinite()
    dampings = np.linspace(0.1, 0.2, 6)  # as many as eigenvalues: nothing is raised
    np.testing.assert_allclose(curvature.saddle_free_step(gradient, hessian, dampings, inside=True),
                               [curvature.saddle_free_step(gradient, hessian, damping, inside=True)
                                for damping in dampings], rtol=1e-11)


def test_inside_holds_for_lanczos_too():
    gradient, hessian, _, _ = indefinite()
    dense = curvature.saddle_free_step(gradient, hessian, 0.7, inside=True)
    krylov = curvature.saddle_free_step(gradient, hessian.__matmul__, 0.7, inside=True)
    np.testing.assert_allclose(krylov, dense, rtol=1e-11)


def test_saddle_free_by_lanczos_in_the_whole_space_equals_dense():
    network, inputs, labels = problem(3, "tanh", "cross-entropy", batch=30)
    gradient, hessian = curvature.gradient(network, inputs, labels), curvature.hessian(network, inputs, labels)
    values, vectors = np.linalg.eigh(hessian)
    assert values[0] < -0.01
    wanted = [-vectors @ (vectors.T @ gradient / (np.abs(values) + damping)) for damping in (0.05, 1.0)]
    product = curvature.products(network, inputs, labels)
    found = curvature.saddle_free_step(gradient, product, (0.05, 1.0), iterations=gradient.size)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)
    alone = curvature.saddle_free_step(gradient, product, 0.05, iterations=10 * gradient.size)
    np.testing.assert_allclose(alone, wanted[0], rtol=1e-9, atol=1e-12)


def test_saddle_free_by_few_lanczos_iterations_is_close():
    rng = np.random.default_rng(4)
    network = mlp.MLP((12, 15, 7), "tanh", "squared", "normal(0.6)", rng)
    inputs, labels = rng.normal(size=(40, 12)), rng.integers(7, size=40)
    gradient, hessian = curvature.gradient(network, inputs, labels), curvature.hessian(network, inputs, labels)
    values, vectors = np.linalg.eigh(hessian)
    assert gradient.size == 307
    assert values[0] < -0.05
    wanted = -vectors @ (vectors.T @ gradient / (np.abs(values) + 0.3))
    product, errors = curvature.products(network, inputs, labels), {}
    for iterations in (5, 50, 120):
        calls = []
        found = curvature.saddle_free_step(gradient, lambda v, calls=calls: calls.append(v) or product(v), 0.3,
                                           iterations)
        errors[iterations] = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
        assert len(calls) == iterations
    assert errors[120] < 1e-3 < errors[50] < 1e-2 < 0.1 < errors[5]


def test_lanczos_makes_an_orthonormal_basis_in_which_the_matrix_is_tridiagonal():
    start, hessian, values, _ = indefinite(30, seed=2)
    for iterations in (1, 2, 12, 30, 99):
        basis, diagonal, beside = curvature.lanczos(hessian.__matmul__, start, iterations)
        size = min(iterations, 30)
        assert basis.shape == (size, 30)
        assert diagonal.shape == (size,)
        assert beside.shape == (size - 1,)
        np.testing.assert_allclose(basis[0], start / np.linalg.norm(start), rtol=1e-14)
        np.testing.assert_allclose(basis @ basis.T, np.eye(size), atol=1e-12)
        tridiagonal = np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)
        np.testing.assert_allclose(basis @ hessian @ basis.T, tridiagonal, atol=1e-12)
    np.testing.assert_allclose(linalg.eigvalsh_tridiagonal(diagonal, beside), values, atol=1e-12)


def test_lanczos_stays_orthogonal_where_once_is_not_enough():
    rng = np.random.default_rng(0)
    values = np.repeat([1.0, 2.0, 3.0], 20) + 1e-9 * rng.normal(size=60)  # the space all but closes
    basis, _, beside = curvature.lanczos(lambda v: values * v, rng.normal(size=60), 12)
    assert beside.min() < 1e-8
    assert len(basis) > 6
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-12)


def test_lanczos_ends_where_the_space_closes():
    rng = np.random.default_rng(1)
    vectors = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    few = np.repeat([-3.0, 0.0, 1.0, 5.0], 10)
    matrix, calls = vectors @ np.diag(few) @ vectors.T, []
    basis, diagonal, beside = curvature.lanczos(lambda v: calls.append(v) or matrix @ v, rng.normal(size=40), 40)
    assert len(calls) == len(basis) == len(diagonal) == len(beside) + 1 == 4
    np.testing.assert_allclose(linalg.eigvalsh_tridiagonal(diagonal, beside), [-3.0, 0.0, 1.0, 5.0], atol=1e-12)
    assert len(curvature.lanczos(lambda v: 0 * v, np.ones(5), 5)[0]) == 1


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
    wanted = -newton - 0.5 * np.linalg.solve(hessian, third(newton))
    np.testing.assert_allclose(curvature.chebyshev_step(gradient, hessian, third), wanted, rtol=1e-9)


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
            here, gradient = curvature.at(network, vector), gradient_at(vector)
            hessian = curvature.hessian(here, inputs, labels) + l2 * np.eye(12)
            step = curvature.newton_step(gradient, hessian)
            if name == "chebyshev":
                bold = curvature.chebyshev_step(gradient, hessian,
                                                lambda p, here=here: curvature.third(here, inputs, labels, p))
                if np.linalg.norm(gradient_at(vector + bold)) < np.linalg.norm(gradient):
                    step = bold
            vector = vector + step
            iterations[name] += 1
            assert iterations[name] < 50
        theirs = plain_gradients(network, vector, inputs, np.eye(2)[labels]) + l2 * vector
        assert np.linalg.norm(theirs) < 2e-10
    assert iterations["chebyshev"] <= 0.8 * iterations["newton"]


# ---- block steps ------------------------------------------------------------------------------------------

def block_newton(network, inputs, labels, damping):
    """-(|H_l| + damping I)⁻¹ g_l from the reference's Hessian and gradient, by eigendecomposition."""
    vector = plain_vector(network)
    whole = plain_product(network, inputs, labels, np.eye(vector.size))
    gradient = plain_gradients(network, vector, inputs, np.eye(network.sizes[-1])[labels])
    steps = []
    parts = np.split(gradient, np.cumsum(layer_sizes(network))[:-1])
    for part, block in zip(parts, diagonal_blocks(network, whole), strict=True):
        values, vectors = np.linalg.eigh((block + block.T) / 2)
        steps.append(-vectors @ (vectors.T @ part / (np.abs(values) + damping)))
    return np.concatenate(steps)


@pytest.mark.parametrize(("activation", "loss"), [("leaky(0.3)", "squared"), ("relu", "cross-entropy")])
@pytest.mark.parametrize("biases", BIASES)
@pytest.mark.parametrize("layers", SIZES)
def test_block_step_by_its_three_methods(layers, activation, loss, biases):
    network, inputs, labels = problem(layers, activation, loss, biases, batch=20)
    wanted = block_newton(network, inputs, labels, 0.1)
    default = curvature.block_step(network, inputs, labels, 0.1)
    for method in ("conjugate-gradients", "cholesky", "eigendecomposition"):
        found = curvature.block_step(network, inputs, labels, 0.1, method)
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(found, default, rtol=1e-9, atol=1e-10)


def test_conjugate_gradients_that_do_not_converge_say_so(monkeypatch):
    solve = curvature.krylov.cg
    monkeypatch.setattr(curvature.krylov, "cg", lambda *system, **how: solve(*system, **how | {"maxiter": 1}))
    with pytest.raises(curvature.SingularHessian, match="did not converge in layer 1: more damping, or cholesky"):
        curvature.block_step(*problem(2, "leaky(0.3)", "squared"), 0.1)


@pytest.mark.parametrize("loss", mlp.LOSSES)
def test_an_indefinite_block_is_refused_or_made_positive(loss):
    network, inputs, labels = problem(2, "tanh", loss, batch=20)
    least = min(np.linalg.eigvalsh(block).min() for block in curvature.blocks(network, inputs, labels))
    assert least < -0.01
    with pytest.raises(curvature.IndefiniteHessian, match=f"least eigenvalue is .* damping {-least / 2:g}"):
        curvature.block_step(network, inputs, labels, -least / 2, "cholesky")
    with pytest.raises(curvature.IndefiniteHessian, match=r"layer \d has negative curvature"):
        curvature.block_step(network, inputs, labels, -least / 2)
    found = curvature.block_step(network, inputs, labels, -least / 2, "eigendecomposition")
    np.testing.assert_allclose(found, block_newton(network, inputs, labels, -least / 2), rtol=1e-6, atol=1e-7)


# ---- the functional inverse of the gradient ---------------------------------------------------------------

def square_net(sizes, batch, biases, rng, slope=0.5):
    """A leaky net, inputs and labels for arbitrary targets, each sample's its own."""
    network = mlp.MLP(sizes, f"leaky({slope})", "squared", "normal(1)", rng, biases=biases)
    network.targets = rng.normal(size=(batch, sizes[-1]))
    return network, rng.normal(size=(batch, sizes[0])), np.arange(batch)


def gauss_newton(network, inputs):
    """Newton's step of each layer: H_l is JᵀJ / batch and g_l Jᵀ(h - t) / batch, so -H_l⁺ g_l is -J⁺(h - t)."""
    residual = plain_activation(network, plain_totals(network, plain_vector(network), inputs)) - network.targets
    return np.concatenate([-linalg.lstsq(jacobian, residual.ravel(), lapack_driver="gelsy")[0]
                           for jacobian in plain_jacobians(network, inputs)])


def error_of(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


@pytest.mark.parametrize("biases", [False, True])
@pytest.mark.parametrize(("inputs_count", "batch"), [(9, 4), (5, 5), (4, 1)])
def test_functional_inverse_of_one_layer_is_newtons_step(inputs_count, batch, biases):
    network, inputs, labels = square_net((inputs_count, 3), batch, biases, np.random.default_rng(batch))
    x = np.hstack([inputs, np.ones((batch, 1))]) if biases else inputs
    total = x @ (np.vstack([network.weights[0], network.biases[0]]) if biases else network.weights[0])
    slopes = np.where(total > 0, 1.0, 0.5)
    gradient = x.T @ ((slopes * total - network.targets) * slopes) / batch  # (rows, 3)
    steps = [-np.linalg.pinv(x.T @ np.diag(slopes[:, unit]**2) @ x / batch, rcond=1e-10) @ gradient[:, unit]
             for unit in range(3)]
    for method, tolerance in zip(curvature.INVERSES, (1e-9, 1e-9, 1e-6), strict=True):
        found = curvature.functional_inverse_step(network, inputs, labels, method)
        assert error_of(found, np.array(steps).T.ravel()) < tolerance


@pytest.mark.parametrize(("sizes", "batch", "biases", "draws"), [
    ((3, 3, 3), 3, False, 200), ((10, 10, 10), 10, False, 200), ((30, 30, 30), 30, False, 3),
    ((3, 3, 3, 3), 3, False, 200), ((10, 10, 10, 10), 10, False, 200), ((3, 3, 3), 4, True, 200),
    ((10, 10, 10), 10, True, 100), ((10, 10, 10, 10), 11, True, 50), ((30, 30, 30), 30, (True, False), 1),
    ((7, 4, 4), 4, False, 50), ((7, 4, 4, 4), 3, (True, False, True), 50)])
def test_functional_inverse_equals_block_newton(sizes, batch, biases, draws):
    rng, errors = np.random.default_rng(0), {method: [] for method in curvature.INVERSES}
    for _ in range(draws):
        network, inputs, labels = square_net(sizes, batch, biases, rng)
        wanted = gauss_newton(network, inputs)
        for method, found in errors.items():
            found.append(error_of(curvature.functional_inverse_step(network, inputs, labels, method), wanted))
    assert max(errors["closed-form"]) < 1e-8
    assert max(errors["complex-step"]) < 1e-5
    assert np.median(errors["finite-difference"]) < 1e-4


def test_functional_inverse_keeps_its_digits_on_ill_conditioned_inputs():
    rng = np.random.default_rng(0)
    network, _, labels = square_net((12, 3), 8, False, rng)
    rotation = np.linalg.qr(rng.normal(size=(12, 12)))[0][:8]
    inputs = np.linalg.qr(rng.normal(size=(8, 8)))[0] @ np.diag(np.logspace(0, -6, 8)) @ rotation
    for method in ("closed-form", "complex-step"):
        found = curvature.functional_inverse_step(network, inputs, labels, method)
        assert error_of(found, gauss_newton(network, inputs)) < 1e-8


def test_a_difference_of_the_inverse_is_worse_at_the_sources_r():
    rng, errors = np.random.default_rng(0), {1e-5: [], 1e-9: []}
    for _ in range(30):
        network, inputs, labels = square_net((10, 10, 10), 10, False, rng)
        wanted = gauss_newton(network, inputs)
        for r, found in errors.items():
            step = curvature.functional_inverse_step(network, inputs, labels, "finite-difference", r)
            found.append(error_of(step, wanted))
    assert np.median(errors[1e-9]) > 100 * np.median(errors[1e-5])
    assert min(errors[1e-9]) > 1e-6


def test_all_layers_together_want_a_step_over_their_number():
    network, inputs, labels = square_net((5, 5, 5), 5, False, np.random.default_rng(2))
    step, vector = curvature.functional_inverse_step(network, inputs, labels), curvature.parameters(network)
    ends, jacobian = np.cumsum([0, 25, 25]), np.hstack(plain_jacobians(network, inputs))
    residual = (network.forward(inputs)[-1] - network.targets).ravel()
    for start, end in pairwise(ends):  # each layer alone mends the whole residual
        np.testing.assert_allclose(jacobian[:, start:end] @ step[start:end], -residual, rtol=1e-8, atol=1e-10)
    before = curvature.loss(network, inputs, labels)
    assert curvature.loss(curvature.at(network, vector + 1e-4 * step), inputs, labels) == pytest.approx(
        (1 - 2e-4)**2 * before, rel=1e-6)


def functional_inverse(activation="leaky(0.5)", loss="squared", sizes=(4, 4, 4), batch=3, biases=False,
                       change=lambda network, inputs: None, **how):
    """The step of a small net that `change` has spoilt."""
    network = mlp.MLP(sizes, activation, loss, "normal(1)", 0, biases=biases)
    inputs = np.random.default_rng(0).normal(size=(batch, sizes[0]))
    change(network, inputs)
    return curvature.functional_inverse_step(network, inputs, np.zeros(batch, int), **how)


def repeat_a_sample(network, inputs):
    inputs[2] = inputs[0] + 1e-9 * inputs[1]


def blank_a_sample(network, inputs):
    inputs[2] = 0


def repeat_a_row(network, inputs):
    network.weights[1][3] = 2 * network.weights[1][1]


@pytest.mark.parametrize(("arguments", "message"), [
    ({"activation": "relu"}, "relu has slope 0.*takes leaky units"),
    ({"activation": "tanh"}, "tanh gives two outputs the same delta.*takes leaky units"),
    ({"loss": "cross-entropy"}, "softmax.*takes squared error"),
    ({"batch": 5}, "layer 1 has 4 inputs, the bias counted, and the batch 5 samples.*no larger than .* rank$"),
    ({"batch": 6, "biases": True}, "layer 1 has 5 inputs, the bias counted, and the batch 6 samples.* rank$"),
    ({"batch": 5, "biases": (True, False)}, "layer 2 has 4 inputs, .* the batch 5 samples.* rank$"),
    ({"change": repeat_a_sample}, r"layer 1 .* smaller here \(reciprocal condition .e-1[5-9]"),
    ({"change": blank_a_sample}, "layer 1 .* rank, which is smaller here$"),
    ({"sizes": (4, 5, 4)}, "layer 2 has a matrix of 5 x 4, and rank 4.*square matrices of full rank"),
    ({"sizes": (4, 4, 4, 3)}, "layer 3 has a matrix of 4 x 3"),
    ({"change": repeat_a_row}, "layer 2 has a matrix of 4 x 4, and rank 3"),
])
def test_functional_inverse_refuses_what_it_cannot_invert(arguments, message):
    with pytest.raises(curvature.NotInvertible, match=message):
        functional_inverse(**arguments)


@pytest.mark.parametrize("point", [(-1.2, 1.0), (0.5, -0.5), (2.0, 3.5)])
def test_difference_of_inverse_on_rosenbrock_is_newtons_step(point):
    def inverse(gradient):  # of f = (1 - x)² + 100 (y - x²)²
        x = (gradient[0] + 2) / (2 - 2 * gradient[1])
        return np.array([x, x**2 + gradient[1] / 200])

    gradient = optimize.rosen_der(point)
    np.testing.assert_allclose(inverse(gradient), point, rtol=1e-12)
    newton = -np.linalg.solve(optimize.rosen_hess(point), gradient)
    np.testing.assert_allclose(curvature.difference_of_inverse(inverse, gradient), newton, rtol=1e-11)
    errors = {r: error_of(curvature.difference_of_inverse(inverse, gradient, "finite-difference", r), newton)
              for r in (1e-2, 1e-6, 1e-14)}
    assert errors[1e-6] < 1e-4
    assert errors[1e-2] > 10 * errors[1e-6]
    assert errors[1e-14] > 10 * errors[1e-6]
    np.testing.assert_allclose(curvature.difference_of_inverse(inverse, gradient, "finite-difference"), newton,
                               rtol=1e-3)


# ---- growth of small differences --------------------------------------------------------------------------

def test_lyapunov_exponents_of_a_quadratic_are_its_eigenvalues():
    _, hessian, values, _ = indefinite(5, least=0.3)
    rate = 0.5
    logs, points = curvature.lyapunov(lambda x: x - rate * hessian @ x,
                                      lambda x, frame: frame - rate * frame @ hessian, np.arange(1.0, 6.0), 600, 5)
    wanted = np.sort(np.log(np.abs(1 - rate * values)))[::-1]
    np.testing.assert_allclose(logs[300:].mean(axis=0), wanted, atol=1e-4)
    matrix = np.linalg.matrix_power(np.eye(5) - rate * hessian, 600)
    np.testing.assert_allclose(points[-1], matrix @ np.arange(1.0, 6.0), rtol=1e-9, atol=1e-200)
    np.testing.assert_array_equal(points[0], np.arange(1.0, 6.0))
    assert logs.shape == (600, 5)
    assert points.shape == (601, 5)


def double_well(rate, start, steps):
    """Gradient descent on x⁴/4 - x²/2."""
    return curvature.lyapunov(lambda x: x - rate * (x**3 - x),
                              lambda x, frame: frame * (1 - rate * (3 * x**2 - 1)), np.array([start]), steps, 1)


@pytest.mark.parametrize(("rate", "chaotic"), [(0.4, False), (1.2, False), (1.9, True)])
def test_lyapunov_exponent_of_a_double_well(rate, chaotic):
    logs, points = double_well(rate, 0.3, 500)
    x = points[:-1, 0]
    assert x[0] == 0.3
    np.testing.assert_allclose(points[1:, 0], x - rate * (x**3 - x), rtol=1e-12, atol=1e-15)
    assert logs.mean() == pytest.approx(np.log(np.abs(1 - rate * (3 * x**2 - 1))).mean(), rel=1e-12)
    assert logs.mean() > 0.2 if chaotic else logs.mean() < -0.1


def test_double_well_is_the_cubic_chebyshev_map_at_rate_two():
    logs, _ = double_well(2.0, 0.3, 3000)  # 3x - 2x³ is -√2 T₃(x/√2), with the exponent ln 3
    assert logs.mean() == pytest.approx(np.log(3), abs=0.01)


def henon(start=(0.1, 0.1), steps=2000, count=2, **how):
    def advance(point):
        return np.array([1 - 1.4 * point[0]**2 + point[1], 0.3 * point[0]])

    def tangent(point, frame):
        return frame @ np.array([[-2.8 * point[0], 1.0], [0.3, 0.0]]).T

    return curvature.lyapunov(advance, tangent, start, steps, count, **how)


def test_lyapunov_exponents_of_henons_map_are_the_known_ones():
    logs, _ = henon()
    np.testing.assert_allclose(logs.sum(axis=1), np.log(0.3), rtol=1e-10)  # every step shrinks areas to 0.3
    np.testing.assert_allclose(logs.mean(axis=0), [0.419, -1.623], atol=0.03)
    one, _ = henon(count=1)
    assert one.mean() == pytest.approx(0.419, abs=0.03)


def test_restarted_windows_know_nothing_of_each_other():
    rng = np.random.default_rng(7)
    first, points = henon(steps=10, seed=rng)
    second, _ = henon(points[-1], steps=10, seed=rng)
    logs, whole = henon(steps=20, seed=7, restart=10)
    np.testing.assert_array_equal(logs, np.vstack([first, second]))
    np.testing.assert_array_equal(whole[:11], points)
    going_on, _ = henon(steps=20, seed=7)
    np.testing.assert_array_equal(going_on[:10], first)
    assert np.abs(going_on[10:] - second).max() > 1e-4


def test_volumes_along_gradient_descent_on_a_net_are_determinants():
    network, inputs, labels = problem(2, "tanh", "cross-entropy", batch=20)
    rate, size = 0.3, curvature.parameters(network).size

    def advance(vector):
        return vector - rate * curvature.gradient(curvature.at(network, vector), inputs, labels)

    def tangent(vector, frame):
        return frame - rate * curvature.products(curvature.at(network, vector), inputs, labels)(frame)

    logs, points = curvature.lyapunov(advance, tangent, curvature.parameters(network), 4, size)
    for row, point in zip(logs, points, strict=False):
        plain = plain_product(curvature.at(network, point), inputs, labels, np.eye(size))
        assert row.sum() == pytest.approx(np.linalg.slogdet(np.eye(size) - rate * plain)[1], abs=1e-6)


def test_a_lost_direction_and_a_diverging_orbit():
    logs, _ = curvature.lyapunov(lambda x: x, lambda x, frame: frame * [1.0, 0.0], np.ones(2), 2, 2)
    np.testing.assert_array_equal(logs[:, 1], -np.inf)
    with np.errstate(over="ignore"), pytest.raises(curvature.NotFinite, match=r"after \d steps: a smaller"):
        double_well(3.0, 2.0, 50)


# ---- what is refused --------------------------------------------------------------------------------------

EYE, ONES, BAD = np.eye(2), np.ones(2), np.array([[np.nan, 0.0], [np.inf, 1.0]])
SQUARE = {"network": mlp.MLP((3, 2), seed=0), "inputs": np.ones((2, 3)), "labels": np.array([0, 1])}


@pytest.mark.parametrize("step", [curvature.newton_step, lambda *a: curvature.damped_step(*a, 1.0),
                                  lambda *a: curvature.shifted_step(*a, 1.0),
                                  lambda *a: curvature.saddle_free_step(*a, 1.0),
                                  lambda *a: curvature.chebyshev_step(*a, lambda p: p)])
def test_every_step_refuses_what_is_not_finite_or_does_not_fit(step):
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
    with pytest.raises(curvature.SingularHessian, match="2 parameters is singular to rounding: take a damped"):
        step(ONES, hessian)


@pytest.mark.parametrize("damping", [0.0, 0.1, 2.0])
def test_too_little_damping_is_refused_and_says_by_how_much(damping):
    with pytest.raises(curvature.IndefiniteHessian, match=f"least eigenvalue is -2 and the damping {damping:g}"):
        curvature.damped_step(ONES, np.diag([3.0, -2.0]), damping)


@pytest.mark.parametrize("damping", [0.0, -1.0, np.nan, np.inf, (1.0, 0.0), (1.0, np.inf)])
@pytest.mark.parametrize("step", [lambda damping: curvature.shifted_step(ONES, EYE, damping),
                                  lambda damping: curvature.saddle_free_step(ONES, EYE, damping),
                                  lambda damping: curvature.saddle_free_step(ONES, lambda v: v, damping),
                                  lambda damping: curvature.block_step(**SQUARE, damping=damping)])
def test_dampings_that_must_be_positive(step, damping):
    with pytest.raises(ValueError, match="expected positive, finite numbers"):
        step(damping)


@pytest.mark.parametrize("damping", [-1.0, np.nan, np.inf])
def test_dampings_that_must_not_be_negative(damping):
    with pytest.raises(ValueError, match="expected finite numbers, not negative"):
        curvature.damped_step(ONES, EYE, damping)


def nan_from(count):
    """A product that is the identity, and NaN from the given call on."""
    calls = []
    return lambda v: calls.append(v) or (np.arange(1, 5) * v if len(calls) < count else v * np.nan)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: curvature.lanczos(nan_from(9), np.zeros(4), 2), r"length 0: .* not zero"),
    (lambda: curvature.lanczos(nan_from(9), np.full(4, np.inf), 2), "first vector has 4 entries"),
    (lambda: curvature.lanczos(nan_from(1), np.ones(4), 4), "product 1 with"),
    (lambda: curvature.lanczos(nan_from(3), np.ones(4), 4), "product 3 with"),
    (lambda: curvature.saddle_free_step(np.ones(4), nan_from(2), 0.1), "product 2 with"),
    (lambda: curvature.saddle_free_step(np.full(4, np.nan), nan_from(9), 0.1), "the gradient has 4"),
])
def test_lanczos_refuses_what_is_not_finite(call, message):
    with pytest.raises(curvature.NotFinite, match=message):
        call()


def difference(method="finite-difference", r=1e-5):
    return curvature.difference_of_inverse(np.sin, ONES, method, r)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: curvature.lanczos(nan_from(9), np.ones(4), 0), "iterations is 0"),
    (lambda: curvature.lanczos(nan_from(9), np.ones(4), -3), "iterations is -3"),
    (lambda: curvature.saddle_free_step(np.ones(4), nan_from(9), 0.1, 2.5), r"iterations is 2\.5"),
    (lambda: curvature.hessian(**SQUARE, method="exact"), "'exact': expected one of structured, r-operator"),
    (lambda: curvature.block_step(**SQUARE, damping=1, method="lu"), "'lu': expected conjugate-gradients"),
    (lambda: curvature.functional_inverse_step(**SQUARE, method="pinv"), "'pinv': expected one of closed"),
    (lambda: difference("closed-form"), "'closed-form': expected complex-step or finite-difference"),
    (lambda: difference(r=0), "r is 0"),
    (lambda: difference(r=np.nan), "r is nan"),
    (lambda: difference(r=np.inf), "r is inf"),
    (lambda: functional_inverse(method="finite-difference", r=0.0), r"r is 0\.0"),
    (lambda: henon(count=0), "0 exponents of 2 dimensions: expected 1 to 2"),
    (lambda: henon(count=3), "3 exponents of 2 dimensions"),
    (lambda: curvature.split(SQUARE["network"], np.ones(9)), r"shape \(9,\) for a net of 8 parameters"),
    (lambda: curvature.split(SQUARE["network"], np.ones(7)), r"shape \(7,\) for a net of 8 parameters"),
    (lambda: curvature.hessian_vector(**SQUARE, vector=np.ones((2, 9))), r"shape \(2, 9\) for a net of 8"),
    (lambda: curvature.gradient(SQUARE["network"], SQUARE["inputs"], np.array([0, -1])), "labels from -1 to 0"),
    (lambda: curvature.gradient(SQUARE["network"], SQUARE["inputs"], np.array([0, 2])), "labels from 0 to 2"),
    (lambda: curvature.damped_step(np.ones(2), np.eye(2), [0.1, 0.2]), "expected one number"),
    (lambda: curvature.lyapunov(lambda x: x, lambda x, frame: frame, np.ones(2), 0, 1), "steps is 0"),
])
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


EVERY_DERIVATIVE = [curvature.gradient, curvature.hessian, curvature.products, curvature.blocks,
                    lambda *batch: curvature.hessian(*batch, method="r-operator"),
                    lambda *batch: curvature.hessian(*batch, method="finite-difference"),
                    lambda *batch: curvature.block_step(*batch, 0.1),
                    lambda *batch: curvature.third(*batch, np.ones(8))]


@pytest.mark.parametrize(("inputs", "labels", "message"), [
    (np.ones((2, 4)), np.array([0, 1]), r"inputs of shape \(2, 4\): expected \(batch, 3\)"),
    (np.ones(3), np.array([0]), r"inputs of shape \(3,\)"),
    (np.ones((0, 3)), np.array([], int), r"inputs of shape \(0, 3\).*one item or more"),
    (np.ones((2, 3)), np.array([0]), r"labels of shape \(1,\) for 2 inputs"),
    (np.ones((2, 3)), np.array([0.0, 1.0]), "expected one whole number each"),
    (np.ones((2, 3)), np.eye(2, dtype=int), r"labels of shape \(2, 2\)"),
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


@pytest.mark.parametrize("layer", [0, 1])
def test_functional_inverse_refuses_nets_that_are_not_finite(layer):
    def spoil(network, inputs):
        network.weights[layer][0, 0] = np.nan

    with pytest.raises(curvature.NotFinite, match="outputs or deltas are not finite"):
        functional_inverse(change=spoil)


def test_a_zero_gradient_asks_for_no_step():
    assert np.array_equal(curvature.saddle_free_step(np.zeros(3), lambda vector: vector, 0.1), np.zeros(3))
    assert np.array_equal(curvature.saddle_free_step(np.zeros(3), np.eye(3), [0.1, 1.0]), np.zeros((2, 3)))


def test_conjugate_gradients_that_stop_early_are_refused(monkeypatch):
    network = mlp.MLP((4, 3), "leaky(0.5)", "squared", "glorot", 0, biases=False)
    monkeypatch.setattr(curvature.krylov, "cg", lambda operator, target, **_: (0.5 * target, 0))
    with pytest.raises(curvature.SingularHessian, match="did not converge in layer 1"):
        curvature.block_step(network, np.eye(4), np.array([0, 1, 2, 0]), 0.1)
