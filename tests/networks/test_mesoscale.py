"""Communities, spectral gap and core against networkx, dense algebra and every partition of small networks."""
import itertools

import networkx as nx
import numpy as np
import pytest

from gradnets import datasets
from gradnets.errors import UserError
from gradnets.networks import graphs, mesoscale, metrics, nulls


def random_networks(count):
    """Yield symmetric bool matrices of 5 to 160 nodes, some in pieces, some with hubs."""
    rng = np.random.default_rng(1)
    for k in range(count):
        n = int(rng.integers(5, 161))
        probability = rng.choice([1 / n, 3 / n, 0.1, 0.5])
        if k % 3 == 0:
            weights = rng.pareto(1.5, n)
            probability = np.minimum(1, np.outer(weights, weights) / weights.sum())
        network = graphs.merge_layers(np.triu(rng.random((n, n)) < probability))
        if network.any():
            yield network


# ---- communities ------------------------------------------------------------------------------------------

def as_sets(labels):
    return [set(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)]


def test_modularity_is_that_of_networkx():
    for seed, network in enumerate(random_networks(20)):
        labels = np.random.default_rng(seed).integers(0, 5, len(network))
        graph = nx.from_numpy_array(network)
        for found in (labels, mesoscale.communities(network, seed)):
            assert mesoscale.modularity(network, found) == pytest.approx(nx.community.modularity(graph, as_sets(found)))


def partitions(nodes):
    """Yield every partition of so many nodes, as labels."""
    for labels in itertools.product(*(range(k + 1) for k in range(nodes))):
        if all(label <= max(labels[:k], default=-1) + 1 for k, label in enumerate(labels)):
            yield np.array(labels)


def test_the_best_partition_of_small_networks_is_found():
    rng = np.random.default_rng(2)
    for _ in range(8):
        network = graphs.merge_layers(np.triu(rng.random((7, 7)) < 0.4))
        graph = nx.from_numpy_array(network)
        if not network.any():
            continue
        best = max(nx.community.modularity(graph, as_sets(labels)) for labels in partitions(7))
        found = max(mesoscale.modularity(network, mesoscale.communities(network, seed)) for seed in range(20))
        assert found == pytest.approx(best)


@pytest.mark.parametrize("name", ["karate", "jazz", "football", "usair97", "netscience", "polblogs"])
def test_communities_of_real_networks_are_as_good_as_those_of_networkx(name):
    adjacency = datasets.load_network(name).adjacency
    graph = nx.from_numpy_array(adjacency)
    ours = [mesoscale.modularity(adjacency, mesoscale.communities(adjacency, seed)) for seed in range(5)]
    peer = [nx.community.modularity(graph, nx.community.louvain_communities(graph, seed=seed)) for seed in range(3)]
    assert max(ours) > max(peer) - 0.01
    assert np.median(ours) > np.median(peer) - 0.03


def test_no_node_would_gain_by_moving_to_a_neighbor_after_the_first_level():
    for seed, network in enumerate(random_networks(6)):
        labels, graph = mesoscale._move_nodes(*csr(network), np.arange(len(network))), nx.from_numpy_array(network)
        reached = nx.community.modularity(graph, as_sets(labels))
        for node in range(len(network)):
            for label in np.unique(labels[network[node]]):
                moved = np.where(np.arange(len(network)) == node, label, labels)
                assert nx.community.modularity(graph, as_sets(moved)) <= reached + 1e-12
        assert mesoscale.modularity(network, mesoscale.communities(network, seed)) > reached - 0.05


def csr(network):
    packed = metrics.pack(network)
    return packed.starts, packed.neighbors, np.ones(len(packed.neighbors), np.int64), packed.degrees


def test_planted_communities_are_found_and_are_gone_in_networks_of_the_same_degrees():
    planted = np.repeat(np.arange(6), 25)
    chances = np.where(planted[:, None] == planted, 0.5, 0.02)
    network = graphs.merge_layers(np.triu(np.random.default_rng(0).random(chances.shape) < chances))
    found = mesoscale.communities(network, 1)
    assert sorted(map(sorted, as_sets(found))) == sorted(map(sorted, as_sets(planted)))
    null = nulls.undirected_configuration(network, 2)
    assert mesoscale.modularity(null, mesoscale.communities(null, 1)) < 0.5 * mesoscale.modularity(network, found)


