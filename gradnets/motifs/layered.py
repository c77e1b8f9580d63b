"""Count the motifs of a layered net from degrees and matrix products, without visiting subgraphs.

Edges lead from each layer to the next, so a connected subset of nodes spans neighbouring layers, and the number of its
nodes in each layer decides what its edges can be. Trees around one node are counted by degrees, and trees around one
edge by degrees and a matrix of colours. Four nodes, two of which (b) lie between the other two (a and c), are counted
by the ways from a to c: ways[x, y][a, c] is the number of b with colour x between a and b and colour y between b and
c, which is a product of two matrices. Two of the ways make one subgraph.
"""
import itertools
from functools import lru_cache

import numpy as np

from gradnets.errors import UserError
from gradnets.motifs.codes import canonical, check_size, merge_counts
from gradnets.motifs.graphs import check_layers

WIDEST_LAYER = 2**20  # units of a layer that are counted without overflow


def layered_census(matrices, size=4):
    """Count the motifs of a layered net exactly, for sizes 3 and 4.

    Parameters
    ----------
    matrices : list of int (n_l, n_{l+1})
        Colours of the edges between neighbouring layers, 0 for no edge.

    Returns
    -------
    Census

    Raises
    ------
    UserError
        If the matrices are no layered net, or too large to be counted in this way.

    Notes
    -----
    About 2 C² n_l n_{l+1} n_{l+2} multiplications for C colours, however many subgraphs there are.
    """
    matrices = check_layers(matrices)
    colors = int(max(1, *(matrix.max(initial=0) for matrix in matrices)))
    if size not in (3, 4):
        raise UserError(f"size is {size!r}: the closed form counts motifs of 3 and 4 nodes")
    check_size(size, colors)
    widest = max(max(matrix.shape) for matrix in matrices)
    if widest > WIDEST_LAYER:
        raise UserError(f"a layer has {widest} units, and the closed form counts layers of up to {WIDEST_LAYER}: count "
                        "by enumeration")
    if _trees(matrices) >= 2**63:
        raise UserError("there are more subgraphs than 64-bit counts hold: take a sampled census")
    return merge_counts(*layered_counts(matrices, size, colors), size, colors)


def _trees(matrices):
    """Return the number of trees of four nodes, as float; each connected subgraph contains a tree."""
    out_degrees, in_degrees = ([(matrix > 0).sum(axis=axis, dtype=float) for matrix in matrices] for axis in (1, 0))
    inner = [there + back for there, back in zip(out_degrees[1:], in_degrees[:-1], strict=True)]
    degrees = [out_degrees[0], *inner, in_degrees[-1]]
    stars = sum((k * (k - 1) * (k - 2) / 6).sum() for k in degrees)
    return stars + sum((before - 1) @ (matrix > 0) @ (after - 1)
                       for before, matrix, after in zip(degrees[:-1], matrices, degrees[1:], strict=True))


