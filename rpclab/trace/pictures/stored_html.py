"""A picture as the HTML that stays in the file of a notebook, which not every page shows whole.

Floor: trace. GitHub, and JupyterLab for a notebook that it does not trust, take styles and drawings
out of HTML and leave the words in these, one after the other. So there is an image of the picture,
which such pages show, without the tooltips that no image has; and the drawing with these and the
page's own colours, in a part that is closed. Where styles are obeyed, these open it and take the
image away.
"""

from __future__ import annotations

import re
from base64 import b64encode
from html import escape, unescape

_STYLE = (
    "<style>@supports selector(::details-content){.rl-image,.rl-drawing>summary{display:none}"
    ".rl-drawing::details-content{display:block;content-visibility:visible}}</style>"
)
_NAME = re.compile(r'aria-label="([^"]*)"')


_TOOLTIP = re.compile(r"<(title|desc)>.*?</\1>", re.DOTALL)
_WIDTH = re.compile(r'<svg [^>]*?width="([\d.]+)"')
_SMALLEST = 0.85  # of its size: in a narrower window it is scrolled, for its texts must be read


def kept(svg: str) -> str:
    """Give a picture as a part of a page that may be shown with or without its styles.

    Args:
        svg: the picture.
    """
    found = _NAME.search(svg)
    name = escape(unescape(found[1])) if found else "Picture"
    data = b64encode(_TOOLTIP.sub("", svg).encode()).decode()
    return (
        f'{_STYLE}<img class="rl-image" alt="{name}" style="max-width:100%"'
        f' src="data:image/svg+xml;base64,{data}">'
        '<details class="rl-drawing"><summary>The words in the picture</summary>'
        f"{drawing(svg)}</details>"
    )


def drawing(svg: str) -> str:
    """Give a picture as a drawing in a page, which shrinks only as far as it can be read."""
    found = _WIDTH.match(svg)
    if found is None:
        return svg
    style = f"min-width:{float(found[1]) * _SMALLEST:.0f}px;max-width:100%;height:auto"
    return f'<svg style="{style}" {svg[len("<svg ") :]}'
