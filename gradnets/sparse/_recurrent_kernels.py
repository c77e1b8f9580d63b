"""Compiled training of recurrent nets, one sample at a time.

Weights stay as they are within a sample: gradients are summed over time where weights are alive, and each live weight
is touched once. The hidden units are tanh, and the loss is cross-entropy.
"""
import math
from typing import NamedTuple

import numpy as np

from gradnets.sparse._kernels import (
    activate,
    compiled,
    descend,
    gather,
    inlined,
    output_delta,
    scatter,
    through_activation,
)
from gradnets.sparse._vectors import dot_16, weighted_sum_16, weighted_sum_64, weighted_sum_of_blocks
from gradnets.sparse.packing import BLOCK_WIDTH, DENSE, SPARSE


class Columns(NamedTuple):
    """Blocks in the order of their columns, then of their rows.

    Attributes
    ----------
    starts : int64 array (columns / 16 + 1,)
        Blocks starts[c] to starts[c + 1] lie in columns 16 c to 16 c + 15.
    blocks, rows : uint32 arrays (blocks,)
        The place of each block in the layer, and its row.
    """

    starts: np.ndarray
    blocks: np.ndarray
    rows: np.ndarray


class Buffers(NamedTuple):
    """What the kernels write while they work on one sample.

    Attributes
    ----------
    states, deltas : float arrays (time + 1, width)
        deltas[t] belongs to states[t], whose input is row t - 1 of the image. The width is that of the widest layer
        and 16 zeros, since the last block of a row may reach over the row's end.
    outputs, output_deltas : float arrays (width + SPARE,)
    by_unit : float array (2, width, time, padded to a multiple of 16)
        States and deltas with the time last.
    rows : uint32 array (features,)
        Places of inputs within their rows of the image.
    all_rows : uint32 array (width,)
        0, 1, 2, ..., the list of all rows of a layer.
    owners : uint32 array (entries,)
        The row of each entry of the recurrent weights; empty if dense.
    by_column : Columns
        The blocks of the recurrent weights; read only if they are blocks.
    """

    states: np.ndarray
    deltas: np.ndarray
    outputs: np.ndarray
    output_deltas: np.ndarray
    by_unit: np.ndarray
    rows: np.ndarray
    all_rows: np.ndarray
    owners: np.ndarray
    by_column: Columns


@compiled
def sum_rows(target, at, factors, first, step, source, start, stride, count, n):
    """Add to target[at:][:n] the sum over k < count of factors[first + k * step] * source[start + k * stride:][:n].

    All arrays are read as flat.
    """
    wide, narrow = n - n % (4 * BLOCK_WIDTH), n - n % BLOCK_WIDTH
    for j in range(0, wide, 4 * BLOCK_WIDTH):
        weighted_sum_64(target, at + j, factors, first, step, source, start + j, stride, count)
    for j in range(wide, narrow, BLOCK_WIDTH):
        weighted_sum_16(target, at + j, factors, first, step, source, start + j, stride, count)
    flat_target, flat_factors, flat_source = target.ravel(), factors.ravel(), source.ravel()
    for j in range(narrow, n):
        for k in range(count):
            flat_target[at + j] += flat_factors[first + k * step] * flat_source[start + k * stride + j]


@compiled
def recur(layer, owners, by_column, states, t):
    """Add states[t] @ weights to states[t + 1]."""
    values, columns, state, target = layer.values, layer.columns, states[t], states[t + 1]
    if layer.kind == DENSE:
        n, stride = layer.inputs, states.shape[1]
        sum_rows(states, (t + 1) * stride, states, t * stride, 1, values, 0, n, n, n)
    elif layer.kind == SPARSE:
        for p in range(len(columns)):
            target[columns[p]] += state[owners[p]] * values[p]
    else:
        for c in range(len(by_column.starts) - 1):  # each target stays in a register until all its blocks are in
            weighted_sum_of_blocks(target, BLOCK_WIDTH * c, state, by_column.rows, values, by_column.blocks,
                                   by_column.starts[c], by_column.starts[c + 1])


@compiled
def recur_back(layer, owners, delta, back):
    """Write weights @ delta to `back`."""
    values, starts, columns = layer.values, layer.starts, layer.columns
    if layer.kind == DENSE:
        back[:layer.inputs] = 0
        gather(layer, delta, back)
    elif layer.kind == SPARSE:
        back[:layer.inputs] = 0
        for p in range(len(columns)):
            back[owners[p]] += values[p] * delta[columns[p]]
    else:
        for i in range(layer.inputs):
            total = values.dtype.type(0)
            for p in range(starts[i], starts[i + 1]):
                total += dot_16(values, BLOCK_WIDTH * p, delta, columns[p])
            back[i] = total


@inlined
def forward(layers, buffers, places, values, activation):
    """Write the states and outputs of one sample, whose inputs other than 0 are `values` at `places`."""
    reads, recurs, writes = layers
    states, outputs, rows = buffers.states, buffers.outputs, buffers.rows
    n, row, k = reads.outputs, reads.inputs, 0
    for t in range(len(states) - 1):
        first, state = k, states[t + 1]
        while k < len(places) and places[k] < (t + 1) * row:
            rows[k] = places[k] - t * row
            k += 1
        state[:n] = reads.bias
        scatter(reads, rows[first:k], values[first:k], state)
        if t:
            recur(recurs, buffers.owners, buffers.by_column, states, t)
        activate(state, n, activation)
    outputs[:] = 0
    outputs[:writes.outputs] = writes.bias
    if writes.by_output:
        gather(writes, states[len(states) - 1], outputs)
    else:
        scatter(writes, buffers.all_rows[:n], states[len(states) - 1], outputs)


