"""K-FAC on all data, with products of the inputs that are used three times.

Kronecker-factored approximate curvature (Martens and Grosse 2015, *Optimizing neural networks with Kronecker-factored
approximate curvature*, arXiv 1503.05671) takes each layer's block of the Fisher information as a Kronecker product of
two small matrices: the second moments of the layer's inputs, and of the derivatives by its pre-activations.

On all data the input X does not change. The product of X and the step's first layer gives the quadratic model, the next
forward pass and the next step's momentum, so that an iteration takes two products with X, as a gradient does.
"""
import numpy as np
from scipy.linalg import lapack

from gradnets import streams
from gradnets.curvature.fused import Iterate
from gradnets.curvature.gauss_newton import output_curvature, tangent

REFRESHED = (1, 2, 4)   # iterations that renew the factors, beside every EVERY-th
EVERY = 10
ADJUSTED = 5            # iterations between two changes of the damping
DECAY = 0.95            # of old factors, and per iteration of the damping (the paper's sections 5 and 6.5)
GROWTH = 1 / 0.3        # of the damping after a step that does not lower the loss
MOST_DAMPING = 1e8


def output_gradients(objective, run, rng):
    """Return derivatives by the last pre-activations for targets drawn from the net's own outputs, (samples, n_L).

    Their second moment is the output curvature of the Gauss-Newton matrix: the Fisher information.
    """
    outputs = run.outputs
    if objective.output == "softmax":
        drawn = (outputs.cumsum(axis=1) > rng.random((len(outputs), 1)) * outputs.sum(axis=1, keepdims=True)).argmax(1)
        gradients = outputs.copy()
        gradients[np.arange(len(outputs)), drawn] -= 1.0
        return gradients
    gradients = rng.normal(size=outputs.shape)
    return gradients * (1.0 - outputs * outputs) if objective.output == "tanh" else gradients


def kronecker_factors(objective, run, rng):
    """Return for each layer the second moments of its inputs and of the derivatives by its pre-activations.

    Returns
    -------
    list of (float64 (n_l + 1, n_l + 1), float64 (n_{l+1}, n_{l+1}))
        The first layer's inputs, which never change, are None.
    """
    samples, delta, factors = len(run.delta), output_gradients(objective, run, rng), []
    for layer in range(len(run.weights) - 1, -1, -1):
        values = run.inputs[layer]
        factors.append((values.T @ values / samples if layer else None, delta.T @ delta / samples))
        if layer:
            delta = (delta @ run.weights[layer][:-1].T) * (1.0 - values[:, :-1]**2)
    return factors[::-1]


class KroneckerPreconditioner:
    """The inverses of all layers' Kronecker factors, with the damping split between the two (section 6.3).

    Layer l's factors A and G get the damping pi g and g / pi on their diagonals: g² is the damping, and pi² the mean
    diagonal entry of A over that of G.
    """

    def __init__(self, factors, damping):
        self.choleskys = []
        for inputs, gradients in factors:
            pi = np.sqrt(np.mean(np.diag(inputs)) / max(np.mean(np.diag(gradients)), 1e-12))
            self.choleskys.append([_cholesky(inputs, pi * np.sqrt(damping)),
                                   _cholesky(gradients, np.sqrt(damping) / pi)])

    def solve(self, parts):
        """Return A⁻¹ V G⁻¹ for the layers V of a vector, list of (n_l + 1, n_{l+1})."""
        solved = []
        for (inputs, gradients), part in zip(self.choleskys, parts, strict=True):
            half = lapack.dpotrs(inputs, np.asfortranarray(part), lower=1, overwrite_b=1)[0]
            solved.append(lapack.dpotrs(gradients, half.T, lower=1)[0].T)
        return solved


def _cholesky(matrix, damping):
    damped = matrix.copy()
    damped[np.diag_indices(len(damped))] += damping
    return lapack.dpotrf(damped.T, lower=1, overwrite_a=1, clean=0)[0]


