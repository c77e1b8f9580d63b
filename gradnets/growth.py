"""Does the change of a weight grow with its size? The exponent of that law, and the controls that it needs.

In a matrix of weights some rows and columns are large as a whole and move much as a whole: bright inputs, active units.
Then the change of a weight goes with its size although it does not depend on it. So sizes and changes are also compared
without the effects of rows and columns, with a null model that keeps only these effects, and by an intervention.
"""
import numpy as np

from gradnets import checks, streams
from gradnets.errors import NoResult, UserError

BINS = 18         # bins of a curve, with equal numbers of sizes
SMALLEST = 0.1    # share of the sizes, the smallest ones, that a curve leaves out: near zero a size says little
ROUNDS = 1000     # largest number of rounds in which rows and columns are divided by their means
LARGEST = 1e300   # size from which on an effect may be infinite
TOLERANCE = 1e-9  # largest distance of a row's or a column's mean from 1 after the last round


class NoExponent(NoResult):
    """Sizes or changes that no exponent can be fitted to, such as changes that are all zero."""


# ---- the exponent -----------------------------------------------------------------------------------------

def curve(sizes, values, bins=BINS, smallest=SMALLEST):
    """Return the mean of values in bins of rising size.

    Parameters
    ----------
    sizes : real array, any shape, not negative
        Absolute weights. Sizes of zero, such as those of pruned weights, are left out.
    values : real array of the same shape
        What is averaged, such as absolute changes.
    bins : int, positive
        Number of bins, whose edges are quantiles of the sizes. A bin that ties leave empty has no column in the result.
    smallest : float in [0, 1)
        Share of the sizes that is left out, the smallest ones.

    Returns
    -------
    float64 (2, bins)
        The mean size and the mean value in each bin.

    Raises
    ------
    NoExponent
        If all sizes are zero.
    UserError
        If an argument is another one than these.
    """
    sizes, values = _pair(sizes, values)
    checks.positive_integers(bins=bins)
    if not 0 <= smallest < 1:
        raise UserError(f"smallest is {smallest!r}: expected a share of at least 0 and below 1")
    if not sizes.any():
        raise NoExponent(f"all {sizes.size} sizes are zero: expected weights that differ from zero")
    sizes, values = sizes[sizes > 0], values[sizes > 0]
    edges = np.quantile(sizes, np.linspace(smallest, 1, bins + 1))
    sizes, values = sizes[sizes >= edges[0]], values[sizes >= edges[0]]
    places = np.searchsorted(edges[1:-1], sizes)
    counts = np.bincount(places, minlength=bins)
    filled = counts > 0
    return np.array([_means(numbers, places, counts)[filled] for numbers in (sizes, values)])


def exponent(sizes, changes, bins=BINS, smallest=SMALLEST):
    """Return the exponent gamma of mean change ~ size^gamma: the least-squares slope of `curve` in logarithms.

    0 means that changes do not depend on size. 1 means that they are proportional to it.

    Parameters
    ----------
    sizes, changes : real arrays of one shape, not negative
        Absolute weights, and the absolute changes that follow.
    bins, smallest
        As for `curve`.

    Returns
    -------
    float

    Raises
    ------
    NoExponent
        If fewer than three bins have a size, or if a bin has no change.
    UserError
        If an argument is another one than these.
    """
    changes = _absolute("changes", changes)
    mean_sizes, mean_changes = curve(sizes, changes, bins, smallest)
    if len(mean_sizes) < 3 or not mean_changes.all():
        raise NoExponent(f"{len(mean_sizes)} of {bins} bins have a size, {np.count_nonzero(mean_changes)} a change: "
                         "expected three or more, each with a change")
    x, y = np.log(mean_sizes), np.log(mean_changes)
    x -= x.mean()
    return float(x @ (y - y.mean()) / (x @ x))


