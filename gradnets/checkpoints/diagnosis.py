"""Diagnose the matrices of a file: one verdict each, the worst first.

The verdicts, from the least used matrix to a sound one:

- constant: all entries are equal, so that one number describes them. Most are zero: never trained, masked, or without
  a gradient.
- rank one: a column times a row, both with more than one entry. In weights this is a collapse; the gradient of a
  single sample always has rank one.
- dead: a hundredth or more of the rows or of the columns are next to zero: units or inputs that pass nothing on.
- duplicated: a hundredth or more of the rows or of the columns equal another one times a number, or the matrix has the
  entries of an earlier one of the file, even transposed, reshaped or in another order: tied on purpose, or copied by
  mistake.
- random: the entries look like independent draws from a law of initialisation (normal, uniform, or normal cut at two
  standard deviations), and no direction is stronger than in such draws. Training has hardly moved such weights; such
  a gradient is noise. Fewer than 4,500 entries cannot show this, and never get this verdict.
- heavy-tailed: the magnitudes fall off more slowly than exponentially. Their kurtosis says so, which depends on the
  few largest entries, or the exponent of their stretched exponential, which depends on nearly all of them; or both do.
  This is usual in trained weights and in gradients, and no fault, but a few entries count for most: look before
  pruning, rounding or clipping. Small matrices get room for chance.
- plain: none of these.

Dead and duplicated rows are usual in gradients of small batches through ReLU units: a unit that no sample makes active
has a row of zeros, and a unit that a single sample makes active has a row parallel to the rows of others.

The first verdict that applies is given; the row has the numbers behind all of them. Only the entries count: the
diagnosis does not know what rows and columns stand for, or how good the net is.
"""
from typing import NamedTuple

import numpy as np

from gradnets import sorting, tails
from gradnets.checkpoints import directions, distribution
from gradnets.errors import UserError

VERDICTS = ("constant", "rank one", "dead", "duplicated", "random", "heavy-tailed", "plain")  # worst first
RANK_ONE = 1.001       # stable rank up to which a matrix counts as of rank one
DEAD = 1e-3            # a row is dead if its largest entry is below this share of the median row's
SHARE = 0.01           # share of rows or columns from which dead or duplicated ones make the verdict
NEAR = 0.01            # KS distance that counts as none; a p-value of millions of entries notices mere rounding
SPIKE = 1.05           # ratio of the largest singular value to its edge under chance that counts as none
FOURTH = 0.05          # deviation of the mean fourth power that counts as none; above it a few entries are huge
FEWEST = 4500          # entries below which draws cannot be told from much else: 2 / √n is three times NEAR
SHORTEST = 8           # entries of a row, below which two rows may well be parallel by chance
HEAVY_KURTOSIS = 9.0   # excess kurtosis of magnitudes; an exponential law has 6, a normal one 0.87
HEAVY_BETA = 0.9       # exponent of their stretched exponential; an exponential law has 1, a normal one 1.4
SAMPLE = 100_000       # entries that a tail is fitted to, in larger matrices


class Layer(NamedTuple):
    """The diagnosis of one matrix: its row, and the curves to draw."""

    row: dict           # as `describe` documents
    ccdf: tuple         # magnitudes, and the share of entries that are at least so large: two float64 arrays
    tail: tuple | None  # xmin, name and parameters of the tail's best law, as `tails.survival` takes them


def table(matrices, replicates=100, seed=0):
    """Diagnose the matrices of a file, the worst first.

    Parameters
    ----------
    matrices : iterable of (name, real array (n, m))
        As `checkpoints.matrices` yields them; one is held at a time.
    replicates, seed
        As `describe` takes them.

    Returns
    -------
    list of Layer
        The row of a matrix with the entries of an earlier one has the name of that one as `copy_of`.

    Notes
    -----
    Copies are recognised by the SHA-256 of the sorted entries, so that their order is free. Matrices with fewer than 16
    distinct entries, which may agree by chance, are not compared.
    """
    layers, first = [], {}
    for name, values in matrices:
        layer, digest = _describe(name, values, replicates, seed)
        original = first.setdefault(digest, name) if digest else name
        if original != name:
            layer.row["copy_of"] = original
            layer.row["verdict"] = min(layer.row["verdict"], "duplicated", key=VERDICTS.index)
            layer.row.pop("heavy_by", None)
            layer.row["why"] = _why(layer.row)
        layers.append(layer)
    return sorted(layers, key=lambda layer: badness(layer.row))


