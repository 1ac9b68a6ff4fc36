"""Hands that come through real sockets: byte streams, WebSockets and batches of a server of ours.

A hand's batches are framed as the wire wants it, or spoilt once more on the way: cut, changed, with
bytes too many; they arrive in pieces of any size. After each batch the hand asks for a sign of
life, so that nothing depends on time: what came before it has been taken, or the link is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct

import msgpack
from websockets.frames import Frame, Opcode
from websockets.protocol import CLIENT, OPEN, Protocol

import rpclab
from fuzz import mutate
from fuzz.hand import Hand
from fuzz.texts import TextHand
from rpclab.transports.batches import BATCH, BESIDE, BYE, HELLO, MAGIC, PING, PONG, unbatch

DOORS = ("tcp", "capnweb", "msgpack", "batch")
RATES = (0.0, 0.02, 0.1, 0.4)  # how much of what the hand writes is spoilt
ON_THE_WAY = (0.0, 0.0, 0.05, 0.3)  # and how often the bytes of a batch are
ROUNDS = (3, 8, 8, 20)


class Victim(rpclab.RpcTarget):
    """What a hand reaches; it knows the methods that hands call.

    Attributes:
        things: the targets that it has made.
        holds: the stubs that it was told to hold: a target may hold itself.
    """

    things: list  # these are given as the class is made
    holds: list

    def greet(self, name="nobody", **_rest):
        return f"Hello, {type(name).__name__}"

    def echo(self, *args, **kwargs):
        return [list(args), kwargs]

    def same(self, value):
        return value

    async def later(self, *_args):
        await asyncio.Event().wait()

    def target(self):
        return self._new()

    async def nested(self):
        await asyncio.sleep(0)
        return {"a": self._new(), "list": [self._new(), 1]}

    def fail(self):
        raise ValueError("as asked")

    async def call(self, stub, name="greet", *args):
        return await getattr(stub, name)(*args)

    def hold(self, stub):
        self.give_up()
        self._held = stub.dup()
        self.holds.append(self._held)

    _held = None

    def give_up(self):
        held, self._held = self._held, None
        if held is not None:
            held.dispose()

    def items(self, count=3):
        return [self._new() for _ in range(count if 0 <= count < 50 else 0)]

    def source(self):
        return rpclab.ReadableStream(b"chunk" * number for number in range(5))

    def sink(self):
        return rpclab.WritableStream([].append)

    async def write_to(self, writable):
        async with writable:
            for chunk in (b"chunk", "text", b"more"):
                await writable.write(chunk)

    async def read_from(self, readable):
        return [type(chunk).__name__ async for chunk in readable]

    async def waits(self, *args):
        await asyncio.sleep(0)
        return len(args)

    @property
    def property(self):
        return self._new()

    def _new(self):
        thing = Thing(self.things, self.holds)
        self.things.append(thing)
        return thing


class Thing(Victim):
    """A target that counts how often it was disposed."""

    def __init__(self, things, holds) -> None:
        self.things, self.holds = things, holds
        self._disposals = 0

    def dispose(self):
        self._disposals += 1
        self.give_up()


def victims(things, holds):
    """A class of victims, of which each session gets one, that notes what they make and hold."""
    return type("Victim", (Victim,), {"things": things, "holds": holds})


class Visit:
    """One hand at one door.

    Args:
        door: one of `DOORS`.
        port: of the server.
        seed: a text; the same makes the same visit.
    """

    def __init__(self, door, port, seed) -> None:
        self._door = door
        self._port = port
        self._chance = chance = random.Random(f"{door} {seed}")  # noqa: S311 - no secret
        self._texts = door in ("capnweb", "batch")
        self._hand = (TextHand if self._texts else Hand)(chance, honest=chance.random() < 0.2)
        self._rate = 0.0 if self._hand.honest else chance.choice(RATES)
        self._spoils = 0.0 if self._hand.honest else chance.choice(ON_THE_WAY)
        self.frames = 0
        self._lost = False

    async def play(self):
        """Come, do harm, and leave."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            if self._door == "batch":
                await self._post()
                return
            await self._enter()
            for _ in range(self._chance.choice(ROUNDS)):
                await self._say(self._frames())
                if self._lost or not await self._hear():
                    break
            await self._leave()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # it was shown the door
        finally:
            self._writer.transport.abort()

    def _frames(self):
        if self._texts:
            frames = self._hand.frames(self._rate)
        else:
            frames = mutate.spoilt(self._chance, self._hand.batch(), self._rate)
        self.frames += len(frames)
        return frames

    async def _enter(self):
        if self._door == "tcp":
            self._writer.write(MAGIC + _record(HELLO, msgpack.packb({})))
            await self._reader.readexactly(len(MAGIC) + 6)
            return
        offer = b"Sec-WebSocket-Protocol: rpclab.msgpack.2\r\n" * (self._door == "msgpack")
        self._writer.write(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            + offer
            + b"\r\n"
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        self._socket = Protocol(CLIENT, state=OPEN, max_size=None)

    # What goes out.

    async def _say(self, frames):
        chance = self._chance
        if self._door == "capnweb":
            data = b"".join(self._framed(each, Opcode.TEXT) for each in frames)
        elif not frames:
            data = b""
        else:
            record = _batch(self._hand.seen, frames)
            if self._door == "msgpack":
                data = self._framed(record, Opcode.BINARY)
            else:
                data = struct.pack(">I", len(record)) + record
        if data and chance.random() < self._spoils:
            data = mutate.frame(chance, data)
            self._lost = True  # where the next frame begins, nobody knows
        await self._write(data)

    def _framed(self, data, opcode):
        """A message as a frame, or as several with signs of life between."""
        chance = self._chance
        if chance.random() < 0.8 or len(data) < 2:
            return Frame(opcode, data).serialize(mask=True)
        cut = chance.randrange(len(data))
        return (
            Frame(opcode, data[:cut], fin=False).serialize(mask=True)
            + Frame(Opcode.PONG, b"").serialize(mask=True)
            + Frame(Opcode.CONT, data[cut:]).serialize(mask=True)
        )

    async def _write(self, data):
        chance = self._chance
        step = chance.choice((1, 7, 100, len(data))) if len(data) < 2000 else len(data)
        for start in range(0, len(data), max(step, 1)):
            self._writer.write(data[start : start + step])
            await asyncio.sleep(0)
        await self._writer.drain()

    # What comes in.

    async def _hear(self):
        """Listen until the server has given a sign of life. False where it has hung up."""
        if self._door == "tcp":
            self._writer.write(_record(PING))
            while True:
                (length,) = struct.unpack(">I", await self._reader.readexactly(4))
                record = await self._reader.readexactly(length)
                if record[0] in (BATCH, BESIDE):
                    self._hand.listen(unbatch(record)[1])
                elif record[0] in (PONG, BYE):
                    return record[0] == PONG
        self._writer.write(Frame(Opcode.PING, b"?").serialize(mask=True))
        while True:
            data = await self._reader.read(2**16)
            if not data:
                return False
            self._socket.receive_data(data)
            for event in self._socket.events_received():
                if event.opcode is Opcode.CLOSE:
                    return False
                if event.opcode is Opcode.PONG:
                    return True
                if event.opcode is Opcode.TEXT:
                    self._hand.listen([bytes(event.data)])
                elif event.opcode is Opcode.BINARY:
                    self._hand.listen(unbatch(bytes(event.data))[1])

    async def _leave(self):
        roll = self._chance.randrange(4)
        if roll == 0:
            self._writer.write_eof()
            await self._reader.read()
        elif roll == 1:
            await self._write(self._chance.randbytes(20))
        elif roll == 2 and self._door != "tcp" and not self._lost:
            self._writer.write(Frame(Opcode.CLOSE, b"\x03\xe8bye").serialize(mask=True))
            await self._reader.read()

    # A batch.

    async def _post(self):
        lines = [line for _ in range(self._chance.choice(ROUNDS)) for line in self._frames()]
        body = b"\n".join(line for line in lines if b'"later"' not in line)
        if self._chance.random() < self._spoils:
            body = mutate.frame(self._chance, body)
        self._writer.write(
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        await self._write(body)
        if self._chance.random() < 0.2:
            return  # nobody waits for the answer
        answer = await self._reader.read()
        assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 504")), answer[:200]


def _record(kind, data=b""):
    return struct.pack(">IB", len(data) + 1, kind) + data


def _batch(seen, frames):
    heads, beside = [], []
    for frame in frames:
        if isinstance(frame, bytes):
            heads.append(frame)
        else:
            heads.append([frame[0], *map(len, frame[1:])])
            beside += frame[1:]
    packed = msgpack.packb([seen, *heads])
    if not beside:
        return bytes([BATCH]) + packed
    return bytes([BESIDE]) + struct.pack(">I", len(packed)) + packed + b"".join(beside)


@contextlib.asynccontextmanager
async def served(door, limits):
    """A server with a door.

    Gives its address and port, what its victims make and hold, and how to count its sessions.
    """
    things, holds = [], []
    address = "tcp:127.0.0.1:0" if door == "tcp" else "ws://127.0.0.1:0/"
    async with rpclab.serve(victims(things, holds), address, limits=limits) as server:
        port = server.port if door != "tcp" else int(server.address.rpartition(":")[2])

        def sessions():
            return server.sessions if door == "tcp" else len(server.application.sessions)

        yield server.address, port, things, holds, sessions
