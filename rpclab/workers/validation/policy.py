"""Whose calls are checked against annotations.

Floor: workers. Without the extra rpclab[validate] nothing can be.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rpclab.workers.declarations import binding

if TYPE_CHECKING:
    from rpclab.core.contexts import Door
    from rpclab.rpc.engine import Engine

Validate = bool | Iterable[str]
"""True for all, or the names of those meant: "worker", or "worker#Entrypoint"."""


class Policy:
    """Which Workers and entrypoints have the arguments of calls to them checked.

    Args:
        validate: True for all; False for none; or those meant, "worker" or "worker#Entrypoint".

    Raises:
        TypeError: it is none of these.
        ValueError: a text is no such name.
        ImportError: the extra rpclab[validate] is not installed.
    """

    def __init__(self, validate: Validate) -> None:
        self.given: bool | tuple[str, ...]
        if isinstance(validate, bool):
            self.given = validate
        elif isinstance(validate, str) or not isinstance(validate, Iterable):
            raise TypeError(
                'validate is True, False, or a list of "worker" and "worker#Entrypoint",'
                f" not {validate!r}"
            )
        else:
            self.given = tuple(validate)
        named = () if isinstance(self.given, bool) else self.given
        self._workers = {name for name in named if "#" not in name}
        self._entrypoints = {binding(name)[:2] for name in named if "#" in name}
        if self.given:
            self.new_door()

    def covers(self, worker: str, entrypoint: str | None = None) -> bool:
        """Whether calls are checked: to an entrypoint, or to what else a Worker gives away."""
        if isinstance(self.given, bool):
            return self.given
        return worker in self._workers or (worker, entrypoint) in self._entrypoints

    def new_door(self) -> Door:
        """Make what checks the calls of a context.

        Raises:
            ImportError: the extra rpclab[validate] is not installed.
        """
        return new_door()


def new_door() -> Door:
    """Make what checks the calls of a context.

    Raises:
        ImportError: the extra rpclab[validate] is not installed.
    """
    try:
        from rpclab.workers.validation.argument_checks import Door  # noqa: PLC0415 - pydantic is an extra
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(("pydantic", "typing_inspection")):
            raise
        raise ImportError(
            "to validate arguments, pydantic is needed: install rpclab[validate]"
        ) from error
    return Door()


class Validating:
    """The part of a sandbox that says whose calls are checked."""

    engine: Engine

    @property
    def validate(self) -> bool | tuple[str, ...]:
        """Whose arguments have to be as the annotations of the method say.

        True for every method and function of every Worker, and of the program around them; or the
        names of some, "worker" or "worker#Entrypoint". It holds for calls that begin from now on.
        """
        policy: Any = self.engine.validation
        return policy.given if policy is not None else False

    @validate.setter
    def validate(self, validate: Validate) -> None:
        policy = Policy(validate)
        self.engine.use_validation(policy if policy.given else None)
