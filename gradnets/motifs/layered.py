"""Count the motifs of a layered net exactly and in closed form, without visiting subgraphs.

Edges lead from each layer to the next, so a connected subset of nodes spans consecutive layers, and the number of its
nodes in each layer decides what its edges can be:

=========================================  ==========================================================================
nodes in consecutive layers                how the subsets are counted
=========================================  ==========================================================================
one node linked to all others              by the degrees of that node: "out", "in", "through"
(1, 1, 1, 1), (1, 1, 1, 1, 1)              by degrees and one or two matrices of colours: "chain"
(1, 1, 1, 2), (2, 1, 1, 1)                 likewise: "fork out", "fork in"
(2, 2), (2, 3), (3, 2), (1, 2, 2), ...     by the pairs of units of a layer, and how others are linked to them
(1, 2, 1), (1, 3, 1), (1, 1, 2, 1), ...    by the pairs of units two layers apart, and the units between them
=========================================  ==========================================================================

For a pair of units, the number of third units that are linked to it by colours (x, y) is a number of common bits, or a
degree less such numbers. Choices of two or three third units are products and binomials of these numbers; `Shape`
tells the class of each choice.
"""
import itertools

import numpy as np

from gradnets.errors import UserError
from gradnets.motifs._layered_pairs import Sums, add_across, add_within, side, totals
from gradnets.motifs._layered_shapes import shapes_of
from gradnets.motifs.codes import SIZES, add_up, check_size, merge_counts
from gradnets.motifs.graphs import check_layers

WIDEST_LAYER = {3: 2**20, 4: 2**20, 5: 2**15}  # units of a layer for which all sums are exact, by size
MOST_ENTRIES = 2**28  # of the matrices that may be made of a graph's layers, 2 GB


def layered_census(matrices, size=4):
    """Count the motifs of a layered net exactly, for sizes 3, 4 and 5.

    Parameters
    ----------
    matrices : list of int (n_l, n_{l+1})
        Colours of the edges between neighbouring layers, 0 for no edge.

    Returns
    -------
    Census
        Of 2**62 subgraphs and more its counts are Python integers.

    Raises
    ------
    UserError
        If the matrices are no layered net, are too wide for exact sums, or have more colours than `most_colors(size)`.

    Notes
    -----
    The time does not depend on the number of subgraphs. C colours have S = (C + 1)² - 1 ways to link a unit to a pair.
    Size 5 takes about S³ / 6 multiplications for each pair of units of a layer, or of two layers with one between, and
    S³ more in a layer between two others. Size 4 takes about S² for each pair of the narrower layers. The classes of
    size 5 are found once in a process, in 0.04 s for 3 colours and in 3 s for 7.
    """
    matrices = check_layers(matrices)
    colors = int(max(1, *(matrix.max(initial=0) for matrix in matrices)))
    if size not in SIZES:
        raise UserError(f"size is {size!r}: the closed form counts motifs of 3, 4 and 5 nodes")
    check_size(size, colors)
    check_widths([len(matrices[0]), *(matrix.shape[1] for matrix in matrices)], size)
    return merge_counts(*layered_counts(matrices, size, colors), size, colors)


def check_widths(widths, size):
    """Raise UserError unless layers of these widths can be counted in closed form."""
    entries = sum(units * following for units, following in itertools.pairwise(widths))
    if max(widths) > WIDEST_LAYER[size]:
        raise UserError(f"a layer has {max(widths):,} units, and the closed form counts motifs of {size} nodes in layers "
                        f"of up to {WIDEST_LAYER[size]:,}: count by enumeration, or in a sample")
    if entries > MOST_ENTRIES:
        raise UserError(f"the layers have {entries:,} pairs of units, and the closed form takes up to {MOST_ENTRIES:,}: "
                        "count by enumeration, or in a sample")


