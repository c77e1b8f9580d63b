"""Network motifs: a census of small coloured subgraphs, random graphs to hold it against, and what stands out.

A motif of size k is a class of connected induced subgraphs on k nodes that are one up to renaming, edge colours
included (Milo et al. 2002). `census` counts all of them in any directed graph by enumeration (ESU; Wernicke 2006),
`layered_census` counts those of a net's layers from degrees and matrix products, without visiting them. `rewire` draws
random graphs by FANMOD's rules (Wernicke and Rasche 2006) or within the layers, `significance` compares.

A motif's adjacency is a matrix of colours, 0 where there is no edge; of all orders of its nodes the one is shown that
makes the smallest number when the matrix is read row by row, and that number, in base colours + 1, is its code.
"""
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import numba
import numpy as np

from gradnets import arrays

SIZES = (3, 4, 5)
MODELS = ("fanmod", "layered")
ROW = 4096            # widest direct table of last nodes, beyond it counts are hashed,
FEW = 512, 5e6        # and beyond the first of these too where there are fewer subgraphs than the second
CELLS = 2**27         # of such tables, 1 GB
WIDEST = 2**20        # units of a layer that the closed form counts without overflow
DENSE = 2**28         # entries of matrices that it is worth making, 2 GB
SWEEPS, TRIES = 3, 3  # of the random graphs: FANMOD's exchanges an edge and tries an exchange

compiled = numba.njit(cache=True, nogil=True)


class NotLayered(ValueError):
    """A graph whose edges do not all lead from one layer to the next."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A directed graph with coloured edges, no loops and no repeated edges.

    Attributes
    ----------
    nodes : int
    sources, targets : int64 (m,)
        In 0 .. nodes - 1.
    colors : int64 (m,)
        From 1 on.
    labels : int64 (nodes,), ascending, or None
        What the nodes are called where a file calls them otherwise.
    """

    nodes: int
    sources: np.ndarray
    targets: np.ndarray
    colors: np.ndarray
    labels: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Census:
    """The motifs of one size that occur, by ascending code.

    Attributes
    ----------
    adjacency : uint8 (q, k, k)
        Colours, 0 for no edge.
    counts : int64 (q,)
        Of a sampled census float64: estimates.
    total : int, or float if sampled
    codes : int64 (q,)
    errors : float64 (q,), or None where counts are exact
        Standard errors of sampled counts.
    """

    adjacency: np.ndarray
    counts: np.ndarray
    total: int
    codes: np.ndarray
    errors: np.ndarray | None = None


def graph(nodes, sources, targets, colors=None, labels=None):
    """A Graph of these edges: loops are dropped, of a repeated edge the last colour stays, as in FANMOD.

    Arrays of any shape are read row by row.

    Raises
    ------
    ValueError
        For arrays that are not whole numbers of one length, nodes outside the graph and colours below 1.
    """
    sources, targets = arrays.whole("sources", sources).ravel(), arrays.whole("targets", targets).ravel()
    colors = np.ones(len(sources), np.int64) if colors is None else arrays.whole("colors", colors).ravel()
    if not len(sources) == len(targets) == len(colors):
        raise ValueError(f"{len(sources)} sources, {len(targets)} targets, {len(colors)} colours: expected as many")
    if len(sources) and not (min(sources.min(), targets.min()) >= 0 and max(sources.max(), targets.max()) < nodes):
        raise ValueError(f"edges between nodes {min(sources.min(), targets.min())} and "
                         f"{max(sources.max(), targets.max())}: expected 0 to {nodes - 1}")
    if len(colors) and colors.min() < 1:
        raise ValueError(f"an edge of colour {colors.min()}: expected 1 or more")
    proper = np.flatnonzero(sources != targets)[::-1]  # from the last: of equal ends the first is kept
    _, where = np.unique(sources[proper] * nodes + targets[proper], return_index=True)
    kept = np.sort(proper[where])
    return Graph(int(nodes), sources[kept], targets[kept], colors[kept], labels)


def from_adjacency(matrix):
    """The Graph of a square matrix of colours, int or bool (n, n): [i, j] is the edge from i to j, 0 for none."""
    matrix = arrays.whole("matrix", matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"a matrix of shape {matrix.shape}: expected a square one")
    sources, targets = np.nonzero(matrix)
    return graph(len(matrix), sources, targets, matrix[sources, targets])


def from_layers(matrices):
    """The Graph of a layered net: matrices[l] int (n_l, n_{l+1}) holds colours, 0 for no edge; nodes layer by layer."""
    matrices = _layers(matrices)
    starts = np.cumsum([0, *(len(matrix) for matrix in matrices)])
    parts = [(*np.nonzero(matrix), matrix[np.nonzero(matrix)]) for matrix in matrices]
    return Graph(int(starts[-1] + matrices[-1].shape[1]),
                 np.concatenate([rows + start for (rows, _, _), start in zip(parts, starts, strict=False)]),
                 np.concatenate([columns + start for (_, columns, _), start in zip(parts, starts[1:], strict=True)]),
                 np.concatenate([colors for _, _, colors in parts]).astype(np.int64))


def layers(graph, sizes=None):
    """Colour matrices of a layered graph, as `from_layers` takes them, int64 (n_l, n_{l+1}).

    Parameters
    ----------
    sizes : sequence of int, optional
        Units of each layer, whose nodes (their labels, where they have some) are numbered one layer after the other.
        Unless given, layers follow from the edges, each connected part of the graph beginning in the first layer;
        nodes without edges are left out.

    Raises
    ------
    NotLayered
        Where the edges do not all lead from one layer to the next.
    """
    return _matrices(graph, layer_of(graph, sizes))


def _matrices(graph, depth):
    members = [np.flatnonzero(depth == level) for level in range(depth.max(initial=0) + 1)]
    place = np.empty(graph.nodes, np.int64)
    for nodes in members:
        place[nodes] = np.arange(len(nodes))
    if len(members) == 1:  # no edges
        members.append(np.empty(0, np.int64))
    matrices = [np.zeros((len(one), len(other)), np.int64) for one, other in itertools.pairwise(members)]
    for level, matrix in enumerate(matrices):
        inside = depth[graph.sources] == level
        matrix[place[graph.sources[inside]], place[graph.targets[inside]]] = graph.colors[inside]
    return matrices


