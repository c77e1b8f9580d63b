"""Profile a network: measures that tell kinds of network apart, each beside null models of the same degrees.

Raw numbers of two networks cannot be compared if their sizes and degrees differ. A measure over that of random networks
of the same degrees can.
"""
from typing import NamedTuple

import numpy as np

from gradnets import checks
from gradnets.errors import UserError
from gradnets.networks import mesoscale, metrics, mixing
from gradnets.networks.comparison import ratio

BINS = 8    # quantile bins of degree for the information that is compared
TRIES = 3   # runs of the Louvain method, of which the best counts
LARGEST_RATIO = 1000      # that tells networks apart
LARGEST_DIFFERENCE = 1e6  # of any two networks' measures
SMALLEST_SPREAD = 1e-9    # of a measure that tells networks apart


class Measure(NamedTuple):
    """A number of `profile`, how it is compared with a null model, and the comparison in words."""

    key: str
    is_ratio: bool
    words: str

    def compare(self, observed, null):
        """Return the observed number over that of a null model, or less it; of several null networks, over their mean.

        Parameters
        ----------
        observed, null : dict
            As `profile` and `mean_profile` return them.

        Returns
        -------
        float
            Infinite if only the null model's number is 0; 1 if both numbers of a ratio are 0.
        """
        observed, null = observed[self.key], null[self.key]
        return ratio(observed, null) if self.is_ratio else observed - null


MEASURES = (
    Measure("clustering", True, "clustering / null"),
    Measure("assortativity", False, "assortativity − null"),
    Measure("rich_club", True, "rich club / null"),
    Measure("modularity", False, "modularity − null"),
    Measure("path_length", True, "path length / null"),
    Measure("spectral_gap", True, "spectral gap / null"),
    Measure("core_fit", False, "core fit − null"),
    Measure("binned_information", False, "information − null, bits"),
)


def profile(adjacency, rng):
    """Measure a network by everything that it is compared by.

    Parameters
    ----------
    adjacency : bool array (n, n), symmetric without loops
        Nodes without a link are left out first.
    rng : numpy.random.Generator, or a seed for one
        For the search for communities.

    Returns
    -------
    dict of int and float
        nodes, links, clustering, path_length, assortativity, rich_club, modularity, spectral_gap, core_fit, core_share,
        entropy, conditional_entropy and information of degrees in bits, binned_information between 8 quantile bins.
        Path length and spectral gap are those of the giant component.

    Raises
    ------
    UserError
        If `metrics.measure` would raise it, and if all nodes with a link have the same degree, so that mixing by degree
        is undefined.
    """
    adjacency, rng = checks.bool_matrix("adjacency", adjacency), np.random.default_rng(rng)
    linked = adjacency.any(axis=1)
    if adjacency.shape[0] == adjacency.shape[1] and not linked.all():
        adjacency = adjacency[linked][:, linked]
    if not adjacency.size:
        raise UserError("the network has no link: expected links among nodes of different degrees")
    packed = metrics.pack(adjacency)
    degrees = packed.degrees
    if degrees.min() == degrees.max():
        links = f"{degrees[0]} link{'s' if degrees[0] > 1 else ''}"
        raise UserError(f"each of {len(degrees)} nodes has {links}: expected nodes of different degrees, else there is "
                        "no mixing by degree")
    counts, _ = metrics.distances(packed)
    core, information = mesoscale.core(packed), mixing.degree_information(packed)
    return {"nodes": len(degrees), "links": len(packed.neighbors) // 2,
            "clustering": metrics.average_clustering(packed),
            "path_length": metrics.summarize_distances(counts)[1],
            "assortativity": mixing.assortativity(packed), "rich_club": mixing.rich_club(packed),
            "modularity": max(mesoscale.modularity(packed, mesoscale.communities(packed, rng)) for _ in range(TRIES)),
            "spectral_gap": mesoscale.spectral_gap(packed), "core_fit": core.fit, "core_share": core.share,
            "entropy": information.entropy, "conditional_entropy": information.conditional_entropy,
            "information": information.information,
            "binned_information": mixing.degree_information(packed, BINS).information}


def mean_profile(profiles):
    """Return the mean of each number of several profiles."""
    return {key: float(np.mean([profile[key] for profile in profiles])) for key in profiles[0]}


def small_world(observed, null):
    """Return sigma: the clustering over that of a null model, over the same of path lengths.

    Parameters
    ----------
    observed, null : dict
        As `profile` returns them. Against random links the source calls a network with sigma above 1 a small world;
        against networks of the same degrees sigma says what degrees do not explain.

    Returns
    -------
    float

    Notes
    -----
    M. D. Humphries, K. Gurney, Network 'small-world-ness', PLoS ONE 3 (2008) e0002051.
    """
    return ratio(observed["clustering"], null["clustering"]) / ratio(observed["path_length"], null["path_length"])


def profile_distances(values, reference):
    """Return how far networks are from reference networks, by MEASURES.

    Parameters
    ----------
    values : float array (n, 8)
        What `Measure.compare` returns, a column for each of MEASURES. Ratios may be infinite.
    reference : float array (m, 8)
        The same of the networks that distances are taken to. Their spread is the unit.

    Returns
    -------
    float64 (n, m)
        Root mean square over the measures of the difference, in interquartile ranges of the reference networks. Ratios
        count by their logarithms, within a factor of 1,000 from 1. A measure on which the middle half of the reference
        networks agrees does not count.

    Raises
    ------
    UserError
        If a number is NaN or a difference huge, a shape is another one, or the middle half of the reference networks
        agrees on all measures.

    Notes
    -----
    Interquartile ranges, since a network of co-authors may cluster a hundred times as much as its degrees explain,
    which widens a standard deviation. Ranks among the reference networks would hide how far outside a network lies.
    """
    values, reference = (_on_one_scale(name, array) for name, array in (("values", values), ("reference", reference)))
    spread = np.subtract(*np.quantile(reference, [0.75, 0.25], axis=0))
    apart = spread > SMALLEST_SPREAD
    if not apart.any():
        raise UserError(f"the middle half of {len(reference)} reference networks agrees on all measures: expected "
                        "networks that differ")
    differences = (values[:, None] - reference)[:, :, apart] / spread[apart]
    return np.sqrt((differences**2).mean(axis=2))


def _on_one_scale(name, array):
    """Return the measures as float64 (n, 8), logarithms of ratios."""
    array = np.array(array)
    if array.ndim != 2 or array.shape[1] != len(MEASURES) or not array.size or array.dtype.kind not in "fiub":
        raise UserError(f"{name}: got {array.dtype} of shape {array.shape}, expected real numbers with a column for "
                        f"each of {len(MEASURES)} measures")
    array = array.astype(float)
    ratios = [measure.is_ratio for measure in MEASURES]
    array[:, ratios] = np.log(np.clip(array[:, ratios], 1 / LARGEST_RATIO, LARGEST_RATIO))
    wrong = np.count_nonzero(~(np.abs(array) < LARGEST_DIFFERENCE))
    if wrong:
        raise UserError(f"{name}: {wrong} of {array.size} numbers are NaN, or differences of {LARGEST_DIFFERENCE:g} or "
                        "more: expected what Measure.compare returns")
    return array
