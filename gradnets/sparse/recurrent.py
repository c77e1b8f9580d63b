"""Compiled training of a row-by-row recurrent net, one sample at a time, dense or with most weights killed.

The net of `rnn.py`: h_t = tanh(x_t U + h_{t-1} W + b), softmax of the last h_T V + c, exact backpropagation through
time, and gradients clipped to a norm. Its three layers are packed as in `gradnets.sparse`. Weights do not move within a
sample: gradients are summed over time where weights are alive, each touched once, and then applied.

Sources: Pascanu, Mikolov and Bengio 2013, algorithm 1, for clipping; `gradnets.sparse` for pruning.
"""
import math
import time
from dataclasses import replace

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

from gradnets.sparse import training as sparse
from gradnets.sparse.training import DENSE, SPARSE, WIDTH, _add_16, _dot_16

CRITERIA = ("magnitude", "random")
# Nanoseconds a recurrent weight and time step that a layout takes, measured at 128 hidden units.
COSTS = {"dense": 0.10, "sparse": 1.15, "blocks": 0.20}


def pack(weights, biases, masks=None, layout="auto", dtype=np.float32):
    """A recurrent net for the kernels.

    Parameters
    ----------
    weights : list of three float arrays (row, hidden), (hidden, hidden), (hidden, classes), finite
        Input, recurrent and output weights.
    biases : list of two float arrays (hidden,), (classes,)
    masks : list of three bool arrays of the weights' shapes, optional
        Which weights are alive; all unless given.
    layout : "auto", "dense", "sparse" or "blocks", or one a layer
        Auto takes for the recurrent weights what is cheapest by `COSTS`, for the others what `sparse.cost` says.
    dtype : float32 or float64

    Returns
    -------
    sparse.Net
        Of three layers, the second without bias.

    Raises
    ------
    ValueError
        For shapes that do not fit together, weights that are not finite, a mask without a live weight, unknown names.
    """
    if len(weights) != 3 or len(biases) != 2 or np.shape(weights[1]) != np.shape(weights[1])[::-1]:
        raise ValueError(f"{len(weights)} weights of shapes {', '.join(str(np.shape(w)) for w in weights)} and "
                         f"{len(biases)} biases: expected input, square recurrent and output weights, and two biases")
    hidden_bias, output_bias = biases
    layout = [layout] * 3 if isinstance(layout, str) else list(layout)
    if layout[1:2] == ["auto"] and masks is not None and np.shape(masks[1:2]) == (1, *np.shape(weights[1])):
        layout[1] = _cheapest(masks[1])
    net = sparse.pack(weights, [hidden_bias, None, output_bias], masks, layout, dtype=dtype)
    return replace(net, layers=tuple(layer._replace(values=_aligned(layer.values)) for layer in net.layers))


def unpack(net):
    """Weights, 0 where dead, and biases, as `pack` takes them: lists of three and two float64 arrays."""
    weights, (hidden_bias, _, output_bias) = sparse.unpack(net)
    return weights, [hidden_bias, output_bias]


