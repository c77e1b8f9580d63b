"""The ledger: its rules on the committed rows and on made ones, what it writes, how it runs scripts."""
import json

import numpy as np
import pytest
from conftest import ROOT
from scipy import stats

import claims
import fractal_stats
from gradnets import datasets, experiment


def network(seed, clustering=0.2, over=1.0, degenerate=False):
    if degenerate:
        return {"seed": seed, "degenerate": True}
    return {"seed": seed, "degenerate": False, "diameter": 4, "clustering": clustering + 0.01 * (seed % 5),
            "commonest": 20, "threshold_commonest": 50, "out_skew": 2.0, "shuffled_skew": 0.2, "diameter_degrees": 4,
            "over_shuffled": 5.0, "over_degrees": over + 0.01 * (seed % 3 - 1), "explained": 0.99}


def networks(**how):
    return [network(seed, degenerate=seed == 7, **how) for seed in range(50)]


@pytest.fixture
def parts():
    """The rows behind the committed ledger, with made ones for the gradient networks on MNIST."""
    *_, found = claims.read(ROOT / "figures/claims_parts.json")
    for rate, clustering in ((0.01, 0.2), (0.1, 0.2), (1.0, 0.1)):
        found[f"gradients of mnist at {rate:g}"] = networks(clustering=clustering)
    return found


def judged(parts, claim):
    return next(row["verdict"] for row in claims.ledger(parts) if row["claim"] == claim)


def test_every_claim_has_numbers_and_a_verdict(parts):
    rows = claims.ledger(parts)
    assert [row["section"] for row in rows] == [section for section, some in claims.CLAIMS.items() for _ in some]
    for row in rows:
        assert row["verdict"].startswith((claims.HOLDS, claims.NOT))
        assert (row["verdict"] == claims.kind(row)) == (claims.kind(row) in (claims.HOLDS, claims.NOT))
        assert all(row[key] for key in ("claim", "source", "quantity", "n", "beside"))
        assert row["value_low"] <= row["value"] <= row["value_high"]
        assert "nan" not in claims.measured(row) + row["beside"]
    assert f"Of {len(rows)} claims" in claims.finding(rows)


GRADIENTS = "gradients of mnist at 0.1"


@pytest.mark.parametrize(("claim", "change", "verdict"), [
    ("a diameter of 4", {"diameter": 6}, claims.NOT),
    ("a diameter of 4", {"diameter_degrees": 9}, claims.HOLDS),
    ("a diameter of 4", {}, "holds, explained by the degrees"),
    ("a clustering of 0.279", {}, claims.NOT),
    ("a clustering of 0.279", {"clustering": 0.279}, "holds, explained by the degrees"),
    ("a clustering of 0.279", {"clustering": 0.279, "over_degrees": 2.0}, claims.HOLDS),
    ("skewed out-degrees", {"shuffled_skew": 3.0}, claims.NOT),
    ("inputs decide the degrees", {"explained": 0.5}, claims.NOT),
    ("deterioration at learning rate 1.0", {"clustering": 0.05}, claims.NOT),
    ("thresholding multiplies degrees", {"threshold_commonest": 20}, claims.NOT),
])
def test_verdicts_on_networks_follow_their_numbers(parts, claim, change, verdict):
    for row in parts[GRADIENTS]:
        row.update({} if row["degenerate"] else change)
    assert judged(parts, claim) == verdict


def test_degrees_explain_only_what_they_explain_in_nine_runs_of_ten(parts):
    """93 networks that cluster three times as much as their degrees, and seven that do not."""
    parts[GRADIENTS] = [network(k, clustering=0.26, over=1.0 if k < 7 else 3.0) for k in range(100)]
    assert judged(parts, "a clustering of 0.279") == claims.HOLDS


def changed(part, wanted, **change):
    def change_rows(parts):
        for row in parts[part]:
            if all(row.get(key) == value for key, value in wanted.items()):
                row.update({key: value(row) if callable(value) else value for key, value in change.items()})
    return change_rows


TRAINED = {"what": "weights", "when": "after", "layer": 1}


