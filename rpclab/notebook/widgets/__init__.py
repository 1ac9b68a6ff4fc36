"""The live views: anywidgets over a recording, and the ES modules that draw them.

Floor: notebook. A view is drawn in the page, from the rows of `trace/feed.py` that a channel sends
there; so stepping back and forth asks the kernel nothing. The widget is an output of its own, in
front of the one that stays in the notebook's file; see `Live`.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.views import View

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rpclab.whatif import Faults

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
        self._formatted: View | Faults | None = None
        self._shown: dict[str, _Shown] = {}  # by the ids of their displays
        self._registers = hasattr(self._publisher, "register_hook")

    def install(self) -> None:
        """Show them from now on."""
        if self._registers:
            self._publisher.register_hook(self._before)

    def uninstall(self) -> None:
        """Show no more of them."""
        self._formatted = None
        self._shown.clear()
        if self._registers:
            self._publisher.unregister_hook(self._before)

    def bundle(self, view: View | Faults) -> dict[str, str]:
        """What is to be shown of a view, and stays in the notebook's file.

        The live form goes out with it, unless it takes the place of a display of the same view.
        """
        if not _can_be_live(view):
            return view.bundle()
        still = view.bundle()
        still["text/html"] = f'<div class="{STILL}">{_STYLE}{still["text/html"]}</div>'
        if not self._registers or getattr(self._hook, "msg", None) is not None:
            self._show(view, None)  # the result of a cell, which is never updated
        else:
            self._formatted = view
        return still

    def _before(self, message: dict[str, Any]) -> dict[str, Any]:
        """A display is about to be shown, or to be updated."""
        content = message.get("content", {})
        html = content.get("data", {}).get("text/html", "")
        place = content.get("transient", {}).get("display_id")
        view, kind = self._formatted, message.get("msg_type")
        is_view = view is not None and isinstance(html, str) and STILL in html
        if is_view:
            self._formatted = None
        if kind == "display_data" and is_view and view is not None:
            self._show(view, place)
        elif kind == "update_display_data" and place in self._shown:
            self._update(view if is_view else None, place)
        return message

    def _update(self, view: View | Faults | None, place: str) -> None:
        """Another view takes the place of one, or something else does, or the same view again."""
        shown = self._shown[place]
        if view is not None and shown.is_of(view):
            return
        del self._shown[place]
        if view is not None:
            self._show(view, place, update=True)
        else:
            self._publish({"text/html": ""}, place, update=True)
        shown.widget.close()

    def _show(self, view: View | Faults, place: str | None, *, update: bool = False) -> None:
        widget = _widget_of(view)
        given: Any = widget._repr_mimebundle_()  # with or without metadata, by anywidget's version
        live = given[0] if isinstance(given, tuple) else given
        if not live or WIDGET not in live:
            return
        if place is not None:
            self._shown[place] = _Shown(view, widget)
        # Where no widget is shown, nothing is; nbconvert warns of an output that it can show in
        # no way.
        self._publish({WIDGET: live[WIDGET], "text/html": ""}, place, update=update)

    def _publish(self, data: dict[str, Any], place: str | None, *, update: bool) -> None:
        transient = {} if place is None else {"transient": {"display_id": f"{place} live"}}
        self._publisher.publish(data, **transient, **({"update": True} if update else {}))


class _Shown(NamedTuple):
    """A view that is shown live in a display."""

    view: View | Faults
    widget: Any

    def is_of(self, view: View | Faults) -> bool:
        """Whether that is what another view shows, too."""
        ours = self.view
        if not isinstance(ours, View) or not isinstance(view, View):
            return ours is view
        same = ours.kind == view.kind and ours.asked_scale == view.asked_scale
        return same and ours.recording is view.recording


def _widget_of(view: View | Faults) -> Any:
    if isinstance(view, View):
        from rpclab.notebook.widgets.live import VIEWS  # noqa: PLC0415 - slow, and an extra

        return VIEWS[view.kind](view.recording, view.sandbox, scale=view.asked_scale)
    from rpclab.notebook.widgets.faults import FaultsView  # noqa: PLC0415 - likewise

    return FaultsView(view)


def _can_be_live(view: View | Faults) -> bool:
    """Whether there is more to come in it, or to open, and something to show it with."""
    if isinstance(view, View) and (view.calls is not None or view.figures is not None):
        return False  # of a part that is over, such as a traced block
    return find_spec("anywidget") is not None


def close_live() -> None:
    """Close the live views, and send nothing any more."""
    loaded = sys.modules.get(f"{__name__}.live")
    if loaded is not None:  # else there are none
        loaded.close_all()
