"""Count motifs by visiting every connected subgraph (ESU; Wernicke 2006), or a random share of them (RAND-ESU).

A subset of nodes v0, v1, ... has a raw code, which is written as the subset grows. Each pair of nodes has a state, the
number of its two colours (from the first node to the second, and back) among the pairs of colours that occur; state 0
is no edge. The states of the pairs (i, j), i < j, are the digits of the raw code, at place j (j - 1) / 2 + i, in base
`states`. `combined[u]` holds the digits of a node u with the nodes of the subset so far, so that a last node adds its
whole part of the code by one look-up.
"""
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from gradnets.motifs._tables import compiled, doubled, slot, tally
from gradnets.motifs.codes import canonical, check_size

NARROW_TABLE = 512        # direct tables up to this width always pay off,
WIDEST_TABLE = 4096       # and up to this width for graphs
MANY_SUBGRAPHS = 5e6      # with more subgraphs than this
MOST_CELLS = 2**27        # of all direct tables together, 1 GB


class Links(NamedTuple):
    """The links of a graph: those of node v are at starts[v] to starts[v + 1] - 1, by rising neighbour."""

    starts: np.ndarray     # int64 (nodes + 1,)
    neighbors: np.ndarray  # int32 (links,)
    states: np.ndarray     # int64 (links,): state of the pair (v, neighbour)


class Plan(NamedTuple):
    """How subgraphs are counted. A subset of size - 1 nodes has a direct table of its last nodes, `width` numbers."""

    size: int             # nodes of a subgraph
    states: int           # number of states
    width: int            # states**(size - 1); 0 to count whole codes in one hash table instead
    most_tables: int      # number of direct tables that may be made
    chances: np.ndarray   # float64 (size,): chance of going on with the node at each depth; all 1 to count exactly


class Enumeration:
    """Count the subgraphs of graphs whose linked pairs have the same colours.

    The codes of classes are found once for each raw code that occurs, in all graphs together.

    Attributes
    ----------
    pairs : int64 (states, 2)
        The pairs of colours (there, back) that occur between two nodes, ascending; (0, 0) is the first.
    reverse_states : int64 (states,)
        The state of a pair of nodes in the opposite order.
    """

    def __init__(self, graph, size, colors):
        check_size(size, colors)
        self.size, self.colors = size, colors
        pairs, _, _ = graph.linked_pairs
        self._numbers = np.unique(np.concatenate([[0], self._number(pairs), self._number(pairs[:, ::-1])]))
        self.pairs = np.stack(np.divmod(self._numbers, colors + 1), axis=1)
        self.reverse_states = np.searchsorted(self._numbers, self._number(self.pairs[:, ::-1]))
        width = len(self.pairs)**(size - 1)
        direct = width <= NARROW_TABLE or (width <= WIDEST_TABLE and subgraphs_at_most(graph, size) > MANY_SUBGRAPHS)
        self._width = width if direct else 0
        self._raw, self._classes = np.array([-1]), np.array([-1])  # raw codes so far, ascending, and their classes

    def _number(self, pairs):
        return pairs[:, 0] * (self.colors + 1) + pairs[:, 1]

    def counts(self, graph, threads=1):
        """Return the codes of classes and their counts, int64; a code may occur several times."""
        raw, counts = self.raw_counts(graph, threads)
        return self.classes(raw), counts

    def raw_counts(self, graph, threads=1, chance=1.0, rng=None):
        """Return raw codes and their counts, int64; a code may occur several times.

        chance: of each subgraph to be counted; chances below 1 take one thread.
        """
        links = self.links(graph)
        nodes = len(links.starts) - 1
        plan = Plan(self.size, len(self.pairs), self._width, MOST_CELLS // max(self._width, 1),
                    np.full(self.size, chance**(1 / self.size)))
        rng = rng or np.random.default_rng()

        def counts_of(roots):
            codes, counts, complete = _enumerate(roots, links, plan, rng)
            if not complete:
                codes, counts, _ = _enumerate(roots, links, plan._replace(width=0), rng)
            return codes, counts

        threads = max(1, min(threads, nodes))
        roots = [np.arange(first, nodes, threads) for first in range(threads)]
        if threads == 1:
            parts = [counts_of(roots[0])]
        else:
            with ThreadPoolExecutor(threads) as pool:
                parts = list(pool.map(counts_of, roots))
        return tuple(map(np.concatenate, zip(*parts, strict=True)))

    def links(self, graph):
        """Return the Links of a graph, its linked nodes numbered by rising degree, so that hubs come last."""
        pairs, low, high = graph.linked_pairs
        states = np.searchsorted(self._numbers, self._number(pairs))
        degrees = np.bincount(np.concatenate([low, high]))
        by_degree = np.argsort(degrees, kind="stable")
        by_degree = by_degree[np.searchsorted(degrees[by_degree], 1):]  # linked nodes only
        rank = np.empty(len(degrees), np.int64)
        rank[by_degree] = np.arange(len(by_degree))
        starts = np.append(0, np.cumsum(degrees[by_degree]))
        return Links(starts, *_list_links(rank[low], rank[high], states, self.reverse_states, starts))

    def classes(self, raw):
        """Return the class codes of raw codes, int64."""
        places = np.searchsorted(self._raw, raw).clip(max=len(self._raw) - 1)
        new = np.unique(raw[self._raw[places] != raw])
        if new.size:
            matrices, rest = np.zeros((len(new), self.size, self.size), np.int64), new
            for j in range(1, self.size):
                for i in range(j):
                    rest, state = np.divmod(rest, len(self.pairs))
                    matrices[:, i, j], matrices[:, j, i] = self.pairs[state].T
            raw_codes = np.concatenate([self._raw, new])
            class_codes = np.concatenate([self._classes, canonical(matrices, self.colors)])
            order = np.argsort(raw_codes)
            self._raw, self._classes = raw_codes[order], class_codes[order]
        return self._classes[np.searchsorted(self._raw, raw)]


