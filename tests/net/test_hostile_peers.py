"""Peers that break the rules of the wire, or none at all: what they get, and what stays of them."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import re
import struct
import tracemalloc

import msgpack
import pytest
from support.net import Api, failure, far_sessions
from support.real_time import until
from websockets.asyncio.server import serve as serve_websocket
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri
from websockets.utils import accept_key

import rpclab
from rpclab.net.addresses import parse_address
from rpclab.transports.batches import BATCH, BYE, HELLO, MAGIC, PING, PONG

GREETING = MAGIC + b"\0\0\0\2" + bytes([HELLO]) + msgpack.packb({})


def record(kind, data=b""):
    return struct.pack(">IB", len(data) + 1, kind) + data


@pytest.fixture
def limits():
    return rpclab.ServerLimits(head_seconds=0.2, stop_seconds=0.2)


async def dial(server):
    """A bare connection to a server of bytes."""
    host, _, port = server.address.removeprefix("tcp:").rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def last_words(reader):
    """All that the server says until it closes."""
    data = await reader.read()
    assert data.startswith(MAGIC) or data == b""
    position, words = len(MAGIC), []
    while position < len(data):
        (length,) = struct.unpack_from(">I", data, position)
        words.append(data[position + 4 : position + 4 + length])
        position += 4 + length
    return words


async def test_whoever_speaks_something_else_is_told_so_and_let_go(sandbox, limits):
    async with rpclab.serve(Api(), "tcp:127.0.0.1:0", limits=limits) as server:
        reader, writer = await dial(server)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        (word,) = await last_words(reader)
        assert word[0] == BYE
        assert b"does not speak rpclab, but says b'GET / HTTP/1.1" in word
        writer.close()
        assert far_sessions(sandbox) == []


@pytest.mark.parametrize("version", [1, 3])
async def test_a_peer_of_another_version_is_told_so_in_words_that_it_can_read(sandbox, version):
    magic = MAGIC[:-1] + bytes([version])
    async with rpclab.serve(Api(), "tcp:127.0.0.1:0") as server:
        reader, writer = await dial(server)
        writer.write(magic + GREETING[len(MAGIC) :])
        said = await reader.read()
        writer.close()
        assert said.startswith(magic)
        assert said[len(magic) + 4] == BYE
        assert f"versions {version} and 2 of rpclab's protocol".encode() in said

    async def old(reader, writer):
        writer.write(magic + record(BYE, b"the peer does not speak rpclab"))
        writer.close()

    listener = await asyncio.start_server(old, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    with pytest.raises(rpclab.RpcError, match=f"versions {version} and 2 of rpclab's protocol"):
        await rpclab.connect(f"tcp:127.0.0.1:{port}")
    listener.close()
    await listener.wait_closed()


async def test_whoever_says_nothing_is_let_go_in_time(sandbox, limits):
    async with rpclab.serve(Api(), "tcp:127.0.0.1:0", limits=limits) as server:
        for begin in (b"", MAGIC, MAGIC[:3], GREETING[:-1]):
            reader, writer = await dial(server)
            writer.write(begin)
            (word,) = await last_words(reader)
            assert b"no greeting came within" in word
            writer.close()


async def test_a_greeting_byte_by_byte_is_a_greeting_all_the_same(sandbox):
    async with rpclab.serve(Api(), "tcp:127.0.0.1:0") as server:
        reader, writer = await dial(server)
        for byte in GREETING + record(PING):
            writer.write(bytes([byte]))
            await writer.drain()
        assert await reader.readexactly(len(MAGIC) + 6) == GREETING
        assert await reader.readexactly(5) == record(PONG)
        writer.close()
        await until(lambda: far_sessions(sandbox) == [])


BROKEN = {
    "an unknown kind": record(99),
    "an empty record": b"\0\0\0\0",
    "one that is too long": b"\xff\xff\xff\xff",
    "no batch": record(BATCH, b"\xc1"),
    "a second greeting": record(HELLO, msgpack.packb({})),
    "a frame that is no message": record(BATCH, msgpack.packb([0, b"\xc1"])),
    "a message of unknown kind": record(BATCH, msgpack.packb([0, msgpack.packb([77])])),
    "a call of nothing": record(BATCH, msgpack.packb([0, msgpack.packb([0, 1, -9, "x", []])])),
    "acknowledgements of nothing": record(BATCH, msgpack.packb([12])),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
async def test_whoever_breaks_the_rules_is_told_why_and_no_other_session_ends(sandbox, data):
    serving = rpclab.serve(Api(), "tcp:127.0.0.1:0")
    async with serving as server, rpclab.connect(server.address) as api:
        reader, writer = await dial(server)
        writer.write(GREETING + data)
        words = await last_words(reader)
        assert words[-1][0] == BYE
        assert len(words[-1]) > 10
        writer.close()
        assert await api.hello("x") == "Hello, x"
        await until(lambda: len(far_sessions(sandbox)) == 2)


async def test_a_peer_that_is_cut_off_in_the_middle_of_a_record_leaves_nothing(sandbox):
    api = Api()
    async with rpclab.serve(api, "tcp:127.0.0.1:0") as server:
        _, writer = await dial(server)
        call = msgpack.packb([0, msgpack.packb([0, 1, 0, "hang", []])])
        writer.write(GREETING + record(BATCH, call) + record(BATCH, call)[:9])
        await until(lambda: api.log == ["hanging"])
        writer.transport.abort()
        await until(lambda: api.log == ["hanging", "hang left"])
        await until(lambda: far_sessions(sandbox) == [])


async def test_a_half_open_connection_is_closed(sandbox):
    async with rpclab.serve(Api(), "tcp:127.0.0.1:0") as server:
        reader, writer = await dial(server)
        writer.write(GREETING)
        await reader.readexactly(len(MAGIC) + 6)
        writer.write_eof()
        assert await reader.read() in (
            b"",
            record(BYE),
            record(BYE, b"the other side closed the connection"),
        )
        writer.close()
        await until(lambda: far_sessions(sandbox) == [])


async def test_whoever_does_not_read_is_not_listened_to_and_then_let_go(sandbox):
    api = Api()
    limits = rpclab.ServerLimits(unsent_bytes=4 * 2**20, silence_seconds=0.5)
    async with rpclab.serve(api, "tcp:127.0.0.1:0", limits=limits) as server:
        reader, writer = await dial(server)
        writer.write(GREETING)
        await reader.readexactly(len(MAGIC) + 6)
        writer.transport.pause_reading()
        number = 0
        try:
            while True:
                number += 1
                call = msgpack.packb([0, number, 0, "echo", [b"x" * 20_000]])
                writer.write(record(BATCH, msgpack.packb([0, call])))
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass
        writer.close()
        await until(lambda: far_sessions(sandbox) == [])
        # What the kernel keeps for both ends is some megabytes; the rest was never taken in.
        assert number * 20_000 < 100 * 2**20


async def test_a_peer_that_is_silent_is_asked_and_then_given_up(sandbox):
    limits = rpclab.ServerLimits(silence_seconds=0.2)
    async with rpclab.serve(Api(), "tcp:127.0.0.1:0", limits=limits) as server:
        reader, writer = await dial(server)
        writer.write(GREETING)
        await reader.readexactly(len(MAGIC) + 6)
        assert await reader.readexactly(5) == record(PING)
        words = await reader.read()
        assert b"nothing was heard" in words
        writer.close()
        await until(lambda: far_sessions(sandbox) == [])


async def test_idleness_ends_a_connection(sandbox):
    limits = rpclab.ServerLimits(idle_seconds=0.2)
    async with rpclab.serve(Api(), "tcp:127.0.0.1:0", limits=limits) as server:
        connection = await rpclab.connect(server.address)
        await connection.closed.wait()
        assert "idle" in str(connection.reason)


async def test_whoever_is_one_too_many_is_told_so(sandbox):
    limits = rpclab.ServerLimits(sessions=2)
    async with rpclab.serve(Api(), "tcp:127.0.0.1:0", limits=limits) as server:
        first, second = [await rpclab.connect(server.address) for _ in range(2)]
        with pytest.raises(rpclab.DisconnectedError, match="too many sessions"):
            await rpclab.connect(server.address)
        await first.close()
        await until(lambda: server.sessions == 1)
        third = await rpclab.connect(server.address)
        await third.close()
        await second.close()


async def test_hundreds_of_connections_come_and_go(sandbox):
    async with rpclab.serve(Api(), "tcp:127.0.0.1:0") as server:
        for _ in range(3):
            ends = await asyncio.gather(*[dial(server) for _ in range(150)])
            for number, (_, writer) in enumerate(ends):
                writer.write(GREETING if number % 2 else MAGIC[:2])
                if number % 3:
                    writer.transport.abort()
                else:
                    writer.close()
        await until(lambda: server.sessions == 0)
        async with rpclab.connect(server.address) as api:
            assert await api.hello("x") == "Hello, x"


async def test_whoever_answers_a_dial_with_something_else_is_told_apart():
    async def talk(reader, writer):
        await reader.read(2**16)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        error = await failure(rpclab.connect(f"tcp:127.0.0.1:{port}").open())
        assert "does not speak rpclab, but says b'HTTP/1.1 400" in str(error)
        error = await failure(rpclab.connect(f"ws://127.0.0.1:{port}/").open())
        assert "opens no session: 400" in str(error)


async def test_whoever_never_answers_a_dial_is_given_up_in_time():
    waited = []

    async def wait(reader, writer):
        waited.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        for address in (f"tcp:127.0.0.1:{port}", f"ws://127.0.0.1:{port}/"):
            with pytest.raises(TimeoutError, match=r"did not answer within 0\.05 s"):
                await rpclab.connect(address, connect_seconds=0.05)
        await asyncio.gather(*waited)


# WebSockets.


class Bare:
    """A WebSocket whose frames a test writes by hand."""

    def __init__(self, protocol, reader, writer) -> None:
        self.protocol = protocol
        self.reader = reader
        self.writer = writer
        self.frames = []

    def put(self, data):
        self.writer.write(data)

    def text(self, data, *, fin=True, opcode=Opcode.TEXT):
        self.put(Frame(opcode, data, fin).serialize(mask=True))

    async def close(self):
        """Wait for the other end's close; give its code and reason."""
        while self.protocol.close_rcvd is None:
            data = await self.reader.read(2**16)
            if not data:
                return None
            self.protocol.receive_data(data)
            self.frames += self.protocol.events_received()
        self.writer.close()
        return self.protocol.close_rcvd.code, self.protocol.close_rcvd.reason


