"""The four views as text: the figures and what is behind them, the same on every run.

Floor: trace. Pure functions of what the analyses give. Times are told where somebody asks for them:
those of a virtual clock are the same on every run, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rpclab.printable import printable
from rpclab.trace.graph import reach
from rpclab.trace.model import CallBar, Graph, Lifetimes, StreamSeries, StubBar, Timeline
from rpclab.trace.pictures import graph as graphs
from rpclab.trace.pictures import lifetimes as lives
from rpclab.trace.pictures import streams as flows
from rpclab.trace.pictures.figures import Figures
from rpclab.trace.pictures.labels import call_label, stub_label
from rpclab.trace.pictures.templates import count, duration, known_of, said

LONGEST = 100  # lines of one kind


def timeline_text(
    timeline: Timeline,
    *,
    figures: Figures | None = None,
    advice: Iterable[str] = (),
    times: bool = False,
    longest: int = LONGEST,
) -> str:
    """Say who called whom: a line for each call, inside the one that made it.

    Args:
        timeline: what to tell.
        figures: what stands in front; counted from the timeline unless given.
        advice: lines that stand below.
        times: say when each call was made and had its result.
        longest: how many calls are told; a line says how many are left out.
    """
    figures = figures or Figures.of(timeline)
    lines = [f"Timeline: {figures.line()}"]
    calls = timeline.calls[:longest]
    lines += [_call(call, timeline.begin, times=times) for call in calls]
    return _text(lines, len(timeline.calls) - len(calls), "more call", advice)


def _call(call: CallBar, begin: float, *, times: bool) -> str:
    line = (
        f"{'  ' * (call.depth + 1)}{call.caller} → {call.worker}: {call_label(call, in_words=True)}"
    )
    if not times:
        return line
    end = "…" if call.settled is None else duration(call.settled - begin)
    return f"{line}  [{duration(call.made - begin)} to {end}]"


def lifetimes_text(
    lifetimes: Lifetimes,
    *,
    advice: Iterable[str] = (),
    times: bool = False,
    longest: int = LONGEST,
) -> str:
    """Say which stubs there were: a line for each, below what it leads to.

    Args:
        lifetimes: what to tell.
        advice: lines that stand below.
        times: say when each was made and let go.
        longest: how many stubs are told; a line says how many are left out.
    """
    lines = [f"Lifetimes: {lives.figures_line(lifetimes)}"]
    told = lifetimes.stubs[:longest]
    for target in lifetimes.targets:
        stubs = [stub for stub in told if stub.target == target.number]
        most = max((references for _, _, references in target.references), default=0)
        if stubs or len(told) == len(lifetimes.stubs):
            state = ", broken" if target.broken is not None else ""
            references = f"at most {count(most, 'reference')}" if most else "references not known"
            lines.append(f"  {target.name} in {target.worker}: {references}{state}")
        lines += [_stub(stub, lifetimes.begin, times=times) for stub in stubs]
    return _text(lines, len(lifetimes.stubs) - len(told), "more stub", advice)


def _stub(stub: StubBar, begin: float, *, times: bool) -> str:
    known = known_of(stub, label=stub_label(stub))
    line = said("    {label}[, made at {site:place}]; {why:of ends}[ at {ended_site:place}]", known)
    if not times:
        return line
    ended = "…" if stub.ended is None else duration(stub.ended - begin)
    return f"{line}  [{duration(stub.made - begin)} to {ended}]"


def streams_text(
    streams: Sequence[StreamSeries],
    *,
    advice: Iterable[str] = (),
    times: bool = False,
    longest: int = LONGEST,
) -> str:
    """Say how streams flowed: a line for each.

    Args:
        streams: what to tell.
        advice: lines that stand below.
        times: say for how long writers were held back.
        longest: how many streams are told; a line says how many are left out.
    """
    lines = [f"Streams: {flows.figures_line(streams)}"]
    lines += [f"  {flows.stream_line(stream, times=times)}" for stream in streams[:longest]]
    return _text(lines, len(streams) - longest, "more stream", advice)


def graph_text(
    graph: Graph,
    *,
    advice: Iterable[str] = (),
    times: bool = False,
    longest: int = LONGEST,
) -> str:
    """Say who can call whom, and what each Worker can reach.

    Args:
        graph: what to tell.
        advice: lines that stand below.
        times: has no meaning here.
        longest: how many lines are told; one says how many are left out.
    """
    del times
    told = [*_lines(graph), *_reaches(graph)]
    lines = [f"Graph: {graphs.figures_line(graph)}", *told[:longest]]
    return _text(lines, len(told) - longest, "more line", advice)


def _lines(graph: Graph) -> Iterator[str]:
    for binding in graph.bindings:
        there = "" if binding.worker in graph.deployed else ", not deployed"
        entry = f"#{binding.entrypoint}" if binding.entrypoint != "Default" else ""
        yield f"  {binding.holder}: env.{binding.name} → {binding.worker}{entry}{there}"
    for held in graph.stubs:
        from_whom = f", given by {held.introducer}" if held.introducer != held.worker else ""
        name = f"{held.name} in {held.worker}"
        yield f"  {held.holder}: {count(held.count, 'stub')} of {name}{from_whom}"
    for intro in graph.introductions:
        what = f"{intro.name} in {intro.worker}"
        yield f"  {intro.introducer} gave {intro.receiver} a stub of {what}"


def _reaches(graph: Graph) -> Iterator[str]:
    for worker in graph.workers:
        ways = [f"{way.worker} ({', '.join(way.through)})" for way in reach(graph, worker)]
        if ways:
            yield f"  {worker} can reach {', '.join(ways)}"


def _text(lines: list[str], left_out: int, noun: str, advice: Iterable[str]) -> str:
    more = [f"  … and {count(left_out, noun)}"] if left_out > 0 else []
    return "\n".join(map(printable, [*lines, *more, *(f"Advice: {text}" for text in advice)]))
