"""What one Durable Object has stored, as bytes by key: unsaved changes in front of a database.

Floor: workers. `SharedRows` are the rows of an object in the file of its namespace, `OwnRows` in a
file of its own. Transactions nest; what is done in none is saved at the next opportunity.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from rpclab.errors import ContextEndedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rpclab.workers.storage.files import NamespaceFile
    from rpclab.workers.storage.statements import Statements

UNCHANGED: Any = object()

_SHARED_UP = (
    "SELECT key, value FROM kv WHERE object = :object AND key >= :start AND key < :end"
    " ORDER BY key LIMIT :limit"
)
_SHARED_DOWN = (
    "SELECT key, value FROM kv WHERE object = :object AND key >= :start AND key < :end"
    " ORDER BY key DESC LIMIT :limit"
)
_OWN_UP = (
    "SELECT key, value FROM _cf_KV WHERE key >= :start AND key < :end ORDER BY key LIMIT :limit"
)
_OWN_DOWN = (
    "SELECT key, value FROM _cf_KV WHERE key >= :start AND key < :end"
    " ORDER BY key DESC LIMIT :limit"
)
_MADE_BY_SQL = {
    "VIEW": "SELECT name FROM sqlite_master WHERE type = 'view'",
    "TRIGGER": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    # Virtual tables drop those they stand on themselves.
    "TABLE": "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'sqlite_sequence'"
    " AND name NOT LIKE '~_cf~_%' ESCAPE '~' ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC",
}
"""What the SQL of an object has made, in the order in which it can be dropped."""


class Rows(Protocol):
    """The stored data of one object; keys are UTF-8 and come in the order of their bytes."""

    unsaved: bool
    """Whether something was written, outside of every transaction, that a crash would lose."""

    def get(self, key: bytes) -> bytes | None:
        """Give one value."""

    def scan(
        self, start: bytes, end: bytes, limit: int | None, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        """Give the pairs from `start` up to (without) `end`, in order; at most `limit`."""

    def set(self, key: bytes, value: bytes | None) -> None:
        """Put a value; None deletes it."""

    def clear(self) -> None:
        """Delete everything, the alarm too. Not in a transaction."""

    def alarm(self) -> int | None:
        """When the alarm is due, in milliseconds since 1970."""

    def set_alarm(self, time: int | None) -> None:
        """Set the alarm, or delete it."""

    @property
    def depth(self) -> int:
        """How many transactions are open."""

    def begin(self) -> None:
        """Begin a transaction, inside the one that is open, if any."""

    def end(self, *, keep: bool) -> None:
        """End the innermost transaction: keep what it changed, or take that back."""

    def save(self) -> None:
        """Make what was written outside of transactions last.

        Raises:
            sqlite3.Error: it could not be written; it is lost.
        """

    def leave(self) -> None:
        """The object is gone from memory: take back open transactions, and accept no more."""

    def confirm(self) -> None:
        """Make sure that the object lives here and nowhere else.

        Raises:
            ObjectElsewhereError: it does not any more; it was reset.
        """

    def close(self) -> None:
        """All is saved, and nothing more is read here."""


class Layer:
    """Changes that stand in front of the database, or of another layer."""

    __slots__ = ("alarm", "changes", "cleared")

    def __init__(self) -> None:
        self.changes: dict[bytes, bytes | None] = {}
        self.cleared = False
        self.alarm: Any = UNCHANGED

    def take(self, other: Layer) -> None:
        """Take the changes of a layer that stood in front of this one."""
        self.changes.update(other.changes)
        if other.alarm is not UNCHANGED:
            self.alarm = other.alarm

    def __bool__(self) -> bool:
        return bool(self.changes) or self.cleared or self.alarm is not UNCHANGED


class LayeredRows:
    """Rows whose changes stay in memory until they are saved.

    They are saved together with those of all objects of the namespace; so a transaction of one
    object concerns no other one.

    Args:
        file: saves them.
        key: the id of the object.
        name: its name, if it has one.
    """

    can_save = True  # what a transaction has changed stands in a layer of its own

    def __init__(self, file: Any, key: bytes, name: str | None) -> None:
        self.file = file
        self.key = key
        self.name = name
        self.layers = [Layer()]
        self._left = False

    # What is saved.

    def _read(self, key: bytes) -> bytes | None:
        """Give one value."""
        raise NotImplementedError

    def _stored(
        self, start: bytes, end: bytes, limit: int | None, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        """Give pairs, as `scan` does."""
        raise NotImplementedError

    def _stored_alarm(self) -> int | None:
        """When the alarm is due."""
        raise NotImplementedError

    # With what is not.

    @property
    def unsaved(self) -> bool:
        return self in self.file.unsaved

    @property
    def depth(self) -> int:
        return len(self.layers) - 1

    def get(self, key: bytes) -> bytes | None:
        for layer in reversed(self.layers):
            if key in layer.changes:
                return layer.changes[key]
            if layer.cleared:
                return None
        return self._read(key)

    def scan(
        self, start: bytes, end: bytes, limit: int | None, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        stored = not self.layers[0].cleared
        if not any(layer.changes for layer in self.layers):
            return self._stored(start, end, limit, reverse=reverse) if stored else []
        found: dict[bytes, bytes | None] = {}
        if stored:
            found.update(self._stored(start, end, None, reverse=False))
        for layer in self.layers:
            changed = layer.changes.items()
            found.update({key: value for key, value in changed if start <= key < end})
        keys = sorted((key for key in found if found[key] is not None), reverse=reverse)
        return [(key, found[key]) for key in keys[:limit]]  # type: ignore[misc]

    def set(self, key: bytes, value: bytes | None) -> None:
        self._change().changes[key] = value

    def clear(self) -> None:
        layer = self._change()
        layer.changes.clear()
        layer.cleared = True
        layer.alarm = None

    def alarm(self) -> int | None:
        for layer in reversed(self.layers):
            if layer.alarm is not UNCHANGED:
                return layer.alarm  # type: ignore[no-any-return]
        return self._stored_alarm()

    def set_alarm(self, time: int | None) -> None:
        self._change().alarm = time

    def begin(self) -> None:
        self._check()
        self.layers.append(Layer())

    def end(self, *, keep: bool) -> None:
        top = self.layers.pop()
        if keep and top:
            self._change().take(top)

    def save(self) -> None:
        self.file.save_for(self)

    def leave(self) -> None:
        self._left = True
        del self.layers[1:]

    def confirm(self) -> None:
        pass  # nobody else can have the object

    def close(self) -> None:
        pass

    def _check(self) -> None:
        if self._left:
            raise gone()

    def _change(self) -> Layer:
        self._check()
        if len(self.layers) == 1:
            self.file.write_soon(self)
        return self.layers[-1]

    def written(self) -> None:
        """What was unsaved is safe."""
        layer, self.layers[0] = self.layers[0], Layer()
        self._wrote(layer)
        if layer.alarm is not UNCHANGED:
            self.file.alarm_changed(self.key, layer.alarm)

    def _wrote(self, layer: Layer) -> None:
        """These changes are safe."""
        raise NotImplementedError

    def lost(self) -> None:
        """What was unsaved could not be written."""
        self.layers[0] = Layer()


class SharedRows(LayeredRows):
    """The rows of one object among those of its namespace, in one file.

    Args:
        file: the database of the namespace.
        key: the id of the object.
        name: its name, if it has one.
    """

    file: NamespaceFile

    def __init__(self, file: NamespaceFile, key: bytes, name: str | None) -> None:
        super().__init__(file, key, name)
        self._number = file.number(key)

    def _read(self, key: bytes) -> bytes | None:
        if self._number is None:
            return None
        found = self.file.connection.execute(
            "SELECT value FROM kv WHERE object = ? AND key = ?", (self._number, key)
        ).fetchone()
        return None if found is None else found[0]

    def _stored(
        self, start: bytes, end: bytes, limit: int | None, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        if self._number is None:
            return []
        bounds = {"object": self._number, "start": start, "end": end, "limit": _count(limit)}
        query = _SHARED_DOWN if reverse else _SHARED_UP
        return self.file.connection.execute(query, bounds).fetchall()

    def _stored_alarm(self) -> int | None:
        return None if self._number is None else self.file.alarm(self._number)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what is unsaved, in a transaction of the whole namespace."""
        layer, number = self.layers[0], self._number
        if number is None:
            number = self.file.enter(self.key, self.name)
        if layer.cleared:
            connection.execute("DELETE FROM kv WHERE object = ?", (number,))
        gone_keys = [(number, key) for key, value in layer.changes.items() if value is None]
        if gone_keys:
            connection.executemany("DELETE FROM kv WHERE object = ? AND key = ?", gone_keys)
        put = [(number, key, value) for key, value in layer.changes.items() if value is not None]
        if put:
            connection.executemany("INSERT OR REPLACE INTO kv VALUES (?, ?, ?)", put)
        if layer.alarm is not UNCHANGED:
            self.file.note_alarm(number, layer.alarm)

    def _wrote(self, layer: Layer) -> None:
        del layer
        if self._number is None:
            self._number = self.file.number(self.key)


