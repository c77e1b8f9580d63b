"""What stands out among the matrices of a file: one verdict each, worst first.

The verdicts, in the order of how little of the matrix is in use:

- constant: all entries are equal, one number says it all. Mostly zeros: never trained, masked, or without a gradient.
- rank one: a column times a row, both of more than one entry. As weights a collapse; but the gradient of a single
  sample is always so.
- dead: a hundredth or more of the rows or of the columns are next to zero: units or inputs that nothing passes.
- duplicated: a hundredth or more of the rows or of the columns are another one times a number, or the whole matrix has
  the entries of an earlier one of the file, be it transposed, reshaped or in another order: tied on purpose, or copied
  by mistake.
- random: in effect, the entries are independent draws of a law that initialisers use (normal, uniform, or normal cut at
  two standard deviations), and no direction is stronger than in such draws. As weights, hardly moved by training; as
  a gradient, noise. Of fewer than 4,500 entries this cannot be told, and is never said.
- heavy-tailed: the magnitudes fall off slower than exponentially. Usual in trained weights and in gradients, so not
  bad in itself, but a few entries count for most: look before pruning, rounding or clipping. With room for chance in
  small matrices.
- plain: none of these.

In gradients of small batches through ReLU units dead and duplicated are usual: a unit that no sample makes active has a
row of zeros, and one that a single sample does has a row parallel to that of others.

The first that applies is the verdict; the row has the numbers behind all. Only the entries count: what rows and columns
stand for, and how good the net is, is not asked.
"""
import hashlib
from typing import NamedTuple

import numpy as np
from scipy import special
from scipy.sparse.linalg import LinearOperator, svds

from gradnets import arrays, tails

VERDICTS = ("constant", "rank one", "dead", "duplicated", "random", "heavy-tailed", "plain")  # worst first
RANK_ONE = 1.001       # stable rank up to which a matrix counts as of rank one
DEAD = 1e-3            # a row is dead if its largest entry is below this share of the median row's
DUPLICATE = 0.9999     # |cosine| from which two rows are one
SHARE = 0.01           # of rows or columns, from which dead or duplicated ones make the verdict
NEAR = 0.01            # KS distance that is none in effect; a test's p at millions of entries finds mere rounding
SPIKE = 1.05           # largest singular value over what chance makes of it that is none in effect
FOURTH = 0.05          # and so of the mean fourth power: a few huge entries
FEWEST = 4500          # entries, below which draws cannot be told from much else: 2 / √n is three times NEAR
SHORTEST = 8           # entries of a row, below which two may well be parallel by chance
HEAVY_KURTOSIS = 9.0   # excess kurtosis of magnitudes; an exponential law has 6, a normal one 0.87
HEAVY_BETA = 0.9       # exponent of their stretched exponential; an exponential law has 1, a normal one 1.4
SAMPLE = 100_000       # entries that a tail is fitted to, of larger matrices
QUANTILES = 100_000    # entries, evenly spaced in rank, at which the KS distance is taken
SKETCH = 16            # dimensions in which parallel rows are looked for
CHUNK = 2**22          # entries at a time, where copies are made

_INSIDE = 2 * special.ndtr(2) - 1  # share of a normal law within two standard deviations
_EDGE = np.exp(-2) / np.sqrt(2 * np.pi) / _INSIDE
_CUT = np.sqrt(1 - 4 * _EDGE)      # root mean square of what lies within
LAWS = {  # of zero mean and mean square 1: the chance of a magnitude of at least x, and the mean fourth power
    "normal": (lambda x: special.erfc(x / np.sqrt(2)), 3.0),
    "uniform": (lambda x: np.maximum(1 - x / np.sqrt(3), 0), 1.8),
    "truncated normal": (lambda x: np.maximum(1 - special.erf(x * _CUT / np.sqrt(2)) / _INSIDE, 0),
                         (3 - 28 * _EDGE) / _CUT**4),
}


