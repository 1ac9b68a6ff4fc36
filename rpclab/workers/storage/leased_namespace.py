"""The Durable Objects of a namespace whose store several nodes share: those that live here.

Floor: workers. An object's rows are read when its lease is granted, and held in memory while it
lives. What it writes goes to the store before an answer or a call of it leaves, with its epoch.
"""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rpclab.errors import ObjectElsewhereError, RpcError, elsewhere
from rpclab.workers.storage.limits import OBJECT_LIMITS, ObjectLimits
from rpclab.workers.storage.object_store import Change
from rpclab.workers.storage.rows import UNCHANGED, Layer, LayeredRows
from rpclab.workers.storage.saving import Saving

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.workers.storage.object_store import Granted, ObjectStore

LEASE_SECONDS = 10.0
"""How long a node has an object of which it says nothing more."""


def this_node() -> str:
    """Name this program as no other one is named."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(frozen=True)
class SharedObjects:
    """Where Durable Objects are stored that several nodes may host, one at a time.

    Attributes:
        store: "postgresql://…", the path of a SQLite file, or an `ObjectStore`.
        node: what this node is called in leases; no two that run may have one name.
        lease_seconds: how long others wait for the objects of a node that is gone, or cut off.
    """

    store: str | os.PathLike[str] | ObjectStore
    node: str = field(default_factory=this_node)
    lease_seconds: float = LEASE_SECONDS

    def __post_init__(self) -> None:
        if not self.lease_seconds > 0:
            raise ValueError(f"a lease lasts some seconds, not {self.lease_seconds!r}")
        if not self.node:
            raise ValueError("a node needs a name")

    @property
    def address(self) -> str | None:
        """Where other programs find the store; None of one that is an object of this program."""
        if isinstance(self.store, str) and self.store.startswith(("postgresql:", "postgres:")):
            return self.store
        if isinstance(self.store, (str, os.PathLike)):
            return str(Path(self.store).resolve())
        return None

    def open(self) -> ObjectStore:
        """Give the store.

        Raises:
            ImportError: the extra rpclab[postgres] is not installed.
        """
        if isinstance(self.store, str) and self.store.startswith(("postgresql:", "postgres:")):
            from rpclab.workers.storage.postgres import PostgresStore  # noqa: PLC0415 - an extra

            return PostgresStore(self.store)
        if isinstance(self.store, (str, os.PathLike)):
            from rpclab.workers.storage.sql_stores import SqliteStore  # noqa: PLC0415 - likewise

            return SqliteStore(Path(self.store))
        return self.store


class LeasedRows(LayeredRows):
    """The rows of one object that this node has the lease of.

    Args:
        namespace: what it is among.
        key: its id.
        granted: what the store gave.
        until: when the lease ends, by the clock of this node.
    """

    def __init__(
        self, namespace: LeasedNamespace, key: bytes, granted: Granted, until: float
    ) -> None:
        super().__init__(namespace, key, granted.name)
        self._namespace = namespace
        self.epoch = granted.epoch
        self.until = until
        self._values = granted.values
        self._due = granted.alarm

    def _read(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def _stored(
        self, start: bytes, end: bytes, limit: int | None, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        keys = sorted((key for key in self._values if start <= key < end), reverse=reverse)
        return [(key, self._values[key]) for key in keys[:limit]]

    def _stored_alarm(self) -> int | None:
        return self._due

    def change(self) -> Change:
        """What is unsaved."""
        layer = self.layers[0]
        return Change(self.key, self.epoch, layer.cleared, layer.changes, layer.alarm)

    def _wrote(self, layer: Layer) -> None:
        if layer.cleared:
            self._values.clear()
        for key, value in layer.changes.items():
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value
        if layer.alarm is not UNCHANGED:
            self._due = layer.alarm

    def confirm(self) -> None:
        self._namespace.confirm(self)

    def close(self) -> None:
        self._namespace.release(self)


class LeasedNamespace(Saving[LeasedRows]):
    """The objects of one class that live on this node.

    Args:
        shared: the store, and who this node is there.
        store: that store, open.
        namespace: the name of the namespace.
        now: the time, in seconds, by a clock that never goes back.
        later: runs a function after some seconds.
        soon: as of `Saving`.
        failed: likewise.
        alarm_changed: likewise.
        limits: bounds of what the objects store.
    """

    def __init__(
        self,
        shared: SharedObjects,
        store: ObjectStore,
        namespace: str,
        *,
        now: Callable[[], float],
        later: Callable[[float, Callable[[], None]], None],
        soon: Callable[[Callable[[], Any]], None],
        failed: Callable[[bytes, Exception], None],
        alarm_changed: Callable[[bytes, int | None], None],
        limits: ObjectLimits = OBJECT_LIMITS,
    ) -> None:
        super().__init__(soon=soon, failed=failed, alarm_changed=alarm_changed)
        self.limits = limits
        self.lease_seconds = shared.lease_seconds
        self._node = shared.node
        self._store = store
        self._namespace = namespace
        self._now = now
        self._later = later
        self._here: dict[bytes, LeasedRows] = {}
        self._renewing = False

    # The objects of the namespace.

    def open(self, key: bytes, name: str | None) -> LeasedRows:
        """Get the lease of an object, and its rows.

        Raises:
            ObjectElsewhereError: another node has it.
        """
        asked_at = self._now()
        granted = self._store.acquire(self._namespace, key, name, self._node, self.lease_seconds)
        rows = LeasedRows(self, key, granted, asked_at + self.lease_seconds)
        self._here[key] = rows
        self._renew_later()
        return rows

    def name(self, key: bytes) -> str | None:
        """The name of an object, as far as it is known."""
        return self._store.name(self._namespace, key)

    def exists(self) -> bool:
        """Whether something may be stored already."""
        return True

    def alarms(self) -> list[tuple[bytes, int]]:
        """All alarms that are set, also of objects that live elsewhere."""
        return self._store.alarms(self._namespace)

    def move_out(self, rows: Any) -> NoReturn:
        """Refuse `storage.sql`.

        Raises:
            RpcError: always.
        """
        del rows
        raise RpcError(
            "an object in a store that nodes share has keys and values, and no tables: use"
            " storage.put(), or a D1 database"
        )

    # Leases.

    def confirm(self, rows: LeasedRows) -> None:
        """Make sure that an object is still ours, where nobody has said so for long.

        Raises:
            ObjectElsewhereError: it is not; it was reset.
        """
        if self._now() < rows.until or rows.key not in self._here:
            return
        lost = self._renew([rows])
        if rows in lost:
            raise lost[rows]

    def release(self, rows: LeasedRows) -> None:
        """An object has left memory: others may have it."""
        if self._here.get(rows.key) is rows:
            del self._here[rows.key]
            self._store.release(self._namespace, {rows.key: rows.epoch})

    def _renew_later(self) -> None:
        if not self._renewing and self._here:
            self._renewing = True
            self._later(self.lease_seconds / 3, self._renew_all)

    def _renew_all(self) -> None:
        self._renewing = False
        with suppress(RpcError):  # out of reach: what needs a lease that has ended is told so
            self._renew(list(self._here.values()))
        self._renew_later()

    def _renew(self, rows: list[LeasedRows]) -> dict[LeasedRows, ObjectElsewhereError]:
        """Renew leases. Gives those that are lost; their objects were reset."""
        asked_at = self._now()
        epochs = {one.key: one.epoch for one in rows}
        gone = self._store.renew(self._namespace, epochs, self.lease_seconds) if epochs else set()
        lost = {}
        for one in rows:
            if one.key in gone:
                lost[one] = elsewhere()
                self.lose(one, lost[one])
            else:
                one.until = asked_at + self.lease_seconds
        return lost

    # Saving.

    def _commit(self, rows: list[LeasedRows]) -> dict[LeasedRows, Exception]:
        # Where a store fails, it fails for all: to ask for each anew would only wait longer.
        try:
            refused = self._write(rows)
        except Exception as error:
            return dict.fromkeys(rows, error)
        for one in rows:
            if one not in refused:
                one.written()
        return refused

    def _write(self, rows: list[LeasedRows]) -> dict[LeasedRows, Exception]:
        refused = self._store.write(self._namespace, [one.change() for one in rows])
        return {one: elsewhere() for one in rows if one.key in refused}

    def close(self) -> None:
        """Save. Twice is fine."""
        self.save()
        self._here.clear()
        self.unsaved.clear()
