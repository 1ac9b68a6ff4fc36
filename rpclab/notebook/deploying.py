"""A Worker whose code a cell has, or names: made, run, and published; here or in its own processes.

Floor: notebook.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.placement.deploying import begin, come_up, make_order, publish
from rpclab.workers.imports import known
from rpclab.workers.modules import run_source

if TYPE_CHECKING:
    from rpclab.notebook.cells import Block, Cells
    from rpclab.placement.declared import Processes
    from rpclab.sandbox import Sandbox
    from rpclab.workers.call_queue import Turns
    from rpclab.workers.env import Env
    from rpclab.workers.worker import Worker


class Code(NamedTuple):
    """The code of a Worker.

    Attributes:
        block: the body of a cell; None where it is in a file.
        source: the text of the file.
        filename: where that is.
    """

    block: Block | None
    source: str = ""
    filename: str = ""

    def elsewhere(self) -> dict[str, Any]:
        """What runs it in another process: see `make_order`."""
        if self.block is not None:
            return {**self.block._asdict(), "awaits": True}
        return {"source": self.source, "filename": self.filename}


class Deployment(NamedTuple):
    """A Worker on its way.

    Attributes:
        env: its environment.
        run: runs its code.
        publish: lets it serve, once that has run.
    """

    env: Env
    run: Callable[[], Awaitable[None]]
    publish: Callable[[], Worker]


def prepare(
    sandbox: Sandbox,
    cells: Cells,
    name: str,
    code: Code,
    placed: Processes | None,
    *,
    note: str = "",
    turns: Turns | None = None,
    secrets: frozenset[str] = frozenset(),
    **options: Any,
) -> Deployment:
    """Make all that a Worker needs; none of its code runs yet.

    Args:
        sandbox: where it is to serve.
        cells: runs the bodies of cells.
        name: its name.
        code: its code.
        placed: where it runs, if not here.
        note: what an error of its code says as well.
        turns: how many of its calls run at a time.
        secrets: the variables that no display shows.
        options: as of `Sandbox.prepare`.

    Raises:
        Exception: as `Sandbox.prepare`; PlacementError where it cannot run there.
    """
    if placed is not None:
        order, env = make_order(
            sandbox, name, turns=turns, secrets=secrets, **code.elsewhere(), **options
        )
        hosts = begin(sandbox, name, order, placed)

        async def come() -> None:
            __tracebackhide__ = True
            with cells.telling(order["filename"], note):
                await come_up(hosts)

        return Deployment(env, come, lambda: publish(sandbox, name, env, order, placed, hosts))

    module, env = sandbox.prepare(name, **options)

    async def run() -> None:
        __tracebackhide__ = True
        if code.block is None:
            run_source(module, code.source, code.filename)
            return
        with known(module):
            await cells.run(code.block, vars(module), note)

    return Deployment(
        env, run, lambda: sandbox.publish(name, module, env, options.get("bind"), turns)
    )
