"""The oracle of sparse training: masked gradient descent on dense matrices; and the nets that the tests train."""
import math
from itertools import pairwise

import numpy as np

from gradnets import sparse

LAYOUTS = (*sparse.LAYOUTS, "mixed", "auto")
DTYPES = (np.float32, np.float64)
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}  # after some 24 steps of weights of order 1


def forward(weights, biases, x, slope, loss):
    """Return the pre-activations and the activations of every layer for x (n, features); slope None is tanh."""
    activations, totals = [x], []
    for l, (w, bias) in enumerate(zip(weights, biases, strict=True)):
        total = activations[-1] @ w + (0 if bias is None else bias)
        linear = l == len(weights) - 1 and loss == "cross-entropy"
        totals.append(total)
        activations.append(total if linear else np.tanh(total) if slope is None else
                           np.where(total > 0, total, slope * total))
    return totals, activations


def losses(out, labels, loss, targets):
    """Return the loss of each sample, from outputs (n, classes)."""
    right = np.arange(out.shape[1]) == labels[:, None]
    if loss == "squared":
        return ((out - np.where(right, targets[1], targets[0])) ** 2).sum(axis=1) / 2
    shifted = out - out.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[right]


def activation_slope(total, slope):
    """Return the derivative of the activation at a pre-activation."""
    return 1 - np.tanh(total) ** 2 if slope is None else np.where(total > 0, 1.0, slope)


def descend(weights, biases, masks, x, labels, order, rates, batch_size=1, slope=None, loss="cross-entropy",
            targets=(0, 1)):
    """Return what `train_epoch` should end with: weights, biases, and how many samples were recognised."""
    weights = [w * mask for w, mask in zip(weights, masks, strict=True)]
    biases = [None if bias is None else bias.copy() for bias in biases]
    recognized, steps = 0, len(order) // batch_size
    for s in range(steps):
        batch = order[s * batch_size:(s + 1) * batch_size]
        rate = rates[0] + (rates[1] - rates[0]) * s / steps
        totals, activations = forward(weights, biases, x[batch], slope, loss)
        out = activations[-1]
        recognized += (out.argmax(axis=1) == labels[batch]).sum()
        right = np.arange(out.shape[1]) == labels[batch][:, None]
        if loss == "cross-entropy":
            e = np.exp(out - out.max(axis=1, keepdims=True))
            delta = e / e.sum(axis=1, keepdims=True) - right
        else:
            delta = (out - np.where(right, targets[1], targets[0])) * activation_slope(totals[-1], slope)
        for l in reversed(range(len(weights))):
            gradient, bias_gradient = activations[l].T @ delta / batch_size, delta.mean(axis=0)
            if l:
                delta = delta @ weights[l].T * activation_slope(totals[l - 1], slope)
            weights[l] = weights[l] - rate * gradient * masks[l]
            if biases[l] is not None:
                biases[l] = biases[l] - rate * bias_gradient
    return weights, biases, recognized


# ---- nets and data ----------------------------------------------------------------------------------------

def rows_are_outputs(l, shape):
    """Return the rule of the layouts: rows of the first layer are inputs, of others what makes longer rows."""
    return l > 0 and shape[1] < shape[0]


def random_mask(rng, l, shape, density):
    return rng.random(shape) < density


def block_mask(rng, l, shape, density):
    """Return a mask of whole runs of 16 neighbours along a row, the last cut at the row's end."""
    rows, width = shape[::-1] if rows_are_outputs(l, shape) else shape
    mask = np.repeat(rng.random((rows, math.ceil(width / 16))) < density, 16, axis=1)[:, :width]
    return mask.T.copy() if rows_are_outputs(l, shape) else mask


def full_mask(rng, l, shape, density):
    return np.ones(shape, dtype=bool)


def blocks_of(matrix, l):
    """Return every block of a layer as (mean, row, start, index of its entries)."""
    across = rows_are_outputs(l, matrix.shape)
    rows = matrix.T if across else matrix
    return [(rows[r, at:at + 16].mean(), r, at, (slice(at, at + 16), r) if across else (r, slice(at, at + 16)))
            for r in range(len(rows)) for at in range(0, rows.shape[1], 16)]


def toy(sizes, masker=random_mask, density=0.4, has_bias=None, n=30, seed=0, scale=0.6, dtype=np.float64):
    """Return weights, biases, masks, inputs (40 % of them 0) and labels, all of them values that the dtype can hold."""
    rng = np.random.default_rng(seed)
    shapes = list(pairwise(sizes))
    weights = [rng.normal(0, scale, shape).astype(dtype).astype(float) for shape in shapes]
    biases = [rng.normal(0, 0.3, outputs).astype(dtype).astype(float) for _, outputs in shapes]
    biases = [bias if has else None for bias, has in zip(biases, has_bias or [True] * len(biases), strict=True)]
    masks = [masker(rng, l, shape, density) for l, shape in enumerate(shapes)]
    x = rng.normal(0, 0.7, (n, sizes[0])) * (rng.random((n, sizes[0])) < 0.6)
    x[3] = 0
    return weights, biases, masks, x.astype(dtype).astype(float), rng.integers(sizes[-1], size=n)


def problem(dtype=np.float64, sizes=(20, 24, 3), n=60):
    """Return weights, biases and samples of a small problem that can be learnt: the label is the brightest third."""
    rng = np.random.default_rng(11)
    weights = [rng.normal(0, 0.4, shape) for shape in pairwise(sizes)]
    biases = [rng.normal(0, 0.1, outputs) for outputs in sizes[1:]]
    labels = rng.integers(3, size=n)
    x = rng.random((n, sizes[0])) * (rng.random((n, sizes[0])) < 0.5)
    x[:, :18] += np.repeat(np.arange(3) == labels[:, None], 6, axis=1)
    return weights, biases, sparse.pack_samples(x, labels, dtype)


STEPS = 120


def recipe(**settings):
    """Return a short recipe for `problem`."""
    return sparse.Recipe(**{"steps": STEPS, "learning_rate": 0.3, "burn_in": 20, "prunings": 4} | settings)


def layout_of(layout, layers):
    """Return the layout as `sparse.pack` takes it: "mixed" is another one for each layer."""
    return [("blocks", "sparse", "dense", "auto")[l % 4] for l in range(layers)] if layout == "mixed" else layout


# ---- comparisons ------------------------------------------------------------------------------------------

def assert_ends_as(net, masks, expected, dtype):
    """Assert that a packed net has the expected weights and biases, to rounding, and that the dead are exactly 0."""
    weights, biases = sparse.unpack(net)
    for ours, right, mask in zip(weights, expected[0], masks, strict=True):
        np.testing.assert_allclose(ours, right, rtol=0, atol=TOLERANCE[dtype])
        assert (ours[~mask] == 0).all()
    for ours, right in zip(biases, expected[1], strict=True):
        if right is None:
            assert ours is None
        else:
            np.testing.assert_allclose(ours, right, rtol=0, atol=TOLERANCE[dtype])


def assert_same_run(first, second):
    """Assert that two runs ended in the same weights, masks and biases, bit by bit."""
    for a, b in zip((*first.weights, *first.masks), (*second.weights, *second.masks), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(first.biases, second.biases, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_array_equal(a, b)
