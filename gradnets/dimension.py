"""How small the space of gradients is: Gram matrices, effective dimensions, ranks, and directions that hold energy.

The gradient of one sample is a sum of few outer products of inputs and deltas. So the inner product of two gradients
follows from inner products of inputs and of deltas, and no gradient is formed. Energy is squared length, and nothing is
centered: the mean gradient counts as a direction.
"""
import numpy as np
import scipy

from gradnets import checks
from gradnets.errors import UserError

BLOCK = 2**22     # entries at a time, where copies are made
ROUNDING = 1e-10  # share of the largest energy below which a direction is rounding
VANISHED = 1e-12  # length up to which a gradient counts as vanished
FEWEST = 30       # smallest number of gradients whose dimension is measured with controls


# ---- samples of gradients ---------------------------------------------------------------------------------

def gram(inputs, deltas):
    """Return the inner products of the gradients of n samples, without forming gradients where they are large.

    Parameters
    ----------
    inputs : real array (n, a), or (n, k, a)
    deltas : real array (n, b), or (n, k, b)
        The gradient of sample s is the outer product of its inputs and its deltas, (a, b), or the sum of k such
        products: those of the time steps of a recurrent net, or of both phases of a Boltzmann machine, one of which
        has negative deltas.

    Returns
    -------
    float64 (n, n)
        (x_s . x_t)(d_s . d_t), or its sum over all pairs of terms. Products below the smallest float are 0.

    Raises
    ------
    UserError
        Unless both are finite real arrays that agree in n and k, and if inner products overflow.

    Notes
    -----
    O(n² k² (a + b)) time and O(n²) memory; or O(n² a b) and O(n a b), if that is less time.
    """
    inputs, deltas = (_terms(name, values) for name, values in (("inputs", inputs), ("deltas", deltas)))
    if inputs.shape[:2] != deltas.shape[:2]:
        raise UserError(f"inputs of {len(inputs)} samples and {inputs.shape[1]} terms, deltas of {len(deltas)} and "
                        f"{deltas.shape[1]}: expected the same numbers")
    (inputs, input_exponent), (deltas, delta_exponent) = _scaled(inputs), _scaled(deltas)
    samples, terms, rows = inputs.shape
    columns = deltas.shape[2]
    if terms > 1 and rows * columns < terms**2 * (rows + columns):
        gradients = (inputs.swapaxes(1, 2) @ deltas).reshape(samples, -1)
        total = gradients @ gradients.T
    else:
        total = np.zeros((samples, samples))
        for i in range(terms):
            total += (inputs[:, i] @ inputs[:, i].T) * (deltas[:, i] @ deltas[:, i].T)
            for j in range(i):
                product = (inputs[:, i] @ inputs[:, j].T) * (deltas[:, i] @ deltas[:, j].T)
                total += product + product.T
    return _unscaled(total, 2 * (input_exponent + delta_exponent))