def train_epoch(net, samples, order, learning_rate, final_rate=None, clip=1.0):
    """Gradient descent over samples in the given order, one a step, in place.

    Parameters
    ----------
    net : sparse.Net
        As `pack` makes it.
    samples : sparse.Samples
        Of the net's dtype; features are read in rows as wide as the net's input weights are high.
    order : int array (steps,)
        Indices of samples.
    learning_rate, final_rate : float, finite, not negative
        The rate falls in a straight line from the first to the second; it stays unless that is given.
    clip : float, positive, or None
        Norm, over all live weights and biases, to which longer gradients are shortened. None clips nothing.

    Returns
    -------
    int
        How many of the samples were recognised, each just before its own step.

    Raises
    ------
    ValueError
        For samples that do not fit the net, and for numbers outside these ranges.
    """
    order = np.asarray(order)
    final_rate = learning_rate if final_rate is None else final_rate
    if clip is not None and not clip > 0:
        raise ValueError(f"clip is {clip!r}: expected a positive number, or None")
    steps = _check(net, samples, order, learning_rate, final_rate)
    order = order.astype(np.int64)
    dtype = samples.values.dtype
    slopes = tuple(layer._replace(values=_aligned(np.zeros_like(layer.values)), bias=np.zeros_like(layer.bias),
                                  alive=np.zeros(0, dtype)) for layer in net.layers)
    states, out, *places = _buffers(net, samples, steps)
    deltas, out_delta = _aligned(np.zeros_like(states)), np.zeros_like(out)
    by_unit = _aligned(np.zeros((2, states.shape[1], -(-steps // WIDTH) * WIDTH), dtype))
    limit = dtype.type(np.inf if clip is None else clip)
    return _train(net.layers, slopes, states, deltas, out, out_delta, by_unit, *places, samples.starts,
                  samples.places, samples.values, samples.labels, order, float(learning_rate), float(final_rate), limit,
                  sparse.EXP[dtype])


def accuracy(net, samples):
    """Share of the samples whose largest output is their label's; ValueError where there is none, or none that fits."""
    if len(samples.labels) == 0:
        raise ValueError("there are no samples: expected one or more")
    steps = _check(net, samples, np.zeros(0, np.int64), 0.0, 0.0)
    right = _recognise(net.layers, *_buffers(net, samples, steps), samples.starts, samples.places, samples.values,
                       samples.labels, sparse.EXP[samples.values.dtype])
    return right / len(samples.labels)


def run(recipe, weights, biases, samples, clip=1.0):
    """Train and prune a recurrent net; weights and biases are left as they are.

    Of the recurrent weights `recipe.keep` is left; input and output weights, few beside them, all live.

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
    ValueError
        As `pack`, `train_epoch`, `sparse.schedule` and `sparse.prune`; for another criterion or batch size.
    """
    if recipe.criterion not in CRITERIA or recipe.batch_size != 1:
        raise ValueError(f"criterion is {recipe.criterion!r}, batch_size {recipe.batch_size}: a recurrent net is "
                         f"pruned by {' or '.join(CRITERIA)}, and trained on single samples")
    for index, w in enumerate(weights):
        sparse._check_kinds(index, numbers=(w,))
    steps = recipe.steps
    plan = {} if recipe.keep == 1 else dict(sparse.schedule(recipe.schedule, recipe.keep, steps, recipe.burn_in,
                                                            recipe.prunings))
    order_rng, prune_rng = map(np.random.default_rng, np.random.SeedSequence(recipe.seed, spawn_key=(5,)).spawn(2))
    order = order_rng.integers(len(samples.labels), size=steps)
    weights, masks = [np.array(w, dtype=float) for w in weights], [np.ones(np.shape(w), bool) for w in weights]
    began, done = time.perf_counter(), 0
    for stop in sorted({*plan, steps}):
        net = pack(weights, biases, masks, dtype=samples.values.dtype)
        rates = [recipe.learning_rate * (1 - at / steps if recipe.decay else 1) for at in (done, stop)]
        train_epoch(net, samples, order[done:stop], *rates, clip)
        weights, biases = unpack(net)
        if stop in plan:
            masks[1:2] = sparse.prune(weights[1:2], plan[stop], recipe.criterion, masks=masks[1:2], block=recipe.block,
                                      rng=prune_rng)
            weights[1] = weights[1] * masks[1]
        done = stop
    return sparse.Trained(weights, biases, masks, time.perf_counter() - began)


def _cheapest(mask):
    """The layout for recurrent weights of this mask."""
    touched = {"dense": mask.size, "sparse": np.count_nonzero(mask),
               "blocks": WIDTH * np.count_nonzero(sparse._blocks(mask).any(axis=2))}
    return min(COSTS, key=lambda name: COSTS[name] * touched[name])


def _check(net, samples, order, learning_rate, final_rate):
    """How many time steps a sample has; ValueError for what does not fit."""
    reads, _, writes = net.layers
    dtype = reads.values.dtype
    if samples.features % reads.inputs or samples.values.dtype != dtype:
        raise ValueError(f"samples have {samples.features} {samples.values.dtype} features, the net reads rows of "
                         f"{reads.inputs} {dtype}: make them match, the one a multiple of the other")
    sparse.check_order(samples, writes.outputs, order, learning_rate, final_rate)
    return samples.features // reads.inputs


def _aligned(array):
    """A copy that begins at a multiple of 64 bytes: else every vector of 16 would lie across two cache lines."""
    raw = np.empty(array.nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    copy = raw[start:start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _buffers(net, samples, steps):
    """States (time + 1, hidden), outputs, places within rows; 0, 1, 2, ...; and each recurrent entry's row."""
    dtype = samples.values.dtype
    reads, recurs, writes = net.layers
    # 16 more than needed, always 0: the last block of a row may reach over its end.
    widest = WIDTH * -(-max(reads.outputs, writes.outputs) // WIDTH) + WIDTH
    return (_aligned(np.zeros((steps + 1, widest), dtype)), np.zeros(widest, dtype),
            np.zeros(samples.features, np.uint32), np.arange(widest, dtype=np.uint32),
            np.repeat(np.arange(len(recurs.starts) - 1, dtype=np.uint32), np.diff(recurs.starts)))


# ---- kernels ----------------------------------------------------------------------------------------------

def _summing(parts):
    """An intrinsic that sums over time, or over units, `parts` vectors of 16 at once, each in a register."""
    @intrinsic
    def summed(typing, target, at, factors, first, step, source, start, stride, count):
        def build(context, builder, signature, arguments):
            target, at, factors, first, step, source, start, stride, count = arguments
            to_kind, factor_kind, of_kind = (signature.args[k] for k in (0, 2, 5))
            lane, places = ir.IntType(32), [builder.add(at, at.type(WIDTH * part)) for part in range(parts)]
            to = [sparse._pointer(context, builder, to_kind, target, place) for place in places]
            vector = to[0].type.pointee
            totals = [cgutils.alloca_once(builder, vector) for _ in to]
            for total, pointer in zip(totals, to, strict=True):
                builder.store(sparse._aligned(builder.load(pointer), to_kind), total)
            data = arrayobj.make_array(factor_kind)(context, builder, factors).data
            with cgutils.for_range(builder, count) as loop:
                factor = builder.load(builder.gep(data, [builder.add(first, builder.mul(loop.index, step))]))
                splat = builder.insert_element(ir.Constant(vector, ir.Undefined), factor, lane(0))
                splat = builder.shuffle_vector(splat, splat, ir.Constant(ir.VectorType(lane, WIDTH), [0] * WIDTH))
                row = builder.add(start, builder.mul(loop.index, stride))
                for part, total in enumerate(totals):
                    of = sparse._pointer(context, builder, of_kind, source, builder.add(row, row.type(WIDTH * part)))
                    product = builder.fmul(splat, sparse._aligned(builder.load(of), of_kind), flags=("contract",))
                    builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
            for total, pointer in zip(totals, to, strict=True):
                sparse._aligned(builder.store(builder.load(total), pointer), to_kind)
            return context.get_dummy_value()
        return types.void(target, types.int64, factors, types.int64, types.int64, source, types.int64, types.int64,
                          types.int64), build
    return summed


# target[at:at + 16] += sum over k < count of factors[first + k step] * source[start + k stride:][:16], arrays flat.
_sum_16, _sum_64 = _summing(1), _summing(4)


@sparse.compiled
def _sum_rows(target, at, factors, first, step, source, start, stride, count, n):
    """The same for n neighbours."""
    wide, narrow = n - n % (4 * WIDTH), n - n % WIDTH
    for j in range(0, wide, 4 * WIDTH):
        _sum_64(target, at + j, factors, first, step, source, start + j, stride, count)
    for j in range(wide, narrow, WIDTH):
        _sum_16(target, at + j, factors, first, step, source, start + j, stride, count)
    to, by, of = target.ravel(), factors.ravel(), source.ravel()
    for j in range(narrow, n):
        for k in range(count):
            to[at + j] += by[first + k * step] * of[start + k * stride + j]


@sparse.compiled
def _recur(layer, owners, states, t):
    """states[t + 1] += states[t] @ weights; owners are the rows of the entries."""
    values, starts, columns, state, target = layer.values, layer.starts, layer.columns, states[t], states[t + 1]
    if layer.kind == DENSE:
        n, stride = layer.inputs, states.shape[1]
        _sum_rows(states, (t + 1) * stride, states, t * stride, 1, values, 0, n, n, n)
    elif layer.kind == SPARSE:
        for p in range(len(columns)):
            target[columns[p]] += state[owners[p]] * values[p]
    else:
        for i in range(layer.inputs):
            factor = state[i]
            for p in range(starts[i], starts[i + 1]):
                _add_16(target, columns[p], factor, values, WIDTH * p)


@sparse.compiled
def _recur_back(layer, owners, delta, back):
    """back = weights @ delta."""
    values, starts, columns = layer.values, layer.starts, layer.columns
    if layer.kind == DENSE:
        back[:layer.inputs] = 0
        sparse._gather(layer, delta, back)
    elif layer.kind == SPARSE:
        back[:layer.inputs] = 0
        for p in range(len(columns)):
            back[owners[p]] += values[p] * delta[columns[p]]
    else:
        for i in range(layer.inputs):
            total = values.dtype.type(0)
            for p in range(starts[i], starts[i + 1]):
                total += _dot_16(values, WIDTH * p, delta, columns[p])
            back[i] = total


@sparse.compiled
def _forward(layers, states, out, rows, every, owners, lit, light, c):
    reads, recurs, writes = layers
    n, row, one, k = reads.outputs, reads.inputs, c[sparse.ONE], 0
    for t in range(len(states) - 1):
        first, state = k, states[t + 1]
        while k < len(lit) and lit[k] < (t + 1) * row:
            rows[k] = lit[k] - t * row
            k += 1
        state[:n] = reads.bias
        sparse._scatter(reads, rows[first:k], light[first:k], state)
        if t:
            _recur(recurs, owners, states, t)
        sparse._activate(state, n, one, c)
    out[:] = 0
    out[:writes.outputs] = writes.bias
    if writes.by_output:
        sparse._gather(writes, states[len(states) - 1], out)
    else:
        sparse._scatter(writes, every[:n], states[len(states) - 1], out)


@sparse.compiled
def _backward(layers, slopes, states, deltas, out_delta, by_unit, rows, every, owners, lit, light, c):
    """Deltas of all time steps, and the sums over time of all gradients."""
    reads, recurs, writes = layers
    steps, n, row, one = len(states) - 1, reads.outputs, reads.inputs, c[sparse.ONE]
    last, minus = deltas[steps], -c[sparse.ONE]
    last[:] = 0
    if writes.by_output:
        sparse._scatter(writes, every[:writes.outputs], out_delta, last)
        sparse._descend(slopes[2], every[:writes.outputs], out_delta, minus, states[steps])
    else:
        sparse._gather(writes, out_delta, last)
        sparse._descend(slopes[2], every[:n], states[steps], minus, out_delta)
    slopes[2].bias[:] = out_delta[:writes.outputs]
    k, bias = len(lit), slopes[0].bias
    for t in range(steps, 0, -1):  # deltas[t] stands beside states[t], row t - 1 of the image
        delta, end = deltas[t], k
        sparse._through_activation(delta, states[t], n, one, one)
        while k > 0 and lit[k - 1] >= (t - 1) * row:
            k -= 1
        sparse._descend(slopes[0], rows[k:end], light[k:end], minus, delta)
        for j in range(n):
            bias[j] += delta[j]
        if t > 1:
            _recur_back(recurs, owners, delta, deltas[t - 1])
    _sum_over_time(slopes[1], owners, states, deltas, by_unit)


@sparse.compiled
def _sum_over_time(slope, owners, states, deltas, by_unit):
    """Sum over t of the outer products of states[t] and deltas[t + 1], where weights are alive."""
    values, starts, columns, n = slope.values, slope.starts, slope.columns, slope.outputs
    count, stride = len(states) - 2, states.shape[1]  # the first state is 0
    if slope.kind == DENSE:
        for i in range(n):
            _sum_rows(values, i * n, states, stride + i, stride, deltas, 2 * stride, stride, count, n)
    elif slope.kind == SPARSE:
        before, after = by_unit[0], by_unit[1]
        width = before.shape[1]
        for t in range(count):
            for j in range(n):
                before[j, t], after[j, t] = states[t + 1, j], deltas[t + 2, j]
        for p in range(len(columns)):
            for t in range(0, count, WIDTH):
                values[p] += _dot_16(before, owners[p] * width + t, after, columns[p] * width + t)
    else:
        for i in range(n):
            for p in range(starts[i], starts[i + 1]):
                _sum_16(values, WIDTH * p, states, stride + i, stride, deltas, 2 * stride + columns[p], stride, count)


@sparse.compiled
def _square(x, alive):
    """The sum of squares of a gradient, once it is 0 where weights are dead."""
    for j in range(len(alive)):
        x[j] *= alive[j]
    total = x.dtype.type(0)
    for j in range(len(x)):
        total += x[j] * x[j]
    return total


@sparse.compiled
def _move(x, rate, slope):
    """A step along the gradient, which is 0 again afterwards."""
    for j in range(len(x)):
        x[j] -= rate * slope[j]
        slope[j] = 0


@sparse.compiled
def _train(layers, slopes, states, deltas, out, out_delta, by_unit, rows, every, owners, starts, places, values, labels,
           order, first_rate, last_rate, limit, c):
    right = 0
    scalars = np.zeros(3, values.dtype)  # a slope and targets, which softmax does without
    for s in range(len(order)):
        k = order[s]
        lit, light = places[starts[k]:starts[k + 1]], values[starts[k]:starts[k + 1]]
        _forward(layers, states, out, rows, every, owners, lit, light, c)
        right += sparse._output_delta(out, out_delta, layers[2].outputs, labels[k], scalars, True, c)
        _backward(layers, slopes, states, deltas, out_delta, by_unit, rows, every, owners, lit, light, c)
        square = values.dtype.type(0)
        for l in range(3):
            square += _square(slopes[l].values, layers[l].alive) + _square(slopes[l].bias, layers[l].bias[:0])
        rate, norm = values.dtype.type(first_rate + (last_rate - first_rate) * s / len(order)), math.sqrt(square)
        if norm > limit:
            rate *= limit / norm
        for l in range(3):
            _move(layers[l].values, rate, slopes[l].values)
            _move(layers[l].bias, rate, slopes[l].bias)
    return right


@sparse.compiled
def _recognise(layers, states, out, rows, every, owners, starts, places, values, labels, c):
    right, n = 0, layers[2].outputs
    for k in range(len(labels)):
        _forward(layers, states, out, rows, every, owners, places[starts[k]:starts[k + 1]],
                 values[starts[k]:starts[k + 1]], c)
        right += np.argmax(out[:n]) == labels[k]
    return right
