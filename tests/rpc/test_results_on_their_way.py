"""Results on their way: what they mention is kept, and calls on them keep their order."""

from __future__ import annotations

import asyncio

import pytest
from support.links import Links

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


class Notes(rpclab.RpcTarget):
    """A target of the notebook that goes away and comes home."""

    def __init__(self):
        self._noted = []

    def note(self, number, _value=None):
        self._noted.append(number)


AWAY = """
import asyncio
from workers import WorkerEntrypoint

class Default(WorkerEntrypoint):
    def back(self, stub):
        return {"stub": stub}
    async def number(self, seconds):
        await asyncio.sleep(seconds)
        return 1
"""


@pytest.mark.parametrize("later", [(2,), (2, 3)])
async def test_L5_a_call_that_was_given_up_is_not_delivered_after_later_ones(sandbox, later):
    sandbox.engine.connect = Links(lambda: 1.0).connect
    for name in ("away", "slow"):
        sandbox.deploy(name, source=AWAY)
    env = sandbox.bind(AWAY="away", SLOW="slow")
    with rpclab.RpcStub(notes := Notes()) as own:
        before = sandbox.tables()
        back = env.AWAY.back(own)
        # It waits there for a number, which passes through here.
        first = back["stub"].note(1, env.SLOW.number(0.5))
        given_up = asyncio.ensure_future(asyncio.wait_for(first, 2.6))
        whole = await back
        with pytest.raises(TimeoutError):
            await given_up
        for number in later:
            await whole["stub"].note(number)
        await asyncio.sleep(10)
        assert notes._noted == sorted(notes._noted)
        assert set(later) <= set(notes._noted)
        rpclab.dispose(whole)
        await asyncio.sleep(10)
        assert sandbox.tables() == before


@pytest.mark.parametrize("length", [1, 3, 2000])
async def test_a_chain_on_a_result_that_comes_home_keeps_it_no_longer_than_it_takes(
    sandbox, length
):
    sandbox.engine.connect = Links(lambda: 1.0).connect
    sandbox.deploy("away", source=AWAY)
    env = sandbox.bind(AWAY="away")
    with rpclab.RpcStub(Cell([])) as own:
        before = sandbox.tables()
        back = env.AWAY.back(own)
        last = back["stub"]
        for _ in range(length):
            last = last.child()
        name = last.name()
        del last
        whole = await back
        assert await name == await whole["stub"].name() == "cell"
        rpclab.dispose(whole)
        await asyncio.sleep(10)
        assert sandbox.tables() == before
