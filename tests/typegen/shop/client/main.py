"""A Worker that is checked with its own types; its env is known without an annotation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from workers import Request, Response, WorkerEntrypoint, asgi, env, wsgi

if TYPE_CHECKING:
    from rpclab.typed import Stub


class Default(WorkerEntrypoint):
    async def greet(self, amount: int) -> str:
        with self.env.COUNTER.new_counter() as counter:
            await counter.increment(amount)
            return f"{env.GREETING} {await counter.value}"

    async def wrong(self) -> None:
        self.env.COUNTR.new_counter()  # error: attr-defined, reportAttributeAccessIssue
        env.COUNTER.new_counter().incremnt()  # error: attr-defined, reportAttributeAccessIssue

    async def follow(self, listener: Stub[[int], str]) -> str:
        with listener.dup() as kept:
            kept("one")  # error: arg-type, reportArgumentType
            text: str = await kept(1)
            await kept()  # error: call-arg, reportCallIssue
        return text + await listener(2)

    async def fetch(self, request: Request) -> Response:
        if request.method == "POST":
            return await asgi.fetch(self.answer, request.js_object, self.env, self.ctx)
        return await wsgi.fetch(self.site, request)

    def site(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    async def answer(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        await send({"type": "http.response.start", "status": scope["status"]})
