"""The program of a child process: it runs one Worker, in a sandbox of its own.

Floor: sandbox. The other Workers are elsewhere, in the sandbox that has started it or in other
children. One line leads to that sandbox; a thread reads it, so that what it says counts also while
the Worker computes. When the line ends, so does the process.

What comes over the line (`kind`), the first record being the Worker, or `listen` and the Worker:

    listen      on a node of a cluster: the socket on which others dial it, and who it is
    worker      what to run, with all it needs (see `Child.deploy`)
    join        the socket of a way to another Worker; or how the two ends meet (see `doors`)
    lost        why a way is over, as the sandbox knows it
    moved       Workers that run elsewhere from now on
    ask         answer `alive`
    stored      the answer to a `store`
    turn        answer `turned`, from the loop
    look        answer `looked`: whether the code that runs now is late: its deadline has passed,
                or its call is one of those that were given up
    interrupt   stop the code of the Worker that computes now
    leave       let the Durable Objects go, and close their files; with `calls` when the calls that
                are under way are over. Answer `left`
    retire      end, once nothing is under way and nobody holds anything of it

What goes out: `met` (the code has run) or `failed`; `meet` (a way is needed); `late` (a call on
another Worker was given up); `out` and `log` (see `output`); `store` (of what objects store, see
`stores`); `alive`; `turned`; `looked`; `left`; `closing` (the process ends, as it was told to).
"""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import logging
import os
import queue
import resource
import signal
import socket
import sys
import threading
from collections import deque
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpclab.codecs.stored_values import pack
from rpclab.core.answers import Answer
from rpclab.core.imports import Handle, Import
from rpclab.core.limits import Limits
from rpclab.diagnostics import places as sites
from rpclab.errors import DisconnectedError, PlacementError, RemoteProtocolError, add_note
from rpclab.placement.bound import hook_of, is_granted
from rpclab.placement.doors import Door
from rpclab.placement.engine import End
from rpclab.placement.exits import crashed
from rpclab.placement.identities import Identity
from rpclab.placement.output import Logged, Printed
from rpclab.placement.records import Incoming, packed
from rpclab.placement.stores import AskedStore
from rpclab.placement.ways import Origins, PlacedSession, Way, origin
from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.deadlines import current_deadline
from rpclab.sandbox import Sandbox
from rpclab.workers.call_queue import Turns
from rpclab.workers.declarations import NOTEBOOK, BindingTarget
from rpclab.workers.interrupts import calls_in, error_for
from rpclab.workers.modules import run_cell, run_source
from rpclab.workers.network import Network
from rpclab.workers.other_processes import bind_elsewhere
from rpclab.workers.storage.leased_namespace import SharedObjects
from rpclab.workers.storage.limits import D1Limits, ObjectLimits

if TYPE_CHECKING:
    import types
    from collections.abc import Callable

    from rpclab.core.hooks import Delivery, Hook
    from rpclab.core.session import Session
    from rpclab.placement.engine import Record
    from rpclab.placement.ways import Granted
    from rpclab.workers.worker import Worker

_PATIENCE = 5.0  # seconds in which the sandbox says why a way is over
_RETRY = 0.01  # seconds until an interrupt is tried again
_TRIES = 50
_KNOWN = 0.9  # seconds in which other processes learn that this Worker has moved
_LOOKS = 0.5  # seconds in which the main thread says what runs there
_ROOM = 32 * 2**20  # bytes: of the stack of a thread, and of what a loop and an empty Worker take
_LOOK = 0.01  # seconds between two looks at whether a process that is to go has nothing to do


def run(line: socket.socket) -> int:
    """Run the Worker that the first record is, until it is told to end.

    Returns:
        The exit code.
    """
    incoming = Incoming(line)
    causes = Origins()
    sender = Sender(line, causes)
    send = sender.send
    first: list[tuple[Record, socket.socket | None]] = []
    while not any(record["kind"] == "worker" for record, _ in first):
        first += incoming.read()
    begin = next(place for place, (record, _) in enumerate(first) if record["kind"] == "worker")
    order, _ = first[begin]
    narrow = _bound(order)
    if narrow is not None:
        send({"kind": "failed", "error": pack(narrow)})
        return 0
    _settle_in(order, sender.say)
    child = Child(order, send, causes)
    return asyncio.run(child.main(incoming, [*first[:begin], *first[begin + 1 :]]))


