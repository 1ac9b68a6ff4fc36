"""Calls of plain methods, which a session answers in one step, behave as all others do."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from contextvars import ContextVar

import pytest
from support.world import failure

import rpclab
from rpclab.core.limits import Limits

SOURCE = """
    class Item(RpcTarget):
        def echo(self, value):
            return value
        def repeat(self, text, times):
            return text * times
        def again(self):
            return "method"
        def shadow(self):
            self.again = lambda: "instance"
        def fail(self):
            raise LookupError("no such thing")
        def interrupt(self):
            raise KeyboardInterrupt
        async def later(self, value):
            await sleep(1)
            return value
        def do(self, name):
            return globals()[name]()

    class Watchful(Item):
        def __getattribute__(self, name):
            log(name)
            return super().__getattribute__(name)

    class Default(WorkerEntrypoint):
        def item(self):
            return Item()
        def watchful(self):
            return Watchful()
"""


@pytest.fixture
def callee(world):
    """A binding to the Worker above."""
    return world.deploy(SOURCE).CALLEE


async def item_of(callee):
    """A target that has answered a call."""
    item = await callee.item()
    await item.echo(0)
    return item


def given(world, **functions):
    """Give the Worker functions of the test."""
    vars(world.sandbox.workers["callee"].module).update(functions)


async def test_L4_a_result_can_be_called_on_and_passed_on_until_it_was_seen(callee):
    item = await item_of(callee)
    number, nothing = item.echo(5), item.echo(None)
    missing, same, none = number.missing(), item.echo(number), item.echo(nothing)
    assert (await same, await none) == (5, None)
    assert isinstance(await failure(missing), rpclab.NoSuchMemberError)
    assert (await number, await nothing) == (5, None)


async def test_T2_an_attribute_of_the_instance_hides_a_method_that_was_called_before(callee):
    item = await item_of(callee)
    assert await item.again() == "method"
    await item.shadow()
    assert isinstance(await failure(item.again()), rpclab.NoSuchMemberError)


async def test_a_method_that_is_replaced_in_its_class_is_replaced_for_callers(world, callee):
    item = await item_of(callee)
    assert await item.again() == "method"
    module = world.sandbox.workers["callee"].module
    module.Item.again = lambda _: "replaced"
    assert await item.again() == "replaced"


async def test_C9_no_code_of_a_class_runs_to_find_a_method(world, callee):
    watchful = await callee.watchful()
    world.log.clear()
    assert [await watchful.again() for _ in range(3)] == ["method"] * 3
    assert world.log == []


async def test_Z2_what_a_method_raises_rejects_the_call_and_the_next_goes_on(callee):
    item = await item_of(callee)
    failed, after = item.fail(), item.echo(1)
    assert isinstance(await failure(failed), LookupError)
    assert await after == 1


async def test_an_interrupted_method_rejects_its_call_and_stops_the_loop(world, callee):
    item = await item_of(callee)
    await asyncio.sleep(0)  # what is awaited is resumed inside the drain, which cannot begin anew
    interrupted, after = item.interrupt(), item.echo(1)
    with pytest.raises(KeyboardInterrupt):
        world.sandbox.engine._drain()
    assert "KeyboardInterrupt" in str(await failure(interrupted))
    assert await after == 1


async def test_C4_an_async_method_suspends_and_its_context_lives_on(world, callee):
    with await callee.item() as target:
        await target.echo(0)
        promise = target.later(7)
        await target.echo(1)
    assert await promise == 7
    assert not world.sandbox.tables("callee").imports


async def test_a_result_over_the_limit_rejects_its_call_alone():
    async with rpclab.Sandbox(limits=Limits(message_bytes=1000)) as sandbox:
        sandbox.deploy("callee", source="from workers import *\n" + TARGET)
        item = await sandbox.bind(CALLEE="callee").CALLEE.item()
        await item.repeat("x", 1)
        large, small = item.repeat("x", 2000), item.repeat("x", 3)
        assert isinstance(await failure(large), rpclab.MessageTooLargeError)
        assert await small == "xxx"


TARGET = """
class Item(RpcTarget):
    def repeat(self, text, times):
        return text * times

class Default(WorkerEntrypoint):
    def item(self):
        return Item()
"""


async def test_W6_a_method_may_close_the_sandbox_it_runs_in(world, callee):
    item = await item_of(callee)
    given(world, close=world.sandbox.engine.close)
    closed, after = item.do("close"), item.echo(1)
    assert isinstance(await failure(closed), rpclab.DisconnectedError)
    assert isinstance(await failure(after), rpclab.DisconnectedError)


async def test_a_trace_may_begin_in_a_method(world, callee):
    item = await item_of(callee)
    traces = ExitStack()
    given(world, begin=lambda: begun.append(traces.enter_context(world.sandbox.trace())))
    begun = []
    with traces:
        await item.do("begin")
        assert await item.echo(1) == 1
    assert begun[0].calls == 1


carried: ContextVar[str] = ContextVar("carried", default="unset")


async def test_X8_a_call_carries_the_variables_that_are_to_be_carried(world, callee):
    world.sandbox.engine.carry_with_calls((carried,))
    item = await item_of(callee)
    given(world, read=carried.get, write=lambda: carried.set("theirs") and None)
    carried.set("mine")
    assert await item.do("read") == "mine"
    await item.do("write")
    assert (await item.do("read"), carried.get()) == ("mine", "mine")


async def test_W7_exports_and_unseen_results_are_bounded_together():
    async with rpclab.Sandbox(limits=Limits(exports=50)) as sandbox:
        sandbox.deploy("callee", source="from workers import *\n" + TARGET)
        item = await sandbox.bind(CALLEE="callee").CALLEE.item()
        await item.repeat("x", 1)
        results = await rpclab.gather(
            *[item.repeat("x", 1) for _ in range(200)], return_exceptions=True
        )
        assert isinstance(results[-1], rpclab.DisconnectedError)
        assert results.count("x") == 50
