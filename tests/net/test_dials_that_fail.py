"""A dial that fails says why it most likely did, and what to try next."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket

import pytest
from support.net import Api, failure

import rpclab

WEB = """
from workers import Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    def fetch(self, request):
        return Response("a page")
class Api(WorkerEntrypoint):
    def hello(self, name):
        return f"Hello, {name}"
"""


def port_of(server):
    return re.search(r"127\.0\.0\.1:(\d+)", server.address)[1]


@pytest.fixture
def sandbox():
    fresh = rpclab.Sandbox()
    fresh.deploy("web", source=WEB)
    yield fresh
    fresh.close()


@contextlib.asynccontextmanager
async def servers(sandbox, certificates):
    """One of each kind; gives their ports by name."""
    exposed = {"expose": {"/api": "web#Api"}, "port": 0}
    async with (
        sandbox.serve(**exposed) as http,
        sandbox.serve(**exposed, tls=certificates) as https,
        sandbox.serve(**exposed, token="s3cret") as token,
        rpclab.serve(Api(), "tcp:127.0.0.1:0") as tcp,
        rpclab.serve(Api(), "tls:127.0.0.1:0", tls=certificates) as tls,
        rpclab.serve(Api(), "tcp:127.0.0.1:0", token="s3cret") as tcp_token,
    ):
        kinds = {"http": http, "https": https, "token": token, "tcp": tcp, "tls": tls,
                 "tcp_token": tcp_token}  # fmt: skip
        yield {kind: port_of(server) for kind, server in kinds.items()}


async def told(address, **options):
    """What is said to whoever dials and calls."""

    async def call():
        async with rpclab.connect(address, **options) as api:
            await api.hello("x")

    return str(await failure(call()))


WRONG = [
    ("tcp:127.0.0.1:{http}", "it speaks HTTP: is it ws://127.0.0.1:{http}/…"),
    ("tls:127.0.0.1:{http}", "speaks no TLS: is it tcp:127.0.0.1:{http}?"),
    ("wss://127.0.0.1:{http}/api", "speaks no TLS: is it ws://127.0.0.1:{http}/api?"),
    ("https://127.0.0.1:{http}/api", "speaks no TLS: is it http://127.0.0.1:{http}/api?"),
    ("ws://127.0.0.1:{http}/nope", "404 Nothing is exposed here. Is that path exposed?"),
    ("ws://127.0.0.1:{http}/", "--expose WORKER#ENTRYPOINT=/path"),
    ("http://127.0.0.1:{http}/nope", "answers no batch: 200 a page; is that path exposed?"),
    ("ws://127.0.0.1:{https}/api", "is it wss://127.0.0.1:{https}/api?"),
    ("http://127.0.0.1:{https}/api", "is it https://127.0.0.1:{https}/api?"),
    ("tcp:127.0.0.1:{tls}", "is it tls:127.0.0.1:{tls}?"),
    ("tcp:127.0.0.1:{https}", "is it tls:127.0.0.1:{https}?"),
    ("wss://127.0.0.1:{https}/api", "of no authority known here: tls=rpclab.certificates"),
    ("https://127.0.0.1:{https}/api", "of no authority known here: tls=rpclab.certificates"),
    ("tls:127.0.0.1:{tls}", "of no authority known here: tls=rpclab.certificates"),
    ("ws://127.0.0.1:{tcp}/", "serves bytes, and no HTTP: is it tcp:127.0.0.1:{tcp}?"),
    ("http://127.0.0.1:{tcp}/", "speaks no HTTP: is it tcp:127.0.0.1:{tcp}?"),
    ("wss://127.0.0.1:{tcp}/", "speaks no TLS: is it ws://127.0.0.1:{tcp}/?"),
    ("tls:127.0.0.1:{tcp}", "speaks no TLS: is it tcp:127.0.0.1:{tcp}?"),
    ("ws://127.0.0.1:{token}/api", "401 This server wants its token: as ?token=…"),
    ("ws://127.0.0.1:{token}/api?token=no", "oken that was given is another one"),
    ("http://127.0.0.1:{token}/api", "401 This server wants its token: as ?token=…"),
    ("http://127.0.0.1:{token}/api?token=no", "oken that was given is another one"),
    ("tcp:127.0.0.1:{tcp_token}", "it wants its token: connect(…, token=…)"),
    ("tcp:127.0.0.1:{tcp_token}?token=no", "oken that was given is another one"),
    ("tcp:127.0.0.1:1", "nobody listens there"),
    ("tls:127.0.0.1:1", "nobody listens there"),
    ("ws://127.0.0.1:1/", "nobody listens there"),
    ("http://127.0.0.1:1/", "nobody listens there"),
    ("unix:/nowhere/at/all.sock", "there is no such socket"),
    ("memory:nothing", "nobody serves that name"),
]


async def test_a_door_that_is_another_one_is_named_with_the_right_one(sandbox, certificates):
    async with servers(sandbox, certificates) as ports:
        said = {address: await told(address.format(**ports)) for address, _ in WRONG}
    wanted = {address: words.format(**ports) for address, words in WRONG}
    missing = {address: text for address, text in said.items() if wanted[address] not in text}
    assert missing == {}
    assert not any("s3cret" in text or "Traceback" in text for text in said.values())


async def test_certificates_of_another_authority_are_told_too(sandbox, certificates, tmp_path):
    strangers = rpclab.certificates(tmp_path)
    async with servers(sandbox, certificates) as ports:
        for address in ("tls:127.0.0.1:{tls}", "wss://127.0.0.1:{https}/api",
                        "https://127.0.0.1:{https}/api"):  # fmt: skip
            said = await told(address.format(**ports), tls=strangers)
            assert "of no authority known here" in said
        said = await told("tls:127.0.0.1:{https}".format(**ports), tls=certificates)
        assert "is it wss://127.0.0.1:{https}/…".format(**ports) in said
        said = await told("wss://127.0.0.1:{tls}/".format(**ports), tls=certificates)
        assert "is it tls:127.0.0.1:{tls}?".format(**ports) in said


OTHERS = {
    "closes": (b"", {
        "tcp:{}": "is it tls:{}?",
        "tls:{}": "; it may speak no TLS: is it tcp:{}?",
        "ws://{}/": "is it wss://{}/?",
        "wss://{}/": "; it may speak no TLS: is it ws://{}/?",
        "https://{}/": "is it http://{}/?",
    }),
    "SSH": (b"SSH-2.0-OpenSSH_9.9\r\n", {
        "tcp:{}": "but says b'SSH-2.0-OpenSSH_9.9\\r\\n'; is {} the port of that server?",
        "tls:{}": "speaks no TLS: is it tcp:{}?",
        "ws://{}/": "is {} the port of that server?",
    }),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", {
        "tcp:{}": "it speaks HTTP: is it ws://{}/…",
        "ws://{}/": "it answers HTTP, and opens no WebSocket: is that path exposed?",
        "wss://{}/": "speaks no TLS: is it ws://{}/?",
    }),
}  # fmt: skip
"""Servers of others by what they say at once, and the advice for whoever dials them as ours."""


@pytest.mark.parametrize(("says", "wanted"), OTHERS.values(), ids=OTHERS)
async def test_a_server_of_another_kind_is_told_with_what_to_try_next(says, wanted):
    async def answer(reader, writer):
        writer.write(says)
        with contextlib.suppress(ConnectionError):
            if says:
                await reader.read(1)
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        said = {address: await told(address.format(place)) for address in wanted}
    wanted = {address: words.format(place) for address, words in wanted.items()}
    assert {each: text for each, text in said.items() if wanted[each] not in text} == {}


async def test_whoever_never_answers_is_told_with_the_option_that_waits_longer():
    async def wait(reader, writer):
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        for address in ("tcp:127.0.0.1:{}", "ws://127.0.0.1:{}/", "http://127.0.0.1:{}/"):
            said = await told(address.format(port), connect_seconds=0.05)
            assert "did not answer within 0.05 s (connect_seconds)" in said
            other = f"ws://127.0.0.1:{port}/…" if "tcp" in address else f"tcp:127.0.0.1:{port}"
            assert address.startswith("http") or f"is dialled as {other}" in said


@pytest.mark.parametrize("scheme", ["tcp:{}", "ws://{}/", "http://{}/", "tls:{}"])
async def test_where_nobody_listens_it_may_be_tried_again(scheme):
    async def call():
        async with rpclab.connect(scheme.format("127.0.0.1:1")) as api:
            await api.hello("x")

    assert (await failure(call())).retryable is True


async def test_a_header_that_is_given_takes_the_place_of_the_one_that_there_is(sandbox):
    async with sandbox.serve(port=0, expose={"/api": "web#Api"}) as server:
        said = await told(f"ws://127.0.0.1:{server.port}/api", headers={"host": "evil.test"})
        assert "not asked as 'evil.test'" in said


@pytest.mark.parametrize(
    ("address", "more"),
    [
        ("http://127.0.0.1:1/", {}),  # nobody listens
        ("http://nobody.invalid/", {}),
        ("http://127.0.0.1:{port}/api", {"token": "another"}),
        ("http://127.0.0.1:{port}/nowhere", {"token": "sesame"}),
    ],
)
async def test_a_batch_that_reached_no_call_has_not_run_and_says_so(address, more):
    async with rpclab.serve(lambda: None, "http://127.0.0.1:0/api", token="sesame") as server:
        port = port_of(server)
        connection = await rpclab.connect(address.format(port=port), **more)
        error = await failure(connection.main.hello("x"))
        assert (type(error), error.may_have_run) == (rpclab.DisconnectedError, False)
        assert not getattr(error, "__notes__", ())
        assert connection.session.lost.may_have_run == ()


@pytest.mark.parametrize(
    ("port", "error", "said"),
    [
        (70000, ValueError, "a port is 0 to 65535, not 70000"),
        (-1, ValueError, "a port is 0 to 65535, not -1"),
        ("8787", TypeError, "a port is a number, not '8787'"),
        (8787.0, TypeError, "a port is a number, not 8787.0"),
        (True, TypeError, "a port is a number, not True"),
    ],
)
async def test_a_port_that_is_none_is_refused_and_is_not_another_one(sandbox, port, error, said):
    with pytest.raises(error, match=said):
        await sandbox.serve(port=port)


async def test_an_address_with_a_port_that_is_none_says_which_there_are():
    with pytest.raises(ValueError, match="a port is 0 to 65535"):
        await rpclab.connect("tcp:127.0.0.1:65536")


async def test_where_a_server_cannot_listen_the_advice_fits_the_reason():
    async def refused(address):
        with pytest.raises(OSError, match="cannot listen on") as caught:
            await rpclab.serve(lambda: None, address)
        return str(caught.value)

    async with rpclab.serve(lambda: None, "tcp:127.0.0.1:0") as server:
        assert "port 0 takes any that is free" in await refused(server.address)
    assert "that is no address of this machine" in await refused("tcp:192.0.2.1:0")
    assert "is the name of the machine spelt right?" in await refused("tcp:nobody.invalid:0")


IN_THE_WAY = {
    "a file": (lambda path: path.write_text("kept"), "there is a file, which is no socket"),
    "a folder": (lambda path: path.mkdir(), "that is a folder: name a socket in it"),
    "a link": (lambda path: path.symlink_to("nowhere"), "a link that leads nowhere"),
}


@pytest.mark.parametrize(("put", "said"), IN_THE_WAY.values(), ids=IN_THE_WAY)
async def test_what_is_in_the_way_of_a_socket_is_named_and_left_alone(tmp_path, put, said):
    path = tmp_path / "api.sock"
    put(path)
    before = path.lstat()
    with pytest.raises(OSError, match=said):
        await rpclab.serve(Api(), f"unix:{path}")
    assert os.path.samestat(path.lstat(), before)


async def test_where_a_socket_cannot_be_made_the_advice_fits_the_reason(tmp_path):
    async def refused(path):
        with pytest.raises(OSError, match="cannot listen at") as caught:
            await rpclab.serve(Api(), f"unix:{path}")
        return str(caught.value)

    assert f"there is no folder {tmp_path}/none: make it" in await refused(f"{tmp_path}/none/a")
    assert "take a shorter one" in await refused(tmp_path / ("a" * 200))
    async with rpclab.serve(Api(), f"unix:{tmp_path}/api.sock"):
        assert "another server listens there" in await refused(tmp_path / "api.sock")


async def test_a_socket_that_a_dead_server_has_left_makes_room(tmp_path):
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with (
        rpclab.serve(Api(), f"unix:{path}") as server,
        rpclab.connect(server.address) as api,
    ):
        assert await api.hello("x") == "Hello, x"
    assert not path.exists()


async def test_a_server_that_stops_leaves_the_socket_of_another_one_alone(tmp_path):
    path = tmp_path / "api.sock"
    first = await rpclab.serve(Api(), f"unix:{path}")
    path.unlink()
    async with rpclab.serve(Api(), f"unix:{path}") as second:
        await first.stop()
        async with rpclab.connect(second.address) as api:
            assert await api.hello("x") == "Hello, x"
