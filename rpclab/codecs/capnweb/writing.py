"""Values to expressions: trees that `text.write` makes a text of.

Floor: codecs. What would end the peer's session is refused here (section 4 of the wire).
"""

from __future__ import annotations

import array
import datetime as dt
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from rpclab.codecs.capnweb import buffers, http
from rpclab.codecs.capnweb.exceptions import thrown_value, write_error
from rpclab.codecs.capnweb.numbers import write_float, write_integer
from rpclab.codecs.capnweb.refusals import PROTOTYPE, bad_key, naive, refusal
from rpclab.codecs.capnweb.text import LEAVES
from rpclab.codecs.records import RECORDS, WEB_RECORDS
from rpclab.codecs.refusals import too_deep, too_many
from rpclab.codecs.sharing import is_ndarray
from rpclab.codecs.too_large import repeats_too_much
from rpclab.core.containers import DICT_TYPES, contents
from rpclab.core.hooks import Hook
from rpclab.core.references import (
    BINDING,
    MEMBER,
    OWN_BINDING,
    OWN_STUB,
    PLACEHOLDER,
    PROMISE,
    READABLE,
    RESULT,
    STUB,
    WRITABLE,
    Settled,
)
from rpclab.core.streams import Unread
from rpclab.core.targets import Exposed, is_function
from rpclab.errors import DataCloneError

if TYPE_CHECKING:
    from rpclab.core.limits import Limits
    from rpclab.core.messages import Path

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND = dt.timedelta(milliseconds=1)
_KEYS = frozenset({str})
_FEW = 32  # keys of a dict whose shape is remembered

_WORDS = {
    STUB: "export", BINDING: "export", OWN_STUB: "import", OWN_BINDING: "import",
    RESULT: "pipeline", PROMISE: "promise", READABLE: "readable", WRITABLE: "writable",
    PLACEHOLDER: "pipeline", MEMBER: "pipeline",
}  # fmt: skip


class Expression(list[Any]):
    """What is written already."""

    __slots__ = ()


def reference(kind: int, number: int, path: Path | None = None) -> list[Any]:
    """Write a reference."""
    if path is not None:
        return Expression((_WORDS[kind], number, written_path(path)))
    if kind == PLACEHOLDER and number < 0:
        return Expression(("import", number))
    return Expression((_WORDS[kind], number))


def written_path(path: Path) -> list[str]:
    """Write a path."""
    return [path] if isinstance(path, str) else list(path)


class Writer:
    """Writes the values of one message.

    Args:
        limits: how deep they may nest, and how many they may be.
        payload: gives what numbers the values that pass by reference; called when one is met.
        parts_of: takes a record apart (see `Encoder.parts_of`).
        raised: whether the message tells of an error that was raised. Such an error gives no
            function away: what it happens to hold, nobody meant to send.
    """

    def __init__(
        self,
        limits: Limits,
        payload: Callable[[], Any],
        parts_of: Callable[..., list[Any]],
        *,
        raised: bool = False,
    ) -> None:
        self._nesting = limits.nesting
        self._left = limits.message_objects
        self._most = limits.message_objects
        # What a value mentions many times is written each time: a message of few values can come
        # to any size. So what repeats is weighed before it is written.
        self._limit = self._room = limits.message_bytes
        self._met: set[int] = set()
        self._tried: dict[tuple[int, int], Any] = {}  # members of errors that can be sent
        self._payload = payload
        self._parts_of = parts_of
        self._raised = raised
        self._shapes: set[tuple[Any, ...]] = set()

    def listed(self, values: list[Any]) -> list[Any]:
        """Write arguments: a bare list of expressions."""
        write = self.value
        return [value if type(value) in LEAVES else write(value, 1) for value in values]

    def result(self, value: Any) -> Any:
        """Write the result of a call; a method that returns nothing gives `undefined`."""
        return ["undefined"] if value is None else self.value(value, 0)

    def reason(self, error: BaseException) -> Any:
        """Write why something failed: an error, or the value that was thrown."""
        if type(error) is Unread:
            return self.result(error.args[0])
        stands_for = thrown_value(error)
        if stands_for is None:
            return self.value(error, 0)
        name = getattr(error, "name", "")
        return None if name == "null" else self.result(stands_for[0])

    def value(self, value: Any, depth: int) -> Any:
        """Write a value.

        Args:
            value: it.
            depth: in how many containers it stands.

        Raises:
            DataCloneError: it cannot be sent.
        """
        kind = type(value)
        if kind is list or kind in DICT_TYPES:
            if depth >= self._nesting:
                raise too_deep(self._nesting)
            self._left -= len(value) + 2
            if self._left < 0:
                raise too_many(self._most)
            if id(value) in self._met:
                self._take_room(
                    _size_of_texts(value if kind is list else (*value, *value.values()))
                )
            else:
                self._met.add(id(value))
            depth += 1
            write = self.value
            # A finite float less itself is zero: JSON has a text for it.
            if kind is list:
                return [
                    [
                        item
                        if (kind := type(item)) in LEAVES or (kind is float and item - item == 0)
                        else write(item, depth)
                        for item in value
                    ]
                ]
            shape = tuple(value) if len(value) < _FEW else ()
            if shape not in self._shapes:
                self._check_keys(value, shape)
            return {
                key: item
                if (kind := type(item)) in LEAVES or (kind is float and item - item == 0)
                else write(item, depth)
                for key, item in value.items()
            }
        if kind in LEAVES:
            return value
        if kind is float:
            return write_float(value)
        simple = _SIMPLE.get(kind)
        if simple is not None:
            if kind in _BUFFERS:
                self._take_room(memoryview(value).nbytes)
            return simple(value)
        record = RECORDS.get(kind) or WEB_RECORDS.get(kind)
        if record is not None:
            return self._record(value, record, depth)
        if isinstance(value, BaseException):
            return self._error(value, depth)
        found = self._payload().refer(value)
        if found is None:
            return self._uncommon(value, kind)
        if isinstance(found, Settled):
            return self.value(found.value, depth)
        return reference(*found)

    def _take_room(self, size: int) -> None:
        """So many bytes more are written.

        Raises:
            MessageTooLargeError: they are over the limit of a message.
        """
        self._room -= size
        if self._room < 0:
            raise repeats_too_much(self._limit)

    def _check_keys(self, value: dict[Any, Any], shape: tuple[Any, ...]) -> None:
        """See that a dict can be an object there; many in a message have the same keys."""
        if not PROTOTYPE.isdisjoint(value) or not _KEYS.issuperset(map(type, value)):
            raise bad_key(
                value, next(key for key in value if type(key) is not str or key in PROTOTYPE)
            )
        if shape:
            self._shapes.add(shape)

    def _record(self, value: Any, record: Any, depth: int) -> Any:
        parts = self._parts_of(value, record, copied=self._payload().copying)
        self._take_room(_size_of_texts(contents(parts)))
        return http.write(
            record.name, parts, lambda part: self.value(part, depth + 1), self._stream_of(value)
        )

    def _stream_of(self, value: Any) -> Callable[[Any], Any]:
        """What makes a stream of bytes that is sent in place of a value."""

        def stream(data: bytes) -> Any:
            return self._payload().stream_of(value, data)

        return stream

    def _error(self, error: BaseException, depth: int) -> Any:
        if depth >= self._nesting:
            raise too_deep(self._nesting)
        if self._raised:
            payload, self._payload = self._payload, _NoReferences
            try:
                written = write_error(error, lambda member: self.value(member, depth + 1))
            finally:
                self._payload = payload
        else:
            written = write_error(error, lambda member: self._member(member, depth + 1))
        if id(error) in self._met:
            self._take_room(_size_of_texts(written))
        self._met.add(id(error))
        return written

    def _member(self, member: Any, depth: int) -> Any:
        """Write a member of an error that is a value; what cannot be sent leaves no trace."""
        known = id(member), depth
        if self._payload is _AnyReference:
            written = self.value(member, depth)
            # An error holds others, at any depth: each is tried once, by the outermost.
            self._tried[known] = member
            return written
        if known not in self._tried:
            payload, self._payload = self._payload, _AnyReference
            left, room, met = self._left, self._room, self._met
            self._met = set()
            try:
                self.value(member, depth)
            finally:
                self._payload, self._left, self._room, self._met = payload, left, room, met
        return self.value(member, depth)

    def _uncommon(self, value: Any, kind: type) -> Any:
        if is_ndarray(kind):
            self._take_room(value.nbytes)
            return buffers.write_ndarray(value)
        payload = self._payload()
        if payload.is_result and hasattr(kind, "__await__"):
            return reference(*payload.await_first())
        raise refusal(value)


