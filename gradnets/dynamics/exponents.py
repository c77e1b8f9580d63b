"""Lyapunov exponents: how fast small differences grow along gradient descent, and along maps of known result.

Gradient descent x - η g(x) is a map with the Jacobian I - η H(x). Its Lyapunov exponents are the mean logarithms per
step by which the map stretches small differences. Nets are perceptrons of `mlp.py`, with parameters in one vector as
`gradnets.curvature` orders them.
"""
import copy
import itertools

import numpy as np
import scipy

from gradnets import checks, curvature
from gradnets.errors import UserError

RITZ = 30             # products with the Hessian for its largest eigenvalue
RECORD = 10           # steps between two records of the distance between copies
IDLE = 1e-9           # a gradient with no larger entry moves nothing that matters
NEIGHBORS = 1e-3      # largest distance of copies at which the tangent vector still describes them
NEAR_ZERO = 0.02      # exponent per step above which it is called positive: a slow drift of weights gives smaller ones
FORGOTTEN = 15 * np.log(10)  # growth after which a change of 1e-15 is a change of 1
quiet = np.errstate(over="ignore", invalid="ignore")  # a decorator: overflow ends in NotFinite


def lyapunov(advance, tangent, start, steps, count, seed=0, restart=None):
    """Return the logarithm of each step's stretching of small differences along an orbit.

    Parameters
    ----------
    advance : function from a point (p,) to the next one
    tangent : function from a point (p,) and a frame (count, p) to the Jacobian there times each row
        For gradient descent x - η g(x): frame - η H(x) frame, with `curvature.products`; see `descent`.
    start : float64 (p,)
    steps : int, positive
        Length of the orbit.
    count : int, 1 to p
        Number of exponents.
    seed : int or numpy.random.Generator
        Draws the frames.
    restart : int, optional
        Number of steps after which a new frame is drawn, so that windows of this length are independent.

    Returns
    -------
    logs : float64 (steps, count)
        Natural logarithms; -inf where a direction is lost. Their means over the steps are the Lyapunov exponents per
        step, largest first; means over a window are finite-time exponents.
    points : float64 (steps + 1, p)

    Raises
    ------
    UserError
        If the start is not a vector of finite numbers, or steps or count is outside its range.
    curvature.NotFinite
        If the orbit leaves for infinity.

    Notes
    -----
    QR after each step (Benettin et al. 1980; Eckmann and Ruelle 1985, section V.C).
    """
    start = checks.real_array("start", start, axes=1).astype(float)
    checks.positive_integers(steps=steps)
    if not (checks.is_integer(count) and 1 <= count <= start.size):
        raise UserError(f"{count} exponents of {start.size} dimensions: expected 1 to {start.size}")
    rng = np.random.default_rng(seed)
    points, logs = [start], np.empty((steps, count))
    for index in range(steps):
        if index == 0 or (restart and index % restart == 0):
            frame = scipy.linalg.qr(rng.normal(size=(start.size, count)), mode="economic")[0].T
        frame = tangent(points[-1], frame)
        points.append(np.asarray(advance(points[-1]), float))
        if not (np.isfinite(points[-1]).all() and np.isfinite(frame).all()):
            raise curvature.NotFinite(f"the orbit is not finite after {index + 1} steps: lower the learning rate")
        q, r = scipy.linalg.qr(frame.T, mode="economic")
        frame = q.T
        with np.errstate(divide="ignore"):
            logs[index] = np.log(np.abs(np.diag(r)))
    return logs, np.array(points)


# ---- gradient descent as a map ----------------------------------------------------------------------------

def descent(network, learning_rate, batches, decay=0.0, whole=False):
    """Return gradient descent as two functions for `lyapunov`: its step, and its Jacobian times the rows of a frame.

    Parameters
    ----------
    network : mlp.MLP
    learning_rate : float
    batches : iterable of (inputs, labels), one per step
        Each of the two functions goes through all batches itself, one batch per call.
    decay : float
        Weight decay: decay times the parameters is added to the gradient.
    whole : bool
        Compute whole Hessians instead of products with the frame. For as many rows as parameters this is quicker over
        large batches, and slower on single samples.
    """
    for_points, for_frames = itertools.tee(batches)
    kept = 1 - learning_rate * decay

    def advance(point):
        return kept * point - learning_rate * curvature.gradient(curvature.at(network, point), *next(for_points))

    def tangent(point, frame):
        moved, batch = curvature.at(network, point), next(for_frames)
        image = frame @ curvature.hessian(moved, *batch) if whole else curvature.products(moved, *batch)(frame)
        return kept * frame - learning_rate * image

    return advance, tangent


