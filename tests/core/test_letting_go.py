"""Whatever way a call goes, or is refused: each target is let go of, and each end is whole."""

from __future__ import annotations

import pytest
from support.frames import ext, packed
from support.inline_host import Later, SessionPair

from rpclab import Limits, RpcTarget
from rpclab.core import embargo
from rpclab.core.hooks import TargetHook
from rpclab.core.messages import (
    CALL,
    CANCEL,
    MAP,
    PULL,
    REJECT,
    RELEASE,
    RESOLVE,
    parse,
)
from rpclab.core.references import OWN_BINDING, PLACEHOLDER
from rpclab.errors import DisconnectedError, RemoteProtocolError


class Target(RpcTarget):
    """A target that counts how often it was disposed."""

    def __init__(self):
        self.disposals = 0

    def dispose(self):
        self.disposals += 1


class Member(Target):
    """What a property leads to."""

    def __init__(self, later):
        super().__init__()
        self._later = later

    def later(self):
        return self._later


class Main(Target):
    """What the client reaches."""

    def __init__(self):
        super().__init__()
        self._later = Later()
        self._made = []
        self._ends = lambda: None

    @property
    def member(self):
        return Member(self._later)

    def target(self):
        self._made.append(Main())
        return self._made[-1]

    def wait(self, *_args):
        return self._later

    def end_first(self):
        self._ends()
        return self.target()

    def same(self, value):
        return value


class Chained(Main):
    """A target of which chains are made, and that writes down what happens to it."""

    def __init__(self, log, name="main"):
        super().__init__()
        self._log = log
        self._name = name

    def end_first(self):
        self._log.append("runs")
        self._ends()
        self._log.append("returns")
        return self._made_of(Target())

    def wait_first(self):
        self._ends()
        return self._later

    def target(self):
        return self._made_of(Chained(self._log, "target"))

    def _made_of(self, target):
        target._ends = self._ends
        self._made.append(target)
        return target

    def dispose(self):
        super().dispose()
        self._log.append(f"{self._name} is disposed")


@pytest.fixture
def main():
    return Main()


@pytest.fixture
def pair(main):
    return SessionPair(main)


def test_what_led_to_a_member_is_kept_while_that_works_and_is_disposed_after_it(pair, main):
    owner = pair.settle(promise := pair.main.call("target"))
    later = main._made[0]._later
    call = owner.handle.call(["member", "later"], (), {})
    pair.host.turn()
    promise.dispose()
    pair.host.turn()
    assert main._made[0].disposals == 0
    later.resolve(7)
    pair.host.turn()
    assert (call.value, main._made[0].disposals) == (7, 1)


def test_a_target_that_only_a_step_of_a_map_gave_is_disposed(pair, main):
    pair.inject(packed([MAP, 1, 0, [], [], [[0, ["target"], [[], {}]], None]]))
    assert [made.disposals for made in main._made] == [1]


def test_a_target_that_is_the_result_of_a_map_lives_until_it_is_released(pair, main):
    pair.wire.hold(pair.server)  # the client knows of no such call
    result = [_variable(1), _variable(1)]
    pair.inject(packed([MAP, 1, 0, [], [], [[0, ["target"], [[], {}]], result]]))
    assert [made.disposals for made in main._made] == [0]
    pair.inject(packed([RELEASE, 1, 1, -2, 1]))
    assert [made.disposals for made in main._made] == [1]


def _variable(number):
    return ext(PLACEHOLDER, number.to_bytes(8, "big", signed=True))


def test_a_map_of_no_list_fails_once_when_what_it_waits_for_fails(pair, main):
    pair.inject(packed([MAP, 1, 0, [], [], [[0, ["wait"], [[], {}]], _variable(1)]]))
    main._later.reject(ValueError("as it is"))
    pair.host.turn()
    pair.server.close(DisconnectedError("the test ends it"))
    assert pair.host.reports == []


def test_a_target_that_is_returned_after_the_session_has_ended_is_disposed(main):
    for prepared in (False, True):
        pair = SessionPair(main, prepared=prepared)
        main._ends = lambda pair=pair: pair.server.close(DisconnectedError("ended by the method"))
        pair.main.call("end_first")
        pair.host.turn()
    assert [made.disposals for made in main._made] == [1, 1]


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("of", ["a call", "the first of a chain"])
def test_a_target_lives_until_its_method_that_ends_the_session_returns(of, prepared):
    log = []
    pair = SessionPair(main := Chained(log), prepared=prepared)
    main._ends = lambda: pair.server.close(DisconnectedError("ended by the method"))
    stub = pair.settle(pair.main.call("target"))
    call = stub.call("end_first")
    if of == "the first of a chain":
        call = call.call("same", 1)
    pair.host.turn()
    assert log == ["runs", "returns", "main is disposed", "target is disposed"]
    assert [made.disposals for made in main._made] == [1]
    assert [made.disposals for made in main._made[0]._made] == [1]


