"""The engine of a cluster: hosts run on its nodes, and meet there without the sandbox.

Floor: sandbox. What a cluster is made of is behind `nodes.Launcher`; so this is the same for each.
"""

from __future__ import annotations

import asyncio
import secrets
import select
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from rpclab.errors import PlacementError
from rpclab.net.loops import running_loop
from rpclab.placement.agent import SANDBOX
from rpclab.placement.doors import SECRET
from rpclab.placement.engine import End, Ended
from rpclab.placement.nodes import Host, Nodes

if TYPE_CHECKING:
    from rpclab.placement.engine import Bounds, Heard, Node, Record
    from rpclab.placement.identities import Identity
    from rpclab.placement.nodes import Launcher

_LOOK = 5.0  # seconds in which the cluster says which nodes it has


class ClusterEngine:
    """Starts hosts on the nodes of a cluster.

    Args:
        launcher: runs programs there.
        silence_seconds: how long a node may be silent.
        preload: modules that hosts have loaded from the start.
    """

    def __init__(
        self, launcher: Launcher, *, silence_seconds: float, preload: tuple[str, ...] = ()
    ) -> None:
        self.far = launcher.far
        self._tell: Callable[[Ended], None] = lambda _: None
        self._lines: dict[int, ClusterLine] = {}
        self._happened: deque[Callable[[], None]] = deque()
        self._told, self._tells = socket.socketpair()
        for end in (self._told, self._tells):
            end.settimeout(0)
        self._waking = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._identity: Identity | None = None
        self._nodes = Nodes(
            launcher, self._post, self._has_ended, silence=silence_seconds, preload=preload
        )
        self._nodes.start()

    def answer_with(self, answer: Callable[[int, Record], Record | None]) -> None:
        """Have what hosts ask of the store of Durable Objects answered.

        Args:
            answer: is called in another thread, with the number of the host and what it asks.
        """
        self._nodes.answer = answer

    @property
    def records(self) -> int:
        """How many records have passed between the sandbox and the nodes, both ways."""
        return self._nodes.records

    def nodes(self) -> list[Node]:
        return self._nodes.known

    def look(self) -> list[Node]:
        """Ask the cluster which nodes it has, and wait for the answer; not for long."""
        return self._nodes.look(_LOOK)

    def place(
        self, number: int, heard: Heard, bounds: Bounds, node: str | None = None
    ) -> ClusterLine:
        del bounds  # a host bounds itself: its first record says how
        host = Host(number, heard)
        self._nodes.hosts[number] = host
        line = self._lines[number] = ClusterLine(self, host)
        self._nodes.place(host, node)
        return line

    def join(self, one: int | None, other: int | None) -> tuple[End, End]:
        listens, dials = (other, one) if other in self._lines else (one, other)
        host = None if listens is None else self._nodes.hosts.get(listens)
        if host is None or host.address is None:
            raise PlacementError("the host is gone")
        secret = secrets.token_bytes(SECRET)
        name, identity = self._who(dials)
        dialled = {"dial": [*host.address], "name": host.name, "secret": secret}
        if identity is not None:
            dialled["identity"] = [*identity]
        ends = {listens: End({"accept": secret, "name": name}), dials: End(dialled)}
        return ends[one], ends[other]

    def _who(self, number: int | None) -> tuple[str, Identity | None]:
        """Whom the certificate of a host names, and that itself, if the host has none yet."""
        if number is None:
            if self._identity is None:
                self._identity = self._nodes.authority.issue(SANDBOX)
            return SANDBOX, self._identity
        if number in self._lines:
            return f"host-{number}", None
        return f"host-{number}", self._nodes.authority.issue(f"host-{number}")

    def watch(self, tell: Callable[[Ended], None]) -> None:
        self._tell = tell

    def stop(self, number: int) -> None:
        self._nodes.stop(number)

    def close(self) -> None:
        self._tell = lambda _: None
        self._stop_listening()
        for line in list(self._lines.values()):
            line.close()
        self._lines.clear()
        self._nodes.close()
        self._happened.clear()
        self._told.close()
        with self._waking:
            self._tells.close()

    def send(self, number: int, record: Record) -> None:
        """Send a record to a host."""
        self._nodes.tell(number, record)

    def _has_ended(self, ended: Ended) -> None:
        line = self._lines.pop(ended.number, None)
        if line is not None:
            line.close()
            self._tell(ended)

    # What happens in the thread of the nodes is told here.

    def _post(self, function: Callable[[], None]) -> None:
        self._happened.append(function)
        with self._waking, suppress(OSError):  # it is awake already, or over
            self._tells.send(b"\0")

    def attach(self) -> None:
        """Hear on the running loop, if there is one, of what has happened."""
        loop = running_loop()
        if loop is not None and loop is not self._loop and self._told.fileno() >= 0:
            self._stop_listening()
            self._loop = loop
            loop.add_reader(self._told.fileno(), self.hear)

    def _stop_listening(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed() and self._told.fileno() >= 0:
            loop.remove_reader(self._told.fileno())

    def hear(self) -> None:
        """Tell of what has happened."""
        with suppress(OSError):  # nothing wakes us that we have not heard of
            self._told.recv(65536)
        while self._happened:
            self._happened.popleft()()

    def wait(self, seconds: float) -> None:
        """Block until something has happened, and tell of it.

        Raises:
            TimeoutError: nothing did for so long.
        """
        if not self._happened and not select.select([self._told], [], [], seconds)[0]:
            raise TimeoutError
        self.hear()


class ClusterLine:
    """The line to a host on a node, by way of the agent there.

    Args:
        engine: whose host it is.
        host: that host.
    """

    def __init__(self, engine: ClusterEngine, host: Host) -> None:
        self._engine = engine
        self._host = host
        self._is_open = True

    def send(self, record: Record, handed: socket.socket | None = None) -> None:
        if handed is not None:
            handed.close()
            raise TypeError("no socket can be handed to a host on a node")
        if self._is_open:
            self._engine.send(self._host.number, record)

    def wait(self, seconds: float) -> None:
        self._engine.wait(seconds)

    def attach(self) -> None:
        self._engine.attach()

    def catch_up(self) -> None:
        self._engine.hear()

    def computed(self) -> float | None:
        return self._host.computed

    def close(self) -> None:
        self._is_open = False
