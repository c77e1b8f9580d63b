"""The closed form for layers against brute force, enumeration and binomials; the choice between both ways."""
import itertools
import math
import tracemalloc

import numpy as np
import pytest
from motif_oracles import assert_census, assert_same_census, brute_force, code_of, matrix_of, random_layers

from gradnets import motifs
from gradnets.errors import UserError
from gradnets.motifs import comparison, counting, layered


def test_layered_census_equals_brute_force(many):
    rng, falls = np.random.default_rng(6), set()
    for number in range(many(40, 160)):
        sizes = rng.integers(1, 7, rng.integers(2, 6)) if number % 4 else rng.choice([1, 2, 9], rng.integers(2, 4))
        matrices = random_layers(rng, sizes, rng.uniform(0.15, 1.1), rng.integers(1, 4))
        matrix = matrix_of(motifs.from_layers(matrices))
        colors = max(1, matrix.max())
        for size in (3, 4):
            assert_census(motifs.layered_census(matrices, size), brute_force(matrix, size, colors), size, colors)
        falls |= set(np.diff(sizes) < 0)
    assert falls == {False, True}  # whether the wider layer comes first
    assert_same_census(motifs.layered_census(matrices), motifs.layered_census(matrices, 4))


@pytest.mark.parametrize(("sizes", "chance", "colors"), [((400, 370, 372), 0.004, 3), ((100, 5, 600), 0.03, 7),
                                                         ((2, 40, 1, 60), 0.4, 5)])
def test_layers_wider_than_a_block_of_rows_are_counted_as_by_enumeration(sizes, chance, colors):
    matrices = random_layers(np.random.default_rng(7), sizes, chance, colors)
    graph = motifs.from_layers(matrices)
    for size in (3, 4):
        census = motifs.census(graph, size, method="enumerate")
        assert_same_census(motifs.layered_census(matrices, size), census)
        if max(sizes) < 100:
            assert_same_census(motifs.census(graph, size, method="layered"), census)


def test_layers_too_wide_for_exact_sums_are_refused(monkeypatch):
    monkeypatch.setattr(layered, "WIDEST_LAYER", 4)
    assert motifs.layered_census([np.ones((4, 3), int)]).total > 0
    for matrices in ([np.ones((5, 2), int)], [np.ones((2, 5), int)], [np.ones((2, 2), int), np.ones((2, 5), int)]):
        with pytest.raises(UserError, match="a layer has 5 units, and the closed form counts layers of up to 4: "):
            motifs.layered_census(matrices)
        assert motifs.census(motifs.from_layers(matrices), 4).total > 0


def test_more_subgraphs_than_64_bits_hold_are_refused(monkeypatch):
    matrices = [np.ones((3, 4), int), np.ones((4, 2), int)]
    graph = motifs.from_layers(matrices)
    assert layered._trees(matrices) == motifs.subgraphs_at_most(graph, 4)
    monkeypatch.setattr(layered, "_trees", lambda _: 2.0**63)
    with pytest.raises(UserError, match="more subgraphs than 64-bit counts hold"):
        motifs.layered_census(matrices)
    monkeypatch.setattr(comparison, "subgraphs_at_most", lambda *_: 2.0**63)
    with pytest.raises(UserError, match="more subgraphs than 64-bit counts hold"):
        motifs.significance(graph, 4, 2)


def test_layers_without_units_or_without_edges_have_no_subgraphs():
    for shapes in ([(2, 0)], [(0, 2)], [(0, 0)], [(3, 0), (0, 2)], [(2, 3)], [(2, 3), (3, 0)], [(2, 3), (3, 2)]):
        matrices = [np.zeros(shape, np.int64) for shape in shapes]
        assert [motifs.layered_census(matrices, size).total for size in (3, 4)] == [0, 0]
    matrices = [np.ones((2, 3), np.int64), np.zeros((3, 0), np.int64)]
    assert motifs.layered_census(matrices, 4).total == 2 + 3


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


@pytest.mark.parametrize("size", [2, 5, None])
def test_the_closed_form_counts_sizes_3_and_4(size):
    with pytest.raises(UserError, match=f"size is {size}: the closed form counts motifs of 3 and 4 nodes"):
        motifs.layered_census([np.ones((3, 3), int)], size)
    if size == 5:
        with pytest.raises(UserError, match="size is 5: the closed form counts motifs of 3 and 4 nodes"):
            motifs.census(motifs.graph(3, [0, 1], [1, 2]), 5, method="layered")


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
    for module, limit in ((layered, "WIDEST_LAYER"), (counting, "MOST_ENTRIES")):
        with monkeypatch.context() as narrow:
            narrow.setattr(module, limit, 59)
            assert_same_census(motifs.census(graph, 4), census)
    assert calls == [1, 1]


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
