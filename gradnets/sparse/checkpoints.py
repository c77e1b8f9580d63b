"""Save the state of a pruned run, so that an interrupted run goes on from there to the same weights."""
import dataclasses
import hashlib
import json
import zipfile
import zlib

import numpy as np

from gradnets import files
from gradnets.errors import UserError


def identity(recipe, weights, biases, samples, **net):
    """Return a text that differs between runs with another recipe, net or samples."""
    digest = hashlib.sha256()
    for array in [*weights, *(np.zeros(0) if bias is None else bias for bias in biases), *samples[:4]]:
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    parts = dataclasses.asdict(recipe) | net | {"start": digest.hexdigest()}
    return json.dumps(parts, default=lambda number: number.tolist())  # of numpy


def save(path, run, done, weights, biases, masks):
    """Write the state of a run to a file, which replaces any older one once it is complete.

    Parameters
    ----------
    path : path
    run : str
        As `identity` returns it.
    done : int
        Samples that the run has been trained on.
    weights, biases, masks : lists of arrays
        As `sparse.pack` takes them.
    """
    arrays = {"identity": np.array(run), "done": np.array(done)}
    for index, (w, bias, mask) in enumerate(zip(weights, biases, masks, strict=True)):
        arrays |= {f"weights_{index}": w, f"mask_{index}": mask}
        arrays |= {} if bias is None else {f"bias_{index}": bias}
    with files.atomic(path) as temporary, open(temporary, "wb") as file:  # numpy would add an ending to a name
        np.savez(file, **arrays)


def load(path, run, biases):
    """Read the state of a run from a file.

    Parameters
    ----------
    path : path
    run : str
        As `identity` returns it.
    biases : list of arrays, None for a layer without bias

    Returns
    -------
    done : int
    weights, biases, masks : lists of arrays

    Raises
    ------
    UserError
        If the file is damaged, or belongs to another run.
    """
    keys = [[f"{kind}_{index}" if kind != "bias" or bias is not None else None for index, bias in enumerate(biases)]
            for kind in ("weights", "bias", "mask")]
    try:
        # Opened here, since np.load leaves a damaged file open.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            same = str(archive["identity"]) == run
            done = int(archive["done"])
            state = [[key and archive[key] for key in layers] for layers in keys] if same else []
    except (OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"the checkpoint {path} is damaged ({error}): remove it to start the run again") from None
    if not same:
        raise UserError(f"the checkpoint {path} belongs to another run (net, data or recipe): give another path, or "
                        "remove it")
    return done, *state
