"""Blob and File: bytes with a content type, and a name.

Floor: workers.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rpclab.workers.http.text import decoded, encoded
from rpclab.workers.javascript_names import also_in_javascript

if TYPE_CHECKING:
    from rpclab.rpc.streams import ReadableStream

Bytes = bytes  # in a class with a method of that name, the type needs another
Part = Any
"""A text, bytes, bytearray, memoryview, array, or a Blob."""


@also_in_javascript
class Blob:
    """Bytes that do not change, with a content type.

    Args:
        parts: a text (written in UTF-8), bytes or a Blob; or several of these.
        content_type: of the whole; from a single Blob it is inherited.
        endings: "native" makes the line ends of texts those of UNIX; "transparent" leaves them.

    Raises:
        TypeError: a part is something else.
        ValueError: `endings` is.
    """

    __slots__ = ("_content_type", "_data")

    def __init__(
        self,
        parts: Iterable[Part] | Part = (),
        content_type: str | None = None,
        endings: str | None = None,
    ) -> None:
        if endings not in (None, "native", "transparent"):
            raise ValueError(f'endings are "native" or "transparent", not {endings!r}')
        single = isinstance(parts, (str, Blob)) or _is_buffer(parts)
        if content_type is None:
            content_type = parts.content_type if isinstance(parts, Blob) else ""
        native = endings == "native"
        self._data = b"".join(_bytes_of(part, native) for part in ([parts] if single else parts))
        self._content_type = _checked_type(content_type)

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + len(self._data) + len(self._content_type)

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self._data)

    @property
    def content_type(self) -> str:
        """The content type, in lower case; "" where none was given."""
        return self._content_type

    type = content_type

    async def bytes(self) -> Bytes:
        """The bytes."""
        return self._data

    async def buffer(self) -> Bytes:
        """The bytes, under their other name."""
        return self._data

    async def text(self) -> str:
        """The bytes, read as UTF-8."""
        return decoded(self._data)

    def slice(
        self, start: int | None = None, end: int | None = None, content_type: str | None = None
    ) -> Blob:
        """A part of it as a Blob; negative places count from the end.

        Args:
            start: the first byte.
            end: the byte behind the last.
            content_type: of the part; none is inherited.
        """
        return Blob(self._data[start:end], content_type)

    def stream(self) -> ReadableStream:
        """The bytes as a stream."""
        from rpclab.rpc.streams import ReadableStream  # noqa: PLC0415 - few need it

        return ReadableStream([self._data] if self._data else ())

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[Any, ...]:
        return (self._data, self._content_type)

    def __repr__(self) -> str:
        kind = f" of {self._content_type}" if self._content_type else ""
        return f"<Blob{kind}, {self.size} bytes>"


@also_in_javascript
class File(Blob):
    """A Blob with a name, as a form has them. It cannot be sent over RPC by itself (rule V18).

    Args:
        parts: as those of a Blob.
        filename: the name.
        content_type: as that of a Blob.
        endings: as those of a Blob.
        last_modified: milliseconds since 1970; now, or what a single File says.
    """

    __slots__ = ("_last_modified", "_name")

    def __init__(
        self,
        parts: Iterable[Part] | Part,
        filename: str,
        content_type: str | None = None,
        endings: str | None = None,
        last_modified: int | None = None,
    ) -> None:
        super().__init__(parts, content_type, endings)
        if last_modified is None:
            now = int(time.time() * 1000)
            last_modified = parts.last_modified if isinstance(parts, File) else now
        self._name = filename
        self._last_modified = last_modified

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def last_modified(self) -> int:
        """When it was changed last, in milliseconds since 1970."""
        return self._last_modified

    def _identity(self) -> tuple[Any, ...]:
        return (*super()._identity(), self._name)

    def __repr__(self) -> str:
        kind = f" of {self._content_type}" if self._content_type else ""
        return f"<File {self._name!r}{kind}, {self.size} bytes>"


def _is_buffer(value: Any) -> bool:
    try:
        memoryview(value).release()
    except TypeError:
        return False
    return True


def _bytes_of(part: Any, native: bool) -> bytes:  # noqa: FBT001 - private
    if isinstance(part, str):
        return encoded(part.replace("\r\n", "\n").replace("\r", "\n") if native else part)
    if isinstance(part, Blob):
        return part._data
    if _is_buffer(part):
        return memoryview(part).tobytes()
    raise TypeError(f"a Blob is made of texts, bytes and Blobs, not of {type(part).__name__}")


def _checked_type(content_type: str) -> str:
    if not isinstance(content_type, str):
        raise TypeError(f"a content type is a text, not {type(content_type).__name__}")
    # As in browsers: a type with other characters is none.
    return content_type.lower() if content_type.isascii() and content_type.isprintable() else ""
