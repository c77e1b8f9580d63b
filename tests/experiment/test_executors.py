"""Workers: processes of this machine and a Dask cluster, which are killed, stale, elsewhere or not there at all."""
import contextlib
import functools
import gc
import json
import os
import re
import signal
import socketserver
import sqlite3
import subprocess
import sys
import threading
import time
import warnings

import case_functions
import cloudpickle
import pytest
import threadpoolctl
from case_functions import counted, of_seeds, processes, spectra, spectrum, times_computed
from helpers import ROOT

from gradnets.errors import UserError
from gradnets.experiment import ensemble, executors
from gradnets.experiment.store import Store


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def cause(kind, **how):
    """Return the exception that a case raised, after its way back."""
    with pytest.raises(ensemble.FailedCase) as caught:
        ensemble.run(functools.partial(case_functions.raises, kind=kind), of_seeds([3, 4]), **how)
    return caught.value.__cause__


# ---- what is sent and comes back --------------------------------------------------------------------------

def test_exceptions_come_back_as_the_same_class():
    own = cause("own", jobs=2)
    assert (type(own), str(own)) == (case_functions.OwnError, "seed 3")
    assert "in raises\n" in own.__notes__[0]  # the traceback of the worker
    odd = cause("odd", jobs=2)  # pickle cannot bring back its class, but the class above
    assert (type(odd), str(odd)) == (UserError, "OddError: left right")
    assert type(cause("exit", jobs=2)) is SystemExit


def test_a_task_needs_no_module_of_the_repository_to_say_that_it_needs_them(tmp_path):
    """As Dask's scheduler, which unpickles tasks, and as a worker without the repository."""
    (tmp_path / "task").write_bytes(cloudpickle.dumps(executors.make_task(spectrum, {})))
    code = "import pathlib, pickle; print(pickle.loads(pathlib.Path('task').read_bytes())('{}'))"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert re.fullmatch(r"the worker .* cannot load the function \(ModuleNotFoundError: No module named '\w+'\): start "
                        "it in the repository's folder, or with that folder in PYTHONPATH\n", done.stdout)


def test_arguments_that_cannot_be_sent_are_refused_in_one_line():
    function = functools.partial(case_functions.returns, value=threading.Lock())
    with pytest.raises(UserError, match=r"the function cannot be sent to workers \(TypeError: cannot pickle") as caught:
        ensemble.run(function, of_seeds([0, 1]), jobs=2)
    assert "\n" not in str(caught.value)


# ---- worker processes -------------------------------------------------------------------------------------

def test_a_worker_process_that_is_killed_costs_no_finished_case(folder, tmp_path):
    store = tmp_path / "store.db"
    function = functools.partial(case_functions.kills_once, killer=5, folder=str(folder))
    with pytest.raises(UserError, match=r"a worker process was killed, .* run again with fewer jobs") as caught:
        ensemble.run(function, of_seeds(range(8)), jobs=2, store=store)
    assert "\n" not in str(caught.value)
    with contextlib.closing(sqlite3.connect(store)) as connection:
        (finished,) = connection.execute("SELECT count(*) FROM results").fetchone()
    before = times_computed(folder).total()
    assert repr(ensemble.run(function, of_seeds(range(8)), jobs=2, store=store)) == spectra(range(8))
    assert times_computed(folder).total() - before == 8 - finished


def test_a_worker_process_that_has_grown_is_replaced_without_a_word():
    pytest.importorskip("psutil")  # with which loky measures
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pids = ensemble.run(case_functions.grows, of_seeds(range(5)), jobs=2)
    assert len(set(pids)) > 2
    assert [str(warning.message) for warning in caught] == []


@pytest.fixture
def by_name(tmp_path, monkeypatch):
    """Return a folder, which is on the path, with a module that is imported by name and a helper of it."""
    folder = tmp_path / "by_name"
    folder.mkdir()
    (folder / "named_helper.py").write_text("TWO = 2\n")
    (folder / "named_script.py").write_text("import named_helper\n\nTHREE = named_helper.TWO + 1\n")
    monkeypatch.syspath_prepend(folder)
    return folder


def test_worker_processes_load_the_code_as_it_is_when_a_run_starts(by_name):
    function, how = functools.partial(case_functions.reads_by_name, name="named_script"), {
        "jobs": 2, "modules": ["named_script"]}
    assert ensemble.run(function, of_seeds([0]), **how) == [3]
    (by_name / "named_helper.py").write_text("TWO = 20\n")
    assert ensemble.run(function, of_seeds([0]), **how) == [21]


