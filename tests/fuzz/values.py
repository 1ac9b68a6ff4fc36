"""Random values, as an honest peer sends them, and as none does."""

from __future__ import annotations

from fuzz import wire
from fuzz.wire import Beside, Ext, Pairs, Raw, pack, reference

INTS = (
    0, 1, -1, 2, -2, -3, 7, 255, 2**31, 2**32 - 1, 2**53, 2**63 - 1, -(2**63), 2**63, 2**64 - 1,
    2**64, -(2**64), 10**30, 2**61 - 1,
)  # fmt: skip
FLOATS = (0.0, -0.0, 1.5, -1.0, float("nan"), float("inf"), float("-inf"), 1e308, 5e-324)
TEXTS = (
    "", "a", "name", "k", "d", "n", "args", "value", "\x00", "\ud800", "é", "\U0001d4b3", "%s",
    "{0}", "a.b", "write", "close", "abort", "__class__", "__dict__", "dispose", "x" * 300,
)  # fmt: skip
STEERING = (
    "SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError", "StopIteration",
    "StopAsyncIteration",
)  # fmt: skip
ERRORS = (
    "ValueError", "TypeError", "KeyError", "OSError", "ExceptionGroup", "BaseExceptionGroup",
    "UnicodeDecodeError", "UnicodeEncodeError", "SyntaxError", "ImportError", "AttributeError",
    "NameError", "BaseException", "Exception", "RpcError", "RemoteError", "DataCloneError",
    "RemoteProtocolError", "LocalProtocolError", "DisconnectedError", "ConfigError", "D1Error",
    "DisposedError", "Warning", "UndisposedStubWarning", "RecursionError", "MemoryError",
    "TimeoutError", "BlockingIOError", "NoSuchError", "", "object", "type", *STEERING,
)  # fmt: skip
ATTRIBUTES = (
    "args", "remote", "__notes__", "__class__", "__dict__", "__cause__", "__context__",
    "__traceback__", "__reduce__", "__reduce_ex__", "__setstate__", "__str__", "__await__", "path",
    "name", "value", "culprit", "with_traceback", "add_note", "", "x", "code", "errno", "filename",
)  # fmt: skip
RECORDS = ("Request", "Response", "Headers", "FormData", "Blob", "NoSuch", "", "object")
DTYPES = ("<f8", "|O", "|V8", "<U4", "<M8[ns]", "i4", "O", "|S0", "<f99", "", ",", "O8", "<c16")
PATTERNS = ("a", "(a+)+$", "(", "[", "(?P<x>a)", "a{1,99999999999}", "\\", "(?i)x", b"a", "x" * 50)


