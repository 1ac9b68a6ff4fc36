"""What the tests of the rules share."""

from __future__ import annotations

import pytest
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
