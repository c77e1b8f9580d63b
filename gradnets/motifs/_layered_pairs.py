"""Compiled sums over the pairs of units of a layered net, for the closed form of `layered`.

A third unit can be linked to a pair of units by colours (x, y), 0 for no edge. Class x (colours + 1) + y - 1 is the one
of (x, y), and (0, 0), which is linked to neither unit, has none. Pairs are taken in blocks, and the numbers of third
units in each class are held in a float64 array (classes, BLOCK). All sums over a block are integers below 2**53, since
layers have at most 2**15 units where three numbers are multiplied, and so they are exact. A total is kept as two int64
numbers, low + 2**53 high.
"""
from typing import NamedTuple

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

BLOCK = 256  # pairs
LOW_BITS = 53
LOW_MASK = 2**LOW_BITS - 1

compiled = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})  # integers, in any order


class Side(NamedTuple):
    """The edges between the units of a layer and those of a layer beside it.

    Attributes
    ----------
    bits : uint64 (colours, units, words)
        Bit j of a unit's words is its edge of that colour with unit j of the other layer.
    degrees : int64 (colours, units)
    """

    bits: np.ndarray
    degrees: np.ndarray


class Sums(NamedTuple):
    """Totals over the pairs of a layer, int64 (choices, 2): low and high; without rows if a total is not wanted.

    The names say how many units of the layer before and of the layer after are chosen beside the pair. Choices of two
    or three units of one layer are multisets of classes, in the order of combinations_with_replacement.
    """

    before_2: np.ndarray
    before_3: np.ndarray
    after_2: np.ndarray
    after_3: np.ndarray
    before_1_after_1: np.ndarray
    before_2_after_1: np.ndarray
    after_2_before_1: np.ndarray


