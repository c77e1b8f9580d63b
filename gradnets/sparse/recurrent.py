"""Compiled training of a recurrent net that reads images row by row, dense or with most weights killed.

The net of `rnn.py`: h_t = tanh(x_t U + h_{t-1} W + b), softmax of the last h_T V + c, exact backpropagation through
time, and gradients clipped to a norm. Its three layers are packed as `sparse.pack` packs them.

Sources: Pascanu, Mikolov and Bengio 2013, algorithm 1, for clipping; `sparse.prune` for pruning.
"""
import time
from dataclasses import replace

import numpy as np

from gradnets.errors import UserError
from gradnets.sparse import _kernels, _recurrent_kernels, packing, pruning, training
from gradnets.sparse.packing import BLOCK_WIDTH, SPARE

CRITERIA = ("magnitude", "random")
# Nanoseconds for each recurrent weight and time step, measured at 128 hidden units.
COSTS = {"dense": 0.10, "sparse": 1.15, "blocks": 0.20}


def pack(weights, biases, masks=None, layout="auto", dtype=np.float32):
    """Pack a recurrent net for the kernels.

    Parameters
    ----------
    weights : list of three float arrays (row, hidden), (hidden, hidden), (hidden, classes), finite
        Input, recurrent and output weights.
    biases : list of two float arrays (hidden,), (classes,)
    masks : list of three bool arrays of the weights' shapes, optional
        Which weights are alive; by default all.
    layout : "auto", "dense", "sparse" or "blocks", or a list with one of these for each layer
        "auto" is the cheapest layout: by `COSTS` for the recurrent weights, by `sparse.cost` for the others.
    dtype : float32 or float64

    Returns
    -------
    sparse.Net
        With three layers, the second without bias.

    Raises
    ------
    UserError
        If shapes do not fit, a mask has no live weight, or a name is unknown.
    sparse.Diverged
        If weights or biases are not finite in this dtype.
    """
    if len(weights) != 3 or len(biases) != 2 or np.shape(weights[1]) != np.shape(weights[1])[::-1]:
        raise UserError(f"there are {len(biases)} biases and weights of shapes "
                        f"{', '.join(str(np.shape(w)) for w in weights)}: expected input, square recurrent and output "
                        "weights, and two biases")
    hidden_bias, output_bias = biases
    layout = [layout] * 3 if isinstance(layout, str) else list(layout)
    if layout[1:2] == ["auto"] and masks is not None and np.shape(masks[1:2]) == (1, *np.shape(weights[1])):
        layout[1] = _cheapest_layout(masks[1])
    net = packing.pack(weights, [hidden_bias, None, output_bias], masks, layout, dtype=dtype)
    return replace(net, layers=tuple(layer._replace(values=_aligned(layer.values)) for layer in net.layers))


def unpack(net):
    """Return the weights, 0 where dead, and the biases of a packed net, as `pack` takes them.

    Returns
    -------
    list of three float64 arrays
    list of two float64 arrays
    """
    weights, (hidden_bias, _, output_bias) = packing.unpack(net)
    return weights, [hidden_bias, output_bias]


def train_epoch(net, samples, order, learning_rate, final_rate=None, clip=1.0):
    """Train a recurrent net by gradient descent on single samples in the given order, in place.

    Parameters
    ----------
    net : sparse.Net
        As `pack` returns it.
    samples : sparse.Samples
        Of the net's dtype; features are read in rows, as many at once as the net has inputs.
    order : int array (steps,)
        Indices of samples.
    learning_rate, final_rate : float, finite, at least 0
        The rate falls in a straight line from the first to the second, or stays if there is no second.
    clip : float, positive, or None
        Norm, over all live weights and biases, to which longer gradients are shortened; None clips nothing.

    Returns
    -------
    int
        How many samples were recognised, each just before its own step.

    Raises
    ------
    UserError
        If samples do not fit the net, or a number is outside these ranges.
    """
    order = np.asarray(order)
    final_rate = learning_rate if final_rate is None else final_rate
    if clip is not None and not clip > 0:
        raise UserError(f"clip is {clip!r}: expected a positive number, or None")
    buffers = _buffers(net, samples)
    training.check_order(samples, net.layers[2].outputs, order, learning_rate, final_rate)
    dtype = samples.values.dtype
    slopes = tuple(layer._replace(values=_aligned(np.zeros_like(layer.values)), bias=np.zeros_like(layer.bias),
                                  alive=np.zeros(0, dtype)) for layer in net.layers)
    rates = _kernels.Rates(float(learning_rate), float(final_rate), 0, len(order))
    return _recurrent_kernels.train(net.layers, slopes, buffers, samples, order.astype(np.int64), rates,
                                    dtype.type(np.inf if clip is None else clip), *training.units(net))


