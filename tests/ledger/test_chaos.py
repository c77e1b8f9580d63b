"""The rules on chaos in training, on planted rows: where the claims hold, where in places, and where they fail."""
import pytest

from ledger import chaos, sections
from ledger.verdicts import HOLDS, NOT, NOT_MEASURED

STRANGE, COLLAPSED, DRIFTS = chaos.STRANGE, chaos.COLLAPSED, chaos.DRIFTS
CLAIMS = {claim.rule: claim for claim in chaos.CLAIMS}


def judged(rule, part, rows):
    """Return the row of the claim that a rule judges."""
    return sections.judge({part: rows}, {"Dynamics of training": [CLAIMS[rule]]})[0]


def runs(plain, decaying):
    """Return five runs with one regime for the setting without decay, and five with another for the one with decay."""
    return [{"training": "full batch", "decay": decay, "learning_rate": 1.2, "seed": seed, "regime": regime,
             "runs": 1, "entropy": 0.1 + 0.01 * seed, "correlation": 2.0}
            for decay, regime in ((0.0, plain), (0.01, decaying)) for seed in range(5)]


# ---- attractors -------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("plain", "decaying", "structure", "entropy"), [
    (STRANGE, STRANGE, HOLDS, HOLDS),
    (DRIFTS, STRANGE, "holds only where training is full batch, decay 0.01, rate 1.2",
     "holds only where training is full batch, decay 0.01, rate 1.2"),
    (DRIFTS, COLLAPSED, NOT, "holds only where training is full batch, decay 0.01, rate 1.2"),
    (DRIFTS, "settled and calm", NOT, NOT),
    (DRIFTS, DRIFTS, NOT, NOT),
])
def test_verdicts_on_attractors_follow_the_regimes(plain, decaying, structure, entropy):
    rows = [*runs(plain, decaying), {"training": "control", "control": "torus"}]
    assert judged(chaos.attractor_structure, "attractor", rows)["verdict"] == structure
    assert judged(chaos.entropy, "attractor", rows)["verdict"] == entropy


def test_a_minority_of_runs_is_not_enough():
    rows = runs(DRIFTS, STRANGE)
    for row in rows[-3:]:
        row["regime"] = DRIFTS
    claim = judged(chaos.attractor_structure, "attractor", rows)
    assert claim["verdict"] == NOT
    assert (claim["value"], claim["second_value"]) == (0, 0.4)
    assert claim["second_value_low"] < 0.4 < claim["second_value_high"]
    assert "100 % of the orbits drift" in claim["beside"]
    assert judged(chaos.attractor_structure, "attractor", [])["verdict"] == NOT_MEASURED


# ---- the edge of chaos ------------------------------------------------------------------------------------

def onsets(**ratios):
    return [{"part": "onset", "batch_size": int(size[1:]), "seed": seed, "ratio": ratio * (1 + 0.01 * seed),
             "sensitive_ratio": 2 * ratio}
            for size, ratio in ratios.items() for seed in range(6)]


@pytest.mark.parametrize(("ratios", "verdict"), [
    ({"b200": 1.0, "b20": 0.8}, HOLDS),
    ({"b200": 1.0, "b20": 0.4}, "holds only where batches have 200 samples"),
    ({"b200": 0.5, "b20": 0.3}, NOT),
    ({"b200": 1.6}, NOT),
])
def test_the_fastest_rate_is_compared_with_the_onset(ratios, verdict):
    claim = judged(chaos.training_time, "edge of chaos", onsets(**ratios))
    assert claim["verdict"] == verdict
    assert claim["reference"] == 1


def test_few_ratios_have_no_verdict():
    assert judged(chaos.training_time, "edge of chaos", onsets(b200=1.0)[:4])["verdict"] == NOT_MEASURED
    assert judged(chaos.training_time, "edge of chaos", [])["verdict"] == NOT_MEASURED


def ranked(batches, dimension, **leads):
    """Return rows of one group: the dimension's correlation, and its lead over each rival, with intervals of ±0.1."""
    correlations = {"dimension": dimension} | {rival: dimension - lead for rival, lead in leads.items()}
    return [{"part": "correlation", "batches": batches, "predictor": predictor, "nets": 50, "correlation": value,
             "correlation_low": value - 0.1, "correlation_high": value + 0.1, "lead_low": dimension - value - 0.1,
             "lead": dimension - value, "lead_high": dimension - value + 0.1}
            for predictor, value in correlations.items()]


@pytest.mark.parametrize(("everything", "full", "verdict"), [
    ({"dimension": 0.8, "trace": 0.4, "largest": 0.3, "learning_rate": 0.5}, {}, HOLDS),
    ({"dimension": 0.8, "trace": 0.4, "largest": 0.3, "learning_rate": 0.05}, {},
     "holds, explained by the learning rate"),
    ({"dimension": 0.6, "trace": 0.05, "largest": 0.3, "learning_rate": 0.5}, {}, NOT),
    ({"dimension": 0.05, "trace": 0.4, "largest": 0.4, "learning_rate": 0.4}, {}, NOT),
    ({"dimension": -0.5, "trace": 0.2, "largest": 0.2, "learning_rate": 0.2},
     {"dimension": 0.8, "trace": 0.4, "largest": 0.3, "learning_rate": 0.5},
     "holds only where batches have 200 samples"),
])
def test_the_dimension_is_compared_with_its_rivals(everything, full, verdict):
    rows = ranked("all", **everything) + (ranked(200, **full) if full else [])
    claim = judged(chaos.generalisation, "edge of chaos", rows)
    assert claim["verdict"] == verdict
    assert claim["value"] == everything["dimension"]
    assert claim["null_name"] == "learning rate alone"
    assert claim["n"] == "50 nets"
