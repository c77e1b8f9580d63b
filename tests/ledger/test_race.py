"""The rule on second order, on planted rows: where it pays everywhere, near the minimum, on some tasks, and nowhere."""
import pytest

from gradnets import experiment
from ledger import parts, race, sections
from ledger.verdicts import HOLDS, NOT, NOT_MEASURED

TARGETS = 2.0, 1.2, 1.05


def rows_of(task, *ratios, runs=5):
    """Return the rows of a task, from the rival's seconds over the curvature's; None where no rival arrives."""
    rows = []
    for target, ratio in zip(TARGETS, ratios, strict=True):
        ahead = ratio is None or ratio > 1
        row = {"what": f"{task}, {target:g} x lowest", "task": task, "target": target, "runs": runs, "fastest": "K-FAC",
               "first": "K-FAC" if ahead else "Adam", "rival": "none" if ratio is None else "Adam"}
        rows.append(row | ({} if ratio is None else {"sooner": ratio}))
    nobody = {"task": task, "target": 1.0001, "runs": runs, "fastest": "none", "first": "none", "rival": "none"}
    return [*rows, nobody, {"task": task, "method": "Adam", "target": 2.0, "runs": runs}]


def judged(rows):
    return sections.judge({"curvature race": rows}, {"Second order": race.CLAIMS})[0]


@pytest.mark.parametrize(("digits", "deep", "verdict"), [
    ((2.0, 3.0, None), (1.2, 1.2, 1.2), HOLDS),
    ((2.0, 3.0, None), (0.5, 0.5, 0.5), "holds only where the task is digits"),
    ((2.0, 3.0, None), (0.5, 3.0, 2.0), "holds only where the task is digits, deep below 2 x lowest"),
    ((2.0, 3.0, 1.05), (0.5, 3.0, 0.5), NOT),
    ((0.9, 0.9, 0.9), (0.5, 0.5, 0.5), NOT),
])
def test_the_verdict_follows_the_ratios(digits, deep, verdict):
    assert judged(rows_of("digits", *digits) + rows_of("deep", *deep))["verdict"] == verdict


def test_the_row_counts_losses_and_names_those_who_lead():
    claim = judged(rows_of("digits", 2.0, 3.0, None) + rows_of("deep", 0.5, 0.5, 4.0))
    assert claim["value"] == pytest.approx(400 / 6)
    assert claim["value_low"] < 50 < claim["value_high"]
    assert claim["n"] == "6 losses on 2 tasks"
    assert "No rival arrives at 1 of these losses" in claim["beside"]
    assert "K-FAC on deep, 4 times as fast as Adam" in claim["beside"]
    assert "Adam is first at deep, 2 x lowest; deep, 1.2 x lowest." in claim["beside"]


@pytest.mark.parametrize("rows", [rows_of("digits", 2.0, 2.0, 2.0, runs=4), rows_of("digits", 2.0, 2.0, 2.0)[3:]])
def test_too_few_runs_or_losses_are_not_judged(rows):
    assert judged(rows)["verdict"] == NOT_MEASURED


def test_the_part_has_enough_runs():
    part = parts.PARTS["curvature race"]
    assert part.timed
    settings = experiment.settings(part.script, **parts.settings_of("curvature race", False))
    assert settings.runs >= race.FEWEST
