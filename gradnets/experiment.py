"""A script's constants become its flags; what its `main` returns becomes a table, a PNG and a JSON.

A script ends with

    if __name__ == "__main__":
        experiment.run(main)

and its `main()` returns `rows, figure` or `rows, figure, files`:

- rows: a list of flat dicts, the numbers in the figure. Keys `x`, `x_low`, `x_high` are a value and its
  interval, and share a column of the table.
- figure: a matplotlib Figure, whose title says what was found; None where there is nothing to keep, such as the
  list of a file's contents: then the table is printed, and nothing written.
- files: more to keep, by the end of their names: {".npz": dict of arrays, ".graphml": networkx.Graph,
  "_epochs.png": Figure, ".csv": str}.
"""
import argparse
import ast
import contextlib
import difflib
import errno
import io
import itertools
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import tokenize
from importlib import metadata
from pathlib import Path

import networkx as nx
import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from gradnets import datasets

hidden = False  # whether `progress` shows no bar: a sweep hides those of its runs
PACKAGES = ("numpy", "scipy", "matplotlib", "networkx", "numba", "powerlaw")  # whose versions the JSON records
MANY = ("sweep", "seeds", "jobs", "cluster", "store")  # flags of many runs in place of one
ROOT = Path(__file__).resolve().parent.parent


