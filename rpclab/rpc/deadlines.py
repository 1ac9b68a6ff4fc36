"""`async with rpclab.deadline(seconds)`: a bound on everything in a block, over every hop.

Floor: rpc.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Self
from weakref import WeakSet

from rpclab.errors import CallCancelledError, late
from rpclab.rpc.local import home_shell

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rpclab.core.answers import Answer
    from rpclab.core.imports import Pending
    from rpclab.rpc.protocols import Shell
    from rpclab.simulation.clock import GuestLoop


def deadline(seconds: float) -> DeadlineBlock:
    """Bound everything in an `async with` block, over every hop.

    When the time is up the calls made in the block are cancelled, here and in the Workers, and the
    block raises TimeoutError. An inner deadline cannot lengthen an outer one.

    Args:
        seconds: how long the block may take.
    """
    return DeadlineBlock(seconds)


_EARLY = 0.05
"""Seconds by which the other end, which keeps the same deadline, may be the first to say so."""

current_deadline: ContextVar[Deadline | None] = ContextVar("rpclab_deadline", default=None)


engines: WeakSet[Shell] = WeakSet()
"""Every engine; each carries options on its calls while a deadline is in use."""

in_use = 0
"""How many deadlines are in use; a new engine begins with that."""


def _count(change: int) -> None:
    global in_use  # noqa: PLW0603 - deadlines bound calls of every sandbox of the process
    in_use += change
    for engine in engines:
        engine.special += change


class Deadline:
    """A moment at which calls are given up.

    Attributes:
        when: the moment, in the time of the loop.
        calls: the calls made under it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        self._loop = loop
        self.when = when
        self.calls: set[Pending] = set()

    def bind(self, pending: Pending) -> None:
        """Give a call up when the moment comes, unless it has settled."""
        self.calls.add(pending)
        pending.follow(lambda: self.calls.discard(pending))

    def left(self) -> float:
        """Seconds left; below zero where it has passed."""
        return self.when - self._loop.time()

    def expire(self) -> None:
        """Give up every call made under it."""
        for pending in list(self.calls):
            pending.give_up(late())

    def expire_with(self, answer: Answer, soon: Callable[[Callable[[], None]], None]) -> None:
        """Cancel a call that is being answered here when the moment comes.

        Args:
            answer: the call.
            soon: runs a function in the next turn of the drain.
        """

        def passed() -> None:
            self.expire()
            answer.interrupt(late())

        timer = self._loop.call_at(self.when, soon, passed)

        def over() -> None:
            timer.cancel()
            _count(-1)

        _count(1)
        answer.watch(over)


class Deadlines:
    """Something that holds calls to their deadlines."""

    def again(self, function: Callable[[], None]) -> None:
        """Run a function in the next turn of the drain."""
        raise NotImplementedError

    def left(self, pending: Pending) -> float | None:
        """Bind a call that is sent now to the deadline around it.

        Returns:
            How many seconds are left; none, or fewer, where it has passed, and the call is not to
            be sent; None where there is no deadline.
        """
        deadline = current_deadline.get()
        if deadline is None:
            return None
        left = deadline.left()
        deadline.bind(pending)
        return left

    def bound(self, answer: Answer, seconds: float) -> None:
        """Hold a call that came in to the deadline of its caller, so many seconds from now."""
        loop = asyncio.get_running_loop()
        answer.deadline = Deadline(loop, loop.time() + seconds)
        answer.deadline.expire_with(answer, self.again)


class DeadlineBlock:
    """What `rpclab.deadline` gives: an async context manager."""

    def __init__(self, seconds: float) -> None:
        if not isinstance(seconds, (int, float)):
            raise TypeError(f"a deadline is a number of seconds, not {seconds!r}")
        self._seconds = seconds
        self._own = False
        self._deadline: Deadline | None = None
        self._token: Token[Deadline | None] | None = None
        self._timeout: asyncio.Timeout | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        guest = _virtual_clock(loop)
        clock = guest or loop
        outer = current_deadline.get()
        when = clock.time() + self._seconds
        # An inner deadline cannot lengthen an outer one; the outer one then raises.
        self._own = own = outer is None or when < outer.when
        self._deadline = Deadline(clock, when if own or outer is None else outer.when)
        self._token = current_deadline.set(self._deadline)
        _count(1)
        self._timeout = asyncio.timeout_at(when if own and guest is None else None)
        await self._timeout.__aenter__()
        if own and guest is not None:
            self._timer = guest.call_at(when, guest.call_outside, self._pass)
        return self

    def _pass(self) -> None:
        if self._timeout is not None:
            self._timeout.reschedule(asyncio.get_running_loop().time())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _count(-1)
        if self._timer is not None:
            self._timer.cancel()
        if self._token is not None:
            current_deadline.reset(self._token)
        # What the timer has already put into the other loop comes too late, and finds none.
        timeout, self._timeout = self._timeout, None
        if timeout is None or self._deadline is None:
            return
        if timeout.expired() or self._deadline.left() <= 0:
            self._deadline.expire()
        await timeout.__aexit__(kind, error, traceback)
        is_late = isinstance(error, CallCancelledError) and error.deadline_passed
        if is_late and self._own and self._deadline.left() <= _EARLY:
            raise TimeoutError from error

    def __repr__(self) -> str:
        return f"<deadline of {self._seconds:g} s>"

    @property
    def when(self) -> float | None:
        """The moment, in the time of the loop; None before the block begins."""
        return self._deadline.when if self._deadline is not None else None


def _virtual_clock(loop: asyncio.AbstractEventLoop) -> GuestLoop | None:
    """The virtual clock of the sandbox that the running code is of, where that is another loop."""
    shell = home_shell()
    guest = shell.guest if shell is not None else None
    return None if guest is loop else guest
