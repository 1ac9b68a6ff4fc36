"""Which stubs lived when, what they led to, and who held them; and the tables at one moment.

Floor: trace. Pure functions of a recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from rpclab.trace.model import Lifetimes, Row, SessionTables, TablesAt
from rpclab.trace.replay import Replay, replayed
from rpclab.trace.states import UNKNOWN, EndState, Export, Held


def lifetimes(recording: Iterable[Any] | Replay) -> Lifetimes:
    """Give a bar for each stub, and for each target that stubs lead to.

    Args:
        recording: a recording, or some of its events in order; or what has played them.
    """
    replay = replayed(recording)
    return Lifetimes(
        stubs=tuple(replay.stubs),
        targets=tuple(replay.targets),
        moments=replay.moment,
        begin=replay.began or 0.0,
        end=replay.time,
    )


def tables_at(recording: Iterable[Any], moment: int | None = None) -> TablesAt:
    """Give the import and export tables of every session at a moment.

    Args:
        recording: a recording that has its first events still, or these events.
        moment: after how many events; all of them unless given.
    """
    replay = Replay(islice(recording, moment))
    return TablesAt(replay.moment, replay.time, tuple(map(_tables, replay.ends.values())))


def _tables(end: EndState) -> SessionTables:
    return SessionTables(
        here=end.here,
        there=end.there,
        imports=tuple(
            import_row(id_, held) for id_, held in sorted(end.imports.items(), reverse=True)
        ),
        exports=tuple(
            export_row(id_, export) for id_, export in sorted(end.exports.items(), reverse=True)
        ),
    )


def import_row(number: int, held: Held) -> Row:
    """An entry of an import table as a row."""
    return Row(number, _held(held), held.kind, held.handles)


def export_row(number: int, export: Export) -> Row:
    """An entry of an export table as a row."""
    return Row(number, _exported(export), _kind(export), 1)


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
