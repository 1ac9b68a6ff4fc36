"""What the code of a Worker prints and logs in a child process, on its way to the cell it is for.

Floor: sandbox. Each piece goes with the number of what has caused it (see `ways.origin`).
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rpclab.placement.ways import origin

if TYPE_CHECKING:
    from rpclab.placement.engine import Record

_PIECE = 64 * 1024  # characters of one record


class Printed(io.TextIOBase):
    """Stands for `sys.stdout` or `sys.stderr`: whole pieces go out at once.

    Args:
        stream: "stdout" or "stderr".
        send: takes records, from any thread.
        descriptor: of the pipe that C code writes to, for those who ask.

    Attributes:
        soon: has `flush` called soon: a line that is not at its end leaves with the next step.
    """

    def __init__(self, stream: str, send: Callable[[Record], None], descriptor: int) -> None:
        self._stream = stream
        self._send = send
        self._descriptor = descriptor
        self._lock = threading.RLock()
        self._open: dict[int, str] = {}  # lines that are not at their end, by cause
        self.soon: Callable[[Callable[[], None]], object] = lambda flush: flush()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Text goes as it is."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "surrogatepass"

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        cause = origin.get()
        with self._lock:
            whole = self._open.pop(cause, "") + text
            end = whole.rfind("\n") + 1
            rest = whole[end:]
            if len(rest) > _PIECE:
                end, rest = len(whole), ""
            self._tell(cause, whole[:end])
            if rest:
                self._open[cause] = rest
                if len(self._open) == 1:
                    self.soon(self.flush)
        return len(text)

    def flush(self) -> None:
        with self._lock:
            while self._open:
                cause, text = self._open.popitem()
                self._tell(cause, text)

    def _tell(self, cause: int, text: str) -> None:
        for start in range(0, len(text), _PIECE):
            piece = text[start : start + _PIECE]
            self._send({"kind": "out", "stream": self._stream, "text": piece, "cause": cause})


class Logged(logging.Handler):
    """Hands log records on, to be logged in the sandbox's program.

    Args:
        send: takes records, from any thread.
    """

    def __init__(self, send: Callable[[Record], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Hand one on."""
        try:
            told: dict[str, Any] = {
                "kind": "log",
                "name": record.name,
                "level": record.levelno,
                "text": record.getMessage()[:_PIECE],
                "file": record.pathname,
                "line": record.lineno,
                "cause": origin.get(),
            }
            if record.exc_info and record.exc_info[1] is not None:
                shown = logging.Formatter().formatException(record.exc_info)
                told["traceback"] = shown[-_PIECE:]
            self._send(told)
        except Exception:  # of an argument that cannot be shown
            self.handleError(record)
