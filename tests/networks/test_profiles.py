"""Profiles against networkx, comparisons by hand, and planted kinds of network that distances tell apart."""
import networkx as nx
import numpy as np
import pytest

from gradnets import datasets
from gradnets.errors import UserError
from gradnets.networks import graphs, metrics, nulls, profiles

RATIOS = [measure.is_ratio for measure in profiles.MEASURES]


def test_a_profile_is_that_of_networkx_over_the_linked_nodes():
    jazz = datasets.load_network("jazz").adjacency
    padded = np.pad(jazz, (0, 7))
    profile, graph = profiles.profile(padded, 0), nx.from_numpy_array(jazz)
    assert profile == profiles.profile(jazz, 0)
    assert (profile["nodes"], profile["links"]) == (198, 2742)
    assert profile["clustering"] == pytest.approx(nx.average_clustering(graph))
    assert profile["path_length"] == pytest.approx(nx.average_shortest_path_length(graph))
    assert profile["assortativity"] == pytest.approx(nx.degree_assortativity_coefficient(graph))
    assert profile["spectral_gap"] == pytest.approx(np.sort(nx.normalized_laplacian_spectrum(graph))[1], abs=1e-6)
    assert profile["modularity"] == pytest.approx(0.445, abs=0.005)  # 0.4451, as in the literature
    assert profile["entropy"] == pytest.approx(profile["conditional_entropy"] + profile["information"])


def test_measures_compare_by_ratio_or_difference():
    observed, null = ({measure.key: value for measure in profiles.MEASURES} for value in (6.0, 2.0))
    assert [measure.compare(observed, null) for measure in profiles.MEASURES] == [3 if is_ratio else 4
                                                                                  for is_ratio in RATIOS]
    none = dict.fromkeys(null, 0.0)
    assert profiles.MEASURES[0].compare(none, none) == 1
    assert profiles.MEASURES[0].compare(observed, none) == np.inf
    assert profiles.mean_profile([observed, null]) == dict.fromkeys(null, 4.0)


def test_a_lattice_with_shortcuts_is_a_small_world_and_random_links_are_not():
    """Watts and Strogatz's own model, and random links of the same number."""
    small_world = nx.to_numpy_array(nx.watts_strogatz_graph(400, 10, 0.05, seed=0)).astype(bool)
    observed = profiles.profile(small_world, 0)
    for null in (nulls.erdos_renyi, nulls.undirected_configuration):
        assert profiles.small_world(observed, profiles.profile(null(small_world, 1), 0)) > 5
    random = nulls.erdos_renyi(small_world, 2)
    sigma = profiles.small_world(profiles.profile(random, 0), profiles.profile(nulls.erdos_renyi(random, 3), 0))
    assert sigma == pytest.approx(1, abs=0.15)
    assert profiles.small_world({"clustering": 0.6, "path_length": 3}, {"clustering": 0.2, "path_length": 2}) == (
        pytest.approx(2))


def effects(network, seed):
    """Return the measures of a network beside one of the same degrees."""
    observed, null = (profiles.profile(matrix, seed) for matrix in
                      (network, nulls.undirected_configuration(network, seed)))
    return [measure.compare(observed, null) for measure in profiles.MEASURES]


def test_networks_are_nearest_to_their_own_kind():
    """Lattices with shortcuts beside preferential attachment, of different sizes."""
    made = {"lattice": lambda n, seed: nx.watts_strogatz_graph(n, 8, 0.1, seed=seed),
            "attachment": lambda n, seed: nx.barabasi_albert_graph(n, 4, seed=seed)}
    reference = np.array([effects(nx.to_numpy_array(make(n, n)).astype(bool), 0)
                          for make in made.values() for n in (100, 150, 200)])
    values = np.array([effects(nx.to_numpy_array(make(120, 1)).astype(bool), 1) for make in made.values()])
    nearest = profiles.profile_distances(values, reference).argmin(axis=1)
    assert (nearest // 3).tolist() == [0, 1]


def test_distances_are_root_mean_squares_in_interquartile_ranges():
    rng = np.random.default_rng(0)
    reference, values = rng.uniform(0.5, 2, (9, 8)), rng.uniform(0.5, 2, (2, 8))
    plain_reference, plain = (np.where(RATIOS, np.log(array), array) for array in (reference, values))
    spread = np.quantile(plain_reference, 0.75, axis=0) - np.quantile(plain_reference, 0.25, axis=0)
    expected = [[np.sqrt(np.mean(((row - other) / spread)**2)) for other in plain_reference] for row in plain]
    np.testing.assert_allclose(profiles.profile_distances(values, reference), expected, rtol=1e-12)
    assert profiles.profile_distances(reference, reference).diagonal().tolist() == [0] * 9
    infinite, largest = reference.copy(), reference.copy()
    infinite[0, 0], largest[0, 0] = np.inf, 1000
    np.testing.assert_array_equal(*(profiles.profile_distances(values, other) for other in (infinite, largest)))
    same = reference.copy()
    same[:, 3] = 1  # a measure without spread does not count
    np.testing.assert_allclose(profiles.profile_distances(same[:1] + 5 * (np.arange(8) == 3), same)[0, 0], 0)


@pytest.mark.parametrize(("network", "message"), [
    (np.zeros((3, 3), dtype=bool), "no link"),
    (nx.to_numpy_array(nx.cycle_graph(6)).astype(bool), "each of 6 nodes has 2 links"),
    (np.eye(3, dtype=bool), "empty diagonal"),
    (np.ones((2, 3), dtype=bool), "must be square"),
])
def test_networks_without_a_profile_are_named(network, message):
    with pytest.raises(UserError, match=message):
        profiles.profile(network, 0)


@pytest.mark.parametrize(("values", "message"), [
    (np.ones((2, 7)), "for each of 8 measures"), (np.full((2, 8), np.nan), "16 of 16 numbers are NaN, or"),
    (np.where(np.arange(8) == 1, np.inf, np.ones((3, 8))), "3 of 24 numbers are NaN, or differences of 1e.06"),
    (np.ones((0, 8)), "expected real numbers"), (np.ones((5, 8)), "agrees on all measures")])
def test_wrong_measures_are_named(values, message):
    with pytest.raises(UserError, match=message):
        profiles.profile_distances(values, values)


def test_profiles_leave_their_network_as_it_is():
    network = graphs.merge_layers(np.triu(np.random.default_rng(0).random((30, 30)) < 0.2))
    before = network.copy()
    profiles.profile(network, 0)
    np.testing.assert_array_equal(network, before)
    assert metrics.pack(network).degrees.sum() == before.sum()
