"""The program on a node of a cluster: it starts the hosts there, and is their line to the sandbox.

Floor: sandbox. Whatever engine a cluster has starts one for each sandbox and node, as a child of
its own, and hands it one line of JSON (`Errand`) on stdin. It dials the sandbox, shows a secret
that is good for once, and does as it is told. Its hosts are children of a zygote, as on the
machine of the sandbox; it runs no code of theirs itself, so it always answers.

It ends at once, and the zygote kills all hosts, when stdin ends (the engine is gone), when the
connection ends (the sandbox is gone), or when its lease does: it asks for a new one all the time,
and what is not renewed in time ends it by a timer of the system (SIGALRM), whatever it is doing. So
of a node that is cut off nothing is left once its lease has ended, and the sandbox knows when.

What it says (`kind`): `hello`; `placed`, `from` and `output` (of a host), `lost` (its line has
ended), `ended`; `renew`. What it is told: `welcome` or `refused`; `place`, `to` (a host), `stop`;
`renewed`; `hold` and `go on` (with reading from hosts); `bye`.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import signal
import socket
import sys
import time
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from rpclab.placement.engine import NO_BOUNDS
from rpclab.placement.identities import Identity, dialling, named
from rpclab.placement.orphans import die_with_parent
from rpclab.placement.processes import ProcessEngine
from rpclab.placement.records import next_record, packed

if TYPE_CHECKING:
    from rpclab.placement.engine import Ended, Record
    from rpclab.placement.processes import ProcessLine

SANDBOX = "sandbox"
"""Whom the certificate of the sandbox names."""

RENEWALS = 4
"""How often a lease is renewed in the time in which it would end."""

_OFTEN = 2.0  # seconds between two renewals at most; with each goes what a message takes
_PATIENCE = 10.0  # seconds within which the sandbox has to answer


class Errand(NamedTuple):
    """What an agent is started with.

    Attributes:
        address: host and port where the sandbox listens.
        identity: what it shows, and whom it trusts; see `identities.Identity`.
        secret: what it says first, good for once.
        host: the name or address by which other nodes reach this one.
        lease: seconds that it lives without the sandbox.
        preload: modules that its hosts have loaded from the start.
    """

    address: tuple[str, int]
    identity: tuple[str, str]
    secret: str
    host: str
    lease: float
    preload: tuple[str, ...]

    @property
    def text(self) -> str:
        """As a line of JSON."""
        return json.dumps(self._asdict()) + "\n"


def main() -> NoReturn:
    """Do the errand that stdin says, for the process whose id is the first argument."""
    if sys.argv[1:]:
        die_with_parent(int(sys.argv[1]), signal.SIGKILL)
    said = json.loads(sys.stdin.buffer.readline())
    asyncio.run(Agent(Errand(**said)).run())
    os._exit(0)


def version() -> str:
    """Which rpclab is installed; "" where it runs without being so."""
    try:
        return metadata.version("rpclab")
    except metadata.PackageNotFoundError:
        return ""


class Agent:
    """Serves one sandbox on this node.

    Args:
        errand: what it was started with.
    """

    def __init__(self, errand: Errand) -> None:
        self._errand = errand
        self._engine = ProcessEngine(errand.preload)
        self._lines: dict[int, ProcessLine] = {}
        self._writer: asyncio.StreamWriter
        self._asked: dict[int, float] = {}  # when each renewal was asked for
        self._count = 0
        self._round_trip: float | None = None
        self._holds = False

    async def run(self) -> None:
        """Serve until it is over.

        Raises:
            OSError: the sandbox does not answer.
        """
        loop = asyncio.get_running_loop()
        loop.add_reader(0, self._hear_engine)
        self._engine.watch(self._ended)
        self._engine.wake()  # it loads what hosts need while we dial
        host, port = self._errand.address
        identity = Identity(*self._errand.identity)
        reader, self._writer = await asyncio.wait_for(
            asyncio.open_connection(
                host, port, ssl=dialling(identity), server_hostname=named(SANDBOX)
            ),
            _PATIENCE,
        )
        self._send(
            {
                "kind": "hello",
                "secret": self._errand.secret,
                "rpclab": version(),
                "python": platform.python_version(),
                "pid": os.getpid(),
            }
        )
        answer, _ = await asyncio.wait_for(next_record(reader), _PATIENCE)
        if answer["kind"] != "welcome":
            raise ConnectionError(f"the sandbox does not let this node in: {answer.get('why')}")
        self._renew()
        try:
            while True:
                record, _ = await next_record(reader)
                self._take(record)
        except (EOFError, OSError):
            os._exit(0)  # nobody is there; the zygote sees that, too, and kills all it has forked

    def _hear_engine(self) -> None:
        if not os.read(0, 4096):
            os._exit(0)

    def _send(self, record: Record) -> None:
        self._writer.write(packed(record))

    # The lease.

    def _renew(self) -> None:
        self._ask_for_more()
        seconds = min(_OFTEN, self._errand.lease / RENEWALS)
        asyncio.get_running_loop().call_later(seconds, self._renew)

    def _ask_for_more(self) -> None:
        now = time.monotonic()
        self._count += 1
        self._asked[self._count] = now
        computed = [[number, line.computed()] for number, line in self._lines.items()]
        self._send(
            {
                "kind": "renew",
                "count": self._count,
                "computed": computed,
                "round_trip": self._round_trip,
            }
        )

    def _renewed(self, count: int) -> None:
        asked = self._asked.pop(count, None)
        if asked is None:
            return
        now = time.monotonic()
        if self._round_trip is None:
            asyncio.get_running_loop().call_soon(self._ask_for_more)  # which says how long it took
        self._round_trip = now - asked
        for earlier in [each for each in self._asked if each < count]:
            del self._asked[earlier]
        # It counts from when it was asked for: the sandbox counts from when it has heard, later.
        signal.setitimer(signal.ITIMER_REAL, max(0.001, asked + self._errand.lease - now))

    # What the sandbox says.

    def _take(self, record: Record) -> None:
        kind = record["kind"]
        if kind == "to":
            line = self._lines.get(record["number"])
            if line is not None:
                line.send(record["record"])
        elif kind == "place":
            self._place(record["number"], record["identity"])
        elif kind == "stop":
            self._engine.stop(record["number"])
        elif kind == "renewed":
            self._renewed(record["count"])
        elif kind == "hold":
            self._holds = True
            for line in self._lines.values():
                line.detach()
        elif kind == "go on":
            self._holds = False
            for line in self._lines.values():
                line.attach()
        elif kind == "bye":
            self._engine.close()
            os._exit(0)

    def _place(self, number: int, identity: list[str]) -> None:
        listener = _listener(self._errand.host)
        line = self._engine.place(number, _Relay(self, number), NO_BOUNDS)
        self._lines[number] = line
        port = listener.getsockname()[1]
        self._send({"kind": "placed", "number": number, "port": port})
        line.send({"kind": "listen", "identity": identity}, listener)
        if not self._holds:
            line.attach()

    # What hosts say.

    def say(self, kind: str, number: int, **more: Any) -> None:
        """Tell the sandbox something of a host."""
        self._send({"kind": kind, "number": number, **more})

    def _ended(self, ended: Ended) -> None:
        self._lines.pop(ended.number, None)
        self.say("ended", ended.number, status=ended.status, why=ended.why)


class _Relay:
    """Hands on what a host says (see `engine.Heard`)."""

    def __init__(self, agent: Agent, number: int) -> None:
        self._agent = agent
        self._number = number

    def record(self, record: Record) -> None:
        self._agent.say("from", self._number, record=record)

    def output(self, stream: str, data: bytes) -> None:
        self._agent.say("output", self._number, stream=stream, data=data)

    def lost(self) -> None:
        self._agent.say("lost", self._number)


def _listener(host: str) -> socket.socket:
    """Listen where other nodes reach this one; on all its addresses where that is no own one."""
    for address in (host, ""):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            return socket.create_server((address, 0), family=family)
        except OSError:
            if not address:
                raise
    raise AssertionError
