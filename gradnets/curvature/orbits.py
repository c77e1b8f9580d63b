"""Growth of small differences along an orbit."""
import numpy as np
from scipy import linalg

from gradnets import checks
from gradnets.curvature.failures import NotFinite
from gradnets.errors import UserError


def lyapunov(advance, tangent, start, steps, count, seed=0, restart=None):
    """How fast small differences grow along an orbit: the logarithms of each step's stretching.

    Parameters
    ----------
    advance : function from a point (p,) to the next one
    tangent : function from a point (p,) and a frame (count, p) to the Jacobian there times each row
        Of gradient descent x - η g(x): frame - η H(x) frame, with `products`.
    start : float64 (p,)
    steps, count : int
        Length of the orbit, and how many exponents, p at most.
    seed : int or numpy.random.Generator
        Of the first frame.
    restart : int, optional
        A new frame each so many steps: windows that know nothing of each other.

    Returns
    -------
    logs : float64 (steps, count)
        Natural logarithms; -inf where a direction is lost. Their means over the steps are the Lyapunov exponents per
        step, largest first; means over a window are finite-time exponents.
    points : float64 (steps + 1, p)

    Raises
    ------
    NotFinite
        Where the orbit leaves for infinity.

    Notes
    -----
    QR after each step (Benettin et al. 1980; Eckmann and Ruelle 1985, section V.C).
    """
    start = checks.real_array("start", start, axes=1).astype(float)
    if not 1 <= count <= start.size:
        raise UserError(f"{count} exponents of {start.size} dimensions: expected 1 to {start.size}")
    if not (isinstance(steps, int | np.integer) and steps > 0):
        raise UserError(f"steps is {steps!r}: expected a positive whole number")
    rng = np.random.default_rng(seed)
    points, logs = [start], np.empty((steps, count))
    for index in range(steps):
        if index == 0 or (restart and index % restart == 0):
            frame = linalg.qr(rng.normal(size=(start.size, count)), mode="economic")[0].T
        frame = tangent(points[-1], frame)
        points.append(np.asarray(advance(points[-1]), float))
        if not (np.isfinite(points[-1]).all() and np.isfinite(frame).all()):
            raise NotFinite(f"the orbit is not finite after {index + 1} steps: a smaller learning rate")
        q, r = linalg.qr(frame.T, mode="economic")
        frame = q.T
        with np.errstate(divide="ignore"):
            logs[index] = np.log(np.abs(np.diag(r)))
    return logs, np.array(points)
