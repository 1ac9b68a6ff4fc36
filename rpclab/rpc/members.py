"""Calls on the result of a call, by whoever holds the promise of it.

Floor: rpc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.core.contexts import current
from rpclab.core.imports import PENDING, REJECTED
from rpclab.core.map import Placeholder
from rpclab.core.messages import values_given
from rpclab.core.places import called_at, disposed_at
from rpclab.core.targets import no_such_step
from rpclab.errors import PROMISE_DISPOSED, DisposedError, fresh_copy, not_callable

if TYPE_CHECKING:
    from rpclab.core.imports import Pending
    from rpclab.rpc.stubs import RpcPromise


running_in = current.get


def call_on(
    promise: RpcPromise, path: Any, args: tuple[Any, ...] | None, kwargs: dict[str, Any] | None
) -> Pending:
    """Call a member of the result of a call, or read it where `args` is None.

    While the result is on its way the call is sent after it; else it is made on the value.
    """
    pending = promise.__pending__
    context = running_in() or pending.context
    if promise.__gone__:
        return _refused(pending, disposed(promise), args, kwargs, context)
    if context.recording is not None and type(pending) is not Placeholder:
        _, subject = context.recording.refer_promise(pending)
        return context.recording.add(subject, path, args, kwargs)
    if pending.state == PENDING:
        return pending.pipeline(path, args, kwargs, context)
    if pending.state == REJECTED:
        pending.look()
        return _refused(pending, fresh_copy(pending.value), args, kwargs, context)
    return call_value(pending, names_in(path), args, kwargs, context)


def disposed(promise: RpcPromise) -> DisposedError:
    """Build the error of whoever calls on a promise that was disposed (rule P6)."""
    error = DisposedError(PROMISE_DISPOSED)
    error.add_note("dispose() or the end of its `with` block gave back what the result holds")
    pending, site = promise.__pending__, promise.__gone__
    if pending.site:
        error.add_note(called_at(pending.what, pending.site))
    if type(site) is str:
        error.add_note(disposed_at(site))
    error.add_note("call again, or await the promise first and keep stub.dup() of what it gives")
    return error


def call_value(
    pending: Pending,
    path: list[str],
    args: tuple[Any, ...] | None,
    kwargs: dict[str, Any] | None,
    context: Any,
) -> Pending:
    """Do what the callee would have done, on a value that has arrived."""
    value = pending.value
    for position in range(len(path) + 1):
        handle = getattr(type(value), "__rpc_handle__", None)
        if handle is not None:
            found: Pending = handle(value).call(path[position:], args, kwargs or {})
            return found
        if position < len(path):
            name = path[position]
            if type(value) is not dict or name not in value:
                error = _remote(no_such_step(path, position, value))
                return _refused(pending, error, args, kwargs, context)
            value = value[name]
    if args is None:
        return pending.session.resolved(value, context)
    return _refused(pending, _remote(not_callable(tuple(path))), args, kwargs, context)


def _refused(
    pending: Pending,
    error: BaseException,
    args: tuple[Any, ...] | None,
    kwargs: dict[str, Any] | None,
    context: Any,
) -> Pending:
    """The promise of a call that is not sent; the targets in it are disposed (rule V22)."""
    values = values_given(args, kwargs)
    return pending.session.rejected(error, context, values)


def names_in(path: str | list[str]) -> list[str]:
    """The names of a path, of which a message writes a single one as a text."""
    return [path] if type(path) is str else list(path)


def _remote(error: Any) -> Any:
    error.remote = True
    return error
