"""An event loop whose time jumps: nothing sleeps, and what can never wake fails at once."""

from __future__ import annotations

import asyncio
import selectors
import sys
from contextlib import contextmanager

PATIENCE = 30  # seconds; a bound for threads that must come to an end, never a wait


class NothingLeftToWaitFor(AssertionError):
    """Every task waits, and nothing could ever wake one."""


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    loop: VirtualTimeLoop

    def select(self, timeout=None):
        events = super().select(0)
        if events or timeout == 0:
            return events
        if self.loop.holds:
            # Only the thread that somebody waits for can say what comes next.
            events = super().select(PATIENCE)
            if events:
                return events
            raise NothingLeftToWaitFor("a thread that somebody waits for does not come to an end")
        if timeout is None:
            # A finalizer or thread may still call in; real idleness lasts.
            events = super().select(0.2)
            if events:
                return events
            raise NothingLeftToWaitFor("every task waits, and nothing could ever wake one")
        self.loop.jump(timeout)
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """The ordinary loop, with a clock that jumps to the next timer when all is quiet."""

    def __init__(self) -> None:
        self._now = 0.0
        self.holds = 0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    if sys.platform == "emscripten":  # no thread ever calls in, and no socket could

        def _make_self_pipe(self):
            self._internal_fds += 1
            self._ssock = self._csock = None

        def _close_self_pipe(self):
            self._internal_fds -= 1

    def time(self) -> float:
        return self._now

    @contextmanager
    def hold(self):
        """Let the clock stand still: what goes on in a thread takes no virtual time."""
        self.holds += 1
        try:
            yield
        finally:
            self.holds -= 1

    async def shutdown_default_executor(self, *timeout):
        # Since Python 3.12 a loop waits only so long, while threads end in real time.
        with self.hold():
            await super().shutdown_default_executor(*timeout)

    def jump(self, seconds: float) -> None:
        # A hair more than asked, so that the timer is certainly due.
        self._now += seconds + 1e-9
