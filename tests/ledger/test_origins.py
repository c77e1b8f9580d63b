"""The rule on what decides gradient networks, on planted rows where it holds and where it fails, and on a short run."""
import pytest

from ledger import origins, parts, sections
from ledger.verdicts import HOLDS, NOT, NOT_MEASURED

NETS = (("mnist", 0.0), ("mnist", 0.1), ("mnist", 1.0), ("noise", 0.0), ("cifar10", 0.0))


def planted(shares):
    """Return the rows of a part, with the share of the deltas for each data set."""
    def interval(name, value):
        return {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
    rows = [{"net": f"{data}, rate {rate:g}", "data": data, "activation": "tanh", "rate": rate, "scale": 0.25,
             "runs": 20, "gradients": 80, "skew_rank_correlation": -0.5} | interval("share_deltas", shares[data])
            | interval("spread_by_deltas", 0.8) for data, rate in NETS]
    others = [{**rows[0], "scale": 0.01}, {**rows[0], "activation": "relu"}]  # which are not judged
    return {"origins": rows + [row | interval("share_deltas", 0.0) for row in others]}


def judged(rows):
    row, = sections.judge(rows, {"": origins.CLAIMS})
    return row


@pytest.mark.parametrize(("shares", "verdict"), [
    ({"mnist": 0.9, "noise": 0.8, "cifar10": 0.9}, HOLDS),
    ({"mnist": 0.2, "noise": 0.9, "cifar10": 0.9}, "holds only where the data are noise or cifar10"),
    ({"mnist": 0.9, "noise": 0.9, "cifar10": 0.59}, "holds only where the data are mnist or noise"),
    ({"mnist": 0.2, "noise": 0.3, "cifar10": 0.55}, NOT),
])
def test_deltas_decide_where_they_carry_more_than_half(shares, verdict):
    row = judged(planted(shares))
    assert row["verdict"] == verdict
    assert row["value"] == shares["mnist"]
    assert row["null"] == shares["noise"]
    assert row["second_value"] == 0.8


def test_one_kind_of_net_is_enough_against_a_data_set():
    rows = planted({"mnist": 0.9, "noise": 0.9, "cifar10": 0.9})
    rows["origins"][2]["share_deltas_low"] = 0.4  # mnist at a learning rate of 1
    assert judged(rows)["verdict"] == "holds only where the data are noise or cifar10"


def test_nets_without_gradients_are_not_judged():
    rows = planted({"mnist": 0.9, "noise": 0.9, "cifar10": 0.9})
    rows["origins"] = [{key: value for key, value in row.items() if not key.startswith("share")}
                       for row in rows["origins"]]
    row = judged(rows)
    assert (row["verdict"], row["beside"]) == (NOT_MEASURED, "no run has data glyphs, rate 0.1")


def test_the_part_of_a_trial_can_be_judged(monkeypatch):
    part = parts.PARTS["origins"]
    short = part._replace(trial=part.trial | {"steps": 10, "images": 100})
    monkeypatch.setitem(parts.PARTS, "origins", short)
    result = parts.run_part("origins", 0, trial=True)
    row = judged({"origins": [{"seed": 0} | row for row in result["rows"]]})
    assert row["verdict"] == "holds only where the data are noise"
    assert row["n"] == "8 gradients of 2 nets"
    assert 0 < row["value_low"] < row["value"] < row["null_low"] < 1
