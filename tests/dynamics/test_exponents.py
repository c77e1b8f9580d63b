"""Lyapunov exponents: closed forms, known attractors, and dense Jacobians of small nets."""
import itertools

import numpy as np
import pytest

import mlp
from gradnets import curvature, datasets, dynamics
from gradnets.errors import UserError

RATE = 0.7


# ---- exponents of any map ---------------------------------------------------------------------------------

def test_exponents_of_a_quadratic_are_its_eigenvalues():
    values = np.linspace(0.3, 3.0, 5)
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0]
    hessian, start = axes @ np.diag(values) @ axes.T, np.arange(1.0, 6.0)
    logs, points = dynamics.lyapunov(lambda x: x - 0.5 * hessian @ x, lambda x, frame: frame - 0.5 * frame @ hessian,
                                     start, 600, 5)
    expected = np.sort(np.log(np.abs(1 - 0.5 * values)))[::-1]
    np.testing.assert_allclose(logs[300:].mean(axis=0), expected, atol=1e-4)
    matrix = np.linalg.matrix_power(np.eye(5) - 0.5 * hessian, 600)
    np.testing.assert_allclose(points[-1], matrix @ start, rtol=1e-9, atol=1e-200)
    np.testing.assert_array_equal(points[0], start)
    assert logs.shape == (600, 5)
    assert points.shape == (601, 5)


def double_well(rate, start, steps):
    """Run `lyapunov` along gradient descent on x⁴/4 - x²/2."""
    return dynamics.lyapunov(lambda x: x - rate * (x**3 - x), lambda x, frame: frame * (1 - rate * (3 * x**2 - 1)),
                             np.array([start]), steps, 1)


@pytest.mark.parametrize(("rate", "chaotic"), [(0.4, False), (1.2, False), (1.9, True)])
def test_exponent_of_a_double_well_is_the_mean_logarithm_of_its_derivative(rate, chaotic):
    logs, points = double_well(rate, 0.3, 500)
    x = points[:-1, 0]
    assert x[0] == 0.3
    np.testing.assert_allclose(points[1:, 0], x - rate * (x**3 - x), rtol=1e-12, atol=1e-15)
    assert logs.mean() == pytest.approx(np.log(np.abs(1 - rate * (3 * x**2 - 1))).mean(), rel=1e-12)
    assert logs.mean() > 0.2 if chaotic else logs.mean() < -0.1


def henon(start=(0.1, 0.1), steps=2000, count=2, **options):
    def advance(point):
        return np.array([1 - 1.4 * point[0]**2 + point[1], 0.3 * point[0]])

    def tangent(point, frame):
        return frame @ np.array([[-2.8 * point[0], 1.0], [0.3, 0.0]]).T

    return dynamics.lyapunov(advance, tangent, start, steps, count, **options)


def test_exponents_of_henons_map_are_the_published_ones():
    logs, _ = henon()
    np.testing.assert_allclose(logs.sum(axis=1), np.log(0.3), rtol=1e-10)  # every step shrinks areas to 0.3
    np.testing.assert_allclose(logs.mean(axis=0), [0.419, -1.623], atol=0.03)
    largest, _ = henon(count=1)
    assert largest.mean() == pytest.approx(0.419, abs=0.03)


def test_restarted_windows_are_independent():
    rng = np.random.default_rng(7)
    first, points = henon(steps=10, seed=rng)
    second, _ = henon(points[-1], steps=10, seed=rng)
    logs, all_points = henon(steps=20, seed=7, restart=10)
    np.testing.assert_array_equal(logs, np.vstack([first, second]))
    np.testing.assert_array_equal(all_points[:11], points)
    continued, _ = henon(steps=20, seed=7)
    np.testing.assert_array_equal(continued[:10], first)
    assert np.abs(continued[10:] - second).max() > 1e-4


