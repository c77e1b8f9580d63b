"""Ensembles: the same bits in one process, in two and on a cluster; workers and runs killed; damaged stores."""
import collections
import contextlib
import dataclasses
import fcntl
import functools
import importlib
import itertools
import json
import math
import os
import pty
import random
import re
import signal
import socketserver
import stat
import subprocess
import sys
import termios
import threading
import time
import uuid
import warnings
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl
from joblib.externals.loky import get_reusable_executor, process_executor

from gradnets import ensemble

ROOT = Path(__file__).resolve().parent.parent


# ---- functions of a seed ----------------------------------------------------------------------------------

def spectrum(seed, size=40, scale=1.0):
    """Numbers whose last bits tell the order of additions, and all kinds of values that a row may hold."""
    matrix = scale * np.random.default_rng(seed).standard_normal((size, size))
    values = np.linalg.svd(matrix @ matrix, compute_uv=False)
    return [{"seed": seed, "sum": values.sum(), "single": np.float32(values[0]), "small": 5e-324, "zero": -0.0,
             "nan": math.nan, "up": np.inf, "down": -np.inf},
            {"seed": np.int64(seed), "odd": bool(seed % 2), "none": None, "word": "σ {\"float\": \"nan\"}\n"}]


def learned(seed):
    """Measures of a network drawn from the gradient of a net that was trained."""
    import mlp
    from gradnets import datasets, graphs, metrics
    network = mlp.MLP((784, 40, 10), seed=seed)
    *_, step = mlp.train(network, datasets.load("noise", limit=20, seed=seed), 30, 0.1, batch_size=10, seed=seed)
    links = graphs.sample(graphs.probabilities(step.gradients[0]), np.random.default_rng(seed))
    found = dataclasses.asdict(metrics.measure(graphs.merge_layers(links[:40])))
    return {"seed": seed, "weight": network.weights[0].sum(), **found}


def marked(seed, folder, seconds=0.0):
    """The same, with a file for each time that it is computed, whose name holds the seed and the process."""
    (Path(folder) / f"{seed}-{os.getpid()}-{uuid.uuid4().hex}").touch()
    time.sleep(seconds)
    return spectrum(seed)


def fails_on(seed, bad, folder):
    if seed in bad:
        raise ZeroDivisionError(f"no reciprocal\nof {seed}")
    return marked(seed, folder)


class Awkward(Exception):
    """Cannot be unpickled: its arguments are not those of its __init__."""
    def __init__(self, one, two):
        super().__init__(f"{one} {two}")


def fails_awkwardly(seed):
    raise Awkward("left", "right")


def kills_its_process(seed, bad):
    if seed == bad:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"seed": seed}


def interrupted_at(seed, bad, folder):
    if seed == bad:
        raise KeyboardInterrupt
    return marked(seed, folder)


def threads(seed):
    """Of libraries that are not imported before."""
    import numba
    import scipy.linalg
    scipy.linalg.svd(np.linalg.svd(np.eye(20))[0])
    return {"blas": max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()),
            "numba": numba.get_num_threads(), "pid": os.getpid()}


def returns(seed, what):
    return what


def ends_its_worker(seed):
    """Has loky end this process after its second seed, as one that has grown by 300 MB since the first."""
    process_executor._MEMORY_LEAK_CHECK_DELAY = process_executor._MAX_MEMORY_LEAK_SIZE = -math.inf
    return {"pid": os.getpid()}


@pytest.fixture(scope="module", autouse=True)
def _no_worker_stays():
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def times(folder):
    """How often each seed was computed."""
    return collections.Counter(int(path.name.split("-")[0]) for path in folder.iterdir())


def bits(rows):
    """Rows as text that differs where any bit, type or order of keys does."""
    return [[(name, type(value).__name__, value.hex() if isinstance(value, float) else value)
             for name, value in row.items()] for row in rows]


