"""Which calls ran how often, and whether one that ran again has changed something again.

Floor: whatif. A call is known by its Worker, class, method and arguments; one that is new, as where
each attempt has a key of its own, or another Worker is asked instead, by the place that made it.
What a Worker holds is looked at before each call, and after one that ran more often than in the run
before: the variables of its modules, its targets, and what it has stored.
"""

from __future__ import annotations

import inspect
import types
import weakref
from collections import Counter, deque
from collections.abc import Awaitable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.core.events import ends, opposite
from rpclab.core.targets import RpcTarget
from rpclab.previews import preview
from rpclab.trace.events import CallSent
from rpclab.whatif.classes import exposed_classes, in_place_of, own_modules
from rpclab.whatif.stored import fingerprint

if TYPE_CHECKING:
    from rpclab.core.events import Call
    from rpclab.sandbox import Sandbox
    from rpclab.trace.model import CallBar
    from rpclab.workers.worker import Worker

_MOST = 20_000  # values that are looked at, of one Worker
_SHOWN = 120  # characters of a call's arguments
_PLAIN = (str, bytes, int, float, bool, complex, type(None))
_OWN = frozenset({"__init__", "__new__", "dispose", "alarm"})


Place = tuple[str, str, str]
"""Where a call was made: the Worker that made it, the line, and the method that it is of."""


class Before(NamedTuple):
    """What ran in the run that another is compared with.

    Attributes:
        calls: how often each call ran.
        places: how often a call was made at each place.
    """

    calls: dict[str, int]
    places: dict[Place, int]


class Repeat(NamedTuple):
    """A call that ran more often than in the run before.

    Attributes:
        call: such as "bank.pay(5)".
        changed: whether it changed what the Worker holds, and what the first time had changed was
            there still.
    """

    call: str
    changed: bool


class Ledger:
    """Counts the calls that run, from when `counts` is set.

    Args:
        before: what ran in the run that this is compared with; None in that one itself.

    Attributes:
        ran: how often each call has run.
        repeats: those that ran more often.
        counts: whether calls are counted.
        sandbox: whose Workers they are.
    """

    def __init__(self, before: Before | None) -> None:
        self.ran: Counter[str] = Counter()
        self._ran_at: Counter[Place] = Counter()
        self._held_at: dict[Place, str] = {}  # by place, what all held before its first call
        self.repeats: list[Repeat] = []
        self.counts = False
        self.sandbox: Sandbox | None = None
        self._before = before
        self._held: dict[str, str] = {}  # by call, what the Worker held before its first time
        self._sites: dict[Call, str] = {}  # where the calls were made that were recorded
        self._mark = 0  # up to which event
        self._workers: list[Worker] = []
        self._targets: dict[str, list[weakref.ref[Any]]] = {}

    def watch(self, worker: Worker) -> None:
        """Count the calls of a Worker."""
        self._workers.append(worker)
        for kind in list(exposed_classes(worker)):
            for name, function in list(vars(kind).items()):
                is_method = isinstance(function, types.FunctionType)
                if is_method and name not in _OWN and not name.startswith("__"):
                    setattr(kind, name, self._counted(worker, kind, name, function))

    def _counted(self, worker: Worker, kind: type, name: str, function: Any) -> Any:
        def counted(this: Any, /, *args: Any, **kwargs: Any) -> Any:
            if not self.counts:
                return function(this, *args, **kwargs)
            call = self._begins(worker, kind, name, this, (args, kwargs))
            try:
                value = function(this, *args, **kwargs)
            except BaseException:
                self._ended(worker, call)
                raise
            if inspect.iscoroutine(value):
                return self._watched(worker, call, value)
            self._ended(worker, call)
            return value

        return in_place_of(counted, function)

    async def _watched(self, worker: Worker, call: _Running, work: Awaitable[Any]) -> Any:
        try:
            return await work
        finally:
            self._ended(worker, call)

    def _begins(self, worker: Worker, kind: type, name: str, this: Any, given: Any) -> _Running:
        if isinstance(this, RpcTarget):
            known = self._targets.setdefault(worker.name, [])
            if all(ref() is not this for ref in known):
                known.append(weakref.ref(this))
        owner = worker.name if kind.__name__ == "Default" else f"{worker.name}#{kind.__name__}"
        call = f"{owner}.{name}({_arguments(*given)})"
        self.ran[call] += 1
        if self._before is None:
            return _Running(call, None, again=False)
        held = self._state_of(worker)
        first = self._held.setdefault(call, held)
        place = self._place(name)
        self._ran_at[place] += 1
        if place not in self._held_at:
            self._held_at[place] = self.state()
        before = self._before.calls.get(call, 0)
        if before:
            is_more, has_changed = self.ran[call] > before, first != held
        else:
            times = self._before.places.get(place, 0)
            is_more = self._ran_at[place] > times > 0
            has_changed = is_more and self._held_at[place] != self.state()
        return _Running(call, held, again=is_more and has_changed, is_more=is_more)

    def _place(self, method: str) -> Place:
        """Where the call that begins was made, as far as that is known."""
        if self.sandbox is None or self.sandbox.recording is None:
            return ("", "", method)
        running = self.sandbox.engine.running_call
        if running is None:
            return ("", "", method)
        news = self.sandbox.recording.since(self._mark)
        self._mark = news.mark
        for event in news.events:
            if type(event) is CallSent and event.site:
                self._sites[event.session, event.id] = event.site  # of several sessions, the last
        made = opposite(running[0]), running[1]
        site = self._sites.get(made)
        return ("", "", method) if site is None else (ends(made[0])[0], site, method)

    def _ended(self, worker: Worker, call: _Running) -> None:
        if call.is_more:
            changed = call.again and self._state_of(worker) != call.held
            self.repeats.append(Repeat(call.name, changed))

    def state(self) -> str:
        """What all Workers hold now."""
        return "\n".join(self._state_of(worker) for worker in self._workers)

    def disposable(self) -> Iterator[tuple[str, str]]:
        """The classes of targets that want to know that they are let go of: Worker and name."""
        for worker in self._workers:
            for kind in exposed_classes(worker):
                if issubclass(kind, RpcTarget) and hasattr(kind, "dispose"):
                    yield worker.name, kind.__name__

    def _state_of(self, worker: Worker) -> str:
        modules = own_modules(worker)
        look = _Look({module.__name__ for module in modules})
        parts = [
            f"{name}={look.at(value)}"
            for module in modules
            for name, value in list(vars(module).items())
            if not name.startswith("__")
        ]
        live = (ref() for ref in self._targets.get(worker.name, ()))
        parts += [look.at(target) for target in live if target is not None]
        stored = "" if self.sandbox is None else fingerprint(self.sandbox, worker.name)
        return f"{worker.name}: {'; '.join(part for part in parts if part)} {stored}"


