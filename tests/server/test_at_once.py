"""Requests that nobody can see are answered without a session, and at once where that can be."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.real_time import until

import rpclab
from rpclab.server.application import Application
from rpclab.server.urls import whole_url
from rpclab.workers.http.urls import parsed

SOURCE = """
import asyncio
import weakref
from workers import Response, WorkerEntrypoint

log = []
kept = Response("kept")
released = asyncio.Event()
contexts = []
instances = []


class Other(WorkerEntrypoint):
    async def fetch(self, request):
        return Response(f"other {request.method} {request.url}", headers={"x-other": "1"})


class Default(WorkerEntrypoint):
    def fetch(self, request):
        contexts.append(self.ctx._context)
        instances.append(weakref.ref(self))
        path = request.url.partition("//")[2].partition("/")[2].partition("?")[0]
        return getattr(self, "_" + (path or "index"))(request)

    async def _index(self, request):
        return Response(f"{request.method} {request.url} {await request.text()}")

    def _plain(self, request):
        return Response("plain")

    async def _slow(self, request):
        log.append("slow")
        try:
            await released.wait()
        finally:
            log.append("slow left")
        return Response("slow")

    async def _later(self, request):
        async def work():
            await released.wait()
            log.append("worked")
        self.ctx.wait_until(work())
        return Response("first")

    async def _task(self, request):
        async def forgotten():
            try:
                await asyncio.Event().wait()
            finally:
                log.append("forgotten left")
        self.task = asyncio.ensure_future(forgotten())
        await asyncio.sleep(0)
        return Response("begun")

    async def _abort(self, request):
        self.ctx.abort("enough")

    async def _kept(self, request):
        return kept

    async def _large(self, request):
        return Response(b"x" * 3_000_000)

    async def _control(self, request):
        return Response("no", headers={"x": "a\\x01b"})

    async def _client(self, request):
        try:
            request.headers["x"] = "y"
        except TypeError as error:
            frozen = str(error)
        said = request.headers
        return Response(f"{said['cf-connecting-ip']} {said.get('x')} {frozen}")

    def _hand_on(self, request):
        return self.env.OTHER.fetch(request)

    def _to_other(self, request):
        return self.env.OTHER.fetch("http://other/x", method="POST", body="tea")

    async def _wrong(self, request):
        return "a text"

    def _raise(self, request):
        raise ValueError("at once")


class Bare(WorkerEntrypoint):
    def fetch(self):
        return Response("bare")
"""


@pytest.fixture
def sandbox():
    fresh = rpclab.Sandbox()
    fresh.deploy("web", source=SOURCE, bind={"OTHER": "web#Other"})
    yield fresh
    fresh.close()
    gc.collect()


@pytest.fixture
def module(sandbox):
    return sandbox.worker("web").module


@pytest.fixture
def long_ways(monkeypatch):
    """The paths of requests that were handed to the application as ASGI has it."""
    seen = []
    whole = Application.__call__

    async def noted(self, scope, receive, send):
        seen.append(scope["path"])
        await whole(self, scope, receive, send)

    monkeypatch.setattr(Application, "__call__", noted)
    return seen


class Client:
    """One connection, on which requests follow one another."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, path, method="GET", body=b"", headers=()):
        lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    async def answer(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(first.split()[1]), headers, body

    async def ask(self, path, *args, **options):
        self.send(path, *args, **options)
        status, _, body = await self.answer()
        return status, body.decode()


@asynccontextmanager
async def connected(server, first="/plain"):
    place = urlsplit(server.url)
    client = Client(*await asyncio.open_connection(place.hostname, place.port))
    try:
        # The first request of a sandbox begins its loop.
        assert (await client.ask(first))[0] == 200
        yield client
    finally:
        client.writer.close()


async def test_a_plain_request_needs_neither_asgi_nor_a_session(sandbox, module, long_ways):
    async with sandbox.serve(port=0) as server, connected(server) as client:
        long_ways.clear()
        assert await client.ask("/plain") == (200, "plain")
        asked = await client.ask("/?a=b", "POST", b"tea", ["Content-Type: text/plain"])
        assert asked == (200, "POST http://127.0.0.1/?a=b tea")
        assert long_ways == []
        assert all(context.ended for context in module.contexts)


async def test_a_request_in_pieces_and_several_in_one_are_answered_in_order(sandbox, module):
    async with sandbox.serve(port=0) as server, connected(server) as client:
        data = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\ntea"
        for at in range(len(data)):
            client.writer.write(data[at : at + 1])
            await asyncio.sleep(0)
        assert (await client.answer())[2].endswith(b" tea")
        client.writer.write(data * 3)
        for _ in range(3):
            assert (await client.answer())[2].endswith(b" tea")
        for path in ("/slow", "/plain", "/"):
            client.send(path)
        await until(lambda: module.log == ["slow"])
        module.released.set()
        assert [(await client.answer())[2][:5] for _ in range(3)] == [b"slow", b"plain", b"GET h"]


async def test_what_was_given_to_wait_until_goes_on_and_keeps_the_context(sandbox, module):
    async with sandbox.serve(port=0) as server, connected(server) as client:
        assert await client.ask("/later") == (200, "first")
        assert not module.contexts[-1].ended
        module.released.set()
        await until(lambda: module.log == ["worked"])
        await until(lambda: module.contexts[-1].ended)


async def test_a_task_that_a_request_left_behind_ends_with_it(sandbox, module):
    async with sandbox.serve(port=0) as server, connected(server) as client:
        assert await client.ask("/task") == (200, "begun")
        await until(lambda: module.log == ["forgotten left"])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/abort", "enough"),
        ("/wrong", "fetch() must return a Response, not str"),
        ("/raise", "at once"),
        ("/missing", "_missing"),
        ("/control", "the header x of a response holds a control character"),
    ],
)
async def test_what_fails_is_a_500_and_the_log_says_why(sandbox, caplog, path, said):
    async with sandbox.serve(port=0) as server, connected(server) as client:
        client.send(path)
        assert (await client.reader.readline()).startswith(b"HTTP/1.1 500 ")
    assert said in caplog.text
    caplog.clear()


