"""Compiled training of perceptrons: forward pass, derivative and step in one, for all layouts.

`rows` and `factors` of a kernel list the rows of a layer that it uses, and one number for each. A layer, samples and
the structures below are tuples with names, which numba takes apart at no cost.
"""
import math
from typing import NamedTuple

import numpy as np
from numba import njit

from gradnets.sparse._vectors import add_16, dot_16, floor, power_of_two
from gradnets.sparse.packing import BLOCK_WIDTH, BLOCKS, DENSE, SPARE, SPARSE, TANH

# Sums may be taken in any order. With Python's rules for a division by 0, no loop that divides would be vectorised.
OPTIONS = {"cache": True, "fastmath": {"contract", "reassoc", "nsz", "arcp"}, "error_model": "numpy"}
compiled = njit(**OPTIONS)
# For large functions that others call. Otherwise the process that compiles them would run another copy than later
# processes, which read the compiled code from disk, and the two copies add in different orders.
inlined = njit(forceinline=True, **OPTIONS)


class Exponential(NamedTuple):
    """Constants of `exponential`, of the kernel's dtype.

    log 2 has two parts, the first of few bits, so that whole multiples of it are exact. The 14 terms are 1 / 13!, ...,
    1 / 0!, of which the first are 0 for float32.
    """

    per_log_2: float
    log_2_high: float
    log_2_low: float
    half: float
    terms: tuple


class Activation(NamedTuple):
    """What a unit does: tanh where slope is 1, else the identity, times the slope below 0 (relu: 0)."""

    slope: float
    exponential: Exponential


class Loss(NamedTuple):
    """Softmax with cross-entropy, or else the squared distance from targets for wrong outputs and the right one."""

    softmax: bool
    wrong: float
    right: float


class Rates(NamedTuple):
    """A learning rate that falls from first to last over `total` samples, of which `start` have been seen."""

    first: float
    last: float
    start: int
    total: int


class Buffers(NamedTuple):
    """Activations and deltas of each layer, with SPARE zeros behind them; and 0, 1, 2, ..., the list of all rows.

    In a minibatch each unit has `size` numbers, one a sample.
    """

    activations: tuple
    deltas: tuple
    all_rows: np.ndarray


class Minibatch(NamedTuple):
    """Inputs (features * size,), of which each feature has one number a sample: `count`, padded to `size` with 0."""

    inputs: np.ndarray
    count: int
    size: int


def _exponential(dtype, degree):
    high = 0.693145751953125
    terms = tuple(dtype(1 / math.factorial(k) if k <= degree else 0) for k in range(13, -1, -1))
    return Exponential(dtype(1 / math.log(2)), dtype(high), dtype(math.log(2) - high), dtype(0.5), terms)


EXPONENTIALS = {np.dtype(np.float32): _exponential(np.float32, 7), np.dtype(np.float64): _exponential(np.float64, 13)}


# ---- activation and loss ----------------------------------------------------------------------------------

@njit(inline="always")
def exponential(x, constants):
    """Return exp(x) for x in [-80, 80], correct to rounding, in operations that vectorise (the library's does not)."""
    k = floor(x * constants.per_log_2 + constants.half)
    # r is at most log(2) / 2, where these terms of the Taylor series are exact to rounding.
    r = x - k * constants.log_2_high - k * constants.log_2_low
    terms = constants.terms
    p = terms[6]
    if terms[0] != 0:
        p = (((((terms[0] * r + terms[1]) * r + terms[2]) * r + terms[3]) * r + terms[4]) * r + terms[5]) * r + p
    p = ((((((p * r + terms[7]) * r + terms[8]) * r + terms[9]) * r + terms[10]) * r + terms[11]) * r
         + terms[12]) * r + terms[13]
    return p * power_of_two(k)


@compiled
def activate(x, n, activation):
    """Replace the first n pre-activations by activations."""
    one = x.dtype.type(1)
    if activation.slope == TANH:
        limit, two = x.dtype.type(40), x.dtype.type(2)
        for j in range(n):
            x[j] = one - two / (one + exponential(min(max(two * x[j], -limit), limit), activation.exponential))
    else:
        for j in range(n):
            x[j] = x[j] if x[j] > 0 else activation.slope * x[j]


@compiled
def through_activation(delta, value, n, slope):
    """Multiply the first n deltas by the derivative of the activation, which follows from its value."""
    one = delta.dtype.type(1)
    if slope == TANH:
        for j in range(n):
            delta[j] *= one - value[j] * value[j]
    else:
        for j in range(n):
            delta[j] *= one if value[j] > 0 else slope


