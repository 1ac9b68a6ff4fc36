"""Handles: `with`, `on_broken`, and what becomes of those that Python forgets."""

from __future__ import annotations

import asyncio
import gc

import pytest
from support.world import failure

import rpclab
from rpclab.errors import HOST_CONTEXT_ENDED

MAKER = """
    class Default(WorkerEntrypoint):
        def make(self, name="T"):
            return Logged(name)
        async def later(self, seconds=5):
            await sleep(seconds)
            return Logged("later")
        def both(self):
            return {"a": Logged("a"), "b": [Logged("b")]}
        async def bad(self):
            await sleep(5)
            raise ValueError("bad")
        def ok(self):
            return "ok"
        def stop(self, t):
            self.ctx.abort("stopped")
        async def keep(self, t, seconds):
            dup = t.dup()
            dup.on_broken(lambda error: log(str(error)))
            self.ctx.wait_until(sleep(seconds))
"""


@pytest.fixture
def callee(world):
    """A binding to the Worker above."""
    return world.deploy(MAKER).CALLEE


async def turn():
    """Let what was queued be done."""
    gc.collect()
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_with_on_a_promise_waits_for_nothing_and_disposes_its_result(world, callee):
    with callee.make() as promise:
        assert isinstance(promise, rpclab.RpcPromise)
        assert await promise.m() == "T"
        assert world.log == []
    await turn()
    assert world.log == ["T disposed"]


async def test_with_on_a_promise_that_is_never_awaited_disposes_it_when_it_arrives(world, callee):
    with callee.later():
        pass
    await turn()
    assert world.log == []
    await asyncio.sleep(10)
    assert world.log == ["later disposed"]


async def test_async_with_on_a_promise_gives_the_value_and_disposes_all_of_it(world, callee):
    async with callee.both() as both:
        assert await both["b"][0].m() == "b"
    await turn()
    assert sorted(world.log) == ["a disposed", "b disposed"]
    async with callee.ok() as plain:
        assert plain == "ok"


async def test_async_with_on_a_call_that_fails_raises_its_error(callee):
    with pytest.raises(ValueError, match="bad"):
        async with callee.bad():
            raise AssertionError


async def test_with_and_async_with_on_a_stub_are_the_same(world, callee):
    stub = await callee.make("one")
    with stub as same:
        assert same is stub
    async with await callee.make("two") as two:
        assert await two.m() == "two"
    await turn()
    assert world.log == ["one disposed", "two disposed"]


async def test_a_block_disposes_when_it_is_left_by_an_error(world, callee):
    with pytest.raises(KeyError):
        async with callee.make():
            raise KeyError
    with pytest.raises(KeyError), callee.make("second"):
        raise KeyError
    await turn()
    await asyncio.sleep(1)
    assert world.log == ["T disposed", "second disposed"]


async def test_async_with_does_not_wait_for_the_disposer(world):
    env = world.deploy("""
        class T(RpcTarget):
            async def dispose(self):
                await sleep(5)
                log("disposed")
        class Default(WorkerEntrypoint):
            def make(self):
                return T()
    """)
    async with env.CALLEE.make():
        pass
    assert world.log == []
    await asyncio.sleep(10)
    assert world.log == ["disposed"]


async def test_in_a_long_context_a_forgotten_stub_is_released(world, callee):
    stub = await callee.make()
    dup = stub.dup()
    del stub
    await turn()
    assert world.log == []
    assert await dup.m() == "T"
    del dup
    await turn()
    assert world.log == ["T disposed"]


async def test_in_a_long_context_a_forgotten_result_is_released(world, callee):
    both = await callee.both()
    stub = both["a"]
    del both
    await turn()
    assert world.log == ["b disposed"]
    assert await stub.m() == "a"


@pytest.mark.parametrize("awaited", [True, False])
async def test_in_a_long_context_a_forgotten_promise_is_released(world, callee, awaited):
    promise = callee.make()
    if awaited:
        await promise
    else:
        await asyncio.sleep(1)
    del promise
    await turn()
    assert world.log == ["T disposed"]


async def test_a_promise_forgotten_on_its_way_is_released_when_it_arrives(world, callee):
    callee.later()
    await turn()
    await asyncio.sleep(10)
    await turn()
    assert world.log == ["later disposed"]


async def test_a_property_keeps_its_stub(world, callee):
    method = (await callee.make()).m
    await turn()
    assert await method() == "T"
    assert world.log == []
    del method
    await turn()
    assert world.log == ["T disposed"]