class Layer(NamedTuple):
    """A described matrix: what is said of it, and what is drawn."""

    row: dict           # as `describe` says
    ccdf: tuple         # magnitudes, and the share of all entries that are at least so large: two float64 arrays
    tail: tuple | None  # xmin, name and parameters of the tail's best law, as `tails.survival` takes them


def survival(law, x):
    """Chance of a magnitude of at least x under one of LAWS, x in units of the root mean square: float64 of x's shape.
    """
    return LAWS[law][0](arrays.real("x", x).astype(float))


def table(matrices, replicates=100, seed=0):
    """The matrices of a file, each described, worst first.

    Parameters
    ----------
    matrices : iterable of (name, real array (n, m))
        As `tensors.matrices` yields them; one at a time is held.
    replicates, seed
        As `describe` takes them.

    Returns
    -------
    list of Layer
        The row of a matrix whose entries are those of an earlier one has its name as `copy_of`.

    Notes
    -----
    A copy is told by the SHA-256 of the sorted entries, so that its order is free. Matrices of fewer than 16 distinct
    entries, which may have the same by chance, are not compared.
    """
    found, first = [], {}
    for name, values in matrices:
        layer, print_ = _describe(name, values, replicates, seed)
        original = first.setdefault(print_, name) if print_ else name
        if original != name:
            layer.row["copy_of"] = original
            layer.row["verdict"] = min(layer.row["verdict"], "duplicated", key=VERDICTS.index)
            layer.row["why"] = _why(layer.row)
        found.append(layer)
    return sorted(found, key=lambda layer: badness(layer.row))


def badness(row):
    """What rows are sorted by, the worst first: the verdict, then how far it goes."""
    word = row["verdict"]
    lost = {"constant": row["entries"],
            "rank one": row["entries"],
            "dead": max(row.get("dead_rows", 0), row.get("dead_columns", 0)),
            "duplicated": max("copy_of" in row, row.get("duplicate_rows", 0), row.get("duplicate_columns", 0)),
            "random": -row.get("ks", 1)}
    return VERDICTS.index(word), -lost.get(word, -row.get("beta", np.inf))


def describe(name, values, replicates=100, seed=0):
    """One matrix by itself.

    Parameters
    ----------
    name : str
    values : real array (n, m)
        May be a memory map; C order is fastest.
    replicates : int, positive
        Of the bootstrap behind p.
    seed : int
        Of bootstrap, sample and projection.

    Returns
    -------
    Layer
        Its row is flat:

        - tensor, shape, verdict; std, the root mean square about zero; why, the numbers behind the verdict in words;
          entries; zeros, their share; skew and excess kurtosis of the magnitudes that are not zero.
        - near, ks: the law of LAWS that is nearest to the entries, at their own root mean square, and its
          Kolmogorov-Smirnov distance; fourth: their mean fourth power over that law's; spike: the largest singular
          value over std (√n + √m), about 1 for independent draws; stable_rank: the sum of the squared singular values
          over the largest of them.
        - dead_rows, dead_columns, duplicate_rows, duplicate_columns: shares. Rows and columns of a single entry are
          never dead, those of fewer than 8 are not compared.
        - sampled, xmin, tail, alpha, p, tail_law, top_90_percent, beta: as by `tails.describe`, of so many entries;
          where there is no tail, tail_law says why.

        A constant matrix has those up to zeros alone.

    Raises
    ------
    ValueError
        If values has not two axes, is empty, or holds NaN or infinities.

    Notes
    -----
    All entries count, but for the tail, which is that of at most 100,000 drawn at random: so p and the comparisons mean
    the same in every layer, whereas of 58 million entries they refuse any law. The KS distance is taken at 100,000
    quantiles, exact to 1e-5. What counts as random is judged by size, with room for chance: a KS distance of at most
    0.01 + 2 / √(n m), a fourth power within 0.05 + 12 / √(n m) of the law's, and a largest singular value of at most
    1.05 times the edge of independent draws (Johnstone 2001), four times its scale included. So small matrices would
    pass easily, of 1,000 entries at a KS distance of 0.07, and those of fewer than 4,500 are not asked.
    Parallel rows are looked for in a random projection to 16 dimensions, in blocks, and checked with all their entries.

    Memory: one sorted copy beside the matrix, O(n + m), and temporary copies of 4 million entries. A matrix of
    4096 x 14336 in float32 takes some 10 s and 0.8 GB on one core.
    """
    return _describe(name, values, replicates, seed)[0]


