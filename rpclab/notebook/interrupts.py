"""What the button "interrupt" does while calls are under way.

Floor: notebook. A kernel raises KeyboardInterrupt in a cell that is not async, and cancels one
that is, once the event loop gets round to it. That leaves out a cell that spins without awaiting,
a Worker that spins (the loop never gets round), and an error that says what was waited for.

An interrupt always ends the cell. Where the code of a Worker keeps it, both are stopped: that code
by an error of its own, and the cell at once, for whoever is between them may catch that error.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell

from rpclab.core.contexts import current
from rpclab.core.places import RAISED
from rpclab.diagnostics.places import is_machinery, place
from rpclab.errors import RpcError
from rpclab.rpc import sync
from rpclab.rpc.activity import StepInterrupted, TaskInterrupted
from rpclab.sandbox import NOTEBOOK
from rpclab.workers.imports import is_code_of_a_worker
from rpclab.workers.interrupts import is_step

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from IPython.core.interactiveshell import ExecutionInfo, ExecutionResult

    from rpclab.diagnostics.pending_calls import Waiting
    from rpclab.sandbox import Sandbox

_RETRY = 0.01  # seconds
_TRIES = 50
_RUN_CODE = InteractiveShell.run_code.__code__
_RUN_CELL = InteractiveShell.run_cell_async.__code__
_STOPPED = (asyncio.CancelledError, KeyboardInterrupt)


class Interrupts:
    """Handles SIGINT while the extension is loaded.

    Args:
        shell: the shell whose cells are interrupted.
        sandbox: whose calls they wait for.
        loop: the loop the kernel runs on; None in a shell without one.
    """

    def __init__(
        self, shell: InteractiveShell, sandbox: Sandbox, loop: asyncio.AbstractEventLoop | None
    ) -> None:
        self._shell = shell
        self._sandbox = sandbox
        self._loop = loop
        self._inner: Any = None  # the handler that was there before ours
        self._between: Any = None  # ... and the kernel's, for the time between cells
        self._show_before: tuple[Any, Any] = ((), None)
        self._waited: list[Waiting] = []
        self._stopped = ""  # what ran, and where
        self._cell: asyncio.Task[Any] | None = None  # the task of an async cell
        self._tries = _TRIES
        self._interrupted = False
        self._shown: KeyboardInterrupt | None = None

    # Coming and going.

    def install(self) -> None:
        """Begin. The cell that runs now is covered already."""
        kernel: Any = getattr(self._shell, "kernel", None)
        if hasattr(kernel, "saved_sigint_handler"):
            # The kernel puts this handler in place after each cell, where it ignores interrupts.
            self._between = kernel.saved_sigint_handler
            kernel.saved_sigint_handler = self._handle_between_cells
        self._show_before = (self._shell.custom_exceptions, self._shell.CustomTB)
        self._shell.set_custom_exc((*self._show_before[0], *_STOPPED), self._show)
        self._cell = _task_of_the_cell()
        self._wrap()

    def uninstall(self) -> None:
        """End, and leave everything as it was."""
        kernel: Any = getattr(self._shell, "kernel", None)
        if hasattr(kernel, "saved_sigint_handler"):
            kernel.saved_sigint_handler = self._between
        self._shell.custom_exceptions, self._shell.CustomTB = self._show_before
        if _in_main_thread() and signal.getsignal(signal.SIGINT) == self._handle:
            signal.signal(signal.SIGINT, self._inner)

    def about_to_run(self, _info: ExecutionInfo) -> None:
        """Begin with a cell (IPython's `pre_run_cell`): the kernel has put its handler back."""
        self._interrupted = False
        self._waited = []
        self._stopped = ""
        self._shown = None
        self._cell = _task_of_the_cell()
        self._wrap()

    def has_run(self, result: ExecutionResult | None) -> None:
        """End with a cell (IPython's event `post_run_cell`)."""
        if self._shown is not None and result is not None:
            result.error_in_exec = self._shown

    def _wrap(self) -> None:
        if _in_main_thread():
            present = signal.getsignal(signal.SIGINT)
            if present != self._handle:
                self._inner = present
                signal.signal(signal.SIGINT, self._handle)

    # The signal.

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Stop whatever keeps the cell from ending."""
        self._interrupted = True
        self._waited = self._sandbox.waiting()
        self._interrupt_processes()
        error = _error_for(frame, self._shell.user_ns)
        if error is not None:
            if self._is_too_early(number, frame):
                return
            self._stopped = _what_runs(frame)
            sync.interrupt()
            self._end_the_cell()
            raise error
        if sync.interrupt():
            return
        if callable(self._inner):
            self._inner(number, frame)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: None)  # the signal alone does not wake it

    def _interrupt_processes(self) -> None:
        """Stop what computes in other processes for calls from here, when the loop gets round."""
        busy = self._sandbox.busy_hosts()
        if busy and self._loop is not None and not self._loop.is_closed():
            for host in busy:
                self._loop.call_soon_threadsafe(host.interrupt)

    def _handle_between_cells(self, number: int, frame: FrameType | None) -> None:
        """Stop a Worker that spins, or a callback that waits; else there is nothing to stop."""
        self._interrupt_processes()
        error = _error_for(frame, self._shell.user_ns)
        if error is None:
            sync.interrupt()
        elif not self._is_too_early(number, frame):
            raise error

    def _is_too_early(self, number: int, frame: FrameType | None) -> bool:
        """Whether the library is at work where the signal came; it then comes again soon."""
        if self._tries and frame is not None and is_machinery(frame.f_code.co_filename):
            # In the middle of the library's own work an exception would leave that half done.
            self._tries -= 1
            again = threading.Timer(_RETRY, signal.raise_signal, (signal.Signals(number),))
            again.daemon = True
            again.start()
            return True
        self._tries = _TRIES
        return False

    def _end_the_cell(self) -> None:
        """Cancel the cell where it waits, before it hears of what it waits for."""
        cell = self._cell
        if cell is not None and not cell.done() and cell is not _current_task():
            cell.cancel()

    # The message.

    def _show(
        self,
        shell: InteractiveShell,
        kind: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
        tb_offset: int | None = None,
    ) -> list[str]:
        """Show an error that ended a cell (IPython's custom handler for those we asked for)."""
        classes, show = self._show_before
        if isinstance(error, classes):
            return show(kind, error, traceback, tb_offset)  # type: ignore[no-any-return]
        text = self._what_was_waited_for(error) if self._interrupted else ""
        if not text:
            shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
            return []
        self._shown = KeyboardInterrupt(text)
        lines = [f"KeyboardInterrupt: {text}"]
        shell._showtraceback(KeyboardInterrupt, self._shown, lines)
        return lines

    def _what_was_waited_for(self, error: BaseException) -> str:
        stopped = f"\n{self._stopped}" if self._stopped else ""
        if self._waited:
            calls = "".join(f"\n  {call}" for call in self._waited)
            return f"the cell was interrupted while it waited for{calls}{stopped}"
        if isinstance(error, asyncio.CancelledError):
            return f"the cell was interrupted while it awaited{self._cell_line(error)}{stopped}"
        return ""  # the traceback shows where

    def _cell_line(self, error: BaseException) -> str:
        entry, found = error.__traceback__, ""
        while entry is not None:
            if entry.tb_frame.f_globals is self._shell.user_ns:
                found = f", at {place(entry.tb_frame.f_code.co_filename, entry.tb_lineno)}"
            entry = entry.tb_next
        return found


def _error_for(frame: FrameType | None, user_ns: dict[str, Any]) -> BaseException | None:
    """Choose what to raise in the code that runs; None if the event loop only waits."""
    context = current.get()
    of_a_worker = context is not None and context.worker != NOTEBOOK
    of_the_notebook = False
    inner = None
    while frame is not None:
        if is_step(frame, inner):
            return StepInterrupted()
        if frame.f_code is _RUN_CODE:
            return KeyboardInterrupt()
        if frame.f_code.co_name == "_run_once":  # of the event loop, also of nest_asyncio2's
            break
        of_a_worker = of_a_worker or is_code_of_a_worker(frame)
        of_the_notebook = of_the_notebook or frame.f_globals is user_ns
        inner, frame = frame, frame.f_back
    if not of_a_worker and not of_the_notebook:
        return None
    # KeyboardInterrupt in a task, or a callback, would end the event loop.
    if _current_task() is None:
        return RpcError("the code was interrupted")
    return TaskInterrupted() if of_a_worker else asyncio.CancelledError()


def _what_runs(frame: FrameType | None) -> str:
    """Say where the code is that is stopped, if it is a Worker's."""
    lines: list[str] = []
    while frame is not None and frame.f_code is not _RUN_CODE:
        code = frame.f_code
        if code.co_name == "_run_once":
            break
        if is_code_of_a_worker(frame):
            lines.insert(0, f"  {place(code.co_filename, frame.f_lineno)}, in {code.co_qualname}")
        frame = frame.f_back
    if not lines:
        return ""
    return "\n".join(["RpcError: the method was left by KeyboardInterrupt", RAISED, *lines])


def _task_of_the_cell() -> asyncio.Task[Any] | None:
    """Give the task that runs the cell, if it is an async one."""
    task = _current_task()
    code = getattr(task.get_coro(), "cr_code", None) if task is not None else None
    return task if code is _RUN_CELL else None


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # no loop runs
        return None


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
