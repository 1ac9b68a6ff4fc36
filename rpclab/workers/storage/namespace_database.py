"""The tables of a namespace of Durable Objects in SQLite: of all its objects, and of single ones.

Floor: workers. SQLite, in memory unless there is a folder.

Keys and values, alarms and names of all objects of a namespace are in one file, so that thousands
of objects need no thousands of files. An object that uses `storage.sql` gets a file of its own for
its tables, and its keys and values move there, so that one transaction covers both.

A file belongs to one sandbox at a time: a second one is refused (rule D1, one live object per id).
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from pathlib import Path
from urllib.parse import quote

from rpclab.errors import RpcError
from rpclab.workers.storage.limits import ObjectLimits
from rpclab.workers.storage.open_sqlite import WAL, open_sqlite
from rpclab.workers.storage.statements import Statements

OPEN_FILES = 64
"""How many files of single objects are open at a time."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, name TEXT, own INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS kv (
    object INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (object, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarms (object INTEGER PRIMARY KEY, time INTEGER NOT NULL) STRICT;
"""
_OWN_SCHEMA = """
CREATE TABLE IF NOT EXISTS _cf_KV (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS _cf_METADATA (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
"""

_TRANSACTIONS = "not in storage.sql: use storage.transaction() or storage.transaction_sync()"


def file_name(worker: str, class_name: str) -> str:
    """Name the file of a namespace: no two of them have one name, nor that of a folder."""
    # The point that joins the two is the only one, whatever they are called.
    return ".".join(quote(name, safe=" ").replace(".", "%2E") for name in (worker, class_name))


class NamespaceDatabase:
    """The database of a namespace, and those of its objects that use SQL.

    Args:
        folder: where the files are; None keeps all in memory.
        name: what `file_name` gives.
        limits: bounds of what the objects store.
    """

    def __init__(self, folder: Path | None, name: str, limits: ObjectLimits) -> None:
        self.limits = limits
        self._base = None if folder is None else folder / "objects" / name
        self._connection: sqlite3.Connection | None = None
        self._own: OrderedDict[bytes, Statements] = OrderedDict()

    # Connections.

    @property
    def connection(self) -> sqlite3.Connection:
        """The database of the namespace.

        Raises:
            RpcError: another sandbox has it.
        """
        if self._connection is None:
            self._connection = _connect(self._shared_path(), _SCHEMA, shared=True)
        return self._connection

    def exists(self) -> bool:
        """Whether something may be stored already."""
        path = self._shared_path()
        return self._connection is not None or (path is not None and path.exists())

    def own(self, key: bytes) -> Statements:
        """The database of an object that uses SQL."""
        found = self._own.get(key)
        if found is None:
            connection = _connect(self._own_path(key), _OWN_SCHEMA)
            found = Statements(connection, self.limits, transactions=_TRANSACTIONS)
            self._own[key] = found
            self._close_idle()
        self._own.move_to_end(key)
        return found

    def _close_idle(self) -> None:
        if self._base is None or len(self._own) <= OPEN_FILES:
            return
        for key, statements in list(self._own.items())[:-1]:
            if not statements.connection.in_transaction:
                statements.connection.close()
                del self._own[key]
                return

    def _shared_path(self) -> Path | None:
        return None if self._base is None else self._base.with_name(f"{self._base.name}.sqlite")

    def _own_path(self, key: bytes) -> Path | None:
        return None if self._base is None else self._base / f"{key.hex()}.sqlite"

    def close(self) -> None:
        """Close every file. Twice is fine."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for statements in self._own.values():
            statements.connection.close()
        self._own.clear()

    # The objects of the namespace.

    def number(self, key: bytes) -> int | None:
        """The number of an object that has stored something."""
        found = self.find(key)
        return None if found is None else found[0]

    def name(self, key: bytes) -> str | None:
        """The name of an object, as far as it is known."""
        found = self.find(key)
        return None if found is None else found[2]

    def find(self, key: bytes) -> tuple[int, int, str | None] | None:
        """The number of an object that has stored something, whether it uses SQL, and its name."""
        found: tuple[int, int, str | None] | None = self.connection.execute(
            "SELECT number, own, name FROM objects WHERE id = ?", (key,)
        ).fetchone()
        return found

    def enter(self, key: bytes, name: str | None) -> int:
        """Give an object its number, in the transaction at hand."""
        (number,) = self.connection.execute(
            "INSERT INTO objects (id, name) VALUES (?, ?)"
            " ON CONFLICT (id) DO UPDATE SET name = coalesce(name, excluded.name)"
            " RETURNING number",
            (key, name),
        ).fetchone()
        return int(number)

    def move_out(self, key: bytes, name: str | None) -> int:
        """Give an object a database of its own, with all that it has stored.

        After a crash on the way, what is in the namespace still holds.

        Returns:
            Its number.
        """
        path = self._own_path(key)
        for leftover in () if path is None else path.parent.glob(f"{path.name}*"):
            leftover.unlink()
        own = self.own(key).connection
        try:
            return self._copy_out(key, name, own)
        except BaseException:
            self._own.pop(key).connection.close()
            raise

    def _copy_out(self, key: bytes, name: str | None, own: sqlite3.Connection) -> int:
        with self.connection as shared:
            shared.execute("BEGIN IMMEDIATE")
            number = self.enter(key, name)
            stored = shared.execute("SELECT key, value FROM kv WHERE object = ?", (number,))
            own.execute("BEGIN")
            own.executemany("INSERT INTO _cf_KV VALUES (?, ?)", stored)
            own.execute("INSERT INTO _cf_METADATA VALUES ('name', ?)", (name,))
            alarm = self.alarm(number)
            if alarm is not None:
                own.execute("INSERT INTO _cf_METADATA VALUES ('alarm', ?)", (alarm,))
            own.commit()
            shared.execute("DELETE FROM kv WHERE object = ?", (number,))
            shared.execute("UPDATE objects SET own = 1 WHERE number = ?", (number,))
        return number

    # Alarms.

    def alarm(self, number: int) -> int | None:
        """When the alarm of an object is due, in milliseconds."""
        found = self.connection.execute(
            "SELECT time FROM alarms WHERE object = ?", (number,)
        ).fetchone()
        return None if found is None else found[0]

    def note_alarm(self, number: int, time: int | None) -> None:
        """Keep an alarm, or forget it; of one with a file of its own, that it may have one."""
        if time is None:
            self.connection.execute("DELETE FROM alarms WHERE object = ?", (number,))
        else:
            self.connection.execute("INSERT OR REPLACE INTO alarms VALUES (?, ?)", (number, time))

    def alarms(self) -> list[tuple[bytes, str | None, int, int]]:
        """All alarms that are set: of which object, its name, when, and whether that uses SQL."""
        return self.connection.execute(
            "SELECT id, name, time, own FROM alarms JOIN objects ON number = object"
        ).fetchall()


def _connect(path: Path | None, schema: str, *, shared: bool = False) -> sqlite3.Connection:
    setup = ("PRAGMA locking_mode = EXCLUSIVE", *WAL, "PRAGMA foreign_keys = ON", schema)
    # Where Workers have statements of their own, none is kept (see `Statements`).
    try:
        return open_sqlite(path, setup, timeout=0, cached_statements=128 if shared else 0)
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        raise RpcError(
            f"another sandbox uses the storage in {path}: close that one first"
        ) from None
