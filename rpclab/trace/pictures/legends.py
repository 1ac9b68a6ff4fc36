"""The legends of the pictures: of the signs that a kind of picture may have, those that it has.

Floor: trace.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rpclab.trace.model import Graph, Lifetimes, StreamSeries, Timeline
from rpclab.trace.pictures.frame import Entry
from rpclab.trace.pictures.look import LOOK, line_of
from rpclab.trace.pictures.words import WORDS

_ENDS: dict[str, str] = LOOK["ends"]


def _legend(kind: str, signs: Iterable[str]) -> list[Entry]:
    """The entries of a kind of picture whose signs are there."""
    there = set(signs)
    return [
        Entry(sample, name, text)
        for sample, name, text, where in WORDS["legends"][kind]
        if where != "live" and f"{sample} {name}" in there
    ]


def timeline_legend(timeline: Timeline) -> list[Entry]:
    """What the signs of a timeline mean, those that it has."""
    signs = ["bar w1", "thin w0", "line message"]
    signs += [f"line {line_of(arrow.kind)}" for arrow in timeline.arrows]
    if any(arrow.pipelined for arrow in timeline.arrows):
        signs += ["line pipelined", "text (1)"]
    signs += [f"mark {call.outcome}" for call in timeline.calls]
    signs += [f"mark {note.kind}" for note in timeline.notes]
    return _legend("timeline", signs)


def crowd_legend(timeline: Timeline) -> list[Entry]:
    """What the signs of a timeline of very many calls mean."""
    signs = ["bar w1", "line message"]
    if any(arrow.pipelined for arrow in timeline.arrows):
        signs.append("line pipelined")
    if any(call.outcome == "raised" for call in timeline.calls):
        signs += ["line error", "bar f-bad"]
    return _legend("crowd", signs)


def lifetimes_legend(lifetimes: Lifetimes) -> list[Entry]:
    """What the signs of lifetimes mean, those that they have."""
    signs = ["thin w1", "bar w1", *(f"mark {_end(stub.why)}" for stub in lifetimes.stubs)]
    if any(stub.of is not None for stub in lifetimes.stubs):
        signs.append("line stub")
    if any(target.broken is not None for target in lifetimes.targets):
        signs.append("mark broken")
    return _legend("lifetimes", signs)


def _end(why: str) -> str:
    return _ENDS.get(why, "")


def streams_legend(streams: Iterable[StreamSeries]) -> list[Entry]:
    """What the signs of streams mean."""
    streams = list(streams)
    signs = ["bar w1", "bar w2"]
    if any(point.window is not None for stream in streams for point in stream.points):
        signs.append("line window")
    if any(stream.held_back for stream in streams):
        signs.append("mark held back")
    return _legend("streams", signs)


def graph_legend(graph: Graph) -> list[Entry]:
    """What the signs of a graph mean."""
    return _legend("graph", _signs_of(graph))


def _signs_of(graph: Graph) -> Iterator[str]:
    if graph.bindings:
        yield "line binding"
    if graph.stubs:
        yield "line stub"
    if graph.introductions:
        yield "line introduction"
    if set(graph.workers) - graph.deployed - {"notebook"}:
        yield "bar absent"
