"""Regular expressions: how they are written, read, and what it takes to compile one.

Floor: codecs. Python compiles in time linear in the length, but for the sets of wide characters:
for each of those it fills a table of all there are. Whoever reads patterns bounds `work_of` them.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

from rpclab.codecs.refusals import malformed

# All but DEBUG, which prints; as a number, for the complement of flags is only what `re` knows.
_FLAGS = int(
    re.ASCII | re.IGNORECASE | re.LOCALE | re.MULTILINE | re.DOTALL | re.VERBOSE | re.UNICODE
)
_WIDE_SET = 1000  # characters of a plain pattern that compile in the time of one wide set
_ESCAPED = re.compile(r"\\[uUN]")


def encode_pattern(value: re.Pattern[Any]) -> list[Any]:
    """Give the parts of a pattern."""
    return [value.pattern, value.flags & _FLAGS]


def work_of(parts: Any) -> int:
    """How many characters of a plain pattern take as long to compile.

    Args:
        parts: of a pattern, as `encode_pattern` gives them.

    Raises:
        RemoteProtocolError: they are none.
    """
    if (
        type(parts) is not list
        or [*map(type, parts)] not in ([str, int], [bytes, int])
        or parts[1] & ~_FLAGS
    ):
        raise malformed("regular expression", parts)
    source = parts[0]
    wide = type(source) is str and (
        (not source.isascii() and max(source) > "\xff") or _ESCAPED.search(source) is not None
    )
    # Alternatives of one character are made a set, too.
    return len(source) + (wide and _WIDE_SET * (source.count("[") + source.count("|")))


def read_pattern(parts: Any) -> re.Pattern[Any]:
    """Make a pattern, whose work has been bounded.

    Raises:
        Exception: this version of Python has another idea of regular expressions.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(*parts)
