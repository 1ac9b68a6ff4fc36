"""What the core needs from the world: to run code, to wake, to wrap.

Floor: core. Two hosts exist: asyncio's (`rpc/engine.py`) and the tests' (`tests/support`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from contextvars import Context, ContextVar

    from rpclab.core.answers import Answer
    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.events import Call
    from rpclab.core.handles import Handle
    from rpclab.core.imports import Pending
    from rpclab.core.session import Session
    from rpclab.core.streams import Inlet, Outlet

T = TypeVar("T")
Observer = Callable[[tuple[Any, ...]], None]


class Droppable(Protocol):
    """Something that Python may forget before it was given back."""

    def drop(self) -> None:
        """Give it back."""


class Holder(Protocol):
    """Takes calls that must wait until a promise has settled."""

    def call(
        self,
        session: Session,
        target: int,
        path: Any,
        values: tuple[Any, ...],
        context: ExecutionContext,
    ) -> Pending | None:
        """Take a call with its (args, kwargs) that is about to be sent; None if it can be."""

    def map(
        self,
        session: Session,
        target: int,
        captures: list[Any],
        program: list[Any],
        context: ExecutionContext,
    ) -> Pending | None:
        """Take a mapped function, likewise."""


class Host(Protocol):
    """The world around the sessions of one event loop."""

    observe: Observer | None
    """Takes the events of `Session` while somebody records, else None."""

    keep: Observer | None
    """The same for what happens with each call, in fewer steps: takes an event that has its time,
    as `clock` gives it, in front."""

    clock: Callable[[], float]
    """Gives the time of an event, in seconds."""

    special: int
    """Whether calls carry options at present: a deadline, or the marks of a trace."""

    holder: Holder | None
    """Holds calls back that are made on or with a promise, where there is no pipelining."""

    noting: bool
    """Whether there is an observer, somebody wants to know places, or calls carry variables."""

    active: Call | None
    """While there is an observer: the call whose method runs at this very moment, up to where it
    first waits."""

    ambient: tuple[ContextVar[Any], ...]
    """The context variables that calls carry: see `caused` and `carry`."""

    calling_site: Callable[[], str | None] | None
    """Finds where a session was called from, some frames away; None while nobody wants to know."""

    sites: bool
    """Whether somebody wants to know where stubs are made: see `site`."""

    def wake(self, session: Any) -> None:
        """Flush this session's outbox in the next turn. Never flushes at once."""

    def caused(self, session: Any) -> None:
        """The running code makes a call on that session: a cause of what is flushed next."""

    def forget(self, entry: Droppable) -> None:
        """A handle, or an end of a stream, died without having been disposed.

        May be called at any time, in any thread.
        """

    def run(
        self,
        answer: Answer,
        function: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any] | None,
        context: ExecutionContext,
    ) -> None:
        """Call a member in its context; settle `answer` with what it returns or raises."""

    def raised(self, answer: Answer, error: BaseException) -> None:
        """Settle `answer` with what a member has raised."""

    def returned(self, answer: Answer, value: Any, variables: Context) -> None:
        """Settle `answer` with what a member has returned, which ran with those variables."""

    def carry(self, variables: Context) -> None:
        """Give a call the variables that it carries from what caused it."""

    def drive(self, answer: Answer, work: Awaitable[Any], context: ExecutionContext) -> None:
        """Run an awaitable in its context; settle `answer` with what it returns or raises."""

    def detach(self, function: Callable[[], Any], context: ExecutionContext, what: str) -> None:
        """Run something nobody waits for (a disposer); report its failure as `what`."""

    def apart(self, answer: Answer, function: Callable[[], T], context: ExecutionContext) -> T:
        """Call a function of the core in a fresh context, as the work of `answer`."""

    def now(self) -> float:
        """The clock, in seconds."""

    def readable(self, inlet: Inlet) -> object:
        """Wrap a stream that came in as the ReadableStream that the application sees."""

    def writable(self, outlet: Outlet) -> object:
        """Wrap a sink at the other side as the WritableStream that the application sees."""

    def readable_of(self, generator: Any) -> Any:
        """Give a ReadableStream of what a generator yields (a method has returned it)."""

    def took(self, answer: Answer) -> None:
        """The running task goes on after the chunk that this write has brought."""

    def call_options(self, pending: Pending) -> dict[str, Any]:
        """What a call carries beside its arguments: see `messages`."""

    def mark_result(self, answer: Answer, message: list[Any]) -> None:
        """Add to a settlement what it carries beside its value."""

    def arrived(self, pending: Pending, node: int, *, failed: bool) -> None:
        """A settlement came in that was marked so."""

    def mark_announced(self, pending: Pending, message: list[Any]) -> None:
        """Add to the settlement of an announced promise what it carries beside its value."""

    def packs_again(self, pending: Pending) -> None:
        """A call is packed anew, after others were made that its arguments needed."""

    def used(self, pending: Pending, *, argument: bool) -> None:
        """A call is made on that promise, or (with `argument`) has it among its arguments."""

    async def await_inside(self, value: Any) -> Any:
        """Give `value` with the awaitables in it awaited, at any depth."""

    def bound(self, answer: Answer, seconds: float) -> None:
        """Cancel `answer` after so many seconds, unless it has settled."""

    def loopback(self, context: ExecutionContext) -> Session:
        """The importing end of the session that this context's Worker has with itself."""

    def stub(self, handle: Handle) -> object:
        """Wrap a handle as the stub that the application sees."""

    def binding(self, handle: Handle) -> object:
        """Wrap a handle as a binding."""

    def site(self) -> str | None:
        """The cell or file and line that called into rpclab, while somebody records."""

    def undisposed(self, context: ExecutionContext) -> Callable[[], None] | None:
        """A context ends that still owns handles; they are disposed next.

        Returns:
            What to do when the context has let go of everything, if anything.
        """

    def report(self, error: BaseException, what: str) -> None:
        """Tell the user of a failure that nobody waits for."""