@pytest.mark.parametrize(("claim", "change", "verdict"), [
    ("gradients of Boltzmann machines are alike", changed("rbm", {}, over_shuffled_low=0.9), claims.NOT),
    ("gradients of Boltzmann machines are alike", changed("rbm", {}, excess=2.0), claims.HOLDS),
    ("trained weights are not a complex network", changed("weights", {}, over_shuffled=1.0), claims.HOLDS),
    ("trained weights are not a complex network", changed("weights", {}, over_shuffled=2.0), claims.NOT),
    ("trained weights have heavy tails", changed("tails", TRAINED, skew_low=1.9), claims.NOT),
    ("trained weights have heavy tails", changed("tails", TRAINED, skew_low=2.1),
     "holds only where the init is normal(0.01)"),
    ("trained weights have heavy tails", changed("large init", TRAINED, skew_low=2.1),
     "holds only where the data are mnist"),
    ("gradients have heavy tails", changed("tails", {"what": "gradients"}, skew_low=1.9), claims.NOT),
    ("cached deltas have heavy tails", changed("deltas", {}, skew_within=50.0), claims.HOLDS),
    ("cached deltas have heavy tails", changed("deltas", {}, skew_low=1.0), claims.NOT),
    ("not a power law", changed("tails", {}, power_law_ruled_out=0), claims.NOT),
    ("not a power law", changed("tails", {"what": "weights"}, power_law_ruled_out=10),
     "holds only where the tails are those of weights or gradients"),
    ("perhaps stretched exponential", changed("tails", {}, top_90_percent="lognormal: 3 of 3"), claims.NOT),
    ("lost on noise", changed("tails", TRAINED | {"data": "noise"}, skew=5.0, skew_low=4.9, skew_high=5.1), claims.NOT),
    ("a Kronecker fractal has a like histogram", changed("fractal", {}, normal_is_closer=0), claims.HOLDS),
    ("a Kronecker fractal has a like histogram", changed("fractal", {}, large_order_distance=0.5), claims.NOT),
    ("most of the accuracy with few parameters", changed("sparse", {"what": "magnitude"}, accuracy_low=0.8),
     claims.NOT),
    ("cost no longer grows with hidden units", changed("sparse", {"what": "halved"}, microseconds=2.0,
                                                       microseconds_low=1.9, microseconds_high=2.1), claims.HOLDS),
    ("cost no longer grows with hidden units", changed("sparse", {"what": "halved", "hidden": 1024},
                                                       microseconds_high=99.0), claims.NOT),
    ("large weights stay large", changed("sparse", {"part": "overlap"}, overlap_low=0.9), claims.HOLDS),
    ("large weights stay large", changed("sparse", {"part": "overlap", "step": 0}, overlap_high=0.5), claims.NOT),
    ("recurrent nets too", changed("recurrent", {"what": "dense"}, accuracy=0.99), claims.NOT),
    ("the functional inverse is Newton's step", changed("second order", {"what": "complex-step"}, error_high=0.1),
     claims.NOT),
    ("the functional inverse is Newton's step", changed("second order", {"part": "inverse"}, error=1e-12,
                                                        error_high=1e-12), claims.HOLDS),
    ("saddle-free steps are needed", changed("second order", {"what": "digits, Newton"}, loss_low=0.01), claims.NOT),
    ("saddle-free steps are needed", changed("second order", {"part": "race"}, loss_low=1.0), claims.HOLDS),
    ("anisotropy at all scales", changed("spectrum", {}, decades=2.0), claims.NOT),
    ("positive Lyapunov exponents", changed("lyapunov", {}, positive=5), claims.HOLDS),
    ("positive Lyapunov exponents", changed("lyapunov", {}, positive=0, exponent_low=0.0), claims.NOT),
    ("positive Lyapunov exponents", changed("lyapunov", {"part": "full batch"}, positive=0),
     "holds only where single-sample steps have the rate 0.8 or 1.4, or the net is the essay's"),
    ("third order is practicable", changed("second order", {"part": "third"}, fewer_percent=5.0), claims.NOT),
    ("third order is practicable", changed("second order", {"part": "third"}, both_ended=1), claims.NOT),
    ("learning shapes the topology", changed("motifs", {"labels": "shuffled"}, raised=15), claims.NOT),
    ("learning shapes the topology", changed("motifs", {"labels": "real"}, raised=50), claims.HOLDS),
    ("initialisation biases it", changed("motifs", {"init": "orthogonal"}, percent_low=5.5),
     "holds only where the init is orthogonal"),
    ("non-trivial initialisations promote motifs", changed("motifs", {"init": "orthogonal"}, created=60), claims.HOLDS),
    ("non-trivial initialisations promote motifs", changed("motifs", {}, created=1), claims.NOT),
])
def test_verdicts_follow_the_numbers(parts, claim, change, verdict):
    change(parts)
    assert judged(parts, claim) == verdict


