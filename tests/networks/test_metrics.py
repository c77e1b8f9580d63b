"""Every statistic against networkx: to the bit on whole numbers and on each node's clustering."""
import math
import tracemalloc
from collections import Counter

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from gradnets.errors import UserError
from gradnets.networks import _kernels, graphs, metrics


def random_networks(count):
    """Yield symmetric bool matrices of 1 to 129 nodes, from empty to full, some with hubs, some in pieces."""
    rng = np.random.default_rng(0)
    for k in range(count):
        n = int(rng.integers(1, 101)) if k % 4 else int(rng.choice([1, 2, 3, 63, 64, 65, 127, 128, 129]))
        probability = rng.choice([0.0, 0.5 / n, 1.5 / n, 4 / n, 0.2, 0.9, 1.0])
        if k % 3 == 0:  # rank one: hubs and isolated nodes
            weights = rng.pareto(1.0, n) * (rng.random(n) < 0.7)
            probability = np.minimum(1, np.outer(weights, weights) / max(weights.sum(), 1))
        yield graphs.merge_layers(np.triu(rng.random((n, n)) < probability))


def distances_of(graph):
    """Return the number of ordered pairs of the giant component at each distance, by networkx."""
    giant = graph.subgraph(max(nx.connected_components(graph), key=len)).copy()  # a view is slow
    counts = Counter()
    for _, lengths in nx.all_pairs_shortest_path_length(giant):
        counts.update(lengths.values())
    return [counts[d] for d in range(max(counts) + 1)]


def interpolated_percentile(counts, share=0.9):
    """Return the 90th percentile of distances, each integer spread evenly over the unit below it."""
    pairs = sum(counts[1:])
    if not pairs:
        return 0.0
    passed = 0
    for d, count in enumerate(counts[1:], start=1):
        if passed + count >= share * pairs:
            return d - 1 + (share * pairs - passed) / count
        passed += count
    raise AssertionError


def assert_equals_networkx(adjacency):
    graph = nx.from_numpy_array(adjacency)
    measured, packed = metrics.measure(adjacency), metrics.pack(adjacency)
    assert metrics.measure(packed) == measured or math.isnan(measured.degree_skew)
    assert metrics.average_clustering(adjacency) == measured.average_clustering
    np.testing.assert_array_equal(metrics.unpack(packed), adjacency)
    counts, components = metrics.distances(packed)
    expected = distances_of(graph)
    np.testing.assert_array_equal(counts, expected)
    assert measured.components == components == nx.number_connected_components(graph)
    assert (measured.nodes, measured.edges) == (graph.number_of_nodes(), graph.number_of_edges())
    assert measured.giant_nodes == expected[0]
    assert measured.diameter == len(expected) - 1
    total = sum(d * count for d, count in enumerate(expected))
    assert measured.average_path_length == (total / sum(expected[1:]) if total else 0.0)
    assert measured.effective_diameter == pytest.approx(interpolated_percentile(expected), rel=1e-12)

    np.testing.assert_array_equal(metrics.triangles(packed), list(nx.triangles(graph).values()))
    local = list(nx.clustering(graph).values())
    assert measured.average_clustering == pytest.approx(math.fsum(local) / len(local), rel=1e-14)
    assert measured.transitivity == nx.transitivity(graph)

    degrees = np.array([degree for _, degree in graph.degree])
    np.testing.assert_array_equal(packed.degrees, degrees)
    assert measured.mean_degree == degrees.mean()
    if np.ptp(degrees):
        assert measured.degree_skew == pytest.approx(stats.skew(degrees), rel=1e-10, abs=1e-12)
        assert measured.degree_kurtosis == pytest.approx(stats.kurtosis(degrees), rel=1e-10, abs=1e-12)
    else:
        assert math.isnan(measured.degree_skew)
        assert math.isnan(measured.degree_kurtosis)


def test_random_networks_equal_networkx(many):
    for adjacency in random_networks(many(120, 500)):
        assert_equals_networkx(adjacency)


def test_mnist_gradients_equal_networkx(mnist_probabilities, many):
    rng = np.random.default_rng(0)
    for _ in range(many(1, 3)):
        assert_equals_networkx(graphs.merge_layers(graphs.sample(mnist_probabilities, rng)))