def test_volumes_along_descent_are_determinants():
    network = mlp.MLP((3, 4, 3), "tanh", "cross-entropy", "normal(0.5)", 2)
    inputs, labels = np.random.default_rng(0).random((20, 3)), np.arange(20) % 3
    size = curvature.parameters(network).size
    maps = dynamics.descent(network, 0.3, itertools.repeat((inputs, labels)))
    logs, points = dynamics.lyapunov(*maps, curvature.parameters(network), 4, size)
    for row, point in zip(logs, points, strict=False):
        hessian = curvature.hessian(curvature.at(network, point), inputs, labels)
        assert row.sum() == pytest.approx(np.linalg.slogdet(np.eye(size) - 0.3 * hessian)[1], abs=1e-6)


def test_a_lost_direction_is_minus_infinity_and_a_diverging_orbit_raises():
    logs, _ = dynamics.lyapunov(lambda x: x, lambda x, frame: frame * [1.0, 0.0], np.ones(2), 2, 2)
    np.testing.assert_array_equal(logs[:, 1], -np.inf)
    with np.errstate(over="ignore"), pytest.raises(curvature.NotFinite, match=r"after \d steps: lower the learning"):
        double_well(3.0, 2.0, 50)


@pytest.mark.parametrize(("change", "message"), [
    ({"count": 0}, "0 exponents of 2 dimensions: expected 1 to 2"),
    ({"count": 3}, "3 exponents of 2 dimensions"),
    ({"steps": 0}, "steps is 0: expected a positive integer"),
    ({"start": (0.1, np.nan)}, "start: 1 of 2 numbers are NaN or infinite"),
])
def test_bad_arguments_raise(change, message):
    with pytest.raises(UserError, match=message):
        henon(**{"steps": 3} | change)


# ---- controls of known result -----------------------------------------------------------------------------

@pytest.mark.parametrize(("rate", "exact", "error"), [
    (0.25, np.log(0.5), 1e-9),  # the minimum attracts: log |1 - 2 rate|
    (0.75, np.log(0.5), 1e-9),
    (2.0, np.log(3), 0.02),     # 3x - 2x³ is -√2 T₃(x/√2), Chebyshev's polynomial of degree 3
])
def test_double_well_has_its_exact_exponents(rate, exact, error):
    assert dynamics.double_well(rate, 2000, seed=1) == pytest.approx(exact, abs=error)
    assert dynamics.double_well_mean([rate], 1000, 10, seed=1) == pytest.approx([exact], abs=error)


def test_double_well_by_qr_equals_the_mean_of_the_logarithm_and_becomes_chaotic():
    rates = (1.2, 1.4, 1.6, 1.8)
    by_qr = [dynamics.double_well(rate, 2000, seed=0) for rate in rates]
    np.testing.assert_allclose(by_qr, dynamics.double_well_mean(rates, 2000, 10, seed=0), atol=0.04)
    assert by_qr[0] < 0 < 0.3 < min(by_qr[1:])


def test_quadratic_has_the_logarithms_of_its_multipliers():
    exponents, closed = dynamics.quadratic(np.array([0.3, 2.7, 1.4, 0.9, 2.2]), 400, seed=3)
    np.testing.assert_allclose(exponents, np.log([0.7, 1.7, 0.4, 0.1, 1.2]), atol=1e-6)
    np.testing.assert_allclose(closed, exponents, atol=1e-6)


# ---- runs of the small net --------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def images():
    return datasets.load("glyphs", limit=30)


@pytest.fixture(scope="module")
def batch(images):
    return datasets.pool(images, 2).inputs, images.labels


def small(seed=0, loss="squared"):
    return mlp.MLP((4, 2, 10), "tanh", loss, "glorot", seed)


def orbit(network, batches, rate):
    """Return points and dense Jacobians of descent, by a plain loop."""
    points, jacobians = [curvature.parameters(network)], []
    for inputs, labels in batches:
        moved = curvature.at(network, points[-1])
        jacobians.append(np.eye(points[0].size) - rate * curvature.hessian(moved, inputs, labels))
        points.append(points[-1] - rate * curvature.gradient(moved, inputs, labels))
    return points, jacobians


def growth(jacobians, rng):
    """Return the growth per step of the direction that the generator draws next."""
    vector = rng.normal(size=len(jacobians[0]))
    end = np.linalg.multi_dot([*jacobians[::-1], vector / np.linalg.norm(vector)])
    return np.log(np.linalg.norm(end)) / len(jacobians)


