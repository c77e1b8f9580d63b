"""Second order: gradients, Hessians and their products, and the steps that are made of them.

Everything is a function of a perceptron as `mlp.py` makes it (any depth; tanh, relu, leaky; squared error or softmax)
and of one batch, inputs float64 (batch, n_0) and labels int (batch,); the loss is the mean over the batch. Parameters
stand in one vector: layer after layer its weights, row by row, then its bias where it has one, so that a layer's part
is one matrix (n_l + 1, n_{l+1}) whose last row is the bias.

No function conjugates or takes a modulus on the way: at complex parameters θ + ihp, h = 1e-100, the imaginary parts
over h are derivatives along p to the last digit (Squire and Trapp 1998).

The steps at the end know nothing of nets; they take a gradient float64 (p,) and a Hessian float64 (p, p), and return
what is to be added to the parameters.
"""
import copy
import warnings

import numpy as np
from scipy import linalg
from scipy.linalg import lapack
from scipy.sparse import linalg as krylov

from gradnets import arrays

TINY = 1e-100         # length of a complex step: too small to round anything, far above underflow
CHUNK = 2**25         # numbers in one temporary array of a Hessian's assembly, 256 MB
RECIPROCAL = 1e-15    # least reciprocal condition number of what is inverted
METHODS = ("structured", "r-operator", "finite-difference")
INVERSES = ("closed-form", "complex-step", "finite-difference")


class SingularHessian(ValueError):
    """Newton's equation has no solution, or none that floating point could find."""


class IndefiniteHessian(ValueError):
    """A step that needs a positive definite matrix met another."""


class NotInvertible(ValueError):
    """The gradient, as a function of the parameters, has no inverse on this net and batch."""


class NotFinite(ValueError):
    """A gradient, a Hessian or a product holds NaN or infinity."""


# ---- parameters as one vector -----------------------------------------------------------------------------

def parameters(network):
    """All weights and biases in one new vector, float64 (p,)."""
    return np.concatenate([part.ravel() for layer in zip(network.weights, network.biases, strict=True)
                           for part in layer if part is not None])


def at(network, vector):
    """The same net with other parameters: its weights and biases are views of `vector` (p,), float64 or complex."""
    other = copy.copy(network)
    parts = split(network, vector)
    other.weights = [part[:len(weights)] for part, weights in zip(parts, network.weights, strict=True)]
    other.biases = [None if bias is None else part[-1] for part, bias in zip(parts, network.biases, strict=True)]
    return other


def split(network, vectors):
    """A vector's layers, or those of each row of several: views (..., n_l + 1, n_{l+1}), the last row the bias.

    ValueError for other lengths, and for what are no numbers; NaN and infinity are numbers here.
    """
    vectors = np.asarray(vectors)
    if vectors.dtype.kind not in "fciub":
        raise ValueError(f"an array of {vectors.dtype}: expected numbers, real or complex")
    shapes = [(len(weights) + (bias is not None), weights.shape[1])
              for weights, bias in zip(network.weights, network.biases, strict=True)]
    ends = np.cumsum([rows * columns for rows, columns in shapes])
    if vectors.ndim == 0 or ends[-1] != vectors.shape[-1]:
        raise ValueError(f"an array of shape {vectors.shape} for a net of {ends[-1]} parameters: expected "
                         f"(..., {ends[-1]})")
    parts = np.split(vectors, ends[:-1], axis=-1)
    return [part.reshape(*vectors.shape[:-1], *shape) for part, shape in zip(parts, shapes, strict=True)]


# ---- what one pass over a batch leaves behind -------------------------------------------------------------