def seconds_at_most(widths, size, colors):
    """Return about how long the closed form takes, in seconds; the factors are measured."""
    pairs = sum(units**2 / 2 for units in widths)
    across = sum(units * after for units, after in zip(widths, widths[2:], strict=False))
    classes = (colors + 1)**2 - 1
    words = colors**2 * max(widths) / 64
    entries = sum(units * following for units, following in itertools.pairwise(widths))
    seconds = 1e-4 * len(widths) + 3e-9 * colors * entries + 1e-6 * colors**(size - 1)
    if size == 4:
        seconds += 1e-9 * (words + classes**2 / 8) * (pairs + across)
    if size == 5:
        seconds += 1e-9 * ((words + classes**3 / 50) * (pairs + across) + classes**3 / 8 * sum(
            units**2 / 2 for units in widths[1:-1]))
    return seconds


# ---- counts of all shapes ---------------------------------------------------------------------------------

def layered_counts(matrices, size, colors):
    """Return the codes of classes and their counts, int64 or Python integers; a code may occur several times."""
    shapes, codes, counts = shapes_of(size, colors), [], []

    def add(shape, numbers):
        shape_codes, places = shapes[shape]
        codes.append(shape_codes)
        counts.append(add_up(places, np.ravel(numbers), len(shape_codes) + 1)[:-1])  # the last is not connected

    masks = [np.stack([matrix == x for x in range(1, colors + 1)]) for matrix in matrices]
    rows = [side(mask) for mask in masks]  # of each matrix
    columns = [side(mask.swapaxes(1, 2)) for mask in masks]
    _count_trees(masks, [row.degrees for row in rows], [column.degrees for column in columns], size, add)
    if size == 4:
        _count_pairs_of_4(rows, columns, add)
    if size == 5:
        _count_pairs_of_5(rows, columns, add)
    return np.concatenate(codes), np.concatenate(counts)


def _count_trees(masks, leaving, arriving, size, add):
    """Add the counts of stars, chains and forks.

    masks : list of bool (colours, n_l, n_{l+1}); leaving, arriving : lists of int64 (colours, units), the edges of each
    unit of a matrix's rows, and of its columns
    """
    edges = sum(int(out.sum()) for out in leaving)
    largest = max(int(degrees.sum(axis=0).max(initial=0)) for degrees in leaving + arriving)
    fits = 2 * edges * (2 * largest)**(size - 2) < 2**62  # no sum of products of degrees is larger

    def exact(numbers):
        return numbers if fits else numbers.astype(object)

    for out, inn in zip(leaving, arriving, strict=True):
        add("out", exact(_multisets(out, size - 1)).sum(axis=1))
        add("in", exact(_multisets(inn, size - 1)).sum(axis=1))
    for inn, out in zip(arriving, leaving[1:], strict=False):
        for entering in range(1, size - 1):
            add(("through", entering), exact(_multisets(inn, entering)) @ exact(_multisets(out, size - 1 - entering)).T)
    if size == 4:
        for inn, mask, out in zip(arriving, masks[1:], leaving[2:], strict=False):
            ways = _steps(mask, out)  # (colour, unit, colour)
            add("chain", np.einsum("au,bud->abd", exact(inn), exact(ways)))
    if size == 5:
        for inn, mask, out in zip(arriving, masks[1:], leaving[2:], strict=False):
            add("fork out", exact(inn) @ exact(_steps(mask, _multisets(out, 2))))
            add("fork in", exact(_multisets(inn, 2)) @ exact(_steps(mask, out)))
        for inn, mask, following, out in zip(arriving, masks[1:], masks[2:], leaving[3:], strict=False):
            there, back = _steps(mask.swapaxes(1, 2), inn), _steps(following, out)
            add("chain", np.einsum("bua,cud->abcd", exact(there), exact(back)))


def _steps(mask, numbers):
    """Return the sum of numbers (m, units after) over the edges of each unit, by colour, int64 (colours, units, m).

    mask : bool (colours, units, units after)
    """
    return np.stack([edges.astype(np.int64) @ numbers.T for edges in mask])


