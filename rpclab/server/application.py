"""The application: what an ASGI server, or a framework that mounts it, calls for each request.

Floor: server. https://asgi.readthedocs.io/en/latest/specs/main.html
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rpclab.net.limits import DEFAULT_LIMITS, ServerLimits
from rpclab.server.access import Access, Tell
from rpclab.server.admission import Admission, Asked, last_of_each, without_token
from rpclab.server.http import VISITORS, Exchange, Message, Receive, Send
from rpclab.server.routes import Exposed, Routes

if TYPE_CHECKING:
    from rpclab.rpc.bindings import ServiceBinding
    from rpclab.sandbox import Sandbox
    from rpclab.workers.declarations import BindingTarget


class Application:
    """The Workers of a sandbox as an ASGI application.

    It is to be called on the event loop that the sandbox lives on.

    Args:
        sandbox: where the Workers are.
        routes: which of them answers what.
        exposed: what sessions are offered, by path.
        admission: who may come in.
        limits: for whoever does.
        tell: is told of each request.

    Attributes:
        stopping: whether nobody new is let in.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        routes: Routes,
        exposed: Exposed,
        admission: Admission,
        limits: ServerLimits = DEFAULT_LIMITS,
        tell: Tell | None = None,
    ) -> None:
        self.stopping = False
        self._sandbox = sandbox
        self._routes = routes
        self._exposed = exposed
        self._admission = admission
        self._limits = limits
        self._tell = tell
        self._bindings: dict[str, ServiceBinding] = {}
        self._requests = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI hands it over."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            raise RuntimeError(f"a server for {scope['type']} was not asked for")

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        exchange = Exchange(self._sandbox.engine, self._limits, scope, receive, send)
        headers = last_of_each(scope["headers"])
        query = scope["query_string"].decode("latin-1")
        path = path_in(scope)
        asked = Asked(scope["method"], headers, query)
        target = None
        refusal = self._admission.refusal(asked)
        self._requests += 1
        try:
            if refusal is not None:
                exchange.note = "not let in"
                await exchange.refuse(*refusal)
            elif self.stopping or self._requests > self._limits.requests:
                await exchange.refuse(503, headers=[(b"retry-after", b"1")])
            else:
                target = self._routes.find(headers.get("host", ""), path)
                if target is None:
                    await exchange.refuse(404)
                else:
                    if self._admission.wants_cookie(asked):
                        exchange.cookie = self._admission.cookie(
                            scope.get("root_path", ""), secure=scope["scheme"] == "https"
                        )
                    url = _url(scope, headers, path, without_token(query))
                    binding = self._binding(target)
                    await exchange.run(binding, url, self._headers_for_worker(scope))
        except ConnectionError as error:
            exchange.note = exchange.note or str(error)
        finally:
            self._requests -= 1
            if self._tell is not None:
                self._tell(
                    Access(
                        client=_client(scope),
                        method=scope["method"],
                        path=path,
                        status=exchange.status or 499,
                        seconds=time.perf_counter() - began,
                        size=exchange.size,
                        worker=str(target or ""),
                        note=exchange.note,
                    )
                )

    def _binding(self, target: BindingTarget) -> ServiceBinding:
        """Leads to an entrypoint; made once, for a deploy or a reset makes it lead anew."""
        key = str(target)
        found = self._bindings.get(key)
        entry = None if found is None else found.__handle__.entry
        if found is None or entry is None or entry.broken is not None:
            self._sandbox.worker(target.worker)
            found = self._bindings[key] = self._sandbox._bind(VISITORS, target)
        return found

    def _headers_for_worker(self, scope: Message) -> list[tuple[str, str]]:
        """The headers of a request, without what was meant for this server."""
        token = self._admission.token
        kept = []
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            if token is None or token not in value or name not in ("authorization", "cookie"):
                kept.append((name, value))
        client = _client(scope)
        if client:
            # As the platform says it, whatever the client itself has said.
            kept = [pair for pair in kept if pair[0] != "cf-connecting-ip"]
            kept.append(("cf-connecting-ip", client))
        return kept


async def _live(receive: Receive, send: Send) -> None:
    """Take part in the lifespan of the server: there is nothing to begin or end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def path_in(scope: Message) -> str:
    """The path below the place where the application is mounted, as it was written."""
    raw = scope.get("raw_path") or scope["path"].encode()
    path: str = raw.partition(b"?")[0].decode("latin-1")
    prefix = scope.get("root_path", "").rstrip("/")
    if prefix and (path == prefix or path.startswith(prefix + "/")):
        path = path[len(prefix) :]
    return path or "/"


def _url(scope: Message, headers: dict[str, str], path: str, query: str) -> str:
    host = headers.get("host")
    if not host:
        name, port = scope.get("server") or ("localhost", None)
        host = name if port is None else f"{name}:{port}"
    return f"{scope['scheme']}://{host}{path}" + f"?{query}" * bool(query)


def _client(scope: Message) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def asgi(
    sandbox: Sandbox,
    *,
    worker: str | None = None,
    routes: Mapping[str, str] | None = None,
    expose: Mapping[str, Any] | Iterable[str] | None = None,
    token: str | None = None,
    hosts: Iterable[str] | None = None,
    origins: Iterable[str] = (),
    limits: ServerLimits = DEFAULT_LIMITS,
    tell: Tell | None = None,
) -> Application:
    """Make an ASGI application of the Workers of a sandbox, to be mounted or served.

    It runs on the event loop that the sandbox lives on. Who may reach it is up to what it is
    mounted in, unless it is told here.

    Args:
        sandbox: where the Workers are.
        worker: what answers where no route fits; else the first Worker that has `fetch`.
        routes: by "/path", "host" or "host/path", which Worker answers there.
        expose: by path, what a session reaches as main: "worker#Entrypoint", or an object.
        token: what whoever comes must know.
        hosts: names under which it may be asked, beside those of this machine; None for all.
        origins: origins whose pages may open sessions and send forms; "*" for all.
        limits: for whoever comes.
        tell: is told of each request.

    Raises:
        ValueError: a path or target is none.
    """
    return Application(
        sandbox,
        routes=Routes(sandbox, worker, routes),
        exposed=Exposed(expose),
        admission=Admission(
            token=token,
            hosts=None if hosts is None else frozenset(name.lower() for name in hosts),
            origins=frozenset(origins),
        ),
        limits=limits,
        tell=tell,
    )
