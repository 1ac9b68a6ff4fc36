"""What one stranger may take of a server: time, bytes and work are bounded, whatever it does."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

import httpx
import pytest
from support.net import Api, certificates, failure
from support.real_time import until
from support.virtual_time import VirtualTimeLoop

import rpclab
from rpclab.server.admission import Admission, Asked
from rpclab.server.patience import patient
from rpclab.server.proxies import Proxies

__all__ = ["certificates"]


@pytest.fixture(params=[True, False], ids=["session", "short"])
def recorded(request):
    """Requests go through sessions, or the short way."""
    return request.param


UPGRADE = (
    b"GET /api HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


async def dial(server):
    """A bare connection to a server."""
    place = urlsplit(server.url)
    return await asyncio.open_connection(place.hostname, place.port)


async def drip(server, begin, drop=b"x"):
    """Send a beginning, and then a drop now and then; gives what comes back until the end."""
    reader, writer = await dial(server)
    writer.write(begin)

    async def go_on():
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(drop)
                await writer.drain()
                await asyncio.sleep(0.01)

    going = asyncio.ensure_future(go_on())
    came = b""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(2**16):
            came += data
    going.cancel()
    writer.close()
    return came


def connections(server):
    return server._uvicorn.server_state.connections


# Who has asked.


@pytest.mark.parametrize(
    ("trusted", "host", "said", "client"),
    [
        ([], "127.0.0.1", "6.6.6.6", "127.0.0.1"),
        (["127.0.0.1"], "127.0.0.1", "6.6.6.6", "6.6.6.6"),
        (["127.0.0.1"], "10.0.0.9", "6.6.6.6", "10.0.0.9"),
        (["127.0.0.1"], "127.0.0.1", "6.6.6.6, 8.8.8.8", "8.8.8.8"),
        (["127.0.0.1", "10.0.0.0/8"], "127.0.0.1", "6.6.6.6, 8.8.8.8, 10.1.2.3", "8.8.8.8"),
        (["10.0.0.0/8"], "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        (["127.0.0.1"], "127.0.0.1", "", "127.0.0.1"),
        (["127.0.0.1"], "127.0.0.1", "8.8.8.8, unknown", "127.0.0.1"),
        (["127.0.0.1"], "127.0.0.1", "8.8.8.8:80", "8.8.8.8"),
        (["127.0.0.1"], "::ffff:127.0.0.1", "[2001:db8::1]:80", "2001:db8::1"),
        (["::1"], "::1", "2001:db8::1", "2001:db8::1"),
        ("127.0.0.1", "127.0.0.1", "\x1b[2J", "127.0.0.1"),
        (["127.0.0.1"], "", "8.8.8.8", ""),
    ],
)
def test_only_proxies_that_were_named_say_who_has_asked_and_only_who_asked_them(
    trusted, host, said, client
):
    found = Proxies(trusted).client(host, {"x-forwarded-for": said}, secure=False)
    assert found == (client, False)


@pytest.mark.parametrize(
    ("trusted", "said", "secure"),
    [
        ([], "https", False),
        (["127.0.0.1"], "https", True),
        (["127.0.0.1"], "http, wss", True),
        (["127.0.0.1"], "https, http", False),
        (["127.0.0.1"], "gopher", False),
    ],
)
def test_only_proxies_that_were_named_say_whether_the_way_is_encrypted(trusted, said, secure):
    found = Proxies(trusted).client("127.0.0.1", {"x-forwarded-proto": said}, secure=False)
    assert found.secure is secure


@pytest.mark.parametrize("address", ["*", "proxy.example", "10.0.0.1/8", ""])
async def test_a_proxy_that_is_no_address_is_refused(sandbox, address):
    with pytest.raises(ValueError, match="a proxy is an address"):
        await sandbox.serve(port=0, proxies=[address])


FORWARDED = {
    "host": "hub.test",
    "x-forwarded-for": "6.6.6.6",
    "x-forwarded-proto": "https",
    "cf-connecting-ip": "6.6.6.6",
}


@pytest.mark.parametrize("proxies", [(), ("127.0.0.1",)])
async def test_behind_a_proxy_a_server_answers_and_believes_it_if_it_was_named(
    sandbox, lines, proxies
):
    serving = sandbox.serve(
        port=0,
        hosts=["hub.test"],
        prefix="/user/me",
        proxies=proxies,
        token="s3cret",
        expose={"/api": Api()},
        tell=lines.append,
    )
    async with serving as server, httpx.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{server.port}/user/me"
        page = await http.get(f"{url}/?token=s3cret", headers=FORWARDED)
        seen = (await http.get(f"{url}/headers?token=s3cret", headers=FORWARDED)).json()
        headers = FORWARDED | {"authorization": "Bearer s3cret"}
        async with rpclab.connect(f"ws://127.0.0.1:{server.port}/user/me/api", token="s3cret",
                                  headers={"x-forwarded-for": "6.6.6.6"}) as api:  # fmt: skip
            assert await api.hello("x") == "Hello, x"
        assert (await http.post(f"{url}/api", headers=headers)).status_code == 200
    client, scheme = ("6.6.6.6", "https") if proxies else ("127.0.0.1", "http")
    assert page.text == f"GET {scheme}://hub.test/ "
    assert ("Secure" in page.headers["set-cookie"]) == bool(proxies)
    assert seen["cf-connecting-ip"] == client
    assert {line.client for line in lines} == {client}
    assert {line.method for line in lines} == {"GET", "POST", "WS", "WS END"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Host: 127.0.0.1\r\nHost: evil.test\r\n", b"421"),
        (b"Host: evil.test\r\nHost: 127.0.0.1\r\n", b"421"),
        (b"Host: 127.0.0.1\r\nOrigin: http://evil.test\r\nOrigin: http://localhost\r\n", b"403"),
        (b"Host: 127.0.0.1\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Site: none\r\n", b"403"),
    ],
)
async def test_what_must_stand_once_decides_nothing_where_it_stands_twice(sandbox, headers, status):
    async with sandbox.serve(port=0, expose={"/api": Api()}) as server:
        for begin in (
            b"POST / HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n",
            UPGRADE,
        ):
            reader, writer = await dial(server)
            writer.write(begin + headers + b"\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 " + status)
            writer.close()


@pytest.mark.parametrize("token", [None, "s3cret"])
async def test_where_names_are_allowed_no_other_name_is_known(sandbox, token):
    serving = sandbox.serve(host="0.0.0.0", port=0, hosts=["app.test"], token=token, insecure=True)
    async with serving as server, httpx.AsyncClient(trust_env=False) as http:
        for host, status in (("app.test", 201), ("10.1.2.3:80", 201), ("[fd00::1]", 201),
                             ("localhost", 201), ("evil.test", 421)):  # fmt: skip
            headers = {"host": host, "authorization": f"Bearer {token}"}
            response = await http.get(f"http://127.0.0.1:{server.port}/", headers=headers)
            assert response.status_code == status


async def test_one_object_is_served_under_the_names_that_are_allowed(sandbox):
    serving = rpclab.serve(Api(), "http://127.0.0.1:0/x", hosts=["*.hub.test"])
    async with serving as server, httpx.AsyncClient(trust_env=False) as http:
        for host, status in (("a.hub.test", 200), ("evil.test", 421)):
            response = await http.post(server.url + "/x", headers={"host": host})
            assert response.status_code == status


# Time.


@pytest.mark.parametrize(
    ("read", "waited", "patience"),
    [
        (0, 0, 60),
        (0, 59, 1),
        (0, 61, 0),
        (10_240, 0, 60),
        (10_240, 65, 5),
        (10_240, 1000, 0),
        (100_000_000, 1000, 60),
    ],
)
def test_a_body_is_waited_for_as_long_as_it_gets_on(read, waited, patience):
    assert rpclab.ServerLimits().patience(read, waited) == patience
    assert rpclab.ServerLimits(body_rate=0).patience(read, waited) == 60


HEAD = b"POST /count HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (b"", b"\r\n"),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        (b"GET / HTTP/1.1\r\nX: ", b"y"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"G"),
    ],
    ids=["nothing", "headers", "one header", "a second request"],
)
async def test_a_head_that_comes_in_drops_has_the_time_of_a_head(sandbox, begin, drop):
    limits = rpclab.ServerLimits(head_seconds=0.2)
    async with sandbox.serve(port=0, limits=limits) as server:
        await drip(server, begin, drop)


@pytest.mark.parametrize(
    ("begin", "drop"),
    [
        (HEAD + b"Content-Length: 100000\r\n\r\n", b"x"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n", b"X: y\r\n"),
        (HEAD.replace(b"count", b"index") + b"Content-Length: 100000\r\n\r\n", b"x"),
    ],
    ids=["length", "chunks", "an extension", "trailers", "read at once"],
)
async def test_a_body_that_comes_in_drops_is_given_up(sandbox, lines, caplog, begin, drop):
    limits = rpclab.ServerLimits(body_seconds=0.2, body_rate=10_000)
    async with sandbox.serve(port=0, limits=limits, tell=lines.append) as server:
        assert (await drip(server, begin, drop)).startswith(b"HTTP/1.1 408")
        await until(lambda: not connections(server))
    assert [(line.status, line.note) for line in lines] == [(408, "the client stopped")]
    assert caplog.text == ""  # it is no failure of the Worker, and fills no log


async def test_a_client_that_leaves_in_its_body_is_no_failure_of_the_worker(sandbox, lines, caplog):
    async with sandbox.serve(port=0, tell=lines.append) as server:
        for path in (b"/count", b"/index", b"/hang"):
            _, writer = await dial(server)
            head = HEAD.replace(b"/count", path) + b"Content-Length: 100000\r\n\r\nx"
            writer.write(head)
            await until(lambda: server.application._requests)
            writer.transport.abort()
            await until(lambda: not server.application._requests)
    assert {line.status for line in lines} == {499}
    assert caplog.text == ""


async def test_a_refusal_reaches_whoever_still_sends(sandbox):
    limits = rpclab.ServerLimits(body_bytes=1_000_000)
    async with (
        sandbox.serve(port=0, limits=limits, expose={"/x": Api()}) as server,
        httpx.AsyncClient(trust_env=False, timeout=20) as http,
    ):
        for path, headers, status in (
            ("/count", {}, 413),
            ("/x", {}, 413),
            ("/count", {"host": "evil.test"}, 421),
            ("/count", {"origin": "http://evil.test"}, 403),
        ):
            body = b"x" * 8_000_000
            response = await http.post(f"{server.url}{path}", content=body, headers=headers)
            assert response.status_code == status


@pytest.mark.parametrize("path", [b"/x", b"/"], ids=["a batch", "an answer before its end"])
async def test_what_else_reads_a_body_gives_it_up_as_well(sandbox, path):
    limits = rpclab.ServerLimits(body_seconds=0.2, body_rate=10_000)
    serving = sandbox.serve(port=0, limits=limits, expose={"/x": Api()}, worker="quick")
    sandbox.deploy("quick", source=QUICK)
    async with serving as server:
        begin = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n" % path
        assert await drip(server, begin)
        await until(lambda: not connections(server))


QUICK = """
from workers import Response, WorkerEntrypoint
class Default(WorkerEntrypoint):
    def fetch(self, request):
        return Response("at once")
