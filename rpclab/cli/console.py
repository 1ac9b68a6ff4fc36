"""What a person looks at: tables and values, in colour on a terminal and plain in a pipe.

Floor: cli. Colours and tables are rich's, where it is installed (`rpclab[cli]`).
"""

from __future__ import annotations

import json
import math
import pprint
from collections.abc import Sequence
from typing import Any

import click

from rpclab.cli.base import Failure, is_looked_at
from rpclab.previews import type_name
from rpclab.printable import printable

try:
    import rich.console
    import rich.syntax
    import rich.table
except ModuleNotFoundError:  # the extra is not installed
    _rich: Any = None
else:
    _rich = rich


def show_rows(rows: Sequence[Sequence[str]]) -> None:
    """Show a table without a head; its first column is what is looked for."""
    if _rich is not None and is_looked_at():
        table = _rich.table.Table.grid(padding=(0, 2))
        for row in rows:
            first, *rest = map(_rich_text, row)
            first.stylize("bold")
            table.add_row(first, *rest)
        _rich.console.Console(highlight=False).print(table)
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _rich_text(text: str) -> Any:
    import rich.text  # noqa: PLC0415 - where rich is installed, as its caller has asked

    return rich.text.Text(text)


def show_value(value: Any, *, as_json: bool = False) -> None:
    """Show a result on standard output.

    A text is shown as it is, bytes too; what JSON can say as JSON, and anything else as Python
    writes it. On a terminal nothing in it moves the cursor.

    Args:
        value: the result.
        as_json: JSON whatever it is, in one line.

    Raises:
        Failure: it has to be JSON, and holds what JSON cannot say.
    """
    foreign = _not_json(value)
    if as_json:
        if foreign:
            raise Failure(f"the result is no JSON, for it holds a {foreign}: leave out --json")
        click.echo(json.dumps(value, ensure_ascii=False))
    elif isinstance(value, bytes):
        write_bytes(value)
    elif isinstance(value, str):
        # Where nobody looks, not even click may take anything out of it.
        click.echo(printable(value, keep="\n\t") if is_looked_at() else value, color=True)
    elif foreign:
        _show_text(pprint.pformat(value, width=100, sort_dicts=False), "python")
    else:
        indent = 2 if is_looked_at() else None
        _show_text(json.dumps(value, ensure_ascii=False, indent=indent), "json")


def write_bytes(data: bytes) -> None:
    """Write bytes to standard output as they are; on a terminal as text that moves no cursor."""
    text = printable(data.decode("utf-8", "backslashreplace"), keep="\n\t")
    click.echo(text if is_looked_at() else data, nl=False)


def _show_text(text: str, language: str) -> None:
    if not is_looked_at():
        click.echo(text, color=True)
        return
    text = printable(text, keep="\n")
    if _rich is None:
        click.echo(text)
        return
    colours = _rich.syntax.Syntax(text, language, theme="ansi_dark", background_color="default")
    _rich.console.Console().print(colours, soft_wrap=True)


def _not_json(value: Any) -> str:
    """Name the class of the first part of a value that JSON cannot say; "" if there is none."""
    left = [value]
    while left:
        part = left.pop()
        kind = type(part)
        if kind is dict:
            left += part.values()
            if not all(type(key) is str for key in part):
                return "dict whose keys are no texts"
        elif kind is list:
            left += part
        elif kind not in (str, int, float, bool, type(None)):
            return type_name(part)
        elif kind is float and not math.isfinite(part):
            return f"number that is {part}"
    return ""
