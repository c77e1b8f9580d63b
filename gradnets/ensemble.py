"""One function over many seeds: in this process, in worker processes or on a Dask cluster; on disk as they finish.

    function = functools.partial(excess_of_one_seed, steps=500, batch_size=8)
    rows = ensemble.run(function, range(100), jobs=2, store="out/excess.jsonl")

The rows are the same to the bit whichever way they come: BLAS and numba are held to one thread, and every row
passes through the same JSON text, also in this process and without a store. That holds for machines of one kind,
since BLAS libraries compute in another order on another processor.

A store is a file of JSON lines, one a finished seed, in the order in which they finish:

    {"seed": 3, "key": "89c1a53fca21e6c0", "rows": [{"seed": 3, "excess": {"float": "nan"}}], "check": "0ba2bd5e"}

`key` says what was asked (see `key`), so that several questions can share a store, and nothing is reused that
other code or other settings gave. A float is written with as many digits as give the same float64 back; nan, inf
and -inf, which JSON lacks, as {"float": "nan"} and so on. `check` is the CRC-32 of all that stands before it on
the line.
"""
import ast
import asyncio
import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import importlib.util
import inspect
import json
import math
import operator
import os
import pickle
import platform
import socket
import sys
import traceback
import urllib.parse
import warnings
import zlib
from importlib import metadata
from pathlib import Path

import cloudpickle
import joblib
import numba
import numpy as np
import scipy.linalg  # noqa: F401 - its BLAS is there before threads are held to one, and not by a seed's import
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import BrokenProcessPool
from threadpoolctl import threadpool_limits

from gradnets import experiment

try:
    import fcntl
except ImportError:  # only where there is no POSIX
    fcntl = None

CONNECT_SECONDS = 10  # for a scheduler to answer, and for its first worker to come up
START = b'{"seed": '   # of every line of a store


class FailedSeed(ValueError):
    """The function raised an exception, which is this one's cause; the other seeds are done."""


def run(function, seeds, jobs=1, cluster="", store=None, what="", modules=()):
    """The rows of a function for each of many seeds.

    Parameters
    ----------
    function : function of a seed (int), at the top level of a module, or functools.partial of one
        Returns one flat dict, or a list of them, of numbers, strings, bools and None by strings. It depends on its
        arguments alone, not on constants of its script, which flags set in this process and not in the workers.
    seeds : several int, at least 0, none twice
    jobs : int
        1: in this process; more: as many worker processes on this machine.
    cluster : str, optional
        tcp://host:port of the scheduler of a running Dask cluster. It and its workers have the same code and
        libraries as this process; the workers' threads decide how many seeds are in work, not `jobs`. Give each
        worker one thread (--nthreads 1): numba's loops may not run in two threads at once.
    store : path, optional
        Finished seeds are read from here, and each that finishes is on disk here before the next is counted.
    what : str
        Written before the bar.
    modules : several str
        Modules that the function imports by name as it runs, such as "grad_network": their code, with what they
        import, is part of the question too, as if import statements showed them (see `key`).

    Returns
    -------
    list of dict
        In the order of the seeds, whatever the order they finished in; those of one seed as the function has them.

    Raises
    ------
    FailedSeed
        After all others have finished, if the function failed for some seeds; these are not in the store.
    ValueError
        For other arguments than these, a row that JSON cannot hold, a store that cannot be written or is none, a
        scheduler that cannot be reached, a worker process that died; what has finished stays in the store. A Dask
        worker that dies costs no seed, unless it dies of the same one time and again.

    Notes
    -----
    Several processes may write to one store at once; a seed that both of them do is then in it twice.
    """
    seeds = _whole(seeds)
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise ValueError(f"jobs is {jobs!r}: expected a positive whole number")
    _check_cluster(cluster)
    _check_function(function)
    _files(modules)
    code = _code(function, modules) if cluster or jobs > 1 else {}
    asked = None if store is None else key(function, modules)
    done = {} if store is None else _read(store, asked)
    todo = [seed for seed in seeds if seed not in done]
    if cluster:
        results = _on_cluster(function, todo, cluster, code)
    elif jobs > 1:
        results = _in_processes(function, todo, jobs, code)
    else:
        results = _in_this_process(function, todo)
    failed = {}
    with contextlib.closing(results):
        for seed, rows, error in experiment.progress(results, total=len(todo), what=what):
            if error is not None:
                failed[seed] = error
                continue
            if store is not None:
                _append(store, seed, asked, rows)
            done[seed] = rows
    if failed:
        first = min(failed, key=seeds.index)
        others = f", and so did {len(failed) - 1} more of {len(seeds)}" if len(failed) > 1 else ""
        error = failed[first]
        raise FailedSeed(f"seed {first} failed{others}: {type(error).__name__}: {_one_line(error)}") from error
    return [row for seed in seeds for row in _decode(done[seed])]


