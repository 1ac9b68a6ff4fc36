"""Values over Cap'n Web: there and back, and what is refused before it is sent, with advice."""

from __future__ import annotations

import array
import datetime as dt
import json
import math
import re
import string
import sys
import uuid
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.inline_host import EMPTY, SessionPair, Sink, Source

from rpclab import RpcTarget
from rpclab.codecs.capnweb import CapnWebCodec, buffers, text
from rpclab.codecs.capnweb.numbers import read_integer, write_integer
from rpclab.codecs.values import ENCODERS
from rpclab.core.limits import Limits
from rpclab.errors import DataCloneError, MessageTooLargeError, RemoteError, RemoteProtocolError
from rpclab.workers.http.blobs import Blob
from rpclab.workers.http.headers import Headers
from rpclab.workers.http.requests import Request
from rpclab.workers.http.responses import Response
from rpclab.workers.http.url_objects import URL

NOW = dt.datetime(2026, 11, 30, 12, 0, 0, 123456, tzinfo=dt.UTC)


class Main(RpcTarget):
    def __init__(self):
        self._gives = None

    def echo(self, value):
        return value

    def give(self):
        return self._gives

    def take(self, *values):
        return len(values)


@pytest.fixture
def main():
    return Main()


@pytest.fixture(params=["orjson and pybase64", "the standard library"])
def pair(main, request, monkeypatch):
    if request.param == "the standard library":
        monkeypatch.setattr(buffers, "pybase64", None)
        monkeypatch.setattr(text, "orjson", None)
        leaves = text.LEAVES - {int}
        monkeypatch.setattr("rpclab.codecs.capnweb.writing.LEAVES", leaves)
        monkeypatch.setattr("rpclab.codecs.capnweb.messages.LEAVES", leaves)
    return SessionPair(main, codec=CapnWebCodec)


def sent(pair, sender):
    """What an end has sent, as trees."""
    return [
        json.loads(frame)
        for end, _, frames in pair.wire.sent
        if end is sender
        for frame in frames
    ]  # fmt: skip


SAME = [
    None, True, False, 0, -1, 2**53 - 1, -(2**53) + 1, 2**53, -(2**70), 10**16_000, 1.5, -0.0,
    math.inf, -math.inf, "", 'é😀\u2028"\\\n', "\ud800", b"", b"\x00\xff", [], [[]], [["date", 5]],
    ["export", -1], [[[1]]], {}, {"a": {"b": [1, {}]}, "": 2}, NOW,
    NOW.replace(year=1, microsecond=0),
    array.array("b", [-1]), array.array("B", [1]), array.array("d", [0.5]),
    array.array("Q", [2**64 - 1]),
]  # fmt: skip


@pytest.mark.parametrize("value", SAME, ids=range(len(SAME)))
def test_a_value_comes_back_as_it_was(pair, value):
    back = pair.settle(pair.main.call("echo", [value]))
    assert back == [value]
    assert type(back[0]) is type(value)
    assert pair.tables == EMPTY


def test_what_has_no_counterpart_arrives_as_what_is_nearest(pair):
    values = [bytearray(b"a"), memoryview(b"b"), np.array([1, 2], "int16"), 2.0**60]
    one, two, three, four = pair.settle(pair.main.call("echo", values))
    assert (one, two, three, four) == (b"a", b"b", array.array("h", [1, 2]), 2.0**60)
    assert math.isnan(pair.settle(pair.main.call("echo", math.nan)))


def test_a_number_beyond_those_that_are_safe_is_a_double_as_in_javascript(pair):
    pair.main.call("echo", 1)
    pair.host.turn()
    pair.server.receive(0, [b'["push",["pipeline",0,["echo"],[[[9007199254740993,1e400]]]]]'])
    pair.server.receive(0, [b'["pull",2]'])
    pair.host.turn()
    last = sent(pair, pair.server)[-1]
    assert last == ["resolve", 2, [[9007199254740992.0, ["inf"]]]]


def read_both_ways(parts):
    """What the parts of a "bytes" expression are to either library; None where they are none."""
    read = []
    with pytest.MonkeyPatch.context() as patch:
        for library in (buffers.pybase64, None):
            patch.setattr(buffers, "pybase64", library)
            try:
                read.append(buffers.read_bytes(parts))
            except RemoteProtocolError:
                read.append(None)
    return read


@given(st.text(string.ascii_letters + string.digits + "+/-_=\n .\0é", max_size=40))
@example("aGk")
@example("aGl")  # its last bits say nothing
@example("a")
@example("aG=k")
@example("aGk\n")
def test_base64_of_a_peer_is_read_alike_with_pybase64_and_without(text):
    first, second = read_both_ways([text])
    assert first == second


@given(st.binary(max_size=200))
def test_bytes_are_written_alike_with_pybase64_and_without(data):
    written = buffers.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buffers, "pybase64", None)
        assert buffers.write_bytes(data) == written
    assert read_both_ways(written[1:]) == [data, data]


