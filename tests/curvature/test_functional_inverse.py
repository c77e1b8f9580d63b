"""The functional inverse against dense Newton steps of single layers, on nets, and on Rosenbrock's function."""
from itertools import pairwise

import numpy as np
import plain_perceptron as plain
import pytest
from scipy import linalg, optimize

import mlp
from gradnets import curvature


def square_net(sizes, batch, biases, rng, slope=0.5):
    """Return a leaky net, inputs and labels for arbitrary targets, one row of targets per sample."""
    network = mlp.MLP(sizes, f"leaky({slope})", "squared", "normal(1)", rng, biases=biases)
    network.targets = rng.normal(size=(batch, sizes[-1]))
    return network, rng.normal(size=(batch, sizes[0])), np.arange(batch)


def gauss_newton(network, inputs):
    """Return Newton's step of each layer: H_l is JᵀJ / batch and g_l Jᵀ(h - t) / batch, so -H_l⁺ g_l is -J⁺(h - t)."""
    outputs = plain.activation(network, plain.totals(network, plain.vector_of(network), inputs))
    residual = (outputs - network.targets).ravel()
    return np.concatenate([-linalg.lstsq(jacobian, residual, lapack_driver="gelsy")[0]
                           for jacobian in plain.jacobians(network, inputs)])


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
        step = curvature.functional_inverse_step(network, inputs, labels, method)
        assert plain.relative_error(step, np.array(steps).T.ravel()) < tolerance


@pytest.mark.parametrize(("sizes", "batch", "biases", "draws", "draws_long"), [
    ((3, 3, 3), 3, False, 40, 200), ((10, 10, 10), 10, False, 10, 200), ((30, 30, 30), 30, False, 0, 3),
    ((3, 3, 3, 3), 3, False, 40, 200), ((10, 10, 10, 10), 10, False, 3, 200), ((3, 3, 3), 4, True, 40, 200),
    ((10, 10, 10), 10, True, 3, 100), ((10, 10, 10, 10), 11, True, 1, 50), ((30, 30, 30), 30, (True, False), 0, 1),
    ((7, 4, 4), 4, False, 20, 50), ((7, 4, 4, 4), 3, (True, False, True), 20, 50)])
def test_functional_inverse_equals_newtons_step_of_each_layer(sizes, batch, biases, draws, draws_long, many):
    rng, errors = np.random.default_rng(0), {method: [] for method in curvature.INVERSES}
    for _ in range(many(draws, draws_long)):
        network, inputs, labels = square_net(sizes, batch, biases, rng)
        expected = gauss_newton(network, inputs)
        for method, sample in errors.items():
            step = curvature.functional_inverse_step(network, inputs, labels, method)
            sample.append(plain.relative_error(step, expected))
    if not errors["closed-form"]:
        pytest.skip("nets of 30 units are left to make test-long")
    assert max(errors["closed-form"]) < 1e-8
    assert max(errors["complex-step"]) < 1e-5
    assert np.median(errors["finite-difference"]) < 1e-4


def test_functional_inverse_keeps_its_digits_on_ill_conditioned_inputs():
    rng = np.random.default_rng(0)
    network, _, labels = square_net((12, 3), 8, False, rng)
    rotation = np.linalg.qr(rng.normal(size=(12, 12)))[0][:8]
    inputs = np.linalg.qr(rng.normal(size=(8, 8)))[0] @ np.diag(np.logspace(0, -6, 8)) @ rotation
    for method in ("closed-form", "complex-step"):
        step = curvature.functional_inverse_step(network, inputs, labels, method)
        assert plain.relative_error(step, gauss_newton(network, inputs)) < 1e-8


def test_a_difference_of_the_inverse_is_worse_at_the_sources_r(many):
    rng, errors = np.random.default_rng(0), {1e-5: [], 1e-9: []}
    for _ in range(many(5, 30)):
        network, inputs, labels = square_net((10, 10, 10), 10, False, rng)
        expected = gauss_newton(network, inputs)
        for r, sample in errors.items():
            step = curvature.functional_inverse_step(network, inputs, labels, "finite-difference", r)
            sample.append(plain.relative_error(step, expected))
    assert np.median(errors[1e-9]) > 100 * np.median(errors[1e-5])
    assert min(errors[1e-9]) > 1e-6


def test_steps_of_all_layers_together_need_a_step_length_of_one_over_their_number():
    network, inputs, labels = square_net((5, 5, 5), 5, False, np.random.default_rng(2))
    step, vector = curvature.functional_inverse_step(network, inputs, labels), curvature.parameters(network)
    ends, jacobian = np.cumsum([0, 25, 25]), np.hstack(plain.jacobians(network, inputs))
    residual = (network.forward(inputs)[-1] - network.targets).ravel()
    for start, end in pairwise(ends):  # each layer alone removes the whole residual
        np.testing.assert_allclose(jacobian[:, start:end] @ step[start:end], -residual, rtol=1e-8, atol=1e-10)
    before = curvature.loss(network, inputs, labels)
    assert curvature.loss(curvature.at(network, vector + 1e-4 * step), inputs, labels) == pytest.approx(
        (1 - 2e-4)**2 * before, rel=1e-6)


