"""The store: what was added is there, in one sound file, whatever else happens to file, disk and processes."""
import os
import sqlite3
import threading

import numpy as np
import pytest

from gradnets.errors import UserError
from gradnets.experiment import store as module
from gradnets.experiment.store import Store


def filled(path):
    """Return what a new store holds under the key "k": some results, one of them longer than a page."""
    results = {f'{{"seed": {seed}}}': f"[{seed}, {'1.25, ' * 200 * seed}NaN]" for seed in range(8)}
    with Store(path) as store:
        for case, result in results.items():
            store.add("k", case, result)
    return results


def finished(path, key="k"):
    with Store(path) as store:
        return store.finished(key)


def test_results_come_back_by_key_and_case(tmp_path):
    path = tmp_path / "new" / "store.db"
    results = filled(path)
    assert finished(path) == results
    with Store(str(path)) as store:
        assert store.finished("other") == {}
        store.add("other", '{"seed": 0}', "1")
        store.add("other", '{"seed": 0}', "2")  # as another process that computes the same case
        store.add("k", '{"seed": 8}', '"\\u03c3"')
    assert finished(path, "other") == {'{"seed": 0}': "1"}
    assert finished(path) == results | {'{"seed": 8}': '"\\u03c3"'}


def test_a_result_is_on_disk_when_add_returns_and_no_other_file_is_left(tmp_path):
    with Store(tmp_path / "store.db") as store:
        store.add("k", "{}", "1")
        assert finished(tmp_path / "store.db") == {"{}": "1"}
        assert os.listdir(tmp_path) == ["store.db"]
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (3,)  # journal, file and folder


def check_refused_and_untouched(path, words):
    content = path.read_bytes()
    with pytest.raises(UserError, match=words) as caught:
        finished(path)
    assert path.read_bytes() == content
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(("content", "words"), [
    (b"my notes\nwithout a line end", "is not a store of results: choose another path"), (b"{", "is not a store"),
    (b'{"seed": 3, "key": "89c1a53fca21e6c0", "rows": []}\n', "is a store of an earlier version, in JSON lines: ch"),
    (b"\x89PNG\r\n" + bytes(5000), "is not a store"), (b"SQLite format 3\x00" + bytes(80), "not a store|is damaged")])
def test_another_file_is_refused_and_stays_as_it_is(tmp_path, content, words):
    path = tmp_path / "other"
    path.write_bytes(content)
    check_refused_and_untouched(path, words)


@pytest.mark.parametrize("statement", ["CREATE TABLE results (x)", "PRAGMA user_version = 1",
                                       "PRAGMA application_id = 9"])
def test_an_sqlite_file_of_another_program_is_refused_and_stays_as_it_is(tmp_path, statement):
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.close()
    check_refused_and_untouched(path, "is not a store of results: choose another path")


def test_an_empty_file_becomes_a_store(tmp_path):
    (tmp_path / "empty").touch()
    assert filled(tmp_path / "empty") == finished(tmp_path / "empty")


def is_refused(path, results):
    """Return whether a damaged store is refused in one line; else it has its results."""
    try:
        assert finished(path) == results
    except UserError as error:
        assert str(path) in str(error) and "\n" not in str(error)  # noqa: PT017, PT018
        return True
    return False


def test_a_store_that_is_cut_off_is_refused_or_has_lost_zeros(tmp_path, many):
    path = tmp_path / "store.db"
    results = filled(path)
    content = path.read_bytes()
    for length in range(1, len(content), many(1500, 37)):
        path.write_bytes(content[:length])
        assert is_refused(path, results) or not any(content[length:])


def test_a_wrong_bit_is_found_or_does_no_harm(tmp_path, many):
    path, rng = tmp_path / "store.db", np.random.default_rng(0)
    results = filled(path)
    content, refused = path.read_bytes(), 0
    places = rng.choice(len(content), many(60, 3000), replace=False).tolist()
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << rng.integers(8)]) + content[place + 1:])
        refused += is_refused(path, results)
    assert refused > len(places) / 2  # the other bits are not used


def test_a_result_that_was_changed_is_found(tmp_path):
    path = tmp_path / "store.db"
    filled(path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE results SET result = '[3]' WHERE \"case\" = '{\"seed\": 3}'")
    connection.close()
    check_refused_and_untouched(path, r"is damaged \(a checksum is wrong\): choose another path")


@pytest.mark.parametrize(("path", "words"), [
    ("", "the store is ''"), (3, "the store is 3"), ("file/store.db", "(File exists|Not a directory)"),
    (".", "it is a folder"), ("/proc/store.db", "unable to open"), ("/proc/none/store.db", "No such file"),
    ("/dev/full", "cannot keep results in /dev/full")])
def test_a_path_that_cannot_be_written_is_refused_in_one_line(tmp_path, monkeypatch, path, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=words) as caught:
        Store(path)
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_what_was_there(tmp_path):
    path = tmp_path / "store.db"
    results = filled(path)
    with Store(path) as store:
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(UserError, match=r"cannot keep results in .* \(database or disk is full\): choose another"):
            store.add("k", "{}", "1" * 10_000)
        store.add("k", "{}", "1")
    assert finished(path) == results | {"{}": "1"}


def test_nothing_is_written_while_another_process_writes(tmp_path, monkeypatch):
    path = tmp_path / "store.db"
    results = filled(path)
    with Store(path) as store:
        writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        writer.execute("BEGIN EXCLUSIVE")
        threading.Timer(0.3, writer.execute, ["COMMIT"]).start()
        store.add("k", "{}", "1")  # waits
        assert not writer.in_transaction
        monkeypatch.setattr(module, "BUSY_SECONDS", 0.1)
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(UserError, match=r"cannot keep results in .* \(database is locked\)"):
            Store(path)
        writer.close()
    assert finished(path) == results | {"{}": "1"}
