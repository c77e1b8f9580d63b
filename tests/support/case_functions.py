"""Functions of a case that the tests of ensembles compute, in a module that worker processes can import."""
import collections
import importlib
import math
import os
import signal
import time
import uuid
from pathlib import Path

import numpy as np

from gradnets.errors import UserError


def spectrum(seed, size=40, scale=1.0):
    """Return numbers whose last bits depend on the order of additions, and values of all kinds."""
    matrix = scale * np.random.default_rng(seed).standard_normal((size, size))
    values = np.linalg.svd(matrix @ matrix, compute_uv=False)
    return [{"seed": seed, "sum": values.sum(), "single": np.float32(values[0]), "small": 5e-324, "zero": -0.0,
             "nan": math.nan, "up": np.inf, "down": -np.inf},
            {"count": np.int64(seed), "odd": bool(seed % 2), "none": None, "word": "σ NaN\n", "pair": (1, [2.5])}]


def trained_network(seed):
    """Return the degrees of a network that is sampled from the gradient of a trained net."""
    import mlp
    from gradnets import datasets, networks

    net = mlp.MLP((784, 40, 10), seed=seed)
    *_, step = mlp.train(net, datasets.load("noise", limit=20, seed=seed), 30, 0.1, batch_size=10, seed=seed)
    links = networks.sample(networks.probabilities(step.gradients[0]), np.random.default_rng(seed))
    stats = networks.measure(networks.merge_layers(links[:40]))
    return {"seed": seed, "weight": net.weights[0].sum(), "clustering": stats.average_clustering, "edges": stats.edges}


def counted(seed, folder, seconds=0.0):
    """Leave a file in a folder, whose name holds the seed and the process, and return the spectrum."""
    (Path(folder) / f"{seed}-{os.getpid()}-{uuid.uuid4().hex}").touch()
    time.sleep(seconds)
    return spectrum(seed)


def fails(seed, failing, folder):
    if seed in failing:
        raise ZeroDivisionError(f"no reciprocal\nof {seed}")
    return counted(seed, folder)


class OddError(UserError):
    """Cannot be unpickled: its __init__ takes other arguments than those it passes on."""

    def __init__(self, left, right):
        super().__init__(f"{left} {right}")


class OwnError(UserError):
    pass


def raises(seed, kind):
    if kind == "odd":
        raise OddError("left", "right")
    if kind == "exit":
        raise SystemExit(3)
    raise OwnError(f"seed {seed}")


def kills_once(seed, killer, folder):
    """Kill the process that computes the case of `killer` for the first time."""
    before = times_computed(folder)
    result = counted(seed, folder)
    if seed == killer and not before[killer]:
        os.kill(os.getpid(), signal.SIGKILL)
    return result


def interrupted(seed, last, folder):
    if seed == last:
        raise KeyboardInterrupt
    return counted(seed, folder)


def waits_for_another(seed, folder):
    """Return for seed 0 only after another seed was computed in another process."""
    deadline = time.monotonic() + 60
    while seed == 0 and not any(Path(folder).iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    if seed:
        (Path(folder) / str(seed)).touch()
    return seed


def threads(seed):
    """Return the threads of libraries that are imported here for the first time, and the process."""
    import numba
    import scipy.linalg
    import threadpoolctl

    scipy.linalg.svd(np.linalg.svd(np.eye(20))[0])
    return {"blas": max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()),
            "numba": numba.get_num_threads(), "pid": os.getpid(), "bars": os.environ.get("TQDM_DISABLE")}


def returns(seed, value):
    return value


def received(**case):
    """Return the case as it arrives."""
    return [[key, type(value).__name__, value] for key, value in case.items()]


def grows(seed):
    """Make loky end this process after its second case, as a process that has grown by 300 MB."""
    from loky import process_executor

    process_executor._MEMORY_LEAK_CHECK_DELAY = process_executor._MAX_MEMORY_LEAK_SIZE = -math.inf
    return os.getpid()


def reads_by_name(seed, name):
    return importlib.import_module(name).THREE


# ---- what tests compare -----------------------------------------------------------------------------------

def times_computed(folder):
    """Return how often each seed was computed by `counted`."""
    return collections.Counter(int(path.name.split("-")[0]) for path in Path(folder).iterdir())


def processes(folder):
    """Return the processes in which `counted` ran."""
    return {int(path.name.split("-")[1]) for path in Path(folder).iterdir()}


def plain(value):
    """Return a value with lists for tuples, and Python's scalars for numpy's."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def spectra(seeds):
    """Return the text of the results of `spectrum`, which differs wherever a bit, a type or an order differs."""
    return repr([plain(spectrum(seed)) for seed in seeds])


def of_seeds(seeds):
    return [{"seed": seed} for seed in seeds]
