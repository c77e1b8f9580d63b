"""What the tests of motifs share: brute force over all subsets of nodes, random graphs, and comparisons."""
import itertools
import math
from collections import Counter
from functools import lru_cache

import numpy as np

from gradnets import motifs

MOST_COLORS = {3: 1447, 4: 37, 5: 7}  # at each size


@lru_cache
def place_values(size, colors):
    """Return [i size + j, order]: the value of the digit from node i to node j in the number of an order of nodes."""
    digits = list(itertools.permutations(range(size), 2))
    values = np.zeros((size * size, math.factorial(size)), np.int64)
    for number, order in enumerate(itertools.permutations(range(size))):
        for power, (i, j) in enumerate(reversed(digits)):
            values[order[i] * size + order[j], number] = (colors + 1)**power
    return values


def smallest_codes(matrices, colors):
    """Return the smallest number that each colour matrix (q, k, k) makes over all orders of its nodes."""
    size = matrices.shape[1]
    return (matrices.reshape(-1, size * size) @ place_values(size, colors)).min(axis=1)


def code_of(size, edges, colors=1):
    """Return the code of a motif, written as edges (source, target) or (source, target, colour)."""
    matrix = np.zeros((1, size, size), np.int64)
    for source, target, *color in edges:
        matrix[0, source, target] = color[0] if color else 1
    return smallest_codes(matrix, colors)[0]


def brute_force(matrix, size, colors):
    """Count the connected subgraphs of a colour matrix (n, n) by code, over all subsets of nodes: a Counter."""
    subsets = np.array(list(itertools.combinations(range(len(matrix)), size)), np.int64).reshape(-1, size)
    matrices = matrix[subsets[:, :, None], subsets[:, None, :]]
    linked = (matrices + matrices.swapaxes(1, 2) > 0) + np.eye(size)
    connected = np.linalg.matrix_power(linked, size - 1).min(axis=(1, 2)) > 0
    return Counter(smallest_codes(matrices[connected], colors).tolist())


def matrix_of(graph):
    """Return the colour matrix of a Graph; fail for loops and repeated edges."""
    matrix = np.zeros((graph.nodes, graph.nodes), np.int64)
    np.add.at(matrix, (graph.sources, graph.targets), graph.colors)
    assert np.count_nonzero(matrix) == len(graph.sources)
    assert not matrix.diagonal().any()
    return matrix


def matrix_of_edges(nodes, *edges):
    """Return the colour matrix of edges (source, target, colour)."""
    matrix = np.zeros((nodes, nodes), np.int64)
    for source, target, color in edges:
        matrix[source, target] = color
    return matrix


def random_matrix(rng, nodes, chance, colors, kind="any"):
    """Return colours of a random directed graph: "any", "oriented" without mutual edges, or "mutual" edges only."""
    matrix = rng.integers(1, colors + 1, (nodes, nodes)) * (rng.random((nodes, nodes)) < chance)
    if kind == "any":
        np.fill_diagonal(matrix, 0)
        return matrix
    matrix = np.triu(matrix, 1)
    matrix = matrix + matrix.T * rng.integers(1, 3) if kind == "mutual" else matrix
    order = rng.permutation(nodes)
    return matrix[order][:, order]


def random_layers(rng, sizes, chance, colors):
    """Return colours of a random layered net."""
    return [rng.integers(1, colors + 1, shape) * (rng.random(shape) < chance) for shape in itertools.pairwise(sizes)]


def assert_census(census, expected, size, colors):
    """Compare a Census with {code: count}, and check that its parts agree."""
    assert dict(zip(census.codes.tolist(), census.counts.tolist(), strict=True)) == expected
    assert census.codes.tolist() == sorted(expected)
    assert (census.counts.dtype, type(census.total), census.errors) == (np.int64, int, None)
    assert census.total == sum(expected.values())
    assert census.adjacency.shape == (len(expected), size, size)
    shown = census.adjacency.reshape(-1, size * size).astype(np.int64) @ place_values(size, colors)[:, 0]
    np.testing.assert_array_equal(shown, census.codes)


def assert_same_census(first, second):
    for name in ("codes", "counts", "adjacency"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.total == second.total


def graph_of(matrix):
    """Return the Graph of a colour matrix, through arrays of edges."""
    sources, targets = matrix.nonzero()
    return motifs.graph(len(matrix), sources, targets, matrix[sources, targets])