def key(function, modules=()):
    """What was asked, as 16 hexadecimal digits: the function's name, a partial's arguments, and the code.

    The code is that of the function's module, of `modules`, and of all modules beside these, or in this
    repository, which they import, and which those import, without comments and layout; and the versions of Python
    and of the libraries. A file that the function reads is not in it: give what tells one from another, such as a
    name, as an argument.

    Raises
    ------
    ValueError
        If an argument is no number, string, bool, None, array, or list, tuple, dict or dataclass of such, or no
        file is found for one of the modules.
    """
    base, args, kwargs = _parts(function)
    asked = [_name(base), [_canonical(value) for value in args], _canonical(kwargs), _code(function, modules)]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


# ---- what is asked ----------------------------------------------------------------------------------------

def _whole(seeds):
    try:
        found = list(seeds)
        whole = [operator.index(seed) for seed in found if not isinstance(seed, bool | np.bool_)]
    except TypeError:
        raise ValueError(f"seeds is {_short(seeds)}: expected whole numbers, as in range(10)") from None
    if len(whole) < len(found):
        raise ValueError(f"seeds is {_short(found)}: expected whole numbers, no bools")
    found = whole
    if not found:
        raise ValueError("there is no seed: expected at least one, as in range(10)")
    if min(found) < 0:
        raise ValueError(f"seed {min(found)}: expected whole numbers of at least 0")
    if len(set(found)) < len(found):
        twice = next(seed for seed in found if found.count(seed) > 1)
        raise ValueError(f"seed {twice} is there {found.count(twice)} times: expected each once")
    return found


def _check_cluster(cluster):
    if cluster == "":
        return
    try:
        parts = urllib.parse.urlsplit(cluster)
        sound = parts.scheme == "tcp" and parts.hostname and parts.port and parts.path in ("", "/")
    except (ValueError, TypeError, AttributeError):
        sound = False
    if not (sound and isinstance(cluster, str)):
        raise ValueError(f"cluster is {cluster!r}: expected the tcp address of a scheduler, as tcp://host:8786")


def _parts(function):
    args, kwargs = (), {}
    while isinstance(function, functools.partial):
        args, kwargs, function = function.args + args, function.keywords | kwargs, function.func
    return function, args, kwargs


def _check_function(function):
    base = _parts(function)[0]
    if not (inspect.isfunction(base) and base.__name__ == base.__qualname__ != "<lambda>"):
        raise ValueError(f"{base!r} cannot be sent to workers: expected a function at the top level of a module, "
                         "or functools.partial of one")
    file = inspect.getfile(base)
    if not Path(file).is_file():
        raise ValueError(f"{base.__name__} is in no file ({file}): write it into a module")
    read = _names(base.__code__) & set(experiment.constants(file))
    if read:
        raise ValueError(f"{base.__name__} reads the constant {min(read)}, which a flag sets in this process but "
                         "not in the workers: make it an argument, which functools.partial gives")


def _names(code):
    """Globals and attributes that compiled code reads, nested functions too."""
    return set(code.co_names).union(*(_names(const) for const in code.co_consts if inspect.iscode(const)))


def _name(base):
    """Module and function; a script has one name whether it is run or imported."""
    module = base.__module__ if base.__module__ != "__main__" else Path(inspect.getfile(base)).stem
    return f"{module}.{base.__name__}"


