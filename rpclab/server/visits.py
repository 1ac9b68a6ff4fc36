"""Calls of `fetch` from outside that no session carries: the shorter way to a Worker.

Floor: server. A session packs the request and the response, and keeps numbers and promises of them.
Who asks over HTTP holds nothing on to, and what came with a request is nobody else's: there is
nothing to copy or to number. So the entrypoint is opened as for any call, and its method runs in
the drain (benchmark `http`). Where somebody could tell, `may_visit` says no, and a session is used.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rpclab.core.answers import Answer
from rpclab.core.contexts import current
from rpclab.core.hooks import ServiceHook
from rpclab.core.imports import PENDING, REJECTED, Handle, Import
from rpclab.core.targets import Exposed
from rpclab.rpc.stubs import RpcStub
from rpclab.transports import memory
from rpclab.workers.http.bodies import INLINE
from rpclab.workers.http.fetching import checked_response
from rpclab.workers.http.responses import Response
from rpclab.workers.http_calls import answer_request

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.hooks import Delivery
    from rpclab.core.session import Session
    from rpclab.rpc.bindings import ServiceBinding
    from rpclab.rpc.engine import Engine
    from rpclab.workers.http.requests import Request


_SELF_AND_REQUEST = 2  # parameters of a method that wants the request


def may_visit(engine: Engine) -> bool:
    """Whether nobody could tell that a call came to its Worker through no session.

    That is so unless calls are recorded or noted, carry variables or deadlines, or are held back;
    unless they take their time, on links or on a virtual clock; and unless Workers run elsewhere.
    """
    return (
        not engine.noting
        and not engine.special
        and engine.guest is None
        and engine.elsewhere is None
        and engine.connect is memory.connect
    )


class Visit:
    """One call of the `fetch` of an entrypoint.

    Args:
        engine: runs it.
        hook: leads to the entrypoint.
        request: for the method alone: its headers cannot be changed, and its body is there.
    """

    __slots__ = ("_answer", "_context", "_engine", "_hook", "_request")

    def __init__(self, engine: Engine, hook: ServiceHook, request: Request) -> None:
        self._engine = engine
        self._hook = hook
        self._request = request
        self._answer = Answer(None, 0)
        self._context: ExecutionContext | None = None

    def begin(self) -> None:
        """Open the entrypoint and run its method, up to where it first waits. In the drain."""
        answer, hook = self._answer, self._hook
        if answer.state != PENDING:
            return  # it was given up before it began
        try:
            instance, context = hook.open()
        except Exception as error:
            answer.reject(error)
            return
        context.hold()  # for the response, whose stream may outlive the method
        self._context = context
        answer.via = hook
        answer.context = context
        context.hold()
        method = context.method(instance, "fetch") if isinstance(instance, Exposed) else None
        if method is None or method.__code__.co_argcount != _SELF_AND_REQUEST:
            method = answer_request
        self._engine.run(answer, method, [instance, self._request], None, context)
        hook.has_run(answer, context)
        if answer.state == PENDING:
            self._engine.visits.add(answer)
            answer.watch(self._over)

    def _over(self) -> None:
        self._engine.visits.discard(self._answer)

    def ready(self) -> Response | None:
        """Give the response, if it is there with all of its body; None if not, or if it failed."""
        response = self._answer.value
        if type(response) is not Response or response._stream is not None or response._spent:
            return None
        if response._data is not None and len(response._data) > INLINE:
            return None
        return response

    def take(self) -> bytes:
        """Use the body of the response that is ready, and end the visit."""
        response: Response = self._answer.value
        response._spent = True
        self.close()
        return response._data or b""

    async def response(self, visitor: Session) -> Response:
        """Wait for the response.

        Args:
            visitor: the end, at whoever asks, of the session with the Worker: a stream goes
                through it.

        Raises:
            Exception: the method has failed.
            TypeError: it returned no Response.
            StreamLockedError: the body of that was read or sent before.
        """
        answer = self._answer
        if answer.state == PENDING:
            settled = asyncio.Event()
            answer.watch(settled.set)
            await settled.wait()
        if answer.state == REJECTED:
            raise answer.value
        response: Response = checked_response(answer.value)
        if response._stream is None and len(response._data or b"") <= INLINE:
            response._cross(copied=False)
            return response
        return await _passed_on(response, self._context, visitor)

    def close(self) -> None:
        """Nobody waits any more: a method that has not returned is cancelled."""
        answer = self._answer
        if answer.state == PENDING or answer._hook is not None:
            answer.end()
        context, self._context = self._context, None
        if context is not None:
            context.let_go()
            if context.ended:
                # The three hold one another; taken apart they go at once, and the next request
                # finds their memory still at hand.
                context.variables = context.platform = None


class Way:
    """Leads from the server to one entrypoint, through a session and without one.

    Args:
        engine: runs it.
        binding: leads to it through a session.
        hook: leads to it without.
    """

    __slots__ = ("_engine", "_hook", "binding")

    def __init__(self, engine: Engine, binding: ServiceBinding, hook: ServiceHook) -> None:
        self._engine = engine
        self._hook = hook
        self.binding = binding

    @property
    def session(self) -> Session:
        """The server's end of the session with the Worker.

        Raises:
            RpcError: it is over.
        """
        handle = self.binding.__handle__
        if handle.entry is None:
            raise handle.error()
        session: Session = handle.entry.session  # type: ignore[assignment]
        return session

    @property
    def is_lost(self) -> bool:
        """Whether the session is over, so that there has to be another one."""
        entry = self.binding.__handle__.entry
        return entry is None or entry.broken is not None

    def visit(self, request: Request) -> Visit | None:
        """Begin a call without a session, if that is all the same; None if it is not.

        Args:
            request: what is asked; for the Worker alone.
        """
        if not may_visit(self._engine) or request._stream is not None:
            return None
        request.headers.freeze()
        return self.begin(request)

    def begin(self, request: Request, running: AbstractEventLoop | None = None) -> Visit:
        """Begin a call without a session, which has to be all the same (`may_visit`).

        Args:
            request: as `visit` has it; its headers cannot be changed, and its body is there.
            running: the loop that runs, if the caller knows.
        """
        visit = Visit(self._engine, self._hook, request)
        self._engine.deliver(visit.begin, running)
        return visit


class _Answered(ServiceHook):
    """Gives a response that is there already, to be sent as any result is.

    Args:
        response: what it gives.
        context: where that comes from.
    """

    __slots__ = ("_of", "_response")

    def __init__(self, response: Response, context: ExecutionContext) -> None:
        super().__init__()
        self._of = context
        self._response = response

    def start(self, call: Delivery) -> None:
        """Give it."""
        answer = call.answer
        context = answer.context = self._of
        answer.via = self
        context.hold()
        answer.resolve(self._response)
        self.has_run(answer, context)


async def _passed_on(response: Response, context: Any, visitor: Session) -> Response:
    """Have a response with a stream cross a session, which knows how to send one."""
    exporter: Any = visitor.peer
    entry = Import(visitor, exporter.introduce(_Answered(response, context)))
    visitor.imports[entry.id] = entry
    stub: Any = RpcStub.__from_handle__(Handle(entry, current.get() or visitor.keeper))
    try:
        crossed: Response = await stub.response()
    finally:
        stub.dispose()
    return crossed
