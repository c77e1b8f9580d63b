"""How fast can this processor read, update and multiply? The limits that the times of kernels are compared with.

Each limit is measured by the plainest loop, in the run in which it is used: caches are shared with whatever else the
machine does. A working set of the kernel's size is passed over again and again, so the limit is that of the cache that
the set fits into.
"""
import harness  # first: it pins the threads  # isort: skip

import functools

import numpy as np
from numba import njit

ROUNDS = 7


@njit
def _read(words, passes):
    ones = words[0]
    for _ in range(passes):
        for j in range(len(words)):  # vectorises in this form
            ones |= words[j]
        words[0] = ones  # so that no pass is left out
    return ones


@njit
def _update(array, passes):
    for k in range(passes):
        for j in range(len(array)):
            array[j] += array.dtype.type(k)


def _rate(function, amount, *arguments):
    """Return the amount that a function handles per second; its last argument, the passes, is chosen here."""
    passes = max(1, int(1e7 / amount))
    seconds = harness.medians({"limit": (lambda: function(*arguments, passes), 1)}, ROUNDS)["limit"]
    return amount * passes / seconds


@functools.cache
def reading(size):
    """Return how many bytes per second can be read from `size` bytes."""
    return _rate(_read, size, np.ones(size // 8, np.uint64))


@functools.cache
def updating(size):
    """Return how many bytes per second can be read, changed and written in `size` bytes, float32."""
    return _rate(_update, size, np.ones(size // 4, np.float32))


@functools.cache
def multiplying(size=1024):
    """Return how many float32 products per second numpy's BLAS adds up in a product of two square matrices."""
    matrix = np.ones((size, size), np.float32)
    seconds = harness.medians({"limit": (lambda: matrix @ matrix, 1)}, ROUNDS)["limit"]
    return size**3 / seconds


def main():
    for name, value, unit in (
            *((f"reading {size // 1024} KiB", reading(size) / 1e9, "GB/s") for size in (16384, 2**19, 2**23, 2**27)),
            *((f"updating {size // 1024} KiB", updating(size) / 1e9, "GB/s") for size in (16384, 2**19, 2**23, 2**27)),
            ("products, float32", multiplying() / 1e9, "billion/s")):
        print(f"{name:25}{value:8.1f} {unit}")


if __name__ == "__main__":
    main()
