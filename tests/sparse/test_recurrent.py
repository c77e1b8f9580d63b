"""Compiled training of recurrent nets against numpy, in every layout; masks, pruned runs and mistakes."""
from types import SimpleNamespace

import numpy as np
import pytest

import rnn
from gradnets import datasets, sparse, streams
from gradnets.errors import UserError
from gradnets.sparse import recurrent

ROW, TIME = 5, 6
TOLERANCE = {np.float64: {"rtol": 1e-12, "atol": 1e-13}, np.float32: {"rtol": 2e-4, "atol": 2e-5}}


def toy(classes=3, n=30, seed=0):
    """Return images of random numbers, half of them exactly 0; the first is dark, the second has dark rows at its ends.
    """
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, ROW * TIME)) * (rng.random((n, ROW * TIME)) < 0.5)
    inputs[0] = inputs[1, :2 * ROW] = inputs[1, -ROW:] = 0
    return SimpleNamespace(name="toy", inputs=inputs, labels=rng.integers(classes, size=n), classes=classes)


def net(hidden=20, classes=3, seed=0):
    network = rnn.RNN(ROW, hidden, classes, seed=seed)
    rng = np.random.default_rng(seed)
    network.hidden_bias += rng.normal(0, 0.3, hidden)
    network.output_bias += rng.normal(0, 0.3, classes)
    return network


def random_masks(network, keep=0.4, block=1, seed=1):
    """Return random masks of all three layers."""
    return sparse.prune(network.weights, keep, "random", block=block, rng=np.random.default_rng(seed))


def train_in_numpy(network, data, order, masks, rates, clip):
    """Train as the kernels should: gradients of live weights, clipped together with those of the biases."""
    recognized = 0
    for weights, mask in zip(network.weights, masks, strict=True):
        weights *= mask
    items = rnn.sequences(data.inputs, ROW)
    for k, rate in zip(order, rates, strict=True):
        states, outputs = network.forward(items[k:k + 1])
        recognized += outputs.argmax() == data.labels[k]
        deltas, output_delta = network.backward(states, outputs, data.labels[k:k + 1])
        step = rnn.Step(1, 0.0, items[k][:, None], states, deltas, output_delta)
        gradients = [g * mask for g, mask in zip(step.gradients, masks, strict=True)] + step.bias_gradients
        norm = np.sqrt(sum((g * g).sum() for g in gradients))
        for parameter, gradient in zip(network.weights + network.biases, gradients, strict=True):
            parameter -= rate * min(1.0, clip / norm) * gradient
    return recognized


def assert_parameters_equal(unpacked, network, dtype):
    for ours, theirs in zip([*unpacked[0], *unpacked[1]], network.weights + network.biases, strict=True):
        np.testing.assert_allclose(ours, theirs, **TOLERANCE[dtype])


# ---- epochs -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("layout", sparse.LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_training_of_full_nets_equals_numpys(layout, dtype, clip):
    data, network = toy(), net()
    packed = recurrent.pack(network.weights, network.biases, None, layout, dtype)
    for _ in rnn.train(network, data, 40, 0.1, seed=7, clip=clip):
        pass
    rng = streams.generator(7, streams.SAMPLES)
    order = [rng.integers(30, size=1)[0] for _ in range(40)]
    recurrent.train_epoch(packed, sparse.pack_samples(data.inputs, data.labels, dtype), order, 0.1, clip=clip)
    assert_parameters_equal(recurrent.unpack(packed), network, dtype)


@pytest.mark.parametrize("layout", [*sparse.LAYOUTS, ("blocks", "sparse", "dense"), ("sparse", "blocks", "blocks")])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("hidden", "classes"), [(20, 3), (32, 4), (5, 7), (2, 2)])
def test_training_of_masked_nets_equals_numpys(layout, dtype, hidden, classes):
    data, network = toy(classes), net(hidden, classes)
    masks = random_masks(network)
    order, rates = np.random.default_rng(3).integers(30, size=50), 0.2 + (0.05 - 0.2) * np.arange(50) / 50
    packed = recurrent.pack(network.weights, network.biases, masks, layout, dtype)
    samples = sparse.pack_samples(data.inputs, data.labels, dtype)
    recognized = recurrent.train_epoch(packed, samples, order, 0.2, 0.05, clip=1.0)
    assert recognized == train_in_numpy(network, data, order, masks, rates, 1.0)
    unpacked = recurrent.unpack(packed)
    assert_parameters_equal(unpacked, network, dtype)
    for weights, mask in zip(unpacked[0], masks, strict=True):
        np.testing.assert_array_equal(weights != 0, mask)  # the dead stay dead, and only the dead
    assert recurrent.accuracy(packed, samples) == pytest.approx(rnn.accuracy(network, data))


