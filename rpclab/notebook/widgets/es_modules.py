"""Joins the ES modules of a view into one, for anywidget loads a single text and no other.

Floor: notebook. The modules beside this file are plain ones, which a browser could load as they
are. Each becomes a function that is called at once and gives what it exports; so their names do
not get in one another's way. No tool is needed for it, and the page fetches nothing.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).parent
LOOK = "look"
"""The module that is no file: what it exports, `LOOK` and `WORDS`, is data."""

_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([a-z]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (function|class|const) (\w+)", re.MULTILINE)


@cache
def text_of(name: str) -> str:
    """The text of the module beside this file that has that name."""
    return (FOLDER / f"{name}.js").read_text("utf-8")


def needed(names: Iterable[str]) -> list[str]:
    """The modules that some modules need, themselves among them; each after those it imports."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        if name not in found and name != LOOK:
            for _, other in _IMPORT.findall(text_of(name)):
                add(other)
            found[name] = None

    for name in names:
        add(name)
    return list(found)


def joined(panels: Iterable[str], look: dict[str, Any], words: dict[str, Any]) -> str:
    """One module that draws some panels.

    Args:
        panels: the names of their modules; each exports a class, such as TimelinePanel.
        look: colours, lines and marks, as in `rpclab.trace.pictures.look`.
        words: what is said, as in `rpclab.trace.pictures.words`.
    """
    panels = list(panels)
    classes = ", ".join(f"from_{name}.{name.title()}Panel" for name in panels)
    return _joined(panels, f"from_app.renderer([{classes}])", look, words)


def alone(name: str, look: dict[str, Any], words: dict[str, Any]) -> str:
    """One module that draws what is no view of a recording.

    Args:
        name: of its module; it exports `render`, as anywidget calls it.
        look: as of `joined`.
        words: likewise.
    """
    return _joined([name], f"from_{name}.render", look, words)


def _joined(names: list[str], render: str, look: dict[str, Any], words: dict[str, Any]) -> str:
    data = json.dumps({"LOOK": look, "WORDS": words}, separators=(",", ":"))
    modules = [f"const from_{LOOK} = {data};\n", *map(_as_function, needed(names))]
    return "\n".join([*modules, f"export default {{ render: {render} }};\n"])


def _as_function(name: str) -> str:
    text = text_of(name)
    exported = ", ".join(found for _, found in _EXPORT.findall(text))
    body = _EXPORT.sub(r"\1 \2", _IMPORT.sub(r"const \1 = from_\2;\n", text))
    return f"const from_{name} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();\n"
