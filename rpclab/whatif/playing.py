"""Runs a program in a world of its own, to its end or until it waits for too long.

Floor: whatif. The program runs where the code of Workers runs, on the loop of the virtual clock: so
`asyncio.sleep` and `asyncio.timeout` in it are virtual time, too. All of this happens elsewhere
(`apart`), and the caller waits: it may be a cell, a script or a coroutine, and takes no turn
meanwhile.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import traceback
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from rpclab.previews import described, preview
from rpclab.trace.model import Arrow, CallBar, StreamSeries, StubBar, TargetBar
from rpclab.trace.pictures.figures import Figures
from rpclab.trace.pictures.templates import duration
from rpclab.trace.replay import Replay
from rpclab.trace.timeline import timeline
from rpclab.views import View
from rpclab.whatif.changes import Break, Change
from rpclab.whatif.ledger import Before, Ledger, Repeat
from rpclab.whatif.wire import TORN, Strike, Wire

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox
    from rpclab.trace.recording import Recording
    from rpclab.whatif.world import World

Program = Callable[..., Awaitable[Any]]
"""A coroutine function that takes `env`, or `env` and `sandbox`."""

PATIENCE = 3600.0
"""Seconds of virtual time after which a program is taken to wait for ever."""

RETURNED, RAISED, STUCK = "returned", "raised", "stuck"

_SETTLING = 60.0  # seconds of virtual time in which what is under way arrives, and tasks end
_TURNS = 50  # that code gets which was cancelled


@dataclass(frozen=True)
class Run:
    """What came of one run.

    Attributes:
        outcome: "returned", "raised" or "stuck": it waited for longer than anybody would.
        result: the value or error, in a few characters; what is waited for, where it is stuck.
        seconds: how long it took by the virtual clock.
        recording: what happened, up to its end.
        round_trips: how many it waited for; None where it is stuck.
        messages: how many were sent between two Workers.
        sent: for each of these, who sent it to whom, and what it was, as far as that is known.
        struck: the two Workers between which the wire was cut.
        calls: its calls, and what came of each.
        stubs: its stubs, and how each ended, some time after it was over.
        targets: what these lead to.
        streams: its streams, as they were when it was over.
        waits: the calls that are awaited still, where it is stuck.
        prints: what Workers and program have printed.
        repeats: calls that ran more often than before, and what each has changed.
        state: what Workers hold at the end, as a text to compare.
        counts: how often each call ran.
        wants: the classes of targets, by Worker and name, that have a `dispose` to be called.
    """

    outcome: str
    result: str
    seconds: float
    recording: Recording
    round_trips: float | None = None
    saved: float | None = None
    sent: tuple[tuple[str, str, Arrow | None], ...] = ()
    struck: tuple[str, str] | None = None
    calls: tuple[CallBar, ...] = ()
    stubs: tuple[StubBar, ...] = ()
    targets: tuple[TargetBar, ...] = ()
    streams: tuple[StreamSeries, ...] = ()
    waits: tuple[str, ...] = ()
    prints: str = ""
    repeats: tuple[Repeat, ...] = ()
    state: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    wants: frozenset[tuple[str, str]] = frozenset()

    @property
    def messages(self) -> int:
        """How many messages were sent between two Workers."""
        return len(self.sent)

    @property
    def text(self) -> str:
        """How it ended, in a line."""
        if self.outcome == STUCK:
            return f"never ends: it waits for {self.result}"
        return f"{self.outcome} {self.result} after {duration(self.seconds)}"

    def timeline(self) -> View:
        """Show who called whom, and when."""
        return View("timeline", self.recording, figures=self.figures, scale="time", advice=())

    @property
    def figures(self) -> Figures:
        """How much happened."""
        counted = Figures.of(timeline(self.recording))
        return counted._replace(
            round_trips=self.round_trips, saved=self.saved, seconds=self.seconds
        )

    def __repr__(self) -> str:
        return f"<Run that {self.text}>"


async def play(
    world: World,
    program: Program,
    change: Change | None = None,
    *,
    strike: Strike | None = None,
    before: Before | None = None,
    patience: float = PATIENCE,
) -> Run:
    """Run a program once.

    Args:
        world: what it runs in.
        program: what runs.
        change: what is changed.
        strike: where the wire is cut.
        before: what ran in the run that this one is compared with.
        patience: after so many seconds of virtual time it is stuck.

    Raises:
        ValueError: the change cannot be made.
        Exception: whatever the code of a Worker raises as it is deployed.
    """
    change = change or Change()
    if isinstance(change, Break):
        strike = Strike(change.message, TORN, frozenset({change.one, change.other}))
    ledger = Ledger(before)
    sandbox = world.build(pipelining=change.pipelining, deployed=ledger.watch)
    try:
        ledger.sandbox = sandbox
        change.sandbox(sandbox)
        return await _played(sandbox, program, Wire(sandbox, strike), ledger, patience)
    finally:
        sandbox.close()


class _Playing:
    """A program that runs, on the loop of the virtual clock."""

    def __init__(self, sandbox: Sandbox, program: Program) -> None:
        if not callable(program):
            raise TypeError(
                "the program is a coroutine function that takes env, or env and sandbox, not"
                f" {preview(program)}: it is run more than once"
            )
        self.began = sandbox.time()
        self.trace: Any = None
        self.recorded = cast("Recording", sandbox.recording)  # a world's sandboxes record
        self.mark = self.recorded.mark
        self._sandbox = sandbox
        self._program = program
        self.task: asyncio.Task[Any] | None = None

    async def _main(self) -> Any:
        wants = len(inspect.signature(self._program).parameters)
        given = (self._sandbox.env, self._sandbox)[:wants]
        with self._sandbox.trace() as self.trace:
            return await self._program(*given)

    async def over(self, patience: float) -> bool:
        """Wait until it is done; says whether it is."""
        guest: Any = self._sandbox.engine.guest
        host = asyncio.get_running_loop()
        self._sandbox.engine.attend(host)
        ended = host.create_future()

        def wake() -> None:
            if not ended.done():
                ended.set_result(None)

        self.task = task = guest.create_task(self._main())
        task.add_done_callback(lambda _: guest.call_outside(wake))
        timer = guest.call_later(patience, guest.call_outside, wake)
        await ended
        timer.cancel()
        return bool(task.done())


async def _played(
    sandbox: Sandbox, program: Program, wire: Wire, ledger: Ledger, patience: float
) -> Run:
    reports: list[str] = []
    engine: Any = sandbox.engine
    engine.tell_unseen = reports.append
    engine.report = lambda _error, what: reports.append(what)
    playing = _Playing(sandbox, program)
    wire.counts = ledger.counts = True
    done = await playing.over(patience)
    seconds = sandbox.time() - playing.began
    # With what leaves as the program ends: what it gives back.
    recording = playing.recorded.part(playing.mark)
    sent = tuple(wire.sent)
    waits = () if done else tuple(map(str, sandbox.waiting()))
    outcome, result = _outcome(playing.task) if done else (STUCK, _waited_for(waits))
    trips = (playing.trace.round_trips, playing.trace.saved) if done else (None, None)
    calls = tuple(timeline(recording).calls)
    streams = tuple(Replay(recording).flows.streams.values())
    await _end(playing, sandbox, wire)
    replay = Replay(sandbox.recording or ())
    return Run(
        outcome=outcome,
        result=result,
        seconds=seconds,
        recording=recording,
        round_trips=trips[0],
        saved=trips[1],
        sent=tuple(_with_arrows(sent, replay.messages)),
        struck=wire.struck,
        calls=calls,
        stubs=tuple(replay.stubs),
        targets=tuple(replay.targets),
        streams=streams,
        waits=waits,
        repeats=tuple(ledger.repeats),
        state=ledger.state(),
        counts=dict(ledger.ran),
        wants=frozenset(ledger.disposable()),
    )


def _with_arrows(
    sent: Iterable[tuple[str, str]], arrows: Iterable[Arrow]
) -> Iterator[tuple[str, str, Arrow | None]]:
    waiting: dict[tuple[str, str], deque[Arrow]] = defaultdict(deque)
    for arrow in arrows:
        waiting[arrow.sender, arrow.receiver].append(arrow)
    for pair in sent:
        yield *pair, waiting[pair].popleft() if waiting[pair] else None


def _outcome(task: Any) -> tuple[str, str]:
    if task.cancelled():
        return RAISED, "CancelledError"
    error = task.exception()
    if error is None:
        return RETURNED, preview(task.result())
    text = described(error)
    _forget_frames(error)
    return RAISED, text


def _forget_frames(error: BaseException | None) -> None:
    """Let go of what the frames hold that an error went through: stubs, which are counted."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _waited_for(waits: tuple[str, ...]) -> str:
    return waits[0] if waits else "something that no Worker is asked for"


async def _end(playing: _Playing, sandbox: Sandbox, wire: Wire) -> None:
    """Let what is under way arrive, and go."""
    task, playing.task = playing.task, None
    if task is not None and not task.done():
        for _ in range(_TURNS):
            task.cancel()
            await sandbox.sleep(0)
            if task.done():
                break
    del task
    wire.mend()
    await sandbox.sleep(_SETTLING)
    # Nothing was collected since it began, so all that it made is young.
    gc.collect(0)
    sandbox.engine.python_has_collected()
    await sandbox.sleep(1)
