"""An error that a peer makes up is no more than an error: it steers, calls and forges nothing."""

from __future__ import annotations

import copy
import io
import traceback

import pytest
from support.frames import calls, ext, fails, packed, settles
from support.inline_host import SessionPair

from rpclab import RpcTarget
from rpclab.codecs import exceptions, values
from rpclab.codecs.graphs import DICT, ERROR, LIST
from rpclab.core.messages import ABORT, CALL, MAP, PIPE, REJECT, RESOLVE
from rpclab.core.references import OWN_STUB, PLACEHOLDER
from rpclab.errors import RemoteError, RemoteProtocolError, RpcError, fresh_copy

STEERING = [
    "SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError", "StopIteration",
    "StopAsyncIteration", "BaseException",
]  # fmt: skip


class Main(RpcTarget):
    def greet(self, *args):
        self.got = args
        return "greeted"


def node(number):
    return ext(values.NODE, number.to_bytes(4, "big"))


def made(kind, /, *args, **attributes):
    """An error as it is written where it refers to nothing."""
    return ext(values.EXCEPTION, [kind, list(args), attributes, []])


def graph(*errors):
    """Errors that refer to one another: (name, args, attributes, cause), the first is meant."""
    nodes = []
    for name, args, attributes, cause in errors:
        pairs = [[key, value] for key, value in attributes.items()]
        nodes.append([ERROR, [name, list(args), pairs, cause, []]])
    return ext(values.GRAPH, nodes)


def outcome(frame):
    """What a call of the client comes to, which the peer answers with a frame."""
    pair = SessionPair(Main())
    promise = pair.main.call("greet")
    pair.wire.hold(pair.client)
    pair.client.receive(0, [frame])
    assert pair.client.closed is None, pair.client.closed
    return promise.outcome


def raised(error):
    return outcome(fails(error))


def everything(error):
    """An error, and all errors inside it."""
    found, seen = [error], set()
    for each in found:
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            found += [each.__cause__, *each.args, *vars(each).values()]
            found += each.exceptions if isinstance(each, BaseExceptionGroup) else []
        elif type(each) in (list, tuple):
            found += each
        elif type(each) is dict:
            found += each.values()


@pytest.mark.parametrize("name", STEERING)
def test_an_error_that_steers_python_arrives_as_one_that_names_it(name):
    for error in (made(name, "why"), graph((name, ["why"], {}, None))):
        came = raised(error)
        assert type(came) is RpcError
        assert str(came) == f"the other side raised {name}: why"
        assert came.remote is True
    assert str(raised(made(name))) == f"the other side raised {name}"


@pytest.mark.parametrize("name", STEERING)
def test_so_does_one_inside_another_wherever_it_stands(name):
    inner = (name, ["why"], {}, None)
    for error in (
        graph(("ValueError", [], {}, node(1)), inner),
        graph(("ValueError", [], {"of": node(1)}, None), inner),
        graph(("ValueError", [node(1)], {}, None), inner),
        graph(("ExceptionGroup", ["g", node(1)], {}, None), inner),
        graph(("BaseExceptionGroup", ["g", node(1)], {}, None), inner),
        graph(
            ("BaseExceptionGroup", ["g", node(1)], {}, None),
            ("BaseExceptionGroup", ["h", node(2)], {}, node(2)),
            inner,
        ),
        ext(
            values.GRAPH,
            [
                [ERROR, ["ValueError", [], [["of", node(1)]], None, []]],
                [LIST, [node(2)]],
                [DICT, [["k", node(3)]]],
                [ERROR, [name, ["why"], [], None, []]],
            ],
        ),
        graph((name, [node(0)], {}, node(1)), (name, [node(1)], {}, None)),
    ):
        found = [*everything(raised(error))]
        assert len(found) > 1 or name in str(found[0])
        assert all(isinstance(each, Exception) for each in found)
        assert not any(isinstance(each, StopIteration | StopAsyncIteration) for each in found)
        assert any(type(each) is RpcError and name in str(each) for each in found)


@pytest.mark.parametrize("name", STEERING)
def test_as_a_plain_value_it_keeps_its_class(name):
    for value in (made(name, "x"), [made(name, "x")]):
        back = outcome(settles(value))
        back = back[0] if type(back) is list else back
        assert (type(back), back.args) == (exceptions.CLASSES[name], ("x",))
    pair = SessionPair(Main())
    pair.wire.hold(pair.server)
    pair.inject(calls(graph((name, ["x"], {}, None))))
    assert type(pair.server.exports[0].target.got[0]) is exceptions.CLASSES[name]


