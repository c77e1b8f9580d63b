"""The study of learning: weights along training, changes of Z, and all nets together."""
import numpy as np
import pytest

import motif_stats
from gradnets import datasets, experiment, motifs, plots
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
    assert [entry["name"] for entry in result.data] == ["tree"] * 3
    assert set(result.figures) == {"_epochs"}
    assert len(result.finding) <= plots.LONGEST_TITLE
    assert all(len(figure.axes) <= plots.MOST_PANELS for figure in (result.figure, *result.figures.values()))
    assert [set(row) - {"part"} for row in result.rows if row["part"] == "learning"] == list(map(set, result.printed))
    assert len(set(result.names) & set(result.printed[0]) | set(result.columns)) <= 7
    drawn = [row for row in result.rows if row["part"] == "motif"]
    assert len({row["motif"] for row in drawn if row["labels"] == "real"}) >= motif_stats.LINES
    assert all(motifs.fanmod.topology_id(motifs.adjacency_of(row["motif"])) == row["id"] for row in drawn)


def learning_rows(**created):
    """Return the rows of a study in which learning creates so many motifs from each initialisation."""
    return [{"part": "learning", "data": "tree", "init": init, "labels": labels, "tested": 100,
             "raised": number if labels == "real" else 0, "created": number if labels == "real" else 0}
            for init, number in created.items() for labels in ("real", "shuffled")]


@pytest.mark.parametrize(("created", "spreads", "words"), [
    ({"normal": 3, "glorot": 0}, {"normal": 0.1, "glorot": 0.2}, "only from the smallest initial weights"),
    ({"normal": 0, "glorot": 3}, {"normal": 0.1, "glorot": 0.2}, "only from 1 of 2 initialisations"),
    ({"normal": 3, "glorot": 2}, {"normal": 0.1, "glorot": 0.2}, "creates 5 of 200 coloured motifs, and 0 with"),
    ({"normal": 0, "glorot": 0}, {"normal": 0.1, "glorot": 0.2}, "12 seeds do not show that learning raises any"),
])
def test_the_finding_says_from_which_initial_weights_learning_creates_motifs(created, spreads, words):
    finding = motif_stats.finding(learning_rows(**created), spreads, 12)
    assert words in finding
    assert len(finding) <= plots.LONGEST_TITLE


def test_motifs_that_learning_only_raises_are_not_called_created():
    rows = [row | {"raised": 7} for row in learning_rows(normal=0)]
    assert "none of them above Z = 2" in motif_stats.finding(rows, {"normal": 0.1}, 12)


def test_the_motifs_that_learning_raises_are_listed_with_the_greatest_increase_first():
    shapes = [np.array([[0, first, 1], [0, 0, 0], [0, 0, 0]]) for first in (1, 2, 3)]

    def change(k, before, after, q):
        return {"id": 6, "adjacency": shapes[k], "before": before, "after": after, "q": q}

    changes = {("tree", "small", "real"): [change(0, 0, 3, 0.01), change(1, 0, 9, 0.5), change(2, 0, 5, 0.01)],
               ("tree", "large", "real"): [change(0, 0, 1, 0.6), change(2, 1, 0, 0.01)],
               ("tree", "small", "shuffled"): [change(2, 0, 0.1, 1.0)]}
    rows = motif_stats.motif_rows(changes)
    assert [(row["motif"][1], row["init"], row["labels"], row["after"]) for row in rows] == [
        ("3", "small", "real", 5), ("3", "large", "real", 0), ("3", "small", "shuffled", 0.1),
        ("1", "small", "real", 3), ("1", "large", "real", 1)]


def test_initial_spread_is_the_root_mean_square_of_all_weights():
    dataset = datasets.load("tree", limit=20)
    assert motif_stats.initial_spread(dataset, 200, "normal(0.1)", 0) == pytest.approx(0.1, rel=0.02)


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
    first, second = motifs.changes(before, after)
    assert first["q"] < 0.001
    assert first["after"] - first["before"] == pytest.approx(5, abs=1)
    assert second["q"] > 0.05
    assert (motifs.is_raised(first), motifs.is_raised(second)) == (True, False)
    assert motifs.changes(before[:2], after[:2]) == []  # too few seeds to tell
    missing = [comparison_of([np.nan, 0.0])] * 6 + before[6:]
    assert len(motifs.changes(missing, after)) == 1
    assert [row["q"] for row in motifs.changes(before, before)] == [1, 1]


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
