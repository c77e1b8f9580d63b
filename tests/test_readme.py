"""Every command and every Python example of the README and of docs/ runs as it stands there."""
import importlib
import importlib.util
import json
import re
import shlex
from collections import Counter

import numpy as np
import pytest
import safetensors.numpy
from helpers import ROOT, as_flags, require, short_settings

from gradnets import experiment
from gradnets.checkpoints import Recorder

PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
         for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
COMMANDS = sorted({" ".join(command.split()) for text in PAGES.values()
                   for command in re.findall(r"\.venv/bin/python (\w+\.py[^`\n|]*)", text)})
SCRIPTS = sorted(path.stem for path in ROOT.glob("*.py") if "experiment.run(" in path.read_text(encoding="utf-8"))


def test_every_script_has_a_command():
    assert {command.split()[0] for command in COMMANDS} == {f"{name}.py" for name in SCRIPTS}


@pytest.mark.parametrize("command", [command for command in COMMANDS if " " in command])  # others: from the shell
def test_command(command, tmp_path, capsys):
    """Run a command's main in this process, with few repetitions."""
    for name in ("mnist", "cifar10"):
        if name in command:
            require(name)
    script, *flags = shlex.split(with_files(command, tmp_path))
    script = script.removesuffix(".py")
    many = "--seeds" in flags
    short = shortest_settings(script)
    if many:
        short["steps"] = (20,) if isinstance(short.get("steps"), tuple) else 20
    flags += [*as_flags(short), *(("--seeds", "2") if many else ()), "--out", str(tmp_path)]
    assert experiment.run(importlib.import_module(script).main, flags) == 0
    assert capsys.readouterr().err == ""
    assert (tmp_path / f"{script}{'_sweep' if many else ''}.png").exists() != ("--list" in flags)


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_from_the_shell(name, script, tmp_path):
    """Start each script once as a process of its own, on built-in data."""
    if name == "claims":
        pytest.skip("it runs all the others: make test-long runs claims.py --quick")
    done = script(f"{name}.py", *as_flags(shortest_settings(name)), "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / f"{name}.png").exists()
    assert (tmp_path / f"{name}.json").exists()


def shortest_settings(name):
    """Return the settings of a short run, with five steps for models that measure all test items at 20 of the steps."""
    return short_settings(name) | ({"steps": 5} if name in ("rbm", "rnn") else {})


def with_files(command, folder):
    """Return the command with files of the test's own for GRAPH files, models, runs and stores."""
    graph = folder / "graph.txt"  # three layers
    graph.write_text("".join(f"{k % 31} {31 + k * 7 % 30} {1 + k % 3}\n{31 + k % 30} {61 + k * 11 % 30} {1 + k % 2}\n"
                             for k in range(60)))
    for word, path in ((" FILE", graph), (" MODEL", write_model(folder)), (" RUN", write_run(folder))):
        command = re.sub(rf"{word}\b", f" {path}", command)
    return command.replace(" out/", f" {folder}/")


def write_model(folder):
    """Write a checkpoint as PyTorch stores it, outputs by inputs."""
    rng = np.random.default_rng(0)
    safetensors.numpy.save_file({"fc1.weight": rng.standard_t(3, (12, 20)), "fc1.bias": np.zeros(12),
                                 "fc2.weight": rng.standard_t(3, (8, 12))}, folder / "model.safetensors")
    return folder / "model.safetensors"


def write_run(folder):
    rng = np.random.default_rng(0)
    with Recorder(folder / "run.safetensors", steps=(40, 80)) as recorder:
        for step in (40, 80):
            recorder.add(step, "gradient", "fc1.weight", rng.standard_t(3, (12, 20)))
            recorder.add(step, "delta", "fc1", rng.standard_t(3, (30, 12)))
    return folder / "run.safetensors"


# Examples that begin with "# with" need PyTorch or JAX, and run in tests/checkpoints/test_recorder.py.
EXAMPLES = [code for text in PAGES.values() for code in re.findall(r"```python\n(?!# with)(.*?)```", text, re.DOTALL)]


@pytest.mark.parametrize("code", EXAMPLES)
def test_python(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "NetworkStats(nodes=784" in capsys.readouterr().out


def test_links_lead_somewhere():
    for page, text in PAGES.items():
        for target in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", text):
            path = target[0] or target[1]
            assert path.startswith("http") or (ROOT / page).parent.joinpath(path).exists(), f"{page}: {path}"


# ---- numbers ----------------------------------------------------------------------------------------------


def read_json(path):
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def test_numbers_of_the_readme_are_those_of_the_ledger_and_the_benchmarks():
    claims = {row["claim"]: row for row in read_json("figures/claims.json")["rows"]}
    parts = read_json("figures/claims_parts.json")["parts"]
    ratios = [row["over_degrees"] for row in parts["gradients of mnist at 0.1"] if not row["degenerate"]]
    alike = claims["looks like a social network"]
    space = claims["a radically smaller space of gradients"]
    size = max(row["parameters"] for row in parts["space"] if row["part"] == "dimension")
    few = claims["most of the accuracy with few parameters"]
    dense = next(row for row in parts["sparse"] if row["part"] == "criteria" and row["what"] == "dense")
    untrained = [row["percent"] for row in parts["motifs"] if row["part"] == "beyond 2" and row["epoch"] == 0
                 and row["null"] == "fanmod" and row["labels"] == "real"]
    metrics = {row["what"]: row["value"] for row in read_json("benchmarks/networks.json")["rows"]}
    kinds = Counter(" ".join(row["verdict"].split()[:2]) for row in claims.values())
    for text in (f"over {len(ratios)} training runs on MNIST the median ratio is {np.median(ratios):.2f}",
                 f"None of {alike['n'].split()[0]} gradient networks on MNIST and noise shows both",
                 f"dimension of about {space['value'] * size:.0f}, with {size:,} parameters",
                 f"3,180 of {dense['parameters']:,} parameters",
                 f"reads {few['value']:.1%} of MNIST's test digits, with all of them {dense['accuracy']:.1%}"
                 .replace("%", " %"),
                 f"{np.median(untrained):.0f} % of an untrained net's motifs significant",
                 f"{metrics['all metrics end to end, MNIST, against networkx']:,.0f}"[:-2] + "00 times faster",
                 f"All {len(claims)} claims", f"{kinds['holds']} hold, {kinds['holds, explained']} hold for",
                 f"{kinds['holds only']} hold in places (", f"and {kinds['does not']} fail"):
        assert text in PAGES["README.md"], text
    assert len(PAGES["README.md"].splitlines()) <= 200


def test_generated_pages_are_those_of_the_numbers():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for name, page in generate.PAGES.items():
        assert PAGES[f"docs/{name}"] == page(), f"docs/{name} is old: run docs/generate.py"
    assert generate.CONSTANTS.read_text(encoding="utf-8") == generate.constants_of_scripts(), (
        "gradnets/experiment/constants.json is old: run docs/generate.py")


def test_headings_of_the_gallery_differ():
    headings = re.findall(r"^## (.*)$", PAGES["docs/gallery.md"], re.MULTILINE)
    assert len(headings) == len(set(headings)) == PAGES["docs/gallery.md"].count(" took ")


def test_answers_in_the_readme_are_short():
    for question, answer in re.findall(r"^\| `\w+\.py`.*?\| (.*?\?) \| (.*?) \|", PAGES["README.md"], re.MULTILINE):
        assert len(answer.split()) <= 12, question
