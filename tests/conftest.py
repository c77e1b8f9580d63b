"""What several test files share: the real data, where there is any, and running a script as a user would."""
import collections
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import grad_network
from gradnets import datasets, graphs

ROOT = Path(__file__).resolve().parent.parent
REAL = {"mnist": "mnist", "cifar10": "cifar-10-batches-py"}  # data set: its folder


def real(name, **how):
    """A real data set, or a skip that says why."""
    folder = os.environ.get("GRADNETS_DATA", "")
    if not (Path(folder) / REAL[name]).is_dir():
        pytest.skip(f"no {REAL[name]} in GRADNETS_DATA ({folder or 'not set'})")
    return datasets.load(name, **how)


def chances_of(dataset, steps):
    """The essay's sampling probabilities: its net's gradient, normalised with the bias row, then without it."""
    gradient, _ = grad_network.last_gradient(dataset, dataset.inputs.shape[1], steps, 0.1, 1, seed=0)
    return graphs.probabilities(gradient)[:-1]


@pytest.fixture(scope="session")
def mnist_chances():
    return chances_of(real("mnist", limit=500), 30)


@pytest.fixture(scope="session")
def cifar10_chances():
    return chances_of(real("cifar10", limit=50), 3)


@pytest.fixture
def script():
    """Run a script from the shell: script("mlp.py", "--steps", 5) -> CompletedProcess with text output."""
    def run(name, *flags):
        return subprocess.run([sys.executable, str(ROOT / name), *map(str, flags)], capture_output=True, text=True,
                              timeout=300)
    return run


# ---- faults and hostile input: how many are tried ---------------------------------------------------------

def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="all faults and hostile inputs, not a sample of each")


@pytest.fixture
def many(request):
    """many(sample, all): how many cases to try, as `make test` or `make test-long` asks."""
    return lambda sample, full: full if request.config.getoption("--long") else sample


@pytest.fixture
def tried(record_property):
    """tried(what, count): so many faults, inputs or cases of a row of tests/README.md were tried, and none was lost."""
    return lambda what, count: record_property(f"tried: {what}", count)


def pytest_terminal_summary(terminalreporter, config):
    """What was tried, of tests that passed; with --long also as tests/tried.json, from which tests/README.md is."""
    found = collections.Counter()
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name.startswith("tried: "):
                found[name.removeprefix("tried: ")] += value
    if found and config.getoption("--long"):
        for what, count in sorted(found.items()):
            terminalreporter.write_line(f"tried {count:7,} {what}")
        if not terminalreporter.stats.get("failed") and not terminalreporter.stats.get("error"):
            (Path(__file__).parent / "tried.json").write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n")
