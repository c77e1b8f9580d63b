"""Matrices out of files of your own: .npy, .npz and .safetensors, mapped into memory where that can be done.

`listing` says what a file holds, `matrices` reads what is asked for, one after another. Rows and columns
stay as they are stored. What has more axes than two is read as matrices by these rules:

- 4 axes are the kernels of a 2-D convolution: (out, in, height, width), as PyTorch has them, become the matrix
  (out, in * height * width); with kernels="hwio", (height, width, in, out), as JAX and Keras have them, become
  (height * width * in, out). 5 axes are those of a 3-D convolution, by the same rule.
- 3 axes are a stack of matrices, heads or experts, each of them a matrix "name[k]"; but where the name contains
  "conv", in any case, they are the kernels of a 1-D convolution.

bfloat16, float16 and the 8-bit floats e4m3fn and e5m2 become float32, integers float64. Vectors, scalars and
tensors of other dtypes, or of size 0, are passed over by a pattern and refused by name.

Files are not trusted. Nothing is unpickled; what a header claims is checked against the file before memory is
taken; whatever is wrong ends in one line that names the file and the tensor.
"""
import difflib
import fnmatch
import hashlib
import io
import itertools
import json
import math
import re
import zipfile
import zlib
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from gradnets import datasets

KNOWN = ".npy, .npz, .safetensors or .safetensors.index.json"
PICKLED = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".pt.tar", ".pth.tar")
BEGINNINGS = {".npy": (b"\x93NUMPY", "a .npy array"),
              ".npz": (b"PK\x03\x04", "a zip archive, such as .npz or PyTorch's .pt")}
HEADER = 2**14  # bytes that hold any .npy header that numpy agrees to parse, which has 10,000 at most
DEFLATE = 1032  # bytes at most that deflate packs into one
LONGEST = 300   # characters of a name
AXES = 64       # of an array of numpy's
DTYPES = {  # safetensors' codes: the dtype's name, and what numpy maps it as
    "F64": ("float64", "<f8"), "F32": ("float32", "<f4"), "F16": ("float16", "<f2"), "BF16": ("bfloat16", "<u2"),
    "F8_E4M3": ("float8_e4m3fn", "u1"), "F8_E5M2": ("float8_e5m2", "u1"), "BOOL": ("bool", "?"),
    "C64": ("complex64", "<c8"),
    **{f"{kind}{8 * size}": (f"{name}{8 * size}", f"<{name[0]}{size}")
       for kind, name in (("I", "int"), ("U", "uint")) for size in (1, 2, 4, 8)},
}
READ = re.compile(r"u?int\d+|b?float\d+|longdouble|float8_e4m3fn|float8_e5m2")


class Tensor(NamedTuple):
    """What a file says of one tensor, its numbers unread: name, shape (tuple of int), dtype (numpy's name)."""

    name: str
    shape: tuple
    dtype: str


class Matrix(NamedTuple):
    """A name and its values, float32 or float64 (n, m) in C order; changing them does not change the file."""

    name: str
    values: np.ndarray


def listing(path):
    """What a file holds, from its headers alone.

    Parameters
    ----------
    path : str or Path
        A .npy file, whose array is named by the file's stem; a .npz or .safetensors file; or the
        .safetensors.index.json of a checkpoint in several files, which stand beside it.

    Returns
    -------
    list of Tensor
        In the file's order.

    Raises
    ------
    ValueError
        If the file is missing, is not what its suffix says, is truncated or damaged, holds a name twice, or is
        pickled: the message then has the lines that convert it.
    """
    return [tensor for tensor, *_ in _contents(Path(path))]


def table(path):
    """`listing` as rows of a table: name, shape and dtype of each tensor, and how many matrices it is read as."""
    return [{"tensor": tensor.name, "shape": " x ".join(map(str, tensor.shape)) or "a single number",
             "dtype": tensor.dtype, "matrices": 0 if _problem(tensor) else len(_names(tensor))}
            for tensor in listing(path)]