# ---- addresses --------------------------------------------------------------------------------------------

class Silence(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(100):
            pass


class Web(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class Garbage(socketserver.BaseRequestHandler):
    """Random bytes until the client hangs up."""

    def handle(self):
        with contextlib.suppress(OSError):
            while True:
                self.request.sendall(b"\xa7" * 100 + os.urandom(1000))


@pytest.mark.parametrize(("handler", "reason"), [
    (None, ".*Connection refused"), (Silence, "nothing in 0.5 s"), (Web, "another program does"),
    (Garbage, "another program does")])
def test_an_address_without_a_scheduler_is_told_in_one_line(monkeypatch, handler, reason):
    pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "CONNECT_SECONDS", 0.5)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        address = "tcp://{}:{}".format(*server.server_address)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        if handler is None:
            server.socket.close()
        try:
            with pytest.raises(UserError, match="no Dask scheduler answers") as caught:  # Dask itself: never
                ensemble.run(spectrum, of_seeds([0]), cluster=address)
        finally:
            server.shutdown()
    assert re.fullmatch(rf"no Dask scheduler answers at {address} \({reason}\): start one with dask scheduler, or "
                        "correct the address", str(caught.value))


def test_without_distributed_a_cluster_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"a cluster \(tcp://127.0.0.1:8786\) needs the package distributed"):
        ensemble.run(spectrum, of_seeds([0]), cluster="tcp://127.0.0.1:8786")


# ---- a cluster --------------------------------------------------------------------------------------------

