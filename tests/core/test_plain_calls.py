"""A plain method's result is queued without an answer of its own; nobody can tell."""

import gc

import pytest

from rpclab.codecs.capnweb import CapnWebCodec
from rpclab.codecs.msgpack import MsgpackCodec
from rpclab.codecs.sharing import _QUICKLY_TOLD, outweighs
from rpclab.core.messages import LARGE
from rpclab.core.targets import RpcTarget
from tests.support.inline_host import EMPTY, Promise, SessionPair


class Counter(RpcTarget):
    def __init__(self, gone):
        self._value = 0
        self._gone = gone

    def increment(self):
        self._value += 1
        return self._value

    def dispose(self):
        self._gone.append(self)


class Main(RpcTarget):
    def __init__(self):
        self.made = []
        self.gone = []

    def counter(self):
        self.made.append(Counter(self.gone))
        return self.made[-1]

    def use(self, counter):
        counter.call("increment")
        return "used"

    def data(self):
        return {"name": "x", "inside": [1, {"two": 2}]}

    def with_counter(self):
        return {"counter": self.counter(), "twice": [self.made[-1]]}

    def with_what_cannot_be_sent(self):
        return {"counter": self.counter(), "bad": object()}

    def take(self, value):
        return value


@pytest.mark.parametrize("prepared", [False, True])
def test_the_promise_of_a_returned_target_can_be_passed_on_in_the_same_flight(prepared):
    main = Main()
    pair = SessionPair(main, prepared=prepared)
    made = pair.main.call("counter")
    used = pair.main.call("use", made)
    pair.host.turn()
    assert used.outcome == "used"
    assert main.made[0]._value == 1


@pytest.mark.parametrize("prepared", [False, True])
def test_a_returned_target_is_disposed_once_its_call_and_its_stub_are_released(prepared):
    main = Main()
    pair = SessionPair(main, prepared=prepared)
    made = pair.main.call("counter")
    pair.host.turn()
    assert pair.server.hosted()[-1].target is main.made[0]
    assert main.gone == []
    made.outcome.dispose()
    pair.host.turn()
    assert main.gone == main.made


@pytest.mark.parametrize("prepared", [False, True])
def test_returned_data_can_be_read_into_and_passed_on_while_it_is_under_way(prepared):
    pair = SessionPair(Main(), prepared=prepared)
    data = pair.main.call("data")
    name, missing = (
        Promise(data.pending.pipeline(name, None, None, data.pending.context))
        for name in ("name", "missing")
    )
    taken = pair.main.call("take", data)
    pair.host.turn()
    assert data.outcome == taken.outcome == {"name": "x", "inside": [1, {"two": 2}]}
    assert name.outcome == "x"
    assert "missing" in str(missing.pending.value)


@pytest.mark.parametrize("prepared", [False, True])
def test_a_target_in_returned_data_is_disposed_once_its_call_and_its_stubs_are_released(prepared):
    main = Main()
    pair = SessionPair(main, prepared=prepared)
    made = pair.main.call("with_counter")
    pair.host.turn()
    assert pair.server.hosted()[-1].target is main.made[0]
    assert made.outcome["counter"] is made.outcome["twice"][0]
    assert main.gone == []
    made.outcome["counter"].dispose()
    pair.host.turn()
    assert main.gone == main.made


@pytest.mark.parametrize("prepared", [False, True])
def test_targets_in_returned_data_that_cannot_be_sent_are_disposed_once(prepared):
    main = Main()
    pair = SessionPair(main, prepared=prepared)
    refused = pair.main.call("with_what_cannot_be_sent")
    pair.host.turn()
    assert "bad" in str(refused.pending.value)
    assert main.gone == main.made
    assert pair.tables == EMPTY


def test_returned_data_is_kept_by_itself_until_the_peer_has_seen_it():
    pair = SessionPair(Main(), prepared=True)
    pair.wire.hold(pair.server)
    pair.main.call("data")
    pair.host.turn()
    assert not set(pair.server.exports) - {0}
    assert [*pair.server.unseen_results()] == [{"name": "x", "inside": [1, {"two": 2}]}]
    pair.wire.let_go(pair.server)
    pair.settle(pair.main.call("take", 1))
    assert {"name": "x", "inside": [1, {"two": 2}]} not in pair.server.unseen_results()


def test_large_bytes_are_worth_a_copy_of_few_containers_and_not_of_many():
    large = bytes(LARGE)
    assert outweighs([large], [large])
    assert outweighs([large], [{"data": large, "name": "x"}])
    assert not outweighs([large], [large, [{"row": number} for number in range(1000)]])


def test_of_lists_sets_and_leaves_the_collector_follows_the_containers_alone():
    containers = [[], [1], set(), {1}, frozenset(), frozenset({1})]
    leaves = [None, True, 1, 2**100, 1.5, "", "x" * 1000]
    assert {type(value) for value in (*containers, *leaves)} == _QUICKLY_TOLD
    assert all(map(gc.is_tracked, containers))
    assert not any(map(gc.is_tracked, leaves))


@pytest.mark.parametrize("codec", [MsgpackCodec, CapnWebCodec])
def test_what_an_interrupt_leaves_of_a_batch_comes_before_what_arrives_meanwhile(codec):
    class Main(RpcTarget):
        def __init__(self):
            self.notes = []

        def note(self, number):
            self.notes.append(number)

        def stop(self):
            raise KeyboardInterrupt

    main = Main()
    pair = SessionPair(main, codec=codec)
    for name, *args in (("note", 0), ("stop",), ("note", 1), ("stop",), ("note", 2)):
        pair.main.call(name, *args)
    with pytest.raises(KeyboardInterrupt):
        pair.host.turn()
    pair.main.call("note", 3)
    pair.client.flush()
    assert main.notes == [0]
    with pytest.raises(KeyboardInterrupt):
        pair.host.turn()
    assert main.notes == [0, 1]
    pair.host.turn()
    assert main.notes == [0, 1, 2, 3]


def test_an_interrupt_of_work_that_was_left_for_a_turn_lets_the_rest_go_on_in_the_next():
    def interrupted():
        raise KeyboardInterrupt

    pair = SessionPair(Main())
    done = []
    for work in (interrupted, lambda: done.append(1), interrupted, lambda: done.append(2)):
        pair.client.soon(work)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            pair.host.turn()
    pair.host.turn()
    assert done == [1, 2]
