"""The library of JavaScript on the other side: it calls us, and we call it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
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


DOCS = HERE.parents[1] / "docs" / "reconnection.md"
LASTING = """
import {{ Lasting }} from "./lasting.mjs";

const say = (...words) => console.log(words.join(" "));
const onState = (state) => say(state);
const lasting = new Lasting(process.argv[2], {{ first: 20, tries: 5, onState }});
{steps}
"""
LOST_AND_FOUND = """
say(await lasting.call((api) => api.hello("Ada")));
const counter = await lasting.keep((api) => api.counter());
await lasting.keep((api) => api.keep((value) => value * 2));
say(await counter.use((stub) => stub.increment(5)));
const hanging = lasting.call((api) => api.hang());
await hanging.catch(() => say("it may have run"));
say(await lasting.call((api) => api.hello("Bob")));
say(await counter.use((stub) => stub.increment(1)));
say(await lasting.call((api) => api.call_kept(21)));
lasting.close();
await lasting.call((api) => api.hello("nobody")).catch((error) => say(error.message));
"""
REFUSED = """
await lasting.call((api) => api.hello("Ada")).catch((error) => say(error.message));
"""


@contextlib.asynccontextmanager
async def lasting_in_javascript(node, folder, steps, url):
    """A program with the class that the guide shows; gives the process."""
    (code,) = re.findall(r"```js\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    (folder / "lasting.mjs").write_text(code, "utf-8")
    (folder / "main.mjs").write_text(LASTING.format(steps=steps), "utf-8")
    (folder / "node_modules").symlink_to(HERE / "node_modules")
    process = await asyncio.create_subprocess_exec(
        node, folder / "main.mjs", url, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()


async def test_what_the_guide_shows_in_javascript_outlives_its_sessions(node, sandbox, tmp_path):
    api = Api()
    async with sandbox.serve(port=0, expose={"/api": api}) as server:
        url = server.url.replace("http", "ws") + "/api"
        async with lasting_in_javascript(node, tmp_path, LOST_AND_FOUND, url) as process:
            await until(lambda: api.log == ["hanging"])
            for connection in list(server.application.sessions._open):
                await connection.cut()
            said, complaints = await process.communicate()
            assert complaints == b""
        await until(lambda: far_sessions(sandbox) == [])
    assert said.decode().splitlines() == [
        "open", "Hello, Ada", "5", "lost", "it may have run", "open", "Hello, Bob", "1", "42",
        "closed", "closed",
    ]  # fmt: skip
    assert api.log.count("hanging") == 1


async def test_what_the_guide_shows_in_javascript_gives_up_on_who_refuses_it(
    node, sandbox, tmp_path
):
    async with sandbox.serve(port=0, expose={"/api": Api()}, token="secret") as server:
        url = server.url.partition("?")[0].rstrip("/").replace("http", "ws") + "/api"
        async with lasting_in_javascript(node, tmp_path, REFUSED, url) as process:
            said, _ = await process.communicate()
    assert said.decode().splitlines() == [*["lost"] * 5, "closed", "closed"]