def subgraphs_at_most(graph, size):
    """Return an upper bound of the number of connected subgraphs on `size` nodes, as float.

    The bound is the number of trees in the graph, directions aside, since each connected subgraph contains a tree.
    For size 5 it is an upper bound of the number of trees, from the degrees of nodes and of their neighbours.
    """
    check_size(size, 1)
    _, low, high = graph.linked_pairs
    ends, neighbors = np.concatenate([low, high]), np.concatenate([high, low])
    degrees = np.bincount(ends, minlength=1).astype(float)
    if size == 3:
        return float((degrees * (degrees - 1) / 2).sum())
    low_others, high_others = degrees[low] - 1, degrees[high] - 1  # further links at each end of a link
    if size == 4:
        stars = (degrees * (degrees - 1) * (degrees - 2) / 6).sum()
        return float(stars + (low_others * high_others).sum())
    others = degrees[neighbors] - 1
    beyond = np.bincount(ends, others, minlength=len(degrees))  # ways of two links from each node
    stars = (degrees * (degrees - 1) * (degrees - 2) * (degrees - 3) / 24).sum()
    forks = ((degrees - 1) * (degrees - 2) / 2 * beyond).sum()  # stars of three links, one of which goes on
    chains = (beyond**2 - np.bincount(ends, others**2, minlength=len(degrees))).sum() / 2  # by their middle node
    return float(stars + forks + chains)


# ---- kernels ----------------------------------------------------------------------------------------------

@compiled
def _list_links(low, high, states, reverse, starts):
    """Return the neighbours of each node, ascending, and the states, as Links has them, of linked pairs of nodes."""
    unsorted, neighbors = np.empty(2 * len(low), np.int64), np.empty(2 * len(low), np.int32)
    states_of = np.empty(2 * len(low), np.int64)
    end = starts.copy()
    for pair in range(len(low)):
        for node in (low[pair], high[pair]):
            unsorted[end[node]] = pair
            end[node] += 1
    end[:] = starts
    for neighbor in range(len(starts) - 1):  # each node is listed with all its neighbours, by rising node
        for pair in unsorted[starts[neighbor]:starts[neighbor + 1]]:
            is_high = high[pair] == neighbor
            node = low[pair] if is_high else high[pair]
            neighbors[end[node]] = neighbor
            states_of[end[node]] = states[pair] if is_high else reverse[states[pair]]
            end[node] += 1
    return neighbors, states_of


@compiled
def _skipped(rng, log_miss):
    """Return how many items are skipped before the next one is taken, each with the chance 1 - exp(log_miss)."""
    return int(min(np.log(1.0 - rng.random()) / log_miss, 2.0**40))


