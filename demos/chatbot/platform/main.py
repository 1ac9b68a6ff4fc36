"""Stands in for the chat platform's HTTP API: it takes messages that follow later, and shows them.

It keeps them in memory; on Cloudflare, where a Worker may be started anew at any time, that would
be too little.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from workers import Request, Response, WorkerEntrypoint

messages: dict[str, list[str]] = {}  # by the token of the interaction that they answer


class Default(WorkerEntrypoint):
    """The platform's API."""

    async def fetch(self, request: Request) -> Response:
        """Take a message for an interaction: POST /webhooks/TOKEN."""
        match (request.method, *urlsplit(request.url).path.split("/")):
            case "POST", "", "webhooks", token:
                messages.setdefault(token, []).append((await request.json())["content"])
                return Response(status=204)
        return Response("there is no such thing here\n", 404)


class Screen(WorkerEntrypoint):
    """What the users see."""

    async def messages(self, token: str) -> list[str]:
        """The messages that followed an interaction."""
        return messages.get(token, [])
