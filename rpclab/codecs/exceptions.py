"""Exceptions as values: which classes survive, and how one is taken apart (rules V20, Z1 to Z6).

Floor: codecs. A class is looked up in a fixed table; a peer's name never leads to an import.
"""

from __future__ import annotations

import builtins
from asyncio.exceptions import CancelledError
from typing import Any

from rpclab import errors
from rpclab.errors import RemoteError

CLASSES: dict[str, type[BaseException]] = {
    name: value
    for module in (builtins, errors)
    for name, value in vars(module).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
CLASSES["CancelledError"] = CancelledError

STEERING = ("StopIteration", "StopAsyncIteration", "GeneratorExit", "CancelledError", "SystemExit",
            "KeyboardInterrupt")  # fmt: skip
"""What steers Python at the other side arrives there as an RpcError when it is raised."""


def nearest(kind: type[BaseException]) -> type[BaseException]:
    """The first class of the MRO that every peer knows (rule Z5)."""
    for base in kind.__mro__:
        if CLASSES.get(base.__name__) is base:
            return base
    return Exception


def parts(error: BaseException) -> tuple[str, list[Any], dict[str, Any]]:
    """Take an error apart: the name of its class, its arguments, its own attributes."""
    kind = nearest(type(error))
    arguments: Any = kind.__reduce__(error)[1]
    if type(error).__init__ is not kind.__init__ and type(error) is not kind:
        arguments = error.args if not isinstance(error, OSError) else arguments
    attributes = {
        name: value
        for name, value in error.__dict__.items()
        if name not in ("__notes__", "culprit")
    }
    return kind.__name__, list(arguments), attributes


def rebuild(name: str, arguments: list[Any]) -> BaseException:
    """Build an error from its parts; a RemoteError where no class here fits."""
    kind = CLASSES.get(name)
    if kind is not None:
        try:
            return kind(*arguments)
        except Exception:  # noqa: BLE001, S110 - the message still arrives, below
            pass
    return RemoteError(" ".join(map(str, arguments)), name=name)
