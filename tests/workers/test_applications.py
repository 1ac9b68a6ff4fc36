"""Applications that speak ASGI or WSGI answer the requests of a Worker."""

from __future__ import annotations

import asyncio

import pytest
from support.world import failure

import rpclab
from rpclab import DisconnectedError

HEAD = """
import asyncio
from workers import Response, WorkerEntrypoint, asgi, wsgi
seen = []
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/x")]}
def body(data, more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}
class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return await kind.fetch(app, request, self.env, self.ctx)
    def seen(self):
        return seen
"""


@pytest.fixture
def deploy(sandbox):
    """Deploy a Worker around an application; gives the program's binding to it."""

    def deploy(kind, app, **options):
        sandbox.deploy("w", source=f"{HEAD}\nkind = {kind}\n{app}", **options)
        return sandbox.bind(W="w").W

    return deploy


# ASGI.


async def test_asgi_a_request_is_described_as_the_specification_says(deploy):
    worker = deploy(
        "asgi",
        """
async def app(scope, receive, send):
    if scope["type"] == "http":
        keep = {key: value for key, value in scope.items() if key not in ("env", "headers")}
        seen.append([keep, scope["headers"], scope["env"].A])
        await send(START)
        await send(body(b""))
""",
        vars={"A": "variable"},
    )
    url = "https://shop.example:8443/a%20b/%C3%A9?q=1%2B&r"
    await worker.fetch(url, method="PUT", headers={"X-One": "é"}, body="x")
    [[scope, headers, variable]] = await worker.seen()
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "PUT",
        "scheme": "https",
        "path": "/a b/é",
        "raw_path": b"/a%20b/%C3%A9",
        "root_path": "",
        "query_string": b"q=1%2B&r",
        "client": None,
        "server": ("shop.example", 8443),
        "state": {},
    }
    assert dict(headers) == {
        b"content-type": b"text/plain;charset=UTF-8",
        b"x-one": "é".encode("latin-1"),
        b"host": b"shop.example:8443",
    }
    assert variable == "variable"


async def test_asgi_the_body_of_a_request_comes_in_parts_and_then_an_end(deploy):
    worker = deploy(
        "asgi",
        """
async def app(scope, receive, send):
    if scope["type"] == "http":
        got = []
        while not got or got[-1]["more_body"]:
            got.append(await receive())
        seen.extend([part["body"], part["more_body"]] for part in got)
        await send(START)
        await send(body(b"".join(part["body"] for part in got)))
""",
    )
    stream = rpclab.ReadableStream(part for part in (b"one", b"two"))
    response = await worker.fetch("/", method="POST", body=stream)
    assert await response.bytes() == b"onetwo"
    seen = await worker.seen()
    assert b"".join(part for part, _ in seen) == b"onetwo"
    assert [more for _, more in seen][-1] is False
    assert response.headers["content-type"] == "text/x"


async def test_asgi_a_response_is_streamed_as_it_is_read(deploy):
    worker = deploy(
        "asgi",
        """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send(START)
        for number in range(300):
            await send(body(bytes(100_000), more=True))
            seen.append(number)
        await send(body(b""))
""",
    )
    response = await worker.fetch("/")
    first = await response.body.read()
    assert first == bytes(len(first))
    assert len(await worker.seen()) < 200
    assert len(first) + len(await response.body.bytes()) == 30_000_000
    assert len(await worker.seen()) == 300


async def test_asgi_an_application_hears_that_nobody_reads_any_more(deploy):
    worker = deploy(
        "asgi",
        """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await receive()
        await send(START)
        await send(body(b"first", more=True))
        seen.append((await receive())["type"])
        await send(body(b"into the void", more=True))
        seen.append("over")
""",
    )
    response = await worker.fetch("/")
    assert await response.body.read() == b"first"
    await response.body.cancel()
    await asyncio.sleep(1)
    assert await worker.seen() == ["http.disconnect", "over"]