"""


async def test_who_sends_a_body_that_nobody_reads_gets_the_answer_and_may_go_on(sandbox):
    sandbox.deploy("quick", source=QUICK)
    async with sandbox.serve(port=0, worker="quick") as server:
        reader, writer = await dial(server)
        for _ in range(3):
            writer.write(HEAD + b"Content-Length: 3000000\r\n\r\n")
            writer.write(b"x" * 3_000_000)
            await writer.drain()
            assert await reader.readuntil(b"at once")
        assert reader._transport.is_closing() is False
        writer.close()


async def test_who_does_not_read_an_answer_is_cut_off(sandbox):
    limits = rpclab.ServerLimits(body_seconds=0.1)
    ask = b'["push",["pipeline",0,[],[]]]\n["pull",1]'
    head = b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n" % len(ask)
    serving = rpclab.serve(lambda: "x" * 20_000_000, "http://127.0.0.1:0/x", limits=limits)
    async with serving as server:
        for close in (b"Connection: close\r\n", b""):
            server._uvicorn.config.timeout_keep_alive = 0.1
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                await until(lambda: connections(server))
                client.send(head + close + b"\r\n" + ask)
                await until(lambda: not connections(server))


@pytest.mark.parametrize("path", [b"/few", b"/none-of-it"], ids=["a stream", "short ones"])
async def test_who_asks_on_and_on_and_reads_nothing_is_cut_off(sandbox, path):
    limits = rpclab.ServerLimits(body_seconds=0.2, stop_seconds=0.2)
    sandbox.deploy("large", source=QUICK.replace('"at once"', '"x" * 500_000'))
    worker = "web" if path == b"/few" else "large"
    async with sandbox.serve(port=0, worker=worker, limits=limits) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.setblocking(False)
            await until(lambda: connections(server))
            request = b"GET " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

            def ask():
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    client.send(request)
                return not connections(server)

            await until(ask)
        await until(lambda: not server.application._requests)


class Leaving:
    """In the place of a transport: so many bytes are left, and they leave slowly."""

    def __init__(self, left) -> None:
        self.left = left
        self.aborted = False

    def get_write_buffer_size(self):
        return self.left

    def abort(self):
        self.aborted = True


@pytest.mark.parametrize(("each_second", "aborted"), [(10_000, False), (1200, False), (800, True)])
def test_what_leaves_slowly_has_its_time_as_long_as_it_gets_on(each_second, aborted):
    loop = VirtualTimeLoop()
    limits = rpclab.ServerLimits(body_seconds=10, body_rate=1000)
    connection = object.__new__(patient(None, limits))
    connection.transport, connection.loop = Leaving(100 * each_second), loop

    async def leave():
        connection._see_that_it_leaves()
        for _ in range(95):
            await asyncio.sleep(1)
            connection.transport.left -= each_second
        connection._let_go()

    try:
        loop.run_until_complete(leave())
    finally:
        loop.close()
    assert connection.transport.aborted is aborted


async def test_who_never_begins_with_tls_is_let_go_in_time(sandbox, certificates):
    limits = rpclab.ServerLimits(head_seconds=0.2)
    async with sandbox.serve(port=0, tls=certificates, limits=limits) as server:
        for begin in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"):
            reader, writer = await dial(server)
            writer.write(begin)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()


def test_cookies_are_not_read_by_what_takes_a_time_with_the_square_of_their_length(monkeypatch):
    """The standard library's reader does, for quoted ones, in versions that are still about."""

    def load(*_):
        raise AssertionError("it was asked")

    monkeypatch.setattr(SimpleCookie, "load", load)
    admission = Admission(token="s3cret")
    name = admission.cookie_name
    for cookie, status in ((f'{name}="' + '\\\\"' * 30_000 + '"', 401),
                           (f'a="\\\\"; {name}="s3cret"; b', None)):  # fmt: skip
        refusal = admission.refusal(Asked("GET", {"host": "a", "cookie": cookie}, ""))
        assert (refusal and refusal.status) == status