def expected(seeds):
    """Rows by the function itself, numpy's scalars as Python's."""
    return [{name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
            for seed in seeds for row in spectrum(seed)]


# ---- the same rows ----------------------------------------------------------------------------------------

def test_any_number_of_workers_in_any_order_gives_the_same_bits(many, tried):
    seeds = list(range(12))
    right = bits(ensemble.run(learned, seeds))
    rng, ways = np.random.default_rng(0), many([(2, 1)], [(jobs, k) for jobs in (1, 2, 4) for k in range(5)])
    for jobs, _ in ways:
        order = rng.permutation(seeds).tolist()
        assert bits(ensemble.run(learned, order, jobs=jobs)) == [right[seed] for seed in order]
    tried("10 seeds computed by 1, 2 and 4 workers, shuffled", len(seeds) * len(ways))


def test_one_process_and_two_give_the_same_bits_in_the_order_of_the_seeds(tmp_path):
    seeds = [5, 0, np.int64(3), 11, 2]
    with threadpoolctl.threadpool_limits(1):
        right = bits(expected([5, 0, 3, 11, 2]))
    assert bits(ensemble.run(spectrum, seeds)) == right
    assert bits(ensemble.run(spectrum, seeds, jobs=2, store=tmp_path / "new" / "store.jsonl")) == right
    assert bits(ensemble.run(spectrum, seeds, store=tmp_path / "new" / "store.jsonl")) == right
    assert bits(ensemble.run(spectrum, seeds[::-1], jobs=2)) == bits(expected([2, 11, 3, 0, 5]))


def test_the_first_to_finish_need_not_be_the_first_row(folder, tmp_path):
    store = tmp_path / "store.jsonl"
    rows = ensemble.run(functools.partial(sleepy, longest=3), range(4), jobs=2, store=store)
    assert [row["seed"] for row in rows] == [0, 1, 2, 3]
    assert json.loads(store.read_text().splitlines()[0])["seed"] != 0


def sleepy(seed, longest):
    time.sleep(0.1 * (longest - seed))
    return {"seed": seed}


def test_store_holds_strict_json(tmp_path):
    ensemble.run(spectrum, [0, 7], store=tmp_path / "store.jsonl")

    def refuse(word):
        raise AssertionError(word)
    text = (tmp_path / "store.jsonl").read_text()
    lines = [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
    assert [line["seed"] for line in lines] == [0, 7]
    first = lines[0]["rows"][0]
    assert (first["nan"], first["up"], first["down"]) == ({"float": "nan"}, {"float": "inf"}, {"float": "-inf"})
    assert first["sum"] == expected([0])[0]["sum"]


def test_each_line_and_a_new_files_name_are_forced_onto_the_disk(tmp_path, monkeypatch):
    forced = []
    monkeypatch.setattr(os, "fsync", lambda handle: forced.append(os.fstat(handle)))
    ensemble.run(spectrum, range(3), store=tmp_path / "store.jsonl")
    lines = (tmp_path / "store.jsonl").read_bytes().splitlines(keepends=True)
    sizes = [status.st_size for status in forced if stat.S_ISREG(status.st_mode)]
    assert sizes == list(itertools.accumulate(map(len, lines)))
    assert (forced[0].st_ino, len(forced)) == (tmp_path.stat().st_ino, 4)


def test_one_dict_and_no_row_at_all():
    assert ensemble.run(functools.partial(returns, what={"a": 1}), [0, 1]) == [{"a": 1}, {"a": 1}]
    assert ensemble.run(functools.partial(returns, what=[]), [0, 1]) == []


def test_threads_are_held_to_one_and_then_let_go():
    import numba
    before = numba.get_num_threads()
    with threadpoolctl.threadpool_limits(2):
        (here,) = ensemble.run(threads, [0])
        assert max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()) == 2
    assert (here["blas"], here["numba"], here["pid"]) == (1, 1, os.getpid())
    assert numba.get_num_threads() == before
    for row in ensemble.run(threads, range(3), jobs=2):
        assert (row["blas"], row["numba"]) == (1, 1)
        assert row["pid"] != os.getpid()


def test_bars_are_drawn_by_the_process_that_asks_alone(tmp_path):
    screen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    script = tmp_path / "bars.py"
    script.write_text(f"""import functools, sys
sys.path.insert(0, {str(ROOT)!r})
from gradnets import ensemble, experiment

def draws_a_bar(seed, what):
    return {{"sum": sum(experiment.progress(range(seed), total=seed, what=what))}}

ensemble.run(functools.partial(draws_a_bar, what="inner here"), [1, 2], what="outer here")
ensemble.run(functools.partial(draws_a_bar, what="inner there"), [1, 2], jobs=2, what="outer there")
""")
    with subprocess.Popen([sys.executable, str(script)], stderr=terminal) as process:
        os.close(terminal)
        text = b""
        with contextlib.suppress(OSError):  # where the last who has the terminal open ends
            while chunk := os.read(screen, 1000):
                text += chunk
        os.close(screen)
    assert process.returncode == 0
    assert [words in text for words in (b"outer here", b"inner here", b"outer there", b"inner there")] == [
        True, True, True, False]
    assert b"Traceback" not in text


# ---- going on ---------------------------------------------------------------------------------------------

def test_stored_seeds_are_not_computed_again_and_other_questions_are_kept(folder, tmp_path):
    store = tmp_path / "store.jsonl"
    function = functools.partial(marked, folder=str(folder))
    ensemble.run(function, range(3), store=store)
    foreign = store.read_bytes()
    assert bits(ensemble.run(function, range(5), store=store)) == bits(expected(range(5)))
    assert times(folder) == dict.fromkeys(range(5), 1)
    ensemble.run(functools.partial(marked, folder=str(folder), seconds=0.001), range(2), store=store)
    assert times(folder) == {0: 2, 1: 2, 2: 1, 3: 1, 4: 1}
    assert store.read_bytes().startswith(foreign)
    assert len(store.read_bytes().splitlines()) == 7


def test_key_tells_function_arguments_and_code_apart(tmp_path, monkeypatch):
    @dataclasses.dataclass
    class Settings:
        steps: int
    partial = functools.partial
    arguments = [{}, {"what": 1}, {"what": 1.0}, {"what": True}, {"what": "1"}, {"what": None}, {"what": [1, 2]},
                 {"what": np.zeros(3)}, {"what": np.zeros((3, 1))}, {"what": {"a": 1}}, {"what": Settings(1)},
                 {"what": Settings(2)}, {"what": math.nan}]
    with monkeypatch.context() as patch:
        patch.setattr(ensemble, "_code", lambda *asked: {})  # reading the code takes its time
        keys = [ensemble.key(partial(returns, **some)) for some in arguments]
        keys += map(ensemble.key, (spectrum, partial(returns, 1), partial(returns, 2)))
        assert len(set(keys)) == len(keys)
        assert ensemble.key(partial(partial(returns, what=2), what=1)) == keys[1]
        assert ensemble.key(partial(returns, what=np.float64(1))) == keys[2]
        assert ensemble.key(partial(returns, what=(1, 2))) == keys[6]
    with pytest.raises(ValueError, match="an argument is a object"):
        ensemble.key(partial(returns, what=object()))

    module, helper = tmp_path / "asked_module.py", tmp_path / "asked_helper.py"
    helper.write_text("TWO = 2\n")
    module.write_text("import asked_helper\n\ndef f(seed):\n    return {'a': asked_helper.TWO * seed}\n")
    monkeypatch.syspath_prepend(tmp_path)
    import asked_module
    first = ensemble.key(asked_module.f)
    module.write_text("import asked_helper  # twice\n\n\ndef f(seed):\n    return {'a': asked_helper.TWO*seed}\n")
    assert ensemble.key(asked_module.f) == first
    helper.write_text("TWO = 3\n")
    second = ensemble.key(asked_module.f)
    module.write_text("import asked_helper\n\ndef f(seed):\n    return {'a': asked_helper.TWO + seed}\n")
    assert len({first, second, ensemble.key(asked_module.f)}) == 3


@pytest.fixture
def by_name(tmp_path, monkeypatch):
    """A folder, which is on the path, of a module that `imports_by_name` may import, and of what that imports."""
    folder = tmp_path / "by_name"
    folder.mkdir()
    (folder / "named_helper.py").write_text("TWO = 2\n")
    (folder / "named_script.py").write_text("import named_helper\n\nTHREE = named_helper.TWO + 1\n")
    monkeypatch.syspath_prepend(folder)
    yield folder
    sys.modules.pop("named_script", None)
    sys.modules.pop("named_helper", None)


def imports_by_name(seed, name):
    return {"three": importlib.import_module(name).THREE}


def test_code_of_modules_imported_by_name_belongs_to_the_question(by_name, tmp_path):
    function = functools.partial(imports_by_name, name="named_script")
    store = tmp_path / "store.jsonl"
    assert ensemble.run(function, [0], store=store, modules=("named_script",)) == [{"three": 3}]
    first = ensemble.key(function, ["named_script"])
    assert json.loads(store.read_text())["key"] == first
    (by_name / "named_script.py").write_text("import named_helper  # two\nTHREE = named_helper.TWO+1\n")
    assert ensemble.key(function, ["named_script"]) == first
    (by_name / "named_script.py").write_text("import named_helper\nTHREE = 1 + named_helper.TWO\n")
    second = ensemble.key(function, ["named_script"])
    (by_name / "named_helper.py").write_text("TWO = 4\n")
    assert len({ensemble.key(function), first, second, ensemble.key(function, ["named_script"])}) == 4
    assert ensemble.key(function, ["named_script", "named_helper"]) == ensemble.key(function, ["named_script"])


@pytest.mark.parametrize(("modules", "word"), [
    (("no_such_module",), "the module 'no_such_module' is found nowhere"), (("no.such",), "'no.such' is found"),
    (("sys",), "the module 'sys' is found nowhere"), (("",), "is found nowhere"), ((3,), "modules is"),
    ("named_script", "modules is 'named_script': expected several"), (None, "modules is None")])
def test_modules_that_are_not_there_are_refused(modules, word):
    for ask in (lambda: ensemble.key(spectrum, modules), lambda: ensemble.run(spectrum, [0], modules=modules)):
        with pytest.raises(ValueError, match=word) as caught:
            ask()
        assert "\n" not in str(caught.value)


def test_a_store_cut_off_at_any_byte_costs_one_seed(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(ensemble, "key", lambda *asked: "0123456789abcdef")  # reading the code takes its time
    monkeypatch.setattr(ensemble, "_check_function", lambda function: None)
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # and so does the disk
    store = tmp_path / "store.jsonl"
    function = functools.partial(counted, folder=str(folder))
    rows = ensemble.run(function, range(2), store=store)
    whole = store.read_bytes()
    for length in range(len(whole)):
        store.write_bytes(whole[:length])
        for path in folder.iterdir():
            path.unlink()
        assert ensemble.run(function, range(2), store=store) == rows
        assert sorted(times(folder)) == list(range(whole[:length].count(b"\n"), 2))
        assert store.read_bytes() == whole


def counted(seed, folder):
    (Path(folder) / str(seed)).touch()
    return {"x": seed / 3}


@pytest.mark.parametrize("damage", ["digit", "newline", "zeros", "line feed inside"])
def test_a_damaged_line_is_skipped_with_a_word(folder, tmp_path, capsys, damage):
    store = tmp_path / "store.jsonl"
    function = functools.partial(marked, folder=str(folder))
    ensemble.run(function, range(4), store=store)
    lines = store.read_bytes().splitlines(keepends=True)
    lines[1] = {"digit": lines[1].replace(b'"seed": 1', b'"seed": 2', 1), "newline": lines[1][:-1],
                "zeros": b"\0" * (len(lines[1]) - 1) + b"\n",
                "line feed inside": lines[1].replace(b", ", b"\n", 1)}[damage]
    store.write_bytes(b"".join(lines))
    capsys.readouterr()
    assert bits(ensemble.run(function, range(4), store=store)) == bits(expected(range(4)))
    lost = {1, 2} if damage == "newline" else {1}
    assert times(folder) == {seed: 1 + (seed in lost) for seed in range(4)}
    where = "2, 3" if damage == "line feed inside" else "2"
    assert capsys.readouterr().err == f"{store}: line {where} is damaged and skipped\n"
    assert store.read_bytes().startswith(b"".join(lines))


def test_a_file_that_is_no_store_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    for content in (b"my notes\nand no line end", b"{\n"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is no store of seeds: choose another path"):
            ensemble.run(spectrum, [0], store=path)
        assert path.read_bytes() == content
    with pytest.raises(ValueError, match=r"cannot keep results in .*Is a directory"):
        ensemble.run(spectrum, [0], store=tmp_path)
    with pytest.raises(ValueError, match=r"cannot keep results in .*File exists"):
        ensemble.run(spectrum, [0], store=path / "store.jsonl")


def test_a_full_disk_leaves_whole_lines(folder, tmp_path, monkeypatch):
    store = tmp_path / "store.jsonl"
    function = functools.partial(marked, folder=str(folder))
    ensemble.run(function, [0], store=store)
    before, write = store.read_bytes(), os.write

    def full(handle, content):
        write(handle, content[:50])
        raise OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(ValueError, match=r"cannot keep results in .*No space left"):
            ensemble.run(function, range(3), store=store)
    assert store.read_bytes() == before
    assert bits(ensemble.run(function, range(3), store=store)) == bits(expected(range(3)))


def test_a_line_that_the_system_takes_in_pieces_is_whole(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:50]))
    ensemble.run(spectrum, range(2), store=tmp_path / "pieces.jsonl")
    monkeypatch.undo()
    ensemble.run(spectrum, range(2), store=tmp_path / "whole.jsonl")
    assert (tmp_path / "pieces.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def tears(seed, store):
    """Leaves half a line, as another process does that is killed as it writes."""
    with open(store, "ab") as file:
        file.write(b'{"seed": 9, "key')
    return {"seed": seed}


def test_half_a_line_of_another_process_costs_no_line_of_this_one(tmp_path):
    store = tmp_path / "store.jsonl"
    ensemble.run(functools.partial(tears, store=str(store)), range(3), store=store)
    assert [json.loads(line)["seed"] for line in store.read_text().splitlines()] == [0, 1, 2]


def test_nothing_is_written_while_another_has_the_lock(tmp_path):
    store = tmp_path / "store.jsonl"
    run = threading.Thread(target=ensemble.run, args=(spectrum, [0]), kwargs={"store": store}, daemon=True)
    with open(store, "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        run.start()
        run.join(timeout=1)
        assert (run.is_alive(), store.read_bytes()) == (True, b"")
    run.join(timeout=30)
    assert stored(store) == {0}


def test_without_locks_there_is_no_store(tmp_path, monkeypatch):
    monkeypatch.setattr(ensemble, "fcntl", None)
    with pytest.raises(ValueError, match="needs locks"):
        ensemble.run(spectrum, [0], store=tmp_path / "store.jsonl")
    assert len(ensemble.run(spectrum, [0])) == 2


# ---- seeds that fail --------------------------------------------------------------------------------------

@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failing_seed_lets_the_others_finish(folder, tmp_path, jobs):
    store = tmp_path / "store.jsonl"
    with pytest.raises(ensemble.FailedSeed) as caught:
        ensemble.run(functools.partial(fails_on, bad=(4, 1), folder=str(folder)), range(6), jobs, store=store)
    assert str(caught.value) == "seed 1 failed, and so did 1 more of 6: ZeroDivisionError: no reciprocal of 1"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert times(folder) == dict.fromkeys((0, 2, 3, 5), 1)
    assert sorted(json.loads(line)["seed"] for line in store.read_text().splitlines()) == [0, 2, 3, 5]


def test_of_failed_seeds_the_first_is_told_and_not_the_fastest(monkeypatch):
    monkeypatch.setattr(ensemble, "_in_this_process", lambda function, seeds: (
        (seed, None, ZeroDivisionError(f"of {seed}")) for seed in seeds[::-1]))
    with pytest.raises(ensemble.FailedSeed, match=r"seed 3 failed, and so did 1 more of 2: .*of 3"):
        ensemble.run(spectrum, [3, 1])


def test_an_exception_that_cannot_travel_is_told_in_words():
    with pytest.raises(ensemble.FailedSeed, match="Awkward: left right") as caught:
        ensemble.run(fails_awkwardly, [0, 1], jobs=2)
    assert "in fails_awkwardly" in caught.value.__cause__.__notes__[0]


def test_an_interrupt_leaves_a_sound_store(folder, tmp_path):
    store = tmp_path / "store.jsonl"
    with pytest.raises(KeyboardInterrupt):
        ensemble.run(functools.partial(interrupted_at, bad=3, folder=str(folder)), range(6), store=store)
    lines = store.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line)["seed"] for line in lines] == [0, 1, 2]


@pytest.mark.parametrize(("what", "word"), [
    (3, "returned 3: expected a flat dict"), ({1: 2}, "expected a flat dict"), ([{"a": 1}, 2], "returned 2"),
    ({"a": [1]}, r"a of a row is \[1\]"), ({"a": 1j}, "a of a row is 1j"), ({"a": {"b": 1}}, "a of a row is"),
    (None, "returned None")])
def test_rows_that_json_would_not_give_back_are_refused(what, word):
    with pytest.raises(ValueError, match=word):
        ensemble.run(functools.partial(returns, what=what), [0])


@pytest.mark.parametrize(("how", "word"), [
    ({"seeds": 3}, "seeds is 3"), ({"seeds": []}, "no seed"), ({"seeds": [1, 2, 1]}, "seed 1 is there 2 times"),
    ({"seeds": [0.5]}, r"seeds is \[0.5\]"), ({"seeds": [True]}, "no bools"), ({"seeds": [-1]}, "seed -1"),
    ({"seeds": "12"}, "seeds is '12'"), ({"jobs": 0}, "jobs is 0"), ({"jobs": 1.5}, "jobs is 1.5"),
    ({"jobs": True}, "jobs is True"), ({"cluster": "host:8786"}, "cluster is 'host:8786'"),
    ({"cluster": "tcp://host"}, "cluster is"), ({"cluster": "tcp://host:99999"}, "cluster is"),
    ({"cluster": "http://host:80"}, "cluster is"), ({"cluster": "tls://host:80"}, "the tcp address"),
    ({"cluster": 8786}, "cluster is 8786"),
    ({"cluster": None}, "cluster is None"), ({"function": lambda seed: {}}, "cannot be sent"),
    ({"function": max}, "cannot be sent"), ({"function": "f"}, "cannot be sent")])
def test_bad_arguments_are_refused_in_one_line(how, word):
    with pytest.raises(ValueError, match=word) as caught:
        ensemble.run(**({"function": spectrum, "seeds": [0]} | how))
    assert "\n" not in str(caught.value)


def test_a_function_that_reads_a_flags_constant_is_refused(tmp_path, monkeypatch):
    (tmp_path / "flagged.py").write_text("STEPS = 5  # of training\n\ndef f(seed):\n"
                                         "    return [{'a': STEPS} for _ in range(2)]\n")
    monkeypatch.syspath_prepend(tmp_path)
    import flagged
    with pytest.raises(ValueError, match="f reads the constant STEPS"):
        ensemble.run(flagged.f, [0])


# ---- worker processes -------------------------------------------------------------------------------------

def test_a_killed_worker_process_is_told_and_the_next_run_has_new_ones(tmp_path):
    store = tmp_path / "store.jsonl"
    with pytest.raises(ValueError, match="a worker process was killed"):
        ensemble.run(functools.partial(kills_its_process, bad=5), range(8), jobs=2, store=store)
    rows = ensemble.run(functools.partial(kills_its_process, bad=99), range(8), jobs=2, store=store)
    assert rows == [{"seed": seed} for seed in range(8)]


def test_a_worker_that_has_grown_is_replaced_without_a_word():
    pytest.importorskip("psutil")  # loky measures with it
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        rows = ensemble.run(ends_its_worker, range(5), jobs=2)
    assert len({row["pid"] for row in rows}) > 2
    assert [str(warning.message) for warning in heard] == []


def test_worker_processes_load_the_code_as_it_is_when_a_run_starts(by_name):
    function = functools.partial(imports_by_name, name="named_script")
    how = {"jobs": 2, "modules": ["named_script"]}
    assert ensemble.run(function, [0, 1], **how) == [{"three": 3}, {"three": 3}]
    (by_name / "named_helper.py").write_text("TWO = 20\n")
    assert ensemble.run(function, [0, 1], **how) == [{"three": 21}, {"three": 21}]


# ---- whole runs killed ------------------------------------------------------------------------------------

SCRIPT = """
import functools, os, random, signal, sys, time
sys.path[:0] = [{root!r}, {tests!r}]
from gradnets import ensemble
from test_ensemble import marked

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and so would this
function = functools.partial(marked, folder={folder!r}, seconds={seconds})

def run(seeds, jobs=1):
    return ensemble.run(function, seeds, jobs, store={store!r})

def fork(seeds):
    process = os.fork()
    if not process:
        run(seeds)
        os._exit(0)
    return process

if __name__ == "__main__":
    {what}
"""


def start(tmp_path, folder, store, what, seconds=0.02):
    """A script in a group of processes of its own."""
    path = tmp_path / "killed.py"
    path.write_text(SCRIPT.format(root=str(ROOT), tests=str(ROOT / "tests"), folder=str(folder), store=str(store),
                                  what=what, seconds=seconds))
    return subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            start_new_session=True)


