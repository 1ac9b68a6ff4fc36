"""A fault at every message of a program, one after the other: what settles how, and what is left.

Floor: whatif. At each message the wire between its two Workers is cut, in two ways: the connection
breaks, as both ends see; or it falls silent, and nothing arrives until the program is over. A
program that is right ends in each case, lets go of what it held, and does nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.declared import NOTEBOOK
from rpclab.trace.model import Arrow, StreamSeries, StubBar
from rpclab.trace.pictures.templates import count, place
from rpclab.views import View
from rpclab.whatif.apart import apart
from rpclab.whatif.ledger import Before, places_of
from rpclab.whatif.playing import PATIENCE, RETURNED, STUCK, Program, Run, play
from rpclab.whatif.wire import WAYS, Strike
from rpclab.whatif.world import World

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox

MOST = 200
"""Messages that are walked through, unless the caller asks for more."""

MISSING_TIMEOUT = "missing timeout"
LOST_DISPOSER = "lost disposer"
DOUBLED_WRITE = "doubled write"
OPEN_STREAM = "open stream"

_LOST = frozenset({"forgotten", ""})  # how a stub ends that nobody disposed: by Python, or not yet


class Finding(NamedTuple):
    """A fault of the program that a cut has shown.

    Attributes:
        kind: "missing timeout", "lost disposer", "doubled write" or "open stream".
        what: which wait, stub, call or stream.
    """

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass(frozen=True)
class Fault:
    """A run in which the wire was cut at one message.

    Attributes:
        message: which, counted from 1 in the order sent.
        text: who sent what to whom.
        way: "torn" or "silent".
        run: what came of it.
        settled: how many calls ended how.
        left: what nobody let go of.
        findings: faults of the program that it shows.
        same: whether the program ended as it does without a cut.
    """

    message: int
    text: str
    way: str
    run: Run
    settled: tuple[tuple[str, int], ...]
    left: tuple[str, ...]
    findings: tuple[Finding, ...]
    same: bool

    def timeline(self) -> View:
        """Show who called whom in this run, up to its end."""
        return self.run.timeline()

    @property
    def message_and_way(self) -> tuple[int, str]:
        """What tells it from the others."""
        return self.message, self.way

    @property
    def outcome(self) -> str:
        """How the program ended, in a few words."""
        if self.run.outcome == STUCK:
            return "never ends"
        return "as without" if self.same else f"{self.run.outcome} {self.run.result}"

    @property
    def calls(self) -> str:
        """How its calls settled, in a few words."""
        return ", ".join(f"{number} {name}" for name, number in self.settled)

    def __repr__(self) -> str:
        return f"<Fault at message {self.message}, {self.way}: {self.outcome}>"


class Faults(Sequence[Fault]):
    """The runs of a program, each with a cut at another message.

    Args:
        baseline: the run without one.
        faults: the others.
        findings: what is wrong without any cut.
        note: what was not as in the sandbox, in a sentence; "" if nothing.

    Attributes:
        baseline: the run without a cut.
    """

    def __init__(
        self,
        baseline: Run,
        faults: Iterable[Fault],
        findings: Iterable[Finding] = (),
        note: str = "",
    ) -> None:
        self.baseline = baseline
        self._note = note
        self._faults = tuple(faults)
        self._own = tuple(findings)

    def __len__(self) -> int:
        return len(self._faults)

    def __getitem__(self, index: Any) -> Any:
        return self._faults[index]

    @property
    def findings(self) -> dict[Finding, tuple[Fault, ...]]:
        """The faults of the program, each once, with the runs that show it."""
        found: dict[Finding, list[Fault]] = {each: [] for each in self._own}
        for fault in self._faults:
            for finding in fault.findings:
                found.setdefault(finding, []).append(fault)
        return {finding: tuple(faults) for finding, faults in found.items()}

    def summary(self) -> str:
        """How much was tried, and what was found, in a line."""
        messages = count(self.baseline.messages, "message")
        found = count(len(self.findings), "fault") if self.findings else "no fault"
        note = f"; {self._note}" if self._note else ""
        return f"Faults: {messages}, each cut in {len(WAYS)} ways: {found} of the program{note}"

    def text(self) -> str:
        """All of it as text: what was found, and a line for each run."""
        from rpclab.whatif.fault_table import faults_text  # noqa: PLC0415 - for those who look

        return faults_text(self)

    def html(self) -> str:
        """The same as a part of a page: a table whose rows open their timelines."""
        from rpclab.whatif.fault_table import faults_html  # noqa: PLC0415 - likewise

        return faults_html(self)

    def bundle(self) -> dict[str, str]:
        """What stands in the file of a notebook: text, and the table as a part of a page."""
        return {"text/plain": self.text(), "text/html": self.html()}

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return self.bundle()

    def __repr__(self) -> str:
        return self.text()


def scrub(
    program: Program,
    sandbox: Sandbox,
    *,
    most: int = MOST,
    patience: float = PATIENCE,
) -> Faults:
    """Run a program again and again, and cut the wire at another message each time.

    Each run has a sandbox of its own, as those of `replay`; nothing in the given one changes. The
    call blocks until all are over.

    What is found is a fault of the program or of a Worker: a wait that nothing bounds; a stub that
    is disposed without a cut, and with one is not; a stream, likewise; a call that ran once more
    than without a cut, and changed what its Worker holds once more.

    Args:
        program: a coroutine function that takes `env`, or `env` and `sandbox`.
        sandbox: whose Workers it calls.
        most: how many messages it may send.
        patience: after so many seconds of virtual time a run is taken to wait for ever.

    Raises:
        ValueError: it sends more messages, or does not end without a cut either.
        TypeError: the program is no function.
        Exception: whatever the code of a Worker raises as it is deployed anew.
    """
    world = World(sandbox)

    async def walk() -> Faults:
        baseline = await play(world, program, patience=patience)
        if baseline.outcome == STUCK:
            raise ValueError(f"the program does not end by itself: it waits for {baseline.result}")
        if baseline.messages > most:
            raise ValueError(
                f"the program sends {baseline.messages} messages, more than {most}: walk through a"
                " smaller part of it, or allow more with most="
            )
        texts, before = _texts(baseline), Before(baseline.counts, places_of(baseline.calls))
        faults = []
        for message, text in enumerate(texts, 1):
            for way in WAYS:
                strike = Strike(message, way)
                run = await play(world, program, strike=strike, before=before, patience=patience)
                faults.append(_judged(message, text, way, run, baseline))
        return Faults(baseline, faults, _of_baseline(baseline), world.placed)

    return apart(walk)


def _texts(run: Run) -> list[str]:
    """What each message between two Workers was, in the order sent."""
    return [
        f"{sender} → {receiver}: {'a message' if arrow is None else _what(arrow)}"
        for sender, receiver, arrow in run.sent
    ]


def _what(arrow: Arrow) -> str:
    if arrow.kind in ("result", "error"):
        return f"{arrow.kind} of {arrow.call}, {arrow.text}"
    number = f"{arrow.call} " if arrow.call and arrow.kind in ("call", "read", "map") else ""
    kind = "" if number else f"{arrow.kind} "
    return f"{kind}{number}{arrow.text}".strip()


# Judging.


def _judged(message: int, text: str, way: str, run: Run, baseline: Run) -> Fault:
    settled = Counter(call.outcome for call in run.calls)
    lost = [] if run.outcome == STUCK else list(_lost(run, baseline))
    findings = [*_timeouts(run), *(Finding(LOST_DISPOSER, each) for each in dict.fromkeys(lost)),
                *_streams(run, baseline), *_doubles(run, baseline)]  # fmt: skip
    return Fault(
        message=message,
        text=text,
        way=way,
        run=run,
        settled=tuple(settled.items()),
        left=tuple(f"{each}{f' ({times} times)' * (times > 1)}"
                   for each, times in Counter(lost).items()),
        findings=tuple(findings),
        same=(run.outcome, run.result) == (baseline.outcome, baseline.result),
    )  # fmt: skip


def _timeouts(run: Run) -> Iterator[Finding]:
    if run.outcome == STUCK:
        yield Finding(MISSING_TIMEOUT, f"nothing bounds the wait for {run.result}")


def _streams(run: Run, baseline: Run) -> Iterator[Finding]:
    """Streams that the program leaves to Python as it ends, though without a cut it ends them."""
    if run.outcome == STUCK:
        return
    tidy = {_ends_of(each) for each in baseline.streams} - set(_left_open(baseline))
    for sender, receiver in dict.fromkeys(_left_open(run)):
        if (sender, receiver) in tidy and {sender, receiver} != {*(run.struck or ())}:
            yield Finding(
                OPEN_STREAM,
                f"the stream from {sender} to {receiver} is neither read to its end nor cancelled"
                if receiver == NOTEBOOK
                else f"the stream from {sender} to {receiver} is neither closed nor aborted",
            )


def _left_open(run: Run) -> Iterator[tuple[str, str]]:
    """Streams that were open when the program ended: those that are the program's to end."""
    for each in run.streams:
        # An id below zero is of a writable stream that was handed out, and its writer ends it.
        ends_it = each.sender if each.id < 0 else each.receiver
        if ends_it == NOTEBOOK and each.closed is None:
            yield _ends_of(each)


