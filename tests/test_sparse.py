"""Sparse training against plain numpy: every layout, every criterion, and runs that are broken off."""
import math
import pickle
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from gradnets import sparse
from gradnets.sparse import training

LAYOUTS = ("dense", "sparse", "blocks", "mixed", "auto")
DTYPES = (np.float32, np.float64)
CLOSE = {np.float32: 1e-5, np.float64: 1e-12}  # what 24 steps may differ by, weights being of order 1


# ---- the oracle: masked gradient descent on dense matrices, in float64 -------------------------------------

def forward(weights, biases, x, slope, loss):
    """Pre-activations and activations of every layer for x (n, features); slope None is tanh."""
    values, sums = [x], []
    for l, (w, bias) in enumerate(zip(weights, biases, strict=True)):
        z = values[-1] @ w + (0 if bias is None else bias)
        linear = l == len(weights) - 1 and loss == "cross-entropy"
        sums.append(z)
        values.append(z if linear else np.tanh(z) if slope is None else np.where(z > 0, z, slope * z))
    return sums, values


def losses(out, labels, loss, targets):
    wanted = np.arange(out.shape[1]) == labels[:, None]
    if loss == "squared":
        return ((out - np.where(wanted, targets[1], targets[0])) ** 2).sum(axis=1) / 2
    shifted = out - out.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[wanted]


def descend(weights, biases, masks, x, labels, order, rates, batch_size, slope, loss, targets):
    """What `train_epoch` should do: weights, biases and how many samples were recognised."""
    weights = [w * mask for w, mask in zip(weights, masks, strict=True)]
    biases = [None if bias is None else bias.copy() for bias in biases]
    right, steps = 0, len(order) // batch_size
    for s in range(steps):
        batch = order[s * batch_size:(s + 1) * batch_size]
        rate = rates[0] + (rates[1] - rates[0]) * s / steps
        sums, values = forward(weights, biases, x[batch], slope, loss)
        right += (values[-1].argmax(axis=1) == labels[batch]).sum()
        wanted = np.arange(values[-1].shape[1]) == labels[batch][:, None]
        if loss == "cross-entropy":
            e = np.exp(values[-1] - values[-1].max(axis=1, keepdims=True))
            delta = e / e.sum(axis=1, keepdims=True) - wanted
        else:
            delta = values[-1] - np.where(wanted, targets[1], targets[0])
            delta = delta * through(sums[-1], slope)
        for l in reversed(range(len(weights))):
            gradient, slopes = values[l].T @ delta / batch_size, delta.mean(axis=0)
            if l:
                delta = delta @ weights[l].T * through(sums[l - 1], slope)
            weights[l] = weights[l] - rate * gradient * masks[l]
            if biases[l] is not None:
                biases[l] = biases[l] - rate * slopes
    return weights, biases, right


def through(z, slope):
    return 1 - np.tanh(z) ** 2 if slope is None else np.where(z > 0, 1.0, slope)


def outputs_are_rows(l, shape):
    """The layout's rule, written out: the first layer lists its inputs, others what makes longer rows."""
    return l > 0 and shape[1] < shape[0]


def random_mask(rng, l, shape, density):
    return rng.random(shape) < density


def block_mask(rng, l, shape, density):
    """Whole runs of 16 neighbours along a row, cut at its end."""
    rows, width = shape[::-1] if outputs_are_rows(l, shape) else shape
    mask = np.repeat(rng.random((rows, math.ceil(width / 16))) < density, 16, axis=1)[:, :width]
    return mask.T.copy() if outputs_are_rows(l, shape) else mask


def full_mask(rng, l, shape, density):
    return np.ones(shape, dtype=bool)


def toy(sizes, masker=random_mask, density=0.4, biased=None, n=30, seed=0, scale=0.6, dtype=np.float64):
    """Weights, biases, masks, inputs (40 % of them 0) and labels, all of them values that the dtype can hold."""
    rng = np.random.default_rng(seed)
    shapes = list(pairwise(sizes))
    weights = [rng.normal(0, scale, shape).astype(dtype).astype(float) for shape in shapes]
    biases = [rng.normal(0, 0.3, outputs).astype(dtype).astype(float) for _, outputs in shapes]
    biases = [b if has else None for b, has in zip(biases, biased or [True] * len(biases), strict=True)]
    masks = [masker(rng, l, shape, density) for l, shape in enumerate(shapes)]
    x = rng.normal(0, 0.7, (n, sizes[0])) * (rng.random((n, sizes[0])) < 0.6)
    x[3] = 0
    return weights, biases, masks, x.astype(dtype).astype(float), rng.integers(sizes[-1], size=n)


CASES = {
    "tanh, softmax, one hidden layer": ((23, 37, 5), "tanh", None, "cross-entropy", (0, 1), (1, 1), random_mask),
    "relu, softmax, two hidden layers": ((40, 21, 33, 10), "relu", 0.0, "cross-entropy", (0, 1), (0, 1, 1), block_mask),
    "leaky, squared, three hidden layers": ((19, 50, 18, 35, 4), 0.1, 0.1, "squared", (-0.5, 0.8), (1, 0, 1, 0),
                                            random_mask),
    "tanh, squared, nothing dead": ((30, 47, 10), "tanh", None, "squared", (-1, 1), (0, 0), full_mask),
    "tanh, softmax, more classes than hidden units": ((33, 5, 40), "tanh", None, "cross-entropy", (0, 1), (1, 0),
                                                      block_mask),
    "relu, squared, whole blocks": ((16, 64, 32, 16), "relu", 0.0, "squared", (0, 2), (1, 1, 1), block_mask),
    "one hidden unit": ((9, 1, 3), "tanh", None, "cross-entropy", (0, 1), (1, 1), full_mask),
}


def chosen(layout, layers):
    return [("blocks", "sparse", "dense", "auto")[l % 4] for l in range(layers)] if layout == "mixed" else layout


def check_equal(net, masks, expected, dtype):
    weights, biases = sparse.unpack(net)
    for got, right, mask in zip(weights, expected[0], masks, strict=True):
        np.testing.assert_allclose(got, right, rtol=0, atol=CLOSE[dtype])
        assert (got[~mask] == 0).all()  # exactly dead
    for got, right in zip(biases, expected[1], strict=True):
        if right is None:
            assert got is None
        else:
            np.testing.assert_allclose(got, right, rtol=0, atol=CLOSE[dtype])


# ---- training ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_size", [1, 8])
def test_epoch_equals_masked_gradient_descent(case, layout, dtype, batch_size):
    sizes, activation, slope, loss, targets, biased, masker = CASES[case]
    weights, biases, masks, x, labels = toy(sizes, masker, biased=biased, dtype=dtype)
    order = np.random.default_rng(1).integers(len(x), size=24 * min(batch_size, 3))
    order = order[:len(order) // batch_size * batch_size]
    rates = (0.1, 0.02)
    expected = descend(weights, biases, masks, x, labels, order, rates, batch_size, slope, loss, targets)
    assert all(np.abs(a - b * m).max() > 1e-3 for a, b, m in zip(expected[0], weights, masks, strict=True))
    net = sparse.pack(weights, biases, masks, chosen(layout, len(weights)), activation, loss, targets, dtype)
    right = sparse.train_epoch(net, sparse.pack_samples(x, labels, dtype), order, *rates, batch_size)
    assert right == expected[2]
    check_equal(net, masks, expected, dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch_size", [1, 2, 5, 30])
def test_minibatches_of_any_size_take_mean_gradients(layout, batch_size):
    weights, biases, masks, x, labels = toy((20, 35, 4), seed=3)
    order = np.random.default_rng(2).permutation(30)
    expected = descend(weights, biases, masks, x, labels, order, (0.5, 0.5), batch_size, None, "cross-entropy", (0, 1))
    net = sparse.pack(weights, biases, masks, chosen(layout, 2), dtype=np.float64)
    samples = sparse.pack_samples(x, labels, np.float64)
    assert sparse.train_epoch(net, samples, order, 0.5, batch_size=batch_size) == expected[2]
    check_equal(net, masks, expected, np.float64)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_learning_rate_falls_in_a_straight_line_and_stays_unless_told(batch_size):
    weights, biases, masks, x, labels = toy((12, 20, 3), seed=4)
    samples, order = sparse.pack_samples(x, labels, np.float64), np.arange(24)
    ends = []
    for final in (None, 0.4, 0.1, 0.0, 0.9):
        rates = (0.4, 0.4 if final is None else final)
        expected = descend(weights, biases, masks, x, labels, order, rates, batch_size, None, "cross-entropy", (0, 1))
        net = sparse.pack(weights, biases, masks, dtype=np.float64)
        sparse.train_epoch(net, samples, order, 0.4, final, batch_size)
        check_equal(net, masks, expected, np.float64)
        ends.append(sparse.unpack(net)[0][0])
    np.testing.assert_array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[1], ends[2])


@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("dtype", DTYPES)
def test_parts_of_an_epoch_end_with_the_weights_of_the_whole(batch_size, dtype):
    """Bit by bit where the parts know the whole; to rounding where they are given the rates in between."""
    weights, biases, masks, x, labels = toy((18, 33, 6), seed=5, dtype=dtype)
    samples, order = sparse.pack_samples(x, labels, dtype), np.arange(30)
    whole, parts, alone = (sparse.pack(weights, biases, masks, dtype=dtype) for _ in range(3))
    right = sparse.train_epoch(whole, samples, order, 0.3, 0.06, batch_size)
    assert right == sum(sparse.train_epoch(parts, samples, order[a:b], 0.3, 0.06, batch_size, start=a, total=30)
                        for a, b in ((0, 10), (10, 15), (15, 30)))
    for a, b in zip(sparse.unpack(whole), sparse.unpack(parts), strict=True):
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, other)
    sparse.train_epoch(alone, samples, order[:10], 0.3, 0.22, batch_size)
    sparse.train_epoch(alone, samples, order[10:], 0.22, 0.06, batch_size)
    check_equal(alone, masks, sparse.unpack(whole), dtype)


