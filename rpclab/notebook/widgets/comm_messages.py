"""Has kernels hear the controls of our views while a cell awaits.

Floor: notebook. ipykernel before 7.4 keeps every message to the main shell until the cell is done
(unless the page sends it to a subshell, as JupyterLab does from ipykernel 7.0 on). A slider that
slows a link down would act when the calls are over. So messages to our own views, which do no more
than ask the main loop for a call, are handed over when they arrive. Others keep their turn.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

ours: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""Our views, by the ids of their comms."""


class _Ear:
    """Looks at what arrives, and takes what is for our views."""

    def __init__(self, shell: InteractiveShell, kernel: Any) -> None:
        self._kernel = kernel
        self._events = shell.events
        self.is_running = False
        self._events.register("pre_run_cell", self._begin)
        self._events.register("post_run_cell", self._end)

    def _begin(self, _: object) -> None:
        self.is_running = True

    def _end(self, _: object) -> None:
        self.is_running = False

    def close(self) -> None:
        self._events.unregister("pre_run_cell", self._begin)
        self._events.unregister("post_run_cell", self._end)

    def takes(self, frames: Any) -> bool:
        """Hand a message over, if it is for one of our views; says whether.

        Also between two cells: when all are run, it would wait behind those that are still to come.
        """
        if not ours:
            return False
        session = self._kernel.session
        try:
            # ipykernel 7.0 to 7.3 send themselves a frame that is no message, after an error.
            _, parts = session.feed_identities(frames, copy=False)
            message = session.deserialize(parts, content=False, copy=False)
            if message["header"]["msg_type"] != "comm_msg":
                return False
            content = session.unpack(message["content"])
        except Exception:  # the kernel will look at it in its own way
            return False
        view, data = ours.get(content.get("comm_id")), content.get("data", {})
        if view is None or data.get("method") != "custom":
            return False
        view.heard(data.get("content"))
        # The page keeps what it knows of a message until it hears this; a cell may be running.
        self._kernel._publish_status("idle", "shell", parent=message)
        if self.is_running:
            self._kernel._publish_status("busy", "shell")
        return True


def hear_controls(shell: InteractiveShell) -> Callable[[], None]:
    """Have messages to our views handled at once from now on, on kernels that would not.

    Returns:
        A function that takes this back.
    """
    kernel: Any = getattr(shell, "kernel", None)
    dispatch = getattr(kernel, "dispatch_shell", None)
    if dispatch is None or "concurrent" in inspect.signature(dispatch).parameters:
        return lambda: None  # a terminal, or ipykernel 7.4, which hears them itself
    queue = getattr(kernel, "msg_queue", None)
    if queue is not None:
        return _hear_before_queue(_Ear(shell, kernel), kernel, queue)
    pair = getattr(_manager(kernel), "_shell_channel_to_main", None)
    stream = getattr(pair, "to_stream", None)
    if getattr(stream, "_recv_callback", None) is not None:
        return _hear_before_lock(_Ear(shell, kernel), stream)
    return lambda: None


def _manager(kernel: Any) -> Any:
    return getattr(getattr(kernel, "shell_channel_thread", None), "manager", None)


def _hear_before_queue(ear: _Ear, kernel: Any, queue: Any) -> Callable[[], None]:
    """In ipykernel 6 messages wait in a queue."""
    original = queue.put_nowait

    def put_nowait(item: Any) -> None:
        _, dispatch, args = item
        if dispatch != kernel.dispatch_shell or not args or not ear.takes(args[0]):
            original(item)

    queue.put_nowait = put_nowait

    def undo() -> None:
        ear.close()
        if vars(queue).get("put_nowait") is put_nowait:
            del queue.put_nowait

    return undo


def _hear_before_lock(ear: _Ear, stream: Any) -> Callable[[], None]:
    """In ipykernel 7.0 to 7.3 each message of the main shell waits for a lock."""
    # To set it with on_recv would have the kernel run cells in another context from then on.
    original = stream._recv_callback

    def receive(frames: Any) -> Any:
        return None if ear.takes(frames) else original(frames)

    stream._recv_callback = receive

    def undo() -> None:
        ear.close()
        if stream._recv_callback is receive:
            stream._recv_callback = original

    return undo
