"""A peer that breaks the rules loses its session, with a reason that names it; others go on."""

from __future__ import annotations

import re

import msgpack
import pytest
from support.ids import by_repr
from support.inline_host import InlineHost, Later, SessionPair

from rpclab import Limits, RpcTarget
from rpclab.codecs.values import EXCEPTION, GRAPH, INLINE
from rpclab.core.messages import (
    ABORT,
    CALL,
    CANCEL,
    MAP,
    PULL,
    REJECT,
    RELEASE,
    RESOLVE,
    parse,
)  # fmt: skip
from rpclab.core.references import OWN_STUB, PLACEHOLDER, PROMISE, RESULT, STUB
from rpclab.errors import DisconnectedError, RemoteProtocolError


class Main(RpcTarget):
    def __init__(self):
        self._later = Later()

    def greet(self, name="nobody"):
        return f"Hello, {name}"

    def later(self):
        return self._later

    def target(self):
        return Main()


@pytest.fixture(params=[False, True], ids=["the long way", "in one step"])
def pair(request):
    return SessionPair(Main(), prepared=request.param)


@pytest.fixture
def other(pair):
    """A second session, in the same world."""
    return SessionPair(Main(), host=pair.host)


def ended(pair):
    """Why the server ended the session."""
    assert isinstance(pair.server.closed, RemoteProtocolError)
    return str(pair.server.closed)


def reference(kind, number):
    return msgpack.ExtType(kind, number.to_bytes(8, "big", signed=True))


def packed(value):
    return msgpack.packb(value, strict_types=True)


def calls(*args):
    """The frame of a first call with these arguments."""
    return packed([CALL, 1, 0, "greet", list(args)])


GARBAGE = {
    "nothing": b"",
    "a byte that begins nothing": b"\xc1",
    "half a message": packed([CALL, 1, 0, "greet", []])[:-2],
    "more than a message": packed([CALL, 1, 0, "greet", []]) + b"\x00",
    "a number": packed(7),
    "an empty list": packed([]),
    "an unknown kind": packed([77, 1]),
    "a kind that is a text": packed(["call", 1, 0, "greet", []]),
    "a reserved kind": packed([6, 1, 2, 3]),
    "a key that cannot be one": b"\x95\x00\x01\x00\xa5greet\x91\x81\x90\x01",
    "an unknown extension": calls(msgpack.ExtType(99, b"")),
    "a broken exception": calls(msgpack.ExtType(EXCEPTION, packed([1, 2]))),
    "a broken graph": calls(
        msgpack.ExtType(GRAPH, packed([[0, [msgpack.ExtType(32, b"\0\0\0\7")]]]))
    ),
}


@pytest.mark.parametrize("frame", GARBAGE.values(), ids=GARBAGE)
def test_garbage_ends_the_session_with_a_reason(pair, other, frame):
    pair.inject(frame)
    assert "the peer sent" in ended(pair)
    assert other.settle(other.main.call("greet", "Ada")) == "Hello, Ada"


def test_frames_nested_beyond_all_measure_end_the_session(pair):
    value = b"\xc0"
    for _ in range(5000):
        value = packed(msgpack.ExtType(INLINE, value))
    pair.inject(packed([CALL, 1, 0, "greet", []])[:-1] + b"\x91" + value)
    assert "the peer sent a frame that is no message" in ended(pair)


def test_a_message_over_the_limit_ends_the_session_of_a_peer_that_sends_it(pair):
    pair.server.limits = Limits(message_bytes=100)
    pair.inject(packed([CALL, 1, 0, "greet", ["x" * 100]]))
    assert "the peer sent a message of over 100 bytes (Limits.message_bytes)" in ended(pair)


