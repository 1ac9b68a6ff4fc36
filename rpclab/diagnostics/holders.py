"""What keeps a Python object alive, in the words of the program: "variable counter", "Out[3]".

Floor: rpc. Asks the garbage collector, level by level, from the object up to something that has a
name. Runs no code of what it meets, keeps none of it, and sends nothing.
"""

from __future__ import annotations

import gc
import re
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from types import (
    AsyncGeneratorType,
    CellType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MemberDescriptorType,
    MethodType,
    TracebackType,
)
from typing import Any

from rpclab.core.hooks import TargetHook
from rpclab.core.imports import Pending
from rpclab.core.targets import instance_attributes
from rpclab.diagnostics.places import is_machinery
from rpclab.rpc.stubs import RpcPromise, RpcProperty
from rpclab.rpc.waiter import Countdown, Waiter

_DEPTH = 24  # how far up to look: tracebacks make long chains
_NODES = 5_000  # how many objects to look at
_OPTIMIZED = 0x1  # marks code whose variables are in no dict
_ECHO = re.compile(r"_{1,3}|_\d+")
_LAST = ("last_value", "last_exc", "last_traceback")
_CONTAINERS: dict[type, str] = {
    list: "a list", tuple: "a tuple", set: "a set", frozenset: "a set", deque: "a deque",
}  # fmt: skip
_TRANSPARENT = (CellType, Pending)
_SUSPENDABLE = {CoroutineType: "cr", GeneratorType: "gi", AsyncGeneratorType: "ag"}
_EXITS = ("__exit__", "__aexit__")
_JUST_AWAITED = "the await that gave it, until the code waits again"


class Holders:
    """Finds what holds some objects; each is asked for by its place in the list.

    Args:
        objects: the objects.
        workers: the name of each Worker, by the `id` of its module's dict.
    """

    def __init__(self, objects: list[Any], workers: Mapping[int, str]) -> None:
        self._workers = workers
        self._nodes: list[Any] = list(objects)
        self._numbers = {id(node): number for number, node in enumerate(self._nodes)}
        self._above: list[list[int]] = [[] for _ in self._nodes]
        self._starts = len(self._nodes)
        self._internal: set[int] = set()
        self._just_awaited: set[int] = set()
        self._variables = _running_variables()
        self._frozen = _frozen_namespaces() if gc.get_freeze_count() else {}
        self._search({id(objects), id(self._nodes)})

    def of(self, number: int) -> list[str]:
        """Say what holds an object; in the same words and the same order on every run."""
        found = set(self._variables.get(id(self._nodes[number]), ()))
        weak = False
        for parent in self._above[number]:
            found.update(self._phrases(number, parent))
            weak = weak or parent in self._just_awaited
        if not found and (weak or number in self._just_awaited):
            return [_JUST_AWAITED]
        return sorted(found, key=lambda text: (not text.startswith("variable "), text))

    # The search, upwards.

    def _search(self, ignored: set[int]) -> None:
        level = range(self._starts)
        for _ in range(_DEPTH):
            # A tuple goes to C as it is; of a list a copy would be made, which then is a referrer.
            asked = tuple(self._nodes[n] for n in level if n < self._starts or not self._ends(n))
            if not asked or len(self._nodes) > _NODES:
                return
            found = gc.get_referrers(*asked)
            ignored |= {id(found), id(asked)}
            first = len(self._nodes)
            wanted = {id(node) for node in asked}
            for referrer in found:
                if id(referrer) not in ignored:
                    self._note(referrer, wanted)
            for node in asked:
                for namespace in self._frozen.get(id(node), ()):
                    self._add(namespace, {self._numbers[id(node)]})
            # Else the next level would find these two among what holds the objects.
            ignored -= {id(found), id(asked)}
            del found, asked
            level = range(first, len(self._nodes))

    def _note(self, referrer: Any, wanted: set[int]) -> None:
        below = {id(part) for part in gc.get_referents(referrer)} & wanted
        children = {self._numbers[part] for part in below}
        if type(referrer) in (Waiter, Countdown):
            self._just_awaited |= children
        elif _is_internal(referrer):
            self._internal |= children
        else:
            self._add(referrer, children)

    def _add(self, parent: Any, children: set[int]) -> None:
        number = self._numbers.get(id(parent))
        if number is None:
            number = self._numbers[id(parent)] = len(self._nodes)
            self._nodes.append(parent)
            self._above.append([])
        if number >= self._starts:
            for child in children:
                self._above[child].append(number)

    def _ends(self, number: int) -> bool:
        """Whether a node says enough, so that nobody needs to know what holds it."""
        node = self._nodes[number]
        kind = type(node)
        if kind in (FunctionType, TargetHook, *_SUSPENDABLE) or _full_name(kind) in _ENDS:
            return True
        return issubclass(kind, type) or _is_namespace(node) or id(node) in self._variables

    # The words, downwards.

    def _phrases(self, number: int, parent: int) -> list[str]:
        """Say by which shortest ways a parent of an object is held by something with a name."""
        ways = [[number, parent]]
        seen = {number, parent}
        while ways:
            ended = [way for way in ways if self._ends(way[-1])]
            if ended:
                phrases = sorted(text for way in ended for text in self._texts(way))
                return phrases if len(ended[0]) == 2 else phrases[:1]  # noqa: PLR2004 - direct
            longer = []
            for way in ways:
                for above in self._above[way[-1]]:
                    if above not in seen:
                        seen.add(above)
                        longer.append([*way, above])
            ways = longer
        # Held by nothing with a name: by rpclab, which does not count, or by a cycle, or by C code.
        if seen & (self._internal | self._just_awaited):
            return []
        rest = "a traceback" if type(self._nodes[parent]) is FrameType else ""
        return [_join([text, rest]) for text in self._texts([number, parent])]

    def _texts(self, way: list[int]) -> list[str]:
        nodes = [self._nodes[number] for number in way]
        words: list[str] = []
        names: list[str] | None = None
        for position in range(1, len(nodes)):
            child, parent = nodes[position - 1 : position + 1]
            if position + 1 < len(nodes) and _owns(nodes[position + 1], parent):
                continue  # the dict of an object: the object speaks for it
            if position > 1 and _owns(parent, child):
                child = nodes[position - 2]
            names = self._end(parent, child)
            if names is None:
                step = _step(parent, child)
                words += [step] if step not in words[-1:] else []
        if names is None:
            names = self._variables.get(id(nodes[-1]), [""])
        return [_join([*words, name]) for name in names]

    def _end(self, parent: Any, child: Any) -> list[str] | None:
        """Name the end of a way; there may be several names, or (None) it is no such end."""
        if _is_namespace(parent):
            return self._names(parent, child)
        if type(parent) in _SUSPENDABLE:
            return _suspended(parent, child)
        if type(parent) is TargetHook:
            return [f", a target of {parent.context.worker}"]
        if type(parent) is FunctionType:
            return [_of_function(parent, child)]
        if issubclass(type(parent), type):
            return [f"attribute {_key(dict(vars(parent)), child)} of class {parent.__qualname__}"]
        if _full_name(type(parent)) in _ENDS:
            return [_ENDS[_full_name(type(parent))].format(name=_attribute(parent, child))]
        return None

    def _names(self, namespace: dict[Any, Any], child: Any) -> list[str]:
        names = [
            name for name, value in list(namespace.items())
            if value is child and type(name) is str and name[:1] != "@"
        ]  # fmt: skip
        module = namespace["__name__"]
        if module == "sys" and not {*names}.isdisjoint(_LAST):
            return ["sys.last_value"]
        if module == "builtins":
            return names
        if module == "__main__":
            if "Out" in names:
                return ["Out"]
            return [name if _ECHO.fullmatch(name) else f"variable {name}" for name in names]
        worker = self._workers.get(id(namespace))
        where = f"Worker {worker}" if worker is not None else f"module {module}"
        return [f"variable {name} of {where}" for name in names]


