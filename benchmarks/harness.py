"""What the benchmarks share: one thread, interleaved medians, peers by name, a table and a JSON.

Import it before numpy: it pins the threads.
"""
import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_variable] = "1"

import importlib
import json
import platform
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # the project is cloned, not installed

from gradnets import datasets, experiment, files, timing
from gradnets.experiment.tables import table


def peer(name, missing):
    """Import a library to compare with, or return None.

    If the library is not installed, standard error says so, and the list `missing` gets its name.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed, its comparisons are left out: make peers", file=sys.stderr)
        missing.append(name)
        return None


def medians(contestants, rounds):
    """Return the median seconds of each function, run in turn, A B C A B C, after one round that does not count.

    Parameters
    ----------
    contestants : dict of str to (function, repetitions)
        A quick function is repeated, and the time is divided by the repetitions.

    Returns
    -------
    dict of str to float
    """
    return timing.medians({name: function for name, (function, _) in contestants.items()}, rounds,
                          {name: repetitions for name, (_, repetitions) in contestants.items()})


def real(name, limit, missing):
    """Load a real data set, or else the built-in digits.

    If the data set is not on this machine, standard error says so, and the list `missing` gets its name.
    """
    try:
        return datasets.load(name, limit=limit)
    except datasets.DataError as error:
        print(f"{error}; glyphs are used instead", file=sys.stderr)
        missing.append(name)
        return datasets.load("glyphs", limit=limit)


def ratio(comparison, seconds, ours, theirs, goal, sides="", limit=None):
    """Return a row whose value is the peer's time over ours.

    Parameters
    ----------
    comparison : str
    seconds : dict of str to float, as `medians` returns it
    ours, theirs : str
        Names of the contestants.
    goal : float, or None where the row has no goal
    sides : str
        What each side does.
    limit : (str, float), optional
        What limits our side, and the seconds of a side that runs at that limit, which benchmarks/limits.py measures.
    """
    row = {"what": comparison, "value": seconds[theirs] / seconds[ours], "goal": goal, "higher_is_better": True,
           "ours_ms": 1e3 * seconds[ours], "peer_ms": 1e3 * seconds[theirs], "sides": sides}
    return row if limit is None else row | {"limit": limit[0], "share": limit[1] / seconds[ours]}


def figure(quantity, value, goal, **behind):
    """Return a row whose value, such as seconds or gigabytes, should stay below its goal."""
    return {"what": quantity, "value": value, "goal": goal, "higher_is_better": False, **behind}


def verdict(row):
    """Return the goal of a row in signs, and whether the row meets it."""
    if row["goal"] is None:
        return {"goal": "none", "met": ""}
    met = row["value"] >= row["goal"] if row["higher_is_better"] else row["value"] <= row["goal"]
    return {"goal": f"{'>=' if row['higher_is_better'] else '<='} {row['goal']:g}", "met": "yes" if met else "no"}


def report(subject, rows, packages, missing):
    """Print the table and write benchmarks/<subject>.json, unless a peer or data set is missing.

    Parameters
    ----------
    subject : str
    rows : list of dict, as `ratio` and `figure` return them
    packages : tuple of str, the packages whose versions are written
    missing : list of str, the peers and data sets that are not on this machine
    """
    shown = []
    for row in rows:
        times = {key: f"{value:.3g}" for key, value in row.items() if key.endswith("_ms")}
        shown.append({"what": row["what"], "value": float(row["value"]), **verdict(row), **times})
    print(table(shown, ("what",), width=200) if rows else "nothing to compare with")
    if missing:
        print(f"\nbenchmarks/{subject}.json is left as it was, since these were missing: {', '.join(missing)}")
        return
    versions = {"python": platform.python_version()}
    for name in packages:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    record = {"machine": f"{experiment.processor()}, one thread, {platform.platform()}", "versions": versions,
              "rows": rows}
    path = ROOT / "benchmarks" / f"{subject}.json"
    with files.atomic(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"\nwrote {path.relative_to(ROOT)}")