async def open_socket(server, subprotocols=None):
    url = server.address
    protocol = ClientProtocol(parse_uri(url), subprotocols=subprotocols)
    uri = parse_uri(url)
    reader, writer = await asyncio.open_connection(uri.host, uri.port)
    protocol.send_request(protocol.connect())
    writer.write(b"".join(protocol.data_to_send()))
    while protocol.state.name == "CONNECTING":
        protocol.receive_data(await reader.read(2**16))
    assert protocol.handshake_exc is None
    protocol.events_received()
    return Bare(protocol, reader, writer)


FAULTS = {
    "no mask": (Frame(Opcode.TEXT, b"[]").serialize(mask=False), 1002),
    "a reserved bit": (b"\xc1\x80\0\0\0\0", 1002),
    "an unknown opcode": (b"\x83\x80\0\0\0\0", 1002),
    "a long ping": (b"\x89\xfe\0\x7e\0\0\0\0" + b"x" * 126, 1002),
    "a ping in parts": (b"\x09\x80\0\0\0\0", 1002),
    "a part of nothing": (Frame(Opcode.CONT, b"x").serialize(mask=True), 1002),
    "text that is no UTF-8": (Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True), 1007),
    "one that is too long": (b"\x81\xff" + (2**40).to_bytes(8, "big") + b"\0\0\0\0", 1009),
    "a close of one byte": (b"\x88\x81\0\0\0\0x", 1002),
    "a close with a code that is none": (
        Frame(Opcode.CLOSE, (999).to_bytes(2, "big")).serialize(mask=True),
        1002,
    ),
    "a binary message": (Frame(Opcode.BINARY, b"\0").serialize(mask=True), 3000),
    "no JSON": (Frame(Opcode.TEXT, b"{").serialize(mask=True), 3000),
    "no message": (Frame(Opcode.TEXT, b"[]").serialize(mask=True), 3000),
    "an empty message": (Frame(Opcode.TEXT, b"").serialize(mask=True), 3000),
}


