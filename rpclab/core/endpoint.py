"""The ground that both halves of a session's end stand on: tables, codec, outbox.

Floor: core. Sends nothing by itself: frames gather in the outbox until `flush`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from rpclab.core.answers import Answer
from rpclab.core.hooks import TargetHook
from rpclab.core.imports import PENDING
from rpclab.core.limits import DEFAULT_LIMITS, Limits
from rpclab.core.messages import RELEASE, Message
from rpclab.core.references import Incoming, Outgoing
from rpclab.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.contexts import ExecutionContext
    from rpclab.core.dialects import Dialect
    from rpclab.core.hooks import Hook
    from rpclab.core.host import Host
    from rpclab.core.imports import Import
    from rpclab.core.session import Session


class Codec(Protocol):
    """Operations to bytes and back, for one session.

    Values that are passed by reference go through `session.outgoing` and `session.incoming`.
    """

    dialect: Dialect

    def encode(self, message: Message, values: list[Any]) -> bytes:
        """Pack a message in which `values` are what the user gave."""

    @property
    def pack(self) -> Callable[[Message], bytes]:
        """Packs a message in which the user gave scalars only, of any size; quicker than `encode`.

        To be asked for each time: the codec may change its mind.
        """

    def encode_part(self, value: Any, recording: Any) -> bytes:
        """Pack a part of a program, in which `recording` gives the references."""

    def decode(self, frame: bytes) -> object:
        """Unpack a message."""


class Endpoint:
    """What both halves of a session's end share: its tables, its codec, its outbox.

    Args:
        name: for texts, such as "notebook→counter".
        codec: makes the codec of this session.
        host: the world around it.
        main: what the peer reaches as id 0; nothing unless given.
        limits: what it accepts and sends at most.

    Attributes:
        imports: by id, what the other side introduced and is held here.
        exports: by id, what was introduced to the other side, and the calls being answered.
        keeper: the long context that owns what belongs to no event.
        peer: the other end, where it is in this process.
        label: tells this end from every other one, in events (see `events.opposite`).
        latest: while observed, the call that is being applied: if it runs now, it does so at once.
        closed: why the session ended; None while it is open.
    """

    def __init__(
        self,
        name: str,
        *,
        codec: Callable[[Any], Codec],
        host: Host,
        keeper: ExecutionContext,
        main: Hook | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.name = name
        self.label = name
        self.latest: Answer | None = None
        self.host = host
        self.keeper = keeper
        self.limits = limits
        self.closed: BaseException | None = None
        self.imports: dict[int, Import] = {}
        self.exports: dict[int, Hook | Answer] = {}
        self.outgoing = Outgoing(self)
        self.incoming = Incoming(self)
        self.send: Callable[[int, list[bytes]], None] = _unconnected
        self.peer: Session | None = None
        self._codec = codec(self)
        self._encode = self._codec.encode
        self._decode = self._codec.decode
        self._dialect = self._codec.dialect
        self._most_exports = limits.exports
        self._most_bytes = limits.message_bytes
        self._acknowledges = self._dialect.acknowledges
        self._pulls = not self._dialect.call_pulls
        self._outbox: list[bytes] = []
        self._releases: list[int] = []
        self._awake = False
        self._next_call = 1
        self._last_call = 0
        self._seen = 0
        self._told = 0
        self._acknowledged = 0
        self._unacknowledged: dict[int, Any] = {}
        if main is not None:
            self.exports[0] = main
            main.retain()

    def __repr__(self) -> str:
        state = "open" if self.closed is None else "closed"
        imports, exports = len(self.imports), len(self.exports)
        return f"<Session {self.name}, {state}, {imports} imports, {exports} exports>"

    # The outbox.

    def send_frame(self, frame: bytes) -> None:
        """Put a frame in the outbox; it leaves with the next flush."""
        self.awake()
        self._outbox.append(frame)

    def awake(self) -> None:
        """Have the session flushed in the next turn."""
        if not self._awake:
            self._awake = True
            try:
                self.host.wake(self)
            except BaseException:
                self._awake = False
                raise

    def asleep(self) -> None:
        """Nobody will flush the session yet: the next frame asks for it again."""
        self._awake = False

    def put_releases(self) -> None:
        """Put what was given back in the outbox: before the next call, or with the next flush."""
        releases, self._releases = self._releases, []
        frame = self._encode([RELEASE, *releases], [])
        self._outbox.append(frame)
        if self.host.observe is not None:
            self.host.observe(("release", self.label, tuple(releases[::2]), len(frame)))

    def flush(self) -> int:
        """Send what has gathered, as one batch. Gives how many messages these were."""
        self._awake = False
        if self._releases:
            self.put_releases()
        # What was sent is the sender's own again; to remember it here would keep it alive.
        if self.outgoing.references:
            self.outgoing.begin(self.keeper)
        self.outgoing.source = None
        frames = self._outbox
        count = len(frames)
        if frames or self._told != self._seen:
            if self.host.observe is not None:
                self.host.observe(("left", self.label, count))
            self._outbox = []
            self._told = self._seen
            self.send(self._seen, frames)
        return count

    # Parts of messages, and looks at the tables.

    def encode_part(self, value: Any, recording: Any) -> bytes:
        """Pack a part of a program (see `remap`)."""
        return self._codec.encode_part(value, recording)

    def decode_part(self, frame: bytes) -> Any:
        """Unpack a part of a program (see `remap`)."""
        return self._decode(frame)

    def hosted(self) -> list[TargetHook]:
        """The targets that live at this end and are held at the other."""
        return [hook for hook in self.exports.values() if isinstance(hook, TargetHook)]

    def live_exports(self) -> list[int]:
        """The ids the peer can use; not the settled calls whose acknowledgement is on its way."""
        return [
            number
            for number, hook in self.exports.items()
            if not isinstance(hook, Answer) or hook.state == PENDING
        ]


def _unconnected(_seen: int, _frames: list[bytes]) -> None:
    raise LocalProtocolError("the session has no transport")
