"""Time and distance in a sandbox: links between its Workers, cities, and its clock.

Floor: sandbox.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from rpclab.rpc.bindings import ServiceBinding
from rpclab.rpc.observing import recording_of
from rpclab.rpc.stubs import hold
from rpclab.simulation.units import bytes_per_second

if TYPE_CHECKING:
    from rpclab.rpc.engine import Engine
    from rpclab.simulation.link import Link
    from rpclab.simulation.links import Links
    from rpclab.trace.recording import Recording
    from rpclab.workers.env import Env

CLOCKS = ("real", "virtual")


def is_virtual(clock: str) -> bool:
    """Read the name of a clock.

    Raises:
        ValueError: there is no such clock.
    """
    if clock not in CLOCKS:
        raise ValueError(f'a clock is "real" or "virtual", not {clock!r}')
    return clock == "virtual"


class Distances:
    """The part of a sandbox that knows time and distance."""

    engine: Engine
    env: Env
    recording: Recording | None
    _bindings: dict[str, dict[str, Any]]
    _made_links: Links | None = None
    _began = 0.0
    _calendar = 0.0

    @property
    def clock(self) -> str:
        """Which clock the sandbox has: "real", or "virtual"."""
        return "real" if self.engine.guest is None else "virtual"

    def use_clock(self, clock: str) -> None:
        """Choose the clock, before anything is deployed or bound.

        Args:
            clock: "real" or "virtual".

        Raises:
            ValueError: there is no such clock.
            RuntimeError: it is too late.
        """
        virtual = is_virtual(clock)
        if virtual == (self.engine.guest is not None):
            return
        if any(True for _ in self.engine.sessions()) or self.workers:
            raise RuntimeError(
                "the clock is chosen before anything is deployed or bound: reset the sandbox first"
            )
        self.engine.use_clock(virtual=virtual)
        self._begin()
        if self.recording is not None:  # one recording has one clock
            self.engine.unwatch(self.recording)
            self.recording = recording_of(self.engine)

    def time(self) -> float:
        """Read the clock: the seconds since the sandbox was made.

        A virtual clock shows what the simulated world has waited for, the same on every run.
        """
        if self.engine.guest is not None:
            return self.engine.guest.time()
        return _real_time() - self._began

    def _epoch(self) -> float:
        """The seconds since 1970 by this clock: a virtual one went on from when it was chosen."""
        guest = self.engine.guest
        return time.time() if guest is None else self._calendar + guest.time()

    async def sleep(self, seconds: float) -> None:
        """Wait, in the time of the sandbox.

        In a notebook's cell or a script `asyncio.sleep` is real time; in a Worker it is the
        sandbox's, as this is anywhere.

        Args:
            seconds: how long.
        """
        guest = self.engine.guest
        if guest is None or asyncio.get_running_loop() is guest:
            await asyncio.sleep(seconds)
        else:
            await guest.sleep(seconds)

    def hold(self) -> AbstractContextManager[None]:
        """Let a virtual clock stand still in a block.

        Time jumps when the sandbox has nothing to do, though the program around it may be about
        to call; while it waits for something real, such as a network, that is what it needs.

        Example:
            with sandbox.hold():
                page = await client.get("https://example.com")
        """
        return nullcontext() if self.engine.guest is None else self.engine.guest.hold()

    # Links.

    @property
    def links(self) -> Links:
        """The links there are, and the cities of the Workers that stand in some."""
        if self._made_links is None:
            from rpclab.simulation.links import Links  # noqa: PLC0415 - for those who have some

            self._made_links = Links(self.engine)
        return self._made_links

    def link(
        self,
        one: str,
        other: str,
        *,
        rtt: float | str | None = None,
        bandwidth: float | str | None = None,
        jitter: float | str | None = None,
        up: bool | None = None,
        seed: int | None = None,
    ) -> Link:
        """Put a distance between two Workers, or change it; also while calls are under way.

        Args:
            one: a Worker, "notebook", or a city.
            other: likewise. With two cities the link is that of every two Workers that stand
                there, except of those that have one of their own.
            rtt: the round trip, in seconds or as a text such as "80ms"; half of it one way.
            bandwidth: in each direction, in bytes a second or as a text such as "1MB/s";
                "unlimited" takes the limit away.
            jitter: how much longer a message may take at most, one way. Order is kept.
            up: False cuts the link: messages wait until it is mended.
            seed: of the jitter; with the same seed the same delays begin anew.

        Returns:
            The link. Its `rtt`, `bandwidth`, `jitter` and `up` can be set.

        Raises:
            ValueError: a value is no time or rate, or a city is joined to a Worker.
            TypeError: a value is of another type.
        """
        cities = [self._is_city(name) for name in (one, other)]
        if cities[0] != cities[1]:
            city, worker = (one, other) if cities[0] else (other, one)
            raise ValueError(
                f"a link joins two Workers or two cities, and {city} is a city while {worker} is"
                f" none; sandbox.locate({worker!r}, …) puts {worker} into one"
            )
        changes = {"rtt": rtt, "bandwidth": bandwidth, "jitter": jitter, "up": up}
        return self.links.link(one, other, cities=all(cities), seed=seed, changes=changes)

    def _is_city(self, name: str) -> bool:
        from rpclab.simulation.cities import CITIES  # noqa: PLC0415 - for those who ask

        return name in CITIES and name not in self.workers

    @property
    def workers(self) -> Mapping[str, Any]:
        """The Workers that are deployed, by name."""
        raise NotImplementedError

    def check_city(self, name: str | None) -> None:
        """Check the name of a city, if one is given.

        Args:
            name: one of `rpclab.simulation.cities.CITIES`; None is fine.

        Raises:
            ValueError: there is none of that name.
        """
        if name is not None:
            from rpclab.simulation.links import known_city  # noqa: PLC0415 - as above

            known_city(name)

    def locate(self, worker: str, city: str | None) -> None:
        """Put a Worker, or "notebook", into a city; distances follow from where both ends are.

        Args:
            worker: its name.
            city: one of `rpclab.simulation.cities.CITIES`; None takes it out.

        Raises:
            ValueError: there is no such city.
        """
        self.links.locate(worker, city)

    def pace(self, worker: str, speed: float | str) -> None:
        """Let a Worker read streams no faster than that; also one that it is reading.

        What it reads late is acknowledged late, and so holds the writer back.

        Args:
            worker: its name, or "notebook".
            speed: in bytes a second, or a text such as "100kB/s"; "unlimited" takes it away.

        Raises:
            ValueError: the speed is no rate.
            TypeError: likewise, of another type.
        """
        rate = bytes_per_second(speed, "speed")
        if rate == math.inf:
            self.engine.paces.pop(worker, None)
        else:
            self.engine.paces[worker] = rate

    def break_link(self, one: str, other: str) -> None:
        """Break the connections that go along a link, as if a cable was torn.

        Calls under way reject with DisconnectedError, stubs that were reached that way are broken,
        and what waits to be delivered is lost. Bindings work again at once: the next call on one
        opens a new session.

        Args:
            one: a Worker, or a city, at one end of the link.
            other: at the other end.

        Raises:
            KeyError: no link joins the two.
        """
        self._mend_bindings(self.links.break_off(self.links[one, other]))

    def disconnect(self, one: str, other: str) -> None:
        """Break the connection of two Workers, as `break_link` does; no link need join them.

        Args:
            one: a Worker, or "notebook".
            other: likewise.
        """
        self._mend_bindings(self.links.break_pair(one, other))

    def _mend_bindings(self, broken: Iterable[tuple[str, str]]) -> None:
        for pair in broken:
            for holder, name in (pair, pair[::-1]):
                self._bind_anew(holder, name)

    def _bind_anew(self, holder: str, worker: str) -> None:
        """Let the bindings of `holder` to `worker` work again, whose session has ended."""
        found = self.workers.get(holder)
        env = self.env if found is None else found.env
        for variable, target in self._bindings.get(holder, {}).items():
            if variable not in env or target.worker != worker:
                continue
            bound = env[variable]
            if isinstance(bound, ServiceBinding):
                hold(bound, self._bind(holder, target, variable).__handle__)
                vars(bound).clear()  # the members that were named on it

    def _bind(self, holder: str, target: Any, variable: str) -> ServiceBinding:
        raise NotImplementedError

    def _begin(self) -> None:
        self._began, self._calendar = _real_time(), time.time()

    def _forget_links(self) -> None:
        if self._made_links is not None:
            self._made_links.forget()


def _real_time() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()
