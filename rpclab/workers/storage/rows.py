"""What one Durable Object has stored, as bytes by key: unsaved changes in front of a database.

Floor: workers. Transactions nest; what is done in none is saved at the next opportunity. Where it
is saved is for a subclass to say.
"""

from __future__ import annotations

from typing import Any

from rpclab.errors import ContextEndedError
from rpclab.workers.storage.saving import Rows, Saving

UNCHANGED: Any = object()


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


class LayeredRows(Rows):
    """Rows whose changes stay in memory until they are saved.

    They are saved together with those of all objects of the namespace; so a transaction of one
    object concerns no other one.

    Args:
        saving: saves them.
        key: the id of the object.
        name: its name, if it has one.
    """

    def __init__(self, saving: Saving[Any], key: bytes, name: str | None) -> None:
        super().__init__(saving, key)
        self.name = name
        self.layers = [Layer()]

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
    def depth(self) -> int:
        return len(self.layers) - 1

    @property
    def can_save(self) -> bool:
        return True  # what a transaction has changed stands in a layer of its own

    def get(self, key: bytes) -> bytes | None:
        """Give one value."""
        for layer in reversed(self.layers):
            if key in layer.changes:
                return layer.changes[key]
            if layer.cleared:
                return None
        return self._read(key)

    def scan(
        self, start: bytes, end: bytes, limit: int | None, *, reverse: bool
    ) -> list[tuple[bytes, bytes]]:
        """Give the pairs from `start` up to (without) `end`, in order; at most `limit`."""
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
        """Put a value; None deletes it."""
        self._change().changes[key] = value

    def clear(self) -> None:
        """Delete everything, the alarm too. Not in a transaction."""
        layer = self._change()
        layer.changes.clear()
        layer.cleared = True
        layer.alarm = None

    def alarm(self) -> int | None:
        """When the alarm is due, in milliseconds since 1970."""
        for layer in reversed(self.layers):
            if layer.alarm is not UNCHANGED:
                return layer.alarm  # type: ignore[no-any-return]
        return self._stored_alarm()

    def set_alarm(self, time: int | None) -> None:
        """Set the alarm, or delete it."""
        self._change().alarm = time

    def begin(self) -> None:
        """Begin a transaction, inside the one that is open, if any."""
        self._check()
        self.layers.append(Layer())

    def end(self, *, keep: bool) -> None:
        """End the innermost transaction: keep what it changed, or take that back."""
        top = self.layers.pop()
        if keep and top:
            self._change().take(top)

    def leave(self) -> None:
        """The object is gone from memory: take back open transactions, and accept no more."""
        self._left = True
        del self.layers[1:]

    def _check(self) -> None:
        if self._left:
            raise gone()

    def _change(self) -> Layer:
        self._check()
        if len(self.layers) == 1:
            self.saving.write_soon(self)
        return self.layers[-1]

    def written(self) -> None:
        layer, self.layers[0] = self.layers[0], Layer()
        self._wrote(layer)
        if layer.alarm is not UNCHANGED:
            self.saving.alarm_changed(self.key, layer.alarm)

    def _wrote(self, layer: Layer) -> None:
        """These changes are safe."""
        raise NotImplementedError

    def lost(self) -> None:
        self.layers[0] = Layer()


def gone() -> ContextEndedError:
    """Build the error of storage whose object is gone from memory."""
    return ContextEndedError("the Durable Object was reset; a new one uses its storage now")
