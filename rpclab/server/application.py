"""The application: what an ASGI server, or a framework that mounts it, calls for each request.

Floor: server. https://asgi.readthedocs.io/en/latest/specs/main.html
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from rpclab.errors import DisconnectedError, UnknownBindingError, UnknownEntrypointError
from rpclab.net.limits import DEFAULT_LIMITS, ServerLimits
from rpclab.net.listening import Sessions
from rpclab.server.access import Access, Tell
from rpclab.server.admission import (
    SAFE,
    Admission,
    Asked,
    Refusal,
    decoded,
    headers_of,
    without_token,
)
from rpclab.server.http import VISIT, VISITORS, Exchange, Message, Receive, Send
from rpclab.server.proxies import Client, Proxies
from rpclab.server.routes import Exposed, OfWorker, Routes
from rpclab.server.urls import below, place_of, plain_path
from rpclab.server.visits import Visit, Way, may_visit
from rpclab.workers.declarations import BindingTarget
from rpclab.workers.http.headers import Headers
from rpclab.workers.http.requests import Request

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from rpclab.net.connection import Connection, Wire
    from rpclab.net.unfinished import Share
    from rpclab.rpc.engine import Engine
    from rpclab.server.served import Served

    Pairs = list[tuple[bytes, bytes]]

_SAID_BY_PROXIES = frozenset({b"x-forwarded-for", b"x-forwarded-proto"})
_LEFT = 499  # what the line of a request says whose client did not wait for an answer


Begun = tuple[Visit, str, BindingTarget]
"""A request that a Worker answers, without a session: the call, the path, and who is called."""


class Application:
    """The Workers of a sandbox as an ASGI application.

    It is to be called on the event loop that the sandbox lives on.

    Args:
        engine: runs what is called.
        sandbox: where the Workers are that answer HTTP; None if none do.
        routes: which of them answers what; likewise.
        exposed: what sessions are offered, by path.
        admission: who may come in.
        limits: for whoever does.
        tell: is told of each request.
        prefix: the path that a proxy in front leaves before each address.
        proxies: those in front whose word about a client is taken.

    Attributes:
        limits: for whoever comes in.
        prefix: likewise.
        sessions: those that are open.
        tells: whether anybody wants to know of requests.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        sandbox: Served | None = None,
        routes: Routes | None = None,
        exposed: Exposed,
        admission: Admission,
        limits: ServerLimits = DEFAULT_LIMITS,
        tell: Tell | None = None,
        prefix: str = "",
        proxies: Proxies | None = None,
    ) -> None:
        self.limits = limits
        self.prefix = prefix
        self.sessions = Sessions(engine, limits)
        self._engine = engine
        self._sandbox = sandbox
        self._routes = routes
        self._exposed = exposed
        self._admission = admission
        self._tell = tell
        self.tells = tell is not None
        self._proxies = proxies or Proxies()
        self._ways: dict[tuple[str, str], Way] = {}
        self._requests = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI hands it over."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "websocket":
            from rpclab.server.sockets import mounted  # noqa: PLC0415 - needs a library

            await mounted(self, scope, receive, send)
        elif scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            raise RuntimeError(f"a server for {scope['type']} was not asked for")

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        exchange = Exchange(self._engine, self.limits, scope, receive, send)
        visit = scope.get(VISIT)
        headers = headers_of(decoded(scope["headers"]))
        asker = name_of_client(scope.get("client"))
        client = self.client(asker, headers, secure=scope["scheme"] == "https")
        query = scope["query_string"].decode("latin-1")
        path = self.path_in(scope)
        asked = Asked(scope["method"], headers, query)
        served = ""
        refusal = self._admission.refusal(asked)
        self._requests += 1
        try:
            if refusal is not None:
                exchange.note = "not let in"
                await exchange.refuse(*refusal)
            elif not path.startswith("/"):
                await exchange.refuse(400)  # OPTIONS *, which asks nobody in particular
            elif visit is None and self._is_busy():
                await exchange.refuse(503, headers=[(b"retry-after", b"1")])
            elif self._exposed.find(path) is not None and asked.method in ("POST", "OPTIONS"):
                served = self._exposed.named(path)
                await self._batch(exchange, asked, path)
            else:
                target = self._route(headers.get("host", ""), path)
                served = str(target or "")
                if target is None:
                    is_exposed = self._exposed.find(path) is not None
                    await exchange.refuse(405 if is_exposed else 404)
                else:
                    if self._admission.wants_cookie(asked):
                        exchange.cookie = self._admission.cookie(
                            scope.get("root_path") or self.prefix, secure=client.secure
                        )
                    way = self._way(target)
                    if visit is None:
                        url = _url(scope, client, headers, path, without_token(query))
                        kept = self._headers_for_worker(scope["headers"], client.host)
                        await exchange.run(way, url, kept)
                    else:
                        await exchange.run(way, "", [], visit)
        except ConnectionError as error:
            exchange.note = exchange.note or str(error)
        except (UnknownBindingError, UnknownEntrypointError) as error:
            # A Worker that serves sessions alone, or is gone, answers no HTTP.
            exchange.note = str(error)
            await exchange.refuse(404)
        finally:
            self._requests -= 1
            self.tell(
                Access(
                    client=client.host,
                    method=scope["method"],
                    path=path,
                    status=exchange.status or _LEFT,
                    seconds=time.perf_counter() - began,
                    size=exchange.size,
                    worker=served,
                    note=exchange.note,
                )
            )

    def _is_busy(self) -> bool:
        return self.sessions.stopping or self._requests > self.limits.requests

    def begin(
        self,
        method: str,
        url: str,
        headers: Pairs,
        body: bytes,
        *,
        scheme: str,
        client: tuple[str, int] | None,
        loop: AbstractEventLoop,
    ) -> Begun | None:
        """Begin to answer a request that has come whole, if nothing stands in its way.

        Args:
            method: one whose answer has a body.
            url: as it was written, from the slash on.
            headers: those of the request; names in lower case.
            body: all of it.
            scheme: "http" or "https".
            client: the address and port that it comes from.
            loop: the one that runs.

        Returns:
            None where it has to be answered as any other, from its beginning on.
        """
        fields = dict(headers)
        host = fields.get(b"host", b"").decode("latin-1")
        if (
            self._sandbox is None
            or self._admission.token is not None
            or self._requests >= self.limits.requests
            or self.sessions.stopping
            or len(body) > self.limits.body_bytes
            or not host
            or len(fields) < len(headers)  # some stand twice, and it matters which
            or not _SAID_BY_PROXIES.isdisjoint(fields)
            or not may_visit(self._engine)
        ):
            return None
        try:
            path, query, whole = place_of(scheme, host, url, self.prefix)
        except TypeError:
            return None
        asks = method in SAFE
        if asks:
            refusal = self._admission.refusal_of_name(host)
        else:
            refusal = self._admission.refusal(Asked(method, headers_of(decoded(headers)), query))
        if (
            refusal is not None
            or not path.startswith("/")
            or (method == "POST" and self._exposed.find(path) is not None)
        ):
            return None
        target = None if self._routes is None else self._routes.find(host, path)
        if target is None:
            return None
        try:
            # A visit needs no session, so that of the way need not be there any more.
            way = self._ways.get((target.worker, target.entrypoint)) or self._way(target)
        except (UnknownBindingError, UnknownEntrypointError):
            return None
        said = Headers._come_in(partial(self._headers_for_worker, headers, name_of_client(client)))
        request = Request._come_in(whole, method, said, None if asks else body or None)
        return way.begin(request, loop), path, target

    def tell(self, access: Access) -> None:
        """Tell of a request, or of a session."""
        if self._tell is not None:
            self._tell(access)

    def path_in(self, scope: Message) -> str:
        """The path below the place where the application is mounted, as it was written."""
        raw = scope.get("raw_path") or scope["path"].encode()
        path: str = raw.partition(b"?")[0].decode("latin-1")
        return plain_path(below(path, (scope.get("root_path") or self.prefix).rstrip("/")))

    def client(self, host: str, headers: Mapping[str, str], *, secure: bool) -> Client:
        """Say who has asked, as far as the proxies in front are believed.

        Args:
            host: who has connected.
            headers: of the request.
            secure: whether that connection is encrypted.
        """
        return self._proxies.client(host, headers, secure=secure)

    # Sessions.

    def refuse_socket(self, asked: Asked, path: str) -> Refusal | None:
        """Say why a session is not opened; None if it is."""
        refusal = self._admission.refusal(asked)
        if refusal is not None:
            return refusal
        if self._exposed.find(path) is None:
            return Refusal(404, "Nothing is exposed here.")
        busy = self.sessions.refusal()
        return Refusal(503, busy) if busy else None

    def admit_socket(self, path: str, wire: Wire, codec: Any, *, signs: bool) -> Connection:
        """Begin a session of what is exposed at a path.

        Args:
            path: such as "/api".
            wire: carries it.
            codec: makes its codec.
            signs: whether the wire can ask for signs of life.

        Raises:
            DisconnectedError: nobody more is let in.
        """
        found = self._exposed.find(path)
        if found is None:
            raise DisconnectedError("nothing is exposed here any more")
        main, here = found
        return self.sessions.admit(wire, main, here, codec, signs=signs)

    def exposed_as(self, path: str) -> str:
        """What is exposed at a path, for a line that tells of it."""
        return self._exposed.named(path)

    def close(self) -> None:
        """No more sessions begin."""
        self._exposed.close()

    async def _batch(self, exchange: Exchange, asked: Asked, path: str) -> None:
        """Answer a batch; or the question of a browser whether a page may send one."""
        about = [(b"vary", b"origin")]
        origin = asked.headers.get("origin")
        if origin is not None:
            # Whose page may not have sent it has not come so far.
            about.append((b"access-control-allow-origin", origin.encode("latin-1")))
        if asked.method == "OPTIONS":
            if self._admission.refusal(asked._replace(method="POST")) is not None:
                about = []
            words = b"authorization, content-type"
            about += [
                (b"access-control-allow-methods", b"POST"),
                (b"access-control-allow-headers", words),
            ]
            await exchange.answer(204, b"", about)
            return
        share = self.sessions.unfinished.share()
        try:
            await self._answer_batch(exchange, path, about, share)
        finally:
            share.give_back()

    async def _answer_batch(
        self, exchange: Exchange, path: str, about: Pairs, share: Share
    ) -> None:
        from rpclab.server import batch  # noqa: PLC0415 - for those who get one

        limits = self.limits
        body = await exchange.whole(min(limits.body_bytes, limits.session.message_bytes), share)
        if body is None:
            return
        try:
            answer = await batch.answer(
                body,
                lambda wire, codec: self.admit_socket(path, wire, codec, signs=False),
                most=limits.session.message_bytes,
                seconds=limits.answer_seconds,
            )
        except DisconnectedError as error:
            await exchange.refuse(503, str(error), about)
        except TimeoutError:
            await exchange.refuse(504, "The results were not there in time.", about)
        else:
            if isinstance(answer, str):
                exchange.note = answer[:100]
                await exchange.refuse(400, answer, about)
            else:
                about.append((b"content-type", b"text/plain; charset=utf-8"))
                await exchange.answer(200, answer, about)

    # HTTP.

    def _route(self, host: str, path: str) -> BindingTarget | None:
        return None if self._routes is None else self._routes.find(host, path)

    def _way(self, target: BindingTarget) -> Way:
        """Leads to an entrypoint; made once, for a deploy or a reset makes it lead anew."""
        assert self._sandbox is not None  # noqa: S101 - a route has led to one of its Workers
        key = (target.worker, target.entrypoint)
        found = self._ways.get(key)
        if found is None or found.is_lost:
            self._sandbox.worker(target.worker)
            binding = self._sandbox._bind(VISITORS, target)
            hook = OfWorker(self._sandbox, target).hook()
            found = self._ways[key] = Way(self._engine, binding, hook)
        return found

    def _headers_for_worker(self, headers: Pairs, client: str) -> list[tuple[str, str]]:
        """The headers of a request, without what was meant for this server.

        Args:
            headers: as the request has them.
            client: the address that it comes from; "" where that is not known.
        """
        kept = []
        for name, value in decoded(headers):
            left = self._admission.without_token_in(name, value)
            if left is not None:
                kept.append((name, left))
        # As the platform says it, whatever the client itself has said.
        kept = [pair for pair in kept if pair[0] != "cf-connecting-ip"]
        if client:
            kept.append(("cf-connecting-ip", client))
        return kept