def sharpness(network, point, inputs, labels):
    """Return the largest eigenvalue of the Hessian of the mean loss at parameters `point` (p,), by Lanczos."""
    point = checks.real_array("point", point, axes=1)
    product = curvature.products(curvature.at(network, point), inputs, labels)
    start = np.random.default_rng(0).normal(size=point.size)
    _, diagonal, off_diagonal = curvature.lanczos(product, start, RITZ)
    return scipy.linalg.eigh_tridiagonal(diagonal, off_diagonal, eigvals_only=True)[-1]


@quiet
def full_batch(network, inputs, labels, learning_rate, steps, transient, window, count, seed):
    """Measure the exponents of one run of full-batch gradient descent.

    Parameters
    ----------
    network : mlp.MLP
        Where descent starts; the network itself does not change.
    inputs, labels : float64 (batch, n_0), int (batch,)
    learning_rate : float
    steps, transient : int
        Number of updates, and of those before the long-time exponents are averaged; window <= transient < steps.
    window : int
        Steps of a finite-time exponent, a divisor of `steps`.
    count : int
        Number of long-time exponents.
    seed : int
        Draws the directions.

    Returns
    -------
    numbers : dict of float
        exponent, exponent_2, ...: long-time exponents per step, largest first; highest_window; edge_at_start and edge:
        sharpness times learning rate / 2 at the start and, as a median, after the transient; first_loss, last_loss.
    curves : dict of float64 arrays
        windows (steps / window,), finite-time exponents per step; edges (steps / window + 1,).
        Both are None if the run diverges.
    """
    first_loss = curvature.loss(network, inputs, labels)  # which refuses inputs and labels that are none
    advance, tangent = descent(network, learning_rate, itertools.repeat((inputs, labels)))
    try:
        windows, points = lyapunov(advance, tangent, curvature.parameters(network), steps, 1, seed, restart=window)
        # The same orbit again, from its stored points; the frame has one window to turn to the leading directions.
        start, stored = points[transient - window], iter(points[transient - window + 1:])
        logs, _ = lyapunov(lambda _: next(stored), tangent, start, steps - transient + window, count, seed)
        edges = learning_rate / 2 * np.array([sharpness(network, point, inputs, labels) for point in points[::window]])
    except curvature.NotFinite:
        return None, None
    windows = windows.reshape(-1, window).mean(axis=1)
    exponents = np.sort(logs[window:].mean(axis=0))[::-1]
    numbers = {"exponent" if k == 0 else f"exponent_{k + 1}": value for k, value in enumerate(exponents)}
    numbers |= {"highest_window": windows.max(), "edge_at_start": edges[0],
                "edge": np.median(edges[-(-transient // window):]),
                "first_loss": first_loss,
                "last_loss": curvature.loss(curvature.at(network, points[-1]), inputs, labels)}
    return numbers, {"windows": windows, "edges": edges}


@quiet
def single_sample(network, inputs, labels, learning_rate, steps, transient, window, seed):
    """Measure the largest exponent of one run that takes one sample per step, drawn with replacement.

    Parameters are those of `full_batch`, and so are the numbers returned, without those of the edge; None if the run
    diverges. The direction is carried from each window to the next.
    """
    first_loss = curvature.loss(network, inputs, labels)  # which refuses inputs and labels that are none
    order = np.random.default_rng((seed, 2)).integers(len(labels), size=steps)
    maps = descent(network, learning_rate, ((inputs[k:k + 1], labels[k:k + 1]) for k in order))
    try:
        logs, points = lyapunov(*maps, curvature.parameters(network), steps, 1, seed)
    except curvature.NotFinite:
        return None
    windows = logs.reshape(-1, window).mean(axis=1)
    return {"exponent": logs[transient:].mean(), "highest_window": windows.max(),
            "first_loss": first_loss,
            "last_loss": curvature.loss(curvature.at(network, points[-1]), inputs, labels)}


@quiet
def whole_spectrum(network, inputs, labels, learning_rate, steps, transient, seed):
    """Return all exponents after a transient, float64 (p,), largest first; NaN if the run diverges."""
    curvature.loss(network, inputs, labels)  # refuses inputs and labels that are none
    point, batches = curvature.parameters(network), itertools.repeat((inputs, labels))
    advance, tangent = descent(network, learning_rate, batches, whole=True)
    try:
        for _ in range(transient):
            point = advance(point)
        logs, _ = lyapunov(advance, tangent, point, steps, point.size, seed)
    except curvature.NotFinite:
        return np.full(point.size, np.nan)
    return np.sort(logs.mean(axis=0))[::-1]


# ---- two copies of a net on whole images ------------------------------------------------------------------

def active_part(network, pixels):
    """Return the part of a net of one hidden layer that has a gradient on one sample: that of its nonzero pixels.

    Parameters
    ----------
    network : mlp.MLP, with a bias on the first layer alone
    pixels : float64 (n_0,)

    Returns
    -------
    part : mlp.MLP
        For `curvature.at`: with one input per nonzero pixel. Its weights are placeholders.
    nonzero : int64 (inputs,)
        The nonzero pixels.
    places : int64
        Places of the part's parameters in the parameter vector of the net.
    """
    nonzero, hidden = pixels.nonzero()[0], network.sizes[1]
    part = copy.copy(network)
    part.sizes = (nonzero.size, *network.sizes[1:])
    part.weights = [network.weights[0][:nonzero.size], *network.weights[1:]]
    rows = np.append(nonzero, network.sizes[0])  # the last row is the bias
    first_layer = rows[:, None] * hidden + np.arange(hidden)
    size = (network.sizes[0] + 1) * hidden
    return part, nonzero, np.concatenate([first_layer.ravel(), np.arange(size, size + network.weights[1].size)])


@quiet
def separation(network, dataset, learning_rate, steps, change, seed):
    """Train two copies of a net that differ in one weight, and follow the tangent vector of that weight.

    Parameters
    ----------
    network : mlp.MLP, as `active_part` takes it
        The network itself does not change. The changed weight connects the pixel that is brightest on average to the
        first hidden unit.
    dataset : datasets.Dataset
    learning_rate : float
    steps : int, a multiple of RECORD
        Number of single-sample updates.
    change : float
        Difference in the weight.
    seed : int
        Draws the samples.

    Returns
    -------
    tangent, copies : float64 (steps / RECORD + 1,)
        Natural logarithms, 0 at the start: length of the tangent vector, and distance between the copies divided by
        `change`; -inf where the copies are equal again.
    idle : float
        Share of steps whose gradient has no entry above IDLE.

    Raises
    ------
    curvature.NotFinite
        If the nets or the tangent vector leave for infinity.
    """
    order = np.random.default_rng((seed, 3)).integers(len(dataset.labels), size=steps)
    point = curvature.parameters(network)
    vector = np.zeros(point.size)
    weight = dataset.inputs.mean(axis=0).argmax() * network.sizes[1]
    vector[weight] = 1.0
    changed_point = point + change * vector
    change = changed_point[weight] - point[weight]  # after rounding
    tangent, copies, idle = [0.0], [0.0], 0
    for index, k in enumerate(order, start=1):
        part, nonzero, places = active_part(network, dataset.inputs[k])
        sample = dataset.inputs[k:k + 1, nonzero], dataset.labels[k:k + 1]
        part_at_point = curvature.at(part, point[places])
        try:
            gradient = curvature.gradient(part_at_point, *sample)
            vector[places] -= learning_rate * curvature.hessian_vector(part_at_point, *sample, vector[places])
        except curvature.NotFinite:
            raise curvature.NotFinite(f"a net on whole images at learning rate {learning_rate:g} is not finite after "
                                      f"{index} steps: lower the learning rate") from None
        changed_part = curvature.at(part, changed_point[places])
        changed_point[places] -= learning_rate * curvature.gradient(changed_part, *sample)
        point[places] -= learning_rate * gradient
        idle += np.abs(gradient).max() < IDLE
        if index % RECORD == 0:
            length = np.linalg.norm(vector)
            vector /= length
            tangent.append(tangent[-1] + np.log(length))
            with np.errstate(divide="ignore"):
                copies.append(np.log(np.linalg.norm(changed_point - point) / change))
    return np.array(tangent), np.array(copies), idle / steps


def separation_numbers(tangent, copies, idle, steps, change):
    """Return the numbers of one run of `separation`.

    exponent, per step; decades_apart, between tangent vector and copies at the last record at which these are
    neighbors; idle; forgotten_after, the steps in which a change of 1e-15 grows to 1 at this pace.
    """
    last = np.flatnonzero(copies + np.log(change) < np.log(NEIGHBORS))[-1]
    exponent = tangent[-1] / steps
    return {"exponent": exponent, "decades_apart": abs(copies[last] - tangent[last]) / np.log(10), "idle": idle,
            "forgotten_after": FORGOTTEN / exponent if exponent > 0 else np.inf}


# ---- rows of lyapunov.py, which its figures and the ledger read -------------------------------------------

def mostly_positive(row):
    """Return whether most runs of a row have an exponent above NEAR_ZERO: the rule for chaos.

    row : dict with runs; positive, the number of runs above NEAR_ZERO; and diverged, the runs that do not count, 0
    unless given.
    """
    return row["positive"] > (row["runs"] - row.get("diverged", 0)) / 2


def positive_and_saturated(rows):
    """Return the number of runs with a positive exponent, and how many of them at least end above their first loss.

    rows : list of dict with runs, diverged, positive and saturated, four counts that do not say which runs they count.
    """
    return (sum(row["positive"] for row in rows),
            sum(max(0, row["positive"] + row["saturated"] + row["diverged"] - row["runs"]) for row in rows))


# ---- controls of known result -----------------------------------------------------------------------------

def double_well(learning_rate, steps, seed):
    """Return the exponent per step of x - η (x³ - x) by `lyapunov`, over `steps` steps after an equal number of others.

    learning_rate : η, positive, at most 2; beyond 2 nearly all orbits leave for infinity.
    """
    logs, _ = lyapunov(lambda x: x - learning_rate * (x**3 - x),
                       lambda x, frame: frame * (1 - learning_rate * (3 * x**2 - 1)),
                       np.random.default_rng(seed).uniform(-1, 1, 1), 2 * steps, 1, seed)
    return logs[steps:].mean()


def double_well_mean(learning_rates, steps, orbits, seed):
    """Return the mean of log |1 - η (3x² - 1)| over orbits and steps, float64 (learning rates,).

    Each orbit of x - η (x³ - x) has its own start. An equal number of steps is discarded before the averaged ones.
    """
    rates = np.asarray(learning_rates, float)
    x = np.random.default_rng((seed, 1)).uniform(-1, 1, (orbits, *rates.shape))
    total = np.zeros_like(x)
    for step in range(2 * steps):
        if step >= steps:
            with np.errstate(divide="ignore"):
                total += np.log(np.abs(1 - rates * (3 * x**2 - 1)))
        x = x - rates * (x**3 - x)
    return total.mean(axis=0) / steps


def quadratic(products, steps, seed):
    """Return the exponents at the minimum of a quadratic by `lyapunov`, and by the closed form log |1 - ηλ|.

    Parameters
    ----------
    products : float64 (p,)
        Learning rate times eigenvalue, ηλ, of each direction.
    steps : int
        Steps that are averaged, after an equal number that are discarded.
    seed : int

    Returns
    -------
    exponents, closed : float64 (p,), (p,), ordered as `products`
    """
    axes = scipy.linalg.qr(np.random.default_rng(seed).normal(size=(len(products),) * 2))[0]
    hessian = axes @ np.diag(products) @ axes.T
    logs, _ = lyapunov(lambda x: x - hessian @ x, lambda x, frame: frame - frame @ hessian, np.zeros(len(products)),
                       2 * steps, len(products), seed)
    closed = np.log(np.abs(1 - products))
    exponents = np.empty_like(closed)
    exponents[np.argsort(-closed)] = logs[steps:].mean(axis=0)
    return exponents, closed