def test_a_step_that_is_not_clipped_is_the_plain_gradient():
    data, network = toy(), net()
    plain, wide, tight = (recurrent.pack(network.weights, network.biases, dtype=np.float64) for _ in range(3))
    samples = sparse.pack_samples(data.inputs, data.labels, np.float64)
    for packed, clip in ((plain, None), (wide, 1e6), (tight, 1e-3)):
        recurrent.train_epoch(packed, samples, [4], 1.0, clip=clip)
    weights, biases = recurrent.unpack(plain)
    assert_parameters_equal(recurrent.unpack(wide), SimpleNamespace(weights=weights, biases=biases), np.float64)
    after = [array for arrays in recurrent.unpack(tight) for array in arrays]
    moves = [a - b for a, b in zip(after, network.weights + network.biases, strict=True)]
    assert np.sqrt(sum((move * move).sum() for move in moves)) == pytest.approx(1e-3, rel=1e-9)


def test_the_largest_of_outputs_below_zero_is_recognised():
    data, network = toy(), net()
    network.output_bias -= 100.0
    packed = recurrent.pack(network.weights, network.biases)
    accuracy = recurrent.accuracy(packed, sparse.pack_samples(data.inputs, data.labels))
    assert accuracy == pytest.approx(rnn.accuracy(network, data))
    assert accuracy > 0