BROKEN = [
    None,
    {},
    "call",
    [True],
    [CALL],
    [CALL, 1, 0, "x"],
    [CALL, 0, 0, "x", []],
    [CALL, -1, 0, "x", []],
    [CALL, 1.0, 0, "x", []],
    [CALL, 1, None, "x", []],
    [CALL, 1, 0, 5, []],
    [CALL, 1, 0, ["a", 5], []],
    [CALL, 1, 0, "x", "args"],
    [CALL, 1, 0, "x", [], []],
    [CALL, 1, 0, "x", [], {"k": []}],
    [CALL, 1, 0, "x", [], {"k": {1: 2}}],
    [CALL, 1, 0, "x", [], {"d": "soon"}],
    [CALL, 1, 0, "x", [], {}, 7],
    [PULL],
    [PULL, "1"],
    [RESOLVE, 1],
    [RESOLVE, "1", 2],
    [RESOLVE, 1, 2, 3],
    [REJECT, 1, "error", True],
    [REJECT, 1, ValueError(), 1],
    [REJECT, 1, ValueError()],
    [REJECT, 1, ValueError(), True, 9],
    [RELEASE, 1],
    [RELEASE, 1, "1"],
    [CANCEL],
    [CANCEL, None],
    [ABORT, "why"],
    [ABORT],
    [MAP, 1, 0, "x", [], []],
    [MAP, 0, 0, [], [], []],
    [MAP, 1, 0, [], None, []],
    [MAP, 1, 0, [], []],
]


@pytest.mark.parametrize("message", BROKEN, ids=by_repr)
def test_parse_refuses_what_is_no_message_and_shows_it(message):
    with pytest.raises(RemoteProtocolError, match="the peer sent no message, but "):
        parse(message)


@pytest.mark.parametrize(
    "message",
    [
        [CALL, 1, 0, "x", []],
        [CALL, 2, -3, ["a", "b"], None],
        [CALL, 1, 0, [], [1], {"k": {"a": 1}}],
        [CALL, 1, 0, "x", [], {"d": 0.5, "n": 0.5}],
        [PULL, 1],
        [RESOLVE, 1, "x"],
        [REJECT, 1, ValueError(), False],
        [REJECT, -1, ValueError(), True],
        [RELEASE],
        [RELEASE, -1, 1, 5, 2],
        [CANCEL, 3],
        [ABORT, ValueError()],
        [MAP, 1, 0, ["a"], [], [b""]],
    ],
    ids=by_repr,
)
def test_parse_lets_every_kind_of_message_in(message):
    assert parse(message) is message


def test_a_long_broken_message_is_shown_in_part():
    with pytest.raises(RemoteProtocolError) as caught:
        parse([77, "x" * 1000])
    assert len(str(caught.value)) < 200


FOUL = {
    "a call on what it does not hold": (
        [[CALL, 1, -9, "greet", []]],
        "the peer called export -9, which it does not hold",
    ),
    "a call id used twice": (
        [[CALL, 1, 0, "greet", []], [CALL, 1, 0, "greet", []]],
        "the peer used the call id 1 twice",
    ),
    "a call id that goes back": (
        [[CALL, 5, 0, "greet", []], [CALL, 4, 0, "greet", []]],
        "the peer used the call id 4 twice",
    ),
    "a release of what it does not hold": (
        [[RELEASE, -9, 1]],
        "the peer released export -9, which it does not hold",
    ),
    "a release twice": (
        [[CALL, 1, 0, "target", []], [RELEASE, -1, 1], [RELEASE, -1, 1]],
        "the peer released export -1, which it does not hold",
    ),
    "a release of a call it never made": (
        [[RELEASE, 3, 1]],
        "the peer released export 3, which it does not hold",
    ),
    "a result nobody asked for": ([[RESOLVE, 6, "x"]], "the peer settled id 6, which is no call"),
    "a failure nobody asked for": (
        [[REJECT, 6, ValueError(), True]],
        "the peer settled id 6, which is no call",
    ),
    "the cancellation of a stub": (
        [[CALL, 1, 0, "target", []], [CANCEL, -1]],
        "the peer cancelled id -1, which is no call",
    ),
    "the cancellation of a call it never made": (
        [[CANCEL, 8]],
        "the peer cancelled id 8, which is no call",
    ),
    "a pull of what is no call": ([[PULL, 0]], "the peer pulled id 0, which is no call"),
    "a call on a result that was cancelled and is no call any more": (
        [[CALL, 1, 0, "target", []], [CANCEL, 1], [CALL, 2, 1, "greet", []]],
        "the peer called export 1, which it does not hold",
    ),
    "a call on a result that was released": (
        [[CALL, 1, 0, "greet", []], [RELEASE, 1, 1], [CALL, 2, 1, "greet", []]],
        "the peer called export 1, which it does not hold",
    ),
}


