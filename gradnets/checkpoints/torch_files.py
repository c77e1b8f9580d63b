"""What PyTorch's own files hold, read without PyTorch and without running anything.

torch.save writes an archive (since PyTorch 1.6): a pickle, data.pkl, which describes tensors, and a member for each
storage, which holds the numbers of one tensor or of several that share them. Known are tensors, numbers, text, lists
and dictionaries of them, as nets and optimizers keep them; everything else is refused by its name. The format is that
of torch/serialization.py and torch/_utils.py.
"""
import math
import os
import struct
import zipfile
from typing import NamedTuple

import numpy as np

from gradnets import pickles
from gradnets.errors import Malformed
from gradnets.pickles import expect

STATES = ("state_dict", "model_state_dict", "model")  # where training loops keep the weights, beside other things
DTYPES = {  # PyTorch's dtypes: the names that numpy uses, and the numpy dtypes that the bytes are mapped as
    "float64": ("float64", "f8"), "float32": ("float32", "f4"), "float16": ("float16", "f2"),
    "bfloat16": ("bfloat16", "u2"), "float8_e4m3fn": ("float8_e4m3fn", "u1"), "float8_e5m2": ("float8_e5m2", "u1"),
    "bool": ("bool", "?"), "complex64": ("complex64", "c8"), "complex128": ("complex128", "c16"),
    **{f"{name}{8 * size}": (f"{name}{8 * size}", f"{name[0]}{size}")
       for name in ("int", "uint") for size in (1, 2, 4, 8)},
}
STORAGES = {"torch DoubleStorage": "float64", "torch FloatStorage": "float32", "torch HalfStorage": "float16",
            "torch BFloat16Storage": "bfloat16", "torch LongStorage": "int64", "torch IntStorage": "int32",
            "torch ShortStorage": "int16", "torch CharStorage": "int8", "torch ByteStorage": "uint8",
            "torch BoolStorage": "bool", "torch ComplexFloatStorage": "complex64",
            "torch ComplexDoubleStorage": "complex128", "torch.storage UntypedStorage": "uint8"}
HARMLESS = ("torch device", "torch Size", "numpy dtype", "numpy.core.multiarray scalar",
            "numpy._core.multiarray scalar", "_codecs encode")  # numbers and words about a run, which are passed over
PROGRAM = "a TorchScript program"
DEEPEST = 50          # dictionaries in dictionaries
LOCAL_HEADER = 30     # bytes of a member's own header, before its name


class View(NamedTuple):
    """A tensor of a file: some of the numbers of a storage.

    Attributes
    ----------
    name : str
    shape, strides : tuple of int
        Strides count numbers, not bytes.
    dtype : str
        The name that numpy uses, or bfloat16 and the like.
    stored : numpy.dtype
        What the bytes are mapped as.
    offset : int
        Of the storage's first byte in the file.
    first : int
        Place of the tensor's first number in the storage.
    count : int
        Numbers in the storage.
    """

    name: str
    shape: tuple
    strides: tuple
    dtype: str
    stored: np.dtype
    offset: int
    first: int
    count: int


class _Storage(NamedTuple):
    dtype: str
    key: str


class _Tensor(NamedTuple):
    storage: _Storage
    dtype: str
    first: int
    shape: tuple
    strides: tuple


class _Passed(NamedTuple):
    """A value that is known to be none of tensors, and is passed over."""

    name: str


class Foreign(Malformed):
    """A file that holds objects of a program, such as a whole model; `name` is the first one's."""

    def __init__(self, name):
        super().__init__(f"it holds {name}, expected tensors, numbers, and dictionaries of them")
        self.name = name


def views(path):
    """Return the tensors of a file that torch.save wrote, from its pickle and headers alone.

    Parameters
    ----------
    path : Path

    Returns
    -------
    list of View
        In the file's order. Of a file with one of the entries state_dict, model_state_dict or model, the tensors of
        this entry; otherwise all. Names of dictionaries within dictionaries are joined by dots.

    Raises
    ------
    Malformed
        If the file is truncated, damaged, or holds no tensors as they are described; Foreign, if it names anything
        else than tensors, numbers and dictionaries, such as the class of a whole model.

    Notes
    -----
    Memory: a few times the pickle, which grows with the number of tensors. Nothing is imported, called or unpacked.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            folder = next((name.removesuffix("data.pkl") for name in members if name.count("/") == 1
                           and name.endswith("/data.pkl")), None)
            if folder is None:
                raise Malformed("no data.pkl, which torch.save writes")
            if folder + "constants.pkl" in members:
                raise Foreign(PROGRAM)
            for info in members.values():
                _check_member(info, path.stat().st_size)
            contents = archive.read(members[folder + "data.pkl"])
            order = archive.read(members[folder + "byteorder"]) if folder + "byteorder" in members else b"little"
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, RuntimeError) as error:
        raise Malformed(f"its archive is truncated or damaged ({type(error).__name__}: {error})") from None
    if order not in (b"little", b"big"):
        raise Malformed("unknown byte order")
    value = pickles.read(contents, _call, _build, _load)
    with open(path, "rb") as file:
        return [_view(name, tensor, members, folder, "<" if order == b"little" else ">", file)
                for name, tensor in _tensors(_state(value))]


def _check_member(info, size):
    """Raise Malformed unless a member is stored as it is, and within the file."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.compress_size != info.file_size:
        raise Malformed(f"{info.filename[:60]} is packed or encrypted, which torch.save does not do")
    if info.header_offset + LOCAL_HEADER + info.file_size > size:
        raise Malformed(f"{info.filename[:60]} claims {info.file_size} bytes in a file of {size}: it is truncated")


