"""Joins the ES modules of a view into one, for anywidget loads a single text and no other.

Floor: notebook. The modules beside this file are plain ones, which a browser could load as they
are. Joining them takes away `import … from "./other.js"` and the word `export`; so no two of them
may have a top-level name in common, which a test checks. No tool is needed, and nothing is fetched.
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
_LOOK = "look"  # the module that is written here, from data
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) )", re.MULTILINE)


@cache
def text_of(name: str) -> str:
    """The text of the module beside this file that has that name."""
    return (FOLDER / f"{name}.js").read_text("utf-8")


def needed(names: Iterable[str]) -> list[str]:
    """The modules that some modules need, themselves among them; each after those it imports."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        if name not in found and name != _LOOK:
            for other in _IMPORT.findall(text_of(name)):
                add(other)
            found[name] = None

    for name in names:
        add(name)
    return list(found)


def joined(panels: Iterable[str], look: dict[str, Any]) -> str:
    """One module that draws some panels.

    Args:
        panels: the names of their modules; each exports a class `…Panel`, such as TimelinePanel.
        look: what modules import as `LOOK` from "./look.js", which is no file: colours, lines and
            marks, from `rpclab.trace.pictures.look`.
    """
    panels = list(panels)
    parts = [f"const LOOK = {json.dumps(look, separators=(',', ':'))};\n"]
    for name in needed([*panels, "app"]):
        parts.append(f"// {name}.js\n{_EXPORT.sub('', _IMPORT.sub('', text_of(name)))}")
    classes = ", ".join(f"{name.title()}Panel" for name in panels)
    parts.append(f"export default {{ render: renderer([{classes}]) }};\n")
    return "\n".join(parts)
