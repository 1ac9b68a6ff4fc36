"""A short run of the hands through real sockets: seeded, and bounded by what they do."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest
from support.real_time import pytest_pyfunc_call, until

import rpclab
from fuzz import doors

__all__ = ["pytest_pyfunc_call"]

VISITS = 400  # at each door
AT_ONCE = 8

pytestmark = pytest.mark.expects_reports


@pytest.mark.parametrize("door", doors.DOORS)
async def test_hands_at_a_door_do_no_harm(door, caplog):
    caplog.set_level(logging.ERROR)
    limits = rpclab.ServerLimits(answer_seconds=5, stop_seconds=0.5)
    async with doors.served(door, limits) as (address, port, things, holds, sessions):
        async with rpclab.connect(address) as bystander:
            frames = 0
            for first in range(0, VISITS, AT_ONCE):
                visits = [doors.Visit(door, port, str(first + n)) for n in range(AT_ONCE)]
                await asyncio.gather(*[visit.play() for visit in visits])
                frames += sum(visit.frames for visit in visits)
                assert await bystander.greet("Ada") == "Hello, str"
            await until(lambda: sessions() == 1)
        await until(lambda: sessions() == 0)
        for stub in holds:
            stub.dispose()
        await until(lambda: all(thing._disposals for thing in things))
    assert frames > 5 * VISITS
    assert len(things) > VISITS // 2
    gc.collect()
    assert {thing._disposals for thing in things} == {1}
    assert [each for each in caplog.records if each.name != "rpclab"] == []


def test_the_same_seed_makes_the_same_visit():
    def begins(seed):
        visit = doors.Visit("tcp", 0, seed)
        return [visit._frames() for _ in range(5)]

    assert begins("7") == begins("7")
    assert begins("7") != begins("8")
