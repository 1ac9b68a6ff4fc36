"""What one Durable Object has stored, as bytes by key: unsaved changes in front of a database.

Floor: workers. Transactions nest; what is done in none is saved at the next opportunity. Where it
is saved is for a subclass to say.
"""

from __future__ import annotations

from typing import Any, Protocol

from rpclab.errors import ContextEndedError
from rpclab.workers.storage.saving import Saving

UNCHANGED: Any = object()


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
        saving: saves them.
        key: the id of the object.
        name: its name, if it has one.
    """

    can_save = True  # what a transaction has changed stands in a layer of its own

    def __init__(self, saving: Saving[Any], key: bytes, name: str | None) -> None:
        self.saving = saving
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
        return self in self.saving.unsaved

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
        self.saving.save_for(self)

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
            self.saving.write_soon(self)
        return self.layers[-1]

    def written(self) -> None:
        """What was unsaved is safe."""
        layer, self.layers[0] = self.layers[0], Layer()
        self._wrote(layer)
        if layer.alarm is not UNCHANGED:
            self.saving.alarm_changed(self.key, layer.alarm)

    def _wrote(self, layer: Layer) -> None:
        """These changes are safe."""
        raise NotImplementedError

    def lost(self) -> None:
        """What was unsaved could not be written."""
        self.layers[0] = Layer()


def gone() -> ContextEndedError:
    """Build the error of storage whose object is gone from memory."""
    return ContextEndedError("the Durable Object was reset; a new one uses its storage now")
