"""A warning of code that keeps the event loop: meanwhile no Worker runs, nor any cell.

Floor: notebook. A thread looks now and then, for where the loop is kept nothing else can.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from rpclab.diagnostics.places import place
from rpclab.workers.imports import is_code_of_a_worker

log = logging.getLogger("rpclab")

LONGEST = 1.0  # seconds
_LOOK = 0.25  # seconds


class BlockingWatch:
    """Notices that a Worker has not let others run for a second.

    Args:
        beats: gives a number that grows with each turn of the loop.
        frame: gives what runs in the loop's thread at present.
        now: gives the time, in seconds.
    """

    def __init__(
        self,
        beats: Callable[[], int],
        frame: Callable[[], FrameType | None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._beats = beats
        self._frame = frame
        self._now = now
        self._seen = -1
        self._since = 0.0
        self._told = False

    def look(self) -> None:
        """Look once, and warn where the same turn of the loop lasts too long."""
        beats, now = self._beats(), self._now()
        if beats != self._seen:
            self._seen, self._since, self._told = beats, now, False
        elif now - self._since >= LONGEST and not self._told:
            found = _in_a_worker(self._frame())
            if found is not None:
                self._told = True
                _warn(found, now - self._since)


def _in_a_worker(frame: FrameType | None) -> FrameType | None:
    """The innermost frame of a Worker's code; None where it is none that keeps the loop."""
    while frame is not None:
        if is_code_of_a_worker(frame):
            return frame
        frame = frame.f_back
    return None


def _warn(frame: FrameType, seconds: float) -> None:
    code = frame.f_code
    log.warning(
        "the Worker %s has kept the event loop for %.0f s, at %s, in %s: no other Worker runs"
        " meanwhile. Wait with `await asyncio.sleep(…)`; give long work to"
        " `await asyncio.to_thread(…)`",
        frame.f_globals.get("__name__", "?"),
        seconds,
        place(code.co_filename, frame.f_lineno),
        code.co_qualname,
    )


def watch_for_blocking(beats: Callable[[], int]) -> Callable[[], None]:
    """Watch the loop of this thread.

    Args:
        beats: as above.

    Returns:
        A function that ends this. In a browser, which has no threads, nothing watches.
    """
    if sys.platform == "emscripten":
        return lambda: None
    thread = threading.get_ident()
    watch = BlockingWatch(beats, lambda: sys._current_frames().get(thread))
    watcher = _Watcher(watch)
    watcher.start()
    return watcher.ended.set


class _Watcher(threading.Thread):
    """Looks until it is ended.

    With a `run` of its own, what it writes belongs to the cell that runs by then; older kernels
    have that of `Thread` write for the cell that started it.
    """

    def __init__(self, watch: BlockingWatch) -> None:
        super().__init__(name="rpclab: blocking", daemon=True)
        self._watch = watch
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(_LOOK):
            self._watch.look()
