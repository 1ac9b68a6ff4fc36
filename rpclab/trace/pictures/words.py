# ruff: noqa: RUF001 - the signs of mathematics are meant
"""What the pictures say, as data: the stills and the live views in a browser read the same words.

Floor: trace. Like `look.py` it holds nothing that JSON cannot. A sentence is a template, which
`templates.py` fills in here, and `words.js` in a browser:

    {field}          what a thing has under that name
    {field:format}   written as `templates.FORMATS` says, such as {size:bytes}
    {field:of name}  the template that `choices[name]` has for it
    [ … ]            left out where one of its fields is missing

A sentence one of whose fields is missing is left out whole.
"""

from __future__ import annotations

from typing import Any

from rpclab.trace.pictures.look import LOOK

_OUTCOMES = {
    "returned": "returned {result}",
    "raised": "raised {result}",
    "running": "no result yet",
    "cancelled": "given up by its caller",
    "lost": "lost with its session",
}
_ENDS = {
    "user": "disposed",
    "parameter": "let go when the method returned",
    "returned": "moved to the caller",
    "context": "let go at the end of its context",
    "forgotten": "forgotten: Python let go of it, nobody disposed it",
    "": "still held",
}
_HELD_BACK = "the writer is held back"
_PIPELINED = "pipelined: made on a promise, it did not wait for that result"