# ---- what the pickle may say ------------------------------------------------------------------------------

def _load(identity):
    """Return the storage that ("storage", class or dtype, key, device, count) stands for."""
    match identity:
        case ("storage", str(kind), str(key), str(), int()) if kind in STORAGES:
            return _Storage(STORAGES[kind], key)
    raise Foreign(str(identity[1])[:60] if isinstance(identity, tuple) and len(identity) > 1
                  and isinstance(identity[1], str) else "a storage of an unknown kind")


def _call(function, arguments):
    match function, arguments:
        case "torch._utils _rebuild_tensor_v2", (_Storage() as storage, first, shape, strides, *_):
            return _tensor(storage, storage.dtype, first, shape, strides)
        case "torch._utils _rebuild_tensor_v3", (_Storage() as storage, first, shape, strides, _, _, str(dtype), *_):
            name = dtype.removeprefix("torch ")
            if name not in DTYPES:
                raise Foreign(dtype[:60])
            return _tensor(storage, name, first, shape, strides)
        case ("torch._utils _rebuild_parameter" | "torch._utils _rebuild_parameter_with_state"), (_Tensor() as tensor,
                                                                                                  *_):
            return tensor
        case "collections OrderedDict", ():
            return {}
        case "collections OrderedDict", (list(pairs),):
            return {expect(str, key): value for key, value in pairs}
        case "collections defaultdict", _:
            return {}
    if function in HARMLESS:
        return _Passed(function)
    raise Foreign(function[:100])


def _tensor(storage, dtype, first, shape, strides):
    numbers = (first, *expect(tuple, shape), *expect(tuple, strides))
    if len(shape) != len(strides) or len(shape) > 64 or not all(type(number) is int and 0 <= number < 2**62
                                                                for number in numbers):
        raise Malformed("a tensor of impossible shape or strides")
    return _Tensor(storage, dtype, first, shape, strides)


def _build(value, state):
    """Accept the attributes of a state dictionary, which hold versions of modules, and those of what is passed over."""
    if not isinstance(value, (dict, _Passed)):
        raise Malformed(f"a {type(value).__name__} with attributes")


# ---- which tensors there are, and where -------------------------------------------------------------------

def _state(value):
    """Return the weights of a training loop's checkpoint, or all that there is."""
    if isinstance(value, dict):
        for key in STATES:
            if isinstance(value.get(key), dict):
                return value[key]
    return value


def _tensors(value):
    """Return names and tensors of dictionaries and lists of them, in order."""
    tensors, rest, seen = [], [("", value, 0)], 0
    while rest:
        name, value, depth = rest.pop()
        seen += 1
        if depth > DEEPEST or seen > pickles.MAX_OPCODES:  # a few values that hold each other can be walked for ever
            raise Malformed("too many dictionaries or lists within each other")
        if isinstance(value, _Tensor):
            tensors.append((name or "tensor", value))
        elif type(value) in (dict, list, tuple):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            rest += [(f"{name}.{key}" if name else str(key), entry, depth + 1) for key, entry in items][::-1]
    return tensors


def _view(name, tensor, members, folder, order, file):
    """Return the view of a tensor, if its storage is there and holds all of its numbers once."""
    info = members.get(f"{folder}data/{tensor.storage.key}")
    if info is None:
        raise Malformed(f"no storage {tensor.storage.key[:60]} for {name[:100]}")
    dtype, stored = DTYPES[tensor.dtype]
    stored = np.dtype(stored).newbyteorder(order)
    count = info.file_size // stored.itemsize
    ends = ((length - 1) * stride for length, stride in zip(tensor.shape, tensor.strides, strict=True))
    if 0 not in tensor.shape and (tensor.first + sum(ends) >= count or math.prod(tensor.shape) > count):
        raise Malformed(f"{name[:100]} of shape {tensor.shape} needs more than the {count} numbers of its storage: it "
                        "is truncated or repeats numbers")
    file.seek(info.header_offset)
    header = file.read(LOCAL_HEADER)
    if len(header) < LOCAL_HEADER or not header.startswith(b"PK\x03\x04"):
        raise Malformed(f"{info.filename[:60]} is not where the archive's index says")
    offset = info.header_offset + LOCAL_HEADER + sum(struct.unpack("<HH", header[26:]))  # name and extra field
    if offset + info.file_size > os.fstat(file.fileno()).st_size:
        raise Malformed(f"{info.filename[:60]} is truncated")
    return View(name, tensor.shape, tensor.strides, dtype, stored, offset, tensor.first, count)
