"""The library of JavaScript on the other side: it calls us, and we call it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path

import pytest
from support.net import Api, failure, far_sessions
from support.real_time import until

import rpclab
from rpclab import javascript as library

HERE = Path(__file__).parent
PIPE = asyncio.subprocess.PIPE


async def test_a_client_in_javascript_finds_everything_that_a_session_carries(node, sandbox):
    api = Api()
    async with sandbox.serve(port=0, expose={"/api": api}) as server:
        socket = server.url.replace("http", "ws") + "/api"
        client = await asyncio.create_subprocess_exec(
            node, HERE / "client.mjs", socket, f"{server.url}/api", stdout=PIPE, stderr=PIPE
        )
        said, complaints = await client.communicate()
        assert complaints == b""
        await until(lambda: far_sessions(sandbox) == [])
    assert said.decode().splitlines() == [
        "hello Hello, Ada",
        "pipelined 5",
        "called back 5",
        "kept 42",
        "error RangeError on purpose false",
        "read 800000",
        "written 1200000",
        "echo [1,[2,[null]]] 0 1180591620717411303424 2",
        "batch Hello, batch 3",
    ]
    assert api.log.count("counter disposed") == 3
    assert "numbers left" in api.log


@contextlib.asynccontextmanager
async def javascript(node):
    """A server in JavaScript; gives its port, and what it prints."""
    server = await asyncio.create_subprocess_exec(
        node, HERE / "server.mjs", stdin=PIPE, stdout=PIPE
    )
    try:
        yield int(await server.stdout.readline()), server.stdout
    finally:
        server.stdin.close()
        await server.wait()
        server._transport.close()


async def test_a_server_in_javascript_is_called_by_a_websocket(node, sandbox):
    async with javascript(node) as (port, printed):
        connection = await rpclab.connect(f"ws://127.0.0.1:{port}/")
        assert connection.session.dialect.name == "capnweb"
        api = connection.main
        assert await api.hello("Ada") == "Hello, Ada"
        assert await api.counter().increment(5) == 5
        assert await api.callBack(lambda value: value + 1, 4) == 5
        error = await failure(api.fail())
        assert (type(error), str(error)) == (ValueError, "on purpose")
        stream = await api.numbers(40, 20_000)
        assert sum([len(chunk) async for chunk in stream]) == 800_000
        assert await api.total(rpclab.ReadableStream(b"x" * 40_000 for _ in range(30))) == 1_200_000
        assert await api.echo([1, [2.5, None], "é", 2**70]) == [1, [2.5, None], "é", 2**70]
        assert await api.list().map(lambda item: [api.double(item)]) == [[2], [4], [6]]
        async with api.counter() as counter:
            assert await counter.increment(2) == 2
        assert await printed.readline() == b"counter disposed\n"
        await connection.close()


async def test_a_server_in_javascript_answers_a_batch(node, sandbox):
    async with javascript(node) as (port, _), rpclab.connect(f"http://127.0.0.1:{port}/") as api:
        first, second = api.hello("batch"), api.counter().increment(3)
        mapped = api.list().map(lambda item: item)
        assert [await first, await second, await mapped] == ["Hello, batch", 3, [1, 2, 3]]


async def test_a_server_in_javascript_that_goes_breaks_everything_with_the_reason(node, sandbox):
    async with javascript(node) as (port, _):
        connection = await rpclab.connect(f"ws://127.0.0.1:{port}/")
        counter = await connection.main.counter()
    await connection.closed.wait()
    error = await failure(counter.increment())
    assert isinstance(error, rpclab.DisconnectedError)


async def test_whoever_insists_on_msgpack_is_told_that_javascript_has_none(node, sandbox):
    async with javascript(node) as (port, _):
        # That server takes whatever is offered first, and then hears what is no text.
        with pytest.raises(rpclab.RpcError):
            async with rpclab.connect(f"ws://127.0.0.1:{port}/", codec="msgpack") as api:
                await api.hello("x")


def test_the_library_that_comes_along_is_that_of_npm_to_the_letter(node):
    package = HERE / "node_modules" / "capnweb"
    ours = Path(library.__file__).parent
    assert json.loads((package / "package.json").read_text())["version"] == library.VERSION
    for here, there in [("capnweb.js", "dist/index.js"), ("LICENSE.capnweb.txt", "LICENSE.txt")]:
        assert (ours / here).read_bytes() == (package / there).read_bytes()
