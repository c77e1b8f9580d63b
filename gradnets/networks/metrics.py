"""Degrees, components, path lengths and clustering of networks given as adjacency matrices.

A network of n nodes is packed into n rows of 64-bit words. A walk from thousands of nodes at once then costs a few ORs
a link, and the triangles on a link one AND and one population count a word: one pass gives every distance, hence
the diameter, the mean and the percentiles, and one pass every clustering coefficient.
"""
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from gradnets import checks, summaries
from gradnets.errors import UserError

SOURCES = 4096  # nodes that a walk sets out from at a time


@dataclass(frozen=True)
class NetworkStats:
    """What `measure` finds in one undirected network.

    Distances, in links, are those of the giant component (of the largest ones, that with the first node).
    `effective_diameter` is the 90th percentile of its pairwise distances, interpolated between whole numbers
    (Leskovec, Kleinberg and Faloutsos 2005). Degrees and clustering are taken over all nodes; those with fewer
    than two neighbours have clustering 0. Skew and excess kurtosis are NaN where all degrees are equal.
    """

    nodes: int
    edges: int
    giant_nodes: int
    components: int
    mean_degree: float
    degree_skew: float
    degree_kurtosis: float
    diameter: int
    average_path_length: float
    effective_diameter: float
    average_clustering: float
    transitivity: float


@dataclass(frozen=True)
class BipartiteStats(NetworkStats):
    """NetworkStats of a network whose two layers stay apart, where no triangle can be, and its four-cycles.

    `bipartite_clustering` is four times the number of four-cycles, `butterflies`, over the number of paths of
    three links (Robins and Alexander 2004); 0 where there is no such path.
    """

    butterflies: int
    bipartite_clustering: float


class Packed(NamedTuple):
    """A network ready for the kernels: rows of bits, and each node's neighbours in order."""

    bits: np.ndarray        # uint64 (n, words), node j of row i is bit j % 64 of word j // 64
    starts: np.ndarray      # int64 (n + 1,), node i has neighbors[starts[i]:starts[i + 1]]
    neighbors: np.ndarray   # int32 (2 m,)

    @property
    def degrees(self):
        return np.diff(self.starts)


def measure(adjacency):
    """Every statistic of one undirected network.

    Parameters
    ----------
    adjacency : bool array (n, n)
        Symmetric with an empty diagonal, as `graphs.merge_layers` makes it.

    Returns
    -------
    NetworkStats

    Raises
    ------
    ValueError
        If it has no node, is not square, not of bools, not symmetric, or holds a loop.

    Notes
    -----
    Time O(n m / 64) a unit of the diameter, with m links, at worst; memory n² / 4 + 1024 n + 8 m bytes at most beside
    the input.
    """
    return measure_packed(pack(adjacency))


def measure_packed(packed):
    """Measure a network that `pack` has packed, as `measure` does."""
    return NetworkStats(**_statistics(packed.starts, packed.neighbors, triangles(packed)))


def measure_bipartite(adjacency):
    """Every statistic of the network whose two layers stay apart.

    Parameters
    ----------
    adjacency : bool array (n, m)
        Row i of one layer is linked to column j of the other.

    Returns
    -------
    BipartiteStats
        Its nodes are the n rows and, behind them, the m columns.

    Raises
    ------
    ValueError
        If it is not a matrix of bools, or has no entry.

    Notes
    -----
    Time as of `measure` with n + m nodes, and O(n m min(n, m) / 64) for the four-cycles; memory 1.25 n m + 1024 (n + m)
    bytes and 50 a link at most beside the input.
    """
    adjacency = checks.bool_matrix("adjacency", adjacency)
    rows, columns = adjacency.shape
    sides = _bits(adjacency), _bits(adjacency.T)
    degrees = np.concatenate([_degrees(bits) for bits in sides])
    starts = np.concatenate(([0], np.cumsum(degrees)))
    neighbors = np.concatenate([_list_neighbors(*sides, starts[:rows + 1])[0] + np.int32(rows),
                                _list_neighbors(*sides[::-1], starts[rows:] - starts[rows])[0]])
    butterflies = int(_butterflies(min(sides, key=len)))
    others = degrees - 1
    paths = int(np.repeat(others, degrees) @ others[neighbors]) // 2  # a path's middle link
    return BipartiteStats(**_statistics(starts, neighbors, np.zeros(rows + columns, dtype=np.int64)),
                          butterflies=butterflies, bipartite_clustering=4 * butterflies / paths if paths else 0.0)