@pytest.mark.parametrize("token", ["s3cret", 'a;b,c"d', "50%+/=", "rpclab_token=x"])
async def test_the_cookie_stands_for_any_token(sandbox, token):
    async with (
        sandbox.serve(port=0, token=token) as server,
        httpx.AsyncClient(trust_env=False, base_url=server.url) as http,
    ):
        page = await http.get("/", params={"token": token})
        assert page.status_code == 201
        assert (await http.get("/")).status_code == 201
        http.cookies.clear()
        assert (await http.get("/")).status_code == 401


async def test_a_browser_that_knows_two_servers_of_a_machine_stays_at_both(sandbox):
    """To a browser all ports of a machine are one place, as far as cookies go."""
    async with (
        sandbox.serve(port=0, token="s3cret") as one,
        sandbox.serve(port=0, token="another") as two,
        sandbox.serve(port=0) as open_to_all,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        assert (await http.get(one.url, params={"token": "s3cret"})).status_code == 201
        assert (await http.get(two.url, params={"token": "another"})).status_code == 201
        for server in (one, two):
            assert (await http.get(server.url)).status_code == 201
        # No Worker is shown the token of another server.
        for server in (one, two, open_to_all):
            seen = await http.get(f"{server.url}/headers", headers={"x": "y"})
            assert seen.json()["x"] == "y"
            assert "s3cret" not in seen.text
            assert "another" not in seen.text


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("HERE", 200),
        ("https://good.test", 200),
        ("http://127.0.0.1:1", 401),
        ("http://localhost:5173", 401),
        ("http://evil.test", 403),
        ("null", 403),
    ],
)
async def test_a_cookie_speaks_for_pages_of_the_server_and_for_no_other_port(
    sandbox, origin, status
):
    """A browser sends it along to whatever page of this machine asks, for ports are no sites."""
    serving = sandbox.serve(
        port=0, token="s3cret", origins=["https://good.test"], expose={"/x": Api()}
    )
    async with serving as server, httpx.AsyncClient(trust_env=False) as http:
        headers = {"cookie": f"{Admission(token='s3cret').cookie_name}=s3cret"}
        if origin is not None:
            headers["origin"] = origin.replace("HERE", server.url)
        response = await http.post(f"{server.url}/x", headers=headers)
        assert response.status_code == status
        dialling = rpclab.connect(f"ws://127.0.0.1:{server.port}/x", headers=headers)
        if status == 200:
            async with dialling as api:
                assert await api.hello("x") == "Hello, x"
        else:
            assert f": {status} " in str(await failure(dialling.open()))
        knows = headers | {"authorization": "Bearer s3cret"}
        if status == 401:  # it has the token from elsewhere
            assert (await http.post(f"{server.url}/x", headers=knows)).status_code == 200


