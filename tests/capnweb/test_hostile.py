"""Texts of bad will: each ends its session with a short reason, or does no harm."""

from __future__ import annotations

import json
import math

import pytest
from fuzz.texts import BROKEN
from support.inline_host import SessionPair

from rpclab import RpcTarget
from rpclab.codecs.capnweb import CapnWebCodec
from rpclab.core.limits import Limits
from rpclab.errors import RemoteProtocolError


class _Target(RpcTarget):
    def __init__(self, main):
        self._main = main

    def dispose(self):
        self._main._disposals += 1


class Main(RpcTarget):
    def __init__(self):
        self._disposals = 0
        self._calls = []

    def greet(self, *args):
        self._calls.append(args)
        return "hello"

    @property
    def items(self):
        return [1, 2, 3]

    def same(self, value):
        return value

    def nothing(self):
        pass

    def target(self):
        return _Target(self)


@pytest.fixture
def main():
    return Main()


@pytest.fixture
def pair(main):
    pair = SessionPair(main, codec=CapnWebCodec)
    pair.wire.hold(pair.server)  # its peer does not know what is said in its name here
    return pair


def arrive(pair, *frames):
    """Let the server receive texts; gives what it answers, as trees."""
    before = len(pair.wire.sent)
    pair.server.receive(0, [frame.encode() if type(frame) is str else frame for frame in frames])
    pair.host.turn()
    return [
        json.loads(frame)
        for end, _, sent in pair.wire.sent[before:]
        if end is pair.server
        for frame in sent
    ]  # fmt: skip


@pytest.mark.parametrize("frame", BROKEN, ids=lambda frame: repr(frame)[:50])
def test_a_broken_text_ends_its_session_with_a_bounded_reason_or_does_no_harm(pair, frame):
    arrive(pair, frame)
    closed = pair.server.closed
    if closed is not None:
        assert isinstance(closed, RemoteProtocolError)
        assert len(str(closed)) < 1000
        assert not pair.server.exports
    else:
        [answer] = arrive(pair, f'["pull",{max(1, pair.server._last_call)}]')[-1:] or [["none"]]
        assert answer[0] in ("resolve", "reject", "abort", "none")


TOO_MUCH = {
    "many values": (
        Limits(message_objects=100),
        "[" + ",".join("1" * 200) + "]",
        "message_objects",
    ),
    "many small lists": (Limits(message_objects=100), ",".join(["[]"] * 60), "message_objects"),
    "many bytes": (Limits(message_bytes=100), '"' + "x" * 200 + '"', "message_bytes"),
    "depth": (Limits(nesting=10), "[[" * 11 + "]]" * 11, "nesting"),
}


