"""Values as bytes that outlive every session: plain data only, in the codec's own format.

Floor: codecs. What passes by reference (functions, targets, stubs, promises) means nothing once
its session is over, and is refused.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

from rpclab.codecs.msgpack import MsgpackCodec
from rpclab.codecs.reading import Reader
from rpclab.codecs.refusals import unsendable
from rpclab.core.limits import DEFAULT_LIMITS
from rpclab.core.targets import is_target
from rpclab.errors import DataCloneError, RpcError

if TYPE_CHECKING:
    from rpclab.core.references import Reference

_WHY = "a reference ends with its session: store the data that is needed to make it again"


class _Nothing:
    """Stands where a session would number references: there are none."""

    promised = unreadable = None

    def refer(self, value: Any) -> Reference | None:
        """Refuse what passes by reference; None says that the value is none of that."""
        if is_target(value) or hasattr(type(value), "__rpc_refer__"):
            raise unsendable(value, _WHY)
        return None

    def take(self, kind: int, number: int) -> NoReturn:
        raise RpcError(f"stored data holds a reference ({kind}, {number}), which cannot be")

    def cannot_read(self, why: Exception) -> NoReturn:
        raise why


_nothing = _Nothing()
_place: Any = SimpleNamespace(arrival=lambda: _nothing, limits=DEFAULT_LIMITS, tells_places=True)
_codec = MsgpackCodec(_place)
_reader = Reader(_place, messages=False)


def pack(value: Any) -> bytes:
    """Copy a value into bytes.

    Raises:
        DataCloneError: something in it is no plain data; the error says what, and where.
    """
    try:
        return _codec.encode_value(value, _nothing)
    except DataCloneError as error:
        # The codec knows results of calls; here it is a value that is stored.
        error.path = error.path.replace("result", "value", 1)
        error.args = (str(error).replace("stands at result", "stands at value", 1),)
        raise


def unpack(data: bytes) -> Any:
    """Make the value anew from what `pack` gave."""
    return _reader.decode(data)[0]
