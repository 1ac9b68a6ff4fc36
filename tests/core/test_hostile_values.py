"""What is no value is refused when it comes, at little cost: by class, by size, by work."""

from __future__ import annotations

import array
import re
import sys
import zoneinfo

import msgpack
import numpy as np
import pytest
from support.frames import calls, ext, packed
from support.ids import by_repr
from support.inline_host import SessionPair

from rpclab import Limits, RpcTarget
from rpclab.codecs import values
from rpclab.codecs.graphs import DICT, FROZENSET, LEAF, LIST, TUPLE
from rpclab.codecs.graphs import SET as SET_NODE
from rpclab.codecs.key_costs import SAME_HASH
from rpclab.core.messages import CALL, REJECT, RESOLVE
from rpclab.errors import DataCloneError, MessageTooLargeError, RemoteProtocolError

PRIME = 2**61 - 1  # hash(n) is n % PRIME


class Main(RpcTarget):
    def greet(self, *args):
        self.got = args
        return "greeted"


def hostile(**options):
    """A pair whose client does not know what is said in its name, and so hears no answers."""
    pair = SessionPair(Main(), **options)
    pair.wire.hold(pair.server)
    return pair


@pytest.fixture
def pair():
    return hostile()


def refusal(pair, frame):
    """Why the server ended the session over a frame."""
    pair.inject(frame)
    assert isinstance(pair.server.closed, RemoteProtocolError), pair.server.closed
    assert len(str(pair.server.closed)) < 300
    return str(pair.server.closed)


def taken(pair, *args):
    """What the server makes of arguments."""
    pair.inject(calls(*args))
    assert pair.server.closed is None
    return pair.server.exports[0].target.got


def node(number):
    return msgpack.ExtType(values.NODE, number.to_bytes(4, "big"))