@compiled
def _enumerate(roots, links, plan, rng):
    """Count the connected induced subgraphs whose smallest node is one of `roots`.

    Returns (raw codes, counts, True), or False as the third item if there are more direct tables than `most_tables`.
    """
    starts, neighbors, states_of = links
    size, states, width, most_tables, chances = plan
    exact = chances.min() >= 1.0
    log_miss = 0.0 if exact else np.log(1.0 - chances[size - 1])
    nodes = len(starts) - 1
    combined = np.zeros(nodes, np.int64)
    extension = np.empty((size - 1, nodes), np.int32)  # candidates for the next node, at each depth
    length, place = np.zeros(size, np.int64), np.zeros(size, np.int64)  # of the candidates, and of the next of them
    subset, code = np.zeros(size, np.int64), np.zeros(size, np.int64)
    digit, shift = np.ones(size, np.int64), np.ones(size, np.int64)  # of node d in its pairs, and of all pairs so far
    for d in range(1, size):
        digit[d] = digit[d - 1] * states
        shift[d] = shift[d - 1] * digit[d - 1]
    keys, values = np.full(1024, -1, np.int64), np.zeros(1024, np.int64)
    used = 0
    tables = np.zeros((16 if width else 0, width), np.int64)
    for root in roots:
        if not exact and rng.random() >= chances[0]:
            continue
        subset[0], length[0], place[0], depth = root, 0, 0, 0
        for edge in range(starts[root], starts[root + 1]):
            neighbor = neighbors[edge]
            if neighbor > root:
                combined[neighbor] = states_of[edge]
                extension[0, length[0]] = neighbor
                length[0] += 1
        while depth >= 0:
            if place[depth] == length[depth]:  # no candidate is left: take the subset's last node away
                last = subset[depth]
                for edge in range(starts[last], starts[last + 1]):
                    if neighbors[edge] > root:
                        combined[neighbors[edge]] -= states_of[edge] * digit[depth]
                depth -= 1
                continue
            node = extension[depth, place[depth]]
            place[depth] += 1
            if not exact and rng.random() >= chances[depth + 1]:
                continue
            inner = code[depth] + combined[node] * shift[depth + 1]
            rest, end = place[depth], length[depth]
            if depth < size - 3:
                depth += 1
                subset[depth], code[depth], place[depth] = node, inner, 0
                count = 0
                for candidate in range(rest, end):
                    extension[depth, count] = extension[depth - 1, candidate]
                    count += 1
                for edge in range(starts[node], starts[node + 1]):
                    neighbor = neighbors[edge]
                    if neighbor > root:
                        if combined[neighbor] == 0:
                            extension[depth, count] = neighbor
                            count += 1
                        combined[neighbor] += states_of[edge] * digit[depth]
                length[depth] = count
                continue
            # All nodes but the last are chosen: count the subgraphs with each last node.
            if width:
                slot_of = slot(keys, inner)
                if keys[slot_of] == -1:
                    if used == len(tables):
                        if 2 * used > most_tables:
                            return keys, values, False
                        larger = np.zeros((2 * used, width), np.int64)
                        larger[:used] = tables
                        tables = larger
                    keys[slot_of], values[slot_of] = inner, used
                    used += 1
                    if 2 * used > keys.size:
                        keys, values = doubled(keys, values)
                        slot_of = slot(keys, inner)
                table = tables[values[slot_of]]
                for edge in range(starts[node], starts[node + 1]):
                    neighbor = neighbors[edge]
                    if neighbor > root:
                        last_digits = states_of[edge] * digit[depth + 1]
                        if combined[neighbor] == 0 and (exact or rng.random() < chances[size - 1]):
                            table[last_digits] += 1
                        combined[neighbor] += last_digits
                if exact:
                    for candidate in range(rest, end):
                        table[combined[extension[depth, candidate]]] += 1
                else:
                    candidate = rest + _skipped(rng, log_miss)
                    while candidate < end:
                        table[combined[extension[depth, candidate]]] += 1
                        candidate += 1 + _skipped(rng, log_miss)
            else:
                while 2 * (used + end - rest + starts[node + 1] - starts[node]) > keys.size:
                    keys, values = doubled(keys, values)
                for edge in range(starts[node], starts[node + 1]):
                    neighbor = neighbors[edge]
                    if neighbor > root:
                        last_digits = states_of[edge] * digit[depth + 1]
                        if combined[neighbor] == 0 and (exact or rng.random() < chances[size - 1]):
                            used += tally(keys, values, inner + last_digits * shift[size - 1])
                        combined[neighbor] += last_digits
                candidate = rest if exact else rest + _skipped(rng, log_miss)
                while candidate < end:
                    used += tally(keys, values, inner + combined[extension[depth, candidate]] * shift[size - 1])
                    candidate += 1 if exact else 1 + _skipped(rng, log_miss)
            for edge in range(starts[node], starts[node + 1]):
                if neighbors[edge] > root:
                    combined[neighbors[edge]] -= states_of[edge] * digit[depth + 1]
    if width:
        codes, counts = _entries(keys, values, tables, shift[size - 1])
        return codes, counts, True
    occurs = keys != -1
    return keys[occurs], values[occurs], True


@compiled
def _entries(keys, values, tables, shift):
    """Return the raw codes and counts of all entries of direct tables that are not 0."""
    codes, counts = np.empty(1024, np.int64), np.empty(1024, np.int64)
    filled = 0
    for slot_of in range(keys.size):
        if keys[slot_of] != -1:
            table = tables[values[slot_of]]
            for last_digits in range(len(table)):
                if table[last_digits]:
                    if filled == codes.size:
                        codes, counts = np.append(codes, np.empty_like(codes)), np.append(counts, np.empty_like(counts))
                    codes[filled], counts[filled] = keys[slot_of] + last_digits * shift, table[last_digits]
                    filled += 1
    return codes[:filled], counts[:filled]
