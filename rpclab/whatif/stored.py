"""What a sandbox has stored, copied: databases, KV namespaces, Durable Objects.

Floor: whatif. All of it is SQLite, and a copy is the bytes of a database, opened in memory.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.workers.storage.namespace_file import NamespaceFile

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rpclab.sandbox import Sandbox

_MODES = slice(18, 20)  # of a database's head: how it is written and read; 2 is a log beside it
_PLAIN = b"\x01\x01"


class Stored(NamedTuple):
    """What was stored at some moment.

    Attributes:
        d1: the databases that Workers are bound to, by name of the Worker and variable.
        kv: the namespaces, by id.
        objects: the namespaces of Durable Objects, by Worker and class: what they share, and the
            files of single objects.
    """

    d1: dict[tuple[str, str], bytes]
    kv: dict[str, bytes]
    objects: dict[tuple[str, str], tuple[bytes, dict[bytes, bytes]]]


def copy_of(connection: sqlite3.Connection) -> bytes:
    """The bytes of a database, as one in memory can open them."""
    data = connection.serialize()
    return data[: _MODES.start] + _PLAIN + data[_MODES.stop :] if data else data


def open_copy(connection: sqlite3.Connection, data: bytes) -> None:
    """Have a database in memory hold what was copied."""
    if data:
        connection.deserialize(data)


def stored_in(sandbox: Sandbox, databases: Iterable[tuple[str, str, Any]]) -> Stored:
    """Copy what a sandbox has stored.

    Args:
        sandbox: whose it is.
        databases: those to copy: the Worker, its variable, the database.
    """
    return Stored(
        d1={
            (worker, variable): database._store.ask_now(_copy, database._store)
            for worker, variable, database in databases
            if database._store.is_begun()
        },
        kv={
            id_: namespace._offload.wait(_copy_of_entries, entries)
            for id_, (namespace, entries) in (sandbox._opened_kv or {}).items()
        },
        objects={key: _objects(each.file) for key, each in _classes(sandbox) if each.file.exists()},
    )  # fmt: skip


def _copy_of_entries(entries: Any) -> bytes:
    return copy_of(entries._open("copy"))


def _copy(store: Any) -> bytes:
    return copy_of(store.connection)


def _classes(sandbox: Sandbox) -> list[tuple[tuple[str, str], Any]]:
    """The classes of objects that are stored for this sandbox alone: others belong to all nodes."""
    registry = sandbox._registry
    kept = {} if registry is None else registry._classes
    return [(key, each) for key, each in kept.items() if isinstance(each.file, NamespaceFile)]


def _objects(file: NamespaceFile) -> tuple[bytes, dict[bytes, bytes]]:
    file.save()
    database, own = file.database, {}
    if database._base is not None:
        for key, alone in database.connection.execute("SELECT id, own FROM objects").fetchall():
            if alone:
                database.own(key)
    for key, statements in database._own.items():
        own[key] = copy_of(statements.connection)
    return copy_of(database.connection), own


def store_in(sandbox: Sandbox, stored: Stored, databases: dict[tuple[str, str], Any]) -> None:
    """Give a sandbox what was stored elsewhere, before anything of it is used.

    Args:
        sandbox: that has nothing stored yet.
        stored: what it gets.
        databases: its own, by name of the Worker and variable.
    """
    for key, data in stored.d1.items():
        store = databases[key]._store
        store.ask_now(_open, store, data)
    for id_, data in stored.kv.items():
        namespace: Any = sandbox.kv(id_)
        entries = namespace._entries
        namespace._offload.wait(lambda e=entries, d=data: open_copy(e._open("copy"), d))
    for key, (shared, own) in stored.objects.items():
        file: Any = sandbox._object_registry().running_class(*key).file
        open_copy(file.database.connection, shared)
        for each, data in own.items():
            open_copy(file.database.own(each).connection, data)


def _open(store: Any, data: bytes) -> None:
    open_copy(store.connection, data)


def fingerprint(sandbox: Sandbox, worker: str) -> str:
    """What stands in the databases, namespaces and objects of a Worker, as a short text.

    Two texts are equal where the same rows are there.
    """
    digest = hashlib.sha256()
    env: Any = sandbox.worker(worker).env
    for name in env:
        value = env[name]
        kind = type(value).__name__
        if kind == "D1Database" and value._store.is_begun():
            digest.update(value._store.ask_now(_dump, value._store))
        elif kind == "KVNamespace":
            entries = value._entries
            digest.update(value._offload.wait(lambda e=entries: dump(e._open("look"))))
    for (owner, _), each in _classes(sandbox):
        if owner == worker and each.file.exists():
            digest.update(dump(each.file.database.connection))
            for statements in each.file.database._own.values():
                digest.update(dump(statements.connection))
            for live in each.in_memory:
                digest.update(repr(live.id).encode())
    return digest.hexdigest()


def _dump(store: Any) -> bytes:
    return dump(store.connection)


def dump(connection: sqlite3.Connection) -> bytes:
    """All rows of a database, and what its tables are."""
    return hashlib.sha256("\n".join(connection.iterdump()).encode("utf-8", "replace")).digest()
