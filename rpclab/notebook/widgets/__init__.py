"""The live views: anywidgets over a recording, and the ES modules that draw them.

Floor: notebook. A view is drawn in the page, from the rows of `trace/feed.py` that a channel sends
there; so stepping back and forth asks the kernel nothing. The widget is an output of its own, in
front of the one that stays in the notebook's file; see `Live`.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rpclab.views import View

WIDGET = "application/vnd.jupyter.widget-view+json"
STILL = "rl-still"

# JupyterLab and Notebook prefer a widget to any other form of the same output, also when its
# kernel is gone, and then show an error in its place. So the widget gets an output of its own.
# Where no view is drawn in it, this takes it away with that error; where one is, what stands in
# for it. It does so by itself, for a page may draw either of them first.
_OUTPUT = ".jp-OutputArea-child"
_STYLE = (
    f"<style>{_OUTPUT}:not(:has(.rl-live))"
    ":has(>.jp-OutputArea-output:not([data-mime-type]))"
    f":has(+{_OUTPUT} .{STILL}),"
    f"{_OUTPUT}:has(.rl-live)+{_OUTPUT}:has(.{STILL}){{display:none}}</style>"
)


class Live:
    """Shows views live: each as an output in front of the one that stays in the notebook's file.

    Args:
        shell: whose displays they are.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._hook = shell.displayhook
        self._publisher = shell.display_pub
        self._formatted: View | None = None
        self._registers = hasattr(self._publisher, "register_hook")

    def install(self) -> None:
        """Show them from now on."""
        if self._registers:
            self._publisher.register_hook(self._before)

    def uninstall(self) -> None:
        """Show no more of them."""
        self._formatted = None
        if self._registers:
            self._publisher.unregister_hook(self._before)

    def bundle(self, view: View) -> dict[str, str]:
        """What is to be shown of a view, and stays in the notebook's file.

        The live form goes out with it, unless it takes the place of an earlier display: that has
        one already, which shows the same recording.
        """
        if not _can_be_live(view):
            return view.bundle()
        still = view.bundle()
        still["text/html"] = f'<div class="{STILL}">{_STYLE}{still["text/html"]}</div>'
        if not self._registers or getattr(self._hook, "msg", None) is not None:
            self._show(view)  # the result of a cell, which is never updated
        else:
            self._formatted = view
        return still

    def _before(self, message: dict[str, Any]) -> dict[str, Any]:
        """A display is about to be shown, or to be updated."""
        html = message.get("content", {}).get("data", {}).get("text/html", "")
        view = self._formatted
        if view is not None and isinstance(html, str) and STILL in html:
            self._formatted = None
            if message.get("msg_type") == "display_data":
                self._show(view)
        return message

    def _show(self, view: View) -> None:
        from rpclab.notebook.widgets.live import VIEWS  # noqa: PLC0415 - slow, and an extra

        widget = VIEWS[view.kind](view.recording, view.sandbox, scale=view.asked_scale)
        shown: Any = widget._repr_mimebundle_()  # with or without metadata, by anywidget's version
        live = shown[0] if isinstance(shown, tuple) else shown
        if live and WIDGET in live:
            # Where no widget is shown, nothing is; nbconvert warns of an output that it can show
            # in no way.
            self._publisher.publish({WIDGET: live[WIDGET], "text/html": ""})


def _can_be_live(view: View) -> bool:
    """Whether there is more to come in it, and something to show it with."""
    if view.calls is not None or view.figures is not None:
        return False  # of a part that is over, such as a traced block
    return find_spec("anywidget") is not None


def close_live() -> None:
    """Close the live views, and send nothing any more."""
    loaded = sys.modules.get(f"{__name__}.live")
    if loaded is not None:  # else there are none
        loaded.close_all()
