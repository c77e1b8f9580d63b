"""The rules on likeness with real networks, on planted rows where each holds and fails, and on a short run."""
import pytest

from ledger import parts, real_networks, sections
from ledger.verdicts import HOLDS, NOT, NOT_MEASURED

SETTINGS = (("mnist", "rate 0.01", 0), ("mnist", "rate 0.1", 0), ("mnist", "rate 1", 4), ("noise", "rate 0.1", 0))


def interval(**values):
    return {name + end: value + shift for name, value in values.items()
            for end, shift in (("", 0), ("_low", -0.1), ("_high", 0.1))}


def planted(change=None, settings=None):
    """Return rows of gradients that resemble nothing but their degrees, with some numbers of some settings changed."""
    real = [{"network": kind, "kind": kind, "compared": kind != "schedule", "social": int(kind == "social"),
             "distance": 0.5} for kind in ("social", "collaboration", "neural", "linguistic", "schedule")]
    rows = [{"network": f"{data}, {setting}", "kind": "gradient", "data": data, "setting": setting, "compared": False,
             "runs": 12, "degenerate": lost, "social": 0, "social_of_directed": 0, "nearest": "karate club",
             "outside": "clustering, rich_club", "binned_information": 0.2, "information": 0.7,
             "information_of_null": 0.5}
            | interval(clustering_over_null=0.7, assortativity_less_null=-0.3, sigma_random=4.0, sigma_null=0.7,
                       assortativity_less_null_of_directed=-0.3, distance_named=1.0, distance_named_of_directed=1.0,
                       binned_information_over_directed=0.95, binned_information_over_null=10.0)
            for data, setting, lost in SETTINGS]
    for row in rows:
        if settings is None or row["network"] in settings:
            row |= change or {}
    return {"real networks": real + rows}


def judged(claim, rows):
    chosen, = (each for each in real_networks.CLAIMS if each.name == claim)
    row, = sections.judge(rows, {"": [chosen]})
    return row


SOCIAL, NAMED, SMALL, INFORMATION = (claim.name for claim in real_networks.CLAIMS)
FAST = ["mnist, rate 1"]


@pytest.mark.parametrize(("claim", "change", "settings", "verdict"), [
    (SOCIAL, {}, None, NOT),
    (SOCIAL, {"social": 7}, None, HOLDS),
    (SOCIAL, {"social": 7, "social_of_directed": 7}, None, "holds, explained by the degrees"),
    (SOCIAL, {"social": 7}, FAST, "holds only where the gradients are those of mnist, rate 1"),
    (SOCIAL, {"social": 3}, None, NOT),  # half of the real ones show both marks
    (NAMED, {}, None, NOT),
    (NAMED, {"distance_named_high": 0.4}, None, HOLDS),
    (NAMED, {"distance_named": 0.4}, None, NOT),
    (NAMED, {"distance_named_high": 0.4, "distance_named_of_directed_high": 0.4}, None,
     "holds, explained by the degrees"),
    (NAMED, {"distance_named_high": 0.4}, FAST, "holds only where the gradients are those of mnist, rate 1"),
    (SMALL, {}, None, "holds, explained by the degrees"),
    (SMALL, {"sigma_null_low": 1.2}, None, HOLDS),
    (SMALL, {"sigma_random_low": 0.9, "sigma_null_low": 1.2}, None, NOT),
    (INFORMATION, {}, None, "holds, explained by the in- and out-degrees"),
    (INFORMATION, {"binned_information_over_directed_low": 1.1}, None, HOLDS),
    (INFORMATION, {"binned_information_over_null_low": 0.9}, None, NOT),
])
def test_verdicts_follow_the_numbers(claim, change, settings, verdict):
    row = judged(claim, planted(change, settings))
    assert row["verdict"] == verdict
    assert not {"predicted_low", "predicted_high"}.isdisjoint(row)
    assert all(row[key] for key in ("statement", "source", "axis", "quantity", "n", "beside"))


def test_numbers_that_the_rules_compute():
    row = judged(SOCIAL, planted({"social": 2}))
    assert (row["value"], row["n"]) == (pytest.approx(8 / 44), "44 networks, 4 runs have no network")
    assert row["reference"] == 0.5  # of the social and the collaboration network
    row = judged(NAMED, planted())
    assert (row["value"], row["null"], row["n"]) == (2, 2, "12 runs")
    assert "on 2 of 8 measures: clustering, rich club." in row["beside"]
    row = judged(INFORMATION, planted())
    assert (row["value"], row["second_value"]) == (10, 0.95)  # the first lies where the claim in words is true
    assert row["predicted_low"] == row["reference"] == row["second_reference"] == 1


def test_real_social_networks_without_the_marks_judge_nothing():
    rows = planted({"social": 12})
    for row in rows["real networks"][:5]:
        row["social"] = 0
    assert judged(SOCIAL, rows)["beside"] == "no real social network shows both marks"


@pytest.mark.parametrize("claim", [SOCIAL, NAMED, SMALL, INFORMATION])
def test_runs_without_networks_are_not_judged(claim):
    rows = planted()
    rows["real networks"] = [row for row in rows["real networks"] if row["kind"] != "gradient"] + [
        {"kind": "gradient", "setting": "rate 0.1", "runs": 3, "degenerate": 3}]
    row = judged(claim, rows)
    assert (row["verdict"], row["beside"]) == (NOT_MEASURED, "every run is degenerate")


def test_the_part_of_a_trial_can_be_judged(monkeypatch):
    part = parts.PARTS["real networks"]
    monkeypatch.setitem(parts.PARTS, "real networks", part._replace(trial=part.trial | {"steps": 20, "runs": 2}))
    rows = {"real networks": parts.run_part("real networks", 0, trial=True)["rows"]}
    for claim in (SOCIAL, NAMED, SMALL, INFORMATION):
        row = judged(claim, rows)
        assert row["verdict"] != NOT_MEASURED
        assert row["value_low"] <= row["value"] <= row["value_high"]
    assert judged(SOCIAL, rows)["value"] == 0
