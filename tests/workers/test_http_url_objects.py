"""URL and URLSearchParams as JavaScript has them; `urls/objects.json` is recorded from workerd."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rpclab import Request
from rpclab.workers.http.url_objects import URL, URLSearchParams

RECORDED = json.loads(Path(__file__).with_name("urls").joinpath("objects.json").read_text("utf-8"))
RUNTIME = json.loads(Path(__file__).with_name("urls").joinpath("runtime.json").read_text("utf-8"))


@pytest.mark.parametrize(("href", "part", "value", "then"), RECORDED["setters"], ids=ascii)
def test_a_part_is_set_as_on_the_platform(href, part, value, then):
    url = URL(href)
    if then is None:
        with pytest.raises(TypeError, match="Invalid URL"):
            setattr(url, part, value)
    else:
        setattr(url, part, value)
        assert url.href == then


@pytest.mark.parametrize(
    ("init", "steps", "answers", "text", "href", "pairs"), RECORDED["params"], ids=ascii
)
def test_the_pairs_of_a_query_are_those_of_the_platform(init, steps, answers, text, href, pairs):
    url = URL(f"http://h/?{init}")
    given = [getattr(url.searchParams, name)(*values) for name, *values in steps]
    assert given == answers
    assert (str(url.searchParams), url.href) == (text, href)
    assert [list(pair) for pair in url.searchParams] == pairs


@pytest.mark.parametrize(("given", "base", "href", "origin"), RUNTIME, ids=ascii)
def test_a_url_is_that_of_the_platform(given, base, href, origin):
    assert URL.can_parse(given, base) == URL.canParse(given, base) == (href is not None)
    if href is None:
        assert URL.parse(given, base) is None
        with pytest.raises(TypeError, match="Invalid URL"):
            URL(given, base)
    else:
        url = URL(given, base)
        assert (url.href, url.origin, str(url), url.toString(), url.toJSON()) == (
            href, origin, href, href, href,
        )  # fmt: skip


def test_the_pairs_and_the_url_follow_one_another():
    url = URL("http://h/?a=1#f")
    pairs = url.search_params
    pairs.append("b", "x y")
    assert url.href == "http://h/?a=1&b=x+y#f"
    url.search = "c=3"
    assert (pairs is url.searchParams, pairs.entries()) == (True, [("c", "3")])
    url.href = "http://other/?d=4"
    assert pairs.entries() == [("d", "4")]
    pairs.delete("d")
    assert url.href == "http://other/"


def test_pairs_are_made_of_what_javascript_takes():
    for init in ("?a=1&b=2", "a=1&b=2", {"a": 1, "b": "2"}, [("a", "1"), ["b", 2]]):
        pairs = URLSearchParams(init)
        assert (pairs.toString(), pairs.size, len(pairs)) == ("a=1&b=2", 2, 2)
        assert (pairs["a"], pairs["z"], "a" in pairs, "z" in pairs) == ("1", None, True, False)
        assert (pairs.keys(), pairs.values()) == (["a", "b"], ["1", "2"])
        assert URLSearchParams(pairs).entries() == pairs.entries()
    assert URLSearchParams({"t": True}).get("t") == "true"
    assert URLSearchParams({"a\ud800": "\udc00"}).entries() == [("a\ufffd", "\ufffd")]
    for wrong in (1, ["ab", "c"], [("a",)]):
        with pytest.raises(TypeError):
            URLSearchParams(wrong)


def test_a_request_takes_it():
    url = URL("/a", "http://h/")
    url.hostname = "other"
    assert Request(url).url == "http://other/a"
    assert repr(url) == "URL('http://other/a')"