def badness(row):
    """Return the key that sorts rows, the worst first: by verdict, then by how far the fault goes."""
    verdict = row["verdict"]
    extent = {"constant": row["entries"],
              "rank one": row["entries"],
              "dead": max(row.get("dead_rows", 0), row.get("dead_columns", 0)),
              "duplicated": max("copy_of" in row, row.get("duplicate_rows", 0), row.get("duplicate_columns", 0)),
              "random": -row.get("ks", 1)}
    return VERDICTS.index(verdict), -extent.get(verdict, -row.get("beta", np.inf))


def describe(name, values, replicates=100, seed=0):
    """Diagnose one matrix.

    Parameters
    ----------
    name : str
    values : real array (n, m)
        May be a memory map; C order is fastest.
    replicates : int, positive
        Number of bootstrap replicates behind p.
    seed : int, not negative
        Seed of bootstrap, sample and projection.

    Returns
    -------
    Layer
        Its row is flat:

        - tensor, shape, verdict; std, the root mean square about zero; why, the numbers behind the verdict in words;
          heavy_by, what makes a matrix heavy-tailed: "kurtosis", "exponent" or "kurtosis and exponent"; entries,
          their number; zeros, their share; skew and excess kurtosis of the magnitudes above 0.
        - near, ks: the law of `distribution.LAWS` nearest to the entries, at their own root mean square, and its
          Kolmogorov-Smirnov distance; fourth: their mean fourth power over the one of that law; spike: the largest
          singular value over std (√n + √m), about 1 for independent draws; stable_rank: the sum of the squared
          singular values over the largest of them.
        - dead_rows, dead_columns, duplicate_rows, duplicate_columns: shares. Rows and columns of a single entry are
          never dead, and those of fewer than 8 entries are not compared.
        - sampled, the number of entries that the tail was fitted to; xmin, tail, alpha, p, tail_law, top_90_percent
          and beta, as by `tails.describe`; without a tail, tail_law says why.

        A constant matrix has only the columns up to zeros.

    Raises
    ------
    UserError
        Unless values has two axes and at least one entry, all of them finite.

    Notes
    -----
    All entries count, except for the tail, which is fitted to at most 100,000 entries drawn at random: so p and the
    comparisons mean the same in every layer, whereas 58 million entries rule out any law. The KS distance is taken at
    100,000 quantiles, exact to 1e-5. The limits of the verdict random leave room for chance by size: a KS distance of
    at most 0.01 + 2 / √(n m), a fourth power within 0.05 + 12 / √(n m) of the law's, and a largest singular value of at
    most 1.05 times the edge of independent draws (Johnstone 2001), four times its scale included. Small matrices would
    pass easily (1,000 entries at a KS distance of 0.07), so those with fewer than 4,500 entries are excluded. Parallel
    rows are searched in a random projection to 16 dimensions, in blocks, and checked with all their entries.

    Memory: one sorted copy beside the matrix, O(n + m), and temporary copies of 4 million entries. A matrix of
    4096 x 14336 in float32 takes some 4 s and 0.9 GB on one core.
    """
    return _describe(name, values, replicates, seed)[0]


def _describe(name, values, replicates, seed):
    """Return a Layer, and the fingerprint of the matrix or None."""
    values = np.asarray(values)
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "fiub":
        raise UserError(f"{name} has shape {values.shape} and type {values.dtype}: expected a matrix of real numbers")
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    entries = sorting.sorted_floats(values)
    entries += 0  # turns -0.0, which has other bits, into 0.0
    if not np.isfinite(entries[[0, -1]]).all():  # NaN sorts last
        raise UserError(f"{name} holds NaN or infinities: expected finite numbers")
    largest = float(np.abs(entries[[0, -1]]).max())
    row = {"tensor": name, "shape": " x ".join(map(str, values.shape)), "verdict": "constant", "std": largest,
           "why": f"every entry is {entries[0]:.3g}", "entries": values.size,
           "zeros": 1 - np.count_nonzero(entries) / values.size}
    if entries[0] == entries[-1]:
        return Layer(row, (np.array([largest]), np.array([1.0])), None), None

    rng = np.random.default_rng(seed)
    sums = distribution.sums(values, largest)
    std = np.sqrt(sums["row_squares"].sum() / values.size) * largest
    row |= {"std": std} | distribution.moments(entries, largest) | distribution.nearest_law(entries, std)
    top = directions.largest_singular_value(values, largest, rng)
    row["spike"] = top / (std * np.sqrt(values.shape).sum())
    row["stable_rank"] = max(values.size * (std / top)**2, 1.0)
    for axis, lines in (("row", values), ("column", values.T)):
        heights, norms = sums[f"{axis}_heights"], np.sqrt(sums[f"{axis}_squares"])
        dead = heights < DEAD * _usual(heights) if lines.shape[1] > 1 else np.zeros(len(lines), bool)
        row[f"dead_{axis}s"] = float(dead.mean())
        if lines.shape[1] >= SHORTEST:
            row[f"duplicate_{axis}s"] = directions.count_parallel(lines, norms, largest, ~dead, rng) / len(lines)
    tail, law = tails.describe(np.abs(entries if entries.size <= SAMPLE else
                                      entries[np.sort(rng.choice(entries.size, SAMPLE, replace=False))]),
                               replicates, rng)
    row |= {"sampled": tail["n"], **{key: tail[key] for key in ("xmin", "tail", "alpha", "p") if key in tail},
            "tail_law": tail["verdict"], **{key: tail[key] for key in ("top_90_percent", "beta") if key in tail}}
    row["verdict"] = _verdict(row, values.shape)
    if row["verdict"] == "heavy-tailed":
        row["heavy_by"] = _heavy_by(row)
    row["why"] = _why(row)
    return Layer(row, distribution.ccdf(entries, largest), law), distribution.fingerprint(entries)