def run(main, argv=None):
    """Run a script's `main` with its constants set from the command line, then print and save what it returns.

    With --sweep or --seeds it is run many times instead, by `sweep.run`, and the results are <script>_sweep.png
    and <script>_sweep.json.

    Parameters
    ----------
    main : function of no arguments
        Reads the constants of its own module; returns rows, figure and, if it likes, files.
    argv : list of str, optional
        The command line's words; those of the process unless given.

    Returns
    -------
    int
        0. A user's mistake (ValueError, OSError, MemoryError, OverflowError) ends the process with one line on standard
        error and exit status 2; `--traceback` shows where it came from.

    Notes
    -----
    BLAS is held to one thread: small nets run faster so, and the same seed gives the same rows whatever the
    number of cores. The constants are put back afterwards.
    """
    module = sys.modules[main.__module__]
    script = Path(module.__file__).stem
    parser = _parser(module, script)
    options = vars(parser.parse_args(argv))
    out, traceback = Path(options.pop("out")), options.pop("traceback")
    many = {name: options.pop(name) for name in MANY if name in options}
    asked = {name: value for name, value in many.items() if value is not None}
    if asked and not asked.keys() & {"sweep", "seeds"}:
        parser.error(f"--{min(asked)} without --sweep or --seeds: one run needs none")
    before = {name: getattr(module, name) for name in options}
    for name, value in options.items():
        setattr(module, name, value)
    try:
        _check_writable(out)
        datasets.loaded.clear()
        start = time.perf_counter()
        with threadpool_limits(limits=1):
            if asked:
                from gradnets import sweep  # it imports this module

                rows, figure, facts = sweep.run(script, options, **asked)
                stem, files = f"{script}_sweep", ()
            else:
                rows, figure, *files = main()
                stem, facts = script, {}
        if figure is None:
            print(table(rows))
            return 0
        record = _record(script, options, figure.get_suptitle(), rows, time.perf_counter() - start) | facts
        paths = _save(out, stem, record, figure, *files)
    except (ValueError, OSError, MemoryError, OverflowError) as error:
        if traceback:
            raise
        print(f"{script}: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        kept = f", finished runs are in {asked['store']}" if asked.get("store") else ""
        print(f"{script}: interrupted, nothing written{kept}", file=sys.stderr)
        raise SystemExit(130) from None
    finally:
        for name, value in before.items():
            setattr(module, name, value)
    print(table(rows))
    if record["finding"]:
        print(f"\n{record['finding']}.")
    lost = facts.get("without_result", ())
    if lost:
        count = "1 run has" if len(lost) == 1 else f"{len(lost)} runs have"
        print(f"\n{count} no result, such as {cell(lost[0]['value'])}, seed {lost[0]['seed']}: "
              f"{lost[0]['ended']}.")
    print(f"\n{record['seconds']:.1f} s; wrote {', '.join(map(str, paths))}")
    return 0


def progress(iterable, total=None, what=""):
    """The iterable with a bar on standard error where that is a terminal, and nothing elsewhere."""
    return tqdm(iterable, total=total, desc=what, leave=False, disable=hidden or not sys.stderr.isatty())


def check_positive(**constants):
    """ValueError for the first of these constants, by name, that is no positive whole number, or no tuple of them."""
    for name, value in constants.items():
        for one in value if isinstance(value, tuple | list) else (value,):
            if not (isinstance(one, int) and one > 0):
                raise ValueError(f"{name} is {one!r}: expected a positive whole number")


def spread(**samples):
    """Medians and the middle 90 % of samples by name, as rows hold them: name, name_low, name_high.

    Each is one of the sample's values, be it infinite.
    """
    row = {}
    for name, values in samples.items():
        low, middle, high = np.quantile(values, (0.05, 0.5, 0.95), method="inverted_cdf").tolist()
        row |= {name: middle, f"{name}_low": low, f"{name}_high": high}
    return row


def check_several(**constants):
    """ValueError for the first of these constants, by name, that is no tuple of values, or an empty one."""
    for name, value in constants.items():
        if not (isinstance(value, tuple | list) and value):
            raise ValueError(f"{name} is {value!r}: expected one value or more in parentheses, as in ({value!r},)")


# ---- constants to flags -----------------------------------------------------------------------------------

def constants(path):
    """The constants of a script: {name: (value, comment)}, in the file's order.

    A constant is a top-level assignment of a literal (a number, a string, a bool, or a tuple of one kind) to
    a name in capitals, with a comment behind it. Others are not flags.
    """
    source = Path(path).read_text(encoding="utf-8")
    comments = {token.start[0]: token.string.lstrip("# ")
                for token in tokenize.generate_tokens(io.StringIO(source).readline)
                if token.type == tokenize.COMMENT}
    found = {}
    for node in ast.parse(source).body:
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        name = node.targets[0].id
        if name.isupper() and node.end_lineno in comments:
            with contextlib.suppress(ValueError):  # not a literal: a derived value
                value = ast.literal_eval(node.value)
                if isinstance(value, bool | int | float | str | tuple):
                    found[name] = value, comments[node.end_lineno]
    return found


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """One line, where argparse would print the whole usage before it."""
        if message.startswith("unrecognized arguments: "):
            word = message.split(": ", 1)[1].split()[0]
            near = difflib.get_close_matches(word, self._option_string_actions, n=1)
            message = f"unknown argument {word}" + (f", did you mean {near[0]}?" if near else "")
        print(f"{self.prog}: {message} (--help lists the flags)", file=sys.stderr)
        raise SystemExit(2)


def number(text):
    """A whole number where it is one: a constant edited from 0.1 to 1 still takes --learning-rate 0.1."""
    value = float(text)
    return int(text) if text.lstrip("+-").isdecimal() else int(value) if value.is_integer() else value


class _Once(argparse.Action):
    def __call__(self, parser, options, values, flag=None):
        if getattr(options, self.dest) is not None:
            parser.error(f"{flag} is there twice: expected one constant, run the script again for another")
        setattr(options, self.dest, values)


def _parser(module, script):
    parser = _Parser(prog=script, usage=f"python {script}.py [flags]", description=module.__doc__,
                     allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_argument_group("constants (each can also be edited at the top of the file)")
    found = constants(module.__file__)
    for name, (value, comment) in found.items():
        flag = "--" + name.lower().replace("_", "-")
        help_ = comment.replace("%", "%%")
        if isinstance(value, bool):
            group.add_argument(flag, dest=name, default=value, action=argparse.BooleanOptionalAction,
                               help=f"{help_} [{'yes' if value else 'no'}]")
            continue
        several = isinstance(value, tuple)
        kind = type(value[0]) if several else type(value)
        group.add_argument(flag, dest=name, default=value, type=number if kind is int else kind,
                           metavar=kind.__name__.upper(),
                           nargs="+" if several else None,
                           help=f"{help_} [{' '.join(map(str, value)) if several else value}]")
    if not found.keys() & {name.upper() for name in MANY}:  # else it has ensembles of its own
        group = parser.add_argument_group("many runs, into one figure")
        group.add_argument("--sweep", nargs="+", metavar=("CONSTANT", "VALUE"), action=_Once,
                           help="run for each of these values of a constant")
        group.add_argument("--seeds", type=number, metavar="INT",
                           help="and for so many seeds, from SEED on; RUNS apart in a script that has RUNS [1]")
        group.add_argument("--jobs", type=number, metavar="INT", help="worker processes [1]")
        group.add_argument("--cluster", metavar="ADDRESS", help="tcp://host:8786 of a Dask cluster, in place of jobs")
        group.add_argument("--store", metavar="FILE",
                           help="keep finished runs here, and do not run again those that it has")
    group = parser.add_argument_group("every script")
    group.add_argument("--out", default="out", metavar="DIR", help="folder of the results [out]")
    group.add_argument("--traceback", action="store_true", help="on an error, show where it came from")
    return parser


# ---- what is printed --------------------------------------------------------------------------------------

def table(rows, width=None):
    """Rows as aligned text; under a value that has `_low` and `_high`, its interval on a second line.

    Wider tables than `width` characters (the terminal's unless given) go on below, with the columns again that name the
    rows: the first, and those after it that hold words, whole numbers without intervals, or nothing.
    """
    width = width or shutil.get_terminal_size((140, 0)).columns
    keys = [key for key in dict.fromkeys(key for row in rows for key in row) if not key.endswith(("_low", "_high"))]
    names = list(itertools.takewhile(lambda key: key == keys[0] or all(_names(row, key) for row in rows), keys))
    left = [_column(rows, key) for key in names]
    blocks, used = [[]], 0
    for column in [_column(rows, key) for key in keys[len(names):]]:
        if blocks[-1] and used + 2 + len(column[0]) > width:
            blocks.append([])
        if not blocks[-1]:
            used = sum(len(name[0]) + 2 for name in left)
        blocks[-1].append(column)
        used += 2 + len(column[0])
    return "\n\n".join("\n".join("  ".join(cells).rstrip() for cells in zip(*left, *block, strict=True)
                                  if "".join(cells).strip()) for block in blocks)


def _names(row, key):
    return isinstance(row.get(key), str | int | None) and key + "_low" not in row


def _column(rows, key):
    """One column's cells, all of one width: its name in two lines, then two lines a row."""
    name = key.replace("_", " ")
    cells = ["", name] if " " not in name else name.split(" ", 1)
    for row in rows:
        value = row.get(key)
        cells.append("" if value is None else cell(value))
        low, high = row.get(key + "_low"), row.get(key + "_high")
        cells.append("" if low == high else f"{cell(low)}..{cell(high)}")
    width = max(map(len, cells))
    words = any(isinstance(row.get(key), str) for row in rows)  # words stand left, numbers right
    return [text.ljust(width) if words else text.rjust(width) for text in cells]


def cell(value):
    """A value as tables show it: three digits of a number that is not whole, and - where it is not finite."""
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            return "-"
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def one_line(error):
    """What an error says, without line ends."""
    text = " ".join(str(error).split()) or type(error).__name__
    return f"not enough memory: {text}; choose smaller sizes" if isinstance(error, MemoryError) else text


# ---- what is kept -----------------------------------------------------------------------------------------

@contextlib.contextmanager
def atomic(path):
    """A temporary path beside `path` that takes its place once the block ends well, and is removed otherwise.

    An OSError on the way, as of a full disk, names `path`.
    """
    with _together([Path(path)]) as (temporary,), naming(path):
        yield temporary


@contextlib.contextmanager
def _together(paths):
    """The same for several files: none takes its place, in this order, before all are on disk."""
    temporaries = []
    try:
        for path in paths:
            with naming(path):
                if path.is_dir():  # seen here rather than when others have taken their places
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
            temporaries.append(Path(temporary))
            os.close(handle)
        yield temporaries
        for path, temporary in zip(paths, temporaries, strict=True):
            with naming(path), open(temporary, "rb+") as file:
                os.fsync(file.fileno())
                os.chmod(temporary, 0o666 & ~_umask())  # mkstemp's own 0600 would hide results from colleagues
        for path, temporary in zip(paths, temporaries, strict=True):
            with naming(path):
                os.replace(temporary, path)
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path):
    """An OSError of the block names `path`, which the user knows, in place of a temporary file or none."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno or errno.EIO, error.strerror or str(error), str(path)) from error


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check_writable(out):
    """Before the work, not after it: make the folder and try to write there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ValueError(f"cannot write to the folder {out} ({error.strerror}): choose another with --out") from None


def _record(script, settings, finding, rows, seconds):
    return {
        "script": script,
        "settings": {name.lower(): value for name, value in settings.items()},
        "finding": " ".join(finding.split()),
        "rows": rows,
        "seconds": round(seconds, 3),
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
        "platform": f"{processor()}, {platform.platform()}",  # results of chaotic nets depend on both
        "commit": _commit(),
        "data": list(datasets.loaded),
    }


def processor():
    """The processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit():
    """The commit of the code, with "+" where code differs from it; None where there is no git."""
    git = ["git", "-C", str(ROOT)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
        changed = subprocess.run([*git, "status", "--porcelain", "--", "*.py", "requirements.lock"],
                                 capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "") if commit.returncode == 0 else None


def _save(out, script, record, figure, files=None):
    """Write everything, and only then put it in place: results of two runs do not stand side by side.

    The JSON goes last: should a file not go into its place, the record is still that of the run before.
    """
    contents = {".png": figure} | (files or {}) | {".json": record}
    paths = [out / f"{script}{ending}" for ending in contents]
    with _together(paths) as temporaries:
        for path, temporary, content in zip(paths, temporaries, contents.values(), strict=True):
            with naming(path):
                _write(temporary, content)
    return paths


def _write(path, content):
    if isinstance(content, Figure):
        content.savefig(path, format=path.suffix[1:])
    elif isinstance(content, nx.Graph):
        nx.write_graphml(content, path)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    elif path.suffix == ".npz":
        np.savez_compressed(path, **content)
    else:
        path.write_text(json.dumps(_plain(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _plain(value):
    """What JSON can hold: numpy scalars become Python's, and what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
