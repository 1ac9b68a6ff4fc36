"""The library of the other side: capnweb, for pages that talk to this program.

Floor: javascript. `capnweb.js` is what npm has as `dist/index.js` of the package, to the letter,
and `LICENSE.capnweb.txt` its licence. It is here because a page in a notebook's output can have it
from nowhere else: the kernel's machine may have no Node.js, and the page no network.
"""

from __future__ import annotations

import base64
import re
from functools import cache
from pathlib import Path

__all__ = ["VERSION", "bundled", "capnweb"]

VERSION = "0.12.0"
"""Which capnweb it is."""

_FOLDER = Path(__file__).parent
_SPECIFIER = re.compile(
    r"""(?P<before>\bfrom\s*|\bimport\s*\(\s*|\bimport\s+)(?P<quote>["'])capnweb(?P=quote)"""
)
_MAP = re.compile(r"\n//# sourceMappingURL=.*\s*$")  # it is not here, and a browser asks for it


@cache
def capnweb() -> str:
    """The library as the text of an ES module, with its licence on top.

    A Worker gives it to its pages as it gives them any text, of type "text/javascript".
    """
    library = _MAP.sub("\n", (_FOLDER / "capnweb.js").read_text("utf-8"))
    licence = (_FOLDER / "LICENSE.capnweb.txt").read_text("utf-8")
    return f"/*! capnweb {VERSION}\n\n{licence}*/\n{library}"


def bundled(module: str) -> str:
    """Make an ES module that needs nothing else of one that imports "capnweb".

    So the same text is a module for npm's bundlers, and for anywidget, which loads a single one.
    All modules of a page share one library, whichever of them was there first.

    Args:
        module: its text. What it imports as "capnweb" comes along; other imports stay as they are.

    Returns:
        The text with the library in it, as a "data:" address.
    """
    return _SPECIFIER.sub(lambda found: f'{found["before"]}"{_address()}"', module)


@cache
def _address() -> str:
    return f"data:text/javascript;base64,{base64.b64encode(capnweb().encode()).decode()}"
