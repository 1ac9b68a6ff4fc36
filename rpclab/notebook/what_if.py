"""`%rpclab replay` and `faults`: the last `%%trace` block, run again and again.

Floor: notebook. The block runs in a sandbox of its own, and in a namespace of its own: it sees the
notebook's variables, and what it sets is gone when it is over.
"""

from __future__ import annotations

import ast
import dis
import types
from collections.abc import Callable, Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.error import UsageError

from rpclab.errors import RpcError, near
from rpclab.notebook.commands import CHANGES, FAULT_OPTIONS
from rpclab.notebook.distances import parse_link
from rpclab.notebook.options import read_options, texts, usage
from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.stubs import RpcPromise, RpcProperty, RpcStub
from rpclab.whatif import (
    Break,
    Change,
    Fail,
    Faults,
    Link,
    Locate,
    NoPipelining,
    Program,
    WhatIf,
    replay,
    scrub,
)

if TYPE_CHECKING:
    from rpclab.notebook.cells import Block, Notebook

T = TypeVar("T")

_OURS = (RpcStub, RpcPromise, RpcProperty, ServiceBinding)


def replay_block(notebook: Notebook, *given: str) -> WhatIf:
    """Run the last traced block twice, and compare: `%rpclab replay link a b --rtt 1s`.

    Raises:
        UsageError: the change is not understood, or the block cannot be run again.
    """
    change = parse_change(list(given))
    program = _program(notebook)
    return _asked(lambda: replay(program, notebook.sandbox, change))


def scrub_block(notebook: Notebook, *given: str) -> Faults:
    """Cut the wire at each message of the last traced block: `%rpclab faults`.

    Raises:
        UsageError: a word is not understood, or the block cannot be run again.
    """
    options: dict[str, int] = {}
    for flag, value in read_options(texts(given), FAULT_OPTIONS, "%rpclab faults"):
        if flag is None:
            raise UsageError(f"%rpclab faults takes no {value.text!r}")
        options["most"] = _whole(value.text, "--most")
    program = _program(notebook)
    return _asked(lambda: scrub(program, notebook.sandbox, **options))


def _asked(work: Callable[[], T]) -> T:
    try:
        return work()
    except (RpcError, ValueError, OSError) as error:
        raise usage(error) from None


# What is changed.


def parse_change(given: list[str]) -> Change:
    """Read the words behind `%rpclab replay`.

    Raises:
        UsageError: they say no change.
    """
    if not given:
        return Change()
    kind, *rest = given
    reader = _READERS.get(kind)
    if reader is None:
        raise UsageError(f"%rpclab replay knows no change {kind!r}; {near(kind, CHANGES)}")
    return reader(rest)


def _link(given: list[str]) -> Change:
    names, changes = parse_link("%rpclab replay link", *given)
    return Link(*names, **changes)


def _locate(given: list[str]) -> Change:
    worker, equals, city = given[0].partition("=") if len(given) == 1 else ("", "", "")
    if not equals or not worker:
        raise UsageError("%rpclab replay locate takes one WORKER=city")
    return Locate(worker, city or None)


def _break(given: list[str]) -> Change:
    if len(given) not in (2, 3):
        raise UsageError("%rpclab replay break takes two Workers, and perhaps the message")
    return Break(given[0], given[1], _whole(given[2], "the message") if given[2:] else 1)


def _fail(given: list[str]) -> Change:
    if not 1 <= len(given) <= 3:  # noqa: PLR2004 - the method, which call, the error
        raise UsageError('%rpclab replay fail takes worker.method [CALL | all] ["ValueError: no"]')
    member, *rest = given
    call = 1
    if rest and (rest[0] == "all" or rest[0].isdecimal()):
        call = 0 if rest[0] == "all" else int(rest[0])
        del rest[0]
    if len(rest) > 1:
        raise UsageError(f"%rpclab replay fail takes nothing more, but there is {rest[1]!r}")
    return Fail(member, call, rest[0]) if rest else Fail(member, call)


def _pipelining(given: list[str]) -> Change:
    if given != ["off"]:
        raise UsageError("%rpclab replay pipelining takes `off`")
    return NoPipelining()


_READERS: dict[str, Callable[[list[str]], Change]] = {
    "break": _break,
    "fail": _fail,
    "link": _link,
    "locate": _locate,
    "pipelining": _pipelining,
}


def _whole(text: str, what: str) -> int:
    if not text.isdecimal() or not int(text):
        raise UsageError(f"{what} is a number from 1 on, not {text!r}")
    return int(text)


# The block as a program.


def _program(notebook: Notebook) -> Program:
    block, names = notebook.traced, notebook.shell.user_ns
    if block is None:
        raise UsageError("no block was traced yet: put %%trace on top of a cell, and run it")
    _check(block, names)

    async def program(env: Any, fresh: Any) -> Any:
        namespace = _namespace(names, env, fresh)
        try:
            return await notebook.cells.evaluate(block, namespace)
        finally:
            namespace.clear()  # what the block has left in variables is let go of with it

    return program


def _check(block: Block, names: MutableMapping[str, Any]) -> None:
    """Refuse what belongs to the notebook's own sandbox.

    Raises:
        UsageError: the block has a magic, or uses a stub that was made before it.
    """
    tree = ast.parse(block.source)
    seen = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    stored = {node.id for node in seen if isinstance(node.ctx, ast.Store)}
    for node in seen:
        if node.id == "get_ipython":
            raise UsageError(
                f"line {node.lineno} of the block is a magic or a command, which would act on the"
                " notebook itself: move it to another cell, and trace the block again"
            )
    for name in _reached({node.id for node in seen} - stored, names):
        if isinstance(names.get(name), _OURS):
            raise UsageError(
                f"the block uses {name}, which was made before it and belongs to the notebook's own"
                " sandbox: let the block make it, and trace the block again"
            )


def _reached(used: set[str], names: MutableMapping[str, Any]) -> set[str]:
    """The names that a block uses, and those that the notebook's functions among them use."""
    reached, left = set[str](), [*used]
    while left:
        name = left.pop()
        if name not in reached:
            reached.add(name)
            value = names.get(name)
            if isinstance(value, types.FunctionType) and value.__globals__ is names:
                left += _globals_in(value.__code__)
    return reached


def _globals_in(code: types.CodeType) -> Iterator[str]:
    """The global names that a function, and those in it, look up."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(step.argval)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _globals_in(inner)


def _namespace(names: MutableMapping[str, Any], env: Any, sandbox: Any) -> dict[str, Any]:
    """The notebook's variables, in which `env` and `sandbox` are those of the run."""
    namespace = dict(names)
    for name, value in names.items():
        # Functions of the notebook see these, too.
        if isinstance(value, types.FunctionType) and value.__globals__ is names:
            copied = types.FunctionType(
                value.__code__, namespace, value.__name__, value.__defaults__, value.__closure__
            )
            copied.__kwdefaults__ = value.__kwdefaults__
            namespace[name] = copied
    namespace |= {"env": env, "sandbox": sandbox}
    return namespace
