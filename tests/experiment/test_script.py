"""A script from the shell: constants become flags, a mistake is one line, files are complete or absent."""
import gc
import importlib.util
import json
import os
import subprocess
import sys

import matplotlib.image
import networkx as nx
import numpy as np
import pytest

from gradnets import experiment, files
from gradnets.errors import UserError
from gradnets.experiment import sweep, tables
from gradnets.progress import progress

SCRIPT = '''"""Does a small script work?

Figure: a line.
"""
import numpy as np
from matplotlib.figure import Figure

from gradnets import experiment, networks
from gradnets.errors import UserError

LEARNING_RATE = 0.5   # step length, 50 % of the usual
STEPS = 3             # whole number
NAME = "glyphs"       # a word
SIZES = (4, 5)        # several numbers
FAST = False          # yes or no
DERIVED = STEPS * 2   # derived from another, and so not a flag
TABLE = {1: 2}        # not a flag
HIDDEN = 7
lower = 1             # not a constant
# ---- not flags
BELOW = 8             # stands below the line


def main(settings):
    if settings.name == "bad":
        raise UserError("name is bad:\\nchoose another")
    if settings.name == "bug":
        np.zeros(2) + np.zeros(3)
    if settings.name == "degenerate":
        networks.probabilities(np.zeros((2, 2)))
    figure = Figure()
    figure.subplots().plot([1, 2])
    rows = [{"name": settings.name, "rate": settings.learning_rate, "rate_low": 0.1, "rate_high": np.float64(0.9),
             "n": settings.steps}, {"name": "none", "rate": float("nan"), "sizes": settings.sizes}]
    return experiment.Result(rows, ("name",), "A finding", figure=figure, figures={"_second": figure}, files={
        ".npz": {"sizes": np.array(settings.sizes)}, ".csv": "a,b\\n",
        ".graphml": networks.to_networkx(np.ones((3, 3), bool))})


if __name__ == "__main__":
    experiment.run(main)
'''


@pytest.fixture
def small(tmp_path, monkeypatch):
    path = tmp_path / "small.py"
    path.write_text(SCRIPT)
    spec = importlib.util.spec_from_file_location("small", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "small", module)
    spec.loader.exec_module(module)
    return module


def run(module, *flags):
    return experiment.run(module.main, list(flags))


def refused(capsys, module, *flags):
    """The one line that a mistake ends with."""
    with pytest.raises(SystemExit) as end:
        run(module, *flags)
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    return err


def test_constants_are_literals_in_capitals_with_a_comment(small):
    assert experiment.constants(small.__file__) == {
        "LEARNING_RATE": (0.5, "step length, 50 % of the usual"), "STEPS": (3, "whole number"),
        "NAME": ("glyphs", "a word"), "SIZES": ((4, 5), "several numbers"), "FAST": (False, "yes or no")}


def test_flags_set_constants_for_one_run(small, tmp_path, capsys):
    out = tmp_path / "here" / "there"
    run(small, "--learning-rate", "0.25", "--sizes", "1", "2", "3", "--fast", "--name", "two words", "--out", str(out))
    record = json.loads((out / "small.json").read_text())
    assert record["settings"] == {"learning_rate": 0.25, "steps": 3, "name": "two words", "sizes": [1, 2, 3],
                                  "fast": True}
    assert capsys.readouterr().out.count("A finding.") == 1


def test_whole_numbers_stay_whole_and_others_are_passed_on(small, tmp_path):
    for text, value in (("8", 8), ("1e3", 1000), ("-2", -2), ("0.5", 0.5)):
        run(small, "--steps", text, "--out", str(tmp_path / "out"))
        steps = json.loads((tmp_path / "out" / "small.json").read_text())["settings"]["steps"]
        assert (steps, type(steps)) == (value, type(value))


def test_what_is_kept(small, tmp_path):
    run(small, "--out", str(tmp_path / "out"))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"small.png", "small.json", "small.npz", "small.csv", "small_second.png", "small.graphml"}
    record = json.loads((tmp_path / "out" / "small.json").read_text())
    assert set(record) == {"script", "settings", "finding", "rows", "seconds", "versions", "platform", "commit", "data"}
    assert record["rows"] == [{"name": "glyphs", "rate": 0.5, "rate_low": 0.1, "rate_high": 0.9, "n": 3},
                              {"name": "none", "rate": None, "sizes": [4, 5]}]
    assert record["finding"] == "A finding"
    assert record["data"] == []
    assert record["versions"]["numpy"] == np.__version__
    assert (tmp_path / "out" / "small.png").read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "out" / "small.npz", allow_pickle=False) as arrays:
        assert arrays["sizes"].tolist() == [4, 5]
    assert nx.read_graphml(tmp_path / "out" / "small.graphml").number_of_edges() == 3
    assert os.stat(tmp_path / "out" / "small.png").st_mode & 0o777 == 0o666 & ~files.umask()


