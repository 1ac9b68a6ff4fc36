"""What a peer can reach of an object: the visibility rule, and nothing else.

Floor: core. Nothing that could have a side effect is read in order to decide.

Visible are the names that do not begin with an underscore, and are not empty, and whose value, in
the first class of the MRO that has the name, is a descriptor (a function, a property, a cached
property, a wrapped function), if that class itself derives from an exposed base. Rules C9 to
C17, E5, T1 to T3, F4.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING, Any, TypeGuard

from rpclab.core.containers import DICT_TYPES
from rpclab.errors import NoSuchMemberError, absent_member, no_such_member

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Exposed:
    """The root of the classes whose members a peer may reach."""

    __slots__ = ()


class RpcTarget(Exposed):
    """The base of objects that are passed by reference: a peer gets a stub of them.

    Methods and properties of the class can be called and awaited through the stub; attributes of
    the instance cannot (rules T1, T2). A method `dispose(self)`, plain or async, runs once for each
    stub made of the object, when the last handle of that stub is gone; no peer can call it.
    """

    __slots__ = ("__dict__", "__weakref__")


FUNCTION_TYPES = frozenset(
    {
        types.FunctionType,
        types.BuiltinFunctionType,
        types.MethodType,
        functools.partial,
        # What a `singledispatchmethod` gives: a function before Python 3.14.
        getattr(functools, "_singledispatchmethod_get", types.FunctionType),
    }
)

_NEVER = (
    staticmethod,
    classmethod,
    type,
    types.MemberDescriptorType,
    types.GetSetDescriptorType,
)
_BARE = frozenset({object, Exposed, RpcTarget})
_MISSING = object()
_attributes = object.__getattribute__  # as the interpreter finds them, not as a class may say
_classes_of = type.__dict__["__mro__"].__get__  # nor as a metaclass may
_members_of = type.__dict__["__dict__"].__get__


def is_function(value: object) -> TypeGuard[Callable[..., Any]]:
    """Whether a value is sent as a stub that calls back (rule F1)."""
    return type(value) in FUNCTION_TYPES


def is_target(value: object) -> bool:
    """Whether a value is sent as a stub rather than copied."""
    # An object may say of itself that it is of another class, as a mock does.
    return issubclass(type(value), RpcTarget) or type(value) in FUNCTION_TYPES


def attribute_of(kind: type, name: str) -> Any:
    """What a class has under that name; None where there is nothing, or its metaclass raises."""
    try:
        return getattr(kind, name, None)
    except Exception:
        return None


def is_passive(kind: type) -> bool:
    """Whether nothing is to be done with a target of this class: no disposer, nor is it awaited."""
    for base in _classes_of(kind):
        if base not in _BARE:
            members = _members_of(base)
            if "dispose" in members or "__await__" in members:
                return False
    return True


def method_of(target: object, name: str) -> Callable[..., Any] | None:
    """Give the plain function that is the method `name` of a target, or None.

    None means only that the case is not the ordinary one; `read_member` decides the others.
    """
    owner, function = _member(type(target), name)
    if (
        type(function) is types.FunctionType
        and _may_be_seen(name)
        and issubclass(owner, Exposed)
        and name not in instance_attributes(target)
    ):
        return function
    return None


def is_ordinary(kind: type) -> bool:
    """Whether no code of the class runs when its attributes, and its instances' dict, are read."""
    return (
        type(kind) is type
        and inspect.getattr_static(kind, "__getattribute__") is _attributes
        and type(inspect.getattr_static(kind, "__dict__")) is types.GetSetDescriptorType
    )


def instance_attributes(target: object) -> dict[str, object]:
    """The attributes of the instance itself, without running any code of its class."""
    try:
        return _attributes(target, "__dict__")  # type: ignore[no-any-return]
    except AttributeError:
        return {}


def read_member(target: object, name: str) -> object:
    """Read a visible member of a target: a bound method, or a property's value.

    Raises:
        NoSuchMemberError: there is none, or it is hidden (rules C6, T2).
        Exception: whatever the property raises.
    """
    attribute = _visible(type(target), name)
    hidden = name in instance_attributes(target) and not hasattr(type(attribute), "__set__")
    if attribute is _MISSING and not hidden:
        raise absent_member(name, surface(target))
    if attribute is _MISSING or (hidden and type(attribute) is not functools.cached_property):
        raise no_such_member(name, surface(target))
    return attribute.__get__(target, type(target))


