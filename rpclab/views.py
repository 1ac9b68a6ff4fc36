"""The four views of what happened: timeline, lifetimes, streams and graph, as text, SVG and HTML.

Floor: sandbox. A view is a function of a recording: of a sandbox's own, up to the moment at which
it is looked at, or of one that was loaded from a file. Looking sends nothing.

    sandbox.timeline()                       in a notebook: the picture
    sandbox.timeline().save("calls.svg")     anywhere
    rpclab.views.lifetimes("lesson.jsonl")   of a file
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox
    from rpclab.trace.pictures.figures import Figures
    from rpclab.trace.recording import Recording
    from rpclab.trace.trace import Trace
    from rpclab.viewing import Look

__all__ = ["KINDS", "View", "Viewed", "graph", "lifetimes", "streams", "timeline", "traced", "view"]

KINDS = ("timeline", "lifetimes", "streams", "graph")
"""The views; "view" is all of them."""


class View:
    """One view of a recording, or all of them.

    Args:
        kind: one of `KINDS`, or "view" for all of these.
        recording: what it is of.
        scale: "order" draws events in their order; "time" by the clock; by the clock if that was
            virtual, unless given.
        calls: the numbers of the first and last call that a timeline shows; all unless given.
        figures: of a traced block; counted from the recording unless given.
        advice: lines below a timeline; found in the recording unless given.
        workers: the Workers in the order of their colours; as the recording has them unless given.
        sandbox: that makes the recording, if it is still there; it tells what keeps stubs alive.

    Attributes:
        asked_scale: the scale that was asked for, if one was.

    Raises:
        ValueError: there is no such kind, or no such scale.
    """

    def __init__(
        self,
        kind: str,
        recording: Recording,
        *,
        scale: str | None = None,
        calls: tuple[int, int] | None = None,
        figures: Figures | None = None,
        advice: Sequence[str] | None = None,
        workers: Iterable[str] = (),
        sandbox: Sandbox | None = None,
    ) -> None:
        from rpclab.trace.pictures.scale import checked  # noqa: PLC0415 - for those who look

        if kind not in (*KINDS, "view"):
            raise ValueError(f"a view is one of {', '.join(KINDS)}, or view, not {kind!r}")
        self.kind = kind
        self.recording = recording
        self.asked_scale = scale
        self.scale = checked(scale or ("time" if recording.virtual else "order"))
        self.calls = calls
        self.figures = figures
        self.advice = advice
        self.workers = tuple(workers)
        self.sandbox = sandbox

    @property
    def kinds(self) -> tuple[str, ...]:
        """The views that it consists of."""
        return KINDS if self.kind == "view" else (self.kind,)

    def text(self) -> str:
        """The figures and what is behind them. With a virtual clock, the same on every run."""
        return self._look().text()

    def svg(self, *, moment: int | None = None, width: float | None = None) -> str:
        """The picture, whole in itself.

        Args:
            moment: marks a moment, which counts the events before it.
            width: in pixels.
        """
        return self._look().svg(moment=moment, width=width)

    def html(self) -> str:
        """The picture in a page, without a script; below it what it says as text."""
        return self._look().html()

    def save(self, path: str | PathLike[str]) -> None:
        """Write it to a file: a picture (.svg), a page (.html) or its text (.txt).

        Args:
            path: where; its end says what is written.

        Raises:
            ValueError: the name ends otherwise.
            OSError: the file cannot be written.
        """
        from pathlib import Path  # noqa: PLC0415 - for those who save

        forms: dict[str, Callable[[Look], str]] = {
            ".svg": lambda look: look.svg(),
            ".html": lambda look: look.page(),
            ".txt": lambda look: f"{look.text()}\n",
        }
        form = forms.get(Path(path).suffix.lower())
        if form is None:
            raise ValueError(f"a view is saved as one of {', '.join(forms)}, not {path}")
        Path(path).write_text(form(self._look()), "utf-8")

    def bundle(self) -> dict[str, str]:
        """What stands in the file of a notebook: text, and the picture as a part of a page."""
        look = self._look()
        return {"text/plain": look.text(), "text/html": look.html(keep=True)}

    def _look(self) -> Look:
        from rpclab.viewing import Look  # noqa: PLC0415 - for those who look

        return Look(self)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        return self.bundle()

    def __repr__(self) -> str:
        return self.text()


class Viewed:
    """The part of a sandbox that can be looked at."""

    recording: Recording | None

    def timeline(self, *, calls: tuple[int, int] | None = None, scale: str | None = None) -> View:
        """Show who called whom, and when: a lane for each Worker, an arrow for each message.

        Args:
            calls: the numbers of the first and the last call to show; all unless given.
            scale: "order" draws events in their order, "time" by the clock; by the clock if that
                is virtual, unless given.

        Raises:
            RuntimeError: the sandbox does not record.
            ValueError: there is no such scale.
        """
        return self._view("timeline", scale, calls)

    def lifetimes(self, *, scale: str | None = None) -> View:
        """Show which stubs lived when, who held them, and which are held still.

        Args:
            scale: as of `timeline`.

        Raises:
            RuntimeError: the sandbox does not record.
            ValueError: there is no such scale.
        """
        return self._view("lifetimes", scale)

    def streams(self, *, scale: str | None = None) -> View:
        """Show how streams flowed, and when a writer was held back.

        Args:
            scale: as of `timeline`.

        Raises:
            RuntimeError: the sandbox does not record.
            ValueError: there is no such scale.
        """
        return self._view("streams", scale)

    def graph(self) -> View:
        """Show who can call whom: Workers, bindings, the stubs they hold.

        Raises:
            RuntimeError: the sandbox does not record.
        """
        return self._view("graph", None)

    def view(self, *, scale: str | None = None) -> View:
        """Show all four views.

        Args:
            scale: as of `timeline`.

        Raises:
            RuntimeError: the sandbox does not record.
            ValueError: there is no such scale.
        """
        return self._view("view", scale)

    def _view(self, kind: str, scale: str | None, calls: tuple[int, int] | None = None) -> View:
        if self.recording is None:
            raise RuntimeError("this sandbox keeps no recording: make it with Sandbox(record=True)")
        sandbox: Any = self
        return View(kind, self.recording, scale=scale, calls=calls, sandbox=sandbox)


# Of a recording, or of the file it was saved to.


def timeline(recording: Recording | str | PathLike[str], **options: Any) -> View:
    """Show who called whom in a recording.

    Args:
        recording: a recording, or its file.
        options: those of `View`.

    Raises:
        OSError: the file cannot be read.
        RecordingError: it is no recording, or damaged.
        ValueError: an option is none.
    """
    return _of("timeline", recording, options)


def lifetimes(recording: Recording | str | PathLike[str], **options: Any) -> View:
    """Show which stubs lived when in a recording. Takes and raises what `timeline` does.

    Args:
        recording: as of `timeline`.
        options: likewise.
    """
    return _of("lifetimes", recording, options)


def streams(recording: Recording | str | PathLike[str], **options: Any) -> View:
    """Show how the streams of a recording flowed. Takes and raises what `timeline` does.

    Args:
        recording: as of `timeline`.
        options: likewise.
    """
    return _of("streams", recording, options)


def graph(recording: Recording | str | PathLike[str], **options: Any) -> View:
    """Show who could call whom at its end. Takes and raises what `timeline` does.

    Args:
        recording: as of `timeline`.
        options: likewise.
    """
    return _of("graph", recording, options)


def view(recording: Recording | str | PathLike[str], **options: Any) -> View:
    """Show all four views of a recording. Takes and raises what `timeline` does.

    Args:
        recording: as of `timeline`.
        options: likewise.
    """
    return _of("view", recording, options)


def traced(trace: Trace, *, scale: str | None = None, workers: Iterable[str] = ()) -> View:
    """Show the timeline of a traced block, with its figures and advice.

    Args:
        trace: of the block, which is over.
        scale: "order" or "time"; as of `View`.
        workers: the Workers in the order of their colours.

    Raises:
        ValueError: there is no such scale.
    """
    from rpclab.trace.pictures.figures import Figures  # noqa: PLC0415 - as above

    return View(
        "timeline",
        trace.recording,
        scale=scale,
        figures=Figures.of_trace(trace),
        advice=[given.text for given in trace.advice],
        workers=workers,
    )


def _of(kind: str, recording: Recording | str | PathLike[str], options: dict[str, Any]) -> View:
    if isinstance(recording, (str, PathLike)):
        from rpclab.trace.recording import Recording  # noqa: PLC0415 - for those who have a file

        recording = Recording.load(recording)
    return View(kind, recording, **options)
