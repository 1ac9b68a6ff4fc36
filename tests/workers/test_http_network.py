"""`fetch` over the network: a small server on 127.0.0.1, on real time."""

from __future__ import annotations

import asyncio
import gzip
import socket
import sys

import pytest

import rpclab
from rpclab.workers import FormData

PLAIN = "HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n"


def with_server(answer, test):
    """Run `test(url)` with a server whose `answer(head, body)` gives (status, headers, body)."""

    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        sizes = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
        body = await reader.readexactly(int(sizes[0].partition(":")[2]) if sizes else 0)
        status, headers, data = answer(head, body)
        writer.write(PLAIN.format(status, len(data), headers).encode() + data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def run():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            await test(f"http://127.0.0.1:{port}")

    asyncio.run(run())


def test_fetch_asks_a_server_and_gives_its_response():
    def answer(head, body):
        assert head.startswith("POST /p?q=1 HTTP/1.1\r\n")
        assert "x-a: 1" in head.lower()
        headers = "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Encoding: gzip\r\n"
        return 201, headers, gzip.compress(b"got " + body)

    async def test(url):
        response = await rpclab.fetch(
            f"{url}/p?q=1#f", method="POST", body="data", headers={"X-A": 1}
        )
        assert (response.status, response.url) == (201, f"{url}/p?q=1")
        assert response.headers.get_set_cookie() == ["a=1", "b=2"]
        assert "content-encoding" not in response.headers
        assert await response.text() == "got data"

    with_server(answer, test)


def test_fetch_follows_redirects_unless_it_is_told_not_to():
    def answer(head, _body):
        return (200, "", b"end") if "GET /end" in head else (302, "Location: /end\r\n", b"moved")

    async def test(url):
        response = await rpclab.fetch(f"{url}/start", method="POST", body=FormData({"a": "b"}))
        assert (response.redirected, await response.text()) == (True, "end")
        response = await rpclab.fetch(f"{url}/start", redirect="manual")
        assert (response.status, response.headers["location"]) == (302, "/end")

    with_server(answer, test)


def test_a_worker_fetches_too():
    async def test(url):
        async with rpclab.Sandbox(network="local") as sandbox:
            source = "from workers import fetch\nasync def ask(url, env, ctx):\n    return await "
            sandbox.deploy("asking", source=source + "fetch(url)")
            env = sandbox.bind(ASKING="asking")
            assert await (await env.ASKING.ask(url)).text() == "hi"

    with_server(lambda *_: (200, "", b"hi"), test)


def test_nobody_who_answers_is_a_connection_error():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ConnectionError, match=f"no answer from http://127.0.0.1:{port}/"):
            asyncio.run(rpclab.fetch(f"http://127.0.0.1:{port}"))


def test_headers_are_latin_1_on_the_way_out_and_any_bytes_on_the_way_in():
    heads = []

    def answer(head, body):
        heads.append(head)
        return 200, "X-Name: \u017elut\u00fd\r\n", b""

    async def test(url):
        response = await rpclab.fetch(url, headers={"x-name": "\u00e9"})
        assert response.headers["x-name"].encode("latin-1").decode() == "\u017elut\u00fd"

    with_server(answer, test)
    assert "x-name: \u00e9" in heads[0]


def test_a_body_that_is_not_what_it_says_is_a_connection_error():
    async def test(url):
        secret = url.replace("//", "//me:word@")
        with pytest.raises(ConnectionError, match=r"no answer from http://127\.0\.0\.1:") as caught:
            await rpclab.fetch(secret)
        assert "word" not in str(caught.value)

    with_server(lambda *_: (200, "Content-Encoding: gzip\r\n", b"no gzip"), test)


def test_only_http_goes_over_the_network():
    with pytest.raises(TypeError, match="Fetch API cannot load"):
        asyncio.run(rpclab.fetch("ftp://127.0.0.1/"))


def test_without_the_extra_fetch_names_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "rpclab.workers.http.httpx_client", raising=False)
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ImportError, match=r"rpclab\[http\]"):
        asyncio.run(rpclab.fetch("http://127.0.0.1/"))
