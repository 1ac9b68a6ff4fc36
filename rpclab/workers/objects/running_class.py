"""A class of Durable Objects where its code runs: who is in memory, and whose alarm rings.

Floor: workers. It lives as long as the sandbox, and sees versions of its Worker come and go.
"""

from __future__ import annotations

import inspect
import time
from contextvars import Context
from functools import partial
from itertools import takewhile
from math import inf
from typing import TYPE_CHECKING

from rpclab.core.answers import Answer
from rpclab.core.hooks import Delivery
from rpclab.core.imports import RESOLVED, Handle, Import
from rpclab.errors import ObjectElsewhereError, RpcError
from rpclab.workers.objects.live_object import LiveObject, ObjectHook
from rpclab.workers.objects.state import AlarmInfo, Ids
from rpclab.workers.objects.stub import DurableObjectStub
from rpclab.workers.other_processes import bind_elsewhere
from rpclab.workers.storage.leased_namespace import LeasedNamespace
from rpclab.workers.storage.limits import OBJECT_LIMITS
from rpclab.workers.storage.namespace_database import file_name
from rpclab.workers.storage.namespace_file import NamespaceFile

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from rpclab.core.contexts import Door
    from rpclab.rpc.engine import Engine
    from rpclab.workers.call_queue import CallQueue
    from rpclab.workers.context import Exports
    from rpclab.workers.env import Env
    from rpclab.workers.objects.state import DurableObjectId
    from rpclab.workers.storage.leased_namespace import SharedObjects
    from rpclab.workers.storage.limits import ObjectLimits
    from rpclab.workers.storage.object_store import ObjectStore
    from rpclab.workers.worker import Worker

RETRIES = 6
"""How often an alarm that failed runs again."""

FIRST_RETRY = 2.0
"""Seconds until it does; each time twice as many."""

_BETWEEN_LOOKS = 1.0  # seconds at least, at the objects that are idle

# For timers, which else would keep the object in memory whose code sets them.
_NOBODYS = Context()


