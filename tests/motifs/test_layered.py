"""The closed form for layers against brute force, enumeration and binomials; the choice between both ways."""
import itertools
import math
import tracemalloc

import numpy as np
import pytest
from motif_oracles import assert_census, assert_same_census, brute_force, code_of, matrix_of, random_layers

from gradnets import motifs
from gradnets.errors import UserError
from gradnets.motifs import _layered_pairs, codes, comparison, counting, layered


def test_layered_census_equals_brute_force(many):
    rng, falls = np.random.default_rng(6), set()
    for number in range(many(40, 160)):
        sizes = rng.integers(1, 7, rng.integers(2, 6)) if number % 4 else rng.choice([1, 2, 9], rng.integers(2, 4))
        matrices = random_layers(rng, sizes, rng.uniform(0.15, 1.1), rng.integers(1, 4))
        matrix = matrix_of(motifs.from_layers(matrices))
        colors = max(1, matrix.max())
        for size in motifs.SIZES:
            assert_census(motifs.layered_census(matrices, size), brute_force(matrix, size, colors), size, colors)
        falls |= set(np.diff(sizes) < 0)
    assert falls == {False, True}  # whether the wider layer comes first
    assert_same_census(motifs.layered_census(matrices), motifs.layered_census(matrices, 4))


def test_layered_census_equals_enumeration(many, tried):
    rng, nets = np.random.default_rng(10), many(60, 1000)
    for _ in range(nets):
        sizes = rng.integers(1, 11, rng.integers(2, 7))
        matrices = random_layers(rng, sizes, rng.uniform(0.1, 1), rng.integers(1, 5))
        for size in motifs.SIZES:
            assert_same_census(motifs.layered_census(matrices, size),
                               motifs.census(motifs.from_layers(matrices), size, method="enumerate"))
    tried("14 layered nets counted in closed form as by enumeration", nets)


@pytest.mark.parametrize(("sizes", "chance", "colors"), [((400, 370, 372), 0.004, 3), ((70, 5, 200), 0.03, 4),
                                                         ((2, 40, 1, 60), 0.2, 5), ((30, 3, 3, 130, 4), 0.1, 2),
                                                         ((9, 2, 3), 0.7, 7)])
def test_layers_of_several_blocks_and_words_are_counted_as_by_enumeration(sizes, chance, colors, many):
    if colors == motifs.most_colors(5) and not many(0, 1):
        pytest.skip("classes of 7 colours take a while, with --long")
    matrices = random_layers(np.random.default_rng(7), sizes, chance, colors)
    graph = motifs.from_layers(matrices)
    for size in motifs.SIZES:
        census = motifs.census(graph, size, method="enumerate")
        assert_same_census(motifs.layered_census(matrices, size), census)
        if max(sizes) < 100:
            assert_same_census(motifs.census(graph, size, method="layered"), census)


@pytest.mark.parametrize("size", motifs.SIZES)
def test_layers_too_wide_for_exact_sums_are_refused(monkeypatch, size):
    monkeypatch.setitem(layered.WIDEST_LAYER, size, 4)
    assert motifs.layered_census([np.ones((4, 3), int)], size).total > 0
    for matrices in ([np.ones((5, 2), int)], [np.ones((2, 5), int)], [np.ones((2, 2), int), np.ones((2, 5), int)]):
        for count in (motifs.layered_census, lambda matrices, size: motifs.census(motifs.from_layers(matrices), size,
                                                                                  method="layered")):
            with pytest.raises(UserError, match=f"a layer has 5 units, and the closed form counts motifs of {size} "
                                                "nodes in layers of up to 4: count by enumeration, or in a sample"):
                count(matrices, size)
        assert motifs.census(motifs.from_layers(matrices), size).total > 0


def test_a_census_that_does_not_fit_into_memory_is_refused_before_matrices_are_made():
    graph = motifs.graph(40_000, np.arange(20_000), np.arange(20_000, 40_000))
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="the layers have 400,000,000 pairs of units, and the closed form takes up "
                                            "to 268,435,456: count by enumeration, or in a sample"):
            motifs.census(graph, 5, method="layered")
        assert tracemalloc.get_traced_memory()[1] < 1e7
    finally:
        tracemalloc.stop()
    with pytest.raises(UserError, match="got 8 colours, and motifs of 5 nodes can have 7: merge colours or leave them"):
        motifs.layered_census([np.full((3, 3), 8)], 5)


def test_more_subgraphs_than_64_bits_hold_are_refused_with_random_graphs(monkeypatch):
    monkeypatch.setattr(comparison, "subgraphs_at_most", lambda *_: 2.0**63)
    with pytest.raises(UserError, match="more subgraphs than 64-bit counts hold"):
        motifs.significance(motifs.from_layers([np.ones((3, 4), int), np.ones((4, 2), int)]), 4, 2)


