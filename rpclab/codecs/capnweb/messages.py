"""The messages of the core to those of the wire (section 3).

Floor: codecs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.codecs.capnweb.numbers import write_float
from rpclab.codecs.capnweb.text import LEAVES, write_all
from rpclab.codecs.capnweb.writing import written_path
from rpclab.core.messages import (
    ABORT,
    CALL,
    KEYWORDS,
    MAP,
    PIPE,
    PULL,
    REJECT,
    RELEASE,
    RESOLVE,
    STREAM,
    Message,
)
from rpclab.errors import DataCloneError, no_keywords

if TYPE_CHECKING:
    from rpclab.codecs.capnweb.writing import Writer

PART = -1
"""The kind of what is no message, but a part of one."""

REASONS = frozenset({REJECT, ABORT})
"""The messages that tell why something failed."""


def written(message: Message, writer: Writer) -> list[Any]:
    """Write a message.

    Ids that a push, stream or pipe takes are not told: both ends count them.

    Raises:
        DataCloneError: a value in it cannot be sent.
        TypeError: it has keyword arguments.
    """
    kind = message[0]
    if kind == CALL:
        args = message[4]
        call = ["pipeline", message[2], written_path(message[3])]
        if len(message) > 5 and message[5].get(KEYWORDS):
            raise no_keywords()
        if args is not None:
            call.append(writer.listed(args))
        return ["push", call]
    if kind == RESOLVE:
        value = message[2]
        return ["resolve", message[1], writer.result(value)]
    if kind == REJECT:
        return ["reject", message[1], writer.reason(message[2])]
    if kind == RELEASE:
        return ["release", *message[1:]]
    if kind == PULL:
        return ["pull", message[1]]
    if kind == STREAM:
        call = ["pipeline", message[2], written_path(message[3]), writer.listed(message[4])]
        return ["stream", call]
    if kind == PIPE:
        return ["pipe"]
    if kind == MAP:
        return ["push", _written_map(message, writer)]
    if kind == ABORT:
        return ["abort", writer.reason(message[1])]
    raise DataCloneError(f"a message of kind {kind} cannot be sent to a JavaScript peer")


def plain(message: Message) -> list[Any] | None:
    """Write a call, or a result, that is made of numbers and leaves alone.

    Returns:
        None of one that is not: `written` writes it.
    """
    kind = message[0]
    if kind == CALL:
        args, path = message[4], message[3]
        if (
            len(message) == 5
            and type(path) is str
            and args is not None
            and LEAVES.issuperset(map(type, args))
        ):
            return ["push", ["pipeline", message[2], [path], [*args]]]
    elif kind == RESOLVE:
        value = message[2]
        if value is not None and type(value) in LEAVES:
            return ["resolve", message[1], value]
    return None


def run_of_texts(run: Message) -> list[bytes]:
    """Write messages that stand in a row, and whose values are small scalars, each as a text."""
    kind, end = run[0], len(run)
    if kind == PULL:
        return [b'["pull",%d]' % number for number in run[1:]]
    if kind == RELEASE:
        return [b'["release",%d,%d]' % (run[at], run[at + 1]) for at in range(1, end, 2)]
    trees: list[Any] = []
    if kind == CALL:  # both ends count their ids
        for at in range(2, end, 3):
            target, path, args = run[at : at + 3]
            trees.append(["push", ["pipeline", target, [path], _finite(args)]])
    else:
        for at in range(1, end, 2):
            value = run[at + 1]
            result = value if type(value) in _AS_RESULT else _result(value)
            trees.append(["resolve", run[at], result])
    return write_all(trees)


_AS_RESULT = LEAVES - {type(None)}


def _finite(args: list[Any]) -> list[Any]:
    """Write scalars: as they are, but for floats of which JSON knows nothing."""
    if float not in map(type, args):
        return args
    return [write_float(value) if type(value) is float else value for value in args]


def _result(value: Any) -> Any:
    """Write a scalar that a method has returned."""
    if value is None:
        return ["undefined"]
    return write_float(value) if type(value) is float else value


def _written_map(message: Message, writer: Writer) -> list[Any]:
    """Write a map (section 9)."""
    _, _, target, path, captures, program, *_ = message
    instructions = []
    for subject, names, part in program[:-1]:
        step = ["pipeline", subject, names]
        if part is not None:
            # As a list of two it was written: the arguments, and the keyword arguments.
            ((args,), keywords) = part[0]
            if keywords:
                raise no_keywords()
            step.append(args)
        instructions.append(step)
    instructions.append(program[-1])
    written = [_written_capture(expression) for expression in writer.listed(captures)]
    return ["remap", target, written_path(path), written, instructions]


def _written_capture(expression: Any) -> list[Any]:
    match expression:
        case ["export", number, *_]:
            return ["export", number]
        case ["import" | "pipeline", number]:
            return ["import", number]
    error = DataCloneError("a function given to map() can use stubs and promises of this peer")
    error.add_note("await a promise of another one first, and use what it gives")
    raise error
