"""BFGS with a scaled dense inverse: Newton's step without a Hessian, in O(p²) per iteration.

The inverse Hessian is a number times a matrix, of which only the lower triangle is stored, in single precision. An
update costs one product of this matrix and a vector and one symmetric change of rank two.
"""
import numpy as np
from scipy.linalg import blas

from gradnets.curvature.fused import Iterate

ARMIJO, WOLFE = 1e-4, 0.9   # of the line search: sufficient decrease, and flatter slope
MOST_TRIALS = 25            # of the line search


class ScaledInverse:
    """An approximate inverse Hessian, scale times a symmetric matrix, that learns from steps.

    Attributes
    ----------
    scale : float
    matrix : float32 (p, p), in Fortran order; only the lower triangle counts
    fresh : bool
        No update has been made: the matrix is the identity.
    """

    def __init__(self, size):
        self.scale, self.matrix, self.fresh = 1.0, np.eye(size, dtype=np.float32, order="F"), True

    def times(self, vector):
        """Return the inverse times a vector, float64 (p,)."""
        return self.scale * blas.ssymv(1.0, self.matrix, vector.astype(np.float32), lower=1).astype(float)

    def update(self, step, change, curvature, new_gradient, product):
        """Update the inverse by a step and the change of the gradient along it.

        The self-scaling of Oren and Luenberger (1974), *Self-scaling variable metric (SSVM) algorithms*: the inverse is
        first divided by min(1, s'y / s'Bs), where B is its own inverse; then comes the update of BFGS. At the first
        update the scale becomes s'y / y'y instead (Shanno and Phua 1978).

        Parameters
        ----------
        step, change : float64 (p,)
            s and y, with s'y > 0.
        curvature : float
            s'Bs, which is -a s'g after a step s = -a H g.
        new_gradient : float64 (p,)
            The gradient after the step.
        product : float64 (p,)
            The inverse times the gradient before the step.

        Returns
        -------
        float64 (p,)
            The updated inverse times the new gradient, without a second product.
        """
        along = step @ change
        if self.fresh:
            self.scale, ratio = along / (change @ change), 1.0
            product = self.scale * (new_gradient - change)
            self.fresh = False
        else:
            ratio = min(1.0, along / curvature)
        image = self.times(change)
        turned = (product + image) / ratio  # the scaled inverse times the new gradient, since g + y is the new gradient
        image /= ratio
        self.scale /= ratio
        weight = (1 + change @ image / along) / along
        turned += -(image * (step @ new_gradient) + step * (image @ new_gradient)) / along
        turned += weight * (step @ new_gradient) * step
        pair = (image - 0.5 * weight * along * step).astype(np.float32)
        blas.ssyr2(-1.0 / (along * self.scale), pair, step.astype(np.float32), lower=1, a=self.matrix, overwrite_a=1)
        return turned


def line_search(objective, point, loss, gradient, direction, length=1.0):
    """Find a length that satisfies the weak Wolfe conditions, by bracketing and quadratic interpolation.

    Parameters
    ----------
    objective : FusedObjective
    point, gradient, direction : float64 (p,)
    loss : float
    length : float
        The first that is tried.

    Returns
    -------
    length, loss, gradient after the step. After MOST_TRIALS lengths any lower loss will do; None if there is none.
    """
    slope = gradient @ direction
    low, low_loss, low_slope, high = 0.0, loss, slope, np.inf
    for _ in range(MOST_TRIALS):
        new_loss, new_gradient = objective.loss_and_gradient(point + length * direction)
        new_slope = new_gradient @ direction
        if not new_loss <= loss + ARMIJO * length * slope + 1e-15 * abs(loss):
            high, width = length, length - low
            least = 0.0
            if np.isfinite(new_loss):
                least = -low_slope * width**2 / (2 * (new_loss - low_loss - low_slope * width))
            length = low + min(max(least, 0.1 * width), 0.7 * width)
        elif new_slope < WOLFE * slope:
            low, low_loss, low_slope = length, new_loss, new_slope
            length = 2.5 * length if high == np.inf else 0.5 * (low + high)
        else:
            return length, new_loss, new_gradient
    new_loss, new_gradient = objective.loss_and_gradient(point + length * direction)
    return (length, new_loss, new_gradient) if new_loss < loss else None


def bfgs_descent(objective):
    """Minimize by BFGS with a self-scaled dense inverse in single precision.

    Parameters
    ----------
    objective : FusedObjective

    Yields
    ------
    Iterate
        The start, and then the point after each iteration. The generator ends where the line search fails even along
        the negative gradient.

    Notes
    -----
    2 p² bytes are read twice per iteration: 1 MB for 490 parameters, 2 GB for 23,000.
    """
    point = objective.start
    loss, gradient = objective.loss_and_gradient(point)
    yield Iterate(point, loss)
    inverse, product = ScaledInverse(len(point)), gradient
    while gradient.any():
        first = min(1.0, 1.0 / np.abs(gradient).sum()) if inverse.fresh else 1.0
        step = line_search(objective, point, loss, gradient, -product, first) if gradient @ product > 0 else None
        if step is None:
            if inverse.fresh:
                return
            inverse, product = ScaledInverse(len(point)), gradient
            continue
        length, loss, new_gradient = step
        move, change = -length * product, new_gradient - gradient
        if move @ change > 1e-16 * np.linalg.norm(move) * np.linalg.norm(change):
            product = inverse.update(move, change, -length * (move @ gradient), new_gradient, product)
        else:
            product = inverse.times(new_gradient)
        point, gradient = point + move, new_gradient
        yield Iterate(point, loss)
