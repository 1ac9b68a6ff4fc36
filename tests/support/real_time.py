"""Async tests over real sockets: on the ordinary loop, in real time, with a bound."""

from __future__ import annotations

import asyncio

import pytest

from support import async_tests

BOUND = 30  # seconds; only a test that hangs takes so long


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    bound = getattr(pyfuncitem.module, "BOUND", BOUND)
    return async_tests.run(pyfuncitem, bound=bound)


async def until(condition):
    """Let the loop go round until something holds; the bound of the test ends what never does."""
    while not condition():  # noqa: ASYNC110 - what happens in the kernel sets no event
        await asyncio.sleep(0.001)
