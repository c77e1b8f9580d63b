"""Colours of edges from weights, by the rule of Zambra, Maritan and Testolin (2020).

A normal law is fitted to all weights. Weights where its density is above 0.55 of its peak are dropped. The fifth of
the weights of each tail that is next to the cut are mild edges, the others strong negative or strong positive ones.
"""
import numpy as np

from gradnets import checks
from gradnets.errors import UserError

PEAK, MILD = 0.55, 0.2  # density that drops a weight, as a share of the peak; share of a tail that is mild
WEIGHT_COLORS = {1: "strong negative", 2: "mild", 3: "strong positive"}


def weight_cuts(weights):
    """Return the weights between which colours change, ascending float64 (4,): strong, mild, dropped, mild, strong."""
    weights = checks.real_array("weights", weights)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = weights.mean(), weights.std()
    if not np.isfinite(deviation):
        raise UserError(f"weights run from {weights.min():.6g} to {weights.max():.6g}: expected numbers with finite "
                        "squares")
    reach = deviation * np.sqrt(-2 * np.log(PEAK))
    low, high = weights[weights < mean - reach], weights[weights > mean + reach]
    return np.array([np.quantile(low, 1 - MILD) if low.size else mean - reach, mean - reach, mean + reach,
                     np.quantile(high, MILD) if high.size else mean + reach])


def weight_colors(weights, cuts):
    """Return the colours of weights, int64 of their shape: the keys of WEIGHT_COLORS, and 0 for a dropped weight."""
    return np.array([1, 2, 0, 2, 3])[np.searchsorted(cuts, checks.real_array("weights", weights))]
