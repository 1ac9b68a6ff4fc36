"""Whatever a value is, a text of ours that shows it is short, printable, and quickly written."""

from __future__ import annotations

import collections

import pytest
from support.ids import by_repr

from rpclab.errors import near, no_such_member, not_callable, reserved_method
from rpclab.previews import described, listed, message_of, preview, shown


def doubled(value, wrap=lambda one, other: [one, other], times=100):
    for _ in range(times):
        value = wrap(value, value)
    return value


class Loud:
    def __repr__(self):
        raise AssertionError("its code ran")

    __str__ = __len__ = __iter__ = __hash__ = __eq__ = __repr__


class Meta(type):
    @property
    def __name__(cls):
        raise AssertionError("its code ran")


class Strange(metaclass=Meta):
    pass


cycle = []
cycle.append(cycle)

HARD = {
    "lists that share their parts": doubled([]),
    "tuples that do": doubled((), lambda one, other: (one, other)),
    "dicts that do": doubled({}, lambda one, other: {"a": one, "b": other}),
    "errors that do": doubled(ValueError(), ValueError),
    "a list in itself": cycle,
    "a very deep list": doubled([], lambda one, _: [one], 100_000),
    "a very long list": list(range(1_000_000)),
    "a very long text": "x" * 10_000_000,
    "very long bytes": b"\xff" * 10_000_000,
    "an int of a million digits": 10**1_000_000,
    "a negative one": -(10**5000),
    "a list of such": [10**5000] * 1000,
    "a value whose code raises": Loud(),
    "a dict of such": {"x": Loud()},
    "a class whose name raises": Strange(),
    "a class of any name": type("\n" * 500, (), {})(),
    "a class of no name": type("", (), {})(),
    "an error with such": ValueError(Loud(), 10**5000),
    "text that turns around": "\u202eabc\u2066\n\x1b[2J\0\u200b\ud800",
    "a key that does": {"\u202e": 1},
}


@pytest.mark.parametrize("value", HARD.values(), ids=HARD)
@pytest.mark.parametrize("length", [20, 80, 1000])
def test_a_preview_is_short_and_prints_as_it_stands(value, length):
    text = preview(value, length)
    assert 0 < len(text) <= length
    assert text.isprintable()


def test_a_preview_does_little_work(monkeypatch):
    asked = []

    class Counted(list):
        def __iter__(self):
            asked.append(1)
            return super().__iter__()

    assert preview([Counted()] * 100).startswith("[<Counted>, <Counted>")
    assert not asked


PLAIN = [
    None, True, 1, -2.5, "a'b", b"b", [], (), (1,), (1, 2), {}, {"a": [1]}, set(), {1}, frozenset(),
    frozenset([1]), ValueError(), ValueError("x", 1), KeyError("k"), [[[1]]], 2**200,
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=by_repr)
def test_a_small_plain_value_is_shown_as_repr_does(value):
    assert preview(value, 100) == repr(value)


def test_of_what_is_not_built_in_the_class_is_shown():
    assert preview(collections.OrderedDict(a=1)) == "<OrderedDict>"
    assert preview([object()]) == "[<object>]"


@pytest.mark.parametrize(("length", "cut"), [(9, False), (10, False), (11, True)])
def test_the_limit_is_that_of_the_text(length, cut):
    assert shown("x" * length, 10) == ("x" * 9 + "…" if cut else "x" * length)
    assert preview("x" * (length - 2), 10) == (f"'{'x' * 8}…" if cut else repr("x" * (length - 2)))


ERRORS = [
    (ValueError("a\nb"), "ValueError: a\\nb"), (ValueError(), "ValueError"),
    (KeyError("k"), "KeyError: 'k'"),
    (OSError(2, "no", "f"), "FileNotFoundError: [Errno 2] no: 'f'"),
    (ExceptionGroup("g", [ValueError()]), "ExceptionGroup: g (1 errors)"),
    (SyntaxError("bad", ("f", 1, 2, "t", 1, 3)), "SyntaxError: bad (f, line 1)"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "text"), ERRORS, ids=by_repr)
def test_an_error_is_described_in_a_line(error, text):
    assert described(error) == text


@pytest.mark.parametrize("value", HARD.values(), ids=HARD)
def test_so_is_one_that_holds_anything(value):
    for error in (
        ValueError(value),
        KeyError(value, value),
        OSError(1, value, value),
        ValueError(1),
    ):
        text = described(error, 100)
        assert len(text) <= 120
        assert text.isprintable()


def test_what_is_escaped_counts_as_it_is_written_and_joined_signs_stay():
    assert shown("\x1b" * 10**6, 10) == r"\x1b\x1b\…"
    assert shown("👩\u200d👩\u200d👧 a\u00a0b\u202e", 20) == "👩\u200d👩\u200d👧 a\u00a0b\\u202e"


def test_an_error_may_have_a_text_that_raises():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    assert message_of(Mute(Loud())) == "a message that cannot be shown, for it raises RuntimeError"


def test_of_many_names_the_first_are_listed():
    assert listed("abc") == "a, b, c"
    assert listed(map(str, range(20))).endswith("19")
    assert listed(map(str, range(21))).endswith("19, and others")
    assert len(listed(["x" * 10_000_000] * 1000)) < 1000


@pytest.mark.parametrize("count", [255, 256, 257, 20_000])
def test_a_near_name_is_looked_for_among_so_many_and_no_more(count):
    taken = []

    def names():
        for number in range(count):
            taken.append(number)
            yield f"name{number:05}"

    hint = near("zzz", names())
    assert len(taken) == min(count, 256)
    assert len(hint) < 500
    assert near("nam00003", [f"name{n:05}" for n in range(count)]).startswith("did you mean 'name0")


def test_very_long_names_are_shown_in_part_and_compared_with_nothing():
    long = "x" * 1_000_000
    for error in (
        no_such_member(long, [long[:-1] + "y"] * 50),
        not_callable((long,)),
        not_callable(("a",) * 1_000_000),
        reserved_method(long),
    ):
        assert len(str(error)) < 200
        assert all(len(note) < 1000 for note in getattr(error, "__notes__", ()))
    assert str(no_such_member("\u202e\n")).isprintable()
