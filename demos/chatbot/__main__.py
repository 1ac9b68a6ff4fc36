"""Talk to the bot, without a chat platform and without a network.

python -m demos.chatbot "/roll 2d6" "/think what is a stub?"
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import rpclab
from demos.chatbot import signer

DEFERRED = 5


async def talk(lines: list[str]) -> None:
    """Send what a user types, and print what comes back."""
    # The bot's time is virtual: it thinks for three seconds, and nobody has to wait for it.
    async with rpclab.Sandbox.from_config(Path(__file__).parent, clock="virtual") as sandbox:
        env = sandbox.bind(SCREEN="platform#Screen")
        for number, line in enumerate(lines):
            name, _, text = line.removeprefix("/").partition(" ")
            print(">", line)
            interaction = signer.command(name, text, token=str(number))
            response = await sandbox.fetch("webhook", "/", **signer.signed(interaction))
            answer = await response.json()
            if answer["type"] != DEFERRED:
                print(answer["data"]["content"])
                continue
            print("…")
            while not (followed := await env.SCREEN.messages(str(number))):
                await asyncio.sleep(0.01)
            print(*followed, sep="\n")


if __name__ == "__main__":
    asyncio.run(talk(sys.argv[1:] or ["/help"]))