class Values:
    """Makes values.

    Args:
        chance: decides.
        hand: knows which ids there are (see `Hand`); None for a place without references.
        honest: make only what an honest codec writes.
    """

    def __init__(self, chance, hand=None, *, honest=False) -> None:
        self._chance = chance
        self._hand = hand
        self.honest = honest

    def scalar(self):
        chance = self._chance
        roll = chance.randrange(7)
        if roll == 0:
            return chance.choice((None, True, False))
        if roll < 3:
            return chance.choice(INTS) if chance.random() < 0.7 else chance.randrange(10**6)
        if roll == 3:
            return chance.choice(FLOATS)
        if roll < 6:
            return chance.choice(TEXTS)
        if chance.random() < 0.1:
            return self._beside()
        return chance.randbytes(chance.choice((0, 1, 5, 40)))

    def _beside(self):
        chance = self._chance
        if not self.honest and chance.random() < 0.2:
            return wire.beside(chance.choice((0, 1, 2, 2**32 - 1)))
        return Beside(bytes(chance.choice((0, 1, 33_000))))

    def any(self, depth=3):
        """A value, with references in it now and then."""
        chance = self._chance
        roll = chance.random()
        if depth <= 0 or roll < 0.45:
            return self.scalar()
        if roll < 0.6:
            return [self.any(depth - 1) for _ in range(chance.choice((0, 1, 2, 3, 8)))]
        if roll < 0.7:
            return self._dict(depth)
        if roll < 0.85 and self._hand is not None:
            return self._hand.mention()
        return self._extension(depth)

    def arguments(self):
        return [self.any() for _ in range(self._chance.choice((0, 1, 1, 2, 3)))]

    def _key(self):
        chance = self._chance
        if self.honest or chance.random() < 0.7:
            return chance.choice(TEXTS)
        return self.any(1) if chance.random() < 0.5 else chance.choice((None, 1.5, 7, b"k", True))

    def _dict(self, depth):
        count = self._chance.choice((0, 1, 2, 5))
        pairs = Pairs((self._key(), self.any(depth - 1)) for _ in range(count))
        return dict(pairs) if self.honest else pairs

    def _extension(self, depth):
        chance = self._chance
        code = chance.choice(_CODES)
        if code == wire.INLINE and (self._hand is None or self.honest):
            code = wire.TUPLE
        if code in (wire.TUPLE, wire.SET, wire.FROZENSET):
            plain = code != wire.TUPLE and self.honest
            items = [self.scalar() if plain else self.any(depth - 1) for _ in range(3)]
            value = Ext(code, items)
        else:
            value = getattr(self, _MAKERS[code])(depth)
        if self.honest or chance.random() < 0.7:
            return value
        return self.broken(value, depth)

    def broken(self, value, depth=2):
        """An extension value, spoilt."""
        chance = self._chance
        packed = value.payload if type(value.payload) is bytes else pack(value.payload)
        roll = chance.randrange(7)
        if roll == 0:
            return Ext(value.code, packed[: chance.randrange(len(packed) + 1)])
        if roll == 1:
            return Ext(value.code, chance.randbytes(chance.choice((0, 1, 4, 8, 30))))
        if roll == 2:
            return Ext(value.code, pack(self.any(depth - 1)))
        if roll == 3:
            return Ext(chance.randrange(-5, 40), packed)
        if roll == 4:
            return Ext(chance.choice(_CODES), [self.any(depth - 1) for _ in range(4)])
        if roll == 5:
            return Ext(value.code, packed + chance.randbytes(2))
        data = bytearray(packed or b"\0")
        data[chance.randrange(len(data))] = chance.randrange(256)
        return Ext(value.code, bytes(data))

    # One of each.

    def _integer(self, _depth):
        return wire.integer(self._chance.choice((2**70, -(2**90), 2**600, 2**64)))

    def _datetime(self, _depth):
        chance = self._chance
        return Ext(wire.DATETIME, [2024, 1 + chance.randrange(12), 2, 3, 4, 5, 6, 0, self._zone()])

    def _zone(self):
        zones = [None, "Europe/Oslo", [[0, 3600, 0]], [[0, 0, 0]], [[0, 60, 0], "name"]]
        if not self.honest:
            zones += ["../../etc/passwd", "\0", "", [[99, 0, 0]], "/etc/passwd", 7, [[0, 0]], []]
        return self._chance.choice(zones)

    def _date(self, _depth):
        return Ext(wire.DATE, pack(self._chance.choice((1, 700_000, 3_652_059))))

    def _time(self, _depth):
        return Ext(wire.TIME, [1, 2, 3, 4, 0, self._zone()])

    def _timedelta(self, _depth):
        return Ext(wire.TIMEDELTA, [self._chance.randrange(99), 5, 6])

    def _decimal(self, _depth):
        texts = ["1.5", "0", "-3E+7", "Infinity"]
        if not self.honest:
            texts += ["1e999999999", "sNaN", "x", "9" * 5000]
        return Ext(wire.DECIMAL, pack(self._chance.choice(texts)))

    def _uuid(self, _depth):
        return Ext(wire.UUID, self._chance.randbytes(16))

    def _pattern(self, _depth):
        if self.honest:
            return Ext(wire.PATTERN, ["a+b", 32])
        flags = self._chance.choice((0, 32, 2, 128, 64, 2**40, -1, 0.5))
        return Ext(wire.PATTERN, [self._chance.choice(PATTERNS), flags])

    def _array(self, _depth):
        return Ext(wire.ARRAY, ["i", 4, "little", self._chance.randbytes(8)])

    def _ndarray(self, _depth):
        if self.honest:
            return Ext(wire.NDARRAY, ["<i4", [2], self._chance.randbytes(8)])
        chance = self._chance
        kind = chance.choice(DTYPES)
        if chance.random() < 0.3:
            kind = [["a", kind], ["b", chance.choice(DTYPES)]]
        shape = chance.choice(([2], [], [0], [-1], [2**40], [1, 2**62], [2, 2], 3, [1.5]))
        return Ext(wire.NDARRAY, [kind, shape, chance.randbytes(chance.choice((0, 8, 16)))])

    def error(self, depth=2):
        """An exception."""
        chance = self._chance
        if self.honest:
            return wire.error(chance.choice(("ValueError", "KeyError", "RpcError")), ["as told"])
        name = chance.choice(ERRORS)
        arguments = [self.any(depth - 1) for _ in range(chance.randrange(4))]
        attributes = Pairs(
            (chance.choice(ATTRIBUTES), self.any(depth - 1)) for _ in range(chance.randrange(3))
        )
        notes = [self.any(0) for _ in range(chance.choice((0, 0, 1)))]
        if chance.random() < 0.3:
            nodes = [
                [wire.ERROR_NODE, [name, arguments, attributes, self._part(3), notes]],
                [chance.randrange(7), [self._part(3)]],
                [wire.ERROR_NODE, [chance.choice(ERRORS), [self._part(3)], [], None, []]],
            ]
            return Ext(wire.GRAPH, nodes)
        return wire.error(name, arguments, attributes, notes)

    def _exception(self, depth):
        return self.error(depth)

    def _part(self, count):
        if self._chance.random() < 0.6:
            return wire.node(self._chance.randrange(count))
        return self.scalar()

    def _graph(self, _depth):
        if self.honest:
            return Ext(wire.GRAPH, [[wire.LIST_NODE, [wire.node(0), 5, wire.node(1)]],
                                    [wire.DICT_NODE, [["self", wire.node(0)]]]])  # fmt: skip
        return Ext(wire.GRAPH, self._nodes())

    def _nodes(self):
        chance = self._chance
        count = chance.choice((0, 1, 2, 3, 5))
        nodes = []
        for _ in range(count):
            kind = chance.choice((0, 0, 1, 2, 3, 4, 5, 6, 7, -1, "x") if chance.random() < 0.2
                                 else (0, 1, 2, 3, 4, 5, 6))  # fmt: skip
            parts = [
                self._part(count + (chance.random() < 0.1)) for _ in range(chance.choice((0, 1, 2)))
            ]
            if kind == wire.DICT_NODE:
                parts = [[self._part(count), part] for part in parts]
            elif kind == wire.ERROR_NODE:
                attributes = [[chance.choice(ATTRIBUTES), part] for part in parts]
                parts = [chance.choice(ERRORS), parts, attributes, self._part(count), ["note"]]
            nodes.append([kind, parts])
        return nodes

    def joint(self):
        """Arguments and keyword arguments in one graph, for the place of the arguments."""
        return Ext(wire.JOINT, [
            [wire.LIST_NODE, [wire.node(1), wire.node(2)]],
            [wire.LIST_NODE, [wire.node(2), 1]],
            [wire.DICT_NODE, [["name", wire.node(1)]]],
        ] if self.honest or self._chance.random() < 0.5 else self._nodes())  # fmt: skip

    def _joint(self, _depth):
        return self._graph(_depth) if self.honest else self.joint()

    def _node(self, depth):
        return self._graph(depth) if self.honest else wire.node(self._chance.randrange(4))

    def _inline(self, depth):
        return Ext(wire.INLINE, pack(self.any(depth - 1)))

    def _record(self, depth):
        if self.honest:
            return Ext(wire.RECORD, ["Headers", [[["a", "b"]]]])
        chance = self._chance
        parts = [self.any(depth - 1) for _ in range(chance.randrange(7))]
        return Ext(wire.RECORD, [chance.choice(RECORDS), parts])


