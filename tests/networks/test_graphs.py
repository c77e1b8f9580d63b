"""Networks from matrices, against plain numpy, exact frequencies, and a round trip through GraphML."""
import tracemalloc

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradnets.errors import UserError
from gradnets.networks import graphs


def rng(seed=0):
    return np.random.default_rng(seed)


# ---- probabilities and samples ----------------------------------------------------------------------------

def test_probabilities_are_magnitudes_over_the_largest():
    matrix = np.array([[0.0, -4.0], [1.0, 2.0]])
    np.testing.assert_array_equal(graphs.probabilities(matrix), [[0, 1], [0.25, 0.5]])
    np.testing.assert_array_equal(matrix, [[0, -4], [1, 2]])
    np.testing.assert_array_equal(graphs.probabilities(np.array([[3, -6]])), [[0.5, 1]])
    subnormal = np.array([[5e-324, 1e-323]])
    np.testing.assert_array_equal(graphs.probabilities(subnormal), [[0.5, 1]])


@pytest.mark.parametrize(("given", "kept"), [("f8", "f8"), ("f4", "f4"), ("f2", "f4"), (">f4", "f4"), ("i8", "f8")])
def test_small_floats_stay_small_and_give_the_same_network(given, kept):
    matrix = (rng().integers(-64, 65, (40, 60)) / (1 if given == "i8" else 64)).astype(given)
    matrix[0, 0] = 64 if given == "i8" else 1  # a power of two: dividing by it is exact
    wide = matrix.astype(np.float64)
    probabilities = graphs.probabilities(matrix)
    assert probabilities.dtype == kept
    np.testing.assert_array_equal(probabilities, graphs.probabilities(wide))
    np.testing.assert_array_equal(graphs.sample(probabilities, 7), graphs.sample(graphs.probabilities(wide), 7))
    for how in ({"edges": 100}, {"cut": 0.3}):
        np.testing.assert_array_equal(graphs.threshold(matrix, **how), graphs.threshold(wide, **how))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_sampling_takes_little_more_memory_than_the_matrix(dtype):
    matrix = rng().standard_t(3, (500, 3000)).astype(dtype)
    graphs.sample(graphs.probabilities(matrix[:2]), 0)  # compile first
    tracemalloc.start()
    graphs.sample(graphs.probabilities(matrix), 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < matrix.nbytes + 1.1 * matrix.size  # the probabilities, and a byte per entry for the links


@pytest.mark.parametrize("function", [graphs.probabilities, lambda m: graphs.threshold(m, cut=0.1)])
@pytest.mark.parametrize(("matrix", "message"), [
    (np.zeros((2, 3)), "2 x 3 matrix is zero everywhere"),
    (np.array([[1.0, np.nan]]), "1 entries that are NaN or infinite"),
    (np.array([[1.0, np.inf], [-np.inf, 0]]), "2 entries that are NaN or infinite"),
    (np.zeros((0, 3)), "at least one entry"),
    (np.zeros(3), "matrix of real numbers"),
    (np.array([[1j]]), "complex128"),
    (np.array([["a"]]), "matrix of real numbers"),
    (np.array([[None]]), "object"),
])
def test_degenerate_matrices_are_refused_by_name(function, matrix, message):
    with pytest.raises(graphs.DegenerateMatrix, match=message):
        function(matrix)


@pytest.mark.parametrize("shape", [(1, 1), (30, 30), (7, 40)])
def test_sample_is_the_plain_comparison_with_the_same_numbers(shape):
    probabilities = rng(1).random(shape) * (rng(2).random(shape) < 0.6)
    expected = np.zeros(shape, dtype=bool)
    positive = probabilities > 0
    expected[positive] = rng(3).random(np.count_nonzero(positive)) < probabilities[positive]
    for layout in (probabilities, np.asfortranarray(probabilities), np.repeat(probabilities, 2, axis=1)[:, ::2]):
        adjacency = graphs.sample(layout, rng(3))
        np.testing.assert_array_equal(adjacency, expected)
    assert adjacency.dtype == bool
    np.testing.assert_array_equal(graphs.sample(probabilities, 3), expected)  # a seed instead of a generator


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("bit_generator", [np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.MT19937])
def test_sample_draws_numpys_numbers_and_leaves_its_generator_in_numpys_state(bit_generator, dtype):
    ours, numpys = (np.random.Generator(bit_generator(8)) for _ in range(2))
    for generator in (ours, numpys):
        generator.integers(9, dtype=np.int32)  # half a word of PCG64 is left for the next small draw
    # Denormal entries and 1 are the ends of the range; equal numbers decide whether "below" is strict.
    row = np.array([1, 2.0**-1, 2.0**-53, np.finfo(dtype).tiny, np.finfo(dtype).smallest_subnormal, 0, 0.3])
    matrix = np.abs(np.outer(row, rng(2).random(300)))
    matrix[rng(3).random(matrix.shape) < 0.1] = 0
    for probabilities in (matrix.astype(dtype), np.zeros((2, 3), dtype), np.ones((2, 2), dtype)):
        positive = probabilities > 0
        expected = np.zeros(positive.shape, bool)
        expected[positive] = numpys.random(positive.sum()) < probabilities[positive]
        np.testing.assert_array_equal(graphs.sample(probabilities, ours), expected)
        np.testing.assert_equal(ours.bit_generator.state, numpys.bit_generator.state)
    assert ours.integers(9, dtype=np.int32) == numpys.integers(9, dtype=np.int32)


def test_a_link_whose_number_equals_its_probability_is_left_out():
    numbers = rng(5).random((4, 6))
    assert not graphs.sample(numbers, rng(5)).any()
    assert graphs.sample(np.nextafter(numbers, 1), rng(5)).all()


@pytest.mark.parametrize("shape", [(1, 5000), (3, 5000), (5000, 3), (5000, 1)])
def test_long_matrices_are_sampled_as_plain_numpy_does(shape):
    matrix = rng(1).standard_t(3, shape)
    probabilities = np.abs(matrix) / np.abs(matrix).max()
    np.testing.assert_array_equal(graphs.sample(graphs.probabilities(matrix), rng(3)),
                                  rng(3).random(shape) < probabilities)


def test_sample_keeps_each_link_as_often_as_its_probability():
    probabilities = np.array([[0.0, 0.02, 0.3], [0.5, 0.97, 1.0]])
    generator, draws = rng(4), 20_000
    share = sum(graphs.sample(probabilities, generator).astype(int) for _ in range(draws)) / draws
    assert (np.abs(share - probabilities) <= 4.5 * np.sqrt(probabilities * (1 - probabilities) / draws)).all()


@pytest.mark.parametrize("entry", [-0.1, 1.1, np.nan, np.inf, -np.inf])
def test_sample_refuses_entries_that_are_no_probabilities(entry):
    with pytest.raises(UserError, match=r"1 of the probabilities lie outside \[0, 1\]"):
        graphs.sample(np.array([[0.5, entry, 0.2]]), rng())


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(st.sampled_from(["f8", "f4", "f2", "i4", "u1", "?"]),
                  hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)), st.booleans())
