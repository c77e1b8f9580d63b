"""Three ways to compute many cases: in this process, in worker processes, and on a Dask cluster.

Each is an executor, and `collect` has one loop for all. An executor's `prepare` makes a task of a function, `submit` a
future of a task and a case, `as_completed` yields the futures as they finish, and `result` returns the JSON text of a
result, or the exception that the function raised. Libraries that take long to import are imported when they are needed.
"""
import asyncio
import concurrent.futures
import contextlib
import functools
import logging
import os
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
import urllib.parse
import warnings
from multiprocessing import resource_tracker

from gradnets import threads
from gradnets.errors import UserError, one_line
from gradnets.experiment import fingerprint
from gradnets.experiment.encoding import decode, encode

CONNECT_SECONDS = 10  # how long a scheduler may take to answer, and a cluster may be without a worker
IDLE_SECONDS = 10     # how long worker processes wait for the next run
THREADS = (*threads.VARIABLES, "NUMBA_NUM_THREADS")


class WorkerLost(UserError):
    """Worker processes or a scheduler ended; the cases that had finished are returned before."""


def collect(function, cases, executor):
    """Compute many cases and yield each as it finishes, in any order.

    Parameters
    ----------
    function : function at the top level of a module, or functools.partial of one
    cases : list of str
        JSON texts of keyword arguments.
    executor : InThisProcess, WorkerProcesses or DaskCluster

    Yields
    ------
    case : str
    result : str or None
        JSON text.
    error : Exception or None
        What the function raised.

    Raises
    ------
    UserError
        If the workers cannot compute anything; or WorkerLost, after all that had finished was yielded.
    """
    lost = None
    with executor:
        task = executor.prepare(function)
        futures = {executor.submit(task, case): case for case in cases}
        for future in executor.as_completed(list(futures)):
            case = futures.pop(future)
            try:
                result, error = executor.result(future)
            except WorkerLost as failure:
                lost = lost or failure
            else:
                yield case, result, error
    if lost:
        raise lost


def compute(function, case):
    """Return the result of a case as JSON text and None, or None and the exception that the function raised."""
    try:
        return encode("the result", function(**decode(case))), None
    except (Exception, SystemExit) as error:
        return None, error


# ---- this process -----------------------------------------------------------------------------------------

class InThisProcess:
    """Compute the cases one after another, each when the caller asks for its result."""

    def __enter__(self):
        pass

    def __exit__(self, *error):
        pass

    def prepare(self, function):
        return function

    def submit(self, function, case):
        return functools.partial(compute, function, case)

    def as_completed(self, futures):
        return futures

    def result(self, future):
        with threads.single_blas_thread(), _single_numba_thread():
            return future()


@contextlib.contextmanager
def _single_numba_thread():
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


# ---- in a worker ------------------------------------------------------------------------------------------

def make_task(function, code):
    """Return a function of a case that can be sent to another process, which then needs the code that `code` names.

    The task itself needs no module of this repository, so that a worker without the repository can say so, and so that
    Dask's scheduler, which unpickles what it passes on, does not need the repository either.
    """
    import cloudpickle

    if fingerprint.parts(function)[0].__module__ == "__main__":  # cloudpickle sends its code along
        code = {name: value for name, value in code.items() if name != fingerprint.module_name(function)}
    try:
        content = cloudpickle.dumps(functools.partial(compute_in_worker, function, code))
    except Exception as error:  # of any kind, from the arguments of a partial
        raise UserError(f"the function cannot be sent to workers ({type(error).__name__}: {one_line(error)}): give it "
                        "numbers, strings, arrays and dataclasses as arguments") from error

    def task(case):  # not at the top level of the module: such a function is sent by its code and not by its name
        import pickle
        import platform
        try:
            call = pickle.loads(content)
        except Exception as error:
            return (f"the worker {platform.node()} cannot load the function ({type(error).__name__}: {error}): start "
                    "it in the repository's folder, or with that folder in PYTHONPATH")
        return call(case)
    return task