async def test_asgi_work_after_the_response_is_finished(deploy):
    worker = deploy(
        "asgi",
        """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send(START)
        await send(body(b"at once"))
        await asyncio.sleep(1)
        seen.append((await receive())["type"])
        seen.append((await receive())["type"])
""",
    )
    response = await worker.fetch("/")
    assert (await response.text(), await worker.seen()) == ("at once", [])
    await asyncio.sleep(2)
    assert await worker.seen() == ["http.request", "http.disconnect"]


async def test_asgi_an_application_begins_and_ends_with_a_request(deploy):
    worker = deploy(
        "asgi",
        """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        seen.append((await receive())["type"])
        scope["state"]["pool"] = "open"
        await send({"type": "lifespan.startup.complete"})
        seen.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})
    else:
        seen.append(scope["state"])
        await send(START)
        await send(body(b"x"))
""",
    )
    await worker.fetch("/")
    assert await worker.seen() == ["lifespan.startup", {"pool": "open"}, "lifespan.shutdown"]


@pytest.mark.parametrize(
    "lifespan", ["raise ValueError('what is that?')", "assert False", "return"]
)
async def test_asgi_an_application_may_know_of_no_lifespan(deploy, lifespan):
    worker = deploy(
        "asgi",
        f"""
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        {lifespan}
    await send(START)
    await send(body(b"x"))
""",
    )
    assert await (await worker.fetch("/")).text() == "x"


@pytest.mark.parametrize(
    ("app", "kind", "said"),
    [
        ("raise KeyError('a')", KeyError, "'a'"),
        ("pass", RuntimeError, "The application did not generate a response"),
        ("await send(START)", RuntimeError, "The application did not generate a response"),
        ("await send(body(b''))", RuntimeError, "http.response.body does not follow here"),
        ("await send({'type': 'websocket.accept'})", RuntimeError, "websocket.accept does not"),
        ("await send(START), await send(START)", RuntimeError, "http.response.start does not"),
    ],
)
async def test_asgi_what_goes_wrong_before_the_response_reaches_the_caller(deploy, app, kind, said):
    source = f"async def app(scope, receive, send):\n    if scope['type'] == 'http':\n        {app}"
    error = await failure(deploy("asgi", source).fetch("/"))
    assert type(error) is kind
    assert str(error).startswith(said)


@pytest.mark.expects_reports
@pytest.mark.parametrize("rest", ["raise KeyError('a')", "return"])
async def test_asgi_a_response_that_breaks_off_does_so_for_its_reader(deploy, rest, caplog):
    worker = deploy(
        "asgi",
        f"""
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send(START)
        await send(body(b"half", more=True))
        {rest}
""",
    )
    response = await worker.fetch("/")
    assert type(await failure(response.bytes())) is DisconnectedError
    await asyncio.sleep(1)
    assert ("KeyError" in caplog.text) == ("KeyError" in rest)


async def test_asgi_an_application_that_cannot_begin_is_told(deploy):
    worker = deploy(
        "asgi",
        """
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
""",
    )
    assert str(await failure(worker.fetch("/"))) == "no database"


@pytest.mark.parametrize(
    ("method", "status", "text"), [("HEAD", 200, ""), ("GET", 204, ""), ("GET", 200, "x")]
)
async def test_asgi_a_response_without_a_body_has_none(deploy, method, status, text):
    worker = deploy(
        "asgi",
        f"""
async def app(scope, receive, send):
    if scope["type"] == "http":
        cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await send({{"type": "http.response.start", "status": {status}, "headers": cookies}})
        await send(body(b"x", more=True))
        await send(body(b""))
""",
    )
    response = await worker.fetch("/", method=method)
    assert (response.status, await response.text()) == (status, text)
    assert response.headers.get_set_cookie() == ["a=1", "b=2"]


# WSGI.


