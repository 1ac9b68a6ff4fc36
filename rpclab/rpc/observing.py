"""Who watches a sandbox: observers come and go, and one that fails is let go.

Floor: rpc.
"""

from __future__ import annotations

import asyncio
import logging
import time
from asyncio.base_events import BaseEventLoop
from functools import partial
from itertools import count
from sys import version_info
from typing import TYPE_CHECKING, Any
from weakref import ref

from rpclab.core.events import NOBODY, Actor, Kept, answering, steps, unfolded
from rpclab.diagnostics.places import calling_site
from rpclab.rpc.activity import Activity
from rpclab.rpc.noting import Noting

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from contextvars import Context, ContextVar

    from rpclab.core.contexts import Observer
    from rpclab.core.events import Call, Entry
    from rpclab.simulation.clock import GuestLoop
    from rpclab.trace.recording import Recording

log = logging.getLogger("rpclab")

_numbers = count(1)  # of tasks; one may act in several sandboxes


# Up to Python 3.11 C finds the running task only where the table of tasks is asked.
_task_on: Callable[[Any], object] = (
    asyncio.current_task if version_info >= (3, 12) else asyncio.tasks._current_tasks.get  # type: ignore[attr-defined]
)


def no_clock() -> float:
    """The time before there is a loop."""
    return 0.0


class Observed:
    """Something that observers can watch.

    Attributes:
        observe: takes events; None while nobody watches, so that nothing has to be called.
        kept: where those of each call are kept; see `core.contexts.Calls`.
        clock: gives the time of events.
        ambient: context variables that a call carries to the Worker (the notebook's output).
        noting: notes something of each call: for an observer, its place in the user's code, or
            what it carries; None while nobody wants that.
        calling_site: finds where a session was called from, while places are noted.
        active: while observed, the call whose method runs at this very moment.
        guest: the loop of a virtual clock; None where it is real.
        loop: the event loop that it lives on, if it has begun.
    """

    guest: GuestLoop | None
    loop: AbstractEventLoop | None

    def __init__(self) -> None:
        self.observe: Observer | None = None
        self.kept: Kept | None = None
        self.clock: Callable[[], float] = no_clock
        self.ambient: tuple[ContextVar[Any], ...] = ()
        self.noting: Noting | None = None
        self.active: Call | None = None
        self.calling_site: Callable[[], str | None] | None = None
        self._watchers: list[Observer] = []
        self._program = Actor(None)

    @property
    def sites(self) -> bool:
        """Whether places in the user's code are noted."""
        return self.calling_site is not None

    @sites.setter
    def sites(self, noted: bool) -> None:
        self.calling_site = calling_site if noted else None
        self._tell(self._watchers)

    @staticmethod
    def new_number() -> int:
        """A number for an event that no other has."""
        return next(_numbers)

    # Who acts.

    def acting(self) -> tuple[Call | None, int]:
        """Who acts: the call whose code runs, None for the program outside; and which of its tasks.

        A task that acts for the first time is told of, and those that the running one has started
        and that are done: what it does next comes after these. Call this while there is an
        observer.
        """
        actor = self.actor()
        return actor.call, actor.number

    def went_on(self) -> tuple[Call | None, int]:
        """Who acts, likewise: it goes on after something that is told of next."""
        actor = self.actor()
        actor.steps += 1
        steps.set(actor.steps)
        return actor.call, actor.number

    @property
    def running_call(self) -> Call | None:
        """The call whose method runs at this very moment, up to where it first waits."""
        noting = self.noting
        if self.active is None and noting is not None and noting.serving is not None:
            return noting.serving.label, noting.serving.last_call_of_peer  # of a plain method
        return self.active

    def actor(self) -> Actor:
        """Who acts, likewise."""
        actor = answering.get()
        if actor is None:
            call = self.running_call
            if call is not None:
                return Actor(call)
            actor = self._outside()
        elif actor.task is not None:
            task = self.running_task()
            if actor.task() is not task:
                actor = self._task_begins(actor, task)
        if actor.started:
            self._note_done(actor)
        return actor

    def acts_as(self, task: object, variables: Context) -> None:
        """The code that acts in that context is stepped as that task."""
        actor = variables.get(answering)
        if actor is not None:
            actor.task = ref(task)

    def acted(self, variables: Context) -> None:
        """The code that acts in that context is through: it has gone on after the tasks done."""
        actor = variables.get(answering)
        if actor is not None and actor.started:
            self._note_done(actor)

    def begins_apart(self, variables: Context, call: Call | None, of: int) -> None:
        """In that context something is going to act that nothing waits for; it begins now.

        Args:
            variables: the context.
            call: of whose code it is, and
            of: which task of that has started it.
        """
        actor = Actor(call, NOBODY - next(_numbers))
        variables.run(answering.set, actor)
        if self.observe is not None:
            self.observe(("task", actor.number, call, of, 0))

    def running_task(self) -> object:
        """The task that runs; None where none does."""
        try:
            return asyncio.current_task(None if self.guest is not None else self.loop)
        except RuntimeError:
            return None

    def _outside(self) -> Actor:
        """Who acts in a context of which nothing is known yet: code of the program outside."""
        task, program = self.running_task(), self._program
        if task is None or isinstance(task, Activity):
            return Actor(None, NOBODY)
        steps.set(program.steps)
        if program.task is None or _is_done(program.task()) or program.task() is task:
            # A program goes on in another task, as a notebook does from cell to cell.
            program.task = ref(task)
            answering.set(program)
            return program
        return self._task_begins(program, task)

    def _task_begins(self, parent: Actor, task: object) -> Actor:
        if parent.started:
            self._note_done(parent)
        actor = Actor(parent.call, next(_numbers))
        actor.task = _gone if task is None else ref(task)
        parent.started.append(actor)
        if self.observe is not None:
            since = max(parent.steps - steps.get(), 0)
            self.observe(("task", actor.number, actor.call, parent.number, since))
        answering.set(actor)
        steps.set(0)
        return actor

    def _note_done(self, actor: Actor) -> None:
        """Tell of the tasks that are done, those that they have started in their turn first."""
        done, looking = list[Actor](), [actor]
        while looking:
            parent = looking.pop()
            found = [child for child in parent.started if child.task and _is_done(child.task())]
            if found:
                parent.started = [child for child in parent.started if child not in found]
                done += found
                looking += found
        if self.observe is not None:
            for child in reversed(done):
                self.observe(("task done", child.number))

    def carry_with_calls(self, variables: tuple[ContextVar[Any], ...]) -> None:
        """Have calls carry these variables of their callers to the Worker."""
        self.ambient = variables
        self._tell(self._watchers)

    def watch(self, observer: Observer) -> None:
        """Give all events to `observer` from now on. If it raises, it is dropped, with a report."""
        self._tell([*self._watchers, observer])

    def unwatch(self, observer: Observer) -> None:
        """Give it no more events. It need not be there any more."""
        self._tell([other for other in self._watchers if other is not observer])

    def use_clock_of(self, loop: AbstractEventLoop) -> None:
        """Take the times of events from a loop."""
        # A plain loop asks the clock of the system, which can be asked directly.
        is_plain = type(loop).time is BaseEventLoop.time
        before, self.clock = self.clock, time.monotonic if is_plain else loop.time
        self._tell(self._watchers)
        if before is no_clock:
            for watcher in self._watchers:
                if hasattr(watcher, "begin_at"):
                    watcher.begin_at(self.clock())

    def _tell(self, watchers: list[Observer]) -> None:
        self._watchers = watchers
        doors = [self._doors(watcher) for watcher in watchers]
        self.observe = _each([observe for observe, _ in doors])
        kept = [kept for _, kept in doors]
        self.kept = kept[0] if len(kept) == 1 else _Spread(kept) if kept else None
        # Which loop runs is known but for a virtual clock.
        known = self.loop is not None and self.guest is None
        self.noting = None
        if self.sites or doors or self.ambient:
            self.noting = Noting(
                kept=_Spread([]) if self.kept is None else self.kept,
                clock=self.clock,
                ambient=self.ambient,
                calling_site=self.calling_site,
                acting=(lambda: _PROGRAM) if self.kept is None else self.actor,
                running=partial(_task_on, self.loop) if known else self.running_task,
            )

    def _doors(self, watcher: Observer) -> tuple[Observer, Kept]:
        """What takes the events of an observer, and where those of each call are kept."""
        use_clock = getattr(watcher, "use_clock", None)
        if use_clock is not None:
            # A recording, which raises nothing, and is called with each message.
            use_clock(self.clock, virtual=self.guest is not None)
            return watcher.take, watcher.kept  # type: ignore[attr-defined]

        def tell(event: tuple[Any, ...]) -> None:
            try:
                watcher(event)
            except Exception as error:  # the session goes on
                self._drop(watcher, error)

        return tell, _Told(tell)

    def _drop(self, watcher: Observer, error: Exception) -> None:
        self.unwatch(watcher)
        log.error("an observer failed and was dropped: %r", error, exc_info=error)


