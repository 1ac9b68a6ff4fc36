"""What the files of this floor ask of the engine that they work for.

Floor: rpc. The engine is made of them; so none of them names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rpclab.core.contexts import Calls, Host

if TYPE_CHECKING:
    import asyncio
    from collections import deque
    from collections.abc import Callable, Iterable
    from contextvars import Context

    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.imports import Pending
    from rpclab.simulation.clock import GuestLoop


class Resumed(Protocol):
    """What the drain resumes once a batch is applied."""

    def resume(self) -> None:
        """Go on."""


class Lasting(Protocol):
    """Sessions with one peer, one after another; at present there may be none."""

    def end(self, error: BaseException) -> None:
        """There are no more."""

    def parked(self) -> Iterable[Pending]:
        """The calls that wait for one."""


class Shell(Host, Calls, Protocol):
    """The asyncio shell of the sessions of one sandbox (see `engine`)."""

    loop: asyncio.AbstractEventLoop | None
    guest: GuestLoop | None
    scheduled: bool
    closing: bool
    ready: deque[Resumed]
    paces: dict[str, float]
    debug: bool

    def new_number(self) -> int:
        """A number for an event that no other has."""

    def acting(self) -> tuple[tuple[str, int] | None, int]:
        """Who acts: see `core.contexts.Watch`."""

    def keeper(self, worker: str) -> ExecutionContext:
        """The long context of a Worker."""

    def attend(self, loop: asyncio.AbstractEventLoop) -> None:
        """A task of that loop is going to wait."""

    def again(self, function: Callable[[], None]) -> None:
        """Run a function first thing in the next turn."""

    def resume_soon(self, waiter: Resumed) -> None:
        """Resume a waiter in the next turn."""

    def resume_outside(self, context: Context, callback: Callable[..., None], arg: object) -> None:
        """Resume a task that does not run on the loop of the queue."""
