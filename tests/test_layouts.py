"""Arrays of any shape, dtype and layout in memory: a function's value is its value of a plain copy of the array.

Arrays are drawn by hypothesis, and numpy or networkx say the value where they can do so in a line or two.
"""
import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from public_functions import INPUTS, LABELS, assert_same, perceptron, read_only, refused, strided

from gradnets import curvature, motifs, networks, sparse, tails
from gradnets.networks import kronecker

REAL = ("f8", "f4", "f2", ">f8", ">f4", "i8", "i4", "i1", "u1", ">i2", "?")
INTEGER = ("i8", "i4", "i2", "i1", "u1", "u8", ">i8", ">u2")


def unaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:]
    raw[:] = np.frombuffer(array.tobytes(), np.uint8)
    return raw.view(array.dtype).reshape(array.shape)


def framed(array):
    frame = np.ones([n + 3 for n in array.shape], array.dtype)
    inside = frame[tuple(slice(1, n + 1) for n in array.shape)]
    inside[...] = array
    return inside


LAYOUTS = {
    "C": np.array,
    "Fortran": np.asfortranarray,
    "axes in another order": lambda array: np.moveaxis(np.moveaxis(array, 0, -1).copy(), -1, 0),
    "every second": strided,
    "backwards": lambda array: np.flip(np.flip(array).copy()),
    "rows backwards": lambda array: array[::-1].copy()[::-1],
    "inside a larger array": framed,
    "not aligned": unaligned,
    "read-only": read_only,
}


# ---- arrays of at most so many rows and columns -----------------------------------------------------------

def reals(rng, rows, columns):
    return rng.integers(-8, 9, (rows, columns)) / 8  # exact in every dtype of floats


def probabilities(rng, rows, columns):
    return rng.integers(0, 9, (rows, columns)) / 8


def links(rng, rows, columns):
    return rng.random((rows, columns)) < rng.random()


def square_links(rng, rows, columns):
    return links(rng, rows, rows)


def network(rng, rows, columns):
    return networks.merge_layers(links(rng, rows, rows))


def colors(rng, rows, columns):
    return rng.integers(0, 4, (rows, columns)) * links(rng, rows, columns)


def square_colors(rng, rows, columns):
    return colors(rng, rows, rows)


def magnitudes(rng, rows, columns):
    return (60 * rng.random((rows, 4, columns)) ** 2).round(1)


def kronecker_seeds(rng, rows, columns):
    seed = rng.integers(0, 9, (2 + rows % 3,) * 2) / 8
    seed[0, 1] = 1
    return seed


def outer_products(rng, rows, columns):
    return np.outer(rng.integers(1, 9, rows), rng.integers(1, 9, columns)) / 64


def inputs(rng, rows, columns):
    return rng.integers(0, 9, (rows, 9)) / 8


def directions(rng, rows, columns):
    return rng.integers(-8, 9, (columns, 55)) / 8


def weights(rng, rows, columns):
    return rng.integers(-8, 9, (9, 4)) / 8 + 0.0625


def labels_of(inputs):
    return np.arange(len(inputs)) % 3


# ---- values by numpy and networkx -------------------------------------------------------------------------

def networkx_numbers(network):
    graph = nx.from_numpy_array(network)
    return [graph.number_of_nodes(), graph.number_of_edges(), nx.number_connected_components(graph),
            nx.average_clustering(graph), nx.transitivity(graph)]


def measured_numbers(network):
    stats = networks.measure(network)
    return [stats.nodes, stats.edges, stats.components, stats.average_clustering, stats.transitivity]


def networkx_bipartite(adjacency):
    rows, columns = adjacency.shape
    graph = nx.from_numpy_array(np.block([[np.zeros((rows, rows)), adjacency],
                                          [adjacency.T, np.zeros((columns, columns))]]))
    return [rows + columns, graph.number_of_edges(), nx.number_connected_components(graph),
            max(map(len, nx.connected_components(graph)))]


def measured_bipartite(adjacency):
    stats = networks.measure_bipartite(adjacency)
    return [stats.nodes, stats.edges, stats.components, stats.giant_nodes]


