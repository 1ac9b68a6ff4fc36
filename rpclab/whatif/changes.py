"""What can be changed between two runs: a link, a city, a cut, a call that fails, pipelining.

Floor: whatif.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rpclab import errors
from rpclab.errors import near
from rpclab.simulation.units import bytes_per_second, rate_text, seconds, time_text
from rpclab.whatif.classes import exposed_classes, in_place_of

if TYPE_CHECKING:
    from rpclab.sandbox import Sandbox
    from rpclab.workers.worker import Worker


@dataclass(frozen=True)
class Change:
    """One thing that is changed; the base of the others, and no change by itself."""

    @property
    def text(self) -> str:
        """What is changed, in a few words."""
        return "nothing is changed"

    @property
    def pipelining(self) -> bool | None:
        """As of `World.build`."""
        return None

    def worker(self, worker: Worker) -> None:
        """Change a Worker that was deployed."""

    def sandbox(self, sandbox: Sandbox) -> None:
        """Change the sandbox, before the program runs.

        Raises:
            ValueError: it cannot be changed so.
        """


@dataclass(frozen=True)
class Link(Change):
    """A link that is another one; see `Sandbox.link` for what is what.

    Attributes:
        one: a Worker, "notebook", or a city.
        other: likewise.
        rtt: the round trip; None leaves it as it is, and so with the others.
        bandwidth: in bytes a second.
        jitter: how much longer a message may take.
        up: False cuts it: messages wait for ever.
        seed: of the jitter.
    """

    one: str
    other: str
    rtt: float | str | None = None
    bandwidth: float | str | None = None
    jitter: float | str | None = None
    up: bool | None = None
    seed: int | None = None

    @property
    def text(self) -> str:
        parts = []
        if self.rtt is not None:
            parts.append(f"round trip {time_text(seconds(self.rtt, 'rtt'))}")
        if self.jitter is not None:
            parts.append(f"jitter {time_text(seconds(self.jitter, 'jitter'))}")
        if self.bandwidth is not None:
            parts.append(rate_text(bytes_per_second(self.bandwidth, "bandwidth")))
        parts += [] if self.seed is None else [f"seed {self.seed}"]
        parts += [] if self.up is None else ["mended" if self.up else "cut"]
        return f"{self.one} ↔ {self.other}: {', '.join(parts) or 'as it is'}"

    def sandbox(self, sandbox: Sandbox) -> None:
        for name in (self.one, self.other):
            _check_name(sandbox, name, cities=True)
        sandbox.link(
            self.one, self.other, rtt=self.rtt, bandwidth=self.bandwidth, jitter=self.jitter,
            up=self.up, seed=self.seed,
        )  # fmt: skip


@dataclass(frozen=True)
class Locate(Change):
    """A Worker that stands in another city.

    Attributes:
        worker_name: its name, or "notebook".
        city: where; None takes it out.
    """

    worker_name: str
    city: str | None

    @property
    def text(self) -> str:
        return f"{self.worker_name} is in {self.city or 'no city'}"

    def sandbox(self, sandbox: Sandbox) -> None:
        _check_name(sandbox, self.worker_name)
        sandbox.locate(self.worker_name, self.city)


@dataclass(frozen=True)
class NoPipelining(Change):
    """Each call on or with a promise waits until that has settled; see `Sandbox(pipelining=)`."""

    @property
    def text(self) -> str:
        return "pipelining is off"

    @property
    def pipelining(self) -> bool | None:
        return False


@dataclass(frozen=True)
class Break(Change):
    """A connection that breaks as a message is sent, which is lost with all that is under way.

    Attributes:
        one: a Worker, or "notebook".
        other: likewise.
        message: which message between the two, counted from 1 in the order sent.
    """

    one: str
    other: str
    message: int = 1

    @property
    def text(self) -> str:
        return f"{self.one} ↔ {self.other} breaks at message {self.message}"

    def sandbox(self, sandbox: Sandbox) -> None:
        for name in (self.one, self.other):
            _check_name(sandbox, name)
        if self.message < 1:
            raise ValueError(f"messages are counted from 1, so there is no message {self.message}")


@dataclass(frozen=True)
class Fail(Change):
    """A call that fails: its method does not run, and raises.

    Attributes:
        member: "worker.method", or "worker#Class.method".
        call: which call of it, counted from 1 in the order in which they begin; 0 is each of them.
        error: such as "ValueError: no more tea": a built-in error, or one of rpclab's.
    """

    member: str
    call: int = 1
    error: str = "RuntimeError: it failed, as was asked for"

    @property
    def text(self) -> str:
        which = f"call {self.call} of {self.member}" if self.call else f"each call of {self.member}"
        return f"{which} raises {self.error}"

    def sandbox(self, sandbox: Sandbox) -> None:
        name, kind, method = self._parts()
        _check_name(sandbox, name)
        if name == "notebook":
            raise ValueError("the notebook has no methods that fail")
        made = error_of(self.error)
        calls = [0]
        worker = sandbox.worker(name)
        found = False
        known: dict[str, None] = {}
        for each in exposed_classes(worker):
            if kind in ("", each.__name__):
                known |= dict.fromkeys(key for key in vars(each) if not key.startswith("_"))
                function = vars(each).get(method)
                if callable(function):
                    setattr(each, method, self._failing(function, made, calls))
                    found = True
        if not found:
            hint = near(method, known) or "it has none"
            raise ValueError(f"the Worker {name!r} has no method {method!r} that fails; {hint}")

    def _parts(self) -> tuple[str, str, str]:
        owner, point, method = self.member.rpartition(".")
        name, _, kind = owner.partition("#")
        if not point or not name or not method:
            raise ValueError(
                f"a method is worker.method or worker#Class.method, not {self.member!r}"
            )
        return name, kind, method

    def _failing(self, function: Any, made: Exception, calls: list[int]) -> Any:
        def failing(*args: Any, **kwargs: Any) -> Any:
            calls[0] += 1
            if self.call in (0, calls[0]):
                raise type(made)(*made.args)
            return function(*args, **kwargs)

        return in_place_of(failing, function)


def error_of(text: str) -> Exception:
    """Read "ValueError: no".

    Raises:
        ValueError: no error is called that.
    """
    name, _, message = text.partition(":")
    name = name.strip()
    kind = getattr(builtins, name, None) or getattr(errors, name, None)
    if not isinstance(kind, type) or not issubclass(kind, Exception):
        known = [each for each in dir(builtins) if each.endswith("Error")]
        raise ValueError(f"no error is called {name!r}; {near(name, known)}")  # noqa: TRY004
    try:
        return kind(message.strip()) if message.strip() else kind()
    except TypeError:
        raise ValueError(f"{name} takes more than a message: choose another error") from None


def _check_name(sandbox: Sandbox, name: str, *, cities: bool = False) -> None:
    from rpclab.simulation.cities import CITIES  # noqa: PLC0415 - for those who name one

    known = ["notebook", *sandbox.workers]
    if name not in known and not (cities and name in CITIES):
        raise ValueError(f"no Worker is called {name!r}; {near(name, known)}")