def test_a_message_that_is_written_unlike_ours_is_seen_through():
    error = packed(made("SystemExit", 3))
    for begin in (b"\x94\xcc\x03", b"\xdc\x00\x04\xd0\x03", b"\xdd\x00\x00\x00\x04\xcd\x00\x03"):
        came = outcome(begin + b"\x01" + error + b"\xc3")
        assert type(came) is RpcError
    assert type(outcome(packed([REJECT, 1, made("SystemExit", "x" * 999), True]))) is RpcError


def test_the_reason_of_a_reader_and_of_an_end_steers_nothing_either():
    pair = SessionPair(Main())
    seen = []
    pair.server._receive_pipe_end = lambda number, reason: seen.append(reason)
    pair.wire.hold(pair.server)
    pair.inject(packed([PIPE, 1, made("KeyboardInterrupt")]))
    assert type(seen[0]) is RpcError
    pair.inject(packed([ABORT, made("SystemExit", 1)]))
    assert "the other side raised SystemExit" in str(pair.server.closed)


@pytest.mark.parametrize("kind", [CALL, RESOLVE, REJECT])
def test_a_step_of_a_program_is_no_message_whatever_it_begins_with(kind):
    class Items(RpcTarget):
        def item(self):
            return 1

        def echo(self, value):
            return [type(value[1]).__name__, *value[2:]]

    pair = SessionPair(Items())
    pair.wire.hold(pair.server)
    main = ext(OWN_STUB, (0).to_bytes(8, "big"))
    step = ext(PLACEHOLDER, (1).to_bytes(8, "big"))
    part = [[[kind, made("SystemExit"), "x", "y", "z", {}]], {}]
    program = [[-1, ["echo"], part], [kind, step, step, True]]
    pair.inject(packed([MAP, 1, 0, ["item"], [main], program]))
    echoed = ["SystemExit", "x", "y", "z", {}]
    assert pair.server.exports[1].value == [kind, echoed, echoed, True]


# Attributes.

FORGED = [
    "args",
    "__notes__",
    "__class__",
    "__reduce__",
    "__reduce_ex__",
    "__cause__",
    "__context__",
    "__traceback__",
    "__dict__",
    "__setstate__",
    "__str__",
    "__eq__",
    "__suppress_context__",
    "with_traceback",
    "add_note",
    "remote",
    "_private",
    "_render_traceback_",
    "__init__",
    "",
    "culprit",
]
OF_THE_SYSTEM = ["errno", "filename", "filename2", "characters_written", "strerror"]
KINDS = ["ValueError", "OSError", "BlockingIOError", "DataCloneError"]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in KINDS for name in FORGED]
    + [(kind, name) for kind in KINDS[1:3] for name in OF_THE_SYSTEM],
)
def test_an_attribute_that_python_or_rpclab_knows_an_error_by_is_left_out(kind, name):
    honest = raised(made(kind, "text"))
    for forged in (
        raised(made(kind, "text", **{name: "forged", "open": 1})),
        raised(graph((kind, ["text"], {name: "forged", "open": 1}, None))),
    ):
        assert vars(forged) == {**vars(honest), "open": 1}
        assert (type(forged), forged.args, str(forged)) == (type(honest), ("text",), "text")
        assert forged.remote is True
        assert forged.__cause__ is None
        for same in (fresh_copy(forged), copy.copy(forged)):
            assert (type(same), same.args) == (type(honest), ("text",))


def test_whether_an_error_is_remote_the_message_says_and_not_the_error():
    for error in (
        made("ValueError", remote=True),
        graph(("ValueError", [], {"remote": True}, None)),
    ):
        here = outcome(packed([REJECT, 1, error, False]))
        assert getattr(here, "remote", False) is False
        assert outcome(packed([REJECT, 1, error, True])).remote is True
    for forged in (1, "yes", [True], None, False):
        value = outcome(settles(made("RpcError", remote=forged)))
        assert value.remote is False


@pytest.mark.parametrize("parts", [
    ["ValueError", [], {1: 2}, []], ["ValueError", [], {b"x": 2}, []],
])  # fmt: skip
def test_an_attribute_has_a_name(parts):
    assert vars(raised(ext(values.EXCEPTION, parts))) == {"remote": True}