def _verdict(row, shape):
    """Return the first of VERDICTS that applies to a matrix that is not constant."""
    noise = 1 / np.sqrt(row["entries"])
    if row["stable_rank"] <= RANK_ONE and min(shape) > 1:
        return "rank one"
    if max(row["dead_rows"], row["dead_columns"]) >= SHARE:
        return "dead"
    if max(row.get("duplicate_rows", 0), row.get("duplicate_columns", 0)) >= SHARE:
        return "duplicated"
    if (row["entries"] >= FEWEST and row["ks"] <= NEAR + 2 * noise and abs(row["fourth"] - 1) <= FOURTH + 12 * noise
            and row["spike"] <= SPIKE * directions.noise_edge(*shape)):
        return "random"
    return "heavy-tailed" if _heavy_by(row) else "plain"


def heavy_limits(row):
    """Return the kurtosis above which, and the exponent beta below which the tail of a matrix is heavy.

    Small matrices get room for chance. The dict of a constant matrix, whose row has no such numbers, is empty.
    """
    if "sampled" not in row:
        return {}
    return {"kurtosis": HEAVY_KURTOSIS * (1 + 12 / np.sqrt(row["entries"])),
            "beta": HEAVY_BETA / (1 + 3 / np.sqrt(row["sampled"]))}


def _heavy_by(row):
    """Return which numbers of a row are those of heavy tails, in words; an empty string if none is."""
    limits = heavy_limits(row)
    is_heavy = {"kurtosis": row["kurtosis"] > limits["kurtosis"], "exponent": row.get("beta", 1.0) < limits["beta"]}
    return " and ".join(name for name, heavy in is_heavy.items() if heavy)


def _why(row):
    """Return in words the numbers behind the verdict on a matrix that is not constant."""
    def share(kind):
        most = max(("rows", "columns"), key=lambda lines: row.get(f"{kind}_{lines}", 0))
        return f"{100 * row[f'{kind}_{most}']:.3g} % of {most}"

    if row["verdict"] == "dead":
        return share("dead")
    if row["verdict"] == "duplicated":
        return f"same entries as {row['copy_of']}" if "copy_of" in row else share("duplicate")
    if row["verdict"] == "heavy-tailed":
        words = {"kurtosis": f"{row['kurtosis']:.0f}", "exponent": _beta_in_words(row.get("beta", 1.0))}
        return ", ".join(f"{number} {words[number]}" for number in row["heavy_by"].split(" and "))
    if row["verdict"] == "rank one":
        return f"spike {row['spike']:.2g}"
    few = "too few to tell an init: " if row["verdict"] == "plain" and row["entries"] < FEWEST else ""
    return f"{few}KS {row['ks']:.2g} from {row['near']}, spike {row['spike']:.2g}"


def _beta_in_words(beta):
    """Return an exponent in words; one at a limit of the search says little of the law."""
    low, high = tails.BETAS
    return f"at most {low}" if beta < 1.01 * low else f"at least {high:g}" if beta > 0.99 * high else f"{beta:.2g}"


def _usual(heights):
    """Return the usual largest entry of a row: the median, or a high quantile if most rows are next to zero."""
    median, high = np.quantile(heights[heights > 0], (0.5, 0.98))
    return high if median < DEAD * high else median
