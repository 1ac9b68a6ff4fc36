"""HTTP calls between Workers, at both ends: `binding.fetch(…)` and the method that answers it.

Floor: workers. Light: the messages themselves (`rpclab.workers.http`) are loaded by the first call.
Rules C19, E12, R7.
"""

from __future__ import annotations

from importlib import import_module
from inspect import CO_VARARGS
from types import MethodType
from typing import TYPE_CHECKING, Any

from rpclab.codecs.records import register_late
from rpclab.core.hooks import dispatch as dispatch_member
from rpclab.core.targets import Exposed, method_of, read_member
from rpclab.errors import NoSuchMemberError, RpcError
from rpclab.rpc.stubs import MapValue
from rpclab.workers.network import Network, checked

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.hooks import Delivery
    from rpclab.rpc.bindings import ServiceBinding
    from rpclab.rpc.engine import Engine
    from rpclab.workers.http.responses import Response

_FETCH = ("fetch", ["fetch"])

# A Worker may be sent a message before its process has made one.
register_late(lambda: import_module("rpclab.workers.http"))


class HttpCalls:
    """Makes the HTTP calls of the bindings of one sandbox.

    Args:
        network: what its Workers may reach over the network.
    """

    __slots__ = ("network",)

    def __init__(self, network: Network) -> None:
        self.network = network

    def __call__(
        self, binding: ServiceBinding, resource: Any, options: dict[str, Any]
    ) -> Awaitable[Response]:
        """Make an HTTP call on a binding; it is sent at once (rule C25).

        Args:
            binding: who answers, and who gets what a redirect leads to (rule R7).
            resource: a URL, a path that begins with "/", or a Request.
            options: those of a Request.

        Returns:
            An awaitable; it gives the Response.

        Raises:
            TypeError: they make no request.
        """
        from rpclab.workers.http.fetching import Fetching, request_for  # noqa: PLC0415 - as said above
        from rpclab.workers.http.urls import base_of  # noqa: PLC0415

        request = request_for(resource, options, base_of(_callee_of(binding)))
        fetching = Fetching(request, binding["fetch"])
        # In a function that is recorded for `map` there is nothing to wait for.
        return fetching.first if isinstance(fetching.first, MapValue) else fetching


class Networked:
    """The part of a sandbox that bounds what its Workers fetch over the network."""

    engine: Engine

    @property
    def network(self) -> str | Network:
        """What its Workers may reach: "public", "local", "none", or a `Network` with bounds."""
        calls: Any = self.engine.http_call
        given: Network = calls.network
        return given.reach if given == Network(given.reach) else given

    @network.setter
    def network(self, network: str | Network) -> None:
        self.engine.http_call = HttpCalls(checked(network))


def dispatch(call: Delivery, target: Any, context: ExecutionContext) -> None:
    """Run a call on an entrypoint or a Durable Object: `fetch` as an HTTP call, others as they are.

    The arguments are those of `rpclab.core.hooks.dispatch`.
    """
    if call.path in _FETCH and call.args is not None:
        context.host.run(call.answer, answer_fetch, [target, *call.args], call.kwargs, context)
    else:
        dispatch_member(call, target, context)


def answer_fetch(instance: Any, /, *args: Any, **options: Any) -> Any:
    """Answer an HTTP call: run the `fetch` method of an entrypoint, or of a Durable Object.

    Args:
        instance: of the entrypoint.
        args: the request, as `HttpCalls` sends it; a URL will do.
        options: those of a Request.

    Returns:
        The Response, or an awaitable that gives it.

    Raises:
        RpcError: there is no such method (rule E12).
        TypeError: it returned something else (rule R7), or the arguments make no request.
    """
    from rpclab.workers.http.fetching import checked_response, incoming  # noqa: PLC0415

    handler = _handler_of(instance)
    request = incoming(*args, **options)
    return checked_response(_handled(handler, request))


def answer_request(instance: Any, request: Any) -> Any:
    """Run the `fetch` method likewise, with a request that is for the method as it is.

    Args:
        instance: of the entrypoint.
        request: a Request.

    Returns:
        What the method returned, whatever it is.

    Raises:
        RpcError: there is no such method.
    """
    return _handled(_handler_of(instance), request)


def _handler_of(instance: Any) -> Any:
    if isinstance(instance, Exposed):
        function = method_of(instance, "fetch")
        if function is not None:
            return MethodType(function, instance)
    try:
        # A Durable Object without the base answers HTTP, and nothing else (rule D16).
        plain = not isinstance(instance, Exposed)
        handler = instance.fetch if plain else read_member(instance, "fetch")
    except (AttributeError, NoSuchMemberError):
        error = RpcError("Handler does not export a fetch() function.")
        name = type(instance).__name__
        if hasattr(instance, "on_fetch"):
            error.add_note("on_fetch is its name before compatibility date 2025-08-14: say fetch")
        else:
            error.add_note(f"{name} answers HTTP once it has `async def fetch(self, request)`")
        raise error from None
    return handler


def _handled(handler: Any, request: Any) -> Any:
    # As the platform calls it: a handler that wants no request is given none.
    return handler(request) if _takes_one(handler) else handler()


def _takes_one(handler: Any) -> bool:
    code = getattr(getattr(handler, "__func__", None), "__code__", None)
    return code is None or code.co_argcount > 1 or bool(code.co_flags & CO_VARARGS)


def _callee_of(binding: ServiceBinding) -> str:
    """The name of the Worker that a binding leads to; "" where it leads nowhere any more."""
    entry = binding.__handle__.entry
    return entry.session.name.partition("→")[2] if entry is not None else ""
