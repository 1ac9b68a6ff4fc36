"""Streams that are read to their end before the message that mentions them is delivered.

Floor: core. A Blob crosses so (Cap'n Web).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rpclab.core.hooks import PromisedArgument
from rpclab.core.streams import Pipe, lost
from rpclab.errors import READER_GONE, DataCloneError, MessageTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.answers import Answer


class Gathered(PromisedArgument):
    """The place of a value that is made of a whole stream of bytes, such as a Blob.

    Args:
        pipe: the stream comes in through it, and is read by nobody else.
        build: makes the value.
    """

    __slots__ = ("_build", "_error", "_over", "_parts", "_pipe", "_size", "_watchers")

    def __init__(self, pipe: Pipe, build: Callable[[bytes], object]) -> None:
        self._pipe = pipe
        self._build = build
        self._parts: list[bytes] = []
        self._size = 0
        self._error: BaseException | None = None
        self._over = False
        self._watchers: list[Callable[[], None]] = []
        pipe.hand_to(None)
        pipe.relay = self._read
        pipe.session.soon(self._read)  # what has come already

    @property
    def settled(self) -> bool:
        return self._over

    def watch(self, watcher: Callable[[], None]) -> None:
        if self._over:
            watcher()
        else:
            self._watchers.append(watcher)

    def _read(self) -> None:
        pipe = self._pipe
        while pipe.chunks and not self._over:
            arrived = pipe.pop()
            chunk, size = arrived.chunk, self._size
            arrived.give_back()
            if type(chunk) is not bytes:
                self._fail(DataCloneError(f"a part of a Blob is bytes, not {type(chunk).__name__}"))
            elif size + len(chunk) > pipe.session.limits.stream_buffer:
                self._fail(
                    MessageTooLargeError(
                        f"a Blob is limited to {pipe.session.limits.stream_buffer:,} bytes"
                        " (Limits.stream_buffer): send a stream"
                    )
                )
            else:
                self._size = size + len(chunk)
                self._parts.append(chunk)
                pipe.session.hold(len(chunk))
                arrived.answer.resolve(None)
                if arrived.last is not None:
                    arrived.last.resolve(None)
                continue
            arrived.answer.reject(self._error or lost(READER_GONE), remote=False)
        if pipe.error is not None:
            self._fail(pipe.error)
        elif pipe.ended and not pipe.chunks:
            self._end()

    def _fail(self, error: BaseException) -> None:
        if not self._over:
            self._error = error
            self._pipe.cancel(error)
            self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            watchers, self._watchers = self._watchers, []
            for watcher in watchers:
                watcher()

    def take(self, answer: Answer) -> object:
        del answer
        self._let_go()
        if self._error is not None:
            raise self._error
        parts, self._parts = self._parts, []
        return self._build(b"".join(parts))

    def give_back(self) -> None:
        self._fail(lost(READER_GONE))
        self._let_go()
        self._parts = []

    def _let_go(self) -> None:
        self._pipe.session.hold(-self._size)
        self._size = 0