def compute_in_worker(function, code, case):
    """Compute a case in a process that others may share.

    Returns
    -------
    str, or (str, None), or (None, bytes)
        Why this worker cannot be used, the result of the case, or the pickled exception that the function raised.
    """
    try:
        fingerprint.check_code(code)
    except UserError as error:
        return str(error)
    _hold_one_thread()
    os.environ["TQDM_DISABLE"] = "1"  # only the process that the user sees draws bars
    result, error = compute(function, case)
    return result, error and portable(error)


def _hold_one_thread():
    """Hold BLAS and numba to one thread, for good: lifted limits would be lifted for other threads of this process too.

    The environment limits the libraries that are not loaded yet.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
    loaded = sys.modules.get("numba")  # which refuses that the environment changes
    if loaded:
        loaded.set_num_threads(1)
    os.environ.update({name: "1" for name in THREADS if not (loaded and name == "NUMBA_NUM_THREADS")})


def portable(error):
    """Return an exception as bytes, with its traceback as a note.

    An exception that pickle cannot bring back, since its __init__ takes other arguments, becomes one of the nearest
    class above its own that pickle can bring back.
    """
    import cloudpickle

    message, note = f"{type(error).__name__}: {one_line(error)}", "".join(traceback.format_exception(error))
    for kind in type(error).__mro__:
        with contextlib.suppress(Exception):
            copy = error if kind is type(error) else kind(message)
            copy.add_note(note)
            content = cloudpickle.dumps(copy)
            if isinstance(pickle.loads(content), kind):
                return content
    raise error


# ---- worker processes -------------------------------------------------------------------------------------

class WorkerProcesses:
    """Compute the cases in worker processes on this machine, which stay for the next run for some seconds.

    jobs : int, their number; code : dict, of `fingerprint.code`: processes that loaded other code are not used again.
    """

    def __init__(self, jobs, code):
        self.jobs, self.code = jobs, code

    def __enter__(self):
        import loky

        variables = dict.fromkeys(THREADS, "1") | {"TQDM_DISABLE": "1"}
        loaded = tuple(self.code.items()), tuple(sys.path)  # processes that were started with others are replaced
        resource_tracker.ensure_running()  # which else lets interrupts through as soon as the first worker starts
        with _without_interrupts():
            self._pool = loky.get_reusable_executor(self.jobs, timeout=IDLE_SECONDS, env=variables,
                                                    initializer=_end_with_parent, initargs=(os.getpid(), loaded))

    def __exit__(self, kind, *error):
        if kind is not None:  # also if the caller wants no more results
            self._pool.shutdown(wait=True, kill_workers=True)

    def prepare(self, function):
        return make_task(function, self.code)

    def submit(self, task, case):
        import loky

        try:
            with _without_interrupts():
                return self._pool.submit(task, case)
        except loky.BrokenProcessPool as error:  # a worker was killed already: what others have finished counts
            future = concurrent.futures.Future()
            future.set_exception(error)
            return future

    def as_completed(self, futures):
        with warnings.catch_warnings():
            # A process that has grown by 300 MB is replaced, which costs no case.
            warnings.filterwarnings("ignore", "A worker (stopped|was restarted) while some jobs", UserWarning)
            yield from concurrent.futures.as_completed(futures)

    def result(self, future):
        import loky

        try:
            return _received(future.result())
        except loky.BrokenProcessPool as error:
            raise WorkerLost("a worker process was killed, perhaps because memory was short: run again with fewer "
                             "jobs, and with a store that keeps what has finished") from error


def _end_with_parent(parent, _):
    """End this process soon after the process that started it, however that was ended."""
    def watch():
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)
    if hasattr(os, "getppid"):
        threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _without_interrupts():
    """Hold back Ctrl-C, also from processes and threads that the block starts: they do not print tracebacks then."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _received(answer):
    """Return the result and the error that a worker sent, or raise UserError if that worker cannot be used."""
    if isinstance(answer, str):
        raise UserError(answer)
    result, error = answer
    return result, error and pickle.loads(error)


