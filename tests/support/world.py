"""A sandbox whose Workers write what happens to them into one list."""

from __future__ import annotations

import textwrap

import pytest

PRELUDE = """
import asyncio
from workers import DurableObject, RpcPromise, RpcStub, RpcTarget, WorkerEntrypoint
from workers import gather, wait_until
sleep = asyncio.sleep

async def attempt(awaitable):
    try:
        return await awaitable
    except Exception as error:
        return error

class Logged(RpcTarget):
    def __init__(self, name="T"):
        self._name = name
    def m(self):
        return self._name
    def dispose(self):
        log(f"{self._name} disposed")
"""


class World:
    """Workers with one log, and the environment of whoever calls them.

    Args:
        sandbox: where they are deployed.
    """

    def __init__(self, sandbox) -> None:
        self.sandbox = sandbox
        self.log = []

    def deploy(self, source, name="callee", **bind):
        """Deploy a Worker; `log` writes to the list, and the caller's binding is its name."""
        worker, env = self.sandbox.prepare(name, bind=bind)
        worker.log = self.log.append
        exec(compile(PRELUDE, "<prelude>", "exec"), worker.__dict__)  # noqa: S102 - test code
        code = compile(textwrap.dedent(source), f"<worker {name}>", "exec")
        exec(code, worker.__dict__)  # noqa: S102 - as above
        self.sandbox.publish(name, worker, env, bind)
        return self.bind(**{name.upper(): name})

    def bind(self, **bindings):
        """Give the caller bindings."""
        return self.sandbox.bind(**bindings)

    def event(self):
        """Run a block in a caller's context that ends."""
        return self.sandbox.event()

    @property
    def env(self):
        """The caller's environment."""
        return self.sandbox.env


@pytest.fixture
def world(sandbox):
    """A sandbox with a log."""
    return World(sandbox)


async def failure(awaitable) -> Exception:
    """Give the error that awaiting raises; it must raise one."""
    try:
        value = await awaitable
    except Exception as error:
        return error
    raise AssertionError(f"no error, but {value!r}")


async def is_missing(awaitable, name: str) -> bool:
    """Whether awaiting raises the error of rule C6 about `name`, marked as remote."""
    error = await failure(awaitable)
    assert isinstance(error, TypeError), repr(error)
    assert str(error) == f'The RPC receiver does not implement the method "{name}".'
    assert error.remote is True
    return True
