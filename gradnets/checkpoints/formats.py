"""What files of tensors hold: .npy, .npz, .safetensors, PyTorch's own, and the index of a checkpoint in several files.

Files are not trusted. Nothing is unpickled; the claims of a header are checked against the file before memory is
taken; each error is one line that names the file and the tensor.
"""
import io
import json
import math
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from gradnets.checkpoints import torch_files
from gradnets.errors import Malformed, UserError

KNOWN = ".npy, .npz, .safetensors, .pt, .pth, .bin, .ckpt, or the .index.json of a checkpoint in several files"
PICKLED = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".pt.tar", ".pth.tar")
BEGINNINGS = {".npy": (b"\x93NUMPY", "a .npy array"),
              ".npz": (b"PK\x03\x04", "a zip archive, such as .npz or PyTorch's .pt")}
HEADER = 2**14  # bytes that hold any .npy header that numpy agrees to parse, which has at most 10,000
DEFLATE = 1032  # largest number of bytes that deflate packs into one
LONGEST = 300   # characters of a name
AXES = 64       # largest number of axes of a numpy array
DTYPES = {  # the codes of safetensors: name of the dtype, and the numpy dtype that its bytes are mapped as
    "F64": ("float64", "<f8"), "F32": ("float32", "<f4"), "F16": ("float16", "<f2"), "BF16": ("bfloat16", "<u2"),
    "F8_E4M3": ("float8_e4m3fn", "u1"), "F8_E5M2": ("float8_e5m2", "u1"), "BOOL": ("bool", "?"),
    "C64": ("complex64", "<c8"),
    **{f"{kind}{8 * size}": (f"{name}{8 * size}", f"<{name[0]}{size}")
       for kind, name in (("I", "int"), ("U", "uint")) for size in (1, 2, 4, 8)},
}


class Tensor(NamedTuple):
    """A tensor as its file's header describes it: name, shape (tuple of int), dtype (the name that numpy uses)."""

    name: str
    shape: tuple
    dtype: str


class Entry(NamedTuple):
    """A tensor of a file, the function that reads its stored numbers as an array, and the file that holds them."""

    tensor: Tensor
    read: Callable
    file: Path


def contents(path):
    """Return the entries of a file, in the file's order, from its headers alone.

    Parameters
    ----------
    path : Path
        A .npy, .npz or .safetensors file, one that torch.save wrote, or the .index.json of a checkpoint in several
        files.

    Returns
    -------
    list of Entry

    Raises
    ------
    UserError
        If the file is missing or unreadable, differs from what its suffix says, is truncated or damaged, holds a name
        twice, or is pickled; the message then holds the lines that convert it.
    """
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            raise UserError(f"{path} is a folder: expected a file of it, {KNOWN}")
        if not path.is_file():
            raise UserError(f"there is no file {path}: expected {KNOWN}")
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): expected {KNOWN}") from None
    if path.name.lower().endswith(PICKLED):
        if not start.startswith((b"PK", b"\x80")) and suffix not in (".pkl", ".pickle"):
            raise UserError(f"{path} is no file of PyTorch's, which begin in another way: expected {KNOWN}")
        if not start.startswith(b"PK"):  # PyTorch's files are zip archives, since version 1.6
            raise UserError(f"{path} is a plain pickle, and reading pickles can run code: if you trust it, "
                            + _conversion(path, start))
        entries = _torch(path)
    elif path.name.lower().endswith(".index.json"):
        entries = _shards(path)
    elif suffix in FORMATS:
        for other_suffix, (magic, words) in BEGINNINGS.items():
            if start.startswith(magic) and other_suffix != suffix:
                raise UserError(f"{path} begins like {words}: expected what the suffix {suffix} says")
        entries = FORMATS[suffix](path)
    else:
        raise UserError(f"{path} has the suffix {path.suffix!r}: expected {KNOWN}")
    names = set()
    for entry in entries:
        check_name(path, entry.tensor.name)
        if entry.tensor.name in names:
            raise _name_twice(path, entry.tensor.name)
        names.add(entry.tensor.name)
    return entries


def check_name(path, name):
    """Raise UserError unless the name of a tensor is one printable line of at most 300 characters."""
    if not name.isprintable() or len(name) > LONGEST:  # otherwise it would spoil the line and the terminal
        raise UserError(f"{path} holds the name {name[:40]!a}, of {len(name)} characters: expected at most "
                        f"{LONGEST} characters, all of them printable")