@pytest.mark.parametrize("point", [(-1.2, 1.0), (0.5, -0.5), (2.0, 3.5)])
def test_difference_of_inverse_on_rosenbrock_is_newtons_step(point):
    def inverse(gradient):  # of f = (1 - x)² + 100 (y - x²)²
        x = (gradient[0] + 2) / (2 - 2 * gradient[1])
        return np.array([x, x**2 + gradient[1] / 200])

    gradient = optimize.rosen_der(point)
    np.testing.assert_allclose(inverse(gradient), point, rtol=1e-12)
    newton = -np.linalg.solve(optimize.rosen_hess(point), gradient)
    np.testing.assert_allclose(curvature.difference_of_inverse(inverse, gradient), newton, rtol=1e-11)
    errors = {r: plain.relative_error(curvature.difference_of_inverse(inverse, gradient, "finite-difference", r),
                                      newton) for r in (1e-2, 1e-6, 1e-14)}
    assert errors[1e-6] < 1e-4
    assert errors[1e-2] > 10 * errors[1e-6]
    assert errors[1e-14] > 10 * errors[1e-6]
    np.testing.assert_allclose(curvature.difference_of_inverse(inverse, gradient, "finite-difference"), newton,
                               rtol=1e-3)


# ---- what is refused --------------------------------------------------------------------------------------

def step_of(activation="leaky(0.5)", loss="squared", sizes=(4, 4, 4), batch=3, biases=False,
            change=lambda network, inputs: None, **options):
    """Return the step of a small net that `change` has spoilt."""
    network = mlp.MLP(sizes, activation, loss, "normal(1)", 0, biases=biases)
    inputs = np.random.default_rng(0).normal(size=(batch, sizes[0]))
    change(network, inputs)
    return curvature.functional_inverse_step(network, inputs, np.zeros(batch, int), **options)


def repeat_a_sample(network, inputs):
    inputs[2] = inputs[0] + 1e-9 * inputs[1]


def blank_a_sample(network, inputs):
    inputs[2] = 0


def enlarge_a_sample(network, inputs):
    inputs[2] *= 1e160


def repeat_a_row(network, inputs):
    network.weights[1][3] = 2 * network.weights[1][1]


@pytest.mark.parametrize(("arguments", "message"), [
    ({"activation": "relu"}, "relu has slope 0.*needs leaky units"),
    ({"activation": "tanh"}, "tanh gives two outputs the same delta.*needs leaky units"),
    ({"loss": "cross-entropy"}, "softmax.*needs squared error"),
    ({"batch": 5}, "layer 1 has 4 inputs, counting the bias, and the batch 5 samples.*no larger than .* rank$"),
    ({"batch": 6, "biases": True}, "layer 1 has 5 inputs, counting the bias, and the batch 6 samples.* rank$"),
    ({"batch": 5, "biases": (True, False)}, "layer 2 has 4 inputs, .* the batch 5 samples.* rank$"),
    ({"change": repeat_a_sample}, r"layer 1 .* smaller here \(reciprocal condition .e-1[5-9]"),
    ({"change": blank_a_sample}, r"layer 1 .* rank, which is smaller here \(reciprocal condition 0e\+00\)"),
    ({"sizes": (4, 5, 4)}, "layer 2 has weights of 5 x 4 and rank 4.*square weights of full rank"),
    ({"sizes": (4, 4, 4, 3)}, "layer 3 has weights of 4 x 3"),
    ({"change": repeat_a_row}, "layer 2 has weights of 4 x 4 and rank 3"),
])
def test_nets_and_batches_without_an_inverse_are_refused(arguments, message):
    with pytest.raises(curvature.NotInvertible, match=message):
        step_of(**arguments)


@pytest.mark.parametrize("layer", [0, 1])
def test_nets_that_are_not_finite_are_refused(layer):
    def spoil(network, inputs):
        network.weights[layer][0, 0] = np.nan

    with pytest.raises(curvature.NotFinite, match="outputs or deltas are not finite"):
        step_of(change=spoil)
    with pytest.raises(curvature.NotFinite, match=r"layer 1 has inputs up to .*e.160, whose squares are not finite"):
        step_of(sizes=(4, 4), change=enlarge_a_sample)


def difference(inverse=np.sin, **options):
    return curvature.difference_of_inverse(inverse, np.ones(2), **{"method": "finite-difference"} | options)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: step_of(method="pinv"), "method is 'pinv': expected closed-form, complex-step or finite-difference"),
    (lambda: step_of(method="finite-difference", r=0.0), r"r is 0\.0"),
    (lambda: difference(method="closed-form"), "method is 'closed-form': expected complex-step or finite-difference"),
    (lambda: difference(r=0), "r is 0: expected a finite number other than 0"),
    (lambda: difference(r=np.nan), "r is nan"),
    (lambda: difference(r=np.inf), "r is inf"),
    (lambda: difference(lambda g: g.real, method="complex-step"), "returned real numbers for a complex gradient"),
])
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_inverse_that_is_not_finite_is_refused():
    with pytest.raises(curvature.NotFinite, match="inverse function is not finite here"):
        difference(lambda gradient: gradient * np.nan)
