"""Running the body of a cell somewhere, as IPython runs a cell.

Floor: notebook. In a body `await`, `!command`, `%magic` and `name?` work; tracebacks show its
lines as the user sees them in the cell.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import sys
from collections.abc import Coroutine, Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell

from rpclab.diagnostics import places
from rpclab.errors import add_note
from rpclab.rpc import sync
from rpclab.rpc.advice import advise

if TYPE_CHECKING:
    from types import FrameType

    from IPython.core.interactiveshell import ExecutionInfo

    from rpclab.sandbox import Sandbox

AWAITED = ("worker", "trace", "wrangler")
"""The cell magics whose result is to be awaited."""

_CALL = re.compile(rf"get_ipython\(\)\.run_cell_magic\('(?:{'|'.join(AWAITED)})',")


def await_our_magics(lines: list[str]) -> list[str]:
    """Rewrite the call of a cell magic of ours so that its result is awaited (IPython does not).

    Below another cell magic, such as %%time, nothing can be awaited: there it is run to its end.
    """
    if not lines or not _CALL.match(lines[0]):
        return lines
    if not _a_cell_runs():
        return ["await " + lines[0], *lines[1:]]
    call = lines[0].rstrip()
    body = ast.unparse(ast.parse(call, mode="eval").body.args[-1])  # type: ignore[attr-defined]
    return [f"__import__('{__name__}', fromlist=['']).settle({call}, {body})\n", *lines[1:]]


def _a_cell_runs() -> bool:
    """Whether the code of a cell has called this: it runs another magic, which has called this."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is InteractiveShell.run_code.__code__:
            return True
        frame = frame.f_back
    return False


def settle(coroutine: Coroutine[Any, Any, Any], body: str) -> Any:
    """Run one of our cell magics to its end, where it cannot be awaited.

    Args:
        coroutine: what the magic gave.
        body: what it runs. Where that awaits something, the event loop goes on inside this call.
    """
    __tracebackhide__ = True
    if _awaits(body):
        return sync.run(coroutine)
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError("the body of a cell was to be run to its end, and waits for something")


def _awaits(body: str) -> bool:
    """Whether the code of a cell awaits something, outside the functions that it defines."""
    text = TransformerManager().transform_cell(body)
    try:
        code = _compile(ast.parse(text), "<cell>", "exec")
    except (SyntaxError, ValueError):
        return False  # it will be told where it runs
    return bool(code.co_flags & inspect.CO_COROUTINE)


class CellSyntaxError(Exception):
    """A SyntaxError in the body of a cell, shown as those of other cells are."""


CellSyntaxError.__name__ = "SyntaxError"


class Block(NamedTuple):
    """The body of a cell magic.

    Attributes:
        source: its text, on the lines where the cell has it.
        filename: of its code.
        called: how its cell is called in texts.
    """

    source: str
    filename: str
    called: str


