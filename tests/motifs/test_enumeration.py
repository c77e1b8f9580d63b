"""Enumeration and samples against brute force over all subsets of nodes, networkx, and trees."""
import networkx as nx
import numpy as np
import pytest
from motif_oracles import (
    assert_census,
    assert_same_census,
    brute_force,
    graph_of,
    matrix_of,
    random_matrix,
)

from gradnets import motifs
from gradnets.errors import UserError
from gradnets.motifs import enumeration


@pytest.mark.parametrize("size", motifs.SIZES)
def test_census_equals_brute_force(size, many):
    rng, graphs, mutual = np.random.default_rng(size), many(60, 320), 0
    for number in range(graphs):
        colors = int(rng.integers(1, 4)) if number % 8 else int(rng.integers(4, 8))
        matrix = random_matrix(rng, rng.integers(1, 13), rng.uniform(0.05, 0.7), colors,
                               ("any", "any", "oriented", "mutual")[number % 4])
        colors = max(1, matrix.max(initial=0))
        if (colors + 1)**(size * (size - 1)) >= 2**63:
            matrix, colors = np.minimum(matrix, 7), 7
        mutual += np.any((matrix > 0) & (matrix.T > 0))
        graph = graph_of(matrix)
        census = motifs.census(graph, size, threads=1 + number % 3)
        assert_census(census, brute_force(matrix, size, colors), size, colors)
        if number % 4 == 0:
            uncolored = motifs.census(graph, size, colored=False)
            assert_census(uncolored, brute_force(np.minimum(matrix, 1), size, 1), size, 1)
            assert_same_census(motifs.census(graph, size, method="enumerate", threads=3), census)
    assert mutual > graphs / 4


def test_uncoloured_triads_equal_networkx():
    rng = np.random.default_rng(3)
    for chance in (0.05, 0.2, 0.4, 0.8):
        matrix = random_matrix(rng, 20, chance, 3)
        expected = nx.triadic_census(nx.from_numpy_array(matrix, create_using=nx.DiGraph))
        census = motifs.census(graph_of(matrix), 3, colored=False)
        names = [nx.triad_type(nx.from_numpy_array(shown, create_using=nx.DiGraph)) for shown in census.adjacency]
        assert dict(zip(names, census.counts.tolist(), strict=True)) == {
            name: count for name, count in expected.items() if count and name not in ("003", "012", "102")}


@pytest.mark.parametrize(("widest", "cells", "ways"), [
    (4096, 2**27, {(True, True)}), (0, 2**27, {(False, True)}), (4096, 0, {(True, False), (False, True)})])
@pytest.mark.parametrize(("size", "kind", "colors"), [(3, "any", 5), (4, "any", 2), (5, "oriented", 3)])
def test_direct_tables_hash_tables_and_the_change_between_them_give_the_same_counts(monkeypatch, widest, cells, ways,
                                                                                    size, kind, colors):
    ways_taken, kernel = set(), enumeration._enumerate

    def watched(roots, links, plan, rng):
        codes, counts, complete = kernel(roots, links, plan, rng)
        ways_taken.add((plan.width > 0, complete))
        return codes, counts, complete

    monkeypatch.setattr(enumeration, "_enumerate", watched)
    monkeypatch.setattr(enumeration, "NARROW_TABLE", 0)  # direct tables unless they are wider than WIDEST_TABLE
    monkeypatch.setattr(enumeration, "MANY_SUBGRAPHS", 0)
    monkeypatch.setattr(enumeration, "WIDEST_TABLE", widest)
    monkeypatch.setattr(enumeration, "MOST_CELLS", cells)
    matrix = random_matrix(np.random.default_rng(4), 18 if size < 5 else 14, 0.7, colors, kind)
    graph, expected = graph_of(matrix), brute_force(matrix, size, colors)
    for threads in (1, 2, 3):
        assert_census(motifs.census(graph, size, threads=threads), expected, size, colors)
    assert ways_taken == ways  # whether in direct tables, and whether there were enough of them


def test_a_census_does_not_depend_on_the_order_of_nodes_or_on_isolated_nodes():
    rng = np.random.default_rng(5)
    matrix = random_matrix(rng, 30, 0.1, 2)
    wide = np.zeros((60, 60), np.int64)
    order = rng.permutation(60)[:30]
    wide[np.ix_(order, order)] = matrix
    for size in motifs.SIZES:
        assert_same_census(motifs.census(graph_of(wide), size), motifs.census(graph_of(matrix), size))


@pytest.mark.parametrize("graph", [motifs.graph(0, [], []), motifs.graph(5, [], []), motifs.graph(4, [0, 2], [1, 3])])
@pytest.mark.parametrize("size", motifs.SIZES)
def test_a_graph_without_subgraphs_has_an_empty_census_and_comparison(graph, size):
    for method in ("auto", "enumerate", "layered")[:3 if size < 5 else 2]:
        assert_census(motifs.census(graph, size, method=method, threads=2), {}, size, 1)
    assert motifs.sampled_census(graph, size, 0.5).total == 0
    assert motifs.subgraphs_at_most(graph, size) == 0
    for model in motifs.MODELS:
        comparison = motifs.significance(graph, size, 3, model)
        assert comparison.totals.tolist() == [0, 0, 0]
        for name in ("frequency", "mean_frequency", "std", "differs", "z", "p", "q", "larger", "profile"):
            assert getattr(comparison, name).shape == (0,)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", None])
