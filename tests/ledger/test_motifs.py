"""The claims on motifs of five nodes, on planted rows: where they hold, hold in places, and fail."""
import pytest

from ledger import motifs, sections
from ledger.verdicts import HOLDS, NOT, NOT_MEASURED

CLAIMS = tuple(claim for claim in motifs.CLAIMS if claim.rule in (motifs.five_nodes, motifs.beyond_parts))


def judged(raised, beyond, shuffled=10):
    """Return the rows of both claims; raised and beyond : numbers of 1,000 motifs on tree, and on mnist."""
    rows = []
    for data, *counts in (("tree", raised[0], beyond[0]), ("mnist", raised[1], beyond[1])):
        for labels, (up, further) in (("real", counts), ("shuffled", (shuffled, shuffled))):
            rows.append({"part": "learning", "data": data, "init": "normal(0.1)", "labels": labels, "raised": up,
                         "tested": 1000, "beyond": further, "tested_beyond": 1000,
                         "runs": 5 if data == "mnist" else 12})
    return sections.judge({"motifs of five": rows}, {"Motifs": CLAIMS})


@pytest.mark.parametrize(("raised", "beyond", "verdicts"), [
    ((100, 90), (12, 11), (HOLDS, NOT)),
    ((100, 90), (60, 50), (HOLDS, HOLDS)),
    ((100, 12), (50, 12), ("holds only where the nets learn tree from normal(0.1)",) * 2),
    ((10, 12), (9, 60), (NOT, "holds only where the nets learn mnist from normal(0.1)")),
])
def test_the_verdicts_follow_the_numbers(raised, beyond, verdicts):
    rows = judged(raised, beyond)
    assert tuple(row["verdict"] for row in rows) == verdicts
    first, second = rows
    assert [first["value"], second["value"]] == pytest.approx([sum(raised) / 20, sum(beyond) / 20])
    assert first["null"] == 1
    assert first["n"] == "2 nets"
    assert f"On tree from normal(0.1) these are {raised[0]} of 1,000 motifs." in first["beside"]


def test_missing_rows_are_not_measured():
    row, _ = sections.judge({}, {"Motifs": CLAIMS})
    assert row["verdict"] == NOT_MEASURED