def short(thing):
    """Return the text of a thing as one printable line of at most 160 characters."""
    line = " ".join(str(thing)[:1000].split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= 160 else line[:157] + "..."


def _conversion(path, start, load="torch.load({}, 'cpu', weights_only=True)"):
    """Return the lines that write the tensors of a pickled checkpoint, which begins with `start`, as plain data."""
    if path.suffix.lower() in (".pkl", ".pickle") and not start.startswith(b"PK"):  # PyTorch's are zip archives
        return ("and it holds a dict of arrays, convert it once with import numpy, pathlib, pickle; "
                f"numpy.savez({str(path.with_suffix('.npz'))!r}, "
                f"**pickle.loads(pathlib.Path({str(path)!r}).read_bytes()))")
    target = path.with_suffix("") if path.suffix.lower() == ".tar" else path
    return (f"convert it once with import torch, safetensors.torch; s = {load.format(repr(str(path)))}; "
            f"s = next((s[k] for k in {torch_files.STATES} if k in s), s) if isinstance(s, dict) else s; "
            "s = s if isinstance(s, dict) else s.state_dict(); "
            "safetensors.torch.save_file({k: v.contiguous().clone() for k, v in s.items() if torch.is_tensor(v)}, "
            f"{str(target.with_suffix('.safetensors'))!r})")


def _reason(error):
    return short(f"{type(error).__name__}: {error}")  # some errors quote the bytes of the file


def _name_twice(path, name):
    return UserError(f"{path} holds {name} twice: expected each name once")


def _mapped(path, dtype, offset, shape, order="C"):
    """Return a plain array over the bytes of a file, copy-on-write: compiled kernels take it like any other array."""
    try:
        return np.asarray(np.memmap(path, dtype, "c", offset, shape, order))
    except ValueError:  # the header matched the file's size a moment ago
        raise UserError(f"{path} became shorter while it was read: run the script again") from None


# ---- .npy and .npz: numpy parses the headers, but would take the memory that a false header asks for ------

def _npy(path):
    with open(path, "rb") as file:
        shape, fortran, dtype, length = _npy_header(path, file.read(HEADER), path.stat().st_size)
    return [Entry(Tensor(path.stem, shape, dtype.name),
                  lambda: _mapped(path, dtype, length, shape, "F" if fortran else "C"), path)]


def _npz(path):
    try:
        archive = zipfile.ZipFile(path)  # closed with the last function that reads from it
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(f"{path} is no whole .npz archive ({_reason(error)}): write or copy it again") from None
    entries = []
    for info in archive.infolist():
        check_name(path, info.filename)
        place = f"{info.filename} in {path}"
        if not info.filename.endswith(".npy"):
            raise UserError(f"{place} is no .npy array: expected an archive that numpy.savez wrote")
        # A comment longer than it should be hides the members after it.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1 or info.comment:
            raise UserError(f"{place} is encrypted, commented or packed in a way that numpy does not use: write or "
                            "copy it again")
        if (info.header_offset + info.compress_size > path.stat().st_size
                or info.file_size > DEFLATE * (info.compress_size + 1)):
            raise UserError(f"{place} claims {info.file_size} bytes, more than {info.compress_size} packed ones "
                            f"in a file of {path.stat().st_size} can hold: write or copy it again")
        start = _unpacked(place, archive, info, lambda file: file.read(HEADER))
        shape, _, dtype, _ = _npy_header(place, start, info.file_size)
        entries.append(Entry(
            Tensor(info.filename.removesuffix(".npy"), shape, dtype.name),
            lambda place=place, info=info: _unpacked(place, archive, info, np.lib.format.read_array), path))
    return entries


def _unpacked(place, archive, info, read):
    """Return read(file) of an archive's open member, which yields no more bytes than it claims."""
    try:
        with archive.open(info) as file:
            return read(file)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{place} cannot be unpacked ({_reason(error)}): the file is truncated or damaged, write "
                        "or copy it again") from None


