"""A store of finished cases: one SQLite file, which many processes may write at once.

A table of (key, case, result, checksum): the fingerprint of the question, the case and its result as JSON texts, and
their CRC-32, since SQLite has no checksums. Each result is one transaction, so that a process may be killed at any
moment. The rollback journal is used and not WAL, which needs two more files and fails on network file systems; it is
there only while a result is written.
"""
import contextlib
import functools
import os
import sqlite3
import zlib
from pathlib import Path

from gradnets.errors import UserError

BUSY_SECONDS = 60                      # how long to wait for another process that writes
APPLICATION = int.from_bytes(b"grad")  # marks the SQLite files that are stores
VERSION = 1                            # of the table
ABOUT_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN,
                  sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
                  sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_PROTOCOL)  # other errors are about what the file holds
EARLIER = b'{"seed": '                 # how stores of earlier versions begin, which were JSON lines


class Store:
    """The finished cases in one file; use it in a with statement.

    Parameters
    ----------
    path : str or path
        A file, which is created if needed.

    Raises
    ------
    UserError
        From each method and at the start: if the file is not a store, or is damaged (then it stays as it is); if it
        cannot be written, or the disk is full (then it keeps all results written before).
    """

    def __init__(self, path):
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise UserError(f"the store is {path!r}: expected the path of a file")
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error.strerror) from error
        if self.path.is_dir():
            raise self._unwritable("it is a folder")
        if self.path.exists() and self.path.stat().st_size == 1:  # for SQLite such a file is empty
            raise self._foreign()
        with self._translated():
            self._connection = sqlite3.connect(self.path.absolute(), timeout=BUSY_SECONDS, isolation_level=None)
            self._connection.text_factory = functools.partial(str, encoding="utf-8", errors="replace")
        try:
            with self._translated():
                self._open()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._connection.close()

    def finished(self, key):
        """Return {case: result} of one question, both as JSON texts."""
        with self._translated():
            return dict(self._connection.execute('SELECT "case", result FROM results WHERE key = ?', (key,)))

    def add(self, key, case, result):
        """Write the result of a case, which is on disk when this returns; a case that is there already stays."""
        with self._translated():
            self._connection.execute("INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?)",
                                     (key, case, result, _checksum(key, case, result)))

    def _open(self):
        """Check that the file is a sound store, or make an empty file one. Writes, to fail before any work is done."""
        execute = self._connection.execute
        execute("PRAGMA synchronous = EXTRA")  # a power failure costs no result either
        execute("BEGIN IMMEDIATE")
        marks = tuple(execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if marks == (0, 0) and execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            execute('CREATE TABLE results (key TEXT, "case" TEXT, result TEXT, checksum INTEGER, '
                    'PRIMARY KEY (key, "case"))')
            execute(f"PRAGMA application_id = {APPLICATION}")
        elif marks != (APPLICATION, VERSION):
            raise self._foreign()
        ((fault,),) = execute("PRAGMA integrity_check(1)")
        if fault != "ok":
            raise self._damaged(fault)
        rows = execute('SELECT key, "case", result, checksum FROM results')
        if any(checksum != _checksum(*row) for *row, checksum in rows):
            raise self._damaged("a checksum is wrong")
        execute(f"PRAGMA user_version = {VERSION}")
        execute("COMMIT")

    @contextlib.contextmanager
    def _translated(self):
        """Turn an error of SQLite into one that says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the upper bits hold details
            if code == sqlite3.SQLITE_NOTADB:
                raise self._foreign() from error
            if code in ABOUT_THE_DISK:
                raise self._unwritable(str(error)) from error
            raise self._damaged(str(error)) from error

    def _unwritable(self, reason):
        return UserError(f"cannot keep results in {self.path} ({reason}): choose another path")

    def _damaged(self, reason):
        return UserError(f"the store {self.path} is damaged ({' '.join(reason.split())}): choose another path, or move "
                         "that file away")

    def _foreign(self):
        with open(self.path, "rb") as file:
            earlier = file.read(len(EARLIER)) == EARLIER
        kind = "is a store of an earlier version, in JSON lines" if earlier else "is not a store of results"
        return UserError(f"{self.path} {kind}: choose another path, or move that file away")


def _checksum(key, case, result):
    return zlib.crc32(f"{key}\n{case}\n{result}".encode())
