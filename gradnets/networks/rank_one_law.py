"""The law of a gradient's network, before any gradient is computed: deltas of an untrained net, clustering and degrees.

A hidden unit's delta is a product: the error that comes back to the unit, times the slope of its activation. In an
untrained tanh net with weights uniform in ±scale, both follow from the input's length, the scale and the output deltas.
The network of such a gradient has rank one, so its nodes are independent draws from two laws: that of the inputs and
that of the deltas. Expectations over both laws give its degrees and its clustering. `docs/theory.md` has the steps.
"""
import functools
from typing import NamedTuple

import numpy as np
from numpy.polynomial.polynomial import polygrid2d

from gradnets import checks
from gradnets.errors import UserError

NODES = 80       # Gauss-Hermite nodes of an expectation over a normal law
QUANTILES = 200  # of the law of deltas, for expectations over nodes


class Prediction(NamedTuple):
    """The expectations that `predict` returns.

    Attributes
    ----------
    clustering : float
        Average clustering of the merged network.
    input_degrees : float64 (n,)
        Number of links of each input, with the layers apart.
    hidden_degrees : float64 (QUANTILES,)
        Number of links of a hidden unit whose delta lies at the middle of each of 200 equally likely ranges.
    degrees : float64 (n, QUANTILES)
        Number of links of the node that merges input i with such a hidden unit.
    """

    clustering: float
    input_degrees: np.ndarray
    hidden_degrees: np.ndarray
    degrees: np.ndarray


def deviation(inputs, scale):
    """Return the standard deviation of the pre-activations of one sample, over weights and a bias uniform in ±scale.

    Parameters
    ----------
    inputs : float array (n,)
    scale : float, positive

    Returns
    -------
    float
        sqrt((|x|² + 1) scale² / 3): a number uniform in ±scale has the variance scale² / 3.
    """
    inputs = checks.real_array("inputs", inputs, axes=1).astype(float)
    _check_positive(scale=scale)
    largest = max(inputs.max(), -inputs.min(), 1.0)  # squares of huge inputs would overflow
    return float(np.linalg.norm(np.append(inputs, 1.0) / largest) * (scale / np.sqrt(3)) * largest)


def draw_output_deltas(deviation, scale, hidden_units, outputs, rng):
    """Draw the output deltas of one sample in an untrained tanh net without output biases, under the squared error.

    Parameters
    ----------
    deviation : float, positive
        Of the hidden pre-activations, as the function of this name returns it.
    scale : float, positive
        The weights of both layers are uniform in ±scale.
    hidden_units, outputs : int, positive
    rng : numpy.random.Generator, or a seed for one

    Returns
    -------
    float64 array (outputs,)
        The delta of the right output first: (o - t)(1 - o²) with the targets t of 1 and 0.

    Notes
    -----
    Given the hidden activations h, the pre-activations of the outputs are independent and nearly normal, with the
    variance |h|² scale² / 3. |h|² is close to its mean, hidden_units E[tanh²(deviation N)] with N standard normal.
    """
    checks.positive_integers(hidden_units=hidden_units, outputs=outputs)
    _check_positive(deviation=deviation, scale=scale)
    nodes, weights = _normal_quadrature()
    square = hidden_units * (weights @ np.tanh(deviation * nodes)**2)
    totals = scale * np.sqrt(square / 3) * np.random.default_rng(rng).standard_normal(outputs)
    errors = np.tanh(totals)
    errors[0] -= 1.0
    return errors * _slope(totals)


def draw_deltas(output_deltas, scale, deviation, size, rng):
    """Draw magnitudes of hidden deltas in an untrained tanh net, given the deltas of its outputs.

    Parameters
    ----------
    output_deltas : float array (outputs,)
        Those of one sample, or a draw of `draw_output_deltas`; their unit is that of the result.
    scale : float, positive
        The weights from the hidden units to the outputs are uniform in ±scale.
    deviation : float, positive
        Of the hidden pre-activations, as the function of this name returns it.
    size : int, positive
        Number of hidden units to draw.
    rng : numpy.random.Generator, or a seed for one

    Returns
    -------
    float64 array (size,)
        |Σ_k d_k u_k| sech²(deviation N), with u_k uniform in ±scale and N standard normal, all independent.

    Notes
    -----
    Few outputs carry most of the error, so the sum is far from normal: with a single one it is uniform.
    """
    output_deltas = checks.real_array("output_deltas", output_deltas, axes=1).astype(float)
    _check_positive(scale=scale, deviation=deviation)
    checks.positive_integers(size=size)
    rng = np.random.default_rng(rng)
    errors = rng.uniform(-scale, scale, (size, len(output_deltas))) @ output_deltas
    return np.abs(errors) * _slope(deviation * rng.standard_normal(size))


