"""Is an orbit on an attractor, and of what dimension? Entropy and dimensions, and what must hold before they mean much.

A dimension describes what an orbit settles on. An orbit that still drifts, such as a net that still trains, has none,
although every estimate of a dimension gives it a number. So `drift` is read first, and a correlation dimension stands
beside that of surrogates, which have the orbit's spectra or its steps and no attractor.
"""
import numpy as np
from numba import njit

from gradnets import checks, streams
from gradnets.errors import UserError

STATIONARY = 0.3       # largest drift of an orbit that counts as settled: 44 independent points have 0.3 on average
AT_REST = 1e-9         # spread of an orbit relative to its size, below which rounding is all that moves
BINS_PER_OCTAVE = 128  # of the distances between points: in 100 dimensions a share grows by 1.7 from bin to bin
OCTAVES = 64           # below the largest possible distance; pairs that are closer count as equal
LARGEST = 1e100        # size of a coordinate
SCALES = 0.001, 0.05   # shares of the pairs that are closer than the smallest and the largest scale of a fit


# ---- from Lyapunov exponents ------------------------------------------------------------------------------

def entropy(exponents):
    """Return the sum of the positive Lyapunov exponents, in nats per step.

    For a smooth map it is an upper bound of the Kolmogorov-Sinai entropy (Ruelle 1978), and equal to it if the
    invariant measure is smooth along the unstable directions (Pesin 1977).

    exponents : real array (p,), in any order, of a whole spectrum
    """
    exponents = _exponents(exponents)
    return float(exponents[exponents > 0].sum())


def kaplan_yorke(exponents):
    """Return the Kaplan-Yorke dimension (1979): how many leading exponents keep a volume from shrinking, interpolated.

    exponents : real array (p,), in any order, of a whole spectrum

    With the sum S_k of the k largest exponents, and the last k for which S_k is not negative, it is
    k + S_k / |exponent k + 1|: 0 if all exponents are negative, and p if S_p is not.
    """
    exponents = np.sort(_exponents(exponents))[::-1]
    sums = np.cumsum(exponents)
    if sums[-1] >= 0:
        return float(len(sums))
    last = int(np.argmax(sums < 0))  # the number of exponents whose sum is the last one that is not negative
    return float(last + sums[last - 1] / -exponents[last]) if last else 0.0


def _exponents(exponents):
    return checks.real_array("exponents", exponents, axes=1).astype(float)


# ---- from the points of an orbit --------------------------------------------------------------------------

def drift(points):
    """Return how far the means of an orbit's halves are apart, in standard deviations of the orbit.

    points : real array (n, p), n at least 4, in the order of time

    The length of the difference of means, over the root of the total variance. Of n independent points it is about
    2 / sqrt(n), so that a drift d is that of 4 / d² independent points. A random walk in many dimensions has 1.41, a
    straight line 1.73, and no orbit more than 2. An orbit at rest has 0.
    """
    points = _points(points)
    half = len(points) // 2
    spread = np.sqrt(points.var(axis=0).sum())
    if _at_rest(points, spread):
        return 0.0
    return float(np.linalg.norm(points[:half].mean(axis=0) - points[-half:].mean(axis=0)) / spread)


def correlation_sums(points, theiler):
    """Return the share of pairs of points that are closer than r, for many r.

    Parameters
    ----------
    points : real array (n, p), n at least 4, in the order of time
    theiler : int, not negative, below n - 1
        Pairs that are at most this number of points apart in time do not count (Theiler 1986): they are close since
        little time has passed, and not since the orbit returns.

    Returns
    -------
    radii : float64 (k,)
        BINS_PER_OCTAVE per factor of two, over the range that the distances take.
    shares : float64 (k,)
        Rising to 1. Pairs that are closer than 2^-OCTAVES of the size of the orbit count as that far apart.

    Notes
    -----
    Grassberger and Procaccia 1983. O(n² p) time in compiled code, O(n p) memory.
    """
    points = _points(points)
    if not (checks.is_integer(theiler) and 0 <= theiler < len(points) - 1):
        raise UserError(f"theiler is {theiler!r}: expected an integer from 0 to {len(points) - 2}, for "
                        f"{len(points)} points")
    points = np.ascontiguousarray(points - points.mean(axis=0))
    bound = 4 * (points * points).sum(axis=1).max()  # on squared distances
    if bound == 0:
        return np.zeros(1), np.ones(1)
    counts = _count_distances(points, theiler, bound, BINS_PER_OCTAVE, OCTAVES)
    filled = np.flatnonzero(counts)
    places = np.arange(filled[0], filled[-1] + 1)
    radii = np.sqrt(bound) * 2.0**(places / BINS_PER_OCTAVE - OCTAVES)
    return radii, np.cumsum(counts[places]) / counts.sum()


