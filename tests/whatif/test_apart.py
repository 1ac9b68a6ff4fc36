"""Runs are the same in a thread and in place, as in a browser, where the page's loop goes on."""

import asyncio

import pytest

import rpclab
from rpclab.whatif import World
from rpclab.whatif.apart import apart, in_place
from rpclab.whatif.playing import play

from .programs import CASES, deploy


async def test_in_place_a_run_is_what_it_is_in_a_thread(sandbox):
    program = deploy(sandbox, CASES[3])
    world = World(sandbox)
    there, here = (run(lambda: play(world, program)) for run in (apart, in_place))
    assert [*here.recording] == [*there.recording]
    assert (here.text, here.state) == (there.text, there.state)


async def test_around_a_run_in_place_the_loop_and_its_task_go_on():
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    later = loop.create_task(asyncio.sleep(0, "went on"))

    async def fails():
        assert asyncio.get_running_loop() is not loop
        await asyncio.sleep(0.001)
        raise LookupError("as it is")

    with pytest.raises(LookupError, match="as it is"):
        in_place(fails)
    assert (asyncio.get_running_loop(), asyncio.current_task()) == (loop, task)
    assert not later.done()
    assert await later == "went on"


def test_in_place_a_wait_that_nothing_could_end_is_an_error():
    with pytest.raises(rpclab.RpcError, match="something outside that never comes"):
        in_place(lambda: asyncio.Event().wait())
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
