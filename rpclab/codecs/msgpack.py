"""The msgpack codec, for Python peers: C walks the data, and asks here for what it does not know.

Floor: codecs. One for each end of a session. Dialect: `MSGPACK`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgpack

from rpclab.codecs import exceptions, value_counts
from rpclab.codecs.arrays import encode_ndarray
from rpclab.codecs.encoding import Encoder, no_payload
from rpclab.codecs.graphs import Node, flatten
from rpclab.codecs.patterns import work_of
from rpclab.codecs.reading import RAW, Reader
from rpclab.codecs.records import RECORDS, Record
from rpclab.codecs.refusals import too_many, unsendable
from rpclab.codecs.sharing import NAMED, is_ndarray, is_shared, layout
from rpclab.codecs.too_large import check_size
from rpclab.codecs.value_counts import weight_of
from rpclab.codecs.values import (
    BESIDE,
    ENCODERS,
    EXCEPTION,
    GRAPH,
    INLINE,
    JOINT,
    NDARRAY,
    NODE,
    PATTERN,
    RECORD,
)
from rpclab.core.containers import CONTAINER_TYPES, DICT_TYPES, replaced
from rpclab.core.dialects import MSGPACK
from rpclab.core.messages import (
    ABORT,
    CALL,
    KEYWORDS,
    PIPE,
    REJECT,
    RESOLVE,
    SCALARS,
    STREAM,
    Frame,
    Message,
    count_of,
    how_many,
    size_of,
)
from rpclab.core.references import Settled
from rpclab.core.targets import Exposed
from rpclab.errors import MessageTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.payload import Payload
    from rpclab.core.session import Session

ExtType = msgpack.ExtType
_extension_type = partial(tuple.__new__, ExtType)  # without its checks: made for each reference
_BUFFER = 1024  # bytes that a packer has from the beginning; it takes more by need


class MsgpackCodec(Encoder):
    """Packs and unpacks the messages of one end of a session (see `core.codec`).

    Args:
        session: whose tables number what passes by reference.

    Attributes:
        pack: C's own way to bytes; enough where the user gave scalars only.
        decode: unpacks a message (see `Reader`).
    """

    dialect = MSGPACK
    weight_of = staticmethod(weight_of)
    read_plain = None

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._places = session.tells_places
        self._packers: list[msgpack.Packer] = []  # of the message, and of each part in a part
        self._level = 0
        self._texts: str | None = None  # how those take half a surrogate pair, if they do
        self._references: Any = None
        self._payload: Payload | None = None
        self._new_payload: Callable[[], Payload] = no_payload
        self._beside: list[bytes] = []
        self._patterns = 0
        self._raised = False
        self.pack = self._new_packer("surrogatepass").pack
        self.decode = Reader(session).decode

    def pack_run(self, run: Message) -> list[Frame]:
        """Pack calls or results that stand in a row, in one message."""
        return [self.pack(run)]

    def _new_packer(self, texts: str | None) -> msgpack.Packer:
        return msgpack.Packer(
            default=self._default, strict_types=True, unicode_errors=texts, buf_size=_BUFFER
        )

    @staticmethod
    def count(frames: list[Frame]) -> int:
        """How many calls, results and other messages there are in frames."""
        return sum(map(_count_of, frames))

    # Out.

    def encode(
        self, message: Message, values: list[Any], payload: Callable[[], Payload]
    ) -> tuple[Frame, Payload | None]:
        """Pack a message.

        Raises:
            DataCloneError: something in it cannot be sent; the error says what, and where.
            MessageTooLargeError: it is over the limit.
            Exception: whatever the values' own code raises.
        """
        self._new_payload, self._payload = payload, None
        self._raised, self._patterns = message[0] in _REASONS, 0
        frame: Frame
        try:
            written = message
            long: list[bytes] = []
            for value in values:
                if type(value) not in SCALARS and not isinstance(value, Exposed):
                    long = []
                    if is_shared(values, self._session.limits.nesting, long):
                        written, long = self._numbered(message), []
                    break
                if type(value) is bytes and len(value) >= NAMED:
                    long.append(value)
            if long:
                written = self._laid_out(message, values, long)
            frame = packed = self._with_any_text(self._nested, written)
            size = len(packed)
            if 2 * size > self._session.limits.message_objects:
                self._count(packed)
            if self._beside:
                frame, self._beside = [packed, *self._beside], []
                size = size_of(frame)
            is_tree = written is message
            check_size(message, size, self._session.limits.message_bytes, is_tree=is_tree)
        except BaseException as error:
            # The payload also disposes the targets that packing did not come to.
            # `pack` may have made it, which mypy does not see.
            (self._payload or payload()).discard(values)  # type: ignore[redundant-expr]
            raise self._failure(error, message) from None
        else:
            if self._apart:
                self._packed(self._payload)
            return frame, self._payload
        finally:
            # To remember them here would keep alive what the message was about.
            self._new_payload, self._payload = no_payload, None

    def _laid_out(self, message: Message, values: list[Any], long: list[bytes]) -> Message:
        """The same message, with large bytes beside the frame and what repeats in it once."""
        beside, numbered = layout(long, values, self._session.limits.message_bytes)
        if numbered:
            return self._numbered(message)
        return self._with_large_beside(message, beside) if beside else message

    def _with_large_beside(self, message: Message, large: list[bytes]) -> Message:
        """The same message, with the large bytes in its values beside the frame."""
        self._beside = large
        places = {
            id(data): _extension_type((BESIDE, number.to_bytes(4, "big")))
            for number, data in enumerate(large)
        }

        def placed(part: Any) -> Any:
            if type(part) is list and CONTAINER_TYPES.isdisjoint(map(type, part)):
                return [*map(places.get, map(id, part), part)]  # as for each chunk of a stream
            return replaced(part, places)

        return [part if type(part) in _LITTLE else placed(part) for part in message]

    def _numbered(self, message: Message) -> Message:
        """The same message, with the containers of its values numbered."""
        if message[0] in (CALL, STREAM):
            options = dict(message[5]) if len(message) > 5 else {}
            both = [message[4], options.pop(KEYWORDS, None)]
            joint = flatten(both, self._session.limits.nesting, depth=-1, places=self._places)
            return [*message[:4], ExtType(JOINT, self._nested(joint)), options]
        if message[0] == RESOLVE:
            return [*message[:2], self._graph(message[2]), *message[3:]]
        return message

    def _graph(self, value: Any) -> Any:
        nesting = self._session.limits.nesting
        nodes = flatten(value, nesting, raised=self._raised, places=self._places)
        return ExtType(GRAPH, self._nested(nodes))

    def encode_part(self, value: Any, references: Any) -> Any:
        """Pack a part of a program, in which `references` gives the references."""
        return ExtType(INLINE, self.encode_value(value, references))

    def encode_value(self, value: Any, references: Any) -> bytes:
        """Pack a value by itself, in which `references` gives the references."""
        self._references = references
        try:
            return self._with_any_text(self._value, value)
        except BaseException as error:
            raise self._failure(error, [RESOLVE, 0, value]) from None
        finally:
            self._references = None
            self._patterns = 0

    def _with_any_text(self, pack: Callable[[Any], bytes], value: Any) -> bytes:
        """Pack a message, or a value by itself; again if a text in it has half a surrogate pair.

        C copies no text that it need not encode. It does for who may send such halves, and takes
        half as long again (benchmark `rows`); so that begins with the first of them.
        """
        try:
            return pack(value)
        except UnicodeEncodeError:
            self._texts = "surrogatepass"
            self._patterns = 0
            self._packers, self._level = [], 0
            return pack(value)

    def _nested(self, value: Any) -> bytes:
        """Pack a part of the message that is being packed, or all of it."""
        level, packers = self._level, self._packers
        if level < len(packers):
            packer = packers[level]
        else:
            packer = self._new_packer(self._texts)
            packers.append(packer)
        self._level = level + 1
        try:
            packed: bytes = packer.pack(value)
        finally:
            self._level = level
        return packed

    def _value(self, value: Any) -> bytes:
        """Pack a value that the check of the whole message has not seen."""
        if type(value) not in SCALARS:
            limits = self._session.limits
            long: list[bytes] = []
            if is_shared([value], limits.nesting, long) or (
                long and layout(long, [value], limits.message_bytes).numbered
            ):
                value = self._graph(value)
        return self._nested(value)

    def _default(self, value: Any) -> Any:
        """What msgpack asks for each value that it does not know."""
        kind = type(value)
        known = ENCODERS.get(kind)
        if known is not None:
            code, parts = known
            written = parts(value)
            if code == PATTERN:
                self._add_pattern(work_of(written))
            return ExtType(code, written if type(written) is bytes else self._nested(written))
        if kind in DICT_TYPES:
            return dict(value)
        if kind is Node:
            return ExtType(NODE, value.number.to_bytes(4, "big"))
        record = RECORDS.get(kind)
        if record is not None:
            return self._record(value, record)
        references = self._references or self._payload
        if references is None:
            references = self._payload = self._new_payload()
        reference = references.refer(value)
        if reference is None:
            return self._uncommon(value, kind)
        if isinstance(reference, Settled):
            return self._settled(reference.value)
        return self.reference(*reference)

    def reference(self, kind: int, number: int) -> Any:
        """What stands in a message for a reference, to be packed by `pack`."""
        return _extension_type((kind, number.to_bytes(8, "big", signed=True)))

    def _record(self, value: Any, record: Record) -> Any:
        copied = self._references is not None or (self._payload or self._new_payload()).copying
        parts = self.parts_of(value, record, copied=copied)
        return ExtType(RECORD, self._nested([record.name, parts]))

    def _settled(self, value: Any) -> Any:
        """What a promise has resolved to, in its place."""
        return value if type(value) in SCALARS else ExtType(INLINE, self._value(value))

    def _uncommon(self, value: Any, kind: type) -> Any:
        if isinstance(value, BaseException):
            return self._exception(value)
        if is_ndarray(kind):
            return ExtType(NDARRAY, self._nested(encode_ndarray(value)))
        payload = self._payload
        if payload is not None and payload.is_result and hasattr(kind, "__await__"):
            return self.reference(*payload.await_first())
        raise unsendable(value)

    def _exception(self, error: BaseException) -> Any:
        nesting = self._session.limits.nesting
        apart = exceptions.Apart(nesting, raised=self._raised, places=self._places)
        name, arguments, attributes, cause, notes = apart.parts(error)
        for value in (*arguments, *attributes.values(), cause):
            if type(value) not in SCALARS or (type(value) is bytes and len(value) >= NAMED):
                return self._graph(error)
        return ExtType(EXCEPTION, self._nested([name, arguments, attributes, notes]))

    def _add_pattern(self, work: int) -> None:
        self._patterns += work
        most = self._session.limits.patterns
        if self._patterns > most:
            raise MessageTooLargeError(
                f"the regular expressions in a message are limited to {most:,} characters, where a"
                " set of wide characters counts as a thousand: send their sources as texts"
            )

    def _count(self, frame: bytes) -> None:
        """Refuse a frame of more values than the peer will take."""
        most = self._session.limits.message_objects
        try:
            value_counts.check(frame, most, RAW)
        except value_counts.TooMany:
            raise too_many(most) from None

    def _failure(self, error: BaseException, message: Message) -> BaseException:
        self._level = 0
        self._beside = []
        # A packer that failed keeps what it had written; it is not used again.
        self._packers = []
        return super()._failure(error, message)


def _count_of(frame: Any) -> int:
    """How many messages there are in a frame, by how it begins."""
    if type(frame) is list and type(frame[0]) is int:
        return count_of(frame)  # it is not packed
    if type(frame) is not bytes or len(frame) <= _SHORTEST_RUN:
        return 1
    first = frame[0]
    if first == _ARRAY_16:
        return how_many(frame[3], int.from_bytes(frame[1:3], "big"))
    return how_many(frame[1], first - _ARRAY) if _ARRAY <= first < _TEXT else 1


_ARRAY, _TEXT, _ARRAY_16 = 0x90, 0xA0, 0xDC  # how a short list, a short text and a long list begin
_SHORTEST_RUN = 5  # bytes


_REASONS = frozenset({REJECT, PIPE, ABORT})
_LITTLE = SCALARS - {bytes}  # of these nothing rides beside a frame
