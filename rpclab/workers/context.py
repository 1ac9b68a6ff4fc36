"""`ctx`: what a Worker may ask of the execution context it runs in.

Floor: workers. Rules X5 to X11, C27.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from rpclab.core.contexts import current
from rpclab.errors import RpcError, near
from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.local import home
from rpclab.rpc.remote import Remote, Uncopied
from rpclab.rpc.stubs import RpcPromise, RpcProperty, RpcStub
from rpclab.workers.javascript_names import also_in_javascript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rpclab.core.contexts import ExecutionContext


@also_in_javascript
class Context(Uncopied):
    """The execution context of one call, as `self.ctx` or the last argument of a handler.

    Attributes:
        props: what the binding was given; a dict of this call alone (rule X9).
        exports: the Worker's own entrypoints, as bindings (rule X10).
    """

    __slots__ = ("_context", "_requests", "exports", "props")

    def __init__(self, context: ExecutionContext, props: dict[str, Any], exports: Exports) -> None:
        self._context = context
        self._requests = 0  # see `rpclab.workers.request_counts`
        self.props = props
        self.exports = exports

    def wait_until(self, work: Any, /) -> None:
        """Keep the context alive until `work` is done, also after the call has returned.

        Args:
            work: an awaitable; another value is accepted and does nothing. Its failure is
                reported, and reaches nobody (rule X6).
        """
        keep_until(self._context, work)

    def pass_through_on_exception(self) -> None:
        """Accepted, as there; without an origin server behind the Worker it changes nothing."""

    def abort(self, reason: object = None) -> None:
        """End the context: its calls reject with `reason`, its stubs break.

        Args:
            reason: an error, or a text.

        Raises:
            RpcError: always, to leave the method that called it.
        """
        text = str(reason) if reason is not None else "The execution context was aborted."
        error = RpcError(text)
        for answer in self._context.running():
            answer.interrupt(error)
        self._context.end()
        raise error

    def __repr__(self) -> str:
        return f"<ctx of {self._context.worker}>"


class Exports(Uncopied):
    """`ctx.exports`: each entrypoint as a binding; called with `props`, as one that has them.

    Classes of Durable Objects are there as namespaces.

    Args:
        names: the entrypoints there are.
        bind: makes a binding of (name, props).
        objects: the classes of Durable Objects there are.
        namespace: gives the namespace of one.
    """

    __slots__ = ("_bind", "_made", "_names", "_namespace", "_objects")

    def __init__(
        self,
        names: list[str],
        bind: Callable[[str, dict[str, Any]], ServiceBinding],
        objects: list[str],
        namespace: Callable[[str], Any],
    ) -> None:
        self._names = [*names, *objects]
        self._bind = bind
        self._objects = objects
        self._namespace = namespace
        self._made: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name[:1] == "_":  # of a copy that has nothing yet, too
            raise AttributeError(name)
        if name not in self._names:
            error = AttributeError(f"the Worker exports no entrypoint {name}")
            error.add_note(near(name, self._names))
            raise error
        if name not in self._made:
            of_objects = name in self._objects
            made = self._namespace(name) if of_objects else LoopbackBinding(name, self._bind)
            self._made[name] = made
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __dir__(self) -> list[str]:
        return list(self._names)

    def __repr__(self) -> str:
        return f"<exports: {', '.join(self._names)}>"


class LoopbackBinding(ServiceBinding):
    """A binding of a Worker to itself, which makes others with `props` when it is called."""

    __slots__ = ("__make__",)

    def __init__(self, name: str, bind: Callable[[str, dict[str, Any]], ServiceBinding]) -> None:
        super().__init__(bind(name, {}).__handle__)
        object.__setattr__(self, "__make__", (name, bind))

    def __call__(self, *, props: dict[str, Any]) -> ServiceBinding:
        name, bind = self.__make__
        made: ServiceBinding = bind(name, props)
        return made


def keep_until(context: ExecutionContext, work: Any) -> None:
    """Hold a context until an awaitable is done (rules C27, X5)."""
    if isinstance(work, (RpcPromise, RpcProperty)):
        promise = work if isinstance(work, RpcPromise) else work.__read__()
        promise.__pending__.uses += 1
        work = promise
    elif not inspect.isawaitable(work) or isinstance(work, Remote):
        return
    context.work_begins()

    async def wait() -> None:
        await work

    def done(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            error = task.exception()
            if error is not None:
                context.host.report(error, f"work that {context.worker} gave to wait_until")
        if context.tasks is not None:
            context.tasks.discard(task)
        context.work_ends()

    # A coroutine becomes the task itself: wrapped, it would be lost if that never starts.
    coroutine = work if inspect.iscoroutine(work) else wait()
    task = asyncio.get_running_loop().create_task(coroutine)
    if context.tasks is None:
        context.tasks = set()
    context.tasks.discard(task)  # it was noted as one that nobody keeps
    context.tasks.add(task)
    task.add_done_callback(done)


def wait_until(work: Any, /) -> None:
    """Keep the running execution context alive until `work` is done; see `ctx.wait_until`.

    Args:
        work: an awaitable; the context lives until it is done.
    """
    keep_until(current.get() or home(), work)


__all__ = ["Context", "Exports", "LoopbackBinding", "RpcStub", "keep_until", "wait_until"]
