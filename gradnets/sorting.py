"""Sort many floats: single precision by the bits, 11 at a time, which takes a fifth of the time of comparing them."""
import numpy as np
from numba import njit

BY_BITS = 1 << 16  # number of values from which float32 is sorted by bits


def sorted_floats(values, overwrite=False):
    """Return floats in rising order, in a flat array of their dtype; NaN stands at the ends.

    Parameters
    ----------
    values : float32 or float64 array, any shape
    overwrite : bool
        Whether a contiguous array may be used as work space, which saves a copy.

    Notes
    -----
    From 65,536 values of float32 on: three passes over the values, and one more array of their size.
    """
    flat = values.reshape(-1) if overwrite else values.flatten()
    if flat.dtype != np.float32 or flat.size < BY_BITS:
        flat.sort()
        return flat
    ordered = np.empty_like(flat)
    _sort_bits(flat.view(np.uint32), ordered.view(np.uint32))
    return ordered


@njit(cache=True)
def _sort_bits(bits, ordered):
    """Write the bits of float32 numbers, uint32, to `ordered` in rising order of the numbers; overwrite `bits`."""
    sign, all_bits = np.uint32(0x80000000), np.uint32(0xFFFFFFFF)
    digit_bits, mask = np.uint32(11), np.uint32(2047)
    places = np.zeros((3, 2049), np.int64)
    for i in range(len(bits)):
        value = bits[i]
        value ^= all_bits if value & sign else sign  # so that the order of floats is the order of integers
        bits[i] = value
        places[0, (value & mask) + 1] += 1
        places[1, ((value >> digit_bits) & mask) + 1] += 1
        places[2, (value >> (digit_bits + digit_bits)) + 1] += 1
    for digit in range(3):
        for k in range(2048):
            places[digit, k + 1] += places[digit, k]
    source, target = bits, ordered
    for digit in range(3):
        shift, place = np.uint32(11 * digit), places[digit]
        for value in source:
            k = (value >> shift) & mask
            target[place[k]] = value
            place[k] += 1
        source, target = target, source
    for i in range(len(ordered)):
        ordered[i] ^= sign if ordered[i] & sign else all_bits