class _Dry:
    """In the place of a payload, where nothing is introduced."""

    copying = True
    is_result = False


class _NoReferences(_Dry):
    """What a raised error holds: nothing by reference, and no stream."""

    @staticmethod
    def refer(value: Any) -> None:
        if _passes_by_reference(value):
            raise DataCloneError("an error that is raised gives nothing away by reference")

    @staticmethod
    def stream_of(_value: Any, _data: bytes) -> Any:
        raise DataCloneError("an error that is raised holds no stream")


class _AnyReference(_Dry):
    """What could be referred to, to see whether a value can be sent."""

    @staticmethod
    def refer(value: Any) -> tuple[int, int] | None:
        # A promise may still fail, so it is not taken along in an error; nor is a stream.
        refers = isinstance(value, (Exposed, Hook)) or is_function(value)
        if refers or hasattr(type(value), "__rpc_handle__"):
            return (STUB, 0)
        if _passes_by_reference(value):
            raise DataCloneError("an error holds no promise, and no stream")
        return None

    @staticmethod
    def stream_of(_value: Any, _data: bytes) -> Any:
        raise DataCloneError("an error holds no stream")


def _size_of_texts(values: Iterable[Any]) -> int:
    """How many bytes the texts and integers among some values take, at least."""
    return sum(
        len(value) if kind is str else value.bit_length() // _BITS_A_DIGIT
        for value in values
        if (kind := type(value)) is str or kind is int
    )


_BITS_A_DIGIT = 4


def _passes_by_reference(value: Any) -> bool:
    return (
        isinstance(value, (Exposed, Hook))
        or is_function(value)
        or hasattr(type(value), "__rpc_refer__")
    )


def _write_datetime(value: dt.datetime) -> Any:
    if value.utcoffset() is None:
        raise naive(value)
    span = value - _EPOCH
    whole, rest = divmod(span, _MILLISECOND)
    return ["date", whole + rest / _MILLISECOND if rest else whole]


def _write_memoryview(value: memoryview) -> Any:
    return buffers.write_bytes(value.tobytes())


_BUFFERS = frozenset({bytes, bytearray, memoryview, array.array})

_SIMPLE: dict[type, Callable[[Any], Any]] = {
    int: write_integer,
    bytes: buffers.write_bytes,
    bytearray: buffers.write_bytes,
    memoryview: _write_memoryview,
    dt.datetime: _write_datetime,
    array.array: buffers.write_array,
    Expression: lambda expression: expression,
}
