"""Steps of order three and higher: the Taylor series of Newton's path.

Newton's path x(t) begins at the current point, and the gradient shrinks along it in proportion: g(x(t)) = (1 - t) g. At
t = 1 the gradient is zero. Newton's step is the path's first Taylor term, s_1 = -H⁻¹ g, and Chebyshev's step adds the
second. Each further term is minus H⁻¹ times one Taylor coefficient of the gradient: one factorization of H serves all.
"""
import warnings

import numpy as np
from scipy import linalg

from gradnets import checks
from gradnets.curvature import symmetric
from gradnets.curvature.failures import NotFinite, SingularHessian, finite_array
from gradnets.curvature.passes import forward_and_backward, slope
from gradnets.curvature.steps import check_step
from gradnets.curvature.vectors import join, parameters, split
from gradnets.errors import UserError


def newton_series(gradient, hessian, coefficient, order):
    """Return the Taylor terms of Newton's path, float64 (order - 1, p).

    The sum of the first k terms, at t = 1, is a step whose convergence near a minimum has order k + 1 (Traub 1964): one
    term is Newton's step, two are Chebyshev's. At a shorter t, term k is multiplied by t to the power of k.

    Parameters
    ----------
    gradient : float64 (p,)
    hessian : float64 (p, p), symmetric
    coefficient : function from s_1 ... s_{k-1}, float64 (k - 1, p), to float64 (p,)
        The coefficient of t^k in the gradient at x + t s_1 + ... + t^{k-1} s_{k-1}; a `GradientSeries` returns it
        for a net.
    order : int, at least 2

    Raises
    ------
    NotFinite
        If a term is not finite.
    SingularHessian
        If the Hessian is singular to rounding.

    Notes
    -----
    Far from a minimum the series need not converge, and a longer sum can be worse than a shorter one: compare the
    losses of all sums.
    """
    check_step(gradient, hessian)
    checks.positive_integers(order=order)
    if order < 2:
        raise UserError(f"order is {order}: expected at least 2, which is Newton's step")
    terms = np.empty((order - 1, len(gradient)))
    solve = _solver(hessian)
    for index in range(order - 1):
        terms[index] = -solve(coefficient(terms[:index]) if index else np.asarray(gradient, float))
        if not np.isfinite(terms[index]).all():
            raise NotFinite(f"term {index + 1} of Newton's path is not finite: choose a lower order")
    return terms


