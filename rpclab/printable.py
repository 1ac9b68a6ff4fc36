"""Texts of others as a display may show them: nothing in them moves the cursor or turns the line.

Floor: errors, the lowest. Imports nothing of rpclab.
"""

from __future__ import annotations

import re

_UNSEEN = (  # compiled when there is one, as nearly never
    "["
    "\x00-\x1f\x7f-\x9f"  # controls: of terminals, among others
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks and overrides of direction
    "\u2028\u2029"  # line ends that are no newline
    "\u200b\u2060-\u2064\ufeff"  # what has no width
    "\ud800-\udfff"  # half a surrogate pair, which cannot be written at all
    "\ufff9-\ufffb\U000e0000-\U000e007f"  # annotations and tags
    "\ufffe\uffff"  # no characters, which no XML may hold
    "]"
)
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ONE_BYTE = 0xFF
_TWO_BYTES = 0xFFFF


def printable(text: str, *, keep: str = "") -> str:
    r"""Write the characters of a text that a reader would not see as such, and leave the others.

    A control character, an override of the direction or a lone surrogate is written as Python
    writes it in a text: `\x1b`, `\u202e`.

    Args:
        text: of a peer, say.
        keep: characters that stay as they are, such as a newline in a text of several lines.
    """
    # Almost every text has none of them, and `isprintable` is much faster than a search.
    if text.isprintable():
        return text
    return re.sub(_UNSEEN, lambda found: found[0] if found[0] in keep else _escape(found[0]), text)


def _escape(character: str) -> str:
    number = ord(character)
    if character in _SHORT:
        return _SHORT[character]
    if number <= _ONE_BYTE:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= _TWO_BYTES else f"\\U{number:08x}"
