"""Who can call whom: Workers, their bindings, the stubs they hold, and what one can reach.

Floor: trace. Pure functions of a recording.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

from rpclab.trace.model import Binding, Graph, Introduction, LiveStubs, Way
from rpclab.trace.replay import Replay, replayed
from rpclab.trace.states import StubState
from rpclab.trace.timeline import lanes


def graph(recording: Iterable[Any] | Replay) -> Graph:
    """Give the Workers, bindings, live stubs and introductions at the end of a recording.

    Args:
        recording: a recording, or its events up to some moment; or what has played them.
    """
    replay = replayed(recording)
    named = [bound for bound in replay.bindings.values() if bound.name]
    return Graph(
        workers=tuple(lanes(replay)),
        deployed=frozenset(replay.deployed),
        bindings=tuple(Binding(b.holder, b.name, b.worker, b.entrypoint) for b in named),
        stubs=tuple(_live(replay.stubs)),
        introductions=tuple(
            Introduction(
                stub.introducer,
                stub.holder,
                stub.leads_to.worker,
                stub.target,
                stub.leads_to.name,
                stub.made,
                stub.made_at,
            )
            for stub in replay.stubs
            if introduces(stub)
        ),
    )


def introduces(stub: StubState) -> bool:
    """Whether a Worker was given a stub of what lives in a third one."""
    worker = stub.leads_to.worker
    return stub.how in ("parameter", "result") and worker not in (stub.introducer, stub.holder)


def introduction_name(name: str, worker: str) -> str:
    """What was given to somebody, such as "Cart of shop"."""
    return f"{name} of {worker}"


def binding_name(name: str, entrypoint: str) -> str:
    """What a binding is called, such as "env.COUNTER" or "env.ADMIN#Admin"."""
    return f"env.{name}#{entrypoint}" if entrypoint not in ("", "Default") else f"env.{name}"


def binding_step(name: str) -> str:
    """A binding on the way to a Worker."""
    return f"env.{name}"


def stub_step(name: str) -> str:
    """A stub of something of that name on the way to a Worker."""
    return f"a stub of {name}"


def _live(stubs: list[StubState]) -> Iterable[LiveStubs]:
    alive = [stub for stub in stubs if stub.ended is None and stub.leads_to.gone is None]
    count = Counter((stub.holder, stub.target) for stub in alive)
    first = {(stub.holder, stub.target): stub for stub in reversed(stubs)}
    for key in dict.fromkeys((stub.holder, stub.target) for stub in alive):
        stub = first[key]
        yield LiveStubs(
            stub.holder,
            stub.leads_to.worker,
            stub.target,
            stub.leads_to.name,
            count[key],
            stub.introducer,
        )


def reach(of: Graph, worker: str) -> tuple[Way, ...]:
    """Say which Workers a Worker can reach, itself apart, the nearest first.

    Through bindings it can reach what its bindings can, for the Worker there acts for it; a stub
    leads to its target, and to what the Worker of that target can reach.

    Args:
        of: the graph.
        worker: who.

    Raises:
        ValueError: the graph has no such Worker.
    """
    if worker not in of.workers:
        raise ValueError(f"there is no {worker!r}; there are: {', '.join(of.workers)}")
    found: dict[str, tuple[str, ...]] = {worker: ()}
    queue = deque([worker])
    while queue:
        here = queue.popleft()
        for there, step in _steps(of, here):
            if there not in found:
                found[there] = (*found[here], step)
                queue.append(there)
    return tuple(Way(name, way) for name, way in found.items() if name != worker)


def _steps(of: Graph, worker: str) -> Iterable[tuple[str, str]]:
    for binding in of.bindings:
        if binding.holder == worker:
            yield binding.worker, binding_step(binding.name)
    for stub in of.stubs:
        if stub.holder == worker:
            yield stub.worker, stub_step(stub.name)
