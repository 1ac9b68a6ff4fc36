"""What an error of a Worker, or of a cell, does not say, and its author may not know.

Floor: rpc. Each is a note on the error: what happened is told by Python.
"""

from __future__ import annotations

import sys
from types import TracebackType

from rpclab.errors import add_note

PROGRAM = "__main__"
_NESTED = "asyncio.run() cannot be called from a running event loop"


def advise(error: BaseException, *, worker: bool) -> None:
    """Add a note to an error, if it is one that has a well-known cause here.

    Args:
        error: as it was raised, with its traceback.
        worker: whether the code of a Worker raised it, and not the program around the Workers.
    """
    text = _for_a_name(error) if worker else ""
    if isinstance(error, RuntimeError) and str(error) == _NESTED:
        where = "a method of a Worker may be async" if worker else "a cell can await"
        text = f"an event loop runs here already, and {where}: write `await main()` instead"
    add_note(error, text)


def _for_a_name(error: BaseException) -> str:
    """A name that the program around the Workers has, and the Worker has not."""
    name = error.name if isinstance(error, NameError) else None
    if getattr(error, "remote", False):
        return ""  # whoever raised it has said so
    known = vars(sys.modules[PROGRAM]) if PROGRAM in sys.modules else {}
    if name is None or isinstance(error, UnboundLocalError) or name not in known:
        return ""
    if _module_of(error.__traceback__) == PROGRAM:
        return ""
    kind = type(known[name]).__name__
    return (
        f"{name} ({kind}) is defined in the notebook or program, with which a Worker shares no"
        f" names: pass it in the call, or give it to the Worker as self.env.{name} with"
        f" --var {name}=text or --json {name}=value (vars=, json= in deploy); what is code, define"
        " or import in the Worker itself"
    )


def _module_of(entry: TracebackType | None) -> str | None:
    """The module whose code raised an error."""
    name = None
    while entry is not None:
        name = entry.tb_frame.f_globals.get("__name__")
        entry = entry.tb_next
    return name
