"""Plain calls, and their results, leave in runs: several in one message. Nobody can tell."""

from __future__ import annotations

import msgpack
import pytest
from support.frames import packed
from support.inline_host import EMPTY, Later, SessionPair

from rpclab import Limits, RpcTarget
from rpclab.core.messages import (
    CALL,
    FEW,
    LONGEST_RUN,
    QUIET,
    RELEASE,
    RESOLVE,
    apart,
    as_packed,
    parse,
)
from rpclab.errors import RemoteProtocolError


class Node(RpcTarget):
    def __init__(self, log, depth=1):
        self._log = log
        self._depth = depth

    def next(self):
        return Node(self._log, self._depth + 1)

    def itself(self):
        return self

    def noted(self):
        self._log.append("noted")
        return Disposed(self._log)

    def later(self, *_):
        return Later()

    def fail(self):
        raise ValueError(f"at {self._depth}")

    def stop(self):
        raise KeyboardInterrupt

    def data(self):
        return {"next": Node(self._log, self._depth + 1)}

    def nothing(self):
        return None

    def depth(self, *more):
        self._log.append(self._depth)
        return sum(more, self._depth)

    @property
    def below(self):
        return self.next()


class Disposed(RpcTarget):
    def __init__(self, log):
        self._log = log

    def depth(self):
        self._log.append("used")
        return 0

    def itself(self):
        return self

    def dispose(self):
        self._log.append("disposed")


@pytest.fixture
def log():
    return []


@pytest.fixture(params=[True, False], ids=["packed", "as they are"])
def pair(request, log):
    pair = SessionPair(Node(log), prepared=True)
    pair.client.packs_runs = pair.server.packs_runs = request.param
    return pair


def sent(pair, sender):
    """The messages that an end has sent, of each batch."""
    batches = [frames for end, _, frames in pair.wire.sent if end is sender and frames]
    return [
        [
            msgpack.unpackb(frame, ext_hook=msgpack.ExtType)
            if type(frame) is bytes
            else as_packed([*frame])
            for frame in batch
        ]
        for batch in batches
    ]


def chain(pair, *names):
    promise = pair.main
    for name in names:
        promise = promise.call(name)
    return promise


def test_calls_in_flight_are_one_message_and_so_are_their_results(pair):
    promises = [pair.main.call("depth", number) for number in (1, 2, 3)]
    pair.host.turn()
    assert [promise.outcome for promise in promises] == [2, 3, 4]
    assert sent(pair, pair.client)[0] == [
        [CALL, 1, 0, "depth", [1], 0, "depth", [2], 0, "depth", [3]]
    ]
    assert sent(pair, pair.server)[0] == [[RESOLVE, 1, 2, 2, 3, 3, 4]]


def test_a_chain_is_one_message_with_one_result_and_nothing_is_released_after_it(pair):
    assert pair.settle(chain(pair, "next", "itself", "depth")) == 2
    assert sent(pair, pair.client)[0] == [
        [CALL, 1, 0, "next", [], None, "itself", [], None, "depth", []]
    ]
    assert sent(pair, pair.server) == [[[RESOLVE, 3, 2]]]
    assert pair.tables == EMPTY
    assert pair.server.exports.keys() <= {0}


def test_a_promise_that_is_held_is_no_link_of_a_chain_that_passes(pair):
    held = pair.main.call("next")
    depth = held.call("next").call("depth")
    assert pair.settle(depth) == 3
    assert pair.settle(held.outcome.call("depth")) == 2


def test_a_promise_that_two_calls_were_made_on_is_there_for_both(pair):
    node = pair.main.call("next")
    one, two = node.call("depth"), node.call("depth", 10)
    del node
    pair.host.turn()
    assert (one.outcome, two.outcome) == (2, 12)
    assert pair.tables == EMPTY


@pytest.mark.parametrize("names", [["later"], ["next", "later"], ["later", "next"], ["below"]])
def test_a_chain_goes_on_behind_what_is_not_there_at_once(pair, log, names):
    promise = chain(pair, *names, "itself", "depth")
    pair.host.turn()
    assert not promise.pending.state or names == ["below"]


