"""What labels and tooltips say of calls, messages and stubs.

Floor: trace.
"""

from __future__ import annotations

import re

from rpclab.printable import printable
from rpclab.trace.model import Arrow, CallBar, StubBar, TargetBar
from rpclab.trace.pictures.drawing import elided, width_of
from rpclab.trace.pictures.figures import CALLS, count
from rpclab.trace.pictures.look import LOOK

_ON_A_CALL_BEFORE = "(0)"  # one that was made before the recording began
_FOLDERS = re.compile(r"^.*[/\\](?=[^/\\]+[/\\][^/\\]+, line \d+$)")
_CELL = re.compile(r"Cell In\[[^]]*\], ")

ENDS = {
    "user": "disposed",
    "parameter": "let go when the method returned",
    "returned": "moved to the caller",
    "context": "let go at the end of its context",
    "forgotten": "forgotten: Python let go of it, nobody disposed it",
}
"""How a stub ended, in words."""

END_MARKS = {
    "user": "dispose",
    "parameter": "parameter",
    "returned": "moved",
    "context": "context",
    "forgotten": "forgotten",
}
"""The mark of each end."""

HOWS = {
    "result": "result",
    "parameter": "parameter",
    "dup": "dup",
    "local": "made here",
}
"""How a stub was come by, in words."""


def call_label(call: CallBar) -> str:
    """A call and what came of it, such as "1 increment(5) = 5"."""
    is_pipelined = call.pipelined_on is not None or call.label.startswith(_ON_A_CALL_BEFORE)
    pipelined = ", pipelined" if is_pipelined else ""
    asked = f"{call.number} {call.label}{pipelined}"
    if call.outcome in ("returned", "raised"):
        return f"{asked} {LOOK['marks'][call.outcome]['text']} {call.result}"
    return f"{asked} {call.outcome}"


def call_title(call: CallBar) -> str:
    """All that is known of a call, a line for each."""
    lines = [
        f"{call.kind} {call.number}: {call.label}",
        f"{call.caller} → {call.worker}",
        {"returned": f"returned {call.result}", "raised": f"raised {call.result}"}.get(
            call.outcome, call.outcome
        ),
    ]
    if call.pipelined_on is not None:
        lines.append(f"pipelined: sent before call {call.pipelined_on} had its result")
    if call.using:
        lines.append(f"with the promise of call {', '.join(map(str, call.using))}")
    if call.by is not None:
        lines.append(f"made by the method of call {call.by}")
    if call.site:
        lines.append(f"at {short_site(call.site)}")
    return "\n".join(map(printable, lines))


def message_title(message: Arrow) -> str:
    """What a message is."""
    what = f"{message.kind} {message.text}".strip()
    of = f" of call {message.call}" if message.call and message.kind not in CALLS else ""
    way = "" if message.arrived_at is not None else "; on its way, or lost"
    return f"{what}{of}\n{message.sender} → {message.receiver}, {count(message.size, 'byte')}{way}"


def stub_label(stub: StubBar) -> str:
    """Who holds a stub, and how it was come by."""
    how = f"dup of {stub.of}" if stub.how == "dup" and stub.of else HOWS[stub.how]
    if stub.call is not None and stub.how in ("result", "parameter"):
        how = f"{how} of call {stub.call}"
    return f"{stub.number} {stub.holder}: {how}"


def stub_title(stub: StubBar, target: TargetBar | None) -> str:
    """All that is known of a stub, a line for each."""
    leads = f" of {target.name} in {target.worker}" if target else ""
    lines = [f"stub {stub.number}{leads}", f"held by {stub.holder}, {HOWS[stub.how]}"]
    if stub.of is not None:
        lines.append(f"a dup of stub {stub.of}")
    if stub.site:
        lines.append(f"made at {short_site(stub.site)}")
    if stub.passed:
        lines.append(f"sent to {', '.join(dict.fromkeys(to for _, _, to in stub.passed))}")
    if stub.ended is None:
        lines.append("still held at the end")
    else:
        where = f" at {short_site(stub.ended_site)}" if stub.ended_site else ""
        lines.append(f"{ENDS.get(stub.why, stub.why)}{where}")
    return "\n".join(map(printable, lines))


def short_site(site: str) -> str:
    """A place in a file by that file and its folder: "web/main.py, line 4"."""
    return _FOLDERS.sub("", site)


def site_label(site: str | None, room: float) -> str:
    """A place without its folders, and its line whole."""
    name, comma, line = re.split(r"[/\\]", site or "")[-1].rpartition(",")
    return elided(name, room - width_of(comma + line)) + comma + line


def without_cells(text: str) -> str:
    """A text in which places in cells are told by their line alone, the same on every run."""
    return _CELL.sub("", text)


def without_the_cell(text: str) -> str:
    """The same where all places are in one cell; else as it is."""
    return without_cells(text) if len(set(_CELL.findall(text))) == 1 else text
