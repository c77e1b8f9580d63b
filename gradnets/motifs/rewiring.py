"""Random graphs with the links of a given graph, by exchanging the ends of links."""
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gradnets import draws, streams
from gradnets.motifs._tables import compiled, slot
from gradnets.motifs.graphs import Graph, layer_of

SWEEPS, TRIES = 3, 3  # sweeps over all links, and tries per exchange: FANMOD's
WORDS_PER_LINK = 16   # a bit for each pair of nodes, if these take fewer words than a hash table of the links


@dataclass(frozen=True, eq=False)
class Rewired:
    """A random graph, and how many exchanges were tried and made on the way to it."""

    graph: Graph
    tries: int
    exchanges: int


def rewire(graph, rng, keep_layers=False, sizes=None):
    """Draw a random graph by exchanging the ends of links: three sweeps over all links, up to three tries each.

    Every node keeps its number of links of each kind: edges out and in by colour, and mutual edges by their pair of
    colours. With `keep_layers`, ends are exchanged only between links of the same two layers. Without it, as in FANMOD
    ("locally constant number of bidirectional edges", "exchanging only edges with the same color"), a layered graph
    loses its layers.

    Parameters
    ----------
    graph : Graph
    rng : numpy.random.Generator, or a seed for one
    keep_layers : bool
    sizes : sequence of int, optional
        Number of nodes in each layer, as `layers` takes them.

    Returns
    -------
    Rewired

    Raises
    ------
    NotLayered
        With `keep_layers`, for a graph without layers.
    """
    return next(random_graphs(graph, streams.plain_generator(rng), layer_of(graph, sizes) if keep_layers else None))


class Links(NamedTuple):
    """Linked pairs of nodes, sorted by kind; ends may be exchanged between links of one kind."""

    ends: np.ndarray       # int64 (links,): source of the edge; of mutual edges, of the one with the higher colour
    far_ends: np.ndarray   # int64 (links,)
    first: np.ndarray      # int64 (links,): links first[k] to last[k] - 1 are of the kind of link k
    last: np.ndarray       # int64 (links,)
    symmetric: np.ndarray  # bool (links,): two mutual edges of one colour, which are the same link from both ends


def random_graphs(graph, rng, layer=None):
    """Yield Rewired graphs without end, each rewired from the one before it as by `rewire`.

    layer : int64 (nodes,), optional; limits exchanges to links of the same two layers
    """
    pairs, low, high = graph.linked_pairs
    turned = pairs[:, 0] < pairs[:, 1]
    ends, far_ends = np.where(turned, high, low), np.where(turned, low, high)
    pairs = np.sort(pairs, axis=1)[:, ::-1]
    kind = pairs[:, 0] * (graph.largest_color + 1) + pairs[:, 1]
    if layer is not None:
        kind = kind * (layer.max(initial=0) + 1) + layer[ends]
    order = np.argsort(kind, kind="stable")
    pairs, ends, far_ends, kind = pairs[order], ends[order], far_ends[order], kind[order]
    links = Links(ends, far_ends, np.searchsorted(kind, kind), np.searchsorted(kind, kind, side="right"),
                  pairs[:, 0] == pairs[:, 1])
    mutual = pairs[:, 1] > 0
    colors = np.concatenate([pairs[:, 0], pairs[mutual, 1]])
    has_bits = graph.nodes**2 < 64 * WORDS_PER_LINK * len(ends)
    while True:
        tries, exchanges = _exchange(links, graph.nodes, has_bits, SWEEPS, TRIES, draws.first_state(rng))
        yield Rewired(replace(graph, sources=np.concatenate([ends, far_ends[mutual]]),
                              targets=np.concatenate([far_ends, ends[mutual]]), colors=colors), tries, exchanges)


@compiled
def _exchange(links, nodes, has_bits, sweeps, most_tries, state):
    """Exchange the far ends of links of one kind, in place; return the numbers of tries and of exchanges.

    An exchange is refused if its four ends are not distinct, or if either new pair of nodes is linked already, in any
    direction. `has_bits` chooses the table of linked pairs; `state` is the first state of the random numbers.
    """
    ends, far_ends, first, last, symmetric = links
    count = len(ends)
    table = _table_of(links, nodes, has_bits)
    filled, tries, exchanges = count, 0, 0
    for _sweep in range(sweeps):
        for link in range(count):
            if not has_bits and 2 * filled > len(table):  # after many pairs were taken out of the hash table
                table, filled = _table_of(links, nodes, has_bits), count
            for _attempt in range(most_tries):
                tries += 1
                state += draws.STEP
                place, rest = draws.split(draws.word_of(state), last[link] - first[link])
                partner = first[link] + place
                a, b, c, d = ends[link], far_ends[link], ends[partner], far_ends[partner]
                turned = symmetric[partner] and draws.split(rest, 2)[0] == 1
                if turned:
                    c, d = d, c
                if a in (c, d) or b in (c, d):
                    continue
                new, partners_new = min(a, d) * nodes + max(a, d), min(c, b) * nodes + max(c, b)
                if _is_in(table, new, has_bits) or _is_in(table, partners_new, has_bits):
                    continue
                _take_out(table, min(a, b) * nodes + max(a, b), has_bits)
                _take_out(table, min(c, d) * nodes + max(c, d), has_bits)
                _put_in(table, new, has_bits)
                _put_in(table, partners_new, has_bits)
                filled += 2
                far_ends[link] = d
                if turned:
                    ends[partner], far_ends[partner] = b, c
                else:
                    far_ends[partner] = b
                exchanges += 1
                break
    return tries, exchanges


# ---- linked pairs of nodes: bits, or a hash table if the graph is sparse ----------------------------------

@compiled
def _table_of(links, nodes, has_bits):
    """Return the table of all linked pairs, low * nodes + high, int64; in a hash table -2 stands for what is gone."""
    size = 1024
    while size < 8 * len(links.ends):
        size *= 2
    table = np.zeros(nodes * nodes // 64 + 1, np.int64) if has_bits else np.full(size, -1, np.int64)
    for link in range(len(links.ends)):
        low, high = min(links.ends[link], links.far_ends[link]), max(links.ends[link], links.far_ends[link])
        _put_in(table, low * nodes + high, has_bits)
    return table


@compiled
def _is_in(table, pair, has_bits):
    if has_bits:
        return (table[pair >> 6] >> (pair & 63)) & 1 == 1
    return table[slot(table, pair)] == pair


@compiled
def _put_in(table, pair, has_bits):
    if has_bits:
        table[pair >> 6] |= np.int64(1) << (pair & 63)
    else:
        table[slot(table, pair)] = pair


@compiled
def _take_out(table, pair, has_bits):
    if has_bits:
        table[pair >> 6] &= ~(np.int64(1) << (pair & 63))
    else:
        table[slot(table, pair)] = -2
