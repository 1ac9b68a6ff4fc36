"""What strangers may do at most, and how long one waits for them.

Floor: net.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rpclab.core.limits import Limits

STRANGERS = Limits(
    message_objects=1024 * 1024,
    exports=20_000,
    imports=20_000,
    map_steps=10_000,
    session_bytes=128 * 1024 * 1024,
)
"""Bounds of a session with a peer that dialled in, where nothing else is said."""


@dataclass(frozen=True)
class ServerLimits:
    """Bounds of a server, for whoever comes in.

    Attributes:
        body_bytes: how large the body of a request may be: 100 MB, as on the platform; of a batch
            it is `message_bytes` of `session` where that is less.
        head_bytes: how long the head of a request may be.
        head_seconds: how long a client may take to send it, or its greeting.
        body_seconds: how long it may stop in the middle of a body, of a request that it sends or
            of a response that it reads.
        body_rate: how many bytes of a body it has to send in a second, on the average of the time
            that is waited for it, beyond `body_seconds`; and to read, of what is left for it. 0 for
            any.
        answer_seconds: how long a Worker may take until its response begins, or a batch until all
            its results are there.
        requests: how many HTTP requests are answered at a time; whoever is one too many gets 503.
        sessions: how many RPC sessions are open at a time; likewise.
        session: bounds of one RPC session.
        unfinished_bytes: how many bytes of messages and batches that are not whole yet are held, of
            all peers together; the session of whoever sends one too many ends.
        unsent_bytes: how many bytes may wait for a peer that reads too slowly; then its session
            ends.
        idle_seconds: how long nothing may happen in a session, signs of life apart; then it ends.
        silence_seconds: how long nothing at all may be heard of a peer, which is asked for a sign
            of life after half of that.
        stop_seconds: how long what is under way may take when the server stops.
    """

    body_bytes: int = 100_000_000
    head_bytes: int = 64 * 1024
    head_seconds: float = 20.0
    body_seconds: float = 60.0
    body_rate: int = 1024
    answer_seconds: float = 300.0
    requests: int = 10_000
    sessions: int = 10_000
    session: Limits = field(default=STRANGERS)
    unfinished_bytes: int = 1024 * 1024 * 1024
    unsent_bytes: int = 64 * 1024 * 1024
    idle_seconds: float = 3600.0
    silence_seconds: float = 60.0
    stop_seconds: float = 10.0

    def patience(self, read: int, waited: float) -> float:
        """Say how many seconds to wait for more of a body.

        Args:
            read: how many bytes of it have come.
            waited: how many seconds one has waited for these.
        """
        if not self.body_rate:
            return self.body_seconds
        left = self.body_seconds + read / self.body_rate - waited
        return max(0.0, min(self.body_seconds, left))


DEFAULT_LIMITS = ServerLimits()