@pytest.mark.parametrize(("data", "code"), FAULTS.values(), ids=FAULTS)
async def test_a_websocket_that_breaks_the_rules_is_closed_with_the_right_code(sandbox, data, code):
    async with rpclab.serve(Api(), "ws://127.0.0.1:0/") as server:
        socket = await open_socket(server)
        socket.put(data)
        closed = await socket.close()
        assert closed is not None
        assert closed[0] == code
        await until(lambda: far_sessions(sandbox) == [])


async def test_a_message_may_come_in_parts_with_signs_of_life_between(sandbox):
    async with rpclab.serve(Api(), "ws://127.0.0.1:0/") as server:
        socket = await open_socket(server)
        socket.text(b'["push",["pipeline",0,["hello"],["A', fin=False)
        socket.put(Frame(Opcode.PING, b"!").serialize(mask=True))
        socket.text(b"d", fin=False, opcode=Opcode.CONT)
        socket.text(b'a"]]]', opcode=Opcode.CONT)
        socket.text(b'["pull",1]')
        while len(socket.frames) < 2:
            socket.protocol.receive_data(await socket.reader.read(2**16))
            socket.frames += socket.protocol.events_received()
        assert [bytes(frame.data) for frame in socket.frames] == [
            b"!",
            b'["resolve",1,"Hello, Ada"]',
        ]
        socket.writer.close()
        await until(lambda: far_sessions(sandbox) == [])


