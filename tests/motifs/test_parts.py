"""Parts of motifs, and what motifs have beyond them: planted truths and falsehoods, and predictions made one by one."""
import itertools

import networkx as nx
import numpy as np
import pytest
from motif_oracles import brute_force, matrix_of, random_layers, smallest_codes
from scipy import stats

from gradnets import motifs
from gradnets.errors import UserError
from gradnets.motifs.rewiring import random_graphs


@pytest.mark.parametrize("size", [4, 5])
def test_parts_are_the_connected_motifs_with_one_node_fewer(size):
    rng = np.random.default_rng(0)
    census = motifs.layered_census(random_layers(rng, (5, 4, 5, 3), 0.6, 2), size)
    assert len(census.codes) > 20
    for matrix, parts in zip(census.adjacency.astype(int), motifs.parts_of(census.adjacency, 2), strict=True):
        expected = set()
        for nodes in itertools.combinations(range(size), size - 1):
            part = matrix[np.ix_(nodes, nodes)]
            if nx.is_weakly_connected(nx.from_numpy_array(part, create_using=nx.DiGraph)):
                expected.add(smallest_codes(part[None], 2)[0])
        shown = parts[parts >= 0].tolist()
        assert (len(shown), set(shown)) == (len(expected), expected)


def fitted_one_by_one(values, parts):
    """Return the prediction of each value from all others, by numpy's least squares with a constant."""
    design = np.column_stack([np.ones(len(values)), parts])
    predictions = []
    for k in range(len(values)):
        rest = np.arange(len(values)) != k
        predictions.append(design[k] @ np.linalg.lstsq(design[rest], values[rest], rcond=None)[0])
    return np.array(predictions)


def standardised(values, observed):
    return (values - values.mean(axis=0)) / values.std(axis=0, ddof=1), (observed - values.mean(axis=0)) / values.std(
        axis=0, ddof=1)


def test_predictions_are_those_of_least_squares_and_their_errors_follow_a_t_distribution():
    rng, nulls, q, p = np.random.default_rng(1), 30, 400, 3
    parts = rng.normal(size=(nulls + 1, q, p))
    counts = (parts @ np.array([1.0, -2.0, 0.5])[:, None])[..., 0] + rng.normal(size=(nulls + 1, q))
    null_parts, net_parts = standardised(parts[:-1], parts[-1])
    null_counts, net_counts = standardised(counts[:-1], counts[-1])
    beyond, explained = motifs.predict_from_parts(net_counts, net_parts, null_counts, null_parts)
    assert stats.kstest(beyond, stats.t(nulls - 1 - p).cdf).pvalue > 0.01
    for k in (0, 7):
        predictions = fitted_one_by_one(null_counts[:, k], null_parts[:, k])
        without = fitted_one_by_one(null_counts[:, k], np.zeros((nulls, 0)))
        expected = 1 - ((null_counts[:, k] - predictions)**2).sum() / ((null_counts[:, k] - without)**2).sum()
        assert explained[k] == pytest.approx(expected)
        all_values = np.append(null_counts[:, k], net_counts[k])
        design = np.vstack([null_parts[:, k], net_parts[k]])
        error = all_values[-1] - fitted_one_by_one(all_values, design)[-1]
        assert np.sign(beyond[k]) == np.sign(error)


def test_what_follows_from_parts_is_not_beyond_them_and_what_is_planted_is():
    rng, nulls = np.random.default_rng(2), 40
    null_parts, noise = rng.normal(size=(nulls, 2, 2)), rng.normal(size=(nulls, 2))
    null_z = null_parts.sum(axis=2) + 0.3 * noise
    parts = np.full((2, 2), 6.0)  # both motifs have parts far above chance
    beyond, explained = motifs.predict_from_parts(np.array([12.0, 20.0]), parts, null_z, null_parts)
    assert abs(beyond[0]) < 3
    assert beyond[1] > 5
    assert (explained > 0.9).all()
    fixed, known = motifs.predict_from_parts(np.array([2.0]), np.ones((1, 2)), null_parts[:, :1].sum(axis=2),
                                             null_parts[:, :1])
    assert np.isnan([fixed[0], known[0]]).all()  # the parts fix the count
    alone, _ = standardised(null_z[:, :1], null_z[0, :1])
    constant, known = motifs.predict_from_parts(np.array([2.0]), np.zeros((1, 2)), alone, np.zeros((nulls, 1, 2)))
    assert constant[0] == pytest.approx(2 / np.sqrt(1 + 1 / nulls))
    assert known[0] <= 1e-9


def test_a_net_is_compared_with_the_random_nets_of_the_layered_null_model():
    matrices = random_layers(np.random.default_rng(3), (7, 6, 5), 0.5, 2)
    graph, rng = motifs.from_layers(matrices), np.random.default_rng(9)
    result = motifs.compare_with_parts(graph, 5, 12, seed=9, sizes=(7, 6, 5))
    random = random_graphs(graph, rng, motifs.layer_of(graph, (7, 6, 5)))
    drawn = [next(random).graph for _ in range(13)]
    observed = brute_force(matrix_of(graph), 5, 2)
    counts = [brute_force(matrix_of(null), 5, 2) for null in drawn[1:]]
    assert dict(zip(result.census.codes.tolist(), result.census.counts.tolist(), strict=True)) == observed
    table = np.array([[count[code] for code in result.census.codes.tolist()] for count in counts])
    differs = table.std(axis=0) > 0
    assert result.differs.tolist() == differs.tolist()
    np.testing.assert_allclose(result.z[differs], ((result.census.counts - table.mean(axis=0))[differs]
                                                   / table.std(axis=0, ddof=1)[differs]))
    assert (result.z[~differs] == 0).all()
    assert np.isnan(result.beyond[~differs]).all()
    assert np.isfinite(result.beyond).any()
    plain = motifs.significance(graph, 5, 12, "layered", 9, sizes=(7, 6, 5))
    np.testing.assert_allclose(result.z[differs], plain.z[differs])


def test_wrong_arguments_are_refused():
    graph = motifs.from_layers([np.ones((3, 3), int), np.ones((3, 2), int)])
    with pytest.raises(UserError, match="nulls is 9: expected 10 random nets or more"):
        motifs.compare_with_parts(graph, 5, 9)
    with pytest.raises(UserError, match="size is 3"):
        motifs.compare_with_parts(graph, 3, 10)
    with pytest.raises(motifs.NotLayered):
        motifs.compare_with_parts(motifs.graph(3, [0, 1, 2], [1, 2, 0]), 4, 10)
    with pytest.raises(UserError, match=r"adjacency has shape \(1, 3, 3\): expected motifs of 4 or 5 nodes"):
        motifs.parts_of(np.zeros((1, 3, 3), int), 1)