def test_layers_without_units_or_without_edges_have_no_subgraphs():
    for shapes in ([(2, 0)], [(0, 2)], [(0, 0)], [(3, 0), (0, 2)], [(2, 3)], [(2, 3), (3, 0)], [(2, 3), (3, 2)]):
        matrices = [np.zeros(shape, np.int64) for shape in shapes]
        assert [motifs.layered_census(matrices, size).total for size in motifs.SIZES] == [0, 0, 0]
    matrices = [np.ones((2, 3), np.int64), np.zeros((3, 0), np.int64)]
    assert motifs.layered_census(matrices, 4).total == 2 + 3
    assert motifs.layered_census(matrices, 5).total == 1


def test_counts_beyond_32_bits_and_beyond_exact_floats_are_binomials():
    first, middle, last = 2, 300_000, 3
    complete = [np.ones((first, middle), np.int64), np.ones((middle, last), np.int64)]
    c = math.comb
    expected = {
        code_of(4, [(0, 1), (0, 2), (0, 3)]): first * c(middle, 3) + middle * c(last, 3),
        code_of(4, [(1, 0), (2, 0), (3, 0)]): last * c(middle, 3),
        code_of(4, [(1, 0), (0, 2), (0, 3)]): middle * first * c(last, 2),
        code_of(4, [(1, 0), (2, 0), (0, 3)]): middle * c(first, 2) * last,
        code_of(4, [(0, 2), (0, 3), (1, 2), (1, 3)]): c(middle, 2) * (c(first, 2) + c(last, 2)),
        code_of(4, [(0, 2), (0, 3), (2, 1), (3, 1)]): first * last * c(middle, 2)}
    census = motifs.layered_census(complete)
    assert_census(census, expected, 4, 1)
    assert census.total > 2**53
    assert sorted(expected.values())[-4] > 2**31

    for leaves, turned in itertools.product((100_001, 400_001), (False, True)):
        star = np.full((1, leaves), 2, np.int64)
        star[0, 0] = 1
        edges = [(1, 0), (2, 0), (3, 0)] if turned else [(0, 1), (0, 2), (0, 3)]
        expected = {code_of(4, [(*edge, 2) for edge in edges], 2): c(leaves - 1, 3),
                    code_of(4, [(*edges[0], 1), (*edges[1], 2), (*edges[2], 2)], 2): c(leaves - 1, 2)}
        census = motifs.layered_census([star.T if turned else star])
        assert_census(census, expected, 4, 2)
        if leaves < 2e5:
            assert_same_census(motifs.census(motifs.from_layers([star.T if turned else star]), 4), census)
    assert census.total > 2**53


def complete(widths):
    return [np.ones(pair, np.int64) for pair in itertools.pairwise(widths)]


def counts_of_complete_layers(widths, size):
    """Return the number of connected subsets of a net with all edges: {nodes in each layer: count}.

    A subset is connected if it has nodes in several layers, which are consecutive.
    """
    counts = {}
    for spread in itertools.product(range(size + 1), repeat=len(widths)):
        used = [layer for layer, nodes in enumerate(spread) if nodes]
        if sum(spread) == size and len(used) > 1 and used[-1] - used[0] == len(used) - 1:
            counts[spread] = math.prod(map(math.comb, widths, spread))
    return {spread: count for spread, count in counts.items() if count}


def motif_of_complete_layers(spread):
    """Return the code of the motif of a subset of a net with all edges; spread : its nodes in each layer."""
    starts = np.cumsum([0, *spread])
    edges = [(i, j) for (a, b), (_, c) in itertools.pairwise(itertools.pairwise(starts.tolist()))
             for i in range(a, b) for j in range(b, c)]
    return code_of(sum(spread), edges)


@pytest.mark.parametrize(("size", "widths"), [
    (4, (2, 9, 5)), (5, (3, 4, 5, 3, 6)), (5, (1, 300, 20)), (5, (60, 2000, 3)), (5, (4, 3, 700)),
    pytest.param(5, (300, 30_000), id="a star more than 2**63 times"),
    pytest.param(5, (4500, 20_000), id="a pair with three units more than 2**63 times")])
def test_counts_of_complete_nets_are_binomials_also_beyond_64_bits(size, widths, many):
    if max(widths) > 2500 and not many(0, 1):
        pytest.skip("takes a while, with --long")
    expected = {}
    for spread, count in counts_of_complete_layers(widths, size).items():
        code = motif_of_complete_layers(spread)
        expected[code] = expected.get(code, 0) + count
    assert max(widths) < 2500 or max(expected.values()) > 2**63
    census = motifs.layered_census(complete(widths), size)
    assert dict(zip(census.codes.tolist(), census.counts.tolist(), strict=True)) == expected
    assert (census.total, type(census.total)) == (sum(expected.values()), int)
    assert census.counts.dtype == (np.int64 if census.total < 2**62 else object)


