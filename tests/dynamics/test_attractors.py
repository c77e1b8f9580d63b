"""Dimensions, entropy and drift: closed forms, published values of known maps, and orbits that have no dimension."""
import numpy as np
import pytest
from scipy.spatial.distance import pdist

import mlp
from gradnets import curvature, datasets, dynamics
from gradnets.dynamics import attractors
from gradnets.errors import UserError

RNG = np.random.default_rng(963)
HENON_EXPONENTS, HENON_KAPLAN_YORKE, HENON_CORRELATION = (0.4192, -1.6232), 1.258, (1.18, 1.26)  # Sprott 2003


def orbit(name, count):
    """Return Lyapunov exponents and points of a control."""
    advance, tangent, start = getattr(attractors, name)()
    logs, points = dynamics.lyapunov(advance, tangent, start, count + 200, start.size)
    return logs[200:].mean(axis=0), points[200:-1]


# ---- from exponents ---------------------------------------------------------------------------------------

@pytest.mark.parametrize(("exponents", "dimension", "entropy"), [
    ([0.5, -1.0], 1.5, 0.5),
    ([-1.0, 0.5, 0.25], 2.75, 0.75),   # in any order
    ([0.9056, 0.0, -14.5723], 2.0621, 0.9056),  # Lorenz's flow (Sprott 2003)
    (HENON_EXPONENTS, 1.2583, 0.4192),
    ([-0.1, -0.2], 0, 0),
    ([0.0, -1.0], 1, 0),
    ([0.0, 0.0], 2, 0),
    ([0.2, -0.1], 2, 0.2),             # volumes grow: the whole space
    ([0.3], 1, 0.3),
])
def test_dimension_and_entropy_of_a_spectrum(exponents, dimension, entropy):
    assert attractors.kaplan_yorke(exponents) == pytest.approx(dimension, abs=2e-4)
    assert attractors.entropy(exponents) == pytest.approx(entropy)


def test_henons_map_has_the_published_dimensions():
    exponents, points = orbit("henon", 5000)
    np.testing.assert_allclose(exponents, HENON_EXPONENTS, atol=0.02)
    assert attractors.kaplan_yorke(exponents) == pytest.approx(HENON_KAPLAN_YORKE, abs=0.01)
    low, high = HENON_CORRELATION
    assert low < attractors.correlation_dimension(points, 50) < high


def test_the_logistic_map_has_dimension_one_and_entropy_log_2():
    exponents, points = orbit("logistic", 3000)
    assert attractors.kaplan_yorke(exponents) == 1
    assert attractors.entropy(exponents) == pytest.approx(np.log(2), abs=0.01)
    assert 0.8 < attractors.correlation_dimension(points, 50) < 1.05  # its density is infinite at both ends


def test_a_torus_has_dimension_two_and_no_entropy():
    exponents, points = orbit("torus", 4000)
    assert exponents == pytest.approx([0, 0], abs=1e-12)
    circles = attractors.on_circles(points)
    np.testing.assert_allclose(circles[:, :2]**2 + circles[:, 2:]**2, 1)
    assert attractors.correlation_dimension(circles, 50, (0.005, 0.1)) == pytest.approx(2, abs=0.25)


# ---- correlation sums -------------------------------------------------------------------------------------

@pytest.mark.parametrize("theiler", [0, 7])
def test_correlation_sums_count_pairs_as_scipy_does(theiler):
    points = RNG.normal(size=(60, 5))
    radii, shares = attractors.correlation_sums(points, theiler)
    first, second = np.triu_indices(60, theiler + 1)
    distances = np.linalg.norm(points[first] - points[second], axis=1)
    if theiler == 0:
        np.testing.assert_allclose(np.sort(distances), np.sort(pdist(points)))
    np.testing.assert_allclose(shares, [(distances <= radius * (1 + 1e-9)).mean() for radius in radii])
    assert shares[-1] == 1
    assert radii[0] >= distances.min() * (1 - 1e-9)
    np.testing.assert_allclose(np.diff(np.log2(radii)), 1 / attractors.BINS_PER_OCTAVE)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_points_of_a_cube_have_its_dimension(dimension):
    cube = RNG.random((3000, dimension))
    rotation = np.linalg.qr(RNG.normal(size=(20, 20)))[0][:dimension]
    assert attractors.correlation_dimension(cube, 0) == pytest.approx(dimension, rel=0.1)
    assert attractors.correlation_dimension(1e-7 * cube @ rotation + 5, 0) == pytest.approx(dimension, rel=0.1)


def test_an_orbit_at_rest_or_on_a_cycle_has_dimension_zero():
    cycle = np.tile(RNG.normal(size=(4, 3)), (300, 1))
    still = 3 + 1e-15 * RNG.normal(size=(500, 3))
    for points in (cycle, still, np.zeros((10, 2))):
        assert attractors.correlation_dimension(points, 3) == 0
    assert attractors.drift(still) == 0


def test_the_window_of_theiler_removes_neighbours_in_time():
    """A slow curve has dimension 1 by its neighbours in time, and without these none that is small."""
    curve = np.column_stack([np.linspace(0, 1, 1000), np.zeros(1000)])
    assert attractors.correlation_dimension(curve, 0) == pytest.approx(1, abs=0.15)
    assert attractors.correlation_dimension(curve, 200) > 3


