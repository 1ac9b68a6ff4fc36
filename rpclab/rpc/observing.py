"""Who watches a sandbox: observers come and go, and one that fails is let go.

Floor: rpc.
"""

from __future__ import annotations

import logging
import time
from asyncio.base_events import BaseEventLoop
from typing import TYPE_CHECKING, Any

from rpclab.rpc.sites import calling_site

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from contextvars import ContextVar

    from rpclab.core.contexts import Observer
    from rpclab.core.events import Call
    from rpclab.rpc.guest import GuestLoop
    from rpclab.trace.recording import Recording

log = logging.getLogger("rpclab")


def no_clock() -> float:
    """The time before there is a loop."""
    return 0.0


class Observed:
    """Something that observers can watch.

    Attributes:
        observe: takes events; None while nobody watches, so that nothing has to be called.
        keep: takes those of each call, with their time in front; see `core.contexts.Host`.
        clock: gives the time of events.
        ambient: context variables that a call carries to the Worker (the notebook's output).
        noting: whether something of each call is noted: for an observer, its place in the user's
            code, or what it carries.
        calling_site: finds where a session was called from, while places are noted.
        active: while observed, the call whose method runs at this very moment.
        guest: the loop of a virtual clock; None where it is real.
    """

    guest: GuestLoop | None

    def __init__(self) -> None:
        self.observe: Observer | None = None
        self.keep: Observer | None = None
        self.clock: Callable[[], float] = no_clock
        self.ambient: tuple[ContextVar[Any], ...] = ()
        self.noting = False
        self.active: Call | None = None
        self.calling_site: Callable[[], str | None] | None = None
        self._watchers: list[Observer] = []

    @property
    def sites(self) -> bool:
        """Whether places in the user's code are noted."""
        return self.calling_site is not None

    @sites.setter
    def sites(self, noted: bool) -> None:
        self.calling_site = calling_site if noted else None
        self._tell(self._watchers)

    def carry_with_calls(self, variables: tuple[ContextVar[Any], ...]) -> None:
        """Have calls carry these variables of their callers to the Worker."""
        self.ambient = variables
        self._tell(self._watchers)

    def watch(self, observer: Observer) -> None:
        """Give all events to `observer` from now on. If it raises, it is dropped, with a report."""
        self._tell([*self._watchers, observer])

    def unwatch(self, observer: Observer) -> None:
        """Give it no more events. It need not be there any more."""
        self._tell([other for other in self._watchers if other is not observer])

    def use_clock_of(self, loop: AbstractEventLoop) -> None:
        """Take the times of events from a loop."""
        # A plain loop asks the clock of the system, which can be asked directly.
        is_plain = type(loop).time is BaseEventLoop.time
        before, self.clock = self.clock, time.monotonic if is_plain else loop.time
        self._tell(self._watchers)
        if before is no_clock:
            for watcher in self._watchers:
                if hasattr(watcher, "begin_at"):
                    watcher.begin_at(self.clock())

    def _tell(self, watchers: list[Observer]) -> None:
        self._watchers = watchers
        doors = [self._doors(watcher) for watcher in watchers]
        self.observe = _each([observe for observe, _ in doors])
        self.keep = _each([keep for _, keep in doors])
        self.noting = self.sites or self.observe is not None or bool(self.ambient)

    def _doors(self, watcher: Observer) -> tuple[Observer, Observer]:
        """What takes the events of an observer, and those with their time in front."""
        use_clock = getattr(watcher, "use_clock", None)
        if use_clock is not None:
            # A recording, which raises nothing, and is called with each message.
            use_clock(self.clock, virtual=self.guest is not None)
            return watcher.take, watcher.keep  # type: ignore[attr-defined]

        def tell(event: tuple[Any, ...]) -> None:
            try:
                watcher(event)
            except Exception as error:  # the session goes on
                self._drop(watcher, error)

        return tell, lambda event: tell(event[1:])

    def _drop(self, watcher: Observer, error: Exception) -> None:
        self.unwatch(watcher)
        log.error("an observer failed and was dropped: %r", error, exc_info=error)


def recording_of(engine: Observed) -> Recording:
    """Begin a recording of what happens from now on."""
    from rpclab.trace.recording import Recording  # noqa: PLC0415 - for those who record

    recording = Recording()
    engine.watch(recording)
    return recording


def _each(doors: list[Observer]) -> Observer | None:
    """Give what hands an event to each of these; None if there are none."""
    if not doors:
        return None
    if len(doors) == 1:
        return doors[0]

    def tell_all(event: tuple[Any, ...]) -> None:
        for tell in doors:
            tell(event)

    return tell_all
