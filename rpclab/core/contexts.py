"""Execution contexts: who owns what, and what ends with it.

Floor: core. One for each call into a Worker; the notebook, or a script, is one long context.
Rules C26, X8, O12 to O15, W6, W7.
"""

from __future__ import annotations

from contextvars import Context as Variables
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from rpclab.errors import CALL_CONTEXT_ENDED, HOST_CONTEXT_ENDED, ContextEndedError

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from rpclab.core.protocols import (
        AnswerLike,
        ContextLike,
        EndLike,
        HandleLike,
        Host,
        PendingLike,
        RecorderLike,
        TargetLike,
    )


current: ContextVar[ContextLike | None] = ContextVar("rpclab_context", default=None)
"""The execution context that the running code belongs to; None outside every Worker."""


_NONE_YET: dict[tuple[type, str], Any] = {}


class ExecutionContext:
    """The owner of the stubs, calls and exports of one event.

    A context with `long` set (the notebook, a script) lasts until it is ended, and lets go of what
    Python has forgotten. Every other one ends by itself when nothing holds it any more: no call
    running in it, no live stub of its targets elsewhere, no work given to `wait_until`.

    Attributes:
        worker: the name of the Worker.
        platform: the `ctx` object that the application sees, if there is one.
        ended: whether it is over.
        tasks: what the code of the context has started by itself; cancelled at the end (rule X8).
        methods: those of its targets that were called before, by class and name.
        cut_off: set where a call in it was cancelled, so that its code could not tidy up.
    """

    gate: Any = None  # the input gate of a Durable Object

    __slots__ = (
        "_holds", "_owned", "_pending", "_running", "_streams", "_targets", "cut_off", "ended",
        "host", "long", "methods", "platform", "recording", "tasks", "variables", "worker",
    )  # fmt: skip

    def __init__(self, host: Host, worker: str, *, long: bool = False) -> None:
        self.host = host
        self.worker = worker
        self.long = long
        self.ended = False
        self.cut_off = False
        self.platform: Any = None
        self.recording: RecorderLike | None = None
        self.variables: Variables | None = None
        self.methods = _NONE_YET
        self.tasks: set[Any] | None = None
        self._holds = 0
        self._owned: dict[HandleLike, None] | None = None
        self._pending: dict[PendingLike, None] | None = None
        self._running: dict[AnswerLike, None] | None = None
        self._streams: MutableMapping[EndLike, None] | None = None
        self._targets: dict[TargetLike, None] | None = None

    def __repr__(self) -> str:
        state = "ended" if self.ended else f"{self._holds} holds"
        return f"<ExecutionContext of {self.worker}, {state}>"

    def fresh_variables(self) -> Variables:
        """The context variables of a call that begins in this context."""
        variables: Variables | None = self.variables
        if variables is None:
            variables = self.variables = Variables()
            variables.run(current.set, self)
        return variables.copy()

    # What keeps a context alive.

    def hold(self) -> None:
        """Keep the context alive until `let_go`."""
        self._holds += 1

    def let_go(self) -> None:
        """Give a hold back; the last one ends the context, unless it is a long one."""
        self._holds -= 1
        if self._holds <= 0 and not self.long and not self.ended:
            self.end()
        elif self._owned:
            self.part_with_itself()

    def work_begins(self) -> None:
        """Work of the context's own begins, such as what was given to `wait_until`."""
        self.hold()

    def work_ends(self) -> None:
        """Work of the context's own is done."""
        self.let_go()

    def part_with_itself(self) -> None:
        """Dispose its stubs, if only they keep the targets that keep the context: it is over."""
        targets, owned = self._targets, self._owned
        if (
            targets
            and owned
            and self._holds == len(targets)
            and all(hook.held_only_by(owned) for hook in targets)
        ):
            for handle in reversed(list(owned)):
                handle.dispose("context")

    # What a context owns.

    def own(self, handle: HandleLike) -> None:
        """Take note of a handle, to dispose it at the end. A long context keeps no note."""
        if self.long:
            return
        if self._owned is None:
            self._owned = {}
        self._owned[handle] = None

    def disown(self, handle: HandleLike) -> None:
        """Forget a handle that was disposed."""
        if self._owned is not None:
            self._owned.pop(handle, None)

    def started(self, pending: PendingLike) -> None:
        """Take note of a call on its way out, to cancel it at the end (rule C26)."""
        if self._pending is None:
            self._pending = {}
        self._pending[pending] = None

    def arrived(self, pending: PendingLike) -> None:
        """Forget a call that has its answer."""
        if self._pending is not None:
            self._pending.pop(pending, None)

    def unwanted(self, pending: PendingLike) -> bool:
        """Nobody can ask for the result of a call any more.

        Returns:
            Whether it is given back now; a context that ends with its calls does so then, in
            reverse order (rule L8).
        """
        del pending
        return self.long

    def suspended(self, answer: AnswerLike) -> None:
        """Take note of a call being answered here, to break it at the end (rule W7)."""
        if self._running is None:
            self._running = {}
        self._running[answer] = None

    def finished(self, answer: AnswerLike) -> None:
        """Forget a call that was answered."""
        if self._running is not None:
            self._running.pop(answer, None)

    def opened(self, end: EndLike) -> None:
        """Take note of an end of a stream, to break it off at the end (rules S9, S16)."""
        if self._streams is None:
            self._streams = {}
        self._streams[end] = None

    def closed(self, end: EndLike) -> None:
        """Forget an end of a stream that is through."""
        if self._streams is not None:
            self._streams.pop(end, None)

    def exported(self, hook: TargetLike) -> None:
        """Take note of a target made here that a peer holds: it keeps the context alive (O14)."""
        if self._targets is None:
            self._targets = {}
        self._targets[hook] = None
        self._holds += 1

    def withdrawn(self, hook: TargetLike) -> None:
        """Forget a target whose last stub is gone."""
        if self._targets is not None and self._targets.pop(hook, self) is None:
            self.let_go()

    def running(self) -> list[AnswerLike]:
        """The calls being answered in this context that have suspended."""
        return list(self._running or ())

    def undisposed(self) -> list[HandleLike]:
        """The handles this context still owns (a long context does not know them)."""
        return list(self._owned or ())

    @staticmethod
    def gone() -> ContextEndedError:
        """Build the error of whoever calls what has lived here (rule W6)."""
        return ContextEndedError(HOST_CONTEXT_ENDED)

    def end(self) -> None:
        """End the context: cancel what runs, dispose its stubs, break its exports.

        Ending it twice is fine.
        """
        if self.ended:
            return
        self.ended = True
        if self.host.observe is not None:
            self.host.observe(("context ended", id(self), self.worker))
        if not (
            self._running
            or self._pending
            or self._streams
            or self._owned
            or self._targets
            or self.tasks
        ):
            return  # as after nearly every call on a binding (benchmark `binding`)
        tell = self.host.undisposed(self) if self._owned else None
        for answer in list(self._running or ()):
            answer.interrupt(ContextEndedError(CALL_CONTEXT_ENDED))
        for pending in reversed(list(self._pending or ())):
            pending.cut_off(f"the context of {self.worker} that made it ended")
        for end in list(self._streams or ()):
            end.lost()
        # In reverse order, so that what was reached through another goes first (rule L8).
        for handle in reversed(list(self._owned or ())):
            handle.dispose("context")
        for hook in list(self._targets or ()):
            hook.break_off()
        for task in list(self.tasks or ()):
            task.cancel()
        self._running = self._pending = self._owned = self._streams = self._targets = None
        if tell is not None:
            tell()


class EventContext(ExecutionContext):
    """The context of an event from outside, such as a fetch: over when its own work is.

    Calls of others on its targets, and their stubs of these, do not keep it alive (rules W6, W7).
    """

    __slots__ = ("_work",)

    def __init__(self, host: Host, worker: str) -> None:
        super().__init__(host, worker)
        self._work = 0

    def work_begins(self) -> None:
        self._work += 1

    def work_ends(self) -> None:
        self._work -= 1
        if self._work == 0:
            self.end()

    def part_with_itself(self) -> None:
        pass  # it ends with its work, whoever holds its targets

    def let_go(self) -> None:
        self._holds -= 1