def number(value):
    return msgpack.ExtType(values.INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


DTYPES = [
    "|O", "O", "<O8", "object", [8, ["a", "|O", 0]], [16, ["a", [8, ["b", "|O", 0]], 0]],
    ["|O", [1]], [8, ["a", ["|O", [1]], 0]], [["a", "|O"]], "i4,O", "int", "<i4,<i4", "", "<", "V",
    "<i4" * 1000, "|T16", "datetime64[D]//7", "<M8[D]//7", "float", "<f2147483647", "<i-4",
    "<i\uff14",
    7, None, [], [8, 5], [8, ["a"]], [8, ["a", "<i4"]], [8, ["a", "<i4", "0"]], [8, ["", "<i4", 0]],
    [8, [5, "<i4", 0]], [8, ["a", 5, 0]], ["<i4", "2"], ["<i4", [-1]], ["<i4", [2, 2], 3],
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: repr(dtype)[:30])
def test_an_array_of_a_type_that_is_not_bytes_alone_is_refused(pair, dtype):
    for data in (b"\x10" * 8, b""):
        fresh = hostile()
        assert "is made of" in refusal(fresh, calls(ext(values.NDARRAY, [dtype, [1], data])))


UNMAKEABLE = [  # NumPy refuses these itself: the call fails, and the session goes on
    "<i3", "<f1", [4, ["a", "<i4", 0], ["a", "<i4", 0]], [4, ["a", "<i8", 0]],
    [4, ["a", "<i4", -1]], [-4, ["a", "<i4", 0]], ["<i4", [2**31]],
]  # fmt: skip


@pytest.mark.parametrize("dtype", UNMAKEABLE, ids=by_repr)
def test_an_array_of_a_type_that_numpy_does_not_have_fails_that_call_alone(pair, dtype):
    pair.inject(calls(ext(values.NDARRAY, [dtype, [1], b"\0" * 4])))
    assert pair.server.closed is None
    assert isinstance(pair.server.exports[1].value, DataCloneError)


SHAPES = {
    "more items than bytes": ([2], "<i4", b"\0" * 4),
    "fewer items than bytes": ([1], "<i4", b"\0" * 8),
    "a dimension below zero": ([-1], "<i4", b"\0" * 4),
    "two dimensions below zero": ([-1, -1], "<i4", b"\0" * 4),
    "a product that overflows": ([2**32, 2**32], "<i4", b""),
    "a product that overflows to the size of the bytes": ([2**62 + 1], "<i4", b"\0" * 4),
    "zero of very many": ([0, 2**60], "<i4", b""),
    "a number of a million digits": ([number(2**4_000_000), 0], "<i4", b""),
    "too many dimensions": ([1] * 65, "<i4", b"\0" * 4),
    "thousands of dimensions": ([1] * 100_000, "<i4", b"\0" * 4),
    "no list": (4, "<i4", b"\0" * 16),
    "a text": ("1", "<i4", b"\0" * 4),
    "truth": ([True], "<i4", b"\0" * 4),
    "a fraction": ([1.0], "<i4", b"\0" * 4),
    "many items of no size": ([2**17], "|V0", b""),
    "no item of a giant size": ([0], "|S99999999", b""),
    "no bytes but a text": ([1], "<i4", "\0" * 4),
    "no bytes but an array": ([1], "<i4", [0, 0, 0, 0]),
}


@pytest.mark.parametrize(("shape", "dtype", "data"), SHAPES.values(), ids=SHAPES)
def test_an_array_whose_shape_does_not_fit_its_bytes_is_refused(pair, shape, dtype, data):
    assert "is made of" in refusal(pair, calls(ext(values.NDARRAY, [dtype, shape, data])))


def test_parts_of_an_array_are_plain_and_shared_by_nobody(pair):
    shared = ext(values.GRAPH, [[LIST, [node(1), node(1)]], [LIST, []]])
    for inner in (shared, ext(values.TUPLE, ["<i4"]), ext(values.PATTERN, ["x", 0])):
        fresh = hostile()
        assert "no value is made" in refusal(
            fresh, calls(ext(values.NDARRAY, [inner, [1], b"\0" * 4]))
        )


STRUCTURES = [
    np.zeros(2, [("a", "i4"), ("b", [("c", "f8", (2, 3)), ("d", "S5")])]),
    np.zeros(2, {"names": ["a", "b"], "formats": ["i4", "i2"], "offsets": [4, 0], "itemsize": 16}),
    np.zeros(2, {"names": ["a", "b"], "formats": ["i4", "u1"], "offsets": [0, 0]}),
    np.zeros(2, [(("title", "a"), "i4")]), np.zeros(2, np.dtype([("x", "M8[25s]")])),
    np.zeros(3, np.dtype("i4", metadata={"unit": "m"})), np.zeros((0, 3), "S7"), np.zeros(2, []),
    np.zeros((1,) * 30), np.zeros(3, ">c16"), np.zeros(2**16, "V0"),
]  # fmt: skip


@pytest.mark.parametrize("value", STRUCTURES, ids=lambda value: str(value.dtype)[:40])
def test_every_type_of_numpy_that_stands_for_bytes_comes_through(value):
    pair = SessionPair(Main())
    pair.settle(pair.main.call("greet", value))
    back = pair.server.exports[0].target.got[0]
    assert (back.dtype, back.shape) == (value.dtype, value.shape)
    assert back.tobytes() == value.tobytes()


def test_what_an_array_may_not_have_is_refused_where_it_is_sent():
    pair = SessionPair(Main())
    for value in (np.zeros(1, "O"), np.zeros(2**16 + 1, "V0"), np.zeros(1, [("a", "O")])):
        with pytest.raises(DataCloneError):
            pair.settle(pair.main.call("greet", value))


MALFORMED = {
    values.ARRAY: [
        ["i"], ["i", 4, "little"], ["i", 4, "little", b"\0"], ["i", 4, "middle", b"\0" * 4],
        ["O", 8, "little", b"\0" * 8], ["ii", 4, "little", b"\0" * 4], ["u", 5], ["u", b"x"],
        ["i", "4", "little", b"\0" * 4], ["", 4, "little", b""], 5, None,
        ["u", 4, "little", b"\xff" * 4],
        ["i", 4, "little", "text"],
    ],
    values.DATETIME: [
        [], [2024], [2024, 1, 1, 0, 0, 0, 0, 0, None, 1], [0, 1, 1, 0, 0, 0, 0, 0, None],
        [number(10**30), 1, 1, 0, 0, 0, 0, 0, None], [2024, 13, 1, 0, 0, 0, 0, 0, None],
        [2024, 1, 1, 0, 0, 0, 0, 2, None], ["2024", 1, 1, 0, 0, 0, 0, 0, None],
        [2024, 1.5, 1, 0, 0, 0, 0, 0, None], [2024, 1, 1, 0, 0, 0, 0, 0, 5],
        [2024, 1, 1, 0, 0, 0, 0, 0, []], [2024, 1, 1, 0, 0, 0, 0, 0, [[1, 0, 0]]],
        [2024, 1, 1, 0, 0, 0, 0, 0, [[0, 0, 0], 5]], [2024, 1, 1, 0, 0, 0, 0, 0, [[0, 0]]],
        [2024, 1, 1, 0, 0, 0, 0, 0, [[number(10**30), 0, 0]]], "2024-01-01", 7,
    ],
    values.DATE: [0, -1, number(10**30), 1.5, "1", None, [1]],
    values.TIME: [[], [24, 0, 0, 0, 0, None], [0, 0, 0, 0, 9, None], [0, 0, 0, 0, 0, True], {}],
    values.TIMEDELTA: [
        [], [1, 2], [10**9, 0, 0], [number(10**40), 0, 0], [1.5, 0, 0], ["1", 0, 0], [0, 0, 0, 0],
        "abc",
    ],
    values.DECIMAL: [5, 1.5, [0, [1], 0], None, b"1", "one", "1E1E1", "1e" + "9" * 30, ""],
    values.UUID: [b"", b"\0" * 15, b"\0" * 17],
    values.PATTERN: [
        [], ["x"], ["x", 0, 0], ["x", "I"], ["x", 128], ["x", 1], ["x", -1], ["x", number(2**70)],
        [["x"], 0], [5, 0], "x", ["x", True],
    ],
    values.TUPLE: [5, "abc", {"a": 1}, b"abc", None],
    values.SET: [5, "abc", {"a": 1}, [[1]], [{}], None],
    values.FROZENSET: ["abc", [[1]], [ext(values.SET, [])]],
    values.RECORD: [
        5, [], ["Headers"], ["Headers", 5], [5, []], ["Headers", [], []], [["x"], []],
        ["Headers", [ext(values.GRAPH, [[0, []]])]], ["Headers", [ext(values.INLINE, [])]],
    ],
    values.EXCEPTION: [
        5, [], ["ValueError"], [5, [], {}, []], ["ValueError", {}, {}, []],
        ["ValueError", [], [], []], ["ValueError", [], {}, {}], ["ValueError", [], {}, [5]],
        ["ValueError", [ext(values.TUPLE, [])], {}, []],
    ],
    values.GRAPH: [
        5, [], [5], [[LIST]], [[LIST, 5]], [[LIST, [], []]], [[99, []]], [[-1, []]], [["0", []]],
        [[LIST, [node(1)]]], [[LIST, [[node(0)]]]], [[DICT, [1]]], [[DICT, [[1]]]],
        [[LEAF, 5]], [[LEAF, [1]]], [[TUPLE, [node(0)]]], [[LIST, [ext(values.TUPLE, [node(0)])]]],
        [[SET_NODE, [node(1)]], [LIST, []]], [[DICT, [[node(1), 1]]], [LIST, []]],
        [[6, []]], [[6, ["E", [], [], None]]], [[6, [5, [], [], None, []]]],
        [[6, ["ValueError", [], [[1, 2, 3]], None, []]]], [[6, ["ValueError", [], [], 5, []]]],
        [[6, ["ValueError", [], [], None, [5]]]],
        [[6, ["ValueError", [], [[node(0), 1]], None, []]]],
    ],
    values.JOINT: [[[LIST, []]], [[LIST, [1, 2]]]],
    values.NODE: [b"\0\0\0\0"],
    99: [b""],
    0: [b"\1"],
    1: [b"\xff" * 9],
}  # fmt: skip


@pytest.mark.parametrize(
    ("code", "parts"),
    [(code, parts) for code, all_parts in MALFORMED.items() for parts in all_parts],
    ids=lambda value: repr(value)[:40],
)
def test_parts_of_which_no_value_is_made_end_the_session_with_a_reason(code, parts):
    for frame in (calls(ext(code, parts)), calls(ext(code, parts), "x" * 300)):
        refused = hostile()
        assert "the peer sent" in refusal(refused, frame)


KEYS = [
    "../../etc/passwd", "/etc/passwd", "Europe/../../passwd", "Europe/Berlin\0", "a" * 100_000,
    "a/" * 50 + "a", "", ".", "os.path", "Europe\\Berlin", "\ud800", "C:/zones", "a//b", "/", "a/",
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=lambda key: repr(key)[:20])
def test_a_time_zone_is_no_path_and_no_file_is_opened_for_one_that_looks_so(pair, key, monkeypatch):
    monkeypatch.setattr(zoneinfo, "ZoneInfo", lambda key: pytest.fail(f"looked for {key!r}"))
    parts = [2024, 1, 1, 0, 0, 0, 0, 0, key]
    assert "no time zone is made" in refusal(pair, calls(ext(values.DATETIME, parts)))


def test_zones_that_are_not_there_are_looked_for_once(monkeypatch):
    asked = []
    monkeypatch.setattr(values._Zones, "some_missing", False)
    real = zoneinfo.ZoneInfo
    monkeypatch.setattr(zoneinfo, "ZoneInfo", lambda key: asked.append(key) or real(key))
    pair = hostile()
    times = [ext(values.TIME, [0, 0, 0, 0, 0, f"Nowhere/No{n}"]) for n in range(50)]
    pair.inject(calls(*times))
    assert asked == ["Nowhere/No0"]
    assert isinstance(pair.server.exports[1].value, DataCloneError)


# Regular expressions.


def pattern(source, flags=0):
    return ext(values.PATTERN, [source, flags])


@pytest.mark.parametrize("flag", [re.DEBUG, 1, 1024])
def test_flags_that_print_or_that_nobody_knows_are_refused(pair, flag, capsys):
    assert "no regular expression is made" in refusal(pair, calls(pattern("x", int(flag))))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("length", "fits"), [(99, True), (100, True), (101, False)])
