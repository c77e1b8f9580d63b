"""Lanczos and conjugate gradients against dense algebra."""
import numpy as np
import pytest
from scipy import linalg
from scipy.sparse import linalg as sparse_linalg

from gradnets import curvature
from gradnets.curvature import krylov


def symmetric_matrix(size, least, seed):
    """Return a matrix (size, size) with eigenvalues from `least` to 3, and the eigenvalues."""
    values = np.linspace(least, 3.0, size)
    vectors = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]
    return vectors @ np.diag(values) @ vectors.T, values


def test_lanczos_returns_an_orthonormal_basis_in_which_the_matrix_is_tridiagonal():
    hessian, values = symmetric_matrix(30, -2.5, seed=2)
    start = np.random.default_rng(3).normal(size=30)
    for iterations in (1, 2, 12, 30, 99):
        basis, diagonal, off_diagonal = curvature.lanczos(hessian.__matmul__, start, iterations)
        size = min(iterations, 30)
        assert basis.shape == (size, 30)
        assert diagonal.shape == (size,)
        assert off_diagonal.shape == (size - 1,)
        np.testing.assert_allclose(basis[0], start / np.linalg.norm(start), rtol=1e-14)
        np.testing.assert_allclose(basis @ basis.T, np.eye(size), atol=1e-12)
        tridiagonal = np.diag(diagonal) + np.diag(off_diagonal, 1) + np.diag(off_diagonal, -1)
        np.testing.assert_allclose(basis @ hessian @ basis.T, tridiagonal, atol=1e-12)
    np.testing.assert_allclose(linalg.eigvalsh_tridiagonal(diagonal, off_diagonal), values, atol=1e-12)


def test_lanczos_stays_orthogonal_where_one_orthogonalization_is_not_enough():
    rng = np.random.default_rng(0)
    values = np.repeat([1.0, 2.0, 3.0], 20) + 1e-9 * rng.normal(size=60)  # the space nearly closes after three vectors
    basis, _, off_diagonal = curvature.lanczos(lambda v: values * v, rng.normal(size=60), 12)
    assert off_diagonal.min() < 1e-8
    assert len(basis) > 6
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-12)


def test_lanczos_ends_where_the_space_closes():
    rng = np.random.default_rng(1)
    vectors = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    values = np.repeat([-3.0, 0.0, 1.0, 5.0], 10)
    matrix, calls = vectors @ np.diag(values) @ vectors.T, []
    basis, diagonal, off_diagonal = curvature.lanczos(lambda v: calls.append(v) or matrix @ v, rng.normal(size=40), 40)
    assert len(calls) == len(basis) == len(diagonal) == len(off_diagonal) + 1 == 4
    np.testing.assert_allclose(linalg.eigvalsh_tridiagonal(diagonal, off_diagonal), [-3.0, 0.0, 1.0, 5.0], atol=1e-12)
    assert len(curvature.lanczos(lambda v: 0 * v, np.ones(5), 5)[0]) == 1


def nan_from(count):
    """Return a diagonal product that is NaN from the given call on."""
    calls = []
    return lambda v: calls.append(v) or (np.arange(1, 5) * v if len(calls) < count else v * np.nan)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: curvature.lanczos(nan_from(9), np.zeros(4), 2), r"length 0: .* above 0"),
    (lambda: curvature.lanczos(nan_from(9), np.full(4, np.inf), 2), "first vector has 4 entries"),
    (lambda: curvature.lanczos(nan_from(1), np.ones(4), 4), "product 1 with"),
    (lambda: curvature.lanczos(nan_from(3), np.ones(4), 4), "product 3 with"),
    (lambda: curvature.saddle_free_step(np.ones(4), nan_from(2), 0.1), "product 2 with"),
    (lambda: curvature.saddle_free_step(np.full(4, np.nan), nan_from(9), 0.1), "the gradient has 4"),
])
def test_lanczos_refuses_numbers_that_are_not_finite(call, message):
    with pytest.raises(curvature.NotFinite, match=message):
        call()


@pytest.mark.parametrize("iterations", [0, -3, 2.5])
def test_lanczos_refuses_a_number_of_iterations_that_is_not_positive(iterations):
    for call in (curvature.lanczos, lambda *rest: curvature.saddle_free_step(np.ones(4), nan_from(9), 0.1, rest[2])):
        with pytest.raises(ValueError, match=f"iterations is {iterations}: expected a positive integer"):
            call(nan_from(9), np.ones(4), iterations)


def test_conjugate_gradients_solve_the_damped_system():
    hessian, _ = symmetric_matrix(12, -0.5, seed=0)
    target = np.random.default_rng(1).normal(size=12)
    solution = krylov.conjugate_gradients(hessian.__matmul__, target, 0.6, "layer 1")
    np.testing.assert_allclose(solution, np.linalg.solve(hessian + 0.6 * np.eye(12), target), rtol=1e-10)
    with pytest.raises(curvature.IndefiniteHessian, match=r"layer 1 has negative curvature beyond the damping 0\.1"):
        krylov.conjugate_gradients(hessian.__matmul__, target, 0.1, "layer 1")


@pytest.mark.parametrize("solver", [
    lambda cg: lambda *system, **options: cg(*system, **options | {"maxiter": 1}),  # stops early, and says so
    lambda cg: lambda operator, target, **options: (0.5 * target, 0)])              # claims to have converged
def test_conjugate_gradients_that_do_not_converge_raise_an_error(solver, monkeypatch):
    hessian, _ = symmetric_matrix(12, 0.1, seed=0)
    monkeypatch.setattr(sparse_linalg, "cg", solver(sparse_linalg.cg))
    with pytest.raises(curvature.SingularHessian, match="did not converge in layer 1: choose more damping, or the"):
        krylov.conjugate_gradients(hessian.__matmul__, np.ones(12), 0.1, "layer 1")
