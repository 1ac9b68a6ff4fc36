"""The failure of a call that nobody has asked for; told of once nobody can ask any more.

Floor: core. As asyncio does with a task whose exception was never retrieved.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rpclab.core.protocols import Host, PendingLike


class UnseenFailure:
    """Lies with a promise that was rejected, and dies with it, unless somebody looks before.

    Only a rejected promise has one, so that a call that succeeds costs nothing.

    Args:
        pending: the promise.
        error: the failure; None where it is not known yet whether there is one.

    Attributes:
        error: the failure; None where nobody needs to be told of one.
    """

    __slots__ = ("_context", "_host", "_run", "_site", "_what", "_worker", "error")

    def __init__(self, pending: PendingLike, error: BaseException | None) -> None:
        session = pending.session
        self._host: Host = session.host
        self._context = pending.context
        self._worker = session.name.partition("→")[2] or session.name
        self._what = pending.what
        self._site = pending.site
        self.error = error
        cause = None if pending.noted is None else pending.noted[4]
        self._run: Callable[[Callable[[], None]], None] = (
            _call if cause is None else cause.copy().run
        )
        if pending.noted is None and self._host.watching is not None:
            # It failed where it was made; in the run queue this finds no place.
            self._site = self._host.watching.site()

    def __del__(self, at_exit: Callable[[], bool] = sys.is_finalizing) -> None:
        if self.error is not None and not at_exit():
            # A finalizer may run at any moment, and in any thread: the run queue tells.
            self._host.forget(self)

    def drop(self) -> None:
        """Nobody can ask for it any more: tell, if the code that made the call could have asked."""
        error, self.error = self.error, None
        if error is not None and not self._context.cut_off:
            self._run(lambda: self._host.unseen(error, self._worker, self._what, self._site))


def _call(function: Callable[[], None]) -> None:
    function()
