"""Bindings to what runs in another process of this sandbox.

Floor: workers. The sessions that lead there are `rpclab.placement.ways`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.errors import UnknownBindingError

if TYPE_CHECKING:
    from rpclab.core.session import Session


def bind_elsewhere(session: Session, granted: list[Any]) -> int:
    """Bind what runs in another process.

    Args:
        session: the session with its Worker.
        granted: what it is: ["entrypoint", name, props, validate]; or ["object", class, key, name].

    Returns:
        The id in the session.

    Raises:
        UnknownBindingError: the session does not lead to a Worker of this sandbox.
    """
    # A session that leads to another process takes an id, and tells the other end what it is.
    bind: Any = getattr(session, "bind", None)
    if bind is None:
        raise UnknownBindingError(f"no session leads to {session.name.partition('→')[2]}")
    number: int = bind(granted)
    return number
