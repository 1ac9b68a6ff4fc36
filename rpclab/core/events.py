"""What a session tells an observer: facts in the past tense, as plain tuples, the kind first.

Floor: core. A tuple holds numbers, short texts and small scalars alone, so whoever keeps it keeps
nothing of the user's. `trace/events.py` says what stands in each kind, and reads them as classes.
Where an object has to be told from others, a hook, handle or execution context, its `id` comes
second; an observer that keeps events numbers these anew, for an address means nothing later.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from rpclab.core.messages import CALL, KEYWORDS, MAP, RESOLVE, STREAM, Message
from rpclab.previews import class_name, described, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Call = tuple[str, int]
"""A call, as (label of the end that made it, its id)."""

Entry = tuple[Any, ...] | list[Any] | float
"""An entry of `Kept`: an event, with its time in front; or what several calls or results in a run
(see `messages`) have in common, and then the time of each. It shares the run:

    ["call", label, run, how many of its calls stand before, site, Actor]
    ["result", label, run, how many of its results stand before]

Events may stand between such times, so that all is in order."""


class Kept(list[Any]):
    """What happens, as it comes: of most calls and results the time alone (see `Entry`).

    Attributes:
        run: the run whose calls or results the next times may be of; None to begin with.
        heads: how many entries are no events.
    """

    __slots__ = ("heads", "run")

    def __init__(self) -> None:
        super().__init__()
        self.run: Message | None = None
        self.heads = 0

    def begin(self, *head: Any) -> None:
        """Keep what the calls or results have in common whose times follow."""
        self.run = head[_RUN]
        self.heads += 1
        self.append([*head])

    def cut(self) -> tuple[list[Any], int]:
        """Give all entries away, with how many events they are; here it begins anew."""
        entries, count = self[:], len(self) - self.heads
        self.clear()
        self.run, self.heads = None, 0
        return entries, count


class Actor:
    """Who acts: the code that answers a call, or the program outside, as one task runs it.

    Args:
        call: the call that it answers, as (label of the end that answers it, its id); None for the
            program outside.
        number: tells the tasks of the code that answers one call from one another. 0 is the first;
            NOBODY is what nothing waits for.

    Attributes:
        task: a weak reference to its task; None where it is whatever task runs.
        started: the tasks that it has started, and that it was not seen to go on after.
        steps: how often it went on after something that was told of.
    """

    __slots__ = ("call", "number", "started", "steps", "task")

    def __init__(self, call: Call | None, number: int = 0) -> None:
        self.call = call
        self.number = number
        self.task: Callable[[], Any] | None = None
        self.started: list[Actor] = []
        self.steps = 0


NOBODY = -1

answering: ContextVar[Actor | None] = ContextVar("rpclab_answering", default=None)
"""Who acts in a context, as far as that was observed."""

steps: ContextVar[int] = ContextVar("rpclab_steps", default=0)
"""The steps of who acts there; a task that it starts has a copy, and began after that many."""

SMALL = frozenset({int, float, bool, type(None)})
"""The types of small scalars, but for texts, which may be long."""

_RUN, _BEFORE = 2, 3  # where these stand in what calls or results have in common
_BRIEF = 24  # characters that a value is written in
_LINE = 60  # characters that an error is written in
_MEMBERS = 8  # a dict of more members is only counted

Scalar = int | float | bool | str | tuple[str] | None
"""A small scalar as it is; or a tuple of one text, written down in the place of another value."""


def opposite(label: str) -> str:
    """The label of a session's other end: "b→a" for "a→b".

    The two ends of a Worker's session with itself are "a→a", which calls, and "a↩a".
    """
    here, there = ends(label)
    if here == there:
        return f"{here}↩{there}" if "→" in label else f"{here}→{there}"
    return f"{there}→{here}"


def ends(label: str) -> tuple[str, str]:
    """The Workers at this end and at the other one."""
    here, arrow, there = label.partition("→")
    if arrow:
        return here, there
    # A name may hold "↩", but both halves are the same.
    half = label[: len(label) // 2]
    return half, half


def scalar(value: Any) -> Scalar:
    """A small scalar as it is; anything else written down in a few characters."""
    kind = type(value)
    if kind in SMALL or (kind is str and len(value) <= _BRIEF):
        return value  # type: ignore[no-any-return]
    return (brief(value),)


def spelled(value: Scalar) -> str:
    """A value as a reader wants to see it."""
    return value[0] if type(value) is tuple else brief(value)


def scalars(values: Any) -> tuple[Scalar, ...]:
    """The values of a sequence, each as `scalar` gives it."""
    for value in values:
        if type(value) not in SMALL:
            return tuple([scalar(value) for value in values])
    return tuple(values)


def members(value: Any) -> tuple[tuple[str, Scalar], ...] | None:
    """The scalars in a small dict by name, for those who ask where an argument came from."""
    if type(value) is not dict or len(value) > _MEMBERS:
        return None
    return tuple(
        [
            (name, scalar(item))
            for name, item in value.items()
            if type(name) is str and len(name) <= _BRIEF
        ]
    )


def brief(value: Any) -> str:
    """Write a value down in a few characters, without running any code of its class."""
    kind = type(value)
    if kind in SMALL or kind in (str, bytes):
        return _cut(value)
    if kind in (list, tuple, set, frozenset, dict):
        return f"{kind.__name__} of {len(value)}"
    name = class_name(kind)
    if name in ("function", "builtin_function_or_method", "method", "partial"):
        return "a function"
    if name == "RpcStub":
        return "a stub"
    if name in ("RpcPromise", "RpcProperty"):
        return "a promise"
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def _cut(value: Any) -> str:
    if type(value) in (str, bytes):
        # A long text is not written out to be cut.
        text = repr(value[: 2 * _BRIEF])
        whole = len(value) <= 2 * _BRIEF
    elif type(value) is int and value.bit_length() > 4 * _BRIEF:
        return f"an int of {value.bit_length()} bits"
    else:
        text, whole = repr(value), True
    return text if whole and len(text) <= _BRIEF else f"{text[: _BRIEF - 4]}…{text[-1]}"


def failure(error: BaseException) -> str:
    """Write an error down in a few words."""
    return shown(described(error, _LINE), _LINE)


def called(
    label: str,
    message: Message,
    size: int,
    site: str | None,
    maker: tuple[Call | None, int],
    using: tuple[Call, ...],
) -> tuple[Any, ...]:
    """The event of a call, map or write that is on its way out.

    Args:
        label: the end that makes it.
        message: it.
        size: in bytes.
        site: where it was made, if that is known.
        maker: the call whose method made it, and the task.
        using: the promises among its arguments.
    """
    kind, call, target, path, args, *more = message
    if kind == STREAM:
        return ("stream", label, call, target, path, size, *maker)
    by, task = maker
    path = path if type(path) is str else tuple(path)
    if kind == MAP:
        return ("map", label, call, target, path, len(more[0]) - 1, size, site, by, using, task)
    shown = None if args is None else scalars(args)
    named = more[0].get(KEYWORDS) if more else None
    keywords = tuple([(name, scalar(item)) for name, item in named.items()]) if named else None
    event = ("call", label, call, target, path, shown, size, site, by, using)
    # What is as usual is left out at the end.
    return event if keywords is None and task == 0 else (*event, keywords, task)


def unfolded(entries: Iterable[Entry]) -> Iterator[tuple[Any, ...]]:
    """The events that were kept, each with its time in front.

    Of the calls or results in a run only what the run does not say is noted while they happen: how
    each is written down, and how many bytes it would take in a message of its own, is worked out
    when somebody looks (benchmark `recording`).
    """
    head: list[Any] = []
    before = 0
    for entry in entries:
        if type(entry) is tuple:
            yield entry
        elif type(entry) is list:
            head, before = entry, entry[_BEFORE]
        else:
            yield (_call if head[0] == "call" else _result)(entry, before, *head)
            before += 1


def _call(
    at: Any, before: int, kind: str, label: str, run: Message, _: int, site: str | None, by: Actor
) -> tuple[Any, ...]:
    call, position = run[1] + before, 2 + 3 * before
    target, path, args = run[position : position + 3]
    if target is None:  # the recording was over when the run left
        target = call - 1
    size = _packed_size((CALL, call, target, path, tuple(args)))
    event = (at, kind, label, call, target, path, scalars(args), size, site, by.call, ())
    # What is as usual is left out at the end.
    return event if by.number == 0 else (*event, None, by.number)


def _result(at: Any, before: int, kind: str, label: str, run: Message, _: int) -> tuple[Any, ...]:
    call, value = run[1 + 2 * before : 3 + 2 * before]
    return (at, kind, label, call, scalar(value), _packed_size((RESOLVE, call, value)))


def _packed_size(value: Any) -> int:
    """How many bytes msgpack takes for a small scalar, or for a few of them."""
    if type(value) is tuple:
        return 1 + sum(map(_packed_size, value))
    if type(value) is str:
        size = len(value.encode("utf-8", "surrogatepass"))
        return size + (1 if size < 32 else 2 if size < 256 else 3)
    if type(value) is float:
        return 9
    if type(value) is int:
        if -32 <= value < 128:
            return 1
        for width in (1, 2, 4, 8):
            if -(1 << 8 * width - 1) <= value < 1 << 8 * width:
                return 1 + width
    return 1


def answered(label: str, call: int, value: Any, size: int, *, failed: bool) -> tuple[Any, ...]:
    """The event of a result or error on its way back: the method has returned, or raised."""
    if failed:
        return ("error", label, call, failure(value), size)
    if type(value) in SMALL:
        return ("result", label, call, value, size)
    return ("result", label, call, scalar(value), size, members(value))
