"""Random graphs with the links of a given graph, by exchanging the ends of links."""
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gradnets import streams
from gradnets.motifs._tables import compiled, slot
from gradnets.motifs.graphs import Graph, layer_of

SWEEPS, TRIES = 3, 3  # sweeps over all links, and tries per exchange: FANMOD's


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
    return exchange_ends(graph, streams.plain_generator(rng), layer_of(graph, sizes) if keep_layers else None)


class Links(NamedTuple):
    """Linked pairs of nodes, sorted by kind; ends may be exchanged between links of one kind."""

    ends: np.ndarray       # int64 (links,): source of the edge; of mutual edges, of the one with the higher colour
    far_ends: np.ndarray   # int64 (links,)
    first: np.ndarray      # int64 (links,): links first[k] to last[k] - 1 are of the kind of link k
    last: np.ndarray       # int64 (links,)
    symmetric: np.ndarray  # bool (links,): two mutual edges of one colour, which are the same link from both ends


def exchange_ends(graph, rng, layer=None):
    """Return a Rewired graph; `layer`, int64 (nodes,), limits exchanges to links of the same two layers."""
    pairs, low, high = graph.linked_pairs
    turned = (pairs[:, 0] < pairs[:, 1]) if len(pairs) else np.zeros(0, bool)
    ends, far_ends = np.where(turned, high, low), np.where(turned, low, high)
    pairs = np.sort(pairs, axis=1)[:, ::-1]
    kinds = [pairs[:, 0], pairs[:, 1]]
    if layer is not None:
        kinds.append(layer[ends])
    order = np.lexsort(kinds)
    pairs, ends, far_ends = pairs[order], np.ascontiguousarray(ends[order]), np.ascontiguousarray(far_ends[order])
    new_kind = np.ones(len(order), bool)
    new_kind[1:] = np.any([np.diff(kind[order]) != 0 for kind in kinds], axis=0)
    starts = np.flatnonzero(new_kind)
    first = starts[np.cumsum(new_kind) - 1] if len(order) else np.empty(0, np.int64)
    last = np.append(starts[1:], len(order))[np.cumsum(new_kind) - 1]
    tries, exchanges = _exchange(Links(ends, far_ends, first, last, pairs[:, 0] == pairs[:, 1]), graph.nodes, SWEEPS,
                                 TRIES, rng)
    mutual = pairs[:, 1] > 0
    drawn = replace(graph, sources=np.concatenate([ends, far_ends[mutual]]),
                    targets=np.concatenate([far_ends, ends[mutual]]),
                    colors=np.concatenate([pairs[:, 0], pairs[mutual, 1]]))
    return Rewired(drawn, tries, exchanges)


@compiled
def _exchange(links, nodes, sweeps, most_tries, rng):
    """Exchange the far ends of links of one kind, in place; return the numbers of tries and of exchanges.

    An exchange is refused if its four ends are not distinct, or if either new pair of nodes is linked already, in any
    direction.
    """
    ends, far_ends, first, last, symmetric = links
    count = len(ends)
    size = 1024
    while size < 8 * count:
        size *= 2
    keys = np.full(size, -1, np.int64)  # linked pairs of nodes; -2 where a pair was taken out
    filled = 0
    tries, exchanges = 0, 0
    for _sweep in range(sweeps):
        for link in range(count):
            if filled < count or 2 * filled > size:  # at first, and after many pairs were taken out
                keys[:] = -1
                for k in range(count):
                    low, high = min(ends[k], far_ends[k]), max(ends[k], far_ends[k])
                    keys[slot(keys, low * nodes + high)] = low * nodes + high
                filled = count
            for _attempt in range(most_tries):
                tries += 1
                partner = rng.integers(first[link], last[link])
                a, b, c, d = ends[link], far_ends[link], ends[partner], far_ends[partner]
                turned = symmetric[partner] and rng.random() < 0.5
                if turned:
                    c, d = d, c
                if a in (c, d) or b in (c, d):
                    continue
                new, partners_new = min(a, d) * nodes + max(a, d), min(c, b) * nodes + max(c, b)
                if keys[slot(keys, new)] == new or keys[slot(keys, partners_new)] == partners_new:
                    continue
                keys[slot(keys, min(a, b) * nodes + max(a, b))] = -2
                keys[slot(keys, min(c, d) * nodes + max(c, d))] = -2
                keys[slot(keys, new)] = new
                keys[slot(keys, partners_new)] = partners_new
                filled += 2
                far_ends[link] = d
                if turned:
                    ends[partner], far_ends[partner] = b, c
                else:
                    far_ends[partner] = b
                exchanges += 1
                break
    return tries, exchanges