@compiled
def output_delta(out, delta, n, label, activation, loss):
    """Write the derivative of the loss by the last pre-activations; return whether the largest output is the label's.
    """
    best = 0
    for j in range(n):
        if out[j] > out[best]:
            best = j
    if loss.softmax:
        largest, total, least = out[best], out.dtype.type(0), out.dtype.type(-80)
        for j in range(n):
            delta[j] = exponential(max(out[j] - largest, least), activation.exponential)
            total += delta[j]
        for j in range(n):
            delta[j] /= total
        delta[label] -= out.dtype.type(1)
    else:
        for j in range(n):
            delta[j] = out[j] - (loss.right if j == label else loss.wrong)
        through_activation(delta, out, n, activation.slope)
    return best == label


# ---- one sample at a time ---------------------------------------------------------------------------------

@compiled
def scatter(layer, rows, factors, target):
    """Add factors @ the rows' weights to the target."""
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
                add_16(target, columns[p], factor, values, BLOCK_WIDTH * p)


@compiled
def gather(layer, source, target):
    """Add all rows' weights @ source to the target."""
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
                total += dot_16(values, BLOCK_WIDTH * p, source, columns[p])
        target[row] = total


@compiled
def descend(layer, rows, factors, rate, source):
    """Subtract rate * outer(factors, source) from the rows' weights that are alive."""
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
                add_16(values, BLOCK_WIDTH * p, factor, source, columns[p])
                if len(alive):
                    for j in range(BLOCK_WIDTH * p, BLOCK_WIDTH * p + BLOCK_WIDTH):
                        values[j] *= alive[j]


@inlined
def forward(layers, buffers, places, values, activation, loss):
    """Write the activations of one sample, whose inputs other than 0 are `values` at `places`."""
    activations, all_rows = buffers.activations, buffers.all_rows
    for l in range(len(layers)):
        layer, out = layers[l], activations[l]
        n = layer.outputs
        out[:n] = 0
        for j in range(len(layer.bias)):
            out[j] = layer.bias[j]
        if l == 0:
            scatter(layer, places, values, out)
        elif layer.by_output:
            gather(layer, activations[l - 1], out)
        else:
            scatter(layer, all_rows[:layer.inputs], activations[l - 1], out)
        if l < len(layers) - 1 or not loss.softmax:
            activate(out, n, activation)


@compiled
def train(layers, buffers, samples, order, rates, activation, loss):
    """Take one step a sample, in this order; return how many samples were recognised, each before its step."""
    activations, deltas, all_rows = buffers
    starts = samples.starts
    correct, last = 0, len(layers) - 1
    for s in range(len(order)):
        k = order[s]
        places, values = samples.places[starts[k]:starts[k + 1]], samples.values[starts[k]:starts[k + 1]]
        rate = values.dtype.type(rates.first + (rates.last - rates.first) * (rates.start + s) / rates.total)
        forward(layers, buffers, places, values, activation, loss)
        correct += output_delta(activations[last], deltas[last], layers[last].outputs, samples.labels[k], activation,
                                loss)
        for l in range(last, -1, -1):
            layer, delta = layers[l], deltas[l]
            if l == 0:
                descend(layer, places, values, rate, delta)
            else:
                value, back = activations[l - 1], deltas[l - 1]
                if layer.by_output:
                    back[:layer.inputs] = 0
                    scatter(layer, all_rows[:layer.outputs], delta, back)
                    descend(layer, all_rows[:layer.outputs], delta, rate, value)
                else:
                    back[:layer.inputs] = 0
                    gather(layer, delta, back)
                    descend(layer, all_rows[:layer.inputs], value, rate, delta)
                through_activation(back, value, layer.inputs, activation.slope)
            for j in range(len(layer.bias)):
                layer.bias[j] -= rate * delta[j]
    return correct


@compiled
def count_recognized(layers, buffers, samples, activation, loss):
    """Return how many samples have their largest output at their label."""
    starts, correct = samples.starts, 0
    out, n = buffers.activations[len(layers) - 1], layers[len(layers) - 1].outputs
    for k in range(len(samples.labels)):
        places, values = samples.places[starts[k]:starts[k + 1]], samples.values[starts[k]:starts[k + 1]]
        forward(layers, buffers, places, values, activation, loss)
        best = 0
        for j in range(n):
            if out[j] > out[best]:
                best = j
        correct += best == samples.labels[k]
    return correct


