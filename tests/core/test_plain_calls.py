"""A plain method's result is queued without an answer of its own; nobody can tell."""

import pytest

from rpclab.codecs.sharing import outweighs
from rpclab.core.messages import LARGE
from rpclab.core.targets import RpcTarget
from tests.support.inline_host import SessionPair


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


def test_large_bytes_are_worth_a_copy_of_few_containers_and_not_of_many():
    large = bytes(LARGE)
    assert outweighs([large], [large])
    assert outweighs([large], [{"data": large, "name": "x"}])
    assert not outweighs([large], [large, [{"row": number} for number in range(1000)]])
