"""Async tests over real sockets: on the ordinary loop, in real time, with a bound."""

from __future__ import annotations

import asyncio
import gc
import inspect

import pytest

BOUND = 30  # seconds; only a test that hangs takes so long


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    with asyncio.Runner() as runner:
        runner.run(_quietly(function(**arguments)))
    return True


async def _quietly(test):
    """Run a test; whatever the loop would only log fails it."""
    complaints = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    try:
        async with asyncio.timeout(BOUND):
            await test
    finally:
        gc.collect()
        await asyncio.sleep(0)
    assert not complaints, complaints


async def until(condition):
    """Let the loop go round until something holds; the bound of the test ends what never does."""
    while not condition():  # noqa: ASYNC110 - what happens in the kernel sets no event
        await asyncio.sleep(0.001)
