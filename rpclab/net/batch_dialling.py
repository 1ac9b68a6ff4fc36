"""Calls in one HTTP request: `http:` and `https:`.

Floor: net. Needs httpx: the extra rpclab[http].
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rpclab.core.imports import Forgettable, Pending
from rpclab.errors import DisconnectedError, MessageTooLargeError
from rpclab.net.advice import no_http, nobody_listens, refused, unreached, with_advice
from rpclab.net.codecs import CAPN_WEB, codec_named
from rpclab.net.tape import TapeWire, lines_of
from rpclab.net.tls import client_context
from rpclab.previews import shown
from rpclab.workers.network import LOCAL

try:
    import httpx
except ModuleNotFoundError as missing:
    raise ImportError("an HTTP batch needs the extra rpclab[http]") from missing

if TYPE_CHECKING:
    from rpclab.core.messages import Frame
    from rpclab.net.connection import Connection
    from rpclab.net.dialling import Dialling

ENDED = (
    "Batch RPC request ended. All calls of a batch are made before its first await; over a"
    " WebSocket (ws:) they can be made at any time."
)
"""What everything is rejected with that the answer of a batch does not settle."""

_NOT_RUN = frozenset({401, 403, 404, 405, 413, 421, 426, 429})
"""The statuses of a server that has looked at no call: who asks, how, or where is refused."""

_SHOWN = 200  # characters of what a server says instead of answering a batch


class BatchWire(TapeWire):
    """The side of a batch that asks.

    Calls gather until somebody waits for a result. Then the batch leaves, with a question for the
    result of each promise that is held.

    Args:
        dialling: what is wanted.
    """

    def __init__(self, dialling: Dialling) -> None:
        super().__init__(dialling.limits.message_bytes)
        self._dialling = dialling
        self._left = False
        self._asking: asyncio.Task[None] | None = None

    def begin(self) -> Connection:
        """Make the connection; nothing is sent yet."""
        self.connection = self._dialling.connection(self, codec_named(CAPN_WEB), signs=False)
        return self.connection

    @property
    def _session(self) -> Any:
        assert self.connection is not None  # noqa: S101 - nobody sends before there is one
        return self.connection.session

    def send(self, seen: int, frames: list[Frame]) -> None:
        if self._left or self.over or self.connection is None:
            return  # the batch is under way: what comes now cannot be answered any more
        super().send(seen, frames)
        if self.tape.is_full:
            error = MessageTooLargeError(
                f"a batch is limited to {self._dialling.limits.message_bytes:,} bytes"
                " (Limits.message_bytes): use a WebSocket"
            )
            self.connection.lost(error)
        if self.tape.pulls:
            # In the drain, after all that is under way has had its turn.
            self.connection.engine.again(self._ask_for_all)

    def _ask_for_all(self) -> None:
        if self._left or self.over or self.connection is None:
            return
        session = self._session
        for entry in [*session.imports.values()]:
            pending = entry.pending() if isinstance(entry, Forgettable) else entry
            if isinstance(pending, Pending):
                pending.ask()
        session.when_over(session.streams_sent, self._leave)

    def _leave(self) -> None:
        if not self._left and not self.over:
            self._left = True
            self._asking = self.loop.create_task(self._ask())

    async def _ask(self) -> None:
        connection = self.connection
        assert connection is not None  # noqa: S101 - it has sent what is asked
        try:
            async with asyncio.timeout(self._dialling.connect_seconds):
                body = await self._post(self.tape.body())
        except TimeoutError:
            seconds = self._dialling.connect_seconds
            text = (
                f"{self._dialling.address} did not answer within {seconds:g} s (connect_seconds),"
                " which is for all results of the batch"
            )
            connection.lost(DisconnectedError(text))
        except (httpx.HTTPError, OSError) as error:
            address = self._dialling.address
            text = f"{address} cannot be reached: {str(error) or type(error).__name__}"
            advice = unreached(address, error)
            if isinstance(error, httpx.RemoteProtocolError):
                advice = no_http(address, error)
            made = DisconnectedError(with_advice(text, advice))
            made.retryable = nobody_listens(error)
            if isinstance(error, httpx.ConnectError) or not isinstance(error, httpx.HTTPError):
                self._has_not_run()  # the machine was not found, or nobody there took a connection
            connection.lost(made)
        except DisconnectedError as error:
            connection.lost(error)
        else:
            connection.receive(0, lines_of(body))
            connection.lost(DisconnectedError(ENDED))

    def _has_not_run(self) -> None:
        """Have every call of the batch be told as one that has not left."""
        self._session.first_unsent = 0

    async def _post(self, body: bytes) -> bytes:
        dialling = self._dialling
        headers = {"content-type": "text/plain;charset=UTF-8", **dialling.headers}
        if dialling.token is not None:
            headers["authorization"] = f"Bearer {dialling.token}"
        address = dialling.address
        secure = client_context(dialling.tls) if address.is_secure else True
        place = replace(address, host=await dialling.host())
        # What is asked for, and what its certificate is for, is the name all the same.
        # A few bytes could unpack to more than there is memory.
        headers["accept-encoding"] = "identity"
        headers["host"] = urlsplit(address.url()).netloc
        async with (
            # Whoever asks has a bound for all of it. A proxy would look the name up once more.
            httpx.AsyncClient(
                verify=secure,
                timeout=None,  # noqa: S113 - as said
                trust_env=dialling.network.reach == LOCAL,
            ) as client,
            client.stream(
                "POST",
                place.url(),
                content=body,
                headers=headers,
                extensions={"sni_hostname": address.host},
            ) as response,
        ):
            packed = response.headers.get("content-encoding", "identity")
            if packed != "identity":
                raise DisconnectedError(
                    f"{dialling.address} answered in {shown(packed)}, which was not asked for"
                )
            parts, size = [], 0
            async for part in response.aiter_raw():
                parts.append(part)
                size += len(part)
                if size > dialling.limits.message_bytes:
                    raise DisconnectedError(
                        f"{dialling.address} answered with more than {size:,} bytes"
                        " (Limits.message_bytes)"
                    )
                if not response.is_success and size > _SHOWN:
                    break
            whole = b"".join(parts)
            # A path that nothing is exposed at may well lead to a page: its answer is no list.
            if not response.is_success or (whole and not whole.lstrip().startswith(b"[")):
                said = shown(whole[: 4 * _SHOWN].decode("utf-8", "replace").strip(), _SHOWN)
                answer = f"{response.status_code} {said}".rstrip()
                advice = refused(response.status_code, knew_token=dialling.token is not None)
                text = f"{dialling.address} answers no batch: {answer}"
                if response.status_code in _NOT_RUN:
                    self._has_not_run()
                raise DisconnectedError(with_advice(text, advice))
            return whole

    def end(self, reason: str, code: int) -> None:
        asking = self._asking
        if not self.over and asking is not None and asking is not asyncio.current_task():
            asking.cancel()
        super().end(reason, code)


async def dial(dialling: Dialling) -> Connection:
    """Begin a batch. Nothing is sent before somebody waits for a result.

    Raises:
        ValueError: a codec is wanted that batches do not know.
    """
    if dialling.codec not in (None, CAPN_WEB):
        raise ValueError(f"a batch speaks Cap'n Web, and no {dialling.codec}")
    return BatchWire(dialling).begin()
