"""Measure who is linked with whom by degree: assortativity, rich club, information between degrees, reciprocity.

Mark Newman and Juyong Park (2003) name two marks that set social networks apart: nodes of alike degree are linked
(assortative mixing), and the nodes cluster more than their degrees explain. Ricard Solé and Sergi Valverde (2004) read
the same mixing as information, in bits, which also sees dependences that no correlation shows.
"""
from typing import NamedTuple

import numpy as np

from gradnets import checks
from gradnets.errors import UserError
from gradnets.networks import metrics

SMALLEST_CLUB = 5  # nodes


class DegreeInformation(NamedTuple):
    """Entropies in bits of the degrees at the two ends of a link: `entropy` = `conditional_entropy` + `information`."""

    entropy: float              # H(q), of the degree at one end
    conditional_entropy: float  # H(q|q'), of that degree if the degree at the opposite end is known
    information: float          # I(q), what the opposite end tells


def assortativity(adjacency):
    """Return the correlation of the degrees at both ends of a link.

    Parameters
    ----------
    adjacency : bool array (n, n), symmetric without loops, or metrics.Packed

    Returns
    -------
    float in [-1, 1]
        NaN without links, and if all linked nodes have the same degree.

    Raises
    ------
    UserError
        If `metrics.measure` would raise it.

    Notes
    -----
    O(n + m) time. M. E. J. Newman, Mixing patterns in networks, Phys. Rev. E 67 (2003) 026126.
    """
    near, far = _degrees_at_ends(metrics.pack(adjacency))
    if not near.size or near.min() == near.max():
        return float("nan")
    near, far = near - near.mean(), far - near.mean()  # both ends have the same mean
    return float(near @ far / (near @ near))


def degree_information(adjacency, bins=None):
    """Return the entropies of the degrees at the two ends of a link.

    Parameters
    ----------
    adjacency : bool array (n, n), symmetric without loops, or metrics.Packed
    bins : int, optional
        Tell degrees apart by this number of quantile bins only, each with about as many ends of links as the others.
        Without it each degree counts for itself.

    Returns
    -------
    DegreeInformation
        All 0 without links.

    Raises
    ------
    UserError
        If `metrics.measure` would raise it, or `bins` is no positive integer.

    Notes
    -----
    With q_k the share of links' ends at nodes of k further links, and e_jk the share of links, each counted in both
    directions, from j to k: H(q) = -Σ q_k log2 q_k, H(q|q') = -Σ e_jk log2(e_jk / q_k), I(q) = H(q) - H(q|q').

    These are plug-in estimates, which are biased: a random network without any mixing has an I(q) of about
    (distinct degrees - 1)² / (4 m ln 2) bits, 0.3 for 34 nodes. Compare with a null model, or take `bins`.

    O(n + m) time. R. V. Solé, S. Valverde, Information theory of complex networks: on evolution and architectural
    constraints, Lect. Notes Phys. 650 (2004) 189.
    """
    packed = metrics.pack(adjacency)
    if bins is not None:
        checks.positive_integers(bins=bins)
    near, _ = _degrees_at_ends(packed)
    if not near.size:
        return DegreeInformation(0.0, 0.0, 0.0)
    edges = np.unique(near if bins is None else np.quantile(near, np.linspace(0, 1, bins + 1)[1:-1]))
    classes = np.searchsorted(edges, packed.degrees)
    count = len(edges) + 1
    pairs = np.bincount(np.repeat(classes, packed.degrees) * count + classes[packed.neighbors], minlength=count**2)
    entropy, joint = _entropy(pairs.reshape(count, count).sum(axis=1)), _entropy(pairs)
    return DegreeInformation(entropy, joint - entropy, 2 * entropy - joint)


def rich_club(adjacency, share=0.1):
    """Return the density of links among the nodes with the most links.

    Parameters
    ----------
    adjacency : bool array (n, n), symmetric without loops, or metrics.Packed
    share : float in (0, 1]
        Smallest share of the nodes that the club has. It has 5 nodes or more, and nodes of one degree are all in it or
        all out of it. So networks of the same degrees have the same club.

    Returns
    -------
    float in [0, 1]
        Links among the club over pairs of its nodes; 0 for a single node.

    Raises
    ------
    UserError
        If `metrics.measure` would raise it, or `share` lies outside (0, 1].

    Notes
    -----
    O(n log n + m) time. V. Colizza and others, Detecting rich-club ordering in complex networks, Nature Physics 2
    (2006) 110.
    """
    if not 0 < share <= 1:
        raise UserError(f"share is {share!r}: expected a share of the nodes, above 0 and at most 1")
    packed = metrics.pack(adjacency)
    degrees = packed.degrees
    members = min(max(SMALLEST_CLUB, int(np.ceil(share * len(degrees)))), len(degrees))
    rich = degrees >= np.sort(degrees)[-members]
    size = np.count_nonzero(rich)
    ends = np.count_nonzero(np.repeat(rich, degrees) & rich[packed.neighbors])
    return ends / max(size * (size - 1), 1)


def reciprocity(links):
    """Return the share of directed links whose opposite is a link too.

    Parameters
    ----------
    links : bool array (n, n)
        Row i sends, column i receives. Loops do not count.

    Returns
    -------
    float in [0, 1]
        NaN without links.

    Raises
    ------
    UserError
        Unless the matrix is square and of bools.
    """
    links = checks.bool_matrix("links", links)
    if links.shape[0] != links.shape[1]:
        raise UserError(f"links is a matrix of shape {links.shape}: expected a square one, since reciprocity needs "
                        "senders that receive")
    loops = np.count_nonzero(links.diagonal())
    total = np.count_nonzero(links) - loops
    return (np.count_nonzero(links & links.T) - loops) / total if total else float("nan")


def _degrees_at_ends(packed):
    """Return the degrees at both ends of each link, in both directions: two int64 arrays (2 m,)."""
    degrees = packed.degrees
    return np.repeat(degrees, degrees), degrees[packed.neighbors]


def _entropy(counts):
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares @ np.log2(shares)))
