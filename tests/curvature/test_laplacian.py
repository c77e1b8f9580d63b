"""A net's Laplacian by differences in space, and its derivatives by complex steps of a net written out."""
import numpy as np
import pytest

from gradnets import curvature

STEP = 1e-50


def plain_values(vector, points):
    """Return the values of the net, real or complex, (k,), unit by unit."""
    dimensions = points.shape[1]
    units = (len(vector) - 1) // (dimensions + 2)
    total = vector[-1] + np.zeros(len(points), dtype=vector.dtype)
    for k in range(units):
        inner = vector[(dimensions * units) + k] + sum(vector[d * units + k] * points[:, d] for d in range(dimensions))
        total = total + vector[(dimensions + 1) * units + k] * np.tanh(inner)
    return total


def plain_laplacian(vector, points, h=0.02):
    """Return the Laplacian by differences of the eighth order."""
    stencil = np.array([-1 / 560, 8 / 315, -1 / 5, 8 / 5, -205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560])
    return sum(weight * plain_values(vector, points + k * h * axis) for axis in np.eye(points.shape[1])
               for k, weight in zip(range(-4, 5), stencil, strict=True)) / h**2


@pytest.mark.parametrize(("dimensions", "units"), [(1, 3), (2, 5), (3, 2)])
@pytest.mark.parametrize(("function", "plain", "tolerance"), [(curvature.net_values, plain_values, 1e-13),
                                                              (curvature.net_laplacian, plain_laplacian, 1e-6)])
def test_values_and_derivatives_equal_a_plain_nets(dimensions, units, function, plain, tolerance):
    rng = np.random.default_rng(dimensions)
    vector, points = rng.normal(size=units * (dimensions + 2) + 1), rng.normal(size=(7, dimensions))
    values, jacobian = function(vector, points, jacobian=True)
    expected = plain(vector, points)
    np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance * np.abs(expected).max())
    np.testing.assert_array_equal(function(vector, points), values)
    steps = [plain(vector + 1j * STEP * unit, points).imag / STEP for unit in np.eye(len(vector))]
    assert np.abs(jacobian).max() > 0.1
    np.testing.assert_allclose(jacobian.T, steps, rtol=0, atol=tolerance * np.abs(steps).max())


def test_parameters_that_fit_no_net_are_refused():
    for function in (curvature.net_values, curvature.net_laplacian):
        for size in (1, 6, 8):
            with pytest.raises(ValueError, match=f"{size} parameters for points in 2 dimensions: expected a multiple"):
                function(np.ones(size), np.ones((3, 2)))
        with pytest.raises(curvature.NotFinite, match="the parameters"):
            function(np.full(5, np.nan), np.ones((3, 2)))