def predict(row, magnitudes):
    """Return the clustering and the degrees that a rank-one network has on average over hidden units.

    Parameters
    ----------
    row : float array (n,), entries in [0, 1]
        Of each input: |input| over the largest one, which the bias counts among. The network has n hidden units.
    magnitudes : float array (draws,), entries of at least 0, not all 0
        Draws from the law of |delta|, thousands of them, in any unit.

    Returns
    -------
    Prediction

    Raises
    ------
    UserError
        If an entry lies outside these ranges, or an array is empty.

    Notes
    -----
    A delta counts as its magnitude over the median of the largest of n draws, c, at most 1. Nodes are independent pairs
    (r, c). With f = (r, c, r c), S = [[0, 1, 0], [1, 0, 0], [0, 0, -1]], m = E f and M = E f f', two nodes are linked
    with probability f' S g, the degree of a node is k = n m' S f, and the clustering is

        E[ f' S M S M S f / (m' S f)² (1 - e^-k (1 + k)) ],

    where the last factor is the chance of two neighbors or more, by Poisson's law. Apart from a node's own r and c,
    only the means of r, r², c and c² enter. The formula for independent nodes is that of Boguñá and Pastor-Satorras
    2003, "Class of correlated random networks with hidden variables". O(200 n + draws log draws) time.
    """
    row = checks.real_array("row", row, axes=1).astype(float)
    magnitudes = np.sort(checks.real_array("magnitudes", magnitudes, axes=1).astype(float))
    if not (row.min() >= 0 and row.max() <= 1):
        raise UserError(f"row runs from {row.min():.6g} to {row.max():.6g}: expected numbers in [0, 1], each input "
                        "over the largest one")
    if not (magnitudes[0] >= 0 and magnitudes[-1] > 0):
        raise UserError(f"magnitudes run from {magnitudes[0]:.6g} to {magnitudes[-1]:.6g}: expected numbers of at "
                        "least 0, some above 0")
    nodes = len(row)
    magnitudes /= magnitudes[-1]  # sums of huge and squares of tiny magnitudes would leave the range of floats
    largest = np.quantile(magnitudes, 0.5**(1 / nodes))
    column = np.minimum(magnitudes / (largest if largest > 0 else 1.0), 1)
    r1, r2, c1, c2 = row.mean(), np.mean(row**2), column.mean(), np.mean(column**2)
    s = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1.0]])
    gram = np.array([[r2, r1 * c1, r2 * c1], [r1 * c1, c2, r1 * c2], [r2 * c1, r1 * c2, r2 * c2]])  # M
    q = s @ gram @ s @ gram @ s
    values, places, counts = np.unique(row, return_inverse=True, return_counts=True)  # pixels have few values
    middles = np.quantile(column, (np.arange(QUANTILES) + 0.5) / QUANTILES)
    linked = polygrid2d(values, middles, [[0, r1], [c1, -r1 * c1]])         # m' S f, (values, QUANTILES)
    closed = polygrid2d(values, middles, [[0, 0, q[1, 1]], [0, 2 * q[0, 1], 2 * q[1, 2]],
                                          [q[0, 0], 2 * q[0, 2], q[2, 2]]])  # f' q f
    linked_nodes = linked > 1e-9 * linked.max()
    ratio = np.zeros_like(linked)
    ratio[linked_nodes] = closed[linked_nodes] / linked[linked_nodes] / linked[linked_nodes]  # a square would underflow
    degrees = nodes * linked
    several = -np.expm1(-degrees) - degrees * np.exp(-degrees)
    clustering = counts @ (ratio * several).mean(axis=1) / nodes
    return Prediction(float(clustering), nodes * c1 * row, nodes * r1 * middles, degrees[places])


@functools.cache
def _normal_quadrature():
    """Return nodes and weights of the mean of a function of a standard normal variable, by Gauss and Hermite."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    return nodes, weights / weights.sum()


def _slope(totals):
    """Return the derivative of tanh, sech², as (2 e / (1 + e²))² with e = exp(-|total|), which does not overflow."""
    small = np.exp(-np.abs(totals))
    return (2 * small / (1 + small**2))**2


def _check_positive(**values):
    for name, value in values.items():
        if not (np.isfinite(value) and value > 0):
            raise UserError(f"{name} is {value!r}: expected a positive number")
