"""KV: keys and values that Workers are bound to, as `env.CACHE`.

Floor: workers. Cloudflare's API in Python, on SQLite. Several Workers may be bound to one
namespace. Its operations run in a thread, in the order awaited, so the loop never waits for the
disk; and between two of them others may come, so reading and then writing is not atomic.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias, overload

from rpclab.core.containers import arrives_as_dict
from rpclab.rpc.streams import ReadableStream
from rpclab.workers.attribute_dicts import AttributeDict
from rpclab.workers.declarations import Resource
from rpclab.workers.http.text import encoded, from_json
from rpclab.workers.javascript_names import also_in_javascript
from rpclab.workers.kv import checks
from rpclab.workers.kv.checks import failed
from rpclab.workers.kv.entries import Entries, Entry
from rpclab.workers.kv.limits import DEFAULT_LIMITS, KVLimits

if TYPE_CHECKING:
    from rpclab.rpc.offload import Offload

_PIECE = 2**16  # bytes that a stream gives at a time

Keys: TypeAlias = list[str] | tuple[str, ...] | set[str] | frozenset[str]
Text: TypeAlias = Literal["text"]
Json: TypeAlias = Literal["json"]
Buffer: TypeAlias = Literal["arrayBuffer"]
Bytes: TypeAlias = Literal["bytes"]
Stream: TypeAlias = Literal["stream"]


@arrives_as_dict
class KVValue(AttributeDict):
    """What `get_with_metadata` gives, by attribute or item.

    Attributes:
        value: as `get` gives it; None if the key is not there.
        metadata: what `put` was given; None if nothing.
        cacheStatus: always None, for nothing is cached here.
    """

    __slots__ = ()
    value: Any
    metadata: Any
    cacheStatus: None  # noqa: N815 - the platform's name, in Python, too


@arrives_as_dict
class KVList(AttributeDict):
    """What `list` gives, by item; but for `keys` also by attribute.

    Attributes:
        list_complete: whether no keys follow.
        cursor: what gives those that follow; it is there if some do.
        cacheStatus: always None.

    `result["keys"]` has a dict for each key: its `name`, and its `expiration` and `metadata` if
    it has any.
    """

    __slots__ = ()
    list_complete: bool
    cursor: str
    cacheStatus: None  # noqa: N815


@also_in_javascript
class KVNamespace(Resource):
    """A namespace, as `env.CACHE` of the Workers that are bound to it.

    Options are given by name, or as a dict in their place, in Python's spelling or JavaScript's.
    Keys and values that are numbers are taken for the texts that JavaScript makes of them.

    Args:
        entries: where its entries are.
        offload: the thread that they are used in.
        clock: the seconds since 1970 by the clock of the sandbox, on which keys expire.
        calendar: the seconds since 1970 as Workers see them, by which an `expiration` is meant.
        limits: the bounds that hold.
    """

    __slots__ = ("__weakref__", "_calendar", "_clock", "_entries", "_limits", "_offload")

    def __init__(
        self,
        entries: Entries,
        offload: Offload,
        *,
        clock: Callable[[], float] = time.time,
        calendar: Callable[[], float] = time.time,
        limits: KVLimits = DEFAULT_LIMITS,
    ) -> None:
        self._entries = entries
        self._offload = offload
        self._clock = clock
        self._calendar = calendar
        self._limits = limits

    # Reading.

    @overload
    async def get(
        self, key: str, type: Text | None = None, *, cache_ttl: int | None = None
    ) -> str | None: ...
    @overload
    async def get(self, key: str, type: Json, *, cache_ttl: int | None = None) -> Any: ...
    @overload
    async def get(
        self, key: str, type: Buffer, *, cache_ttl: int | None = None
    ) -> memoryview | None: ...
    @overload
    async def get(self, key: str, type: Bytes, *, cache_ttl: int | None = None) -> bytes | None: ...
    @overload
    async def get(
        self, key: str, type: Stream, *, cache_ttl: int | None = None
    ) -> ReadableStream | None: ...
    @overload
    async def get(
        self, key: Keys, type: Text | None = None, *, cache_ttl: int | None = None
    ) -> dict[str, str | None]: ...
    @overload
    async def get(
        self, key: Keys, type: Json, *, cache_ttl: int | None = None
    ) -> dict[str, Any]: ...
    @overload
    async def get(
        self,
        key: Any,
        type: str | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> Any: ...
    async def get(self, key: Any, type: Any = None, options: Any = None, **named: Any) -> Any:
        """Read a value, or several.

        Args:
            key: a key, or up to 100 of them.
            type: "text", "json", "arrayBuffer", "bytes" or "stream"; of several keys the first two.
            options: `type`, `cacheTtl`, as a dict.
            named: `cache_ttl`, in seconds; here nothing is cached, and each read sees every write.

        Returns:
            A text, what the JSON says, a memoryview, bytes or a ReadableStream; None if the key is
            not there. Of several keys a dict of these.

        Raises:
            TypeError: it can be no key; or there is no such type or option.
            KVError: the key is too long, the values too large, or an option too small.
            ValueError: the value is no JSON; the error says where it goes wrong.
        """
        if _is_several(key):
            found = await self._get_several("get", key, type, options, named)
            return {name: None if one is None else one[0] for name, one in found.items()}
        value, _ = await self._get("get", key, type, options, named)
        return value

    @overload
    async def get_with_metadata(
        self,
        key: str,
        type: str | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> KVValue: ...
    @overload
    async def get_with_metadata(
        self,
        key: Keys,
        type: str | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> dict[str, AttributeDict | None]: ...
    async def get_with_metadata(
        self, key: Any, type: Any = None, options: Any = None, **named: Any
    ) -> Any:
        """Read a value, or several, with the metadata.

        The parameters are those of `get`.

        Args:
            key: as of `get`.
            type: likewise.
            options: likewise.
            named: likewise.

        Returns:
            A KVValue; its `value` is None if the key is not there. Of several keys a dict of
            those, with None for a key that is not there.

        Raises:
            TypeError: as `get`.
            KVError: as `get`.
            ValueError: as `get`.
        """
        if _is_several(key):
            found = await self._get_several("get_with_metadata", key, type, options, named)
            return {
                name: None if one is None else AttributeDict(value=one[0], metadata=one[1])
                for name, one in found.items()
            }
        value, metadata = await self._get("get_with_metadata", key, type, options, named)
        return KVValue(value=value, metadata=metadata, cacheStatus=None)

    async def _get(
        self, method: str, key: Any, type: Any, options: Any, named: Mapping[str, Any]
    ) -> tuple[Any, Any]:
        given = _read_options(method, type, options, named)
        data = checks.key_bytes(key, "GET", self._limits)
        checks.check_cache_ttl(given, "GET", self._limits)
        wanted = checks.type_name(given.get("type", "text"))
        [entry] = await self._read("GET", [data])
        if entry is None:
            return None, None
        return _value(entry, wanted), _metadata(entry)

    async def _get_several(
        self, method: str, keys: Iterable[Any], type: Any, options: Any, named: Mapping[str, Any]
    ) -> dict[str, tuple[Any, Any] | None]:
        given = _read_options(method, type, options, named)
        most = self._limits.keys_read
        names = list(islice(keys, most + 1))
        if len(names) > most:
            raise failed("GET_BULK", 400, f"You can request a maximum of {most} keys")
        if not names:
            raise failed("GET_BULK", 400, "You must request a minimum of 1 key")
        wanted = given.get("type", "text")
        if wanted not in ("text", "json"):
            why = f'"{wanted}" is not a valid type. Use "json" or "text"'
            raise failed("GET_BULK", 400, why, "read the keys one by one, with gather(…)")
        checks.check_cache_ttl(given, "GET_BULK", self._limits)
        data = list(dict.fromkeys(checks.bulk_key_bytes(name, self._limits) for name in names))
        found = await self._read("GET_BULK", data)
        return {
            key.decode(): _several(entry, wanted) for key, entry in zip(data, found, strict=True)
        }

    async def _read(self, method: str, keys: list[bytes]) -> list[Entry | None]:
        most = self._limits.value_bytes
        entries: list[Entry | None] = await self._ask(
            method, self._entries.read, method, keys, self._clock(), most
        )
        return entries

    async def list(self, options: Mapping[str, Any] | None = None, **named: Any) -> KVList:
        """Name the keys, in the order of their UTF-8.

        Args:
            options: a dict of them, in place of names.
            named: `prefix`, with which the keys begin; `limit`, how many at most, up to 1000;
                `cursor`, what an earlier `list` gave, to go on behind it.

        Returns:
            `result["keys"]`, `result["list_complete"]` and, if that is False, `result["cursor"]`.

        Raises:
            TypeError: there is no such option, or it is of another type.
            KVError: an option is too large, or the cursor none of this namespace.
        """
        given = checks.options("list", ("prefix", "limit", "cursor"), options, named)
        limit = checks.list_limit(given, self._limits)
        prefix = checks.within(_text_option(given, "prefix"), "GET", self._limits)
        after = _position(_text_option(given, "cursor"))
        found = await self._ask("GET", self._entries.list, prefix, after, limit + 1, self._clock())
        keys = [_listed(entry) for entry in found[:limit]]
        if len(found) <= limit:
            return KVList(keys=keys, list_complete=True, cacheStatus=None)
        cursor = base64.urlsafe_b64encode(found[limit - 1].key).decode()
        return KVList(keys=keys, list_complete=False, cursor=cursor, cacheStatus=None)

    # Writing.

    async def put(
        self, key: Any, value: Any, options: Mapping[str, Any] | None = None, **named: Any
    ) -> None:
        """Write a value; an earlier one of that key is replaced.

        Args:
            key: a text of at most 512 bytes.
            value: a text, bytes, or a ReadableStream of bytes; at most 25 MiB.
            options: a dict of them, in place of names.
            named: `expiration_ttl`, in how many seconds it expires, at least 60; or `expiration`,
                when it does, in seconds since 1970; `metadata`, a JSON value of at most 1024 bytes.

        Raises:
            TypeError: the key, the value or the metadata can be none; there is no such option.
            KVError: something is too large, or it would expire too early.
        """
        known = ("expiration", "expiration_ttl", "metadata")
        given = checks.options("put", known, options, named)
        name = checks.key_bytes(key, "PUT", self._limits)
        metadata = checks.metadata_text(given.get("metadata"), self._limits)
        expiry = checks.expiry(given, self._calendar(), self._limits)
        now = self._clock()
        data = await self._body(value)
        entry = Entry(name, data, metadata, None, None)
        if expiry is not None:
            entry = entry._replace(expiration=expiry.expiration, due=now + expiry.seconds)
        await self._ask("PUT", self._entries.write, entry, now)

    async def delete(self, key: Any, /) -> None:
        """Delete a key; one that is not there is fine.

        Args:
            key: a text of at most 512 bytes.

        Raises:
            TypeError: it can be no key.
            KVError: it is too long.
        """
        data = checks.key_bytes(key, "DELETE", self._limits)
        await self._ask("DELETE", self._entries.delete, data)

    async def _body(self, value: Any) -> bytes:
        """Give a value as it is stored."""
        most = self._limits.value_bytes
        if isinstance(value, ReadableStream):
            return await _drained(value, self._limits)
        if value is None or isinstance(value, (str, int, float)):
            data = encoded(checks.as_javascript_text(value))
        else:
            try:
                data = memoryview(value).tobytes()
            except TypeError:
                raise _no_value(value) from None
        if len(data) > most:
            raise checks.too_large(len(data), self._limits)
        return data

    async def _ask(self, method: str, function: Callable[..., Any], *args: Any) -> Any:
        checks.check_requests(self._limits)
        try:
            return await self._offload.run(function, *args)
        except RuntimeError as error:
            # The thread has ended, with the sandbox.
            raise failed(method, 500, f"the namespace {self._entries.name} is closed") from error

    def __reduce__(self) -> NoReturn:
        raise TypeError("A KV namespace binding cannot be serialized.")

    def __repr__(self) -> str:
        return f"<KVNamespace {self._entries.name}>"


def _is_several(key: Any) -> bool:
    return isinstance(key, Iterable) and not isinstance(key, (str, bytes, bytearray, Mapping))


def _read_options(method: str, type: Any, options: Any, named: Mapping[str, Any]) -> dict[str, Any]:
    known = ("type", "cache_ttl")
    if isinstance(type, Mapping):
        if options is not None:
            raise TypeError(f"{method}() takes a dict of options once")
        return checks.options(method, known, type, named)
    return checks.options(
        method, known, options, named if type is None else {"type": type, **named}
    )


def _text_option(given: Mapping[str, Any], name: str) -> bytes:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise TypeError(f"{name} is a text, not {value!r:.80}")
    return encoded(value)


def _position(cursor: bytes) -> bytes:
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True)
    except ValueError:
        why = "Invalid cursor"
        advice = "give list() the cursor that an earlier one gave, with the same prefix"
        raise failed("GET", 400, why, advice) from None


def _listed(entry: Entry) -> AttributeDict:
    key = AttributeDict(name=entry.key.decode())
    if entry.expiration is not None:
        key["expiration"] = entry.expiration
    if entry.metadata is not None:
        key["metadata"] = json.loads(entry.metadata, object_hook=AttributeDict)
    return key


def _metadata(entry: Entry) -> Any:
    return None if entry.metadata is None else json.loads(entry.metadata, object_hook=AttributeDict)


def _several(entry: Entry | None, wanted: str) -> tuple[Any, Any] | None:
    if entry is None:
        return None
    try:
        return _value(entry, wanted), _metadata(entry)
    except ValueError as error:
        why = f"At least one of the requested keys corresponds to a non-{wanted} value"
        raise failed("GET_BULK", 400, why, f"the key is {entry.key.decode()[:80]!r}") from error


def _value(entry: Entry, wanted: str) -> Any:
    data = entry.value or b""
    if wanted == "bytes":
        return data
    if wanted == "arrayBuffer":
        return memoryview(data)
    if wanted == "stream":
        return ReadableStream(_pieces(data))
    text = data.decode("utf-8", "replace")
    return text if wanted == "text" else _from_json(text, entry.key)


def _from_json(text: str, key: bytes) -> Any:
    what = f"the value of the key {key.decode()[:80]!r}"
    return from_json(text, what, object_hook=AttributeDict, parse_constant=_no_constant)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON has no {name}")


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]


async def _drained(stream: ReadableStream, limits: KVLimits) -> bytes:
    """Read a stream to its end, or a little further than a value may go."""
    parts: list[bytes] = []
    size = 0
    async for chunk in stream:
        part = encoded(chunk) if isinstance(chunk, str) else memoryview(chunk).tobytes()
        size += len(part)
        if size > limits.value_bytes:
            error = checks.too_large(size, limits)
            await stream.cancel(error)
            raise error
        parts.append(part)
    return b"".join(parts)


def _no_value(value: Any) -> TypeError:
    error = TypeError(checks.BODY_TYPES)
    if isinstance(value, (dict, list, tuple)):
        error.add_note("put json.dumps(value), and read it with get(key, 'json')")
    else:
        error.add_note(f"this is of type {type(value).__name__}")
    return error