def test_training_leaves_the_arrays_that_were_packed_alone():
    weights, biases, masks, x, labels = toy((18, 33, 6))
    before = [a.copy() for a in (*weights, *biases, *masks)]
    for layout in LAYOUTS:
        net = sparse.pack(weights, biases, masks, chosen(layout, 2), dtype=np.float64)
        sparse.train_epoch(net, sparse.pack_samples(x, labels, np.float64), np.arange(30), 0.5)
    for a, b in zip(before, (*weights, *biases, *masks), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy_equals_that_of_dense_matrices(layout, dtype):
    for activation, slope in (("tanh", None), ("relu", 0.0), (0.3, 0.3)):
        weights, biases, masks, x, labels = toy((23, 37, 3), n=200, seed=6, dtype=dtype)
        dead = [w * mask for w, mask in zip(weights, masks, strict=True)]
        right = forward(dead, biases, x, slope, "cross-entropy")[1][-1].argmax(axis=1) == labels
        net = sparse.pack(weights, biases, masks, chosen(layout, 2), activation, dtype=dtype)
        assert sparse.accuracy(net, sparse.pack_samples(x, labels, dtype)) == right.mean()
        assert 0.1 < right.mean() < 0.9


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("what", ["no light", "one sample again and again", "one class", "one feature lit"])
def test_poor_data_is_learnt_as_by_the_reference(layout, batch_size, what):
    weights, biases, masks, x, labels = toy((14, 20, 4), seed=7)
    order = np.arange(30)
    if what == "no light":
        x[:] = 0
    elif what == "one class":
        labels[:] = 2
    elif what == "one feature lit":
        x[:, :-1], x[:, -1] = 0, 1
    else:
        order[:] = 4
    expected = descend(weights, biases, masks, x, labels, order, (0.3, 0.3), batch_size, None, "cross-entropy", (0, 1))
    net = sparse.pack(weights, biases, masks, chosen(layout, 2), dtype=np.float64)
    samples = sparse.pack_samples(x, labels, np.float64)
    assert sparse.train_epoch(net, samples, order, 0.3, batch_size=batch_size) == expected[2]
    check_equal(net, masks, expected, np.float64)
    if what == "no light":
        np.testing.assert_array_equal(sparse.unpack(net)[0][0], weights[0] * masks[0])


@pytest.mark.parametrize("batch_size", [1, 5])
def test_of_equal_outputs_the_first_counts(batch_size):
    weights, _, masks, x, labels = toy((14, 20, 4))
    net = sparse.pack(weights, [None, None], masks, dtype=np.float64)
    samples = sparse.pack_samples(0 * x, labels, np.float64)
    assert sparse.accuracy(net, samples) == (labels == 0).mean()
    assert sparse.train_epoch(net, samples, np.arange(30), 0.3, batch_size=batch_size) == (labels == 0).sum() > 0


def test_an_epoch_of_no_samples_changes_nothing():
    weights, biases, masks, x, labels = toy((14, 20, 4))
    net = sparse.pack(weights, biases, masks, dtype=np.float64)
    for batch_size in (1, 4):
        assert sparse.train_epoch(net, sparse.pack_samples(x, labels, np.float64), [], 0.3, batch_size=batch_size) == 0
    check_equal(net, masks, ([w * m for w, m in zip(weights, masks, strict=True)], biases), np.float64)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_extreme_logits_do_not_overflow(layout, dtype, batch_size, activation):
    """Weights of 1000: tanh is saturated, one class has all the probability."""
    weights, biases, masks, x, labels = toy((14, 20, 4), scale=1e3, seed=8, dtype=dtype)
    net = sparse.pack(weights, biases, masks, chosen(layout, 2), activation, dtype=dtype)
    slope = None if activation == "tanh" else 0.0
    # Later steps are chaotic at this scale; the first is not.
    order = np.arange(5)[:batch_size]
    expected = descend(weights, biases, masks, x, labels, order, (0.1, 0.1), batch_size, slope, "cross-entropy",
                       (0, 1))
    samples = sparse.pack_samples(x, labels, dtype)
    assert sparse.train_epoch(net, samples, order, 0.1, batch_size=batch_size) == expected[2]
    for got, right in zip(sparse.unpack(net)[0], expected[0], strict=True):
        np.testing.assert_allclose(got, right, rtol=4 * np.finfo(dtype).eps, atol=1e3 * CLOSE[dtype])
        assert np.isfinite(got).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_rate_that_diverges_ends_and_the_next_pack_says_so(layout, batch_size, activation):
    weights, biases, masks, x, labels = toy((14, 20, 4))
    net = sparse.pack(weights, biases, masks, chosen(layout, 2), activation, "squared", dtype=np.float32)
    sparse.train_epoch(net, sparse.pack_samples(x, labels), np.tile(np.arange(30), 10), 1e30, batch_size=batch_size)
    if activation == "relu":
        with pytest.raises(ValueError, match="NaN or infinite: lower the learning rate"):
            sparse.pack(*sparse.unpack(net), masks)


# ---- compiled exp and tanh --------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_equals_numpys(dtype):
    x = np.concatenate([np.linspace(-50, 50, 20001), np.geomspace(1e-12, 1e30, 500), -np.geomspace(1e-12, 1e30, 500),
                        [0.0, -0.0]]).astype(dtype)
    got = x.copy()
    training._activate(got, len(got), dtype(1), training.EXP[np.dtype(dtype)])
    np.testing.assert_allclose(got, np.tanh(x.astype(float)), rtol=0, atol=4 * np.finfo(dtype).eps)
    assert np.abs(got).max() <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_activation_touches_as_many_as_it_is_told_and_keeps_slopes(dtype):
    x = np.array([-2, -0.5, 0, 0.5, 3, -7], dtype)
    for slope, expected in ((0.0, [0, 0, 0, 0.5, 3, -7]), (0.25, [-0.5, -0.125, 0, 0.5, 3, -7])):
        got = x.copy()
        training._activate(got, 5, dtype(slope), training.EXP[np.dtype(dtype)])
        np.testing.assert_array_equal(got, np.array(expected, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_takes_numpys_exponentials(dtype):
    """The last of the probabilities is its label's; the ratio of the others to the first is their exponential."""
    out = np.append(np.linspace(0, -80, 4001), -80).astype(dtype)
    delta, scalars = np.zeros_like(out), np.array([1, 0, 1], dtype)
    right = training._output_delta(out, delta, len(out), len(out) - 1, scalars, True, training.EXP[np.dtype(dtype)])
    assert not right
    np.testing.assert_allclose(delta[:-1] / delta[0], np.exp(out[:-1].astype(float)), rtol=16 * np.finfo(dtype).eps)
    np.testing.assert_allclose(delta[0], 1 / np.exp(out.astype(float)).sum(), rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_of_far_logits_is_their_winner(dtype):
    out, delta = np.array([-1e30, 3e4, 0, 2.9e4], dtype), np.zeros(4, dtype)
    assert training._output_delta(out, delta, 4, 1, np.array([1, 0, 1], dtype), True, training.EXP[np.dtype(dtype)])
    np.testing.assert_allclose(delta, 0, atol=1e-30)


# ---- packing ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("masker", [random_mask, block_mask, full_mask])
@pytest.mark.parametrize("sizes", [(23, 37, 5), (16, 32, 48, 10), (3, 1, 2), (5, 17, 16, 15, 33)])
def test_unpack_returns_what_was_packed(layout, dtype, masker, sizes):
    weights, biases, masks, *_ = toy(sizes, masker, density=0.6, biased=[l % 2 == 0 for l in range(len(sizes) - 1)],
                                     seed=9, dtype=dtype)
    for mask in masks:
        mask.flat[0] = True
    net = sparse.pack(weights, biases, masks, chosen(layout, len(weights)), dtype=dtype)
    assert {layer.values.dtype for layer in net.layers} == {np.dtype(dtype)}
    got, got_biases = sparse.unpack(net)
    for w, mask, found in zip(weights, masks, got, strict=True):
        np.testing.assert_array_equal(found, w * mask)
        assert found.dtype == np.float64
    for bias, found in zip(biases, got_biases, strict=True):
        np.testing.assert_array_equal(found, bias)


def test_packed_samples_are_the_inputs_that_are_not_zero():
    x = np.array([[0, 2.5, 0, -1], [0, 0, 0, 0], [3, 0, 0, 0]])
    found = sparse.pack_samples(x, np.array([1, 0, 7]))
    assert found.starts.tolist() == [0, 2, 2, 3]
    assert found.places.tolist() == [1, 3, 0]
    assert found.values.tolist() == [2.5, -1, 3]
    assert found.values.dtype == np.float32
    assert found.labels.tolist() == [1, 0, 7]
    assert found.features == 4


def test_cost_counts_the_entries_that_a_layout_touches():
    price = {"dense": 0.12, "masked": 0.18, "sparse": 0.8, "blocks": 0.15}
    assert price == sparse.COSTS
    mask = np.zeros((4, 40), dtype=bool)
    mask[0, 3], mask[0, 15], mask[1, 16], mask[3, 39] = True, True, True, True  # 4 weights, 3 blocks of a row
    assert sparse.cost(mask, "dense") == pytest.approx(160 * price["masked"])
    assert sparse.cost(mask, "sparse") == pytest.approx(4 * price["sparse"])
    assert sparse.cost(mask, "blocks") == pytest.approx(3 * 16 * price["blocks"])
    assert sparse.cost(mask, "blocks", transposed=True) == pytest.approx(4 * 16 * price["blocks"])  # 4 columns are used
    assert sparse.cost(np.ones((4, 40), bool), "dense") == pytest.approx(160 * price["dense"])


def test_auto_takes_dense_where_full_single_weights_where_few_and_blocks_where_they_are():
    rng = np.random.default_rng(0)
    weights, biases = [rng.normal(size=(64, 128)), rng.normal(size=(128, 32))], [None, None]

    def kinds(masks):
        return [sparse.LAYOUTS[layer.kind] for layer in sparse.pack(weights, biases, masks).layers]
    shapes = [w.shape for w in weights]
    assert kinds(None) == ["dense", "dense"]
    assert kinds([random_mask(rng, l, s, 0.01) for l, s in enumerate(shapes)]) == ["sparse", "sparse"]
    assert kinds([block_mask(rng, l, s, 0.2) for l, s in enumerate(shapes)]) == ["blocks", "blocks"]
    shapes = [(128, 32), (32, 128)]
    weights, biases = [rng.normal(size=shape) for shape in shapes], [None, None]
    assert kinds([block_mask(rng, 0, (32, 128), 0.1).T, np.ones((32, 128), bool)]) == ["sparse", "dense"]  # wrong way


def test_parameters_are_live_weights_and_all_biases():
    masks = [np.array([[True, False, True]]), np.array([[True], [False], [False]])]
    assert sparse.parameters(masks, [np.zeros(3), np.zeros(1)]) == 3 + 4
    assert sparse.parameters(masks, [None, np.zeros(1)]) == 3 + 1


def test_keep_for_leaves_the_budget_to_the_weights():
    weights, biases = [np.zeros((784, 96)), np.zeros((96, 10))], [np.zeros(96), np.zeros(10)]
    assert sparse.keep_for(3180, weights, biases) == (3180 - 106) / (784 * 96 + 960)
    assert sparse.keep_for(10 ** 6, weights, biases) == 1
    assert sparse.keep_for(960, weights, [None, None]) == 960 / (784 * 96 + 960)
    with pytest.raises(ValueError, match="106 parameters do not cover the 106 biases"):
        sparse.keep_for(106, weights, biases)


# ---- pruning ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("score", ["magnitude", "moved", "snip"])
@pytest.mark.parametrize("keep", [0.1, 1 / 3, 0.7, 1.0])
def test_pruning_keeps_the_best_of_all_layers_by_the_scores_formula(score, keep):
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=(10, 13)), rng.normal(size=(13, 7)) * 2]
    initial, slopes = ([rng.normal(size=w.shape) for w in weights] for _ in range(2))
    scores = {"magnitude": [abs(w) for w in weights],
              "moved": [abs(w - b) for w, b in zip(weights, initial, strict=True)],
              "snip": [abs(w * g) for w, g in zip(weights, slopes, strict=True)]}[score]
    masks = sparse.prune(weights, keep, score, initial=initial, gradients=slopes)
    ranked = sorted([(s, l, at) for l, layer in enumerate(scores) for at, s in np.ndenumerate(layer)], reverse=True)
    best = {(l, at) for _, l, at in ranked[:math.floor(keep * 221 + 1e-9)]}
    assert {(l, tuple(map(int, at))) for l, mask in enumerate(masks) for at in np.argwhere(mask)} == best
    assert [mask.dtype for mask in masks] == [bool, bool]


@pytest.mark.parametrize(("keep", "count"), [(0.1, 10), (0.29, 29), (0.57, 57), (0.299, 29), (0.999, 99), (1, 100)])
def test_share_kept_is_rounded_down_but_for_binary_fractions(keep, count):
    """0.29 * 100 is 28.999999999999996."""
    assert sparse.prune([np.arange(1.0, 101).reshape(5, 20)], keep)[0].sum() == count


def test_the_dead_stay_dead_and_all_live_weights_may_stay():
    rng = np.random.default_rng(2)
    weights = [rng.normal(size=(10, 12)), rng.normal(size=(12, 5))]
    masks = [rng.random(w.shape) < 0.5 for w in weights]
    for score in ("magnitude", "random"):
        for keep in (0.2, 0.45, 0.9, 1.0):
            found = sparse.prune(weights, keep, score, masks=masks, rng=rng)
            assert not any((new & ~old).any() for new, old in zip(found, masks, strict=True))
            asked = min(int(keep * 180), sum(m.sum() for m in masks))
            assert sum(m.sum() for m in found) == asked or score == "random"


def test_live_weights_of_zero_go_before_dead_ones_come_back():
    weights, masks = [np.zeros((2, 4))], [np.array([[True, False, False, True], [False, False, True, False]])]
    np.testing.assert_array_equal(sparse.prune(weights, 0.5, masks=masks)[0], masks[0])


def shares(count, shapes):
    """Weights of each layer so that they are in proportion to rows + columns, no more than there are: by bisection."""
    sizes, spans = np.array([math.prod(s) for s in shapes]), np.array([sum(s) for s in shapes])
    low, high = 0.0, float(sizes.max())
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(sizes, middle * spans).sum() < count else (low, middle)
    return np.minimum(sizes, high * spans)


@pytest.mark.parametrize(("sizes", "keep", "block"), [
    ((20, 40, 5), 0.3, 1), ((20, 40, 5), 0.9, 1), ((9, 32, 32, 40), 0.05, 1), ((50, 3, 30), 0.6, 1),
    ((7, 1, 7, 7), 25 / 63, 1), ((1, 3, 2, 4, 8, 2), 11 / 65, 1), ((1, 2, 1, 2), 5 / 6, 1),
    ((20, 40, 5), 0.3, 16), ((9, 32, 32, 40), 0.2, 16)])
def test_random_pruning_keeps_as_many_as_asked_and_small_layers_denser(sizes, keep, block):
    """Mocanu et al. 2018: a layer keeps in proportion to its rows and columns (of blocks)."""
    weights = [np.ones(shape) for shape in pairwise(sizes)]
    shapes = list(pairwise(sizes)) if block == 1 else [
        (min(s), math.ceil(max(s) / 16)) if outputs_are_rows(l, s) else (s[0], math.ceil(s[1] / 16))
        for l, s in enumerate(pairwise(sizes))]
    asked = int(keep * sum(map(math.prod, shapes)) + 1e-9)
    masks = sparse.prune(weights, keep, "random", block=block, rng=np.random.default_rng(0))
    kept = np.array([sum(mask[where].any() for *_, where in blocks_of(mask, l)) if block == 16 else mask.sum()
                     for l, mask in enumerate(masks)])
    assert kept.sum() == asked
    assert np.abs(kept - shares(asked, shapes)).max() <= len(shapes)  # but for rounding


def test_random_pruning_is_uniform_within_a_layer_and_repeats_with_its_seed():
    weights = [np.array([[1e9, 1.0] * 10]), np.full((20, 3), 1e-9)]
    masks = [sparse.prune(weights, 0.25, "random", rng=np.random.default_rng(seed)) for seed in [3, 3, *range(400)]]
    for a, b in zip(*masks[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    for l in range(2):
        share = np.mean([m[l] for m in masks[2:]], axis=0)
        p = share.mean()
        assert abs(share - p).max() < 4.5 * math.sqrt(p * (1 - p) / 400)


def test_random_pruning_of_a_pruned_net_keeps_as_many_as_asked():
    masks = [np.arange(120).reshape(10, 12) % 2 == 0, np.arange(60).reshape(12, 5) % 2 == 0]
    weights = [np.ones((10, 12)), np.ones((12, 5))]
    found = sparse.prune(weights, 0.45, "random", masks=masks, rng=np.random.default_rng(0))
    assert sum(m.sum() for m in found) == 81  # of 90 that are alive


def test_ties_go_to_the_weights_that_are_listed_first():
    masks = sparse.prune([np.ones((2, 3)), -np.ones((3, 2))], 8 / 12)
    np.testing.assert_array_equal(masks[0], np.ones((2, 3), bool))
    np.testing.assert_array_equal(masks[1], [[True, True], [False, False], [False, False]])


def blocks_of(matrix, l):
    """Every block of a layer as (mean score, row, start, slice of the matrix), written out."""
    across = outputs_are_rows(l, matrix.shape)
    rows = matrix.T if across else matrix
    return [(rows[r, at:at + 16].mean(), r, at, (slice(at, at + 16), r) if across else (r, slice(at, at + 16)))
            for r in range(len(rows)) for at in range(0, rows.shape[1], 16)]


@pytest.mark.parametrize("sizes", [(20, 40, 5), (9, 32, 32, 40), (6, 50, 16)])
def test_blocks_live_or_die_whole_along_the_rows_that_are_packed(sizes):
    rng = np.random.default_rng(3)
    weights = [rng.normal(size=shape) for shape in pairwise(sizes)]
    masks = sparse.prune(weights, 0.4, block=16)
    units = [(score, l, r, at, where) for l, w in enumerate(weights) for score, r, at, where in blocks_of(abs(w), l)]
    units.sort(key=lambda unit: unit[:4], reverse=True)
    expected = [np.zeros(w.shape, bool) for w in weights]
    for _, l, _, _, where in units[:int(0.4 * len(units) + 1e-9)]:
        expected[l][where] = True
    for mask, right in zip(masks, expected, strict=True):
        np.testing.assert_array_equal(mask, right)
    again = sparse.prune(weights, 0.2, masks=masks, block=16)
    assert not any((new & ~old).any() for new, old in zip(again, masks, strict=True))


def test_the_first_layers_blocks_lie_along_outputs_and_the_lasts_along_inputs():
    weights = [np.ones((3, 32)), np.ones((32, 2))]
    weights[0][1, 16:] = 9
    weights[1][:16, 1] = 5
    first, last = sparse.prune(weights, 2 / 10, block=16)
    np.testing.assert_array_equal(first, weights[0] == 9)
    np.testing.assert_array_equal(last, weights[1] == 5)


def test_pruning_in_blocks_brings_no_dead_weight_back():
    rng = np.random.default_rng(4)
    weights = [rng.normal(size=(20, 40)), rng.normal(size=(40, 5))]
    masks = [rng.random(w.shape) < 0.5 for w in weights]
    found = sparse.prune(weights, 0.5, masks=masks, block=16)
    assert not any((new & ~old).any() for new, old in zip(found, masks, strict=True))


@pytest.mark.parametrize(("settings", "words"), [
    ({"keep": 0}, r"keep is 0: expected a share of the weights, in \(0, 1\]"),
    ({"keep": 0.0}, "keep is 0.0"), ({"keep": -0.1}, "keep is -0.1"), ({"keep": 1.5}, "keep is 1.5"),
    ({"keep": math.nan}, "keep is nan"), ({"keep": math.inf}, "keep is inf"),
    ({"block": 8}, "block is 8: expected 1 or 16"),
    ({"score": "size"}, "unknown score 'size': expected one of magnitude, moved, snip, random"),
    ({"score": "moved"}, "'moved' needs initial"), ({"score": "snip"}, "'snip' needs gradients"),
    ({"score": "random"}, "'random' needs rng"),
    ({"keep": 1e-9}, r"leaves none in layer 1 of shape \(4, 32\): keep more"),
    ({"keep": 0.3}, r"keeping 0.3 of the weights leaves none in layer 2 of shape \(32, 2\): keep more"),
])
def test_pruning_refuses(settings, words):
    weights = [np.ones((4, 32)), np.full((32, 2), 0.1)]
    with pytest.raises(ValueError, match=words):
        sparse.prune(weights, **{"keep": 0.5} | settings)


@pytest.mark.parametrize("score", ["magnitude", "moved", "snip", "random"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("block", [1, 16])
def test_pruning_refuses_weights_that_are_no_numbers(score, bad, block):
    weights = [np.ones((4, 32)), np.ones((32, 2))]
    weights[1][3, 1] = bad
    others = [np.ones((4, 32)), np.ones((32, 2))]
    with pytest.raises(ValueError, match="NaN or infinite"):
        sparse.prune(weights, 0.9, score, initial=others, gradients=others, block=block, rng=np.random.default_rng(0))


# ---- regrowing --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rigl", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_regrowing_drops_the_smallest_and_grows_as_many(rigl, share):
    rng = np.random.default_rng(5)
    weights = [rng.normal(size=(10, 12)), rng.normal(size=(12, 5))]
    masks = [rng.random(w.shape) < 0.3 for w in weights]
    weights = [w * mask for w, mask in zip(weights, masks, strict=True)]
    slopes = [rng.normal(size=w.shape) for w in weights] if rigl else None
    before = [w.copy() for w in weights]
    found = sparse.regrow(weights, masks, share, slopes, np.random.default_rng(6))
    for l, (w, old, new) in enumerate(zip(before, masks, found, strict=True)):
        count = int(share * old.sum())
        smallest = sorted(map(tuple, np.argwhere(old)), key=lambda at, w=w: abs(w[at]))[:count]
        assert set(map(tuple, np.argwhere(old & ~new))) == set(smallest)
        grown = set(map(tuple, np.argwhere(new & ~old)))
        assert len(grown) == count
        if rigl:
            largest = sorted(map(tuple, np.argwhere(~old)), key=lambda at, l=l: -abs(slopes[l][at]))[:count]
            assert grown == set(largest)
        np.testing.assert_array_equal(weights[l], np.where(old & new, w, 0))  # the new ones start at 0


def test_set_grows_anywhere_among_the_dead_and_repeats_with_its_seed():
    mask = np.zeros((5, 8), bool)
    mask[0] = True

    def grown(seed):
        return sparse.regrow([np.ones((5, 8))], [mask], 0.5, None, np.random.default_rng(seed))[0]
    np.testing.assert_array_equal(grown(3), grown(3))
    share = np.mean([grown(seed)[1:] for seed in range(600)], axis=0)
    assert abs(share - 4 / 32).max() < 4.5 * math.sqrt(4 / 32 * 28 / 32 / 600)


def test_regrowing_where_few_or_none_are_dead_replaces_only_those():
    weights, mask = [np.arange(1.0, 7).reshape(2, 3)], np.ones((2, 3), bool)
    np.testing.assert_array_equal(sparse.regrow(weights, [mask], 0.9, None, np.random.default_rng(0))[0], mask)
    mask[1, 2], weights[0][1, 2] = False, 0
    found = sparse.regrow(weights, [mask], 0.9, None, np.random.default_rng(0))[0]
    np.testing.assert_array_equal(found, [[False, True, True], [True, True, True]])
    np.testing.assert_array_equal(weights[0], [[0, 2, 3], [4, 5, 0]])


def test_what_is_grown_starts_at_0_whatever_it_was():
    weights, mask = [np.arange(1.0, 7).reshape(2, 3)], np.array([[True, True, True], [True, True, False]])
    sparse.regrow(weights, [mask], 0.3, None, np.random.default_rng(0))
    np.testing.assert_array_equal(weights[0], [[0, 2, 3], [4, 5, 0]])


# ---- gradients --------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("activation", "slope"), [("tanh", None), (0.2, 0.2)])
@pytest.mark.parametrize("loss", ["cross-entropy", "squared"])
@pytest.mark.parametrize("sizes", [(6, 9, 3), (5, 7, 6, 3)])
def test_gradients_equal_central_differences_for_the_dead_too(activation, slope, loss, sizes):
    weights, biases, masks, x, labels = toy(sizes, n=11, seed=10)
    weights = [w * mask for w, mask in zip(weights, masks, strict=True)]
    before = [w.copy() for w in weights]
    for dtype in DTYPES:
        found = sparse.gradients(weights, biases, sparse.pack_samples(x, labels, dtype), activation, loss, (-0.3, 0.9))
        exact = x.astype(dtype).astype(float)
        for l, gradient in enumerate(found):
            assert gradient.dtype == np.float64
            for at in np.ndindex(gradient.shape):
                ends = []
                for h in (1e-5, -1e-5):
                    moved = [w.copy() for w in weights]
                    moved[l][at] += h
                    out = forward(moved, biases, exact, slope, loss)[1][-1]
                    ends.append(losses(out, labels, loss, (-0.3, 0.9)).mean())
                assert gradient[at] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=2e-8)
    for a, b in zip(before, weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_gradient_of_one_sample_is_what_a_step_takes_away():
    weights, biases, masks, x, labels = toy((6, 9, 3), full_mask)
    found = sparse.gradients(weights, biases, sparse.pack_samples(x[:1], labels[:1]))
    after = descend(weights, biases, masks, x[:1].astype(np.float32), labels[:1], np.zeros(1, int), (1, 1), 1, None,
                    "cross-entropy", (0, 1))[0]
    for gradient, a, b in zip(found, weights, after, strict=True):
        np.testing.assert_allclose(gradient, a - b, atol=1e-12)


# ---- schedules --------------------------------------------------------------------------------------------

def test_one_shot_prunes_once_after_burn_in():
    assert sparse.schedule("one-shot", 0.1, 1000, 200, 30) == [(200, 0.1)]
    assert sparse.schedule("one-shot", 0.1, 1000, 1000, 1) == [(1000, 0.1)]


def test_halvings_reach_a_thirty_second_in_five():
    plan = sparse.schedule("halvings", 1 / 32, 2000, 200, 5)
    assert [at for at, _ in plan] == [40, 80, 120, 160, 200]
    np.testing.assert_allclose([keep for _, keep in plan], [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32], rtol=1e-14)


def test_gradual_is_cubic_from_burn_in_to_half_of_the_steps():
    """Zhu and Gupta 2017, equation 1: s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3, s_i = 0."""
    plan = sparse.schedule("gradual", 0.1, 2100, 50, 10)
    assert [at for at, _ in plan] == list(range(150, 1051, 100))
    for at, keep in plan:
        sparsity = 0.9 - 0.9 * (1 - (at - 50) / 1000) ** 3
        assert keep == pytest.approx(1 - sparsity, rel=1e-12)
    assert plan[-1][1] == 0.1


@pytest.mark.parametrize(("name", "burn_in", "prunings"), [
    ("one-shot", 101, 1), ("halvings", 110, 5), ("halvings", -1, 5), ("gradual", 60, 3), ("one-shot", -1, 1),
    ("gradual", -9, 1)])
def test_a_schedule_that_does_not_fit_is_refused(name, burn_in, prunings):
    with pytest.raises(ValueError, match=f"{name} pruning with a burn-in of {burn_in} does not fit into 100 samples"):
        sparse.schedule(name, 0.1, 100, burn_in, prunings)


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ValueError, match="unknown schedule 'linear': expected one of one-shot, halvings, gradual"):
        sparse.schedule("linear", 0.1, 100, 10, 3)


# ---- whole runs -------------------------------------------------------------------------------------------

SIZES = (20, 24, 3)
STEPS = 120


def problem(dtype=np.float64, sizes=SIZES, n=60):
    """Weights, biases and samples of a small problem that can be learnt: the label is the brightest third."""
    rng = np.random.default_rng(11)
    weights = [rng.normal(0, 0.4, shape) for shape in pairwise(sizes)]
    biases = [rng.normal(0, 0.1, outputs) for outputs in sizes[1:]]
    labels = rng.integers(3, size=n)
    x = rng.random((n, sizes[0])) * (rng.random((n, sizes[0])) < 0.5)
    x[:, :18] += np.repeat(np.arange(3) == labels[:, None], 6, axis=1)
    return weights, biases, sparse.pack_samples(x, labels, dtype)


def density(masks):
    return sum(m.sum() for m in masks) / sum(m.size for m in masks)


def recipe(**settings):
    return sparse.Recipe(**{"steps": STEPS, "learning_rate": 0.3, "burn_in": 20, "prunings": 4} | settings)


def check_same(a, b):
    """Bit-equal runs."""
    for one, other in zip((*a.weights, *a.masks), (*b.weights, *b.masks), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(a.biases, b.biases, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("batch_size", [1, 6])
@pytest.mark.parametrize("decay", [True, False])
def test_a_run_that_keeps_all_is_one_epoch(batch_size, decay):
    weights, biases, samples = problem()
    before = [w.copy() for w in (*weights, *biases)]
    asked = []

    def watch(net, samples, order, *rest, train=sparse.train_epoch):
        asked.append(order)
        return train(net, samples, order, *rest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "train_epoch", watch)
        found = sparse.run(recipe(batch_size=batch_size, decay=decay), weights, biases, samples)
    order = np.concatenate(asked)
    assert len(order) == STEPS
    assert len(np.unique(order)) > 40  # drawn from all the samples
    net = sparse.pack(weights, biases, dtype=np.float64)
    sparse.train_epoch(net, samples, order, 0.3, 0.0 if decay else 0.3, batch_size)
    for got, right in zip((found.weights, found.biases), sparse.unpack(net), strict=True):
        for a, b in zip(got, right, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    assert all(mask.all() for mask in found.masks)
    assert found.seconds > 0
    for a, b in zip(before, (*weights, *biases), strict=True):
        np.testing.assert_array_equal(a, b)  # what was given is left as it was


@pytest.mark.parametrize("criterion", sparse.CRITERIA)
@pytest.mark.parametrize("schedule", sparse.SCHEDULES)
@pytest.mark.parametrize("batch_size", [1, 5])
def test_every_criterion_ends_within_the_budget(criterion, schedule, batch_size):
    weights, biases, samples = problem(np.float32)
    keep = sparse.keep_for(200, weights, biases)
    settings = recipe(keep=keep, criterion=criterion, schedule=schedule, batch_size=batch_size)
    found = sparse.run(settings, weights, biases, samples)
    assert sparse.parameters(found.masks, found.biases) == 200
    for w, mask in zip(found.weights, found.masks, strict=True):
        assert (w[~mask] == 0).all()
        assert w.dtype == np.float64
    check_same(found, sparse.run(settings, weights, biases, samples))
    other = sparse.run(replace(settings, seed=1), weights, biases, samples)
    assert not np.array_equal(found.weights[0], other.weights[0])


@pytest.mark.parametrize("criterion", sparse.CRITERIA)
def test_what_is_left_still_learns(criterion):
    weights, biases, samples = problem()
    settings = recipe(steps=3000, keep=0.2, criterion=criterion)
    found = sparse.run(settings, weights, biases, samples)
    net = sparse.pack(found.weights, found.biases, found.masks, dtype=np.float64)
    assert sparse.accuracy(net, samples) > 0.9


@pytest.mark.parametrize(("criterion", "schedule"), [("magnitude", "gradual"), ("moved", "halvings"),
                                                     ("random", "one-shot"), ("snip", "one-shot")])
def test_blocks_stay_whole_through_a_run(criterion, schedule):
    weights, biases, samples = problem(sizes=(20, 40, 3))
    found = sparse.run(recipe(keep=0.3, criterion=criterion, schedule=schedule, block=16), weights, biases, samples)
    units = [mask[where] for l, mask in enumerate(found.masks) for *_, where in blocks_of(mask, l)]
    assert all(unit.all() or not unit.any() for unit in units)
    assert sum(unit.any() for unit in units) == int(0.3 * len(units))


def watched(patch, events, criterion="magnitude", **settings):
    """A run whose prunings and regrowings are noted as (samples seen, what, share, masks before, result)."""
    seen = [0]

    def train(net, samples, order, *rest, train=sparse.train_epoch, **more):
        seen[0] += 0 if more else len(order)  # `gradients` names its batch size
        return train(net, samples, order, *rest, **more)

    def prune(weights, keep, *rest, prune=sparse.prune, **more):
        masks = prune(weights, keep, *rest, **more)
        events.append((seen[0], "prune", keep, [w.copy() for w in weights], more, masks))
        return masks

    def regrow(weights, masks, share, *rest, regrow=sparse.regrow):
        before = [w.copy() for w in weights]
        new = regrow(weights, masks, share, *rest)
        events.append((seen[0], "regrow", share, before, rest, new))
        return new
    for name, function in (("train_epoch", train), ("prune", prune), ("regrow", regrow)):
        patch.setattr(training, name, function)
    weights, biases, samples = problem()
    return weights, biases, sparse.run(recipe(criterion=criterion, **settings), weights, biases, samples), samples


def events_of(**settings):
    events = []
    with pytest.MonkeyPatch.context() as patch:
        weights, *_ = watched(patch, events, **settings)
    return events, weights


def test_a_run_prunes_when_the_schedule_says():
    def times(**settings):
        return [event[:3] for event in events_of(keep=0.1, **settings)[0]]
    assert times(schedule="one-shot") == [(20, "prune", 0.1)]
    assert times(schedule="one-shot", burn_in=STEPS) == [(STEPS, "prune", 0.1)]
    assert [at for at, *_ in times(schedule="halvings")] == [5, 10, 15, 20]
    assert [at for at, *_ in times(schedule="gradual")] == [30, 40, 50, 60]
    np.testing.assert_allclose([keep for *_, keep in times(schedule="halvings")], 0.1 ** (np.arange(1, 5) / 4))
    np.testing.assert_allclose([keep for *_, keep in times()], 0.1 + 0.9 * (1 - np.arange(1, 5) / 4) ** 3)
    assert [at for at, *_ in times(schedule="halvings", batch_size=12, burn_in=80)] == [12, 36, 60, 72]  # whole batches
    assert times(criterion="snip") == [(0, "prune", 0.1)]
    for criterion in ("set", "rigl"):
        found = times(criterion=criterion, steps=160)
        assert found[0] == (0, "prune", 0.1)
        assert [at for at, *_ in found[1:]] == [20, 45, 70, 95]
        cosine = 0.3 * (1 + np.cos(np.pi * np.arange(4) / 4)) / 2  # Evci et al. 2020
        np.testing.assert_allclose([share for *_, share in found[1:]], cosine)


def test_a_run_scores_by_its_criterion():
    """Masks as the plain scores give them, from the weights that the run had at that moment."""
    (_, _, _, weights, _, masks), = events_of(keep=0.1, schedule="one-shot")[0]
    cut = np.sort(np.abs(np.concatenate([w.ravel() for w in weights])))[-55]
    assert all(np.array_equal(abs(w) >= cut, mask) for w, mask in zip(weights, masks, strict=True))
    ((_, _, _, weights, _, masks),), start = events_of(keep=0.1, schedule="one-shot", criterion="moved")
    moved = [abs(w - s) for w, s in zip(weights, start, strict=True)]
    cut = np.sort(np.concatenate([m.ravel() for m in moved]))[-55]
    assert all(np.array_equal(m >= cut, mask) for m, mask in zip(moved, masks, strict=True))
    ((at, _, _, weights, more, _),), start = events_of(keep=0.1, criterion="snip")
    assert at == 0
    _, biases, samples = problem()
    full = sparse.gradients(start, biases, samples)
    for sampled, exact in zip(more["gradients"], full, strict=True):  # 1000 of the 60 samples: nearly their mean
        assert np.corrcoef(sampled.ravel(), exact.ravel())[0, 1] > 0.98
    for criterion in ("set", "rigl"):
        events, _ = events_of(keep=0.3, criterion=criterion, steps=400)
        masks = events[0][-1]
        for _, what, share, weights, (slopes, _), new in events[1:]:
            assert what == "regrow"
            assert (slopes is None) == (criterion == "set")
            assert all(np.array_equal(w != 0, mask) or share for w, mask in zip(weights, masks, strict=True))
            assert [m.sum() for m in new] == [m.sum() for m in masks]
            assert any((a != b).any() for a, b in zip(new, masks, strict=True))
            masks = new


@pytest.mark.parametrize("criterion", sparse.CRITERIA)
def test_a_run_may_leave_all_layers_but_the_first_whole(criterion):
    weights, biases, samples = problem(sizes=(20, 24, 8, 3))
    found = sparse.run(recipe(keep=0.1, criterion=criterion, first_layer_only=True), weights, biases, samples)
    assert [m.sum() for m in found.masks] == [48, 24 * 8, 8 * 3]
    assert [m.shape for m in found.masks] == [w.shape for w in weights]
    assert (found.weights[0][~found.masks[0]] == 0).all()


def test_a_run_prunes_after_the_last_step_and_kills_what_it_pruned():
    weights, biases, samples = problem()
    found = sparse.run(recipe(keep=0.1, schedule="one-shot", burn_in=STEPS), weights, biases, samples)
    assert density(found.masks) == pytest.approx(0.1, abs=1 / 552)
    assert all((w[~m] == 0).all() and (w[m] != 0).all() for w, m in zip(found.weights, found.masks, strict=True))


def test_a_run_counts_whole_batches_only():
    weights, biases, samples = problem()
    a, b = (sparse.run(recipe(steps=steps, batch_size=7), weights, biases, samples) for steps in (119, 121))
    check_same(a, b)


def test_a_run_takes_nets_without_biases_and_other_losses():
    weights, biases, samples = problem()
    for kept in ([None, None], [biases[0], None], [None, biases[1]]):
        found = sparse.run(recipe(keep=0.3), weights, kept, samples, 0.1, "squared", (-0.2, 0.7))
        assert [b is None for b in found.biases] == [b is None for b in kept]
        assert density(found.masks) == pytest.approx(0.3, abs=1 / 552)
    plain = sparse.run(recipe(), weights, biases, samples)
    for other in ((0.1, "cross-entropy", (0, 1)), ("tanh", "squared", (0, 1)), ("relu", "squared", (-1, 1))):
        assert not np.allclose(sparse.run(recipe(), weights, biases, samples, *other).weights[0], plain.weights[0])


@pytest.mark.parametrize(("settings", "words"), [
    ({"steps": 0}, "steps is 0: expected a positive whole number"), ({"steps": 10.0}, "steps is 10.0"),
    ({"prunings": 0}, "prunings is 0"), ({"batch_size": -1}, "batch_size is -1"),
    ({"criterion": "size"}, "unknown criterion 'size': expected one of magnitude, moved, snip, random, set, rigl"),
    ({"keep": 0}, r"keep is 0: expected a share of the weights, in \(0, 1\]"), ({"keep": 1.5}, "keep is 1.5"),
    ({"keep": math.nan}, "keep is nan"),
    ({"criterion": "set", "block": 16}, "set regrows single weights: expected block 1, got 16"),
    ({"criterion": "rigl", "block": 16}, "rigl regrows single weights"),
])
def test_recipe_refuses(settings, words):
    with pytest.raises(ValueError, match=words):
        recipe(**settings)


@pytest.mark.parametrize(("settings", "words"), [
    ({"keep": 0.1, "burn_in": 200}, "gradual pruning with a burn-in of 200 does not fit into 120 samples"),
    ({"keep": 0.1, "schedule": "linear"}, "unknown schedule 'linear'"),
    ({"keep": 0.1, "block": 4}, "block is 4"),
    ({"keep": 1e-6}, "leaves none in layer 1"),
    ({"learning_rate": -0.1}, "learning rates are -0.1 and"), ({"learning_rate": math.nan}, "learning rates are nan"),
    ({"learning_rate": 1e200}, "NaN or infinite: lower the learning rate"),
    ({"keep": 0.2, "criterion": "set", "burn_in": 200}, "burn-in of 200 does not fit into 120 samples"),
    ({"keep": 0.2, "criterion": "rigl", "burn_in": 200, "decay": False}, "burn-in of 200 does not fit into 120"),
    ({"steps": 5, "batch_size": 10}, "batch"),
])
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning", "ignore:invalid:RuntimeWarning")
def test_a_run_refuses(settings, words):
    weights, biases, samples = problem()
    with pytest.raises(ValueError, match=words):
        sparse.run(recipe(**settings), weights, biases, samples, "relu", "squared")


def test_a_run_that_diverges_at_its_end_does_not_return_nan():
    weights, biases, samples = problem()
    with pytest.raises(ValueError, match="NaN or infinite: lower the learning rate"):
        sparse.run(recipe(steps=2, learning_rate=1e308), weights, biases, samples, "relu", "squared")


# ---- checkpoints ------------------------------------------------------------------------------------------

def interrupt(patch, name, k):
    """Let sparse.<name> raise KeyboardInterrupt at its k-th call."""
    calls, function = [0], getattr(training, name)

    def broken(*given, **more):
        calls[0] += 1
        if calls[0] == k:
            raise KeyboardInterrupt
        return function(*given, **more)
    patch.setattr(training, name, broken)


@pytest.mark.parametrize("settings", [
    {"keep": 0.2}, {"keep": 0.2, "criterion": "moved", "schedule": "halvings"}, {"keep": 0.2, "criterion": "random"},
    {"keep": 0.2, "criterion": "rigl"}, {"keep": 0.2, "criterion": "set"},
    {"keep": 0.2, "criterion": "snip", "batch_size": 7}, {}], ids=lambda s: s.get("criterion", str(s)))
@pytest.mark.parametrize("name", ["train_epoch", "_save", "_event"])
def test_an_interrupted_run_resumes_to_the_same_weights(settings, name, tmp_path):
    weights, biases, samples = problem(np.float32)
    biases = [biases[0], None]
    settings = recipe(**settings)
    whole = sparse.run(settings, weights, biases, samples)
    interrupted = 0
    for k in range(1, 40):
        path = tmp_path / f"{k}.npz"
        with pytest.MonkeyPatch.context() as patch:
            interrupt(patch, name, k)
            try:
                sparse.run(settings, weights, biases, samples, checkpoint=path)
            except KeyboardInterrupt:
                interrupted += 1
            else:
                break
        check_same(sparse.run(settings, weights, biases, samples, checkpoint=path), whole)
        assert sorted(tmp_path.iterdir()) == sorted(tmp_path / f"{j}.npz" for j in range(1, k + 1))
    assert interrupted >= 15 or name == "_event"
    assert interrupted or settings.keep == 1


def test_an_interrupted_run_does_not_begin_anew(tmp_path, monkeypatch):
    weights, biases, samples = problem()
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, "train_epoch", 12)
        with pytest.raises(KeyboardInterrupt):
            sparse.run(recipe(), weights, biases, samples, checkpoint=tmp_path / "run.npz")
    interrupt(monkeypatch, "train_epoch", 10)  # 9 of 20 are left
    sparse.run(recipe(), weights, biases, samples, checkpoint=tmp_path / "run.npz")


def test_a_finished_run_is_read_from_its_checkpoint(tmp_path, monkeypatch):
    weights, biases, samples = problem()
    whole = sparse.run(recipe(keep=0.2), weights, biases, samples, checkpoint=tmp_path / "run.npz")
    interrupt(monkeypatch, "train_epoch", 1)
    check_same(sparse.run(recipe(keep=0.2), weights, biases, samples, checkpoint=str(tmp_path / "run.npz")), whole)


def test_a_checkpoint_may_have_any_name(tmp_path):
    weights, biases, samples = problem()
    for name in ("state", "state.checkpoint"):
        sparse.run(recipe(), weights, biases, samples, checkpoint=tmp_path / name)
    assert {p.name for p in tmp_path.iterdir()} == {"state", "state.checkpoint"}


def half_way(path, settings, weights, biases, samples):
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, "train_epoch", 10)
        with pytest.raises(KeyboardInterrupt):
            sparse.run(settings, weights, biases, samples, checkpoint=path)


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was run')",)


def spoil(path, how):
    good = path.read_bytes()
    if how == "an object array":
        with np.load(path) as kept:
            arrays = dict(kept)
        arrays["weights_0"] = np.array([Trap()], dtype=object)
        with open(path, "wb") as file:
            np.savez(file, **arrays)
    elif how == "an npy file":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))
    elif how == "another npz file":
        np.savez(path, a=np.zeros(3))
    elif how.startswith("without"):
        with np.load(path) as kept:
            arrays = dict(kept)
        del arrays[how.split()[1]]
        np.savez(path, **arrays)
    else:
        path.write_bytes({"truncated": good[:len(good) // 2], "without its end": good[:-1], "empty": b"",
                          "garbage": b"garbage" * 100, "a text": b"done = 60\n", "a pickle": pickle.dumps(Trap()),
                          "flipped": good[:400] + bytes([good[400] ^ 16]) + good[401:],
                          "half a header": b"PK\x03\x04", "half an npy header": b"\x93NUMPY\x01"}[how])


@pytest.mark.parametrize("how", [
    "truncated", "empty", "garbage", "a text", "a pickle", "an object array", "flipped", "half a header",
    "half an npy header", "an npy file", "another npz file", "without weights_1", "without mask_0", "without bias_0",
    "without done", "without identity"])
def test_a_damaged_checkpoint_is_named_and_left_as_it_is(how, tmp_path):
    weights, biases, samples = problem()
    path = tmp_path / "run.npz"
    half_way(path, recipe(keep=0.2), weights, biases, samples)
    spoil(path, how)
    spoilt = path.read_bytes()
    with pytest.raises(ValueError, match=r"run\.npz") as caught:
        sparse.run(recipe(keep=0.2), weights, biases, samples, checkpoint=path)
    assert "\n" not in str(caught.value)
    assert "remove it" in str(caught.value)
    assert path.read_bytes() == spoilt
    assert list(tmp_path.iterdir()) == [path]


def test_any_flipped_bit_is_found_or_does_no_harm(tmp_path):
    """One bit in each of many places: an error that names the file, or the state as it was saved."""
    weights, biases, masks, *_ = toy((4, 3, 3))
    path = tmp_path / "run.npz"
    training._save(path, "this run", 60, weights, biases, masks)
    good = path.read_bytes()
    errors = []
    for place, bit in sorted({(k, bit) for k in range(len(good)) for bit in (0, k % 8)}):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1 << bit]) + good[place + 1:])
        try:
            done, *state = training._load(path, "this run", biases)
        except ValueError as error:
            errors.append(str(error))
            continue
        assert done == 60
        for got, right in zip(state, (weights, biases, masks), strict=True):
            for a, b in zip(got, right, strict=True):
                np.testing.assert_array_equal(a, b)
    assert len(errors) > len(good) / 2
    assert all("run.npz" in error for error in errors)


def test_a_checkpoint_of_another_run_is_refused_and_kept(tmp_path):
    weights, biases, samples = problem()
    path = tmp_path / "run.npz"
    half_way(path, recipe(keep=0.2), weights, biases, samples)
    kept = path.read_bytes()
    other_weights = [weights[0], weights[1] + 1e-12]
    other_samples = samples._replace(labels=samples.labels[::-1].copy())
    for settings, given in [
            (recipe(keep=0.2, seed=1), (weights, biases, samples)), (recipe(keep=0.3), (weights, biases, samples)),
            (recipe(keep=0.2, learning_rate=0.2), (weights, biases, samples)),
            (recipe(keep=0.2), (other_weights, biases, samples)),
            (recipe(keep=0.2), (weights, [biases[0] + 1, biases[1]], samples)),
            (recipe(keep=0.2), (weights, biases, other_samples)),
            (recipe(keep=0.2), (weights, biases, problem(np.float32)[2])),
            (recipe(keep=0.2), (weights, biases, samples, "relu")),
            (recipe(keep=0.2), (weights, biases, samples, "tanh", "squared")),
            (recipe(keep=0.2), (weights, biases, samples, "tanh", "cross-entropy", (0.0, 0.9)))]:
        with pytest.raises(ValueError, match=r"run\.npz is of another run \(net, data or recipe\): give another path"):
            sparse.run(settings, *given, checkpoint=path)
        assert path.read_bytes() == kept


def test_a_checkpoint_of_a_net_with_its_bias_elsewhere_is_refused(tmp_path):
    weights, _, samples = problem(sizes=(20, 3, 3))
    half_way(tmp_path / "run.npz", recipe(), weights, [None, np.zeros(3)], samples)
    with pytest.raises(ValueError, match="another run"):
        sparse.run(recipe(), weights, [np.zeros(3), None], samples, checkpoint=tmp_path / "run.npz")


def test_a_save_that_fails_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    weights, biases, samples = problem()
    path, settings = tmp_path / "run.npz", recipe(keep=0.2)
    half_way(path, settings, weights, biases, samples)
    kept = path.read_bytes()

    def full(file, **arrays):
        file.write(b"PK\x03\x04 and some more")
        raise OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(OSError, match="No space left"):
            sparse.run(settings, weights, biases, samples, checkpoint=path)
    assert path.read_bytes() == kept
    assert list(tmp_path.iterdir()) == [path]
    check_same(sparse.run(settings, weights, biases, samples, checkpoint=path),
               sparse.run(settings, weights, biases, samples))


# ---- bad input --------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("change", "words"), [
    (lambda x, y: (x, y - 1), "labels run from -1 to 1: expected 0 or greater"),
    (lambda x, y: (x, y.astype(float)), r"labels float64 of shape \(6,\): expected a matrix of numbers and one"),
    (lambda x, y: (x, y[:5]), r"inputs are float64 of shape \(6, 3\), labels int64 of shape \(5,\)"),
    (lambda x, y: (x, y[:, None]), r"labels int64 of shape \(6, 1\)"),
    (lambda x, y: (x, y[0]), r"labels int64 of shape \(\)"),
    (lambda x, y: (x[0], y), r"inputs are float64 of shape \(3,\)"),
    (lambda x, y: (np.where(np.eye(6, 3), np.nan, x), y), "3 inputs are NaN or infinite: expected numbers"),
    (lambda x, y: (np.where(np.eye(6, 3), -np.inf, x), y), "3 inputs are NaN or infinite"),
    (lambda x, y: (x.astype(str), y), "inputs are <U32"),
    (lambda x, y: (x + 1j, y), "inputs are complex128"),
])
def test_samples_refuse(change, words):
    x, y = np.ones((6, 3)), np.array([0, 1, 2, 0, 1, 2])
    with pytest.raises(ValueError, match=words):
        sparse.pack_samples(*change(x, y))


