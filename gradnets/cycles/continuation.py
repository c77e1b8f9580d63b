"""Cycles of a map x -> f(x, rate): Newton's method, their multipliers, and where these leave the unit circle.

A cycle of period T is a fixed point of f^T. Its multipliers, the eigenvalues of the Jacobian of f^T there, say how
small differences grow in a turn: the cycle is stable while all lie inside the unit circle. As the rate rises the cycle
ends in a flip (a multiplier reaches -1, and a cycle of twice the period is born), in a torus (a complex pair reaches
the circle, Neimark 1959 and Sacker 1964), or in a fold or pitchfork (+1).

Functions take the map as `around`, a function from a point (p,), a rate and a period to the point after that many
steps, its Jacobian (p, p), and its derivative with respect to the rate (p,); `chain` makes one from single steps.
"""
from typing import NamedTuple

import numpy as np
import scipy

from gradnets.errors import NoResult, UserError

FLIP, FOLD, TORUS = "flip", "fold", "torus"
ITERATIONS = 12      # of Newton's method
ACCURATE = 1e-10     # largest distance of a cycle's point from where it returns, in lengths of the point
SHRINK = 1e-9        # smallest step of the rate, as a share of the rate
PRECISE = 1e-14      # of the rate of a crossing, relative
NEARER = 1e-7        # points nearer than this share of their length are one point
NUDGES = 0.05, 0.01, 0.002  # distances from a flip at which the doubled cycle is looked for, in the least distance
REAL = 1e-6          # imaginary part up to which a multiplier at the unit circle counts as real
BEYOND = 1e-3        # how far beyond a crossing an orbit starts, relative, in rate and in point


class NoCycle(NoResult):
    """There is no cycle of this period near the guess."""


class Cycle(NamedTuple):
    """A cycle of a map.

    Attributes
    ----------
    point : float64 (p,)
        One of its points.
    rate : float
    period : int
    multipliers : complex128 (p,)
    by_rate : float64 (p,)
        How the point moves with the rate.
    """

    point: np.ndarray
    rate: float
    period: int
    multipliers: np.ndarray
    by_rate: np.ndarray

    @property
    def radius(self):
        """Largest absolute value of a multiplier; the cycle is stable below 1."""
        return float(np.abs(self.multipliers).max())


class Crossing(NamedTuple):
    """Where a cycle loses its stability.

    Attributes
    ----------
    kind : str
        FLIP, FOLD (a multiplier of +1: fold or pitchfork) or TORUS.
    cycle : Cycle
        Where its largest multiplier reaches the unit circle, or the last that is found before it merges.
    multiplier : complex
        The one that leaves the unit circle.
    """

    kind: str
    cycle: Cycle
    multiplier: complex


def chain(step):
    """Return `around` for a map that is given by its single step.

    step : function from a point (p,) and a rate to the next point (p,), the Jacobian (p, p) and the derivative with
    respect to the rate (p,).
    """
    def around(point, rate, period):
        jacobian, by_rate = np.eye(len(point)), np.zeros(len(point))
        for _ in range(period):
            point, factor, slope = step(point, rate)
            jacobian, by_rate = factor @ jacobian, factor @ by_rate + slope
        return point, jacobian, by_rate
    return around


def find(around, guess, rate, period):
    """Find a cycle by Newton's method from a guess (p,) of one of its points.

    Returns
    -------
    Cycle
        Its least period may be a divisor of `period`.

    Raises
    ------
    NoCycle
        If Newton's method does not converge.
    """
    point = np.array(guess, float)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(ITERATIONS):
            end, jacobian, by_rate = around(point, rate, period)
            if not (np.isfinite(end).all() and np.isfinite(jacobian).all()):
                break
            away = np.abs(end - point).max()
            try:
                factors = scipy.linalg.lu_factor(np.eye(len(point)) - jacobian)
                step = scipy.linalg.lu_solve(factors, end - point)
            except (scipy.linalg.LinAlgError, scipy.linalg.LinAlgWarning, ValueError):
                break
            if away <= ACCURATE * _length(point):
                return Cycle(point + step, rate, period, scipy.linalg.eigvals(jacobian),
                             scipy.linalg.lu_solve(factors, by_rate))
            point = point + step
    raise NoCycle(f"no cycle of period {period} near the guess at rate {rate:.6g}")


