"""The core without asyncio, in both dialects: the same scenarios, the same tables after them."""

from __future__ import annotations

import json

import msgpack
import pytest
from support.inline_host import EMPTY, Later, SessionPair

from rpclab import RpcTarget
from rpclab.codecs.capnweb import CapnWebCodec
from rpclab.codecs.msgpack import MsgpackCodec
from rpclab.core.dialects import CAPN_WEB
from rpclab.core.messages import CALL
from rpclab.errors import CallCancelledError

KIND_NAMES = (
    "call", "pull", "resolve", "reject", "release", "cancel", "stream", "pipe", "abort", "map",
)  # fmt: skip

pytestmark = pytest.mark.parametrize("codec", [MsgpackCodec, CapnWebCodec])


class Counter(RpcTarget):
    def __init__(self, log):
        self._log = log
        self._value = 0

    def increment(self, amount=1):
        self._value += amount
        return self._value

    def dispose(self):
        self._log.append("counter disposed")


class Main(RpcTarget):
    def __init__(self):
        self._log = []
        self._later = Later()
        self._held = None

    def greet(self, name):
        return f"Hello, {name}"

    def fail(self):
        raise ValueError("as asked")

    def counter(self):
        return Counter(self._log)

    def later(self):
        return self._later

    def hold(self, stub):
        self._held = stub.dup()

    def give_up(self):
        self._held.dispose()

    def same(self, stub):
        return stub

    def order(self, *args):
        self._log.append(args)

    def run_failing(self):
        self._failing()


@pytest.fixture
def main():
    return Main()


@pytest.fixture
def pair(main, codec):
    return SessionPair(main, codec=codec)


def kinds(pair, sender):
    """The kinds of the messages that an end has sent, in words."""
    frames = [frame for end, _, batch in pair.wire.sent if end is sender for frame in batch]
    if sender._codec.dialect is CAPN_WEB:
        return [json.loads(frame)[0] for frame in frames]
    return [KIND_NAMES[msgpack.unpackb(frame, ext_hook=msgpack.ExtType)[0]] for frame in frames]


def test_a_call_gives_its_result(pair):
    assert pair.settle(pair.main.call("greet", "Ada")) == "Hello, Ada"
    assert pair.tables == EMPTY


def test_an_error_crosses_and_is_marked_remote(pair):
    with pytest.raises(ValueError, match="as asked") as caught:
        pair.settle(pair.main.call("fail"))
    assert caught.value.remote is True
    assert pair.tables == EMPTY


def test_L1_a_pipelined_call_leaves_in_the_same_batch(pair):
    total = pair.main.call("counter").call("increment", 5)
    assert pair.settle(total) == 5
    calls, *releases = [
        frames for end, _, frames in pair.wire.sent if end is pair.client and frames
    ]
    # The one that nobody can await passes on to the next, of which it is said, and is given back.
    if pair.client._codec.dialect is not CAPN_WEB:
        assert [msgpack.unpackb(frame) for frame in calls] == [
            [CALL, 1, 0, "counter", [], None, "increment", [5]]
        ]
        assert not releases
    else:
        assert (len(calls), len(releases)) == (4, 1)


def test_O1_disposing_the_last_handle_runs_the_disposer_once(pair, main):
    counter = pair.settle(pair.main.call("counter"))
    copy = counter.dup()
    counter.dispose()
    pair.host.turn()
    assert main._log == []
    copy.dispose()
    copy.dispose()
    pair.host.turn()
    assert main._log == ["counter disposed"]
    assert pair.tables == EMPTY


def test_O7_a_parameter_is_disposed_at_return_and_a_dup_of_it_later(pair):
    log = []
    pair.main.call("hold", Counter(log))
    pair.host.turn()
    assert log == []
    pair.settle(pair.main.call("give_up"))
    assert log == ["counter disposed"]
    assert pair.tables == EMPTY


def test_F7_a_target_that_comes_home_is_a_stub_and_keeps_the_order(pair):
    log = []
    counter = Counter(log)
    promise = pair.main.call("same", counter)
    first = promise.call("increment", 1)
    stub = pair.settle(promise)
    assert stub is not counter
    assert pair.settle(stub.call("increment", 2)) == 3
    assert first.outcome == 1
    stub.dispose()
    pair.host.turn()
    assert log == ["counter disposed"]
    assert pair.tables == EMPTY


