"""Which stubs lived when, what they led to, and who held them.

Floor: trace. A pure function of a recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rpclab.trace.model import Lifetimes
from rpclab.trace.replay import Replay, replayed


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
