"""Make networks from matrices: normalise, sample or threshold, merge the layers, export.

Matrices of float16 and float32 are processed in float32, which halves the memory: only the division by the largest
entry rounds differently from float64. All other matrices are processed in float64.
"""
import numpy as np

from gradnets import checks
from gradnets.errors import NoResult, UserError
from gradnets.networks import _kernels

LAYERS = ("merged", "bipartite")


class DegenerateMatrix(NoResult):
    """A matrix that cannot be normalised: empty, not finite, or zero everywhere."""


def probabilities(matrix):
    """Divide |matrix| by its largest entry, which gives the probability of each link.

    Parameters
    ----------
    matrix : real array (n, m)
        Usually a gradient; its unit cancels.

    Returns
    -------
    float array (n, m), each entry in [0, 1], the largest 1
        float32 if the matrix is float16 or float32, else float64.

    Raises
    ------
    DegenerateMatrix
        If the matrix is empty, holds NaN or infinity, or is zero everywhere.
    """
    magnitudes, largest = _magnitudes(matrix)
    magnitudes /= largest
    return magnitudes


def sample(probabilities, rng):
    """Sample one network: keep link (i, j) with probability probabilities[i, j].

    Parameters
    ----------
    probabilities : float array (n, m), each entry in [0, 1]
    rng : numpy.random.Generator, or a seed for one
        Gives one number for each entry above 0, row by row. The only source of randomness.

    Returns
    -------
    bool array (n, m)
        Row i sends, column j receives.

    Raises
    ------
    UserError
        If an entry is NaN or lies outside [0, 1].

    Notes
    -----
    One pass over the matrix.
    """
    probabilities, rng = _real_matrix(probabilities), np.random.default_rng(rng)
    adjacency = np.zeros(probabilities.shape, dtype=bool)
    if isinstance(rng.bit_generator, np.random.PCG64):
        valid = _sample_by_pcg64(probabilities, rng.bit_generator, adjacency)
    else:
        valid = _sample(probabilities, rng, adjacency)
    if not valid:
        outside = probabilities[~((probabilities >= 0) & (probabilities <= 1))]
        raise UserError(f"{outside.size} of the probabilities lie outside [0, 1], the first is {outside[0]:.6g}: "
                        "normalise the matrix with networks.probabilities first")
    return adjacency


def threshold(matrix, *, edges=None, cut=None):
    """Keep the entries of largest magnitude as links.

    Parameters
    ----------
    matrix : real array (n, m)
    edges : int
        Number of links to keep. Ties at the smallest magnitude that is kept are broken by place, row by row.
    cut : float
        Alternative to `edges`: keep the entries whose magnitude is larger than this number.

    Returns
    -------
    bool array (n, m)

    Raises
    ------
    DegenerateMatrix
        If the matrix is empty, holds NaN or infinity, or is zero everywhere.
    UserError
        Unless exactly one of `edges` and `cut` is given, `edges` is between 1 and the number of nonzero entries, and
        `cut` is at least 0.
    """
    if (edges is None) == (cut is None):
        raise UserError("threshold needs exactly one of edges=COUNT and cut=VALUE")
    magnitudes, _ = _magnitudes(matrix)
    if cut is not None:
        if not cut >= 0:
            raise UserError(f"cut is {cut!r}: expected a number of at least 0")
        return magnitudes > np.float64(cut)  # float64 keeps the cut exact where the entries are float32
    available = np.count_nonzero(magnitudes)
    if not (checks.is_integer(edges) and 0 < edges <= available):
        raise UserError(f"edges is {edges!r}: expected an integer from 1 to {available}, the number of nonzero "
                        f"entries of the {_size(magnitudes)} matrix")
    flat = magnitudes.ravel()
    smallest = np.partition(flat, flat.size - edges)[flat.size - edges]
    keep = flat > smallest
    keep[np.flatnonzero(flat == smallest)[:edges - np.count_nonzero(keep)]] = True
    return keep.reshape(magnitudes.shape)


def merge_layers(adjacency):
    """Merge unit i of both layers into node i of one undirected network, as in the essay.

    Parameters
    ----------
    adjacency : bool array (n, n)

    Returns
    -------
    bool array (n, n)
        Symmetric, without loops: i and j are linked if (i, j) or (j, i) was a link.

    Raises
    ------
    UserError
        Unless the matrix is square and of bools.
    """
    adjacency = mergeable(adjacency)
    merged = adjacency | adjacency.T
    np.fill_diagonal(merged, False)
    return merged


def mergeable(adjacency):
    """Return a matrix of links whose layers can be merged; raise the errors of `merge_layers` for any other."""
    adjacency = checks.bool_matrix("adjacency", adjacency)
    if adjacency.shape[0] != adjacency.shape[1]:
        raise UserError(f"merging layers needs equal numbers of sending and receiving units, got {_size(adjacency)}: "
                        "set the number of hidden units to that of inputs, or keep the layers apart (bipartite)")
    return adjacency


def to_networkx(adjacency, layers="merged"):
    """Convert a network to a networkx.Graph, for export, drawing and the algorithms of other packages.

    Parameters
    ----------
    adjacency : bool array (n, m)
        A network as `sample` returns it.
    layers : "merged" or "bipartite"
        Merged: the nodes are 0 to n - 1. Bipartite: the senders are 0 to n - 1, the receivers n to n + m - 1, and
        the node attribute `bipartite` is 0 for senders and 1 for receivers, by the convention of networkx.

    Raises
    ------
    UserError
        For any other `layers`, and for a matrix that is not square if layers are merged.
    """
    checks.choice("layers", layers, LAYERS)
    import networkx as nx  # here, since only exports need this package

    graph = nx.Graph()
    if layers == "merged":
        merged = merge_layers(adjacency)
        graph.add_nodes_from(range(len(merged)))
        graph.add_edges_from(np.argwhere(np.triu(merged)).tolist())
        return graph
    adjacency = checks.bool_matrix("adjacency", adjacency)
    senders, receivers = adjacency.shape
    graph.add_nodes_from(range(senders), bipartite=0)
    graph.add_nodes_from(range(senders, senders + receivers), bipartite=1)
    graph.add_edges_from((i, senders + j) for i, j in np.argwhere(adjacency).tolist())
    return graph


def _real_matrix(matrix):
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.size == 0 or matrix.dtype.kind not in "fiub":
        raise DegenerateMatrix(f"expected a matrix of real numbers with at least one entry, got {matrix.dtype} of "
                               f"shape {matrix.shape}")
    return checks.as_floats(matrix)


def _magnitudes(matrix):
    """Return |matrix| as a new float array, and its largest entry; raise DegenerateMatrix if it is 0 or not finite."""
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


def _sample(probabilities, rng, adjacency):
    """Set the links that are drawn to True; return whether every probability lies in [0, 1]."""
    for row, links in zip(probabilities, adjacency, strict=True):
        positive = row > 0
        links[positive] = rng.random(np.count_nonzero(positive)) < row[positive]
    return bool(((probabilities >= 0) & (probabilities <= 1)).all())


def _sample_by_pcg64(probabilities, bit_generator, adjacency):
    """Do what `_sample` does, by a copy of the generator that is compiled with the loop.

    The numbers, and the state in which the generator is left, are those of numpy.
    """
    state = bit_generator.state  # the dictionary also holds half a number that smaller draws have left: it stays
    words = [word for key in ("state", "inc") for word in divmod(state["state"][key], 2**64)]
    valid, *words = _kernels.sample(probabilities, *map(np.uint64, words), adjacency)
    state["state"]["state"] = int(words[0]) << 64 | int(words[1])
    bit_generator.state = state
    return valid
