"""Gradient descent of a small net as a map with a rate."""
import numpy as np

from gradnets import checks
from gradnets.cycles import _kernels
from gradnets.errors import UserError


class Descent:
    """Full-batch gradient descent of a net with one hidden tanh layer and one tanh output, as a map with a rate.

    The loss is half the mean squared error, plus decay / 2 times the squared length of all parameters.

    Parameters
    ----------
    inputs : real array (items, features)
    targets : real array (items,)
    hidden_units : int, positive
    decay : float, finite, not negative
        Weight decay of weights and biases.

    Attributes
    ----------
    size : int
        Number of parameters, p. A point (p,) has the order of `gradnets.curvature`: rows of incoming weights, biases,
        outgoing weights, the output's bias.

    Raises
    ------
    UserError
        If inputs and targets do not fit each other, or a number is outside its range.
    """

    def __init__(self, inputs, targets, hidden_units, decay):
        inputs = np.ascontiguousarray(checks.real_array("inputs", inputs, axes=2), float)
        targets = np.ascontiguousarray(checks.real_array("targets", targets, axes=1), float)
        checks.positive_integers(hidden_units=hidden_units)
        if len(inputs) != len(targets):
            raise UserError(f"inputs {inputs.shape} and targets {targets.shape}: expected one target per row")
        if not 0 <= decay < np.inf:
            raise UserError(f"decay is {decay!r}: expected a finite number of at least 0")
        self.inputs, self.targets, self.hidden_units, self.decay = inputs, targets, int(hidden_units), float(decay)
        self.size = (inputs.shape[1] + 2) * self.hidden_units + 1

    def _point(self, point):
        point = np.ascontiguousarray(checks.real_array("point", point, axes=1), float)
        if len(point) != self.size:
            raise UserError(f"point has {len(point)} parameters: expected {self.size}")
        return point

    def outputs(self, point):
        """Return the outputs, float64 (items,), at a point (p,)."""
        point = self._point(point)
        features = self.inputs.shape[1]
        incoming = point[:features * self.hidden_units].reshape(features, self.hidden_units)
        biases, outgoing = point[features * self.hidden_units:-1].reshape(2, self.hidden_units)
        return np.tanh(np.tanh(self.inputs @ incoming + biases) @ outgoing + point[-1])

    def loss(self, point):
        """Return the loss at a point (p,), a float."""
        errors = self.outputs(point) - self.targets
        return float(errors @ errors / len(errors) / 2 + self.decay / 2 * (point @ point))

    def gradient(self, point):
        """Return the gradient, float64 (p,)."""
        return _kernels.gradient(self._point(point), self.inputs, self.targets, self.decay)

    def hessian(self, point):
        """Return the Hessian, float64 (p, p)."""
        return _kernels.hessian(self._point(point), self.inputs, self.targets, self.decay)

    def orbit(self, point, rate, discarded, kept):
        """Return `kept` points of descent from a point (p,), after `discarded` ones: float64 (kept, p)."""
        return _kernels.orbit(self._point(point), self.inputs, self.targets, self.decay, float(rate), int(discarded),
                              int(kept))

    def around(self, point, rate, period):
        """Return the point after `period` steps, its Jacobian, and its derivative with respect to the rate.

        This is what `find`, `follow` and `split` take. O(period (items p² + p³)) time.
        """
        return _kernels.around(self._point(point), self.inputs, self.targets, self.decay, float(rate), int(period))
