"""A matrix becomes a network: normalise, sample or threshold, merge the layers or keep them, take it away.

Matrices of float16 and float32 are worked on in float32, which is exact but for the division by the largest entry,
and takes half the memory; all others in float64.
"""
import numpy as np
from numba import njit

from gradnets import checks
from gradnets.errors import NoResult, UserError

LAYERS = ("merged", "bipartite")


class DegenerateMatrix(NoResult):
    """A matrix that cannot be normalised: empty, not finite, or zero everywhere."""


def probabilities(matrix):
    """|matrix| over its largest entry: the chance of each link.

    Parameters
    ----------
    matrix : real array (n, m)
        Usually a gradient; its unit drops out.

    Returns
    -------
    float array (n, m), in [0, 1], its largest entry 1
        float32 where the matrix is float16 or float32, else float64.

    Raises
    ------
    DegenerateMatrix
        If it has no entry, holds NaN or infinity, or is zero everywhere.
    """
    chances, largest = _magnitudes(matrix)
    chances /= largest
    return chances


def sample(probabilities, rng):
    """Draw one network: keep link (i, j) with probability probabilities[i, j].

    Parameters
    ----------
    probabilities : float array (n, m), each in [0, 1]
    rng : numpy.random.Generator, or a seed for one
        Gives one number for each entry that is not zero, row by row; the only source of randomness.

    Returns
    -------
    bool array (n, m)
        Row i sends, column j receives.

    Raises
    ------
    ValueError
        If an entry is NaN or lies outside [0, 1].

    Notes
    -----
    One pass over the matrix.
    """
    probabilities = _real_matrix(probabilities)
    adjacency = np.zeros(probabilities.shape, dtype=bool)
    if not _sample(probabilities, np.random.default_rng(rng), adjacency):
        wrong = probabilities[~((probabilities >= 0) & (probabilities <= 1))]
        raise UserError(f"{wrong.size} of the probabilities lie outside [0, 1], the first is {wrong[0]:.6g}: "
                         "pass the matrix through graphs.probabilities first")
    return adjacency


def threshold(matrix, *, edges=None, cut=None):
    """Keep the largest entries, by magnitude, as links.

    Parameters
    ----------
    matrix : real array (n, m)
    edges : int
        How many links to keep, exactly. Of equal entries at the border the first are kept, row by row.
    cut : float
        Or: keep the entries whose magnitude is larger than this.

    Returns
    -------
    bool array (n, m)

    Raises
    ------
    DegenerateMatrix
        As for `probabilities`.
    ValueError
        Unless exactly one of `edges` and `cut` is given; if there are fewer than `edges` entries that are not
        zero; if `cut` is negative or NaN.
    """
    if (edges is None) == (cut is None):
        raise UserError("threshold needs exactly one of edges=COUNT and cut=VALUE")
    magnitudes, _ = _magnitudes(matrix)
    if cut is not None:
        if not cut >= 0:
            raise UserError(f"cut is {cut!r}: expected a number that is not negative")
        return magnitudes > np.float64(cut)  # not rounded to float32 where the entries are
    available = np.count_nonzero(magnitudes)
    if not (isinstance(edges, int | np.integer) and 0 < edges <= available):
        raise UserError(f"edges is {edges!r}: expected a whole number from 1 to {available}, the entries of the "
                         f"{_size(magnitudes)} matrix that are not zero")
    flat = magnitudes.ravel()
    border = np.partition(flat, flat.size - edges)[flat.size - edges]
    keep = flat > border
    keep[np.flatnonzero(flat == border)[:edges - np.count_nonzero(keep)]] = True
    return keep.reshape(magnitudes.shape)


def merge_layers(adjacency):
    """One undirected network in which unit i of both layers is one node, as in the essay.

    Parameters
    ----------
    adjacency : bool array (n, n)

    Returns
    -------
    bool array (n, n)
        Symmetric, without loops: i and j are linked if (i, j) or (j, i) was.

    Raises
    ------
    ValueError
        If it is no matrix of bools, or not square: then the layers can only stay apart.
    """
    adjacency = checks.bool_matrix("adjacency", adjacency)
    if adjacency.shape[0] != adjacency.shape[1]:
        raise UserError(f"merging layers needs as many sending as receiving units, got {_size(adjacency)}: choose "
                         "as many hidden units as inputs, or keep the layers apart (bipartite)")
    merged = adjacency | adjacency.T
    np.fill_diagonal(merged, False)
    return merged


def to_networkx(adjacency, layers="merged"):
    """The network as a networkx.Graph, for export, drawing and other people's algorithms.

    Parameters
    ----------
    adjacency : bool array (n, m)
        As `sample` returns it.
    layers : "merged" or "bipartite"
        Merged: nodes 0 to n - 1. Bipartite: the m receiving units follow as n to n + m - 1, and the node
        attribute `bipartite` is 0 for senders and 1 for receivers, as networkx has it.

    Raises
    ------
    ValueError
        For another name, and for a matrix that is not square where layers are merged.
    """
    import networkx as nx  # here, since only exports need it

    graph = nx.Graph()
    if layers == "merged":
        merged = merge_layers(adjacency)
        graph.add_nodes_from(range(len(merged)))
        graph.add_edges_from(np.argwhere(np.triu(merged)).tolist())
    elif layers == "bipartite":
        adjacency = checks.bool_matrix("adjacency", adjacency)
        senders, receivers = adjacency.shape
        graph.add_nodes_from(range(senders), bipartite=0)
        graph.add_nodes_from(range(senders, senders + receivers), bipartite=1)
        graph.add_edges_from((i, senders + j) for i, j in np.argwhere(adjacency).tolist())
    else:
        raise UserError(f"unknown layers {layers!r}: expected one of {', '.join(LAYERS)}")
    return graph


def _real_matrix(matrix):
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.size == 0 or matrix.dtype.kind not in "fiub":
        raise DegenerateMatrix(f"expected a matrix of real numbers with at least one entry, got {matrix.dtype} of "
                               f"shape {matrix.shape}")
    return checks.as_floats(matrix)


def _magnitudes(matrix):
    """|matrix|, a new array, and its largest entry; refused where it cannot be normalised."""
    magnitudes = np.abs(_real_matrix(matrix))
    largest = magnitudes.max()
    if not np.isfinite(largest):
        raise DegenerateMatrix(f"the {_size(magnitudes)} matrix holds {np.count_nonzero(~np.isfinite(magnitudes))} "
                               "entries that are NaN or infinite: lower the learning rate or take an earlier step")
    if largest == 0:
        raise DegenerateMatrix(f"the {_size(magnitudes)} matrix is zero everywhere, so it cannot be normalised: lower "
                               "the learning rate, or take another step or seed")
    return magnitudes, largest


def _size(matrix):
    return " x ".join(map(str, matrix.shape))


@njit(cache=True)
def _sample(probabilities, rng, adjacency):
    """Fill in the links; False if a probability is none."""
    sound = True
    for i in range(probabilities.shape[0]):
        for j in range(probabilities.shape[1]):
            p = probabilities[i, j]
            if p > 0:
                adjacency[i, j] = rng.random() < p
            if not 0 <= p <= 1:
                sound = False
    return sound
