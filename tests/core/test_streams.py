"""Streams of the core without asyncio, in both dialects; and peers that break the rules of them."""

from __future__ import annotations

import gc
from functools import partial

import msgpack
import pytest
from support.ids import by_repr
from support.inline_host import (
    EMPTY,
    Later,
    SessionPair,
    Sink,
    Source,
    Stall,
)

from rpclab import Limits, RpcTarget
from rpclab.codecs.capnweb import CapnWebCodec
from rpclab.codecs.msgpack import MsgpackCodec
from rpclab.core.limits import DEFAULT_LIMITS
from rpclab.core.messages import CALL, PIPE, STREAM, parse
from rpclab.core.references import READABLE, WRITABLE
from rpclab.core.sinks import SinkHook
from rpclab.errors import (
    READABLE_BROKEN,
    READER_GONE,
    WRITABLE_CLOSED,
    WRITER_GONE,
    DataCloneError,
    DisconnectedError,
    MessageTooLargeError,
    RemoteProtocolError,
)
from rpclab.transports import memory

both_dialects = pytest.mark.parametrize("codec", [MsgpackCodec, CapnWebCodec])


class Counter(RpcTarget):
    def __init__(self, log):
        self._log = log

    def dispose(self):
        self._log.append("disposed")


class Main(RpcTarget):
    """Keeps what it gets, and gives what it is told to give."""

    def __init__(self):
        self._log = []
        self._gives = None
        self._later = Later()

    def take(self, *values):
        self._log += values

    def give(self):
        return self._gives

    def same(self, value):
        return value

    def later(self, *_values):
        return self._later

    def fail(self, *_values):
        raise ValueError("as asked")


@pytest.fixture
def main():
    return Main()


@pytest.fixture
def codec():
    return MsgpackCodec


@pytest.fixture
def pair(main, codec):
    return SessionPair(main, codec=codec)


def sent_up(pair, main, source):
    """Send a source to the server; gives the stream that it holds then."""
    pair.settle(pair.main.call("take", source))
    return main._log[-1]


def is_gone(error, words):
    return isinstance(error, DisconnectedError) and str(error) == words and error.retryable


@both_dialects
def test_S1_chunks_go_up_in_order_and_the_end_after_them(pair, main):
    source = Source()
    stream = sent_up(pair, main, source)
    for n in range(3):
        source.outlet.write(b"%d" % n)
    closing = source.outlet.close()
    pair.host.turn()
    assert source.outlet.flow.chunks == 3
    assert stream.read() == [b"0", b"1", b"2", ...]
    pair.host.turn()
    assert source.outlet.flow.chunks == source.outlet.flow.in_flight == 0
    assert closing.value is None
    assert pair.tables == EMPTY


@both_dialects
def test_S1_chunks_come_down_with_a_result(pair, main):
    main._gives = {"deep": [Source()]}
    stream = pair.settle(pair.main.call("give"))["deep"][0]
    outlet = main._gives["deep"][0].outlet
    outlet.write(b"x")
    pair.host.turn()
    assert stream.read() == [b"x"]
    outlet.close()
    pair.host.turn()
    assert stream.read() == [...]
    pair.host.turn()
    assert pair.tables == EMPTY


@both_dialects
def test_S4_a_writer_that_breaks_off_is_felt_after_what_it_had_written(pair, main):
    source = Source()
    stream = sent_up(pair, main, source)
    source.outlet.write(b"x")
    source.outlet.abort("why", IndexError("why"))
    pair.host.turn()
    chunk, error = stream.read()
    assert chunk == b"x"
    assert is_broken(pair, error)
    pair.host.turn()
    assert pair.tables == EMPTY


@both_dialects
def test_S8_the_writer_learns_why_nobody_reads(pair, main):
    source = Source()
    stream = sent_up(pair, main, source)
    source.outlet.write(Counter(main._log))
    pair.host.turn()
    broken = []
    source.outlet.on_broken = broken.append
    stream.inlet.cancel_with(IndexError("enough"))
    pair.host.turn()
    assert repr(broken[0]) == "IndexError('enough')"
    assert source.outlet.error is broken[0]
    assert main._log[-1] == "disposed"
    assert pair.tables == EMPTY


@both_dialects
def test_S16_a_sink_gets_what_was_written_and_then_the_loss(pair, main):
    main._gives = Sink()
    outlet = pair.settle(pair.main.call("give")).outlet
    for chunk in (b"1", b"2"):
        outlet.write(chunk)
    outlet.abort()
    pair.host.turn()
    assert main._gives.got[:2] == [b"1", b"2"]
    assert is_gone(main._gives.got[2], WRITER_GONE)
    assert pair.tables == EMPTY


