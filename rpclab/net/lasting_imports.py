"""What outlives its session: an import that means the same in the next one; calls that wait for it.

Floor: net.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.core.imports import PENDING, REJECTED, Import, Pending
from rpclab.core.messages import values_given
from rpclab.errors import fresh_copy
from rpclab.rpc.later_calls import LaterCall

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpclab.core.contexts import ExecutionContext, SessionLike
    from rpclab.core.messages import Given, Keywords, Path
    from rpclab.errors import CallCancelledError
    from rpclab.net.lasting import LastingConnection

    Make = Callable[[Given, Keywords], Pending]


class LastingImport(Import):
    """Stands for what was obtained in each session anew, and is lost with it.

    Args:
        lasting: the connection that it belongs to.
        session: the first session, or the last before it.
        dropped: called once when nobody holds it any more.
        is_main: whether it is the peer's main object.

    Attributes:
        failure: why there is none in the session that is open; None if there is, or none is open.
    """

    __slots__ = (
        "_dropped", "_entry", "_lasting", "_number", "_session", "failure", "is_main",
    )  # fmt: skip

    def __init__(
        self,
        lasting: LastingConnection,
        session: SessionLike,
        dropped: Callable[[], None],
        *,
        is_main: bool = False,
    ) -> None:
        self.handles = 0
        self.broken = None
        self.callbacks = None
        self.failure: BaseException | None = None
        self._lasting = lasting
        self._session = session
        self._dropped = dropped
        self.is_main = is_main
        self._number = 0
        self._entry: Import | None = None

    # While there is no session, these are of the last one, which is closed.

    @property
    def session(self) -> SessionLike:  # type: ignore[override]
        """The session that it is in."""
        return self._session if self._entry is None else self._entry.session

    @property
    def id(self) -> int:  # type: ignore[override]
        """Its number there."""
        return self._number if self._entry is None else self._entry.id

    @property
    def is_there(self) -> bool:
        """Whether calls on it can be sent."""
        return self._entry is not None and self._entry.session.closed is None

    def become(self, entry: Import) -> None:
        """It is that import, in the session which is open."""
        entry.claim()
        self._session = entry.session
        self._number = entry.id
        self._entry = entry
        self.failure = None

    def lose(self) -> None:
        """The session is over."""
        self._entry = None
        self.failure = None

    def call(self, path: Path, args: Given, kwargs: Keywords, context: ExecutionContext) -> Pending:
        entry = self._entry
        refused = self.broken or self.failure
        if refused is not None:
            values = values_given(args, kwargs)
            return self.session.rejected(refused, context, values)
        if entry is not None and self.is_there:
            return entry.call(path, args, kwargs, context)

        def make(args: Given, kwargs: Keywords) -> Pending:
            return self.call(path, args, kwargs, context)

        return self._lasting.park(self, path, make, args, kwargs, context)

    @property
    def has_paths(self) -> bool:
        return self.is_there and super().has_paths

    def drop(self) -> None:
        self.handles -= 1
        if self.handles == 0:
            entry, self._entry = self._entry, None
            self._dropped()
            if entry is not None:
                entry.drop()

    def eased(self) -> None:
        pass


class Parked(LaterCall):
    """The promise of a call that waits for a session.

    Args:
        lasting: the connection that keeps it.
        of: what it was made on: a `LastingImport`, or another call that waits.
        path: of the member, for texts.
        make: makes the call, once that can be.
        args: what it was given.
        kwargs: likewise.
        context: the execution context that makes it.

    Attributes:
        actual: the promise of the call, once it was made.
    """

    __slots__ = ("_args", "_held", "_kwargs", "_lasting", "_make", "actual", "of")

    def __init__(
        self,
        lasting: LastingConnection,
        of: LastingImport | Parked,
        path: Path,
        make: Make,
        args: Given,
        kwargs: Keywords,
        context: ExecutionContext,
    ) -> None:
        super().__init__(of.session, context, None if args is None else path)
        self.of = of
        self.actual: Pending | None = None
        self._lasting = lasting
        self._make = make
        self._args = None if args is None else self.kept(args)
        self._kwargs = self.kept(kwargs)
        # A call that was made keeps what it was made on. But to let go of main ends everything.
        self._held = of if isinstance(of, LastingImport) and not of.is_main else None
        if self._held is not None:
            self._held.claim()

    @property
    def can_go(self) -> bool:
        """Whether what it was made on is there, or will never be."""
        if isinstance(self.of, Parked):
            return self.of.actual is not None or self.of.state != PENDING
        of = self.of
        return of.is_there or of.failure is not None or of.broken is not None

    def go(self) -> None:
        """Make the call. Its promise settles as that one does."""
        actual = self.variables.run(self._make, self._args, self._kwargs)
        self.actual = actual
        # Whoever sends it, traces it or waits for it means that call.
        self.session, self.id = actual.session, actual.id
        self.let_go()
        actual.follow(self._settle_as_actual)

    def _settle_as_actual(self) -> None:
        actual = self.actual
        if actual is not None:
            self.settle(actual.state, actual.value, actual.stubs)

    def fail(self, error: BaseException) -> None:
        """It will never be made."""
        self.let_go()
        self.settle(REJECTED, error)

    def let_go(self) -> None:
        super().let_go()
        self._args = self._kwargs = None
        held, self._held = self._held, None
        if held is not None:
            held.drop()

    def give_up(self, error: CallCancelledError) -> None:
        if self.actual is not None:
            self.actual.give_up(error)
        elif self.state == PENDING:
            self._lasting.forget(self)
            self.fail(error)

    # What is made on it follows it.

    def pipeline(
        self, path: Path, args: Given, kwargs: Keywords, context: ExecutionContext
    ) -> Pending:
        self.uses += 1

        def make(args: Given, kwargs: Keywords) -> Pending:
            values = values_given(args, kwargs)
            actual = self._actual_for(context, values)
            if actual.state == PENDING:
                return actual.pipeline(path, args, kwargs, context)
            return actual

        if self.actual is not None:
            return make(args, kwargs)
        return self._lasting.park(self, path, make, args, kwargs, context)

    def map(
        self,
        captures: list[Any],
        program: list[Any],
        context: ExecutionContext,
        path: Sequence[str] = (),
    ) -> Pending:
        self.uses += 1

        def make(args: Given, _: Keywords) -> Pending:
            actual = self._actual_for(context, [*(args or ())])
            if actual.state == PENDING:
                return actual.map([*(args or ())], program, context, path)
            return actual

        if self.actual is not None:
            return make(tuple(captures), None)
        return self._lasting.park(self, "map", make, tuple(captures), None, context)

    @property
    def has_paths(self) -> bool:
        return False

    def _actual_for(self, context: ExecutionContext, values: list[Any]) -> Pending:
        """What calls are made on; or the promise of a call that fails as this one has.

        Args:
            context: in which the call is made.
            values: what it was given, which is not sent in that case (rule V22).
        """
        actual = self.actual
        if actual is None or actual.state == REJECTED:
            self.look()
            error = self.value if actual is None else actual.value
            return self.session.rejected(fresh_copy(error), context, values)
        return actual
