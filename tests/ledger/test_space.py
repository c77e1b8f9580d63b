"""The rule on the space of gradients, on planted rows: where it holds, where a product explains it, where it fails."""
import pytest

import optimizers
from gradnets import experiment
from ledger import parts, sections, space
from ledger.verdicts import HOLDS, NOT, NOT_MEASURED


def row(data="mnist", step=0, dimension=80.0, re_paired=90.0, random=100_500.0, **further):
    numbers = {"dimension": dimension, "re_paired": re_paired, "random": random,
               "over_re_paired": dimension / re_paired}
    return {"part": "dimension", "over": "over samples", "data": data, "learning_rate": 0.1, "step": step, "runs": 10,
            "degenerate": 0, "parameters": 100_000} | {key + end: value * factor for key, value in numbers.items()
                                                       for end, factor in (("", 1), ("_low", 0.95), ("_high", 1.05))
                                                       } | further


TRAINING = [{"part": "training", "space": name, "directions": k, "accuracy": accuracy, "accuracy_low": accuracy - 0.01,
             "accuracy_high": accuracy + 0.01, "energy": 0.8, "later_energy": 0.5}
            for name, k, accuracy in (("all parameters", 0, 0.92), ("leading", 20, 0.3), ("leading", 100, 0.8),
                                      ("random", 100, 0.5))]


def judged(*rows):
    return sections.judge({"space": [*rows, *TRAINING]}, {"Space": space.CLAIMS})[0]


@pytest.mark.parametrize(("rows", "verdict"), [
    ([row(), row(step=500, dimension=40.0)], HOLDS),                             # half of the product at step 500
    ([row(), row(step=500, dimension=50.0)], "holds, explained by few dimensions of inputs and deltas"),
    ([row(re_paired=4000.0)], HOLDS),
    ([row(), row(over="over training", dimension=5e4, re_paired=6e4)], NOT),
    ([row(), row(step=500, dimension=960.0, re_paired=1000.0)], NOT),            # its interval reaches beyond 1 %
    ([row(), row(step=500, dimension=940.0, re_paired=1000.0)],
     "holds, explained by few dimensions of inputs and deltas"),
    ([row(dimension=5e4, re_paired=6e4)], NOT),
    ([row(), row(step=500, dimension=70.0, dimension_high=1100.0)], NOT),        # not the largest median
    ([row(), row("noise", dimension=5e4)], "holds, explained by few dimensions of inputs and deltas"),
])
def test_the_verdict_follows_the_numbers(rows, verdict):
    assert judged(*rows)["verdict"] == verdict


def test_the_row_has_the_largest_dimension_beside_its_null_and_the_accuracy():
    claim = judged(row(), row(step=500, dimension=50.0), row("noise", dimension=35.0))
    assert [claim[key] for key in ("value_low", "value", "value_high")] == pytest.approx([7.6e-4, 8e-4, 8.4e-4])
    assert (claim["null"], claim["reference"], claim["n"]) == (pytest.approx(9e-4), pytest.approx(1.005), "10 runs")
    assert (claim["second_value"], claim["second_reference"]) == (0.8, 0.92)
    assert "On noise it is at most 35" in claim["beside"]
    assert "inside 100 leading" in claim["second_statement"]


@pytest.mark.parametrize(("rows", "reason"), [
    ([row(degenerate=6)], "fewer than 5 runs"), ([row(random=80_000.0)], "random matrices have 0.8")])
def test_unsound_estimates_have_no_verdict(rows, reason):
    claim = judged(*rows)
    assert claim["verdict"] == NOT_MEASURED
    assert reason in claim["beside"]


def test_a_short_run_of_the_part_can_be_judged(monkeypatch):
    monkeypatch.setitem(parts.PARTS, "space", parts.PARTS["space"]._replace(
        trial={"datasets": ("tree",), "images": 200, "steps": (0, 20), "directions": (10,), "samples": 60, "runs": 5}))
    monkeypatch.setattr(optimizers, "ADAM_STEPS", 5)
    assert experiment.settings("gradient_space", **parts.settings_of("space", True)).parts == ("dimension", "training")
    result = parts.run_part("space", 0, trial=True)
    claim, = sections.judge({"space": result["rows"]}, {"Space": space.CLAIMS})
    assert claim["verdict"] != NOT_MEASURED
    assert claim["value_low"] <= claim["value"] <= claim["value_high"]
    assert {entry["name"] for entry in result["data"]} == {"tree", "noise"}
