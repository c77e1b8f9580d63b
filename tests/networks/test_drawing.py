"""Networks drawn as nodes and links: which nodes, where, and how they are colored."""
import networkx as nx
import numpy as np
import pytest
from matplotlib.figure import Figure

from gradnets.networks import drawing, graphs, metrics


def network(nodes=60, seed=0):
    return graphs.merge_layers(np.random.default_rng(seed).random((nodes, nodes)) < 0.1)


def test_bipartite_layers_stay_apart():
    links = np.random.default_rng(0).random((4, 6)) < 0.5
    joined = drawing.join_layers(links, "bipartite")
    np.testing.assert_array_equal(joined, joined.T)
    assert joined.sum() == 2 * links.sum()
    assert nx.is_bipartite(nx.from_numpy_array(joined))
    square = links[:, :4]
    np.testing.assert_array_equal(drawing.join_layers(square, "merged"), graphs.merge_layers(square))


def test_every_kth_node_by_degree_is_drawn():
    nodes, every = drawing.chosen_nodes(np.array([0, 5, 1, 9, 3, 2, 4]), most=3)
    assert (nodes.tolist(), every) == ([3, 6, 5], 2)
    assert drawing.chosen_nodes(np.array([2, 1]))[1] == 1


def test_places_fill_the_disc_evenly():
    points = drawing.places(400)
    radii = np.hypot(*points.T)
    assert (np.diff(radii) > 0).all()
    assert radii.max() < 1
    assert np.count_nonzero(radii < 0.5) == pytest.approx(100, abs=2)  # a quarter of the area


def test_local_clustering_is_that_of_networkx():
    adjacency = network()
    expected = nx.clustering(nx.from_numpy_array(adjacency))
    np.testing.assert_allclose(drawing.local_clustering(metrics.pack(adjacency)), list(expected.values()), rtol=1e-12)


def test_a_drawing_has_the_links_among_its_nodes():
    axes, adjacency = Figure().add_subplot(), network()
    assert drawing.draw_network(axes, adjacency) == 1
    links, nodes = axes.collections
    assert len(links.get_segments()) == np.triu(adjacency).sum()
    assert len(nodes.get_offsets()) == np.count_nonzero(adjacency.any(axis=0))


def test_hubs_lie_on_their_pixels_and_colors_are_added():
    axes, degrees = Figure().add_subplot(), np.zeros((2, 3, 4), dtype=int)
    degrees[:, 1, 2] = 3, 4
    drawing.draw_hubs(axes, degrees.ravel(), degrees.ravel(), 3, 4)
    assert axes.collections[0].get_offsets().tolist() == [[2, 1]]
    assert "7 links" in axes.texts[0].get_text()


def test_rows_of_zeros_are_left_out_of_the_product():
    assert drawing.draw_outer_product(Figure().add_subplot(), np.outer([1.0, 0, 2], [1, 2]), "a", "b") == 2


def test_colors_of_a_product_follow_logarithms_of_its_sorted_entries():
    axes = Figure().add_subplot()
    drawing.draw_outer_product(axes, np.outer([1.0, 8.0], [1e-9, 10.0, 100.0]), "a", "b")
    image, = axes.child_axes[0].images
    shades = np.asarray(image.norm(image.get_array()))
    assert shades[:, :2] == pytest.approx(np.array([[1, 2 / 3], [1 - np.log10(8) / 3, 2 / 3 - np.log10(8) / 3]]))
    assert shades[:, 2] == pytest.approx(0)
