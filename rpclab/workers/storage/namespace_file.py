"""What the Durable Objects of a namespace have written, kept in SQLite.

Floor: workers. Writes are committed before an answer or call of the object leaves, together with
all that is unsaved in the namespace then. The commit is made on the event loop, for it does not
wait for the disk (`open_sqlite`): it takes some 14 µs, and every thousand pages 5 ms, when SQLite
empties its log.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rpclab.workers.storage.limits import OBJECT_LIMITS, ObjectLimits
from rpclab.workers.storage.namespace_database import NamespaceDatabase
from rpclab.workers.storage.saving import Saving
from rpclab.workers.storage.sql_values import is_unicode
from rpclab.workers.storage.sqlite_rows import OwnRows, SharedRows

Written = SharedRows | OwnRows


class NamespaceFile(Saving[Written]):
    """The objects of a namespace whose storage is in files of this machine, or in memory.

    Args:
        folder: where the files are; None keeps all in memory.
        name: what `namespace_database.file_name` gives.
        soon: has a function run in the next turn, to save what nobody has saved before.
        failed: told of an object whose writes are lost, with the error.
        alarm_changed: told of an object and when its alarm is due now, once that is safe.
        limits: bounds of what the objects store.
    """

    def __init__(
        self,
        folder: Path | None,
        name: str,
        *,
        soon: Callable[[Callable[[], Any]], None],
        failed: Callable[[bytes, Exception], None],
        alarm_changed: Callable[[bytes, int | None], None],
        limits: ObjectLimits = OBJECT_LIMITS,
    ) -> None:
        super().__init__(soon=soon, failed=failed, alarm_changed=alarm_changed)
        self.limits = limits
        self.database = NamespaceDatabase(folder, name, limits)

    def exists(self) -> bool:
        """Whether something may be stored already."""
        return self.database.exists()

    def open(self, key: bytes, name: str | None) -> Written:
        """The rows of an object."""
        found = self.database.find(key)
        if found is not None and found[1]:
            return OwnRows(self, self.database, key, found[0])
        # A name with half a surrogate pair is no text of SQLite: it is known while in memory.
        name = name if name is None or is_unicode(name) else None
        return SharedRows(self, self.database, key, name)

    def name(self, key: bytes) -> str | None:
        """The name of an object, as far as it is known."""
        return self.database.name(key)

    def move_out(self, rows: SharedRows) -> OwnRows:
        """Give an object a database of its own; its transactions stay open."""
        rows.save()
        number = self.database.move_out(rows.key, rows.name)
        moved = OwnRows(self, self.database, rows.key, number)
        for layer in rows.layers[1:]:
            moved.begin()
            for key, value in layer.changes.items():
                moved.set(key, value)
            if isinstance(layer.alarm, int | None):
                moved.set_alarm(layer.alarm)
        return moved

    def alarms(self) -> list[tuple[bytes, int]]:
        """All alarms that are set: the id of the object, and when it is due."""
        found = []
        for key, name, time, own in self.database.alarms():
            due = self.open(key, name).alarm() if own else time
            if due is not None:
                found.append((key, due))
        return found

    def _write(self, rows: list[Written]) -> dict[Written, Exception]:
        connection = self.database.connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for one in rows:
                one.write(connection)
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise
        return {}

    def close(self) -> None:
        """Save, and close every file. Twice is fine."""
        self.save()
        self.database.close()
        self.unsaved.clear()