async def test_a_response_is_sent_once(sandbox, caplog):
    async with sandbox.serve(port=0) as server, connected(server) as client:
        assert await client.ask("/kept") == (200, "kept")
        assert (await client.ask("/kept"))[0] == 500
    assert "read or sent before" in caplog.text
    caplog.clear()


async def test_a_large_body_comes_as_a_stream(sandbox):
    async with sandbox.serve(port=0) as server, connected(server) as client:
        client.send("/large")
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"transfer-encoding: chunked" in head
        size = 0
        while length := int(await client.reader.readline(), 16):
            size += len(await client.reader.readexactly(length))
            await client.reader.readline()
        assert size == 3_000_000


async def test_the_headers_say_who_asks_whatever_the_client_says(sandbox):
    async with sandbox.serve(port=0) as server, connected(server) as client:
        said = ["CF-Connecting-IP: 1.2.3.4", "X: a", "x: b"]
        status, text = await client.ask("/client", headers=said)
        assert (status, text) == (200, "127.0.0.1 a, b Can't modify immutable headers.")


async def test_a_request_is_handed_on_to_another_worker(sandbox):
    async with sandbox.serve(port=0) as server, connected(server) as client:
        assert await client.ask("/hand_on") == (200, "other GET http://127.0.0.1/hand_on")
        assert await client.ask("/to_other") == (200, "other POST http://other/x")


async def test_a_handler_may_want_no_request(sandbox):
    async with sandbox.serve(port=0, worker="web#Bare") as server, connected(server) as client:
        assert await client.ask("/") == (200, "bare")


async def test_a_sandbox_that_is_closed_ends_what_is_under_way(sandbox, module):
    server = await sandbox.serve(port=0)
    async with connected(server) as client:
        client.send("/slow")
        await until(lambda: module.log == ["slow"])
        sandbox.close()
        await until(lambda: module.log == ["slow", "slow left"])
        assert sandbox.engine.visits == set()
        await server.stop()


async def test_a_client_that_leaves_cancels_the_call(sandbox, module):
    lines = []
    async with sandbox.serve(port=0, tell=lines.append) as server, connected(server) as client:
        client.send("/slow")
        await until(lambda: module.log == ["slow"])
        client.writer.transport.abort()
        await until(lambda: module.log == ["slow", "slow left"])
        await until(lambda: len(lines) > 1)
    assert [(line.status, line.note) for line in lines] == [(200, ""), (499, "the client left")]
    assert (lines[0].client, lines[0].path, lines[0].worker) == ("127.0.0.1", "/plain", "web")
    assert (lines[0].method, lines[0].size) == ("GET", 5)


async def test_a_connection_that_nobody_uses_is_closed_and_one_in_use_is_not(sandbox, module):
    async with (
        sandbox.serve(port=0) as server,
        connected(server) as first,
        connected(server) as second,
    ):
        for connection in server._uvicorn.server_state.connections:
            connection.timeout_keep_alive = 0.02
            if connection._until_idle is not None:
                connection._until_idle.cancel()
                connection._until_idle = None
        await first.ask("/plain")
        second.send("/slow")
        assert await first.reader.read() == b""
        module.released.set()
        assert (await second.answer())[2] == b"slow"
        assert await second.reader.read() == b""


async def test_a_server_that_is_busy_refuses(sandbox, module):
    limits = rpclab.ServerLimits(requests=1)
    async with (
        sandbox.serve(port=0, limits=limits) as server,
        connected(server) as client,
        connected(server) as other,
    ):
        client.send("/slow")
        await until(lambda: module.log == ["slow"])
        assert (await other.ask("/plain"))[0] == 503
        module.released.set()
        assert (await client.answer())[2] == b"slow"
        assert (await client.ask("/plain"))[0] == 200


async def test_from_the_moment_that_somebody_watches_requests_go_through_sessions(sandbox):
    async with sandbox.serve(port=0) as server, connected(server) as client:
        with sandbox.trace() as trace:
            await client.ask("/plain")
        assert "fetch(a Request)" in str(trace)


async def test_a_request_leaves_nothing_behind(sandbox, module):
    async with sandbox.serve(port=0) as server, connected(server) as client:
        for path in ("/", "/plain", "/hand_on", "/kept"):
            assert (await client.ask(path))[0] == 200
        await until(lambda: all(context.ended for context in module.contexts))
        module.contexts.clear()
        gc.collect()
        assert [found for found in module.instances if found() is not None] == []
        assert sandbox.leaks() == []


async def test_a_request_that_is_over_leaves_nothing_for_the_collector(sandbox, module):
    async with sandbox.serve(port=0) as server, connected(server) as client:
        await client.ask("/plain")
        module.contexts.clear()
        gc.collect()
        gc.disable()
        try:
            await client.ask("/plain")
            module.contexts.clear()
            assert module.instances[-1]() is None
        finally:
            gc.enable()


@given(st.text("/.%2eE5aZ?=&:;@~!*'()#[]|^ \\+,$-_<>`{}\"\x7f", max_size=12))
def test_a_url_that_is_read_in_short_is_the_one_of_the_standard(rest):
    path, _, query = ("/" + rest).partition("?")
    for host in ("LOCALHOST:80", "127.1:8080", "[::1]:9", "a.b."):
        whole = parsed(f"http://{host}{path}" + f"?{query}" * bool(query))
        assert whole_url("http", host, path, query) == whole
