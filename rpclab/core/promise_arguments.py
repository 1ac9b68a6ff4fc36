"""Promises among the arguments of a call: they arrive as what they resolve to.

Floor: core. A promise of the same session is mentioned by its number: the callee has the answer.
One of another session is announced, and its value follows (`Announcement`); a property is read
first (`ReadAhead`). At the callee each stands in the arguments as a place, until the call starts.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rpclab.core.hooks import Hook, PromisedArgument
from rpclab.core.imports import PENDING, REJECTED, RESOLVED
from rpclab.core.messages import REJECT, RESOLVE, size_of
from rpclab.errors import DataCloneError, LocalProtocolError, MessageTooLargeError, fresh_copy
from rpclab.previews import described

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpclab.core.answers import Answer
    from rpclab.core.contexts import EndLike, SessionLike
    from rpclab.core.hooks import Delivery
    from rpclab.core.imports import Handle, Pending


class PromisedAnswer(PromisedArgument):
    """The result of a call that is being answered here."""

    __slots__ = ("_copy", "_session", "_wanted", "source")

    def __init__(self, source: Answer, session: SessionLike) -> None:
        self.source = source
        self._session = session
        self._wanted = True
        self._copy: tuple[object, Sequence[Handle], Sequence[EndLike], int] | None = None

    def keep(self) -> None:
        if self.source.session is not None:
            self.source.watch(self._keep)

    def _keep(self) -> None:
        if self.source.state == RESOLVED and self._wanted and self._copy is None:
            with suppress(Exception):  # then `take` meets it, and the call is rejected
                self._copy = self._session.copy(self.source)

    @property
    def settled(self) -> bool:
        return self.source.state != PENDING

    def watch(self, watcher: Callable[[], None]) -> None:
        self.source.watch(watcher)

    def take(self, answer: Answer) -> object:
        source = self.source
        if source.state == REJECTED:
            raise fresh_copy(source.value)
        self._copy = self._copy or self._session.copy(source)
        value, handles, ends, size = self._copy
        # A message of a few bytes can mention a large result, or parts of it, many times.
        whole, most = answer.origin or answer, self._session.limits.session_bytes
        whole.copied += size
        if whole.copied > most:
            raise MessageTooLargeError(
                f"the promises in a call came to over {most:,} bytes (Limits.session_bytes): await"
                " them, or send them in several calls"
            )
        self._copy, self._wanted = None, False
        answer.params = [*(answer.params or ()), *handles]
        answer.take_ends(ends)
        return value

    def give_back(self) -> None:
        if self._wanted:
            self._wanted = False
            _, handles, ends, _ = self._copy or (None, (), (), 0)
            self._copy = None
            for handle in handles:
                handle.dispose()
            for end in ends:
                end.belong(None)


class PromisedImport(PromisedArgument):
    """A value that the caller announced, and will send when it has it."""

    __slots__ = ("_ends", "_wanted", "pending")

    def __init__(self, pending: Pending) -> None:
        self.pending = pending
        self._wanted = True
        self._ends: Sequence[EndLike] = ()
        pending.follow(self._keep)

    def _keep(self) -> None:
        """The value is here: its streams wait with it for the other arguments."""
        if self._wanted:
            self._ends = self.pending.take_ends()

    @property
    def settled(self) -> bool:
        return self.pending.state != PENDING

    def watch(self, watcher: Callable[[], None]) -> None:
        self.pending.follow(watcher)

    def take(self, answer: Answer) -> object:
        self._wanted = False
        if self.pending.stubs:
            answer.params = [*(answer.params or ()), *self.pending.stubs]
        answer.take_ends(self._ends)
        return self.pending.result()

    def give_back(self) -> None:
        if self._wanted:
            self._wanted = False
            self.pending.dispose_stubs()
            for end in self._ends:
                end.belong(None)


class Unreadable(PromisedArgument):
    """A value that arrived and cannot be made here: a time zone that is not installed, say."""

    __slots__ = ("_why",)

    def __init__(self, why: Exception) -> None:
        self._why = described(why)  # one message may hold thousands

    @property
    def error(self) -> DataCloneError:
        """What whoever needs the value is told."""
        error = DataCloneError("Unable to deserialize cloned data.")
        error.add_note(self._why)
        return error

    def __repr__(self) -> str:
        return "<a value that could not be read here>"

    @property
    def settled(self) -> bool:
        return True

    def watch(self, watcher: Callable[[], None]) -> None:
        watcher()

    def take(self, answer: Answer) -> object:
        del answer
        raise self.error


class Variable(PromisedArgument):
    """A variable of a mapped function, where its program mentions one (see `map`)."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class ReadAhead:
    """The call that reads a property among the arguments, before those are packed.

    Args:
        promise: its promise. Nobody else can dispose it: what was read is for the callee alone.
    """

    def __init__(self, promise: Any) -> None:
        self.promise = promise

    def packed(self, *, sent: bool) -> None:
        """Let go of what was read."""
        del sent
        self.promise.dispose()


class Announcement(Hook):
    """The export of a promise that another session will settle.

    Args:
        session: to the Worker that waits for the value.
        pending: the promise.
    """

    __slots__ = ("_session", "id", "pending")

    def __init__(self, session: SessionLike, pending: Pending) -> None:
        super().__init__(None)
        self._session = session
        self.pending = pending
        self.id = 0

    def exported(self, session: SessionLike, export_id: int) -> None:
        del session
        self.id = export_id
        self.pending.follow(self._settle)

    def _settle(self) -> None:
        """Send the value, as duplicates of its stubs, or the error."""
        session, pending = self._session, self.pending
        if session.closed is not None or self.id not in session.exports:
            return
        value = pending.value
        if pending.state == REJECTED:
            message = [REJECT, self.id, value, bool(getattr(value, "remote", False))]
        else:
            message = [RESOLVE, self.id, value]
        try:
            frame, payload = session.pack(message, [value], session.keeper)
        except Exception as error:
            frame, payload = session.pack([REJECT, self.id, error, False], [], session.keeper)
        session.send_frame(frame)
        plain = payload is None or not payload.references
        if payload is not None:
            payload.commit()
            payload.sent()
        if session.host.observe is not None:
            kind = "resolved" if pending.state == RESOLVED else "rejected"
            session.host.observe((kind, session.label, self.id, plain, size_of(frame)))
        if plain and session.dialect.shares:
            del session.exports[self.id]
            self.release()

    def start(self, call: Delivery) -> None:
        """Nothing is ever called on it: the peer waits for the value."""
        call.answer.reject(LocalProtocolError("a promise that was announced cannot be called"))
