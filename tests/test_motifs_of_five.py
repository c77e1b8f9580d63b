"""The study of motifs of five nodes: rows, findings, and planted changes that follow from parts or go beyond them."""
import numpy as np
import pytest

import motifs_of_five
from gradnets import experiment, motifs, plots
from gradnets.errors import UserError


def test_all_nets_are_compared_before_and_after_training(monkeypatch):
    monkeypatch.setattr(motifs_of_five, "ITEMS", 60)
    monkeypatch.setattr(motifs_of_five, "WIDE_ITEMS", 40)
    monkeypatch.setattr(motifs_of_five, "HIDDEN", (6, 6))
    monkeypatch.setattr(motifs_of_five, "WIDE_HIDDEN", (4,))
    result = motifs_of_five.main(experiment.settings(
        motifs_of_five, datasets=("tree",), inits=("normal(0.1)", "glorot"), images="clusters", nulls=10, runs=3,
        wide_runs=3))
    learning = [row for row in result.rows if row["part"] == "learning"]
    assert [(row["data"], row["init"], row["labels"]) for row in learning] == [
        (*net, labels) for net in (("tree", "normal(0.1)"), ("tree", "glorot"), ("clusters", "normal(0.1)"))
        for labels in ("real", "shuffled")]
    assert all(row["tested"] >= row["raised"] >= row["both"] for row in learning)
    assert all(row["tested_beyond"] <= row["tested"] for row in learning)
    drawn = [row for row in result.rows if row["part"] == "motif"]
    assert {row["data"] for row in drawn} == {"tree", "clusters"}
    assert all(len(motifs.adjacency_of(row["motif"])) == 5 for row in drawn)
    assert len(result.figure.axes) <= plots.MOST_PANELS
    assert len(result.finding) <= plots.LONGEST_TITLE


def comparison_of(z, beyond):
    """Return the comparison of two motifs of five nodes with these Z and Z beyond their parts."""
    shapes = np.zeros((2, 5, 5), np.uint8)
    shapes[0, 0, 1:] = shapes[1, 1:, 0] = 1
    census = motifs.Census(shapes, np.ones(2, int), 2, np.array([5, 9]))
    return motifs.PartsComparison(census, np.ones(2, bool), np.array(z, float), np.array(beyond, float),
                                  np.full(2, 0.5))


def test_a_motif_that_follows_its_parts_is_raised_but_not_beyond_them():
    rng = np.random.default_rng(0)

    def nets(shift):
        before = [comparison_of(rng.normal(size=2), rng.normal(size=2)) for _ in range(12)]
        return [(net, comparison_of(net.z + shift[0] + 0.5 * rng.normal(size=2),
                                    net.beyond + shift[1] + 0.5 * rng.normal(size=2))) for net in before]

    planted = {("tree", "a", "real"): nets(([5, 5], [0, 4])), ("tree", "a", "shuffled"): nets(([0, 0], [0, 0]))}
    rows = motifs_of_five.summarize(planted)
    real, shuffled = (row for row in rows if row["part"] == "learning")
    assert [real[key] for key in ("tested", "raised", "beyond", "both")] == [2, 2, 1, 1]
    assert [shuffled[key] for key in ("raised", "beyond")] == [0, 0]
    first, second = (row for row in rows if row["part"] == "motif" and row["labels"] == "real")
    assert {row["beyond_q"] < 0.05 for row in (first, second)} == {True, False}
    assert first["after"] - first["before"] == pytest.approx(5, abs=1)
    assert motifs_of_five.finding_of(rows) == (
        "Learning raises 2 motifs of five, 1 beyond what their motifs of four predict")


@pytest.mark.parametrize(("tested", "raised", "beyond", "words"), [
    (0, 0, 0, "take 3 runs or more"), (900, 0, 0, "do not show that learning raises any of 900"),
    (9000, 900, 0, "raises 900 motifs of five, but none beyond"),
    (900, 90, 9, "raises 90 motifs of five, 9 beyond what")])
def test_the_finding_is_true_for_any_outcome(tested, raised, beyond, words):
    rows = [{"part": "learning", "labels": "real", "tested": tested, "raised": raised, "beyond": beyond}]
    finding = motifs_of_five.finding_of(rows)
    assert words in finding
    assert len(finding) <= plots.LONGEST_TITLE


def test_too_few_random_nets_are_refused():
    with pytest.raises(UserError, match="nulls is 9: expected 10 random nets or more"):
        motifs_of_five.main(experiment.settings(motifs_of_five, nulls=9))