async def _live(receive: Receive, send: Send) -> None:
    """Take part in the lifespan of the server: there is nothing to begin or end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def _url(scope: Message, client: Client, headers: dict[str, str], path: str, query: str) -> str:
    host = headers.get("host")
    if not host:
        name, port = scope.get("server") or ("localhost", None)
        host = name if port is None else f"{name}:{port}"
    scheme = "https" if client.secure else "http"
    return f"{scheme}://{host}{path}" + f"?{query}" * bool(query)


def name_of_client(client: Any) -> str:
    """The address that a request comes from; "" where it is not known."""
    return str(client[0]) if client else ""


def asgi(
    sandbox: Served,
    *,
    worker: str | None = None,
    routes: Mapping[str, str] | None = None,
    expose: Mapping[str, Any] | Iterable[str] | None = None,
    validate: bool = True,
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
        validate: refuse calls to exposed entrypoints whose arguments are not as the annotations
            there say; False leaves it to the sandbox.
        token: what whoever comes must know.
        hosts: names under which it may be asked, beside those of this machine; None for all.
        origins: origins whose pages may open sessions and send forms; "*" for all.
        limits: for whoever comes.
        tell: is told of each request.

    Raises:
        ValueError: a path or target is none.
    """
    return Application(
        sandbox.engine,
        sandbox=sandbox,
        routes=Routes(sandbox, worker, routes),
        exposed=Exposed(expose, sandbox, validate=validate),
        admission=Admission(
            token=token,
            hosts=None if hosts is None else frozenset(name.lower() for name in hosts),
            origins=frozenset(origins),
        ),
        limits=limits,
        tell=tell,
    )
