"""Calls whose promise nobody awaited: their results, and their errors, are not seen.

Floor: trace. A pure function of a recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rpclab.trace import events as ev
from rpclab.trace.messages import kind_of

_MOST = 3  # that are named


def unawaited(recording: Iterable[Any]) -> str:
    """Say which calls of the program around the Workers were neither awaited nor used.

    A promise is used where another call is made on it, or with it.

    Args:
        recording: a recording, or some of its events in order.

    Returns:
        A sentence; "" where there are none.
    """
    made: dict[tuple[str, int], ev.CallSent | ev.MapSent] = {}
    for event in recording:
        if isinstance(event, (ev.CallSent, ev.MapSent)):
            made.pop((event.session, event.target), None)
            for call in event.using:
                made.pop(call, None)
            if event.by is None:
                made[event.session, event.id] = event
        elif isinstance(event, ev.HeldCallSent):  # it was held back until these had settled
            for call in event.after:
                made.pop(call, None)
        elif isinstance(event, ev.Awaited):
            for number in event.ids:
                made.pop((event.session, number), None)
    if not made:
        return ""
    named = [_named(event) for event in list(made.values())[:_MOST]]
    more = f", and {len(made) - _MOST} more" if len(made) > _MOST else ""
    count = "1 call was" if len(made) == 1 else f"{len(made)} calls were"
    return f"{count} not awaited, so no result and no error of it is seen: {', '.join(named)}{more}"


def _named(event: ev.CallSent | ev.MapSent) -> str:
    worker = event.session.partition("→")[2]
    path = event.path if type(event.path) is str else ".".join(event.path)
    ending = {"call": "()", "read": "", "map": ".map()"}[kind_of(event)]
    site = f" ({event.site})" if event.site else ""
    return f"{worker}.{path}{ending}{site}"
