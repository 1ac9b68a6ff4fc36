"""Area Z: how what a method raises reaches its caller."""

from __future__ import annotations

import asyncio
import builtins
import datetime as dt
import traceback

import pytest
from support.world import failure

import rpclab

RAISER = """
    import builtins
    class Default(WorkerEntrypoint):
        def raise_(self, name, *args):
            raise getattr(builtins, name)(*args)
        async def later(self, name, *args):
            await sleep(1)
            raise getattr(builtins, name)(*args)
"""

ORDINARY = sorted(
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type)
    and issubclass(kind, Exception)
    and kind.__name__ == name
    and name not in ("StopIteration", "StopAsyncIteration")
    and not issubclass(kind, (ExceptionGroup, UnicodeError, OSError))
)


@pytest.mark.parametrize("name", ORDINARY)
async def test_Z1_builtin_classes_keep_class_and_message(world, name):
    env = world.deploy(RAISER)
    for promise in env.CALLEE.raise_(name, "the text"), env.CALLEE.later(name, "the text"):
        error = await failure(promise)
        assert type(error) is getattr(builtins, name)
        assert error.args == ("the text",)
        assert error.remote is True


async def test_Z1_errors_with_parts_of_their_own_keep_them(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def decode(self):
                b"caf\\xe9".decode("ascii")
            def open(self):
                raise FileNotFoundError(2, "No such file", "a.txt", None, "b.txt")
            def lookup(self):
                return {}["key"]
            def syntax(self):
                compile("1 +", "cell", "exec")
    """)
    decode = await failure(env.CALLEE.decode())
    assert (type(decode), decode.object, decode.start) == (UnicodeDecodeError, b"caf\xe9", 3)
    opened = await failure(env.CALLEE.open())
    assert (type(opened), opened.errno, opened.filename, opened.filename2) == (
        FileNotFoundError, 2, "a.txt", "b.txt",
    )  # fmt: skip
    assert (await failure(env.CALLEE.lookup())).args == ("key",)
    syntax = await failure(env.CALLEE.syntax())
    assert (type(syntax), syntax.filename, syntax.lineno) == (SyntaxError, "cell", 1)


@pytest.mark.parametrize("name", ["StopIteration", "StopAsyncIteration", "GeneratorExit"])
async def test_Z1_what_steers_python_arrives_as_an_error_that_names_it(world, name):
    error = await failure(world.deploy(RAISER).CALLEE.raise_(name, "why"))
    assert type(error) is rpclab.RpcError
    assert str(error) == f"the method was left by {name}: why"
    assert error.remote is True


async def test_Z1_a_method_that_cancels_itself_does_not_cancel_its_caller(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def m(self):
                raise asyncio.CancelledError("from inside")
            def at_once(self):
                raise asyncio.CancelledError
            async def cancel_me(self):
                asyncio.current_task().cancel("by itself")
                await sleep(1)
    """)
    for promise in env.CALLEE.m(), env.CALLEE.at_once(), env.CALLEE.cancel_me():
        error = await failure(promise)
        assert type(error) is rpclab.RpcError
        assert "CancelledError" in str(error)


PROPERTIES = """
    import datetime
    class Default(WorkerEntrypoint):
        def cause(self):
            raise ValueError("outer") from KeyError("inner cause")
        def fields(self):
            error = ValueError("fields")
            error.code = "E1"
            error.data = {"list": [1, datetime.date(2026, 6, 1)]}
            error.remote = "mine"
            raise error
        def unsendable(self):
            error = ValueError("unsendable")
            error.bad = object()
            error.ok = 1
            raise error from KeyError("kept all the same")
        def noted(self):
            error = ValueError("noted")
            error.add_note("look at this")
            raise error
        def ok(self):
            return object()
"""


async def test_Z2_an_error_of_the_other_side_is_marked_whatever_it_said_itself(world):
    env = world.deploy(PROPERTIES)
    error = await failure(env.CALLEE.fields())
    assert error.remote is True
    assert vars(error)["remote"] is True


async def test_Z2_an_error_of_the_callers_side_is_not_marked(world):
    env = world.deploy(PROPERTIES)
    unsendable = await failure(env.CALLEE.ok(object()))
    assert type(unsendable) is rpclab.DataCloneError
    assert unsendable.remote is False
    result = await failure(env.CALLEE.ok())
    assert type(result) is rpclab.DataCloneError
    assert result.remote is True


async def test_Z3_attributes_cause_and_notes_are_kept(world):
    env = world.deploy(PROPERTIES)
    outer = await failure(env.CALLEE.cause())
    assert (str(outer), repr(outer.__cause__)) == ("outer", "KeyError('inner cause')")
    assert getattr(outer.__cause__, "remote", False) is False
    fields = await failure(env.CALLEE.fields())
    assert (fields.code, fields.data) == ("E1", {"list": [1, dt.date(2026, 6, 1)]})
    assert "look at this" in (await failure(env.CALLEE.noted())).__notes__


