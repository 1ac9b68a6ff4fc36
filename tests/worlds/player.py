"""Plays a program on a real sandbox, with slow links, and compares with the model."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter, defaultdict
from contextlib import suppress
from random import Random

from support.links import Links
from support.virtual_time import NothingLeftToWaitFor, VirtualTimeLoop

import rpclab
from rpclab import RpcStub, RpcTarget
from rpclab.core.contexts import EventContext, current
from rpclab.core.imports import REJECTED
from rpclab.workers.modules import run_source
from worlds.model import Model
from worlds.programs import DRIVER, LONG, Hop

NODE = """
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    async def play(self, number, args):
        return await stage.play(number, args, self.env)

    def through(self, uid, hops, ref, form):
        return stage.through(name, self.env, uid, hops, ref, form)

    def number(self, uid, pause, fails):
        return stage.number(name, uid, pause, fails)
"""


class OnPurposeError(Exception):
    """What a script or call of a program raises on purpose."""


class Cell(RpcTarget):
    """A target of a program."""

    def __init__(self, stage, name) -> None:
        self._stage = stage
        self._name = name
        self._kept = {}

    async def poke(self, uid, nap=0, fails=False):
        self._stage.delivered.append((uid, self._name))
        if nap:
            await asyncio.sleep(nap)
        if nap == LONG:
            self._stage.outlasted.add(uid)
        if fails:
            raise OnPurposeError(uid)
        return uid

    async def relay(self, uid, ref, times, kind):
        stage = self._stage
        stage.delivered.append((uid, self._name))
        # All at once: they must arrive in this order.
        calls = [
            stage.made(("relay", uid), f"{uid}.{turn}", poke_of(ref, kind)) for turn in range(times)
        ]
        for turn, call in enumerate(calls):
            is_right = await stage.see(call) == f"{uid}.{turn}"
            stage.results[f"{uid}.{turn}"] = "ok" if is_right else "wrong"
        return uid

    def tell(self, uid, value):
        self._stage.delivered.append((uid, self._name))
        return value

    def keep(self, uid, ref):
        self._stage.delivered.append((uid, self._name))
        self._kept[uid] = ref.dup()
        return uid

    def fetch(self, uid, kept, form):
        self._stage.delivered.append((uid, self._name))
        return shaped(self._kept.pop(kept), form)

    async def echo(self, uid, ref, form, nap):
        self._stage.delivered.append((uid, self._name))
        if nap:
            await asyncio.sleep(nap)
        return shaped(ref, form)

    def child(self, uid, name, form):
        self._stage.delivered.append((uid, self._name))
        return shaped(self._stage.own("make", name, message=True), form)

    @property
    def label(self):
        return self._name

    @property
    def twin(self):
        self._stage.twins[self._name] += 1
        return self

    def dispose(self):
        self._stage.disposed[self._name] += 1


async def pause(how):
    """Wait: an int is turns of the loop, a float seconds."""
    if isinstance(how, float):
        await asyncio.sleep(how)
    else:
        for _ in range(how):
            await asyncio.sleep(0)


def hops_of(hops):
    """Hops as they can be sent: a named tuple cannot."""
    return [tuple(hop) for hop in hops]


def shaped(ref, form):
    return {"ref": ref} if form == "dict" else ref


def poke_of(ref, kind):
    return ref if kind == "function" else ref.poke


class Stage:
    """One run of a program.

    Attributes:
        calls: by whoever makes calls on one thing, those calls in the order made.
        delivered: (call, target) in the order in which methods started.
        results: by call, what it gave; the text of the error if it failed.
        sent: how many messages each target was in.
        twins: how often each was read as a property; it is in a message each time.
        disposed: how often the disposer of each ran.
        given_up: the calls that were cancelled.
        outlasted: the calls with a long nap that went on to their end.
        mortal: the targets whose context may end first; then no disposer runs.
        told: the failures that were told of as of calls that nobody has awaited, although
            somebody has.
    """

    def __init__(self, program, python_has_collected) -> None:
        self.program = program
        self.python_has_collected = python_has_collected
        self.calls = defaultdict(list)
        self.delivered = []
        self.results = {}
        self.sent = Counter()
        self.twins = Counter()
        self.disposed = Counter()
        self.mortal = set()
        self.given_up = set()
        self.outlasted = set()
        self.told = []

    async def see(self, promise):
        """Await a promise; a failure is seen then."""
        try:
            return await promise
        except Exception:
            if promise.__pending__.state == REJECTED:
                mark_seen(promise.__pending__.value)
            raise

    def tell(self, error, *_call):
        """Take a failure that nobody has seen. Scripts that do not wait leave such behind."""
        if is_seen(error):
            self.told.append(str(error))

    async def attempt(self, promise):
        """Await a promise, whatever comes of it."""
        with suppress(Exception):
            await self.see(promise)

    def made(self, family, uid, method, *args):
        """Make a call, and note that."""
        self.calls[family].append(uid)
        return method(uid, *args)

    def own(self, kind, name, *, message=False):
        """Make a target."""
        if message:
            self.sent[name] += 1
        if isinstance(current.get(), EventContext):
            self.mortal.add(name)
        if kind == "make":
            return Cell(self, name)

        async def function(uid, nap=0, fails=False):
            return await Cell.poke(function.cell, uid, nap, fails)

        function.cell = Cell(self, name)
        function.name = name
        function.dispose = function.cell.dispose
        return function

    async def play(self, number, args, env):
        """Play a script, in the Worker whose environment that is."""
        self.delivered.append((f"script {number}", "a Worker"))
        return await Play(self, self.program.scripts[number], env).run(args)

    def through(self, here, env, uid, hops, ref, form):
        """Pass a stub on, or give it back, in that Worker."""
        self.delivered.append((uid, here))
        hop, rest = Hop(*hops[0]), hops[1:]

        def onward():
            return self.send(here, env, f"{uid}.", rest, ref, form) if rest else shaped(ref, form)

        async def later():
            await pause(hop.pause)
            # A promise that is returned is not awaited here: calls on it need not wait for it.
            return await self.see(onward()) if hop.awaits and rest else onward()

        return later() if hop.pause or hop.awaits else onward()

    def send(self, here, env, uid, hops, ref, form="alone"):
        """Send a stub from one Worker through others."""
        first = Hop(*hops[0])
        if first.via is not None:
            ref = self.send(here, env, f"{uid} via", hops_of(first.detour()), ref)
        family = here, first.worker
        return self.made(family, uid, env[first.worker].through, hops_of(hops), ref, form)

    async def number(self, here, uid, how, fails):
        """Give a value or fail, after a pause."""
        self.delivered.append((uid, here))
        await pause(how)
        if fails:
            raise OnPurposeError(uid)
        return uid


class Play:
    """One script being played."""

    def __init__(self, stage, script, env) -> None:
        self.stage = stage
        self.script = script
        self.env = env
        self.slots = {}
        self.families = {}
        self.forms = {}
        self.calls = {}
        self.promises = []

    async def run(self, args):
        self.fill(range(len(args)), args)
        for step in self.script.steps:
            await self.step(*step)
            # What is held must outlast any collection of Python's.
            self.stage.python_has_collected()
        if not self.script.waits:
            return None
        for uid, call in self.calls.items():
            try:
                self.stage.results[uid] = await self.stage.see(call)
            except Exception as error:
                self.stage.results[uid] = str(error)
        for promise in self.promises:
            if promise is not self.given_away():
                await self.stage.attempt(promise)
        return await self.result()

    def given_away(self):
        """The promise that is returned, where it need not have settled."""
        if not self.stage.program.gives_away or self.script.returns is None:
            return None
        return self.slots[self.script.returns[0]]

    async def result(self):
        returned, form = self.script.returns or (None, None)
        if returned is not None and not self.script.calm and self.forms[returned] == "dict":
            # A property of a promise can be returned as well, but then the promise is not disposed.
            await self.settle(returned)
        for slot, value in self.slots.items():
            if slot != returned and isinstance(value, (RpcStub, rpclab.RpcPromise)):
                value.dispose()
        if self.script.raises:
            raise OnPurposeError(f"script {self.script.number} failed")
        if returned is None:
            return None
        names = self.count([returned])
        if not self.script.calm:
            # If it is cancelled in the moment it returns, the result is never sent.
            self.stage.mortal.update(names)
        return shaped(self.ref(returned), form)

    def fill(self, slots, values):
        for slot, value in zip(slots, values, strict=True):
            self.slots[slot] = value
            self.families[slot] = (self.script.number, slot)
            self.forms[slot] = "alone"

    def ref(self, slot):
        value = self.slots[slot]
        return value["ref"] if self.forms[slot] == "dict" else value

    def count(self, slots):
        """A message with these leaves: each own target in it makes a stub. Gives their names.

        One that is refused makes them, too, and they are disposed at once (rule V22).
        """
        values = {id(self.slots[slot]): self.slots[slot] for slot in slots}.values()
        own = [value for value in values if not isinstance(value, (RpcStub, rpclab.RpcPromise))]
        names = [value._name if isinstance(value, Cell) else value.name for value in own]
        self.stage.sent.update(names)
        return names

    def call(self, slot, uid, name, *args):
        ref = self.ref(slot)
        method = ref if name == "function" else getattr(ref, name)
        return self.stage.made(self.families[slot], uid, method, *args)

    def opened(self, new, promise, form="alone"):
        self.fill([new], [promise])
        self.forms[new] = form
        self.promises.append(promise)

    async def step(self, what, *details):
        await getattr(self, what.replace(" ", "_"))(*details)

    async def make(self, slot, name):
        self.fill([slot], [self.stage.own("make", name)])

    async def function(self, slot, name):
        self.fill([slot], [self.stage.own("function", name)])

    async def local(self, new, slot):
        self.count([slot])
        self.fill([new], [RpcStub(self.slots[slot])])

    async def poke(self, slot, uid, nap, fails, kind):
        self.calls[uid] = self.call(slot, uid, named(kind), nap, fails)

    async def give_up(self, slot, uid, nap, after, kind):
        task = asyncio.ensure_future(self.stage.attempt(self.call(slot, uid, named(kind), nap)))
        await asyncio.sleep(after)
        task.cancel()
        self.stage.given_up.add(uid)

    async def tell(self, slot, uid, told):
        self.calls[uid] = self.call(slot, uid, "tell", self.calls[told])

    async def spoil(self, slot, uid, arg):
        call = self.ref(slot).keep(uid, self.ref(arg), object())
        self.count([arg])
        try:
            await self.stage.see(call)
        except rpclab.DataCloneError:
            self.stage.results[uid] = "refused"

    async def relay(self, slot, uid, arg, times, kind):
        self.calls[uid] = self.call(slot, uid, "relay", self.ref(arg), times, kind)
        self.count([arg])

    async def keep(self, slot, uid, arg):
        self.calls[uid] = self.call(slot, uid, "keep", self.ref(arg))
        self.count([arg])

    async def fetch(self, new, slot, uid, kept, form):
        self.opened(new, self.call(slot, uid, "fetch", kept, form), form)

    async def echo(self, new, slot, uid, arg, form, nap):
        self.opened(new, self.call(slot, uid, "echo", self.ref(arg), form, nap), form)
        self.count([arg])

    async def child(self, new, slot, uid, name, form):
        self.opened(new, self.call(slot, uid, "child", name, form), form)

    async def play(self, new, worker, number, args):
        returns = self.stage.program.scripts[number].returns
        self.opened(new, self.start(worker, number, args), returns[1] if returns else "alone")

    async def leave(self, worker, number, args, after):
        promise = self.start(worker, number, args)
        task = asyncio.ensure_future(self.stage.attempt(promise))
        await asyncio.sleep(after)
        task.cancel()
        promise.dispose()

    def start(self, worker, number, args):
        family = (self.script.worker, worker)
        self.stage.calls[family].append(f"script {number}")
        promise = self.env[worker].play(number, [self.ref(arg) for arg in args])
        self.count(args)
        return promise

    async def through(self, new, uid, source, hops, form):
        arg = self.source(uid, *source)
        here = self.script.worker
        self.opened(new, self.stage.send(here, self.env, uid, hops, arg, form), form)
        if source[0] == "slot":
            self.count([source[1]])
        elif source[0] == "child":
            # The Workers have a stub of their own; this one could keep its own context alive.
            arg.dispose()

    def source(self, uid, what, slot, name):
        if what == "child":
            return self.call(slot, f"{uid} child", "child", name, "alone")
        return self.ref(slot).twin if what == "twin" else self.ref(slot)

    async def ask(self, slot, uid, worker, how, fails, after):
        family, number = (self.script.worker, worker), self.env[worker].number
        asked = self.stage.made(family, f"{uid} asks", number, how, fails)
        call = self.call(slot, uid, "tell", asked)
        if after is None:
            self.calls[uid] = call
            return
        task = asyncio.ensure_future(self.stage.attempt(call))
        await pause(after)
        task.cancel()
        self.stage.given_up.add(uid)

    async def label(self, slot, uid, of):
        self.calls[uid] = self.call(slot, uid, "tell", self.ref(of).label)

    async def turns(self, count):
        await pause(count)

    async def settle(self, slot):
        try:
            value = await self.stage.see(self.slots[slot])
        except Exception:
            return
        self.slots[slot] = value["ref"] if self.forms[slot] == "dict" else value
        self.forms[slot] = "alone"

    async def dup(self, new, slot):
        self.fill([new], [self.slots[slot].dup()])
        self.families[new] = self.families[slot]

    async def drop(self, slot):
        self.slots.pop(slot).dispose()

    async def nap(self, seconds):
        await asyncio.sleep(seconds)


def run(program, **options):
    """Run a program in a world of its own; gives what went wrong, in sentences.

    Args:
        program: what to run.
        options: of the sandbox.
    """
    complaints = []
    handler, log = _Listener(complaints), logging.getLogger("rpclab")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.WARNING)
    try:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            loop = runner.get_loop()
            loop.set_exception_handler(lambda _, context: complaints.append(str(context)))
            runner.run(_run(program, complaints, options))
    except (Exception, NothingLeftToWaitFor) as error:
        complaints.append(f"the driver was left by {error!r}")
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
    return complaints


class _Listener(logging.Handler):
    def __init__(self, complaints) -> None:
        super().__init__()
        self._complaints = complaints

    def emit(self, record):
        self._complaints.append(record.getMessage())


async def _run(program, complaints, options):
    sandbox = rpclab.Sandbox(debug=False, **options)
    latency = Random(program.seed)  # noqa: S311 - no secrets here
    sandbox.engine.connect = Links(lambda: latency.random() * program.slow).connect
    stage = Stage(program, sandbox.engine.python_has_collected)
    sandbox.engine.unseen = stage.tell
    bind = {name: name for name in program.workers}
    for name in program.workers:
        module, env = sandbox.prepare(name, bind=bind)
        module.stage, module.name = stage, name
        run_source(module, NODE, f"<worker {name}>")
        sandbox.publish(name, module, env, bind)
    sandbox.bind(**bind)
    everybody = [DRIVER, *program.workers]
    before = {name: sandbox.tables(name) for name in everybody}
    try:
        await asyncio.wait_for(_drive(sandbox, stage), timeout=1000)
        for _ in range(3):  # what one round of garbage lets go of may hold more
            gc.collect()
            await asyncio.sleep(2 * LONG)
        complaints += judge(stage, Model(program))
        for name in everybody:
            if sandbox.tables(name) != before[name]:
                complaints.append(f"left in the tables of {name}: {left(sandbox, name, before)}")
    finally:
        sandbox.close()


async def _drive(sandbox, stage):
    script = stage.program.scripts[0]
    if stage.program.in_event:
        async with sandbox.event() as env:
            await Play(stage, script, env).run([])
    else:
        await Play(stage, script, sandbox.env).run([])


def left(sandbox, name, before):
    now = sandbox.tables(name)
    imports = sorted(now.imports - before[name].imports)
    return {"imports": imports, "exports": sorted(now.exports - before[name].exports)}


def judge(stage, model):
    """Compare what happened with what must."""
    for uid in stage.outlasted & stage.given_up:
        yield f"{uid} went on after it was cancelled"
    reached = dict(stage.delivered)
    counts = Counter(uid for uid, _ in stage.delivered)
    yield from (f"{uid} was delivered {n} times" for uid, n in counts.items() if n > 1)
    order = {uid: position for position, (uid, _) in enumerate(stage.delivered)}
    for family, calls in stage.calls.items():
        positions = [order[uid] for uid in calls if uid in order]
        if positions != sorted(positions):
            yield f"out of order: {calls} of {family}"
    for uid, target in model.reached.items():
        if reached.get(uid) != target:
            yield f"{uid} reached {reached.get(uid)}, not {target}"
    for uid, result in model.results.items():
        if stage.results.get(uid) not in (result if isinstance(result, frozenset) else {result}):
            yield f"{uid} gave {stage.results.get(uid)}, not {result}"
    for name, count in model.stubs.items():
        if stage.sent[name] != count:
            yield f"{name} was sent in {stage.sent[name]} messages, not {count}"
    yield from (f"seen, and told of: {text}" for text in stage.told)
    stubs = stage.sent + stage.twins
    for name in stubs | stage.disposed:
        spared = stubs[name] - stage.disposed[name]
        if spared < 0 or (spared > 0 and name not in stage.mortal):
            yield f"{stubs[name]} stubs of {name}, disposed {stage.disposed[name]} times"


def named(kind):
    return "function" if kind == "function" else "poke"


def mark_seen(error):
    """Mark a failure, but not the copies that are made of it, which go on to others."""
    error._seen = id(error)


def is_seen(error):
    return getattr(error, "_seen", None) == id(error)