@pytest.mark.parametrize(("messages", "reason"), FOUL.values(), ids=FOUL)
def test_ids_out_of_place_end_the_session_with_a_reason(pair, other, messages, reason):
    pair.wire.hold(pair.server)  # its peer does not know what is said in its name here
    for message in messages:
        pair.inject(message)
    assert ended(pair) == reason
    assert other.settle(other.main.call("greet", "Ada")) == "Hello, Ada"


REFERENCES = {
    "a stub of ours we never gave": (
        reference(OWN_STUB, -4),
        "sent export -4, which it does not hold",
    ),
    "the result of no call": (reference(RESULT, 9), "sent the result of 9, which is no call"),
    "the result of this very call": (
        reference(RESULT, 1),
        "sent the result of 1, which is no call",
    ),
    "a reference without a number": (msgpack.ExtType(STUB, b""), "introduced the id 0, and may"),
    "a stub with an id of a call": (reference(STUB, 5), "introduced the id 5, and may"),
    "a variable outside of a program": (
        reference(PLACEHOLDER, 0),
        "mentions a variable outside of a program",
    ),
}


@pytest.mark.parametrize(("value", "reason"), REFERENCES.values(), ids=REFERENCES)
def test_bad_references_end_the_session_with_a_reason(pair, value, reason):
    pair.inject(calls(value))
    assert reason in ended(pair)


@pytest.mark.parametrize("kind", [STUB, PROMISE])
def test_an_introduction_under_an_id_in_use_ends_the_session(pair, kind):
    pair.wire.hold(pair.server)  # as above
    pair.inject(packed([CALL, 1, 0, "greet", [[reference(kind, -1)]]]))
    pair.inject(packed([CALL, 2, 0, "greet", [[reference(PROMISE, -2)]]]))
    assert pair.server.closed is None
    pair.inject(packed([CALL, 3, 0, "greet", [[reference(kind, -2)]]]))
    assert ended(pair) == "the peer introduced the id -2 twice"


