"""Measure in how many directions recorded gradients lie: each one, and those of a layer over its recorded steps."""
import numpy as np

from gradnets import dimension
from gradnets.checkpoints import reading
from gradnets.errors import NoResult, UserError
from gradnets.progress import progress


def table(path, layer="*", kernels="oihw"):
    """Measure the ranks of the matrices of a file, and the effective dimension of each layer's gradients.

    Parameters
    ----------
    path, layer, kernels
        As `reading.matrices` takes them. Matrices whose names end with a step, "gradient/fc1/000500", are of one layer
        if the rest of their names is equal. If their shapes differ they are no steps, but layers of their own, such as
        "weights_0" and "weights_1".

    Returns
    -------
    rows : list of dict
        For each matrix: layer, step if its name has one, name, rows and columns; unless it is zero everywhere also
        what `dimension.ranks` returns, and random, the participation ratio of independent normal entries.
    over_steps : list of dict
        For each layer with at least two matrices that are not zero: layer, steps, their number, and the effective
        dimension of its gradients: dimension, of gradients divided by their lengths, and raw, as they are.
    shares : dict of float64 arrays
        By name of each matrix that is not zero: the share of energy in each singular direction.

    Raises
    ------
    UserError
        As `reading.matrices` does; if two matrices of a layer have the same step; NoResult, if all are zero everywhere.

    Notes
    -----
    Memory: one matrix at a time, and then the matrices of one layer; those that are mapped need none.
    """
    rows, shares = [], {}
    for name, values in progress(reading.matrices(path, layer, kernels), label="spectra"):
        layer_name, step = reading.layer_and_step(name)
        row = {"layer": layer_name} | ({} if step is None else {"step": step})
        row |= {"name": name, "rows": values.shape[0], "columns": values.shape[1]}
        if values.any():
            shares[name] = dimension.energy_shares(values)
            row |= dimension.ranks(shares[name]) | {"random": dimension.random_participation_ratio(*values.shape)}
        rows.append(row)
    if not shares:
        raise NoResult(f"every matrix of {path} that is read is zero everywhere: choose others with --layer")
    _part_unequal(rows)
    names, places = {}, set()
    for row in rows:
        place = row["layer"], row.get("step")
        if place in places:
            raise UserError(f"{path} has {row['layer']} at step {row.get('step')} twice: pick one with --layer")
        places.add(place)
        if row["name"] in shares:
            names.setdefault(row["layer"], []).append(row["name"])
    over_steps = [{"layer": name, "steps": len(own)} | _over_steps(path, own, kernels)
                  for name, own in names.items() if len(own) > 1]
    return rows, over_steps, shares


def _part_unequal(rows):
    """Make matrices of different shapes layers of their own, where only a number at the end tells their names apart.

    Changes the rows.
    """
    shapes = {}
    for row in rows:
        shapes.setdefault(row["layer"], set()).add((row["rows"], row["columns"]))
    for row in rows:
        if len(shapes[row["layer"]]) > 1:
            row["layer"] = row["name"]
            row.pop("step", None)


def _over_steps(path, names, kernels):
    """Return the effective dimension of the gradients of these names, divided by their lengths and as they are."""
    gram = dimension.gram_of_arrays([matrix.values for name in names
                                     for matrix in reading.matrices(path, name, kernels)])
    scaled = gram / np.diag(gram).max()
    return {"dimension": dimension.effective_dimension(dimension.cosines(scaled)),
            "raw": dimension.effective_dimension(scaled)}