class Cells:
    """Knows the cell that runs, and gives cells names for tracebacks and sites.

    Args:
        shell: the shell whose cells they are.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._text = ""
        self._number = 0

    def about_to_run(self, info: ExecutionInfo) -> None:
        """Take note of a cell (IPython's event `pre_run_cell`)."""
        shell = self._shell
        self._text = info.raw_cell
        self._number = shell.execution_count - bool(info.store_history)
        transformed = getattr(info, "transformed_cell", None) or info.raw_cell
        self._name_it(shell.compile.get_code_name(info.raw_cell, transformed, self._number))

    def _name_it(self, filename: str) -> None:
        places.names[filename] = f"Cell In[{self._number}]"

    def block(self, magic: str, body: str) -> Block:
        """Take the body of the magic that runs, for it to be run, here or elsewhere.

        Args:
            magic: the line of the magic.
            body: the lines below it.
        """
        shell = self._shell
        text = self._text
        if not text.rstrip().endswith(body.rstrip()):
            text = f"{magic}\n{body}"  # a magic inside another one
        # Above the body stand this magic, and perhaps blank lines and other magics.
        above = text.rstrip().removesuffix(body.rstrip()).count("\n")
        # IPython drops blank lines at the beginning of what it transforms.
        source = "\n" * (above + _blank_lines(body)) + shell.transform_cell(body)
        # From the whole text ipykernel makes the file name that the debugger uses too.
        filename = shell.compile.cache(source, self._number, raw_code=text)
        self._name_it(filename)
        return Block(source, filename, places.names[filename])

    @staticmethod
    def known(filename: str) -> Block | None:
        """Give the body of a cell that has run, by the file name of its code; None if none has."""
        called = places.names.get(filename)
        if called is None:
            return None
        return Block("".join(linecache.getlines(filename)), filename, called)

    async def run(self, block: Block, namespace: MutableMapping[str, Any], note: str = "") -> Any:
        """Run a body and give its last expression, as a cell would.

        Args:
            block: the body.
            namespace: what it runs in; its `__file__` is set when it belongs to a Worker.
            note: what an error also says.

        Raises:
            Exception: whatever the body raises, with a traceback that begins there.
        """
        __tracebackhide__ = True
        of_a_worker = namespace is not self._shell.user_ns
        if of_a_worker:
            namespace["__file__"] = block.filename
        try:
            return await self.evaluate(block, namespace)
        except SyntaxError as error:
            if error.__traceback__ is not None and error.filename == block.filename:
                raise self._syntax_error(error, note) from None
            raise
        except BaseException as error:
            advise(error, worker=of_a_worker)
            add_note(error, note)
            self._show_from_the_body_on(error)
            raise

    async def evaluate(self, block: Block, namespace: MutableMapping[str, Any]) -> Any:
        """Run a body, in any thread, and give its last expression.

        Raises:
            Exception: whatever the body raises, as it is.
        """
        __tracebackhide__ = True
        shell = self._shell
        tree = shell.transform_ast(shell.compile.ast_parse(block.source, filename=block.filename))
        statements, last = tree.body, None
        if statements and isinstance(statements[-1], ast.Expr):
            statements, last = statements[:-1], ast.Expression(statements[-1].value)
        codes = [_compile(ast.Module(statements, []), block.filename, "exec")]
        if last is not None:
            codes.append(_compile(last, block.filename, "eval"))
        value = None
        for code in codes:
            value = eval(code, namespace)  # type: ignore[arg-type]  # noqa: S307 - cells are code
            if inspect.CO_COROUTINE & code.co_flags:
                value = await value
        return value if last is not None else None

    @contextmanager
    def telling(self, filename: str, note: str = "") -> Iterator[None]:
        """Show an error of code that runs in another process as one of a cell.

        Args:
            filename: of the code.
            note: what an error also says.
        """
        __tracebackhide__ = True
        try:
            yield
        except SyntaxError as error:
            if error.filename == filename:
                raise self._syntax_error(error, note) from None
            raise
        except Exception as error:
            add_note(error, note)
            raise

    def _show_from_the_body_on(self, error: BaseException) -> None:
        places.trim(error)
        if error.__traceback__ is None or hasattr(error, "_render_traceback_"):
            return
        if isinstance(error, Exception):
            show = self._shell.InteractiveTB.structured_traceback
            lines = show(type(error), error, error.__traceback__, tb_offset=0)
            # IPython would show the line of the magic as well, rewritten as we did.
            vars(error)["_render_traceback_"] = lambda: lines

    def _syntax_error(self, error: SyntaxError, note: str) -> CellSyntaxError:
        shown = CellSyntaxError(str(error))
        lines = self._shell.SyntaxTB.structured_traceback(type(error), error, [])
        lines += [note] * bool(note)
        vars(shown)["_render_traceback_"] = lambda: lines
        return shown


def _compile(tree: Any, filename: str, mode: str) -> Any:
    return compile(tree, filename, mode, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def _blank_lines(text: str) -> int:
    """Count the blank lines at the beginning."""
    blank = re.match(r"(?:[ \t]*\n)*", text)
    return blank.group().count("\n") if blank else 0


class Notebook(NamedTuple):
    """What a command of `%rpclab` acts on.

    Attributes:
        shell: where it is given.
        sandbox: of the notebook.
        cells: runs the bodies of cells.
        traced: the last block that was traced; None if none was.
    """

    shell: InteractiveShell
    sandbox: Sandbox
    cells: Cells
    traced: Block | None
