"""The loss of a dense tanh net together with its gradient, in one pass over the data.

The methods that race on the clock share this pass. It does what `Objective` does, without looking at each number and
without a net of `mlp.py` in between, and it takes linear outputs too.
"""
from typing import NamedTuple

import numpy as np

from gradnets import checks
from gradnets.curvature.failures import finite_array
from gradnets.errors import UserError

OUTPUTS = ("softmax", "tanh", "linear")


class ForwardPass(NamedTuple):
    """What a forward pass at one point computed; nothing writes to these arrays later.

    point : float64 (p,); loss : float, with the l2 term; weights : list of (n_l + 1, n_{l+1}), the bias last; inputs :
    list of (samples, n_l + 1), the inputs of each layer with a last column of 1; outputs : (samples, n_L); delta :
    (samples, n_L), the derivative of each sample's loss by the last pre-activations
    """

    point: np.ndarray
    loss: float
    weights: list
    inputs: list
    outputs: np.ndarray
    delta: np.ndarray


class Iterate(NamedTuple):
    """A point that a minimizer has reached, float64 (p,) and not to be written to, and the loss there."""

    point: np.ndarray
    loss: float


class FusedObjective:
    """The mean loss of a dense net with tanh units, plus l2 / 2 times the squared length of the parameters.

    Parameters
    ----------
    sizes : tuple of int
        Units of each layer, inputs first. Each layer after the inputs has a bias.
    inputs : float64 (samples, n_0)
    targets : float64 (samples, n_L)
        With softmax, the probabilities of the classes: usually one 1 per row.
    start : float64 (p,)
        Layer after layer the weights, row by row, and then the bias, as `parameters` orders them.
    output : str
        "softmax" with the cross-entropy; "tanh" or "linear" with half the squared error.
    l2 : float, at least 0

    Attributes
    ----------
    sizes, output, l2, start : as above
    inputs : float64 (samples, n_0 + 1), with a last column of 1
    targets : float64 (samples, n_L)
    samples : int

    Raises
    ------
    UserError
        If the arrays do not fit together.
    NotFinite
        If a number is NaN or infinite.
    """

    def __init__(self, sizes, inputs, targets, start, output="softmax", l2=0.0):
        self.sizes, self.l2 = tuple(sizes), l2
        self.output = checks.choice("output", output, OUTPUTS)
        inputs, targets = (finite_array(name, values, axes=2).astype(float)
                           for name, values in (("inputs", inputs), ("targets", targets)))
        self.start = finite_array("the start", start, axes=1).astype(float)
        self.samples = len(inputs)
        if not self.samples or inputs.shape[1] != self.sizes[0] or targets.shape != (self.samples, self.sizes[-1]):
            raise UserError(f"inputs of shape {inputs.shape} and targets of shape {targets.shape} for a net of sizes "
                            f"{self.sizes}: expected (samples, {self.sizes[0]}) and (samples, {self.sizes[-1]}), with "
                            "at least one sample")
        self._shapes = [(below + 1, above) for below, above in zip(self.sizes, self.sizes[1:], strict=False)]
        self._ends = [0, *np.cumsum([rows * columns for rows, columns in self._shapes]).tolist()]
        if len(self.start) != self._ends[-1]:
            raise UserError(f"a start of {len(self.start)} numbers for sizes {self.sizes}: expected {self._ends[-1]}")
        self.inputs = np.hstack([inputs, np.ones((self.samples, 1))])
        self.targets = np.ascontiguousarray(targets)

    @classmethod
    def of(cls, objective):
        """Return the same loss as a curvature.Objective has; its net needs tanh units and a bias in each layer."""
        network, (inputs, labels) = objective.network, objective.batch
        if network.activation != "tanh" or any(bias is None for bias in network.biases):
            raise UserError("the net has other units than tanh, or a layer without a bias: expected neither")
        output = "softmax" if network.loss_name == "cross-entropy" else "tanh"
        return cls(network.sizes, inputs, network.targets[labels], objective.start, output, objective.l2)

    def split(self, vector):
        """Return the layers (n_l + 1, n_{l+1}) of a vector (p,), as views."""
        return [vector[start:end].reshape(shape)
                for start, end, shape in zip(self._ends, self._ends[1:], self._shapes, strict=False)]

    def forward(self, point, rows=None, first=None):
        """Compute the loss at a point, and keep what derivatives need.

        Parameters
        ----------
        point : float64 (p,)
        rows : int (k,), optional
            The samples of a batch; all samples by default.
        first : float64 (samples, n_1), optional
            The pre-activations of the first layer, where they are known already.

        Returns
        -------
        ForwardPass, whose loss may be NaN or infinite
        """
        weights = self.split(point)
        inputs, targets = (self.inputs, self.targets) if rows is None else (self.inputs[rows], self.targets[rows])
        total, layer_inputs = inputs @ weights[0] if first is None else first, [inputs]
        for layer in weights[1:]:
            values = np.empty((len(total), len(layer)))
            values[:, -1] = 1.0
            np.tanh(total, out=values[:, :-1])
            layer_inputs.append(values)
            total = values @ layer
        if self.output == "softmax":
            total = total - _highest(total)
            outputs = np.exp(total)
            sums = row_sums(outputs)
            outputs /= sums
            delta = outputs - targets
            summed = np.log(sums).sum() - np.vdot(total, targets)
        else:
            outputs = np.tanh(total) if self.output == "tanh" else total
            delta = outputs - targets
            summed = 0.5 * np.vdot(delta, delta)
            if self.output == "tanh":
                delta *= 1.0 - outputs * outputs
        loss = float(summed / len(total) + self.l2 / 2 * (point @ point))
        return ForwardPass(point, loss, weights, layer_inputs, outputs, delta)

    def backward(self, run, delta):
        """Return Jᵀ delta, (p,), where J has the derivatives of the last pre-activations, (samples, n_L), at a pass."""
        image = np.empty(self._ends[-1])
        parts = self.split(image)
        for layer in range(len(parts) - 1, -1, -1):
            np.matmul(run.inputs[layer].T, delta, out=parts[layer])
            if layer:
                values = run.inputs[layer][:, :-1]
                delta = delta @ run.weights[layer][:-1].T
                delta *= 1.0 - values * values
        return image

    def gradient(self, run):
        """Return the gradient of the loss at the point of a pass, float64 (p,)."""
        gradient = self.backward(run, run.delta)
        gradient /= len(run.delta)
        gradient += self.l2 * run.point
        return gradient

    def loss(self, point):
        """Return the loss at a point, float64 (p,); it may be NaN or infinite."""
        return self.forward(point).loss

    def loss_and_gradient(self, point, rows=None):
        """Return the loss of all samples, or of a batch, and its gradient (p,): one pass forward and one backward."""
        run = self.forward(point, rows)
        return run.loss, self.gradient(run)


def row_sums(matrix):
    """Return the sum of each row, float64 (n, 1), by a product: numpy takes three times as long to sum short rows."""
    return matrix @ np.ones((matrix.shape[1], 1))


def _highest(total):
    """Return what softmax can subtract without overflow: one number if all entries are near, else each row's highest.

    The highest number of each short row takes numpy three times as long as all exponentials.
    """
    highest = total.max()
    return highest if highest - total.min() < 500 else total.max(axis=1, keepdims=True)
