"""Newton's step and its relatives: what to add to the parameters.

Most steps know nothing of nets: they take a gradient float64 (p,) and a Hessian float64 (p, p), and return float64
(p,). All raise NotFinite if the gradient or the Hessian is not finite, and UserError if their shapes differ.
"""
import warnings

import numpy as np
from scipy import linalg

from gradnets import checks
from gradnets.curvature import derivatives, symmetric
from gradnets.curvature.failures import IndefiniteHessian, SingularHessian, finite_array
from gradnets.curvature.krylov import conjugate_gradients, lanczos
from gradnets.curvature.passes import BatchPass
from gradnets.curvature.vectors import split
from gradnets.errors import UserError

BLOCK_METHODS = ("conjugate-gradients", "cholesky", "eigendecomposition")


def newton_step(gradient, hessian):
    """Return -H⁻¹ g, which leads to saddles as well as to minima, whatever the signs of the eigenvalues.

    Raises
    ------
    SingularHessian
        If the reciprocal condition number is below rounding.
    """
    check_step(gradient, hessian)
    with warnings.catch_warnings():
        warnings.simplefilter("error", linalg.LinAlgWarning)
        try:
            return -linalg.solve(np.asarray(hessian, float), np.asarray(gradient, float), assume_a="sym")
        except (linalg.LinAlgError, linalg.LinAlgWarning):
            raise SingularHessian(f"the Hessian of {len(gradient)} parameters is singular to rounding: choose a "
                                  "damped, shifted or saddle-free step") from None


def damped_step(gradient, hessian, damping):
    """Return -(H + damping I)⁻¹ g, by Cholesky factorization (Levenberg 1944).

    Parameters
    ----------
    damping : float, at least 0

    Raises
    ------
    IndefiniteHessian
        If H + damping I is not positive definite; the message contains the least eigenvalue.
    SingularHessian
        If H + damping I is singular to rounding.
    """
    check_step(gradient, hessian, damping)
    if np.ndim(damping):
        raise UserError(f"damping is {damping}: expected one number")
    damped = hessian + damping * np.eye(len(gradient))
    factor, reciprocal = symmetric.cholesky(finite_array("the Hessian with damping", damped))
    if factor is None:
        least = linalg.eigvalsh(hessian, subset_by_index=(0, 0))[0]
        raise IndefiniteHessian(f"the least eigenvalue is {least:.3g} and the damping {damping:g}: choose more "
                                "damping, or a shifted or saddle-free step")
    if reciprocal < symmetric.ROUNDING:
        raise SingularHessian(f"the Hessian with a damping of {damping:g} is singular to rounding: choose more damping")
    return -linalg.cho_solve(factor, gradient)


def shifted_step(gradient, hessian, damping):
    """Return -(H + (damping - min(λ_least, 0)) I)⁻¹ g: the whole spectrum is shifted until it is positive.

    This is the baseline that Dauphin et al. (2014) call damped Newton.

    Parameters
    ----------
    damping : float, positive, or several (k,)
        Several dampings give one step per row, (k, p), at the cost of one.
    """
    check_step(gradient, hessian, damping, positive=True)
    values, coordinates, back = symmetric.eigencoordinates(hessian, gradient)
    return _divided_step(coordinates, values - min(values[0], 0.0) + np.asarray(damping)[..., None], back)


def saddle_free_step(gradient, hessian, damping, iterations=50, inside=False):
    """Return -(|H| + damping I)⁻¹ g, where |H| has the absolute values of H's eigenvalues (Dauphin et al. 2014).

    Parameters
    ----------
    hessian : float64 (p, p), or function from (p,) to (p,)
        A function, as `products` returns it, is used without forming the matrix: Lanczos takes the step in the Krylov
        space of the gradient (their section 6, in the form of Golub and Meurant: f(H) g = ‖g‖ Q f(T) e_1).
    damping : float, positive, or several (k,)
        Several dampings give one step per row, (k, p), at the cost of one.
    iterations : int
        Largest number of products, if `hessian` is a function.
    inside : bool
        Divide by |λ + damping| instead of |λ| + damping, as one of the sources does; this has a pole at λ = -damping.

    Raises
    ------
    SingularHessian
        If an eigenvalue is -damping and `inside` is true.
    """
    if callable(hessian):
        check_step(gradient, None, damping, positive=True)
        if not np.any(gradient):  # a critical point, whose Krylov space is empty
            return np.zeros((*np.shape(damping), len(gradient)))
        basis, diagonal, off_diagonal = lanczos(hessian, gradient, iterations)
        values, vectors = linalg.eigh_tridiagonal(diagonal, off_diagonal)
        coordinates = np.linalg.norm(gradient) * vectors[0]

        def back(parts):
            return parts @ vectors.T @ basis
    else:
        check_step(gradient, hessian, damping, positive=True)
        values, coordinates, back = symmetric.eigencoordinates(hessian, gradient)
    if inside:
        denominators = np.abs(values + np.asarray(damping)[..., None])
        if not (denominators.min(axis=-1) > symmetric.ROUNDING * denominators.max(axis=-1)).all():
            raise SingularHessian(f"an eigenvalue is minus the damping, {damping}, where the step has a pole: choose "
                                  "another damping")
    else:
        denominators = np.abs(values) + np.asarray(damping)[..., None]
    return _divided_step(coordinates, denominators, back)


