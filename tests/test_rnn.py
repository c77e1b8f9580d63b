"""The recurrent net against complex steps, forward-mode derivatives written out, and clipping by hand."""
import copy
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import assert_fits_the_page

import mlp
import rnn
from gradnets import experiment
from gradnets.errors import UserError

SMALL = {"dataset": "tree", "row": 1, "hidden_units": 12, "steps": 30, "batch_size": 2}
NAMES = ("input_weights", "recurrent_weights", "output_weights", "hidden_bias", "output_bias")


def toy(n=12, features=20, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return SimpleNamespace(name="toy", inputs=rng.random((n, features)), labels=rng.integers(classes, size=n),
                           classes=classes)


def net(inputs=4, hidden=6, classes=3, seed=3):
    """Return a net without zero parameters."""
    network = rnn.RNN(inputs, hidden, classes, "normal(0.6)", seed)
    rng = np.random.default_rng(seed)
    network.hidden_bias += rng.normal(size=hidden)
    network.output_bias += rng.normal(size=classes)
    return network


def batch_of(step, data):
    """Return the items of a step's batch, and their labels, looked up by the inputs: random rows are unique."""
    items = np.swapaxes(step.inputs, 0, 1).reshape(step.inputs.shape[1], -1)
    return items, np.array([data.labels[(data.inputs == item).all(axis=1)][0] for item in items])


def complex_step(network, name, entry, items, labels, h=1e-30):
    """Return the derivative of the mean loss with respect to one entry of a parameter, exact to rounding."""
    probe = copy.deepcopy(network)
    setattr(probe, name, getattr(network, name).astype(complex))
    getattr(probe, name)[entry] += 1j * h
    _, outputs = probe.forward(rnn.sequences(items, len(network.input_weights)))
    return probe.loss(outputs, labels).mean().imag / h


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("row", [4, 20])  # five time steps, and a single one
def test_gradients_equal_complex_steps(batch_size, row):
    network, data = net(row), toy()
    for step in rnn.train(network, data, 3, 0.1, batch_size, seed=5):
        items, labels = batch_of(step, data)
        _, outputs = network.forward(rnn.sequences(items, row))
        assert step.loss == pytest.approx(-np.log(outputs[np.arange(batch_size), labels]).mean(), rel=1e-12)
        for name, gradient in zip(NAMES, step.gradients + step.bias_gradients, strict=True):
            exact = [complex_step(network, name, entry, items, labels) for entry in np.ndindex(gradient.shape)]
            np.testing.assert_allclose(gradient.ravel(), exact, rtol=1e-7, atol=1e-13)


def test_deltas_are_derivatives_with_respect_to_the_pre_activations_of_each_time_step():
    network, data = net(), toy()
    step = next(rnn.train(network, data, 1, 0.1, seed=5))
    _, labels = batch_of(step, data)

    def loss(push, t, j):
        state = np.zeros(6)
        for s, x in enumerate(step.inputs[:, 0]):
            total = x @ network.input_weights + state @ network.recurrent_weights + network.hidden_bias
            if s == t:
                total[j] += push
            state = np.tanh(total)
        outputs = state @ network.output_weights + network.output_bias
        return np.log(np.exp(outputs).sum()) - outputs[labels[0]]

    for t, j in np.ndindex(5, 6):
        assert step.deltas[t, 0, j] == pytest.approx((loss(1e-5, t, j) - loss(-1e-5, t, j)) / 2e-5, abs=1e-9)


def test_gradients_equal_forward_mode_written_out():
    """Real-time recurrent learning (Williams and Zipser 1989) carries dh_t / dW forwards, without a backward pass."""
    network, data = net(), toy()
    step = next(rnn.train(network, data, 1, 0.1, seed=6))
    _, labels = batch_of(step, data)
    hidden = 6
    state, by_recurrent = np.zeros(hidden), np.zeros((hidden, hidden, hidden))  # [k, i, j]: dh_k / dW_ij
    by_input = np.zeros((hidden, 4, hidden))
    for x in step.inputs[:, 0]:
        total, new_recurrent, new_input = np.zeros(hidden), np.zeros_like(by_recurrent), np.zeros_like(by_input)
        for k in range(hidden):
            total[k] = network.hidden_bias[k]
            for i in range(4):
                total[k] += x[i] * network.input_weights[i, k]
                new_input[k, i, k] += x[i]
            for i in range(hidden):
                total[k] += state[i] * network.recurrent_weights[i, k]
                new_recurrent[k, i, k] += state[i]
                new_recurrent[k] += network.recurrent_weights[i, k] * by_recurrent[i]
                new_input[k] += network.recurrent_weights[i, k] * by_input[i]
        slope = 1 / np.cosh(total) ** 2
        state = np.tanh(total)
        by_recurrent, by_input = (slope[:, None, None] * new for new in (new_recurrent, new_input))
    outputs = state @ network.output_weights + network.output_bias
    miss = np.exp(outputs) / np.exp(outputs).sum() - np.eye(3)[labels[0]]
    back = network.output_weights @ miss
    for gradient, expected in zip(step.gradients, (np.tensordot(back, by_input, 1), np.tensordot(back, by_recurrent, 1),
                                                   np.outer(state, miss)), strict=True):
        np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("clip", [None, 1e-3, 1e3])
def test_updates_follow_the_gradient_shortened_to_the_clipping_norm(clip):
    network, data = net(), toy()

    def parameters():
        return np.concatenate([array.ravel() for array in network.weights + network.biases])

    before, expected = None, None
    for step in rnn.train(network, data, 4, 0.1, batch_size=2, seed=1, clip=clip):
        if before is not None:
            np.testing.assert_allclose(parameters() - before, expected, rtol=1e-9, atol=1e-15)
        gradient = np.concatenate([g.ravel() for g in step.gradients + step.bias_gradients])
        assert step.norm == pytest.approx(np.linalg.norm(gradient), rel=1e-12)
        factor = 1 if clip is None else min(1, clip / np.linalg.norm(gradient))
        assert (factor < 1) == (clip == 1e-3)
        before, expected = parameters(), -0.1 * factor * gradient


def test_recorded_steps_are_not_written_to_again():
    network, data = net(), toy()
    steps, kept = [], []
    for step in rnn.train(network, data, 5, 0.5, seed=1):
        steps.append(step)
        kept.append(copy.deepcopy([step.inputs, step.states, step.deltas, step.output_delta, *step.gradients]))
    for step, arrays in zip(steps, kept, strict=True):
        for now, then in zip([step.inputs, step.states, step.deltas, step.output_delta, *step.gradients], arrays,
                             strict=True):
            np.testing.assert_array_equal(now, then)


def test_training_learns_to_remember_the_first_row():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=200)
    inputs = rng.normal(0, 0.1, (200, 24))
    inputs[:, 0] = 2.0 * labels - 1  # in the first of eight rows, and nowhere later
    data = SimpleNamespace(name="memory", inputs=inputs, labels=labels, classes=2)
    network = rnn.RNN(3, 10, 2, seed=1)
    assert rnn.accuracy(network, data, chunk=7) < 0.9
    for _ in rnn.train(network, data, 500, 0.1, 4, seed=2):
        pass
    assert rnn.accuracy(network, data, chunk=7) == 1


