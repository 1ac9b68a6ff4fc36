"""A world without asyncio around the core: two sessions, and a list of frames between them."""

from __future__ import annotations

from collections import deque
from contextvars import Context
from types import CoroutineType

from rpclab.codecs.msgpack import MsgpackCodec
from rpclab.core.contexts import ExecutionContext, current
from rpclab.core.hooks import TargetHook
from rpclab.core.imports import PENDING, RESOLVED, Handle, Import
from rpclab.core.limits import DEFAULT_LIMITS
from rpclab.core.references import BINDING, READABLE, STUB, WRITABLE
from rpclab.core.relays import PipeRelay, SinkRelay
from rpclab.core.session import Session
from rpclab.core.sinks import SinkHook
from rpclab.core.streams import Inlet, Outlet
from rpclab.errors import StreamLockedError


class Stub:
    """What an application sees of a handle here: no more than the core needs."""

    def __init__(self, handle) -> None:
        self.handle = handle

    def call(self, name, /, *args, **kwargs):
        """Call a method; gives a promise."""
        return Promise(self.handle.call(name, args, kwargs))

    def read(self, name):
        """Read a property; gives a promise."""
        return Promise(self.handle.call(name, None, {}))

    def dup(self):
        return Stub(self.handle.dup())

    def dispose(self):
        self.handle.dispose()

    def __rpc_handle__(self):
        return self.handle

    def __rpc_refer__(self, payload):
        return payload.refer_handle(self, self.handle)


class Promise:
    """A result, perhaps not there yet."""

    def __init__(self, pending) -> None:
        self.pending = pending
        pending.ask()  # as an await does

    def call(self, name, *args):
        """Call a method of the result, before it is there."""
        pending = self.pending
        return Promise(pending.pipeline(name, args, None, pending.context))

    @property
    def outcome(self):
        """What it settled as: the value, the error, or `...`."""
        return ... if self.pending.state == PENDING else self.pending.value

    def cancel(self):
        self.pending.cancel("the test gave it up")

    def dispose(self):
        self.pending.dispose_stubs()

    def __rpc_refer__(self, payload):
        return payload.refer_promise(self.pending)


class Later:
    """What a method returns that is not through: settled by the test."""

    def __init__(self) -> None:
        self.answer = None
        self.cancelled = False

    def resolve(self, value):
        self.answer.resolve(value)

    def reject(self, error):
        self.answer.reject(error)

    def cancel(self, _why=None):
        self.cancelled = True

    def __await__(self):
        raise NotImplementedError


class Stall(Later):
    """What a sink waits for while it takes a chunk; settled by the test."""

    def __await__(self):
        yield self

    def resolve(self, value=None):
        del value
        self._go_on(lambda: self.work.send(None))

    def reject(self, error):
        self._go_on(lambda: self.work.throw(error))

    def _go_on(self, step):
        try:
            step()
        except StopIteration as stop:
            self.answer.resolve(stop.value)
        except Exception as error:
            self.answer.reject(error)


class Source:
    """A stream to be sent; the test says what goes through it.

    Attributes:
        outlet: the near end, once it was sent.
        sent: whether the message that mentions it was sent.
    """

    def __init__(self) -> None:
        self.outlet = None
        self.sent = None

    def __rpc_refer__(self, payload):
        return payload.refer_readable(self, lambda session: self._open(session, payload.context))

    def _open(self, session, context):
        self.outlet = Outlet(session.open_pipe(), context)
        self.id = self.outlet.id
        return self

    def packed(self, *, sent):
        self.sent = sent
        if not sent:
            self.outlet.abort()


class Readable:
    """A stream that came in."""

    def __init__(self, inlet) -> None:
        self.inlet = inlet
        self.sent = None
        self._message = None  # the one that has it

    def read(self):
        """Give all that is there, and the end as `...`, or the error."""
        got = []
        while self.inlet.pipe.ready:
            try:
                got.append(self.inlet.take())
            except StopAsyncIteration:
                return [*got, ...]
            except Exception as error:
                return [*got, error]
        return got

    def __rpc_refer__(self, payload):
        if self._message not in (None, payload):
            raise StreamLockedError("the stream was sent")
        self._message = payload
        return payload.refer_readable(
            self, lambda session: PipeRelay(self.inlet, session, [], self._unsent)
        )

    def _unsent(self):
        self.sent = False
        self._message = None


def _readable(source):
    """A stream that came in, or one in the place of a generator that a method has returned."""
    return Readable(source) if isinstance(source, Inlet) else Source()


class Sink:
    """A sink to be sent; it keeps what it gets, and stalls where the test wants it to.

    Attributes:
        got: the chunks, then "closed" or the reason of the abort.
        stalls: what the next chunks wait for.
    """

    def __init__(self, *stalls) -> None:
        self.got = []
        self.stalls = list(stalls)
        self.sent = None

    async def write(self, chunk):
        self.got.append(chunk)
        if self.stalls:
            await self.stalls.pop(0)

    async def close(self):
        self.got.append("closed")

    def abort(self, reason):
        self.got.append(reason)

    def __rpc_refer__(self, payload):
        return payload.refer_writable(SinkHook(self, payload.context, self._unsent))

    def _unsent(self):
        self.sent = False


class Writable:
    """A sink at the other side."""

    def __init__(self, outlet) -> None:
        self.outlet = outlet

    def __rpc_refer__(self, payload):
        return payload.refer_writable(SinkRelay(self.outlet, lambda: None))


