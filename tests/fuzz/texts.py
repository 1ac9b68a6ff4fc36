"""The hand that speaks Cap'n Web: real text frames, of an honest peer or spoilt.

It keeps the books of that wire: ids that nobody writes down are counted, introductions too.
"""

from __future__ import annotations

import json

from fuzz.hand import METHODS, ODD_NAMES

NUMBERS = (0, 1, -1, 2, 7, -7, 255, 2**31, 2**53, -(2**53) - 1, 2**62, 2**64, 2**200, 1.5, 1e300)
BYTE_TYPES = ("Uint8Array", "Int16Array", "Float64Array", "ArrayBuffer", "BigInt64Array")
BROKEN = (
    b"", b"[", b"]", b"null", b"0", b'"push"', b"{}", b"[]", b'["push"]', b'["push",[]]',
    b'["hello",1]', b"\xff\xfe", b'["push",NaN]', b'["push",Infinity]', b'["push",1e999]',
    b'["push","\\ud800"]', b'["push","\\uzzzz"]', b'["push",[[1],[2]]]', b'["pull","1"]',
    b'["push",["undefined",1]]', b'["release",1,-1]', b'["release",true,1]', b'["pull",1.0]',
    b'["push",["bigint","' + b"9" * 20_000 + b'"]]', b'["push",' + b"9" * 5000 + b"]",
    b'["push",' + b"[[" * 300 + b"]]" * 300 + b"]", b'["push",' + b"[" * 5000 + b"]" * 5000 + b"]",
    b'["push",' + b'{"a":' * 3000 + b"1" + b"}" * 3000 + b"]",
    b'["push",["bytes","A"]]', b'["push",["bytes","AQ","Int16Array"]]', b'["push",["date","x"]]',
    b'["push",["date",1e300]]', b'["push",["request","/x",{}]]', b'["push",["response",null]]',
    b'["push",["response",null,{"status":99}]]', b'["push",["headers",[["a b","c"]]]]',
    b'["push",["url","x"]]', b'["push",["error",1,2]]',
    b'["push",["error","KeyboardInterrupt",""]]',
    b'["reject",1,["error","SystemExit","x",null,{"args":5,"__class__":1}]]',
    b'["stream",["pipeline",0,[]]]', b'["stream",5]', b'["push",["remap",0,[],[],[]]]',
    b'["push",["remap",0,[],[["import",99]],[1]]]', b'["push",["remap",0,[],[],[["pipeline",9]]]]',
    b'["push",["remap",0,["items"],[],[["remap",0,[],[],[["remap",0,[],[],[["pipeline",0]]]]]]]]',
    b'["push",["promise",-1]]', b'["push",["export",5]]', b'["push",["readable",1]]',
    b'["push",["blob","",["readable",77]]]', b'["push",["pipeline",0,"greet",[]]]',
    b'["push",["pipeline",0,[1,2,"x"],[]]]', b'["push",["pipeline",0,["items"],5]]',
    b'["push",["import",4611686018427387904]]', b'["abort"]', b'["resolve",1]',
)  # fmt: skip


