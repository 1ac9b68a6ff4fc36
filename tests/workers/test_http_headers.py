"""Headers: names without case, several values, what cannot stand in one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rpclab import Headers, Request, Response

NAMES = st.text("abcXYZ-0", min_size=1, max_size=4)
VALUES = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=8)


def test_names_have_no_case_and_values_of_one_name_are_joined():
    headers = Headers({"X-One": "1"})
    headers.append("x-one", "2")
    assert headers["X-ONE"] == headers.get("x-One") == "1, 2"
    assert headers.get_all("X-one") == headers.getAll("x-one") == ["1, 2"]
    assert "x-ONE" in headers
    assert headers.has("X-one")
    assert list(headers) == list(headers.keys()) == ["x-one"]


def test_cookies_stay_apart():
    headers = Headers([("Set-Cookie", "a=1, 2"), ("set-cookie", "b"), ("A", "x")])
    assert headers.items() == [("a", "x"), ("set-cookie", "a=1, 2"), ("set-cookie", "b")]
    assert headers.get_set_cookie() == headers.getSetCookie() == ["a=1, 2", "b"]
    assert headers.get_all("Set-Cookie") == ["a=1, 2", "b"]
    assert len(headers) == 2


def test_what_is_missing_is_none_or_the_default_and_an_index_raises():
    headers = Headers()
    assert (headers.get("x"), headers.get("x", "d"), headers.get_all("x")) == (None, "d", [])
    with pytest.raises(KeyError):
        headers["x"]


def test_setting_replaces_and_deleting_may_be_done_twice():
    headers = Headers([("a", "1"), ("A", "2"), ("b", "3")])
    headers["A"] = "4"
    headers.set("B", "5")
    assert headers.items() == [("a", "4"), ("b", "5")]
    headers.delete("a")
    headers.delete("a")
    del headers["b"]
    assert not headers


def test_headers_are_equal_when_they_say_the_same():
    assert Headers({"A": "1", "b": "2"}) == Headers([("B", "2"), ("a", "1")])
    assert Headers({"a": "1"}) != Headers({"a": "2"})
    assert Headers(Headers({"a": "1"})) == Headers({"a": "1"})


def test_numbers_and_booleans_are_written_as_in_javascript():
    assert Headers({"a": 123, "b": True, "c": 1.5}).items() == [
        ("a", "123"), ("b", "true"), ("c", "1.5"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ü", "a\n", 5, None])
def test_a_name_that_is_no_token_is_refused(name):
    with pytest.raises(TypeError, match="header"):
        Headers([(name, "x")])


@pytest.mark.parametrize("value", ["a\nb", "a\r\nb", "\0", "€", b"x", None, ["x"]])
def test_a_value_that_cannot_stand_in_a_header_is_refused_by_name(value):
    with pytest.raises(TypeError, match="x-a"):
        Headers({"x-a": value})


def test_space_around_a_value_is_no_part_of_it():
    assert Headers({"a": " \t b c \r\n"})["a"] == "b c"


@pytest.mark.parametrize("init", [["ab"], [("a", "b", "c")], "ab"])
def test_what_are_no_pairs_is_refused(init):
    with pytest.raises(TypeError, match="pairs of name and value"):
        Headers(init)


def test_headers_of_a_redirect_cannot_be_changed_and_a_copy_can():
    response = Response.redirect("http://h/")
    with pytest.raises(TypeError, match=r"Can't modify immutable headers\.") as caught:
        response.headers["x"] = "1"
    assert "make one of your own" in caught.value.__notes__[0]
    for change in (lambda h: h.append("x", "1"), lambda h: h.delete("x"), lambda h: h.pop("x")):
        with pytest.raises((TypeError, KeyError)):
            change(response.headers)
    Response(response).headers["x"] = "1"
    Request("http://h/", headers=response.headers).headers["x"] = "1"
    assert response.headers.items() == [("location", "http://h/")]


@given(st.lists(st.tuples(NAMES, VALUES)))
def test_headers_hold_what_a_dict_of_lists_would(pairs):
    model: dict[str, list[str]] = {}
    for name, value in pairs:
        model.setdefault(name.lower(), []).append(value.strip(" \t\r\n"))
    headers = Headers(pairs)
    assert list(headers) == sorted(model)
    assert {name: headers[name] for name in headers} == {k: ", ".join(v) for k, v in model.items()}
    assert Headers(headers) == headers