def _canonical(value):
    """An argument as JSON can hold it: an array by dtype, shape and SHA-256."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value if not isinstance(value, float) else {"float": repr(value)}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return {"dict": [[_canonical(name), _canonical(item)] for name, item in sorted(value.items())]}
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"array": [value.dtype.str, value.shape, content]}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {type(value).__qualname__: [_canonical(getattr(value, field.name))
                                           for field in dataclasses.fields(value)]}
    raise ValueError(f"an argument is a {type(value).__name__}, by which a store cannot tell questions apart: "
                     "expected numbers, strings, bools, None, arrays, or containers and dataclasses of them")


def _code(function, modules=()):
    """{module or library: digest of its syntax tree, or version}, of all that the function's module and the other
    modules import."""
    base = _parts(function)[0]
    own = {_name(base).rpartition(".")[0]: Path(inspect.getfile(base)).resolve()}
    waiting = own | _files(modules)
    folders = [file.parents[name.count(".") + (file.name == "__init__.py")] for name, file in waiting.items()]
    found = {}
    while waiting:
        name, file = waiting.popitem()
        tree = ast.parse(file.read_bytes())
        found[name] = _digest(tree)
        for imported in _imported(tree, name if file.name == "__init__.py" else name.rpartition(".")[0]):
            near = [folder.joinpath(*imported.split(".")) for folder in [*folders, experiment.ROOT]]
            files = [file for stem in near for file in (stem.with_suffix(".py"), stem / "__init__.py")
                     if file.is_file() and "site-packages" not in file.parts]
            if files and imported not in found:
                waiting[imported] = files[0]
    libraries = {name: metadata.version(name) for name in experiment.PACKAGES}
    return {"python": platform.python_version()} | dict(sorted(found.items())) | libraries


def _files(modules):
    """{name: path} of where Python would import modules from."""
    if not (isinstance(modules, tuple | list) and all(isinstance(name, str) for name in modules)):
        raise ValueError(f"modules is {_short(modules)}: expected several names, as in ('grad_network',)")
    files = {}
    for name in modules:
        try:
            found = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            found = None
        if not (found and found.origin and found.origin.endswith(".py")):
            raise ValueError(f"the module {name!r} is found nowhere: expected the name of a script or module that "
                             "can be imported here, as 'grad_network'")
        files[name] = Path(found.origin).resolve()
    return files


def _imported(tree, package):
    """Names that may be modules, of all import statements."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[:len(package.split(".")) - node.level + 1] if node.level else []
            stem = ".".join([*above, *([node.module] if node.module else [])])
            yield from (stem, *(f"{stem}.{alias.name}" for alias in node.names))


def _digest(tree):
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


# ---- one seed ---------------------------------------------------------------------------------------------

def _one(function, seed):
    """(seed, JSON text of its rows, None), or (seed, None, the exception)."""
    try:
        return seed, _encode(function(seed)), None
    except (Exception, SystemExit) as error:
        return seed, None, error


def _one_in_worker(asked, seed):
    """The same in a process that others may share: one thread for good, since limits put back would lift a
    neighbour's; no bars; and an exception that survives the way back. asked: the function and its code, pickled
    here rather than by Dask, whose scheduler would import the function too, and hide what goes wrong there."""
    try:
        function, code = pickle.loads(asked)
        _check_code(code)
    except Exception as error:
        return seed, None, _portable(error)
    threadpool_limits(limits=1)
    _set_numba_threads(1)
    sys.stderr.isatty = lambda: False  # no bars over that of the process that asks
    seed, rows, error = _one(function, seed)
    return seed, rows, error and _portable(error)


def _portable(error):
    """An exception that pickle can carry, with its traceback as a note."""
    text = "".join(traceback.format_exception(error))
    try:
        error = pickle.loads(pickle.dumps(error))  # fails where its __init__ takes other arguments
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {_one_line(error)}")
    error.add_note(text)
    return error


def _set_numba_threads(threads):
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    return before


@functools.cache  # as the file was when it was first asked for: a worker does not load it again
def _digest_here(module):
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    return _digest(ast.parse(Path(found.origin).read_bytes())) if found else "missing"


def _check_code(code):
    """ValueError where a worker would compute with other code or libraries than those of the process that asks."""
    for name, expected in code.items():
        if name in experiment.PACKAGES:
            here = metadata.version(name)
        else:
            here = platform.python_version() if name == "python" else _digest_here(name)
        if here != expected:
            raise ValueError(f"{name} on the worker {platform.node()} is {here}, here it is {expected}: "
                             "give the workers the same code and libraries, and restart them")