REFUSED = {
    "a tuple": ((1, 2), "send list(value)"),
    "a set": ({1}, "list(value)"),
    "a frozenset": (frozenset({1}), "list(value)"),
    "a date": (dt.date(2026, 1, 1), "isoformat()"),
    "a time": (dt.time(1), "isoformat()"),
    "a timedelta": (dt.timedelta(1), "total_seconds()"),
    "a naive datetime": (NOW.replace(tzinfo=None), "zone"),
    "a Decimal": (Decimal(1), "str(value)"),
    "a UUID": (uuid.UUID(int=1), "str(value)"),
    "a pattern": (re.compile("x"), "value.pattern"),
    "a key that is no text": ({1: 2}, "str(key)"),
    "a key that JavaScript drops": ({"toString": 1}, "another name"),
    "a complex number": (1j, "value.real"),
    "a subclass of list": (type("Mine", (list,), {})(), "list(value)"),
}


def test_each_type_that_python_has_beyond_json_is_sent_or_refused_with_advice():
    refused = {type(value) for value, _ in REFUSED.values()}
    assert ENCODERS.keys() - refused == {int, array.array}


@pytest.mark.parametrize(("value", "advice"), REFUSED.values(), ids=REFUSED)
def test_what_javascript_has_not_is_refused_before_sending_with_advice(pair, value, advice):
    promise = pair.main.call("echo", {"deep": [value]})
    pair.host.turn()
    error = promise.outcome
    assert isinstance(error, DataCloneError)
    assert error.path == 'args[0]["deep"][0]'
    assert advice in "".join(error.__notes__)
    assert sent(pair, pair.client) == []


UNSENDABLE = {
    "an array of texts": array.array("u", "x"),
    "an array of two dimensions": np.zeros((2, 2)),
    "an array of complex numbers": np.zeros(2, "complex64"),
    "an integer of too many digits": 10**16_384,
    "a method that fetch refuses": Request("https://x.test/", method="TRACE"),
    "a URL with a password": Request("https://me:secret@x.test/"),
}


@pytest.mark.parametrize("value", UNSENDABLE.values(), ids=UNSENDABLE)
def test_what_would_end_the_peers_session_is_refused_here(pair, value):
    promise = pair.main.call("echo", value)
    pair.host.turn()
    assert isinstance(promise.outcome, DataCloneError)
    assert sent(pair, pair.client) == []
    assert pair.settle(pair.main.call("echo", 1)) == 1


def test_a_result_that_cannot_be_sent_rejects_and_the_session_goes_on(pair, main):
    main._gives = [{1, 2}]
    promise = pair.main.call("give")
    pair.host.turn()
    assert isinstance(promise.outcome, TypeError)
    assert "result[0]" in str(promise.outcome)
    assert pair.settle(pair.main.call("echo", 1)) == 1
    assert pair.tables == EMPTY


def test_a_cycle_and_what_nests_too_deeply_are_refused(pair):
    cycle = []
    cycle.append(cycle)
    deep = []
    for _ in range(255):
        deep = [deep]
    for value in (cycle, deep):
        promise = pair.main.call("echo", value)
        pair.host.turn()
        assert isinstance(promise.outcome, DataCloneError)
    assert pair.settle(pair.main.call("echo", deep[0])) == deep[0]


def test_what_branches_without_end_is_refused_in_bounded_time(main):
    pair = SessionPair(main, codec=CapnWebCodec, limits=Limits(message_objects=1000))
    value = []
    for _ in range(100):
        value = [value, value]
    promise = pair.main.call("echo", value)
    pair.host.turn()
    assert isinstance(promise.outcome, MessageTooLargeError)


def test_http_records_cross(pair):
    headers = pair.settle(pair.main.call("echo", Headers([("B", "2"), ("a", "1"), ("A", "3")])))
    assert [*headers.items()] == [("a", "1, 3"), ("b", "2")]
    request = Request("https://x.test/?q", method="PUT", headers={"x": "y"}, body=b"hi")
    back = pair.settle(pair.main.call("echo", request))
    assert (back.url, back.method, back.headers["x"], back._data) == (
        "https://x.test/?q", "PUT", "y", b"hi",
    )  # fmt: skip
    response = pair.settle(pair.main.call("echo", Response("hi", status=201, status_text="Made")))
    assert (response.status, response.status_text, response._data) == (201, "Made", b"hi")
    assert pair.settle(pair.main.call("echo", URL("https://x.test/a"))).href == "https://x.test/a"
    assert pair.tables == EMPTY


