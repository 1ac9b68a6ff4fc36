"""Where Workers run, as a list to read: the kernel, processes, and the nodes of clusters.

Floor: sandbox.
"""

from __future__ import annotations

from typing import NamedTuple

KERNEL_ROW, PROCESSES_ROW = "kernel", "processes"


class PlacedNode(NamedTuple):
    """A place where Workers run, or can.

    Attributes:
        name: of the node; "kernel" is the program of the sandbox, "processes" are those beside it.
        workers: the Workers that run there.
        cores: how many can compute there at the same time; None where that is not known.
        round_trip: seconds that a message from there to the sandbox and back took last; None where
            none was measured.
    """

    name: str
    workers: tuple[str, ...]
    cores: int | None
    round_trip: float | None


class PlacedNodes(list[PlacedNode]):
    """Where Workers run; as text it is a table."""

    def __repr__(self) -> str:
        rows = [("node", "cores", "ping", "Workers"), *map(_row, self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _row(node: PlacedNode) -> tuple[str, str, str, str]:
    ping = "" if node.round_trip is None else f"{node.round_trip * 1000:.1f} ms"
    cores = "" if node.cores is None else str(node.cores)
    return node.name, cores, ping, ", ".join(node.workers)