def test_a_seed_determines_the_initial_weights_and_the_recurrent_ones_are_orthogonal():
    network, same, different = (rnn.RNN(4, 6, 3, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_allclose(network.recurrent_weights @ network.recurrent_weights.T, np.eye(6), atol=1e-12)
    for weights, same_weights, different_weights in zip(network.weights, same.weights, different.weights, strict=True):
        np.testing.assert_array_equal(weights, same_weights)
        assert (weights != different_weights).any()


def test_a_perceptron_of_the_same_seed_sees_the_same_samples():
    data = toy()
    perceptron = [step.activations[0] for step in mlp.train(mlp.MLP((20, 3)), data, 4, 0.1, 2, seed=9)]
    recurrent = [batch_of(step, data)[0] for step in rnn.train(net(), data, 4, 0.1, 2, seed=9)]
    np.testing.assert_array_equal(recurrent, perceptron)


@pytest.mark.parametrize(("change", "message"), [
    ({"steps": 0}, "steps is 0"),
    ({"clip": 0.0}, "clip is 0.0: expected a positive number, or None"),
    ({"clip": np.nan}, "clip is nan"),
    ({"network": net(inputs=3)}, "row is 3: expected an integer that divides the 20 features"),
    ({"network": net(classes=2)}, "the network has 2 outputs"),
    ({"dataset": SimpleNamespace(name="none", inputs=np.zeros((0, 20)), labels=np.zeros(0, int))}, "0 items"),
])
def test_bad_training_raises_before_the_first_step(change, message):
    arguments = {"network": net(), "dataset": toy(seed=1), "steps": 5, "learning_rate": 0.1} | change
    with pytest.raises(UserError, match=message):
        rnn.train(**arguments)


@pytest.mark.parametrize("sizes", [(0, 2, 2), (3, 2.5, 2), (3, 2, -1)])
def test_sizes_are_positive_integers(sizes):
    with pytest.raises(UserError, match="expected a positive integer"):
        rnn.RNN(*sizes)


def run(**changes):
    return rnn.main(experiment.settings(rnn, **SMALL | changes))


def test_script_returns_the_run():
    result = run()
    last, arrays = result.rows[-1], result.files[".npz"]
    assert last["step"] == 30
    assert_fits_the_page(result)
    assert arrays["norms"].shape == (30,)
    assert np.median(arrays["norms"][-2:]) == last["median_norm"]
    assert arrays["recurrent_weights"].shape == (12, 12)
    for when in ("untrained", "trained"):
        assert f"{np.median(arrays[f'fading_{when}'][:, 0]):.2g}" in result.finding
        assert (arrays[f"fading_{when}"][:, -1] == 1).all()


def test_script_trains_without_clipping():
    assert {row["share_clipped"] for row in run(clip=0.0).rows} == {0}


@pytest.mark.parametrize(("change", "message"), [
    ({"row": 2}, "divides the 31 features"),
    ({"hidden_units": 0}, "hidden_units is 0"),
    ({"clip": -1.0}, "clip is -1"),
    ({"recurrent_init": "zero"}, "unknown init"),
    ({"batch_size": 0}, "batch_size is 0"),
])
def test_mistakes_in_settings_raise(change, message):
    with pytest.raises(UserError, match=message):
        run(**change)


def test_script_reports_divergence():
    assert run(clip=0.0, learning_rate=1e308).finding.startswith("Training diverged")
