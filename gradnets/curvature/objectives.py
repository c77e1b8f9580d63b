"""A net's loss on a batch, as a function of a parameter vector."""
import numpy as np

from gradnets.curvature import derivatives
from gradnets.curvature.taylor import GradientSeries
from gradnets.curvature.vectors import at, parameters


class Objective:
    """The mean loss of a net on a batch, plus l2 / 2 times the squared length of the parameters.

    Parameters
    ----------
    network : MLP
    inputs : float64 (batch, n_0)
    labels : int (batch,)
    l2 : float, at least 0
        Weight of the squared length.

    Attributes
    ----------
    network, batch, l2 : as above; batch is (inputs, labels)
    start : float64 (p,), the net's own parameters
    """

    def __init__(self, network, inputs, labels, l2=0.0):
        self.network, self.batch, self.l2 = network, (inputs, labels), l2
        self.start = parameters(network)

    def at(self, point):
        """Return the net with the parameters `point`, float64 (p,)."""
        return at(self.network, point)

    def loss(self, point):
        """Return the loss at a point, float64 (p,); it may be NaN or infinite."""
        data_loss = derivatives.loss(self.at(point), *self.batch)
        with np.errstate(over="ignore"):
            return data_loss + self.l2 / 2 * (point @ point)

    def gradient(self, point):
        """Return the gradient at a point, float64 (p,)."""
        return derivatives.gradient(self.at(point), *self.batch) + self.l2 * point

    def hessian(self, point):
        """Return the Hessian at a point, float64 (p, p)."""
        hessian = derivatives.hessian(self.at(point), *self.batch)
        hessian[np.diag_indices_from(hessian)] += self.l2
        return hessian

    def gradient_and_series(self, point):
        """Return the gradient at a point, float64 (p,), and a GradientSeries from there.

        The squared length of the parameters adds nothing to the coefficients that the series returns.
        """
        series = GradientSeries(self.at(point), *self.batch)
        return series.gradient + self.l2 * point, series
