"""`ctx.storage`: what a Durable Object keeps.

Floor: workers. Rules D5 to D7, D17. Each operation is done when the call returns, awaited or not;
awaiting its result costs nothing and lets nobody else run, so read-then-write is atomic (rule D9).
What was written leaves with the next answer or call of the object, or is lost with it: see
`rpclab.workers.storage.namespace_file`.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar

from rpclab.errors import LocalProtocolError
from rpclab.workers.javascript_names import also_in_javascript
from rpclab.workers.storage.key_values import MISSING, Slot, SyncKeyValues, Values
from rpclab.workers.storage.sql import SqlStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rpclab.workers.objects.input_gate import InputGate

T = TypeVar("T")

LAST_ALARM = 2**63 // 10**6
"""The last time of an alarm, in milliseconds: the platform counts nanoseconds in 64 bits."""


class Done(Generic[T]):
    """The result of a storage operation, which is over: awaiting gives it without a wait."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, None, T]:
        yield from ()
        return self._value

    def __repr__(self) -> str:
        return "<result of a storage operation: await it>"


@also_in_javascript
class _Operations:
    """What storage and a transaction have in common."""

    __slots__ = ("_has_alarm_handler", "_slot", "_values")

    def __init__(self, slot: Slot, *, has_alarm_handler: bool) -> None:
        self._slot = slot
        self._values = Values(slot)
        self._has_alarm_handler = has_alarm_handler

    def _check(self) -> None:
        """Refuse where the operations can be used no more."""

    def get(self, key: str | Iterable[str], /) -> Done[Any]:
        """Read.

        Args:
            key: a key, or several.

        Returns:
            (To await.) A copy of the value, or None; of several keys a dict of those that are
            there, in key order (rule D5).
        """
        self._check()
        return Done(self._values.get(key))

    def put(self, key: str | Mapping[str, Any], value: Any = MISSING, /) -> Done[None]:
        """Write.

        Args:
            key: a key of at most 2048 bytes; or a dict of keys and values, written together.
            value: what can be sent by copy; a copy of it is stored (rule D6).

        Raises:
            DataCloneError: the value cannot be stored; nothing was written.
            ValueError: a key is too long.
            TypeError: a key is no text.
        """
        self._check()
        self._values.put(key, value)
        return Done(None)

    def delete(self, key: str | Iterable[str], /) -> Done[Any]:
        """Delete a key, or several.

        Args:
            key: a text, or several.

        Returns:
            (To await.) Whether it was there; of several keys, how many were.
        """
        self._check()
        return Done(self._values.delete(key))

    def list(self, **options: Any) -> Done[dict[str, Any]]:
        """Read pairs.

        Args:
            options: `prefix`, the keys begin with it; `start`, the first key; `start_after`, the
                key before the first; `end`, the key after the last; `limit`, how many at most;
                `reverse`, from the last on.

        Returns:
            (To await.) A dict in the order of the keys' UTF-8.
        """
        self._check()
        return Done(self._values.list(**options))

    def get_alarm(self) -> Done[int | None]:
        """When the alarm is due, in milliseconds since 1970; None if none is set.

        While the alarm runs it is None, unless it has been set again.
        """
        self._check()
        return Done(None if self._slot.ringing else self._slot.rows.alarm())

    def set_alarm(self, at: dt.datetime | float, /) -> Done[None]:
        """Have the method `alarm` called at that time; it replaces an alarm that was set.

        Args:
            at: a datetime, or milliseconds since 1970, above 0 and up to the year 2262. What is
                past is due now.

        Raises:
            LocalProtocolError: the class has no method `alarm`.
            TypeError: it is no such time.
        """
        self._check()
        if not self._has_alarm_handler:
            raise LocalProtocolError(
                "Your Durable Object class must have an alarm() handler in order to call"
                " set_alarm()"
            )
        self._slot.rows.set_alarm(_due(at))
        self._slot.ringing = False
        return Done(None)

    def delete_alarm(self) -> Done[None]:
        """Take the alarm back, if one is set."""
        self._check()
        self._slot.rows.set_alarm(None)
        self._slot.ringing = False
        return Done(None)


@also_in_javascript
class DurableObjectTransaction(_Operations):
    """What the callback of `storage.transaction` gets: the storage, and a way to give up."""

    __slots__ = ("_rolled_back",)

    def __init__(self, slot: Slot, *, has_alarm_handler: bool) -> None:
        super().__init__(slot, has_alarm_handler=has_alarm_handler)
        self._rolled_back = False

    def rollback(self) -> None:
        """Take back what the transaction has written; it can do nothing more."""
        self._rolled_back = True

    def _check(self) -> None:
        if self._rolled_back:
            raise LocalProtocolError("the transaction was rolled back; begin a new one")

    def delete_all(self) -> NoReturn:
        """Refuse.

        Raises:
            LocalProtocolError: always.
        """
        raise LocalProtocolError("Cannot call delete_all() within a transaction")


