"""The hosts of a sandbox: who runs where, the ways between them, and what becomes of both.

Floor: sandbox. Loaded by the first Worker that is placed. The sandbox is the one that knows: it
starts hosts, introduces them to one another, says what each may bind, and finds out why one ended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sys
import tempfile
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from rpclab.core.answers import Answer
from rpclab.core.hooks import TargetHook, call_on
from rpclab.core.imports import PENDING, Import, Pending
from rpclab.errors import DisconnectedError, PlacementError, RemoteProtocolError
from rpclab.net.loops import running_loop
from rpclab.placement.bound import granted_of, hook_of, is_granted
from rpclab.placement.declared import DaskCluster, Nodes
from rpclab.placement.engine import End
from rpclab.placement.hosts import Host
from rpclab.placement.listing import KERNEL_ROW, PROCESSES_ROW, PlacedNode, PlacedNodes
from rpclab.placement.placed import PlacedWorker
from rpclab.placement.processes import ProcessEngine
from rpclab.placement.stores import KeptStore
from rpclab.placement.ways import Callers, PlacedSession, SpreadSession, Way
from rpclab.workers.declarations import NOTEBOOK, BindingTarget
from rpclab.workers.objects.namespace import ObjectsTarget
from rpclab.workers.storage.leased_namespace import LEASE_SECONDS, this_node
from rpclab.workers.storage.sql_stores import SqliteStore
from rpclab.workers.worker import EntrypointHook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpclab.core.hooks import Delivery, Hook
    from rpclab.core.session import Session
    from rpclab.placement.declared import Processes
    from rpclab.placement.doors import Door
    from rpclab.placement.engine import Ended, Node, PlacementEngine, Record
    from rpclab.placement.ways import Granted
    from rpclab.sandbox import Sandbox
    from rpclab.workers.worker import Worker

EngineKey = tuple[str, ...] | DaskCluster
"""What an engine is for: processes that have loaded the same modules, or a cluster."""

_HOME = 2**31  # the slot of a way that begins in this process, too
_LEAVES = 5.0  # seconds in which a process lets its Durable Objects go
_EXPLAINED = 1.0  # seconds in which the end of a host is known, after that of its socket
_EXPLAINED_FAR = 4.0  # likewise, on a node of a cluster


class Programs:
    """The hosts of a sandbox, and its ways to them.

    Args:
        sandbox: whose Workers they run.

    Attributes:
        hosts: those that run, by number.
    """

    door: Door | None = None  # it dials all that are elsewhere

    def __init__(self, sandbox: Sandbox) -> None:
        self.hosts: dict[int, Host] = {}
        self._sandbox = sandbox
        self._engine = sandbox.engine
        self._engines: dict[EngineKey, Any] = {}
        self._callers = Callers(self._engine)
        self._ways: dict[tuple[str, str, int], Way] = {}
        self._moving: dict[str, Worker] = {}
        self._held: dict[str, list[Callable[[], None]]] = {}
        self._turns: dict[str, asyncio.Lock] = {}
        self._joined: dict[int, tuple[Host, Host | None]] = {}
        self._left: set[Way] = set()  # whose bindings have gone to others
        self._opened: WeakSet[Way] = WeakSet()
        self._leading: dict[Host, set[Way]] = {}
        self._last_host = 0
        self._last_way = 0
        self._turn = 0
        self._kept: KeptStore | None = None
        self._shared: list[Any] = []
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._engine.elsewhere = self._session

    # Hosts.

    def busy(self) -> list[Host]:
        """The hosts that calls from here are under way to."""
        return [
            host
            for host, ways in self._leading.items()
            if any(way.is_open and way.session.busy() for way in ways)
        ]

    def start(self, name: str, order: Record, placed: Processes) -> Host:
        """Start a host, which begins to run the code of a Worker.

        Raises:
            PlacementError: it cannot be started.
        """
        engine = self._engine_for(placed)
        number = self._last_host = self._last_host + 1
        host = Host(number, name, placed, engine, self, _grants_of(order))
        node = placed.node if isinstance(placed, Nodes) else None
        host.line = engine.place(number, host, placed.bounds, node)
        self.hosts[number] = host
        self._leading[host] = set()
        cause = self._callers.number_of(copy_context())
        bounds = [*placed.bounds]
        around = _surroundings(far=engine.far)
        shared = self._shared_by(name, engine)
        first = {**order, **around, "bounds": bounds, "cause": cause, "shared": shared}
        host.line.send(first)
        if running_loop() is not None:
            host.attach()
        return host

    def _engine_for(self, placed: Processes) -> PlacementEngine:
        key: EngineKey = placed.preload
        if isinstance(placed, Nodes):
            key = placed.cluster or self._used_cluster() or DaskCluster()
        engine = self._engines.get(key)
        if engine is None:
            engine = self._engines[key] = _make_engine(key, placed, self.answer)
            engine.watch(self._host_ended)
        return engine

    def _used_cluster(self) -> DaskCluster | None:
        """The cluster that was used first, for those who do not say which they mean."""
        return next((key for key in self._engines if isinstance(key, DaskCluster)), None)

    def _shared_by(self, name: str, engine: PlacementEngine) -> list[Any] | None:
        """Where the Durable Objects of a host store, if that is no folder.

        Returns:
            The address of a store, or None for the one that we keep; what the host is called in
            its leases; and how many seconds these last.
        """
        shared = self._sandbox._shared_objects
        address = None if shared is None else shared.address
        if shared is not None and address is not None:
            return [address, f"{shared.node}/{name}", shared.lease_seconds]
        return None if isinstance(engine, ProcessEngine) else [None, name, LEASE_SECONDS]

    def answer(self, number: int, asked: Record) -> Record | None:
        """Answer what a host asks of the store of its Durable Objects; in the thread of the nodes.

        Raises:
            RemoteProtocolError: it may not ask that.
        """
        host = self.hosts.get(number)
        if host is None:
            return None
        if self._kept is None:
            folder = Path(self._sandbox.storage or self.scratch())
            self._kept = KeptStore(SqliteStore(folder / "cluster.sqlite"), this_node())
        return self._kept.answer(host.worker, asked)

    def nodes(self) -> dict[DaskCluster, list[Node]]:
        """The nodes of the clusters that are used; each is asked."""
        return {
            key: engine.look()
            for key, engine in self._engines.items()
            if isinstance(key, DaskCluster)
        }

    def node_names(self) -> list[str]:
        """The names of these nodes, as they were last seen."""
        clusters = [each for key, each in self._engines.items() if isinstance(key, DaskCluster)]
        return [node.name for engine in clusters for node in engine.nodes()]

    def on_node(self, name: str, worker: str) -> Nodes | None:
        """How a Worker is placed on a node of a cluster that is used; None if none is called so."""
        for cluster, nodes in self.nodes().items():
            if any(node.name == name for node in nodes):
                now = getattr(self._sandbox.worker(worker), "placement", None)
                kept = now if isinstance(now, Nodes) else Nodes()
                return replace(kept, cluster=cluster, node=name)
        return None

    def _host_ended(self, ended: Ended) -> None:
        host = self.hosts.pop(ended.number, None)
        if host is not None:
            host.has_ended(ended)

    def over(self, host: Host) -> None:
        """A host has ended: everything that came from it breaks, at once, with the reason."""
        self.hosts.pop(host.number, None)
        why = host.why or DisconnectedError("a process ended")
        worker = self._sandbox.workers.get(host.worker)
        if isinstance(worker, PlacedWorker) and host in worker.hosts:
            worker.hosts[worker.hosts.index(host)] = None
        for way in list(self._leading.pop(host, ())):
            if way.is_open:
                self._left.add(way)
                self.bound_anew(way, way.leave())
            way.end_when_read(why)
        for number, (one, other) in list(self._joined.items()):
            if host in (one, other):
                del self._joined[number]
                left = other if one is host else one
                if left is not None:
                    left.line.send({"kind": "lost", "way": number, "why": str(why)})

    def printed(self, host: Host, stream: str, text: str, cause: int) -> None:
        """The code of a Worker has printed something."""
        variables = self._callers.variables_of(cause) or Context()
        tell = self._sandbox.tell_printed or _print
        variables.copy().run(tell, host.worker, stream, text)

    def logged(self, host: Host, record: Record) -> None:
        """It has logged something: it is logged here."""
        logger = logging.getLogger(record["name"])
        if not logger.isEnabledFor(record["level"]):
            return
        made = logger.makeRecord(
            record["name"],
            record["level"],
            record["file"],
            record["line"],
            record["text"],
            (),
            None,
        )
        made.processName = host.worker
        if isinstance(record.get("traceback"), str):
            made.exc_text = record["traceback"]
        variables = self._callers.variables_of(record["cause"]) or Context()
        variables.copy().run(logger.handle, made)

    # Workers.

    def scratch(self) -> str:
        """A folder for what Durable Objects store that have none; it goes with the sandbox."""
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="rpclab-")
        return self._scratch.name

    def share(self, resource: Any) -> str:
        """Keep what stays in this program and Workers elsewhere may be bound to. Gives its key."""
        if resource not in self._shared:
            self._shared.append(resource)
        return str(self._shared.index(resource))

    def shared(self, key: str) -> Any:
        """What has that key."""
        return self._shared[int(key)]

    def deployed(self, worker: PlacedWorker, before: Any, *, moves: bool) -> None:
        """A version of a Worker runs in hosts from now on.

        Args:
            worker: the version.
            before: the one before, if there is one.
            moves: whether that is drained, so that its Durable Objects leave then.
        """
        name = worker.name
        if not moves:
            self.let_objects_go(name, before)
        self._settle_bindings(name, before)
        self._retire(before)

    def came_home(self, name: str, before: Worker) -> None:
        """A Worker runs in the sandbox from now on."""
        for running in self._sandbox.running_classes(name):
            running.away = None
        self.let_objects_go(name, before)
        self._settle_bindings(name, before)
        self._retire(before)

    def let_objects_go(self, name: str, before: Any) -> None:
        """Have an object run in one place alone: what it has stored is open in one process."""
        if isinstance(self._sandbox.workers.get(name), PlacedWorker):
            for running in self._sandbox.running_classes(name):
                if not isinstance(before, PlacedWorker):
                    running.leave()
                running.away = partial(self._forward_object, name, running.class_name)
        if isinstance(before, PlacedWorker) and before.objects:
            for host in before.hosts:
                if host is not None and host.why is None and not host.has_left:
                    host.leave(_LEAVES)

    def _retire(self, before: Any) -> None:
        if isinstance(before, PlacedWorker):
            for host in before.hosts:
                if host is not None:
                    host.retire()

    def put_aside(self, name: str, before: PlacedWorker) -> None:
        """Let calls to a Worker that are made from now on wait, while they are held."""
        self._settle_bindings(name, before)

    def _settle_bindings(self, name: str, before: Any) -> None:
        """Have all bindings to a Worker lead to where it runs now."""
        moved: list[tuple[str, int, list[tuple[Import, Granted]]]] = []
        for key in [key for key in self._ways if key[1] == name]:
            way = self._ways.pop(key)
            if way.is_open:
                moved.append((way.here, way.slot, way.leave()))
                self._let_go(way, DisconnectedError(f"{name} runs elsewhere now"))
        if not isinstance(before, PlacedWorker):
            moved += [(here, 0, found) for here, found in self._in_memory(name)]
        for here, slot, entries in moved:
            self._rebind(here, name, slot, entries)
        for host in self.hosts.values():
            if host.worker != name:
                host.line.send({"kind": "moved", "workers": [name]})

    def _let_go(self, way: Way, why: BaseException) -> None:
        if way.session.idle:
            way.session.put()
            way.session.close(why)
        else:
            self._left.add(way)
            way.retire(why)

    def _in_memory(self, name: str) -> list[tuple[str, list[tuple[Import, Granted]]]]:
        """Take the bindings to a Worker off the sessions that lead to it in this process."""
        found = []
        for session in list(self._engine.sessions()):
            here, _, there = session.name.partition("→")
            peer = session.peer
            if there != name or here == name or peer is None:
                continue
            moved = []
            for number, entry in list(session.imports.items()):
                granted = granted_of(peer.exports.get(number))
                if granted is not None and type(entry) is Import:
                    # Calls that are on their way still find it, and go on from there.
                    del session.imports[number]
                    session.give_back(number)
                    moved.append((entry, granted))
            if not session.imports and not peer.imports:
                self._engine.part(session)
                self._engine.part(peer)
            found.append((here, moved))
        return found

    def _rebind(self, here: str, name: str, slot: int, moved: list[tuple[Import, Granted]]) -> None:
        session = self._session_of(here, name, slot)
        if isinstance(session, PlacedSession):
            session.take(moved)
            return
        near = self._engine.session(here, name)
        if near.peer is None:
            return
        for entry, granted in moved:
            entry.session = near
            entry.id = near.peer.introduce(hook_of(self._sandbox, name, granted))
            near.imports[entry.id] = entry

    def turn(self, name: str) -> asyncio.Lock:
        """The lock under which a Worker moves: one move at a time."""
        return self._turns.setdefault(name, asyncio.Lock())

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Let the calls to a Worker wait that are made in a block, wherever it runs in the end.

        Those that it makes on itself belong to calls that are under way, and run where it was.
        """
        held = self._held.setdefault(name, [])
        self._moving[name] = self._sandbox.worker(name)
        try:
            yield
        finally:
            self._moving.pop(name, None)
            if self._held.get(name) is held:
                del self._held[name]
            for go_on in held:
                go_on()

    def is_asking(self, host: Host) -> bool:
        """Whether a call that was made here to what runs in a host has no answer yet."""
        return any(way.session.is_asking for way in self._leading.get(host, ()))

    def answering_here(self, name: str) -> list[Answer]:
        """The calls under way to a Worker that runs, or ran, in this process."""
        answers = [
            hook
            for session in self._engine.sessions()
            if session.name.partition("→")[0] == name
            for hook in session.exports.values()
            if isinstance(hook, Answer)
        ]
        # Calls from outside that came by no session, as HTTP may.
        visits = self._engine.visits
        answers += [each for each in visits if each.context and each.context.worker == name]
        return [each for each in answers if each.state == PENDING and not _goes_on(each)]

    def cut_off(self, name: str, error: BaseException) -> None:
        """Reject the calls to a Worker that are under way in this process."""
        for answer in self.answering_here(name):
            answer.interrupt(error)

    def _forward_object(self, name: str, class_name: str, id: Any, call: Delivery) -> None:
        """Hand a call on a Durable Object on that ran in the sandbox when the call was made."""
        namespace = self._sandbox.namespace(NOTEBOOK, ObjectsTarget(name, class_name))
        entry = namespace.get(id).__handle__.entry
        if entry is not None:
            call_on(call, entry.session, entry.call)

    def forward(
        self,
        name: str,
        entrypoint: str,
        props: dict[str, Any],
        validate: bool | None,  # noqa: FBT001 - as it was declared
        call: Delivery,
    ) -> None:
        """Hand a call on to a Worker that ran in the sandbox when the call was made."""
        before, session = self._moving.get(name), call.answer.session
        if before is not None and session is not None and session.name == f"{name}→{name}":
            hook = EntrypointHook(lambda: before, entrypoint, props, validate=validate)
            hook.start(call)
            return
        target = BindingTarget(name, entrypoint, props, validate)
        entry = self._sandbox._bind(NOTEBOOK, target).__handle__.entry
        if entry is not None:
            call_on(call, entry.session, entry.call)

    # Ways (see `ways.Owner`).

    def _session(self, here: str, there: str) -> Session | None:
        return self._session_of(here, there, 0)

    def _session_of(self, here: str, there: str, slot: int) -> PlacedSession | None:
        worker = self._sandbox.workers.get(there)
        if not isinstance(worker, PlacedWorker) or here == there:
            return None
        way = self._ways.get((here, there, slot))
        if way is None or not way.is_open:
            way = self._way(here, there, slot)
        return way.session

    def _way(self, here: str, there: str, slot: int) -> Way:
        if self._engine.guest is not None:
            raise PlacementError(
                f'"{there}" runs in a process of its own, where the virtual clock of the sandbox'
                ' does not hold: use Sandbox(clock="real")'
            )
        called, number = self._engine.unused(here, there), 1
        while any(way.session.label == f"{here}→{called}" for way in self._left):
            number += 1
            called = self._engine.unused(here, f"{there} ({number})")
        worker = self._sandbox.workers.get(there)
        options: dict[str, Any] = {}
        if isinstance(worker, PlacedWorker):
            options["most_calls"] = worker.placement.calls
            if worker.placement.count > 1 and slot == 0:
                options["kind"] = SpreadSession
        way = Way(self._engine, self, self._callers, here, there, called, slot, **options)
        self._opened.add(way)
        self._ways[here, there, slot] = way
        return way

    def meet(self, way: Way) -> None:
        """A way has something to send: join it to a host of its Worker, which may have to start."""
        if way.there in self._held:
            self._held[way.there].append(partial(self.meet, way))
            return
        if not isinstance(self._sandbox.workers.get(way.there), PlacedWorker):
            self._lead_home(way)
            return
        try:
            host = self._host_of(way.there, way.slot)
        except Exception as error:
            self._engine.again(partial(way.end, error))
            return
        host.when_settled(partial(self._engine.again, partial(self._lead, way, host)))

    def _host_of(self, name: str, slot: int) -> Host:
        """The host in a slot of a Worker; it is started where none runs.

        Raises:
            PlacementError: it cannot be, or the Worker runs in none any more.
        """
        worker = self._sandbox.workers.get(name)
        if not isinstance(worker, PlacedWorker):
            raise DisconnectedError(f"{name} runs elsewhere now")
        host = worker.hosts[slot % len(worker.hosts)]
        if host is None or host.has_failed:
            host = self.start(name, worker.order, worker.placement)
            worker.hosts[slot % len(worker.hosts)] = host
            self._give_up_late(host)
        host.attach()
        return host

    def _give_up_late(self, host: Host) -> None:
        loop = asyncio.get_running_loop()

        def look() -> None:
            if not host.settled:
                host.give_up()

        timer = loop.call_later(host.placed.start_seconds, look)
        host.when_settled(timer.cancel)

    def _lead(self, way: Way, host: Host) -> None:
        try:
            host.outcome()
        except BaseException as error:
            way.end(_not_started(host, error))
            return
        if way.is_open and (host.retiring or way.there in self._held):
            self.meet(way)  # nothing of it was sent: it goes where the Worker runs now
            return
        if not way.is_open or host.why is not None:
            way.end(host.why or DisconnectedError("the process ended"))
            return
        try:
            here, there = host.engine.join(None, host.number)
        except PlacementError as error:
            way.end(error)
            return
        number = self._joining(host, None)
        host.line.send(_join(number, way.here, there.words, None, dialled=False), there.socket)
        self._leading[host].add(way)
        way.host = host
        way.attach(here, number, dialled=True)

    def _lead_home(self, way: Way) -> None:
        """Calls have waited for a Worker that runs in this process now: this is where they go."""
        called = self._engine.unused(way.there, way.here)
        home = Way(self._engine, self, self._callers, way.there, way.here, called, _HOME)
        self._opened.add(home)
        try:
            here, there = (End({}, each) for each in socket.socketpair())
        except OSError as error:
            way.end(PlacementError(f"no socket can be opened: {error.strerror}"))
            home.end(DisconnectedError("it was not opened"))
            return
        self._last_way += 2
        home.attach(there, self._last_way - 1, dialled=False)
        way.attach(here, self._last_way, dialled=True)

    def asked_for(self, host: Host, there: str) -> None:
        """A host needs a way to another Worker, which is where the sandbox knows."""
        if not host.granted(there):
            self._refuse(host, there, DisconnectedError(f"{host.worker} is not bound to {there}"))
            return
        if there in self._held:
            self._held[there].append(partial(self.asked_for, host, there))
            return
        worker = self._sandbox.workers.get(there)
        if isinstance(worker, PlacedWorker):
            self._turn += 1
            try:
                other = self._host_of(there, self._turn % len(worker.hosts))
            except Exception as error:
                self._refuse(host, there, error)
                return
            other.when_settled(partial(self._introduce, host, other))
            return
        try:
            here, far = host.engine.join(None, host.number)
        except PlacementError as error:
            self._refuse(host, there, error)
            return
        number = self._joining(host, None)
        way = self._way(there, host.worker, -number)
        host.line.send(_join(number, there, far.words, [], dialled=True), far.socket)
        self._leading[host].add(way)
        way.host = host
        way.attach(here, number, dialled=False)

    def _introduce(self, host: Host, other: Host) -> None:
        """Join two hosts, of which the first has asked for it."""
        try:
            other.outcome()
        except BaseException as error:
            self._refuse(host, other.worker, _not_started(other, error))
            return
        if host.why is not None:
            return
        if other.retiring or other.worker in self._held:
            self.asked_for(host, other.worker)
            return
        try:
            one, two = _joiner(host, other).join(host.number, other.number)
        except PlacementError as error:
            self._refuse(host, other.worker, error)
            return
        number = self._joining(host, other)
        grants, back = host.granted(other.worker), other.granted(host.worker)
        record = _join(number, other.worker, one.words, back, dialled=True)
        host.line.send(record, one.socket)
        record = _join(number, host.worker, two.words, grants, dialled=False)
        other.line.send(record, two.socket)

    def _refuse(self, host: Host, there: str, error: BaseException) -> None:
        """The way that a host has asked for leads nowhere."""
        number = self._joining(host, None)
        try:
            here, far = host.engine.join(None, host.number)
        except PlacementError:
            here = far = End({})
        if here.socket is not None:
            here.socket.close()
        host.line.send(_join(number, there, far.words, [], dialled=True), far.socket)
        host.line.send({"kind": "lost", "way": number, "why": str(error)})

    def _joining(self, host: Host, other: Host | None) -> int:
        number = self._last_way = self._last_way + 1
        self._joined[number] = host, other
        return number

    def given_up(self, way: Way, call: int, what: str) -> None:
        """A call from here was given up."""
        if way.host is not None and way.number is not None:
            way.host.given_up(way.number, call, what, self._waits)

    def late(self, host: Host, number: int, call: int, what: str) -> None:
        """A call of one host to another one was given up."""
        others = [each for each in self._joined.get(number, ()) if each not in (None, host)]
        for other in others:
            other.given_up(number, call, what, self._waits)

    def _waits(self, host: Host) -> list[Callable[[], bool]]:
        """The calls that a host has now: whether somebody still waits for each.

        What other hosts wait for they alone know.
        """
        if any(host in pair and None not in pair for pair in self._joined.values()):
            return [lambda: True]
        ways = self._leading.get(host, ())
        return [still for way in ways for still in way.session.asked()]

    def granted(self, way: Way, granted: Granted) -> Hook:
        """Give what a host is bound to here, if it was declared."""
        if way.slot != _HOME and not is_granted(granted, way.host.granted(way.here)):
            raise RemoteProtocolError(f"{way.there} is bound to nothing of the kind")
        if granted[0] == "held":
            return self._held_hook(granted[1])
        return hook_of(self._sandbox, way.here, granted)

    def _held_hook(self, key: str) -> Hook:
        from rpclab.placement.resources import held  # noqa: PLC0415 - for those who have some

        return TargetHook(held(self.shared(key)), self._engine.keeper(NOTEBOOK))

    def bound_anew(self, way: Way, moved: list[tuple[Import, Granted]]) -> None:
        """A way is over, and its bindings live on: the next call on one starts the Worker anew."""
        if self._ways.get((way.here, way.there, way.slot)) is way:
            del self._ways[way.here, way.there, way.slot]
        self._rebind(way.here, way.there, way.slot, moved)

    def leave(self, way: Way) -> None:
        """A host wants to go: what is bound to it leads to where the Worker runs now."""
        key = way.here, way.there, way.slot
        if way.slot >= 0 and self._ways.get(key) is way:
            self.bound_anew(way, way.leave())
            self._let_go(way, DisconnectedError(f"{way.there} runs elsewhere now"))

    def known(self, way: Way, granted: Granted) -> Hook | None:
        """What a binding leads to, as its host has told."""
        return hook_of(self._sandbox, way.there, granted)

    def siblings(self, way: Way) -> list[PlacedSession]:
        """The sessions with all processes of a Worker."""
        worker = self._sandbox.workers.get(way.there)
        count = worker.placement.count if isinstance(worker, PlacedWorker) else 1
        found = [self._session_of(way.here, way.there, slot) for slot in range(1, count)]
        return [way.session, *filter(None, found)]

    def said(self, way: Way, number: int) -> None:
        """A host has printed something before what follows on a way: that waits for it.

        On a node, what it prints comes by another way than what it answers.
        """
        host = way.host
        if host is None:
            return
        host.line.catch_up()
        if not host.has_said(number):
            way.hold()
            host.when_said(number, way.go_on)

    def lost(self, way: Way, error: BaseException) -> None:
        """A socket is gone; the end of the host that comes with it says why."""
        host = way.host
        if host is not None and host.why is not None:
            way.end(host.why)
        else:
            local = host is None or isinstance(host.engine, ProcessEngine)
            seconds = _EXPLAINED if local else _EXPLAINED_FAR
            asyncio.get_running_loop().call_later(seconds, way.end, error)

    def parted(self, way: Way) -> None:
        """A way is over."""
        self._left.discard(way)
        if self._ways.get((way.here, way.there, way.slot)) is way:
            del self._ways[way.here, way.there, way.slot]
        if way.host is not None:
            self._leading.get(way.host, set()).discard(way)
        if way.number is not None:
            self._joined.pop(way.number, None)

    # The end.

    def close(self) -> None:
        """End all hosts."""
        self._engine.elsewhere = None
        for way in list(self._left):
            way.session.close(DisconnectedError("the sandbox was closed"))
        for way in self._opened:
            way.abort()
        for host in list(self.hosts.values()):
            if host._timer is not None:
                host._timer.cancel()
        self.hosts.clear()
        for engine in self._engines.values():
            engine.close()
        self._engines.clear()
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None


