"""What Durable Objects on the nodes of a cluster store: the sandbox keeps it, and hosts ask for it.

Floor: sandbox. No node has a file of it, so nothing is lost with one. Each write names the epoch
that its host was granted (see `rpclab.workers.storage.object_store`), and an older one is refused:
a host that was given up, and lives on where nobody sees it, can write nothing.

A host asks over its line, and waits: a transaction is one round trip. The sandbox answers in the
thread of the nodes, so also while a cell computes.
"""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rpclab.codecs.stored_values import pack, unpack
from rpclab.errors import RemoteProtocolError, RpcError
from rpclab.previews import preview
from rpclab.workers.storage.object_store import Change, Granted
from rpclab.workers.storage.rows import UNCHANGED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rpclab.placement.engine import Record
    from rpclab.workers.storage.object_store import ObjectStore

_PATIENCE = 30.0  # seconds in which the sandbox answers


class AskedStore:
    """A store that is with the sandbox, for a host (see `object_store.ObjectStore`).

    Args:
        send: sends records to the sandbox, from any thread.
    """

    def __init__(self, send: Callable[[Record], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._last = 0
        self._answers: queue.SimpleQueue[Record] = queue.SimpleQueue()

    def answered(self, record: Record) -> None:
        """The sandbox has answered; from the thread that reads the line."""
        self._answers.put(record)

    def _ask(self, what: str, namespace: str, *args: Any) -> Any:
        with self._lock:
            self._last += 1
            asked = {"kind": "store", "ask": self._last, "what": what, "args": [namespace, *args]}
            self._send(asked)
            while True:
                try:
                    record = self._answers.get(timeout=_PATIENCE)
                except queue.Empty:
                    raise RpcError(
                        f"the sandbox, which keeps what {namespace} stores, has not answered for"
                        f" {_PATIENCE:g} s"
                    ) from None
                if record["ask"] == self._last:  # an earlier one came too late
                    break
        if record.get("error") is not None:
            error = unpack(record["error"])
            raise error if isinstance(error, Exception) else RpcError(str(error))
        return record["value"]

    def acquire(
        self, namespace: str, key: bytes, name: str | None, node: str, seconds: float
    ) -> Granted:
        del node  # the sandbox knows who asks
        epoch, name, alarm, values = self._ask("acquire", namespace, key, name, seconds)
        return Granted(epoch, name, alarm, {one: value for one, value in values})  # noqa: C416

    def renew(self, namespace: str, epochs: Mapping[bytes, int], seconds: float) -> set[bytes]:
        return set(self._ask("renew", namespace, [*map(list, epochs.items())], seconds))

    def release(self, namespace: str, epochs: Mapping[bytes, int]) -> None:
        self._ask("release", namespace, [*map(list, epochs.items())])

    def write(self, namespace: str, changes: Sequence[Change]) -> set[bytes]:
        told = [
            [
                change.key,
                change.epoch,
                change.cleared,
                [*map(list, change.values.items())],
                [] if change.alarm is UNCHANGED else [change.alarm],
            ]
            for change in changes
        ]
        return set(self._ask("write", namespace, told))

    def name(self, namespace: str, key: bytes) -> str | None:
        found: str | None = self._ask("name", namespace, key)
        return found

    def alarms(self, namespace: str) -> list[tuple[bytes, int]]:
        return [(key, due) for key, due in self._ask("alarms", namespace)]

    def close(self) -> None:
        """The sandbox closes it."""


class KeptStore:
    """Answers what hosts ask of a store, each of which may use what is its Worker's.

    Args:
        store: keeps what they store.
        node: the name of this sandbox in leases.
    """

    def __init__(self, store: ObjectStore, node: str) -> None:
        self._store = store
        self._node = node
        self._granted: dict[str, dict[bytes, int]] = {}

    def answer(self, worker: str, record: Record) -> Record:
        """Answer a host.

        Args:
            worker: what it runs.
            record: what it asks.

        Raises:
            RemoteProtocolError: it may not ask that.
        """
        match record:
            case {"ask": int(ask), "what": str(what), "args": [str(namespace), *args]} if (
                namespace.startswith(f"{worker}#")
            ):
                pass
            case _:
                raise RemoteProtocolError(f"no question to a store: {preview(record)}")
        answer: Record = {"kind": "stored", "ask": ask}
        try:
            answer["value"] = self._value(worker, what, namespace, args)
        except RemoteProtocolError:
            raise
        except Exception as error:
            answer["error"] = pack(error)
        return answer

    def _value(self, worker: str, what: str, namespace: str, args: list[Any]) -> Any:
        store = self._store
        # All hosts of a Worker are one node: the later one gets a lease at once, and the next
        # epoch with it, so that the one before can write no more.
        node = f"{self._node}/{worker}"
        match what, args:
            case "acquire", [bytes(key), None | str() as name, float() | int() as seconds]:
                granted = store.acquire(namespace, key, name, node, seconds)
                self._granted.setdefault(namespace, {})[key] = granted.epoch
                values = [*map(list, granted.values.items())]
                return [granted.epoch, granted.name, granted.alarm, values]
            case "renew", [list(epochs), float() | int() as seconds]:
                return [*store.renew(namespace, _epochs(epochs), seconds)]
            case "release", [list(epochs)]:
                given = _epochs(epochs)
                store.release(namespace, given)
                ours = self._granted.get(namespace, {})
                for key, epoch in given.items():
                    if ours.get(key) == epoch:
                        del ours[key]
                return None
            case "write", [list(changes)]:
                return [*store.write(namespace, [*map(_change, changes)])]
            case "name", [bytes(key)]:
                return store.name(namespace, key)
            case "alarms", []:
                return [*map(list, store.alarms(namespace))]
        raise RemoteProtocolError(f"no question to a store: {what} {preview(args)}")

    def close(self) -> None:
        """Give all leases back, so that nobody waits for their end, and close the store."""
        with suppress(RpcError):
            for namespace, epochs in self._granted.items():
                self._store.release(namespace, epochs)
        self._store.close()


def _epochs(told: list[Any]) -> dict[bytes, int]:
    found = {}
    for pair in told:
        match pair:
            case [bytes(key), int(epoch)]:
                found[key] = epoch
            case _:
                raise RemoteProtocolError(f"no epoch of an object: {preview(pair)}")
    return found


def _change(told: Any) -> Change:
    match told:
        case [bytes(key), int(epoch), bool(cleared), list(pairs), [] | [None | int()] as alarm]:
            values = {}
            for pair in pairs:
                match pair:
                    case [bytes(one), None | bytes() as value]:
                        values[one] = value
                    case _:
                        raise RemoteProtocolError(f"no value of an object: {preview(pair)}")
            return Change(key, epoch, cleared, values, alarm[0] if alarm else UNCHANGED)
    raise RemoteProtocolError(f"no change of an object: {preview(told)}")
