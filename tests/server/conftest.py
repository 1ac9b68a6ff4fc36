"""A server of Workers, over real sockets of this machine."""

from __future__ import annotations

import gc

import pytest
from support.net import far_sessions
from support.real_time import pytest_pyfunc_call

import rpclab

__all__ = ["pytest_pyfunc_call"]

WEB = """
import asyncio
from workers import ReadableStream, Response, RpcTarget, WorkerEntrypoint

log = []
released = asyncio.Event()


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        path = request.url.partition("//")[2].partition("/")[2].partition("?")[0]
        return await getattr(self, "_" + (path or "index"))(request)

    async def _index(self, request):
        body = await request.text()
        return Response(f"{request.method} {request.url} {body}", 201)

    async def _cookies(self, request):
        response = Response("two")
        response.headers.append("set-cookie", "a=1")
        response.headers.append("set-cookie", "b=2")
        return response

    async def _headers(self, request):
        return Response.json(dict(request.headers.items()))

    async def _fail(self, request):
        raise RuntimeError("on purpose, with a secret")

    async def _nothing(self, request):
        return None

    async def _none(self, request):
        return Response(None, 204)

    async def _hang(self, request):
        log.append("hanging")
        try:
            await asyncio.Event().wait()
        finally:
            log.append("hang left")

    async def _slow(self, request):
        log.append("slow")
        await released.wait()
        return Response("done")

    async def _count(self, request):
        total = 0
        async for chunk in request.body or ():
            total += len(chunk)
        return Response(str(total))

    async def _ticks(self, request):
        async def ticks():
            try:
                number = 0
                while True:
                    number += 1
                    yield b"tick %d\\n" % number
                    await asyncio.sleep(0)
            finally:
                log.append("ticks left")
        return Response(ticks())

    async def _few(self, request):
        return Response(b"x" * 10_000 for _ in range(30))

    async def _broken(self, request):
        def chunks():
            yield b"begun"
            raise RuntimeError("in the middle")
        return Response(chunks())


class Api(WorkerEntrypoint):
    def hello(self, name):
        return f"Hello, {name}"

    def fail(self):
        raise RuntimeError("on purpose")

    def numbers(self):
        return ReadableStream(b"x" * 50_000 for _ in range(20))

    async def call_back(self, function):
        return await function(3)
"""


@pytest.fixture
def recorded():
    """Whether the sandbox records: then requests go through sessions, which can be seen."""
    return True


@pytest.fixture
def sandbox(recorded):
    """A sandbox with a Worker, in which no session with another program is left at the end."""
    fresh = rpclab.Sandbox(record=recorded)
    fresh.deploy("web", source=WEB)
    yield fresh
    left = far_sessions(fresh)
    fresh.close()
    gc.collect()
    assert left == []


@pytest.fixture
def log(sandbox):
    """What the Worker has noted."""
    return sandbox.worker("web").module.log


@pytest.fixture
def lines():
    """The lines that the server has told of."""
    return []
