"""Compiled kernels of sampling and of the metrics: networks as rows of bits and as lists of neighbors."""
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from gradnets.networks._vectors import WORDS, ones_in_common, unite

SOURCES = 4096  # nodes whose distances are counted at once
PCG64_HIGH, PCG64_LOW = np.uint64(2549297995355413924), np.uint64(4865540595714422341)  # words of the multiplier


@intrinsic
def popcount(context, word):
    def build(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])
    return types.uint64(types.uint64), build


@intrinsic
def lowest_bit(context, word):
    def build(context, builder, signature, arguments):
        return builder.cttz(arguments[0], context.get_constant(types.boolean, False))
    return types.uint64(types.uint64), build


@intrinsic
def high_word_of_product(context, a, b):
    """Return the upper 64 bits of the product of two words."""
    def build(context, builder, signature, arguments):
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(word, wide) for word in arguments))
        return builder.trunc(builder.lshr(product, wide(64)), arguments[0].type)
    return types.uint64(types.uint64, types.uint64), build


@njit(cache=True)
def sample(probabilities, high, low, step_high, step_low, adjacency):
    """Draw one number for each entry above 0, and set the links whose number is below their entry to True.

    The generator is PCG64 (O'Neill 2014), numpy's default: a state of 128 bits, high and low, that is multiplied by a
    constant and moved by a step. A number is the 53 upper bits of a word, as numpy makes it.

    Returns whether every probability lies in [0, 1], and the state that the generator is left in.
    """
    valid = True
    for i in range(probabilities.shape[0]):
        row, above, outside = probabilities[i], 0, 0
        for j in range(len(row)):  # vectorises in this form; most rows of a gradient are 0, and need no more than this
            above += row[j] > 0
            outside += not ((row[j] >= 0) & (row[j] <= 1))
        valid &= outside == 0
        for j in range(len(row) if above else 0):
            p = row[j]
            if p > 0:
                product = low * PCG64_LOW
                high = high_word_of_product(low, PCG64_LOW) + high * PCG64_LOW + low * PCG64_HIGH + step_high
                low = product + step_low
                high += np.uint64(low < product)  # the carry
                word, turn = high ^ low, high >> np.uint64(58)
                word = word >> turn | word << (-turn & np.uint64(63))
                adjacency[i, j] = np.int64(word >> np.uint64(11)) * 2.0**-53 < p
    return valid, high, low


@njit(cache=True)
def degrees(bits):
    """Count the bits of each row, int64 (n,)."""
    counts = np.zeros(bits.shape[0], dtype=np.int64)
    for i in range(bits.shape[0]):
        for word in bits[i]:
            counts[i] += np.int64(popcount(word))
    return counts


@njit(cache=True)
def mirror(links):
    """Return the links (n, words) and their opposites, without loops."""
    both = links.copy()
    for i in range(links.shape[0]):
        bit_of_i = np.uint64(1) << np.uint64(i & 63)
        for w in range(links.shape[1]):
            word = links[i, w]
            while word:
                both[64 * w + np.int64(lowest_bit(word)), i >> 6] |= bit_of_i
                word &= word - np.uint64(1)
    for i in range(links.shape[0]):
        both[i, i >> 6] &= ~(np.uint64(1) << np.uint64(i & 63))
    return both


@njit(cache=True)
def list_neighbors(bits, opposite, starts):
    """Return the neighbors, int32, and whether each link has its opposite.

    The links are those of bits (n, m), the opposite links those of opposite (m, n).
    """
    neighbors = np.empty(starts[-1], dtype=np.int32)
    mirrored = True
    end = 0
    for i in range(bits.shape[0]):
        bit_of_i = np.uint64(1) << np.uint64(i & 63)
        for w in range(bits.shape[1]):
            word = bits[i, w]
            while word:
                j = 64 * w + np.int64(lowest_bit(word))
                neighbors[end] = j
                end += 1
                word &= word - np.uint64(1)
                if not opposite[j, i >> 6] & bit_of_i:
                    mirrored = False
    return neighbors, mirrored


