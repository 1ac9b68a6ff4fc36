"""Areas R, and what else speaks of HTTP: messages that cross, and calls that are HTTP calls."""

from __future__ import annotations

import asyncio
import urllib.parse

import pytest
from httpx import URL
from support.world import failure

import rpclab
from rpclab import Blob, Headers, ReadableStream, Request, Response
from rpclab.workers import File, FormData

USED = (
    "Body has already been used. It can only be used once."
    " Use tee() first if you need to read it twice."
)
LOCKED = "The ReadableStream has been locked to a reader."

MESSAGES = """
    from workers import ReadableStream, Request, Response, RpcTarget, WorkerEntrypoint
    class Default(WorkerEntrypoint):
        def text(self):
            headers = {"X-One": "1", "content-type": "text/x"}
            return Response("body text", status=418, status_text="Teapot", headers=headers)
        def none(self):
            return Response(None, status=204)
        def json(self):
            return Response.json({"a": [1]})
        def cookies(self):
            response = Response("c")
            for name, value in [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-M", "1")]:
                response.headers.append(name, value)
            response.headers.append("X-M", "2")
            return response
        def redirect(self):
            return Response.redirect("http://x/y", 302)
        async def see(self, r):
            fields = [r.method, r.url, r.headers.items(), r.redirect, r.cf]
            return fields, await r.text(), r.body_used
        def echo(self, value):
            return value
        async def take(self, message):
            return await message.text()
        async def keep(self, message):
            copy = message.clone()
            return [await message.text(), await copy.text()]
        def many(self):
            request = Request("http://x/", method="POST", body="C")
            return {"a": Response("A"), "list": [Response("B"), request]}
        def large(self):
            return Response(b"x" * 2 * 2**20)
        def big(self):
            return Response(b"x" * 40 * 2**20)
"""


@pytest.fixture
def http(world):
    """The binding of a Worker that takes and gives messages."""
    return world.deploy(MESSAGES).CALLEE


async def test_R1_a_response_keeps_status_headers_and_body(http):
    response = await http.text()
    assert type(response) is Response
    assert (response.status, response.status_text, response.ok) == (418, "Teapot", False)
    assert response.headers.items() == [("content-type", "text/x"), ("x-one", "1")]
    assert (response.url, response.type, response.redirected) == ("", "default", False)
    assert response.body_used is False
    assert await response.text() == "body text"
    assert response.body_used is True
    assert await (await http.json()).json() == {"a": [1]}


async def test_R1_a_null_body_stays_null_and_a_redirect_keeps_its_location(http):
    none = await http.none()
    assert (none.status, none.body, await none.text(), none.body_used) == (204, None, "", False)
    redirect = await http.redirect()
    assert (redirect.status, redirect.headers["location"]) == (302, "http://x/y")


async def test_R1_several_cookies_stay_apart(http):
    response = await http.cookies()
    assert response.headers.items() == [
        ("content-type", "text/plain;charset=UTF-8"),
        ("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-m", "1, 2"),
    ]  # fmt: skip


async def test_R2_a_request_keeps_method_url_headers_mode_cf_and_body(http):
    request = Request(
        "http://host.test/p?q=1#frag", method="PUT", body="the body", redirect="manual",
        headers={"X-A": "b", "Content-Type": "text/z"}, cf={"k": [1]},
    )  # fmt: skip
    seen, body, used = await http.see(request)
    assert seen == [
        "PUT", "http://host.test/p?q=1#frag", [("content-type", "text/z"), ("x-a", "b")],
        "manual", {"k": [1]},
    ]  # fmt: skip
    assert (body, used, request.body_used) == ("the body", True, True)


async def test_R2_a_get_has_no_body_and_stays_unused(http):
    request = Request("http://h/")
    assert await http.see(request) == (["GET", "http://h/", [], "follow", None], "", False)
    assert request.body_used is False


async def test_R3_headers_are_copied_sorted_and_joined_with_cookies_apart(http):
    pairs = [("X-Big", "A"), ("a-small", "1"), ("X-Big", "B"), ("Set-Cookie", "x=1"),
             ("Set-Cookie", "y=2")]  # fmt: skip
    sent = Headers(pairs)
    back = await http.echo(sent)
    assert type(back) is Headers
    assert back is not sent
    assert back.items() == [
        ("a-small", "1"), ("set-cookie", "x=1"), ("set-cookie", "y=2"), ("x-big", "A, B"),
    ]  # fmt: skip
    assert back.get_set_cookie() == ["x=1", "y=2"]


