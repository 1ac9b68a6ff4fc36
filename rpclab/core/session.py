"""One session between two Workers: a symmetric state machine.

Floor: core. Batches of frames go in through `receive`, and come out through `flush`; nothing here
waits. Both ends are alike: each imports what the other exports, calls that, and answers the calls
of the other end.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from rpclab.core.answering import Answering
from rpclab.core.answers import Answer
from rpclab.core.calling import LONG_RUN
from rpclab.core.events import failure
from rpclab.core.hooks import Hook, TargetHook
from rpclab.core.imports import REJECTED, RESOLVED, Import, Pending, Unasked
from rpclab.core.messages import (
    ABORT,
    CALL,
    CANCEL,
    MAP,
    MOST,
    PIPE,
    PULL,
    PUSH,
    QUIET,
    REJECT,
    RELEASE,
    RESOLVE,
    STREAM,
    Frame,
    Message,
    apart,
    as_packed,
    count_of,
    parse,
    size_of,
)
from rpclab.core.references import STUB, Introduced
from rpclab.core.results import MISSING, size_of_scalar
from rpclab.core.tables import IN_TABLE
from rpclab.errors import DisconnectedError, MessageTooLargeError, RemoteProtocolError
from rpclab.previews import message_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rpclab.core.arrival import Arrival


class Session(Answering):
    """One end of a session; for its arguments and attributes see `Tables`.

    It is one object, because a call goes through all of it. Each part has a file: `Tables` is what
    it knows, `Packing` how a message is packed, `Calling` the importer's half, and `Answering` the
    exporter's. Here is how batches leave and come in, and the end.
    """

    __slots__ = ()

    tells_places = True
    peer: Session | None

    def __repr__(self) -> str:
        state = "open" if self.closed is None else "closed"
        imports, exports = len(self.imports), len(self.exports)
        return f"<Session {self.name}, {state}, {imports} imports, {exports} exports>"

    # The outbox.

    def flush(self) -> int:
        """Send what has gathered, as one batch. Gives how many messages these were, about."""
        if (
            self.is_far
            and not self._outbox
            and not self._pulls
            and not self.hurries
            and not self._soon
            and (self._releases or self._told != self._seen)
        ):
            # Whoever was waiting for what has come is resumed in this turn, and nearly always
            # calls next. What only acknowledges and gives back waits for that, and leaves with it:
            # a message less for each call that follows another (benchmark `socket_sequential`).
            self.hurries = True
            self._awake = self.host.wake(self)
            return 0
        self._awake = True  # what follows need not ask for a turn of its own
        if self.cascade.waits or self._soon:
            self._go_on()
        if self.pipelined:
            self._quieten()
        frames, count = self._outbox, 0
        if self._runs:
            for position in reversed(self._runs):
                run = frames[position]
                count += len(run) // 3
                if self.packs_runs:
                    packed = self._codec.pack_run(run)
                    if len(packed) == 1:
                        frames[position] = packed[0]
                    else:
                        count -= len(packed) - 1
                        frames[position : position + 1] = packed
            self._runs.clear()
        if self._pulls or self._releases:
            self._put_releases()
        if self._promise is not Pending:
            self._hold_weakly()
        count += len(frames)
        self._awake = False
        if self._soon:
            self.awake()
        if frames or self._told != self._seen:
            if self.host.observe is not None:
                count = self._codec.count(frames)
                self.host.observe(("left", self.label, count))
            self._outbox = []
            self.first_unsent = self._next_call
            self._told = self._seen
            self.send(self._seen, frames)
        if self.is_far:
            self.hurries = False
            self._flushed(count)
        return count

    def put(self) -> int:
        """Send what has gathered, now."""
        self.hurries = True
        return self.flush()

    def forgo_runs(self) -> None:
        """Send each call and result in a message of its own from now on."""
        for position in reversed(self._runs or ()):
            messages = [as_packed(self._outbox[position])]
            if Introduced in map(type, messages[0]):
                messages = [*apart(messages[0])]
            for message in messages:
                if type(message[2]) is Introduced:
                    # A message by itself that refers to something is not acknowledged.
                    del self._unacknowledged[message[1]]
                    message[2] = self._codec.reference(STUB, message[2])
            self._outbox[position : position + 1] = map(self._codec.pack, messages)
        self._runs, self._call_run = None, []

    def _go_on(self) -> None:
        """Do what was left for this turn; what an interrupt leaves of it, in the next one."""
        try:
            if self.cascade.waits:
                self.cascade.go_on()
            for _ in range(len(self._soon)):
                self._soon.popleft()()
        except BaseException:
            self._awake = self.host.wake(self)
            raise

    def _quieten(self) -> None:
        """Tell the peer which calls of this batch nobody can ask for the results of.

        Calls were made on them, and nobody here holds their promise any more: all but the last of
        `x.a().b().c()`. Their results stay at the callee, for what was made on them. In a run, a
        call with but one call on it, the next, is given back by that (benchmark `chain`); the peer
        is told of the others ahead of the batch.
        """
        pipelined, self.pipelined = self.pipelined, []
        if not self._dialect.quiet or self.closed is not None:
            return
        quiet: list[int] = []
        imports, observe = self.imports, self.host.observe
        run = self._call_run or [CALL, 0]
        for pending in pipelined:
            # The list, the table, the name here and the function's argument; and each call on it.
            long, call = pending.context.long, pending.id
            if (
                _COUNT(pending) == _ELSEWHERE + pending.unanswered - long
                and pending.is_plain
                and imports.get(call) is pending
            ):
                if not long and not pending.context.unwanted(pending):
                    quiet.append(call)  # its context's end lets go of it (rule L8)
                    continue
                del imports[call]
                if observe is not None:
                    observe(("let go", self.label, call))
                elif pending.unanswered == 1:
                    # Where the next call stands in a run, right after this one.
                    position = 3 * (call - run[1]) + 5
                    if not 5 <= position < len(run):
                        run = self._run_of(call)
                        position = 3 * (call - run[1]) + 5
                    if 5 <= position < len(run) and run[position] == call:
                        run[position] = None
                        continue
                quiet.append(call)
                self._releases += (call, 1)
        if quiet:
            frame = self._codec.pack([QUIET, *quiet])
            self._outbox.insert(0, frame)
            if self._runs:
                self._runs = [position + 1 for position in self._runs]
            if observe is not None:
                observe(("quiet", self.label, tuple(quiet), len(frame)))

    def _run_of(self, call: int) -> Message:
        """Give the run of this batch in which a call stands; an empty one if there is none."""
        for position in self._runs or ():
            run: Message = self._outbox[position]
            if run[0] == CALL and run[1] <= call < run[1] + count_of(run):
                return run
        return [CALL, 0]

    # What comes in.

    def receive(self, seen: int, frames: list[Frame]) -> None:
        """Apply a batch of the peer.

        Args:
            seen: how many plain settlements of ours the peer has seen.
            frames: its messages, in order.

        A frame that is no message ends this session, with that reason, and raises nothing; so does
        any error of our own while a message is applied. Only what interrupts the program goes on;
        what that leaves of the batch is applied in the next turn, and what follows after it.
        """
        if self.closed is not None:
            return
        if self._interrupted:
            self._interrupted.append((seen, frames))
            return
        kept = self.host.kept
        if kept is not None:
            kept.append((self.host.clock(), "arrived", self.label, self._codec.count(frames)))
        frames.reverse()  # each is taken off the end, and is let go of when it was applied
        holdings = self.holdings
        error: Exception | None = None
        is_inside, self._applies = self._applies, True
        try:
            while frames and self.closed is None:
                if holdings.most > holdings.enough:
                    holdings.weigh()
                if self._read_plain is not None and self._receive_in_order(frames):
                    continue
                frame: Any = frames.pop()
                if type(frame) is bytes or type(frame[0]) is not int:
                    self._receive_frame(frame, frames)
                # The other end, in this process, did not pack this run.
                elif frame[0] == CALL:
                    self._receive_calls(frame, frames)
                else:
                    self._receive_results(frame, frames)
        except RemoteProtocolError as fault:
            error = fault
        except Exception as fault:
            error = RemoteProtocolError(
                f"a message of the peer could not be applied: {failure(fault)}"
            )
        except BaseException:
            self._interrupted.append((seen, frames))
            self.soon(self._receive_rest)
            raise
        finally:
            self._applies = is_inside
            if self.closed is not None:  # a message has ended it
                self.close(self.closed)  # type: ignore[unreachable]
            frames.reverse()
            if kept is not None:
                self.latest = None
                kept.append((self.host.clock(), "applied", self.label, self._codec.count(frames)))
        if error is not None:
            self.abort(error)
        if self.closed is not None:
            frames.clear()  # type: ignore[unreachable]
            return
        if seen > self._acknowledged:
            self._acknowledge(seen)
        if not self._awake and self._seen != self._told:
            self._awake = self.host.wake(self)

    def _receive_rest(self) -> None:
        """Apply what an interrupted batch has left, and what came after it."""
        batches, self._interrupted = self._interrupted, []
        while batches:
            try:
                self.receive(*batches.pop(0))
            except BaseException:
                self._interrupted += batches
                raise

    def _receive_frame(self, frame: Any, frames: list[Frame]) -> None:
        """Unpack a frame, and apply its message; an interrupt puts the rest of a run back."""
        size = len(frame) if type(frame) is bytes else size_of(frame)
        if size > self.limits.message_bytes:
            raise RemoteProtocolError(
                f"the peer sent a message of over {self.limits.message_bytes} bytes"
                " (Limits.message_bytes)"
            )
        watched = self.is_far and self.host.observe is not None
        try:
            message: Any
            message, arrival = (self._decode_watched if watched else self._decode)(frame)
        except RemoteProtocolError:
            raise
        except Exception as error:
            text = f"the peer sent a frame that is no message: {failure(error)}"
            raise RemoteProtocolError(text) from None
        in_order = False
        if type(message) is list and self._acknowledges:
            # The two most common messages are judged here: that and what they need alone are a
            # quarter of a call in turn (benchmark `socket_sequential`). What is not quite in
            # order goes the way of any message, where it is checked in full, and refused.
            if len(message) == 3:
                kind, number, value = message
                if type(kind) is int and kind == RESOLVE and type(number) is int and number > 0:
                    entry = self.imports.get(number)
                    if type(entry) is Pending:
                        if arrival is None:
                            self._seen += 1
                            del self.imports[number]
                            entry.settle(RESOLVED, value)
                            return
                        in_order = True
            elif arrival is None and len(message) == 5 and message[0] != RESOLVE:
                kind, call, target, path, args = message
                exports, most = self.exports, self._most_plain
                if (
                    type(kind) is int
                    and kind == CALL
                    and type(call) is int
                    and type(target) is int
                    and type(path) is str
                    and type(args) is list
                    and self._last_call < call < MOST
                    and target in exports
                    and len(exports) <= most
                    and len(self._unacknowledged) <= most
                ):
                    self._last_call = call
                    self._receive_plain_call(call, exports[target], path, args, frame)
                    return
            elif arrival is None and self._receive_run(message, frames):
                return
        self._receive_any(message, arrival, frame, in_order=in_order)

    def _receive_run(self, run: Message, frames: list[Any]) -> bool:
        """Take calls, or results, in a row. Says whether these are; an interrupt puts some back."""
        if len(run) > 2 and type(run[0]) is int and type(run[1]) is int:
            if run[0] == CALL and len(run) % 3 == 2:
                self._receive_calls(run, frames, list)
                return True
            if run[0] == RESOLVE and len(run) % 2:
                self._receive_results(run, frames)
                return True
        return False

    def _receive_in_order(self, frames: list[Any]) -> bool:
        """Take the messages of plain calls that come first, and their frames off. Says if any do.

        Where results are sent when they are asked for, four make a call; with fewer steps for each
        it costs two thirds (benchmark `socket_burst`, Cap'n Web). What is not quite in order goes
        the way of any message.
        """
        if self.is_far and self.host.observe is not None:
            return False  # each is told of
        messages = self._read_plain(frames)  # type: ignore[misc]  # there is one
        imports, exports, unacknowledged = self.imports, self.exports, self._unacknowledged
        results, taken = self._results, 0
        try:
            for message in messages:
                if self.closed is not None:
                    break
                taken += 1
                kind, number = message[0], message[1]
                if kind == CALL:
                    _, _, path, args = message
                    call, frame, most = self._last_call + 1, frames[-taken], self._most_plain
                    if number in exports and len(exports) <= most and len(unacknowledged) <= most:
                        self._last_call = call
                        self._receive_plain_call(call, exports[number], path, args, frame)
                    else:
                        self._receive_any([CALL, call, number, path, args], None, frame)
                elif kind == PULL:
                    value = results.take_scalar(number)
                    if value is MISSING:
                        self._receive_any(message, None, b"")
                    elif self._reply_scalar(number, value, value):
                        unacknowledged[number] = value
                    else:
                        results.add(number, value, size_of_scalar(value))
                        self._receive_any(message, None, b"")
                elif kind == RESOLVE:
                    entry = imports.get(number)
                    if type(entry) is Unasked and number not in self._streaming:
                        del imports[number]
                        self.give_back(number)
                        entry.settle(RESOLVED, message[2])
                    else:
                        self._receive_any(message, None, b"")
                elif message[2] != 1 or unacknowledged.pop(number, MISSING) is MISSING:
                    self._receive_any(message, None, b"")
        finally:
            del frames[len(frames) - taken :]
        return taken > 0

    def _receive_calls(
        self, run: Message, frames: list[Any], given: type[Sequence[object]] = tuple
    ) -> None:
        """Take a run of calls whose arguments refer to nothing.

        What is in order goes on to `_receive_plain_call`.

        Args:
            run: the run.
            frames: takes what an interrupt leaves of it.
            given: what arguments stand in: a tuple, or where the run was packed, a list.
        """
        exports, holdings = self.exports, self.holdings
        call, end = run[1], len(run)
        most = self._most_plain + 1 - (end - 2) // 3
        in_order = (
            self._last_call < call < MOST
            and len(exports) <= most
            and len(self._unacknowledged) <= most
            and end < LONG_RUN + 3
        )
        left: TargetHook | None = None
        back: list[int] = []
        position = 2
        try:
            while position < end and self.closed is None:
                target, path, args = run[position], run[position + 1], run[position + 2]
                if target is None and call > 1:
                    target = call - 1
                    back.append(target)
                hook: Hook | Answer | None = None
                if type(target) is int:
                    hook = exports.get(target) if left is None else left
                left = None
                if end > position + 3 and run[position + 3] is None:
                    if in_order and type(hook) is TargetHook:
                        at = position
                        position, call, left, failed = self._pass_on(run, at, call, hook, given)
                        if failed is not None:
                            self._quiet.add(call - 1)
                            self._raised(call - 1, *failed)
                        if position > at:
                            continue
                    self._quiet.add(call)
                position += 3
                if in_order and hook is not None and type(path) is str and type(args) is given:
                    self._last_call = call
                    self._receive_plain_call(call, hook, path, args, None)
                else:
                    if holdings.most > holdings.enough:
                        holdings.weigh()
                    if given is tuple and type(args) is tuple:
                        args = [*args]
                    message = [CALL, call, target, path, args]
                    self._receive_any(message, None, self._codec.pack(message))
                call += 1
        except BaseException as error:
            if position < end and not isinstance(error, Exception):
                frames.append([CALL, self._last_call + 1, *run[position:]])
            raise
        finally:
            for number in back:
                if number in self.exports:
                    self._receive_release(number)

    def _receive_results(self, run: Message, frames: list[Any]) -> None:
        """Take a run of results that refer to nothing."""
        position, end = 1, len(run)
        imports = self.imports
        try:
            while position < end and self.closed is None:
                number, value = run[position], run[position + 1]
                position += 2
                if type(value) is Introduced:
                    self._receive_stub(number, value)
                    continue
                if type(number) is int and number > 0:
                    entry = imports.get(number)
                    if type(entry) is Pending or isinstance(entry, Pending):  # a `Write`
                        self._seen += 1
                        del imports[number]
                        entry.settle(RESOLVED, value)
                        continue
                self._receive_any([RESOLVE, number, value], None, b"")
        except BaseException as error:
            if position < end and not isinstance(error, Exception):
                frames.append([RESOLVE, *run[position:]])
            raise

    def _receive_any(
        self, unpacked: Any, arrival: Arrival | None, frame: Frame, *, in_order: bool = False
    ) -> None:
        """Apply a message of any kind; it is checked first, unless it is known to be in order."""
        try:
            message = unpacked if in_order else parse(unpacked)
            kind = message[0]
            if arrival is not None:
                arrival.check(kind)
            if kind in (CALL, STREAM):
                self._receive_call(message, arrival, frame)
            elif kind == RESOLVE:
                self._receive_settlement(message, arrival, RESOLVED)
            elif kind == PUSH:
                self._receive_push(message, arrival, frame)
            else:
                self._receive_other(kind, message, arrival, frame)
        except Exception:
            if arrival is not None:
                arrival.give_back()
            raise

    def _receive_other(
        self, kind: int, message: Message, arrival: Arrival | None, frame: Frame
    ) -> None:
        if kind == REJECT:
            error = message[2]
            if message[3]:
                error.remote = True
            self._receive_settlement(message, arrival, REJECTED)
        elif kind == RELEASE:
            numbers, counts = message[1::2], message[2::2]
            if self._dialect.shares:
                for number in numbers:
                    self._receive_release(number)
            else:
                for number, count in zip(numbers, counts, strict=True):
                    self._receive_counted_release(number, count)
        elif kind == CANCEL:
            answer = self._call_of_peer(message[1], "cancelled")
            if answer is not None:
                del self.exports[message[1]]
                answer.cancel()
                answer.drop()
        elif kind == PIPE:
            if len(message) == 2:
                self._receive_pipe(message[1])
            else:
                self._receive_pipe_end(message[1], message[2])
        elif kind == PULL:
            self._receive_pull(message[1])
        elif kind == MAP:
            self._receive_map(message, arrival, frame)
        elif kind == QUIET:
            last, calls = self._last_call, message[1:]
            if min(calls, default=0) <= last:
                calls = [call for call in calls if call > last]
            self._quiet.update(calls)
            if len(self._quiet) > self.limits.exports:
                raise self._too_many()
        elif kind == ABORT:
            self.close(
                DisconnectedError(f"the other side ended the session: {message_of(message[1])}")
            )

    def _acknowledge(self, seen: int) -> None:
        """The peer has seen so many of our plain settlements: let go of those."""
        unacknowledged = self._unacknowledged
        count = seen - self._acknowledged
        if count > len(unacknowledged):
            self.abort(RemoteProtocolError("the peer acknowledges settlements that were not sent"))
            return
        self._acknowledged = seen
        for number in [*islice(unacknowledged, count)]:
            if unacknowledged.pop(number) is IN_TABLE:
                answer = self.exports.pop(number, None)
                if type(answer) is TargetHook:
                    answer.release()
                elif isinstance(answer, Answer):
                    answer.drop()

    # The end.

    def abort(self, error: BaseException) -> None:
        """End the session because of the peer, and tell it why."""
        if self.closed is None:
            with suppress(MessageTooLargeError):  # then it ends without a word
                self._outbox.append(self._pack_error([ABORT, error], 1)[0])
            self._mark_closed(error)  # whatever comes back meanwhile is too late
            self._let_go(self.flush)
            self.close(error)

    def _mark_closed(self, error: BaseException) -> None:
        # A traceback would keep the message alive that ended the session; so would that of a cause.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        self.closed = error

    def close(self, error: BaseException) -> None:
        """End the session: every promise of it rejects with `error`, every export is let go.

        It always comes to its end: what fails on the way is reported, and the rest goes on. A
        target may end the session in a method; it is let go of when that has returned.
        """
        self._ending(error)
        if self.closed is None:
            self._mark_closed(error)
        imports, self.imports = self.imports, {}
        exports: dict[int, Hook | Answer] = {}
        if not self._applies:
            exports, self.exports = self.exports, exports
        self._unacknowledged = {}
        self._cut_off = None
        self.pipelined = []
        self._outbox = []
        self._pulls = []
        self._runs = None if self._runs is None else []
        ends = [*(partial(entry.end, self._reason_of(entry, error)) for entry in imports.values())]
        interrupts = [self._let_go(end) for end in ends]
        interrupts += [self._let_go(hook.end) for hook in exports.values()]
        exports.clear()  # whoever is in the middle of a batch has a name for it
        if self.host.observe is not None:
            self.host.observe(("parted", self.label))
        interrupts.append(self._let_go(partial(self._ended, error)))
        for interrupt in filter(None, interrupts):
            raise interrupt

    def _let_go(self, end: Callable[[], object]) -> BaseException | None:
        """Do a part of the end. Gives what interrupted it, to be raised when all is done."""
        try:
            end()
        except Exception as failed:
            self.host.report(failed, f"the end of the session {self.name}")
        except BaseException as interrupt:
            return interrupt
        return None

    # Hooks for an end whose other end is in another program.

    def _decode_watched(self, frame: Frame) -> tuple[object, Arrival | None]:
        """Unpack a message while somebody watches: nobody tells of the other end."""
        return self._decode(frame)

    def _flushed(self, count: int) -> None:
        """What had gathered was sent: so many messages."""

    def _ending(self, error: BaseException) -> None:
        """The session is going to end; the tables are still as they were."""

    def _reason_of(self, entry: Import, error: BaseException) -> BaseException:
        """What an import ends with when the session does."""
        del entry
        return error

    def _ended(self, error: BaseException) -> None:
        """All that the session had was ended."""


_COUNT = getattr(sys, "getrefcount", lambda _: 1 << 60)
if not getattr(sys, "_is_gil_enabled", lambda: True)():
    _COUNT = lambda _: 1 << 60  # noqa: E731 - the count is no exact one there


def _counted_here() -> int:
    """How often the count has what one function alone has a name for.

    Its name and the argument of `_COUNT`; from Python 3.14 on, the argument only borrows.
    """
    alone = object()
    return _COUNT(alone)


_ELSEWHERE = 3 + _counted_here()  # a list, its turn in the loop, and the table of imports
