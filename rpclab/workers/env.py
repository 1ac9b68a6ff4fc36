"""The environment of a Worker: variables and bindings, by attribute or item.

Floor: workers. One object for each Worker, shared by its calls (rules X1 to X3).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from rpclab.diagnostics.places import calling_site
from rpclab.errors import near

if TYPE_CHECKING:
    from collections.abc import Iterator

GIVEN = (
    "they are given where the Worker is deployed: `%%worker NAME --bind … --object … --d1 … --kv …"
    " --var …`, sandbox.deploy(…, bind={…}), or its configuration file"
)
"""Where variables and bindings come from: a note of the error of one that is not there says it."""

log = logging.getLogger("rpclab")


class Env:
    """The variables and bindings of one Worker.

    Args:
        worker: its name, for texts.
        called: how errors name it, where it is no Worker.

    Attributes:
        __secret__: the names of variables that no display shows.
    """

    __slots__ = ("__called__", "__dict__", "__secret__", "__worker__")

    def __init__(self, worker: str, called: str = "") -> None:
        object.__setattr__(self, "__worker__", worker)
        object.__setattr__(self, "__secret__", frozenset())
        object.__setattr__(self, "__called__", called or f'the Worker "{worker}"')

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        error = AttributeError(f"{self.__called__} has no binding or variable {name}")
        error.add_note(_hint(name, self))
        raise error

    def __getitem__(self, name: str) -> Any:
        try:
            return self.__dict__[name]
        except KeyError as error:
            error.add_note(_hint(str(name), self))
            raise

    def __setitem__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def __delitem__(self, name: str) -> None:
        del self.__dict__[name]

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __len__(self) -> int:
        return len(self.__dict__)

    def keys(self) -> list[str]:
        """The names of its variables and bindings."""
        return list(self.__dict__)

    def __repr__(self) -> str:
        return f"<Env of {self.__worker__}: {', '.join(self.__dict__) or 'empty'}>"


class ProgramEnv(Env):
    """The `env` of the program around the Workers, which tells of what is put into it by hand."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            object.__setattr__(self, name, value)
        else:
            self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        if not type(value).__module__.startswith("rpclab."):
            site = calling_site(1)
            log.warning(
                "%s stands in env for this program alone: no Worker sees it. Their variables are"
                " given when they are deployed (--var, --json; vars=, json=), and bindings are made"
                " by %%bind or sandbox.bind()%s",
                name,
                f" ({site})" if site else "",
            )


def _hint(name: str, env: Env) -> str:
    hint = near(name, env) or "it has none"
    if hint.startswith("did you mean") or isinstance(env, ProgramEnv):
        return hint
    return f"{hint}; {GIVEN}"
