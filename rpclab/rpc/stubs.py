"""What the application holds of the other side: stubs, promises, properties.

Floor: rpc. Their local names are `dup`, `dispose`, `on_broken`, dunders, and on promises `map` and
`add_done_callback`; every other name is remote, and `stub["name"]` reaches those too. Nothing that
a debugger, a display or a copy does with one sends a message.
"""

from __future__ import annotations

import asyncio
from sys import _getframe
from threading import get_ident
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

from rpclab.core.contexts import current
from rpclab.core.imports import PENDING, REJECTED, Handle
from rpclab.core.map import Placeholder, record
from rpclab.core.targets import is_target
from rpclab.diagnostics.pending_calls import KNOT, waits_for_itself
from rpclab.errors import fresh_copy
from rpclab.previews import type_name
from rpclab.rpc.local import local_handle
from rpclab.rpc.looking import doc_of, led_to, seen, signature_of, step
from rpclab.rpc.members import call_on, names_in
from rpclab.rpc.remote import Awaited, Remote, article, no_mapping, set_here
from rpclab.rpc.unknown import Unknown
from rpclab.rpc.waiter import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rpclab.core.contexts import PayloadLike
    from rpclab.core.imports import Import, Pending
    from rpclab.core.references import Reference, Settled


def _keys_of(remote: Remote, asked: tuple[int, int]) -> RpcProperty:
    return KeysProperty.__of_a_mapping__(remote.__member__("keys"), asked)


