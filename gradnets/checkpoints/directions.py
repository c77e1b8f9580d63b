"""Measure the directions of a matrix: its largest singular value, and rows that are parallel."""
import numpy as np
from scipy.linalg import eigh_tridiagonal

DUPLICATE = 0.9999  # |cosine| from which two rows count as parallel
SKETCH = 16         # dimensions in which parallel rows are searched
BLOCK = 2**22       # entries at a time, where copies are made
CACHED = 2**20      # entries of a block of rows that is read once for two products
RESIDUAL = 2e-3     # of the squared largest singular value, at which the iteration stops
MOST_STEPS = 300    # of the iteration; independent draws take some 60


def largest_singular_value(values, largest, rng):
    """Return the largest singular value of a matrix, to a relative 1e-3.

    Parameters
    ----------
    values : float32 or float64 array (n, m)
    largest : float
        Its largest magnitude.
    rng : numpy.random.Generator
        Draws the start of the Lanczos iteration, for more than 500 x 500 entries. LAPACK takes smaller matrices.

    Notes
    -----
    Lanczos on A'A with all vectors kept orthogonal, which reads the matrix once a step, in blocks of rows.
    """
    if values.size <= 250_000 or min(values.shape) < 10:
        square = values.astype(np.float64) / largest
        square = square @ square.T if len(square) < square.shape[1] else square.T @ square
        return float(np.sqrt(np.linalg.eigvalsh(square)[-1])) * largest

    basis = np.empty((min(MOST_STEPS, *values.shape), values.shape[1]))  # of the Krylov space
    diagonal, beside = [], []
    vector = rng.standard_normal(values.shape[1])
    norm = np.linalg.norm(vector)
    for step in range(len(basis)):
        basis[step] = vector / norm
        vector = _square_product(values, basis[step], largest)
        diagonal.append(vector @ basis[step])
        for _ in range(2):  # once leaves what rounding brings back
            vector -= (basis[:step + 1] @ vector) @ basis[:step + 1]
        norm = np.linalg.norm(vector)
        squares, vectors = eigh_tridiagonal(diagonal, beside, select="i", select_range=(step, step))
        if norm * abs(vectors[-1, 0]) <= RESIDUAL * squares[0]:
            break
        beside.append(norm)
    return float(np.sqrt(squares[0])) * largest


def _square_product(values, vector, largest):
    """Return A'A x for the matrix A, divided by its largest magnitude, float64; each block of rows is read once."""
    half = np.sqrt(largest)  # divided by before and after each product, so that nothing under- or overflows
    total = np.zeros(len(vector))
    right = (vector / half).astype(values.dtype)  # in the precision of the matrix, since another one would copy it
    rows = max(CACHED // values.shape[1], 1)
    for start in range(0, len(values), rows):
        block = values[start:start + rows]
        total += ((block @ right / half / half).astype(values.dtype) @ block).astype(np.float64)
    return total / half


def noise_edge(rows, columns):
    """Return how large the largest singular value of independent draws becomes, divided by std (√n + √m).

    The mean and the scale of its square are those of Johnstone (2001, theorem 1.1), and four scales are added: less
    than a thousandth of the Tracy-Widom law lies beyond. For large matrices the edge is 1.
    """
    n, m = sorted((rows, columns))
    sides = np.sqrt(m - 1) + np.sqrt(n)
    scale = sides * (1 / np.sqrt(max(m - 1, 1)) + 1 / np.sqrt(n))**(1 / 3)
    return np.sqrt(sides**2 + 4 * scale) / (np.sqrt(n) + np.sqrt(m))


def count_parallel(lines, norms, largest, alive, rng):
    """Count the rows that equal another row times a number.

    Parameters
    ----------
    lines : float32 or float64 array (n, m)
    norms : float64 array (n,)
        Euclidean norms of the rows, in units of the largest entry.
    largest : float
        Largest magnitude.
    alive : bool array (n,)
        The rows to compare.
    rng : numpy.random.Generator

    Returns
    -------
    int

    Notes
    -----
    Two parallel rows, divided by their norms, lie close together in any random projection, up to sign. The rows are
    sorted by the magnitude of the first coordinate, each block of them is compared with rows near in this order, and
    each candidate pair is checked with all its entries.
    """
    alive = np.flatnonzero(alive)
    half = np.sqrt(largest)  # as in largest_singular_value
    sketch = lines @ (rng.standard_normal((lines.shape[1], SKETCH)) / half).astype(lines.dtype)
    sketch = sketch[alive] / half / norms[alive, None]
    order = np.argsort(np.abs(sketch[:, 0]), kind="stable")
    alive, sketch = alive[order], sketch[order]
    first = np.abs(sketch[:, 0])
    sketch /= np.linalg.norm(sketch, axis=1, keepdims=True)
    twin = np.full(len(alive), -1)
    reach = 5 * np.sqrt(2 * (1 - DUPLICATE))  # first coordinates of parallel rows differ by a fifth of this, as a rule
    start = 0
    while start < len(alive):
        low = np.searchsorted(first, first[start] - reach)
        stop = min(start + 256, len(alive))
        high = np.searchsorted(first, first[stop - 1] + reach, "right")
        cosines = np.abs(sketch[start:stop] @ sketch[low:high].T)
        cosines[np.arange(stop - start), np.arange(start, stop) - low] = 0  # of a row with itself
        nearest = cosines.argmax(axis=1)
        close = cosines[np.arange(stop - start), nearest] > 0.99
        twin[start:stop][close] = low + nearest[close]
        start = stop
    candidates = np.flatnonzero(twin >= 0)
    count = 0
    for chosen in np.array_split(candidates, max(len(candidates) * lines.shape[1] // BLOCK, 1)):
        left, right = (lines[rows].astype(np.float64) / largest / norms[rows, None]
                       for rows in (alive[chosen], alive[twin[chosen]]))
        count += np.count_nonzero(np.abs(np.einsum("ij,ij->i", left, right)) >= DUPLICATE)
    return count