async def test_R4_a_body_is_read_once(http):
    response = await http.text()
    await response.text()
    error = await failure(response.text())
    assert (type(error), str(error)) == (TypeError, USED)


@pytest.mark.parametrize("size", [4, 2**20 + 1])
async def test_R4_sending_uses_the_body_of_the_sender(http, size):
    body = "b" * size
    for message in (Request("http://x/", method="POST", body=body), Response(body)):
        assert await http.take(message) == body
        assert message.body_used is True
        error = await failure(message.text())
        assert (type(error), str(error)) == (TypeError, USED)
        error = await failure(http.take(message))
        assert isinstance(error, TypeError)
        assert str(error) == LOCKED
        assert error.remote is False


async def test_R4_what_was_read_cannot_be_sent(http):
    response = Response("x")
    await response.bytes()
    assert str(await failure(http.take(response))) == LOCKED


async def test_R4_a_clone_is_sent_to_keep_the_body(http):
    original = Response("orig")
    assert await http.take(original.clone()) == "orig"
    assert await original.text() == "orig"
    assert await http.keep(Response("cl")) == ["cl", "cl"]


async def test_R5_the_response_is_there_before_its_body_is(world):
    world.deploy("""
        from workers import ReadableStream, Response
        async def chunks():
            for n in (1, 2, 3):
                await sleep(8)
                log(("produce", n))
                yield f"p{n}"
        class Default(WorkerEntrypoint):
            def slow(self):
                return Response(ReadableStream(chunks()), headers={"x-h": "1"})
            def of_a_generator(self):
                return Response(chunks())
    """)
    for method in (world.env.CALLEE.slow, world.env.CALLEE.of_a_generator):
        world.log.clear()
        response = await method()
        world.log.append(("have response", response.status))
        assert await response.text() == "p1p2p3"
        assert world.log == [("have response", 200), *(("produce", n) for n in (1, 2, 3))]


async def test_R6_messages_nest_in_results_and_survive_their_disposal(http):
    many = await http.many()
    bodies = [await m.text() for m in (many["a"], *many["list"])]
    assert bodies == ["A", "B", "C"]
    async with http.many() as many:
        pass
    assert await many["a"].text() == "A"


async def test_V9_one_response_mentioned_twice_is_one_at_the_other_side(http):
    response = Response("shared")
    one, two = await http.echo([response, response])
    assert one is two
    assert await one.text() == "shared"


@pytest.mark.parametrize("size", [4, 2**20 + 1])
async def test_V22_a_refused_message_leaves_the_body_usable(http, size):
    response = Response("b" * size)
    request = Request("http://h/", method="POST", body="c" * size)
    assert isinstance(await failure(http.echo([response, request, object()])), TypeError)
    assert (response.body_used, request.body_used) == (False, False)
    assert len(await response.text()) == size
    assert await http.take(request) == "c" * size


async def test_V22_a_result_that_cannot_be_sent_leaves_the_body_usable(world):
    env = world.deploy("""
        from workers import Response
        kept = Response("still here")
        class Default(WorkerEntrypoint):
            def refused(self):
                return [kept, object()]
            def sent(self):
                return kept
    """)
    assert isinstance(await failure(env.CALLEE.refused()), rpclab.DataCloneError)
    assert await (await env.CALLEE.sent()).text() == "still here"


async def test_V23_a_body_may_be_larger_than_a_message(http):
    assert len(await (await http.big()).bytes()) == 40 * 2**20


async def test_V19_a_promised_response_arrives_and_the_caller_keeps_its_own(http):
    for promise in (http.text(), http.redirect()):
        again = http.echo(promise)
        assert (await again).status == (await promise).status
    promise = http.text()
    assert await http.take(promise) == "body text"
    assert await (await promise).text() == "body text"
    promise = http.large()
    assert len(await http.take(promise)) == len(await (await promise).bytes()) == 2 * 2**20


async def test_V19_a_promised_stream_body_has_one_reader(world):
    env = world.deploy("""
        from workers import Response
        class Default(WorkerEntrypoint):
            def streamed(self):
                return Response(iter([b"a", b"b"]))
            async def take(self, message):
                return await message.text()
    """)
    promise = env.CALLEE.streamed()
    assert str(await failure(env.CALLEE.take(promise))) == LOCKED
    assert await (await promise).text() == "ab"


async def test_L7_nothing_is_pipelined_on_a_response(http):
    assert "does not implement" in str(await failure(http.text().status))


