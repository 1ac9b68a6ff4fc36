"""What one Durable Object has stored in SQLite: among those of its namespace, or in its own file.

Floor: workers. `SharedRows` are the rows of an object in the file of its namespace, `OwnRows` those
of an object that uses SQL.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rpclab.errors import RpcError
from rpclab.workers.storage.rows import UNCHANGED, Layer, LayeredRows, gone
from rpclab.workers.storage.saving import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpclab.workers.storage.namespace_database import NamespaceDatabase
    from rpclab.workers.storage.saving import Saving
    from rpclab.workers.storage.statements import Statements

_UP = "key >= :start AND key < :end ORDER BY key LIMIT :limit"
_DOWN = "key >= :start AND key < :end ORDER BY key DESC LIMIT :limit"
_MADE_BY_SQL = {
    "VIEW": "SELECT name FROM sqlite_master WHERE type = 'view'",
    "TRIGGER": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    # Virtual tables drop those they stand on themselves.
    "TABLE": "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'sqlite_sequence'"
    " AND name NOT LIKE '~_cf~_%' ESCAPE '~' ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC",
}
"""What the SQL of an object has made, in the order in which it can be dropped."""


class SharedRows(LayeredRows):
    """The rows of one object among those of its namespace, in one file.

    Args:
        saving: saves them.
        database: the file.
        key: the id of the object.
        name: its name, if it has one.
    """

    def __init__(
        self, saving: Saving[Any], database: NamespaceDatabase, key: bytes, name: str | None
    ) -> None:
        super().__init__(saving, key, name)
        self._database = database
        self._number = database.number(key)

    def _read(self, key: bytes) -> bytes | None:
        if self._number is None:
            return None
        found = self._database.connection.execute(
            "SELECT value FROM kv WHERE object = ? AND key = ?", (self._number, key)
        ).fetchone()
        return None if found is None else found[0]

    def _stored(
        self, start: bytes, end: bytes, limit: int | None, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        if self._number is None:
            return []
        bounds = {"object": self._number, "start": start, "end": end, "limit": _count(limit)}
        query = f"SELECT key, value FROM kv WHERE object = :object AND {_DOWN if reverse else _UP}"  # noqa: S608 - our own words
        return self._database.connection.execute(query, bounds).fetchall()

    def _stored_alarm(self) -> int | None:
        return None if self._number is None else self._database.alarm(self._number)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what is unsaved, in a transaction of the whole namespace."""
        layer, number = self.layers[0], self._number
        if number is None:
            number = self._database.enter(self.key, self.name)
        if layer.cleared:
            connection.execute("DELETE FROM kv WHERE object = ?", (number,))
        gone_keys = [(number, key) for key, value in layer.changes.items() if value is None]
        if gone_keys:
            connection.executemany("DELETE FROM kv WHERE object = ? AND key = ?", gone_keys)
        put = [(number, key, value) for key, value in layer.changes.items() if value is not None]
        if put:
            connection.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?, ?)", put)
        if layer.alarm is not UNCHANGED:
            self._database.note_alarm(number, layer.alarm)

    def _wrote(self, layer: Layer) -> None:
        del layer
        if self._number is None:
            self._number = self._database.number(self.key)


