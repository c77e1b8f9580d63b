"""Every statistic against networkx: to the bit on whole numbers and on each node's clustering."""
import math
import tracemalloc
from collections import Counter

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from gradnets import graphs, metrics


def random_graphs(count):
    """Symmetric bool matrices of 1 to 129 nodes, from empty to full, some with hubs, some in pieces."""
    rng = np.random.default_rng(0)
    for k in range(count):
        n = int(rng.integers(1, 101)) if k % 4 else int(rng.choice([1, 2, 3, 63, 64, 65, 127, 128, 129]))
        chance = rng.choice([0.0, 0.5 / n, 1.5 / n, 4 / n, 0.2, 0.9, 1.0])
        if k % 3 == 0:  # rank one: hubs and isolated nodes
            weights = rng.pareto(1.0, n) * (rng.random(n) < 0.7)
            chance = np.minimum(1, np.outer(weights, weights) / max(weights.sum(), 1))
        yield graphs.merge_layers(np.triu(rng.random((n, n)) < chance))


def distances_of(graph):
    """The giant component's ordered pairs by distance, by networkx."""
    giant = graph.subgraph(max(nx.connected_components(graph), key=len)).copy()  # a view is slow
    counts = Counter()
    for _, lengths in nx.all_pairs_shortest_path_length(giant):
        counts.update(lengths.values())
    return [counts[d] for d in range(max(counts) + 1)]


def interpolated_percentile(counts, share=0.9):
    """The 90th percentile of the distances of distinct nodes, each whole number smeared over the unit before it."""
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
    found, packed = metrics.measure(adjacency), metrics.pack(adjacency)
    counts, components = metrics.distances(packed)
    expected = distances_of(graph)
    np.testing.assert_array_equal(counts, expected)
    assert found.components == components == nx.number_connected_components(graph)
    assert (found.nodes, found.edges) == (graph.number_of_nodes(), graph.number_of_edges())
    assert found.giant_nodes == expected[0]
    assert found.diameter == len(expected) - 1
    total = sum(d * count for d, count in enumerate(expected))
    assert found.average_path_length == (total / sum(expected[1:]) if total else 0.0)
    assert found.effective_diameter == pytest.approx(interpolated_percentile(expected), rel=1e-12)

    np.testing.assert_array_equal(metrics.triangles(packed), list(nx.triangles(graph).values()))
    local = list(nx.clustering(graph).values())
    assert found.average_clustering == pytest.approx(math.fsum(local) / len(local), rel=1e-14)
    assert found.transitivity == nx.transitivity(graph)

    degrees = np.array([degree for _, degree in graph.degree])
    np.testing.assert_array_equal(packed.degrees, degrees)
    assert found.mean_degree == degrees.mean()
    if np.ptp(degrees):
        assert found.degree_skew == pytest.approx(stats.skew(degrees), rel=1e-10, abs=1e-12)
        assert found.degree_kurtosis == pytest.approx(stats.kurtosis(degrees), rel=1e-10, abs=1e-12)
    else:
        assert math.isnan(found.degree_skew)
        assert math.isnan(found.degree_kurtosis)


def test_500_random_graphs_equal_networkx():
    for adjacency in random_graphs(500):
        assert_equals_networkx(adjacency)


def test_mnist_gradients_equal_networkx(mnist_chances):
    rng = np.random.default_rng(0)
    for _ in range(3):
        assert_equals_networkx(graphs.merge_layers(graphs.sample(mnist_chances, rng)))


def test_cifar10_gradient_equals_networkx_and_matrix_powers(cifar10_chances):
    """networkx takes minutes for all of it: triangles of every tenth node, and distances by products of matrices."""
    adjacency = graphs.merge_layers(graphs.sample(cifar10_chances, np.random.default_rng(0)))
    graph, packed = nx.from_numpy_array(adjacency), metrics.pack(adjacency)
    nodes = range(0, len(graph), 10)
    assert nx.triangles(graph, nodes) == dict(zip(nodes, metrics.triangles(packed)[::10].tolist(), strict=True))
    links = adjacency.astype(np.float32)  # whole numbers up to 3072 are exact
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
    found = metrics.measure(nx.to_numpy_array(graph).astype(bool))
    assert {key: getattr(found, key) for key in expected} == pytest.approx(expected)


def bipartite_networkx(adjacency):
    return graphs.to_networkx(adjacency, "bipartite")


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (40, 9), (9, 40), (70, 65), (130, 20),
                                   (7, 256)])  # which fills its words
