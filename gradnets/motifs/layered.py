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
degree less such numbers. Choices of two or three third units are products and binomials of these numbers; `Shapes`
tells the class of each choice.
"""
import itertools
from functools import lru_cache

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
        raise UserError(f"a layer has {max(widths):,} units, and the closed form counts motifs of {size} nodes in "
                        f"layers of up to {WIDEST_LAYER[size]:,}: count by enumeration, or in a sample")
    if entries > MOST_ENTRIES:
        raise UserError(f"the layers have {entries:,} pairs of units, and the closed form takes up to "
                        f"{MOST_ENTRIES:,}: count by enumeration, or in a sample")


def seconds_of_closed_form(widths, size, colors):
    """Return how long the closed form is expected to take; the factors are measured seconds.

    Size 4 takes the pairs of the narrower of two neighbouring layers, and of a layer or across it, whichever are fewer.
    """
    pairs = sum(units**2 / 2 for units in widths)
    across = sum(units * after for units, after in zip(widths, widths[2:], strict=False))
    classes = (colors + 1)**2 - 1
    words = colors**2 * max(widths) / 64
    entries = sum(units * following for units, following in itertools.pairwise(widths))
    seconds = 1e-4 * len(widths) + 3e-9 * colors * entries + 1e-6 * colors**(size - 1)
    if size == 4:
        narrower = sum(min(two)**2 / 2 for two in itertools.pairwise(widths))
        fewer = sum(min(middle**2 / 2, before * after)
                    for before, middle, after in zip(widths, widths[1:], widths[2:], strict=False))
        seconds += 4e-10 * (words + classes**2 / 8) * (narrower + fewer)
    if size == 5:
        seconds += 1e-9 * ((words + classes**3 / 50) * (pairs + across) + classes**3 / 8 * sum(
            units**2 / 2 for units in widths[1:-1]))
    return seconds


# ---- counts of all shapes ---------------------------------------------------------------------------------

def layered_counts(matrices, size, colors):
    """Return the codes of all classes of layered motifs, ascending, and their counts, int64 or Python integers."""
    masks = [np.stack([matrix == x for x in range(1, colors + 1)]) for matrix in matrices]
    rows = [side(mask) for mask in masks]  # of each matrix
    columns = [side(mask.swapaxes(1, 2)) for mask in masks]
    counts = _count_trees(masks, [row.degrees for row in rows], [column.degrees for column in columns], size)
    if size == 4:
        counts += _count_pairs_of_4(rows, columns)
    if size == 5:
        counts += _count_pairs_of_5(rows, columns)
    shapes = shapes_of(size, colors)
    places = np.concatenate([shapes.places[shape] for shape, _ in counts])
    sums = add_up(places, np.concatenate([np.ravel(numbers) for _, numbers in counts]), len(shapes.codes) + 1)
    return shapes.codes, sums[:-1]  # the last one is not connected


def _count_trees(masks, leaving, arriving, size):
    """Return the counts of stars, chains and forks: a list of shapes and the numbers of their choices.

    masks : list of bool (colours, n_l, n_{l+1}); leaving, arriving : lists of int64 (colours, units), the edges of each
    unit of a matrix's rows, and of its columns
    """
    edges = sum(int(out.sum()) for out in leaving)
    largest = max(int(degrees.sum(axis=0).max(initial=0)) for degrees in leaving + arriving)
    fits = 2 * edges * (2 * largest)**(size - 2) < 2**62  # no sum of products of degrees is larger

    def exact(numbers):
        return numbers if fits else numbers.astype(object)

    out_of, into = ([_multisets(degrees, size - 1) for degrees in sides] for sides in (leaving, arriving))
    counts = []
    for out, inn in zip(out_of, into, strict=True):
        counts += [("out", exact(out[-1]).sum(axis=1)), ("in", exact(inn[-1]).sum(axis=1))]
    for inn, out in zip(into, out_of[1:], strict=False):
        counts += [(("through", entering), exact(inn[entering]) @ exact(out[-1 - entering]).T)
                   for entering in range(1, size - 1)]
    for inn, mask, out in zip(into, masks[1:], out_of[2:], strict=False):
        if size == 4:
            counts.append(("chain", exact(inn[1]) @ exact(_steps(mask, out[1]))))
        if size == 5:
            counts += [("fork out", exact(inn[1]) @ exact(_steps(mask, out[2]))),
                       ("fork in", exact(inn[2]) @ exact(_steps(mask, out[1])))]
    if size == 5:
        for inn, mask, following, out in zip(into, masks[1:], masks[2:], out_of[3:], strict=False):
            there, back = _steps(mask.swapaxes(1, 2), inn[1]), _steps(following, out[1])
            counts.append(("chain", exact(there.swapaxes(1, 2))[:, None] @ exact(back)))
    return counts


def _steps(mask, numbers):
    """Return the sum of numbers (m, units after) over the edges of each unit, by colour, int64 (colours, units, m).

    mask : bool (colours, units, units after)
    """
    return np.stack([edges.astype(np.int64) @ numbers.T for edges in mask])


def _multisets(degrees, most):
    """Return the numbers of choices of 0 to `most` edges at each unit, by their colours: int64 (multisets, units) each.

    degrees : int64 (colours, units), number of edges of each colour. The multisets of colours come in the order of
    combinations_with_replacement.
    """
    binomials = np.ones((most + 1, *degrees.shape), np.int64)  # [k]: choices of k edges of one colour
    for chosen in range(most):
        binomials[chosen + 1] = binomials[chosen] * (degrees - chosen) // (chosen + 1)
    colors = range(len(degrees))
    return [binomials[repeats, colors].prod(axis=1) for repeats in _repeats(len(degrees), most)]


@lru_cache
def _repeats(colors, most):
    """Return how often each colour is in each multiset of 0 to `most` colours: int64 (multisets, colours) each."""
    return [np.array([np.bincount(multiset, minlength=colors) for multiset in
                      itertools.combinations_with_replacement(range(colors), size)]).astype(np.int64)
            for size in range(most + 1)]


def _count_pairs_of_4(rows, columns):
    """Return the counts of subsets (2, 2) and (1, 2, 1), each by the pairs that take the fewest operations."""
    widths = [rows[0].degrees.shape[1], *(column.degrees.shape[1] for column in columns)]
    classes = (len(rows[0].bits) + 1)**2 - 1
    twos = classes * (classes + 1) // 2
    wanted, counts = [{} for _ in widths], []  # wanted: totals over the pairs of each layer
    for middle in range(1, len(widths) - 1):
        if widths[middle]**2 <= 2 * widths[middle - 1] * widths[middle + 1]:
            wanted[middle]["before_1_after_1"] = classes**2
        else:
            counts += _count_across(rows, columns, middle - 1, {"between_2": twos})
    for first in range(len(rows)):
        # Pairs whose third units are counted anyway come first, then the narrower layer.
        if (not wanted[first], widths[first]) <= (not wanted[first + 1], widths[first + 1]):
            wanted[first]["after_2"] = twos
        else:
            wanted[first + 1]["before_2"] = twos
    for layer, choices in enumerate(wanted):
        counts += _count_within(rows, columns, layer, choices) if choices else []
    return counts


def _count_pairs_of_5(rows, columns):
    """Return the counts of subsets with two or three nodes in a layer and no node that is linked to all others."""
    layers = len(rows) + 1
    colors = len(rows[0].bits)
    classes = (colors + 1)**2 - 1
    twos, threes = classes * (classes + 1) // 2, classes * (classes + 1) * (classes + 2) // 6
    counts = []
    for layer in range(layers):
        has_before, has_after = layer > 0, layer < layers - 1
        wanted = {"before_3": threes} if has_before else {}
        wanted |= {"after_3": threes} if has_after else {}
        if has_before and has_after:
            wanted |= {"before_2_after_1": twos * classes, "after_2_before_1": twos * classes}
        counts += _count_within(rows, columns, layer, wanted)
    for layer in range(layers - 2):
        wanted = {"between_3": threes}
        wanted |= {"between_2_entering": twos * colors} if layer > 0 else {}
        wanted |= {"between_2_leaving": twos * colors} if layer + 3 < layers else {}
        counts += _count_across(rows, columns, layer, wanted)
    return counts


def _count_within(rows, columns, layer, choices):
    """Return the counts by the pairs of units of a layer; choices : {name of Sums: number of choices}."""
    sums = {name: np.zeros((choices.get(name, 0), 2), np.int64) for name in Sums._fields}
    before = columns[layer - 1] if layer > 0 else rows[0]  # of the first layer, no total asks for it
    after = rows[layer] if layer < len(rows) else before
    add_within(before, after, Sums(**sums))
    return [(name, totals(sums[name])) for name in choices]


def _count_across(rows, columns, layer, choices):
    """Return the counts by the pairs of a unit of a layer and one two layers on; choices : {name: number of choices}.
    """
    sums = {name: np.zeros((choices.get(name, 0), 2), np.int64)
            for name in ("between_2", "between_3", "between_2_entering", "between_2_leaving")}
    none = np.zeros((0, 0), np.int64)
    entering = columns[layer - 1].degrees if layer > 0 else none
    leaving = rows[layer + 2].degrees if layer + 2 < len(rows) else none
    add_across(rows[layer], columns[layer + 1], entering, leaving, **sums)
    return [(name, totals(sums[name])) for name in choices]
