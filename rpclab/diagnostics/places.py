"""Where in the user's code something was called: the cell or file, and the line.

Floor: rpc.
"""

from __future__ import annotations

import asyncio
import os
import traceback
from functools import partial
from sys import _getframe
from types import CodeType, FrameType, FunctionType, MethodType, TracebackType
from typing import TYPE_CHECKING, Any

from rpclab.core.places import RAISED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rpclab.core.imports import Handle


_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARY = os.path.dirname(os.path.abspath(traceback.__file__)) + os.sep
# `async with sandbox.event()` ends in contextlib, and not where the user wrote it.
_MACHINERY = (_PACKAGE, f"{_LIBRARY}asyncio", f"{_LIBRARY}contextlib.py")
_LOOP_STEP = asyncio.Handle._run.__code__
_INNER = {FunctionType: "__wrapped__", MethodType: "__func__", partial: "func"}

_MANY = 2000
_CALLS = 5  # of a session's call: the frames of the session, of what it was made on, and of a stub
known_places: dict[int, dict[int, Any]] = {}
"""By the `id` of a code object, and by instruction, the places found so far; under `_CODE` that
object itself, so that the `id` stays its own. Nothing stands here for machinery."""

_CODE = -1


class _Names(dict[str, str]):
    """Names of files; with another name the places found so far are void."""

    def __setitem__(self, filename: str, name: str) -> None:
        super().__setitem__(filename, name)
        _forget_places()

    def __delitem__(self, filename: str) -> None:
        super().__delitem__(filename)
        _forget_places()

    def clear(self) -> None:
        super().clear()
        _forget_places()


def _forget_places() -> None:
    for places in known_places.values():
        places.clear()  # whoever has one of these asks again
    known_places.clear()


names: dict[str, str] = _Names()
"""Names for files that have none a user would know: the notebook floor puts its cells here."""


def place(filename: str, line: int) -> str:
    """Name a place as a user would, such as "Cell In[3], line 2"."""
    return f"{names.get(filename, filename)}, line {line}"


def is_ours(filename: str) -> bool:
    """Whether a file belongs to rpclab."""
    return filename.startswith(_PACKAGE)


def is_machinery(filename: str) -> bool:
    """Whether a file belongs to rpclab, or to what stands between it and the user's code."""
    return filename.startswith(_MACHINERY)


def calling_site(depth: int = _CALLS) -> str | None:
    """The innermost place on the stack that is the user's; None if rpclab acts by itself.

    Args:
        depth: how many frames under this one are rpclab's for certain.
    """
    frame: FrameType | None = _getframe(depth)
    while frame is not None:
        code = frame.f_code
        places = known_places.get(id(code))
        if places is not None and (found := places.get(frame.f_lasti)) is not None:
            return found  # type: ignore[no-any-return]  # under a number, and so a text
        # Beyond the loop's own frame stands who started the loop, and not who called.
        if code is _LOOP_STEP:
            break
        if not is_machinery(code.co_filename):
            return _new_place(code, frame)
        frame = frame.f_back
    return None


def _new_place(code: CodeType, frame: FrameType) -> str:
    if len(known_places) > _MANY:  # each run of a cell makes a code object
        known_places.clear()
    found = place(code.co_filename, frame.f_lineno)
    known_places.setdefault(id(code), {_CODE: code})[frame.f_lasti] = found
    return found


def definition_site(function: Any) -> str | None:
    """Where a function, or a method, was written."""
    while type(function) in _INNER:
        inner = getattr(function, _INNER[type(function)], None)
        if inner is None:
            break
        function = inner
    code = function.__code__ if type(function) is FunctionType else None
    if code is None or is_machinery(code.co_filename):
        return None
    return place(code.co_filename, code.co_firstlineno)


def place_parameters(handles: Sequence[Handle], function: Any) -> None:
    """Note of parameters that they were given to that function."""
    site = definition_site(function)
    for handle in handles:
        if handle.site is None:
            handle.site = site


def trim(error: BaseException) -> None:
    """Begin the traceback of an error where the user's code does."""
    entry = error.__traceback__
    while entry is not None and is_machinery(entry.tb_frame.f_code.co_filename):
        entry = entry.tb_next
    if entry is not None:
        error.__traceback__ = entry


def note_place(error: BaseException) -> None:
    """Note on an error where in a Worker it was raised; the note goes with it to the caller.

    A program may raise one error object again and again: it has one note, of the last time.
    """
    entry: TracebackType | None = error.__traceback__
    lines = []
    while entry is not None:
        code = entry.tb_frame.f_code
        if not is_machinery(code.co_filename):
            lines.append(f"  {place(code.co_filename, entry.tb_lineno)}, in {code.co_qualname}")
        entry = entry.tb_next
    if not lines:
        return
    if not getattr(error, "remote", False):
        notes = getattr(error, "__notes__", ())
        error.__notes__ = [note for note in notes if not note.startswith(RAISED)]
        # Python would put the next time's places behind those of this one.
        error.__traceback__ = None
    error.add_note("\n".join([RAISED, *lines]))
