"""Requests that two programs could understand in two ways: one of them, or none, is answered."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlsplit

import pytest
from support.net import Api
from support.real_time import until

TELLS = """
from workers import Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response(f"NAME {request.method} {request.url} {await request.text()}")
"""


@pytest.fixture(params=[True, False], ids=["session", "short"])
def recorded(request):
    """Requests go through sessions, or the short way."""
    return request.param


@pytest.fixture
def served(sandbox, lines):
    """A server with two Workers, and an object that sessions reach."""
    for name in ("one", "admin"):
        sandbox.deploy(name, source=TELLS.replace("NAME", name))
    return sandbox.serve(
        port=0, worker="one", routes={"/admin": "admin"}, expose={"/api": Api()}, tell=lines.append
    )


async def answers(server, *parts):
    """Send parts, each once the one before was taken; gives all that comes back."""
    place = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    listening = asyncio.ensure_future(_all_from(reader))
    for part in parts:
        writer.write(part)
        await asyncio.sleep(0.01)
    came = await listening
    writer.close()
    return came


async def _all_from(reader):
    came = b""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(2**16):
            came += data
    return came


HOST = b"Host: 127.0.0.1\r\n"
CLOSE = HOST + b"Connection: close\r\n"
INNER = b"GET /admin HTTP/1.1\r\n" + CLOSE + b"\r\n"

REFUSED = {
    "a length and chunks": CLOSE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0",
    "two lengths": CLOSE + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a length with a sign": CLOSE + b"Content-Length: +5\r\n\r\nhello",
    "a length of less than nothing": CLOSE + b"Content-Length: -5\r\n\r\nhello",
    "chunks and something else": CLOSE + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunks before a colon": CLOSE + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a chunk of less than nothing": CLOSE + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "chunks with bare ends of lines": CLOSE + b"Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n",
    "a header in two lines": CLOSE + b"X: a\r\n b\r\n\r\n",
    "a bare return in a header": CLOSE + b"X: a\rb\r\n\r\n",
    "a zero in a header": CLOSE + b"X: a\0b\r\n\r\n",
    "two hosts": CLOSE + b"Host: localhost\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("rest", REFUSED.values(), ids=REFUSED)
async def test_what_can_be_understood_in_two_ways_is_refused_and_fills_no_log(
    served, lines, caplog, rest
):
    async with served as server:
        came = await answers(server, b"POST / HTTP/1.1\r\n" + rest)
        # Who is hung up on while it still sends may not see why.
        assert came.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421")) or not came
        assert came.count(b"HTTP/1.1") <= 1
        await until(lambda: lines)
    assert {line.status // 100 for line in lines} == {4}
    assert caplog.records == []


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.2"])
@pytest.mark.parametrize("way", ["length", "chunks", "at once"])
async def test_a_body_behind_a_wish_for_another_protocol_is_no_request(
    served, lines, protocol, way
):
    head = b"POST /first HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: " + protocol
    length = b"\r\nContent-Length: %d\r\n\r\n" % len(INNER)
    chunks = b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with served as server:
        if way == "at once":
            came = await answers(server, head + length + INNER)
        else:
            came = await answers(server, head + (length if way == "length" else chunks), INNER)
        assert b"admin" not in came
        await until(lambda: lines)
    assert [line.status for line in lines] == [400]


async def test_a_wish_for_another_protocol_is_passed_over(served, lines, caplog):
    wishes = HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n"
    async with served as server:
        came = await answers(server, b"GET /a HTTP/1.1\r\n" + wishes, INNER)
        assert b"one GET http://127.0.0.1/a" in came
        assert b"admin" not in came  # what comes behind could be of that protocol
    assert [line.status for line in lines] == [200]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("target", "host", "came"),
    [
        (b"http://evil.test/a", b"127.0.0.1", b"421"),
        (b"http://127.0.0.1/a", b"evil.test", b"one GET http://127.0.0.1/a"),
        (b"http://localhost:81/admin/b", b"127.0.0.1", b"admin GET http://localhost:81/admin/b"),
        (b"*", b"127.0.0.1", b"400"),
        (b"a", b"127.0.0.1", b"400"),
        (b"?a", b"127.0.0.1", b"400"),
        (b"/x/../admin", b"127.0.0.1", b"admin GET http://127.0.0.1/admin"),
        (b"/x/%2e%2E/admin", b"127.0.0.1", b"admin GET http://127.0.0.1/admin"),
        (b"/admin/../b", b"127.0.0.1", b"one GET http://127.0.0.1/b"),
        (b"/admin/%2e./b", b"127.0.0.1", b"one GET http://127.0.0.1/b"),
        (b"/admin\\..\\b", b"127.0.0.1", b"one GET http://127.0.0.1/b"),
        (b"/admin%2f..%2fb", b"127.0.0.1", b"one GET http://127.0.0.1/admin%2f..%2fb"),
        (b"/administration", b"127.0.0.1", b"one GET http://127.0.0.1/administration"),
        (b"//admin", b"127.0.0.1", b"one GET http://127.0.0.1//admin"),
    ],
)
async def test_who_answers_goes_by_the_address_that_the_worker_is_asked_at(
    served, target, host, came
):
    method = b"OPTIONS " if target == b"*" else b"GET "
    async with served as server:
        request = method + target + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"
        assert came in await answers(server, request)


@pytest.mark.parametrize("target", [b"/x/../api", b"/./api", b"/%2e/api", b"http://127.0.0.1/api"])
async def test_an_exposed_object_is_found_at_the_same_address(served, target):
    async with served as server:
        request = b"POST " + target + b" HTTP/1.1\r\n" + CLOSE + b"Content-Length: 0\r\n\r\n"
        assert (await answers(server, request)).startswith(b"HTTP/1.1 200")


async def test_a_websocket_is_opened_by_a_get_of_http_1_1_alone(served):
    rest = (
        HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    async with served as server:
        for begin, status in ((b"GET /api HTTP/1.1", b"101"), (b"HEAD /api HTTP/1.1", b"200"),
                              (b"GET /api HTTP/1.0", b"200")):  # fmt: skip
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(begin + b"\r\n" + rest)
            assert (await reader.readline()).startswith(b"HTTP/1.1 " + status)
            writer.close()
