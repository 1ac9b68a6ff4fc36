"""Durable Objects as Workers see them: namespaces and stubs.

Floor: workers. Rules D1 to D4, D16, D18. A namespace is a binding of `env`; it gives stubs, which
are bindings to one object each, can be sent, and cost nothing until they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rpclab.errors import UnknownEntrypointError, near
from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.remote import Uncopied
from rpclab.workers.entrypoints import DurableObject, WorkerEntrypoint
from rpclab.workers.spellings import also_in_javascript

if TYPE_CHECKING:
    import types

    from rpclab.core.imports import Handle
    from rpclab.workers.objects.home import ObjectHome
    from rpclab.workers.objects.state import DurableObjectId


class ObjectsTarget(NamedTuple):
    """Where a namespace leads; made by `objects`, or from a text such as "counter#Room"."""

    worker: str
    class_name: str

    def __str__(self) -> str:
        return f"objects of {self.worker}#{self.class_name}"


def objects(target: str, *, worker: str = "") -> ObjectsTarget:
    """Describe a namespace of Durable Objects, for `sandbox.bind`.

    Args:
        target: "worker#Class"; "Class@worker" says the same.
        worker: whose class it is where the target is a class alone.

    Raises:
        ValueError: the text is no such thing.
    """
    before, hash_, after = target.partition("#")
    if not hash_ and "@" in target:
        after, _, before = target.partition("@")
        hash_ = "#"
    of, name = (before, after) if hash_ else (worker, before)
    if not of or not name:
        raise ValueError(f'Durable Objects are named "worker#Class", not {target!r}')
    return ObjectsTarget(of, name)


@also_in_javascript
class DurableObjectNamespace(Uncopied):
    """All objects of one class, for one Worker that may call them.

    It stays with that Worker: it cannot be sent, the stubs it gives can.

    Args:
        home: where they run.
        holder: the Worker it is bound to.
    """

    __slots__ = ("_holder", "_home")

    def __init__(self, home: ObjectHome, holder: str) -> None:
        self._home = home
        self._holder = holder

    def id_from_name(self, name: str, /) -> DurableObjectId:
        """The id of a name: the same at any time, in every process.

        Args:
            name: any text.
        """
        return self._home.ids.from_name(name)

    def id_from_string(self, text: str, /) -> DurableObjectId:
        """The id that `str(id)` gave.

        Args:
            text: 64 hexadecimal digits.

        Raises:
            TypeError: the text is no id, or one of another namespace (rule D3).
        """
        return self._home.ids.from_string(text)

    def new_unique_id(self) -> DurableObjectId:
        """An id that no other object has."""
        return self._home.ids.unique()

    def get(self, id: DurableObjectId, /) -> DurableObjectStub:
        """A stub of the object of that id. The object is made when it is first used.

        Args:
            id: as this namespace has made it.

        Raises:
            TypeError: the id is one of another namespace.
        """
        return self._home.stub(self._holder, id)

    def get_by_name(self, name: str, /) -> DurableObjectStub:
        """A stub of the object of that name (rule D4).

        Args:
            name: any text.
        """
        return self.get(self.id_from_name(name))

    def __str__(self) -> str:
        return f"objects of {self._home.ids.namespace}"

    def __repr__(self) -> str:
        return f"<DurableObjectNamespace {self._home.ids.namespace}>"


class DurableObjectStub(ServiceBinding):
    """A stub of one Durable Object. Like a binding it is not disposed, and awaiting gives itself.

    Attributes:
        id: the id of the object.
        name: its name, if the stub was made from one.
    """

    __slots__ = ("id", "name")

    def __init__(self, handle: Handle, id: DurableObjectId) -> None:
        super().__init__(handle)
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "name", id.name)

    def __local__(self) -> list[str]:
        return ["fetch", "id", "name"]

    def __repr__(self) -> str:
        of = f"{str(self.id)[:8]}…" if self.name is None else repr(self.name)
        return f"<DurableObjectStub {of} of {self.id._namespace}>"


def objects_of(module: types.ModuleType) -> dict[str, type[DurableObject]]:
    """Find the classes of Durable Objects that a Worker exports, by name."""
    return {
        name: value
        for name, value in list(vars(module).items())
        if not name.startswith("_")
        and isinstance(value, type)
        and issubclass(value, DurableObject)
        and value is not DurableObject
    }


def choose_objects(
    worker: str, found: dict[str, type[DurableObject]], name: str, module: types.ModuleType
) -> type:
    """Give the class of that name, also one that does not derive from DurableObject (rule D16).

    Raises:
        UnknownEntrypointError: there is none, or it is an entrypoint.
    """
    value = getattr(module, name, None)
    if isinstance(value, type) and not issubclass(value, WorkerEntrypoint):
        return value
    if isinstance(value, type):
        raise UnknownEntrypointError(
            f'the class "{name}" of Worker "{worker}" is an entrypoint: bind it with'
            f" VAR={worker}#{name}; to have one object for each id, derive it from DurableObject"
        )
    error = UnknownEntrypointError(f'the Worker "{worker}" has no Durable Objects "{name}"')
    error.add_note(near(name, found) or "it has none: define a class that derives DurableObject")
    raise error
