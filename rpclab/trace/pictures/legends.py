"""The legends of the pictures: of each, what stands in it.

Floor: trace.
"""

from __future__ import annotations

from collections.abc import Iterable

from rpclab.trace.model import Graph, Lifetimes, StreamSeries, Timeline
from rpclab.trace.pictures.figures import CALLS
from rpclab.trace.pictures.frame import Entry
from rpclab.trace.pictures.wording import END_MARKS, ENDS

_OUTCOMES = {
    "raised": "it raised",
    "running": "no result yet",
    "cancelled": "given up by its caller",
    "lost": "lost with its session",
}


def timeline_legend(timeline: Timeline) -> list[Entry]:
    """What the signs of a timeline mean, those that it has."""
    kinds = {arrow.kind for arrow in timeline.arrows}
    entries = [
        Entry("bar", "w1", "a call at work, in the lane of the Worker that runs it"),
        Entry("thin", "w0", "calls under way"),
        Entry("line", "message", "a call, its result, its error"),
    ]
    if any(arrow.pipelined for arrow in timeline.arrows):
        text = "pipelined: made on a promise, it did not wait for that result"
        entries.append(Entry("line", "pipelined", text))
        entries.append(Entry("text", "(1)", "the promise of call 1"))
    if "release" in kinds:
        entries.append(Entry("line", "release", "what is given back: stubs, results"))
    if "cancel" in kinds:
        entries.append(Entry("line", "cancel", "a call is given up"))
    if kinds - CALLS - {"result", "error", "release", "cancel", "broken"}:
        entries.append(Entry("line", "stream", "a stream's chunks"))
    outcomes = {call.outcome for call in timeline.calls}
    entries += [Entry("mark", name, text) for name, text in _OUTCOMES.items() if name in outcomes]
    notes = {note.kind for note in timeline.notes}
    if "deployed" in notes:
        entries.append(Entry("mark", "deployed", "deployed"))
    if "link" in notes:
        entries.append(Entry("mark", "link", "a link changed"))
    return entries


def crowd_legend(timeline: Timeline) -> list[Entry]:
    """What the signs of a timeline of very many calls mean."""
    entries = [
        Entry("bar", "w1", "the higher, the more calls began there"),
        Entry("line", "message", "messages, the thicker the more"),
    ]
    if any(arrow.pipelined for arrow in timeline.arrows):
        entries.append(Entry("line", "pipelined", "pipelined calls"))
    if any(call.outcome == "raised" for call in timeline.calls):
        entries.append(Entry("line", "error", "errors"))
        entries.append(Entry("bar", "f-bad", "the part of the calls that raised"))
    return entries


def lifetimes_legend(lifetimes: Lifetimes) -> list[Entry]:
    """What the signs of lifetimes mean, those that they have."""
    entries = [
        Entry("thin", "w1", "a target, from its first stub to its last; thicker: more references"),
        Entry("bar", "w1", "a stub, from its making to its end, in the colour of its holder"),
    ]
    if any(stub.of is not None for stub in lifetimes.stubs):
        entries.append(Entry("line", "stub", "a dup is made of it"))
    ended = {stub.why for stub in lifetimes.stubs if stub.ended is not None}
    entries += [Entry("mark", END_MARKS[why], text) for why, text in ENDS.items() if why in ended]
    if any(stub.ended is None for stub in lifetimes.stubs):
        entries.append(Entry("mark", "leak", "still held at the end"))
    if any(target.broken is not None for target in lifetimes.targets):
        entries.append(Entry("mark", "broken", "it broke: its context ended"))
    return entries


def streams_legend(streams: Iterable[StreamSeries]) -> list[Entry]:
    """What the signs of streams mean."""
    streams = list(streams)
    entries = [
        Entry("bar", "w1", "bytes sent and not acknowledged"),
        Entry("bar", "w2", "of these, arrived and not read"),
    ]
    if any(point.window is not None for stream in streams for point in stream.points):
        text = "the window: with so much under way, the writer waits"
        entries.append(Entry("line", "window", text))
    if any(stream.held_back for stream in streams):
        entries.append(Entry("mark", "held back", "the writer is held back: the reader is slower"))
    return entries


def graph_legend(graph: Graph) -> list[Entry]:
    """What the signs of a graph mean."""
    entries = []
    if graph.bindings:
        entries.append(Entry("line", "binding", "a binding of an env: always there"))
    if graph.stubs:
        entries.append(Entry("line", "stub", "stubs that are held, and how many"))
    if graph.introductions:
        entries.append(Entry("line", "introduction", "who gave somebody a stub of a third one's"))
    if set(graph.workers) - graph.deployed - {"notebook"}:
        entries.append(Entry("bar", "absent", "not deployed"))
    return entries