def side(masks):
    """Return the Side of the rows of bool masks (colours, units, units of the other layer)."""
    colors, units, others = masks.shape
    padded = np.zeros((colors, units, 64 * max(1, -(-others // 64))), bool)
    padded[:, :, :others] = masks
    return Side(np.packbits(padded, axis=2, bitorder="little").view(np.uint64), masks.sum(axis=2, dtype=np.int64))


def totals(sums):
    """Return totals (choices, 2) as numbers (choices,): int64, or Python integers if one is 2**53 or more."""
    low, high = sums.T
    return low + high.astype(object) * 2**LOW_BITS if high.any() else low


@intrinsic
def popcount(context, word):
    def build(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])
    return types.uint64(types.uint64), build


@compiled
def _add(sums, place, value):
    """Add an integer in float64 to a total."""
    low = sums[place, 0] + np.int64(np.rint(value))
    sums[place, 0] = low & LOW_MASK
    sums[place, 1] += low >> LOW_BITS


@compiled
def _count_classes(first, u, second, v, counts, k):
    """Write into counts[:, k] how many units of the layer beside are linked to units u and v in each class."""
    base = len(first.bits) + 1
    for y in range(1, base):
        counts[y - 1, k] = second.degrees[y - 1, v]
    for x in range(1, base):
        only_u = first.degrees[x - 1, u]
        for y in range(1, base):
            common = np.uint64(0)
            for word in range(first.bits.shape[2]):
                common += popcount(first.bits[x - 1, u, word] & second.bits[y - 1, v, word])
            number = np.int64(common)
            counts[x * base + y - 1, k] = number
            counts[y - 1, k] -= number
            only_u -= number
        counts[x * base - 1, k] = only_u


@compiled
def _add_products(factor, counts, first, filled, sums, place):
    """Add to the totals from `place` on the sums of factor x counts[row] over a block, for each row from `first` on."""
    rows = len(counts)
    while first + 4 <= rows:  # four rows at a time read the factor once
        a, b, c, d = counts[first], counts[first + 1], counts[first + 2], counts[first + 3]
        sum_a = sum_b = sum_c = sum_d = 0.0
        for k in range(filled):
            sum_a += factor[k] * a[k]
            sum_b += factor[k] * b[k]
            sum_c += factor[k] * c[k]
            sum_d += factor[k] * d[k]
        _add(sums, place, sum_a)
        _add(sums, place + 1, sum_b)
        _add(sums, place + 2, sum_c)
        _add(sums, place + 3, sum_d)
        first += 4
        place += 4
    while first < rows:
        a, sum_a = counts[first], 0.0
        for k in range(filled):
            sum_a += factor[k] * a[k]
        _add(sums, place, sum_a)
        first += 1
        place += 1


@compiled
def _add_twos(counts, filled, sums):
    """Add the number of choices of two units."""
    place = 0
    for a in range(len(counts)):
        same = 0.0
        for k in range(filled):
            same += counts[a, k] * (counts[a, k] - 1)
        _add(sums, place, same / 2)
        _add_products(counts[a], counts, a + 1, filled, sums, place + 1)
        place += len(counts) - a


@compiled
def _twos(counts, a, b, filled, twos):
    """Write into twos[k] the number of choices of a unit of class a and another one of class b."""
    for k in range(filled):
        twos[k] = counts[a, k] * (counts[a, k] - 1) * 0.5 if a == b else counts[a, k] * counts[b, k]


@compiled
def _add_threes(counts, filled, sums, twos):
    """Add the number of choices of three units."""
    place = 0
    for a in range(len(counts)):
        for b in range(a, len(counts)):
            _twos(counts, a, b, filled, twos)
            same = 0.0
            for k in range(filled):
                same += twos[k] * (counts[b, k] - (2 if a == b else 1))
            _add(sums, place, same / (3 if a == b else 2))
            _add_products(twos, counts, b + 1, filled, sums, place + 1)
            place += len(counts) - b


@compiled
def _add_twos_with(counts, others, filled, sums, twos):
    """Add the number of choices of two units, by `counts`, and a further one, by `others`."""
    place = 0
    for a in range(len(counts)):
        for b in range(a, len(counts)):
            _twos(counts, a, b, filled, twos)
            _add_products(twos, others, 0, filled, sums, place)
            place += len(others)


@compiled
def add_within(before, after, sums):
    """Add to the Sums those over all pairs of units of a layer; `before` and `after` are its Sides."""
    units = before.bits.shape[1]
    classes = (len(before.bits) + 1)**2 - 1
    both = len(sums.before_1_after_1) + len(sums.before_2_after_1) + len(sums.after_2_before_1) > 0
    sees_before = both or len(sums.before_2) + len(sums.before_3) > 0
    sees_after = both or len(sums.after_2) + len(sums.after_3) > 0
    earlier, later, twos = np.zeros((classes, BLOCK)), np.zeros((classes, BLOCK)), np.zeros(BLOCK)
    filled = 0
    for u in range(units):
        for v in range(u + 1, units):
            if sees_before:
                _count_classes(before, u, before, v, earlier, filled)
            if sees_after:
                _count_classes(after, u, after, v, later, filled)
            filled += 1
            if filled < BLOCK and not (u == units - 2 and v == units - 1):
                continue
            if len(sums.before_2):
                _add_twos(earlier, filled, sums.before_2)
            if len(sums.before_3):
                _add_threes(earlier, filled, sums.before_3, twos)
            if len(sums.after_2):
                _add_twos(later, filled, sums.after_2)
            if len(sums.after_3):
                _add_threes(later, filled, sums.after_3, twos)
            if len(sums.before_1_after_1):
                for a in range(classes):
                    _add_products(earlier[a], later, 0, filled, sums.before_1_after_1, a * classes)
            if len(sums.before_2_after_1):
                _add_twos_with(earlier, later, filled, sums.before_2_after_1, twos)
            if len(sums.after_2_before_1):
                _add_twos_with(later, earlier, filled, sums.after_2_before_1, twos)
            filled = 0


@compiled
def add_across(first, second, entering, leaving, between_2, between_3, between_2_entering, between_2_leaving):
    """Add sums over all pairs of a unit u and a unit v two layers on, by the units between them.

    Parameters
    ----------
    first, second : Side
        Of the layer of u to the layer between, and of the layer of v to the layer between.
    entering, leaving : int64 (colours, units)
        Number of edges into each u from the layer before, and out of each v to the layer after.
    between_2, between_3, between_2_entering, between_2_leaving : int64 (choices, 2)
        Totals of choices of two or three units between, the last two with an edge into u or out of v.
    """
    colors, units, targets = first.bits.shape[0], first.bits.shape[1], second.bits.shape[1]
    classes = (colors + 1)**2 - 1
    between, twos = np.zeros((classes, BLOCK)), np.zeros(BLOCK)
    enter, leave = np.zeros((colors, BLOCK)), np.zeros((colors, BLOCK))
    filled = 0
    for u in range(units):
        for v in range(targets):
            _count_classes(first, u, second, v, between, filled)
            if len(between_2_entering):
                for x in range(colors):
                    enter[x, filled] = entering[x, u]
            if len(between_2_leaving):
                for x in range(colors):
                    leave[x, filled] = leaving[x, v]
            filled += 1
            if filled < BLOCK and not (u == units - 1 and v == targets - 1):
                continue
            if len(between_2):
                _add_twos(between, filled, between_2)
            if len(between_3):
                _add_threes(between, filled, between_3, twos)
            if len(between_2_entering):
                _add_twos_with(between, enter, filled, between_2_entering, twos)
            if len(between_2_leaving):
                _add_twos_with(between, leave, filled, between_2_leaving, twos)
            filled = 0
