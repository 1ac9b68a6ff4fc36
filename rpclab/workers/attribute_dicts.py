"""Results with parts that have names: dicts whose items are attributes, too.

Floor: workers. The platform's Python gives its plain objects in the same form.
"""

from __future__ import annotations

from typing import Any

from rpclab.core.containers import arrives_as_dict
from rpclab.errors import near


@arrives_as_dict
class AttributeDict(dict[str, Any]):
    """A dict whose items are attributes, too. Sent to another Worker, it arrives as a dict.

    A name that every dict has, such as `keys`, is the dict's own; the item is `record["keys"]`.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            error = AttributeError(f"a {type(self).__name__} has no {name}")
        error.add_note(near(name, self))
        raise error
