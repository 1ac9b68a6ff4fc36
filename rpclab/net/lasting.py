"""A connection that outlives its sessions: one is made anew when the last was lost.

Floor: net. What was obtained in one session is gone with it. Here a supervisor dials again, obtains
anew what it was told how to obtain, lets the calls go that wait, and repeats none that had left.
"""

from __future__ import annotations

import asyncio
import math
from contextvars import Context
from typing import TYPE_CHECKING, Any, Self

from rpclab.core.imports import Handle
from rpclab.core.messages import values_given
from rpclab.errors import DisconnectedError, RpcError, fresh_copy, late, overloaded
from rpclab.net.connection import CLOSED_HERE
from rpclab.net.lasting_imports import LastingImport, Parked
from rpclab.previews import described, message_of
from rpclab.rpc.stubs import RpcStub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator

    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.imports import Pending
    from rpclab.core.messages import Given, Keywords, Path
    from rpclab.net.backoff import Reconnect
    from rpclab.net.connection import Connection
    from rpclab.net.dialling import Dialling
    from rpclab.net.lasting_imports import Make
    from rpclab.net.sessions import Lost

    Recipe = Callable[[RpcStub], Any]

CONNECTING, OPEN, RECONNECTING, CLOSED = "connecting", "open", "reconnecting", "closed"


class Kept:
    """What is obtained in each session anew.

    Args:
        recipe: obtains it.

    Attributes:
        stands_for: what stubs of it stand on; None where it is no stub.
    """

    __slots__ = ("recipe", "stands_for")

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.stands_for: LastingImport | None = None


