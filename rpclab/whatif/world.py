"""The world of a program: Workers, links and stored data, as often as they are needed anew.

Floor: whatif.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rpclab.declared import NOTEBOOK, Bound, Declared, bound_in, declared
from rpclab.sandbox import Sandbox
from rpclab.whatif.stored import Stored, store_in, stored_in
from rpclab.workers.objects.namespace import objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.workers.worker import Worker


class World:
    """What is needed to make a sandbox like another one, as that is now.

    The code of the Workers runs anew in each; what they had in variables is as at their beginning,
    and what is stored (D1, KV, Durable Objects) is copied. The clock is virtual, and there is no
    network.

    Args:
        sandbox: which one; nothing of it is changed.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._workers = declared(sandbox)
        self._own = bound_in(sandbox.env, sandbox.bindings())
        links = sandbox._made_links
        self._links = None if links is None else links.state()
        self._paces = dict(sandbox.engine.paces)
        self._validate = sandbox.validate
        self._pipelining = sandbox.engine.holder is None
        self._limits = sandbox.engine.limits
        self._stored: Stored = stored_in(sandbox, self._databases())

    @property
    def workers(self) -> list[str]:
        """The names of the Workers."""
        return [worker.name for worker in self._workers]

    @property
    def placed(self) -> str:
        """A sentence on the Workers that have processes of their own, but not here; "" if none."""
        names = [worker.name for worker in self._workers if worker.placement is not None]
        if not names:
            return ""
        which, have = ", ".join(names), "has" if len(names) == 1 else "have"
        return f"{which} {have} processes, and ran in this program here, on the virtual clock"

    def _databases(self) -> Iterator[tuple[str, str, Any]]:
        everybody: list[tuple[str, Bound]] = [(each.name, each) for each in self._workers]
        for name, bound in [*everybody, (NOTEBOOK, self._own)]:
            for variable, database in bound.d1.items():
                yield name, variable, database

    def build(
        self, *, pipelining: bool | None = None, deployed: Callable[[Worker], None] | None = None
    ) -> Sandbox:
        """Make a sandbox like that one; the caller closes it.

        Args:
            pipelining: as of `Sandbox`; as it was unless given.
            deployed: told of each Worker, before anything calls it.

        Raises:
            Exception: whatever the code of a Worker raises.
        """
        sandbox = Sandbox(
            clock="virtual", record=True, network="none", limits=self._limits,
            pipelining=self._pipelining if pipelining is None else pipelining,
            validate=self._validate,
        )  # fmt: skip
        try:
            self._fill(sandbox, deployed)
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    def _fill(self, sandbox: Sandbox, deployed: Callable[[Worker], None] | None) -> None:
        if self._links is not None:
            sandbox.links.restore(self._links)
        sandbox.engine.paces |= self._paces
        numbers: dict[int, str] = {}
        databases: dict[tuple[str, str], Any] = {}
        for name, variable, database in self._databases():
            # Those that Workers shared, they share here.
            where = numbers.setdefault(id(database), f":memory:{len(numbers) + 1}")
            databases[name, variable] = sandbox.d1(where)
        for worker in self._workers:
            made = _deploy(sandbox, worker, databases)
            if deployed is not None:
                deployed(made)
        own: dict[str, Any] = {**self._own.bind}
        own |= {name: objects(target) for name, target in self._own.objects.items()}
        own |= {name: sandbox.kv(id_) for name, id_ in self._own.kv.items()}
        own |= {name: databases[NOTEBOOK, name] for name in self._own.d1}
        sandbox.bind(**own)
        store_in(sandbox, self._stored, databases)


def _deploy(sandbox: Sandbox, worker: Declared, databases: dict[tuple[str, str], Any]) -> Worker:
    d1 = {variable: databases[worker.name, variable] for variable in worker.d1}
    made = sandbox.deploy(worker.name, **{**worker.options, "d1": d1})
    object.__setattr__(made.env, "__secret__", worker.secrets)
    return made