def intervention_exponent(changes, changes_after, enlarged, ratio):
    """Return the exponent by which an intervention on sizes moves the changes that follow.

    Some weights are enlarged and all others are shrunk, and the same training continues from both states. If a change
    is proportional to size^gamma times anything else of its weight, the result is gamma.

    Parameters
    ----------
    changes : real array (n, m), not negative
        Absolute changes that follow without the intervention.
    changes_after : real array (n, m), not negative
        Absolute changes that follow after it.
    enlarged : bool array (n, m)
        Which weights were enlarged.
    ratio : float above 1
        The factor of the enlarged weights over that of the others.

    Returns
    -------
    float

    Raises
    ------
    NoExponent
        If the enlarged weights, or the others, do not change.
    UserError
        If an argument is another one than these.
    """
    changes = _absolute("changes", changes, axes=2)
    changes_after = _absolute("changes_after", changes_after, axes=2)
    enlarged = checks.bool_matrix("enlarged", enlarged)
    if not changes.shape == changes_after.shape == enlarged.shape:
        raise UserError(f"changes {changes.shape}, changes_after {changes_after.shape}, enlarged {enlarged.shape}: "
                        "expected one shape")
    if not 1 < ratio < np.inf:
        raise UserError(f"ratio is {ratio!r}: expected a finite number above 1")
    places = enlarged.ravel().astype(int)
    counts = np.bincount(places, minlength=2)
    if not counts.all():
        raise NoExponent(f"{counts[1]} of {enlarged.size} weights are enlarged: expected some, and not all")
    shrunk, grown = np.array([_means(numbers.ravel(), places, counts) for numbers in (changes, changes_after)]).T
    if not (shrunk.all() and grown.all()):
        raise NoExponent("the enlarged weights or the others do not change: take a longer window")
    before, after = np.log(grown) - np.log(shrunk)
    return float((after - before) / np.log(ratio))


# ---- effects of rows and columns --------------------------------------------------------------------------

def split_effects(sizes):
    """Split a matrix into effects of its rows, effects of its columns, and a rest whose rows and columns have mean 1.

    Parameters
    ----------
    sizes : real array (n, m), not negative
        Each row and each column has a positive value.

    Returns
    -------
    rows : float64 (n,)
    columns : float64 (m,)
        Their mean is 1.
    rest : float64 (n, m)
        sizes[i, j] = rows[i] columns[j] rest[i, j]. There is at most one such matrix (Sinkhorn 1964).

    Raises
    ------
    NoExponent
        If a row or a column is zero everywhere, or if zeros leave no such matrix.
    UserError
        If the sizes are no matrix of numbers from 0 to 1e300.

    Notes
    -----
    Rows and columns are divided by their means in turn, in O(n m) per round. Matrices of weights take some ten rounds.
    """
    sizes = _absolute("sizes", sizes, axes=2)
    for axis, name in enumerate(("column", "row")):
        empty = np.flatnonzero(~sizes.any(axis=axis))
        if len(empty):
            raise NoExponent(f"{len(empty)} of {sizes.shape[1 - axis]} {name}s are zero everywhere, the first is "
                             f"{name} {empty[0]}: leave them out")
    largest = sizes.max()
    if largest > LARGEST:
        raise UserError(f"sizes: the largest is {largest:.6g}, expected at most {LARGEST:g}: divide them by it first")
    rest = sizes / largest  # sums of the largest floats stay finite
    rows, columns = np.ones(rest.shape[0]), np.ones(rest.shape[1])
    for _ in range(ROUNDS):
        row_means = rest.mean(axis=1)
        rest /= row_means[:, None]
        column_means = rest.mean(axis=0)
        rest /= column_means
        rows *= row_means
        columns *= column_means
        if np.abs(column_means - 1).max() < TOLERANCE:
            scale = columns.mean()
            return rows * scale * largest, columns / scale, rest
    raise NoExponent(f"rows and columns of the matrix {sizes.shape} do not reach the mean 1 together: "
                     f"{np.count_nonzero(sizes == 0)} of its sizes are zero, leave out rows that have many")


def same_effects(sizes, seed=0):
    """Draw a null model of sizes: the effects of rows and columns stay, and the rest is shuffled.

    Parameters
    ----------
    sizes : real array (n, m), not negative
        As `split_effects` takes it.
    seed : int, not negative, or numpy.random.Generator

    Returns
    -------
    float64 (n, m)

    Raises
    ------
    NoExponent, UserError
        As `split_effects` does.
    """
    rows, columns, rest = split_effects(sizes)
    shuffled = streams.plain_generator(seed).permutation(rest.ravel()).reshape(rest.shape)
    return rows[:, None] * (columns * shuffled)


# ---- small parts ------------------------------------------------------------------------------------------

def _absolute(name, values, axes=None):
    values = checks.real_array(name, values, axes)
    if values.min() < 0:
        raise UserError(f"{name}: the smallest is {values.min():.6g}, expected absolute values")
    return values.astype(float)


def _pair(sizes, values):
    """Return sizes and values as float64 (n,)."""
    sizes, values = _absolute("sizes", sizes), checks.real_array("values", values).astype(float)
    if sizes.shape != values.shape:
        raise UserError(f"sizes {sizes.shape} and values {values.shape}: expected one shape")
    return sizes.ravel(), values.ravel()


def _means(numbers, places, counts):
    """Return the mean of the numbers at each place, float64 (places,); 0 where there are none."""
    scale = np.abs(numbers).max() or 1.0  # sums of the largest floats stay finite
    return scale * (np.bincount(places, numbers / scale, minlength=len(counts)) / np.maximum(counts, 1))