# ---- a cluster --------------------------------------------------------------------------------------------

class DaskCluster:
    """Compute the cases on a running Dask cluster.

    address : str, tcp://host:port of its scheduler; code : dict, of `fingerprint.code`.
    """

    def __init__(self, address, code):
        self.address, self.code = address, code
        self._log = logging.getLogger("distributed.client")
        self._level = self._log.level
        self._seen, self._next_look = time.monotonic(), 0.0  # when a worker was seen, and when to look again

    def __enter__(self):
        try:
            import distributed
        except ImportError:
            raise UserError(f"a cluster ({self.address}) needs the package distributed: pip install "
                            "'dask[distributed]'") from None
        try:
            _check_scheduler(self.address)
            self._client = distributed.Client(self.address, timeout=CONNECT_SECONDS, set_as_default=False)
        except Exception as error:  # of any kind, if another program answers
            reason = (f"nothing in {CONNECT_SECONDS} s" if isinstance(error, TimeoutError)
                      else one_line(error) if isinstance(error, OSError) else "another program does")
            raise UserError(f"no Dask scheduler answers at {self.address} ({reason}): start one with dask scheduler, "
                            "or correct the address") from error
        self._log.setLevel(logging.CRITICAL)  # the error of a scheduler that ended is raised, its traceback not shown

    def __exit__(self, *error):
        self._client.close()
        self._log.setLevel(self._level)

    def prepare(self, function):
        return make_task(function, self.code)

    def submit(self, task, case):
        return self._client.submit(task, case, pure=False)

    def as_completed(self, futures):
        import distributed

        completed = distributed.as_completed(futures, loop=self._client.loop)
        while completed.count():
            if completed.has_ready():
                yield next(completed)
            else:
                time.sleep(0.02)
                self._check_workers()

    def result(self, future):
        while True:
            try:
                answer = future.result(timeout=1)
                future.release()
                return _received(answer)
            except TimeoutError:  # the worker ended before it could send the result: the case is computed again
                self._check_workers()
            except UserError:
                raise
            except concurrent.futures.CancelledError as error:
                raise WorkerLost(f"the scheduler at {self.address} ended: start it again, and run again with a store "
                                 "that keeps what has finished") from error
            except Exception as error:  # the case is given up, since its workers died time and again
                return None, error

    def _check_workers(self):
        """Raise WorkerLost if the cluster has been without a worker for long: Dask itself would wait for ever."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + 0.5
        with contextlib.suppress(Exception):  # a scheduler that ended is noticed by the futures
            if self._client.nthreads():
                self._seen = now
        if now > self._seen + CONNECT_SECONDS:
            raise WorkerLost(f"the scheduler at {self.address} has had no worker for {CONNECT_SECONDS} s: start some "
                             f"with dask worker {self.address}")


def _check_scheduler(address):
    """Raise an exception if no scheduler answers: Dask's client would try a closed port for long, and would wait for
    ever for a program that says nothing."""
    import distributed

    parts = urllib.parse.urlsplit(address)
    socket.create_connection((parts.hostname, parts.port), timeout=CONNECT_SECONDS).close()

    async def identity():
        comm = await distributed.comm.connect(address, timeout=CONNECT_SECONDS)
        try:
            return await distributed.core.send_recv(comm, op="identity")
        finally:
            comm.abort()

    async def in_time():
        return await asyncio.wait_for(identity(), CONNECT_SECONDS)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:  # this thread may have an event loop, as in a notebook
        kind = thread.submit(asyncio.run, in_time()).result()["type"]
    if kind != "Scheduler":
        raise ConnectionError(f"a Dask {kind.lower()} does")
