"""What is measured, what it is compared with, and the goals. Only data: runs nothing."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

RELATIONS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
}


@dataclass(frozen=True)
class Goal:
    """A bound that a row keeps, and perhaps the better value it strives for."""

    relation: str
    bound: float
    aim: float | None = None

    def met(self, value: float) -> bool:
        return RELATIONS[self.relation](value, self.bound)


@dataclass(frozen=True)
class Row:
    """One line of the table: a side's figure divided by another's, or by itself."""

    side: str
    against: str | None = None
    goal: Goal | None = None
    unit: str = "x"

    def value(self, figures: dict[str, float]) -> float | None:
        """What this row says of one round's figures; None when a side is missing."""
        if self.side not in figures or (self.against and self.against not in figures):
            return None
        return figures[self.side] / (figures[self.against] if self.against else 1)


@dataclass(frozen=True)
class Workload:
    """What is done, by which child processes, and the rows made of their figures.

    A figure is a rate, operations a second, where nothing else is said: a ratio above 1 means that
    rpclab is the faster one.
    """

    title: str
    children: tuple[str, ...]
    rows: tuple[Row, ...]


WORKLOADS = {
    "burst": Workload(
        "1000 calls in flight on a stub",
        ("library", "capnweb", "workerd"),
        (
            Row("rpclab", "capnweb", Goal(">=", 5, aim=7)),
            Row("rpclab", "workerd"),
        ),
    ),
    "sequential": Workload(
        "one call awaited after another",
        ("library", "capnweb", "loop"),
        (
            Row("rpclab", "capnweb", Goal(">=", 1.9, aim=2.2)),
            Row("rpclab", "bare Future round"),
            Row("rpclab", "Queue ping-pong"),
        ),
    ),
    "chain": Workload(
        "ten dependent calls in one flight",
        ("library", "capnweb"),
        (
            Row("rpclab", "capnweb, released", Goal(">=", 1.2, aim=2)),
            Row("rpclab", "capnweb, left there", Goal(">=", 0.8, aim=1.2)),
            Row("round trips", goal=Goal("==", 1), unit=""),
        ),
    ),
    "dict1k": Workload(
        "echo of a dictionary of 1 KiB",
        ("library", "capnweb"),
        (Row("rpclab", "capnweb", Goal(">=", 1.9, aim=2.5)),),
    ),
    "rows": Workload(
        "echo of 10,000 rows, a dictionary each",
        ("library", "capnweb"),
        (Row("rpclab", "capnweb", Goal(">=", 1.9, aim=2.5)),),
    ),
    "bytes": Workload(
        "echo of 1 MiB of bytes",
        ("library", "capnweb", "workerd"),
        (
            Row("rpclab", "capnweb", Goal(">=", 3)),
            Row("rpclab", "workerd"),
            # Less than a copy, of the whole or of a part.
            Row("most at a time", goal=Goal("<=", 0.1), unit=" MiB"),
        ),
    ),
    "upload": Workload(
        "64 KiB chunks of a stream that is read",
        ("library", "capnweb"),
        (Row("rpclab", "capnweb", Goal(">=", 1)),),
    ),
    "beside": Workload(
        "the slowest call beside a stream at full speed",
        ("library",),
        (Row("rpclab", goal=Goal("<=", 0.1), unit=" s"),),
    ),
    "passing": Workload(
        "memory while 1 GiB passes through a stream",
        ("library",),
        (Row("most at a time", goal=Goal("<=", 16), unit=" MiB"),),
    ),
    "references": Workload(
        "100,000 references made, held, released",
        ("library", "capnweb"),
        (Row("rpclab", "capnweb", Goal(">=", 2.5, aim=4)),),
    ),
    "memory": Workload(
        "bytes for each reference held",
        ("library",),
        (
            Row("client's share", goal=Goal("<=", 600), unit=" B"),
            Row("both sides", unit=" B"),
        ),
    ),
    "binding": Workload(
        "calls on a service binding itself",
        ("library", "workerd"),
        (
            Row("rpclab, sequential", "workerd, sequential"),
            Row("rpclab, burst", "workerd, burst", Goal(">=", 10, aim=15)),
        ),
    ),
    "recording": Workload(
        "the burst, with tracing off and on",
        ("library",),
        (
            # Slices of the two take turns in one process, so 5% is what noise leaves.
            Row("watched once", "never watched", Goal(">=", 0.95)),
            Row("recording", "never watched", Goal(">=", 0.85, aim=0.9)),
        ),
    ),
    "limits": Workload(
        "the burst, with limits on and out of reach",
        ("library",),
        (Row("limits on", "out of reach", Goal(">=", 0.95, aim=0.97)),),
    ),
    "timeline": Workload(
        "a timeline of 10,000 events first drawn",
        ("library",),
        # The views in a page are measured by `views.py`, in a browser.
        (Row("rpclab", goal=Goal("<=", 1), unit=" s"),),
    ),
    "socket_burst": Workload(
        "1000 calls in flight over a socket",
        ("network", "capnweb_ws", "rpyc", "pycapnp", "grpc", "py_capnweb"),
        (
            Row("rpclab, TCP", "capnweb, WebSocket", Goal(">=", 3, aim=5)),
            Row("rpclab, Cap'n Web", "capnweb, WebSocket", Goal(">=", 1, aim=1.5)),
            Row("rpclab, TCP", "rpyc", Goal(">=", 8)),
            Row("rpclab, TCP", "pycapnp", Goal(">=", 6)),
            Row("rpclab, TCP", "grpc.aio", Goal(">=", 20)),
            Row("rpclab, Cap'n Web", "py-capnweb", Goal(">=", 10)),
        ),
    ),
    "socket_sequential": Workload(
        "one call after another over a socket",
        ("network", "network_uvloop", "capnweb_ws", "rpyc", "pycapnp", "grpc", "py_capnweb"),
        (
            Row("rpclab, TCP, uvloop", "capnweb, WebSocket", Goal(">=", 1.2, aim=1.5)),
            Row("rpclab, TCP", "capnweb, WebSocket"),
            Row("rpclab, Cap'n Web, uvloop", "capnweb, WebSocket"),
            Row("rpclab, Cap'n Web", "capnweb, WebSocket"),
            Row("rpclab, TCP", "rpyc"),
            Row("rpclab, TCP", "pycapnp"),
            Row("rpclab, TCP", "grpc.aio"),
            Row("rpclab, Cap'n Web", "py-capnweb"),
        ),
    ),
    "socket_bytes": Workload(
        "echo of 1 MiB of bytes over a socket",
        ("network", "capnweb_ws"),
        (
            Row("rpclab, TCP", "capnweb, WebSocket", Goal(">=", 8, aim=15)),
            Row("rpclab, Cap'n Web", "capnweb, WebSocket"),
        ),
    ),
    "socket_limits": Workload(
        "the burst over TCP, with a server's limits and with them out of reach",
        ("network",),
        (Row("limits on", "out of reach", Goal(">=", 0.95, aim=0.97)),),
    ),
    "far_chain": Workload(
        "ten dependent calls at a round trip of 50 ms, in round trips",
        ("network",),
        (Row("rpclab, TCP", goal=Goal("<=", 1.05), unit=""),),
    ),
    "far_upload": Workload(
        "64 KiB chunks of a stream at a round trip of 100 ms",
        ("network", "grpc"),
        (
            Row("rpclab, TCP", "grpc.aio", Goal(">=", 1, aim=2)),
            Row("most at a time", goal=Goal("<=", 16), unit=" MiB"),
        ),
    ),
    "idle": Workload(
        "memory of a server for each session that is idle",
        ("network",),
        (Row("rpclab, TCP", goal=Goal("<=", 20, aim=10), unit=" KiB"),),
    ),
    "process_burst": Workload(
        "1000 calls in flight to a process of its own",
        ("placement",),
        (
            Row("a process", "TCP", Goal(">=", 0.9, aim=1)),
            Row("its binding", "TCP"),
        ),
    ),
    "process_sequential": Workload(
        "one call after another to a process of its own",
        ("placement",),
        (Row("a process", "TCP", Goal(">=", 0.9, aim=1)),),
    ),
    "process_cores": Workload(
        "two calls that compute, at two processes",
        ("placement",),
        (Row("two processes", "one process", Goal(">=", 1.8)),),
    ),
    "process_start": Workload(
        "a process of its own, from deploy to the first answer",
        ("placement",),
        (Row("a process", goal=Goal("<=", 150), unit=" ms"),),
    ),
    "http": Workload(
        "requests to a server of HTTP, 32 at a time",
        ("network", "network_uvloop"),
        (
            Row("rpclab, uvloop", "bare uvicorn, uvloop", Goal(">=", 0.8, aim=1)),
            Row("rpclab", "bare uvicorn", Goal(">=", 0.8, aim=1)),
        ),
    ),
    "import": Workload(
        "import, time over a bare interpreter",
        ("startup",),
        (Row("rpclab", "asyncio", Goal("<=", 1.5)),),
    ),
    "load_ext": Workload(
        "%load_ext rpclab in an IPython shell",
        ("startup",),
        (Row("rpclab", goal=Goal("<=", 0.5), unit=" s"),),
    ),
}
