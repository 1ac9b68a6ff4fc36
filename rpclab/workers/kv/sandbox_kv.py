"""The KV namespaces of a sandbox, for those who hold it.

Floor: workers. Light: what stands on SQLite is loaded by the first namespace.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from rpclab.rpc.offload import Offload
    from rpclab.workers.kv.entries import Entries
    from rpclab.workers.kv.limits import KVLimits
    from rpclab.workers.kv.namespace import KVNamespace

_LONGEST_ID = 200  # of the name of a file


class SandboxKV:
    """The part of a sandbox that has KV namespaces.

    Attributes:
        kv_limits: the bounds of the namespaces that are opened from now on; None means the
            platform's.
    """

    kv_limits: KVLimits | None = None
    _storage: Path | None
    _epoch: Callable[[], float]
    _opened_kv: dict[str, tuple[KVNamespace, Entries]] | None = None
    _kv_offload: Offload | None = None

    def kv(self, id: str | KVNamespace) -> KVNamespace:
        """Give a KV namespace of this sandbox; the same one each time.

        It is kept in `kv/` in the folder of `Sandbox(storage=…)`. Without one it is in memory, and
        lasts until the sandbox is reset or closed.

        Args:
            id: what names it; Workers that name the same id share it. Or a namespace.

        Raises:
            TypeError: it is no text.
            ValueError: it is empty, or longer than the name of a file can be.
        """
        from rpclab.rpc.offload import Offload  # noqa: PLC0415 - for those who have some
        from rpclab.workers.kv.entries import Entries  # noqa: PLC0415
        from rpclab.workers.kv.limits import DEFAULT_LIMITS  # noqa: PLC0415
        from rpclab.workers.kv.namespace import KVNamespace  # noqa: PLC0415

        if isinstance(id, KVNamespace):
            return id
        name = _file_name(id)
        if self._opened_kv is None or self._kv_offload is None:
            self._opened_kv, self._kv_offload = {}, Offload("rpclab-kv")
        if id not in self._opened_kv:
            path = None if self._storage is None else self._storage / "kv" / f"{name}.sqlite"
            entries = Entries(path, id)
            namespace = KVNamespace(
                entries,
                self._kv_offload,
                clock=self._epoch,
                limits=self.kv_limits or DEFAULT_LIMITS,
            )
            self._opened_kv[id] = namespace, entries
        return self._opened_kv[id][0]

    def _forget_kv(self) -> None:
        """Close them; what was in no file is gone."""
        if self._kv_offload is not None:
            self._kv_offload.close()
        for _, entries in (self._opened_kv or {}).values():
            entries.close()
        self._opened_kv = self._kv_offload = None


def _file_name(id: object) -> str:
    """Give the name of the file of a namespace; two ids never mean the same one."""
    from urllib.parse import quote  # noqa: PLC0415 - for those who have namespaces

    if not isinstance(id, str):
        raise TypeError(f"the id of a KV namespace is a text, not {type(id).__name__}")
    name = quote(id, safe="", errors="surrogatepass")
    if not name or len(name) > _LONGEST_ID:
        raise ValueError(
            f"the id of a KV namespace has 1 to {_LONGEST_ID} characters, not {len(name)}"
        )
    return name
