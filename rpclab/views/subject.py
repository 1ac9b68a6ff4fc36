"""What a view is of, and how that is to be shown.

Floor: sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rpclab.trace.pictures.figures import Figures
    from rpclab.trace.recording import Recording

KINDS = ("timeline", "lifetimes", "streams", "graph")
"""The views; "view" is all of them."""


class Subject:
    """What a view is of, and how that is to be shown.

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
        sandbox: Any = None,
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