def pack(adjacency):
    """The packed form of a bool array (n, n); raises what `measure` raises."""
    adjacency = checks.bool_matrix("adjacency", adjacency)
    if adjacency.shape[0] != adjacency.shape[1]:
        raise UserError(f"an adjacency matrix must be square, this one is {adjacency.shape}: merge its layers "
                         "or use measure_bipartite")
    bits = _bits(adjacency)
    degrees = _degrees(bits)
    starts = np.concatenate(([0], np.cumsum(degrees)))
    neighbors, mirrored = _list_neighbors(bits, bits, starts)
    if not mirrored or adjacency.diagonal().any():
        raise UserError("an adjacency matrix must be symmetric with an empty diagonal: merge its layers first")
    return Packed(bits, starts, neighbors)


def distances(packed):
    """All distances in the giant component.

    Returns
    -------
    counts : int64 array (diameter + 1,)
        counts[d] ordered pairs of nodes are d links apart; counts[0] is the size of the giant component.
    components : int
        Connected components of the whole network, isolated nodes among them.
    """
    return _distances(packed.starts, packed.neighbors)


def triangles(packed):
    """The number of triangles through each node, int64 (n,)."""
    return _triangles(packed.bits, packed.starts, packed.neighbors)


def summarize_distances(counts):
    """Diameter, average path length and effective diameter from `distances`' counts; all 0 for one node.

    ValueError for what are no such counts: whole numbers, none negative, and pairs at the largest distance.
    """
    counts = checks.integer_array("counts", counts, axes=1)
    most = np.iinfo(np.int64).max // max(len(counts), 1)**2  # so that no sum below overflows
    if not (counts.size and counts.min() >= 0 and counts[-1] > 0 and counts.max() <= most):
        raise UserError(f"counts of {counts.size} distances, from {counts.min(initial=0)} to {counts.max(initial=0)}: "
                         "expected those of metrics.distances")
    if len(counts) == 1:
        return 0, 0.0, 0.0
    pairs = counts[1:].sum()
    average = int(np.arange(len(counts)) @ counts) / int(pairs)
    reached = np.concatenate(([0], np.cumsum(counts[1:]))) / pairs
    h = int(np.searchsorted(reached, 0.9))
    effective = h - 1 + (0.9 - reached[h - 1]) / (reached[h] - reached[h - 1])
    return len(counts) - 1, average, float(effective)


def _distances(starts, neighbors):
    component, sizes = _components(starts, neighbors)
    return _walk(starts, neighbors, np.flatnonzero(component == sizes.argmax())), len(sizes)


def _statistics(starts, neighbors, closed):
    """The fields of NetworkStats; closed: the triangles through each node."""
    degrees = np.diff(starts)
    counts, components = _distances(starts, neighbors)
    diameter, average, effective = summarize_distances(counts)
    wedges = degrees * (degrees - 1) // 2
    skew, kurtosis = summaries.moments(degrees)
    return {
        "nodes": len(degrees),
        "edges": len(neighbors) // 2,
        "giant_nodes": int(counts[0]),
        "components": components,
        "mean_degree": float(degrees.mean()),
        "degree_skew": skew,
        "degree_kurtosis": kurtosis,
        "diameter": diameter,
        "average_path_length": average,
        "effective_diameter": effective,
        "average_clustering": float(np.mean(closed / np.maximum(wedges, 1))),
        "transitivity": float(closed.sum() / max(wedges.sum(), 1)),
    }


def _bits(adjacency):
    """uint64 (n, words) from bool (n, m); the words fill whole vectors of 256 bits, or the last ones cost most."""
    packed = np.packbits(adjacency, axis=1, bitorder="little")
    padded = np.zeros((len(packed), -(-packed.shape[1] // 32) * 32), dtype=np.uint8)
    padded[:, :packed.shape[1]] = packed
    return padded.view("<u8").astype(np.uint64, copy=False)


# ---- kernels ----------------------------------------------------------------------------------------------

@intrinsic
def _popcount(context, word):
    def build(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])
    return types.uint64(types.uint64), build


@intrinsic
def _lowest_bit(context, word):
    def build(context, builder, signature, arguments):
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))
    return types.uint64(types.uint64), build


@njit(cache=True)
def _degrees(bits):
    degrees = np.zeros(bits.shape[0], dtype=np.int64)
    for i in range(bits.shape[0]):
        for word in bits[i]:
            degrees[i] += np.int64(_popcount(word))
    return degrees


@njit(cache=True)
def _list_neighbors(bits, opposite, starts):
    """The neighbours, int32, and whether every link has its opposite: of bits (n, m) in those of the columns (m, n)."""
    neighbors = np.empty(starts[-1], dtype=np.int32)
    mirrored = True
    at = 0
    for i in range(bits.shape[0]):
        mine = np.uint64(1) << np.uint64(i & 63)
        for w in range(bits.shape[1]):
            word = bits[i, w]
            while word:
                j = 64 * w + np.int64(_lowest_bit(word))
                neighbors[at] = j
                at += 1
                word &= word - np.uint64(1)
                if not opposite[j, i >> 6] & mine:
                    mirrored = False
    return neighbors, mirrored


