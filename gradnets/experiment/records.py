"""The files of a run: pictures, arrays, and a JSON with the numbers and where they came from."""
import json
import math
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import numpy as np

from gradnets import files
from gradnets.experiment.settings import ROOT

PACKAGES = ("numpy", "scipy", "matplotlib", "networkx", "numba")  # libraries whose versions can change a number


def record(script, settings, result, seconds):
    """Return what the JSON of a run holds.

    script : str; settings : dict by lower-case names; result : Result; seconds : float
    """
    return {
        "script": script,
        "settings": settings,
        "finding": " ".join(result.finding.split()),
        "rows": result.rows,
        "seconds": round(seconds, 3),
        "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
        "platform": f"{processor()}, {platform.platform()}",  # results of chaotic nets depend on both
        "commit": _commit(),
        "data": list(result.data),
    }


def processor():
    """Return the processor's name, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit():
    """Return the commit of the code, with "+" if code differs from it, or None where there is no git."""
    git = ["git", "-C", str(ROOT)]
    try:
        commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
        changed = subprocess.run([*git, "status", "--porcelain", "--", "*.py", "requirements.lock"],
                                 capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return commit.stdout.strip() + ("+" if changed.stdout.strip() else "") if commit.returncode == 0 else None


def save(folder, stem, result, record, picture="png"):
    """Write all files of a run, and only then put them in place; return their paths.

    picture : "png", "svg" or "pdf", the format of the figures.

    Results of two runs never stand side by side: the JSON goes last, so that it stays the record of the run before if a
    file cannot go into its place.
    """
    contents = {f"{end}.{picture}": figure for end, figure in {"": result.figure, **result.figures}.items()}
    contents |= result.files | {".json": record}
    paths = [folder / f"{stem}{end}" for end in contents]
    with files.atomic_group(paths) as temporaries:
        for path, temporary, content in zip(paths, temporaries, contents.values(), strict=True):
            with files.naming(path):
                _write(temporary, content)
    return paths


def _write(path, content):
    if path.suffix == ".png":
        _write_png(path, content)
    elif path.suffix in (".svg", ".pdf"):
        content.savefig(path, format=path.suffix[1:])
    elif path.suffix == ".graphml":
        import networkx as nx  # here, since few runs write a graph
        nx.write_graphml(content, path)
    elif path.suffix == ".npz":
        np.savez_compressed(path, **content)
    elif path.suffix == ".json":
        path.write_text(json.dumps(plain(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding="utf-8")


def _write_png(path, figure):
    """Write a figure as Figure.savefig does, but draw it once, and leave out transparency, which no figure has."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # solves the layout, too
    picture = Image.frombuffer("RGBA", canvas.get_width_height(), canvas.buffer_rgba()).convert("RGB")
    picture.save(path, "png", dpi=(figure.dpi, figure.dpi), compress_level=3)  # half the time of level 6, no larger


def plain(value):
    """Return a value as JSON can hold it: numpy's scalars become Python's, and what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
