"""Compare sampled networks with their null models: draw and measure both, summarise, and state a verdict."""
from typing import NamedTuple

import numpy as np

from gradnets import checks, streams, summaries
from gradnets.errors import UserError
from gradnets.networks import graphs, metrics, nulls
from gradnets.progress import progress

# Names of the networks, as rows hold them.
OBSERVED = "observed network"
RELABELED = "hidden units relabelled"
UNDIRECTED_CONFIGURATION, ERDOS_RENYI = "undirected configuration", "Erdős-Rényi"
SHUFFLED = "shuffled entries"
DIRECTED_CONFIGURATION = "directed configuration"

# The same in plain words, in the order of tables and figures.
IN_WORDS = {OBSERVED: "the gradient's network", DIRECTED_CONFIGURATION: "same in- and out-degrees",
            SHUFFLED: "shuffled entries", ERDOS_RENYI: "random links", UNDIRECTED_CONFIGURATION: "same total degrees",
            RELABELED: "hidden units relabelled"}

FEWEST = 10  # draws that a verdict needs


class Measurement(NamedTuple):
    """What is measured of one network.

    `numbers` holds its statistics by name. `degrees` is {"out": int32 array (n,), "in": int32 array (m,)}, or None for
    a null model of the merged network, which has no sides.
    """

    numbers: dict
    degrees: dict | None


def threshold_probabilities(probabilities, cut=0.0):
    """Return the probabilities of a thresholded network: 1 for the largest entries, 0 for all others.

    Parameters
    ----------
    probabilities : float array (n, m), each entry in [0, 1]
    cut : float
        Keep the entries above this number; 0 keeps as many entries as sampling draws links on average.

    Returns
    -------
    float array (n, m), of the same dtype

    Raises
    ------
    UserError
        If an entry lies outside [0, 1], and if `graphs.threshold` would raise it.
    """
    probabilities = checks.real_array("probabilities", probabilities, axes=2)
    if probabilities.min() < 0 or probabilities.max() > 1:
        raise UserError(f"probabilities run from {probabilities.min():.6g} to {probabilities.max():.6g}: expected them "
                        "in [0, 1], as networks.probabilities returns them")
    if cut > 0:
        kept = graphs.threshold(probabilities, cut=cut)
    else:
        kept = graphs.threshold(probabilities, edges=round(probabilities.sum(dtype=float)))
    return kept.astype(probabilities.dtype)


def draw(probabilities, layers, draws, seed):
    """Sample networks, draw each null model once per network, and measure all of them.

    Parameters
    ----------
    probabilities : float array (n, m), each entry in [0, 1]
        Square if layers are merged.
    layers : "merged" or "bipartite"
    draws : int
        Number of sampled networks.
    seed : int
        Draw k depends on the seed and k alone.

    Returns
    -------
    measurements : dict of str to list of Measurement
        OBSERVED first, then each null model; one measurement per draw. Skew and kurtosis are NaN if all degrees of a
        side are equal.
    first : bool array (n, m)
        The first sampled network.

    Notes
    -----
    Each sampled network is merged and packed once. Apart from the probabilities, at most four networks exist at once,
    n m bytes each.
    """
    checks.choice("layers", layers, graphs.LAYERS)
    checks.positive_integers(draws=draws)
    measurements = {}
    for k in progress(range(draws), total=draws, label="drawing"):
        rng = streams.generator(seed, streams.LINKS, k)
        for name, measurement in _measure_draw(graphs.sample(probabilities, rng), layers, rng):
            measurements.setdefault(name, []).append(measurement)
    return measurements, graphs.sample(probabilities, streams.generator(seed, streams.LINKS, 0))


def summary(measurements):
    """Return one row per kind of network, with medians and 90 % intervals over the draws.

    Parameters
    ----------
    measurements : dict of str to list of Measurement
        As `draw` returns them.

    Returns
    -------
    list of dict
        `network` names the kind. `observed_over_this` is the clustering of the observed network divided by that of
        this one, draw by draw.
    """
    observed = [numbers["clustering"] for numbers, _ in measurements[OBSERVED]]
    rows = []
    for name, draws in measurements.items():
        samples = {}
        for key in draws[0].numbers:
            samples[key] = [numbers[key] for numbers, _ in draws]
            if key == "clustering":
                samples["observed_over_this"] = [ratio(*pair) for pair in zip(observed, samples[key], strict=True)]
        rows.append({"network": name, "draws": len(draws)} | summaries.median_intervals(**samples))
    return rows


