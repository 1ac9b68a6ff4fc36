"""Who watches a sandbox: observers come and go, and one that fails is let go.

Floor: rpc.
"""

from __future__ import annotations

import logging
from asyncio.base_events import BaseEventLoop
from asyncio.events import _get_running_loop
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rpclab.core.answers import Answer
    from rpclab.core.host import Observer
    from rpclab.rpc.engine import Engine
    from rpclab.trace.recording import Recording

log = logging.getLogger("rpclab")


class Observed:
    """Something that observers can watch.

    Attributes:
        observe: takes events; None while nobody watches, so that nothing has to be called.
        noting: whether there is an observer, or places in the user's code are noted.
        active: while observed, the call whose method runs at this very moment.
    """

    def __init__(self) -> None:
        self.observe: Observer | None = None
        self.noting = False
        self.active: Answer | None = None
        self._sites = False
        self._watchers: list[Observer] = []

    @property
    def sites(self) -> bool:
        """Whether places in the user's code are noted."""
        return self._sites

    @sites.setter
    def sites(self, noted: bool) -> None:
        self._sites = noted
        self._tell(self._watchers)

    def watch(self, observer: Observer) -> None:
        """Give all events to `observer` from now on. If it raises, it is dropped, with a report."""
        self._tell([*self._watchers, observer])

    def unwatch(self, observer: Observer) -> None:
        """Give it no more events. It need not be there any more."""
        self._tell([other for other in self._watchers if other is not observer])

    def _tell(self, watchers: list[Observer]) -> None:
        self._watchers = watchers
        self.observe = self._guarded(watchers) if watchers else None
        self.noting = self._sites or self.observe is not None

    def _guarded(self, watchers: list[Observer]) -> Observer:
        if len(watchers) == 1:
            only = watchers[0]
            # A recording raises nothing, and is called with each message.
            take: Observer | None = getattr(only, "take", None)
            if take is not None:
                return take

            def tell(event: tuple[Any, ...]) -> None:
                try:
                    only(event)
                except Exception as error:  # the session goes on
                    self._drop(only, error)

            return tell

        def tell_all(event: tuple[Any, ...]) -> None:
            for watcher in watchers:
                try:
                    watcher(event)
                except Exception as error:  # as above
                    self._drop(watcher, error)

        return tell_all

    def _drop(self, watcher: Observer, error: Exception) -> None:
        self.unwatch(watcher)
        log.error("an observer failed and was dropped: %r", error, exc_info=error)


def recording_of(engine: Engine) -> Recording:
    """Begin a recording of what happens from now on."""
    from rpclab.trace.recording import Recording  # noqa: PLC0415 - for those who record

    guest = engine.guest is not None
    recording = Recording(now=engine.now, is_monotonic=lambda: not guest and is_plain())
    engine.watch(recording)
    return recording


def is_plain() -> bool:
    """Whether the running loop has the clock of the system, which can be asked in one step."""
    loop = _get_running_loop()
    return loop is not None and type(loop).time is BaseEventLoop.time
