"""Compiled hash tables of codes: open addressing, int64 keys, -1 in a free place. A table is half empty or emptier."""
import numba
import numpy as np

compiled = numba.njit(cache=True, nogil=True)


@compiled
def slot(keys, code):
    """Return the place of a code in a table, or the free place for it."""
    mask = np.uint64(keys.size - 1)
    place = ((np.uint64(code) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask
    while keys[place] != code and keys[place] != -1:
        place = (place + np.uint64(1)) & mask
    return place


@compiled
def doubled(keys, values):
    """Return a table of twice the size with the same keys and values."""
    new_keys, new_values = np.full(2 * keys.size, -1, np.int64), np.zeros(2 * keys.size, np.int64)
    for old in range(keys.size):
        if keys[old] != -1:
            place = slot(new_keys, keys[old])
            new_keys[place], new_values[place] = keys[old], values[old]
    return new_keys, new_values


@compiled
def tally(keys, values, code):
    """Count a code in a table that has room; return 1 if the code is new, else 0."""
    place = slot(keys, code)
    values[place] += 1
    if keys[place] == code:
        return 0
    keys[place] = code
    return 1
