"""Request and Response: what they can be made of, and how a body is read."""

from __future__ import annotations

import array
import http
import io
import json

import pytest
from support.ids import by_repr
from support.world import failure

from rpclab import Blob, ReadableStream, Request, Response
from rpclab.workers import FormData


def post(body, **options):
    return Request("http://h/", method="POST", body=body, **options)


async def agen():
    yield b"ab"
    yield "c"


BODIES = [
    ("tëxt", "tëxt".encode(), "text/plain;charset=UTF-8"),
    (b"bytes", b"bytes", None),
    (bytearray(b"bytes"), b"bytes", None),
    (memoryview(b"bytes")[1:3], b"yt", None),
    (array.array("b", [97]), b"a", None),
    ("", b"", "text/plain;charset=UTF-8"),
    ("\ud83d\ude00\ud800", "😀\ufffd".encode(), "text/plain;charset=UTF-8"),
    (Blob("x", content_type="text/csv"), b"x", "text/csv"),
    (Blob("x"), b"x", None),
]


@pytest.mark.parametrize(("body", "data", "kind"), BODIES, ids=by_repr)
async def test_a_body_is_bytes_with_the_content_type_of_what_it_was_made_of(body, data, kind):
    for message in (Response(body), post(body)):
        assert message.headers.get("content-type") == kind
        assert message.body_used is False
        assert await message.bytes() == data
        assert message.body_used is True


@pytest.mark.parametrize(
    "make", [agen, lambda: io.BytesIO(b"abc"), lambda: iter([b"a", b"bc"]),
             lambda: ReadableStream([b"abc"])], ids=["async", "file", "iterator", "stream"],
)  # fmt: skip
async def test_what_gives_chunks_is_a_body(make):
    response = Response(make())
    assert "content-type" not in response.headers
    assert await response.text() == "abc"


async def test_a_content_type_that_is_given_stays():
    assert post("x", headers={"Content-Type": "a/b"}).headers["content-type"] == "a/b"


@pytest.mark.parametrize("body", [{"a": 1}, [1], (), 5, 1.5, object()], ids=by_repr)
def test_what_is_no_body_is_refused_with_advice(body):
    with pytest.raises(TypeError, match="Unsupported type in Response") as caught:
        Response(body)
    assert caught.value.__notes__
    with pytest.raises(TypeError, match="Unsupported type in Request"):
        post(body)


async def test_a_stream_that_is_read_by_somebody_is_no_body():
    stream = ReadableStream([b"a", b"b"])
    await stream.read()
    with pytest.raises(TypeError, match="disturbed"):
        Response(stream)
    stream.tee()
    with pytest.raises(TypeError, match="locked"):
        Response(stream)


async def test_the_body_is_a_stream_that_shares_with_its_message():
    response = Response("abc")
    stream = response.body
    assert response.body is stream
    assert response.body_used is False
    assert await stream.read() == b"abc"
    assert response.body_used is True
    assert "already been used" in str(await failure(response.text()))
    assert Response().body is None
    response = Response("abc")
    await response.text()
    assert response.body.locked is True


async def test_a_null_body_is_empty_however_often_it_is_read():
    response = Response(None)
    assert (await response.text(), await response.bytes(), response.body_used) == ("", b"", False)


async def test_each_way_of_reading_gives_the_same_bytes():
    data = '\ufeff{"a": [1]}'.encode()
    assert await Response(data).text() == '{"a": [1]}'
    assert await Response(data).json() == {"a": [1]}
    assert await Response(data).buffer() == await Response(data).arrayBuffer() == data
    blob = await Response(data, headers={"content-type": "A/B"}).blob()
    assert (blob.size, blob.content_type) == (len(data), "a/b")


async def test_text_that_is_no_utf8_is_read_with_replacements():
    assert await Response(b"a\xffb").text() == "a\ufffdb"


async def test_an_error_in_json_says_where_and_quotes_the_body():
    error = await failure(Response('{"a": 1,\n  oops}' + "x" * 50).json())
    assert isinstance(error, json.JSONDecodeError)
    assert (error.lineno, error.colno) == (2, 3)
    assert error.__notes__ == [
        "the body of <Response 200, text/plain;charset=UTF-8, body used> is no JSON:"
        " " + repr('{"a": 1,\n  oops}' + "x" * 24 + "…")
    ]