def _multisets(degrees, size):
    """Return the number of choices of `size` edges at each unit, by their colours, int64 (multisets, units).

    degrees : int64 (colours, units), number of edges of each colour. The multisets of colours come in the order of
    combinations_with_replacement.
    """
    binomials = [np.ones_like(degrees)]  # [k]: choices of k edges of one colour
    for chosen in range(size):
        binomials.append(binomials[-1] * (degrees - chosen) // (chosen + 1))
    counts = []
    for multiset in itertools.combinations_with_replacement(range(len(degrees)), size):
        product = np.ones(degrees.shape[1], np.int64)
        for color in set(multiset):
            product = product * binomials[multiset.count(color)][color]
        counts.append(product)
    return np.array(counts)


def _count_pairs_of_4(rows, columns, add):
    """Add the counts of subsets (2, 2) and (1, 2, 1), each by the pairs that take the fewest operations."""
    widths = [rows[0].degrees.shape[1], *(column.degrees.shape[1] for column in columns)]
    classes = (len(rows[0].bits) + 1)**2 - 1
    wanted = [set() for _ in widths]  # totals over the pairs of each layer
    for middle in range(1, len(widths) - 1):
        if widths[middle]**2 <= 2 * widths[middle - 1] * widths[middle + 1]:
            wanted[middle].add("before_1_after_1")
        else:
            _add_across(rows, columns, middle - 1, {"between_2": classes * (classes + 1) // 2}, add)
    for first in range(len(rows)):
        second = first + 1
        ready = [bool(wanted[layer]) for layer in (first, second)]  # pairs whose third units are counted anyway
        if (not ready[0], widths[first]) <= (not ready[1], widths[second]):
            wanted[first].add("after_2")
        else:
            wanted[second].add("before_2")
    choices = {"before_2": classes * (classes + 1) // 2, "after_2": classes * (classes + 1) // 2,
               "before_1_after_1": classes**2}
    for layer, names in enumerate(wanted):
        _add_within(rows, columns, layer, {name: choices[name] for name in names}, add)


def _count_pairs_of_5(rows, columns, add):
    """Add the counts of subsets with two or three nodes in a layer and no node that is linked to all others."""
    layers = len(rows) + 1
    colors = len(rows[0].bits)
    classes = (colors + 1)**2 - 1
    twos, threes = classes * (classes + 1) // 2, classes * (classes + 1) * (classes + 2) // 6
    for layer in range(layers):
        has_before, has_after = layer > 0, layer < layers - 1
        wanted = {"before_3": threes} if has_before else {}
        wanted |= {"after_3": threes} if has_after else {}
        if has_before and has_after:
            wanted |= {"before_2_after_1": twos * classes, "after_2_before_1": twos * classes}
        _add_within(rows, columns, layer, wanted, add)
    for layer in range(layers - 2):
        wanted = {"between_3": threes}
        wanted |= {"between_2_entering": twos * colors} if layer > 0 else {}
        wanted |= {"between_2_leaving": twos * colors} if layer + 3 < layers else {}
        _add_across(rows, columns, layer, wanted, add)


def _add_within(rows, columns, layer, choices, add):
    """Add counts by the pairs of units of a layer; choices : {name of Sums: number of choices}."""
    if choices:
        sums = {name: np.zeros((choices.get(name, 0), 2), np.int64) for name in Sums._fields}
        before = columns[layer - 1] if layer > 0 else rows[0]  # where there is no layer, no total asks for it
        after = rows[layer] if layer < len(rows) else before
        add_within(before, after, Sums(**sums))
        for name in choices:
            add(name, totals(sums[name]))


def _add_across(rows, columns, layer, choices, add):
    """Add counts by the pairs of a unit of a layer and one two layers on; choices : {name: number of choices}."""
    sums = {name: np.zeros((choices.get(name, 0), 2), np.int64)
            for name in ("between_2", "between_3", "between_2_entering", "between_2_leaving")}
    none = np.zeros((0, 0), np.int64)
    entering = columns[layer - 1].degrees if layer > 0 else none
    leaving = rows[layer + 2].degrees if layer + 2 < len(rows) else none
    add_across(rows[layer], columns[layer + 1], entering, leaving, **sums)
    for name in choices:
        add(name, totals(sums[name]))
