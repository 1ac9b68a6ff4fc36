"""What strangers do is seen: in recordings and the views of them, in tables and leaks."""

from __future__ import annotations

import asyncio
import sys

import httpx
import pytest
from support.net import Api
from support.real_time import until

from rpclab import connect
from rpclab.trace.timeline import timeline

STRANGER = """
import asyncio, sys
import rpclab


async def main(url, codec):
    async with rpclab.connect(url, codec=codec) as api:
        print(await api.counter().increment(2))


asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("codec", ["msgpack", "capnweb"])
async def test_calls_of_strangers_and_their_answers_stand_in_the_timeline(sandbox, codec):
    async with sandbox.serve(port=0, expose={"/api": "web#Api", "/x": Api()}) as server:
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.get(server.url)
        url = server.url.replace("http", "ws")
        async with connect(f"{url}/api", codec=codec) as api:
            await api.hello("Ada")
            assert [len(chunk) async for chunk in await api.numbers()] == [50_000] * 20
        async with connect(f"{url}/x", codec=codec) as api:
            assert await api.counter().increment(2) == 2
    lines = str(sandbox.timeline()).splitlines()
    # Between the two stands a number, which counts the calls.
    shown = {
        (line.split(": ")[0].strip(), line.partition(": ")[2].partition(" ")[2]) for line in lines
    }
    assert ("visitors → web", "fetch(a Request) = a Response") in shown
    assert ("visitor 1 → web", "hello('Ada') = 'Hello, Ada'") in shown
    assert (f"notebook → {url}/api", "hello('Ada') = 'Hello, Ada'") in shown
    assert any(who == "visitor 2 → notebook" and "increment(2)" in what for who, what in shown)
    assert "web → visitor 1: 20 chunks" in str(sandbox.streams())
    for view in (sandbox.lifetimes(), sandbox.graph(), sandbox.view()):
        assert str(view)


async def test_what_a_stranger_holds_is_in_the_tables_and_is_no_leak_when_it_has_gone(sandbox):
    async with sandbox.serve(port=0, expose={"/x": Api()}) as server:
        connection = await connect(server.url.replace("http", "ws") + "/x")
        counter = await connection.main.counter()
        await counter.increment()
        assert any(name == "visitor 1" for name, _ in sandbox.tables().exports)
        assert any("visitor" in str(leak) for leak in sandbox.leaks())
        await connection.close()
        await until(lambda: not any("visitor" in name for name, _ in sandbox.tables().exports))
        assert not any("visitor" in str(leak) for leak in sandbox.leaks())
        del counter


@pytest.mark.parametrize("codec", ["msgpack", "capnweb"])
async def test_what_a_stranger_pipelines_is_not_said_to_be_neither_pipelined_nor_awaited(
    sandbox, codec
):
    async with sandbox.serve(port=0, expose={"/x": Api()}) as server:
        url = server.url.replace("http", "ws") + "/x"
        with sandbox.trace() as trace:
            stranger = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", STRANGER, url, codec), stdout=asyncio.subprocess.PIPE
            )
            assert (await stranger.communicate())[0] == b"2\n"
        assert trace.pipelined == 1
        # Nobody here sees when an answer arrives there; it is not shown as on its way for ever.
        assert [each for each in timeline(sandbox.recording).arrows if each.arrived is None] == []
        assert trace.unawaited == ""
        for text in (str(trace), str(sandbox.timeline())):
            assert "round trip" in text
            assert "nothing was pipelined" not in text
            assert "not awaited" not in text
