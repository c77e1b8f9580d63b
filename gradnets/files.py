"""Write files that are complete or absent, and name them in errors."""
import contextlib
import errno
import os
import tempfile
from pathlib import Path

from gradnets.errors import UserError


@contextlib.contextmanager
def atomic(path):
    """Yield a temporary path that replaces `path` when the block ends without an exception.

    After an exception the temporary file is removed, and an OSError, such as that of a full disk, names `path`.
    """
    with atomic_group([Path(path)]) as (temporary,), naming(path):
        yield temporary


@contextlib.contextmanager
def atomic_group(paths):
    """Yield temporary paths that replace `paths`, in this order, once all of them are on disk."""
    temporaries = []
    try:
        for path in paths:
            with naming(path):
                if path.is_dir():  # before any other file is replaced
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
            temporaries.append(Path(temporary))
            os.close(handle)
        yield temporaries
        for path, temporary in zip(paths, temporaries, strict=True):
            with naming(path), open(temporary, "rb+") as file:
                os.fsync(file.fileno())
                os.chmod(temporary, 0o666 & ~umask())  # mkstemp's own 0600 would hide results from colleagues
        for path, temporary in zip(paths, temporaries, strict=True):
            with naming(path):
                os.replace(temporary, path)
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path):
    """Make an OSError of the block name `path`, which the user knows, instead of a temporary file."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno or errno.EIO, error.strerror or str(error), str(path)) from error


def try_writing(folder):
    """Make a folder if needed, and write to it; raise OSError if that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def make_writable_folder(folder):
    """Make a folder if needed; raise UserError, before any work is done, if files cannot be written there."""
    try:
        try_writing(folder)
    except OSError as error:
        raise UserError(f"cannot write to the folder {folder} ({error.strerror}): choose another with --out") from None


def umask():
    """Return the permissions that new files lack."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
