"""Newton's step without a Hessian, from the functional inverse of the gradient.

By the inverse function theorem the Jacobian of the gradient's inverse function is H⁻¹, and its derivative along the
gradient is Newton's step.
"""
import numpy as np
from scipy import linalg

from gradnets import checks
from gradnets.curvature.failures import NotFinite, NotInvertible
from gradnets.curvature.passes import COMPLEX_STEP, BatchPass, slope
from gradnets.curvature.symmetric import ROUNDING, cholesky
from gradnets.errors import UserError

INVERSES = ("closed-form", "complex-step", "finite-difference")


def difference_of_inverse(inverse, gradient, method="complex-step", r=1e-5):
    """Return Newton's step from the gradient's inverse function: -d/dr inverse(g + r g) at r = 0.

    Parameters
    ----------
    inverse : function from gradients to parameters, array to array
        For "complex-step", from complex gradients to complex parameters.
    gradient : array of real numbers
    method : str
        "complex-step" is exact to rounding. "finite-difference" is (inverse(g + r g) - inverse(g)) / r, whose error
        has a part of about eps condition / r and a part that grows with r.
    r : float, finite, not zero
        Difference of "finite-difference"; one of the sources uses 1e-9.

    Raises
    ------
    NotFinite
        If the inverse function is not finite.
    """
    checks.choice("method", method, INVERSES[1:])
    gradient = checks.real_array("gradient", gradient).astype(float)
    if method == "complex-step":
        parameters = inverse(gradient * (1 + 1j * COMPLEX_STEP))
        if not np.iscomplexobj(parameters):
            raise UserError("the inverse function returned real numbers for a complex gradient: choose the method "
                            "finite-difference")
        return -_checked(parameters).imag / COMPLEX_STEP
    if not (np.isfinite(r) and r != 0):
        raise UserError(f"r is {r!r}: expected a finite number other than 0")
    return -_checked(inverse(gradient * (1 + r)) - inverse(gradient)) / r


def _checked(values):
    if not np.isfinite(values).all():
        raise NotFinite("the gradient's inverse function is not finite here")
    return values


def functional_inverse_step(network, inputs, labels, method="closed-form", r=1e-5):
    """Return Newton's step of each layer alone, float64 (p,), from the functional inverse of the layer's gradient.

    The step is -H⁺ g for one layer, and -H_l⁻¹ g_l of each block for several layers. Each layer's step removes the
    whole residual, so that steps of all layers together need a step length of at most 1 / layers.

    Parameters
    ----------
    network : MLP
        With leaky units and squared error; all layers beyond the first have square weights of full rank.
    method : str
        "closed-form": -A⁺ [(h - t) / f'] in the last layer, where A is the layer's inputs; in earlier layers the
        residual (h - t) / f' is propagated back through the inverses of weights and slopes. The other methods
        differentiate the inverse function as `difference_of_inverse` does.
    r : float
        Difference of "finite-difference".

    Raises
    ------
    NotInvertible
        For other units or losses, for layers that are not square, and for a batch larger than the rank of a layer's
        inputs: gradients of such a batch do not determine the samples' deltas, and the formula would not be Newton's
        step.
    """
    checks.choice("method", method, INVERSES)
    batch = BatchPass(network, inputs, labels)
    _check_invertible(network)
    solvers = [RightInverse(values, f"layer {layer + 1}") for layer, values in enumerate(batch.inputs)]
    slopes = [*batch.slopes, slope(network, batch.outputs)]
    factors = [None, *(linalg.lu_factor(weights.T) for weights in batch.weights[1:])]

    def solve_weights(layer, rows):  # rows (batch, n) times the inverse of a layer's weights
        return linalg.lu_solve(factors[layer], rows.T).T

    if method == "closed-form":
        residual, steps = batch.deltas[-1] / slopes[-1]**2, []
        for layer in range(len(batch.weights) - 1, -1, -1):
            steps.append(-solvers[layer].times(residual).ravel())
            if layer:
                residual = solve_weights(layer, residual) / slopes[layer - 1]
        return np.concatenate(steps[::-1])

    def inverse_of(layer):
        def inverse(gradient):  # the gradient (rows, n) of a layer -> the layer's weights, with all other layers fixed
            rows = solvers[layer].transpose_times(gradient * batch.size)
            for above in range(layer + 1, len(batch.weights)):  # from the deltas of this layer to those of the last
                rows = linalg.lu_solve(factors[above], (rows / slopes[above - 1]).T, trans=1).T
            totals = _preactivation(network, network.targets[labels] + rows / slopes[-1])
            for above in range(len(batch.weights) - 1, layer, -1):
                bias = network.biases[above]
                totals = _preactivation(network, solve_weights(above, totals if bias is None else totals - bias))
            return solvers[layer].times(totals)
        return inverse

    return np.concatenate([
        difference_of_inverse(inverse_of(layer), values.T @ (delta / batch.size), method, r).ravel()
        for layer, (values, delta) in enumerate(zip(batch.inputs, batch.deltas, strict=True))])


