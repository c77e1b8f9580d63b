"""Writes that fail: what was there before stays, and one line says why and where.

Disks are full after any page, and any call that writes may fail.
"""
import builtins
import contextlib
import errno
import hashlib
import http.server
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from unittest import mock

import networkx as nx
import numpy as np
import pytest
from helpers import ROOT
from safetensors.numpy import load_file

from gradnets import experiment
from gradnets.checkpoints import Recorder
from gradnets.datasets import downloads, real_files
from gradnets.errors import UserError
from gradnets.experiment import records
from gradnets.experiment.store import Store
from gradnets.sparse import checkpoints

VERSION = 1  # version of what main writes

# ---- not flags --------------------------------------------------------------------------------------------

STEM = Path(__file__).stem


# ---- what writes ------------------------------------------------------------------------------------------

def main(settings):
    """Return every kind of file, as a script does."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2, 1), dpi=50)
    figure.suptitle(f"Finding {settings.version}")
    return experiment.Result(
        [{"name": "all", "version": settings.version}], ("name",), "A finding", figure=figure,
        files={".npz": {"numbers": np.random.default_rng(settings.version).random(1000)},
               ".csv": "1,2\n" * 1500 + f"{settings.version}\n", ".graphml": nx.path_graph(40 + settings.version)})


def write_results(folder, version):
    printed = io.StringIO()
    with (mock.patch.object(records, "_commit", return_value=None), contextlib.redirect_stderr(printed),
          contextlib.redirect_stdout(io.StringIO())):
        try:
            experiment.run(main, ["--version", str(version), "--out", str(folder)])
        except SystemExit:
            raise OSError(printed.getvalue().removesuffix("\n")) from None


def write_store(folder, version):
    with Store(folder / "store.db") as store:
        for seed in range(4 * version):
            store.add("key", f'{{"seed": {seed}}}', f'"{seed}{" words" * 3000}"')


def write_record(folder, version):
    with Recorder(folder / "run.safetensors", steps=range(3)) as recorder:
        for step in range(3):
            recorder.add(step, "gradient", "w", np.full((30, 40), version))


def write_checkpoint(folder, version):
    checkpoints.save(folder / "run.npz", "this run", 60, [np.full((30, 40), version)], [None],
                     [np.ones((30, 40), bool)])


def download(folder, version):
    """Download version 2 beside a file that is there as version 1."""
    content = np.random.default_rng(version).bytes(30_000)
    if version == 1:
        (folder / "other.gz").write_bytes(content)
        return

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with contextlib.suppress(OSError):  # the client may have hung up
                self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True).start()
        with (mock.patch.dict(downloads.MIRRORS, mnist=(f"http://127.0.0.1:{server.server_port}/",)),
              mock.patch.dict(real_files.SHA256, {"set.gz": hashlib.sha256(content).hexdigest()})):
            try:
                downloads.download("mnist", "set.gz", folder)
            finally:
                server.shutdown()


WRITERS = {writer.__name__: writer for writer in (write_results, write_record, write_checkpoint, download)}


# ---- what must be true afterwards -------------------------------------------------------------------------

def check_readable(path):
    """Read a file from beginning to end, with readers that this project did not write if there are any."""
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
        case ".gz":
            assert len(path.read_bytes()) == 30_000
        case _:
            raise AssertionError(f"{path.name} should not be there")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def fails(writer, folder, reason, fault=None):
    """Return whether version 2 could not be written; then what was there stands, and one line says why.

    Of several files that are put in place one after another, some may be new, but not the JSON, which is the last.
    """
    before, error = contents(folder), None
    with fault or contextlib.nullcontext():
        try:
            writer(folder, version=2)
        except (OSError, UserError) as failure:
            error = str(failure)
    after = contents(folder)
    for path in folder.iterdir():
        check_readable(path)
    if error is None:
        assert after != before
        return False
    assert reason in error
    assert str(folder) in error
    assert "\n" not in error
    assert after.keys() == before.keys()
    if writer is write_results and fault and fault.failed == "replace":
        assert after[f"{STEM}.json"] == before[f"{STEM}.json"]
    else:
        assert after == before
    return True


def store_fails(folder):
    """Return whether a store could not be written to; then one line says why, and it keeps what it had."""
    error = None
    try:
        write_store(folder, version=2)
    except UserError as failure:
        error = str(failure)
    copy = folder.parent / "copy.db"  # on another disk
    shutil.copy(folder / "store.db", copy)
    with Store(copy) as store:
        count = len(store.finished("key"))
    copy.unlink()
    if error is None:
        assert count == 8
        return False
    assert f"cannot keep results in {folder / 'store.db'} (database or disk is full)" in error
    assert "\n" not in error
    assert 4 <= count < 8
    assert [path.name for path in folder.iterdir()] == ["store.db"]
    return True


# ---- full disks -------------------------------------------------------------------------------------------

@contextlib.contextmanager
def small_disk(folder):
    """Mount a file system at a folder; yields a function that leaves room for a number of pages."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)

    def leave(pages):
        disk = os.statvfs(folder)
        size = (disk.f_blocks - disk.f_bfree + pages) * disk.f_frsize
        subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)
    try:
        yield leave
    finally:
        subprocess.run(["umount", folder], check=True)