def matrices(path, layer="*", kernels="oihw"):
    """The matrices of a file whose names are asked for, one at a time.

    Parameters
    ----------
    path : str or Path
        As in `listing`.
    layer : str
        A name, or a pattern with *, ? and [] as the shell has them (fnmatchcase), of a tensor or of one matrix
        of a stack, "name[k]"; several are separated by commas, and each has to match something.
    kernels : "oihw" or "hwio"
        How the axes of a convolution's kernels are ordered.

    Returns
    -------
    iterator of Matrix
        In the file's order, each matrix once. float32 and float64 are mapped from .npy and .safetensors files,
        copy-on-write; the rest is read, a tensor at a time.

    Raises
    ------
    ValueError
        As `listing` does; if nothing matches, or what is asked for by its exact name is no matrix, kernel or
        stack of real numbers. While reading: if entries are NaN or infinite, or a .npz member is damaged.

    Notes
    -----
    One pass over each matrix to check it, and one to widen it. A file of which something is asked is read as a whole
    once, for its SHA-256, which `datasets.loaded` keeps for the record of a run. Memory: a map needs none of its own,
    any other matrix its float32 or float64 values, and what comes from a .npz the stored ones beside them.
    """
    if kernels not in ("oihw", "hwio"):
        raise ValueError(f"kernels {kernels!r}: expected 'oihw' (PyTorch) or 'hwio' (JAX, Keras)")
    path = Path(path)
    contents = _contents(path)
    wanted = _wanted(path, [tensor for tensor, *_ in contents], layer)
    return itertools.chain.from_iterable(_matrices(path, *one, wanted, kernels) for one in contents)


def _matrices(path, tensor, read, file, wanted, kernels):
    names = _names(tensor)
    if wanted.isdisjoint(names):
        return
    stored = read()
    if str(file) not in [entry["source"] for entry in datasets.loaded]:
        with open(file, "rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        datasets.loaded.append({"name": file.name, "source": str(file), "sha256": {file.name: digest}})
    if not _is_stack(tensor):
        stored = [stored.reshape((tensor.shape[0], -1) if kernels == "oihw" else (-1, tensor.shape[-1]))]
    for name, values in zip(names, stored, strict=True):
        if name in wanted:
            yield Matrix(name, _finite(path, name, _widened(values, tensor.dtype)))


# ---- which tensors ----------------------------------------------------------------------------------------

def _is_stack(tensor):
    return len(tensor.shape) == 3 and "conv" not in tensor.name.lower()


def _names(tensor):
    """Names of the matrices that a tensor is read as: none, one, or one an item of a stack."""
    if _problem(tensor):
        return []
    return [f"{tensor.name}[{k}]" for k in range(tensor.shape[0])] if _is_stack(tensor) else [tensor.name]


def _problem(tensor):
    """Why a tensor is not read as matrices, or None."""
    if not READ.fullmatch(tensor.dtype):
        return f"is of dtype {tensor.dtype}: expected real numbers, such as float32, bfloat16 or int8"
    if 0 in tensor.shape:
        return f"is empty, {_short(tensor.shape)}: expected a matrix, a kernel or a stack of matrices with entries"
    axes = len(tensor.shape)
    if not 2 <= axes <= 5:
        count = {0: "no axes", 1: "one axis"}.get(axes, f"{axes} axes")
        return f"has {count}, {_short(tensor.shape)}: expected a matrix, a kernel or a stack of matrices"
    return None


def _wanted(path, tensors, layer):
    """Names of the matrices that `layer` asks for: a set, not empty."""
    if not tensors:
        raise ValueError(f"{path} holds no tensors")
    problems = {tensor.name: problem for tensor in tensors if (problem := _problem(tensor))}
    known = [(tensor.name, name) for tensor in tensors for name in _names(tensor)]
    twice = [name for name, count in Counter(name for _, name in known).items() if count > 1]
    if twice:
        raise ValueError(f"{path} has a matrix and an item of a stack that are both {twice[0]}: rename one")
    wanted = set()
    for word in [layer] if layer in {tensor.name for tensor in tensors} else layer.split(","):
        word = word.strip()
        if word in problems:
            raise ValueError(f"{word} of {path} {problems[word]}")
        hits = {name for pair in known for name in pair[1:] if word in pair} or {
            name for pair in known for name in pair[1:] if any(fnmatch.fnmatchcase(one, word) for one in pair)}
        if not hits:
            passed = [name for name in problems if fnmatch.fnmatchcase(name, word)]
            if passed:
                raise ValueError(f"{word!r} matches no matrix of {path}: {passed[0]} {problems[passed[0]]}")
            names = [tensor.name for tensor in tensors]
            near = difflib.get_close_matches(word, [*names, *(name for _, name in known)], n=3)
            raise ValueError(f"no layer {word!r} in {path}: " + (
                f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else
                f"it holds {', '.join(names[:10])}" + (f" and {len(names) - 10} more" if len(names) > 10 else "")))
        wanted |= hits
    return wanted


# ---- their numbers ----------------------------------------------------------------------------------------

def _widened(stored, dtype):
    """Stored numbers as native float32 or float64 in C order, without a copy where they are that already."""
    if dtype == "bfloat16":  # the upper half of a float32
        wide = stored.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    if dtype.startswith("float8"):
        wide, table = np.empty(stored.shape, np.float32), _float8(dtype)
        for row, codes in zip(wide, stored, strict=True):  # take makes indices of 8 bytes of its codes
            table.take(codes, out=row, mode="clip")
        return wide
    return np.require(stored, np.float32 if dtype in ("float16", "float32") else np.float64, ("C", "ALIGNED"))


def _float8(dtype):
    """What each byte means: float32 (256,)."""
    code = np.arange(256, dtype=np.uint16)
    if dtype == "float8_e5m2":  # the upper half of a float16
        return (code << 8).view(np.float16).astype(np.float32)
    # Four bits of exponent in the place of float16's five: too small by 2^(15 - 7). One code alone is no number.
    values = ((code & 0x80) << 8 | (code & 0x7F) << 7).view(np.float16) * np.float32(256)
    values[[0x7F, 0xFF]] = np.nan
    return values


def _finite(path, name, values):
    nan = infinite = 0
    for block in np.array_split(values.reshape(-1), values.size // 2**20 + 1):  # in cache
        if not np.isfinite(block).all():
            nan += np.count_nonzero(np.isnan(block))
            infinite += np.count_nonzero(np.isinf(block))
    if nan or infinite:
        raise ValueError(f"{name} of {path} has {nan} NaN and {infinite} infinite entries of {values.size}: "
                         "expected finite ones, choose other layers or an earlier step")
    return values


# ---- the formats: each gives pairs of a Tensor and a function that reads it -------------------------------

def _contents(path):
    suffix = path.suffix.lower()
    try:
        if path.is_dir():
            raise ValueError(f"{path} is a folder: expected a file of it, {KNOWN}")
        if not path.is_file():
            raise ValueError(f"there is no file {path}: expected {KNOWN}")
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}): expected {KNOWN}") from None
    if path.name.lower().endswith(PICKLED):
        raise ValueError(f"{path} is pickled, and reading pickles can run code: if you trust it, "
                         + _conversion(path, start))
    if path.name.lower().endswith(".index.json"):
        contents = _shards(path)
    elif suffix in FORMATS:
        for other, (magic, what) in BEGINNINGS.items():
            if start.startswith(magic) and other != suffix:
                raise ValueError(f"{path} begins like {what}: expected what the suffix {suffix} says")
        contents = [(*pair, path) for pair in FORMATS[suffix](path)]
    else:
        raise ValueError(f"{path} has the suffix {path.suffix!r}: expected {KNOWN}")
    names = set()
    for tensor, *_ in contents:
        check_name(path, tensor.name)
        if tensor.name in names:
            raise ValueError(f"{path} holds {tensor.name} twice: expected each name once")
        names.add(tensor.name)
    return contents


