"""The ledger: its rules on rows of the gallery and on made ones, what it writes, how it runs scripts."""
import json

import numpy as np
import pytest
from conftest import ROOT

import claims
import fractal_stats
from gradnets import experiment

GALLERY = {"weights": "weight_network", "tails": "show_stats", "deltas": "show_delta_stats", "fractal": "fractal_stats",
           "sparse": "sparse_train", "recurrent": "rnn/sparse_train", "rbm": "rbm/minibatch_network",
           "second order": "second_order", "lyapunov": "lyapunov", "motifs": "motif_stats"}


def network(seed, clustering=0.2, over=1.0, degenerate=False):
    if degenerate:
        return {"seed": seed, "degenerate": True}
    return {"seed": seed, "degenerate": False, "diameter": 4, "clustering": clustering + 0.01 * (seed % 5),
            "out_skew": 2.0, "shuffled_skew": 0.2, "diameter_degrees": 4, "over_shuffled": 5.0,
            "over_degrees": over + 0.01 * (seed % 3 - 1), "explained": 0.99}


@pytest.fixture
def parts():
    found = {part: json.loads((ROOT / f"figures/{name}.json").read_text())["rows"] for part, name in GALLERY.items()}
    for rate, clustering in ((0.01, 0.2), (0.1, 0.2), (1.0, 0.1)):
        found["gradients", "mnist", rate] = [network(seed, clustering, degenerate=seed == 7) for seed in range(10)]
    return found


def verdicts(parts):
    return {row["claim"]: row["verdict"] for row in claims.ledger(parts)}


def test_every_claim_has_numbers_and_a_verdict(parts):
    rows = claims.ledger(parts)
    assert {row["section"] for row in rows} == set(claims.SECTIONS)
    assert {row["verdict"] for row in rows} <= set(claims.VERDICTS)
    for row in rows:
        assert all(row[key] for key in ("claim", "source", "ours", "beside"))
        assert "nan" not in row["ours"] + row["beside"]
    assert f"Of {len(rows)} claims" in claims.finding(rows)


def test_verdicts_follow_the_numbers(parts):
    first = verdicts(parts)
    assert first["a clustering of 0.279"] == claims.NOT
    assert first["deterioration at learning rate 1.0"] == claims.HOLDS
    assert "durable across data sets: CIFAR-10" not in first
    parts["gradients", "mnist", 0.1] = [network(seed, 0.26) for seed in range(10)]
    assert verdicts(parts)["a clustering of 0.279"] == claims.EXPLAINED
    parts["gradients", "mnist", 0.1] = [network(seed, 0.26, over=2.0) for seed in range(10)]
    assert verdicts(parts)["a clustering of 0.279"] == claims.HOLDS
    parts["gradients", "cifar10", 0.1] = [network(seed) for seed in range(4)]
    assert verdicts(parts)["durable across data sets: CIFAR-10"] == claims.EXPLAINED
    for row in parts["motifs"]:
        if row["part"] == "learning":
            row |= {"raised": 3, "created": 3 if row["init"] == "orthogonal" else 0}
    after = verdicts(parts)
    assert after["learning shapes the topology"] == claims.NOT  # shuffled labels do the same
    assert after["non-trivial initialisations promote motifs"] == claims.HOLDS


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
    assert claims.rows_of("fractal", True, 5) == [{"a": 1.5}]
    assert seen == {"DATASETS": ("glyphs", "noise"), "SEED": 5}
    assert (before, 0) == (fractal_stats.ORDER, fractal_stats.SEED)
    row = claims.part_of(list(claims.SCRIPTS).index("fractal"), False, 5)
    assert json.loads(row["rows"]) == [{"a": 1.5}]
    assert seen["DATASETS"] == ("mnist", "noise")


def test_gradient_networks_are_rows_of_numbers():
    row = claims.gradient_network(0, "clusters", 0.1, 3)
    assert row["degenerate"] in (True, False)
    assert all(isinstance(value, bool | int | float | np.number) for value in row.values())


def test_constants_of_every_part_exist():
    for name, settings, shorter in claims.SCRIPTS.values():
        known = experiment.constants(ROOT / f"{name}.py")
        assert set(settings) | set(shorter) <= set(known)


def test_wrong_constants_end_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit):
        experiment.run(claims.main, ["--jobs", "0", "--out", str(tmp_path)])
    assert "JOBS is 0" in capsys.readouterr().err
