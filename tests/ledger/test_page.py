"""The page of results, from the rows of the committed ledger."""
import json
import re

import pytest
from helpers import ROOT

from ledger import page
from ledger.verdicts import NOT_MEASURED, kind_of

ROWS = json.loads((ROOT / "figures/claims.json").read_text())["rows"]


def test_every_number_stands_on_one_line():
    lines = page.lines(ROWS)
    assert len(lines) == len(ROWS) + sum("second_value" in row for row in ROWS)
    numbers = [row["source_value"] for row in ROWS if "source_value" in row]
    seconds = [row["second_source_value"] for row in ROWS if "second_source_value" in row]
    drawn = [line["source_value"] for line in lines if "source_value" in line]
    assert sorted([*drawn, 0.832]) == sorted(numbers + seconds)  # which both a row and its second number have
    assert [line["claim"] for line in lines if "verdict" in line and "source" not in line] == [
        "most of the accuracy with few parameters"]


def test_cells_hold_at_most_two_numbers():
    for line in page.lines(ROWS):
        for cell in page.cells(line)[1:]:
            names = re.sub(r"784-\d+-10|\w+\([0-9.]+\)|[\w ]+, 1/4", "", cell)
            assert len(re.findall(r"[0-9][0-9.,e-]*", names)) <= 2, cell


def test_the_summary_names_every_claim_once():
    lines = page.summary(ROWS)
    assert len(lines) <= 4
    assert all(sum(row["statement"] in line for line in lines) == 1 for row in ROWS)


@pytest.mark.parametrize(("verdict", "reason"), [
    ("holds", ""), ("does not hold", ""), ("not measured", "not measured"),
    ("holds, explained by the degrees", "explained by the degrees"),
    ("holds only where the data are mnist", "where the data are mnist")])
def test_reasons_complete_a_verdict(verdict, reason):
    assert page.reason_of(verdict) == reason


def test_a_claim_without_numbers_has_its_place():
    row = {"section": "Tails", "claim": "lost", "statement": "It is lost", "source": "by eye", "axis": "skew",
           "criterion": "the skew is above 2", "quantity": "", "n": "", "beside": "too few", "verdict": NOT_MEASURED}
    text = page.page([row], "How to read this.")
    assert text.count("\n| It is lost |") == 1
    assert "\n- **It is lost**: not measured. Rule: the skew is above 2. too few\n" in text
    assert page.finding([row]) == "Of 1 claim, 1 open"


def test_tables_have_a_line_for_each_claim_and_its_second_number():
    text = page.page(ROWS, "")
    assert text.count("\n| ") == len(page.lines(ROWS)) + 2 * len({row["section"] for row in ROWS})
    assert len([row for row in ROWS if kind_of(row["verdict"]) in row["verdict"]]) == len(ROWS)
