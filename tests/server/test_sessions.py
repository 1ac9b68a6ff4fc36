"""Sessions from outside: WebSockets and batches, of what was exposed by name."""

from __future__ import annotations

import asyncio
import contextlib

import httpx
import pytest
import uvicorn
from support.net import Api, failure, far_sessions
from support.real_time import until
from websockets.asyncio.client import connect as websockets_connect
from websockets.exceptions import InvalidStatus

import rpclab
from rpclab.net.listening import listen

EXPOSED = {"/api": "web#Api"}
ENDED = (rpclab.DisconnectedError, rpclab.RemoteProtocolError)  # a page is no answer to a batch


def socket_of(server, path="/api"):
    return server.url.replace("http", "ws", 1) + path


@contextlib.asynccontextmanager
async def mounted(app):
    """Another server, in which our application is mounted; gives its URL."""
    listening = listen("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, lifespan="off", ws="websockets-sansio")
    )
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listening])
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        await server.shutdown(sockets=[listening])


@pytest.mark.parametrize("codec", ["msgpack", "capnweb"])
async def test_an_exposed_entrypoint_is_main(sandbox, lines, codec):
    async with sandbox.serve(port=0, expose=EXPOSED, tell=lines.append) as server:
        async with rpclab.connect(socket_of(server), codec=codec) as api:
            assert await api.hello("Ada") == "Hello, Ada"
            assert await api.call_back(lambda value: value + 1) == 4
            stream = await api.numbers()
            assert sum([len(chunk) async for chunk in stream]) == 1_000_000
            error = await failure(api.fail())
            assert (str(error), error.remote) == ("on purpose", True)
            assert not any("web" in note for note in getattr(error, "__notes__", ()))
        await until(lambda: len(lines) == 2)
    assert [(line.method, line.status, line.worker) for line in lines] == [
        ("WS", 101, "web#Api"),
        ("WS END", 1000, "web#Api"),
    ]


@pytest.mark.parametrize("path", ["/", "/api/more", "/web", "/other", "/Api"])
async def test_nothing_else_is_reached(sandbox, path):
    async with sandbox.serve(port=0, expose=EXPOSED) as server:
        error = await failure(rpclab.connect(socket_of(server, path)).open())
        assert "404" in str(error)
        async with rpclab.connect(server.url + path) as api:
            assert isinstance(await failure(api.hello("x")), ENDED)


async def test_what_cannot_be_exposed_is_refused_when_the_server_starts(sandbox):
    for expose, error, words in (
        ({"/api": "web#Nope"}, rpclab.UnknownEntrypointError, "Nope"),
        ({"api": "web#Api"}, ValueError, 'begins with "/"'),
        (["web#Api"], ValueError, "worker#Entrypoint=/path"),
        (["web#Api=/a", "web=/a/"], ValueError, "two entrypoints"),
        ({"/api": 17}, TypeError, "main is a target"),
    ):
        with pytest.raises(error, match=words):
            await sandbox.serve(port=0, expose=expose)


async def test_an_object_of_the_notebook_can_be_exposed(sandbox):
    serving = sandbox.serve(port=0, expose={"/x": Api()})
    async with serving as server, rpclab.connect(socket_of(server, "/x")) as api:
        assert await api.counter().increment(2) == 2


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.test"}, "403"),
        ({"Origin": "null"}, "403"),
        ({"Host": "evil.test"}, "421"),
        ({"Origin": "http://localhost:8888"}, None),
        ({"Origin": "https://good.test"}, None),
    ],
    ids=str,
)
async def test_websockets_of_other_sites_are_not_opened(sandbox, headers, status):
    async with sandbox.serve(port=0, expose=EXPOSED, origins=["https://good.test"]) as server:
        if "Host" in headers:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(
                b"GET /api HTTP/1.1\r\nHost: evil.test\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Key: " + b"A" * 22 + b"==\r\n"
                b"Sec-WebSocket-Version: 13\r\n\r\n"
            )
            assert (await reader.read()).startswith(b"HTTP/1.1 421")
            writer.close()
            return
        dialling = rpclab.connect(socket_of(server), headers=headers)
        if status is None:
            async with dialling as api:
                assert await api.hello("x") == "Hello, x"
        else:
            assert status in str(await failure(dialling.open()))