def _describe(name, values, replicates, seed):
    """A Layer, and the matrix's fingerprint or None."""
    values = np.asarray(values)
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "fiub":
        raise ValueError(f"{name} has shape {values.shape} and type {values.dtype}: expected a matrix of real numbers")
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    entries = np.sort(values, axis=None)
    entries += 0  # no -0.0, which has other bits
    if not np.isfinite(entries[[0, -1]]).all():  # NaN sorts last
        raise ValueError(f"{name} holds NaN or infinities: expected finite numbers")
    largest = float(np.abs(entries[[0, -1]]).max())
    row = {"tensor": name, "shape": " x ".join(map(str, values.shape)), "verdict": "constant", "std": largest,
           "why": f"every entry is {entries[0]:.3g}", "entries": values.size,
           "zeros": 1 - np.count_nonzero(entries) / values.size}
    if entries[0] == entries[-1]:
        return Layer(row, (np.array([largest]), np.array([1.0])), None), None

    rng = np.random.default_rng(seed)
    sums = _sums(values, largest)
    std = np.sqrt(sums["squares"].sum() / values.size) * largest
    row |= {"std": std} | _moments(entries, largest) | _nearest(entries, std)
    top = _largest_singular_value(values, largest, rng)
    row["spike"] = top / (std * np.sqrt(values.shape).sum())
    row["stable_rank"] = max(values.size * (std / top)**2, 1.0)
    for axis, lines, norms, heights in (("rows", values, sums["squares"], sums["row_heights"]),
                                        ("columns", values.T, sums["column_squares"], sums["column_heights"])):
        dead = heights < DEAD * _usual(heights) if lines.shape[1] > 1 else np.zeros(len(lines), bool)
        row[f"dead_{axis}"] = float(dead.mean())
        if lines.shape[1] >= SHORTEST:
            row[f"duplicate_{axis}"] = _parallel(lines, np.sqrt(norms), largest, ~dead, rng) / len(lines)
    tail, law = tails.describe(np.abs(entries if entries.size <= SAMPLE else
                                      entries[np.sort(rng.choice(entries.size, SAMPLE, replace=False))]),
                               replicates, rng)
    row |= {"sampled": tail["n"], **{key: tail[key] for key in ("xmin", "tail", "alpha", "p") if key in tail},
            "tail_law": tail["verdict"], **{key: tail[key] for key in ("top_90_percent", "beta") if key in tail}}
    row["verdict"] = _verdict(row, values.shape)
    row["why"] = _why(row)
    return Layer(row, _ccdf(entries, largest), law), _fingerprint(entries)


def _verdict(row, shape):
    """The first of VERDICTS that applies to a matrix that is not constant."""
    noise = 1 / np.sqrt(row["entries"])
    if row["stable_rank"] <= RANK_ONE and min(shape) > 1:
        return "rank one"
    if max(row["dead_rows"], row["dead_columns"]) >= SHARE:
        return "dead"
    if max(row.get("duplicate_rows", 0), row.get("duplicate_columns", 0)) >= SHARE:
        return "duplicated"
    if (row["entries"] >= FEWEST and row["ks"] <= NEAR + 2 * noise and abs(row["fourth"] - 1) <= FOURTH + 12 * noise
            and row["spike"] <= SPIKE * _edge(*shape)):
        return "random"
    heavy = (row["kurtosis"] > HEAVY_KURTOSIS * (1 + 12 * noise)
             or row.get("beta", 1.0) * (1 + 3 / np.sqrt(row["sampled"])) < HEAVY_BETA)
    return "heavy-tailed" if heavy else "plain"


