"""The far end of a writable stream: it hands the chunks to the sink, one by one.

Floor: core.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from rpclab.core.answers import Answer
from rpclab.core.hooks import Hook, work_of
from rpclab.core.imports import PENDING, REJECTED
from rpclab.core.streams import ABORT, WRITE, held_since, lost, operation_of
from rpclab.errors import WRITABLE_CLOSED, WRITER_GONE, StreamClosedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.hooks import Delivery


class Sink(Protocol):
    """Where the chunks of a writable stream end up."""

    def write(self, chunk: object) -> Coroutine[Any, Any, None]:
        """Take a chunk."""

    def close(self) -> Coroutine[Any, Any, None]:
        """Take note that all has come."""

    def abort(self, reason: object) -> Awaitable[None]:
        """Take note that no more will come."""


class SinkHook(Hook):
    """Hands the chunks of a writable stream to its sink, one after the other.

    What was written before the writer aborted, or was lost, comes first. The hook keeps the
    context of the sink alive as long as the writer may write.

    Args:
        sink: where they go.
        context: the context in which its code runs.
        unsent: called if the message that mentions it is not sent.
    """

    __slots__ = ("_busy", "_failure", "_over", "_queue", "_sink", "_told", "_unsent", "_waiting")

    context: ExecutionContext
    in_order = True

    def __init__(self, sink: Sink, context: ExecutionContext, unsent: Callable[[], None]) -> None:
        super().__init__(context)
        self._unsent = unsent
        self._sink = sink
        self._queue: deque[tuple[str, list[object], Answer, float]] = deque()
        self._waiting = 0  # bytes of the chunks in the queue
        self._busy = False
        self._over = False
        self._failure: BaseException | None = None
        self._told = False
        context.hold()

    def start(self, call: Delivery) -> None:
        """Take a chunk, or the end."""
        answer, operation = call.answer, operation_of(call)
        if operation is None:
            return
        answer.context = self.context  # it owns the streams in a chunk
        session = answer.session
        if session is not None and self._waiting + answer.size > session.limits.stream_buffer:
            error = lost(WRITER_GONE)
            error.add_note("the other side sent more than was asked for")
            answer.reject(error, remote=False)
            if not self._over:
                self._abort()
            return
        self._waiting += answer.size
        self._queue.append((operation, call.args or [], answer, self.context.host.clock()))
        self._next()

    def _next(self) -> None:
        while self._queue and not self._busy:
            operation, args, answer, since = self._queue.popleft()
            self._waiting -= answer.size
            if answer.state != PENDING:
                continue
            if self._over or self.context.ended:
                told = operation == WRITE and _is_of_the_web(answer)
                error = self._failure if told else None
                answer.reject(error or StreamClosedError(WRITABLE_CLOSED))
            elif operation == ABORT:
                self._abort(args[0] if args and _is_of_the_web(answer) else None)
                answer.resolve(None)
            elif operation == WRITE:
                self._run(answer, self._take(args[0], since, answer))
            else:
                self._over = True
                self._run(answer, self._sink.close())
        if not self._busy and self.claims <= 0:
            self._let_go()

    def _run(self, answer: Answer, work: Coroutine[Any, Any, Any]) -> None:
        # A step of its own: the sink finishes a chunk also where the session ends meanwhile.
        self._busy = True
        step = Answer(None, 0)
        step.origin = answer
        step.context = self.context
        host, session = self.context.host, answer.session
        if host.observe is not None and session is not None:
            # Also where it runs at once: it comes after the chunk before it.
            host.observe(("started", session.label, answer.id))
        host.ran(step, work, work_of(step, self.context))
        step.watch(lambda: self._finished(answer, step))

    async def _take(self, chunk: object, since: float, answer: Answer) -> float | None:
        await self._sink.write(chunk)
        return held_since(since, answer)

    def _finished(self, answer: Answer, step: Answer) -> None:
        self._busy = False
        self.context.finished(step)
        if step.state == REJECTED:
            self._over = True
            self._failure = step.value
            answer.reject(step.value, remote=step.remote)
        else:
            answer.resolve(step.value)
        self._next()

    def unclaimed(self) -> None:
        self._next()

    def unsent(self) -> None:
        """It was never sent: leave the sink to its owner."""
        self._told = True
        self.context.let_go()
        self._unsent()

    def _let_go(self) -> None:
        """The writer is gone: without a close, that is the end of it all the same (rule S16)."""
        if not self._told:
            self._told = True
            if not self._over:
                self._abort()
            self.context.let_go()

    def _abort(self, reason: object = None) -> None:
        self._over = True
        if not self.context.ended:
            sink = self._sink
            self.context.host.detach(
                lambda: sink.abort(lost(WRITER_GONE) if reason is None else reason),
                self.context,
                "the abort of a stream's sink",
            )


def _is_of_the_web(answer: Answer) -> bool:
    return answer.session is not None and answer.session.dialect.web_streams
