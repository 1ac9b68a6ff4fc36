"""The operations of a session, and the door through which a peer's messages come in.

Floor: core. On the hot path a message is a plain list, its kind first:

    [CALL, id, target, path, args, options?]    call a member, and pull its result in one
    [PULL, id]                                  ask for the result of a call (Cap'n Web)
    [RESOLVE, id, value]                        a call, or an announced promise, has its value
    [REJECT, id, error, remote]                 ... has failed, or an export is broken
    [RELEASE, id, count, ...]                   so many introductions of these ids are given back
    [CANCEL, id]                                nobody waits for this call any more
    [PIPE, id]                                  open a pipe at the receiver: a stream comes in
    [PIPE, id, reason]                          nobody reads that pipe any more
    [STREAM, id, target, operation, args, options?]  write to a stream: "write", "close", "abort"
    [ABORT, error]                              the session ends, with this reason
    [MAP, id, target, path, captures, program, options?]  replay a recorded function at the callee
    [QUIET, id, ...]                            calls that follow: nobody can ask for their results,
                                                but what was made on them needs these
    [PUSH, id, value]                           a value that is sent to be named (Cap'n Web)

Calls without options, or results, that refer to nothing, may stand in a row in one message, a run:

    [CALL, id, target, path, args, target, path, args, ...]
    [RESOLVE, id, value, id, value, ...]

In Cap'n Web each is a message of its own as it travels; and pulls make such a run, as releases do:

    [PULL, id, id, ...]

The ids of the calls are in a row, too. A target of None in it is the result of the call before,
which is given back by that; nobody asks for it. Between two ends in one process, where nothing of a
run is packed, a value in it may be a stub (`references.Introduced`).

Ids are positive where the importer chose them (calls) and negative where the exporter did; none
is ever used twice. A `path` is one name, or a list of names (of Cap'n Web also places in lists,
each an `Index`); `args` is a list, or None to read a
property. `options` is a dict with the keys below; an absent one costs nothing.

A frame is a packed message. Large bytes ride beside it, so that nothing has to copy them: then it
is a list, the packed message first, and the bytes it mentions after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rpclab.errors import RemoteProtocolError
from rpclab.previews import preview

CALL, PULL, RESOLVE, REJECT, RELEASE, CANCEL, STREAM, PIPE, ABORT, MAP, QUIET, PUSH = range(12)

KEYWORDS = "k"  # options: keyword arguments, a dict
DEADLINE = "d"  # options: seconds left to the caller, a float

SCALARS = frozenset({type(None), bool, int, float, str, bytes})
"""The types that refer to nothing, hold nothing and cannot be refused: every codec writes them."""

FEW = 64
"""So many characters a name or text has at most, in a call or result that is packed in a run."""

LONGEST_RUN = 128 * 1024
"""So many bytes a run has at most."""

LARGE = 32 * 1024
"""From so many bytes on, bytes ride beside the frame."""

Message = list[Any]
Path = str | list[str]
Frame = bytes | list[bytes]


class Index(str):
    """A step of a path that enters a list; of anything else it is the member of that name."""

    __slots__ = ()


class Checked(list[Any]):
    """A program that its codec has made, and checked.

    Its steps are those of a message, and two more: a value that later steps mention, whose subject
    is None; and a map inside the function, `[subject, path, captures, program]`.
    """

    __slots__ = ()


Given = tuple[Any, ...] | None
"""The arguments of a call as its maker gives them; None to read a property."""

Arguments = list[Any] | None
"""The arguments of a call as they came in, a list of one's own; None to read a property."""

Keywords = dict[str, Any] | None
"""The keyword arguments of a call, if there are any."""


Options = dict[str, Any]
"""What a message says beside: see its keys, above."""

MOST = 2**62  # no honest peer counts so far
_STEPS = (str, Index)
_LEAST_WORD, _MOST_WORD = -(2**30), 2**30  # which a machine compares at once
_TEXTS = frozenset({str})
_TINY = frozenset({type(None), bool, float})
_FEW_ARGUMENTS = 8
LEAST = -MOST
_LONGEST_PATH = 1000
_LONGEST_DEADLINE = 1e9  # seconds


def values_given(args: Given | Arguments, kwargs: Keywords) -> list[Any]:
    """All that a call was given, in order."""
    return [*(args or ()), *(kwargs or {}).values()]


def size_of(frame: Frame) -> int:
    """The size of a frame, in bytes, with what rides beside it."""
    return len(frame) if isinstance(frame, bytes) else sum(map(len, frame))


def is_small(value: object) -> bool:
    """Whether a value is a scalar of a few bytes, which nothing about its size can refuse."""
    kind = type(value)
    if kind is int:
        return _LEAST_WORD < value < _MOST_WORD  # type: ignore[operator]
    return kind in _TINY or (kind is str and len(value) <= FEW)  # type: ignore[arg-type]


def are_small(values: tuple[Any, ...]) -> bool:
    """Whether these are few, and all such scalars."""
    if len(values) > _FEW_ARGUMENTS:
        return False
    for value in values:
        kind = type(value)
        if kind is int:
            if not _LEAST_WORD < value < _MOST_WORD:
                return False
        elif kind not in _TINY and (kind is not str or len(value) > FEW):
            return False
    return True


def count_of(message: Message) -> int:
    """How many calls or results there are in a message, which may be a run."""
    return how_many(message[0], len(message))