def test_cifar10_gradient_equals_networkx_and_matrix_powers(request, many):
    """networkx takes minutes here, so it gives the triangles of every tenth node, and powers the distances."""
    if not many(False, True):
        pytest.skip("3072 nodes take 10 s: in make test-long")
    adjacency = graphs.merge_layers(graphs.sample(request.getfixturevalue("cifar10_probabilities"), 0))
    graph, packed = nx.from_numpy_array(adjacency), metrics.pack(adjacency)
    nodes = range(0, len(graph), 10)
    assert nx.triangles(graph, nodes) == dict(zip(nodes, metrics.triangles(packed)[::10].tolist(), strict=True))
    links = adjacency.astype(np.float32)  # integers up to 3072 are exact
    closed = np.einsum("ij,ij->i", links @ links, links, dtype=float)
    np.testing.assert_array_equal(metrics.triangles(packed), closed / 2)
    degrees = adjacency.sum(axis=0)
    expected = math.fsum(closed[degrees > 1] / (degrees * (degrees - 1))[degrees > 1]) / len(graph)
    assert metrics.measure(adjacency).average_clustering == pytest.approx(expected, rel=1e-13)
    giant = sorted(max(nx.connected_components(graph), key=len))
    step = (adjacency | np.eye(len(graph), dtype=bool))[np.ix_(giant, giant)].astype(np.float32)
    reach, expected = step, [len(giant), np.count_nonzero(step) - len(giant)]
    while sum(expected) < len(giant)**2:
        reach = np.minimum(reach @ step, 1)
        expected.append(np.count_nonzero(reach) - sum(expected))
    counts, components = metrics.distances(packed)
    assert components == nx.number_connected_components(graph)
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize(("graph", "expected"), [
    (nx.path_graph(5), {"diameter": 4, "average_path_length": 2.0, "average_clustering": 0.0, "components": 1}),
    (nx.complete_graph(6), {"diameter": 1, "average_clustering": 1.0, "transitivity": 1.0, "effective_diameter": 0.9}),
    (nx.star_graph(7), {"diameter": 2, "average_clustering": 0.0, "edges": 7, "giant_nodes": 8}),
    (nx.empty_graph(4), {"diameter": 0, "average_path_length": 0.0, "components": 4, "giant_nodes": 1, "edges": 0}),
    (nx.disjoint_union(nx.path_graph(3), nx.complete_graph(3)), {"diameter": 2, "giant_nodes": 3, "components": 2}),
])
def test_known_networks(graph, expected):
    measured = metrics.measure(nx.to_numpy_array(graph).astype(bool))
    assert {key: getattr(measured, key) for key in expected} == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (40, 9), (9, 40), (70, 65), (130, 20),
                                   (7, 256)])  # which fills its words
@pytest.mark.parametrize("probability", [0.0, 0.05, 0.3, 1.0])
def test_bipartite_networks_equal_networkx(shape, probability):
    adjacency = np.random.default_rng(1).random(shape) < probability
    graph, measured = graphs.to_networkx(adjacency, "bipartite"), metrics.measure_bipartite(adjacency)
    expected = distances_of(graph)
    assert (measured.nodes, measured.edges, measured.giant_nodes) == (sum(shape), adjacency.sum(), expected[0])
    assert measured.diameter == len(expected) - 1
    assert measured.average_clustering == measured.transitivity == 0
    assert_bipartite_clustering(adjacency, measured)
    if adjacency.size < 500:  # networkx takes seconds for more
        assert measured.bipartite_clustering == pytest.approx(nx.bipartite.robins_alexander_clustering(graph),
                                                              rel=1e-12)


def assert_bipartite_clustering(adjacency, measured):
    """Compare with products of integer matrices: common neighbors of pairs of rows, and paths by their middle links."""
    common = adjacency.astype(int) @ adjacency.T
    assert measured.butterflies == (common * (common - 1) // 2)[np.triu_indices(len(adjacency), 1)].sum()
    paths = ((adjacency.sum(axis=1, keepdims=True) - 1) * (adjacency.sum(axis=0) - 1))[adjacency].sum()
    expected = 4 * measured.butterflies / paths if paths else 0
    assert measured.bipartite_clustering == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("shape", "probability"), [((1, 300), 0.5), ((3, 5000), 0.4), ((5000, 3), 0.4),
                                                    ((1, 9000), 0.7)])
