"""The parameters of a net as one vector.

Layer after layer the vector holds the weights, row by row, and then the bias of a layer that has one. A layer's part is
therefore one matrix (n_l + 1, n_{l+1}) whose last row is the bias.
"""
import copy

import numpy as np

from gradnets.errors import UserError


def parameters(network):
    """Return all weights and biases as one new vector, float64 (p,)."""
    return np.concatenate([part.ravel() for layer in zip(network.weights, network.biases, strict=True)
                           for part in layer if part is not None])


def at(network, vector):
    """Return the same net with other parameters.

    network : MLP, which stays as it is; vector : float64 or complex (p,), of which the new weights and biases are views
    """
    moved = copy.copy(network)
    parts = split(network, vector)
    moved.weights = [part[:len(weights)] for part, weights in zip(parts, network.weights, strict=True)]
    moved.biases = [None if bias is None else part[-1] for part, bias in zip(parts, network.biases, strict=True)]
    return moved


def split(network, vectors):
    """Split one parameter vector, or each row of several, into its layers.

    Parameters
    ----------
    vectors : number array (..., p), real or complex; NaN and infinity are allowed

    Returns
    -------
    list of views (..., n_l + 1, n_{l+1}), one per layer, whose last row is the bias; n_l rows for a layer without bias

    Raises
    ------
    UserError
        If the vectors have another length than the net has parameters, or hold no numbers.
    """
    vectors = np.asarray(vectors)
    if vectors.dtype.kind not in "fciub":
        raise UserError(f"parameters: got {vectors.dtype}, expected real or complex numbers")
    shapes = [(len(weights) + (bias is not None), weights.shape[1])
              for weights, bias in zip(network.weights, network.biases, strict=True)]
    ends = np.cumsum([rows * columns for rows, columns in shapes])
    if vectors.ndim == 0 or ends[-1] != vectors.shape[-1]:
        raise UserError(f"parameters: got shape {vectors.shape} for a net of {ends[-1]} parameters, expected "
                        f"(..., {ends[-1]})")
    parts = np.split(vectors, ends[:-1], axis=-1)
    return [part.reshape(*vectors.shape[:-1], *shape) for part, shape in zip(parts, shapes, strict=True)]


def join(parts):
    """Return the layers (..., n_l + 1, n_{l+1}) as vectors (..., p): the inverse of `split`."""
    return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], axis=-1)
