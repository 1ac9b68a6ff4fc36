"""What a binding over a way leads to: as plain data, as a hook, and whether it was granted.

Floor: sandbox.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from rpclab.errors import RemoteProtocolError
from rpclab.workers.objects.live_object import ObjectHook
from rpclab.workers.worker import EntrypointHook

if TYPE_CHECKING:
    from rpclab.core.hooks import Hook
    from rpclab.placement.ways import Granted
    from rpclab.sandbox import Sandbox


def granted_of(hook: Any) -> Granted | None:
    """What a binding leads to, of the hook that stands behind it; None of another one."""
    if isinstance(hook, EntrypointHook):
        return ["entrypoint", hook._entrypoint, hook._props, hook._validate]
    if isinstance(hook, ObjectHook):
        return ["object", hook.running_class.class_name, hook.id._key, hook.id.name]
    return None


def is_granted(granted: Granted, grants: list[Granted]) -> bool:
    """Whether a binding is one of those that were granted; of objects the class is."""
    return (granted[:2] if granted[0] == "object" else granted) in grants


def hook_of(sandbox: Sandbox, worker: str, granted: Granted) -> Hook:
    """Make what stands behind a binding that came over a way.

    Args:
        sandbox: where the Worker runs.
        worker: its name.
        granted: what the binding leads to.

    Raises:
        RemoteProtocolError: it is no binding.
    """
    match granted:
        case ["entrypoint", str(name), dict(props), None | bool() as validate]:
            find = partial(sandbox.worker, worker)
            return EntrypointHook(find, name, props, validate=validate)
        case ["object", str(name), bytes(key), None | str() as called]:
            running = sandbox.running_class(worker, name)
            return ObjectHook(running, running.ids.from_key(key, called))
    raise RemoteProtocolError("the peer binds what is no binding")
