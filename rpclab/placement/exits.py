"""Why a host is no more, in words.

Floor: sandbox.
"""

from __future__ import annotations

import os
import re
import signal
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from rpclab.diagnostics.places import is_machinery
from rpclab.errors import DisconnectedError
from rpclab.placement.engine import NO_BOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rpclab.placement.engine import Bounds, Ended

LAST_LINES = 20
"""So many lines of what a host wrote to stderr last are told where it has come to its end."""

_KEPT = 200  # lines, of which those of the library's own calls are not told
_LONGEST_LINE = 400  # characters
_FRAME = re.compile(r'  File "(.+)", line \d+ in ')

_HINTS = {
    "SIGKILL": "by hand, or by the system as memory ran out",
    "SIGSEGV": "C code used memory that is not its own",
    "SIGBUS": "C code used memory that is not there",
    "SIGABRT": "C code gave up",
}


class LastLines:
    """What was written last, by lines."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=_KEPT)
        self._open = False  # whether the last line goes on

    def add(self, text: str) -> None:
        """Take a piece of text."""
        for line in text.splitlines(keepends=True):
            if self._open and self._lines:
                line = self._lines.pop() + line  # noqa: PLW2901 - they are one line
            self._open = not line.endswith("\n")
            self._lines.append(line[:_LONGEST_LINE] + "\n" * (len(line) > _LONGEST_LINE))

    def __iter__(self) -> Iterator[str]:
        return iter([line.rstrip("\n") for line in self._lines])


def reason(worker: str, pid: int | None, ended: Ended, bounds: Bounds, lines: Iterable[str]) -> str:
    """Say in one sentence, and the last lines of stderr, why the process of a Worker ended.

    Args:
        worker: its name.
        pid: of the process; None where the code of the Worker had not run yet.
        ended: how.
        bounds: what it was allowed to use.
        lines: what it wrote to stderr last.
    """
    # What was killed by whoever knows why needs no guess.
    text = ended.why or how(ended.status, bounds)
    if pid is not None:
        text = f'the process {pid} of Worker "{worker}" ended: {text}'
    elif bounds.memory_bytes is not None and not ended.why:
        text += f"; it may use {bounds.memory_bytes:,} bytes of address space (memory_bytes)"
    said = [line for line in lines if line.strip() and not _is_ours(line)][-LAST_LINES:]
    if said:
        text += "\n  stderr, last lines:" + "".join(f"\n    {line}" for line in said)
    return text


def _is_ours(line: str) -> bool:
    """Whether a line of a stack, as of a crash in C code, is of the library, or of the loop."""
    frame = _FRAME.match(line)
    return frame is not None and (
        is_machinery(frame[1]) or f"{os.sep}asyncio{os.sep}" in frame[1] or frame[1] == "<string>"
    )


def how(status: int | None, bounds: Bounds = NO_BOUNDS) -> str:
    """Say how a process has ended.

    Args:
        status: its exit code, or minus the number of the signal; None where that is not known.
        bounds: what it was allowed to use.
    """
    if status is None:
        return "nothing more is known"
    if status >= 0:
        return f"exit code {status}"
    name = f"signal {-status}"
    with suppress(ValueError):
        name = signal.Signals(-status).name
    if name == "SIGXCPU" and bounds.cpu_seconds is not None:
        return f"killed by SIGXCPU: it used more than {bounds.cpu_seconds} s of computing time"
    hint = _HINTS.get(name)
    return f"killed by {name}" + (f" ({hint})" if hint else "")


def crashed(why: str) -> DisconnectedError:
    """What all breaks with that came from a host; its Worker starts anew at the next call."""
    error = DisconnectedError(why)
    error.retryable = True
    return error
