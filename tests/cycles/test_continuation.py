"""Cycles of maps whose bifurcations are known in closed form or from the literature."""
import numpy as np
import pytest

from gradnets import cycles
from gradnets.errors import UserError

# Flips of x -> r x (1 - x): 3 and 1 + sqrt(6) are exact, the others are the published ones (OEIS A086181, A091517).
LOGISTIC = (3.0, 1 + 6**0.5, 3.544090359551922, 3.564407266095433, 3.568759419543626)


def iterated(step):
    """Return the orbit of a map, as `cycles.settle` takes it."""
    def orbit(point, rate, discarded, kept):
        points = []
        for index in range(discarded + kept):
            if index >= discarded:
                points.append(point)
            point = step(point, rate)[0]
        return np.array(points)
    return orbit


def logistic(x, r):
    return r * x * (1 - x), (r * (1 - 2 * x))[None], x * (1 - x)


def well(x, r):
    return x - r * (x**3 - x), (1 - r * (3 * x**2 - 1))[None], x - x**3


def henon(x, a):
    """x' = 1 - a x² + y, y' = 0.3 x."""
    return (np.array([1 - a * x[0]**2 + x[1], 0.3 * x[0]]), np.array([[-2 * a * x[0], 1.0], [0.3, 0.0]]),
            np.array([-x[0]**2, 0.0]))


def delayed_logistic(x, r):
    """x' = r x (1 - y), y' = x: at r = 2 the fixed point has the multipliers exp(±iπ/3)."""
    return (np.array([r * x[0] * (1 - x[1]), x[0]]), np.array([[r * (1 - x[1]), -r * x[0]], [1.0, 0.0]]),
            np.array([x[0] * (1 - x[1]), 0.0]))


def saddle_node(x, r):
    """x' = x + x² + (r - 1): two fixed points ±sqrt(1 - r) that merge at r = 1."""
    return x + x**2 + (r - 1), (1 + 2 * x)[None], np.ones(1)


def cascade(step, start, rate, largest, longest):
    around = cycles.chain(step)
    return cycles.cascade(around, iterated(step), cycles.find(around, start, rate, 1), 0.05, largest, longest,
                          discarded=2000)


def test_flips_of_the_logistic_map_are_the_known_ones():
    crossings = cascade(logistic, [0.6], 2.5, 4.0, 16)
    assert [crossing.kind for crossing in crossings] == [cycles.FLIP] * 5
    assert [crossing.cycle.period for crossing in crossings] == [1, 2, 4, 8, 16]
    np.testing.assert_allclose([crossing.cycle.rate for crossing in crossings], LOGISTIC, rtol=1e-8)


def test_a_quartic_maximum_has_a_constant_of_its_own():
    """x' = r - x⁴: its ratios tend to 7.2847 (Briggs 1991), far from those of quadratic maxima."""
    crossings = cascade(lambda x, r: (r - x**4, (-4 * x**3)[None], np.ones(1)), [0.5], 0.5, 2.0, 32)
    ratios = cycles.ratios([crossing.cycle.rate for crossing in crossings])
    assert ratios[-1] == pytest.approx(7.2847, abs=0.1)


def test_flips_of_the_double_well_begin_at_one():
    """The minimum x = 1 has the multiplier 1 - 2r; on the doubled cycle that flips, the product of slopes is -1."""
    crossings = cascade(well, [1.0], 0.7, 2.0, 8)
    assert crossings[0].cycle.rate == pytest.approx(1, abs=1e-9)
    doubled = crossings[1].cycle
    x = doubled.point[0]
    y = x - doubled.rate * (x**3 - x)
    assert abs(x - y) > 0.1
    slopes = [1 - doubled.rate * (3 * z**2 - 1) for z in (x, y)]
    assert slopes[0] * slopes[1] == pytest.approx(-1, abs=1e-7)
    assert y - doubled.rate * (y**3 - y) == pytest.approx(x, abs=1e-9)


def test_henon_flips_where_its_trace_says():
    """A fixed point flips where 1 + trace + determinant = 0: a = 3 (1 - b)² / 4, b = 0.3. The doubled cycle flips at
    a = (1 - b)² + (1 + b)² / 4.
    """
    crossings = cascade(henon, [0.8, 0.2], 0.2, 2.0, 2)
    assert crossings[0].cycle.rate == pytest.approx(3 * 0.7**2 / 4, abs=1e-9)
    assert crossings[1].cycle.rate == pytest.approx(0.7**2 + 1.3**2 / 4, abs=1e-9)


