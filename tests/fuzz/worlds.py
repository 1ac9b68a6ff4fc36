"""The core under attack: one session and a hand at the other end, or two with a hand in between.

A world does steps, which are plain data, so that a session can be written down and done again:

    ["receive", end, seen, [frame, ...]]    frames arrive at one end
    ["turn"]                                all that waits to be sent is sent
    ["act", end, what, number]              the honest side does something
    ["arm", end, seen, [frame, ...]]        frames that arrive while a method runs, the next time
    ["recipe", end, name]                   frames that `recipes` makes
"""

from __future__ import annotations

import gc
import time
from contextvars import Context

from support.inline_host import InlineHost, Later, Promise, Sink, Source, Stub

from fuzz import oddities, recipes, wire
from rpclab import RpcTarget
from rpclab.codecs.capnweb import CapnWebCodec
from rpclab.codecs.msgpack import MsgpackCodec
from rpclab.core.contexts import ExecutionContext, current
from rpclab.core.hooks import TargetHook
from rpclab.core.imports import PENDING, RESOLVED, Handle, Import
from rpclab.core.limits import Limits
from rpclab.core.session import Session
from rpclab.errors import DisconnectedError

DIALECTS = {"msgpack": MsgpackCodec, "capnweb": CapnWebCodec}
LIMITS = Limits(
    message_bytes=4 * 1024 * 1024, message_objects=512 * 1024, exports=20_000, imports=100_000
)
ENDLESS = 10_000  # turns after which a drain is said to have no end
LONG = 1.0  # seconds of work that one step may take; others may use the machine as well


class Thing(RpcTarget):
    """What the honest side offers; each result that is a target is one more of these.

    Args:
        world: takes note of it.
        maker: the method that made it.
    """

    def __init__(self, world, maker="main") -> None:
        self._world = world
        self._maker = maker
        self._disposals = 0
        self._held = None
        world.things.append(self)

    def dispose(self):
        self._disposals += 1

    def greet(self, name="nobody", **_rest):
        return f"Hello, {type(name).__name__}"

    def echo(self, *args, **kwargs):
        return [list(args), kwargs]

    def same(self, value):
        return value

    def later(self, *_args):
        waits = Later()
        self._world.laters.append(waits)
        return waits

    def target(self):
        return Thing(self._world, "target")

    def nested(self):
        return {"a": Thing(self._world, "nested"), "list": [Thing(self._world, "nested"), 1]}

    def fail(self):
        raise ValueError("as asked")

    def call(self, stub, name="greet", *args):
        if type(name) is not str:  # as a stub of the application's sees to
            raise TypeError("a remote member has a name")
        promise = stub.call(name, *args)
        self._world.promises.append(promise)
        return promise

    def hold(self, stub):
        self.give_up()
        self._held = stub.dup()

    def give_up(self):
        if self._held is not None:
            self._held.dispose()

    def items(self, count=3):
        return [Thing(self._world, "items") for _ in range(count if 0 <= count < 50 else 0)]

    def source(self):
        source = Source()
        self._world.sources.append(source)
        return source

    def sink(self):
        return Sink()

    def write_to(self, writable):
        for chunk in (b"chunk", [1, 2], "text"):
            if writable.outlet.flow.room and not writable.outlet.done:
                writable.outlet.write(chunk)
        self._world.outlets.append(writable.outlet)

    def read_from(self, readable):
        count = len(readable.read())
        self._world.readables.append(readable)
        return count

    def waits(self, *args):
        return len(args)

    def odd(self, which=0):
        methods = list(oddities.ALL.values())
        chosen = oddities.ALL[which] if type(which) is str else methods[which % len(methods)]
        return chosen(lambda: Thing(self._world, "odd"))

    def reenter(self):
        self._world.reenter()
        return Thing(self._world, "reenter")

    @property
    def property(self):
        return Thing(self._world, "property")


