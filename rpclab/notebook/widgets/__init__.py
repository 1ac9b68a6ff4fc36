"""The live views: anywidgets over a recording, and the ES modules that draw them.

Floor: notebook. A view is drawn in the page, from the rows of `trace/feed.py` that a channel sends
there; so stepping back and forth asks the kernel nothing. While the extension is loaded,
`rpclab.views` asks here for what a notebook shows beside text and picture.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rpclab import views

if TYPE_CHECKING:
    from rpclab.views import View


def show_live() -> Callable[[], None]:
    """Let views be shown live from now on, where anywidget is installed.

    Returns:
        A function that takes this back: it closes the live views, and sends nothing any more.
    """
    views.make_bundle = live_bundle

    def undo() -> None:
        if views.make_bundle is live_bundle:
            views.make_bundle = None
        loaded = sys.modules.get(f"{__name__}.live")
        if loaded is not None:  # else there are none
            loaded.close_all()

    return undo


def live_bundle(view: View) -> dict[str, Any] | None:
    """Make the live form of a view.

    Args:
        view: what is to be shown.

    Returns:
        What a page finds the widget by; None where the view is of a part that is over, such as a
        traced block, and where there is no anywidget.
    """
    if view.calls is not None or view.figures is not None:
        return None
    try:
        from rpclab.notebook.widgets.live import VIEWS  # noqa: PLC0415 - slow, and an extra
    except ModuleNotFoundError:
        return None
    widget = VIEWS[view.kind](view.recording, view.sandbox)
    shown: Any = widget._repr_mimebundle_()  # with or without metadata, by anywidget's version
    bundle = shown[0] if isinstance(shown, tuple) else shown
    # The text and the picture beside it are those of the view.
    return {kind: data for kind, data in bundle.items() if kind != "text/plain"}