def _conversion(path, start):
    """How the tensors of a pickled checkpoint, which begins so, are written to a file that is data alone."""
    if path.suffix.lower() in (".pkl", ".pickle") and not start.startswith(b"PK"):  # PyTorch's are zip archives
        return ("and it holds a dict of arrays, convert it once with import numpy, pathlib, pickle; "
                f"numpy.savez({str(path.with_suffix('.npz'))!r}, "
                f"**pickle.loads(pathlib.Path({str(path)!r}).read_bytes()))")
    target = path.with_suffix("") if path.suffix.lower() == ".tar" else path
    return (f"convert it once with import torch, safetensors.torch; s = torch.load({str(path)!r}, 'cpu', "
            "weights_only=True); s = next((s[k] for k in ('state_dict', 'model_state_dict', 'model') if k in s), s); "
            "safetensors.torch.save_file({k: v.contiguous().clone() for k, v in s.items() if torch.is_tensor(v)}, "
            f"{str(target.with_suffix('.safetensors'))!r})")


def check_name(path, name):
    """ValueError for a tensor's name that is no line of at most 300 characters."""
    if not name.isprintable() or len(name) > LONGEST:  # or it would spoil the line and the terminal that show it
        raise ValueError(f"{path} holds the name {name[:40]!a}, of {len(name)} characters: expected at most "
                         f"{LONGEST}, and that they can be printed")


def _npy(path):
    with open(path, "rb") as file:
        shape, fortran, dtype, length = _npy_header(path, file.read(HEADER), path.stat().st_size)
    return [(Tensor(path.stem, shape, dtype.name),
             lambda: _mapped(path, dtype, length, shape, "F" if fortran else "C"))]