def connected_triples(matrix):
    """Return the number of connected subgraphs of three nodes, whatever their directions and colors."""
    linked = ((matrix + matrix.T) > 0).astype(int)
    np.fill_diagonal(linked, 0)
    degrees = linked.sum(axis=0)
    return int((degrees * (degrees - 1) // 2).sum() - np.trace(linked @ linked @ linked) // 3)


def layered_triples(matrix):
    return sum(int((k * (k - 1) // 2).sum()) for k in ((matrix > 0).sum(axis=0), (matrix > 0).sum(axis=1)))


def exponent(values):
    """Return the exponent by maximum likelihood at the fitted xmin (Clauset et al. 2009, eq. 3.1)."""
    xmin = tails.fit(values).xmin
    tail = values[values >= xmin]
    return [1 + tail.size / np.log(tail / xmin).sum(), tail.size, np.count_nonzero(values == 0)]


def fitted_exponent(values):
    fit = tails.fit(values)
    return [fit.alpha, fit.n_tail, fit.zeros]


def largest_entry(matrix):
    kept = np.zeros(matrix.size, dtype=bool)
    kept[np.argsort(-np.abs(matrix.ravel().astype(float)), kind="stable")[:1]] = True
    return kept.reshape(matrix.shape)


def sampled(probabilities):
    rng, drawn = np.random.default_rng(5), np.zeros(probabilities.shape, dtype=bool)
    drawn[probabilities > 0] = rng.random(np.count_nonzero(probabilities)) < probabilities[probabilities > 0]
    return drawn


def undirected(adjacency):
    either = adjacency | adjacency.T
    np.fill_diagonal(either, False)
    return either


def sums_of_null(null, axes):
    """Return a function that gives the sums of a null model along axes, or over all entries."""
    return lambda adjacency: [null(adjacency, 3).sum(axis=axis) for axis in axes]


def sums(axes):
    return lambda adjacency: [adjacency.sum(axis=axis) for axis in axes]


def trained_from(weights):
    net = sparse.pack([weights, np.random.default_rng(4).normal(size=(4, 3))], [None, np.zeros(3)], dtype=np.float64)
    samples = sparse.pack_samples(INPUTS, LABELS, np.float64)
    return sparse.train_epoch(net, samples, np.arange(12), 0.1), sparse.unpack(net)


# name: how arrays are drawn, their dtypes, the function, and its value by other means or None
CALLS = {
    "probabilities": (reals, REAL, networks.probabilities, lambda m: np.abs(m) / np.abs(m).max()),
    "sample": (probabilities, ("f8", "f4", "f2", ">f8"), lambda p: networks.sample(p, 5), sampled),
    "threshold": (reals, REAL, lambda m: networks.threshold(m, edges=1), largest_entry),
    "threshold by a cut": (reals, REAL, lambda m: networks.threshold(m, cut=0.5), lambda m: np.abs(m) > 0.5),
    "merge_layers": (square_links, "?", networks.merge_layers, undirected),
    "pack_merged": (square_links, "?", lambda a: networks.unpack(networks.pack_merged(a)), undirected),
    "to_networkx": (links, "?", lambda a: sorted(networks.to_networkx(a, "bipartite").edges),
                    lambda a: [(i, len(a) + j) for i, j in np.argwhere(a)]),
    "measure": (network, "?", measured_numbers, networkx_numbers),
    "measure, all of it": (network, "?", networks.measure, None),
    "measure_bipartite": (links, "?", measured_bipartite, networkx_bipartite),
    "measure_bipartite, all of it": (links, "?", networks.measure_bipartite, None),
    "observed_counts": (network, "?", lambda a: kronecker.observed_counts(a)[3],
                        lambda a: sum(nx.triangles(nx.from_numpy_array(a)).values()) // 3),
    "assortativity": (network, "?", networks.assortativity, None),
    "degree_information": (network, "?", networks.degree_information, None),
    "rich_club": (network, "?", networks.rich_club, None),
    "reciprocity": (square_links, "?", networks.reciprocity, None),
    "communities": (network, "?", lambda a: networks.communities(a, 3), None),
    "core": (network, "?", networks.core, None),
    "spectral_gap": (network, "?", networks.spectral_gap, None),
    "erdos_renyi": (network, "?", lambda a: networks.erdos_renyi(a, 3), None),
    "undirected_configuration": (network, "?", sums_of_null(networks.undirected_configuration, [0]), sums([0])),
    "undirected_configuration, the draw": (network, "?", lambda a: networks.undirected_configuration(a, 3), None),
    "directed_configuration": (links, "?", sums_of_null(networks.directed_configuration, [0, 1]), sums([0, 1])),
    "directed_configuration, the draw": (links, "?", lambda a: networks.directed_configuration(a, 3), None),
    "shuffled_entries": (links, "?", sums_of_null(networks.shuffled_entries, [None]), sums([None])),
    "rank_one": (outer_products, ("f8", "f4", ">f8", ">f4"), lambda p: np.outer(*networks.rank_one(p)), np.array),
    "fit": (magnitudes, ("f8", "f4", "f2", ">f8", "i4", "u1"), fitted_exponent, exponent),
    "fit, all of it": (magnitudes, ("f8", "f4", "f2", ">f8", "i4", "u1"), tails.fit, None),
    "stability": (magnitudes, ("f8", "f4", ">f4"), tails.stability, None),
    "census": (square_colors, INTEGER, lambda m: motifs.census(motifs.from_adjacency(m), 3).total, connected_triples),
    "census of four": (square_colors, INTEGER, lambda m: motifs.census(motifs.from_adjacency(m), 4), None),
    "layered_census": (colors, INTEGER, lambda m: motifs.layered_census([m], 3).total, layered_triples),
    "layered_census of four": (colors, INTEGER, lambda m: motifs.layered_census([m]), None),
    "moments of a Kronecker power": (kronecker_seeds, ("f8", "f4", ">f8"), lambda s: kronecker.moments(s, 3), None),
    "power": (kronecker_seeds, ("f8", "f4", ">f8"), lambda s: kronecker.power(s, 1), lambda s: np.kron(s, s)),
    "pack_samples": (inputs, REAL, lambda x: sparse.pack_samples(x, labels_of(x), np.float64).values,
                     lambda x: x[x != 0]),
    "pack": (weights, ("f8", "f4", "f2", ">f8", ">f4"),
             lambda w: sparse.unpack(sparse.pack([w], [None], [w > 0.2], "sparse", dtype=np.float64))[0][0],
             lambda w: np.where(w > 0.2, w, 0)),
    "train_epoch": (weights, ("f8", "f4", "f2", ">f8"), trained_from, None),
    "prune": (weights, ("f8", "f4", ">f8"), lambda w: sparse.prune([w], 0.3)[0].sum(), lambda w: int(0.3 * w.size)),
    "gradient": (inputs, REAL, lambda x: curvature.gradient(perceptron(), x, labels_of(x)), None),
    "hessian": (inputs, ("f8", "f4", ">f8", "i4"), lambda x: curvature.hessian(perceptron(), x, labels_of(x)),
                lambda x: curvature.hessian(perceptron(), x, labels_of(x), "r-operator")),
    "hessian_vector": (directions, ("f8", "f4", ">f8", "i4"),
                       lambda v: curvature.hessian_vector(perceptron(), INPUTS, LABELS, v),
                       lambda v: v @ curvature.hessian(perceptron(), INPUTS, LABELS, "r-operator")),
    "forward": (inputs, ("f8", "f4", ">f8", "i4"), lambda x: perceptron().forward(x)[-1],
                lambda x: np.vstack([perceptron().forward(row[None])[-1] for row in x])),
}


@pytest.mark.parametrize("name", CALLS)
def test_shape_dtype_and_layout_do_not_change_the_value(name, many, tried):
    draw, dtypes, call, oracle = CALLS[name]
    count = 0

    @settings(max_examples=many(4, 300), deadline=None, database=None, derandomize=True)
    @given(st.integers(1, 12), st.integers(1, 12), st.sampled_from(dtypes), st.sampled_from(sorted(LAYOUTS)),
           st.integers(0, 2**32 - 1))
    def check(rows, columns, dtype, layout, seed):
        nonlocal count
        array = LAYOUTS[layout](draw(np.random.default_rng(seed), rows, columns).astype(dtype))
        plain = np.array(array, dtype={"f": float, "b": bool}.get(array.dtype.kind, np.int64), order="C")
        before, tolerance = plain.copy(), {"rtol": 1e-6 if array.dtype.itemsize <= 4 else 1e-9, "atol": 1e-11}
        error, value = refused(call, {"array": array})
        plain_error, expected = refused(call, {"array": plain})
        assert type(error) is type(plain_error)
        if error is None:
            assert_same(value, expected, **tolerance)
            if oracle is not None:
                assert_same(value, oracle(before), **tolerance)
        np.testing.assert_array_equal(array, before)
        count += 1

    check()
    tried("9 shapes, dtypes and layouts", count)
