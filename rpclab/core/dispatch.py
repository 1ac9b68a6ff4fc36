"""From a path to a member, and from a member to a running call.

Floor: core. Rules C5 to C8, E6, P2, T1 to T4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.core.targets import (
    Exposed,
    is_function,
    method_of,
    read_function_attribute,
    read_member,
)
from rpclab.errors import not_callable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rpclab.core.messages import Path
    from rpclab.core.protocols import AnswerLike, Arguments, ContextLike, Keywords


def dispatch(
    answer: AnswerLike,
    target: Any,
    path: Path,
    args: Arguments,
    kwargs: Keywords,
    context: ContextLike,
) -> None:
    """Call (or read, where `args` is None) the member of `target` at `path`; settle `answer`.

    Args:
        answer: takes the result, or the error.
        target: a target, an entrypoint instance or a function.
        path: one name, or a list of names; an empty list means the target itself.
        args: the arguments, a list; None to read.
        kwargs: the keyword arguments, or None.
        context: where the code runs.
    """
    if not isinstance(path, str):
        if len(path) != 1:
            _dispatch_long(answer, target, path, args, kwargs, context)
            return
        path = path[0]
    if args is not None and isinstance(target, Exposed):
        function = method_of(target, path)
        if function is not None:
            run_method(answer, function, target, args, kwargs, context)
            return
    if args is None:
        context.host.run(answer, _reader(target), [target, path], None, context)
        return
    # The member is a property or an attribute that may hold a function: read it, then call that.
    _through(answer, target, path, [], args, kwargs, context)


def run_method(
    answer: AnswerLike,
    function: Any,
    target: Any,
    args: Sequence[Any],
    kwargs: Keywords,
    context: ContextLike,
) -> None:
    """Run a plain method of a target, if the door of its context lets the call in."""
    refusal = refused(context, function, args, kwargs, bound=True)
    if refusal is not None:
        answer.reject(refusal)
    else:
        # The list is the peer's, and may stand among its own arguments.
        context.host.run(answer, function, [target, *args], kwargs, context)


def refused(
    context: ContextLike, function: Any, args: Sequence[Any], kwargs: Keywords, *, bound: bool
) -> BaseException | None:
    """Say why the door of a context refuses a call; None if it does not, or there is none."""
    door = context.door
    return None if door is None else door.refusal(function, args, kwargs, bound=bound)


def _dispatch_long(
    answer: AnswerLike,
    target: Any,
    path: list[str],
    args: Arguments,
    kwargs: Keywords,
    context: ContextLike,
) -> None:
    if not path:
        if args is None:
            answer.resolve(answer.via)
        elif is_function(target):
            refusal = refused(context, target, args, kwargs, bound=False)
            if refusal is not None:
                answer.reject(refusal)
            else:
                context.host.run(answer, target, args, kwargs, context)
        else:
            answer.reject(not_callable(answer.path))
        return
    if not answer.path:
        answer.path = tuple(path)
    _through(answer, target, path[0], path[1:], args, kwargs, context)


def _through(
    answer: AnswerLike,
    target: Any,
    name: str,
    rest: list[str],
    args: Arguments,
    kwargs: Keywords,
    context: ContextLike,
) -> None:
    """Read a member as a step of its own, and deliver the call to what comes out."""
    if not answer.path:
        answer.path = (name,)
    step = answer.step()
    step.context = context
    step.deliver(answer, rest, args, kwargs, None)
    context.host.run(step, _reader(target), [target, name], None, context)


def _reader(target: Any) -> Any:
    return read_function_attribute if is_function(target) else read_member
