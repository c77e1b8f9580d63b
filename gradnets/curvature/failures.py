"""The reasons why a derivative or a step of second order has no result, and the check that numbers are finite."""
import numpy as np

from gradnets import checks
from gradnets.errors import NoResult


class SingularHessian(NoResult):
    """Newton's equation has no solution, or no solution that floating point can find."""


class IndefiniteHessian(NoResult):
    """A step that needs a positive definite matrix received another matrix."""


class NotInvertible(NoResult):
    """The gradient, as a function of the parameters, has no inverse for this net and batch."""


class NotFinite(NoResult):
    """A gradient, a Hessian or a product holds NaN or infinity."""


def finite_array(name, values, axes=None):
    """Return `values` as an array of real numbers; raise NotFinite if some are NaN or infinite.

    Parameters and further errors are those of `checks.real_array`.
    """
    values = np.asarray(values)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise NotFinite(f"{name} has {np.count_nonzero(~np.isfinite(values))} entries that are NaN or infinite")
    return checks.real_array(name, values, axes)