@njit(cache=True)
def components(starts, neighbors):
    """Return the component of each node, numbered in the order of their first nodes, and the sizes of all."""
    n = len(starts) - 1
    component = np.full(n, -1, dtype=np.int64)
    sizes = np.zeros(n, dtype=np.int64)
    stack = np.empty(n, dtype=np.int64)
    count = 0
    for first in range(n):
        if component[first] >= 0:
            continue
        component[first] = count
        stack[0] = first
        height = 1
        while height:
            height -= 1
            i = stack[height]
            sizes[count] += 1
            for j in neighbors[starts[i]:starts[i + 1]]:
                if component[j] < 0:
                    component[j] = count
                    stack[height] = j
                    height += 1
        count += 1
    return component, sizes[:count]


@njit(cache=True)
def pairs_by_distance(starts, neighbors, members, most_sources=SOURCES):
    """Count the ordered pairs of members at each distance; members are all nodes of one component.

    At most most_sources, a multiple of 64 WORDS, are handled at a time. reach[i] holds the sources within d links of
    member i; the sources within d + 1 links are those that its neighbors reach within d. A row that holds all sources
    is finished.
    """
    giant = len(members)
    place = np.zeros(len(starts) - 1, dtype=np.int32)
    for i in range(giant):
        place[members[i]] = i
    words = min(most_sources // 64, -(-giant // (64 * WORDS)) * WORDS)
    rows = np.empty(len(neighbors), dtype=np.int64)  # where the row of each neighbor begins in `reach`
    for k in range(len(neighbors)):
        rows[k] = place[np.uint32(neighbors[k])] * words
    first_unseen = starts[members]
    reach, further = np.empty((giant, words), dtype=np.uint64), np.empty((giant, words), dtype=np.uint64)
    flat_reach, flat_further = reach.ravel(), further.ravel()
    held, unfinished = np.empty(giant, dtype=np.int64), np.empty(giant, dtype=np.int64)
    counts = np.zeros(giant + 1, dtype=np.int64)
    counts[0] = giant
    diameter = 0
    for first in range(0, giant, most_sources):
        sources = min(most_sources, giant - first)
        reach[:] = 0
        left = 0
        for i in range(giant):
            begin, end = first_unseen[i], starts[members[i] + 1]
            row, at = reach[i], begin
            while at < end:
                # Unsigned, since numba would otherwise check for negative indices.
                s = np.uint64(place[np.uint32(neighbors[at])] - first)
                if s >= np.uint64(sources):  # neighbors are in rising order
                    break
                row[s >> np.uint64(6)] |= np.uint64(1) << (s & np.uint64(63))
                at += 1
            first_unseen[i] = at
            held[i] = at - begin
            counts[1] += held[i]
            if first <= i < first + sources:
                s = i - first
                row[s >> 6] |= np.uint64(1) << np.uint64(s & 63)
                held[i] += 1
            if held[i] < sources:
                unfinished[left] = i
                left += 1
        further[:] = reach
        d = min(1, giant - 1)
        while left:
            d += 1
            working, left = left, 0
            for k in range(working):
                i = unfinished[k]
                total = held[i]
                begin, end = starts[members[i]], starts[members[i] + 1]
                for start in range(begin, end, 16):  # after each sixteen neighbors: a full row needs no more
                    total = 0
                    for w in range(0, words, WORDS):
                        total += unite(flat_further, i * words + w, flat_reach, rows, start, min(start + 16, end), w)
                    if total == sources:
                        break
                counts[d] += total - held[i]
                held[i] = total
            for k in range(working):
                i = unfinished[k]
                reach[i] = further[i]
                if held[i] < sources:
                    unfinished[left] = i
                    left += 1
        diameter = max(diameter, d)
    return counts[:diameter + 1]


@njit(cache=True)
def triangles(bits, starts, neighbors):
    """Count the triangles through each node: common neighbors over its links, each triangle on two of its links."""
    n, words = bits.shape
    flat, closed = bits.ravel(), np.zeros(n, dtype=np.int64)
    for i in range(n):
        for j in neighbors[starts[i]:starts[i + 1]]:
            if j > i:
                common = ones_in_common(flat, i * words, flat, j * words, words)
                closed[i] += common
                closed[j] += common
    return closed // 2


@njit(cache=True)
def butterflies(bits):
    """Count the four-cycles: over pairs of rows, the pairs of columns that both rows are linked to."""
    n, words = bits.shape
    flat, total = bits.ravel(), 0
    for i in range(n):
        for j in range(i):
            common = ones_in_common(flat, i * words, flat, j * words, words)
            total += common * (common - 1) // 2
    return total
