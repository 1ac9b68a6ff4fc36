"""Serve a Worker of a demo to the browsers of this machine.

    python -m demos.serve demos/todo web [--port 8000] [--storage FOLDER]

It listens on 127.0.0.1 alone, and a response is sent when all of it is there: enough to try a demo
with. rpclab itself has no server yet.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import rpclab

HOST = "127.0.0.1"
LARGEST = 2**20  # bytes of a request's body


@contextmanager
def serving(folder: Path, worker: str, *, port: int = 0, **options: Any) -> Iterator[str]:
    """Serve a Worker while the block runs.

    Args:
        folder: where the configurations of the Workers stand.
        worker: the name of the one that answers.
        port: where; 0 for any that is free.
        options: those of `Sandbox.from_config`.

    Returns:
        The address, such as "http://127.0.0.1:8000".
    """
    with (
        _sandbox_in_a_thread(folder, options) as (sandbox, loop),
        ThreadingHTTPServer((HOST, port), _handler(sandbox, worker, loop)) as server,
    ):
        # Asked often, for whoever ends the block waits for it.
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _sandbox_in_a_thread(
    folder: Path, options: dict[str, Any]
) -> Iterator[tuple[rpclab.Sandbox, asyncio.AbstractEventLoop]]:
    """Run a sandbox on a loop of its own, for the threads of the server to ask."""
    started: Future[tuple[rpclab.Sandbox, asyncio.AbstractEventLoop]] = Future()
    stop = asyncio.Event()

    async def run() -> None:
        try:
            sandbox = rpclab.Sandbox.from_config(folder, **options)
        except BaseException as error:  # for whoever waits for the start
            started.set_exception(error)
            return
        async with sandbox:
            started.set_result((sandbox, asyncio.get_running_loop()))
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        sandbox, loop = started.result()
        try:
            yield sandbox, loop
        finally:
            loop.call_soon_threadsafe(stop.set)
    finally:
        thread.join()


def _handler(
    sandbox: rpclab.Sandbox, worker: str, loop: asyncio.AbstractEventLoop
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server: ThreadingHTTPServer

        def do_GET(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            if length > LARGEST:
                self.send_error(413)
                return
            body = self.rfile.read(length) or None
            try:
                answer = asyncio.run_coroutine_threadsafe(self._ask(body), loop).result()
            except Exception:  # of the Worker
                logging.getLogger("demos").exception("%s %s failed", self.command, self.path)
                self.send_error(500)
                return
            self._send(*answer)

        do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - so they are called

        async def _ask(self, body: bytes | None) -> tuple[rpclab.Response, bytes]:
            # The address is ours, whatever a page of another site calls this machine.
            response = await sandbox.fetch(
                worker,
                f"http://{HOST}:{self.server.server_port}{self.path}",
                method=self.command,
                headers=list(self.headers.items()),
                body=body,
                redirect="manual",
            )
            return response, await response.bytes()

        def _send(self, response: rpclab.Response, body: bytes) -> None:
            self.send_response(response.status, response.status_text or None)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing of each request."""

    return Handler


def main() -> None:
    """Read the command line and serve until Ctrl+C."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("worker")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--storage", type=Path, help="keep what is stored in this folder")
    given = parser.parse_args()
    with serving(given.folder, given.worker, port=given.port, storage=given.storage) as address:
        print(f"{given.worker} answers at {address}; Ctrl+C ends it")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
