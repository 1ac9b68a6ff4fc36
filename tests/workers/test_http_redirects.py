"""Redirects on a binding: methods, bodies and headers change as the Fetch standard says."""

from __future__ import annotations

import pytest
from support.world import failure

import rpclab
from rpclab import ReadableStream, Response
from rpclab.workers.http.fetching import MOST_REDIRECTS

SOURCE = """
    from urllib.parse import parse_qs, urlsplit
    from workers import Response
    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            parts = urlsplit(request.url)
            query = parse_qs(parts.query)
            body = await request.text()
            told = ("content-type", "authorization", "cookie", "host", "proxy-authorization", "x-a")
            kept = [name for name in told if name in request.headers]
            log((request.method, request.url, body, kept))
            if "to" not in query:
                return Response(f"at {parts.path}")
            status = int(query["status"][0])
            return Response("moved", status, headers={"location": query["to"][0]})
"""


@pytest.fixture
def binding(world):
    """The binding of a Worker that redirects as its URL says."""
    return world.deploy(SOURCE).CALLEE


def there(status, to="/end"):
    return f"http://h/start?status={status}&to={to}"


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [(301, "GET", "GET"), (301, "POST", "GET"), (301, "PUT", "PUT"), (302, "POST", "GET"),
     (303, "POST", "GET"), (303, "PUT", "GET"), (303, "HEAD", "HEAD"), (307, "POST", "POST"),
     (308, "DELETE", "DELETE")],
)  # fmt: skip
async def test_R7_a_redirect_changes_the_method_where_the_standard_says_so(
    binding, world, status, method, then
):
    body = None if method in ("GET", "HEAD") else "data"
    headers = {"x-a": "1", "authorization": "me"}
    response = await binding.fetch(there(status), method=method, body=body, headers=headers)
    assert (response.redirected, response.url) == (True, "http://h/end")
    expected = [*(["content-type"] if body and method == then else []), "authorization", "x-a"]
    seen = (then, "http://h/end", body if body and method == then else "", expected)
    assert world.log[1] == seen


async def test_R7_a_location_is_relative_to_where_it_was_said_and_keeps_the_fragment(
    binding, world
):
    url = "http://h/a/b?status=302&to=c%3Fstatus%3D302%26to%3D../d#f"
    response = await binding.fetch(url)
    assert [entry[1] for entry in world.log][1:] == [
        "http://h/a/c?status=302&to=../d#f", "http://h/d#f",
    ]  # fmt: skip
    assert response.url == "http://h/d"


@pytest.mark.parametrize("secret", ["authorization", "cookie", "host", "proxy-authorization"])
async def test_R7_another_origin_is_not_told_what_was_for_the_first(binding, world, secret):
    headers = {secret: "me", "x-a": "1"}
    for place in ("/end", "http://other/"):
        await binding.fetch(there(302, place), headers=headers)
    assert [entry[3] for entry in world.log if "status" not in entry[1]] == [
        [secret, "x-a"], ["x-a"],
    ]  # fmt: skip


async def test_R7_a_redirect_without_a_location_is_the_answer(world):
    env = world.deploy("""
        from workers import Response
        class Default(WorkerEntrypoint):
            def fetch(self, request):
                return Response("here", 302)
    """)
    response = await env.CALLEE.fetch("/")
    assert (response.status, response.redirected, await response.text()) == (302, False, "here")


async def test_R7_a_redirect_to_no_url_is_an_error(binding):
    assert "Invalid URL" in str(await failure(binding.fetch(there(302, "http://h:99999/"))))


async def test_R7_twenty_redirects_are_followed_and_no_more(world):
    env = world.deploy("""
        from workers import Response
        class Default(WorkerEntrypoint):
            def fetch(self, request):
                left = int(request.url.rpartition("/")[2])
                log(left)
                return Response.redirect(f"http://h/{left - 1}") if left else Response("end")
    """)
    assert await (await env.CALLEE.fetch(f"http://h/{MOST_REDIRECTS}")).text() == "end"
    world.log.clear()
    error = await failure(env.CALLEE.fetch("http://h/100"))
    assert isinstance(error, TypeError)
    assert "Too many redirects" in str(error)
    assert len(world.log) == MOST_REDIRECTS + 1


async def test_R7_a_body_that_was_a_stream_cannot_be_sent_again(binding, world):
    error = await failure(binding.fetch(there(307), method="POST", body=ReadableStream([b"x"])))
    assert isinstance(error, TypeError)
    assert "was a stream" in str(error)
    response = await binding.fetch(there(303), method="POST", body=ReadableStream([b"x"]))
    assert await response.text() == "at /end"


async def test_R7_a_large_body_is_sent_again(binding, world):
    await binding.fetch(there(307), method="POST", body="x" * (2**20 + 1))
    assert [len(entry[2]) for entry in world.log] == [2**20 + 1] * 2


async def test_a_head_request_has_no_body_in_its_answer(binding):
    response = await binding.fetch("http://h/", method="HEAD")
    assert (response.status, response.body) == (200, None)


async def test_what_came_in_by_fetch_has_headers_that_cannot_be_changed(world):
    env = world.deploy("""
        from workers import Response
        class Default(WorkerEntrypoint):
            def fetch(self, request):
                try:
                    request.headers["x"] = "1"
                except TypeError as error:
                    return Response(str(error))
    """)
    response = await env.CALLEE.fetch("/")
    assert await response.text() == "Can't modify immutable headers."
    with pytest.raises(TypeError, match="immutable"):
        response.headers["x"] = "1"
    response = await env.CALLEE.fetch("/")
    copy = Response(response.body, headers=response.headers)
    copy.headers["x"] = "1"
    assert await copy.text() == "Can't modify immutable headers."


async def test_the_sandbox_fetches_from_a_worker_by_name(world):
    world.deploy(SOURCE)
    response = await world.sandbox.fetch("callee", "/p?x=1", method="PUT", body="b")
    assert await response.text() == "at /p"
    assert world.log == [("PUT", "http://callee/p?x=1", "b", ["content-type"])]
    with pytest.raises(rpclab.UnknownBindingError, match='no Worker "other"'):
        world.sandbox.fetch("other")
    with pytest.raises(rpclab.UnknownEntrypointError, match="Nobody"):
        world.sandbox.fetch("callee#Nobody")
