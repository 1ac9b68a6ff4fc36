"""KV namespaces and databases in memory of Workers elsewhere: the program that has them is asked.

Floor: sandbox. There stand `HeldEntries` and `HeldStore`, which a Worker is bound to as to any
object; in its own process `FarEntries` and `FarStore` stand for them, beneath the same classes that
Workers know. So options, results and counts are the Worker's side, and what is stored, with its
bounds, is the program's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import TYPE_CHECKING, Any

from rpclab.core.targets import RpcTarget
from rpclab.previews import preview
from rpclab.workers.d1.connection import MEMORY, Ran
from rpclab.workers.d1.database import D1Database
from rpclab.workers.kv.entries import Entry
from rpclab.workers.kv.limits import KVLimits
from rpclab.workers.kv.namespace import KVNamespace
from rpclab.workers.storage.limits import D1Limits

if TYPE_CHECKING:
    from rpclab.placement.engine import Record

KV, D1 = "kv", "d1"


def told_of(resource: KVNamespace | D1Database) -> Record:
    """What a host is told of such a thing, to make its own side of it."""
    if isinstance(resource, KVNamespace):
        return {"of": KV, "name": resource._entries.name, "limits": vars(resource._limits)}
    return {"of": D1, "name": resource._store.name, "limits": vars(resource._limits)}


def held(resource: KVNamespace | D1Database) -> RpcTarget:
    """What a Worker elsewhere is bound to that has such a thing."""
    return HeldEntries(resource) if isinstance(resource, KVNamespace) else HeldStore(resource)


def made_of(told: Record, there: Callable[[], Any]) -> KVNamespace | D1Database:
    """Make the side of the Worker.

    Args:
        told: what `told_of` has said.
        there: gives the stub of what `held` has made.
    """
    if told["of"] == KV:
        entries: Any = FarEntries(told["name"], there)
        return KVNamespace(entries, entries, limits=KVLimits(**told["limits"]))
    database = D1Database(MEMORY, told["name"], D1Limits(**told["limits"]))
    store: Any = FarStore(told["name"], database._limits, there)
    database._store = store
    return database


class HeldEntries(RpcTarget):
    """The entries of a namespace, for a Worker elsewhere, which is not trusted.

    Args:
        namespace: whose entries they are.
    """

    def __init__(self, namespace: KVNamespace) -> None:
        self._namespace = namespace

    async def read(self, method: str, keys: list[bytes], most: int) -> list[Any]:
        """See `Entries.read`."""
        limits, now = self._namespace._limits, self._namespace._clock()
        _check(method, str, 20)
        _check(keys, list, limits.keys_read)
        for key in keys:
            _check(key, bytes, limits.key_bytes)
        most = min(_check(most, int), limits.value_bytes)
        found = await self._run("read", method, keys, now, most)
        return [None if entry is None else [*entry] for entry in found]

    async def write(self, entry: list[Any], seconds: float | None) -> None:
        """See `Entries.write`; with how long it lives, for the clock is the program's."""
        limits, now = self._namespace._limits, self._namespace._clock()
        _check(entry, list, 4)
        key, value, metadata, expiration = entry
        _check(key, bytes, limits.key_bytes)
        _check(value, bytes, limits.value_bytes)
        if metadata is not None:
            _check(metadata, str, limits.metadata_bytes)
        due = None
        if seconds is not None:
            if not 0 < _check(seconds, float) < inf:
                raise ValueError(f"nothing lives for {seconds} s")
            due = now + seconds
            _check(expiration, int)
        await self._run("write", Entry(key, value, metadata, expiration, due), now)

    async def delete(self, key: bytes) -> None:
        """See `Entries.delete`."""
        _check(key, bytes, self._namespace._limits.key_bytes)
        await self._run("delete", key)

    async def list(self, prefix: bytes, after: bytes, limit: int) -> list[Any]:
        """See `Entries.list`."""
        limits, now = self._namespace._limits, self._namespace._clock()
        _check(prefix, bytes, limits.key_bytes)
        _check(after, bytes, limits.key_bytes)
        limit = min(_check(limit, int), limits.keys_listed + 1)
        return [[*entry] for entry in await self._run("list", prefix, after, limit, now)]

    async def _run(self, name: str, *args: Any) -> Any:
        namespace = self._namespace
        return await namespace._offload.run(getattr(namespace._entries, name), *args)