def spoilt(array, value):
    array = array.copy()
    array.flat[1] = value
    return array


@pytest.mark.parametrize(("change", "words"), [
    (lambda w, b, m: (w, b[:1], m), "2 layers of weights, 1 of biases, 2 of masks and 2 layouts: expected one of each"),
    (lambda w, b, m: ([], [], []), "0 layers of weights"),
    (lambda w, b, m: (w, b, m, ["dense"]), "and 1 layouts"),
    (lambda w, b, m: (w[::-1], b, m[::-1]), r"layer 1 has weights \(8, 3\), mask \(8, 3\) and bias \(8,\)"),
    (lambda w, b, m: ([w[0], w[1][:7]], b, [m[0], m[1][:7]]), r"layer 2 has weights \(7, 3\).*and the layer before"),
    (lambda w, b, m: (w, b, [m[0].T, m[1]]), r"layer 1 has weights \(5, 8\), mask \(8, 5\) and bias \(8,\)"),
    (lambda w, b, m: (w, [b[0], b[1][:2]], m), r"layer 2 has weights \(8, 3\), mask \(8, 3\) and bias \(2,\)"),
    (lambda w, b, m: ([w[0].ravel(), w[1]], b, [m[0].ravel(), m[1]]), r"layer 1 has weights \(40,\)"),
    (lambda w, b, m: ([w[0], spoilt(w[1], np.nan)], b, m), "layer 2 has 1 weights that are NaN or infinite: lower"),
    (lambda w, b, m: ([spoilt(w[0], np.inf), w[1]], b, m), "layer 1 has 1 weights that are NaN or infinite: lower"),
    (lambda w, b, m: (w, [b[0], spoilt(b[1], np.nan)], m), "layer 2 has 1 .*NaN or infinite"),
    (lambda w, b, m: (w, b, [m[0], ~m[1]]), r"layer 2 of shape \(8, 3\) has no live weight left: keep more"),
    (lambda w, b, m: (w, b, m, "csr"), "unknown layout 'csr': expected auto, dense, sparse, blocks"),
    (lambda w, b, m: (w, b, m, "auto", "sigmoid"), r"activation is 'sigmoid': expected tanh, relu or a slope in \(0,"),
    (lambda w, b, m: (w, b, m, "auto", 1.0), "activation is 1.0"),
    (lambda w, b, m: (w, b, m, "auto", math.nan), "activation is nan"),
    (lambda w, b, m: (w, b, m, "auto", "tanh", "hinge"), "loss is 'hinge': expected cross-entropy or squared"),
    (lambda w, b, m: (w, b, m, "auto", "tanh", "squared", (0, 1), np.int32), "int32.*float32 or float64"),
])
def test_pack_refuses(change, words):
    weights, biases, masks, *_ = toy((5, 8, 3), full_mask)
    with pytest.raises(ValueError, match=words):
        sparse.pack(*change(weights, biases, masks))