class Sender:
    """Sends records to the sandbox, from any thread, in the order they are sent.

    Args:
        line: to the sandbox.
        causes: counts what is said.
    """

    def __init__(self, line: socket.socket, causes: Origins) -> None:
        self._line = line
        self._causes = causes
        self._lock = threading.RLock()  # a signal handler may print while the code prints

    def send(self, record: Record) -> None:
        """Send one. It waits while the sandbox does not read."""
        with self._lock:
            try:
                self._line.sendall(packed(record))
            except OSError:
                os._exit(1)  # there is nobody to run for

    def say(self, record: Record) -> None:
        """Send what was printed or logged: it is shown before what leaves after it."""
        self._causes.said += 1
        self.send(record)


def _bound(order: Record) -> PlacementError | None:
    """Bound what this process may use. Gives the error of a bound in which nothing can run."""
    memory, cpu = order["bounds"]
    taken = _address_space()
    if memory is not None and memory < taken + _ROOM:
        return PlacementError(
            f'Worker "{order["name"]}" did not start: memory_bytes={memory:,} is less than the'
            f" {taken + _ROOM:,} bytes of address space that a process takes before any code of"
            " a Worker has run there"
        )
    for kind, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, cpu)):
        if most is not None:
            # The soft bound of computing time is a signal that says so, the hard one kills.
            hard = most + 5 if kind == resource.RLIMIT_CPU else most
            with suppress(ValueError, OSError):  # a bound of the system's is lower
                resource.setrlimit(kind, (most, hard))
    return None