def test_any_matrix_is_normalised_and_sampled_or_refused_by_name(matrix, turned):
    matrix = matrix.T[::-1] if turned else matrix  # any strides
    floats = matrix.astype(np.float32 if matrix.dtype in ("f4", "f2") else float)
    if not np.isfinite(floats).all() or not floats.any():
        with pytest.raises(graphs.DegenerateMatrix):
            graphs.probabilities(matrix)
        return
    probabilities = graphs.probabilities(matrix)
    assert probabilities.max() == 1
    assert probabilities.min() >= 0
    np.testing.assert_array_equal(probabilities == 0, np.abs(floats) / np.abs(floats).max() == 0)
    adjacency = graphs.sample(probabilities, rng())
    assert not adjacency[probabilities == 0].any()
    assert adjacency[probabilities == 1].all()


# ---- thresholds -------------------------------------------------------------------------------------------

def test_threshold_keeps_the_number_of_links_that_is_asked_for():
    matrix = np.array([[1, -3, 2], [2, 2, 0]])  # ties are broken by place
    keep = [graphs.threshold(matrix, edges=m).astype(int).tolist() for m in (1, 2, 3, 5)]
    assert keep == [[[0, 1, 0], [0, 0, 0]], [[0, 1, 1], [0, 0, 0]], [[0, 1, 1], [1, 0, 0]], [[1, 1, 1], [1, 1, 0]]]
    random = rng().normal(size=(40, 30))
    for m in (1, 17, 600, 1200):
        kept = graphs.threshold(random, edges=m)
        assert kept.sum() == m
        assert m == 1200 or np.abs(random[kept]).min() > np.abs(random[~kept]).max()