def stored(store):
    return {json.loads(line)["seed"] for line in store.read_text().split("\n")[:-1]} if store.exists() else set()


def goes_on(folder, store, seeds, seconds=0.02):
    """The rest of a killed run, here: the same rows, and nothing twice that was stored."""
    done, before = stored(store), times(folder)
    rows = ensemble.run(functools.partial(marked, folder=str(folder), seconds=seconds), seeds, store=store)
    assert bits(rows) == bits(expected(seeds))
    assert times(folder) - before == collections.Counter(set(seeds) - done)
    assert stored(store) == set(seeds)


def test_runs_killed_at_random_moments_go_on_where_they_stopped(tmp_path, folder, many, tried):
    store, kills = tmp_path / "store.jsonl", many(6, 100)
    # Each run is a process of its own; they share the imports of the one that starts and kills them. Every third is
    # killed within the time that it takes to begin.
    process = start(tmp_path, folder, store, f"""for k in range({kills}):
        before = len(os.listdir({str(folder)!r}))
        process = fork(range(10_000))
        while len(os.listdir({str(folder)!r})) == before and k % 3 != 1:
            time.sleep(0.001)
        time.sleep(random.choice((0.01, 0.1)) * (0.2 + random.random()))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        lines = open({str(store)!r}, "rb").read().split(b"\\n")[:-1]
        print(*(ensemble._sound(line)[0] for line in lines), sep=",", end=";")
        print(*(name.split("-")[0] for name in os.listdir({str(folder)!r})), sep=",")""")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    moments = [[collections.Counter(filter(None, part.split(","))) for part in line.split(";")]
               for line in out.splitlines()]
    assert len(moments) == kills
    for (done, counts), (_, later) in itertools.pairwise(moments):
        assert all(later[seed] == counts[seed] for seed in done)
        assert max(done.values(), default=1) == 1
    goes_on(folder, store, range(max(stored(store), default=0) + 3))
    tried("6 ensembles killed at a random moment", kills)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_two_worker_processes_killed_or_interrupted_go_on_as_well(tmp_path, folder, how, many, tried):
    store, kills = tmp_path / "store.jsonl", many(1, 20 if how == signal.SIGKILL else 2)
    for k in range(kills):
        done, before = stored(store), times(folder)
        process = start(tmp_path, folder, store, "run(range(10_000), jobs=2)")
        deadline = time.monotonic() + 120
        while len(stored(store)) < len(done) + 5 * (k % 2 == 0) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(2 * random.random() * (k % 2))  # or at any moment of the start
        os.killpg(process.pid, how)
        process.communicate(timeout=30)
        assert process.returncode != 0
        assert all(times(folder)[seed] == before[seed] for seed in done)
    assert len(stored(store)) >= 5
    goes_on(folder, store, range(max(stored(store)) + 3))
    if how == signal.SIGKILL:
        tried("6 ensembles killed at a random moment", kills)


