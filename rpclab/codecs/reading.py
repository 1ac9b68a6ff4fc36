"""Bytes to messages: C unpacks the data, and asks here for what it does not know.

Floor: codecs. What a peer sends is checked while it is unpacked: how deep it nests, how many values
it holds, and what each value that is not plain is made of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack
from msgpack import unpackb

from rpclab.codecs import exceptions
from rpclab.codecs.depth import NOT_CONTAINERS, is_deeper, is_flat, lists_around, may_nest
from rpclab.codecs.graphs import Heavy, Node, unflatten
from rpclab.codecs.key_costs import Keys
from rpclab.codecs.patterns import work_of
from rpclab.codecs.records import named
from rpclab.codecs.refusals import came_too_deep, came_too_many, malformed
from rpclab.codecs.value_counts import UNPACKING, Count, TooMany
from rpclab.codecs.values import (
    BESIDE,
    BYTES,
    DECODERS,
    EXCEPTION,
    FROZENSET,
    GRAPH,
    INLINE,
    INTEGER,
    JOINT,
    KEYS,
    NODE,
    PATTERN,
    RECORD,
    SET,
    TUPLE,
)
from rpclab.core.messages import (
    ABORT,
    CALL,
    KEYWORDS,
    PIPE,
    REJECT,
    RESOLVE,
    STREAM,
    Frame,
)
from rpclab.core.references import PROMISE, RESULT, WRITABLE
from rpclab.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.arrival import Arrival
    from rpclab.core.session import Session

RAW = frozenset({*range(WRITABLE + 1), *BYTES, NODE, BESIDE})
"""The extension types that are not packed in their turn, and hold no values."""

_HOLDERS = frozenset({TUPLE, SET, FROZENSET, INLINE, GRAPH, JOINT})
"""Those that hold values of any kind."""

_NUMBERED = frozenset({GRAPH, JOINT})

_REASONS = (REJECT, PIPE, ABORT)
_SETTLES = (RESOLVE, REJECT)
_PROMISES = frozenset({RESULT, PROMISE})

_ON_THE_STACK = 4  # up to here a part is unpacked in the quickest way
_SHORT = 256  # bytes of a frame that need no look, whatever the limits are
_MIDDLE = 4 * 1024  # bytes of a frame for which a list around it is cheaper than a walk through it
_FEW_KEYS = 1024  # that may collide as they like


class Reader:
    """Unpacks the messages of one end of a session.

    Args:
        session: it knows what passes by reference, and its `limits` hold.
        messages: whether these are messages; else values by themselves.

    Attributes:
        decode: unpacks a message. Gives it, and what it mentions by reference, if anything.
    """

    def __init__(self, session: Session, *, messages: bool = True) -> None:
        self._session = session
        self._messages = messages
        self._limits = session.limits
        self._arrival: Arrival | None = None
        self._beside: list[bytes] = []
        self._begin()
        self.decode = self._decoder()

    def _begin(self) -> None:
        """Forget the message at hand."""
        self._met = False  # nothing yet but plain data
        self._unfinished = False
        self._start: bytes | None = None
        self._hooks: dict[str, Any] = {}
        self._count: Count | None = None
        self._depth = 0
        self._holds = False
        self._names: int | None = None
        self._aside = 0
        self._patterns = 0
        self._made = 0
        self._keys: Keys | None = None
        self._reason: bool | None = None

    def _decoder(self) -> Callable[[Frame], tuple[object, Arrival | None]]:
        """Make `decode`; each message goes through it, and a closure asks for no attributes."""
        nesting = self._limits.nesting
        most = self._limits.message_objects // 2  # each container counts twice
        short = min(_SHORT, nesting, most)
        middle = min(_MIDDLE, most)
        take, decode_long = self._extension, self._decode_long

        def decode(frame: Frame) -> tuple[object, Arrival | None]:
            """Unpack a message.

            Raises:
                Exception: it is none; the session ends.
            """
            if type(frame) is list:
                head, *self._beside = frame
                self._met = True
            else:
                head = frame  # type: ignore[assignment]  # the other one of the two
            try:
                if len(head) <= short:
                    message = unpackb(
                        head, ext_hook=take, strict_map_key=False, unicode_errors="surrogatepass"
                    )
                    if not self._met:
                        return message, None  # as most are: plain data (benchmark `burst`)
                elif len(head) <= middle:
                    message = unpackb(  # as `UNPACKING`, in fewer steps (benchmark `dict1k`)
                        head,
                        ext_hook=take,
                        strict_map_key=False,
                        unicode_errors="surrogatepass",
                        timestamp=1,
                    )
                    if (self._unfinished or may_nest(message)) and (
                        len(head.translate(None, NOT_CONTAINERS)) > nesting
                    ):
                        self._check_depth(message)
                else:
                    message = decode_long(head)
                if self._unfinished:
                    message = self._finish(message)
            except _NeedsStart:
                message = decode_long(head)
            except BaseException:
                self._give_up()
                raise
            arrival, self._arrival = self._arrival, None
            self._beside = []
            self._met = False
            return message, arrival

        return decode

    def _give_up(self) -> None:
        """The message at hand is none: let go of what it mentioned."""
        self._begin()
        self._beside = []
        arrival, self._arrival = self._arrival, None
        if arrival is not None:
            arrival.give_back()

    def _decode_long(self, frame: bytes) -> object:
        """Unpack a message that may be more than it looks like, or holds errors."""
        nesting = self._limits.nesting
        try:
            outer = 0
            if len(frame) > _MIDDLE and not is_flat(frame):
                outer = lists_around(frame, nesting, surely=False)
            try:
                message = self._unpack(frame, outer)
            except msgpack.exceptions.StackError:
                message = self._unpack(frame, lists_around(frame, nesting, surely=True))
                self._holds = True
            if self._holds or not outer:
                self._check_depth(message)
            return self._finish(message)
        except msgpack.exceptions.StackError:
            raise came_too_deep(self._limits.nesting) from None
        except TooMany:
            raise came_too_many(self._limits.message_objects) from None
        except BaseException:
            self._give_up()
            raise

    def _unpack(self, frame: bytes, outer: int) -> Any:
        """Unpack a frame that is put inside so many lists.

        It may be done anew: what the message has introduced is found again.
        """
        self._begin()
        self._start = frame[:16]
        most = self._limits.message_objects
        many = 2 * len(frame) > most  # a byte may be a container, which counts twice
        if outer or many:
            self._count = Count(most, outer=outer) if many else None
            self._hooks = self._count.hooks if self._count is not None else {}
            frame = b"\x91" * outer + frame
        hook = self._extension if self._count is None else self._counted
        message = unpackb(frame, ext_hook=hook, **UNPACKING, **self._hooks)
        for _ in range(outer):
            (message,) = message
        return message

    def _check_depth(self, message: Any) -> None:
        if is_deeper(message, self._limits.nesting, is_tree=not self._holds):
            raise came_too_deep(self._limits.nesting)

    def _finish(self, message: Any) -> object:
        """Do what no extension type can do alone."""
        kind = message[0] if type(message) is list and message else None
        if kind in (CALL, STREAM) and len(message) == 6 and type(message[4]) is _Joint:
            parts = message[4].parts
            if type(parts) is not list or len(parts) != 2 or type(message[5]) is not dict:
                raise malformed("call", parts)
            self._aside -= 1
            message[4], keywords = parts
            if keywords is not None:
                message[5][KEYWORDS] = keywords
        elif kind == RESOLVE and len(message) > 2 and type(message[2]) is Heavy:
            self._aside -= 1
            message[2] = message[2].value
        elif type(message) is Heavy:
            self._aside -= 1
            message = message.value
        if kind == REJECT and len(message) > 2 and isinstance(message[2], BaseException):
            # Where an error was raised, the message says, and not the error.
            message[2].__dict__.pop("remote", None)
        if self._aside:
            raise malformed("message", message)
        self._begin()
        arrival = self._arrival
        # In what settles a call, only what could not be read stands for a value.
        if (
            arrival is not None
            and self._messages
            and kind in _SETTLES
            and len(arrival.unreadable or ()) < len(arrival.promised or ())
        ):
            raise RemoteProtocolError("the peer settled a call with a promise inside")
        return message

    # Extension types.

    def _extension(self, code: int, data: bytes) -> Any:
        """What msgpack asks for each extension type."""
        self._met = True
        if code <= WRITABLE:
            if len(data) > 8:
                raise malformed("reference", data)
            if code in _PROMISES:
                self._unfinished = True
            arrival = self._arrival or self._arrive()
            return arrival.take(code, int.from_bytes(data, "big", signed=True))
        if code == BESIDE:
            return self._from_beside(int.from_bytes(data, "big"))
        self._unfinished = True
        read = DECODERS.get(code)
        if read is not None:
            if code in _HOLDERS:
                parts = self._part(code, data)
            else:
                parts = data if code in RAW else self._leaf(code, data)
            try:
                value = read(parts)
            except RemoteProtocolError:
                raise
            except Exception as why:  # a zone or type that is unknown here, say
                return self._arrive().cannot_read(why)
            if code in KEYS:
                self._made += 1
                if self._made > _FEW_KEYS:
                    self._look_up().crowd(value)
            return value
        if code == NODE:
            return self._name(data)
        if code in _NUMBERED:
            return self._graph(code, data)
        if code == INLINE:
            return self._part(code, data)
        if code == RECORD:
            return self._record(data)
        if code == EXCEPTION:
            return self._exception(data)
        raise RemoteProtocolError(f"the peer sent an extension type of unknown code {code}")

    def _counted(self, code: int, data: bytes) -> Any:
        """The same in a message whose values are counted."""
        if self._count is not None:
            self._count.weigh(code)
        return self._extension(code, data)

    def _arrive(self) -> Arrival:
        """What the message at hand mentions by reference."""
        if self._arrival is None:
            self._arrival = self._session.arrival()
        return self._arrival

    def _from_beside(self, number: int) -> bytes:
        if number >= len(self._beside):
            raise RemoteProtocolError(f"the peer mentions bytes no. {number} that did not come")
        return self._beside[number]

    def _leaf(self, code: int, data: bytes) -> Any:
        """Unpack the parts of a value that holds no others."""
        parts = unpackb(data, ext_hook=self._in_leaf, **UNPACKING, **self._hooks)
        if code == PATTERN:
            self._patterns += work_of(parts)
            if self._patterns > self._limits.patterns:
                raise RemoteProtocolError(
                    "the peer sent a message with regular expressions of over"
                    f" {self._limits.patterns} characters (Limits.patterns)"
                )
        return parts

    def _part(self, code: int, data: bytes) -> Any:
        """Unpack the parts of a value of the message that is being unpacked."""
        hook, names = self._extension if self._count is None else self._counted, self._names
        self._names = None
        if code == RECORD:
            hook = self._in_record
        else:
            self._holds = True
            if code in _NUMBERED:
                self._names = 0
        self._depth += 1
        if self._depth < _ON_THE_STACK:
            value = unpackb(data, ext_hook=hook, **UNPACKING, **self._hooks)
        else:
            value = self._deep_part(data, hook)
        self._depth -= 1
        if code not in _NUMBERED:
            self._names = names
        return value

    def _deep_part(self, data: bytes, hook: Any) -> Any:
        # unpackb takes 45 KB of the C stack, so that 180 levels end the process; an Unpacker none.
        if self._depth > self._limits.nesting + 2:
            raise came_too_deep(self._limits.nesting)
        unpacker = msgpack.Unpacker(
            ext_hook=hook, max_buffer_size=max(len(data), 1), **UNPACKING, **self._hooks
        )
        unpacker.feed(data)
        value = unpacker.unpack()
        if unpacker.read_bytes(1):
            raise malformed("value", data)
        return value

    def _in_leaf(self, code: int, data: bytes) -> Any:
        """Of the extension types, what holds only scalars may hold large integers."""
        if code != INTEGER:
            raise malformed("value", data)
        value = int.from_bytes(data, "big", signed=True)
        self._look_up().crowd(value)
        return value

    def _in_record(self, code: int, data: bytes) -> Any:
        """What is sent as a copy of its parts holds no part twice."""
        if code in (GRAPH, JOINT, NODE, INLINE):
            raise malformed("value", data)
        return self._counted(code, data)

    def _look_up(self) -> Keys:
        if self._keys is None:
            self._keys = Keys(self._limits.message_objects)
        return self._keys

    def _name(self, data: bytes) -> Node:
        if self._names is None or len(data) != 4:
            raise malformed("value", data)
        self._names += 1
        return Node(int.from_bytes(data, "big"))

    def _graph(self, code: int, data: bytes) -> Any:
        names, raised = self._names, self._is_reason()
        nodes = self._part(code, data)
        named, self._names = self._names, names
        value = unflatten(
            nodes,
            self._limits.nesting,
            keys=self._look_up(),
            named=named,
            raised=raised,
        )
        if code == JOINT:
            value = _Joint(value)
        if type(value) in (Heavy, _Joint):
            self._aside += 1  # `_finish` finds it at its place, or refuses the message
        return value

    def _record(self, data: bytes) -> Any:
        parts = self._part(RECORD, data)
        if type(parts) is not list or [*map(type, parts)] != [str, list]:
            raise malformed("value", parts)
        try:
            return named(parts[0]).build(parts[1])
        except Exception as why:  # of a name that is unknown here, say
            return self._arrive().cannot_read(why)

    def _exception(self, data: bytes) -> BaseException:
        raised = self._is_reason()
        parts = self._leaf(EXCEPTION, data)
        if type(parts) is not list or [*map(type, parts)] != [str, list, dict, list]:
            raise malformed("error", parts)
        name, arguments, attributes, notes = parts
        error = exceptions.rebuild(name, arguments, raised=raised)
        exceptions.complete(error, attributes, None, notes)
        return error

    def _is_reason(self) -> bool:
        """Whether the message tells why something failed, so that its errors will be raised."""
        if self._start is None:
            raise _NeedsStart
        if self._reason is None:
            self._reason = self._messages and self._kind() in _REASONS
        return self._reason

    def _kind(self) -> Any:
        start = self._start or b"\xc0"
        unpacker = msgpack.Unpacker(max_buffer_size=len(start))
        unpacker.feed(start)
        try:
            unpacker.read_array_header()
            return unpacker.unpack()
        except Exception:
            return None


class _NeedsStart(Exception):  # noqa: N818 - the message is read again, with an eye on its kind
    """An error was met in a message of a kind that is not known."""


class _Joint:
    """Arguments and keyword arguments that share objects."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, parts: Any) -> None:
        self.parts = parts
