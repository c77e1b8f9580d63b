"""The recurrent net against complex steps, forward-mode derivatives written out, and clipping by hand."""
import copy
import json
from types import SimpleNamespace

import numpy as np
import pytest

import mlp
import rnn
from gradnets import experiment

SMALL = ["--hidden-units", "12", "--steps", "30", "--batch-size", "2"]
NAMES = ("input_weights", "recurrent_weights", "output_weights", "hidden_bias", "output_bias")


def toy(n=12, features=20, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return SimpleNamespace(name="toy", inputs=rng.random((n, features)), labels=rng.integers(classes, size=n),
                           classes=classes)


def net(inputs=4, hidden=6, classes=3, seed=3):
    """A net none of whose parameters is 0."""
    network = rnn.RNN(inputs, hidden, classes, "normal(0.6)", seed)
    rng = np.random.default_rng(seed)
    network.hidden_bias += rng.normal(size=hidden)
    network.output_bias += rng.normal(size=classes)
    return network


def chosen(step, data):
    """The labels of the batch, found by its inputs: rows of random numbers are unique."""
    items = np.swapaxes(step.inputs, 0, 1).reshape(step.inputs.shape[1], -1)
    return items, np.array([data.labels[(data.inputs == item).all(axis=1)][0] for item in items])


def complex_step(network, name, entry, items, labels, h=1e-30):
    """The derivative of the mean loss by one entry of a parameter, exact to rounding."""
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
        items, labels = chosen(step, data)
        _, outputs = network.forward(rnn.sequences(items, row))
        assert step.loss == pytest.approx(-np.log(outputs[np.arange(batch_size), labels]).mean(), rel=1e-12)
        for name, gradient in zip(NAMES, step.gradients + step.bias_gradients, strict=True):
            exact = [complex_step(network, name, entry, items, labels) for entry in np.ndindex(gradient.shape)]
            np.testing.assert_allclose(gradient.ravel(), exact, rtol=1e-7, atol=1e-13)


def test_deltas_are_derivatives_by_the_drive_of_each_time_step():
    network, data = net(), toy()
    step = next(rnn.train(network, data, 1, 0.1, seed=5))
    _, labels = chosen(step, data)

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
    """Real-time recurrent learning (Williams and Zipser 1989): dh_t / dW carried forwards, no backward pass."""
    network, data = net(), toy()
    step = next(rnn.train(network, data, 1, 0.1, seed=6))
    _, labels = chosen(step, data)
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
def test_updates_are_no_longer_than_the_clipping_norm(clip):
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


def test_memory_of_the_first_row_is_learnt():
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


def test_recurrent_weights_are_orthogonal_at_first_and_seeds_differ():
    one, again, other = (rnn.RNN(4, 6, 3, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_allclose(one.recurrent_weights @ one.recurrent_weights.T, np.eye(6), atol=1e-12)
    for a, b, c in zip(one.weights, again.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()


def test_samples_are_those_of_the_perceptron_of_the_same_seed():
    data = toy()
    theirs = [step.activations[0] for step in mlp.train(mlp.MLP((20, 3)), data, 4, 0.1, 2, seed=9)]
    ours = [chosen(step, data)[0] for step in rnn.train(net(), data, 4, 0.1, 2, seed=9)]
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("change", "words"), [
    ({"steps": 0}, "steps is 0"),
    ({"learning_rate": np.nan}, "learning_rate is nan"),
    ({"clip": 0.0}, "clip is 0.0: expected a positive number, or None"),
    ({"clip": np.nan}, "clip is nan"),
    ({"network": net(inputs=3)}, "row is 3: expected a whole number that divides the 20 features"),
    ({"network": net(classes=2)}, "the network has 2 outputs"),
    ({"dataset": SimpleNamespace(name="none", inputs=np.zeros((0, 20)), labels=np.zeros(0, int))}, "0 items"),
])
def test_training_refuses_what_does_not_fit(change, words):
    arguments = {"network": net(), "dataset": toy(seed=1), "steps": 5, "learning_rate": 0.1} | change
    with pytest.raises(ValueError, match=words):
        rnn.train(**arguments)


@pytest.mark.parametrize("sizes", [(0, 2, 2), (3, 2.5, 2), (3, 2, -1)])
def test_sizes_are_positive_whole_numbers(sizes):
    with pytest.raises(ValueError, match="expected a positive whole number"):
        rnn.RNN(*sizes)


def test_script_reports_what_it_trained(tmp_path):
    experiment.run(rnn.main, [*SMALL, "--out", str(tmp_path)])
    record = json.loads((tmp_path / "rnn.json").read_text())
    last, arrays = record["rows"][-1], np.load(tmp_path / "rnn.npz")
    assert last["step"] == 30
    assert f"Test accuracy {last['test_accuracy']:.1%} after 30 steps" in record["finding"]
    assert arrays["norms"].shape == (30,)
    assert np.median(arrays["norms"][-2:]) == pytest.approx(last["median_norm"])
    assert arrays["recurrent_weights"].shape == (12, 12)
    for when in ("untrained", "trained"):
        share = np.median(arrays[f"fading_{when}"][:, 0])
        assert f"{share:.2g}" in record["finding"]
        assert (arrays[f"fading_{when}"][:, -1] == 1).all()


def test_script_takes_other_data_without_clipping(tmp_path):
    flags = ["--dataset", "tree", "--row", "31", "--clip", "0", "--out", str(tmp_path)]
    experiment.run(rnn.main, [*SMALL, *flags])
    rows = json.loads((tmp_path / "rnn.json").read_text())["rows"]
    assert {row["share_clipped"] for row in rows} == {0}


def test_from_the_shell(script, tmp_path):
    done = script("rnn.py", *SMALL, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "rnn.png").stat().st_size > 50_000


@pytest.mark.parametrize(("flags", "words"), [
    (["--row", "27"], "divides the 784 features"),
    (["--hidden-units", "0"], "HIDDEN_UNITS is 0"),
    (["--clip", "-1"], "CLIP is -1"),
    (["--recurrent-init", "zero"], "unknown init"),
    (["--batch-size", "0"], "batch_size is 0"),
])
def test_mistakes_end_with_one_line(tmp_path, capsys, flags, words):
    with pytest.raises(SystemExit) as end:
        experiment.run(rnn.main, [*SMALL, *flags, "--out", str(tmp_path)])
    err = capsys.readouterr().err
    assert end.value.code == 2
    assert words in err
    assert err.count("\n") == 1


def test_a_training_that_diverges_says_so(tmp_path):
    experiment.run(rnn.main, [*SMALL, "--clip", "0", "--learning-rate", "1e308", "--out", str(tmp_path)])
    assert "diverged" in json.loads((tmp_path / "rnn.json").read_text())["finding"]
