"""What is noted of each call that travels in a run, in as few steps as can be.

Floor: rpc.
"""

from __future__ import annotations

from sys import _getframe
from typing import TYPE_CHECKING, Any

from rpclab.core.events import RUN as _RUN
from rpclab.core.events import Actor
from rpclab.diagnostics.places import known_places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import ContextVar

    from rpclab.core.contexts import SessionLike
    from rpclab.core.imports import Pending
    from rpclab.core.messages import Message

_NONE: Mapping[int, Any] = {}
_CALLS = 4  # of a call: the frames of this, of the session, of what it was made on, and of a stub


class Noting:
    """Notes what somebody wants to know of calls: see `core.contexts.Noting`.

    Made anew when that changes. It has few attributes and does all in one, for of a call in flight
    each step here would be a hundredth (benchmark `recording`).

    Args:
        kept: where it is kept.
        clock: gives the time, in seconds.
        ambient: the context variables that calls carry.
        calling_site: finds where a session was called from, if that is wanted.
        acting: finds out who acts.
        running: gives the task that runs, if any.
    """

    __slots__ = (
        "_acting", "_actor", "_code", "_known", "_running", "ambient", "call_served",
        "calling_site", "clock", "kept", "serving",
    )  # fmt: skip

    def __init__(
        self,
        *,
        kept: list[Any],
        clock: Callable[[], float],
        ambient: tuple[ContextVar[Any], ...],
        calling_site: Callable[[], str | None] | None,
        acting: Callable[[], Actor],
        running: Callable[[], object],
    ) -> None:
        self.kept = kept
        self.clock = clock
        self.ambient = ambient
        self.calling_site = calling_site
        self._acting = acting
        self._running = running
        self._actor = Actor(None)
        self.serving: SessionLike | None = None
        self.call_served = 0
        self._code: Any = None
        self._known = _NONE

    def call(self, pending: Pending, run: Message) -> None:
        """A call has joined a run: note its time, its place, who makes it, and what it carries."""
        if self.ambient:
            pending.cause = pending.session.host.calls.caused(pending.session)
        site = None
        if self.calling_site is not None:
            frame = _getframe(_CALLS)
            if frame.f_code is not self._code:
                self._code = frame.f_code
                self._known = known_places.get(id(self._code), _NONE)
            site = self._known.get(frame.f_lasti)
            if site is None:
                site = self.calling_site()
                self._code = None
            pending.site = site
        actor = self._actor
        # Who acted last acts again, if it is the same task, and has not gone on after others.
        if actor.started or actor.task is None or actor.task() is not self._running():
            actor = self._actor = self._acting()  # which may keep something
        kept = self.kept
        if kept and (last := kept[-1])[_RUN] is run:
            last += (self.clock(), site, actor)
        else:
            label, first = pending.session.label, len(run) // 3 - 1
            kept.append(["call", label, run, first, self.clock(), site, actor])
