"""What the tests of sockets, servers and JavaScript peers share."""

from __future__ import annotations

import asyncio

import pytest

import rpclab


class Counter(rpclab.RpcTarget):
    """Counts, and says when it is disposed."""

    def __init__(self, log) -> None:
        self._log = log
        self._value = 0

    def increment(self, amount=1):
        self._value += amount
        return self._value

    def dispose(self):
        self._log.append("counter disposed")


class Api(rpclab.RpcTarget):
    """One of everything that a session carries.

    Attributes:
        log: what happened at this end.
    """

    def __init__(self) -> None:
        self.log = []
        self._kept = []

    def hello(self, name):
        return f"Hello, {name}"

    def echo(self, value):
        return value

    def counter(self):
        return Counter(self.log)

    def fail(self):
        raise ValueError("on purpose")

    async def call_back(self, function, value):
        return await function(value)

    def keep(self, stub):
        self._kept.append(stub.dup())

    async def call_kept(self, value):
        return await self._kept[-1](value)

    async def hang(self):
        self.log.append("hanging")
        try:
            await asyncio.Event().wait()
        finally:
            self.log.append("hang left")

    def numbers(self, count, size=1000):
        def produce():
            try:
                for number in range(count):
                    yield number.to_bytes(4, "big") * (size // 4)
            finally:
                self.log.append("numbers left")

        return rpclab.ReadableStream(produce())

    async def total(self, stream):
        return sum([len(chunk) async for chunk in stream])


def far_sessions(sandbox):
    """The names of the sessions with other programs."""
    return [session.name for session in sandbox.engine.sessions() if session.peer is None]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """An authority, and a certificate for each end."""
    return rpclab.certificates(tmp_path_factory.mktemp("certificates") / "pki")


async def failure(awaitable):
    """Give the error that awaiting raises; it must raise one."""
    try:
        value = await awaitable
    except Exception as error:
        return error
    raise AssertionError(f"no error, but {value!r}")
