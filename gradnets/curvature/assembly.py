"""The whole Hessian of a net, and its diagonal blocks: matrix products that add the samples of a batch.

Let a layer have inputs a_i and pre-activations z_u, and the same or a later layer inputs a_k and pre-activations z_w.
One sample's second derivative by the weights (i, u) and (k, w) is a_i a_k times the second derivative by z_u and z_w.
Between two layers, a_i times the derivative of a_k by z_u times the delta of w is added. Within a layer both factors
are symmetric: only the pairs i >= k and u >= w are multiplied, a quarter of all, and each sum is written to four
places.
"""
from itertools import pairwise

import numpy as np

from gradnets.curvature import _pairs

PRODUCTS = 320  # products of two inputs that are summed at once: many for the matrix product, few for the cache


def whole(batch):
    """Return the Hessian of a BatchPass, float64 (p, p), symmetric to the last bit."""
    curvatures, layers = batch.layer_curvatures(), len(batch.weights)
    shapes = [(values.shape[1], delta.shape[1]) for values, delta in zip(batch.inputs, batch.deltas, strict=True)]
    starts = np.cumsum([0] + [rows * columns for rows, columns in shapes])
    places = [slice(start, stop) for start, stop in pairwise(starts)]
    hessian = np.empty((starts[-1], starts[-1]))
    for lower in range(layers):
        _write_block(batch, lower, curvatures[lower], hessian, starts[lower])
        jacobian = None  # derivatives of the upper layer's inputs by the lower layer's pre-activations
        for upper in range(lower + 1, layers):
            through = (batch.slopes[lower][:, :, None] * batch.weights[upper] if jacobian is None
                       else jacobian @ batch.weights[upper])  # the same of its pre-activations
            part = hessian[places[lower], places[upper]]
            _write_part(batch, lower, upper, jacobian, through @ curvatures[upper],
                        part.reshape(*shapes[lower], *shapes[upper]))
            hessian[places[upper], places[lower]] = part.T
            if upper < layers - 1:
                jacobian = through * batch.slopes[upper][:, None, :]
    return hessian


def diagonal(batch):
    """Return the diagonal blocks of a BatchPass's Hessian: what `derivatives.blocks` returns."""
    blocks = []
    for layer, curvature in enumerate(batch.layer_curvatures()):
        if layer == len(batch.weights) - 1 and batch.output_curvature is not None:
            blocks.append(_output_blocks(batch))
        else:
            block = np.empty((batch.inputs[layer].shape[1] * curvature.shape[1],) * 2)
            _write_block(batch, layer, curvature, block, 0)
            blocks.append(block)
    return blocks


def _write_block(batch, layer, curvature, matrix, start):
    """Write a layer's block, from its curvatures (batch, units, units), into a matrix.

    matrix : float64 (p, p), written from row and column `start` on
    """
    units = curvature.shape[1]
    if layer == len(batch.weights) - 1 and batch.output_curvature is not None:  # no curvature between two units
        stop = start + batch.inputs[layer].shape[1] * units
        block = matrix[start:stop, start:stop].reshape(-1, units, batch.inputs[layer].shape[1], units)
        block[:] = 0.0
        block[:, np.arange(units), :, np.arange(units)] = _output_blocks(batch)
        return
    above, left = np.tril_indices(units)
    for first, sums in _pair_sums(batch, layer, curvature[:, above, left]):
        _pairs.place_pairs(sums, first, matrix, start, units)


def _output_blocks(batch):
    """Return the block of each output unit under the squared error, (n_L, inputs, inputs)."""
    size = batch.inputs[-1].shape[1]
    blocks = np.empty((batch.output_curvature.shape[1], size, size))
    for first, sums in _pair_sums(batch, len(batch.weights) - 1, batch.output_curvature):
        start = first * (first + 1) // 2
        row, column = (index[start:start + sums.shape[1]] for index in np.tril_indices(size))
        blocks[:, row, column] = blocks[:, column, row] = sums
    return blocks


def _pair_sums(batch, layer, curvature):
    """Yield the sums over all samples of the products of two inputs and a curvature.

    Parameters
    ----------
    curvature : (batch, c)

    Yields
    ------
    first : int; sums : float64 (c, pairs), the pairs (first, 0), (first, 1) ... up to a last whole row of pairs
    """
    columns = np.array(batch.inputs[layer].T, dtype=float, order="C")
    curvature = curvature / batch.size
    first = 0
    while first < len(columns):
        stop, pairs = first + 1, first + 1
        while stop < len(columns) and pairs + stop + 1 <= PRODUCTS:
            stop, pairs = stop + 1, pairs + stop + 1
        products = np.empty((pairs, batch.size))
        _pairs.outer_pairs(columns, first, products)
        yield first, curvature.T @ products.T
        first = stop


def _write_part(batch, lower, upper, jacobian, curvature, part):
    """Write the part between two layers, (inputs, units, inputs above, units above).

    jacobian : (batch, units, n_upper), or None if the upper layer is the next one
        The derivatives of the upper layer's inputs by the lower layer's pre-activations. Each input of the next layer
        depends on one pre-activation.
    curvature : (batch, units, units above), the second derivatives by the pre-activations of the two layers
    """
    below, delta = batch.inputs[lower], batch.deltas[upper] / batch.size
    for rows, sums in _outer_sums(below, batch.inputs[upper], curvature / batch.size):
        part[rows] = sums.transpose(2, 0, 3, 1)
    if jacobian is None:
        units, products = np.arange(part.shape[1]), batch.slopes[lower][:, :, None] * delta[:, None, :]
        part[:, units, units] += (below.T @ products.reshape(batch.size, -1)).reshape(-1, *products.shape[1:])
    else:
        for rows, sums in _outer_sums(below, delta, jacobian):
            part[rows, :, :jacobian.shape[2]] += sums.transpose(2, 0, 1, 3)


def _outer_sums(left, right, factors):
    """Yield the sums over all samples of left_i, right_k and a factor.

    Parameters
    ----------
    left, right : (batch, n), (batch, m)
    factors : (batch, a, b)

    Yields
    ------
    rows : slice of the columns i; sums : float64 (a, b, rows, m)
    """
    size, count = max(1, PRODUCTS // right.shape[1]), len(left)
    left, right, flat = np.ascontiguousarray(left.T), np.ascontiguousarray(right.T), factors.reshape(count, -1).T
    for start in range(0, len(left), size):
        rows = slice(start, start + size)
        products = (left[rows, None] * right).reshape(-1, count)
        yield rows, (flat @ products.T).reshape(*factors.shape[1:], -1, len(right))
