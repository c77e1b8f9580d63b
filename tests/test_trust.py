"""Nothing but the clone is needed: no display, home or network. Threads change no bit, and many runs no memory."""
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, as_flags, short_settings

import mlp
from gradnets import datasets, experiment, networks

LABEL = "run"  # words in the figure and the row of main

# ---- not flags --------------------------------------------------------------------------------------------

SCRIPTS = sorted(path.stem for path in ROOT.glob("*.py") if "experiment.run(" in path.read_text(encoding="utf-8"))
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
TIMED = re.compile("second|faster|times|clock|race_")  # columns that a clock measures
NO_NETWORK = """import socket
def connect(*_): raise OSError(101, "Network is unreachable")
socket.socket.connect = socket.socket.connect_ex = connect
"""


# ---- no display, no home, no network, any number of threads -----------------------------------------------

def rows_and_arrays(name, out, variables, before=()):
    """Run a script as a process of its own; return its rows and arrays without what a clock measures."""
    flags = ["--quick"] if name == "claims" else as_flags(short_settings(name))
    done = subprocess.run([*before, sys.executable, str(ROOT / f"{name}.py"), *flags, "--out", str(out)], timeout=1800,
                          capture_output=True, text=True, cwd=out, env=variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert (out / f"{name}.png").read_bytes().endswith(b"IEND\xaeB`\x82")
    rows = json.loads((out / f"{name}.json").read_text())["rows"]
    arrays = {}
    if (out / f"{name}.npz").exists() and name != "second_order":  # whose curves run over steps and seconds
        with np.load(out / f"{name}.npz") as stored:
            arrays = {key: stored[key].tolist() for key in stored if not TIMED.search(key)}
    return [{key: value for key, value in row.items() if not TIMED.search(key)} for row in rows], arrays


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_bare_machine_gives_the_same_rows_and_threads_change_no_bit(tmp_path, name, many, tried):
    """On one core and one thread, without display, home, folders for caches or network; and as here, on two threads."""
    if name not in many(("grad_network",), SCRIPTS):
        pytest.skip("only with --long")
    for folder in ("bare", "usual", "patch"):
        (tmp_path / folder).mkdir()
    (tmp_path / "file").touch()
    kept = {key: value for key, value in os.environ.items()
            if key not in ("DISPLAY", "MPLBACKEND", "GRADNETS_DATA") and not key.startswith(("XDG_", "PYTEST"))}
    nowhere = str(tmp_path / "file" / "folder")
    bare = kept | dict.fromkeys(("HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"), nowhere) | dict.fromkeys(THREADS, "1")
    before = ["unshare", "--user", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*before, "true"], capture_output=True).returncode:
        before = []
        (tmp_path / "patch" / "sitecustomize.py").write_text(NO_NETWORK)
        bare["PYTHONPATH"] = str(tmp_path / "patch")
    if shutil.which("taskset"):
        before = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), *before]
    alone = rows_and_arrays(name, tmp_path / "bare", bare, before)
    tried("11 scripts run without display, home and network", 1)
    if name not in ("claims", "curvature_race"):  # which measure times
        assert rows_and_arrays(name, tmp_path / "usual", kept | dict.fromkeys(THREADS, "2")) == alone
        tried("10 scripts with the same rows on 1 and 2 threads", 1)


def test_a_clone_that_cannot_be_written(tmp_path, many):
    """The clone and the home are read-only: compiled kernels and lists of fonts go into temporary folders."""
    (tmp_path / "out").mkdir()
    alone = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", """
        mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; shift; exec "$@\"""", "sh", str(ROOT)]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("this user may not mount folders")
    words = many(["-c", "from gradnets import networks; networks.measure; import matplotlib.font_manager"],
                 [ROOT / "grad_network.py", "--draws", "2"])
    kept = {key: value for key, value in os.environ.items()
            if key not in ("MPLCONFIGDIR", "NUMBA_CACHE_DIR") and not key.startswith(("XDG_", "COV"))}
    done = subprocess.run([*alone, sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, timeout=300,
                          env=kept | {"HOME": "/dev/null", "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]  # temporary folders are removed


# ---- many runs in one process -----------------------------------------------------------------------------

def main(settings):
    """Return the row and the figure of a small script."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1), dpi=50)
    figure.suptitle(settings.label)
    return experiment.Result([{"name": settings.label}], ("name",), "A finding", figure=figure)


def print_memory(folder, first, last):
    """Print the memory of this process after the first so many runs, and after the last."""
    import psutil

    images = datasets.load("noise", limit=50)
    sizes = []
    for run in range(1, last + 1):
        network = mlp.MLP((784, 50, 10), seed=run)
        *_, step = mlp.train(network, images, steps=20, learning_rate=0.1, seed=run)
        links = networks.sample(networks.probabilities(step.gradients[0]), np.random.default_rng(run))
        networks.measure(networks.merge_layers(links[:50]))
        with contextlib.redirect_stdout(io.StringIO()):
            experiment.run(main, ["--label", f"run {run}", "--out", str(folder)])
        if run in (first, last):
            sizes.append(psutil.Process().memory_info().rss)
    print(json.dumps(sizes))


def test_memory_stays_over_many_runs(tmp_path, many, tried):
    """5 % of 280 MB: 20 more runs of the sample may leave 0.7 MB each, and 900 more runs 16 kB each."""
    pytest.importorskip("psutil")
    first, last = many((10, 30), (100, 1000))
    code = "import pathlib, sys, test_trust as t; t.print_memory(pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:]))"
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "support")))
    done = subprocess.run([sys.executable, "-c", code, tmp_path, str(first), str(last)], capture_output=True, text=True,
                          timeout=900, env=os.environ | {"PYTHONPATH": path})
    assert (done.returncode, done.stderr) == (0, "")
    before, after = json.loads(done.stdout)
    assert after <= 1.05 * before
    tried("13 runs in one process", last)


def test_published_counts_are_those_of_a_whole_run():
    tests = Path(__file__).parent
    published = re.findall(r"[\d,]*\d", (tests / "README.md").read_text().split("## Wrong versions")[0])
    for label, count in json.loads((tests / "tried.json").read_text()).items():
        assert count == 1 or f"{count:,}" in published, label
