"""What must hold after a session, whatever came in; a finding where it does not."""

from __future__ import annotations

import gc
import traceback
import warnings
from dataclasses import dataclass, field

from fuzz import pace
from fuzz.values import STEERING
from fuzz.worlds import LONG
from rpclab.errors import RpcError

MUCH = 64 * 1024 * 1024  # bytes that one session may take, beside a few for each that came in
TIMES = 20
WORDY = 1000  # characters of a reason


@dataclass
class Finding:
    """Something that must not be.

    Attributes:
        signature: the same for each finding of one cause, as far as one can tell.
        detail: for a reader; a traceback, where there is one.
        level, dialect, seed: which session it was.
        variant: "two ends" of the core, or "recorded" in a sandbox; else nothing special.
        steps: what was done, so that it can be done again.
    """

    signature: str
    detail: str = ""
    level: str = ""
    dialect: str = ""
    seed: str = ""
    variant: str = ""
    steps: list = field(default_factory=list)


def blamed(error):
    """The innermost function of rpclab that an exception went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/rpclab/" in frame.filename]
    if not ours:
        return "nowhere"
    frame = ours[-1]
    return f"{frame.filename.rpartition('/rpclab/')[2]} {frame.name}"


def check(world, peak_growth=0):
    """List what does not hold of a closed world.

    Args:
        world: a world (see `worlds`).
        peak_growth: by how many bytes the process has grown meanwhile.
    """
    found = []

    def find(signature, detail=""):
        found.append(Finding(signature, str(detail)[:8000]))

    for what, error in world.trouble:
        text = "".join(traceback.format_exception(error, limit=-12)) if error else ""
        find(f"{what}: {type(error).__name__} in {blamed(error)}", text)
    if world.longest > LONG and world.longest > LONG * pace.SECOND * pace.unit():
        find("a step takes over a second", f"{world.longest:.1f} s")
    if peak_growth > MUCH + TIMES * world.bytes:
        find("memory grows out of proportion", f"{peak_growth:,} bytes for {world.bytes:,}")
    if world.unsettled():
        find("a call in flight never settles", world.unsettled())
    for table in world.tables():
        find(f"a closed session keeps {table}")
    for what, error in world.reports():
        find(f"reported: {what}: {type(error).__name__}", error)
    for session in world.ends:
        _check_reason(session.closed, find)
    for error in world.outcomes():
        _check_error(error, find)
    for thing in world.things:
        if thing._disposals != 1:
            often = "never" if thing._disposals == 0 else "more than once"
            find(f"a target of {thing._maker}() is disposed {often}")
    if not world.bystander():
        find("another session is no longer answered")
    unique = {}
    for finding in found:
        unique.setdefault(finding.signature, finding)
    return list(unique.values())


def _check_reason(reason, find):
    if not isinstance(reason, RpcError) or not str(reason):
        find(f"the reason is unnamed: {type(reason).__name__}", reason)
        return
    if len(str(reason)) > WORDY:
        find("the reason is too long to read", str(reason)[:2000])
    seen = set()
    while reason is not None and id(reason) not in seen:
        seen.add(id(reason))
        if reason.__traceback__ is not None:
            find("the reason keeps a traceback", repr(reason))
            return
        reason = reason.__cause__ or reason.__context__


def _check_error(error, find):
    name = next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in STEERING), None)
    if name is not None or not isinstance(error, Exception):
        find(f"an await raises {name or type(error).__name__}, as the peer wants")
    if type(error.__dict__.get("__notes__", [])) is not list:
        find("an error's __notes__ are the peer's")
    if type(getattr(error, "remote", False)) is not bool:
        find("an error's `remote` is the peer's")
    hidden = [name for name in error.__dict__ if hasattr(BaseException, name)]
    if any(name not in ("__notes__", "__doc__") for name in hidden):
        find("an error's own methods are hidden by the peer", hidden)


def quietly(function):
    """Call a function; give its result, and what Python would have said on the side."""
    heard = []
    import sys  # noqa: PLC0415

    def unraisable(said):
        heard.append((f"unraisable: {type(said.exc_value).__name__}", said.exc_value))

    before, sys.unraisablehook = sys.unraisablehook, unraisable
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            result = function()
            gc.collect()
    finally:
        sys.unraisablehook = before
    heard += [(f"warned: {said.category.__name__}", said.message) for said in warned]
    return result, heard