def fill_disks(folder, step):
    """Run every writer with room for 0, step, 2 step, ... pages more; for a process with mounts of its own."""
    count = 0
    for writer in (*WRITERS.values(), write_store):
        with small_disk(folder) as leave:
            writer(folder, version=1)
            for pages in itertools.count(0, step):
                leave(pages)
                if not (store_fails(folder) if writer is write_store else
                        fails(writer, folder, "No space left on device")):
                    break
                count += 1
    print(count)


def test_a_disk_that_is_full_after_any_page(tmp_path, many, tried):
    """On real small file systems, if this user may mount them."""
    (tmp_path / "disk").mkdir()
    code = "import pathlib, sys, test_failing_writes as t; t.fill_disks(pathlib.Path(sys.argv[1]), int(sys.argv[2]))"
    alone = ["unshare", "--user", "--map-root-user", "--mount"]  # nobody else sees what is mounted there
    if not shutil.which("unshare") or subprocess.run([*alone, "mount", "-t", "tmpfs", "none", tmp_path],
                                                     capture_output=True).returncode:
        pytest.skip("this user may not mount a tmpfs")
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "support")))
    done = subprocess.run([*alone, sys.executable, "-c", code, tmp_path / "disk", str(many(4, 1))], capture_output=True,
                          text=True, timeout=300, env=os.environ | {"PYTHONPATH": path})
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > many(10, 30)
    tried("7 writes failed for want of space, page by page", int(done.stdout))


# ---- calls that fail --------------------------------------------------------------------------------------

class Fault:
    """While this is entered, the n-th call that writes and all later ones fail: open, write, fsync, chmod, rename."""

    def __init__(self, n, code):
        self.left, self.code, self.failed = n, code, ""
        self.patches = contextlib.ExitStack()

    def count(self, name):
        self.left -= 1
        if self.left <= 0:
            self.failed = self.failed or name
            raise OSError(self.code, os.strerror(self.code))

    def __enter__(self):
        true_open, count = io.open, self.count

        class Raw(io.FileIO):
            def write(self, content):
                count("write")
                return super().write(content)

        def failing_open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True,
                         opener=None):
            if not set(mode) & set("wax+"):
                return true_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
            if isinstance(file, str | Path):
                self.count("open")
            raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

        for module in (io, builtins):
            self.patches.enter_context(mock.patch.object(module, "open", failing_open))
        for name in ("open", "write", "fsync", "chmod", "rename", "replace"):
            self.patches.enter_context(mock.patch.object(os, name, self.failing(name, getattr(os, name))))
        return self

    def failing(self, name, call):
        def called(*arguments, **keywords):
            if name != "open" or arguments[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                self.count(name)
            return call(*arguments, **keywords)
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
            if not fails(writer, folder, os.strerror(code), Fault(n, code)):
                break
            count += 1
    assert count
    tried("7 calls that write failed: open, write, fsync, chmod, rename", count)
