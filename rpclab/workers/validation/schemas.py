"""From annotations to schemas of pydantic: what a value that came over a session may be.

Floor: workers. Needs pydantic. Data is checked strictly, at any depth: an int is no text, True is
no int. What is passed by reference (a stub, a target, a function, a stream) is checked for being
just that, where an annotation names a class of targets or a `Callable`.
"""

from __future__ import annotations

import collections
import collections.abc
import datetime as dt
import decimal
import enum
import fractions
import re
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any

import pydantic
import typing_extensions
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core import core_schema as core

from rpclab.core.targets import Exposed, is_target
from rpclab.rpc.stubs import RpcStub

_STRICT = pydantic.ConfigDict(strict=True, arbitrary_types_allowed=True)

_PLAIN: dict[Any, CoreSchema] = {
    None: core.none_schema(),
    types.NoneType: core.none_schema(),
    bool: core.bool_schema(strict=True),
    int: core.int_schema(strict=True),
    float: core.float_schema(strict=True),
    str: core.str_schema(strict=True),
    bytes: core.bytes_schema(strict=True),
    complex: core.complex_schema(strict=True),
    dt.datetime: core.datetime_schema(strict=True),
    dt.date: core.date_schema(strict=True),
}
_DATA = (
    dt.time, dt.timedelta, decimal.Decimal, fractions.Fraction, uuid.UUID, re.Pattern,
    enum.Enum, bytearray, memoryview,
)  # fmt: skip
"""Further classes of data: nothing that is passed by reference takes their place."""

_CALLABLE: Any = collections.abc.Callable
_SEQUENCES = (collections.abc.Sequence, collections.abc.MutableSequence)
_SETS = (set, collections.abc.Set, collections.abc.MutableSet)
_MAPPINGS = (
    dict, collections.OrderedDict, collections.defaultdict, collections.abc.Mapping,
    collections.abc.MutableMapping,
)  # fmt: skip
_TRANSPARENT = {
    getattr(module, name)
    for module in (typing, typing_extensions)
    for name in ("Required", "NotRequired", "ReadOnly", "ClassVar", "Final")
    if hasattr(module, name)
}


def is_reference(value: object) -> bool:
    """Whether a value is passed by reference: a stub, a target, a function, a stream."""
    return hasattr(type(value), "__rpc_refer__") or is_target(value)


def _reference(value: Any) -> Any:
    if is_reference(value):
        return value
    raise PydanticCustomError("by_reference", "Input should be a stub, a target or a function")


REFERENCE = core.no_info_plain_validator_function(_reference)
ANY = core.any_schema()