class _Told(Kept):
    """Keeps nothing: an observer that is no recording is told at once."""

    def __init__(self, tell: Observer) -> None:
        super().__init__()
        self._tell = tell
        self._head: Entry = ()

    def begin(self, *head: Any) -> None:
        self._head = [*head]

    def append(self, entry: Entry) -> None:
        [event] = unfolded((entry,) if type(entry) is tuple else (self._head, entry))
        self._tell(event[1:])


class _Spread(Kept):
    """Keeps nothing, for there are several observers, who keep it each, or none."""

    def __init__(self, others: list[Kept]) -> None:
        super().__init__()
        self._others = others

    def begin(self, *head: Any) -> None:
        for other in self._others:
            other.begin(*head)

    def append(self, entry: Entry) -> None:
        for other in self._others:
            other.append(entry)


_PROGRAM = Actor(None)  # who acts, where nobody wants to know


def _is_done(task: Any) -> bool:
    return task is None or bool(task.done())


def _gone() -> None:
    """Stands for a reference to a task that is no more."""


def recording_of(engine: Observed) -> Recording:
    """Begin a recording of what happens from now on."""
    from rpclab.trace.recording import Recording  # noqa: PLC0415 - for those who record

    recording = Recording()
    engine.watch(recording)
    return recording


def _each(doors: list[Observer]) -> Observer | None:
    """Give what hands an event to each of these; None if there are none."""
    if not doors:
        return None
    if len(doors) == 1:
        return doors[0]

    def tell_all(event: tuple[Any, ...]) -> None:
        for tell in doors:
            tell(event)

    return tell_all
