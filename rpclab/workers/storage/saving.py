"""Writes of many objects that are kept together, and saved together.

Floor: workers. What keeps them is for a subclass to say: a file, or a store of several nodes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable


class Rows:
    """The stored data of one object: bytes by keys, which come in the order of their bytes.

    Args:
        saving: saves them.
        key: the id of the object.
    """

    def __init__(self, saving: Saving[Any], key: bytes) -> None:
        self.saving = saving
        self.key = key
        self._left = False

    @property
    def depth(self) -> int:
        """How many transactions are open."""
        raise NotImplementedError

    @property
    def can_save(self) -> bool:
        """Whether what was written can be saved now, as no transaction has it."""
        return not self.depth

    @property
    def unsaved(self) -> bool:
        """Whether something was written, outside of every transaction, that a crash would lose."""
        return self in self.saving.unsaved and self.can_save

    def save(self) -> None:
        """Make what was written outside of transactions last.

        Raises:
            Exception: it could not be written; it is lost.
        """
        self.saving.save_for(self)

    def written(self) -> None:
        """What was unsaved is safe."""
        raise NotImplementedError

    def lost(self) -> None:
        """What was unsaved could not be written, or is not wanted."""
        raise NotImplementedError

    def confirm(self) -> None:
        """Make sure that the object lives here, where others could have it.

        Raises:
            ObjectElsewhereError: it does not any more; it was reset.
        """

    def close(self) -> None:
        """All is saved, and nothing more is read here."""


R = TypeVar("R", bound=Rows)


class Saving(Generic[R]):
    """Saves what the objects of a namespace have written.

    Args:
        soon: has a function run in the next turn, to save what nobody has saved before.
        failed: told of an object whose writes are lost, with the error.
        alarm_changed: told of an object and when its alarm is due now, once that is safe.

    Attributes:
        unsaved: the objects that have written since.
    """

    def __init__(
        self,
        *,
        soon: Callable[[Callable[[], Any]], None],
        failed: Callable[[bytes, Exception], None],
        alarm_changed: Callable[[bytes, int | None], None],
    ) -> None:
        self.unsaved: dict[R, None] = {}
        self.alarm_changed = alarm_changed
        self._soon = soon
        self._failed = failed
        self._scheduled = False

    def write_soon(self, rows: R) -> None:
        """Note that an object has written; it is saved in the next turn at the latest."""
        self.unsaved[rows] = None
        if not self._scheduled:
            self._scheduled = True
            self._soon(self._save_soon)

    def _save_soon(self) -> None:
        self._scheduled = False
        self.save()

    def save_for(self, rows: R) -> None:
        """Commit what every object has written, if there is something unsaved of this one.

        Raises:
            Exception: what this one has written could not be; it is lost.
        """
        if rows.unsaved:
            failed = self.save()
            if rows in failed:
                raise failed[rows]

    def save(self) -> dict[R, Exception]:
        """Commit what every object has written outside of its transactions.

        Returns:
            The objects for which that failed; they have been told.
        """
        rows = [one for one in self.unsaved if one.can_save]
        if not rows:
            return {}
        for one in rows:
            del self.unsaved[one]
        try:
            failed = self._commit(rows)
        except BaseException:
            self.unsaved.update(dict.fromkeys(rows))
            raise
        for one, reason in failed.items():
            self.lose(one, reason)
        return failed

    def _commit(self, rows: list[R]) -> dict[R, Exception]:
        """Commit these together; where that fails, each by itself, so that one fails alone."""
        try:
            refused = self._write(rows)
        except Exception as error:
            if len(rows) == 1:
                return {rows[0]: error}
            failed: dict[R, Exception] = {}
            for one in rows:
                failed |= self._commit([one])
            return failed
        for one in rows:
            if one not in refused:
                try:
                    one.written()
                except Exception as why:
                    refused[one] = why
        return refused

    def _write(self, rows: list[R]) -> dict[R, Exception]:
        """Write what these have unsaved, in one transaction.

        Returns:
            Those whose writes were refused, and are not part of it.

        Raises:
            BaseException: nothing was written.
        """
        raise NotImplementedError

    def lose(self, rows: R, reason: Exception) -> None:
        """Give up what an object has written and not saved, and tell it of that."""
        self.unsaved.pop(rows, None)
        rows.lost()
        self._failed(rows.key, reason)