def test_an_error_crosses_with_its_members_and_cause(pair, main):
    error = ValueError("bad")
    error.code, error.data, error.unsendable = 7, [1], {1, 2}
    error.__cause__ = KeyError("k")
    back = pair.settle(pair.main.call("echo", error))
    assert (type(back), str(back), back.code, back.data) == (ValueError, "bad", 7, [1])
    assert not hasattr(back, "unsendable")
    assert repr(back.__cause__) == "KeyError('k')"
    group = pair.settle(pair.main.call("echo", ExceptionGroup("many", [TypeError("a")])))
    assert repr(group) == "ExceptionGroup('many', [TypeError('a')])"


def test_an_error_of_no_class_here_keeps_its_name_and_goes_on_under_it(pair):
    for name in ("QuotaExceededError", "Error", "URIError"):
        error = RemoteError("full", name=name)
        back = pair.settle(pair.main.call("echo", error))
        assert (type(back), back.name, str(back)) == (RemoteError, name, "full")


def test_keyword_arguments_are_refused_at_the_caller(pair):
    with pytest.raises(TypeError, match="keyword arguments") as caught:
        pair.main.call("echo", value=1)
    assert "by position" in caught.value.__notes__[0]


def test_a_stub_that_stands_twice_is_introduced_twice(pair):
    target = Main()
    assert pair.settle(pair.main.call("take", target, [target])) == 2
    [push] = [tree for tree in sent(pair, pair.client) if tree[0] == "push"]
    assert push[1][3] == [["export", -1], [[["export", -2]]]]
    assert pair.tables == EMPTY


def test_a_stream_that_stands_twice_is_refused(pair):
    source = Source()
    promise = pair.main.call("take", source, source)
    pair.host.turn()
    assert isinstance(promise.outcome, DataCloneError)
    assert pair.settle(pair.main.call("take", Source(), Sink())) == 2


def test_a_blob_is_delivered_when_it_is_whole(pair):
    assert pair.settle(pair.main.call("take", 1)) == 1
    frames = [
        b'["pipe"]',
        b'["push",["pipeline",0,["echo"],[["blob","text/x",["readable",2]]]]]',
        b'["pull",3]',
        b'["stream",["pipeline",2,["write"],[["bytes","aGVs"]]]]',
        b'["stream",["pipeline",2,["write"],[["bytes","bG8"]]]]',
    ]
    before = len(sent(pair, pair.server))
    pair.wire.hold(pair.server)
    pair.server.receive(0, frames)
    pair.host.turn()
    kinds = [tree[:2] for tree in sent(pair, pair.server)[before:]]
    assert kinds == [["resolve", 4], ["resolve", 5]]
    pair.server.receive(0, [b'["stream",["pipeline",2,["close"],[]]]'])
    pair.host.turn()
    kinds = [tree[0] for tree in sent(pair, pair.server)[before:]]
    assert kinds[:5] == ["resolve", "resolve", "resolve", "pipe", "resolve"]


def test_a_blob_over_the_limit_rejects_and_ends_nothing(main):
    pair = SessionPair(main, codec=CapnWebCodec, limits=Limits(stream_buffer=100))
    pair.wire.hold(pair.server)
    pair.server.receive(
        0,
        [
            b'["pipe"]',
            b'["push",["pipeline",0,["echo"],[["blob","",["readable",1]]]]]',
            b'["pull",2]',
            *[b'["stream",["pipeline",1,["write"],[["bytes","%s"]]]]' % (b"QUFB" * 9)] * 5,
        ],
    )
    pair.host.turn()
    answers = [tree for tree in sent(pair, pair.server) if tree[1] == 2]
    assert answers[0][0] == "reject"
    assert pair.server.closed is None


def test_a_blob_of_ours_is_a_stream(pair):
    assert Blob([b"x"]).size == 1
    frames, payload = pair.client._codec.encode([0, 1, 0, "take", [b"x"]], [b"x"], lambda: None)
    assert (frames, payload) == (b'["push",["pipeline",0,["take"],[["bytes","eA"]]]]', None)


@pytest.mark.parametrize(
    "value",
    [10**511, 10**512, -(10**512), 10**1024 + 5, 10**16383, 10**16384 - 1, -(10**16383 - 1)],
    ids=lambda value: str(value.bit_length()),
)
def test_an_integer_of_many_digits_is_written_and_read_in_pieces(value):
    written = write_integer(value)
    assert written == ["bigint", str(Decimal(value))]
    assert read_integer(written[1]) == value
    assert read_integer("-" + "0" * 600 + "7") == -7


def test_what_an_integer_costs_to_write_grows_with_its_own_digits_and_not_with_the_most():
    def calls(digits):
        count = 0

        def note(_frame, event, _arg):
            nonlocal count
            count += event in ("call", "c_call")

        value = 10**digits - 1
        sys.setprofile(note)
        try:
            write_integer(value)
        finally:
            sys.setprofile(None)
        return count

    calls(16_000)  # what is worked out once has been
    assert calls(20) < 12
    assert calls(16_000) > 100
