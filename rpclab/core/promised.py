"""Promises among the arguments of a call: they arrive as what they resolve to.

Floor: core.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rpclab.core.imports import PENDING, REJECTED, RESOLVED
from rpclab.errors import DataCloneError, fresh_copy
from rpclab.previews import described

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.answers import Answer
    from rpclab.core.handles import Handle
    from rpclab.core.imports import Pending
    from rpclab.core.session import Session
    from rpclab.core.streams import End


class Promised:
    """The place of an argument that may not be there yet."""

    __slots__ = ()

    @property
    def settled(self) -> bool:
        """Whether the value, or the error, is there."""
        raise NotImplementedError

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call `watcher()` when it is there."""
        raise NotImplementedError

    def keep(self) -> None:
        """The call waits, and the importer may let go of the value before it can start."""

    def take(self, answer: Answer) -> Any:
        """Give the value to the call that `answer` stands for, with handles of its own.

        Raises:
            Exception: the promise was rejected; so is the call.
        """
        raise NotImplementedError

    def peek(self) -> Any:
        """Give the value itself, uncopied, or raise."""
        raise NotImplementedError


class PromisedAnswer(Promised):
    """The result of a call that is being answered here."""

    __slots__ = ("_copy", "_session", "source")

    def __init__(self, source: Answer, session: Session) -> None:
        self.source = source
        self._session = session
        self._copy: tuple[Any, list[Handle], list[End]] | None = None

    def keep(self) -> None:
        if self.source.session is not None:
            self.source.watch(self._keep)

    def _keep(self) -> None:
        if self.source.state == RESOLVED and self._copy is None:
            with suppress(Exception):  # then `take` meets it, and the call is rejected
                self._copy = self._session.copy(self.source)

    @property
    def settled(self) -> bool:
        return self.source.state != PENDING

    def watch(self, watcher: Callable[[], None]) -> None:
        self.source.watch(watcher)

    def peek(self) -> Any:
        if self.source.state == REJECTED:
            raise fresh_copy(self.source.value)
        return self.source.value

    def take(self, answer: Answer) -> Any:
        source = self.source
        if source.settled_at is not None:
            answer.causes = (*answer.causes, source.settled_at)
        if source.state == REJECTED:
            raise fresh_copy(source.value)
        value, handles, ends = self._copy or self._session.copy(source)
        answer.params = [*(answer.params or ()), *handles]
        answer.take_ends(ends)
        return value


class PromisedImport(Promised):
    """A value that the caller announced, and will send when it has it."""

    __slots__ = ("_pending",)

    def __init__(self, pending: Pending) -> None:
        self._pending = pending

    @property
    def settled(self) -> bool:
        return self._pending.state != PENDING

    def watch(self, watcher: Callable[[], None]) -> None:
        self._pending.follow(watcher)

    def peek(self) -> Any:
        return self._pending.result()

    def take(self, answer: Answer) -> Any:
        if self._pending.arrival:
            answer.causes = (*answer.causes, self._pending.arrival[0])
        if self._pending.stubs:
            answer.params = [*(answer.params or ()), *self._pending.stubs]
        answer.take_ends(self._pending.take_ends())
        return self._pending.result()


class Unreadable(Promised):
    """A value that arrived and cannot be made here: a time zone that is not installed, say."""

    __slots__ = ("error",)

    def __init__(self, why: Exception) -> None:
        self.error = DataCloneError("Unable to deserialize cloned data.")
        self.error.add_note(described(why))

    def __repr__(self) -> str:
        return "<a value that could not be read here>"

    @property
    def settled(self) -> bool:
        return True

    @property
    def source(self) -> Answer:
        """There is none.

        Raises:
            DataCloneError: always.
        """
        raise self.error

    def watch(self, watcher: Callable[[], None]) -> None:
        watcher()

    def peek(self) -> Any:
        raise self.error

    def take(self, answer: Answer) -> Any:
        del answer
        raise self.error
