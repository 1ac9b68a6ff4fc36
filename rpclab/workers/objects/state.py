"""`ctx` of a Durable Object, ids, and what an alarm is told.

Floor: workers.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from rpclab.workers.context import Exports, keep_until
from rpclab.workers.javascript_names import also_in_javascript
from rpclab.workers.storage.storage import DurableObjectStorage

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from rpclab.core.contexts import ExecutionContext

_HEX = re.compile(r"[0-9a-fA-F]{64}")
_HALF = 16  # bytes of an id that are drawn; the others prove of which namespace it is


class DurableObjectId:
    """The id of a Durable Object: 64 hex digits as text (rule D2).

    Attributes:
        name: the name it was made from; None for a unique id, and for one made from text.
    """

    __slots__ = ("_key", "_namespace", "name")

    def __init__(self, key: bytes, namespace: str, name: str | None = None) -> None:
        self._key = key
        self._namespace = namespace
        self.name = name

    def equals(self, other: object) -> bool:
        """Whether both are the id of one object."""
        return self == other

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DurableObjectId) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        return self._key.hex()

    def __repr__(self) -> str:
        name = "" if self.name is None else f" {self.name!r}"
        return f"<DurableObjectId{name} {self._key.hex()[:8]}… of {self._namespace}>"


class Ids:
    """Makes the ids of one namespace (rules D2, D3).

    Args:
        namespace: names it, such as "worker#Class"; the same name makes the same ids.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._secret = hashlib.sha256(namespace.encode("utf-8", "surrogatepass")).digest()

    def from_name(self, name: str) -> DurableObjectId:
        """The id of a name, always the same."""
        if not isinstance(name, str):
            raise TypeError(f"the name of a Durable Object is a text, not {type(name).__name__}")
        return self._make(self._sign(name.encode("utf-8", "surrogatepass")), name)

    def unique(self) -> DurableObjectId:
        """An id that no other object has."""
        return self._make(secrets.token_bytes(_HALF), None)

    def from_string(self, text: str) -> DurableObjectId:
        """The id that was printed as `text`.

        Raises:
            TypeError: it is none, or one of another namespace.
        """
        if type(text) is not str or _HEX.fullmatch(text) is None:
            raise TypeError("Invalid Durable Object ID: must be 64 hex digits")
        key = bytes.fromhex(text)
        if not hmac.compare_digest(key[_HALF:], self._sign(key[:_HALF])):
            raise TypeError("Durable Object ID is not valid for this namespace.")
        return DurableObjectId(key, self.namespace)

    def from_key(self, key: bytes, name: str | None) -> DurableObjectId:
        """The id of an object that is known here."""
        return DurableObjectId(key, self.namespace, name)

    def _sign(self, data: bytes) -> bytes:
        return hmac.digest(self._secret, data, "sha256")[:_HALF]

    def _make(self, half: bytes, name: str | None) -> DurableObjectId:
        return DurableObjectId(half + self._sign(half), self.namespace, name)


class InMemory(Protocol):
    """An object while it is in memory, as far as its state asks it: see `LiveObject`."""

    id: DurableObjectId

    @property
    def context(self) -> ExecutionContext:
        """Its execution context."""

    def block(self, callback: Callable[[], Any]) -> asyncio.Task[Any]:
        """Run a callback while nothing else goes on."""

    def abort(self, reason: str) -> NoReturn:
        """Reset the object."""


@also_in_javascript
class DurableObjectState:
    """`ctx` of a Durable Object; one for each instance.

    Attributes:
        id: its id; with its name, once it was addressed by that.
        storage: what it keeps.
        props: an empty dict, as long as nobody can give an object any.
        exports: the Worker's own entrypoints and Durable Objects.
    """

    __slots__ = ("_live", "exports", "id", "props", "storage")

    def __init__(self, live: InMemory, storage: DurableObjectStorage, exports: Exports) -> None:
        self._live = live
        self.id = live.id
        self.storage = storage
        self.props: dict[str, Any] = {}
        self.exports = exports

    def wait_until(self, work: Any, /) -> None:
        """Accepted, as there: an object lives on by itself, and so does what it has begun.

        Args:
            work: an awaitable. Its failure is reported, and reaches nobody.
        """
        keep_until(self._live.context, work)

    def block_concurrency_while(self, callback: Callable[[], Any], /) -> Any:
        """Run a callback; until it is over, no call is delivered, and no other code goes on.

        It begins at once, awaited or not; in the constructor it holds back the first call.

        Args:
            callback: called without arguments; what it returns is awaited.

        Returns:
            (To await.) What the callback returns.

        Raises:
            Exception: (Awaited.) What the callback raises; the object is reset (rule D10). So it
                is when the callback takes more than 30 seconds.
        """
        return self._live.block(callback)

    def abort(self, reason: object = None) -> NoReturn:
        """Reset the object: its memory is lost, its calls reject, its storage stays (rule D15).

        Args:
            reason: the message of the error; of an exception its text is taken.

        Raises:
            RpcError: always, to leave the method that called it.
        """
        if isinstance(reason, BaseException):
            reason = f"{type(reason).__name__}: {reason}"
        text = "Application called abort() to reset Durable Object." if reason is None else reason
        self._live.abort(str(text))

    def __repr__(self) -> str:
        return f"<ctx of {self._live}>"


class AlarmInfo:
    """What a method `alarm` is told (rule D17).

    Attributes:
        is_retry: whether the alarm has failed before.
        retry_count: how often.
    """

    __slots__ = ("retry_count",)

    def __init__(self, retry_count: int) -> None:
        self.retry_count = retry_count

    @property
    def is_retry(self) -> bool:
        """Whether the alarm has failed before."""
        return self.retry_count > 0

    isRetry = is_retry  # noqa: N815 - the JavaScript spelling

    @property
    def retryCount(self) -> int:  # noqa: N802 - as above
        """How often it has failed before."""
        return self.retry_count

    def __getitem__(self, name: str) -> Any:
        if name in ("is_retry", "isRetry", "retry_count", "retryCount"):
            return getattr(self, name)
        raise KeyError(name)

    def __repr__(self) -> str:
        return f"AlarmInfo(is_retry={self.is_retry}, retry_count={self.retry_count})"
