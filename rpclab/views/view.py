"""A view that can be shown, saved and displayed; and how a sandbox or a file gives one.

Floor: sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import PathLike
from typing import TYPE_CHECKING, Any

from rpclab.views.subject import Subject

if TYPE_CHECKING:
    from rpclab.trace.recording import Recording
    from rpclab.trace.trace import Trace
    from rpclab.views.rendering import Look


class View(Subject):
    """One view of a recording, or all of them. Takes what its `Subject` does."""

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
        from rpclab.views.rendering import Look  # noqa: PLC0415 - for those who look

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
        return View(kind, self.recording, scale=scale, calls=calls, sandbox=self)


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
    return View(
        "timeline",
        trace.recording,
        scale=scale,
        figures=trace.figures,
        advice=[given.text for given in trace.advice],
        workers=workers,
    )


def _of(kind: str, recording: Recording | str | PathLike[str], options: dict[str, Any]) -> View:
    if isinstance(recording, (str, PathLike)):
        from rpclab.trace.recording import Recording  # noqa: PLC0415 - for those who have a file

        recording = Recording.load(recording)
    return View(kind, recording, **options)
