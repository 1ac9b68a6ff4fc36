"""The one visual language of the views, as data: colours, lines, marks, sizes.

Floor: trace. The pictures here and the widgets in a browser draw from the same table, so `LOOK`
holds nothing that JSON cannot. Every colour of a text has a contrast of 4.5 or more with what it
may stand on, in both modes. Colour is never the only sign: a Worker has its name, a state its mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

LOOK: dict[str, Any] = {
    "colours": {
        # Names by what they are for; each mode has all of them.
        "light": {
            "background": "#ffffff",
            "band": "#f6f7f9",  # every other row
            "text": "#1f2933",
            "muted": "#596673",
            "line": "#c9d1d9",
            "arrow": "#6b7785",
            "pipelined": "#1d5fa8",
            "good": "#1f6f43",
            "bad": "#b3261e",
            "warn": "#8a5300",
            "warn-tint": "#fdf0d5",
        },
        "dark": {
            "background": "#111519",
            "band": "#181d23",
            "text": "#e4e9ee",
            "muted": "#a3afba",
            "line": "#3a444e",
            "arrow": "#8c99a6",
            "pipelined": "#7db4f0",
            "good": "#74c795",
            "bad": "#ff9a92",
            "warn": "#f2c063",
            "warn-tint": "#3a2c10",
        },
    },
    # Of the Workers, in order of appearance; the notebook has the first. A pair is the colour of
    # the edge and of the name, and the tint that fills.
    "workers": {
        "light": [
            ["#475569", "#e6ebf1"], ["#1d5fa8", "#dbe9f8"], ["#8f4700", "#fbe6d2"],
            ["#1f6f43", "#d9f0e2"], ["#6d3fa0", "#ebe1f7"], ["#0b6770", "#d5eff1"],
            ["#a02c5c", "#fae0ea"], ["#635d08", "#f1eecb"],
        ],
        "dark": [
            ["#a8b3c4", "#2a313b"], ["#7db4f0", "#1b3350"], ["#f0a868", "#432a12"],
            ["#74c795", "#173a27"], ["#c0a0ee", "#352350"], ["#63c5cd", "#0f3a3f"],
            ["#f093b6", "#471b2e"], ["#cbc25a", "#35320f"],
        ],
    },
    # Kinds of lines: width, dashes, whether curved, and the name of the colour.
    "lines": {
        "message": {"width": 1.3, "dash": "", "curved": False, "colour": "arrow"},
        "pipelined": {"width": 1.5, "dash": "5 3", "curved": True, "colour": "pipelined"},
        "result": {"width": 1.3, "dash": "", "curved": False, "colour": "arrow"},
        "error": {"width": 1.5, "dash": "", "curved": False, "colour": "bad"},
        "release": {"width": 1.1, "dash": "1.5 2.5", "curved": False, "colour": "arrow"},
        "cancel": {"width": 1.3, "dash": "1.5 2.5", "curved": False, "colour": "bad"},
        "stream": {"width": 1.1, "dash": "", "curved": False, "colour": "good"},
        "binding": {"width": 1.4, "dash": "", "curved": True, "colour": "arrow"},
        "stub": {"width": 1.6, "dash": "5 3", "curved": True, "colour": "pipelined"},
        "introduction": {"width": 1.2, "dash": "1.5 2.5", "curved": True, "colour": "muted"},
        "window": {"width": 1.2, "dash": "4 3", "curved": False, "colour": "muted"},
        "moment": {"width": 1.5, "dash": "", "curved": False, "colour": "bad"},
    },
    # Marks, drawn in a square of 12 by 12: a path, whether it is filled, the name of the colour.
    "marks": {
        "returned": {"path": "M2 6.5L5 9.5L10 3", "filled": False, "colour": "good"},
        "raised": {"path": "M2.5 2.5L9.5 9.5M9.5 2.5L2.5 9.5", "filled": False,
                   "colour": "bad"},
        "running": {"path": "M2 6h.6M5.7 6h.6M9.4 6h.6", "filled": False,
                    "colour": "muted"},
        "cancelled": {"path": "M2 6H10", "filled": False, "colour": "bad"},
        "lost": {"path": "M1 6H4M8 6H11M4.6 9L7.4 3", "filled": False,
                 "colour": "bad"},
        "dispose": {"path": "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9M2.9 9.1L9.1 2.9",
                    "filled": False, "colour": "text"},
        "parameter": {"path": "M10.5 2.5v4H2.5M5.5 3.5L2.5 6.5L5.5 9.5", "filled": False,
                      "colour": "muted"},
        "moved": {"path": "M1.5 6H10M7 3L10 6L7 9", "filled": False,
                  "colour": "muted"},
        "context": {"path": "M2.5 2.5h7v7h-7z", "filled": False, "colour": "muted"},
        "forgotten": {"path": "M6 1.5L10.5 6L6 10.5L1.5 6z", "filled": False,
                      "colour": "warn"},
        "broken": {"path": "M7.2 1L3 6.8h2.6L4.8 11L9 5.2H6.4z", "filled": True,
                   "colour": "bad"},
        "leak": {"path": "M6 .8C8 4 9.8 5.8 9.8 7.8a3.8 3.4 0 0 1-7.6 0C2.2 5.8 4 4 6 .8z",
                 "filled": True, "colour": "warn"},
        "held back": {"path": "M3 2h2.2v8H3zM6.8 2H9v8H6.8z", "filled": True,
                      "colour": "warn"},
        "deployed": {"path": "M6 2L10.5 10h-9z", "filled": True,
                     "colour": "muted"},
        "cut": {"path": "M4.3 7.6a1.7 1.7 0 1 0 .1.1zM7.7 7.6a1.7 1.7 0 1 1-.1.1z"
                "M4.3 7.6L8.6 1.5M7.7 7.6L3.4 1.5",
                "filled": False, "colour": "text"},
        "mend": {"path": "M5 7.2L7.2 5M4.6 5.2L3 6.8a1.9 1.9 0 0 0 2.7 2.7L7.2 8M7.4 6.8L9 5.2"
                 "a1.9 1.9 0 0 0-2.7-2.7L4.8 4",
                 "filled": False, "colour": "text"},
        "link": {"path": "M1 4.2h4.5M6.5 7.8H11M3 2L1 4.2L3 6.4M9 5.6L11 7.8L9 10",
                 "filled": False, "colour": "muted"},
    },
    # The line of each kind of message, that of a stream for any other; and the mark of each end
    # of a stub, "" for one that has none yet.
    "messages": {
        "call": "message", "read": "message", "map": "message", "result": "result",
        "error": "error", "broken": "error", "release": "release", "cancel": "cancel",
    },
    "ends": {
        "user": "dispose", "parameter": "parameter", "returned": "moved", "context": "context",
        "forgotten": "forgotten", "": "leak",
    },
    # The bar of a target is so thick, and so much more for each reference up to the most.
    "thickness": {"least": 1, "each": 1.8, "most": 5},
    # Sizes in pixels; a character of code is `character` of its font's size wide, one of
    # prose on average less than `letter`.
    "sizes": {
        "width": 820, "margin": 14, "title": 14, "label": 11, "legend": 11, "row": 20, "bar": 12,
        "head": 5, "mark": 12, "radius": 2.5, "character": 0.605, "letter": 0.56,
        "names": [90, 170],  # for the names of Workers beside a timeline, at least and at most
        "gap": 12,  # behind a text in a column
        "tick": 90,  # between two ticks of an axis, at least
        "texts": 0.62,  # of the width at most, beside the bars of lifetimes
    },
    "fonts": {
        "text": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
        "code": "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace",
    },
}  # fmt: skip


def line_of(kind: str, *, pipelined: bool = False) -> str:
    """The line that a message is drawn as.

    Args:
        kind: of the message.
        pipelined: whether it is a call on a result that was not there yet.
    """
    line: str = LOOK["messages"].get(kind, "stream")
    return "pipelined" if pipelined else line


CLASS = "rpclab-view"
"""The class that every picture and widget has, so that styles reach nothing else."""


def css(drawn: str | None = None) -> str:
    """The style sheet of a picture: variables for both modes, and a class for each kind of thing.

    A mode is that of JupyterLab or VS Code where the page is theirs, else that of the reader's
    system; paper is light.

    Args:
        drawn: what is drawn, which needs the rules of its classes alone; all of them unless given.
    """
    rules = "".join(rule for name, rule in _rules() if drawn is None or _has(drawn, name))
    used = None if drawn is None else set(_VARIABLE.findall(rules + drawn))
    light, dark = _variables("light", used), _variables("dark", used)
    own = f".{CLASS}"
    exact = "print-color-adjust:exact;-webkit-print-color-adjust:exact"
    dark_pages = f"[data-jp-theme-light=false] {own},body.vscode-dark {own}"
    light_pages = f"[data-jp-theme-light=true] {own},body.vscode-light {own}"
    return (
        f"{own}{{{light}}}"
        f"@media (prefers-color-scheme:dark){{{own}{{{dark}}}}}"
        f"{light_pages}{{{light}}}{dark_pages}{{{dark}}}"
        f"@media print{{{own},{light_pages},{dark_pages}{{{light}{exact}}}}}{rules}"
    )


_VARIABLE = re.compile(r"var\(--rl-([\w-]+)")


def _has(drawn: str, name: str) -> bool:
    """Whether something drawn has a class; "" is the class of all."""
    return not name or re.search(rf'class="[^"]*\b{name}(?![\w-])', drawn) is not None


def _rules() -> Iterator[tuple[str, str]]:
    """The classes, and the rule of each."""
    own, fonts, label = f".{CLASS}", LOOK["fonts"], f"{LOOK['sizes']['label']}px"
    edge = "stroke:var(--rl-background);stroke-width:4px;stroke-linejoin:round"
    yield "", f"{own} text{{fill:var(--rl-text);font:{label} {fonts['code']};white-space:pre}}"
    yield "", f"{own} path,{own} line{{fill:none;stroke-linecap:round;stroke-linejoin:round}}"
    yield "", f"{own} .bg{{fill:var(--rl-background)}}"
    yield "t", f"{own} .t{{font-family:{fonts['text']}}}"
    yield "h", f"{own} .h{{paint-order:stroke;{edge}}}"
    yield "on-band", f"{own} .on-band{{stroke:var(--rl-band)}}"
    yield "b", f"{own} .b{{font-weight:600}}"
    yield "band", f"{own} .band{{fill:var(--rl-band)}}"
    yield "absent", f"{own} .absent{{fill:none;stroke:var(--rl-muted);stroke-dasharray:4 3}}"
    yield "area", f"{own} .area{{fill-opacity:.9;stroke-width:1}}"
    yield "later", f"{own} .later{{opacity:.25}}"
    unlike = "fill:none;stroke:var(--rl-warn);stroke-width:1.6px"
    yield "unlike", f"{own} .unlike{{{unlike}}}"
    yield "call", f"{own} g.call:hover path,{own} g.call:hover rect{{stroke-width:2.5px}}"
    for name in LOOK["colours"]["light"]:
        yield f"f-{name}", f"{own} .f-{name}{{fill:var(--rl-{name})}}"
        yield f"s-{name}", f"{own} .s-{name}{{stroke:var(--rl-{name})}}"
    for name, line in LOOK["lines"].items():
        dash = f";stroke-dasharray:{line['dash']}" if line["dash"] else ""
        stroke = f"stroke:var(--rl-{line['colour']});stroke-width:{line['width']}{dash}"
        yield f"l-{name}", f"{own} .l-{name}{{{stroke}}}"
    for number in range(len(LOOK["workers"]["light"])):
        fill, edge = f"var(--rl-t{number})", f"var(--rl-w{number})"
        yield f"w{number}", f"{own} .w{number},{own} path.w{number}{{fill:{fill};stroke:{edge}}}"
        yield f"on-w{number}", f"{own} .on-w{number}{{stroke:{fill};stroke-width:2px}}"
        yield f"n{number}", f"{own} text.n{number},{own} .n{number}{{fill:{edge}}}"


def _variables(mode: str, used: set[str] | None) -> str:
    colours = dict(LOOK["colours"][mode])
    # A page of JupyterLab has a background of its own, which themes change.
    colours["background"] = f"var(--jp-layout-color0,{colours['background']})"
    for number, (edge, tint) in enumerate(LOOK["workers"][mode]):
        colours |= {f"w{number}": edge, f"t{number}": tint}
    shown = (each for each in colours.items() if used is None or each[0] in used)
    return "".join(f"--rl-{name}:{colour};" for name, colour in shown)


def colour_of(position: int) -> int:
    """The number of the colour of a Worker that stands at some place among the others.

    The notebook alone has the first colour; beyond the last one they begin anew.
    """
    return position if position == 0 else 1 + (position - 1) % (len(LOOK["workers"]["light"]) - 1)
