"""Factorizations of symmetric matrices, and the description of a spectrum."""
import numpy as np
from scipy import linalg
from scipy.linalg import lapack

from gradnets import checks
from gradnets.curvature.failures import NotFinite

ROUNDING = 1e-15  # least reciprocal condition number of a matrix that is inverted


def cholesky(matrix):
    """Factorize a symmetric matrix, and estimate its condition.

    Returns
    -------
    factor : for `scipy.linalg.cho_solve`, or None if the matrix is not positive definite
    reciprocal : float
        Reciprocal condition number in the 1-norm; 0 without a factor.
    """
    try:
        factor = linalg.cho_factor(matrix, lower=True)
    except linalg.LinAlgError:
        return None, 0.0
    return factor, lapack.dpocon(factor[0], np.abs(matrix).sum(axis=0).max(), uplo="L")[0]


def eigencoordinates(matrix, vector):
    """Return eigenvalues, and a vector's coordinates along the eigenvectors.

    `scipy.linalg.eigh` spends half of its time on the eigenvectors themselves. Here only those of the tridiagonal form
    are computed, and the Householder reflections between the two matrices are applied to the vectors that need them.

    Parameters
    ----------
    matrix : float64 (p, p), symmetric
    vector : float64 (p,)

    Returns
    -------
    values : float64 (p,), ascending
    coordinates : float64 (p,)
    back : function from coordinates (..., p) to vectors (..., p)

    Raises
    ------
    NotFinite
        If the entries are so large that the tridiagonal form overflows.
    """
    size = len(vector)
    work = int(lapack.dsytrd_lwork(size, lower=1)[0])
    reflectors, diagonal, off_diagonal, scales, _ = lapack.dsytrd(matrix, lower=1, lwork=work)
    if not (np.isfinite(diagonal).all() and np.isfinite(off_diagonal).all()):
        raise NotFinite("the Hessian's entries are too large: the tridiagonal form is not finite")
    values, vectors = linalg.eigh_tridiagonal(diagonal, off_diagonal, lapack_driver="stevd")

    def reflected(rows, transposed):
        columns = np.array(np.atleast_2d(rows).T, dtype=float, order="F")
        if size > 1:
            columns[1:] = lapack.dormqr("L", transposed, reflectors[1:, :-1], scales, columns[1:], work)[0]
        return columns.T.reshape(np.shape(rows))

    return values, reflected(vector, "T") @ vectors, lambda parts: reflected(parts @ vectors.T, "N")


def spectrum_summary(eigenvalues):
    """Describe a spectrum by the entries of a row.

    Parameters
    ----------
    eigenvalues : float64 (p,), ascending

    Returns
    -------
    dict
        parameters: p. negative, flat: number of eigenvalues below -1e-10, and between ±1e-10, in units of the largest
        size, so that rounding is not counted as negative. least, largest: the ends of the spectrum. decades:
        logarithm to base 10 of the 95th over the 5th percentile of the sizes of all eigenvalues that are not flat.
    """
    eigenvalues = checks.real_array("eigenvalues", eigenvalues, axes=1).astype(float)
    sizes = np.abs(eigenvalues)
    curved = sizes[sizes > 1e-10 * sizes.max()]
    small, large = np.quantile(curved, (0.05, 0.95)) if len(curved) else (1.0, 1.0)
    return {"parameters": len(eigenvalues), "negative": int(np.count_nonzero(eigenvalues < -1e-10 * sizes.max())),
            "flat": len(eigenvalues) - len(curved), "least": eigenvalues[0], "largest": eigenvalues[-1],
            "decades": np.log10(large / small)}
