"""Runs a coroutine to its end while whoever asks waits for it, in a cell, a script or a coroutine.

Floor: whatif. It has a loop of its own: in a thread, so that an interrupt can end it. In a browser
Python has no threads, and there the loop runs where it stands, in the middle of a turn of the
page's. It can do so because it waits for nothing real: the time of programs is virtual.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import sys
import threading
import time
from asyncio.events import _set_running_loop
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from typing import Any, TypeVar

from rpclab.errors import RpcError

T = TypeVar("T")

_GRACE = 1.0  # seconds that an interrupted run has, to end by itself


def apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a loop of its own, and wait for it. What it prints is not shown.

    Args:
        work: makes the coroutine, where that loop runs.

    Raises:
        BaseException: what it raises; a KeyboardInterrupt here ends it.
    """
    prints = io.StringIO()
    muted = contextlib.redirect_stdout(prints), contextlib.redirect_stderr(prints)
    with muted[0], muted[1], _no_collections():
        return in_place(work) if sys.platform == "emscripten" else _in_a_thread(work)


def _in_a_thread(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = []

    async def begin() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            loops.append((loop, task))
        return await _unheard(work)

    def run() -> None:
        try:
            results.append(asyncio.run(begin()))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="rpclab-what-if", daemon=True)
    thread.start()
    try:
        thread.join()
    except BaseException:
        for loop, task in loops:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(task.cancel)
        thread.join(_GRACE)
        if thread.ident is not None and thread.is_alive():
            # It computes, and asks no loop: Python raises this at its next step.
            _interrupt(thread.ident)
            thread.join(_GRACE)
        raise
    if errors:
        raise errors[0]
    return results[0]


def in_place(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a loop of its own, here and now, also where another loop runs.

    Args:
        work: makes the coroutine, where that loop runs.

    Raises:
        RpcError: it waits, and nothing could ever end that.
        BaseException: what it raises.
    """
    with _no_loop_here(), asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(_unheard(work), context=Context())


async def _unheard(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    # Of what was cut off, nobody is told.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    return await work()


class _Loop(asyncio.BaseEventLoop):
    """A loop of asyncio without sockets, which a browser lacks: it is its own selector."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self

    def select(self, timeout: float | None) -> tuple[()]:
        """Wait until a timer is due; there is nothing else that this loop could wait for."""
        if timeout is None:
            raise RpcError("the program waits for something outside that never comes")
        # Pyodide's `time.sleep` lets the page's loop go round meanwhile, which runs other code.
        due = time.monotonic() + timeout
        while time.monotonic() < due:
            pass
        return ()

    def _process_events(self, _events: tuple[()]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


@contextlib.contextmanager
def _no_loop_here() -> Iterator[None]:
    """Have a block run as if no loop were running in this thread, and no task."""
    loop = asyncio._get_running_loop()
    if loop is None:
        yield
        return
    task = asyncio.current_task(loop)
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    _set_running_loop(None)
    try:
        yield
    finally:
        _set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)


def _interrupt(thread: int) -> None:
    import ctypes  # noqa: PLC0415 - not every Python has it

    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raise_in(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Let Python collect garbage in a block only where it is told to.

    What a run forgets, and when, then does not depend on what others have made.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
