"""Compiled kernels of the whole Hessian: products of pairs of columns, and where the sums of a pair belong.

A pair is (i, j) with j <= i. Pairs stand in the order of `numpy.tril_indices`: (i, j) is number i (i + 1) / 2 + j.
"""
import numpy as np
from numba import njit


@njit(cache=True)
def outer_pairs(columns, first, products):
    """Write the products of each pair of columns, the pairs from (first, 0) on.

    columns : float64 (units, samples), one row per column of the layer's inputs
    products : float64 (pairs, samples), written: whole rows of pairs, (first, 0) to (k, k)
    """
    pair = 0
    i = first
    while pair < len(products):
        for j in range(i + 1):
            for sample in range(columns.shape[1]):
                products[pair, sample] = columns[i, sample] * columns[j, sample]
            pair += 1
        i += 1


@njit(cache=True)
def place_pairs(sums, first, matrix, start, units):
    """Write the sums of pairs of inputs (i, j) and pairs of units (u, v) to the four entries that share them.

    sums : float64 (pairs of units, pairs of inputs from (first, 0) on), whole rows of pairs of inputs
    matrix : float64 (p, p), written: input i and unit u have row and column start + i * units + u
    """
    square = np.empty((units, units))
    pair = 0
    i = first
    while pair < sums.shape[1]:
        for j in range(i + 1):
            at = 0
            for u in range(units):
                for v in range(u + 1):
                    square[u, v] = square[v, u] = sums[at, pair]
                    at += 1
            row, column = start + i * units, start + j * units
            for u in range(units):
                entries = matrix[row + u, column:column + units]
                for v in range(units):
                    entries[v] = square[u, v]
            for u in range(units):
                entries = matrix[column + u, row:row + units]
                for v in range(units):
                    entries[v] = square[u, v]
            pair += 1
        i += 1