def _encode(rows):
    """The text of one seed's rows: a JSON list of objects, without any line end."""
    plain = []
    for row in [rows] if isinstance(rows, dict) else rows if isinstance(rows, list | tuple) else [rows]:
        if not (isinstance(row, dict) and all(isinstance(name, str) for name in row)):
            raise ValueError(f"the function returned {_short(row)}: expected a flat dict by strings, or a list of "
                             "such")
        plain.append({name: _encode_value(name, value) for name, value in row.items()})
    return json.dumps(plain, allow_nan=False)


def _encode_value(name, value):
    value = value.item() if isinstance(value, np.generic) else value
    if not (value is None or isinstance(value, bool | int | float | str)):
        raise ValueError(f"{name} of a row is {_short(value)}: expected a number, a string, a bool or None")
    return {"float": repr(float(value))} if isinstance(value, float) and not math.isfinite(value) else value


def _decode(text):
    return [{name: float(value["float"]) if isinstance(value, dict) else value for name, value in row.items()}
            for row in json.loads(text)]


def _short(value):
    text = " ".join(repr(value).split())
    return text if len(text) < 60 else f"{text[:57]}..."


def _one_line(error):
    return " ".join(str(error).split()) or "no message"


# ---- three ways -------------------------------------------------------------------------------------------

def _in_this_process(function, seeds):
    before = _set_numba_threads(1)
    try:
        for seed in seeds:
            with threadpool_limits(limits=1):
                result = _one(function, seed)
            yield result
    finally:
        _set_numba_threads(before)


_workers = None  # code and paths that this process's worker processes were started with, and keep


def _in_processes(function, seeds, jobs, code):
    global _workers
    if not seeds:
        return
    if _workers != (code, sys.path):
        get_reusable_executor().shutdown(wait=True)  # joblib would go on with them
        _workers = code, list(sys.path)
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        # Large arrays go to the workers as they are: as memory maps, they could not be written to.
        parallel = joblib.Parallel(jobs, return_as="generator_unordered", batch_size=1, max_nbytes=None)
    try:
        with warnings.catch_warnings():
            # loky replaces a process that has grown by 300 MB, which costs no seed, and warns of it.
            warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
            yield from _results(parallel, function, seeds, code)
    except BrokenProcessPool as error:
        raise ValueError("a worker process was killed, perhaps for want of memory: run again, with fewer jobs, "
                         "and with a store to go on from") from error


def _on_cluster(function, seeds, cluster, code):
    try:
        import distributed
    except ImportError:
        raise ValueError(f"a cluster ({cluster}) needs the package distributed: pip install 'dask[distributed]'"
                         ) from None
    if not seeds:
        return
    try:
        _check_scheduler(cluster)
        client = distributed.Client(cluster, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # of any kind, where something else answers
        why = (f"nothing in {CONNECT_SECONDS} s" if isinstance(error, TimeoutError)
               else _one_line(error) if isinstance(error, OSError) else "something else does")
        raise ValueError(f"no Dask scheduler answers at {cluster} ({why}): start one with dask scheduler, or "
                         "correct the address") from error
    with client:
        backend = _backend(client)
        parallel = joblib.Parallel(backend=backend, return_as="generator_unordered", batch_size=1,
                                   pre_dispatch="all")
        try:
            yield from _results(parallel, function, seeds, code)
        except TimeoutError as error:
            raise ValueError(f"the scheduler at {cluster} has no worker after {CONNECT_SECONDS} s: start some "
                             f"with dask worker {cluster}") from error


def _check_scheduler(cluster):
    """An exception where no scheduler answers: Dask's client would try a closed port for long, and wait without
    end for one who says nothing."""
    import distributed
    parts = urllib.parse.urlsplit(cluster)
    socket.create_connection((parts.hostname, parts.port), timeout=CONNECT_SECONDS).close()

    async def identity():
        comm = await distributed.comm.connect(cluster, timeout=CONNECT_SECONDS)
        try:
            return await distributed.core.send_recv(comm, op="identity")
        finally:
            comm.abort()

    async def in_time():
        return await asyncio.wait_for(identity(), CONNECT_SECONDS)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:  # this one may have an event loop, as in a notebook
        found = thread.submit(asyncio.run, in_time()).result()["type"]
    if found != "Scheduler":
        raise ConnectionError(f"a Dask {found.lower()} does")


def _results(parallel, function, seeds, code):
    base = _parts(function)[0]
    if base.__module__ == "__main__":  # cloudpickle sends its code along, that of others is imported there
        code = {name: digest for name, digest in code.items() if name != Path(inspect.getfile(base)).stem}
    # In a partial and not an argument: joblib would place arguments in the memory of one Dask worker, whose death
    # would lose them.
    task = joblib.delayed(functools.partial(_one_in_worker, cloudpickle.dumps((function, code))))
    results = parallel(task(seed) for seed in seeds)
    try:
        yield from results
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that some results were not waited for
            results.close()


def _backend(client):
    """joblib's Dask backend, but for two cases.

    A task that Dask itself gives up (its worker died four times, or cannot import this module, or the scheduler
    is gone) would never end for joblib: here it becomes the failure of its seed. And a cluster of one thread would
    be passed over for this process.
    """
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):
        def effective_n_jobs(self, n_jobs):
            return max(2, super().effective_n_jobs(n_jobs))

        def submit(self, func, callback=None):
            (_, (seed,), _), = func.items

            def arrived(result):
                if not isinstance(result, list):
                    error = result if isinstance(result, BaseException) else RuntimeError("the cluster gave it up")
                    result = [(seed, None, error)]
                callback(result)

            future = super().submit(func, arrived)
            future.add_done_callback(lambda done: done.exception() and arrived(done.exception()))
            return future

        def retrieve_result_callback(self, out):
            return out

    return Backend(client=client, wait_for_workers_timeout=CONNECT_SECONDS)


