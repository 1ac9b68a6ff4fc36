"""What a message mentions many times is written once; what is not is bounded before it is made."""

from __future__ import annotations

import tracemalloc
from contextlib import contextmanager

import pytest
from support.frames import ext, packed
from support.inline_host import SessionPair

from rpclab import Limits, RpcTarget
from rpclab.codecs import graphs, values
from rpclab.codecs.capnweb import CapnWebCodec
from rpclab.codecs.graphs import LEAF, LIST
from rpclab.codecs.sharing import NAMED
from rpclab.core.messages import CALL, LARGE, MAP, RESOLVE, size_of
from rpclab.core.references import OWN_STUB, PLACEHOLDER
from rpclab.errors import MessageTooLargeError

MANY = 3_000
TEXT = "x" * 30_000
DATA = b"x" * 30_000


class Main(RpcTarget):
    """What the client reaches."""

    def __init__(self) -> None:
        self.got = []

    def same(self, value):
        self.got.append(value)
        return value

    def fail_with(self, value):
        raise value

    def items(self, count):
        return [1] * count

    def texts(self, count):
        return [TEXT] * count


def sizes(pair):
    """How many bytes the frames have that were sent; runs, which are not packed, aside."""
    frames = [frame for _, _, batch in pair.wire.sent for frame in batch]
    return [size_of(frame) for frame in frames if type(frame) is bytes or type(frame[0]) is bytes]


def arrive(pair, *frames):
    """Let the server receive frames that its peer knows nothing of. Gives the sizes of answers."""
    pair.wire.hold(pair.server)
    pair.server.receive(0, list(frames))
    pair.host.turn()
    assert pair.server.closed is None
    return sizes(pair)


