"""Directed graphs with coloured edges, and the layers of a layered graph."""
import itertools
from dataclasses import dataclass, replace
from functools import cached_property

import numba
import numpy as np

from gradnets import checks
from gradnets.errors import UserError


class NotLayered(UserError):
    """A graph has an edge that does not lead from one layer to the next."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A directed graph with coloured edges, without loops and without repeated edges.

    Attributes
    ----------
    nodes : int
        Number of nodes.
    sources, targets : int64 (m,)
        The nodes that each edge leaves and reaches, 0 to nodes - 1.
    colors : int64 (m,)
        The colour of each edge, 1 or more.
    labels : int64 (nodes,), ascending, or None
        The number of each node in the file that the graph was read from.
    """

    nodes: int
    sources: np.ndarray
    targets: np.ndarray
    colors: np.ndarray
    labels: np.ndarray | None = None

    @property
    def largest_color(self):
        """The largest colour of an edge; 1 without edges."""
        return int(self.colors.max(initial=1))

    @cached_property
    def linked_pairs(self):
        """Each linked pair of nodes once, ascending, as a tuple of colors, low and high; do not write to them.

        colors, int64 (pairs, 2), holds the colour of the edge from the lower node to the higher one, and of the edge
        back, 0 for no edge; low and high, int64 (pairs,), hold the two nodes.
        """
        return _linked_pairs(self.sources, self.targets, self.colors)


# ---- making graphs ----------------------------------------------------------------------------------------

def graph(nodes, sources, targets, colors=None, labels=None):
    """Make a Graph from its edges. Loops are dropped, and the last colour of a repeated edge is kept, as in FANMOD.

    Parameters
    ----------
    nodes : int
        Number of nodes.
    sources, targets : int array_like, of one size
        Nodes from 0 to nodes - 1; arrays of several axes are read row by row.
    colors : int array_like, optional
        One colour per edge, 1 or more; without colours every edge has colour 1.
    labels : int64 (nodes,), optional
        The numbers of the nodes in the user's file.

    Raises
    ------
    UserError
        If an array does not hold integers, the arrays differ in size, a node is not in the graph, or a colour is
        below 1.
    """
    sources, targets = (checks.integer_array(name, values).ravel() for name, values in
                        (("sources", sources), ("targets", targets)))
    colors = np.ones(len(sources), np.int64) if colors is None else checks.integer_array("colors", colors).ravel()
    if not len(sources) == len(targets) == len(colors):
        raise UserError(f"got {len(sources)} sources, {len(targets)} targets and {len(colors)} colours: expected the "
                        "same number of each")
    if len(sources):
        smallest, largest = min(sources.min(), targets.min()), max(sources.max(), targets.max())
        if smallest < 0 or largest >= nodes:
            raise UserError(f"the edges join nodes {smallest} to {largest}: expected nodes 0 to {nodes - 1}")
        if colors.min() < 1:
            raise UserError(f"an edge has colour {colors.min()}: expected 1 or more")
    proper = np.flatnonzero(sources != targets)[::-1]  # backwards, since np.unique finds the first edge of a pair
    _, first = np.unique(sources[proper] * nodes + targets[proper], return_index=True)
    kept = np.sort(proper[first])
    return Graph(int(nodes), sources[kept], targets[kept], colors[kept], labels)


