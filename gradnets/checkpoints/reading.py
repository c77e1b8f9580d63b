"""Read matrices from files of your own, mapped into memory where possible.

`listing` says what a file holds, and `matrices` reads the matrices that are named, one after another. Rows and columns
stay as they are stored. Tensors with more than two axes are read as matrices by these rules:

- 4 axes are the kernels of a 2-D convolution: (out, in, height, width), the order of PyTorch, become the matrix (out,
  in * height * width); with kernels="hwio", (height, width, in, out), the order of JAX and Keras, become (height *
  width * in, out). 5 axes are the kernels of a 3-D convolution, by the same rule.
- 3 axes are a stack of matrices, such as heads or experts, each of them a matrix "name[k]"; but if the name contains
  "conv", in any case, they are the kernels of a 1-D convolution.

bfloat16, float16 and the 8-bit floats e4m3fn and e5m2 become float32, integers float64. A pattern passes over vectors,
scalars, tensors of other dtypes and empty tensors; naming one of them is an error.
"""
import difflib
import fnmatch
import hashlib
import itertools
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gradnets import checks
from gradnets.checkpoints import formats
from gradnets.errors import UserError

KERNELS = ("oihw", "hwio")  # orders of the axes of a convolution's kernels
REAL = re.compile(r"u?int\d+|b?float\d+|longdouble|float8_e4m3fn|float8_e5m2")  # dtypes that are read
BLOCK = 2**20               # entries that are checked at a time, which fit into the processor's cache


class Matrix(NamedTuple):
    """A name and its values, float32 or float64 (n, m) in C order; changing them does not change the file."""

    name: str
    values: np.ndarray


def listing(path):
    """Return the tensors of a file, from its headers alone.

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
    UserError
        If the file is missing, differs from what its suffix says, is truncated or damaged, holds a name twice, or is
        pickled; the message then holds the lines that convert it.
    """
    return [entry.tensor for entry in formats.contents(Path(path))]


def table_of_contents(path):
    """Return `listing` as rows: name, shape and dtype of each tensor, and the number of matrices it is read as."""
    return [{"name": tensor.name, "shape": " x ".join(map(str, tensor.shape)) or "a single number",
             "dtype": tensor.dtype, "matrices": len(_matrix_names(tensor))} for tensor in listing(path)]


def matrices(path, layer="*", kernels="oihw"):
    """Read the named matrices of a file, one at a time.

    Parameters
    ----------
    path : str or Path
        As in `listing`.
    layer : str
        A name, or a pattern with *, ? and [] as in a shell (fnmatchcase), of a tensor or of one matrix of a stack,
        "name[k]"; several are separated by commas, and each has to match something.
    kernels : "oihw" or "hwio"
        Order of the axes of a convolution's kernels.

    Returns
    -------
    iterator of Matrix
        In the file's order, each matrix once. float32 and float64 are mapped from .npy and .safetensors files,
        copy-on-write; other dtypes and formats are read, one tensor at a time.

    Raises
    ------
    UserError
        As `listing` does; if a name or pattern matches nothing, or an exact name is no matrix, kernel or stack of real
        numbers. While reading: if entries are NaN or infinite, or a .npz member is damaged.

    Notes
    -----
    One pass over each matrix to check it, and one to widen it. Memory: none for a map; otherwise the float32 or float64
    values, and for a .npz the stored ones beside them.
    """
    checks.choice("kernels", kernels, KERNELS)
    path = Path(path)
    entries = formats.contents(path)
    wanted = _wanted_names(path, [entry.tensor for entry in entries], layer)
    return itertools.chain.from_iterable(_matrices_of(entry, wanted, kernels, path) for entry in entries)