def test_a_torus_is_told_from_a_flip():
    around = cycles.chain(delayed_logistic)
    crossing = cycles.follow(around, cycles.find(around, [0.3, 0.3], 1.5, 1), 0.05, 3.0)
    assert crossing.kind == cycles.TORUS
    assert crossing.cycle.rate == pytest.approx(2, abs=1e-9)
    assert abs(np.angle(crossing.multiplier)) == pytest.approx(np.pi / 3, abs=1e-6)
    with pytest.raises(UserError, match="expected a flip"):
        cycles.split(around, crossing)
    assert [event.kind for event in cascade(delayed_logistic, [0.3, 0.3], 1.5, 3.0, 8)] == [cycles.TORUS]


def test_a_cycle_that_merges_with_an_unstable_one_ends_in_a_fold():
    around = cycles.chain(saddle_node)
    crossing = cycles.follow(around, cycles.find(around, [-0.5], 0.75, 1), 0.05, 2.0)
    assert crossing.kind == cycles.FOLD
    assert crossing.cycle.rate == pytest.approx(1, abs=1e-6)
    assert [event.kind for event in cascade(saddle_node, [-0.5], 0.75, 2.0, 8)] == [cycles.FOLD]


def test_a_doubled_cycle_that_is_born_unstable_is_not_followed():
    """x' = -r x - x³: the flip at r = 1 has its cycle x² = 1 - r at lower rates."""
    def step(x, r):
        return -r * x - x**3, (-r - 3 * x**2)[None], -x

    around = cycles.chain(step)
    crossing = cycles.follow(around, cycles.find(around, [0.0], 0.5, 1), 0.1, 2.0)
    assert (crossing.kind, crossing.cycle.rate) == (cycles.FLIP, pytest.approx(1))
    with pytest.raises(cycles.NoCycle, match="unstable"):
        cycles.split(around, crossing)


def test_a_doubled_cycle_lies_on_its_parabola():
    """x' = -r x + x³: the doubled cycle is x² = r - 1, with the multiplier (3 (r - 1) - r)²."""
    def step(x, r):
        return -r * x + x**3, (-r + 3 * x**2)[None], -x

    around = cycles.chain(step)
    crossing = cycles.follow(around, cycles.find(around, [0.0], 0.5, 1), 0.1, 2.0)
    doubled = cycles.split(around, crossing)
    assert doubled.period == 2
    assert doubled.rate > 1
    assert doubled.point[0]**2 == pytest.approx(doubled.rate - 1, rel=1e-6)
    assert doubled.multipliers[0].real == pytest.approx((2 * doubled.rate - 3)**2, rel=1e-6)


def test_settling_finds_the_least_period():
    around = cycles.chain(logistic)
    for rate, period in ((2.8, 1), (3.2, 2), (3.5, 4), (3.83, 3)):
        cycle = cycles.settle(around, iterated(logistic), np.array([0.3]), rate, 2000, 8)
        assert cycle.period == period
        assert cycle.radius < 1
    with pytest.raises(cycles.NoCycle, match="no stable cycle of period 1 to 8"):
        cycles.settle(around, iterated(logistic), np.array([0.3]), 3.9, 2000, 8)


def test_stable_cycles_up_to_the_largest_rate_have_no_crossing():
    around = cycles.chain(logistic)
    start = cycles.find(around, [0.6], 2.5, 1)
    assert cycles.follow(around, start, 0.05, 2.9) is None
    assert cycles.cascade(around, iterated(logistic), start, 0.05, 2.9) == []


@pytest.mark.parametrize(("change", "message"), [
    ({"multipliers": np.array([1.5 + 0j])}, "expected a stable cycle"), ({}, "step is 0"),
])
def test_mistakes_are_named(change, message):
    around = cycles.chain(logistic)
    with pytest.raises(UserError, match=message):
        cycles.follow(around, cycles.find(around, [0.6], 2.5, 1)._replace(**change), 0.0 if not change else 0.1, 3.0)


def test_a_guess_far_from_any_cycle_has_no_result():
    with pytest.raises(cycles.NoCycle, match="no cycle of period 1"):
        cycles.find(cycles.chain(lambda x, r: (x + r, np.eye(1), np.ones(1))), [0.0], 1.0, 1)
