"""A program that nobody can dial: it dials in to the bridge, and is called.

BRIDGE_TOKEN=let-me-be-called python -m demos.bridge ws://127.0.0.1:8787/dial-in/greenhouse
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress

import rpclab
from demos.bridge.greenhouse import Greenhouse


async def be_called(address: str, token: str | None) -> None:
    """Be at the other end of the bridge, and dial in again whenever the line breaks."""
    over = asyncio.Event()
    line = rpclab.connect(address, main=Greenhouse(), token=token, reconnect=True)

    def tell(_: object) -> None:
        print(line.state if line.reason is None else f"{line.state}: {line.reason}", flush=True)
        if line.state == "closed":
            over.set()

    line.on_change(tell)
    await line
    await over.wait()  # somebody else has dialled in under this name, or the token is another


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(be_called(sys.argv[1], os.environ.get("BRIDGE_TOKEN")))
