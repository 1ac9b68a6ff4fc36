"""A connection that outlives its sessions, over each kind of link."""

from __future__ import annotations

import asyncio

import pytest
from support.net import failure
from support.real_time import until

import rpclab

QUICK = rpclab.Reconnect(first=0.01, most=0.05)
STREAMS = ["unix", "tcp", "tls", "ws", "wss", "capnweb"]


async def test_a_cut_wire_is_replaced_and_what_was_kept_is_obtained_anew(place, api):
    async with place.serve() as server:
        lasting = await place.connect(server, reconnect=QUICK)
        async with lasting as far:
            counter = await lasting.keep(lambda api: api.counter())
            assert await counter.increment() == 1
            hanging = asyncio.ensure_future(failure(far.hang()))
            await until(lambda: api.log)
            await lasting.cut()
            error = await hanging
            assert error.may_have_run is True
            assert await counter.increment() == 1  # a counter of the new session
            assert await far.hello("Ada") == "Hello, Ada"
            assert lasting.lost.may_have_run == ("hang()",)
            assert lasting.sessions == 2


@pytest.mark.parametrize("place", STREAMS, indirect=True)
async def test_a_server_that_starts_again_is_found_and_waiting_calls_leave_once(place, api):
    server = await place.serve()
    lasting = await place.connect(server, reconnect=QUICK)
    async with lasting as far:
        await server.stop()
        await until(lambda: lasting.state == "reconnecting")
        waiting = [far.hello("Ada"), far.counter().increment(2), far.call_back(lambda v: v + 1, 4)]
        mapped = far.echo([1, 2]).map(lambda number: far.echo([number]))
        await until(lambda: lasting.attempt > 2)
        place.where = server.address
        async with place.serve():
            assert [await each for each in waiting] == ["Hello, Ada", 2, 5]
            assert await mapped == [[1], [2]]
            await lasting.close()


async def test_a_server_that_goes_away_is_dialled_again(place):
    async with place.serve() as server:
        lasting = await place.connect(server, reconnect=QUICK)
        async with lasting as far:
            await server.stop()
            await until(lambda: lasting.attempt > 1)
            assert lasting.reason.retryable is True
            waiting = far.hello("Ada")
            await lasting.close()
            assert "this end closed" in str(await failure(waiting))


@pytest.mark.parametrize("place", ["tcp", "ws"], indirect=True)
async def test_a_token_that_is_refused_is_tried_once(place):
    async with place.serve(token="secret") as server:
        wrong = rpclab.connect(server.address, token="wrong", reconnect=QUICK)
        error = await failure(wrong.open())
        assert error.retryable is False
        assert (wrong.state, wrong.sessions, wrong.attempt) == ("closed", 0, 0)


@pytest.mark.parametrize("place", ["tls", "wss"], indirect=True)
async def test_a_certificate_that_nobody_vouches_for_is_tried_once(place, tmp_path):
    async with place.serve() as server:
        others = rpclab.certificates(tmp_path / "others")
        wrong = rpclab.connect(server.address, tls=others, reconnect=QUICK)
        error = await failure(wrong.open())
        assert error.retryable is False
        assert wrong.state == "closed"


async def test_nobody_at_all_is_tried_for_connect_seconds(place):
    server = await place.serve()
    await server.stop()
    lasting = place.connect(server, reconnect=QUICK, connect_seconds=0.2)
    attempts = []
    lasting.on_change(lambda it: attempts.append(it.attempt))
    assert type(await failure(lasting.open())) is rpclab.DisconnectedError
    assert max(attempts) > 2
