"""The entries of a namespace, as SQLite keeps them: in memory, or in a file.

Floor: workers. The functions here run in a thread; see `rpclab.rpc.offload`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from rpclab.workers.kv.checks import failed
from rpclab.workers.storage.open_sqlite import WAL, open_sqlite

# In front of the value stands what `list` reads, so that it reads no page of a large value.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    key BLOB NOT NULL UNIQUE, expiration INTEGER, due REAL, metadata TEXT, value BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS due ON entries (due) WHERE due IS NOT NULL;
"""


class Entry(NamedTuple):
    """An entry.

    Attributes:
        key: in UTF-8.
        value: its bytes; None where only the rest was asked for.
        metadata: a JSON text, if it has any.
        expiration: when it expires, in seconds since 1970, as the calendar says.
        due: likewise, as the clock of the sandbox says.
    """

    key: bytes
    value: bytes | None
    metadata: str | None
    expiration: int | None
    due: float | None


class Entries:
    """The entries of one namespace. The file is opened when it is first used.

    Args:
        path: the file; None keeps all in memory, until it is closed.
        name: for texts.
    """

    def __init__(self, path: Path | None, name: str) -> None:
        self.name = name
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    def read(self, method: str, keys: Iterable[bytes], now: float, most: int) -> list[Entry | None]:
        """Give the entries of some keys.

        Args:
            method: for errors, as the platform calls it.
            keys: which.
            now: what the clock of the sandbox says; what is due by then is not there any more.
            most: how many bytes their values may have together.

        Raises:
            KVError: they have more, or SQLite failed.
        """
        found: list[Entry | None] = []
        size = 0
        connection = self._open(method)
        try:
            for key in keys:
                row = connection.execute(
                    "SELECT key, value, metadata, expiration, due FROM entries"
                    " WHERE key = ? AND (due IS NULL OR due > ?)",
                    (key, now),
                ).fetchone()
                entry = None if row is None else Entry(*row)
                size += 0 if entry is None else len(entry.value or b"")
                if size > most:
                    why = f"Total size of request exceeds the limit of {most // 2**20}MB"
                    raise failed(method, 413, why, "read fewer keys at once")
                found.append(entry)
        except sqlite3.Error as error:
            raise self._broken(method, error) from None
        return found

    def write(self, entry: Entry, now: float) -> None:
        """Keep an entry, in the place of an earlier one; and drop those that are due.

        Raises:
            KVError: SQLite failed, and nothing has changed.
        """
        connection = self._open("PUT")
        try:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("DELETE FROM entries WHERE due <= ?", (now,))
                connection.execute(
                    "INSERT OR REPLACE INTO entries (key, value, metadata, expiration, due)"
                    " VALUES (?, ?, ?, ?, ?)",
                    entry,
                )
        except sqlite3.Error as error:
            raise self._broken("PUT", error) from None

    def delete(self, key: bytes) -> None:
        """Drop an entry, if it is there.

        Raises:
            KVError: SQLite failed.
        """
        connection = self._open("DELETE")
        try:
            connection.execute("DELETE FROM entries WHERE key = ?", (key,))
        except sqlite3.Error as error:
            raise self._broken("DELETE", error) from None

    def list(self, prefix: bytes, after: bytes, limit: int, now: float) -> Sequence[Entry]:
        """Give entries without their values, in the order of their keys.

        Args:
            prefix: their keys begin with it.
            after: the key before the first.
            limit: how many at most.
            now: as that of `read`.

        Raises:
            KVError: SQLite failed.
        """
        connection = self._open("GET")
        # UTF-8 has no byte 0xff, so all keys that begin with a prefix stand before this.
        end = prefix + b"\xff"
        try:
            rows = connection.execute(
                "SELECT key, NULL, metadata, expiration, due FROM entries"
                " WHERE key >= ? AND key > ? AND key < ? AND (due IS NULL OR due > ?)"
                " ORDER BY key LIMIT ?",
                (prefix, after, end, now, limit),
            ).fetchall()
        except sqlite3.Error as error:
            raise self._broken("GET", error) from None
        return [Entry(*row) for row in rows]

    def close(self) -> None:
        """Close the file; what was in memory is gone. Twice is fine."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self, method: str) -> sqlite3.Connection:
        if self._closed:
            advice = "the sandbox that it belonged to was reset or closed"
            raise failed(method, 500, f"the namespace {self.name} is closed", advice)
        if self._connection is None:
            try:
                self._connection = open_sqlite(self._path, (*WAL, _SCHEMA))
            except (sqlite3.Error, OSError) as error:
                raise self._broken(method, error) from None
        return self._connection

    def _broken(self, method: str, error: Exception) -> Exception:
        where = "memory" if self._path is None else str(self._path)
        return failed(method, 500, str(error), f"the namespace {self.name} is kept in {where}")
