"""The nodes of a cluster, as the sandbox reaches them: it listens, and the agents there dial it.

Floor: sandbox. All of it runs in a thread with an event loop of its own: a lease is renewed, and a
node that is gone is noticed, also while a cell computes. The rest of the sandbox gets what has
happened as functions to call (`post`), in the order it happened.

An agent comes with a secret that is good for once, and a certificate that names its node. What it
says is checked here; one that breaks the rules is given up, with the hosts it has.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from rpclab.errors import PlacementError, RemoteProtocolError
from rpclab.placement.agent import SANDBOX, Errand, version
from rpclab.placement.engine import Ended, Node
from rpclab.placement.identities import Authority, listening, named, peer_of
from rpclab.placement.records import next_record, packed
from rpclab.previews import preview

if TYPE_CHECKING:
    from rpclab.placement.engine import Heard, Record

THREAD = "rpclab-nodes"
"""What the thread is called."""

_PATIENCE = 10.0  # seconds within which whoever dials has to say who it is
_ARRIVES = 60.0  # seconds within which an agent starts, and dials
_EXPLAINED = 2.0  # seconds in which the engine may say why a node is gone
_STEP = 0.02  # seconds between two times that it is asked
_RETURNS = 10.0  # seconds in which a node that was there may come back
_LOOK = 0.1  # seconds between two looks at whether it has
_LEAVES = 5.0  # seconds in which agents may go at the end
_MOST_WAITING = 8 * 2**20  # bytes that wait for the program; then hosts are not read
_MOST_CALLERS = 256  # who may be dialling at a time, and not have said who they are
_STREAMS = ("stdout", "stderr")


class Place(NamedTuple):
    """A node, as its engine knows it.

    Attributes:
        key: what the engine calls it; of two that run one after the other each has its own.
        name: what users call it.
        host: the name or address by which other nodes reach it.
        cores: how many hosts can compute there at the same time.
    """

    key: str
    name: str
    host: str
    cores: int | None


class Launcher(Protocol):
    """What runs programs on the nodes of a cluster, and knows which there are.

    Its methods run on one event loop, in a thread of its own.

    Attributes:
        far: whether the nodes may be other machines.
    """

    far: bool

    async def open(self) -> str:
        """Connect to the cluster, or start it. Once it is open, this only makes sure that it is.

        Returns:
            The address of this machine at which the nodes reach it.

        Raises:
            PlacementError: it is not there.
        """

    async def places(self) -> list[Place]:
        """The nodes that there are now.

        Raises:
            PlacementError: the cluster does not say.
        """

    async def run(self, key: str, errand: str) -> str:
        """Run an agent on a node, with a line on its stdin (see `agent`), until it has ended.

        Returns:
            Why it has.
        """

    async def why_lost(self, key: str) -> str:
        """Say what the cluster knows of a node that does not answer any more; "" if nothing."""

    async def close(self) -> None:
        """Leave the cluster; what `open` has started ends."""


@dataclass(eq=False)
class Host:
    """A host of a cluster.

    Attributes:
        number: of the host.
        heard: takes what it says.
        node: where it runs, once that is chosen.
        address: where it listens, once it does.
        computed: how much it has computed, as its node told last.
        early: what it is told before it is there; None once it is.
    """

    number: int
    heard: Heard
    node: _Node | None = None
    address: tuple[str, int] | None = None
    computed: float | None = None
    early: list[Record] | None = field(default_factory=list)

    @property
    def name(self) -> str:
        """Whom its certificate names."""
        return f"host-{self.number}"


@dataclass(eq=False)
class _Node:
    """A node on which an agent of this sandbox runs, or is to run."""

    place: Place
    name: str  # that its certificate says
    hosts: set[int] = field(default_factory=set)
    writer: asyncio.StreamWriter | None = None
    joined: asyncio.Future[None] | None = None
    running: asyncio.Task[str] | None = None
    heard: float = 0.0
    round_trip: float | None = None
    over: bool = False

    def send(self, record: Record) -> None:
        if self.writer is not None and not self.writer.is_closing():
            self.writer.write(packed(record))


class Nodes:
    """The nodes of a cluster that a sandbox uses.

    Args:
        launcher: runs agents there.
        post: has a function called by the program, soon; from any thread.
        ended: is told of each host that has ended, by `post`.
        silence: seconds of silence after which a node is taken for lost; and after which it ends
            by itself.
        preload: modules that hosts have loaded from the start.

    Attributes:
        hosts: those that run, by number.
        authority: signs the certificates of the cluster.
        known: the nodes, as they were last seen.
        records: how many records have come from the nodes, and gone there.
        answer: answers what a host, of a number, asks of the store of its Durable Objects.
    """

    def __init__(
        self,
        launcher: Launcher,
        post: Callable[[Callable[[], None]], None],
        ended: Callable[[Ended], None],
        *,
        silence: float,
        preload: tuple[str, ...] = (),
    ) -> None:
        self.hosts: dict[int, Host] = {}
        self.authority = Authority()
        self.known: list[Node] = []
        self.records = 0
        self.answer: Callable[[int, Record], Record | None] = lambda _number, _asked: None
        self._launcher = launcher
        self._post = post
        self._ended = ended
        self._silence = silence
        self._preload = preload
        self._nodes: dict[str, _Node] = {}
        self._secrets: dict[str, _Node] = {}
        self._last: list[Place] = []
        self._tickets = 0  # of those who want to know which nodes there are
        self._served = 0  # the last one that got its answer
        self._names: set[str] = set()  # of nodes that there are, and that there were
        self._silent: dict[str, float] = {}  # nodes that were lost for their silence, and when
        self._tasks: set[asyncio.Task[Any]] = set()
        self._callers = 0
        self._server: asyncio.Server | None = None
        self._address: tuple[str, int] | None = None
        self._waiting = 0
        self._holds = False
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._stopping: asyncio.Event
        self._opening: asyncio.Lock
        self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)

    # For the program, from its thread.

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()
        self._started.wait()

    def place(self, host: Host, node: str | None) -> None:
        """Start a host, on a node of that name if there is one given."""
        self._call(self._begin, host, node)

    def tell(self, number: int, record: Record) -> None:
        """Send a record to a host."""
        self._call(self._tell, number, record)

    def stop(self, number: int) -> None:
        """End a host now."""
        self._call(self._stop, number)

    def look(self, seconds: float) -> list[Node]:
        """The nodes as they are now; as they were last seen if the cluster does not say in time."""
        if self._loop is not None:
            found = asyncio.run_coroutine_threadsafe(self._see(), self._loop)
            with suppress(Exception):
                found.result(seconds)
        return self.known

    def taken(self, size: int) -> None:
        """The program has taken so many bytes of what has waited for it."""
        with self._lock:
            self._waiting -= size
            goes_on = self._holds and self._waiting < _MOST_WAITING // 2
            self._holds = self._holds and not goes_on
        if goes_on:
            self._call(self._send_all, {"kind": "go on"})

    def close(self) -> None:
        """End all hosts and agents, and leave the cluster."""
        if self._thread.is_alive():
            self._call(self._stop_serving)
            self._thread.join()

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # it has been closed
                self._loop.call_soon_threadsafe(function, *args)

    # The thread.

    def _run(self) -> None:
        asyncio.run(self._serve())

    def _stop_serving(self) -> None:
        self._stopping.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._opening = asyncio.Lock()
        self._started.set()
        await self._stopping.wait()
        if self._server is not None:
            self._server.close()
        self._send_all({"kind": "bye"})
        ends = [node.running for node in self._nodes.values() if node.running is not None]
        for task in self._tasks.difference(ends):
            task.cancel()
        if ends:
            await asyncio.wait(ends, timeout=_LEAVES)
        for task in ends:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for node in self._nodes.values():
            if node.writer is not None:
                node.writer.transport.abort()
        await self._launcher.close()

    def _task(self, coroutine: Any) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _send_all(self, record: Record) -> None:
        for node in self._nodes.values():
            node.send(record)

    # Hosts.

    def _begin(self, host: Host, wanted: str | None) -> None:
        self._task(self._place(host, wanted))

    async def _place(self, host: Host, wanted: str | None) -> None:
        try:
            node = await self._choose(wanted)
            host.node = node
            node.hosts.add(host.number)
            await self._join(node)
            identity = await asyncio.to_thread(self.authority.issue, host.name)
        except PlacementError as error:
            self._end(host, Ended(host.number, None, str(error)))
            return
        except Exception as error:
            why = f"it could not be placed: {type(error).__name__}: {error}"
            self._end(host, Ended(host.number, None, why))
            return
        if node.over or host.number not in self.hosts:
            return  # it was lost, or stopped, meanwhile; whoever waits was told
        self._send(node, {"kind": "place", "number": host.number, "identity": [*identity]})
        early, host.early = host.early, None
        for record in early or ():
            self._send(node, {"kind": "to", "number": host.number, "record": record})
        self._note()

    def _send(self, node: _Node, record: Record) -> None:
        self.records += 1
        node.send(record)

    def _tell(self, number: int, record: Record) -> None:
        host = self.hosts.get(number)
        if host is None:
            return
        if host.early is not None:
            host.early.append(record)
        elif host.node is not None:
            self._send(host.node, {"kind": "to", "number": number, "record": record})

    def _stop(self, number: int) -> None:
        host = self.hosts.get(number)
        if host is None:
            return
        if host.early is not None or host.node is None or host.node.writer is None:
            self._end(host, Ended(number, None, "it was stopped before it had started"))
        else:
            self._send(host.node, {"kind": "stop", "number": number})

    def _end(self, host: Host, ended: Ended) -> None:
        if self.hosts.pop(host.number, None) is None:
            return
        if host.node is not None:
            host.node.hosts.discard(host.number)
        self._note()
        self._post(partial(self._ended, ended))

    # Nodes.

    async def _places(self) -> list[Place]:
        """Which nodes there are now. All that wait meanwhile share the next answer."""
        ticket = self._tickets = self._tickets + 1
        async with self._opening:
            if self._served >= ticket:
                return self._last
            serves = self._tickets
            here = await self._launcher.open()
            if self._server is None:
                identity = self.authority.issue(SANDBOX)
                self._server = await asyncio.start_server(
                    self._meet,
                    here,
                    0,
                    ssl=listening(identity),
                    ssl_handshake_timeout=_PATIENCE,
                )
                self._address = (here, self._server.sockets[0].getsockname()[1])
            self._last = await self._launcher.places()
            self._served = serves
            return self._last

    async def _see(self) -> None:
        await self._places()
        self._note()

    def _note(self) -> None:
        """Take note of what runs where."""
        used = {key: node.place for key, node in self._nodes.items()}
        places = {**{place.key: place for place in self._last}, **used}
        self.known = sorted(map(self._seen, places.values()), key=lambda node: node.name)

    def _seen(self, place: Place) -> Node:
        node = self._nodes.get(place.key)
        if node is None:
            return Node(place.name, (), place.cores)
        return Node(place.name, tuple(sorted(node.hosts)), place.cores, node.round_trip)

    async def _choose(self, wanted: str | None) -> _Node:
        places = await self._places()
        self._names |= {place.name for place in places}
        if wanted is not None:
            places = await self._called(wanted, places)
        if not places:
            raise PlacementError("the cluster has no nodes now: start a worker of it")
        # One that was silent may be cut off still, though its cluster has not noticed.
        since = time.monotonic() - 10 * self._silence
        self._silent = {key: at for key, at in self._silent.items() if at > since}
        place = min(
            places,
            key=lambda place: (place.key in self._silent, self._load(place), place.name),
        )
        node = self._nodes.get(place.key)
        if node is None:
            node = self._nodes[place.key] = _Node(place, f"node-{secrets.token_hex(4)}")
        return node

    async def _called(self, wanted: str, places: list[Place]) -> list[Place]:
        """The nodes of a name; one that was there is waited for, as it may be starting anew."""
        until = time.monotonic() + _RETURNS
        while not (found := [place for place in places if place.name == wanted]):
            if wanted not in self._names or time.monotonic() > until:
                there_are = ", ".join(sorted(place.name for place in places)) or "none"
                raise PlacementError(f'no node is called "{wanted}"; there are: {there_are}')
            await asyncio.sleep(_LOOK)
            places = await self._places()
        return found

    def _load(self, place: Place) -> float:
        node = self._nodes.get(place.key)
        return 0 if node is None else len(node.hosts) / (place.cores or 1)

    async def _join(self, node: _Node) -> None:
        """Make sure that an agent runs on a node, and has dialled."""
        if node.joined is None:
            node.joined = asyncio.get_running_loop().create_future()
            node.joined.add_done_callback(lambda done: done.exception())
            node.running = self._task(self._run_agent(node))
        await asyncio.shield(node.joined)

    async def _run_agent(self, node: _Node) -> str:
        assert self._address is not None  # noqa: S101 - we listen before we choose a node
        secret = secrets.token_hex(32)
        self._secrets[secret] = node
        errand = Errand(
            self._address,
            await asyncio.to_thread(self.authority.issue, node.name),
            secret,
            node.place.host,
            self._silence,
            self._preload,
        )
        timer = asyncio.get_running_loop().call_later(_ARRIVES, self._is_late, node)
        try:
            why = await self._launcher.run(node.place.key, errand.text)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        finally:
            timer.cancel()
            self._secrets.pop(secret, None)
        if node.writer is None:
            self._lose(node, f'its node "{node.place.name}" could not be used: {why}')
        return why

    def _is_late(self, node: _Node) -> None:
        if node.writer is None:
            self._silent[node.place.key] = time.monotonic()
            host, port = self._address or ("", 0)
            self._lose(
                node,
                f'no agent on the node "{node.place.name}" has dialled {host}:{port} within'
                f" {_ARRIVES:g} s: can that machine reach this one there?",
            )

    def _lose(self, node: _Node, why: str) -> None:
        """A node is given up, and with it all its hosts."""
        if node.over:
            return
        node.over = True
        if self._nodes.get(node.place.key) is node:
            del self._nodes[node.place.key]
        self._last = [place for place in self._last if place.key != node.place.key]
        if node.joined is not None and not node.joined.done():
            node.joined.set_exception(PlacementError(why))
        if node.running is not None and not self._stopping.is_set():
            node.running.cancel()
        if node.writer is not None:
            node.writer.transport.abort()
        for number in list(node.hosts):
            host = self.hosts.get(number)
            if host is not None:
                self._end(host, Ended(number, None, why))
        self._note()

    # What agents say.

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody has dialled."""
        if self._callers >= _MOST_CALLERS:
            writer.transport.abort()
            return
        self._callers += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                hello, _ = await next_record(reader)
        except (TimeoutError, EOFError, OSError, RemoteProtocolError):
            writer.transport.abort()
            return
        finally:
            self._callers -= 1
        node = self._welcome(hello, writer)
        if node is None:
            writer.close()
            return
        task = self._task(self._listen(node, reader))
        with suppress(asyncio.CancelledError):
            await task

    def _welcome(self, hello: Record, writer: asyncio.StreamWriter) -> _Node | None:
        """Let an agent in, if it is one that was sent for."""
        secret = hello.get("secret")
        node = self._secrets.pop(secret, None) if isinstance(secret, str) else None
        shown = peer_of(writer.get_extra_info("peercert"))
        if hello["kind"] != "hello" or node is None or node.over or shown != named(node.name):
            writer.write(packed({"kind": "refused", "why": "nobody has sent for it"}))
            return None
        installed = hello.get("rpclab")
        if installed != version():
            why = (
                f"rpclab {preview(installed)} is installed there, and {version()!r} here; they"
                " have to be the same"
            )
            writer.write(packed({"kind": "refused", "why": why}))
            self._lose(node, f'its node "{node.place.name}" could not be used: {why}')
            return None
        writer.write(packed({"kind": "welcome"}))
        node.writer, node.heard = writer, time.monotonic()
        self._silent.pop(node.place.key, None)
        if node.joined is not None and not node.joined.done():
            node.joined.set_result(None)
        return node

    async def _listen(self, node: _Node, reader: asyncio.StreamReader) -> None:
        name, why = node.place.name, ""
        try:
            while True:
                wait = node.heard + self._silence - time.monotonic()
                async with asyncio.timeout(max(0.0, wait)):
                    record, size = await next_record(reader)
                self._take(node, record, size)
        except TimeoutError:
            self._silent[node.place.key] = time.monotonic()
            why = (
                f'nothing was heard of its node "{name}" for {self._silence:g} s (silence_seconds),'
                " so it was given up"
            )
        except (EOFError, OSError):
            why = f'its node "{name}" was lost'
            why += await self._explain(node)
        except (RemoteProtocolError, KeyError, TypeError, ValueError) as error:
            why = f'its node "{name}" broke the rules: {error}'
        self._lose(node, why)

    async def _explain(self, node: _Node) -> str:
        """What the cluster knows of the end of a node; it may notice later than we do.

        Where the node is there still, it knows how the agent has ended.
        """
        why = ""
        with suppress(Exception):
            async with asyncio.timeout(_EXPLAINED):
                while not (why := await self._launcher.why_lost(node.place.key)):
                    if node.running is not None and node.running.done():
                        why = node.running.result()
                        break
                    await asyncio.sleep(_STEP)
        return f": {why}" if why else ""

    def _take(self, node: _Node, record: Record, size: int) -> None:
        """Take what an agent says.

        Raises:
            RemoteProtocolError: it may not say that.
        """
        kind = record["kind"]
        if kind == "renew":
            self._renew(node, record)
            return
        number = record.get("number")
        if type(number) is not int:
            raise RemoteProtocolError(f"no record of a node: {preview(record)}")
        host = self.hosts.get(number)
        if host is None or host.node is not node:
            return  # it was given up meanwhile
        self.records += 1
        match record:
            case {"kind": "from", "record": {"kind": "store"} as asked}:
                answer = self.answer(number, asked)
                if answer is not None:
                    self._tell(number, answer)
            case {"kind": "from", "record": dict(said)} if type(said.get("kind")) is str:
                self._hand_on(size, partial(host.heard.record, said))
            case {"kind": "output", "stream": str(stream), "data": bytes(data)} if (
                stream in _STREAMS
            ):
                self._hand_on(size, partial(host.heard.output, stream, data))
            case {"kind": "lost"}:
                self._hand_on(size, host.heard.lost)
            case {"kind": "placed", "port": int(port)}:
                host.address = (node.place.host, port)
            case {"kind": "ended", "status": None | int() as status, "why": str(why)}:
                self._end(host, Ended(number, status, why))
            case _:
                raise RemoteProtocolError(f"no record of a node: {preview(record)}")

    def _renew(self, node: _Node, record: Record) -> None:
        match record:
            case {"count": int(count), "computed": list(computed), "round_trip": taken}:
                node.heard = time.monotonic()
                node.send({"kind": "renewed", "count": count})
            case _:
                raise RemoteProtocolError(f"no record of a node: {preview(record)}")
        if isinstance(taken, float):
            node.round_trip = taken
        for number, ticks in computed:
            host = self.hosts.get(number)
            if host is not None and host.node is node and isinstance(ticks, float):
                host.computed = ticks

    def _hand_on(self, size: int, function: Callable[[], None]) -> None:
        """Have the program take something; where much waits for it, hosts are not read."""

        def take() -> None:
            self.taken(size)
            function()

        with self._lock:
            self._waiting += size
            begins = self._waiting > _MOST_WAITING and not self._holds
            self._holds = self._holds or begins
        if begins:
            self._send_all({"kind": "hold"})
        self._post(take)
