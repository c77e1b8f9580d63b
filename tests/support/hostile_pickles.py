"""Pickles that would run something, exhaust memory or time, or hold no numbers."""
import os
import pickle
import struct

import numpy as np
from data_files import number, short


class Calls:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.reduced = function, arguments

    def __reduce__(self):
        return self.reduced


class Stateful(Calls):
    """An object whose pickle calls a function and tells a state to the result."""

    def __reduce__(self):
        return (*self.reduced, {"state": 1})


def calling(name, *arguments):
    """Return a pickle that calls a function by its name, "module attribute"."""
    values = b"".join(b"V%s\n" % str(value).encode() for value in arguments)
    return b"c" + name.replace(" ", "\n").encode() + b"\n(" + values + b"tR."


DOUBLED = b"K\x01q\x00" + b"h\x00h\x00\x86q\x00" * 60  # a tuple of tuples of tuples, too many to walk through
U1 = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
NEW = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"


def array_of(shape, dtype, raw):
    """Return the opcodes of an array, from the opcodes of its shape, dtype and contents."""
    return NEW + b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb"


def typed(code, order=b"|"):
    """Return the opcodes of a dtype."""
    named = b"cnumpy\ndtype\n(" + short(code) + b"K\x00K\x01tR"
    return named + b"(K\x03" + short(order) + b"NNN" + 2 * number(-1) + b"K\x00tb"


def declared(shape, code=b"u1", raw=b"x" * 8, order=b"|"):
    """Return a pickled batch whose array claims this shape and type."""
    sides = b"(" + b"".join(number(side) for side in shape) + b"t"
    return (b"\x80\x02}(" + short(b"labels") + b"]K\x01a" + short(b"data")
            + array_of(sides, typed(code, order), short(raw)) + b"u.")