def test_the_characters_of_all_patterns_of_a_message_are_limited(length, fits):
    limits = Limits(patterns=100)
    pair = hostile(limits=limits)
    sources = ["x" * (length // 2), "y" * (length - length // 2)]
    if fits:
        assert [each.pattern for each in taken(pair, *map(pattern, sources))] == sources
    else:
        assert "regular expressions of over 100" in refusal(pair, calls(*map(pattern, sources)))
    sender = SessionPair(Main(), limits=limits)
    call = sender.main.call("greet", *map(re.compile, sources))
    if fits:
        assert sender.settle(call) == "greeted"
    else:
        with pytest.raises(MessageTooLargeError, match="are limited to 100 characters"):
            sender.settle(call)
        assert sender.settle(sender.main.call("greet", re.compile("x" * 100))) == "greeted"


def test_what_stands_before_half_a_surrogate_pair_counts_once():
    # The message is packed anew when the first such text is met.
    sender = SessionPair(Main(), limits=Limits(patterns=100))
    target, pattern = Main(), re.compile("x" * 100)
    texts = ["\ud800", {"\udfff": ("a\ud800",)}]
    first = sender.client.last_export
    for introduced in (1, 2):
        call = sender.main.call("greet", target, [pattern, target], *texts)
        assert sender.settle(call) == "greeted"
        assert first - sender.client.last_export == introduced
        _, (arrived, _), *got = sender.server.exports[0].target.got
        assert (arrived.pattern, got) == (pattern.pattern, texts)


WIDE = [
    "[\0-\uffff]" * 100, r"[\u0100-\uffff]" * 100, "(?:" + "\u0100|" * 100 + "x)",
    r"[\N{GREEK SMALL LETTER ALPHA}]" * 100, r"[\U00010000-\U0010ffff]" * 100,
]  # fmt: skip


@pytest.mark.parametrize("source", WIDE, ids=ascii)
def test_sets_of_wide_characters_count_for_what_they_take_to_compile(pair, source, monkeypatch):
    monkeypatch.setitem(values.DECODERS, values.PATTERN, lambda _: pytest.fail("compiled"))
    assert "regular expressions of over" in refusal(
        pair, calls(pattern(source, int(re.IGNORECASE)))
    )


def test_patterns_of_honest_use_come_through(pair):
    sources = [
        r"[A-Za-z0-9_.+-]+@[\w-]+\.\w{2,}",
        "[\u03b1-\u03c9]+|\xe9",
        r"(?x) a # b" * 50,
        "[[x]--y]",
    ]
    got = taken(pair, *[pattern(source, 34) for source in sources])
    assert [each.pattern for each in got] == sources


def test_a_pattern_that_does_not_compile_fails_that_call_alone(pair):
    pair.inject(calls(pattern("(" * 5000)))
    assert pair.server.closed is None
    assert isinstance(pair.server.exports[1].value, DataCloneError)


# Keys.


def keyed(keys):
    """A map as C reads it, of any keys."""
    body = b"".join(packed(key) + b"\xc0" for key in keys)
    return b"\xdf" + len(keys).to_bytes(4, "big") + body


FEW = {values.DATE}
"""Hashable, and no peer can find enough of them that share a hash."""

HASHABLE = {
    values.ENCODERS[kind][0]
    for kind in values.ENCODERS
    if kind.__hash__ is not None and kind not in (re.Pattern, array.array)
}


def test_each_type_whose_values_may_be_keys_is_watched():
    assert values.KEYS | FEW == HASHABLE


def test_each_type_that_is_read_has_broken_forms_here():
    # Any bytes are an integer; an array of numpy is made of the parts of an array.
    assert values.DECODERS.keys() - {values.INTEGER, values.NDARRAY} <= MALFORMED.keys()


CROWD = SAME_HASH + 2000
COLLIDING = {
    "integers": [number(n * PRIME) for n in range(1, CROWD)],
    "UUIDs": [ext(values.UUID, (n * PRIME).to_bytes(16, "big")) for n in range(CROWD)],
    "Decimals": [ext(values.DECIMAL, str(n * PRIME)) for n in range(CROWD)],
    "tuples": [ext(values.TUPLE, [number(n * PRIME)]) for n in range(1, CROWD)],
    "frozensets": [ext(values.FROZENSET, [number(n * PRIME)]) for n in range(1, CROWD)],
    "tuples in tuples": [
        ext(values.TUPLE, [1, ext(values.TUPLE, [number(n * PRIME)])]) for n in range(1, CROWD)
    ],
}


@pytest.mark.parametrize("keys", COLLIDING.values(), ids=COLLIDING)
def test_keys_that_share_a_hash_are_refused_in_dicts_sets_and_graphs(keys):
    begin = packed([CALL, 1, 0, "greet", []])[:-1] + b"\x91"
    nodes = [[DICT, [[key, None] for key in keys]]]
    for frame in (
        begin + keyed(keys),
        calls(ext(values.SET, keys)),
        calls(ext(values.FROZENSET, keys)),
        calls(ext(values.GRAPH, nodes)),
        calls(ext(values.RECORD, ["Request", ["GET", "http://x", "follow", keys, [], None]])),
    ):
        assert "keys share one hash" in refusal(hostile(), frame)


def test_keys_in_the_attributes_of_an_error_are_looked_at_too(pair):
    body = packed("ValueError") + packed([]) + keyed(COLLIDING["integers"]) + packed([])
    assert "keys share one hash" in refusal(pair, calls(ext(values.EXCEPTION, b"\x94" + body)))


def test_a_time_of_msgpack_itself_is_no_key_of_a_chosen_hash(pair):
    stamp = b"\xd7\xff" + msgpack.Timestamp(1, 2).to_bytes()
    pair.inject(calls("x" * 300)[:-304] + b"\x92\x81" + stamp + b"\xc0" + packed("x" * 300))
    mapping, _ = pair.server.exports[0].target.got
    assert [*map(type, mapping)] == [float]


def shared_keys(crowd):
    """A graph of many dicts whose keys are the same few tuples, of one hash."""
    tuples = [[TUPLE, [number(n * PRIME)]] for n in range(1, crowd + 1)]
    names = [node(n + 1) for n in range(crowd)]
    dicts = [[DICT, [[name, None] for name in names]] for _ in range(3)]
    return [[LIST, [node(crowd + 1 + n) for n in range(3)]], *tuples, *dicts]


@pytest.mark.parametrize(
    ("crowd", "fits"), [(SAME_HASH - 1, 1), (SAME_HASH, 1), (SAME_HASH + 1, 0)]
)
def test_keys_that_share_a_hash_are_counted_in_graphs_from_the_first_one(pair, crowd, fits):
    frame = calls(ext(values.GRAPH, shared_keys(crowd)))
    if fits:
        pair.inject(frame)
        assert pair.server.closed is None
    else:
        assert "keys share one hash" in refusal(pair, frame)


def test_honest_keys_that_share_hashes_come_through():
    grid = {(x, y, z): 1 for x in range(-9, 9) for y in range(-9, 9) for z in range(-9, 9)}
    grid |= {n * PRIME: n for n in range(SAME_HASH)}
    pair = SessionPair(Main())
    assert pair.settle(pair.main.call("greet", grid, set(grid))) == "greeted"
    assert pair.server.exports[0].target.got == (grid, set(grid))


DOUBLING = [[TUPLE, [node(n + 1), node(n + 1)]] for n in range(60)] + [[TUPLE, []]]
FREEZING = [[FROZENSET, [node(n + 1), ext(values.TUPLE, [n])]] for n in range(60)] + [[TUPLE, []]]


def moved(nodes, by):
    """Nodes behind others."""

    def move(part):
        is_node = type(part) is msgpack.ExtType and part.code == values.NODE
        return node(int.from_bytes(part.data, "big") + by) if is_node else part

    return [[kind, [move(part) for part in parts]] for kind, parts in nodes]


EXPLODING = {
    "a key of a dict": [[DICT, [[node(1), 1]]], *moved(DOUBLING, 1)],
    "a member of a set": [[SET_NODE, [node(1)]], *moved(DOUBLING, 1)],
    "a member of a frozenset": [[FROZENSET, [node(1)]], *moved(DOUBLING, 1)],
}


@pytest.mark.parametrize("nodes", EXPLODING.values(), ids=EXPLODING)
def test_a_key_that_takes_exponential_work_to_hash_is_refused_before_it_is(pair, nodes):
    assert "too much work to look up" in refusal(pair, calls(ext(values.GRAPH, nodes)))


def test_a_graph_that_is_such_a_key_itself_is_refused():
    graph = ext(values.GRAPH, DOUBLING)
    for frame in (
        calls(ext(values.SET, [graph])),
        packed([CALL, 1, 0, "greet", []])[:-1] + b"\x91" + keyed([graph]),
        calls(graph),
    ):
        assert "the peer sent" in refusal(hostile(), frame)


def test_many_graphs_that_are_keys_are_bounded_together(pair):
    some = [*DOUBLING[40:-1], [TUPLE, []]]
    graph = ext(values.GRAPH, moved(some, -40))
    assert "the peer sent" in refusal(pair, calls(ext(values.SET, [graph] * 20)))


def test_a_result_of_shared_tuples_is_a_value_all_the_same():
    value = ()
    for _ in range(60):
        value = (value, value)

    class Sharing(RpcTarget):
        def make(self):
            return value

    pair = SessionPair(Sharing())
    back, depth = pair.settle(pair.main.call("make")), 0
    while back:
        assert back[0] is back[1]
        back, depth = back[0], depth + 1
    assert depth == 60


def test_sets_of_frozensets_that_share_others_come_through(pair):
    frame = calls(ext(values.GRAPH, [[LIST, [node(1), node(1)]], *moved(FREEZING, 1)]))
    pair.inject(frame)
    assert pair.server.closed is None


# Depth.


def nested(wrap, depth, inmost=1):
    value = inmost
    for _ in range(depth):
        value = wrap(value)
    return value


def chained(depth):
    """A list of one tuple, which holds another one, and so on."""
    return [[LIST, [node(1)]], *[[TUPLE, [node(n + 1)]] for n in range(1, depth)], [TUPLE, [1]]]


def test_100000_tuples_in_a_set_are_refused_before_they_are_hashed(pair):
    nodes = [[SET_NODE, [node(1)]], *chained(100_000)[1:]]
    assert "hold one another" in refusal(pair, calls(ext(values.GRAPH, nodes)))


@pytest.mark.parametrize("kind", ["OSError", "ValueError"])
def test_100000_causes_are_refused_before_they_are_let_go(pair, kind):
    nodes = [[6, [kind, [1, "x"], [], node(n + 1), []]] for n in range(100_000)]
    nodes.append([6, [kind, [], [], None, []]])
    assert "hold one another" in refusal(pair, calls(ext(values.GRAPH, nodes)))


@pytest.mark.parametrize("cause", [0, 99_999])
def test_causes_in_a_circle_are_bounded_too(pair, cause):
    nodes = [[6, ["OSError", [], [], node((n + 1) % 100_000), []]] for n in range(100_000)]
    nodes[-1] = [6, ["OSError", [], [], node(cause), []]]
    assert "hold one another" in refusal(pair, calls(ext(values.GRAPH, nodes)))


@pytest.mark.parametrize(("links", "fits"), [(79, True), (80, True), (81, False)])
def test_tuples_may_hold_one_another_eight_times_as_deep_as_the_nesting(links, fits):
    limits = Limits(nesting=10)
    chain = [()]
    for _ in range(links - 1):
        chain.append((chain[-1],))
    pair = SessionPair(Main(), limits=limits)
    call = pair.main.call("greet", chain)
    if fits:
        assert pair.settle(call) == "greeted"
    else:
        with pytest.raises(DataCloneError, match="deeper than 80 containers"):
            pair.settle(call)
    tuples = [[TUPLE, [node(n + 1)]] for n in range(1, links)]
    everything = [[LIST, [node(n + 1) for n in range(links)]], *tuples, [TUPLE, []]]
    pair = hostile(limits=limits)
    frame = calls(ext(values.GRAPH, everything))
    if fits:
        pair.inject(frame)
        assert pair.server.closed is None
    else:
        assert "over 80 tuples" in refusal(pair, frame)


PLAIN = {
    "lists": lambda inner: [inner],
    "dicts": lambda inner: {"k": inner},
    "tuples": lambda inner: ext(values.TUPLE, [inner]),
    "frozensets": lambda inner: ext(values.FROZENSET, [inner]),
    "keys": lambda inner: ext(values.TUPLE, [inner]),
    "lists and tuples": lambda inner: [ext(values.TUPLE, [inner])],
    "lists with others": lambda inner: [1, "x", inner, 2.5],
}
ADDS = {"lists and tuples": 2}


@pytest.mark.parametrize("inmost", [1, []], ids=["full", "empty"])
@pytest.mark.parametrize("padding", ["", "x" * 100_000], ids=["short", "long"])
@pytest.mark.parametrize("nesting", [12, 256])
@pytest.mark.parametrize("wrap", PLAIN)
def test_the_limit_of_nesting_holds_on_arrival_to_the_level(wrap, nesting, padding, inmost):
    if wrap in ("frozensets", "keys") and inmost == []:
        inmost = ext(values.TUPLE, [])
    adds = ADDS.get(wrap, 1)
    for more, fits in ((-adds, True), (0, True), (adds, False)):
        depth = nesting + more - (inmost != 1)
        pair = hostile(limits=Limits(nesting=nesting))
        value = nested(PLAIN[wrap], depth // adds, inmost)
        if depth % adds:
            value = [value]
        if wrap == "keys":
            value = {nested(PLAIN[wrap], depth - 1, inmost): 1}
        pair.inject(calls(value, padding))
        assert (pair.server.closed is None) is fits, (more, pair.server.closed)


@pytest.mark.parametrize("where", ["arguments", "keywords", "a result", "a graph", "an error"])
@pytest.mark.parametrize(("depth", "fits"), [(11, True), (12, True), (13, False), (5000, False)])
def test_the_limit_of_nesting_holds_wherever_a_value_stands(where, depth, fits):
    pair = hostile(limits=Limits(nesting=12))
    end = pair.server
    value = nested(lambda inner: [inner], min(depth, 900))
    if where == "arguments":
        frame = calls(value)
    elif where == "keywords":
        frame = packed([CALL, 1, 0, "greet", [], {"k": {"x": value}}])
    elif where == "a result":
        pair.main.call("greet")
        pair.wire.hold(pair.client)
        end, frame = pair.client, packed([RESOLVE, 1, value])
    else:
        kind, last = (
            (LIST, [LIST, [1]])
            if where == "a graph"
            else (6, [6, ["ValueError", [], [], None, []]])
        )
        nodes = []
        for n in range(depth - 1):
            parts = [node(n + 1)]
            nodes.append([kind, parts if kind == LIST else ["ValueError", parts, [], None, []]])
        frame = calls(ext(values.GRAPH, [*nodes, last]))
    end.receive(0, [frame])
    assert (end.closed is None) is fits, end.closed
    if not fits:
        assert isinstance(end.closed, RemoteProtocolError)


def test_extension_types_inside_one_another_leave_the_stack_alone(pair):
    value = b"\xc0"
    for _ in range(5000):
        value = packed(msgpack.ExtType(values.TUPLE, b"\x91" + value))
    refusal(pair, calls()[:-1] + b"\x91" + value)


# Number.


# The message has five parts and its arguments; with itself and the list of these, that makes eight.
FORMS = {
    "list": (lambda n: [None] * n, lambda n: n + 1),
    "dict": (lambda n: {"k": [None] * (n - 1)}, lambda n: n + 3),
    "lists": (lambda n: [[None]] + [None] * (n - 1), lambda n: n + 3),
    "tuple": (lambda n: ext(values.TUPLE, [None] * n), lambda n: n + 1),
    "graph": (lambda n: ext(values.GRAPH, [[LIST, [None] * n]]), lambda n: n + 6),
}


@pytest.mark.parametrize(("count", "fits"), [(29, True), (30, True), (31, False)])
@pytest.mark.parametrize("form", FORMS)
def test_the_values_of_a_message_are_counted_on_arrival(form, count, fits):
    make, holds = FORMS[form]
    pair = hostile(limits=Limits(message_objects=30))
    pair.inject(calls(make(count - 8 - holds(0))))
    assert (pair.server.closed is None) is fits
    if not fits:
        assert str(pair.server.closed) == (
            "the peer sent a message of over 30 values (Limits.message_objects)"
        )


@pytest.mark.parametrize(("count", "fits"), [(29, True), (30, True), (31, False)])
def test_whoever_sends_too_many_values_learns_it_and_the_session_goes_on(count, fits):
    pair = SessionPair(Main(), limits=Limits(message_objects=30))
    call = pair.main.call("greet", [None] * (count - 9))
    if fits:
        assert pair.settle(call) == "greeted"
        return
    with pytest.raises(MessageTooLargeError, match="a message is limited to 30 values"):
        pair.settle(call)
    assert pair.settle(pair.main.call("greet", [1])) == "greeted"


EXPANDING = {
    "empty lists": b"\x90",
    "empty dicts": b"\x80",
    "dicts": b"\x81\xc0\xc0",
    "small numbers": b"\xe0",
    "sets": packed(ext(values.SET, [])),
    "nothing": b"\xc0",
}


@pytest.mark.parametrize("unit", EXPANDING.values(), ids=EXPANDING)
def test_ten_megabytes_do_not_become_many_times_as_much(pair, unit):
    count = 10_000_000 // len(unit)
    row = b"\xdc" + (1000).to_bytes(2, "big") + unit * 1000
    rows = b"\xdd" + (count // 1000).to_bytes(4, "big") + row * (count // 1000)
    assert "over 4,194,304 values" in refusal(pair, calls()[:-1] + b"\x91" + rows)
    flat = b"\xdd" + count.to_bytes(4, "big") + unit * count
    if count > 4_194_304:
        assert "the peer sent" in refusal(hostile(), calls()[:-1] + b"\x91" + flat)


def test_values_of_much_data_are_few():
    pair = SessionPair(Main())
    blob = b"\x90" * 12_000_000
    assert (
        pair.settle(pair.main.call("greet", blob, [blob], array.array("b", blob[:9]))) == "greeted"
    )
    assert pair.server.exports[0].target.got[1] == [blob]


def test_a_list_that_claims_more_than_the_frame_holds_costs_nothing(pair):
    size = 60_000
    claims = (b"\xdd" + size.to_bytes(4, "big")) * 900
    frame = calls()[:-1] + b"\x91" + claims + b"\xc0" * (size - len(claims))
    refusal(pair, frame)


def test_a_promise_in_a_result_is_refused():
    from rpclab.core.references import PROMISE  # noqa: PLC0415 - of this test alone

    pair = SessionPair(Main())
    pair.main.call("greet")
    pair.wire.hold(pair.client)
    reference = msgpack.ExtType(PROMISE, (-5).to_bytes(8, "big", signed=True))
    pair.client.receive(0, [packed([RESOLVE, 1, [reference]])])
    assert "promise inside" in str(pair.client.closed)


def test_nothing_of_a_refused_frame_is_left_for_the_next_one():
    from rpclab.codecs import stored_values  # noqa: PLC0415 - of this test alone

    for broken in (ext(values.JOINT, [[LIST, [1]]]), ext(values.PATTERN, ["x" * 30_000, 0])):
        with pytest.raises(RemoteProtocolError):
            stored_values.unpack(packed([broken]))
        assert stored_values.unpack(stored_values.pack([(1, re.compile("x"))])) == [
            (1, re.compile("x"))
        ]


@pytest.mark.skipif(sys.version_info < (3, 13), reason="arrays of that type are new there")
def test_an_array_of_characters_holds_characters(pair):
    refusal(pair, calls(ext(values.ARRAY, ["w", 4, "little", b"\xff" * 4])))


def test_what_one_message_was_is_forgotten_when_the_next_one_comes():
    pair = SessionPair(Main(), limits=Limits(message_objects=5000))
    promises = [pair.main.call("greet") for _ in range(3)]
    pair.wire.hold(pair.client)
    error = ext(values.EXCEPTION, ["SystemExit", [1], {}, []])
    long = "x" * 9000
    for frame in (
        packed([RESOLVE, 1, [long] * 2]),  # of more bytes than values may be in it
        packed([REJECT, 2, error, True]),
        packed([RESOLVE, 3, [error, ext(values.TUPLE, [1] * 4000)]]),
    ):
        pair.client.receive(0, [frame])
    assert pair.client.closed is None
    assert promises[0].outcome == [long, long]
    assert type(promises[1].outcome).__name__ == "RpcError"
    assert type(promises[2].outcome[0]) is SystemExit
