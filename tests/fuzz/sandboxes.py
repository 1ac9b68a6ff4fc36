"""The engine under attack: a sandbox whose Worker talks to a hand instead of a Worker.

The Worker runs on an event loop with virtual time. Its session to the hand is joined to nothing:
what it sends is heard by the hand, and what the hand writes is put into `Session.receive` from
within the run queue, as a transport does. A notebook calls the Worker meanwhile, and lets it call
the hand.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from contextlib import ExitStack

from support.virtual_time import VirtualTimeLoop

import rpclab
from fuzz import oddities, recipes, wire
from fuzz.worlds import DIALECTS, LIMITS
from rpclab.core.imports import Handle, Import
from rpclab.core.session import Session
from rpclab.errors import DisconnectedError
from rpclab.rpc.bindings import ServiceBinding
from rpclab.workers.worker import EntrypointHook

TURNS = 4  # of the loop, after each step
STEERING = (Exception, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)

_SOURCE = """
import asyncio
from workers import ReadableStream, Response, RpcTarget, WorkerEntrypoint, WritableStream

class Methods:
    def greet(self, name="nobody", **_rest):
        return f"Hello, {type(name).__name__}"
    def echo(self, *args, **kwargs):
        return [list(args), kwargs]
    def same(self, value):
        return value
    async def later(self, *_args):
        return await world.later()
    def target(self):
        return Thing("target")
    async def nested(self):
        await asyncio.sleep(0)
        return {"a": Thing("nested"), "list": [Thing("nested"), 1]}
    def fail(self):
        raise ValueError("as asked")
    async def call(self, stub, name="greet", *args):
        if name == "same":
            return getattr(stub, name)(*args)
        return await getattr(stub, name)(*args)
    def hold(self, stub):
        world.held.append(stub.dup())
    def give_up(self):
        world.give_up()
    def items(self, count=3):
        return [Thing("items") for _ in range(count if 0 <= count < 50 else 0)]
    def source(self):
        async def chunks():
            for number in range(5):
                yield b"chunk" * number
                await asyncio.sleep(0)
        return chunks()
    def sink(self):
        got = []
        return WritableStream(got.append)
    async def write_to(self, writable):
        async with writable:
            for chunk in (b"chunk", "text", b"more"):
                await writable.write(chunk)
    async def read_from(self, readable):
        return [type(chunk).__name__ async for chunk in readable]
    async def fetch(self, request):
        return Response(await request.text())
    async def ask_fetch(self):
        response = await HAND.fetch("/there", method="POST", body="text")
        return await response.text()
    async def waits(self, *args):
        await asyncio.sleep(0.1)
        return len(args)
    async def ask(self, name, *args):
        return await getattr(HAND, name)(*args)
    async def ask_twice(self, name):
        first = getattr(HAND, name)(Thing("argument"))
        return await asyncio.gather(first, first.greet(), HAND.same(first), return_exceptions=True)
    async def ask_and_leave(self, name):
        asyncio.get_running_loop()
        promise = getattr(HAND, name)()
        if name == "same":
            promise.dispose()
    async def map_there(self):
        return await HAND.items().map(lambda item: item.greet(HAND.target()))
    def odd(self, which=0):
        names = list(ODDITIES)
        return ODDITIES[which if type(which) is str else names[which % len(names)]](
            lambda: Thing("odd")
        )
    def reenter(self):
        world.reenter()
        return Thing("reenter")
    @property
    def property(self):
        return Thing("property")

class Thing(RpcTarget):
    def __init__(self, maker):
        self._maker, self._disposals = maker, 0
        world.things.append(self)
    def dispose(self):
        self._disposals += 1

class Default(WorkerEntrypoint):
    pass

# Only what a class of targets has itself is seen by a peer.
for name, member in vars(Methods).items():
    if not name.startswith("__"):
        setattr(Thing, name, member)
        setattr(Default, name, member)