async def test_a_clone_has_a_body_of_its_own():
    for message in (Response("ab", 201, "Made"), post("ab"), Response(agen()), post(agen())):
        copy = message.clone()
        assert type(copy) is type(message)
        assert copy.headers == message.headers
        copy.headers["x"] = "1"
        assert "x" not in message.headers
        assert (await copy.bytes())[:2] == (await message.bytes())[:2] == b"ab"
        with pytest.raises(TypeError, match="already been used"):
            message.clone()


def test_statuses_are_checked():
    assert Response(status=http.HTTPStatus.NOT_FOUND).status == 404
    for status in (0, 101, 199, 600):
        with pytest.raises(ValueError, match="200 to 599"):
            Response(status=status)
    for status in ("200", True, 2.5):
        with pytest.raises(TypeError, match="a status is a number"):
            Response(status=status)
    with pytest.raises(TypeError, match="Invalid statusText"):
        Response(status_text="a\nb")


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_null_body_status_has_no_body(status):
    assert Response(None, status).status == status
    with pytest.raises(TypeError, match="null body status"):
        Response("", status)


async def test_json_makes_a_response_on_the_class_and_reads_one_on_an_instance():
    made = Response.json({"obj": {"field": "ü"}}, status=404, headers={"x": "1"})
    assert (made.status, made.headers["content-type"]) == (404, "application/json")
    assert await made.clone().text() == '{"obj": {"field": "ü"}}'
    assert await made.json() == {"obj": {"field": "ü"}}
    kept = Response.from_json([], headers={"Content-Type": "application/ld+json"})
    assert kept.headers["content-type"] == "application/ld+json"
    with pytest.raises(ValueError, match="JSON"):
        Response.json(float("nan"))


def test_a_redirect_has_a_location_and_a_status_of_redirects():
    response = Response.redirect("http://h", http.HTTPStatus.SEE_OTHER)
    assert (response.status, response.headers["location"], response.body) == (
        303, "http://h/", None,
    )  # fmt: skip
    with pytest.raises(ValueError, match="502 is not a redirect status code"):
        Response.redirect("http://h/", 502)
    with pytest.raises(TypeError, match="Invalid URL"):
        Response.redirect("/relative")


async def test_replace_body_keeps_all_else():
    response = Response("old", 201, "Made", {"x": "1"})
    other = response.replace_body(b"new")
    assert (other.status, other.status_text, other.headers["x"]) == (201, "Made", "1")
    assert (await other.text(), await response.text()) == ("new", "old")


async def test_a_response_of_a_response_takes_its_body():
    first = Response("body", 201, headers={"x": "1"})
    second = Response(first, headers={"y": "2"})
    assert (second.status, second.headers.get("x"), await second.text()) == (201, None, "body")
    assert first.body_used is True


@pytest.mark.parametrize(
    ("given", "url"),
    [("http://h", "http://h/"), ("HTTP://H:80/a b?q=1#f", "http://h/a%20b?q=1#f"),
     ("http://h?x", "http://h/?x"), ("http://h/a/../b/ü", "http://h/b/%C3%BC"),
     (" http://h/ ", "http://h/"), ("http://[::1]:8/", "http://[::1]:8/")],
)  # fmt: skip
def test_urls_are_whole_and_in_normal_form(given, url):
    assert Request(given).url == url


@pytest.mark.parametrize("url", ["", "/path", "//h/x", "http://", "http://a b/", "http://h:99999/"])
def test_what_is_no_whole_url_is_refused(url):
    with pytest.raises(TypeError, match="Invalid URL") as caught:
        Request(url)
    assert caught.value.__notes__


def test_methods_are_upper_case_where_they_are_known():
    methods = ["get", "Post", http.HTTPMethod.PATCH, "purge"]
    assert [Request("http://h/", method=m).method for m in methods] == [
        "GET", "POST", "PATCH", "purge",
    ]  # fmt: skip
    assert type(Request("http://h/", method=http.HTTPMethod.PUT).method) is str
    for method in ("", "a b", 5):
        with pytest.raises(TypeError, match="Invalid HTTP method"):
            Request("http://h/", method=method)


