"""What to say of names of the platform that rpclab does not have.

Floor: workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rpclab.errors import near


def lacking(module: str, advice: Mapping[str, str], known: Iterable[str]) -> Callable[[str], Any]:
    """Make the `__getattr__` of a module that has less than the platform's.

    Args:
        module: its name in a Worker.
        advice: by a name that the platform has, what to do here.
        known: the names there are.
    """

    def refuse(name: str) -> Any:
        error = AttributeError(f"rpclab has no {module}.{name}", name=name)
        if not name.startswith("__"):
            error.add_note(advice.get(name) or near(name, known))
        raise error

    return refuse


def imported_names(module: Any, names: Iterable[str]) -> None:
    """Look up what a `from … import` names, for Python's own error would leave out our advice.

    Raises:
        ImportError: the module has no such name; with the notes of the AttributeError.
    """
    for name in names:
        if name == "*":
            continue
        try:
            getattr(module, name)
        except AttributeError as error:
            failed = ImportError(
                f"cannot import name {name!r} from {module.__name__!r}: {error}",
                name=module.__name__,
            )
            for note in getattr(error, "__notes__", ()):
                failed.add_note(note)
            raise failed from None