class Host(InlineHost):
    """The host of the core's tests, with the rest of what a session may ask."""

    def ran(self, answer, value, variables, error=None):
        if isinstance(value, Promise):
            if value.pending.state == PENDING and not value.pending.disposed:
                value.pending.uses += 1
                answer.suspend(value.pending)
            answer.follow(value.pending)
        else:
            super().ran(answer, value, variables, error)

    def drive(self, answer, work, variables):
        try:
            super().drive(answer, work, variables)
        except AttributeError:
            work.close()
            answer.reject(ValueError("it waits for what this host has not"))

    def turn(self):
        """Send what is to be sent; what arrives is the player's business."""
        for _ in range(ENDLESS):
            while self._forgotten:
                self._forgotten.popleft().drop()
            if self._woken:
                self._woken.popleft().flush()
            else:
                return
        raise RuntimeError(f"the drain goes round over {ENDLESS} times")


class CoreWorld:
    """Sessions of the core, with a hand.

    Args:
        dialect: one of `DIALECTS`.
        ends: how many of them are honest.

    Attributes:
        ends: the sessions.
        sent: by end, what it has sent, as (seen, frames); who plays takes it out.
        trouble: what should not have happened, as (what, exception).
        things: every target that was made.
        promises: those of the calls that the honest side has made.
        longest: the step that took longest, in seconds.
        frames: how many frames have arrived.
        came: these frames.
    """

    roots = (0,)

    def __init__(self, dialect, ends=1) -> None:
        self.dialect = dialect
        self.things, self.promises, self.laters = [], [], []
        self.sources, self.outlets, self.readables = [], [], []
        self.trouble = []
        self.longest, self.frames, self.bytes, self.came = 0.0, 0, 0, []
        codec = DIALECTS[dialect]
        self.host = Host()
        names = ("victim→hand", "other→hand")[:ends]
        self.ends = [self._session(codec, name) for name in names]
        self.sent = [[] for _ in names]
        self._armed = []
        self.mains = []
        for number, session in enumerate(self.ends):
            session.send = self._sender(number)
            entry = session.imports[0] = Import(session, 0)
            self.mains.append(Stub(Handle(entry, session.keeper)))

    def _session(self, codec, name):
        keeper = ExecutionContext(self.host, name.partition("→")[0], long=True)
        keeper.variables = Context()
        keeper.variables.run(current.set, keeper)
        main = TargetHook(Thing(self), keeper)
        return Session(
            name,
            codec=codec,
            host=self.host,
            keeper=keeper,
            main=main,
            limits=LIMITS,
        )

    def _sender(self, number):
        def send(seen, frames):
            self.sent[number].append((seen, list(frames)))

        return send

    # Steps.

    def do(self, step):
        """Do one step; what goes wrong is in `trouble`."""
        what, *rest = step
        if what == "recipe":
            for frames in recipes.ALL[rest[1]]():
                self._attempt(what, lambda frames=frames: self._arrive(rest[0], frames))
        else:
            self._attempt(what, lambda: getattr(self, f"_{what}")(*rest))

    def _attempt(self, what, work):
        began = time.thread_time()
        try:
            work()
        except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as error:
            self.trouble.append((f"{what} raised", error))
        self.longest = max(self.longest, time.thread_time() - began)

    def _receive(self, end, seen, frames):
        self.frames += len(frames)
        self.bytes += sum(map(wire.size_of, frames))
        self.came += frames
        self.ends[end].receive(seen, list(frames))

    def _arrive(self, end, frames):
        self._receive(end, 0, frames)
        self.host.turn()

    def _arm(self, *rest):
        self._armed.append(rest)

    def reenter(self):
        """A method runs: what was kept for this moment arrives."""
        if self._armed:
            self._receive(*self._armed.pop())
            self.host.turn()

    def _turn(self):
        self.host.turn()

    def _act(self, end, what, number):
        if self.ends[end].closed is None:
            getattr(self, f"_act_{what}")(end, number)

    # What the honest side does. Whatever it raises itself is an answer; it is nobody's fault.

    def _act_call(self, end, number):
        name = ("greet", "echo", "same", "fail", "target")[number % 5]
        self.promises.append(self.mains[end].call(name, *_ARGUMENTS[number % 4](self)))

    def _act_read(self, end, _number):
        self.promises.append(self.mains[end].read("property"))

    def _act_pipeline(self, _end, number):
        if self.promises:
            promise = self.promises[number % len(self.promises)]
            if promise.pending.state == PENDING:
                self.promises.append(promise.call("greet", number))

    def _act_cancel(self, _end, number):
        if self.promises:
            self.promises[number % len(self.promises)].cancel()

    def _act_dispose(self, _end, number):
        if self.promises:
            self.promises[number % len(self.promises)].dispose()

    def _act_resolve(self, _end, number):
        waits = [later for later in self.laters if later.answer is not None]
        if waits:
            later = waits[number % len(waits)]
            self.laters.remove(later)
            if later.cancelled:
                return
            if number % 3:
                later.resolve(Thing(self, "later"))
            else:
                later.reject(ValueError("later"))

    def _act_flow(self, _end, number):
        for source in self.sources:
            outlet = source.outlet
            if outlet is not None and not outlet.done and outlet.error is None:
                if number % 5 == 0:
                    outlet.close()
                elif outlet.flow.room:
                    outlet.write([b"chunk", number])
        for readable in self.readables:
            if readable.sent is None:
                readable.read()

    def _act_pass(self, end, number):
        # A promise of ours goes along in another call.
        if self.promises:
            promise = self.promises[number % len(self.promises)]
            self.promises.append(self.mains[end].call("same", [promise]))

    # The end.

    def close(self):
        """Close what is open, twice, and let everything settle."""
        for session in self.ends:
            for _ in range(2):
                began = time.thread_time()
                try:
                    session.close(session.closed or DisconnectedError("the fuzzer closes"))
                except (Exception, SystemExit, KeyboardInterrupt, GeneratorExit) as error:
                    self.trouble.append(("close raised", error))
                self.longest = max(self.longest, time.thread_time() - began)
        self.do(["let_go"])

    def _let_go(self):
        """The honest side lets go of what it holds, its own targets that came home among it."""
        for thing in self.things:
            thing.give_up()
        for promise in self.promises:
            promise.dispose()
            if promise.pending.state == RESOLVED:
                promise.pending.value = None  # streams that nobody has read may stand in it
        self.readables.clear()
        gc.collect()
        self.host.turn()

    def unsettled(self):
        """How many calls of the honest side never came to an end."""
        return sum(promise.pending.state == PENDING for promise in self.promises)

    def outcomes(self):
        """What the calls of the honest side have failed with."""
        for promise in self.promises:
            if promise.pending.state != PENDING:
                try:
                    promise.pending.result()
                except BaseException as error:
                    yield error

    def tables(self):
        """What the closed sessions still keep, in words."""
        names = ("imports", "exports", "_unacknowledged")
        return [name for session in self.ends for name in names if getattr(session, name, None)]

    def reports(self):
        """What the host was told of, and nobody waited for."""
        return [(what, error) for what, error in self.host.reports]

    def bystander(self):
        """Whether another session in the same world answers."""
        other = CoreWorld(self.dialect)
        call = [recipes.plain_call(1)]
        if self.dialect == "capnweb":
            call = [b'["push",["pipeline",0,["greet"],["Ada"]]]', b'["pull",1]']
        other.do(["receive", 0, 0, call])
        other.do(["turn"])
        return bool(other.sent[0]) and not other.trouble


_ARGUMENTS = (
    lambda _world: (),
    lambda world: (Thing(world, "argument"),),
    lambda world: ({"deep": [Thing(world, "argument"), b"x"]}, 1),
    lambda world: (Source(),),
)
