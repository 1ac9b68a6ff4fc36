"""What a peer reaches as main: id 0 of its session.

Floor: net.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from rpclab.core.hooks import BrokenHook, ForwardHook, TargetHook
from rpclab.core.targets import RpcTarget, is_target
from rpclab.errors import RpcError
from rpclab.previews import type_name
from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.stubs import RpcStub

if TYPE_CHECKING:
    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.hooks import Hook


class Main(Protocol):
    """Makes what stands behind id 0 of each session."""

    def hook(self) -> Hook:
        """Give it, for one session."""

    def close(self) -> None:
        """No more sessions begin."""


class Nothing:
    """No main: every call on it is rejected."""

    def hook(self) -> Hook:
        return BrokenHook(RpcError("this end offers no main object: connect(…, main=…) would"))

    def close(self) -> None:
        pass


class EachItsOwn:
    """A new target for each session.

    Args:
        kind: its class.
        context: where its methods run.
    """

    def __init__(self, kind: type, context: ExecutionContext) -> None:
        self._kind = kind
        self._context = context

    def hook(self) -> Hook:
        return TargetHook(self._kind(), self._context)

    def close(self) -> None:
        pass


class Shared:
    """One object for all sessions. It is held as long as sessions may begin.

    Args:
        hook: stands for it.
    """

    def __init__(self, hook: Hook) -> None:
        self._hook = hook
        hook.retain()

    def hook(self) -> Hook:
        return self._hook

    def close(self) -> None:
        self._hook.release()


def main_of(value: Any, context: ExecutionContext) -> Main:
    """Say how to make the main of sessions of what a user gives.

    Args:
        value: a target or function; a class of targets, of which each session gets a new one; a
            stub or binding, to which calls are forwarded; None for nothing.
        context: where methods of targets run.

    Raises:
        TypeError: it is something else.
        DisposedError: the stub was disposed.
    """
    if value is None:
        return Nothing()
    if isinstance(value, type):
        if issubclass(value, RpcTarget):
            return EachItsOwn(value, context)
    elif isinstance(value, (RpcStub, ServiceBinding)):
        binding = isinstance(value, ServiceBinding)
        return Shared(ForwardHook(value.__handle__, binding=binding))
    elif is_target(value):
        return Shared(TargetHook(value, context))
    name = value.__name__ if isinstance(value, type) else type_name(value)
    raise TypeError(
        f"main is a target, a function, a stub, a binding or a class of targets, not {name}"
    )
