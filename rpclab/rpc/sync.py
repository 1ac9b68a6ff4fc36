"""`run`: the door for code that cannot await.

Floor: rpc.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from rpclab.rpc.local import home_shell

if TYPE_CHECKING:
    from collections.abc import Awaitable

_home: dict[str, Any] = {}
_running: list[asyncio.Task[Any]] = []  # the nested runs of the notebook's thread
_interrupted: set[asyncio.Task[Any]] = set()


def remember(loop: asyncio.AbstractEventLoop) -> None:
    """Take note of the loop that the notebook runs on, for calls from other threads."""
    _home["loop"] = loop
    _home["thread"] = threading.get_ident()


def forget() -> None:
    """Forget that loop: there is no notebook any more."""
    _home.clear()


def interrupt() -> bool:
    """Have the innermost `run` of this thread raise KeyboardInterrupt; says whether it can."""
    if not _running:
        return False
    task = _running[-1]
    _interrupted.add(task)
    task.get_loop().call_soon_threadsafe(task.cancel)
    return True


def run(awaitable: Awaitable[Any]) -> Any:
    """Wait for an awaitable from code that is not async, and give its value.

    Works in a plain script, in a cell or callback while the notebook's loop runs (through
    nest-asyncio2, which is applied on the first such use), and in another thread, such as one of
    `asyncio.to_thread`: there it waits for the loop that the sandbox lives on. Give it a coroutine
    then, which makes its calls on that loop.

    Args:
        awaitable: a promise, a coroutine or any other awaitable.

    Returns:
        What it gives.

    Raises:
        ImportError: a loop runs in this thread, and nest-asyncio2 is not installed.
        RuntimeError: nest-asyncio (1) has patched the loop, which loses notebook cells.
    """
    loop = _home.get("loop")
    if loop is not None and loop.is_running() and _home["thread"] != threading.get_ident():
        return asyncio.run_coroutine_threadsafe(_await(awaitable), loop).result()
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = _loop_of_the_sandbox()
        if loop is not None and loop.is_running():
            return asyncio.run_coroutine_threadsafe(_await(awaitable), loop).result()
        return asyncio.run(_await(awaitable))
    from rpclab.simulation.clock import GuestLoop  # noqa: PLC0415 - for those who wait inside a loop

    if isinstance(loop, GuestLoop):
        if asyncio.iscoroutine(awaitable):
            awaitable.close()
        raise RuntimeError(  # noqa: TRY004 - no type is wrong, the place is
            "a Worker on the virtual clock can only `await`; rpclab.run() is for code outside"
        )
    _allow_nesting(loop)
    return _run_nested(loop, awaitable)


def _run_nested(loop: asyncio.AbstractEventLoop, awaitable: Awaitable[Any]) -> Any:
    ready: Any = getattr(loop, "_ready", ())
    counted_on = len(ready)
    task = loop.create_task(_await(awaitable))
    _running.append(task)
    try:
        value = loop.run_until_complete(task)
    except BaseException:
        task.cancel()
        if task in _interrupted:
            raise KeyboardInterrupt from None
        raise
    else:
        if task in _interrupted:  # a Worker in between has caught what stopped another
            raise KeyboardInterrupt
        return value
    finally:
        _running.remove(task)
        _interrupted.discard(task)
        # The turn of the loop that we are in may have begun before nest-asyncio2 was applied. It
        # then takes as many callbacks as it saw, and the nested run has taken some of them.
        while len(ready) < counted_on:
            loop.call_soon(lambda: None)


def _loop_of_the_sandbox() -> asyncio.AbstractEventLoop | None:
    """The loop that the sandbox of the running code lives on: its Worker's, or the newest one."""
    shell = home_shell()
    if shell is None:
        return None
    return shell.guest.host if shell.guest is not None else shell.loop


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _allow_nesting(loop: asyncio.AbstractEventLoop) -> None:
    try:
        import nest_asyncio2  # noqa: PLC0415 - applied as late as possible: it slows every task
    except ModuleNotFoundError as error:
        raise ImportError(
            "rpclab.run() inside a running event loop needs nest-asyncio2:"
            " install the extra rpclab[notebook], or await instead"
        ) from error
    if hasattr(asyncio, "_nest_patched") and not hasattr(asyncio, "_nest_asyncio2"):
        raise RuntimeError(
            "nest_asyncio has patched this event loop; it drops notebook cells on ipykernel 7."
            " Restart the kernel and use nest_asyncio2 (or nothing: rpclab applies it) instead"
        )
    nest_asyncio2.apply(loop)
