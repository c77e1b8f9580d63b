"""Lanczos and conjugate gradients: what products with a symmetric matrix are enough for."""
import numpy as np
from scipy.sparse import linalg as sparse_linalg

from gradnets import checks
from gradnets.curvature.failures import IndefiniteHessian, NotFinite, SingularHessian, finite_array


def lanczos(product, start, iterations):
    """Return an orthonormal basis of a Krylov space, in which a symmetric matrix is tridiagonal.

    Parameters
    ----------
    product : function from (p,) to (p,)
        Multiplies a vector by the matrix.
    start : float64 (p,), not zero
        First vector of the space.
    iterations : int, positive
        Largest number of products; there are fewer if the space closes earlier.

    Returns
    -------
    basis : float64 (k, p)
        Each vector is orthogonalized twice against all earlier ones (Parlett 1998, section 6.9: "twice is enough").
    diagonal, off_diagonal : float64 (k,), (k - 1,)
        The tridiagonal matrix; its eigenvalues, by `scipy.linalg.eigh_tridiagonal`, are the Ritz values.

    Raises
    ------
    NotFinite
        If `start` is zero or not finite, or a product is not finite.

    Notes
    -----
    O(k p) memory. If k reaches p, the Ritz values are the eigenvalues.
    """
    checks.positive_integers(iterations=iterations)
    start = finite_array("the first vector", start, axes=1).astype(float)
    with np.errstate(over="ignore"):
        length = np.linalg.norm(start)
    if not (np.isfinite(length) and length > 0):
        raise NotFinite(f"the first vector has length {length:g}: expected a finite length above 0")
    iterations = min(iterations, start.size)
    basis, diagonal, off_diagonal = np.empty((iterations, start.size)), np.empty(iterations), np.empty(iterations)
    basis[0] = start / length
    for k in range(iterations):
        vector = product(basis[k])
        diagonal[k] = basis[k] @ vector
        for _ in range(2):
            vector = vector - (basis[:k + 1] @ vector) @ basis[:k + 1]
        off_diagonal[k] = np.linalg.norm(vector)
        if not np.isfinite(off_diagonal[k]):
            raise NotFinite(f"product {k + 1} with the Hessian is not finite")
        scale = np.abs(diagonal[:k + 1]).max() + off_diagonal[:k + 1].max()
        if k + 1 == iterations or off_diagonal[k] <= 1e-13 * scale:
            return basis[:k + 1], diagonal[:k + 1], off_diagonal[:k]
        basis[k + 1] = vector / off_diagonal[k]


def conjugate_gradients(product, target, damping, name):
    """Solve (H + damping I) x = target by products with H alone, to a relative residual of 1e-12.

    Parameters
    ----------
    product : function from (p,) to (p,), the product with H
    target : float64 (p,)
    damping : float, positive
    name : str
        What H belongs to, such as "layer 1", for error messages.

    Raises
    ------
    IndefiniteHessian
        If a direction of negative curvature is met.
    SingularHessian
        If the iteration does not converge.
    """
    def damped(vector):
        image = product(vector) + damping * vector
        if not vector @ image > 0 and vector.any():
            raise IndefiniteHessian(f"{name} has negative curvature beyond the damping {damping:g}: choose the method "
                                    "eigendecomposition, or more damping")
        return image

    size = target.size
    operator = sparse_linalg.LinearOperator((size, size), damped, dtype=float)
    solution, stopped = sparse_linalg.cg(operator, target, rtol=1e-12, maxiter=10 * size)
    residual = np.linalg.norm(damped(solution) - target)  # cg updates a residual of its own, which drifts from this one
    if stopped or residual > 1e-8 * np.linalg.norm(target):
        raise SingularHessian(f"conjugate gradients did not converge in {name}: choose more damping, or the method "
                              "cholesky")
    return solution