async def test_sessions_want_the_token_too(sandbox):
    async with sandbox.serve(port=0, expose=EXPOSED, token="s3cret") as server:
        for url in (socket_of(server), f"{server.url}/api"):
            async with rpclab.connect(url, token="s3cret") as api:
                assert await api.hello("x") == "Hello, x"
            async with rpclab.connect(f"{url}?token=s3cret") as api:
                assert await api.hello("y") == "Hello, y"
        assert "401" in str(await failure(rpclab.connect(socket_of(server)).open()))
        async with rpclab.connect(f"{server.url}/api", token="no") as api:
            assert "401" in str(await failure(api.hello("x")))


async def test_a_server_that_stops_closes_its_sessions_and_says_why(sandbox):
    server = await sandbox.serve(port=0, expose=EXPOSED)
    connection = await rpclab.connect(socket_of(server))
    await server.stop()
    await connection.closed.wait()
    assert str(connection.reason) == (
        "the other side closed the connection: 1001 the server is stopping"
    )


async def test_more_sessions_than_allowed_are_refused(sandbox):
    limits = rpclab.ServerLimits(sessions=1)
    async with sandbox.serve(port=0, expose=EXPOSED, limits=limits) as server:
        async with rpclab.connect(socket_of(server)):
            assert "503" in str(await failure(rpclab.connect(socket_of(server)).open()))
        await until(lambda: len(server.application.sessions) == 0)
        async with rpclab.connect(socket_of(server)) as api:
            assert await api.hello("x") == "Hello, x"


@pytest.mark.parametrize("codec", ["msgpack", "capnweb"])
async def test_sessions_are_served_where_the_application_is_mounted(sandbox, codec):
    app = rpclab.asgi(sandbox, expose={"/api": Api()})
    async with mounted(app) as url:
        async with rpclab.connect(url.replace("http", "ws") + "/api", codec=codec) as api:
            assert await api.call_back(lambda value: value + 1, 1) == 2
            assert len(await api.echo(b"x" * 2_000_000)) == 2_000_000
            stream = await api.numbers(20, 50_000)
            assert sum([len(chunk) async for chunk in stream]) == 1_000_000
        error = await failure(rpclab.connect(url.replace("http", "ws") + "/no").open())
        assert isinstance(error, rpclab.DisconnectedError)
        async with rpclab.connect(f"{url}/api") as api:
            assert await api.hello("batch") == "Hello, batch"


# Batches.


async def test_calls_of_a_batch_leave_together_and_are_all_answered(sandbox, lines):
    serving = sandbox.serve(port=0, expose={"/x": Api()}, tell=lines.append)
    async with serving as server, rpclab.connect(f"{server.url}/x") as api:
        first, second = api.hello("a"), api.counter().increment(3)
        failing = api.fail()
        stream = api.numbers(30, 40_000)
        total = api.total(rpclab.ReadableStream(b"y" * 30_000 for _ in range(30)))
        assert await first == "Hello, a"
        assert [await second, await total] == [3, 900_000]
        assert str(await failure(failing)) == "on purpose"
        assert sum([len(chunk) async for chunk in await stream]) == 1_200_000
    assert [line.method for line in lines] == ["POST"]


async def test_what_comes_after_a_batch_is_rejected(sandbox):
    serving = sandbox.serve(port=0, expose={"/x": Api()})
    async with serving as server, rpclab.connect(f"{server.url}/x") as api:
        counter = await api.counter()
        for late in (counter.increment(), api.hello("late")):
            assert str(await failure(late)) == (
                "Batch RPC request ended. All calls of a batch are made before its first await;"
                " over a WebSocket (ws:) they can be made at any time."
            )


async def test_a_page_in_answer_to_a_batch_is_told_with_what_to_look_at(sandbox):
    async with (
        sandbox.serve(port=0, expose=EXPOSED) as server,
        rpclab.connect(f"{server.url}/cookies") as api,
    ):
        error = await failure(api.hello("Ada"))
    assert isinstance(error, rpclab.DisconnectedError)
    said = f"{server.url}/cookies answers no batch: 200 two; is that path exposed?"
    assert str(error).startswith(said)


async def test_a_batch_that_nobody_waits_for_is_not_sent(sandbox, lines):
    async with sandbox.serve(port=0, expose={"/x": Api()}, tell=lines.append) as server:
        async with rpclab.connect(f"{server.url}/x") as api:
            promise = api.hello("x")
            await asyncio.sleep(0)
        assert isinstance(await failure(promise), rpclab.DisconnectedError)
    assert lines == []