@inlined
def backward(layers, slopes, buffers, places, values, activation):
    """Write the deltas of all time steps, and add the gradients, summed over time, to the slopes."""
    reads, recurs, writes = layers
    states, deltas, output_deltas = buffers.states, buffers.deltas, buffers.output_deltas
    rows, all_rows, owners = buffers.rows, buffers.all_rows, buffers.owners
    steps, n, row = len(states) - 1, reads.outputs, reads.inputs
    last, minus = deltas[steps], values.dtype.type(-1)
    last[:] = 0
    if writes.by_output:
        scatter(writes, all_rows[:writes.outputs], output_deltas, last)
        descend(slopes[2], all_rows[:writes.outputs], output_deltas, minus, states[steps])
    else:
        gather(writes, output_deltas, last)
        descend(slopes[2], all_rows[:n], states[steps], minus, output_deltas)
    slopes[2].bias[:] = output_deltas[:writes.outputs]
    k, bias = len(places), slopes[0].bias
    for t in range(steps, 0, -1):
        delta, end = deltas[t], k
        through_activation(delta, states[t], n, activation.slope)
        while k > 0 and places[k - 1] >= (t - 1) * row:
            k -= 1
        descend(slopes[0], rows[k:end], values[k:end], minus, delta)
        for j in range(n):
            bias[j] += delta[j]
        if t > 1:
            recur_back(recurs, owners, delta, deltas[t - 1])
    sum_over_time(slopes[1], buffers)


@compiled
def sum_over_time(slope, buffers):
    """Sum the outer products of states[t] and deltas[t + 1] over t, where weights are alive."""
    states, deltas = buffers.states, buffers.deltas
    values, starts, columns, n = slope.values, slope.starts, slope.columns, slope.outputs
    count, stride = len(states) - 2, states.shape[1]  # without the first state, which is 0
    if slope.kind == DENSE:
        for i in range(n):
            sum_rows(values, i * n, states, stride + i, stride, deltas, 2 * stride, stride, count, n)
    elif slope.kind == SPARSE:
        before, after, owners = buffers.by_unit[0], buffers.by_unit[1], buffers.owners
        width = before.shape[1]
        for t in range(count):
            for j in range(n):
                before[j, t], after[j, t] = states[t + 1, j], deltas[t + 2, j]
        for p in range(len(columns)):
            for t in range(0, count, BLOCK_WIDTH):
                values[p] += dot_16(before, owners[p] * width + t, after, columns[p] * width + t)
    else:
        for i in range(n):
            for p in range(starts[i], starts[i + 1]):
                weighted_sum_16(values, BLOCK_WIDTH * p, states, stride + i, stride, deltas, 2 * stride + columns[p],
                                stride, count)


@compiled
def square(x, alive):
    """Set a gradient to 0 where weights are dead, and return the sum of its squares."""
    for j in range(len(alive)):
        x[j] *= alive[j]
    total = x.dtype.type(0)
    for j in range(len(x)):
        total += x[j] * x[j]
    return total


@compiled
def move(x, rate, slope):
    """Take a step along the gradient, and set the gradient to 0."""
    for j in range(len(x)):
        x[j] -= rate * slope[j]
        slope[j] = 0


@compiled
def train(layers, slopes, buffers, samples, order, rates, clip, activation, loss):
    """Take one step a sample, in this order; return how many samples were recognised, each before its step."""
    starts, correct = samples.starts, 0
    for s in range(len(order)):
        k = order[s]
        places, values = samples.places[starts[k]:starts[k + 1]], samples.values[starts[k]:starts[k + 1]]
        forward(layers, buffers, places, values, activation)
        correct += output_delta(buffers.outputs, buffers.output_deltas, layers[2].outputs, samples.labels[k],
                                activation, loss)
        backward(layers, slopes, buffers, places, values, activation)
        total = values.dtype.type(0)
        for l in range(3):
            total += square(slopes[l].values, layers[l].alive) + square(slopes[l].bias, layers[l].bias[:0])
        rate = values.dtype.type(rates.first + (rates.last - rates.first) * s / len(order))
        norm = math.sqrt(total)
        if norm > clip:
            rate *= clip / norm
        for l in range(3):
            move(layers[l].values, rate, slopes[l].values)
            move(layers[l].bias, rate, slopes[l].bias)
    return correct


@compiled
def count_recognized(layers, buffers, samples, activation):
    """Return how many samples have their largest output at their label."""
    starts, correct, n = samples.starts, 0, layers[2].outputs
    for k in range(len(samples.labels)):
        forward(layers, buffers, samples.places[starts[k]:starts[k + 1]], samples.values[starts[k]:starts[k + 1]],
                activation)
        correct += np.argmax(buffers.outputs[:n]) == samples.labels[k]
    return correct
