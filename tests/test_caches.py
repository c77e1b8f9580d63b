"""Compiled kernels of one version share a folder, and those of another version have another."""
from gradnets import caches


def test_each_version_of_the_kernels_has_its_own_folder(tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "kernel.py").write_text("@njit\ndef double(x): return 2 * x\n")
    (tmp_path / "other.py").write_text("x = 1\n")
    first = caches.version_of_kernels(tmp_path)
    (tmp_path / "other.py").write_text("x = 2\n")
    assert caches.version_of_kernels(tmp_path) == first
    (tmp_path / "room" / "kernel.py").write_text("@njit\ndef double(x): return x + x\n")
    assert caches.version_of_kernels(tmp_path) != first


def test_a_folder_of_the_users_own_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    caches.prepare()
    assert caches.os.environ["NUMBA_CACHE_DIR"] == str(tmp_path)