@both_dialects
def test_S14_a_sink_takes_one_chunk_at_a_time_and_closes_after_the_last(pair, main):
    first, second = Stall(), Stall()
    main._gives = Sink(first, second)
    outlet = pair.settle(pair.main.call("give")).outlet
    outlet.write(b"1")
    outlet.write(b"2")
    closing = outlet.close()
    pair.host.turn()
    assert main._gives.got == [b"1"]
    first.resolve()
    assert main._gives.got == [b"1", b"2"]
    second.resolve()
    assert main._gives.got == [b"1", b"2", "closed"]
    pair.host.turn()
    assert closing.value is None
    assert pair.tables == EMPTY


@both_dialects
def test_S15_a_sink_that_fails_fails_that_write_and_those_behind_it(pair, main):
    stall = Stall()
    main._gives = Sink(stall)
    outlet = pair.settle(pair.main.call("give")).outlet
    outlet.write(b"1")
    outlet.write(b"2")
    pair.host.turn()
    stall.reject(IndexError("full"))
    pair.host.turn()
    assert repr(outlet.error) == "IndexError('full')"
    assert outlet.error.remote is True
    assert outlet.flow.in_flight == 0
    assert main._gives.got == [b"1"]
    assert pair.tables == EMPTY


@both_dialects
def test_a_stream_that_is_passed_on_goes_chunk_by_chunk_and_so_do_its_credits(pair, main):
    source = Source()
    back = pair.settle(pair.main.call("same", source))
    source.outlet.write(b"x")
    pair.host.turn()
    assert source.outlet.flow.chunks == 1  # it lies at the end of the line
    assert back.read() == [b"x"]
    pair.host.turn()
    assert source.outlet.flow.chunks == 0
    source.outlet.close()
    pair.host.turn()
    assert back.read() == [...]
    pair.host.turn()
    assert pair.tables == EMPTY


def test_nothing_is_read_behind_a_chunk_that_could_not_be_handed_on(pair, main):
    source = Source()
    back = pair.settle(pair.main.call("same", source))
    write = pair.server.write

    def write_within_limits(*args):
        pair.server.limits = Limits(message_bytes=500)
        try:
            return write(*args)
        finally:
            pair.server.limits = DEFAULT_LIMITS

    pair.server.write = write_within_limits
    for size in (10, 1000, 20):
        source.outlet.write(bytes(size))
    pair.host.turn()
    chunk, error = back.read()
    assert len(chunk) == 10
    assert is_gone(error, READABLE_BROKEN)
    assert isinstance(source.outlet.error, MessageTooLargeError)
    pair.host.turn()
    assert pair.tables == EMPTY


@both_dialects
@pytest.mark.parametrize("end", ["cancelled", "broken"])
def test_both_ends_of_a_line_feel_the_other(pair, main, end):
    source = Source()
    back = pair.settle(pair.main.call("same", source))
    source.outlet.write(b"x")
    pair.host.turn()
    if end == "cancelled":
        back.inlet.cancel_with(IndexError("enough"))
        pair.host.turn()
        assert repr(source.outlet.error) == "IndexError('enough')"
    else:
        source.outlet.abort("why", IndexError("why"))
        pair.host.turn()
        chunk, error = back.read()
        assert chunk == b"x"
        assert is_broken(pair, error)
    pair.host.turn()
    assert pair.tables == EMPTY


@both_dialects
@pytest.mark.parametrize("end", ["close", "abort", "fail"])
def test_a_sink_that_is_passed_on_is_written_over_the_whole_line(pair, main, end):
    stall = Stall()
    sink = Sink(stall)
    outlet = pair.settle(pair.main.call("same", sink)).outlet
    outlet.write(b"x")
    pair.host.turn()
    assert (sink.got, outlet.flow.chunks) == ([b"x"], 1)
    if end == "fail":
        stall.reject(IndexError("full"))
        pair.host.turn()
        assert repr(outlet.error) == "IndexError('full')"
    else:
        stall.resolve()
        getattr(outlet, end)()
        pair.host.turn()
        assert outlet.flow.chunks == 0
        assert str(sink.got[1]) == {"close": "closed", "abort": WRITER_GONE}[end]
    assert pair.tables == EMPTY