def accuracy(net, samples):
    """Return the share of samples whose largest output is at their label."""
    buffers = _buffers(net, samples)
    training.check_order(samples, net.layers[2].outputs)
    activation, _ = training.units(net)
    return _recurrent_kernels.count_recognized(net.layers, buffers, samples, activation) / len(samples.labels)


def run(recipe, weights, biases, samples, clip=1.0):
    """Train and prune a recurrent net, and leave the given weights and biases as they are.

    The share `recipe.keep` of the recurrent weights is left; all input and output weights, which are few, live.

    Parameters
    ----------
    recipe : sparse.Recipe
        With batch_size 1, and criterion "magnitude" or "random".
    weights, biases
        As for `pack`.
    samples, clip
        As for `train_epoch`.

    Returns
    -------
    sparse.Trained

    Raises
    ------
    UserError
        As `pack`, `train_epoch`, `sparse.schedule` and `sparse.prune` do; also for another criterion or batch size.
    sparse.Diverged
        If training drives weights to NaN or infinity.
    """
    if recipe.criterion not in CRITERIA or recipe.batch_size != 1:
        raise UserError(f"criterion is {recipe.criterion!r} and batch_size {recipe.batch_size}: a recurrent net is "
                        f"pruned by {' or '.join(CRITERIA)}, and trained on single samples")
    for index, w in enumerate(weights):
        packing.check_numbers(index, w)
    steps = recipe.steps
    plan = {} if recipe.keep == 1 else dict(pruning.schedule(recipe.schedule, recipe.keep, steps, recipe.burn_in,
                                                             recipe.prunings))
    children = np.random.SeedSequence(recipe.seed, spawn_key=(training.RUN_STREAM,)).spawn(2)
    order_rng, prune_rng = map(np.random.default_rng, children)
    order = order_rng.integers(len(samples.labels), size=steps)
    weights, masks = [np.array(w, dtype=float) for w in weights], [np.ones(np.shape(w), bool) for w in weights]
    began, done = time.perf_counter(), 0
    for stop in sorted({*plan, steps}):
        net = pack(weights, biases, masks, dtype=samples.values.dtype)
        rates = [recipe.learning_rate * (1 - at / steps if recipe.decay else 1) for at in (done, stop)]
        train_epoch(net, samples, order[done:stop], *rates, clip)
        weights, biases = unpack(net)
        if stop in plan:
            masks[1:2] = pruning.prune(weights[1:2], plan[stop], recipe.criterion, masks=masks[1:2],
                                       block=recipe.block, rng=prune_rng)
            weights[1] = weights[1] * masks[1]
        done = stop
    return training.Trained(weights, biases, masks, time.perf_counter() - began)


def _cheapest_layout(mask):
    """Return the layout for recurrent weights of this mask."""
    touched = {"dense": mask.size, "sparse": np.count_nonzero(mask),
               "blocks": BLOCK_WIDTH * np.count_nonzero(packing.as_blocks(mask).any(axis=2))}
    return min(COSTS, key=lambda name: COSTS[name] * touched[name])


def _aligned(array):
    """Return a copy that begins at a multiple of 64 bytes: else vectors of 16 would lie across two cache lines."""
    raw = np.empty(array.nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    copy = raw[start:start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _buffers(net, samples):
    """Return the kernels' buffers; raise UserError unless the features of a sample are whole rows for the net."""
    reads, recurs, writes = net.layers
    dtype = reads.values.dtype
    if samples.features % reads.inputs or samples.values.dtype != dtype:
        raise UserError(f"samples have {samples.features} {samples.values.dtype} features, the net reads rows of "
                        f"{reads.inputs} {dtype}: make the features a multiple of the row, of one dtype")
    steps = samples.features // reads.inputs
    width = BLOCK_WIDTH * -(-max(reads.outputs, writes.outputs) // BLOCK_WIDTH) + BLOCK_WIDTH
    states, deltas = (_aligned(np.zeros((steps + 1, width), dtype)) for _ in range(2))
    by_unit = _aligned(np.zeros((2, width, -(-steps // BLOCK_WIDTH) * BLOCK_WIDTH), dtype))
    owners = np.repeat(np.arange(len(recurs.starts) - 1, dtype=np.uint32), np.diff(recurs.starts))
    by_column = np.argsort(recurs.columns, kind="stable")
    firsts = np.arange(0, recurs.outputs + BLOCK_WIDTH, BLOCK_WIDTH)
    columns = _recurrent_kernels.Columns(np.searchsorted(recurs.columns[by_column], firsts),
                                         by_column.astype(np.uint32), owners[by_column])
    outputs, output_deltas = (np.zeros(width + SPARE, dtype) for _ in range(2))
    return _recurrent_kernels.Buffers(states, deltas, outputs, output_deltas, by_unit,
                                      np.zeros(samples.features, np.uint32), np.arange(width, dtype=np.uint32), owners,
                                      columns)