class RpcProperty(Awaited):
    """A member that was named, on a stub, promise or binding; nothing is sent (rule P1).

    Calling it calls the method; awaiting it reads the property, anew each time.
    """

    __slots__ = ("__of__",)

    __keys__ = _keys_of

    def __init__(self, owner: Any, path: str | list[str]) -> None:
        # One slot for both: a class with __getattr__ pays for each attribute it looks up.
        self.__of__ = (owner, path)

    @property
    def __owner__(self) -> Any:
        return self.__of__[0]

    @property
    def __path__(self) -> Any:
        return self.__of__[1]

    def __call__(self, /, *args: Any, **kwargs: Any) -> RpcPromise:
        owner, path = self.__of__
        if isinstance(owner, RpcPromise):
            pending = call_on(owner, path, args, kwargs)
        else:
            pending = owner.call(path, args, kwargs)
        return MapValue(pending) if type(pending) is Placeholder else RpcPromise(pending)

    def __await__(self) -> Generator[Any, None, Any]:
        return self.__read__().__await__()

    def __read__(self) -> RpcPromise:
        owner, path = self.__of__
        if isinstance(owner, RpcPromise):
            pending = call_on(owner, path, None, None)
        else:
            pending = owner.call(path, None, None)
        return MapValue(pending) if type(pending) is Placeholder else RpcPromise(pending)

    def __member__(self, name: str) -> RpcProperty:
        return RpcProperty(self.__owner__, [*names_in(self.__path__), name])

    def __getattr__(self, name: str) -> Any:
        if name[:1] == "_" and name[-1] == "_":
            signature = signature_of(self.__found__()) if name == "__signature__" else None
            if signature is None:
                raise AttributeError(name)
            return signature
        return self.__member__(name)

    def __found__(self) -> Any:
        """The member that is named, if what has it runs here; it is not read."""
        owner = self.__owner__
        value = seen(owner) if isinstance(owner, RpcPromise) else led_to(owner)
        for name in names_in(self.__path__):
            value = None if value is None else step(value, name)
        return value

    def __local__(self) -> list[str]:
        return ["map"]

    def __help__(self) -> str | None:
        found = self.__found__()
        return None if found is None else doc_of(found)

    def __repr__(self) -> str:
        owner = self.__owner__
        of = repr(owner) if isinstance(owner, RpcPromise) else describe(owner)
        return f"<RpcProperty {'.'.join(names_in(self.__path__))} of {of}: call or await it>"

    def __rpc_refer__(self, payload: PayloadLike) -> Reference | Settled:
        return payload.refer_property(self, self.__read__, self.__import__(), self.__path__)

    def __import__(self) -> Import | None:
        """What at the other side has the member, if it is known there."""
        owner = self.__owner__
        if isinstance(owner, Handle):
            return owner.entry
        pending: Pending = owner.__pending__
        return None if owner.__gone__ or pending.state != PENDING else pending

    def map(self, function: Callable[[Any], Any]) -> RpcPromise:
        """Read the property, and map its value at the callee (see `RpcPromise.map`).

        Args:
            function: takes a value; it is recorded here, and runs at the callee.
        """
        entry = self.__import__()
        if entry is None or not entry.has_paths:
            return self.__read__().map(function)
        context = current.get() or entry.session.keeper
        if context.recording is not None:
            return self.__read__().map(function)
        captures, program = record(entry.session, context, function, MapValue)
        path = names_in(self.__path__)
        return RpcPromise(entry.map(captures, program, context, path))

    def dup(self) -> NoReturn:
        """Refuse: a property has no handle (rule C16).

        Raises:
            TypeError: always. A remote member of that name is `property["dup"]`.
        """
        raise no_dup("await the property, and dup() the stub it gives")

    def add_done_callback(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a property is no Future (see `RpcPromise.add_done_callback`)."""
        raise _no_future(self)


class KeysProperty(RpcProperty):
    """A member called `keys`; see `AskedByMappings`."""

    __slots__ = ("__asked__",)

    @classmethod
    def __of_a_mapping__(cls, member: RpcProperty, asked: tuple[int, int]) -> RpcProperty:
        if type(member) is not RpcProperty:
            return member  # inside `map`, whose values refuse to be iterated
        keys = cls(*member.__of__)
        object.__setattr__(keys, "__asked__", asked)
        return keys

    def __call__(self, /, *args: Any, **kwargs: Any) -> RpcPromise:
        frame, this = _getframe(1), cast("Any", self)
        if (id(frame), frame.f_lasti) == this.__asked__:
            # Named and called by one instruction: dict(…) or **, and no call that somebody wrote.
            raise no_mapping(self)
        return super().__call__(*args, **kwargs)


class Held(Remote):
    """What stands on a handle, a stub or a binding: awaiting it gives itself (rule C21)."""

    __slots__ = ("__dict__", "__handle__", "__weakref__")

    __keys__ = _keys_of

    __handle__: Handle

    def __rpc_handle__(self) -> Handle:
        return self.__handle__

    def __getattr__(self, name: str) -> Any:
        if name[:1] == "_" and name[-1] == "_":
            raise AttributeError(name)
        # Kept, for a program uses the same few methods again and again.
        member = self.__dict__[name] = RpcProperty(self.__handle__, name)
        return member

    def __member__(self, name: str) -> RpcProperty:
        return RpcProperty(self.__handle__, name)

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        set_here(self, name)

    def __await__(self) -> Generator[Any, None, Self]:
        return given(self).__await__()


hold = Held.__handle__.__set__  # type: ignore[attr-defined]
"""Gives something held its handle, of which nobody is told."""


class RpcStub(Held):
    """A stub of a target or function that lives elsewhere.

    It is one handle: it keeps the target until it is disposed, by `dispose()` or at the end of a
    `with` block, or its execution context ends (rules O1 to O5, O12).

    Args:
        target: a target, function or dict of one's own: makes a local stub, which behaves like a
            remote one (rules O19, O20). A stub gives another handle of the same.

    Raises:
        TypeError: the target is something else.
    """

    __slots__ = ()

    def __init__(self, target: Any) -> None:
        if type(target) is RpcStub:
            hold(self, target.__handle__.dup())
            return
        if not is_target(target) and type(target) is not dict:
            raise TypeError(
                "RpcStubs can only wrap plain objects, functions, and RpcTarget derivatives."
            )
        hold(self, local_handle(target))

    @classmethod
    def __from_handle__(cls, handle: Handle) -> RpcStub:
        stub = cls.__new__(cls)
        hold(stub, handle)
        return stub

    def __rpc_refer__(self, payload: PayloadLike) -> Reference:
        return payload.refer_handle(self, self.__handle__)

    def __getattr__(self, name: str) -> Any:
        if name == "__signature__":
            found = signature_of(seen(self), bound=False)
            if found is not None:
                return found
        return super().__getattr__(name)

    def __call__(self, /, *args: Any, **kwargs: Any) -> RpcPromise:
        pending = self.__handle__.call([], args, kwargs)
        return MapValue(pending) if type(pending) is Placeholder else RpcPromise(pending)

    def dup(self) -> RpcStub:
        """Make an independent handle of the same stub (rule O5).

        Raises:
            DisposedError: this one was disposed.
        """
        return RpcStub.__from_handle__(self.__handle__.dup())

    def dispose(self) -> None:
        """Let go of the target; at once, without waiting. Doing so twice is fine (rule O2)."""
        self.__handle__.dispose()

    def on_broken(self, callback: Callable[[BaseException], None]) -> Callable[[], None]:
        """Call `callback(error)` once when the target is gone; at once if it is already.

        Not for an ordinary dispose.

        Args:
            callback: takes the error. It is called on the loop of the sandbox.

        Returns:
            A function that takes the callback back.
        """
        entry = self.__handle__.entry
        if entry is None:
            callback(self.__handle__.error())
            return lambda: None
        return entry.direct.watch(callback)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.dispose()

    def __repr__(self) -> str:
        return f"<RpcStub {describe(self.__handle__)}>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return bundle(self)


class RpcPromise(Awaited):
    """The result of a call that was made: await it, or go on calling on it (rules C2, L1).

    Awaiting it twice gives the same value (L4); each await of a failed one raises a fresh error.
    """

    __slots__ = ("__gone__", "__pending__", "__weakref__")

    __keys__ = _keys_of

    def __init__(self, pending: Pending) -> None:
        self.__pending__ = pending
        self.__gone__: bool | str = False  # or where it was disposed

    def __await__(self) -> Generator[Any, None, Any]:
        pending = self.__pending__
        host: Any = pending.session.host
        if pending.state == PENDING:
            # In the drain, which is scheduled, the loop is known.
            loop = host.loop if host.thread == get_ident() else asyncio.get_running_loop()
            if host.loop is not loop or not host.scheduled:
                host.attend(loop)
            yield Waiter(host, (pending,), loop)
        if host.kept is not None:
            label, ids = pending.session.label, (pending.id,)
            host.kept.append((host.clock(), "awaited", label, ids, *host.went_on()))
        if pending.state == REJECTED:
            pending.look()
            raise fresh_copy(pending.value)
        return pending.value

    def __getattr__(self, name: str) -> Any:
        if name[:1] == "_" and name[-1] == "_":
            raise AttributeError(name)
        return RpcProperty(self, name)

    def __member__(self, name: str) -> RpcProperty:
        return RpcProperty(self, name)

    def __call__(self, /, *args: Any, **kwargs: Any) -> RpcPromise:
        return RpcProperty(self, [])(*args, **kwargs)

    @property
    def __rpc_entry__(self) -> Pending:
        return self.__pending__

    def __rpc_refer__(self, payload: PayloadLike) -> Reference | Settled:
        return payload.refer_promise(self.__pending__)

    def map(self, function: Callable[[Any], Any]) -> RpcPromise:
        """Run a function at the callee, on each item of the list that this resolves to.

        The function runs once here, with a placeholder, and what it calls is recorded; the record
        is replayed at the callee, in the same round trip. On a value that is no list it runs once,
        on None not at all. After `map()` of Cap'n Web.

        Args:
            function: calls methods of its argument and of stubs, and returns something made of
                the results; it cannot look at them.

        Raises:
            TypeError: the function needs the value itself (`if x`, an f-string, arithmetic).
        """
        pending = self.__pending__
        context = current.get() or pending.context
        if context.recording is not None:
            raise TypeError("a function given to map() cannot map in its turn; do that in a Worker")
        if pending.state != PENDING:
            if pending.state == REJECTED:
                return RpcPromise(pending)
            with RpcStub(lambda value: value) as local:
                return local(pending.value).map(function)
        captures, program = record(pending.session, context, function, MapValue)
        return RpcPromise(pending.map(captures, program, context))

    def dispose(self) -> None:
        """Dispose what the result holds: now, or when it arrives. The call is not cancelled."""
        pending = self.__pending__
        self.__gone__ = self.__gone__ or pending.session.host.calls.site() or True
        pending.dispose_stubs()

    def dup(self) -> NoReturn:
        """Refuse: a promise has no second handle (rule C16).

        Raises:
            TypeError: always.
        """
        raise no_dup("await the promise, and dup() the stub it gives")

    def add_done_callback(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a promise is no Future (rule C2), and `asyncio.wait` would wait for ever.

        Raises:
            TypeError: always. A remote method of that name is `promise["add_done_callback"]`.
        """
        raise _no_future(self)

    def on_broken(self, callback: Callable[[BaseException], None]) -> Callable[[], None]:
        """Call `callback(error)` once if the call fails; at once if it has.

        Args:
            callback: takes the error. It is called on the loop of the sandbox.

        Returns:
            A function that takes the callback back.
        """
        return self.__pending__.watch(callback)

    def __local__(self) -> list[str]:
        return ["dispose", "map", "on_broken"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.dispose()

    async def __aenter__(self) -> Any:
        return await self

    async def __aexit__(self, *_: object) -> None:
        self.dispose()

    def __repr__(self) -> str:
        pending = self.__pending__
        if self.__gone__:
            state = "disposed"
        elif pending.state == PENDING:
            state = (
                f"pending; it is one {KNOT}" if waits_for_itself(pending) else "pending: await it"
            )
        elif pending.state == REJECTED:
            state = f"rejected with {type_name(pending.value)}: await it"
        else:
            state = "resolved: await it"
        return f"<RpcPromise of {_far_side(pending.session)}, {state}>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return bundle(self)


class MapValue(Unknown, RpcPromise):
    """The placeholder inside `map`: what the callee will put there, unknown here."""

    __slots__ = ()

    dispose = map = on_broken = Unknown.__refuse__

    __getattr__ = Remote.__getattr__

    def __member__(self, name: str) -> MapProperty:
        return MapProperty(self, name)


class MapProperty(Unknown, RpcProperty):
    """A member of such a value; it may be called, passed on and returned."""

    __slots__ = ()

    map = Unknown.__refuse__

    def __member__(self, name: str) -> MapProperty:
        return MapProperty(self.__owner__, [*names_in(self.__path__), name])


async def given(value: Any) -> Any:
    """Give a value to whoever awaits it."""
    return value


def no_dup(advice: str) -> TypeError:
    """Build the error of rule C16, with advice."""
    error = TypeError("'dup' is a reserved method and cannot be called over RPC.")
    error.add_note(advice)
    return error


def _no_future(value: object) -> TypeError:
    error = TypeError(f"{article(value)} is no Future and has no callbacks")
    error.add_note("give asyncio.wait a task: asyncio.ensure_future(…)")
    return error


def _far_side(session: Any) -> str:
    return str(session.name.partition("→")[2]) or str(session.name)


def describe(handle: Handle) -> str:
    """Say where a handle leads, for a repr."""
    entry = handle.entry
    if entry is None:
        return "disposed"
    state = ", broken" if entry.broken is not None else ""
    return f"{_far_side(entry.session)}#{-entry.id}{state}"


def bundle(value: object) -> dict[str, str]:
    """Give the repr of a value as IPython's display data."""
    import html  # noqa: PLC0415 - only for displays

    text = repr(value)
    return {"text/plain": text, "text/html": f"<code>{html.escape(text)}</code>"}
