"""The widgets of recordings: one class for each view, and one for all of them as tabs.

Floor: notebook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.notebook.widgets.base_widget import LIVE_LOOK, PageView
from rpclab.notebook.widgets.channel import channels
from rpclab.notebook.widgets.comm_messages import ours
from rpclab.notebook.widgets.es_modules import joined
from rpclab.trace.pictures.words import WORDS
from rpclab.views import KINDS

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox
    from rpclab.trace.recording import Recording


class LiveView(PageView):
    """A view of a recording that follows it while it is made.

    Args:
        recording: what it shows.
        sandbox: the sandbox that makes the recording, if that is still there.
        scale: "order" or "time"; else the page takes what tells more. The reader can change it.
    """

    def __init__(
        self, recording: Recording, sandbox: Sandbox | None = None, *, scale: str | None = None
    ) -> None:
        super().__init__()
        self._scale = scale
        self._channel = channels.of(recording, sandbox)

    def _answer(self, message: dict[str, Any]) -> None:
        channel, controls = self._channel, self._channel.controls
        match message:
            case {"ask": "all"}:
                if self._scale is not None:
                    self._tell({"kind": "scale", "by": self._scale})
                channel.open(self._tell)
            case {"ask": "nothing"}:
                channel.close(self._tell)
            case {"ask": "why"}:
                text = controls.why(message)
                self._tell({"kind": "why", "stub": message.get("stub"), "text": text})
            case {"do": "link"}:
                controls.set_link(message)
                channel.tell_state()
            case {"do": "pace"}:
                controls.set_pace(message)
                channel.tell_state()

    def close(self) -> None:
        """Take the view from the page, and send it nothing any more."""
        channel = getattr(self, "_channel", None)
        if channel is not None:
            channel.close(self._tell)
        super().close()


def _view(kind: str, panels: list[str]) -> type[LiveView]:
    # anywidget knows views apart by the names of their classes.
    members = {"kind": kind, "_esm": joined(panels, LIVE_LOOK, WORDS), "__module__": __name__}
    return type(f"{kind.title()}View", (LiveView,), members)


VIEWS: dict[str, type[LiveView]] = {
    **{kind: _view(kind, [kind]) for kind in KINDS},
    "view": _view("view", [*KINDS]),
}
"""The classes, by the names of the methods of a sandbox that give them."""


def close_all() -> None:
    """Take all views away, and end the task that sends."""
    for view in list(ours.values()):
        view.close()
    channels.stop()
