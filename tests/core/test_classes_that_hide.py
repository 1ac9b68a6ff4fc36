"""Classes whose metaclass refuses what is asked of them: they are named all the same."""

from __future__ import annotations

import pytest
from support.inline_host import SessionPair

from rpclab import RpcTarget


def hiding(names):
    """Make a metaclass whose classes have none of these attributes; `all` stands for any."""

    class Hiding(type):
        def __getattribute__(cls, name):
            if "all" in names or name in names:
                raise ValueError("hidden")
            return super().__getattribute__(name)

    return Hiding


NAMES = [
    ["__name__"],
    ["__qualname__", "__module__"],
    ["__str__"],
    ["__init__"],
    ["__mro__"],
    ["__await__"],
    ["__rpc_handle__"],
    ["__rpc_refer__"],
    ["dispose"],
    ["all"],
]


def raises():
    """What an object says that its class is."""
    raise ValueError("hidden")


KINDS = {
    "nothing": raises,
    "a target": lambda: RpcTarget,
    "an error": lambda: ValueError,
    "a group": lambda: ExceptionGroup,
    "a dict": lambda: dict,
    "a class": lambda: type,
}


class Liar:
    """An object that says of itself that it is of another class.

    Args:
        kind: gives that class.
    """

    def __init__(self, kind) -> None:
        self._kind = kind

    @property
    def __class__(self):
        return self._kind()


class Main(RpcTarget):
    """What the client reaches.

    Args:
        metaclass: of what it raises and returns.
    """

    def __init__(self, metaclass) -> None:
        self._error = metaclass("Unnamed", (Exception,), {})
        self._value = metaclass("Unnamed", (), {})
        dispose = lambda _target: self.disposed.append("disposed")  # noqa: E731 - a method
        self._target = metaclass("Unnamed", (RpcTarget,), {"dispose": dispose})
        self.disposed = []

    def fail(self):
        raise self._error("as it is")

    def unsendable(self):
        return self._value()

    def among_others(self):
        return [{"value": self._value(), "target": self._target()}]

    def target(self):
        return self._target()

    def lies(self, about):
        return Liar(KINDS[about])

    def lies_among_others(self, about):
        return [{"value": Liar(KINDS[about]), "target": self._target()}]

    def made(self):
        return self._target()

    def greet(self):
        return "hello"


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("names", NAMES, ids=" ".join)
@pytest.mark.parametrize("method", ["fail", "unsendable", "among_others"])
def test_an_error_or_a_value_of_such_a_class_rejects_its_call_alone(names, method, prepared):
    pair = SessionPair(Main(hiding(names)), prepared=prepared)
    call = pair.main.call(method)
    pair.host.turn()
    assert isinstance(call.outcome, Exception)
    assert pair.settle(pair.main.call("greet")) == "hello"
    assert pair.host.reports == []


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("about", KINDS)
@pytest.mark.parametrize("method", ["lies", "lies_among_others"])
def test_what_lies_about_its_class_rejects_its_call_alone(method, about, prepared):
    pair = SessionPair(main := Main(hiding([])), prepared=prepared)
    call = pair.main.call(method, about)
    pair.host.turn()
    assert isinstance(call.outcome, Exception)
    assert pair.settle(pair.main.call("greet")) == "hello"
    assert main.disposed == ["disposed"] * (method == "lies_among_others")
    sent = pair.main.call("take", [Liar(KINDS[about])])
    pair.host.turn()
    assert isinstance(sent.outcome, Exception)
    assert (pair.server.closed, pair.client.closed, pair.host.reports) == (None, None, [])


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("names", NAMES, ids=" ".join)
def test_a_target_of_such_a_class_is_sent_or_refused_and_nothing_else_ends(names, prepared):
    pair = SessionPair(Main(hiding(names)), prepared=prepared)
    call = pair.main.call("target")
    pair.host.turn()
    assert call.outcome is not ...
    assert pair.settle(pair.main.call("greet")) == "hello"
    assert (pair.server.closed, pair.host.reports) == (None, [])


@pytest.mark.parametrize("names", [names for names in NAMES if "__name__" in names])
def test_the_class_of_what_cannot_be_sent_is_named(names):
    pair = SessionPair(Main(hiding(names)))
    call = pair.main.call("unsendable")
    pair.host.turn()
    assert 'type "Unnamed"' in str(call.outcome)


@pytest.mark.parametrize("names", [["__name__"], ["__qualname__", "__module__"]], ids=" ".join)
def test_a_target_of_such_a_class_is_disposed(names):
    pair = SessionPair(main := Main(hiding(names)))
    pair.host.observe = lambda _event: None
    pair.host.noting = True
    promise = pair.main.call("made")
    pair.settle(promise)
    promise.dispose()
    pair.host.turn()
    assert (main.disposed, pair.host.reports) == (["disposed"], [])
