"""Folders in which matplotlib keeps its list of fonts and numba its compiled kernels.

numba compiles a kernel again when its own file has changed, but not when only a kernel that it calls from another file
has: a version of the kernels has a folder of its own instead. Where folders cannot be written, as in a read-only home,
matplotlib would warn and numba would refuse to start, so they get a temporary folder, which worker processes use too.
"""
import hashlib
import os
from pathlib import Path

MARKS = (b"njit", b"intrinsic", b"compiled")  # words of files that hold kernels or their constants


def prepare():
    """Choose the folders; call it before matplotlib and numba are imported. Temporary ones end with the process."""
    config, cache = (os.environ.get(f"XDG_{kind}_HOME") or f"~/.{kind.lower()}" for kind in ("CONFIG", "CACHE"))
    chosen = os.environ.get("MPLCONFIGDIR")
    if not all(map(_is_writable, [chosen] if chosen else [f"{config}/matplotlib", f"{cache}/matplotlib"])):
        _use_temporary_folder("MPLCONFIGDIR", "matplotlib-")
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen and _is_writable(chosen):
        return
    for folder in (Path(__file__).parent / "__pycache__", Path(cache, "gradnets").expanduser()):
        if _is_writable(folder):
            os.environ["NUMBA_CACHE_DIR"] = str(folder / f"kernels-{version_of_kernels()}")
            return
    _use_temporary_folder("NUMBA_CACHE_DIR", "numba-")


def version_of_kernels(root=Path(__file__).parent):
    """Return a digest of all files under `root` that hold compiled kernels."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        content = path.read_bytes()
        if any(mark in content for mark in MARKS):
            digest.update(content)
    return digest.hexdigest()[:12]


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