class _Pass:
    """Activations with the bias's 1 as last column, deltas, and what second order adds to them.

    slopes[l], bends[l] : (batch, n_{l+1}) of the hidden layers' f' and (δ Wᵀ) f''; bends are None where f is
    piecewise linear. tops : (batch, n_L) f'² + (a - t) f'' of squared error, None for softmax.
    """

    def __init__(self, network, inputs, labels):
        values, self.inputs, self.deltas = _both_ways(network, inputs, labels)
        self.weights, self.size, self.outputs = network.weights, len(labels), values[-1]
        self.slopes = [_slope(network, value) for value in values[1:-1]]
        self.bends = [_bend(network, delta @ weights.T, value)
                      for delta, weights, value in zip(self.deltas[1:], network.weights[1:], values[1:-1], strict=True)]
        self.tops = None
        if network.loss_name == "squared":
            self.tops = _slope(network, self.outputs)**2
            bend = _bend(network, self.outputs - network.targets[labels], self.outputs)
            if bend is not None:
                self.tops = self.tops + bend

    def directional(self, tangents, first=0):
        """Layers' parts of H v for v of layers `first` and on: a list of (..., n_l + 1, n_{l+1}), over those layers.

        tangents: as `split` gives them, None where v is zero. Pearlmutter (1994), *Fast exact multiplication by the
        Hessian*: the derivative along v of each line of the two passes.
        """
        moves, totals = {first: None}, {}  # of the inputs of each layer, and of its pre-activations
        for layer in range(first, len(self.weights)):
            tangent = tangents[layer]
            total = 0 if tangent is None else self.inputs[layer] @ tangent
            if layer > first:
                total = total + moves[layer] @ self.weights[layer]
            totals[layer] = total
            if layer < len(self.weights) - 1:
                moves[layer + 1] = self.slopes[layer] * total
        top = totals[len(self.weights) - 1]
        if self.tops is None:
            turned = self.outputs * (top - (self.outputs * top).sum(axis=-1, keepdims=True))
        else:
            turned = self.tops * top
        products = []
        for layer in range(len(self.weights) - 1, first - 1, -1):
            product = self.inputs[layer].T @ turned
            if layer > first:
                units = len(self.weights[layer])
                product[..., :units, :] += np.swapaxes(moves[layer], -1, -2) @ self.deltas[layer]
                turned = turned @ self.weights[layer].T
                if tangents[layer] is not None:
                    turned = turned + self.deltas[layer] @ np.swapaxes(tangents[layer][..., :units, :], -1, -2)
                turned = turned * self.slopes[layer - 1]
                if self.bends[layer - 1] is not None:
                    turned = turned + self.bends[layer - 1] * totals[layer - 1]
            products.append(product / self.size)
        return products[::-1]

    def curvatures(self):
        """Each layer's second derivatives of each sample's loss by its pre-activations: (batch, n_{l+1}, n_{l+1})."""
        if self.tops is None:
            found = [_diagonals(self.outputs) - self.outputs[:, :, None] * self.outputs[:, None, :]]
        else:
            found = [_diagonals(self.tops)]
        for layer in range(len(self.weights) - 2, -1, -1):
            back = self.slopes[layer][:, :, None] * self.weights[layer + 1]  # pre-activations one layer on, by ours
            inner = back @ found[-1] @ back.swapaxes(1, 2)
            if self.bends[layer] is not None:
                inner[:, range(inner.shape[1]), range(inner.shape[1])] += self.bends[layer]
            found.append(inner)
        return found[::-1]

    def pair(self, lower, upper, curvature, jacobian=None):
        """The Hessian's part between two layers, (p_lower, p_upper).

        curvature: (batch, n_{lower+1}, n_{upper+1}), the second derivatives by the two layers' pre-activations;
        jacobian: (batch, n_{lower+1}, n_upper) of the upper layer's inputs by the lower one's pre-activations, None
        where the layers are one. Samples add up in one matrix product, a_lower (n_l, batch) by (batch, the rest).
        """
        below, above, delta = self.inputs[lower], self.inputs[upper], self.deltas[upper]
        shape = curvature.shape[1], above.shape[1], curvature.shape[2]
        total = np.zeros((below.shape[1], shape[0] * shape[1] * shape[2]))
        size = max(1, CHUNK // total.shape[1])
        for start in range(0, self.size, size):
            part = slice(start, start + size)
            rest = curvature[part, :, None, :] * above[part, None, :, None]
            if jacobian is not None:
                rest[:, :, :jacobian.shape[2]] += jacobian[part, :, :, None] * delta[part, None, None, :]
            total += below[part].T @ rest.reshape(len(rest), -1)
        total /= self.size
        return total.reshape(below.shape[1] * shape[0], shape[1] * shape[2])


def _both_ways(network, inputs, labels):
    """Activations, the layers' inputs with the bias's 1 as last column, and deltas; NotFinite where they are not."""
    _check_batch(network, inputs, labels)
    with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is refused below, by name
        values = network.forward(inputs)
        deltas = network.backward(values, labels)
    if not all(np.isfinite(part).all() for part in (*values, *deltas)):
        raise NotFinite("the net's outputs or deltas are not finite: its parameters are too large, or it diverged")
    return values, [a if bias is None else np.hstack([a, np.ones((len(a), 1))])
                    for a, bias in zip(values, network.biases, strict=False)], deltas


def _slope(network, value):
    """f' from f."""
    if network.activation == "tanh":
        return 1.0 - value * value
    return np.where(value.real > 0, 1.0, 0.0 if network.activation == "relu" else network.slope)


def _bend(network, factor, value):
    """factor times f'' from f; None where that is zero almost everywhere."""
    return -2.0 * factor * value * (1.0 - value * value) if network.activation == "tanh" else None


def _diagonals(rows):
    made = np.zeros((*rows.shape, rows.shape[1]), dtype=rows.dtype)
    made[:, range(rows.shape[1]), range(rows.shape[1])] = rows
    return made


def _join(parts):
    return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], axis=-1)