# What Python reads of an error without asking.

UNSOUND = {
    "a start before the text": ("UnicodeEncodeError", ["utf-8", "x", -5, -4, "r"]),
    "an end behind the bytes": ("UnicodeDecodeError", ["utf-8", b"x", 0, 2**40, "r"]),
    "an end before the start": ("UnicodeEncodeError", ["utf-8", "xyz", 2, 1, "r"]),
    "a start behind the text": ("UnicodeTranslateError", ["x", 5, 6, "r"]),
    "a start far before the text": ("UnicodeTranslateError", ["x", -(2**40), 1 - 2**40, "r"]),
    "a text for bytes": ("UnicodeDecodeError", ["utf-8", "x", 0, 1, "r"]),
    "marks without end": ("SyntaxError", ["m", ["f", 1, 1, "text", 1, 2**33]]),
    "a line of no text": ("SyntaxError", ["m", ["f", 1, 1, 5, 1, 1]]),
    "a number of no number": ("IndentationError", ["m", ["f", "1", 1, "x", 1, 1]]),
    "a message of no text": ("SyntaxError", [5, ["f", 1, 1, "x", 1, 1]]),
    "details of no details": ("SyntaxError", ["m", 5]),
    "a class of nobody": ("os.system", ["x"]),
    "a class that is no error": ("int", ["5"]),
    "a group of no errors": ("ExceptionGroup", ["g", 5]),
    "a group of nothing": ("ExceptionGroup", ["g"]),
    "too many arguments": ("RecordingError", ["a", "b", "c"]),
}


@pytest.mark.parametrize(("name", "args"), UNSOUND.values(), ids=UNSOUND)
def test_an_error_by_which_python_would_read_memory_is_another_one(name, args):
    for error in (made(name, *args), graph((name, args, {}, None))):
        came = raised(error)
        assert (type(came), came.name) == (RemoteError, name)
        assert len(str(came)) < 500
        traceback.print_exception(came, file=io.StringIO())


def test_nor_is_it_made_in_a_circle():
    for name, args in UNSOUND.values():
        if name.startswith(("Unicode", "Syntax")):
            came = raised(graph((name, [*args, node(0)], {}, None), ("ValueError", [], {}, None)))
            assert type(fresh_copy(came)) is RemoteError


def test_the_name_that_an_error_is_about_is_a_text():
    for kind in ("ImportError", "NameError", "AttributeError", "ModuleNotFoundError"):
        for name in (5, [1], {}, b"os", None):
            assert raised(made(kind, "m", name=name, name_from="x", path=name, obj=5)).name is None
        came = raised(made(kind, "m", name="numpy"))
        assert came.name == fresh_copy(came).name == "numpy"
        assert getattr(came, "name_from", None) is None


# Work.


def test_many_errors_that_share_a_list_are_looked_at_once(monkeypatch):
    looked = []
    shared = [object.__new__(Main) for _ in range(300)]
    wrapped = [shared]

    class Telling(exceptions.Sendable):
        def _is_sendable_leaf(self, value, kind):
            looked.append(value)
            return super()._is_sendable_leaf(value, kind)

    monkeypatch.setattr(exceptions, "Sendable", Telling)
    for bad in (None, object()):
        looked.clear()
        wrapped.append([bad])
        errors = [ValueError(n, [shared]) for n in range(300)]
        for error in errors:
            error.data = [wrapped]
        pair = SessionPair(Main())
        assert pair.settle(pair.main.call("greet", errors)) == "greeted"
        assert len(looked) <= 301
        got = pair.server.exports[0].target.got[0]
        assert ("data" in vars(got[0])) is (bad is None)


def test_a_class_that_cannot_be_made_anew_is_its_own_copy():
    class Odd(Exception):
        def __init__(self, one, two):
            super().__init__(one)

    odd = Odd(1, 2)
    assert fresh_copy(odd) is odd
    odd.__dict__["__reduce__"] = lambda: pytest.fail("called")
    assert fresh_copy(odd) is odd


def test_a_cause_that_is_no_error_ends_the_session():
    pair = SessionPair(Main())
    pair.wire.hold(pair.server)
    pair.inject(calls(graph(("ValueError", [], {}, node(1)), ("ValueError", [], {}, 5))))
    assert isinstance(pair.server.closed, RemoteProtocolError)
