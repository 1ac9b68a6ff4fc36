"""The msgpack codec, for Python peers: C walks the data, and asks here for what it does not know.

Floor: codecs. One for each end of a session. Dialect: `MSGPACK`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgpack

from rpclab.codecs import exceptions
from rpclab.codecs.paths import largest, path_of
from rpclab.codecs.sharing import (
    DICT_TYPES, Node, flatten, is_shared, unflatten, unsendable, watch,
)  # fmt: skip
from rpclab.codecs.values import (
    DECODERS, ENCODERS, EXCEPTION, GRAPH, INLINE, INTEGER, JOINT, NDARRAY, NODE, UUID,
    encode_ndarray,
)  # fmt: skip
from rpclab.core.dialects import MSGPACK
from rpclab.core.messages import CALL, KEYWORDS, RESOLVE, Message
from rpclab.core.references import PLACEHOLDER, Here
from rpclab.errors import DataCloneError, MessageTooLargeError, RemoteProtocolError

if TYPE_CHECKING:
    from rpclab.core.session import Session

_SCALARS = frozenset({type(None), bool, int, float, str, bytes})
_NATIVE = _SCALARS | {list, dict, bytearray}
_CAUSES = 32  # how long a chain of causes may be

ExtType = msgpack.ExtType


class MsgpackCodec:
    """Packs and unpacks the messages of one end of a session.

    Args:
        session: whose `outgoing` and `incoming` number what passes by reference.
    """

    dialect = MSGPACK

    def __init__(self, session: Session) -> None:
        self._session = session
        self._outgoing: Any = None
        self._incoming: Any = None
        self._limits = session.limits
        self._packers = [self._new_packer()]
        self._level = 0
        self._recording: Any = None
        self._causes = 0
        self._pack = self._packers[0].pack

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
            if type(value) not in _SCALARS:
                return self._encode_containers(message, values)
        try:
            frame = self._pack(message)
        except BaseException as error:
            raise self._failure(error, message) from None
        if len(frame) > self._limits.message_bytes:
            raise self._too_large(message, len(frame))
        return frame

    def _encode_containers(self, message: Message, values: list[Any]) -> bytes:
        written = message
        try:
            if is_shared(values, self._limits.nesting):
                written = self._numbered(message)
            frame = self._pack(written)
        except BaseException as error:
            raise self._failure(error, message) from None
        if len(frame) > self._limits.message_bytes:
            raise self._too_large(message, len(frame))
        return frame

    def _numbered(self, message: Message) -> Message:
        """The same message, with the containers of its values numbered."""
        if message[0] == CALL:
            options = dict(message[5]) if len(message) > 5 else {}
            joint = flatten([message[4], options.pop(KEYWORDS, None)])
            return [*message[:4], ExtType(JOINT, self._nested(joint)), options]
        if message[0] == RESOLVE:
            return [*message[:2], self._graph(message[2]), *message[3:]]
        return message

    def _graph(self, value: Any) -> Any:
        return ExtType(GRAPH, self._nested(flatten(value)))

    def encode_part(self, value: Any, recording: Any) -> bytes:
        """Pack a part of a program, in which `recording` gives the references."""
        self._recording = recording
        try:
            return self._value(value)
        finally:
            self._recording = None

    def _nested(self, value: Any) -> bytes:
        """Pack a part of the message that is being packed."""
        self._level += 1
        try:
            if self._level == len(self._packers):
                self._packers.append(self._new_packer())
            return self._packers[self._level].pack(value)
        finally:
            self._level -= 1

    def _value(self, value: Any) -> bytes:
        """Pack a value that the check of the whole message has not seen."""
        if type(value) not in _SCALARS and is_shared([value], self._limits.nesting):
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
        try:
            refer = self._recording or self._session.outgoing
            reference = refer.refer(value)
        except Here as here:
            return self._here(here.value)
        if reference is not None:
            return ExtType(reference[0], reference[1].to_bytes(8, "big", signed=True))
        return self._uncommon(value, kind)

    def _here(self, value: Any) -> Any:
        return value if type(value) in _SCALARS else ExtType(INLINE, self._value(value))

    def _uncommon(self, value: Any, kind: type) -> Any:
        if isinstance(value, BaseException):
            return self._exception(value)
        numpy = sys.modules.get("numpy")
        if numpy is not None and kind is numpy.ndarray:
            watch(kind)
            return ExtType(NDARRAY, self._nested(encode_ndarray(value)))
        outgoing = self._session.outgoing
        if outgoing.is_result and hasattr(kind, "__await__"):
            outgoing.refuse_awaitable(value)
        raise unsendable(value)

    def _exception(self, error: BaseException) -> Any:
        name, arguments, attributes = exceptions.parts(error)
        cause = error.__cause__ if self._causes < _CAUSES else None
        notes = list(getattr(error, "__notes__", ()))
        self._causes += 1
        try:
            written = [
                name,
                self._sendable(arguments, [str(error)]),
                self._sendable(attributes, {}),
                self._sendable(cause, None),
                [str(note) for note in notes],
            ]
        finally:
            self._causes -= 1
        return ExtType(EXCEPTION, self._nested(written))

    def _sendable(self, value: Any, otherwise: Any) -> Any:
        """Pack a part of an error; where any of it cannot be sent, all of that part goes (Z4)."""
        outgoing = self._session.outgoing
        mark, level = outgoing.mark(), self._level
        try:
            return self._value(value)
        except Exception:  # noqa: BLE001 - whatever the parts' own code raises
            self._level = level
            self._renew(level + 1)
            outgoing.withdraw(mark)
            return self._value(otherwise)

    def _renew(self, level: int) -> None:
        # A packer that failed keeps what it had written; it is not used again.
        del self._packers[level:]
        if level == 0:
            self._packers.append(self._new_packer())
            self._pack = self._packers[0].pack

    def _failure(self, error: BaseException, message: Message) -> BaseException:
        """Turn what went wrong while packing into an error that says where."""
        self._level = 0
        self._renew(0)
        if isinstance(error, (ValueError, RecursionError)) and "recursion" in str(error):
            error = DataCloneError(
                f"the value nests deeper than {self._limits.nesting} containers, which is the limit"
            )
        if isinstance(error, DataCloneError) and not error.path:
            culprit = error.__dict__.pop("culprit", None)
            error.path = path_of(culprit, message) if culprit is not None else ""
            if error.path:
                error.args = (f"{error.args[0]} It stands at {error.path}.",)
        return error

    def _too_large(self, message: Message, size: int) -> MessageTooLargeError:
        limit = self._limits.message_bytes
        words = f"{limit // 2**20}MiB" if limit % 2**20 == 0 else f"{limit} bytes"

        def measure(value: Any) -> int:
            try:
                return len(msgpack.packb(value, default=lambda _: None, strict_types=True))
            except Exception:  # noqa: BLE001 - then it counts for nothing
                return 0

        return MessageTooLargeError(
            f"Serialized RPC arguments or return values are limited to {words}, but the size of"
            f" this value was: {size} bytes. The largest member is {largest(message, measure)}."
        )

    # In.

    def decode(self, frame: bytes) -> object:
        """Unpack a message.

        Raises:
            Exception: it is none; the session ends.
        """
        message = self._unpack(frame)
        if type(message) is list and len(message) == 6 and type(message[4]) is _Joint:
            message[4], keywords = message[4].parts
            if keywords is not None:
                message[5][KEYWORDS] = keywords
        return message  # type: ignore[no-any-return]

    def _unpack(self, data: bytes) -> Any:
        return msgpack.unpackb(
            data, ext_hook=self._extension, strict_map_key=False, unicode_errors="surrogatepass"
        )

    def _extension(self, code: int, data: bytes) -> Any:
        """What msgpack asks for each extension type."""
        if code <= PLACEHOLDER:
            return self._session.incoming.take(code, int.from_bytes(data, "big", signed=True))
        read = DECODERS.get(code)
        if read is not None:
            raw = code in _RAW
            return read(data if raw else self._unpack(data))
        if code == NODE:
            return Node(int.from_bytes(data, "big"))
        if code == GRAPH:
            return unflatten(self._unpack(data))
        if code == JOINT:
            return _Joint(unflatten(self._unpack(data)))
        if code == INLINE:
            return self._unpack(data)
        if code == EXCEPTION:
            return self._read_exception(self._unpack(data))
        raise RemoteProtocolError(f"the peer sent an extension type of unknown code {code}")

    def _read_exception(self, parts: Any) -> BaseException:
        name, arguments, attributes, cause, notes = parts
        error = exceptions.rebuild(name, self._unpack(arguments))
        error.__dict__.update(self._unpack(attributes))
        error.__cause__ = self._unpack(cause)
        for note in notes:
            error.add_note(note)
        return error


class _Joint:
    """Arguments and keyword arguments that share objects."""

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts


_RAW = frozenset({INTEGER, UUID})
