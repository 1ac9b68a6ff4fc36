"""Fills the templates of `words.py` in; and how numbers, sizes, times and places are written.

Floor: trace. `words.js` does the same in a browser, and a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from math import floor
from typing import Any

from rpclab.printable import printable
from rpclab.trace.pictures.words import WORDS

Fields = Mapping[str, Any]

_PART = re.compile(r"\[([^\[\]]*)\]|\{(\w+)(?::(\w+)(?: ([^}]*))?)?\}")
_FOLDERS = re.compile(WORDS["folders"])
_BEFORE_A_NAME = re.compile(WORDS["before a name"])
_SIZES = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))
_TIMES = ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s"))


def said(template: str, known: Fields) -> str:
    """A template with what is known of a thing; "" where something that it needs is missing.

    Args:
        template: as `words.py` has them.
        known: the fields; what is None, False, "" or empty is missing.
    """
    missing = False

    def part(found: re.Match[str]) -> str:
        nonlocal missing
        optional, name, how, argument = found.groups()
        if optional is not None:
            return said(optional, known)
        text = _written(known, name, how, argument)
        missing = missing or not text
        return text

    text = _PART.sub(part, template)
    return "" if missing else text


def told(kind: str, known: Fields) -> list[str]:
    """What there is to say of a thing of some kind, in the lines of `WORDS["things"]`."""
    lines = (said(template, known) for template in WORDS["things"][kind])
    return [printable(line) for line in lines if line]


def known_of(thing: Any, **more: Any) -> dict[str, Any]:
    """The fields of a row, and more of what is known of it."""
    return {**{field.name: getattr(thing, field.name) for field in fields(thing)}, **more}


def _written(known: Fields, name: str, how: str | None, argument: str | None) -> str:
    value = known.get(name)
    if how == "of" and argument is not None:
        return _choice(WORDS["choices"][argument], value, known)
    if value is None or value is False or value in ("", (), []):
        return ""
    if how is None:
        return _plain(value)
    return FORMATS[how](value) if argument is None else count(value, argument)


def _choice(choices: Mapping[str, str], value: Any, known: Fields) -> str:
    """The template for a value; a text that there is none for is shown as it is."""
    key = _plain(value)
    choice = choices.get(key)
    if choice is not None:
        return said(choice, known)
    return "" if isinstance(value, bool) else key


def _plain(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


# How values are written.


def number(value: float) -> str:
    """A number with a comma between thousands, and at most one digit behind the point."""
    whole, tenth = divmod(floor(value * 10 + 0.5), 10)
    return f"{whole:,}.{tenth}" if tenth else f"{whole:,}"


def count(value: float, noun: str) -> str:
    """A number with its noun, such as "2 calls"."""
    return f"{number(value)} {noun}{'s' * (value != 1)}"


def size(value: float) -> str:
    """A number of bytes, such as "256 KiB"."""
    unit, name = next((each for each in _SIZES if value >= each[0]), _SIZES[-1])
    return f"{number(value / unit)} {name}"


def duration(seconds: float) -> str:
    """A time as a reader wants to see it, such as "80 ms": with four digits, if it has so many."""
    if not seconds:
        return "0 s"
    unit, name = next((each for each in _TIMES if abs(seconds) < 999.95 * each[0]), _TIMES[-1])
    value = seconds / unit
    digits = next((n for n, most in ((3, 10), (2, 100)) if abs(value) < most), 1)
    rounded = floor(value * 10**digits + 0.5) / 10**digits
    return f"{rounded:,.{digits}f}".rstrip("0").rstrip(".") + f" {name}"


def place(site: str) -> str:
    """A place in a file by that file and its folder: "web/main.py, line 4"."""
    return _FOLDERS.sub("", site)


def short_place(site: str) -> str:
    """The same without the folder, or the word before a cell: "main.py, line 4"."""
    return _BEFORE_A_NAME.sub("", site)


def listed(words: Iterable[str], most: int = 4) -> str:
    """Some words in a row, and how many more there are."""
    words = list(words)
    rest = [f"{number(len(words) - most)} more"] if len(words) > most else []
    return ", ".join([*words[:most], *rest])


FORMATS: dict[str, Callable[[Any], str]] = {
    "number": number,
    "bytes": size,
    "duration": duration,
    "place": place,
    "list": lambda values: ", ".join(map(str, values)),
}
"""By the names that templates have for them; `count` has its noun behind it."""
