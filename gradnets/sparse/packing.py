"""Pack nets and samples for the compiled kernels, and unpack trained nets.

A layer has one of three layouts: dense; sparse, a list of single weights for each row; blocks, a list of 16
neighbouring weights for each row, which suits the processor's vector units. A net may mix layouts.
"""
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradnets import checks
from gradnets.errors import NoResult, UserError

BLOCK_WIDTH = 16  # weights in a block, neighbours along a row
DENSE, SPARSE, BLOCKS = range(3)
LAYOUTS = ("dense", "sparse", "blocks")
# Nanoseconds for each weight and sample, measured: dense rows stream through memory, single weights scatter.
COSTS = {"dense": 0.12, "masked": 0.18, "sparse": 0.8, "blocks": 0.15}
TANH = 1.0  # the slope that stands for tanh
# Zeros behind the end of each buffer of the kernels. The last block of a row may reach over the row's end. And where
# two buffers lie closer than 64 numbers, loops take single numbers instead of vectors, which adds in another order, so
# that results would depend on addresses.
SPARE = 64
DTYPES = (np.float32, np.float64)


class Diverged(NoResult):
    """Training has driven weights to NaN or infinity."""


class Layer(NamedTuple):
    """One packed layer. Its rows are inputs, or outputs if `by_output`; the entries of a row are its weights.

    Attributes
    ----------
    kind : DENSE, SPARSE or BLOCKS
    by_output : bool
    inputs, outputs : int
    starts : int64 array (rows + 1,)
        Entries starts[i] to starts[i + 1] belong to row i; only the number 0 if dense.
    columns : uint32 array (entries,)
        Column of each weight, or first column of each block; empty if dense.
    values : float array (rows * width,), (entries,) or (entries * 16,)
    alive : float array, as long as values
        0 for each dead weight of a dense layer or a block, else 1; empty if all are alive.
    bias : float array (outputs,), or (0,) for no bias
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
    """Packed samples: only the inputs that are not 0, sample by sample.

    Attributes
    ----------
    starts : int64 array (n + 1,)
        Inputs starts[k] to starts[k + 1] belong to sample k.
    places : uint32 array (m,)
        Feature of each input.
    values : float array (m,)
    labels : int64 array (n,)
    features : int
    """

    starts: np.ndarray
    places: np.ndarray
    values: np.ndarray
    labels: np.ndarray
    features: int


@dataclass(frozen=True)
class Net:
    """A packed net: layers, activation and loss.

    Attributes
    ----------
    layers : tuple of Layer
    slope : float
        1 for tanh; else the slope below 0, which is 0 for relu.
    softmax : bool
        Whether the loss is cross-entropy, not squared error.
    targets : pair of float
        What squared error asks of a wrong output and of the right output.
    """

    layers: tuple
    slope: float
    softmax: bool
    targets: tuple


def pack_samples(inputs, labels, dtype=np.float32):
    """Pack a data set for the kernels.

    Parameters
    ----------
    inputs : real array (n, features), finite, n at least 1
    labels : int array (n,), each in [0, 2^31)
    dtype : float32 or float64

    Returns
    -------
    Samples

    Raises
    ------
    UserError
        If the arrays do not fit each other, or hold other values than these.
    """
    inputs, labels = checks.real_array("inputs", inputs, axes=2), checks.integer_array("labels", labels, axes=1)
    if len(labels) != len(inputs):
        raise UserError(f"there are {len(inputs)} inputs and {len(labels)} labels: expected one label for each row")
    if not 0 <= labels.min() <= labels.max() < 2**31:
        raise UserError(f"labels run from {labels.min()} to {labels.max()}: expected integers in [0, 2^31)")
    largest = max(abs(float(inputs.min())), abs(float(inputs.max())))
    if largest > float(np.finfo(dtype).max):
        raise UserError(f"inputs run to {largest:.3g}, beyond the largest {np.dtype(dtype)}: scale them")
    nonzero = inputs != 0
    rows, places = np.nonzero(nonzero)  # of bools, which is faster
    starts = np.searchsorted(rows, np.arange(len(inputs) + 1))
    return Samples(starts, places.astype(np.uint32), inputs[nonzero].astype(dtype), labels.copy(), inputs.shape[1])


def pack(weights, biases, masks=None, layout="auto", activation="tanh", loss="cross-entropy", targets=(0.0, 1.0),
         dtype=np.float32):
    """Pack a net for the kernels.

    Parameters
    ----------
    weights : list of float arrays (n_l, n_{l+1}), finite
    biases : list of float arrays (n_{l+1},), or None for a layer without bias
    masks : list of bool arrays of the weights' shapes, optional
        Which weights are alive; by default all.
    layout : "auto", "dense", "sparse" or "blocks", or a list with one of these for each layer
        "auto" is the cheapest layout by `cost`.
    activation : "tanh", "relu" or a float in (0, 1), the slope below 0
    loss : "cross-entropy" or "squared"
    targets : pair of float
        What squared error asks of a wrong output and of the right output.
    dtype : float32 or float64

    Returns
    -------
    Net

    Raises
    ------
    UserError
        If shapes do not fit, a mask has no live weight, or a name is unknown.
    Diverged
        If weights or biases are not finite in this dtype.
    """
    masks = [np.ones(w.shape, dtype=bool) for w in weights] if masks is None else masks
    layouts = [layout] * len(weights) if isinstance(layout, str) else list(layout)
    dtype = np.dtype(dtype)
    if dtype not in DTYPES:
        raise UserError(f"dtype is {dtype}: expected float32 or float64")
    check_net(weights, biases, masks, layouts, dtype)
    if activation not in ("tanh", "relu") and not (isinstance(activation, float) and 0 < activation < 1):
        raise UserError(f"activation is {activation!r}: expected tanh, relu or a slope in (0, 1)")
    checks.choice("loss", loss, ("cross-entropy", "squared"))
    targets = checks.real_array("targets", targets, axes=1)
    if targets.size != 2:
        raise UserError(f"targets are {targets.tolist()}: expected two numbers, for a wrong output and the right one")
    layers = []
    for index, (w, bias, mask, name) in enumerate(zip(weights, biases, masks, layouts, strict=True)):
        transposed = by_output(index, w.shape)
        if name == "auto":
            name = min(LAYOUTS, key=lambda name: cost(mask, name, transposed))
        layers.append(_pack_layer(w, bias, mask, LAYOUTS.index(name), transposed, dtype))
    slope = {"tanh": TANH, "relu": 0.0}.get(activation, activation)
    return Net(tuple(layers), slope, loss == "cross-entropy", tuple(map(float, targets)))


def unpack(net):
    """Return the weights, 0 where dead, and the biases of a packed net, as `pack` takes them.

    Returns
    -------
    list of float64 arrays (n_l, n_{l+1})
    list of float64 arrays (n_{l+1},), None for a layer without bias
    """
    weights, biases = [], []
    for layer in net.layers:
        rows, width = (layer.outputs, layer.inputs) if layer.by_output else (layer.inputs, layer.outputs)
        if layer.kind == DENSE:
            matrix = layer.values.reshape(rows, width).astype(np.float64)
        else:
            entry_width = BLOCK_WIDTH if layer.kind == BLOCKS else 1
            matrix = np.zeros((rows, -(-width // entry_width) * entry_width))
            row = np.repeat(np.arange(rows), np.diff(layer.starts))
            columns = layer.columns[:, None] + np.arange(entry_width, dtype=np.uint32)
            matrix[row[:, None], columns] = layer.values.reshape(-1, entry_width)
            matrix = matrix[:, :width]
        weights.append(np.ascontiguousarray(matrix.T if layer.by_output else matrix))
        biases.append(layer.bias.astype(np.float64) if layer.bias.size else None)
    return weights, biases


def by_output(index, shape):
    """Return whether the rows of a layer are its outputs, which they are where that makes longer rows.

    The rows of the first layer (index 0) are always its inputs, so that inputs of 0 can be skipped.
    """
    return index > 0 and shape[1] < shape[0]


def cost(mask, layout, transposed=False):
    """Return the expected time of one sample in a layer: the entries that a layout touches, times the cost of each.

    Parameters
    ----------
    mask : bool array (inputs, outputs)
        Which weights are alive.
    layout : "dense", "sparse" or "blocks"
    transposed : bool
        Whether the rows of the layer are its outputs.

    Returns
    -------
    float
        Nanoseconds.
    """
    mask = checks.bool_matrix("mask", mask)
    checks.choice("layout", layout, LAYOUTS)
    if layout == "dense":
        return COSTS["dense" if mask.all() else "masked"] * mask.size
    if layout == "sparse":
        return COSTS[layout] * np.count_nonzero(mask)
    return COSTS[layout] * BLOCK_WIDTH * np.count_nonzero(as_blocks(mask.T if transposed else mask).any(axis=2))


def parameters(masks, biases):
    """Return the number of trained parameters: live weights and all biases."""
    return sum(map(np.count_nonzero, masks)) + sum(bias.size for bias in biases if bias is not None)


def as_blocks(matrix):
    """Return a matrix (rows, width), padded with 0, as an array (rows, blocks, 16)."""
    rows, width = matrix.shape
    padded = np.zeros((rows, -(-width // BLOCK_WIDTH) * BLOCK_WIDTH), dtype=matrix.dtype)
    padded[:, :width] = matrix
    return padded.reshape(rows, -1, BLOCK_WIDTH)


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
        alive, values = (as_blocks(matrix) for matrix in (mask, live))
        used = alive.any(axis=2)
        alive, values = alive[used], values[used]
    if kind != DENSE:
        rows, columns = np.nonzero(mask if kind == SPARSE else used)
        starts = np.searchsorted(rows, np.arange(len(mask) + 1))
        columns = (columns * (BLOCK_WIDTH if kind == BLOCKS else 1)).astype(np.uint32)
    alive = np.zeros(0) if alive.all() else alive.ravel()
    bias = np.zeros(0) if bias is None else bias
    return Layer(kind, transposed, inputs, outputs, starts, columns, values.astype(dtype).ravel(), alive.astype(dtype),
                 bias.astype(dtype))


# ---- checks -----------------------------------------------------------------------------------------------

def check_net(weights, biases, masks, layouts, dtype=np.float64):
    """Raise UserError unless these lists make a net, and Diverged if numbers are not finite in the dtype."""
    if not len(weights) == len(biases) == len(masks) == len(layouts) > 0:
        raise UserError(f"there are {len(weights)} weights, {len(biases)} biases, {len(masks)} masks and "
                        f"{len(layouts)} layouts: expected one of each for every layer")
    for index, (w, bias, mask, layout) in enumerate(zip(weights, biases, masks, layouts, strict=True)):
        check_numbers(index, w, *([] if bias is None else [bias]))
        check_bools(index, mask)
        if w.ndim != 2 or mask.shape != w.shape or (bias is not None and bias.shape != w.shape[1:]) or (
                index and len(w) != weights[index - 1].shape[1]):
            raise UserError(f"layer {index + 1} has weights {w.shape}, mask {mask.shape} and bias "
                            f"{None if bias is None else bias.shape}: expected shapes that fit each other and the "
                            "previous layer")
        check_finite(index, *([w] if bias is None else [w, bias]), largest=np.finfo(dtype).max)
        if not mask.any():
            raise UserError(f"layer {index + 1} of shape {w.shape} has no live weight: keep more")
        checks.choice("layout", layout, ("auto", *LAYOUTS))


def check_numbers(index, *arrays):
    """Raise UserError unless the arrays of layer `index` hold real numbers."""
    for array in arrays:
        if array.dtype.kind not in "fiu":
            raise UserError(f"layer {index + 1} has an array of {array.dtype} of shape {array.shape}: expected real "
                            "numbers")


def check_bools(index, mask):
    """Raise UserError unless the mask of layer `index` holds bools."""
    if mask.dtype != bool:
        raise UserError(f"layer {index + 1} has a mask of {mask.dtype} of shape {mask.shape}: expected bools")


def check_finite(index, *arrays, largest=None):
    """Raise Diverged if numbers of layer `index` are NaN or infinite, or above `largest`."""
    count = sum(np.count_nonzero(~np.isfinite(array) if largest is None else ~(np.abs(array) <= largest))
                for array in arrays)
    if count:
        raise Diverged(f"layer {index + 1} has {count} weights or scores that are NaN or infinite: lower the learning "
                       "rate")
