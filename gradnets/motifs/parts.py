"""Do motifs say anything beyond the smaller motifs that they contain?

A part of a motif is a connected motif that is left when one of its nodes is taken out. Over random nets that keep the
layers, the count of a motif follows the counts of its parts, and a linear regression says how. It predicts the count
in a net from the counts of the parts in that net, and what is observed beyond the prediction is the motif's own.
"""
from dataclasses import dataclass

import numpy as np

from gradnets import checks, streams
from gradnets.errors import UserError
from gradnets.motifs.codes import Census, canonical, merge_counts
from gradnets.motifs.graphs import layer_matrices, layer_of
from gradnets.motifs.layered import layered_counts
from gradnets.motifs.rewiring import random_graphs


@dataclass(frozen=True, eq=False)
class PartsComparison:
    """The motifs of a layered net compared with those of random nets, as such and beyond their parts; arrays of (q,).

    Attributes
    ----------
    census : Census
        Of the net itself.
    differs : bool
        Whether the random nets differ from each other.
    z : float64
        Z-score of the count; 0 where the random nets do not differ.
    beyond : float64
        What the count is above its prediction from the parts, in standard errors of the prediction; NaN where the
        random nets do not differ, or where the parts fix the count in them.
    explained : float64
        Share of the variance over the random nets that the parts predict, each net from the others; NaN as `beyond`.
    """

    census: Census
    differs: np.ndarray
    z: np.ndarray
    beyond: np.ndarray
    explained: np.ndarray


def parts_of(adjacency, colors):
    """Return the codes of the parts of each motif, int64 (q, k), -1 where a node leaves no connected part or one twice.

    adjacency : int (q, k, k), colours of the edges, 0 for no edge; k is 4 or 5
    """
    adjacency = checks.integer_array("adjacency", adjacency, axes=3).astype(np.int64)
    motifs, size = adjacency.shape[:2]
    if size not in (4, 5) or adjacency.shape[2] != size:
        raise UserError(f"adjacency has shape {adjacency.shape}: expected motifs of 4 or 5 nodes, (q, 4, 4) or "
                        "(q, 5, 5)")
    codes = np.empty((motifs, size), np.int64)
    for node in range(size):
        rest = np.delete(np.delete(adjacency, node, axis=1), node, axis=2)
        linked = (rest + rest.swapaxes(1, 2) > 0) + np.eye(size - 1, dtype=np.int64)
        connected = (np.linalg.matrix_power(linked, size - 2) > 0).all(axis=(1, 2))
        codes[:, node] = np.where(connected, canonical(rest, colors), -1)
    codes.sort(axis=1)
    codes[:, 1:][np.diff(codes, axis=1) == 0] = -1
    return codes


