"""`promise.map(f)`: a function recorded once here, and replayed at the callee on each item.

Floor: core. After the `remap` expression of Cap'n Web: the function runs once with a placeholder,
each call in it becomes an instruction, and the program travels with what it captured, in one
message. Variable 0 is the item, variable n the result of instruction n; below zero are captures.
"""

from __future__ import annotations

import copy
import inspect
import itertools
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.core.answers import Answer
from rpclab.core.containers import CONTAINER_TYPES, DICT_TYPES, contents, replaced
from rpclab.core.contexts import ExecutionContext, current
from rpclab.core.hooks import Delivery, Places, PromisedArgument, fill
from rpclab.core.imports import PENDING, REJECTED, Import, Pending
from rpclab.core.messages import Checked
from rpclab.core.promise_arguments import PromisedAnswer, Variable
from rpclab.core.references import MEMBER, PLACEHOLDER, Reference, Settled
from rpclab.errors import MessageTooLargeError, RemoteProtocolError, RpcError, fresh_copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.arrival import Arrival
    from rpclab.core.contexts import SessionLike
    from rpclab.core.imports import Handle
    from rpclab.core.limits import Limits
    from rpclab.core.messages import Given, Keywords, Path
    from rpclab.core.payload import Payload

_SLICE = 500  # steps that are replayed before others have their turn
_VALUES_A_STEP = 16  # to copy so many takes about as long as a step


class Placeholder(Pending):
    """A variable of a program that is being recorded; it never has a value."""

    def __init__(self, recorder: Recorder, index: int) -> None:
        super().__init__(recorder.session, index, recorder)
        self.recorder = recorder

    def pipeline(
        self,
        path: Path,
        args: Given,
        kwargs: Keywords,
        context: ExecutionContext,
    ) -> Pending:
        del context
        return self.recorder.add(self.id, path, args, kwargs)


class Captured:
    """A stub or promise from outside that a recorded function uses.

    Args:
        value: what it is; kept, so that nothing else gets its identity meanwhile.
        refer: refers to it in the message that takes the program along.
    """

    def __init__(self, value: object, refer: Callable[[Payload], Any]) -> None:
        self.value = value
        self._refer = refer

    def __rpc_refer__(self, payload: Payload) -> Any:
        return self._refer(payload)


class Recorder(ExecutionContext):
    """The context in which a mapped function runs, once."""

    __slots__ = ("_known", "captures", "instructions", "session")

    def __init__(self, session: SessionLike, context: ExecutionContext) -> None:
        super().__init__(context.host, context.worker, long=True)
        self.recording = self
        self.session = session
        self.captures: list[Any] = []
        self.instructions: list[Any] = []
        self._known: dict[int, int] = {}

    def capture(self, value: Any, refer: Callable[[Payload], Any] | None = None) -> int:
        """Give the variable of something from outside."""
        known = self._known.get(id(value))
        if known is None:
            self.captures.append(Captured(value, refer or value.__rpc_refer__))
            known = self._known[id(value)] = -len(self.captures)
        return known

    def add(self, subject: int, path: Path, args: Given, kwargs: Keywords) -> Pending:
        """Record a call (or a property, where `args` is None) on a variable."""
        names = [path] if type(path) is str else list(path)
        part = None if args is None else self.session.encode_part([list(args), kwargs or {}], self)
        self.instructions.append([subject, names, part])
        return Placeholder(self, len(self.instructions))

    # What a value in a recorded call asks for: `Payload` gives numbers, this gives variables.

    def refer(self, value: Any) -> Reference | Settled | None:
        """The reference of a value inside a recorded call; None if it is sent as a copy."""
        pending = getattr(type(value), "__rpc_entry__", None) and value.__rpc_entry__
        if pending and self.session.dialect.paths and pending.state != PENDING:
            return Settled(pending.result())  # only stubs and promises are captured there
        refer = getattr(type(value), "__rpc_refer__", None)
        return None if refer is None else refer(value, self)

    def refer_handle(self, value: object, handle: Handle, *, binding: bool = False) -> Reference:
        """Refer to a stub or binding from outside."""

        def refer(payload: Payload) -> Reference:
            return payload.refer_handle(value, handle, binding=binding)

        return (PLACEHOLDER, self.capture(value, refer))

    def refer_promise(self, pending: Pending) -> Reference:
        """Refer to the item, a step, or a promise from outside."""
        if isinstance(pending, Placeholder):
            return (PLACEHOLDER, pending.id)
        return (PLACEHOLDER, self.capture(pending, lambda payload: payload.refer_promise(pending)))

    def refer_property(
        self, _value: object, read: Callable[[], Any], of: Import | None, path: Path
    ) -> Reference:
        """Refer to a property: reading it is a step of its own, unless it can be mentioned."""
        if self.session.dialect.paths and isinstance(of, Placeholder):
            return (MEMBER, of.id, path)
        return self.refer_promise(read().__rpc_entry__)