PROGRAMS = {
    "no result": [],
    "a step that is none": [[0, "x"], None],
    "a step with arguments that are none": [[0, ["x"], 7], None],
    "a step on a step from the future": [[1, ["x"], None], None],
    "a step on a capture that is not there": [[-1, ["x"], None], None],
    "a step with a step from the future": [
        [0, ["x"], [[reference(PLACEHOLDER, 1)], {}]],
        None,
    ],
    "a step with a capture that is not there": [
        [0, ["x"], [[reference(PLACEHOLDER, -1)], {}]],
        None,
    ],
    "a result with a step that is not there": [reference(PLACEHOLDER, 1)],
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_broken_programs_end_the_session_with_a_reason(pair, program):
    pair.wire.hold(pair.server)  # as above
    pair.inject(packed([MAP, 1, 0, ["greet"], [], program]))
    assert re.match("the peer sent no message|the peer's program", ended(pair))


def test_acknowledging_too_much_ends_the_session(pair):
    pair.settle(pair.main.call("greet"))
    pair.server.receive(9, [])
    assert ended(pair) == "the peer acknowledges settlements that were not sent"


def test_acknowledging_less_than_before_changes_nothing(pair):
    for _ in range(3):
        pair.settle(pair.main.call("greet"))
    pair.server.receive(1, [])
    assert pair.settle(pair.main.call("greet")) == "Hello, nobody"


def test_holding_too_many_exports_ends_the_session():
    pair = SessionPair(Main(), limits=Limits(exports=5))
    for _ in range(7):
        pair.main.call("target")
    pair.host.turn()
    assert ended(pair) == "the peer holds more than 5 exports (Limits.exports)"


@pytest.mark.parametrize("prepared", [True, False], ids=["in one step", "the long way"])
def test_results_that_a_peer_never_acknowledges_are_bounded_also_when_it_releases_them(prepared):
    pair = SessionPair(Main(), limits=Limits(exports=50), prepared=prepared)
    pair.wire.hold(pair.server)
    for call in range(1, 200):
        pair.inject([CALL, call, 0, "greet", []])
        pair.inject([RELEASE, call, 1])
    assert ended(pair) == "the peer holds more than 50 exports (Limits.exports)"
    assert pair.server._last_call == 51
    assert not pair.server._unacknowledged


def test_nothing_behind_the_end_of_a_session_is_done(pair):
    call = packed([CALL, 1, 0, "greet", []])
    end, on_it = (
        pair.client.pack([ABORT, ValueError()], [], pair.client.keeper)[0],
        [CALL, 2, 1, "greet", []],
    )
    pair.server.receive(0, [call, end, packed(on_it), packed([CALL, 3, 0, "greet", []])])
    assert pair.server._last_call == 1
    assert not pair.server.exports
    assert not pair.server._unacknowledged


def test_what_stood_before_the_broken_message_is_done_and_nothing_after_it(pair):
    pair.server.receive(0, [calls(), b"\xc1", packed([CALL, 2, 0, "greet", []])])
    assert pair.server._last_call == 1
    assert pair.server.closed is not None


def test_both_ends_let_go_of_everything_and_say_why(pair):
    stub = pair.settle(pair.main.call("target"))
    waits = pair.main.call("later")
    broken = []
    stub.handle.entry.watch(broken.append)
    pair.host.turn()
    pair.inject(b"\xc1")
    assert not pair.server.exports
    assert not pair.server.imports
    assert isinstance(pair.client.closed, DisconnectedError)
    assert "the other side ended the session: the peer sent" in str(pair.client.closed)
    assert waits.outcome is pair.client.closed
    assert broken == [pair.client.closed]
    assert stub.call("greet").outcome is pair.client.closed


def test_what_arrives_after_the_end_is_ignored(pair):
    pair.inject(b"\xc1")
    reason = pair.server.closed
    pair.inject([CALL, 1, 0, "greet", []])
    assert pair.server.closed is reason
    assert not pair.server.exports


def test_a_late_answer_to_a_cancelled_call_is_no_offence(pair):
    promise = pair.main.call("greet")
    pair.wire.hold(pair.server)
    pair.host.turn()
    promise.cancel()
    pair.host.turn()
    pair.wire.let_go(pair.server)
    assert pair.settle(pair.main.call("greet")) == "Hello, nobody"


def test_an_inline_host_needs_no_event_loop():
    assert SessionPair(Main(), host=InlineHost()).tables == [[], [], [], []]


def test_recorded_functions_count_as_exports():
    pair = SessionPair(Main(), limits=Limits(exports=5))
    pair.wire.hold(pair.server)  # its peer does not know what is said in its name here
    for call in range(1, 9):
        pair.inject([MAP, call, 0, ["later"], [], [packed(1)]])
    assert ended(pair) == "the peer holds more than 5 exports (Limits.exports)"


@pytest.mark.parametrize("seconds", [float("nan"), -1, "1", True])
def test_a_deadline_is_a_time_that_a_clock_can_wait_for(seconds):
    with pytest.raises(RemoteProtocolError, match="the peer sent no message"):
        parse([CALL, 1, 0, "greet", [], {"d": seconds}])
