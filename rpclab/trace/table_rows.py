"""What stands in a row of an import or export table, in the words of a reader.

Floor: trace.
"""

from __future__ import annotations

from typing import NamedTuple

from rpclab.trace.states import UNKNOWN, Export, Held


class TableRow(NamedTuple):
    """An entry of a table.

    Attributes:
        what: "call 3", or the name of the target, or "something".
        kind: "call", "stub", "binding" or "promise".
        references: for an import, how many handles of it live; for an export, how many
            introductions of it the peer has not given back.
    """

    what: str
    kind: str
    references: int


def import_row(held: Held) -> TableRow:
    """An entry of an import table."""
    return TableRow(_held(held), held.kind, held.handles)


def export_row(export: Export) -> TableRow:
    """An entry of an export table."""
    return TableRow(_exported(export), _kind(export), 1)


def _kind(export: Export) -> str:
    return {"target": "stub", "other": "promise"}.get(export.kind, export.kind)


def _held(held: Held) -> str:
    if held.call is not None:
        return f"call {held.call.number}"
    what = held.target.name if held.target is not None else _plain(held.kind)
    return f"{what}, broken" if held.broken else what


def _exported(export: Export) -> str:
    if export.call is not None:
        return f"call {export.call.number}"
    return export.target.name if export.target is not None else _plain(_kind(export))


def _plain(kind: str) -> str:
    return UNKNOWN if kind == "stub" else f"a {kind}"
