"""How HTTP messages are shown: what they say, and the body where it is there to be seen.

Floor: notebook. Looking uses nothing up. HTML of a Worker is shown in a frame that runs no script
and loads nothing.
"""

from __future__ import annotations

import json
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, Any

from rpclab.printable import printable

if TYPE_CHECKING:
    from rpclab.workers.http import Response

MOST = 100_000  # bytes of a body that are shown

_POLICY = (
    '<meta http-equiv="Content-Security-Policy"'
    " content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
)
_FRAME = "width: 100%; height: {}em; resize: vertical; border: 1px solid #8886"
_LOW, _HIGH = 6, 28
_SHORT = 400  # bytes of a page that a low frame is enough for
_LAYOUT = "\t\n\r"
_TEXT = 'style="max-height: 24em; overflow: auto"'


def response_html(response: Response) -> str:
    """Show a response as HTML: what `repr` says, the headers, and the body if it is a text.

    Args:
        response: stays as it is.
    """
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(printable(value))}</td></tr>"
        for name, value in response.headers.items()
    )
    table = f"<details><summary>headers</summary><table>{rows}</table></details>" if rows else ""
    return f"<div><code>{escape(repr(response))}</code>{table}{_body(response)}</div>"


def _body(response: Any) -> str:
    data = response._peek()
    if not data or len(data) > MOST:
        return ""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    text = data.decode("utf-8", "replace")
    if kind == "text/html":
        # How high it is, a page without scripts cannot say.
        style = _FRAME.format(_LOW if len(data) < _SHORT else _HIGH)
        page = escape(_POLICY + text)
        return f'<iframe sandbox srcdoc="{page}" style="{style}" title="the body"></iframe>'
    if kind.endswith("json"):
        with suppress(ValueError):  # then it is shown as it is
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    elif not kind.startswith("text/"):
        return ""
    return f"<pre {_TEXT}>{escape(printable(text, keep=_LAYOUT))}</pre>"