async def test_in_an_event_a_forgotten_stub_is_kept_until_the_end(world, callee):
    async with world.event():
        await callee.make("forgotten stub")
        callee.make("forgotten promise")
        await asyncio.sleep(1)
        await turn()
        assert world.log == []
    await turn()
    assert sorted(world.log) == ["forgotten promise disposed", "forgotten stub disposed"]


async def test_a_forgotten_stub_in_a_cycle_is_released_by_the_collector(world, callee):
    cycle = [await callee.make()]
    cycle.append(cycle)
    del cycle
    await turn()
    assert world.log == ["T disposed"]


async def test_many_handles_leave_nothing_in_the_tables(world, callee):
    before = world.sandbox.tables(), world.sandbox.tables("callee")
    for _ in range(20):
        stub = await callee.make()
        await stub.dup().m()
        await callee.both()
        await callee.make().m()
    del stub
    await turn()
    await asyncio.sleep(1)
    assert (world.sandbox.tables(), world.sandbox.tables("callee")) == before


async def test_on_broken_is_called_once_when_the_target_is_gone(world, callee):
    async with world.event():
        await callee.keep(lambda: None, 100)
        assert world.log == []
    await turn()
    assert world.log == [HOST_CONTEXT_ENDED]


async def test_on_broken_of_a_worker_that_is_replaced_by_a_reset(world, callee):
    stub, errors = await callee.make(), []
    stub.on_broken(errors.append)
    world.sandbox.reset()
    await turn()
    assert [type(error) for error in errors] == [rpclab.DisconnectedError]
    stub.on_broken(errors.append)
    assert errors[1] is errors[0]
    assert isinstance(await failure(stub.m()), rpclab.DisconnectedError)


async def test_on_broken_is_not_called_for_an_ordinary_dispose(callee):
    stub, errors = await callee.make(), []
    stub.on_broken(errors.append)
    stub.dispose()
    await turn()
    assert errors == []


async def test_on_broken_of_a_disposed_stub_is_called_at_once(callee):
    stub, errors = await callee.make(), []
    stub.dispose()
    stub.on_broken(errors.append)
    assert [type(error) for error in errors] == [rpclab.DisposedError]


async def test_on_broken_can_be_taken_back(world, callee):
    stub, errors = await callee.make(), []
    take_back = stub.on_broken(errors.append)
    kept = []
    stub.on_broken(kept.append)
    take_back()
    take_back()
    world.sandbox.reset()
    await turn()
    assert errors == []
    assert len(kept) == 1


async def test_on_broken_of_a_promise_is_called_when_the_call_fails(callee):
    errors, good = [], []
    bad = callee.bad()
    bad.on_broken(errors.append)
    fine = callee.ok()
    fine.on_broken(good.append)
    assert await fine == "ok"
    await failure(bad)
    assert [str(error) for error in errors] == ["bad"]
    bad.on_broken(errors.append)
    assert len(errors) == 2
    assert good == []


@pytest.mark.expects_reports
async def test_an_error_in_an_on_broken_callback_is_reported_and_stops_nothing(
    world, callee, caplog
):
    bad, errors = callee.bad(), []

    def wrong(error):
        raise ZeroDivisionError

    bad.on_broken(wrong)
    bad.on_broken(errors.append)
    assert str(await failure(bad)) == "bad"
    assert len(errors) == 1
    assert "ZeroDivisionError" in caplog.text


async def test_what_is_called_on_a_broken_stub_rejects_with_the_reason(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def keep(self, t):
                module["kept"] = t.dup()
                self.ctx.wait_until(sleep(100))
            async def use(self):
                return [str(await attempt(module["kept"].m())) for _ in range(2)]
        module = {}
    """)
    async with world.event():
        await env.CALLEE.keep(lambda: None)
    await turn()
    assert await env.CALLEE.use() == [HOST_CONTEXT_ENDED] * 2


async def test_the_repr_of_a_handle_says_its_state(callee):
    promise = callee.later()
    assert repr(promise) == "<RpcPromise of callee, pending: await it>"
    stub = await promise
    assert repr(promise) == "<RpcPromise of callee, resolved: await it>"
    assert repr(stub).startswith("<RpcStub callee#")
    assert "m of callee#" in repr(stub.m)
    stub.dispose()
    assert repr(stub) == "<RpcStub disposed>"
    promise.dispose()
    assert repr(promise) == "<RpcPromise of callee, disposed>"
    bad = callee.bad()
    await failure(bad)
    assert repr(bad) == "<RpcPromise of callee, rejected with ValueError: await it>"
