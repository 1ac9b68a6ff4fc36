"""What Cloudflare's Python Workers would need changed in the code of a Worker, with its lines.

Floor: export. The code is read, and not run. What is said of their SDK is what stands in
workers-runtime-sdk 1.9: there a call of another Worker gives a coroutine, where rpclab gives a
promise that can be called on, sent along and disposed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from rpclab.declared import Bound
from rpclab.workers.javascript_names import PYTHON_NAMES

SDK = frozenset({
    "Blob", "Body", "Context", "DurableObject", "FetchKwargs", "FetchResponse", "File", "FormData",
    "FormDataValue", "JSBody", "Request", "RequestInitCfProperties", "Response", "WorkerEntrypoint",
    "WorkflowEntrypoint", "asgi", "env", "fetch", "handler", "import_from_javascript", "patch_env",
    "python_from_rpc", "python_to_rpc", "waitUntil", "wait_until", "wsgi",
})  # fmt: skip
"""What `from workers import …` gives there."""

_INSTEAD = {
    "RpcTarget": "return functions, or a dict of them, or write this Worker in JavaScript",
    "Headers": "give a dict, or use js.Headers",
    "ReadableStream": "use js.ReadableStream",
    "WritableStream": "use js.WritableStream",
    "dispose": "there is nothing to let go of by hand",
    "gather": "asyncio.gather waits for several calls",
}
_OF_RPCLAB = {
    "gather": "asyncio.gather on calls waits for all of them",
    "deadline": "asyncio.timeout bounds a wait, and does not travel with the calls",
    "wait_until": "from workers import wait_until",
    "DurableObject": "from workers import DurableObject",
    "WorkerEntrypoint": "from workers import WorkerEntrypoint",
    "Response": "from workers import Response",
    "Request": "from workers import Request",
}
_NOT_IN_WASM = frozenset({
    "curses", "fcntl", "grp", "multiprocessing", "pwd", "resource", "socket", "socketserver",
    "subprocess", "termios", "threading", "_thread",
})  # fmt: skip
_SPELLED = frozenset({
    "block_concurrency_while", "delete_alarm", "delete_all", "get_alarm", "get_bookmark",
    "get_by_name", "get_with_metadata", "id_from_name", "id_from_string", "new_unique_id",
    "set_alarm", "to_array", "transaction_sync", "with_session",
})  # fmt: skip
_JAVASCRIPT = {name: alias for alias, name in PYTHON_NAMES.items() if name in _SPELLED}
_OBJECTS = frozenset({"get", "get_by_name", "getByName"})  # which give the stub of an object
_OWN = frozenset({"dup", "dispose", "on_broken"})
_ANY = frozenset({"Exception", "BaseException"})
_OF_VALUES = frozenset(
    name for kind in (str, bytes, list, dict, set, int, float) for name in dir(kind)
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Finding(NamedTuple):
    """Something to change before Cloudflare runs it.

    Attributes:
        file: in the project.
        line: in the file; 0 means all of it.
        text: what it is, and what to do.
    """

    file: str
    line: int
    text: str


def findings(file: str, text: str, bound: Bound) -> list[Finding]:
    """Read the code of a Worker for what its SDK on Cloudflare does in another way.

    Args:
        file: how findings call it.
        text: the code.
        bound: what its environment holds.

    Raises:
        SyntaxError: it is no Python.
    """
    reader = _Reader(bound)
    tree = ast.parse(text)
    reader.read(tree)
    found = dict.fromkeys(reader.found)  # one line may say a thing twice
    return [Finding(file, line, said) for line, said in sorted(found)]


class _Reader:
    """Reads a module, function by function, in the order of the text."""

    def __init__(self, bound: Bound) -> None:
        self.found: list[tuple[int, str]] = []
        self._bound = bound
        self._rpclab: set[str] = set()  # what this module calls rpclab
        self._generators: set[str] = set()

    def read(self, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._imports(node)
            elif isinstance(node, ast.ClassDef):
                self._class(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _yields(node):
                self._generators.add(node.name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                self._attribute(node)
            elif isinstance(node, ast.Call):
                self._plain_call(node)
        self._scope(tree.body, {})

    def _say(self, node: ast.AST, text: str) -> None:
        self.found.append((getattr(node, "lineno", 0), text))

    # What a name means.

    def _imports(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module == "workers":
                for alias in node.names:
                    if alias.name not in SDK and alias.name != "*":
                        advice = _INSTEAD.get(alias.name, "leave it out")
                        self._say(node, f"`workers` there has no {alias.name}: {advice}")
            elif _first(module) == "rpclab":
                names = ", ".join(
                    f"{alias.name} ({_OF_RPCLAB.get(alias.name, 'leave it out')})"
                    for alias in node.names
                )
                self._say(node, f"there is no rpclab there: {names}")
            modules = [module] if not node.level else []
        else:
            modules = [alias.name for alias in node.names]
            for alias in node.names:
                if _first(alias.name) == "rpclab":
                    self._rpclab.add(alias.asname or "rpclab")
                    self._say(node, "there is no rpclab there: leave the import out")
        for module in modules:
            if _first(module) in _NOT_IN_WASM:
                self._say(
                    node, f"Python in WebAssembly does without {module}: do it in another way"
                )

    def _class(self, node: ast.ClassDef) -> None:
        if any(_last(base) == "RpcTarget" for base in node.bases):
            self._say(
                node,
                f"class {node.name}: objects of it stay where they are there, for the SDK has no"
                f" RpcTarget; {_INSTEAD['RpcTarget']}",
            )

    def _attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id in self._rpclab:
            advice = _OF_RPCLAB.get(node.attr, "leave it out")
            self._say(node, f"rpclab.{node.attr} is not there: {advice}")
        elif node.attr in _JAVASCRIPT:
            self._say(node, f".{node.attr} is spelled .{_JAVASCRIPT[node.attr]} there")

    def _plain_call(self, node: ast.Call) -> None:
        name = _last(node.func)
        if name == "to_thread" and _text(node.func) in ("asyncio.to_thread", "to_thread"):
            self._say(node, "there are no threads there: do it without to_thread")
        if name == "Response" and node.args and isinstance(node.args[0], ast.Call):
            made = _last(node.args[0].func)
            if made in self._generators:
                self._say(
                    node, f"a body there is no generator: give Response(…) what {made}() makes"
                )
        if (
            name == "Path"
            and any(isinstance(arg, ast.Name) and arg.id == "__file__" for arg in node.args)
        ) or (name in ("open", "files") and "__file__" in ast.dump(node)):
            self._say(
                node,
                'a file beside the code goes along there if "rules" in wrangler.jsonc names it'
                ' (type "Data" or "Text")',
            )

    # What comes of a call of another Worker.

    def _scope(self, body: list[ast.stmt], known: dict[str, str]) -> None:
        """Read statements; `known` says which variables are promises and which are stubs."""
        for statement in body:
            self._statement(statement, known)

    def _statement(self, node: ast.stmt, known: dict[str, str]) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._scope(node.body, dict(known))
            case ast.ClassDef():
                self._scope(node.body, {})
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._expression(value, known)
                self._bind(name, value, known)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self._expression(value, known)
                self._bind(name, value, known)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self._with(item, known)
                self._scope(node.body, known)
            case ast.Try():
                self._try(node, known)
            case _:
                for inner in ast.iter_child_nodes(node):
                    if isinstance(inner, ast.expr):
                        self._expression(inner, known)
                for field in ("body", "orelse", "finalbody"):
                    self._scope(getattr(node, field, []), known)
                for case in getattr(node, "cases", []):
                    self._scope(case.body, known)

    def _bind(self, name: str, value: ast.expr, known: dict[str, str]) -> None:
        kind = self._kind(value, known)
        if kind in ("promise", "stub"):
            known[name] = kind
        else:
            known.pop(name, None)

    def _with(self, item: ast.withitem, known: dict[str, str]) -> None:
        self._expression(item.context_expr, known)
        kind = self._kind(item.context_expr, known)
        if kind in ("promise", "stub"):
            what = _brief(item.context_expr)
            self._say(
                item.context_expr,
                f"`with {what}`: there a {'coroutine' if kind == 'promise' else 'stub'} is no"
                " context manager: await the call, and let go of the stub in `finally`",
            )
            if isinstance(item.optional_vars, ast.Name):
                known[item.optional_vars.id] = "stub"

    def _try(self, node: ast.Try, known: dict[str, str]) -> None:
        for statements in (node.body, node.orelse, node.finalbody):
            self._scope(statements, known)
        for handler in node.handlers:
            self._scope(handler.body, known)
        if not any(
            self._awaits_a_peer(inner, known) for each in node.body for inner in _inside(each)
        ):
            return
        for handler in node.handlers:
            kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
            names = [_text(kind) for kind in kinds if kind is not None]
            named = [name for name in names if name.rpartition(".")[2] not in _ANY]
            if named:
                self._say(
                    handler,
                    f"an error of another Worker is no {' or '.join(named)} there, but a"
                    " JsException: look at its text",
                )

    def _awaits_a_peer(self, node: ast.AST, known: dict[str, str]) -> bool:
        return isinstance(node, ast.Await) and self._kind(node.value, known) == "promise"

    def _expression(self, node: ast.expr, known: dict[str, str]) -> None:
        for inner in _inside(node):
            match inner:
                case ast.Attribute(value=value, attr=name) if name in _OWN and self._kind(
                    value, known
                ) in ("stub", "promise"):
                    self._say(inner, f".{name} of a stub is another Worker's method there")
                case ast.Attribute(value=value, attr=name) if self._kind(value, known) == "promise":
                    self._pipelined(inner, value, f".{name}")
                case ast.Subscript(value=value) if self._kind(value, known) == "promise":
                    self._pipelined(inner, value, "[…]")
                case ast.Call() if self._is_remote(inner.func, known):
                    self._arguments(inner, known)

    def _pipelined(self, node: ast.expr, promise: ast.expr, use: str) -> None:
        what = _brief(promise)
        first = f"`{what}` is awaited before `{use}`: `(await {what}){use}`"
        if isinstance(promise, ast.Name):
            first = f"`{what}` is a coroutine there, and awaited before `{use}` is used"
        self._say(node, f"pipelining: {first}; that is a round trip more")

    def _arguments(self, call: ast.Call, known: dict[str, str]) -> None:
        named = [keyword.arg for keyword in call.keywords if keyword.arg]
        for value in [*call.args, *(keyword.value for keyword in call.keywords)]:
            if self._kind(value, known) == "promise":
                what = _brief(value)
                self._say(
                    value,
                    f"pipelining: `{what}` is awaited before it is sent along: `await {what}`; that"
                    " is a round trip more",
                )
            elif isinstance(value, ast.Tuple):
                self._say(value, "a tuple is not sent there: make it a list")
        if named and _last(call.func) not in ("fetch", "put", "get", "list"):
            self._say(
                call,
                f"arguments by name ({', '.join(named)}) arrive there as one object after the"
                " others: give them in their order",
            )

    def _is_remote(self, function: ast.expr, known: dict[str, str]) -> bool:
        match function:
            case ast.Attribute(value=value):
                return self._kind(value, known) in ("service", "stub", "promise")
            case ast.Name(id=name):
                return known.get(name) in ("stub", "promise")
        return False

    def _kind(self, node: ast.expr, known: dict[str, str]) -> str:
        """What an expression is: a "service", "objects", "stub" or "promise" of one, or ""."""
        match node:
            case ast.Name(id=name):
                return known.get(name, "")
            case ast.Attribute(value=value, attr=name) if _is_env(value):
                if name in self._bound.bind:
                    return "service"
                return "objects" if name in self._bound.objects else ""
            case ast.Subscript(value=value, slice=ast.Constant(value=name)) if _is_env(value):
                return "service" if name in self._bound.bind else ""
            case ast.Await(value=value):
                return "stub" if self._kind(value, known) == "promise" else ""
            case ast.NamedExpr(value=value):
                return self._kind(value, known)
            case ast.Call(func=ast.Attribute(value=value, attr=name)):
                owner = self._kind(value, known)
                if owner == "objects":
                    return "stub" if name in _OBJECTS else ""
                if owner == "promise":
                    return "promise"
                if owner == "service" or (owner == "stub" and name not in _OF_VALUES | _OWN):
                    return "promise"
        return ""


def _is_env(node: ast.expr) -> bool:
    match node:
        case ast.Name(id="env"):
            return True
        case ast.Attribute(value=ast.Name(), attr="env"):
            return True
    return False


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """A node and those in it, without what other functions and classes say."""
    yield node
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from _inside(inner)


def _yields(function: Function) -> bool:
    return any(
        isinstance(node, ast.Yield | ast.YieldFrom)
        for statement in function.body
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for node in _inside(statement)
    )


def _first(module: str) -> str:
    return module.partition(".")[0]


def _last(node: ast.expr | None) -> str:
    return "" if node is None else _text(node).rpartition(".")[2]


def _text(node: ast.expr) -> str:
    return ast.unparse(node)


_LONGEST = 60  # characters of an expression that a finding quotes


def _brief(node: ast.expr) -> str:
    text = " ".join(_text(node).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
