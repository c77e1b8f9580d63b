"""Levenberg-Marquardt in the space of samples, with geodesic acceleration.

For a net with one linear output and n samples the damped Gauss-Newton step needs only the n x n matrix K = J Jᵀ, which
is a sum over layers of products entry by entry, so that the n x p Jacobian J is never formed. One Cholesky
factorization serves the step and its correction of second order.
"""
import numpy as np
from scipy.linalg import lapack

from gradnets.curvature.fused import Iterate
from gradnets.curvature.gauss_newton import tangent
from gradnets.errors import UserError

LARGEST_CORRECTION = 0.75   # of the step's length (Transtrum and Sethna 2012)
MOST_DAMPING = 1e10


def sample_kernel(objective, run):
    """Return K = J Jᵀ, float64 (samples, samples), where J has the derivatives of the one linear output.

    Layer l adds (A Aᵀ) times (B Bᵀ), entry by entry: A has the layer's inputs, and B the derivatives of the output by
    the layer's pre-activations.
    """
    _check(objective)
    back = np.ones((len(run.delta), 1))
    kernel = run.inputs[-1] @ run.inputs[-1].T
    for layer in range(len(run.weights) - 2, -1, -1):
        values = run.inputs[layer + 1][:, :-1]
        back = (back @ run.weights[layer + 1][:-1].T) * (1.0 - values * values)
        part = back @ back.T
        part *= run.inputs[layer] @ run.inputs[layer].T
        kernel += part
    return kernel


def second_tangent(objective, run, vector):
    """Return the second derivative of the last pre-activations along a vector, twice, float64 (samples, n_L)."""
    parts = objective.split(vector)
    first, second = run.inputs[0] @ parts[0], 0.0
    for layer in range(1, len(parts)):
        values = run.inputs[layer][:, :-1]
        slopes = 1.0 - values * values
        moved, bent = slopes * first, slopes * (second - 2.0 * values * first * first)
        weights = run.weights[layer][:-1]
        first = run.inputs[layer] @ parts[layer] + moved @ weights
        second = bent @ weights + 2.0 * (moved @ parts[layer][:-1])
    return second if len(parts) > 1 else np.zeros_like(first)


def geodesic_step(objective, run, kernel, damping):
    """Return the damped Gauss-Newton step and its geodesic acceleration, two float64 (p,), or None.

    The step d solves (JᵀJ / n + (damping + l2) I) d = -gradient. The acceleration is -1/2 J⁺ q, where J⁺ is the same
    damped inverse and q the second derivative of the outputs along d (Transtrum and Sethna 2012, *Improvements to the
    Levenberg-Marquardt algorithm for nonlinear least-squares minimization*). None: the factorization failed.
    """
    samples, total = len(run.delta), damping + objective.l2
    matrix = kernel.copy()
    matrix[np.diag_indices(samples)] += samples * total
    factor, failed = lapack.dpotrf(matrix.T, lower=1, overwrite_a=1, clean=0)
    if failed:
        return None

    def damped_inverse(values):
        return objective.backward(run, lapack.dpotrs(factor, values, lower=1)[0])

    decay = -objective.l2 / total * run.point  # the step of the l2 term alone
    residuals = run.delta + tangent(objective, run, decay) if objective.l2 else run.delta
    step = decay - damped_inverse(residuals)
    return step, -0.5 * damped_inverse(second_tangent(objective, run, step))


def levenberg_marquardt_descent(objective, damping=1.0, up=3.0, down=3.0, geodesic=True):
    """Minimize the squared error of a net with one linear output by Levenberg-Marquardt in the space of samples.

    Parameters
    ----------
    objective : FusedObjective, with one linear output
    damping : float, positive
        At the first step.
    up, down : float, above 1
        The damping is multiplied by `up` after a step that does not lower the loss, and divided by `down` after a step
        that does.
    geodesic : bool
        Add the acceleration where it is shorter than three quarters of the step.

    Yields
    ------
    Iterate
        The start, and then each point with a lower loss. The generator ends where the damping exceeds 1e10.

    Notes
    -----
    O(n²) memory and O(n³) time per step for n samples, whatever the number of parameters.
    """
    _check(objective)
    run = objective.forward(objective.start)
    kernel = sample_kernel(objective, run)
    yield Iterate(run.point, run.loss)
    while damping < MOST_DAMPING:
        parts = geodesic_step(objective, run, kernel, damping)
        trial = None
        if parts is not None:
            step, correction = parts
            if geodesic and np.linalg.norm(correction) < LARGEST_CORRECTION * np.linalg.norm(step):
                step = step + correction
            trial = objective.forward(run.point + step)
        if trial is not None and trial.loss < run.loss:
            run, kernel = trial, sample_kernel(objective, trial)
            damping = max(damping / down, 1e-17)
            yield Iterate(run.point, run.loss)
        else:
            damping *= up


def _check(objective):
    if objective.output != "linear" or objective.sizes[-1] != 1:
        raise UserError(f"the net has {objective.sizes[-1]} {objective.output} outputs: expected one linear output")
