"""Two hosts on different nodes meet as the sandbox has introduced them, and in no other way."""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl

import pytest
from support.world import failure

from rpclab.errors import RemoteProtocolError
from rpclab.placement import doors
from rpclab.placement.doors import SECRET, Door, dial
from rpclab.placement.identities import Authority, Identity, dialling, named


class Wire(asyncio.Protocol):
    """What carries on once the two have met."""

    def __init__(self, says=b""):
        self.says = says
        self.heard = bytearray()
        self.met = asyncio.Event()
        self.lost = asyncio.Event()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.says)
        self.met.set()

    def data_received(self, data):
        self.heard += data

    def connection_lost(self, error):
        self.lost.set()

    async def has_heard(self, data):
        while bytes(self.heard) != data:  # noqa: ASYNC110 - the bound of the test ends it
            await asyncio.sleep(0.001)


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def never():
    """Nobody is late here."""
    return lambda: pytest.fail("it is said to be late")


class Meeting:
    """A host that listens, and how it is dialled."""

    def __init__(self, authority):
        self.authority = authority
        self.door = Door(authority.issue("host-1"))
        self.secret = secrets.token_bytes(SECRET)
        self.dialled = []

    async def __aenter__(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        await self.door.open(listener)
        return self

    async def __aexit__(self, *_):
        self.door._server.close()
        for wire in self.dialled:
            wire.transport.abort()
            await wire.lost.wait()
        while self.door._callers:  # noqa: ASYNC110 - they notice that
            await asyncio.sleep(0.001)

    async def dials(self, *, as_="host-2", name="host-1", says=None, identity=None):
        wire = Wire(self.secret if says is None else says)
        words = {"dial": ["127.0.0.1", self.port], "name": name}
        await dial(words, identity or self.authority.issue(as_), lambda: wire)
        self.dialled.append(wire)
        return wire


async def test_two_that_were_introduced_meet(authority, never):
    async with Meeting(authority) as meeting:
        wire = Wire(b"hello")
        meeting.door.expect(meeting.secret, "host-2", wire, never)
        dialled = await meeting.dials(says=meeting.secret + b"good day")
        await wire.has_heard(b"good day")
        await dialled.has_heard(b"hello")
        dialled.transport.abort()
        await wire.lost.wait()


async def test_whoever_dials_may_come_before_the_sandbox_has_told_of_it(authority, never):
    async with Meeting(authority) as meeting:
        dialled = await meeting.dials(says=meeting.secret + b"early")
        while not meeting.door._early:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.001)
        wire = Wire()
        meeting.door.expect(meeting.secret, "host-2", wire, never)
        await wire.has_heard(b"early")
        dialled.transport.abort()
        await wire.lost.wait()


async def test_a_secret_is_good_for_once(authority, never, monkeypatch):
    async with Meeting(authority) as meeting:
        wire = Wire()
        meeting.door.expect(meeting.secret, "host-2", wire, never)
        first = await meeting.dials()
        await wire.met.wait()
        monkeypatch.setattr(doors, "PATIENCE", 0.1)
        second = await meeting.dials()
        await second.lost.wait()
        assert not first.lost.is_set()
        first.transport.abort()
        await wire.lost.wait()


async def test_whoever_has_got_a_secret_that_was_made_for_another_is_turned_away(authority, never):
    async with Meeting(authority) as meeting:
        wire = Wire()
        meeting.door.expect(meeting.secret, "host-2", wire, never)
        thief = await meeting.dials(as_="host-3")
        await thief.lost.wait()
        assert not wire.met.is_set()


async def test_a_secret_is_not_used_up_by_whom_it_was_not_made_for(authority, never):
    async with Meeting(authority) as meeting:
        wire = Wire()
        meeting.door.expect(meeting.secret, "host-2", wire, never)
        thief = await meeting.dials(as_="host-3")
        await thief.lost.wait()
        dialled = await meeting.dials()
        await wire.met.wait()
        dialled.transport.abort()
        await wire.lost.wait()