class FarEntries:
    """Stands for the entries of a namespace in another program, and for the thread there.

    Args:
        name: for texts.
        there: gives the stub.
    """

    def __init__(self, name: str, there: Callable[[], Any]) -> None:
        self.name = name
        self._there = there

    async def run(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Do what is asked for; it is done elsewhere, so no thread is needed."""
        return await function(*args)

    async def read(
        self, method: str, keys: list[bytes], _now: float, most: int
    ) -> list[Entry | None]:
        found = await self._there().read(method, keys, most)
        return [None if entry is None else Entry(*entry) for entry in found]

    async def write(self, entry: Entry, now: float) -> None:
        seconds = None if entry.due is None else entry.due - now
        await self._there().write([*entry[:-1]], seconds)

    async def delete(self, key: bytes) -> None:
        await self._there().delete(key)

    async def list(self, prefix: bytes, after: bytes, limit: int, _now: float) -> list[Entry]:
        return [Entry(*entry) for entry in await self._there().list(prefix, after, limit)]


class HeldStore(RpcTarget):
    """A database, for a Worker elsewhere, which is not trusted.

    What a statement may do is judged where it runs.

    Args:
        database: which one.
    """

    def __init__(self, database: D1Database) -> None:
        self._store = database._store

    async def run(self, sql: str, values: list[Any]) -> list[Any]:
        """See `Store.run`."""
        self._check(sql, values)
        return _plain(await self._store.ask(self._store.run, sql, values))

    async def batch(self, prepared: list[Any]) -> list[Any]:
        """See `Store.batch`."""
        for sql, values in prepared:
            self._check(sql, values)
        return [*map(_plain, await self._store.ask(self._store.batch, prepared))]

    async def script(self, sql: str, prefix: str) -> list[Any]:
        """See `Store.script`."""
        _check(sql, str)
        _check(prefix, str, 100)
        return [*map(_plain, await self._store.ask(self._store.script, sql, prefix))]

    def _check(self, sql: Any, values: Any) -> None:
        _check(sql, str, self._store.limits.statement_bytes)
        _check(values, list, self._store.limits.parameters)


class FarStore:
    """Stands for a database in another program.

    Args:
        name: for texts.
        limits: its bounds.
        there: gives the stub.
    """

    path = MEMORY

    def __init__(self, name: str, limits: D1Limits, there: Callable[[], Any]) -> None:
        self.name = name
        self.limits = limits
        self._there = there

    async def ask(self, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """Do one of these; a call that is given up is given up there."""
        return await function(*args)

    async def run(self, sql: str, values: Any = ()) -> Ran:
        return Ran(*await self._there().run(sql, [*values]))

    async def batch(self, prepared: list[Any]) -> list[Ran]:
        asked = [[sql, [*values]] for sql, values in prepared]
        return [Ran(*ran) for ran in await self._there().batch(asked)]

    async def script(self, sql: str, prefix: str) -> list[Ran]:
        return [Ran(*ran) for ran in await self._there().script(sql, prefix)]


def _plain(ran: Ran) -> list[Any]:
    return [ran.columns, [[*row] for row in ran.rows], ran.meta]


def _check(value: Any, kind: type, most: int | None = None) -> Any:
    """Give a value of a peer, if it is of that kind, and has no more of what it is made of.

    Raises:
        TypeError: it is not.
    """
    fits = type(value) is kind or (kind is float and type(value) is int)
    if not fits:
        raise TypeError(f"{kind.__name__} is wanted, not {preview(value)}")
    if most is not None and len(value) > most:
        raise TypeError(f"{len(value):,} are more than {most:,}: {preview(value)}")
    return value
