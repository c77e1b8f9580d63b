"""Classes of motifs, and the numbers and texts that name them.

A motif's adjacency is a matrix of colours, 0 for no edge. Over all orders of its nodes, the code of a motif is the
smallest number that the matrix makes when it is read row by row in base colours + 1, without the diagonal. The matrix
that is shown for a motif is the one in this order.
"""
import itertools
from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np

from gradnets import checks
from gradnets.errors import UserError

SIZES = (3, 4, 5)


@dataclass(frozen=True, eq=False)
class Census:
    """The motifs of one size that occur in a graph, by ascending code.

    Attributes
    ----------
    adjacency : uint8 (q, k, k); uint16 for colours above 255
        Colour of the edge from node i to node j of each motif, 0 for no edge.
    counts : int64 (q,); float64 in a sampled census
        Number of connected induced subgraphs of each class, or its estimate. In a census of 2**62 subgraphs and more
        they are Python integers, an array of dtype object.
    total : int; float in a sampled census
        Sum of the counts.
    codes : int64 (q,)
    errors : float64 (q,), or None if the counts are exact
        Standard errors of sampled counts.
    """

    adjacency: np.ndarray
    counts: np.ndarray
    total: int
    codes: np.ndarray
    errors: np.ndarray | None = None


def merge_counts(codes, counts, size, colors, errors=None):
    """Make a Census of codes and counts, where a code may occur several times."""
    distinct, places = np.unique(codes, return_inverse=True)
    sums = add_up(places, counts, len(distinct))
    occurs = sums != 0
    adjacency = decode(distinct[occurs], size, colors).astype(np.uint8 if colors < 256 else np.uint16)
    return Census(adjacency, sums[occurs], np.asarray(sums.sum()).item(), distinct[occurs], errors)


def add_up(places, numbers, length):
    """Return the sums of numbers by place, (length,): float64, int64, or Python integers where 64 bits might not do."""
    numbers = np.asarray(numbers)
    if numbers.dtype != np.float64:
        numbers = numbers.astype(np.int64 if numbers.astype(np.float64).sum() < 2**62 else object)
    sums = np.zeros(length, numbers.dtype)
    np.add.at(sums, places, numbers)
    return sums


# ---- codes ------------------------------------------------------------------------------------------------

def canonical(matrices, colors):
    """Return the codes of colour matrices (q, k, k) in base colors + 1, int64 (q,): equal codes mean equal motifs.

    Raises UserError for a size other than 3, 4 and 5, and for entries that are not integers from 0 to `colors`.
    """
    matrices = checks.integer_array("matrices", matrices, axes=3)
    smallest, largest = matrices.min(initial=0), matrices.max(initial=0)
    if matrices.shape[1] != matrices.shape[2] or smallest < 0 or largest > colors:
        raise UserError(f"got matrices of shape {matrices.shape} with entries from {smallest} to {largest}: expected "
                        f"square matrices of colours from 0 to {colors}")
    check_size(matrices.shape[1], colors)
    return _smallest_numbers(matrices, _permutations(matrices.shape[1]), colors + 1)


def decode(codes, size, colors):
    """Return the colour matrices of codes, int64 (q, k, k); raise UserError for numbers that no motif has."""
    digits = checks.integer_array("codes", codes, axes=1)
    check_size(size, colors)
    if not 0 <= digits.min(initial=0) <= digits.max(initial=0) < (colors + 1)**(size * (size - 1)):
        raise UserError(f"got codes from {digits.min()} to {digits.max()}: expected codes of motifs with {size} nodes "
                        f"and {colors} colours")
    matrices = np.zeros((len(digits), size * size), np.int64)
    powers = (colors + 1)**np.arange(size * (size - 1) - 1, -1, -1)
    matrices[:, ~np.eye(size, dtype=bool).ravel()] = digits[:, None] // powers % (colors + 1)
    return matrices.reshape(-1, size, size)


def most_colors(size):
    """Return the largest colour whose motifs have codes below 2**63: 1447 at size 3, 37 at size 4, 7 at size 5."""
    return int(2**(63 / (checks.choice("size", size, SIZES) * (size - 1)))) - 1


def check_size(size, colors):
    """Raise UserError unless motifs with that many nodes and colours have codes."""
    if colors > most_colors(size):
        raise UserError(f"got {colors} colours, and motifs of {size} nodes can have {most_colors(size)}: merge colours "
                        "or leave them out")


@lru_cache
def _permutations(size):
    return np.array(list(itertools.permutations(range(size))))


@numba.njit(cache=True, nogil=True)
def _smallest_numbers(matrices, orders, base):
    """Return the smallest number that each matrix (q, k, k) makes over all orders of its nodes, int64 (q,)."""
    size = matrices.shape[1]
    codes = np.empty(len(matrices), np.int64)
    for q in range(len(matrices)):
        smallest = np.int64(-1)
        for order in orders:
            code = np.int64(0)
            for i in range(size):
                for j in range(size):
                    if i != j:
                        code = code * base + matrices[q, order[i], order[j]]
            if smallest < 0 or code < smallest:
                smallest = code
        codes[q] = smallest
    return codes


# ---- texts ------------------------------------------------------------------------------------------------

def text_of(adjacency):
    """Return a colour matrix as text, such as 0000/2000/2100/0000; colours above 9 are separated by points."""
    separator = "" if adjacency.max() < 10 else "."
    return "/".join(separator.join(map(str, row)) for row in adjacency.tolist())


def adjacency_of(text):
    """Return the colour matrix of a text, int64 (k, k), as `text_of` writes it."""
    return np.array([row.split(".") if "." in row else list(row) for row in text.split("/")]).astype(np.int64)
