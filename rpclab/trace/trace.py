"""One traced block: its numbers, and its messages as a sequence diagram in text.

Floor: trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rpclab.trace.advice import advice
from rpclab.trace.events import Mapped
from rpclab.trace.messages import shown
from rpclab.trace.model import Advice, Arrow
from rpclab.trace.pictures.figures import Figures
from rpclab.trace.reading import Event
from rpclab.trace.recording import Recording
from rpclab.trace.replay import Replay
from rpclab.trace.round_trips import TripCounter, Trips, Who
from rpclab.trace.sequence import sequence_text
from rpclab.trace.unawaited import unawaited


class Trace:
    """What happened in a block.

    Args:
        recording: records it.
        whose: the task that runs the block; None for all that the program runs in it.
        clock: the virtual clock, in seconds; None where time is real, and no run like another.

    Attributes:
        events: the messages, in the order sent.
        advice: which of its awaits could be fewer round trips.
        unawaited: a sentence on calls whose promise nobody awaited; "" where there are none.
        seconds: how long it took by a virtual clock: the length of its critical path, for nothing
            but waiting takes time there. None where the clock is real, or the block not over.
    """

    def __init__(
        self, recording: Recording, whose: Who | None, clock: Callable[[], float] | None = None
    ) -> None:
        self._recording = recording
        self._counter = TripCounter(whose)
        recording.dropping = self._count
        self._trips = Trips(0, 0)
        self._clock = clock
        self._began = 0.0 if clock is None else clock()
        self.seconds: float | None = None
        self.events: Sequence[Arrow] = ()
        self.advice: tuple[Advice, ...] = ()
        self.unawaited = ""

    def finish(self) -> None:
        """The block is over."""
        self._count(self._recording)
        self._trips = self._counter.trips
        if self._clock is not None:
            self.seconds = self._clock() - self._began
        replay = Replay(self._recording)
        self.events = shown(replay.messages)
        self.advice = advice(replay)
        self.unawaited = unawaited(replay)

    def _count(self, events: Iterable[Event]) -> None:
        """Count what the recording lets go of, and at the end what it has."""
        for event in events:
            self._counter.play(event)

    @property
    def recording(self) -> Recording:
        """What happened in the block, event by event."""
        return self._recording

    @property
    def calls(self) -> int:
        """Calls made, and properties read."""
        return sum(event.kind in ("call", "read", "map") for event in self.events)

    @property
    def messages(self) -> int:
        """Messages sent, in both directions."""
        return len(self.events)

    @property
    def bytes(self) -> int:
        """Their size in all, in bytes."""
        return sum(event.size for event in self.events)

    @property
    def pipelined(self) -> int:
        """Calls made on a result that was not there yet."""
        return sum(event.pipelined for event in self.events)

    @property
    def map_steps(self) -> int:
        """Steps of functions that were mapped; for each `map()`, `Limits.map_steps` bounds them."""
        return sum(event.steps for event in self.recording if isinstance(event, Mapped))

    @property
    def round_trips(self) -> float:
        """How often the block waited for a message to go and come back; a half is one way."""
        return self._trips.waited

    @property
    def saved(self) -> float:
        """How many more it would have been, had each promise been awaited before its use."""
        return self._trips.saved

    @property
    def figures(self) -> Figures:
        """How much happened, as it stands on top of the picture."""
        return Figures(
            calls=self.calls,
            messages=self.messages,
            bytes=self.bytes,
            round_trips=self.round_trips,
            saved=self.saved,
            pipelined=self.pipelined,
            seconds=self.seconds or None,
        )

    def summary(self) -> str:
        """The figures in a line."""
        return self.figures._replace(bytes=None).line()

    def text(self) -> str:
        """The messages as a sequence diagram, the figures, and advice."""
        lines = [self.summary(), *(given.text for given in self.advice)]
        lines += [self.unawaited] * bool(self.unawaited)
        return "\n".join([self.diagram(), *lines] if self.events else lines)

    def diagram(self) -> str:
        """The messages as a sequence diagram."""
        return sequence_text(self.events)

    def __repr__(self) -> str:
        return self.text()