def test_what_cannot_be_measured_is_said_and_the_rest_stands(parts):
    parts["gradients of mnist at 1"] = [network(seed, degenerate=True) for seed in range(5)]
    del parts["gradients of cifar10 at 0.1"]
    for row in parts["tails"]:
        row.pop("skew_low", None)
    rows = {row["claim"]: row for row in claims.ledger(parts)}
    for claim, why in (("deterioration at learning rate 1.0", "every run is degenerate"),
                       ("durable across data sets: CIFAR-10", "cifar10 is looked at with real data alone"),
                       ("trained weights have heavy tails", "there is no skew_low")):
        assert (rows[claim]["verdict"], rows[claim]["beside"]) == (claims.NOT_MEASURED, why)
    assert rows["a diameter of 4"]["verdict"] == "holds, explained by the degrees"
    rows = list(rows.values())
    lost = sum(row["verdict"] == claims.NOT_MEASURED for row in rows)
    assert claims.finding(rows).endswith(f", {lost} could not be measured")
    assert claims.as_markdown(rows, "made").count(f"| {claims.NOT_MEASURED} |") == lost


@pytest.mark.parametrize(("above", "of", "atypical"), [(1, 30, False), (0, 40, True), (1, 100, True),
                                                       (4, 100, False), (50, 100, False), (100, 100, True)])
def test_an_atypical_number_is_one_of_few(above, of, atypical):
    found = np.concatenate([np.full(above, 2.0), np.zeros(of - above)])
    assert bool(claims.atypical(1.0, found)) is atypical


@pytest.mark.parametrize(("claim", "part", "change"), [
    ("a clustering of 0.279", GRADIENTS, lambda rows: rows[:30]),
    ("deterioration at learning rate 1.0", GRADIENTS, lambda rows: rows[:1]),
    ("a Kronecker fractal has a like histogram", "fractal", lambda rows: [row | {"runs": 4} for row in rows])])
def test_too_few_runs_have_no_verdict(parts, claim, part, change):
    parts[part] = change(parts[part])
    assert judged(parts, claim) == claims.NOT_MEASURED


def test_shares_have_their_exact_interval():
    # 90 % for 19 of 24: the ends at which 19 or more, and 19 or fewer, have a chance of 5 %.
    found = claims.share(19, 24)
    assert stats.binom.sf(18, 24, found["value_low"]) == pytest.approx(0.05)
    assert stats.binom.cdf(19, 24, found["value_high"]) == pytest.approx(0.05)
    assert found["value"] == 19 / 24


def test_the_ledger_is_a_table_and_a_picture(parts):
    rows = claims.ledger(parts)
    text = claims.as_markdown(rows, "made rows")
    assert text.count("\n| ") == len(rows) + 2 * len(claims.CLAIMS)
    assert all(f"## {section}" in text for section in claims.CLAIMS)
    figure = claims.picture(rows, claims.finding(rows), "made rows")
    words = [text.get_text() for text in figure.axes[0].texts]
    assert all(row["claim"] in words and row["verdict"] in words for row in rows)


