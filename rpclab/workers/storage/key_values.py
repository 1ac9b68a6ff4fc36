"""Keys and values of a Durable Object: from what the application says to rows of bytes, and back.

Floor: workers. Rules D5, D6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import TYPE_CHECKING, Any

from rpclab.codecs.stored_values import pack, unpack
from rpclab.workers.storage.sqlite_rows import OwnRows

if TYPE_CHECKING:
    from rpclab.workers.storage.leased_namespace import LeasedNamespace, LeasedRows
    from rpclab.workers.storage.namespace_file import NamespaceFile
    from rpclab.workers.storage.sqlite_rows import SharedRows

_TAGS = 32  # bytes around a value that do not count, on the platform, where 128 KiB of bytes fit
_RECORD = 16  # bytes at most that SQLite puts before a key and a value

MISSING: Any = object()
"""Stands for the value where `put` got a dict."""


class Values:
    """The operations on keys and values, on the rows of one object.

    Args:
        slot: where the rows are; they may move.
    """

    __slots__ = ("_slot",)

    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    def get(self, key: Any) -> Any:
        rows = self._slot.rows
        if isinstance(key, str | int):
            data = rows.get(self._key(key))
            return None if data is None else unpack(data)
        found = {one: rows.get(one) for one in sorted(self._several(key))}
        return {_text(one): unpack(data) for one, data in found.items() if data is not None}

    def put(self, key: Any, value: Any) -> None:
        pairs = key if value is MISSING else {key: value}
        if not isinstance(pairs, Mapping):
            raise TypeError("put() takes a key and a value, or a dict of them")
        # All are copied before the first is written, so that one that cannot be leaves no half.
        self._check_count(pairs)
        packed = [self._pair(one, value) for one, value in pairs.items()]
        for one, data in packed:
            self._slot.rows.set(one, data)

    def delete(self, key: Any) -> Any:
        rows = self._slot.rows
        single = isinstance(key, str | int)
        keys = {self._key(key)} if single else self._several(key)
        there = [one for one in keys if rows.get(one) is not None]
        for one in there:
            rows.set(one, None)
        return bool(there) if single else len(there)

    def list(
        self,
        *,
        prefix: str = "",
        start: str | None = None,
        start_after: str | None = None,
        end: str | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> dict[str, Any]:
        if start is not None and start_after is not None:
            raise TypeError("list() cannot be called with both start and start_after values.")
        if limit is not None and (type(limit) is not int or limit < 1):
            raise TypeError("List limit must be positive.")
        first, last = _bytes(prefix), _end_of(_bytes(prefix))
        if start is not None:
            first = max(first, _bytes(start))
        if start_after is not None:
            first = max(first, _bytes(start_after) + b"\0")
        if end is not None:
            last = min(last, _bytes(end))
        found = self._slot.rows.scan(first, last, limit, reverse=reverse)
        return {_text(key): unpack(data) for key, data in found}

    def _several(self, keys: Any) -> set[bytes]:
        if isinstance(keys, bytes | Mapping) or not isinstance(keys, Iterable):
            kind = type(keys).__name__
            raise TypeError(f"a key is a text, or there is a list of them, not {kind}")
        taken = list(keys)
        self._check_count(taken)
        return {self._key(one) for one in taken}

    def _check_count(self, keys: Sized) -> None:
        most = self._slot.limits.keys_at_once
        if len(keys) > most:
            raise ValueError(f"storage takes at most {most} keys at once, and not {len(keys)}")

    def _key(self, key: Any) -> bytes:
        if type(key) is int:
            key = str(key)
        if not isinstance(key, str):
            raise TypeError(f"a key is a text, not {type(key).__name__}")
        data, limits = _bytes(key), self._slot.limits
        longest = limits.value_bytes if self._slot.uses_sql else limits.key_bytes
        if len(data) > longest:
            raise ValueError(
                f"a key has at most {longest} bytes in UTF-8, and this one {len(data)}"
            )
        return data

    def _pair(self, key: Any, value: Any) -> tuple[bytes, bytes]:
        name, data = self._key(key), pack(value)
        limits = self._slot.limits
        if not self._slot.uses_sql:
            size, longest, what = len(data) - _TAGS, limits.kv_value_bytes, "a value"
        else:
            size, longest = len(name) + len(data) + _RECORD, limits.value_bytes
            what = "a key and its value"
        if size <= longest:
            return name, data
        error = ValueError(
            f"{what} of storage has at most {longest} bytes, and that of {_text(name[:60])!r}"
            f" {size}"
        )
        error.add_note(
            "split it over several keys; an object that uses storage.sql may store"
            f" {limits.value_bytes} bytes in one (docs/limits.md)"
        )
        raise error


class Slot:
    """Where the rows of an object are: they move to a file of their own when SQL is used.

    Attributes:
        rows: the rows.
        limits: bounds of what is stored.
        ringing: whether the alarm runs, and was neither set nor deleted since it began.
    """

    __slots__ = ("_file", "limits", "ringing", "rows")

    def __init__(
        self, file: NamespaceFile | LeasedNamespace, rows: SharedRows | OwnRows | LeasedRows
    ) -> None:
        self._file: Any = file
        self.limits = file.limits
        self.ringing = False
        self.rows = rows

    def ring(self) -> None:
        """The alarm runs from now on."""
        self.ringing = True

    @property
    def uses_sql(self) -> bool:
        """Whether the rows are in a database of their own."""
        return isinstance(self.rows, OwnRows)

    def own(self) -> OwnRows:
        """The rows, in a database of their own."""
        if isinstance(self.rows, OwnRows):
            return self.rows
        moved: OwnRows = self._file.move_out(self.rows)
        self.rows = moved
        return moved


class SyncKeyValues:
    """`ctx.storage.kv`: the same operations without an await."""

    __slots__ = ("_values",)

    def __init__(self, values: Values) -> None:
        self._values = values

    def get(self, key: str, /) -> Any:
        """The value of a key, or None."""
        return self._values.get(key)

    def put(self, key: str, value: Any, /) -> None:
        """Put a value; see `storage.put`."""
        self._values.put(key, value)

    def delete(self, key: str, /) -> bool:
        """Delete a key. Says whether it was there."""
        return bool(self._values.delete(key))

    def list(self, **options: Any) -> dict[str, Any]:
        """The pairs in the order of their keys; see `storage.list`."""
        return self._values.list(**options)


def _bytes(text: str) -> bytes:
    return str(text).encode("utf-8", "surrogatepass")


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")


def _end_of(prefix: bytes) -> bytes:
    """What stands behind all texts that begin with a prefix. No byte of UTF-8 is the last one."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else b"\xff"