def no_such_step(path: Sequence[str], position: int, value: object) -> NoSuchMemberError:
    """Build the error for a path that cannot go on with `path[position]` from `value`.

    It names the member that a dict lacks, and else the one that cannot be entered (rules P2, P4).
    """
    build = absent_member if value is not None and position == len(path) - 1 else no_such_member
    if isinstance(value, dict) and type(value) in DICT_TYPES:
        return build(path[position], (key for key in value if type(key) is str))
    return build(path[max(position - 1, 0)])


def read_function_attribute(function: object, name: str) -> object:
    """Read an attribute that was set on a function (rule F4).

    Raises:
        NoSuchMemberError: there is none, or its name begins with an underscore.
    """
    attributes = function_attributes(function)
    if name not in attributes:
        raise absent_member(name, attributes)
    return attributes[name]


def function_attributes(function: object) -> dict[str, object]:
    """The attributes of a function that a peer can see.

    What a decorator of `functools` hangs there (`register`, `cache_parameters` …) is none of them.
    """
    while type(function) is types.MethodType:
        function = function.__func__
    found = getattr(function, "__dict__", {})
    return {
        name: value
        for name, value in found.items()
        if type(name) is str and _may_be_seen(name) and not _is_of_a_decorator(value)
    }


def _is_of_a_decorator(value: object) -> bool:
    """Whether `functools` has made this attribute of a function; `wraps` copies those, too."""
    if type(value) is types.MappingProxyType:  # the registry of a singledispatch function
        return True
    while type(value) is types.MethodType:
        value = value.__func__
    return (
        type(value) is types.FunctionType
        and value.__globals__ is vars(functools)
        and "__wrapped__" not in value.__dict__  # a user's function that is decorated itself
    )


def disposer_of(target: object) -> Callable[[], Any] | None:
    """Give the callable that runs when the last handle of a stub is gone, or None (T6, O17)."""
    kind = type(target)
    if kind in FUNCTION_TYPES:
        while type(target) is types.MethodType:
            target = target.__func__
        dispose = getattr(target, "__dict__", {}).get("dispose")
        return dispose if callable(dispose) else None
    if type(kind) is type and not hasattr(kind, "dispose"):
        return None
    owner, attribute = _member(kind, "dispose")
    visible = issubclass(owner, Exposed) and hasattr(type(attribute), "__get__")
    return attribute.__get__(target, kind) if visible else None


def surface(value: object) -> list[str]:
    """List what a peer can reach of an object.

    Args:
        value: a target, an entrypoint (or the class of one), a function, or a dict.

    Returns:
        The names, sorted.

    Raises:
        TypeError: the value is passed by copy and has no members.
    """
    if isinstance(value, dict):
        return sorted(key for key in value if type(key) is str)
    if is_function(value):
        return sorted(function_attributes(value))
    kind = value if isinstance(value, type) else type(value)
    if not issubclass(kind, Exposed):
        if hasattr(kind, "__rpc_refer__"):
            raise TypeError(f"what a {kind.__name__} reaches is known where it leads: ask there")
        raise TypeError(
            f"a peer reaches no members of a {kind.__name__}: derive it from rpclab.RpcTarget"
        )
    own = instance_attributes(value) if kind is not value else {}
    names = {name for base in _classes_of(kind) for name in _members_of(base)}
    return sorted(
        name
        for name in names
        if (attribute := _visible(kind, name)) is not _MISSING
        and (
            name not in own
            or hasattr(type(attribute), "__set__")
            or type(attribute) is functools.cached_property
        )
    )


def _may_be_seen(name: str) -> bool:
    """Whether a peer may ask for this name at all."""
    return name != "" and name[0] != "_" and name != "dispose"


def _visible(kind: type, name: str) -> Any:
    """The class attribute of that name if a peer may see it, else _MISSING."""
    owner, attribute = _member(kind, name)
    if (
        _may_be_seen(name)
        and issubclass(owner, Exposed)
        and hasattr(type(attribute), "__get__")
        and not isinstance(attribute, _NEVER)
    ):
        return attribute
    return _MISSING


def _member(kind: type, name: str) -> tuple[type, Any]:
    """Give the first class of the MRO that has the name, and what it has; or `object`, _MISSING."""
    for owner in _classes_of(kind):
        members = _members_of(owner)
        if name in members:
            return owner, members[name]
    return object, _MISSING
