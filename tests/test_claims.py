"""The ledger: its rules on rows of the gallery and on made ones, what it writes, how it runs scripts."""
import json

import numpy as np
import pytest
from conftest import ROOT
from scipy import stats

import claims
import fractal_stats
from gradnets import experiment


def network(seed, clustering=0.2, over=1.0, degenerate=False):
    if degenerate:
        return {"seed": seed, "source": "made", "degenerate": True}
    return {"seed": seed, "source": "made", "degenerate": False, "diameter": 4,
            "clustering": clustering + 0.01 * (seed % 5), "out_skew": 2.0, "shuffled_skew": 0.2,
            "diameter_degrees": 4, "over_shuffled": 5.0,
            "over_degrees": over + 0.01 * (seed % 3 - 1), "explained": 0.99}


@pytest.fixture
def parts():
    """The rows behind the committed ledger, with made ones for the gradient networks."""
    found = json.loads((ROOT / "figures/claims_parts.json").read_text())
    for rate, clustering in ((0.01, 0.2), (0.1, 0.2), (1.0, 0.1)):
        found[f"gradients of mnist at {rate:g}"] = [network(seed, clustering, degenerate=seed == 7)
                                                    for seed in range(50)]
    return found


def verdicts(parts):
    return {row["claim"]: row["verdict"] for row in claims.ledger(parts)}


def test_every_claim_has_numbers_and_a_verdict(parts):
    rows = claims.ledger(parts)
    assert {row["section"] for row in rows} == set(claims.SECTIONS)
    for row in rows:
        assert row["verdict"].startswith(tuple(claims.VERDICTS))
        assert (row["verdict"] == claims.kind(row)) == (claims.kind(row) in (claims.HOLDS, claims.NOT))
        assert all(row[key] for key in ("claim", "source", "quantity", "n", "beside"))
        assert row["value_low"] <= row["value"] <= row["value_high"]
        assert "nan" not in claims.measured(row) + row["beside"]
    assert f"Of {len(rows)} claims" in claims.finding(rows)


def test_verdicts_follow_the_numbers(parts):
    first = verdicts(parts)
    assert first["a clustering of 0.279"] == claims.NOT
    assert first["deterioration at learning rate 1.0"] == claims.HOLDS
    parts["gradients of mnist at 0.1"] = [network(seed, 0.26) for seed in range(50)]
    assert verdicts(parts)["a clustering of 0.279"] == "holds, explained by the degrees"
    parts["gradients of mnist at 0.1"] = [network(seed, 0.26, over=2.0) for seed in range(50)]
    assert verdicts(parts)["a clustering of 0.279"] == claims.HOLDS
    parts["gradients of mnist at 1"] = [network(seed, 0.27) for seed in range(50)]
    assert verdicts(parts)["deterioration at learning rate 1.0"] == claims.NOT
    del parts["gradients of cifar10 at 0.1"]
    assert "durable across data sets: CIFAR-10" not in verdicts(parts)
    for row in parts["motifs"]:
        if row["part"] == "learning":
            row |= {"raised": 3, "created": 3 if row["init"] == "orthogonal" else 0}
    after = verdicts(parts)
    assert after["learning shapes the topology"] == claims.NOT  # shuffled labels do the same
    assert after["non-trivial initialisations promote motifs"] == claims.HOLDS
    for row in parts["motifs"]:
        if row["part"] == "learning" and (row["labels"] == "shuffled" or row["init"] == "glorot-normal"):
            row["raised"] = 0
    assert verdicts(parts)["learning shapes the topology"] == "holds only where the init is normal(0.1) or orthogonal"


@pytest.mark.parametrize(("above", "of", "atypical"), [(0, 50, True), (0, 30, False), (1, 100, True), (4, 100, False),
                                                       (50, 100, False), (100, 100, True)])
def test_an_atypical_number_is_one_of_few(above, of, atypical):
    sample = np.concatenate([np.full(above, 2.0), np.zeros(of - above)])
    assert bool(claims.atypical(1.0, sample)) is atypical


def test_shares_have_their_exact_interval():
    # 90 % for 19 of 24: the ends at which 19 or more, and 19 or fewer, have a chance of 5 %.
    found = claims.share(19, 24)
    assert stats.binom.sf(18, 24, found["value_low"]) == pytest.approx(0.05)
    assert stats.binom.cdf(19, 24, found["value_high"]) == pytest.approx(0.05)
    assert found["value"] == 19 / 24


def test_the_ledger_is_a_table_and_a_picture(parts):
    rows = claims.ledger(parts)
    text = claims.as_markdown(rows, "made rows")
    assert text.count("\n| ") == len(rows) + 2 * len(claims.SECTIONS)
    assert all(f"## {section}" in text for section in claims.SECTIONS)
    figure = claims.picture(rows, claims.finding(rows), "made rows")
    words = [text.get_text() for text in figure.axes[0].texts]
    assert all(row["claim"] in words for row in rows)


def test_a_script_runs_under_the_constants_of_its_part(monkeypatch):
    before = fractal_stats.ORDER
    seen = {}

    def main():
        seen.update({name: getattr(fractal_stats, name) for name in ("DATASETS", "SEED")})
        return [{"a": np.float64(1.5), "b": None}], None
    monkeypatch.setattr(fractal_stats, "main", main)
    number = [part for part, _ in claims.parts_to_run(True)].index("fractal")
    row = claims.part_of(number, True, 5)
    assert (row["part"], row["seed"], json.loads(row["rows"])) == ("fractal", 5, [{"runs": 3, "a": 1.5}])
    assert seen == {"DATASETS": ("glyphs", "noise"), "SEED": 5}
    assert (before, 0) == (fractal_stats.ORDER, fractal_stats.SEED)
    claims.part_of([part for part, _ in claims.parts_to_run(False)].index("fractal"), False, 5)
    assert seen["DATASETS"] == ("mnist", "noise")


def test_a_part_of_several_seeds_is_run_with_each():
    numbers = [k for k, (part, _) in enumerate(claims.parts_to_run(False)) if part == "weights"]
    assert [claims.parts_to_run(False)[k][1] for k in numbers] == [0, 1, 2, 3, 4]
    assert [part for part, _ in claims.parts_to_run(True)] == list(claims.SCRIPTS)


def test_gradient_networks_are_rows_of_numbers():
    row = claims.gradient_network(0, "clusters", 0.1, 3)
    assert row["degenerate"] in (True, False)
    assert all(isinstance(value, str | bool | int | float | np.number) for value in row.values())


def test_constants_of_every_part_exist():
    for name, _, settings, shorter in claims.SCRIPTS.values():
        known = experiment.constants(ROOT / f"{name}.py")
        assert set(settings) | set(shorter) <= set(known)


def test_a_ledger_is_drawn_anew_from_its_rows(tmp_path, capsys):
    experiment.run(claims.main, ["--parts", str(ROOT / "figures/claims_parts.json"), "--out", str(tmp_path)])
    assert json.loads((tmp_path / "claims.json").read_text())["rows"] == json.loads(
        (ROOT / "figures/claims.json").read_text())["rows"]
    (tmp_path / "wrong.json").write_text("[1, 2")
    with pytest.raises(SystemExit):
        experiment.run(claims.main, ["--parts", str(tmp_path / "wrong.json"), "--out", str(tmp_path)])
    assert "expected a claims_parts.json" in capsys.readouterr().err


def test_wrong_constants_end_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        experiment.run(claims.main, ["--jobs", "0", "--out", str(tmp_path)])
    assert "JOBS is 0" in capsys.readouterr().err
