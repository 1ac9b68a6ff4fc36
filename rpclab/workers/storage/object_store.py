"""Who may write what a Durable Object stores, where several nodes share one store.

Floor: workers. A node that wants an object asks the store for a *lease* of it, for some seconds,
and gets an *epoch*: a number that each grant makes one higher, and that is never used again. Each
write names its epoch, and the store refuses an older one in the same transaction. So of two nodes
that both take an object for theirs, one alone can write, whatever their clocks say: leases spare
nodes the contention, epochs are what can be relied on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Granted(NamedTuple):
    """An object, as a node gets it.

    Attributes:
        epoch: what its writes have to name.
        name: of the object, if it is known.
        alarm: when its alarm is due, in milliseconds since 1970, if one is set.
        values: all that it has stored, by key.
    """

    epoch: int
    name: str | None
    alarm: int | None
    values: dict[bytes, bytes]


class Change(NamedTuple):
    """What one object has written.

    Attributes:
        key: its id.
        epoch: of the node that writes.
        cleared: whether all that was stored before is deleted.
        values: what was put, by key; None deletes.
        alarm: the alarm from now on; `UNCHANGED` where it stays.
    """

    key: bytes
    epoch: int
    cleared: bool
    values: Mapping[bytes, bytes | None]
    alarm: Any


class ObjectStore(Protocol):
    """Keeps what Durable Objects have stored, for several nodes. Each call is one transaction."""

    def acquire(
        self, namespace: str, key: bytes, name: str | None, node: str, seconds: float
    ) -> Granted:
        """Grant a node the lease of an object, with the next epoch.

        Args:
            namespace: of the object.
            key: its id.
            name: its name, if the node knows it.
            node: who wants it. Whoever has the lease already gets it anew.
            seconds: how long the lease lasts, unless it is renewed.

        Raises:
            ObjectElsewhereError: another node has the lease.
            RpcError: the store cannot be used.
        """

    def renew(self, namespace: str, epochs: Mapping[bytes, int], seconds: float) -> set[bytes]:
        """Let leases last that many seconds from now.

        Args:
            namespace: of the objects.
            epochs: the epoch of each, by its id.
            seconds: see there.

        Returns:
            The objects that another node has been granted meanwhile.
        """

    def release(self, namespace: str, epochs: Mapping[bytes, int]) -> None:
        """Give leases back, so that nobody has to wait for their end."""

    def write(self, namespace: str, changes: Sequence[Change]) -> set[bytes]:
        """Write what objects have written, as a whole.

        Returns:
            The objects whose epoch is over; nothing of theirs was written.

        Raises:
            Exception: nothing was written; or it is not known whether all was.
        """

    def name(self, namespace: str, key: bytes) -> str | None:
        """The name of an object, as far as it is known."""

    def alarms(self, namespace: str) -> list[tuple[bytes, int]]:
        """All alarms that are set: the id of the object, and when it is due."""

    def close(self) -> None:
        """Use it no more."""
