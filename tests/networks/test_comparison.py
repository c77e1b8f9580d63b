"""Networks beside their null models: what is drawn, how draws are summarised, and the verdict."""
import networkx as nx
import numpy as np
import pytest

from gradnets import plots
from gradnets.errors import UserError
from gradnets.networks import comparison, graphs

PROBABILITIES = np.outer(np.linspace(1, 0.1, 20), np.linspace(0.9, 0.2, 20))


# ---- draws ------------------------------------------------------------------------------------------------

def test_each_draw_has_null_models_of_the_same_links():
    measurements, first = comparison.draw(PROBABILITIES, "merged", 5, seed=3)
    assert list(measurements) == ["observed network", "hidden units relabelled", "undirected configuration",
                                  "Erdős-Rényi", "shuffled entries", "directed configuration"]
    observed = measurements[comparison.OBSERVED]
    np.testing.assert_array_equal(observed[0].degrees["out"], first.sum(axis=1))
    for k in range(5):
        for name in (comparison.UNDIRECTED_CONFIGURATION, comparison.ERDOS_RENYI):
            assert measurements[name][k].numbers["edges"] == observed[k].numbers["edges"]
            assert measurements[name][k].degrees is None
        for side in ("out", "in"):
            same = measurements[comparison.DIRECTED_CONFIGURATION][k]
            np.testing.assert_array_equal(same.degrees[side], observed[k].degrees[side])
            assert same.numbers[f"{side}_skew"] == observed[k].numbers[f"{side}_skew"]
    graph = nx.from_numpy_array(graphs.merge_layers(first))
    assert observed[0].numbers["clustering"] == pytest.approx(nx.average_clustering(graph), rel=1e-12)


def test_bipartite_networks_have_no_undirected_null_model():
    measurements, _ = comparison.draw(PROBABILITIES[:, :12], "bipartite", 2, seed=0)
    assert set(measurements) == {comparison.OBSERVED, comparison.SHUFFLED, comparison.DIRECTED_CONFIGURATION}


@pytest.mark.parametrize("shape", [(1, 2000), (3, 5000)])
def test_long_matrices_are_compared_with_their_null_models(shape):
    probabilities = np.random.default_rng(0).random(shape) ** 3
    measurements, first = comparison.draw(probabilities, "bipartite", 2, seed=0)
    assert first.shape == shape
    for draws in measurements.values():
        for (numbers, degrees), (observed, _) in zip(draws, measurements[comparison.OBSERVED], strict=True):
            assert numbers["nodes"] == sum(shape)
            assert numbers["edges"] == observed["edges"] == degrees["out"].sum() == degrees["in"].sum()


def test_float32_probabilities_give_the_same_networks():
    wide = np.round(PROBABILITIES * 64) / 64  # float32 holds the same numbers
    narrow = wide.astype(np.float32)
    for layers in ("merged", "bipartite"):
        measurements, first = comparison.draw(wide, layers, 2, seed=1)
        measurements_32, first_32 = comparison.draw(narrow, layers, 2, seed=1)
        np.testing.assert_array_equal(first, first_32)
        assert comparison.summary(measurements) == comparison.summary(measurements_32)
    kept = comparison.threshold_probabilities(narrow)
    assert kept.dtype == np.float32
    np.testing.assert_array_equal(kept, comparison.threshold_probabilities(wide))


def test_threshold_keeps_the_largest_probabilities():
    kept = comparison.threshold_probabilities(PROBABILITIES)
    assert kept.sum() == round(PROBABILITIES.sum())
    assert PROBABILITIES[kept == 1].min() >= PROBABILITIES[kept == 0].max()
    np.testing.assert_array_equal(comparison.threshold_probabilities(PROBABILITIES, 0.5),
                                  (PROBABILITIES > 0.5).astype(float))


@pytest.mark.parametrize(("layers", "draws", "seed", "message"), [
    ("apart", 2, 0, "layers is 'apart'"), ("merged", 0, 0, "draws is 0"), ("merged", 2, -1, "seed is -1")])
def test_wrong_arguments_are_named(layers, draws, seed, message):
    with pytest.raises(UserError, match=message):
        comparison.draw(PROBABILITIES, layers, draws, seed)


@pytest.mark.parametrize("entry", [-0.1, 1.1])
def test_threshold_refuses_entries_that_are_no_probabilities(entry):
    with pytest.raises(UserError, match=r"expected them in \[0, 1\]"):
        comparison.threshold_probabilities(np.array([[0.5, entry]]))


# ---- verdict ----------------------------------------------------------------------------------------------

def rows_of(observed, same_degrees, shuffled=(0.1,) * 20):
    """Return the rows of networks with these clustering coefficients, one per draw."""
    clusterings = {comparison.SHUFFLED: shuffled, comparison.OBSERVED: observed,
                   comparison.DIRECTED_CONFIGURATION: same_degrees}
    return comparison.summary({name: [comparison.Measurement({"clustering": value}, None) for value in values]
                               for name, values in clusterings.items()})


def test_verdict_depends_on_the_draws_within_ten_percent():
    steady = [0.4] * 20
    explained = comparison.verdict(rows_of(steady, [0.41] * 20))
    assert "what its degrees alone give (0.98 times)" in explained
    for same_degrees, ratio in ((0.3, "1.33"), (0.5, "0.80")):
        finding = comparison.verdict(rows_of(steady, [same_degrees] * 20))
        assert f"{ratio} times as much as its degrees" in finding
    wide = comparison.verdict(rows_of(steady, [0.2] * 10 + [0.5] * 10))
    assert wide == "Clustering is 0.80 times what the degrees alone give, within the spread of networks"
    beside = comparison.verdict(rows_of(steady, [0.42] * 10 + [0.5] * 10))  # from 0.80 to 0.95
    assert beside == "The gradient network clusters 0.80 times as much as its degrees alone give"
    few = comparison.verdict(rows_of(steady[:4], [0.4] * 4, [0.1] * 4))
    assert few.endswith("too few networks to judge")
    assert max(map(len, (explained, wide, beside, few))) <= plots.LONGEST_TITLE


def test_networks_without_clustering_have_words_of_their_own():
    steady = [0.4] * 20
    assert "same degrees do not" in comparison.verdict(rows_of(steady, [0.0] * 20))
    assert comparison.verdict(rows_of([0.0] * 20, steady)) == "The drawn networks do not cluster"
    ratios = comparison.summary({name: [comparison.Measurement({"clustering": value}, None)] for name, value in
                                 ((comparison.OBSERVED, 0.4), (comparison.SHUFFLED, 0.0))})
    assert ratios[1]["observed_over_this"] == np.inf


@pytest.mark.parametrize(("degrees", "expected"), [([0, 0, 3, 3, 3, 1], (2, 3)), ([0, 0], (0, 0)), ([5], (1, 1))])
def test_multiplicity_leaves_out_units_without_links(degrees, expected):
    assert comparison.multiplicity(np.array(degrees)) == expected
    with pytest.raises(UserError, match="a degree is -1"):
        comparison.multiplicity(np.array([*degrees, -1]))