@pytest.mark.parametrize("before", [[], ["next"], ["next", "next"]])
def test_an_error_reaches_what_was_called_on_it_and_nothing_is_left(pair, before):
    promise = chain(pair, *before, "fail", "next", "depth")
    with pytest.raises(ValueError, match=f"at {len(before) + 1}") as caught:
        pair.settle(promise)
    assert caught.value.remote is True
    assert pair.tables == EMPTY
    assert pair.server.exports.keys() <= {0}


@pytest.mark.parametrize("before", [[], ["next"]])
@pytest.mark.parametrize("name", ["nothing", "depth", "data", "missing"])
def test_what_is_no_target_is_no_link_of_a_chain_and_says_so(pair, before, name):
    with pytest.raises(TypeError):
        pair.settle(chain(pair, *before, name, "next", "depth"))
    assert pair.tables == EMPTY
    assert pair.server.exports.keys() <= {0}
    assert not pair.server._quiet


def test_a_member_of_returned_data_is_reached_in_a_chain(pair):
    data = pair.main.call("next").call("data")
    below = data.pending.pipeline(["next", "depth"], (), None, data.pending.context)
    del data
    pair.host.turn()
    assert below.value == 3
    assert pair.tables == EMPTY


def test_the_disposer_of_what_was_passed_on_runs_once_after_the_call_on_it(pair, log):
    assert pair.settle(chain(pair, "next", "noted", "itself", "depth")) == 0
    assert log == ["noted", "used", "disposed", "disposed"]  # one for each time it was returned
    assert pair.tables == EMPTY


@pytest.mark.parametrize("names", [["stop", "depth"], ["next", "stop", "depth"]])
def test_what_an_interrupt_leaves_of_a_run_is_done_in_the_next_turn(pair, log, names, monkeypatch):
    def ran(answer, value, variables, error=None):
        settle(answer, value, variables, error)
        if isinstance(error, KeyboardInterrupt):
            raise error

    settle = pair.host.ran
    monkeypatch.setattr(pair.host, "ran", ran)
    broken = chain(pair, *names)
    after = [pair.main.call("depth", number) for number in range(3)]
    with pytest.raises(KeyboardInterrupt):
        pair.host.turn()
    assert log == []
    pair.host.turn()
    assert [promise.outcome for promise in after] == [1, 2, 3]
    assert log == [1, 1, 1]
    assert broken.pending.state
    assert pair.tables == EMPTY
    assert pair.server.exports.keys() <= {0}


@pytest.mark.parametrize(
    "arguments",
    [["x" * FEW], ["x" * (FEW + 1)], [2**30], [-(2**30)], [2**30 - 1], [2**70], [1] * 8, [1] * 9],
)
def test_what_is_not_small_goes_in_a_message_of_its_own_and_arrives_alike(arguments):
    class Main(RpcTarget):
        def echo(self, *values):
            return values[0]

        def count(self, *values):
            return len(values)

    pair = SessionPair(Main(), prepared=True)
    first, echoed = pair.main.call("count"), pair.main.call("echo", *arguments)
    count = pair.main.call("count", *arguments)
    pair.host.turn()
    assert (first.outcome, echoed.outcome, count.outcome) == (0, arguments[0], len(arguments))


def test_where_messages_have_to_be_short_there_are_no_runs():
    pair = SessionPair(Node([]), limits=Limits(message_bytes=LONGEST_RUN - 1))
    for _ in range(3):
        pair.main.call("depth")
    pair.host.turn()
    assert [len(batch) for batch in sent(pair, pair.client)] == [3]


def test_many_calls_are_several_runs_in_order(pair, log):
    promises = [pair.main.call("depth", number) for number in range(1000)]
    pair.host.turn()
    assert [promise.outcome for promise in promises] == [*range(1, 1001)]
    assert 10 < len(sent(pair, pair.client)[0]) < 100


