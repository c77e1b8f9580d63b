"""Read pickles as data, without running them.

A pickle is a program. The reader is our own because `pickle.Unpickler` calls whatever its `find_class` allows, with
arguments of the file's choice, and bounds neither memory nor time. Here the opcodes are walked through, and only those
are known that numbers, text, lists, tuples, dictionaries and the calls of a caller's vocabulary need: nothing is
imported or called, whatever the file asks for.
"""
import pickletools

from gradnets.errors import Malformed

MAX_OPCODES = 10**6  # in a pickle; that of CIFAR-100 needs a quarter of them, a net of 10,000 tensors half of them
LARGEST_KEY = 2**60  # integers below it have distinct hashes
POPPED = {"REDUCE": 1, "NEWOBJ": 1, "BUILD": 1, "APPEND": 1, "TUPLE1": 1, "SETITEM": 2, "TUPLE2": 2, "TUPLE3": 3,
          "STACK_GLOBAL": 2}  # items
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}


def read(contents, call, build, load=None):
    """Return what a pickle holds, if that is plain data and what a vocabulary of calls stands for.

    Parameters
    ----------
    contents : bytes
        A pickle of protocol 1 to 5. Byte strings of Python 2 come out as text, one character per byte.
    call : function
        call(name, arguments) returns what a call of the function "module name" stands for, or raises Malformed.
    build : function
        build(value, state) gives a value of `call` the state that the pickle holds for it, or raises Malformed.
    load : function, optional
        load(identity) returns what an object that is stored outside of the pickle stands for, or raises Malformed.

    Raises
    ------
    Malformed
        For anything else, within memory of a few times the pickle.
    """
    try:
        return _interpret(contents, call, build, load)
    except (MemoryError, Malformed):
        raise
    except Exception as error:  # the file is at fault, whatever its bytes lead to
        raise Malformed(f"no pickle that can be read ({error or type(error).__name__})") from None


def expect(kinds, value):
    """Return a value if it is an instance of one of the kinds, else raise Malformed."""
    if not isinstance(value, kinds):
        kinds = kinds if isinstance(kinds, tuple) else (kinds,)
        raise Malformed(f"got a {type(value).__name__}, expected a {' or '.join(kind.__name__ for kind in kinds)}")
    return value


def _interpret(contents, call, build, load):
    """Walk through the opcodes with a stack, the stacks below its marks, and a memo, as a pickle means them."""
    stack, below, memo = [], [], {}
    for count, (opcode, argument, _) in enumerate(pickletools.genops(contents)):
        if count > MAX_OPCODES:
            raise Malformed(f"more than {MAX_OPCODES} opcodes")
        kind = opcode.name
        if kind in ("TUPLE", "APPENDS", "SETITEMS"):  # these take all that was stacked since the mark
            items, stack = stack, below.pop()
        elif kind in POPPED:
            items = [stack.pop() for _ in range(POPPED[kind])][::-1]
        match kind:
            case "PROTO" | "FRAME":
                pass
            case "STOP":
                return stack.pop()
            case "MARK":
                below.append(stack)
                stack = []
            case ("INT" | "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINSTRING" | "SHORT_BINSTRING"
                  | "BINUNICODE" | "SHORT_BINUNICODE" | "BINBYTES" | "SHORT_BINBYTES"):
                stack.append(argument)
            case "GLOBAL":
                stack.append(argument)  # only the name, such as "numpy dtype"
            case "STACK_GLOBAL":
                stack.append(" ".join(expect(str, item) for item in items))
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append(CONSTANTS[kind])
            case "EMPTY_LIST" | "EMPTY_DICT" | "EMPTY_TUPLE":
                stack.append(EMPTY[kind]())
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                if not 0 <= argument <= count:  # honest indices count up; others can be made to share a hash
                    raise Malformed("memo index out of turn")
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(items))
            case "APPEND" | "APPENDS":
                expect(list, stack[-1]).extend(items)
            case "SETITEM" | "SETITEMS":
                expect(dict, stack[-1]).update(zip(map(_key, items[::2]), items[1::2], strict=True))
            case "REDUCE" | "NEWOBJ":
                function = stack.pop()
                # str() is for names alone: a few nested tuples can be written out for ever.
                if not isinstance(function, str) or not isinstance(items[0], tuple):
                    raise Malformed(f"refused to call a {type(function).__name__} with a {type(items[0]).__name__}")
                stack.append(call(function, items[0]))
            case "BUILD":
                build(stack[-1], items[0])
            case "BINPERSID" if load:
                stack.append(load(stack.pop()))
            case _:
                raise Malformed(f"opcode {kind}")
    raise Malformed("no end")


def _key(key):
    """Return the key of a dictionary: text, or an integer; to hash a tuple of tuples of tuples can take for ever."""
    if isinstance(key, int) and abs(key) < LARGEST_KEY:
        return key
    return expect(str, key)