def test_two_processes_write_to_one_store(tmp_path, folder):
    store = tmp_path / "store.jsonl"
    process = start(tmp_path, folder, store, """several = [fork(range(0, 60, 2)), fork(range(1, 60, 2))]
    sys.exit(max(os.waitpid(process, 0)[1] for process in several))""", seconds=0.001)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    goes_on(folder, store, range(60), seconds=0.001)
    assert times(folder) == dict.fromkeys(range(60), 1)


# ---- a cluster --------------------------------------------------------------------------------------------

class Silence(socketserver.BaseRequestHandler):
    def handle(self):
        while self.request.recv(100):
            pass


class Web(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


class Garbage(socketserver.BaseRequestHandler):
    """Random bytes until the other side hangs up."""
    def handle(self):
        with contextlib.suppress(OSError):
            while True:
                self.request.sendall(b"\xa7" * 100 + os.urandom(1000))


@pytest.mark.parametrize(("handler", "why"), [
    (None, ".*Connection refused"), (Silence, "nothing in 0.5 s"), (Web, "something else does"),
    (Garbage, "something else does")])
def test_an_address_where_no_scheduler_answers_is_told_in_one_line(monkeypatch, handler, why):
    pytest.importorskip("distributed")
    monkeypatch.setattr(ensemble, "CONNECT_SECONDS", 0.5)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        address = "tcp://{}:{}".format(*server.server_address)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        if handler is None:
            server.socket.close()
        try:
            with pytest.raises(ValueError, match="no Dask scheduler answers") as caught:  # Dask itself: never
                ensemble.run(spectrum, [0], cluster=address)
        finally:
            server.shutdown()
    assert re.fullmatch(rf"no Dask scheduler answers at {address} \({why}\): start one with dask scheduler, or "
                        "correct the address", str(caught.value))


def test_without_distributed_a_cluster_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match="needs the package distributed"):
        ensemble.run(spectrum, [0], cluster="tcp://127.0.0.1:8786")


