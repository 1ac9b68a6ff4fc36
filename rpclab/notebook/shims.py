"""What kernels and IPython need to behave well around calls.

Floor: notebook. What is mended here was measured with ipykernel 6.29 to 7.4.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from rpclab.diagnostics.places import is_machinery, is_ours
from rpclab.rpc.advice import advise

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


class Heart:
    """Wakes the event loop five times a second, for a signal alone may not.

    Otherwise the interruption of a cell that awaits does nothing until something else happens.

    Args:
        loop: the running loop.

    Attributes:
        beats: how often it did.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.beats = 0
        self._task = loop.create_task(self._beat(), context=Context())

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            self.beats += 1

    def stop(self) -> None:
        """Wake it no more."""
        self._task.cancel()


def hide_our_frames(shell: InteractiveShell) -> Callable[[], None]:
    """Leave the library's own frames out of the tracebacks that IPython shows, and add advice.

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

    show = formatter.structured_traceback

    def structured_traceback(kind: Any, error: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(error, BaseException):
            advise(error, worker=False)
        return show(kind, error, *args, **kwargs)

    formatter.get_records = get_records
    formatter.structured_traceback = structured_traceback

    def undo() -> None:
        if vars(formatter).get("get_records") is get_records:
            del formatter.get_records
        if vars(formatter).get("structured_traceback") is structured_traceback:
            del formatter.structured_traceback

    return undo
