"""Factorizations of symmetric matrices against numpy, and the description of made spectra."""
import numpy as np
import pytest
from scipy import linalg

from gradnets import curvature
from gradnets.curvature import symmetric


@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_eigencoordinates_equal_those_of_numpy(size):
    rng = np.random.default_rng(size)
    matrix, vector = rng.normal(size=(size, size)), rng.normal(size=size)
    matrix = matrix + matrix.T
    expected, vectors = np.linalg.eigh(matrix)
    values, coordinates, back = symmetric.eigencoordinates(matrix, vector)
    np.testing.assert_allclose(values, expected, atol=1e-12)
    np.testing.assert_allclose(np.abs(coordinates), np.abs(vectors.T @ vector), atol=1e-12)
    np.testing.assert_allclose(back(coordinates), vector, atol=1e-12)
    np.testing.assert_allclose(back(np.array([values, values**2]) * coordinates),
                               [matrix @ vector, matrix @ matrix @ vector], atol=1e-10)
    with np.errstate(all="ignore"), pytest.raises(curvature.NotFinite, match="tridiagonal form is not finite"):
        symmetric.eigencoordinates(np.full((3, 3), 1e308), np.ones(3))


def test_cholesky_estimates_the_condition():
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    matrix = vectors @ np.diag(np.logspace(0, -8, 6)) @ vectors.T
    factor, reciprocal = symmetric.cholesky((matrix + matrix.T) / 2)
    np.testing.assert_allclose(linalg.cho_solve(factor, matrix), np.eye(6), atol=1e-6)
    assert reciprocal == pytest.approx(1 / np.linalg.cond(matrix, 1), rel=0.5)
    assert symmetric.cholesky(np.diag([1.0, -1.0])) == (None, 0.0)


def test_a_spectrum_is_described_by_its_ends_signs_and_decades():
    summary = curvature.spectrum_summary(np.array([-2.0, -1e-12, 0.0, 1e-3, 1e-2, 0.1, 10.0]))
    sizes = np.array([2.0, 1e-3, 1e-2, 0.1, 10.0])
    small, large = np.quantile(sizes, (0.05, 0.95))
    assert summary == {"parameters": 7, "negative": 1, "flat": 2, "least": -2.0, "largest": 10.0,
                       "decades": pytest.approx(np.log10(large / small))}
    assert curvature.spectrum_summary(np.zeros(3)) == {"parameters": 3, "negative": 0, "flat": 3, "least": 0.0,
                                                       "largest": 0.0, "decades": 0.0}
