"""What a program must do: played at once, in one place, with nothing in between.

No session, no promise, no waiting; a stub is the name of the target that it leads to.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Own:
    """A target in the hands of the Worker that made it: each message with it makes a stub."""

    name: str


@dataclass(frozen=True)
class Broken:
    """The error that a promise was rejected with: which of these depends on when each is known."""

    texts: frozenset

    @classmethod
    def with_text(cls, text):
        return cls(frozenset({text}))

    @classmethod
    def by_any(cls, broken):
        """What fails where each of those has."""
        return cls(frozenset().union(*(each.texts for each in broken)))


class Model:
    """Plays a program.

    What a script does that does not wait for its calls, and what is cancelled, is left open.

    Attributes:
        reached: by call, the target it is delivered to.
        results: by call, what it gives; if it fails, the texts of the errors that may tell of it.
        stubs: how many stubs are made of each target.
    """

    def __init__(self, program) -> None:
        self.program = program
        self.reached = {}
        self.results = {}
        self.values = {}
        self.stubs = Counter()
        self.play(0, [])

    def play(self, number, args):
        """Play a script; gives what it returns."""
        script = self.program.scripts[number]
        if not script.waits:
            return None
        slots = dict(enumerate(args))
        for step in script.steps:
            self.step(step, slots)
        if script.raises:
            return Broken.with_text(f"script {number} failed")
        if script.returns is None:
            return None
        [returned] = self.send([slots[script.returns[0]]])
        return returned

    def step(self, step, slots):
        match step:
            case ("make" | "function", slot, name):
                slots[slot] = Own(name)
            case ("local", new, slot):
                [slots[new]] = self.send([slots[slot]])
            case ("dup", new, slot):
                slots[new] = slots[slot]
            case ("poke", slot, uid, _nap, fails, _kind):
                result = Broken.with_text(uid) if fails else uid
                self.note(uid, self.call(uid, slots[slot], [], lambda: result))
            case ("tell", slot, uid, told):
                value = self.values[told]
                self.note(uid, self.call(uid, slots[slot], [value], lambda value: value))
            case ("spoil", _slot, uid, arg):
                self.send([slots[arg]])  # a stub was made of it, and is disposed (rule V22)
                self.note(uid, "refused")
            case ("relay", slot, uid, arg, times, _kind):
                result = self.call(
                    uid, slots[slot], [slots[arg]], lambda ref: self.relay(uid, ref, times)
                )
                self.note(uid, result)
            case ("keep", slot, uid, arg):
                slots["kept"] = self.call(uid, slots[slot], [slots[arg]], lambda ref: ref)
                self.note(uid, uid)
            case ("fetch", new, slot, uid, _kept, _form):
                slots[new] = self.call(uid, slots[slot], [], lambda: slots["kept"])
            case ("echo", new, slot, uid, arg, _form, _nap):
                slots[new] = self.call(uid, slots[slot], [slots[arg]], lambda ref: ref)
            case ("child", new, slot, uid, name, _form):
                slots[new] = self.call(uid, slots[slot], [], lambda: self.send([Own(name)])[0])
            case ("play", new, _worker, number, args):
                refs = self.send([slots[arg] for arg in args])
                broken = [ref for ref in refs if isinstance(ref, Broken)]
                slots[new] = Broken.by_any(broken) if broken else self.play(number, refs)
            case ("leave", _worker, _number, args, _after):
                self.send([slots[arg] for arg in args])
            case ("through", new, uid, source, hops, _form):
                slots[new] = self.through(uid, self.source(uid, source, slots), hops)
            case ("ask", slot, uid, _worker, _pause, _fails, None) if isinstance(
                slots[slot], Broken
            ):
                # The script is not kept waiting by what it has asked, and may end before that is
                # delivered: then it is cancelled (rule C26).
                self.note(uid, slots[slot])
            case ("ask", slot, uid, worker, _pause, fails, None):
                asked = f"{uid} asks"
                result = Broken.with_text(asked) if fails else asked
                value = self.call(asked, worker, [], lambda: result)
                self.note(uid, self.call(uid, slots[slot], [value], lambda value: value))
            case ("label", slot, uid, of):
                label = slots[of]
                self.note(uid, self.call(uid, slots[slot], [label], lambda label: label))

    def send(self, values):
        """One message with these values: what the other side gets."""
        self.stubs.update({value.name for value in values if isinstance(value, Own)})
        return [value.name if isinstance(value, Own) else value for value in values]

    def call(self, uid, receiver, args, method):
        """Call a method; it runs unless the receiver or an argument is broken."""
        refs = self.send(args)
        broken = [ref for ref in [receiver, *refs] if isinstance(ref, Broken)]
        if broken:
            return Broken.by_any(broken)
        self.reached[uid] = receiver
        return method(*refs)

    def source(self, uid, source, slots):
        """What is sent through Workers: a slot as it is, or what a call or property gives."""
        what, slot, name = source
        if what == "child":
            return self.call(f"{uid} child", slots[slot], [], lambda: Own(name))
        return slots[slot]

    def through(self, uid, value, hops):
        """Send a value through Workers and back: the same stub comes out."""
        hop, *rest = hops
        if hop.via is not None:
            value = self.through(f"{uid} via", value, hop.detour())
        onward = (lambda ref: self.through(f"{uid}.", ref, rest)) if rest else (lambda ref: ref)
        return self.call(uid, hop.worker, [value], onward)

    def relay(self, uid, ref, times):
        for turn in range(times):
            self.note(f"{uid}.{turn}", self.call(f"{uid}.{turn}", ref, [], lambda: "ok"))
        return uid

    def note(self, uid, result):
        self.values[uid] = result
        self.results[uid] = result.texts if isinstance(result, Broken) else result
