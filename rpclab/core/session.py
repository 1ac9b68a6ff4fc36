"""One session between two Workers: a symmetric state machine.

Floor: core. Batches of frames go in through `receive`, and come out through `flush`; nothing here
waits. Both ends are alike: each imports (`importer`) what the other exports (`exporter`).
"""

from __future__ import annotations

from itertools import islice

from rpclab.core.answers import Answer
from rpclab.core.exporter import IN_TABLE, Exporter
from rpclab.core.importer import Importer
from rpclab.core.imports import REJECTED, RESOLVED, Pending
from rpclab.core.messages import (
    ABORT,
    CALL,
    CANCEL,
    MAP,
    PIPE,
    PULL,
    REJECT,
    RELEASE,
    RESOLVE,
    STREAM,
    Message,
    parse,
)
from rpclab.errors import DisconnectedError, RemoteProtocolError


class Session(Importer, Exporter):
    """One end of a session (see `Endpoint` for its arguments and attributes)."""

    def receive(self, seen: int, frames: list[bytes]) -> None:
        """Apply a batch of the peer.

        Args:
            seen: how many plain settlements of ours the peer has seen.
            frames: its messages, in order. What is left of them when this raises was not applied.

        A frame that is no message ends this session, with that reason, and raises nothing.
        """
        if self.closed is not None:
            return
        keep = self.host.keep
        if keep is not None:
            keep((self.host.clock(), "arrived", self.label, len(frames)))
        frames.reverse()
        try:
            self._apply_all(frames)
        except RemoteProtocolError as error:
            frames.clear()
            self.abort(error)
            return
        finally:
            frames.reverse()
            if keep is not None:
                self.latest = None
                keep((self.host.clock(), "applied", self.label, len(frames)))
            # What came in belongs to whoever took it; to remember it here would keep it alive.
            if self.incoming.references:
                self.incoming.begin()
        if seen > self._acknowledged:
            self._acknowledge(seen)
        if self._seen != self._told:
            self.awake()

    def _apply_all(self, frames: list[bytes]) -> None:
        incoming, decode, limit = self.incoming, self._decode, self.limits.message_bytes
        plain_call, acknowledges = self._receive_plain_call, self._acknowledges
        while frames:
            if incoming.references:
                incoming.begin()
            frame = frames.pop()
            if len(frame) > limit:
                raise RemoteProtocolError(f"the peer sent a message of over {limit} bytes")
            try:
                message = decode(frame)
            except RemoteProtocolError:
                raise
            except Exception as error:
                text = f"the peer sent a frame that is no message: {error}"
                raise RemoteProtocolError(text) from error
            if type(message) is list and not incoming.references:
                # The common messages, in fewer steps; what follows does the same for any.
                size = len(message)
                if size == 5:
                    if message[0] == CALL and plain_call(message):
                        continue
                elif size == 3:
                    kind, number, value = message
                    if kind == RESOLVE and type(number) is int and number > 0 and acknowledges:
                        entry = self.imports.get(number)
                        if type(entry) is Pending:
                            self._seen += 1
                            del self.imports[number]
                            entry.settle(RESOLVED, value)
                            continue
            message = parse(message)
            kind = message[0]
            if kind == CALL:
                self._receive_call(message)
            elif kind == RESOLVE:
                self._receive_settlement(message, RESOLVED, message[2], 3)
            elif kind == STREAM:
                self._receive_write(message, len(frame))
            else:
                self._receive_other(kind, message)
                if self.closed is not None:
                    frames.clear()

    def _acknowledge(self, seen: int) -> None:
        unacknowledged = self._unacknowledged
        count = seen - self._acknowledged
        if count > len(unacknowledged):
            self.abort(RemoteProtocolError("the peer acknowledges settlements that were not sent"))
            return
        self._acknowledged = seen
        if count == len(unacknowledged):
            self._unacknowledged = {}
        else:
            take = unacknowledged.pop
            unacknowledged = {number: take(number) for number in [*islice(unacknowledged, count)]}
        for number, value in unacknowledged.items():
            if value is IN_TABLE:
                self.exports.pop(number, None)

    def _receive_other(self, kind: int, message: Message) -> None:
        if kind == REJECT:
            error = message[2]
            if message[3]:
                error.remote = True
            self._receive_settlement(message, REJECTED, error, 4)
        elif kind == RELEASE:
            for position in range(1, len(message), 2):
                self._receive_release(message[position])
        elif kind == CANCEL:
            answer = self._call_of_peer(message[1], "cancelled")
            if answer is not None:
                del self.exports[message[1]]
                answer.cancel()
                answer.drop()
        elif kind == PIPE:
            if len(message) == 2:
                self._receive_pipe(message[1])
            else:
                self._receive_pipe_end(message[1], message[2])
        elif kind == PULL:
            self._receive_pull(message[1])
        elif kind == MAP:
            self._receive_map(message)
        elif kind == ABORT:
            self.close(DisconnectedError(f"the other side ended the session: {message[1]}"))

    # The end.

    def abort(self, error: BaseException) -> None:
        """End the session because of the peer, and tell it why."""
        if self.closed is None:
            self.outgoing.begin(self.keeper)
            self.send_frame(self._encode([ABORT, error], []))
            self.flush()
            self.close(error)

    def close(self, error: BaseException) -> None:
        """End the session: every promise of it rejects with `error`, every export is let go."""
        if self.closed is None:
            self.closed = error
        imports, self.imports = self.imports, {}
        exports, self.exports = self.exports, {}
        self._unacknowledged = {}
        for entry in imports.values():
            if isinstance(entry, Pending):
                entry.settle(REJECTED, error)
            else:
                entry.break_off(error)
        for hook in exports.values():
            if isinstance(hook, Answer):
                hook.cancel()
                hook.drop()
            else:
                hook.release()
        if self.host.observe is not None:
            self.host.observe(("parted", self.label))
