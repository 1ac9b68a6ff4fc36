"""A recording as a file for Perfetto and chrome://tracing.

Floor: trace. In the Trace Event Format: a process for each Worker, a slice for each call at its
caller and at its callee, an arrow (a flow) for the call and for its result, and counters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any

from rpclab.trace.lifetimes import lifetimes
from rpclab.trace.model import CallBar, Lifetimes, Timeline
from rpclab.trace.replay import replayed
from rpclab.trace.timeline import timeline

_MICRO = 1_000_000
_LINKS = 0  # the process that the counters stand in


def to_perfetto(recording: Iterable[Any], path: str | PathLike[str]) -> None:
    """Write a recording to a file that ui.perfetto.dev opens.

    Args:
        recording: a recording, or some of its events in order.
        path: the file, usually "….json".

    Raises:
        OSError: the file cannot be written.
    """
    trace = {"traceEvents": trace_events(recording), "displayTimeUnit": "ms"}
    Path(path).write_text(json.dumps(trace), encoding="utf-8")


def trace_events(recording: Iterable[Any]) -> list[dict[str, Any]]:
    """Give the events of the file, as dicts."""
    replay = replayed(recording)
    line = timeline(replay)
    return [*_Writer(line).written(), *_counters(line, lifetimes(replay))]


class _Rows:
    """Puts slices that overlap into different rows: a row of the format holds what nests."""

    def __init__(self) -> None:
        self._free: list[float] = []

    def row(self, begin: float, end: float) -> int:
        for number, free in enumerate(self._free):
            if free <= begin:
                self._free[number] = end
                return number + 1
        self._free.append(end)
        return len(self._free)


class _Writer:
    """Writes the calls of a timeline."""

    def __init__(self, line: Timeline) -> None:
        self._line = line
        self._process = {lane.name: number for number, lane in enumerate(line.lanes, 1)}
        self._rows = {lane.name: _Rows() for lane in line.lanes}
        self._events: list[dict[str, Any]] = []

    def written(self) -> list[dict[str, Any]]:
        for name, number in (("links and stubs", _LINKS), *self._process.items()):
            named = {"ph": "M", "name": "process_name", "pid": number, "args": {"name": name}}
            self._events.append({**named, "tid": 0, "ts": 0})
        for call in self._line.calls:
            self._write(call)
        return self._events

    def _write(self, call: CallBar) -> None:
        settled = self._line.end if call.settled is None else call.settled
        made = self._slice(f"→ {call.label}", call.caller, call.made, settled, call, "made")
        if call.begun is None:
            return
        ended = self._line.end if call.ended is None else call.ended
        ran = self._slice(call.label, call.worker, call.begun, ended, call, "ran")
        self._flow(2 * call.number, "call", made, call.made, ran, call.begun)
        if call.settled is not None and call.ended is not None:
            self._flow(2 * call.number + 1, "result", ran, call.ended, made, call.settled)

    def _slice(
        self, name: str, worker: str, begin: float, end: float, call: CallBar, what: str
    ) -> dict[str, int]:
        place = {"pid": self._process[worker], "tid": self._rows[worker].row(begin, end)}
        args = {"call": call.number, "outcome": call.outcome, "result": call.result}
        if call.site is not None:
            args["made at"] = call.site
        if call.pipelined_on is not None:
            args["pipelined on"] = call.pipelined_on
        times = {"ts": self._micro(begin), "dur": max(end - begin, 0.0) * _MICRO}
        self._events.append({"ph": "X", "name": name, "cat": what, "args": args, **place, **times})
        return place

    def _flow(
        self,
        number: int,
        name: str,
        start: dict[str, int],
        sent: float,
        finish: dict[str, int],
        arrived: float,
    ) -> None:
        common = {"name": name, "cat": "message", "id": number}
        self._events.append({"ph": "s", "ts": self._micro(sent), **common, **start})
        arrival = {"ph": "f", "bp": "e", "ts": self._micro(arrived)}
        self._events.append({**arrival, **common, **finish})

    def _micro(self, time: float) -> float:
        return (time - self._line.begin) * _MICRO


def _counters(line: Timeline, lives: Lifetimes) -> list[dict[str, Any]]:
    """What is under way, and how many stubs live, whenever that changes."""
    in_flight = [
        change
        for arrow in line.arrows
        if arrow.arrived is not None
        for change in ((arrow.sent, arrow.size), (arrow.arrived, -arrow.size))
    ]
    stubs = [(stub.made, 1) for stub in lives.stubs]
    stubs += [(stub.ended, -1) for stub in lives.stubs if stub.ended is not None]
    return [
        *_counter("bytes in flight", in_flight, line.begin),
        *_counter("live stubs", stubs, line.begin),
    ]


def _counter(name: str, changes: list[tuple[float, int]], begin: float) -> list[dict[str, Any]]:
    totals: dict[float, int] = {}
    total = 0
    for time, change in sorted(changes):
        total += change
        totals[time] = total
    return [
        {
            "ph": "C",
            "name": name,
            "pid": _LINKS,
            "tid": 0,
            "ts": (time - begin) * _MICRO,
            "args": {"value": value},
        }
        for time, value in totals.items()
    ]
