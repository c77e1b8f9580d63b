"""What arrives is looked at before it is worked on: arrays of numbers, of so many axes, finite, or one line on them."""
import numpy as np


def real(what, values, axes=None):
    """An array of finite real numbers, of whatever dtype it has, no copy.

    Parameters
    ----------
    what : str
        The array's name in the message.
    values : array, or what numpy makes one of
    axes : int, optional
        How many it has to have.

    Raises
    ------
    ValueError
        If it is not of real numbers (bools count as such), has other axes or no entry, or holds NaN or infinity.
    """
    values = _of_kind(what, values, "fiub", "real numbers", axes)
    if values.size == 0:
        raise ValueError(f"{what}: got shape {values.shape}, which holds no number: expected at least one")
    if values.dtype.kind == "f" and not (np.isfinite(values.min()) and np.isfinite(values.max())):  # no copy
        raise ValueError(f"{what}: {np.count_nonzero(~np.isfinite(values))} of {values.size} numbers are NaN or "
                         "infinite: expected finite ones")
    return values


def whole(what, values, axes=None):
    """An array of whole numbers or bools, int64, maybe without entries; `real` has parameters and errors.

    An empty list is one too, though to numpy it is of floats.
    """
    values = np.asarray(values)
    if values.size == 0 and values.dtype.kind == "f":
        values = values.astype(np.int64)
    values = _of_kind(what, values, "iub", "whole numbers", axes)
    if values.dtype.kind == "u" and values.size and values.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{what}: {values.max()} is too large: expected whole numbers below 2^63")
    return values.astype(np.int64, copy=False)


def _of_kind(what, values, kinds, words, axes):
    values = np.asarray(values)
    if values.dtype.kind not in kinds or axes not in (None, values.ndim):
        raise ValueError(f"{what}: got {values.dtype} of shape {values.shape}, expected {words}"
                         + ("" if axes is None else f" on {axes} {'axis' if axes == 1 else 'axes'}"))
    return values
