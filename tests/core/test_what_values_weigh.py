"""What a message holds is counted by the memory it takes, however it is written."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal

import msgpack
import pytest
from support.frames import ext
from support.inline_host import SessionPair

from rpclab import Limits, RpcTarget
from rpclab.codecs.capnweb import CapnWebCodec
from rpclab.codecs.value_counts import MORE
from rpclab.codecs.values import DECIMAL, FROZENSET, RECORD, SET, UUID
from rpclab.core.references import STUB
from rpclab.errors import MessageTooLargeError

MESSAGE, ARGUMENTS = 6, 1  # what a call counts, and its list of arguments


class Main(RpcTarget):
    """What the client reaches."""

    def take(self, *values):
        return len(values)

    def big(self):
        return {"text": "x" * 1000}

    def same(self, value):
        return len(value)


def packed(value):
    return msgpack.packb(value)


KINDS = {
    "set": (
        lambda: [{1} for _ in range(100)],
        lambda n: ext(SET, packed([1])),
        1 + 1 + 1 + MORE[SET],
    ),
    "frozenset": (None, lambda n: ext(FROZENSET, packed([1])), 1 + 1 + 1 + MORE[FROZENSET]),
    "Decimal": (lambda: [Decimal(7)] * 100, lambda n: ext(DECIMAL, packed("7")), 1 + MORE[DECIMAL]),
    "UUID": (lambda: [uuid.UUID(int=7)] * 100, lambda n: ext(UUID, bytes(16)), 1 + MORE[UUID]),
    "stub": (None, lambda n: ext(STUB, (-2 - n).to_bytes(8, "big", signed=True)), 1 + MORE[STUB]),
    "Headers": (
        None,
        lambda n: ext(RECORD, packed(["Headers", [[]]])),
        1 + 3 + 2 + 1 + MORE[RECORD],
    ),
}


@pytest.mark.parametrize(("count", "refused"), [(99, False), (100, False), (101, True)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_value_counts_as_often_as_the_memory_it_takes(kind, count, refused):
    _, write, weight = KINDS[kind]
    limits = Limits(message_objects=MESSAGE + ARGUMENTS + 100 * weight)
    pair = SessionPair(Main(), limits=limits)
    # So many bytes that its values are counted.
    values = [write(number) for number in range(count)]
    frame = packed([0, 1, 0, "take", values])
    assert 2 * len(frame) > limits.message_objects
    pair.inject(frame)
    assert ("(Limits.message_objects)" in str(pair.server.closed)) is refused


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind][0]])
def test_whoever_sends_counts_alike(kind):
    make, _, weight = KINDS[kind]
    values = make()
    enough = MESSAGE + ARGUMENTS + 100 * weight
    for most in (enough, enough - 1):
        pair = SessionPair(Main(), limits=Limits(message_objects=most))
        call = pair.main.call("take", *values)
        pair.host.turn()
        if most == enough:
            assert call.outcome == 100
        else:
            assert isinstance(call.outcome, MessageTooLargeError)


@pytest.mark.parametrize("mention", [["import", 1], ["pipeline", 1, ["text"]]])
def test_the_promises_that_one_call_mentions_are_bounded_together(mention):
    for times, refused in ((9, False), (30, True)):
        pair = SessionPair(Main(), codec=CapnWebCodec, limits=Limits(session_bytes=20_000))
        pair.wire.hold(pair.server)
        frames = [
            ["push", ["pipeline", 0, ["big"], []]],
            ["push", ["pipeline", 0, ["same"], [[[mention] * times]]]],
            ["pull", 2],
        ]
        for frame in frames:
            pair.inject(json.dumps(frame).encode())
        sent = [json.loads(frame) for _, _, batch in pair.wire.sent for frame in batch]
        settled = next(message for message in sent if message[1] == 2)
        assert settled[0] == ("reject" if refused else "resolve")
        assert ("Limits.session_bytes" in str(settled)) is refused
        assert pair.server.closed is None