@njit(cache=True)
def _components(starts, neighbors):
    """The component of each node, numbered in the order of their first nodes, and their sizes."""
    n = len(starts) - 1
    component = np.full(n, -1, dtype=np.int64)
    sizes = np.zeros(n, dtype=np.int64)
    stack = np.empty(n, dtype=np.int64)
    found = 0
    for first in range(n):
        if component[first] >= 0:
            continue
        component[first] = found
        stack[0] = first
        height = 1
        while height:
            height -= 1
            i = stack[height]
            sizes[found] += 1
            for j in neighbors[starts[i]:starts[i + 1]]:
                if component[j] < 0:
                    component[j] = found
                    stack[height] = j
                    height += 1
        found += 1
    return component, sizes[:found]


@njit(cache=True)
def _walk(starts, neighbors, members):
    """Ordered pairs of members at each distance; members: all nodes of one component.

    Some thousand members at a time set out. reach[i] holds those of them within d links of member i; within d + 1 links
    are those that its neighbours reach in d. A row that holds all of them is done.
    """
    giant = len(members)
    place = np.zeros(len(starts) - 1, dtype=np.int32)
    for i in range(giant):
        place[members[i]] = i
    first_unseen = starts[members]
    words = min(SOURCES // 64, -(-giant // 256) * 4)  # whole vectors of 256 bits
    reach, further = np.empty((giant, words), dtype=np.uint64), np.empty((giant, words), dtype=np.uint64)
    held, unfinished = np.empty(giant, dtype=np.int64), np.empty(giant, dtype=np.int64)
    counts = np.zeros(giant + 1, dtype=np.int64)
    counts[0] = giant
    diameter = 0
    for first in range(0, giant, SOURCES):
        sources = min(SOURCES, giant - first)
        reach[:] = 0
        left = 0
        for i in range(giant):
            begin, end = first_unseen[i], starts[members[i] + 1]
            row, at = reach[i], begin
            while at < end:
                s = place[neighbors[at]] - first
                if s >= sources:  # they are in order
                    break
                row[s >> 6] |= np.uint64(1) << np.uint64(s & 63)
                at += 1
            first_unseen[i] = at
            held[i] = at - begin
            counts[1] += held[i]
            if first <= i < first + sources:
                s = i - first
                row[s >> 6] |= np.uint64(1) << np.uint64(s & 63)
                held[i] += 1
            if held[i] < sources:
                unfinished[left] = i
                left += 1
        further[:] = reach
        d = min(1, giant - 1)
        while left:
            d += 1
            working, left = left, 0
            for k in range(working):
                i = unfinished[k]
                row = further[i]
                total = held[i]
                begin, end = starts[members[i]], starts[members[i] + 1]
                for start in range(begin, end, 8):  # now and then a look: full rows need no more neighbours
                    for j in neighbors[start:min(start + 8, end)]:
                        other = reach[place[j]]
                        for w in range(words):
                            row[w] |= other[w]
                    ones = np.uint64(0)
                    for w in range(words):
                        ones += _popcount(row[w])
                    total = np.int64(ones)
                    if total == sources:
                        break
                counts[d] += total - held[i]
                held[i] = total
            for k in range(working):
                i = unfinished[k]
                reach[i] = further[i]
                if held[i] < sources:
                    unfinished[left] = i
                    left += 1
        diameter = max(diameter, d)
    return counts[:diameter + 1]


@njit(cache=True)
def _triangles(bits, starts, neighbors):
    """Triangles through each node: the common neighbours over its links, each triangle counted on two of them."""
    n, words = bits.shape
    closed = np.zeros(n, dtype=np.int64)
    for i in range(n):
        for j in neighbors[starts[i]:starts[i + 1]]:
            if j > i:
                common = np.uint64(0)
                for w in range(words):
                    common += _popcount(bits[i, w] & bits[j, w])
                closed[i] += np.int64(common)
                closed[j] += np.int64(common)
    return closed // 2


@njit(cache=True)
def _butterflies(bits):
    """Pairs of rows times the pairs of columns that both are linked to."""
    n, words = bits.shape
    total = np.int64(0)
    for i in range(n):
        for j in range(i):
            common = np.uint64(0)
            for w in range(words):
                common += _popcount(bits[i, w] & bits[j, w])
            c = np.int64(common)
            total += c * (c - 1) // 2
    return total
