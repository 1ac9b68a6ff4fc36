"""What the kernel of JupyterLite needs, which runs Python in a browser, on Pyodide.

Floor: notebook. It has one parent for all output: that of the message that came last. So what a
task or a Worker prints after its cell has ended would go to whatever runs by then. And JupyterLite
drops the cells that wait behind one that failed, also where that one is meant to fail.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_parent: ContextVar[Any] = ContextVar("rpclab_parent")
"""The request whose output this is: one for each cell, and for what it starts."""

_DISPLAYS = ("display_data_callback", "update_display_data_callback", "clear_output_callback")


def output_under_its_cell(shell: InteractiveShell) -> Callable[[], None]:
    """Have the output of Pyodide's kernel go to the cell that caused it, whenever it comes.

    Returns:
        A function that takes this back.
    """
    kernel: Any = getattr(shell, "kernel", None)
    if type(kernel).__name__ != "PyodideKernel":
        return lambda: None
    _parent.set(kernel._parent_header)  # the cell that loads the extension
    run = kernel.run

    # No coroutine function: what comes before the first step of a task could be another message.
    def run_under(code: str) -> Coroutine[Any, Any, Any]:
        return run_with(code, kernel._parent_header)

    async def run_with(code: str, header: Any) -> Any:
        _parent.set(header)
        try:
            reply = await run(code)
        finally:
            kernel._parent_header = header  # the page is told of an error of the cell by it
        return _shown(reply, header) if _is_meant_to_fail(header) else reply

    undo = [_put(kernel, "run", run_under)]
    from pyodide_kernel import display  # noqa: PLC0415 - of that kernel

    undo += [
        _publish_under_the_parent(owner, name, kernel)
        for owner, names in (
            (display.LiteStream, ("publish_stream_callback",)),
            (display.LiteDisplayPublisher, _DISPLAYS),
            (display.LiteDisplayHook, ("publish_execution_result",)),
        )
        for name in names
    ]

    def take_back() -> None:
        while undo:
            undo.pop()()

    return take_back


def _publish_under_the_parent(owner: type, name: str, kernel: Any) -> Callable[[], None]:
    """Have what the page puts in an attribute, a function, tell the parent that the output has.

    It is put there for each cell anew. (The `write` of a stream is no place for that: IPython puts
    back what was there when the cell began.)
    """

    def get(self: Any) -> Any:
        publish = vars(self)[name]

        def publish_under(*args: Any) -> None:
            before = kernel._parent_header
            kernel._parent_header = _parent.get(before)
            try:
                publish(*args)
            finally:
                kernel._parent_header = before

        return publish and publish_under

    def put(self: Any, publish: Any) -> None:
        vars(self)[name] = publish

    setattr(owner, name, property(get, put))
    return lambda: delattr(owner, name)


def parent_of_output(shell: InteractiveShell) -> tuple[ContextVar[Any], ...]:
    """The context variables, none in other kernels, that calls have to carry."""
    kernel = getattr(shell, "kernel", None)
    return (_parent,) if type(kernel).__name__ == "PyodideKernel" else ()


def _is_meant_to_fail(header: Any) -> bool:
    """Whether the cell of a request has the tag that lets the cells below it run all the same."""
    return "raises-exception" in (header.get("metadata") or {}).get("tags", ())


def _shown(reply: dict[str, Any], header: Any) -> dict[str, Any]:
    """Show the error of a cell as the kernel does, and give a reply that tells of none."""
    if reply["status"] != "error":
        return reply
    import js  # noqa: PLC0415 - of the browser
    from pyodide.ffi import to_js  # noqa: PLC0415 - likewise

    error = {name: reply[name] for name in ("ename", "evalue", "traceback")}
    message = {"type": "execute_error", "bundle": error, "parentHeader": header["header"]}
    js.postMessage(to_js({"_kernelMessage": message}, dict_converter=js.Object.fromEntries))
    return {"status": "ok", "payload": reply["payload"], "user_expressions": {}}


def _put(owner: Any, name: str, function: Callable[..., Any]) -> Callable[[], None]:
    setattr(owner, name, function)

    def undo() -> None:
        if vars(owner).get(name) is function:
            delattr(owner, name)

    return undo
