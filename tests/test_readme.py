"""The README's commands and its Python, run as they stand there."""
import json
import re
import shlex

import pytest
from conftest import ROOT, real

from gradnets import experiment

README = (ROOT / "README.md").read_text(encoding="utf-8")
FEW = {"RUNS": 1, "DRAWS": 2, "REPLICATES": 5}  # repetitions, fewer than the README's
COMMANDS = sorted(set(re.findall(r"\.venv/bin/python (\w+\.py[^`\n]*)", README)))


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command, script, tmp_path):
    for data in ("mnist", "cifar10"):
        if data in command:
            real(data, limit=1)
    name, *flags = shlex.split(command)
    for constant, few in FEW.items():
        if constant in experiment.constants(ROOT / name):
            flags += ["--" + constant.lower(), few]
    done = script(name, *flags, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / name.replace(".py", ".png")).exists()


def test_commands_were_found():
    scripts = {path.name for path in ROOT.glob("*.py")}
    assert {command.split()[0] for command in COMMANDS} == scripts


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_python(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "NetworkStats(nodes=784" in capsys.readouterr().out


def test_numbers_are_those_of_the_gallery_and_the_benchmarks():
    rows = {row["network"]: row for row in json.loads((ROOT / "figures/grad_network.json").read_text())["rows"]}
    ratio = [rows["directed configuration"]["observed_over_this" + end] for end in ("", "_low", "_high")]
    assert "{:.2f} times (90 % interval {:.2f} to {:.2f})".format(*ratio) in README
    observed = rows["the gradient's network"]["clustering"]
    assert f"clustering {observed:.3f}" in README
    accuracy = json.loads((ROOT / "figures/mlp.json").read_text())["rows"][-1]["test_accuracy"]
    assert f"test accuracy {accuracy:.3f}" in README
    tails = json.loads((ROOT / "figures/show_stats.json").read_text())["rows"]
    skews = {(row["data"], row["when"]): row["skew"] for row in tails if (row["what"], row["layer"]) == ("weights", 1)}
    assert ("skew of the first layer's weights {:.1f} untrained, {:.1f} after MNIST, {:.1f} and {:.1f} after noise"
            .format(skews["mnist", "before"], *(skews[name, "after"] for name in ("mnist", "noise", "noise-constant")))
            in README)
    trained = [row for row in tails if (row["what"], row["when"], row["layer"]) == ("gradients", "after", 1)]
    assert all(row["verdict"].startswith("truncated power law, not") and round(row["p"], 3) == 0.005 for row in trained)
    measured = {row["what"]: row["value"] for subject in ("networks", "training")
                for row in json.loads((ROOT / f"benchmarks/{subject}.json").read_text())["rows"]}
    for data in ("MNIST", "CIFAR-10"):
        ends = [measured[f"all metrics end to end, {data}, against {peer}"] for peer in ("networkx", "igraph")]
        assert "{:.0f} / {:.0f}".format(*ends) in README
    for net in ("784-30-10", "784-784-10"):
        steps = [measured[f"recorded step, single sample, {net}, mnist, against {peer}"]
                 for peer in ("PyTorch eager", "PyTorch eager by hand")]
        assert "{:.1f} / {:.1f}".format(*steps) in README


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README):
        assert (ROOT / (target[0] or target[1])).exists(), target
