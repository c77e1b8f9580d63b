"""Read the pickles of data sets: integers, text, lists, tuples, dictionaries, and numpy's arrays of numbers."""
from dataclasses import dataclass

import numpy as np

from gradnets import pickles
from gradnets.errors import Malformed
from gradnets.pickles import expect


@dataclass(eq=False)
class Announced:
    """A dtype or an array that a pickle announces, and its value once the pickle has told the state."""

    code: str = ""  # of a dtype
    value: object = None


def read(contents):
    """Return what a pickle holds, if that is plain data and arrays of numbers.

    Byte strings come out as text, one character per byte, since Python 2 did not tell them apart; arrays come out as
    `Announced`, see `array`. Raises Malformed for anything else, within memory of a few times the file.
    """
    room = len(contents)

    def build(value, state):
        nonlocal room
        room -= _tell_state(expect(Announced, value), state)
        if room < 0:  # thousands of arrays can be made of the same bytes
            raise Malformed("more bytes in arrays than in the file")

    return pickles.read(contents, _announce, build)


def array(announced):
    """Return the array that a value of `read` stands for; raise Malformed for any other value."""
    return expect(np.ndarray, expect(Announced, announced).value)


def _announce(function, arguments):
    """Return what a call stands for: the calls that numpy writes, and Python 3 for byte strings in protocol 2."""
    match function, arguments:
        case "numpy dtype", ("u1" | "i4" | "i8" | "f4" | "f8" as code, *_):
            return Announced(code)
        case "numpy.core.multiarray _reconstruct" | "numpy._core.multiarray _reconstruct", _:
            return Announced()
        case "_codecs encode", (str(text), "latin1"):
            return text
    raise Malformed(f"refused to call {function[:60]}")


def _tell_state(announced, state):
    """Give a dtype its byte order, or an array its shape, dtype, order and contents; return the bytes of the array."""
    if announced.code:
        order = expect(str, state[1])
        if order not in ("|", "<", ">"):
            raise Malformed("unknown byte order")
        announced.value = np.dtype(order.strip("|") + announced.code)
        return 0
    _, shape, dtype, fortran_order, raw = state
    if not all(type(side) is int and side >= 0 for side in shape):
        raise Malformed("array of impossible shape")
    flat = np.frombuffer(expect(str, raw).encode("latin1"), expect(np.dtype, dtype.value))
    announced.value = flat.reshape(shape, order="F" if fortran_order else "C")
    return flat.nbytes
