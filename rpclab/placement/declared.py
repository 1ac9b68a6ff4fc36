"""Where a Worker may be said to run: in the kernel, in processes, on the nodes of a cluster.

Floor: sandbox. As text: "kernel"; "process", "process:4"; "dask", "dask:3" (a cluster of three
nodes here), "dask:tls://…" (the one of a scheduler). As values: what `processes` and `dask` give.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rpclab.errors import near
from rpclab.placement.engine import NO_BOUNDS, Bounds

KERNEL, PROCESS, DASK = "kernel", "process", "dask"

NODES = 2
"""How many nodes a cluster has that is started here, where nobody says."""


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


@dataclass(frozen=True)
class DaskCluster:
    """A Dask cluster.

    Attributes:
        address: of its scheduler; None for one that the sandbox starts on this machine.
        nodes: how many nodes that has, then.
        host: the address of this machine at which the nodes reach it; "" finds one.
        security: what a client of it shows: a `distributed.Security`, or None for the settings of
            Dask.
    """

    address: str | None = None
    nodes: int = NODES
    host: str = ""
    security: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Nodes(Processes):
    """Processes of its own for one Worker, on the nodes of a cluster; made by `dask`.

    Attributes:
        cluster: which; None for the one that the sandbox uses already, or else one that it starts.
        node: the name of the node; None for any.
    """

    cluster: DaskCluster | None = None
    node: str | None = None

    @property
    def declared(self) -> str:
        """As a configuration says it, which has no word for anything but the cluster."""
        if self.cluster is None:
            return DASK
        return f"{DASK}:{self.cluster.address or self.cluster.nodes}"

    def __str__(self) -> str:
        return f"{super().__str__()} of a Dask cluster"


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
    _check(
        count=count,
        memory_bytes=memory_bytes,
        cpu_seconds=cpu_seconds,
        calls=calls,
        silence_seconds=silence_seconds,
        start_seconds=start_seconds,
        grace_seconds=grace_seconds,
    )
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


def dask(
    cluster: Any = None,
    *,
    nodes: int | None = None,
    node: str | None = None,
    count: int = 1,
    host: str = "",
    memory_bytes: int | None = None,
    cpu_seconds: int | None = None,
    calls: int = 10_000,
    silence_seconds: float = 30.0,
    start_seconds: float = 60.0,
    grace_seconds: float = 5.0,
) -> Nodes:
    """Say that a Worker runs on the nodes of a Dask cluster, for `deploy(…, placement=…)`.

    Needs the extra rpclab[dask]. A Worker has a process of its own there, as with `processes`,
    started by the Dask worker that is the node. What Workers say to one another does not go
    through Dask, nor through this program: they meet over mutual TLS.

    Args:
        cluster: the address of its scheduler, such as "tls://10.0.0.7:8786"; or a `Client` or a
            cluster object of Dask, which is left as it is, and may be closed later. Unless it is
            given, the one that the sandbox uses already; or else one on this machine, which the
            sandbox starts, and ends.
        nodes: how many nodes that has, 2 unless given.
        node: the name of the one that the Worker runs on; where the fewest are, unless given.
        count: how many processes the Worker has; calls are spread, as with `processes`.
        host: the address of this machine at which the nodes reach it; the one that faces the
            scheduler, unless given.
        memory_bytes: how much address space each process may use.
        cpu_seconds: how much computing time each may use in all.
        calls: how many calls may be under way to each from here; one more raises OverloadedError.
        silence_seconds: a node of which nothing is heard for so long is taken for lost, and one
            that hears nothing of the sandbox for so long ends what runs there. Whoever uses a
            cluster first decides.
        start_seconds: how long a process may take until the code of the Worker has run.
        grace_seconds: as of `processes`.

    Raises:
        TypeError: it is no cluster, or a number is none.
        ValueError: a number is too small; or `nodes` is given for a cluster that is there already.
    """
    _check(
        nodes=nodes,
        count=count,
        memory_bytes=memory_bytes,
        cpu_seconds=cpu_seconds,
        calls=calls,
        silence_seconds=silence_seconds,
        start_seconds=start_seconds,
        grace_seconds=grace_seconds,
    )
    address, security = _scheduler_of(cluster)
    if address is not None and nodes is not None:
        raise ValueError(f"the cluster at {address} has the nodes that it has: leave out nodes=")
    meant = None
    if address is not None or nodes is not None:
        meant = DaskCluster(address, nodes or NODES, host, security)
    return Nodes(
        count,
        Bounds(memory_bytes, cpu_seconds),
        calls,
        silence_seconds,
        start_seconds,
        grace_seconds=grace_seconds,
        cluster=meant,
        node=node,
    )


def _scheduler_of(cluster: Any) -> tuple[str | None, Any]:
    """The address of the scheduler of a cluster, and what a client of it shows."""
    if cluster is None or isinstance(cluster, str):
        address, security = cluster, None
    else:
        # Of a cluster object, or of a client.
        address = getattr(cluster, "scheduler_address", None)
        address = address or getattr(getattr(cluster, "scheduler", None), "address", None)
        security = getattr(cluster, "security", None)
        if not isinstance(address, str):
            raise TypeError(
                "a cluster is the address of its scheduler, or a Client or a cluster object of Dask"
                f" that is connected, not {type(cluster).__name__}"
            )
    if address is not None and not _ADDRESS.fullmatch(address):
        raise ValueError(
            f"{address!r} is not the address of a scheduler that other programs reach, such as"
            ' "tls://10.0.0.7:8786" or "tcp://10.0.0.7:8786"'
        )
    return address, security


_ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://[^\s/]+:\d{1,5}")


def _check(**numbers: float | None) -> None:
    for name, value in numbers.items():
        whole = not name.endswith("_seconds") or name == "cpu_seconds"
        kinds = (int,) if whole else (int, float)
        if value is None and name in ("memory_bytes", "cpu_seconds", "nodes"):
            continue
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise TypeError(f"{name} is a number, not {value!r}")
        if not value > 0:
            raise ValueError(f"{name} is above 0, not {value!r}")


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
            f'a placement is "{KERNEL}", "{PROCESS}", "{DASK}", rpclab.processes(…) or'
            f" rpclab.dask(…), not {value!r}"
        )
    kind, colon, number = value.partition(":")
    if kind == PROCESS and (not colon or re.fullmatch(r"[1-9]\d{0,3}", number)):
        return Processes(int(number or 1))
    if kind == DASK and not colon:
        return Nodes()
    if kind == DASK and re.fullmatch(r"[1-9]\d{0,2}", number):
        return Nodes(cluster=DaskCluster(nodes=int(number)))
    if kind == DASK and _ADDRESS.fullmatch(number):
        return Nodes(cluster=DaskCluster(number))
    error = ValueError(f"no placement is called {value!r}")
    error.add_note(near(value, (KERNEL, PROCESS, f"{PROCESS}:4", DASK, f"{DASK}:3")))
    raise error