class LastingConnection:
    """What `rpclab.connect(…, reconnect=True)` gives: sessions with one peer, one after another.

    `await` it, or begin a block with `async with`, which gives `main`. Both wait for the first
    session.

    Args:
        dialling: how to dial.
        policy: when to dial again.

    Attributes:
        peer: the address.
        state: "connecting", "open", "reconnecting" or "closed".
        reason: why the last session ended, or the last attempt failed; None while one is open.
        lost: what the last session that was lost has taken with it; None before that.
        sessions: how many sessions there were.
        attempt: the number of the attempt that is made or waited for, from 1, after one has failed
            or a session was lost; else 0.
        next_at: when it is made, in the time of the loop; None where none is waited for.
    """

    def __init__(self, dialling: Dialling, policy: Reconnect) -> None:
        self.peer = str(dialling.address)
        self.state = CONNECTING
        self.reason: BaseException | None = None
        self.lost: Lost | None = None
        self.sessions = 0
        self.attempt = 0
        self._pauses = 0  # since a session was settled
        self._dialling = dialling
        self._engine = dialling.engine
        self._policy = policy
        self._session: Connection | None = None
        self._main: RpcStub | None = None
        self._main_import: LastingImport | None = None
        self._parked: dict[Parked, None] = {}
        self._kept: dict[Kept, None] = {}
        self._work: set[asyncio.Task[None]] = set()
        self._opened_at = 0.0
        self.next_at: float | None = None
        self._callbacks: list[Callable[[LastingConnection], None]] = []
        self._opening: asyncio.Future[Connection] | None = None
        self._first = asyncio.Lock()

    # The first session.

    def __await__(self) -> Generator[Any, None, Self]:
        return self.open().__await__()

    async def open(self) -> Self:
        """Dial, for up to `connect_seconds` and again and again; gives the connection itself.

        Raises:
            DisconnectedError: nobody was there in that time, or the peer does not let us in.
            TimeoutError: it did not answer in that time.
            PermissionError, ImportError: as `connect` says.
        """
        async with self._first:
            if self.state == CONNECTING:
                opening = self._start(self._open())
                try:
                    await asyncio.wait([opening])
                finally:
                    if not opening.done():  # whoever waits has given up
                        self.let_go()
        if self._main is None:
            raise self._why_closed()
        return self

    async def _open(self) -> None:
        seconds = self._dialling.connect_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._dial()
                while self._session is None:
                    await self._pause()
                    await self._dial()
        except TimeoutError:
            late = TimeoutError(f"{self.peer} did not answer within {seconds:g} s")
            self.end(self.reason or late)
        except asyncio.CancelledError:
            self.let_go()
            raise
        except Exception as error:
            self.end(error)

    def _why_closed(self) -> BaseException:
        return fresh_copy(self.reason or DisconnectedError(CLOSED_HERE))

    async def __aenter__(self) -> RpcStub:
        await self.open()
        return self.main

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def main(self) -> RpcStub:
        """The peer's main object: a stub that means the same in every session.

        To dispose of it ends the connection.

        Raises:
            RpcError: there was no session yet.
        """
        if self._main is None:
            raise RpcError(f"there is no session with {self.peer} yet: await the connection first")
        return self._main

    # Dialling.

    async def _pause(self) -> None:
        """Wait as long as is due before the next attempt."""
        self._pauses += 1
        pause = self._policy.pause(self._pauses)
        self.attempt += 1
        self.next_at = asyncio.get_running_loop().time() + pause
        self._tell()
        await asyncio.sleep(pause)

    async def _dial(self) -> None:
        """Dial once.

        Raises:
            Exception: to dial again would end alike.
        """
        try:
            connection = await self._dialling.attempt()
        except Exception as error:
            self.reason = error
        else:
            self.reason = connection.reason
            if self.reason is None:
                self._opens(connection)
                return
        if not may_help(self.reason):
            raise self.reason

    def _opens(self, connection: Connection) -> None:
        self._session = connection
        self._opened_at = asyncio.get_running_loop().time()
        self.sessions += 1
        self.attempt = 0
        self.next_at = None
        self.reason = None
        entry = connection.session.imports[0]
        if self._main_import is None:
            here = self._dialling.here
            self._main_import = LastingImport(self, connection.session, self.let_go, is_main=True)
            handle = Handle(self._main_import, here)
            if not here.long:
                here.own(handle)  # what a Worker's call has dialled ends with it
            self._main = RpcStub.__from_handle__(handle)
            self._engine.lasting.add(self)
        self._main_import.become(entry)
        self.state = OPEN
        connection.on_end(self._session_ended)
        # What is obtained anew comes before the calls that have waited, which may need it.
        for kept in list(self._kept):
            self._obtain_again(kept, connection)
        self.advance()
        if self._opening is not None and not self._opening.done():
            self._opening.set_result(connection)
        self._opening = None
        self._tell()

    def _session_ended(self, error: BaseException) -> None:
        connection, self._session = self._session, None
        if connection is None or self.state == CLOSED:
            return
        self.lost = connection.session.lost
        self.reason = error
        for standing in self._standing():
            standing.lose()
        if self._engine.closing or not may_help(error):
            self.end(error)
            return
        loop = asyncio.get_running_loop()
        if loop.time() - self._opened_at >= self._policy.settled:
            self._pauses = 0
        self.state = RECONNECTING
        self._start(self._restore())

    async def _restore(self) -> None:
        """Dial until there is a session again, or it is over."""
        error: BaseException | None = None
        try:
            async with asyncio.timeout(
                None if self._policy.seconds == math.inf else self._policy.seconds
            ):
                while self._session is None:
                    await self._pause()
                    await self._dial()
        except TimeoutError:
            error = self.reason
        except asyncio.CancelledError:
            if self.state != CLOSED:  # the loop comes to its end
                self.end(DisconnectedError(CLOSED_HERE))
            raise
        except Exception as failed:
            error = failed
        if self._session is None and self.state != CLOSED:
            self.end(error or DisconnectedError(CLOSED_HERE))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin a task that belongs to nobody's call."""
        loop = asyncio.get_running_loop()
        task: asyncio.Task[None] = Context().run(loop.create_task, work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def _standing(self) -> list[LastingImport]:
        found = [kept.stands_for for kept in self._kept]
        return [each for each in (self._main_import, *found) if each is not None]

    # Calls that wait.

    def park(
        self,
        of: LastingImport | Parked,
        path: Path,
        make: Make,
        args: Given,
        kwargs: Keywords,
        context: ExecutionContext,
    ) -> Pending:
        """Keep a call until it can be made.

        Args:
            of: what it is made on.
            path: of the member, for texts.
            make: makes it.
            args: what it is given.
            kwargs: likewise.
            context: in which it is made.

        Returns:
            Its promise.
        """
        if len(self._parked) >= self._policy.calls:
            error = overloaded(
                f"the connection to {self.peer}",
                self.peer,
                len(self._parked),
                self._policy.calls,
                f"it is {self._condition()}",
            )
            return of.session.rejected(error, context, values_given(args, kwargs))
        parked = Parked(self, of, path, make, args, kwargs, context)
        left = self._engine.left(parked)
        if left is not None and left <= 0:
            parked.fail(late())
            return parked
        if not context.long:
            context.started(parked)
        self._parked[parked] = None
        return parked

    def parked(self) -> list[Parked]:
        """The calls that wait for a session, in the order made."""
        return list(self._parked)

    def forget(self, parked: Parked) -> None:
        """A call that waits was given up."""
        self._parked.pop(parked, None)

    def advance(self) -> None:
        """Make the calls that can be made, in the order in which they came."""
        for parked in list(self._parked):
            if parked.can_go and self._parked.pop(parked, parked) is None:
                parked.go()

    # What is obtained anew.

    async def keep(self, recipe: Recipe, /) -> Any:
        """Obtain something now, and in each later session anew.

        What the recipe calls must be safe to repeat: it runs once in each session, whatever has
        become of its calls in the last one.

        Args:
            recipe: takes the peer's main object, as the session at hand has it, and gives what is
                to be obtained; awaited where that can be. It may subscribe a callback.

        Returns:
            Where the recipe gives a stub, a stub that means the same in every session; it is
            obtained no more once that is disposed. Any other value as it is; then the recipe runs
            in each session as long as the connection lasts.

        Raises:
            Exception: what the recipe raises the first time; then it is forgotten. Where it raises
                in a later session, calls on the stub reject with that until the next one.
            DisconnectedError: the connection is closed.
        """
        kept = Kept(recipe)
        while True:
            connection = await self._open_session()
            try:
                value = await _given(recipe(connection.main.dup()))
            except Exception:
                if connection.reason is None or self.state == CLOSED:
                    raise
                continue  # the session was lost meanwhile
            if connection.reason is None:
                break
        self._kept[kept] = None
        if type(value) is not RpcStub or value.__handle__.entry is None:
            return value
        standing = LastingImport(self, connection.session, lambda: self._forget(kept))
        standing.become(value.__handle__.entry)
        kept.stands_for = standing
        handle = Handle(standing, value.__handle__.context)
        handle.context.own(handle)
        value.dispose()
        return RpcStub.__from_handle__(handle)

    def _forget(self, kept: Kept) -> None:
        self._kept.pop(kept, None)

    def _obtain_again(self, kept: Kept, connection: Connection) -> None:
        # Its calls leave at once; a coroutine begins with its task.
        try:
            obtained = kept.recipe(connection.main.dup())
        except Exception as error:
            self._not_obtained(kept, connection, error)
            return
        self._start(self._obtain(kept, connection, obtained))

    async def _obtain(self, kept: Kept, connection: Connection, obtained: Any) -> None:
        try:
            value = await _given(obtained)
            standing = kept.stands_for
            if standing is None:
                return
            found = value.__handle__.entry if type(value) is RpcStub else None
            if found is None:
                error = TypeError("the recipe gave a stub before, and now it gives none")
                self._not_obtained(kept, connection, error)
            else:
                if connection.reason is None and kept in self._kept:
                    standing.become(found)
                value.dispose()
        except Exception as error:
            self._not_obtained(kept, connection, error)
        self.advance()

    def _not_obtained(self, kept: Kept, connection: Connection, error: Exception) -> None:
        if connection.reason is not None:
            return  # the next session tries it again
        if kept.stands_for is not None:
            kept.stands_for.failure = error
        self._engine.report(error, f"what is obtained anew from {self.peer}")

    async def _open_session(self) -> Connection:
        """Wait until a session is open.

        Raises:
            BaseException: there will be none.
        """
        while self._session is None:
            if self.state == CLOSED:
                raise self._why_closed()
            if self.state == CONNECTING:
                await self.open()
                continue
            if self._opening is None:
                self._opening = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._opening)
        return self._session

    # Streams.

    async def stream(
        self, recipe: Callable[[RpcStub, Any], Any], /, *, after: Any = None
    ) -> AsyncIterator[Any]:
        """Read a stream to its end, over sessions, from a source that can go on from a place.

        The source says where it is: it gives pairs of a position and a value. After a loss it is
        asked to go on after the last position that was read here. So each value comes once.

        Args:
            recipe: takes the peer's main object and a position, and gives a stream of the pairs
                that come after it; from the beginning where that is None. It must be safe to
                repeat.
            after: where to begin.

        Yields:
            The values.

        Raises:
            TypeError: the source gives no pairs, so it cannot go on after a loss.
            DisconnectedError: the connection is closed before the end.
            Exception: what the source raises.
        """
        while True:
            connection = await self._open_session()
            try:
                async for item in await _given(recipe(connection.main.dup(), after)):
                    position, value = _pair(item)
                    yield value
                    after = position
            except TypeError:
                raise
            except Exception:
                if connection.reason is None or self.state == CLOSED:
                    raise
            else:
                return

    # What is seen of it.

    def on_change(self, callback: Callable[[LastingConnection], None]) -> Callable[[], None]:
        """Call `callback(connection)` whenever its state changes, or an attempt has failed.

        Args:
            callback: takes this object; it looks at `state`, `reason`, `lost`, `attempt`.

        Returns:
            A function that takes the callback back.
        """
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback) if callback in self._callbacks else None

    def _tell(self) -> None:
        for callback in list(self._callbacks):
            try:
                callback(self)
            except Exception as error:
                self._engine.report(error, "a callback given to on_change")

    @property
    def waiting(self) -> int:
        """How many calls wait for a session."""
        return len(self._parked)

    def _condition(self) -> str:
        if self.state == OPEN:
            return "open"
        why = "" if self.reason is None else f" ({described(self.reason)})"
        if self.state in (RECONNECTING, CONNECTING) and self.attempt:
            return f"{self.state}, attempt {self.attempt}{why}"
        return f"{self.state}{why}"

    def __repr__(self) -> str:
        parts = [f"LastingConnection to {self.peer}", self._condition()]
        if self._parked:
            parts.append(f"{self.waiting} call{'s' * (self.waiting != 1)} waiting")
        if self.sessions > 1:
            parts.append(f"session {self.sessions}")
        return f"<{', '.join(parts)}>"

    async def cut(self) -> None:
        """Cut the session that is open, as a cable does that is pulled: for tests."""
        if self._session is not None:
            await self._session.cut()

    # The end.

    def let_go(self) -> None:
        """Close, without waiting for it."""
        self.end(DisconnectedError(CLOSED_HERE))

    async def close(self) -> None:
        """Close: what is queued is sent, everything breaks, and nothing is dialled any more."""
        connection = self._session
        self.let_go()
        if connection is not None:
            await connection.close()
        work = [task for task in self._work if task is not asyncio.current_task()]
        if work:
            await asyncio.wait(work)

    def end(self, error: BaseException) -> None:
        """There are no more sessions, for that reason."""
        if self.state == CLOSED:
            return
        self.state = CLOSED
        self.reason = error
        self.attempt = 0
        self.next_at = None
        self._engine.lasting.discard(self)
        if self._main is not None and not self._dialling.here.long:
            self._dialling.here.disown(self._main.__handle__)
        connection, self._session = self._session, None
        if connection is not None and not self._engine.closing:
            connection.let_go(message_of(error))
        for task in self._work:
            task.cancel()
        broken = error if isinstance(error, Exception) else DisconnectedError(CLOSED_HERE)
        if isinstance(broken, RpcError):
            broken._may_have_run = False
        for standing in self._standing():
            standing.lose()
            standing.break_off(broken)
        parked, self._parked = list(self._parked), {}
        for each in parked:
            each.fail(broken)
        if self._opening is not None and not self._opening.done():
            self._opening.set_exception(fresh_copy(broken))
            self._opening.exception()  # whoever waits gets it, and perhaps nobody does
        self._dialling.main.close()
        self._tell()


def may_help(error: BaseException) -> bool:
    """Whether to dial again may help: not where the peer refuses us, or breaks the rules."""
    if isinstance(error, DisconnectedError):
        return error.retryable
    return isinstance(error, TimeoutError) or (
        isinstance(error, OSError) and not isinstance(error, PermissionError)
    )


async def _given(value: Any) -> Any:
    """Await what a recipe gives, where that can be."""
    return await value if hasattr(type(value), "__await__") else value


def _pair(item: Any) -> tuple[Any, Any]:
    if type(item) in (tuple, list):
        match item:
            case [position, value]:
                return position, value
    raise TypeError(
        "a source that can go on after a loss gives pairs of a position and a value, not"
        f" {type(item).__name__}; read a stream without positions with `async for`"
    )