async def test_empty_parts_without_end_take_no_memory(sandbox):
    async with rpclab.serve(Api(), "ws://127.0.0.1:0/") as server:
        socket = await open_socket(server)
        socket.text(b'["push",', fin=False)
        for _ in range(200):
            socket.put(Frame(Opcode.CONT, b"", fin=False).serialize(mask=True) * 100)
            await socket.writer.drain()
        socket.text(b'["pipeline",0,["hello"],["x"]]]', opcode=Opcode.CONT)
        socket.text(b'["pull",1]')
        while not socket.frames:
            socket.protocol.receive_data(await socket.reader.read(2**16))
            socket.frames += socket.protocol.events_received()
        assert bytes(socket.frames[0].data) == b'["resolve",1,"Hello, x"]'
        socket.writer.close()
        await until(lambda: far_sessions(sandbox) == [])


async def test_peers_of_python_speak_msgpack_and_whoever_asks_for_nothing_cap_n_web(sandbox):
    async with rpclab.serve(Api(), "ws://127.0.0.1:0/") as server:
        for offers, chosen in (
            (None, None),
            (["capnweb"], "capnweb"),
            (["capnweb", "rpclab.msgpack.2"], "rpclab.msgpack.2"),
            (["capnweb", "rpclab.msgpack.1"], "capnweb"),
            (["rpclab.msgpack.1"], None),
        ):
            socket = await open_socket(server, offers)
            assert socket.protocol.subprotocol == chosen
            socket.writer.close()
        for codec, dialect in ((None, "msgpack"), ("msgpack", "msgpack"), ("capnweb", "capnweb")):
            connection = await rpclab.connect(server.address, codec=codec)
            assert connection.session.dialect.name == dialect
            await connection.close()
        await until(lambda: far_sessions(sandbox) == [])


async def test_a_server_that_does_not_speak_the_codec_that_is_insisted_on_is_told_of():
    async def hangs_on(socket):
        await socket.wait_closed()

    async with serve_websocket(hangs_on, "127.0.0.1", 0) as listener:
        address = f"ws://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        with pytest.raises(rpclab.DisconnectedError, match=r"does not speak rpclab\.msgpack\.2"):
            await rpclab.connect(address, codec="msgpack")
        connection = await rpclab.connect(address)
        assert connection.session.dialect.name == "capnweb"
        await connection.close()