class Cluster:
    """A scheduler in a process of its own, which cannot import this repository, and workers that can."""

    def __init__(self, folder):
        self.folder, self.file, self.started, self.workers = folder, folder / "scheduler.json", [], []
        self.modules = folder / "modules"  # on the workers' path
        self.modules.mkdir()
        self._start("", "scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--no-show",
                    "--scheduler-file", self.file)
        deadline = time.monotonic() + 60
        while not self.file.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.address = json.loads(self.file.read_text())["address"]

    def _start(self, path, *words):
        # Two threads for the libraries, so that holding them to one is seen.
        variables = os.environ | {"PYTHONPATH": path} | dict.fromkeys(executors.THREADS, "2")
        with open(self.folder / f"{len(self.started)}.log", "w") as log:
            self.started.append(subprocess.Popen([sys.executable, "-m", "dask", *map(str, words)], cwd=self.folder,
                                                 env=variables, stdout=log, stderr=log))
        return self.started[-1]

    def with_workers(self, count):
        """Return the processes of so many workers, which are started if needed, each of one thread."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        path = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "support", self.modules)))
        while len(self.workers) < count:
            self.workers.append(self._start(
                path, "worker", "--scheduler-file", self.file, "--no-nanny", "--nthreads", 1, "--no-dashboard",
                "--host", "127.0.0.1", "--death-timeout", 60))
        return self.workers

    def close(self):
        for process in self.started[::-1]:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    pytest.importorskip("distributed")
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()
    gc.collect()  # Dask's unfinished tasks log their errors here, not inside another test, whose ast.parse would fail


def test_a_cluster_gives_the_same_bits_though_a_worker_is_killed(cluster, folder, tmp_path, tried):
    victim, other = cluster.with_workers(2)
    store = tmp_path / "store.db"

    def kill_one():
        while victim.pid not in processes(folder) or other.pid not in processes(folder):
            time.sleep(0.005)
        victim.kill()
    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    with threadpoolctl.threadpool_limits(1):
        expected = spectra(range(14))
    function = functools.partial(counted, folder=str(folder), seconds=0.1)
    assert repr(ensemble.run(function, of_seeds(range(14)), cluster=cluster.address, store=store)) == expected
    killer.join(timeout=10)
    assert victim.wait(timeout=10) == -signal.SIGKILL
    assert processes(folder) == {victim.pid, other.pid}
    assert set(times_computed(folder)) == set(range(14))
    assert times_computed(folder).total() <= 16  # what the killed worker had in work or in hand is done again
    with Store(store) as kept:
        assert kept._connection.execute("SELECT count(*) FROM results").fetchone() == (14,)
    cases = of_seeds([3, 0, 2])
    assert repr(ensemble.run(case_functions.trained_network, cases, cluster=cluster.address)) == repr(
        ensemble.run(case_functions.trained_network, cases))
    tried("10 seeds computed on a Dask cluster, a worker of which is killed", 17)


def test_a_worker_of_a_cluster_holds_its_threads_to_one_and_sends_exceptions_back(cluster, folder):
    cluster.with_workers(1)
    for row in ensemble.run(case_functions.threads, of_seeds(range(3)), cluster=cluster.address):
        assert (row["blas"], row["numba"], row["bars"]) == (1, 1, "1")
        assert row["pid"] in {worker.pid for worker in cluster.workers}
    function = functools.partial(case_functions.fails, failing=(1,), folder=str(folder))
    with pytest.raises(ensemble.FailedCase, match="'seed': 1} failed: ZeroDivisionError: no reciprocal of 1"):
        ensemble.run(function, of_seeds(range(3)), cluster=cluster.address)
    own = cause("own", cluster=cluster.address)
    assert (type(own), str(own)) == (case_functions.OwnError, "seed 3")


def test_a_worker_of_a_cluster_with_other_code_or_none_is_told_in_one_line(cluster, tmp_path, monkeypatch):
    cluster.with_workers(1)
    here = tmp_path / "unknown_to_workers.py"
    here.write_text("def f(seed):\n    return seed\n")
    monkeypatch.syspath_prepend(tmp_path)
    import unknown_to_workers
    with pytest.raises(UserError, match=r"the worker .* cannot load the function \(ModuleNotFoundError: No module "
                                        r"named 'unknown_to_workers'\): start it in the repository's folder, or with"):
        ensemble.run(unknown_to_workers.f, of_seeds(range(2)), cluster=cluster.address)
    with pytest.raises(UserError, match=r"unknown_to_workers on the worker .* is missing, here it is \w+: give"):
        ensemble.run(spectrum, of_seeds(range(2)), cluster=cluster.address, modules=["unknown_to_workers"])
    (cluster.modules / "stale_script.py").write_text("THREE = 3\n")
    monkeypatch.syspath_prepend(cluster.modules)
    function, how = functools.partial(case_functions.reads_by_name, name="stale_script"), {
        "cluster": cluster.address, "modules": ["stale_script"]}
    assert ensemble.run(function, of_seeds(range(2)), **how) == [3, 3]
    (cluster.modules / "stale_script.py").write_text("THREE = 30\n")
    with pytest.raises(UserError, match=r"stale_script on the worker .* restart them"):
        ensemble.run(function, of_seeds(range(2)), **how)


def test_the_address_of_a_worker_is_not_that_of_a_scheduler(cluster):
    cluster.with_workers(1)
    log, deadline, places = cluster.folder / "1.log", time.monotonic() + 30, []
    while not places and time.monotonic() < deadline:
        places = re.findall(r"worker at: +(tcp://\S+)", log.read_text())
    with pytest.raises(UserError, match=r"no Dask scheduler answers at tcp://\S+ \(") as caught:
        ensemble.run(spectrum, of_seeds([0]), cluster=places[0])
    assert "a Dask worker does" in str(caught.value) or "refused" in str(caught.value)  # if that worker was killed


def test_a_cluster_whose_last_worker_is_killed_is_told_in_bounded_time(cluster, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "CONNECT_SECONDS", 1)
    store, workers = tmp_path / "store.db", cluster.with_workers(1)
    for worker in workers[1:]:
        worker.kill()
        worker.wait()

    def kill():
        while times_computed(folder).total() < 3:
            time.sleep(0.005)
        workers[0].kill()
    threading.Thread(target=kill, daemon=True).start()
    function = functools.partial(counted, folder=str(folder), seconds=0.1)
    with pytest.raises(UserError, match=f"the scheduler at {cluster.address} has had no worker for 1 s: start some "
                                        f"with dask worker {cluster.address}"):
        ensemble.run(function, of_seeds(range(30)), cluster=cluster.address, store=store)
    with Store(store) as kept:
        assert kept._connection.execute("SELECT count(*) FROM results").fetchone() >= (1,)
    with pytest.raises(UserError, match="has had no worker for 1 s"):
        ensemble.run(spectrum, of_seeds(range(2)), cluster=cluster.address)
    scheduler = cluster.started[0]
    monkeypatch.setattr(executors, "CONNECT_SECONDS", 30)
    threading.Timer(0.5, scheduler.kill).start()
    with pytest.raises(UserError, match=r"the scheduler at .* ended: start it again"):
        ensemble.run(spectrum, of_seeds(range(2)), cluster=cluster.address)
