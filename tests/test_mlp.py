"""The net against complex steps, hand-written recurrences and, if it is installed, PyTorch."""
import copy
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import assert_fits_the_page

import mlp
from gradnets import datasets, experiment


def toy(n=12, features=5, classes=3, seed=0, zeros=0.0):
    """Return a data set of random numbers; `zeros` is the share of inputs that are exactly zero."""
    rng = np.random.default_rng(seed)
    inputs = rng.random((n, features)) * (rng.random((n, features)) >= zeros)
    return SimpleNamespace(name="toy", inputs=inputs, labels=rng.integers(classes, size=n), classes=classes)


def mean_loss(network, inputs, labels):
    return network.loss(network.forward(inputs)[-1], labels).mean()


def complex_step(network, kind, layer, entry, inputs, labels, h=1e-30):
    """Return the derivative of the mean loss with respect to one weight or bias, exact to rounding."""
    probe = copy.deepcopy(network)
    probe.weights = [w.astype(complex) for w in network.weights]
    probe.biases = [b.astype(complex) for b in network.biases]
    getattr(probe, kind)[layer][entry] += 1j * h
    return mean_loss(probe, inputs, labels).imag / h


@pytest.mark.parametrize("activation", ["tanh", "relu", "leaky(0.5)"])
@pytest.mark.parametrize("loss", mlp.LOSSES)
@pytest.mark.parametrize("sizes", [(5, 3), (5, 4, 3), (5, 6, 4, 3)])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_gradients_equal_complex_steps(activation, loss, sizes, batch_size):
    network = mlp.MLP(sizes, activation, loss, "normal(0.6)", seed=3)
    data = toy(seed=4)
    for step in mlp.train(network, data, 3, 0.1, batch_size, seed=5):
        inputs, labels = step.activations[0], labels_of(step, data)
        assert step.loss == pytest.approx(mean_loss(network, inputs, labels), rel=1e-12)
        for kind, gradients in (("weights", step.gradients), ("biases", step.bias_gradients)):
            for layer, gradient in enumerate(gradients):
                exact = [complex_step(network, kind, layer, entry, inputs, labels)
                         for entry in np.ndindex(gradient.shape)]
                np.testing.assert_allclose(gradient.ravel(), exact, rtol=1e-7, atol=1e-13)


def labels_of(step, data):
    """Return the labels of a step's batch, looked up by its inputs: rows of random numbers are unique."""
    return np.array([data.labels[(data.inputs == row).all(axis=1)][0] for row in step.activations[0]])


def test_gradient_equals_central_differences_on_the_essays_net():
    network = mlp.MLP((5, 5, 3), biases=(True, False), seed=1)
    data = toy(seed=2)
    step = next(mlp.train(network, data, 1, 0.1))
    inputs, labels = step.activations[0], labels_of(step, data)
    for i, j in np.ndindex(5, 5):
        ends = []
        for h in (1e-5, -1e-5):
            network.weights[0][i, j] += h
            ends.append(mean_loss(network, inputs, labels))
            network.weights[0][i, j] -= h
        assert step.gradients[0][i, j] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-9)


def test_deltas_equal_the_essays_formulas():
    network = mlp.MLP((5, 4, 3), biases=(True, False), seed=1)
    data = toy()
    step = next(mlp.train(network, data, 1, 0.1))
    x, h, o = (a[0] for a in step.activations)
    t = np.eye(3)[labels_of(step, data)[0]]
    output = (o - t) * (1 - o**2)
    hidden = (network.weights[1] @ output) * (1 - h**2)
    np.testing.assert_allclose(h, np.tanh(x @ network.weights[0] + network.biases[0]), rtol=1e-13)
    np.testing.assert_allclose(step.deltas[1][0], output, rtol=1e-12)
    np.testing.assert_allclose(step.deltas[0][0], hidden, rtol=1e-12)
    np.testing.assert_allclose(step.gradients[0], np.outer(x, hidden), rtol=1e-12)


@pytest.mark.parametrize(("zeros", "batch_size"), [(0.0, 1), (0.8, 1), (0.3, 5)])
def test_update_after_the_yield_is_the_learning_rate_times_the_gradient(zeros, batch_size):
    data = toy(30, features=20, zeros=zeros)
    network = mlp.MLP((20, 6, 3), seed=1)
    before = None
    for step in mlp.train(network, data, 10, 0.3, batch_size):
        if before is not None:
            for new, old, gradient in zip(network.weights + network.biases, *before, strict=True):
                np.testing.assert_allclose(new, old - 0.3 * gradient, rtol=1e-12, atol=1e-15)
        before = [a.copy() for a in network.weights + network.biases], step.gradients + step.bias_gradients
    for new, old, gradient in zip(network.weights + network.biases, *before, strict=True):  # after the last step too
        np.testing.assert_allclose(new, old - 0.3 * gradient, rtol=1e-12, atol=1e-15)


