"""One deployed version of a Worker.

Floor: workers.
"""

from __future__ import annotations

import copy
import types
from contextvars import Context as Variables
from typing import TYPE_CHECKING, Any

from rpclab.core.contexts import ExecutionContext, current
from rpclab.core.hooks import ServiceHook
from rpclab.errors import RpcError
from rpclab.rpc.activity import StepInterrupted
from rpclab.workers.by_name import modules_of, serve
from rpclab.workers.context import Context, Exports
from rpclab.workers.entrypoints import (
    DEFAULT,
    WorkerEntrypoint,
    choose,
    choose_objects,
    exports_of,
    objects_of,
    refuse_reserved,
)
from rpclab.workers.http_calls import dispatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.rpc.bindings import ServiceBinding
    from rpclab.rpc.engine import Engine
    from rpclab.workers.env import Env


class Worker:
    """A version of a Worker: its code, its environment, its entrypoints.

    Args:
        name: its name in the sandbox.
        engine: what its contexts run on.
        module: its code, already run.
        env: its environment.
        bind_self: makes a binding to (entrypoint, props) of this Worker, for `ctx.exports`.
        own_objects: gives the namespace of a class of this Worker, likewise.

    Attributes:
        exports: its entrypoint classes, by name.
        objects: its classes of Durable Objects, by name.
        loopback: what `ctx.exports` is.
        version: counts how often a Worker of that name was deployed.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        module: types.ModuleType,
        env: Env,
        bind_self: Callable[[str, dict[str, Any]], ServiceBinding],
        own_objects: Callable[[str], Any],
    ) -> None:
        self.name = name
        self.module = module
        self.env = env
        self.exports = exports_of(module)
        self.version = 1
        self._engine = engine
        self.objects = objects_of(module)
        serve(engine, name, modules_of(module))
        self.loopback = Exports(list(self.exports), bind_self, list(self.objects), own_objects)

    def entrypoint(self, name: str = DEFAULT) -> type[WorkerEntrypoint]:
        """Give an entrypoint class.

        Raises:
            UnknownEntrypointError: the Worker exports none of that name.
        """
        return choose(self.name, self.exports, name, self.module)

    def object_class(self, name: str) -> type:
        """Give a class of Durable Objects.

        Raises:
            UnknownEntrypointError: the Worker has none of that name.
        """
        return self.objects.get(name) or choose_objects(self.name, self.objects, name, self.module)

    def open(self, entrypoint: str, props: dict[str, Any]) -> tuple[Any, ExecutionContext]:
        """Make a new instance of an entrypoint in a new execution context (rules E2 to E4, X9).

        Raises:
            Exception: whatever its constructor raises.
        """
        kind = self.exports.get(entrypoint) or self.entrypoint(entrypoint)
        context = ExecutionContext(self._engine, self.name)
        platform = Context(context, copy.deepcopy(props) if props else {}, self.loopback)
        context.platform = platform
        if kind.__init__ is WorkerEntrypoint.__init__:
            return kind(platform, self.env), context
        context.variables = Variables()
        context.variables.run(current.set, context)
        try:
            return context.variables.copy().run(kind, platform, self.env), context
        except StepInterrupted as error:
            context.end()
            # Whoever delivers the call expects an ordinary error.
            raise RpcError("the constructor was left by KeyboardInterrupt").with_traceback(
                error.__traceback__
            ) from None
        except BaseException:
            context.end()
            raise

    def __repr__(self) -> str:
        return f"<Worker {self.name}: {', '.join(self.exports) or 'no entrypoints'}>"


def serves_on(present: Worker | None) -> str:
    """Say that the present version of a Worker goes on, whose next one failed; "" if none does."""
    if present is None:
        return ""
    return f'version {present.version} of "{present.name}" serves on'


class EntrypointHook(ServiceHook):
    """What stands behind a binding to an entrypoint.

    Args:
        find: gives the present version of the Worker, or raises that there is none.
        entrypoint: which of its entrypoints answers.
        props: what `ctx.props` is there.
    """

    __slots__ = ("_entrypoint", "_find")

    def __init__(self, find: Callable[[], Worker], entrypoint: str, props: dict[str, Any]) -> None:
        super().__init__(
            lambda: find().open(entrypoint, props), refuse_reserved, dispatch, apart=_HTTP
        )
        self._find = find
        self._entrypoint = entrypoint

    def kind(self) -> type:
        """The class that answers, of the present version.

        Raises:
            RpcError: there is no such Worker, or no such entrypoint.
        """
        return self._find().entrypoint(self._entrypoint)


_HTTP = frozenset({"fetch"})  # what `dispatch` runs as an HTTP call
