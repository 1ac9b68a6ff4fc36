"""Workers for the world: HTTP and RPC sessions from outside.

Floor: server.
"""

from __future__ import annotations

from rpclab.net.limits import ServerLimits
from rpclab.server.access import Access
from rpclab.server.application import Application, asgi
from rpclab.server.serving import Server, serve

__all__ = ["Access", "Application", "Server", "ServerLimits", "asgi", "serve"]