def test_a_call_with_a_promised_argument_holds_back_those_behind_it(pair, main, codec):
    promise = pair.main.call("later")
    pair.main.call("order", "first", promise)
    pair.main.call("order", "second")
    pair.host.turn()
    # JavaScript runs the second one first, and may wait for it before it resolves the argument.
    keeps_order = codec.dialect.keeps_order
    assert main._log == ([] if keeps_order else [("second",)])
    main._later.resolve(7)
    pair.host.turn()
    expected = [("first", 7), ("second",)]
    assert main._log == (expected if keeps_order else expected[::-1])
    assert pair.tables == EMPTY


def test_a_cancelled_call_that_waits_for_an_argument_holds_nobody_back(pair, main):
    waits = pair.main.call("order", "first", pair.main.call("later"))
    pair.main.call("order", "second")
    pair.host.turn()
    waits.cancel()
    pair.host.turn()
    assert main._log == [("second",)]


def test_a_call_that_waits_for_an_argument_keeps_what_it_was_made_on(pair, main):
    counter = pair.settle(pair.main.call("counter"))
    total = counter.call("increment", pair.main.call("later"))
    counter.dispose()
    pair.host.turn()
    assert main._log == []
    main._later.resolve(7)
    assert pair.settle(total) == 7
    assert main._log == ["counter disposed"]
    assert pair.tables == EMPTY


def test_an_error_that_lost_its_stubs_on_the_way_is_counted_as_plain_by_both_ends(pair, main):
    def fail():
        error = ValueError("odd")
        error.stub, error.unsendable = Counter(main._log), object()
        raise error

    main._failing = fail
    for _ in range(3):
        with pytest.raises(ValueError, match="odd"):
            pair.settle(pair.main.call("run_failing"))
    assert pair.settle(pair.main.call("greet", "Ada")) == "Hello, Ada"
    assert pair.tables == EMPTY


def test_L3_what_is_pipelined_on_a_failure_fails_alike(pair):
    doomed = pair.main.call("fail").call("increment")
    with pytest.raises(ValueError, match="as asked"):
        pair.settle(doomed)
    assert pair.tables == EMPTY


def test_C26_a_cancelled_call_is_stopped_and_forgotten(pair, main, codec):
    promise = pair.main.call("later")
    pair.host.turn()
    promise.cancel()
    pair.host.turn()
    assert isinstance(promise.outcome, CallCancelledError)
    assert main._later.cancelled == codec.dialect.cancels
    if not codec.dialect.cancels:
        main._later.resolve(None)  # a release stops nothing: it goes when it has settled
        pair.host.turn()
    assert pair.tables == EMPTY


def test_a_result_that_crosses_its_cancellation_is_let_go(pair, main):
    promise = pair.main.call("later")
    pair.host.turn()
    pair.wire.hold(pair.server)
    main._later.resolve(Counter(main._log))
    pair.host.turn()
    promise.cancel()
    pair.host.turn()
    pair.wire.let_go(pair.server)
    assert main._log == ["counter disposed"]
    assert pair.tables == EMPTY


def test_O13_a_result_disposed_before_it_arrives_is_disposed_on_arrival(pair, main):
    promise = pair.main.call("later")
    promise.dispose()
    pair.host.turn()
    main._later.resolve({"deep": [Counter(main._log)]})
    pair.host.turn()
    assert main._log == ["counter disposed"]
    assert pair.tables == EMPTY


def test_a_session_that_closes_rejects_what_waits_and_disposes_what_was_held(pair, main):
    pair.settle(pair.main.call("counter"))
    promise = pair.main.call("later")
    pair.host.turn()
    for session in (pair.client, pair.server):
        session.close(ConnectionError("cut"))
    assert isinstance(promise.outcome, ConnectionError)
    assert main._log == ["counter disposed"]
    assert main._later.cancelled


def test_the_dialect_decides_how_a_call_is_pulled_and_given_up(pair, codec):
    pair.settle(pair.main.call("greet", "Ada"))
    pair.main.call("later").cancel()
    pair.host.turn()
    sent = kinds(pair, pair.client)
    if codec is CapnWebCodec:
        assert sent == ["push", "pull", "release", "push", "pull", "release"]
    else:
        assert sent == ["call", "call", "cancel"]


def test_keywords_are_for_peers_that_have_them(pair, codec):
    if codec is CapnWebCodec:
        with pytest.raises(TypeError, match="keyword arguments"):
            pair.main.call("greet", name="Ada")
    else:
        assert pair.settle(pair.main.call("greet", name="Ada")) == "Hello, Ada"
    assert pair.tables == EMPTY
