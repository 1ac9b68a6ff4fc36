"""A sandbox that is served in a thread of its own, for tests that drive a browser."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager

import rpclab


class Served:
    """A server that runs in another thread.

    Attributes:
        url: its address, such as "http://127.0.0.1:8000".
        sandbox: what is served; it is that thread's.
    """

    def __init__(self, url, sandbox, loop) -> None:
        self.url = url
        self.sandbox = sandbox
        self._loop = loop

    def run(self, coroutine):
        """Run a coroutine where the sandbox lives, and give what it gives."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


@contextmanager
def served(make, **options):
    """Serve a sandbox while the block runs.

    Args:
        make: gives the sandbox; called in the thread that it is to live in.
        options: those of `Sandbox.serve`.
    """
    started: Future = Future()

    async def run():
        stop = asyncio.Event()
        try:
            async with make() as sandbox, sandbox.serve(port=0, **options) as server:
                loop = asyncio.get_running_loop()
                started.set_result((Served(server.url, sandbox, loop), loop, stop))
                await stop.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        running, loop, stop = started.result()
        try:
            yield running
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join()


@contextmanager
def serving(path, worker, **options):
    """Serve the Workers of configurations while the block runs.

    Args:
        path: where the configurations stand.
        worker: the name of the one that answers.
        options: those of `Sandbox.from_config`.

    Returns:
        The address, such as "http://127.0.0.1:8000".
    """
    with served(lambda: rpclab.Sandbox.from_config(path, **options), worker=worker) as running:
        yield running.url
