"""The end of a session whose other end is in another program.

Floor: net.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.core.answers import Answer
from rpclab.core.imports import PENDING, Forgettable, Import, Pending
from rpclab.core.session import Session
from rpclab.core.streams import Pipe
from rpclab.errors import RpcError, cut_off
from rpclab.net.telling import decode_telling, tell_arrived
from rpclab.previews import message_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.arrival import Arrival
    from rpclab.core.messages import Frame

    Still = Callable[[], bool]


_MOST_TOLD = 1000  # calls whose names are told


class Lost(NamedTuple):
    """What a session has taken with it.

    Attributes:
        reason: why it ended.
        may_have_run: the calls that had been sent and were not answered, such as "pay()", in the
            order made; of very many the first 1000.
        not_run: the calls that had not left, likewise.
        stubs: how many stubs of the peer's objects broke, its main apart.
        streams: how many streams broke, in either direction.
    """

    reason: BaseException
    may_have_run: tuple[str, ...]
    not_run: tuple[str, ...]
    stubs: int
    streams: int

    def __str__(self) -> str:
        parts = [
            f"{len(found)} {'call' if len(found) == 1 else 'calls'} that {what}"
            for found, what in ((self.may_have_run, "may have run"), (self.not_run, "did not run"))
            if found
        ]
        parts += [
            f"{count} {name}{'s' * (count != 1)}"
            for count, name in ((self.stubs, "stub"), (self.streams, "stream"))
            if count
        ]
        return f"{message_of(self.reason)}; lost: {', '.join(parts) or 'nothing'}"


class FarSession(Session):
    """One end of a session with another program.

    Attributes:
        ended: called once with the reason when the session is over.
        lost: what it has taken with it; None while it is open.
    """

    tells_places = False
    ended: Callable[[BaseException], None] | None = None
    lost: Lost | None = None
    _cut_off_reason: BaseException | None = None
    _waiting: tuple[Callable[[], list[Still]], list[Still], Callable[[], None]] | None = None

    def __init__(self, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self.is_far = True

    # What the core asks for.

    def _decode_watched(self, frame: Frame) -> tuple[object, Arrival | None]:
        return decode_telling(self, self._decode, frame)

    def _flushed(self, count: int) -> None:
        if self.uplink is not None and self.uplink.queued:
            self.uplink.look()
        if count and self.host.observe is not None:
            tell_arrived(self, count)
        if self._waiting is not None:
            self.hurries = True  # whoever waits is told in this very turn
            if not self._outbox:
                self._look_whether_over(*self._waiting)

    def _ending(self, error: BaseException) -> None:
        if self.lost is None:
            self.lost = self._what_is_lost(error)
            if isinstance(error, RpcError):
                error._may_have_run = False  # of calls that are not sent any more

    def _reason_of(self, entry: Import, error: BaseException) -> BaseException:
        if not self._was_sent(entry.id):
            return error
        if self._cut_off_reason is None:
            self._cut_off_reason = cut_off(error)
        return self._cut_off_reason

    def _ended(self, error: BaseException) -> None:
        ended, self.ended = self.ended, None
        if ended is not None:
            ended(error)

    def _was_sent(self, number: int) -> bool:
        return 0 < number < self.first_unsent

    def _what_is_lost(self, error: BaseException) -> Lost:
        ran: list[str] = []
        waited: list[str] = []
        stubs = streams = 0
        for number, found in self.imports.items():
            entry = found.pending() if isinstance(found, Forgettable) else found
            if isinstance(entry, Pending):
                names = ran if self._was_sent(number) else waited
                if len(names) < _MOST_TOLD:
                    names.append(entry.what or "(a property)")
            elif number > 0:
                streams += 1
            elif number < 0:
                stubs += 1
        streams += sum(isinstance(hook, Pipe) for hook in self.exports.values())
        return Lost(error, tuple(ran), tuple(waited), stubs, streams)

    # What is under way.

    def busy(self) -> bool:
        """Whether calls or streams are under way, in either direction."""
        return any(_comes(*each) for each in self.imports.items()) or any(
            _goes(*each) for each in self.exports.items()
        )

    def under_way(self) -> list[Still]:
        """The calls and streams under way, in either direction; see `when_over`."""
        return self._those("imports", _comes) + self._those("exports", _goes)

    def unanswered(self) -> list[Still]:
        """The calls that the peer wants the result of, and has not got."""
        return self._those("exports", _is_wanted)

    def asked(self) -> list[Still]:
        """The calls of this end that the peer has not answered."""
        return self._those("imports", _is_asked)

    def streams_sent(self) -> list[Still]:
        """The streams that are being sent to the peer."""
        return self._those("imports", _is_stream)

    def _those(self, table: str, goes_on: Callable[[int, Any], bool]) -> list[Still]:
        def still(number: int, entry: Any) -> bool:
            return getattr(self, table).get(number) is entry and goes_on(number, entry)

        entries = getattr(self, table).items()
        return [partial(still, *each) for each in entries if goes_on(*each)]

    def when_over(self, find: Callable[[], list[Still]], function: Callable[[], None]) -> None:
        """Call a function once, in the drain, when all is sent and nothing is found any more.

        Args:
            find: gives what is under way: of each, what says whether it still is. It looks at whole
                tables, so it is asked again only when all that it has found is over.
            function: what to call.
        """
        self._waiting = find, [], function
        self.hurries = True
        self.awake()

    def _look_whether_over(
        self, find: Callable[[], list[Still]], known: list[Still], function: Callable[[], None]
    ) -> None:
        if not _any_left(find, known):
            self._waiting = None
            self.hurries = False
            self.host.again(function)  # type: ignore[attr-defined]  # it is an engine

    def let_finish(self, error: BaseException, finished: Callable[[], None]) -> None:
        """Refuse calls from now on, and say when those under way are over.

        Args:
            error: what new calls are rejected with.
            finished: called once, when nothing is under way any more.
        """
        self.refuse(error)
        self.when_over(self.under_way, finished)


def _any_left(find: Callable[[], list[Still]], known: list[Still]) -> bool:
    while True:
        while known:
            if known[-1]():
                return True
            known.pop()
        known += find()
        if not known:
            return False


def _comes(number: int, entry: Any) -> bool:
    """Whether an entry of the import table is a call or a stream of ours that goes on."""
    return _is_stream(number, entry) or (isinstance(entry, Pending) and entry.state == PENDING)


def _is_asked(_: int, entry: Any) -> bool:
    return isinstance(entry, Pending) and entry.state == PENDING


def _is_stream(number: int, entry: Any) -> bool:
    return number > 0 and type(entry) is Import


def _goes(_: int, hook: Any) -> bool:
    """Whether an entry of the export table is a call or a stream of the peer's that goes on."""
    return (isinstance(hook, Answer) and hook.state == PENDING) or isinstance(hook, Pipe)


def _is_wanted(_: int, hook: Any) -> bool:
    return isinstance(hook, Answer) and hook.state == PENDING and hook.pulled is not False


class MainImport(Import):
    """The peer's main, under id 0: it is not released; to let go of it ends the session (§11)."""

    __slots__ = ("let_go",)

    def __init__(self, session: Session, let_go: Callable[[], None]) -> None:
        super().__init__(session, 0)
        self.let_go = let_go

    def drop(self) -> None:
        self.handles -= 1
        if self.handles == 0 and self.broken is None:
            self.let_go()