class RunningClass:
    """One class of Durable Objects, where it runs.

    Args:
        engine: what it runs on.
        worker_name: its Worker.
        class_name: the class.
        find: gives the present version of the Worker, or raises that there is none.
        folder: where it is stored; None keeps all in memory.
        limits: bounds of its objects.
        shared: the store that several nodes share, where that is so, and open; instead of a folder.

    Attributes:
        away: takes calls on its objects, while these run in another process: the id, and the
            call. None while they run here.
    """

    def __init__(
        self,
        engine: Engine,
        worker_name: str,
        class_name: str,
        find: Callable[[], Worker],
        folder: Path | None,
        limits: ObjectLimits = OBJECT_LIMITS,
        shared: tuple[SharedObjects, ObjectStore] | None = None,
    ) -> None:
        self.engine = engine
        self.worker_name = worker_name
        self.class_name = class_name
        self.ids = Ids(f"{worker_name}#{class_name}")
        self.file: NamespaceFile | LeasedNamespace
        if shared is None:
            self.file = NamespaceFile(
                folder,
                file_name(worker_name, class_name),
                soon=engine.again,
                failed=self._lost,
                alarm_changed=self._alarm_changed,
                limits=limits,
            )
        else:
            self.file = LeasedNamespace(
                *shared,
                self.ids.namespace,
                now=self._now,
                later=self._later,
                soon=engine.again,
                failed=self._lost,
                alarm_changed=self._alarm_changed,
                limits=limits,
            )
        self.away: Callable[..., None] | None = None
        self._find = find
        self._idle_seconds = limits.idle_seconds
        self._live: dict[bytes, LiveObject] = {}
        # Those that were answering calls and are no more, since when; the longest first.
        self._resting: dict[LiveObject, float] = {}
        self._looks_on: asyncio.AbstractEventLoop | None = None
        self._next_look: asyncio.TimerHandle | None = None
        self._timers: dict[bytes, asyncio.TimerHandle] = {}
        self._renewal: asyncio.TimerHandle | None = None
        self._looking_for_alarms: asyncio.TimerHandle | None = None
        self._failures: dict[bytes, int] = {}
        self._ringing: set[bytes] = set()
        self._overdue: set[bytes] = set()  # to ring again once the handler that runs is over

    def __repr__(self) -> str:
        return f"<RunningClass {self.ids.namespace}, {len(self._live)} in memory>"

    # What its objects ask.

    def kind(self) -> type:
        """The class, of the present version.

        Raises:
            RpcError: there is no such Worker, or no such class.
        """
        return self._find().object_class(self.class_name)

    def door(self) -> Door | None:
        """What checks the arguments of calls to its objects, if anything does."""
        return self._find().door(self.class_name)

    def queue(self) -> CallQueue | None:
        """What calls to its objects wait in for their turn, if they do."""
        try:
            return self._find().queue
        except RpcError:  # whoever delivers the call is told so
            return None

    def env(self) -> Env:
        """The environment of the Worker."""
        return self._find().env

    def exports(self) -> Exports:
        """The entrypoints and namespaces of the Worker."""
        return self._find().loopback

    # Objects in memory.

    @property
    def in_memory(self) -> list[LiveObject]:
        """The objects that are in memory."""
        self._let_idle_leave()
        return list(self._live.values())

    def live(self, id: DurableObjectId) -> LiveObject:
        """Give the one object of an id (rule D1); it is made with its first call."""
        if self._resting:
            self._let_idle_leave()
        key = id._key
        found = self._live.get(key)
        if found is not None and not found.is_ours():
            found = None  # another node may have it; the store knows
        if found is None:
            name = self.file.name(key) if id.name is None else id.name
            found = self._live[key] = LiveObject(self, self.ids.from_key(key, name))
        elif id.name is not None and found.id.name is None:
            found.id.name = id.name
        return found

    def _now(self) -> float:
        loop = self.engine.loop
        return time.monotonic() if loop is None else loop.time()

    def _later(self, seconds: float, function: Callable[[], None]) -> None:
        """Run a function in the drain after some seconds; leases are renewed so."""
        loop = self.engine.loop
        if loop is not None and not loop.is_closed():
            run = partial(self.engine.again, function)
            self._renewal = loop.call_later(seconds, run, context=_NOBODYS)

    def has(self, live: LiveObject) -> bool:
        """Whether an object is in memory."""
        return self._live.get(live.id._key) is live

    def forget(self, live: LiveObject) -> None:
        """An object leaves memory."""
        if self.has(live):
            del self._live[live.id._key]
        self._resting.pop(live, None)

    def rests(self, live: LiveObject) -> None:
        """An object has answered all its calls; it leaves memory when it stays like that.

        A virtual clock does not run on for that: there it leaves once time has passed by itself.
        """
        loop = self.engine.loop
        if loop is None or self._idle_seconds == inf:
            return
        self._resting.pop(live, None)
        self._resting[live] = loop.time()
        if self._looks_on is not loop and self.engine.guest is None:
            self._look_in(loop, self._idle_seconds)

    def _look_in(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._looks_on = loop
        look = partial(self.engine.again, self._look)
        self._next_look = loop.call_later(seconds, look, context=_NOBODYS)

    def _look(self) -> None:
        loop, self._looks_on = self._looks_on, None
        self._let_idle_leave()
        if loop is not None and self._resting:
            since = next(iter(self._resting.values()))
            self._look_in(loop, max(_BETWEEN_LOOKS, since + self._idle_seconds - loop.time()))

    def _let_idle_leave(self) -> None:
        """Let those leave memory that have had nothing to do for long enough."""
        loop = self.engine.loop
        if loop is None:
            return
        now = loop.time()
        until = now - self._idle_seconds
        for live, _ in list(takewhile(lambda item: item[1] <= until, self._resting.items())):
            del self._resting[live]
            if live.idle:
                live.leave(f"left memory after {self._idle_seconds:g} s in which nobody called it")
            elif not live.busy:  # what keeps it may be over the next time
                self._resting[live] = now

    def stub(self, holder: str, id: DurableObjectId) -> DurableObjectStub:
        """Introduce an object to a Worker.

        Raises:
            TypeError: the id is one of another namespace.
        """
        if getattr(id, "_namespace", None) != self.ids.namespace:
            raise TypeError("Durable Object ID is not valid for this namespace.")
        importer = self.engine.session(holder, self.worker_name)
        if importer.peer is not None:
            number = importer.peer.introduce(ObjectHook(self, id))
        else:
            number = bind_elsewhere(importer, ["object", self.class_name, id._key, id.name])
        entry = Import(importer, number)
        importer.imports[entry.id] = entry
        return DurableObjectStub(Handle(entry, importer.keeper), id)

    def wrap(self, handle: Handle, id: DurableObjectId) -> DurableObjectStub:
        """Make a stub of an object on a handle."""
        return DurableObjectStub(handle, id)

    def evict(self, id: DurableObjectId | None = None) -> int:
        """Let idle objects leave memory: one, or all. Says how many did."""
        idle = [
            live
            for key, live in self._live.items()
            if not live.busy and (id is None or key == id._key)
        ]
        for live in idle:
            live.leave("was evicted from memory")
        return len(idle)

    def leave(self) -> None:
        """Its objects run in another process from now on, and what they have stored is open there.

        Raises:
            Exception: what they have written cannot be saved.
        """
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for live in self.in_memory:
            live.reset(RpcError("Durable Object reset because its code was updated."))
        self.file.close()

    def replaced(self) -> None:
        """A new version of the Worker serves now: objects of the old one are reset."""
        for live in self.in_memory:
            live.reset(RpcError("Durable Object reset because its code was updated."))
        self.engine.again(self._load_alarms)

    def close(self) -> None:
        """Let every object leave, and close the files."""
        others = (self._next_look, self._renewal, self._looking_for_alarms)
        for timer in filter(None, (*self._timers.values(), *others)):
            timer.cancel()
        self._timers.clear()
        for live in self.in_memory:
            live.leave("left memory with the sandbox")
        self.file.close()

    def _lost(self, key: bytes, error: Exception) -> None:
        live = self._live.get(key)
        if live is not None:
            live.reset(error)

    # Alarms.

    def _load_alarms(self) -> None:
        try:
            due = self.file.alarms() if self.file.exists() else []
        except RpcError:
            return  # another sandbox has the file, and rings them; calls are told so
        for key, time_ in due:
            if key not in self._timers:
                self._alarm_changed(key, time_)
        loop = self.engine.loop
        if isinstance(self.file, LeasedNamespace) and loop is not None:
            # Who has set an alarm may be gone when it is due, and others ring it then.
            look = partial(self.engine.again, self._load_alarms)
            if self._looking_for_alarms is not None:
                self._looking_for_alarms.cancel()
            self._looking_for_alarms = loop.call_later(
                self.file.lease_seconds, look, context=_NOBODYS
            )

    def _alarm_changed(self, key: bytes, due: int | None) -> None:
        """An alarm was set or deleted, and that is safe."""
        self._failures.pop(key, None)
        self._stop_timer(key)
        if due is not None:
            self._ring_in(key, max(0.0, due / 1000 - time.time()))

    def _stop_timer(self, key: bytes) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._overdue.discard(key)

    def _ring_in(self, key: bytes, seconds: float) -> None:
        loop = self.engine.loop
        if loop is not None and not loop.is_closed():
            ring = partial(self.engine.again, partial(self._ring, key))
            self._timers[key] = loop.call_later(seconds, ring, context=_NOBODYS)

    def _ring(self, key: bytes) -> None:
        if self._timers.pop(key, None) is None:
            return  # it was deleted, or set anew, in the meantime
        if key in self._ringing:
            self._overdue.add(key)
            return
        try:
            kind = self.kind()
        except RpcError:
            return  # it waits for a version that has the class
        failures = self._failures.get(key, 0)
        try:
            live = self.live(self.ids.from_key(key, None))
        except ObjectElsewhereError:
            return  # it rings there; where it does not, the next look at the alarms finds it
        if isinstance(self.file, LeasedNamespace) and not self._is_due(key, live):
            return
        self._ringing.add(key)
        answer = Answer(None, 0)
        args = [AlarmInfo(failures)] if _takes_argument(kind) else []
        # As late as the handler begins: a transaction that runs now may still be taken back.
        live.undisturbed(live.slot.ring)
        live.deliver(ObjectHook(self, live.id), Delivery(answer, "alarm", args))
        # A transaction that the handler has left open would take this for its own.
        answer.watch(lambda: live.undisturbed(lambda: self._rung(live, answer, failures)))

    def _is_due(self, key: bytes, live: LiveObject) -> bool:
        """Whether an alarm still is as it was when it was looked at; else it is set as it is."""
        due = live.slot.rows.alarm()
        if due is not None and due <= time.time() * 1000:
            return True
        self._alarm_changed(key, due)
        return False

    def _rung(self, live: LiveObject, answer: Answer, failures: int) -> None:
        """The handler is over; where it failed, it runs again, up to six times (rule D17)."""
        key = live.id._key
        self._ringing.discard(key)
        if key in self._overdue:
            self._overdue.discard(key)
            self._ring_in(key, 0)
        again = not live.slot.ringing  # the handler has set or deleted it
        live.slot.ringing = False
        if answer.state != RESOLVED:
            self.engine.report(answer.value, f"the alarm of {live}")
            if not again and failures < RETRIES:
                self._failures[key] = failures + 1
                self._ring_in(key, FIRST_RETRY * 2**failures)
                return
        if again:
            return
        try:
            slot = live.slot if self.has(live) else self.live(live.id).slot
        except ObjectElsewhereError:
            return  # what it has not saved has not happened: it rings there
        slot.rows.set_alarm(None)


def _takes_argument(kind: type) -> bool:
    try:
        inspect.signature(kind.alarm).bind(None, None)  # type: ignore[attr-defined]
    except (TypeError, ValueError, AttributeError):
        return False
    return True
