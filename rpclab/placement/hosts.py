"""A host as the sandbox sees it: from its start until it has ended, and why it has.

Floor: sandbox. What a host says is checked here; one that breaks the rules is stopped.
"""

from __future__ import annotations

import asyncio
import codecs
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from rpclab.codecs.stored_values import unpack
from rpclab.errors import PlacementError
from rpclab.net.loops import running_loop
from rpclab.placement.engine import HERE
from rpclab.placement.exits import LastLines, crashed, reason
from rpclab.previews import preview

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpclab.placement.declared import Processes
    from rpclab.placement.engine import Ended, Line, PlacementEngine, Record
    from rpclab.placement.ways import Granted

_MOST_GIVEN_UP = 100  # calls that are told of where code is looked for that is late
_SHOWN = 100  # characters of what was called
_TURNS = 2  # that others have after a call was given up, a grace apart: then its code lets them

ASKS = 4  # how often a host is asked for a sign of life in the time in which it must give one

_SHAPES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "met": {"exports": dict, "objects": dict, "others": list, "pid": int},
    "failed": {"error": bytes},
    "meet": {"there": str},
    "out": {"stream": str, "text": str, "cause": int},
    "log": {"name": str, "level": int, "text": str, "file": str, "line": int, "cause": int},
    "alive": {},
    "turned": {},
    "looked": {"late": bool},
    "late": {"way": int, "call": int, "what": str},
    "left": {},
    "closing": {},
}
"""By kind, what stands in a record that a host sends."""


class Audience(Protocol):
    """Is told what a host says."""

    def printed(self, host: Host, stream: str, text: str, cause: int) -> None:
        """The code of the Worker has printed something."""

    def logged(self, host: Host, record: Record) -> None:
        """It has logged something."""

    def asked_for(self, host: Host, there: str) -> None:
        """It needs a way to another Worker."""

    def late(self, host: Host, number: int, call: int, what: str) -> None:
        """It has given a call on another host up, which was made on the way of that number."""

    def over(self, host: Host) -> None:
        """It has ended; `host.why` says why."""