def listed(sandbox: Sandbox, programs: Programs | None) -> PlacedNodes:
    """See `Placing.nodes`."""
    elsewhere = {
        name: worker for name, worker in sandbox.workers.items() if isinstance(worker, PlacedWorker)
    }
    here = tuple(name for name in sandbox.workers if name not in elsewhere)
    beside = tuple(
        name for name, worker in elsewhere.items() if not isinstance(worker.placement, Nodes)
    )
    found = PlacedNodes([PlacedNode(KERNEL_ROW, here, os.cpu_count(), None)])
    if beside:
        found.append(PlacedNode(PROCESSES_ROW, beside, os.cpu_count(), None))
    for nodes in ({} if programs is None else programs.nodes()).values():
        found += [
            PlacedNode(
                node.name,
                tuple(name for name, worker in elsewhere.items() if node.name in worker.nodes),
                node.cores,
                node.round_trip,
            )
            for node in nodes
        ]
    return found


def _goes_on(answer: Answer) -> bool:
    """Whether a call was handed on, and is under way elsewhere."""
    return isinstance(answer.running, Pending)


def _join(
    number: int, there: str, end: Record, grants: list[Granted] | None, *, dialled: bool
) -> Record:
    return {
        "kind": "join",
        "way": number,
        "there": there,
        "end": end,
        "grants": grants,
        "dialled": dialled,
    }


