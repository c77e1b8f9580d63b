"""The fused loss and gradient against the separate ones, plain numpy and differences."""
import dense_nets
import numpy as np
import pytest
from plain_perceptron import problem
from scipy.special import logsumexp

from gradnets import curvature
from gradnets.errors import UserError


@pytest.mark.parametrize("loss", ["cross-entropy", "squared"])
def test_the_fused_pass_equals_the_separate_ones(loss):
    objective = curvature.Objective(*problem(3, "tanh", loss), l2=0.3)
    fused = curvature.FusedObjective.of(objective)
    point = objective.start + 0.1
    value, gradient = fused.loss_and_gradient(point)
    assert value == fused.loss(point) == pytest.approx(objective.loss(point), rel=1e-13)
    np.testing.assert_allclose(gradient, objective.gradient(point), rtol=1e-11, atol=1e-15)
    np.testing.assert_array_equal(fused.start, objective.start)


@pytest.mark.parametrize("output", ["softmax", "tanh", "linear"])
@pytest.mark.parametrize("sizes", [(4, 3), dense_nets.SIZES, (4, 5, 2, 3)])
def test_the_gradient_is_the_slope_of_the_loss(output, sizes):
    objective = dense_nets.objective(output, sizes)
    along = np.random.default_rng(1).normal(size=objective.start.size)
    _, gradient = objective.loss_and_gradient(objective.start)
    ahead, behind = (objective.loss(objective.start + sign * 1e-5 * along) for sign in (1, -1))
    assert gradient @ along == pytest.approx((ahead - behind) / 2e-5, rel=1e-6)
    run = objective.forward(objective.start)
    last = dense_nets.preactivations(objective, objective.start)
    expected = {"softmax": np.exp(last) / np.exp(last).sum(axis=1, keepdims=True), "tanh": np.tanh(last),
                "linear": last}
    np.testing.assert_allclose(run.outputs, expected[output], rtol=1e-12)
    delta = np.random.default_rng(2).normal(size=last.shape)
    np.testing.assert_allclose(objective.backward(run, delta),
                               np.einsum("np,npk->k", delta, dense_nets.jacobian(objective, objective.start)),
                               rtol=1e-11, atol=1e-14)


def test_batches_and_known_first_layers():
    objective = dense_nets.objective("softmax")
    rows = np.array([3, 3, 0, 7])
    batch = curvature.FusedObjective(objective.sizes, objective.inputs[rows, :-1], objective.targets[rows],
                                     objective.start, "softmax", objective.l2)
    value, gradient = objective.loss_and_gradient(objective.start, rows)
    expected, expected_gradient = batch.loss_and_gradient(objective.start)
    assert value == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-12)
    first = objective.inputs @ objective.split(objective.start)[0]
    assert objective.forward(objective.start, first=first).loss == objective.loss(objective.start)


def test_distant_outputs_neither_overflow_nor_vanish():
    """One sample's outputs lie 2,000 below those of the others, and one output lies 1,500 below the rest."""
    objective = dense_nets.objective("softmax", (4, 3), l2=0.0)
    inputs = objective.inputs[:, :-1].copy()
    inputs[0] = [-2000, 0, 0, 0]
    inputs[1] = [0, -1500, 0, 0]
    point = np.zeros((5, 3))
    point[0], point[1, 0], point[-1] = 1.0, 1.0, [0.1, 0.2, 0.3]
    targets = np.eye(3)[[0, 0, *objective.targets[2:].argmax(axis=1)]]
    distant = curvature.FusedObjective((4, 3), inputs, targets, point.ravel())
    last = dense_nets.preactivations(distant, point.ravel())
    expected = logsumexp(last, axis=1) - (last * targets).sum(axis=1)
    assert distant.loss(point.ravel()) == pytest.approx(expected.mean(), rel=1e-12)
    assert distant.loss(point.ravel()) > 100


def test_passes_do_not_share_their_arrays():
    objective = dense_nets.objective("linear")
    run = objective.forward(objective.start)
    kept = [values.copy() for values in run.inputs]
    objective.forward(objective.start + 1)
    for values, before in zip(run.inputs, kept, strict=True):
        np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize(("changes", "message"), [
    ({"inputs": np.ones((12, 3))}, "inputs of shape"), ({"targets": np.ones((11, 3))}, "inputs of shape"),
    ({"start": np.ones(3)}, "a start of 3 numbers"), ({"output": "relu"}, "output"),
    ({"inputs": np.full((12, 4), np.nan)}, "NaN")])
def test_arrays_that_do_not_fit(changes, message):
    good = dense_nets.objective("linear")
    arguments = {"sizes": good.sizes, "inputs": good.inputs[:, :-1], "targets": good.targets, "start": good.start,
                 "output": "linear"}
    with pytest.raises((UserError, curvature.NotFinite), match=message):
        curvature.FusedObjective(**arguments | changes)


def test_other_units_are_refused():
    with pytest.raises(UserError, match="other units than tanh"):
        curvature.FusedObjective.of(curvature.Objective(*problem(2, "relu", "squared")))