class Host:
    """A host, and the version of a Worker that it runs.

    Args:
        number: of the host.
        worker: the name of the Worker.
        placed: how it is placed.
        engine: where it runs.
        audience: is told what it says.
        grants: what that version may bind of other Workers, by their names.

    Attributes:
        engine: where it runs.
        line: leads to it.
        met: what it has told of the Worker, once the code has run; None before.
        why: the error that all breaks with that came from it, once it has ended; None before.
        pid: its process id, once it has told it.
        has_left: whether it has let its Durable Objects go, and has no call under way.
        retiring: whether it ends as soon as nothing of it is needed.
    """

    line: Line

    def __init__(
        self,
        number: int,
        worker: str,
        placed: Processes,
        engine: PlacementEngine,
        audience: Audience,
        grants: Sequence[tuple[str, Granted]] = (),
    ) -> None:
        self.number = number
        self.worker = worker
        self.placed = placed
        self.met: Record | None = None
        self.why: BaseException | None = None
        self.pid: int | None = None
        self.has_left = False
        self.retiring = False
        self.engine = engine
        self._audience = audience
        self._grants = grants
        self._lines = LastLines()
        self._decoders = {
            stream: codecs.getincrementaldecoder("utf-8")("replace")
            for stream in ("stdout", "stderr")
        }
        self._failure: BaseException | None = None
        self._settled: list[Callable[[], None]] = []
        self._silent = ""
        self._said = 0
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self._heard: float | None = None  # where it is to run may be starting, too
        self._asked: float | None = None
        self._computed: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._given_up: deque[list[int]] = deque(maxlen=_MOST_GIVEN_UP)
        self._what = ""
        self._waits: list[Callable[[], bool]] = []
        self._watch: asyncio.TimerHandle | None = None
        self._looked = True
        self._turns = 0  # that others are to have there still
        self._seen: float | None = None  # how much it had computed when it was to look last

    def __repr__(self) -> str:
        state = "starting" if self.met is None else "running"
        return f"<Host {self.number} of {self.worker}, {state if self.why is None else 'ended'}>"

    @property
    def node(self) -> str | None:
        """The name of the node that it runs on, once that is chosen."""
        found = (node.name for node in self.engine.nodes() if self.number in node.hosts)
        return next(found, None)

    @property
    def where(self) -> str:
        """Its process, and the node of that if it is on one."""
        node = self.node
        on = f" on {node}" if node is not None and node != HERE else ""
        return f"{self.pid}{on}"

    def granted(self, there: str) -> list[Granted]:
        """What it may bind of another Worker."""
        return [granted for worker, granted in self._grants if worker == there]

    # Its start.

    @property
    def settled(self) -> bool:
        """Whether the code has run, or will not run any more."""
        return self.met is not None or self._failure is not None or self.why is not None

    @property
    def has_failed(self) -> bool:
        """Whether its code has failed, or it has ended."""
        return self._failure is not None or self.why is not None

    def when_settled(self, function: Callable[[], None]) -> None:
        """Call a function once it has; at once if it has."""
        if self.settled:
            function()
        else:
            self._settled.append(function)

    def wait(self) -> Record:
        """Block until the code has run. Gives what it has told of the Worker.

        Raises:
            PlacementError: the host ended first, or took too long.
            BaseException: whatever the code raises.
        """
        until = time.monotonic() + self.placed.start_seconds
        try:
            while not self.settled:
                self.line.wait(max(0.0, until - time.monotonic()))
        except TimeoutError:
            self.give_up()
        except BaseException:
            self.engine.stop(self.number)
            raise
        return self.outcome()

    async def wait_soon(self) -> Record:
        """Wait until the code has run, likewise, while the event loop goes on."""
        self.attach()
        done = asyncio.Event()
        self.when_settled(done.set)
        try:
            async with asyncio.timeout(self.placed.start_seconds):
                await done.wait()
        except TimeoutError:
            self.give_up()
        except BaseException:
            self.engine.stop(self.number)
            raise
        return self.outcome()

    def give_up(self) -> None:
        """It has not come up in time."""
        self._silent = f"its code had not run after {self.placed.start_seconds:g} s (start_seconds)"
        self._failure = PlacementError(f'Worker "{self.worker}" did not start: {self._silent}')
        self.engine.stop(self.number)

    def outcome(self) -> Record:
        """Give what it has told of the Worker.

        Raises:
            BaseException: it has not come up.
        """
        if self._failure is not None:
            raise self._failure
        if self.met is None:
            raise PlacementError(f'Worker "{self.worker}" did not start: {self.why}')
        return self.met

    # What it says (see `engine.Heard`).

    def record(self, record: Record) -> None:
        self._heard = time.monotonic()
        shape = _SHAPES.get(record["kind"])
        if shape is None or not all(isinstance(record.get(k), t) for k, t in shape.items()):
            self._silent = f"it broke the rules: {preview(record)}"
            self.engine.stop(self.number)
            return
        kind = record["kind"]
        if kind == "out":
            if record["stream"] == "stderr":
                self._lines.add(record["text"])
            self._audience.printed(self, record["stream"], record["text"], record["cause"])
            self._has_said()
        elif kind == "log":
            self._audience.logged(self, record)
            self._has_said()
        elif kind == "left":
            self.has_left = True
            self._settle()
        elif kind == "meet":
            self._audience.asked_for(self, record["there"])
        elif kind == "met":
            self.met, self.pid = record, record["pid"]
            self._settle()
        elif kind == "turned":
            self._turned()
        elif kind == "looked":
            self._looked = True
            if record["late"]:
                self._end_late_code()
        elif kind == "late":
            self._audience.late(self, record["way"], record["call"], record["what"][:_SHOWN])
        elif kind == "failed":
            self._failure = _read(record["error"])
            self._settle()

    def output(self, stream: str, data: bytes) -> None:
        self._heard = time.monotonic()
        text = self._decoders[stream].decode(data)
        if stream == "stderr":
            self._lines.add(text)
        self._audience.printed(self, stream, text, 0)

    def lost(self) -> None:
        """It says nothing more; why, the engine will know."""

    def has_ended(self, ended: Ended) -> None:
        """It is no more."""
        if ended.why == "" and self._silent:
            ended = ended._replace(why=self._silent)
        lines = self._lines if self.met is not None or self._failure is None else ()
        text = reason(self.worker, self.pid, ended, self.placed.bounds, lines)
        self.why = crashed(text)
        if self._timer is not None:
            self._timer.cancel()
        self._lets_go()
        self._tell_waiting()
        self._audience.over(self)
        self._settle()

    def _settle(self) -> None:
        settled, self._settled = self._settled, []
        for function in settled:
            function()

    # What it has printed and logged.

    def has_said(self, number: int) -> bool:
        """Whether so many pieces of what it prints and logs have come; all, once it has ended."""
        return self._said >= number or self.why is not None

    def when_said(self, number: int, function: Callable[[], None]) -> None:
        """Call a function once they have."""
        self._waiting.append((number, function))

    def _has_said(self) -> None:
        self._said += 1
        self._tell_waiting()

    def _tell_waiting(self) -> None:
        ready = [function for number, function in self._waiting if self.has_said(number)]
        self._waiting = [each for each in self._waiting if not self.has_said(each[0])]
        for function in ready:
            function()

    # Signs of life.

    def attach(self) -> None:
        """Listen to it on the running event loop, and see that it lives."""
        self.line.attach()
        if self._timer is None:
            self._look()

    def _look(self) -> None:
        now, silence = time.monotonic(), self.placed.silence_seconds
        if self.why is not None:
            return
        loop = asyncio.get_running_loop()
        if self._asked is None or (self._heard is not None and self._heard >= self._asked):
            self._computed = self.line.computed()
            self._asked = now
            self.line.send({"kind": "ask"})
        elif self._heard is not None:
            computed = self.line.computed()
            if computed is not None and computed != self._computed:
                # C code that holds the lock of the interpreter: it answers nobody, and lives.
                self._computed, self._asked = computed, now
            elif now - self._asked >= silence:
                self._silent = (
                    f"nothing was heard of it for {silence:g} s, and it did not compute"
                    " (silence_seconds), so it was killed"
                )
                self.engine.stop(self.number)
                return
        self._timer = loop.call_later(silence / ASKS, self._look)

    # Code that goes on when nobody waits for it any more.

    def given_up(
        self, way: int, call: int, what: str, waits: Callable[[Host], list[Callable[[], bool]]]
    ) -> None:
        """See that the code of a call that was given up lets others run within its grace.

        Args:
            way: the number of the way that the call was made on.
            call: its id.
            what: was called.
            waits: gives the calls that a host has: of each, whether somebody waits for it.
        """
        if self.why is not None or running_loop() is None:
            return
        self._given_up.append([way, call])
        self._turns = _TURNS
        if self._watch is None:
            self._what, self._waits = what, waits(self)
            self._ask_for_turn()

    def _ask_for_turn(self) -> None:
        self.line.send({"kind": "turn"})
        self._look_later()

    def _turned(self) -> None:
        """Others have had a turn there. The call may have begun since, for it came another way."""
        if self._watch is None:
            return
        self._watch.cancel()
        self._looked = True
        self._turns -= 1
        if self._turns > 0:
            loop = asyncio.get_running_loop()
            self._watch = loop.call_later(self.placed.grace_seconds, self._ask_for_turn)
        else:
            self._lets_go()

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._watch = loop.call_later(self.placed.grace_seconds, self._look_at_code)

    def _look_at_code(self) -> None:
        """It has had no turn since: what runs there?"""
        computed = self.line.computed()
        holds = not self._looked and (computed is None or computed != self._seen)
        if holds and not any(still() for still in self._waits):
            # It computes, and cannot even look: C code holds the lock of the interpreter, for
            # nobody. One that does not compute has had no time on a busy machine, or stands still.
            self._end_late_code()
            return
        self._looked, self._seen = False, computed
        self.line.send({"kind": "look", "calls": [*self._given_up]})
        self._look_later()

    def _end_late_code(self) -> None:
        self._silent = (
            f"{self._what or 'a call'} was given up, and its code went on for"
            f" {self.placed.grace_seconds:g} s and let nothing else run (grace_seconds), so it was"
            " killed"
        )
        self.engine.stop(self.number)

    def _lets_go(self) -> None:
        """There is nothing to look for any more."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._looked = True
        self._given_up.clear()
        self._waits = []

    # What it is told.

    def stop(self) -> None:
        """End it now."""
        self.engine.stop(self.number)

    def leave(self, seconds: float) -> None:
        """Have it let its Durable Objects go, and block until it has; it goes on without them."""
        until = time.monotonic() + seconds
        self.line.send({"kind": "leave", "calls": False})
        try:
            while not self.has_left and self.why is None:
                self.line.wait(max(0.0, until - time.monotonic()))
        except TimeoutError:
            self._silent = "it did not let its Durable Objects go"
            self.stop()
            while self.why is None:
                self.line.wait(seconds)

    async def drain(self, until: float, seconds: float) -> bool:
        """Wait until its calls are over and its Durable Objects have left; says whether they are.

        It gets no new calls meanwhile.

        Args:
            until: when it is ended, whatever it does; by the clock of the loop.
            seconds: how long it had in all.
        """
        self.line.send({"kind": "leave", "calls": True})
        try:
            async with asyncio.timeout_at(until):
                while not self.has_left and self.why is None:
                    await self._news()
        except TimeoutError:
            self._silent = f"it has moved, and its calls were not over after {seconds:g} s"
            self.stop()
            while self.why is None:
                await self._news()
            return False
        return True

    async def _news(self) -> None:
        """Wait until it has said how far it is, or has ended."""
        news = asyncio.Event()
        self._settled.append(news.set)
        await news.wait()

    def interrupt(self) -> None:
        """Stop the code of the Worker that computes now, if any does."""
        self.line.send({"kind": "interrupt"})

    def retire(self) -> None:
        """Have it end as soon as nothing is under way and nobody holds anything of it."""
        if not self.retiring:
            self.retiring = True
            self.line.send({"kind": "retire"})


def _read(error: bytes) -> BaseException:
    try:
        found: Any = unpack(error)
    except Exception as failed:
        found = failed
    return found if isinstance(found, BaseException) else PlacementError(preview(found))