def _npz(path):
    try:
        archive = zipfile.ZipFile(path)  # closed with the last function that reads from it
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ValueError(f"{path} is no whole .npz archive ({_said(error)}): write or copy it again") from None
    contents = []
    for info in archive.infolist():
        check_name(path, info.filename)
        where = f"{info.filename} in {path}"
        if not info.filename.endswith(".npy"):
            raise ValueError(f"{where} is no .npy array: expected an archive that numpy.savez wrote")
        # A comment longer than it should be hides the members after it.
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1 or info.comment:
            raise ValueError(f"{where} is encrypted, commented or packed in a way that numpy does not use: write or "
                             "copy it again")
        if (info.header_offset + info.compress_size > path.stat().st_size
                or info.file_size > DEFLATE * (info.compress_size + 1)):
            raise ValueError(f"{where} claims {info.file_size} bytes, more than {info.compress_size} packed ones "
                             f"in a file of {path.stat().st_size} can hold: write or copy it again")
        start = _unpacked(where, archive, info, lambda file: file.read(HEADER))
        shape, _, dtype, _ = _npy_header(where, start, info.file_size)
        contents.append((Tensor(info.filename.removesuffix(".npy"), shape, dtype.name),
                         lambda where=where, info=info: _unpacked(where, archive, info, np.lib.format.read_array)))
    return contents


def _unpacked(where, archive, info, read):
    """What `read` makes of an archive's open member, which yields no more bytes than it claims."""
    try:
        with archive.open(info) as file:
            return read(file)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"{where} cannot be unpacked ({_said(error)}): the file is truncated or damaged, write "
                         "or copy it again") from None


def _npy_header(where, start, size):
    """Shape, whether Fortran's order, dtype, and the header's length; `size` is that of header and numbers."""
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
        raise ValueError(f"{where} has no .npy header that can be read ({_said(error)}): it is not what "
                         "its name says, or damaged") from None
    claimed = file.tell() + math.prod(shape) * dtype.itemsize
    if not dtype.hasobject and claimed != size:
        raise ValueError(f"{where} has {size} bytes where its header, {dtype.name} {_short(shape)}, makes it "
                         f"{claimed}: it is truncated or damaged, write or copy it again")
    return shape, fortran, dtype, file.tell()


def _safetensors(path):
    size = path.stat().st_size
    try:
        with safe_open(path, framework="np"):  # checks the header, and that the tensors fill the file
            pass
    except (SafetensorError, OSError) as error:
        reason = _short(str(error).rpartition("header: ")[2])
        if "not fully covered" in reason:
            reason = _uncovered(path, size)
        raise ValueError(f"{path}, of {size} bytes, is no whole safetensors file ({reason}): write or copy it "
                         "again") from None
    header, offset = _safetensors_header(path)
    contents = []
    for name, entry in header.items():
        dtype, stored = DTYPES.get(entry["dtype"], (entry["dtype"].lower(), None))
        shape, start = tuple(entry["shape"]), offset + entry["data_offsets"][0]
        contents.append((Tensor(name, shape, dtype),
                         lambda stored=stored, start=start, shape=shape: _mapped(path, stored, start, shape)))
    return contents


def _safetensors_header(path):
    """The header's entries by name, and where the numbers begin."""
    def once(pairs):
        entries = dict(pairs)
        if len(entries) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            check_name(path, twice)
            raise ValueError(f"{path} holds {twice} twice: expected each name once")
        return entries

    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length), object_pairs_hook=once)
    header.pop("__metadata__", None)
    return header, 8 + length


def _uncovered(path, size):
    """Where the numbers that a header tells of end, and the file does not."""
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
        raise ValueError(f"{path} is no index of a sharded checkpoint ({_said(error)}): expected JSON "
                         "with a weight_map of tensors to files beside it") from None
    for shard in shards:
        check_name(path, shard.name)
    contents = [one for shard in shards for one in _contents(shard)]
    missing = shard_of.keys() - {tensor.name for tensor, *_ in contents}
    if missing:
        name = min(missing)
        check_name(path, name)
        raise ValueError(f"{path} says that {shard_of[name]} holds {name}, which it does not: copy both again")
    return contents


def _said(error):
    return _short(f"{type(error).__name__}: {error}")  # some quote what they found


def _short(thing):
    line = " ".join(str(thing)[:1000].split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= 160 else line[:157] + "..."


def _mapped(path, dtype, offset, shape, order="C"):
    """A plain array over the file's bytes, copy-on-write: compiled kernels take it as they take any other."""
    return np.asarray(np.memmap(path, dtype, "c", offset, shape, order))


FORMATS = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors}
