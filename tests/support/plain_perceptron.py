"""A perceptron's derivatives, from forward passes written out in numpy: the reference for curvature."""
from itertools import pairwise

import numpy as np

import mlp

H = 1e-50  # length of a complex step, other than that of the code under test
SIZES = {1: (4, 3), 2: (4, 5, 3), 3: (4, 3, 5, 2), 4: (3, 4, 2, 5, 3)}  # neighbors differ, so that a transpose shows
BIASES = {"biases": (True,) * 4, "none": (False,) * 4, "some": (True, False, False, True)}


def problem(layers, activation, loss, biases="biases", batch=7, seed=963):
    """Return a random net, inputs and labels; with this seed no unit of any net sits on its kink."""
    sizes, rng = SIZES[layers], np.random.default_rng(seed)
    network = mlp.MLP(sizes, activation, loss, "normal(1)", rng, biases=BIASES[biases][:layers])
    return network, rng.normal(size=(batch, sizes[0])), rng.integers(sizes[-1], size=batch)


def vector_of(network):
    """Return the parameters as one vector (p,): layer by layer the weights, by rows, and the bias."""
    parts = [part.ravel() for layer in zip(network.weights, network.biases, strict=True) for part in layer
             if part is not None]
    return np.concatenate(parts)


def totals(network, vectors, inputs):
    """Return the last pre-activations (..., batch, n_L) at many parameter vectors (..., p) at once."""
    value, start = inputs, 0
    for layer, (rows, columns) in enumerate(pairwise(network.sizes)):
        total = value @ vectors[..., start:start + rows * columns].reshape(*vectors.shape[:-1], rows, columns)
        start += rows * columns
        if network.biases[layer] is not None:
            total = total + vectors[..., None, start:start + columns]
            start += columns
        value = activation(network, total)
    assert start == vectors.shape[-1]
    return total


def activation(network, total):
    if network.activation == "tanh":
        return np.tanh(total)
    return np.where(total.real > 0, total, (network.slope or 0.0) * total)


def losses(network, vectors, inputs, targets):
    """Return the mean loss (...,) for targets (batch, n_L)."""
    total = totals(network, vectors, inputs)
    if network.loss_name == "squared":
        return 0.5 * ((activation(network, total) - targets)**2).sum(axis=-1).mean(axis=-1)
    return (np.log(np.exp(total).sum(axis=-1)) - (total * targets).sum(axis=-1)).mean(axis=-1)


def gradients(network, vectors, inputs, targets):
    """Return exact gradients (..., p): a complex step along each axis."""
    steps = 1j * H * np.eye(vectors.shape[-1])
    return losses(network, vectors[..., None, :] + steps, inputs, targets).imag / H


def hessian_products(network, inputs, labels, vectors, h=2e-6):
    """Return the Hessian times each row: central differences of exact gradients, accurate to 1e-9."""
    center, targets = vector_of(network), np.eye(network.sizes[-1])[labels]
    ahead, behind = (gradients(network, center + move * vectors, inputs, targets) for move in (h, -h))
    return (ahead - behind) / (2 * h)


def hessian(network, inputs, labels):
    """Return the Hessian (p, p), accurate to 1e-9."""
    return hessian_products(network, inputs, labels, np.eye(vector_of(network).size))


def jacobians(network, inputs):
    """Return exact derivatives of all outputs by each layer's parameters: a list of (batch n_L, p_l)."""
    vector = vector_of(network)
    outputs = activation(network, totals(network, vector + 1j * H * np.eye(vector.size), inputs))
    ends = np.cumsum(layer_sizes(network))[:-1]
    return np.split(outputs.imag.reshape(vector.size, -1).T / H, ends, axis=1)


def layer_sizes(network):
    """Return the number of parameters of each layer."""
    return [(rows + (bias is not None)) * columns
            for (rows, columns), bias in zip(pairwise(network.sizes), network.biases, strict=True)]


def diagonal_blocks(network, whole):
    """Return the diagonal blocks of a matrix (p, p), one per layer."""
    ends = np.cumsum([0, *layer_sizes(network)])
    return [whole[start:end, start:end] for start, end in pairwise(ends)]


def relative_error(values, expected):
    """Return the length of the difference over that of the expected vector."""
    return np.linalg.norm(values - expected) / np.linalg.norm(expected)
