"""Record your own training loop: gradients, deltas, weights and activations of chosen steps, in one file.

    with checkpoints.Recorder("out/run.safetensors", steps=range(0, 1000, 100)) as recorder:
        for step in range(1000):
            ...
            recorder.add(step, "gradient", "fc1.weight", parameter.grad)

The file holds that array as "gradient/fc1.weight/000500", which `checkpoints.matrices` and --layer select by patterns
such as "gradient/*", "gradient/fc1.weight/*" or "*/000500".
"""
import errno
import json
import reprlib
import tempfile
import tomllib
from importlib import metadata
from operator import index
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from gradnets import checks, files
from gradnets.checkpoints import formats
from gradnets.errors import UserError

KINDS = ("gradient", "delta", "weight", "activation")


class Recorder:
    """Write the arrays of a training loop, at chosen steps, to a .safetensors file.

    Parameters
    ----------
    path : str or Path
        The file; its folder is made if needed. It is written when the `with` block ends, also after an exception, and
        by `flush`. It is complete or absent, and replaces an older file.
    steps : range, or iterable of int
        The steps to record.

    Raises
    ------
    UserError
        At once if there are no steps, or the path has another suffix or cannot be written. At the end of the block if
        nothing was added at one of the steps.

    Notes
    -----
    Memory: one array at a time. Arrays go to a nameless file in the same folder, which vanishes with the process, so
    that at the end the disk holds them twice. Each `flush` writes all of them again.
    """

    def __init__(self, path, steps):
        self.path = Path(path)
        try:
            self.steps = steps if isinstance(steps, range) else set(map(index, steps))
        except TypeError:
            raise UserError(f"steps {steps!r}: expected integers, such as range(0, 1000, 100)") from None
        if not self.steps:
            raise UserError(f"steps {steps!r}: expected at least one step")
        if self.path.suffix != ".safetensors" or self.path.is_dir():
            raise UserError(f"path {str(path)!r}: expected a file that ends in .safetensors")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stored = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115, __exit__ closes it
        except OSError as error:
            raise UserError(f"cannot write to the folder {self.path.parent} ({error.strerror}): choose another "
                            "path") from None
        self._entries = {}  # name in the file: (step, dtype, shape, where the array begins)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        with files.naming(self.path), self._stored:
            self.flush()
            if not self._entries and error is None:
                raise UserError(f"nothing was added for {self.path}: choose steps that the loop reaches, "
                                f"not {reprlib.repr(self.steps)}")

    def wants(self, step):
        """Return whether `add` keeps arrays of this step, so that a loop can skip computing them."""
        return index(step) in self.steps

    def add(self, step, kind, name, array):
        """Keep a copy of an array as "kind/name/step", the step in at least six digits, if the step is to be recorded.

        Parameters
        ----------
        step : int
        kind : "gradient", "delta", "weight" or "activation"
        name : str
            Name of the parameter or layer, such as "fc1.weight".
        array : array of numbers
            Of numpy, PyTorch, JAX, or anything that numpy accepts; on any device, of any shape. Integers and floats
            keep their dtype, but bfloat16 and 8-bit floats become float32, and longer floats become float64. NaN and
            infinity are kept: `checkpoints.matrices` refuses them later.

        Raises
        ------
        UserError
            If this kind, name and step exist already, the array is not one of real numbers, or the name has more than
            300 characters or unprintable ones.
        """
        step = index(step)  # a Python int, as the file's header needs it
        if not self.wants(step):
            return
        checks.choice(f"kind of {name}", kind, KINDS)
        key = f"{kind}/{name}/{step:06d}"
        formats.check_name(self.path, key)  # otherwise it could not be read again
        if key in self._entries:
            raise UserError(f"{key} was added twice: give each array of a step a name of its own")
        if self._stored.closed:
            raise UserError(f"{key} was added after the with block of {self.path}: remove the hooks that add it")
        array = _to_numpy(key, array)
        with files.naming(self.path):
            start = self._stored.seek(0, 2)
            self._stored.write(array.data)
        self._entries[key] = step, array.dtype, array.shape, start

    def flush(self):
        """Write all arrays that were added so far, if there are any."""
        if not self._entries:
            return
        with files.naming(self.path):
            self._stored.flush()
            stored = np.memmap(self._stored, mode="r")
        arrays = {key: np.ndarray(shape, dtype, stored, start)
                  for key, (_, dtype, shape, start) in self._entries.items()}
        steps = sorted({step for step, *_ in self._entries.values()})
        try:
            with files.atomic(self.path) as temporary:
                save_file(arrays, temporary, {"gradnets": _version(), "steps": json.dumps(steps)})
        except SafetensorError as error:  # this is how it reports a full disk
            raise OSError(errno.EIO, str(error), str(self.path)) from error
        finally:
            arrays.clear()  # the frames of an exception hold this dict, and with it the map and the disk's space
            del stored


def _to_numpy(key, array):
    """Return a little-endian numpy array in C order; of other libraries only the arrays' own methods are used."""
    if array is None:
        raise UserError(f"{key} is None: expected an array of numbers; has its gradient been computed?")
    try:
        if hasattr(array, "detach"):  # PyTorch
            array = array.detach().cpu()
            if str(array.dtype).startswith(("torch.bfloat", "torch.float8")):
                array = array.float()
            array = array.numpy()
        array = np.asarray(array, order="C")
        if array.dtype.name.startswith(("bfloat", "float8")):  # JAX
            array = array.astype(np.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{key}, a {type(array).__name__}, does not become a numpy array "
                        f"({str(error).strip().splitlines()[0]}): expected an array of numbers") from None
    if array.dtype.kind not in "fiu" or not array.size:
        raise UserError(f"{key} is of dtype {array.dtype} and shape {array.shape}: expected an array of numbers")
    dtype = np.dtype(np.float64) if array.dtype.itemsize > 8 else array.dtype
    return array.astype(dtype.newbyteorder("<"), copy=False)


def _version():
    try:
        return metadata.version("gradnets")
    except metadata.PackageNotFoundError:  # run from a clone
        with open(Path(__file__).resolve().parents[2] / "pyproject.toml", "rb") as file:
            return tomllib.load(file)["project"]["version"]
