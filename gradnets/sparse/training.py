"""Training with nearly every weight killed: masks, schedules, and compiled epochs that touch only what is left.

A layer is packed in one of three layouts: dense; sparse, a list of single weights a row; blocks, a list of 16
neighbours a row, which keep the processor's vector units busy. The same kernels run nets that mix them, and skip inputs
that are 0. Semantics are those of a plain perceptron: one activation throughout, softmax or squared error, gradient
descent.

Sources: Howon Lee, README of stupidmlp (2016), for killing weights after a short burn-in; Zhu and Gupta 2017, "To
prune, or not to prune", for the gradual schedule; Lee et al. 2018 (SNIP), Mocanu et al. 2018 (SET) and Evci et al. 2020
(RigL) for their criteria.
"""
import hashlib
import json
import math
import time
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numba.np import arrayobj

from gradnets import checks, files
from gradnets.errors import NoResult

WIDTH = 16                                # weights in a block, neighbours along a row
DENSE, SPARSE, BLOCKS = range(3)
LAYOUTS = ("dense", "sparse", "blocks")
# Nanoseconds a weight and sample that a layout takes, measured: dense rows stream, single weights scatter.
COSTS = {"dense": 0.12, "masked": 0.18, "sparse": 0.8, "blocks": 0.15}
CRITERIA = ("magnitude", "moved", "snip", "random", "set", "rigl")
SCHEDULES = ("one-shot", "halvings", "gradual")
REGROWN = 0.3                             # share of the kept weights that SET and RigL replace each time, at first
SCORED = 1000                             # samples whose gradient SNIP and RigL look at


class Diverged(NoResult):
    """Weights that training has driven to NaN or infinity."""


class Layer(NamedTuple):
    """One packed layer. Rows are inputs, or outputs where `by_output`; a row's entries are its weights.

    kind: DENSE, SPARSE or BLOCKS; starts int64 (rows + 1,) and columns uint32 list the entries (the first column of a
    block) and are empty where dense; values float (entries,), (entries * 16,) or (rows * width,); alive, of the same
    length and dtype, is 0 where a weight of a dense layer or a block is dead, and empty where all live; bias float
    (outputs,), or (0,) where there is none.
    """

    kind: int
    by_output: bool
    inputs: int
    outputs: int
    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    alive: np.ndarray
    bias: np.ndarray


class Samples(NamedTuple):
    """Inputs that are not 0, row by row: starts int64 (n + 1,), places uint32, values float (m,); labels int64 (n,)."""

    starts: np.ndarray
    places: np.ndarray
    values: np.ndarray
    labels: np.ndarray
    features: int


@dataclass(frozen=True)
class Net:
    """A packed net: layers, and what its units do. `slope` is 1 for tanh, else that of the negative side (relu: 0)."""

    layers: tuple
    slope: float
    softmax: bool
    targets: tuple


# ---- packing ----------------------------------------------------------------------------------------------

def pack_samples(inputs, labels, dtype=np.float32):
    """A data set for the kernels.

    Parameters
    ----------
    inputs : real array (n, features), finite
    labels : int array (n,), not negative
    dtype : float32 or float64

    Returns
    -------
    Samples

    Raises
    ------
    ValueError
        If they do not belong together, or hold NaN or a negative label.
    """
    inputs, labels = np.asarray(inputs), np.asarray(labels)
    if inputs.ndim != 2 or inputs.dtype.kind not in "fiub" or labels.shape != inputs.shape[:1] or (
            labels.dtype.kind not in "iu"):
        raise ValueError(f"inputs are {inputs.dtype} of shape {inputs.shape}, labels {labels.dtype} of shape "
                         f"{labels.shape}: expected a matrix of numbers and one whole number a row")
    if not np.isfinite(inputs).all():
        raise ValueError(f"{np.count_nonzero(~np.isfinite(inputs))} inputs are NaN or infinite: expected numbers")
    if len(labels) == 0:
        raise ValueError(f"there are 0 samples of {inputs.shape[1]} features: expected at least one")
    if not 0 <= int(labels.min()) <= int(labels.max()) < 2**31:
        raise ValueError(f"labels run from {labels.min()} to {labels.max()}: expected 0 or greater, and below 2^31")
    if np.abs(inputs).max(initial=0) > np.finfo(dtype).max:
        raise ValueError(f"inputs run to {np.abs(inputs).max():.3g}, beyond the largest {np.dtype(dtype)}: scale them")
    rows, places = np.nonzero(inputs)
    starts = np.searchsorted(rows, np.arange(len(inputs) + 1))
    return Samples(starts, places.astype(np.uint32), inputs[rows, places].astype(dtype), labels.astype(np.int64),
                   inputs.shape[1])


def pack(weights, biases, masks=None, layout="auto", activation="tanh", loss="cross-entropy", targets=(0.0, 1.0),
         dtype=np.float32):
    """A net for the kernels.

    Parameters
    ----------
    weights : list of float arrays (n_l, n_{l+1}), finite
    biases : list of float arrays (n_{l+1},), or None where a layer has none
    masks : list of bool arrays of the weights' shapes, optional
        Which weights are alive; all unless given.
    layout : "auto", "dense", "sparse" or "blocks", or one a layer
        Auto takes what `cost` says is cheapest.
    activation : "tanh", "relu" or a slope in (0, 1) for the negative side
    loss : "cross-entropy" or "squared"
    targets : pair of float
        What "squared" asks of a wrong and of the right output.
    dtype : float32 or float64

    Returns
    -------
    Net

    Raises
    ------
    ValueError
        For shapes that do not fit together, weights that are not finite, a mask without a live weight, unknown names.
    """
    masks = [np.ones(w.shape, dtype=bool) for w in weights] if masks is None else masks
    dtype = np.dtype(dtype)
    layouts = [layout] * len(weights) if isinstance(layout, str) else list(layout)
    if dtype not in EXP:
        raise ValueError(f"dtype is {dtype}: expected float32 or float64")
    _check_net(weights, biases, masks, layouts, dtype)
    if activation not in ("tanh", "relu") and not (isinstance(activation, float) and 0 < activation < 1):
        raise ValueError(f"activation is {activation!r}: expected tanh, relu or a slope in (0, 1)")
    if loss not in ("cross-entropy", "squared"):
        raise ValueError(f"loss is {loss!r}: expected cross-entropy or squared")
    layers = []
    for index, (w, bias, mask, name) in enumerate(zip(weights, biases, masks, layouts, strict=True)):
        if name == "auto":
            costs = {layout: cost(mask, layout, by_output(index, mask.shape)) for layout in LAYOUTS}
            name = min(costs, key=costs.get)
        layers.append(_pack_layer(w, bias, mask, LAYOUTS.index(name), by_output(index, w.shape), dtype))
    slope = {"tanh": 1.0, "relu": 0.0}.get(activation, activation)
    return Net(tuple(layers), slope, loss == "cross-entropy", tuple(map(float, targets)))


