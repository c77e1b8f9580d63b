"""Measure degrees, components, path lengths and clustering of networks given as adjacency matrices.

A network of n nodes is packed into n rows of 64-bit words. Distances from thousands of nodes at once then cost a few
ORs per link, and the triangles on a link one AND and one population count per word. One pass gives all distances, hence
the diameter, the mean and the percentiles, and one more pass all clustering coefficients.
"""
import bisect
import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gradnets import checks, summaries
from gradnets.errors import UserError
from gradnets.networks import _kernels, graphs


@dataclass(frozen=True)
class NetworkStats:
    """The statistics of one undirected network that `measure` returns.

    Distances count links within the giant component; of several components of that size, the one with the first node.
    `effective_diameter` is the 90th percentile of the pairwise distances, interpolated between integers (Leskovec,
    Kleinberg and Faloutsos 2005). Degrees and clustering are taken over all nodes; nodes with fewer than two neighbors
    have clustering 0. Skew and excess kurtosis are NaN if all degrees are equal.
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
    """NetworkStats of a network whose two layers stay apart, which has no triangle, with its four-cycles.

    `bipartite_clustering` is four times the number of four-cycles, `butterflies`, divided by the number of paths of
    three links (Robins and Alexander 2004); 0 if there is no such path.
    """

    butterflies: int
    bipartite_clustering: float


class Packed(NamedTuple):
    """An undirected network in the form that the kernels read: rows of bits, and lists of neighbors in rising order."""

    bits: np.ndarray        # uint64 (n, words), node j of row i is bit j % 64 of word j // 64
    starts: np.ndarray      # int64 (n + 1,), node i has neighbors[starts[i]:starts[i + 1]]
    neighbors: np.ndarray   # int32 (2 m,)

    @property
    def degrees(self):
        """The number of neighbors of each node, int64 (n,)."""
        return np.diff(self.starts)


def measure(adjacency):
    """Measure every statistic of one undirected network.

    Parameters
    ----------
    adjacency : bool array (n, n), or Packed
        Symmetric with an empty diagonal, as `graphs.merge_layers` returns it; or what `pack` made of it.

    Returns
    -------
    NetworkStats

    Raises
    ------
    UserError
        Unless the matrix is square, of bools, symmetric, without loops, and has at least one node.

    Notes
    -----
    With m links, time is O(n m / 64) per unit of the diameter at worst. Memory, besides the input, is at most
    n² / 4 + 1024 n + 8 m bytes.
    """
    packed = pack(adjacency)
    return NetworkStats(**_statistics(packed.starts, packed.neighbors, triangles(packed)))


def measure_bipartite(adjacency):
    """Measure every statistic of the network whose two layers stay apart.

    Parameters
    ----------
    adjacency : bool array (n, m)
        Row i of one layer is linked to column j of the other layer.

    Returns
    -------
    BipartiteStats
        Its nodes are the n rows, followed by the m columns.

    Raises
    ------
    UserError
        Unless the matrix is of bools and has at least one entry.

    Notes
    -----
    Time is that of `measure` with n + m nodes, and O(n m min(n, m) / 64) for the four-cycles. Memory, besides the
    input, is at most 1.25 n m + 1024 (n + m) bytes and 50 bytes per link.
    """
    adjacency = checks.bool_matrix("adjacency", adjacency)
    rows, columns = adjacency.shape
    sides = _bits(adjacency), _bits(adjacency.T)
    degrees = np.concatenate([_kernels.degrees(bits) for bits in sides])
    starts = _starts(degrees)
    neighbors = np.concatenate([_kernels.list_neighbors(*sides, starts[:rows + 1])[0] + np.int32(rows),
                                _kernels.list_neighbors(*sides[::-1], starts[rows:] - starts[rows])[0]])
    butterflies = int(_kernels.butterflies(min(sides, key=len)))
    further_links = degrees - 1
    paths = int(np.repeat(further_links, degrees) @ further_links[neighbors]) // 2  # counted by their middle links
    return BipartiteStats(**_statistics(starts, neighbors, np.zeros(rows + columns, dtype=np.int64)),
                          butterflies=butterflies, bipartite_clustering=4 * butterflies / paths if paths else 0.0)


def average_clustering(adjacency):
    """Return the mean clustering of all nodes, as `measure` does, without the distances, which take longest.

    Parameters and errors are those of `measure`.
    """
    packed = pack(adjacency)
    return _average_clustering(_wedges(packed.degrees), triangles(packed))


def pack(adjacency):
    """Pack an undirected network for `measure`, `distances`, `triangles` and the null models.

    A bool array (n, n) becomes a Packed, and a Packed is returned as it is. Raises the errors of `measure`.
    """
    if isinstance(adjacency, Packed):
        return adjacency
    adjacency = checks.bool_matrix("adjacency", adjacency)
    if adjacency.shape[0] != adjacency.shape[1]:
        raise UserError(f"an adjacency matrix must be square, this one is {adjacency.shape}: merge its layers "
                        "or use measure_bipartite")
    bits = _bits(adjacency)
    packed, mirrored = _packed(bits)
    if not mirrored or adjacency.diagonal().any():
        raise UserError("an adjacency matrix must be symmetric with an empty diagonal: merge its layers first")
    return packed


def pack_merged(adjacency):
    """Merge unit i of both layers into node i, and pack the network: pack(merge_layers(adjacency)), in less time.

    Parameters
    ----------
    adjacency : bool array (n, n)
        A network of two layers, as `graphs.sample` returns it.

    Returns
    -------
    Packed

    Raises
    ------
    UserError
        Unless the matrix is square and of bools.
    """
    return _packed(_kernels.mirror(_bits(graphs.mergeable(adjacency))))[0]


def unpack(packed):
    """Return the adjacency matrix of a Packed, bool (n, n)."""
    words = packed.bits.astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(words, axis=1, count=len(packed.bits), bitorder="little").view(bool)


def distances(packed):
    """Count the pairs of nodes of the giant component by their distance.

    Returns
    -------
    counts : int64 array (diameter + 1,)
        counts[d] ordered pairs of nodes are d links apart; counts[0] is the size of the giant component.
    components : int
        Number of connected components of the whole network, isolated nodes included.
    """
    return _distances(packed.starts, packed.neighbors)


def triangles(packed):
    """Count the triangles through each node, int64 (n,)."""
    return _kernels.triangles(packed.bits, packed.starts, packed.neighbors)


def summarize_distances(counts):
    """Return diameter, average path length and effective diameter; all 0 for a single node.

    Parameters
    ----------
    counts : int array (diameter + 1,)
        As `distances` returns them.

    Raises
    ------
    UserError
        Unless the counts are integers of at least 0, and the largest distance has a pair.
    """
    counts = checks.integer_array("counts", counts, axes=1)
    most = np.iinfo(np.int64).max // max(len(counts), 1)**2  # so that no sum below overflows
    if not (counts.size and counts.min() >= 0 and counts[-1] > 0 and counts.max() <= most):
        raise UserError(f"counts of {counts.size} distances, from {counts.min(initial=0)} to {counts.max(initial=0)}: "
                        "expected those that networks.distances returns")
    return _summarize_distances(counts)


def _summarize_distances(counts):
    if len(counts) == 1:
        return 0, 0.0, 0.0
    counts = counts.tolist()  # few numbers, which Python adds faster than numpy
    pairs = sum(counts[1:])
    reached = [total / pairs for total in itertools.accumulate(counts[1:], initial=0)]
    h = bisect.bisect_left(reached, 0.9)
    effective = h - 1 + (0.9 - reached[h - 1]) / (reached[h] - reached[h - 1])
    return len(counts) - 1, sum(d * count for d, count in enumerate(counts)) / pairs, effective


def _distances(starts, neighbors):
    component, sizes = _kernels.components(starts, neighbors)
    giant = np.flatnonzero(component == sizes.argmax())
    return _kernels.pairs_by_distance(starts, neighbors, giant), len(sizes)


def _statistics(starts, neighbors, closed):
    """Return the fields of NetworkStats; closed is the number of triangles through each node."""
    degrees = np.diff(starts)
    counts, components = _distances(starts, neighbors)
    diameter, average, effective = _summarize_distances(counts)
    wedges = _wedges(degrees)
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
        "average_clustering": _average_clustering(wedges, closed),
        "transitivity": float(closed.sum() / max(wedges.sum(), 1)),
    }


def _wedges(degrees):
    """Return the pairs of neighbors of each node."""
    return degrees * (degrees - 1) // 2


def _average_clustering(wedges, closed):
    return float((closed / np.maximum(wedges, 1)).mean())


def _bits(adjacency):
    """Pack bools (n, m) into uint64 (n, words), padded to the whole vectors that the kernels read."""
    packed = np.packbits(adjacency, axis=1, bitorder="little")
    vector = 8 * _kernels.WORDS  # bytes
    padded = np.zeros((len(packed), -(-packed.shape[1] // vector) * vector), dtype=np.uint8)
    padded[:, :packed.shape[1]] = packed
    return padded.view("<u8").astype(np.uint64, copy=False)


def _packed(bits):
    """Return the Packed of rows of bits, and whether each link has its opposite."""
    starts = _starts(_kernels.degrees(bits))
    neighbors, mirrored = _kernels.list_neighbors(bits, bits, starts)
    return Packed(bits, starts, neighbors), mirrored


def _starts(degrees):
    return np.concatenate(([0], np.cumsum(degrees)))
