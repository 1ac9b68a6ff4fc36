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

FIRST_PAUSE, LONGEST_PAUSE = 1, 60  # seconds


async def be_called(address: str, token: str | None) -> None:
    """Be at the other end of the bridge, and come back whenever the line breaks."""
    pause: float = FIRST_PAUSE
    while True:
        try:
            connection = await rpclab.connect(address, main=Greenhouse(), token=token)
        except (rpclab.DisconnectedError, TimeoutError) as error:
            reason = str(error)
        else:
            print("dialled in", flush=True)
            pause = FIRST_PAUSE
            await connection.closed.wait()
            reason = str(connection.reason)
        print(f"not there: {reason}; trying again in {pause:g} s", flush=True)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(be_called(sys.argv[1], os.environ.get("BRIDGE_TOKEN")))
