"""Where a Worker may be said to run: "kernel", "process", "process:4", or `rpclab.processes(…)`.

Floor: sandbox.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rpclab.errors import near
from rpclab.placement.engine import NO_BOUNDS, Bounds

KERNEL, PROCESS = "kernel", "process"


@dataclass(frozen=True)
class Processes:
    """Processes of its own for one Worker; made by `processes`.

    Attributes:
        count: how many.
        bounds: what each may use.
        calls: how many calls may be under way to each.
        silence_seconds: how long nothing may be heard of one that does not compute.
        start_seconds: how long one may take until its code has run.
        preload: modules that each has loaded from the start.
        grace_seconds: how long code goes on that nobody waits for, and lets nothing else run.
    """

    count: int = 1
    bounds: Bounds = NO_BOUNDS
    calls: int = 10_000
    silence_seconds: float = 30.0
    start_seconds: float = 60.0
    preload: tuple[str, ...] = ()
    grace_seconds: float = 5.0

    @property
    def declared(self) -> str:
        """As a configuration says it, which has no word for anything but how many."""
        return PROCESS if self.count == 1 else f"{PROCESS}:{self.count}"

    def __str__(self) -> str:
        return PROCESS if self.count == 1 else f"{self.count} processes"


def processes(
    count: int = 1,
    *,
    memory_bytes: int | None = None,
    cpu_seconds: int | None = None,
    calls: int = 10_000,
    silence_seconds: float = 30.0,
    start_seconds: float = 60.0,
    grace_seconds: float = 5.0,
    preload: Iterable[str] = (),
) -> Processes:
    """Say that a Worker runs in processes of its own, for `deploy(…, placement=…)`.

    Calls on a binding go to the process that has the fewest under way; each makes a new entrypoint
    instance, which may run anywhere. What a call returns stays with its process. All are started at
    once, so that no call waits for one; one that ends is started anew at the next call.

    Args:
        count: how many.
        memory_bytes: how much address space each may use; then allocating raises MemoryError there.
        cpu_seconds: how much computing time each may use in all; then the system ends it.
        calls: how many calls may be under way to each from here; one more raises OverloadedError.
        silence_seconds: a process that says nothing for so long, and does not compute either, is
            taken for lost, and killed.
        start_seconds: how long a process may take until the code of the Worker has run.
        grace_seconds: code that goes on so long after its deadline, or after its call was given up,
            and lets nothing else run, ends with its process.
        preload: modules that each has loaded from the start, such as "numpy": they are loaded once.

    Raises:
        TypeError, ValueError: a number is none, or too small.
    """
    numbers = {
        "count": count,
        "memory_bytes": memory_bytes,
        "cpu_seconds": cpu_seconds,
        "calls": calls,
        "silence_seconds": silence_seconds,
        "start_seconds": start_seconds,
        "grace_seconds": grace_seconds,
    }
    for name, value in numbers.items():
        whole = name in ("count", "memory_bytes", "cpu_seconds", "calls")
        kinds = (int,) if whole else (int, float)
        if value is None and name in ("memory_bytes", "cpu_seconds"):
            continue
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise TypeError(f"{name} is a number, not {value!r}")
        if not value > 0:
            raise ValueError(f"{name} is above 0, not {value!r}")
    if isinstance(preload, str):
        raise TypeError(f"preload is a list of names of modules: [{preload!r}]")
    return Processes(
        count,
        Bounds(memory_bytes, cpu_seconds),
        calls,
        silence_seconds,
        start_seconds,
        tuple(preload),
        grace_seconds,
    )


def placement_of(value: Any) -> Processes | None:
    """Read what a user says of a placement; None is the kernel.

    Raises:
        TypeError: it is no placement.
        ValueError: there is none of that name.
    """
    if value is None or value == KERNEL:
        return None
    if isinstance(value, Processes):
        return value
    if not isinstance(value, str):
        raise TypeError(
            f'a placement is "{KERNEL}", "{PROCESS}" or rpclab.processes(…), not {value!r}'
        )
    kind, colon, number = value.partition(":")
    if kind == PROCESS and (not colon or re.fullmatch(r"[1-9]\d{0,3}", number)):
        return Processes(int(number or 1))
    error = ValueError(f"no placement is called {value!r}")
    error.add_note(near(value, (KERNEL, PROCESS, f"{PROCESS}:4")))
    raise error