def test_a_call_that_refers_to_something_keeps_its_place_among_the_others(pair, log):
    stub = pair.settle(pair.main.call("next"))
    order = []

    class Main(RpcTarget):
        def note(self, value):
            order.append(value if type(value) is int else "stub")

    other = SessionPair(Main(), prepared=True)
    for value in (1, 2, lambda: None, 3, [4], 5):
        other.main.call("note", value)
    other.host.turn()
    assert order == [1, 2, "stub", 3, "stub", 5]
    stub.dispose()


# What a peer of bad will makes of it.


def ended(pair):
    assert isinstance(pair.server.closed, RemoteProtocolError)
    return str(pair.server.closed)


def injected(log, **limits):
    """A server whose answers nobody hears; its peer does not know what is said in its name."""
    pair = SessionPair(Node(log), limits=Limits(**limits), prepared=True)
    pair.wire.hold(pair.server)
    return pair


@pytest.fixture
def server(log):
    return injected(log)


def test_a_run_is_refused_from_where_it_breaks_the_rules_on(server, log):
    server.inject(packed([CALL, 1, 0, "depth", [], 7, "depth", [], 0, "depth", []]))
    assert ended(server) == "the peer called export 7, which it does not hold"
    assert log == [1]


@pytest.mark.parametrize(
    "rest", [[0], [0, "depth"], [0, "depth", None, 0], ["0", "depth", []], [0, 1, []], [0, "a", 1]]
)
def test_a_run_with_a_broken_call_in_it_ends_the_session(server, rest):
    server.inject(packed([CALL, 1, 0, "depth", [], *rest, *rest]))
    assert "the peer sent no message" in ended(server)


def test_the_first_call_of_a_run_may_be_made_on_the_call_before_it(server, log):
    server.inject(packed([CALL, 1, 0, "next", []]))
    server.inject(packed([CALL, 2, None, "depth", [], 0, "depth", []]))
    assert log == [2, 1]
    assert 1 not in server.server.exports


def test_the_first_call_of_all_is_made_on_no_other(server):
    server.inject(packed([CALL, 1, None, "depth", [], 0, "depth", []]))
    assert server.server.closed is not None
    assert server.server._last_call == 0


def test_a_run_that_uses_an_id_twice_ends_the_session(server, log):
    server.inject(packed([CALL, 2, 0, "depth", [], 0, "depth", []]))
    server.inject(packed([CALL, 3, 0, "depth", [], 0, "depth", []]))
    assert ended(server) == "the peer used the call id 3 twice"
    assert len(log) == 2


@pytest.mark.parametrize(("count", "fits"), [(4, True), (5, True), (6, False)])
def test_the_calls_of_a_run_count_as_exports(count, fits):
    server = injected([], exports=5)
    server.inject(packed([CALL, 1, *[0, "later", []] * count]))
    assert (server.server.closed is None) is fits
    if not fits:
        assert ended(server) == "the peer holds more than 5 exports (Limits.exports)"


def test_what_the_calls_of_a_run_keep_is_weighed_one_by_one():
    server = injected([], session_bytes=3_000_000)
    text = "x" * 1_000_000
    server.inject(packed([CALL, 1, *[0, "later", [text]] * 2]))
    assert server.server.closed is None
    server.inject(packed([CALL, 3, *[0, "later", [text]] * 2]))
    server.inject(packed([CALL, 5, 0, "later", []]))
    assert "Limits.session_bytes" in ended(server)


def test_the_arguments_of_every_call_in_a_run_have_a_depth():
    for levels, fits in ((20, True), (21, False)):
        value = []
        for _ in range(levels - 1):
            value = [value]
        server = injected([], nesting=20)
        more = [0, "depth", [1] * 8] * 10
        server.inject(packed([CALL, 1, *more, 0, "nothing", [value], *more]))
        assert (server.server.closed is None) is fits
        assert fits or "nests deeper than 20 containers" in ended(server)


def test_a_result_that_nobody_asked_for_ends_the_session_as_by_itself(pair):
    promise = pair.main.call("later")
    pair.host.turn()
    pair.client.receive(0, [packed([RESOLVE, 1, 5, 9, 6])])
    assert promise.outcome == 5
    assert str(pair.client.closed) == "the peer settled id 9, which is no call"