@both_dialects
def test_a_message_that_is_not_sent_gives_its_streams_back(pair, main):
    source, sink = Source(), Sink()
    promise = pair.main.call("take", source, sink, object())
    pair.host.turn()
    assert isinstance(promise.outcome, DataCloneError)
    assert (source.outlet, sink.sent, sink.got) == (None, False, [])
    main._gives = [source, sink, object()]
    promise = pair.main.call("give")
    pair.host.turn()
    assert isinstance(promise.outcome, TypeError)  # as which it is known everywhere
    assert pair.client.closed is pair.server.closed is None
    assert (source.outlet, sink.sent, sink.got) == (None, False, [])
    assert pair.tables == EMPTY


def is_broken(pair, error):
    """Whether it says that the stream broke off, and why, as far as the dialect tells."""
    if pair.client.dialect.web_streams:
        return repr(error) == "IndexError('why')"
    return is_gone(error, READABLE_BROKEN) and error.__notes__ == ["why"]


def write_if_that_is_how_to_learn(pair, source):
    """Write a chunk, where no message tells the sender that nobody reads."""
    if not pair.client.dialect.cancels:
        source.outlet.write(b"unread")
        pair.host.turn()


@both_dialects
def test_the_streams_of_a_call_are_cut_off_when_nobody_takes_them(pair):
    source, sink = Source(), Sink()
    pair.main.call("no_such", source, sink)
    pair.host.turn()
    gc.collect()  # the context of the target lasts, so it is as if Python had forgotten them
    pair.host.turn()
    write_if_that_is_how_to_learn(pair, source)
    assert is_gone(source.outlet.error, READER_GONE)
    assert is_gone(sink.got[0], WRITER_GONE)
    assert pair.tables == EMPTY


@both_dialects
def test_a_result_that_crosses_its_cancellation_cuts_its_streams_off(pair, main):
    source, sink = Source(), Sink()
    promise = pair.main.call("later")
    pair.host.turn()
    pair.wire.hold(pair.server)
    main._later.resolve([source, sink])
    pair.host.turn()
    promise.cancel()
    pair.host.turn()
    pair.wire.let_go(pair.server)
    write_if_that_is_how_to_learn(pair, source)
    assert is_gone(source.outlet.error, READER_GONE)
    assert is_gone(sink.got[0], WRITER_GONE)
    assert pair.tables == EMPTY


@both_dialects
def test_a_session_that_ends_breaks_both_ends_of_its_streams(pair, main):
    up, down, sink = Source(), Source(), Sink()
    stream = sent_up(pair, main, up)
    main._gives = [down, sink]
    reader, writer = pair.settle(pair.main.call("give"))
    up.outlet.write(b"x")
    pair.host.turn()
    for session in (pair.client, pair.server):
        session.close(DisconnectedError("cut"))
    chunk, error = stream.read()
    assert (chunk, str(error)) == (b"x", READABLE_BROKEN)
    assert str(reader.read()[0]) == READABLE_BROKEN
    assert str(up.outlet.error) == str(down.outlet.error) == str(writer.outlet.error) == "cut"
    assert is_gone(sink.got[0], WRITER_GONE)


def test_a_sink_finishes_its_chunk_when_the_session_ends_and_is_aborted_then(pair, main):
    stall = Stall()
    main._gives = Sink(stall)
    outlet = pair.settle(pair.main.call("give")).outlet
    outlet.write(b"1")
    pair.host.turn()
    for session in (pair.client, pair.server):
        session.close(DisconnectedError("cut"))
    assert main._gives.got == [b"1"]
    stall.resolve()
    assert is_gone(main._gives.got[1], WRITER_GONE)


def test_the_time_that_a_chunk_lay_at_the_reader_comes_back_with_the_credit(pair, main):
    source = Source()
    stream = sent_up(pair, main, source)
    source.outlet.write(b"x")
    write = source.outlet.last
    pair.host.turn()
    pair.host.time += 7
    stream.read()
    pair.host.turn()
    assert write.value == 7


def test_an_end_that_python_forgets_is_let_go(pair, main):
    source, sink = Source(), Sink()
    main._gives = [source, sink]
    pair.settle(pair.main.call("give"))
    pair.host.turn()
    assert is_gone(source.outlet.error, READER_GONE)
    assert is_gone(sink.got[0], WRITER_GONE)
    assert pair.tables == EMPTY


def test_a_chunk_that_cannot_be_sent_leaves_the_stream_as_it_was(pair, main):
    source = Source()
    stream = sent_up(pair, main, source)
    with pytest.raises(DataCloneError):
        source.outlet.write(object())
    assert source.outlet.flow.chunks == 0
    source.outlet.write(b"after it")
    pair.host.turn()
    assert stream.read() == [b"after it"]


