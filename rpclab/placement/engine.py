"""What an engine is asked: six calls, behind which a Worker may run anywhere.

Floor: sandbox. An engine starts host programs and joins them; it knows no Workers, no stubs and no
bindings. The sandbox decides what runs where, when a Worker is started anew, and who may reach
whom; so all engines promise the same. Child processes (`processes`) are one engine, the nodes of a
cluster (`cluster`) are another.

All calls return at once, and may be made with or without a running event loop. What happens later
is told to whoever watches.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

HERE = "this machine"
"""What the one node of child processes is called."""


class Node(NamedTuple):
    """A place where hosts can run.

    Attributes:
        name: such as "this machine"; unique within the engine.
        hosts: the numbers of the hosts that run there.
        cores: how many of them can compute at the same time; None where that is not known.
        round_trip: seconds that a message there and back took last; None where none was measured.
    """

    name: str
    hosts: tuple[int, ...]
    cores: int | None = None
    round_trip: float | None = None


class Bounds(NamedTuple):
    """What a host may use. None is no bound; where the system has none, it is passed by.

    Attributes:
        memory_bytes: of address space; beyond it allocating raises MemoryError there.
        cpu_seconds: of computing time, in all; beyond it the system ends the host.
    """

    memory_bytes: int | None = None
    cpu_seconds: int | None = None


NO_BOUNDS = Bounds()


class Ended(NamedTuple):
    """A host has come to its end, and nothing of it is left.

    Attributes:
        number: of the host.
        status: its exit code; minus the number of the signal that ended it; None if nobody knows.
        why: words for what the engine knows beyond that, as that its node was lost; "" if none.
    """

    number: int
    status: int | None
    why: str = ""


Record = dict[str, Any]
"""What a line carries: plain data under texts. `kind` says what it is (see `child`)."""


class End(NamedTuple):
    """One end of a way between two hosts, to be handed to whoever opens it (see `ways.Way.attach`).

    Attributes:
        words: what opening it takes beside the socket, as plain data: nothing for a child process;
            an address and a secret that is good for once, where the other end is elsewhere (see
            `doors`).
        socket: the connected socket, where both ends are on this machine. Whoever gets the end owns
            it.
    """

    words: Record
    socket: socket.socket | None = None


class Line(Protocol):
    """The line between the sandbox and one host: records in order, both ways, until it is lost."""

    def send(self, record: Record, handed: socket.socket | None = None) -> None:
        """Send a record, soon; a line that is lost drops it.

        Args:
            record: it.
            handed: a socket to go with it, which is closed here. Only on this machine.
        """

    def wait(self, seconds: float) -> None:
        """Block until something has come in, and tell of it; for code without a running loop.

        Raises:
            TimeoutError: nothing did for so long.
        """

    def attach(self) -> None:
        """Be read on the running event loop from now on."""

    def catch_up(self) -> None:
        """Tell at once of what has come in already."""

    def computed(self) -> float | None:
        """How much the host has computed, in ticks of its system; None where that is unknown."""

    def close(self) -> None:
        """Give the line up: nothing more is told."""


class Heard(Protocol):
    """Takes what comes in on a line."""

    def record(self, record: Record) -> None:
        """A record, of a host that is not trusted."""

    def output(self, stream: str, data: bytes) -> None:
        """What has been written to "stdout" or "stderr" beneath Python, as by C code."""

    def lost(self) -> None:
        """The host is silent from now on; its end is told of by `Ended`."""


class PlacementEngine(Protocol):
    """Starts host programs somewhere, and joins them.

    An engine belongs to one sandbox. Each host has a number that the sandbox chose, and that no
    other host ever has: of two hosts of one Worker the higher number is the later one, so it can
    serve as an epoch.

    Attributes:
        far: whether its hosts may be on other machines, with files and settings of their own.
    """

    far: bool

    def nodes(self) -> list[Node]:
        """Say where hosts can run."""

    def place(self, number: int, heard: Heard, bounds: Bounds, node: str | None = None) -> Line:
        """Start a host.

        Args:
            number: of the host.
            heard: takes what it says.
            bounds: what it may use.
            node: where; any place unless given.

        Returns:
            The line to it. The first record that is sent on it is the Worker that it runs.

        Raises:
            PlacementError: none can be started there.
        """

    def join(self, one: int | None, other: int | None) -> tuple[End, End]:
        """Make a way between two hosts, or between a host and the sandbox, which is None.

        One of them may be a host of another engine, of this machine.

        Returns:
            An end for each. Who has neither cannot use the way, and cannot listen to it.
        """

    def watch(self, tell: Callable[[Ended], None]) -> None:
        """Tell of each host that ends, once, in whatever way it ends."""

    def stop(self, number: int) -> None:
        """End a host now, whatever it is doing. One that has ended is passed by."""

    def close(self) -> None:
        """End all hosts, and what the engine itself has started. Nothing is told any more."""