def unpack(net):
    """Weights, 0 where dead, and biases, as `pack` takes them: lists of float64 arrays, None for no bias."""
    weights, biases = [], []
    for layer in net.layers:
        rows, width = _shape(layer)
        if layer.kind == DENSE:
            matrix = layer.values.reshape(rows, width).astype(np.float64)
        else:
            each = WIDTH if layer.kind == BLOCKS else 1
            matrix = np.zeros((rows, -(-width // each) * each))
            row = np.repeat(np.arange(rows), np.diff(layer.starts))
            columns = layer.columns[:, None] + np.arange(each, dtype=np.uint32)
            matrix[row[:, None], columns] = layer.values.reshape(-1, each)
            matrix = matrix[:, :width]
        weights.append(np.ascontiguousarray(matrix.T if layer.by_output else matrix))
        biases.append(layer.bias.astype(np.float64) if layer.bias.size else None)
    return weights, biases


def by_output(index, shape):
    """Whether a layer's rows are its outputs: where that makes longer rows. The first layer's skip dark inputs."""
    return index > 0 and shape[1] < shape[0]


def cost(mask, layout, transposed=False):
    """Expected nanoseconds a sample for a layer of this mask: entries that the layout touches, times what one takes.

    ValueError for what is no matrix of bools.
    """
    mask = checks.bool_matrix("mask", mask)
    if layout == "dense":
        return COSTS["dense" if mask.all() else "masked"] * mask.size
    if layout == "sparse":
        return COSTS[layout] * np.count_nonzero(mask)
    return COSTS[layout] * WIDTH * np.count_nonzero(_blocks(mask.T if transposed else mask).any(axis=2))


def parameters(masks, biases):
    """How many numbers are trained: live weights, and all biases, whatever these are."""
    return sum(map(np.count_nonzero, masks)) + sum(bias.size for bias in biases if bias is not None)


def _blocks(matrix):
    """The matrix (rows, width), padded with 0, as (rows, blocks, 16)."""
    rows, width = matrix.shape
    padded = np.zeros((rows, -(-width // WIDTH) * WIDTH), dtype=matrix.dtype)
    padded[:, :width] = matrix
    return padded.reshape(rows, -1, WIDTH)


def _shape(layer):
    return (layer.outputs, layer.inputs) if layer.by_output else (layer.inputs, layer.outputs)


def _pack_layer(weights, bias, mask, kind, transposed, dtype):
    inputs, outputs = weights.shape
    live = np.where(mask, weights, 0.0)
    if transposed:
        live, mask = live.T, mask.T
    starts, columns = np.zeros(1, np.int64), np.zeros(0, np.uint32)
    if kind == SPARSE:
        alive, values = np.zeros(0), live[mask]
    else:
        alive, values = mask, live
    if kind == BLOCKS:
        alive, values = (_blocks(matrix) for matrix in (mask, live))
        used = alive.any(axis=2)
        alive, values = alive[used], values[used]
    if kind != DENSE:
        rows, columns = np.nonzero(mask if kind == SPARSE else used)
        starts = np.searchsorted(rows, np.arange(len(mask) + 1))
        columns = (columns * (WIDTH if kind == BLOCKS else 1)).astype(np.uint32)
    alive = np.zeros(0) if alive.all() else alive.ravel()
    bias = np.zeros(0) if bias is None else bias
    return Layer(kind, transposed, inputs, outputs, starts, columns, values.astype(dtype).ravel(), alive.astype(dtype),
                 bias.astype(dtype))


def _check_net(weights, biases, masks, layouts, dtype=np.float64):
    largest = np.finfo(dtype).max
    if not len(weights) == len(biases) == len(masks) == len(layouts) > 0:
        raise ValueError(f"{len(weights)} layers of weights, {len(biases)} of biases, {len(masks)} of masks and "
                         f"{len(layouts)} layouts: expected one of each a layer")
    for index, (w, bias, mask, layout) in enumerate(zip(weights, biases, masks, layouts, strict=True)):
        _check_kinds(index, numbers=(w, bias), masks=(mask,))
        if w.ndim != 2 or mask.shape != w.shape or (bias is not None and bias.shape != w.shape[1:]) or (
                index and len(w) != weights[index - 1].shape[1]):
            raise ValueError(f"layer {index + 1} has weights {w.shape}, mask {mask.shape} and bias "
                             f"{None if bias is None else bias.shape}: expected shapes that fit each other and the "
                             "layer before")
        wrong = sum(np.count_nonzero(~(np.abs(array) <= largest)) for array in (w, bias) if array is not None)
        if wrong:
            raise Diverged(f"layer {index + 1} has {wrong} weights that are NaN or infinite: lower the "
                                          "learning rate")
        if not mask.any():
            raise ValueError(f"layer {index + 1} of shape {w.shape} has no live weight left: keep more")
        if layout not in ("auto", *LAYOUTS):
            raise ValueError(f"unknown layout {layout!r}: expected auto, {', '.join(LAYOUTS)}")


def _check_kinds(index, numbers=(), masks=()):
    """ValueError for arrays of a layer that are not of real numbers, or not of bools; None is none of either."""
    for array, kinds, words in [(n, "fiu", "real numbers") for n in numbers] + [(mask, "b", "bools") for mask in masks]:
        if array is not None and array.dtype.kind not in kinds:
            raise ValueError(f"layer {index + 1} has an array of {array.dtype}, shape {array.shape}: expected {words}")


# ---- training ---------------------------------------------------------------------------------------------

def train_epoch(net, samples, order, learning_rate, final_rate=None, batch_size=1, start=0, total=None):
    """Gradient descent over samples in the given order, in place.

    Parameters
    ----------
    net : Net
    samples : Samples
        Of the net's dtype and as wide as its first layer.
    order : int array (steps * batch_size,)
        Indices of samples.
    learning_rate, final_rate : float, finite, not negative
        The rate falls in a straight line from the first to the second; it stays unless that is given.
    batch_size : int, positive
        Samples whose mean gradient makes a step; a divisor of order's length.
    start, total : int
        Where the order begins in a longer one, and how long that is: the rate falls over the whole of it.

    Returns
    -------
    int
        How many of the samples were recognised, each just before the step that it belongs to.

    Raises
    ------
    ValueError
        For samples that do not fit the net, and for numbers outside these ranges.
    """
    order = np.asarray(order)
    final_rate = learning_rate if final_rate is None else final_rate
    _check_epoch(net, samples, order, learning_rate, final_rate, batch_size)
    order = order.astype(np.int64)
    dtype = net.layers[0].values.dtype
    # 16 more than needed, always 0: the last block of a row may reach over its end.
    spare = [layer.outputs + WIDTH for layer in net.layers]
    scalars = np.array([net.slope, *net.targets], dtype)
    if batch_size == 1:
        buffers = [tuple(np.zeros(n, dtype) for n in spare) for _ in range(2)]
        every = np.arange(max(spare), dtype=np.uint32)
        return _train(net.layers, *buffers, every, samples.starts, samples.places, samples.values, samples.labels,
                      order, float(learning_rate), float(final_rate), start, total or len(order), scalars, net.softmax,
                      EXP[dtype])
    size = -(-batch_size // WIDTH) * WIDTH  # samples that are not there stay 0, and so do their deltas
    buffers = [tuple(np.zeros(n * size, dtype) for n in spare) for _ in range(2)]
    batch = np.zeros(samples.features * size, dtype)
    return _train_batches(net.layers, *buffers, batch, samples.starts, samples.places, samples.values, samples.labels,
                          order, float(learning_rate), float(final_rate), start, total or len(order), scalars,
                          net.softmax, EXP[dtype], batch_size, size)


def accuracy(net, samples):
    """Share of the samples whose largest output is their label's."""
    _check_epoch(net, samples, np.zeros(0, np.int64), 0.0, 0.0, 1)
    dtype = net.layers[0].values.dtype
    spare = [layer.outputs + WIDTH for layer in net.layers]
    activations = tuple(np.zeros(n, dtype) for n in spare)
    every = np.arange(max(spare), dtype=np.uint32)
    right = _recognise(net.layers, activations, every, samples.starts, samples.places, samples.values, samples.labels,
                       dtype.type(net.slope), net.softmax, EXP[dtype])
    return right / len(samples.labels)


def _check_epoch(net, samples, order, learning_rate, final_rate, batch_size):
    first, last = net.layers[0], net.layers[-1]
    if samples.features != first.inputs or samples.values.dtype != first.values.dtype:
        raise ValueError(f"samples have {samples.features} {samples.values.dtype} features, the net {first.inputs} "
                         f"{first.values.dtype} inputs: make them match")
    if not isinstance(batch_size, int | np.integer) or batch_size < 1 or order.size % batch_size:
        raise ValueError(f"batch_size is {batch_size!r} and {order.size} samples are to be learnt: expected a divisor")
    check_order(samples, last.outputs, order, learning_rate, final_rate)


def check_order(samples, outputs, order, learning_rate, final_rate):
    """ValueError for labels beyond the outputs, an order that is none of these samples, or rates that are none."""
    if len(samples.labels) and samples.labels.max() >= outputs:
        raise ValueError(f"labels run to {samples.labels.max()}, the net has {outputs} outputs: expected labels below "
                         "that")
    if not (math.isfinite(learning_rate) and math.isfinite(final_rate) and min(learning_rate, final_rate) >= 0):
        raise ValueError(f"learning rates are {learning_rate} and {final_rate}: expected finite numbers, not negative")
    if order.ndim != 1 or (len(order) and order.dtype.kind not in "iu"):
        raise ValueError(f"order is {order.dtype} of shape {order.shape}: expected a list of whole numbers")
    if len(order) and not (order.min() >= 0 and order.max() < len(samples.labels)):
        raise ValueError(f"order runs from {order.min()} to {order.max()}: expected indices of {len(samples.labels)} "
                         "samples")


# ---- pruning ----------------------------------------------------------------------------------------------

def prune(weights, keep, score="magnitude", *, initial=None, gradients=None, masks=None, block=1, rng=None):
    """Which weights to keep: those of the highest scores, over all layers together, or at random.

    Parameters
    ----------
    weights : list of float arrays (n_l, n_{l+1}), finite
    keep : float in (0, 1]
        Share of all weights, rounded down; of all blocks where block is 16.
    score : str
        "magnitude"; "moved", the distance from `initial`; "snip", |weight times gradient| (Lee et al. 2018); "random".
    initial, gradients : lists of arrays like weights
        What "moved" and "snip" need.
    masks : list of bool arrays, optional
        Weights that are dead already, and stay so.
    block : 1 or 16
        Weights that live or die together, along the rows that `pack` lists; the score is their mean.
    rng : numpy.random.Generator
        What "random" needs.

    Returns
    -------
    list of bool arrays

    Raises
    ------
    ValueError
        For keep outside (0, 1], NaN, unknown names, what is missing, and where a layer would lose all its weights.
    """
    if not (0 < keep <= 1):  # NaN too
        raise ValueError(f"keep is {keep!r}: expected a share of the weights, in (0, 1]")
    if block not in (1, WIDTH):
        raise ValueError(f"block is {block!r}: expected 1 or {WIDTH}")
    alive = [np.ones(w.shape, dtype=bool) for w in weights] if masks is None else masks
    _check_alike(weights, alive, initial, gradients)
    scores = _scores(weights, score, initial, gradients, rng)
    for index, values in enumerate(scores):
        wrong = np.count_nonzero(~(np.isfinite(values) & np.isfinite(weights[index])))
        if wrong:
            raise ValueError(f"layer {index + 1} has {wrong} weights or scores that are NaN or infinite: lower the "
                             "learning rate")
    units = [_units(values * mask, index, block)
             for index, (values, mask) in enumerate(zip(scores, alive, strict=True))]
    for index, (values, mask) in enumerate(zip(units, alive, strict=True)):
        values[_units(mask, index, block) == 0] = -1.0  # dead
    sizes = [values.size for values in units]
    count = int(keep * sum(sizes) + 1e-9)  # 0.1 * 30 is a hair less than 3
    if score == "random":
        shares = _shares(count, [np.count_nonzero(values >= 0) for values in units],
                         [sum(values.shape) for values in units])
        kept = [_largest(values.ravel(), share) for values, share in zip(units, shares, strict=True)]
    else:
        kept = np.split(_largest(np.concatenate([values.ravel() for values in units]), count), np.cumsum(sizes)[:-1])
    for index, (mask, w) in enumerate(zip(kept, weights, strict=True)):
        if not mask.any():
            raise ValueError(f"keeping {keep:.3g} of the weights leaves none in layer {index + 1} of shape {w.shape}: "
                             "keep more")
    return [_spread(mask.reshape(values.shape), index, old.shape, block) & old
            for index, (mask, values, old) in enumerate(zip(kept, units, alive, strict=True))]


def regrow(weights, masks, share, gradients, rng):
    """Replace the smallest kept weights of each layer by dead ones, which start at 0; weights are changed in place.

    Parameters
    ----------
    weights : list of float arrays
    masks : list of bool arrays
    share : float in [0, 1]
        Of the kept weights.
    gradients : list of float arrays, or None
        Grow where they are largest (RigL, Evci et al. 2020), or else at random (SET, Mocanu et al. 2018).
    rng : numpy.random.Generator

    Returns
    -------
    list of bool arrays
        As many alive in each layer as before.

    Raises
    ------
    ValueError
        For a share outside [0, 1], for NaN, and for arrays that do not fit each other or must not be written to.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share!r}: expected a share of the kept weights, in [0, 1]")
    _check_alike(weights, masks, gradients)
    for index, w in enumerate(weights):
        if not w.flags.writeable or w.dtype.kind != "f":
            raise ValueError(f"layer {index + 1} has weights of {w.dtype}{'' if w.flags.writeable else ', read-only'}: "
                             "they are changed in place, pass a writeable copy in floats")
    grown = []
    for index, (w, mask) in enumerate(zip(weights, masks, strict=True)):
        alive, dead = np.flatnonzero(mask), np.flatnonzero(~mask)
        count = min(int(share * alive.size), dead.size)
        dropped = alive[np.argsort(np.abs(w.ravel()[alive]), kind="stable")[:count]]
        if gradients is None:
            new = rng.choice(dead, count, replace=False)
        else:
            new = dead[np.argsort(-np.abs(gradients[index].ravel()[dead]), kind="stable")[:count]]
        mask = mask.ravel().copy()
        mask[dropped], mask[new] = False, True
        grown.append(mask.reshape(w.shape))
        w[~(masks[index] & grown[-1])] = 0.0  # what has just been grown or killed
    return grown


def schedule(name, keep, steps, burn_in, prunings):
    """When to prune to which share: list of (samples seen, share kept), in order.

    Parameters
    ----------
    name : str
        "one-shot", after burn_in; "halvings", `prunings` equal factors, evenly over the burn-in (halves where keep is
        2^-prunings); "gradual", cubic from burn_in to half of the steps (Zhu and Gupta 2017, eq. 1).
    keep : float in (0, 1]
    steps, burn_in, prunings : int

    Raises
    ------
    ValueError
        For another name, and if the last pruning would come after the last step.
    """
    if not (0 < keep <= 1 and prunings >= 1):
        raise ValueError(f"keep is {keep!r}, prunings {prunings!r}: expected a share in (0, 1], and one or more")
    if name == "one-shot":
        plan = [(burn_in, keep)]
    elif name == "halvings":
        plan = [(burn_in * k // prunings, keep ** (k / prunings)) for k in range(1, prunings + 1)]
    elif name == "gradual":
        plan = [(burn_in + (steps // 2 - burn_in) * k // prunings, keep + (1 - keep) * (1 - k / prunings) ** 3)
                for k in range(1, prunings + 1)]
    else:
        raise ValueError(f"unknown schedule {name!r}: expected one of {', '.join(SCHEDULES)}")
    if not 0 <= burn_in <= plan[-1][0] <= steps:
        raise ValueError(f"{name} pruning with a burn-in of {burn_in} does not fit into {steps} samples: shorten it")
    return plan


def keep_for(count, weights, biases):
    """The share of the weights that leaves `count` parameters in all; ValueError if the biases alone are as many."""
    free = count - parameters([], biases)
    total = sum(w.size for w in weights)
    if free <= 0:
        raise ValueError(f"{count} parameters do not cover the {parameters([], biases)} biases: allow more")
    return min(1.0, free / total)


def _check_alike(weights, masks, *others):
    """ValueError unless masks are of bools, and others of finite numbers, all of the weights' shapes."""
    for what, given in [("masks", masks), *(("numbers", other) for other in (weights, *others) if other is not None)]:
        if len(given) != len(weights):
            raise ValueError(f"{len(weights)} layers of weights and {len(given)} of masks or scores: expected as many")
        for index, (array, w) in enumerate(zip(given, weights, strict=True)):
            _check_kinds(index, **{what: (array,)})
            if array.ndim != 2 or array.shape != w.shape:
                raise ValueError(f"layer {index + 1} has weights {w.shape} and beside them {array.shape}: expected "
                                 "matrices of one shape")
            wrong = np.count_nonzero(~np.isfinite(array))
            if wrong:
                raise ValueError(f"layer {index + 1} has {wrong} weights or scores that are NaN or infinite: lower the "
                                 "learning rate")


def _scores(weights, score, initial, gradients, rng):
    if score == "magnitude":
        return [np.abs(w) for w in weights]
    if score == "moved" and initial is not None:
        return [np.abs(w - before) for w, before in zip(weights, initial, strict=True)]
    if score == "snip" and gradients is not None:
        return [np.abs(w * g) for w, g in zip(weights, gradients, strict=True)]
    if score == "random" and rng is not None:
        return [rng.random(w.shape) for w in weights]
    needs = {"moved": "initial", "snip": "gradients", "random": "rng"}
    if score in needs:
        raise ValueError(f"score {score!r} needs {needs[score]}")
    raise ValueError(f"unknown score {score!r}: expected one of magnitude, {', '.join(needs)}")


def _largest(scores, count):
    """Mask of the `count` largest, the first of equal ones; never of those below 0, which are dead."""
    live = np.flatnonzero(scores >= 0)  # looked at alone: numpy's partition is slow where many are equal
    kept = np.zeros(scores.size, dtype=bool)
    if count >= live.size:
        kept[live] = True
    elif count > 0:
        values = scores[live]
        border = np.partition(values, live.size - count)[live.size - count]
        above = values > border
        kept[live[above]] = True
        kept[live[values == border][:count - np.count_nonzero(above)]] = True
    return kept


def _shares(count, sizes, spans):
    """How many of `count` each layer keeps: in proportion to its rows and columns, so that small layers stay denser
    (Mocanu et al. 2018, eq. 1), and never more than its size."""
    low, high = 0.0, float(max(sizes))
    for _ in range(100):  # bisection for the factor; the sum grows with it
        middle = (low + high) / 2
        low, high = (middle, high) if sum(map(min, sizes, (middle * span for span in spans))) < count else (low, middle)
    shares = [min(size, int(low * span)) for size, span in zip(sizes, spans, strict=True)]
    for k in sorted(range(len(sizes)), key=lambda k: shares[k] - sizes[k]):  # what rounding down left over
        shares[k] += min(count - sum(shares), sizes[k] - shares[k])
    return shares


def _units(values, index, block):
    """Scores of what lives or dies together: of single weights, or means of blocks (rows, blocks)."""
    if block == 1:
        return values
    values = values.T if by_output(index, values.shape) else values
    members = _blocks(np.ones(values.shape))
    return _blocks(values).sum(axis=2) / members.sum(axis=2)


def _spread(mask, index, shape, block):
    """The mask of weights, from that of units."""
    if block == 1:
        return mask
    transposed = by_output(index, shape)
    mask = np.repeat(mask, WIDTH, axis=1)[:, :shape[0] if transposed else shape[1]]
    return np.ascontiguousarray(mask.T if transposed else mask)


# ---- whole runs -------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Recipe:
    """How a net is trained and pruned.

    Parameters
    ----------
    steps : int
        Samples, drawn with replacement.
    learning_rate : float
        Falls in a straight line to 0 if `decay`.
    keep : float in (0, 1]
        Share of the weights that is left in the end; 1 prunes nothing.
    criterion : str
        "magnitude", "moved" or "random", by the schedule; "snip", once before the first step; "set" and "rigl", which
        start from a random mask and move it `prunings` times.
    schedule : str
        As `schedule` names it.
    burn_in, prunings : int
    batch_size, block : int
    decay : bool
    first_layer_only : bool
        Leave the other layers whole.
    seed : int
    """

    steps: int
    learning_rate: float
    keep: float = 1.0
    criterion: str = "magnitude"
    schedule: str = "gradual"
    burn_in: int = 500
    prunings: int = 30
    batch_size: int = 1
    block: int = 1
    decay: bool = True
    first_layer_only: bool = False
    seed: int = 0

    def __post_init__(self):
        for name in ("steps", "prunings", "batch_size"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}: expected a positive whole number")
        if not isinstance(self.burn_in, int) or self.burn_in < 0:
            raise ValueError(f"burn_in is {self.burn_in!r}: expected a whole number, 0 or greater")
        if self.criterion not in CRITERIA:
            raise ValueError(f"unknown criterion {self.criterion!r}: expected one of {', '.join(CRITERIA)}")
        if not 0 < self.keep <= 1:
            raise ValueError(f"keep is {self.keep!r}: expected a share of the weights, in (0, 1]")
        if self.criterion in ("set", "rigl") and self.block != 1:
            raise ValueError(f"{self.criterion} regrows single weights: expected block 1, got {self.block}")


@dataclass(frozen=True)
class Trained:
    """What a run leaves: float64 weights and biases, bool masks, and the seconds that it took, with all pruning."""

    weights: list
    biases: list
    masks: list
    seconds: float


def run(recipe, weights, biases, samples, activation="tanh", loss="cross-entropy", targets=(0.0, 1.0), checkpoint=None):
    """Train and prune a net; weights and biases are left as they are.

    Parameters
    ----------
    recipe : Recipe
    weights, biases, activation, loss, targets
        As for `pack`.
    samples : Samples
    checkpoint : path, optional
        A file that keeps the state after every pruning and every twentieth of the steps. If it is there, the run goes
        on from it, to the same weights as without the interruption.

    Returns
    -------
    Trained

    Raises
    ------
    ValueError
        As `pack`, `prune` and `train_epoch`; for a damaged checkpoint or one of another run, which is left as it is.
    """
    for index, w in enumerate(weights):
        _check_kinds(index, numbers=(w,))
    plan = _plan(recipe)
    children = np.random.SeedSequence(recipe.seed, spawn_key=(5,)).spawn(1 + len(plan))
    order_rng, *event_rngs = map(np.random.default_rng, children)
    steps = recipe.steps - recipe.steps % recipe.batch_size
    if steps == 0:
        raise ValueError(f"{recipe.steps} steps make no batch of {recipe.batch_size}: expected more, or a smaller "
                         "batch")
    order = order_rng.integers(len(samples.labels), size=steps)
    net = {"activation": activation, "loss": loss, "targets": targets}
    initial = [w.copy() for w in weights] if recipe.criterion == "moved" else None
    done, weights, masks = -1, [np.array(w, dtype=float) for w in weights], [np.ones(w.shape, bool) for w in weights]
    if checkpoint is not None:
        identity = json.dumps(asdict(recipe) | net | {
            "start": _digest([*weights, *(np.zeros(0) if bias is None else bias for bias in biases), *samples[:4]])})
        if Path(checkpoint).exists():
            done, weights, biases, masks = _load(checkpoint, identity, biases)
    began = time.perf_counter()
    parts = 1 if checkpoint is None else 20
    stops = {steps * k // parts // recipe.batch_size * recipe.batch_size for k in range(1, parts + 1)} | set(plan)
    for stop in sorted(stop for stop in stops if stop > done):
        if stop:
            packed = pack(weights, biases, masks, dtype=samples.values.dtype, **net)
            train_epoch(packed, samples, order[max(done, 0):stop], recipe.learning_rate,
                        0.0 if recipe.decay else None, recipe.batch_size, max(done, 0), steps)
            weights, biases = unpack(packed)
        if stop in plan:
            rng = event_rngs[sorted(plan).index(stop)]
            masks = _event(recipe, *plan[stop], weights, biases, masks, initial, samples, net, rng)
            weights = [w * mask for w, mask in zip(weights, masks, strict=True)]
        done = stop
        if checkpoint is not None:
            _save(checkpoint, identity, done, weights, biases, masks)
    _check_net(weights, biases, masks, ["auto"] * len(weights))  # a run that diverged in its last part is said too
    return Trained(weights, biases, masks, time.perf_counter() - began)


def gradients(weights, biases, samples, activation="tanh", loss="cross-entropy", targets=(0.0, 1.0)):
    """The mean loss's derivative by each weight, dead or alive: list of float64 arrays (n_l, n_{l+1}).

    Parameters as for `pack`. It is what a step over all samples at a learning rate of 1 takes away.
    """
    packed = pack(weights, biases, None, "dense", activation, loss, targets, np.float64)
    exact = samples._replace(values=samples.values.astype(np.float64))
    train_epoch(packed, exact, np.arange(len(samples.labels)), 1.0, batch_size=len(samples.labels))
    return [before - after for before, after in zip(weights, unpack(packed)[0], strict=True)]


def _plan(recipe):
    """What happens after how many samples: {samples: ("prune" or "regrow", share)}."""
    if recipe.keep == 1:
        return {}
    if recipe.criterion == "snip":
        return {0: ("prune", recipe.keep)}
    if recipe.criterion in ("set", "rigl"):
        end = recipe.steps * 3 // 4
        if recipe.burn_in > end:
            raise ValueError(f"{recipe.criterion} with a burn-in of {recipe.burn_in} does not fit into {recipe.steps} "
                             "samples: shorten it")
        plan = {recipe.burn_in + (end - recipe.burn_in) * k // recipe.prunings:
                ("regrow", REGROWN * (1 + math.cos(math.pi * k / recipe.prunings)) / 2) for k in range(recipe.prunings)}
    else:
        plan = {at: ("prune", keep) for at, keep in
                schedule(recipe.schedule, recipe.keep, recipe.steps, recipe.burn_in, recipe.prunings)}
    plan = {at // recipe.batch_size * recipe.batch_size: what for at, what in plan.items()}
    if recipe.criterion in ("set", "rigl"):
        plan[0] = ("prune", recipe.keep)  # after the rounding, which may move a regrowing there
    return plan


def _event(recipe, action, share, weights, biases, masks, initial, samples, net, rng):
    """The masks after one pruning or regrowing."""
    slopes = None
    if recipe.criterion == "snip" or (recipe.criterion == "rigl" and action == "regrow"):
        chosen = rng.integers(len(samples.labels), size=SCORED)
        slopes = gradients(weights, biases, _take(samples, chosen), **net)
    pruned = slice(1) if recipe.first_layer_only else slice(None)
    old, rest = masks[pruned], masks[len(masks[pruned]):]
    initial, slopes = (None if arrays is None else arrays[pruned] for arrays in (initial, slopes))
    if action == "regrow":
        return regrow(weights[pruned], old, share, slopes, rng) + rest
    score = "random" if recipe.criterion in ("set", "rigl") else recipe.criterion
    return prune(weights[pruned], share, score, initial=initial, gradients=slopes, masks=old, block=recipe.block,
                 rng=rng) + rest


def _take(samples, chosen):
    """Some of the samples, in that order."""
    parts = [np.arange(samples.starts[k], samples.starts[k + 1]) for k in chosen]
    starts = np.concatenate(([0], np.cumsum([len(part) for part in parts])))
    where = np.concatenate(parts)
    return Samples(starts, samples.places[where], samples.values[where], samples.labels[chosen], samples.features)


# ---- checkpoints ------------------------------------------------------------------------------------------

def _digest(arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _save(path, identity, done, weights, biases, masks):
    arrays = {"identity": np.array(identity), "done": np.array(done)}
    for index, (w, bias, mask) in enumerate(zip(weights, biases, masks, strict=True)):
        arrays |= {f"weights_{index}": w, f"mask_{index}": mask}
        arrays |= {} if bias is None else {f"bias_{index}": bias}
    with files.atomic(path) as temporary, open(temporary, "wb") as file:  # a name would be given an ending
        np.savez(file, **arrays)


def _load(path, identity, biases):
    """Samples done, weights, biases and masks; ValueError for a file that is damaged or another run's."""
    names = [[f"{what}_{k}" if what != "bias" or biases[k] is not None else None for k in range(len(biases))]
             for what in ("weights", "bias", "mask")]
    try:
        # Opened here, since np.load leaves a damaged file open.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as kept:
            same = str(kept["identity"]) == identity
            done = int(kept["done"])
            state = [[name and kept[name] for name in layers] for layers in names] if same else []
    except (OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"the checkpoint {path} is damaged ({error}): remove it to start the run again") from None
    if not same:
        raise ValueError(f"the checkpoint {path} is of another run (net, data or recipe): give another path, or remove "
                         "it")
    return done, *state


# ---- kernels: one sample at a time ------------------------------------------------------------------------

# Sums may be taken in any order; without numpy's rules for division by 0 no loop that divides is vectorised.
compiled = njit(cache=True, fastmath={"contract", "reassoc", "nsz", "arcp"}, error_model="numpy")


def _pointer(context, builder, array_type, array, index):
    """Where in an array 16 neighbours begin, as a pointer to a vector."""
    data = arrayobj.make_array(array_type)(context, builder, array).data
    vector = ir.VectorType(data.type.pointee, WIDTH)
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _aligned(instruction, array_type):
    instruction.align = array_type.dtype.bitwidth // 8  # of a number, not of a vector
    return instruction


@intrinsic
def _add_16(typing, target, at, factor, source, first):
    """target[at:at + 16] += factor * source[first:first + 16], as one vector."""
    def build(context, builder, signature, arguments):
        target, at, factor, source, first = arguments
        kind = signature.args[0]
        to, of = (_pointer(context, builder, kind, *pair) for pair in ((target, at), (source, first)))
        vector = to.type.pointee
        lane = ir.IntType(32)
        splat = builder.insert_element(ir.Constant(vector, ir.Undefined), factor, lane(0))
        splat = builder.shuffle_vector(splat, splat, ir.Constant(ir.VectorType(lane, WIDTH), [0] * WIDTH))
        product = builder.fmul(splat, _aligned(builder.load(of), kind), flags=("contract",))
        total = builder.fadd(_aligned(builder.load(to), kind), product, flags=("contract",))
        _aligned(builder.store(total, to), kind)
        return context.get_dummy_value()
    return types.void(target, types.int64, source.dtype, source, types.int64), build


@intrinsic
def _dot_16(typing, one, at, other, first):
    """one[at:at + 16] @ other[first:first + 16], as one vector."""
    def build(context, builder, signature, arguments):
        one, at, other, first = arguments
        kind = signature.args[0]
        pointers = [_pointer(context, builder, kind, *pair) for pair in ((one, at), (other, first))]
        vector = pointers[0].type.pointee
        product = builder.fmul(*[_aligned(builder.load(p), kind) for p in pointers])
        add = builder.module.declare_intrinsic(
            f"llvm.vector.reduce.fadd.v{WIDTH}f{kind.dtype.bitwidth}", (),
            ir.FunctionType(vector.element, [vector.element, vector]))
        return builder.call(add, [vector.element(0.0), product], fastmath=("reassoc",))
    return one.dtype(one, types.int64, other, types.int64), build


@intrinsic
def _floor(typing, x):
    def build(context, builder, signature, arguments):
        floor = builder.module.declare_intrinsic("llvm.floor", [arguments[0].type])
        return builder.call(floor, arguments)
    return x(x), build


@intrinsic
def _power_of_two(typing, k):
    """2^k for whole k of ordinary size, by writing the exponent's bits."""
    def build(context, builder, signature, arguments):
        bits, bias, shift = (32, 127, 23) if k == types.float32 else (64, 1023, 52)
        integer = ir.IntType(bits)
        exponent = builder.add(builder.fptosi(arguments[0], integer), integer(bias))
        return builder.bitcast(builder.shl(exponent, integer(shift)), arguments[0].type)
    return k(k), build


def _exp_constants(dtype, degree):
    """1 / log 2; log 2 in two parts, the first of few bits; a half; 1 / 13!, ..., 1 / 0!, but 0 beyond the degree."""
    high = 0.693145751953125
    return tuple(map(dtype, (1 / math.log(2), high, math.log(2) - high, 0.5,
                             *(1 / math.factorial(k) if k <= degree else 0 for k in range(13, -1, -1)))))


EXP = {np.dtype(np.float32): _exp_constants(np.float32, 7), np.dtype(np.float64): _exp_constants(np.float64, 13)}
ONE = 17  # where a 1 of the right type stands among these


@njit(inline="always")
def _exp(x, c):
    """exp(x) for x in [-80, 80], to rounding, in operations that vectorise (the library's does not)."""
    k = _floor(x * c[0] + c[3])
    r = x - k * c[1] - k * c[2]  # at most log(2) / 2: these terms of the Taylor series are exact to rounding
    p = c[10]
    if c[4] != 0:
        p = (((((c[4] * r + c[5]) * r + c[6]) * r + c[7]) * r + c[8]) * r + c[9]) * r + p
    p = ((((((p * r + c[11]) * r + c[12]) * r + c[13]) * r + c[14]) * r + c[15]) * r + c[16]) * r + c[17]
    return p * _power_of_two(k)


@compiled
def _activate(x, n, slope, c):
    one = c[ONE]
    if slope == one:
        limit, two = x.dtype.type(40), x.dtype.type(2)
        for j in range(n):
            x[j] = one - two / (one + _exp(min(max(two * x[j], -limit), limit), c))  # tanh
    else:
        for j in range(n):
            x[j] = x[j] if x[j] > 0 else slope * x[j]


@compiled
def _through_activation(delta, value, n, slope, one):
    """The derivative of the activation, from its value."""
    if slope == one:
        for j in range(n):
            delta[j] *= one - value[j] * value[j]
    else:
        for j in range(n):
            delta[j] *= one if value[j] > 0 else slope


@compiled
def _scatter(layer, rows, factors, target):
    """target += factors @ the rows' weights."""
    values, starts, columns = layer.values, layer.starts, layer.columns
    width = layer.inputs if layer.by_output else layer.outputs
    for k in range(len(rows)):
        row, factor = np.int64(rows[k]), factors[k]
        if layer.kind == DENSE:
            for j in range(width):
                target[j] += factor * values[row * width + j]
        elif layer.kind == SPARSE:
            for p in range(starts[row], starts[row + 1]):
                target[columns[p]] += factor * values[p]
        else:
            for p in range(starts[row], starts[row + 1]):
                _add_16(target, columns[p], factor, values, WIDTH * p)


@compiled
def _gather(layer, source, target):
    """target += all rows' weights @ source."""
    values, starts, columns = layer.values, layer.starts, layer.columns
    rows, width = (layer.outputs, layer.inputs) if layer.by_output else (layer.inputs, layer.outputs)
    for row in range(rows):
        total = target[row]
        if layer.kind == DENSE:
            for j in range(width):
                total += values[row * width + j] * source[j]
        elif layer.kind == SPARSE:
            for p in range(starts[row], starts[row + 1]):
                total += values[p] * source[columns[p]]
        else:
            for p in range(starts[row], starts[row + 1]):
                total += _dot_16(values, WIDTH * p, source, columns[p])
        target[row] = total


@compiled
def _descend(layer, rows, factors, rate, source):
    """weights -= rate * outer(factors, source), where they are alive."""
    values, starts, columns, alive = layer.values, layer.starts, layer.columns, layer.alive
    width = layer.inputs if layer.by_output else layer.outputs
    for k in range(len(rows)):
        row, factor = np.int64(rows[k]), -rate * factors[k]
        if layer.kind == DENSE and len(alive):
            for j in range(row * width, row * width + width):
                values[j] += factor * source[j - row * width] * alive[j]
        elif layer.kind == DENSE:
            for j in range(width):
                values[row * width + j] += factor * source[j]
        elif layer.kind == SPARSE:
            for p in range(starts[row], starts[row + 1]):
                values[p] += factor * source[columns[p]]
        else:
            for p in range(starts[row], starts[row + 1]):
                _add_16(values, WIDTH * p, factor, source, columns[p])
                if len(alive):
                    for j in range(WIDTH * p, WIDTH * p + WIDTH):
                        values[j] *= alive[j]


@compiled
def _forward(layers, activations, every, places, values, slope, softmax, c):
    for l in range(len(layers)):
        layer, out = layers[l], activations[l]
        n = layer.outputs
        out[:n] = 0
        for j in range(len(layer.bias)):
            out[j] = layer.bias[j]
        if l == 0:
            _scatter(layer, places, values, out)
        elif layer.by_output:
            _gather(layer, activations[l - 1], out)
        else:
            _scatter(layer, every[:layer.inputs], activations[l - 1], out)
        if l < len(layers) - 1 or not softmax:
            _activate(out, n, slope, c)


@compiled
def _output_delta(out, delta, n, label, scalars, softmax, c):
    """The derivative of the loss by the last pre-activations; returns whether `out` has the label right."""
    one, best = c[ONE], 0
    for j in range(n):
        if out[j] > out[best]:
            best = j
    if softmax:
        largest, total, least = out[best], out.dtype.type(0), out.dtype.type(-80)
        for j in range(n):
            delta[j] = _exp(max(out[j] - largest, least), c)
            total += delta[j]
        for j in range(n):
            delta[j] /= total
        delta[label] -= one
    else:
        for j in range(n):
            delta[j] = out[j] - scalars[2 if j == label else 1]
        _through_activation(delta, out, n, scalars[0], one)
    return best == label


@compiled
def _train(layers, activations, deltas, every, starts, places, values, labels, order, first_rate, last_rate, before,
           total_steps, scalars, softmax, c):
    right = 0
    one, last = c[ONE], len(layers) - 1
    for s in range(len(order)):
        k = order[s]
        lit, light = places[starts[k]:starts[k + 1]], values[starts[k]:starts[k + 1]]
        rate = values.dtype.type(first_rate + (last_rate - first_rate) * (before + s) / total_steps)
        _forward(layers, activations, every, lit, light, scalars[0], softmax, c)
        right += _output_delta(activations[last], deltas[last], layers[last].outputs, labels[k], scalars, softmax, c)
        for l in range(last, -1, -1):
            layer, delta = layers[l], deltas[l]
            if l == 0:
                _descend(layer, lit, light, rate, delta)
            else:
                value, back = activations[l - 1], deltas[l - 1]
                if layer.by_output:
                    back[:layer.inputs] = 0
                    _scatter(layer, every[:layer.outputs], delta, back)
                    _descend(layer, every[:layer.outputs], delta, rate, value)
                else:
                    back[:layer.inputs] = 0
                    _gather(layer, delta, back)
                    _descend(layer, every[:layer.inputs], value, rate, delta)
                _through_activation(back, value, layer.inputs, scalars[0], one)
            for j in range(len(layer.bias)):
                layer.bias[j] -= rate * delta[j]
    return right


@compiled
def _recognise(layers, activations, every, starts, places, values, labels, slope, softmax, c):
    right = 0
    out, n = activations[len(layers) - 1], layers[len(layers) - 1].outputs
    for k in range(len(labels)):
        lit, light = places[starts[k]:starts[k + 1]], values[starts[k]:starts[k + 1]]
        _forward(layers, activations, every, lit, light, slope, softmax, c)
        best = 0
        for j in range(n):
            if out[j] > out[best]:
                best = j
        right += best == labels[k]
    return right


# ---- kernels: minibatches, units by samples ---------------------------------------------------------------

@compiled
def _walk_forward(layer, lit, x, total, size):
    """total += what the layer makes of x, sample by sample: one pass over its weights."""
    values, starts, columns = layer.values, layer.starts, layer.columns
    rows, width = (layer.outputs, layer.inputs) if layer.by_output else (layer.inputs, layer.outputs)
    each = WIDTH if layer.kind == BLOCKS else 1
    for row in range(rows):
        if not (layer.by_output or lit[row]):
            continue
        first, end = (row * width, row * width + width) if layer.kind == DENSE else (starts[row], starts[row + 1])
        for p in range(first, end):
            column = p - first if layer.kind == DENSE else np.int64(columns[p])
            for t in range(min(each, width - column)):
                i, j = (column + t, row) if layer.by_output else (row, column + t)
                weight = values[each * p + t]
                for b in range(0, size, WIDTH):
                    _add_16(total, j * size + b, weight, x, i * size + b)


@compiled
def _walk_backward(layer, lit, x, delta, back, want_back, rate, size):
    """back += what flows back through the layer's weights, where wanted, and a step of the live ones: one pass."""
    values, starts, columns, alive = layer.values, layer.starts, layer.columns, layer.alive
    rows, width = (layer.outputs, layer.inputs) if layer.by_output else (layer.inputs, layer.outputs)
    each = WIDTH if layer.kind == BLOCKS else 1
    for row in range(rows):
        if not (layer.by_output or lit[row]):
            continue
        first, end = (row * width, row * width + width) if layer.kind == DENSE else (starts[row], starts[row + 1])
        for p in range(first, end):
            column = p - first if layer.kind == DENSE else np.int64(columns[p])
            for t in range(min(each, width - column)):
                i, j = (column + t, row) if layer.by_output else (row, column + t)
                at = each * p + t
                weight, gradient = values[at], values.dtype.type(0)
                from_x, from_delta = np.uint64(i * size), np.uint64(j * size)  # unsigned: no check for negative places
                for b in range(np.uint64(size)):
                    gradient += x[from_x + b] * delta[from_delta + b]
                if want_back:
                    for b in range(0, size, WIDTH):
                        _add_16(back, i * size + b, weight, delta, j * size + b)
                if len(alive):
                    gradient *= alive[at]
                values[at] = weight - rate * gradient


@compiled
def _train_batches(layers, activations, deltas, batch, starts, places, values, labels, order, first_rate, last_rate,
                   before, total_steps, scalars, softmax, c, count, size):
    right = 0
    one, last = c[ONE], len(layers) - 1
    always = np.ones(max([layer.inputs for layer in layers]), dtype=np.bool_)
    lit = np.zeros(len(batch) // size, dtype=np.bool_)
    n = layers[last].outputs
    out, delta = np.zeros(n, batch.dtype), np.zeros(n, batch.dtype)
    for s in range(0, len(order), count):
        rate = values.dtype.type((first_rate + (last_rate - first_rate) * (before + s) / total_steps) / count)
        for i in range(len(lit)):
            if lit[i]:
                batch[i * size:i * size + size] = 0
                lit[i] = False
        for b in range(count):
            for p in range(starts[order[s + b]], starts[order[s + b] + 1]):
                batch[places[p] * size + b] = values[p]
                lit[places[p]] = True
        for l in range(last + 1):
            layer, total = layers[l], activations[l]
            total[:] = 0
            for j in range(len(layer.bias)):
                total[j * size:j * size + size] = layer.bias[j]
            _walk_forward(layer, lit if l == 0 else always, batch if l == 0 else activations[l - 1], total, size)
            if l < last or not softmax:
                _activate(total, layer.outputs * size, scalars[0], c)
        for b in range(count):
            for j in range(n):
                out[j] = activations[last][j * size + b]
            right += _output_delta(out, delta, n, labels[order[s + b]], scalars, softmax, c)
            for j in range(n):
                deltas[last][j * size + b] = delta[j]
        for l in range(last, -1, -1):
            layer = layers[l]
            x, back = (batch, batch) if l == 0 else (activations[l - 1], deltas[l - 1])
            if l:
                back[:] = 0
            _walk_backward(layer, lit if l == 0 else always, x, deltas[l], back, l > 0, rate, size)
            if l:
                _through_activation(back, x, layer.inputs * size, scalars[0], one)
            for j in range(len(layer.bias)):
                layer.bias[j] -= rate * deltas[l][j * size:j * size + size].sum()
    return right
