"""Sweeps: numbers are those of main run by hand; the same in two processes; a store runs only what is new."""
import json
import math
import os
import sys

import numpy as np
import pytest

import grad_network
import mlp
from gradnets import experiment, graphs, sweep

TOY = '''"""Does a small script sweep?"""
import os
import uuid
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gradnets import curvature, datasets, experiment, graphs

RATE = 0.5            # a number
SIZES = (4, 5)        # several numbers
NAME = "plain"        # a word
FAST = False          # yes or no
RUNS = 1              # seeded SEED, SEED + 1, ...
MARKS = ""            # a folder with a file for each run
SEED = 0              # seeds all


def main():
    if MARKS:
        (Path(MARKS) / f"{RATE}-{SEED}-{os.getpid()}-{uuid.uuid4().hex}").touch()
    if RATE == 9:
        raise ValueError("RATE is 9:\\nchoose less")
    if RATE == 8:
        datasets.load("nowhere")
    if RATE == 7:
        raise ZeroDivisionError("a fault of the code")
    if RATE == 1 and SEED % 2:
        raise graphs.DegenerateMatrix("all is 0")
    if RATE == 2:
        raise curvature.NotFinite("it diverged")
    draw = np.random.default_rng(SEED).random()
    if NAME == "words":
        return [{"verdict": "good"}], Figure()
    rows = [{"network": name, "size": size, "nodes": 7, "loss": np.float64(k + RATE * draw), "loss_low": 0.0,
             "loss_high": 1.0, "skew": np.nan if SEED == 2 and k else draw, "none": None, "fast": FAST}
            for k, name in enumerate(("observed", "null")) for size in SIZES]
    return rows + [{"network": "once", "limit": float("inf"), "array": np.ones(3)}][:SEED], Figure()


if __name__ == "__main__":
    experiment.run(main)
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The small script as a module that can be imported in this process, and its constants."""
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    yield {name: value for name, (value, _) in experiment.constants(tmp_path / "toy.py").items()}
    sys.modules.pop("toy", None)


def quantiles(values):
    """Low, median and high by hand: of sorted values the first that at least this share does not exceed."""
    values = sorted(values)
    return [values[max(math.ceil(len(values) * share), 1) - 1] for share in (0.05, 0.5, 0.95)]


def test_rows_are_medians_and_intervals_over_the_seeds(here):
    rows, figure, facts = sweep.run("toy", here, ["rate", "0.25", "1"], seeds=3)
    draws = [np.random.default_rng(seed).random() for seed in range(3)]
    first, last = rows[0], [row for row in rows if row["RATE"] == 1][-1]
    assert (first["RATE"], first["network"], first["size"], first["SEEDS"], first["WITHOUT_RESULT"]) == (
        0.25, "observed", 4, 3, 0)
    assert [first["loss_low"], first["loss"], first["loss_high"]] == quantiles([0.25 * draw for draw in draws])
    null = next(row for row in rows if (row["network"], row["size"]) == ("null", 5))
    assert [null["loss_low"], null["loss"], null["loss_high"]] == quantiles([1 + 0.25 * draw for draw in draws])
    assert (null["skew"], null["skew_missing"]) == (min(draws[:2]), 1)
    assert "skew_missing" not in first
    once = [row for row in rows if row["network"] == "once"]
    assert [(row["RATE"], row["SEEDS"], row["limit"]) for row in once] == [(0.25, 2, math.inf), (1, 1, math.inf)]
    assert last == once[-1]
    assert not any("none" in row or "array" in row or "array_missing" in row for row in rows)
    assert facts["seeds"] == [0, 1, 2]
    assert facts["sweep"] == {"constant": "rate", "values": [0.25, 1.0]}
    assert facts["without_result"] == [{"value": 1.0, "seed": 1, "ended": "DegenerateMatrix: all is 0"}]
    assert [panel.get_title("left") for panel in figure.axes] == ["loss", "skew"]
    caption = figure.texts[1].get_text().replace("\n", " ")
    assert "n = 3 seeds, 0 to 2" in caption
    assert "Without a result: 1 of 3 at 1 (DegenerateMatrix)." in caption
    assert "the same everywhere: nodes, fast, limit" in caption


def test_one_and_two_processes_give_the_same_numbers_and_a_store_runs_only_what_is_new(here, tmp_path):
    marks, how = tmp_path / "marks", {"jobs": 2, "store": tmp_path / "store.jsonl"}
    marks.mkdir()
    here |= {"MARKS": str(marks)}

    def runs():
        found = [path.name.split("-") for path in marks.iterdir()]
        for path in marks.iterdir():
            path.unlink()
        return sorted((rate, seed) for rate, seed, *_ in found), {process for *_, process, _ in found}

    alone, _, facts = sweep.run("toy", here, ["rate", "0.25", "1", "2"], seeds=4)
    assert runs()[1] == {str(os.getpid())}
    sweep.run("toy", here, ["rate", "0.25", "1"], seeds=2, **how)
    found, processes = runs()
    assert found == [("0.25", "0"), ("0.25", "1"), ("1.0", "0"), ("1.0", "1")]
    assert str(os.getpid()) not in processes
    wider = sweep.run("toy", here, ["RATE", "1", "0.25", "2"], seeds=4, **how)
    assert runs()[0] == [("0.25", "2"), ("0.25", "3"), ("1.0", "2"), ("1.0", "3"),
                         *(("2.0", str(seed)) for seed in range(4))]
    again = sweep.run("toy", here, ["rate", "0.25", "1", "2"], seeds=4, **how)
    assert runs()[0] == []
    assert json.dumps(again[0]) == json.dumps(alone)  # a number's every digit
    assert again[2] == facts
    assert sorted(map(json.dumps, wider[0])) == sorted(map(json.dumps, alone))
    assert [(row["SEEDS"], row["WITHOUT_RESULT"]) for row in alone if row["RATE"] == 2] == [(0, 4)]


def test_seeds_alone_have_one_row_a_row_of_the_script(here):
    rows, figure, facts = sweep.run("toy", here, seeds=3)
    assert [(row["network"], row.get("size")) for row in rows] == [
        ("observed", 4), ("observed", 5), ("null", 4), ("null", 5), ("once", None)]
    assert facts["sweep"] is None
    assert facts["settings"]["rate"] == 0.5
    assert "WITHOUT_RESULT" not in rows[0]
    low, median, high = quantiles([0.5 * np.random.default_rng(seed).random() for seed in range(3)])
    assert figure.get_suptitle().replace("\n", " ") == (
        f"Between seeds, loss of observed, size 4 differed most: {median:.3g} ({low:.3g} to {high:.3g})")
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [
        "observed, size 4", "observed, size 5", "null, size 4", "null, size 5", "once"]


def test_several_values_words_and_bools_are_taken_one_by_one(here):
    rows, _, facts = sweep.run("toy", here, ["sizes", "6", "7"])
    assert [(row["SIZES"], row["network"]) for row in rows] == [(6, "observed"), (6, "null"),
                                                                (7, "observed"), (7, "null")]
    assert "size" not in rows[0]  # it only repeats the value
    assert facts["settings"]["sizes"] == [6, 7]
    rows, *_ = sweep.run("toy", here, ["fast", "yes", "no"])
    assert [row["FAST"] for row in rows if row["network"] == "null"] == [True, True, False, False]


def test_runs_share_no_seed_with_each_other(here):
    assert sweep.run("toy", here | {"RUNS": 5, "SEED": 3}, seeds=3)[2]["seeds"] == [3, 8, 13]
    assert sweep.run("toy", here, ["runs", "2", "4"], seeds=2)[2]["seeds"] == [0, 4]


@pytest.mark.parametrize(("flags", "words"), [
    (["--sweep", "raet", 1], "--sweep raet: no such constant, did you mean rate?"),
    (["--sweep", "qqqqq", 1], "--sweep qqqqq: expected one of rate, sizes, name, fast, runs, marks"),
    (["--sweep", "seed", 1], "--sweep seed: expected another constant; take --seeds"),
    (["--sweep", "rate"], "--sweep rate: expected values behind it"),
    (["--sweep", "rate", "much"], "--sweep rate: 'much' is a wrong value, expected a number"),
    (["--sweep", "rate", "inf"], "'inf' is a wrong value"),
    (["--sweep", "sizes", "x"], "--sweep sizes: 'x' is a wrong value, expected a whole number"),
    (["--sweep", "fast", "1"], "'1' is a wrong value, expected yes or no"),
    (["--sweep", "rate", 1, 1.0], "--sweep rate: 1 is there 2 times"),
    (["--seeds", 0], "--seeds is 0: expected a positive whole number"),
    (["--seeds", 1.5], "--seeds is 1.5: expected a positive whole number"),
    (["--seeds", 2, "--jobs", 0], "jobs is 0: expected a positive whole number"),
    (["--seeds", 2, "--cluster", "here"], "cluster is 'here'"),
    (["--jobs", 2], "--jobs without --sweep or --seeds"),
    (["--store", "s"], "--store without --sweep or --seeds"),
    (["--sweep", "rate", 0.5, 9], "RATE is 9: choose less (RATE 9, SEED 0)"),
    (["--sweep", "rate", 8], "data set 'nowhere'"),
    (["--sweep", "rate", 2], "none of 1 runs has a result, the first: NotFinite: it diverged"),
    (["--seeds", 2, "--name", "words"], "no row of this script has a number"),
])
def test_mistakes_are_one_line(here, tmp_path, capsys, flags, words):
    import toy
    with pytest.raises(SystemExit) as end:
        experiment.run(toy.main, [*map(str, flags), "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    printed, said = capsys.readouterr()
    assert printed == ""
    assert said.count("\n") == 1, said
    assert words in said
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())
    assert (toy.RATE, toy.SEED, experiment.hidden) == (0.5, 0, False)


def test_an_error_of_the_code_keeps_its_kind(here):
    with pytest.raises(ZeroDivisionError, match="a fault of the code"):
        sweep.run("toy", here, ["rate", "7"])


def test_a_script_without_seed_is_run_once(here):
    without = {name: value for name, value in here.items() if name != "SEED"}
    with pytest.raises(ValueError, match="has no SEED"):
        sweep.run("toy", without, seeds=2)
    assert sweep.run("toy", without, ["rate", "0.5"])[2]["seeds"] == [None]


def test_rows_are_named_by_what_all_seeds_share():
    def run(chosen, links):
        return [{"part": "a", "chosen": chosen, "share": 0.5, "links": links, "links_low": 1},
                {"part": "a", "chosen": 3, "share": 0.7, "links": 1, "links_low": 1},
                {"part": "a", "chosen": 3, "share": 0.7, "links": 2, "links_low": 1}]
    assert sweep.names_of([[run(1, 5), run(2, 6)]]) == ["share"]
    found = sweep.summary(None, [None], [[run(1, 5), run(2, 6)]], 2)
    assert [(row["share"], row.get("PLACE"), row["links"]) for row in found] == [
        (0.5, None, 5), (0.7, 1, 1), (0.7, 2, 2)]
    assert sweep.names_of([[[{"step": 0, "loss": 1.0}, {"step": 5, "loss": 0.5}]]]) == ["step"]


def test_the_finding_is_what_moves_most_beyond_its_spread():
    flat, given = np.array([[1, 2, 3], [1, 2.5, 3.0]]), np.array([[4, 4, 4], [40, 40, 40.0]])
    moved = np.array([[1, 1.5, 2], [10, 11, 12]])
    curves = {"loss": {"flat": flat, "given": given}, "path_length": {"moved": moved}}
    assert sweep.finding(curves, "RATE", [0.1, 1], 5) == (
        "With rate, path length of moved changed most: from 1.5 (1 to 2) at 0.1 to 11 (10 to 12) at 1, "
        "6.3 times its spread over seeds")
    assert sweep.finding({"loss": {"": flat}}, "RATE", [0.1, 1], 5) == (
        "With rate, nothing changed by more than its spread over seeds: at most loss, from 2 (1 to 3) at 0.1 to "
        "2.5 (1 to 3) at 1")
    assert sweep.finding({"loss": {"": given}}, "RATE", [0.1, 1], 5) == "Nothing changed with rate"
    assert sweep.finding({"loss": {"": given}}, "RATE", [0.1, 1], 1).endswith(
        "from 4 at 0.1 to 40 at 1; of one seed, so it may be chance")


def test_at_most_twelve_panels_and_eight_lines():
    runs = [[[{"row": f"row {k}"} | {f"x{c}": (c + k) * value + 0.1 * seed for c in range(15)}
              for k in range(11)] for seed in range(4)] for value in (1, 2)]
    rows = sweep.summary("RATE", [1, 2], runs, 4)
    facts = {"settings": {"rate": [1, 2]}, "sweep": {"constant": "rate", "values": [1, 2]}, "seeds": [0, 1, 2, 3],
             "without_result": []}
    figure = sweep.picture("toy", rows, "RATE", facts)
    assert [panel.get_title("left") for panel in figure.axes] == [f"x{c}" for c in range(3, 15)]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"row {k}" for k in range(3, 11)]
    caption = figure.texts[1].get_text().replace("\n", " ")
    assert "Not shown, as they change less: x0, x1, x2. Shown: 8 of 11 rows" in caption
    line = figure.axes[0].lines[-1]
    top = [[row["x3"], row["x3_low"], row["x3_high"]] for row in rows if row["row"] == "row 3"]
    assert line.get_ydata().tolist() == [row[0] for row in top]


# ---- the scripts ------------------------------------------------------------------------------------------

SMALL = {"IMAGES": 100, "STEPS": 20, "DRAWS": 2, "HIDDEN_UNITS": "20", "LAYERS": "bipartite"}


def test_grad_network(script, tmp_path, monkeypatch):
    flags = [word for name, value in SMALL.items() for word in ("--" + name.lower().replace("_", "-"), value)]
    done = script("grad_network.py", *flags, "--sweep", "learning-rate", 0.1, 1.0, "--seeds", 3, "--jobs", 2,
                  "--store", tmp_path / "store.jsonl", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "grad_network_sweep.json").read_text())
    assert not (tmp_path / "grad_network.json").exists()
    assert record["settings"]["learning_rate"] == [0.1, 1.0]
    assert {entry["name"] for entry in record["data"]} == {"glyphs"}
    for name, value in SMALL.items():
        monkeypatch.setattr(grad_network, name, value)
    lost = []
    for rate in (0.1, 1.0):
        runs = []
        for seed in range(3):
            monkeypatch.setattr(grad_network, "LEARNING_RATE", rate)
            monkeypatch.setattr(grad_network, "SEED", seed)
            try:
                runs.append({row["network"]: row for row in grad_network.main()[0]})
            except graphs.DegenerateMatrix:
                lost.append((rate, seed))
        for row in record["rows"]:
            if row["LEARNING_RATE"] == rate and row["SEEDS"]:
                values = [run[row["network"]]["clustering"] for run in runs]
                assert [row["clustering_low"], row["clustering"], row["clustering_high"]] == quantiles(values)
                assert row["SEEDS"] == len(runs)
                assert row.get("WITHOUT_RESULT", 0) == 3 - len(runs)
    assert [(entry["value"], entry["seed"]) for entry in record["without_result"]] == lost
    assert len((tmp_path / "store.jsonl").read_bytes().splitlines()) == 6


def test_mlp_over_widths(script, tmp_path, monkeypatch):
    done = script("mlp.py", "--dataset", "tree", "--steps", 40, "--sweep", "hidden-units", 5, 10,
                  "--seeds", 2, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "mlp_sweep.json").read_text())
    monkeypatch.setattr(mlp, "DATASET", "tree")
    monkeypatch.setattr(mlp, "STEPS", 40)
    monkeypatch.setattr(mlp, "HIDDEN_UNITS", (10,))
    losses = []
    for seed in range(2):
        monkeypatch.setattr(mlp, "SEED", seed)
        losses.append({row["step"]: row["loss"] for row in mlp.main()[0]})
    rows = {row["step"]: row for row in record["rows"] if row["HIDDEN_UNITS"] == 10}
    assert rows.keys() == losses[0].keys()
    for step, row in rows.items():
        low, median, high = quantiles([run[step] for run in losses])
        assert (row["loss_low"], row["loss"], row["loss_high"]) == pytest.approx((low, median, high), rel=1e-12)
