"""How the result of a database looks: its rows as a table, in text and HTML.

Floor: notebook. The same rows give the same table on every run; how long the statement took is not
part of it.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from rpclab.notebook.cards import CELL, CODE, FRAME, MUTED

if TYPE_CHECKING:
    from rpclab.workers.d1.database import D1Result

_ROWS = 20  # that are shown
_LONGEST = 60  # characters of a value


def result_text(result: D1Result) -> str:
    """Show a result as plain text."""
    head = [repr(result)]
    if not result.results:
        return head[0]
    table = [list(result.results[0]), *_cells(result)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]
    return "\n".join([*head, *lines, *_more(result)])


def result_html(result: D1Result) -> str:
    """Show a result as HTML, without a script."""
    title = f"<b>{html.escape(repr(result).strip('<>'))}</b>"
    if not result.results:
        return f'<div style="{FRAME}">{title}</div>'
    head = "".join(
        f'<th scope="col" style="{CELL} font-weight: normal; {MUTED}">{html.escape(name)}</th>'
        for name in result.results[0]
    )
    rows = "".join(
        '<tr style="background: none">'
        + "".join(f'<td style="{CELL} {CODE}">{html.escape(cell)}</td>' for cell in row)
        + "</tr>"
        for row in _cells(result)
    )
    more = "".join(f'<div style="{MUTED}">{line}</div>' for line in _more(result))
    return (
        f'<div style="{FRAME}">{title}<table style="border: none; margin: 4px 0 0 0">'
        f'<tr style="background: none">{head}</tr>{rows}</table>{more}</div>'
    )


def _cells(result: D1Result) -> list[list[str]]:
    return [[_cell(value) for value in row.values()] for row in result.results[:_ROWS]]


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    text = f"x'{value.hex()}'" if isinstance(value, bytes) else " ".join(str(value).splitlines())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _more(result: D1Result) -> list[str]:
    left = len(result.results) - _ROWS
    return [f"… {left} more row{'s' * (left != 1)}"] if left > 0 else []
