"""Calls whose promise nobody awaited: their results, and their errors, are not seen.

Floor: trace. A pure function of a recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rpclab.core.events import NOBODY
from rpclab.trace.messages import member_of
from rpclab.trace.replay import Replay, replayed
from rpclab.trace.states import CallState

_MOST = 3  # that are named


def unawaited(recording: Iterable[Any] | Replay) -> str:
    """Say which calls of the program around the Workers were neither awaited nor used.

    A promise is used where another call is made on it, or with it.

    Args:
        recording: a recording, or some of its events in order; or what has played them.

    Returns:
        A sentence; "" where there are none.
    """
    made = [
        call
        for call in replayed(recording).calls
        if call.by is None
        and call.awaited_at is None
        and not call.used
        # Of another program, or of no task, it is not known what is awaited.
        and call.sent.task != NOBODY
    ]
    if not made:
        return ""
    named = [_named(call) for call in made[:_MOST]]
    more = f", and {len(made) - _MOST} more" if len(made) > _MOST else ""
    count = "1 call was" if len(made) == 1 else f"{len(made)} calls were"
    return f"{count} not awaited, so no result and no error of it is seen: {', '.join(named)}{more}"


def _named(call: CallState) -> str:
    site = f" ({call.site})" if call.site else ""
    return f"{call.worker}.{member_of(call)}{site}"
