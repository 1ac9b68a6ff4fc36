"""What a peer makes an end hold is bounded in bytes, all its tables together."""

from __future__ import annotations

import pytest
from support.inline_host import Later, SessionPair

from rpclab import Limits, RpcTarget
from rpclab.codecs.capnweb import CapnWebCodec
from rpclab.codecs.value_counts import weight_of
from rpclab.core.holdings import EMPTY_PIPE, ENTRY, weigh
from rpclab.core.messages import CALL, PIPE, STREAM
from rpclab.errors import RemoteProtocolError


class Main(RpcTarget):
    def later(self, *_):
        return Later()

    def text(self):
        return "x" * 10_000

    def data(self):
        return {"rows": [{"text": "x" * 10_000}]}

    def echo(self, value):
        return value

    def fail_with(self, text):
        raise ValueError(text)

    def target(self):
        return Main()

    def keep(self, stub):
        self.kept = [*getattr(self, "kept", ()), stub.dup()]


def pair_with(most):
    pair = SessionPair(Main(), limits=Limits(session_bytes=most), prepared=True)
    pair.wire.hold(pair.server)  # a peer that acknowledges nothing
    return pair


def held(pair):
    return weigh(pair.server)


def in_flight(pair, number, size=10_000):
    pair.inject([CALL, number, 0, "later", [b"x" * size]])


def unseen(pair, number):
    pair.inject([CALL, number, 0, "text", []])


def unseen_data(pair, number):
    pair.inject([CALL, number, 0, "data", []])


def targets(pair, number):
    pair.inject([CALL, number, 0, "target", []])


def pipes(pair, number):
    pair.inject([PIPE, number])


KINDS = {
    "calls in flight": in_flight, "results": unseen, "results that are data": unseen_data,
    "targets": targets, "pipes": pipes,
}  # fmt: skip


def cost_of(step):
    """How many bytes each of these makes an end hold, once there are some."""
    pair = pair_with(2**40)
    for number in (1, 2, 3, 4):
        step(pair, number)
    before = held(pair)
    step(pair, 5)
    return held(pair) - before


@pytest.mark.parametrize("step", KINDS.values(), ids=KINDS)
def test_a_session_holds_as_much_as_the_limit_says(step):
    cost = cost_of(step)
    for more in (0, 1):
        pair = pair_with(2**40)
        for number in range(1, 101):
            step(pair, number)
        most = held(pair) - 1 + more
        pair = pair_with(most)
        for number in range(1, 101):
            step(pair, number)
        # A peer that is one byte over is noticed by a 64th of the limit later, at the latest.
        if more:
            assert pair.server.closed is None
            assert held(pair) == most
        for number in range(101, 103 + 100 // 64 + most // 64 // cost):
            step(pair, number)
        assert isinstance(pair.server.closed, RemoteProtocolError)
        assert "(Limits.session_bytes)" in str(pair.server.closed)
        assert held(pair) == 0


def test_chunks_that_nobody_reads_count_for_the_session_over_all_its_streams():
    pair = pair_with(1_000_000)
    number = 0
    for _ in range(20):
        number += 1
        pipe = number
        pair.inject([PIPE, pipe])
        for _ in range(6):
            number += 1
            pair.inject([STREAM, number, pipe, "write", [b"x" * 10_000]])
    assert "(Limits.session_bytes)" in str(pair.server.closed)


def test_stubs_that_are_kept_count():
    pair = pair_with(50 * ENTRY)
    for _ in range(100):
        pair.main.call("keep", lambda: None)
        pair.host.turn()
    assert "(Limits.session_bytes)" in str(pair.server.closed)


def test_what_was_let_go_counts_no_more():
    pair = SessionPair(Main(), limits=Limits(session_bytes=60_000), prepared=True)
    for _ in range(500):
        assert len(pair.settle(pair.main.call("text"))) == 10_000
        pair.settle(pair.main.call("target")).dispose()
    assert pair.server.closed is None
    assert weigh(pair.server) < 60_000


def test_a_byte_that_stands_for_an_empty_list_weighs_what_the_list_does():
    assert weight_of(b"\x90" * 1000) > 60_000
    assert weight_of([b"\xc4\x05hello", bytes(10_000)]) < 11_000
    assert EMPTY_PIPE > ENTRY


# Results that a peer of JavaScript does not ask for.

LONG = "x" * 10_000
UNASKED = {
    "a text": ("echo", f'"{LONG}"'),
    "bytes": ("echo", f'["bytes","{LONG}"]'),
    "a text in a list": ("echo", f'[["{LONG}"]]'),
    "a text in a dict": ("echo", f'{{"a":{{"b":"{LONG}"}}}}'),
    "a key": ("echo", f'{{"{LONG}":1}}'),
    "an array": ("echo", f'["bytes","{LONG}","Int8Array"]'),
    "many numbers": ("echo", "[[" + ",".join(["1"] * 700) + "]]"),
    "a failure": ("fail_with", f'"{LONG}"'),
    "an error": ("echo", f'["error","Error","{LONG}"]'),
    "the URL of a request": ("echo", f'["request","http://a.example/{LONG}",{{}}]'),
    "the headers of a request": ("echo", f'["request","http://a.b/",{{"headers":[["a","{LONG}"]]}}]'),
    "the body of a response": ("echo", f'["response",["bytes","{LONG}"],{{}}]'),
    "the status of a response": ("echo", f'["response",null,{{"statusText":"{LONG}"}}]'),
    "headers": ("echo", f'["headers",[["a","{LONG}"]]]'),
    "a URL": ("echo", f'["url","http://a.example/{LONG}"]'),
}  # fmt: skip


@pytest.mark.parametrize(("method", "value"), UNASKED.values(), ids=UNASKED)
def test_results_that_nobody_asks_for_count_with_all_that_they_hold(method, value):
    limits = Limits(session_bytes=300_000)
    pair = SessionPair(Main(), codec=CapnWebCodec, limits=limits)
    pair.wire.hold(pair.server)
    frame = f'["push",["pipeline",0,["{method}"],[{value}]]]'.encode()
    for _ in range(10):
        pair.inject(frame)
    assert pair.server.closed is None
    assert weigh(pair.server) > 70_000
    for _ in range(40):
        pair.inject(frame)
    assert "(Limits.session_bytes)" in str(pair.server.closed)


@pytest.mark.parametrize(("method", "value"), UNASKED.values(), ids=UNASKED)
def test_results_that_were_given_back_count_no_more(method, value):
    limits = Limits(session_bytes=300_000)
    pair = SessionPair(Main(), codec=CapnWebCodec, limits=limits)
    pair.wire.hold(pair.server)
    for number in range(1, 100):
        pair.inject(f'["push",["pipeline",0,["{method}"],[{value}]]]'.encode())
        pair.inject(f'["release",{number},1]'.encode())
    assert pair.server.closed is None
    assert weigh(pair.server) < 5_000