def how_many(kind: object, parts: int) -> int:
    """How many messages there are in one of so many parts."""
    if kind == CALL and parts > 6:
        return (parts - 2) // 3
    if kind == RESOLVE and parts > 3:
        return (parts - 1) // 2
    return 1


def as_packed(run: Message) -> Message:
    """The same run, with the arguments of its calls in lists; unpacked ones have them in tuples."""
    if run[0] == CALL:
        run[4::3] = [*map(list, run[4::3])]
    return run


def apart(message: Message) -> Iterator[Message]:
    """The messages in one, which may be a run, each by itself; whatever stands in them."""
    count = count_of(message)
    if count == 1:
        yield message
    elif message[0] == RESOLVE:
        for position in range(1, len(message), 2):
            yield [RESOLVE, *message[position : position + 2]]
    else:
        call = message[1]
        for position in range(2, len(message), 3):
            target, path, args = (*message[position : position + 3], None, None)[:3]
            yield [CALL, call, call - 1 if target is None else target, path, args]
            call += 1


def parse(message: object) -> Message:
    """Check a message from a peer; everything behind this door trusts it.

    Raises:
        RemoteProtocolError: it is no message.
    """
    if type(message) is list and message and type(message[0]) is int:
        kind = message[0]
        if 0 <= kind < len(_READERS) and _READERS[kind](message):
            return message
    raise RemoteProtocolError(f"the peer sent no message, but {preview(message)}")


def spell(path: str | tuple[str, ...], *, reads: bool, maps: bool) -> str:
    """Write down what a call asks for: "increment()", or "value" where it reads one."""
    name = path if type(path) is str else ".".join(path)
    if maps:
        return f"{name}.map()" if name else "map()"
    return name if reads else f"{name}()"


def is_id(value: object) -> bool:
    """Whether a value is an id that an importer may choose."""
    return type(value) is int and 0 < value < MOST


def _is_number(value: object) -> bool:
    """Whether a value may be the number of anything, which either side has chosen."""
    return type(value) is int and LEAST < value < MOST


def _is_path(path: object) -> bool:
    if type(path) is str:
        return True
    return (
        type(path) is list
        and len(path) <= _LONGEST_PATH
        and all(type(name) in _STEPS for name in path)
    )


def _is_options(options: object) -> bool:
    if type(options) is not dict:
        return False
    keywords = options.get(KEYWORDS)
    deadline = options.get(DEADLINE, 0.0)
    return (
        (keywords is None or _are_keywords(keywords))
        and type(deadline) in (float, int)
        and 0 <= deadline <= _LONGEST_DEADLINE  # which nan is not, and no clock could wait for it
    )


def _is_call(message: Message) -> bool:
    return (
        5 <= len(message) <= 6
        and is_id(message[1])
        and _is_number(message[2])
        and _is_path(message[3])
        and (message[4] is None or type(message[4]) is list)
        and (len(message) == 5 or _is_options(message[5]))
    )


def _is_write(message: Message) -> bool:
    return _is_call(message) and message[4] is not None


def _is_map(message: Message) -> bool:
    return (
        6 <= len(message) <= 7
        and is_id(message[1])
        and _is_number(message[2])
        and type(message[3]) is list
        and _is_path(message[3])
        and type(message[4]) is list
        and _is_program(message[5], len(message[4]))
        and (len(message) == 6 or _is_options(message[6]))
    )


def _is_program(program: object, captures: int) -> bool:
    """Whether each step uses what is there, and the last item is the result."""
    return type(program) is Checked or (
        type(program) is list
        and len(program) > 0
        and all(
            type(step) is list
            and len(step) == 3
            and type(step[0]) is int
            and -captures <= step[0] <= number
            and type(step[1]) is list
            and _is_path(step[1])
            and (step[2] is None or _is_arguments(step[2]))
            for number, step in enumerate(program[:-1])
        )
    )


def _is_arguments(both: object) -> bool:
    return (
        type(both) is list and len(both) == 2 and type(both[0]) is list and _are_keywords(both[1])
    )


def _are_keywords(value: object) -> bool:
    return type(value) is dict and _TEXTS.issuperset(map(type, value))


def _is_one_id(message: Message) -> bool:
    return len(message) == 2 and _is_number(message[1])


def _is_resolve(message: Message) -> bool:
    return len(message) == 3 and _is_number(message[1])


def _is_reject(message: Message) -> bool:
    return (
        len(message) == 4
        and _is_number(message[1])
        and isinstance(message[2], BaseException)
        and type(message[3]) is bool
    )


def _is_release(message: Message) -> bool:
    return len(message) % 2 == 1 and _are_numbers(message) and min(message[2::2], default=1) > 0


def _is_abort(message: Message) -> bool:
    return len(message) == 2 and isinstance(message[1], BaseException)


def _is_pipe(message: Message) -> bool:
    return 2 <= len(message) <= 3 and is_id(message[1])


def _is_quiet(message: Message) -> bool:
    return _are_numbers(message) and min(message) > 0


def _is_push(message: Message) -> bool:
    return len(message) == 3 and is_id(message[1])


def _are_numbers(message: Message) -> bool:
    # C looks at the types and for the extremes; a message may hold thousands.
    return (
        [*map(type, message)].count(int) == len(message)
        and min(message) > LEAST
        and max(message) < MOST
    )


_READERS = (
    _is_call, _is_one_id, _is_resolve, _is_reject, _is_release, _is_one_id, _is_write, _is_pipe,
    _is_abort, _is_map, _is_quiet, _is_push,
)  # fmt: skip
