"""HTTP from outside, answered by the `fetch` of Workers."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import httpx
import pytest
from support.real_time import until

import rpclab
from rpclab.server.access import Access
from rpclab.server.admission import Admission


@pytest.fixture(params=[True, False], ids=["recorded", "unseen"])
def recorded(request):
    """Each test goes both ways: a request that nobody can see is answered without a session."""
    return request.param


def client(server, **options):
    return httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=20, **options)


async def raw(server, data):
    """Send bytes; give all that comes back."""
    place = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


async def test_a_request_and_its_response_arrive_whole(sandbox):
    async with sandbox.serve(port=0) as server, client(server) as http:
        response = await http.post("/?b=c%20d", content="tea")
        assert (response.status_code, response.text) == (201, f"POST {server.url}/?b=c%20d tea")
        assert "date" in response.headers
        assert (await http.get("/cookies")).headers.get_list("set-cookie") == ["a=1", "b=2"]
        head = await http.head("/")
        assert (head.status_code, head.content) == (201, b"")
        none = await http.get("/none")
        assert (none.status_code, none.content) == (204, b"")
        assert "content-length" not in none.headers


async def test_bodies_flow_both_ways(sandbox):
    async with sandbox.serve(port=0) as server, client(server) as http:
        assert len((await http.get("/few")).content) == 300_000

        async def pieces():
            for _ in range(100):
                yield b"y" * 70_000

        assert (await http.post("/count", content=pieces())).text == "7000000"
        assert (await http.post("/count", content=b"z" * 2_000_000)).text == "2000000"


async def test_a_worker_that_fails_tells_a_stranger_nothing_and_the_log_all(sandbox, caplog):
    async with sandbox.serve(port=0) as server, client(server) as http:
        for path in ("/fail", "/nothing"):
            response = await http.get(path)
            assert response.status_code == 500
            assert "secret" not in response.text
            assert "Traceback" not in response.text
        assert (await http.get("/none")).status_code == 204
    assert "on purpose, with a secret" in caplog.text
    caplog.clear()


async def test_a_body_that_breaks_off_is_not_taken_for_whole(sandbox):
    async with sandbox.serve(port=0) as server, client(server) as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/broken")


async def test_a_client_that_leaves_cancels_the_call(sandbox, log, lines):
    async with sandbox.serve(port=0, tell=lines.append) as server, client(server) as http:
        asking = asyncio.ensure_future(http.get("/hang"))
        await until(lambda: log == ["hanging"])
        asking.cancel()
        await until(lambda: log == ["hanging", "hang left"])
        await until(lambda: lines)
        assert (lines[0].status, lines[0].note) == (499, "the client left")


async def test_a_client_that_leaves_ends_the_stream(sandbox, log):
    async with sandbox.serve(port=0) as server, client(server) as http:
        async with http.stream("GET", "/ticks") as response:
            async for line in response.aiter_lines():
                assert line.startswith("tick")
                break
        await until(lambda: log == ["ticks left"])


BUSY = """
import asyncio
from workers import WorkerEntrypoint

begun = asyncio.Event()

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        begun.set()
        await asyncio.Event().wait()
