"""How fast this machine is, so that bounds on work are the same on a slow one and a busy one."""

from __future__ import annotations

import time

SECOND = 55
"""So many units of work take a second on the machine on which the bounds were set."""


def unit():
    """The seconds of the processor that a unit takes now: a million rounds of a loop, best of 3."""
    taken = []
    for _ in range(3):
        begin = time.process_time()
        for _ in range(1_000_000):
            pass
        taken.append(time.process_time() - begin)
    return min(taken)
