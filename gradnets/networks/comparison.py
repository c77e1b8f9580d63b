"""An observed network beside its nulls: drawn side by side, measured, summed up in rows, and a verdict in words."""
import numpy as np

from gradnets import checks, summaries
from gradnets.errors import UserError
from gradnets.networks import graphs, metrics, nulls
from gradnets.progress import progress

OBSERVED, SHUFFLED, DEGREES = "observed network", "shuffled entries", "directed configuration"
UNDIRECTED = ("undirected configuration", "Erdős-Rényi")  # nulls of the merged network, where no side is left
FEWEST = 10  # draws that a verdict needs


def thresholded(chances, cut=0.0):
    """The thresholded network as chances of 0 and 1.

    Parameters
    ----------
    chances : float array (n, m), in [0, 1]
    cut : float
        Keep the entries above this; 0 keeps as many as sampling draws on average.

    Returns
    -------
    float array (n, m), of the chances' dtype

    Raises
    ------
    ValueError
        As `graphs.threshold`, and for entries outside [0, 1].
    """
    chances = checks.real_array("chances", chances, axes=2)
    if chances.min() < 0 or chances.max() > 1:
        raise UserError(f"chances run from {chances.min():.6g} to {chances.max():.6g}: expected them in [0, 1], as "
                         "graphs.probabilities gives them")
    if cut > 0:
        kept = graphs.threshold(chances, cut=cut)
    else:
        kept = graphs.threshold(chances, edges=round(chances.sum(dtype=float)))
    return kept.astype(chances.dtype)


def networks(chances, layers, draws, seed):
    """Networks drawn from a matrix of chances, and from each one its nulls, measured.

    Parameters
    ----------
    chances : float array (n, m), in [0, 1]
        Square where layers are merged.
    layers : "merged" or "bipartite"
    draws : int
        Networks of each kind.
    seed : int

    Returns
    -------
    kinds : dict of str to list
        The observed network first, then its nulls; a pair a draw: a dict of numbers, and the degrees of both sides,
        {"out": int array (n,), "in": int array (m,)}, or None where the null has no sides. Skew and kurtosis are NaN
        where all degrees of a side are equal.
    first : bool array (n, m)
        The first observed network.

    Notes
    -----
    Beside the chances no more than four networks stand at a time, of n m bytes each.
    """
    def stream(k):
        return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2, k)))  # apart from weights and data

    kinds = {}
    for k in progress(range(draws), total=draws, label="drawing"):
        for name, adjacency in _draw(chances, layers, stream(k)):
            kinds.setdefault(name, []).append(_measure(name, adjacency, layers))
    return kinds, graphs.sample(chances, stream(0))


def summary(kinds):
    """A row a kind of network: medians and 90 % intervals, and `observed_over_this`, clustering draw by draw."""
    return [_row(name, draws, kinds[OBSERVED]) for name, draws in kinds.items()]


def verdict(rows):
    """Whether degrees explain the clustering: they do if nine draws of ten lie within 10 % of theirs.

    Parameters
    ----------
    rows : list of dict
        As `summary` returns them.

    Returns
    -------
    str
        A sentence without its full stop.
    """
    by_name = {row["network"]: row for row in rows}
    shuffled, degrees = by_name[SHUFFLED]["observed_over_this"], by_name[DEGREES]["observed_over_this"]
    low, high = (by_name[DEGREES]["observed_over_this" + end] for end in ("_low", "_high"))
    if by_name[OBSERVED]["clustering"] == 0:
        return "The drawn networks do not cluster"
    if by_name[DEGREES]["draws"] >= FEWEST and low >= 0.9 and high <= 1.1:
        said = "degrees explain it"
    elif high < 0.9 or low > 1.1:
        said = "degrees do not explain it"
    else:
        said = "undecided"
    return (f"Clustering {shuffled:.2g} times that of shuffled entries, {degrees:.2f} ({low:.2f} to {high:.2f}) times "
            f"that of the same degrees: {said}")


def ratio(observed, null):
    """Observed over null; where the null is 0, infinite, or 1 if nothing was observed either."""
    if null > 0:
        return observed / null
    return np.inf if observed > 0 else 1.0


def multiplicity(degrees):
    """How many degrees there are among units that have a link, and how many units share the commonest one.

    Parameters
    ----------
    degrees : int array, any shape, not negative

    Returns
    -------
    distinct, commonest : int
        Both 0 where no unit has a link.

    Raises
    ------
    ValueError
        For what are no whole numbers, or negative.
    """
    degrees = checks.integer_array("degrees", degrees)
    if degrees.min(initial=0) < 0:
        raise UserError(f"a degree of {degrees.min()}: expected whole numbers, 0 or greater")
    _, units = np.unique(degrees[degrees > 0], return_counts=True)  # how many units have each degree
    return len(units), int(units.max(initial=0))


def _draw(chances, layers, rng):
    """Yield one network and one of each of its nulls, with names: bool (n, m); merged where a null mixes both sides."""
    observed = graphs.sample(chances, rng)
    yield OBSERVED, observed
    if layers == "merged":
        # Which receiving unit shares a node with which sender is arbitrary: other labels, another network.
        yield "hidden units relabelled", observed.take(rng.permutation(observed.shape[1]), axis=1)
        merged = graphs.merge_layers(observed)
        yield UNDIRECTED[0], nulls.undirected_configuration(merged, rng)
        yield UNDIRECTED[1], nulls.erdos_renyi(merged, rng)
        del merged
    yield SHUFFLED, nulls.shuffled_entries(observed, rng)
    yield DEGREES, nulls.directed_configuration(observed, rng)


def _measure(name, adjacency, layers):
    """The numbers of one network that the table shows, and its degrees on both sides where it has sides."""
    if layers == "bipartite":
        stats = metrics.measure_bipartite(adjacency)
        clustering = stats.bipartite_clustering
    else:
        stats = metrics.measure(graphs.merge_layers(adjacency))
        clustering = stats.average_clustering
    numbers = {"nodes": stats.nodes, "giant_nodes": stats.giant_nodes, "edges": stats.edges,
               "diameter": stats.diameter, "path_length": stats.average_path_length,
               "effective_diameter": stats.effective_diameter, "clustering": clustering}
    if name in UNDIRECTED:
        return numbers, None
    degrees = {"out": adjacency.sum(axis=1), "in": adjacency.sum(axis=0)}
    for side, values in degrees.items():
        numbers[f"{side}_skew"], numbers[f"{side}_kurtosis"] = summaries.moments(values)
    numbers["out_degrees"], numbers["units_of_commonest"] = multiplicity(degrees["out"])
    return numbers, degrees


def _row(name, draws, observed):
    columns = {}
    for key in draws[0][0]:
        columns[key] = [numbers[key] for numbers, _ in draws]
        if key == "clustering":
            columns["observed_over_this"] = [ratio(numbers[key], null[key])
                                             for (numbers, _), (null, _) in zip(observed, draws, strict=True)]
    return {"network": name, "draws": len(draws)} | summaries.median_intervals(**columns)