# Bytes.


async def flooded(server, begin, drop):
    """Send without end; gives how many bytes the server took before it hung up."""
    reader, writer = await dial(server)
    writer.write(begin)
    count = 0
    try:
        while not writer.transport.is_closing():
            writer.write(drop)
            count += len(drop)
            await writer.drain()
    except ConnectionError:
        pass
    writer.close()
    with contextlib.suppress(ConnectionError):
        await reader.read()
    return count


FLOODS = {
    "a head without end": (b"GET / HTTP/1.1\r\n", b"X: " + b"y" * 9000 + b"\r\n"),
    "a header without end": (b"GET / HTTP/1.1\r\nX: ", b"y" * 9000),
    "an address without end": (b"GET /", b"y" * 9000),
    "a second head behind one that is not answered": (
        b"GET /hang HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HTTP/1.1\r\n",
        b"X: " + b"y" * 9000 + b"\r\n",
    ),
    "a second header likewise": (
        b"GET /hang HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET / HTTP/1.1\r\nX: ",
        b"y" * 9000,
    ),
    "trailers": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
        b"X: " + b"y" * 9000 + b"\r\n",
    ),
    "one trailer": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: ",
        b"y" * 9000,
    ),
    "an extension of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x" * 9000),
    "requests that wait for one another": (
        b"",
        b"GET /hang HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 200,
    ),
}