def test_recorded_steps_are_not_written_to_again():
    steps = list(mlp.train(mlp.MLP((5, 4, 3), seed=1), toy(), 6, 0.5, seed=2))
    assert [step.index for step in steps] == [1, 2, 3, 4, 5, 6]
    for repeated, step in zip(mlp.train(mlp.MLP((5, 4, 3), seed=1), toy(), 6, 0.5, seed=2), steps, strict=True):
        for kept, fresh in zip(step.activations + step.deltas, repeated.activations + repeated.deltas, strict=True):
            np.testing.assert_array_equal(kept, fresh)


def test_gradients_read_late_are_those_before_the_update():
    data = toy(30, features=20, zeros=0.8)
    early = [step.gradients for step in mlp.train(mlp.MLP((20, 6, 3), seed=1), data, 5, 0.3)]
    late = [step.gradients for step in list(mlp.train(mlp.MLP((20, 6, 3), seed=1), data, 5, 0.3))]
    for read_early, read_late in zip(early, late, strict=True):
        np.testing.assert_array_equal(read_early[0], read_late[0])
        np.testing.assert_array_equal(read_early[1], read_late[1])


def test_memory_of_a_gradient_is_used_again_only_when_nobody_holds_it():
    data = toy(200, features=20, zeros=0.8)
    held, addresses = [], []
    for step in mlp.train(mlp.MLP((20, 6, 3), seed=1), data, 200, 0.3):
        expected = np.outer(step.activations[0][0], step.deltas[0][0])
        gradient = step.gradients[0]
        np.testing.assert_array_equal(gradient, expected)
        addresses.append(gradient.ctypes.data)
        if step.index % 10 == 5:
            held.append((step, gradient, expected))
        elif step.index % 10 == 7:
            held.append((None, gradient, expected))
        elif step.index % 10 == 1:
            held.append((None, gradient[3:, ::2].T, expected[3:, ::2].T))  # a view of a view
        with pytest.raises(ValueError, match="read-only"):
            gradient += 1
    for _, gradient, expected in held:
        np.testing.assert_array_equal(gradient, expected)
    assert addresses[3] == addresses[5] == addresses[7]  # steps 4, 6 and 8: those of 4 and 6 were dropped
    assert addresses[4] != addresses[6]                  # that of step 5 is held


@pytest.mark.parametrize("model", ["mlp", "rbm", "rnn"])
def test_importing_a_model_needs_numpy_alone(model):
    """Besides the small tools of gradnets, which need numpy and Python's own library."""
    code = (f"import sys; before = set(sys.modules); import {model}; after = set(sys.modules) - before; print(*sorted("
            "{name.split('.')[0] for name in after} - sys.stdlib_module_names))")
    process = subprocess.run([sys.executable, "-c", code], cwd=experiment.ROOT, capture_output=True, text=True,
                             check=True)
    assert process.stdout.split() == sorted(["gradnets", "numpy", model])


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_follows_its_recurrence(nesterov):
    data, rate, momentum = toy(), 0.1, 0.7
    network = mlp.MLP((5, 4, 3), "tanh", "cross-entropy", seed=1)
    weights, velocity = network.weights[0].copy(), 0.0
    for step in mlp.train(network, data, 8, rate, 4, momentum=momentum, nesterov=nesterov):
        np.testing.assert_allclose(network.weights[0], weights, rtol=1e-11, atol=1e-14)
        velocity = momentum * velocity + step.gradients[0]
        weights = weights - rate * (step.gradients[0] + momentum * velocity if nesterov else velocity)
    np.testing.assert_allclose(network.weights[0], weights, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.6, False), (0.6, True)])
def test_training_equals_pytorchs(momentum, nesterov):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (make peers)")
    data = toy(40)
    network = mlp.MLP((5, 4, 3), "tanh", "cross-entropy", "normal(0.5)", seed=1)
    parameters = [torch.tensor(a.copy(), requires_grad=True) for a in network.weights + network.biases]
    descent = torch.optim.SGD(parameters, lr=0.1, momentum=momentum, nesterov=nesterov)
    for step in mlp.train(network, data, 20, 0.1, 6, momentum=momentum, nesterov=nesterov):
        hidden = torch.tanh(torch.tensor(step.activations[0]) @ parameters[0] + parameters[2])
        labels = torch.tensor(labels_of(step, data))
        loss = torch.nn.functional.cross_entropy(hidden @ parameters[1] + parameters[3], labels)
        assert step.loss == pytest.approx(loss.item(), rel=1e-10)
        descent.zero_grad()
        loss.backward()
        descent.step()
    for ours, theirs in zip(network.weights + network.biases, parameters, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-13)


def test_a_seed_determines_the_net_and_its_training():
    def trained(seed):
        network = mlp.MLP((5, 4, 3), seed=seed)
        return [step.loss for step in mlp.train(network, toy(), 5, 0.1, seed=seed)], network.weights
    losses, weights = trained(7)
    repeated_losses, repeated_weights = trained(7)
    assert losses == repeated_losses
    np.testing.assert_array_equal(weights[0], repeated_weights[0])
    assert trained(8)[0] != losses


