"""The importer's half of the tables: what a session holds of the other side, and claims on that.

Floor: core.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from rpclab.core.contexts import current
from rpclab.core.messages import spell, values_given
from rpclab.core.places import disposed_at, made_at
from rpclab.errors import (
    PROMISE_DISPOSED,
    STUB_DISPOSED,
    CallCancelledError,
    DisposedError,
    fresh_copy,
)

if TYPE_CHECKING:
    from contextvars import Context

    from rpclab.core.contexts import (
        EndLike,
        ExecutionContext,
        Host,
        PayloadLike,
        Resumable,
        SessionLike,
    )
    from rpclab.core.messages import Given, Keywords, Path
    from rpclab.core.references import Reference

PENDING, RESOLVED, REJECTED = range(3)

# Where these stand in the event of a call (see `events.called`), behind its time.
_KIND, _PATH, _ARGUMENTS = 1, 5, 6

running_in = current.get
WHY = {
    "user": "it was disposed",
    "parameter": (
        "it was a parameter, released when the method returned;\n"
        "to keep it, take stub.dup() inside the method"
    ),
    "returned": "it was moved to the caller when it was returned; return stub.dup() to keep one",
    "context": "the execution context that owned it ended",
}


class Import:
    """One entry of the import table: something the other side introduced.

    Attributes:
        id: its number in the session.
        handles: how many handles of it live here; at none it is released.
        broken: the error that broke it, if any.
    """

    __slots__ = ("broken", "callbacks", "handles", "id", "session")

    def __init__(self, session: SessionLike, import_id: int) -> None:
        self.session = session
        self.id = import_id
        self.handles = 0
        self.broken: BaseException | None = None
        self.callbacks: list[Callable[[BaseException], None]] | None = None

    def call(
        self,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ExecutionContext,
    ) -> Pending:
        """Call the member at `path`, or read it where `args` is None."""
        return self.session.call(self, path, args, kwargs, context)

    def map(
        self,
        captures: list[object],
        program: list[object],
        context: ExecutionContext,
        path: Sequence[str] = (),
    ) -> Pending:
        """Replay a recorded function on it; on a member, where the dialect has paths."""
        return self.session.map(self, captures, program, context, path)

    @property
    def has_paths(self) -> bool:
        """Whether a member of it can be mentioned, and need not be read first."""
        return self.session.dialect.paths and self.present is self and self.broken is None

    @property
    def direct(self) -> Import:
        """The entry behind it, where it is a stand-in."""
        return self

    @property
    def present(self) -> Import:
        """The entry that calls made now must go through: a stand-in, while it is needed."""
        return self

    @property
    def behind(self) -> Import | None:
        """What a stand-in stands for, which may be another one; it is one handle of that."""
        return None

    @property
    def all_claims(self) -> int:
        """How many handles of it live here."""
        return self.handles

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
        uses: how many calls were made on or with it; a used one is not cancelled with its await.
        unasked: whether nobody has asked the peer for the result yet, and the peer waits for that.
        entry: what the import table knows it by.
        unanswered: how many calls made on it have no answer yet.
        embargoed: whether the peer keeps the result until those calls are answered (see `embargo`).
        doubtful: whether a call made on it was given up, and may be on its way still.
        waiters: what the host resumes when it settles.
        noted: what was called, a path; None where a property is read, and where no call was made.
            While places are noted, the event of a read or a map (see `events.called`).
        site: where the call was made, while somebody records.
        cause: the context variables that the call carries, where there are some.
        unseen: the failure that nobody has seen yet; False once somebody sees, or is told of it.
        size: how many bytes its message took, if it is a write to a stream.
        ends: the streams inside the value, until they have an owner.
    """

    # All stand in slots: a `__dict__` would be room for thirty more (benchmark `chain`).
    __slots__ = (
        "_followers", "cause", "context", "disposed", "doubtful", "embargoed", "ends", "noted",
        "site", "size", "state", "stubs", "unanswered", "unasked", "unseen", "upstream", "uses",
        "value", "waiters",
    )  # fmt: skip

    def __init__(
        self,
        session: SessionLike,
        import_id: int,
        context: ExecutionContext,
        path: Path | None = None,
        *,
        unasked: bool = False,
    ) -> None:
        self.session = session
        self.id = import_id
        self.handles = 1
        self.broken = None
        self.callbacks = None
        self.context = context
        self.state = PENDING
        self.value: Any = None
        self.stubs: Sequence[Handle] | None = None
        self.ends: Sequence[EndLike] | None = None
        self.uses = 0
        self.unasked = unasked
        self.unanswered = 0
        self.upstream: Pending | None = None
        self.waiters: tuple[Resumable, ...] | None = None
        self._followers: list[Callable[[], None]] | None = None
        self.disposed = self.embargoed = self.doubtful = False
        self.size = 0
        self.noted: tuple[Any, ...] | Path | None = path
        self.site: str | None = None
        self.cause: Context | None = None
        self.unseen: UnseenFailure | Literal[False] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing here waits for the result, or goes on with it."""
        return not (self.waiters or self._followers or self.callbacks or self.disposed)

    def end(self, error: BaseException) -> None:
        self.settle(REJECTED, error)

    @property
    def is_known(self) -> bool:
        """Whether the import table knows it."""
        return self.session.imports.get(self.id) is self

    def ask(self) -> None:
        """Somebody waits for the result: ask for it, where the peer wants to be asked."""

    @property
    def path(self) -> Path | tuple[str, ...] | None:
        """The path that was called; of what was read, only while places are noted."""
        return self.noted[_PATH] if isinstance(self.noted, tuple) else self.noted

    @property
    def what(self) -> str:
        """What was called, such as "increment()"; "" where that is not known."""
        noted = self.noted
        if noted is None:
            return ""
        if not isinstance(noted, tuple):
            path = noted if isinstance(noted, str) else tuple(noted)
            return spell(path, reads=False, maps=False)
        return spell(noted[_PATH], reads=noted[_ARGUMENTS] is None, maps=noted[_KIND] == "map")

    def settle(self, state: int, value: object, stubs: Sequence[Handle] | None = None) -> None:
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
        is_watched = not self.is_plain or self.uses or self.unseen is False
        session = self.session
        return not is_watched and session.closed is None and not session.host.calls.closing

    def look(self) -> None:
        """Somebody sees the failure, or passes it on: it needs no telling."""
        unseen, self.unseen = self.unseen, False
        if unseen:
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
        context: ExecutionContext,
    ) -> Pending:
        """Call a member of the value at the side where it is, or will be (rule L1)."""
        self.uses += 1
        if self.state == REJECTED:
            self.look()
        session = self.session
        pending = session.call(self, path, args, kwargs, context)
        if pending.state == PENDING:
            pending.upstream = self
            self.unanswered += 1
            if self.state == PENDING and self.id >= session.first_unsent:
                session.pipelined.append(self)
        return pending

    def map(
        self,
        captures: list[object],
        program: list[object],
        context: ExecutionContext,
        path: Sequence[str] = (),
    ) -> Pending:
        self.uses += 1
        pending = super().map(captures, program, context, path)
        if pending.state == PENDING:
            pending.upstream = self
            self.unanswered += 1
            if self.state == PENDING and self.id >= self.session.first_unsent:
                self.session.pipelined.append(self)
        return pending

    def answered(self) -> None:
        """One call that was pipelined on this one has its answer.

        So this one has arrived, and what it is made on is told so now: it may be one whose result
        nobody can ask for, and have no answer of its own.
        """
        pending = self
        while True:
            pending.unanswered -= 1
            if pending.unanswered:
                return
            if pending.embargoed:
                pending.embargoed = False
                pending.session.give_back(pending.id)
            upstream = pending.upstream
            if upstream is None or pending.state != PENDING:
                return
            pending.upstream = None
            pending = upstream

    def probe(self) -> None:
        """Read a member that is none: when that is answered, no call is on its way before it."""
        self.pipeline("", None, None, self.session.keeper).follow(_nothing)

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
        self.give_up(CallCancelledError(f"The call was cancelled: {by}."))

    def give_up(self, error: CallCancelledError) -> None:
        """Give the call up; awaiting it raises `error`."""
        if self.state == PENDING:
            upstream = self.upstream
            self.session.cancel(self)
            if upstream is not None and upstream.embargoed:
                upstream.probe()
            elif upstream is not None:
                upstream.doubtful = True
            self.settle(REJECTED, error)

    def cut_off(self, by: str) -> None:
        """Give the call up, as its context is over. It may have failed, and nobody is told."""
        if self._is_unseen and self.state == PENDING:
            self.session.cut_off(self)
        self.cancel(by)


class UnseenFailure:
    """Lies with a promise that was rejected, and dies with it, unless somebody looks before.

    It is told of then, as asyncio does with a task whose exception was never retrieved. Only a
    rejected promise has one, so that a call that succeeds costs nothing.

    Args:
        pending: the promise.
        error: the failure; None where it is not known yet whether there is one.

    Attributes:
        error: the failure; None where nobody needs to be told of one.
    """

    __slots__ = ("_context", "_host", "_run", "_site", "_what", "_worker", "error")

    def __init__(self, pending: Pending, error: BaseException | None) -> None:
        session = pending.session
        self._host: Host = session.host
        self._context = pending.context
        self._worker = session.name.partition("→")[2] or session.name
        self._what = pending.what
        self._site = pending.site
        self.error = error
        self._run: Callable[[Callable[[], None]], None] = (
            _call if pending.cause is None else pending.cause.copy().run
        )
        if self._site is None:
            # If it failed where it was made, this finds the place; in the run queue it finds none.
            self._site = self._host.calls.site()

    def __del__(self, at_exit: Callable[[], bool] = sys.is_finalizing) -> None:
        if self.error is not None and not at_exit():
            # A finalizer may run at any moment, and in any thread: the run queue tells.
            self._host.forget(self)

    def drop(self) -> None:
        """Nobody can ask for it any more: tell, if the code that made the call could have asked."""
        error, self.error = self.error, None
        if error is not None and not self._context.cut_off:
            self._run(lambda: self._host.calls.unseen(error, self._worker, self._what, self._site))


def _call(function: Callable[[], None]) -> None:
    function()


def _nothing() -> None:
    """What follows an answer that only had to come."""


class Unasked(Pending):
    """A promise whose result the peer sends when it is asked for (Cap'n Web).

    Once the call has left, until then, the table only knows that there is one: where Python forgets
    it, its number is given back.
    """

    __slots__ = ("__weakref__",)

    @property
    def is_known(self) -> bool:
        known = self.session.imports.get(self.id)
        return known is self or type(known) is Forgettable

    def ask(self) -> None:
        if self.unasked and self.state == PENDING:
            self.session.ask(self)
            self.unasked = False

    def follow(self, follower: Callable[[], None]) -> None:
        super().follow(follower)
        self.ask()

    def watch(self, callback: Callable[[BaseException], None]) -> Callable[[], None]:
        forget = super().watch(callback)
        self.ask()
        return forget

    def dispose_stubs(self) -> None:
        if self.unasked and self.state == PENDING:
            # There is nothing to wait for: the number is given back, and the call goes on.
            self.session.cancel(self)
            self.settle(REJECTED, DisposedError(PROMISE_DISPOSED))
        super().dispose_stubs()


class Forgettable(Import):
    """What the table knows of a promise whose result nobody has asked for.

    Attributes:
        pending: gives the promise, if somebody still holds it.
    """

    __slots__ = ("pending",)

    def __init__(self, pending: Unasked) -> None:
        super().__init__(pending.session, pending.id)
        # A finalizer of the promise itself would be a step of every call (benchmark
        # `socket_burst`).
        self.pending = _Weakly(pending, _forgotten)
        self.pending.session, self.pending.id = pending.session, pending.id

    def drop(self) -> None:
        self.session.release(self)

    def end(self, error: BaseException) -> None:
        pending = self.pending()
        if pending is not None:
            pending.end(error)


class _Weakly(weakref.ref[Unasked]):
    """A promise that Python may forget, and its place in the table."""

    __slots__ = ("id", "session")

    session: SessionLike
    id: int


def _forgotten(promise: _Weakly, at_exit: Callable[[], bool] = sys.is_finalizing) -> None:
    """Python has forgotten a promise: its number is given back."""
    entry = promise.session.imports.get(promise.id)
    if isinstance(entry, Forgettable) and not at_exit():
        promise.session.host.forget(entry)


class Handle:
    """A claim that its owner gives back once, by `dispose`.

    In a long context a handle that Python forgets is given back too: its finalizer only queues it.

    Attributes:
        entry: what it is a claim on; None once it was given back.
        context: the execution context that owns it.
        gone: why it was given back.
        site: where it was made, while somebody records.
        gone_site: where it was disposed, likewise.
    """

    __slots__ = ("__weakref__", "context", "entry", "gone", "gone_site", "site")

    def __init__(self, entry: Import, context: ExecutionContext) -> None:
        entry.handles += 1
        self.entry: Import | None = entry
        self.context = context
        self.gone: str | None = None
        self.gone_site: str | None = None
        self.site: str | None = None

    def __del__(self, at_exit: Callable[[], bool] = sys.is_finalizing) -> None:
        entry = self.entry
        # When the interpreter ends, the modules are emptied before the last objects go.
        if entry is not None and not at_exit():
            host = entry.session.host
            if host.observe is not None:
                host.observe(("forgotten", id(self)))
            host.forget(entry)

    def belong(self, context: ExecutionContext) -> None:
        """Make `context` the owner."""
        if not self.context.long:
            self.context.disown(self)
        self.context = context
        if not context.long:
            context.own(self)
            if context.host.observe is not None:
                context.host.observe(("owned", id(self), id(context)))

    def call(self, path: Path, args: Given, kwargs: dict[str, Any]) -> Pending:
        """Call the member at `path`, or read it where `args` is None."""
        context = running_in() or self.context
        entry = self.entry
        if type(entry) is Import and context.recording is None:
            # A plain import: what `entry.call` does, without that step.
            return entry.session.call(entry, path, args, kwargs, context)
        if entry is None:
            values = values_given(args, kwargs)
            return context.host.loopback(context).rejected(self.error(), context, values)
        if context.recording is not None:
            return context.recording.add(context.recording.capture(self), path, args, kwargs)
        return entry.call(path, args, kwargs, context)

    def __rpc_refer__(self, payload: PayloadLike) -> Reference:
        return payload.refer_handle(self, self)

    def dup(self) -> Handle:
        """Make an independent handle of the same stub (rule O5).

        Raises:
            DisposedError: it was given back already (rule O4).
        """
        if self.entry is None:
            raise self.error()
        copy = Handle(self.entry, current.get() or self.context)
        copy.context.own(copy)
        copy.site = copy.context.host.calls.site()
        observe = copy.context.host.observe
        if observe is not None:
            entry = self.entry.direct
            observe(("stub", id(copy), entry.session.label, entry.id, "dup", id(self), copy.site))
        return copy

    def dispose(self, why: str = "user") -> None:
        """Give the claim back. Doing so twice is fine (rule O2)."""
        entry = self.entry
        if entry is not None:
            self.entry = None
            self.gone = why
            context = self.context
            if not context.long:
                context.disown(self)
            if context.host.calls.noting:
                self.gone_site = context.host.calls.site()
                if context.host.observe is not None:
                    context.host.observe(("disposed", id(self), why, self.gone_site))
            entry.drop()

    def error(self) -> DisposedError:
        """The error of rule O3, with what is known of the end as notes."""
        error = DisposedError(STUB_DISPOSED)
        error.add_note(WHY[self.gone or "user"])
        if self.site:
            error.add_note(made_at(self.site))
        if self.gone_site:
            error.add_note(disposed_at(self.gone_site))
        return error