def test_threshold_handles_the_extremes_of_integers_and_floats():
    small = np.array([[-128, 5], [3, 1]], dtype=np.int8)  # |-128| is no int8
    assert graphs.threshold(small, edges=1).tolist() == [[True, False], [False, False]]
    assert graphs.threshold(small, cut=10).tolist() == [[True, False], [False, False]]
    assert graphs.threshold(np.array([[1e-320, 1e300]]), edges=2).all()


def test_threshold_by_cut_is_strict_and_not_rounded_to_the_dtype():
    matrix = np.array([[0.5, -0.6, 0.0]])
    assert graphs.threshold(matrix, cut=0.5).tolist() == [[False, True, False]]
    assert graphs.threshold(matrix, cut=0).tolist() == [[True, True, False]]
    tenth = np.array([[0.1, 0.05]], dtype=np.float32)  # 0.1 in float32 is larger than 0.1
    assert graphs.threshold(tenth, cut=0.1).tolist() == [[True, False]]


@pytest.mark.parametrize(("how", "message"), [
    ({}, "exactly one"), ({"edges": 1, "cut": 0.5}, "exactly one"), ({"edges": 0}, "from 1 to 2"),
    ({"edges": 3}, "from 1 to 2"), ({"edges": 1.0}, "from 1 to 2"), ({"edges": True}, "from 1 to 2"),
    ({"cut": -1}, "at least 0"), ({"cut": np.nan}, "at least 0"),
])
def test_threshold_refuses_impossible_arguments(how, message):
    with pytest.raises(UserError, match=message):
        graphs.threshold(np.array([[1.0, 2.0, 0.0]]), **how)


# ---- merging and export -----------------------------------------------------------------------------------

def test_merged_layers_are_symmetric_without_loops():
    adjacency = rng().random((20, 20)) < 0.2
    merged = graphs.merge_layers(adjacency)
    for i in range(20):
        for j in range(20):
            assert merged[i, j] == (i != j and (adjacency[i, j] or adjacency[j, i]))
    np.testing.assert_array_equal(graphs.merge_layers(merged), merged)


def test_merging_needs_a_square_matrix():
    with pytest.raises(UserError, match=r"got 3 x 4.*bipartite"):
        graphs.merge_layers(np.zeros((3, 4), bool))


def test_networkx_graphs_hold_the_same_links(tmp_path):
    adjacency = rng().random((12, 12)) < 0.2
    merged = graphs.to_networkx(adjacency)
    np.testing.assert_array_equal(nx.to_numpy_array(merged, nodelist=range(12)).astype(bool),
                                  graphs.merge_layers(adjacency))
    apart = graphs.to_networkx(adjacency[:, :5], "bipartite")
    assert nx.is_bipartite(apart)
    assert [apart.nodes[i]["bipartite"] for i in range(17)] == [0] * 12 + [1] * 5
    senders, receivers = range(12), range(12, 17)
    matrix = nx.bipartite.biadjacency_matrix(apart, senders, receivers).toarray()
    np.testing.assert_array_equal(matrix.astype(bool), adjacency[:, :5])
    nx.write_graphml(apart, tmp_path / "apart.graphml")
    read = nx.read_graphml(tmp_path / "apart.graphml", node_type=int)
    assert set(map(frozenset, read.edges)) == set(map(frozenset, apart.edges))
    assert read.nodes[12]["bipartite"] == 1


def test_networkx_refuses_unknown_layers():
    with pytest.raises(UserError, match="expected merged or bipartite"):
        graphs.to_networkx(np.zeros((2, 2), bool), "apart")
