"""Adam and Muon on batches: the first-order methods that curvature has to beat on the clock."""
import numpy as np

from gradnets import streams

MOMENTUM = 0.95                                 # of Muon
ITERATIONS = 5                                  # of Muon's orthogonalization
QUINTIC = 3.4445, -4.7750, 2.0315               # its polynomial, as Jordan publishes it


def adam_descent(objective, learning_rate, steps, batch_size, seed):
    """Minimize by Adam (Kingma and Ba 2015), with a learning rate that falls linearly to zero.

    Parameters
    ----------
    objective : FusedObjective
    learning_rate : float
        At the first step.
    steps, batch_size : int, positive
        Batches are drawn with replacement; a batch as large as the data, or larger, is all data.
    seed : int or numpy.random.Generator

    Yields
    ------
    float64 (p,)
        The point after each step; the next step writes to it.
    """
    point = objective.start.copy()
    mean, square, update = np.zeros_like(point), np.zeros_like(point), np.empty_like(point)
    for step, rows in enumerate(_batches(objective, steps, batch_size, seed), start=1):
        gradient = objective.loss_and_gradient(point, rows)[1]
        mean *= 0.9
        mean += 0.1 * gradient
        square *= 0.999
        gradient *= gradient
        gradient *= 0.001
        square += gradient
        np.sqrt(square, out=update)
        update /= np.sqrt(1 - 0.999**step)
        update += 1e-8
        np.divide(mean, update, out=update)
        update *= learning_rate * (1 - (step - 1) / steps) / (1 - 0.9**step)
        point -= update
        yield point


def muon_descent(objective, learning_rate, steps, batch_size, seed):
    """Minimize by Muon: each layer's step is its momentum with all singular values near one.

    Keller Jordan, *Muon: an optimizer for hidden layers in neural networks*, 2024, with Nesterov's momentum; the step
    is scaled by 0.2 sqrt(max(rows, columns)) as in Liu and others, *Muon is scalable for LLM training*, 2025. Here each
    layer's bias is the last row of its matrix. Parameters and what is yielded are those of `adam_descent`.
    """
    point = objective.start.copy()
    momentum = np.zeros_like(point)
    for step, rows in enumerate(_batches(objective, steps, batch_size, seed)):
        gradient = objective.loss_and_gradient(point, rows)[1]
        momentum *= MOMENTUM
        momentum += gradient
        gradient += MOMENTUM * momentum
        rate = learning_rate * (1 - step / steps)
        for layer, moved in zip(objective.split(gradient), objective.split(point), strict=True):
            moved -= 0.2 * rate * np.sqrt(max(layer.shape)) * orthogonalized(layer)
        yield point


def orthogonalized(matrix):
    """Return a matrix with the same singular vectors, and singular values between about 0.7 and 1.2, float32 (n, m)."""
    tall = matrix.shape[0] > matrix.shape[1]
    values = (matrix.T if tall else matrix).astype(np.float32)
    values /= np.linalg.norm(values) + 1e-12
    linear, cubic, quintic = QUINTIC
    for _ in range(ITERATIONS):
        gram = values @ values.T
        values = linear * values + (cubic * gram + quintic * (gram @ gram)) @ values
    return values.T if tall else values


def _batches(objective, steps, batch_size, seed):
    rng = streams.generator(seed, streams.SAMPLES)
    if batch_size >= objective.samples:
        return (None for _ in range(steps))
    return iter(rng.integers(objective.samples, size=(steps, batch_size)))
