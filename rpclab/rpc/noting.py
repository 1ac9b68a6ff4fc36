"""What is noted of each call that travels in a run, in as few steps as can be.

Floor: rpc.
"""

from __future__ import annotations

from sys import _getframe
from typing import TYPE_CHECKING, Any

from rpclab.core.events import Actor, Kept
from rpclab.diagnostics.places import known_places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import ContextVar
    from types import CodeType, FrameType

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
        "_acting", "_actor", "_at", "_code", "_running", "_site", "_task", "ambient",
        "calling_site", "clock", "kept", "serving",
    )  # fmt: skip

    def __init__(
        self,
        *,
        kept: Kept,
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
        self.serving: SessionLike | None = None
        # Of the call that was noted last: who made it, its task, and where.
        self._actor = Actor(None)
        self._task: Callable[[], object] = object  # gives what no task is
        self._code: CodeType | None = None
        self._at = 0
        self._site: str | None = None

    def call(self, pending: Pending, run: Message) -> None:
        """A call has joined a run: note its time, its place, who makes it, and what it carries."""
        if self.ambient:
            pending.cause = pending.session.host.calls.caused(pending.session)
        frame, task, running, clock = _getframe(_CALLS), self._task, self._running, self.clock
        kept = self.kept
        if (
            kept.run is run
            and frame.f_lasti == self._at
            and frame.f_code is self._code
            and task() is running()
            and not self._actor.started
        ):
            pending.site = self._site
        else:
            self._call_anew(pending, run, frame)
        kept.append(clock())

    def _call_anew(self, pending: Pending, run: Message, frame: FrameType) -> None:
        """Find out what a call does not have in common with the one before it."""
        code: CodeType | None = frame.f_code
        at, site = frame.f_lasti, None
        if self.calling_site is not None:
            site = known_places.get(id(code), _NONE).get(at)
            if site is None:
                site, code = self.calling_site(), None  # that frame is none of the user's
            pending.site = site
        actor = self._actor
        # Who acted last acts again, if it is the same task, and has not gone on after others.
        if actor.started or actor.task is None or actor.task() is not self._running():
            actor = self._acting()  # which may keep something
        if self.kept.run is not run or site is not self._site or actor is not self._actor:
            label, before = pending.session.label, len(run) // 3 - 1
            self.kept.begin("call", label, run, before, site, actor)
        self._code, self._at, self._site, self._actor = code, at, site, actor
        self._task = actor.task or object