def test_a_get_or_head_has_no_body():
    for method in ("GET", "head"):
        with pytest.raises(TypeError, match="GET or HEAD method cannot have a body"):
            Request("http://h/", method=method, body="x")
    with pytest.raises(TypeError, match="GET or HEAD"):
        Request(post("x"), method="GET")


@pytest.mark.parametrize("redirect", ["error", "folow", 5])
def test_a_redirect_mode_is_follow_or_manual(redirect):
    with pytest.raises(TypeError, match="Invalid redirect value"):
        Request("http://h/", redirect=redirect)


def test_an_option_that_is_not_there_is_refused():
    with pytest.raises(TypeError, match="metod"):
        Request("http://h/", metod="GET")


async def test_a_request_of_a_request_takes_its_body_and_what_is_not_said():
    first = post("body", headers={"x": "1"}, redirect="manual", cf={"colo": "AMS"})
    second = Request(first, headers={"y": "2"})
    assert (second.method, second.redirect, second.cf) == ("POST", "manual", {"colo": "AMS"})
    assert (second.headers.get("x"), await second.text()) == (None, "body")
    assert first.body_used is True
    with pytest.raises(TypeError, match="Cannot reconstruct a Request with a used body"):
        Request(first)
    assert await Request(first, body="new").text() == "new"


def test_cf_is_a_json_value():
    with pytest.raises(TypeError, match="cf must be a JSON value"):
        Request("http://h/", cf={"a": object()})


def test_messages_tell_about_themselves_and_use_nothing_up():
    request, response = post("abc"), Response(agen(), 404, "Not Found", {"Content-Type": "a/b"})
    assert repr(request) == "<Request POST http://h/, 3 bytes>"
    assert repr(Request("http://h/")) == "<Request GET http://h/, no body>"
    assert repr(response) == "<Response 404 Not Found, a/b, a stream>"
    assert (request.body_used, response.body_used) == (False, False)


async def test_blobs_are_made_of_parts_and_slices():
    blob = Blob(["ab", b"c", memoryview(b"d"), Blob("e")], content_type="Text/Plain")
    assert (await blob.text(), blob.size, blob.content_type) == ("abcde", 5, "text/plain")
    part = blob.slice(1, -1)
    assert (await part.text(), part.content_type) == ("bcd", "")
    assert Blob(blob).content_type == "text/plain"
    assert Blob([blob]).content_type == ""
    assert await blob.stream().bytes() == b"abcde"
    assert await Blob("a\r\nb\rc", endings="native").text() == "a\nb\nc"
    with pytest.raises(TypeError, match="not of int"):
        Blob([1])


async def test_json_of_any_depth_is_read_or_refused():
    with pytest.raises(ValueError, match="JSON of too great a depth"):
        await Response("[" * 100_000 + "]" * 100_000).json()


LONG = "\x1b\u202e" * 10**6
QUOTED = [
    lambda: Request("http://h/", method=LONG),
    lambda: Request("http://h/", headers={LONG: "x"}),
    lambda: Request("http://h/", headers={"a" * 10**6: "\0"}),
    lambda: Request("http://h/", headers={"a" * 10**6: b"x"}),
    lambda: Request("http://h/", headers=[[LONG] * 3]),
    lambda: Request(LONG),
    lambda: FormData({LONG: b"x"}),
]


@pytest.mark.parametrize("door", QUOTED)
def test_an_error_quotes_what_it_was_given_in_part_and_printable(door):
    with pytest.raises(TypeError) as caught:
        door()
    assert len(str(caught.value)) < 1200
    assert str(caught.value).isprintable()


async def test_a_body_that_is_no_form_is_named_in_part_and_printable():
    for kind in (f"a/\x1b{'b' * 10**6}", f"multipart/form-data; \x1b{'b' * 10**6}"):
        error = await failure(Response("x", headers={"content-type": kind}).form_data())
        assert isinstance(error, TypeError)
        assert len(str(error)) < 1200
        assert str(error).isprintable()


def test_a_message_shows_its_url_in_part():
    assert len(repr(Request("http://h/" + "a" * 10**6))) < 400