class Reader:
    """Reads the annotations of one method.

    Args:
        names: what a name in an annotation means: the globals of its module.

    Attributes:
        nested: whether one of them has containers inside of containers, so that a value whose parts
            stand in it many times would be looked at many times.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self.nested = False
        self._names = names
        self._depth = 0
        self._definitions: dict[str, CoreSchema | None] = {}

    def whole(self, schema: CoreSchema) -> CoreSchema:
        """Give a schema together with what it refers to."""
        known = [each for each in self._definitions.values() if each is not None]
        return core.definitions_schema(schema, known) if known else schema

    def read(self, annotation: Any) -> CoreSchema:
        """Say what a value may be, to which that annotation is given.

        An annotation that says nothing about a value that is copied allows any.
        """
        if isinstance(annotation, type | None) and annotation in _PLAIN:
            return _PLAIN[annotation]
        origin = typing.get_origin(annotation)
        arguments = typing.get_args(annotation)
        if origin in (typing.Union, types.UnionType):
            return _either([self.read(argument) for argument in arguments])
        if origin in (typing.Annotated, typing_extensions.Annotated):
            return self._annotated(arguments[0], arguments[1:])
        if origin in (typing.Literal, typing_extensions.Literal):
            return core.literal_schema(list(arguments))
        if origin in _TRANSPARENT:
            return self.read(arguments[0])
        if hasattr(annotation, "__supertype__"):  # NewType
            return self.read(annotation.__supertype__)
        if type(annotation).__name__ == "TypeAliasType":
            return self._defined(annotation, lambda: self.read(annotation.__value__))
        kind = origin or annotation
        if not isinstance(kind, type):
            return ANY  # Any, a type variable, a name that is nowhere
        return self._class(kind, arguments)

    def _class(self, kind: type, arguments: tuple[Any, ...]) -> CoreSchema:
        if kind is list or kind in _SEQUENCES or kind in _SETS or kind is frozenset:
            return self._items(kind, arguments[0] if arguments else Any)
        if kind is tuple:
            return self._tuple(arguments)
        if kind in _MAPPINGS or kind is collections.Counter:
            return self._mapping(kind, arguments)
        if typing_extensions.is_typeddict(kind):
            return self._defined(kind, lambda: self._record(kind))
        if issubclass(kind, (Exposed, RpcStub)) or kind is _CALLABLE:
            return REFERENCE
        if kind in (object, type) or getattr(kind, "_is_protocol", False):
            return ANY
        # No class of a user is ever sent, but a stub may stand for an object of it.
        schema = core.is_instance_schema(kind)
        return schema if issubclass(kind, _DATA) else _either([schema, REFERENCE])

    def _annotated(self, inner: Any, metadata: tuple[Any, ...]) -> CoreSchema:
        schema = self.read(inner)
        try:
            # What it says of a value holds for any; so its class is ours to look at.
            adapter = pydantic.TypeAdapter(typing.Annotated[(Any, *metadata)], config=_STRICT)
            further = adapter.core_schema
        except Exception:  # it is meant for somebody else
            return schema
        return schema if further["type"] == "any" else core.chain_schema([schema, further])

    # Containers: after the first wrong part nothing more is looked for.

    def _inside(self, annotation: Any) -> CoreSchema:
        self.nested = self.nested or self._depth > 0
        self._depth += 1
        try:
            return self.read(annotation)
        finally:
            self._depth -= 1

    def _items(self, kind: type, item: Any) -> CoreSchema:
        inside = self._inside(item)
        if kind in _SETS:
            return core.set_schema(inside, fail_fast=True, strict=True)
        if kind is frozenset:
            return core.frozenset_schema(inside, fail_fast=True, strict=True)
        a_list = core.list_schema(inside, fail_fast=True, strict=True)
        if kind is list or kind is collections.abc.MutableSequence:
            return a_list
        a_tuple = core.tuple_schema([inside], variadic_item_index=0, fail_fast=True, strict=True)
        # A text is a sequence of texts, and bytes are one of ints.
        others = [_PLAIN[str]] * (item in (Any, str)) + [_PLAIN[bytes]] * (item in (Any, int))
        return core.union_schema([a_list, a_tuple, *others])

    def _tuple(self, arguments: tuple[Any, ...]) -> CoreSchema:
        endless = len(arguments) == 2 and arguments[1] is ...  # noqa: PLR2004 - tuple[X, ...]
        kept = arguments[:1] if endless or not arguments else arguments
        items = [self._inside(item) for item in kept]
        if not arguments:
            return core.is_instance_schema(tuple)
        return core.tuple_schema(
            items, variadic_item_index=0 if endless else None, fail_fast=True, strict=True
        )

    def _mapping(self, kind: type, arguments: tuple[Any, ...]) -> CoreSchema:
        if kind is collections.Counter:
            arguments = (*arguments[:1], int)
        keys, values, *_ = (*arguments, Any, Any)
        return core.dict_schema(
            self._inside(keys), self._inside(values), fail_fast=True, strict=True
        )

    def _record(self, kind: Any) -> CoreSchema:
        try:
            own = self._names if kind.__module__ == self._names.get("__name__") else None
            hints = typing_extensions.get_type_hints(kind, own, include_extras=True)
        except Exception:  # a name in it means nothing here
            return core.dict_schema(strict=True)
        fields = {
            name: core.typed_dict_field(
                self._inside(hint), required=_is_required(hint, name in kind.__required_keys__)
            )
            for name, hint in hints.items()
        }
        return core.typed_dict_schema(fields, strict=True)

    def _defined(self, named: Any, make: Callable[[], CoreSchema]) -> CoreSchema:
        """Read something that may lead back to itself."""
        ref = f"{getattr(named, '__qualname__', named)}:{id(named)}"
        if ref not in self._definitions:
            self._definitions[ref] = None
            made: Any = make()
            self._definitions[ref] = {**made, "ref": ref}
        else:
            self.nested = True  # what leads back to itself may be of any depth
        return core.definition_reference_schema(ref)


def _is_required(hint: Any, otherwise: bool) -> bool:  # noqa: FBT001 - private
    """Whether a key of a record has to be there; a text of an annotation hides that from Python."""
    name = getattr(typing.get_origin(hint), "_name", "")
    return {"Required": True, "NotRequired": False}.get(name, otherwise)


def _either(schemas: list[CoreSchema]) -> CoreSchema:
    return ANY if ANY in schemas else core.union_schema(list(schemas))