def _divided_step(coordinates, denominators, back):
    """Return the step with these coordinates along the eigenvectors over these denominators."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        step = -back(coordinates / denominators)
    if not np.isfinite(step).all():
        raise SingularHessian("the step is not finite: choose more damping")
    return step


def chebyshev_step(gradient, hessian, third):
    """Return Chebyshev's step of third order, -p - ½ H⁻¹ T[p, p], where p = H⁻¹ g is minus Newton's step.

    Parameters
    ----------
    third : function from p (p,) to T[p, p] (p,)
        The third derivative twice along p; `derivatives.third` returns it for a net.

    Notes
    -----
    Convergence near a minimum is cubic (Traub 1964). Far from a minimum the correction can be arbitrarily bad: use the
    step if it leads to a lower loss, or a smaller gradient, than Newton's.
    """
    check_step(gradient, hessian)
    newton = newton_step(gradient, hessian)
    return newton + 0.5 * newton_step(third(newton), hessian)


def block_step(network, inputs, labels, damping, method="conjugate-gradients"):
    """Return Newton's step layer by layer, without the Hessian's parts between layers, float64 (p,).

    Parameters
    ----------
    damping : float, positive
    method : str
        "eigendecomposition" takes the saddle-free step -(|H_l| + damping I)⁻¹ g_l. "conjugate-gradients", which forms
        no block and iterates to 1e-12, and "cholesky" take the damped step -(H_l + damping I)⁻¹ g_l, which needs a
        positive definite matrix. With piecewise linear units and squared error the blocks are those of Gauss-Newton,
        which have no negative eigenvalue, and all three methods give the same step.

    Raises
    ------
    IndefiniteHessian
        If a damped block is not positive definite, for "conjugate-gradients" and "cholesky".
    """
    check_step(np.zeros(1), None, damping, positive=True)
    checks.choice("method", method, BLOCK_METHODS)
    if method == "conjugate-gradients":
        batch = BatchPass(network, inputs, labels)
        return np.concatenate([_layer_step(batch, layer, damping) for layer in range(len(batch.weights))])
    solve = damped_step if method == "cholesky" else saddle_free_step
    parts = split(network, derivatives.gradient(network, inputs, labels))
    steps = []
    for part, block in zip(parts, derivatives.blocks(network, inputs, labels), strict=True):
        if block.ndim == 3:
            columns = [solve(column, square, damping) for column, square in zip(part.T, block, strict=True)]
            steps.append(np.array(columns).T.ravel())
        else:
            steps.append(solve(part.ravel(), block, damping))
    return np.concatenate(steps)


def _layer_step(batch, layer, damping):
    """Return one layer's damped step by conjugate gradients, (p_l,)."""
    shape = batch.inputs[layer].shape[1], batch.deltas[layer].shape[1]
    gradient = batch.inputs[layer].T @ (batch.deltas[layer] / batch.size)

    def product(vector):
        tangents = [None] * len(batch.weights)
        tangents[layer] = vector.reshape(shape)
        return batch.directional(tangents, first=layer)[0].ravel()

    return -conjugate_gradients(product, gradient.ravel(), damping, f"layer {layer + 1}")


def check_step(gradient, hessian, damping=0.0, positive=False):
    size = len(finite_array("the gradient", gradient, axes=1))
    if hessian is not None and np.shape(hessian) != (size, size):
        raise UserError(f"a Hessian of shape {np.shape(hessian)} for a gradient of {size} numbers: expected "
                        f"({size}, {size})")
    if hessian is not None:
        finite_array("the Hessian", hessian, axes=2)
    damping = np.asarray(damping)
    if not (np.isfinite(damping).all() and (damping > 0 if positive else damping >= 0).all()):
        raise UserError(f"damping is {damping}: expected {'positive, finite' if positive else 'finite'} numbers"
                        + ("" if positive else " of at least 0"))