def from_adjacency(matrix):
    """Make a Graph from a square matrix of colours, int or bool (n, n): [i, j] is the edge from i to j, 0 for none."""
    matrix = checks.integer_array("matrix", matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise UserError(f"got a matrix of shape {matrix.shape}: expected a square matrix")
    sources, targets = np.nonzero(matrix)
    return graph(len(matrix), sources, targets, matrix[sources, targets])


def from_layers(matrices):
    """Make the Graph of a layered net, whose nodes are numbered layer by layer.

    matrices : list of int (n_l, n_{l+1}), the colours of the edges between neighbouring layers, 0 for no edge
    """
    matrices = check_layers(matrices)
    starts = np.cumsum([0, *(len(matrix) for matrix in matrices)])  # number of each layer's first node
    ends = [np.nonzero(matrix) for matrix in matrices]
    return Graph(int(starts[-1] + matrices[-1].shape[1]),
                 np.concatenate([rows + start for (rows, _), start in zip(ends, starts[:-1], strict=True)]),
                 np.concatenate([columns + start for (_, columns), start in zip(ends, starts[1:], strict=True)]),
                 np.concatenate([matrix[edges] for matrix, edges in zip(matrices, ends, strict=True)]))


def check_layers(matrices):
    """Return colour matrices of neighbouring layers as a list of contiguous int64 arrays, or raise a UserError."""
    matrices = [np.ascontiguousarray(checks.integer_array("colours", matrix)) for matrix in matrices]
    if not matrices or any(matrix.ndim != 2 for matrix in matrices):
        raise UserError(f"got arrays of shapes {[matrix.shape for matrix in matrices]}: expected one matrix of colours "
                        "for each two neighbouring layers")
    for matrix, following in itertools.pairwise(matrices):
        if matrix.shape[1] != following.shape[0]:
            raise UserError(f"matrices of shapes {matrix.shape} and {following.shape} do not follow one another: "
                            "expected as many rows as the matrix before has columns")
    smallest = min(matrix.min(initial=0) for matrix in matrices)
    if smallest < 0:
        raise UserError(f"colour {smallest} is negative: expected 0 for no edge, and 1 or more for an edge")
    return matrices


def uncolored(graph):
    """Return the same graph with colour 1 for every edge."""
    return replace(graph, colors=np.ones_like(graph.colors))


# ---- layers of a graph ------------------------------------------------------------------------------------

def layers(graph, sizes=None):
    """Return the colour matrices of a layered graph, as `from_layers` takes them, int64 (n_l, n_{l+1}).

    Parameters
    ----------
    sizes : sequence of int, optional
        Number of nodes in each layer. Nodes, or their labels if the graph has labels, are numbered layer by layer.
        Without sizes the edges tell the layers: each connected part of the graph starts in the first layer, and
        nodes without edges are left out.

    Raises
    ------
    NotLayered
        If an edge does not lead from one layer to the next.
    UserError
        If a size is not a positive integer, or the sizes add up to too few nodes.
    """
    return layer_matrices(graph, layer_of(graph, sizes))


def layer_matrices(graph, layer):
    """Return the colour matrices of a graph, whose nodes are in the layers `layer`, int64 (nodes,)."""
    members = [np.flatnonzero(layer == number) for number in range(layer.max(initial=0) + 1)]
    place = np.empty(graph.nodes, np.int64)  # of each node in its layer
    for nodes in members:
        place[nodes] = np.arange(len(nodes))
    if len(members) == 1:  # a graph without edges
        members.append(np.empty(0, np.int64))
    matrices = [np.zeros((len(rows), len(columns)), np.int64) for rows, columns in itertools.pairwise(members)]
    for number, matrix in enumerate(matrices):
        leaving = layer[graph.sources] == number
        matrix[place[graph.sources[leaving]], place[graph.targets[leaving]]] = graph.colors[leaving]
    return matrices


def layer_of(graph, sizes=None):
    """Return the layer of each node, int64 (nodes,), -1 for a node without edges if no sizes are given.

    Parameters and errors are those of `layers`.
    """
    layer = _layers_by_edges(graph) if sizes is None else _layers_by_sizes(graph, list(sizes))
    wrong = np.flatnonzero(layer[graph.targets] - layer[graph.sources] != 1)
    if wrong.size:
        ends = graph.sources[wrong[0]], graph.targets[wrong[0]]
        source, target = ends if graph.labels is None else graph.labels[list(ends)]
        raise NotLayered(f"the edge from node {source} to node {target} does not lead from one layer to the next: "
                         "choose the null model fanmod" + ("" if sizes is None else ", or other layers"))
    return layer


def _layers_by_sizes(graph, sizes):
    checks.nonempty_tuples(sizes=sizes)
    checks.positive_integers(sizes=sizes)
    labels = np.arange(graph.nodes) if graph.labels is None else graph.labels
    if labels.max(initial=-1) >= sum(sizes):
        raise UserError(f"the layers of {', '.join(map(str, sizes))} units have nodes 0 to {sum(sizes) - 1}, and the "
                        f"graph has a node {labels.max()}: expected layers for all nodes")
    return np.searchsorted(np.cumsum(sizes), labels, side="right")


def _layers_by_edges(graph):
    """Return the layer of each node, counted from the first layer of its connected part; -1 without edges."""
    ends = np.concatenate([graph.sources, graph.targets])
    order = np.argsort(ends, kind="stable")
    neighbors = np.concatenate([graph.targets, graph.sources])[order]
    starts = np.searchsorted(ends[order], np.arange(graph.nodes + 1))
    return _walk_layers(starts, neighbors, order < len(graph.sources))


@numba.njit(cache=True, nogil=True)
def _walk_layers(starts, neighbors, leaves):
    """Walk each connected part, one layer on along an edge and one layer back against it.

    The neighbours of node v are neighbors[starts[v]:starts[v + 1]]; `leaves` tells whether the edge to each leaves v.
    """
    nodes = len(starts) - 1
    unseen = -nodes - 1  # below every layer that a walk can reach
    layer, part = np.full(nodes, unseen), np.empty(nodes, np.int64)
    for root in range(nodes):
        if layer[root] == unseen and starts[root] < starts[root + 1]:
            part[0], layer[root], seen, lowest = root, 0, 1, 0
            visited = 0
            while visited < seen:
                node = part[visited]
                visited += 1
                for edge in range(starts[node], starts[node + 1]):
                    neighbor = neighbors[edge]
                    if layer[neighbor] == unseen:
                        layer[neighbor] = layer[node] + (1 if leaves[edge] else -1)
                        lowest = min(lowest, layer[neighbor])
                        part[seen] = neighbor
                        seen += 1
            for place in range(seen):
                layer[part[place]] -= lowest
    return np.maximum(layer, -1)


# ---- linked pairs of nodes --------------------------------------------------------------------------------

@numba.njit(cache=True, nogil=True)
def _linked_pairs(sources, targets, colors):
    """Return what `Graph.linked_pairs` holds."""
    low, high = np.minimum(sources, targets), np.maximum(sources, targets)
    lower, higher = np.empty_like(low), np.empty_like(high)
    colors_of_pairs = np.zeros((len(low), 2), np.int64)
    pair = -1
    for edge in _order(low, _order(high, np.arange(len(low)))):
        if pair < 0 or lower[pair] != low[edge] or higher[pair] != high[edge]:
            pair += 1
            lower[pair], higher[pair] = low[edge], high[edge]
        colors_of_pairs[pair, 1 if sources[edge] > targets[edge] else 0] = colors[edge]
    return colors_of_pairs[:pair + 1], lower[:pair + 1], higher[:pair + 1]


@numba.njit(cache=True, nogil=True)
def _order(nodes, edges):
    """Return edges ordered by their nodes, by counting; edges of one node stay in their order."""
    place = np.zeros(nodes.max() + 2 if len(nodes) else 1, np.int64)
    for node in nodes:
        place[node + 1] += 1
    place = np.cumsum(place)
    ordered = np.empty_like(edges)
    for edge in edges:
        ordered[place[nodes[edge]]] = edge
        place[nodes[edge]] += 1
    return ordered
