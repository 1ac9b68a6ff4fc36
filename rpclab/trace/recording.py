"""A recording: an append-only, bounded list of events, which can be saved and loaded.

Floor: trace. On the way in an event is a tuple and stays one, with its time in front; it is read
as a class when somebody looks (`events.py`). Nothing of the user's is kept, for the tuples hold
names, numbers and small scalars.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, overload

from rpclab.core.events import Kept, brief, unfolded
from rpclab.errors import RecordingError
from rpclab.previews import counted
from rpclab.trace.events import Raw
from rpclab.trace.reading import EXACT, Event, read, what_is_wrong

LIMIT = 30_000  # events that a recording keeps
VERSION = 1  # of the file; a reader refuses newer ones
_HEADER = "rpclab recording"
_CLOCKS = ("real", "virtual")
_CHUNKS = 10  # of a full recording: so much of it goes at once


@dataclass(slots=True)
class Handed:
    """What a live view has been given so far: see `Recording.since`.

    Attributes:
        mark: hand this to the next `since`.
        events: the events since the last mark.
        missed: how many of them the recording no longer has.
    """

    mark: int
    events: list[Event] = field(default_factory=list)
    missed: int = 0


class Recording:
    """What happened in a sandbox, in order; the oldest events go when it is full.

    It is an observer of a sandbox: call it with an event. It never raises, so that the engine
    guards it with nothing, and puts what happens with each call into `kept` itself.

    Args:
        limit: how many events it keeps; while a burst is made it may be some more.
        now: the clock, in seconds.

    Attributes:
        dropped: how many events were dropped because it was full, since it was last cleared.
        cleared: where it had come to when it was last cleared: a mark, as `mark` is.
        virtual: whether the times are those of a virtual clock, so that they are worth showing.
        dropping: takes the oldest events before they go, if it is there.
        take: takes an event.
        kept: takes what happens (see `core.events.Kept`). What `take` need not look at
            is put there directly, for nothing takes it in fewer steps.
    """

    def __init__(self, limit: int = LIMIT, *, now: Callable[[], float] = time.monotonic) -> None:
        self.dropped = 0
        self.cleared = 0
        self.virtual = False
        self.dropping: Callable[[Iterable[Event]], None] | None = None
        self._limit = limit
        self.kept = Kept()
        self._chunks: deque[tuple[list[Any], int]] = deque()  # of what came before, as `Kept.cut`
        self._count = 0  # events in them
        self._numbers: dict[int, int] = {}
        self._last_number = 0
        self._looks: dict[str, Callable[[Raw], Raw]] = {
            "left": self._leaves,
            "introduced": self._introduced,
            "stub": self._stub,
            "context": self._context,
            "owned": self._owned,
            "passed": self._passed,
            "disposed": self._disposed,
            "forgotten": self._forgotten,
            "context ended": self._context_ended,
        }
        self.use_clock(now)

    def use_clock(self, now: Callable[[], float], *, virtual: bool = False) -> None:
        """Take the times of further events from another clock.

        Args:
            now: gives the time, in seconds.
            virtual: whether it jumps, and says the same on every run.
        """
        self.virtual = virtual
        append, looks = self.kept.append, self._looks

        def take(event: Raw) -> None:
            look = looks.get(event[0])
            if look is not None:
                event = look(event)
            append((now(),) + event)  # noqa: RUF005 - a list less, which unpacking would make

        self.take: Callable[[Raw], None] = take

    def begin_at(self, time: float) -> None:
        """What was recorded so far had no clock: let it stand at the beginning.

        Args:
            time: in seconds, by the clock that there is now.
        """
        events = self._unfold()
        events[:] = [(time, *event) for _, *event in events]

    def __call__(self, event: Raw) -> None:
        """Take an event."""
        self.take(event)

    def _leaves(self, event: Raw) -> Raw:
        # Now and then is enough, and not at each event.
        if len(self.kept) > self._limit // _CHUNKS:
            self._put_by()
            self._drop()
        return event

    def _put_by(self) -> None:
        entries, count = self.kept.cut()
        self._chunks.append((entries, count))
        self._count += count

    def _drop(self) -> None:
        """Let go of the oldest events, but of none before those that stand in one chunk with it."""
        chunks = self._chunks
        while (surplus := self._count - self._limit) > 0:
            entries, count = chunks[0]
            if count <= surplus:
                chunks.popleft()
            elif count == len(entries):  # they are all events
                entries, rest = entries[:surplus], entries
                del rest[:surplus]
                chunks[0] = rest, len(rest)
                count = surplus
            else:
                break
            if self.dropping is not None:
                self.dropping(map(read, unfolded(entries)))
            self._count -= count
            self.dropped += count

    def _unfold(self) -> list[Raw]:
        """Put the events in the place of what stands for them, and give them all."""
        self._put_by()
        events, count = self._chunks.popleft()
        if count < len(events):
            events = [*unfolded(events)]
        for entries, _ in self._chunks:
            events += unfolded(entries)
        self._chunks.clear()
        self._chunks.append((events, self._count))
        self._drop()
        return events

    # Numbers in the place of addresses, which may be another's tomorrow.

    def _introduced(self, event: Raw) -> Raw:
        kind, address, *rest, is_new = event
        number = self._new_number(address) if is_new else self._number(address)
        return (kind, number, *rest, is_new)

    def _stub(self, event: Raw) -> Raw:
        kind, address, label, entry, how, of, site = event
        number = self._new_number(address)
        return (kind, number, label, entry, how, self._number(of) if how == "dup" else of, site)

    def _owned(self, event: Raw) -> Raw:
        kind, address, context = event
        return (kind, self._number(address), self._number(context))

    def _passed(self, event: Raw) -> Raw:
        kind, address, label = event
        return (kind, self._number(address), label)

    def _disposed(self, event: Raw) -> Raw:
        kind, address, why, site = event
        return (kind, self._last_of(address), why, site)

    def _forgotten(self, event: Raw) -> Raw:
        kind, address = event
        return (kind, self._last_of(address))

    def _context(self, event: Raw) -> Raw:
        kind, address, worker, call = event
        return (kind, self._new_number(address), worker, call)

    def _context_ended(self, event: Raw) -> Raw:
        kind, address, worker = event
        return (kind, self._last_of(address), worker)

    def _new_number(self, address: int) -> int:
        number = self._numbers[address] = self._last_number = self._last_number + 1
        return number

    def _number(self, address: int) -> int:
        """The number of an object; a new one for what was made before the recording began."""
        return self._numbers.get(address) or self._new_number(address)

    def _last_of(self, address: int) -> int:
        """The number of an object that is no more."""
        number = self._number(address)
        del self._numbers[address]
        return number

    # Reading.

    def _kept(self, first: int = 0) -> list[Raw]:
        return self._unfold()[first:]

    def __len__(self) -> int:
        return len(self._unfold())

    def __iter__(self) -> Iterator[Event]:
        return map(read, self._kept())

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        if isinstance(index, slice):
            return [read(raw) for raw in self._unfold()[index]]
        return read(self._unfold()[index])

    def __repr__(self) -> str:
        events = self._unfold()
        if not events:
            return "<Recording, empty>"
        count = counted(len(events), "event")
        span = f"{events[-1][0] - events[0][0]:.3g} s"
        lost = f", {self.dropped} older ones dropped" if self.dropped else ""
        return f"<Recording of {count} in {span}{lost}>"

    @property
    def mark(self) -> int:
        """Where the recording has come to; hand it to `since` for what follows."""
        return len(self) + self._gone

    @property
    def _gone(self) -> int:
        return self.cleared + self.dropped

    def since(self, mark: int) -> Handed:
        """Give the events since a mark, for a view that follows a recording live.

        Args:
            mark: what `mark`, or the last `Handed`, said; 0 for the beginning.
        """
        new = self._kept(self._index(mark))
        return Handed(self.mark, [read(raw) for raw in new], max(self._gone - mark, 0))

    def part(self, mark: int) -> Recording:
        """Give what was recorded since a mark as a recording of its own.

        Args:
            mark: what `mark` said then.
        """
        part = Recording(self._limit)
        part._fill(self._kept(self._index(mark)))
        part.dropped = max(self._gone - max(mark, self.cleared), 0)
        part.virtual = self.virtual
        return part

    def _index(self, mark: int) -> int:
        self._unfold()
        return max(mark - self._gone, 0)

    def _fill(self, events: list[Raw]) -> None:
        self._chunks.append((events, len(events)))
        self._count = len(events)

    def clear(self) -> None:
        """Forget all events, and begin anew; the numbers of things go on."""
        self.cleared, self.dropped = self.mark, 0
        self._chunks.clear()
        self._count = 0

    # Files.

    def save(self, path: str | PathLike[str]) -> None:
        """Write the recording to a file of JSON lines: a header, and a line for each event.

        Args:
            path: where; what is there is replaced.

        Raises:
            OSError: the file cannot be written.
        """
        header = {
            "file": _HEADER,
            "version": VERSION,
            "dropped": self.dropped,
            "clock": _CLOCKS[self.virtual],
        }
        with Path(path).open("w", encoding="utf-8") as file:
            lines = (header, *(list(map(_jsonable, raw)) for raw in self._kept()))
            file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)

    def to_perfetto(self, path: str | PathLike[str]) -> None:
        """Write a file that ui.perfetto.dev and chrome://tracing open.

        Args:
            path: where; what is there is replaced.

        Raises:
            OSError: the file cannot be written.
        """
        from rpclab.trace.perfetto import to_perfetto  # noqa: PLC0415 - for those who ask for it

        to_perfetto(self, path)

    def to_spans(self, processor: Any) -> int:
        """Give the calls to a span processor of OpenTelemetry: see `spans.to_spans`.

        Args:
            processor: takes each span; it is the caller's to shut down.

        Raises:
            ImportError: the extra rpclab[opentelemetry] is not installed.
        """
        from rpclab.trace.spans import to_spans  # noqa: PLC0415 - OpenTelemetry is an extra

        return to_spans(self, processor)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Recording:
        """Read a recording from a file.

        Events of kinds that are not known here, of a later version, are kept as they are, as
        `events.Other`; anything else that does not fit is an error.

        Args:
            path: what `save` has written.

        Raises:
            OSError: the file cannot be read.
            RecordingError: it is no recording, one of a newer version, or damaged; the error says
                what is wrong, and in which line.
        """
        with Path(path).open("rb") as file:
            header = _parse(path, 1, file.readline())
            dropped, virtual = _read_header(path, header)
            events = [_event(path, n, line) for n, line in enumerate(file, 2) if line.strip()]
        recording = cls(max(len(events), LIMIT))
        recording._fill(events)
        recording.dropped, recording.virtual = dropped, virtual
        return recording


def _read_header(path: Any, header: Any) -> tuple[int, bool]:
    """How many events were dropped, and whether the clock was virtual."""
    if not isinstance(header, dict) or header.get("file") != _HEADER:
        raise RecordingError("this is no recording of rpclab", filename=str(path))
    version = header.get("version")
    if type(version) is not int or version > VERSION:
        raise RecordingError(
            f"this is a recording of version {version}; this rpclab reads up to {VERSION}:"
            " install a newer one",
            filename=str(path),
        )
    dropped, clock = header.get("dropped", 0), header.get("clock", "real")
    if type(dropped) is not int or not 0 <= dropped < EXACT:
        raise _damaged(path, 1, '"dropped" is not how many events were dropped')
    if clock not in _CLOCKS:
        raise _damaged(path, 1, f'"clock" is none of {", ".join(_CLOCKS)}')
    return dropped, clock == "virtual"


def _damaged(path: Any, line: int, reason: str) -> RecordingError:
    return RecordingError(reason, filename=str(path), line=line)


def _event(path: Any, number: int, text: bytes) -> Raw:
    line = _parse(path, number, text)
    if not isinstance(line, list) or len(line) < 2:  # noqa: PLR2004 - a time and a kind
        raise _damaged(path, number, "this is no event, which begins with a time and a kind")
    event: Raw = _tuples(line)
    reason = what_is_wrong(event)
    if reason:
        raise _damaged(path, number, reason)
    return event


def _parse(path: Any, number: int, text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise _damaged(path, number, f"this is no text in UTF-8: {error.reason}") from None
    except (ValueError, RecursionError) as error:
        raise _damaged(path, number, f"this is no JSON: {error}") from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


def _jsonable(value: Any) -> Any:
    """JSON has neither infinity nor nan, and few readers take integers of any size."""
    if type(value) is tuple:
        return [_jsonable(item) for item in value]
    exact = type(value) is not float or value - value == 0
    small = type(value) is not int or abs(value) < EXACT
    return value if exact and small else [brief(value)]


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