def record(
    session: SessionLike,
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
    recorder = Recorder(session, context)
    token = current.set(recorder)
    try:
        result = function(wrap(Placeholder(recorder, 0)))
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError("the function given to map() runs once, here, and cannot be async")
        returned = session.encode_part(result, recorder)
    finally:
        current.reset(token)
    return recorder.captures, [*recorder.instructions, returned]


class _Weight(NamedTuple):
    """What a part of a program comes to, each time that it is replayed.

    Attributes:
        values: the items of its containers, which are copied.
        copied: bytes of what is copied because it may change.
        texts: bytes of its texts and numbers, which are written down as often as they stand there.
        data: bytes of its bytes, which are written down once for each message.
        mentions: by number, how often a variable stands in it.
    """

    values: int
    copied: int
    texts: int
    data: int
    mentions: dict[int, int]


class _Step(NamedTuple):
    """One call of a program, or the reading of a property.

    Attributes:
        subject: the variable that it is made on; None where `call` holds a value as its argument.
        path: of the member.
        call: the arguments and keyword arguments, with places for variables; None to read.
        places: what is replaced in `call` each time.
        weight: of `call`.
        inner: what is mapped with, where the step is a map.
    """

    subject: int | None
    path: list[str]
    call: Any
    places: list[Any]
    weight: _Weight
    inner: Program | None = None


class Program:
    """A program of the peer.

    Args:
        program: its steps and its result, checked by `messages`.
        captures: what it captured, in order.
        arrival: what the message mentioned by reference.

    Attributes:
        values: how many values one replay copies, that of an inner map aside.
        copied: how many bytes its calls take along.
        weight: of its result.

    Raises:
        RemoteProtocolError: it mentions a variable that is not there.
    """

    def __init__(self, program: list[Any], captures: list[Any], arrival: Arrival | None) -> None:
        count = len(program) - 1
        if type(program) is not Checked:
            for variable in (arrival.variables if arrival is not None else None) or ():
                if not -len(captures) <= variable.number <= count:
                    raise RemoteProtocolError(
                        f"the peer's program has no variable {variable.number}"
                    )
        self.captures = captures
        self.steps = [_step(number, *step) for number, step in enumerate(program[:-1])]
        self.result = program[-1]
        self.places, self.weight = _places(self.result, count)
        weights = [step.weight for step in self.steps]
        self.values = self.weight.values + sum(weight.values for weight in weights)
        self.copied = sum(weight.copied + weight.texts + weight.data for weight in weights)


def _step(number: int, subject: int | None, path: list[str], call: Any, inner: Any = None) -> _Step:
    if inner is not None:
        return _Step(subject, path, None, [], _NO_WEIGHT, Program(inner, call, None))
    return _Step(subject, path, call, *_places(call, number))


def _places(call: object, known: int) -> tuple[list[Any], _Weight]:
    """What must be replaced in a part of a program for each replay of it; and what it weighs.

    Raises:
        RemoteProtocolError: it uses a step that comes after it.
    """
    found = []
    values = copied = 0
    for part in contents(call):
        kind = type(part)
        if kind is Variable and part.number > known:
            raise RemoteProtocolError(
                f"the peer's program uses step {part.number} before it is made"
            )
        if kind in CONTAINER_TYPES:
            values += len(part) + 1
        # A method may change what it is given; so each replay gets copies of its own.
        elif isinstance(part, PromisedArgument):
            found.append(part)
        elif _can_change(part):
            found.append(part)
            copied += _size_of_copy(part)
    return found, _Weight(values, copied, *_leaves(call))


_NO_WEIGHT = _Weight(0, 0, 0, 0, {})


def _leaves(call: Any) -> tuple[int, int, dict[int, int]]:
    """Weigh the leaves in a part of a program: texts and numbers, bytes, and its variables."""
    texts = data = 0
    mentions: dict[int, int] = {}
    for part in contents([call]):
        kind = type(part)
        if kind in CONTAINER_TYPES:
            for leaf in itertools.chain(part, part.values()) if kind in DICT_TYPES else part:
                if type(leaf) is Variable:
                    mentions[leaf.number] = mentions.get(leaf.number, 0) + 1
                elif type(leaf) is bytes:
                    data += len(leaf)
                else:
                    texts += _size_of_text(leaf)
    return texts, data, mentions


def _size_of_text(leaf: Any) -> int:
    """How many bytes a text or number takes where it is written down, about; all else none."""
    if type(leaf) is str:
        return len(leaf)
    return leaf.bit_length() // 8 if type(leaf) is int else 0


def _size_of_copy(value: Any) -> int:
    """How many bytes a copy of a value takes that is no container, and may change."""
    size = getattr(value, "nbytes", None)
    if type(size) is int:
        return size
    if isinstance(value, BaseException):
        return sum(map(sys.getsizeof, contents(value, errors=True)))
    return sys.getsizeof(value)


def _can_change(value: object) -> bool:
    """Whether a value that is no container may be changed by who gets it."""
    return type(value).__hash__ is None or isinstance(value, BaseException)


def replay(answer: Answer, source: Answer, program: Program, session: SessionLike) -> None:
    """Run a program on the value of `source`: on each item of a list, once on another, not on None.

    Args:
        answer: takes the list of results, or the one, or the first error.
        source: the value, settled.
        program: the program.
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
    items = value if type(value) is list else [value]
    steps = len(items) * (len(program.steps) + 1)
    whole = answer.origin or answer
    whole.mapped += steps  # those of the maps inside it, too
    if whole.mapped > session.limits.map_steps:
        answer.reject(
            RpcError(
                f"map() over {len(items)} items takes {steps} steps, which is over the limit of"
                f" {session.limits.map_steps} (Limits.map_steps)"
            )
        )
        return
    over = _weighs_too_much(whole, len(items), program, session.limits)
    if over is not None:
        answer.reject(over)
        return
    if answer.context is None:
        answer.context = source.context or session.keeper
    if session.host.observe is not None:
        session.host.observe(("mapped", session.label, answer.id, steps))
    _Replay(answer, source, program, session).go_on()


def _weighs_too_much(
    whole: Answer, count: int, program: Program, limits: Limits
) -> MessageTooLargeError | None:
    """Count what a program comes to that is replayed so many times; refuse what is over a limit.

    A message of a few bytes can have as much copied, sent on or written down as often.
    """
    whole.mapped_values += count * program.values
    if whole.mapped_values > limits.message_objects:
        return MessageTooLargeError(
            f"map() over {count:,} items copies {whole.mapped_values:,} values of the function,"
            f" and {limits.message_objects:,} are allowed (Limits.message_objects)"
        )
    whole.copied += count * (program.copied + program.weight.copied)
    if whole.copied > limits.session_bytes:
        return MessageTooLargeError(
            f"map() over {count:,} items gives its calls {whole.copied:,} bytes, and"
            f" {limits.session_bytes:,} are allowed (Limits.session_bytes)"
        )
    return _write(whole, count * (program.weight.texts + program.weight.copied), limits)


def _write(whole: Answer, size: int, limits: Limits) -> MessageTooLargeError | None:
    """Count what the results of maps come to that will stand in one message."""
    whole.mapped_bytes += size
    if whole.mapped_bytes <= limits.message_bytes:
        return None
    return MessageTooLargeError(
        f"the results of map() come to over {limits.message_bytes:,} bytes"
        " (Limits.message_bytes): map fewer items at once"
    )


class _Replay:
    """The replay of a program on each of some items, in slices."""

    def __init__(
        self, answer: Answer, source: Answer, program: Program, session: SessionLike
    ) -> None:
        self._answer = answer
        self._source = source
        self._program = program
        self._session = session
        self._is_list = type(source.value) is list
        self._items = iter([*source.value] if self._is_list else [source.value])
        self._captures = [self._captured(capture) for capture in program.captures]
        self._runs: deque[_Run] = deque()
        self._results: list[Any] = []
        self._all_made = False

    def _captured(self, value: Any) -> Answer:
        """The variable of a capture; where that is a promise, it settles when the promise does."""
        if type(value) is Answer:
            return value  # of the function around this one
        answer = self._answer
        step = answer.step()
        step.context = answer.context

        def settled() -> None:
            try:
                step.resolve(value.take(answer))
            except Exception as error:
                step.reject(error)

        if isinstance(value, PromisedArgument):
            value.watch(settled)
        else:
            step.resolve(value)
        return step

    def go_on(self) -> None:
        """Replay the next slice."""
        left = _SLICE
        while left > 0 and self._answer.state == PENDING:
            try:
                item = next(self._items)
            except StopIteration:
                self._all_made = True
                self._collect()
                return
            self._runs.append(
                _Run(self._answer, self._source, item, self._captures, self._program, self._session)
            )
            self._collect()
            left -= len(self._program.steps) + 1 + self._program.values // _VALUES_A_STEP
        if self._answer.state == PENDING:
            self._session.soon(self.go_on)

    def _collect(self) -> None:
        """Take the results that are there, in order; the first failure rejects the call."""
        runs, answer = self._runs, self._answer
        while runs and answer.state == PENDING:
            if runs[0].sources.wait(answer, self._collect):
                return
            try:
                self._results.append(runs.popleft().value())
            except Exception as error:
                answer.reject(error)
        if self._all_made and answer.state == PENDING:
            answer.resolve(self._results if self._is_list else self._results[0])


class _Run:
    """One replay of a program, on one item.

    Attributes:
        sources: the variables that the result is made of.
    """

    def __init__(
        self,
        answer: Answer,
        source: Answer,
        item: object,
        captures: list[Answer],
        program: Program,
        session: SessionLike,
    ) -> None:
        first = answer.step()
        first.context = answer.context
        source.share(first, item)
        first.resolve(item)
        self._answer = answer
        self._program = program
        self._limits = session.limits
        self._variables = [first]
        self._captures = captures
        for made in program.steps:
            step = answer.step()
            step.context = answer.context
            args = kwargs = None
            promised = Places()
            if made.call is not None:
                filled: dict[int, Any] = {}
                for place in made.places:
                    if not isinstance(place, PromisedArgument):
                        filled[id(place)] = copy.deepcopy(place)
                        continue
                    if type(place) is Variable:
                        place_here = PromisedAnswer(self._variable(place.number), session)
                        filled[id(place)] = place_here
                        promised.append(place_here)
                    else:
                        promised.append(place)
                args, kwargs = replaced(made.call, filled)
            if made.subject is None:
                fill(step, args[0] if args else None, promised, step.resolve, step.reject)
            elif made.inner is not None:
                self._map(step, made.subject, made.path, made.inner, session)
            else:
                subject = self._variable(made.subject)
                subject.deliver(Delivery(step, made.path, args, kwargs, promised or None))
            self._variables.append(step)
        self.sources = Places(
            PromisedAnswer(self._variable(place.number), session)
            for place in program.places
            if type(place) is Variable
        )

    def _map(
        self, step: Answer, subject: int, path: list[str], inner: Program, session: SessionLike
    ) -> None:
        """Replay the function of a map inside this one, once its items are there."""
        source = self._answer.step()
        source.context = step.context
        captures = [self._variable(number) for number in inner.captures]
        program = copy.copy(inner)
        program.captures = captures
        self._variable(subject).deliver(Delivery(source, path, None))
        source.watch(lambda: replay(step, source, program, session))

    def _variable(self, number: int) -> Answer:
        return self._variables[number] if number >= 0 else self._captures[-number - 1]

    def value(self) -> Any:
        """The result, with the variables in place; it may hold targets of this Worker."""
        answer, mentions = self._answer, self._program.weight.mentions
        filled: dict[int, Any] = {}
        for place in self._program.places:
            if type(place) is Variable:
                source = self._variable(place.number)
                source.share(answer, source.value)
                if source.state == REJECTED:
                    raise fresh_copy(source.value)
                size = _size_of_text(source.value) * mentions[place.number]
                over = _write(answer.origin or answer, size, self._limits)
                if over is not None:
                    raise over
                filled[id(place)] = source.value
            elif isinstance(place, PromisedArgument):
                place.take(answer)
            else:
                filled[id(place)] = copy.deepcopy(place)
        return replaced(self._program.result, filled)
