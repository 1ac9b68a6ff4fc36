r"""The language of `.dev.vars` and `.env`: NAME=value, as the dotenv of JavaScript reads it.

Floor: config. Wrangler reads these files with dotenv 16.3.1, and the references in a `.env` with
dotenv-expand 12.0.2. What they do is the rule, also where it is odd: `"a\tb"` stays as it is, for
only line ends are escaped; a value without quotes ends before a `#`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

# JavaScript's idea of blanks and of the ends of lines, which is not Python's.
_ENDS = "\n\u2028\u2029"
_SPACES = "".join(
    map(chr, (0x09, 0x0B, 0x0C, 0x0D, 0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F,
              0x3000, 0xFEFF))
)  # fmt: skip
_BLANKS = _SPACES + _ENDS
_BLANK = f"[{_BLANKS}]"

_ASSIGNMENT = re.compile(
    rf"""
    (?<![^{_ENDS}])                                # at the start of a line
    [{_SPACES}]*+ (?: export {_BLANK}++ )?
    (?P<name> [A-Za-z0-9_.-]++ )
    (?: {_BLANK}*+ = {_BLANK}*? | : {_BLANK}+? )
    (?P<value>
        {_BLANK}* ' (?: \\' | [^'] )* '            # in quotes a value may have several lines
      | {_BLANK}* " (?: \\" | [^"] )* "
      | {_BLANK}* ` (?: \\` | [^`] )* `
      | [^\#\n]+
    )?
    {_BLANK}* (?: \# [^{_ENDS}]* )?
    (?![^{_ENDS}])                                 # up to the end of a line
    """,
    re.VERBOSE,
)
_NOTHING = re.compile(rf"(?:{_BLANK}+|\#[^{_ENDS}]*)*")
_REFERENCE = re.compile(
    r"""
    (?<! \\ )                                      # `\$` is a dollar sign
    \$ (?: \{ (?P<braced> [^{}]+ ) \} | (?P<bare> [A-Za-z_][A-Za-z0-9_]* ) )
    """,
    re.VERBOSE,
)
_OPERATOR = re.compile(r":\+|\+|:-|-")

_MOST_STEPS = 1_000
_MOST_CHARACTERS = 1_000_000


class Misread(NamedTuple):
    """A line that says nothing; dotenv passes over it unsaid."""

    line: int


class EndlessReferenceError(ValueError):
    """The references of a variable lead round and round, or to a text of too great a length."""


def parse(text: str) -> tuple[dict[str, str], Misread | None]:
    """Read the assignments of a text.

    Args:
        text: with line ends of any kind.

    Returns:
        The values by name, of which the last one counts; and the first line that is neither an
        assignment nor a comment, if there is one.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    values: dict[str, str] = {}
    misread: Misread | None = None
    at = 0
    while True:
        found = _ASSIGNMENT.search(text, at)
        start = found.start() if found else len(text)
        passed = _NOTHING.match(text, at)
        if misread is None and passed is not None and passed.end() < start:
            misread = Misread(text.count("\n", 0, passed.end()) + 1)
        if found is None:
            return values, misread
        values[found["name"]] = _unquoted((found["value"] or "").strip(_BLANKS))
        at = found.end()


def _unquoted(value: str) -> str:
    quote = value[:1]
    if quote in ("'", '"', "`") and len(value) > 1 and value.endswith(quote):
        value = value[1:-1]
    if quote == '"':
        value = value.replace("\\n", "\n").replace("\\r", "\r")
    return value


def expand(values: Mapping[str, str]) -> dict[str, str]:
    r"""Put in the values that others refer to: `$NAME`, `${NAME}`, `${NAME:-default}`.

    A reference leads to what stands above it; `\$` is a dollar sign.

    Raises:
        EndlessReferenceError: the references of a variable have no end.
    """
    expanded: dict[str, str] = {}
    for name, value in values.items():
        expanded[name] = _expanded(name, value, expanded).replace("\\$", "$")
    return expanded


def _expanded(name: str, value: str, above: Mapping[str, str]) -> str:
    seen = set()
    for _ in range(_MOST_STEPS):
        found = _REFERENCE.search(value)
        if found is None:
            return value
        seen.add(value)
        key, meant = _meant(found["braced"] or found["bare"], above, seen)
        # JavaScript's `replace` puts in one dollar sign for two.
        value = value.replace(found[0], meant.replace("$$", "$"), 1)
        if len(value) > _MOST_CHARACTERS:
            break
        # What a variable's text refers to is looked up as well, but not for ever.
        if value == above.get(key):
            return value
    raise EndlessReferenceError(
        f"the references of {name} lead round and round, or to over {_MOST_CHARACTERS} characters"
    )


def _meant(expression: str, above: Mapping[str, str], seen: set[str]) -> tuple[str, str]:
    """Give the name in a reference, and the text that it stands for."""
    operator = _OPERATOR.search(expression)
    if operator is None:
        key, default = expression, ""
    else:
        key, default = expression[: operator.start()], expression[operator.end() :]
    if operator is not None and "+" in operator[0]:
        return key, default if above.get(key) else ""
    value = above.get(key)
    return key, value if value and value not in seen else default
