"""The messages between Workers, counted as they are sent; and one at which the wire is cut.

Floor: whatif. A Worker's messages to itself are none of these, for they cross no wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rpclab.core.messages import QUIET
from rpclab.transports import memory

if TYPE_CHECKING:
    from rpclab.core.messages import Frame
    from rpclab.core.session import Session
    from rpclab.sandbox import Sandbox

TORN, SILENT = "torn", "silent"
"""The ways of a cut: the connection breaks, which both ends see; or nothing arrives any more."""

WAYS = (TORN, SILENT)

Pair = tuple[str, str]


@dataclass(frozen=True)
class Strike:
    """Where and how the wire is cut.

    Attributes:
        message: at which message, counted from 1.
        way: TORN or SILENT.
        between: count the messages between these two alone; all of them unless given.
    """

    message: int
    way: str = TORN
    between: frozenset[str] | None = None


class Wire:
    """Stands between all Workers of a sandbox, from now on.

    Args:
        sandbox: which; no two of its Workers have a session yet.
        strike: where to cut, if anywhere.

    Attributes:
        sent: for each message, who sent it to whom.
        struck: the two Workers between which the wire was cut; None if it was not.
    """

    def __init__(self, sandbox: Sandbox, strike: Strike | None = None) -> None:
        self.sent: list[Pair] = []
        self.struck: Pair | None = None
        self.counts = False
        self._sandbox = sandbox
        self._strike = strike
        self._counted = 0
        sessions = list(sandbox.engine.sessions())
        for session in sessions:
            self._lay(session)
        for session in sessions:
            self._tap(session)
        sandbox.engine.connect = self.connect

    def connect(self, one: Session, other: Session) -> None:
        """Join two sessions; to be an engine's `connect`."""
        memory.connect(one, other)
        if one.keeper is not other.keeper:
            self._lay(one)
            self._sandbox.links.connect(one, other)
            self._tap(one)
            self._tap(other)

    def _lay(self, session: Session) -> None:
        """See that the session goes along a link, which can be cut."""
        peer = session.peer
        if peer is not None and peer.keeper is not session.keeper:
            self._sandbox.links.lay(session.keeper.worker, peer.keeper.worker)
            # To lay one has the sandbox join sessions by itself from then on.
            self._sandbox.engine.connect = self.connect

    def _tap(self, session: Session) -> None:
        peer = session.peer
        if peer is None or peer.keeper is session.keeper:
            return
        session.forgo_runs()  # each message is counted
        send, acknowledged = session.send, 0
        pair = (session.keeper.worker, peer.keeper.worker)

        def tapped(seen: int, frames: list[Frame]) -> None:
            nonlocal acknowledged
            at = self._struck_at(pair, frames)
            if at is None:
                acknowledged = seen
                send(seen, frames)
                return
            if frames[:at]:
                send(acknowledged, frames[:at])
            self._cut(pair)
            if self._strike is not None and self._strike.way == SILENT:
                send(seen, frames[at:])

        session.send = tapped

    def _struck_at(self, pair: Pair, frames: list[Frame]) -> int | None:
        """Count messages; gives the place of the first that the cut meets, if it is among them."""
        if not self.counts:
            return None
        for place, frame in enumerate(frames):
            if _kind(frame) == QUIET:
                continue  # a mark on those that follow, and no message that anybody sees
            self.sent.append(pair)
            strike = self._strike
            if strike is None or self.struck is not None:
                continue
            if strike.between is None or strike.between == {*pair}:
                self._counted += 1
                if self._counted == strike.message:
                    return place
        return None

    def _cut(self, pair: Pair) -> None:
        self.struck = pair
        strike, sandbox = self._strike, self._sandbox
        if strike is not None and strike.way == SILENT:
            sandbox.links.lay(*pair).cut()
            return
        observe = sandbox.engine.observe
        if observe is not None:
            observe(("link", *pair, "broken"))
        sandbox.disconnect(*pair)

    def mend(self) -> None:
        """Let what waits go on."""
        if self.struck is not None:
            self._sandbox.links.lay(*self.struck).mend()


def _kind(frame: Any) -> int:
    packed = frame if isinstance(frame, bytes) else frame[0]
    # An array of a few items, and its first, a small number: a byte each.
    return int(packed[1])
