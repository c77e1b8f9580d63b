"""Sweeps: numbers equal those of main run by hand; two processes give the same; a store runs only what is new."""
import json
import math
import os
import sys
from dataclasses import asdict

import numpy as np
import pytest

import grad_network
import mlp
from gradnets import curvature, experiment, motifs, networks, tails
from gradnets.errors import UserError
from gradnets.experiment import sweep, sweep_figure, sweep_finding, sweep_rows
from gradnets.plots import LONGEST_TITLE

TOY = '''"""Does a small script sweep?"""
import os
import uuid
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from gradnets import datasets, experiment
from gradnets.errors import NoResult, UserError

RATE = 0.5            # a number
SIZES = (4, 5)        # several numbers
NAME = "plain"        # a word
FAST = False          # yes or no
RUNS = 1              # number of seeds of each run
MARKS = ""            # folder that gets a file for each run
SEED = 0              # seed of everything


class AllZero(NoResult):
    pass


def main(settings):
    rate, seed = settings.rate, settings.seed
    if settings.marks:
        (Path(settings.marks) / f"{rate}-{seed}-{os.getpid()}-{uuid.uuid4().hex}").touch()
    if rate == 9:
        raise UserError("rate is 9:\\nchoose less")
    if rate == 8:
        datasets.load("nowhere")
    if rate == 7:
        raise ZeroDivisionError("a fault of the code")
    if rate == 6:
        np.linalg.inv(np.zeros((2, 2)))
    if rate == 1 and seed % 2:
        raise AllZero("all is 0")
    if rate == 2:
        raise NoResult("it diverged")
    draw = np.random.default_rng(seed).random()
    if settings.name == "words":
        return experiment.Result([{"verdict": "good"}], names=("verdict",), figure=Figure())
    rows = [{"network": name, "size": size, "nodes": 7, "loss": np.float64(k + rate * draw), "loss_low": 0.0,
             "loss_high": 1.0, "skew": np.nan if seed == 2 and k else draw, "none": None, "fast": settings.fast}
            for k, name in enumerate(("observed", "null")) for size in settings.sizes]
    rows += [{"network": "once", "limit": float("inf"), "array": np.ones(3)}][:seed]
    return experiment.Result(rows, names=("network", "size"), figure=Figure())


if __name__ == "__main__":
    experiment.run(main)
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Make the small script a module that can be imported, and return its settings."""
    (tmp_path / "toy.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    yield asdict(experiment.settings("toy"))
    sys.modules.pop("toy", None)


def quantiles(values):
    """Low, median and high by hand: of sorted values the first that at least this share does not exceed."""
    values = sorted(values)
    return [values[max(math.ceil(len(values) * share), 1) - 1] for share in (0.05, 0.5, 0.95)]


def test_rows_are_medians_and_intervals_over_the_seeds(here):
    result, facts = sweep.run("toy", here, ["rate", "0.25", "1"], seeds=3)
    rows, figure = result.rows, result.figure
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
    assert facts["without_result"] == [{"value": 1.0, "seed": 1, "ended": "AllZero: all is 0"}]
    assert [panel.get_title("left") for panel in figure.axes] == ["loss", "skew"]
    caption = figure.texts[1].get_text().replace("\n", " ")
    assert "n = 3 seeds, 0 to 2" in caption
    assert "Without a result: 1 of 3 at 1 (all zero)." in caption
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0.25\nn = 3", "1\nn = 2"]


def test_one_and_two_processes_give_the_same_numbers_and_a_store_runs_only_what_is_new(here, tmp_path):
    marks, how = tmp_path / "marks", {"jobs": 2, "store": tmp_path / "store.db"}
    marks.mkdir()
    here |= {"marks": str(marks)}

    def runs():
        found = [path.name.split("-") for path in marks.iterdir()]
        for path in marks.iterdir():
            path.unlink()
        return sorted((rate, seed) for rate, seed, *_ in found), {process for *_, process, _ in found}

    alone, facts = sweep.run("toy", here, ["rate", "0.25", "1", "2"], seeds=4)
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
    assert json.dumps(again[0].rows) == json.dumps(alone.rows)  # every digit of a number
    assert again[1] == facts
    assert sorted(map(json.dumps, wider[0].rows)) == sorted(map(json.dumps, alone.rows))
    assert [(row["SEEDS"], row["WITHOUT_RESULT"]) for row in alone.rows if row["RATE"] == 2] == [(0, 4)]


def test_seeds_alone_have_one_row_a_row_of_the_script(here):
    result, facts = sweep.run("toy", here, seeds=3)
    rows, figure = result.rows, result.figure
    assert [(row["network"], row.get("size")) for row in rows] == [
        ("observed", 4), ("observed", 5), ("null", 4), ("null", 5), ("once", None)]
    assert facts["sweep"] is None
    assert facts["settings"]["rate"] == 0.5
    assert "WITHOUT_RESULT" not in rows[0]
    low, median, high = quantiles([0.5 * np.random.default_rng(seed).random() for seed in range(3)])
    assert f"{median:.3g} ({low:.3g} to {high:.3g})" in result.finding
    assert len(result.finding) <= LONGEST_TITLE
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == [
        "observed, size 4", "observed, size 5", "null, size 4", "null, size 5", "once"]


def test_a_list_of_what_a_file_holds_is_refused(here):
    with pytest.raises(ValueError, match="--list only shows the contents of a file"):
        sweep.run("toy", here | {"list": True}, seeds=2)


def test_why_runs_have_no_result_is_printed(here, tmp_path, capsys):
    import toy
    experiment.run(toy.main, ["--sweep", "rate", "0.5", "1", "--seeds", "2", "--out", str(tmp_path)])
    assert "\n1 run has no result, such as 1, seed 1: AllZero: all is 0.\n" in capsys.readouterr().out


def test_the_caption_has_the_settings_that_are_not_the_scripts_own(here):
    result, _ = sweep.run("toy", here | {"name": "else"}, ["rate", "0.25", "1"], seeds=2)
    caption = result.figure.texts[1].get_text()
    assert "name else" in caption
    assert not any(name in caption for name in ("sizes", "fast", "marks"))


def test_at_most_seven_columns_are_printed_and_of_many_rows_those_of_the_finding(here):
    result, _ = sweep.run("toy", here | {"sizes": tuple(range(1, 12))}, ["rate", "0.25", "1"], seeds=2)
    assert len(result.rows) > 15
    assert [(row["RATE"], row["network"], row["size"]) for row in result.printed] == [(0.25, "observed", 1),
                                                                                      (1, "observed", 1)]
    assert len(result.names) + len(result.columns) <= 7
    assert result.headings["RATE"] == "rate"
    assert {"RATE", "SEEDS", "WITHOUT_RESULT"} <= result.rows[0].keys()


def test_a_file_is_one_sample(here):
    with pytest.raises(ValueError, match=r"--seeds is 2: the file w.npz is one sample"):
        sweep.run("toy", here | {"weights": "w.npz"}, seeds=2)
    with pytest.raises(ValueError, match=r"--seeds is 2: the file w.npz is one sample"):
        sweep.run("toy", here | {"weights": ""}, ["weights", "w.npz", "other.npz"], seeds=2)


def test_ranges_part_by_chance_as_often_as_is_said():
    """Of two values of one law."""
    drawn = np.random.default_rng(0).normal(size=(20_000, 2, 3))
    parted = (drawn.min(axis=2).max(axis=1) > drawn.max(axis=2).min(axis=1)).mean()
    assert parted == pytest.approx(2 / math.comb(6, 3), rel=0.1)
    assert sweep_finding.by_chance({"loss": [3, 3]}, [1, 2]) == pytest.approx(2 / math.comb(6, 3))
    low, median, high = np.sort(np.random.default_rng(0).normal(size=(200_000, 2, 10)), axis=2)[..., [0, 4, 9]].T
    parted = sum(((low[a] > median[b]) & (median[a] > high[b])).mean() for a, b in ((0, 1), (1, 0)))
    assert sweep_finding.by_chance({"loss": [10, 12]}, [1, 2]) == pytest.approx(parted, rel=0.2)


def test_several_values_words_and_bools_are_taken_one_by_one(here):
    result, facts = sweep.run("toy", here, ["sizes", "6", "7"])
    rows, figure = result.rows, result.figure
    assert [(row["SIZES"], row["network"]) for row in rows] == [(6, "observed"), (6, "null"),
                                                                (7, "observed"), (7, "null")]
    assert rows[0]["size"] == 6
    assert "size" not in [panel.get_title("left") for panel in figure.axes]  # it only repeats the value
    assert facts["settings"]["sizes"] == [6, 7]
    result, _ = sweep.run("toy", here, ["fast", "yes", "no"])
    assert [row["FAST"] for row in result.rows if row["network"] == "null"] == [True, True, False, False]


def test_runs_share_no_seed_with_each_other(here):
    said = "Each seed's number is one of {} runs, mostly a median: single runs differ more."
    for settings, asked, seeds, runs in ((here | {"runs": 5, "seed": 3}, None, [3, 8, 13], "5"),
                                         (here, ["runs", "2", "4"], [0, 4], "2 4")):
        result, facts = sweep.run("toy", settings, asked, seeds=len(seeds))
        assert facts["seeds"] == seeds
        assert said.format(runs) in result.figure.texts[1].get_text().replace("\n", " ")
    assert "single runs" not in sweep.run("toy", here, seeds=2)[0].figure.texts[1].get_text()


@pytest.mark.parametrize(("flags", "words"), [
    (["--sweep", "raet", 1], "--sweep raet: no such setting, did you mean rate?"),
    (["--sweep", "qqqqq", 1], "--sweep qqqqq: expected one of rate, sizes, name, fast, runs, marks"),
    (["--sweep", "seed", 1], "--sweep seed: expected another setting; --seeds takes"),
    (["--sweep", "rate"], "--sweep rate: expected values behind it"),
    (["--sweep", "rate", "much"], "--sweep rate: 'much' is a wrong value, expected a number"),
    (["--sweep", "rate", "inf"], "'inf' is a wrong value"),
    (["--sweep", "sizes", "x"], "--sweep sizes: 'x' is a wrong value, expected an integer"),
    (["--sweep", "fast", "1"], "'1' is a wrong value, expected yes or no"),
    (["--sweep", "rate", 1, 1.0], "--sweep rate: 1 is there 2 times"),
    (["--sweep", "rate", 1, "--sweep", "fast", "no"], "--sweep is given twice"),
    (["--seeds", 0], "--seeds is 0: expected a positive integer"),
    (["--seeds", 1.5], "--seeds is 1.5: expected a positive integer"),
    (["--seeds", 2, "--jobs", 0], "jobs is 0: expected a positive integer"),
    (["--seeds", 2, "--cluster", "here"], "cluster is 'here'"),
    (["--jobs", 2], "--jobs without --sweep or --seeds"),
    (["--store", "s"], "--store without --sweep or --seeds"),
    (["--sweep", "rate", 0.5, 9], "rate is 9: choose less (rate 9, seed 0)"),
    (["--sweep", "rate", 8], "data set is 'nowhere'"),
    (["--sweep", "rate", 2], "none of 1 runs has a result, the first: NoResult: it diverged"),
    (["--seeds", 2, "--name", "words"], "no row of this script has a number"),
])
def test_mistakes_are_one_line(here, tmp_path, capsys, flags, words):
    import toy
    with pytest.raises(SystemExit) as end:
        experiment.run(toy.main, [*map(str, flags), "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    printed, message = capsys.readouterr()
    assert printed == ""
    assert message.count("\n") == 1, message
    assert words in message
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(("rate", "fault"), [("7", ZeroDivisionError), ("6", np.linalg.LinAlgError)])
def test_a_fault_of_the_code_keeps_its_kind(here, rate, fault):
    with pytest.raises(fault):
        sweep.run("toy", here, ["rate", rate])


def test_a_script_without_seed_is_run_once(here):
    without = {name: value for name, value in here.items() if name != "seed"}
    with pytest.raises(ValueError, match="has no SEED"):
        sweep.run("toy", without, seeds=2)
    assert sweep.run("toy", without, ["rate", "0.5"])[1]["seeds"] == [None]


def test_every_error_without_a_result_is_counted_and_no_other_error(here, monkeypatch):
    import toy

    def main_that_raises(error):
        def main(settings):
            if settings.seed == 1:
                raise error
            return experiment.Result([{"network": "observed", "loss": 1.0}], ("network",))
        return main
    for outcome in (networks.DegenerateMatrix, tails.NoTail, curvature.NotFinite, curvature.SingularHessian,
                    curvature.IndefiniteHessian, curvature.NotInvertible):
        monkeypatch.setattr(toy, "main", main_that_raises(outcome("so it ended")))
        _, facts = sweep.run("toy", here, seeds=2)
        assert facts["without_result"] == [{"value": None, "seed": 1, "ended": f"{outcome.__name__}: so it ended"}]
    monkeypatch.setattr(toy, "main", main_that_raises(motifs.NotLayered("so it ended")))
    with pytest.raises(UserError, match=r"so it ended \(seed 1\)"):
        sweep.run("toy", here, seeds=2)
    for fault in (np.linalg.LinAlgError("so"), ValueError("so"), json.JSONDecodeError("so", "", 0)):
        monkeypatch.setattr(toy, "main", main_that_raises(fault))
        with pytest.raises(type(fault), match="so"):
            sweep.run("toy", here, seeds=2)


def line(**numbers):
    """The rows of one name over a sweep: each number as its (low, median, high) at each value, of 5 seeds."""
    rows = [{"SEEDS": 5} for _ in next(iter(numbers.values()))]
    for key, curve in numbers.items():
        for row, (low, median, high) in zip(rows, curve, strict=True):
            row |= {key: median, key + "_low": low, key + "_high": high}
    return rows


FLAT, MOVED = [(1, 2, 3), (1, 2.5, 3)], [(1, 1.5, 2), (10, 11, 12)]


def compared(rows, values=(0.1, 1), seeds=5):
    """Return the changes of a line, the runs that were compared, and the title."""
    numbers = {key: curve[""] for key, curve in sweep_finding.curves_of({"": rows}, values).items()}
    title = sweep_finding.finding("", rows, numbers, list(numbers), "rate", values, seeds)
    assert len(title) <= LONGEST_TITLE
    return *sweep_finding.compare(rows, numbers, values, seeds), title


def test_a_number_has_changed_where_two_of_its_intervals_do_not_overlap():
    changes, runs, title = compared(line(loss=FLAT, path_length=MOVED))
    assert changes == {"path_length": (0, 1)}
    assert runs == {"loss": [5, 5], "path_length": [5, 5]}
    assert title == "Path length rose from 1.5 to 11 as rate rose"
    assert compared(line(loss=MOVED[::-1]))[2] == "Loss fell from 11 to 1.5 as rate rose"
    changes, _, title = compared(line(loss=MOVED[::-1]), (1, 0.1))
    assert (changes, title) == ({"loss": (1, 0)}, "Loss rose from 1.5 to 11 as rate rose")
    assert compared(line(loss=MOVED), ("tanh", "relu"))[2] == "Loss rose from 1.5 to 11 from rate tanh to relu"
    assert compared(line(loss=FLAT))[0] == {}
    assert compared(line(loss=[(1, 2, 3), (3, 4, 5), (2, 3, 4)]), (1, 2, 3))[0] == {}  # touching
    inner = line(loss=[*MOVED, (1, 2, 6)])
    assert compared(inner, (1, 2, 3))[::2] == ({"loss": (0, 1)}, "Loss rose from 1.5 to 11 as rate rose from 1 to 2")
    ends = line(loss=[*MOVED, (5, 5, 6)])
    assert compared(ends, (1, 2, 3))[::2] == ({"loss": (0, 2)}, "Loss rose from 1.5 to 5 as rate rose")


def test_of_many_seeds_each_median_lies_outside_the_other_interval():
    apart, within = [(1, 2, 5), (4, 6, 9)], [(1, 4, 5), (4, 6, 9)]  # all of them overlap from 4 to 5
    for seeds, changed in ((9, set()), (10, {"loss"})):
        rows = [row | {"SEEDS": seeds} for row in line(loss=apart, skew=within, width=[(1, 2, 5), (1, 6, 9)])]
        assert compared(rows, seeds=seeds)[0].keys() == changed
    rows[0] |= {"loss_missing": 1}
    assert compared(rows, seeds=10)[0] == {}


def test_a_title_is_short_and_about_a_number_that_is_shown():
    rows = line(loss=MOVED, skew=MOVED)
    numbers = {key: curve[""] for key, curve in sweep_finding.curves_of({"": rows}, [0.1, 1]).items()}
    title = sweep_finding.finding("x" * 80, rows, numbers, ["skew"], "rate", [0.1, 1], 5, {"skew": "y" * 50})
    assert title == "Y" + "y" * 49 + " rose from 1.5 to 11 as rate rose"
    assert len(sweep_finding.finding("", rows, numbers, ["skew"], "rate", [0.1, 1], 5, {"skew": "y" * 99})) == 90


def test_a_change_without_spread_is_one_and_a_repeated_setting_is_none():
    steady = line(diameter=[(4, 4, 4), (6, 6, 6)], nodes=[(7, 7, 7), (7, 7, 7)], rate=[(0.1,) * 3, (1, 1, 1)])
    assert compared(steady)[0].keys() == {"diameter"}
    assert list(sweep_finding.curves_of({"": steady}, [0.1, 1])) == ["diameter", "nodes"]
    ones = line(found=[(1, 1, 1), (0, 0, 0)])
    assert list(sweep_finding.curves_of({"": ones}, [True, False])) == ["found"]


def test_of_one_seed_a_difference_may_be_chance():
    alone = [row | {"SEEDS": 1} for row in line(diameter=[(4, 4, 4), (6, 6, 6)])]
    assert compared(alone, seeds=1)[2] == "Diameter rose from 4 to 6 as rate rose, in one seed"


def test_values_with_one_run_of_many_are_left_out():
    rows, values = line(loss=[*FLAT, (9, 9, 9)], skew=[*FLAT, (9, 9, 9)]), [1, 2, 3]
    rows[2] |= {"SEEDS": 1}
    assert compared(rows, values)[:2] == ({}, {"loss": [5, 5], "skew": [5, 5]})
    rows[2] |= {"SEEDS": 4, "skew_missing": 3}  # of the skew alone, one run
    changes, runs, _ = compared(rows, values)
    assert changes == {"loss": (0, 2)}
    assert runs == {"loss": [5, 5, 4], "skew": [5, 5]}
    assert sweep_finding.by_chance(runs, values) == pytest.approx(2 * 3 * 2 / math.comb(8, 4))
    rows = [row | {"SEEDS": 1} for row in rows]
    assert compared(rows, values)[:2] == ({}, {})


def drawn(groups, values, setting="rate"):
    """Return the rows and the figure of a sweep from the rows of each value and seed; the first column names a row."""
    rows, drawing = drawing_of(groups, values, setting)
    return rows, drawing.figure


def drawing_of(groups, values, setting="rate", columns=(), headings=None):
    seeds, names = max(map(len, groups)), tuple(groups[0][0][0])[:1]
    rows = sweep_rows.summarize(setting, values, groups, names, seeds)
    facts = {"settings": {setting: values}, "sweep": {"constant": setting, "values": values},
             "seeds": [*range(seeds)], "without_result": []}
    return rows, sweep_figure.draw("mlp", rows, names, facts, [], columns, headings)


@pytest.mark.parametrize("values", [[20, 400], [400, 20]])
def test_where_the_constant_moves_the_names_last_rows_are_compared(values):
    def run(steps, seed):
        return [{"step": step, "loss": 1 / (1 + step) + 0.001 * seed} for step in range(0, steps + 1, steps // 20)]
    rows, figure = drawn([[run(steps, seed) for seed in range(3)] for steps in values], values, "steps")
    assert len(rows) == 42
    assert list(sweep_finding.comparable_lines(rows, ("step",), "steps", values)) == ["last step"]
    assert figure.get_suptitle() == "Loss of last step fell from 0.0486 to 0.00349 as steps rose"
    caption = figure.texts[1].get_text().replace("\n", " ")
    assert "By chance alone at most 0.1 of 1 number would change; 1 did." in caption
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["last step"]
    assert "Shown: 1 of 40 rows." in figure.texts[1].get_text().replace("\n", " ")


def test_rows_that_one_value_lacks_are_no_curves():
    def run(value, seed):
        return [{"network": name, "loss": value + 0.1 * seed} for name in ("observed", "null", "closed form")[:value]]
    rows, figure = drawn([[run(value, seed) for seed in range(3)] for value in (2, 3)], [2, 3])
    assert list(sweep_finding.comparable_lines(rows, ("network",), "rate", [2, 3])) == ["observed", "null"]
    assert "Shown: 2 of 3 rows." in figure.texts[1].get_text().replace("\n", " ")
    rows, figure = drawn([[[{"network": name, "loss": seed} for name in (word, "null " + word)] for seed in range(3)]
                          for word in "ab"], [2, 3])
    assert list(sweep_finding.comparable_lines(rows, ("network",), "rate", [2, 3])) == ["a", "null a", "b", "null b"]
    assert figure.get_suptitle().startswith("Too few runs to compare numbers of a ")


def test_the_title_is_of_the_observed_row_or_of_the_last_step():
    nulls = [[[{"network": name, "loss": (value if name == "null" else 1) + 0.1 * seed}
               for name in ("observed", "null")] for seed in range(3)] for value in (1, 9)]
    assert drawn(nulls, [1, 9])[1].get_suptitle().startswith("No number of observed changed with rate")
    steps = [[[{"step": step, "loss": (value if step else 1) + 0.1 * seed} for step in (0, 50)]
              for seed in range(3)] for value in (1, 9)]
    assert drawn(steps, [1, 9])[1].get_suptitle() == "Loss of step 50 rose from 1.1 to 9.1 as rate rose"


def test_at_most_six_panels_and_seven_lines():
    groups = [[[{"row": f"row {k}"} | {f"x{c}": (c + k) * value + 0.1 * seed for c in range(15)}
                for k in range(11)] for seed in range(4)] for value in (1, 2)]
    rows, figure = drawn(groups, [1, 2])
    assert [panel.get_title("left") for panel in figure.axes] == [f"x{c}" for c in range(6)]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        f"row {k}" for k in (0, 2, 3, 5, 7, 8, 10)]
    assert "Shown: 7 of 11 rows." in figure.texts[1].get_text().replace("\n", " ")
    top = [row["x3"] for row in rows if row["row"] == "row 0"]
    places = [line.get_xdata().tolist() for line in figure.axes[3].lines]
    assert figure.axes[3].lines[-1].get_ydata().tolist() == top
    assert len({tuple(place) for place in places}) == 7  # no line hides another one


def test_dots_of_a_value_stand_close_to_its_tick_and_on_its_band():
    groups = [[[{"row": f"row {k}", "x": (k + 1) * value + 0.1 * seed} for k in range(7)] for seed in range(4)]
              for value in (1, 2, 4)]
    panel, = drawn(groups, [1, 2, 4])[1].axes
    ticks, dots = panel.get_xticks(), np.array([line.get_xdata() for line in panel.lines])
    assert dots.shape == (7, 3)
    assert np.abs(dots - ticks).max() <= 0.25  # half of the distance of two values would touch the next group
    assert dots.mean(axis=0) == pytest.approx(ticks)
    bands = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in panel.patches]
    assert all(low < column.min() and column.max() < high
               for (low, high), column in zip(bands, dots.T, strict=True))


def test_the_caption_warns_of_changes_by_chance_where_runs_are_few():
    for seeds, warns in ((3, True), (12, False)):
        groups = [[[{"row": "observed", "x": value + 0.01 * seed}] for seed in range(seeds)] for value in (1, 2)]
        assert ("By chance" in drawn(groups, [1, 2])[1].texts[1].get_text()) == warns


def test_panels_show_printed_numbers_and_then_changed_ones():
    groups = [[[{"row": "observed"} | {f"x{c}": (value if c > 7 else 1) + 0.1 * seed for c in range(12)}]
               for seed in range(4)] for value in (1, 9)]
    assert drawing_of(groups, [1, 9], columns=("x1", "x9"))[1].columns == ["x1", "x9", "x8", "x10", "x11"]
    columns = tuple(f"x{c}" for c in range(7))
    drawing = drawing_of(groups, [1, 9], columns=columns)[1]
    assert drawing.columns == [*columns[:5], "x8"]  # the title's number is shown
    assert drawing.finding.startswith("X8 of observed rose")


def test_rows_have_the_words_and_the_order_of_headings():
    groups = [[[{"network": name, "x": value + 0.1 * seed + k} for k, name in enumerate(("a", "b", "c"))]
               for seed in range(3)] for value in (1, 9)]
    drawing = drawing_of(groups, [1, 9], headings={"x": "loss", "c": "the null", "a": "all"})[1]
    assert drawing.finding == "Loss of the null rose from 3.1 to 11.1 as rate rose"
    assert [text.get_text() for text in drawing.figure.legends[0].get_texts()] == ["the null", "all", "b"]


def test_a_number_that_is_the_same_in_all_rows_is_drawn_once():
    groups = [[[{"network": name, "links": value + 0.1 * seed + 0.01 * k, "loss": value + 0.1 * seed + k,
                 "huge": (1 + k) * 10.0 ** (value + seed)} for k, name in enumerate("abc")]
               for seed in range(3)] for value in (1, 9)]
    panels = {panel.get_title("left"): panel for panel in drawn(groups, [1, 9])[1].axes}
    assert {title: len(panel.lines) for title, panel in panels.items()} == {
        "links (the same for all)": 1, "loss": 3, "huge": 3}
    line, = panels["links (the same for all)"].lines
    assert line.get_xdata().tolist() == [1, 9]
    assert line.get_ydata().tolist() == [1.1, 9.1]


def test_numbers_that_were_given_are_open_diamonds():
    groups = [[[{"row": "observed", "x": value + 0.1 * seed}] + [{"row": "source", "x": 5.0}] * (value == 2)
               for seed in range(3)] for value in (1, 2)]
    figure = drawn(groups, [1, 2])[1]
    diamonds = [line for line in figure.axes[0].lines if line.get_marker() == "D" and line.get_mfc() == "white"]
    assert [line.get_ydata().tolist() for line in diamonds] == [[5.0]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["observed", "source"]


# ---- the scripts ------------------------------------------------------------------------------------------

SMALL = {"images": 100, "steps": 20, "draws": 2, "hidden_units": "20", "layers": "bipartite"}


def test_grad_network(tmp_path):
    flags = [text for name, value in SMALL.items() for text in ("--" + name.replace("_", "-"), str(value))]
    experiment.run(grad_network.main, [*flags, "--sweep", "learning-rate", "0.1", "1.0", "--seeds", "3",
                                       "--out", str(tmp_path)])
    record = json.loads((tmp_path / "grad_network_sweep.json").read_text())
    assert not (tmp_path / "grad_network.json").exists()
    assert record["settings"]["learning_rate"] == [0.1, 1.0]
    assert {entry["name"] for entry in record["data"]} == {"glyphs"}
    lost = []
    for rate in (0.1, 1.0):
        runs = []
        for seed in range(3):
            settings = experiment.settings(grad_network, **SMALL, learning_rate=rate, seed=seed)
            try:
                runs.append({row["network"]: row for row in grad_network.main(settings).rows})
            except networks.DegenerateMatrix:
                lost.append((rate, seed))
        for row in record["rows"]:
            if row["LEARNING_RATE"] == rate and row["SEEDS"]:
                values = [run[row["network"]]["clustering"] for run in runs]
                assert [row["clustering_low"], row["clustering"], row["clustering_high"]] == quantiles(values)
                assert row["SEEDS"] == len(runs)
                assert row.get("WITHOUT_RESULT", 0) == 3 - len(runs)
    assert [(entry["value"], entry["seed"]) for entry in record["without_result"]] == lost


def test_mlp_over_widths(tmp_path):
    experiment.run(mlp.main, ["--dataset", "tree", "--steps", "40", "--sweep", "hidden-units", "5", "10", "--seeds",
                              "2", "--out", str(tmp_path)])
    record = json.loads((tmp_path / "mlp_sweep.json").read_text())
    losses = []
    for seed in range(2):
        settings = experiment.settings(mlp, dataset="tree", steps=40, hidden_units=(10,), seed=seed)
        losses.append({row["step"]: row["loss"] for row in mlp.main(settings).rows})
    rows = {row["step"]: row for row in record["rows"] if row["HIDDEN_UNITS"] == 10}
    assert rows.keys() == losses[0].keys()
    for step, row in rows.items():
        low, median, high = quantiles([run[step] for run in losses])
        assert (row["loss_low"], row["loss"], row["loss_high"]) == pytest.approx((low, median, high), rel=1e-12)


def test_mlp_over_steps(tmp_path):
    experiment.run(mlp.main, ["--dataset", "tree", "--hidden-units", "10", "--sweep", "steps", "20", "400",
                              "--seeds", "3", "--out", str(tmp_path)])
    record = json.loads((tmp_path / "mlp_sweep.json").read_text())
    assert "last step" in record["finding"]
    ends = {row["STEPS"]: row for row in record["rows"] if row["step"] == row["STEPS"]}
    assert ends[400]["loss_high"] < ends[20]["loss_low"]
