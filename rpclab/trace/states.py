"""What there is while a recording is played: ends of sessions, calls, messages, targets, stubs.

Floor: trace. `replay.py` changes these; the analyses read them, and the views what of them stands
in `model.py`; who compares or writes down a state gets no more than that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rpclab.core.events import Call
from rpclab.trace import events as ev
from rpclab.trace.model import Arrow, CallBar, StubBar, TargetBar

UNKNOWN = "something"


@dataclass(slots=True, kw_only=True)
class CallState(CallBar):
    """A call, read or map, as far as it has come.

    Attributes:
        sent: the event of its making.
        answer: that of its result.
        awaited_at: the moment at which a task first went on with its result.
        used: whether a call was made on or with its promise.
        message: that makes it.
    """

    sent: ev.CallSent | ev.MapSent = field(compare=False, repr=False)
    answer: ev.CallReturned | ev.CallRaised | None = field(default=None, compare=False, repr=False)
    awaited_at: int | None = field(default=None, compare=False, repr=False)
    used: bool = field(default=False, compare=False, repr=False)
    message: MessageState | None = field(default=None, compare=False, repr=False)


@dataclass(slots=True, kw_only=True)
class MessageState(Arrow):
    """A message, as far as it has come.

    Attributes:
        event: of its sending.
        of: the call that it makes, answers or cancels.
        stubs: that were put into it.
    """

    event: Any = field(compare=False, repr=False)
    of: CallState | None = field(compare=False, repr=False)
    stubs: Sequence[StubState] = field(default=(), compare=False, repr=False)


@dataclass(slots=True, kw_only=True)
class TargetState(TargetBar):
    """A target that was introduced; `live` are the introductions that were not given back."""

    references: list[tuple[int, float, int]] = field(default_factory=list)
    holders: tuple[str, ...] = ()
    live: set[Call] = field(default_factory=set, compare=False, repr=False)


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


@dataclass(slots=True, kw_only=True)
class StubState(StubBar):
    """One handle of a stub.

    Attributes:
        key: the import that it is a handle of.
        leads_to: its target.
        source: the call whose result or parameter it is.
        introducer: the Worker that gave it.
    """

    passed: list[tuple[int, float, str]] = field(default_factory=list)
    key: Call = field(compare=False, repr=False)
    leads_to: TargetState = field(compare=False, repr=False)
    source: CallState | None = field(compare=False, repr=False)
    introducer: str = field(compare=False, repr=False)


@dataclass(slots=True)
class EndState:
    """One end of a session.

    Attributes:
        fresh: what messages yet to be told of introduced, by message.
        passing: the stubs that were put into the next message.
    """

    label: str
    here: str
    there: str
    imports: dict[int, Held] = field(default_factory=dict)
    exports: dict[int, Export] = field(default_factory=dict)
    outbox: deque[MessageState] = field(default_factory=deque)
    wire: deque[MessageState | None] = field(default_factory=deque)
    inbox: deque[MessageState | None] = field(default_factory=deque)
    fresh: list[list[Export]] = field(default_factory=list)
    passing: list[StubState] = field(default_factory=list)
