"""Gradients, Hessians, products of Hessians and vectors, and third derivatives of a net's loss.

Each function takes a perceptron as `mlp.py` makes it (any depth; tanh, relu or leaky units; squared error or softmax),
and a batch: inputs float64 (batch, n_0) and labels int (batch,). The loss is the mean over the batch, and parameters
stand in one vector as `parameters` orders them. All functions raise NotFinite if an output or a delta is not finite,
and UserError if the batch does not fit the net.
"""
import numpy as np

from gradnets import checks
from gradnets.curvature import assembly, passes
from gradnets.curvature.failures import NotFinite
from gradnets.curvature.passes import BatchPass, check_batch, forward_and_backward
from gradnets.curvature.vectors import at, join, parameters, split

METHODS = ("structured", "r-operator", "finite-difference")


def loss(network, inputs, labels):
    """Return the mean loss over the batch, NaN or infinite if the net diverged."""
    check_batch(network, inputs, labels)
    with np.errstate(over="ignore", invalid="ignore"):
        return network.loss(network.forward(inputs)[-1], labels).sum() / len(labels)


def gradient(network, inputs, labels):
    """Return the gradient of the mean loss, (p,), complex if the parameters are."""
    _, layer_inputs, deltas = forward_and_backward(network, inputs, labels)
    return join([values.T @ (delta / len(labels)) for values, delta in zip(layer_inputs, deltas, strict=True)])


def products(network, inputs, labels):
    """Return a function that multiplies vectors by the Hessian, for many products at the same parameters.

    The function takes (p,), or k vectors at once (k, p), and returns the same shape. It is exact, by Pearlmutter's
    R-operator, and costs about three gradients per vector.
    """
    batch = BatchPass(network, inputs, labels)

    def product(vectors):
        parts = split(network, vectors)
        if not np.isfinite(vectors).all():
            raise NotFinite("the vector to be multiplied by the Hessian is not finite")
        with np.errstate(over="ignore", invalid="ignore"):
            image = join(batch.directional(parts))
        if not np.isfinite(image).all():
            raise NotFinite("the Hessian times the vector is not finite: one of them is too large")
        return image
    return product


def hessian_vector(network, inputs, labels, vector):
    """Return the Hessian of the mean loss times `vector` (p,), or times each row of (k, p)."""
    return products(network, inputs, labels)(vector)


def hessian(network, inputs, labels, method="structured"):
    """Return the whole Hessian of the mean loss, float64 (p, p).

    Parameters
    ----------
    method : str
        "structured": each sample's part between two layers is a sum of Kronecker products, of the layers' inputs and
        of the derivatives by their pre-activations; matrix products add all samples, and equal entries are computed
        once. "r-operator": a product with each unit vector, many at once. "finite-difference": central differences of
        the gradient, exact to about eight digits. The methods differ only in speed and rounding, and none averages
        the matrix with its transpose afterwards.

    Notes
    -----
    p² numbers: 8 MB for 1,000 parameters, 800 MB for 10,000. Beyond about 3,000 use `products` and `lanczos`.
    """
    checks.choice("method", method, METHODS)
    if method == "structured":
        return assembly.whole(BatchPass(network, inputs, labels))
    center = parameters(network)
    size = center.size
    if method == "r-operator":
        product = products(network, inputs, labels)
        rows = max(1, passes.CHUNK // (len(labels) * (sum(network.sizes) + 1) + size))
        return np.vstack([product(np.eye(min(rows, size - start), size, start)) for start in range(0, size, rows)])
    rows = []
    for index in range(size):
        move = np.zeros(size)
        move[index] = 1e-5 * max(1.0, abs(center[index]))
        ahead, behind = (gradient(at(network, center + sign * move), inputs, labels) for sign in (1, -1))
        rows.append((ahead - behind) / (2 * move[index]))
    return np.array(rows)


def blocks(network, inputs, labels):
    """Return the Hessian's diagonal blocks, one per layer, in their shortest exact form.

    Returns
    -------
    list of float64 (p_l, p_l)
        With squared error the last layer's block consists of one block per output unit, since the derivative by the
        weights of two output units is zero: (n_L, rows, rows) with rows = n_{L-1} + 1, where entry k belongs to column
        k of the layer's matrix.
    """
    return assembly.diagonal(BatchPass(network, inputs, labels))


def third(network, inputs, labels, direction):
    """Return the third derivative of the loss, T[p, p], twice along `direction` p, float64 (p,).

    It is the derivative of H p along p, by one complex step: Im(H(θ + ihp) p) / h. The net needs tanh or softmax units.
    """
    direction = checks.real_array("direction", direction, axes=1)
    split(network, direction)  # raises an error if the length differs
    moved = at(network, parameters(network) + 1j * passes.COMPLEX_STEP * direction)
    return hessian_vector(moved, inputs, labels, direction).imag / passes.COMPLEX_STEP
