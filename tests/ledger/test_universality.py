"""The rules on universality and criticality, on planted rows where the claims hold, hold in places, and fail."""
import pytest

from gradnets import experiment
from ledger import parts, sections, universality
from ledger.verdicts import HOLDS, NOT, NOT_MEASURED

DOUBLING, NETS = universality.CLAIMS


def judged(claim, part, rows):
    return sections.judge({part: rows}, {"Dynamics of training": [claim]})[0]


# ---- universality -----------------------------------------------------------------------------------------

def nets(living, collapsed, torus, living_ratio=4.67, collapsed_ratio=4.67):
    """Return the rows of nets that double their periods alive, or collapsed, and of nets that end in a torus."""
    groups = [(living, "doubles, alive", True, {"last_ratio": living_ratio}),
              (collapsed, "doubles, collapsed", False, {"last_ratio": collapsed_ratio}), (torus, "torus", True, {})]
    rows = [{"system": "double well", "crossing": 0, "rate": 0.5},
            {"system": "double well", "crossing": 9, "rate": 1.3, "ratio": 4.6692},
            {"system": "nets", "decay": 0.05, "torus": torus}]
    for count, outcome, alive, ratio in groups:
        for _ in range(count):
            seed = len(rows)
            rows.append({"system": "net", "decay": 0.05, "seed": seed, "outcome": outcome, "alive": alive} | ratio)
            rows.append({"system": "net", "decay": 0.05, "seed": seed, "crossing": 0, "alive": True})
    return rows


@pytest.mark.parametrize(("rows", "verdict"), [
    (nets(15, 5, 10), HOLDS),
    (nets(10, 5, 15), "holds only where periods double, not where a torus or a jump comes first"),
    (nets(15, 5, 10, living_ratio=8.7), NOT),
    (nets(15, 5, 10, living_ratio=4.3), NOT),
    (nets(15, 5, 10, living_ratio=4.5), HOLDS),
    (nets(4, 10, 10), "holds only where the net has collapsed"),
    (nets(4, 10, 10, collapsed_ratio=7.3), NOT),
    (nets(2, 2, 20), NOT_MEASURED),
    (nets(9, 5, 5), NOT_MEASURED),
    ([], NOT_MEASURED),
])
def test_the_verdict_on_universality_follows_the_nets(rows, verdict):
    assert judged(DOUBLING, "period doubling", rows)["verdict"] == verdict


def test_collapsed_nets_do_not_speak_for_living_ones():
    claim = judged(DOUBLING, "period doubling", nets(15, 20, 10, living_ratio=4.6))
    assert (claim["value"], claim["reference"]) == (4.6, 4.669)
    assert claim["n"] == "15 of 45 nets"
    assert "25 are alive" in claim["beside"]
    assert "with the last ratio 4.67. The double well, the control, has 4.6692." in claim["beside"]


# ---- criticality ------------------------------------------------------------------------------------------

def rows_of(gains, law="normal"):
    """Return rows of gains, {gain: (driven before, deltas before, driven after, deltas after)}, and critical points."""
    rows = []
    for gain, numbers in gains.items():
        keys = ("driven", "deltas", "driven_after", "deltas_after")
        spreads = {key + end: value + shift for key, value in zip(keys, numbers, strict=True)
                   for end, shift in (("", 0), ("_low", -0.02), ("_high", 0.02))}
        rows.append({"init": law, "gain": gain, "runs": 5, "accuracy": 0.8} | spreads)
    rows.append({"init": law, "border": "deltas", "runs": 5, "critical_gain": 1.17})
    rows.append({"init": law, "border": "driven by images", "runs": 5, "crossings": 0})
    rows.append({"init": law, "border": "best accuracy", "critical_gain": 1.0, "critical_gain_low": 0.9,
                 "critical_gain_high": 1.25})
    return rows


FORGETS, CRITICAL, CHAOTIC = (-0.7, -8.0), (-0.05, 0.3), (0.13, 3.0)


@pytest.mark.parametrize(("gains", "verdict"), [
    ({0.5: FORGETS + CRITICAL, 1.2: CRITICAL + CRITICAL, 2.0: CHAOTIC + CRITICAL}, HOLDS),
    ({0.5: FORGETS + FORGETS, 1.2: CRITICAL + CRITICAL, 2.0: CHAOTIC + CRITICAL},
     "holds only where the initial gain is not 0.5"),
    ({0.5: FORGETS + FORGETS, 1.2: CRITICAL + CRITICAL, 2.0: CHAOTIC + CHAOTIC}, NOT),
    ({0.5: FORGETS + CHAOTIC, 1.2: CRITICAL + FORGETS, 2.0: CHAOTIC + CHAOTIC}, NOT),
    ({0.5: (*FORGETS, -0.05, -1.5), 1.2: (*CRITICAL, -0.09, 0.3)}, NOT),  # vanishing, or too far in some runs
    ({0.5: (*FORGETS, -0.07, -0.9), 1.2: (*CRITICAL, 0.07, 0.3)}, HOLDS),
])
def test_the_verdict_on_criticality_follows_the_gains(gains, verdict):
    assert judged(NETS, "criticality", rows_of(gains))["verdict"] == verdict


def test_both_laws_must_be_critical_at_a_gain():
    rows = rows_of({0.5: FORGETS + CRITICAL, 1.2: CRITICAL + CRITICAL})
    rows += rows_of({0.5: FORGETS + FORGETS, 1.2: CRITICAL + CRITICAL}, "orthogonal")
    claim = judged(NETS, "criticality", rows)
    assert claim["verdict"] == "holds only where the initial gain is 1.2"
    assert "3 of 4 laws and gains are critical after training, 2 before." in claim["beside"]
    assert "The critical gain of normal weights (deltas) is 1.17." in claim["beside"]
    assert "With orthogonal weights gains from 0.9 to 1.25 learn best." in claim["beside"]


def test_few_runs_have_no_verdict():
    rows = [row | {"runs": 4} for row in rows_of({0.5: FORGETS + CRITICAL})]
    assert judged(NETS, "criticality", rows)["verdict"] == NOT_MEASURED
    assert judged(NETS, "criticality", [])["verdict"] == NOT_MEASURED


# ---- short runs of the parts ------------------------------------------------------------------------------

@pytest.mark.parametrize(("claim", "part", "trial"), [
    (DOUBLING, "period doubling", {"decays": (0.05,), "longest": 4, "runs": 22}),
    (NETS, "criticality", {"images": 240, "gains": (0.5, 1.0, 1.5), "hidden_units": 12, "steps": 60,
                           "learning_rates": (0.03,)}),
])
def test_a_short_run_of_the_part_can_be_judged(claim, part, trial, monkeypatch):
    monkeypatch.setitem(parts.PARTS, part, parts.PARTS[part]._replace(trial=trial))
    result = parts.run_part(part, 0, trial=True)
    row = judged(claim, part, result["rows"])
    assert row["verdict"] != NOT_MEASURED
    assert row["value_low"] <= row["value"] <= row["value_high"]
    assert {entry["name"] for entry in result["data"]} == {"glyphs"}
    assert experiment.settings(parts.PARTS[part].script, **parts.settings_of(part, True)).dataset == "glyphs"
