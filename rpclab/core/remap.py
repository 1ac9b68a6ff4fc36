"""`promise.map(f)`: a function recorded once here, and replayed at the callee on each item.

Floor: core. After the `remap` expression of Cap'n Web: the function runs once with a placeholder,
each call in it becomes an instruction, and the program travels with what it captured, in one
message. Variable 0 is the item, variable n the result of instruction n; below zero are captures.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from rpclab.core.answers import Answer
from rpclab.core.contexts import ExecutionContext, current
from rpclab.core.hooks import Filler
from rpclab.core.imports import PENDING, REJECTED, Pending
from rpclab.core.promised import Promised
from rpclab.core.references import PLACEHOLDER, Outgoing, Reference
from rpclab.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.handles import Handle
    from rpclab.core.session import Session


class Placeholder(Pending):
    """A variable of a program that is being recorded; it never has a value."""

    def __init__(self, recording: Recording, index: int) -> None:
        super().__init__(recording.session, index, recording)
        self.recording = recording

    def pipeline(
        self,
        path: Any,
        args: tuple[Any, ...] | None,
        kwargs: dict[str, Any] | None,
        context: ExecutionContext,
    ) -> Pending:
        del context
        return self.recording.add(self.id, path, args, kwargs)


class Captured:
    """A stub or promise from outside that a recorded function uses.

    Args:
        value: what it is; kept, so that nothing else gets its identity meanwhile.
        refer: refers to it in the message that takes the program along.
    """

    def __init__(self, value: Any, refer: Callable[[Outgoing], Reference]) -> None:
        self.value = value
        self._refer = refer

    def __rpc_refer__(self, outgoing: Outgoing) -> Reference:
        return self._refer(outgoing)


class Recording(ExecutionContext):
    """The context in which a mapped function runs, once."""

    __slots__ = ("_known", "captures", "instructions", "session")

    def __init__(self, session: Session, context: ExecutionContext) -> None:
        super().__init__(context.host, context.worker, long=True)
        self.recording = self
        self.session = session
        self.captures: list[Any] = []
        self.instructions: list[Any] = []
        self._known: dict[int, int] = {}

    def capture(self, value: Any, refer: Callable[[Outgoing], Reference] | None = None) -> int:
        """Give the variable of something from outside."""
        known = self._known.get(id(value))
        if known is None:
            self.captures.append(Captured(value, refer or value.__rpc_refer__))
            known = self._known[id(value)] = -len(self.captures)
        return known

    def add(
        self, subject: int, path: Any, args: tuple[Any, ...] | None, kwargs: dict[str, Any] | None
    ) -> Pending:
        """Record a call (or a property, where `args` is None) on a variable."""
        names = [path] if type(path) is str else list(path)
        part = None if args is None else self.session.encode_part([list(args), kwargs or {}], self)
        self.instructions.append([subject, names, part])
        return Placeholder(self, len(self.instructions))

    # What a value in a recorded call asks for: `Outgoing` gives numbers, this gives variables.

    def refer(self, value: Any) -> Reference | None:
        """The reference of a value inside a recorded call; None if it is sent as a copy."""
        refer = getattr(type(value), "__rpc_refer__", None)
        return None if refer is None else refer(value, self)

    def refer_handle(self, value: Any, handle: Handle, *, binding: bool = False) -> Reference:
        """Refer to a stub or binding from outside."""

        def refer(outgoing: Outgoing) -> Reference:
            return outgoing.refer_handle(value, handle, binding=binding)

        return (PLACEHOLDER, self.capture(value, refer))

    def refer_promise(self, pending: Pending) -> Reference:
        """Refer to the item, a step, or a promise from outside."""
        if isinstance(pending, Placeholder):
            return (PLACEHOLDER, pending.id)
        return (PLACEHOLDER, self.capture(pending, lambda out: out.refer_promise(pending)))

    def refer_property(self, _value: Any, read: Callable[[], Any]) -> Reference:
        """Refer to a property: reading it is a step of its own."""
        return self.refer_promise(read().__rpc_entry__)


def record(
    session: Session,
    context: ExecutionContext,
    function: Callable[[Any], Any],
    wrap: Callable[[Pending], Any],
) -> tuple[list[Any], list[Any]]:
    """Run `function` once with a placeholder, and write down what it does.

    Args:
        session: where the program will be sent.
        context: who maps.
        function: the mapped function; it must be a plain one, and only call and return.
        wrap: makes what the application sees of a placeholder.

    Returns:
        The captures and the program, for `Session.map`.
    """
    recording = Recording(session, context)
    token = current.set(recording)
    try:
        result = function(wrap(Placeholder(recording, 0)))
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError("the function given to map() runs once, here, and cannot be async")
        returned = session.encode_part(result, recording)
    finally:
        current.reset(token)
    return recording.captures, [*recording.instructions, returned]


class Program:
    """A program of the peer, checked."""

    __slots__ = ("instructions", "result")

    def __init__(self, instructions: list[Any], result: bytes) -> None:
        self.instructions = instructions
        self.result = result

    @classmethod
    def parse(cls, program: list[Any], captures: int) -> Program:
        """Check the shape of a program.

        Raises:
            RemoteProtocolError: it is none.
        """
        if not program or type(program[-1]) is not bytes:
            raise RemoteProtocolError("the peer sent a program without a result")
        for number, instruction in enumerate(program[:-1]):
            match instruction:
                case [int(subject), list(path), bytes() | None] if (
                    -captures <= subject <= number and all(type(name) is str for name in path)
                ):
                    pass
                case _:
                    raise RemoteProtocolError(f"the peer sent a broken instruction, no. {number}")
        return cls(program[:-1], program[-1])


def replay(
    answer: Answer, source: Answer, captures: list[Any], program: Program, session: Any
) -> None:
    """Run a program on the value of `source`: on each item of a list, once on another, not on None.

    Args:
        answer: takes the list of results, or the one, or the first error.
        source: the value, settled.
        captures: what the program captured, in order.
        program: the instructions.
        session: where it came from.
    """
    if answer.state != PENDING:
        return
    if source.state == REJECTED:
        answer.reject(source.value)
        return
    value = source.value
    if value is None:
        answer.resolve(None)
        return
    if answer.context is None:
        answer.context = source.context or session.keeper
    items = value if type(value) is list else [value]
    captured = [_captured(answer, capture) for capture in captures]
    runs = [_Run(answer, source, item, captured, program, session) for item in items]
    results: list[Any] = []

    def advance() -> None:
        while len(results) < len(runs):
            run = runs[len(results)]
            for place in run.places:
                if not place.settled:
                    place.watch(advance)
                    return
            try:
                results.append(run.value(answer))
            except Exception as error:
                answer.reject(error)
                return
        answer.resolve(results if type(value) is list else results[0])

    advance()


def _captured(answer: Answer, value: Any) -> Answer:
    """The variable of a capture; where that is a promise, it settles when the promise does."""
    step = answer.step()
    step.context = answer.context

    def settled() -> None:
        try:
            step.resolve(value.take(answer))
        except Exception as error:
            step.reject(error)

    if isinstance(value, Promised):
        value.watch(settled)
    else:
        step.resolve(value)
    return step


class _Run:
    """One replay of a program, on one item."""

    def __init__(
        self,
        answer: Answer,
        source: Answer,
        item: Any,
        captures: list[Answer],
        program: Program,
        session: Session,
    ) -> None:
        first = answer.step()
        first.context = answer.context
        first.adopt(source, item)
        if source.settled_at is not None:
            first.causes = (source.settled_at,)
        first.resolve(item)
        self._variables = [first]
        self._captures = captures
        self._session = session
        for subject, path, part in program.instructions:
            step = answer.step()
            step.context = answer.context
            call, promised = self._decode(part) if part is not None else (None, None)
            target = self._variables[subject] if subject >= 0 else captures[-subject - 1]
            args, kwargs = call if call is not None else (None, None)
            target.deliver(step, path, args, kwargs, promised)
            self._variables.append(step)
        self._result, self.places = self._decode(program.result)

    def _decode(self, part: bytes) -> tuple[Any, list[Promised]]:
        incoming = self._session.incoming
        incoming.begin()
        incoming.variables = self._variables
        incoming.captures = self._captures
        try:
            return self._session.decode_part(part), incoming.promised or []
        finally:
            incoming.variables = None
            incoming.captures = []

    def value(self, answer: Answer) -> Any:
        """The result, with the variables in place; it may hold targets of this Worker."""
        for place in self.places:
            source: Answer = place.source  # type: ignore[attr-defined]
            answer.adopt(source, source.value)
            if source.settled_at is not None:
                answer.causes = (*answer.causes, source.settled_at)
        return Filler(answer, self.places, raw=True)(self._result)
