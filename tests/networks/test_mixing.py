"""Mixing by degree, rich club and reciprocity against networkx, entropies against scipy; planted mixing is found."""
import math

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from gradnets.errors import UserError
from gradnets.networks import graphs, metrics, mixing, nulls


def random_networks(count):
    """Yield symmetric bool matrices of 6 to 70 nodes with unequal degrees, every third with hubs."""
    rng = np.random.default_rng(0)
    while count:
        n = int(rng.integers(6, 71))
        probability = rng.choice([2 / n, 0.2, 0.7])
        if count % 3 == 0:
            weights = rng.pareto(1.0, n)
            probability = np.minimum(1, np.outer(weights, weights) / weights.sum())
        network = graphs.merge_layers(np.triu(rng.random((n, n)) < probability))
        degrees = network.sum(axis=0)
        if np.ptp(degrees[degrees > 0]) if degrees.any() else 0:
            count -= 1
            yield network


def joint_entropies(joint):
    """Return H(q), H(q|q') and I(q) of a joint distribution, by scipy."""
    joint = np.asarray(joint, dtype=float)
    one, both = stats.entropy(joint.sum(axis=0), base=2), stats.entropy(joint.ravel(), base=2)
    return one, both - one, 2 * one - both


def test_random_networks_equal_networkx(many, tried):
    for network in random_networks(many(30, 300)):
        graph, packed = nx.from_numpy_array(network), metrics.pack(network)
        expected = nx.degree_assortativity_coefficient(graph)
        assert mixing.assortativity(network) == pytest.approx(expected, abs=1e-9)
        assert mixing.assortativity(packed) == mixing.assortativity(network)
        information = mixing.degree_information(network)
        assert information == pytest.approx(joint_entropies(nx.degree_mixing_matrix(graph)), abs=1e-9)
        degrees = packed.degrees
        club = np.sort(degrees)[-max(5, math.ceil(0.1 * len(degrees)))]
        if 0 < club < degrees.max():
            assert mixing.rich_club(network) == pytest.approx(
                nx.rich_club_coefficient(graph, normalized=False)[club - 1])


def test_a_club_has_all_nodes_of_a_degree():
    star = graphs.merge_layers(np.arange(8)[:, None] * np.ones(8, dtype=int) == 0)
    assert mixing.rich_club(star) == 7 / 28  # the leaves are all in it, beside the hub
    clique_with_tails = nx.to_numpy_array(nx.lollipop_graph(5, 40)).astype(bool)
    assert mixing.rich_club(clique_with_tails) == 1


def test_information_between_bins_is_that_of_the_cut_degrees():
    for network in random_networks(10):
        degrees = network.sum(axis=0)
        near, far = (degrees[ends] for ends in np.nonzero(network))
        cuts = np.unique(np.quantile(near, [0.25, 0.5, 0.75]))
        joint = stats.contingency.crosstab(*(np.digitize(ends, cuts, right=True) for ends in (near, far))).count
        assert mixing.degree_information(network, bins=4) == pytest.approx(joint_entropies(joint), abs=1e-9)
        assert mixing.degree_information(network, bins=1) == (0, 0, 0)


def blocks(probabilities, size=60):
    """Return a network of two blocks, linked by these probabilities."""
    chances = np.kron(np.array(probabilities), np.ones((size, size)))
    return graphs.merge_layers(np.triu(np.random.default_rng(3).random(chances.shape) < chances))


@pytest.mark.parametrize(("probabilities", "sign"), [([[0.7, 0.05], [0.05, 0.1]], 1), ([[0.0, 0.5], [0.5, 0.3]], -1)])
def test_planted_mixing_is_found_and_is_gone_in_networks_of_the_same_degrees(probabilities, sign):
    network = blocks(probabilities)
    same_degrees = nulls.undirected_configuration(network, 1)
    assert sign * mixing.assortativity(network) > 0.3
    assert abs(mixing.assortativity(same_degrees)) < 0.15
    planted, null = (mixing.degree_information(matrix, bins=8).information for matrix in (network, same_degrees))
    assert planted > 3 * null
    assert null < 0.06


def test_information_sees_a_dependence_that_no_correlation_shows():
    """Nodes of middle degree are linked among themselves alone, all others at random: as many rises as falls."""
    degrees = np.repeat([5, 20, 35], [200, 50, 28])
    middle = degrees == 20
    chances = np.outer(degrees, degrees) / np.where(middle, 1000, 2000) * (middle[:, None] == middle)
    network = graphs.merge_layers(np.triu(np.random.default_rng(0).random(chances.shape) < chances))
    null = nulls.undirected_configuration(network, 1)
    assert abs(mixing.assortativity(network)) < 0.05
    assert mixing.degree_information(network, 8).information > 0.4
    assert mixing.degree_information(null, 8).information < 0.05


def test_the_bias_of_plug_in_information_is_as_documented():
    network = nulls.erdos_renyi(graphs.merge_layers(np.triu(np.random.default_rng(0).random((784, 784)) < 0.03)), 1)
    links, distinct = network.sum() / 2, len(np.unique(network.sum(axis=0)))
    information = mixing.degree_information(network).information
    assert information == pytest.approx((distinct - 1)**2 / (4 * links * math.log(2)), rel=0.5)
    assert mixing.degree_information(network, 8).information < information / 5


def test_reciprocity_is_that_of_networkx():
    for seed in range(10):
        links = np.random.default_rng(seed).random((20, 20)) < 0.1 + 0.08 * seed
        graph = nx.from_numpy_array(links & ~np.eye(20, dtype=bool), create_using=nx.DiGraph)
        assert mixing.reciprocity(links) == pytest.approx(nx.overall_reciprocity(graph))
    assert mixing.reciprocity(np.triu(np.ones((4, 4), dtype=bool))) == 0
    assert math.isnan(mixing.reciprocity(np.eye(3, dtype=bool)))


def test_networks_without_links_or_of_one_degree():
    empty, ring = np.zeros((4, 4), dtype=bool), nx.to_numpy_array(nx.cycle_graph(7)).astype(bool)
    assert math.isnan(mixing.assortativity(empty))
    assert math.isnan(mixing.assortativity(ring))
    assert mixing.degree_information(empty) == mixing.degree_information(ring) == (0, 0, 0)
    assert mixing.rich_club(empty) == 0
    assert mixing.rich_club(ring) == 7 / 21


@pytest.mark.parametrize(("call", "message"), [
    (lambda: mixing.rich_club(~np.eye(4, dtype=bool), 0), "share is 0"),
    (lambda: mixing.rich_club(~np.eye(4, dtype=bool), 1.5), "share is 1.5"),
    (lambda: mixing.degree_information(~np.eye(4, dtype=bool), bins=0), "bins is 0"),
    (lambda: mixing.reciprocity(np.ones((2, 3), dtype=bool)), "expected a square one"),
    (lambda: mixing.assortativity(np.ones((3, 3), dtype=bool)), "empty diagonal"),
])
def test_mistakes_are_named(call, message):
    with pytest.raises(UserError, match=message):
        call()
