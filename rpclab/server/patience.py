"""HTTP connections that uvicorn would wait for without end: bounded in time and in bytes.

Floor: server.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any, ClassVar

from rpclab.net.limits import ServerLimits
from rpclab.net.reading import Reading

if TYPE_CHECKING:
    from rpclab.server.application import Application

_Base: Any
try:
    from rpclab.server.at_once import AtOnce as _Base
except ModuleNotFoundError:  # without httptools requests are read in Python
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Base


class Patient(_Base, Reading):  # type: ignore[misc]  # which of two it is, shows at run time
    """A connection of uvicorn's. Whoever does not get on with the head of a request is cut off."""

    limits: ClassVar[ServerLimits]
    between = False  # whether no request is under way, nor its head, as far as is known
    _late: asyncio.TimerHandle | None = None
    _head = 0
    _handed_over = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._late = self.loop.call_later(self.limits.head_seconds, transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._handed_over:
            return  # what comes now, and how long it takes, is watched by the WebSocket
        if self.between:
            self._head = 0
            self._forget()
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            # The head is there; how long its body takes is watched where that is read.
            self._head = 0
            self._forget()
            return
        self._head += len(data)
        if self._head > self.limits.head_bytes:
            self.transport.abort()
        elif self._late is None:
            self._late = self.loop.call_later(self.limits.head_seconds, self.transport.abort)

    def on_response_complete(self) -> None:
        self._head = 0
        # The request behind it, which may have waited, does not belong to the one that is over.
        Context().run(super().on_response_complete)

    def handle_websocket_upgrade(self, *args: Any) -> None:
        self._handed_over = True
        self._forget()
        super().handle_websocket_upgrade(*args)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        # Closing waits until all has left, which a client that does not read could put off.
        self._late = self.loop.call_later(self.limits.body_seconds, self.transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        self._forget()
        super().connection_lost(error)

    def _forget(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def patient(application: Application, limits: ServerLimits) -> type[Patient]:
    """The class of which uvicorn makes one for each connection."""
    return type("Patient", (Patient,), {"application": application, "limits": limits})
