"""Compiled sums over the pairs of units of a layered net, for the closed form of `layered`.

A third unit can be linked to a pair of units by colours (x, y), 0 for no edge, and is then of class
x (colours + 1) + y - 1; a unit of (0, 0) is linked to neither and has no class. Pairs are taken in blocks, and a
block's numbers of third units are held in a float64 array (rows, BLOCK): a row per class, a row of ones, and zeros up
to a multiple of four rows. All sums over a block are integers below 2**53, since layers have at most 2**15 units where
three numbers are multiplied, and so they are exact. A total is kept as two int64 numbers, low + 2**53 high.
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
    bits : uint64 (colours, words, units)
        Bit j of all words of a unit is its edge of that colour with unit j of the other layer.
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
    bits = np.packbits(padded, axis=2, bitorder="little").view(np.uint64).swapaxes(1, 2)
    return Side(np.ascontiguousarray(bits), masks.sum(axis=2, dtype=np.int64))


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
def _count_classes(first, u, second, start, pairs, block, filled, common):
    """Write into a block how many units of the layer beside are linked to u and v in each class, for v from `start` on.

    pairs : number of units v, which take the places of the block from `filled` on; common : int64 (BLOCK,), scratch
    """
    base = len(first.bits) + 1
    for y in range(1, base):
        for k in range(pairs):
            block[y - 1, filled + k] = second.degrees[y - 1, start + k]
    for x in range(1, base):
        only_u = x * base - 1
        for k in range(pairs):
            block[only_u, filled + k] = first.degrees[x - 1, u]
        for y in range(1, base):
            common[:pairs] = 0
            for place in range(first.bits.shape[1]):
                word = first.bits[x - 1, place, u]
                if word:
                    for k in range(pairs):
                        common[k] += np.int64(popcount(word & second.bits[y - 1, place, start + k]))
            for k in range(pairs):
                number = np.float64(common[k])
                block[x * base + y - 1, filled + k] = number
                block[y - 1, filled + k] -= number
                block[only_u, filled + k] -= number


@compiled
def _new_block(classes):
    """Return an empty block for numbers of a number of classes."""
    block = np.zeros((classes // 4 * 4 + 4, BLOCK))
    block[classes] = 1.0
    return block


@compiled
def _multiply(factors, block, first, filled, products):
    """Write into products[i, row], i = 0 and 1, the sum of factors[i] x block[row], for rows from `first` on.

    first : int, a multiple of 4. Two factors and four rows at a time read each number from memory once.
    """
    for row in range(first, len(block), 4):
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = 0.0
        for k in range(filled):
            a, b = factors[0, k], factors[1, k]
            a0 += a * block[row, k]
            a1 += a * block[row + 1, k]
            a2 += a * block[row + 2, k]
            a3 += a * block[row + 3, k]
            b0 += b * block[row, k]
            b1 += b * block[row + 1, k]
            b2 += b * block[row + 2, k]
            b3 += b * block[row + 3, k]
        products[0, row], products[0, row + 1], products[0, row + 2], products[0, row + 3] = a0, a1, a2, a3
        products[1, row], products[1, row + 1], products[1, row + 2], products[1, row + 3] = b0, b1, b2, b3


@compiled
def _add_ones_with(block, others, classes, filled, sums, products):
    """Add the number of choices of one unit by each of two blocks."""
    for a in range(0, classes, 2):
        _multiply(block[a:a + 2], others, 0, filled, products)
        for i in range(min(2, classes - a)):
            for b in range(classes):
                _add(sums, (a + i) * classes + b, products[i, b])


@compiled
def _add_twos(block, classes, filled, sums, products):
    """Add the number of choices of two units."""
    place = 0
    for a in range(0, classes, 2):
        _multiply(block[a:a + 2], block, a // 4 * 4, filled, products)
        for i in range(min(2, classes - a)):
            _add(sums, place, (products[i, a + i] - products[i, classes]) / 2)
            for b in range(a + i + 1, classes):
                _add(sums, place + b - a - i, products[i, b])
            place += classes - a - i


@compiled
def _write_twos(block, a, b, filled, twos):
    """Write into twos[k] the number of choices of a unit of class a and another one of class b."""
    for k in range(filled):
        twos[k] = block[a, k] * (block[a, k] - 1) * 0.5 if a == b else block[a, k] * block[b, k]


@compiled
def _add_twos_with(block, classes, others, other_classes, filled, sums, twos, products):
    """Add the number of choices of two units by a block and a further one by another block."""
    place, waiting = 0, 0
    for a in range(classes):
        for b in range(a, classes):
            _write_twos(block, a, b, filled, twos[waiting])
            waiting += 1
            if waiting == 2 or a == classes - 1:
                _multiply(twos, others, 0, filled, products)
                for i in range(waiting):
                    for c in range(other_classes):
                        _add(sums, place, products[i, c])
                        place += 1
                waiting = 0


@compiled
def _add_threes(block, classes, filled, sums, twos, products):
    """Add the number of choices of three units."""
    place, waiting, earlier = 0, 0, (0, 0)
    for a in range(classes):
        for b in range(a, classes):
            _write_twos(block, a, b, filled, twos[waiting])
            waiting += 1
            if waiting == 1 and a < classes - 1:
                earlier = (a, b)
                continue
            _multiply(twos, block, min(b, earlier[1] if waiting == 2 else b) // 4 * 4, filled, products)
            for i in range(waiting):
                first, second = (a, b) if i == waiting - 1 else earlier
                same = products[i, second] - (2 if first == second else 1) * products[i, classes]
                _add(sums, place, same / (3 if first == second else 2))
                for c in range(second + 1, classes):
                    _add(sums, place + c - second, products[i, c])
                place += classes - second
            waiting = 0


@compiled
def add_within(before, after, sums):
    """Add to the Sums those over all pairs of units of a layer; `before` and `after` are its Sides."""
    units = before.bits.shape[2]
    classes = (len(before.bits) + 1)**2 - 1
    both = len(sums.before_1_after_1) + len(sums.before_2_after_1) + len(sums.after_2_before_1) > 0
    sees_before = both or len(sums.before_2) + len(sums.before_3) > 0
    sees_after = both or len(sums.after_2) + len(sums.after_3) > 0
    earlier, later = _new_block(classes), _new_block(classes)
    twos, products = np.zeros((2, BLOCK)), np.zeros((2, len(earlier)))
    common, filled = np.zeros(BLOCK, np.int64), 0
    for u in range(units):
        v = u + 1
        while v < units:
            pairs = min(units - v, BLOCK - filled)
            if sees_before:
                _count_classes(before, u, before, v, pairs, earlier, filled, common)
            if sees_after:
                _count_classes(after, u, after, v, pairs, later, filled, common)
            filled += pairs
            v += pairs
            if filled < BLOCK and u < units - 2:
                continue
            if len(sums.before_2):
                _add_twos(earlier, classes, filled, sums.before_2, products)
            if len(sums.before_3):
                _add_threes(earlier, classes, filled, sums.before_3, twos, products)
            if len(sums.after_2):
                _add_twos(later, classes, filled, sums.after_2, products)
            if len(sums.after_3):
                _add_threes(later, classes, filled, sums.after_3, twos, products)
            if len(sums.before_1_after_1):
                _add_ones_with(earlier, later, classes, filled, sums.before_1_after_1, products)
            if len(sums.before_2_after_1):
                _add_twos_with(earlier, classes, later, classes, filled, sums.before_2_after_1, twos, products)
            if len(sums.after_2_before_1):
                _add_twos_with(later, classes, earlier, classes, filled, sums.after_2_before_1, twos, products)
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
    colors, units, targets = first.bits.shape[0], first.bits.shape[2], second.bits.shape[2]
    classes = (colors + 1)**2 - 1
    between, enter, leave = _new_block(classes), _new_block(colors), _new_block(colors)
    twos, products = np.zeros((2, BLOCK)), np.zeros((2, len(between)))
    common, filled = np.zeros(BLOCK, np.int64), 0
    for u in range(units):
        v = 0
        while v < targets:
            pairs = min(targets - v, BLOCK - filled)
            _count_classes(first, u, second, v, pairs, between, filled, common)
            for x in range(len(entering)):
                enter[x, filled:filled + pairs] = entering[x, u]
            for x in range(len(leaving)):
                leave[x, filled:filled + pairs] = leaving[x, v:v + pairs]
            filled += pairs
            v += pairs
            if filled < BLOCK and u < units - 1:
                continue
            if len(between_2):
                _add_twos(between, classes, filled, between_2, products)
            if len(between_3):
                _add_threes(between, classes, filled, between_3, twos, products)
            if len(between_2_entering):
                _add_twos_with(between, classes, enter, colors, filled, between_2_entering, twos, products)
            if len(between_2_leaving):
                _add_twos_with(between, classes, leave, colors, filled, between_2_leaving, twos, products)
            filled = 0
