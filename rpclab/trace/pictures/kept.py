"""A picture as the HTML that stays in the file of a notebook, which not every page shows whole.

Floor: trace. GitHub, and JupyterLab for a notebook that it does not trust, take styles and drawings
out of HTML and leave the words in these, one after the other. So the picture is there twice: as an
image, which such pages show, and as a drawing with tooltips and the page's own colours, in a part
that is closed; where styles are obeyed, these open it and take the image away.
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


def kept(svg: str) -> str:
    """Give a picture as a part of a page that may be shown with or without its styles.

    Args:
        svg: the picture.
    """
    found = _NAME.search(svg)
    name = escape(unescape(found[1])) if found else "Picture"
    data = b64encode(svg.encode()).decode()
    return (
        f'{_STYLE}<img class="rl-image" alt="{name}" style="max-width:100%"'
        f' src="data:image/svg+xml;base64,{data}">'
        f'<details class="rl-drawing"><summary>The words in the picture</summary>{svg}</details>'
    )