def test_weights_and_biases_follow_the_law():
    """The laws themselves are tested in test_streams.py."""
    assert np.abs(mlp.MLP((300, 200, 2), init="uniform(0.5)").weights[0]).max() == pytest.approx(0.5, rel=1e-3)
    assert mlp.MLP((5, 4, 3), init="uniform").biases[0].any()
    assert not mlp.MLP((5, 4, 3), init="glorot").biases[0].any()


def test_layers_have_the_biases_asked_for():
    assert [b is not None for b in mlp.MLP((5, 4, 3), biases=(True, False)).biases] == [True, False]
    assert [b is not None for b in mlp.MLP((5, 4, 3), biases=False).biases] == [False, False]
    step = next(mlp.train(mlp.MLP((5, 4, 3), biases=(True, False)), toy(), 1, 0.1))
    np.testing.assert_array_equal(step.bias_gradients[0], step.deltas[0][0])
    assert step.bias_gradients[1] is None


def test_squared_error_uses_the_targets():
    network = mlp.MLP((5, 3), targets=(-1, 1), seed=0)
    output = network.forward(toy().inputs)[-1]
    goal = np.where(np.eye(3)[toy().labels] == 1, 1.0, -1.0)
    np.testing.assert_allclose(network.loss(output, toy().labels), 0.5 * ((output - goal)**2).sum(axis=1), rtol=1e-13)


def test_accuracy_counts_the_largest_output_in_chunks():
    network, data = mlp.MLP((5, 4, 3), seed=1), toy(25)
    right = (network.forward(data.inputs)[-1].argmax(axis=1) == data.labels).mean()
    assert mlp.accuracy(network, data, chunk=4) == right
    assert 0 < right < 1


def test_divergence_shows_in_the_loss_without_a_warning():
    network = mlp.MLP((5, 4, 3), "leaky(0.5)", "squared", "normal(3)", seed=0)
    losses = [step.loss for step in mlp.train(network, toy(), 60, 1e6)]
    assert not np.isfinite(losses[-1])


def test_training_learns():
    data = toy(60, seed=1)
    data.labels = (data.inputs[:, 0] > 0.5).astype(int)
    network = mlp.MLP((5, 8, 3), init="glorot", seed=0)
    assert mlp.accuracy(network, data) < 0.7
    for _ in mlp.train(network, data, 4000, 0.1):
        pass
    assert mlp.accuracy(network, data) > 0.9


@pytest.mark.parametrize(("arguments", "message"), [
    ({"sizes": (5,)}, "at least two positive"),
    ({"sizes": (5, 0, 3)}, "positive integers"),
    ({"sizes": (5, -4, 3)}, "positive integers"),
    ({"sizes": (5, 4.5, 3)}, "positive integers"),
    ({"activation": "sigmoid"}, "expected one of tanh, relu, leaky"),
    ({"activation": "tanh(2)"}, "takes no number"),
    ({"activation": "leaky(1.5)"}, "between 0 and 1"),
    ({"loss": "hinge"}, "expected squared or cross-entropy"),
    ({"init": "he"}, "expected one of uniform"),
    ({"biases": (True,)}, "biases has 1 values, expected one for each of the 2 layers"),
    ({"seed": -1}, "seed is -1"),
])
def test_bad_networks_raise(arguments, message):
    with pytest.raises(ValueError, match=message):
        mlp.MLP(**{"sizes": (5, 4, 3)} | arguments)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"steps": 0}, "steps is 0"),
    ({"momentum": 1.0}, r"in \[0, 1\)"),
    ({"nesterov": True}, "momentum is 0"),
    ({"seed": -1}, "seed is -1"),
    ({"dataset": toy(0)}, "0 items"),
    ({"dataset": toy(features=6)}, "6 features"),
    ({"dataset": toy(classes=4)}, "4 classes"),
])
def test_bad_training_raises_before_the_first_step(arguments, message):
    with pytest.raises(ValueError, match=message):
        mlp.train(mlp.MLP((5, 4, 3)), **{"dataset": toy(), "steps": 2, "learning_rate": 0.1} | arguments)


def test_script_returns_the_run():
    settings = experiment.settings(mlp, steps=40, hidden_units=(6, 5), dataset="tree", batch_size=3, momentum=0.5,
                                   nesterov=True, loss="cross-entropy")
    result = mlp.main(settings)
    arrays = result.files[".npz"]
    assert [row["step"] for row in result.rows] == list(range(0, 41, 2))
    assert f"{100 * result.rows[-1]['test_accuracy']:.1f} % of test items" in result.finding
    assert_fits_the_page(result)
    network = mlp.MLP((31, 6, 5, 4), "tanh", "cross-entropy")
    network.weights[:] = [arrays[f"weights_{layer}"] for layer in range(3)]
    network.biases[:] = [arrays[f"biases_{layer}"] for layer in range(3)]
    assert mlp.accuracy(network, datasets.load("tree", "test")) == result.rows[-1]["test_accuracy"]
    assert [entry["split"] for entry in result.data] == ["train", "test"]


def test_script_reports_divergence():
    result = mlp.main(experiment.settings(mlp, steps=40, dataset="tree", activation="leaky", learning_rate=1e9))
    assert result.finding.startswith("Training diverged")
