"""Cloudflare's own runtime on the other side: a Worker there calls us, and we call it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from support.net import Api, failure, far_sessions
from support.real_time import until
from support.workerd import running

import rpclab

CONFIG = Path(__file__).parent / "workerd" / "config.capnp"


def worker(workerd):
    """The Worker of `workerd/worker.js`; gives where it listens."""
    return running(workerd, CONFIG)


async def seen_by_worker(place, url):
    """Have the Worker dial an address, and give what it saw there."""
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(f"http://{place}/dial", params={"url": url})
    assert response.status_code == 200, response.text
    return response.json()["seen"]


async def test_a_worker_on_workerd_calls_python(workerd, sandbox):
    api = Api()
    async with (
        worker(workerd) as place,
        sandbox.serve(port=0, expose={"/api": api}) as server,
    ):
        socket = server.url.replace("http", "ws") + "/api"
        assert await seen_by_worker(place, socket) == [
            "Hello, workerd",
            5,
            5,
            ["RangeError", "on purpose", False],
            400_000,
            "Hello, after the disposal",
        ]
        await until(lambda: far_sessions(sandbox) == [])
        assert api.log.count("counter disposed") == 2
        assert await seen_by_worker(place, f"{server.url}/api") == ["Hello, batch", 3]
        await until(lambda: far_sessions(sandbox) == [])
        assert api.log.count("counter disposed") == 3


async def test_python_calls_a_worker_on_workerd(workerd, sandbox):
    async with worker(workerd) as place:
        connection = await rpclab.connect(f"ws://{place}/api")
        api = connection.main
        assert await api.hello("Ada") == "Hello, Ada"
        assert await api.counter().increment(5) == 5
        assert await api.callBack(lambda value: value + 1, 4) == 5
        error = await failure(api.fail())
        assert (type(error), str(error), error.code) == (ValueError, "on purpose", 5)
        stream = await api.numbers(20, 20_000)
        assert sum([len(chunk) async for chunk in stream]) == 400_000
        assert await api.total(rpclab.ReadableStream(b"x" * 40_000 for _ in range(10))) == 400_000
        before = await api.disposed()
        async with api.counter() as counter:
            assert await counter.increment(2) == 2
        assert await api.disposed() == before + 1
        await connection.close()


async def test_python_calls_bindings_and_durable_objects_through_a_worker_on_workerd(
    workerd, sandbox
):
    async with worker(workerd) as place, rpclab.connect(f"ws://{place}/api") as api:
        native = await api.native()
        assert await native.hello("Ada") == "Hello from a binding, Ada"
        assert await native.counter().increment(3) == 3
        room = await api.room("a")
        assert [await room.visit(), await room.visit()] == [1, 2]
        assert await api.room("a").visit() == 3
        assert await api.room("b").visit() == 1


async def test_python_sends_a_batch_to_a_worker_on_workerd(workerd, sandbox):
    async with worker(workerd) as place, rpclab.connect(f"http://{place}/api") as api:
        first, second = api.hello("batch"), api.counter().increment(3)
        assert [await first, await second] == ["Hello, batch", 3]


async def test_a_worker_on_workerd_that_goes_breaks_everything_with_the_reason(workerd, sandbox):
    async with worker(workerd) as place:
        connection = await rpclab.connect(f"ws://{place}/api")
        counter = await connection.main.counter()
    await connection.closed.wait()
    with pytest.raises(rpclab.DisconnectedError):
        await counter.increment()
