"""Where the code of a Worker can be left by an interrupt, and by which error.

Floor: workers. For signal handlers: of a notebook, and of a process that runs one Worker.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rpclab.core.answers import Answer
from rpclab.core.session import Session
from rpclab.diagnostics.places import is_machinery
from rpclab.errors import RpcError
from rpclab.rpc.activity import Activity, StepInterrupted, TaskInterrupted
from rpclab.rpc.engine import Engine
from rpclab.workers.imports import is_code_of_a_worker
from rpclab.workers.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

_PLAIN = Session._receive_plain_call.__code__
# What runs the code of Workers and takes a StepInterrupted that leaves it.
_STEPS = (Engine.run.__code__, Activity._step.__code__, Worker.open.__code__, _PLAIN)


def is_step(frame: FrameType, inner: FrameType | None) -> bool:
    """Whether a frame runs the code of a Worker as a step that a StepInterrupted may end.

    Args:
        frame: the frame.
        inner: the one that it has called.
    """
    if frame.f_code is _PLAIN:
        # It also delivers calls of other kinds, and is no guard around those.
        return inner is None or not is_machinery(inner.f_code.co_filename)
    return frame.f_code in _STEPS


def error_for(frame: FrameType | None) -> BaseException | None:
    """Choose what to raise in the code that runs; None where no code of a Worker does."""
    of_a_worker = False
    inner = None
    while frame is not None:
        if is_step(frame, inner):
            return StepInterrupted()
        if frame.f_code.co_name == "_run_once":  # of the event loop
            break
        of_a_worker = of_a_worker or is_code_of_a_worker(frame)
        inner, frame = frame, frame.f_back
    if not of_a_worker:
        return None
    # KeyboardInterrupt in a task, or a callback, would end the event loop.
    return (
        RpcError("the code was interrupted")
        if asyncio.current_task() is None
        else (TaskInterrupted())
    )


def calls_in(frame: FrameType | None, answers: Iterable[Answer]) -> Iterator[tuple[Session, int]]:
    """Give the calls that are being answered by the code that runs, by session and id.

    Args:
        frame: the innermost of that code.
        answers: the calls that are under way.
    """
    while frame is not None:
        found: Any = None
        if frame.f_code is _PLAIN:
            yield frame.f_locals["self"], frame.f_locals["call"]
        elif frame.f_code is Activity._step.__code__:
            activity = frame.f_locals["self"]
            found = next((each for each in answers if each.running is activity), None)
        else:
            found = frame.f_locals.get("answer")
        if isinstance(found, Answer):
            origin = found.origin or found
            if isinstance(origin.session, Session):
                yield origin.session, origin.id
        frame = frame.f_back
