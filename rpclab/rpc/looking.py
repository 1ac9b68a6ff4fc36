"""What is known here of the other side: the members of what a stub leads to, if it runs here.

Floor: rpc. For completion, help and `dir()`. Looking sends nothing, and runs no code of whoever
wrote the target: what could have a side effect is not read (see `rpclab.core.targets.surface`).
"""

from __future__ import annotations

import functools
import importlib
import inspect
import types
import typing
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, overload

from rpclab.core.hooks import ForwardHook, Hook, TargetHook
from rpclab.core.imports import RESOLVED
from rpclab.core.targets import FUNCTION_TYPES
from rpclab.core.targets import surface as names_reached
from rpclab.diagnostics.places import is_ours

if TYPE_CHECKING:
    from rpclab.core.imports import Handle, Import

_FORWARDS = 100
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
_LONG = 40  # characters of a default that is shown

RESERVED = frozenset(
    {"dup", "alarm", "web_socket_message", "web_socket_close", "web_socket_error",
     "webSocketMessage", "webSocketClose", "webSocketError"}
)  # fmt: skip
"""Event handlers of the platform, which cannot be called over RPC (rules C16, C17)."""

HTTP = frozenset({"fetch", "connect"})
"""Names that are no RPC on a binding (rules C19, C20)."""


def behind(entry: Import | None) -> Hook | None:
    """Find what an import stands for, if that runs in this process, or is known here."""
    for _ in range(_FORWARDS):
        peer = None if entry is None else entry.session.peer
        known = None if entry is None else getattr(entry.session, "known", None)
        if entry is not None and known is not None:
            found: Hook | None = known(entry)  # of a binding to another process of this sandbox
            return found
        if entry is None or peer is None:
            return None
        hook = peer.exports.get(entry.id)
        if not isinstance(hook, ForwardHook):
            return hook if isinstance(hook, Hook) else None
        entry = hook.entry
    return None


def led_to(handle: Handle) -> Any:
    """Give the target that a handle leads to, or the class of an entrypoint or object; or None."""
    hook = behind(handle.entry)
    if isinstance(hook, TargetHook):
        return hook.target
    kind = getattr(hook, "kind", None)
    try:
        return kind() if kind is not None else None
    except Exception:  # its Worker is not deployed, or lacks the class
        return None


def seen(remote: Any) -> Any:
    """Give what a stub, a binding or a promise that has its value leads to, as `led_to` does."""
    pending = getattr(type(remote), "__rpc_entry__", None)
    value = remote
    if pending is not None:
        promised = remote.__rpc_entry__
        if promised.state != RESOLVED:
            return None
        value = promised.value
    if type(value) is dict:
        return value
    handle = getattr(type(value), "__rpc_handle__", None)
    return led_to(handle(value)) if handle is not None else None


def names_of(value: Any) -> list[str]:
    """List what a caller may use of a target, a class of entrypoints or objects, or a dict."""
    try:
        names = names_reached(value)
    except TypeError:
        return []
    taken = RESERVED | HTTP if isinstance(value, type) else ()
    return [name for name in names if name not in taken]


@overload
def surface(value: object, *, types: Literal[False] = False) -> list[str]: ...
@overload
def surface(value: object, *, types: Literal[True]) -> dict[str, str]: ...
def surface(value: object, *, types: bool = False) -> list[str] | dict[str, str]:
    """List what a peer can reach of an object.

    Args:
        value: a target, an entrypoint (or the class of one), a function, or a dict.
        types: give also how each is called, as it is annotated; with `Sandbox(validate=True)` a
            call has to be just so.

    Returns:
        The names, sorted; with `types` a dict of each to a text such as "(amount: int = 1) -> int",
        or "int" of a property, or "" where nothing is known.

    Raises:
        TypeError: the value is passed by copy and has no members.
    """
    names = names_reached(value)
    if not types:
        return names
    return {name: _declared(step(value, name)) for name in names}


def _declared(member: Any) -> str:
    signature = signature_of(member)
    if signature is not None:
        return str(signature)
    reader = function_in(member)
    returned = None if reader is None else signature_of(reader)
    if returned is None or returned.return_annotation is returned.empty:
        return ""
    return str(returned.return_annotation)


def step(value: Any, name: str) -> Any:
    """Give a member as the class, or the dict, has it, without reading it; None if there is none.

    Args:
        value: what `seen` gives.
        name: of the member.

    Returns:
        A function, a property or another descriptor; of a dict its value.
    """
    if name not in names_of(value):
        return None
    if type(value) is dict:
        return value[name]
    if type(value) in FUNCTION_TYPES:
        return None
    kind = value if isinstance(value, type) else type(value)
    return next(base.__dict__[name] for base in kind.__mro__ if name in base.__dict__)