def test_long_bipartite_networks_equal_networkx(shape, probability):
    """All pairs of thousands of units are too many for networkx, but units with the same neighbors have the same
    distances."""
    adjacency = np.random.default_rng(2).random(shape) < probability
    flat = adjacency if shape[0] < shape[1] else adjacency.T
    _, first, count = np.unique(flat, axis=1, return_index=True, return_counts=True)
    graph = graphs.to_networkx(flat, "bipartite")
    giant = max(nx.connected_components(graph), key=len)
    expected = Counter()
    for weight, source in [(1, i) for i in range(len(flat))] + list(zip(count, len(flat) + first, strict=True)):
        if source in giant:
            for d, pairs in Counter(nx.single_source_shortest_path_length(graph, source).values()).items():
                expected[d] += int(weight) * pairs
    measured = metrics.measure_bipartite(adjacency)
    assert (measured.nodes, measured.edges, measured.giant_nodes) == (sum(shape), adjacency.sum(), len(giant))
    assert measured.components == nx.number_connected_components(graph)
    assert measured.diameter == max(expected)
    assert measured.average_path_length == pytest.approx(
        sum(d * pairs for d, pairs in expected.items()) / (len(giant) * (len(giant) - 1)), rel=1e-12)
    assert_bipartite_clustering(flat, measured)


@pytest.mark.parametrize("nodes", [1, 2, 63, 64, 65, 129, 520])
@pytest.mark.parametrize("probability", [0.0, 0.05, 1.0])
def test_links_are_merged_and_packed_as_by_merging_first(nodes, probability):
    links = np.random.default_rng(nodes).random((nodes, nodes)) < probability
    for layout in (links, np.asfortranarray(links), np.repeat(links, 2, axis=1)[:, ::2]):
        packed, expected = metrics.pack_merged(layout), metrics.pack(graphs.merge_layers(links))
        for array, expected_array in zip(packed, expected, strict=True):
            np.testing.assert_array_equal(array, expected_array, strict=True)
    np.testing.assert_array_equal(metrics.unpack(packed), (links | links.T) & ~np.eye(nodes, dtype=bool))


@pytest.mark.parametrize("links", [np.zeros((2, 3), bool), np.zeros((2, 2)), np.zeros((0, 0), bool)])
def test_what_cannot_be_merged_is_refused(links):
    with pytest.raises(UserError):
        metrics.pack_merged(links)


@pytest.mark.parametrize("sources", [512, 1024])
def test_distances_do_not_depend_on_the_number_of_sources_at_once(sources):
    rng = np.random.default_rng(3)
    for n in (500, 512, 513, 1300):
        packed = metrics.pack_merged(rng.random((n, n)) < 1.5 / n)
        component, sizes = _kernels.components(packed.starts, packed.neighbors)
        members = np.flatnonzero(component == sizes.argmax())
        counts = _kernels.pairs_by_distance(packed.starts, packed.neighbors, members, sources)
        np.testing.assert_array_equal(counts, distances_of(nx.from_numpy_array(metrics.unpack(packed))))


def test_a_bipartite_network_takes_little_more_memory_than_its_matrix():
    adjacency = np.random.default_rng(0).random((1500, 4000)) < 0.01
    metrics.measure_bipartite(adjacency[:3])  # compile first
    tracemalloc.start()
    measured = metrics.measure_bipartite(adjacency)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * adjacency.size + 48 * measured.edges  # its transpose, the bits of both sides, lists of links


def test_the_input_is_left_as_it_was():
    adjacency = next(network for network in random_networks(50) if network.sum() > 20)
    before = adjacency.copy()
    metrics.measure(adjacency)
    metrics.measure(adjacency[::-1, ::-1])  # any strides will do
    np.testing.assert_array_equal(adjacency, before)


@pytest.mark.parametrize(("adjacency", "message"), [
    (np.zeros((0, 0), bool), "at least one entry"),
    (np.zeros(4, bool), "matrix of bools"),
    (np.zeros((3, 3)), "float64"),
    (np.zeros((3, 4), bool), r"square, this one is \(3, 4\)"),
    (np.eye(3, dtype=bool), "empty diagonal"),
    (np.triu(np.ones((3, 3), bool), 1), "symmetric"),
    (np.tri(70, k=-1, dtype=bool), "symmetric"),
])
def test_matrices_that_are_no_undirected_network_are_refused(adjacency, message):
    with pytest.raises(UserError, match=message):
        metrics.measure(adjacency)


def test_bipartite_refuses_matrices_of_numbers():
    with pytest.raises(UserError, match="matrix of bools"):
        metrics.measure_bipartite(np.ones((2, 2)))


@pytest.mark.parametrize("counts", [[], [3, -1], [3, 2, 0], [2, 2**62], [1.0, 2.0]])
def test_numbers_that_are_no_counts_of_distances_are_refused(counts):
    with pytest.raises(UserError, match="counts"):
        metrics.summarize_distances(counts)
    assert metrics.summarize_distances([7]) == (0, 0.0, 0.0)
