"""What the measuring children share: the timing loop, and the one line of JSON each answers with.

A child is started as `python -m benchmarks.CHILD WORKLOAD SECONDS` and prints its figures by side.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias

Figures: TypeAlias = dict[str, float]
Step: TypeAlias = Callable[[], Awaitable[object]]
Measurement: TypeAlias = Callable[[float], Coroutine[Any, Any, Figures]]

LEAST = 3
GROUP = 1000  # calls of one step
CHUNK = 64 * 1024  # bytes
CHUNKS_AFAR = 2048  # of an upload over a far connection


async def rates(steps: Mapping[str, Step], *, operations: int, seconds: float) -> Figures:
    """Measure operations a second for each side: the median of its slices, after a warm-up.

    Args:
        steps: What one slice of each side does; the sides take turns, so drift hits them alike.
        operations: How many operations one step makes.
        seconds: How long each side is measured; the warm-up takes half as long again.
    """
    await _slices(steps, seconds / 2)
    gc.collect()
    lengths = await _slices(steps, seconds)
    return {side: operations / median(lengths[side]) for side in steps}


async def _slices(steps: Mapping[str, Step], seconds: float) -> dict[str, list[float]]:
    lengths: dict[str, list[float]] = {side: [] for side in steps}
    taken, end = 0, perf_counter() + seconds * len(steps)
    while taken < LEAST or perf_counter() < end:
        for side, step in steps.items():
            start = perf_counter()
            await step()
            lengths[side].append(perf_counter() - start)
        taken += 1
    return lengths


def answer(measurements: Mapping[str, Measurement]) -> None:
    """Run the measurement that the command line names and print its figures."""
    workload, seconds = sys.argv[1], float(sys.argv[2])
    print(json.dumps(asyncio.run(measurements[workload](seconds))))
