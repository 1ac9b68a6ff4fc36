"""The bases of the classes that answer calls, and the classes that a Worker has of each.

Floor: workers.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

from rpclab.core.targets import Exposed
from rpclab.errors import UnknownEntrypointError, near, reserved_method
from rpclab.rpc.looking import RESERVED

if TYPE_CHECKING:
    from rpclab.workers.context import Context
    from rpclab.workers.env import Env
    from rpclab.workers.objects.state import DurableObjectState

DEFAULT = "Default"


class WorkerEntrypoint(Exposed):
    """The base of entrypoints: a new instance answers each call (rules E2, E3).

    Args:
        ctx: the execution context of the call; it is `self.ctx`.
        env: the environment of the Worker; it is `self.env`.
    """

    def __init__(self, ctx: Context, env: Env) -> None:
        self.ctx = ctx
        # Files written by `python -m rpclab types` say more of it.
        self.env: Any = env


class DurableObject(Exposed):
    """The base of Durable Objects: one instance for each id, which answers all calls (rule D1).

    Args:
        ctx: its state: the id, the storage; it is `self.ctx`.
        env: the environment of the Worker; it is `self.env`.
    """

    def __init__(self, ctx: DurableObjectState, env: Env) -> None:
        self.ctx = ctx
        self.env: Any = env


def exports_of(module: types.ModuleType) -> dict[str, type[WorkerEntrypoint]]:
    """Find what a Worker exports: its entrypoint classes, by name.

    Functions at the top of a module without a class `Default` are its handler object (rule E6).
    """
    found: dict[str, type[WorkerEntrypoint]] = {}
    functions: dict[str, types.FunctionType] = {}
    for name, value in list(vars(module).items()):
        if name.startswith("_"):
            continue
        if isinstance(value, type):
            if issubclass(value, WorkerEntrypoint) and value is not WorkerEntrypoint:
                found[name] = value
        elif isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
            functions[name] = value
    if DEFAULT not in found and functions:
        found[DEFAULT] = _handler_object(functions)
    return found


def choose(
    worker: str, exports: dict[str, type[WorkerEntrypoint]], name: str, module: types.ModuleType
) -> type[WorkerEntrypoint]:
    """Give the entrypoint of that name.

    Raises:
        UnknownEntrypointError: there is none; the error says which there are (rules E9, E10).
    """
    if name in exports:
        return exports[name]
    value = getattr(module, name, None)
    if isinstance(value, type) and issubclass(value, DurableObject):
        raise UnknownEntrypointError(
            f'the class "{name}" of Worker "{worker}" is one of Durable Objects: bind its namespace'
            f' with objects={{"VAR": "{worker}#{name}"}}, rpclab.objects("{worker}#{name}"), or in'
            f" a notebook --object VAR={name}@{worker}"
        )
    if isinstance(value, type):
        raise UnknownEntrypointError(
            f'the class "{name}" of Worker "{worker}" cannot serve: derive it from WorkerEntrypoint'
        )
    error = UnknownEntrypointError(f'the Worker "{worker}" exports no entrypoint "{name}"')
    error.add_note(near(name, exports) or "it exports nothing: define class Default")
    raise error


def objects_of(module: types.ModuleType) -> dict[str, type[DurableObject]]:
    """Find the classes of Durable Objects that a Worker exports, by name."""
    return {
        name: value
        for name, value in list(vars(module).items())
        if not name.startswith("_")
        and isinstance(value, type)
        and issubclass(value, DurableObject)
        and value is not DurableObject
    }


def choose_objects(
    worker: str, found: dict[str, type[DurableObject]], name: str, module: types.ModuleType
) -> type:
    """Give the class of that name, also one that does not derive from DurableObject (rule D16).

    Raises:
        UnknownEntrypointError: there is none, or it is an entrypoint.
    """
    value = getattr(module, name, None)
    if isinstance(value, type) and not issubclass(value, WorkerEntrypoint):
        return value
    if isinstance(value, type):
        raise UnknownEntrypointError(
            f'the class "{name}" of Worker "{worker}" is an entrypoint: bind it with'
            f" VAR={worker}#{name}; to have one object for each id, derive it from DurableObject"
        )
    error = UnknownEntrypointError(f'the Worker "{worker}" has no Durable Objects "{name}"')
    error.add_note(near(name, found) or "it has none: define a class that derives DurableObject")
    raise error


def check_default(worker: str, module: types.ModuleType) -> None:
    """Refuse a class `Default` that cannot serve, before it takes the place of one that does.

    Raises:
        UnknownEntrypointError: it derives from no base of rpclab.
    """
    value = vars(module).get(DEFAULT)
    if isinstance(value, type) and not issubclass(value, (WorkerEntrypoint, DurableObject)):
        error = UnknownEntrypointError(
            f'the class "{DEFAULT}" of Worker "{worker}" cannot serve: derive it from'
            f" WorkerEntrypoint, as in `class {DEFAULT}(WorkerEntrypoint):`"
        )
        error.add_note("from workers import WorkerEntrypoint")
        raise error


def refuse_reserved(name: str) -> BaseException | None:
    """The error of a name that is reserved on an entrypoint, or None."""
    return reserved_method(name) if name in RESERVED else None


def _handler_object(functions: dict[str, types.FunctionType]) -> type[WorkerEntrypoint]:
    members = {name: _handler(name, function) for name, function in functions.items()}
    return type(DEFAULT, (WorkerEntrypoint,), members)


def _handler(name: str, function: types.FunctionType) -> Any:
    def handler(self: WorkerEntrypoint, *args: Any) -> Any:
        if len(args) != 1:
            raise TypeError(
                f'Attempted to call RPC function "{name}" with the wrong number of arguments.'
                " When calling a top-level handler function that is not declared as part of a"
                " class, you must always send exactly one argument. In order to support variable"
                " numbers of arguments, the server must use class-based syntax"
                " (extending WorkerEntrypoint) instead."
            )
        return function(args[0], self.env, self.ctx)

    handler.__name__ = handler.__qualname__ = name
    handler.__doc__ = function.__doc__
    handler.__wrapped__ = function  # type: ignore[attr-defined]
    return handler
