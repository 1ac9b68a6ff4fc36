"""Namespaces: the bindings of `env` that give stubs of Durable Objects.

Floor: workers. Rules D1 to D4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rpclab.rpc.remote import Uncopied
from rpclab.workers.javascript_names import also_in_javascript

if TYPE_CHECKING:
    from rpclab.workers.objects.running_class import RunningClass
    from rpclab.workers.objects.state import DurableObjectId
    from rpclab.workers.objects.stub import DurableObjectStub


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
        running_class: where they run.
        holder: the Worker it is bound to.
    """

    __slots__ = ("_holder", "_running_class")

    def __init__(self, running_class: RunningClass, holder: str) -> None:
        self._running_class = running_class
        self._holder = holder

    def id_from_name(self, name: str, /) -> DurableObjectId:
        """The id of a name: the same at any time, in every process.

        Args:
            name: any text.
        """
        return self._running_class.ids.from_name(name)

    def id_from_string(self, text: str, /) -> DurableObjectId:
        """The id that `str(id)` gave.

        Args:
            text: 64 hexadecimal digits.

        Raises:
            TypeError: the text is no id, or one of another namespace (rule D3).
        """
        return self._running_class.ids.from_string(text)

    def new_unique_id(self) -> DurableObjectId:
        """An id that no other object has."""
        return self._running_class.ids.unique()

    def get(self, id: DurableObjectId, /) -> DurableObjectStub:
        """A stub of the object of that id. The object is made when it is first used.

        Args:
            id: as this namespace has made it.

        Raises:
            TypeError: the id is one of another namespace.
        """
        return self._running_class.stub(self._holder, id)

    def get_by_name(self, name: str, /) -> DurableObjectStub:
        """A stub of the object of that name (rule D4).

        Args:
            name: any text.
        """
        return self.get(self.id_from_name(name))

    def __str__(self) -> str:
        return f"objects of {self._running_class.ids.namespace}"

    def __repr__(self) -> str:
        return f"<DurableObjectNamespace {self._running_class.ids.namespace}>"