def test_sums_beyond_64_bits_are_python_integers():
    sums = np.array([[2**53 - 1, 2**12], [3, 0]])
    _layered_pairs._add(sums, 0, 5.0)
    assert _layered_pairs.totals(sums).tolist() == [2**65 + 2**53 + 4, 3]
    wide = 2_000_000  # a star whose leaves are chosen in Python integers
    monochrome = layered._count_trees([np.ones((1, 1, 1), bool)], [np.array([[wide]])], [np.array([[1]])], 4)
    assert [numbers.tolist() for shape, numbers in monochrome if shape == "out"] == [[math.comb(wide, 3)]]
    census = codes.merge_counts([7, 5, 7], np.array([2**63, 2**62, 1], object), 3, 1)
    assert (census.codes.tolist(), census.counts.tolist()) == ([5, 7], [2**62, 2**63 + 1])
    assert census.total == 2**63 + 2**62 + 1
    assert codes.merge_counts([7, 5, 7], np.array([3, 2, 1], object), 3, 1).counts.dtype == np.int64


@pytest.mark.parametrize("size", [2, 6, None])
def test_the_closed_form_counts_sizes_3_to_5(size):
    with pytest.raises(UserError, match=f"size is {size}: the closed form counts motifs of 3, 4 and 5 nodes"):
        motifs.layered_census([np.ones((3, 3), int)], size)


# ---- the quicker way --------------------------------------------------------------------------------------

def test_the_closed_form_is_taken_if_it_is_quicker_and_gives_the_same_counts(monkeypatch):
    calls, closed_form = [], layered.layered_census
    monkeypatch.setattr(layered, "layered_census", lambda *arguments: calls.append(1) or closed_form(*arguments))
    rng = np.random.default_rng(8)
    graph = motifs.from_layers(random_layers(rng, (60, 60, 60), 0.3, 2))
    assert motifs.subgraphs_at_most(graph, 4) > 1e6
    census = motifs.census(graph, 4)
    assert calls == [1]
    assert_same_census(census, motifs.census(graph, 4, method="enumerate"))
    motifs.census(graph, 4, colored=False)
    assert calls == [1, 1]
    skipping = motifs.graph(180, [*graph.sources, 0], [*graph.targets, 150], [*graph.colors, 2])
    assert motifs.census(skipping, 4).total > census.total
    motifs.census(motifs.from_layers(random_layers(rng, (9, 9), 0.3, 2)), 4)
    for change, *limit in (("setitem", layered.WIDEST_LAYER, 4), ("setattr", layered, "MOST_ENTRIES")):
        with monkeypatch.context() as narrow:
            getattr(narrow, change)(*limit, 59)
            assert_same_census(motifs.census(graph, 4), census)
    assert calls == [1, 1]
    small = motifs.from_layers(random_layers(rng, (20, 20, 20), 0.5, 3))
    assert_same_census(motifs.census(small, 5), motifs.census(small, 5, method="enumerate"))
    assert calls == [1, 1, 1]


def test_formulas_are_taken_for_wide_sparse_layers_and_the_closed_form_for_a_narrow_one_between(monkeypatch):
    calls, rng = [], np.random.default_rng(21)
    closed_form, formulas = layered.layered_census, counting.counts_of_four
    monkeypatch.setattr(layered, "layered_census", lambda *arguments: calls.append("layers") or closed_form(*arguments))
    monkeypatch.setattr(counting, "counts_of_four", lambda *arguments: calls.append("formulas") or formulas(*arguments))
    for sizes, chance, chosen in (((1000, 1000, 10), 0.02, "formulas"), ((784, 64, 10), 0.1, "layers")):
        graph = motifs.from_layers(random_layers(rng, sizes, chance, 3))
        calls.clear()
        census = motifs.census(graph, 4)
        assert calls == [chosen]
        assert_same_census(census, motifs.census(graph, 4, method="enumerate"))


def test_large_sparse_layers_are_not_made_dense():
    pairs = 20_000  # a dense matrix would take 3.2 GB
    sources = np.concatenate([np.arange(pairs), np.zeros(1500, np.int64)])
    targets = np.concatenate([np.arange(pairs, 2 * pairs), np.arange(pairs + 1, pairs + 1501)])
    graph = motifs.graph(2 * pairs, sources, targets)
    assert motifs.subgraphs_at_most(graph, 3) > 1e6
    tracemalloc.start()
    try:
        census = motifs.census(graph, 3)
        motifs.significance(graph, 3, 2, "layered")
        assert tracemalloc.get_traced_memory()[1] < 1e8
    finally:
        tracemalloc.stop()
    assert_census(census, {code_of(3, [(0, 1), (0, 2)]): math.comb(1501, 2), code_of(3, [(0, 1), (2, 1)]): 1500}, 3, 1)


def test_an_unknown_method_is_refused():
    with pytest.raises(UserError, match="method is 'fast': expected auto, enumerate, formulas or layered"):
        motifs.census(motifs.graph(3, [0, 1], [1, 2]), 3, method="fast")
