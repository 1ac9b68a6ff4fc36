"""What `fetch` over the network reaches, sends and takes: a server on 127.0.0.1, on real time."""

from __future__ import annotations

import asyncio
import functools
import gzip
import socket
import ssl
import zlib
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import rpclab
from rpclab import Request
from rpclab.errors import MessageTooLargeError
from rpclab.workers.http import httpx_client
from rpclab.workers.http.content_encoding import Unpacking
from rpclab.workers.http.public_addresses import is_public
from rpclab.workers.network import LOCAL, Network

ASK = """
from workers import fetch
async def ask(url, env, ctx):
    response = await fetch(url)
    return [response.status, response.url, await response.text()]
"""


def on_real_time(test):
    """Run a test on the ordinary loop: sockets do not know of a clock that jumps."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


class Server:
    """Answers every request with the bytes of `answer(head, body)`; notes what came in."""

    def __init__(self, answer):
        self.answer = answer
        self.heads = []

    async def serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            sizes = [x for x in head.lower().split("\r\n") if x.startswith("content-length:")]
            body = await reader.readexactly(int(sizes[0].partition(":")[2]) if sizes else 0)
            self.heads.append(head)
            writer.write(self.answer(head, body))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # a client that has seen enough
        finally:
            writer.close()


def reply(body=b"", headers="", status="200 OK"):
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode("latin-1") + body


@asynccontextmanager
async def serving(answer, **options):
    server = Server(answer if callable(answer) else lambda _head, _body: answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, **options)
    async with listening:
        server.port = listening.sockets[0].getsockname()[1]
        server.url = f"http://127.0.0.1:{server.port}"
        yield server


@pytest.fixture
def asking():
    """Gives the binding of a Worker that fetches; its sandbox is made as the test says."""
    made = []

    def make(**options):
        made.append(rpclab.Sandbox(**options))
        made[-1].deploy("asking", source=ASK)
        return made[-1].bind(ASKING="asking").ASKING

    yield make
    for sandbox in made:
        sandbox.close()


# Where it may go.

PRIVATE = [
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1",
    "100.100.100.200", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "168.63.129.16",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::169.254.169.254", "64:ff9b:1::1", "100::1", "2001::1",
    "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "fc00::1", "fd00:ec2::254", "fe80::1",
    "febf::1", "fec0::1", "ff02::1", "4000::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "100.63.255.255", "172.15.0.1", "172.32.0.1", "192.167.1.1",
    "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450::1", "::ffff:1.1.1.1",
    "64:ff9b::1.1.1.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_a_machine_or_its_network_is_not_public(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address):
    assert is_public(ip_address(address))


SPELLINGS = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "127.0.0.1.",
    "0", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[0:0:0:0:0:0:0:1]", "[64:ff9b::127.0.0.1]", "\uff11\uff12\uff17.\uff10.0.1", "%31%32%37.0.0.1",
    "169.254.169.254", "0xa9fea9fe", "localhost", "LOCALHOST",
]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
@on_real_time
async def test_a_worker_reaches_no_private_address_however_it_is_written(host, asking):
    async with serving(reply(b"secret")) as server:
        with pytest.raises(PermissionError, match="public addresses alone") as caught:
            await asking().ask(f"http://{host}:{server.port}/")
        assert 'Sandbox(network="local")' in "".join(caught.value.__notes__)
        assert server.heads == []


def resolving(monkeypatch, *addresses):
    """Lets every name of the DNS lead to these addresses; gives the names that were asked for."""
    asked = []

    async def getaddrinfo(_loop, host, port, **_options):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0"])
@on_real_time
async def test_a_name_that_leads_to_a_private_address_is_refused(address, asking, monkeypatch):
    resolving(monkeypatch, address)
    with pytest.raises(PermissionError, match=r"rebinding\.example"):
        await asking().ask("http://rebinding.example/")


@on_real_time
async def test_a_redirect_to_a_private_address_is_refused(asking, monkeypatch):
    monkeypatch.setattr(httpx_client, "is_public", lambda address: str(address) == "127.0.0.1")
    there = reply(headers="Location: http://169.254.169.254/latest/meta-data/\r\n", status="302 X")
    async with serving(there) as server:
        with pytest.raises(PermissionError, match=r"169\.254\.169\.254/latest"):
            await asking().ask(server.url)
        assert len(server.heads) == 1


@on_real_time
async def test_the_request_goes_to_the_address_that_was_looked_at(asking, monkeypatch):
    async with serving(reply(b"here")) as server:
        asked = resolving(monkeypatch, "10.0.0.1", "127.0.0.1")
        monkeypatch.setattr(httpx_client, "is_public", lambda address: str(address) == "127.0.0.1")
        url = f"http://shop.example:{server.port}/"
        assert await asking().ask(url) == [200, url, "here"]
        assert asked == ["shop.example"]
        assert f"host: shop.example:{server.port}\r\n" in server.heads[0].lower()


@on_real_time
async def test_the_next_address_is_tried_where_nobody_answers(asking, monkeypatch):
    async with serving(reply(b"here")) as server:
        resolving(monkeypatch, "127.0.0.2", "127.0.0.1")
        monkeypatch.setattr(httpx_client, "is_public", lambda address: address.is_loopback)
        answer = await asking().ask(f"http://shop.example:{server.port}/")
        assert answer[2] == "here"


def certificate_for(name, folder):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file = folder / "certificate.pem"
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(secret + made.public_bytes(pem))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context, ssl.create_default_context(cafile=file)


@on_real_time
async def test_a_certificate_is_checked_against_the_name_and_not_the_address(
    asking, monkeypatch, tmp_path
):
    theirs, ours = certificate_for("shop.example", tmp_path)
    monkeypatch.setattr(httpx_client, "_certificates", lambda: ours)
    monkeypatch.setattr(httpx_client, "is_public", lambda _address: True)
    resolving(monkeypatch, "127.0.0.1")
    async with serving(reply(b"here"), ssl=theirs) as server:
        binding = asking()
        assert (await binding.ask(f"https://shop.example:{server.port}/"))[2] == "here"
        with pytest.raises(ConnectionError, match=r"no answer from https://other\.example"):
            await binding.ask(f"https://other.example:{server.port}/")


@on_real_time
async def test_a_sandbox_without_a_network_reaches_nothing(asking):
    async with serving(reply()) as server:
        for url in (server.url, "http://1.1.1.1/", "http://shop.example/"):
            with pytest.raises(PermissionError, match="no network"):
                await asking(network="none").ask(url)
        assert server.heads == []


@on_real_time
async def test_a_sandbox_with_the_local_network_reaches_it(asking):
    async with serving(reply(b"hi")) as server:
        url = f"http://localhost:{server.port}/"
        assert await asking(network="local").ask(url) == [200, url, "hi"]


@on_real_time
async def test_the_network_of_a_sandbox_can_be_changed_and_is_checked():
    sandbox = rpclab.Sandbox()
    assert sandbox.network == "public"
    sandbox.network = "local"
    assert sandbox.network == "local"
    sandbox.network = Network(LOCAL, seconds=1)
    assert sandbox.network == Network(LOCAL, seconds=1)
    with pytest.raises(ValueError, match="'public', 'local', 'none', not 'open'"):
        rpclab.Sandbox(network="open")
    sandbox.close()


@on_real_time
async def test_a_program_outside_the_workers_is_its_users_own():
    async with rpclab.Sandbox(network="none") as sandbox, serving(reply(b"hi")) as server:
        assert await (await rpclab.fetch(server.url)).text() == "hi"
        async with sandbox.event():
            assert await (await rpclab.fetch(server.url)).text() == "hi"


@on_real_time
async def test_a_proxy_of_the_environment_is_not_asked_for_public_addresses_alone(
    asking, monkeypatch
):
    async with serving(reply(b"the proxy")) as server:
        monkeypatch.setenv("http_proxy", server.url)
        resolving(monkeypatch, "10.0.0.1")
        with pytest.raises(PermissionError):
            await asking().ask("http://shop.example/")
        assert server.heads == []


@on_real_time
async def test_a_proxy_of_the_environment_is_asked_where_all_may_be_reached(asking, monkeypatch):
    async with serving(reply(b"the proxy")) as server:
        monkeypatch.setenv("http_proxy", server.url)
        answer = await asking(network="local").ask("http://shop.example/a?b")
        assert answer[2] == "the proxy"
        assert server.heads[0].startswith("GET http://shop.example/a?b HTTP/1.1\r\n")


# What is sent.


@pytest.mark.parametrize(
    ("target", "line"),
    [("/?sig=abc%2Bd%2F%3D", "/?sig=abc%2Bd%2F%3D"), ("/%7Euser", "/%7Euser"), ("/%zz", "/%zz"),
     ("/?a[]=1&b={}|", "/?a[]=1&b={}|"), ("/?", "/"), ("/a\\b", "/a/b"), ("/é?é", "/%C3%A9?%C3%A9"),
     ("/a/../b", "/b"), ("//a//", "//a//"), ("/'\"<>^`", "/'%22%3C%3E%5E%60"), ("#f", "/")],
)  # fmt: skip
@on_real_time
async def test_what_is_asked_for_is_the_url_as_the_standard_writes_it(target, line):
    async with serving(reply()) as server:
        await rpclab.fetch(server.url + target)
        assert server.heads[0].startswith(f"GET {line} HTTP/1.1\r\n")


@on_real_time
async def test_a_long_target_is_sent():
    async with serving(reply()) as server:
        await rpclab.fetch(f"{server.url}/?{'a' * 60_000}")
        assert len(server.heads[0]) > 60_000


@on_real_time
async def test_headers_about_the_connection_are_not_the_users():
    theirs = {
        "transfer-encoding": "chunked", "content-length": "1", "connection": "x-a, close",
        "host": "other.example", "te": "trailers", "trailer": "x", "upgrade": "h2c",
        "keep-alive": "timeout=5", "proxy-connection": "close", "expect": "100-continue",
        "x-a": "1",
    }  # fmt: skip
    async with serving(reply()) as server:
        await rpclab.fetch(server.url, method="POST", body="abcdef", headers=theirs)
        head = server.heads[0].lower()
    lines = [line.partition(":")[0] for line in head.split("\r\n")[1:-2]]
    assert sorted(lines) == sorted(set(lines))
    assert {"transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "expect"}.isdisjoint(
        lines
    )
    assert "content-length: 6\r\n" in head
    assert f"host: 127.0.0.1:{server.port}\r\n" in head
    assert "x-a: 1\r\n" in head


@on_real_time
async def test_a_name_and_password_in_a_url_become_a_header_and_stand_in_no_error():
    async with serving(reply()) as server:
        await rpclab.fetch(server.url.replace("//", "//me%40x:w%3Ard@"))
        assert "authorization: Basic bWVAeDp3OnJk\r\n" in server.heads[0]
        assert "@" not in server.heads[0]
    with pytest.raises(ConnectionError) as caught:
        await rpclab.fetch(server.url.replace("//", "//me:secret@"))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b"])
def test_nothing_can_be_smuggled_into_a_request(value):
    with pytest.raises(TypeError):
        Request("http://h/", headers={"x": value})
    with pytest.raises(TypeError):
        Request("http://h/", headers={value: "x"})
    with pytest.raises(TypeError):
        Request("http://h/", method=f"GET {value}")
    assert Request(f"http://h/{value}?{value}").url.isprintable()


@on_real_time
async def test_a_header_that_http_cannot_carry_is_the_callers_fault():
    async with serving(reply()) as server:
        with pytest.raises(TypeError, match="cannot be sent"):
            await rpclab.fetch(server.url, headers={"x": "a\x0bb"})
        assert server.heads == []


@pytest.mark.parametrize("method", ["CONNECT", "connect"])
def test_connect_is_no_method_of_fetch(method):
    with pytest.raises(TypeError, match="Invalid HTTP method string: "):
        Request("http://h/", method=method)


# What comes back.


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


async def bounded(answer, **bounds):
    async with serving(answer) as server:
        response = await httpx_client.send(Request(server.url), Network(LOCAL, **bounds))
        return await response.bytes()


@pytest.mark.parametrize("kind", ["plain", "gzip", "deflate"])
@on_real_time
async def test_a_body_is_bounded_as_it_is_after_decoding(kind):
    data = bytes(100_000)
    packed = {"plain": data, "gzip": gzip.compress(data), "deflate": zlib.compress(data)}[kind]
    answer = reply(packed, "" if kind == "plain" else f"Content-Encoding: {kind}\r\n")
    assert await bounded(answer, body_bytes=100_000) == data
    with pytest.raises(MessageTooLargeError, match="is larger than 99999 bytes"):
        await bounded(answer, body_bytes=99_999)


def test_a_bomb_is_unpacked_in_pieces_of_bounded_size():
    bomb = gzip.compress(bytes(50_000_000))
    sizes = [len(piece) for piece in Unpacking("gzip").feed(bomb)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 2**16


@on_real_time
async def test_a_body_that_never_ends_is_cut_off_at_the_bound():
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with pytest.raises(MessageTooLargeError):
        await bounded(head + chunked(*[bytes(1000)] * 100), body_bytes=50_000)


@on_real_time
async def test_members_of_gzip_frames_of_deflate_and_what_was_not_asked_for():
    members = gzip.compress(b"a") + gzip.compress(b"b") + b"\0\0"
    assert await bounded(reply(members, "Content-Encoding: GZIP\r\n")) == b"ab"
    packer = zlib.compressobj(wbits=-15)
    bare = packer.compress(b"abc") + packer.flush()
    assert await bounded(reply(bare, "Content-Encoding: deflate\r\n")) == b"abc"
    async with serving(reply(b"\x0b\x02", "Content-Encoding: br\r\n")) as server:
        response = await rpclab.fetch(server.url)
        assert response.headers["content-encoding"] == "br"
        assert await response.bytes() == b"\x0b\x02"
        assert "accept-encoding: gzip, deflate\r\n" in server.heads[0].lower()


@on_real_time
async def test_a_body_that_is_given_piece_by_piece_is_decoded():
    packed = gzip.compress(bytes(range(256)) * 100)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    pieces = chunked(*(packed[at : at + 7] for at in range(0, len(packed), 7)))
    assert await bounded(head + pieces + b"0\r\n\r\n") == bytes(range(256)) * 100


BROKEN = {
    "no HTTP": b"hello\r\n\r\n",
    "nothing": b"",
    "a status that is none": b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
    "a line that is no header": b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "an early end": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
    "an early end of gzip": reply(gzip.compress(b"x" * 100)[:-9], "Content-Encoding: gzip\r\n"),
    "no gzip": reply(b"plain", "Content-Encoding: gzip\r\n"),
    "endless headers": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 40_000,
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
@on_real_time
async def test_whatever_a_server_breaks_is_a_connection_error_of_bounded_size(answer, asking):
    async with serving(answer) as server:
        with pytest.raises(ConnectionError, match="no answer from") as caught:
            await asking(network="local").ask(server.url)
        assert len(str(caught.value)) < 1000
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("host", ["a" * 64, "a" * 60 + "." + "b" * 300, "a..b"])
@on_real_time
async def test_a_host_that_the_dns_cannot_have_is_a_connection_error(host, asking):
    for network in ("local", "public"):
        with pytest.raises(ConnectionError, match="no answer from http://"):
            await asking(network=network).ask(f"http://{host}/")


@on_real_time
async def test_a_host_that_nobody_knows_is_a_connection_error(asking, monkeypatch):
    async def getaddrinfo(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    for network in ("local", "public"):
        for host in ("shop.example", "!$&'()*+,;=", "a_b"):
            with pytest.raises(ConnectionError, match="no answer from http://"):
                await asking(network=network).ask(f"http://{host}/")


@on_real_time
async def test_an_answer_that_does_not_come_in_time_is_a_timeout():
    waiting = asyncio.Event()

    async def serve(_reader, writer):
        await waiting.wait()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        with pytest.raises(TimeoutError, match=f"no answer from {url} within 0.01 s"):
            await httpx_client.send(Request(url), Network(LOCAL, seconds=0.01))
        waiting.set()


@on_real_time
async def test_the_time_is_that_of_the_whole_answer_however_it_trickles():
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await asyncio.sleep(0)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        with pytest.raises(TimeoutError):
            await httpx_client.send(Request(url), Network(LOCAL, seconds=0.05))


@on_real_time
async def test_an_error_of_the_body_that_is_sent_is_its_own():
    def body():
        yield b"a"
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await rpclab.fetch("http://127.0.0.1:9/", method="POST", body=body())


@on_real_time
async def test_a_location_in_utf_8_is_followed_as_its_bytes_are():
    def answer(head, _body):
        if "GET /%C3%A9 " in head:
            return reply(b"there")
        return reply(headers="Location: /\u00c3\u00a9\r\n", status="302 X")

    async with serving(answer) as server:
        response = await rpclab.fetch(server.url)
        assert (response.url, await response.text()) == (f"{server.url}/%C3%A9", "there")


@on_real_time
async def test_a_body_that_is_sent_is_bounded_too():
    ended = []

    def endless():
        try:
            while True:
                yield bytes(1000)
        finally:
            ended.append(True)

    async with serving(lambda _head, body: reply(b"%d" % len(body))) as server:
        request = Request(server.url, method="POST", body=endless())
        with pytest.raises(MessageTooLargeError, match="is larger than 50000 bytes"):
            await httpx_client.send(request, Network(LOCAL, body_bytes=50_000))
        assert ended == [True]
        assert server.heads == []
        request = Request(server.url, method="POST", body=iter([b"ab", b"c"]))
        response = await httpx_client.send(request, Network(LOCAL, body_bytes=3))
        assert await response.text() == "3"
        assert request.body_used
        with pytest.raises(TypeError, match="already been used"):
            await httpx_client.send(request, Network(LOCAL))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "shop.example"])
@on_real_time
async def test_a_worker_on_a_virtual_clock_is_told_that_it_has_no_network(host, asking):
    with pytest.raises(rpclab.RpcError, match="waits for nothing real"):
        await asking(network="local", clock="virtual").ask(f"http://{host}:9/")