async def test_who_is_expected_and_only_seemed_to_come_is_told_to_be_late(authority, monkeypatch):
    monkeypatch.setattr(doors, "PATIENCE", 0.1)
    async with Meeting(authority) as meeting:
        late, wire = asyncio.Event(), Wire()
        meeting.door.expect(meeting.secret, "host-2", wire, late.set)
        thief = await meeting.dials(as_="host-3")
        await thief.lost.wait()
        await late.wait()
        assert not wire.met.is_set()


async def test_who_comes_early_is_let_in_whoever_else_has_come_with_the_same_secret(
    authority, never
):
    async with Meeting(authority) as meeting:
        thief = await meeting.dials(as_="host-3")
        dialled = await meeting.dials()
        while len(meeting.door._early) < 2:  # noqa: ASYNC110 - it sets no event
            await asyncio.sleep(0.001)
        wire = Wire()
        meeting.door.expect(meeting.secret, "host-2", wire, never)
        await wire.met.wait()
        assert not dialled.lost.is_set()
        thief.transport.abort()
        dialled.transport.abort()
        await wire.lost.wait()


async def test_a_certificate_of_another_authority_is_refused_at_both_ends(authority):
    stranger = Authority()
    async with Meeting(authority) as meeting:
        mixed = Identity(authority.issue("x").authority, stranger.issue("host-2").certificate)
        refused = await meeting.dials(identity=mixed)
        await refused.lost.wait()
        error = await failure(meeting.dials(identity=stranger.issue("host-2")))
        assert isinstance(error, ssl.SSLCertVerificationError)


async def test_whoever_dials_checks_that_it_is_the_host_it_was_told_of(authority):
    async with Meeting(authority) as meeting:
        error = await failure(meeting.dials(name="host-9"))
        assert isinstance(error, ssl.SSLCertVerificationError)


async def test_who_shows_no_certificate_or_speaks_no_tls_is_refused(authority):
    async with Meeting(authority) as meeting:
        reader, writer = await asyncio.open_connection("127.0.0.1", meeting.port)
        writer.write(b"x" * SECRET)
        assert await reader.read() == b""
        writer.close()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=authority.issue("x").authority)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", meeting.port, ssl=context, server_hostname="host-1.rpclab.invalid"
        )
        error = await failure(reader.readexactly(1))
        assert isinstance(error, (ssl.SSLError, EOFError, ConnectionError))
        writer.close()


async def test_who_says_nothing_or_less_than_a_secret_is_turned_away(authority, monkeypatch):
    async with Meeting(authority) as meeting:
        # From here on, for the handshakes may take their time.
        monkeypatch.setattr(doors, "PATIENCE", 0.05)
        for says in (b"", b"x" * (SECRET - 1), b"x" * SECRET):
            dialled = Wire(says)
            meeting.dialled.append(dialled)
            await asyncio.get_running_loop().create_connection(
                lambda wire=dialled: wire,
                "127.0.0.1",
                meeting.port,
                ssl=dialling(authority.issue("host-2")),
                server_hostname=named("host-1"),
            )
            await dialled.lost.wait()


async def test_who_does_not_come_is_told_to_be_late(authority, monkeypatch):
    monkeypatch.setattr(doors, "PATIENCE", 0.05)
    async with Meeting(authority) as meeting:
        late = asyncio.Event()
        meeting.door.expect(meeting.secret, "host-2", Wire(), late.set)
        await late.wait()


@pytest.mark.parametrize(
    "words", [{}, {"dial": "x"}, {"dial": ["host", "1"], "name": "n"}, {"dial": ["host", 1]}]
)
async def test_words_that_do_not_say_where_to_dial_are_refused(authority, words):
    with pytest.raises(RemoteProtocolError):
        await dial(words, authority.issue("x"), Wire)


async def test_strangers_are_bounded_in_number(authority, monkeypatch):
    monkeypatch.setattr(doors, "_MOST_CALLERS", 3)
    monkeypatch.setattr(doors, "PATIENCE", 1)
    async with Meeting(authority) as meeting:
        identity = authority.issue("host-2")
        dialled = [
            await meeting.dials(says=bytes([number]) * SECRET, identity=identity)
            for number in range(5)
        ]
        await asyncio.gather(*[each.lost.wait() for each in dialled[3:]])
        assert not any(each.lost.is_set() for each in dialled[:3])