WORDS: dict[str, Any] = {
    # What stands before the file and its folder in a place such as "/home/me/web/main.py, line 4".
    "folders": r"^.*[/\\](?=[^/\\]+[/\\][^/\\]+, line \d+$)",
    # And what stands before the name of a file or cell.
    "before a name": r"^(?:.*[/\\])?(?:Cell )?(?=[^/\\]*$)",
    "choices": {
        "outcomes": _OUTCOMES,
        "hows": {
            "result": "result[ of call {call}]",
            "parameter": "parameter[ of call {call}]",
            "dup": "dup[ of {of}]",
            "local": "made here",
        },
        "ends": _ENDS,
        "pipelined": {"true": _PIPELINED},
        "on its way": {"true": "on its way, or lost"},
        "broken": {"true": "broken: its context ended"},
        "at most": {"true": "at most "},
        "how sent": {"true": "pipelined"},
        "saved": {
            "true": "{without:number} without pipelining",
            "false": "nothing was pipelined",
        },
        "held back": {
            "true": "held back {held_back:count time}[, {held_for:duration}]",
            "false": "never held back",
        },
    },
    # Of each thing what there is to say: a tooltip in a still, the line below a live view.
    "things": {
        "call": [
            "{kind} {number}: {label}",
            "{caller} → {worker}",
            "{outcome:of outcomes}",
            "pipelined: sent before call {pipelined_on} had its result",
            "with the promise of call {using:list}",
            "made by the method of call {by}",
            "made at {after:duration}",
            "result after {took:duration}",
            "ran for {ran:duration}",
            "at {site:place}",
        ],
        "message": [
            "{kind}[ {text}]",
            "of call {call}",
            "{sender} → {receiver}",
            "{size:count byte}",
            "{pipelined:of pipelined}",
            "sent at {after:duration}",
            "{took:duration} on its way",
            "{under_way:of on its way}",
        ],
        "stub": [
            "stub {number}[ of {name} in {worker}]",
            "held by {holder}, {how:of hows}",
            "made at {site:place}",
            "sent to {receivers:list}",
            "{why:of ends}[ at {ended_site:place}]",
            "made after {after:duration}",
            "ended after {until:duration}",
        ],
        "target": [
            "{name} in {worker}",
            "held by {holders:list}",
            "{references:count reference}",
            "first introduced after {after:duration}",
            "last released after {until:duration}",
            "{is_broken:of broken}",
        ],
        "stream": [
            "{number} {sender} → {receiver}: {chunks:count chunk}",
            "{sent:count byte}",
            "at most {peak:count byte} not acknowledged",
            "{outcome}",
            "{is_held_back:of held back}",
        ],
        "stream at a moment": [
            "{read:count byte} read",
            "window {window:count byte}",
            "{in_flight:count byte} not acknowledged",
            "{buffered:count byte} arrived and not read",
        ],
    },
    # What stands beside a thing in a picture.
    "labels": {
        "call": {
            "returned": "{number} {label}[, {pipelined:of how sent}] = {result}",
            "raised": "{number} {label}[, {pipelined:of how sent}] ✗ {result}",
            "running": "{number} {label}[, {pipelined:of how sent}], running",
            "cancelled": "{number} {label}[, {pipelined:of how sent}], cancelled",
            "lost": "{number} {label}[, {pipelined:of how sent}], lost",
        },
        "call alone": "{number} {label}",
        "stub": "{number} {holder}: {how:of hows}",
        "stubs alike": "{holder}: {how} ×{number}[, {held} held]",
        "target": "{name} in {worker}",
        "targets alike": "{number} × {name} in {worker}",
        "references": "×{references}",
        "stream": "{number} {sender} → {receiver}",
        "idle": "idle {span:duration}",
    },
    "trips": "[{at_most:of at most}]{round_trips:count round trip}[ in {seconds:duration}]",
    "figures": [
        "{trips}[; {pipelined:of saved}]",
        "{calls:count call}",
        "{messages:count message}",
        "{bytes:count byte}",
    ],
    "held back": _HELD_BACK,
    "in order": "left to right in the order it happened; distances are no times",
    # The lines of a graph, by kind: what each of the things it stands for is called, how many of
    # them are named, and what is said of it.
    "graph": {
        "binding": {"each": "{name}", "most": 2, "label": "{all}", "title": "{holder} → {worker}"},
        "stub": {
            "each": "{number} × {name}", "most": 2, "label": "{all}",
            "title": "{holder} holds stubs of {worker}",
        },
        "introduction": {
            "each": "[{several} × ]{name}", "most": 1, "label": "gave {all}",
            "title": "{holder} introduced to {worker}",
        },
        "absent": "not deployed",
        "reaches": "{name} can reach:",
        "reaches nobody": "{name} can reach nobody",
        "way": "{worker} through {through:list}",
    },
    # Sample, name, text; and where it stands: everywhere, or in one of the two forms alone.
    "legends": {
        "timeline": [
            ["bar", "w1", "a call at work, in the lane of the Worker that runs it", ""],
            ["thin", "w0", "calls under way", "still"],
            ["line", "message", "a call, its result", ""],
            ["line", "error", "an error", ""],
            ["line", "pipelined", _PIPELINED, ""],
            ["text", "(1)", "the promise of call 1", ""],
            ["line", "release", "what is given back: stubs, results", ""],
            ["line", "cancel", "a call is given up", ""],
            ["line", "stream", "a stream's chunks", ""],
            ["mark", "raised", "it raised", ""],
            ["mark", "running", _OUTCOMES["running"], "still"],
            ["mark", "cancelled", _OUTCOMES["cancelled"], ""],
            ["mark", "lost", _OUTCOMES["lost"], ""],
            ["mark", "deployed", "a version was deployed", ""],
            ["mark", "link", "a link changed", ""],
            ["line", "moment", "the moment that is looked at; what came later is pale", "live"],
        ],
        "crowd": [
            ["bar", "w1", "the higher, the more calls began there", ""],
            ["line", "message", "messages, the thicker the more", ""],
            ["line", "pipelined", "pipelined calls", ""],
            ["line", "error", "errors", ""],
            ["bar", "f-bad", "the part of the calls that raised", ""],
        ],
        "lifetimes": [
            ["thin", "w1", "a target, from its first stub to its last; thicker: more references",
             ""],
            ["bar", "w1", "a stub, from its making to its end, in the colour of its holder", ""],
            ["line", "stub", "a dup is made of it", "still"],
            ["text", "●", "it was sent in a message", "live"],
            ["text", "×2", "references to a target, over all sessions, at this moment", "live"],
            *(["mark", LOOK["ends"][why], text, ""] for why, text in _ENDS.items()),
            ["mark", "broken", "it broke: its context ended", ""],
        ],
        "streams": [
            ["bar", "w1", "bytes sent and not acknowledged", ""],
            ["bar", "w2", "of these, arrived and not read", ""],
            ["line", "window", "the window: with so much under way, the writer waits", ""],
            ["mark", "held back", f"{_HELD_BACK}: the reader is slower", ""],
        ],
        "graph": [
            ["line", "binding", "a binding of an env: always there", ""],
            ["line", "stub", "stubs that are held, and how many", ""],
            ["line", "introduction", "who gave somebody a stub of a third one's", ""],
            ["bar", "absent", "not deployed", ""],
        ],
    },
    # What a walk through faults says in a page.
    "faults": {
        "label": "what came of a cut at each message",
        "only": "only cuts that show a fault",
        "keys": "Enter opens a timeline · ↑ ↓ rows",
        "row": "timeline of message",
        "closed": "▸",
        "opened": "▾",
        "wait": "…",
        "resting": "The kernel was restarted: no further row can be opened. Run the cell again.",
    },
    # What only the live views say: of themselves, their buttons and keys.
    "live": {
        "view": "what happened in the sandbox",
        "recording": "Recording",
        "titles": {
            "timeline": "Timeline", "lifetimes": "Lifetimes", "streams": "Streams",
            "graph": "Graph",
        },
        "hint": "Point at something, or move the focus here and use the arrow keys.",
        "signs": "What the signs mean",
        "advice": "Advice: ",
        "earlier": "after {earlier:number} earlier events",
        "resting": "The kernel was restarted: this view stands still, and its controls rest. Run"
        " its cell again for a live one.",
        "close": "close",
        "scale": "by ",
        "step": "step",
        "time": "time",
        "order": "order",
        "scales": {"order": "every step is as wide", "time": "by the clock"},
        "out": ["−", "show more (−)"],
        "in": ["+", "look closer (+)"],
        "fit": ["fit", "show all of it (0)"],
        "timeline tools": "what the timeline shows",
        "timeline keys": "← → step · ↑ ↓ calls · + − zoom · drag to move",
        "timeline label": "timeline of {workers:count Worker}, {calls:count call} and"
        " {messages:count message}; arrow keys left and right step, up and down go from call to"
        " call",
        "lifetimes keys": "↑ ↓ rows · Enter: what keeps it alive · ← → step",
        "lifetimes label": "lifetimes of {stubs:count stub}, of which {held} are held at this"
        " moment; arrow keys go from row to row",
        "only held": "only what is held",
        "held": "{held:count stub} held at this moment, of {stubs:number}",
        "none held": "No stub is held at this moment.",
        "no stub": "No stub was made.",
        "streams label": "{streams:count stream}; what each of them does is listed below",
        "no stream": "No stream was opened.",
        "earlier streams": "and {streams:number} earlier ones",
        "not open": "not opened yet",
        "open": "open",
        "graph hint": "Click a Worker, or move the focus to it and press Enter: what can it reach?",
        "graph label": "{workers:count Worker}, and what leads from one to another",
        "holds": "holds {held:count stub}",
        "scrubber": "scrubber",
        "slider": "step of the recording",
        "first": ["first step", "Home"],
        "back": ["one step back", "←"],
        "on": ["one step on", "→"],
        "last": ["last step, and follow", "End"],
        "at": "step {step} of {steps} · {after:duration}[ · {live}]",
        "following": "live",
        "controls": "Controls: links and readers",
        "link": "{one} ⇄ {other}",
        "round trip of": "round trip of {name}",
        "round trip": "round trip {rtt:duration}",
        "no delay": "no delay",
        "is cut": "cut: messages wait",
        "cut": ["cut", "cut the link {name}"],
        "mend": ["mend", "mend the link {name}"],
        "reads": "{name} reads",
        "how fast": "how fast {name} reads",
        "pace": "{rate:bytes} a second",
        "no pace": "as fast as it can",
        "tables": "Import and export tables of both sides",
        "no session": "No session yet: the tables are empty.",
        "more sessions": "… and {more:number} more sessions",
        "with itself": "{name} with itself",
        "table": "{name} {side}",
        "changes": {"−": "gone", "+": "new", "∗": "changed"},
        "binding": "{what}, a binding",
        "more rows": "… {more:number} more",
        "nothing": "nothing",
    },
}  # fmt: skip
