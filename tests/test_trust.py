"""What holds for all of it: writes that fail, homes that cannot be written, any number of threads, a thousand runs."""
import builtins
import contextlib
import errno
import hashlib
import http.server
import io
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from unittest import mock

import networkx as nx
import numpy as np
import pytest
from conftest import ROOT
from matplotlib.figure import Figure
from safetensors.numpy import load_file
from test_readme import SHORT, few

import mlp
from gradnets import datasets, ensemble, experiment, graphs, metrics, sparse
from gradnets.record import Recorder

VERSION = 1  # of what `main` writes
PATH = os.pathsep.join(map(str, (ROOT, ROOT / "tests")))

# ---- writes that fail -------------------------------------------------------------------------------------


def main():
    """A small script, with every kind of file."""
    figure = Figure(figsize=(2, 1), dpi=50)
    figure.suptitle(f"Finding {VERSION}")
    network = nx.path_graph(40 + VERSION)
    return [{"version": VERSION}], figure, {".npz": {"numbers": np.random.default_rng(VERSION).random(1000)},
                                            ".csv": "1,2\n" * 1500 + f"{VERSION}\n", ".graphml": network}


def results(folder, version):
    said = io.StringIO()
    with (mock.patch.object(experiment, "_commit", return_value=None), contextlib.redirect_stderr(said),
          contextlib.redirect_stdout(io.StringIO())):
        try:
            experiment.run(main, ["--version", str(version), "--out", str(folder)])
        except SystemExit:
            raise OSError(said.getvalue().removesuffix("\n")) from None


def store(folder, version):
    with mock.patch.object(ensemble, "key", return_value="0123456789abcdef"):
        ensemble.run(long_rows, range(4 * version), store=folder / "store.jsonl")


def long_rows(seed):
    return {"seed": seed, "words": f"{seed} " * 3000}


def record(folder, version):
    with Recorder(folder / "run.safetensors", steps=range(3)) as recorder:
        for step in range(3):
            recorder.add(step, "gradient", "w", np.full((30, 40), version))


def checkpoint(folder, version):
    sparse._save(folder / "run.npz", "this run", 60, [np.full((30, 40), version)], [None], [np.ones((30, 40), bool)])


def download(folder, version):
    """The old version is a file that nobody asks for."""
    content = np.random.default_rng(version).bytes(30_000)
    if version == 1:
        (folder / "other.gz").write_bytes(content)
        return

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(OSError):  # where nobody listens any longer
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True).start()
        with (mock.patch.dict(datasets.MIRRORS, mnist=(f"http://127.0.0.1:{server.server_port}/",)),
              mock.patch.dict(datasets.SHA256, {"set.gz": hashlib.sha256(content).hexdigest()})):
            try:
                datasets._download("mnist", "set.gz", folder)
            finally:
                server.shutdown()


WRITERS = {writer.__name__: writer for writer in (results, store, record, checkpoint, download)}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def check_whole(path):
    """Other people's readers take the file from beginning to end."""
    match path.suffix:
        case ".json":
            json.loads(path.read_text())
        case ".png":
            content = path.read_bytes()
            assert content.startswith(b"\x89PNG")
            assert content.endswith(b"IEND\xaeB`\x82")
        case ".npz":
            with np.load(path) as arrays:
                assert all(arrays[name].size for name in arrays)
        case ".csv":
            assert path.read_text().splitlines()[1500] in ("1", "2")
        case ".graphml":
            nx.read_graphml(path)
        case ".safetensors":
            assert len(load_file(path)) == 3
        case ".jsonl":
            assert all(map(ensemble._sound, path.read_bytes().split(b"\n")[:-1]))
            assert path.read_bytes().endswith(b"\n")
        case ".gz":
            assert len(path.read_bytes()) == 30_000


def fails_whole(writer, folder, reason, fault=None):
    """Whether the second version could not be written: then what was there stands, with one line that says why.

    Of several files whose turn to take their places came, some may be the new ones, but not the JSON, the last.
    """
    before, error = contents(folder), None
    with fault or contextlib.nullcontext():
        try:
            writer(folder, version=2)
        except (OSError, ValueError) as failure:
            error = str(failure)
    after = contents(folder)
    for path in folder.iterdir():
        check_whole(path)
    if error is None:
        assert after != before
        return False
    assert reason in error
    assert str(folder) in error
    assert "\n" not in error
    assert after.keys() == before.keys()
    if writer is results and fault and fault.failed == "replace":
        assert after["test_trust.json"] == before["test_trust.json"]
    elif writer is store:
        assert after["store.jsonl"].startswith(before["store.jsonl"])
    else:
        assert after == before
    return True