def test_components_are_never_joined_and_isolated_nodes_stay_alone():
    network = np.zeros((9, 9), dtype=bool)
    network[:3, :3] = network[4:8, 4:8] = True
    np.fill_diagonal(network, False)
    assert mesoscale.communities(network, 0).tolist() == [0, 0, 0, 1, 2, 2, 2, 2, 3]
    assert mesoscale.communities(np.zeros((3, 3), dtype=bool), 0).tolist() == [0, 1, 2]
    assert mesoscale.modularity(np.zeros((3, 3), dtype=bool), [0, 0, 1]) == 0


# ---- spectral gap -----------------------------------------------------------------------------------------

def test_the_gap_is_the_second_eigenvalue_of_the_normalised_laplacian():
    for network in random_networks(25):
        graph = nx.from_numpy_array(network)
        giant = graph.subgraph(max(nx.connected_components(graph), key=len))
        expected = np.sort(nx.normalized_laplacian_spectrum(giant))[1]
        assert mesoscale.spectral_gap(network) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("graph", "gap"), [
    (nx.complete_graph(120), 120 / 119), (nx.cycle_graph(150), 1 - np.cos(2 * np.pi / 150)),
    (nx.star_graph(200), 1.0), (nx.complete_graph(2), 2.0)])
def test_gaps_that_are_known(graph, gap):
    assert mesoscale.spectral_gap(nx.to_numpy_array(graph).astype(bool)) == pytest.approx(gap, abs=1e-6)


def test_two_communities_have_a_small_gap_and_no_links_none():
    halves = nx.to_numpy_array(nx.barbell_graph(60, 0)).astype(bool)
    assert mesoscale.spectral_gap(halves) < 0.01
    assert mesoscale.spectral_gap(nulls.undirected_configuration(halves, 0)) > 0.01
    assert mesoscale.spectral_gap(np.zeros((3, 3), dtype=bool)) == 0


# ---- core -------------------------------------------------------------------------------------------------

def best_core(network):
    """Return fit and share by the definition: correlations over pairs, for each cut between two degrees."""
    degrees = network.sum(axis=0)
    order, results = np.argsort(-degrees, kind="stable"), []
    for size in range(2, len(network) - 1):
        if degrees[order[size - 1]] == degrees[order[size]]:
            continue
        member = np.isin(np.arange(len(network)), order[:size])
        pairs = [(i, j) for i, j in itertools.combinations(range(len(network)), 2) if member[i] == member[j]]
        ideal, linked = ([values[pair] for pair in pairs] for values in (np.logical_and.outer(member, member), network))
        if len(set(linked)) == 2:
            results.append((np.corrcoef(ideal, linked)[0, 1], size / len(network)))
    return max(results, default=(0, 0))


def test_the_core_is_the_best_cut_of_all():
    for network in random_networks(25):
        if len(network) <= 60:
            fit, share = best_core(network)
            core = mesoscale.core(network)
            assert core.fit == pytest.approx(fit, abs=1e-9)
            assert core.share == pytest.approx(share) or fit == pytest.approx(0)


def test_a_planted_core_is_found_and_a_ring_has_none():
    member = np.arange(100) < 20
    chances = np.array([0.01, 0.3, 0.9])[np.add.outer(member.astype(int), member)]
    network = graphs.merge_layers(np.triu(np.random.default_rng(4).random(chances.shape) < chances))
    core = mesoscale.core(network)
    assert core.fit > 0.85
    assert core.share == pytest.approx(0.2, abs=0.02)
    for graph in (nx.cycle_graph(10), nx.star_graph(6), nx.empty_graph(1)):
        assert mesoscale.core(nx.to_numpy_array(graph).astype(bool)) == (0, 0)


@pytest.mark.parametrize("labels", [[0, 1], [0, -1, 1], [0.5, 1, 2], [[0, 1, 2]]])
def test_communities_must_be_one_number_a_node(labels):
    with pytest.raises(UserError, match="communities"):
        mesoscale.modularity(~np.eye(3, dtype=bool), labels)
