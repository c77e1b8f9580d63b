"""Validate arguments: each function returns the value, or raises a UserError that names the argument."""
import numbers

import numpy as np

from gradnets.errors import UserError

# ---- arrays -----------------------------------------------------------------------------------------------


def real_array(name, values, axes=None):
    """Return `values` as an array of finite real numbers, of the dtype it has, without a copy.

    Parameters
    ----------
    name : str
        The argument's name in the message.
    values : array_like
    axes : int, optional
        Number of axes that the array must have.

    Raises
    ------
    UserError
        If the entries are not real numbers (bools count as such), the number of axes differs, the array is empty, or
        an entry is NaN or infinite.
    """
    values = _array_of_kind(name, values, "fiub", "real numbers", axes)
    if values.size == 0:
        raise UserError(f"{name}: got an empty array of shape {values.shape}, expected at least one number")
    if values.dtype.kind == "f" and not (np.isfinite(values.min()) and np.isfinite(values.max())):  # makes no copy
        raise UserError(f"{name}: {np.count_nonzero(~np.isfinite(values))} of {values.size} numbers are NaN or "
                        "infinite, expected finite numbers")
    return values


def integer_array(name, values, axes=None):
    """Return `values` as an int64 array of integers or bools, which may be empty.

    Parameters and errors are those of `real_array`. An empty list is accepted, though numpy makes floats of it.
    """
    values = np.asarray(values)
    if values.size == 0 and values.dtype.kind == "f":
        values = values.astype(np.int64)
    values = _array_of_kind(name, values, "iub", "integers", axes)
    if values.dtype.kind == "u" and values.size and values.max() > np.iinfo(np.int64).max:
        raise UserError(f"{name}: {values.max()} is too large, expected integers below 2^63")
    return values.astype(np.int64, copy=False)


def _array_of_kind(name, values, kinds, words, axes):
    values = np.asarray(values)
    if values.dtype.kind not in kinds or axes not in (None, values.ndim):
        raise UserError(f"{name}: got {values.dtype} of shape {values.shape}, expected {words}"
                        + ("" if axes is None else f" with {axes} {'axis' if axes == 1 else 'axes'}"))
    return values


def bool_matrix(name, values):
    """Return `values` as a bool array (n, m) with at least one entry; raise UserError for anything else."""
    values = np.asarray(values)
    if values.ndim != 2 or values.dtype != bool or values.size == 0:
        raise UserError(f"{name}: expected a matrix of bools with at least one entry, got {values.dtype} of shape "
                        f"{values.shape}: sample or threshold a matrix of numbers first")
    return values


def as_floats(values):
    """Return real numbers as float32 if they are float16 or float32, else as float64, without a copy if possible.

    NaN and infinity stay. Raises UserError for an array of anything but real numbers.
    """
    if values.dtype.kind not in "fiub":
        raise UserError(f"expected real numbers, got {values.dtype} of shape {values.shape}")
    single = values.dtype.kind == "f" and values.dtype.itemsize <= 4
    return values.astype(np.float32 if single else np.float64, copy=False)


# ---- single values and tuples of them ---------------------------------------------------------------------


def is_integer(value):
    """Return whether a value is an integer of Python or numpy, and not a bool."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool | np.bool_)


def positive_integers(**values):
    """Raise UserError unless each value is a positive integer or a tuple of positive integers."""
    for name, value in values.items():
        for item in value if isinstance(value, tuple | list) else (value,):
            if not (is_integer(item) and item > 0):
                raise UserError(f"{name} is {item!r}: expected a positive integer")


def seed(value):
    """Raise UserError unless a seed is an integer of at least 0."""
    if not (is_integer(value) and value >= 0):
        raise UserError(f"seed is {value!r}: expected an integer of at least 0")


def nonempty_tuples(**values):
    """Raise UserError unless each value is a tuple or list with at least one item."""
    for name, value in values.items():
        if not (isinstance(value, tuple | list) and value):
            raise UserError(f"{name} is {value!r}: expected one value or more in parentheses, as in ({value!r},)")


def distinct(**values):
    """Raise UserError unless the items of each tuple differ from each other."""
    for name, value in values.items():
        if len(set(value)) < len(value):
            raise UserError(f"{name} is {value!r}: expected each value once")


def choice(name, value, allowed):
    """Return `value` if it is one of the allowed ones, else raise UserError with the list of them."""
    if value not in allowed:
        raise UserError(f"{name} is {value!r}: expected {', '.join(map(str, list(allowed)[:-1]))}"
                        f"{' or ' if len(allowed) > 1 else ''}{list(allowed)[-1]}")
    return value


# ---- what is trained --------------------------------------------------------------------------------------


def training_schedule(steps, learning_rate, batch_size):
    """Raise UserError unless steps and batch size are positive integers, and the learning rate is finite and >= 0."""
    positive_integers(steps=steps, batch_size=batch_size)
    if not (np.isfinite(learning_rate) and learning_rate >= 0):
        raise UserError(f"learning_rate is {learning_rate!r}: expected a finite number, not negative")


def labelled_data(dataset):
    """Raise UserError unless inputs are finite real numbers (n, d), n > 0, and labels (n,) integers below `classes`."""
    name, inputs, labels = dataset.name, dataset.inputs, dataset.labels
    if inputs.ndim != 2 or inputs.dtype.kind not in "fiub":
        raise UserError(f"inputs of {name} are {inputs.dtype} of shape {inputs.shape}: expected a matrix of real "
                        "numbers")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(f"labels of {name} are {labels.dtype} of shape {labels.shape}: expected one integer per item")
    if len(inputs) == 0 or len(labels) != len(inputs):
        raise UserError(f"{name} has {len(inputs)} items and {len(labels)} labels: expected one label per item")
    if not (np.isfinite(inputs.min()) and np.isfinite(inputs.max())):
        raise UserError(f"{name} has inputs from {inputs.min():.6g} to {inputs.max():.6g}: expected finite numbers")
    if labels.min() < 0 or labels.max() >= dataset.classes:
        raise UserError(f"labels of {name} run from {labels.min()} to {labels.max()}: expected 0 to "
                        f"{dataset.classes - 1}")
