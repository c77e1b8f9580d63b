"""A net of one hidden layer as a function of space: its values, its Laplacian, and both by the parameters.

The net is u(x) = Σ_k c_k tanh(w_k · x + b_k) + d with m units in n dimensions. Its parameters stand in one vector, as
`parameters` orders them: W by rows, (n, m), then b (m,), c (m,) and d, in all m (n + 2) + 1 numbers. The Laplacian is
Σ_k c_k |w_k|² tanh''(w_k · x + b_k).
"""
import numpy as np

from gradnets.curvature.failures import finite_array
from gradnets.errors import UserError


def net_values(vector, points, jacobian=False):
    """Return a net's values at points, and on request their derivatives by the parameters.

    Parameters
    ----------
    vector : float64 (p,)
    points : float64 (k, n)
    jacobian : bool

    Returns
    -------
    values : float64 (k,)
    derivatives : float64 (k, p), only if `jacobian` is true

    Raises
    ------
    NotFinite
        If an entry is NaN or infinite.
    UserError
        If the vector does not have m (n + 2) + 1 entries for a whole number m.
    """
    weights, biases, outer, offset, points = _split(vector, points)
    activations = np.tanh(points @ weights + biases)
    values = activations @ outer + offset
    if not jacobian:
        return values
    slopes = (1 - activations**2) * outer
    return values, np.hstack([*_times_coordinates(slopes, points), slopes, activations, np.ones((len(points), 1))])


def net_laplacian(vector, points, jacobian=False):
    """Return the Laplacian of a net at points, and on request its derivatives by the parameters.

    Parameters, results and errors are those of `net_values`.
    """
    weights, biases, outer, _, points = _split(vector, points)
    activations = np.tanh(points @ weights + biases)
    slopes = 1 - activations**2
    bends = -2 * activations * slopes        # tanh''
    squares = (weights**2).sum(axis=0)
    laplacian = bends @ (outer * squares)
    if not jacobian:
        return laplacian
    moved = slopes * (6 * activations**2 - 2) * (outer * squares)  # tanh''' for a move of the pre-activation
    stretched = bends * outer                                      # and of |w|², by 2 w
    by_weights = [part + 2 * row * stretched for part, row in zip(_times_coordinates(moved, points), weights,
                                                                  strict=True)]
    return laplacian, np.hstack([*by_weights, moved, bends * squares, np.zeros((len(points), 1))])


def _split(vector, points):
    vector, points = finite_array("the parameters", vector, axes=1), finite_array("the points", points, axes=2)
    dimensions = points.shape[1]
    units, rest = divmod(len(vector) - 1, dimensions + 2)
    if rest or units < 1:
        raise UserError(f"{len(vector)} parameters for points in {dimensions} dimensions: expected a multiple of "
                        f"{dimensions + 2}, and one more")
    weights, biases, outer = np.split(vector[:-1], [dimensions * units, (dimensions + 1) * units])
    return weights.reshape(dimensions, units), biases, outer, vector[-1], points


def _times_coordinates(columns, points):
    """Return the columns (k, m) times each coordinate of the points: a list of (k, m)."""
    return [columns * coordinate[:, None] for coordinate in points.T]
