"""The types of what is remote, for type checkers: what a promise gives, what a stub has.

Floor: typed. At run time these are protocols that nothing implements by name; the classes that do
the work are `rpclab.RpcPromise` and its neighbours, on which every name is allowed. Files written
by `python -m rpclab types` derive from these a class for each entrypoint and target, which has its
methods and no others. Annotations may use them directly: `def f(total: RpcPromise[int]) -> None`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, Protocol, Self, TypeAlias, TypeVar

from rpclab.rpc import stubs

if TYPE_CHECKING:
    from rpclab.workers.http import Request, Response

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


def _unreachable() -> NoReturn:
    # A body of its own keeps a method from being abstract for those who derive from its protocol.
    raise TypeError("rpclab.typed is for annotations; the objects themselves come from calls")


class RpcProperty(Protocol[T_co]):
    """A member that was named: awaiting it reads the property, anew each time."""

    def __await__(self) -> Generator[Any, None, T_co]:
        """Read it."""
        _unreachable()

    def map(self, function: Callable[[Any], Any]) -> stubs.RpcPromise:
        """Map its value at the callee."""
        _unreachable()


class _Disposable(Protocol):
    """What is let go of by name, or at the end of a block."""

    def dispose(self) -> None:
        """Let go of the target, or of what the result holds."""
        _unreachable()

    def on_broken(self, callback: Callable[[BaseException], object]) -> Callable[[], None]:
        """Hear of it when the target is gone, or the call fails."""
        _unreachable()

    def __enter__(self) -> Self:
        """Go on without waiting; dispose at the end."""
        _unreachable()

    def __exit__(self, *_: object) -> None:
        """Dispose."""
        _unreachable()

    async def __aexit__(self, *_: object) -> None:
        """Dispose."""
        _unreachable()


class RpcPromise(_Disposable, Protocol[T_co]):
    """The result of a call: await it, or go on calling on it."""

    def __await__(self) -> Generator[Any, None, T_co]:
        """Wait for the result."""
        _unreachable()

    def map(self, function: Callable[[Any], Any]) -> stubs.RpcPromise:
        """Map the result at the callee."""
        _unreachable()

    async def __aenter__(self) -> T_co:
        """Wait for the result; dispose at the end."""
        _unreachable()


class RpcStub(_Disposable, Protocol):
    """A stub of a target or function that lives elsewhere."""

    def __await__(self) -> Generator[Any, None, Self]:
        """Give itself."""
        _unreachable()

    def __getitem__(self, name: str) -> stubs.RpcProperty:
        """Name a member that cannot be written as an attribute; its type is not known."""
        _unreachable()

    def dup(self) -> Self:
        """Make another handle."""
        _unreachable()

    async def __aenter__(self) -> Self:
        """Dispose at the end."""
        _unreachable()


class Stub(RpcStub, Protocol[P, T_co]):
    """A stub of a function: how a method annotates a function that its caller gives it.

    Its parameters and result are written as those of a Callable. The caller may give a plain
    function, or an async one; `dup()` keeps it for later than the end of the call.

    Example:
        def watch(self, on_change: Stub[[int], None]) -> None:
            self._watchers.append(on_change.dup())
    """

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> RpcPromise[T_co]:
        """Call the function."""
        _unreachable()


class ServiceBinding(Protocol):
    """A binding to an entrypoint of a Worker."""

    def __await__(self) -> Generator[Any, None, Self]:
        """Give itself."""
        _unreachable()

    def __getitem__(self, name: str) -> stubs.RpcProperty:
        """Name a member that cannot be written as an attribute; its type is not known."""
        _unreachable()

    def fetch(self, resource: str | Request, /, **options: Any) -> Awaitable[Response]:
        """Make an HTTP call."""
        _unreachable()


class DurableObjectStub(ServiceBinding, Protocol):
    """A stub of a Durable Object; its own names are `id` and `name`."""

    @property
    def id(self) -> Any:
        """The id of the object."""
        _unreachable()

    @property
    def name(self) -> str | None:
        """The name it was asked for by, if by name."""
        _unreachable()


class DurableObjectNamespace(Protocol[T_co]):
    """The objects of one class, by id or name."""

    def get_by_name(self, name: str) -> T_co:
        """Give the object of a name."""
        _unreachable()

    def get(self, id: Any) -> T_co:
        """Give the object of an id."""
        _unreachable()

    def id_from_name(self, name: str) -> Any:
        """Give the id that belongs to a name."""
        _unreachable()

    def id_from_string(self, text: str) -> Any:
        """Read an id."""
        _unreachable()

    def new_unique_id(self) -> Any:
        """Make an id that no other object has."""
        _unreachable()


class Env(Protocol):
    """The variables and bindings of a Worker; a class derived from it says which."""

    def __contains__(self, name: object) -> bool:
        """Whether there is one of that name."""
        _unreachable()

    def __iter__(self) -> Iterator[str]:
        """The names, one by one."""
        _unreachable()

    def __len__(self) -> int:
        """How many there are."""
        _unreachable()

    def keys(self) -> list[str]:
        """The names."""
        _unreachable()


OrPromise: TypeAlias = T | RpcPromise[T] | RpcProperty[T]
"""What an argument may be: the value, or a promise of it, which arrives as the value."""