def test_a_script_runs_under_the_constants_of_its_part(monkeypatch):
    before = fractal_stats.ORDER
    seen = {}

    def main():
        seen.update({name: getattr(fractal_stats, name) for name in ("DATASETS", "SEED")})
        datasets.load("glyphs", limit=3)
        return [{"a": np.float64(1.5), "b": None}], None
    monkeypatch.setattr(fractal_stats, "main", main)
    number = [part for part, _ in claims.parts_to_run(True)].index("fractal")
    row = claims.part_of(number, True, 5)
    assert (row["part"], row["seed"], json.loads(row["rows"])) == ("fractal", 5, [{"runs": 5, "a": 1.5}])
    assert [entry["n"] for entry in json.loads(row["data"])] == [3]
    assert seen == {"DATASETS": ("glyphs", "noise"), "SEED": 5}
    assert (before, 0) == (fractal_stats.ORDER, fractal_stats.SEED)
    claims.part_of([part for part, _ in claims.parts_to_run(False)].index("fractal"), False, 5)
    assert seen["DATASETS"] == ("mnist", "noise")


def test_a_part_of_several_seeds_is_run_with_each():
    numbers = [k for k, (part, _) in enumerate(claims.parts_to_run(False)) if part == "weights"]
    assert [claims.parts_to_run(False)[k][1] for k in numbers] == [0, 1, 2, 3, 4]
    assert [part for part, _ in claims.parts_to_run(True)] == list(claims.SCRIPTS)


def test_all_parts_are_measured_and_say_what_was_loaded(monkeypatch):
    """With scripts that do nothing: which rows come from where, and that no data set is told twice."""
    monkeypatch.setattr(claims, "part_of", part_of_nothing)
    monkeypatch.setattr(claims, "gradient_network", network_of_nothing)
    data, parts = claims.measure(True, 1, "", "", 2, 5)
    assert set(parts) == {*claims.SCRIPTS, *(f"gradients of glyphs at {rate}" for rate in ("0.01", "0.1", "1"))}
    assert parts["weights"] == [{"seed": 5, "a": 1}]
    assert [row["seed"] for row in parts["gradients of glyphs at 1"]] == [5, 6]
    assert data == [{"name": "made"}]


def part_of_nothing(number, quick, seed):
    part, k = claims.parts_to_run(quick)[number]
    return {"part": part, "seed": seed + k, "rows": '[{"a": 1}]', "data": '[{"name": "made"}]'}


def network_of_nothing(seed, data, rate, draws):
    return {"seed": seed, "data": '[{"name": "made"}]', "degenerate": True}


def test_gradient_networks_are_rows_of_numbers():
    row = claims.gradient_network(0, "clusters", 0.1, 3)
    assert row["degenerate"] in (True, False)
    assert [entry["name"] for entry in json.loads(row.pop("data"))] == ["clusters"]
    assert all(isinstance(value, bool | int | float | np.number) for value in row.values())


def test_constants_of_every_part_exist():
    for name, _, settings, shorter in claims.SCRIPTS.values():
        known = experiment.constants(ROOT / f"{name}.py")
        assert set(settings) | set(shorter) <= set(known)


def test_the_committed_ledger_is_that_of_its_rows(script, tmp_path):
    done = script("claims.py", "--parts", ROOT / "figures/claims_parts.json", "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    written, kept = (json.loads((folder / "claims.json").read_text()) for folder in (tmp_path, ROOT / "figures"))
    for row, other in zip(written["rows"], kept["rows"], strict=True):
        values = {key for key in row if key.startswith("value")}  # other versions of libraries round otherwise
        assert [row[key] for key in values] == pytest.approx([other[key] for key in values], rel=1e-9)
        assert {**row, **dict.fromkeys(values)} == {**other, **dict.fromkeys(values)}
    assert written["data"] == kept["data"]
    assert (tmp_path / "claims.md").read_text() == (ROOT / "figures/claims.md").read_text()


@pytest.mark.parametrize(("flags", "words"), [
    (["--jobs", "0"], "JOBS is 0"), (["--parts", "{}"], "expected a claims_parts.json")])
def test_wrong_constants_end_in_one_line(flags, words, tmp_path, capsys):
    (tmp_path / "wrong.json").write_text("[1, 2")
    with pytest.raises(SystemExit):
        experiment.run(claims.main, [flag.format(tmp_path / "wrong.json") for flag in flags] + ["--out", str(tmp_path)])
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
