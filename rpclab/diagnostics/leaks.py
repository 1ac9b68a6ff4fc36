"""The stubs that are alive and not disposed: where each was made, and what keeps it.

Floor: rpc. Looks at the objects that Python knows, when asked to; sends nothing.
"""

from __future__ import annotations

import gc
import os
import re
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpclab.core.answers import Answer
from rpclab.core.hooks import TargetHook
from rpclab.core.imports import PENDING, Handle
from rpclab.diagnostics.holders import Holders
from rpclab.diagnostics.undisposed import (
    Owner,
    Target,
    destination,
    is_binding,
    owner_of,
    split_site,
    target_of,
)
from rpclab.printable import printable
from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.stubs import RpcProperty, RpcStub

if TYPE_CHECKING:
    from rpclab.core.imports import Import
    from rpclab.rpc.engine import Engine

_CELL = re.compile(r"Cell (In\[\d+\])")
_NAMED = re.compile(
    r"(?:the result of a promise in )?(?:variable )?(\w+|Out\[\d+\])(?: of [^ ]+| of module .*)?"
)
_SHOWN = 4  # how many holders the text names


@dataclass(frozen=True)
class Leak:
    """A stub that is alive and not disposed.

    Attributes:
        file: the file it was made in; None for a cell, and where nobody recorded.
        cell: the cell it was made in, such as "In[3]".
        line: the line there.
        owner: whose it is: a Worker, and the kind of context in it.
        target: what it leads to: a Worker, and in this process the class of the target.
        holders: what keeps it alive here, such as "variable counter", "Out[3]", "_".
        keeps: what it keeps alive at the other side.
    """

    file: str | None
    cell: str | None
    line: int | None
    owner: Owner
    target: Target
    holders: tuple[str, ...]
    keeps: tuple[str, ...]
    _handle: weakref.ref[Handle] | None = field(default=None, repr=False, compare=False)

    def is_alive(self) -> bool:
        """Whether something in this program still holds it, though it may be broken."""
        return self._handle is not None and self._handle() is not None

    @property
    def site(self) -> str:
        """Where it was made, in words."""
        if self.line is None:
            return "an unknown place (Sandbox(record=True) notes places)"
        place = f"cell {self.cell}" if self.cell else _short(self.file or "")
        return f"{place}, line {self.line}"

    def __str__(self) -> str:
        holders = [*self.holders[:_SHOWN]]
        if len(self.holders) > _SHOWN:
            holders.append(f"{len(self.holders) - _SHOWN} more")
        kept = " and ".join(self.keeps) or "nothing: its target is gone already"
        return (
            f"a stub of {self.target}, made at {self.site}; it belongs to {self.owner}\n"
            f"  kept by: {', '.join(holders) or 'nothing that has a name'}; it keeps {kept}\n"
            f"  next: {self._next()}"
        )

    def _next(self) -> str:
        if self.holders and self.holders[-1].startswith("the call of "):
            return "let that call return, which disposes its parameters"
        if self.holders in ((EVENT_KEEPS,), (CALL_KEEPS,)):
            return "keep the result in a variable and dispose it with `with`"
        for holder in self.holders:
            name = _NAMED.fullmatch(holder)
            if name:
                return f"dispose it with `with`, or {name[1]}.dispose()"
        return "dispose it with `with`, or .dispose()"

    def __repr__(self) -> str:
        return f"<Leak of {self.target}, made at {self.site}, kept by {', '.join(self.holders)}>"


EVENT_KEEPS = "the event, until it ends"
CALL_KEEPS = "the context of the call, until it ends"
OBJECT_KEEPS = "its Durable Object, while that is in memory"


class Leaks(list[Leak]):
    """A list of leaks; its text says for each what keeps it, and what to do."""

    def __str__(self) -> str:
        if not self:
            return "every stub is disposed"
        count = "1 stub is" if len(self) == 1 else f"{len(self)} stubs are"
        leaks = [printable(str(leak), keep="\n") for leak in self]
        return "\n".join([f"{count} alive and not disposed:", *leaks])

    __repr__ = __str__


class _Scan:
    """The handles of a sandbox that are alive, and what Python has of each."""

    def __init__(self, engine: Engine) -> None:
        self.handles: list[Handle] = []
        self.stubs: dict[int, Any] = {}
        self.members: dict[int, list[Any]] = {}
        self.parameters: dict[int, str] = {}
        bindings: set[int] = set()
        for thing in gc.get_objects():
            kind = type(thing)
            if kind is Handle:
                if _is_live(thing, engine):
                    self.handles.append(thing)
            elif issubclass(kind, RpcProperty):
                owner = getattr(thing, "__owner__", None)
                if type(owner) is Handle:
                    self.members.setdefault(id(owner), []).append(thing)
            elif kind is Answer:
                for handle in thing.params or () if thing.state == PENDING else ():
                    self.parameters[id(handle)] = f"the call of {_name_of(thing)}, until it returns"
            elif issubclass(kind, (RpcStub, ServiceBinding)):
                handle = getattr(thing, "__handle__", None)
                if issubclass(kind, ServiceBinding):
                    bindings.add(id(handle))
                elif handle is not None:
                    self.stubs[id(handle)] = thing
        self.handles = [
            handle
            for handle in self.handles
            if id(handle) not in bindings and handle.entry and not is_binding(handle.entry)
        ]
        self.handles.sort(key=_order)

    def objects(self, handle: Handle) -> list[Any]:
        """The Python objects whose life is the handle's: its stub, and members taken off it."""
        stub = self.stubs.get(id(handle))
        return [*([] if stub is None else [stub]), *self.members.get(id(handle), ())]


