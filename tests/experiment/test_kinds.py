"""Constants that were edited into another kind of value are refused by their names, in every script."""
import ast
import shutil
import subprocess
import sys

import pytest
from helpers import ROOT

from gradnets import experiment
from gradnets.errors import UserError

SCRIPTS = sorted(path.stem for path in ROOT.glob("*.py") if "experiment.run(" in path.read_text(encoding="utf-8"))
WRONG = {bool: ("no", 1, (True, True)), int: ("500", "fast", (1, 1), True), float: ("0.5", (0, 1), True, False),
         str: (3, ("a", "b"), True)}


def wrong_values(value):
    """Return values of other kinds than this one."""
    if not isinstance(value, tuple):
        return WRONG[type(value)]
    return (value[0], *((item,) for item in WRONG[type(value[0])])) if value else ("fast", 3)


@pytest.mark.parametrize("script", SCRIPTS)
def test_values_of_another_kind_are_refused_by_name(script):
    constants = experiment.constants(ROOT / f"{script}.py")
    assert experiment.settings(script)
    for name, (value, _) in constants.items():
        for wrong in wrong_values(value):
            with pytest.raises(UserError, match=f"^{name.lower()} is .*: expected .*, such as"):
                experiment.settings(script, **{name.lower(): wrong})


@pytest.mark.parametrize(("edit", "words"), [
    ("LEARNING_RATE = None", "LEARNING_RATE of grad_network.py cannot be read as a setting: expected one "
     "line with a plain value and its comment, such as LEARNING_RATE = 0.1 # ..."),
    ("LEARNING_RATE = 0,1", "learning_rate is (0, 1): expected a number, such as 0.1"),
    ("GRAPHML = 'no'", "graphml is 'no': expected True or False, such as False"),
    ("CUT = '0.5'", "cut is '0.5': expected a number, such as"),
])
def test_an_edited_file_ends_in_one_line(tmp_path, edit, words):
    source = (ROOT / "grad_network.py").read_text(encoding="utf-8")
    name = edit.split(" =")[0]
    line = next(line for line in source.splitlines() if line.startswith(f"{name} = "))
    for module in ("essay.py", "mlp.py", "rbm.py"):
        shutil.copy(ROOT / module, tmp_path)
    shutil.copytree(ROOT / "gradnets", tmp_path / "gradnets", ignore=shutil.ignore_patterns("__pycache__"))
    edited = source.replace(line, f"{edit}  # {line.partition('# ')[2]}")
    ast.parse(edited)
    (tmp_path / "grad_network.py").write_text(edited, encoding="utf-8")
    done = subprocess.run([sys.executable, "grad_network.py", "--out", str(tmp_path / "out")], cwd=tmp_path,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_numbers_may_be_whole_or_not_and_lists_may_stand_for_tuples():
    chosen = experiment.settings("show_delta_stats", steps=[1, 10])
    assert chosen.steps == (1, 10)
    assert experiment.settings("grad_network", learning_rate=1).learning_rate == 1