@pytest.mark.parametrize(("begin", "drop"), FLOODS.values(), ids=FLOODS)
async def test_what_is_no_body_is_not_taken_in_without_end(sandbox, begin, drop):
    limits = rpclab.ServerLimits(stop_seconds=0.2)
    async with sandbox.serve(port=0, limits=limits) as server:
        # What the kernel takes for both ends is some megabytes.
        assert await flooded(server, begin, drop) < 20_000_000
        await until(lambda: not connections(server))


async def test_what_stands_behind_a_body_is_no_header_of_the_request(sandbox):
    async with sandbox.serve(port=0, token="s3cret") as server:
        reader, writer = await dial(server)
        writer.write(
            b"POST /headers HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
            b"Authorization: Bearer s3cret\r\nConnection: close\r\n\r\n"
            b"1\r\nx\r\n0\r\nX-Late: yes\r\nOrigin: http://evil.test\r\n\r\n"
        )
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"x-late" not in answer
        writer.close()


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("ws://127.0.0.1:0/", b"\x81\xff" + (2**20).to_bytes(8, "big") + b"\0" * 10),
        ("tcp:127.0.0.1:0", (2**20).to_bytes(4, "big") + b"x"),
    ],
)
async def test_a_part_of_a_large_message_is_a_sign_of_life(sandbox, address, part):
    async with rpclab.serve(Api(), address) as server:
        client = await rpclab.connect(server.address)
        sessions = server.application.sessions if "ws" in address else server._sessions
        await until(lambda: len(sessions) == 1)
        (connection,) = sessions._open
        before = connection._pulse.heard
        client._wire.transport.write(part)
        await until(lambda: connection._pulse.heard > before)
        client._wire.abort()
        await until(lambda: not len(sessions))