def provenance(path, layer="*"):
    """Return name, source and SHA-256 of each file that `matrices` reads, as the record of a run holds them.

    Parameters and errors are those of `matrices`. Of a checkpoint in several files these are the files that hold a
    matrix that `layer` names. Each file is read as a whole, once.

    Returns
    -------
    list of dict
        {"name": str, "source": str, "sha256": {name: str}}
    """
    path = Path(path)
    entries = formats.contents(path)
    wanted = _wanted_names(path, [entry.tensor for entry in entries], layer)
    files = dict.fromkeys(entry.file for entry in entries if not wanted.isdisjoint(_matrix_names(entry.tensor)))
    return [{"name": file.name, "source": str(file), "sha256": {file.name: _sha256(file)}} for file in files]


def layer_pattern(path, layer, kind):
    """Return the pattern of the matrices of a kind to read: "KIND/*" if `layer` is "*" and the file has such names.

    kind : str, such as "gradient", one of the kinds that a Recorder writes
    """
    if layer == "*" and any(tensor.name.startswith(f"{kind}/") for tensor in listing(path)):
        return f"{kind}/*"
    return layer


def layer_and_step(name):
    """Split the name of a recorded matrix, "delta/fc1/000500", into "delta/fc1" and 500; the step is None without one.

    The item of a stack, "gradient/heads/000500[3]", is of the layer "gradient/heads[3]".
    """
    match = re.fullmatch(r"(.+)[/._-](\d{1,18})(\[\d+\])?", name)
    return (match[1] + (match[3] or ""), int(match[2])) if match else (name, None)


def check_flags(file_flag, path, layer, kernels, list_only):
    """Raise UserError if a flag about a file is set, and no file is named.

    Parameters
    ----------
    file_flag : str or tuple of str
        The flags that name a file, without dashes, such as "weights" or ("weights", "gradient").
    path : str
        The file; empty if none is named.
    layer : str
        Value of --layer.
    kernels : str or None
        Value of --kernels; None for a script without this flag.
    list_only : bool
        Whether --list is set.
    """
    if not path and (list_only or layer != "*" or kernels not in (None, KERNELS[0])):
        flags = (file_flag,) if isinstance(file_flag, str) else file_flag
        needy = "--list and --layer" if kernels is None else "--list, --layer and --kernels"
        raise UserError(f"{needy} need a file: name it with {' or '.join('--' + flag for flag in flags)}")


# ---- which matrices ---------------------------------------------------------------------------------------

def _is_stack(tensor):
    return len(tensor.shape) == 3 and "conv" not in tensor.name.lower()


def _matrix_names(tensor):
    """Return the names of the matrices that a tensor is read as: none, one, or one for each item of a stack."""
    if _problem(tensor):
        return []
    return [f"{tensor.name}[{k}]" for k in range(tensor.shape[0])] if _is_stack(tensor) else [tensor.name]


def _problem(tensor):
    """Return why a tensor is not read as matrices, or None if it is."""
    if not REAL.fullmatch(tensor.dtype):
        return f"is of dtype {tensor.dtype}: expected real numbers, such as float32, bfloat16 or int8"
    if 0 in tensor.shape:
        return (f"is empty, {formats.short(tensor.shape)}: expected a matrix, a kernel or a stack of matrices with "
                "entries")
    axes = len(tensor.shape)
    if not 2 <= axes <= 5:
        count = {0: "no axes", 1: "one axis"}.get(axes, f"{axes} axes")
        return f"has {count}, {formats.short(tensor.shape)}: expected a matrix, a kernel or a stack of matrices"
    return None


