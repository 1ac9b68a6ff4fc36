"""The exporter's half of a session: calls of the peer, and their results on the way out.

Floor: core.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rpclab.core.answers import Answer
from rpclab.core.calling import LONG_RUN, Calling
from rpclab.core.containers import CONTAINER_TYPES
from rpclab.core.contexts import opened
from rpclab.core.events import scalar
from rpclab.core.holdings import EMPTY_PIPE, ENTRY
from rpclab.core.hooks import BrokenHook, Delivery, Hook, ServiceHook, TargetHook, bare_hook, fill
from rpclab.core.imports import PENDING, RESOLVED
from rpclab.core.map import Program, replay
from rpclab.core.messages import (
    CALL,
    DEADLINE,
    FEW,
    KEYWORDS,
    LARGE,
    RESOLVE,
    SCALARS,
    STREAM,
    Frame,
    Message,
    is_small,
    size_of,
)
from rpclab.core.payload import Payload
from rpclab.core.references import STUB, Introduced
from rpclab.core.results import MISSING
from rpclab.core.streams import Pipe
from rpclab.core.tables import IN_TABLE
from rpclab.core.targets import RpcTarget, attribute_of, is_passive, is_target
from rpclab.errors import DataCloneError, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextvars import Context as Variables

    from rpclab.core.arrival import Arrival
    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.messages import Options


Passed = tuple[int, int, "TargetHook | None", "tuple[Any, ...] | None"]
"""How far calls of a run were taken at once: see `Answering._pass_on`."""

Taken = tuple[str, "Sequence[object]", "Frame | None"]
"""A plain call that was taken: its path and arguments, and its frame, if it had one of its own."""


class Answering(Calling):
    """Takes the calls of the peer, and queues what they come to."""

    __slots__ = ()

    _refusal: Hook | None = None

    # What every call goes through.

    def _accept(self, call: int, target: int) -> Hook | Answer:
        """The preamble of every message that makes a call. Gives what it is made on."""
        self._take_number(call)
        hook = self.exports.get(target)
        if hook is None:
            hook = self.export_of(target)
        if hook is None:
            raise RemoteProtocolError(f"the peer called export {target}, which it does not hold")
        if self._refusal is not None and not isinstance(hook, (Answer, Pipe)):
            return self._refusal
        return hook

    def refuse(self, error: BaseException) -> None:
        """Take no more calls, but those on results of calls under way, and chunks of streams.

        Args:
            error: what the others are rejected with.
        """
        self._refusal = BrokenHook(error)
        self._most_plain = -1

    def _take_number(self, number: int) -> None:
        """The preamble of everything that takes a number."""
        most = self.limits.exports
        if number <= self._last_call:
            raise RemoteProtocolError(f"the peer used the call id {number} twice")
        if len(self.exports) > most or len(self._unacknowledged) > most:
            raise self._too_many()
        self._last_call = number

    def _too_many(self) -> RemoteProtocolError:
        return RemoteProtocolError(
            f"the peer holds more than {self.limits.exports} exports (Limits.exports)"
        )

    def _answer(
        self,
        call: int,
        arrival: Arrival | None,
        frame: Frame,
        options: Sequence[Options] = (),
    ) -> Answer:
        """Enter the answer to a call in the table, with what is among its arguments."""
        answer = self.exports[call] = Answer(self, call)
        answer.weight = self._codec.weight_of(frame)
        self.holdings.most += ENTRY + answer.weight
        if self.host.observe is not None:
            self.latest = answer
        if not self._dialect.call_pulls:
            answer.pulled = False
        if self._quiet and call in self._quiet:
            self._quiet.discard(call)
            answer.quiet = True
        if arrival is not None:
            answer.params = arrival.handles
            if arrival.streams is not None:
                answer.take_ends(arrival.streams)
            if arrival.promised is not None:
                answer.watch(arrival.promised.give_back)
            if arrival.evaluations:
                arrival.evaluate(answer)
        if options and DEADLINE in options[0]:
            self._calls.bound(answer, options[0][DEADLINE])
        return answer

    def _call_of_peer(self, number: int, what: str) -> Answer | None:
        """The call of that number; None if it is over."""
        if number in self.exports:
            answer = self.answer_to(number)
            if answer is not None:
                return answer
        if not 0 < number <= self._last_call:
            raise RemoteProtocolError(f"the peer {what} id {number}, which is no call")
        return None

    # Plain calls.

    def _receive_plain_call(
        self,
        call: int,
        hook: Any,
        path: str,
        args: Sequence[object],
        frame: Frame | None,
    ) -> None:
        """Take a call of one name, with arguments that refer to nothing, and no options.

        A plain method of a target or an entrypoint is run here, and what it returns is queued with
        no `Answer` for the call. So a call in flight costs two thirds of what it does without
        (benchmarks `burst`, `binding`), and one in a chain half (benchmark `chain`). Only a scalar
        is kept, or the hook of a target, for what may have been pipelined on it. What follows is
        `Hook.start`, `Host.run` and `Answer.resolve` in one.

        Args:
            call: its id.
            hook: what it is made on.
            path: the name.
            args: the arguments.
            frame: its message; None if that has others in it.
        """
        if type(hook) is Answer:
            hook = hook.target or hook
        host, calls, noting = self.host, self._calls, self._calls.noting
        function = None
        if type(hook) is TargetHook:
            context = hook.context
            begun = context.variables
            if (
                begun is not None
                and hook.blocked is None
                and not context.ended
                and context.door is None
                and not calls.special
            ):
                instance, variables = hook.target, begun.copy()
                function = context.method(instance, path)
        elif (
            isinstance(hook, ServiceHook)
            and hook.blocked is None
            and hook.unusual is not None
            and path not in hook.unusual
            and not calls.special
        ):
            try:
                instance, context = hook.open()
            except Exception as error:
                answer = self._answer_alone(call, path, args, frame)
                hook.not_opened(error, Delivery(answer, path, [*args]))
                return
            function = context.method(instance, path)
            if function is None or context.door is not None:
                answer = self._answer_alone(call, path, args, frame)
                hook.serve(Delivery(answer, path, [*args]), instance, context)
                return
            context.hold()
            if host.observe is not None:
                host.observe(opened(context, (self.label, call)))
            variables = context.fresh_variables()
        if function is None:
            hook.deliver(Delivery(self._answer_alone(call, path, args, frame), path, [*args]))
            return
        if noting is not None:
            if noting.ambient:
                calls.carry(variables)
            noting.serving = self
        try:
            value = variables.run(function, instance, *args)
        except BaseException as error:
            if noting is not None:
                noting.serving = None
            self._raised(call, hook, context, variables, error, (path, args, frame))
            return
        if noting is not None:
            noting.serving = None
        if self.closed is None and not calls.special:  # which the method may have changed
            if type(value) in SCALARS:
                if self._acknowledges:
                    is_taken = call not in self._quiet and self._reply_scalar(call, value, value)
                else:
                    is_taken = host.observe is None and self._keep_result(call, value)
                if is_taken:
                    if type(hook) is not TargetHook:
                        context.let_go()
                    return
            elif (
                self._acknowledges
                and host.observe is None
                and self._reply_without_answer(call, value, hook, context, (path, args, frame))
            ):
                return
        self._returned(call, value, hook, context, variables, (path, args, frame))

    def _returned(
        self,
        call: int,
        value: object,
        hook: Hook,
        context: ExecutionContext,
        variables: Variables,
        taken: Taken,
    ) -> None:
        """A method has returned that was run for such a call: it is answered as any other."""
        answer = self._answer_of(call, hook, context)
        self.host.ran(answer, value, variables)
        self._goes_on(answer, hook, context, taken)

    def _raised(
        self,
        call: int,
        hook: Hook,
        context: ExecutionContext,
        variables: Variables,
        error: BaseException,
        taken: Taken,
    ) -> None:
        """A method has raised that was run for such a call."""
        answer = self._answer_of(call, hook, context)
        try:
            self.host.ran(answer, None, variables, error)
        finally:
            self._goes_on(answer, hook, context, taken)

    def _pass_on(
        self,
        run: Message,
        position: int,
        call: int,
        hook: TargetHook,
        given: type[Sequence[object]],
    ) -> Passed:
        """Take the calls of a run that are each made on what the one before has returned.

        As long as these are plain methods that give plain targets, and nobody else needs what they
        give: that is in no table then, and half as dear (benchmark `chain`).

        Args:
            run: the run.
            position: where the first of the calls stands in it.
            call: its id.
            hook: what that is made on.
            given: what arguments stand in.

        Returns:
            The place and the id of the call that follows, the hook that it is to be made on, if
            there is none in the tables, and the arguments of `_raised` for the last one taken.
        """
        context, calls = hook.context, self._calls
        begun, end = context.variables, len(run) - 3
        left: TargetHook | None = None
        if (
            begun is None
            or hook.blocked is not None
            or context.door is not None
            or calls.noting is not None
        ):
            return position, call, None, None
        instance, plain = hook.target, None
        while (
            position < end
            and run[position + 3] is None
            and not (context.ended or calls.special)
            and self.closed is None
        ):
            path, args = run[position + 1], run[position + 2]
            if type(path) is not str or type(args) is not given:
                break
            function = context.method(instance, path)
            if function is None:
                break
            self._last_call = call
            variables = begun.copy()
            try:
                value = variables.run(function, instance, *args)
            except BaseException as error:
                hook = hook if left is None else left
                failed = (hook, context, variables, error, (path, args, None))
                return position + 3, call + 1, None, failed
            position += 3
            call += 1
            kind = type(value)
            if kind is not plain:
                if not issubclass(kind, RpcTarget) or not is_passive(kind):
                    self._quiet.add(call - 1)
                    taken = (path, args, None)
                    self._returned(call - 1, value, left or hook, context, variables, taken)
                    return position, call, None, None
                plain = kind
                left = left or bare_hook(context)
            instance = value
            if left is not None:
                left.target = value
        return position, call, left, None

    def _answer_alone(
        self, call: int, path: str, args: Sequence[object], frame: Frame | None
    ) -> Answer:
        """Enter the answer to such a call in the table."""
        return self._answer(call, None, frame or self._codec.pack([CALL, call, 0, path, [*args]]))

    def _answer_of(self, call: int, hook: Hook, context: ExecutionContext) -> Answer:
        """Make the answer to a call that a method has returned from, or raised in."""
        answer = Answer(self, call)
        self.holdings.most += ENTRY
        if not self._dialect.call_pulls:
            answer.pulled = False
        answer.via = hook
        answer.context = context
        if self._quiet and call in self._quiet:
            self._quiet.discard(call)
            answer.quiet = True
        if self.closed is None:
            self.exports[call] = answer
        else:  # by that very method
            answer.cancel()
        return answer

    def _goes_on(self, answer: Answer, hook: Hook, context: ExecutionContext, taken: Taken) -> None:
        """Keep what a call needs whose method has not come to its end."""
        if answer.state == PENDING:
            answer.weight = self._weight_of(answer.id, taken)
            self.holdings.most += answer.weight
        hook.has_run(answer, context)

    def _weight_of(self, call: int, taken: Taken) -> int:
        path, args, frame = taken
        return self._codec.weight_of(frame or self._codec.pack([CALL, call, 0, path, [*args]]))

    # Their results.

    def _reply_scalar(self, call: int, value: object, stands: object) -> bool:
        """Queue a result that is a small scalar. Says whether it is one.

        Args:
            call: the id of the call.
            value: the scalar.
            stands: for it, until the peer has seen it.
        """
        noting = self._calls.noting
        if (
            self._runs is not None
            and is_small(value)
            and (noting is None or self._dialect.notes_runs)
        ):
            run = self._join_results(call, value)
            self.holdings.most += ENTRY + FEW
            if noting is not None:
                kept = noting.kept
                if kept.run is not run:
                    kept.begin("result", self.label, run, len(run) // 2 - 1)
                kept.append(noting.clock())
        else:
            if type(value) is bytes and len(value) >= LARGE:
                return False
            try:
                frame = self._codec.pack([RESOLVE, call, value])
            except DataCloneError:
                return False
            size = len(frame)
            if size > self.limits.message_bytes:
                return False
            self._outbox.append(frame)
            self.holdings.most += ENTRY + size
            if noting is not None:
                at = noting.clock()
                noting.kept.append((at, "result", self.label, call, scalar(value), size))
        if self._acknowledges:
            self._unacknowledged[call] = stands
        if not self._awake:
            self._awake = self.host.wake(self)
        return True

    def _reply_target(self, call: int, value: object, context: ExecutionContext) -> None:
        """Queue a result that is a target, unless the call is quiet.

        The hook of the target stands for the answer itself (see `answer_to`). Between two ends in
        one process the result joins a run, and the call is given back by being acknowledged: so a
        reference costs a quarter less (benchmark `references`).
        """
        hook = self.exports[call] = TargetHook(value, context)
        hook.claims = 1
        self.holdings.most += ENTRY
        if call in self._quiet:
            self._quiet.remove(call)
            return
        number, peer = self.introduce(hook), self.peer
        if self._runs is None or self.packs_runs or peer is None or peer.keeper is self.keeper:
            stub = self._codec.reference(STUB, number)
            self._outbox.append(self._codec.pack([RESOLVE, call, stub]))
        else:
            self._join_results(call, Introduced(number))
            self._unacknowledged[call] = IN_TABLE
        if not self._awake:
            self._awake = self.host.wake(self)

    def _join_results(self, call: int, value: object) -> Message:
        """Put a result in a run. Gives the run."""
        run, outbox = self._result_run, self._outbox
        if outbox and outbox[-1] is run and len(run) < LONG_RUN:
            run += (call, value)
        else:
            run = self._result_run = [RESOLVE, call, value]
            self._runs.append(len(outbox))  # type: ignore[union-attr]
            outbox.append(run)
        return run

    def _reply_data(
        self, call: int, value: object, hook: Hook, context: ExecutionContext
    ) -> Answer | None:
        """Queue a result that is a container. Gives the answer, if one had to be made.

        Most refer to nothing, and need none: a dictionary comes back a tenth sooner so (benchmark
        `dict1k`).
        """
        answers: list[Answer] = []

        def references() -> Payload:
            if not answers:  # a message is packed again once what goes ahead of it is known
                answer = self._answer_of(call, hook, context)
                answer.state, answer.value = RESOLVED, value
                answers.append(answer)
            return Payload(self, context, answers[0])

        try:
            frame, payload = self._pack([RESOLVE, call, value], [value], references)
        except Exception as error:
            # Whoever packs has asked for what is to be discarded.
            self._refuse_result(answers[0], error)
            return answers[0]
        if payload is not None:
            if self._commit_result(answers[0], value, payload):
                self.reply(answers[0], (frame, payload))
            return answers[0]
        self._unacknowledged[call] = value
        self._outbox.append(frame)
        self.holdings.most += ENTRY + size_of(frame)
        if not self._awake:
            self._awake = self.host.wake(self)
        return None

    def _reply_without_answer(
        self,
        call: int,
        value: object,
        hook: Hook,
        context: ExecutionContext,
        taken: Taken,
    ) -> bool:
        """Queue what a method has returned, if it is a container or a target."""
        if type(value) in CONTAINER_TYPES:
            if call in self._quiet:
                return False
            answer = self._reply_data(call, value, hook, context)
            if answer is not None:
                self._goes_on(answer, hook, context, taken)
                return True
        elif is_target(value) and attribute_of(type(value), "__await__") is None:
            self._reply_target(call, value, context)
        else:
            return False
        if type(hook) is not TargetHook:
            context.let_go()
        return True

    def reply_at_once(self, answer: Answer, value: object) -> bool:
        """Queue the result of a call on which nothing waits, if it is a small scalar or a target.

        Most results are one of these, and a reference costs a third less so (benchmarks
        `sequential`, `references`). The rest goes through `pack_result`.
        """
        if answer.pulled is not True or self._calls.special:
            return False
        if type(value) in SCALARS:
            if self._acknowledges:
                return self._reply_scalar(answer.id, value, IN_TABLE)
            if self.exports.get(answer.id) is not answer:
                return True
            sent = self._reply_scalar(answer.id, value, IN_TABLE)
            if sent and answer.gives_itself_back:
                del self.exports[answer.id]
            return sent
        hook = answer.hook_for(value) if is_target(value) else None
        if hook is None or self.exports.get(answer.id) is not answer:
            return False
        answer.plain = False
        stub = self._codec.reference(STUB, self.introduce(hook))
        self.reply(answer, (self._codec.pack([RESOLVE, answer.id, stub]), None))
        return True

    # Every other message about a call.

    def _receive_call(self, message: Message, arrival: Arrival | None, frame: Frame) -> None:
        """Take a call, or a write to a stream."""
        kind, call, target, path, args, *options = message
        hook = self._accept(call, target)
        answer = self._answer(call, arrival, frame, options)
        if kind == STREAM:
            answer.pulled = True
            answer.gives_itself_back = not self._acknowledges
            answer.size = size_of(frame)
        else:
            answer.reads = args is None and self._dialect.undefined
        kwargs = options[0].get(KEYWORDS) if options else None
        promised = None if arrival is None else arrival.promised
        hook.deliver(Delivery(answer, path, args, kwargs, promised))

    def _receive_push(self, message: Message, arrival: Arrival | None, frame: Frame) -> None:
        """The peer names a value, for calls on it and as an argument of others."""
        self._take_number(message[1])
        answer = self._answer(message[1], arrival, frame)
        if arrival is None:
            answer.resolve(message[2])
            return

        def resolve(value: object) -> None:
            answer.hold_parts(value)
            answer.resolve(value)

        fill(answer, message[2], arrival.promised, resolve, answer.reject)

    def _receive_map(self, message: Message, arrival: Arrival | None, frame: Frame) -> None:
        _, call, target, path, captures, program, *options = message
        hook = self._accept(call, target)
        parsed = Program(program, captures, arrival)
        answer = self._answer(call, arrival, frame, options)
        step = answer.step()
        hook.deliver(Delivery(step, path, None))
        step.watch(lambda: replay(answer, step, parsed, self))

    def _receive_pipe(self, number: int) -> None:
        self._take_number(number)
        self.holdings.most += ENTRY + EMPTY_PIPE
        self._enter_pipe(number)

    def _receive_release(self, number: int) -> None:
        hook = self.exports.pop(number, None)
        if number in self._unacknowledged:
            self._unacknowledged[number] = IN_TABLE  # the value is not needed any more
        if isinstance(hook, Answer):
            if hook.state == PENDING and not hook.quiet:
                hook.cancel()
            hook.drop()
        elif hook is not None:
            hook.release()
        elif not 0 < number <= self._last_call:
            raise RemoteProtocolError(f"the peer released export {number}, which it does not hold")

    def _receive_counted_release(self, number: int, count: int) -> None:
        hook = self.exports.get(number)
        if hook is None and count == 1:
            if self._unacknowledged.pop(number, MISSING) is not MISSING:
                return
            if self._results.pop(number) is not MISSING:
                return
        # What is introduced here has a number of its own each time.
        released = isinstance(hook, Answer) and hook.released
        if hook is None or released or number == 0 or count != 1:
            raise RemoteProtocolError(
                f"the peer released export {number} {count} times, which it does not hold as often"
            )
        if isinstance(hook, Answer) and hook.state == PENDING:
            # A release stops nothing: it goes when it has settled, and a result asked for is sent.
            hook.released = True
            hook.watch(partial(self._let_go_of, hook))
            return
        del self.exports[number]
        if isinstance(hook, Answer):
            hook.drop()
        else:
            hook.release()

    def _let_go_of(self, answer: Answer) -> None:
        """An answer has settled that the peer had given back before."""
        if self.exports.get(answer.id) is answer:
            del self.exports[answer.id]
        answer.drop()

    def _receive_pull(self, number: int) -> None:
        hook = self.export_of(number)
        if isinstance(hook, Answer):
            hook.pull()
        elif self._dialect.shares:
            self._call_of_peer(number, "pulled")
        elif hook is not None:
            # It is no promise; whoever asks for it all the same gets one stub more.
            stub = self._codec.reference(STUB, self.introduce(hook))
            self.send_frame(self._codec.pack([RESOLVE, number, stub]))
        else:
            raise RemoteProtocolError(f"the peer pulled id {number}, which is no call")