def verdict(rows):
    """State whether degrees explain the clustering, from the ratio of its draws to those of their null model.

    They do if nine ratios in ten are within 10 % of 1. A wider spread that includes 1 is stated as such: a few links
    more or less make networks that differ so much.

    Parameters
    ----------
    rows : list of dict
        As `summary` returns them, in any order.

    Returns
    -------
    str
        A sentence without its full stop.
    """
    by_name = {row["network"]: row for row in rows}
    same_degrees = by_name[DIRECTED_CONFIGURATION]
    times, low, high = (same_degrees["observed_over_this" + end] for end in ("", "_low", "_high"))
    if by_name[OBSERVED]["clustering"] == 0:
        return "The drawn networks do not cluster"
    if not np.isfinite(times):
        return "The drawn networks cluster, networks of the same degrees do not"
    if same_degrees["draws"] >= FEWEST and low >= 0.9 and high <= 1.1:
        return f"The clustering of the gradient network is what its degrees alone give ({times:.2f} times)"
    if same_degrees["draws"] < FEWEST:
        return f"Clustering is {times:.2f} times what the degrees alone give: too few networks to judge"
    if low <= 1 <= high:
        return f"Clustering is {times:.2f} times what the degrees alone give, within the spread of networks"
    return f"The gradient network clusters {times:.2f} times as much as its degrees alone give"


def ratio(observed, null):
    """Return observed / null; if the null is 0, infinity, or 1 if the observed number is 0 too."""
    if null > 0:
        return observed / null
    return np.inf if observed > 0 else 1.0


def multiplicity(degrees):
    """Count the different degrees of units that have a link, and the units that share the most common degree.

    Parameters
    ----------
    degrees : int array of any shape, entries of at least 0

    Returns
    -------
    distinct, commonest : int
        Both are 0 if no unit has a link.

    Raises
    ------
    UserError
        Unless the degrees are integers of at least 0.
    """
    degrees = checks.integer_array("degrees", degrees)
    if degrees.min(initial=0) < 0:
        raise UserError(f"a degree is {degrees.min()}: expected integers of at least 0")
    _, units = np.unique(degrees[degrees > 0], return_counts=True)  # the number of units with each degree
    return len(units), int(units.max(initial=0))


# ---- one draw and its null models -------------------------------------------------------------------------

def _measure_draw(observed, layers, rng):
    """Yield name and Measurement of a sampled network, then of each null model; all of them share the generator."""
    sides = _sides(observed)
    if layers == "merged":
        merged = metrics.pack_merged(observed)
        yield OBSERVED, _measurement(metrics.measure(merged), sides)
        # Which hidden unit shares a node with which input is arbitrary: other labels give another merged network.
        yield RELABELED, _measure_layers(observed.take(rng.permutation(observed.shape[1]), axis=1), layers)
        yield UNDIRECTED_CONFIGURATION, _measurement(metrics.measure(nulls.undirected_configuration(merged, rng)))
        yield ERDOS_RENYI, _measurement(metrics.measure(nulls.erdos_renyi(merged, rng)))
        del merged
    else:
        yield OBSERVED, _measure_layers(observed, layers, sides)
    yield SHUFFLED, _measure_layers(nulls.shuffled_entries(observed, rng), layers)
    yield DIRECTED_CONFIGURATION, _measure_layers(nulls.directed_configuration(observed, rng), layers, sides)


def _measure_layers(adjacency, layers, sides=None):
    """Measure a network of two layers; sides: what `_sides` returns, if the caller knows it."""
    sides = _sides(adjacency) if sides is None else sides
    if layers == "bipartite":
        return _measurement(metrics.measure_bipartite(adjacency), sides)
    return _measurement(metrics.measure(metrics.pack_merged(adjacency)), sides)


def _sides(adjacency):
    """Return the degrees of both sides as a Measurement holds them, and their statistics."""
    degrees = {"out": adjacency.sum(axis=1, dtype=np.int32), "in": adjacency.sum(axis=0, dtype=np.int32)}
    numbers = {}
    for side, values in degrees.items():
        numbers[f"{side}_skew"], numbers[f"{side}_kurtosis"] = summaries.moments(values)
    numbers["out_degrees"], numbers["units_of_commonest"] = multiplicity(degrees["out"])
    return degrees, numbers


def _measurement(stats, sides=(None, {})):
    degrees, side_numbers = sides
    bipartite = isinstance(stats, metrics.BipartiteStats)
    numbers = {"nodes": stats.nodes, "giant_nodes": stats.giant_nodes, "edges": stats.edges,
               "diameter": stats.diameter, "path_length": stats.average_path_length,
               "effective_diameter": stats.effective_diameter,
               "clustering": stats.bipartite_clustering if bipartite else stats.average_clustering}
    return Measurement(numbers | side_numbers, degrees)