@contextmanager
def at_most(size):
    """See that no more bytes are taken meanwhile, at any moment."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


def number(value):
    return value.to_bytes(8, "big", signed=True)


def named(node):
    return ext(values.NODE, node.to_bytes(4, "big"))


# Bytes that a peer names many times, and a method gives back.


def graph_with(leaf):
    return ext(values.GRAPH, [[LIST, [named(1)] * MANY], [LEAF, leaf]])


def error_with(leaf):
    error = ["ValueError", [named(1)] * MANY, [], None, []]
    return ext(values.GRAPH, [[graphs.ERROR, error], [LEAF, leaf]])


@pytest.mark.parametrize("method", ["same", "fail_with"])
@pytest.mark.parametrize("size", [NAMED, 1000, LARGE - 1, LARGE, 10 * LARGE])
def test_bytes_that_a_peer_names_many_times_go_back_once(method, size):
    value = (graph_with if method == "same" else error_with)(b"x" * size)
    frame = packed([CALL, 1, 0, method, [value]])
    [back] = arrive(SessionPair(Main()), frame)
    assert back < 6 * len(frame)


def test_bytes_beside_a_frame_that_a_peer_mentions_many_times_go_back_once():
    beside = ext(values.BESIDE, (0).to_bytes(4, "big"))
    for count in (20, MANY):
        frame = [packed([CALL, 1, 0, "same", [[beside] * count]]), b"x" * 100_000]
        [back] = arrive(SessionPair(Main()), frame)
        assert back < 2 * size_of(frame) + 16 * count


# Bytes that the user's own values hold many times.


OWN = {
    "a list": lambda data: [data] * MANY,
    "rows": lambda data: [{"id": n, "data": data} for n in range(MANY)],
    "tuples in a dict": lambda data: {n: (data, n) for n in range(MANY)},
    "beside others": lambda data: [b"y" * 40_000, [data] * MANY, b"z" * 100],
}


@pytest.mark.parametrize("make", OWN.values(), ids=OWN)
@pytest.mark.parametrize("size", [30_000, 100_000])
def test_bytes_that_a_value_holds_many_times_are_sent_once(make, size):
    main = Main()
    pair = SessionPair(main)
    value = make(b"x" * size)
    back = pair.settle(pair.main.call("same", value))
    assert back == value == main.got[0]
    assert max(sizes(pair)) < 2 * size + 60 * MANY + 60_000


def test_it_does_not_matter_where_they_stand():
    class Taker(RpcTarget):
        def take(self, *args, **kwargs):
            return len(args), len(kwargs)

    data = b"x" * 100_000
    for args, kwargs in (
        ([data] * 400, {}),
        ([], {f"data{n}": data for n in range(400)}),
        ([data] * 200, {f"data{n}": [data] for n in range(200)}),
    ):
        pair = SessionPair(Taker())
        assert pair.settle(pair.main.call("take", *args, **kwargs)) == (len(args), len(kwargs))
        assert max(sizes(pair)) < 2 * len(data)


def test_large_bytes_ride_beside_a_frame_once_and_come_as_one_object():
    main = Main()
    pair = SessionPair(main)
    data = b"x" * LARGE
    pair.settle(pair.main.call("same", [data, {"again": data}, data]))
    first, second, third = main.got[0]
    assert first is second["again"] is third
    for _, _, frames in pair.wire.sent[:2]:  # the call, and its result
        assert [len(frame) for frame in frames if type(frame[0]) is bytes] == [2]


def test_few_bytes_that_stand_twice_among_many_values_are_left_to_c():
    pair = SessionPair(Main())
    data = b"x" * 100
    pair.settle(pair.main.call("same", [{"id": n, "kind": data} for n in range(100)]))
    assert sizes(pair)[0] > 100 * len(data)


def test_bytes_may_stand_as_deep_as_values_nest_and_be_keys():
    pair = SessionPair(Main(), limits=Limits(nesting=10))
    for data in (b"x" * NAMED, b"x" * LARGE):
        inmost = [data, data]
        deep = [inmost, inmost]
        for _ in range(8):
            deep = [deep]
        assert pair.settle(pair.main.call("same", deep)) == deep
        keys = [{data: [1], "k": inmost}, {data}, frozenset({(data,)}), inmost]
        assert pair.settle(pair.main.call("same", keys)) == keys


# What a mapped function of a few bytes has copied, sent on and written down for each item.

INLINE = values.INLINE


def inline(value):
    return ext(INLINE, packed(value))


def variable(number_):
    return ext(PLACEHOLDER, number(number_))


def mapped(program, *, count=4_000, limits=None, captures=()):
    """Map over so many items. Gives the error, or None, and what was sent."""
    pair = SessionPair(Main(), limits=limits or Limits())
    sent = arrive(
        pair,
        packed([CALL, 1, 0, "items", [count]]),
        packed([MAP, 2, 1, [], list(captures), program]),
    )
    answer = pair.server.exports.get(2)
    error = None if answer is None or answer.state == 1 else answer.value
    return error, sum(sent)


A_CALL = (-1, ["same"])
ITSELF = [ext(OWN_STUB, number(0))]
PROGRAMS = {
    "a text": ([inline(TEXT)], ()),
    "a text in a list": ([inline([1, TEXT])], ()),
    "a number": ([inline(ext(values.INTEGER, b"x" * 30_000))], ()),
    "a list": ([inline([0] * 2000)], ()),
    "an array": ([inline(ext(values.ARRAY, ["b", 1, "little", DATA]))], ()),
    "an error": ([inline(ext(values.EXCEPTION, ["ValueError", [TEXT], {}, []]))], ()),
    "a list for a call": ([[*A_CALL, inline([[[0] * 2000], {}])], inline(None)], ITSELF),
    "many mentions": ([inline([variable(0)] * 2000)], ()),
}


@pytest.mark.parametrize(("program", "captures"), PROGRAMS.values(), ids=PROGRAMS)
def test_what_a_mapped_function_makes_is_bounded_before_it_is_made(program, captures):
    limits = Limits(message_bytes=1_000_000, message_objects=100_000)
    with at_most(8_000_000):
        error, sent = mapped(program, captures=captures, count=1000, limits=limits)
    assert type(error) is MessageTooLargeError
    assert sent < 10_000
    assert mapped(program, captures=captures, count=10, limits=limits)[0] is None


def test_a_text_that_a_step_gives_counts_as_often_as_the_result_mentions_it():
    program = [[-1, ["texts"], inline([[1], {}])], inline([variable(1)] * 40)]
    limits = Limits(message_bytes=1_000_000)
    assert mapped(program, captures=ITSELF, count=10, limits=limits)[0] is None
    program = [[-1, ["same"], inline([[TEXT], {}])], inline([variable(1)] * 4)]
    assert mapped(program, captures=ITSELF, count=8, limits=limits)[0] is None
    error, sent = mapped(program, captures=ITSELF, count=9, limits=limits)
    assert "Limits.message_bytes" in str(error)
    assert sent < 10_000


def test_bytes_in_the_result_of_a_mapped_function_are_sent_once():
    error, sent = mapped([inline(DATA)])
    assert error is None
    assert sent < 10 * 4_000 + 2 * len(DATA) + 100_000


@pytest.mark.parametrize(("limit", "fits"), [(999, False), (1000, True), (1001, True)])
def test_the_values_that_a_map_copies_are_limited(limit, fits):
    program = [[*A_CALL, inline([[[0, 0]], {}])], inline([1, 2, 3])]
    # A list of two in the list of arguments, beside the dict of keywords; and the result.
    each = (2 + 1) + (1 + 1) + (0 + 1) + (2 + 1) + (3 + 1)
    count = 1000 // each
    limits = Limits(message_objects=limit - 1000 + count * each)
    error, _ = mapped(program, captures=ITSELF, count=count, limits=limits)
    assert (error is None) is fits
    assert fits or "Limits.message_objects" in str(error)


@pytest.mark.parametrize(("more", "fits"), [(-1, False), (0, True), (1, True)])
@pytest.mark.parametrize("data", [TEXT, DATA], ids=["text", "bytes"])
def test_the_bytes_that_a_map_gives_its_calls_are_limited(data, more, fits):
    program = [[*A_CALL, inline([[data], {}])], inline(None)]
    limits = Limits(session_bytes=40 * len(data) + more)
    error, _ = mapped(program, captures=ITSELF, count=40, limits=limits)
    assert (error is None) is fits
    assert fits or "Limits.session_bytes" in str(error)


# A peer of JavaScript, for which nothing is written once.


class Rows(RpcTarget):
    """Gives one part many times."""

    def __init__(self, part, count) -> None:
        self._rows = [part] * count

    def rows(self):
        return self._rows


REPEATED = {
    "a text": [TEXT],
    "a text under a key": {"text": TEXT},
    "a key": {TEXT: 1},
    "bytes": DATA,
    "an integer": [10**16_000],
    "an error": ValueError(TEXT),
}


@pytest.mark.parametrize("part", REPEATED.values(), ids=REPEATED)
def test_what_repeats_for_a_javascript_peer_is_weighed_before_it_is_written(part):
    pair = SessionPair(Rows(part, MANY), codec=CapnWebCodec, limits=Limits(message_bytes=200_000))
    with at_most(3_000_000):
        call = pair.main.call("rows")
        pair.host.turn()
    assert "what this value mentions several times comes to more" in str(call.outcome)
    assert max(sizes(pair)) < 1000


@pytest.mark.parametrize("part", REPEATED.values(), ids=REPEATED)
def test_what_repeats_and_fits_is_written_each_time(part):
    pair = SessionPair(Rows(part, 5), codec=CapnWebCodec)
    back = pair.settle(pair.main.call("rows"))
    assert len(back) == 5
    assert isinstance(part, Exception) or back == [part] * 5


def test_the_graph_of_a_result_is_read_as_it_was_sent():
    main = Main()
    pair = SessionPair(main)
    frame = packed([RESOLVE, 1, graph_with(DATA)])
    assert len(frame) < 8 * MANY + 2 * len(DATA)
    call = pair.main.call("items", 1)
    pair.client.flush()
    pair.client.receive(0, [frame])
    assert call.outcome == [DATA] * MANY
    assert len(set(map(id, call.outcome))) == 1
