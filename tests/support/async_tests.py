"""How a test that is a coroutine is run: in a loop of its own, and leaving nothing behind."""

from __future__ import annotations

import asyncio
import gc
import inspect


def run(pyfuncitem, loop_factory=None, bound=None):
    """Run a test if it is a coroutine function, as pytest's hook `pytest_pyfunc_call` does.

    Args:
        pyfuncitem: the test.
        loop_factory: makes its loop; asyncio's own unless given.
        bound: after how many seconds of that loop it fails; never unless given.

    Returns:
        True if it has run, else None: pytest runs it.
    """
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_quietly(function(**arguments), bound))
    return True


async def _quietly(test, bound):
    """Run a test; whatever the loop would only log fails it."""
    complaints = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    try:
        async with asyncio.timeout(bound):
            await test
    finally:
        gc.collect()
        await asyncio.sleep(0)
    assert not complaints, complaints