class OwnRows:
    """The rows of an object that uses SQL, in its own file beside its tables.

    Changes are made in a transaction of the database, which `save` commits.

    Args:
        file: the database of the namespace.
        key: the id of the object.
        number: its number in the namespace.
    """

    def __init__(self, file: NamespaceFile, key: bytes, number: int) -> None:
        self.file = file
        self.key = key
        self.number = number
        self._left = False
        self._cleared = False
        # Whether the alarm was set or deleted: outside of transactions, and in each that is open.
        self._alarm_changed = [False]
        self._indexed = file.alarm(number) is not None

    @property
    def statements(self) -> Statements:
        """The database of the object."""
        if self._left:
            raise gone()
        return self.file.own(self.key)

    @property
    def connection(self) -> sqlite3.Connection:
        """Its connection, for what is written here."""
        return self.statements.connection

    @property
    def depth(self) -> int:
        return len(self._alarm_changed) - 1

    @property
    def unsaved(self) -> bool:
        return self in self.file.unsaved and self.depth == 0

    @property
    def can_save(self) -> bool:
        return not self.depth

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
            self.file.write_soon(self)
            if not written:
                connection.execute("BEGIN")
        try:
            yield statements
        except BaseException as error:
            if written and not connection.in_transaction:
                self.file.rolled_back(self, error)
            raise

    def get(self, key: bytes) -> bytes | None:
        found = self.connection.execute("SELECT value FROM _cf_KV WHERE key = ?", (key,)).fetchone()
        return None if found is None else found[0]

    def scan(
        self, start: bytes, end: bytes, limit: int | None, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        bounds = {"start": start, "end": end, "limit": _count(limit)}
        return self.connection.execute(_OWN_DOWN if reverse else _OWN_UP, bounds).fetchall()

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

    def save(self) -> None:
        self.file.save_for(self)

    def leave(self) -> None:
        if not self._left and self.depth:
            self.lost()
        self._left = True

    def confirm(self) -> None:
        pass  # the file belongs to one sandbox at a time

    def close(self) -> None:
        pass

    def write(self, _connection: sqlite3.Connection) -> None:
        """Make the note of an alarm in the namespace; it comes first, and is gone last."""
        if self._alarm_changed[0] and not self._indexed and self._own_alarm() is not None:
            self.file.note_alarm(self.number, 0)

    def written(self) -> None:
        """Commit, after the notes of the namespace are safe."""
        connection = self.file.own(self.key).connection
        if connection.in_transaction and self.depth == 0:
            connection.commit()
            self._end_clearing()
        if self._alarm_changed[0] and self.depth == 0:
            self._alarm_changed[0] = False
            time = self._own_alarm()
            if time is None and self._indexed:
                self.file.note_alarm(self.number, None)
            self._indexed = time is not None
            self.file.alarm_changed(self.key, time)

    def _own_alarm(self) -> int | None:
        return self._stored_alarm(self.file.own(self.key).connection)

    @staticmethod
    def _stored_alarm(connection: sqlite3.Connection) -> int | None:
        found = connection.execute("SELECT value FROM _cf_METADATA WHERE key = 'alarm'").fetchone()
        return None if found is None else found[0]

    def lost(self) -> None:
        """What was unsaved could not be written, or is not wanted."""
        self.file.own(self.key).connection.rollback()
        self._end_clearing()
        self._alarm_changed = [False]

    def _end_clearing(self) -> None:
        if self._cleared:
            self._cleared = False
            self.file.own(self.key).default_switches()


def _count(limit: int | None) -> int:
    return -1 if limit is None else min(limit, 2**63 - 1)  # -1 is how SQLite says "all"


def gone() -> ContextEndedError:
    """Build the error of storage whose object is gone from memory."""
    return ContextEndedError("the Durable Object was reset; a new one uses its storage now")
