"""The ledger as a table, figures and a script; its rules and its page are tested in tests/ledger."""
import json

import numpy as np
import pytest
from helpers import ROOT

import claims
from gradnets import experiment, plots
from gradnets.errors import UserError
from ledger import page, sections
from ledger.verdicts import NOT_MEASURED


@pytest.fixture(scope="module")
def result():
    return claims.main(experiment.settings(claims, parts=str(ROOT / "figures/claims_parts.json")))


def test_the_committed_ledger_follows_from_its_rows(result):
    committed = json.loads((ROOT / "figures/claims.json").read_text())
    for row, kept in zip(result.rows, committed["rows"], strict=True):
        numbers = [key for key in row if isinstance(row[key], float)]  # other versions of libraries round differently
        assert [row[key] for key in numbers] == pytest.approx([kept[key] for key in numbers], rel=1e-9)
        assert row | dict.fromkeys(numbers) == kept | dict.fromkeys(numbers)
    assert result.data == committed["data"]
    assert result.finding == committed["finding"]
    assert result.files[".md"] == (ROOT / "figures/claims.md").read_text()


def test_every_kind_of_quantity_has_a_panel(result):
    axes = [axis for panel in claims.PANELS for axis in panel.kinds]
    of_claims = {claim.axis for rows in sections.SECTIONS.values() for claim in rows}
    assert sorted(axes) == sorted(of_claims | {line["axis"] for line in page.lines(result.rows)})


def test_every_section_has_a_figure():
    assert [name for names in claims.FIGURES.values() for name in names] == list(sections.SECTIONS)


def test_titles_count_the_claims_of_their_figure(result):
    for end, names in claims.FIGURES.items():
        rows = [row for row in result.rows if row["section"] in names]
        figure = {"": result.figure, **result.figures}[end]
        holding = [row for row in rows if row["verdict"] == "holds"]
        assert f": {len(holding)} of {len(rows)} claims hold" in figure.get_suptitle()
        caption = figure.texts[1].get_text().replace("\n", " ")
        assert f"Here {page.counts(rows)}." in caption
        assert f"All {len(result.rows)} claims, in {len(claims.FIGURES)} figures: " in caption
        assert f"figures: {page.counts(result.rows)}." in caption


def test_figures_have_room(result):
    for figure in (result.figure, *result.figures.values()):
        assert len(figure.axes) <= plots.MOST_PANELS
        assert len(figure.get_suptitle()) <= plots.LONGEST_TITLE
    assert len(result.finding) <= plots.LONGEST_TITLE
    assert len(result.names + result.columns) <= 7


def test_figures_have_every_claim_and_verdict(result):
    axes = [axes for figure in (result.figure, *result.figures.values()) for axes in figure.axes]
    words = [text.get_text() for panel in axes for text in panel.texts]
    lines = page.lines(result.rows)
    words = [" ".join(text.split()) for text in words]
    assert all(line["statement"] in words for line in lines)
    nulls = [line["null_name"] for line in lines if "null" in line]
    assert len([word for word in words if word.split(";")[0] in nulls]) == len(nulls)  # each bar has its name
    drawn = sorted(float(mark.get_xdata()[0]) for panel in axes for mark in panel.lines if mark.get_marker() == "D")
    assert drawn == sorted(line["source_value"] for line in lines if "source_value" in line)


def test_a_panel_shows_the_numbers_of_its_lines():
    _, axes = plots.figure([["one"]], 4, 3, "title", "caption")
    line = {"claim": "a", "statement": "a is large", "axis": "share", "verdict": "holds", "value": 0.5,
            "value_low": 0.25, "value_high": 0.75, "null_name": "chance", "null": 0.1, "null_low": 0.0,
            "null_high": 0.2, "source_value": 0.6, "reference_name": "half", "reference": 0.55, "predicted_low": 0.4}
    claims.draw_panel(axes["one"], claims.Panel("share", ("share",), names_start=True), [claims.plain(line)])
    assert axes["one"].get_title() == "share (axis from 0)"
    data = [np.asarray(drawn.get_xdata(), dtype=float).tolist() for drawn in axes["one"].lines]
    for expected in ([0.25, 0.75], [0.5], [0, 0.2], [0.1], [0.6], [0.55, 0.55]):
        assert any(values == pytest.approx(expected) for values in data if len(values) == len(expected))
    shaded = axes["one"].collections[0].get_paths()[0].vertices[:, 0]
    assert (shaded.min(), shaded.max()) == pytest.approx((0.4, axes["one"].get_xlim()[1]))


def test_claims_that_are_not_measured_are_counted_and_drawn():
    rows = sections.judge({})
    assert {row["verdict"] for row in rows} == {NOT_MEASURED}
    assert page.finding(rows).endswith(f", {len(rows)} open")
    assert page.page(rows, "").count(" open |") == len(rows)
    figure = claims.picture(rows, "title", "caption")
    assert sum(text.get_text() == NOT_MEASURED for axes in figure.axes for text in axes.texts) == len(rows)


def test_the_unit_of_a_quantity_is_that_of_its_panel():
    assert claims.plain({"quantity": "steps saved, %", "value": 7}) == {"quantity": "steps saved", "value": 7.0}
    assert claims.plain({"quantity": "share of tails", "n": "5 nets"})["quantity"] == "share of tails"


def test_a_reference_value_behind_a_null_model_is_named_with_it():
    _, axes = plots.figure([["one"]], 6, 3, "title", "caption")
    axes["one"].set_xlim(0, 1)
    line = {"null_name": "chance", "null": 0.2, "null_low": 0.1, "null_high": 0.4, "reference_name": "half",
            "reference": 0.3}
    claims.name_marks(axes["one"], 0, line, ["null", "reference"])
    claims.name_marks(axes["one"], 0, line | {"reference": 0.8}, ["null", "reference"])
    assert [text.get_text() for text in axes["one"].texts] == ["chance; dashed: half", "chance", "half"]


def test_a_finding_of_any_counts_fits_a_title():
    verdicts = ["holds"] * 11 + ["holds, explained by x"] * 10 + ["holds only where x"] * 4 + ["does not hold"] * 2
    rows = [{"verdict": verdict} for verdict in [*verdicts, NOT_MEASURED, NOT_MEASURED]]
    assert len(page.finding(rows)) <= plots.LONGEST_TITLE


def test_quick_makes_a_trial():
    quick = experiment.settings(claims, **claims.QUICK)
    assert quick.trial
    assert quick.runs < experiment.settings(claims).runs


def test_mistakes_in_settings_raise():
    with pytest.raises(UserError, match="jobs is 0"):
        claims.main(experiment.settings(claims, jobs=0))