def _joiner(one: Host, other: Host) -> PlacementEngine:
    """The engine that joins two hosts; where one of them is on a node, its own knows how."""
    return one.engine if isinstance(other.engine, ProcessEngine) else other.engine


def _make_engine(
    key: EngineKey, placed: Processes, answer: Callable[[int, Record], Record | None]
) -> PlacementEngine:
    if not isinstance(key, DaskCluster):
        return ProcessEngine(key)
    from rpclab.placement.cluster import ClusterEngine  # noqa: PLC0415 - for those who have one
    from rpclab.placement.dask_cluster import DaskLauncher  # noqa: PLC0415

    made = ClusterEngine(DaskLauncher(key), silence_seconds=placed.silence_seconds)
    made.answer_with(answer)
    return made


def _surroundings(*, far: bool) -> Record:
    """What a host is to have as the program here has it; on another machine little."""
    if far:
        return {"path": None, "log_level": logging.getLogger().level}
    try:
        folder = str(Path.cwd())
    except OSError:  # it was deleted
        folder = ""
    return {
        "cwd": folder,
        "environ": dict(os.environ),
        "path": list(sys.path),
        "log_level": logging.getLogger().level,
    }


def _grants_of(order: Record) -> list[tuple[str, Granted]]:
    """What a Worker may bind of others, by their names."""
    found: list[tuple[str, Granted]] = [
        (worker, ["entrypoint", entrypoint, props, validate])
        for worker, entrypoint, props, validate in order["bind"].values()
    ]
    found += [(worker, ["object", name]) for worker, name in order["objects"].values()]
    return found + [(NOTEBOOK, ["held", key]) for key, _ in order["held"].values()]


def _not_started(host: Host, error: BaseException) -> BaseException:
    if isinstance(error, (DisconnectedError, PlacementError)):
        return error
    made = PlacementError(f'Worker "{host.worker}" could not be started again: {error}')
    made.__cause__ = error
    return made


def _print(_worker: str, stream: str, text: str) -> None:
    """Print what the code of a Worker has printed, as if it ran here."""
    print(text, end="", file=getattr(sys, stream), flush=True)
