"""Small objectives of dense tanh nets, and their Jacobians and Gauss-Newton matrices written out."""
import itertools

import numpy as np

from gradnets import curvature

SIZES = 4, 5, 3


def objective(output, sizes=SIZES, samples=12, l2=0.03, seed=0):
    """Return a FusedObjective on random inputs and targets, from a random start."""
    rng = np.random.default_rng(seed)
    targets = 0.5 * rng.normal(size=(samples, sizes[-1]))
    if output == "softmax":
        targets = np.eye(sizes[-1])[rng.integers(sizes[-1], size=samples)]
    size = sum((below + 1) * above for below, above in itertools.pairwise(sizes))
    return curvature.FusedObjective(sizes, rng.normal(size=(samples, sizes[0])), targets, 0.4 * rng.normal(size=size),
                                    output, l2)


def preactivations(objective, point):
    """Return the last pre-activations (samples, n_L) at real or complex parameters, layer by layer."""
    values, start = objective.inputs[:, :-1], 0
    for layer, (below, above) in enumerate(zip(objective.sizes, objective.sizes[1:], strict=False)):
        values = np.tanh(values) if layer else values
        matrix = point[start:start + (below + 1) * above].reshape(below + 1, above)
        values, start = values @ matrix[:-1] + matrix[-1], start + matrix.size
    return values


def jacobian(objective, point):
    """Return the derivatives of the last pre-activations by complex steps, float64 (samples, n_L, p)."""
    steps = 1e-100j * np.eye(len(point))
    return np.stack([preactivations(objective, point + step).imag / 1e-100 for step in steps], axis=-1)


def gauss_newton_matrix(objective, point):
    """Return JᵀSJ / n + l2 I, float64 (p, p), where S is written out for each sample."""
    derivatives, last = jacobian(objective, point), preactivations(objective, point)
    total = objective.l2 * np.eye(len(point))
    for part, values in zip(derivatives, last, strict=True):
        middle = np.eye(len(values))
        if objective.output == "softmax":
            shares = np.exp(values) / np.exp(values).sum()
            middle = np.diag(shares) - np.outer(shares, shares)
        if objective.output == "tanh":
            middle = np.diag((1 - np.tanh(values)**2)**2)
        total += part.T @ middle @ part / len(last)
    return total
