"""Folders in which matplotlib keeps its list of fonts and numba its compiled kernels.

Both are folders of the user, or beside the code. Where they cannot be written, as in a read-only home, matplotlib would
warn and numba would refuse to start, so they get a temporary folder, which worker processes use too.
"""
import os


def make_writable():
    """Give matplotlib and numba temporary folders where their own cannot be written; call it before they are imported.

    The folders are removed when the process ends.
    """
    config, cache = (os.environ.get(f"XDG_{kind}_HOME") or f"~/.{kind.lower()}" for kind in ("CONFIG", "CACHE"))
    chosen = os.environ.get("MPLCONFIGDIR")
    if not all(map(_is_writable, [chosen] if chosen else [f"{config}/matplotlib", f"{cache}/matplotlib"])):
        _use_temporary_folder("MPLCONFIGDIR", "matplotlib-")
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    beside = os.path.join(os.path.dirname(__file__), "__pycache__")
    if not any(map(_is_writable, [*([chosen] if chosen else []), beside, f"{cache}/numba"])):
        _use_temporary_folder("NUMBA_CACHE_DIR", "numba-")


def _is_writable(folder):
    """Return whether a folder, or the nearest folder above it that exists, can be written to."""
    folder = os.path.expanduser(folder)
    if folder.startswith("~"):
        return False  # there is no home
    folder = os.path.abspath(folder)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK)


def _use_temporary_folder(variable, prefix):
    import atexit
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix=prefix)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[variable] = folder
