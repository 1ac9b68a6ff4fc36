"""The body of a Request or Response: what it can be made of, and that it is read once (rule R4).

Floor: workers.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterator
from typing import Any, NamedTuple, Self, cast

from rpclab.core.containers import bulk_of
from rpclab.errors import READABLE_LOCKED, StreamLockedError
from rpclab.rpc.streams import ReadableStream
from rpclab.workers.http.blobs import Blob
from rpclab.workers.http.forms import FormData, parse_form
from rpclab.workers.http.headers import Headers
from rpclab.workers.http.multipart import encode_form
from rpclab.workers.http.text import TEXT, decoded, encoded, from_json
from rpclab.workers.javascript_names import also_in_javascript

BODY_USED = (
    "Body has already been used. It can only be used once."
    " Use tee() first if you need to read it twice."
)

INLINE = 2**20
"""Up to so many bytes a body that is there goes with its message; a larger one is a stream."""

_PIECE = 2**16  # bytes that a larger one gives at a time

Bytes = bytes  # in a class with a method of that name, the type needs another
BodyInit = Any
"""None, a text, bytes, a Blob, FormData, a ReadableStream, or something that gives chunks: a
generator, an async iterable, a binary file."""


class Extracted(NamedTuple):
    """A body as it is kept: bytes, or a stream, or neither; and the content type it implies."""

    data: bytes | None = None
    stream: ReadableStream | None = None
    content_type: str | None = None


def extract(body: BodyInit, what: str) -> Extracted:
    """Make the body of a message, a `what`, of what the user gave.

    Raises:
        TypeError: that can be no body, or it is a stream that somebody reads or has read.
    """
    if body is None:
        return Extracted()
    if isinstance(body, str):
        return Extracted(encoded(body), content_type=TEXT)
    if isinstance(body, bytes):
        return Extracted(bytes(body))
    if isinstance(body, Blob):
        return Extracted(body._data, content_type=body.content_type or None)
    if isinstance(body, FormData):
        data, content_type = encode_form(body)
        return Extracted(data, content_type=content_type)
    if isinstance(body, ReadableStream):
        if body.locked:
            raise TypeError(
                "This ReadableStream is currently locked to a reader, and cannot be used as a body."
            )
        if body.disturbed:
            raise TypeError(
                "This ReadableStream is disturbed (has already been read from), and cannot be used"
                " as a body."
            )
        return Extracted(stream=body)
    if isinstance(body, (AsyncIterable, Iterator)) or hasattr(type(body), "read"):
        return Extracted(stream=ReadableStream(body))
    try:
        return Extracted(memoryview(body).tobytes())
    except TypeError:
        raise _no_body(body, what) from None


def _no_body(body: Any, what: str) -> TypeError:
    error = TypeError(f"Unsupported type in {what}: {type(body).__name__}")
    if isinstance(body, (dict, list, tuple, int, float)):
        error.add_note(
            "use Response.json(value)" if what == "Response" else "use body=json.dumps(value)"
        )
    else:
        error.add_note("a body is a text, bytes, a Blob, FormData, or something that gives chunks")
    return error


@also_in_javascript
class Body:
    """What Request and Response have in common: a body that can be read once, or sent once.

    Attributes:
        headers: of the message.
    """

    __slots__ = ("_carrier", "_data", "_spent", "_stream", "headers")

    headers: Headers
    _fields: tuple[str, ...]

    def __sizeof__(self) -> int:
        fields = [getattr(self, name) for name in self._fields]
        return object.__sizeof__(self) + bulk_of([*fields, self._data, self.headers])

    def _take(self, extracted: Extracted) -> None:
        self._data = extracted.data
        self._stream = extracted.stream
        self._spent = False
        self._carrier: ReadableStream | None = None
        if extracted.content_type is not None:
            self.headers._imply(extracted.content_type)

    @property
    def js_object(self) -> Self:
        """The message itself: on the platform it is one of JavaScript inside one of Python."""
        return self

    @property
    def body(self) -> ReadableStream | None:
        """The body as a stream, which it shares with the message; None where there is none."""
        if self._stream is None and self._spent:
            self._stream = ReadableStream()
            self._stream._take("its message was read or sent")
        elif self._stream is None and self._data is not None:
            data, self._data = self._data, None
            self._stream = ReadableStream(_pieces(data))
        return self._stream

    @property
    def body_used(self) -> bool:
        """Whether somebody has read the body, or begun to; or it was sent."""
        return self._spent or (self._stream is not None and self._stream.disturbed)

    def clone(self) -> Self:
        """Make a second message with a body of its own; both can be read.

        Raises:
            TypeError: the body was used.
        """
        if self.body_used:
            raise TypeError(BODY_USED)
        return self._with(self._fork())

    def _blank(self) -> Any:
        """A message of the same kind that says nothing yet; never one of the user's own class."""
        raise NotImplementedError

    def _with(self, body: Extracted, *, headers: Headers | None = None, **changes: Any) -> Self:
        """The same message with another body, and with some of its fields changed."""
        made = self._blank()
        for field in self._fields:
            setattr(made, field, changes.get(field, getattr(self, field)))
        made.headers = Headers(self.headers if headers is None else headers)
        made._take(body)
        return cast("Self", made)

    async def bytes(self) -> Bytes:
        """Read the body.

        Raises:
            TypeError: it was read or sent before (rule R4).
        """
        return await self._read()

    async def buffer(self) -> Bytes:
        """Read the body: `bytes` under its other name.

        Raises:
            TypeError: it was read or sent before.
        """
        return await self._read()

    async def text(self) -> str:
        """Read the body as UTF-8.

        Raises:
            TypeError: it was read or sent before.
        """
        return decoded(await self._read())

    async def json(self, **options: Any) -> Any:
        """Read the body as JSON.

        Args:
            options: those of `json.loads`.

        Raises:
            TypeError: it was read or sent before.
            ValueError: it is no JSON; the error says where it goes wrong.
        """
        return from_json(decoded(await self._read()), f"the body of {self!r}", **options)

    async def blob(self) -> Blob:
        """Read the body as a Blob, of the content type that the headers say.

        Raises:
            TypeError: it was read or sent before.
        """
        return Blob(await self._read(), self.headers.get("content-type", ""))

    async def form_data(self) -> FormData:
        """Read the body as a form: multipart/form-data, or application/x-www-form-urlencoded.

        Raises:
            TypeError: it was read or sent before; or it is no form, or not the one it says it is.
        """
        content_type = self.headers.get("content-type")
        return parse_form(await self._read(), content_type)

    async def _read(self) -> Bytes:
        if self._data is None and self._stream is None and not self._spent:
            return b""
        if self.body_used:
            raise TypeError(BODY_USED)
        data, stream = self._data, self._stream
        if stream is not None:
            if stream.locked:
                raise _locked("somebody reads the stream")
            self._spent = True
            return await stream.bytes()
        self._spent = True
        self._data = None
        return data or b""

    # For whoever copies or sends the message.

    def _fork(self) -> Extracted:
        """The body for a second message; this one keeps its own.

        Raises:
            TypeError: it was read or sent before.
        """
        if self.body_used:
            raise TypeError(BODY_USED)
        if self._stream is None:
            return Extracted(self._data)
        self._stream, second = self._stream.tee()
        return Extracted(stream=second)

    def _move(self) -> Extracted:
        """The body for another message; here it is used.

        Raises:
            TypeError: it was read or sent before.
        """
        if self.body_used:
            raise TypeError(BODY_USED)
        moved = Extracted(self._data, self._stream)
        if self._data is not None or self._stream is not None:
            self._spent = True
            self._data = self._stream = None
        return moved

    def _cross(self, *, copied: bool) -> tuple[Bytes | ReadableStream | None, Any]:
        """The body for a message to a peer, and what takes that back.

        Args:
            copied: it stays usable here; so it is bytes.

        Returns:
            The bytes, or the stream; and a function that makes the body usable again where the
            message was not sent, or None.

        Raises:
            TypeError: it was read or sent before (rule R4).
        """
        if self._spent and not (copied and self._data is not None):
            raise _locked("its message was read or sent before")
        if self._data is None and self._stream is None:
            return None, None
        if copied:
            if self._data is None:
                raise _locked("a body that is a stream has one reader: pass on what it has read")
            return self._data, None
        if self._data is None:
            return self._stream, self._spend()
        if len(self._data) <= INLINE:
            return self._data, self._spend()
        if self._carrier is None:
            # The message may be packed several times: it must meet the same stream each time.
            self._carrier = ReadableStream(_pieces(self._data))
        return self._carrier, self._spend()

    def _spend(self) -> Any:
        self._spent = True  # here the bytes stay, for a promise of the message may be passed on

        def unspend() -> None:
            self._spent = False

        return unspend

    def _arrive(self, body: Bytes | ReadableStream | None) -> Self:
        """Take the body of a message that came in."""
        self._data = body if isinstance(body, bytes) else None
        self._stream = body if isinstance(body, ReadableStream) else None
        self._carrier = None
        self._spent = False
        return self

    def _peek(self) -> Bytes | None:
        """The bytes of a body that is there and unused, without using it; for displays."""
        return None if self._spent else self._data

    def _told(self) -> str:
        """The body in words, for `repr`."""
        if self.body_used:
            return "body used"
        if self._stream is not None:
            return "a stream"
        return "no body" if self._data is None else f"{len(self._data)} bytes"


def _locked(why: str) -> StreamLockedError:
    error = StreamLockedError(READABLE_LOCKED)
    error.add_note(why)
    return error


def _pieces(data: Bytes) -> Iterator[Bytes]:
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]
