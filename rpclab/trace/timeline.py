"""Who called whom, and when: lanes, bars, arrows.

Floor: trace. A pure function of a recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rpclab.trace.model import CallBar, Lane, Timeline
from rpclab.trace.replay import Replay, replayed

NOTEBOOK = "notebook"
"""The name of the program around the Workers."""


def timeline(recording: Iterable[Any] | Replay) -> Timeline:
    """Give the lanes, calls and messages of a recording.

    Args:
        recording: a recording, or some of its events in order; or what has played them.
    """
    replay = replayed(recording)
    return Timeline(
        lanes=tuple(Lane(name, tuple(replay.deployed.get(name, ()))) for name in lanes(replay)),
        calls=tuple(replay.calls),
        arrows=tuple(replay.messages),
        notes=tuple(replay.notes),
        begin=replay.began or 0.0,
        end=replay.time,
        moments=replay.moment,
    )


def lanes(replay: Replay) -> list[str]:
    """The Workers: the notebook first, the others in the order in which they appeared."""
    seen = dict.fromkeys([*replay.noted, *(end.here for end in replay.ends.values())])
    return sorted(seen, key=lambda name: name != NOTEBOOK)


def by_use(names: Sequence[str], used: Iterable[str]) -> list[str]:
    """The Workers as they are drawn: the notebook, those that are used, the others."""
    return list(dict.fromkeys([*(name for name in names[:1] if name == NOTEBOOK), *used, *names]))


def lanes_by_use(timeline: Timeline) -> list[str]:
    """The Workers of a timeline as they are drawn."""
    return by_use([lane.name for lane in timeline.lanes], users(timeline.calls))


def users(calls: Iterable[CallBar]) -> Iterator[str]:
    """The Workers that make and answer calls, in the order of these."""
    return (name for call in calls for name in (call.caller, call.worker))
