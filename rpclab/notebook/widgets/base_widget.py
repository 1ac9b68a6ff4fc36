"""What all our widgets are: they hear what a page says, and tell it what it asks for.

Floor: notebook.
"""

from __future__ import annotations

import logging
from typing import Any

import anywidget

from rpclab.notebook.widgets.channel import channels
from rpclab.notebook.widgets.comm_messages import ours
from rpclab.notebook.widgets.es_modules import FOLDER
from rpclab.trace.pictures.look import CLASS, LOOK, css

log = logging.getLogger("rpclab")

LIVE_LOOK = {**LOOK, "class": CLASS}
"""The look of the pictures, and the class that every view has in a page."""


class PageView(anywidget.AnyWidget):
    """A widget whose page asks for what it shows.

    It holds no state of its own in the notebook's file.
    """

    kind = ""
    _css = css() + (FOLDER / "view.css").read_text("utf-8")

    def __init__(self) -> None:
        super().__init__()
        self.on_msg(lambda _, message, __: self.heard(message))
        if self.comm is not None:
            ours[self.comm.comm_id] = self

    def heard(self, message: dict[str, Any]) -> None:
        """Take a message of the page in; on any thread, also while a cell awaits."""
        channels.soon(lambda: self._act(message))

    def _act(self, message: dict[str, Any]) -> None:
        try:
            self._answer(message)
        except Exception as error:
            # Not `exception`: the notebook prints a report in one line, with what it says.
            log.error("a control of a view failed: %r", error, exc_info=error)  # noqa: TRY400

    def _answer(self, message: dict[str, Any]) -> None:
        raise NotImplementedError

    def _tell(self, message: dict[str, Any]) -> None:
        if self.comm is not None:
            self.send(message)

    def __repr__(self) -> str:
        return f"<live view: {self.kind}>"