def _wanted_names(path, tensors, layer):
    """Return the names of the matrices that `layer` selects: a set with at least one name."""
    if not tensors:
        raise UserError(f"{path} holds no tensors")
    problems = {tensor.name: problem for tensor in tensors if (problem := _problem(tensor))}
    pairs = [(tensor.name, name) for tensor in tensors for name in _matrix_names(tensor)]
    twice = [name for name, count in Counter(name for _, name in pairs).items() if count > 1]
    if twice:
        raise UserError(f"{path} has a matrix and an item of a stack that are both {twice[0]}: rename one")
    wanted = set()
    for word in [layer] if layer in {tensor.name for tensor in tensors} else layer.split(","):
        word = word.strip()
        if word in problems:
            raise UserError(f"{word} of {path} {problems[word]}")
        matches = {name for pair in pairs for name in pair[1:] if word in pair} or {
            name for pair in pairs for name in pair[1:] if any(fnmatch.fnmatchcase(text, word) for text in pair)}
        if not matches:
            raise _no_match(path, tensors, pairs, problems, word)
        wanted |= matches
    return wanted


def _no_match(path, tensors, pairs, problems, word):
    """Return the error of a name or pattern that selects nothing."""
    passed_over = [name for name in problems if fnmatch.fnmatchcase(name, word)]
    if passed_over:
        return UserError(f"{word!r} matches no matrix of {path}: {passed_over[0]} {problems[passed_over[0]]}")
    names = [tensor.name for tensor in tensors]
    close = difflib.get_close_matches(word, [*names, *(name for _, name in pairs)], n=3)
    return UserError(f"no layer {word!r} in {path}: " + (
        f"did you mean {' or '.join(dict.fromkeys(close))}?" if close else
        f"it holds {', '.join(names[:10])}" + (f" and {len(names) - 10} more" if len(names) > 10 else "")))


# ---- the numbers ------------------------------------------------------------------------------------------

def _matrices_of(entry, wanted, kernels, path):
    """Yield the wanted matrices of one tensor."""
    names = _matrix_names(entry.tensor)
    if wanted.isdisjoint(names):
        return
    stored, shape = entry.read(), entry.tensor.shape
    if not _is_stack(entry.tensor):
        stored = [stored.reshape((shape[0], -1) if kernels == "oihw" else (-1, shape[-1]))]
    for name, values in zip(names, stored, strict=True):
        if name in wanted:
            values = _widened(values, entry.tensor.dtype)
            _check_finite(path, name, values)
            yield Matrix(name, values)


def _widened(stored, dtype):
    """Return stored numbers as native float32 or float64 in C order, without a copy if they are that already.

    numpy has no bfloat16 and no float8, and ml_dtypes, which has them, would be one more dependency for ten lines.
    """
    if dtype == "bfloat16":  # the upper half of a float32
        wide = stored.astype(np.uint32)
        wide <<= 16
        return wide.view(np.float32)
    if dtype.startswith("float8"):
        wide, values = np.empty(stored.shape, np.float32), _float8_values(dtype)
        for row, codes in zip(wide, stored, strict=True):  # take makes indices of 8 bytes of its codes
            values.take(codes, out=row, mode="clip")
        return wide
    return np.require(stored, np.float32 if dtype in ("float16", "float32") else np.float64, ("C", "ALIGNED"))


def _float8_values(dtype):
    """Return the value of each byte, float32 (256,)."""
    code = np.arange(256, dtype=np.uint16)
    if dtype == "float8_e5m2":  # the upper half of a float16
        return (code << 8).view(np.float16).astype(np.float32)
    # Four bits of exponent stand where float16 has five: too small by 2^(15 - 7). One code, of either sign, is NaN.
    values = ((code & 0x80) << 8 | (code & 0x7F) << 7).view(np.float16) * np.float32(256)
    values[[0x7F, 0xFF]] = np.nan
    return values


def _check_finite(path, name, values):
    nan = infinite = 0
    for block in np.array_split(values.reshape(-1), values.size // BLOCK + 1):
        if not np.isfinite(block).all():
            nan += np.count_nonzero(np.isnan(block))
            infinite += np.count_nonzero(np.isinf(block))
    if nan or infinite:
        raise UserError(f"{name} of {path} has {nan} NaN and {infinite} infinite entries of {values.size}: "
                        "expected finite ones, choose other layers or an earlier step")


def _sha256(file):
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
