"""The set-up: one clear line for a wrong Python, and a lock that pins everything and names no index."""
import ast
import os
import re
import shutil
import subprocess
import tomllib

import pytest
from helpers import ROOT

MODULES = {"mlp", "rbm", "rnn", "essay", "optimizers"}  # files at the top that scripts import


@pytest.mark.parametrize(("printed", "words"), [("3.10", "is 3.10"), ("2.7", "is 2.7"), (None, "is missing")])
def test_a_wrong_python_is_one_clear_line(tmp_path, printed, words):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "oldpython"
    if printed:
        python.write_text(f"#!/bin/sh\necho {printed}\n")
        python.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(["make", f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stdout + done.stderr == (f"Makefile:{line_of_error()}: *** gradnets needs Python 3.11 or later, but "
                                         f"{python} {words}: try make PYTHON=python3.12.  Stop.\n")
    assert not (tmp_path / ".venv").exists()


def line_of_error():
    lines = (ROOT / "Makefile").read_text().splitlines()
    return next(i for i, line in enumerate(lines, 1) if "$(if $(filter" in line)


def test_the_lock_pins_everything_with_hashes_and_names_no_index():
    text = (ROOT / "requirements.lock").read_text()
    assert "http" not in text
    assert "--index" not in text
    assert "--extra-index" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    names = set()
    for entry in entries:
        match = re.match(r"([a-z0-9-]+)==\S+", entry)
        assert match, entry
        assert "--hash=sha256:" in entry, entry
        names.add(match[1])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    assert {re.match(r"[a-z0-9-]+", line)[0] for line in wanted} <= names


def test_no_script_imports_a_script_and_gradnets_imports_neither_models_nor_scripts():
    """The arrows inside gradnets are import-linter's, in `make lint`."""
    scripts = {path.stem for path in ROOT.glob("*.py")} - MODULES
    assert "grad_network" in scripts
    for path in [*ROOT.glob("*.py"), *(ROOT / "gradnets").rglob("*.py")]:
        imported = set(re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(), flags=re.MULTILINE))
        assert not imported & scripts, path
        assert path.parent == ROOT or not imported & MODULES, path


def test_private_names_stay_in_their_folder():
    """A name or module that begins with an underscore is imported by modules of its own folder alone."""
    for path in [*ROOT.glob("*.py"), *(ROOT / "gradnets").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]:
        folder = ".".join(path.relative_to(ROOT).parent.parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("gradnets"):
                names = [*node.module.split("."), *(alias.name for alias in node.names)]
                private = any(name.startswith("_") and not name.startswith("__") for name in names)
                assert not private or node.module.startswith(folder), f"{path}: {names}"


def test_every_folder_is_installed():
    folders = {f"gradnets.{path.parent.name}" for path in (ROOT / "gradnets").glob("*/__init__.py")}
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert {"gradnets", "ledger", *folders} == set(setuptools["packages"])
    assert set(setuptools["py-modules"]) == {path.stem for path in ROOT.glob("*.py")}
