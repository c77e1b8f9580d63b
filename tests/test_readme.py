"""The README's commands and its Python, run as they stand there."""
import re
import shlex

import pytest
from conftest import ROOT, real

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"\.venv/bin/python (\w+\.py[^`\n]*)", README)))


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command, script, tmp_path):
    if "mnist" in command:
        real("mnist", limit=1)
    name, *flags = shlex.split(command)
    done = script(name, *flags, "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / name.replace(".py", ".png")).exists()


def test_commands_were_found():
    assert {command.split()[0] for command in COMMANDS} == {"grad_network.py", "mlp.py"}


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_python(code, capsys):
    exec(compile(code, "README.md", "exec"), {})
    assert "NetworkStats(nodes=784" in capsys.readouterr().out


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", README):
        assert (ROOT / (target[0] or target[1])).exists(), target
