"""Advice: awaits that cost a round trip each, and need not.

Floor: trace. A pure function of a recording. A call that was made on a stub, or with a stub or
value, that an earlier *awaited* call of the same code gave could have been made on, or with, the
promise of that call: both travel together then. Advice is given only where following it is certain
to work as far as a recording can tell: both calls go to the same Worker, and nothing that was
called in between can have been computed from what was awaited.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Any

from rpclab.core.events import Call
from rpclab.trace import events as ev
from rpclab.trace.messages import member_of
from rpclab.trace.model import RETURNED, Advice
from rpclab.trace.replay import Replay, replayed
from rpclab.trace.states import CallState, StubState

_COMMON = (None, True, False, 0, 1, -1, "")
"""Values that say nothing of where they came from."""

_LARGE, _LONG = 1000, 4


_MADE_AT, _AWAITED_AT = attrgetter("made_at"), attrgetter("awaited_at")


def advice(recording: Iterable[Any] | Replay) -> tuple[Advice, ...]:
    """Say which awaits of a recording could be fewer round trips.

    What happened several times at the same places is said once.

    Args:
        recording: a recording, or some of its events in order; or what has played them.
    """
    flow = _Flow(replayed(recording))
    found: dict[tuple[str | None, ...], Advice] = {}
    for group in flow.groups():
        made = _advice(group, flow.next_of)
        if made is not None:
            again = found.get(made.sites)
            found[made.sites] = made if again is None else replace(again, times=again.times + 1)
    return tuple(replace(each, text=_text(each, flow.calls)) for each in found.values())


class _Flow:
    """Which call was made on, or with, the awaited result of which.

    Attributes:
        calls: all calls, by number.
        next_of: by the number of a call, the first that was made on or with its awaited result.
    """

    def __init__(self, replay: Replay) -> None:
        self.calls = {call.number: call for call in replay.calls}
        self.next_of: dict[int, int] = {}
        self._origins: dict[Call, StubState] = {}
        for stub in replay.stubs:
            if stub.how == "result":
                self._origins.setdefault(stub.key, stub)
        self._made = replay.calls
        givers = _Givers(replay.calls)
        for call in replay.calls:
            givers.go_on(call.made_at)
            for source in self._sources(call, givers):
                if source.number not in self.next_of and self._can_go(source, call):
                    self.next_of[source.number] = call.number

    def _sources(self, call: CallState, givers: _Givers) -> Iterator[CallState]:
        """The calls whose results this one was made on or with."""
        passed = () if call.message is None else call.message.stubs
        keys = [(call.sent.session, call.sent.target), *(stub.key for stub in passed)]
        for stub in map(self._origins.get, keys):
            if stub is not None and stub.source is not None:
                yield stub.source
        for value in getattr(call.sent, "args", None) or ():
            source = None if _is_common(value) else givers.of(value, call)
            # A small number may stand there by chance, unless it was awaited in that very line.
            if source is not None and (_is_telling(value) or source.site == call.site):
                yield source

    def _can_go(self, source: CallState, call: CallState) -> bool:
        """Whether the await of `source` can go, and `call` be made on or with its promise."""
        if (
            source.awaited_at is None
            or call.awaited_at is None
            or source.awaited_at > call.made_at
            or source.outcome != RETURNED
            or source.sent.session != call.sent.session
            or source.by != call.by
        ):
            return False
        if _is_stub(source):
            return True
        first = bisect_right(self._made, source.awaited_at, key=_MADE_AT)
        between = map(self._made.__getitem__, range(first, call.number - 1))
        return all(_takes_nothing(other) for other in between if other.by == call.by)

    def groups(self) -> list[list[CallState]]:
        """Calls that could travel together: each is made on or with those before it."""
        last = {number: number for number in (*self.next_of, *self.next_of.values())}
        for number in sorted(last, reverse=True):
            if number in self.next_of:
                last[number] = last[self.next_of[number]]
        groups: dict[int, list[CallState]] = {}
        for number in sorted(last):
            groups.setdefault(last[number], []).append(self.calls[number])
        return list(groups.values())


class _Givers:
    """Who gave a value: the results that were awaited by a moment, and their members."""

    def __init__(self, calls: list[CallState]) -> None:
        self._waiting = _by_await(calls)
        self._found: dict[tuple[int | None, type, Any], CallState] = {}

    def go_on(self, moment: int) -> None:
        """Take in what was awaited by then."""
        while self._waiting and _AWAITED_AT(self._waiting[-1]) <= moment:
            source = self._waiting.pop()
            answer = source.answer
            if type(answer) is ev.CallReturned:
                for value in (answer.value, *(item for _, item in answer.members or ())):
                    known = self._found.get(_key(value, source))
                    if known is None or known.number < source.number:
                        self._found[_key(value, source)] = source

    def of(self, value: Any, call: CallState) -> CallState | None:
        """The last call, by the same method as this one, that gave that very value."""
        return self._found.get(_key(value, call))


def _by_await(calls: list[CallState]) -> list[CallState]:
    """Those that were awaited; the first that was stands last."""
    awaited = [call for call in calls if call.awaited_at is not None]
    return sorted(awaited, key=_AWAITED_AT, reverse=True)


def _key(value: Any, call: CallState) -> tuple[int | None, type, Any]:
    return call.by, type(value), value


def _is_common(value: Any) -> bool:
    return type(value) is tuple or any(value is item or value == item for item in _COMMON)


def _is_telling(value: Any) -> bool:
    """Whether a value is hardly met twice by chance."""
    if type(value) is int:
        return abs(value) >= _LARGE
    return type(value) is not str or len(value) >= _LONG


def _is_stub(call: CallState) -> bool:
    """Whether its result is one stub, from which nothing can be computed."""
    value = getattr(call.answer, "value", None)
    data = ("dict of", "list of", "tuple of", "set of", "frozenset of")
    return type(value) is tuple and not value[0].startswith(data) and value[0][:1] not in "'\"b"


def _takes_nothing(call: CallState) -> bool:
    args = getattr(call.sent, "args", None)
    return all(_is_common(value) for value in args or ())


def _advice(group: list[CallState], next_of: dict[int, int]) -> Advice | None:
    levels: dict[int, int] = {}
    waiting, awaits = _by_await(group), 0
    for call in group:
        while waiting and _AWAITED_AT(waiting[-1]) < call.made_at:
            awaits = max(awaits, levels[waiting.pop().number])
        levels[call.number] = 1 + awaits
    awaits = max(levels.values())
    if awaits < 2:  # noqa: PLR2004 - one round trip is one already
        return None
    return Advice(
        calls=tuple(call.number for call in group),
        sites=tuple(call.site for call in group),
        removable=tuple(call.number for call in group if call.number in next_of),
        awaits=awaits,
        trips=1,
        times=1,
        text="",
    )


def _text(made: Advice, calls: dict[int, CallState]) -> str:
    names = list(dict.fromkeys(member_of(calls[number]) for number in made.removable))
    one = len(made.removable) == 1
    kept = "it" if one else "them"
    times = f" ({made.times} times)" if made.times > 1 else ""
    return (
        f"{made.awaits} awaits could be {made.trips} round trip{times}{_where(made.sites)}:"
        f" use the promise{'s' * (not one)} of {_listed(names)} without awaiting {kept}"
        f"{', unless the loop looks at them' * _is_loop(made, calls)}"
    )


def _is_loop(made: Advice, calls: dict[int, CallState]) -> bool:
    """Whether one place made several of the calls: what ends the loop is not recorded."""
    names = [member_of(calls[number]) for number in made.calls]
    return len(set(zip(made.sites, names, strict=True))) < len(made.calls)


def _where(sites: tuple[str | None, ...]) -> str:
    """The places in words: ", Cell In[3], lines 2, 3 and 4"."""
    places: dict[str, list[str]] = {}
    for site in sites:
        place, comma, line = (site or "").rpartition(", line ")
        if comma and line not in places.setdefault(place, []):
            places[place].append(line)
    texts = [
        f"{place}, line{'s' * (len(lines) != 1)} {_listed(lines)}"
        for place, lines in places.items()
    ]
    return "".join(f", {text}" for text in texts)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
