"""Plain calls are written and read many at once; nobody can tell."""

from __future__ import annotations

import gc
import json
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.inline_host import EMPTY, SessionPair

from rpclab import RpcTarget
from rpclab.codecs.capnweb import CapnWebCodec
from rpclab.codecs.capnweb.messages import run_of_texts
from rpclab.core.limits import Limits
from rpclab.core.messages import CALL, PULL, RELEASE, RESOLVE, apart
from rpclab.errors import RemoteProtocolError


class Main(RpcTarget):
    def __init__(self):
        self._calls = []

    def note(self, *args):
        self._calls.append(args)
        return args[0]

    def fail(self):
        raise ValueError("as asked")


@pytest.fixture
def main():
    return Main()


@pytest.fixture
def pair(main):
    return SessionPair(main, codec=CapnWebCodec, prepared=True)


def codec_of(pair):
    return pair.server._codec


small = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**30), 2**30), st.floats(), st.text(max_size=64)
)
calls = st.lists(st.tuples(st.integers(-9, 9), st.text(max_size=9), st.lists(small, max_size=8)))
results = st.lists(st.tuples(st.integers(1, 99), small))


@given(calls, results)
@example([(0, "a\n", ["],\n,[", "\ud800"])], [(1, "\udfff"), (2, math.nan), (3, None)])
def test_messages_in_a_row_are_written_as_each_by_itself(calls, results):
    codec = codec_of(SessionPair(Main(), codec=CapnWebCodec))
    rows = []
    if calls:
        rows.append([CALL, 1, *[part for call in calls for part in call]])
    if results:
        rows.append([RESOLVE, *[part for result in results for part in result]])
    for row in rows:
        assert run_of_texts(row) == [codec.pack(message) for message in apart(row)]


@pytest.mark.parametrize("row", [[PULL, 1, 2, 2**40], [RELEASE, 1, 1, -2, 3]])
def test_pulls_and_releases_are_written_as_each_by_itself(pair, row):
    step = 1 if row[0] == PULL else 2
    each = [[row[0], *row[at : at + step]] for at in range(1, len(row), step)]
    assert run_of_texts(row) == [codec_of(pair).pack(message) for message in each]


TEXTS = [
    '["push",["pipeline",0,["note"],[1,"x",null,1.5]]]', '["pull",1]', '["resolve",1,"x"]',
    '["release",1,1]', '["push",["pipeline",0,["note"],[]]]', ' [ "pull" , 9 ] ',
    '["push",["pipeline",0,"a",[1]]]', '["push",["pipeline",0,{"a":1},[1]]]',
    '{"push":1,"pull":2}', '"ab"', '["pull","1"]', '["pull",true]', '["pull",1.0]', '["pull",0]',
    '["pull",-1]', '["pull",4611686018427387904]', '["pull"]', '["pull",1,2]', '["resolve",1]',
    '["resolve",1,9007199254740993]', '["resolve",1,9007199254740991]', '["resolve",1,1e999]',
    '["resolve",1,["undefined"]]', '["resolve",1,"\\ud800"]', '["release",1,0]',
    '["release",1,2]', '["release",1,true]', '["push",["pipeline",0,["a","b"],[1]]]',
    '["push",["pipeline",0,["note"],[9007199254740993]]]', '["push",["pipeline",0,["note"]]]',
    '["push",["pipeline",0,["note"],{"0":1}]]', '["push",["import",0,["note"],[1]]]',
    '["push",["pipeline",false,["note"],[1]]]', '["push","abcd"]', '["pull",1', '],["pull",2]',
    "", "[]", "[[]]", "1", "null", "\xff", "[" * 300, '["push",["pipeline",0,["note"],[NaN]]]',
]  # fmt: skip


@given(st.lists(st.sampled_from(TEXTS), max_size=40))
def test_what_is_read_at_once_is_what_each_message_says_by_itself(texts):
    codec = codec_of(SessionPair(Main(), codec=CapnWebCodec))
    frames = [text.encode("latin-1") for text in texts]
    found = codec.read_plain(frames[::-1])
    assert len(found) <= len(frames)
    for message, frame in zip(found, frames, strict=False):
        said, arrival = codec.decode(frame)
        assert arrival is None
        if message[0] == CALL:
            message = [CALL, 1, *message[1:]]  # noqa: PLW2901 - it is numbered as it is taken
        assert said == message
        assert [*map(type, said)] == [*map(type, message)]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_ends_a_session_behind_others_just_as_it_does_alone(text):
    def ended(*texts):
        pair = SessionPair(Main(), codec=CapnWebCodec, prepared=True)
        pair.wire.hold(pair.server)
        pair.server.receive(0, [text.encode("latin-1") for text in texts])
        number = f"message {len(texts)} of"
        return str(pair.server.closed).replace(number, "message N of")

    plain = '["push",["pipeline",0,["note"],[1]]]'
    assert ended(plain, plain, text) == ended(plain, text)


def test_a_message_over_the_limit_is_refused_though_it_is_a_plain_one(main):
    pair = SessionPair(main, codec=CapnWebCodec, limits=Limits(message_bytes=100))
    pair.wire.hold(pair.server)
    pair.server.receive(0, [b'["push",["pipeline",0,["note"],["%s"]]]' % (b"x" * 100)])
    assert isinstance(pair.server.closed, RemoteProtocolError)
    assert "Limits.message_bytes" in str(pair.server.closed)


def test_calls_leave_in_order_and_what_is_asked_for_before_what_is_given_back(pair, main):
    first = pair.main.call("note", 1)
    given_up = pair.main.call("note", 2)
    given_up.cancel()
    last = pair.main.call("note", 3)
    pair.host.turn()
    assert (first.outcome, last.outcome) == (1, 3)
    assert main._calls == [(1,), (2,), (3,)]
    assert pair.server.closed is None
    assert pair.tables == EMPTY
    batch = next(frames for end, _, frames in pair.wire.sent if end is pair.client)
    words = [json.loads(frame)[0] for frame in batch]
    assert words.index("release") > [*words, "pull"].index("pull")


def test_a_call_that_nobody_asks_for_and_python_forgets_is_given_back(pair, main):
    for sent in (False, True):
        pending = pair.main.handle.call("note", (1,), {})
        if sent:
            pair.host.turn()
            assert len(pair.client.imports) == 2
        del pending
        gc.collect()
        pair.host.turn()
        assert pair.tables == EMPTY
    assert main._calls == [(1,), (1,)]


def test_a_call_that_is_asked_for_later_gives_its_result(pair):
    pending = pair.main.handle.call("note", (1,), {})
    pair.host.turn()
    pending.ask()
    pending.ask()
    pair.host.turn()
    assert pending.value == 1
    assert pair.tables == EMPTY


def test_a_pull_of_what_failed_and_of_what_is_over_is_answered_as_ever(pair):
    failed = pair.main.call("fail")
    pair.host.turn()
    assert isinstance(failed.outcome, ValueError)
    pair.wire.hold(pair.server)
    pair.server.receive(0, [b'["pull",1]'])
    assert str(pair.server.closed) == "the peer pulled id 1, which is no call"