def predict_from_parts(z, parts, null_z, null_parts):
    """Compare counts with linear predictions from other counts, by least squares over random nets.

    All counts are standardised: less their mean over the random nets, divided by their standard deviation.

    Parameters
    ----------
    z, parts : float64 (q,) and (q, p)
        Of the net: standardised counts of q motifs, and of p parts of each; 0 for a part that is missing or constant.
    null_z, null_parts : float64 (nulls, q) and (nulls, q, p)
        The same of the random nets.

    Returns
    -------
    beyond : float64 (q,)
        (z - prediction) / standard error of the prediction of a new net, which grows with the distance of the parts
        from those of the random nets; NaN without residuals.
    explained : float64 (q,)
        1 - sum of squared errors of the predictions of each random net from the others, over the same without parts.
    """
    nulls = len(null_z)
    x = null_parts.transpose(1, 0, 2)  # (q, nulls, p)
    inverse = np.linalg.pinv(x.swapaxes(1, 2) @ x, rcond=1e-9, hermitian=True)
    rank = np.rint(np.trace(inverse @ (x.swapaxes(1, 2) @ x), axis1=1, axis2=2))
    weights = inverse @ (x.swapaxes(1, 2) @ null_z.T[..., None])  # (q, p, 1)
    residuals = null_z.T - (x @ weights)[..., 0]
    freedom = nulls - 1 - rank
    squares = (residuals**2).sum(axis=1)
    leverage = 1 / nulls + np.einsum("qnp,qpr,qnr->qn", x, inverse, x)
    distance = 1 + 1 / nulls + np.einsum("qp,qpr,qr->q", parts, inverse, parts)
    predicted = np.einsum("qp,qp->q", parts, weights[..., 0])
    left = (squares > 1e-9 * nulls) & (freedom > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = np.where(left, (z - predicted) / np.sqrt(squares / freedom * distance), np.nan)
        errors = (residuals / (1 - leverage))**2
        alone = (null_z.T * nulls / (nulls - 1))**2
        explained = np.where(left, 1 - errors.sum(axis=1) / alone.sum(axis=1), np.nan)
    return beyond, explained


def compare_with_parts(graph, size, nulls, seed=0, sizes=None, progress=iter):
    """Compare the motifs of a layered net with those of random nets that keep the layers, and with their own parts.

    Parameters
    ----------
    graph : Graph
    size : 4 or 5
        Number of nodes of a motif; its parts have one node fewer. The random nets conserve all motifs of 3 nodes, so
        that parts tell nothing of motifs of 4.
    nulls : int, 10 or more
        Number of random nets, each rewired from the one before.
    seed : int, not negative, or numpy.random.Generator
    sizes : sequence of int, optional
        Number of nodes in each layer.
    progress : function from an iterable to an iterable

    Returns
    -------
    PartsComparison

    Raises
    ------
    UserError
        For arguments out of range.
    NotLayered
        For a graph without layers.
    """
    checks.positive_integers(nulls=nulls)
    checks.choice("size", size, (4, 5))
    if nulls < 10:
        raise UserError(f"nulls is {nulls}: expected 10 random nets or more, for a regression on the parts")
    layer, colors, rng = layer_of(graph, sizes), graph.largest_color, streams.plain_generator(seed)

    def counts(graph):
        matrices = layer_matrices(graph, layer)
        return [layered_counts(matrices, nodes, colors) for nodes in (size, size - 1)]

    (codes, numbers), (part_codes, part_numbers) = counts(graph)
    census, random = merge_counts(codes, numbers, size, colors), random_graphs(graph, rng, layer)
    next(random)  # the first one is nearest to the graph
    occurs = np.searchsorted(codes, census.codes)
    null_counts, null_part_counts = np.empty((nulls, len(occurs))), np.empty((nulls, len(part_codes) + 1))
    for row in progress(range(nulls)):
        (_, drawn_numbers), (_, drawn_part_numbers) = counts(next(random).graph)
        null_counts[row], null_part_counts[row, :-1] = drawn_numbers[occurs], drawn_part_numbers
    null_part_counts[:, -1] = 0  # of what is no part
    z, null_z, differs = _standardised(census.counts, null_counts)
    part_z, null_part_z, _ = _standardised(np.append(part_numbers, 0), null_part_counts)
    parts = parts_of(census.adjacency, colors)
    places = np.where(parts < 0, len(part_codes), np.searchsorted(part_codes, parts))
    beyond, explained = predict_from_parts(z, part_z[places], null_z, null_part_z[:, places])
    return PartsComparison(census, differs, z, np.where(differs, beyond, np.nan), explained)


def _standardised(counts, null_counts):
    """Return counts and those of random nets less the mean and over the standard deviation, and where it is not 0."""
    differs = null_counts.max(axis=0) > null_counts.min(axis=0)
    deviation = np.where(differs, null_counts.std(axis=0, ddof=1), 1)
    mean = null_counts.mean(axis=0)
    return (np.where(differs, (counts.astype(float) - mean) / deviation, 0),
            np.where(differs, (null_counts - mean) / deviation, 0), differs)
