"""Streams over time: window, bytes in flight, bytes buffered, and when the writer was held back.

Floor: trace. A pure function of a recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rpclab.trace.model import StreamSeries
from rpclab.trace.replay import Replay, replayed


def streams(recording: Iterable[Any] | Replay) -> tuple[StreamSeries, ...]:
    """Give each stream of a recording as a series, in the order in which they were opened.

    Args:
        recording: a recording, or some of its events in order; or what has played them.
    """
    return tuple(replayed(recording).flows.streams.values())
