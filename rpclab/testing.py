"""A sandbox for tests: a test fails that leaves stubs undisposed, or a failed call unseen.

Floor: testing. Needs pytest, the extra rpclab[pytest]. Import the fixture where a test, or a
conftest.py, should see it:

    from rpclab.testing import sandbox

    async def test_counting(sandbox):
        sandbox.deploy("counter", source=COUNTER)
        env = sandbox.bind(COUNTER="counter")
        with env.COUNTER.new_counter() as counter:
            assert await counter.increment(2) == 2

With `from rpclab.testing import every_sandbox` in a conftest.py, each sandbox that any test makes
is checked, `Sandbox.from_config(…)` among them.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rpclab.diagnostics.leaks import Leak, Leaks
from rpclab.rpc.engine import Engine
from rpclab.sandbox import NOTEBOOK, Sandbox

try:
    import pytest
except ModuleNotFoundError as error:
    raise ImportError("rpclab.testing needs pytest: install the extra rpclab[pytest]") from error


ASYNCIO = "asyncio"

_LINES = 20  # about calls that failed
_PASSES = 3  # of the loop, in which what was disposed last becomes known everywhere


class _Watch:
    """The sandboxes that a test makes, and the stubs that it has left in them."""

    running: _Watch | None = None

    def __init__(self) -> None:
        self._open: list[Sandbox] = []
        self._left: list[Leak] = []
        self._engines: list[Engine] = []
        self._unseen: list[str] = []

    def made(self, sandbox: Sandbox) -> None:
        """Look after one more."""
        self._open.append(sandbox)
        self._engines.append(sandbox.engine)
        sandbox.engine.tell_unseen = self._unseen.append

    def closing(self, sandbox: Sandbox, *, settled: bool = False) -> None:
        """The test itself closes it. What only its own variables hold is gone when it is over.

        Args:
            sandbox: which.
            settled: whether all messages have come, so that it is known what Workers hold.
        """
        if sandbox in self._open:
            self._open.remove(sandbox)
            leaks = sandbox.leaks()
            self._left += [leak for leak in leaks if settled or leak.owner.worker == NOTEBOOK]

    def end(self) -> str:
        """Say what is left of all of them and what failed unseen, and close those that are open."""
        gc.collect()
        for engine in self._engines:
            engine.sweep()
        # What a Worker has left has gone with the sandbox, and was left all the same.
        found = Leaks(
            leak for leak in self._left if leak.owner.worker != NOTEBOOK or leak.is_alive()
        )
        while self._open:
            sandbox = self._open.pop()
            found += sandbox.leaks()
            sandbox.close()
        lines = self._unseen[:_LINES]
        if len(self._unseen) > _LINES:
            lines.append(f"and {len(self._unseen) - _LINES} more")
        return "\n".join([str(found)] * bool(found) + lines)


@contextmanager
def _checked(backend: str) -> Iterator[None]:
    """Watch the sandboxes that a block makes; at its end the test fails if something is left."""
    if _Watch.running is not None:
        yield
        return
    watch = _Watch.running = _Watch()
    make, close = Sandbox.__init__, Sandbox.close

    def noting_init(self: Sandbox, **options: Any) -> None:
        if backend != ASYNCIO:
            error = RuntimeError(f"rpclab runs on asyncio, and not on {backend}")
            error.add_note("let the test have a fixture anyio_backend that returns 'asyncio'")
            raise error
        make(self, **{"record": True, **options})
        watch.made(self)

    def noting_close(self: Sandbox) -> None:
        watch.closing(self)
        close(self)

    async def noting_exit(self: Sandbox, *_error: object) -> None:
        for _ in range(_PASSES):
            await asyncio.sleep(0)
        watch.closing(self, settled=True)
        self.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sandbox, "__aexit__", noting_exit)
        patch.setattr(Sandbox, "__init__", noting_init)
        patch.setattr(Sandbox, "close", noting_close)
        try:
            yield
        finally:
            _Watch.running = None
    left = watch.end()
    # pytest keeps the error of the test that failed last there, and takes it away for the next one.
    if left and getattr(sys, "last_value", None) is None:
        pytest.fail(left, pytrace=False)


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A fresh sandbox that records; closed at the end of the test.

    If stubs are still alive then that nobody disposed, the test fails (as an error at teardown,
    in pytest's words) with `sandbox.leaks()` as its text; and so it does if a call failed
    and nobody awaited it. What Python forgets with the test's own variables is released and no
    leak. Other sandboxes that the test makes, such as with
    `Sandbox.from_config(…)`, are checked in the same way, at the latest when they close. Works with
    tests of any kind, sync or async, under any runner on asyncio, for nothing here awaits. A test
    that failed by itself is not blamed for stubs too: its traceback keeps every variable alive.
    """
    backend = _backend(request)
    if backend != ASYNCIO:
        pytest.skip(f"rpclab runs on asyncio, and not on {backend}")
    with _checked(backend):
        yield Sandbox()


@pytest.fixture(autouse=True)
def every_sandbox(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check each sandbox that a test makes, however it makes it; see `sandbox`.

    Where it is imported, it comes with every test of that module or folder.
    """
    with _checked(_backend(request)):
        yield


def _backend(request: pytest.FixtureRequest) -> str:
    """What the test runs on: anyio runs each on asyncio, and again on trio if that is there."""
    if "anyio_backend" not in request.fixturenames:
        return ASYNCIO
    name: str = request.getfixturevalue("anyio_backend_name")
    return name


__all__ = ["every_sandbox", "sandbox"]
