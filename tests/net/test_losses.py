"""What was lost with a session: which calls may have run, and whether to dial again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

import pytest
from support.net import failure
from support.real_time import until
from websockets.asyncio.server import serve as serve_websocket

import rpclab
from rpclab.net.closing import closed_there

QUICK = rpclab.Reconnect(first=0.01, most=0.05)


async def test_a_call_that_had_been_sent_may_have_run_and_the_error_says_so(place, api):
    async with place.serve() as server:
        connection = await place.connect(server)
        call = asyncio.ensure_future(failure(connection.main.hang()))
        await until(lambda: api.log)
        await connection.cut()
        error = await call
        assert (type(error), error.may_have_run) == (rpclab.DisconnectedError, True)
        assert error.retryable is True
        assert "it may have run, or not" in error.__notes__[-1]
        assert connection.session.lost.may_have_run == ("hang()",)


async def test_a_call_made_after_the_end_has_not_run(place, api):
    async with place.serve() as server:
        connection = await place.connect(server)
        await connection.cut()
        error = await failure(connection.main.hello("Ada"))
        assert error.may_have_run is False
        assert not hasattr(error, "__notes__")


async def test_a_call_that_had_not_left_has_not_run(place, api):
    async with place.serve() as server:
        connection = await place.connect(server)
        sent, waiting = connection.main.echo(1), None
        assert await sent == 1
        waiting = connection.main.keep(lambda: None)
        connection.session.close(rpclab.DisconnectedError("the cable is pulled"))
        assert (await failure(waiting)).may_have_run is False
        assert connection.session.lost.not_run == ("keep()",)
        await connection.closed.wait()
    assert api._kept == []


async def test_stubs_and_streams_are_counted(place, api):
    async with place.serve() as server:
        connection = await place.connect(server)
        stubs = [await connection.main.counter() for _ in range(3)]
        stream = await connection.main.numbers(1000)
        assert await anext(aiter(stream))
        await connection.cut()
        assert (connection.session.lost.stubs, connection.session.lost.streams) == (3, 1)
        assert "3 stubs" in str(connection.session.lost)
        assert len({type(await failure(stub.increment())) for stub in stubs}) == 1


async def test_an_error_of_the_far_side_says_nothing_of_our_call(api):
    class Liar(rpclab.RpcTarget):
        def lie(self):
            error = rpclab.DisconnectedError("at my end")
            error._may_have_run = False
            raise error

    async with (
        rpclab.serve(Liar(), "tcp:127.0.0.1:0") as server,
        rpclab.connect(server.address) as far,
    ):
        error = await failure(far.lie())
        assert (error.remote, error.may_have_run) == (True, None)


@pytest.mark.parametrize(
    ("code", "again"),
    [
        (1000, True), (1001, True), (1005, True), (1006, True), (1011, True), (1012, True),
        (1013, True), (4000, True), (1002, False), (1003, False), (1007, False), (1008, False),
        (1009, False), (1010, False), (3000, False),
    ],
)  # fmt: skip
async def test_a_close_code_says_whether_to_dial_again(code, again):
    assert closed_there("reason", code).retryable is again
    if code in (1005, 1006):
        return  # nobody can send these
    dialled = []

    async def close(socket):
        dialled.append(socket)
        await socket.close(code, "reason")

    async with serve_websocket(close, "127.0.0.1", 0, subprotocols=["capnweb"]) as server:
        port = server.sockets[0].getsockname()[1]
        lasting = rpclab.connect(f"ws://127.0.0.1:{port}/", reconnect=QUICK)
        opening = asyncio.ensure_future(_seen(lasting.open()))
        await until(lambda: len(dialled) > 2 if again else lasting.state == "closed")
        await lasting.close()
        await opening
    assert again or len(dialled) == 1


async def _seen(opening):
    """Wait for a session, if there is one before it ends."""
    with contextlib.suppress(rpclab.DisconnectedError):
        await opening


@pytest.mark.parametrize(
    ("status", "again"), [(401, False), (403, False), (404, False), (429, True), (503, True)]
)
async def test_a_status_says_whether_to_dial_again(status, again):
    asked = []

    async def answer(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        lasting = rpclab.connect(f"ws://127.0.0.1:{port}/", reconnect=QUICK, connect_seconds=0.3)
        error = await failure(lasting.open())
        assert error.retryable is again
        assert str(status) in str(error)
    assert (len(asked) > 1) is again


SERVER = """
import asyncio, sys
import rpclab

class Api(rpclab.RpcTarget):
    def __init__(self):
        self._count = 0

    def count(self):
        self._count += 1
        return self._count

    async def hang(self):
        print("hanging", flush=True)
        await asyncio.Event().wait()

async def main(address):
    async with rpclab.serve(Api(), address) as server:
        print(server.address, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(sys.argv[1]))
"""


class Program:
    """A server in another program, which can be killed and stopped."""

    async def start(self, address):
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SERVER, address, stdout=asyncio.subprocess.PIPE
        )
        return await self.line()

    async def line(self):
        return (await self.process.stdout.readline()).decode().strip()

    async def kill(self):
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
            self.process._transport.close()


@pytest.mark.parametrize("where", ["tcp:127.0.0.1:0", "ws://127.0.0.1:0/"])
async def test_a_server_that_is_killed_and_started_again_is_found_again(where):
    program = Program()
    try:
        address = await program.start(where)
        async with rpclab.connect(address, reconnect=QUICK) as api:
            assert [await api.count(), await api.count()] == [1, 2]
            hanging = asyncio.ensure_future(failure(api.hang()))
            assert await program.line() == "hanging"
            await program.kill()
            assert (await hanging).may_have_run is True
            waiting = api.count()
            await program.start(address)
            assert await waiting == 1  # it is another program, and has counted nothing
    finally:
        await program.kill()


async def test_a_server_that_stands_still_is_given_up_after_the_silence_and_dialled_again():
    program = Program()
    try:
        address = await program.start("tcp:127.0.0.1:0")
        lasting = await rpclab.connect(
            address, reconnect=QUICK, silence_seconds=0.2, connect_seconds=0.5
        )
        async with lasting as api:
            assert await api.count() == 1
            os.kill(program.process.pid, signal.SIGSTOP)
            error = await failure(api.count())
            assert "nothing was heard of the other side" in str(error)
            assert error.may_have_run is True
            waiting = api.count()
            os.kill(program.process.pid, signal.SIGCONT)
            assert await waiting in (2, 3)  # the call that was cut off may have run
    finally:
        await program.kill()


async def test_a_server_may_pass_on_what_outlives_its_sessions(place, api):
    """A gateway serves the stub of a lasting connection; its own peers notice no loss."""
    async with place.serve() as server:
        lasting = await place.connect(server, reconnect=QUICK)
        async with (
            rpclab.serve(lasting.main, "memory:gateway") as gateway,
            rpclab.connect(gateway.address) as far,
        ):
            assert await far.hello("Ada") == "Hello, Ada"
            await lasting.cut()
            assert await far.hello("Bob") == "Hello, Bob"
            assert await far.counter().increment(2) == 2
        await lasting.close()
