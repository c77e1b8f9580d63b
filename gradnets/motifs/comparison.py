"""Compare the motifs of a graph with those of random graphs."""
from dataclasses import dataclass

import numpy as np
from scipy import stats

from gradnets import checks, streams
from gradnets.errors import UserError
from gradnets.motifs.codes import Census, add_up, check_size, merge_counts
from gradnets.motifs.counting import closed_form_is_quicker, general_counts
from gradnets.motifs.enumeration import Enumeration, subgraphs_at_most
from gradnets.motifs.graphs import layer_matrices, layer_of, uncolored
from gradnets.motifs.layered import layered_counts
from gradnets.motifs.rewiring import random_graphs

MODELS = ("fanmod", "layered")
MOST_NULLS = 10**9  # random graphs


@dataclass(frozen=True, eq=False)
class Significance:
    """The motifs of a graph compared with those of random graphs, by ascending code; arrays of (q,).

    Attributes
    ----------
    census : Census
        Census of the graph itself.
    frequency, mean_frequency, std : float64
        Share of all subgraphs of that size; its mean and sample standard deviation over the random graphs.
    differs : bool
        Whether the random graphs differ from each other; the layered null model conserves some trees.
    z : float64
        Z-score: of frequencies under the null model fanmod, of counts under layered, which conserves some counts and
        nearly conserves the total. If the random graphs do not differ, z is 0 where the graph agrees with them, and
        else infinite.
    p : float64
        (1 + number of random graphs with at least as much) / (1 + number of random graphs), which is never 0.
    q : float64
        p after Benjamini and Hochberg (1995) over all motifs except those that every random graph has exactly as often
        as the graph, whose q is 1.
    larger : float64
        Share of random graphs with strictly more, which FANMOD prints as p.
    profile : float64
        z divided by the length of the vector of all z (Milo et al. 2004); an infinite z counts as the largest finite
        one.
    totals : int64 (nulls,)
        Number of subgraphs of each random graph.
    tries, exchanges : int
        Tried and made exchanges of the rewiring.
    """

    census: Census
    frequency: np.ndarray
    mean_frequency: np.ndarray
    std: np.ndarray
    differs: np.ndarray
    z: np.ndarray
    p: np.ndarray
    q: np.ndarray
    larger: np.ndarray
    profile: np.ndarray
    totals: np.ndarray
    tries: int
    exchanges: int


def significance(graph, size, nulls, model="fanmod", seed=0, colored=True, threads=1, sizes=None, progress=iter):
    """Compare the census of a graph with the censuses of random graphs.

    Parameters
    ----------
    graph : Graph
    size : 3, 4 or 5
    nulls : int, 2 or more
        Number of random graphs. Each is rewired from the one before it, and the very first one is not counted.
    model : "fanmod" or "layered"
        The null model: whether `rewire` keeps layers.
    seed : int, not negative, or numpy.random.Generator
    colored : bool
        Whether edges of two colours differ.
    threads : int
        Number of threads of the enumeration. The result does not depend on it.
    sizes : sequence of int, optional
        Number of nodes in each layer, for the model "layered".
    progress : function from an iterable to an iterable
        Shows a progress bar over the random graphs.

    Returns
    -------
    Significance

    Raises
    ------
    UserError
        For arguments out of range, and for more subgraphs than 64-bit counts hold.
    NotLayered
        With the model "layered", for a graph without layers.
    """
    checks.positive_integers(threads=threads, nulls=nulls)
    checks.choice("null model", model, MODELS)
    if not 2 <= nulls <= MOST_NULLS:
        raise UserError(f"nulls is {nulls}: expected 2 random graphs or more, for a standard deviation, and at most "
                        f"{MOST_NULLS:,}")
    rng = streams.plain_generator(seed)
    graph = graph if colored else uncolored(graph)
    colors = graph.largest_color
    check_size(size, colors)
    layer = layer_of(graph, sizes) if model == "layered" else None
    if subgraphs_at_most(graph, size) >= 2**63:
        raise UserError("there may be more subgraphs than 64-bit counts hold: take a sampled census")
    in_closed_form = layer is not None and closed_form_is_quicker(graph, layer, size, colors)
    enumeration = None if in_closed_form else Enumeration(graph, size, colors)

    def counts_of(graph):
        if in_closed_form:
            return layered_counts(layer_matrices(graph, layer), size, colors)
        return general_counts(enumeration, graph, threads)

    observed, random = merge_counts(*counts_of(graph), size, colors), random_graphs(graph, rng, layer)
    drawn = next(random)
    counts, totals = np.zeros((nulls, len(observed.codes)), np.int64), np.zeros(nulls, np.int64)
    tries, exchanges = drawn.tries, drawn.exchanges
    for row in progress(range(nulls)):
        drawn = next(random)
        codes, numbers = counts_of(drawn.graph)
        places = np.searchsorted(observed.codes, codes)
        places[~np.isin(codes, observed.codes)] = len(observed.codes)  # motifs that the graph lacks
        counts[row] = add_up(places, numbers, len(observed.codes) + 1)[:-1]
        totals[row], tries, exchanges = numbers.sum(), tries + drawn.tries, exchanges + drawn.exchanges
    return _compare(observed, counts, totals, model, tries, exchanges)


def _compare(observed, counts, totals, model, tries, exchanges):
    """Return the Significance of a census against the counts of its motifs, int64 (nulls, q), in random graphs."""
    frequency, shares = observed.counts / max(observed.total, 1), counts / np.maximum(totals, 1)[:, None]
    value, chance = (observed.counts, counts) if model == "layered" else (frequency, shares)
    differs = chance.max(axis=0) > chance.min(axis=0)  # rounding may leave a standard deviation above 0
    away = value - np.where(differs, chance.mean(axis=0), chance[0])
    z = np.where(away == 0, 0.0, np.copysign(np.inf, away))
    z[differs] = away[differs] / chance.std(axis=0, ddof=1)[differs]
    p = (1 + (chance >= value).sum(axis=0)) / (1 + len(counts))
    q, tested = np.ones(len(p)), differs | (away != 0)
    q[tested] = stats.false_discovery_control(p[tested])
    largest = np.abs(z[np.isfinite(z)]).max(initial=0)
    finite = np.clip(z, -largest, largest)
    length = np.sqrt((finite * finite).sum())
    std = np.where(shares.max(axis=0) > shares.min(axis=0), shares.std(axis=0, ddof=1), 0.0)
    return Significance(observed, frequency, shares.mean(axis=0), std, differs, z, p, q, (chance > value).mean(axis=0),
                        finite / length if length else finite, totals, tries, exchanges)