@pytest.mark.parametrize("chance", [0.0, 0.05, 0.3, 1.0])
def test_bipartite_networks_equal_networkx(shape, chance):
    adjacency = np.random.default_rng(1).random(shape) < chance
    graph, found = bipartite_networkx(adjacency), metrics.measure_bipartite(adjacency)
    expected = distances_of(graph)
    assert (found.nodes, found.edges, found.giant_nodes) == (sum(shape), adjacency.sum(), expected[0])
    assert found.diameter == len(expected) - 1
    assert found.average_clustering == found.transitivity == 0
    common = adjacency.astype(int) @ adjacency.T
    pairs = (common * (common - 1) // 2)[np.triu_indices(shape[0], 1)].sum()
    assert found.butterflies == pairs
    assert found.bipartite_clustering == pytest.approx(nx.bipartite.robins_alexander_clustering(graph), rel=1e-12)


@pytest.mark.parametrize(("shape", "chance"), [((1, 300), 0.5), ((3, 5000), 0.4), ((5000, 3), 0.4), ((1, 9000), 0.7)])
def test_long_bipartite_networks_equal_networkx(shape, chance):
    """All pairs of thousands of units are too many for networkx: units with the same neighbours have the same walks."""
    adjacency = np.random.default_rng(2).random(shape) < chance
    flat = adjacency if shape[0] < shape[1] else adjacency.T
    _, first, count = np.unique(flat, axis=1, return_index=True, return_counts=True)
    graph = bipartite_networkx(flat)
    giant = max(nx.connected_components(graph), key=len)
    expected = Counter()
    for weight, source in [(1, i) for i in range(len(flat))] + list(zip(count, len(flat) + first, strict=True)):
        if source in giant:
            for d, many in Counter(nx.single_source_shortest_path_length(graph, source).values()).items():
                expected[d] += int(weight) * many
    found = metrics.measure_bipartite(adjacency)
    assert (found.nodes, found.edges, found.giant_nodes) == (sum(shape), adjacency.sum(), len(giant))
    assert found.components == nx.number_connected_components(graph)
    assert found.diameter == max(expected)
    assert found.average_path_length == pytest.approx(
        sum(d * many for d, many in expected.items()) / (len(giant) * (len(giant) - 1)), rel=1e-12)
    common = flat.astype(int) @ flat.T
    assert found.butterflies == (common * (common - 1) // 2)[np.triu_indices(len(flat), 1)].sum()
    paths = ((flat.sum(axis=1, keepdims=True) - 1) * (flat.sum(axis=0) - 1))[flat].sum()
    assert found.bipartite_clustering == pytest.approx(4 * found.butterflies / paths if paths else 0, rel=1e-12)


@pytest.mark.parametrize("together", [64, 256])
def test_distances_do_not_depend_on_how_many_nodes_set_out_together(together, monkeypatch):
    """In Python, since a compiled kernel keeps the number that it was compiled with."""
    monkeypatch.setattr(metrics, "SOURCES", together)
    monkeypatch.setattr(metrics, "_popcount", lambda word: np.uint64(int(word).bit_count()))
    for adjacency in list(random_graphs(40))[1::3]:
        packed = metrics.pack(adjacency)
        component, sizes = metrics._components(packed.starts, packed.neighbors)
        members = np.flatnonzero(component == sizes.argmax())
        counts = metrics._walk.py_func(packed.starts, packed.neighbors, members)
        np.testing.assert_array_equal(counts, distances_of(nx.from_numpy_array(adjacency)))


def test_a_bipartite_network_takes_little_more_memory_than_its_matrix():
    adjacency = np.random.default_rng(0).random((1500, 4000)) < 0.01
    metrics.measure_bipartite(adjacency[:3])  # compiled
    tracemalloc.start()
    found = metrics.measure_bipartite(adjacency)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * adjacency.size + 48 * found.edges  # its transpose, both sides' bits, and lists of links


def test_the_input_is_left_as_it_was():
    adjacency = next(g for g in random_graphs(50) if g.sum() > 20)
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
def test_what_is_no_undirected_network_is_refused(adjacency, message):
    with pytest.raises(ValueError, match=message):
        metrics.measure(adjacency)


def test_bipartite_refuses_what_is_no_matrix_of_bools():
    with pytest.raises(ValueError, match="matrix of bools"):
        metrics.measure_bipartite(np.ones((2, 2)))
