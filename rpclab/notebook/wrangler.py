"""`%%wrangler`: a configuration in a cell; `%wrangler`: those in files.

Floor: notebook.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display

from rpclab.config import Document, WorkerConfig, read_config
from rpclab.configured import check_bindings, deploy_all, hide_secrets, options_of, read_source
from rpclab.errors import ConfigError, RpcError, near
from rpclab.notebook.deploying import Code, prepare
from rpclab.notebook.lines import parse_wrangler
from rpclab.notebook.options import usage
from rpclab.placement.declared import placement_of
from rpclab.workers.worker import serves_on

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rpclab.notebook.cells import Cells
    from rpclab.sandbox import Sandbox
    from rpclab.workers.worker import Worker


@magics_class
class Wrangler(Magics):
    """The magic of configurations.

    Args:
        shell: where it works.
        sandbox: where it deploys.
        cells: runs the bodies of cells.
    """

    def __init__(self, shell: InteractiveShell, sandbox: Sandbox, cells: Cells) -> None:
        super().__init__(shell)
        self._sandbox = sandbox
        self._cells = cells

    @no_var_expand
    @line_cell_magic
    def wrangler(self, line: str, cell: str | None = None) -> Awaitable[Worker] | None:
        """Deploy a Worker as the configuration below says: a wrangler.toml or wrangler.jsonc.

        %%wrangler [--env NAME]

            --env NAME    the named environment that is meant; else the top of the text

        `main` is a .py file, or the name of a %%worker cell that has run: its code is run anew,
        under the configuration's name and with its variables and bindings. After a change to
        that cell, run it and this one again. Known are

            name                          the name of the Worker; bindings lead to it by that
            main                          its code
            vars                          variables: texts, or any JSON values
            services                      bindings: binding, service, entrypoint, props
            d1_databases                  binding, database_name, database_id, migrations_dir
            kv_namespaces                 binding, id
            durable_objects.bindings      name, class_name, script_name
            rpclab                        placement: "process" is a process of its own,
                                          "dask" a cluster
            env.NAME                      an environment; variables and bindings are its own

        Of other keys of Wrangler the cell says that they have no effect, or refuses them; an
        unknown key is an error. The value of the cell is the Worker.

        Example:
            %%wrangler
            name = "client"
            main = "client-code"             # a %%worker client-code cell

            [vars]
            GREETING = "Hello"

            [[services]]
            binding = "COUNTER"
            service = "counter-service"
            entrypoint = "CounterService"

        In a line it deploys the Workers of files, and shows them.

        %wrangler [--env NAME] PATH…

            PATH    a wrangler.toml, wrangler.jsonc or wrangler.json, whose `main` is a .py file; or
                    a folder, and all those in and below it
        """
        __tracebackhide__ = True
        environment, paths = parse_wrangler(line, "%wrangler" if cell is None else "%%wrangler")
        if cell is None:
            self._deploy_files(environment, paths)
            return None
        if paths:
            raise UsageError(
                f"%%wrangler takes no {paths[0]!r}; the configuration goes into the lines below"
            )
        return self._deploy(environment, cell)

    def _deploy_files(self, environment: str | None, paths: list[str]) -> None:
        __tracebackhide__ = True
        if not paths:
            raise UsageError("%wrangler needs a file or a folder, such as: %wrangler services/")
        try:
            workers = deploy_all(self._sandbox, paths, environment)
        except (RpcError, OSError) as error:
            raise usage(error) from None
        for worker in workers:
            display(worker)

    async def _deploy(self, environment: str | None, cell: str) -> Worker:
        __tracebackhide__ = True
        sandbox = self._sandbox
        try:
            # So that line numbers are those of the cell, whose first line is the magic.
            document = Document("\n" + cell, "%%wrangler")
            config = read_config(document, folder=Path.cwd(), environment=environment)
            code = self._code(config)
            check_bindings(sandbox, config)
            options = options_of(config, sandbox)
            note = serves_on(sandbox.workers.get(config.name))
            deployment = prepare(
                sandbox,
                self._cells,
                config.name,
                code,
                placement_of(config.placement or None),
                note=note,
                secrets=frozenset(config.secrets),
                folder=config.main_file.parent if code.block is None else None,
                **options,
            )
            hide_secrets(deployment.env, config)
        except (RpcError, TypeError, ValueError) as error:
            raise usage(error) from None
        _show_notes(config)
        await deployment.run()
        try:
            worker = deployment.publish()
        except RpcError as error:
            raise usage(error, note) from None
        worker.config = config
        return worker

    def _code(self, config: WorkerConfig) -> Code:
        """Give the code that `main` names: of a cell, or in a file."""
        worker = self._sandbox.workers.get(config.main)
        block = None if worker is None else self._cells.known(str(worker.module.__file__))
        if block is not None:
            return Code(block)
        if config.main.endswith(".py") or config.main_file.exists():
            return Code(None, read_source(config), str(config.main_file))
        error = ConfigError(
            f"main = {config.main!r} is neither a .py file nor a %%worker cell that has run",
            filename=config.filename,
        )
        error.add_note(near(config.main, self._sandbox.workers) or "no Worker is deployed yet")
        raise error


def _show_notes(config: WorkerConfig) -> None:
    for note in config.notes:
        stream: Any = sys.stderr if note.warns else sys.stdout
        print(f"line {note.line}: {note.text}", file=stream)
