"""Products with the Gauss-Newton matrix, and the minimizer that is made of them.

The Gauss-Newton matrix is Jᵀ S J / n + l2 I: J has the derivatives of the net's last pre-activations by the parameters,
and S the second derivatives of each sample's loss by these pre-activations, without the bend of tanh outputs. It is the
Hessian without the second derivatives of the net, and has no negative eigenvalue (Schraudolph 2002, *Fast curvature
matrix-vector products for second-order gradient descent*). With softmax outputs it is the Fisher information.
"""
import functools

import numpy as np

from gradnets.curvature.fused import Iterate, row_sums

MOST_PRODUCTS = 250  # in one step


def tangent(objective, run, vector, first=None):
    """Return J v, the change of the last pre-activations along a vector, float64 (samples, n_L).

    Parameters
    ----------
    objective : FusedObjective
    run : ForwardPass
    vector : float64 (p,)
    first : float64 (samples, n_1), optional
        The change of the first layer's pre-activations, where it is known already.
    """
    parts = objective.split(vector)
    change = run.inputs[0] @ parts[0] if first is None else first
    for layer in range(1, len(parts)):
        values = run.inputs[layer][:, :-1]
        moved = (1.0 - values * values) * change
        change = run.inputs[layer] @ parts[layer]
        change += moved @ run.weights[layer][:-1]
    return change


def output_curvature(objective, run, change):
    """Return S u for a change u of the last pre-activations, float64 (samples, n_L)."""
    outputs = run.outputs
    if objective.output == "softmax":
        weighted = outputs * change
        return weighted - outputs * row_sums(weighted)
    return (1.0 - outputs * outputs)**2 * change if objective.output == "tanh" else change


def gauss_newton_product(objective, run, vector):
    """Return the Gauss-Newton matrix at the point of a pass times a vector, float64 (p,); about two gradients' time."""
    image = objective.backward(run, output_curvature(objective, run, tangent(objective, run, vector)))
    image /= len(run.delta)
    image += objective.l2 * vector
    return image


def gauss_newton_descent(objective, radius=1.0):
    """Minimize by steps of conjugate gradients on the Gauss-Newton matrix inside a trust region.

    Steihaug (1983), *The conjugate gradient method and trust regions in large scale optimization*; the inner iteration
    ends at a residual of min(0.5, sqrt|g|) |g|, and the radius follows Nocedal and Wright (2006), algorithm 4.1.

    Parameters
    ----------
    objective : FusedObjective
    radius : float, positive
        Of the first trust region.

    Yields
    ------
    Iterate
        The start, and then each point with a lower loss. The generator ends where no step lowers the loss.
    """
    run = objective.forward(objective.start)
    gradient = objective.gradient(run)
    yield Iterate(run.point, run.loss)
    while radius > 1e-14 and gradient.any():
        step, image = steihaug_step(functools.partial(gauss_newton_product, objective, run), gradient, radius)
        predicted = -(gradient @ step + 0.5 * step @ image)
        trial = objective.forward(run.point + step)
        ratio = (run.loss - trial.loss) / predicted if predicted > 0 and np.isfinite(trial.loss) else -1.0
        length = np.linalg.norm(step)
        if ratio < 0.25:
            radius = 0.25 * length
        elif ratio > 0.75 and length > 0.9 * radius:
            radius *= 2.5
        if ratio > 1e-4:
            run, gradient = trial, objective.gradient(trial)
            yield Iterate(run.point, run.loss)


def steihaug_step(product, gradient, radius, most=MOST_PRODUCTS):
    """Return a step s that lowers g's + s'Bs / 2 inside a ball, by conjugate gradients, and its product B s.

    product : function from v (p,) to B v (p,); gradient : float64 (p,), not zero; radius : float, positive; most : int,
    largest number of products

    Returns two float64 (p,). Where the curvature is not positive, or the ball ends, the step ends on the ball.
    """
    residual, step, image = gradient.copy(), np.zeros_like(gradient), np.zeros_like(gradient)
    direction, square = -residual, residual @ residual
    tolerance = min(0.5, square**0.25) * np.sqrt(square)
    for _ in range(most):
        along = product(direction)
        curvature, length, inside = direction @ along, direction @ direction, step @ direction
        edge = (-inside + np.sqrt(inside**2 + length * max(radius**2 - step @ step, 0.0))) / length
        share = square / curvature if curvature > 0 else np.inf
        if share >= edge:
            return step + edge * direction, image + edge * along
        step, image, residual = step + share * direction, image + share * along, residual + share * along
        following = residual @ residual
        if np.sqrt(following) < tolerance:
            break
        direction, square = following / square * direction - residual, following
    return step, image
