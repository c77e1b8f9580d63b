"""What several test files share: the real data, where there is any, and settings that make a script short."""
import os
from pathlib import Path

import pytest

from gradnets import datasets

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"mnist": "mnist", "cifar10": "cifar-10-batches-py"}  # folder of each real data set


def real(name, **options):
    """Return a real data set, or skip the test with the reason."""
    folder = os.environ.get("GRADNETS_DATA", "")
    if not (Path(folder) / FOLDERS[name]).is_dir():
        pytest.skip(f"no {FOLDERS[name]} in GRADNETS_DATA ({folder or 'not set'})")
    return datasets.load(name, **options)