def test_a_codec_that_is_none_is_named():
    with pytest.raises(ValueError, match="no codec is called 'json'"):
        rpclab.connect("ws://127.0.0.1:1/", codec="json")


async def test_a_call_and_the_close_behind_it_may_come_at_once(sandbox):
    api = Api()
    async with rpclab.serve(api, "ws://127.0.0.1:0/") as server:
        socket = await open_socket(server)
        close = Frame(Opcode.CLOSE, (3000).to_bytes(2, "big") + b"bye").serialize(mask=True)
        call = b'["push",["pipeline",0,["counter"],[]]]'
        messages = [Frame(Opcode.TEXT, text).serialize(mask=True) for text in (call, b'["pull",1]')]
        socket.put(b"".join([*messages, close]))
        assert await socket.close() == (3000, "bye")
        await until(lambda: far_sessions(sandbox) == [])
        assert api.log == ["counter disposed"]


async def test_a_worker_dials_only_what_its_sandbox_lets_it_reach(tmp_path):
    source = """
import rpclab
from workers import WorkerEntrypoint
class Default(WorkerEntrypoint):
    async def dial(self, address):
        async with rpclab.connect(address) as api:
            return await api.hello("x")
"""
    async with rpclab.Sandbox() as sandbox:
        sandbox.deploy("dialler", source=source)
        dialler = sandbox.bind(DIALLER="dialler").DIALLER
        async with (
            rpclab.serve(Api(), "tcp:127.0.0.1:0") as bytes_,
            rpclab.serve(Api(), "ws://127.0.0.1:0/") as web,
            rpclab.serve(Api(), f"unix:{tmp_path}/api.sock") as file,
        ):
            batch = web.address.replace("ws", "http", 1)
            addresses = [bytes_.address, web.address, file.address, batch]
            for reach in ("public", "none"):
                sandbox.network = reach
                for address in addresses:
                    error = await failure(dialler.dial(address))
                    assert isinstance(error, PermissionError), error
            sandbox.network = "local"
            for address in addresses:
                assert await dialler.dial(address) == "Hello, x"


async def test_whoever_never_begins_with_tls_is_let_go_in_time(sandbox, limits, certificates):
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    serving = rpclab.serve(Api(), "tls:127.0.0.1:0", tls=certificates, limits=limits)
    async with serving as server:
        port = int(server.address.rpartition(":")[2])
        for begin in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(begin)
            async with asyncio.timeout(20):
                assert await reader.read() == b""
            writer.close()
        # A peer that comes after these sees the end of their time, too.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(20):
            await reader.read()
        writer.close()
    assert complaints == []


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
)
KEY = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


async def test_a_websocket_lasts_longer_than_the_head_of_its_request_may_take(sandbox, limits):
    serving = rpclab.serve(Api(), "ws://127.0.0.1:0/", limits=limits)
    async with serving as server, rpclab.connect(server.address) as api:
        # This one comes later, and has its time as well.
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await reader.read() == b""
        writer.close()
        assert await api.hello("x") == "Hello, x"


@pytest.mark.parametrize(
    "head",
    [b"", b"Sec-WebSocket-Key: AAA\r\n", KEY + b"X: " + b"x" * 9000 + b"\r\n"],
    ids=["no key", "a bad key", "a long line"],
)
async def test_a_websocket_that_does_not_open_is_closed_from_here(sandbox, head):
    async with rpclab.serve(Api(), "ws://127.0.0.1:0/") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(UPGRADE + head + b"\r\n")
        assert b"Failed to open a WebSocket" in await reader.read()
        # Nothing more comes; and this end does not close.
        await until(lambda: not server._uvicorn.server_state.connections)
        writer.close()


async def test_an_origin_that_is_none_is_refused_as_another_one_is(sandbox):
    async with rpclab.serve(Api(), "ws://127.0.0.1:0/") as server:
        for request in (UPGRADE + KEY, b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request + b"Origin: http://[::1\r\nContent-Length: 0\r\n\r\n")
            assert b" 403 " in await reader.readline()
            writer.close()


