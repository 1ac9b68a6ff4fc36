"""A virtual clock: an event loop whose time jumps, run as a guest inside another event loop.

Floor: rpc. The code of Workers runs on it, so `asyncio.sleep`, `timeout`, `TaskGroup`, queues and
threads there mean virtual time with no change to them. What stands outside (a notebook's cell, the
coroutine of a script) stays on the loop it was on, the host, in a callback of which the guest has
its turns. Time jumps to the next timer when the guest has nothing to do, the host has gone round
many times without calling in, and nobody holds the clock.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import sys
from asyncio.events import _set_running_loop
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager, nullcontext
from contextvars import Context
from itertools import count
from typing import Any, NoReturn, TypeVar, TypeVarTuple

from rpclab.errors import OTHER_THREAD, RpcError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

log = logging.getLogger("rpclab")

QUIET = 32
"""How often the host goes round without calling in before time jumps."""

_PASSES = 100  # of the guest in one turn, before the host goes on
_LAST_JUMPS = 1000  # after the end, for code that tidies up
_CANCELLED = 100  # timers that may lie about; more of them go when they are the most

_EMPTY = Context()


class GuestLoop(asyncio.AbstractEventLoop):
    """The event loop of a sandbox with a virtual clock.

    Attributes:
        at_rest: whether time passes only while somebody outside waits for a promise: set between
            the cells of a notebook, so that a cell begins at the moment the last one ended at.
        awaited: says whether somebody does.
    """

    def __init__(self) -> None:
        self.at_rest = False
        self.awaited: Callable[[], bool] = lambda: True
        self._host: asyncio.AbstractEventLoop | None = None
        self._now = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._cancelled = 0
        self._numbers = count()
        self._from_threads: deque[asyncio.Handle] = deque()
        self._outside: deque[asyncio.Handle] = deque()
        self._quiet = 0
        self._holds = 0
        self._sleepers = 0
        self._jumps_left: int | None = None
        self._scheduled = False
        self._stepping = False
        self._factory: Any = None

    def __repr__(self) -> str:
        return f"<the virtual clock of a sandbox, at {self._now:g} s>"

    # The host.

    @property
    def host(self) -> asyncio.AbstractEventLoop | None:
        """The loop that it takes turns in."""
        return self._host

    def attach(self, host: asyncio.AbstractEventLoop) -> None:
        """Take turns in that loop from now on; somebody there has called in.

        Raises:
            RpcError: the guest lives on a running loop of another thread.
        """
        if host is not self._host:
            if self._host is not None and self._host.is_running():
                raise RpcError(OTHER_THREAD)
            self._host = host
            self._scheduled = False
        self._called_in()

    def call_outside(
        self, function: Callable[..., object], *args: Any, context: Context | None = None
    ) -> None:
        """Call a function on the host, when the guest's turn is over."""
        host = self._host
        if host is None:
            raise RpcError("no event loop is running")
        handle = asyncio.Handle(function, args, host, context)
        self._outside.append(handle)
        if not self._stepping:
            self._called_in()

    def rest(self, at_rest: bool) -> None:  # noqa: FBT001 - says what it sets
        """Set `at_rest`."""
        self.at_rest = at_rest
        self._called_in()

    def _called_in(self) -> None:
        self._quiet = 0
        if not self._stepping and self._has_work():
            self._schedule()

    def _schedule(self) -> None:
        host = self._host
        if not self._scheduled and host is not None and not host.is_closed():
            self._scheduled = True
            host.call_soon(self._turn, context=_EMPTY.copy())

    def _has_work(self) -> bool:
        if self._ready or self._outside or self._from_threads:
            return True
        return bool(self._timers) and self._may_jump()

    def _may_jump(self) -> bool:
        if self._holds or self._jumps_left == 0:
            return False
        return not self.at_rest or self._sleepers > 0 or self.awaited()

    def _turn(self) -> None:
        """Do what is to be done, or come nearer to a jump. A callback of the host."""
        self._scheduled = False
        host = self._host
        if host is None or self._stepping:
            return
        self._take_from_threads()
        if not self._ready and not self._outside and self._timers and self._may_jump():
            self._quiet += 1
            if self._quiet > QUIET:
                self._jump()
        try:
            self._run(host)
            if _is_busy(host):
                self._quiet = 0  # something outside goes on, perhaps because of what was just done
            while self._outside:
                self._quiet = 0
                self._outside.popleft()._run()
        finally:
            if self._has_work():
                self._schedule()

    def _run(self, host: asyncio.AbstractEventLoop) -> None:
        if not self._ready:
            return
        hooks = sys.get_asyncgen_hooks()
        self._stepping = True
        _set_running_loop(self)
        sys.set_asyncgen_hooks(firstiter=None, finalizer=self._finish_generator)
        try:
            for _ in range(_PASSES):
                self._run_once()
                if not self._ready or self._outside:
                    break
        finally:
            sys.set_asyncgen_hooks(*hooks)
            _set_running_loop(host)
            self._stepping = False

    def _run_once(self) -> None:
        ready = self._ready
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()
        self._take_due()

    def _take_from_threads(self) -> None:
        while self._from_threads:
            self._quiet = 0
            self._ready.append(self._from_threads.popleft())
        self._take_due()

    def _finish_generator(self, generator: Any) -> None:
        self.call_soon_threadsafe(self.create_task, generator.aclose())

    # Time.

    def time(self) -> float:
        """The seconds that have passed since the beginning, in virtual time."""
        return self._now

    def _jump(self) -> None:
        self._drop_cancelled()
        if self._timers:
            self._now = max(self._now, self._timers[0][0])
            self._take_due()
            if self._jumps_left is not None:
                self._jumps_left -= 1

    def _take_due(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= self._now:
            timer = heapq.heappop(timers)[2]
            if timer.cancelled():
                self._cancelled -= 1
            else:
                self._ready.append(timer)
        self._drop_cancelled()

    def _drop_cancelled(self) -> None:
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
            self._cancelled -= 1

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let the clock stand still in a block: what goes on elsewhere takes no virtual time."""
        # The host may have a virtual clock of its own.
        with getattr(self._host, "hold", nullcontext)():
            self._holds += 1
            try:
                yield
            finally:
                self._holds -= 1
                self._called_in()

    async def sleep(self, seconds: float) -> None:
        """Wait in virtual time; for code outside."""
        host = asyncio.get_running_loop()
        self.attach(host)
        over = host.create_future()

        def wake() -> None:
            if not over.done():
                over.set_result(None)

        timer = self.call_later(seconds, self.call_outside, wake)
        self._sleepers += 1
        try:
            await over
        finally:
            self._sleepers -= 1
            timer.cancel()

    def settle_down(self) -> None:
        """The sandbox was closed: let its code tidy up, and then let time stand still."""
        self._jumps_left = _LAST_JUMPS

    # What asyncio asks of a loop.

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        if not self._stepping:
            self._called_in()
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._from_threads.append(handle)
        host = self._host
        if host is not None and not host.is_closed():
            host.call_soon_threadsafe(self._called_in)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        # Those of one moment run in the order in which they were asked for.
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        if not self._stepping:
            self._called_in()
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        # One that has left the heap, and waits for its turn, may be counted too: that does no harm.
        del handle
        self._cancelled += 1
        if self._cancelled > max(_CANCELLED, len(self._timers) // 2):
            self._timers = [timer for timer in self._timers if not timer[2].cancelled()]
            heapq.heapify(self._timers)
            self._cancelled = 1  # this one, which is marked when this returns

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        if self._factory is not None:
            task: asyncio.Task[Any] = self._factory(self, coro, **options)
            return task
        return asyncio.Task(coro, loop=self, **options)

    def set_task_factory(self, factory: Any) -> None:
        self._factory = factory

    def get_task_factory(self) -> Any:
        return self._factory

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run a function in a thread of the host; meanwhile the clock stands still."""
        if self._host is None:
            raise RpcError("no event loop is running")
        hold = self.hold()
        hold.__enter__()
        over = self.create_future()
        work = self._host.run_in_executor(executor, func, *args)

        def done(_: object) -> None:
            if over.cancelled():
                work.cancel()
            hold.__exit__(None, None, None)

        def finished(_: object) -> None:
            if over.done() or work.cancelled():
                over.cancel()
            elif work.exception() is not None:
                over.set_exception(work.exception())  # type: ignore[arg-type]
            else:
                over.set_result(work.result())

        over.add_done_callback(done)
        work.add_done_callback(finished)
        return over

    def is_running(self) -> bool:
        """Whether its host runs."""
        return self._host is not None and self._host.is_running()

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:  # noqa: FBT001 - asyncio's signature
        pass

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self._host is not None:
            self._host.call_exception_handler(context)
        else:
            log.error("%s", context.get("message"), exc_info=context.get("exception"))

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.call_exception_handler(context)

    async def shutdown_asyncgens(self) -> None:
        pass

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's signature
        pass


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise RpcError(
            f"a Worker on the virtual clock waits for nothing real, so it has no {name}():"
            f" {FOREIGN_ADVICE}"
        )

    return refuse


def _is_busy(host: asyncio.AbstractEventLoop) -> bool:
    """Whether something goes on in a loop beside the turns of guests, which wait for each other.

    A loop that does not show what is ready, such as that of a browser, has gone round often enough.
    """
    return any(
        getattr(handle._callback, "__func__", None) is not GuestLoop._turn
        for handle in getattr(host, "_ready", ())
    )


def foreign(awaited: object) -> RpcError:
    """Build the error for a Worker that awaits what belongs to another event loop."""
    return RpcError(
        f"a Worker awaited {type(awaited).__name__} of another event loop, which means real time"
        f" where its own may be virtual: {FOREIGN_ADVICE}"
    )


FOREIGN_ADVICE = (
    "do it in a thread, by `await asyncio.to_thread(...)`, while which the clock stands still,"
    ' or use Sandbox(clock="real")'
)
for _name in (
    "add_reader", "add_signal_handler", "add_writer", "connect_accepted_socket",
    "connect_read_pipe", "connect_write_pipe", "create_connection", "create_datagram_endpoint",
    "create_server", "create_unix_connection", "create_unix_server", "getaddrinfo", "getnameinfo",
    "sendfile", "sock_accept", "sock_connect", "sock_recv", "sock_recv_into", "sock_recvfrom",
    "sock_recvfrom_into", "sock_sendall", "sock_sendfile", "sock_sendto", "start_tls",
    "subprocess_exec", "subprocess_shell",
):  # fmt: skip
    setattr(GuestLoop, _name, _refusing(_name))