def best_combination(objective, run, gradient, directions, changes, damping):
    """Return the factors of directions that minimize the damped quadratic model, and its lowest value.

    Parameters
    ----------
    objective : FusedObjective
    run : ForwardPass
    gradient : float64 (p,)
    directions : list of float64 (p,)
        The preconditioned gradient, and the last step where there is one.
    changes : list of float64 (samples, n_L)
        J times each direction.
    damping : float
        Added, with l2, to the Gauss-Newton matrix JᵀSJ / n.

    Returns
    -------
    float64 (k,), float
        The model's value is the predicted change of the loss (the paper's section 7).
    """
    shift = damping + objective.l2
    curved = [output_curvature(objective, run, change) for change in changes]
    matrix = np.array([[np.vdot(change, image) / len(run.delta) + shift * (first @ second)
                        for second, image in zip(directions, curved, strict=True)]
                       for first, change in zip(directions, changes, strict=True)])
    slopes = np.array([gradient @ direction for direction in directions])
    matrix[np.diag_indices(len(matrix))] *= 1 + 1e-14  # two parallel directions
    factors = -np.linalg.solve(matrix, slopes)
    return factors, 0.5 * float(slopes @ factors)


def kfac_descent(objective, damping=1e-3, seed=0):
    """Minimize by K-FAC with momentum on all data.

    Parameters
    ----------
    objective : FusedObjective
    damping : float, positive
        At the first step; every fifth step it follows the ratio of the loss's change to the model's.
    seed : int or numpy.random.Generator
        Draws the targets of the second moments, one for each sample.

    Yields
    ------
    Iterate
        The start, and then each point with a lower loss. The generator ends where the damping exceeds 1e8.
    """
    rng = streams.generator(seed, streams.SAMPLES)
    run = objective.forward(objective.start)
    gradient = objective.gradient(run)
    totals = objective.inputs @ run.weights[0]                  # first pre-activations
    moments = objective.inputs.T @ objective.inputs / objective.samples
    yield Iterate(run.point, run.loss)
    factors, last, iteration = None, None, 0
    while damping < MOST_DAMPING and gradient.any():
        iteration += 1
        if iteration in REFRESHED or iteration % EVERY == 0:
            factors = _averaged(factors, kronecker_factors(objective, run, rng), min(1 - 1 / iteration, DECAY))
            factors[0] = moments, factors[0][1]
            preconditioner = KroneckerPreconditioner(factors, damping + objective.l2)
        direction = -np.concatenate([part.ravel() for part in preconditioner.solve(objective.split(gradient))])
        pairs = [(direction, objective.inputs @ objective.split(direction)[0])]  # and its first pre-activations
        pairs += [] if last is None else [last]
        directions, firsts = zip(*pairs, strict=True)
        changes = [tangent(objective, run, vector, first) for vector, first in pairs]
        shares, predicted = best_combination(objective, run, gradient, directions, changes, damping)
        step, first = (sum(share * vector for share, vector in zip(shares, vectors, strict=True))
                       for vectors in (directions, firsts))
        trial = objective.forward(run.point + step, first=totals + first)
        ratio = (trial.loss - run.loss) / predicted if predicted < 0 and np.isfinite(trial.loss) else -1.0
        if iteration % ADJUSTED == 0 and ratio > 0:
            damping *= DECAY**ADJUSTED if ratio > 0.75 else DECAY**-ADJUSTED if ratio < 0.25 else 1.0
        if not trial.loss < run.loss:
            damping, last = damping * GROWTH, None
            preconditioner = KroneckerPreconditioner(factors, damping + objective.l2)
            continue
        run, totals, last = trial, totals + first, (step, first)
        gradient = objective.gradient(run)
        yield Iterate(run.point, run.loss)


def _averaged(old, new, decay):
    """Return running means of the factors; the first layer's inputs stay None."""
    if old is None:
        return new
    return [(None if layer == 0 else decay * before[0] + (1 - decay) * after[0],
             decay * before[1] + (1 - decay) * after[1])
            for layer, (before, after) in enumerate(zip(old, new, strict=True))]