@pytest.fixture
def cluster(tmp_path):
    """Address of a scheduler in a process of its own, and a function that starts a worker of one thread."""
    pytest.importorskip("distributed")
    processes = []
    # Two threads for the libraries, so that holding them to one is seen.
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests", tmp_path / "by_name")))
    environment = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2",
                                "NUMBA_NUM_THREADS": "2"}

    def dask(*words):
        with open(tmp_path / f"{len(processes)}.log", "w") as log:
            processes.append(subprocess.Popen([sys.executable, "-m", "dask", *map(str, words)], cwd=tmp_path,
                                              env=environment, stdout=log, stderr=log))
        return processes[-1]

    def worker():
        return dask("worker", "--scheduler-file", file, "--no-nanny", "--nthreads", 1, "--no-dashboard",
                    "--host", "127.0.0.1", "--death-timeout", 60)

    file = tmp_path / "scheduler.json"
    try:
        dask("scheduler", "--host", "127.0.0.1", "--port", 0, "--no-dashboard", "--no-show",
             "--scheduler-file", file)
        workers = [worker(), worker()]
        deadline = time.monotonic() + 30
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        yield json.loads(file.read_text())["address"], workers
    finally:
        for process in processes[::-1]:
            process.kill()
            process.wait()


def test_a_cluster_gives_the_same_bits_though_a_worker_is_killed(by_name, cluster, folder, tmp_path, monkeypatch,
                                                                 tried):
    address, workers = cluster
    store = tmp_path / "store.jsonl"

    def kill_one():
        while not any(path.name.split("-")[1] == str(workers[0].pid) for path in folder.iterdir()):
            time.sleep(0.005)
        workers[0].kill()
    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    rows = ensemble.run(functools.partial(marked, folder=str(folder), seconds=0.1), range(14), cluster=address,
                        store=store)
    killer.join(timeout=10)
    assert workers[0].wait(timeout=10) == -signal.SIGKILL
    assert bits(rows) == bits(expected(range(14)))
    assert {path.name.split("-")[1] for path in folder.iterdir()} == {str(worker.pid) for worker in workers}
    assert stored(store) == set(range(14))
    assert len(store.read_text().splitlines()) == 14
    assert set(times(folder)) == set(range(14))
    assert times(folder).total() <= 16  # what the dead worker had in work or in hand is done again
    assert bits(ensemble.run(learned, [3, 0, 2], cluster=address)) == bits(ensemble.run(learned, [3, 0, 2]))
    tried("10 seeds computed on a Dask cluster, a worker of which is killed", 17)

    for row in ensemble.run(threads, range(3), cluster=address):  # one worker of one thread is left
        assert (row["blas"], row["numba"], row["pid"]) == (1, 1, workers[1].pid)
    with pytest.raises(ensemble.FailedSeed, match="seed 1 failed: ZeroDivisionError: no reciprocal of 1"):
        ensemble.run(functools.partial(fails_on, bad=(1,), folder=str(folder)), range(3), cluster=address)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "unknown_to_workers.py").write_text("def f(seed):\n    return {'a': seed}\n")
    monkeypatch.syspath_prepend(tmp_path / "only")
    import unknown_to_workers
    with pytest.raises(ensemble.FailedSeed, match=r"seed 0 failed, and so did 1 more of 2: .*unknown_to_workers"):
        ensemble.run(unknown_to_workers.f, range(2), cluster=address)
    with pytest.raises(ensemble.FailedSeed, match=r"unknown_to_workers on the worker .* is missing"):
        ensemble.run(spectrum, range(2), cluster=address, modules=["unknown_to_workers"])
    named, how = functools.partial(imports_by_name, name="named_script"), {"modules": ["named_script"]}
    assert ensemble.run(named, range(2), cluster=address, **how) == [{"three": 3}, {"three": 3}]
    (by_name / "named_helper.py").write_text("TWO = 20\n")
    with pytest.raises(ensemble.FailedSeed, match=r"named_helper on the worker .* restart them"):
        ensemble.run(named, range(2), cluster=address, **how)
    (no_scheduler,) = re.findall(r"worker at: +(tcp://\S+)", (tmp_path / "2.log").read_text())
    with pytest.raises(ValueError, match=rf"no Dask scheduler answers at {no_scheduler} \(a Dask worker does\)"):
        ensemble.run(spectrum, [0], cluster=no_scheduler)
    monkeypatch.setattr(ensemble, "CONNECT_SECONDS", 1)
    workers[1].kill()
    workers[1].wait()
    with pytest.raises(ValueError, match="has no worker after 1 s"):
        ensemble.run(spectrum, range(2), cluster=address)