# ---- packing ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("layout", [*sparse.LAYOUTS, "auto"])
def test_unpack_returns_packed_weights(layout):
    network = net()
    masks = random_masks(network)
    packed = recurrent.pack(network.weights, network.biases, masks, layout, np.float64)
    weights, biases = recurrent.unpack(packed)
    for ours, theirs, mask in zip(weights, network.weights, masks, strict=True):
        np.testing.assert_array_equal(ours, theirs * mask)
    for ours, theirs in zip(biases, network.biases, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(("keep", "block", "kind"), [
    (1.0, 1, sparse.DENSE), (0.5, 1, sparse.DENSE), (0.02, 1, sparse.SPARSE), (0.2, 16, sparse.BLOCKS)])
def test_auto_packs_recurrent_weights_by_their_masks(keep, block, kind):
    network = net(hidden=64)
    masks = random_masks(network, keep, block)
    assert recurrent.pack(network.weights, network.biases, masks).layers[1].kind == kind


def test_vectors_begin_at_cache_lines():
    network = net(hidden=64)
    for layout in sparse.LAYOUTS:
        for layer in recurrent.pack(network.weights, network.biases, random_masks(network), layout).layers:
            assert layer.values.ctypes.data % 64 == 0


# ---- whole runs -------------------------------------------------------------------------------------------

def test_glyphs_are_learnt_with_a_quarter_of_the_blocks():
    data = datasets.load("glyphs", limit=2000)
    network = rnn.RNN(28, 64, 10, seed=0)
    samples = sparse.pack_samples(data.inputs, data.labels)
    recipe = sparse.Recipe(8000, 0.1, 0.25, block=16)
    trained = recurrent.run(recipe, network.weights, network.biases, samples)
    packed = recurrent.pack(trained.weights, trained.biases, trained.masks)
    assert recurrent.accuracy(packed, samples) > 0.9
    assert packed.layers[1].kind == sparse.BLOCKS


@pytest.mark.parametrize("block", [1, 16])
@pytest.mark.parametrize("criterion", recurrent.CRITERIA)
def test_a_run_keeps_the_share_of_its_recipe_and_repeats(block, criterion):
    data, network = toy(), net(hidden=32)
    start = [w.copy() for w in network.weights]
    samples = sparse.pack_samples(data.inputs, data.labels)
    recipe = sparse.Recipe(200, 0.05, 0.25, criterion, burn_in=20, prunings=4, block=block)
    trained, again = (recurrent.run(recipe, network.weights, network.biases, samples) for _ in range(2))
    assert [np.count_nonzero(mask) for mask in trained.masks] == [5 * 32, 32 * 32 / 4, 32 * 3]
    for a, b, mask, before, unchanged in zip(trained.weights, again.weights, trained.masks, start, network.weights,
                                             strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a != 0, mask)
        np.testing.assert_array_equal(before, unchanged)
    if block == 16:
        blocks = trained.masks[1].reshape(32, 2, 16)
        assert (blocks.all(axis=2) == blocks.any(axis=2)).all()


def test_magnitude_keeps_the_largest_recurrent_weights_and_all_others():
    data, network = toy(), net()
    samples = sparse.pack_samples(data.inputs, data.labels, np.float64)
    recipe = sparse.Recipe(10, 0.0, 0.1, schedule="one-shot", burn_in=5)
    trained = recurrent.run(recipe, network.weights, network.biases, samples)
    before = network.weights[1]
    threshold = np.sort(np.abs(before).ravel())[-(before.size // 10)]
    np.testing.assert_array_equal(trained.weights[1], np.where(np.abs(before) >= threshold, before, 0))
    for k in (0, 2):
        np.testing.assert_array_equal(trained.weights[k], network.weights[k])


def test_a_run_that_prunes_nothing_is_one_epoch_with_a_falling_rate():
    data, network = toy(), net()
    samples = sparse.pack_samples(data.inputs, data.labels, np.float64)
    trained = recurrent.run(sparse.Recipe(60, 0.2, seed=4), network.weights, network.biases, samples)
    order = np.random.default_rng(np.random.SeedSequence(4, spawn_key=(5,)).spawn(1)[0]).integers(30, size=60)
    everything = [np.ones(w.shape) for w in network.weights]
    train_in_numpy(network, data, order, everything, 0.2 - 0.2 * np.arange(60) / 60, 1.0)
    assert_parameters_equal((trained.weights, trained.biases), network, np.float64)


# ---- mistakes ---------------------------------------------------------------------------------------------

def arguments():
    network, data = net(), toy()
    return recurrent.pack(network.weights, network.biases), sparse.pack_samples(data.inputs, data.labels)


@pytest.mark.parametrize(("change", "message"), [
    ({"clip": 0.0}, "clip is 0.0: expected a positive number, or None"),
    ({"clip": np.nan}, "clip is nan"),
    ({"learning_rate": -0.1}, "learning rates are -0.1"),
    ({"final_rate": np.inf}, "learning rates are 0.1 and inf"),
    ({"order": [0, 30]}, "order runs from 0 to 30"),
    ({"samples": sparse.pack_samples(toy().inputs, toy().labels, np.float64)}, "float64 features"),
    ({"samples": sparse.pack_samples(toy().inputs[:, 1:], toy().labels)}, "29 float32 features, the net reads rows"),
    ({"samples": sparse.pack_samples(toy().inputs, toy().labels + 1)}, "labels run to 3"),
])
def test_epochs_refuse(change, message):
    packed, samples = arguments()
    given = {"net": packed, "samples": samples, "order": [0, 1], "learning_rate": 0.1} | change
    with pytest.raises(UserError, match=message):
        recurrent.train_epoch(**given)


def test_accuracy_refuses_samples_that_do_not_fit():
    packed, samples = arguments()
    with pytest.raises(UserError, match="labels run to"):
        recurrent.accuracy(packed, samples._replace(labels=samples.labels + 5))
    with pytest.raises(UserError, match="there are 0 samples"):
        recurrent.accuracy(packed, samples._replace(labels=samples.labels[:0]))


def test_pack_refuses_layers_that_do_not_fit():
    network = net()
    with pytest.raises(UserError, match="expected input, square recurrent and output weights"):
        recurrent.pack(network.weights[:2], network.biases)
    with pytest.raises(UserError, match="expected input, square recurrent and output weights"):
        recurrent.pack([network.weights[0], network.weights[2], network.weights[2]], network.biases)
    with pytest.raises(UserError, match="layout is 'diagonal'"):
        recurrent.pack(network.weights, network.biases, layout="diagonal")


@pytest.mark.parametrize("change", [{"criterion": "snip"}, {"batch_size": 2}])
def test_runs_refuse_recipes_for_other_nets(change):
    network = net()
    with pytest.raises(UserError, match="a recurrent net is pruned by magnitude or random"):
        recurrent.run(sparse.Recipe(10, 0.1, **change), network.weights, network.biases, arguments()[1])
