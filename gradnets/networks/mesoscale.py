"""Measure the middle scale of networks: communities, spectral gap, core and periphery."""
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import sparse
from scipy.sparse import csgraph, linalg

from gradnets import checks
from gradnets.errors import UserError
from gradnets.networks import metrics

SMALL = 100  # nodes, up to which all eigenvalues are computed


class Core(NamedTuple):
    """The nodes of largest degree that best serve as a core, of all numbers of such nodes.

    Attributes
    ----------
    fit : float in [-1, 1]
        Correlation of the pairs within the core and within the periphery with those of the ideal, where all pairs of
        the core are linked and none of the periphery; pairs between both do not count.
    share : float in [0, 1)
        Share of the nodes that are in the core.
    """

    fit: float
    share: float


def core(adjacency):
    """Find the core of a network.

    Parameters
    ----------
    adjacency : bool array (n, n), symmetric without loops, or metrics.Packed

    Returns
    -------
    Core
        Nodes of one degree are all in the core or all out of it. Both numbers are 0 if no core has a correlation with
        the ideal, such as in a star, or where all degrees are equal.

    Raises
    ------
    UserError
        If `metrics.measure` would raise it.

    Notes
    -----
    O(n log n + m) time. S. Z. W. Lip, A fast algorithm for the discrete core/periphery bipartitioning problem,
    arXiv:1102.5511 (2011), after S. P. Borgatti, M. G. Everett, Models of core/periphery structures, Social Networks 21
    (2000) 375.
    """
    packed = metrics.pack(adjacency)
    degrees = packed.degrees
    n = len(degrees)
    order = np.argsort(-degrees, kind="stable")
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    near, far = np.repeat(rank, degrees), rank[packed.neighbors]
    once = near < far
    near, far = near[once], far[once]  # near is the end of larger degree
    size = np.arange(2, n - 1)
    size = size[degrees[order[size - 1]] > degrees[order[size]]]
    inside = np.cumsum(np.bincount(far, minlength=n))[size - 1]             # links within the core
    outside = len(near) - np.cumsum(np.bincount(near, minlength=n))[size - 1]  # links within the periphery
    pairs = size * (size - 1) / 2
    all_pairs = pairs + (n - size) * (n - size - 1) / 2
    ideal, linked = pairs / all_pairs, (inside + outside) / all_pairs
    variance = ideal * (1 - ideal) * linked * (1 - linked)
    size, inside, ideal, linked, variance, all_pairs = (
        values[variance > 0] for values in (size, inside, ideal, linked, variance, all_pairs))
    if not size.size:
        return Core(0.0, 0.0)
    fit = (inside / all_pairs - ideal * linked) / np.sqrt(variance)
    return Core(float(fit.max()), float(size[fit.argmax()] / n))


def spectral_gap(adjacency):
    """Return the spectral gap: how fast a random walk on the giant component forgets where it began.

    Parameters
    ----------
    adjacency : bool array (n, n), symmetric without loops, or metrics.Packed

    Returns
    -------
    float in [0, 2]
        The second smallest eigenvalue of I - D^-1/2 A D^-1/2, for the giant component; 0 for a single node. Communities
        make it small.

    Raises
    ------
    UserError
        If `metrics.measure` would raise it.

    Notes
    -----
    A Lanczos method (ARPACK), the eigenvalue of the known first eigenvector moved from 1 to -1; accurate to 1e-6.
    F. Chung, Spectral Graph Theory, 1997.
    """
    matrix, degrees = _giant_matrix(metrics.pack(adjacency))
    n = len(degrees)
    if n == 1:
        return 0.0
    root = np.sqrt(degrees)
    scaled = sparse.diags_array(1 / root) @ matrix @ sparse.diags_array(1 / root)
    if n <= SMALL:
        return float(1 - np.linalg.eigvalsh(scaled.toarray())[-2])
    first = root / np.linalg.norm(root)
    without_first = linalg.LinearOperator((n, n), lambda vector: scaled @ vector - 2 * (first @ vector) * first, float)
    start = np.random.default_rng(0).standard_normal(n)
    second, = linalg.eigsh(without_first, 1, which="LA", v0=start - first * (first @ start), tol=1e-6, maxiter=100 * n,
                           return_eigenvectors=False)
    return float(1 - second)


