"""Which scripts run with which settings and seeds, and how their rows are gathered."""
import functools

import numpy as np
import pytest

import fractal_stats
from gradnets import datasets, experiment
from gradnets.errors import UserError
from ledger import parts


def test_settings_of_every_part_exist():
    for name, part in parts.PARTS.items():
        for trial in (False, True):
            experiment.settings(part.script, **parts.settings_of(name, trial))


def test_a_trial_has_no_data_of_others():
    for name in parts.PARTS:
        values = parts.settings_of(name, True).values()
        words = {word for value in values for word in (value if isinstance(value, tuple) else (value,))}
        assert not words & {"mnist", "cifar10", "cifar100"}


def test_a_part_runs_its_script_under_its_settings(monkeypatch):
    seen = []

    def main(settings):
        seen.append(settings)
        dataset = datasets.load("glyphs", limit=3)
        return experiment.Result([{"a": np.float64(1.5), "b": None}, {"a": 2.0, "runs": 4}], names=("a",),
                                 data=[dataset.provenance])
    monkeypatch.setattr(fractal_stats, "main", main)
    result = parts.run_part("fractal", 5, trial=True)
    assert result["rows"] == [{"runs": 5, "a": 1.5, "b": None}, {"runs": 4, "a": 2.0}]
    assert [entry["n"] for entry in result["data"]] == [3]
    parts.run_part("fractal", 6, trial=False)
    assert [settings.datasets for settings in seen] == [("glyphs", "noise"), ("mnist", "noise")]
    assert [settings.seed for settings in seen] == [5, 6]


def test_cases_name_every_part_and_seed_once():
    timed, others = parts.cases_of_scripts(False, 3)
    assert [case["part"] for case in timed] == ["sparse", "recurrent", "curvature race", "third order"]
    assert [case["seed"] for case in others if case["part"] == "weights"] == [3, 4, 5, 6, 7]
    timed, others = parts.cases_of_scripts(True, 3)
    assert [case["part"] for case in timed + others] == list(parts.PARTS)
    assert len(parts.cases_of_networks(True, 4, 0)) == 12
    cases = parts.cases_of_networks(False, 100, 0)
    assert [sum(case["data"] == data for case in cases) for data in ("mnist", "cifar10")] == [300, 20]


def part_of_nothing(part, seed, trial):
    return {"rows": [{"a": 1}], "data": [{"name": "read"}]}


def network_of_nothing(data, rate, seed, draws):
    return {"row": {"seed": seed, "degenerate": True}, "data": [{"name": "read"}]}


def test_all_parts_are_gathered_and_each_data_set_is_named_once(monkeypatch):
    monkeypatch.setattr(parts, "run_part", part_of_nothing)
    monkeypatch.setattr(parts, "gradient_network", network_of_nothing)
    data, rows = parts.measure(True, 1, "", "", 2, 3, 5)
    assert set(rows) == {*parts.PARTS, *(f"gradients of glyphs at {rate}" for rate in ("0.01", "0.1", "1"))}
    assert rows["weights"] == [{"seed": 5, "a": 1}]
    assert [row["seed"] for row in rows["gradients of glyphs at 1"]] == [5, 6]
    assert data == [{"name": "read"}]


def failing(part, seed, kind):
    raise {"user": UserError, "code": RuntimeError}[kind]("steps is 0")


def test_mistakes_name_the_case_and_faults_of_the_code_pass_through():
    cases = [{"part": "rbm", "seed": 0}]
    with pytest.raises(UserError, match=r"steps is 0 \(part rbm, seed 0\)"):
        parts.run_all(functools.partial(failing, kind="user"), cases, 1, "", "", "scripts")
    with pytest.raises(RuntimeError, match="steps is 0"):
        parts.run_all(functools.partial(failing, kind="code"), cases, 1, "", "", "scripts")


def test_gradient_networks_are_rows_of_numbers():
    result = parts.gradient_network("clusters", 0.1, 0, 3)
    assert [entry["name"] for entry in result["data"]] == ["clusters"]
    assert result["row"]["degenerate"] is False
    assert all(isinstance(value, bool | int | float | np.number) for value in result["row"].values())


@pytest.mark.parametrize("text", ["[1, 2", "{}", "[]"])
def test_files_that_hold_no_rows_raise(tmp_path, text):
    (tmp_path / "wrong.json").write_text(text)
    with pytest.raises(UserError, match=r"expected a claims_parts\.json"):
        parts.read(tmp_path / "wrong.json")