def test_a_run_taken_apart_gives_messages_that_stand_by_themselves():
    run = [CALL, 4, 0, "a", [], None, "b", [1]]
    assert [*apart(run)] == [[CALL, 4, 0, "a", []], [CALL, 5, 4, "b", [1]]]
    assert [*apart([RESOLVE, 1, "x", 2, None])] == [[RESOLVE, 1, "x"], [RESOLVE, 2, None]]
    for message in ([CALL, 1, 0, "a", [], {"k": {}}], [RESOLVE, 1, 2], [RELEASE, 1, 1, 2, 1]):
        assert [*apart(message)] == [message]
        assert parse(message) == message


def test_an_end_that_forgoes_runs_sends_each_message_by_itself_after_what_waits_already(pair):
    before = [pair.main.call("depth", number) for number in (1, 2)]
    pair.client.forgo_runs()
    after = [pair.main.call("depth", number) for number in (3, 4)]
    total = chain(pair, "next", "depth")
    pair.host.turn()
    assert [promise.outcome for promise in (*before, *after, total)] == [2, 3, 4, 5, 2]
    [quiet, run, *alone] = [message[0] for message in sent(pair, pair.client)[0]]
    assert (quiet, run, alone) == (QUIET, CALL, [CALL, CALL, CALL, CALL, RELEASE])
    assert pair.tables == EMPTY


def test_targets_in_flight_are_given_back_by_themselves_and_their_calls_by_being_seen(pair, log):
    promises = [pair.main.call("noted") for _ in range(3)]
    pair.host.turn()
    stubs = [promise.outcome for promise in promises]
    assert pair.settle(stubs[1].call("depth")) == 0
    assert pair.server.live_exports() == [0, -2, -3, -4]
    for stub in stubs:
        stub.dispose()
    pair.host.turn()
    assert log == ["noted"] * 3 + ["used"] + ["disposed"] * 3
    assert pair.tables == EMPTY
    released = [
        message for batch in sent(pair, pair.client) for message in batch if message[0] == RELEASE
    ]
    together = [-2, 1, -3, 1, -4, 1]
    alone = [[RELEASE, 1, 1, 2, 1, 3, 1], [RELEASE, *together]]
    assert released == (alone if pair.client.packs_runs else [[RELEASE, *together]])


def test_a_call_on_a_target_that_is_on_its_way_finds_it(pair, log):
    pair.wire.hold(pair.server)
    promise = pair.main.call("noted")
    pair.host.turn()
    depth = promise.call("depth")
    pair.host.turn()
    assert log == ["noted", "used"]
    pair.wire.let_go(pair.server)
    assert depth.outcome == 0
    promise.outcome.dispose()
    pair.host.turn()
    assert log[2:] == ["disposed"]
    assert pair.tables == EMPTY


def test_a_target_that_comes_too_late_is_given_back(pair, log):
    pair.wire.hold(pair.server)
    promises = [pair.main.call("noted") for _ in range(2)]
    pair.host.turn()
    promises[0].pending.cancel("a test")
    pair.wire.let_go(pair.server)
    pair.host.turn()
    assert log == ["noted", "noted", "disposed"]
    promises[1].outcome.dispose()
    pair.host.turn()
    assert log[3:] == ["disposed"]
    assert pair.tables == EMPTY


def test_targets_that_wait_to_leave_are_sent_also_by_an_end_that_forgoes_runs(pair, log):
    promises = [pair.main.call(name) for name in ("depth", "noted", "depth", "noted")]
    pair.client.flush()  # the methods have run
    pair.server.forgo_runs()
    pair.host.turn()
    assert [promises[n].outcome for n in (0, 2)] == [1, 1]
    for n in (1, 3):
        promises[n].outcome.dispose()
    assert pair.settle(pair.main.call("depth")) == 1
    assert log.count("disposed") == 2
    assert pair.tables == EMPTY
    assert pair.server.exports.keys() <= {0, 5}
