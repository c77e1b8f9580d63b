"""Download files whose SHA-256 is known.

pooch checks and places a file. By hand remain the mirrors, since pooch knows one address per file and waits before it
asks again; the limits of time and size, since a server that drips is never silent and pooch counts blocks instead of
bytes; and the error, which is one line that names every mirror.
"""
import contextlib
import os
import sys
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from gradnets import files
from gradnets.datasets import built_in, real_files
from gradnets.datasets.real_files import DataError, printable_line

MIRRORS = {  # in the order in which they are tried; what they send is checked, so none needs to be trusted
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://dataset.bj.bcebos.com/mnist/",
    ),
    "cifar": (
        "https://www.cs.toronto.edu/~kriz/",
        "https://dataset.bj.bcebos.com/cifar/",
    ),
}
ROUNDS = 2  # number of times that each mirror is tried
SILENCE = 20  # seconds without an answer before a mirror is given up
PATIENCE = 1800  # seconds that one download may take

pooch.get_logger().setLevel("WARNING")  # failed attempts are in the error below


def download(group, name, folder):
    """Download a file into a folder, from the first mirror that sends it whole, and return its path.

    The file gets its name once its SHA-256 is right; until then it is a temporary file. Raises DataError if the folder
    cannot be written to, or every mirror has failed ROUNDS times.
    """
    missing = f"{name} is neither in {folder} nor could it be downloaded"
    remedy = (f"put it there (see data/README.md), set GRADNETS_DATA to a folder that has it, "
              f"or use a set that needs no files: {', '.join(built_in.NAMES)}")
    try:
        files.try_writing(folder)
    except OSError as error:
        raise DataError(f"{missing} (cannot write there: {error.strerror}): {remedy}") from None
    failures = {}
    try:
        for mirror in MIRRORS[group] * ROUNDS:
            # Each attempt has a temporary folder, since an attempt that was given up may still write into its folder.
            with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as place, Fetch(name) as fetch:
                try:
                    _in_time(pooch.retrieve, mirror + name, f"sha256:{real_files.SHA256[name]}", name, place,
                             downloader=fetch)
                    os.replace(Path(place, name), folder / name)
                    return folder / name
                except (OSError, ValueError) as error:  # no answer, or a wrong one: a bad header, other bytes
                    failures[mirror] = f"{mirror}: {printable_line(error)[:100]}"
        raise DataError(f"{missing} ({'; '.join(failures.values())}): {remedy}")
    finally:
        with contextlib.suppress(OSError):  # only an empty folder can be removed
            folder.rmdir()


def _in_time(function, *arguments, **keywords):
    """Return or raise what a function does; after PATIENCE seconds raise OSError, and leave the function to itself.

    A thread is needed because a server that sends a byte now and then is never silent: no timeout of a socket ends it.
    """
    outcome = Future()

    def call():
        try:
            outcome.set_result(function(*arguments, **keywords))
        except BaseException as error:  # KeyboardInterrupt too belongs to the thread that waits
            outcome.set_exception(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if thread.is_alive():
        raise OSError(f"gave up after {PATIENCE} s")
    return outcome.result()


class Fetch:
    """The downloader that pooch calls: it shows a progress bar, and ends once it is closed or too much has arrived."""

    def __init__(self, name):
        hidden = bool(os.environ.get("TQDM_DISABLE")) or not sys.stderr.isatty()
        self.bar = tqdm(desc=name, unit="B", unit_scale=True, disable=hidden)
        self.closed = False

    def __call__(self, url, path, _):
        """Write what the server sends for an address to a file."""
        received = 0
        # The server shall send the .gz itself, and not pack it once more on the way.
        headers = {"Accept-Encoding": "identity"}
        with requests.get(url, stream=True, timeout=SILENCE, headers=headers) as response, open(path, "wb") as file:
            response.raise_for_status()
            self.bar.total = int(response.headers.get("Content-Length", 0))
            for block in response.iter_content(2**14):
                received += len(block)
                if self.closed or received > real_files.MAX_BYTES:
                    raise OSError(f"gave up after {received} bytes")
                file.write(block)
                self.bar.update(len(block))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True
        self.bar.close()
