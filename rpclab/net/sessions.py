"""The end of a session whose other end is in another program.

Floor: net.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rpclab.core.answers import Answer
from rpclab.core.hooks import BrokenHook
from rpclab.core.imports import PENDING, Import, Pending
from rpclab.core.session import Session
from rpclab.core.streams import Pipe
from rpclab.net.telling import telling

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.core.hooks import Hook, TargetHook
    from rpclab.core.messages import Frame, Message
    from rpclab.core.session import Passed


class FarSession(Session):
    """One end of a session with another program.

    Attributes:
        ended: called once with the reason when the session is over.
    """

    tells_places = False
    ended: Callable[[BaseException], None] | None = None
    _waiting: tuple[Callable[[], bool], Callable[[], None]] | None = None
    _plain: Any = None
    _recorded: Any = None
    _refusal: BrokenHook | None = None

    def receive(self, seen: int, frames: list[Frame]) -> None:
        if self._plain is None:
            self._plain, self._recorded = self._decode, telling(self, self._decode)
        self._decode = self._plain if self.host.observe is None else self._recorded
        super().receive(seen, frames)

    def close(self, error: BaseException) -> None:
        ended, self.ended = self.ended, None
        try:
            super().close(error)
        finally:
            if ended is not None:
                ended(error)

    def busy(self) -> bool:
        """Whether calls or streams are under way, in either direction."""
        return any(
            (isinstance(entry, Pending) and entry.state == PENDING)
            or (type(entry) is Import and number > 0)
            for number, entry in self.imports.items()
        ) or any(
            (isinstance(hook, Answer) and hook.state == PENDING) or isinstance(hook, Pipe)
            for hook in self.exports.values()
        )

    def has_answered(self) -> bool:
        """Whether every call that the peer wants the result of has been answered."""
        return not any(
            isinstance(hook, Answer) and hook.state == PENDING and hook.pulled is not False
            for hook in self.exports.values()
        )

    def sends_streams(self) -> bool:
        """Whether streams are being sent to the peer."""
        return any(number > 0 and type(entry) is Import for number, entry in self.imports.items())

    def when(self, condition: Callable[[], bool], function: Callable[[], None]) -> None:
        """Call a function once, in the drain, when all is sent and a condition holds."""
        self._waiting = condition, function
        self.awake()

    def flush(self) -> int:
        count = super().flush()
        if self._waiting is not None and not self._outbox:
            condition, function = self._waiting
            if condition():
                self._waiting = None
                self.host.again(function)  # type: ignore[attr-defined]  # it is an engine
        return count

    # The end that is announced.

    def let_finish(self, error: BaseException, finished: Callable[[], None]) -> None:
        """Refuse calls from now on, and say when those under way are over.

        Args:
            error: what new calls are rejected with.
            finished: called once, when nothing is under way any more.
        """
        self._refusal = BrokenHook(error)
        # Nearly every call comes this way, which need not ask before it has to.
        self._receive_plain_call = self._refuse_plain_call  # type: ignore[method-assign]
        self.when(lambda: not self.busy(), finished)

    def _refuse_plain_call(
        self, call: int, hook: Any, path: str, args: list[Any], frame: Frame | None
    ) -> None:
        if self._refusal is not None and not isinstance(hook, (Answer, Pipe)):
            hook = self._refusal
        super()._receive_plain_call(call, hook, path, args, frame)

    def _pass_on(self, run: Message, position: int, call: int, hook: TargetHook) -> Passed:
        if self._refusal is not None:
            return position, call, None, None  # each goes on to the way above
        return super()._pass_on(run, position, call, hook)

    def _accept(self, call: int, target: int) -> Hook | Answer:
        hook = super()._accept(call, target)
        if self._refusal is not None and not isinstance(hook, (Answer, Pipe)):
            return self._refusal
        return hook


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
