"""A connection: a session, and the wire that carries its batches.

Floor: net. What a connection received belongs to it: when it ends, everything breaks at once, with
its reason.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self

from rpclab.core.flow import Uplink
from rpclab.core.imports import Handle
from rpclab.errors import DisconnectedError, RemoteProtocolError
from rpclab.net.closing import FAULT, GOING, NORMAL, broken
from rpclab.net.keepalive import ASK, IDLE, SILENT, Pulse
from rpclab.net.sessions import FarSession, MainImport
from rpclab.rpc.stubs import RpcStub

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.hooks import Hook
    from rpclab.core.limits import Limits
    from rpclab.core.messages import Frame
    from rpclab.rpc.engine import Engine

CLOSED_HERE = "this end closed the connection"

_LINGER = 5.0  # seconds that the last bytes may take to leave


class Wire(Protocol):
    """Carries the batches of one connection. It tells the connection what comes in."""

    def send(self, seen: int, frames: list[Frame]) -> None:
        """Send a batch."""

    def ask(self) -> None:
        """Ask the other end for a sign of life."""

    def end(self, reason: str, code: int) -> None:
        """Say why this is the end (see `closing`), and close when all that was sent has left."""

    def abort(self) -> None:
        """Close at once; what was not sent is lost."""

    def unsent(self) -> int:
        """How many bytes have not left yet."""


class Connection:
    """A session with a peer in another program.

    Args:
        engine: runs what the peer calls.
        wire: carries its batches.
        here: the Worker that this end belongs to.
        far: what the other end is called here.
        codec: makes the codec of the session.
        main: what the peer reaches as id 0.
        limits: of the session.
        unsent: how many bytes may wait for a peer that does not read.
        silence: how many seconds nothing at all may be heard; it is asked after half of that.
        idle: how many seconds nothing may happen, signs of life apart.

    Attributes:
        main: the peer's main object, a stub. To dispose it ends the connection.
        session: the session.
        reason: why it ended; None while it is open.
        code: what it closes with, if nobody is to blame.
    """

    def __init__(
        self,
        engine: Engine,
        wire: Wire,
        *,
        here: ExecutionContext,
        far: str,
        codec: Callable[[Any], Any],
        main: Hook,
        limits: Limits,
        unsent: float = math.inf,
        silence: float = math.inf,
        idle: float = math.inf,
    ) -> None:
        self.engine = engine
        self.peer = far
        self.reason: BaseException | None = None
        self.code = NORMAL
        self._wire = wire
        self._most = unsent
        self._loop = asyncio.get_running_loop()
        engine.attend(self._loop)
        self.session = session = FarSession(
            f"{here.worker}→{far}", codec=codec, host=engine, keeper=here, main=main, limits=limits
        )
        session.send = self._send
        session.uplink = Uplink(wire.unsent)
        session.ended = self._session_ended
        engine.join(session)
        entry = MainImport(session, self.let_go)
        session.imports[0] = entry
        self.main = RpcStub.__from_handle__(Handle(entry, here))
        self.closed = asyncio.Event()
        self._callbacks: list[Callable[[BaseException], None]] = []
        self._pulse = Pulse(self._loop.time(), silence=silence, idle=idle)
        self._timer: asyncio.TimerHandle | None = None
        self._look()

    # What the wire tells.

    def receive(self, seen: int, frames: list[Frame]) -> None:
        """A batch has come in."""
        pulse = self._pulse
        pulse.heard = pulse.used = self._loop.time()
        if self.reason is None:
            self.engine.deliver(partial(self.session.receive, seen, frames), self._loop)

    def heard(self) -> None:
        """Something has come in, or was taken there: a sign of life."""
        self._pulse.heard = self._loop.time()
        if self.session.uplink is not None:
            self.session.uplink.look()
        self._see_that_it_reads()  # whoever asks for signs of life is sent some

    def lost(self, error: BaseException) -> None:
        """The wire is closed, or the other end has said why it closes."""
        if self.reason is None:
            self.engine.deliver(partial(self.session.close, error))

    def fault(self, error: RemoteProtocolError) -> None:
        """The other end breaks the rules of the wire: it is told, and the session ends."""
        if self.reason is None:
            self.engine.deliver(partial(self.session.abort, error))

    def gone(self) -> None:
        """The wire is gone, and all that was to be sent has been, or is lost."""
        self.lost(broken("the other side closed the connection"))
        self.closed.set()

    # What the session does.

    def _send(self, seen: int, frames: list[Frame]) -> None:
        self._pulse.used = self._loop.time()
        self._wire.send(seen, frames)
        if self._wire.unsent() > self._most:
            self._see_that_it_reads()

    def _see_that_it_reads(self) -> None:
        if self.reason is None and self._wire.unsent() > self._most:
            error = broken(
                f"the other side does not read: more than {self._most:,} bytes wait for it"
                " (ServerLimits.unsent_bytes)"
            )
            self.engine.again(partial(self._give_up, error))

    def _session_ended(self, error: BaseException) -> None:
        """The session is over, for whatever reason: so is the connection."""
        self.reason = error
        self.engine.part(self.session)
        if self._timer is not None:
            self._timer.cancel()
        if not isinstance(error, DisconnectedError):
            self._wire.end(str(error), FAULT)
        else:
            # What this end calls itself says nothing to the other one.
            self._wire.end("" if str(error) == CLOSED_HERE else str(error), self.code)
        if not self.closed.is_set():
            self._timer = self._loop.call_later(_LINGER, self._wire.abort)
            self._loop.create_task(self._forget_timer())
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(error)

    async def _forget_timer(self) -> None:
        await self.closed.wait()
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self, error: BaseException) -> None:
        self.session.close(error)
        self._wire.abort()

    # Signs of life.

    def _look(self) -> None:
        now = self._loop.time()
        due = self._pulse.look(now, busy=self.session.busy())
        if due == SILENT:
            seconds = now - self._pulse.heard
            error = broken(f"nothing was heard of the other side for {seconds:.0f} s")
            self.engine.deliver(partial(self._give_up, error))
            return
        if due == IDLE:
            error = DisconnectedError("the connection was idle for too long")
            self.engine.deliver(partial(self.session.close, error))
            return
        if due == ASK:
            self._wire.ask()
        wait = self._pulse.next(now)
        if wait != math.inf:
            self._timer = self._loop.call_later(wait, self._look)

    # For whoever holds it.

    def let_go(self, why: str = CLOSED_HERE) -> None:
        """Close, without waiting for it: what is queued is sent, and everything breaks."""
        if self.reason is None:
            self.engine.deliver(partial(self._close, why))

    def _close(self, why: str) -> None:
        if self.session.closed is None:
            self.session.put()
            self.session.close(DisconnectedError(why))

    async def cut(self) -> None:
        """Cut the wire, as a cable does that is pulled: for tests."""
        self._wire.abort()
        await self.closed.wait()

    async def close(self) -> None:
        """Close: what is queued is sent, and everything that was received breaks."""
        self.let_go()
        await self.closed.wait()

    async def finish(self, why: str) -> None:
        """Take no more calls, wait for those under way, and close then.

        Args:
            why: what new calls are rejected with, and everything breaks with at the end.
        """
        self.code = GOING
        if self.reason is None:
            over = asyncio.Event()
            self.on_end(lambda _: over.set())
            self.session.let_finish(DisconnectedError(why), over.set)
            await over.wait()
            self.let_go(why)
        await self.closed.wait()

    def on_end(self, callback: Callable[[BaseException], None]) -> None:
        """Call `callback(error)` once when it ends; at once if it has."""
        if self.reason is not None:
            callback(self.reason)
        else:
            self._callbacks.append(callback)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        state = "open" if self.reason is None else f"ended: {self.reason}"
        return f"<Connection to {self.peer}, {state}>"
