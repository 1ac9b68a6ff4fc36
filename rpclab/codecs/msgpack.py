"""The msgpack codec, for Python peers: C walks the data, and asks here for what it does not know.

Floor: codecs. One for each end of a session. Dialect: `MSGPACK`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgpack
from msgpack import unpackb

from rpclab.codecs import exceptions
from rpclab.codecs.graphs import Node, flatten, unflatten
from rpclab.codecs.paths import largest, path_of
from rpclab.codecs.records import RECORDS, Record, named
from rpclab.codecs.refusals import too_deep, unsendable
from rpclab.codecs.sharing import is_ndarray, is_shared
from rpclab.codecs.values import (
    DECODERS,
    ENCODERS,
    EXCEPTION,
    GRAPH,
    INLINE,
    INTEGER,
    JOINT,
    NDARRAY,
    NODE,
    RECORD,
    UUID,
    encode_ndarray,
)
from rpclab.core.containers import DICT_TYPES
from rpclab.core.dialects import MSGPACK
from rpclab.core.messages import CALL, KEYWORDS, REJECT, RESOLVE, SCALARS, STREAM, Message
from rpclab.core.promised import Unreadable
from rpclab.core.references import WRITABLE, Here
from rpclab.core.targets import Exposed
from rpclab.errors import DataCloneError, MessageTooLargeError, RemoteProtocolError

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
    """

    dialect = MSGPACK

    def __init__(self, session: Session) -> None:
        self._session = session
        self._limits = session.limits
        self._packers = [self._new_packer()]
        self._level = 0
        self._recording: Any = None
        self._undo: list[Callable[[], None]] = []
        self._depth = 0
        self._unfinished = False
        self.pack = self._packers[0].pack
        self._take = self._extension
        self._unpacking: dict[str, Any] = {
            "ext_hook": self._extension,
            "strict_map_key": False,
            "unicode_errors": "surrogatepass",
        }

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
        if self._undo:
            self._undo = []
        return frame

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
        return ExtType(GRAPH, self._nested(flatten(value, self._limits.nesting)))

    def encode_part(self, value: Any, recording: Any) -> bytes:
        """Pack a part of a program, in which `recording` gives the references."""
        self._recording = recording
        try:
            return self._value(value)
        except BaseException as error:
            raise self._failure(error, [RESOLVE, 0, value]) from None
        finally:
            self._recording = None

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
        name, arguments, attributes, cause, notes = exceptions.parts(error, self._limits.nesting)
        for value in (*arguments, *attributes.values(), cause):
            if type(value) not in SCALARS:
                return self._graph(error)
        return ExtType(EXCEPTION, self._nested([name, arguments, attributes, notes]))

    def _renew(self) -> None:
        # A packer that failed keeps what it had written; it is not used again.
        self._packers = [self._new_packer()]
        self.pack = self._packers[0].pack

    def _take_back(self) -> None:
        """Give back what the values of a message have lost by being packed: it is not sent."""
        undo, self._undo = self._undo, []
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

        error = MessageTooLargeError(
            f"Serialized RPC arguments or return values are limited to {words}, but the size of"
            f" this value was: {size} bytes. The largest member is {largest(message)}."
        )
        error.add_note(
            "send it as a stream, ReadableStream(…) of its bytes or of a generator, which is read"
            " piece by piece; or in parts"
        )
        return error

    # In.

    def decode(self, frame: bytes) -> object:
        """Unpack a message.

        Raises:
            Exception: it is none; the session ends.
        """
        # Written out, for every message comes through here; `_unpacking` are the same.
        message = unpackb(
            frame, ext_hook=self._take, strict_map_key=False, unicode_errors="surrogatepass"
        )
        return self._finish(message) if self._unfinished else message

    def _finish(self, message: Any) -> object:
        """Do what no extension type can do alone."""
        self._unfinished = False
        if type(message) is list and len(message) == 6 and type(message[4]) is _Joint:
            message[4], keywords = message[4].parts
            if keywords is not None:
                message[5][KEYWORDS] = keywords
        incoming = self._session.incoming
        if incoming.promised and type(message) is list and message[:1] in ([RESOLVE], [REJECT]):
            # In what settles a call, only what could not be read stands for a value.
            (unreadable, *_), incoming.promised = incoming.promised, None
            if message[0] == RESOLVE and isinstance(unreadable, Unreadable):
                return [REJECT, message[1], unreadable.error, False, *message[3:]]
        elif incoming.promised:
            incoming.references = True
        return message

    def _part(self, data: bytes) -> Any:
        """Unpack a part of the message that is being unpacked."""
        self._depth += 1
        try:
            if self._depth < _ON_THE_STACK:
                return msgpack.unpackb(data, **self._unpacking)
            return self._deep_part(data)
        finally:
            self._depth -= 1

    def _deep_part(self, data: bytes) -> Any:
        # unpackb takes 45 KB of the C stack, so that 180 levels end the process; an Unpacker none.
        if self._depth > _TOO_DEEP:
            raise RemoteProtocolError(f"the peer nests extension types over {_TOO_DEEP} deep")
        unpacker = msgpack.Unpacker(**self._unpacking, max_buffer_size=max(len(data), 1))
        unpacker.feed(data)
        value = unpacker.unpack()
        if unpacker.read_bytes(1):
            raise RemoteProtocolError("the peer sent an extension type with something behind it")
        return value

    def _extension(self, code: int, data: bytes) -> Any:
        """What msgpack asks for each extension type."""
        if code <= WRITABLE:
            return self._session.incoming.take(code, int.from_bytes(data, "big", signed=True))
        read = DECODERS.get(code)
        if read is not None:
            parts = data if code in _RAW else self._part(data)
            try:
                return read(parts)
            except Exception as why:  # a zone or type that is unknown here, say
                self._unfinished = True
                return self._session.incoming.unreadable(why)
        if code == NODE:
            return Node(int.from_bytes(data, "big"))
        if code == GRAPH:
            return unflatten(self._part(data))
        if code == JOINT:
            self._unfinished = True
            return _Joint(unflatten(self._part(data)))
        if code == INLINE:
            return self._part(data)
        if code == RECORD:
            return self._read_record(*self._part(data))
        if code == EXCEPTION:
            name, arguments, attributes, notes = self._part(data)
            error = exceptions.rebuild(name, arguments)
            exceptions.complete(error, attributes, None, notes)
            return error
        raise RemoteProtocolError(f"the peer sent an extension type of unknown code {code}")

    def _read_record(self, name: str, parts: list[Any]) -> Any:
        try:
            return named(name).build(parts)
        except Exception as why:  # of a name that is unknown here, say
            self._unfinished = True
            return self._session.incoming.unreadable(why)


class _Joint:
    """Arguments and keyword arguments that share objects."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts


_RAW = frozenset({INTEGER, UUID})
_ON_THE_STACK = 4  # up to here a part is unpacked in the quickest way
_TOO_DEEP = 400