def test_a_session_that_a_method_has_ended_is_let_go_of_also_where_the_program_is_interrupted():
    log = []
    pair = SessionPair(main := Chained(log))

    def ends():
        pair.server.close(DisconnectedError("ended by the method"))
        raise KeyboardInterrupt

    stub = pair.settle(pair.main.call("target"))
    main._made[0]._ends = ends
    stub.call("end_first")
    with pytest.raises(KeyboardInterrupt):
        pair.host.turn()
    pair.host.turn()
    assert log == ["runs", "main is disposed", "target is disposed"]
    assert pair.server.exports == {}


def test_a_target_lives_until_its_method_that_was_cut_off_returns():
    log = []
    pair = SessionPair(main := Chained(log))
    main._ends = lambda: pair.server.close(DisconnectedError("ended by the method"))
    stub = pair.settle(pair.main.call("target"))
    stub.call("wait_first")
    pair.host.turn()
    made = main._made[0]
    assert made._later.cancelled
    made._later.resolve(late := Target())
    pair.host.turn()
    assert late.disposals == 1


@pytest.mark.parametrize("of", ["the same session", "another session"])
@pytest.mark.parametrize("why", ["another is rejected", "cancelled", "closed", "refused"])
def test_a_promised_argument_that_no_call_takes_is_let_go(pair, main, why, of):
    pair.host.forget = lambda _entry: None  # nothing is left to Python
    far = main if of == "the same session" else Main()
    there = pair if far is main else SessionPair(far, host=pair.host)
    late, argument = pair.main.call("wait"), there.main.call("target")
    call = (
        late.call("same", argument) if why == "refused" else pair.main.call("same", late, argument)
    )
    pair.settle(argument)
    argument.dispose()
    pair.host.turn()
    assert far._made[0].disposals == 0
    if why == "cancelled":
        call.cancel()
    elif why == "closed":
        pair.server.close(DisconnectedError("the test ends it"))
        pair.client.close(DisconnectedError("the test ends it"))
    else:
        main._later.reject(ValueError("as it is"))
    pair.host.turn()
    assert isinstance(call.outcome, Exception)
    assert far._made[0].disposals == 1


@pytest.mark.parametrize("of", ["the same session", "another session"])
def test_a_promised_argument_that_comes_after_its_call_is_over_is_let_go(pair, main, of):
    pair.host.forget = lambda _entry: None
    far = main if of == "the same session" else Main()
    there = pair if far is main else SessionPair(far, host=pair.host)
    argument = there.main.call("wait")
    call = pair.main.call("same", argument)
    pair.host.turn()
    call.cancel()
    pair.host.turn()
    far._later.resolve(target := Target())
    pair.settle(argument)
    assert target.disposals == 0
    argument.dispose()
    pair.host.turn()
    assert target.disposals == 1


@pytest.mark.parametrize("why", ["closed", "broken", "disposed", "ended"])
def test_targets_among_the_arguments_of_a_call_that_cannot_be_made_are_disposed(pair, why):
    if why == "closed":
        pair.client.close(DisconnectedError("closed by the test"))
    elif why == "broken":
        pair.client.imports[0].break_off(DisconnectedError("gone"))
    elif why == "disposed":
        pair.main.dispose()
    context = pair.client.keeper
    if why == "ended":
        context = type(context)(pair.host, "here")
        context.end()
        targets = Target(), Target()
        call = pair.client.call(
            pair.client.imports[0], "same", (targets[0],), {"name": targets[1]}, context
        )
    else:
        targets = Target(), Target()
        call = pair.main.call("same", [targets[0]], name=targets[1]).pending
    assert isinstance(call.value, Exception)
    assert [target.disposals for target in targets] == [1, 1]


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
def test_whatever_a_callback_raises_the_session_is_closed_to_the_end(pair, main, kind):
    heard = []

    def callback(error):
        heard.append(error)
        raise kind("the callback")

    for _ in range(2):
        pair.client.imports[0].watch(callback)
    call = pair.main.call("wait")
    pair.host.turn()
    reason = DisconnectedError("closed by the test")
    pair.client.close(reason)
    assert heard == [reason, reason]
    assert call.outcome is reason
    assert [type(error) for _, error in pair.host.reports] == [kind, kind]


