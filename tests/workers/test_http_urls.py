"""URLs are the standard's, at every door that takes one; the data stands in `urls/`."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from support.world import failure

from rpclab import Request, Response
from rpclab.workers.http import url_parser
from rpclab.workers.http.urls import base_of, is_http, origin, parsed

DATA = Path(__file__).with_name("urls")
STANDARD = json.loads((DATA / "standard.json").read_text("utf-8"))
RUNTIME = json.loads((DATA / "runtime.json").read_text("utf-8"))
WITHOUT_BASE = [(given, href) for given, base, href, _ in RUNTIME if base is None]

# The standard changed after that copy of its data; the platform's runtime has these as here.
NEWER = {
    "http://a.b.c.xn--pokxncvks": "http://a.b.c.xn--pokxncvks/",
    "http://10.0.0.xn--pokxncvks": "http://10.0.0.xn--pokxncvks/",
    "http://a.b.c.XN--pokxncvks": "http://a.b.c.xn--pokxncvks/",
    "http://a.b.c.Xn--pokxncvks": "http://a.b.c.xn--pokxncvks/",
    "http://10.0.0.XN--pokxncvks": "http://10.0.0.xn--pokxncvks/",
    "http://10.0.0.xN--pokxncvks": "http://10.0.0.xn--pokxncvks/",
    "file://xn--/p": "file://xn--/p",
    "https://xn--/": "https://xn--/",
    "foo://host/ !\"$%&'()*+,-./:;<=>@[\\]^_`{|}~":
        "foo://host/%20!%22$%&'()*+,-./:;%3C=%3E@[\\]%5E_%60%7B|%7D~",
    "wss://host/ !\"$%&'()*+,-./:;<=>@[\\]^_`{|}~":
        "wss://host/%20!%22$%&'()*+,-./:;%3C=%3E@[/]%5E_%60%7B|%7D~",
}  # fmt: skip


def made_of(given, base=None):
    try:
        return parsed(given, base)
    except TypeError:
        return None


def test_the_test_data_of_the_standard_holds():
    rows = [(given, base, NEWER.get(given, href)) for given, base, href in STANDARD]
    wrong = [
        (given, base, href, made)
        for given, base, href in rows
        if (made := made_of(given, base)) != href
    ]
    assert wrong == []
    assert len(rows) > 800


@pytest.mark.parametrize(("given", "base", "href", "place"), RUNTIME, ids=ascii)
def test_a_url_is_what_the_platforms_runtime_makes_of_it(given, base, href, place):
    assert made_of(given, base) == href
    if href is not None:
        assert origin(href) == place
        assert href.isascii()
        assert href.isprintable()
        assert parsed(href) == href


@pytest.mark.parametrize(("given", "href"), WITHOUT_BASE, ids=ascii)
def test_requests_and_redirects_take_the_same_urls_and_refuse_the_same(given, href):
    doors = (lambda url: Request(url).url, lambda url: Response.redirect(url).headers["location"])
    for door in doors:
        if href is None:
            with pytest.raises(TypeError, match="Invalid URL: "):
                door(given)
        else:
            assert door(given) == href


FETCHED = [
    (given, href) for given, href in WITHOUT_BASE if href is not None and is_http(href)
]  # fmt: skip
ECHO = """
    from workers import Response
    class Default(WorkerEntrypoint):
        async def fetch(self, request):
            return Response(request.url)
