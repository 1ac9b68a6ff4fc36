"""What the core needs from the world: to run code, to wake, to wrap.

Floor: core. Two hosts exist: asyncio's (`rpc/kernel.py`) and the tests' (`tests/support`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rpclab.core.answers import Answer
    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.handles import Handle
    from rpclab.core.imports import Import, Pending
    from rpclab.core.session import Session

Observer = Callable[[tuple[Any, ...]], None]


class Host(Protocol):
    """The world around the sessions of one event loop."""

    observe: Observer | None
    """Takes the events of `core.events` while somebody records, else None."""

    def wake(self, session: Session) -> None:
        """Flush this session's outbox in the next turn. Never flushes at once."""

    def settled(self, pending: Pending) -> None:
        """A promise with waiters has settled: resume them once this batch is applied."""

    def forget(self, entry: Import) -> None:
        """A handle died without having been disposed. May be called at any time, in any thread."""

    def run(
        self,
        answer: Answer,
        function: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any] | None,
        context: ExecutionContext,
    ) -> None:
        """Call a member in its context; settle `answer` with what it returns or raises."""

    def drive(self, answer: Answer, work: Awaitable[Any], context: ExecutionContext) -> None:
        """Run an awaitable in its context; settle `answer` with what it returns or raises."""

    def detach(self, function: Callable[[], Any], context: ExecutionContext, what: str) -> None:
        """Run something nobody waits for (a disposer); report its failure as `what`."""

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

    def report(self, error: BaseException, what: str) -> None:
        """Tell the user of a failure that nobody waits for."""