def loss_at(network, point, batch):
    return curvature.loss(curvature.at(network, point), *batch)


def test_both_functions_of_descent_see_the_same_batches(batch):
    inputs, labels = batch
    network = small()
    batches = [(inputs[k:k + 1], labels[k:k + 1]) for k in (4, 0, 4)]
    advance, tangent = dynamics.descent(network, RATE, iter(batches))
    points, jacobians = orbit(network, batches, RATE)
    frame = np.random.default_rng(0).normal(size=(3, points[0].size))
    for point, after, jacobian in zip(points, points[1:], jacobians, strict=False):
        np.testing.assert_allclose(tangent(point, frame), frame @ jacobian, atol=1e-12)
        np.testing.assert_array_equal(advance(point), after)


def test_sharpness_is_the_largest_eigenvalue(batch):
    network = small()
    dense = np.linalg.eigvalsh(curvature.hessian(network, *batch))
    assert dynamics.sharpness(network, curvature.parameters(network), *batch) == pytest.approx(dense[-1], rel=1e-8)


def test_full_batch_equals_products_of_dense_jacobians(batch):
    network = small()
    size = curvature.parameters(network).size
    numbers, curves = dynamics.full_batch(network, *batch, RATE, 30, 20, 10, size, seed=5)
    points, jacobians = orbit(network, itertools.repeat(batch, 30), RATE)
    exponents = [numbers["exponent"]] + [numbers[f"exponent_{k}"] for k in range(2, size + 1)]
    volume = sum(np.linalg.slogdet(jacobian)[1] for jacobian in jacobians[20:])
    assert sum(exponents) == pytest.approx(volume / 10, rel=1e-8)  # all directions together: the volume
    assert exponents == sorted(exponents, reverse=True)
    rng = np.random.default_rng(5)
    windows = [growth(jacobians[start:start + 10], rng) for start in (0, 10, 20)]  # a new direction each
    np.testing.assert_allclose(curves["windows"], windows, rtol=1e-8)
    assert numbers["highest_window"] == max(curves["windows"])
    edges = [RATE / 2 * np.linalg.eigvalsh(curvature.hessian(curvature.at(network, points[step]), *batch))[-1]
             for step in (0, 10, 20, 30)]
    np.testing.assert_allclose(curves["edges"], edges, rtol=1e-8)
    assert (numbers["edge_at_start"], numbers["edge"]) == pytest.approx((edges[0], np.mean(edges[2:])), rel=1e-8)
    assert numbers["last_loss"] == pytest.approx(loss_at(network, points[-1], batch), rel=1e-9)


def test_single_samples_equal_products_of_dense_jacobians(batch):
    inputs, labels = batch
    network = small()
    order = np.random.default_rng((7, 2)).integers(30, size=20)
    points, jacobians = orbit(network, [(inputs[[k]], labels[[k]]) for k in order], RATE)
    numbers = dynamics.single_sample(network, inputs, labels, RATE, 20, 10, 10, seed=7)
    whole, early = (growth(jacobians[:steps], np.random.default_rng(7)) for steps in (20, 10))
    late = 2 * whole - early
    assert numbers["exponent"] == pytest.approx(late, rel=1e-8)
    assert numbers["highest_window"] == pytest.approx(max(early, late), rel=1e-8)
    assert abs(late - early) > 1e-3
    assert numbers["last_loss"] == pytest.approx(loss_at(network, points[-1], batch), rel=1e-9)


def test_exponents_of_a_whole_spectrum_add_up_to_the_volume(batch):
    network = small()
    exponents = dynamics.whole_spectrum(network, *batch, RATE, 5, 10, seed=0)
    _, jacobians = orbit(network, itertools.repeat(batch, 15), RATE)
    volume = np.mean([np.linalg.slogdet(jacobian)[1] for jacobian in jacobians[10:]])
    assert exponents.sum() == pytest.approx(volume, rel=1e-8)
    assert (np.diff(exponents) <= 0).all()


