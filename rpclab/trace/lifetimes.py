"""Which stubs lived when, what they led to, and who held them; and the tables at one moment.

Floor: trace. Pure functions of a recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from rpclab.trace.model import (
    Lifetimes,
    Row,
    SessionTables,
    StubBar,
    TablesAt,
    TargetBar,
)
from rpclab.trace.replay import Replay
from rpclab.trace.states import UNKNOWN, EndState, Export, Held, StubState, TargetState


def lifetimes(recording: Iterable[Any]) -> Lifetimes:
    """Give a bar for each stub, and for each target that stubs lead to.

    Args:
        recording: a recording, or some of its events in order.
    """
    events = list(recording)
    replay = Replay(events)
    numbers = {stub.number: number for number, stub in enumerate(replay.stubs, 1)}
    contexts: dict[int, int] = {}
    for stub in replay.stubs:
        if stub.context is not None:
            contexts.setdefault(stub.context, len(contexts) + 1)
    return Lifetimes(
        stubs=tuple(stub_bar(stub, numbers, contexts) for stub in replay.stubs),
        targets=tuple(map(target_bar, replay.targets)),
        moments=len(events),
        begin=events[0].at if events else 0.0,
        end=replay.time,
    )


def stub_bar(stub: StubState, numbers: dict[int, int], contexts: dict[int, int]) -> StubBar:
    """A handle, as far as it has come, as a bar.

    Args:
        stub: the handle.
        numbers: of the handles, by their numbers in the recording.
        contexts: likewise of the execution contexts.
    """
    return StubBar(
        number=numbers[stub.number],
        holder=stub.holder,
        context=None if stub.context is None else contexts[stub.context],
        target=stub.target.number,
        how=stub.how,
        of=None if stub.of is None else numbers.get(stub.of),
        call=None if stub.call is None else stub.call.number,
        site=stub.site,
        made=stub.made,
        ended=stub.ended,
        why=stub.why,
        ended_site=stub.ended_site,
        passed=tuple(stub.passed),
        made_at=stub.made_at,
        ended_at=stub.ended_at,
    )


def target_bar(target: TargetState) -> TargetBar:
    """A target, as far as it has come, as a bar."""
    return TargetBar(
        number=target.number,
        name=target.name,
        worker=target.worker,
        introduced=target.introduced,
        gone=target.gone,
        broken=target.broken,
        references=tuple(target.references),
        holders=tuple(target.holders),
        introduced_at=target.introduced_at,
        gone_at=target.gone_at,
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
