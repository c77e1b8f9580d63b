"""How near a recurrent tanh net h' = tanh(x U + h W + b) is to the border between order and chaos.

There is no single border. Without input a net has one largest Lyapunov exponent, driven by inputs it has a smaller one,
since inputs push units to where tanh is flat, and the deltas of backpropagation fade or grow at a pace of their own.
"""
import numpy as np

from gradnets import checks
from gradnets.dynamics.exponents import lyapunov
from gradnets.errors import NoResult, UserError


def free_exponent(recurrent_weights, bias, steps=600, discarded=200, seed=0):
    """Return the largest Lyapunov exponent per step of a recurrent net without input, from a random state.

    Parameters
    ----------
    recurrent_weights : real array (n, n)
        Row i sends, column j receives.
    bias : real array (n,)
    steps, discarded : int, positive
        Steps that are averaged, and steps before.
    seed : int
        Draws the state and the direction.

    Returns
    -------
    float
        Negative in a net that forgets its state, positive in a chaotic one; -inf if its units saturate, and every
        direction is lost.

    Raises
    ------
    UserError
        If an argument is another one than these.
    """
    weights = _square(recurrent_weights)
    bias = checks.real_array("bias", bias, axes=1).astype(float)
    if len(bias) != len(weights):
        raise UserError(f"bias {bias.shape} and recurrent_weights {weights.shape}: expected one bias per unit")
    checks.positive_integers(steps=steps, discarded=discarded)

    def tangent(state, frame):
        return frame @ weights * (1 - np.tanh(state @ weights + bias)**2)

    start = np.random.default_rng(seed).uniform(-1, 1, len(weights))
    logs, _ = lyapunov(lambda state: np.tanh(state @ weights + bias), tangent, start, steps + discarded, 1, seed)
    return float(logs[discarded:].mean())


def driven_exponents(recurrent_weights, states, discarded=8, seed=0):
    """Return the largest exponent per step along the states that inputs drive a recurrent net through.

    Parameters
    ----------
    recurrent_weights : real array (n, n)
    states : real array (time + 1, items, n), in [-1, 1]
        What `rnn.RNN.forward` returns: hidden states, the initial one first.
    discarded : int, at least 0 and below time
        Steps in which directions turn to the one that grows most, before the average.
    seed : int
        Draws one direction per item.

    Returns
    -------
    float64 (items,)
        -inf where a direction is lost.

    Raises
    ------
    UserError
        If an argument is another one than these.

    Notes
    -----
    A tangent vector per item is multiplied by W diag(1 - h²) in each step and made of length 1 again. O(time items n²).
    """
    weights = _square(recurrent_weights)
    states = checks.real_array("states", states, axes=3).astype(float)
    if states.shape[2] != len(weights) or not np.abs(states).max() <= 1:
        raise UserError(f"states {states.shape} up to {np.abs(states).max():.3g}, recurrent_weights {weights.shape}: "
                        "expected one value between -1 and 1 per unit")
    if not (checks.is_integer(discarded) and 0 <= discarded < len(states) - 1):
        raise UserError(f"discarded is {discarded!r}: expected an integer from 0 to {len(states) - 2}")
    size = np.abs(weights).max() or 1.0  # divided out, since the squares of huge weights overflow
    weights = weights / size
    vectors = np.random.default_rng(seed).normal(size=states.shape[1:])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    total = np.zeros(len(vectors))
    for step, state in enumerate(states[1:]):
        vectors = vectors @ weights * (1 - state * state)
        lengths = np.linalg.norm(vectors, axis=1)
        with np.errstate(divide="ignore"):
            total += np.log(lengths) if step >= discarded else np.where(lengths > 0, 0, -np.inf)
        vectors /= np.where(lengths > 0, lengths, 1)[:, None]
    return total / (len(states) - 1 - discarded) + np.log(size)


def first_crossing(gains, values, level=0.0):
    """Return the gain at which values first rise to a level, by a straight line between its neighbors: a float.

    gains : real array (n,), strictly rising; values : real array (n,).

    Raises
    ------
    NoResult
        If the values begin above the level, or never reach it.
    UserError
        If gains do not rise, or the arrays differ in length.
    """
    gains, values = (checks.real_array(name, array, axes=1).astype(float)
                     for name, array in (("gains", gains), ("values", values)))
    if len(gains) != len(values) or not (np.diff(gains) > 0).all():
        raise UserError(f"gains {gains.shape} and values {values.shape}: expected rising gains, with one value each")
    above = np.flatnonzero(values >= level)
    if not len(above) or above[0] == 0:
        raise NoResult(f"values from {values[0]:.3g} to {values[-1]:.3g} do not rise to {level:g}: take more gains")
    k = above[0]
    return float(gains[k - 1] + (gains[k] - gains[k - 1]) * (level - values[k - 1]) / (values[k] - values[k - 1]))


def _square(recurrent_weights):
    weights = checks.real_array("recurrent_weights", recurrent_weights, axes=2).astype(float)
    if weights.shape[0] != weights.shape[1]:
        raise UserError(f"recurrent_weights {weights.shape}: expected a square matrix")
    return weights