@both_dialects
def test_a_chunk_that_cannot_be_sent_takes_no_number(pair, main):
    source = Source()
    sent_up(pair, main, source)
    with pytest.raises(DataCloneError):
        source.outlet.write(object())
    main._gives = Counter(main._log)
    pair.settle(pair.main.call("give")).dispose()
    pair.host.turn()
    assert main._log[-1] == "disposed"


@both_dialects
def test_a_chunk_with_a_stream_inside_is_given_back_as_any_chunk(pair, main):
    source, inner = Source(), Source()
    stream = sent_up(pair, main, source)
    source.outlet.write(inner)
    pair.host.turn()
    (read,) = stream.read()
    inner.outlet.write(b"inside")
    pair.host.turn()
    assert read.read() == [b"inside"]
    for outlet in (inner.outlet, source.outlet):
        outlet.close()
    pair.host.turn()
    assert (read.read(), stream.read()) == ([...], [...])
    pair.host.turn()
    assert pair.client.closed is pair.server.closed is None
    assert pair.tables == EMPTY


# Peers that break the rules.


def ended(pair):
    """Why the server ended the session."""
    assert isinstance(pair.server.closed, RemoteProtocolError)
    return str(pair.server.closed)


def reference(kind, number):
    return msgpack.ExtType(kind, number.to_bytes(8, "big", signed=True))


FOUL = {
    "a write to what it does not hold": (
        [[STREAM, 1, -9, "write", [b"x"]]],
        "the peer called export -9, which it does not hold",
    ),
    "a write to a pipe it did not open": (
        [[STREAM, 5, 4, "write", [b"x"]]],
        "the peer called export 4, which it does not hold",
    ),
    "a pipe opened twice": ([[PIPE, 3], [PIPE, 3]], "the peer used the call id 3 twice"),
    "a pipe with the id of a call": (
        [[CALL, 3, 0, "later", []], [PIPE, 3]],
        "the peer used the call id 3 twice",
    ),
    "a call with the id of a pipe": (
        [[PIPE, 3], [CALL, 3, 0, "later", []]],
        "the peer used the call id 3 twice",
    ),
    "a write with an id used before": (
        [[PIPE, 3], [STREAM, 3, 3, "write", [b"x"]]],
        "the peer used the call id 3 twice",
    ),
    "the end of a pipe that is none": (
        [[PIPE, 7, ValueError()]],
        "the peer cancelled the pipe 7, which is none",
    ),
    "the cancellation of a pipe as if it were a call": ([[PIPE, 3], [1, 3]], "pulled id 3"),
}


@pytest.mark.parametrize(("messages", "reason"), FOUL.values(), ids=FOUL)
def test_ids_out_of_place_end_the_session_with_a_reason(pair, messages, reason):
    pair.wire.hold(pair.server)  # its peer does not know what is said in its name here
    for message in messages:
        pair.inject(message)
    if "pulled" in reason:
        assert pair.server.closed is None  # a pipe is never pulled, and that does no harm
    else:
        assert ended(pair) == reason


def test_the_end_of_a_call_as_if_it_were_a_pipe_ends_the_session(pair):
    promise = pair.main.call("later")
    pair.host.turn()
    message = [PIPE, promise.pending.id, ValueError()]
    frame, _ = pair.server.pack(message, [], pair.server.keeper)
    pair.client.receive(0, [frame])
    assert str(pair.client.closed) == "the peer cancelled the pipe 1, which is none"


@pytest.mark.parametrize(
    ("kind", "number", "reason"),
    [
        (READABLE, 2, "the peer sent the pipe 2, which it did not open"),
        (READABLE, 0, "the peer sent the pipe 0, which it did not open"),
        (WRITABLE, 5, "the peer introduced the id 5, and may choose -1 down"),
    ],
)
def test_bad_references_end_the_session_with_a_reason(pair, kind, number, reason):
    value = reference(kind, number)
    pair.inject(msgpack.packb([CALL, 1, 0, "take", [value]], strict_types=True))
    assert reason in ended(pair)


def test_a_pipe_that_is_sent_twice_ends_the_session(pair):
    pair.wire.hold(pair.server)
    pair.inject([PIPE, 1])
    for call in (2, 3):
        value = reference(READABLE, 1)
        pair.inject(msgpack.packb([CALL, call, 0, "take", [value]], strict_types=True))
    assert ended(pair) == "the peer sent the pipe 1, which it did not open"


@pytest.mark.parametrize(
    "message",
    [
        [STREAM, 1, 0, "write"],
        [STREAM, 0, 0, "write", []],
        [STREAM, 1, 0, "write", None],
        [STREAM, 1, 0, 7, []],
        [STREAM, 1, 0, "write", [], 7],
        [PIPE],
        [PIPE, -1],
        [PIPE, "1"],
        [PIPE, 1, None, None],
    ],
    ids=by_repr,
)
def test_parse_refuses_what_is_no_message_of_a_stream(message):
    with pytest.raises(RemoteProtocolError, match="the peer sent no message, but "):
        parse(message)