def follow(around, cycle, step, largest):
    """Follow a stable cycle as the rate rises, until it loses its stability.

    Parameters
    ----------
    around : function, see the module
    cycle : Cycle, stable
    step : float, positive
        First step of the rate. Steps grow while the cycle stays near its prediction, and shrink where it does not.
    largest : float
        Rate at which the search ends.

    Returns
    -------
    Crossing, or None if the cycle is still stable at the largest rate.

    Raises
    ------
    UserError
        If the cycle is not stable, or the step is not positive.
    """
    if not cycle.radius < 1:
        raise UserError(f"the cycle's largest multiplier is {cycle.radius:.6g}: expected a stable cycle, below 1")
    if not step > 0:
        raise UserError(f"step is {step!r}: expected a positive number")
    while cycle.rate < largest:
        if step < SHRINK * abs(cycle.rate):  # the cycle does not continue
            return _crossing(cycle, FOLD)
        try:
            further = _continued(around, cycle, min(cycle.rate + step, largest))
            if further.radius >= 1:
                return _located(around, cycle, further.rate)
        except NoCycle:
            step /= 2
            continue
        cycle, step = further, 1.5 * step
    return None


def _continued(around, cycle, rate):
    """Return the same cycle at another rate; raise NoCycle if what Newton's method finds may be a different one."""
    move = (rate - cycle.rate) * cycle.by_rate
    further = find(around, cycle.point + move, rate, cycle.period)
    if np.abs(further.point - cycle.point - move).max() > 0.3 * np.abs(move).max() + 1e-6 * _length(cycle.point):
        raise NoCycle("the cycle is far from its prediction")
    if cycle.period % 2 == 0 and _separation(around, further, further.period // 2) < NEARER * _length(further.point):
        raise NoCycle("the cycle has merged with one of half its period")
    return further


def _located(around, cycle, beyond):
    """Return the crossing between a stable cycle and a rate where it is unstable."""
    rate = scipy.optimize.brentq(lambda rate: _continued(around, cycle, rate).radius - 1, cycle.rate, beyond,
                                 xtol=PRECISE * abs(beyond), rtol=PRECISE)
    crossing = _crossing(_continued(around, cycle, rate), FOLD)
    multiplier = crossing.multiplier
    kind = TORUS if abs(multiplier.imag) > REAL else FLIP if multiplier.real < 0 else FOLD
    return crossing._replace(kind=kind)


def _crossing(cycle, kind):
    return Crossing(kind, cycle, complex(cycle.multipliers[np.abs(cycle.multipliers).argmax()]))


def split(around, crossing):
    """Return the cycle of twice the period that is born at a flip, a little beyond the flip.

    Raises
    ------
    NoCycle
        If there is none at higher rates: the doubled cycle is born unstable, towards lower rates.
    UserError
        If the crossing is no flip.

    Notes
    -----
    The doubled cycle has points c + a e and c - a e that f^T maps to each other, at a small distance a. Newton's method
    finds center c, direction e and rate at once. Halved sum and difference of both equations, the latter divided by a,
    stay regular at the flip, where e is the direction of the multiplier -1.
    """
    if crossing.kind != FLIP:
        raise UserError(f"the crossing is a {crossing.kind}: expected a {FLIP}")
    cycle = crossing.cycle
    _, jacobian, _ = around(cycle.point, cycle.rate, cycle.period)
    direction = scipy.linalg.svd(jacobian + np.eye(len(cycle.point)))[2][-1]  # the null vector of J + 1
    halves = [_separation(around, cycle, cycle.period // 2**k) for k in range(1, cycle.period.bit_length())]
    for nudge in NUDGES:
        point, rate = _beside(around, cycle, direction, nudge * min([_length(cycle.point), *halves]))
        if point is None:
            continue
        if not rate > cycle.rate:
            raise NoCycle(f"the cycle of period {2 * cycle.period} is born below rate {cycle.rate:.6g}, and unstable")
        return find(around, point, rate, 2 * cycle.period)
    raise NoCycle(f"no cycle of period {2 * cycle.period} near rate {cycle.rate:.6g}")


def _beside(around, cycle, direction, distance):
    """Return a point and the rate of the doubled cycle, at a distance from a cycle that flips, or None and None."""
    size, one = len(direction), np.eye(len(direction))
    center, axis, rate = cycle.point, direction, cycle.rate
    for _ in range(ITERATIONS):
        (end, jacobian, slope), (end_2, jacobian_2, slope_2) = (
            around(center + sign * distance * axis, rate, cycle.period) for sign in (1, -1))
        mean, half = (jacobian + jacobian_2) / 2, (jacobian - jacobian_2) / 2
        matrix = np.block([[mean - one, distance * half, (slope + slope_2)[:, None] / 2],
                           [half / distance, mean + one, (slope - slope_2)[:, None] / (2 * distance)],
                           [np.zeros(size), direction, np.zeros(1)]])
        rest = np.concatenate([(end + end_2) / 2 - center, (end - end_2) / (2 * distance) + axis,
                               [direction @ axis - 1]])
        if not (np.isfinite(matrix).all() and np.isfinite(rest).all()):
            break
        try:
            step = np.linalg.solve(matrix, -rest)
        except np.linalg.LinAlgError:
            break
        center, axis, rate = center + step[:size], axis + step[size:-1], rate + step[-1]
        if np.abs(step[:size]).max() <= 1e-4 * distance and np.abs(step[size:-1]).max() <= 1e-4:
            return center + distance * axis, rate
    return None, None


def settle(around, orbit, point, rate, discarded, longest):
    """Return the stable cycle that an orbit falls into.

    Parameters
    ----------
    around : function, see the module
    orbit : function from point, rate, number of discarded points and number of kept points to these, (kept, p)
    point : float64 (p,)
    rate : float
    discarded : int
        Steps before the period is looked for.
    longest : int
        Longest period.

    Raises
    ------
    NoCycle
        If there is no stable cycle up to this period.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        points = orbit(point, rate, discarded, longest + 1)
    if not np.isfinite(points).all():
        raise NoCycle(f"the orbit at rate {rate:.6g} leaves for infinity")
    away = np.abs(points[1:] - points[0]).max(axis=1)
    for period in np.flatnonzero(away < 1e-3 * _length(points[0])) + 1:
        try:
            cycle = find(around, points[0], rate, int(period))
        except NoCycle:
            continue
        if cycle.radius < 1 and np.abs(cycle.point - points[0]).max() < 1e-2 * _length(points[0]):
            return cycle
    raise NoCycle(f"no stable cycle of period 1 to {longest} at rate {rate:.6g}")


def cascade(around, orbit, cycle, step, largest, longest=64, discarded=100_000, events=12):
    """Follow descent as the rate rises, from cycle to cycle, until it leaves them.

    A flip leads to the doubled cycle. After a fold, and after a flip whose doubled cycle is unstable, an orbit a little
    beyond shows which cycle comes next.

    Parameters
    ----------
    around, orbit : functions, see `settle`
    cycle : Cycle, stable
    step, largest : float
        As `follow` takes them.
    longest : int
        Period at whose flip the search ends.
    discarded : int
        Steps before an orbit counts as settled.
    events : int
        Largest number of crossings.

    Returns
    -------
    list of Crossing
        The last one is where the search ended: a torus, the flip of the longest cycle, or a crossing after which no
        stable cycle is found. Empty if the cycle is stable up to the largest rate.
    """
    crossings = []
    while len(crossings) < events and cycle.period <= longest:
        crossing = follow(around, cycle, step, largest)
        if crossing is None:
            break
        crossings.append(crossing)
        rate = crossing.cycle.rate
        if crossing.kind == TORUS:
            break
        try:
            cycle = _next_cycle(around, orbit, crossing, discarded, 2 * longest)
        except NoCycle:
            break
        step = (cycle.rate - rate) / 2
    return crossings


def _next_cycle(around, orbit, crossing, discarded, longest):
    if crossing.kind == FLIP:
        try:
            doubled = split(around, crossing)
            if doubled.radius < 1:
                return doubled
        except NoCycle:
            pass
    last = crossing.cycle
    start = last.point + BEYOND * _length(last.point) * np.random.default_rng(0).normal(size=len(last.point))
    return settle(around, orbit, start, last.rate * (1 + BEYOND), discarded, longest)


def _separation(around, cycle, steps):
    """Return the largest change of the cycle's point after some steps."""
    return float(np.abs(around(cycle.point, cycle.rate, steps)[0] - cycle.point).max())


def _length(point):
    """Return the length of a point, the unit of small distances; 1 at the origin."""
    return float(np.linalg.norm(point)) or 1.0
