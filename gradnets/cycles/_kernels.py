"""Compiled gradient descent over the full batch of a net with one hidden tanh layer and one tanh output."""
import numpy as np
from numba import njit


@njit(cache=True)
def _output(point, values, hidden):
    """Return the net's output for one item (features,), and write its hidden units to `hidden` (units,)."""
    features, units = len(values), len(hidden)
    total = point[-1]
    for j in range(units):
        z = point[features * units + j]
        for k in range(features):
            z += point[k * units + j] * values[k]
        hidden[j] = np.tanh(z)
        total += hidden[j] * point[(features + 1) * units + j]
    return np.tanh(total)


@njit(cache=True)
def gradient(point, inputs, targets, decay):
    """Return the gradient (p,) of the mean squared error / 2 plus decay / 2 times the squared length of the point."""
    items, features = inputs.shape
    units = (len(point) - 1) // (features + 2)
    bias, outgoing = features * units, (features + 1) * units
    result = np.zeros(len(point))
    hidden = np.empty(units)
    for i in range(items):
        output = _output(point, inputs[i], hidden)
        delta = (output - targets[i]) * (1 - output * output)
        result[-1] += delta
        for j in range(units):
            result[outgoing + j] += delta * hidden[j]
            back = delta * point[outgoing + j] * (1 - hidden[j] * hidden[j])
            result[bias + j] += back
            for k in range(features):
                result[k * units + j] += back * inputs[i, k]
    return result / items + decay * point


@njit(cache=True)
def hessian(point, inputs, targets, decay):
    """Return the Hessian (p, p) of the same loss."""
    items, features = inputs.shape
    units, size = (len(point) - 1) // (features + 2), len(point)
    bias, outgoing = features * units, (features + 1) * units
    result = np.zeros((size, size))
    slopes = np.empty(size)  # of the output's pre-activation
    hidden = np.empty(units)
    for i in range(items):
        output = _output(point, inputs[i], hidden)
        gate, error = 1 - output * output, output - targets[i]
        delta, curvature = error * gate, gate * gate - 2 * error * output * gate
        slopes[-1] = 1.0
        for j in range(units):
            slopes[outgoing + j] = hidden[j]
            back = point[outgoing + j] * (1 - hidden[j] * hidden[j])
            slopes[bias + j] = back
            for k in range(features):
                slopes[k * units + j] = back * inputs[i, k]
        for a in range(size):
            factor = curvature * slopes[a]
            for b in range(a + 1):
                result[a, b] += factor * slopes[b]
        for j in range(units):
            slope = 1 - hidden[j] * hidden[j]
            bend = -2 * delta * point[outgoing + j] * hidden[j] * slope
            for k in range(features + 1):
                first = inputs[i, k] if k < features else 1.0
                result[outgoing + j, k * units + j] += delta * slope * first
                for l in range(k + 1):
                    second = inputs[i, l] if l < features else 1.0
                    result[k * units + j, l * units + j] += bend * first * second
    result /= items
    for a in range(size):
        result[a, a] += decay
        for b in range(a):
            result[b, a] = result[a, b]
    return result


@njit(cache=True)
def orbit(point, inputs, targets, decay, rate, discarded, kept):
    """Return points of descent, (kept, p), after some that are discarded."""
    points = np.empty((kept, len(point)))
    point = point.copy()
    for step in range(discarded + kept):
        if step >= discarded:
            points[step - discarded] = point
        point -= rate * gradient(point, inputs, targets, decay)
    return points


@njit(cache=True)
def around(point, inputs, targets, decay, rate, period):
    """Return the point after `period` steps, its Jacobian (p, p), and its derivative with respect to the rate (p,)."""
    size = len(point)
    point, jacobian, by_rate = point.copy(), np.eye(size), np.zeros(size)
    for _ in range(period):
        slope = gradient(point, inputs, targets, decay)
        factor = np.eye(size) - rate * hessian(point, inputs, targets, decay)
        jacobian = factor @ jacobian
        by_rate = factor @ by_rate - slope
        point -= rate * slope
    return point, jacobian, by_rate