def layered_counts(matrices, size, colors):
    """Return the codes of classes and their counts, int64; a code may occur several times."""
    kinds = range(1, colors + 1)
    # [l][x - 1]: number of edges of colour x at each unit of a matrix's rows, and of its columns
    leaving = [np.stack([(matrix == x).sum(axis=1) for x in kinds]) for matrix in matrices]
    arriving = [np.stack([(matrix == x).sum(axis=0) for x in kinds]) for matrix in matrices]
    shapes, codes, counts = _shapes(size, colors), [], []

    def add(shape, subsets):
        shape_codes, places, repeats = shapes[shape]
        sums = np.zeros(len(shape_codes) + 1, np.int64)  # the last one takes what is not connected
        np.add.at(sums, places, np.asarray(subsets, dtype=np.int64).ravel())
        codes.append(shape_codes)
        counts.append(sums[:-1] // repeats)

    for out, inn in zip(leaving, arriving, strict=True):
        add("out", _multisets(out, size - 1).sum(axis=1))
        add("in", _multisets(inn, size - 1).sum(axis=1))
    for inn, out in zip(arriving[:-1], leaving[1:], strict=True):
        for entering in range(1, size - 1):
            add(("through", entering), _multisets(inn, entering) @ _multisets(out, size - 1 - entering).T)
    if size == 4:
        for inn, matrix, out in zip(arriving, matrices[1:], leaving[2:], strict=False):
            add("chain", [inn @ (matrix == x).astype(np.int64) @ out.T for x in kinds])
        for matrix in matrices:
            if len(matrix) <= matrix.shape[1]:
                add("two sources", _pairs_of_ways(matrix, matrix.T, colors, same_layer=True))
            else:
                add("two targets", _pairs_of_ways(matrix.T, matrix, colors, same_layer=True))
        for matrix, following in itertools.pairwise(matrices):
            add("diamond", _pairs_of_ways(matrix, following, colors, same_layer=False))
    return np.concatenate(codes), np.concatenate(counts)


def _multisets(degrees, size):
    """Return the number of choices of `size` edges at each unit, by their colours, int64 (multisets, units).

    degrees : int64 (colours, units), number of edges of each colour. The multisets of colours come in the order of
    combinations_with_replacement.
    """
    choices = {1: degrees, 2: degrees * (degrees - 1) // 2, 3: degrees * (degrees - 1) // 2 * (degrees - 2) // 3}
    counts = []
    for multiset in itertools.combinations_with_replacement(range(len(degrees)), size):
        product = np.ones(degrees.shape[1], np.int64)
        for color in set(multiset):
            product = product * choices[multiset.count(color)][color]
        counts.append(product)
    return np.array(counts)


def _pairs_of_ways(left, right, colors, same_layer):
    """Count ordered pairs of different b between the same a and c, by their colours.

    Parameters
    ----------
    left : int64 (a, b)
    right : int64 (b, c)
    same_layer : bool
        Whether a and c are of one layer, and must differ.

    Returns
    -------
    int64 (s, s), s = (colors + 1)²
        State x (colors + 1) + y of a way is colour x between a and b and colour y between b and c; state (0, 0) is not
        counted.
    """
    base, kinds = colors + 1, range(1, colors + 1)
    stacked = np.concatenate([right == y for y in kinds], axis=1).astype(np.float32)  # exact below 2**24 ways
    to = np.array([(right == y).sum(axis=0) for y in kinds])
    pairs, singles = np.zeros((base * base,) * 2, np.int64), np.zeros(base * base, np.int64)
    middle, ends = right.shape
    if middle * middle * ends >= 2**53:
        raise UserError(f"layers of {len(left)}, {middle} and {ends} units have too many ways to add up exactly: count "
                        "by enumeration")
    rows = max(1, min(2**21 // (base * base * max(ends, 1)), 2**53 // max(middle * middle * ends, 1)))  # in one block
    for start in range(0, len(left), rows):
        block = left[start:start + rows]
        ways = np.zeros((base, base, len(block), ends))
        for x in kinds:
            products = ((block == x).astype(np.float32) @ stacked).reshape(len(block), colors, -1)
            ways[x, 1:] = products.swapaxes(0, 1)
            ways[x, 0] = (block == x).sum(axis=1)[:, None] - ways[x, 1:].sum(axis=0)
        ways[0, 1:] = to[:, None, :] - ways[1:, 1:].sum(axis=0)
        if same_layer:
            diagonal = np.arange(len(block))
            ways[:, :, diagonal, start + diagonal] = 0
        flat = ways.reshape(base * base, -1)
        pairs += np.rint(flat @ flat.T).astype(np.int64)  # exact: each sum is below 2**53
        singles += np.rint(flat.sum(axis=1)).astype(np.int64)
    pairs[np.diag_indices_from(pairs)] -= singles
    return pairs


# ---- shapes of subsets ------------------------------------------------------------------------------------

@lru_cache
def _shapes(size, colors):
    """Return each shape of subset: its class codes, the place of each count among them, and how often subsets repeat.

    The place of a count that belongs to no connected subgraph is the one behind the last code.
    """
    kinds = range(1, colors + 1)
    states = list(itertools.product(range(colors + 1), repeat=2))
    pairs_of_states = list(itertools.product(states, repeat=2))

    def multisets(length):
        return list(itertools.combinations_with_replacement(kinds, length))

    def shape(edges_of_subsets, repeats=1):
        matrices = np.zeros((len(edges_of_subsets), size, size), np.int64)
        for matrix, edges in zip(matrices, edges_of_subsets, strict=True):
            for source, target, color in edges:
                matrix[source, target] = color
        codes = np.where(_connected(matrices), canonical(matrices, colors), -1)
        distinct = np.unique(codes[codes >= 0])
        return distinct, np.where(codes >= 0, np.searchsorted(distinct, codes), len(distinct)), repeats

    shapes = {
        "out": shape([[(0, leaf, x) for leaf, x in enumerate(out, 1)] for out in multisets(size - 1)]),
        "in": shape([[(leaf, 0, x) for leaf, x in enumerate(inn, 1)] for inn in multisets(size - 1)])}
    for entering in range(1, size - 1):
        shapes["through", entering] = shape(
            [[(leaf, 0, x) for leaf, x in enumerate(inn, 1)]
             + [(0, leaf, x) for leaf, x in enumerate(out, entering + 1)]
             for inn in multisets(entering) for out in multisets(size - 1 - entering)])
    if size == 4:
        shapes["chain"] = shape([[(0, 1, y), (1, 2, x), (2, 3, z)] for x in kinds for y in kinds for z in kinds])
        # Nodes 0 and 1 are a and c, nodes 2 and 3 the two b.
        shapes["two sources"] = shape([[(0, 2, s[0]), (1, 2, s[1]), (0, 3, t[0]), (1, 3, t[1])]
                                       for s, t in pairs_of_states], repeats=4)
        shapes["two targets"] = shape([[(2, 0, s[0]), (2, 1, s[1]), (3, 0, t[0]), (3, 1, t[1])]
                                       for s, t in pairs_of_states], repeats=4)
        shapes["diamond"] = shape([[(0, 2, s[0]), (2, 1, s[1]), (0, 3, t[0]), (3, 1, t[1])]
                                   for s, t in pairs_of_states], repeats=2)
    return shapes


def _connected(matrices):
    """Return whether each graph of 5 nodes or fewer is connected, directions aside, bool (q,)."""
    reached = (matrices + matrices.swapaxes(1, 2) + np.eye(matrices.shape[1], dtype=np.int64)) > 0
    for _ in range(2):  # ways of up to 4 links
        reached = (reached.astype(np.int64) @ reached) > 0
    return reached.all(axis=(1, 2))
