"""The shapes of the subsets of nodes that the closed form of `layered` counts, and the classes that they belong to."""
import itertools
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gradnets.motifs.codes import canonical


class Shapes(NamedTuple):
    """The classes of all choices of all shapes.

    Attributes
    ----------
    codes : int64 (q,), ascending
    places : dict of int64 (choices,)
        The place of each choice's class in `codes`, by the name of the shape; q for a choice that is not connected.
    """

    codes: np.ndarray
    places: dict


@lru_cache
def shapes_of(size, colors):
    """Return the Shapes of the motifs of a size.

    The names of stars and chains are those in `layered`. The others are the names of sums in `_layered_pairs`: nodes 0
    and 1 are the pair, and each other node is linked to them in a class (x, y).
    """
    kinds = range(1, colors + 1)
    classes = list(itertools.product(range(colors + 1), repeat=2))[1:]

    def choices(of, length):
        return itertools.combinations_with_replacement(of, length)

    def out_of(node, first, colors_of_edges):
        return [(node, leaf, x) for leaf, x in enumerate(colors_of_edges, first)]

    def into(node, first, colors_of_edges):
        return [(leaf, node, x) for leaf, x in enumerate(colors_of_edges, first)]

    def before(first, chosen):
        return [edge for node, (x, y) in enumerate(chosen, first) for edge in ((node, 0, x), (node, 1, y))]

    def after(first, chosen):
        return [edge for node, (x, y) in enumerate(chosen, first) for edge in ((0, node, x), (1, node, y))]

    def between(first, chosen):
        return [edge for node, (x, y) in enumerate(chosen, first) for edge in ((0, node, x), (node, 1, y))]

    edges = {"out": [out_of(0, 1, out) for out in choices(kinds, size - 1)],
             "in": [into(0, 1, inn) for inn in choices(kinds, size - 1)]}
    for entering in range(1, size - 1):
        edges["through", entering] = [into(0, 1, inn) + out_of(0, entering + 1, out)
                                      for inn in choices(kinds, entering)
                                      for out in choices(kinds, size - 1 - entering)]
    if size >= 4:
        order = (1, 0, 2) if size == 4 else (2, 0, 1, 3)  # of the colours: those of inner edges come first
        edges["chain"] = [[(node, node + 1, path[place]) for node, place in enumerate(order)]
                          for path in itertools.product(kinds, repeat=size - 1)]
        for name, link in (("before", before), ("after", after), ("between", between)):
            edges[f"{name}_{size - 2}"] = [link(2, chosen) for chosen in choices(classes, size - 2)]
    if size == 4:
        edges["before_1_after_1"] = [before(2, [s]) + after(3, [t]) for s, t in itertools.product(classes, repeat=2)]
    if size == 5:
        edges["fork out"] = [[(0, 1, x), (1, 2, y), *out_of(2, 3, out)]
                             for y in kinds for x in kinds for out in choices(kinds, 2)]
        edges["fork in"] = [[*into(0, 3, inn), (0, 1, y), (1, 2, x)]
                            for y in kinds for inn in choices(kinds, 2) for x in kinds]
        twos = list(choices(classes, 2))
        edges["before_2_after_1"] = [before(2, two) + after(4, [s]) for two in twos for s in classes]
        edges["after_2_before_1"] = [after(2, two) + before(4, [s]) for two in twos for s in classes]
        edges["between_2_entering"] = [[*between(2, two), (4, 0, x)] for two in twos for x in kinds]
        edges["between_2_leaving"] = [[*between(2, two), (1, 4, x)] for two in twos for x in kinds]
    codes = {name: _codes(edges_of_choices, size, colors) for name, edges_of_choices in edges.items()}
    distinct = np.unique(np.concatenate(list(codes.values())))
    distinct = distinct[distinct >= 0]
    return Shapes(distinct, {name: np.where(code < 0, len(distinct), np.searchsorted(distinct, code))
                             for name, code in codes.items()})


def _codes(edges_of_choices, size, colors):
    """Return the code of each choice, a list of edges (source, target, colour); -1 if it is not connected."""
    matrices = np.zeros((len(edges_of_choices), size, size), np.int64)
    for matrix, edges in zip(matrices, edges_of_choices, strict=True):
        for source, target, color in edges:
            matrix[source, target] = color
    return np.where(_connected(matrices), canonical(matrices, colors), -1)


def _connected(matrices):
    """Return whether each graph of 5 nodes or fewer is connected, directions aside, bool (q,)."""
    reached = (matrices + matrices.swapaxes(1, 2) + np.eye(matrices.shape[1], dtype=np.int64)) > 0
    for _ in range(2):  # ways of up to 4 links
        reached = (reached.astype(np.int64) @ reached) > 0
    return reached.all(axis=(1, 2))
