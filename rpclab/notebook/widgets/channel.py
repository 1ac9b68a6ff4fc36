"""What flows between a recording and the pages that show it; one task sends it in batches.

Floor: notebook. Rows go out 30 times a second at most, and only while there are new ones. Messages
from a page may come on any thread, and while a cell awaits: they are handed to the main loop, and
act there.
"""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from rpclab.notebook.widgets.controls import Controls
from rpclab.notebook.widgets.layouts import Layouts
from rpclab.trace.advice import advice
from rpclab.trace.feed import COLUMNS, Feed, News

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox
    from rpclab.trace.recording import Recording

Send = Callable[[dict[str, Any]], None]

BATCH = 1 / 30
"""Seconds between two batches, at least."""

SHOWN = 20_000
"""How many events a view shows at least; it begins anew when it has twice as many."""

_ADVISED = 3000  # events that advice is taken from: it reads them all again each time
_SHARE = 20  # advice may take one part of so many of the time
_STATES = 6  # batches after which the state of the links is looked at
_STEP = 400  # events of the past that a new beginning takes in at a time

log = logging.getLogger("rpclab")


class Channel:
    """One recording, and the views of it.

    Args:
        recording: what is shown.
        sandbox: the sandbox that makes it, which controls act on; None for one from a file.
    """

    def __init__(self, recording: Recording, sandbox: Sandbox | None = None) -> None:
        self.recording = recording
        self._sandbox = None if sandbox is None else weakref.ref(sandbox)
        self.controls = Controls(self._sandbox)
        self._pages: list[Send] = []
        self._beats = 0
        self._state: dict[str, Any] = {}
        self._advised_at = 0
        self._advise_after = 0.0
        self._advice: list[dict[str, Any]] = []
        self._successor: _Followed | None = None
        self._followed = _Followed(recording, max(recording.mark - SHOWN, recording.cleared))
        self._followed.catch_up()

    @property
    def is_live(self) -> bool:
        """Whether more may be recorded, and controls have something to act on."""
        return self._sandbox is not None and self._sandbox() is not None

    def open(self, page: Send) -> None:
        """Send to a page from now on: first all there is."""
        if self.recording.mark - self._followed.mark > SHOWN:
            self._followed = _Followed(self.recording, self.recording.mark - SHOWN)
            self._successor = None
        self._catch_up()
        if page not in self._pages:
            self._pages.append(page)
        self._state = self.controls.state()
        self._send_all([page])

    def close(self, page: Send) -> None:
        """Send no more to a page."""
        if page in self._pages:
            self._pages.remove(page)

    def beat(self) -> None:
        """Send what is new, if a page is there."""
        if not self._pages:
            return
        if self._followed.first < self.recording.cleared:
            self._successor, self._advice = None, []
            self._followed = _Followed(self.recording, self.recording.cleared)
            self._catch_up()
            self._send_all()
        news = self._catch_up()
        self._beats += 1
        if self._beats % _STATES == 1:
            self.tell_state()
            if self._followed.layouts.are_due:
                self._tell({"kind": "layout", "layouts": self._followed.layouts.rows()})
            if not news:
                self._advise()
        self._begin_anew()

    def _catch_up(self) -> News:
        news = self._followed.catch_up()
        if news:
            self._tell({"kind": "news", "rows": news})
        return news

    def tell_state(self) -> None:
        """Tell the pages how the links are, if they are not as before."""
        state = self.controls.state()
        if state != self._state:
            self._state = state
            self._tell({"kind": "state", **state})

    def _tell(self, message: dict[str, Any], pages: list[Send] | None = None) -> None:
        for page in list(self._pages if pages is None else pages):
            page(message)

    def _send_all(self, pages: list[Send] | None = None) -> None:
        followed = self._followed
        message = {
            "kind": "all",
            "columns": COLUMNS,
            "rows": followed.rows(),
            "first": followed.first - min(followed.first, self.recording.cleared),
            "live": self.is_live,
            "clock": self.controls.clock,
            "advice": self._advice,
        }
        self._tell(message, pages)
        self._tell({"kind": "state", **self._state}, pages)
        self._tell({"kind": "layout", "layouts": followed.layouts.rows()}, pages)

    def _advise(self) -> None:
        """Look for advice, when things are quiet and it has not just been done."""
        mark, now = self.recording.mark, time.monotonic()
        if mark == self._advised_at or now < self._advise_after:
            return
        part = self.recording.part(max(mark - _ADVISED, self._followed.first))
        found = [
            {"text": each.text, "sites": [site for site in each.sites if site]}
            for each in advice(part)
        ]
        self._advised_at = mark
        self._advise_after = now + _SHARE * (time.monotonic() - now)
        if found != self._advice:
            self._advice = found
            self._tell({"kind": "advice", "advice": found})

    def _begin_anew(self) -> None:
        """Let go of the oldest events, when there are many; bit by bit, for others are at work."""
        if self._successor is None:
            if self._followed.moments < 2 * SHOWN:
                return
            self._successor = _Followed(self.recording, self.recording.mark - SHOWN)
        if self._successor.take(_STEP):
            self._followed, self._successor = self._successor, None
            self._send_all()