def function_in(member: Any) -> FunctionType | None:
    """Give the plain function that a member is, or that reads it."""
    if isinstance(member, property):
        member = member.fget
    elif isinstance(member, functools.cached_property):
        member = member.func
    return member if type(member) is FunctionType else None


def signature_of(member: Any, *, bound: bool = True) -> inspect.Signature | None:
    """Give how a member is called: annotations as texts, defaults where they are plain values.

    Args:
        member: what `step` gives.
        bound: whether its first parameter, the object, is left out.

    Returns:
        None where that is not known, or it is not called.
    """
    if type(member) is not FunctionType:
        return None
    function: FunctionType = member
    inner = function.__dict__.get("__wrapped__")
    is_handler = is_ours(function.__code__.co_filename) and type(inner) is FunctionType
    try:
        found = plain_signature(inner if is_handler and inner is not None else function)
    except (TypeError, ValueError):
        return None
    parameters = [_shown(parameter) for parameter in found.parameters.values()]
    if is_handler:  # a function of the module: over RPC it takes one argument
        parameters = parameters[:1]
    elif bound and parameters and parameters[0].kind <= inspect.Parameter.POSITIONAL_OR_KEYWORD:
        parameters = parameters[1:]
    returns = _annotation(found.return_annotation)
    return found.replace(parameters=parameters, return_annotation=returns)


def plain_signature(function: Any) -> inspect.Signature:
    """Give the signature of a function, without running code for its annotations.

    Raises:
        TypeError: it is no function, or has none that Python knows.
        ValueError: likewise.
    """
    if not hasattr(function, "__annotate__"):  # before Python 3.14
        return inspect.signature(function)
    # Else the annotations would be worked out, which is code of the Worker.
    texts: dict[str, Any] = {
        "annotation_format": importlib.import_module("annotationlib").Format.STRING
    }
    return inspect.signature(function, **texts)


class _Text:
    """Stands for an annotation or a default, and is shown as written."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _shown(parameter: inspect.Parameter) -> inspect.Parameter:
    default = parameter.default
    if default is not parameter.empty and not _is_short(default):
        default = _Text("…")
    return parameter.replace(annotation=_annotation(parameter.annotation), default=default)


def _is_short(value: Any) -> bool:
    if type(value) in (tuple, list):
        return len(value) <= 1 and all(map(_is_short, value))
    return type(value) in _PLAIN and len(repr(value)) <= _LONG


def _annotation(annotation: Any) -> Any:
    return annotation if annotation is inspect.Signature.empty else _Text(_written(annotation))


def _written(annotation: Any) -> str:
    """Write an annotation, asking nothing of the classes in it."""
    kind = type(annotation)
    if kind is str or annotation is None or annotation is types.NoneType:
        return annotation if kind is str else "None"
    if kind is list:  # the parameters of a Callable
        return f"[{', '.join(map(_written, annotation))}]"
    if kind in (types.GenericAlias, types.UnionType) or kind.__module__ == "typing":
        return _written_generic(annotation)
    if issubclass(kind, type):
        # As `type` has it, whatever the class of the class says.
        name: str = type.__dict__["__qualname__"].__get__(annotation)
        return name.rpartition("<locals>.")[2]
    return "..." if annotation is ... else repr(annotation) if _is_short(annotation) else "…"


def _written_generic(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    arguments = [_written(argument) for argument in typing.get_args(annotation)]
    if origin in (typing.Union, types.UnionType):
        return " | ".join(arguments)
    if origin is typing.Literal:
        arguments = [repr(value) if _is_short(value) else "…" for value in annotation.__args__]
    elif origin is typing.Annotated:
        return arguments[0]
    name = getattr(annotation, "_name", None) or getattr(annotation, "__name__", "…")
    if type(annotation) is types.GenericAlias:
        name = _written(origin)
    return f"{name}[{', '.join(arguments)}]" if arguments else str(name)


def doc_of(member: Any) -> str | None:
    """Give the docstring of a member, or of a target or class."""
    if isinstance(member, (property, functools.cached_property)) or type(member) is FunctionType:
        text = member.__doc__
    else:
        kind = member if isinstance(member, type) else type(member)
        text = next(
            (base.__dict__["__doc__"] for base in kind.__mro__[:1] if "__doc__" in base.__dict__),
            None,
        )
    return inspect.cleandoc(text) if type(text) is str else None