def _address_space() -> int:
    """How much address space this process takes, in bytes; 0 where that is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * resource.getpagesize()


def _settle_in(order: Record, send: Any) -> None:
    """Be like the program around: its folder, its environment, its ways to print and to log."""
    if order["path"] is not None:  # else it is another machine, which has its own
        with suppress(OSError):
            os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["environ"])
        sys.path[:] = order["path"]
    sys.argv[:] = [order["name"]]
    faulthandler.enable(2, all_threads=False)
    for stream, descriptor in (("stdout", 1), ("stderr", 2)):
        setattr(sys, stream, Printed(stream, send, descriptor))
    root = logging.getLogger()
    root.addHandler(Logged(send))
    root.setLevel(order["log_level"])


class Child:
    """The Worker of this process, and its ways to the others.

    Args:
        order: the Worker.
        send: sends records to the sandbox.
        causes: of the calls that it gets.

    Attributes:
        door: where others dial it, on a node of a cluster.
    """

    def __init__(self, order: Record, send: Any, causes: Origins) -> None:
        self.door: Door | None = None
        self._order = order
        self.name: str = order["name"]
        self._send = send
        self._origins = causes
        self._ways: dict[tuple[str, str], Way] = {}
        self._by_number: dict[int, Way] = {}
        self._all: set[Way] = set()  # those too whose bindings have gone to others
        self._asking: dict[str, deque[Way]] = {}  # by Worker, in the order they have asked
        self._loop: asyncio.AbstractEventLoop
        self._over = asyncio.Event()
        self._retiring = False
        self._store = AskedStore(send)
        self._interrupts = Interrupts(self._is_late)
        self._sandbox = Sandbox(
            limits=Limits(**order["limits"]),
            debug=order["debug"],
            network=Network(*order["network"]),
            validate=order["validate"],
            storage=order["storage"],
            shared_objects=self._shared(),
            d1_limits=D1Limits(**order["d1_limits"]),
            object_limits=ObjectLimits(**order["object_limits"]),
        )
        self._sandbox.engine.elsewhere = self._session
        self._sandbox.engine.carry_with_calls((origin,))

    def _shared(self) -> SharedObjects | None:
        """Where Durable Objects are stored, if that is no folder."""
        shared = self._order["shared"]
        if shared is None:
            return None
        address, node, seconds = shared
        return SharedObjects(self._store if address is None else address, node, seconds)

    async def main(self, incoming: Incoming, rest: list[Any]) -> int:
        """Run the code of the Worker, and serve it until the end. Gives the exit code."""
        self._loop = asyncio.get_running_loop()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Printed):
                stream.soon = self._loop.call_soon_threadsafe
        signal.signal(signal.SIGINT, self._interrupts)
        self._sandbox.engine.attend(self._loop)
        for record, handed in rest:
            if record["kind"] == "listen" and handed is not None:
                self.door = Door(Identity(*record["identity"]))
                await self.door.open(handed)
            else:
                self._take(record, handed)
        threading.Thread(target=self._listen, args=[incoming], daemon=True).start()
        origin.set(self._order["cause"])
        try:
            worker = await self.deploy()
        except BaseException as error:
            self._fail(error)
            return 0
        self._send({"kind": "met", **describe(worker)})
        await self._over.wait()
        self._sandbox.close()
        sys.stdout.flush()
        sys.stderr.flush()
        self._send({"kind": "closing"})
        return 0

    async def deploy(self) -> Worker:
        """Run the code of the Worker.

        Raises:
            BaseException: whatever it raises.
        """
        order, sandbox = self._order, self._sandbox
        filename = order["filename"]
        if order["called"]:
            sites.names[filename] = order["called"]
        bind = {
            variable: BindingTarget(worker, entrypoint, props, validate)
            for variable, (worker, entrypoint, props, validate) in order["bind"].items()
        }
        held = self._held(order["held"])
        module, env = sandbox.prepare(
            self.name,
            vars=order["vars"],
            json=order["json"],
            bind=bind,
            d1={**order["d1"], **held[0]},
            kv=held[1],
            objects={variable: "#".join(of) for variable, of in order["objects"].items()},
            folder=order["folder"],
        )
        object.__setattr__(env, "__secret__", frozenset(order["secrets"]))
        if order["awaits"]:
            await run_cell(module, order["source"], filename)
        else:
            run_source(module, order["source"], filename)
        turns = None if order["turns"] is None else Turns(*order["turns"])
        return sandbox.publish(self.name, module, env, bind, turns)

    def _held(self, told: Record) -> tuple[Record, Record]:
        """The databases and the KV namespaces that stay in the program, by variable."""
        if not told:
            return {}, {}
        from rpclab.placement.resources import D1, made_of  # noqa: PLC0415 - as there

        made = {
            name: made_of(of, cache(partial(self._stub, key))) for name, (key, of) in told.items()
        }
        databases = {name: each for name, each in made.items() if told[name][1]["of"] == D1}
        return databases, {name: each for name, each in made.items() if name not in databases}

    def _stub(self, key: str) -> ServiceBinding:
        """A stub of what the program holds."""
        session = self._sandbox.engine.session(self.name, NOTEBOOK)
        entry = Import(session, bind_elsewhere(session, ["held", key]))
        session.imports[entry.id] = entry
        return ServiceBinding(Handle(entry, session.keeper))

    def _fail(self, error: BaseException) -> None:
        """Tell why the code did not run."""
        sites.trim(error)
        add_note(error, _where(error))
        memory, _ = self._order["bounds"]
        if memory is not None and isinstance(error, MemoryError):
            add_note(
                error,
                f"the process may use {memory:,} bytes of address space (memory_bytes), of which"
                f" it had {_address_space():,}",
            )
        try:
            packed_error = pack(error)
        except Exception:
            packed_error = pack(RuntimeError(f"{type(error).__name__}: {error}"))
        sys.stdout.flush()
        sys.stderr.flush()
        self._send({"kind": "failed", "error": packed_error})

    # What comes over the line, in its thread.

    def _listen(self, incoming: Incoming) -> None:
        try:
            while True:
                for record, handed in incoming.read():
                    self._take(record, handed)
        except (EOFError, OSError, RemoteProtocolError):
            os._exit(1)  # whatever it is doing: there is nobody to run for

    def _take(self, record: Record, handed: socket.socket | None) -> None:
        kind = record["kind"]
        if kind == "ask":
            self._send({"kind": "alive"})
        elif kind == "stored":
            self._store.answered(record)  # the loop waits for it
        elif kind == "interrupt":
            self._interrupts.stop()
        elif kind == "look":
            self._send({"kind": "looked", "late": self._interrupts.look(record["calls"])})
        else:
            self._loop.call_soon_threadsafe(self._do, kind, record, handed)

    # ... and in the loop.

    def _do(self, kind: str, record: Record, handed: socket.socket | None) -> None:
        if kind == "join":
            self._join(record, handed)
        elif kind == "lost":
            way = self._by_number.get(record["way"])
            if way is not None:
                self._move_bindings(way)
                way.end_when_read(crashed(record["why"]))
        elif kind == "moved":
            self._moved(record["workers"])
        elif kind == "turn":
            self._send({"kind": "turned"})
        elif kind == "leave":
            self._leave(calls=record["calls"])
        elif kind == "retire" and not self._retiring:
            self._retiring = True
            self._retire()

    def _join(self, record: Record, handed: socket.socket | None) -> None:
        way = self._way_for(record["there"], dialled=record["dialled"])
        way.grants = record["grants"]
        self._by_number[record["way"]] = way
        way.attach(End(record["end"], handed), record["way"], dialled=record["dialled"])

    def _way_for(self, there: str, *, dialled: bool) -> Way:
        """The way that a socket is for: each that has asked gets one, also if it was left since."""
        asking = self._asking.get(there)
        if dialled and asking:
            return asking.popleft()
        way = self._ways.get((self.name, there))
        if way is None or not way.is_open:
            return self._way(there)
        # Whoever has asked gets a socket of its own, and the other end opens with this one.
        return self._new_way(there) if way.asked else way

    def _moved(self, workers: list[str]) -> None:
        for there in workers:
            way = self._ways.get((self.name, there))
            if way is not None and way.is_open:
                self.leave(way)

    def leave(self, way: Way) -> None:
        """The Worker there has moved: its bindings lead to where it runs now."""
        if self._ways.get((self.name, way.there)) is way:
            self._move_bindings(way)
            way.retire(DisconnectedError(f"{way.there} has moved"))

    def _move_bindings(self, way: Way) -> None:
        """Put the bindings on a way on another one."""
        if self._ways.get((self.name, way.there)) is way:
            del self._ways[self.name, way.there]
        if way.is_open:
            self.bound_anew(way, way.leave())

    def _leave(self, *, calls: bool, since: float | None = None) -> None:
        since = self._loop.time() if since is None else since
        if calls and self._is_answering(since):
            self._loop.call_later(_LOOK, lambda: self._leave(calls=True, since=since))
            return
        for running in self._sandbox.running_classes(self.name):
            running.leave()
            running.away = self._refuse_object
        self._send({"kind": "left"})

    def _refuse_object(self, _id: Any, call: Delivery) -> None:
        """Code that goes on here, as of `wait_until`, opens no object that another process has."""
        why = f"the Durable Objects of {self.name} run elsewhere now; this call has not run"
        call.answer.reject(DisconnectedError(why))

    def _is_answering(self, since: float) -> bool:
        """Whether calls of others are under way here, or may come.

        Others give their bindings back once they know that it has moved. Who does not know that
        soon, as it computes, is waited for where an object would run in two places.
        """
        worker = self._sandbox.workers.get(self.name)
        objects = worker is not None and bool(worker.objects)
        bound = objects or self._loop.time() - since < _KNOWN
        left = [way.is_left() for way in self._all]  # each is asked at once
        return (bound and not all(left)) or any(
            way.expects or way.session.is_answering or (bound and way.session.is_bound)
            for way in self._all
        )

    def _retire(self) -> None:
        busy = any(way.expects or not way.session.idle for way in self._all)
        # Beside the one that runs this program, tasks are the Worker's own, as of `wait_until`.
        busy = busy or len(asyncio.all_tasks()) > 1
        read = [] if busy else [way.drained() for way in self._all]  # each is asked at once
        if busy or not all(read):
            self._loop.call_later(_LOOK, self._retire)
        else:
            self._over.set()

    # Ways to other Workers.

    def _session(self, here: str, there: str) -> Session | None:
        """The session with a Worker elsewhere; None with the own one."""
        if here != self.name or there == self.name:
            return None
        way = self._ways.get((here, there))
        return (way if way is not None and way.is_open else self._way(there)).session

    def _way(self, there: str) -> Way:
        """A way for the bindings of the Worker to another one."""
        way = self._ways[self.name, there] = self._new_way(there)
        return way

    def _new_way(self, there: str) -> Way:
        engine = self._sandbox.engine
        called = engine.unused(self.name, there)
        way = Way(engine, self, self._origins, self.name, there, called)
        self._all.add(way)
        return way

    def meet(self, way: Way) -> None:
        """Ask for the socket of a way."""
        self._asking.setdefault(way.there, deque()).append(way)
        self._send({"kind": "meet", "there": way.there})

    def granted(self, way: Way, granted: Granted) -> Hook:
        """Give what the other end is bound to, if it was granted that; None grants everything."""
        if way.grants is not None and not is_granted(granted, way.grants):
            raise RemoteProtocolError(f"{way.there} is bound to nothing of the kind")
        return hook_of(self._sandbox, self.name, granted)

    def given_up(self, way: Way, call: int, what: str) -> None:
        """The sandbox sees to it."""
        self._send({"kind": "late", "way": way.number, "call": call, "what": what[:100]})

    def _is_late(self, frame: types.FrameType | None, calls: list[list[int]]) -> bool:
        """Whether the code that runs is late: in its own context, in the main thread."""
        deadline = current_deadline.get()
        if deadline is not None and deadline.left() < 0:
            return True
        given_up = {
            (way.session, call)
            for number, call in calls
            if (way := self._by_number.get(number)) is not None
        }
        answers = [
            hook
            for session in self._sandbox.engine.sessions()
            for hook in session.exports.values()
            if isinstance(hook, Answer)
        ]
        return not given_up.isdisjoint(calls_in(frame, answers))

    def known(self, way: Way, granted: Granted) -> Hook | None:
        """Nothing is known of the others."""

    def siblings(self, way: Way) -> list[PlacedSession]:
        """The sandbox says to which process a way leads."""
        return [way.session]

    def said(self, way: Way, number: int) -> None:
        """The sandbox shows what others print."""

    def bound_anew(self, way: Way, moved: list[tuple[Import, Granted]]) -> None:
        """Put bindings on another way."""
        session = self._session(self.name, way.there)
        if isinstance(session, PlacedSession):
            session.take(moved)

    def lost(self, way: Way, error: BaseException) -> None:
        """Wait for the sandbox to say why."""
        self._loop.call_later(_PATIENCE, way.end, error)

    def parted(self, way: Way) -> None:
        """A way is over."""
        self._all.discard(way)
        if self._ways.get((way.here, way.there)) is way:
            del self._ways[way.here, way.there]
        if way.number is not None:
            self._by_number.pop(way.number, None)


def describe(worker: Worker) -> Record:
    """Tell of a Worker what others may know: its classes, with their methods."""
    return {
        "exports": {name: _members(kind) for name, kind in worker.exports.items()},
        "objects": {name: _members(kind) for name, kind in worker.objects.items()},
        "others": [
            name
            for name, value in vars(worker.module).items()
            if isinstance(value, type) and not name.startswith("_")
        ],
        "pid": os.getpid(),
    }


def _members(kind: type) -> Record:
    found: dict[str, Any] = {}
    for name, member in vars(kind).items():
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
            continue
        signature = ""
        if inspect.isfunction(member):
            with suppress(ValueError, TypeError):
                signature = str(inspect.signature(member))[:1000]
        found[name] = [
            "property" if isinstance(member, property) else "method",
            signature,
            (inspect.getdoc(member) or "")[:4000],
        ]
    return {"doc": (inspect.getdoc(kind) or "")[:4000], "members": found}


def _where(error: BaseException) -> str:
    """The lines of the traceback of an error in the code of the Worker."""
    import traceback  # noqa: PLC0415 - for those whose code fails

    if isinstance(error, SyntaxError) or error.__traceback__ is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    shown = [
        f"  {sites.place(frame.filename, frame.lineno or 0)}, in {frame.name}\n    {frame.line}"
        for frame in frames
        if not sites.is_machinery(frame.filename)
    ]
    return "\n".join(["in the process of the Worker:", *shown]) if shown else ""


class Interrupts:
    """The handler of SIGINT: it runs in the main thread, in the middle of what computes there.

    Args:
        is_late: says of the code that runs, by its frame, whether it is late.
    """

    def __init__(self, is_late: Callable[[types.FrameType | None, list[list[int]]], bool]) -> None:
        self._is_late = is_late
        self._tries = _TRIES
        self._stops = False
        self._calls: list[list[int]] | None = None
        self._found: queue.SimpleQueue[bool] = queue.SimpleQueue()

    # In any thread.

    def stop(self) -> None:
        """Stop the code of the Worker that computes now, if any does."""
        self._stops = True
        os.kill(os.getpid(), signal.SIGINT)

    def look(self, calls: list[list[int]]) -> bool:
        """Say whether the code that runs now is late, as far as that can be seen."""
        while not self._found.empty():
            self._found.get_nowait()
        self._calls = calls
        os.kill(os.getpid(), signal.SIGINT)
        try:
            return self._found.get(timeout=_LOOKS)
        except queue.Empty:
            return False

    # In the main thread.

    def __call__(self, _number: int, frame: types.FrameType | None) -> None:
        """Handle the signal; where nothing computes, there is nothing to stop."""
        calls, self._calls = self._calls, None
        if calls is not None:
            self._found.put(self._is_late(frame, calls))
            if not self._stops:
                return
        self._stops = False
        error = error_for(frame)
        if error is None:
            return
        if self._tries and frame is not None and sites.is_machinery(frame.f_code.co_filename):
            # In the middle of the library's own work an exception would leave that half done.
            self._tries -= 1
            again = threading.Timer(_RETRY, self.stop)
            again.daemon = True
            again.start()
            return
        self._tries = _TRIES
        raise error