def test_diverging_runs_have_no_numbers(batch):
    network = small(loss="cross-entropy")
    assert dynamics.full_batch(network, *batch, 1e308, 4, 2, 2, 1, seed=0) == (None, None)
    assert dynamics.single_sample(network, *batch, 1e308, 4, 2, 2, seed=0) is None
    assert np.isnan(dynamics.whole_spectrum(network, *batch, 1e308, 2, 2, seed=0)).all()


# ---- two copies of a net on whole images ------------------------------------------------------------------

def essay(seed=0):
    return mlp.MLP((784, 5, 10), "tanh", "squared", "uniform(0.25)", seed, biases=(True, False), targets=(-1, 1))


def test_the_active_part_has_the_gradient_and_products_of_the_whole_net(images):
    network = essay()
    part, nonzero, places = dynamics.active_part(network, images.inputs[2])
    inputs, labels = images.inputs[2:3], images.labels[2:3]
    vector = np.random.default_rng(0).normal(size=curvature.parameters(network).size)
    part = curvature.at(part, curvature.parameters(network)[places])
    gradient, product = np.zeros((2, vector.size))
    gradient[places] = curvature.gradient(part, inputs[:, nonzero], labels)
    product[places] = curvature.hessian_vector(part, inputs[:, nonzero], labels, vector[places])
    np.testing.assert_allclose(gradient, curvature.gradient(network, inputs, labels), atol=1e-14)
    inside = np.zeros_like(vector)  # the rest of a direction does not matter to these parameters
    inside[places] = vector[places]
    for direction in (inside, vector):
        np.testing.assert_allclose(product, curvature.hessian_vector(network, inputs, labels, direction), atol=1e-13)


def test_copies_separate_as_fast_as_the_tangent_vector_grows(images):
    tangent, copies, idle = dynamics.separation(essay(), images, 0.2, 60, 1e-9, seed=1)
    assert tangent[-1] > 2
    np.testing.assert_allclose(copies, tangent, atol=1e-3)
    assert (tangent[0], copies[0], idle) == (0, 0, 0)
    order = np.random.default_rng((1, 3)).integers(30, size=60)
    point = curvature.parameters(essay())
    changed = point.copy()
    changed[images.inputs.mean(axis=0).argmax() * 5] += 1e-9
    for k in order:  # train both copies again, on whole images
        point, changed = (vector - 0.2 * curvature.gradient(curvature.at(essay(), vector), images.inputs[[k]],
                                                            images.labels[[k]]) for vector in (point, changed))
    assert np.linalg.norm(changed - point) == pytest.approx(1e-9 * np.exp(copies[-1]), rel=1e-5)


@pytest.mark.parametrize(("positive", "counts", "most"), [
    (3, {}, True), (2, {}, False), (2, {"diverged": 2}, True), (0, {"diverged": 5}, False)])
def test_chaos_needs_most_runs_that_stay_finite(positive, counts, most):
    assert dynamics.mostly_positive({"runs": 5, "positive": positive} | counts) is most


def test_runs_that_are_both_positive_and_saturated_are_counted_where_the_counts_force_them():
    """Of 5 runs 4 positive and 3 saturated ones share 2, 2 and 3 may share none; of 3 finite runs 1 and 3 share 1.
    """
    counts = [{"runs": 5, "diverged": lost, "positive": positive, "saturated": saturated}
              for positive, saturated, lost in ((4, 3, 0), (2, 3, 0), (1, 3, 2))]
    assert dynamics.positive_and_saturated(counts) == (7, 3)


def test_numbers_of_a_separation():
    tangent, copies = np.array([0, 3, 6, 30.0]), np.array([0, 3, 6 + np.log(10), 21])
    numbers = dynamics.separation_numbers(tangent, copies, 0.25, 30, 1e-9)
    assert numbers["decades_apart"] == pytest.approx(1)  # at the last record the copies are no neighbors
    assert (numbers["exponent"], numbers["idle"]) == (1, 0.25)
    assert np.exp(numbers["forgotten_after"]) == pytest.approx(1e15)
    assert dynamics.separation_numbers(-tangent, -copies, 0.25, 30, 1e-9)["forgotten_after"] == np.inf
