"""Who called whom, and when: lanes, bars, arrows.

Floor: trace. A pure function of a recording.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rpclab.core.events import ends
from rpclab.printable import printable
from rpclab.trace import events as ev
from rpclab.trace.messages import asked, called, kind_of, told
from rpclab.trace.model import Arrow, CallBar, Lane, Timeline
from rpclab.trace.replay import Replay
from rpclab.trace.states import CallState, MessageState

NOTEBOOK = "notebook"
"""The name of the program around the Workers."""


def timeline(recording: Iterable[Any]) -> Timeline:
    """Give the lanes, calls and messages of a recording.

    Args:
        recording: a recording, or some of its events in order.
    """
    events = list(recording)
    replay = Replay(events)
    begin = events[0].at if events else 0.0
    return Timeline(
        lanes=tuple(Lane(name, tuple(replay.deployed.get(name, ()))) for name in lanes(replay)),
        calls=tuple(map(bar_of, replay.calls)),
        arrows=tuple(arrow_of(message) for message in replay.messages),
        notes=tuple(replay.notes),
        begin=begin,
        end=replay.time if events else begin,
        moments=len(events),
    )


def lanes(replay: Replay) -> list[str]:
    """The Workers: the notebook first, the others in the order in which they appeared."""
    seen = dict.fromkeys(worker for note in replay.notes for worker in note.workers)
    seen.update(dict.fromkeys(name for label in replay.ends for name in ends(label)))
    names = [name for name in seen if name != NOTEBOOK]
    return [NOTEBOOK, *names] if NOTEBOOK in seen else names


def label_of(call: CallState) -> str:
    """What a call asks for, such as "(1).depth()", where (1) is the call it was made on."""
    return asked(call.sent, 0 if call.on is None else call.on.number, call.function)


def method_of(call: CallState) -> str:
    """The member that is called or read, without what it is given."""
    path = printable(call.sent.path if type(call.sent.path) is str else ".".join(call.sent.path))
    if type(call.sent) is ev.MapSent:
        return f"{path}.map".lstrip(".")
    return path or called(call.function)


def result_of(call: CallState) -> str:
    """The result of a call in a few characters; "" while there is none."""
    if call.answer is None:
        return ""
    if isinstance(call.answer, ev.CallRaised):
        return printable(call.answer.error)
    return told(call.answer.value)


def bar_of(call: CallState) -> CallBar:
    """A call, as far as it has come, as a bar."""
    return CallBar(
        number=call.number,
        kind=kind_of(call.sent),
        label=label_of(call),
        method=method_of(call),
        caller=call.caller,
        worker=call.worker,
        site=call.sent.site,
        made=call.sent.at,
        begun=call.begun,
        ended=call.ended,
        settled=call.settled,
        outcome=call.outcome,
        result=result_of(call),
        depth=call.depth,
        by=None if call.by is None else call.by.number,
        pipelined_on=None if call.on is None or call.held else call.on.number,
        using=tuple(other.number for other in call.using),
        made_at=call.made_at,
        settled_at=call.settled_at,
    )


def arrow_of(message: MessageState) -> Arrow:
    """A message, as far as it has come, as an arrow."""
    event, call = message.event, message.call
    sender, receiver = ends(event.session)
    kind, text = _said(message)
    return Arrow(
        kind=kind,
        text=text,
        call=None if call is None else call.number,
        sender=sender,
        receiver=receiver,
        size=event.size,
        sent=event.at,
        arrived=message.arrived,
        pipelined=call is not None and not call.held and _is_on_a_promise(event),
        sent_at=message.sent_at,
        arrived_at=message.arrived_at,
    )


def _is_on_a_promise(event: Any) -> bool:
    return type(event) in (ev.CallSent, ev.MapSent) and event.target > 0


def _said(message: MessageState) -> tuple[str, str]:
    """The kind of a message, and what a reader wants to see of it."""
    event, call = message.event, message.call
    match event:
        case ev.CallSent() | ev.MapSent() if call is not None:
            return kind_of(call.sent), label_of(call)
        case ev.CallReturned():
            return "result", told(event.value)
        case ev.CallRaised():
            return "error", printable(event.error)
        case ev.CallCancelled():
            return "cancel", ""
        case ev.Released():
            return "release", ", ".join(map(_name, event.ids, message.released))
        case ev.ExportBroken():
            return "broken", printable(event.error)
        case ev.PromiseResolved():
            return "result", "a promise that was passed on"
        case ev.PromiseRejected():
            return "error", "a promise that was passed on"
        case ev.ChunkSent():
            return event.operation, f"{event.size} bytes"
        case ev.StreamOpened():
            return "stream", "opened"
        case _:
            return "stream", "nobody reads it any more"


def _name(number: int, call: int | None) -> str:
    """A released id: what was introduced under it, or the call that it stands for."""
    if number < 0:
        return f"#{-number}"
    return "an earlier call" if call is None else str(call)