def web_objects():
    yield Blob(["ab", b"c"], content_type="Text/X"), lambda blob: [blob.size, blob.content_type]
    yield Headers({"x": "1"}), list
    yield Response("x"), lambda response: response.status
    yield Request("http://h/"), lambda request: request.url


@pytest.mark.parametrize(("value", "look"), list(web_objects()), ids=lambda v: type(v).__name__)
async def test_V18_headers_request_response_and_blob_can_be_sent(http, value, look):
    back = await http.echo({"in": [value]})
    assert type(back["in"][0]) is type(value)
    assert look(back["in"][0]) == look(value)


async def test_V18_a_blob_keeps_its_bytes_and_a_stream_can_be_sent(http):
    assert await (await http.echo(Blob("bytes"))).text() == "bytes"
    assert await (await http.echo(ReadableStream([b"a", b"b"]))).bytes() == b"ab"


class Teapot(Response):
    pass


REFUSED = [
    (FormData({"a": "b"}),
     "send it as the body of a Request or Response, or send list(value.items())"),
    (File("x", "n.txt"), "a subclass would lose its class: send Blob(value), and its name"),
    (URL("http://a/b"), "send str(value)"),
    (urllib.parse.urlsplit("http://a/b"), "send value.geturl()"),
    (Teapot("x"), "a subclass would lose its class: send Response(value)"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "advice"), REFUSED, ids=lambda v: type(v).__name__)
async def test_V18_forms_files_and_urls_cannot_be_sent(http, value, advice):
    error = await failure(http.echo({"at": value}))
    assert isinstance(error, rpclab.DataCloneError)
    assert error.path == 'args[0]["at"]'
    assert error.__notes__ == [advice]


async def test_Z4_a_response_on_an_error_travels_and_a_used_one_costs_the_attributes(world):
    env = world.deploy("""
        from workers import Response
        class Default(WorkerEntrypoint):
            async def fail(self, used):
                error = ValueError("no")
                error.response = Response("the answer")
                if used:
                    await error.response.text()
                raise error
    """)
    error = await failure(env.CALLEE.fail(used=False))
    assert await error.response.text() == "the answer"
    error = await failure(env.CALLEE.fail(used=True))
    assert str(error) == "no"
    assert not hasattr(error, "response")


SERVER = """
    from urllib.parse import urlsplit
    from workers import Response, RpcTarget
    class Target(RpcTarget):
        def fetch(self, *args):
            return ["a method", *args]
        def connect(self, *args):
            return ["a method", *args]
    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            path = urlsplit(request.url).path
            log((request.method, request.url))
            if path == "/throw":
                raise ValueError("in fetch")
            if path == "/redir":
                return Response.redirect("http://h/target", 302)
            if path == "/bad":
                return "not a response"
            if path == "/nothing":
                return None
            return Response(f"{request.method} {path} {request.headers.get('x-q', '-')}")
        def target(self):
            return Target()
    class Plain(WorkerEntrypoint):
        def fetch(self, request):
            return Response("at once")
    class Without(WorkerEntrypoint):
        def __init__(self, ctx, env):
            super().__init__(ctx, env)
            self.fetch = lambda request: Response("hidden")
    class Broken(WorkerEntrypoint):
        def __init__(self, ctx, env):
            raise LookupError("no such luck")
    class Own(Response):
        pass
    class Special(WorkerEntrypoint):
        def fetch(self, request):
            return Own("special")
"""


@pytest.fixture
def server(world):
    """The environment of whoever calls a Worker that serves HTTP."""
    world.deploy(SERVER)
    names = ("Plain", "Without", "Broken", "Special")
    return world.bind(**{name.upper(): f"callee#{name}" for name in names})


async def test_C19_fetch_on_a_binding_is_an_http_call(server, world):
    response = await server.CALLEE.fetch("http://h/x", headers={"x-q": "1"})
    assert (response.status, response.redirected, await response.text()) == (200, False, "GET /x 1")
    response = await server.CALLEE.fetch(Request("http://h/y", method="DELETE"))
    assert await response.text() == "DELETE /y -"
    assert response.url == "http://h/y"
    assert world.log == [("GET", "http://h/x"), ("DELETE", "http://h/y")]


async def test_C19_fetch_on_a_target_is_an_ordinary_method(server):
    with server.CALLEE.target() as target:
        assert await target.fetch("http://h/", 2) == ["a method", "http://h/", 2]
        assert await (await target).fetch(1) == ["a method", 1]


async def test_C19_a_method_that_is_not_async_answers_too(server):
    assert await (await server.PLAIN.fetch("http://h/")).text() == "at once"


