"""Run one function on many cases: in this process, in worker processes or on a Dask cluster.

    function = functools.partial(excess_clustering, steps=500, batch_size=8)
    rows = ensemble.run(function, [{"seed": seed} for seed in range(100)], jobs=2, store="out/excess.db")

The results are the same to the bit whichever way they come: BLAS and numba are held to one thread, and every case and
every result passes through the same JSON text. This holds for machines of one kind: BLAS libraries add in another order
on another processor.
"""
import contextlib
import inspect
import urllib.parse
from pathlib import Path

from gradnets.checks import is_integer
from gradnets.errors import UserError, one_line
from gradnets.experiment import executors, fingerprint
from gradnets.experiment.encoding import decode, encode, short
from gradnets.experiment.store import Store
from gradnets.progress import progress


class FailedCase(RuntimeError):
    """The function raised an exception, the __cause__ of this one; all other cases have been computed.

    Attributes
    ----------
    case : dict
        The first of the cases that failed, as it was given.
    """

    def __init__(self, message, case):
        super().__init__(message, case)
        self.case = case

    def __str__(self):
        return self.args[0]


def run(function, cases, jobs=1, cluster="", store=None, label="", modules=()):
    """Run a function on many cases and return its results in the order of the cases.

    Parameters
    ----------
    function : function at the top level of a module, or functools.partial of one
        Called as function(**case). It depends on its arguments alone, and returns a value that JSON can hold: numbers,
        NaN and infinities too, strings, bools, None, and lists and dicts by strings of such.
    cases : sequence of dict
        Keyword arguments that JSON can hold, usually a seed among them. No two cases are equal.
    jobs : int
        Number of worker processes on this machine; with 1 the function runs in this process.
    cluster : str
        Scheduler of a running Dask cluster, as tcp://host:8786, used instead of worker processes unless it is empty.
        The workers need this repository's folder in PYTHONPATH, with the same code and libraries as here, and one
        thread each (--nthreads 1), since numba's loops may not run in two threads at once.
    store : str or path, optional
        Finished cases are read from this file, and each case that finishes is written there at once. Several questions
        can share a file, and several processes can write to it at once.
    label : str
        Written before the progress bar.
    modules : sequence of str
        Modules that the function imports by name while it runs, such as "grad_network". Their code counts as the
        function's code: the store never gives back results of other code.

    Returns
    -------
    list
        The function's results: tuples are lists, and numpy's scalars are Python's.

    Raises
    ------
    FailedCase
        After all other cases have finished, if the function failed in some cases; the store does not hold these.
    UserError
        If an argument is another one than these; if a result cannot be held by JSON (as the cause of a FailedCase); if
        the store cannot be written, is damaged, or is another file; if no scheduler answers, or no worker for ten
        seconds; if a worker process is killed, or has other code. The store keeps what has finished. A Dask worker that
        is killed costs no case, unless the same case kills one worker after another.

    Notes
    -----
    The function receives each case as JSON gives it back, with lists for tuples, and keys in alphabetical order.
    """
    cases = _checked_cases(function, cases)
    if not (is_integer(jobs) and jobs > 0):
        raise UserError(f"jobs is {jobs!r}: expected a positive integer")
    _check_cluster(cluster)
    fingerprint.files_of(modules)
    with contextlib.ExitStack() as stack:
        results, key, kept = {}, None, None
        if store is not None:
            key, kept = fingerprint.key(function, modules), stack.enter_context(Store(store))
            results = kept.finished(key)
        waiting = [text for text in cases if text not in results]
        failures = {}
        finishing = executors.collect(function, waiting, _executor(function, len(waiting), jobs, cluster, modules))
        for text, result, error in progress(stack.enter_context(contextlib.closing(finishing)), total=len(waiting),
                                            label=label):
            if error is not None:
                failures[text] = error
                continue
            if kept is not None:
                kept.add(key, text, result)
            results[text] = result
    if failures:
        raise _failed(cases, failures)
    return [decode(results[text]) for text in cases]


def _executor(function, count, jobs, cluster, modules):
    if count == 0 or (jobs == 1 and not cluster):
        return executors.InThisProcess()
    code = fingerprint.code(function, modules)
    return executors.DaskCluster(cluster, code) if cluster else executors.WorkerProcesses(min(jobs, count), code)


def _failed(cases, failures):
    first = next(text for text in cases if text in failures)
    error = failures[first]
    others = f", and so did {len(failures) - 1} more of {len(cases)}" if len(failures) > 1 else ""
    failed = FailedCase(f"the case {short(cases[first])} failed{others}: {type(error).__name__}: {one_line(error)}",
                        cases[first])
    failed.__cause__ = error
    return failed


# ---- checks -----------------------------------------------------------------------------------------------

def _checked_cases(function, cases):
    """Return {JSON text: case}, or raise UserError if the function cannot be called with these cases."""
    _check_function(function)
    if not isinstance(cases, list | tuple) or not all(isinstance(case, dict) for case in cases):
        raise UserError(f"cases is {short(cases)}: expected a list of dicts, as in [{{'seed': 0}}, {{'seed': 1}}]")
    if not cases:
        raise UserError("there is no case: expected at least one, as in [{'seed': 0}]")
    name, signature, texts = fingerprint.parts(function)[0].__name__, inspect.signature(function), {}
    for case in cases:
        text = encode("a case", case, sort_keys=True)
        if text in texts:
            raise UserError(f"the case {short(case)} is given twice: expected each case once")
        try:
            signature.bind(**case)
        except TypeError as error:
            raise UserError(f"the case {short(case)} does not fit {name}{signature}: {error}") from None
        texts[text] = case
    return texts


def _check_function(function):
    base = fingerprint.parts(function)[0]
    if not (inspect.isfunction(base) and base.__name__ == base.__qualname__ != "<lambda>"):
        raise UserError(f"{short(base)} cannot be sent to workers: expected a function at the top level of a module, "
                        "or functools.partial of one")
    file = inspect.getfile(base)
    if not Path(file).is_file():
        raise UserError(f"{base.__name__} is in no file ({file}): write it into a module")


def _check_cluster(cluster):
    if cluster == "":
        return
    try:
        parts = urllib.parse.urlsplit(cluster)
        is_address = parts.scheme == "tcp" and parts.hostname and parts.port and parts.path in ("", "/")
    except (ValueError, TypeError, AttributeError):
        is_address = False
    if not (is_address and isinstance(cluster, str)):
        raise UserError(f"cluster is {cluster!r}: expected the tcp address of a scheduler, as tcp://host:8786")