"""
_CODE = compile(_SOURCE, "<worker victim>", "exec")


class EngineWorld:
    """A sandbox with a session to a hand; its attributes are those of `worlds.CoreWorld`.

    Args:
        dialect: one of `DIALECTS`.
        recorded: watch all that happens, and trace it.
    """

    def __init__(self, dialect, *, recorded=False) -> None:
        self.dialect = dialect
        self._recorded = recorded
        self._stack = ExitStack()
        self.things, self.held, self._tasks, self._armed = [], [], [], []
        self.trouble, self._errors = [], []
        self.sent = [[]]
        self.longest, self.frames, self.bytes, self.came = 0.0, 0, 0, []
        self._heard = _Heard(self.trouble)
        self._loop = VirtualTimeLoop()
        self._loop.set_exception_handler(self._complain)
        self._futures, self._cancelled = [], set()
        self.ends = []
        self._run(self._begin())

    def _run(self, work):
        return self._loop.run_until_complete(work)

    async def _begin(self):
        self.sandbox = rpclab.Sandbox(limits=LIMITS, record=self._recorded)
        if self._recorded:
            self._stack.enter_context(self.sandbox.trace())
        worker, env = self.sandbox.prepare("victim")
        worker.world, worker.ODDITIES = self, {**oddities.ALL, **oddities.IN_A_SANDBOX}
        exec(_CODE, worker.__dict__)  # noqa: S102 - test code
        self.sandbox.publish("victim", worker, env)
        self.env = self.sandbox.bind(VICTIM="victim")
        engine = self.sandbox.engine
        session = Session(
            "victim→hand",
            codec=DIALECTS[self.dialect],
            host=engine,
            keeper=engine.keeper("victim"),
            limits=LIMITS,
        )
        engine._sessions["victim", "hand"] = session
        session.send = lambda seen, frames: self.sent[0].append((seen, list(frames)))
        main = EntrypointHook(lambda: self.sandbox.worker("victim"), "Default", {})
        session.exports[0] = main
        main.retain()
        entry = session.imports[0] = Import(session, 0)
        worker.HAND = ServiceBinding(Handle(entry, session.keeper))
        self.ends = [session]
        self.roots = (0,)
        await self.env.VICTIM.greet()

    def _complain(self, _loop, context):
        error = context.get("exception")
        self.trouble.append((f"logged: {context['message'][:60]}", error))

    # What the Worker asks.

    async def later(self):
        """Wait until an act says how it goes on."""
        future = asyncio.get_running_loop().create_future()
        self._futures.append(future)
        await future

    def reenter(self):
        """A method runs: what was kept for this moment arrives."""
        if self._armed:
            _, seen, frames = self._armed.pop()
            self._arrive(seen, frames)

    def give_up(self):
        """Let go of the stubs that were held."""
        held, self.held = self.held, []
        for stub in held:
            stub.dispose()

    # Steps.

    def do(self, step):
        """Do one step; what goes wrong is in `trouble`."""
        what, *rest = step
        if what == "recipe":
            for frames in recipes.ALL[rest[1]]():
                self._timed("receive", rest[0], 0, frames)
        else:
            self._timed(*step)

    def _timed(self, what, *rest):
        began = time.thread_time()
        try:
            self._run(getattr(self, f"_{what}")(*rest))
        except STEERING as error:
            self.trouble.append((f"{what} raised", error))
        self.longest = max(self.longest, time.thread_time() - began)

    async def _receive(self, _end, seen, frames):
        self.sandbox.engine.again(lambda: self._arrive(seen, frames))
        await self._turn()

    def _arrive(self, seen, frames):
        self.frames += len(frames)
        self.bytes += sum(map(wire.size_of, frames))
        self.came += frames
        self.ends[0].receive(seen, list(frames))

    async def _arm(self, *rest):
        self._armed.append(rest)

    async def _turn(self):
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def _act(self, _end, what, number):
        act = getattr(self, f"_act_{what}", None)
        if act is not None and self.ends[0].closed is None:
            act(number)
        await self._turn()

    def _start(self, awaitable):
        self._tasks.append(asyncio.ensure_future(self._attempt(awaitable)))

    async def _attempt(self, awaitable):
        try:
            await awaitable
        except BaseException as error:
            # A task that we have cancelled ourselves is nobody's fault.
            if asyncio.current_task() not in self._cancelled:
                self._errors.append(error)

    def _act_call(self, number):
        victim = self.env.VICTIM
        self._start((
            lambda: victim.ask("greet", number),
            lambda: victim.ask("target"),
            lambda: victim.ask("echo", lambda x: x, [number]),
            lambda: victim.ask_twice("same"),
            lambda: victim.ask_and_leave("same"),
            lambda: victim.ask_and_leave("greet"),
            victim.map_there,
            lambda: victim.ask("source"),
            lambda: self._task(victim),
            victim.ask_fetch,
        )[number % 10]())  # fmt: skip

    async def _task(self, victim):
        # A task of its own awaits the stub itself, with nothing of ours in between.
        stub = await victim.ask("target")
        await asyncio.ensure_future(_awaited(stub.greet()))

    def _act_pipeline(self, number):
        self._start(self.env.VICTIM.ask("target").greet(number))

    def _act_cancel(self, number):
        if self._tasks:
            task = self._tasks[number % len(self._tasks)]
            self._cancelled.add(task)
            task.cancel()

    def _act_resolve(self, number):
        waits = [future for future in self._futures if not future.done()]
        if waits:
            future = waits[number % len(waits)]
            if number % 3:
                future.set_result(number)
            else:
                future.set_exception(ValueError("later"))

    def _act_flow(self, _number):
        self._start(asyncio.sleep(0.2))

    # The end.

    def close(self):
        """Close the session, then the sandbox, and let everything settle."""
        self.do(["part"])
        self.do(["shut"])
        self._run(self._loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        self._loop.close()
        self._heard.close()

    async def _part(self):
        session = self.ends[0]

        def close():
            for _ in range(2):
                session.close(session.closed or DisconnectedError("the fuzzer closes"))

        self.sandbox.engine.again(close)
        for future in self._futures:
            if not future.done():
                future.set_result(None)
        await asyncio.sleep(30)
        self.give_up()
        self._tables = [
            name
            for name in ("imports", "exports", "_unacknowledged")
            if getattr(session, name, None)
        ]
        self._answers = await self.env.VICTIM.greet("Ada") == "Hello, str"
        self._pending = sum(not task.done() for task in self._tasks)
        self._errors = list(self._errors)
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        gc.collect()
        await asyncio.sleep(1)

    async def _shut(self):
        self._stack.close()
        self.sandbox.close()
        gc.collect()
        await asyncio.sleep(1)

    _tables, _answers, _pending = (), True, 0

    def unsettled(self):
        """How many calls of the honest side never came to an end."""
        return self._pending

    def outcomes(self):
        """What the calls of the honest side have failed with."""
        return self._errors

    def tables(self):
        """What the closed session still keeps, in words."""
        return self._tables

    def reports(self):
        """What was logged, and nobody waited for."""
        return self._heard.records

    def bystander(self):
        """Whether another session in the same world was answered."""
        return self._answers


async def _awaited(awaitable):
    return await awaitable


class _Heard(logging.Handler):
    """What is logged while a world lives."""

    names = ("rpclab", "asyncio")

    def __init__(self, trouble) -> None:
        super().__init__(logging.WARNING)
        self._trouble = trouble
        self.records = []
        for name in self.names:
            logger = logging.getLogger(name)
            logger.addHandler(self)
            logger.propagate = False

    def emit(self, record):
        error = record.exc_info[1] if record.exc_info else None
        what = record.getMessage().partition(" failed")[0][:60]
        self.records.append((what, error or RuntimeError(record.getMessage())))

    def close(self):
        for name in self.names:
            logger = logging.getLogger(name)
            logger.removeHandler(self)
            logger.propagate = True
        super().close()