_CODES = tuple(range(wire.TUPLE, wire.RECORD + 1))
_MAKERS = {
    wire.INTEGER: "_integer", wire.DATETIME: "_datetime", wire.DATE: "_date", wire.TIME: "_time",
    wire.TIMEDELTA: "_timedelta", wire.DECIMAL: "_decimal", wire.UUID: "_uuid",
    wire.PATTERN: "_pattern", wire.ARRAY: "_array", wire.NDARRAY: "_ndarray",
    wire.EXCEPTION: "_exception", wire.GRAPH: "_graph", wire.JOINT: "_joint", wire.NODE: "_node",
    wire.INLINE: "_inline", wire.RECORD: "_record",
}  # fmt: skip


def any_reference(chance, numbers):
    """A reference of any kind, to one of these numbers or to none."""
    number = chance.choice(numbers) if numbers and chance.random() < 0.7 else chance.choice(INTS)
    if chance.random() < 0.1:
        return Ext(chance.randrange(10), chance.randbytes(chance.randrange(12)))
    return reference(chance.randrange(1, 10), number)


def deep(chance):
    """A value that nests deeply."""
    depth = chance.choice((50, 255, 257, 600, 3000))
    shape = chance.randrange(3)
    if shape == 0:
        return Raw(b"\x91" * depth + b"\xc0")
    if shape == 1:
        return Raw(b"\x81\xa1k" * depth + b"\xc0")
    value = b"\xc0"
    code = chance.choice((wire.TUPLE, wire.INLINE, wire.SET, wire.GRAPH, wire.EXCEPTION))
    for _ in range(min(depth, 600)):
        value = wire.extension(code, b"\x91" + value)
    return Raw(value)


def wide(chance):
    """A value with many members that takes few bytes."""
    count = chance.choice((1000, 20_000))
    shape = chance.randrange(4)
    if shape == 0:
        return Raw(wire.head(0x90, count) + b"\x90" * count)
    if shape == 1:
        return Raw(wire.head(0x90, count) + b"\x80" * count)
    if shape == 2:
        return Ext(wire.SET, Raw(wire.head(0x90, count) + b"".join(map(pack, range(count)))))
    return Raw(wire.head(0x80, 500) + b"".join(pack(i * (2**61 - 1)) + b"\xc0" for i in range(500)))