@njit(cache=True, fastmath=True)
def _squared_distance(first, second):
    total = 0.0
    for k in range(len(first)):
        total += (first[k] - second[k]) * (first[k] - second[k])
    return total


@njit(cache=True)
def _count_distances(points, theiler, bound, bins_per_octave, octaves):
    """Count pairs by distance; bin k has those up to sqrt(bound) 2^(k / bins_per_octave - octaves)."""
    counts = np.zeros(octaves * bins_per_octave + 1, np.int64)
    for i in range(len(points)):
        for j in range(i + theiler + 1, len(points)):
            share = _squared_distance(points[i], points[j]) / bound
            place = 0
            if share > 0:
                place = max(0, int(np.ceil((np.log2(share) / 2 + octaves) * bins_per_octave)))
            counts[min(place, len(counts) - 1)] += 1
    return counts


def correlation_dimension(points, theiler, scales=SCALES):
    """Return the correlation dimension: the slope of `correlation_sums` in logarithms, by least squares.

    Parameters
    ----------
    points, theiler
        As for `correlation_sums`.
    scales : pair of float
        The fit is over the radii at which the share of pairs lies between these two.

    Returns
    -------
    float
        0 if the orbit is at rest, or on a cycle of few points: if more than scales[0] of the pairs are equal, up to
        rounding. NaN if fewer than three radii lie between the scales.
    """
    low, high = scales
    if not 0 < low < high <= 1:
        raise UserError(f"scales is {scales!r}: expected two rising shares, above 0 and at most 1")
    points = _points(points)
    if _at_rest(points, np.sqrt(points.var(axis=0).sum())):
        return 0.0
    radii, shares = correlation_sums(points, theiler)
    if shares[radii <= AT_REST * radii[-1]].max(initial=0) > low:
        return 0.0
    inside = (shares >= low) & (shares <= high)
    if inside.sum() < 3:
        return float("nan")
    return float(np.polyfit(np.log(radii[inside]), np.log(shares[inside]), 1)[0])


# ---- surrogates -------------------------------------------------------------------------------------------

def phase_surrogate(points, seed=0):
    """Draw a linear surrogate: an orbit with the same mean, variances and spectra, and random phases.

    points : real array (n, p), n at least 4, in the order of time

    The same random phase is added to a frequency in all coordinates, which keeps the cross-spectra, too (Prichard and
    Theiler 1994). Returns float64 (n, p).
    """
    points = _points(points)
    spectrum = np.fft.rfft(points, axis=0)
    phases = np.exp(2j * np.pi * streams.plain_generator(seed).random(len(spectrum)))
    phases[0] = 1
    if len(points) % 2 == 0:
        phases[-1] = 1  # the frequency of alternating signs has a real coefficient
    return np.fft.irfft(spectrum * phases[:, None], n=len(points), axis=0)


def walk_surrogate(points, seed=0):
    """Draw a random walk whose steps are those of an orbit, in random order and with random signs.

    points : real array (n, p), n at least 4, in the order of time; the surrogate starts where the orbit does.
    """
    points, rng = _points(points), streams.plain_generator(seed)
    steps = rng.permutation(np.diff(points, axis=0)) * rng.choice([-1.0, 1.0], (len(points) - 1, 1))
    return np.vstack([points[:1], points[0] + np.cumsum(steps, axis=0)])


def _points(points):
    points = checks.real_array("points", points, axes=2).astype(float)
    if len(points) < 4:
        raise UserError(f"points: got {len(points)} points, expected at least 4")
    if np.abs(points).max() > LARGEST:
        raise UserError(f"points: the largest size is {np.abs(points).max():.6g}, expected at most {LARGEST:g}: their "
                        "squares are summed")
    return points


def _at_rest(points, spread):
    return spread <= AT_REST * np.sqrt((points**2).mean(axis=0).sum())


# ---- orbits of training -----------------------------------------------------------------------------------