@pytest.mark.parametrize(("settings", "words"), [
    ({"order": [0, 30]}, "order runs from 0 to 30: expected indices of 30 samples"),
    ({"order": [-1, 3]}, "order runs from -1 to 3"),
    ({"order": [0.5, 3.7]}, "order"), ({"order": [[0, 1], [2, 3]]}, "order"),
    ({"batch_size": 4}, "batch_size is 4 and 30 samples are to be learnt: expected a divisor"),
    ({"batch_size": 0}, "batch_size is 0"), ({"batch_size": -3}, "batch_size is -3"),
    ({"batch_size": 5.0}, "batch_size is 5.0"),
    ({"learning_rate": -0.1}, "learning rates are -0.1 and -0.1: expected finite numbers, not negative"),
    ({"learning_rate": math.nan}, "learning rates are nan"), ({"learning_rate": math.inf}, "learning rates are inf"),
    ({"final_rate": -0.1}, "learning rates are 0.1 and -0.1"), ({"final_rate": math.nan}, "rates are 0.1 and nan"),
    ({"labels": np.full(30, 3)}, "labels run to 3, the net has 3 outputs: expected labels below that"),
    ({"features": 6}, "samples have 6 float64 features, the net 5 float64 inputs: make them match"),
    ({"dtype": np.float32}, "samples have 5 float32 features, the net 5 float64 inputs: make them match"),
])
def test_train_epoch_refuses_and_changes_nothing(settings, words):
    weights, biases, masks, x, labels = toy((5, 8, 3))
    net = sparse.pack(weights, biases, masks, dtype=np.float64)
    x = np.resize(x, (30, settings.pop("features", 5))) if "features" in settings else x
    samples = sparse.pack_samples(x, settings.get("labels", labels), settings.get("dtype", np.float64))
    given = {"order": np.arange(30), "learning_rate": 0.1}
    given |= {k: v for k, v in settings.items() if k not in ("labels", "dtype")}
    with pytest.raises(ValueError, match=words):
        sparse.train_epoch(net, samples, **given)
    check_equal(net, masks, ([w * m for w, m in zip(weights, masks, strict=True)], biases), np.float64)


