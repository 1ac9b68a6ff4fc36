"""Random programs: scripts that Workers play, calling one another with stubs of their targets.

A script is a list of steps on numbered slots; a slot holds a target of the Worker itself, a stub,
or a promise of one. `Program.text()` shows what a seed makes.

    ("make", slot, name)                     a new target                ("function", …) a function
    ("local", slot, of)                      a local stub of an own target
    ("poke", slot, uid, nap, fails, kind)    call it; not awaited before the end
    ("give up", slot, uid, nap, after, kind) call it, and cancel the await after a while
    ("tell", slot, uid, poked)               give it the promise of what a poke gives
    ("spoil", slot, uid, arg)                call it with something that cannot be sent, too
    ("relay", slot, uid, arg, times, kind)   let it poke what it is given, as often
    ("keep", slot, uid, arg)                 let it keep what it is given …
    ("fetch", new, slot, uid, kept, form)    … and give it back
    ("echo", new, slot, uid, arg, form, nap) let it return what it is given
    ("child", new, slot, uid, name, form)    let it return a new target
    ("play", new, worker, script, args)      let a Worker play a script; what it returns
    ("leave", worker, script, args, after)   … and cancel that after a while
    ("settle", slot), ("dup", new, slot), ("drop", slot), ("nap", seconds)

A program that gives promises away has these as well. A pause is a number of turns of the loop if it
is an int, and of seconds if it is a float.

    ("through", new, uid, source, hops, form) send a stub through Workers and back; see `Hop`
    ("ask", slot, uid, worker, pause, fails, after)
                                              give it the promise of what a Worker gives after a
                                              pause; cancel the await after another, unless None
    ("label", slot, uid, of)                  give it a property of something
    ("turns", n)                              let the loop go round
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

DRIVER = "notebook"
DEEPEST = 3  # scripts within scripts
LONG = 50  # a nap that outlasts every cancellation


@dataclass
class Ref:
    """What the writer knows of a slot.

    Attributes:
        target: the name of the target that it leads to.
        kind: "cell" or "function".
        state: "own", "stub" or "promise".
        form: "dict" where the promise is of {"ref": stub}.
        needs: the receivers that must get on before the promise can settle.
        broken: whether the promise will be rejected.
    """

    target: str
    kind: str
    state: str
    form: str = "alone"
    needs: set = field(default_factory=set)
    broken: bool = False


class Hop(NamedTuple):
    """One Worker that a stub goes through.

    Attributes:
        worker: its name.
        pause: before it passes the stub on; the last one, before it gives the stub back.
        awaits: whether it awaits what comes back, or returns the promise.
        via: the Worker that it sends the stub to first, to pass on the promise of what that gives;
            None to pass on the stub.
    """

    worker: str
    pause: float
    awaits: bool
    via: str | None = None

    def detour(self):
        """The hops of the stub, before this one takes the promise of it."""
        return [Hop(self.via, 0, awaits=False)]


@dataclass
class Script:
    """What one Worker plays, once.

    Attributes:
        returns: (slot, form), or None.
        raises: whether it fails at the end.
        calm: whether nothing can cut it off.
        waits: whether it awaits its calls and disposes its stubs, or leaves that to its context.
    """

    number: int
    worker: str
    calm: bool
    steps: list = field(default_factory=list)
    returns: tuple | None = None
    raises: bool = False
    waits: bool = True


@dataclass
class Program:
    """A random program.

    Attributes:
        scripts: by number; the driver plays number 0.
        in_event: whether the driver plays it in a short execution context.
        slow: the longest that a batch takes from one Worker to another.
        gives_away: whether promises are returned before they have settled.
    """

    seed: int
    workers: list
    scripts: list
    in_event: bool
    slow: float
    gives_away: bool

    def text(self):
        """The program, to be read."""
        lines = [f"seed {self.seed}: {self.workers}, slow={self.slow}, in_event={self.in_event}"]
        for script in self.scripts:
            lines.append(f"script {script.number} of {script.worker}, waits={script.waits}:")
            lines += [f"    {step}" for step in script.steps]
            lines.append(f"    returns {script.returns}, raises={script.raises}")
        return "\n".join(lines)


def write(seed, *, gives_away=False):
    """Write the program of a seed.

    Args:
        seed: of the random choices.
        gives_away: whether promises are given away: sent through other Workers and back, with calls
            on them that wait for arguments. Without, a seed gives the program it always gave.
    """
    return Writer(seed, gives_away=gives_away).program()


class Writer:
    """Writes one program."""

    def __init__(self, seed, *, gives_away=False) -> None:
        self.seed = seed
        self.gives_away = gives_away
        self.random = Random(seed)  # noqa: S311 - no secrets here
        self.scripts = []
        self.count = 0
        # A call whose argument is still promised holds back the calls behind it, of everybody. So
        # that no program waits for itself, this says which receiver waits for which others.
        self.waits_for = {}

    def program(self):
        workers = [f"w{n}" for n in range(self.random.randint(1, 4))]
        self.workers = workers
        self.script(DRIVER, [], depth=0, calm=True)
        slow = self.random.choice([0.0, 0.001, 0.02, 0.1])
        in_event = self.random.random() < 0.4
        return Program(self.seed, workers, self.scripts, in_event, slow, self.gives_away)

    def number(self, letter):
        self.count += 1
        return f"{letter}{self.count}"

    def script(self, worker, params, *, depth, calm):
        """Write a script; gives it, what its result is, and the receivers that it needs."""
        script = Script(len(self.scripts), worker, calm)
        self.scripts.append(script)
        return _Page(self, script, params, depth, calm).write()

    def may_wait(self, receiver, needs):
        """Whether calls of `receiver` can be held back until all those get on; if so, note it."""
        seen, todo = set(), list(needs)
        while todo:
            other = todo.pop()
            if other == receiver:
                return False
            if other not in seen:
                seen.add(other)
                todo += self.waits_for.get(other, ())
        self.waits_for.setdefault(receiver, set()).update(needs)
        return True


class _Page:
    """One script being written."""

    def __init__(self, writer, script, params, depth, calm) -> None:
        self.writer = writer
        self.random = writer.random
        self.script = script
        self.steps = script.steps
        self.depth = depth
        self.calm = calm
        self.refs = {}
        self.poked = {}
        self.next_slot = 0
        self.needs = set()
        for param in params:
            self.add(Ref(param.target, param.kind, "stub"))

    def write(self):
        random = self.random
        self.script.waits = self.calm or random.random() < 0.7
        chances = {
            self.poke: 8, self.echo: 4, self.make: 3, self.relay: 3, self.settle: 3, self.child: 2,
            self.cross: 2, self.dup: 2, self.tell: 2, self.drop: 1, self.give_up: 1, self.nap: 1,
            self.spoil: 1,
        }  # fmt: skip
        if self.depth < DEEPEST:
            chances |= {self.play: 5, self.leave: 1}
        if self.calm:
            chances |= {self.keep: 2, self.local: 1}
        if self.writer.gives_away:
            chances |= {self.through: 5, self.ask: 4, self.rush: 4, self.label: 5, self.turns: 2}
        self.make()
        for _ in range(random.randint(3, 14 - 3 * self.depth)):
            [write_step] = random.choices(list(chances), list(chances.values()))
            write_step()
        result = self.finish()
        return self.script, result, self.needs

    def finish(self):
        """Choose what the script returns."""
        script, random = self.script, self.random
        if not script.waits or self.depth == 0:
            return None
        if random.random() < 0.1:
            script.raises = True
            return Ref("", "cell", "promise", broken=True)
        slots = [slot for slot, ref in self.refs.items() if not ref.broken]
        slot = random.choice(slots)
        form = random.choice(["alone", "dict"])
        script.returns = (slot, form)
        ref = self.refs[slot]
        self.needs |= ref.needs
        return Ref(ref.target, ref.kind, "promise", form)

    # Slots.

    def add(self, ref):
        slot = self.next_slot
        self.next_slot += 1
        self.refs[slot] = ref
        return slot

    def pick(self, *states, kind=None):
        """Choose a slot in one of these states."""
        slots = [
            slot
            for slot, ref in self.refs.items()
            if ref.state in states and kind in {None, ref.kind}
        ]
        return self.random.choice(slots) if slots else None

    def receiver(self, kind=None):
        return self.pick("stub", "promise", kind=kind)

    def argument(self, receiver, *, broken=False):
        """Choose an argument that `receiver` may wait for."""
        # Whether a target is sent to what is broken would depend on when that is known.
        states = ("stub",) if broken else ("own", "stub")
        slot = self.pick(*states, "promise")
        if slot is not None and self.refs[slot].state == "promise":
            ref = self.refs[slot]
            if not self.writer.may_wait(receiver, ref.needs | {ref.target}):
                return self.pick(*states)
        return slot

    def uid(self):
        return self.writer.number("u")

    def chance(self, share):
        return self.random.random() < share

    def some_nap(self):
        return self.random.choice([0, 0, 0.01, 0.05])

    def form(self):
        return self.random.choice(["alone", "alone", "dict"])

    def touch(self, slot):
        """A call on that slot: the script cannot end before it, if it waits."""
        ref = self.refs[slot]
        self.needs |= {ref.target} | ref.needs

    # Steps.

    def make(self):
        kind = self.random.choice(["cell", "cell", "function"])
        name = self.writer.number("t")
        what = "make" if kind == "cell" else kind
        self.steps.append((what, self.add(Ref(name, kind, "own")), name))

    def local(self):
        slot = self.pick("own")
        ref = self.refs[slot]
        self.steps.append(("local", self.add(Ref(ref.target, ref.kind, "stub")), slot))

    def poke(self, slot=None):
        slot = self.receiver() if slot is None else slot
        if slot is not None:
            self.touch(slot)
            fails = self.chance(0.1)
            kind = self.refs[slot].kind
            uid = self.uid()
            self.steps.append(("poke", slot, uid, self.some_nap(), fails, kind))
            ref = self.refs[slot]
            self.poked[uid] = ref.needs | {ref.target}

    def tell(self):
        slot = self.receiver("cell")
        if slot is None:
            return
        self.touch(slot)
        if self.poked and self.chance(0.5):
            told = self.random.choice(list(self.poked))
            if not self.writer.may_wait(self.refs[slot].target, self.poked[told]):
                return
        else:
            # Its own poke, made before: that cannot wait for what comes after it.
            told = self.uid()
            self.steps.append(("poke", slot, told, self.some_nap(), False, "cell"))
            self.steps.append(("nap", self.random.random() / 10))
        self.steps.append(("tell", slot, self.uid(), told))

    def cross(self):
        """Calls that are on their way while the result they are made on is on its way back."""
        slot = self.homecoming() if self.calm else None
        if slot is None:
            slot = self.pick("promise")
        if slot is None or self.refs[slot].broken:
            return
        kind = self.refs[slot].kind
        self.touch(slot)
        for _ in range(2):
            self.steps.append(("nap", self.random.random() / 10))
            self.steps.append(("poke", slot, self.uid(), self.some_nap(), False, kind))
        self.settle(slot)
        self.steps.append(("poke", slot, self.uid(), 0, False, kind))

    def give_up(self):
        slot = self.receiver()
        if slot is not None:
            self.touch(slot)
            after = self.random.choice([0, 0.005, 0.03, 0.2])
            kind, nap = self.refs[slot].kind, self.random.choice([0, 0.05, LONG])
            self.steps.append(("give up", slot, self.uid(), nap, after, kind))

    def spoil(self):
        slot = self.receiver("cell")
        if slot is not None and not self.refs[slot].broken:
            self.steps.append(("spoil", slot, self.uid(), self.pick("own", "stub")))

    def relay(self):
        slot = self.receiver("cell")
        if slot is not None:
            receiver = self.refs[slot]
            arg = self.argument(receiver.target, broken=receiver.broken)
            if arg is None:
                return
            ref = self.refs[arg]
            self.touch(slot)
            self.touch(arg)
            times = self.random.randint(1, 3)
            self.steps.append(("relay", slot, self.uid(), arg, times, ref.kind))

    def keep(self):
        slot = self.receiver("cell")
        if slot is None or self.refs[slot].broken:
            return
        arg = self.argument(self.refs[slot].target)
        given = self.refs[arg]
        if given.broken:
            return
        self.touch(slot)
        self.touch(arg)
        uid = self.uid()
        self.steps.append(("keep", slot, uid, arg))
        for _ in range(self.random.randint(0, 2)):
            self.random.choice([self.poke, self.nap])()
        form = self.form()
        needs = self.refs[slot].needs | given.needs | {self.refs[slot].target, given.target}
        new = self.add(Ref(given.target, given.kind, "promise", form, needs))
        self.steps.append(("fetch", new, slot, self.uid(), uid, form))

    def echo(self):
        slot = self.receiver("cell")
        if slot is None:
            return
        receiver = self.refs[slot]
        arg = self.argument(receiver.target, broken=receiver.broken)
        if arg is None:
            return
        given = self.refs[arg]
        # In a context that is cut off, its own target would hold it for ever by coming home.
        if not self.calm and given.state == "own":
            return
        self.touch(slot)
        self.touch(arg)
        form = self.form()
        needs = receiver.needs | given.needs | {receiver.target, given.target}
        broken = receiver.broken or given.broken
        new = self.add(Ref(given.target, given.kind, "promise", form, needs, broken))
        self.steps.append(("echo", new, slot, self.uid(), arg, form, self.some_nap()))

    def child(self):
        slot = self.receiver("cell")
        if slot is not None:
            receiver = self.refs[slot]
            self.touch(slot)
            form, name = self.form(), self.writer.number("t")
            needs = receiver.needs | {receiver.target}
            new = self.add(Ref(name, "cell", "promise", form, needs, receiver.broken))
            self.steps.append(("child", new, slot, self.uid(), name, form))

    def arguments(self, receiver):
        args = [self.argument(receiver) for _ in range(self.random.randint(0, 3))]
        # Each once: what is mentioned twice may arrive as one stub, and would be disposed twice.
        args = list({self.refs[slot].target: slot for slot in args}.values())
        if any(self.refs[slot].broken for slot in args):
            # Whether the others are sent with one that fails would depend on when it does.
            args = [slot for slot in args if self.refs[slot].state != "own"]
        for slot in args:
            self.touch(slot)
        return args

    def play(self):
        worker = self.random.choice(self.writer.workers)
        receiver = f"{self.script.worker}→{worker}"
        args = self.arguments(receiver)
        given = [self.refs[slot] for slot in args]
        calm = self.calm and not self.chance(0.1)
        script, result, needs = self.writer.script(worker, given, depth=self.depth + 1, calm=calm)
        broken = any(ref.broken for ref in given)
        needs = needs | {receiver}.union(*(ref.needs for ref in given))
        self.needs |= needs
        new = None
        if result is not None:
            needs = needs | {result.target}
            new = self.add(Ref(result.target, result.kind, "promise", result.form, needs))
            self.refs[new].broken = broken or result.broken
        self.steps.append(("play", new, worker, script.number, args))

    def leave(self):
        worker = self.random.choice(self.writer.workers)
        receiver = f"{self.script.worker}→{worker}"
        args = self.arguments(receiver)
        if any(self.refs[slot].broken for slot in args):
            return
        given = [self.refs[slot] for slot in args]
        script, _, needs = self.writer.script(worker, given, depth=self.depth + 1, calm=False)
        self.needs |= needs | {receiver}
        after = self.random.choice([0, 0.005, 0.03, 0.2])
        self.steps.append(("leave", worker, script.number, args, after))

    def homecoming(self):
        """Send a target away; gives the promise of it."""
        slot = self.receiver("cell")
        if slot is None or self.refs[slot].broken:
            return None
        self.touch(slot)
        own, receiver = self.pick("own"), self.refs[slot]
        target = self.refs[own]
        needs = receiver.needs | {receiver.target, target.target}
        new = self.add(Ref(target.target, target.kind, "promise", "alone", needs))
        self.steps.append(("echo", new, slot, self.uid(), own, "alone", 0))
        return new

    def settle(self, slot=None):
        slot = self.pick("promise") if slot is None else slot
        if slot is not None:
            self.steps.append(("settle", slot))
            if self.refs[slot].broken:
                del self.refs[slot]
            else:
                self.refs[slot].state = "stub"

    def dup(self):
        slot = self.pick("stub")
        if slot is not None:
            ref = self.refs[slot]
            self.steps.append(("dup", self.add(Ref(ref.target, ref.kind, "stub")), slot))

    def drop(self):
        slot = self.receiver()
        if slot is not None:
            self.steps.append(("drop", slot))
            del self.refs[slot]

    def nap(self):
        self.steps.append(("nap", self.random.choice([0, 0.001, 0.02, 0.1])))

    # Steps of programs that give promises away.

    def pause(self):
        return self.random.choice([0, 0, 1, 2, 3, 5, 8, 0.001, 0.02])

    def binding_to(self, worker):
        """The receiver that a Worker's binding is, here."""
        return f"{self.script.worker}→{worker}"

    def through(self):
        random, workers = self.random, self.writer.workers
        first = random.choice(workers)
        receiver = self.binding_to(first)
        source = self.source(receiver)
        if source is None:
            return
        _, slot, name = source
        given = self.refs[slot]
        target = given.target if name is None else name
        needs = given.needs | {given.target, target, receiver}
        hops = [Hop(first, self.pause(), self.chance(0.3))]
        for _ in range(random.randint(0, 2)):
            here, there = hops[-1].worker, random.choice(workers)
            via = random.choice([None, None, *workers])
            receiver = f"{here}→{there}"
            needs.add(receiver)
            if via is not None:
                other = f"{here}→{via}"
                # The same binding delivers the call that is waited for before the one that waits.
                if other == receiver or self.writer.may_wait(receiver, {other}):
                    needs.add(other)
                else:
                    via = None
            hops.append(Hop(there, self.pause(), self.chance(0.3), via))
        self.needs |= needs
        form = self.form()
        new = self.add(Ref(target, given.kind, "promise", form, needs, given.broken))
        self.steps.append(("through", new, self.uid(), source, hops, form))
        if self.chance(0.7) and not given.broken:
            self.rush(new)

    def source(self, receiver):
        """Choose what is sent: ("slot" | "child" | "twin", slot, name of the new target, if any).

        A child is the promise of a call that is made for this alone, a twin a property that is.
        """
        what = self.random.choice(["slot", "slot", "child", "twin"])
        if what == "slot":
            slot = self.argument(receiver)
            # In a context that is cut off, its own target would hold it for ever by coming home.
            if slot is None or (not self.calm and self.refs[slot].state == "own"):
                return None
            self.touch(slot)
            return (what, slot, None)
        slot = self.receiver("cell")
        if slot is None:
            return None
        ref = self.refs[slot]
        if not self.writer.may_wait(receiver, ref.needs | {ref.target}):
            return None
        self.touch(slot)
        return (what, slot, self.writer.number("t") if what == "child" else None)

    def rush(self, slot=None):
        """Calls in quick succession on one promise, with and without promised arguments."""
        slot = self.pick("promise") if slot is None else slot
        if slot is None or self.refs[slot].broken:
            return
        asks = self.refs[slot].kind == "cell"
        for _ in range(self.random.randint(2, 7)):
            if asks and self.chance(0.4):
                self.ask(slot)
            elif self.chance(0.4):
                self.turns()
            else:
                self.poke(slot)
        if self.chance(0.3):
            self.settle(slot)
            if self.chance(0.3):
                ref = self.refs[slot]
                self.steps.append(("dup", self.add(Ref(ref.target, ref.kind, "stub")), slot))
        self.poke(slot)

    def ask(self, slot=None):
        slot = self.receiver("cell") if slot is None else slot
        if slot is None:
            return
        worker = self.random.choice(self.writer.workers)
        if not self.writer.may_wait(self.refs[slot].target, {self.binding_to(worker)}):
            return
        self.touch(slot)
        self.needs.add(self.binding_to(worker))
        after = self.pause() if self.chance(0.15) else None
        fails = self.chance(0.15)
        self.steps.append(("ask", slot, self.uid(), worker, self.pause(), fails, after))

    def label(self):
        slot, of = self.receiver("cell"), self.receiver("cell")
        if slot is None or of is None:
            return
        read = self.refs[of]
        if not self.writer.may_wait(self.refs[slot].target, read.needs | {read.target}):
            return
        self.touch(slot)
        self.touch(of)
        self.steps.append(("label", slot, self.uid(), of))

    def turns(self):
        self.steps.append(("turns", self.random.randint(1, 6)))
