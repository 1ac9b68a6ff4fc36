"""What there is while a recording is played: ends of sessions, calls, messages, targets, stubs.

Floor: trace. `replay.py` changes these; the analyses read them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from rpclab.core.events import Call
from rpclab.trace import events as ev
from rpclab.trace.model import RUNNING

UNKNOWN = "something"


@dataclass(slots=True)
class CallState:
    """A call, read or map, as far as it has come. Numbered from 1, in the order made.

    Without pipelining it may have been `held` back until what it is made on had settled. `function`
    is the name of the target, where that itself is called and no member of it.
    """

    number: int
    sent: ev.CallSent | ev.MapSent
    caller: str
    worker: str
    made_at: int
    by: CallState | None
    on: CallState | None
    using: list[CallState]
    arrived: float | None = None
    begun: float | None = None
    ended: float | None = None
    settled: float | None = None
    settled_at: int | None = None
    awaited_at: int | None = None
    outcome: str = RUNNING
    answer: ev.CallReturned | ev.CallRaised | None = None
    held: bool = False
    function: str = ""

    @property
    def depth(self) -> int:
        """How many calls it runs inside of."""
        return 0 if self.by is None else self.by.depth + 1


@dataclass(slots=True)
class MessageState:
    """A message, as far as it has come; `released` are the calls that a release gives back."""

    event: Any
    call: CallState | None
    sent_at: int
    arrived: float | None = None
    arrived_at: int | None = None
    released: tuple[int | None, ...] = ()


@dataclass(slots=True)
class TargetState:
    """A target that was introduced; `references` are (moment, time, how many introductions)."""

    number: int
    name: str
    worker: str
    introduced: float
    introduced_at: int
    live: set[Call] = field(default_factory=set)
    references: list[tuple[int, float, int]] = field(default_factory=list)
    holders: list[str] = field(default_factory=list)
    gone: float | None = None
    gone_at: int | None = None
    broken: float | None = None


@dataclass(slots=True)
class Export:
    """An entry of an export table; `message` is the one it was introduced in."""

    kind: str
    target: TargetState | None = None
    call: CallState | None = None
    message: MessageState | None = None


@dataclass(slots=True)
class Held:
    """An entry of an import table."""

    kind: str
    target: TargetState | None = None
    call: CallState | None = None
    handles: int = 0
    broken: bool = False


@dataclass(slots=True)
class StubState:
    """One handle of a stub."""

    number: int
    holder: str
    key: Call
    target: TargetState
    how: str
    of: int | None
    call: CallState | None
    introducer: str
    site: str | None
    made: float
    made_at: int
    context: int | None = None
    ended: float | None = None
    ended_at: int | None = None
    why: str = ""
    ended_site: str | None = None
    passed: list[tuple[int, float, str]] = field(default_factory=list)


@dataclass(slots=True)
class EndState:
    """One end of a session; `fresh` is what messages yet to be told of introduced, by message."""

    label: str
    here: str
    there: str
    imports: dict[int, Held] = field(default_factory=dict)
    exports: dict[int, Export] = field(default_factory=dict)
    outbox: deque[MessageState] = field(default_factory=deque)
    wire: deque[MessageState | None] = field(default_factory=deque)
    inbox: deque[MessageState | None] = field(default_factory=deque)
    fresh: list[list[Export]] = field(default_factory=list)
