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
    "ALL",
]


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

    def made(self):
        return self._target()

    def greet(self):
        return "hello"


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize("names", NAMES, ids=" ".join)
@pytest.mark.parametrize("method", ["fail", "unsendable"])
def test_an_error_or_a_value_of_such_a_class_rejects_its_call_alone(names, method, prepared):
    pair = SessionPair(Main(hiding(names)), prepared=prepared)
    call = pair.main.call(method)
    pair.host.turn()
    assert isinstance(call.outcome, Exception)
    assert pair.settle(pair.main.call("greet")) == "hello"
    assert pair.host.reports == []


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