# ---- drift ------------------------------------------------------------------------------------------------

def test_a_line_and_a_random_walk_drift():
    line = np.linspace(0, 1, 1000)[:, None] * RNG.normal(size=20)
    assert attractors.drift(line) == pytest.approx(np.sqrt(3), rel=1e-3)
    walk = np.cumsum(RNG.normal(size=(1000, 300)), axis=0)
    assert attractors.drift(walk) == pytest.approx(np.sqrt(2), abs=0.1)
    jump = np.repeat([[0.0], [1.0]], 50, axis=0)
    assert attractors.drift(jump) == 2


def test_settled_orbits_do_not_drift():
    for name in ("henon", "logistic"):
        assert attractors.drift(orbit(name, 2000)[1]) < attractors.STATIONARY / 2
    independent = [attractors.drift(RNG.normal(size=(400, 30))) for _ in range(20)]
    assert np.sqrt(np.mean(np.square(independent))) == pytest.approx(2 / np.sqrt(400), rel=0.15)


def test_one_dimensional_walks_are_mostly_refused():
    drifts = [attractors.drift(np.cumsum(RNG.normal(size=(2000, 1)), axis=0)) for _ in range(200)]
    assert np.mean(np.array(drifts) > attractors.STATIONARY) > 0.75
    many = [attractors.drift(np.cumsum(RNG.normal(size=(500, 50)), axis=0)) for _ in range(40)]
    assert min(many) > 3 * attractors.STATIONARY


# ---- surrogates -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", [400, 401])
def test_phases_are_random_and_spectra_are_kept(count):
    points = orbit("henon", count)[1][:count]
    surrogate = attractors.phase_surrogate(points, 3)
    spectra = [np.fft.rfft(values, axis=0) for values in (points, surrogate)]
    np.testing.assert_allclose(np.abs(spectra[0]), np.abs(spectra[1]), atol=1e-9)
    np.testing.assert_allclose(spectra[0][:, 0] * spectra[0][:, 1].conj(), spectra[1][:, 0] * spectra[1][:, 1].conj(),
                               atol=1e-9)
    np.testing.assert_allclose(np.cov(points.T), np.cov(surrogate.T), rtol=1e-9)
    assert not np.allclose(points, surrogate, atol=0.1)
    assert attractors.correlation_dimension(surrogate, 20) > attractors.correlation_dimension(points, 20) + 0.4


def test_a_walk_has_the_steps_of_the_orbit():
    points = RNG.normal(size=(50, 4))
    walk = attractors.walk_surrogate(points, 1)
    np.testing.assert_array_equal(walk[0], points[0])
    steps = [np.sort(np.linalg.norm(np.diff(values, axis=0), axis=1)) for values in (points, walk)]
    np.testing.assert_allclose(*steps, rtol=1e-9)
    assert attractors.drift(np.diff(walk, axis=0)) < 1
    np.testing.assert_array_equal(walk, attractors.walk_surrogate(points, np.random.default_rng(1)))


# ---- orbits of training -----------------------------------------------------------------------------------

@pytest.mark.parametrize("batch", [0, 1, 3])
def test_compiled_descent_is_that_by_plain_gradients(batch):
    data = datasets.pool(datasets.load("glyphs", limit=20), 4)
    network = mlp.MLP((16, 3, 10), "tanh", "squared", "normal(0.8)", 1, targets=(-1.0, 1.0))
    order = RNG.integers(20, size=(12, batch))
    start = curvature.parameters(network)
    moved = attractors.descend(start, data.inputs, network.targets[data.labels], order, 0.4, 0.03)
    point = start
    for chosen in order:
        chosen = chosen if batch else slice(None)
        gradient = curvature.gradient(curvature.at(network, point), data.inputs[chosen], data.labels[chosen])
        point = point - 0.4 * (gradient + 0.03 * point)
    np.testing.assert_allclose(moved, point, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(start, curvature.parameters(network))


# ---- mistakes ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("call", "message"), [
    (lambda: attractors.correlation_sums(np.ones((9, 2)), 8), "theiler is 8: expected an integer from 0 to 7"),
    (lambda: attractors.correlation_sums(np.ones((9, 2)), -1), "theiler is -1"),
    (lambda: attractors.correlation_dimension(np.ones((9, 2)), 1, (0.5, 0.1)), r"scales is \(0.5, 0.1\)"),
    (lambda: attractors.drift(np.ones((3, 2))), "got 3 points, expected at least 4"),
    (lambda: attractors.drift([[np.nan], [0], [1], [2]]), "1 of 4 numbers are NaN"),
    (lambda: attractors.descend(np.ones(9), np.ones((4, 2)), np.ones((4, 3)), np.full((1, 1), 4), 0.1),
     "samples from 4 to 4, expected 0 to 3"),
    (lambda: attractors.descend(np.ones(10), np.ones((4, 2)), np.ones((4, 3)), np.zeros((1, 1), int), 0.1),
     r"point of 10 parameters, inputs \(4, 2\), targets \(4, 3\)"),
    (lambda: attractors.kaplan_yorke([[1.0]]), "exponents: got float64 of shape"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(UserError, match=message):
        call()
