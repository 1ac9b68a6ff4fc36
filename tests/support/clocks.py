"""A sandbox whose time is virtual."""

from contextlib import contextmanager

import rpclab


@contextmanager
def on_a_virtual_clock(source):
    """A sandbox with the Workers "a" and "b" of that source; a is bound to b as NEXT."""
    sandbox = rpclab.Sandbox(clock="virtual", record=True)
    sandbox.deploy("b", source=source)
    sandbox.deploy("a", source=source, bind={"NEXT": "b"})
    sandbox.bind(A="a", B="b")
    yield sandbox
    sandbox.close()
