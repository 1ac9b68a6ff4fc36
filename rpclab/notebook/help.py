"""What `?` and Shift-Tab say of something remote.

Floor: notebook. They look at the class that runs here, and send nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rpclab.diagnostics.places import definition_site
from rpclab.errors import near
from rpclab.notebook.expressions import Named, named_by, thing_of
from rpclab.rpc.looking import function_in
from rpclab.rpc.remote import Remote
from rpclab.rpc.stubs import RpcProperty

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_NOT_OURS = (
    "length", "call_def", "call_docstring", "class_docstring", "init_definition", "init_docstring",
    "file", "source",
)  # fmt: skip


def help_of_the_remote(shell: InteractiveShell) -> Callable[[], None]:
    """Have IPython describe what is remote as the class at the other side says.

    Returns:
        A function that takes this back.
    """
    inspector: Any = shell.inspector
    original = inspector.info

    def info(obj: Any, oname: str = "", info: Any = None, detail_level: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = original(obj, oname=oname, info=info, detail_level=detail_level)
        if isinstance(obj, Remote):
            found |= dict.fromkeys(_NOT_OURS)
            found |= _of_a_member(obj, oname) if isinstance(obj, RpcProperty) else _of(obj)
        return found

    inspector.info = info

    def undo() -> None:
        if vars(inspector).get("info") is info:
            del inspector.info

    return undo


def _of_a_member(member: RpcProperty, oname: str) -> dict[str, Any]:
    """Describe a method or a property that was named."""
    owner, named = named_by(member)
    signature = named.signature()
    if named == Named():
        name = oname.rpartition(".")[2]
        hint = near(name, owner.names()) if owner is not None else ""
        text = "Nothing is known of a member of that name; awaiting or calling it asks the other"
        return {"docstring": f"{text} side.{f' There: {hint}' if hint else ''}"}
    is_method = bool(signature) or (named.text is not None and not named.text.is_property)
    name = oname or member.__path__
    return {
        "type_name": "remote method" if is_method else "remote property: await it to read it",
        "definition": f"{name}{signature}" if signature else None,
        "docstring": named.doc() or "<no docstring>",
        "file": definition_site(function_in(named.found)),
    }


def _of(remote: Any) -> dict[str, Any]:
    """Describe a stub, a binding or a promise: what it leads to, and what may be called there."""
    thing = thing_of(remote)
    if thing is None or not thing.names():
        return {}
    members = [name for name in thing.names() if name not in thing.local]
    lines = [_line(name, thing.member(name)) for name in members]
    doc = thing.doc()
    return {
        "type_name": f"{type(remote).__name__} of {thing.called()}",
        "definition": None,
        "docstring": "\n".join([*([doc, ""] if doc else []), *lines]) or "<no members>",
    }


def _line(name: str, member: Named) -> str:
    doc, _, _ = member.doc().partition("\n")
    return f"{name}{member.signature()}" + (f"    {doc}" if doc else "")