async def test_Z4_one_attribute_that_cannot_be_sent_drops_all_attributes(world):
    env = world.deploy(PROPERTIES)
    error = await failure(env.CALLEE.unsendable())
    assert (type(error), str(error), error.remote) == (ValueError, "unsendable", True)
    assert not hasattr(error, "ok")
    assert not hasattr(error, "bad")
    assert error.__cause__.args == ("kept all the same",)


async def test_Z5_an_applications_class_arrives_as_its_nearest_builtin_one(world):
    env = world.deploy("""
        class NotFound(Exception):
            def __init__(self, message, id):
                super().__init__(message)
                self.name = "NotFound"
                self.id = id
                self.status = 404
        class Silent(ValueError):
            pass
        class Deep(Silent, KeyError):
            pass
        class Default(WorkerEntrypoint):
            def not_found(self):
                raise NotFound("no such thing", 7)
            def silent(self):
                raise Silent("quiet")
            def deep(self):
                raise Deep("deep")
    """)
    error = await failure(env.CALLEE.not_found())
    assert (type(error), str(error)) == (Exception, "no such thing")
    assert (error.name, error.id, error.status) == ("NotFound", 7, 404)
    silent, deep = await failure(env.CALLEE.silent()), await failure(env.CALLEE.deep())
    assert (type(silent), str(silent)) == (ValueError, "quiet")
    assert (type(deep), deep.args) == (ValueError, ("deep",))


async def test_Z6_a_group_survives_with_its_errors(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def group(self):
                raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])
            async def tasks(self):
                async def bad():
                    raise TypeError("a")
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(bad())
    """)
    group = await failure(env.CALLEE.group())
    assert (type(group), group.message) == (ExceptionGroup, "several")
    assert [repr(error) for error in group.exceptions] == ["ValueError('one')", "KeyError('two')"]
    assert group.remote is True
    assert repr((await failure(env.CALLEE.tasks())).exceptions[0]) == "TypeError('a')"


async def test_Z7_Z8_an_error_that_is_no_exception_of_python_cannot_be_raised(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def m(self):
                raise "text"
    """)
    error = await failure(env.CALLEE.m())
    assert (type(error), str(error)) == (TypeError, "exceptions must derive from BaseException")


STACK = """
    class Default(WorkerEntrypoint):
        def thrower(self):
            def inner():
                raise ValueError("stacky")
            inner()
"""


async def test_Z9_the_traceback_is_the_callers_and_the_remote_one_a_note(world):
    env = world.deploy(STACK)
    error = await failure(env.CALLEE.thrower())
    frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert "failure" in frames
    assert not {"inner", "thrower"} & {*frames}
    (note,) = error.__notes__
    assert note.startswith("raised in the Worker at")
    assert "<worker callee>, line 5, in Default.thrower.<locals>.inner" in note


async def test_Z9_without_debug_nothing_of_the_callee_shows():
    async with rpclab.Sandbox(debug=False) as sandbox:
        sandbox.deploy("callee", source="def m(x, env, ctx): raise ValueError('quiet')")
        env = sandbox.bind(CALLEE="callee")
        error = await failure(env.CALLEE.m(1))
        assert str(error) == "quiet"
        assert not hasattr(error, "__notes__")


MESSAGES = ["", "a\nb\nc", "café 😀", "TypeError: not really", "x" * 5000, "\ud800", 5, None, (1,)]


@pytest.mark.parametrize("message", MESSAGES)
async def test_Z10_a_message_survives_unchanged(world, message):
    error = await failure(world.deploy(RAISER).CALLEE.raise_("ValueError", message))
    assert error.args == (message,)


async def test_Z10_no_message_and_several_arguments_survive_too(world):
    raise_ = world.deploy(RAISER).CALLEE.raise_
    assert (await failure(raise_("ValueError"))).args == ()
    assert (await failure(raise_("ValueError", 1, "two"))).args == (1, "two")


@pytest.mark.expects_reports
async def test_X6_an_error_after_the_return_reaches_no_caller(world, caplog):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def m(self):
                async def later():
                    await sleep(5)
                    raise ValueError("after the return")
                self.ctx.wait_until(later())
                return "returned"
            def ok(self):
                return "still fine"
    """)
    assert await env.CALLEE.m() == "returned"
    await asyncio.sleep(40)
    assert await env.CALLEE.ok() == "still fine"
    assert "wait_until failed: ValueError: after the return" in caplog.text
