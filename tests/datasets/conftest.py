"""An empty folder of data for each test, and no way to the network."""
import os
from pathlib import Path

import pytest

from gradnets.datasets import real_files

REAL = os.environ.get("GRADNETS_DATA", "")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Return an empty folder of data; proxies that do not answer keep all requests on this machine."""
    chosen = tmp_path / "data"
    chosen.mkdir()
    monkeypatch.setenv("GRADNETS_DATA", str(chosen))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(real_files, "SHA256", dict(real_files.SHA256))
    return chosen


@pytest.fixture
def real_folder(monkeypatch):
    """real_folder(name): make the real folder of data the current one, and return the path of `name` in it."""
    def choose(name):
        if not (REAL and Path(REAL, name).exists()):
            pytest.skip(f"GRADNETS_DATA names no folder with {name}")
        monkeypatch.setenv("GRADNETS_DATA", REAL)
        return Path(REAL, name)
    return choose
