"""Progress bars on standard error."""
import os
import sys


def progress(iterable, total=None, label=""):
    """Return the iterable with a progress bar if standard error is a terminal, and as it is otherwise.

    Worker processes set the environment variable TQDM_DISABLE, which hides all bars.
    """
    if not sys.stderr.isatty() or os.environ.get("TQDM_DISABLE"):
        return iterable
    from tqdm import tqdm  # here, since help texts and tests show no bar
    return tqdm(iterable, total=total, desc=label, leave=False)