@pytest.mark.parametrize(
    "address",
    [
        "tcp:host:99999?token=s3cret",
        "tcp:host:1?token=s3cret&more=1",
        "wrong:host?token=s3cret",
        "ws://me:s3cret@host:port/",
        "http://?token=s3cret",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_secrets(address):
    with pytest.raises(ValueError, match="is no") as caught:
        parse_address(address)
    assert "s3cret" not in str(caught.value)


def test_an_address_does_not_show_its_token():
    assert "s3cret" not in repr(parse_address("tcp:host:1?token=s3cret"))


async def test_a_message_in_very_many_pieces_takes_what_it_holds_and_not_many_times_that(sandbox):
    number = 20_000
    async with rpclab.serve(Api(), "ws://127.0.0.1:0/") as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(UPGRADE + KEY + b"\r\n")
        await reader.readuntil(b"\r\n\r\n")
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            writer.write(b"\x01\x82\0\0\0\0[[" + b"\x00\x82\0\0\0\0[[" * number)
            writer.write(b"\x89\x80\0\0\0\0")  # a ping, to know that it has come so far
            assert await reader.readexactly(2) == b"\x8a\x00"
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert taken < 300_000
        writer.close()


async def test_a_server_that_asks_for_signs_of_life_and_reads_none_is_given_up(sandbox):
    async def flood(reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)[1].decode()
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept_key(key).encode() + b"\r\n\r\n"
        )
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"\x89\x7d" + b"x" * 125)
                await writer.drain()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    limits = rpclab.Limits(session_bytes=100_000)
    try:
        connection = await rpclab.connect(f"ws://127.0.0.1:{port}/", limits=limits)
        async with asyncio.timeout(120):
            await connection.closed.wait()
        assert "does not read" in str(connection.reason)
    finally:
        server.close()


async def test_a_batch_that_is_answered_in_packed_form_is_not_unpacked(sandbox):
    asked = []

    async def bomb(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        body = gzip.compress(gzip.compress(b'["resolve",1,1]'))
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(bomb, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with rpclab.connect(f"http://127.0.0.1:{port}/") as api:
            assert "gzip, gzip" in str(await failure(api.hello("x")))
        assert b"accept-encoding: identity" in asked[0].lower()
    finally:
        server.close()


async def test_a_stream_that_stands_in_a_chunk_of_its_own_is_broken_and_not_passed_on_for_ever(
    sandbox,
):
    """The result of a call that gives a stream back, in a chunk of that stream."""
    async with (
        rpclab.serve(Api(), "ws://127.0.0.1:0/") as web,
        rpclab.serve(Api(), "tcp:127.0.0.1:0") as server,
    ):
        socket = await open_socket(web)
        socket.text(b'["pipe"]')
        socket.text(b'["push",["pipeline",0,["echo"],[["readable",1]]]]')
        for _ in range(2):
            socket.text(b'["stream",["pipeline",1,["write"],[[[["pipeline",2]]]]]]')
        socket.text(b'["push",["pipeline",0,["hello"],["x"]]]')
        socket.text(b'["pull",5]')
        while b'["resolve",5,"Hello, x"]' not in [bytes(each.data) for each in socket.frames]:
            socket.protocol.receive_data(await socket.reader.read(2**16))
            socket.frames += socket.protocol.events_received()
        socket.writer.close()

        def reference(kind, number):
            return msgpack.ExtType(kind, number.to_bytes(8, "big"))

        reader, writer = await dial(server)
        messages = [
            [7, 1],
            [0, 2, 0, "echo", [reference(8, 1)]],
            [6, 3, 1, "write", [[reference(5, 2)]]],
            [6, 4, 1, "write", [[reference(5, 2)]]],
            [0, 5, 0, "hello", ["x"]],
        ]
        frames = [msgpack.packb(each) for each in messages]
        writer.write(GREETING + record(BATCH, msgpack.packb([0, *frames])))
        await reader.readuntil(msgpack.packb("Hello, x"))
        writer.close()
        await until(lambda: far_sessions(sandbox) == [])
