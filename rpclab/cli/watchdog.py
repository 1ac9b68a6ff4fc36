"""What ends a call in time whose Worker computes, and lets no event loop look at a deadline.

Floor: cli.
"""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import sys
import threading
from typing import TYPE_CHECKING, Self

from rpclab.diagnostics.places import is_machinery, place
from rpclab.workers.imports import is_code_of_a_worker
from rpclab.workers.interrupts import error_for

if TYPE_CHECKING:
    from types import FrameType

_GRACE = 0.5  # seconds after which nobody else has ended the call
_AGAIN = 0.05  # seconds between attempts, while the library itself is at work
_PATIENCE = 5.0  # seconds after which the whole process is ended: C runs, or the Worker goes on


class Watchdog:
    """Leaves the code of a Worker where it runs for too long: a context manager.

    It is a signal that interrupts; where there is none, as on Windows, and where it does not help,
    the process ends soon after, with a traceback that shows where it was.

    Args:
        seconds: how long the call may take; None for as long as it likes.

    Attributes:
        stopped_at: where a Worker was left, such as "counter.py, line 7, in Default.count"; "" if
            none was.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._before: object = None
        self._rings = False
        self.stopped_at = ""

    def __enter__(self) -> Self:
        if self._seconds is None or threading.current_thread() is not threading.main_thread():
            return self
        if hasattr(signal, "setitimer"):
            self._rings = True
            self._before = signal.signal(signal.SIGALRM, self._ring)
            signal.setitimer(signal.ITIMER_REAL, self._seconds + _GRACE, _AGAIN)
        with contextlib.suppress(AttributeError, OSError, ValueError):  # there is no such file
            faulthandler.dump_traceback_later(
                self._seconds + _PATIENCE, exit=True, file=sys.__stderr__ or sys.stderr
            )
        return self

    def _ring(self, _: int, frame: FrameType | None) -> None:
        if frame is None or is_machinery(frame.f_code.co_filename):
            return  # it is not to be left half done; the signal comes again
        error = error_for(frame)
        if error is None:
            return
        inner: FrameType | None = frame
        while inner is not None and not is_code_of_a_worker(inner):
            inner = inner.f_back
        if inner is not None:
            code = inner.f_code
            self.stopped_at = f"{place(code.co_filename, inner.f_lineno)}, in {code.co_qualname}"
        raise error

    def __exit__(self, *_: object) -> None:
        if self._rings:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)  # type: ignore[arg-type]  # as it was
        faulthandler.cancel_dump_traceback_later()
