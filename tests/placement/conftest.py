"""Workers in processes of their own run in real time, with a bound."""

from __future__ import annotations

import asyncio
import functools
import inspect

import pytest
from support import real_time
from support.over_processes import OneZygote
from support.processes import descendants

import rpclab


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Close the sandbox of a test on the loop of the test, where its sockets are."""
    test, sandbox = pyfuncitem.obj, pyfuncitem.funcargs.get("sandbox")
    if inspect.iscoroutinefunction(test) and sandbox is not None:
        pyfuncitem.obj = _closing(test, sandbox)
    return real_time.pytest_pyfunc_call(pyfuncitem)


def _closing(test, sandbox):
    @functools.wraps(test)
    async def run(**arguments):
        try:
            await test(**arguments)
        finally:
            sandbox.close()
            await asyncio.sleep(0)

    return run


@pytest.fixture(scope="session")
def zygote():
    """The zygote of all tests that need none of their own: to start one takes half a second."""
    engine = OneZygote()
    yield engine
    engine.end()


@pytest.fixture
def alone():
    """The sandbox of the test has a zygote of its own."""


@pytest.fixture
def sandbox(request, zygote):
    """A sandbox that leaves no process behind."""
    fresh = rpclab.Sandbox()
    if "alone" in request.fixturenames:
        zygote.end()
    else:
        zygote.serve(fresh)
    yield fresh
    fresh.close()
    assert descendants() <= zygote.own