def communities(adjacency, rng):
    """Find communities by the Louvain method.

    Parameters
    ----------
    adjacency : bool array (n, n), symmetric without loops, or metrics.Packed
    rng : numpy.random.Generator, or a seed for one
        Draws the order in which nodes are visited.

    Returns
    -------
    int64 array (n,)
        The community of each node, 0 to their number - 1; a node without links is one of its own.

    Raises
    ------
    UserError
        If `metrics.measure` would raise it.

    Notes
    -----
    Each node moves to the community where it adds most to the modularity, until none moves; then each community becomes
    a node, and so on. V. Blondel and others, Fast unfolding of communities in large networks, J. Stat. Mech. (2008)
    P10008.
    """
    packed, rng = metrics.pack(adjacency), np.random.default_rng(rng)
    weights = _matrix(packed, np.int64)
    labels = np.arange(len(packed.degrees))
    while True:
        moved = _move_nodes(weights.indptr, weights.indices, weights.data, weights.sum(axis=1),
                            rng.permutation(weights.shape[0]))
        names, moved = np.unique(moved, return_inverse=True)
        if len(names) == weights.shape[0]:
            return labels
        labels = moved[labels]
        ends = np.repeat(moved, np.diff(weights.indptr)), moved[weights.indices]
        weights = sparse.coo_array((weights.data, ends), (len(names),) * 2).tocsr()  # [c, c]: twice the links within c


def modularity(adjacency, communities):
    """Return the share of links within communities, less the share that the degrees alone would give.

    Parameters
    ----------
    adjacency : bool array (n, n), symmetric without loops, or metrics.Packed
    communities : int array (n,), entries of at least 0
        The community of each node.

    Returns
    -------
    float in [-1/2, 1)
        Σ_c (L_c / m - (K_c / 2 m)²), with L_c links and K_c ends of links in community c; 0 without links.

    Raises
    ------
    UserError
        If `metrics.measure` would raise it, or `communities` does not hold one integer of at least 0 for each node.
    """
    packed, labels = metrics.pack(adjacency), checks.integer_array("communities", communities, axes=1)
    degrees = packed.degrees
    if len(labels) != len(degrees) or labels.min() < 0:
        raise UserError(f"communities has {len(labels)} entries, the least {labels.min(initial=0)}: expected one "
                        f"integer of at least 0 for each of {len(degrees)} nodes")
    ends = len(packed.neighbors)
    if not ends:
        return 0.0
    _, labels = np.unique(labels, return_inverse=True)  # so that large numbers need no large array
    within = np.count_nonzero(np.repeat(labels, degrees) == labels[packed.neighbors])
    shares = np.bincount(labels, weights=degrees) / ends
    return float(within / ends - shares @ shares)


def _matrix(packed, dtype):
    """Return the adjacency matrix of a network, sparse (n, n), with entries of a dtype."""
    n = len(packed.degrees)
    return sparse.csr_array((np.ones(len(packed.neighbors), dtype), packed.neighbors, packed.starts), (n, n))


def _giant_matrix(packed):
    """Return the adjacency matrix of the giant component, sparse float64 (g, g), and its degrees, int64 (g,)."""
    matrix = _matrix(packed, np.float64)
    _, component = csgraph.connected_components(matrix, directed=False)
    giant = np.flatnonzero(component == np.bincount(component).argmax())
    return matrix[giant][:, giant], packed.degrees[giant]


@njit(cache=True)
def _move_nodes(starts, neighbors, weights, strengths, order):
    """Move nodes between communities until none gains; return the community of each node, named by one of the nodes.

    Gains are compared as integers, 2 m times the links to a community less the product of strengths, so that equal
    gains are equal, and a node stays where it is unless it gains.
    """
    n, total = len(strengths), strengths.sum()
    community, sums = np.arange(n), strengths.copy()
    links, touched = np.zeros(n, np.int64), np.empty(n, np.int64)
    moves = 1
    while moves:
        moves = 0
        for i in order:
            home, count = community[i], 0
            for k in range(starts[i], starts[i + 1]):
                if neighbors[k] != i:
                    c = community[neighbors[k]]
                    if links[c] == 0:
                        touched[count] = c
                        count += 1
                    links[c] += weights[k]
            sums[home] -= strengths[i]
            best, most = home, total * links[home] - strengths[i] * sums[home]
            for c in touched[:count]:
                gain = total * links[c] - strengths[i] * sums[c]
                if gain > most:
                    best, most = c, gain
            for c in touched[:count]:
                links[c] = 0
            sums[best] += strengths[i]
            if best != home:
                community[i] = best
                moves += 1
    return community
