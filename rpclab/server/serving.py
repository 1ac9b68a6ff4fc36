"""A server: uvicorn on the loop of the sandbox, with its beginning and its end.

Floor: server. Needs the extra rpclab[serve].
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from rpclab.errors import refuse_in_browser
from rpclab.net.addresses import Address, is_loopback
from rpclab.net.limits import DEFAULT_LIMITS, ServerLimits
from rpclab.net.listening import asked_for, listen, token_for
from rpclab.net.tls import server_context
from rpclab.server.admission import Admission, known_hosts
from rpclab.server.application import Application
from rpclab.server.proxies import Proxies
from rpclab.server.routes import Exposed, Routes

if TYPE_CHECKING:
    import socket
    import ssl

    from rpclab.net.tls import TLS
    from rpclab.server.access import Tell
    from rpclab.server.served import Served


class Server:
    """A server of a sandbox's Workers; made by `serve`.

    Args:
        application: answers.
        listening: the socket, bound already.
        tls: for https; None for http.
        limits: of whoever comes in.
        token: what whoever comes must know; None if nothing.
        prefix: the path that a proxy in front leaves before each address.
        address: what `connect` is to be given, without the port, if one object is served.

    Attributes:
        host: the address it listens on.
        port: likewise.
        url: where it is found, such as "http://127.0.0.1:8787".
        address: the same with the token; or what to give to `rpclab.connect`, if one object is
            served.
        token: what whoever comes must know; None if nothing.
    """

    def __init__(
        self,
        application: Application,
        listening: socket.socket,
        *,
        tls: ssl.SSLContext | None,
        limits: ServerLimits,
        token: str | None,
        prefix: str = "",
        address: Address | None = None,
    ) -> None:
        self.application = application
        self.token = token
        self.host, self.port = listening.getsockname()[:2]
        name = f"[{self.host}]" if ":" in self.host else self.host
        self.url = f"http{'s' * (tls is not None)}://{name}:{self.port}{prefix}"
        asked = asked_for(token)
        self.address = self.url + asked
        if address is not None:
            # An address with a name is found by that, which a certificate may be for.
            self.address = f"{replace(address, port=self.port)}{asked}"
        self._listening = listening
        self._limits = limits
        self._uvicorn = _uvicorn(application, tls, limits)
        self._ticking: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._stopped = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        """Listen from now on."""
        self._uvicorn.config.load()
        self._uvicorn.lifespan = self._uvicorn.config.lifespan_class(self._uvicorn.config)
        await self._uvicorn.on_tick(0)
        await self._uvicorn.startup(sockets=[self._listening])
        self._ticking = asyncio.ensure_future(self._tick())

    async def _tick(self) -> None:
        while True:  # as uvicorn does itself: the header Date is made once in a second
            await asyncio.sleep(1)
            await self._uvicorn.on_tick(0)

    async def stop(self) -> None:
        """Stop: nobody new is let in, what is under way gets its time. Stopping twice is fine."""
        if self._stopping is None:
            self._stopping = asyncio.ensure_future(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        try:
            sessions = asyncio.ensure_future(self.application.sessions.stop())
            if self._uvicorn.started:
                await self._uvicorn.shutdown(sockets=[self._listening])
            await sessions
        finally:
            self._hang_up()
            self.application.close()
            self._listening.close()
            self._stopped.set()

    def abandon(self) -> None:
        """Stop at once: the sandbox is closed, and nobody is left who could answer."""
        self.application.sessions.stopping = True
        if self._stopped.is_set() or self._loop.is_closed():
            return
        if self._ticking is not None:
            self._ticking.cancel()
        for listener in getattr(self._uvicorn, "servers", ()):
            listener.close()
        self._listening.close()
        self._hang_up()

    def _hang_up(self) -> None:
        """Cut off whoever is still there."""
        for connection in list(self._uvicorn.server_state.connections):
            connection.transport.abort()

    async def stopped(self) -> None:
        """Wait until it has stopped."""
        await self._stopped.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def __repr__(self) -> str:
        return f"<Server at {self.url}{', stopped' * self._stopped.is_set()}>"


async def serve(
    sandbox: Served,
    *,
    host: str = "127.0.0.1",
    port: int = 8787,
    worker: str | None = None,
    routes: Mapping[str, str] | None = None,
    expose: Mapping[str, Any] | Iterable[str] | None = None,
    validate: bool = True,
    token: str | None = None,
    insecure: bool = False,
    hosts: Iterable[str] = (),
    proxies: Iterable[str] = (),
    origins: Iterable[str] = (),
    tls: TLS = None,
    prefix: str = "",
    limits: ServerLimits = DEFAULT_LIMITS,
    tell: Tell | None = None,
) -> Server:
    """Serve the Workers of a sandbox over the network, on the event loop that this runs on.

    HTTP goes to the `fetch` of a Worker. RPC sessions are offered only where an entrypoint was
    exposed by name. Nobody but this machine reaches it unless `host` says so; then whoever comes
    needs a token, which is made if none is given.

    Args:
        sandbox: where the Workers are.
        host: the address to listen on.
        port: likewise; 0 for any that is free.
        worker: what answers where no route fits; else the first Worker that has `fetch`.
        routes: by "/path", "host" or "host/path", which Worker answers there. Every Worker is also
            found at http://NAME.localhost.
        expose: by path, what a session reaches as main: "worker#Entrypoint", or an object; or
            texts "worker#Entrypoint=/path".
        validate: refuse calls to exposed entrypoints whose arguments are not as the annotations
            there say (see `Sandbox.validate`); False leaves it to the sandbox.
        token: what whoever comes must know: `?token=`, or `Authorization: Bearer`.
        insecure: listen on another address without a token.
        hosts: names under which the server may be asked, beside those of this machine; "*.name"
            for all below a name. Needed behind a proxy.
        proxies: addresses or networks of proxies in front, such as "127.0.0.1" for one on this
            machine: what they say in X-Forwarded-For and X-Forwarded-Proto is believed. Of
            everybody else it is not, and the client is whoever has connected.
        origins: origins whose pages may open sessions and send forms; "*" for all.
        tls: for https: what `rpclab.certificates` makes, or an SSLContext.
        prefix: the path that a proxy in front leaves before each address.
        limits: for whoever comes.
        tell: is told of each request.

    Returns:
        The server, which listens.

    Raises:
        ImportError: the extra rpclab[serve] is not installed.
        OSError: the address is taken.
        ValueError: a path, a target or a proxy is none.
    """
    loopback = is_loopback(host)
    token = token_for(Address("http", host, port), token, insecure=insecure, tls=tls)
    admission = Admission(
        token=token,
        hosts=known_hosts(hosts, local=loopback and token is None),
        origins=frozenset(origins),
        local=loopback,
    )
    application = Application(
        sandbox.engine,
        sandbox=sandbox,
        routes=Routes(sandbox, worker, routes),
        exposed=Exposed(expose, sandbox, validate=validate),
        admission=admission,
        limits=limits,
        tell=tell,
        prefix=prefix.rstrip("/"),
        proxies=Proxies(proxies),
    )
    server = await start(
        application, host, port, tls=tls, limits=limits, token=token, prefix=application.prefix
    )
    sandbox.servers.add(server)
    return server


async def start(
    application: Application,
    host: str,
    port: int,
    *,
    tls: TLS,
    limits: ServerLimits,
    token: str | None,
    prefix: str = "",
    address: Address | None = None,
) -> Server:
    """Let an application answer at an address.

    Args:
        application: answers.
        host: the address to listen on.
        port: likewise.
        tls: for https.
        limits: for whoever comes.
        token: what whoever comes must know.
        prefix: the path that a proxy in front leaves before each address.
        address: what `connect` is to be given, without the port, if one object is served.

    Raises:
        ImportError: the extra rpclab[serve] is not installed.
        OSError: the address is taken.
    """
    refuse_in_browser("a server", "sockets")
    listening = listen(host, port)
    try:
        server = Server(
            application,
            listening,
            tls=server_context(tls),
            limits=limits,
            token=token,
            prefix=prefix,
            address=address,
        )
        await server.start()
    except BaseException:
        listening.close()
        raise
    return server


def _uvicorn(application: Application, tls: ssl.SSLContext | None, limits: ServerLimits) -> Any:
    try:
        import uvicorn  # noqa: PLC0415 - for those who serve
    except ModuleNotFoundError as error:
        raise ImportError("a server needs the extra rpclab[serve]") from error
    from rpclab.server.patience import PatientServer, patient  # noqa: PLC0415 - likewise
    from rpclab.server.sockets import served  # noqa: PLC0415

    config = uvicorn.Config(
        application,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # whose word is taken, the application decides
        server_header=False,
        http=patient(application, limits),
        ws=served(application),  # type: ignore[arg-type]  # a buffered protocol is one, too
        timeout_graceful_shutdown=limits.stop_seconds,  # type: ignore[arg-type]
        ssl_context_factory=None if tls is None else lambda *_: tls,
    )
    return PatientServer(config, limits)