# ---- minibatches: arrays hold units by samples ------------------------------------------------------------

@compiled
def batch_forward(layer, lit, x, total, size):
    """Add what the layer makes of x to the total, for `size` samples, in one pass over its weights."""
    values, starts, columns = layer.values, layer.starts, layer.columns
    rows, width = (layer.outputs, layer.inputs) if layer.by_output else (layer.inputs, layer.outputs)
    each = BLOCK_WIDTH if layer.kind == BLOCKS else 1
    for row in range(rows):
        if not (layer.by_output or lit[row]):
            continue
        first, end = (row * width, row * width + width) if layer.kind == DENSE else (starts[row], starts[row + 1])
        for p in range(first, end):
            column = p - first if layer.kind == DENSE else np.int64(columns[p])
            for t in range(min(each, width - column)):
                i, j = (column + t, row) if layer.by_output else (row, column + t)
                weight = values[each * p + t]
                for b in range(0, size, BLOCK_WIDTH):
                    add_16(total, j * size + b, weight, x, i * size + b)


@compiled
def batch_backward(layer, lit, x, delta, back, want_back, rate, size):
    """Take a step of the live weights, and add what flows back through them to `back` if wanted, in one pass."""
    values, starts, columns, alive = layer.values, layer.starts, layer.columns, layer.alive
    rows, width = (layer.outputs, layer.inputs) if layer.by_output else (layer.inputs, layer.outputs)
    each = BLOCK_WIDTH if layer.kind == BLOCKS else 1
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
                # Unsigned, since numba would otherwise check for negative indices.
                from_x, from_delta = np.uint64(i * size), np.uint64(j * size)
                for b in range(np.uint64(size)):
                    gradient += x[from_x + b] * delta[from_delta + b]
                if want_back:
                    for b in range(0, size, BLOCK_WIDTH):
                        add_16(back, i * size + b, weight, delta, j * size + b)
                if len(alive):
                    gradient *= alive[at]
                values[at] = weight - rate * gradient


@compiled
def train_batches(layers, buffers, batch, samples, order, rates, activation, loss):
    """Take one step for each `batch.count` samples; return how many were recognised, each before its step."""
    activations, deltas, _ = buffers
    inputs, count, size = batch
    starts, places, values = samples.starts, samples.places, samples.values
    correct, last = 0, len(layers) - 1
    always = np.ones(max([layer.inputs for layer in layers]), dtype=np.bool_)
    lit = np.zeros(len(inputs) // size, dtype=np.bool_)
    n = layers[last].outputs
    out, delta = np.zeros(n + SPARE, inputs.dtype), np.zeros(n + SPARE, inputs.dtype)
    for s in range(0, len(order), count):
        rate = values.dtype.type((rates.first + (rates.last - rates.first) * (rates.start + s) / rates.total) / count)
        for i in range(len(lit)):
            if lit[i]:
                inputs[i * size:i * size + size] = 0
                lit[i] = False
        for b in range(count):
            for p in range(starts[order[s + b]], starts[order[s + b] + 1]):
                inputs[places[p] * size + b] = values[p]
                lit[places[p]] = True
        for l in range(last + 1):
            layer, total = layers[l], activations[l]
            total[:] = 0
            for j in range(len(layer.bias)):
                total[j * size:j * size + size] = layer.bias[j]
            batch_forward(layer, lit if l == 0 else always, inputs if l == 0 else activations[l - 1], total, size)
            if l < last or not loss.softmax:
                activate(total, layer.outputs * size, activation)
        for b in range(count):
            for j in range(n):
                out[j] = activations[last][j * size + b]
            correct += output_delta(out, delta, n, samples.labels[order[s + b]], activation, loss)
            for j in range(n):
                deltas[last][j * size + b] = delta[j]
        for l in range(last, -1, -1):
            layer = layers[l]
            x, back = (inputs, inputs) if l == 0 else (activations[l - 1], deltas[l - 1])
            if l:
                back[:] = 0
            batch_backward(layer, lit if l == 0 else always, x, deltas[l], back, l > 0, rate, size)
            if l:
                through_activation(back, x, layer.inputs * size, activation.slope)
            for j in range(len(layer.bias)):
                layer.bias[j] -= rate * deltas[l][j * size:j * size + size].sum()
    return correct
