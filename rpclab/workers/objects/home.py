"""The namespaces of Durable Objects where their code runs: who is in memory, and whose alarm rings.

Floor: workers. One `ObjectHome` for each class; it lives as long as the sandbox, and sees versions
of its Worker come and go.
"""

from __future__ import annotations

import inspect
import time
from functools import partial
from typing import TYPE_CHECKING

from rpclab.core.answers import Answer
from rpclab.core.handles import Handle
from rpclab.core.imports import RESOLVED, Import
from rpclab.errors import RpcError, UnknownBindingError
from rpclab.workers.objects.live import LiveObject, ObjectHook
from rpclab.workers.objects.namespace import DurableObjectStub
from rpclab.workers.objects.state import AlarmInfo, Ids
from rpclab.workers.storage.files import NamespaceFile

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from rpclab.core.protocols import AnswerLike, HandleLike
    from rpclab.rpc.engine import Engine
    from rpclab.workers.context import Exports
    from rpclab.workers.env import Env
    from rpclab.workers.objects.state import DurableObjectId
    from rpclab.workers.worker import Worker

RETRIES = 6
"""How often an alarm that failed runs again."""

FIRST_RETRY = 2.0
"""Seconds until it does; each time twice as many."""


class ObjectHome:
    """One class of Durable Objects, where it runs.

    Args:
        engine: what it runs on.
        worker_name: its Worker.
        class_name: the class.
        find: gives the present version of the Worker, or raises that there is none.
        folder: where it is stored; None keeps all in memory.
    """

    def __init__(
        self,
        engine: Engine,
        worker_name: str,
        class_name: str,
        find: Callable[[], Worker],
        folder: Path | None,
    ) -> None:
        self.engine = engine
        self.worker_name = worker_name
        self.class_name = class_name
        self.ids = Ids(f"{worker_name}#{class_name}")
        self.file = NamespaceFile(
            folder,
            f"{worker_name}.{class_name}",
            soon=engine.again,
            failed=self._lost,
            alarm_changed=self._alarm_changed,
        )
        self._find = find
        self._live: dict[bytes, LiveObject] = {}
        self._timers: dict[bytes, asyncio.TimerHandle] = {}
        self._failures: dict[bytes, int] = {}

    def __repr__(self) -> str:
        return f"<ObjectHome {self.ids.namespace}, {len(self._live)} in memory>"

    # What its objects ask.

    def kind(self) -> type:
        """The class, of the present version.

        Raises:
            RpcError: there is no such Worker, or no such class.
        """
        return self._find().object_class(self.class_name)

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
        return list(self._live.values())

    def live(self, id: DurableObjectId) -> LiveObject:
        """Give the one object of an id (rule D1); it is made with its first call."""
        key = id._key
        found = self._live.get(key)
        if found is None:
            name = self.file.name(key) if id.name is None else id.name
            found = self._live[key] = LiveObject(self, self.ids.from_key(key, name))
        elif id.name is not None and found.id.name is None:
            found.id.name = id.name
        return found

    def forget(self, live: LiveObject) -> None:
        """An object leaves memory."""
        if self._live.get(live.id._key) is live:
            del self._live[live.id._key]

    def stub(self, holder: str, id: DurableObjectId) -> DurableObjectStub:
        """Introduce an object to a Worker.

        Raises:
            TypeError: the id is one of another namespace.
        """
        if getattr(id, "_namespace", None) != self.ids.namespace:
            raise TypeError("Durable Object ID is not valid for this namespace.")
        importer = self.engine.session(holder, self.worker_name)
        exporter = importer.peer
        if exporter is None:
            raise UnknownBindingError(f"no session leads to {self.worker_name}")
        entry = Import(importer, exporter.introduce(ObjectHook(self, id)))
        importer.imports[entry.id] = entry
        return DurableObjectStub(Handle(entry, importer.keeper), id)

    def wrap(self, handle: HandleLike, id: DurableObjectId) -> DurableObjectStub:
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
            live.leave()
        return len(idle)

    def replaced(self) -> None:
        """A new version of the Worker serves now: objects of the old one are reset."""
        for live in self.in_memory:
            live.reset(RpcError("Durable Object reset because its code was updated."))
        self.engine.again(self._load_alarms)

    def close(self) -> None:
        """Let every object leave, and close the files."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for live in self.in_memory:
            live.leave()
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

    def _ring_in(self, key: bytes, seconds: float) -> None:
        loop = self.engine.loop
        if loop is not None and not loop.is_closed():
            ring = partial(self.engine.again, partial(self._ring, key))
            self._timers[key] = loop.call_later(seconds, ring)

    def _ring(self, key: bytes) -> None:
        if self._timers.pop(key, None) is None:
            return  # it was deleted, or set anew, in the meantime
        try:
            kind = self.kind()
        except RpcError:
            return  # it waits for a version that has the class
        failures = self._failures.get(key, 0)
        live = self.live(self.ids.from_key(key, None))
        live.slot.ringing = True
        answer = Answer(None, 0)
        args = [AlarmInfo(failures)] if _takes_argument(kind) else []
        live.deliver(ObjectHook(self, live.id), answer, "alarm", args, None)
        answer.watch(lambda: self._rung(live, answer, failures))

    def _rung(self, live: LiveObject, answer: AnswerLike, failures: int) -> None:
        """The handler is over; where it failed, it runs again, up to six times (rule D17)."""
        key = live.id._key
        again = not live.slot.ringing  # the handler has set or deleted it
        live.slot.ringing = False
        if answer.state != RESOLVED:
            self.engine.report(answer.value, f"the alarm of {live}")
            if not again and failures < RETRIES:
                self._failures[key] = failures + 1
                self._ring_in(key, FIRST_RETRY * 2**failures)
                return
        if not again:
            slot = live.slot if not live.context.ended else self.live(live.id).slot
            slot.rows.set_alarm(None)


def _takes_argument(kind: type) -> bool:
    try:
        inspect.signature(kind.alarm).bind(None, None)  # type: ignore[attr-defined]
    except (TypeError, ValueError, AttributeError):
        return False
    return True
