"""What the controls of a view do to a sandbox: links, and the pace of readers.

Floor: notebook. All of it runs in the main loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rpclab.trace.timeline import NOTEBOOK

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox

_LONGEST = 10.0  # seconds of a round trip that a page may ask for


class Controls:
    """The controls of one sandbox.

    Args:
        sandbox: gives it, or None when it is gone; None for a recording from a file.
    """

    def __init__(self, sandbox: Callable[[], Sandbox | None] | None) -> None:
        self._sandbox = sandbox

    @property
    def clock(self) -> str:
        """Which clock the sandbox has: "real" or "virtual"; "" where there is none."""
        sandbox = self._present()
        return "" if sandbox is None else sandbox.clock

    def _present(self) -> Sandbox | None:
        return None if self._sandbox is None else self._sandbox()

    def state(self) -> dict[str, Any]:
        """The links between Workers that have to do with one another, and the paces of readers."""
        sandbox = self._present()
        if sandbox is None:
            return {"links": [], "paces": {}}
        engine = sandbox.engine
        pairs: dict[tuple[str, str], None] = {}
        for session in engine.sessions():
            one, _, other = session.name.partition("→")
            if one != other and (other, one) not in pairs:
                pairs[one, other] = None
        # The notebook is the near end of its links.
        ordered = [(a, b) if b != NOTEBOOK else (b, a) for a, b in pairs]
        return {
            "links": [self._link(sandbox, *pair) for pair in sorted(ordered)],
            "paces": dict(engine.paces),
        }

    def _link(self, sandbox: Sandbox, one: str, other: str) -> dict[str, Any]:
        link = sandbox.links.between(one, other)
        if link is None:
            return {"one": one, "other": other, "rtt": 0, "bandwidth": None, "up": True}
        bandwidth = None if link.bandwidth == math.inf else link.bandwidth
        state = {"rtt": link.rtt, "bandwidth": bandwidth, "up": link.up}
        return {"one": one, "other": other, **state}

    def set_link(self, message: dict[str, Any]) -> None:
        """Change a link: its "rtt" in seconds, or whether it is "up".

        Raises:
            ValueError: the message asks for what no link can have.
        """
        sandbox = self._present()
        if sandbox is None:
            return
        one, other = str(message["one"]), str(message["other"])
        rtt, up = message.get("rtt"), message.get("up")
        known = {NOTEBOOK, *sandbox.workers}
        if not {one, other} <= known:
            raise ValueError(f"no link joins {one} and {other}")
        if rtt is not None:
            sandbox.link(one, other, rtt=min(float(rtt), _LONGEST))
        if up is not None:
            sandbox.link(one, other, up=bool(up))

    def set_pace(self, message: dict[str, Any]) -> None:
        """Bound the pace of a reader; "rate" in bytes a second, None for no bound.

        Raises:
            ValueError: it is no rate.
        """
        sandbox = self._present()
        if sandbox is not None:
            rate = message.get("rate")
            sandbox.pace(str(message["worker"]), math.inf if rate is None else float(rate))

    def why(self, message: dict[str, Any]) -> str:
        """Say what keeps a stub alive, that a page shows as not disposed.

        Args:
            message: the "holder" and the "site" of the stub.
        """
        sandbox = self._present()
        if sandbox is None:
            return "this recording is from a file: what holds a stub, only its own kernel can tell"
        leaks = sandbox.leaks()
        holder, site = message.get("holder"), str(message.get("site") or "")
        found = [leak for leak in leaks if leak.owner.worker == holder]
        same = [leak for leak in found if _is_at(leak, site)] or found
        texts = list(dict.fromkeys(map(str, same)))
        return "\n".join(texts) or "it is disposed by now, or its context owns it until it ends"


def _is_at(leak: Any, site: str) -> bool:
    where = leak.cell or leak.file or ""
    return leak.line is not None and where in site and site.endswith(f", line {leak.line}")
