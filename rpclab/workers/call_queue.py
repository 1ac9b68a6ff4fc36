"""The queue in front of a Worker: so many of its calls run at a time, so many wait, no more.

Floor: workers. Whoever finds no place is answered at once, with an `OverloadedError`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Self

from rpclab.core.imports import PENDING
from rpclab.errors import overloaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.answers import Answer
    from rpclab.core.hooks import Hook
    from rpclab.rpc.engine import Engine

NEWEST, OLDEST = "newest", "oldest"
OVERLOAD = {
    NEWEST: "the call that comes finds no place",
    OLDEST: "the call that has waited longest gives its place to the one that comes",
}
"""Who is refused when the queue is full."""

QUEUE = 100
"""How many calls may wait, where nothing else is said."""


class Turns(NamedTuple):
    """How many calls of a Worker run at a time, and how many wait.

    Attributes:
        concurrency: how many calls run at a time; `math.inf` for all that come.
        queue: how many may wait for their turn.
        overload: who is refused when more come: one of `OVERLOAD`.
    """

    concurrency: float = math.inf
    queue: int = QUEUE
    overload: str = NEWEST

    @classmethod
    def of(
        cls, concurrency: int | None = None, queue: int | None = None, overload: str = NEWEST
    ) -> Self | None:
        """Understand the options of `Sandbox.deploy`; None where a Worker has no queue.

        Raises:
            ValueError: they make no queue.
            TypeError: a number is none.
        """
        for name, value, least in (("concurrency", concurrency, 1), ("queue", queue, 0)):
            if value is None:
                continue
            if type(value) is not int:
                raise TypeError(f"{name} is a number of calls, not {type(value).__name__}")
            if value < least:
                raise ValueError(f"{name} is a number of calls, {least} or more, not {value}")
        if overload not in OVERLOAD:
            there_are = ", ".join(f"{name!r} ({who})" for name, who in OVERLOAD.items())
            raise ValueError(f"overload is none of {overload!r}; there are: {there_are}")
        if concurrency is None:
            if queue is not None or overload != NEWEST:
                raise ValueError(
                    "calls wait where only so many run at a time: give `concurrency`, too"
                )
            return None
        return cls(concurrency, QUEUE if queue is None else queue, overload)


class CallQueue:
    """Gives the calls of one Worker their turns, in the order in which they came.

    A call has its turn until it is answered. One that is given up while it waits, or whose
    deadline passes, leaves its place.

    Args:
        worker: the name of the Worker.
        turns: how many there are.
        again: runs a function in the next turn of the drain, where calls may be started.

    Attributes:
        running: how many calls run.
        refused: how many found no place so far.
    """

    def __init__(
        self, worker: str, turns: Turns, again: Callable[[Callable[[], None]], None]
    ) -> None:
        self.worker = worker
        self.turns = turns
        self.running = 0
        self.refused = 0
        self._waiting: dict[Answer, Callable[[], None]] = {}
        self._again = again
        self._scheduled = False

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return len(self._waiting)

    def __repr__(self) -> str:
        turns = self.turns
        return (
            f"<CallQueue of {self.worker}: {self.running} of {turns.concurrency} run,"
            f" {self.waiting} of {turns.queue} wait, {self.refused} refused>"
        )

    def enter(self, answer: Answer, hook: Hook, start: Callable[[], None]) -> None:
        """Start a call now, or when it is its turn; or refuse it, or the one that waits longest.

        A call that the Worker makes on itself is part of one that has its turn, and starts at once.

        Args:
            answer: to the call.
            hook: what it was made on; kept until its turn.
            start: starts it.
        """
        if is_own(answer):
            start()
            return
        if not self._waiting and self.running < self.turns.concurrency:
            self._run(answer, start)
            return
        if len(self._waiting) >= self.turns.queue:
            if self.turns.overload == NEWEST or not self._waiting:
                self._refuse(answer)
                return
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            self._refuse(oldest)
        self._waiting[answer] = start
        # A call that was made keeps what it was made on.
        hook.retain()

        def over() -> None:
            self._waiting.pop(answer, None)
            hook.release()

        answer.watch(over)

    def change(self, turns: Turns) -> None:
        """Give other numbers from now on; those who wait already stay."""
        self.turns = turns
        self._advance_soon()

    def _refuse(self, answer: Answer) -> None:
        self.refused += 1
        error = overloaded(
            f'the Worker "{self.worker}"',
            self.worker,
            self.turns.queue,
            self.turns.queue,
            f"concurrency={self.turns.concurrency} says how many run at a time: more turns, a"
            " longer queue or a faster method would let more in",
        )
        answer.reject(error, remote=False)

    def _run(self, answer: Answer, start: Callable[[], None]) -> None:
        self.running += 1
        try:
            start()
        finally:
            answer.watch(self._over)

    def _over(self) -> None:
        self.running -= 1
        self._advance_soon()

    def _advance_soon(self) -> None:
        if self._waiting and not self._scheduled:
            self._scheduled = True
            self._again(self._advance)

    def _advance(self) -> None:
        self._scheduled = False
        while self._waiting and self.running < self.turns.concurrency:
            answer = next(iter(self._waiting))
            start = self._waiting.pop(answer)
            if answer.state == PENDING:
                self._run(answer, start)


def is_own(answer: Answer) -> bool:
    """Whether a call comes from the very Worker that it was made on."""
    session = (answer.origin or answer).session
    return (
        session is not None and session.peer is not None and session.peer.keeper is session.keeper
    )


class SandboxQueues:
    """The part of a sandbox that has queues in front of its Workers."""

    engine: Engine
    _queues: dict[str, CallQueue]

    def queue(self, worker: str) -> CallQueue | None:
        """Give the queue in front of a Worker; None where all its calls run as they come.

        Args:
            worker: its name.
        """
        return self._queues.get(worker)

    def _queue_calls(self, worker: str, turns: Turns | None) -> CallQueue | None:
        """Give the calls of a Worker that many turns from now on."""
        found = self._queues.get(worker)
        if found is not None:
            found.change(turns or Turns())
        elif turns is not None:
            found = CallQueue(worker, turns, self.engine.again)
        if turns is None:
            if self._queues.pop(worker, None) is not None:
                self.engine.special -= 1
            return None
        if worker not in self._queues and found is not None:
            self._queues[worker] = found
            self.engine.special += 1  # calls that wait need an answer that waits with them
        return found

    def _forget_queues(self) -> None:
        self.engine.special -= len(self._queues)
        self._queues.clear()