def _npy_header(place, start, size):
    """Return shape, whether in Fortran order, dtype, and length of a header; `size` counts header and numbers."""
    file = io.BytesIO(start)
    parsers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    parsers[3, 0] = parsers[2, 0]  # they differ in the letters of field names
    try:
        version = np.lib.format.read_magic(file)
        if version not in parsers:
            raise ValueError(f"unknown version {version}")
        shape, fortran, dtype = parsers[version](file)
        if len(shape) > AXES or any(type(length) is not int or not 0 <= length < 2**63 for length in shape):
            raise ValueError(f"shape {shape}")
    except Exception as error:  # the header is a literal of Python: a hostile one can fail in any way
        raise UserError(f"{place} has no .npy header that can be read ({_reason(error)}): the file is damaged or of "
                        "another format than its name says") from None
    claimed = file.tell() + math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and claimed != size:
        raise UserError(f"{place} has {size} bytes where its header, {dtype.name} {short(shape)}, makes it "
                        f"{claimed}: it is truncated or damaged, write or copy it again")
    return shape, fortran, dtype, file.tell()


# ---- .safetensors: the library checks the header, but its numpy reader has no bfloat16 or float8 and no map

def _safetensors(path):
    size = path.stat().st_size
    try:
        with safe_open(path, framework="np"):  # checks the header, and that the tensors fill the file
            pass
    except (SafetensorError, OSError) as error:
        reason = short(str(error).rpartition("header: ")[2])
        if "not fully covered" in reason:
            reason = _uncovered(path, size)
        raise UserError(f"{path}, of {size} bytes, is no whole safetensors file ({reason}): write or copy it "
                        "again") from None
    header, offset = _safetensors_header(path)
    entries = []
    for name, entry in header.items():
        dtype, stored = DTYPES.get(entry["dtype"], (entry["dtype"].lower(), None))
        shape, start = tuple(entry["shape"]), offset + entry["data_offsets"][0]
        entries.append(Entry(Tensor(name, shape, dtype),
                             lambda stored=stored, start=start, shape=shape: _mapped(path, stored, start, shape), path))
    return entries


def _safetensors_header(path):
    """Return the entries of a header by name, and where the numbers begin."""
    def unique(pairs):
        entries = dict(pairs)
        if len(entries) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            check_name(path, twice)
            raise _name_twice(path, twice)
        return entries

    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length), object_pairs_hook=unique)  # the library has accepted the text
    header.pop("__metadata__", None)
    return header, 8 + length


def _uncovered(path, size):
    """Return in words where the numbers that a header describes end, and the file does not."""
    header, offset = _safetensors_header(path)
    end = offset + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if size > end:
        return f"{size - end} bytes follow the last tensor"
    first = min((entry["data_offsets"][1], name) for name, entry in header.items()
                if offset + entry["data_offsets"][1] > size)[1]
    return f"truncated in {first}: its header makes it {end} bytes"


def _shards(path):
    try:
        shard_of = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        shards = [path.with_name(shard) for shard in dict.fromkeys(shard_of.values())]
        if any(shard.suffix == ".json" for shard in shards):
            raise ValueError("a shard that is an index")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is no index of a sharded checkpoint ({_reason(error)}): expected JSON "
                        "with a weight_map of tensors to files beside it") from None
    for shard in shards:
        check_name(path, shard.name)
    entries = [entry for shard in shards for entry in contents(shard)]
    missing = shard_of.keys() - {entry.tensor.name for entry in entries}
    if missing:
        name = min(missing)
        check_name(path, name)
        raise UserError(f"{path} says that {shard_of[name]} holds {name}, which it does not: copy both again")
    return entries


# ---- PyTorch's archives -----------------------------------------------------------------------------------

def _torch(path):
    try:
        views = torch_files.views(path)
    except torch_files.Foreign as error:
        load = "torch.jit.load({}, 'cpu')" if error.name == torch_files.PROGRAM else (
            "torch.load({}, 'cpu', weights_only=False)")
        raise UserError(f"{path} holds {short(error.name)}, which can run anything when it is loaded: only "
                        "if you made the file yourself, " + _conversion(path, b"PK", load)) from None
    except Malformed as error:
        raise UserError(f"{path} is no whole file of PyTorch's: {short(error)}; write or copy it again") from None
    return [Entry(Tensor(view.name, view.shape, view.dtype), lambda view=view: _strided(path, view), path)
            for view in views]


def _strided(path, view):
    """Return a tensor as a view of its mapped storage."""
    if 0 in view.shape:
        return np.empty(view.shape, view.stored)
    storage = _mapped(path, view.stored, view.offset, (view.count,))[view.first:]
    strides = [stride * storage.itemsize for stride in view.strides]
    return np.lib.stride_tricks.as_strided(storage, view.shape, strides)


FORMATS = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors}