def hostile(trace):
    """Return pickles that would run something and leave a trace, exhaust memory or time, or hold no numbers."""
    touch = f"touch {trace}"
    opened = f"open({str(trace)!r}, 'w')"
    argument = b"V" + touch.encode() + b"\n"
    called = b"cos\nsystem\n" + argument + b"\x85R"
    setstate = b"}U\x0c__setstate__cos\nsystem\nsb" + argument + b"b."
    attacks = {
        f"{name} {protocol}": pickle.dumps(thing, protocol)
        for protocol in (0, 1, 2, 4, 5)
        for name, thing in {
            "os.system": Calls(os.system, touch),
            "eval": Calls(eval, opened),
            "exec": Calls(exec, opened),
            "nested": {"data": [Calls(getattr, Calls(__import__, "os"), "system")], "labels": [1]},
            "in a list": {"data": np.zeros((1, 3072), np.uint8), "labels": [Calls(os.system, touch)]},
            "open": Calls(open, str(trace), "w"),
            "state": Stateful(os.system, touch),
            "object array": {"data": np.array([1, "a", None], object), "labels": [1]},
            "code in an object array": {"data": np.array([Calls(os.system, touch)]), "labels": [1]},
            "set": {"data": {1, 2}, "labels": [1]},
        }.items()
    }
    attacks |= {name: calling(name, *arguments) for name, *arguments in (
        ("subprocess Popen", touch), ("subprocess getoutput", touch), ("os popen", touch),
        ("os execl", "/bin/sh", "sh"), ("pty spawn", touch), ("builtins compile", opened, "", "exec"),
        ("builtins __import__", "antigravity"),
        ("__builtin__ eval", opened), ("importlib import_module", "this"), ("runpy run_path", trace),
        ("timeit timeit", opened), ("pdb run", opened), ("cProfile run", opened), ("code interact",),
        ("webbrowser open", "http://127.0.0.1:9/"), ("urllib.request urlopen", "http://127.0.0.1:9/"),
        ("shutil rmtree", trace.parent), ("os remove", trace), ("pathlib Path", trace), ("ctypes CDLL", trace),
        ("os _exit", 0), ("os abort",), ("sys exit",), ("faulthandler _sigsegv",), ("marshal loads", "c"),
        ("pickle loads", "cos\\nsystem"), ("codecs decode", "x", "base64"), ("codecs open", trace, "w"),
        ("_codecs encode", "x", "zip"), ("_codecs lookup", "idna"), ("copyreg _reconstructor", "x"),
        ("copyreg add_extension", "os", "system", 1), ("functools partial", "x"), ("operator attrgetter", "system"),
        ("types FunctionType", "x"), ("numpy load", trace), ("numpy memmap", trace), ("numpy save", trace, "x"),
        ("numpy fromfile", trace), ("numpy ndarray", 8), ("numpy.testing._private.utils runstring", opened, "{}"),
        ("numpy.core.multiarray scalar", "x"), ("numpy.core.multiarray fromstring", "x"), ("joblib load", trace),
        ("torch load", trace), ("gradnets.files atomic", trace))}
    return attacks | {
        "posix by hand": b"cposix\nsystem\n(S'" + touch.encode() + b"'\ntR.",
        "inst": b"(S'" + touch.encode() + b"'\nios\nsystem\n.",
        "obj": b"(cos\nsystem\n" + argument + b"o.",
        "newobj": b"\x80\x02cnumpy\nndarray\nK\x05\x85\x81.",
        "newobj_ex": b"\x80\x04cos\nsystem\n" + argument + b"\x85}\x92.",
        "by the stack": b"\x80\x04\x8c\x02os\x8c\x06system\x93" + argument + b"\x85R.",
        "dotted": b"\x80\x04\x8c\x05numpy\x8c\x0bf2py.sys.exit\x93.",
        "chain of getattr": (b"cbuiltins\ngetattr\n(cbuiltins\ngetattr\n(cnumpy\nndarray\nV__class__\ntR"
                             b"V__subclasses__\ntR."),
        "globals of a function": b"cbuiltins\ngetattr\n(cnumpy\nload\nV__globals__\ntR.",
        "a name with a space": b"cos system\nx\n" + argument + b"\x85R.",
        "two names in one": b"cnumpy dtype\n\n" + argument + b"\x85R.",
        "code as a shape": array_of(called, U1, short(b"x")) + b".",
        "code as a dtype": array_of(number(1) + b"\x85", called, short(b"x")) + b".",
        "array of a subclass": NEW.replace(b"ndarray", b"memmap") + setstate,
        "encode with another codec": b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x06\x00\x00\x00base64tR.",
        "build a global": b"cnumpy\ndtype\n}(U\x08__init__K\x01ub.",
        "build a list": b"]}b.",
        "__setstate__": U1 + setstate,
        "slots": U1 + b"N}U\x05value" + argument + b"s\x86b.",
        "persistent": b"Pname\n.",
        "persistent on the stack": b"Vname\nQ.",
        "extension": b"\x82\x01.",
        "extension of two bytes": b"\x83\x01\x00.",
        "extension of four bytes": b"\x84\x01\x00\x00\x00.",
        "next buffer": b"\x80\x05\x97\x98.",
        "huge frame": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7fK\x01.",
        "huge bytes": b"\x8e" + b"\xff" * 7 + b"\x7fx.",
        "huge bytearray": b"\x96" + b"\xff" * 7 + b"\x7fx.",
        "hash of nested tuples": b"\x80\x02}" + DOUBLED + b"K\x01s.",
        "nested tuples written out": b"\x80\x02" + DOUBLED + b"]R.",
        "nested tuples as byte order": b"\x80\x02" + DOUBLED + U1 + b"(K\x03h\x00NNNtb.",
        "nested tuples as shape": b"\x80\x02" + DOUBLED + array_of(b"h\x00", U1, short(b"x")) + b".",
        "words as byte order": U1 + b"(K\x03T" + struct.pack("<I", 2**23) + b"a " * 2**22 + b"NNNtb.",
        "many arrays of the same bytes": (
            b"\x80\x02](T" + struct.pack("<I", 2**23) + bytes(2**23) + b"q\x01" + typed(b"u1") + b"q\x02"
            + array_of(number(2**23) + b"\x85", b"h\x02", b"h\x01") * 300 + b"e."),
        "memo of one hash": b"K\x01" + b"".join(b"p%d\n" % (k * (2**61 - 1)) for k in range(1, 40_000)) + b".",
        "memo index": b"]r\xff\xff\xff\x7f.",
        "negative memo index": b"]p-1\n.",
        "huge string": b"T\xff\xff\xff\x7fabc.",
        "negative string": b"T\xff\xff\xff\xffabc.",
        "huge long": b"\x8b\xff\xff\xff\x7f1.",
        "million digits": b"I" + b"9" * 10**6 + b"\n.",
        "million digits, long": b"L" + b"9" * 10**6 + b"L\n.",
        "huge shape": declared((2**31 - 1, 3072)),
        "overflowing shape": declared((2**31 - 1,) * 8),
        "many axes": declared((1,) * 70, raw=b"x"),
        "negative shape": declared((-1, 8)),
        "shape of wrong size": declared((1, 3072)),
        "no entries, huge": declared((0, 2**31 - 1), raw=b""),
        "objects by type code": declared((1,), b"O8", order=b"|"),
        "objects in a list": array_of(number(1) + b"\x85", typed(b"O8"), b"]cos\nsystem\na") + b".",
        "void": declared((1,), b"V8"),
        "text": declared((1,), b"S8"),
        "times": declared((1,), b"M8", order=b"<"),
        "bad byte order": declared((8,), order=b"*"),
        "images of bytes": pickle.dumps(((np.zeros((4, 784), np.uint8), np.arange(4)),) * 3, 2),
        "many objects": b"}" * 200_000 + b".",
        "deep": b"]" * 50_000 + b"a" * 49_999 + b".",
        "itself": b"]q\x00h\x00a.",
        "empty stack": b".",
        "no mark": b"]e.",
        "no memo": b"h\x07.",
        "odd dictionary": b"}(U\x01au.",
        "not a pickle": b"<!DOCTYPE html><html>404</html>",
        "zeros": bytes(1000),
        "empty": b"",
    }