def gram_of_arrays(arrays):
    """Return the inner products of n arrays of one shape, such as recorded gradients, float64 (n, n).

    The arrays may be mapped files: they are read in blocks, once to find the largest entry and once more. Raises
    UserError unless they are finite real arrays of one shape with entries, and if inner products overflow.
    """
    arrays = [checks.real_array("gradient", values) for values in arrays]
    shapes = {values.shape for values in arrays}
    if len(shapes) != 1 or 0 in next(iter(shapes)):
        raise UserError(f"gradients of shapes {', '.join(map(str, sorted(shapes))) or 'none'}: expected arrays of one "
                        "shape, with entries")
    _, exponent = np.frexp(max(max(abs(float(values.max())), abs(float(values.min()))) for values in arrays))
    flat = [np.ascontiguousarray(values).reshape(-1) for values in arrays]
    total = np.zeros((len(flat), len(flat)))
    step = max(BLOCK // len(flat), 1)
    for start in range(0, flat[0].size, step):
        block = np.stack([values[start:start + step] for values in flat]).astype(np.float64)
        block = np.ldexp(block, -exponent)
        total += block @ block.T
    return _unscaled(total, 2 * exponent)


def cosines(gram):
    """Return the Gram matrix (n, n) of vectors that are divided by their lengths; UserError if a length is 0."""
    gram = _checked_gram(gram)
    lengths = np.sqrt(np.diag(gram))
    if not lengths.all():
        raise UserError(f"gradient {int(lengths.argmin())} of {len(lengths)} is 0: leave out gradients that vanish")
    return gram / lengths[:, None] / lengths


def effective_dimension(gram):
    """Return the effective dimension of vectors from the Gram matrix of a sample of them.

    The participation ratio (sum of eigenvalues)² / (sum of squared eigenvalues) of the vectors' second moments tells
    how many directions share the energy. The participation ratio of a sample is at most its size; this one is estimated
    from pairs of different vectors and has no such bound: for n independent vectors numerator and denominator have
    the right mean for every n.

    Parameters
    ----------
    gram : real array (n, n), symmetric, n at least 2
        Inner products. With `cosines` every vector has the same weight; without, a few long ones may decide.

    Returns
    -------
    float
        mean of G_ss G_tt / mean of G_st² over pairs s ≠ t; infinite if all pairs are orthogonal.

    Raises
    ------
    UserError
        Unless the matrix is a Gram matrix with at least two vectors that are not 0.
    """
    gram, _ = _scaled(_checked_gram(gram))
    diagonal = np.diag(gram)
    if np.count_nonzero(diagonal) < 2:
        raise UserError(f"{np.count_nonzero(diagonal)} of {len(gram)} gradients differ from 0: expected at least 2")
    energies = diagonal.sum()**2 - diagonal @ diagonal
    off_diagonal = gram - np.diag(diagonal)
    squares = np.vdot(off_diagonal, off_diagonal)
    return float(energies / squares) if squares else np.inf


# ---- controls ---------------------------------------------------------------------------------------------

def with_controls(layers, rng):
    """Measure the effective dimension of single-sample gradients, divided by their lengths, and of their controls.

    Parameters
    ----------
    layers : dict of tuple of arrays
        For each matrix of weights the inputs and the deltas of n samples, as `gram` takes them; perhaps also deltas
        without the derivatives of the activation.
    rng : numpy.random.Generator
        Draws the controls.

    Returns
    -------
    dict of dict of float, or None if fewer than 30 samples have a gradient of a length above 1e-12
        For each matrix, and for "all weights" if there are several:

        - dimension: of the gradients; raw: the same without dividing by lengths
        - re_paired: inputs paired with the deltas of other samples, which leaves both as they are
        - pixels_shuffled, deltas_shuffled: the entries of each sample's inputs or deltas in random order
        - random: terms of independent normal entries, whose effective dimension is the number of parameters
        - gates_removed: if a layer has deltas without derivatives
        - over_re_paired: dimension over re_paired
        - inputs, deltas: of these alone, and their product, if a gradient is a single outer product
        - parameters: number of weights; vanished: share of samples whose gradients vanish

    Notes
    -----
    For outer products of independent inputs and deltas the mean of G_st² over pairs is the product of those of inputs
    and deltas. So the dimension is the product of both dimensions, which is what re_paired estimates.
    """
    lengths = {name: np.sqrt(np.diag(gram(*arrays[:2]))) for name, arrays in layers.items()}
    layers = {name: arrays for name, arrays in layers.items() if lengths[name].any()}
    alive = np.all([lengths[name] > VANISHED for name in layers], axis=0) & bool(layers)
    count = int(np.count_nonzero(alive))
    if count < FEWEST:
        return None
    order, grams, numbers = rng.permutation(count), {}, {}
    for name, arrays in layers.items():
        inputs, deltas, *ungated = (np.asarray(values)[alive] for values in arrays)
        grams[name] = {key: gram(*pair) for key, pair in _controls(inputs, deltas, ungated, order, rng)}
        numbers[name] = {"parameters": inputs.shape[-1] * deltas.shape[-1]}
        if inputs.ndim == 2:
            alone = [effective_dimension(cosines(gram(values, np.ones((count, 1))))) for values in (inputs, deltas)]
            numbers[name] |= {"inputs": alone[0], "deltas": alone[1], "product": alone[0] * alone[1]}
    if len(layers) > 1:
        numbers["all weights"] = {"parameters": sum(row["parameters"] for row in numbers.values())}
        grams["all weights"] = {key: sum(of_layer[key] for of_layer in grams.values())
                                for key in next(iter(grams.values())) if all(key in each for each in grams.values())}
    for name, row in numbers.items():
        row |= {key: effective_dimension(cosines(products)) for key, products in grams[name].items()}
        row |= {"raw": effective_dimension(grams[name]["dimension"]), "vanished": float(1 - alive.mean()),
                "over_re_paired": row["dimension"] / row["re_paired"]}
    return numbers


def _controls(inputs, deltas, ungated, order, rng):
    """Yield key, inputs and deltas of the gradients themselves and of each control."""
    yield "dimension", (inputs, deltas)
    yield "re_paired", (inputs, deltas[order])
    yield "pixels_shuffled", (rng.permuted(inputs, axis=-1), deltas)
    yield "deltas_shuffled", (inputs, rng.permuted(deltas, axis=-1))
    terms = inputs.shape[1] if inputs.ndim == 3 else 1
    yield "random", (rng.standard_normal(inputs.shape) / np.sqrt(terms), rng.standard_normal(deltas.shape))
    if ungated:
        yield "gates_removed", (inputs, ungated[0])


# ---- one matrix -------------------------------------------------------------------------------------------

def energy_shares(matrix):
    """Return the share of a matrix's energy in each of its singular directions.

    Parameters
    ----------
    matrix : real array (n, m), not zero everywhere

    Returns
    -------
    float64 (min(n, m),)
        Squared singular values, largest first, divided by their sum. Shares below 1e-6 are rounding for a float32
        matrix, whose products are added up in float64, and below 1e-14 for others.

    Raises
    ------
    UserError
        Unless the matrix is finite, has entries, and is not zero everywhere.

    Notes
    -----
    O(n m min(n, m)) time, and two matrices of min(n, m)² float64: 10 s for 4096 x 14336, in a process of 0.6 GB.
    """
    matrix = checks.as_floats(checks.real_array("matrix", matrix, axes=2))
    largest = max(float(matrix.max()), -float(matrix.min())) if matrix.size else 0.0
    if largest == 0:
        raise UserError(f"the matrix of shape {matrix.shape} is zero everywhere or empty: expected numbers")
    matrix = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    _, exponent = np.frexp(largest)
    squares = np.zeros((len(matrix), len(matrix)))
    step = max(BLOCK // len(matrix), 1)
    for start in range(0, matrix.shape[1], step):
        block = np.ldexp(matrix[:, start:start + step], -exponent)
        squares += block @ block.T
    energies = np.maximum(scipy.linalg.eigvalsh(squares, overwrite_a=True, check_finite=False)[::-1], 0)
    return energies / energies.sum()


def ranks(shares):
    """Return in how many directions the energy of a matrix lies, from the shares that `energy_shares` returns.

    Parameters
    ----------
    shares : real array (k,), not negative, largest first, with the sum 1

    Returns
    -------
    dict
        stable_rank: energy over the energy of the first direction; participation_ratio: 1 / (sum of squared shares);
        rank_90 and rank_99: number of directions that hold 90 % and 99 % of the energy, int.
    """
    shares = checks.real_array("shares", shares, axes=1).astype(float)
    if not len(shares) or shares.min() < 0 or not 0.999 < shares.sum() < 1.001 or (np.diff(shares) > 0).any():
        raise UserError(f"{len(shares)} shares with the sum {shares.sum():.6g}: expected shares of 1, largest first")
    held = np.cumsum(shares) / shares.sum()
    return {"stable_rank": float(1 / shares[0]), "participation_ratio": float(1 / (shares @ shares)),
            "rank_90": int(np.searchsorted(held, 0.9) + 1), "rank_99": int(np.searchsorted(held, 0.99) + 1)}


def random_participation_ratio(rows, columns):
    """Return the participation ratio of a matrix of independent normal entries: (n m + 2) / (n + m + 1).

    The ratio of the means of (sum of eigenvalues)² and of the sum of squared eigenvalues of G Gᵀ, by the moments of
    a Wishart matrix.
    """
    checks.positive_integers(rows=rows, columns=columns)
    return (rows * columns + 2) / (rows + columns + 1)


def random_energy_shares(rows, columns):
    """Return the share of energy in each singular direction of a large matrix of independent normal entries.

    Parameters
    ----------
    rows, columns : int, positive

    Returns
    -------
    float64 (min(rows, columns),), largest first, with the sum 1

    Notes
    -----
    By the law of Marchenko and Pastur (1967), whose eigenvalues 1 + c + 2 √c cos θ, c = rows / columns, hold the
    energy (θ - sin θ cos θ) / π above them. It is a limit: ten rows have it to about a tenth.
    """
    checks.positive_integers(rows=rows, columns=columns)
    count, ratio = min(rows, columns), min(rows, columns) / max(rows, columns)
    edges = np.linspace(0, np.pi, 20 * count + 2001)
    middles = (edges[1:] + edges[:-1]) / 2
    number = np.sin(middles)**2 / (1 + ratio + 2 * np.sqrt(ratio) * np.cos(middles))  # of eigenvalues, not normalised
    above = np.concatenate([[0], np.cumsum(number)]) / number.sum()
    held = np.interp(np.arange(count + 1) / count, above, (edges - np.sin(edges) * np.cos(edges)) / np.pi)
    return np.diff(held)


# ---- directions -------------------------------------------------------------------------------------------

def leading_directions(vectors, count):
    """Return the orthogonal directions that hold the most energy of vectors.

    Parameters
    ----------
    vectors : real array (n, p)
    count : int, positive
        Number of directions.

    Returns
    -------
    directions : float64 (count, p)
        Rows of length 1, orthogonal to 1e-5; the first one holds the most energy.
    shares : float64 (n,)
        Share of the energy in each direction, also in those that are not returned.

    Raises
    ------
    UserError
        Unless the vectors are finite and span `count` directions.

    Notes
    -----
    By the Gram matrix of the vectors: O(n² p) time.
    """
    vectors = checks.real_array("vectors", vectors, axes=2).astype(float, copy=False)
    checks.positive_integers(count=count)
    vectors, _ = _scaled(vectors)
    energies, mixtures = np.linalg.eigh(vectors @ vectors.T)
    energies, mixtures = np.maximum(energies[::-1], 0), mixtures[:, ::-1]
    rank = int(np.count_nonzero(energies > ROUNDING * energies.max(initial=0)))
    if count > rank:
        raise UserError(f"{count} directions of {len(vectors)} vectors that span {rank}: ask for fewer, or give more "
                        "vectors")
    return mixtures[:, :count].T @ vectors / np.sqrt(energies[:count, None]), energies / energies.sum()


def random_directions(count, size, rng):
    """Return random orthogonal directions, float64 (count, size), rows of length 1, all spaces equally likely.

    Raises UserError unless 1 <= count <= size. O(count² size), by a Cholesky decomposition, which is faster than QR.
    """
    checks.positive_integers(count=count, size=size)
    if count > size:
        raise UserError(f"{count} orthogonal directions in {size} dimensions: expected at most {size}")
    draws = rng.standard_normal((count, size))
    return scipy.linalg.solve_triangular(np.linalg.cholesky(draws @ draws.T), draws, lower=True, overwrite_b=True)


def share_inside(vectors, directions):
    """Return the share of each vector's energy that lies in the space of some directions.

    Parameters
    ----------
    vectors : real array (p,) or (n, p)
    directions : real array (k, p), orthogonal rows of length 1

    Returns
    -------
    float64 scalar or (n,), in [0, 1] up to rounding

    Raises
    ------
    UserError
        If a vector is 0, or if the directions are not orthogonal or not of length 1, to 1e-4.
    """
    vectors = checks.real_array("vectors", vectors).astype(float, copy=False)
    directions = checks.real_array("directions", directions, axes=2).astype(float, copy=False)
    if vectors.ndim not in (1, 2) or vectors.shape[-1] != directions.shape[1] or not vectors.size:
        raise UserError(f"vectors of shape {vectors.shape} and directions of shape {directions.shape}: expected the "
                        "same number of entries")
    with np.errstate(over="ignore", invalid="ignore"):
        error = np.abs(directions @ directions.T - np.eye(len(directions))).max(initial=0)
    if not error < 1e-4:
        raise UserError(f"inner products of {len(directions)} directions differ by {error:.2g} from those of "
                        "orthogonal directions of length 1: take them from leading_directions or from a QR")
    vectors, _ = _scaled(vectors)
    lengths = (vectors * vectors).sum(axis=-1)
    if not np.all(lengths):
        raise UserError("a vector is 0, or nearly so beside the largest: leave out vectors that vanish")
    return ((vectors @ directions.T)**2).sum(axis=-1) / lengths


# ---- checks and scales ------------------------------------------------------------------------------------

def _terms(name, values):
    """Return inputs or deltas as float64 (n, k, size)."""
    values = checks.real_array(name, values).astype(float, copy=False)
    if values.ndim not in (2, 3) or not values.size:
        raise UserError(f"{name} of shape {values.shape}: expected (samples, units) or (samples, terms, units), with "
                        "entries")
    return values if values.ndim == 3 else values[:, None]


def _checked_gram(gram):
    gram = checks.real_array("gram", gram, axes=2).astype(float, copy=False)
    if gram.shape[0] != gram.shape[1] or len(gram) < 2:
        raise UserError(f"gram of shape {gram.shape}: expected a square matrix of at least 2 x 2")
    scaled, _ = _scaled(gram)
    if np.diag(scaled).min() < 0 or np.abs(scaled - scaled.T).max() > 1e-6:
        raise UserError("gram is not symmetric, or an inner product of a vector with itself is negative: expected "
                        "inner products")
    return gram


def _scaled(values):
    """Return values over a power of two, which makes the largest magnitude about 1, and the power's exponent."""
    _, exponent = np.frexp(max(float(values.max()), -float(values.min())))
    return np.ldexp(values, -exponent), int(exponent)


def _unscaled(total, exponent):
    with np.errstate(over="ignore", under="ignore"):
        total = np.ldexp(total, exponent)
    if not np.isfinite(total).all():
        raise UserError("inner products are larger than the largest float: divide the gradients by a number first")
    return total