@pytest.mark.parametrize(
    ("body", "status", "answer"),
    [
        (b"", 200, b""),
        (b'["push",["pipeline",0,["hello"],["a"]]]\n["pull",1]', 200, b'["resolve",1,"Hello, a"]'),
        (b'["push",["pipeline",0,["hello"],["a"]]]', 200, b""),
        (b'["push",["pipeline",0,["hello"],["a"]]]\n["pull",1]\n', 400, None),
        (b"nonsense", 400, None),
        (b'["pull",7]', 400, None),
        (b"\xff", 400, None),
    ],
    ids=["empty", "a call", "not pulled", "an empty line", "nonsense", "no such call", "no UTF-8"],
)
async def test_a_batch_on_the_wire(sandbox, body, status, answer):
    serving = sandbox.serve(port=0, expose={"/x": Api()})
    async with serving as server, httpx.AsyncClient(trust_env=False) as http:
        response = await http.post(f"{server.url}/x", content=body)
        assert response.status_code == status
        if answer is not None:
            assert response.content == answer
        assert "Traceback" not in response.text


async def test_a_page_that_is_allowed_may_ask_and_send_and_no_other(sandbox):
    async with (
        sandbox.serve(port=0, expose={"/x": Api()}, origins=["https://good.test"]) as server,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        for origin, allowed in (("https://good.test", True), ("https://evil.test", False)):
            headers = {"origin": origin}
            asked = await http.options(f"{server.url}/x", headers=headers)
            sent = await http.post(f"{server.url}/x", headers=headers, content=b"")
            assert sent.status_code == (200 if allowed else 403)
            for response in (asked, sent):
                given = response.headers.get("access-control-allow-origin")
                assert given == (origin if allowed else None)


async def test_a_batch_whose_results_never_come_is_given_up(sandbox):
    api = Api()
    limits = rpclab.ServerLimits(answer_seconds=0.1)
    async with sandbox.serve(port=0, expose={"/x": api}, limits=limits) as server:
        async with rpclab.connect(f"{server.url}/x") as remote:
            assert "504" in str(await failure(remote.hang()))
        await until(lambda: api.log == ["hanging", "hang left"])


async def test_batches_of_any_size_are_bounded(sandbox):
    limits = rpclab.ServerLimits(body_bytes=10_000)
    async with sandbox.serve(port=0, expose={"/x": Api()}, limits=limits) as server:
        async with rpclab.connect(f"{server.url}/x") as api:
            assert "413" in str(await failure(api.echo("x" * 20_000)))
        small = rpclab.Limits(message_bytes=10_000)
        async with rpclab.connect(f"{server.url}/x", limits=small) as api:
            promises = [api.hello("x" * 900) for _ in range(20)]
            errors = [await failure(promise) for promise in promises]
            assert all("Limits.message_bytes" in str(error) for error in errors)


async def test_a_sandbox_that_is_closed_serves_nobody_any_more(sandbox):
    inner = rpclab.Sandbox()
    server = await inner.serve(port=0, expose={"/x": Api()})
    connection = await rpclab.connect(socket_of(server, "/x"))
    inner.close()
    await connection.closed.wait()
    error = await failure(rpclab.connect(socket_of(server, "/x")).open())
    assert "cannot be reached" in str(error)
    await server.stop()
    inner.close()


@pytest.mark.parametrize(("hosts", "let_in"), [(["*.hub.test"], True), ([], False)])
async def test_a_page_comes_through_a_proxy_that_says_its_own_name_where_that_is_allowed(
    sandbox, hosts, let_in
):
    # As jupyter-server-proxy does: the host is the hub's, and so is the page.
    async with sandbox.serve(port=0, expose=EXPOSED, hosts=hosts) as server:
        place = f"me.hub.test:{server.port}"
        socket = websockets_connect(
            f"ws://{place}/api",
            host="127.0.0.1",
            port=server.port,
            origin=f"https://{place}",
            proxy=None,
        )
        if not let_in:
            with pytest.raises(InvalidStatus, match="421"):
                await socket
            return
        async with socket as session:
            await session.send('["push",["pipeline",0,["hello"],["hub"]]]')
            await session.send('["pull",1]')
            assert await session.recv() == '["resolve",1,"Hello, hub"]'
    await until(lambda: far_sessions(sandbox) == [])