# Kinds of holders.


def _is_namespace(value: Any) -> bool:
    # IPython's %reset leaves a namespace without a __spec__.
    return (
        type(value) is dict
        and "__name__" in value
        and ("__spec__" in value or "__builtins__" in value)
    )


def _is_internal(value: Any) -> bool:
    """Whether this is one of rpclab's own tables or functions, or of the loop's."""
    kind = type(value)
    if kind in _SUSPENDABLE:
        code = getattr(value, f"{_SUSPENDABLE[kind]}_code")
        return is_machinery(code.co_filename) and code.co_qualname not in _WORK
    if kind is FunctionType:
        return is_machinery(value.__code__.co_filename)
    if kind in (*_TRANSPARENT, RpcPromise, RpcProperty, TargetHook) or issubclass(kind, type):
        return False
    return _full_name(kind).startswith("rpclab.") and _full_name(kind) not in _ENDS


def _owns(owner: Any, value: Any) -> bool:
    """Whether `value` is a part of `owner` that no reader thinks of: its dict, or its closure."""
    if type(owner) is FunctionType and type(value) is tuple:
        return value is owner.__closure__ or value is owner.__defaults__
    if type(value) is not dict:
        return False
    # The only plain dict of a function's frame is a copy of its variables, as a debugger makes one.
    return issubclass(type(owner), (type, FrameType)) or (
        type(owner) is not dict and instance_attributes(owner) is value
    )


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


_ENDS = {
    "rpclab.workers.env.Env": "env.{name}",
    "IPython.core.interactiveshell.ExecutionResult": "IPython's record of the last cell",
}
_WORK = {"keep_until.<locals>.wait": "work given to wait_until"}


# Words.


def _join(words: list[str]) -> str:
    """Put the steps of a way together: "a list in variable x"."""
    text = ""
    for word in filter(None, words):
        if text.endswith("a traceback") and word != "a traceback":
            text += f" ({word})"
        elif re.fullmatch(r"item \d+ of a dict", text) and word == "Out":
            text = f"Out[{text.split()[1]}]"
        else:
            text += word if word[0] == "," or not text else f" in {word}"
    return text


