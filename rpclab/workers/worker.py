"""One deployed version of a Worker.

Floor: workers.
"""

from __future__ import annotations

import copy
import types
from contextvars import Context as Variables
from functools import partial
from typing import TYPE_CHECKING, Any

from rpclab.core.contexts import ExecutionContext, Methods, current
from rpclab.core.hooks import ServiceHook
from rpclab.errors import RpcError
from rpclab.rpc.activity import StepInterrupted
from rpclab.rpc.looking import RESERVED
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
from rpclab.workers.imports import modules_of, serve
from rpclab.workers.validation.policy import new_door

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.contexts import Door
    from rpclab.core.hooks import Delivery
    from rpclab.rpc.bindings import ServiceBinding
    from rpclab.rpc.engine import Engine
    from rpclab.workers.call_queue import CallQueue
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
        queue: what its calls wait in for their turn; None where all run as they come.
        config: the configuration that it was deployed from, as rpclab.config.WorkerConfig; None
            where there is none.
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
        self.queue: CallQueue | None = None
        self.config: Any = None
        self._engine = engine
        self.objects = objects_of(module)
        self._door: Door | None = None
        self._methods: Methods = {}
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

    def door(self, name: str, asked: bool | None = None) -> Door | None:  # noqa: FBT001 - as given
        """Give what checks the calls to an entrypoint or object, if anything does.

        Args:
            name: of the class.
            asked: whether a binding asks for it; None leaves it to the sandbox.
        """
        if asked is None:
            policy = self._engine.validation
            asked = policy is not None and policy.covers(self.name, name)
        if not asked:
            return None
        if self._door is None:
            self._door = new_door()
        return self._door

    def open(
        self,
        entrypoint: str,
        props: dict[str, Any],
        validate: bool | None = None,  # noqa: FBT001
    ) -> tuple[Any, ExecutionContext]:
        """Make a new instance of an entrypoint in a new execution context (rules E2 to E4, X9).

        Args:
            entrypoint: its name.
            props: what `ctx.props` is there.
            validate: whether the calls to it are checked; None leaves it to the sandbox.

        Raises:
            Exception: whatever its constructor raises.
        """
        kind = self.exports.get(entrypoint) or self.entrypoint(entrypoint)
        context = ExecutionContext(self._engine, self.name)
        platform = Context(context, copy.deepcopy(props) if props else {}, self.loopback)
        context.platform = platform
        context.methods = self._methods
        if validate or (validate is None and self._engine.validation is not None):
            context.door = self.door(entrypoint, validate)
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


class Elsewhere(Exception):  # noqa: N818 - it steers a call, and reaches nobody
    """The Worker runs in another process, and a call that came here has to go on.

    Args:
        go_on: takes the call.
    """

    def __init__(self, go_on: Callable[[Delivery], None]) -> None:
        super().__init__("the Worker runs in another process")
        self.go_on = go_on


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
        validate: whether the calls through it are checked; None leaves it to the sandbox.
    """

    __slots__ = ("_entrypoint", "_find", "_props", "_validate")

    unusual = RESERVED | {"fetch"}  # which `dispatch` runs as an HTTP call
    dispatch = staticmethod(dispatch)

    def __init__(
        self,
        find: Callable[[], Worker],
        entrypoint: str,
        props: dict[str, Any],
        *,
        validate: bool | None = None,
    ) -> None:
        super().__init__()
        self._find = find
        self._entrypoint = entrypoint
        self._props = props
        self._validate = validate

    def refusal(self, name: str) -> BaseException | None:
        return refuse_reserved(name)

    def start(self, call: Delivery) -> None:
        """Run the call when it is its turn: in a new instance, of the version there is then."""
        try:
            queue = self._find().queue
        except RpcError:
            queue = None  # `open` says why there is no Worker
        if queue is None:
            super().start(call)
        else:
            queue.enter(call.answer, self, partial(super().start, call))

    def open(self) -> tuple[Any, ExecutionContext]:
        return self._find().open(self._entrypoint, self._props, self._validate)

    def not_opened(self, error: Exception, call: Delivery) -> None:
        if isinstance(error, Elsewhere):
            error.go_on(call)
        else:
            super().not_opened(error, call)

    def kind(self) -> type:
        """The class that answers, of the present version.

        Raises:
            RpcError: there is no such Worker, or no such entrypoint.
        """
        return self._find().entrypoint(self._entrypoint)
