"""Ensembles: the same bits in this process, in two and from a store; failures; runs that are killed and go on."""
import collections
import functools
import itertools
import os
import random
import signal
import subprocess
import sys
import time

import case_functions
import numpy as np
import pytest
import threadpoolctl
from case_functions import counted, of_seeds, spectra, spectrum, times_computed
from helpers import ROOT

from gradnets.errors import UserError
from gradnets.experiment import ensemble, executors, fingerprint
from gradnets.experiment.store import Store


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


@pytest.fixture
def one_thread():
    with threadpoolctl.threadpool_limits(1):
        yield


# ---- the same results -------------------------------------------------------------------------------------

def test_one_process_two_and_a_store_give_the_same_bits_in_the_order_of_the_cases(tmp_path, one_thread):
    seeds, store = [5, 0, 3, 11], tmp_path / "new" / "store.db"
    cases = of_seeds([5, np.int64(0), 3, 11])
    assert repr(ensemble.run(spectrum, cases)) == spectra(seeds)
    assert repr(ensemble.run(spectrum, cases, jobs=2, store=store)) == spectra(seeds)
    assert repr(ensemble.run(spectrum, cases[::-1], jobs=2, store=store)) == spectra(seeds[::-1])


def test_any_number_of_workers_in_any_order_gives_the_same_bits(many, tried):
    seeds = list(range(many(6, 12)))
    expected = [repr(result) for result in ensemble.run(case_functions.trained_network, of_seeds(seeds))]
    rng, ways = np.random.default_rng(0), many([2], [1, 2, 4] * 5)
    for jobs in ways:
        order = rng.permutation(seeds).tolist()
        results = ensemble.run(case_functions.trained_network, of_seeds(order), jobs=jobs)
        assert list(map(repr, results)) == [expected[seed] for seed in order]
    tried("10 seeds computed by 1, 2 and 4 workers, shuffled", len(seeds) * len(ways))


def test_the_first_case_to_finish_need_not_be_the_first(folder, monkeypatch):
    finished = []

    def progress(iterable, total, label):
        finished.extend(iterable)
        return finished
    monkeypatch.setattr(ensemble, "progress", progress)
    function = functools.partial(case_functions.waits_for_another, folder=str(folder))
    assert ensemble.run(function, of_seeds(range(4)), jobs=2) == [0, 1, 2, 3]
    assert finished[0][0] != '{"seed": 0}'


def test_a_case_arrives_as_json_gives_it_back():
    cases = [{"seed": np.int64(1), "name": "σ", "rates": (0.1, 1), "also": {"b": None, "a": [True]}},
             {"nothing": float("inf")}]
    expected = [[["also", "dict", {"a": [True], "b": None}], ["name", "str", "σ"], ["rates", "list", [0.1, 1]],
                 ["seed", "int", 1]], [["nothing", "float", float("inf")]]]
    for jobs in (1, 2):
        assert repr(ensemble.run(case_functions.received, cases, jobs=jobs)) == repr(expected)


def test_threads_are_held_to_one_and_then_let_go():
    import numba
    before = numba.get_num_threads()
    with threadpoolctl.threadpool_limits(2):
        (here,) = ensemble.run(case_functions.threads, of_seeds([0]))
        assert max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()) == 2
    assert here == {"blas": 1, "numba": 1, "pid": os.getpid(), "bars": None}
    assert numba.get_num_threads() == before
    for row in ensemble.run(case_functions.threads, of_seeds(range(3)), jobs=2):
        assert row == {"blas": 1, "numba": 1, "pid": row["pid"], "bars": "1"}  # no bars in a worker
        assert row["pid"] != os.getpid()


def test_the_bar_counts_what_is_left_to_compute(tmp_path, monkeypatch):
    bars = []

    def progress(iterable, total, label):
        bars.append((total, label))
        return iterable
    monkeypatch.setattr(ensemble, "progress", progress)
    for count in (2, 5):
        ensemble.run(spectrum, of_seeds(range(count)), store=tmp_path / "store.db", label="spectra")
    assert bars == [(2, "spectra"), (3, "spectra")]


# ---- going on ---------------------------------------------------------------------------------------------

def test_stored_cases_are_not_computed_again_and_other_questions_share_the_store(folder, tmp_path, monkeypatch):
    store, function = tmp_path / "store.db", functools.partial(counted, folder=str(folder))
    ensemble.run(function, of_seeds(range(3)), store=store)
    assert repr(ensemble.run(function, of_seeds(range(5)), store=store)) == spectra(range(5))
    assert times_computed(folder) == dict.fromkeys(range(5), 1)
    ensemble.run(functools.partial(counted, folder=str(folder), seconds=0.001), of_seeds(range(2)), store=store)
    ensemble.run(function, [{"seed": 0, "seconds": 0.0}], store=store)  # another case, since its text is another
    assert times_computed(folder) == {0: 3, 1: 2, 2: 1, 3: 1, 4: 1}
    monkeypatch.setattr(executors, "WorkerProcesses", None)  # no worker starts where nothing is left to compute
    assert repr(ensemble.run(function, of_seeds([4, 0]), jobs=2, store=store)) == spectra([4, 0])
    assert times_computed(folder).total() == 8


