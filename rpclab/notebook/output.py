"""Where the output of Workers goes: into the cell that caused the call.

Floor: notebook.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from contextvars import Context, ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rpclab.core.contexts import current
from rpclab.diagnostics.places import is_machinery, place
from rpclab.notebook.browser import parent_of_output
from rpclab.workers.declarations import NOTEBOOK
from rpclab.workers.imports import given_to_all

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rpclab.sandbox import Sandbox


def output_variables(shell: InteractiveShell) -> tuple[ContextVar[Any], ...]:
    """Find the context variables that say which cell output belongs to.

    ipykernel 6.29 has them on its streams; since 7.0 also displays, results and input have some.
    For Pyodide's kernel the one is ours.
    """
    kernel = getattr(shell, "kernel", None)
    owners = (sys.stdout, sys.stderr, shell, shell.display_pub, shell.displayhook)
    found = [vars(owner).get("_parent_header") for owner in owners if hasattr(owner, "__dict__")]
    found += [getattr(kernel, name, None) for name in ("_shell_parent", "_shell_parent_ident")]
    found += parent_of_output(shell)
    return tuple(dict.fromkeys(item for item in found if isinstance(item, ContextVar)))


class Labels:
    """Puts the name of a Worker before the lines that its code prints.

    Args:
        wanted: says whether that is wanted.
    """

    def __init__(self, wanted: Callable[[], bool]) -> None:
        self.wanted = wanted
        self._last: tuple[str, bool] = ("", True)  # who printed last, and whether that ended a line

    def on(self, worker: str, text: str) -> str:
        """Give a text that a Worker prints, with its name."""
        goes_on = self._last == (worker, False)
        between = "" if self._last[1] or goes_on else "\n"
        self._last = worker, not text or text.endswith("\n")
        lines = text.splitlines(keepends=True)
        shown = [f"[{worker}] {line}" for line in lines]
        if goes_on and lines:
            shown[0] = lines[0]
        return between + "".join(shown)

    def tell(self, worker: str, stream: str, text: str) -> None:
        """Print what a Worker has printed in another process; see `Placing.tell_printed`."""
        shown = self.on(worker, text) if self.wanted() else text
        print(shown, end="", file=getattr(sys, stream))


def label_prints(labels: Labels) -> Callable[[], None]:
    """Put the name of a Worker before the lines that its calls print.

    It is `print` in the code of Workers that are deployed from now on; what is written elsewhere,
    by `print(…, file=…)` or a library, stays as it is.

    Args:
        labels: puts them there.

    Returns:
        A function that takes this back.
    """

    def labelled(
        *values: Any, sep: Any = " ", end: Any = "\n", file: Any = None, **more: Any
    ) -> None:
        context = current.get()
        if file is not None or context is None or context.worker == NOTEBOOK or not labels.wanted():
            print(*values, sep=sep, end=end, file=file, **more)
            return
        text = (" " if sep is None else sep).join(map(str, values))
        text += "\n" if end is None else end
        print(labels.on(context.worker, text), end="", **more)  # noqa: T201

    given_to_all["print"] = labelled

    def undo() -> None:
        if given_to_all.get("print") is labelled:
            del given_to_all["print"]

    return undo


class Reports(logging.Handler):
    """Prints what the library reports, a line each, where the output of its cause goes."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a report."""
        error = record.exc_info[1] if record.exc_info else None
        where = _raised_at(error.__traceback__) if error is not None else ""
        print(f"rpclab: {record.getMessage()}{where}", file=sys.stderr)  # noqa: T201


def report_lost_tasks(loop: asyncio.AbstractEventLoop, sandbox: Sandbox) -> Callable[[], None]:
    """Report the failure of a task that a Worker started and nobody awaited, in one line.

    Returns:
        A function that ends this.
    """
    before = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        worker = _worker_of(error.__traceback__, sandbox) if error is not None else None
        if worker is not None and isinstance(context.get("future"), asyncio.Future):
            kind = type(error).__name__
            where = _raised_at(error.__traceback__) if error is not None else ""
            text = f"rpclab: a task of {worker} failed: {kind}: {error}{where}"
            _context_of(context["future"]).run(print, text, file=sys.stderr)
        elif before is not None:
            before(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)

    def undo() -> None:
        if loop.get_exception_handler() is handle:
            loop.set_exception_handler(before)

    return undo


def _context_of(task: Any) -> Context:
    """The context of a task; before Python 3.12 an empty one, whose output the latest cell gets."""
    return task.get_context().copy() if hasattr(task, "get_context") else Context()


def _worker_of(entry: TracebackType | None, sandbox: Sandbox) -> str | None:
    """Name the Worker whose code raised an error."""
    while entry is not None:
        name = entry.tb_frame.f_globals.get("__name__")
        if name in sandbox.workers:
            return str(name)
        entry = entry.tb_next
    return None


def _raised_at(entry: TracebackType | None) -> str:
    """Name the innermost place in the user's code that an error went through."""
    found = ""
    while entry is not None:
        filename = entry.tb_frame.f_code.co_filename
        if not is_machinery(filename):
            found = f" ({place(filename, entry.tb_lineno)})"
        entry = entry.tb_next
    return found
