"""One pass over a batch, forward and backward, and the second derivatives that follow from it.

No function conjugates a number or takes its modulus: at complex parameters θ + ihp with h = 1e-100, the imaginary parts
divided by h are derivatives along p, exact to rounding (Squire and Trapp 1998).
"""
import numpy as np

from gradnets.curvature.failures import NotFinite, finite_array
from gradnets.errors import UserError

COMPLEX_STEP = 1e-100  # length of a complex step: too small to cause rounding errors, far above underflow
CHUNK = 2**25          # numbers in one temporary array of a Hessian's assembly, 256 MB


class BatchPass:
    """The activations and deltas of a batch, and the factors of its second derivatives.

    Attributes
    ----------
    weights : list of float64 (n_l, n_{l+1})
    size : int
        Number of samples.
    inputs : list of (batch, n_l + 1)
        Inputs of each layer, with the bias's 1 as last column if the layer has a bias.
    outputs : (batch, n_L)
    deltas : list of (batch, n_{l+1})
        Derivatives of each sample's loss by the pre-activations.
    slopes, bends : lists of (batch, n_{l+1}), one per hidden layer
        f' and (δ Wᵀ) f''; a bend is None if f is piecewise linear.
    output_curvature : (batch, n_L) or None
        Second derivatives of the squared error by the last pre-activations, f'² + (a - t) f''; None for softmax.
    """

    def __init__(self, network, inputs, labels):
        activations, self.inputs, self.deltas = forward_and_backward(network, inputs, labels)
        self.weights, self.size, self.outputs = network.weights, len(labels), activations[-1]
        self.slopes = [slope(network, values) for values in activations[1:-1]]
        self.bends = [_bend(network, delta @ weights.T, values) for delta, weights, values
                      in zip(self.deltas[1:], network.weights[1:], activations[1:-1], strict=True)]
        self.output_curvature = None
        if network.loss_name == "squared":
            self.output_curvature = slope(network, self.outputs)**2
            bend = _bend(network, self.outputs - network.targets[labels], self.outputs)
            if bend is not None:
                self.output_curvature = self.output_curvature + bend

    def directional(self, tangents, first=0):
        """Return the product of the Hessian and a vector, layer by layer, from layer `first` on.

        Pearlmutter (1994), *Fast exact multiplication by the Hessian*: each line of the two passes is differentiated
        along the vector.

        Parameters
        ----------
        tangents : list of (..., n_l + 1, n_{l+1}), one per layer, or None for a layer where the vector is zero
            As `split` returns them. Layers before `first` are taken as zero.

        Returns
        -------
        list of (..., n_l + 1, n_{l+1}), the layers from `first` on
        """
        input_moves, total_moves = {first: None}, {}  # derivatives of each layer's inputs and pre-activations
        for layer in range(first, len(self.weights)):
            tangent = tangents[layer]
            total = 0 if tangent is None else self.inputs[layer] @ tangent
            if layer > first:
                total = total + input_moves[layer] @ self.weights[layer]
            total_moves[layer] = total
            if layer < len(self.weights) - 1:
                input_moves[layer + 1] = self.slopes[layer] * total
        last = total_moves[len(self.weights) - 1]
        if self.output_curvature is None:
            delta_move = self.outputs * (last - (self.outputs * last).sum(axis=-1, keepdims=True))
        else:
            delta_move = self.output_curvature * last
        products = []
        for layer in range(len(self.weights) - 1, first - 1, -1):
            product = self.inputs[layer].T @ delta_move
            if layer > first:
                units = len(self.weights[layer])
                product[..., :units, :] += np.swapaxes(input_moves[layer], -1, -2) @ self.deltas[layer]
                delta_move = delta_move @ self.weights[layer].T
                if tangents[layer] is not None:
                    delta_move = delta_move + self.deltas[layer] @ np.swapaxes(tangents[layer][..., :units, :], -1, -2)
                delta_move = delta_move * self.slopes[layer - 1]
                if self.bends[layer - 1] is not None:
                    delta_move = delta_move + self.bends[layer - 1] * total_moves[layer - 1]
            products.append(product / self.size)
        return products[::-1]

    def layer_curvatures(self):
        """Return the second derivatives of each sample's loss by the pre-activations of each layer.

        Returns
        -------
        list of (batch, n_{l+1}, n_{l+1}), one per layer
        """
        if self.output_curvature is None:
            curvatures = [diagonals(self.outputs) - self.outputs[:, :, None] * self.outputs[:, None, :]]
        else:
            curvatures = [diagonals(self.output_curvature)]
        for layer in range(len(self.weights) - 2, -1, -1):
            jacobian = self.slopes[layer][:, :, None] * self.weights[layer + 1]  # next pre-activations by this layer's
            curvature = jacobian @ curvatures[-1] @ jacobian.swapaxes(1, 2)
            if self.bends[layer] is not None:
                curvature[:, range(curvature.shape[1]), range(curvature.shape[1])] += self.bends[layer]
            curvatures.append(curvature)
        return curvatures[::-1]


def forward_and_backward(network, inputs, labels):
    """Return the activations of all layers, the layers' inputs with the bias's 1 as last column, and the deltas.

    Raises NotFinite if an activation or a delta is NaN or infinite, and the errors of `check_batch`.
    """
    check_batch(network, inputs, labels)
    with np.errstate(over="ignore", invalid="ignore"):  # the next lines raise an error that names the cause
        activations = network.forward(inputs)
        deltas = network.backward(activations, labels)
    if not all(np.isfinite(part).all() for part in (*activations, *deltas)):
        raise NotFinite("the net's outputs or deltas are not finite: the parameters are too large, or training "
                        "diverged")
    return activations, [values if bias is None else np.hstack([values, np.ones((len(values), 1))])
                         for values, bias in zip(activations, network.biases, strict=False)], deltas


def slope(network, activation):
    """Return the derivative f' of the activation function, from its value f."""
    if network.activation == "tanh":
        return 1.0 - activation * activation
    return np.where(activation.real > 0, 1.0, 0.0 if network.activation == "relu" else network.slope)


def _bend(network, factor, activation):
    """Return factor times f'', from the value f; None if f'' is zero almost everywhere."""
    return -2.0 * factor * activation * (1.0 - activation * activation) if network.activation == "tanh" else None


def diagonals(rows):
    """Return one diagonal matrix per row: (batch, n, n) from (batch, n)."""
    matrices = np.zeros((*rows.shape, rows.shape[1]), dtype=rows.dtype)
    matrices[:, range(rows.shape[1]), range(rows.shape[1])] = rows
    return matrices


def check_batch(network, inputs, labels):
    """Raise UserError unless inputs and labels are a batch for the net, and NotFinite if an input is not finite."""
    if np.ndim(inputs) != 2 or len(inputs) == 0 or inputs.shape[1] != network.sizes[0]:
        raise UserError(f"inputs of shape {np.shape(inputs)}: expected (batch, {network.sizes[0]}) with at least one "
                        "sample")
    finite_array("the batch of inputs", inputs)
    if np.shape(labels) != (len(inputs),) or np.asarray(labels).dtype.kind not in "iu":
        raise UserError(f"labels of shape {np.shape(labels)} for {len(inputs)} inputs: expected one integer per input")
    if np.min(labels) < 0 or np.max(labels) >= len(network.targets):
        raise UserError(f"labels from {np.min(labels)} to {np.max(labels)}: expected 0 to {len(network.targets) - 1}")