class TextHand:
    """One peer of Cap'n Web.

    Args:
        chance: decides.
        roots: the exports of the session that every peer has.
        honest: break no rule.

    Attributes:
        seen: never more than none: nothing is acknowledged there.
    """

    seen = 0

    def __init__(self, chance, *, roots=(0,), honest=False) -> None:
        self._chance = chance
        self._roots = list(roots)
        self.honest = honest
        self._next = 1  # the id of the next push, stream or pipe
        self._export = 0
        self._theirs = 0  # how many ids the session has taken
        self._live = []  # pushes of the hand
        self._pulled = set()
        self._held = []  # exports of the session
        self._sinks = []  # those that are sinks of streams
        self._asked = []  # pushes of the session that are pulled
        self._known = []  # all of them that were not given back
        self._streams = []  # writes of the session
        self._announced = []
        self._given = []
        self._pipes = []
        self._before = []

    # What comes in.

    def listen(self, frames):
        """Take note of what the session sends."""
        for frame in frames:
            try:
                message = json.loads(frame)
            except ValueError:
                continue
            self._note(message[0], message[1:])

    def _note(self, kind, parts):
        if kind in ("push", "stream", "pipe"):
            self._theirs += 1
            number = self._theirs
            if kind == "stream":
                self._streams.append(number)
            else:
                self._known.append(number)
        elif kind == "pull" and parts[0] in self._known:
            self._asked.append(parts[0])
        elif kind == "release":
            for table in (self._known, self._asked, self._given):
                if parts[0] in table:
                    table.remove(parts[0])
        for part in parts:
            self._find(part)

    def _find(self, tree):
        if type(tree) is list:
            if len(tree) == 2 and tree[0] in ("export", "writable") and type(tree[1]) is int:
                (self._held if tree[0] == "export" else self._sinks).append(tree[1])
            for part in tree:
                self._find(part)
        elif type(tree) is dict:
            for part in tree.values():
                self._find(part)

    # What goes out.

    def batch(self):
        """Some messages, as trees."""
        messages = []
        for _ in range(self._chance.choice((1, 1, 2, 3, 6))):
            message = self._message()
            before, self._before = self._before, []
            messages += [*before, *([] if message is None else [message])]
            if message is not None and message[0] == "push" and self._chance.random() < 0.8:
                messages.append(self._pull_of(self._live[-1]))
        return messages

    def frames(self, rate):
        """Some messages, as frames, each spoilt with that probability."""
        chance = self._chance
        frames = []
        for tree in self.batch():
            frame = json.dumps(tree).encode()
            if chance.random() < rate * 0.5:
                frame = json.dumps(self._spoilt(tree)).encode()
            if chance.random() < rate * 0.3:
                frame = self._broken(frame)
            frames.append(frame)
        if chance.random() < rate and frames:
            roll = chance.randrange(3)
            place = chance.randrange(len(frames))
            if roll == 0:
                del frames[place]
            elif roll == 1:
                frames.insert(place, frames[place])
            else:
                chance.shuffle(frames)
        return frames

    def _spoilt(self, tree):
        """The same tree with something in it that was not there."""
        chance = self._chance
        while type(tree) is list and tree and chance.random() < 0.7:
            place = chance.randrange(len(tree))
            if chance.random() < 0.4 and type(tree[place]) in (list, dict):
                return [*tree[:place], self._spoilt(tree[place]), *tree[place + 1 :]]
            odd = chance.choice((
                None, True, 0, -1, 1.5, 2**70, "", "x", [], [[]], {}, ["export", -1], ["import", 9],
                ["pipeline", 1], ["promise", -1], ["readable", 1], ["nan"], [[[1]]], self._odd(3),
            ))  # fmt: skip
            return chance.choice((
                [*tree[:place], odd, *tree[place + 1 :]], [*tree[:place], *tree[place + 1 :]],
                [*tree, odd],
            ))  # fmt: skip
        return self._odd(2)

    def _broken(self, frame):
        chance = self._chance
        roll = chance.randrange(4)
        place = chance.randrange(len(frame))
        if roll == 0:
            return chance.choice(BROKEN)
        if roll == 1:
            return frame[:place]
        if roll == 2:
            return frame[:place] + chance.randbytes(2) + frame[place:]
        return frame + frame

    def _message(self):
        moves = (
            (30, self._call), (6, self._map), (8, self._stream), (4, self._value_push),
            (8, self._release), (14, self._settle), (6, self._settle_announced), (3, self._pipe),
            (4, self._pull), (8, self._acknowledge), (0.2, self._abort),
        )  # fmt: skip
        move = self._chance.choices([m for _, m in moves], [w for w, _ in moves])[0]
        return move()

    def _take(self):
        number = self._next
        self._next += 1
        return number

    def _pushed(self, expression):
        message = ["push", expression]
        self._live.append(self._take())
        return message

    def _target(self):
        known = [*self._roots, *self._roots, *self._held, *self._live]
        if not self.honest and self._chance.random() < 0.05:
            known = [*NUMBERS[:8], self._next, -99]
        return self._chance.choice(known)

    def _path(self):
        chance = self._chance
        if self.honest or chance.random() < 0.8:
            return [chance.choice([name for name in METHODS if name != "odd"])]
        names = (*METHODS, *ODD_NAMES, 0, 1, 2**40, "1")
        return [chance.choice(names) for _ in range(chance.choice((0, 1, 2, 3)))]

    def _arguments(self, path):
        chance = self._chance
        name = path[0] if path else ""
        if name in ("hold", "same", "call") and chance.random() < 0.8:
            return [self._introduce("export"), *([chance.choice(METHODS)] * (name == "call"))]
        if name == "write_to":
            return [self._introduce("writable")]
        if name == "read_from":
            return [["readable", self._open()]]
        if name in ("items", "odd"):
            return [chance.randrange(20)]
        return [self._odd(2) for _ in range(chance.choice((0, 1, 1, 2)))]

    def _call(self):
        target, path = self._target(), self._path()
        expression = ["pipeline", target, path]
        if self._chance.random() > 0.1:
            expression.append(self._arguments(path))
        return self._pushed(expression)

    def _value_push(self):
        return self._pushed(self._odd(3))

    def _map(self):
        chance = self._chance
        captures = [["import", chance.choice(self._roots)]] if chance.random() < 0.5 else []
        steps = []
        for step in range(chance.choice((1, 1, 2, 4))):
            subject = chance.randrange(-len(captures), step + 1)
            steps.append(chance.choice((
                ["pipeline", subject, [chance.choice(METHODS)], [["pipeline", 0]]],
                {"a": ["pipeline", subject]}, [[["pipeline", 0], 1]], ["pipeline", subject],
            )))  # fmt: skip
        path = [chance.choice(("items", "greet"))] if chance.random() < 0.5 else []
        expression = ["remap", self._target(), path, captures, steps]
        if chance.random() < 0.2:
            steps.append(["remap", 0, [], [["import", 0]], [["pipeline", -1]]])
        return self._pushed(expression)

    def _stream(self):
        chance = self._chance
        sinks = [*self._pipes, *self._sinks]
        if not sinks:
            return None
        target = chance.choice(sinks)
        operation = chance.choice(("write", "write", "write", "close", "abort"))
        args = [] if operation == "close" else [self._odd(2)]
        if operation != "write":
            (self._pipes if target in self._pipes else self._sinks).remove(target)
        self._take()
        return ["stream", ["pipeline", target, [operation], args]]

    def _release(self):
        chance = self._chance
        tables = [table for table in (self._held, self._live) if table]
        if not tables:
            return None
        table = chance.choice(tables)
        number = chance.choice(table)
        table.remove(number)
        self._pulled.discard(number)
        return ["release", number, 1]

    def _settle(self):
        if not self._asked:
            return None
        number = self._chance.choice(self._asked)
        self._asked.remove(number)
        return self._settlement(number)

    def _acknowledge(self):
        if not self._streams:
            return None
        number = self._streams.pop(0)
        return ["resolve", number, ["undefined"]]

    def _settle_announced(self):
        if not self._announced:
            return None
        number = self._chance.choice(self._announced)
        self._announced.remove(number)
        return self._settlement(number)

    def _settlement(self, number):
        chance = self._chance
        if chance.random() < 0.3:
            return ["reject", number, chance.choice((["error", "RangeError", "no"], "text", None))]
        return ["resolve", number, self._odd(2)]

    def _open(self):
        self._before.append(["pipe"])
        number = self._take()
        self._pipes.append(number)
        return number

    def _pipe(self):
        self._pipes.append(self._take())
        return ["pipe"]

    def _pull(self):
        waiting = [number for number in self._live if number not in self._pulled]
        return self._pull_of(self._chance.choice(waiting)) if waiting else None

    def _pull_of(self, number):
        self._pulled.add(number)
        return ["pull", number]

    def _abort(self):
        return None if self.honest else ["abort", ["error", "Error", "the hand is tired"]]

    def _introduce(self, word):
        self._export -= 1
        if word == "promise":
            self._announced.append(self._export)
        else:
            self._given.append(self._export)
        return [word, self._export]

    def _odd(self, depth):
        """An expression of any kind."""
        chance = self._chance
        roll = chance.randrange(20)
        if roll < 6 or depth == 0:
            return chance.choice(
                (None, True, 5, 1.5, -1, "text", "é😀", "", ["undefined"], ["inf"])
            )
        if roll < 9:
            return [[self._odd(depth - 1) for _ in range(chance.choice((0, 1, 3)))]]
        if roll < 11:
            return {name: self._odd(depth - 1) for name in ("a", "é", "")[: chance.randrange(4)]}
        if roll < 14:
            return chance.choice((
                ["bigint", "-12345678901234567890"], ["date", 1749342170815], ["date", None],
                ["bytes", "aGk"], ["bytes", "AAAAAAAAAAA", chance.choice(BYTE_TYPES)],
                ["url", "https://x.test/a"], ["headers", [["a", "b"]]],
                ["error", "TypeError", "m", None, {"a": [[1]]}], ["error", "Odd", "m", "stack"],
                ["request", "https://x.test/", {"method": "POST", "body": "text"}],
                ["response", ["bytes", "aGk"], {"status": 201}],
            ))  # fmt: skip
        if roll == 14:
            return self._introduce("export")
        if roll == 15:
            return self._introduce("promise")
        if roll == 16:
            return ["readable", self._open()]
        if roll == 17 and self._live:
            return ["pipeline", chance.choice(self._live)]
        if roll == 18:
            return ["pipeline", chance.choice(self._roots), ["greet"], [self._odd(depth - 1)]]
        return ["import", chance.choice([*self._roots, *self._held])]
