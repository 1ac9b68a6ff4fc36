"""The live views: anywidgets over a recording, and the ES modules that draw them.

Floor: notebook. A view is drawn in the page, from the rows of `trace/feed.py` that a channel sends
there; so stepping back and forth asks the kernel nothing. The widget is an output of its own, in
front of the one that stays in the notebook's file; see `shown_live`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rpclab.views import View

WIDGET = "application/vnd.jupyter.widget-view+json"
STILL = "rl-still"

# JupyterLab and Notebook prefer a widget to any other form of the same output, also when its
# kernel is gone, and then show an error in its place. So the widget gets an output of its own,
# which this takes away, with that error, wherever no view is drawn in it.
_STYLE = (
    "<style>.jp-OutputArea-child:not(:has(.rl-live))"
    ":has(>.jp-OutputArea-output:not([data-mime-type]))"
    f":has(+.jp-OutputArea-child .{STILL}){{display:none}}</style>"
)


def shown_live(view: View, publish: Callable[[dict[str, Any]], None]) -> dict[str, str] | None:
    """Show the live form of a view, and give what stands in for it where that cannot be drawn.

    The page hides the second while it draws the first (`app.js`), and the first when the kernel
    that it needs is gone.

    Args:
        view: what is to be shown.
        publish: shows an output, given as a MIME bundle.

    Returns:
        The bundle of the output that is to follow; None where nothing was shown: the view is of a
        part that is over, such as a traced block, or there is no anywidget.
    """
    if view.calls is not None or view.figures is not None:
        return None
    try:
        from rpclab.notebook.widgets.live import VIEWS  # noqa: PLC0415 - slow, and an extra
    except ModuleNotFoundError:
        return None
    widget = VIEWS[view.kind](view.recording, view.sandbox, scale=view.asked_scale)
    shown: Any = widget._repr_mimebundle_()  # with or without metadata, by anywidget's version
    live = shown[0] if isinstance(shown, tuple) else shown
    if not live or WIDGET not in live:
        return None
    # Where no widget is shown, nothing is; nbconvert warns of an output that it can show in no way.
    publish({WIDGET: live[WIDGET], "text/html": ""})
    still = view.bundle()
    still["text/html"] = f'<div class="{STILL}">{_STYLE}{still["text/html"]}</div>'
    return still


def close_live() -> None:
    """Close the live views, and send nothing any more."""
    loaded = sys.modules.get(f"{__name__}.live")
    if loaded is not None:  # else there are none
        loaded.close_all()