def _why(row):
    """The numbers behind a verdict, in words; of a matrix that is not constant."""
    def share(kind):
        most = max(("rows", "columns"), key=lambda lines: row.get(f"{kind}_{lines}", 0))
        return f"{100 * row[f'{kind}_{most}']:.3g} % of {most}"

    if row["verdict"] == "dead":
        return share("dead")
    if row["verdict"] == "duplicated":
        return f"entries of {row['copy_of']}" if "copy_of" in row else share("duplicate")
    if row["verdict"] == "heavy-tailed":
        return f"kurtosis {row['kurtosis']:.0f}" + (f", beta {row['beta']:.2g}" if "beta" in row else "")
    if row["verdict"] == "rank one":
        return f"spike {row['spike']:.2g}"
    few = "too few to tell an init: " if row["verdict"] == "plain" and row["entries"] < FEWEST else ""
    return f"{few}KS {row['ks']:.2g} from {row['near']}, spike {row['spike']:.2g}"


def _usual(heights):
    """What the largest entry of a row usually is: the median, or where most rows are next to zero, that of the rest."""
    median, high = np.quantile(heights[heights > 0], (0.5, 0.98))
    return high if median < DEAD * high else median


# ---- sums, moments, laws ----------------------------------------------------------------------------------

def _sums(values, largest):
    """Of entries over the largest: each row's and column's sum of squares; and each one's largest magnitude."""
    rows, columns = values.shape
    found = {"squares": np.empty(rows), "row_heights": np.empty(rows),
             "column_squares": np.zeros(columns), "column_heights": np.zeros(columns)}
    step = max(CHUNK // columns, 1)
    for start in range(0, rows, step):
        some = slice(start, start + step)
        part = np.abs(values[some])
        found["row_heights"][some] = part.max(axis=1)
        np.maximum(found["column_heights"], part.max(axis=0), out=found["column_heights"])
        part = part.astype(np.float64) / largest  # squares of tiny gradients would underflow
        part *= part
        found["squares"][some] = part.sum(axis=1)
        found["column_squares"] += part.sum(axis=0)
    return found


def _moments(entries, largest):
    """Skew and excess kurtosis of the magnitudes that are not zero, as `metrics.moments` has them, chunk by chunk."""
    def magnitudes():
        for start in range(0, len(entries), CHUNK):
            part = np.abs(entries[start:start + CHUNK]).astype(np.float64) / largest
            yield part[part > 0]

    count, total = np.sum([(part.size, part.sum()) for part in magnitudes()], axis=0)
    powers = np.zeros(3)
    for part in magnitudes():
        part -= total / count
        square = part * part
        powers += square.sum(), square @ part, square @ square
    second, third, fourth = powers / count
    if second < np.finfo(float).eps**2:  # plus and minus one number
        return {"skew": np.nan, "kurtosis": np.nan}
    return {"skew": third / second**1.5, "kurtosis": fourth / second**2 - 3}


def _nearest(entries, std):
    """The law of LAWS nearest to the sorted entries, its KS distance, and the fourth power over its own."""
    n = len(entries)
    ranks = np.unique(np.linspace(0, n - 1, min(n, QUANTILES)).astype(np.int64))
    x = entries[ranks].astype(np.float64) / std
    distances = {}
    for law in LAWS:
        below = 0.5 + np.sign(x) * (1 - survival(law, np.abs(x))) / 2
        distances[law] = float(max((below - ranks / n).max(), ((ranks + 1) / n - below).max()))
    near = min(distances, key=distances.get)
    fourth = 0.0
    for start in range(0, n, CHUNK):
        square = (entries[start:start + CHUNK].astype(np.float64) / std)**2
        fourth += square @ square / n
    return {"near": near, "ks": distances[near], "fourth": float(fourth / LAWS[near][1])}


def _ccdf(entries, largest, points=400):
    """Share of entries whose magnitude is at least x, at x evenly spaced in the logarithm, over six decades at most."""
    x = np.geomspace(1e-6, 1, points) * largest
    x[-1] = largest
    x = x.astype(entries.dtype)  # else the largest entry might be just below its own rounding
    above = len(entries) - np.searchsorted(entries, x, "left") + np.searchsorted(entries, -x, "right")
    return x.astype(np.float64), above / len(entries)


def _fingerprint(entries):
    """A digest that matrices of the same entries share in whatever order, or None of those that may by chance."""
    spread = np.linspace(0, len(entries) - 1, min(len(entries), QUANTILES)).astype(np.int64)
    return hashlib.sha256(entries.data).hexdigest() if len(np.unique(entries[spread])) >= 16 else None


# ---- directions -------------------------------------------------------------------------------------------

def _largest_singular_value(values, largest, rng):
    """To a relative 1e-3: by LAPACK of up to 500 x 500 entries, above by Lanczos, which needs products alone."""
    if values.size <= 250_000 or min(values.shape) < 10:
        square = values.astype(np.float64) / largest
        square = square @ square.T if len(square) < square.shape[1] else square.T @ square
        return float(np.sqrt(np.linalg.eigvalsh(square)[-1])) * largest

    half = np.sqrt(largest)  # before and after: nothing in between under- or overflows

    def product(matrix):  # in the matrix's own precision: another would copy it at each step
        return lambda x: (matrix @ (x.ravel() / half).astype(values.dtype)) / half

    scaled = LinearOperator(values.shape, matvec=product(values), rmatvec=product(values.T), dtype=np.float64)
    top = svds(scaled, k=1, tol=1e-3, v0=rng.standard_normal(min(values.shape)), return_singular_vectors=False)
    return float(top[0]) * largest


def _edge(rows, columns):
    """How large the largest singular value of independent draws gets, over std (√n + √m).

    The mean of its square and its scale are those of Johnstone (2001, theorem 1.1), of which four are added: beyond
    lies less than a thousandth of the Tracy-Widom law. For large matrices this is 1.
    """
    n, m = sorted((rows, columns))
    sides = np.sqrt(m - 1) + np.sqrt(n)
    scale = sides * (1 / np.sqrt(max(m - 1, 1)) + 1 / np.sqrt(n))**(1 / 3)
    return np.sqrt(sides**2 + 4 * scale) / (np.sqrt(n) + np.sqrt(m))


def _parallel(lines, norms, largest, alive, rng):
    """How many of the live rows are another one times a number; norms are in units of the largest entry.

    Two parallel rows, divided by their norms, lie close in any projection, up to sign. The rows are sorted by the
    magnitude of the first coordinate, and each block of them is compared with those near in it.
    """
    alive = np.flatnonzero(alive)
    half = np.sqrt(largest)  # as above
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
        cosines[np.arange(stop - start), np.arange(start, stop) - low] = 0  # itself
        nearest = cosines.argmax(axis=1)
        close = cosines[np.arange(stop - start), nearest] > 0.99
        twin[start:stop][close] = low + nearest[close]
        start = stop
    looked = np.flatnonzero(twin >= 0)
    found = 0
    for some in np.array_split(looked, max(len(looked) * lines.shape[1] // CHUNK, 1)):
        one, other = (lines[rows].astype(np.float64) / largest / norms[rows, None]
                      for rows in (alive[some], alive[twin[some]]))
        found += np.count_nonzero(np.abs(np.einsum("ij,ij->i", one, other)) >= DUPLICATE)
    return found
