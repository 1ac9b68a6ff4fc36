"""`rpclab.serve`: one object for whoever dials, at one address.

Floor: server.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from rpclab.net.addresses import is_loopback, parse_address
from rpclab.net.limits import DEFAULT_LIMITS, ServerLimits
from rpclab.net.listening import Listener, Sessions, token_for
from rpclab.net.mains import main_of
from rpclab.rpc.local import home
from rpclab.server.admission import Admission, known_hosts
from rpclab.server.application import Application
from rpclab.server.routes import Exposed
from rpclab.server.serving import Server, start
from rpclab.server.starting import Starting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rpclab.net.tls import TLS
    from rpclab.rpc.engine import Engine


def serve(
    main: Any,
    address: str,
    *,
    token: str | None = None,
    insecure: bool = False,
    hosts: Iterable[str] = (),
    origins: Iterable[str] = (),
    tls: TLS = None,
    limits: ServerLimits = DEFAULT_LIMITS,
) -> Starting[Listener | Server]:
    """Serve an object to whoever connects to an address: `rpclab.connect` gives them a stub of it.

    `async with rpclab.serve(…) as server` serves until the end of the block; `server = await
    rpclab.serve(…)` until `await server.stop()`. `server.address` is what to connect to.

    Beyond this machine whoever dials needs a token, which is made if none is given, or for `tls:`
    a certificate.

    Args:
        main: a target, a function, a stub or a binding; or a class of targets, of which each
            session gets a new one.
        address: "unix:/path", "tcp:host:port", "tls:host:port", "memory:name"; or
            "ws://host:port/path" and "wss:…", "http:…", "https:…", where WebSockets and batches are
            answered alike. Port 0 means any that is free.
        token: what whoever dials must know.
        insecure: listen beyond this machine without.
        hosts: for those of the web, names under which the server may be asked, beside those of
            this machine; "*.name" for all below a name. Needed behind a proxy.
        origins: for those of the web, origins whose pages may come; "*" for all.
        tls: for `tls:`, `wss:` and `https:`, what `rpclab.certificates` makes, or an SSLContext.
        limits: for whoever dials.

    Raises:
        ValueError: the address is none.
        TypeError: main can be none.

    As it is awaited:

        OSError: the address is taken.
    """
    place = parse_address(address)
    here = home()
    engine = cast("Engine", here.host)
    token = token_for(place, token, insecure=insecure, tls=tls)
    if place.is_web:
        loopback = is_loopback(place.host)
        application = Application(
            engine,
            exposed=Exposed({place.path: main}),
            admission=Admission(
                token=token,
                hosts=known_hosts(hosts, local=loopback and token is None),
                origins=frozenset(origins),
                local=loopback,
            ),
            limits=limits,
        )
        if place.is_secure and tls is None:
            raise ValueError(f"{place.scheme}: needs tls=, such as rpclab.certificates(…) makes")

        return Starting(
            partial(
                start,
                application,
                place.host,
                place.port,
                tls=tls,
                limits=limits,
                token=token,
                address=place,
            )
        )
    listener = Listener(
        place,
        main_of(main, here),
        here,
        Sessions(engine, limits),
        token=token,
        tls=tls,
    )

    async def begin() -> Listener | Server:
        await listener.start()
        return listener

    return Starting(begin)
