"""Events of the sessions, as facts in the past tense: plain tuples on the way in, read here.

Floor: trace. Nothing of the user's is kept: values are written down in a few characters at once.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

LIMIT = 100_000  # events a recording keeps
_LINE = 60  # characters that an error is written in
_BRIEF = 24  # characters that a value is written in


class Sent(NamedTuple):
    """A message that one Worker sent to another.

    Attributes:
        kind: "call", "read", "map", "result", "error", "release" or "cancel".
        sender: the Worker it left.
        receiver: the Worker it went to.
        number: the call it makes, answers or cancels.
        text: what a reader wants to see of it.
        size: in bytes.
        pipelined: whether a call was made on a result that was not there yet.
    """

    kind: str
    sender: str
    receiver: str
    number: int
    text: str
    size: int
    pipelined: bool = False


class Recording:
    """An append-only list of events; the oldest go when it is full.

    Calls are numbered anew, over all sessions, in the order in which they were made; a call that
    was made before the recording began has the number 0.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.events: deque[Sent] = deque(maxlen=limit)
        self._numbers: dict[tuple[str, str, int], int] = {}

    def __call__(self, event: tuple[Any, ...]) -> None:
        """Take an event of a session."""
        kind, name, call, *details, size = event
        sender, _, receiver = name.partition("→")
        if kind in ("call", "map"):
            number = self._numbers[sender, receiver, call] = len(self._numbers) + 1
            target = details.pop(0)
            on = f"({self._number(sender, receiver, target)})" if target > 0 else ""
            verb, text = _mapped(on, *details) if kind == "map" else _asked(on, *details)
            self.events.append(Sent(verb, sender, receiver, number, text, size, target > 0))
            return
        if kind == "release":
            number, text = 0, ", ".join(self._spell(sender, receiver, n) for n in details[0])
        elif kind == "cancel":
            number, text = self._number(sender, receiver, call), ""
        else:
            number = self._number(receiver, sender, call)
            text = brief(details[0]) if kind == "result" else _shortened(details[0])
        self.events.append(Sent(kind, sender, receiver, number, text, size))

    def _number(self, importer: str, exporter: str, call: int) -> int:
        return self._numbers.get((importer, exporter, call), 0)

    def _spell(self, importer: str, exporter: str, number: int) -> str:
        if number < 0:
            return f"#{-number}"
        return str(self._number(importer, exporter, number) or "an earlier call")


def _mapped(on: str, steps: int) -> tuple[str, str]:
    return "map", f"{on}.map of {steps} step{'s' * (steps != 1)}"


def _asked(on: str, path: Any, args: Any, kwargs: Any) -> tuple[str, str]:
    label = ".".join([path] if type(path) is str else path)
    what = f"{on}.{label}" if on and label else on or label or "(this)"
    return ("read", what) if args is None else ("call", f"{what}({_brief_all(args, kwargs)})")


def _shortened(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= _LINE else f"{text[: _LINE - 1]}…"


def _brief_all(args: list[Any], kwargs: dict[str, Any] | None) -> str:
    named = (f"{name}={brief(value)}" for name, value in (kwargs or {}).items())
    return ", ".join([*map(brief, args), *named])


def brief(value: Any) -> str:
    """Write a value down in a few characters, without running any code of its class."""
    kind = type(value)
    if kind in (bool, int, float, str, bytes, type(None)):
        text = repr(value)
        return text if len(text) <= _BRIEF else f"{text[: _BRIEF - 4]}…{text[-1]}"
    if kind in (list, tuple, set, frozenset, dict):
        return f"{kind.__name__} of {len(value)}"
    name = kind.__name__
    if name in ("function", "builtin_function_or_method", "method", "partial"):
        return "a function"
    if name == "RpcStub":
        return "a stub"
    if name in ("RpcPromise", "RpcProperty"):
        return "a promise"
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