# ---- derivatives ------------------------------------------------------------------------------------------

def loss(network, inputs, labels):
    """Mean loss over the batch; NaN or infinite where the net diverged."""
    _check_batch(network, inputs, labels)
    with np.errstate(over="ignore", invalid="ignore"):
        return network.loss(network.forward(inputs)[-1], labels).sum() / len(labels)


def gradient(network, inputs, labels):
    """Gradient of the mean loss, (p,); complex where the parameters are. NotFinite where the net is not."""
    _, before, deltas = _both_ways(network, inputs, labels)
    return _join([a.T @ (delta / len(labels)) for a, delta in zip(before, deltas, strict=True)])


def products(network, inputs, labels):
    """A function from v to the Hessian times v, for many products at the same parameters.

    It takes (p,) or, for k products at once, (k, p), and returns as many: exact, by Pearlmutter's R-operator, at some
    three times the cost of a gradient.
    """
    made = _Pass(network, inputs, labels)

    def product(vectors):
        parts = split(network, vectors)
        if not np.isfinite(vectors).all():
            raise NotFinite("the vector that the Hessian was to multiply is not finite")
        with np.errstate(over="ignore", invalid="ignore"):
            found = _join(made.directional(parts))
        if not np.isfinite(found).all():
            raise NotFinite("the Hessian times the vector is not finite: one of them is too large")
        return found
    return product


def hessian_vector(network, inputs, labels, vector):
    """The Hessian of the mean loss times `vector`, (p,), or times each row of (k, p)."""
    return products(network, inputs, labels)(vector)