class Calls:
    """Notes nothing of calls, and writes down the deadlines that they came with.

    Attributes:
        bounds: each as (answer, seconds).
    """

    special = 0
    closing = False
    noting = None
    holder = None

    def __init__(self, reports) -> None:
        self.reports = reports
        self.bounds = []
        self.wrap = {STUB: Stub, BINDING: Stub, READABLE: _readable, WRITABLE: Writable}

    def site(self):
        return None

    def carry(self, variables, answer=None):
        pass

    def undisposed(self, context):
        return None

    def left(self, pending):
        del pending

    def bound(self, answer, seconds):
        self.bounds.append((answer, seconds))

    def unseen(self, error, worker, what, site):
        self.reports.append((what, error))


class InlineHost:
    """Runs methods at once, and remembers which sessions have something to send.

    Attributes:
        reports: failures that nobody waited for.
    """

    def __init__(self) -> None:
        self.observe = None
        self.kept = None
        self.clock = lambda: self.time
        self.reports = []
        self.calls = Calls(self.reports)
        self.time = 0.0
        self._woken = deque()
        self._forgotten = deque()
        self._loopbacks = {}

    # What the core asks.

    def wake(self, session):
        self._woken.append(session)
        return True

    def settled(self, pending):
        pending.waiters = None

    def forget(self, entry):
        self._forgotten.append(entry)

    def run(self, answer, function, args, kwargs, context):
        try:
            value = self._inside(context, lambda: function(*args, **(kwargs or {})))
        except Exception as error:
            self.ran(answer, None, None, error)
        else:
            self.ran(answer, value, None)

    def ran(self, answer, value, variables, error=None):
        if error is not None:
            answer.reject(error)
        elif issubclass(type(value), Later):
            value.answer = answer
            answer.suspend(value)
        elif type(value) is CoroutineType:
            self.drive(answer, value, variables)
        else:
            answer.resolve(value)

    def drive(self, answer, work, variables):
        # A sink's coroutine waits for nothing but a `Later`, which stands where it suspended.
        try:
            waits = variables.run(work.send, None)
        except StopIteration as stop:
            answer.resolve(stop.value)
        except Exception as error:
            answer.reject(error)
        else:
            waits.answer = answer
            waits.work = work
            answer.suspend(waits)

    def detach(self, function, context, what):
        try:
            self._inside(context, function)
        except Exception as error:
            self.reports.append((what, error))

    def loopback(self, context):
        if context.worker not in self._loopbacks:
            ends = [
                Session(context.worker, codec=MsgpackCodec, host=self, keeper=context)
                for _ in range(2)
            ]
            Wire(self, *ends)
            self._loopbacks[context.worker] = ends[0]
        return self._loopbacks[context.worker]

    def report(self, error, what):
        self.reports.append((what, error))

    @staticmethod
    def _inside(context, function):
        variables = Context() if context.variables is None else context.variables.copy()
        variables.run(current.set, context)
        return variables.run(function)

    # What a test asks.

    def turn(self):
        """Let everything be sent and arrive, until all is quiet."""
        while self._woken or self._forgotten:
            while self._forgotten:
                self._forgotten.popleft().drop()
            if self._woken:
                self._woken.popleft().flush()


class Wire:
    """Hands over at once what two sessions send; a test can hold one direction back.

    Attributes:
        sent: every batch, as (from, seen, frames).
    """

    def __init__(self, host, one, other) -> None:
        one.peer, other.peer = other, one
        one.send = lambda seen, frames: self._carry(one, other, seen, frames)
        other.send = lambda seen, frames: self._carry(other, one, seen, frames)
        self.host = host
        self.sent = []
        self.held = {}

    def _carry(self, sender, receiver, seen, frames):
        self.sent.append((sender, seen, list(frames)))
        if sender in self.held:
            self.held[sender].append((receiver, seen, frames))
        else:
            receiver.receive(seen, frames)

    def hold(self, sender):
        """Keep what `sender` sends until `let_go`."""
        self.held[sender] = []

    def let_go(self, sender):
        for receiver, seen, frames in self.held.pop(sender):
            receiver.receive(seen, frames)
        self.host.turn()


class SessionPair:
    """A client and a server, joined.

    Args:
        main: what the client reaches; a target.
        codec: of both sessions.
        limits: of both sessions.
        prepared: whether plain methods of the server are answered in one step.

    Attributes:
        client, server: the sessions.
        main: the client's stub of `main`.
    """

    def __init__(
        self, main, *, codec=MsgpackCodec, limits=DEFAULT_LIMITS, host=None, prepared=False
    ) -> None:
        self.host = host or InlineHost()
        here, there = (ExecutionContext(self.host, name, long=True) for name in ("here", "there"))
        if prepared:
            there.variables = Context()
            there.variables.run(current.set, there)
        self.client = Session("here→there", codec=codec, host=self.host, keeper=here, limits=limits)
        self.server = Session(
            "there→here",
            codec=codec,
            host=self.host,
            keeper=there,
            main=TargetHook(main, there),
            limits=limits,
        )
        self.wire = Wire(self.host, self.client, self.server)
        entry = self.client.imports[0] = Import(self.client, 0)
        self.main = Stub(Handle(entry, here))

    def settle(self, promise):
        """Let everything arrive; gives the value of a promise, or raises its error."""
        self.host.turn()
        if promise.pending.state != RESOLVED:
            raise promise.pending.value
        return promise.pending.value

    def inject(self, message, *, seen=0):
        """Let the server receive what its peer would not send."""
        frame = message
        if type(message) is not bytes:
            frame, _ = self.client.pack(message, [], self.client.keeper)
        self.server.receive(seen, [frame])
        self.host.turn()

    @property
    def tables(self):
        """How many entries the two have for each other, the main one aside."""
        return [
            sorted(set(table) - {0})
            for session in (self.client, self.server)
            for table in (session.imports, session.live_exports())
        ]


EMPTY = [[], [], [], []]
