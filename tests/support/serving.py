"""A sandbox that is served in a thread of its own, for tests that drive a browser."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager

import rpclab


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
    started: Future = Future()

    async def run():
        stop = asyncio.Event()
        try:
            async with (
                rpclab.Sandbox.from_config(path, **options) as sandbox,
                sandbox.serve(port=0, worker=worker) as server,
            ):
                started.set_result((server.url, asyncio.get_running_loop(), stop))
                await stop.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        url, loop, stop = started.result()
        try:
            yield url
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join()
