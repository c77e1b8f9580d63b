"""The study of learning: weights along training, changes of Z, and all nets together."""
import numpy as np
import pytest

import motif_stats
from gradnets import datasets, experiment, motifs
from gradnets.errors import NoResult, UserError


def result_of(**changes):
    small = {"datasets": ("tree",), "inits": ("normal(0.1)",), "items": 60, "epochs": 1, "hidden_units": 8, "runs": 1,
             "nulls": 3}
    return motif_stats.main(experiment.settings(motif_stats, **small | changes))


def test_nets_are_compared_along_training_and_under_both_null_models():
    result = result_of(epochs=2, runs=3, nulls=5)
    learning = {row["labels"]: row for row in result.rows if row["part"] == "learning"}
    assert set(learning) == {"real", "shuffled"}
    assert all(row["tested"] >= row["raised"] + row["lowered"] for row in learning.values())
    topologies = [row for row in result.rows if row["part"] == "topology"]
    assert {row["epoch"] for row in topologies if row["labels"] == "real"} == {0, 1, 2}
    assert {row["epoch"] for row in topologies if row["labels"] == "shuffled"} == {0, 2}
    assert {row["motif"] for row in topologies} <= set(motif_stats.TOPOLOGIES.values())
    assert {row["null"] for row in result.rows if row["part"] == "beyond 2"} == {"layered", "fanmod"}
    assert result.finding.startswith(f"Learning raises {learning['real']['raised']} of {learning['real']['tested']} ")
    assert len(result.finding) <= 90
    assert [entry["name"] for entry in result.data] == ["tree"] * 3
    assert set(result.figures) == {"_epochs"}


def test_one_seed_gives_the_same_rows_and_is_too_few_to_tell():
    first, second = result_of(), result_of()
    assert first.rows == second.rows
    assert first.finding.startswith("Too few nets have the same motifs")


def test_weights_are_kept_after_each_epoch_that_is_looked_at():
    dataset = datasets.load("tree", limit=40)
    weights = motif_stats.weights_along_training(dataset, 5, "glorot", 3, {0, 1, 2}, 0)
    shorter = motif_stats.weights_along_training(dataset, 5, "glorot", 1, {0}, 0)
    assert sorted(weights) == [0, 1, 2, 3]
    for epoch in (0, 1):
        for matrix, expected in zip(weights[epoch], shorter[epoch], strict=True):
            np.testing.assert_array_equal(matrix, expected)
    assert not np.array_equal(weights[2][0], weights[3][0])


def comparison_of(z, codes=(7, 9)):
    """Return a comparison of two motifs with these Z."""
    shapes = np.array([[[0, 1, 0], [0, 0, 1], [0, 0, 0]], [[0, 1, 1], [0, 0, 0], [0, 0, 0]]], np.uint8)
    census = motifs.Census(shapes[:len(codes)], np.ones(len(codes), int), len(codes), np.array(codes))
    zeros, z = np.zeros(len(codes)), np.array(z, float)
    return motifs.Significance(census, *[zeros] * 3, np.isfinite(z), z, *[zeros] * 5, 0, 0)


def test_changes_find_the_motif_that_learning_raises():
    rng = np.random.default_rng(0)
    before = [comparison_of(rng.normal(size=2)) for _ in range(12)]
    after = [comparison_of(net.z + np.array([5 + rng.normal(), 0.1 * rng.normal()])) for net in before]
    first, second = motif_stats.changes(before, after)
    assert first["q"] < 0.001
    assert first["after"] - first["before"] == pytest.approx(5, abs=1)
    assert second["q"] > 0.05
    assert (motif_stats.is_raised(first), motif_stats.is_raised(second)) == (True, False)
    assert motif_stats.changes(before[:2], after[:2]) == []  # too few seeds to tell
    missing = [comparison_of([np.nan, 0.0])] * 6 + before[6:]
    assert len(motif_stats.changes(missing, after)) == 1
    assert [row["q"] for row in motif_stats.changes(before, before)] == [1, 1]


@pytest.mark.parametrize(("changes", "message"), [
    ({"nulls": 1}, "nulls is 1: expected 2 random graphs or more"),
    ({"nulls": 0}, "nulls is 0: expected a positive integer"),
    ({"epochs": 1.5}, "epochs is 1.5: expected a positive integer"),
    ({"inits": ()}, r"inits is \(\): expected one value or more"),
    ({"datasets": ("trees",)}, "trees"),
    ({"inits": ("uniform(a)",)}, "init"),
    ({"seed": -1}, "seed"),
])
def test_wrong_settings_are_refused(changes, message):
    with pytest.raises(UserError, match=message):
        result_of(**changes)


def test_random_graphs_that_do_not_differ_have_no_result():
    with pytest.raises(NoResult, match="all random graphs have the motifs of the net with 1 hidden units: take more"):
        result_of(hidden_units=1)
