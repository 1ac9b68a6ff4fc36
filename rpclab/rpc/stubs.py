"""What the application holds of the other side: stubs, promises, properties.

Floor: rpc. Their local names are `dup`, `dispose`, `on_broken`, dunders, and on promises `map` and
`add_done_callback`; every other name is remote, and `stub["name"]` reaches those too. Nothing that
a debugger, a display or a copy does with one sends a message.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NoReturn, Self

from rpclab.core.contexts import current
from rpclab.core.imports import PENDING, REJECTED
from rpclab.core.map import Placeholder, record
from rpclab.core.targets import is_target, no_such_step
from rpclab.errors import PROMISE_DISPOSED, DisposedError, fresh_copy, not_callable
from rpclab.rpc.local import local_handle
from rpclab.rpc.unknown import Unknown
from rpclab.rpc.waiter import Waiter
from rpclab.rpc.waiting import KNOT, waits_for_itself

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rpclab.core.protocols import HandleLike, PayloadLike, PendingLike
    from rpclab.core.references import Reference, Settled

_ITEMS = (
    "paths enter dicts, functions and targets, never lists, strings or sets:"
    " await the value, and index that"
)


class Remote:
    """What stubs, promises, properties and bindings have in common: members by any name."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        # Names like __len__ and _repr_html_ are questions of Python and IPython, not remote ones.
        if name and name[0] == "_" and name[-1] == "_":
            raise AttributeError(name)
        return self.__member__(name)

    def __getitem__(self, name: object) -> Any:
        if type(name) is not str:
            raise TypeError(f"a remote member has a name, not the index {name!r}: {_ITEMS}")
        return self.__member__(name)

    def __member__(self, name: str) -> RpcProperty:
        raise NotImplementedError

    def __iter__(self) -> NoReturn:
        raise TypeError(f"{_article(self)} cannot be iterated: {_ITEMS}")

    def __len__(self) -> NoReturn:
        raise TypeError(f"{_article(self)} has no len(): {_ITEMS}")

    def __bool__(self) -> bool:
        return True

    def __contains__(self, item: object) -> NoReturn:
        raise TypeError(f"{_article(self)} cannot be searched: {_ITEMS}")

    def __dir__(self) -> list[str]:
        return ["dispose", "dup", "on_broken"]

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{_article(self)} cannot be pickled or copied; dup() makes another handle")

    def __copy__(self) -> NoReturn:
        self.__reduce__()

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__reduce__()