@pytest.mark.parametrize("function", [lambda graph, threads: motifs.census(graph, 3, threads=threads),
                                      lambda graph, threads: motifs.sampled_census(graph, 3, 0.5, threads=threads),
                                      lambda graph, threads: motifs.significance(graph, 3, 2, threads=threads)])
def test_wrong_numbers_of_threads_are_refused(function, threads):
    with pytest.raises(UserError, match=f"threads is {threads!r}: expected a positive integer"):
        function(motifs.graph(3, [0, 1], [1, 2]), threads)


# ---- bounds and samples -----------------------------------------------------------------------------------

def test_the_bound_of_subgraphs_is_exact_on_trees_and_holds_on_all_graphs(many):
    rng = np.random.default_rng(9)
    for number in range(many(25, 120)):
        nodes = int(rng.integers(2, 13))
        edges = np.array(nx.random_labeled_tree(nodes, seed=number).edges)
        edges = np.where(rng.random((len(edges), 1)) < 0.5, edges, edges[:, ::-1])
        tree = motifs.graph(nodes, *edges.T)
        mutual = motifs.graph(nodes, *np.concatenate([edges, edges[:, ::-1]]).T)
        matrix = random_matrix(rng, nodes, rng.uniform(0.05, 0.8), 2)
        for size in motifs.SIZES:
            exact = sum(brute_force(matrix_of(tree), size, 1).values())
            assert motifs.subgraphs_at_most(tree, size) == motifs.subgraphs_at_most(mutual, size) == exact
            bound = motifs.subgraphs_at_most(graph_of(matrix), size)
            assert bound >= sum(brute_force(matrix, size, 2).values())
            assert isinstance(bound, float)


@pytest.mark.parametrize(("size", "chance", "widest"), [(3, 0.9, 4096), (4, 0.3, 4096), (4, 0.9, 0), (5, 0.1, 0)])
def test_samples_are_unbiased_and_know_their_errors(monkeypatch, size, chance, widest):
    monkeypatch.setattr(enumeration, "NARROW_TABLE", 0)
    monkeypatch.setattr(enumeration, "MANY_SUBGRAPHS", 0)
    monkeypatch.setattr(enumeration, "WIDEST_TABLE", widest)  # direct tables, or hash tables
    matrix = random_matrix(np.random.default_rng(10), 16, 0.3, 1)
    graph, exact = graph_of(matrix), brute_force(matrix, size, 1)
    codes, seeds = sorted(exact), 50
    counts, variances = np.zeros((seeds, len(codes))), np.zeros((seeds, len(codes)))
    for seed in range(seeds):
        census = motifs.sampled_census(graph, size, chance, replicates=8, seed=seed)
        places = np.searchsorted(codes, census.codes)
        counts[seed, places], variances[seed, places] = census.counts, census.errors**2
        assert (census.counts.dtype, census.errors.dtype, type(census.total)) == (np.float64, np.float64, float)
        assert census.total == pytest.approx(census.counts.sum())
        seen = census.counts * chance  # each subgraph that was seen counts 1 / chance
        np.testing.assert_allclose(seen, np.rint(seen), atol=1e-6)
    expected = np.array([exact[code] for code in codes])
    error = np.maximum(counts.std(axis=0, ddof=1), np.sqrt(expected / chance)) / np.sqrt(seeds)
    assert (np.abs(counts.mean(axis=0) - expected) < 5 * error).all()
    assert variances.mean(axis=0).sum() == pytest.approx(counts.var(axis=0, ddof=1).sum(), rel=0.3)
    assert counts.sum(axis=1).mean() == pytest.approx(expected.sum(), rel=0.03)


def test_a_chance_of_1_is_shared_by_the_replicates_and_gives_an_estimate():
    matrix = random_matrix(np.random.default_rng(11), 14, 0.3, 2)
    graph, total = graph_of(matrix), sum(brute_force(matrix, 4, 2).values())
    for replicates in (2, 25):
        census = motifs.sampled_census(graph, 4, 1, replicates=replicates)
        np.testing.assert_allclose(census.counts, np.rint(census.counts), atol=1e-6)
        assert 0 < abs(census.total - total) < 0.5 * total
        assert census.errors.max() > 0
    assert motifs.sampled_census(graph, 4, 1.0, colored=False).adjacency.max() == 1


def test_a_sample_depends_on_its_seed_and_not_on_the_threads():
    graph = graph_of(random_matrix(np.random.default_rng(12), 15, 0.3, 3))
    census = motifs.sampled_census(graph, 5, 0.2, seed=4)
    for threads, seed in ((1, 4), (2, 4), (3, np.random.default_rng(4))):
        again = motifs.sampled_census(graph, 5, 0.2, threads=threads, seed=seed)
        assert_same_census(census, again)
        np.testing.assert_array_equal(census.errors, again.errors)
    assert motifs.sampled_census(graph, 5, 0.2, seed=5).total != census.total


@pytest.mark.parametrize(("options", "message"), [
    ({"chance": 0}, "chance is 0: expected a number from 1e-30 to 1"), ({"chance": -0.1}, "chance is -0.1"),
    ({"chance": 1.01}, "chance is 1.01"), ({"chance": np.nan}, "chance is nan"), ({"chance": 1e-50}, "from 1e-30"),
    ({"chance": 0.5, "replicates": 1}, "replicates is 1: expected 2 or more"),
    ({"chance": 0.5, "replicates": 0}, "replicates is 0: expected a positive integer"),
    ({"chance": 0.5, "seed": -1}, "seed is -1: expected an integer of at least 0")])
def test_wrong_samples_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        motifs.sampled_census(motifs.graph(3, [0, 1], [1, 2]), 3, **options)
