"""Nulls beside an observed network: what is drawn, what is summed up, and what is said of it."""
import networkx as nx
import numpy as np
import pytest

from gradnets import comparison, graphs

CHANCES = np.outer(np.linspace(1, 0.1, 20), np.linspace(0.9, 0.2, 20))


def networks(clustering, sides=None):
    return [({"clustering": c}, sides) for c in clustering]


def finding_of(observed, degrees, shuffled=(0.1,) * 20):
    kinds = {comparison.OBSERVED: observed, comparison.SHUFFLED: shuffled, comparison.DEGREES: degrees}
    return comparison.verdict(comparison.summary({name: networks(values) for name, values in kinds.items()}))


def test_finding_says_what_the_networks_say():
    steady = [0.4] * 20
    assert finding_of(steady, [0.41] * 20) == ("Clustering 4 times that of shuffled entries, 0.98 (0.98 to 0.98) "
                                               "times that of the same degrees: degrees explain it")
    for other, ratio in ((0.3, "1.33"), (0.5, "0.80")):
        assert finding_of(steady, [other] * 20).endswith(
            f"{ratio} ({ratio} to {ratio}) times that of the same degrees: degrees do not explain it")
    assert finding_of(steady, [0.2] * 10 + [0.5] * 10).endswith("undecided")  # wide
    assert finding_of(steady[:4], [0.4] * 4, [0.1] * 4).endswith("undecided")  # too few


def test_nulls_that_do_not_cluster_are_counted_as_infinitely_exceeded():
    steady = [0.4] * 20
    assert "4 times that of shuffled entries" in finding_of(steady, steady, [0.0] + [0.1] * 19)
    assert "inf times that of shuffled entries" in finding_of(steady, steady, [0.0] * 20)
    assert finding_of([0.0] * 20, steady) == "The drawn networks do not cluster"


def test_each_draw_brings_its_nulls_of_the_same_links():
    kinds, first = comparison.networks(CHANCES, "merged", 5, seed=3)
    assert set(kinds) == {comparison.OBSERVED, "hidden units relabelled", *comparison.UNDIRECTED, comparison.SHUFFLED,
                          comparison.DEGREES}
    np.testing.assert_array_equal(kinds[comparison.OBSERVED][0][1]["out"], first.sum(axis=1))
    for k in range(5):
        observed, sides = kinds[comparison.OBSERVED][k]
        for name in comparison.UNDIRECTED:
            assert kinds[name][k][0]["edges"] == observed["edges"]
        for side in ("out", "in"):
            np.testing.assert_array_equal(kinds[comparison.DEGREES][k][1][side], sides[side])
    graph = nx.from_numpy_array(graphs.merge_layers(first))
    assert kinds[comparison.OBSERVED][0][0]["clustering"] == pytest.approx(nx.average_clustering(graph), rel=1e-12)


def test_sides_that_stay_apart_have_no_undirected_null():
    kinds, _ = comparison.networks(CHANCES[:, :12], "bipartite", 2, seed=0)
    assert set(kinds) == {comparison.OBSERVED, comparison.SHUFFLED, comparison.DEGREES}


def test_threshold_keeps_the_largest():
    kept = comparison.thresholded(CHANCES)
    assert kept.sum() == round(CHANCES.sum())
    assert CHANCES[kept == 1].min() >= CHANCES[kept == 0].max()
    np.testing.assert_array_equal(comparison.thresholded(CHANCES, 0.5), (CHANCES > 0.5).astype(float))


def test_float32_chances_give_the_same_networks():
    chances = np.round(CHANCES * 64) / 64  # the same numbers in float32
    small = chances.astype(np.float32)
    for layers in ("merged", "bipartite"):
        (kinds, first), (same, again) = (comparison.networks(matrix, layers, 2, seed=1) for matrix in (chances, small))
        np.testing.assert_array_equal(first, again)
        assert comparison.summary(kinds) == comparison.summary(same)
    kept = comparison.thresholded(small)
    assert kept.dtype == np.float32
    np.testing.assert_array_equal(kept, comparison.thresholded(chances))


@pytest.mark.parametrize("shape", [(1, 2000), (3, 5000)])
def test_long_matrices_are_compared_with_their_nulls(shape):
    chances = np.random.default_rng(0).random(shape) ** 3
    kinds, first = comparison.networks(chances, "bipartite", 2, seed=0)
    assert first.shape == shape
    for draws in kinds.values():
        for (numbers, sides), (observed, _) in zip(draws, kinds[comparison.OBSERVED], strict=True):
            assert numbers["nodes"] == sum(shape)
            assert numbers["edges"] == observed["edges"] == sides["out"].sum() == sides["in"].sum()


@pytest.mark.parametrize(("degrees", "expected"), [([0, 0, 3, 3, 3, 1], (2, 3)), ([0, 0], (0, 0)), ([5], (1, 1))])
def test_multiplicity_leaves_units_without_links_out(degrees, expected):
    assert comparison.multiplicity(np.array(degrees)) == expected