@also_in_javascript
class DurableObjectStorage(_Operations):
    """The storage of one Durable Object (rules D5 to D7).

    Attributes:
        sql: tables, with SQL.
        kv: keys and values without an await.
    """

    __slots__ = ("_gate", "kv", "sql")

    def __init__(self, slot: Slot, gate: InputGate, *, has_alarm_handler: bool) -> None:
        super().__init__(slot, has_alarm_handler=has_alarm_handler)
        self._gate = gate
        self.sql = SqlStorage(slot.own)
        self.kv = SyncKeyValues(self._values)

    def delete_all(self) -> Done[None]:
        """Delete everything, tables and the alarm too.

        Raises:
            LocalProtocolError: a transaction is open.
        """
        if self._slot.rows.depth:
            raise LocalProtocolError("Cannot call delete_all() within a transaction")
        self._slot.rows.clear()
        self._slot.ringing = False
        return Done(None)

    async def transaction(self, callback: Callable[[DurableObjectTransaction], Any], /) -> Any:
        """Run a callback; what it writes is kept as a whole, or not at all (rule D7).

        No other code of the object runs meanwhile. All storage operations of the callback belong
        to the transaction, `storage.sql` too, whether made on its argument or on the storage.

        Args:
            callback: called with a `DurableObjectTransaction`; what it returns is awaited.

        Returns:
            What the callback returns; also if it called `rollback()`.

        Raises:
            Exception: what the callback raises; nothing it wrote is kept.
        """

        async def run() -> Any:
            transaction = DurableObjectTransaction(
                self._slot, has_alarm_handler=self._has_alarm_handler
            )
            with _Transaction(self._slot) as attempt:
                value = callback(transaction)
                if hasattr(type(value), "__await__"):
                    value = await value
                attempt.kept = not transaction._rolled_back
                transaction.rollback()  # it is over
            return value

        return await self._gate.run_alone(run)

    def transaction_sync(self, callback: Callable[[], T], /) -> T:
        """Run a function that does not await; what it writes is kept as a whole, or not at all.

        Args:
            callback: takes nothing; it must not await.

        Raises:
            TypeError: it is a coroutine function; nothing it wrote is kept.
            Exception: what it raises; likewise.
        """
        with _Transaction(self._slot) as attempt:
            value = callback()
            if hasattr(type(value), "__await__"):
                if hasattr(value, "close"):
                    value.close()
                raise TypeError("transaction_sync() takes a plain function; use transaction()")
            attempt.kept = True
        return value

    def sync(self) -> Done[None]:
        """Make everything written so far last; an answer of the object does so by itself."""
        self._slot.rows.save()
        return Done(None)

    def __repr__(self) -> str:
        return "<DurableObjectStorage>"


class _Transaction:
    """A transaction, as a block; it is taken back unless `kept` is set."""

    __slots__ = ("_ringing", "_slot", "kept")

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._ringing = slot.ringing
        self.kept = False

    def __enter__(self) -> Self:
        self._slot.rows.begin()
        self._ringing = self._slot.ringing
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        keep = self.kept and kind is None
        if not keep:
            self._slot.ringing = self._ringing
        self._slot.rows.end(keep=keep)


def _due(at: object) -> int:
    """Give a time in milliseconds since 1970, as an alarm has it.

    Raises:
        TypeError: it is none, or one that the platform refuses.
    """
    if isinstance(at, dt.datetime):
        try:
            milliseconds = at.timestamp() * 1000
        except (OSError, OverflowError, ValueError) as error:
            raise TypeError(f"set_alarm() cannot take {at}: {error}") from None
    elif isinstance(at, int | float) and not isinstance(at, bool):
        milliseconds = at
    else:
        raise TypeError(
            "set_alarm() takes a datetime, or milliseconds since 1970, such as"
            f" (time.time() + 60) * 1000, not {type(at).__name__}"
        )
    if not milliseconds <= LAST_ALARM:  # also nan
        raise TypeError(
            f"set_alarm() takes milliseconds since 1970 up to {LAST_ALARM}, in the year 2262"
        )
    if milliseconds < 1:
        raise TypeError("set_alarm() cannot be called with an alarm time <= 0")
    return max(int(milliseconds), int(time.time() * 1000))
