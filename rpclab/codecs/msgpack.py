"""The msgpack codec, for Python peers: C walks the data, and asks here for what it does not know.

Floor: codecs. One for each end of a session. Dialect: `MSGPACK`. What comes in is unpacked by a
`Reader` (`reading.py`).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgpack

from rpclab.codecs import counting, exceptions
from rpclab.codecs.arrays import encode_ndarray
from rpclab.codecs.graphs import Node, flatten
from rpclab.codecs.paths import largest, path_of
from rpclab.codecs.patterns import work_of
from rpclab.codecs.reading import RAW, Reader
from rpclab.codecs.records import RECORDS, Record
from rpclab.codecs.refusals import too_deep, unsendable
from rpclab.codecs.sharing import is_ndarray, is_shared
from rpclab.codecs.values import (
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
from rpclab.core.containers import DICT_TYPES
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
    Message,
)
from rpclab.core.references import Here
from rpclab.core.targets import Exposed
from rpclab.errors import DataCloneError, MessageTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.session import Session

ExtType = msgpack.ExtType
_extension_type = partial(tuple.__new__, ExtType)  # without its checks: made for each reference


class MsgpackCodec:
    """Packs and unpacks the messages of one end of a session.

    Args:
        session: whose `outgoing` and `incoming` number what passes by reference.

    Attributes:
        pack: C's own way to bytes; enough where the user gave scalars only.
        decode: unpacks a message (see `Reader`).
    """

    dialect = MSGPACK

    def __init__(self, session: Session) -> None:
        self._session = session
        self._limits = session.limits
        self._packers = [self._new_packer()]
        self._level = 0
        self._recording: Any = None
        self._undo: list[Callable[[], None]] = []
        self._patterns = 0
        self._raised = False
        self.pack = self._packers[0].pack
        self.decode = Reader(session).decode

    def _new_packer(self) -> msgpack.Packer:
        return msgpack.Packer(
            default=self._default, strict_types=True, unicode_errors="surrogatepass"
        )

    # Out.

    def encode(self, message: Message, values: list[Any]) -> bytes:
        """Pack a message.

        Args:
            message: the message; it may be changed.
            values: what of it the user gave.

        Raises:
            DataCloneError: something in it cannot be sent; the error says what, and where.
            MessageTooLargeError: it is over the limit.
            Exception: whatever the values' own code raises.
        """
        if not values and message[0] in _REASONS:
            return self._encode_reason(message)
        for value in values:
            if type(value) not in SCALARS and not isinstance(value, Exposed):
                return self._encode_containers(message, values)
        try:
            frame: bytes = self.pack(message)
        except BaseException as error:
            raise self._failure(error, message) from None
        if len(frame) > self._limits.message_bytes:
            raise self._too_large(message, len(frame))
        if self._undo:
            self._undo = []
        return frame

    def _encode_containers(self, message: Message, values: list[Any]) -> bytes:
        written = message
        try:
            if is_shared(values, self._limits.nesting):
                written = self._numbered(message)
            frame: bytes = self.pack(written)
        except BaseException as error:
            raise self._failure(error, message) from None
        if len(frame) > self._limits.message_bytes:
            raise self._too_large(message, len(frame))
        if len(frame) > self._limits.message_objects:
            self._count(frame)
        if self._undo or self._patterns:
            self._undo, self._patterns = [], 0
        return frame

    def _encode_reason(self, message: Message) -> bytes:
        """Pack a message that tells why something failed."""
        self._raised = True
        try:
            return self._encode_containers(message, [])
        finally:
            self._raised = False

    def _numbered(self, message: Message) -> Message:
        """The same message, with the containers of its values numbered."""
        if message[0] in (CALL, STREAM):
            options = dict(message[5]) if len(message) > 5 else {}
            both = [message[4], options.pop(KEYWORDS, None)]
            joint = flatten(both, self._limits.nesting, depth=-1)
            return [*message[:4], ExtType(JOINT, self._nested(joint)), options]
        if message[0] == RESOLVE:
            return [*message[:2], self._graph(message[2]), *message[3:]]
        return message

    def _graph(self, value: Any) -> Any:
        nodes = flatten(value, self._limits.nesting, raised=self._raised)
        return ExtType(GRAPH, self._nested(nodes))

    def encode_part(self, value: Any, recording: Any) -> bytes:
        """Pack a part of a program, in which `recording` gives the references."""
        self._recording = recording
        try:
            return self._value(value)
        except BaseException as error:
            raise self._failure(error, [RESOLVE, 0, value]) from None
        finally:
            self._recording = None
            self._patterns = 0

    def _nested(self, value: Any) -> bytes:
        """Pack a part of the message that is being packed."""
        self._level += 1
        try:
            if self._level == len(self._packers):
                self._packers.append(self._new_packer())
            packed: bytes = self._packers[self._level].pack(value)
        finally:
            self._level -= 1
        return packed

    def _value(self, value: Any) -> bytes:
        """Pack a value that the check of the whole message has not seen."""
        if type(value) not in SCALARS and is_shared([value], self._limits.nesting):
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
        try:
            refer = self._recording or self._session.outgoing
            reference = refer.refer(value)
        except Here as here:
            return self._here(here.value)
        if reference is not None:
            return _extension_type((reference[0], reference[1].to_bytes(8, "big", signed=True)))
        return self._uncommon(value, kind)

    def _record(self, value: Any, record: Record) -> Any:
        copied = self._recording is not None or self._session.outgoing.copying
        parts, undo = record.take_apart(value, copied=copied)
        if undo is not None:
            self._undo.append(undo)
        return ExtType(RECORD, self._nested([record.name, parts]))

    def _here(self, value: Any) -> Any:
        return value if type(value) in SCALARS else ExtType(INLINE, self._value(value))

    def _uncommon(self, value: Any, kind: type) -> Any:
        if isinstance(value, BaseException):
            return self._exception(value)
        if is_ndarray(kind):
            return ExtType(NDARRAY, self._nested(encode_ndarray(value)))
        outgoing = self._session.outgoing
        if outgoing.is_result and hasattr(kind, "__await__"):
            outgoing.refuse_awaitable(value)
        raise unsendable(value)

    def _exception(self, error: BaseException) -> Any:
        apart = exceptions.Apart(self._limits.nesting, raised=self._raised)
        name, arguments, attributes, cause, notes = apart.parts(error)
        for value in (*arguments, *attributes.values(), cause):
            if type(value) not in SCALARS:
                return self._graph(error)
        return ExtType(EXCEPTION, self._nested([name, arguments, attributes, notes]))

    def _add_pattern(self, work: int) -> None:
        self._patterns += work
        most = self._limits.patterns
        if self._patterns > most:
            raise MessageTooLargeError(
                f"the regular expressions in a message are limited to {most:,} characters, where a"
                " set of wide characters counts as a thousand: send their sources as texts"
            )

    def _count(self, frame: bytes) -> None:
        """Refuse a frame of more values than the peer will take."""
        most = self._limits.message_objects
        try:
            counting.check(frame, most, RAW)
        except counting.TooMany:
            self._take_back()
            raise MessageTooLargeError(
                f"a message is limited to {most:,} values, with the items of all lists and dicts in"
                " it: send it in parts, or numbers as an array.array"
            ) from None

    def _renew(self) -> None:
        # A packer that failed keeps what it had written; it is not used again.
        self._packers = [self._new_packer()]
        self.pack = self._packers[0].pack

    def _take_back(self) -> None:
        """Give back what the values of a message have lost by being packed: it is not sent."""
        undo, self._undo = self._undo, []
        self._patterns = 0
        for give_back in undo:
            give_back()

    def _failure(self, error: BaseException, message: Message) -> BaseException:
        """Turn what went wrong while packing into an error that says where."""
        self._level = 0
        self._renew()
        self._take_back()
        if isinstance(error, (ValueError, RecursionError)) and "recursion" in str(error):
            error = too_deep(self._limits.nesting)
        if isinstance(error, DataCloneError) and not error.path:
            culprit = error.__dict__.pop("culprit", None)
            error.path = path_of(culprit, message) if culprit is not None else ""
            if error.path:
                error.args = (f"{error.args[0]} It stands at {error.path}.",)
        return error

    def _too_large(self, message: Message, size: int) -> MessageTooLargeError:
        self._take_back()
        limit = self._limits.message_bytes
        words = f"{limit // 2**20}MiB" if limit % 2**20 == 0 else f"{limit} bytes"

        return MessageTooLargeError(
            f"Serialized RPC arguments or return values are limited to {words}, but the size of"
            f" this value was: {size} bytes. The largest member is {largest(message)}."
        )


_REASONS = frozenset({REJECT, PIPE, ABORT})