def test_a_picture_has_the_pixels_that_matplotlib_saves(small, tmp_path):
    run(small, "--out", str(tmp_path))
    small.main(experiment.settings(small)).figure.savefig(tmp_path / "oracle.png")
    saved, oracle = (matplotlib.image.imread(tmp_path / name) for name in ("small.png", "oracle.png"))
    np.testing.assert_array_equal(saved, oracle[:, :, :3])
    assert (oracle[:, :, 3] == 1).all()


def test_garbage_is_searched_less_often_in_one_run_and_as_usual_in_many(small, tmp_path, monkeypatch):
    inside = []

    def main(*_, **__):
        inside.append(gc.get_threshold())
        raise UserError("the thresholds are seen")

    main.__module__ = "small"
    monkeypatch.setattr(small, "main", main)
    monkeypatch.setattr(sweep, "run", main)
    before = gc.get_threshold()
    usual = (100, *before[1:])
    gc.set_threshold(*usual)
    try:
        for flags in ([], ["--seeds", "2"]):
            with pytest.raises(SystemExit):
                run(small, *flags, "--out", str(tmp_path))
            assert gc.get_threshold() == usual
    finally:
        gc.set_threshold(*before)
    assert inside[0][0] > usual[0]
    assert inside[1] == usual


@pytest.mark.parametrize(("flags", "words"), [
    (["--step", "3"], "unknown argument --step, did you mean --steps?"),
    (["--derived", "3"], "unknown argument --derived"),
    (["--below", "3"], "unknown argument --below"),
    (["stray"], "unknown argument stray"),
    (["--steps", "many"], "--steps: invalid number value: 'many'"),
    (["--steps"], "--steps: expected one argument"),
    (["--learning-rate", "x"], "invalid float value"),
    (["--name", "bad"], "small: name is bad: choose another"),
    (["--name", "degenerate"], "2 x 2 matrix is zero everywhere"),
])
def test_mistakes_are_one_line_and_leave_nothing(small, tmp_path, capsys, flags, words):
    assert words in refused(capsys, small, *flags, "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_fault_of_the_code_shows_its_traceback(small, tmp_path):
    """A broadcasting fault of numpy is a ValueError too, and yet not the user's mistake."""
    with pytest.raises(ValueError, match="could not be broadcast"):
        run(small, "--name", "bug", "--out", str(tmp_path))
    done = subprocess.run([sys.executable, small.__file__, "--name", "bug"], cwd=tmp_path, capture_output=True,
                          text=True, env=os.environ | {"PYTHONPATH": str(experiment.ROOT)})
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert "small.py" in done.stderr


def test_a_mistakes_origin_can_be_shown(small, tmp_path):
    with pytest.raises(ValueError, match="name is bad"):
        run(small, "--name", "bad", "--traceback", "--out", str(tmp_path))


def test_a_folder_that_cannot_be_written_is_said_before_the_work(small, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    small.main = lambda settings: pytest.fail("ran before the folder was checked")
    small.main.__module__ = "small"
    message = refused(capsys, small, "--out", str(tmp_path / "file"))
    assert "cannot write to the folder" in message
    assert "choose another with --out" in message
    assert "cannot write" in refused(capsys, small, "--out", str(tmp_path / "file" / "deeper"))
    assert (tmp_path / "file").read_text() == "in the way"


def test_an_interrupted_write_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "kept.txt"
    path.write_text("old")

    def interrupted():
        with files.atomic(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]
    assert path.read_text() == "old"
    with files.atomic(path) as temporary:
        temporary.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["kept.txt"]
    assert path.read_text() == "new"


def test_a_full_disk_is_one_line_and_leaves_the_results_of_the_run_before(small, tmp_path, capsys, monkeypatch):
    out = tmp_path / "out"
    run(small, "--out", str(out))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    capsys.readouterr()

    def full(*_, **__):
        raise OSError(28, "No space left on device")
    for broken in ((np, "savez_compressed"), (nx, "write_graphml"), (json, "dumps")):
        with monkeypatch.context() as patch:
            patch.setattr(*broken, full)
            assert "No space left on device" in refused(capsys, small, "--steps", "9", "--out", str(out))
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_folder_in_the_place_of_a_file_is_seen_before_any_file_is_replaced(small, tmp_path, capsys):
    out = tmp_path / "out"
    run(small, "--out", str(out))
    (out / "small.csv").unlink()
    (out / "small.csv").mkdir()
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    capsys.readouterr()
    assert f"Is a directory: '{out / 'small.csv'}'" in refused(capsys, small, "--steps", "9", "--out", str(out))
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_memory_that_is_not_there_is_one_line(small, tmp_path, capsys):
    def greedy(settings):
        raise MemoryError("Unable to allocate 5 TiB")
    greedy.__module__ = "small"
    small.main = greedy
    assert "not enough memory: Unable to allocate 5 TiB" in refused(capsys, small, "--out", str(tmp_path))


def test_table_shows_intervals_below_and_wraps():
    rows = [{"network": "observed", "path_length": 2.23456, "path_length_low": 2.1, "path_length_high": 2.3, "n": 50},
            {"network": "null", "n": 123456, "path_length": float("nan")}]
    assert tables.table(rows, ("network",), width=80).splitlines() == [
        "              path",
        "network     length       n",
        "observed      2.23      50",
        "          2.1..2.3",
        "null             -  123456"]
    narrow = tables.table(rows, ("network",), width=20).splitlines()
    assert max(map(len, narrow)) <= 20
    assert narrow.count("observed      2.23") == 1
    assert "observed      50" in narrow


def test_help_is_the_docstring_and_the_comments(small, capsys):
    with pytest.raises(SystemExit) as end:
        run(small, "--help")
    assert end.value.code == 0
    shown = capsys.readouterr().out
    for words in ("Does a small script work?", "Figure: a line.", "--learning-rate", "step length, 50 % of the usual",
                  "[4 5]", "--no-fast", "--out DIR"):
        assert words in shown
    assert "--derived" not in shown


def test_many_runs_have_files_of_their_own(small, tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    out = tmp_path / "out"
    run(small, "--out", str(out))
    plain = {path.name: path.read_bytes() for path in out.iterdir()}
    run(small, "--sweep", "learning-rate", "0.1", "0.25", "--steps", "8", "--out", str(out))
    found = {path.name: path.read_bytes() for path in out.iterdir()}
    assert found.keys() - plain.keys() == {"small_sweep.png", "small_sweep.json"}
    assert plain.items() <= found.items()
    record = json.loads(found["small_sweep.json"])
    assert set(record) == {"script", "settings", "finding", "rows", "seconds", "versions", "platform", "commit", "data",
                           "sweep", "seeds", "without_result"}
    assert record["settings"] == {"learning_rate": [0.1, 0.25], "steps": 8, "name": "glyphs", "sizes": [4, 5],
                                  "fast": False}
    assert record["rows"][0] == {"LEARNING_RATE": 0.1, "name": "glyphs", "SEEDS": 1, "rate": 0.1, "rate_low": 0.1,
                                 "rate_high": 0.1, "n": 8, "n_low": 8, "n_high": 8}


@pytest.mark.parametrize("name", ["SWEEP", "SEEDS", "JOBS", "CLUSTER", "STORE"])
def test_a_script_with_such_constants_keeps_its_own(small, tmp_path, capsys, name):
    path = tmp_path / "small.py"
    path.write_text(SCRIPT.replace("FAST = False  ", f"{name} = 3  # its own\nFAST = False  "))
    setattr(small, name, 3)
    with pytest.raises(SystemExit):
        run(small, "--help")
    shown = capsys.readouterr().out
    assert "its own [3]" in shown
    assert "many runs" not in shown


def test_bars_can_be_hidden(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(progress(range(3), label="steps")) == [0, 1, 2]
    assert "steps" in capsys.readouterr().err
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert list(progress(range(3), label="steps")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_from_the_shell(small, tmp_path):
    done = subprocess.run([sys.executable, small.__file__, "--steps", "8"], cwd=tmp_path, capture_output=True,
                          text=True, env=os.environ | {"PYTHONPATH": str(experiment.ROOT)})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (tmp_path / "out" / "small.png").exists()
    assert json.loads((tmp_path / "out" / "small.json").read_text())["settings"]["steps"] == 8


def test_wide_tables_repeat_the_columns_that_name_a_row():
    rows = [{"data": "a", "layer": k, "n": 1.5, "skew": 0.1, "skew_low": 0.0, "skew_high": 0.2} for k in (1, 2)]
    text = tables.table(rows, ("data", "layer"), width=20)
    assert text.count("data") == text.count("layer") == 2
    assert text.count("skew") == 1


def test_rows_with_the_same_names_are_a_fault_of_the_script():
    with pytest.raises(AssertionError, match="2 rows have the names"):
        experiment.Result([{"data": "a"}, {"data": "a"}, {"data": "b"}], ("data",))


def test_only_the_chosen_columns_are_printed():
    rows = [{"data": "a", "n": 1, "skew": 0.1, "skew_low": 0.0, "skew_high": 0.2}]
    assert tables.table(rows, ("data",), ("skew",)).split() == ["data", "skew", "a", "0.1", "0..0.2"]


def test_names_that_some_rows_lack_stand_in_every_part_of_a_wide_table():
    rows = [{"part": "overlap", "step": 100, "kept": None, "accuracy": 0.5, "seconds": 1.5},
            {"part": "recipe", "kept": 10, "accuracy": 0.25, "seconds": 2.5}]
    for part in tables.table(rows, ("part", "step", "kept"), width=30).split("\n\n"):
        assert part.split()[:3] == ["part", "step", "kept"]
        assert "overlap   100" in part