class _Followed:
    """The rows of a recording from some mark on."""

    def __init__(self, recording: Recording, first: int) -> None:
        self._recording = recording
        self._feed = Feed()
        self._numbered: dict[str, dict[int, Any]] = {}
        self._listed: News = {}
        self.layouts = Layouts()
        self.first = self.mark = first

    @property
    def moments(self) -> int:
        return self._feed.moments

    def catch_up(self) -> News:
        """Take in what was recorded since; gives the rows that are new or changed."""
        if self._recording.mark == self.mark:
            return {}
        handed = self._recording.since(self.mark)
        self.mark = handed.mark
        self._feed.take(handed.events)
        return self._kept(self._feed.news())

    def take(self, most: int) -> bool:
        """Take some events in, and say whether that was all."""
        first = self.mark
        events = self._recording.since(first).events[:most]
        self.mark = first + len(events)
        self._feed.take(events)
        self._kept(self._feed.news())
        return len(events) < most

    def _kept(self, news: News) -> News:
        self.layouts.take(news)
        for kind, rows in news.items():
            if COLUMNS[kind][:1] == ["number"]:
                self._numbered.setdefault(kind, {}).update((row[0], row) for row in rows)
            elif kind in ("workers", "lanes"):
                self._listed[kind] = rows
            else:
                self._listed.setdefault(kind, []).extend(rows)
        return news

    def rows(self) -> News:
        """All rows."""
        numbered = {kind: list(rows.values()) for kind, rows in self._numbered.items()}
        listed = {kind: list(rows) for kind, rows in self._listed.items()}
        return {**listed, **numbered}


class Channels:
    """All channels of a kernel, and the one task that sends."""

    def __init__(self) -> None:
        # The views hold them; a channel that no view has is of no use.
        self._channels: weakref.WeakValueDictionary[int, Channel] = weakref.WeakValueDictionary()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def of(self, recording: Recording, sandbox: Sandbox | None) -> Channel:
        """The channel of a recording; made when it is first asked for."""
        # The key stays good while the channel is here, for that holds the recording.
        channel = self._channels.get(id(recording))
        if channel is None:
            channel = self._channels[id(recording)] = Channel(recording, sandbox)
        self._start()
        return channel

    def soon(self, function: Callable[[], None]) -> None:
        """Call a function in the main loop; from any thread."""
        if self._loop is None or self._loop.is_closed():
            function()
        else:
            self._loop.call_soon_threadsafe(function, context=Context())

    def _start(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a terminal, where nothing shows widgets
            return
        if self._task is None or self._task.done() or self._loop is not loop:
            self._loop = loop
            self._task = loop.create_task(self._run(), context=Context())

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(BATCH)
            self._beat()

    # Apart from the task, whose variables would hold the last channel while it sleeps.
    def _beat(self) -> None:
        for channel in list(self._channels.values()):
            try:
                channel.beat()
            except Exception as error:  # the other views go on
                del self._channels[id(channel.recording)]
                text = "a live view failed and stands still: %r"
                log.error(text, error, exc_info=error)  # noqa: TRY400 - a report in one line

    def stop(self) -> None:
        """Send nothing any more, and forget all channels."""
        if self._task is not None:
            self._task.cancel()
        self._task = self._loop = None
        self._channels.clear()


channels = Channels()
"""Those of this kernel."""
