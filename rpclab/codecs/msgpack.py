"""The msgpack codec, for Python peers: C walks the data, and asks here for what it does not know.

Floor: codecs. One for each end of a session. Dialect: `MSGPACK`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import msgpack
from msgpack import unpackb

from rpclab.codecs import exceptions
from rpclab.codecs.graphs import Node, flatten, unflatten
from rpclab.codecs.paths import largest, path_of
from rpclab.codecs.records import RECORDS, Record, named
from rpclab.codecs.refusals import too_deep, unsendable
from rpclab.codecs.sharing import is_ndarray, is_shared
from rpclab.codecs.values import (
    BESIDE,
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
from rpclab.core.containers import DICT_TYPES, replaced
from rpclab.core.dialects import MSGPACK
from rpclab.core.events import failure
from rpclab.core.messages import (
    CALL,
    KEYWORDS,
    LARGE,
    RESOLVE,
    SCALARS,
    STREAM,
    Frame,
    Message,
    size_of,
)
from rpclab.core.references import WRITABLE
from rpclab.core.targets import Exposed
from rpclab.errors import DataCloneError, MessageTooLargeError, RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.arrival import Arrival
    from rpclab.core.payload import Payload
    from rpclab.core.session import Session

ExtType = msgpack.ExtType
_extension_type = partial(tuple.__new__, ExtType)  # without its checks: made for each reference


class MsgpackCodec:
    """Packs and unpacks the messages of one end of a session.

    Args:
        session: whose tables number what passes by reference.

    Attributes:
        pack: C's own way to bytes; enough where the user gave scalars only.
    """

    dialect = MSGPACK

    def __init__(self, session: Session) -> None:
        self._session = session
        self._packers = [self._new_packer()]
        self._level = 0
        self._references: Any = None
        self._payload: Payload | None = None
        self._new_payload: Callable[[], Payload] = _no_payload
        self._arrival: Arrival | None = None
        self._beside: list[bytes] = []
        self._apart: dict[int, tuple[Any, Any, Callable[[], None] | None]] = {}
        self._depth = 0
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

    def encode(
        self, message: Message, values: list[Any], payload: Callable[[], Payload]
    ) -> tuple[Frame, Payload | None]:
        """Pack a message.

        Args:
            message: the message.
            values: what of it the user gave.
            payload: makes the payload; called once a value is met that passes by reference.

        Returns:
            The frame, and the payload if there is one. If it raises, the payload was discarded.

        Raises:
            DataCloneError: something in it cannot be sent; the error says what, and where.
            MessageTooLargeError: it is over the limit.
            Exception: whatever the values' own code raises.
        """
        self._new_payload, self._payload = payload, None
        frame: Frame
        try:
            written, large = message, []
            for value in values:
                if type(value) not in SCALARS and not isinstance(value, Exposed):
                    large = []
                    if is_shared(values, self._session.limits.nesting, large):
                        written, large = self._numbered(message), []
                    break
                if type(value) is bytes and len(value) >= LARGE:
                    large.append(value)
            if large:
                written = self._with_large_beside(written, large)
            frame = self.pack(written)
            size = len(frame)
            if self._beside:
                frame, self._beside = [frame, *self._beside], []
                size = size_of(frame)
            self._check_size(message, size)
        except BaseException as error:
            # The payload also disposes the targets that packing did not come to.
            (self._payload or payload()).discard(values)
            raise self._failure(error, message) from None
        else:
            made = self._payload
            if self._apart and (made is None or made.complete):
                self._apart = {}
            return frame, made
        finally:
            # To remember them here would keep alive what the message was about.
            self._new_payload, self._payload = _no_payload, None

    def _with_large_beside(self, message: Message, large: list[bytes]) -> Message:
        """The same message, with the large bytes in its values beside the frame."""
        self._beside = large
        places = {
            id(data): ExtType(BESIDE, number.to_bytes(4, "big"))
            for number, data in enumerate(large)
        }
        return [replaced(part, places) for part in message]

    def _numbered(self, message: Message) -> Message:
        """The same message, with the containers of its values numbered."""
        if message[0] in (CALL, STREAM):
            options = dict(message[5]) if len(message) > 5 else {}
            both = [message[4], options.pop(KEYWORDS, None)]
            joint = flatten(both, self._session.limits.nesting, depth=-1)
            return [*message[:4], ExtType(JOINT, self._nested(joint)), options]
        if message[0] == RESOLVE:
            return [*message[:2], self._graph(message[2]), *message[3:]]
        return message

    def _graph(self, value: Any) -> Any:
        return ExtType(GRAPH, self._nested(flatten(value, self._session.limits.nesting)))

    def encode_part(self, value: Any, references: Any) -> Any:
        """Pack a part of a program, in which `references` gives the references."""
        return ExtType(INLINE, self.encode_value(value, references))

    def encode_value(self, value: Any, references: Any) -> bytes:
        """Pack a value by itself, in which `references` gives the references."""
        self._references = references
        try:
            return self._value(value)
        except BaseException as error:
            raise self._failure(error, [RESOLVE, 0, value]) from None
        finally:
            self._references = None

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
        if type(value) not in SCALARS and is_shared([value], self._session.limits.nesting, []):
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
        references = self._references or self._payload
        if references is None:
            references = self._payload = self._new_payload()
        reference = references.refer(value)
        if type(reference) is tuple:
            return self.reference(*reference)
        if reference is not None:
            return self._settled(reference.value)
        return self._uncommon(value, kind)

    def reference(self, kind: int, number: int) -> Any:
        """What stands in a message for a reference, to be packed by `pack`."""
        return _extension_type((kind, number.to_bytes(8, "big", signed=True)))

    def _record(self, value: Any, record: Record) -> Any:
        copied = self._references is not None or (self._payload or self._new_payload()).copying
        if id(value) in self._apart:  # when the message was packed before
            _, parts, _ = self._apart[id(value)]
        else:
            parts, undo = record.take_apart(value, copied=copied)
            self._apart[id(value)] = value, parts, undo
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
        name, arguments, attributes, cause, notes = exceptions.parts(
            error, self._session.limits.nesting
        )
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
        apart, self._apart = self._apart, {}
        for _, _, give_back in apart.values():
            if give_back is not None:
                give_back()

    def _failure(self, error: BaseException, message: Message) -> BaseException:
        """Turn what went wrong while packing into an error that says where."""
        self._level = 0
        self._beside = []
        self._renew()
        self._take_back()
        if isinstance(error, (ValueError, RecursionError)) and "recursion" in str(error):
            error = too_deep(self._session.limits.nesting)
        if isinstance(error, DataCloneError) and not error.path:
            culprit = error.__dict__.pop("culprit", None)
            error.path = path_of(culprit, message) if culprit is not None else ""
            if error.path:
                error.args = (f"{error.args[0]} It stands at {error.path}.",)
        return error

    def _check_size(self, message: Message, size: int) -> None:
        limit = self._session.limits.message_bytes
        if size <= limit:
            return
        words = f"{limit // 2**20}MiB" if limit % 2**20 == 0 else f"{limit} bytes"
        raise MessageTooLargeError(
            f"Serialized RPC arguments or return values are limited to {words}, but the size of"
            f" this value was: {size} bytes. The largest member is {largest(message)}."
        )

    # In.

    def decode(self, frame: Frame) -> tuple[object, Arrival | None]:
        """Unpack a message. Gives it, and what it mentions by reference, if anything.

        Raises:
            RemoteProtocolError: it is none.
        """
        if type(frame) is not bytes:
            frame, *self._beside = frame
        # Written out, for every message comes through here; `_unpacking` are the same.
        try:
            message = unpackb(
                frame, ext_hook=self._take, strict_map_key=False, unicode_errors="surrogatepass"
            )
        except Exception as error:
            arrival, self._arrival, self._beside = self._arrival, None, []
            if arrival is not None:
                arrival.give_back()
            if isinstance(error, RemoteProtocolError):
                raise
            text = f"the peer sent a frame that is no message: {failure(error)}"
            raise RemoteProtocolError(text) from None
        arrival = self._arrival
        if arrival is not None:
            self._arrival = None
            if type(message) is list and len(message) == 6 and type(message[4]) is _Joint:
                message[4], keywords = message[4].parts
                if keywords is not None:
                    message[5][KEYWORDS] = keywords
        if self._beside:
            self._beside = []
        return message, arrival

    def decode_value(self, data: bytes) -> Any:
        """Unpack a value by itself, or a part of the message that is being unpacked."""
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
            arrival = self._arrival or self._arrive()
            return arrival.take(code, int.from_bytes(data, "big", signed=True))
        read = DECODERS.get(code)
        if read is not None:
            parts = data if code in _RAW else self.decode_value(data)
            try:
                return read(parts)
            except Exception as why:  # a zone or type that is unknown here, say
                return self._arrive().cannot_read(why)
        if code == NODE:
            return Node(int.from_bytes(data, "big"))
        if code == GRAPH:
            return unflatten(self.decode_value(data))
        if code == JOINT:
            self._arrive()
            return _Joint(unflatten(self.decode_value(data)))
        if code == INLINE:
            return self.decode_value(data)
        if code == RECORD:
            return self._read_record(*self.decode_value(data))
        if code == EXCEPTION:
            name, arguments, attributes, notes = self.decode_value(data)
            error = exceptions.rebuild(name, arguments)
            exceptions.complete(error, attributes, None, notes)
            return error
        if code == BESIDE:
            return self._from_beside(int.from_bytes(data, "big"))
        raise RemoteProtocolError(f"the peer sent an extension type of unknown code {code}")

    def _arrive(self) -> Arrival:
        """What the message at hand mentions by reference."""
        if self._arrival is None:
            self._arrival = self._session.arrival()
        return self._arrival

    def _from_beside(self, number: int) -> bytes:
        if number >= len(self._beside):
            raise RemoteProtocolError(f"the peer mentions bytes no. {number} that did not come")
        return self._beside[number]

    def _read_record(self, name: str, parts: list[Any]) -> Any:
        try:
            return named(name).build(parts)
        except Exception as why:  # of a name that is unknown here, say
            return self._arrive().cannot_read(why)


class _Joint:
    """Arguments and keyword arguments that share objects."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts


def _no_payload() -> NoReturn:
    raise DataCloneError("there is no message that could hold a reference")


_RAW = frozenset({INTEGER, UUID})
_ON_THE_STACK = 4  # up to here a part is unpacked in the quickest way
_TOO_DEEP = 400