def _preactivation(network, value):
    """Return the pre-activation of leaky units, from their activation."""
    return np.where(value.real > 0, value, value / network.slope)


class RightInverse:
    """The pseudoinverse X⁺ of a matrix of full row rank, by Cholesky of X Xᵀ and two refinements.

    Parameters
    ----------
    matrix : float64 X (batch, n)
    name : str
        What X is the input of, such as "layer 1", for error messages.

    Raises
    ------
    NotInvertible
        If the rank is smaller than the batch.
    NotFinite
        If X Xᵀ overflows.
    """

    def __init__(self, matrix, name):
        rows, columns = matrix.shape
        with np.errstate(over="ignore", invalid="ignore"):
            gram = matrix @ matrix.T
        if not np.isfinite(gram).all():
            raise NotFinite(f"{name} has inputs up to {np.abs(matrix).max():.3g}, whose squares are not finite")
        limit = (f"{name} has {columns} inputs, counting the bias, and the batch {rows} samples: the functional "
                 "inverse needs a batch no larger than the inputs' rank")
        if rows > columns:
            raise NotInvertible(limit)
        self.matrix = matrix
        self.factor, reciprocal = cholesky(gram)
        if reciprocal < ROUNDING:
            raise NotInvertible(f"{limit}, which is smaller here (reciprocal condition {reciprocal:.0e})")

    def times(self, rows):
        """Return X⁺ rows, (n, k) from (batch, k), real or complex."""
        return self._refined(rows, lambda values: self.matrix.T @ linalg.cho_solve(self.factor, values),
                             lambda solution: self.matrix @ solution)

    def transpose_times(self, rows):
        """Return (Xᵀ)⁺ rows, (batch, k) from (n, k), real or complex."""
        return self._refined(rows, lambda values: linalg.cho_solve(self.factor, self.matrix @ values),
                             lambda solution: self.matrix.T @ solution)

    @classmethod
    def _refined(cls, target, solve, product):
        if np.iscomplexobj(target):  # X is real, so the parts are independent; their scales may differ by 1e100
            return cls._refined(target.real, solve, product) + 1j * cls._refined(target.imag, solve, product)
        solution = solve(target)
        for _ in range(2):  # the normal equations square the condition number; refinement restores the lost digits
            solution = solution + solve(target - product(solution))
        return solution


def _check_invertible(network):
    if network.activation != "leaky":
        reason = {"relu": "relu has slope 0 for negative pre-activations, so its delta does not determine the output",
                  "tanh": "tanh gives two outputs the same delta"}[network.activation]
        raise NotInvertible(f"{reason}: the functional inverse needs leaky units")
    if network.loss_name != "squared":
        raise NotInvertible("softmax gives equal outputs for pre-activations that differ by a constant: the functional "
                            "inverse needs squared error")
    for layer, weights in enumerate(network.weights[1:], start=2):
        if weights.shape[0] != weights.shape[1] or np.linalg.cond(weights) > 1 / ROUNDING:
            raise NotInvertible(f"layer {layer} has weights of {weights.shape[0]} x {weights.shape[1]} and rank "
                                f"{np.linalg.matrix_rank(weights)}: beyond the first layer the functional inverse "
                                "needs square weights of full rank")
