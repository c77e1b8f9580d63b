"""The rule on positive feedback, on planted rows: where it holds, where units explain it, and where it fails."""
import pytest

from gradnets import experiment
from ledger import growth, parts, sections
from ledger.verdicts import HOLDS, NOT, NOT_MEASURED

CLAIM, = (claim for claim in growth.CLAIMS if claim.rule is growth.feedback)
UNITS = {"exponent": 0.5, "same_effects": 0.5, "unit_means": 0.4, "rest": 0.0, "rest_shuffled": 0.0,
         "doubled_weights": 0.0, "doubled_outgoing": 0.9}
WEIGHTS = UNITS | {"same_effects": 0.1, "rest": 0.4, "doubled_weights": 0.4}
FLAT = dict.fromkeys(UNITS, 0.0)


def row(net, numbers, start=1000, **further):
    intervals = {key + end: value + shift for key, value in numbers.items()
                 for end, shift in (("", 0), ("_low", -0.02), ("_high", 0.02))}
    return {"net": net, "start": start, "data": "noise" if net == "noise" else "mnist", "runs": 10,
            "without_result": 0} | intervals | further


def judged(source, others=UNITS, **further):
    """Return the row of the claim, for nets with these numbers, which start without any growth."""
    rows = [row(net, FLAT, 0) for net in ("30 units", "noise", growth.RECIPE)]
    rows += [row("30 units", others), row("noise", FLAT), row(growth.RECIPE, source, **further)]
    rows.append({"net": "30 units", "start": 1000, "bin": 0, "size": 1.0, "runs": 10})
    return sections.judge({"growth": rows}, {"Growth of weights": [CLAIM]})[0]


@pytest.mark.parametrize(("source", "others", "verdict"), [
    (UNITS, UNITS, "holds, explained by the units"),
    (UNITS | {"rest": 0.21}, UNITS, "holds, explained by the units"),
    (UNITS | {"unit_means": 0.2}, UNITS, "holds, explained by inputs and units"),
    (UNITS | {"rest": 0.23}, UNITS, "holds, explained by earlier changes that go on"),
    (WEIGHTS, WEIGHTS, HOLDS),
    (WEIGHTS, FLAT, f"holds only where the net is {growth.RECIPE}"),
    (FLAT, UNITS, NOT),
    (WEIGHTS | {"exponent": 0.01}, WEIGHTS, NOT),
])
def test_the_verdict_follows_the_numbers(source, others, verdict):
    assert judged(source, others)["verdict"] == verdict


def test_the_row_holds_the_number_beside_its_null_and_what_is_left():
    claim = judged(UNITS)
    assert [claim[key] for key in ("value_low", "value", "value_high", "null", "second_value", "second_null")] == [
        0.48, 0.5, 0.52, 0.5, 0, 0]
    assert claim["n"] == "10 runs"
    assert "the exponent of their changes is 0." in claim["beside"]
    assert "For the net noise the exponent is 0." in claim["beside"]


def test_earlier_windows_that_differ_stand_beside_the_verdict():
    earlier = row(growth.RECIPE, WEIGHTS | {"exponent": 0.51, "rest": 0.42, "unit_means": 0.03}, 500)
    rows = [row(growth.RECIPE, FLAT, 0), earlier, row("noise", FLAT), row(growth.RECIPE, UNITS)]
    claim, = sections.judge({"growth": rows}, {"Growth of weights": [CLAIM]})
    assert claim["verdict"] == "holds, explained by the units"
    assert claim["beside"].endswith("exponent from step 500 on is 0.51. Without the effects of inputs and units it is "
                                    "0.42, and of unit means alone 0.03.")
    assert "from step 0 on" not in claim["beside"]


def test_few_runs_have_no_verdict():
    assert judged(UNITS, without_result=5)["verdict"] == "holds, explained by the units"
    assert judged(UNITS, without_result=6)["verdict"] == NOT_MEASURED
    assert sections.judge({"growth": []}, {"Growth of weights": [CLAIM]})[0]["verdict"] == NOT_MEASURED


def test_a_short_run_of_the_part_can_be_judged(monkeypatch):
    monkeypatch.setitem(parts.PARTS, "growth", parts.PARTS["growth"]._replace(
        trial={"images": 300, "runs": 5, "starts": (200,), "window": 50}))
    assert experiment.settings("weight_growth", **parts.settings_of("growth", True)).dataset == "glyphs"
    result = parts.run_part("growth", 0, trial=True)
    claim, = sections.judge({"growth": result["rows"]}, {"Growth of weights": [CLAIM]})
    assert claim["verdict"] != NOT_MEASURED
    assert claim["value_low"] <= claim["value"] <= claim["value_high"]
    assert {entry["name"] for entry in result["data"]} == {"glyphs", "noise"}
