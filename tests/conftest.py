"""Fixtures of all test files, and the option --long."""
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy loads: two workers with two threads each are slower

import collections
import gc
import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT, real

import essay


def sampling_probabilities(dataset, steps):
    """Return the essay's sampling probabilities after a short training run."""
    gradient, _ = essay.gradient(dataset, dataset.inputs.shape[1], steps, 0.1, 1, seed=0)
    return essay.sampling_probabilities(gradient, dataset.inputs.shape[1])


@pytest.fixture(scope="session")
def mnist_probabilities():
    return sampling_probabilities(real("mnist", limit=500), 30)


@pytest.fixture(scope="session")
def cifar10_probabilities():
    return sampling_probabilities(real("cifar10", limit=50), 3)


@pytest.fixture
def script():
    """Run a script from the shell: script("mlp.py", "--steps", 5) -> CompletedProcess with text output."""
    def run(name, *flags):
        return subprocess.run([sys.executable, str(ROOT / name), *map(str, flags)], capture_output=True, text=True,
                              timeout=300)
    return run


# ---- less time --------------------------------------------------------------------------------------------

PROCESSES = ("test_readme.py", "test_trust.py", "test_executors.py", "test_ensemble.py")  # files that start many


def pytest_collection_modifyitems(items):
    """Put the longest tests first, so that at the end no worker waits for the other one to finish a long test."""
    items.sort(key=lambda item: item.path.name not in PROCESSES)


def pytest_collection_finish():
    """Search for garbage only among what tests make, not among the objects of libraries, and less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


# ---- faults and hostile input: how many are tried ---------------------------------------------------------

def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="all faults and hostile inputs, instead of a sample of each")


@pytest.fixture
def many(request):
    """many(sample, full): the number of cases to try in `make test`, or in `make test-long`."""
    return lambda sample, full: full if request.config.getoption("--long") else sample


@pytest.fixture
def tried(record_property):
    """tried(label, count): count the faults or inputs of one row of tests/README.md that a test has survived."""
    return lambda label, count: record_property(f"tried: {label}", count)


def pytest_terminal_summary(terminalreporter, config):
    """With --long, print what passed tests have tried, and write it to tests/tried.json for tests/README.md."""
    counts = collections.Counter()
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            if name.startswith("tried: "):
                counts[name.removeprefix("tried: ")] += value
    if counts and config.getoption("--long"):
        for label, count in sorted(counts.items()):
            terminalreporter.write_line(f"tried {count:7,} {label}")
        whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.keyword
        if whole and not terminalreporter.stats.get("failed") and not terminalreporter.stats.get("error"):
            (Path(__file__).parent / "tried.json").write_text(json.dumps(dict(sorted(counts.items())), indent=1) + "\n")
