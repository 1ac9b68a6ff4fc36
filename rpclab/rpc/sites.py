"""Where in the user's code something was called: the cell or file, and the line.

Floor: rpc.
"""

from __future__ import annotations

import os
import sys
import traceback
from types import FrameType, TracebackType

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_MACHINERY = (_PACKAGE, os.path.dirname(os.path.abspath(traceback.__file__)) + os.sep + "asyncio")

names: dict[str, str] = {}
"""Names for files that have none a user would know: the notebook floor puts its cells here."""


def place(filename: str, line: int) -> str:
    """Name a place as a user would, such as "Cell In[3], line 2"."""
    return f"{names.get(filename, filename)}, line {line}"


def is_machinery(filename: str) -> bool:
    """Whether a file belongs to rpclab, or to the event loop under it."""
    return filename.startswith(_MACHINERY)


def calling_site() -> str | None:
    """The innermost place on the stack that is the user's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not is_machinery(frame.f_code.co_filename):
            return place(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back
    return None


def trim(error: BaseException) -> None:
    """Begin the traceback of an error where the user's code does."""
    entry = error.__traceback__
    while entry is not None and is_machinery(entry.tb_frame.f_code.co_filename):
        entry = entry.tb_next
    if entry is not None:
        error.__traceback__ = entry


def remote_note(error: BaseException) -> str | None:
    """Describe where in a Worker an error was raised, for the note that goes with it."""
    entry: TracebackType | None = error.__traceback__
    lines = []
    while entry is not None:
        code = entry.tb_frame.f_code
        if not is_machinery(code.co_filename):
            lines.append(f"  {place(code.co_filename, entry.tb_lineno)}, in {code.co_qualname}")
        entry = entry.tb_next
    return "\n".join(["raised in the Worker at", *lines]) if lines else None