@pytest.mark.parametrize("change", [{"labels": np.full(30, 3)}, {"features": 6}, {"dtype": np.float32}])
def test_accuracy_refuses_what_training_refuses(change):
    weights, biases, masks, x, labels = toy((5, 8, 3))
    net = sparse.pack(weights, biases, masks, dtype=np.float64)
    x = np.pad(x, ((0, 0), (0, change.get("features", 5) - 5)))
    samples = sparse.pack_samples(x, change.get("labels", labels), change.get("dtype", np.float64))
    with pytest.raises(ValueError, match=r"make them match|expected labels below that"):
        sparse.accuracy(net, samples)


@pytest.mark.parametrize(("call", "words"), [
    (lambda: sparse.pack_samples(np.zeros((0, 3)), np.zeros(0, int)), "there are 0 samples of 3 features"),
    (lambda: sparse.pack_samples(np.ones((1, 3)), np.array([2**63], np.uint64)), r"labels run from .* below 2\^31"),
    (lambda: sparse.pack_samples(np.full((1, 3), 1e300), np.array([0])), r"inputs run to 1e\+300, beyond .* float32"),
    (lambda: sparse.pack([np.full((3, 2), 1e300)], [None]), "layer 1 has 6 weights that are NaN or infinite"),
    (lambda: sparse.regrow([np.ones((2, 2))], [np.eye(2) > 0], 2.0, None, np.random.default_rng(0)), "share is 2.0"),
    (lambda: sparse.schedule("gradual", 0.1, 100, 10, 0), "prunings 0: expected"),
    (lambda: sparse.schedule("gradual", 2, 100, 10, 3), "keep is 2"),
    (lambda: sparse.Recipe(100, 0.1, burn_in=10.5), "burn_in is 10.5"),
    (lambda: sparse.Recipe(100, 0.1, 0.5, "set", burn_in=-3), "burn_in is -3"),
])
def test_what_cannot_be_is_refused_at_once(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize("criterion", ["set", "rigl"])
def test_a_regrowing_that_rounds_to_the_start_leaves_the_pruning_there(criterion):
    weights, biases, samples = problem()
    trained = sparse.run(recipe(keep=0.2, criterion=criterion, burn_in=0, batch_size=12), weights, biases, samples)
    assert sum(map(np.count_nonzero, trained.masks)) == int(0.2 * sum(w.size for w in weights))