def descend(point, inputs, targets, order, learning_rate, decay=0.0):
    """Return the parameters of a small net after some steps of gradient descent, in compiled code.

    The net has one hidden layer, tanh units, squared error and biases, and the steps are those of `dynamics.descent` up
    to rounding, ten times quicker.

    Parameters
    ----------
    point : real array (p,)
        Parameters, as `curvature.parameters` orders them; p tells the number of hidden units.
    inputs, targets : real arrays (n, n_0), (n, n_2)
    order : int array (steps, batch)
        The samples of each step, or (steps, 0) for steps over all samples.
    learning_rate, decay : float

    Returns
    -------
    float64 (p,), not finite if the parameters left for infinity
    """
    point = checks.real_array("point", point, axes=1).astype(float)
    inputs, targets = (np.ascontiguousarray(checks.real_array(name, values, axes=2), float)
                       for name, values in (("inputs", inputs), ("targets", targets)))
    order = checks.integer_array("order", order, axes=2)
    units, rest = divmod(point.size - targets.shape[1], inputs.shape[1] + 1 + targets.shape[1])
    if rest or units < 1 or len(inputs) != len(targets):
        raise UserError(f"point of {point.size} parameters, inputs {inputs.shape}, targets {targets.shape}: expected "
                        "those of a net with one hidden layer and biases, and a target for each input")
    if order.size and not (order.min() >= 0 and order.max() < len(inputs)):
        raise UserError(f"order: samples from {order.min()} to {order.max()}, expected 0 to {len(inputs) - 1}")
    _descend(point, inputs, targets, np.ascontiguousarray(order), learning_rate, decay, units)
    return point


@njit(cache=True)
def _descend(point, inputs, targets, order, learning_rate, decay, units):
    n_in, n_out = inputs.shape[1], targets.shape[1]
    first = point[:n_in * units].reshape(n_in, units)
    first_bias = point[n_in * units:(n_in + 1) * units]
    second = point[(n_in + 1) * units:-n_out].reshape(units, n_out)
    second_bias = point[-n_out:]
    gradient = np.empty_like(point)
    change = gradient[:n_in * units].reshape(n_in, units)
    change_bias = gradient[n_in * units:(n_in + 1) * units]
    change_second = gradient[(n_in + 1) * units:-n_out].reshape(units, n_out)
    change_second_bias = gradient[-n_out:]
    hidden, delta = np.empty(units), np.empty(n_out)
    batch = order.shape[1] if order.shape[1] else len(inputs)
    for step in range(order.shape[0]):
        gradient[:] = 0
        for place in range(batch):
            sample = order[step, place] if order.shape[1] else place
            values = inputs[sample]
            hidden[:] = first_bias
            for i in range(n_in):
                for j in range(units):
                    hidden[j] += values[i] * first[i, j]
            delta[:] = second_bias
            for j in range(units):
                hidden[j] = np.tanh(hidden[j])
                for k in range(n_out):
                    delta[k] += hidden[j] * second[j, k]
            for k in range(n_out):
                output = np.tanh(delta[k])
                delta[k] = (output - targets[sample, k]) * (1 - output * output)
                change_second_bias[k] += delta[k]
            for j in range(units):
                back = 0.0
                for k in range(n_out):
                    change_second[j, k] += hidden[j] * delta[k]
                    back += second[j, k] * delta[k]
                hidden[j] = back * (1 - hidden[j] * hidden[j])  # from here on the delta of the hidden unit
                change_bias[j] += hidden[j]
            for i in range(n_in):
                for j in range(units):
                    change[i, j] += values[i] * hidden[j]
        for place in range(len(point)):
            point[place] -= learning_rate * (gradient[place] / batch + decay * point[place])


# ---- controls of known result -----------------------------------------------------------------------------

def henon():
    """Return Hénon's map (1976) at a = 1.4 and b = 0.3 as `dynamics.lyapunov` takes it: step, tangent map, start."""
    def advance(point):
        return np.array([1 - 1.4 * point[0]**2 + point[1], 0.3 * point[0]])

    def tangent(point, frame):
        return frame @ np.array([[-2.8 * point[0], 0.3], [1.0, 0.0]])

    return advance, tangent, np.array([0.1, 0.1])


def logistic():
    """Return the logistic map 4 x (1 - x) as `dynamics.lyapunov` takes it: its exponent is log 2, its dimension 1."""
    return lambda x: 4 * x * (1 - x), lambda x, frame: frame * (4 - 8 * x), np.array([0.2345])


def torus():
    """Return two rotations by irrational angles, whose exponents are 0 and whose dimension is 2, as `logistic` does."""
    angles = 2 * np.pi * np.array([np.sqrt(2) - 1, np.sqrt(3) - 1])
    return lambda x: (x + angles) % (2 * np.pi), lambda x, frame: frame, np.zeros(2)


def on_circles(angles):
    """Return angles (n, k) as points on circles, float64 (n, 2 k), where an angle of 2π is one of 0."""
    angles = checks.real_array("angles", angles, axes=2)
    return np.hstack([np.cos(angles), np.sin(angles)])