def find_leaks(engine: Engine, modules: Mapping[int, str]) -> Leaks:
    """Find the stubs of a sandbox that are alive and not disposed.

    Args:
        engine: the sandbox's.
        modules: the name of each Worker, by the `id` of its module's dict.
    """
    scan = _Scan(engine)
    objects = [thing for handle in scan.handles for thing in scan.objects(handle)]
    holders = Holders(objects, modules)
    found = Leaks()
    first = 0
    for handle in scan.handles:
        count = len(scan.objects(handle))
        held = {
            _of_member(objects[number], text)
            for number in range(first, first + count)
            for text in holders.of(number)
        }
        first += count
        named = sorted(held, key=_rank)
        call = scan.parameters.get(id(handle))
        if call is not None:
            named.append(call)
        elif not named and handle.context.gate is not None:
            named = [OBJECT_KEEPS]
        elif not named and not handle.context.long:
            named = [EVENT_KEEPS if handle.context.platform is None else CALL_KEEPS]
        if named or id(handle) in scan.stubs:
            owner = owner_of(handle.context)
            if call is not None:
                owner = owner._replace(context="call")
            found.append(_leak(handle, owner, tuple(named)))
    return found


def _of_member(thing: Any, text: str) -> str:
    """A method taken off a stub keeps its target too: say so."""
    if type(thing) is not RpcProperty:
        return text
    path = thing.__path__
    return f"the member {path if type(path) is str else '.'.join(path)} in {text}"


def _leak(handle: Handle, owner: Owner, holders: tuple[str, ...]) -> Leak:
    entry: Import = handle.entry  # type: ignore[assignment]
    place, line = split_site(handle.site)
    cell = _CELL.fullmatch(place or "")
    return Leak(
        file=None if cell else place,
        cell=cell[1] if cell else None,
        line=line,
        owner=owner,
        target=target_of(entry),
        holders=holders,
        keeps=_kept_alive(entry),
        _handle=weakref.ref(handle),
    )


def _kept_alive(entry: Import) -> tuple[str, ...]:
    """Say what would go with the last stub: the target, and the context that made it."""
    if entry.direct.broken is not None:
        return ()
    _, hook = destination(entry)
    if not isinstance(hook, TargetHook):
        return (str(target_of(entry)),)
    context = hook.context
    kept = [target_of(entry).name or "the target"]
    if not context.long:
        kept.append(f"{_the(owner_of(context))} that made it")
    return tuple(kept)


def _the(owner: Owner) -> str:
    words = {"event": "the event of ", "call": "the call in ", "object": "the object of "}
    return f"{words[owner.context]}{owner.worker}"


def _is_live(handle: Handle, engine: Engine) -> bool:
    entry = getattr(handle, "entry", None)
    if entry is None:
        return False
    session = entry.session
    return session.host is engine and session.closed is None


def _name_of(answer: Answer) -> str:
    get_coro = getattr(answer.running, "get_coro", None)
    coroutine = get_coro() if get_coro is not None else None
    name = getattr(coroutine, "__qualname__", ".".join(answer.path) or "a member")
    return name if answer.context is None else f"{name} in {answer.context.worker}"


def _order(handle: Handle) -> tuple[Any, ...]:
    place, line = split_site(handle.site)
    entry = handle.entry
    session, number = (entry.session.name, -entry.id) if entry is not None else ("", 0)
    # Cell In[10] comes after cell In[2].
    parts = [
        part.zfill(9) if part.isdecimal() else part for part in re.split(r"(\d+)", place or "")
    ]
    return (parts, line or 0, session, number, handle.context.worker)


def _rank(text: str) -> tuple[bool, bool, str]:
    """Names first, for they say the most; then what is long-winded."""
    variable = text.startswith("variable ")
    return (" in " in text or (" of " in text and not variable), not variable, text)


def _short(path: str) -> str:
    """A path as one would type it here."""
    if not Path(path).is_absolute():
        return path
    near = os.path.relpath(path)
    return path if near.startswith("..") else near


__all__ = ["Leak", "Leaks", "Owner", "Target", "find_leaks"]