def places_of(calls: Iterable[CallBar]) -> dict[Place, int]:
    """How often a call was made at each place that is known."""
    return Counter(
        (call.caller, call.site, call.method.rpartition(".")[2]) for call in calls if call.site
    )


class _Running:
    """A call that runs."""

    __slots__ = ("again", "held", "is_more", "name")

    def __init__(self, name: str, held: str | None, *, again: bool, is_more: bool = False) -> None:
        self.name = name
        self.held = held
        self.again = again
        self.is_more = is_more


def _arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    parts = [*map(_argument, args), *(f"{name}={_argument(kwargs[name])}" for name in kwargs)]
    return ", ".join(parts)


def _argument(value: Any) -> str:
    if type(value).__name__ == "Request":
        return f"{value.method} {value.url}"
    return preview(value, _SHOWN)


class _Look:
    """Writes values down so that two texts are equal where the values are; runs no code of theirs.

    Args:
        own: the names of the Worker's modules, whose classes are looked into.
    """

    def __init__(self, own: set[str]) -> None:
        self._own = own
        self._seen: dict[int, int] = {}
        self._left = _MOST

    def at(self, value: Any) -> str:
        """Write a value down; "" for what holds no state of its own."""
        if type(value) in _PLAIN:
            return repr(value)
        self._left -= 1
        if self._left < 0:
            return "…"
        known = self._seen.get(id(value))
        if known is not None:
            return f"#{known}"
        if isinstance(value, dict):
            self._seen[id(value)] = len(self._seen)
            pairs = [f"{self.at(key)}:{self.at(dict.__getitem__(value, key))}" for key in value]
            return f"{{{','.join(pairs)}}}"
        if isinstance(value, (list, tuple, deque)):
            self._seen[id(value)] = len(self._seen)
            return f"[{','.join(map(self.at, list(value)))}]"
        if isinstance(value, (set, frozenset)):
            return f"{{{','.join(sorted(map(self.at, value)))}}}"
        return self._of_object(value)

    def _of_object(self, value: Any) -> str:
        kind = type(value)
        if isinstance(value, type):
            if value.__module__ not in self._own:
                return ""
            self._seen[id(value)] = len(self._seen)
            held = [(name, each) for name, each in vars(value).items()
                    if not name.startswith("__") and not callable(each)]  # fmt: skip
        elif kind.__module__ in self._own:
            self._seen[id(value)] = len(self._seen)
            held = list(getattr(value, "__dict__", {}).items())
            slots = [name for each in kind.__mro__ for name in getattr(each, "__slots__", ())]
            held += [(name, getattr(value, name)) for name in slots
                     if not name.startswith("__") and hasattr(value, name)]  # fmt: skip
        else:
            return _SIMPLE[kind.__module__](value) if kind.__module__ in _SIMPLE else ""
        inner = [f"{name}={self.at(each)}" for name, each in held]
        return f"{kind.__name__}({','.join(inner)})"


_SIMPLE = dict.fromkeys(("datetime", "decimal", "fractions", "uuid", "enum"), repr)
