"""A sequence diagram in text: a column for each Worker, an arrow for each message.

Floor: trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpclab.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rpclab.trace.model import Arrow

_WIDTH = 34  # characters between two columns, at least
_LONGEST = 200  # messages that are drawn


def sequence_text(events: Sequence[Arrow], *, longest: int = _LONGEST) -> str:
    """Draw messages.

    Args:
        events: the messages, in order.
        longest: how many are drawn; a line says how many are left out.
    """
    workers = list(
        dict.fromkeys(name for event in events for name in (event.sender, event.receiver))
    )
    shown = events[:longest]
    width = max([_WIDTH, *(len(_label(event)) + 8 for event in shown)])
    at = {name: number * width for number, name in enumerate(workers)}
    lines = [printable("".join(name.ljust(width) for name in workers).rstrip())]
    lines += [_row(event, at, width * (len(workers) - 1)) for event in shown]
    if len(events) > longest:
        lines.append(f"… and {len(events) - longest} more messages")
    return "\n".join(lines)


def _label(event: Arrow) -> str:
    number = event.call or "earlier"
    match event.kind:
        case "call" | "read" | "map":
            return f"{event.call} {event.text}{', pipelined' * event.pipelined}"
        case "result":
            return f"{number} = {event.text}"
        case "error":
            return f"{number} ✗ {event.text}"
        case "release":
            return f"release {event.text}"
        case "cancel":
            return f"cancel {number}"
        case _:
            return f"{event.kind}, {event.text}"


def _row(event: Arrow, at: dict[str, int], end: int) -> str:
    row = ["│" if place in at.values() else " " for place in range(end + 1)]
    one, other = at[event.sender], at[event.receiver]
    label = _label(event)
    if one == other:
        return ("".join(row[: one + 1]) + f"↺ {label}").rstrip()
    left, right = min(one, other), max(one, other)
    room = right - left - 1
    if one < other:
        arrow = f"─ {label} ".ljust(room - 1, "─") + "▶"
    else:
        arrow = "◀" + f" {label} ─".rjust(room - 1, "─")
    row[left + 1 : right] = arrow
    return "".join(row).rstrip()