@pytest.mark.parametrize("operation", ["flush", "__class__", ["a", "write"], "write"])
def test_pipes_and_sinks_know_three_operations(pair, main, operation):
    main._gives = Sink()
    sink = pair.settle(pair.main.call("give")).outlet
    source = Source()
    stream = sent_up(pair, main, source)
    for outlet in (sink, source.outlet):
        pending = outlet.tell(operation)  # and a write has a chunk
        pair.host.turn()
        assert isinstance(pending.value, TypeError)
    assert stream.read() == []
    assert main._gives.got == []


def test_what_is_written_after_the_end_is_refused(pair, main):
    source = Source()
    stream = sent_up(pair, main, source)
    source.outlet.entry.claim()  # a peer that keeps what it should give back
    source.outlet.close()
    write = source.outlet.tell("write", b"late")
    pair.host.turn()
    assert str(write.value) == WRITABLE_CLOSED
    assert stream.read() == [...]


@pytest.mark.parametrize("chunk", [bytes(600), ["x" * 600]], ids=["bytes", "another value"])
def test_a_peer_that_sends_more_than_was_asked_for_loses_the_stream_alone(main, chunk):
    pair = SessionPair(main, limits=Limits(stream_buffer=1000))
    source = Source()
    stream = sent_up(pair, main, source)
    source.outlet.write(chunk)
    source.outlet.write(chunk)  # although there is no room
    pair.host.turn()
    first, error = stream.read()
    assert first == chunk
    assert error.__notes__ == ["the other side sent more than was asked for"]
    assert is_gone(source.outlet.error, READABLE_BROKEN)
    assert pair.settle(pair.main.call("same", 1)) == 1
    assert pair.tables == EMPTY


def test_pipes_count_as_exports():
    pair = SessionPair(Main(), limits=Limits(exports=5))
    for number in range(1, 9):
        pair.inject([PIPE, number])
    assert ended(pair) == "the peer holds more than 5 exports (Limits.exports)"


def test_a_call_on_a_pipe_is_no_way_around(pair, main):
    pair.wire.hold(pair.server)
    pair.inject([PIPE, 1])
    pair.inject([CALL, 2, 1, "start", [1, 2]])
    pair.inject([CALL, 3, 1, "write", None])
    assert pair.server.closed is None
    assert main._log == []


def test_a_peer_that_writes_more_than_a_sink_has_asked_for_loses_the_stream_alone(main):
    pair = SessionPair(main, limits=Limits(stream_buffer=1000))
    stall = Stall()
    main._gives = sink = Sink(stall)
    outlet = pair.settle(pair.main.call("give")).outlet
    for _ in range(4):
        outlet.write(bytes(400))  # although there is no room
    pair.host.turn()
    assert is_gone(outlet.error, WRITER_GONE)
    assert outlet.error.__notes__ == ["the other side sent more than was asked for"]
    stall.resolve()
    pair.host.turn()
    assert [type(got) for got in sink.got] == [bytes, DisconnectedError]
    assert pair.settle(pair.main.call("same", 1)) == 1
    assert pair.tables == EMPTY


def test_a_sink_remembers_no_chunk_that_it_has_taken(pair, main):
    stalls = [Stall(), Stall()]
    main._gives = Sink(*stalls)
    outlet = pair.settle(pair.main.call("give")).outlet
    [hook] = [each for each in pair.server.exports.values() if isinstance(each, SinkHook)]
    for stall in stalls:
        outlet.write(b"x")
        pair.host.turn()
        assert len(hook.context._running) == 1
        stall.resolve()
        pair.host.turn()
    assert not hook.context._running


@pytest.mark.parametrize(("over_a_link", "times"), [(True, 2), (False, 4)])
def test_a_stream_that_goes_over_no_link_may_have_twice_as_much_on_its_way(over_a_link, times):
    pair = SessionPair(Main())
    memory.connect(pair.client, pair.server)
    if over_a_link:
        pair.client.send = partial(pair.server.receive)
    source = Source()
    pair.main.call("take", source)
    pair.host.turn()
    source.outlet.write(bytes(1_000_000))
    pair.host.time += 1
    pair.host.turn()
    (stream,) = pair.server.exports[0].target._log
    stream.read()
    pair.host.turn()
    assert source.outlet.flow.window // 1_000_000 == times
