"""The hand at the other end: a peer that keeps the books of the protocol, so that it can cheat.

It listens to what the session sends, and so knows which ids are live on both sides. An honest hand
sends only what a well-behaved peer would.
"""

from __future__ import annotations

import msgpack

from fuzz import wire
from fuzz.values import INTS, Values, any_reference, deep, wide
from fuzz.wire import Ext, pack, reference

METHODS = (
    "greet", "echo", "same", "later", "target", "nested", "fail", "call", "hold", "give_up",
    "items", "source", "sink", "write_to", "read_from", "property", "waits", "odd", "reenter",
)  # fmt: skip
ODD_NAMES = (
    "", "_private", "__class__", "__init__", "dispose", "dup", "then", "x" * 5000, "\ud800",
    "greet.greet", "é", "\x00", "__rpc_refer__", "hold ", "mro", "fetch", "connect",
)  # fmt: skip
_HOLDERS = {
    wire.TUPLE, wire.SET, wire.FROZENSET, wire.EXCEPTION, wire.GRAPH, wire.JOINT, wire.INLINE,
    wire.RECORD,
}  # fmt: skip
_INTRODUCED = {wire.STUB, wire.BINDING, wire.WRITABLE}


class Hand:
    """One peer.

    Args:
        chance: decides.
        roots: the exports of the session that every peer has.
        honest: break no rule.

    Attributes:
        seen: how many plain settlements have come in.
        live: the calls of the hand that the session still knows.
        asked: the calls of the session that the hand has not settled.
    """

    def __init__(self, chance, *, roots=(0,), honest=False) -> None:
        self._chance = chance
        self._roots = list(roots)
        self.honest = honest
        self.values = Values(chance, self, honest=honest)
        self.seen = 0
        self.live = []
        self.asked = []
        self._next_call = 1
        self._next_export = -2
        self._held = []  # exports of the session
        self._given = []  # exports of the hand
        self._announced = []  # promises of the hand, to be settled
        self._pipes = []  # opened by the hand, and mentioned
        self._outlets = []  # opened by the session
        self._returned = []  # calls whose result has references, to be released
        self._before = []
        self._settles = False

    # What comes in.

    def listen(self, frames):
        """Take note of what the session sends."""
        for frame in frames:
            try:
                message = wire.unpack(frame)
            except ValueError:
                continue
            for single in _single(message):
                self._note(single)

    def _note(self, message):
        kind, number = message[0], message[1]
        if type(number) is not int:
            return  # an id that only a hostile hand has made up
        references = list(_references(message[2:]))
        self._held += [n for code, n in references if code in _INTRODUCED and n not in self._held]
        if kind in (wire.CALL, wire.MAP, wire.STREAM):
            self.asked.append(number)
        elif kind in (wire.RESOLVE, wire.REJECT):
            plain = number > 0 and not references
            if plain:
                self.seen += 1
                self._forget(number)
            elif number > 0:
                self._returned.append(number)
        elif kind == wire.CANCEL and number in self.asked:
            self.asked.remove(number)
        elif kind == wire.RELEASE:
            gone = set(message[1::2])
            self._given = [n for n in self._given if n not in gone]
            self.asked = [n for n in self.asked if n not in gone]
        elif kind == wire.PIPE and len(message) == 2:
            self._outlets.append(number)

    def _forget(self, number):
        if number in self.live:
            self.live.remove(number)

    # What goes out.

    def batch(self):
        """Some messages, as values that `pack` takes."""
        messages = []
        for _ in range(self._chance.choice((1, 1, 2, 3, 6))):
            message = self._message()
            before, self._before = self._before, []
            messages += before
            if message is not None:
                messages.append(message)
        return messages

    def _message(self):
        chance = self._chance
        moves = (
            (30, self._call), (6, self._map), (8, self._stream), (5, self._cancel),
            (8, self._release), (14, self._settle), (6, self._settle_announced), (3, self._pipe),
            (2, self._pipe_end), (3, self._pull), (0.3, self._abort), (3, self._quiet),
            (8, self._run), (3, self._results),
        )  # fmt: skip
        move = chance.choices([m for _, m in moves], [w for w, _ in moves])[0]
        return move()

    def _new_call(self):
        number = self._next_call
        self._next_call += 1
        return number

    def _called(self, message):
        # Only now: a call cannot mention its own result, and its pipes are opened before it.
        message[1] = self._new_call()
        self.live.append(message[1])
        return message

    def _target(self):
        chance = self._chance
        known = [*self._roots, *self._roots, *self._held, *self.live]
        if self.honest or chance.random() < 0.95:
            return chance.choice(known)
        return chance.choice((*INTS, *self._given, self._next_call, self._next_call + 1))

    def _path(self):
        chance = self._chance
        if self.honest:
            return chance.choice([name for name in METHODS if name != "odd"])
        if chance.random() < 0.8:
            return chance.choice(METHODS)
        names = (*METHODS, *ODD_NAMES)
        return [chance.choice(names) for _ in range(chance.choice((0, 1, 2, 3)))] if (
            chance.random() < 0.6
        ) else chance.choice(ODD_NAMES)  # fmt: skip

    def _arguments(self, path):
        chance = self._chance
        if path in ("hold", "same", "call", "write_to", "read_from") and chance.random() < 0.8:
            first = {
                "write_to": lambda: self._introduce(wire.WRITABLE),
                "read_from": self._readable,
            }.get(path, self.mention)()
            return [first] if path != "call" else [first, chance.choice(METHODS)]
        if path in ("items", "odd") and chance.random() < 0.9:
            return [chance.randrange(20)]
        if not self.honest and chance.random() < 0.02:
            return [deep(chance)]
        if not self.honest and chance.random() < 0.01:
            return [wide(chance)]
        return self.values.arguments()

    def _call(self):
        chance = self._chance
        target, path = self._target(), self._path()
        args = None if chance.random() < 0.08 else self._arguments(path)
        message = [wire.CALL, 0, target, path, args]
        if not self.honest and chance.random() < 0.03:
            message[4] = self.values.joint()
            message.append({})
        elif chance.random() < 0.1:
            message.append(self._options())
        return self._called(message)

    def _options(self):
        chance = self._chance
        options = {}
        if chance.random() < 0.5:
            options["k"] = {"name": self.values.any(1)}
        if chance.random() < 0.3:
            options["d"] = chance.choice((5, 0.5, 1e9))
        if not self.honest and chance.random() < 0.5:
            options[chance.choice(("d", "k", "n", "", "x", 5))] = self.values.any(1)
        return options

    def _map(self):
        chance = self._chance
        target = self._target()
        captures = [self.mention() for _ in range(chance.choice((0, 0, 1, 2)))]
        steps, program = chance.choice((0, 1, 2, 5)), []
        for step in range(steps):
            subject = chance.randrange(-len(captures), step + 1)
            part = [[self._variable(step + 1, captures)], {}]
            program.append([subject, [chance.choice(METHODS)], self._packed(part)])
        program.append(self._packed([self._variable(steps + 1, captures)]))
        if not self.honest and chance.random() < 0.3:
            self._spoil(program)
        path = [chance.choice(("items", "greet", "target"))] if chance.random() < 0.8 else []
        return self._called([wire.MAP, 0, target, path, captures, program])

    def _packed(self, value):
        return wire.part(value) if self._chance.random() < 0.7 else value

    def _variable(self, count, captures):
        chance = self._chance
        if chance.random() < 0.5:
            return reference(wire.PLACEHOLDER, chance.randrange(-len(captures), count))
        return self.values.scalar() if self.honest else self.values.any(2)

    def _spoil(self, program):
        chance = self._chance
        place = chance.randrange(len(program))
        program[place] = chance.choice((
            None, [], [0, ["a"]], [0, "a", b""], [99, ["a"], None], [True, ["a"], None],
            [0, [""], b"\x91"], [0, ["greet"], pack(7)], [0, ["greet"], pack([1, 2])],
            [0, ["greet"], pack([[1], 2])], [0, ["greet"], pack([[], {"": 1}])],
            [0, ["greet"], wire.part([[], {1: 2}])], [0, ["greet"], Ext(wire.INLINE, b"\xc1")],
            [0, ["greet"], wire.part(7)], [0, ["greet"], wire.part([[1], {"": 2}])],
            [0, ["greet"], [[reference(wire.PLACEHOLDER, 99)], {}]],
            [0, ["greet"], b""], b"", b"\xc1", wire.part(self.values.any(2)), self.values.any(2),
            reference(wire.PLACEHOLDER, 99), Ext(wire.INLINE, b""), Ext(wire.JOINT, b""),
        ))  # fmt: skip

    def _stream(self):
        chance = self._chance
        sinks = self._pipes or self._held or self._roots
        target = chance.choice(sinks)
        if self.honest and not self._pipes:
            return None
        operation = chance.choice(("write", "write", "write", "close", "abort"))
        if not self.honest and chance.random() < 0.1:
            operation = chance.choice(("", "x", ["write"], [], ["write", "x"]))
        args = [self.values.any(2)] if operation in ("write", "abort") else []
        if not self.honest and chance.random() < 0.1:
            args = self.values.arguments()
        if self.honest and operation != "write" and target in self._pipes:
            self._pipes.remove(target)
        return self._called([wire.STREAM, 0, target, operation, args])

    def _cancel(self):
        if not self.live:
            return None
        number = self._chance.choice(self.live)
        self._forget(number)
        return [wire.CANCEL, number]

    def _release(self):
        chance = self._chance
        known = [*self._held, *self._returned]
        if not known or (not self.honest and chance.random() < 0.05):
            return None if self.honest else [wire.RELEASE, *self._ids(chance.choice((0, 2, 4)))]
        message = [wire.RELEASE]
        for number in chance.sample(known, min(len(known), chance.choice((1, 2, 5)))):
            message += [number, 1]
            if number in self._held:
                self._held.remove(number)
            else:
                self._returned.remove(number)
                self._forget(number)
        return message

    def _ids(self, count):
        return [self._chance.choice((*INTS[:8], *self.live, *self._held)) for _ in range(count)]

    def _settle(self):
        if not self.asked:
            return None
        number = self._chance.choice(self.asked)
        self.asked.remove(number)
        return self._settlement(number)

    def _settlement(self, number):
        chance = self._chance
        # What has settled holds no promises.
        self._settles = self.honest or chance.random() < 0.9
        if chance.random() < 0.7:
            message = [wire.RESOLVE, number, self.values.any()]
        else:
            message = [wire.REJECT, number, self.values.error(), chance.random() < 0.5]
        self._settles = False
        if not self.honest and chance.random() < 0.05:
            message.append(self.values.any(1))
        return message

    def _settle_announced(self):
        if not self._announced:
            return None
        return self._settlement(self._announced.pop(self._chance.randrange(len(self._announced))))

    def _pipe(self):
        # It is mentioned next, or never.
        self._readable()

    def _pipe_end(self):
        known = self._outlets if self.honest else [*self._outlets, *self._ids(1)]
        if not known:
            return None
        number = self._chance.choice(known)
        if number in self._outlets:
            self._outlets.remove(number)
        return [wire.PIPE, number, self.values.error()]

    def _pull(self):
        if not self.live:
            return None
        return [wire.PULL, self._chance.choice(self.live)]

    def _quiet(self):
        chance = self._chance
        if self.honest:
            # The next call, on which one more is made: nobody asks for its result.
            first = [wire.CALL, 0, self._target(), "target", []]
            quiet = [wire.QUIET, self._next_call]
            self._before += [quiet, self._called(first)]
            self.live.remove(first[1])
            return self._called([wire.CALL, 0, first[1], "greet", []])
        following = [self._next_call, self._next_call + 1, self._next_call + 3]
        known = [*following, *following, *self.live, *self._held, *INTS[:8]]
        return [wire.QUIET, *chance.choices(known, k=chance.choice((0, 1, 2, 5)))]

    def _run(self):
        """Several calls in a row; some are made on the one before, which that gives back."""
        chance, first = self._chance, self._next_call
        message = [wire.CALL, first]
        for _ in range(chance.choice((1, 2, 2, 3, 8))):
            passed = self._new_call()
            on_it = chance.random() < 0.4
            message += [self._target(), "target" if on_it else "greet", self._few()]
            if on_it:
                message += [None, chance.choice(("greet", "missing", "target")), self._few()]
                passed = self._new_call()
            self.live.append(passed)
        if not self.honest and chance.random() < 0.3:
            position = chance.randrange(1, len(message))
            odd = (None, 0, -1, first, first + 1, first + 2, [], [[]], "", "dispose", b"", 2**70)
            message[position] = chance.choice((*odd, self.values.any(2)))
        if not self.honest and chance.random() < 0.1:
            del message[chance.randrange(len(message)) :]
        return message

    def _few(self):
        return self._chance.choice(([], [1], ["Ada"], [None, True, 0.5]))

    def _results(self):
        """Several results in a row."""
        chance = self._chance
        message = [wire.RESOLVE]
        for _ in range(chance.choice((2, 3, 5))):
            if self.asked:
                number = self.asked.pop(chance.randrange(len(self.asked)))
                message += [number, chance.choice((None, 5, "x", 0.5, True))]
        if not self.honest and chance.random() < 0.2:
            message += [*self._ids(1), self.values.any(2)]
        return message if len(message) > 1 else None

    def _abort(self):
        return None if self.honest else [wire.ABORT, self.values.error()]

    # References.

    def mention(self):
        """A reference, to something there is or (if dishonest) is not."""
        chance = self._chance
        if not self.honest and chance.random() < 0.05:
            return any_reference(chance, [*self.live, *self._held, *self._given, *self.asked])
        roll = chance.choice((0, 1, 2, 5, 6)) if self._settles else chance.randrange(7)
        if roll < 2:
            return self._introduce(wire.STUB)
        if roll == 2 and self._held:
            return reference(wire.OWN_STUB, chance.choice(self._held))
        if roll == 3 and self.live:
            return reference(wire.RESULT, chance.choice(self.live))
        if roll == 4:
            value = self._introduce(wire.PROMISE)
            self._announced.append(self._next_export + 1)
            self._given.remove(self._next_export + 1)
            return value
        if roll == 5:
            return self._readable()
        return self._introduce(chance.choice((wire.BINDING, wire.WRITABLE)))

    def _introduce(self, kind):
        number = self._next_export
        self._next_export -= 1
        self._given.append(number)
        return reference(kind, number)

    def _readable(self):
        number = self._new_call()
        self._before.append([wire.PIPE, number])
        self._pipes.append(number)
        return reference(wire.READABLE, number)


def _single(message):
    """The messages in one, which may be a run of calls or results."""
    kind, parts = message[0], len(message)
    if kind == wire.RESOLVE and parts > 3:
        for position in range(1, parts, 2):
            yield [kind, *message[position : position + 2]]
    elif kind == wire.CALL and parts > 6:
        for number in range((parts - 2) // 3):
            yield [kind, message[1] + number, *message[2 + 3 * number : 5 + 3 * number]]
    else:
        yield message


def _references(value):
    """The references inside an unpacked value, as (code, number)."""
    unseen = [value]
    for part in unseen:  # it grows under way
        if type(part) is list:
            unseen += part
        elif type(part) is dict:
            unseen += [*part.keys(), *part.values()]
        elif type(part) is msgpack.ExtType and part.code <= wire.WRITABLE:
            yield part.code, int.from_bytes(part.data, "big", signed=True)
        elif type(part) is msgpack.ExtType and part.code in _HOLDERS:
            unseen.append(wire.unpack(part.data))
