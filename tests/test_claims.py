"""The ledger as a table, a picture and a script; its rules are tested in tests/ledger."""
import json

import pytest
from helpers import ROOT

import claims
from gradnets import experiment
from gradnets.errors import UserError
from ledger import sections
from ledger.verdicts import NOT_MEASURED


@pytest.fixture(scope="module")
def result():
    return claims.main(experiment.settings(claims, parts=str(ROOT / "figures/claims_parts.json")))


def test_the_committed_ledger_follows_from_its_rows(result):
    committed = json.loads((ROOT / "figures/claims.json").read_text())
    for row, kept in zip(result.rows, committed["rows"], strict=True):
        values = [key for key in row if key.startswith("value")]  # other versions of libraries round differently
        assert [row[key] for key in values] == pytest.approx([kept[key] for key in values], rel=1e-9)
        assert row | dict.fromkeys(values) == kept | dict.fromkeys(values)
    assert result.data == committed["data"]
    assert result.finding == committed["finding"]
    assert result.files[".md"] == (ROOT / "figures/claims.md").read_text()


def test_the_table_has_a_line_for_each_claim(result):
    text = result.files[".md"]
    assert text.count("\n| ") == len(result.rows) + 2 * len(sections.SECTIONS)
    assert all(f"## {section}" in text for section in sections.SECTIONS)


def test_the_picture_has_every_claim_and_verdict(result):
    words = [text.get_text() for text in result.figure.axes[0].texts]
    assert all(row["claim"] in words and row["verdict"] in words for row in result.rows)


def test_claims_that_are_not_measured_are_counted():
    rows = sections.judge({})
    assert {row["verdict"] for row in rows} == {NOT_MEASURED}
    assert claims.finding(rows).endswith(f", {len(rows)} could not be measured")
    assert claims.as_markdown(rows, "nothing").count(f"| {NOT_MEASURED} |") == len(rows)


def test_mistakes_in_settings_raise():
    with pytest.raises(UserError, match="jobs is 0"):
        claims.main(experiment.settings(claims, jobs=0))
