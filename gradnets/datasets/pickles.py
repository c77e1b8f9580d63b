"""Read pickles as data, without running them.

A pickle is a program. The reader is our own because `pickle.Unpickler` calls whatever its `find_class` allows, with
arguments of the file's choice, and bounds neither memory nor time. Here the opcodes are walked through, and only those
are known that integers, text, lists, tuples, dictionaries and arrays of numbers need: nothing is imported or called,
whatever the file asks for.
"""
import pickletools
from dataclasses import dataclass

import numpy as np

from gradnets.datasets.real_files import Malformed

MAX_OPCODES = 10**6  # in a pickle; that of CIFAR-100 needs a quarter of them
POPPED = {"REDUCE": 1, "BUILD": 1, "APPEND": 1, "TUPLE1": 1, "SETITEM": 2, "TUPLE2": 2, "TUPLE3": 3}  # items
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}


@dataclass(eq=False)
class Announced:
    """A dtype or an array that a pickle announces, and its value once the pickle has told the state."""

    code: str = ""  # of a dtype
    value: object = None


def read(contents):
    """Return what a pickle of protocol 1 or 2 holds, if that is plain data and arrays of numbers.

    Byte strings come out as text, one character per byte, since Python 2 did not tell them apart; arrays come out as
    `Announced`, see `array`. Raises Malformed for anything else, within memory of a few times the file.
    """
    try:
        return _interpret(contents)
    except MemoryError:
        raise
    except Exception as error:  # the file is at fault, whatever its bytes lead to
        raise Malformed(f"not a pickle of plain numbers ({error or type(error).__name__})") from None


def array(announced):
    """Return the array that a value of `read` stands for; raise Malformed for any other value."""
    return expect(np.ndarray, expect(Announced, announced).value)


def expect(kinds, value):
    """Return a value if it is an instance of one of the kinds, else raise Malformed."""
    if not isinstance(value, kinds):
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        raise Malformed(f"got a {type(value).__name__}, expected a {' or '.join(kind.__name__ for kind in kinds)}")
    return value


def _interpret(contents):
    """Walk through the opcodes with a stack, the stacks below its marks, and a memo, as a pickle means them."""
    stack, below, memo, array_bytes = [], [], {}, 0
    for count, (opcode, argument, _) in enumerate(pickletools.genops(contents)):
        if count > MAX_OPCODES:
            raise Malformed(f"more than {MAX_OPCODES} opcodes")
        kind = opcode.name
        if kind in ("TUPLE", "APPENDS", "SETITEMS"):  # these take all that was stacked since the mark
            items, stack = stack, below.pop()
        elif kind in POPPED:
            items = [stack.pop() for _ in range(POPPED[kind])][::-1]
        match kind:
            case "PROTO":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                below.append(stack)
                stack = []
            case "INT" | "BININT" | "BININT1" | "BININT2" | "BINSTRING" | "SHORT_BINSTRING" | "BINUNICODE":
                stack.append(argument)
            case "GLOBAL":
                stack.append(argument)  # only the name, such as "numpy dtype"
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append(CONSTANTS[kind])
            case "EMPTY_LIST" | "EMPTY_DICT" | "EMPTY_TUPLE":
                stack.append(EMPTY[kind]())
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                if not 0 <= argument <= count:  # honest indices count up; others can be made to share a hash
                    raise Malformed("memo index out of turn")
                memo[argument] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(items))
            case "APPEND" | "APPENDS":
                expect(list, stack[-1]).extend(items)
            case "SETITEM" | "SETITEMS":
                # Only text is a key: to hash a tuple of tuples of tuples can take for ever.
                keys = [expect(str, key) for key in items[::2]]
                expect(dict, stack[-1]).update(zip(keys, items[1::2], strict=True))
            case "REDUCE":
                stack.append(_announce(stack.pop(), *items))
            case "BUILD":
                array_bytes += _tell_state(expect(Announced, stack[-1]), *items)
                if array_bytes > len(contents):  # thousands of arrays can be made of the same bytes
                    raise Malformed("more bytes in arrays than in the file")
            case _:
                raise Malformed(f"opcode {kind}")
    raise Malformed("no end")


def _announce(function, arguments):
    """Return what a call stands for: the calls that numpy writes, and Python 3 for byte strings in protocol 2."""
    match function, arguments:
        case "numpy dtype", ("u1" | "i4" | "i8" | "f4" | "f8" as code, *_):
            return Announced(code)
        case "numpy.core.multiarray _reconstruct" | "numpy._core.multiarray _reconstruct", _:
            return Announced()
        case "_codecs encode", (str(text), "latin1"):
            return text
    # str() is for names alone: a few nested tuples can be written out for ever.
    called = function[:60] if isinstance(function, str) else type(function).__name__
    raise Malformed(f"refused to call {called} with {type(arguments).__name__}")


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