"""


async def test_a_binding_fetches_the_urls_of_the_standard_and_no_others(world):
    callee = world.deploy(ECHO).CALLEE
    for given, href in FETCHED:
        response = await callee.fetch(given)
        assert (await response.text(), response.url) == (href, href.partition("#")[0])
    for given, href in WITHOUT_BASE:
        if href is not None and not is_http(href):
            with pytest.raises(TypeError, match="Fetch API cannot load: "):
                callee.fetch(given)
        elif href is None and not given.startswith("/"):
            with pytest.raises(TypeError, match="Invalid URL: "):
                callee.fetch(given)


async def test_a_path_alone_is_completed_as_the_standard_says(world):
    callee = world.deploy(ECHO).CALLEE
    for path in ("/?sig=abc%2Bd%2F%3D", "/%7Euser", "/%zz", "/?a[]=1", "/?", "/a\\b", "/é", "/a b"):
        assert await (await callee.fetch(path)).text() == parsed(path, "http://callee/")
    assert await (await world.sandbox.fetch("callee", "/a/../b")).text() == "http://callee/b"


async def test_a_url_crosses_as_it_is(world):
    env = world.deploy("""
        class Default(WorkerEntrypoint):
            async def url_of(self, request):
                return request.url
            async def again(self, request):
                return request
    """)
    for given, href in FETCHED:
        assert await env.CALLEE.url_of(Request(given)) == href
        assert (await env.CALLEE.again(Request(given))).url == href


RELATIVE = [(given, href) for given, base, href, _ in RUNTIME if base is not None]


async def test_a_redirect_leads_where_the_standard_says(world):
    env = world.deploy("""
        from workers import Response
        class Default(WorkerEntrypoint):
            def fetch(self, request):
                log(request.url)
                if request.method == "GET":
                    return Response("there")
                place = request.headers["x-to"].encode("latin-1").decode()
                return Response(None, 303, headers={"location": place})
    """)
    for given, href in RELATIVE:
        world.log.clear()
        to = given.encode().decode("latin-1")
        if to.strip() != to or not to:
            continue  # a header has no blanks around it
        start = "http://u:p@h:8080/a/b?x=%2B"
        work = env.CALLEE.fetch(start, method="POST", headers={"x-to": to})
        if href is None or not is_http(href):
            error = await failure(work)
            assert isinstance(error, TypeError)
            assert "Invalid Location header; unable to follow redirect." in str(error)
        else:
            response = await work
            assert (response.url, world.log[1]) == (href.partition("#")[0], href)


async def test_an_empty_location_is_the_answer_as_on_the_platform(world):
    env = world.deploy("""
        from workers import Response
        class Default(WorkerEntrypoint):
            def fetch(self, request):
                return Response("here", 302, headers={"location": ""})
    """)
    response = await env.CALLEE.fetch("/")
    assert (response.status, response.redirected, await response.text()) == (302, False, "here")


@pytest.mark.parametrize(
    ("name", "base"),
    [("shop", "http://shop/"), ("My-Shop", "http://my-shop/"), ("a_b", "http://a_b/"),
     ("7", "http://worker/"), ("0x10", "http://worker/"), ("1.2", "http://worker/"),
     ("a b", "http://worker/"), ("a/b", "http://worker/"), ("a:80", "http://worker/"),
     ("a?b", "http://worker/"), ("u@h", "http://worker/"), ("é", "http://worker/"),
     ("", "http://worker/")],
)  # fmt: skip
def test_the_name_of_a_worker_is_a_host_where_it_can_be_one(name, base):
    assert base_of(name) == base


@pytest.mark.parametrize(
    "given",
    [url_parser.URL("http://h/%7Ea"), httpx.URL("http://h/%7Ea"), urlsplit("http://h/%7Ea")],
    ids=lambda value: f"{type(value).__module__}.{type(value).__name__}",
)
def test_an_object_that_stands_for_a_url_will_do(given):
    assert parsed(given) == Request(given).url == "http://h/%7Ea"


@pytest.mark.parametrize("given", [None, 1, b"http://h/", ["http://h/"], Path("/x"), object()])
def test_another_object_is_no_url(given):
    with pytest.raises(TypeError, match="a URL is a text, not "):
        Request(given)


def test_the_error_of_a_long_or_hostile_url_is_bounded_and_printable():
    for given in ("h" * 10**6, "\x1b[2J\u202e" * 1000):
        with pytest.raises(TypeError) as caught:
            Request(given)
        assert len(str(caught.value)) < 2000
        assert str(caught.value).isprintable()
