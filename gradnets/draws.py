"""Random integers inside compiled kernels: one 64-bit word, made in place, gives several of them.

A kernel that calls a numpy Generator for each number spends most of its time in these calls. The words are those of
SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"), whose state only counts on.
"""
import numpy as np
from numba import njit

STEP = np.uint64(0x9E3779B97F4A7C15)  # from one state to the next
HALF, LOW_HALF = np.uint64(32), np.uint64(2**32 - 1)


def first_state(rng):
    """Draw the first state of a stream, uint64, from a numpy Generator."""
    return rng.integers(2**64, dtype=np.uint64)


@njit(cache=True, nogil=True)
def word_of(state):
    """Return the random 64-bit word of a state, uint64; the state after it is state + STEP."""
    word = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@njit(cache=True, nogil=True)
def split(word, count):
    """Split a word into an integer from 0 to count - 1, count below 2**32, and a word for further integers.

    The word is read as a fraction of 2**64: `count` times the fraction has the integer before its point, and a new
    fraction behind. The chances of the integers differ by 2**-64 at most.
    """
    count = np.uint64(count)
    product = (word >> HALF) * count + (((word & LOW_HALF) * count) >> HALF)
    return np.int64(product >> HALF), word * count
