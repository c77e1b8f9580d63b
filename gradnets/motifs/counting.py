"""Count the motifs of a graph: exactly, by the quickest of three ways, or in a random sample of its subgraphs."""
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from gradnets import checks, streams
from gradnets.errors import UserError
from gradnets.motifs import layered
from gradnets.motifs.codes import check_size, merge_counts
from gradnets.motifs.enumeration import Enumeration, subgraphs_at_most
from gradnets.motifs.four_nodes import counts_of_four, seconds_of_formulas
from gradnets.motifs.graphs import NotLayered, layer_matrices, layer_of, uncolored

METHODS = ("auto", "enumerate", "formulas", "layered")
FEW_SUBGRAPHS = 5e4   # enumerated before the layers of a graph would be found
RAREST = 1e-30        # smallest chance of a subgraph whose logarithms are not rounded to 0


def census(graph, size, colored=True, threads=1, method="auto"):
    """Count all connected induced subgraphs on `size` nodes by class, exactly.

    Parameters
    ----------
    graph : Graph
    size : 3, 4 or 5
    colored : bool
        Whether edges of two colours differ.
    threads : int
        Number of threads of the enumeration. The counts do not depend on it.
    method : "auto", "enumerate", "formulas" or "layered"
        "formulas", for size 4 alone, counts what surrounds each pair of nodes. "layered" is the closed form of
        `layered_census`, for graphs with layers. "auto" chooses the method that is expected to be quickest. The counts
        do not depend on the method.

    Returns
    -------
    Census

    Raises
    ------
    UserError
        For another size, for more colours than `most_colors(size)`, and with the method "formulas" for a size other
        than 4 and for a graph too large for its tables.
    NotLayered
        With the method "layered", for a graph without layers.

    Notes
    -----
    Enumeration counts 1e8 subgraphs per second and more; `subgraphs_at_most` tells how many there are. The formulas
    need about 2e-8 seconds for each two links that share a node, however many subgraphs there are, and 1e-8 seconds
    for each view of four nodes. S states of a pair give S**5 views: with many colours enumeration stays quicker.
    """
    checks.positive_integers(threads=threads)
    checks.choice("method", method, METHODS)
    graph = graph if colored else uncolored(graph)
    colors = graph.largest_color
    check_size(size, colors)
    if method == "layered":
        layer = layer_of(graph)
        layered.check_widths(np.bincount(layer[layer >= 0], minlength=1).tolist(), size)
        return layered.layered_census(layer_matrices(graph, layer), size)
    if method == "auto" and subgraphs_at_most(graph, size) > FEW_SUBGRAPHS:
        try:
            layer = layer_of(graph)
            if closed_form_is_quicker(graph, layer, size, colors):
                return layered.layered_census(layer_matrices(graph, layer), size)
        except NotLayered:
            pass
    enumeration = Enumeration(graph, size, colors)
    counts = {"auto": lambda: general_counts(enumeration, graph, threads),
              "enumerate": lambda: enumeration.counts(graph, threads),
              "formulas": lambda: counts_of_four(enumeration, graph)}[method]()
    return merge_counts(*counts, size, colors)


def general_counts(enumeration, graph, threads=1):
    """Return codes and counts of any graph, by formulas if these are expected to be quicker than enumeration.

    Enumeration counts 1e8 subgraphs per second, or fewer if there are many colours.
    """
    if enumeration.size == 4 and seconds_of_formulas(graph, len(enumeration.pairs)) < subgraphs_at_most(graph, 4) / 1e8:
        return counts_of_four(enumeration, graph)
    return enumeration.counts(graph, threads)


def closed_form_is_quicker(graph, layer, size, colors):
    """Return whether the closed form of layers is expected to be quicker than `general_counts`."""
    widths = np.bincount(layer[layer >= 0]).tolist()
    if len(widths) < 2:
        return False
    try:
        layered.check_widths(widths, size)
    except UserError:
        return False
    general = subgraphs_at_most(graph, size) / 1e8
    if size == 4:
        general = min(general, seconds_of_formulas(graph, 2 * colors + 1))  # layers have no mutual edges
    return layered.seconds_of_closed_form(widths, size, colors) < general


def sampled_census(graph, size, chance, colored=True, replicates=10, threads=1, seed=0):
    """Estimate the census from a random share of the subgraphs, with errors (RAND-ESU; Wernicke 2006).

    Parameters
    ----------
    chance : float from 1e-30 to 1
        Chance of each subgraph to be counted, over all replicates. At each depth of the search the chance of going on
        with a node is the same.
    replicates : int, 2 or more
        Number of independent samples, whose spread gives the standard errors.
    threads : int
        Number of threads; the estimates do not depend on it.
    seed : int, not negative, or numpy.random.Generator

    Returns
    -------
    Census
        counts float64, unbiased; errors float64, standard errors. A rare motif may be missing.
    """
    checks.positive_integers(threads=threads, replicates=replicates)
    if not RAREST <= chance <= 1:
        raise UserError(f"chance is {chance!r}: expected a number from {RAREST} to 1")
    if replicates < 2:
        raise UserError(f"replicates is {replicates!r}: expected 2 or more, for standard errors")
    graph = graph if colored else uncolored(graph)
    colors, share = graph.largest_color, chance / replicates
    enumeration = Enumeration(graph, size, colors)
    generators = streams.plain_generator(seed).spawn(replicates)
    with ThreadPoolExecutor(threads) as pool:  # one replicate per thread: the same with any number of threads
        raw = list(pool.map(lambda rng: enumeration.raw_counts(graph, chance=share, rng=rng), generators))
    samples = [merge_counts(enumeration.classes(codes), counts, size, colors) for codes, counts in raw]
    codes = np.unique(np.concatenate([sample.codes for sample in samples]))
    estimates = np.zeros((replicates, len(codes)))
    for row, sample in zip(estimates, samples, strict=True):
        row[np.searchsorted(codes, sample.codes)] = sample.counts / share
    errors = estimates.std(axis=0, ddof=1) / np.sqrt(replicates)
    return merge_counts(codes, estimates.mean(axis=0), size, colors, errors)