PARTS = {
    "tcp": (b"", (900_000).to_bytes(4, "big") + b"x" * 300_000),
    "ws": (b"", b"\x81\xff" + (900_000).to_bytes(8, "big") + b"\0\0\0\0" + b" " * 300_000),
    "pieces": (b"", b"\x01\xff" + (300_000).to_bytes(8, "big") + b"\0\0\0\0" + b" " * 300_000),
}


@pytest.mark.parametrize("kind", PARTS)
async def test_what_many_have_begun_to_send_is_bounded_together(sandbox, kind):
    _, part = PARTS[kind]
    limits = rpclab.ServerLimits(unfinished_bytes=1_000_000)
    address = "tcp:127.0.0.1:0" if kind == "tcp" else "ws://127.0.0.1:0/"
    async with rpclab.serve(Api(), address, limits=limits) as server:
        sessions = server._sessions if kind == "tcp" else server.application.sessions
        codec = {} if kind == "tcp" else {"codec": "capnweb"}
        peers = [await rpclab.connect(server.address, **codec) for _ in range(5)]
        for peer in peers[:3]:
            peer._wire.transport.write(part)
        await until(lambda: sessions.unfinished.size >= 900_000)
        peers[3]._wire.transport.write(part)
        await until(lambda: peers[3].reason is not None)
        assert "ServerLimits.unfinished_bytes" in str(peers[3].reason)
        # The others go on, whoever sends what is small does so as before.
        assert await peers[4].main.hello("x") == "Hello, x"
        peers[0]._wire.transport.abort()
        await until(lambda: sessions.unfinished.size <= 700_000)
        for peer in peers:
            peer._wire.transport.abort()
        await until(lambda: sessions.unfinished.size == 0)
        await until(lambda: not len(sessions))


async def test_batches_that_are_not_whole_are_bounded_with_all_others(sandbox):
    limits = rpclab.ServerLimits(unfinished_bytes=1_000_000)
    async with rpclab.serve(Api(), "http://127.0.0.1:0/x", limits=limits) as server:
        unfinished = server.application.sessions.unfinished
        head = b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000\r\n\r\n"
        ends = [await dial(server) for _ in range(4)]
        for _, writer in ends[:3]:
            writer.write(head + b" " * 300_000)
        await until(lambda: unfinished.size >= 900_000)
        reader, writer = ends[3]
        writer.write(head + b" " * 300_000)
        assert (await reader.readline()).startswith(b"HTTP/1.1 503")
        for _, writer in ends:
            writer.transport.abort()
        await until(lambda: unfinished.size == 0)


# Work.


@pytest.mark.parametrize("way", ["a batch", "a stop"])
async def test_waiting_for_calls_costs_as_much_for_each_of_many_as_of_few(sandbox, way):
    few, many = [await steps_of(way, count) for count in (150, 600)]
    assert many < 8 * few


async def steps_of(way, count):
    """Count the calls of Python functions while so many calls end one by one."""
    waits = []

    class Slow(rpclab.RpcTarget):
        async def wait(self):
            waits.append(asyncio.get_running_loop().create_future())
            await waits[-1]

    steps = 0

    def note(_frame, event, _arg):
        nonlocal steps
        steps += event == "call"

    async def let_each_end():
        await until(lambda: len(waits) == count)
        sys.setprofile(note)
        try:
            for wait in waits:
                wait.set_result(None)
                for _ in range(3):
                    await asyncio.sleep(0)
        finally:
            sys.setprofile(None)

    kind = "http" if way == "a batch" else "ws"
    server = await rpclab.serve(Slow(), f"{kind}://127.0.0.1:0/")
    async with rpclab.connect(server.address) as api:
        promises = [asyncio.ensure_future(_waited(api.wait())) for _ in range(count)]
        if way == "a stop":
            await until(lambda: len(waits) == count)
            stopping = asyncio.ensure_future(server.stop())
            await until(lambda: server.application.sessions.stopping)
        await let_each_end()
        await asyncio.gather(*promises, return_exceptions=True)
        if way == "a stop":
            await stopping
    await server.stop()
    return steps


async def _waited(promise):
    return await promise
