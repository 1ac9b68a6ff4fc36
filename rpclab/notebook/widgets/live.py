"""The widgets: one class for each view, and one for all of them as tabs.

Floor: notebook.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anywidget

from rpclab.notebook.widgets.channel import channels
from rpclab.notebook.widgets.hearing import ours
from rpclab.notebook.widgets.modules import FOLDER, joined
from rpclab.trace.pictures.look import CLASS, LOOK, css
from rpclab.trace.pictures.words import WORDS

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox
    from rpclab.trace.recording import Recording

log = logging.getLogger("rpclab")

LIVE_STYLE = css() + (FOLDER / "view.css").read_text("utf-8")
LIVE_LOOK = {**LOOK, "class": CLASS}


class LiveView(anywidget.AnyWidget):
    """A view of a recording that follows it while it is made.

    It holds no state of its own in the notebook's file: a page asks for the rows when it shows it.

    Args:
        recording: what it shows.
        sandbox: the sandbox that makes the recording, if that is still there.
        scale: "order" or "time"; else the page takes what tells more. The reader can change it.
    """

    kind = ""
    _css = LIVE_STYLE

    def __init__(
        self, recording: Recording, sandbox: Sandbox | None = None, *, scale: str | None = None
    ) -> None:
        super().__init__()
        self._scale = scale
        self._channel = channels.of(recording, sandbox)
        self.on_msg(lambda _, message, __: self.heard(message))
        if self.comm is not None:
            ours[self.comm.comm_id] = self

    def heard(self, message: dict[str, Any]) -> None:
        """Take a message of the page in; on any thread, also while a cell awaits."""
        channels.soon(lambda: self._act(message))

    def _act(self, message: dict[str, Any]) -> None:
        channel, controls = self._channel, self._channel.controls
        try:
            match message:
                case {"ask": "all"}:
                    if self._scale is not None:
                        self._send_rows({"kind": "scale", "by": self._scale})
                    channel.open(self._send_rows)
                case {"ask": "nothing"}:
                    channel.close(self._send_rows)
                case {"ask": "why"}:
                    text = controls.why(message)
                    self._send_rows({"kind": "why", "stub": message.get("stub"), "text": text})
                case {"do": "link"}:
                    controls.set_link(message)
                    channel.tell_state()
                case {"do": "pace"}:
                    controls.set_pace(message)
                    channel.tell_state()
        except Exception as error:
            # Not `exception`: the notebook prints a report in one line, with what it says.
            log.error("a control of a view failed: %r", error, exc_info=error)  # noqa: TRY400

    # One bound method, so that the channel can tell whether it is there already.
    def _send_rows(self, message: dict[str, Any]) -> None:
        if self.comm is not None:
            self.send(message)

    def close(self) -> None:
        """Take the view from the page, and send it nothing any more."""
        channel = getattr(self, "_channel", None)
        if channel is not None:
            channel.close(self._send_rows)
        super().close()

    def __repr__(self) -> str:
        return f"<live view: {self.kind}>"


class TimelineView(LiveView):
    """Who called whom, and when."""

    kind = "timeline"
    _esm = joined(["timeline"], LIVE_LOOK, WORDS)


class LifetimesView(LiveView):
    """Which stubs lived when, and who held them."""

    kind = "lifetimes"
    _esm = joined(["lifetimes"], LIVE_LOOK, WORDS)


class StreamsView(LiveView):
    """Streams over time: window, bytes on the way, and when the writer was held back."""

    kind = "streams"
    _esm = joined(["streams"], LIVE_LOOK, WORDS)


class GraphView(LiveView):
    """Who can call whom."""

    kind = "graph"
    _esm = joined(["graph"], LIVE_LOOK, WORDS)


class TabsView(LiveView):
    """All four as tabs over one recording, with one scrubber."""

    kind = "view"
    _esm = joined(["timeline", "lifetimes", "streams", "graph"], LIVE_LOOK, WORDS)


VIEWS: dict[str, type[LiveView]] = {
    view.kind: view for view in (TimelineView, LifetimesView, StreamsView, GraphView, TabsView)
}
"""The classes, by the names of the methods of a sandbox that give them."""


def close_all() -> None:
    """Take all views away, and end the task that sends."""
    for view in list(ours.values()):
        view.close()
    channels.stop()