def test_a_session_is_closed_to_the_end_before_an_interrupt_goes_on(pair, monkeypatch):
    calls = [pair.main.call("wait") for _ in range(3)]
    pair.host.turn()
    end = type(calls[0].pending).end

    def interrupted(pending, error):
        end(pending, error)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(calls[0].pending), "end", interrupted)
    reason = DisconnectedError("closed by the test")
    with pytest.raises(KeyboardInterrupt):
        pair.client.close(reason)
    assert [call.outcome for call in calls] == [reason] * 3
    assert (pair.client.imports, pair.client.exports) == ({}, {})


def test_all_that_follows_a_call_goes_on_whatever_one_of_them_raises(pair):
    call = pair.main.call("same", 5).pending
    done = []

    def fails():
        raise LookupError("one of them")

    for follower in (fails, lambda: done.append(1)):
        call.follow(follower)
    with pytest.raises(LookupError):
        call.settle(1, 5)
    assert done == [1]


def test_a_target_cannot_come_home_as_a_binding_which_nobody_would_dispose(pair):
    export = pair.server.introduce(TargetHook(Target(), pair.server.keeper))
    place = ext(OWN_BINDING, export.to_bytes(8, "big", signed=True))
    pair.inject(packed([CALL, 1, 0, "same", [place]]))
    assert str(pair.server.closed) == f"the peer sent export {export} as a binding"


def test_why_a_session_ended_keeps_no_other_error(pair):
    error = RemoteProtocolError("the reason")
    error.__cause__ = ValueError("what came in")
    pair.client.close(error)
    assert (error.__cause__, error.__context__, error.__traceback__) == (None, None, None)


MOST = 2**62
NUMBERED = {
    "target of a call": lambda n: [CALL, 1, n, "greet", []],
    "target of a call in full": lambda n: [CALL, 1, n, ["greet"], [], {}],
    "target of a map": lambda n: [MAP, 1, n, [], [], [None]],
    "resolved": lambda n: [RESOLVE, n, 1],
    "rejected": lambda n: [REJECT, n, ValueError(), True],
    "released": lambda n: [RELEASE, n, 1],
    "cancelled": lambda n: [CANCEL, n],
    "pulled": lambda n: [PULL, n],
}


@pytest.mark.parametrize("what", NUMBERED)
def test_a_number_in_a_message_is_bounded_on_both_sides(what):
    write = NUMBERED[what]
    for number in (MOST - 1, 1 - MOST):
        assert parse(write(number)) == write(number) or what == "rejected"
    for number in (MOST, -MOST, 10**5000, -(10**5000)):
        with pytest.raises(RemoteProtocolError, match="the peer sent no message"):
            parse(write(number))


@pytest.mark.parametrize(("lists", "refused"), [(11, False), (12, False), (13, True)])
def test_a_container_counts_twice_however_few_bytes_it_takes(lists, refused):
    # The message counts 6, its arguments 1, and each list 2.
    pair = SessionPair(Main(), limits=Limits(message_objects=6 + 1 + 2 * 12))
    pair.inject(packed([CALL, 1, 0, "wait", [[] for _ in range(lists)]]))
    assert (pair.server.closed is not None) is refused


class Owner:
    """A stub as a walk sees it."""

    def __init__(self):
        self.handle = object()

    def __rpc_handle__(self):
        return self.handle


def test_the_places_of_many_stubs_are_found_in_one_walk(monkeypatch):
    stubs = [Owner() for _ in range(3)]
    looked = []

    class Noted(dict):
        def items(self):
            looked.append(self)
            return super().items()

    monkeypatch.setattr(embargo, "DICT_TYPES", {Noted})
    inner = Noted({"c": stubs[2], "again": stubs[0]})
    value = Noted({"a": stubs[0], "b": stubs[1], "inner": inner})
    value["itself"] = value
    places = embargo._places(value)
    assert len(looked) == 2
    assert [places[id(stub.handle)] for stub in stubs] == [
        ((), "a"), ((), "b"), (((), "inner"), "c"),
    ]  # fmt: skip