@pytest.mark.parametrize(("limits", "value", "name"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_goes_over_a_limit_ends_the_session_and_names_it(main, limits, value, name):
    pair = SessionPair(main, codec=CapnWebCodec, limits=limits)
    pair.wire.hold(pair.server)
    arrive(pair, f'["push",[[{value}]]]' if value[0] != '"' else f'["push",{value}]')
    assert f"Limits.{name}" in str(pair.server.closed)


def test_a_mapped_function_nests_no_deeper_than_other_values(main):
    for depth, closed in ((6, False), (12, True)):
        pair = SessionPair(main, codec=CapnWebCodec, limits=Limits(nesting=10))
        pair.wire.hold(pair.server)
        value = "[[" * depth + "]]" * depth
        arrive(pair, f'["push",["remap",0,["items"],[],[["pipeline",0,["greet"],[{value}]]]]]')
        assert (pair.server.closed is not None) == closed
        assert not closed or "Limits.nesting" in str(pair.server.closed)


def test_commas_in_a_text_are_no_values(main):
    pair = SessionPair(main, codec=CapnWebCodec, limits=Limits(message_objects=100))
    pair.wire.hold(pair.server)
    commas = "," * 1000
    arrive(pair, f'["push",["pipeline",0,["greet"],["{commas}\\\\\\"[["]]]', '["pull",1]')
    assert pair.server.closed is None


def test_the_depth_that_the_library_reads_is_read_and_one_more_is_not(main):
    for depth, closed in ((256, False), (257, True)):
        pair = SessionPair(main, codec=CapnWebCodec)
        pair.wire.hold(pair.server)
        arrive(pair, '["push",' + "[[" * depth + "]]" * depth + "]")
        assert (pair.server.closed is not None) == closed


def test_the_steps_of_maps_inside_one_another_are_bounded_together(main):
    pair = SessionPair(main, codec=CapnWebCodec, limits=Limits(map_steps=100))
    pair.wire.hold(pair.server)
    inner = '["pipeline",0]'
    for _ in range(6):
        inner = f'["remap",-1,["items"],[["import",-1]],[{inner}]]'
    program = f'["push",["remap",0,["items"],[["import",0]],[{inner}]]]'
    [answer] = arrive(pair, program, '["pull",1]')
    assert answer[0] == "reject"
    assert "Limits.map_steps" in answer[2][2]


def test_what_maps_inside_one_another_copy_and_write_is_bounded_together(main):
    values = "[[" + "1," * 50 + "1]]"
    for part, limits in (
        (values, Limits(message_objects=5_000)),
        (f'"{"x" * 1000}"', Limits(message_bytes=20_000)),
    ):
        for depth, refused in ((1, False), (5, True)):
            pair = SessionPair(main, codec=CapnWebCodec, limits=limits)
            pair.wire.hold(pair.server)
            inner = part
            for _ in range(depth):
                inner = f'["remap",-1,["items"],[["import",-1]],[{inner}]]'
            program = f'["push",["remap",0,["items"],[["import",0]],[{inner}]]]'
            [answer] = arrive(pair, program, '["pull",1]')
            assert (answer[0] == "reject") is refused
            assert not refused or "(Limits.message_" in answer[2][2]


@pytest.mark.parametrize("name", ["cause", "errors", "inner"])
def test_an_error_in_an_error_is_written_as_often_as_it_stands_there(main, name):
    pair = SessionPair(main, codec=CapnWebCodec)
    pair.wire.hold(pair.server)
    error = '["error","Error","x",null]'
    for _ in range(60):
        inner = f"[[{error}]]" if name == "errors" else error
        error = f'["error","Error","x",null,{{"{name}":{inner}}}]'
    [answer] = arrive(pair, f'["push",["pipeline",0,["same"],[{error}]]]', '["pull",1]')
    assert answer[0] == "resolve"
    for _ in range(60):
        inner = answer[2][4][name]
        answer[2] = inner[0][0] if name == "errors" else inner
    assert answer[2][:3] == ["error", "Error", "x"]


def test_a_member_of_an_error_that_cannot_be_sent_is_left_out_at_any_depth():
    class Failing(RpcTarget):
        def error(self):
            error = None
            for number in range(20):
                outer = ValueError(str(number))
                outer.inner, outer.bad, outer.good = error, object(), number
                error = outer
            return error

    pair = SessionPair(Failing(), codec=CapnWebCodec)
    error = pair.settle(pair.main.call("error"))
    for number in reversed(range(20)):
        assert (str(error), error.good) == (str(number), number)
        assert not hasattr(error, "bad")
        error = error.inner
    assert error is None


def test_results_that_nobody_asks_for_are_no_exports_and_the_oldest_are_forgotten(main):
    pair = SessionPair(main, codec=CapnWebCodec, limits=Limits(results=5, exports=20))
    pair.wire.hold(pair.server)
    calls = ['["push",["pipeline",0,["greet"],[]]]'] * 100
    silent = ['["push",["pipeline",0,["nothing"],[]]]'] * 1000
    assert arrive(pair, *calls, *silent) == []
    assert pair.server.closed is None
    assert len(pair.server.exports) == 1
    assert len(pair.server._results) < 20
    [forgotten, kept, nothing] = arrive(pair, '["pull",1]', '["pull",99]', '["pull",500]')
    assert (forgotten[0], kept, nothing) == (
        "reject", ["resolve", 99, "hello"], ["resolve", 500, ["undefined"]],
    )  # fmt: skip
    assert "Limits.results" in forgotten[2][2]
    assert arrive(pair, '["release",100,1]', '["release",99,1]') == []
    assert arrive(pair, '["release",99,1]')[0][0] == "abort"


def test_a_release_of_more_than_was_introduced_ends_the_session(pair):
    assert arrive(pair, '["push",5]', '["release",1,2]')[0][0] == "abort"


def test_a_call_inside_a_message_that_is_refused_is_not_made(pair, main):
    arrive(pair, '["push",["pipeline",0,["greet"],[["pipeline",0,["greet"],[1]],["frob"]]]]')
    assert pair.server.closed is not None
    assert main._calls == []


def test_a_call_that_a_rejected_argument_keeps_from_running_gives_back_what_it_holds(pair, main):
    frames = [
        '["push",["pipeline",0,["no_such"],[]]]',
        '["push",["pipeline",0,["greet"],[["pipeline",1],["export",-1]]]]',
        '["pull",2]',
    ]
    answers = arrive(pair, *frames)
    assert [answer[0] for answer in answers] == ["reject", "release"]
    assert main._calls == []


@pytest.mark.parametrize("prepared", [False, True], ids=["the long way", "in one step"])
def test_nothing_is_sent_before_it_is_asked_for(main, prepared):
    pair = SessionPair(main, codec=CapnWebCodec, prepared=prepared)
    pair.wire.hold(pair.server)
    calls = ['["push",["pipeline",0,["greet"],[]]]', '["push",["pipeline",0,["target"],[]]]']
    assert arrive(pair, *calls) == []
    assert arrive(pair, '["pull",1]', '["pull",2]', '["pull",1]') == [
        ["resolve", 1, "hello"],
        ["resolve", 2, ["export", -1]],
    ]
    assert arrive(pair, '["release",1,1]', '["release",2,1]', '["release",-1,1]') == []
    assert main._disposals == 1
    assert [*pair.server.exports] == [0]


@pytest.mark.parametrize("prepared", [False, True], ids=["the long way", "in one step"])
def test_very_many_calls_of_one_tick_are_all_answered(main, prepared):
    pair = SessionPair(main, codec=CapnWebCodec, prepared=prepared)
    pair.wire.hold(pair.server)
    count = 30_000
    pulls = [f'["pull",{number}]' for number in range(1, count + 1)]
    answers = arrive(pair, *['["push",["pipeline",0,["greet"],[]]]'] * count, *pulls)
    assert answers == [["resolve", number, "hello"] for number in range(1, count + 1)]


REASONS = {
    "a release of less than one": ('["release",1,-1]', "['release', 1, -1]"),
    "JSON that nests too deep to be read": ('["push",' + "[" * 60_000, "(Limits.nesting)"),
    "an object that nests too deep to be read": ('["push",' + '{"a":' * 60_000, "(Limits.nesting)"),
    "a program that nests too deep": (
        '["push",["remap",0,[],[],[' + "[[" * 260 + "]]" * 260 + "]]]",
        "(Limits.nesting)",
    ),
    "JSON that breaks off": ('["push",["und', "character 9, which begins '\"und'"),
    "an empty text": ("", "Expecting value at character 0, where it ends"),
    "no UTF-8": (b'["push","\xff"]', "no UTF-8, from byte 9 on"),
    "a number that JSON has not": ('["push",NaN]', "the peer sent NaN"),
    "no such expression": ('["push",["what",1]]', "an expression that is none: ['what', 1]"),
    "a number that was introduced": ('["push",["export",5]]', "the id 5"),
    "a pull of nothing": ('["pull",5]', "id 5, which is no call"),
}  # fmt: skip


@pytest.mark.parametrize(("frame", "what"), REASONS.values(), ids=REASONS)
def test_the_reason_for_an_end_says_what_was_wrong_and_where_in_words_of_the_wire(
    pair, frame, what
):
    arrive(pair, '["push",["pipeline",0,["greet"],[]]]', frame)
    reason = str(pair.server.closed)
    assert what in reason
    assert "id 5, which" in reason or "; it is message 2 of the peer" in reason
    for ours in ("recursion", "set_int_max_str_digits", "codec can't", "[4, "):
        assert ours not in reason


def test_an_integer_of_any_number_of_digits_is_a_double_as_in_javascript(pair, main):
    for digits in (17, 309, 401, 5000):
        arrive(pair, f'["push",["pipeline",0,["greet"],[{"9" * digits},-{"9" * digits}]]]')
    assert pair.server.closed is None
    assert [args[0] for args in main._calls] == [1e17, math.inf, math.inf, math.inf]
    assert [args[1] for args in main._calls] == [-1e17, -math.inf, -math.inf, -math.inf]


GREET = '["push",["pipeline",0,["greet"],[]]]'


def test_a_result_that_was_sent_is_sent_once_and_stays_until_it_is_given_back(pair):
    assert arrive(pair, GREET, '["pull",1]') == [["resolve", 1, "hello"]]
    assert arrive(pair, '["pull",1]') == []
    # What is called on it meanwhile finds it, and fails as on any text.
    [answer] = arrive(pair, '["push",["pipeline",1,["nothing"],[]]]', '["pull",2]')
    assert answer[:2] == ["reject", 2]
    assert arrive(pair, '["release",1,1]', '["release",2,1]') == []
    assert pair.server.closed is None
    assert [*pair.server.exports] == [0]
    assert not [*pair.server.unseen_results()]
    arrive(pair, '["release",1,1]')
    assert "released export 1" in str(pair.server.closed)


def test_what_was_sent_and_is_never_given_back_counts_as_held(main):
    pair = SessionPair(main, codec=CapnWebCodec, limits=Limits(exports=5))
    pair.wire.hold(pair.server)
    for number in range(1, 20):
        arrive(pair, GREET, f'["pull",{number}]')
        if pair.server.closed is not None:
            break
    assert "Limits.exports" in str(pair.server.closed)
    assert number < 10


@pytest.mark.parametrize(
    "pull", ['["pull",1]', ' [ "pull" , 1 ] '], ids=["as it is written", "with spaces"]
)
def test_each_of_the_plain_messages_means_the_same_however_it_is_written(pair, pull):
    spaced = ' [ "push" , [ "pipeline" , 0 , [ "greet" ] , [ 1.5 , null , true ] ] ] '
    assert arrive(pair, spaced, pull) == [["resolve", 1, "hello"]]
    assert arrive(pair, ' [ "release" , 1 , 1 ] ') == []
    assert [*pair.server.exports] == [0]


def test_a_number_that_is_no_exact_double_is_one_in_arguments_of_plain_calls(pair, main):
    arrive(pair, '["push",["pipeline",0,["greet"],[9007199254740993,1]]]')
    assert main._calls == [(9007199254740992.0, 1)]
    assert type(main._calls[0][0]) is float
