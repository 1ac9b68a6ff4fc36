"""What an error takes along to its caller, and what is done with it there."""

from __future__ import annotations

import copy
import io
import traceback

import pytest

import rpclab
from rpclab.errors import fresh_copy

GIVES = """
    class Base(Exception):
        pass
    class Default(WorkerEntrypoint):
        def _hidden(self):
            return "hidden"
        def fail(self, how):
            error = ValueError("text")
            error.open = 1
            error._private = 2
            error.__secret = 3
            if how == "function":
                error.handler = lambda: "called"
                error.method = self._hidden
                error.handlers = {"all": [self._hidden]}
            if how == "argument":
                error = KeyError(self._hidden)
            if how == "cause":
                inner = ValueError("inner")
                inner.handler = self._hidden
                raise error from inner
            if how == "group":
                inner = ValueError("inner")
                inner.handler = self._hidden
                raise ExceptionGroup("g", [inner, KeyError(self._hidden)])
            if how == "target":
                error.target = Logged("kept")
            raise error
        def give(self):
            error = ValueError("text")
            error._private = 2
            error.handler = lambda: "called"
            return error
"""


async def fail(world, how):
    env = world.deploy(GIVES)
    try:
        await env.CALLEE.fail(how)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


async def test_private_attributes_of_an_error_do_not_cross(world):
    env = world.deploy(GIVES)
    for error in (await fail(world, "plain"), await env.CALLEE.give()):
        assert not [name for name in vars(error) if name.startswith("_") and name != "__notes__"]
    assert (await fail(world, "plain")).open == 1


async def test_a_raised_error_gives_no_function_away_that_it_happens_to_hold(world):
    error = await fail(world, "function")
    assert {name for name in vars(error) if name[0] != "_"} == {"open", "remote"}
    argument = await fail(world, "argument")
    assert [type(each) for each in argument.args] == [str]
    cause = (await fail(world, "cause")).__cause__
    assert (str(cause), hasattr(cause, "handler")) == ("inner", False)
    group = await fail(world, "group")
    assert not hasattr(group.exceptions[0], "handler")
    assert [type(each) for each in group.exceptions[1].args] == [str]


async def test_what_was_meant_to_be_sent_is_sent(world):
    assert isinstance((await fail(world, "target")).target, rpclab.RpcStub)
    given = await world.deploy(GIVES).CALLEE.give()
    assert await given.handler() == "called"


async def test_an_error_whose_text_cannot_be_made_is_answered(world):
    env = world.deploy("""
        class Mute(Exception):
            def __str__(self):
                raise RuntimeError("no")
        class Own(Exception):
            def __str__(self):
                return "its own words"
        class Default(WorkerEntrypoint):
            def fail(self, kind):
                raise {"mute": Mute, "own": Own}[kind](object())
    """)
    for kind, text in ("mute", "cannot be shown"), ("own", "its own words"):
        with pytest.raises(Exception, match=text):
            await env.CALLEE.fail(kind)


async def test_a_stub_in_an_error_is_called_by_nothing_that_shows_copies_or_raises_it(world):
    names = ["text", "msg", "print_file_and_line",
             "__str__", "__reduce__", "lineno", "offset", "name", "path", "exceptions", "message",
             "filename", "code", "value", "derive"]  # fmt: skip
    env = world.deploy(
        """
        class Spy(RpcTarget):
            calls = 0
            def __getattr__(self, name):
                raise AttributeError(name)
        for name in ("rstrip", "split", "lstrip", "strip", "encode", "keys", "items", "append"):
            setattr(Spy, name, lambda self, *_: log(f"called {name}"))
        class Default(WorkerEntrypoint):
            def fail(self, kind, names, args):
                error = kind if isinstance(kind, BaseException) else ValueError(*args)
                error.args = (*args, Spy())
                for name in names:
                    try:
                        error.__dict__[name] = Spy()
                    except Exception:
                        pass
                raise error
        """
    )
    for kind in (ValueError(), SyntaxError("m", ("f", 1, 1, "t", 1, 1)), ImportError("x"),
                 OSError(1, "x"), KeyError(1), AttributeError("a"), NameError("n")):  # fmt: skip
        try:
            await env.CALLEE.fail(kind, names, ["a"])
        except Exception as error:
            traceback.print_exception(error, file=io.StringIO())
            assert [str(error), repr(error), copy.copy(error) == error, hash(error)]  # noqa: PT017
            with pytest.raises(type(error)):
                raise fresh_copy(error).with_traceback(None) from error
            error.add_note("x")
        else:
            pytest.fail("nothing was raised")
    await rpclab.gather()
    assert world.log == []