"""


async def test_a_worker_whose_queue_is_full_is_a_503_that_says_when_to_come_again(sandbox):
    worker = sandbox.deploy("busy", source=BUSY, concurrency=1, queue=0)
    async with sandbox.serve(port=0, worker="busy") as server, client(server) as http:
        asking = asyncio.ensure_future(http.get("/"))
        await worker.module.begun.wait()
        response = await http.get("/")
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        asking.cancel()
        await until(lambda: sandbox.queue("busy").running == 0)


async def test_the_answer_of_a_worker_that_never_comes_is_a_504(sandbox, log):
    limits = rpclab.ServerLimits(answer_seconds=0.1)
    async with sandbox.serve(port=0, limits=limits) as server, client(server) as http:
        assert (await http.get("/hang")).status_code == 504
        await until(lambda: log == ["hanging", "hang left"])


async def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(sandbox):
    limits = rpclab.ServerLimits(body_bytes=100_000)
    async with sandbox.serve(port=0, limits=limits) as server, client(server) as http:
        assert (await http.post("/count", content=b"x" * 100_000)).text == "100000"
        assert (await http.post("/count", content=b"x" * 100_001)).status_code == 413

        async def pieces():
            for _ in range(3):
                yield b"y" * 50_000

        assert (await http.post("/count", content=pieces())).status_code == 413


async def test_whoever_stops_in_the_middle_of_a_request_is_let_go(sandbox):
    limits = rpclab.ServerLimits(head_seconds=0.1, body_seconds=0.1)
    async with sandbox.serve(port=0, limits=limits) as server:
        for begin in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "):
            assert await raw(server, begin) == b""
        answer = await raw(
            server, b"POST /count HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\nx"
        )
        assert answer.startswith((b"HTTP/1.1 408", b"HTTP/1.1 500"))


async def test_a_head_without_end_is_cut_off(sandbox):
    async with sandbox.serve(port=0) as server:
        place = urlsplit(server.url)
        _, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(b"GET / HTTP/1.1\r\n")

        async def go_on():
            for _ in range(1000):
                writer.write(b"X: " + b"y" * 10_000 + b"\r\n")
                await writer.drain()

        with pytest.raises(ConnectionError):
            await go_on()
        writer.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n", b"421"),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.test\r\nConnection: close\r\n\r\n", b"421"),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"421"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"201"),
        (b"GET / HTTP/1.1\r\nHost: LOCALHOST:1\r\nConnection: close\r\n\r\n", b"201"),
        (b"GET / HTTP/1.1\r\nHost: [::1]:9\r\nConnection: close\r\n\r\n", b"201"),
    ],
    ids=["nonsense", "evil", "below evil", "none", "localhost", "with a port", "IPv6"],
)
async def test_a_server_on_the_loopback_is_asked_by_names_of_this_machine_alone(
    sandbox, request_, status
):
    async with sandbox.serve(port=0) as server:
        assert (await raw(server, request_)).startswith(b"HTTP/1.1 " + status)


async def test_other_names_can_be_allowed(sandbox):
    async with (
        sandbox.serve(port=0, hosts=["app.test", "*.hub.test"]) as server,
        client(server) as http,
    ):
        for host, status in (("app.test", 201), ("a.b.hub.test", 201), ("hub.test", 421)):
            assert (await http.get("/", headers={"host": host})).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"origin": "http://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1.evil.test"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://localhost:5173"}, 201),
        ({"origin": "https://good.test"}, 201),
        ({"origin": "HERE"}, 201),
    ],
    ids=str,
)
async def test_pages_of_other_sites_send_nothing(sandbox, headers, status):
    async with (
        sandbox.serve(port=0, origins=["https://good.test"]) as server,
        client(server) as http,
    ):
        headers = {name: value.replace("HERE", server.url) for name, value in headers.items()}
        for method in ("POST", "PUT", "DELETE"):
            response = await http.request(method, "/", headers=headers)
            assert response.status_code == status
        assert (await http.get("/", headers=headers)).status_code == 201


async def test_with_a_token_nobody_comes_in_without(sandbox):
    async with sandbox.serve(port=0, token="s3cret") as server, client(server) as http:
        assert server.address == f"{server.url}?token=s3cret"
        for headers, query in (({}, ""), ({}, "?token=no"), ({"authorization": "Bearer no"}, "")):
            response = await http.get(f"/{query}", headers=headers)
            assert response.status_code == 401
        bearer = {"authorization": "Bearer s3cret"}
        assert (await http.post("/", headers=bearer)).text == f"POST {server.url}/ "
        assert "authorization" not in (await http.get("/headers", headers=bearer)).json()
        page = await http.get("/?token=s3cret&a=b")
        assert page.text == f"GET {server.url}/?a=b "
        assert "HttpOnly" in page.headers["set-cookie"]
        # What the page loads in turn comes with the cookie, which the Worker does not see.
        seen = await http.get("/headers")
        assert seen.status_code == 200
        assert "cookie" not in seen.json()


async def test_a_worker_is_not_told_the_token_wherever_a_browser_says_it(sandbox):
    async with sandbox.serve(port=0, token="s3cret") as server, client(server) as http:
        came = {
            "referer": f"{server.url}/page?token=s3cret&a=b",
            "cookie": f"mine=1; {Admission(token='s3cret').cookie_name}=s3cret; yours=2",
            "empty": "",
        }
        seen = (await http.get("/headers?%74oken=s3cret", headers=came)).json()
        assert seen["referer"] == f"{server.url}/page?a=b"
        assert seen["cookie"] == "mine=1; yours=2"
        assert seen["empty"] == ""
        asked = await http.get("/?%74oken=s3cret&a=b")
        assert "s3cret" not in asked.text


async def test_a_host_that_is_none_does_not_get_into_the_address_a_worker_is_asked_at(sandbox):
    async with sandbox.serve(port=0, token="s3cret") as server, client(server) as http:
        for host in ("a/admin?", "user:word@a", "a#", "[::1", "a:1:2", "a b"):
            headers = {"host": host, "authorization": "Bearer s3cret"}
            assert (await http.get("/index", headers=headers)).status_code == 400
        for host in ("a", "a:", "A.example.:80", "[::1]:80"):
            headers = {"host": host, "authorization": "Bearer s3cret"}
            assert (await http.get("/index", headers=headers)).status_code == 201


def test_a_line_of_access_moves_no_cursor_whoever_said_what_is_in_it():
    line = str(Access("\x9b1m", "G\x1b[2J", "/\x1b]0;", 200, 0.0, 0, "", "bye\n\x1b[2J"))
    assert line.isprintable()
    assert "bye" in line


async def test_beyond_this_machine_a_server_makes_a_token_of_its_own(sandbox):
    async with sandbox.serve(host="0.0.0.0", port=0) as server:
        assert len(server.token) > 20
        async with httpx.AsyncClient(trust_env=False) as http:
            url = f"http://127.0.0.1:{server.port}/"
            assert (await http.get(url)).status_code == 401
            assert (await http.get(f"{url}?token={server.token}")).status_code == 201
    async with sandbox.serve(host="0.0.0.0", port=0, insecure=True) as server:
        assert server.token is None
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"http://127.0.0.1:{server.port}/")).status_code == 201


async def test_routes_and_names_decide_which_worker_answers(sandbox):
    for name in ("shop", "admin"):
        sandbox.deploy(name, source="from workers import Response, WorkerEntrypoint\n"
            "class Default(WorkerEntrypoint):\n"
            "    def fetch(self, request):\n"
            f"        return Response('{name} ' + request.url.partition('/')[2])\n")  # fmt: skip
    routes = {"/admin": "admin", "shop.test": "shop", "shop.test/admin": "web"}
    async with (
        sandbox.serve(port=0, routes=routes, hosts=["*"]) as server,
        client(server) as http,
    ):

        async def who(path, host="127.0.0.1"):
            return (await http.get(path, headers={"host": host})).text.split()[0]

        assert await who("/") == "GET"
        assert [await who("/admin"), await who("/admin/x")] == ["admin", "admin"]
        assert [await who("/", "shop.test"), await who("/", "shop.localhost:1")] == ["shop", "shop"]
        assert await who("/admin/cookies", "shop.test:80") == "The"  # the Worker failed


async def test_where_no_worker_answers_it_is_a_404_and_told_why(sandbox):
    sandbox.deploy("mute", source="x = 1")
    told = []
    async with (
        sandbox.serve(port=0, worker="mute", routes={"/gone": "gone"}, tell=told.append) as server,
        client(server) as http,
    ):
        for path, host in [("/", "127.0.0.1"), ("/", "mute.localhost"), ("/gone", "127.0.0.1")]:
            answer = await http.get(path, headers={"host": host})
            assert answer.status_code == 404
            assert "mute" not in answer.text
    none = 'the Worker "mute" exports no entrypoint "Default"'
    assert [each.note for each in told] == [none, none, 'no Worker "gone" is deployed']
    assert {each.status for each in told} == {404}
    async with rpclab.serve(lambda: 1, "http://127.0.0.1:0/api") as server, client(server) as http:
        assert (await http.get("/")).status_code == 404
        assert (await http.get("/api")).status_code == 405


async def test_a_deploy_is_served_from_then_on(sandbox):
    async with sandbox.serve(port=0) as server, client(server) as http:
        assert (await http.get("/")).status_code == 201
        sandbox.deploy("web", source="from workers import Response, WorkerEntrypoint\n"
            "class Default(WorkerEntrypoint):\n"
            "    def fetch(self, request):\n"
            "        return Response('new')\n")  # fmt: skip
        assert (await http.get("/")).text == "new"


async def test_a_server_that_stops_lets_requests_end_and_takes_no_more(sandbox, log):
    server = await sandbox.serve(port=0)
    async with client(server) as http:
        slow = asyncio.ensure_future(http.get("/slow"))
        await until(lambda: log == ["slow"])
        stop = asyncio.ensure_future(server.stop())
        await until(lambda: server.application.sessions.stopping)
        with pytest.raises(httpx.ConnectError):
            await httpx.AsyncClient(trust_env=False).get(server.url)
        sandbox.worker("web").module.released.set()
        assert (await slow).text == "done"
        await stop
    await server.stop()


async def test_each_request_is_told_of_in_a_line_without_the_token(sandbox, lines):
    async with (
        sandbox.serve(port=0, token="s3cret", tell=lines.append) as server,
        client(server) as http,
    ):
        await http.get("/none?token=s3cret")
        http.cookies.clear()
        await http.get("/other?token=wrong")
    assert [line.status for line in lines] == [204, 401]
    assert (lines[0].worker, lines[0].path, lines[0].method) == ("web", "/none", "GET")
    assert "s3cret" not in "".join(map(str, lines))
    assert str(lines[0]).startswith("127.0.0.1 GET /none 204 ")


async def test_behind_a_proxy_the_prefix_is_left_out(sandbox):
    serving = sandbox.serve(port=0, prefix="/user/me/proxy/1")
    async with serving as server, httpx.AsyncClient(trust_env=False) as http:
        response = await http.get(f"{server.url}/headers")
        assert response.status_code == 200
        base = server.url.removesuffix("/user/me/proxy/1")
        assert (await http.get(f"{base}/headers")).status_code == 200


async def test_small_pieces_are_sent_at_once(sandbox):
    async with sandbox.serve(port=0) as server:
        assert server._listening.proto == socket.IPPROTO_TCP


async def test_a_port_that_is_taken_is_named(sandbox):
    async with sandbox.serve(port=0) as server:
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{server.port}"):
            await sandbox.serve(port=server.port)


async def test_the_workers_can_be_mounted_in_another_application(sandbox):
    app = rpclab.asgi(sandbox)

    async def outer(scope, receive, send):
        scope = {**scope, "root_path": "/mounted"}
        await app(scope, receive, send)

    transport = httpx.ASGITransport(outer)
    async with httpx.AsyncClient(transport=transport, base_url="http://any.test") as http:
        response = await http.post("/mounted/?a=b", content="tea")
        assert response.text == "POST http://any.test/?a=b tea"
        assert (await http.get("/mounted/few")).status_code == 200
