"""A result keeps what it mentions until it leaves, whatever the calls do that go before it."""

from __future__ import annotations

import asyncio

import rpclab


class Cell(rpclab.RpcTarget):
    """A target of the notebook, called through the session of that with itself."""

    def __init__(self, log):
        self._log = log
        self._held = None

    async def later(self, value):
        await asyncio.sleep(0.01)
        return value

    def hold(self, value):
        self._held = value.dup()

    async def held_and_self(self):
        await asyncio.sleep(0.01)
        return {"held": self._held, "cell": self}

    def let_go(self):
        self._held.dispose()

    def child(self):
        return Cell(self._log)

    async def same(self, value):
        return value

    async def ask(self, stub):
        # What was given back before a call leaves before it.
        return await stub.name()

    def name(self):
        return "cell"

    def dispose(self):
        self._log.append("disposed")


async def test_a_call_before_the_result_may_take_a_copy_of_it(sandbox):
    with rpclab.RpcStub(Cell([])) as cell:
        result = cell.later(Cell([]))
        copied = result.child().same(result)
        asked = result.ask(Cell([]))
        assert await (await copied).name() == "cell"
        assert await (await result).name() == await asked == "cell"


async def test_a_call_before_the_result_may_dispose_what_stands_in_it(sandbox):
    log = []
    with rpclab.RpcStub(Cell([])) as cell:
        await cell.hold(Cell(log))
        result = cell.held_and_self()
        let_go = result["cell"].let_go()
        asked = result["cell"].ask(Cell([]))
        whole = await result
        assert await whole["held"].name() == await asked == "cell"
        assert await let_go is None
        rpclab.dispose(whole)
    await asyncio.sleep(0.1)
    assert log == ["disposed"]