def _ends_of(stream: StreamSeries) -> tuple[str, str]:
    return stream.sender, stream.receiver


def _doubles(run: Run, baseline: Run) -> Iterator[Finding]:
    both = run.outcome == baseline.outcome == RETURNED
    if both and run.state == baseline.state:
        return  # whatever ran again, all is as it would be
    for repeat in dict.fromkeys(run.repeats):
        if repeat.changed:
            yield Finding(DOUBLED_WRITE, f"{repeat.call} ran again, and changed something again")


def _lost(run: Run, baseline: Run) -> Iterator[str]:
    """The stubs that were not disposed, though without a cut those of their place are."""
    kept = _ends(baseline)
    tidy = not any(lost for _, lost in kept.values())
    names = {target.number: target for target in run.targets}
    for stub in run.stubs:
        if stub.why not in _LOST or _went_with(run, stub):
            continue
        total, lost = kept.get(_key(stub, _names_of(run)), (0, 0))
        if (total and not lost) or (not total and tidy and not _is_of_a_promise(stub)):
            yield _told(stub, names)


def _names_of(run: Run) -> dict[int, str]:
    """The names of what the stubs of a run lead to."""
    return {target.number: f"{target.name} in {target.worker}" for target in run.targets}


def _ends(run: Run) -> dict[tuple[Any, ...], tuple[int, int]]:
    """By place, how many stubs there were, and how many of them nobody disposed."""
    names = _names_of(run)
    found: dict[tuple[Any, ...], tuple[int, int]] = {}
    for stub in run.stubs:
        if stub.why not in _LOST or not _is_of_a_promise(stub):
            total, lost = found.get(_key(stub, names), (0, 0))
            found[_key(stub, names)] = (total + 1, lost + (stub.why in _LOST))
    return found


