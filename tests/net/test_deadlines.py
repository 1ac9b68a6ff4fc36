"""Deadlines and cancellation cross sockets: the time left travels, and the far side stops."""

from __future__ import annotations

import asyncio

import pytest
from support.net import failure
from support.real_time import until

import rpclab

ALL = ["memory", "unix", "tcp", "tls", "ws", "wss"]
SHORT = 0.5  # seconds: a call has arrived by then, however slow the machine


@pytest.mark.parametrize("place", ALL, indirect=True)
async def test_the_far_side_stops_when_the_deadline_of_the_caller_passes(place, api):
    async with place.serve() as server, place.connect(server) as far:
        with pytest.raises(TimeoutError):
            async with rpclab.deadline(SHORT):
                await far.hang()
        await until(lambda: api.log == ["hanging", "hang left"])
        assert await far.hello("Ada") == "Hello, Ada"


async def test_the_far_side_stops_by_itself_where_the_caller_cannot_tell_it(api):
    async with rpclab.serve(api, "tcp:127.0.0.1:0") as server:
        connection = await rpclab.connect(server.address)
        async with connection:
            call = asyncio.ensure_future(_call_with_deadline(connection.main))
            await until(lambda: api.log)
            # The caller's word is cut off; the time that travelled with the call is not.
            connection.session.send = lambda seen, frames: None
            await until(lambda: api.log == ["hanging", "hang left"])
            assert type(await failure(call)) is TimeoutError


async def _call_with_deadline(far):
    async with rpclab.deadline(SHORT):
        await far.hang()


async def test_a_deadline_crosses_two_sockets(api):
    class Middle(rpclab.RpcTarget):
        async def through(self):
            await end.hang()

    async with (
        rpclab.serve(api, "tcp:127.0.0.1:0") as last,
        rpclab.connect(last.address) as end,
        rpclab.serve(Middle(), "ws://127.0.0.1:0/") as first,
    ):
        connection = await rpclab.connect(first.address)
        async with connection:
            call = asyncio.ensure_future(_call_through(connection.main))
            await until(lambda: api.log)
            connection.session.send = lambda seen, frames: None
            await until(lambda: api.log == ["hanging", "hang left"])
            assert type(await failure(call)) is TimeoutError


async def _call_through(far):
    async with rpclab.deadline(SHORT):
        await far.through()


@pytest.mark.parametrize("place", ALL, indirect=True)
async def test_a_call_that_is_given_up_stops_at_the_far_side(place, api):
    async with place.serve() as server, place.connect(server) as far:
        call = asyncio.ensure_future(_hang(far))
        await until(lambda: api.log)
        call.cancel()
        await until(lambda: api.log == ["hanging", "hang left"])


async def _hang(far):
    await far.hang()


async def test_a_call_made_after_the_deadline_is_not_sent(place, api):
    async with place.serve() as server, place.connect(server) as far:
        with pytest.raises(TimeoutError):
            async with rpclab.deadline(0):
                await far.keep(lambda: None)
        assert await far.hello("Ada") == "Hello, Ada"
        assert api._kept == []


@pytest.mark.parametrize("seconds", [0, -1])
async def test_nothing_is_sent_in_a_block_whose_time_is_up(api, seconds):
    async with rpclab.serve(api, "memory:late") as server, rpclab.connect(server.address) as far:
        counter = await far.counter()
        with pytest.raises(TimeoutError):
            async with rpclab.deadline(seconds):
                await rpclab.gather(counter.increment(), counter.increment())
        assert await counter.increment() == 1
