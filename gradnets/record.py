"""A recorder for your own training loop: gradients, deltas, weights and activations of chosen steps, in one file.

    with Recorder("out/run.safetensors", steps=range(0, 1000, 100)) as recorder:
        for step in range(1000):
            ...
            recorder.add(step, "gradient", "fc1.weight", parameter.grad)

The file holds that array as "gradient/fc1.weight/000500", which `tensors.matrices` and --layer find by patterns
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

from gradnets import experiment, tensors

KINDS = ("gradient", "delta", "weight", "activation")


class Recorder:
    """Writes what a training loop hands over, at chosen steps, to a .safetensors file.

    Parameters
    ----------
    path : str or Path
        The file; its folder is made. It is written when the `with` block ends, also if by an error, and by
        `flush`, whole or not at all, in place of one that is there.
    steps : range, or iterable of int
        The steps that are wanted.

    Raises
    ------
    ValueError
        At once if there are no steps, or the path has another suffix or cannot be written. At the end of the
        block if nothing of a wanted step was added.

    Notes
    -----
    Memory: one array at a time. What is added goes to a nameless file in the same folder, which vanishes with
    the process, so that at the end the disk holds it twice. Each `flush` writes all of it anew.
    """

    def __init__(self, path, steps):
        self.path = Path(path)
        try:
            self.steps = steps if isinstance(steps, range) else set(map(index, steps))
        except TypeError:
            raise ValueError(f"steps {steps!r}: expected whole numbers, such as range(0, 1000, 100)") from None
        if not self.steps:
            raise ValueError(f"steps {steps!r}: expected at least one")
        if self.path.suffix != ".safetensors" or self.path.is_dir():
            raise ValueError(f"path {str(path)!r}: expected a file that ends in .safetensors")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stored = tempfile.TemporaryFile(dir=self.path.parent)  # noqa: SIM115, __exit__ closes it
        except OSError as error:
            raise ValueError(f"cannot write to the folder {self.path.parent} ({error.strerror}): choose another "
                             "path") from None
        self._entries = {}  # name in the file: (step, dtype, shape, where its numbers begin)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        with experiment.naming(self.path), self._stored:
            self.flush()
            if not self._entries and error is None:
                raise ValueError(f"nothing was added for {self.path}: choose steps that the loop reaches, "
                                 f"not {reprlib.repr(self.steps)}")

    def wants(self, step):
        """Whether `add` keeps anything of this step: spares computing what it would not keep."""
        return index(step) in self.steps

    def add(self, step, kind, name, array):
        """Keep a copy of an array under "kind/name/step", the step in six digits or more, if the step is wanted.

        Parameters
        ----------
        step : int
        kind : "gradient", "delta", "weight" or "activation"
        name : str
            Of the parameter or layer, such as "fc1.weight".
        array : array of numbers
            Of numpy, PyTorch, JAX, or anything that numpy takes; on any device, of any shape. Integers and
            floats keep their dtype, but bfloat16 and 8-bit floats become float32, and those wider than float64
            become that. NaN and infinity are kept: it is `tensors.matrices` that refuses them.

        Raises
        ------
        ValueError
            If this kind, name and step are there already, the array is not one of real numbers, or the name has
            characters that cannot be printed or more than 300 of them.
        """
        step = index(step)  # a plain int, as the file's header takes it
        if not self.wants(step):
            return
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} of {name}: expected one of {', '.join(KINDS)}")
        key = f"{kind}/{name}/{step:06d}"
        tensors.check_name(self.path, key)  # or it could not be read again
        if key in self._entries:
            raise ValueError(f"{key} was added twice: give each array of a step a name of its own")
        if self._stored.closed:
            raise ValueError(f"{key} was added after the with block of {self.path}: remove the hooks that add it")
        array = _numbers(key, array)
        with experiment.naming(self.path):
            begin = self._stored.seek(0, 2)
            self._stored.write(array.data)
        self._entries[key] = step, array.dtype, array.shape, begin

    def flush(self):
        """Write what was added until now, if anything was."""
        if not self._entries:
            return
        with experiment.naming(self.path):
            self._stored.flush()
            stored = np.memmap(self._stored, mode="r")
        arrays = {key: np.ndarray(shape, dtype, stored, begin)
                  for key, (_, dtype, shape, begin) in self._entries.items()}
        steps = sorted({step for step, *_ in self._entries.values()})
        try:
            with experiment.atomic(self.path) as temporary:
                save_file(arrays, temporary, {"gradnets": _version(), "steps": json.dumps(steps)})
        except SafetensorError as error:  # so it calls a full disk
            raise OSError(errno.EIO, str(error), str(self.path)) from error
        finally:
            arrays.clear()  # an exception holds frames that have it, and with it the map and the disk's space
            del stored


def _numbers(key, array):
    """As a little-endian numpy array in C order; of other libraries only their arrays' own methods are used."""
    if array is None:
        raise ValueError(f"{key} is None: expected an array of numbers; has its gradient been computed?")
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
        raise ValueError(f"{key}, a {type(array).__name__}, does not become a numpy array "
                         f"({str(error).strip().splitlines()[0]}): expected an array of numbers") from None
    if array.dtype.kind not in "fiu" or not array.size:
        raise ValueError(f"{key} is of dtype {array.dtype} and shape {array.shape}: expected an array of numbers")
    dtype = np.dtype(np.float64) if array.dtype.itemsize > 8 else array.dtype
    return array.astype(dtype.newbyteorder("<"), copy=False)


def _version():
    try:
        return metadata.version("gradnets")
    except metadata.PackageNotFoundError:  # run from a clone
        with open(experiment.ROOT / "pyproject.toml", "rb") as file:
            return tomllib.load(file)["project"]["version"]