class OwnRows(Rows):
    """The rows of an object that uses SQL, in its own file beside its tables.

    Changes are made in a transaction of the database, which `save` commits.

    Args:
        saving: saves them.
        database: knows the file.
        key: the id of the object.
        number: its number in the namespace.
    """

    def __init__(
        self, saving: Saving[Any], database: NamespaceDatabase, key: bytes, number: int
    ) -> None:
        super().__init__(saving, key)
        self.database = database
        self.number = number
        self._cleared = False
        # Whether the alarm was set or deleted: outside of transactions, and in each that is open.
        self._alarm_changed = [False]
        self._indexed = database.alarm(number) is not None

    @property
    def statements(self) -> Statements:
        """The database of the object."""
        if self._left:
            raise gone()
        return self.database.own(self.key)

    @property
    def connection(self) -> sqlite3.Connection:
        """Its connection, for the statements of rpclab itself."""
        return self.statements.connection

    @property
    def depth(self) -> int:
        return len(self._alarm_changed) - 1

    @contextmanager
    def using(self, *, writes: bool = True) -> Iterator[Statements]:
        """Use the database in a block.

        Args:
            writes: in a transaction, which is committed with the next answer at the latest.

        Raises:
            BaseException: what the block raises. Where SQLite then took back by itself what had
                been written before, the object is reset.
        """
        statements = self.statements
        connection = statements.connection
        written = connection.in_transaction
        if writes:
            self.saving.write_soon(self)
            if not written:
                connection.execute("BEGIN")
        try:
            yield statements
        except BaseException as error:
            if written and not connection.in_transaction:
                self.saving.lose(self, _taken_back(error))
            raise

    def get(self, key: bytes) -> bytes | None:
        found = self.connection.execute("SELECT value FROM _cf_KV WHERE key = ?", (key,)).fetchone()
        return None if found is None else found[0]

    def scan(
        self, start: bytes, end: bytes, limit: int | None, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        bounds = {"start": start, "end": end, "limit": _count(limit)}
        query = f"SELECT key, value FROM _cf_KV WHERE {_DOWN if reverse else _UP}"  # noqa: S608 - our own words
        return self.connection.execute(query, bounds).fetchall()

    def set(self, key: bytes, value: bytes | None) -> None:
        with self.using() as statements:
            if value is None:
                statements.connection.execute("DELETE FROM _cf_KV WHERE key = ?", (key,))
            else:
                statements.connection.execute(
                    "INSERT OR REPLACE INTO _cf_KV VALUES (?, ?)", (key, value)
                )

    def clear(self) -> None:
        self.save()
        self._cleared = True
        # Tables may refer to one another in a circle, and can then be dropped in no order.
        self.connection.execute("PRAGMA foreign_keys = OFF")
        try:
            with self.using() as statements:
                self._drop_all(statements.connection)
                self.set_alarm(None)
        except BaseException:
            self.lost()
            raise

    @staticmethod
    def _drop_all(connection: sqlite3.Connection) -> None:
        for kind, made in _MADE_BY_SQL.items():
            for (name,) in connection.execute(made).fetchall():
                quoted = name.replace('"', '""')
                connection.execute(f'DROP {kind} IF EXISTS "{quoted}"')
        connection.execute("DELETE FROM _cf_KV")

    def alarm(self) -> int | None:
        return self._stored_alarm(self.connection)

    def set_alarm(self, time: int | None) -> None:
        with self.using() as statements:
            connection = statements.connection
            connection.execute("DELETE FROM _cf_METADATA WHERE key = 'alarm'")
            if time is not None:
                connection.execute("INSERT INTO _cf_METADATA VALUES ('alarm', ?)", (time,))
        self._alarm_changed[-1] = True

    def begin(self) -> None:
        if self.depth == 0:
            self.save()
        with self.using() as statements:
            statements.connection.execute(f"SAVEPOINT s{self.depth}")
        self._alarm_changed.append(False)

    def end(self, *, keep: bool) -> None:
        if self._left:
            return
        changed = self._alarm_changed.pop()
        with self.using() as statements:
            if keep:
                self._alarm_changed[-1] |= changed
            else:
                statements.connection.execute(f"ROLLBACK TO s{self.depth}")
            statements.connection.execute(f"RELEASE s{self.depth}")

    def leave(self) -> None:
        if not self._left and self.depth:
            self.lost()
        self._left = True

    def write(self, _connection: sqlite3.Connection) -> None:
        """Make the note of an alarm in the namespace; it comes first, and is gone last."""
        if self._alarm_changed[0] and not self._indexed and self._own_alarm() is not None:
            self.database.note_alarm(self.number, 0)

    def written(self) -> None:
        """Commit, after the notes of the namespace are safe."""
        connection = self.database.own(self.key).connection
        if connection.in_transaction and self.depth == 0:
            connection.commit()
            self._end_clearing()
        if self._alarm_changed[0] and self.depth == 0:
            self._alarm_changed[0] = False
            time = self._own_alarm()
            if time is None and self._indexed:
                self.database.note_alarm(self.number, None)
            self._indexed = time is not None
            self.saving.alarm_changed(self.key, time)

    def _own_alarm(self) -> int | None:
        return self._stored_alarm(self.database.own(self.key).connection)

    @staticmethod
    def _stored_alarm(connection: sqlite3.Connection) -> int | None:
        found = connection.execute("SELECT value FROM _cf_METADATA WHERE key = 'alarm'").fetchone()
        return None if found is None else found[0]

    def lost(self) -> None:
        """What was unsaved could not be written, or is not wanted."""
        self.database.own(self.key).connection.rollback()
        self._end_clearing()
        self._alarm_changed = [False]

    def _end_clearing(self) -> None:
        if self._cleared:
            self._cleared = False
            self.database.own(self.key).default_switches()


def _count(limit: int | None) -> int:
    return -1 if limit is None else min(limit, 2**63 - 1)  # -1 is how SQLite says "all"


def _taken_back(error: BaseException) -> RpcError:
    """Build the error of an object whose writes SQLite took back by itself."""
    return RpcError(
        "Durable Object reset because SQLite took back all that it had written and not saved"
        f" yet: {str(error) or type(error).__name__}. So do OR ROLLBACK, RAISE(ROLLBACK), a"
        " full disk and an interrupted write; OR ABORT takes back one statement, and"
        " storage.transaction_sync() a function"
    )
