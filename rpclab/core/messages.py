"""The operations of a session, and the door through which a peer's messages come in.

Floor: core. On the hot path a message is a plain list, its kind first:

    [CALL, id, target, path, args, options?]    call a member, and pull its result in one
    [PULL, id]                                  ask for the result of a call (Cap'n Web)
    [RESOLVE, id, value, node?]                 a call, or an announced promise, has its value
    [REJECT, id, error, remote, node?]          ... has failed, or an export is broken
    [RELEASE, id, count, ...]                   so many introductions of these ids are given back
    [CANCEL, id]                                nobody waits for this call any more
    [PIPE, id]                                  open a pipe at the receiver: a stream comes in
    [PIPE, id, reason]                          nobody reads that pipe any more
    [STREAM, id, target, operation, args, options?]  write to a stream: "write", "close", "abort"
    [ABORT, error]                              the session ends, with this reason
    [MAP, id, target, path, captures, program, options?]  replay a recorded function at the callee

Ids are positive where the importer chose them (calls) and negative where the exporter did; none
is ever used twice. A `path` is one name, or a list of names; `args` is a list, or None to read a
property. `options` is a dict with the keys below; an absent one costs nothing.
"""

from __future__ import annotations

from typing import Any

from rpclab.errors import RemoteProtocolError
from rpclab.previews import preview

CALL, PULL, RESOLVE, REJECT, RELEASE, CANCEL, STREAM, PIPE, ABORT, MAP = range(10)

KEYWORDS = "k"  # options: keyword arguments, a dict
DEADLINE = "d"  # options: seconds left to the caller, a float
NODE = "n"  # options: the point of the trace at which the call was sent, an int

SCALARS = frozenset({type(None), bool, int, float, str, bytes})
"""The types that refer to nothing, hold nothing and cannot be refused: every codec writes them."""

Message = list[Any]
Path = str | list[str]


def parse(message: object) -> Message:
    """Check the shape of a message from a peer; everything behind this door trusts it.

    Raises:
        RemoteProtocolError: it is no message.
    """
    if type(message) is not list or not message:
        raise _broken(message)
    kind = message[0]
    size = len(message)
    if kind == CALL:
        if 5 <= size <= 6 and _is_call(message):
            return message
    elif kind == RESOLVE:
        if 3 <= size <= 4 and type(message[1]) is int and (size == 3 or type(message[3]) is int):
            return message
    elif kind == STREAM:
        # The common shape, without a further call: a stream of small chunks has many.
        if (
            size == 5
            and type(message[3]) is str
            and type(message[4]) is list
            and type(message[1]) is int
            and type(message[2]) is int
            and message[1] > 0
        ):
            return message
        if 5 <= size <= 6 and type(message[4]) is list and _is_call(message):
            return message
    elif type(kind) is int and 0 <= kind < len(_SHAPES) and _SHAPES[kind](message):
        return message
    raise _broken(message)


def spell(kind: int, path: Path, reads: bool) -> str:  # noqa: FBT001 - as it stands in a tuple
    """Write down what a call asks for: "increment()", or "value" where it reads one."""
    name = path if type(path) is str else ".".join(path)
    if kind == MAP:
        return f"{name}.map()" if name else "map()"
    return name if reads else f"{name}()"


def _is_call(message: Message) -> bool:
    _, call, target, path, args = message[:5]
    if type(call) is not int or call <= 0 or type(target) is not int:
        return False
    if type(path) is not str and not _is_names(path):
        return False
    if args is not None and type(args) is not list:
        return False
    return len(message) == 5 or _is_options(message[5])


def _is_names(path: object) -> bool:
    return type(path) is list and all(type(name) is str for name in path)


def _is_options(options: object) -> bool:
    if type(options) is not dict:
        return False
    keywords = options.get(KEYWORDS)
    return (
        (keywords is None or (type(keywords) is dict and all(type(k) is str for k in keywords)))
        and type(options.get(DEADLINE, 0.0)) in (float, int)
        and options.get(DEADLINE, 0.0) >= 0  # which nan is not, and no clock could wait for it
        and type(options.get(NODE, 0)) is int
    )


def _is_map(message: Message) -> bool:
    return (
        6 <= len(message) <= 7
        and type(message[1]) is int
        and message[1] > 0
        and type(message[2]) is int
        and _is_names(message[3])
        and type(message[4]) is list
        and type(message[5]) is list
        and (len(message) == 6 or _is_options(message[6]))
    )


def _is_one_id(message: Message) -> bool:
    return len(message) == 2 and type(message[1]) is int


def _is_reject(message: Message) -> bool:
    return (
        4 <= len(message) <= 5
        and type(message[1]) is int
        and isinstance(message[2], BaseException)
        and type(message[3]) is bool
        and (len(message) == 4 or type(message[4]) is int)
    )


def _is_release(message: Message) -> bool:
    return len(message) % 2 == 1 and {*map(type, message)} == {int}


def _is_abort(message: Message) -> bool:
    return len(message) == 2 and isinstance(message[1], BaseException)


def _is_pipe(message: Message) -> bool:
    return 2 <= len(message) <= 3 and type(message[1]) is int and message[1] > 0


def _never(_message: Message) -> bool:
    return False


_SHAPES = (
    _never, _is_one_id, _never, _is_reject, _is_release, _is_one_id, _never, _is_pipe, _is_abort,
    _is_map,
)  # fmt: skip


def _broken(message: object) -> RemoteProtocolError:
    return RemoteProtocolError(f"the peer sent no message, but {preview(message)}")