async def test_C19_a_path_is_completed_with_the_name_of_the_worker(server, world):
    await server.CALLEE.fetch("/a?b")
    assert world.log == [("GET", "http://callee/a?b")]


async def test_C25_an_http_call_is_sent_when_it_is_made(server, world):
    fetching = server.CALLEE.fetch("http://h/x")
    await asyncio.sleep(1)
    assert world.log == [("GET", "http://h/x")]
    assert await fetching is await fetching


async def test_C20_connect_is_an_ordinary_method_on_a_target_and_refused_on_a_binding(server):
    with server.CALLEE.target() as target:
        assert await target.connect(1) == ["a method", 1]
    with pytest.raises(rpclab.RpcError, match="not supported") as caught:
        server.CALLEE.connect("host:80")
    assert caught.value.__notes__ == ["use fetch(), or a method that takes and returns streams"]


async def test_E12_fetch_on_an_entrypoint_without_one_says_so(server):
    error = await failure(server.WITHOUT.fetch("http://h/"))
    assert (type(error), str(error)) == (
        rpclab.RpcError, "Handler does not export a fetch() function.",
    )  # fmt: skip
    assert error.remote is True
    assert "Without answers HTTP once it has `async def fetch(self, request)`" in error.__notes__


async def test_E4_an_error_of_the_constructor_reaches_whoever_fetches(server):
    error = await failure(server.BROKEN.fetch("http://h/"))
    assert (type(error), str(error)) == (LookupError, "no such luck")


async def test_E6_a_module_level_fetch_gets_request_env_and_ctx(sandbox):
    sandbox.deploy("callee", vars={"WORD": "hi"}, source="""
from workers import Response
async def fetch(request, env, ctx):
    ctx.wait_until(None)
    return Response(f"{env.WORD} {request.method}")
""")  # fmt: skip
    env = sandbox.bind(CALLEE="callee")
    assert await (await env.CALLEE.fetch("http://h/")).text() == "hi GET"


async def test_R7_an_error_thrown_in_fetch_reaches_the_caller_as_that_error(server):
    error = await failure(server.CALLEE.fetch("http://h/throw"))
    assert (type(error), str(error), error.remote) == (ValueError, "in fetch", True)


@pytest.mark.parametrize(
    ("path", "kind", "advice"),
    [("bad", "str", "return Response(value)"), ("nothing", "NoneType", "is a `return` missing?")],
)
async def test_R7_a_result_that_is_no_response_is_a_type_error(server, path, kind, advice):
    error = await failure(server.CALLEE.fetch(f"http://h/{path}"))
    assert isinstance(error, TypeError)
    assert str(error) == f"fetch() must return a Response, not {kind}"
    assert error.remote is True
    assert advice in error.__notes__


async def test_R7_a_response_of_the_workers_own_class_arrives_as_a_response(server):
    response = await server.SPECIAL.fetch("http://h/")
    assert type(response) is Response
    assert await response.text() == "special"


async def test_R7_a_redirect_is_followed_through_the_same_binding(server, world):
    response = await server.CALLEE.fetch("http://h/redir")
    assert (response.status, response.redirected) == (200, True)
    assert (await response.text(), response.url) == ("GET /target -", "http://h/target")
    assert world.log == [("GET", "http://h/redir"), ("GET", "http://h/target")]


async def test_R7_a_redirect_is_given_where_redirect_is_manual(server, world):
    response = await server.CALLEE.fetch("http://h/redir", redirect="manual")
    assert (response.status, response.redirected, await response.text()) == (302, False, "")
    assert len(world.log) == 1


async def test_C19_a_worker_passes_a_request_on_and_the_redirect_back(world):
    world.deploy(SERVER)
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def fetch(self, request):
                return await self.env.NEXT.fetch(request)
    """, name="proxy", NEXT="callee")  # fmt: skip
    response = await env.PROXY.fetch("http://h/redir", redirect="manual")
    assert response.status == 302
    response = await env.PROXY.fetch("http://h/redir")
    assert (await response.text(), response.redirected) == ("GET /target -", True)
    assert [url for _, url in world.log] == ["http://h/redir", "http://h/redir", "http://h/target"]


async def test_C19_a_binding_in_a_result_is_fetched_without_waiting_for_it(world):
    world.deploy(SERVER)
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            def next(self):
                return self.env.NEXT
    """, name="middle", NEXT="callee")  # fmt: skip
    with world.sandbox.trace() as trace:
        response = await env.MIDDLE.next().fetch("http://h/x", method="POST")
    assert await response.text() == "POST /x -"
    assert trace.round_trips == 2