def _key(stub: StubBar, names: dict[int, str]) -> tuple[Any, ...]:
    return (stub.holder, stub.how, stub.site, names.get(stub.target))


def _is_of_a_promise(stub: Any) -> bool:
    """Whether nobody awaited it: calls were made on its promise, and it went with that."""
    return stub.how == "result" and stub.source is not None and stub.source.awaited_at is None


def _went_with(run: Run, stub: Any) -> bool:
    """Whether its connection broke: then there is nothing to let go of at the other side."""
    if run.struck is None:
        return False
    here, _, there = stub.key[0].partition("→")
    return {here, there} == {*run.struck}


def _told(stub: StubBar, names: dict[int, Any]) -> str:
    target = names.get(stub.target)
    what = "a stub" if target is None else f"a stub of {target.name} in {target.worker}"
    return f"{what}, made at {place(stub.site or 'an unknown place')}, is not disposed"


def _of_baseline(run: Run) -> Iterator[Finding]:
    """Stubs that nobody disposes without a cut either, though somebody should.

    The target wants to know it; or it is a `dup`, which is made to be kept beyond its call, and
    whoever makes one lets go of it.
    """
    names = {target.number: target for target in run.targets}
    for stub in run.stubs:
        target = names.get(stub.target)
        wanted = target is not None and (target.worker, target.name) in run.wants
        if (wanted or stub.how == "dup") and stub.why in _LOST and not _is_of_a_promise(stub):
            yield Finding(LOST_DISPOSER, _told(stub, names))