class RpcProperty(Remote):
    """A member that was named, on a stub, promise or binding; nothing is sent (rule P1).

    Calling it calls the method; awaiting it reads the property, anew each time.
    """

    __slots__ = ("__of__",)

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
        pending = owner.call(path, args, kwargs)
        return MapValue(pending) if type(pending) is Placeholder else RpcPromise(pending)

    def __await__(self) -> Generator[Any, None, Any]:
        return self.__read__().__await__()

    def __read__(self) -> RpcPromise:
        owner, path = self.__of__
        pending = owner.call(path, None, None)
        return MapValue(pending) if type(pending) is Placeholder else RpcPromise(pending)

    def __member__(self, name: str) -> RpcProperty:
        return RpcProperty(self.__owner__, [*_names(self.__path__), name])

    def __repr__(self) -> str:
        owner = self.__owner__
        of = repr(owner) if isinstance(owner, _Members) else describe(owner)
        return f"<RpcProperty {'.'.join(_names(self.__path__))} of {of}>"

    def __rpc_refer__(self, payload: PayloadLike) -> Reference | Settled:
        return payload.refer_property(self, self.__read__)

    def map(self, function: Callable[[Any], Any]) -> RpcPromise:
        """Read the property, and map its value at the callee (see `RpcPromise.map`)."""
        return self.__read__().map(function)

    def dup(self) -> NoReturn:
        """Refuse: a property has no handle (rule C16).

        Raises:
            TypeError: always. A remote member of that name is `property["dup"]`.
        """
        raise no_dup("await the property, and dup() the stub it gives")

    def add_done_callback(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a property is no Future (see `RpcPromise.add_done_callback`)."""
        raise _no_future(self)


class Held(Remote):
    """What stands on a handle, a stub or a binding: awaiting it gives itself (rule C21)."""

    __slots__ = ("__dict__", "__handle__", "__weakref__")

    __handle__: HandleLike

    def __rpc_handle__(self) -> HandleLike:
        return self.__handle__

    def __getattr__(self, name: str) -> Any:
        if name and name[0] == "_" and name[-1] == "_":
            raise AttributeError(name)
        # Kept, for a program uses the same few methods again and again.
        member = self.__dict__[name] = RpcProperty(self.__handle__, name)
        return member

    def __member__(self, name: str) -> RpcProperty:
        return RpcProperty(self.__handle__, name)

    def __await__(self) -> Generator[Any, None, Self]:
        return given(self).__await__()


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
            self.__handle__ = target.__handle__.dup()
            return
        if not is_target(target) and type(target) is not dict:
            raise TypeError(
                "RpcStubs can only wrap plain objects, functions, and RpcTarget derivatives."
            )
        self.__handle__ = local_handle(target)

    @classmethod
    def __from_handle__(cls, handle: HandleLike) -> RpcStub:
        stub = cls.__new__(cls)
        stub.__handle__ = handle
        return stub

    def __rpc_refer__(self, payload: PayloadLike) -> Reference:
        return payload.refer_handle(self, self.__handle__)

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


class RpcPromise(Remote):
    """The result of a call that was made: await it, or go on calling on it (rules C2, L1).

    Awaiting it twice gives the same value (L4); each await of a failed one raises a fresh error.
    """

    __slots__ = ("__gone__", "__pending__", "__weakref__")

    def __init__(self, pending: PendingLike) -> None:
        self.__pending__ = pending
        self.__gone__ = False

    def __await__(self) -> Generator[Any, None, Any]:
        pending = self.__pending__
        host: Any = pending.session.host
        if pending.state == PENDING:
            loop = asyncio.get_running_loop()
            if host.loop is not loop or not host.scheduled:
                host.attend(loop)
            yield Waiter(host, (pending,), loop)
        if host.keep is not None:
            host.keep((host.clock(), "awaited", pending.session.label, (pending.id,)))
        if host.ledger is not None:
            host.ledger.awaited(pending)
        if pending.state == REJECTED:
            raise fresh_copy(pending.value)
        return pending.value

    def __getattr__(self, name: str) -> Any:
        if name[:1] == "_" and name[-1] == "_":
            raise AttributeError(name)
        return RpcProperty(_Members(self), name)

    def __member__(self, name: str) -> RpcProperty:
        return RpcProperty(_Members(self), name)

    def __call__(self, /, *args: Any, **kwargs: Any) -> RpcPromise:
        return RpcProperty(_Members(self), [])(*args, **kwargs)

    @property
    def __rpc_entry__(self) -> PendingLike:
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
        pending.uses += 1
        if pending.session.host.special:
            pending.session.host.used(pending, argument=False)
        captures, program = record(pending.session, context, function, MapValue)
        return RpcPromise(pending.map(captures, program, context))

    def dispose(self) -> None:
        """Dispose what the result holds: now, or when it arrives. The call is not cancelled."""
        self.__gone__ = True
        self.__pending__.dispose_stubs()

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

        Returns:
            A function that takes the callback back.
        """
        return self.__pending__.watch(callback)

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
            state = f"pending; it is one {KNOT}" if waits_for_itself(pending) else "pending"
        elif pending.state == REJECTED:
            state = f"rejected with {type(pending.value).__name__}"
        else:
            state = "resolved"
        return f"<RpcPromise of {_far_side(pending.session)}, {state}>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return bundle(self)


class MapValue(Unknown, RpcPromise):
    """The placeholder inside `map`: what the callee will put there, unknown here."""

    __slots__ = ()

    dispose = map = on_broken = Unknown.__refuse__

    __getattr__ = Remote.__getattr__

    def __member__(self, name: str) -> MapProperty:
        return MapProperty(_Members(self), name)


class MapProperty(Unknown, RpcProperty):
    """A member of such a value; it may be called, passed on and returned."""

    __slots__ = ()

    map = Unknown.__refuse__

    def __member__(self, name: str) -> MapProperty:
        return MapProperty(self.__owner__, [*_names(self.__path__), name])


class _Members:
    """Calls on the result of a call: sent after it while it is pending, else made on the value."""

    __slots__ = ("promise",)

    def __init__(self, promise: RpcPromise) -> None:
        self.promise = promise

    def __repr__(self) -> str:
        return repr(self.promise)

    def call(
        self, path: Any, args: tuple[Any, ...] | None, kwargs: dict[str, Any] | None
    ) -> PendingLike:
        promise = self.promise
        pending = promise.__pending__
        context = current.get() or pending.context
        if promise.__gone__:
            return pending.session.rejected(DisposedError(PROMISE_DISPOSED), context)
        if type(pending) is Placeholder:
            return pending.pipeline(path, args, kwargs, context)
        if context.recording is not None:
            _, subject = context.recording.refer_promise(pending)
            return context.recording.add(subject, path, args, kwargs)
        if pending.state == PENDING:
            return pending.pipeline(path, args, kwargs, context)
        if pending.state == REJECTED:
            return pending.session.rejected(fresh_copy(pending.value), context)
        return call_value(pending, _names(path), args, kwargs, context)


def call_value(
    pending: PendingLike,
    path: list[str],
    args: tuple[Any, ...] | None,
    kwargs: dict[str, Any] | None,
    context: Any,
) -> PendingLike:
    """Do what the callee would have done, on a value that has arrived."""
    value = pending.value
    session = pending.session
    for position in range(len(path) + 1):
        handle = getattr(type(value), "__rpc_handle__", None)
        if handle is not None:
            found: PendingLike = handle(value).call(path[position:], args, kwargs or {})
            return found
        if position < len(path):
            name = path[position]
            if type(value) is not dict or name not in value:
                return session.rejected(_remote(no_such_step(path, position, value)), context)
            value = value[name]
    if args is None:
        return session.resolved(value, context)
    return session.rejected(_remote(not_callable(tuple(path))), context)


async def given(value: Any) -> Any:
    """Give a value to whoever awaits it."""
    return value


def _remote(error: Any) -> Any:
    error.remote = True
    return error


def _names(path: str | list[str]) -> list[str]:
    return [path] if type(path) is str else list(path)


def no_dup(advice: str) -> TypeError:
    """Build the error of rule C16, with advice."""
    error = TypeError("'dup' is a reserved method and cannot be called over RPC.")
    error.add_note(advice)
    return error


def _no_future(value: object) -> TypeError:
    error = TypeError(f"{_article(value)} is no Future and has no callbacks")
    error.add_note("give asyncio.wait a task: asyncio.ensure_future(…)")
    return error


def _article(value: object) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0] in "AEIOUR" else f"a {name}"


def _far_side(session: Any) -> str:
    return str(session.name.partition("→")[2]) or str(session.name)


def describe(handle: HandleLike) -> str:
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
