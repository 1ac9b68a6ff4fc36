"""What one piece of work costs the program that places Workers, and the store of their objects.

Measured with what really does it, and with nothing at the other end: a host that is there only as
records, a store on this machine. `python -m benchmarks.scale --measure` writes the figures, with
where they come from, to `scale-costs.json`, on which `benchmarks.scale` simulates.
"""

from __future__ import annotations

import asyncio
import os
import platform
import secrets
import socket
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import rpclab
from rpclab.placement.deploying import make_order, publish
from rpclab.placement.engine import Bounds, End, Ended, Heard, Node, Record
from rpclab.placement.records import Incoming, packed

ROUNDS = 7
TRANSACTIONS = 200
WORKERS = 200
OBJECTS = 100
SOURCE = "from workers import WorkerEntrypoint\nclass Default(WorkerEntrypoint): pass"
MET = {
    "kind": "met",
    "exports": {"Default": {"doc": "", "members": {"add": ["method", "(a, b)", ""]}}},
    "objects": {},
    "others": [],
    "pid": os.getpid(),
}


class Paper:
    """An engine whose hosts are on paper: what is sent to one is packed, and goes nowhere."""

    def nodes(self) -> list[Node]:
        return []

    def place(
        self, number: int, heard: Heard, bounds: Bounds, node: str | None = None
    ) -> PaperLine:
        del number, heard, bounds, node
        return PaperLine()

    def join(self, one: int | None, other: int | None) -> tuple[End, End]:
        del one, other
        # As between nodes: where to dial, and a secret that is good for once.
        words = {"address": "tls:10.0.0.1:40000", "secret": secrets.token_urlsafe(24)}
        return End(words), End(words)

    def watch(self, tell: Callable[[Ended], None]) -> None:
        pass

    def stop(self, number: int) -> None:
        pass

    def close(self) -> None:
        pass


class PaperLine:
    """The line to such a host."""

    def send(self, record: Record, handed: socket.socket | None = None) -> None:
        del handed
        packed(record)

    def wait(self, seconds: float) -> None:
        pass

    def attach(self) -> None:
        pass

    def catch_up(self) -> None:
        pass

    def close(self) -> None:
        pass


def _best(
    work: Callable[[], int],
    rounds: int = ROUNDS,
    clock: Callable[[], float] = process_time,
) -> float:
    """The least that one piece took, in µs, of several rounds; `work` says how many it did."""
    found = []
    for _ in range(rounds):
        start = clock()
        count = work()
        found.append((clock() - start) / count * 1e6)
    return min(found)


def _place(sandbox: rpclab.Sandbox, name: str, bind: dict[str, str] | None = None) -> Any:
    placed = rpclab.processes()
    order, env = make_order(sandbox, name, source=SOURCE, filename=name, bind=bind)
    host = sandbox.programs.start(name, order, placed)
    host.record(MET)
    publish(sandbox, name, env, order, placed, [host])
    return host


async def of_the_program() -> dict[str, tuple[float, str, str]]:
    """What the program does for its hosts: value, unit, and what was measured."""
    async with rpclab.Sandbox() as sandbox:
        programs = sandbox.programs
        paper: Any = Paper()
        programs._engine_for = lambda _: paper  # type: ignore[method-assign]
        numbers = iter(range(10**9))

        def place() -> int:
            for _ in range(WORKERS):
                _place(sandbox, f"worker-{next(numbers)}")
            return WORKERS

        started = _best(place)
        tracemalloc.start()
        place()
        memory = tracemalloc.get_traced_memory()[0] / WORKERS
        tracemalloc.stop()
        asker = _place(sandbox, "asker", {"OTHER": "worker-1"})

        def introduce() -> int:
            for _ in range(WORKERS):
                programs.asked_for(asker, "worker-1")
            for number in [*programs._joined]:
                del programs._joined[number]
            return WORKERS

        introduced = _best(introduce)

        def tell() -> int:
            programs._settle_bindings("worker-2", sandbox.worker("worker-2"))
            return len(programs.hosts)

        told = _best(tell)
        near, far = socket.socketpair()
        incoming = Incoming(near)

        def alive() -> int:
            for _ in range(WORKERS):
                asker.line.send({"kind": "ask"})
                far.sendall(packed({"kind": "alive"}))
                for record, _handed in incoming.read():
                    asker.record(record)
            return WORKERS

        lives = _best(alive)
        near.close()
        far.close()
        sandbox._placed = None
        programs.hosts.clear()
    by = "least CPU time of 7 rounds of 200, `Programs.{}`, with hosts on paper"
    return {
        "start": (started, "µs", by.format("start` and `publish")),
        "introduction": (introduced, "µs", by.format("asked_for")),
        "told": (told, "µs", "likewise, `Programs._settle_bindings`, for each host that is told"),
        "alive": (lives, "µs", "likewise, an `ask` that is packed and an `alive` over a socket"),
        "memory": (memory, "bytes", "`tracemalloc`, for each Worker that is placed so"),
    }


def of_a_store(called: str, address: str) -> dict[str, tuple[float, str, str]]:
    """What the store of objects takes for leases and writes."""
    from rpclab.workers.storage.object_store import Change  # noqa: PLC0415 - as it is measured
    from rpclab.workers.storage.rows import UNCHANGED  # noqa: PLC0415

    store = rpclab.SharedObjects(address).open()
    keys = [number.to_bytes(32, "big") for number in range(OBJECTS)]
    epochs = {key: store.acquire("w", key, None, "node", 1000.0).epoch for key in keys}
    one = {keys[0]: epochs[keys[0]]}

    def renew(which: dict[bytes, int]) -> Callable[[], int]:
        def run() -> int:
            assert not store.renew("w", which, 1000.0)
            return 1

        return run

    def write() -> int:
        change = Change(keys[0], one[keys[0]], False, {b"k": b"v" * 100}, UNCHANGED)  # noqa: FBT003
        assert not store.write("w", [change])
        return 1

    # By the clock, for a server works, too. The least of many, so that no other program counts.
    alone, together, written = (
        _best(work, TRANSACTIONS, perf_counter) for work in (renew(one), renew(epochs), write)
    )
    close = getattr(store, "close", None)
    if close is not None:
        close()
    each = (together - alone) / (OBJECTS - 1)
    by = f"least time of {TRANSACTIONS} transactions over one connection to {called}"
    return {
        f"{called} renewal": (
            max(alone - each, 0.0),
            "µs",
            f"{by}: `renew` of 1 and of {OBJECTS} leases",
        ),
        f"{called} lease": (each, "µs", "likewise, for each lease in the transaction"),
        f"{called} write": (written, "µs", f"{by}: `write` of 100 bytes, which names its epoch"),
    }


def measure(postgres: str | None) -> dict[str, Any]:
    """Measure all of it."""
    costs = asyncio.run(of_the_program())
    with tempfile.TemporaryDirectory() as folder:
        costs |= of_a_store("SQLite", str(Path(folder) / "objects.sqlite"))
    if postgres is not None:
        costs |= of_a_store("PostgreSQL", postgres)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return {
        "machine": machine,
        "costs": {
            name: {"value": round(value, 2), "unit": unit, "source": source}
            for name, (value, unit, source) in costs.items()
        },
    }
