"""A sandbox for tests, which fails a test that leaves stubs undisposed.

Floor: testing. Needs pytest; import the fixture where a test, or a conftest.py, should see it:

    from rpclab.testing import sandbox

    async def test_counting(sandbox):
        sandbox.deploy("counter", source=COUNTER)
        env = sandbox.bind(COUNTER="counter")
        with env.COUNTER.new_counter() as counter:
            assert await counter.increment(2) == 2
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

from rpclab.sandbox import Sandbox

try:
    import pytest
except ModuleNotFoundError as error:
    raise ImportError("rpclab.testing needs pytest: install the extra rpclab[test]") from error


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A fresh sandbox that records; closed at the end of the test.

    If stubs are still alive then that nobody disposed, the test fails (as an error at teardown,
    in pytest's words) with `sandbox.leaks()` as its text. What Python forgets with the test's own
    variables is released and no leak. Works with tests of any kind, sync or async, under any
    runner, for nothing here awaits. A test that failed by itself is not blamed for stubs too: its
    traceback keeps every variable alive.
    """
    fresh = Sandbox(record=True)
    yield fresh
    gc.collect()
    leaks = fresh.leaks()
    fresh.close()
    # pytest keeps the error of the test that failed last there, and takes it away for the next one.
    if leaks and getattr(sys, "last_value", None) is None:
        pytest.fail(str(leaks), pytrace=False)


__all__ = ["sandbox"]
