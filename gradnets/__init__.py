"""The parts that scripts share.

matplotlib keeps its list of fonts, and numba its compiled kernels, in folders of the user, or beside the code. Where
they cannot be written, as in a read-only home, the one would warn, and the other refuse to start: they get a folder
here that is gone when the process ends, and that its worker processes use too.
"""
import atexit
import os
import shutil
import tempfile


def _writable(folder):
    """Whether a folder, which may have to be made first, can be written to."""
    folder = os.path.expanduser(folder)
    if folder.startswith("~"):
        return False  # there is no home
    folder = os.path.abspath(folder)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK)


def _give(variable, name):
    folder = tempfile.mkdtemp(prefix=name)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[variable] = folder


_config, _cache = (os.environ.get(f"XDG_{kind}_HOME") or f"~/.{kind.lower()}" for kind in ("CONFIG", "CACHE"))
_chosen = os.environ.get("MPLCONFIGDIR")
if not all(map(_writable, [_chosen] if _chosen else [f"{_config}/matplotlib", f"{_cache}/matplotlib"])):
    _give("MPLCONFIGDIR", "matplotlib-")
_chosen = os.environ.get("NUMBA_CACHE_DIR")
if not any(map(_writable, [*([_chosen] if _chosen else []), f"{__path__[0]}/__pycache__", f"{_cache}/numba"])):
    _give("NUMBA_CACHE_DIR", "numba-")