def test_code_of_modules_imported_by_name_is_part_of_the_question(tmp_path, monkeypatch):
    (tmp_path / "imported_by_name.py").write_text("THREE = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    function, how = functools.partial(case_functions.reads_by_name, name="imported_by_name"), {
        "store": tmp_path / "store.db", "modules": ("imported_by_name",)}
    assert ensemble.run(function, of_seeds([0]), **how) == [3]
    (tmp_path / "imported_by_name.py").write_text("THREE = 30\n")
    del sys.modules["imported_by_name"]
    assert ensemble.run(function, of_seeds([0]), **how) == [30]
    del sys.modules["imported_by_name"]


# ---- cases that fail --------------------------------------------------------------------------------------

@pytest.mark.parametrize("jobs", [1, 2])
def test_a_case_that_fails_lets_the_others_finish(folder, tmp_path, jobs):
    store, function = tmp_path / "store.db", functools.partial(case_functions.fails, failing=(4, 1), folder=str(folder))
    cases = of_seeds([0, 4, 1, 2, 3])
    with pytest.raises(ensemble.FailedCase) as caught:
        ensemble.run(function, cases, jobs, store=store)
    assert str(caught.value) == ("the case {'seed': 4} failed, and so did 1 more of 5: ZeroDivisionError: "
                                 "no reciprocal of 4")
    assert caught.value.case is cases[1]  # the first of the cases, and not the first to fail
    assert not isinstance(caught.value, UserError)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert times_computed(folder) == dict.fromkeys((0, 2, 3), 1)
    with pytest.raises(ensemble.FailedCase):
        ensemble.run(function, cases, store=store)
    assert times_computed(folder) == dict.fromkeys((0, 2, 3), 1)


def test_an_interrupt_keeps_what_has_finished(folder, tmp_path):
    store = tmp_path / "store.db"
    for last in (3, 6):
        function = functools.partial(case_functions.interrupted, last=last, folder=str(folder))
        with pytest.raises(KeyboardInterrupt):
            ensemble.run(function, of_seeds(range(last + 1)), store=store)
        with Store(store) as kept:
            assert len(kept.finished(fingerprint.key(function))) == last


def test_a_result_that_json_cannot_hold_is_a_mistake_of_the_user():
    with pytest.raises(ensemble.FailedCase, match="UserError: the result holds 1j, a complex: expected") as caught:
        ensemble.run(functools.partial(case_functions.returns, value=[1j]), of_seeds([0]))
    assert isinstance(caught.value.__cause__, UserError)


@pytest.mark.parametrize(("change", "words"), [
    ({"cases": 3}, "cases is 3: expected a list of dicts"), ({"cases": []}, "there is no case"),
    ({"cases": [1, 2]}, r"cases is \[1, 2\]: expected"), ({"cases": of_seeds([1, 2, 1])}, "'seed': 1} is given twice"),
    ({"cases": [{"seed": 1, "scale": 2}, {"scale": 2, "seed": 1}]}, "given twice"),
    ({"cases": [{"seed": 1j}]}, "a case holds 1j"), ({"cases": [{3: 1}]}, "a case holds {3: 1}"),
    ({"cases": [{}]}, r"the case {} does not fit spectrum\(seed, size=40, scale=1.0\): missing a required argument"),
    ({"cases": [{"seed": 1, "rate": 2}]}, "unexpected keyword argument 'rate'"),
    ({"jobs": 0}, "jobs is 0"), ({"jobs": 1.5}, "jobs is 1.5"), ({"jobs": True}, "jobs is True"),
    ({"jobs": (1, 2)}, "jobs is"), ({"cluster": "host:8786"}, "cluster is 'host:8786'"),
    ({"cluster": "tcp://host"}, "cluster is"), ({"cluster": "tcp://host:99999"}, "cluster is"),
    ({"cluster": "http://host:80"}, "cluster is"), ({"cluster": "tls://host:80"}, "the tcp address"),
    ({"cluster": 8786}, "cluster is 8786"), ({"cluster": None}, "cluster is None"),
    ({"function": lambda seed: {}}, "cannot be sent"), ({"function": max}, "cannot be sent"),
    ({"function": "f"}, "cannot be sent"), ({"store": ""}, "the store is ''"), ({"store": 3}, "the store is 3"),
    ({"modules": ("no_module",)}, "there is no module 'no_module'"), ({"modules": "mlp"}, "modules is 'mlp'")])
def test_wrong_arguments_are_refused_in_one_line(change, words):
    with pytest.raises(UserError, match=words) as caught:
        ensemble.run(**({"function": spectrum, "cases": of_seeds([0])} | change))
    assert "\n" not in str(caught.value)


# ---- whole runs killed ------------------------------------------------------------------------------------