def layer_of(graph, sizes=None):
    """Each node's layer, int64 (nodes,), -1 without edges; arguments and errors are those of `layers`."""
    if sizes is not None:
        labels = np.arange(graph.nodes) if graph.labels is None else graph.labels
        if min(sizes) < 1 or labels.max(initial=-1) >= sum(sizes):
            raise ValueError(f"layers of {' '.join(map(str, sizes))} units, and a node {labels.max(initial=-1)}: "
                             "expected positive numbers whose sum is larger than every node's number, from 0 on")
        depth = np.searchsorted(np.cumsum(sizes), labels, side="right")
    else:
        depth = _depths(graph)
    wrong = np.flatnonzero(depth[graph.targets] - depth[graph.sources] != 1)
    if wrong.size:
        ends = graph.sources[wrong[0]], graph.targets[wrong[0]]
        ends = ends if graph.labels is None else graph.labels[list(ends)]
        raise NotLayered(f"the edge from node {ends[0]} to {ends[1]} does not lead from one layer to the next: take "
                         "the null model fanmod" + ("" if sizes is None else ", or other layers"))
    return depth


def _depths(graph):
    """Layers by the edges, each connected part from 0 on; -1 for a node without edges."""
    ends = np.concatenate([graph.sources, graph.targets])
    order = np.argsort(ends, kind="stable")
    others = np.concatenate([graph.targets, graph.sources])[order]
    return _follow(np.searchsorted(ends[order], np.arange(graph.nodes + 1)), others, order < len(graph.sources))


@compiled
def _follow(starts, others, ahead):
    nodes = len(starts) - 1
    depth, part = np.full(nodes, -nodes - 1), np.empty(nodes, np.int64)  # no way is as long as that
    for root in range(nodes):
        if depth[root] < -nodes and starts[root] < starts[root + 1]:
            part[0], depth[root], seen, least = root, 0, 1, 0
            read = 0
            while read < seen:
                node = part[read]
                read += 1
                for edge in range(starts[node], starts[node + 1]):
                    other = others[edge]
                    if depth[other] < -nodes:
                        depth[other] = depth[node] + (1 if ahead[edge] else -1)
                        least = min(least, depth[other])
                        part[seen] = other
                        seen += 1
            for place in range(seen):
                depth[part[place]] -= least
    return np.maximum(depth, -1)


def _layers(matrices):
    matrices = [np.ascontiguousarray(arrays.whole("colours", matrix)) for matrix in matrices]
    if not matrices or any(matrix.ndim != 2 for matrix in matrices):
        raise ValueError("expected one matrix of colours or more, as of a net's layers")
    for one, other in itertools.pairwise(matrices):
        if one.shape[1] != other.shape[0]:
            raise ValueError(f"layers of shapes {one.shape} and {other.shape} do not meet")
    if min(matrix.min(initial=0) for matrix in matrices) < 0:
        raise ValueError("a colour is negative: expected 0 for no edge, and 1 or more")
    return matrices


# ---- classes ----------------------------------------------------------------------------------------------

@lru_cache
def _orders(size):
    return np.array(list(itertools.permutations(range(size))))


@compiled
def _canonical(matrices, orders, base):
    """The smallest number over all orders that each matrix (q, k, k) makes, int64 (q,)."""
    size = matrices.shape[1]
    codes = np.empty(len(matrices), np.int64)
    for q in range(len(matrices)):
        best = np.int64(-1)
        for order in orders:
            code = np.int64(0)
            for i in range(size):
                for j in range(size):
                    if i != j:
                        code = code * base + matrices[q, order[i], order[j]]
            if best < 0 or code < best:
                best = code
        codes[q] = best
    return codes


def canonical(matrices, colors):
    """Codes of colour matrices (q, k, k) in base colors + 1, int64 (q,): equal where a renaming makes them equal.

    ValueError for other sizes than 3, 4 and 5, and for entries that are not whole numbers from 0 to `colors`.
    """
    matrices = arrays.whole("matrices", matrices, axes=3)
    if matrices.shape[1] != matrices.shape[2] or not 0 <= matrices.min(initial=0) <= matrices.max(initial=0) <= colors:
        raise ValueError(f"matrices of shape {matrices.shape}, from {matrices.min(initial=0)} to "
                         f"{matrices.max(initial=0)}: expected square ones of colours from 0 to {colors}")
    check_size(matrices.shape[1], colors)
    return _canonical(matrices, _orders(matrices.shape[1]), colors + 1)


def decode(codes, size, colors):
    """The colour matrices (q, k, k) of these codes, int64; ValueError for what are no codes of that size."""
    digits = arrays.whole("codes", codes, axes=1)
    check_size(size, colors)
    if not 0 <= digits.min(initial=0) <= digits.max(initial=0) < (colors + 1)**(size * (size - 1)):
        raise ValueError(f"codes from {digits.min()} to {digits.max()}: expected those of {size} nodes and {colors} "
                         "colours")
    matrices = np.zeros((len(digits), size, size), np.int64)
    for i, j in reversed([(i, j) for i in range(size) for j in range(size) if i != j]):
        digits, matrices[:, i, j] = np.divmod(digits, colors + 1)
    return matrices


def most_colors(size):
    """The largest colour of motifs whose codes stay below 2**63: 1447 at size 3, 37 at 4, 7 at 5."""
    if size not in SIZES:
        raise ValueError(f"size {size!r}: expected 3, 4 or 5")
    return int(2**(63 / (size * (size - 1)))) - 1


def check_size(size, colors):
    """ValueError unless motifs of that many nodes and colours have a code."""
    if colors > most_colors(size):
        raise ValueError(f"{colors} colours at size {size}: expected at most {most_colors(size)}, merge some or leave "
                         "colours out")