def hessian(network, inputs, labels, method="structured"):
    """The whole Hessian of the mean loss, float64 (p, p).

    Parameters
    ----------
    method : str
        "structured": each sample's part between two layers is a sum of Kronecker products, of the layers' inputs and
        of the derivatives by their pre-activations; all samples are added in one matrix product a pair of layers.
        "r-operator": a product with each unit vector, many at once. "finite-difference": central differences of the
        gradient, good to some eight digits. The three differ in speed and rounding alone, and none is symmetrised.

    Raises
    ------
    NotFinite
        Where the net's outputs or deltas are not.

    Notes
    -----
    p² numbers: 8 MB at 1,000 parameters, 800 MB at 10,000. Beyond some 3,000 take `products` and `lanczos`.
    """
    size = parameters(network).size
    if method == "structured":
        return _structured(_Pass(network, inputs, labels))
    if method == "r-operator":
        product = products(network, inputs, labels)
        rows = max(1, CHUNK // (len(labels) * (sum(network.sizes) + 1) + size))
        return np.vstack([product(np.eye(min(rows, size - start), size, start)) for start in range(0, size, rows)])
    if method == "finite-difference":
        centre, rows = parameters(network), []
        for which in range(size):
            move = np.zeros(size)
            move[which] = 1e-5 * max(1.0, abs(centre[which]))
            ahead, behind = (gradient(at(network, centre + sign * move), inputs, labels) for sign in (1, -1))
            rows.append((ahead - behind) / (2 * move[which]))
        return np.array(rows)
    raise ValueError(f"unknown method {method!r}: expected one of {', '.join(METHODS)}")


def _structured(made):
    curvatures = made.curvatures()
    starts = np.cumsum([0] + [a.shape[1] * delta.shape[1] for a, delta in zip(made.inputs, made.deltas, strict=True)])
    whole = np.empty((starts[-1], starts[-1]))

    def place(lower, upper, part):
        whole[starts[lower]:starts[lower + 1], starts[upper]:starts[upper + 1]] = part

    for lower in range(len(made.weights)):
        place(lower, lower, made.pair(lower, lower, curvatures[lower]))
        jacobian = None
        for upper in range(lower + 1, len(made.weights)):
            jacobian = (_diagonals(made.slopes[lower]) if jacobian is None
                        else (jacobian @ made.weights[upper - 1]) * made.slopes[upper - 1][:, None, :])
            part = made.pair(lower, upper, jacobian @ made.weights[upper] @ curvatures[upper], jacobian)
            place(lower, upper, part)
            place(upper, lower, part.T)
    return whole


def blocks(network, inputs, labels):
    """The Hessian's diagonal blocks, one a layer, in their shortest exact form.

    Returns
    -------
    list of float64 (p_l, p_l)
        With squared error the outputs do not meet, and the last layer's block falls apart in one block an output
        unit: (n_L, rows, rows) with rows = n_{L-1} + 1, where [k] belongs to column k of the layer's matrix.
    """
    made = _Pass(network, inputs, labels)
    return [_stack(made) if made.tops is not None and layer == len(made.weights) - 1
            else made.pair(layer, layer, curvature) for layer, curvature in enumerate(made.curvatures())]


def _stack(made):
    last, rows = made.inputs[-1], made.inputs[-1].shape[1]
    stack, size = np.zeros((made.tops.shape[1], rows * rows)), max(1, CHUNK // rows**2)
    for start in range(0, made.size, size):
        part = last[start:start + size]
        stack += made.tops[start:start + size].T @ (part[:, :, None] * part[:, None, :]).reshape(len(part), -1)
    return stack.reshape(-1, rows, rows) / made.size


def third(network, inputs, labels, direction):
    """T[p, p], float64 (p,): the third derivative of the loss, twice along `direction`, for tanh or softmax nets.

    The derivative of H p along p, by one complex step: Im(H(θ + ihp) p) / h.
    """
    direction = arrays.real("direction", direction, axes=1)
    split(network, direction)  # refused if it is of another length
    moved = at(network, parameters(network) + 1j * TINY * direction)
    return hessian_vector(moved, inputs, labels, direction).imag / TINY


# ---- steps ------------------------------------------------------------------------------------------------

def newton_step(gradient, hessian):
    """-H⁻¹ g, float64 (p,), whatever the signs of the eigenvalues: it is drawn to saddles as well as to minima.

    Raises
    ------
    SingularHessian
        With a reciprocal condition number below rounding. Likewise NotFinite, here and in the steps below.
    """
    _check_step(gradient, hessian)
    with warnings.catch_warnings():
        warnings.simplefilter("error", linalg.LinAlgWarning)
        try:
            return -linalg.solve(np.asarray(hessian, float), np.asarray(gradient, float), assume_a="sym")
        except (linalg.LinAlgError, linalg.LinAlgWarning):
            raise SingularHessian(f"the Hessian of {len(gradient)} parameters is singular to rounding: take a damped, "
                                  "shifted or saddle-free step") from None


def damped_step(gradient, hessian, damping):
    """-(H + damping I)⁻¹ g, by Cholesky (Levenberg 1944).

    Raises
    ------
    IndefiniteHessian
        Where H + damping I is not positive definite; the message says by how much.
    SingularHessian
        Where it is so to rounding.
    """
    _check_step(gradient, hessian, damping)
    if np.ndim(damping):
        raise ValueError(f"damping is {damping}: expected one number")
    damped = hessian + damping * np.eye(len(gradient))
    try:
        factor = linalg.cho_factor(damped, lower=True)
    except linalg.LinAlgError:
        least = linalg.eigvalsh(hessian, subset_by_index=(0, 0))[0]
        raise IndefiniteHessian(f"the least eigenvalue is {least:.3g} and the damping {damping:g}: choose more, or a "
                                "shifted or saddle-free step") from None
    if lapack.dpocon(factor[0], np.abs(damped).sum(axis=0).max(), uplo="L")[0] < RECIPROCAL:
        raise SingularHessian(f"the Hessian with a damping of {damping:g} is singular to rounding: choose more")
    return -linalg.cho_solve(factor, gradient)


def shifted_step(gradient, hessian, damping):
    """-(H + (damping - min(λ_least, 0)) I)⁻¹ g: the whole spectrum is moved until it is positive.

    The baseline that Dauphin et al. (2014) call damped Newton. `damping` positive; several give a step a row.
    """
    _check_step(gradient, hessian, damping, positive=True)
    values, along, back = _eigen(hessian, gradient)
    return _spectral(along, values - min(values[0], 0.0) + np.asarray(damping)[..., None], back)


def saddle_free_step(gradient, hessian, damping, iterations=50, inside=False):
    """-(|H| + damping I)⁻¹ g, |H| with the eigenvalues' absolute values (Dauphin et al. 2014).

    Parameters
    ----------
    hessian : float64 (p, p), or function from (p,) to (p,)
        As `products` gives it: then the step is made in the Krylov space of the gradient, by Lanczos, without the
        matrix (their section 6 in the form of Golub and Meurant: f(H) g = ‖g‖ Q f(T) e_1).
    damping : float, positive, or several
        Several give a step a row, at the cost of one.
    iterations : int
        At most so many products, where `hessian` is a function.
    inside : bool
        |λ + damping| in place of |λ| + damping, which has a pole at λ = -damping: as one of the sources has it.

    Raises
    ------
    SingularHessian
        Where `inside` meets its pole.
    """
    if callable(hessian):
        _check_step(gradient, None, damping, positive=True)
        if not np.any(gradient):  # a critical point: there is no Krylov space to look at
            return np.zeros((*np.shape(damping), len(gradient)))
        basis, diagonal, beside = lanczos(hessian, gradient, iterations)
        values, vectors = linalg.eigh_tridiagonal(diagonal, beside)
        along = np.linalg.norm(gradient) * vectors[0]

        def back(parts):
            return parts @ vectors.T @ basis
    else:
        _check_step(gradient, hessian, damping, positive=True)
        values, along, back = _eigen(hessian, gradient)
    if inside:
        denominators = np.abs(values + np.asarray(damping)[..., None])
        if not (denominators.min(axis=-1) > RECIPROCAL * denominators.max(axis=-1)).all():
            raise SingularHessian(f"an eigenvalue is minus the damping, {damping}: the step has a pole there")
    else:
        denominators = np.abs(values) + np.asarray(damping)[..., None]
    return _spectral(along, denominators, back)


def _spectral(along, denominators, back):
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        step = -back(along / denominators)
    if not np.isfinite(step).all():
        raise SingularHessian("the step is not finite: more damping")
    return step


def _eigen(matrix, vector):
    """Eigenvalues of a symmetric matrix, ascending, a vector's parts along the eigenvectors, and the way back.

    What `eigh` spends half of its time on, the eigenvectors themselves, is not needed: those of the tridiagonal form
    are enough, and Householder's reflections between the two are applied one by one.
    """
    size = len(vector)
    work = int(lapack.dsytrd_lwork(size, lower=1)[0])
    reflectors, diagonal, beside, scales, _ = lapack.dsytrd(matrix, lower=1, lwork=work)
    if not (np.isfinite(diagonal).all() and np.isfinite(beside).all()):
        raise NotFinite("the Hessian's entries are too large: its tridiagonal form is not finite")
    values, vectors = linalg.eigh_tridiagonal(diagonal, beside, lapack_driver="stevd")

    def reflected(rows, order):
        rows = np.array(rows, dtype=float)
        for k in order:
            reflector = np.concatenate([[1.0], reflectors[k + 2:, k]])
            rows[..., k + 1:] -= (scales[k] * (rows[..., k + 1:] @ reflector))[..., None] * reflector
        return rows

    forth, back = range(size - 1), range(size - 2, -1, -1)
    return values, reflected(vector, forth) @ vectors, lambda parts: reflected(parts @ vectors.T, back)


def lanczos(product, start, iterations):
    """An orthonormal basis of the Krylov space of `start`, in which the symmetric operator is tridiagonal.

    Parameters
    ----------
    product : function from (p,) to (p,)
    start : float64 (p,), not zero
        As long as the vectors that `product` takes.
    iterations : int
        At most so many products; fewer where the space closes before.

    Returns
    -------
    basis : float64 (k, p)
        Orthogonalised twice against all before (Parlett 1998, section 6.9): "twice is enough".
    diagonal, beside : float64 (k,), (k - 1,)
        For `scipy.linalg.eigh_tridiagonal`, whose values are the Ritz values.

    Notes
    -----
    k p numbers. Where k reaches p, the Ritz values are the eigenvalues.
    """
    if not (isinstance(iterations, int | np.integer) and iterations > 0):
        raise ValueError(f"iterations is {iterations!r}: expected a positive whole number")
    start = _numbers("the first vector", start, axes=1).astype(float)
    with np.errstate(over="ignore"):
        length = np.linalg.norm(start)
    if not (np.isfinite(length) and length > 0):
        raise NotFinite(f"the first vector has length {length:g}: expected a finite one that is not zero")
    iterations = min(iterations, start.size)
    basis, diagonal, beside = np.empty((iterations, start.size)), np.empty(iterations), np.empty(iterations)
    basis[0] = start / length
    for k in range(iterations):
        vector = product(basis[k])
        diagonal[k] = basis[k] @ vector
        for _ in range(2):
            vector = vector - (basis[:k + 1] @ vector) @ basis[:k + 1]
        beside[k] = np.linalg.norm(vector)
        if not np.isfinite(beside[k]):
            raise NotFinite(f"product {k + 1} with the Hessian is not finite")
        scale = np.abs(diagonal[:k + 1]).max() + beside[:k + 1].max()
        if k + 1 == iterations or beside[k] <= 1e-13 * scale:
            return basis[:k + 1], diagonal[:k + 1], beside[:k]
        basis[k + 1] = vector / beside[k]


def chebyshev_step(gradient, hessian, third):
    """Chebyshev's step of third order: -p - ½ H⁻¹ T[p, p] with Newton's p = H⁻¹ g.

    Parameters
    ----------
    third : function from p (p,) to T[p, p] (p,)
        As the function of that name gives it for a net.

    Notes
    -----
    Cubic convergence near a minimum (Traub 1964); far from one the correction can be anything: take the step where it
    leaves a lower loss, or a smaller gradient, than Newton's does.
    """
    _check_step(gradient, hessian)
    along = newton_step(gradient, hessian)
    return along + 0.5 * newton_step(third(along), hessian)


def block_step(network, inputs, labels, damping, method="conjugate-gradients"):
    """Newton's step layer by layer, float64 (p,), without the Hessian's parts between layers.

    Parameters
    ----------
    method : str
        "eigendecomposition": saddle-free, -(|H_l| + damping I)⁻¹ g_l. "conjugate-gradients", to 1e-12, with products
        alone and no block formed, and "cholesky": damped, -(H_l + damping I)⁻¹ g_l, which has to be positive definite.
        With piecewise-linear units the blocks of squared error are Gauss-Newton's, never negative, and all three are
        the same.

    Raises
    ------
    IndefiniteHessian
        For one of the first two where a block is not positive definite.
    """
    _check_step(np.zeros(1), None, damping, positive=True)
    if method == "conjugate-gradients":
        made = _Pass(network, inputs, labels)
        return np.concatenate([_conjugate_gradients(made, layer, damping) for layer in range(len(made.weights))])
    if method not in ("cholesky", "eigendecomposition"):
        raise ValueError(f"unknown method {method!r}: expected conjugate-gradients, cholesky or eigendecomposition")
    solve = damped_step if method == "cholesky" else saddle_free_step
    parts = split(network, gradient(network, inputs, labels))
    steps = []
    for part, block in zip(parts, blocks(network, inputs, labels), strict=True):
        if block.ndim == 3:
            columns = [solve(column, square, damping) for column, square in zip(part.T, block, strict=True)]
            steps.append(np.array(columns).T.ravel())
        else:
            steps.append(solve(part.ravel(), block, damping))
    return np.concatenate(steps)


def _conjugate_gradients(made, layer, damping):
    shape = made.inputs[layer].shape[1], made.deltas[layer].shape[1]
    target = made.inputs[layer].T @ (made.deltas[layer] / made.size)

    def product(vector):
        tangents = [None] * len(made.weights)
        tangents[layer] = vector.reshape(shape)
        turned = made.directional(tangents, first=layer)[0].ravel() + damping * vector
        if not vector @ turned > 0 and vector.any():
            raise IndefiniteHessian(f"layer {layer + 1} has negative curvature beyond the damping {damping:g}: take "
                                    "method eigendecomposition, or more damping")
        return turned

    size = target.size
    step, failed = krylov.cg(krylov.LinearOperator((size, size), product, dtype=float), target.ravel(), rtol=1e-12,
                             maxiter=10 * size)
    rest = np.linalg.norm(product(step) - target.ravel())  # the iteration's own residual drifts from the true one
    if failed or rest > 1e-8 * np.linalg.norm(target):
        raise SingularHessian(f"conjugate gradients did not converge in layer {layer + 1}: more damping, or cholesky")
    return -step


# ---- the functional inverse of the gradient ---------------------------------------------------------------

def difference_of_inverse(inverse, gradient, method="complex-step", r=1e-5):
    """Newton's step without a Hessian, where the gradient's inverse function is known: -d/dr inverse(g + r g).

    Parameters
    ----------
    inverse : function from gradients to parameters, array to array
        For "complex-step" from complex ones to complex ones.
    method : str
        "complex-step": to the last digit, where `inverse` can take complex numbers; "finite-difference":
        (inverse(g + r g) - inverse(g)) / r, with an error of some eps cond / r and one that grows with r.

    Notes
    -----
    By the inverse function theorem the Jacobian of the inverse is H⁻¹. One of the sources takes r = 1e-9.
    """
    gradient = arrays.real("gradient", gradient).astype(float)
    if method == "complex-step":
        found = inverse(gradient * (1 + 1j * TINY))
        if not np.iscomplexobj(found):
            raise ValueError("the inverse function gave real numbers for complex ones: take finite-difference")
        return -_finite(found).imag / TINY
    if method != "finite-difference":
        raise ValueError(f"unknown method {method!r}: expected complex-step or finite-difference")
    if not (np.isfinite(r) and r != 0):
        raise ValueError(f"r is {r!r}: expected a finite number, not zero")
    return -_finite(inverse(gradient * (1 + r)) - inverse(gradient)) / r


def _finite(found):
    if not np.isfinite(found).all():
        raise NotFinite("the gradient's inverse function is not finite here")
    return found


def functional_inverse_step(network, inputs, labels, method="closed-form", r=1e-5):
    """Newton's step of each layer on its own, float64 (p,), from the functional inverse of its gradient.

    With one layer it is -H⁺ g; with more, -H_l⁻¹ g_l of each block, and since each layer then mends the whole residual,
    all of them together want a step length of at most 1 / layers.

    Parameters
    ----------
    network : MLP
        Leaky units and squared error; beyond the first layer square matrices of full rank.
    method : str
        "closed-form": -A⁺ [(h - t) / f'] in the last layer, A its inputs, and before it (h - t) / f' goes back through
        the inverses of weights and slopes; the other methods differentiate the inverse as `difference_of_inverse` does.
    r : float
        Of "finite-difference".

    Raises
    ------
    NotInvertible
        For other units or losses, for layers that are not square, and for a batch that is larger than its rank: its
        gradients do not tell the samples' deltas apart, and what the formula gives is then not Newton's step.
    """
    if method not in INVERSES:
        raise ValueError(f"unknown method {method!r}: expected one of {', '.join(INVERSES)}")
    made = _Pass(network, inputs, labels)
    _check_invertible(network)
    solvers = [_right_inverse(a, f"layer {layer + 1}") for layer, a in enumerate(made.inputs)]
    slopes = [*made.slopes, _slope(network, made.outputs)]
    backs = [None, *(linalg.lu_factor(weights.T) for weights in made.weights[1:])]

    def back(layer, rows):  # rows (batch, n) times the inverse of a layer's weights
        return linalg.lu_solve(backs[layer], rows.T).T

    if method == "closed-form":
        wanted, steps = made.deltas[-1] / slopes[-1]**2, []
        for layer in range(len(made.weights) - 1, -1, -1):
            steps.append(-solvers[layer](wanted).ravel())
            if layer:
                wanted = back(layer, wanted) / slopes[layer - 1]
        return np.concatenate(steps[::-1])

    def inverse_of(layer):
        def inverse(part):  # the layer's gradient (rows, n) -> its weights that have it, all other layers as they are
            rows = solvers[layer].transposed(part * made.size)
            for above in range(layer + 1, len(made.weights)):  # deltas of the last layer from those of this one
                rows = linalg.lu_solve(backs[above], (rows / slopes[above - 1]).T, trans=1).T
            totals = _unslope(network, network.targets[labels] + rows / slopes[-1])
            for above in range(len(made.weights) - 1, layer, -1):
                bias = network.biases[above]
                totals = _unslope(network, back(above, totals if bias is None else totals - bias))
            return solvers[layer](totals)
        return inverse

    return np.concatenate([
        difference_of_inverse(inverse_of(layer), a.T @ (delta / made.size), method, r).ravel()
        for layer, (a, delta) in enumerate(zip(made.inputs, made.deltas, strict=True))])


def _unslope(network, value):
    return np.where(value.real > 0, value, value / network.slope)


class _right_inverse:
    """X⁺ rows for X (batch, n) of full row rank, by Cholesky of X Xᵀ and two refinements; `transposed` is (Xᵀ)⁺."""

    def __init__(self, matrix, where):
        rows, columns = matrix.shape
        with np.errstate(over="ignore", invalid="ignore"):
            gram = matrix @ matrix.T
        if not np.isfinite(gram).all():
            raise NotFinite(f"{where} has inputs up to {np.abs(matrix).max():.3g}, whose squares are not finite")
        too_many = (f"{where} has {columns} inputs, the bias counted, and the batch {rows} samples: the functional "
                    "inverse needs a batch no larger than the inputs' rank")
        if rows > columns:
            raise NotInvertible(too_many)
        self.matrix = matrix
        try:
            self.factor = linalg.cho_factor(gram, lower=True)
        except linalg.LinAlgError:
            raise NotInvertible(too_many + ", which is smaller here") from None
        reciprocal, _ = lapack.dpocon(self.factor[0], np.abs(gram).sum(axis=0).max(), uplo="L")
        if reciprocal < RECIPROCAL:
            raise NotInvertible(too_many + f", which is smaller here (reciprocal condition {reciprocal:.0e})")

    def __call__(self, wanted):
        return self._parts(wanted, lambda rows: self.matrix.T @ linalg.cho_solve(self.factor, rows),
                           lambda found: self.matrix @ found)

    def transposed(self, wanted):
        return self._parts(wanted, lambda rows: linalg.cho_solve(self.factor, self.matrix @ rows),
                           lambda found: self.matrix.T @ found)

    @staticmethod
    def _parts(wanted, solve, product):
        if np.iscomplexobj(wanted):  # X is real: the parts do not meet, and their scales may differ by 1e100
            return (_right_inverse._parts(wanted.real, solve, product)
                    + 1j * _right_inverse._parts(wanted.imag, solve, product))
        found = solve(wanted)
        for _ in range(2):  # the normal equations square the condition; what they miss is put right here
            found = found + solve(wanted - product(found))
        return found


# ---- growth of small differences --------------------------------------------------------------------------

def lyapunov(advance, tangent, start, steps, count, seed=0, restart=None):
    """How fast small differences grow along an orbit: the logarithms of each step's stretching.

    Parameters
    ----------
    advance : function from a point (p,) to the next one
    tangent : function from a point (p,) and a frame (count, p) to the Jacobian there times each row
        Of gradient descent x - η g(x): frame - η H(x) frame, with `products`.
    start : float64 (p,)
    steps, count : int
        Length of the orbit, and how many exponents, p at most.
    seed : int or numpy.random.Generator
        Of the first frame.
    restart : int, optional
        A new frame each so many steps: windows that know nothing of each other.

    Returns
    -------
    logs : float64 (steps, count)
        Natural logarithms; -inf where a direction is lost. Their means over the steps are the Lyapunov exponents per
        step, largest first; means over a window are finite-time exponents.
    points : float64 (steps + 1, p)

    Raises
    ------
    NotFinite
        Where the orbit leaves for infinity.

    Notes
    -----
    QR after each step (Benettin et al. 1980; Eckmann and Ruelle 1985, section V.C).
    """
    start = arrays.real("start", start, axes=1).astype(float)
    if not 1 <= count <= start.size:
        raise ValueError(f"{count} exponents of {start.size} dimensions: expected 1 to {start.size}")
    if not (isinstance(steps, int | np.integer) and steps > 0):
        raise ValueError(f"steps is {steps!r}: expected a positive whole number")
    rng = np.random.default_rng(seed)
    points, logs = [start], np.empty((steps, count))
    for index in range(steps):
        if index == 0 or (restart and index % restart == 0):
            frame = linalg.qr(rng.normal(size=(start.size, count)), mode="economic")[0].T
        frame = tangent(points[-1], frame)
        points.append(np.asarray(advance(points[-1]), float))
        if not (np.isfinite(points[-1]).all() and np.isfinite(frame).all()):
            raise NotFinite(f"the orbit is not finite after {index + 1} steps: a smaller learning rate")
        q, r = linalg.qr(frame.T, mode="economic")
        frame = q.T
        with np.errstate(divide="ignore"):
            logs[index] = np.log(np.abs(np.diag(r)))
    return logs, np.array(points)


# ---- checks -----------------------------------------------------------------------------------------------

def _numbers(what, array, axes=None):
    """The same array of real numbers; NotFinite where some are not finite."""
    array = np.asarray(array)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NotFinite(f"{what} has {np.count_nonzero(~np.isfinite(array))} entries that are not finite")
    return arrays.real(what, array, axes)


def _check_batch(network, inputs, labels):
    if np.ndim(inputs) != 2 or len(inputs) == 0 or inputs.shape[1] != network.sizes[0]:
        raise ValueError(f"inputs of shape {np.shape(inputs)}: expected (batch, {network.sizes[0]}), one item or more")
    _numbers("the batch of inputs", inputs)
    if np.shape(labels) != (len(inputs),) or np.asarray(labels).dtype.kind not in "iu":
        raise ValueError(f"labels of shape {np.shape(labels)} for {len(inputs)} inputs: expected one whole number each")
    if np.min(labels) < 0 or np.max(labels) >= len(network.targets):
        raise ValueError(f"labels from {np.min(labels)} to {np.max(labels)}: expected 0 to {len(network.targets) - 1}")


def _check_step(gradient, hessian, damping=0.0, positive=False):
    size = len(_numbers("the gradient", gradient, axes=1))
    if hessian is not None and np.shape(hessian) != (size, size):
        raise ValueError(f"a Hessian of shape {np.shape(hessian)} for a gradient of {size} numbers: expected "
                         f"({size}, {size})")
    if hessian is not None:
        _numbers("the Hessian", hessian, axes=2)
    damping = np.asarray(damping)
    if not (np.isfinite(damping).all() and (damping > 0 if positive else damping >= 0).all()):
        raise ValueError(f"damping is {damping}: expected {'positive, finite' if positive else 'finite'} numbers"
                         + ("" if positive else ", not negative"))


def _check_invertible(network):
    if network.activation != "leaky":
        why = {"relu": "relu has slope 0, and its delta forgets the output there",
               "tanh": "tanh gives two outputs the same delta"}[network.activation]
        raise NotInvertible(f"{why}: the functional inverse takes leaky units")
    if network.loss_name != "squared":
        raise NotInvertible("softmax does not tell pre-activations apart that differ by a constant: the functional "
                            "inverse takes squared error")
    for layer, weights in enumerate(network.weights[1:], start=2):
        if weights.shape[0] != weights.shape[1] or np.linalg.cond(weights) > 1 / RECIPROCAL:
            raise NotInvertible(f"layer {layer} has a matrix of {weights.shape[0]} x {weights.shape[1]}, and rank "
                                f"{np.linalg.matrix_rank(weights)}: beyond the first layer the functional inverse "
                                "takes square matrices of full rank")
