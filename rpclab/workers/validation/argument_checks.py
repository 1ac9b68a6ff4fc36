"""The door of a context: each call's arguments are as the annotations say, or it does not run.

Floor: workers. Needs pydantic. What a method takes is read once; then a call costs the microsecond
or two that pydantic needs.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pydantic_core import ArgsKwargs, SchemaValidator, ValidationError
from pydantic_core import core_schema as core

from rpclab.codecs.sharing import is_shared
from rpclab.core.containers import CONTAINER_TYPES, DICT_TYPES
from rpclab.core.limits import DEFAULT_LIMITS
from rpclab.diagnostics.places import is_ours
from rpclab.previews import preview, shown, type_name
from rpclab.rpc.looking import plain_signature
from rpclab.workers.validation.schemas import ANY, Reader

if TYPE_CHECKING:
    from rpclab.core.messages import Keywords

_COUNTS = frozenset(
    {"missing_argument", "missing_keyword_only_argument", "missing_positional_only_argument",
     "multiple_argument_values", "unexpected_keyword_argument", "unexpected_positional_argument"}
)  # fmt: skip
"""Of these Python tells as well, when the method is called; so it may."""

_MODES: dict[Any, Any] = {
    inspect.Parameter.POSITIONAL_ONLY: "positional_only",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional_or_keyword",
    inspect.Parameter.KEYWORD_ONLY: "keyword_only",
}
_ABSENT: Any = object()
_LONG = 500  # characters of what is wrong


class Door:
    """Checks calls; what it knows of a function goes with that."""

    def __init__(self) -> None:
        self._methods: WeakKeyDictionary[Any, Check | None] = WeakKeyDictionary()
        self._functions: WeakKeyDictionary[Any, Check | None] = WeakKeyDictionary()

    def refusal(
        self, function: Any, args: Sequence[Any], kwargs: Keywords, *, bound: bool
    ) -> BaseException | None:
        """Say why a call is refused: a TypeError that names the path to what is wrong, or None."""
        if type(function) is MethodType:
            function, bound = function.__func__, True
        known = self._methods if bound else self._functions
        try:
            check = known.get(function, _ABSENT)
            if check is _ABSENT:
                check = known[function] = check_of(function, bound=bound)
        except TypeError:  # it cannot be remembered, so it is no function of Python
            return None
        return None if check is None else check.refusal(args, kwargs or {})


def check_of(function: Any, *, bound: bool) -> Check | None:
    """Read what a function takes; None where its annotations bound nothing.

    Args:
        function: a function, or a `functools.partial`.
        bound: whether its first parameter is the object that has it.
    """
    try:
        parameters = _parameters(function, bound=bound)
    except (TypeError, ValueError):  # it has no signature
        return None
    names = _globals_of(function)
    reader = Reader(names)
    try:
        fields = {each.name: reader.read(_meaning(each, names)) for each in parameters}
        if all(schema is ANY for schema in fields.values()):
            return None
        schema = reader.whole(_arguments(parameters, fields))
        validator = SchemaValidator(schema)
    except Exception:  # an annotation that means something to somebody else
        return None
    return Check(getattr(function, "__name__", "call"), parameters, validator, nested=reader.nested)


def _parameters(function: Any, *, bound: bool) -> list[inspect.Parameter]:
    inner = getattr(function, "__wrapped__", None)
    code = getattr(function, "__code__", None)
    if getattr(function, "__globals__", None) is vars(functools):
        return []  # `singledispatch` and its like look at types themselves
    if code is not None and is_ours(code.co_filename):
        if type(inner) is not FunctionType:
            return []
        # A function of the module: over RPC it takes one argument.
        return list(plain_signature(inner).parameters.values())[:1]
    parameters = list(plain_signature(function).parameters.values())
    return parameters[1:] if bound else parameters


def _globals_of(function: Any) -> dict[str, Any]:
    while True:
        inner = getattr(function, "__wrapped__", None) or getattr(function, "func", None)
        if inner is None:
            return getattr(function, "__globals__", None) or {}
        function = inner


def _meaning(parameter: inspect.Parameter, names: dict[str, Any]) -> Any:
    """What the annotation of a parameter means; Any where it is not annotated, or not known."""
    if parameter.annotation is parameter.empty:
        return Any
    holder: Any = FunctionType((lambda: None).__code__, names)
    holder.__annotations__ = {"it": parameter.annotation}
    try:
        return typing.get_type_hints(holder, include_extras=True)["it"]
    except Exception:  # a name that is there for type checkers alone
        return Any


def _arguments(parameters: Iterable[inspect.Parameter], fields: Mapping[str, Any]) -> Any:
    single, several = [], {}
    for each in parameters:
        schema = fields[each.name]
        if each.kind is each.VAR_POSITIONAL:
            several["var_args_schema"] = schema
        elif each.kind is each.VAR_KEYWORD:
            several["var_kwargs_schema"] = schema
        else:
            if each.default is not each.empty:
                schema = core.with_default_schema(schema, default=None)
            single.append(core.arguments_parameter(each.name, schema, mode=_MODES[each.kind]))
    return core.arguments_schema(single, **several)


class Check:
    """What one function takes.

    Args:
        name: of the function.
        parameters: what it takes of a caller.
        validator: of all its arguments.
        nested: whether what it takes has containers inside of containers.
    """

    def __init__(
        self,
        name: str,
        parameters: list[inspect.Parameter],
        validator: SchemaValidator,
        *,
        nested: bool,
    ) -> None:
        self._name = name
        self._positional = [
            each.name for each in parameters if each.kind <= each.POSITIONAL_OR_KEYWORD
        ]
        self._rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "")
        self._validate = validator.validate_python
        self._nested = nested

    def refusal(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> TypeError | None:
        """Say what is wrong with arguments, if anything is."""
        if self._nested and _is_endless([*args, *kwargs.values()]):
            return TypeError(
                f"{self._name}(): the arguments hold the same parts again and again, more than"
                f" {DEFAULT_LIMITS.message_objects} times: they cannot be checked"
            )
        try:
            self._validate(ArgsKwargs(tuple(args), dict(kwargs)))
        except ValidationError as error:
            return self._mismatch(error, args, kwargs)
        except Exception as error:  # of what an annotation brought along to look at values
            return TypeError(f"{self._name}(): {type_name(error)} while the arguments were checked")
        return None

    def _mismatch(
        self, error: ValidationError, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TypeError | None:
        found: dict[str, list[Any]] = {}
        for each in error.errors(include_url=False, include_context=False):
            if each["type"] in _COUNTS:
                return None
            found.setdefault("".join(self._path(each, args, kwargs)), []).append(each)
        # Of the choices that a union gives, the one that fits best leads furthest in.
        path = max(found, key=lambda path: path.count(".") + path.count("["))
        wrong = found[path]
        says = [str(each["msg"]).removeprefix("Input ") for each in wrong]
        says = list(dict.fromkeys(text.removeprefix("should be ") for text in says))
        value = wrong[0]["input"]
        what = f"{preview(value, 40)} ({type_name(value)})"
        if wrong[0]["type"] == "missing":
            text = f"{self._name}(): {path} is missing"
        else:
            text = f"{self._name}(): {path} is {what}, and should be {' or '.join(says)}"
        mismatch = TypeError(shown(text, _LONG))
        if len(found) > 1:
            mismatch.add_note(f"{len(found) - 1} more of the arguments' parts are wrong")
        return mismatch

    def _path(self, wrong: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[str]:
        """Lead to what is wrong. What else pydantic names, a choice of a union, say, is no step."""
        first, *others = wrong["loc"]
        if type(first) is int:
            value: Any = args[first]
            if first < len(self._positional):
                yield self._positional[first]
            else:
                yield f"{self._rest}[{first - len(self._positional)}]"
        else:
            value = kwargs.get(first)
            yield first
        for part in others:
            if type(value) in DICT_TYPES and part in value:
                value = value[part]
                plain = type(part) is str and part.isidentifier()
                yield f".{shown(part, 40)}" if plain else f"[{preview(part, 40)}]"
            elif type(value) in (list, tuple) and type(part) is int:
                value = value[part]
                yield f"[{part}]"
            elif wrong["type"] == "missing" and part is others[-1]:
                yield f".{shown(str(part), 40)}"


def _is_endless(values: list[Any]) -> bool:
    """Whether to walk through values would take forever, because parts of them are shared.

    Each part is counted as often as a walk comes by it, which a few shared lists can make any
    number of times. A part that holds itself ends a walk.
    """
    if not is_shared(values, DEFAULT_LIMITS.nesting * 2, []):
        return False
    most = DEFAULT_LIMITS.message_objects
    sizes: dict[int, int] = {}
    left: list[tuple[Any, bool]] = [(values, False)]
    while left:
        value, inside_is_counted = left.pop()
        inside = [*value, *value.values()] if type(value) in DICT_TYPES else value
        if inside_is_counted:
            sizes[id(value)] = 1 + sum(
                sizes.get(id(part), 1) if type(part) in CONTAINER_TYPES else 1 for part in inside
            )
            if sizes[id(value)] > most:
                return True
        elif id(value) not in sizes:
            sizes[id(value)] = 1  # as long as it is being counted
            left.append((value, True))
            left += [(part, False) for part in inside if type(part) in CONTAINER_TYPES]
    return False