def _step(parent: Any, child: Any) -> str:
    """Say how one object holds another; "" where the reader need not know."""
    kind = type(parent)
    if kind in _CONTAINERS:
        return _CONTAINERS[kind]
    if kind is dict:
        name = _key(parent, child)
        return f"item {name!r} of a dict" if type(name) in (str, int) else "a dict"
    if kind is RpcPromise:
        return "the result of a promise"
    if issubclass(kind, RpcProperty):
        path = parent.__path__
        return f"the member {path if type(path) is str else '.'.join(path)}"
    if kind is MethodType:
        name = getattr(parent.__func__, "__name__", "")
        return "a `with` block" if name in _EXITS else f"the method {name}"
    if kind is FrameType:
        if is_machinery(parent.f_code.co_filename):
            return "a traceback"
        names = [name for name, value in _variables(parent) if value is _content(child)]
        return f"variable {names[0]} of {parent.f_code.co_qualname}" if names else "a traceback"
    if kind is TracebackType or type(child) is TracebackType:
        return "a traceback"
    if kind.__name__ in ("Task", "Future") and kind.__module__ == "_asyncio":
        return "the result of a task"
    if kind in _TRANSPARENT:
        return ""
    name = _attribute(parent, child)
    if name is not None:
        return f"attribute {name} of <{kind.__qualname__}>"
    return f"{'an' if kind.__qualname__[0] in 'AEIOUaeiou' else 'a'} {kind.__qualname__}"


def _content(held: Any) -> Any:
    """What a variable holds, where inner functions share it."""
    return held.cell_contents if type(held) is CellType else held


def _key(mapping: dict[Any, Any], child: Any) -> Any:
    return next((key for key, value in list(mapping.items()) if value is child), None)


def _attribute(owner: Any, child: Any) -> str | None:
    name = _key(instance_attributes(owner), child)
    if name is not None:
        return str(name)
    for kind in type(owner).__mro__:
        for name, member in list(vars(kind).items()):
            if type(member) is MemberDescriptorType:
                try:
                    if member.__get__(owner) is child:
                        return name
                except AttributeError:  # the slot is empty
                    continue
    return None


def _suspended(suspended: Any, child: Any) -> list[str]:
    prefix = _SUSPENDABLE[type(suspended)]
    code = getattr(suspended, f"{prefix}_code")
    if code.co_qualname in _WORK and is_machinery(code.co_filename):
        return [_WORK[code.co_qualname]]
    frame = getattr(suspended, f"{prefix}_frame")
    names = [name for name, held in _variables(frame) if held is _content(child)] if frame else []
    return [f"variable {name} of {code.co_qualname}" for name in names] or [f"{code.co_qualname}()"]


def _of_function(function: FunctionType, child: Any) -> str:
    for variable, cell in zip(
        function.__code__.co_freevars, function.__closure__ or (), strict=True
    ):
        if cell is child:
            return f"variable {variable} in the closure of {function.__qualname__}"
    attribute = _attribute(function, child)
    if attribute is not None:
        return f"attribute {attribute} of {function.__qualname__}"
    return f"a default of {function.__qualname__}"


def _frozen_namespaces() -> dict[int, list[dict[str, Any]]]:
    """Give the modules that hold a value, by its `id`: `gc.freeze` hides them from the search."""
    found: dict[int, list[dict[str, Any]]] = {}
    for module in list(sys.modules.values()):
        namespace = instance_attributes(module)
        if _is_namespace(namespace):
            for value in list(namespace.values()):
                if gc.is_tracked(value):
                    found.setdefault(id(value), []).append(namespace)
    return found


# Variables of functions: no dict holds them while a function runs.


def _running_variables() -> dict[int, list[str]]:
    """Name the variables of every function that runs now, by the `id` of what they hold."""
    found: dict[int, list[str]] = {}
    frame: FrameType | None
    step: FrameType | None
    for frame in [*sys._current_frames().values()]:
        step = frame
        while step is not None:
            code = step.f_code
            if code.co_flags & _OPTIMIZED and not is_machinery(code.co_filename):
                for name, value in _variables(step):
                    if name[:1] not in "@.":
                        words = found.setdefault(id(value), [])
                        words.append(f"variable {name} of {code.co_qualname}")
            step = step.f_back
    # This function runs too; a frame that knows itself would hold on to what it looked at last.
    frame = None
    return found


def _variables(frame: FrameType) -> Iterator[tuple[str, Any]]:
    """Give the variables of a function, and leave no copy of them behind."""
    variables = frame.f_locals
    found = list(variables.items())
    # Before Python 3.13 the frame keeps the dict it gives, which would hold on to every value. One
    # that somebody else has as well (by `locals()`, or a debugger) is left as it is: 3 are ours.
    if sys.version_info < (3, 13) and sys.gettrace() is None and sys.getrefcount(variables) <= 3:  # noqa: PLR2004
        variables.clear()
    return iter(found)
