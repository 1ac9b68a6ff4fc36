"""What the tests of the rules share."""

from __future__ import annotations

import pytest
from support import real_time
from support.world import world

__all__ = ["callee", "world"]


@pytest.fixture
def callee(world):
    """The binding of a Worker that sends back what it gets."""
    return world.deploy("""
        class Default(WorkerEntrypoint):
            def echo(self, *args, **kwargs):
                if kwargs:
                    return [list(args), kwargs]
                return args[0] if len(args) == 1 else list(args)
    """).CALLEE


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Tests of Workers in processes of their own run in real time."""
    if getattr(pyfuncitem.obj, "real_time", False):
        return real_time.pytest_pyfunc_call(pyfuncitem)
    return None
