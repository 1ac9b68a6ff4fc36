"""An event loop whose time jumps: nothing sleeps, and what can never wake fails at once."""

from __future__ import annotations

import asyncio
import selectors


class NothingLeftToWaitFor(AssertionError):
    """Every task waits, and nothing could ever wake one."""


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    loop: VirtualTimeLoop

    def select(self, timeout=None):
        events = super().select(0)
        if events or timeout == 0:
            return events
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
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        # A hair more than asked, so that the timer is certainly due.
        self._now += seconds + 1e-9
