"""The magics: each parses its line, makes one call, and returns the result.

Floor: notebook.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.display import display
from traitlets import TraitType, observe

from rpclab.errors import RpcError, near
from rpclab.notebook.cards import trace_text
from rpclab.notebook.cells import AWAITED, Notebook
from rpclab.notebook.commands import COMMANDS
from rpclab.notebook.deploying import Code, prepare
from rpclab.notebook.lines import parse_bindings, parse_trace, parse_worker, words
from rpclab.notebook.options import SWITCHES, usage
from rpclab.placement.declared import placement_of
from rpclab.workers.call_queue import Turns
from rpclab.workers.worker import serves_on

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from rpclab.notebook.cells import Block, Cells
    from rpclab.notebook.lines import WorkerLine
    from rpclab.notebook.names import Names
    from rpclab.sandbox import Sandbox
    from rpclab.trace.trace import Trace
    from rpclab.workers.env import Env
    from rpclab.workers.worker import Worker


_MAGIC = re.compile(r"\s*%%(\w+)[ \t]*(.*)\n")
_AROUND = ("capture", "prun", "time", "timeit", "trace")


class Switch(TraitType[bool, Any]):
    """A setting that is True or False. Of anything else it says so, and stays as it was.

    A trait that raises would make the next `%reload_ext` fail, for IPython keeps the bad value.
    """

    default_value = False

    def validate(self, obj: Any, value: Any) -> bool:
        """Read what was set."""
        meant = SWITCHES.get(str(value).lower())
        if meant is not None:
            return meant
        now = bool(obj._trait_values.get(self.name, self.default_value))
        setting = f"{type(obj).__name__}.{self.name}"
        print(f"{setting} is True or False, not {value!r}; it stays {now}", file=sys.stderr)  # noqa: T201
        return now


@magics_class
class RpcLab(Magics):
    """The magics of rpclab, and its settings for `%config`.

    Args:
        shell: where they work.
        sandbox: what they work on.
        cells: runs the bodies of cells.
        names: what it has put into the namespace of the notebook.
    """

    debug = Switch(
        default_value=True, help="put the place in the Worker on errors raised there"
    ).tag(config=True)
    show_html = Switch(default_value=True, help="show cards; text alone if off").tag(config=True)
    warn_undisposed = Switch(
        default_value=False,
        help="warn of stubs that were left to the end of their context",
    ).tag(config=True)

    label_prints = Switch(
        default_value=True, help="put the name of a Worker before the lines that it prints"
    ).tag(config=True)

    def __init__(
        self, shell: InteractiveShell, sandbox: Sandbox, cells: Cells, names: Names
    ) -> None:
        super().__init__(shell)
        self._sandbox = sandbox
        self._cells = cells
        self._names = names
        self._traced: Block | None = None
        self._apply_settings()

    @observe("debug", "warn_undisposed")
    def _apply_settings(self, _change: object = None) -> None:
        if hasattr(self, "_sandbox"):
            self._sandbox.engine.debug = self.debug
            self._sandbox.engine.warn_undisposed = self.warn_undisposed

    @no_var_expand
    @cell_magic
    def worker(self, line: str, cell: str) -> Awaitable[Worker]:
        """Deploy the lines below as a Worker.

        %%worker NAME [--bind VAR=worker[#Entrypoint]]… [--var VAR=text]… [--json VAR=json]…
                      [--object VAR=Class[@worker]]… [--d1 VAR[=file]]… [--kv VAR[=id]]…
                      [--at CITY] [--on kernel|process[:N]|dask[:N]]
                      [--concurrency N [--queue N] [--overload newest|oldest]]

            NAME                            its name; bindings lead to it by that
            --bind VAR=worker[#Entrypoint]  a binding: `self.env.VAR` calls that entrypoint
                                            (class Default, unless another one is named); the
                                            Worker may be one that is deployed later
            --var VAR=text                  a text variable: `self.env.VAR`
            --json VAR=json                 a variable that is any JSON value
            --object VAR=Class[@worker]     Durable Objects: `self.env.VAR.get_by_name("x")` is the
                                            one of that name; of a class here, or of another Worker
            --d1 VAR[=file]                 a SQL database: `await self.env.VAR.prepare(sql).run()`;
                                            without a file it is in memory, and stays there until
                                            %rpclab reset. Workers that name the same one share it
            --kv VAR[=id]                   a KV namespace: `await self.env.VAR.get("key")`; its id
                                            is the name of the variable, unless one is given.
                                            Workers that name the same id share it
            --at CITY                       where it stands, which decides how long messages take to
                                            Workers in other cities (see `%rpclab locate`)
            --concurrency N                 how many of its calls run at a time; else all that come
            --queue N                       how many may wait then, 100 unless given; who finds no
                                            place is answered at once, with an OverloadedError
            --overload newest|oldest        who finds none: the call that comes, or the one that has
                                            waited longest
            --on kernel|process[:N]|dask[:N]
                                            where it runs: here; in a process of its own, or in N of
                                            them; on a Dask cluster, which is one of N nodes on this
                                            machine, or that at dask:tls://host:port. What it prints
                                            stands below the cell that has called it all the same
            # …                             a comment, where a space stands before it

        Each option can be given again and again. Quote what holds spaces: --var GREETING="Hi you".

        The code runs in a module of its own, where `from workers import …` gives WorkerEntrypoint,
        RpcTarget and their neighbours. Running the cell again puts a new version in the place of
        the old one, which keeps serving if the code fails. The value of the cell is the Worker.

        Example:
            %%worker counter-service
            from workers import RpcTarget, WorkerEntrypoint

            class Counter(RpcTarget):
                def __init__(self):
                    self._value = 0

                def increment(self, amount=1):
                    self._value += amount
                    return self._value

            class CounterService(WorkerEntrypoint):
                async def new_counter(self):
                    return Counter()

        and in another cell:

            %bind COUNTER=counter-service#CounterService

        and in a third one:

            await env.COUNTER.new_counter().increment(5)
        """
        __tracebackhide__ = True
        options = parse_worker(line)
        inner = _MAGIC.match(cell)
        if inner is not None and inner[1] in AWAITED and inner[1] != "trace":
            raise UsageError(f"one cell is one Worker: let %%{inner[1]} begin another cell")
        if inner is None or inner[1] not in _AROUND:
            return self._deploy(options, line, cell)
        # It is about running the code, and this magic is what runs it.
        around, rest = inner[1], cell[inner.end() :]
        value = self.shell.run_cell_magic(around, inner[2], f"%%worker {line}\n{rest}")
        return given(value)

    async def _deploy(self, options: WorkerLine, line: str, cell: str) -> Worker:
        __tracebackhide__ = True
        sandbox = self._sandbox
        note = serves_on(sandbox.workers.get(options.name))
        try:
            sandbox.check_city(options.at)
            deployment = prepare(
                sandbox,
                self._cells,
                options.name,
                Code(self._cells.block(f"%%worker {line}", cell)),
                placement_of(options.on),
                note=note,
                turns=Turns.of(**options.turns),
                **options.variables(),
            )
        except (RpcError, OSError, TypeError, ValueError) as error:
            raise usage(error, note) from None
        await deployment.run()
        try:
            worker = deployment.publish()
        except RpcError as error:
            raise usage(error, note) from None
        if options.at is not None:
            sandbox.locate(options.name, options.at)
        return worker

    @no_var_expand
    @line_magic
    def bind(self, line: str) -> Env:
        """Give the notebook bindings of its own: `env.VAR`.

        %bind VAR=worker[#Entrypoint] … [--object VAR=Class@worker]…

            VAR=worker[#Entrypoint]       a binding to an entrypoint
            --object VAR=Class@worker     a namespace of Durable Objects

        The Worker may be one that is deployed later. The value is the environment, `env`.

        Example:
            %bind COUNTER=counter-service#CounterService MAIL=mailer
        """
        try:
            env = self._sandbox.bind(**parse_bindings(line))
        except (RpcError, TypeError, ValueError) as error:
            raise usage(error) from None
        self._names.put_in()
        for sentence in self._names.taken():
            print(sentence, file=sys.stderr)  # noqa: T201
        return env

    @no_var_expand
    @cell_magic
    def trace(self, line: str, cell: str) -> Awaitable[None]:
        """Run the lines below as usual, and show the messages they caused.

        %%trace [--text]

            --text    the diagram as plain text

        Below the cell stands which Worker called which, and how many round trips the cell waited
        for: "1 round trip; 2 without pipelining".

        Example:
            %%trace
            counter = env.COUNTER.new_counter()     # no await: pipelined
            await counter.increment(5)
        """
        __tracebackhide__ = True
        return self._trace(line, cell, text_only=parse_trace(line))

    async def _trace(self, line: str, cell: str, *, text_only: bool) -> None:
        __tracebackhide__ = True
        shell = self.shell
        self._traced = block = self._cells.block(f"%%trace {line}", cell)
        try:
            with self._sandbox.trace() as trace:
                value = await self._cells.run(block, shell.user_ns)
        except BaseException:
            _show(trace, text_only=text_only)
            raise
        if not shell.displayhook.semicolon_at_end_of_expression(cell):
            shell.displayhook(value)
        _show(trace, text_only=text_only)

    @no_var_expand
    @line_magic
    def rpclab(self, line: str) -> Any:
        """Show the sandbox, or do something to all of it.

        All magics of rpclab:

        %%worker NAME    deploy the cell as a Worker
        %bind VAR=…      give the notebook a binding, `env.VAR`
        %%trace          run the cell, and show its calls and round trips
        %wrangler PATH…  deploy the Workers of configuration files
        %%wrangler       deploy a Worker as the configuration in the cell says
        %rpclab          what follows; each magic has its manual: %%worker? %bind? %%trace?

        %rpclab          list the Workers, the bindings of the notebook, and the live stubs
        %rpclab leaks    list the stubs that are still held, with where they were made
        %rpclab reset    forget every Worker and binding, and what was recorded; all stubs break
        %rpclab record clear
                         forget what was recorded: views and pictures begin anew
        %rpclab storage [FOLDER | memory]
                         show where Durable Objects keep what they store, or choose it before one
                         is bound
        %rpclab link [A B [--rtt 80ms] [--bandwidth 1MB/s] [--jitter 5ms] [--cut | --mend]]
                         list the links, or put one between two Workers (or two cities), or
                         change it; `notebook` is a name like any other
        %rpclab break A B
                         break the connections of a link: calls under way reject
        %rpclab locate [WORKER=city]…
                         show where Workers stand, or put them there
        %rpclab nodes    list where Workers run, with the nodes of the cluster
        %rpclab place WORKER NODE
                         have a Worker run on a node, or where --on can say: kernel, process, dask;
                         while it is called
        %rpclab replay [CHANGE]
                         run the last %%trace block again in a sandbox of its own, as it is and with
                         one thing changed, and compare. A change is one of
                             link A B [--rtt 80ms] [--bandwidth 1MB/s] [--jitter 5ms] [--cut]
                             locate WORKER=city
                             break A B [MESSAGE]     the connection breaks at that message
                             fail worker.method [CALL | all] ["ValueError: no"]
                             pipelining off
        %rpclab faults [--most N]
                         cut the wire at each message of the last %%trace block, one after the
                         other, and list what settled how, and what was forgotten
        %rpclab clock [real | virtual]
                         show the clock, or choose one before anything is deployed; with the
                         virtual one waiting costs no real time
        %rpclab export FOLDER [--force]
                         write all Workers as a project of files, which `rpclab serve FOLDER` runs
        %rpclab types [WORKER] [FILE.pyi]
                         print or write the types of `env`, the notebook's or a Worker's, and of
                         all that it leads to, for type checkers and editors
        %rpclab validate [on | off | WORKER[#Entrypoint]…]
                         show whose arguments are checked against annotations, or choose
        """
        given = [word.text for word in words(line)]
        if not given:
            return self._sandbox
        command = COMMANDS.get(given[0])
        if command is None:
            raise UsageError(f"%rpclab has no {given[0]!r}; {near(given[0], COMMANDS)}")
        takes_words = len(inspect.signature(command.run).parameters) > 1  # beside the notebook
        if len(given) > 1 and not takes_words:
            raise UsageError(f"%rpclab {given[0]} takes nothing more, but there is {given[1]!r}")
        notebook = Notebook(self.shell, self._sandbox, self._cells, self._traced)
        return command.run(notebook, *given[1:])


async def given(value: Any) -> Any:
    """Give the value of a magic that has run, or is to be awaited."""
    return await value if inspect.isawaitable(value) else value


def _show(trace: Trace, *, text_only: bool) -> None:
    if text_only:
        print(trace_text(trace))  # noqa: T201
    else:
        display(trace)
