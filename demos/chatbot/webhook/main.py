"""Where the chat platform sends what users type: checked, passed on to the bot, answered.

It speaks the way of interactions: a PING is answered with a PONG, a command with a message, or with
a promise of one that follows later, in a request of our own.
"""

from __future__ import annotations

import difflib
import json
import time
from typing import Any

from signatures import is_genuine
from workers import Request, Response, WorkerEntrypoint

PONG, MESSAGE, DEFERRED = 1, 4, 5
EPHEMERAL = 64  # a message that its user alone sees


class Default(WorkerEntrypoint):
    """Answers the platform."""

    async def fetch(self, request: Request) -> Response:
        """Answer an interaction."""
        if request.method != "POST":
            return Response("the platform sends POST requests\n", 405, headers={"allow": "POST"})
        body = await request.bytes()
        # First of all, and of the bytes as they came: nothing unsigned is even parsed.
        if not is_genuine(request.headers, body, self.env.PUBLIC_KEY, now=time.time()):
            return Response("invalid request signature\n", 401)
        interaction = json.loads(body)
        match interaction:
            case {"type": 1}:  # a PING
                return Response.from_json({"type": PONG})
            case {"type": 2, "token": str(token), "data": {"name": str(name), **data}}:
                return Response.from_json(await self._run(name, _options(data), token))
        return Response("there is no such interaction\n", 400)

    async def _run(self, name: str, options: dict[str, Any], token: str) -> dict[str, Any]:
        """Have the bot run a command."""
        # A binding would call any public method of that name: so only those on the list are called.
        if name not in self.env.COMMANDS:
            return _message(_unknown(name, self.env.COMMANDS), EPHEMERAL)

        async def follow_up(text: str) -> None:
            response = await self.env.PLATFORM.fetch(
                f"/webhooks/{token}",
                method="POST",
                headers={"content-type": "application/json"},
                body=json.dumps({"content": text}),
            )
            if not response.ok:
                raise ConnectionError(f"the platform did not take the message: {response.status}")

        try:
            text = await self.env.BOT[name](options, follow_up)
        except ValueError as error:
            return _message(f"/{name}: {error}", EPHEMERAL)
        return {"type": DEFERRED} if text is None else _message(text)


def _options(data: Any) -> dict[str, Any]:
    """What the user typed behind the command, by the name of the field."""
    return {each["name"]: each["value"] for each in data.get("options", [])}


def _message(text: str, flags: int = 0) -> dict[str, Any]:
    return {"type": MESSAGE, "data": {"content": text, "flags": flags}}


def _unknown(name: str, commands: list[str]) -> str:
    near = difflib.get_close_matches(name, commands, 1)
    hint = f"did you mean /{near[0]}? " if near else ""
    return f"I know no /{name}; {hint}I know {', '.join('/' + each for each in commands)}"