def fill_disks(folder):
    """Every writer on a small file system with room for so many pages more; for a process with mounts of its own."""
    count = 0
    for writer in WRITERS.values():
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)
        writer(folder, version=1)
        for pages in itertools.count():
            disk = os.statvfs(folder)
            used = disk.f_blocks - disk.f_bfree + pages
            subprocess.run(["mount", "-o", f"remount,size={used * disk.f_frsize}", folder], check=True)
            if not fails_whole(writer, folder, "No space left on device"):
                break
            count += 1
        subprocess.run(["umount", folder], check=True)
    print(count)


def test_a_disk_that_is_full_after_any_page(tmp_path, tried):
    """On real small file systems, where this user may mount them."""
    code = "import pathlib, sys, test_trust; test_trust.fill_disks(pathlib.Path(sys.argv[1]))"
    alone = ["unshare", "--user", "--map-root-user", "--mount"]  # what is mounted there, nobody else sees
    if not shutil.which("unshare") or subprocess.run([*alone, "mount", "-t", "tmpfs", "none", tmp_path],
                                                     capture_output=True).returncode:
        pytest.skip("no tmpfs may be mounted here")
    done = subprocess.run([*alone, sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=120,
                          env=os.environ | {"PYTHONPATH": PATH})
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 30
    tried("7 writes failed for want of space, page by page", int(done.stdout))


class Faulty:
    """While this is entered, the n-th call that writes, and all later ones, fail: open, write, fsync, chmod, rename."""

    def __init__(self, n, code):
        self.left, self.code, self.failed = n, code, ""
        self.patches = contextlib.ExitStack()

    def tick(self, name):
        self.left -= 1
        if self.left <= 0:
            self.failed = self.failed or name
            raise OSError(self.code, os.strerror(self.code))

    def __enter__(self):
        opened, tick = io.open, self.tick

        class Raw(io.FileIO):
            def write(self, content):
                tick("write")
                return super().write(content)

        def faulty_open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True,
                        opener=None):
            if not set(mode) & set("wax+"):
                return opened(file, mode, buffering, encoding, errors, newline, closefd, opener)
            if isinstance(file, str | Path):
                self.tick("open")
            raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

        for module in (io, builtins):
            self.patches.enter_context(mock.patch.object(module, "open", faulty_open))
        for name in ("open", "write", "fsync", "chmod", "rename", "replace"):
            self.patches.enter_context(mock.patch.object(os, name, self.faulty(name, getattr(os, name))))
        return self

    def faulty(self, name, call):
        def called(*given, **how):
            if name != "open" or given[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self.tick(name)
            return call(*given, **how)
        return called

    def __exit__(self, *error):
        self.patches.close()


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_any_call_that_writes_may_fail(tmp_path, writer, many, tried):
    count = 0
    for code in many([errno.EIO], [errno.EIO, errno.ENOSPC, errno.EACCES]):
        folder = tmp_path / str(code)
        folder.mkdir()
        writer(folder, version=1)
        for n in itertools.count(1, many(5, 1)):
            if not fails_whole(writer, folder, os.strerror(code), Faulty(n, code)):
                break
            count += 1
    assert count
    tried("7 calls that write failed: open, write, fsync, chmod, rename", count)


# ---- no screen, no home, no network, any number of threads ------------------------------------------------

BUILT_IN = {  # what scripts need beside `test_readme`'s few repetitions to take seconds, on data that is always there
    "fractal_stats.py": "--steps 100", "grad_network.py": "--steps 100", "minibatch_network.py": "--steps 0 50",
    "mlp.py": "--steps 500", "rbm.py": "--steps 200", "rnn.py": "--steps 200", "show_stats.py": "--steps 1000",
    "show_delta_stats.py": "--steps 1 100 1000", "sparse_train.py": "--steps 2000", "weight_network.py": "--steps 500",
    "lyapunov.py": "", "motif_stats.py": "", "second_order.py": "", "claims.py": "--quick"}
NO_NETWORK = """import socket
def connect(*_): raise OSError(101, "Network is unreachable")
socket.socket.connect = socket.socket.connect_ex = connect
"""


def small_run(name, out, environment, before=()):
    """The rows and arrays of a script, without what a clock says."""
    flags = [*shlex.split(BUILT_IN[name]), *SHORT.get(name, ()), *(few(name) if name != "claims.py" else ())]
    done = subprocess.run([*before, sys.executable, str(ROOT / name), *flags, "--out", str(out)], timeout=1800,
                          capture_output=True, text=True, cwd=out, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    stem = name.removesuffix(".py")
    check_whole(out / f"{stem}.png")
    rows = json.loads((out / f"{stem}.json").read_text())["rows"]
    arrays = {}
    if (out / f"{stem}.npz").exists():
        with np.load(out / f"{stem}.npz") as found:
            arrays = {key: found[key].tolist() for key in found if not TIMED.search(key)}
    return [{key: value for key, value in row.items() if not TIMED.search(key)} for row in rows], arrays


TIMED = re.compile("second|faster|times|clock|race_")


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_nothing_but_the_clone_is_needed_and_threads_change_no_bit(tmp_path, name, many, tried):
    """On one core and one thread, without a screen, a home, folders for caches or a network; and as here, on two."""
    if name not in many(("grad_network.py", "mlp.py"), tuple(BUILT_IN)):
        pytest.skip("only with --long")
    for folder in ("bare", "rich", "patch"):
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
    alone = small_run(name, tmp_path / "bare", bare, before)
    tried("11 scripts run without display, home and network", 1)
    if name in many(("mlp.py",), BUILT_IN.keys() - {"claims.py"}):  # which times what it runs
        assert small_run(name, tmp_path / "rich", kept | dict.fromkeys(THREADS, "2")) == alone
        tried("10 scripts with the same rows on 1 and 2 threads", 1)


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def test_a_clone_that_cannot_be_written(tmp_path, many):
    """Read-only as it is mounted, like the home: kernels and fonts find no place to be kept."""
    (tmp_path / "out").mkdir()
    alone = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", """
        mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; shift; exec "$@\"""", "sh", str(ROOT)]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("nothing may be mounted here")
    what = many(["-c", "import grad_network"], [ROOT / "grad_network.py", "--draws", "2"])
    kept = {key: value for key, value in os.environ.items()
            if key not in ("MPLCONFIGDIR", "NUMBA_CACHE_DIR") and not key.startswith(("XDG_", "COV"))}
    done = subprocess.run([*alone, sys.executable, *what], cwd=tmp_path, capture_output=True, text=True, timeout=300,
                          env=kept | {"HOME": "/dev/null", "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]  # what was there for the time being is gone


# ---- many runs in one process -----------------------------------------------------------------------------

def grow(folder, first, last):
    """The memory of this process after `first` runs, and after `last`."""
    import psutil

    images = datasets.load("noise", limit=50)
    sizes = []
    for k in range(1, last + 1):
        network = mlp.MLP((784, 50, 10), seed=k)
        *_, step = mlp.train(network, images, steps=20, learning_rate=0.1, seed=k)
        links = graphs.sample(graphs.probabilities(step.gradients[0]), np.random.default_rng(k))
        metrics.measure(graphs.merge_layers(links[:50]))
        results(folder, version=k % 2 + 1)
        if k in (first, last):
            sizes.append(psutil.Process().memory_info().rss)
    print(json.dumps(sizes))


def test_memory_stays_over_many_runs(tmp_path, many, tried):
    """5 % of 280 MB: 40 more runs may leave 0.35 MB each, of the sample, and 900 more 16 kB each."""
    pytest.importorskip("psutil")
    first, last = many((20, 60), (100, 1000))
    code = "import pathlib, sys, test_trust; test_trust.grow(pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:]))"
    done = subprocess.run([sys.executable, "-c", code, tmp_path, str(first), str(last)], capture_output=True, text=True,
                          timeout=600, env=os.environ | {"PYTHONPATH": PATH})
    assert (done.returncode, done.stderr) == (0, "")
    before, after = json.loads(done.stdout)
    assert after <= 1.05 * before
    tried("13 runs in one process", last)


def test_published_counts_are_those_of_a_whole_run():
    tests = Path(__file__).parent
    published = re.findall(r"[\d,]*\d", (tests / "README.md").read_text().split("## Wrong versions")[0])
    for what, count in json.loads((tests / "tried.json").read_text()).items():
        assert count == 1 or f"{count:,}" in published, what