SCRIPT = """
import os, random, signal, sys, time
sys.path[:0] = [{root!r}, {tests!r}]
import numba, scipy.linalg  # once, and not in each process that this one forks
from case_functions import counted, of_seeds, times_computed
from gradnets.experiment import ensemble, fingerprint
from gradnets.experiment.store import Store

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so would this

def slow(seed):
    return counted(seed, {folder!r}, {seconds})

def run(seeds, jobs=1):
    return ensemble.run(slow, of_seeds(seeds), jobs, store={store!r})

def fork(seeds):
    process = os.fork()
    if not process:
        run(seeds)
        os._exit(0)
    return process

if __name__ == "__main__":
    {action}
"""


class Runs:
    """A script in a folder, which is run in a process of its own, and whose store is then looked at from here."""

    def __init__(self, tmp_path, monkeypatch):
        self.folder, self.store, self.path = tmp_path / "marks", tmp_path / "store.db", tmp_path / "killed.py"
        self.folder.mkdir()
        monkeypatch.syspath_prepend(tmp_path)

    def start(self, action, seconds=0.02):
        self.path.write_text(SCRIPT.format(
            root=str(ROOT), tests=str(ROOT / "tests" / "support"), folder=str(self.folder), store=str(self.store),
            action=action, seconds=seconds))
        return subprocess.Popen([sys.executable, str(self.path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, start_new_session=True)

    def finished(self):
        """Return the seeds in the store, which has their results."""
        if not self.store.exists():
            return set()
        import killed  # the script: its function has one key, whether it was run or imported
        with Store(self.store) as store:
            return {int(case[9:-1]) for case in store.finished(fingerprint.key(killed.slow))}  # {"seed": 3}

    def go_on(self, seeds):
        """Finish a killed run here: the results are the same, and nothing that was stored is computed again."""
        import killed
        finished, before = self.finished(), times_computed(self.folder)
        assert repr(killed.run(seeds)) == spectra(seeds)
        assert times_computed(self.folder) - before == collections.Counter(set(seeds) - finished)
        assert self.finished() == set(seeds)


@pytest.fixture
def runs(tmp_path, monkeypatch, one_thread):
    yield Runs(tmp_path, monkeypatch)
    sys.modules.pop("killed", None)


def test_runs_killed_at_random_moments_go_on_where_they_stopped(runs, many, tried):
    kills = many(6, 100)
    # Each run is a process of its own. Every third is killed within the time that it takes to begin.
    process = runs.start(f"""for k in range({kills}):
        before = times_computed({str(runs.folder)!r}).total()
        process = fork(range(10_000))
        while times_computed({str(runs.folder)!r}).total() == before and k % 3 != 1:
            time.sleep(0.001)
        time.sleep(random.choice((0.01, 0.1)) * (0.2 + random.random()))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        with Store({str(runs.store)!r}) as store:
            print([case[9:-1] for case in store.finished(fingerprint.key(slow))], end=";")
        print(dict(times_computed({str(runs.folder)!r})))""")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    moments = [[eval(part) for part in line.split(";")] for line in out.splitlines()]
    assert len(moments) == kills
    for (finished, counts), (_, later) in itertools.pairwise(moments):
        assert all(later[int(seed)] == counts[int(seed)] for seed in finished)
    runs.go_on(range(max(runs.finished(), default=0) + 3))
    tried("6 ensembles killed at a random moment", kills)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_a_run_in_two_worker_processes_ends_with_them_and_goes_on(runs, kind, many, tried):
    kills = many(1, 20 if kind == signal.SIGKILL else 5)
    for k in range(kills):
        finished, before = runs.finished() if k else set(), times_computed(runs.folder)
        process = runs.start("run(range(10_000), jobs=2)")
        deadline = time.monotonic() + 120
        while k % 2 == 0 and times_computed(runs.folder).total() < before.total() + 8 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(2 * random.random() * (k % 2))  # or at any moment of the start
        if kind == signal.SIGKILL:
            process.kill()
        else:
            os.killpg(process.pid, kind)  # as a terminal does after Ctrl-C
        _, err = process.communicate(timeout=30)  # returns once no process has the other end of the pipes
        assert process.returncode == -kind
        if kind == signal.SIGINT:
            assert err.count("Traceback") == 1
            assert err.endswith("KeyboardInterrupt\n")
            assert "leaked" not in err
        assert all(times_computed(runs.folder)[seed] == before[seed] for seed in finished)
    runs.go_on(range(max(runs.finished(), default=0) + 3))
    if kind == signal.SIGKILL:
        tried("6 ensembles killed at a random moment", kills)


def test_two_processes_write_to_one_store(runs):
    process = runs.start("""processes = [fork(range(0, 60, 2)), fork(range(1, 60, 2))]
    sys.exit(max(os.waitpid(process, 0)[1] for process in processes))""", seconds=0.001)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert times_computed(runs.folder) == dict.fromkeys(range(60), 1)
    runs.go_on(range(60))