def _made(codes, counts, size, colors, errors=None):
    """The Census of codes and counts that may repeat."""
    found, where = np.unique(codes, return_inverse=True)
    sums = np.zeros(len(found), np.asarray(counts).dtype)
    np.add.at(sums, where, counts)
    kept = sums != 0
    matrices = decode(found[kept], size, colors)
    return Census(matrices.astype(np.uint8 if colors < 256 else np.uint16), sums[kept], sums.sum().item(), found[kept],
                  errors)


# ---- census by enumeration --------------------------------------------------------------------------------
# A subset v0, v1, ... is written as it grows: its code has a digit for each pair i < j, at place j (j - 1) / 2 + i, in
# base `states`, which numbers the pairs of colours (there, back) that occur; 0 is no edge. combined[u] holds, for a
# node u, its digits with the nodes of the subset so far: what a last node adds is one look-up.

@compiled
def _slot(keys, code):
    """Where a code stands in an open-addressing table, or the free place for it (key -1)."""
    mask = np.uint64(keys.size - 1)
    place = ((np.uint64(code) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask
    while keys[place] != code and keys[place] != -1:
        place = (place + np.uint64(1)) & mask
    return place


@compiled
def _grown(keys, values):
    """A table twice as large."""
    new_keys, new_values = np.full(2 * keys.size, -1, np.int64), np.zeros(2 * keys.size, np.int64)
    for old in range(keys.size):
        if keys[old] != -1:
            place = _slot(new_keys, keys[old])
            new_keys[place], new_values[place] = keys[old], values[old]
    return new_keys, new_values


@compiled
def _tally(keys, values, code):
    """Count a code in a table that has room; 1 if it was not there."""
    place = _slot(keys, code)
    values[place] += 1
    if keys[place] == code:
        return 0
    keys[place] = code
    return 1


@compiled
def _skip(rng, log_miss):
    """How many are passed over before the next one is taken, each with the chance 1 - exp(log_miss)."""
    return int(min(np.log(1.0 - rng.random()) / log_miss, 2.0**40))


@compiled
def _enumerate(roots, starts, neighbours, digits, size, states, width, most_rows, chances, rng):
    """Connected induced subgraphs on `size` nodes whose smallest node is one of `roots`: codes and counts.

    digits: of the pairs (node, neighbour), as CSR like `neighbours`, int64. width: states**(size - 1) for direct tables
    of the last node, one a subset of size - 1 nodes, or 0 for one hash table of whole codes. chances: float64 (size,),
    with which the node at each depth is gone on with; all 1 for an exact census (RAND-ESU, Wernicke 2006).

    Returns (codes, counts, True), or False in the third place where the tables outgrew `most_rows`.
    """
    whole = chances.min() >= 1.0
    log_miss = 0.0 if whole else np.log(1.0 - chances[size - 1])
    nodes = len(starts) - 1
    combined = np.zeros(nodes, np.int64)
    extension = np.empty((size - 1, nodes), np.int32)
    length, place = np.zeros(size, np.int64), np.zeros(size, np.int64)
    subset, code = np.zeros(size, np.int64), np.zeros(size, np.int64)
    digit, shift = np.ones(size, np.int64), np.ones(size, np.int64)  # of node d in its pairs, and of all pairs so far
    for d in range(1, size):
        digit[d] = digit[d - 1] * states
        shift[d] = shift[d - 1] * digit[d - 1]
    keys, values = np.full(1024, -1, np.int64), np.zeros(1024, np.int64)
    used = 0
    rows = np.zeros((16 if width else 0, width), np.int64)
    for root in roots:
        if not whole and rng.random() >= chances[0]:
            continue
        subset[0], length[0], place[0], depth = root, 0, 0, 0
        for edge in range(starts[root], starts[root + 1]):
            other = neighbours[edge]
            if other > root:
                combined[other] = digits[edge]
                extension[0, length[0]] = other
                length[0] += 1
        while depth >= 0:
            if place[depth] == length[depth]:
                last = subset[depth]
                for edge in range(starts[last], starts[last + 1]):
                    if neighbours[edge] > root:
                        combined[neighbours[edge]] -= digits[edge] * digit[depth]
                depth -= 1
                continue
            node = extension[depth, place[depth]]
            place[depth] += 1
            if not whole and rng.random() >= chances[depth + 1]:
                continue
            inner = code[depth] + combined[node] * shift[depth + 1]
            rest, ends = place[depth], length[depth]
            if depth < size - 3:
                depth += 1
                subset[depth], code[depth], place[depth] = node, inner, 0
                count = 0
                for old in range(rest, ends):
                    extension[depth, count] = extension[depth - 1, old]
                    count += 1
                for edge in range(starts[node], starts[node + 1]):
                    other = neighbours[edge]
                    if other > root:
                        if combined[other] == 0:
                            extension[depth, count] = other
                            count += 1
                        combined[other] += digits[edge] * digit[depth]
                length[depth] = count
                continue
            # All but the last node are chosen.
            if width:
                where = _slot(keys, inner)
                if keys[where] == -1:
                    if used == len(rows):
                        if 2 * used > most_rows:
                            return keys, values, False
                        larger = np.zeros((2 * used, width), np.int64)
                        larger[:used] = rows
                        rows = larger
                    keys[where], values[where] = inner, used
                    used += 1
                    if 2 * used > keys.size:
                        keys, values = _grown(keys, values)
                        where = _slot(keys, inner)
                row = rows[values[where]]
                for edge in range(starts[node], starts[node + 1]):
                    other = neighbours[edge]
                    if other > root:
                        last_digits = digits[edge] * digit[depth + 1]
                        if combined[other] == 0 and (whole or rng.random() < chances[size - 1]):
                            row[last_digits] += 1
                        combined[other] += last_digits
                if whole:
                    for old in range(rest, ends):
                        row[combined[extension[depth, old]]] += 1
                else:
                    old = rest + _skip(rng, log_miss)
                    while old < ends:
                        row[combined[extension[depth, old]]] += 1
                        old += 1 + _skip(rng, log_miss)
            else:
                while 2 * (used + ends - rest + starts[node + 1] - starts[node]) > keys.size:
                    keys, values = _grown(keys, values)
                for edge in range(starts[node], starts[node + 1]):
                    other = neighbours[edge]
                    if other > root:
                        last_digits = digits[edge] * digit[depth + 1]
                        if combined[other] == 0 and (whole or rng.random() < chances[size - 1]):
                            used += _tally(keys, values, inner + last_digits * shift[size - 1])
                        combined[other] += last_digits
                old = rest if whole else rest + _skip(rng, log_miss)
                while old < ends:
                    used += _tally(keys, values, inner + combined[extension[depth, old]] * shift[size - 1])
                    old += 1 if whole else 1 + _skip(rng, log_miss)
            for edge in range(starts[node], starts[node + 1]):
                if neighbours[edge] > root:
                    combined[neighbours[edge]] -= digits[edge] * digit[depth + 1]
    if not width:
        kept = keys != -1
        return keys[kept], values[kept], True
    codes, counts = np.empty(1024, np.int64), np.empty(1024, np.int64)
    filled = 0
    for where in range(keys.size):
        if keys[where] != -1:
            row = rows[values[where]]
            for last in range(width):
                if row[last]:
                    if filled == codes.size:
                        codes, counts = np.append(codes, np.empty_like(codes)), np.append(counts, np.empty_like(counts))
                    codes[filled], counts[filled] = keys[where] + last * shift[size - 1], row[last]
                    filled += 1
    return codes[:filled], counts[:filled], True


class _Dyads:
    """A graph as the enumeration reads it, and the way from its raw codes to classes, kept over many graphs alike.

    pairs : int64 (states, 2), the pairs of colours (there, back) that occur between two nodes, (0, 0) first.
    """

    def __init__(self, graph, size, colors):
        check_size(size, colors)
        self.size, self.colors = size, colors
        pairs, _, _ = _pairs(graph)
        self.numbers = np.unique(np.concatenate([[0], self.number(pairs), self.number(pairs[:, ::-1])]))
        self.pairs = np.stack(np.divmod(self.numbers, colors + 1), axis=1)
        width = len(self.pairs)**(size - 1)
        few, subgraphs = FEW
        direct = width <= few or (width <= ROW and subgraphs_at_most(graph, size) > subgraphs)
        self.width = width if direct else 0
        self.known, self.classes = np.empty(0, np.int64), np.empty(0, np.int64)

    def number(self, pairs):
        return pairs[:, 0] * (self.colors + 1) + pairs[:, 1]

    def count(self, graph, threads):
        """Codes of classes and their counts, which may repeat."""
        raw, counts = self.raw(graph, threads)
        return self.classes_of(raw), counts

    def raw(self, graph, threads=1, chance=1.0, rng=None):
        """Raw codes and counts, which may repeat; of a share of the subgraphs, in one thread, where `chance` < 1."""
        pairs, ends, others = _pairs(graph)
        states = len(self.pairs)
        forth, back = (np.searchsorted(self.numbers, self.number(way)) for way in (pairs, pairs[:, ::-1]))
        sources, targets = np.concatenate([ends, others]), np.concatenate([others, ends])
        linked, places = np.unique(sources, return_inverse=True)  # nodes with links, by rising degree: hubs come last
        rank = np.empty(len(linked), np.int64)
        rank[np.argsort(np.bincount(places, minlength=len(linked)), kind="stable")] = np.arange(len(linked))
        sources, targets = rank[places], rank[np.searchsorted(linked, targets)]
        order = np.lexsort((targets, sources))
        starts = np.searchsorted(sources[order], np.arange(len(linked) + 1))
        arrays = starts, targets[order].astype(np.int32), np.concatenate([forth, back])[order]
        rng = rng or np.random.default_rng()
        chances = np.full(self.size, chance**(1 / self.size))

        def part(roots):
            most = CELLS // max(self.width, 1)
            made = _enumerate(roots, *arrays, self.size, states, self.width, most, chances, rng)
            return made if made[2] else _enumerate(roots, *arrays, self.size, states, 0, 0, chances, rng)

        roots = [np.arange(first, len(linked), threads) for first in range(threads)]
        if threads == 1:
            found = [part(roots[0])]
        else:
            with ThreadPoolExecutor(threads) as pool:
                found = list(pool.map(part, roots))
        return tuple(np.concatenate(parts) for parts in list(zip(*found, strict=True))[:2])

    def classes_of(self, raw):
        """Class codes of raw codes, int64; each raw code is looked at once in the life of this object."""
        new = np.setdiff1d(raw, self.known)
        if new.size:
            matrices, rest = np.zeros((len(new), self.size, self.size), np.int64), new
            for j in range(1, self.size):
                for i in range(j):
                    rest, digit = np.divmod(rest, len(self.pairs))
                    matrices[:, i, j], matrices[:, j, i] = self.pairs[digit].T
            known = np.concatenate([self.known, new])
            classes = np.concatenate([self.classes, canonical(matrices, self.colors)])
            order = np.argsort(known)
            self.known, self.classes = known[order], classes[order]
        return self.classes[np.searchsorted(self.known, raw)]


def _pairs(graph):
    """Linked pairs of nodes, each once: colours (there, back) int64 (d, 2), and their ends, int64 (d,) each."""
    low, high = np.minimum(graph.sources, graph.targets), np.maximum(graph.sources, graph.targets)
    order = np.lexsort((high, low))
    first = np.ones(len(order), bool)
    first[1:] = (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)
    where = np.cumsum(first) - 1
    pairs = np.zeros((int(first.sum()), 2), np.int64)
    pairs[where, (graph.sources > graph.targets)[order].astype(int)] = graph.colors[order]
    return pairs, low[order][first], high[order][first]


def uncolored(graph):
    """The same graph with one colour."""
    return replace(graph, colors=np.ones_like(graph.colors))


def census(graph, size, colored=True, threads=1, method="auto"):
    """All connected induced subgraphs on `size` nodes, by class: exact.

    Parameters
    ----------
    graph : Graph
    size : 3, 4 or 5
    colored : bool
        Whether edges of two colours differ.
    threads : int
        The counts are the same with any number.
    method : "auto", "enumerate" or "layered"
        "layered" is the closed form of `layered_census`; "auto" takes it where the graph is layered and it seems
        quicker. The counts are the same.

    Returns
    -------
    Census

    Raises
    ------
    ValueError
        For another size, and for more colours than `most_colors`.

    Notes
    -----
    Enumeration takes time with the number of subgraphs, 1e8 a second and more; `subgraphs_at_most` tells how many.
    """
    _check_threads(threads)
    if method not in ("auto", "enumerate", "layered"):
        raise ValueError(f"method {method!r}: expected auto, enumerate or layered")
    graph = graph if colored else uncolored(graph)
    colors = _colors(graph)
    check_size(size, colors)
    if method == "layered":
        return layered_census(layers(graph), size)
    if method == "auto" and size < 5 and subgraphs_at_most(graph, size) > 5e4:
        try:
            depth = layer_of(graph)
            if _layered_is_quicker(depth, graph, size, colors):
                return layered_census(_matrices(graph, depth), size)
        except NotLayered:
            pass
    return _made(*_Dyads(graph, size, colors).count(graph, threads), size, colors)


def subgraphs_at_most(graph, size):
    """How many trees on `size` nodes the graph has, directions aside, as float: each subgraph holds one at least.

    Trees of 5 nodes are bounded in turn, by those of 4 and the degrees of their ends.
    """
    check_size(size, 1)
    _, ends, others = _pairs(graph)
    degrees = np.bincount(np.concatenate([ends, others]), minlength=1).astype(float)
    forks = (degrees * (degrees - 1) / 2).sum()
    if size == 3:
        return float(forks)
    one, other = degrees[ends] - 1, degrees[others] - 1
    stars, chains = (degrees * (degrees - 1) * (degrees - 2) / 6).sum(), (one * other).sum()
    if size == 4:
        return float(stars + chains)
    beyond = np.bincount(np.concatenate([ends, others]), np.concatenate([other, one]), minlength=len(degrees))
    stars_of_four = (degrees * (degrees - 1) * (degrees - 2) * (degrees - 3) / 24).sum()
    spoons = ((degrees - 1) * (degrees - 2) / 2 * beyond).sum()  # a star of three, one of its leaves goes on
    squares = np.bincount(np.concatenate([ends, others]), np.concatenate([other, one])**2, minlength=len(degrees))
    return float(stars_of_four + spoons + (beyond**2 - squares).sum() / 2)  # and chains, by their middle


def _layered_is_quicker(depth, graph, size, colors):
    """By what a multiplication, an entry, a kind of star, a layer, and a subgraph took when it was written."""
    sides = np.bincount(depth[depth >= 0]).tolist()
    entries = sum(a * b for a, b in itertools.pairwise(sides))
    if len(sides) < 2 or entries > DENSE or max(sides) > WIDEST:
        return False
    products = sum(min(a, b)**2 * max(a, b) for a, b in itertools.pairwise(sides))
    products += sum(a * b * c for a, b, c in zip(sides, sides[1:], sides[2:], strict=False))
    closed = 2e-4 * len(sides) + 3e-9 * colors * entries + 1e-6 * colors**(size - 1)
    closed += 1e-10 * colors**2 * products if size == 4 else 0
    return closed < subgraphs_at_most(graph, size) / 1e8


def sampled_census(graph, size, chance, colored=True, replicates=10, threads=1, seed=0):
    """An estimate of the census from a random share of the subgraphs (RAND-ESU; Wernicke 2006), with errors.

    Parameters
    ----------
    chance : float in (0, 1]
        Of each subgraph to be seen, over all replicates; the nodes of a subset are gone on with at equal chances.
    replicates : int, 2 or more
        Independent samples, whose spread gives the standard errors.

    Returns
    -------
    Census
        counts float64, unbiased; errors float64, standard errors. A rare motif may be missing.
    """
    _check_threads(threads)
    if not (0 < chance <= 1 and replicates >= 2):
        raise ValueError(f"chance {chance!r} and {replicates!r} replicates: expected a number in (0, 1] and 2 or more")
    graph = graph if colored else uncolored(graph)
    colors, each = _colors(graph), chance / replicates
    dyads = _Dyads(graph, size, colors)
    generators = np.random.default_rng(seed).spawn(replicates)
    with ThreadPoolExecutor(threads) as pool:  # a replicate a thread: the same with any number of them
        found = list(pool.map(lambda rng: dyads.raw(graph, chance=each, rng=rng), generators))
    samples = [_made(dyads.classes_of(raw), counts, size, colors) for raw, counts in found]
    codes = np.unique(np.concatenate([sample.codes for sample in samples]))
    counts = np.zeros((replicates, len(codes)))
    for row, sample in zip(counts, samples, strict=True):
        row[np.searchsorted(codes, sample.codes)] = sample.counts / each
    return _made(codes, counts.mean(axis=0), size, colors, counts.std(axis=0, ddof=1) / np.sqrt(replicates))


def _colors(graph):
    return int(graph.colors.max(initial=1))


def _check_threads(threads):
    if not (isinstance(threads, int | np.integer) and threads > 0):
        raise ValueError(f"threads is {threads!r}: expected a positive whole number")


# ---- census of layers, in closed form ---------------------------------------------------------------------
# Edges lead from each layer to the next, so a connected subset spans neighbouring layers, and what it can be follows
# from how many of its nodes are in each. Trees around one node are counted by degrees, those around one edge by degrees
# and a matrix of colours; four nodes with a pair in between by how many ways lead from a to c: ways[x, y][a, c] is the
# number of b with colours x from a and y to c, a product of two matrices, and two of the ways make a subgraph.

def layered_census(matrices, size=4):
    """The census of a layered net without visiting its subgraphs: exact, for sizes 3 and 4.

    Parameters
    ----------
    matrices : list of int (n_l, n_{l+1})
        Colours of the edges between neighbouring layers, 0 for no edge.

    Returns
    -------
    Census

    Notes
    -----
    Some 2 C² n_l n_{l+1} n_{l+2} multiplications for C colours, however many subgraphs there are.
    """
    matrices = _layers(matrices)
    colors = int(max(1, *(matrix.max(initial=0) for matrix in matrices)))
    if size not in (3, 4):
        raise ValueError(f"size {size!r}: the closed form covers 3 and 4")
    check_size(size, colors)
    widest = max(max(matrix.shape) for matrix in matrices)
    if widest > WIDEST:
        raise ValueError(f"a layer of {widest} units: the closed form covers {WIDEST}, take enumeration")
    if _trees_of(matrices) >= 2**63:
        raise ValueError("more subgraphs than 64-bit counts hold: take sampled_census")
    return _made(*_layered(matrices, size, colors), size, colors)


def _trees_of(matrices):
    """Stars and chains of four nodes, as float: each connected subgraph holds one."""
    out, inn = ([(matrix > 0).sum(axis=axis, dtype=float) for matrix in matrices] for axis in (1, 0))
    degrees = [out[0], *(a + b for a, b in zip(out[1:], inn, strict=False)), inn[-1]]
    stars = sum((k * (k - 1) * (k - 2) / 6).sum() for k in degrees)
    return stars + sum((a - 1) @ (matrix > 0) @ (b - 1) for a, matrix, b in zip(degrees, matrices, degrees[1:],
                                                                                strict=False))


def _layered(matrices, size, colors):
    """Class codes, which may repeat, and counts."""
    kinds = range(1, colors + 1)
    # [l][x - 1]: how many edges of colour x leave and reach each unit of a matrix's two sides
    leave = [np.stack([(matrix == x).sum(axis=1) for x in kinds]) for matrix in matrices]
    reach = [np.stack([(matrix == x).sum(axis=0) for x in kinds]) for matrix in matrices]
    shapes, codes, counts = _shapes(size, colors), [], []

    def add(shape, values):
        found, where, repeats = shapes[shape]
        sums = np.zeros(len(found) + 1, np.int64)  # the last one takes what is not connected
        np.add.at(sums, where, np.asarray(values, dtype=np.int64).ravel())
        codes.append(found)
        counts.append(sums[:-1] // repeats)

    for out, inn in zip(leave, reach, strict=True):
        add("out", _multisets(out, size - 1).sum(axis=1))
        add("in", _multisets(inn, size - 1).sum(axis=1))
    for inn, out in zip(reach, leave[1:], strict=False):
        for inner in range(1, size - 1):
            add(("through", inner), _multisets(inn, inner) @ _multisets(out, size - 1 - inner).T)
    if size == 4:
        for inn, matrix, out in zip(reach, matrices[1:], leave[2:], strict=False):
            add("chain", [inn @ (matrix == x).astype(np.int64) @ out.T for x in kinds])
        for matrix in matrices:
            if len(matrix) <= matrix.shape[1]:
                add("pairs of sources", _two_ways(matrix, matrix.T, colors, apart=True))
            else:
                add("pairs of targets", _two_ways(matrix.T, matrix, colors, apart=True))
        for matrix, following in itertools.pairwise(matrices):
            add("two ways", _two_ways(matrix, following, colors, apart=False))
    return np.concatenate(codes), np.concatenate(counts)


def _multisets(degrees, size):
    """Choices of `size` edges at each unit, by their colours in the order of combinations_with_replacement.

    degrees: int64 (colours, units) -> int64 (multisets, units).
    """
    few = {1: degrees, 2: degrees * (degrees - 1) // 2, 3: degrees * (degrees - 1) // 2 * (degrees - 2) // 3}
    chosen = []
    for colors in itertools.combinations_with_replacement(range(len(degrees)), size):
        product = np.ones(degrees.shape[1], np.int64)
        for color in set(colors):
            product = product * few[colors.count(color)][color]
        chosen.append(product)
    return np.array(chosen)


def _two_ways(left, right, colors, apart):
    """Ordered pairs of different b between the same a and c, by their colours, int64 (s, s) with s = (colours + 1)².

    left: int64 (a, b), right: (b, c). State x (colours + 1) + y is colour x from a to b and y from b to c; (0, 0) is
    not counted. apart: a and c are of one layer, and differ.
    """
    base, kinds = colors + 1, range(1, colors + 1)
    stacked = np.concatenate([right == y for y in kinds], axis=1).astype(np.float32)  # exact below 2**24 ways
    to = np.array([(right == y).sum(axis=0) for y in kinds])
    pairs, singles = np.zeros((base * base,) * 2, np.int64), np.zeros(base * base, np.int64)
    middle, ends = right.shape
    if middle * middle * ends >= 2**53:
        raise ValueError(f"layers of {len(left)}, {middle} and {ends} units: too many ways to add up exactly, take "
                         "enumeration")
    rows = max(1, min(2**21 // (base * base * max(ends, 1)), 2**53 // max(middle * middle * ends, 1)))
    for start in range(0, len(left), rows):
        part = left[start:start + rows]
        ways = np.zeros((base, base, len(part), right.shape[1]))
        for x in kinds:
            inner = ((part == x).astype(np.float32) @ stacked).reshape(len(part), colors, -1)
            ways[x, 1:] = inner.swapaxes(0, 1)
            ways[x, 0] = (part == x).sum(axis=1)[:, None] - ways[x, 1:].sum(axis=0)
        ways[0, 1:] = to[:, None, :] - ways[1:, 1:].sum(axis=0)
        if apart:
            inside = np.arange(len(part))
            ways[:, :, inside, start + inside] = 0
        flat = ways.reshape(base * base, -1)
        pairs += np.rint(flat @ flat.T).astype(np.int64)  # exact: each is below 2**53
        singles += np.rint(flat.sum(axis=1)).astype(np.int64)
    pairs[np.diag_indices_from(pairs)] -= singles
    return pairs


@lru_cache
def _shapes(size, colors):
    """Of each shape of subset: class codes, where among them each count belongs, and how often each subset is counted.

    Counts that belong to no connected subgraph go to a place behind the last one.
    """
    kinds, made = range(1, colors + 1), {}

    def multisets(length):
        return list(itertools.combinations_with_replacement(kinds, length))

    def put(shape, edges_of_each, repeats=1):
        matrices = np.zeros((len(edges_of_each), size, size), np.int64)
        for matrix, edges in zip(matrices, edges_of_each, strict=True):
            for source, target, color in edges:
                matrix[source, target] = color
        codes = np.where(_connected(matrices), canonical(matrices, colors), -1)
        found = np.unique(codes[codes >= 0])
        made[shape] = found, np.where(codes >= 0, np.searchsorted(found, codes), len(found)), repeats

    put("out", [[(0, leaf, x) for leaf, x in enumerate(chosen, 1)] for chosen in multisets(size - 1)])
    put("in", [[(leaf, 0, x) for leaf, x in enumerate(chosen, 1)] for chosen in multisets(size - 1)])
    for inner in range(1, size - 1):
        put(("through", inner), [[(leaf, 0, x) for leaf, x in enumerate(one, 1)]
                                 + [(0, leaf, x) for leaf, x in enumerate(other, inner + 1)]
                                 for one in multisets(inner) for other in multisets(size - 1 - inner)])
    if size == 4:
        put("chain", [[(0, 1, y), (1, 2, x), (2, 3, z)] for x in kinds for y in kinds for z in kinds])
        states = list(itertools.product(range(colors + 1), repeat=2))
        both = list(itertools.product(states, repeat=2))  # nodes 0 and 1 are a and c, 2 and 3 the two b
        put("pairs of sources", [[(0, 2, s[0]), (1, 2, s[1]), (0, 3, t[0]), (1, 3, t[1])] for s, t in both], 4)
        put("pairs of targets", [[(2, 0, s[0]), (2, 1, s[1]), (3, 0, t[0]), (3, 1, t[1])] for s, t in both], 4)
        put("two ways", [[(0, 2, s[0]), (2, 1, s[1]), (0, 3, t[0]), (3, 1, t[1])] for s, t in both], 2)
    return made


def _connected(matrices):
    """Whether each of these graphs hangs together, directions aside: bool (q,)."""
    linked = (matrices + matrices.swapaxes(1, 2) + np.eye(matrices.shape[1], dtype=np.int64)) > 0
    reached = linked
    for _ in range(2):  # ways of up to 4 links
        reached = (reached.astype(np.int64) @ reached) > 0
    return reached.all(axis=(1, 2))


# ---- random graphs ----------------------------------------------------------------------------------------

@dataclass(frozen=True, eq=False)
class Rewired:
    """A random graph, and how many exchanges were tried and made on the way to it."""

    graph: Graph
    tries: int
    exchanges: int


@compiled
def _exchange(ends, others, first, last, mirrored, nodes, sweeps, tries, rng):
    """Exchange the far ends of links of one kind, in place; returns how often it was tried and done.

    ends, others: int64 (links,), the links of one kind in first[k] .. last[k] - 1, k being the link's; mirrored: bool
    (links,), a link that is the same from both ends, met from either. Refused where the four ends are not distinct or
    either new pair is linked already, in any direction.
    """
    links = len(ends)
    size = 1024
    while size < 8 * links:
        size *= 2
    keys = np.full(size, -1, np.int64)  # linked pairs; -2 where one was taken out
    filled = 0
    tried, done = 0, 0
    for _sweep in range(sweeps):
        for link in range(links):
            if filled < links or 2 * filled > size:  # at first, and where too many are taken out
                keys[:] = -1
                for other in range(links):
                    low, high = min(ends[other], others[other]), max(ends[other], others[other])
                    keys[_slot(keys, low * nodes + high)] = low * nodes + high
                filled = links
            for _attempt in range(tries):
                tried += 1
                partner = rng.integers(first[link], last[link])
                a, b, c, d = ends[link], others[link], ends[partner], others[partner]
                turned = mirrored[partner] and rng.random() < 0.5
                if turned:
                    c, d = d, c
                if a in (c, d) or b in (c, d):
                    continue
                one, two = min(a, d) * nodes + max(a, d), min(c, b) * nodes + max(c, b)
                if keys[_slot(keys, one)] == one or keys[_slot(keys, two)] == two:
                    continue
                keys[_slot(keys, min(a, b) * nodes + max(a, b))] = -2
                keys[_slot(keys, min(c, d) * nodes + max(c, d))] = -2
                keys[_slot(keys, one)] = one
                keys[_slot(keys, two)] = two
                filled += 2
                others[link] = d
                if turned:
                    ends[partner], others[partner] = b, c
                else:
                    others[partner] = b
                done += 1
                break
    return tried, done


def rewire(graph, rng, keep_layers=False, sizes=None):
    """A random graph by exchanging the ends of links: three sweeps over all links, up to three tries each.

    Degrees are kept, by colour; so are mutual edges, with their pairs of colours. With `keep_layers` ends are exchanged
    between links of one pair of layers alone; without, as in FANMOD ("locally constant number of bidirectional edges",
    "exchanging only edges with the same color"), a layered graph loses its layers.

    Parameters
    ----------
    rng : numpy.random.Generator, or a seed for one
    sizes : sequence of int, optional
        Units of each layer, as `layers` takes them.

    Returns
    -------
    Rewired

    Raises
    ------
    NotLayered
        With `keep_layers`, for a graph without layers.
    """
    return _rewire(graph, np.random.default_rng(rng), layer_of(graph, sizes) if keep_layers else None)


def _rewire(graph, rng, depth):
    pairs, ends, others = _pairs(graph)
    turn = (pairs[:, 0] < pairs[:, 1]) if len(pairs) else np.zeros(0, bool)  # single links from their source, and
    ends, others = np.where(turn, others, ends), np.where(turn, ends, others)  # mutual ones from the higher colour
    pairs = np.sort(pairs, axis=1)[:, ::-1]
    kinds = [pairs[:, 0], pairs[:, 1]]
    if depth is not None:
        kinds.append(depth[ends])
    order = np.lexsort(kinds)
    pairs, ends, others = pairs[order], np.ascontiguousarray(ends[order]), np.ascontiguousarray(others[order])
    changes = np.ones(len(order), bool)
    changes[1:] = np.any([np.diff(kind[order]) != 0 for kind in kinds], axis=0)
    starts = np.flatnonzero(changes)
    first = starts[np.cumsum(changes) - 1] if len(order) else np.empty(0, np.int64)
    last = np.append(starts[1:], len(order))[np.cumsum(changes) - 1]
    tried, done = _exchange(ends, others, first, last, pairs[:, 0] == pairs[:, 1], graph.nodes, SWEEPS, TRIES, rng)
    back = pairs[:, 1] > 0
    drawn = replace(graph, sources=np.concatenate([ends, others[back]]), targets=np.concatenate([others, ends[back]]),
                    colors=np.concatenate([pairs[:, 0], pairs[back, 1]]))
    return Rewired(drawn, tried, done)


# ---- what stands out --------------------------------------------------------------------------------------

@dataclass(frozen=True, eq=False)
class Significance:
    """The motifs of a graph beside those of random graphs, by ascending code; arrays of (q,).

    Attributes
    ----------
    census : Census
        Of the graph itself.
    frequency, mean_frequency, std : float64
        Share of all subgraphs of that size; its mean and sample standard deviation over the random graphs.
    differs : bool
        Whether the random graphs differ among each other; some trees are conserved by the layered null.
    z : float64
        Of frequencies for the null model fanmod, of counts for layered, which conserves some and nearly the total.
        Where the random graphs do not differ 0 if the graph has what they have, else infinite.
    p : float64
        (1 + random graphs with at least as much) / (1 + random graphs): above chance, never 0.
    q : float64
        p after Benjamini and Hochberg (1995) over all motifs but those conserved at what the graph has: 1 there.
    larger : float64
        The share of random graphs with strictly more, as FANMOD prints it for p.
    profile : float64
        z over the length of all z (Milo et al. 2004), infinite ones counted as the largest finite one.
    totals : int64 (nulls,)
        Subgraphs of each random graph.
    tries, exchanges : int
        Of the rewiring.
    """

    census: Census
    frequency: np.ndarray
    mean_frequency: np.ndarray
    std: np.ndarray
    differs: np.ndarray
    z: np.ndarray
    p: np.ndarray
    q: np.ndarray
    larger: np.ndarray
    profile: np.ndarray
    totals: np.ndarray
    tries: int
    exchanges: int


def significance(graph, size, nulls, model="fanmod", seed=0, colored=True, threads=1, sizes=None, progress=iter):
    """The census of a graph, held against random graphs.

    Parameters
    ----------
    nulls : int
        Random graphs, each rewired from the one before, after one that is not counted.
    model : "fanmod" or "layered"
        What `rewire` keeps.
    seed : int, not negative, or numpy.random.Generator
    sizes : sequence of int, optional
        Units of each layer, for "layered".
    progress : function from an iterable to one
        For a bar.

    Returns
    -------
    Significance
    """
    _check_threads(threads)
    if model not in MODELS:
        raise ValueError(f"null model {model!r}: expected one of {', '.join(MODELS)}")
    if not (isinstance(nulls, int | np.integer) and nulls >= 2):
        raise ValueError(f"{nulls!r} random graphs: expected 2 or more")
    rng = np.random.default_rng(seed)
    graph = graph if colored else uncolored(graph)
    colors = _colors(graph)
    check_size(size, colors)
    depth = layer_of(graph, sizes) if model == "layered" else None
    closed = depth is not None and size < 5 and _layered_is_quicker(depth, graph, size, colors)
    dyads = None if closed else _Dyads(graph, size, colors)

    def count(one):
        found = _layered(_matrices(one, depth), size, colors) if closed else dyads.count(one, threads)
        return _made(*found, size, colors)

    own, drawn = count(graph), _rewire(graph, rng, depth)
    counts, totals = np.zeros((nulls, len(own.codes)), np.int64), np.zeros(nulls, np.int64)
    tries, exchanges = drawn.tries, drawn.exchanges
    for row in progress(range(nulls)):
        drawn = _rewire(drawn.graph, rng, depth)
        found = count(drawn.graph)
        here = np.searchsorted(found.codes, own.codes).clip(max=max(len(found.codes) - 1, 0))
        if len(found.codes):
            counts[row] = np.where(found.codes[here] == own.codes, found.counts[here], 0)
        totals[row], tries, exchanges = found.total, tries + drawn.tries, exchanges + drawn.exchanges
    return _compared(own, counts, totals, model, tries, exchanges)


def _compared(own, counts, totals, model, tries, exchanges):
    frequency, shares = own.counts / max(own.total, 1), counts / np.maximum(totals, 1)[:, None]
    observed, chance = (own.counts, counts) if model == "layered" else (frequency, shares)
    differs = chance.max(axis=0) > chance.min(axis=0)  # not by the deviation, which rounding may leave above zero
    off = observed - np.where(differs, chance.mean(axis=0), chance[0])
    z = np.where(off == 0, 0.0, np.copysign(np.inf, off))
    z[differs] = off[differs] / chance.std(axis=0, ddof=1)[differs]
    p = (1 + (chance >= observed).sum(axis=0)) / (1 + len(counts))
    q, tested = np.ones(len(p)), differs | (off != 0)
    q[tested] = false_discovery(p[tested])
    finite = np.clip(z, *(np.array([-1, 1]) * np.abs(z[np.isfinite(z)]).max(initial=0)))
    length = np.sqrt((finite * finite).sum())
    std = np.where(shares.max(axis=0) > shares.min(axis=0), shares.std(axis=0, ddof=1), 0.0)
    return Significance(own, frequency, shares.mean(axis=0), std, differs, z, p, q, (chance > observed).mean(axis=0),
                        finite / length if length else finite, totals, tries, exchanges)


def false_discovery(p):
    """Benjamini and Hochberg's q of each p, float64; ValueError for what is no list of chances, maybe an empty one."""
    p = np.asarray(p)
    if p.size:
        p = arrays.real("p", p, axes=1).astype(float)
        if p.min() < 0 or p.max() > 1:
            raise ValueError(f"p runs from {p.min():.6g} to {p.max():.6g}: expected chances, in [0, 1]")
    q, order = np.ones(len(p)), np.argsort(p)
    raised = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1.0)
    return q