def _solver(hessian):
    """Return a function that solves H x = b for many b, by one factorization."""
    factor, reciprocal = symmetric.cholesky(hessian)
    if factor is not None and reciprocal > symmetric.ROUNDING:
        return lambda target: linalg.cho_solve(factor, target, check_finite=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", linalg.LinAlgWarning)
        try:
            factor = linalg.lu_factor(hessian)
        except (linalg.LinAlgError, linalg.LinAlgWarning):
            factor = None
    if factor is None or not np.abs(np.diag(factor[0])).min() > symmetric.ROUNDING * np.abs(np.diag(factor[0])).max():
        raise SingularHessian(f"the Hessian of {len(hessian)} parameters is singular to rounding: choose a damped, "
                              "shifted or saddle-free step")
    return lambda target: linalg.lu_solve(factor, target, check_finite=False)


class GradientSeries:
    """The Taylor coefficients of a net's gradient along a path that is found term by term.

    A call takes the terms s_1 ... s_{k-1} of a path, float64 (k - 1, p) with k at least 2, the first of which are those
    of earlier calls. It returns the coefficient of t^k in the gradient at θ + t s_1 + ... + t^{k-1} s_{k-1}, float64
    (p,). For k = 2 this is half of `third`.

    Power series in t pass through the net, forward and backward. Each list holds the coefficients of t⁰, t¹ ..., and
    for each call the last two are computed: the first of them with the new term, the second without one.

    Parameters
    ----------
    network, inputs, labels : as in `gradient`
        With piecewise linear units, the path stays on the near side of every kink.

    Attributes
    ----------
    gradient : float64 (p,), at the path's beginning
    """

    def __init__(self, network, inputs, labels):
        activations, self.inputs, deltas = forward_and_backward(network, inputs, labels)
        self.network, self.terms = network, 0
        self.weights = [[part] for part in split(network, parameters(network))]
        self.totals = [[None] for _ in self.weights]  # the pre-activations: their constants are never needed
        self.values = [[values] for values in activations]
        self.slopes = [[slope(network, values)] for values in activations[1:]]
        self.deltas = [[delta] for delta in deltas]
        self.backs = [[delta @ weights.T if layer else None] for layer, (delta, weights)
                      in enumerate(zip(deltas, network.weights, strict=True))]  # by each layer's inputs
        self.softmax = network.loss_name == "cross-entropy"
        self.errors = [activations[-1] - network.targets[labels]]
        self.powers, self.sums = [activations[-1]], [None]  # exp(z), and its sums over the classes, of a softmax
        self.gradient = self._last_coefficient()

    def __call__(self, terms):
        terms = finite_array("the terms of the path", terms, axes=2).astype(float)
        if len(terms) != self.terms + 1:
            raise UserError(f"{len(terms)} terms of the path after {self.terms}: expected one more in each call")
        with np.errstate(over="ignore", invalid="ignore"):
            if self.terms:
                self._drop()
            self._extend(split(self.network, terms[-1]))
            self._extend(None)
            self.terms += 1
            result = self._last_coefficient()
        if not np.isfinite(result).all():
            raise NotFinite("the gradient's Taylor coefficient is not finite: the path's terms are too large")
        return result

    def _drop(self):
        """Take back the last coefficient of every series."""
        for series in (*self.weights, *self.totals, *self.values[1:], *self.slopes, *self.deltas, *self.backs,
                       self.errors, *([self.powers, self.sums] if self.softmax else [])):
            del series[-1]

    def _extend(self, parts):
        """Add a coefficient to every series, with a new term of the weights, by layers, or None for zero."""
        order = len(self.errors)
        last = len(self.weights) - 1
        for layer in range(last + 1):
            self.weights[layer].append(None if parts is None else parts[layer][:len(self.network.weights[layer])])
            total = np.zeros_like(self.deltas[layer][0]) if parts is None else self.inputs[layer] @ parts[layer]
            for j in range(1, order + 1 if layer else 1):
                total += self.values[layer][j] @ self._weights(layer, order - j)
            self.totals[layer].append(total)
            if layer == last and self.softmax:
                self._extend_softmax(order)
            else:
                self._extend_activation(layer, order)
        self.errors.append(self.values[-1][order])
        for layer in range(last, -1, -1):
            if layer == last and self.softmax:
                self.deltas[layer].append(self.errors[order])
            else:
                above = self.errors if layer == last else self.backs[layer + 1]
                self.deltas[layer].append(_product(above, self.slopes[layer], order))
            if layer:
                self.backs[layer].append(sum(self.deltas[layer][order - j] @ self._weights(layer, j).T
                                             for j in range(order + 1) if self.weights[layer][j] is not None))
            else:
                self.backs[layer].append(None)

    def _weights(self, layer, order):
        """Return a coefficient of a layer's weights, without the bias."""
        return self.weights[layer][order][:len(self.network.weights[layer])]

    def _extend_activation(self, layer, order):
        totals, values, slopes = self.totals[layer], self.values[layer + 1], self.slopes[layer]
        if self.network.activation == "tanh":  # f' = 1 - f², and d/dt f(z(t)) = f' z'
            values.append(_integral(totals, slopes, order))
            slopes.append(-_product(values, values, order))
        else:
            values.append(totals[order] * slopes[0])
            slopes.append(np.zeros_like(slopes[0]))

    def _extend_softmax(self, order):
        values = self.values[-1]  # d/dt exp(z(t)) = exp(z) z', then division by the sum over the classes
        self.powers.append(_integral(self.totals[-1], self.powers, order))
        self.sums.append(self.powers[order].sum(axis=1, keepdims=True))
        values.append(self.powers[order] - sum(self.sums[j] * values[order - j] for j in range(1, order + 1)))
        self.slopes[-1].append(None)

    def _last_coefficient(self):
        """Return the last coefficient of the gradient, (p,)."""
        parts = []
        for layer, deltas in enumerate(self.deltas):
            part = self.inputs[layer].T @ deltas[-1]
            for j in range(1, len(deltas) if layer else 1):
                part[:len(self.network.weights[layer])] += self.values[layer][j].T @ deltas[-1 - j]
            parts.append(part / len(deltas[0]))
        return join(parts)


def _product(left, right, order):
    """Return a coefficient of the product of two series, entry by entry."""
    return sum(left[j] * right[order - j] for j in range(order + 1))


def _integral(inner, outer, order):
    """Return a coefficient of the integral of the outer series times the derivative of the inner one."""
    return sum(j * inner[j] * outer[order - j] for j in range(1, order + 1)) / order
