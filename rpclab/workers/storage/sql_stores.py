"""A store of Durable Objects in a database of SQL; and the one in a file of SQLite.

Floor: workers. What differs from database to database is how to begin a transaction, how to mark a
value, and whose clock tells when a lease ends.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rpclab.errors import RpcError, elsewhere
from rpclab.workers.storage.object_store import Granted
from rpclab.workers.storage.open_sqlite import WAL, open_sqlite
from rpclab.workers.storage.rows import UNCHANGED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from rpclab.workers.storage.object_store import Change

    Execute = Callable[..., Any]

BUSY_SECONDS = 10.0
"""How long a transaction waits for that of another node."""


class SqlStore:
    """A store in two tables: of objects with their leases, and of the values of these."""

    lease_of = (
        "SELECT epoch, node, expires, name, alarm FROM rpclab_objects"
        " WHERE namespace = ? AND id = ?"
    )
    """Reads the lease of an object, and keeps others from changing it meanwhile."""

    _connection: Any = None

    def _transaction(self) -> AbstractContextManager[Execute]:
        """Run a block as a transaction: it is given what executes a statement, with `?` for values.

        Raises:
            RpcError: the database cannot be used.
        """
        raise NotImplementedError

    def _now(self, execute: Execute) -> float:
        """The time by the clock that all nodes share."""
        raise NotImplementedError

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def acquire(
        self, namespace: str, key: bytes, name: str | None, node: str, seconds: float
    ) -> Granted:
        named = None if name is None else name.encode("utf-8", "surrogatepass")
        with self._transaction() as execute:
            execute(
                "INSERT INTO rpclab_objects (namespace, id, epoch, expires) VALUES (?, ?, 0, 0)"
                " ON CONFLICT DO NOTHING",
                (namespace, key),
            )
            epoch, holder, expires, known, alarm = execute(
                self.lease_of,
                (namespace, key),
            ).fetchone()
            now = self._now(execute)
            if holder not in (None, node) and expires > now:
                raise elsewhere(holder, expires - now)
            known = known if named is None else named
            execute(
                "UPDATE rpclab_objects SET epoch = ?, node = ?, expires = ?, name = ?"
                " WHERE namespace = ? AND id = ?",
                (epoch + 1, node, now + seconds, known, namespace, key),
            )
            rows = execute(
                "SELECT key, value FROM rpclab_object_values WHERE namespace = ? AND id = ?",
                (namespace, key),
            ).fetchall()
        return Granted(
            epoch + 1,
            None if known is None else bytes(known).decode("utf-8", "surrogatepass"),
            alarm,
            {bytes(one): bytes(value) for one, value in rows},
        )

    def renew(self, namespace: str, epochs: Mapping[bytes, int], seconds: float) -> set[bytes]:
        lost = set()
        with self._transaction() as execute:
            until = self._now(execute) + seconds
            # In one order everywhere, so that two nodes never wait for each other.
            for key, epoch in sorted(epochs.items()):
                renewed = execute(
                    "UPDATE rpclab_objects SET expires = ?"
                    " WHERE namespace = ? AND id = ? AND epoch = ?",
                    (until, namespace, key, epoch),
                )
                if renewed.rowcount == 0:
                    lost.add(key)
        return lost

    def release(self, namespace: str, epochs: Mapping[bytes, int]) -> None:
        with self._transaction() as execute:
            for key, epoch in sorted(epochs.items()):
                # The row stays for its epoch, which must never be used again.
                execute(
                    "UPDATE rpclab_objects SET node = NULL, expires = 0"
                    " WHERE namespace = ? AND id = ? AND epoch = ?",
                    (namespace, key, epoch),
                )

    def write(self, namespace: str, changes: Sequence[Change]) -> set[bytes]:
        refused = set()
        with self._transaction() as execute:
            for change in sorted(changes, key=lambda change: change.key):
                # This both asks for the epoch and keeps it until the transaction is over.
                fence = execute(
                    "UPDATE rpclab_objects SET epoch = epoch"
                    " WHERE namespace = ? AND id = ? AND epoch = ?",
                    (namespace, change.key, change.epoch),
                )
                if fence.rowcount == 0:
                    refused.add(change.key)
                else:
                    self._write(execute, (namespace, change.key), change)
        return refused

    @staticmethod
    def _write(execute: Execute, place: tuple[str, bytes], change: Change) -> None:
        if change.cleared:
            execute("DELETE FROM rpclab_object_values WHERE namespace = ? AND id = ?", place)
        for key, value in change.values.items():
            if value is None:
                execute(
                    "DELETE FROM rpclab_object_values WHERE namespace = ? AND id = ? AND key = ?",
                    (*place, key),
                )
            else:
                execute(
                    "INSERT INTO rpclab_object_values (namespace, id, key, value)"
                    " VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (namespace, id, key) DO UPDATE SET value = excluded.value",
                    (*place, key, value),
                )
        if change.alarm is not UNCHANGED:
            execute(
                "UPDATE rpclab_objects SET alarm = ? WHERE namespace = ? AND id = ?",
                (change.alarm, *place),
            )

    def name(self, namespace: str, key: bytes) -> str | None:
        with self._transaction() as execute:
            found = execute(
                "SELECT name FROM rpclab_objects WHERE namespace = ? AND id = ?", (namespace, key)
            ).fetchone()
        if found is None or found[0] is None:
            return None
        return bytes(found[0]).decode("utf-8", "surrogatepass")

    def alarms(self, namespace: str) -> list[tuple[bytes, int]]:
        with self._transaction() as execute:
            found = execute(
                "SELECT id, alarm FROM rpclab_objects WHERE namespace = ? AND alarm IS NOT NULL",
                (namespace,),
            ).fetchall()
        return [(bytes(key), due) for key, due in found]


_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS rpclab_objects (
        namespace TEXT NOT NULL, id BLOB NOT NULL, name BLOB, epoch INTEGER NOT NULL, node TEXT,
        expires REAL NOT NULL, alarm INTEGER, PRIMARY KEY (namespace, id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS rpclab_object_values (
        namespace TEXT NOT NULL, id BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (namespace, id, key)
    ) STRICT, WITHOUT ROWID
    """,
)


class SqliteStore(SqlStore):
    """A file that several programs of one machine share.

    Not over a network: SQLite's locks need a file system that keeps them. What survives what, says
    `open_sqlite.WAL`.

    Args:
        path: the file.
        clock: the time, in seconds, that all of them share.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        connection = self._connect()
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise RpcError(f"the store {self._path} cannot be used: {error}") from error
        try:
            yield connection.execute
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise

    def _now(self, execute: Execute) -> float:
        del execute
        return self._clock()

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = open_sqlite(self._path, (*WAL, *_SCHEMA), timeout=BUSY_SECONDS)
            except (OSError, sqlite3.Error) as error:
                raise RpcError(f"the store {self._path} cannot be used: {error}") from error
        return self._connection

    def __repr__(self) -> str:
        return f"<SqliteStore {self._path}>"
