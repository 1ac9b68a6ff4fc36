"""How HTTP messages are shown: what they say, and the body where it is there to be seen.

Floor: notebook. Looking uses nothing up. HTML of a Worker is shown in a frame that runs no script
and loads nothing.
"""

from __future__ import annotations

import json
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rpclab.workers.http import Response

MOST = 100_000  # bytes of a body that are shown

_POLICY = (
    '<meta http-equiv="Content-Security-Policy"'
    " content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
)
_FRAME = 'style="width: 100%; height: 16em; border: 1px solid #8886" title="the body"'
_TEXT = 'style="max-height: 24em; overflow: auto"'


def response_html(response: Response) -> str:
    """Show a response as HTML: what `repr` says, the headers, and the body if it is a text.

    Args:
        response: stays as it is.
    """
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>"
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
        return f'<iframe sandbox srcdoc="{escape(_POLICY + text)}" {_FRAME}></iframe>'
    if kind.endswith("json"):
        with suppress(ValueError):  # then it is shown as it is
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    elif not kind.startswith("text/"):
        return ""
    return f"<pre {_TEXT}>{escape(text)}</pre>"
