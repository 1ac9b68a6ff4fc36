"""The importer's half of the tables: what a session holds of the other side.

Floor: core.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rpclab.core.messages import CALL, spell
from rpclab.core.unseen import UnseenFailure
from rpclab.errors import CallCancelledError, fresh_copy

if TYPE_CHECKING:
    from contextvars import Context

    from rpclab.core.messages import Path
    from rpclab.core.protocols import (
        ContextLike,
        EndLike,
        Given,
        HandleLike,
        ImportLike,
        Keywords,
        PendingLike,
        Resumable,
        SessionLike,
    )

PENDING, RESOLVED, REJECTED = range(3)


class Import:
    """One entry of the import table: something the other side introduced.

    Attributes:
        id: its number in the session.
        introductions: how often the peer has introduced it; given back on release.
        handles: how many handles of it live here; at none it is released.
        broken: the error that broke it, if any.
    """

    __slots__ = ("broken", "callbacks", "handles", "id", "introductions", "session")

    def __init__(self, session: SessionLike, import_id: int) -> None:
        self.session = session
        self.id = import_id
        self.introductions = 1
        self.handles = 0
        self.broken: BaseException | None = None
        self.callbacks: list[Callable[[BaseException], None]] | None = None

    def call(
        self,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ContextLike,
    ) -> PendingLike:
        """Call the member at `path`, or read it where `args` is None."""
        return self.session.call(self, path, args, kwargs, context)

    @property
    def direct(self) -> ImportLike:
        """The entry behind it, where it is a stand-in."""
        return self

    @property
    def present(self) -> ImportLike:
        """The entry that calls made now must go through: a stand-in, while it is needed."""
        return self

    @property
    def behind(self) -> ImportLike | None:
        """What a stand-in stands for, which may be another one; it is one handle of that."""
        return None

    def claim(self) -> None:
        """One more handle."""
        self.handles += 1

    def drop(self) -> None:
        """One handle less; the last one releases the entry."""
        self.handles -= 1
        if self.handles == 0:
            self.session.release(self)
        else:
            self.eased()

    def eased(self) -> None:
        """One of several handles is gone."""
        peer = self.session.peer
        if peer is not None and peer.keeper is self.session.keeper:
            # What it stands for is at home, and its context may now live for that alone.
            hook = peer.exports.get(self.id)
            if hook is not None and hook.context is not None:
                hook.context.part_with_itself()

    def break_off(self, error: BaseException) -> None:
        """The target is gone: later calls reject with `error`, and `on_broken` callbacks run."""
        if self.broken is None:
            self.broken = error
            callbacks, self.callbacks = self.callbacks, None
            for callback in callbacks or ():
                try:
                    callback(error)
                except BaseException as failure:  # the user's: others still wait
                    self.session.host.report(failure, "a callback given to on_broken")

    def end(self, error: BaseException) -> None:
        """The session is over."""
        self.break_off(error)

    def watch(self, callback: Callable[[BaseException], None]) -> Callable[[], None]:
        """Call `callback(error)` once when the target is gone; at once if it is already.

        Returns:
            A function that takes the callback back.
        """
        if self.broken is not None:
            callback(self.broken)
            return lambda: None
        callbacks = self.callbacks = self.callbacks or []
        callbacks.append(callback)
        return lambda: callbacks.remove(callback) if callback in callbacks else None


class Pending(Import):
    """The importer's half of a call: a value that is still on its way, and then is there.

    Attributes:
        state: PENDING, RESOLVED or REJECTED.
        value: the value, or the error.
        stubs: the handles inside the value.
        context: the execution context that made the call, and owns those.
        path: what was called; None where a property is read, and where no call was made.
        uses: how many calls were made on or with it; a used one is not cancelled with its await.
        unanswered: how many calls made on it have no answer yet.
        waiters: what the host resumes when it settles.
        noted: while somebody records, where the call was made, and the kind of its message, the
            path, whether that is read, and the variables that the call carries.
        size: how many bytes its message took, if it is a write to a stream.
        ends: the streams inside the value, until they have an owner.
        arrival: while somebody traces, where its result arrived; see `trace/accounting.py`.
        target: likewise, what the call was made on.
        looked_at: whether somebody is told of a failure anyway, so that none is unseen.
        unseen: the failure that nobody has seen yet.
    """

    # What every call reads has a slot; it costs less than half of what a class's default does.
    __slots__ = (
        "__dict__", "_followers", "context", "noted", "path", "state", "upstream", "value",
        "waiters",
    )  # fmt: skip

    # Defaults stand on the class: most promises need none of these of their own.
    introductions = 1
    handles = 1
    broken: BaseException | None = None
    callbacks: list[Callable[[BaseException], None]] | None = None
    stubs: Sequence[HandleLike] | None = None
    uses = 0
    unanswered = 0
    disposed = False
    embargoed = False
    size = 0
    arrival: list[int] | None = None
    target = 0
    ends: Sequence[EndLike] | None = None
    looked_at = False
    unseen: UnseenFailure | None = None

    def __init__(
        self,
        session: SessionLike,
        import_id: int,
        context: ContextLike,
        path: Path | None = None,
    ) -> None:
        self.session = session
        self.id = import_id
        self.context = context
        self.path = path
        self.state = PENDING
        self.value: Any = None
        self.noted: tuple[str | None, int, Any, bool, Context | None] | None = None
        self.upstream: PendingLike | None = None
        self.waiters: tuple[Resumable, ...] | None = None
        self._followers: list[Callable[[], None]] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing here waits for the result, or goes on with it."""
        return not (self.waiters or self._followers or self.callbacks or self.disposed)

    def end(self, error: BaseException) -> None:
        self.settle(REJECTED, error)

    @property
    def site(self) -> str | None:
        """Where the call was made, while somebody records."""
        return None if self.noted is None else self.noted[0]

    @property
    def what(self) -> str:
        """What was called, such as "increment()"; of what was read, only while somebody records."""
        if self.noted is not None:
            return spell(*self.noted[1:4])
        return "" if self.path is None else spell(CALL, self.path, False)  # noqa: FBT003 - as in noted

    def settle(self, state: int, value: object, stubs: Sequence[HandleLike] | None = None) -> None:
        """Take the value (with the handles inside it) or the error."""
        if self.state != PENDING:
            for handle in stubs or ():
                handle.dispose()
            return
        self.state = state
        self.value = value
        failed = None
        context = self.context
        if not context.long:
            context.arrived(self)
        if self.upstream is not None:
            upstream, self.upstream = self.upstream, None
            upstream.answered()
        if stubs is not None:
            self.stubs = stubs
            for handle in stubs:
                handle.belong(context)
                handle.site = self.site
        if state == REJECTED and isinstance(value, BaseException):
            is_given_up = context.ended or isinstance(value, CallCancelledError)
            if self._is_unseen and not is_given_up:
                self.unseen = UnseenFailure(self, value)
            self.break_off(value)
        if self._followers is not None:
            followers, self._followers = self._followers, None
            if self.session.host.observe is not None:
                self.session.host.observe(("settled", self.session.label, self.id))
            failed = self._go_on_with(followers)
        # After those that pass the value on: what was given away before has handles of its own.
        if stubs is not None and (self.disposed or context.ended):
            self.dispose_stubs()
        if self.waiters is not None:
            waiters, self.waiters = self.waiters, None
            for waiter in waiters:
                waiter.settled(self)
        if failed is not None:
            raise failed

    @property
    def _is_unseen(self) -> bool:
        """Whether nobody waits for a failure or passes it on; where all ends, all fails."""
        is_watched = not self.is_plain or self.uses or self.looked_at
        session = self.session
        return not is_watched and session.closed is None and not session.host.closing

    def look(self) -> None:
        """Somebody sees the failure, or passes it on: it needs no telling."""
        self.looked_at = True
        unseen, self.unseen = self.unseen, None
        if unseen is not None:
            unseen.error = None

    def watch(self, callback: Callable[[BaseException], None]) -> Callable[[], None]:
        if self.state == REJECTED:
            self.look()
        return super().watch(callback)

    @staticmethod
    def _go_on_with(followers: list[Callable[[], None]]) -> Exception | None:
        """Call each of them, whatever another one raises. Gives what was raised first."""
        failed = None
        for follower in followers:
            try:
                follower()
            except Exception as error:
                failed = failed or error
        return failed

    def pipeline(
        self,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ContextLike,
    ) -> PendingLike:
        """Call a member of the value at the side where it is, or will be (rule L1)."""
        self.uses += 1
        if self.state == REJECTED:
            self.look()
        ledger = self.session.host.ledger
        if ledger is not None:
            ledger.follow(self)
        return self._made_on(self.session.call(self, path, args, kwargs, context))

    def map(self, captures: list[Any], program: list[Any], context: ContextLike) -> PendingLike:
        """Replay a recorded function on the value (see `map`)."""
        return self._made_on(self.session.map(self, captures, program, context))

    def _made_on(self, pending: PendingLike) -> PendingLike:
        if pending.state == PENDING:
            pending.upstream = self
            self.unanswered += 1
            if self.state == PENDING and self.id >= self.session.first_unsent:
                self.session.pipelined.append(self)
        return pending

    def answered(self) -> None:
        """One call that was pipelined on this one has its answer."""
        self.unanswered -= 1
        if self.embargoed and self.unanswered == 0:
            self.embargoed = False
            self.session.give_back(self.id)

    def follow(self, follower: Callable[[], None]) -> None:
        """Call `follower()` in the moment of settling, before any waiter; at once if it has."""
        if self.state == PENDING:
            self._followers = self._followers or []
            self._followers.append(follower)
        else:
            if self.state == REJECTED:
                self.look()
            follower()

    def take_ends(self) -> Sequence[EndLike]:
        """Give the streams inside the value to whoever will own them, once."""
        ends, self.ends = self.ends, None
        return ends or ()

    def result(self) -> Any:
        """The value; or raise a fresh copy of the error."""
        if self.state == REJECTED:
            self.look()
            raise fresh_copy(self.value)
        return self.value

    def dispose_stubs(self) -> None:
        """Dispose what the result holds; now, or when it arrives (rule O13). Never cancels."""
        self.disposed = True
        if self.state == REJECTED:
            self.look()
        for handle in self.stubs or ():
            handle.dispose()

    def cancel(self, by: str) -> None:
        """Give the call up; awaiting it raises an error that says who did."""
        if self.state == PENDING:
            self.session.cancel(self)
            self.settle(REJECTED, CallCancelledError(f"The call was cancelled: {by}."))

    def cut_off(self, by: str) -> None:
        """Give the call up, as its context is over. It may have failed, and nobody is told."""
        if self._is_unseen and self.state == PENDING:
            self.session.cut_off(self)
        self.cancel(by)