async def test_wsgi_a_request_is_described_as_the_specification_says(deploy):
    worker = deploy(
        "wsgi",
        """
def app(environ, start_response):
    seen.append({key: value for key, value in environ.items() if type(value) is str})
    seen.append([environ["wsgi.input"].read(), environ["workers.env"].A])
    start_response("201 All Right", [("x-app", "wsgi"), ("set-cookie", "a"), ("set-cookie", "b")])
    return [b"an", b"", b"swer"]
""",
        vars={"A": "variable"},
    )
    url = "https://shop.example/a%20b/%C3%A9?q=1%2B"
    headers = [("X-One", "1"), ("X-One", "2"), ("Content-Type", "text/x")]
    response = await worker.fetch(url, method="POST", headers=headers, body="given")
    environ, rest = await worker.seen()
    assert environ == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b/é".encode().decode("latin-1"),
        "QUERY_STRING": "q=1%2B",
        "SERVER_NAME": "shop.example",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": "5",
        "CONTENT_TYPE": "text/x",
        "HTTP_HOST": "shop.example",
        "HTTP_X_ONE": "1, 2",
        "wsgi.url_scheme": "https",
    }
    assert rest == [b"given", "variable"]
    assert (response.status, response.status_text) == (201, "All Right")
    assert response.headers.get_set_cookie() == ["a", "b"]
    assert await response.text() == "answer"


async def test_wsgi_what_follows_the_first_bytes_is_streamed_and_closed_at_the_end(deploy):
    worker = deploy(
        "wsgi",
        """
class Chunks:
    def __iter__(self):
        for number in range(300):
            seen.append(number)
            yield bytes(100_000)
    def close(self):
        seen.append("closed")
def app(environ, start_response):
    start_response("200 OK", [])
    return Chunks()
""",
    )
    response = await worker.fetch("/")
    await response.body.read()
    assert len(await worker.seen()) < 200
    await response.body.cancel()
    await asyncio.sleep(1)
    assert (await worker.seen())[-1] == "closed"


async def test_wsgi_the_head_may_come_with_the_first_bytes_and_bytes_by_write(deploy):
    worker = deploy(
        "wsgi",
        """
def app(environ, start_response):
    write = start_response("200 OK", [])
    write(b"written ")
    try:
        raise ValueError
    except ValueError:
        import sys
        start_response("500 Oh", [("x-head", "second")], sys.exc_info())
    yield b""
    yield b"given"
""",
    )
    response = await worker.fetch("/")
    assert (response.status, response.headers["x-head"]) == (500, "second")
    assert await response.text() == "written given"


@pytest.mark.parametrize(
    ("app", "kind", "said"),
    [
        ("raise KeyError('a')", KeyError, "'a'"),
        ("return [b'x']", RuntimeError, "The WSGI application did not call start_response()"),
        ("return []", RuntimeError, "The WSGI application did not call start_response()"),
        (
            "start_response('200 OK', []); start_response('200 OK', [])",
            RuntimeError,
            "start_response() was called before",
        ),
    ],
)
async def test_wsgi_what_goes_wrong_before_the_response_reaches_the_caller(deploy, app, kind, said):
    worker = deploy("wsgi", f"def app(environ, start_response):\n    {app}")
    error = await failure(worker.fetch("/"))
    assert (type(error), str(error)) == (kind, said)


async def test_wsgi_a_response_that_breaks_off_does_so_for_its_reader(deploy):
    worker = deploy(
        "wsgi",
        """
def app(environ, start_response):
    start_response("200 OK", [])
    yield b"half"
    import sys
    try:
        1 / 0
    except ZeroDivisionError:
        start_response("500 Oh", [], sys.exc_info())  # too late, so it raises
""",
    )
    response = await worker.fetch("/")
    assert type(await failure(response.bytes())) is DisconnectedError


@pytest.mark.parametrize(
    ("method", "status", "text"),
    [("HEAD", "200 OK", ""), ("GET", "304 Not", ""), ("GET", "200", "x")],
)
async def test_wsgi_a_response_without_a_body_has_none(deploy, method, status, text):
    worker = deploy(
        "wsgi",
        f"def app(environ, start_response):\n    start_response({status!r}, [])\n    return [b'x']",
    )
    response = await worker.fetch("/", method=method)
    assert (response.status, await response.text()) == (int(status[:3]), text)