# ---- the store --------------------------------------------------------------------------------------------

def _read(store, asked):
    """{seed: text of its rows} of the store's sound lines with this key. Makes the file where there is none."""
    with _locked(store) as handle:
        content = _mend(store, handle)
        folder = os.open(Path(store).parent, os.O_RDONLY)
        os.fsync(folder)  # the name of a new file
        os.close(folder)
    found, damaged = {}, []
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        sound = _sound(line)
        if sound is None:
            damaged.append(number)
        elif sound[1] == asked:
            found.setdefault(sound[0], sound[2])
    if damaged:
        print(f"{store}: line {', '.join(map(str, damaged))} is damaged and skipped", file=sys.stderr)
    return found


def _line(seed, asked, rows):
    body = f'{{"seed": {seed}, "key": "{asked}", "rows": {rows}'.encode()
    return body + _check(body) + b"\n"


def _check(body):
    return f', "check": "{zlib.crc32(body):08x}"}}'.encode()


def _sound(line):
    """(seed, key, text of the rows) of a line whose checksum is right, else None."""
    body = line[:-len(_check(b""))]
    if line != body + _check(body):
        return None
    try:
        entry = json.loads(line)
        return entry["seed"], entry["key"], json.dumps(entry["rows"], allow_nan=False)
    except (ValueError, KeyError, TypeError):
        return None


def _append(store, seed, asked, rows):
    """One line at the end, on disk when this returns; nothing of it where that fails."""
    line = _line(seed, asked, rows)
    with _locked(store) as handle:
        _mend(store, handle, tail_only=True)
        end = os.lseek(handle, 0, os.SEEK_END)
        try:
            written = 0
            while written < len(line):
                written += os.write(handle, line[written:])
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, end)
            raise


def _mend(store, handle, tail_only=False):
    """Cut off a last line that has no end, of a process that was killed as it wrote; the content, or its end."""
    size = os.fstat(handle).st_size
    if tail_only and (not size or os.pread(handle, 1, size - 1) == b"\n"):
        return b""
    content = b""
    while chunk := os.pread(handle, 1 << 24, len(content)):
        content += chunk
    if content[:len(START)] != START[:len(content)] and not any(map(_sound, content.split(b"\n"))):
        raise ValueError(f"{store} is no store of seeds: choose another path, or move that file away")
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.ftruncate(handle, whole)
    return content[:whole]


@contextlib.contextmanager
def _locked(store):
    """The store, open to read and write, while no other process reads or writes it."""
    if fcntl is None:
        raise ValueError(f"a store ({store}) needs locks (fcntl), which this system lacks: run without one")
    path = Path(store)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield handle
        finally:
            os.close(handle)  # and with it the lock
    except OSError as error:
        raise ValueError(f"cannot keep results in {store} ({error.strerror or error}): choose another path"
                         ) from error
