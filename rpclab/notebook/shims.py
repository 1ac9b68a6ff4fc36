"""What kernels and IPython need to behave well around calls.

Floor: notebook. What is mended here was measured with ipykernel 6.29 to 7.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from rpclab.rpc.sites import is_machinery, is_ours

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_BEAT = 0.2  # seconds


def reply_through_the_stream(kernel: Any) -> Callable[[], None]:
    """Have ipykernel 7.0 to 7.3 lose no request that comes while they send a reply.

    They read requests with a stream, and send replies on its socket without the stream's knowledge.
    A socket tells only once that something has come, and sending uses that up: if a request came
    just then, the stream does not hear of it, and reads nothing until a new connection wakes it.
    The last cells of a notebook then wait for ever.

    Returns:
        A function that takes this back.
    """
    manager: Any = getattr(getattr(kernel, "shell_channel_thread", None), "manager", None)
    socket, stream = getattr(manager, "_shell_socket", None), getattr(kernel, "shell_stream", None)
    if socket is None or getattr(stream, "socket", None) is not socket:
        return lambda: None  # ipykernel 6, or 7.4, which sends through the stream itself
    manager._shell_socket = stream

    def undo() -> None:
        if manager._shell_socket is stream:
            manager._shell_socket = socket

    return undo


def keep_awake(loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Wake the event loop five times a second, for a signal alone may not.

    Otherwise the interruption of a cell that awaits does nothing until something else happens.

    Returns:
        A function that ends this.
    """

    async def beat() -> None:
        while True:  # noqa: ASYNC110 - to wake the loop is all it is for
            await asyncio.sleep(_BEAT)

    task = loop.create_task(beat(), context=Context())

    def undo() -> None:
        task.cancel()

    return undo


def hide_our_frames(shell: InteractiveShell) -> Callable[[], None]:
    """Leave the library's own frames out of the tracebacks that IPython shows.

    An error of a Worker then ends at the user's line; the note below says where in the Worker it
    was raised. `%debug` still has every frame.

    Returns:
        A function that takes this back.
    """
    formatter: Any = shell.InteractiveTB
    original = formatter.get_records

    def get_records(*args: Any, **kwargs: Any) -> list[Any]:
        records: list[Any] = original(*args, **kwargs)
        names = [getattr(record, "filename", "") for record in records]
        if not any(map(is_ours, names)):
            return records
        users = [
            record
            for record, name in zip(records, names, strict=True)
            if not is_machinery(name) and "nest_asyncio" not in name
        ]
        return users or records

    formatter.get_records = get_records

    def undo() -> None:
        if vars(formatter).get("get_records") is get_records:
            del formatter.get_records

    return undo
