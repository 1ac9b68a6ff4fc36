"""Which links lie between the Workers of a sandbox: by pair of Workers, or by where they are.

Floor: rpc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from rpclab.errors import DisconnectedError, near
from rpclab.simulation.cities import CITIES, SAME_CITY, round_trip
from rpclab.simulation.link import Lane, Link
from rpclab.transports import memory

if TYPE_CHECKING:
    from rpclab.core.session import Session
    from rpclab.rpc.engine import Engine

Pair = tuple[str, str]


class State(NamedTuple):
    """What the links of a sandbox were: the seed and figures of each, by its ends; and places."""

    own: dict[Pair, tuple[int, dict[str, Any]]]
    roads: dict[Pair, tuple[int, dict[str, Any]]]
    places: dict[str, str]


class Links:
    """The links between the Workers of a sandbox, and where these are.

    Two Workers with a link of their own have that. Two that stand in cities have the link between
    these. All others talk without delay.

    Args:
        engine: the host of the sessions; also the clock.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._own: dict[Pair, Link] = {}
        self._roads: dict[Pair, Link] = {}
        self._places: dict[str, str] = {}
        self._lanes: dict[Session, Lane] = {}

    @property
    def places(self) -> dict[str, str]:
        """The city of each Worker that has one."""
        return dict(self._places)

    def __iter__(self) -> Iterator[Link]:
        return iter([*self._own.values(), *self._roads.values()])

    def __len__(self) -> int:
        return len(self._own) + len(self._roads)

    def __getitem__(self, ends: Pair) -> Link:
        one, other = ends
        found = self._own.get(_pair(one, other)) or self._roads.get(_pair(one, other))
        if found is None:
            raise KeyError(f"no link joins {one} and {other}")
        return found

    def __repr__(self) -> str:
        if not self:
            return "no links: every Worker answers at once"
        width = max(len(_ends(link)) for link in self)
        lines = [f"{_ends(link):{width}}  {link}" for link in self]
        if self._places:
            lines += ["", *(f"{name} is in {city}" for name, city in self._places.items())]
        return "\n".join(lines)

    # Declaring them.

    def link(
        self, one: str, other: str, *, cities: bool, seed: int | None, changes: dict[str, Any]
    ) -> Link:
        """Change a link, or make it first.

        Args:
            one: the name of an end.
            other: the name of the other.
            cities: whether the names are those of cities.
            seed: of the jitter; the delays begin anew with it.
            changes: for `Link.change`.

        Raises:
            ValueError: a change is none, or the ends are one.
            TypeError: likewise.
        """
        if one == other and not cities:
            raise ValueError(f"{one} is at no distance from itself")
        pair = _pair(one, other)
        links = self._roads if cities else self._own
        link = links.get(pair)
        if link is None:
            link = self._road(pair) if cities else self._cable(one, other)
        if seed is not None:
            link.seed = seed
        link.change(**changes)
        links[pair] = link
        self._apply()
        return link

    def locate(self, worker: str, city: str | None) -> None:
        """Put a Worker into a city; None takes it out.

        Raises:
            ValueError: the table has no such city.
        """
        if city is None:
            self._places.pop(worker, None)
        else:
            self._places[worker] = known_city(city)
        self._apply()

    def forget(self) -> None:
        """Forget them all; what is under way with them is lost."""
        for lane in self._lanes.values():
            lane.close()
        for table in (self._own, self._roads, self._places, self._lanes):
            table.clear()

    def between(self, one: str, other: str) -> Link | None:
        """The link that joins two Workers, if any does."""
        own = self._own.get(_pair(one, other))
        if own is not None:
            return own
        if one not in self._places or other not in self._places:
            return None
        pair = _pair(self._places[one], self._places[other])
        if pair not in self._roads:
            self._roads[pair] = self._road(pair)
        return self._roads[pair]

    def _cable(self, one: str, other: str) -> Link:
        link = Link(one, other, clock=self._engine)
        link.changed = self._tell
        return link

    def _road(self, pair: Pair) -> Link:
        road = Link(*pair, clock=self._engine)
        road.change(rtt=SAME_CITY if pair[0] == pair[1] else round_trip(*pair))
        road.changed = self._tell_of_road
        return road

    def _tell(self, link: Link) -> None:
        """Tell those who watch that a link is another one now."""
        if self._engine.observe is not None:
            self._engine.observe(("link", *link.ends, str(link)))

    def _tell_of_road(self, road: Link) -> None:
        """Likewise of a link between cities: it is that of the Workers that talk along it."""
        if self._engine.observe is not None:
            for pair in self._talking_along(road):
                self._engine.observe(("link", *pair, str(road)))

    def _talking_along(self, road: Link) -> Iterator[Pair]:
        for session in self._engine.sessions():
            peer = session.peer
            if peer is None:
                continue
            here, there = session.keeper.worker, peer.keeper.worker
            places = [self._places.get(name, "") for name in (here, there)]
            # Both ends of a session are listed; one of them tells.
            if here < there and (here, there) not in self._own and _pair(*places) == road.ends:
                yield here, there

    # Sending along them.

    def connect(self, one: Session, other: Session) -> None:
        """Join two sessions; to be an engine's `connect`."""
        memory.connect(one, other)
        self._drop_closed()
        self._join(one)
        self._join(other)

    def rearm(self) -> None:
        """The engine has moved to another loop, which knows nothing of what was under way."""
        for link in self:
            link.rearm()

    def _apply(self) -> None:
        engine = self._engine
        engine.connect = self.connect
        engine.moved = self.rearm
        for session in engine.sessions():
            self._join(session)
        self._drop_closed()

    def _drop_closed(self) -> None:
        """Forget the lanes of sessions that have ended by themselves, once the other end knows."""
        for session, lane in list(self._lanes.items()):
            if session.closed is not None and not len(lane):
                lane.close()
                del self._lanes[session]

    def _join(self, session: Session) -> None:
        """Send what leaves at that end along the right link."""
        peer = session.peer
        if peer is None or peer.keeper is session.keeper:
            return  # a Worker is at no distance from itself
        here, there = session.keeper.worker, peer.keeper.worker
        link = self.between(here, there)
        lane = self._lanes.get(session)
        if lane is not None:
            lane.move(link or Link(here, there, clock=self._engine))
        elif link is not None:
            lane = self._lanes[session] = Lane(link, session.send, f"{here}→{there}")
            session.send = lane.send
            session.forgo_runs()  # on a link each message takes its time

    def break_off(self, link: Link) -> set[Pair]:
        """Break what goes along a link: its calls reject, and new ones need a new session.

        Returns:
            The pairs of Workers between which sessions have ended.
        """
        return self._break_off(link.ends, lambda pair: self.between(*pair) is link)

    def break_pair(self, one: str, other: str) -> set[Pair]:
        """Break what goes on between two Workers, whatever way it takes, and no other.

        Returns:
            As `break_off`.
        """
        return self._break_off((one, other), lambda pair: pair == _pair(one, other))

    def _break_off(self, ends: Pair, is_meant: Callable[[Pair], bool]) -> set[Pair]:
        error = DisconnectedError(f"the link between {' and '.join(ends)} broke")
        broken: set[Pair] = set()
        for session in list(self._engine.sessions()):
            peer = session.peer
            if peer is not None and peer.keeper is not session.keeper:
                pair = _pair(session.keeper.worker, peer.keeper.worker)
                if is_meant(pair):
                    broken.add(pair)
                    lane = self._lanes.pop(session, None)
                    if lane is not None:
                        lane.close()
                    session.closed = error
                    self._engine.again(lambda session=session: session.close(error))  # type: ignore[misc]
        return broken

    def lay(self, one: str, other: str) -> Link:
        """Give the link that joins two Workers; one of no length if there is none yet.

        What it is may be changed later; to lay it changes nothing, and tells nobody.
        """
        found = self.between(one, other)
        if found is None:
            found = self._own[_pair(one, other)] = self._cable(one, other)
            self._apply()
        return found

    def state(self) -> State:
        """What the links and places are now."""
        own = {pair: _state(link) for pair, link in self._own.items()}
        roads = {pair: _state(link) for pair, link in self._roads.items()}
        return State(own, roads, self.places)

    def restore(self, state: State) -> None:
        """Make them what those of another sandbox were."""
        for cities, links in ((False, state.own), (True, state.roads)):
            for pair, (seed, changes) in links.items():
                self.link(*pair, cities=cities, seed=seed, changes=dict(changes))
        for worker, city in state.places.items():
            self.locate(worker, city)


def known_city(name: str) -> str:
    """Check the name of a city.

    Raises:
        ValueError: the table has none of that name.
    """
    if name not in CITIES:
        raise ValueError(f"no city is called {name!r}; {near(name, CITIES)}")
    return name


def _state(link: Link) -> tuple[int, dict[str, Any]]:
    return link.seed, {
        "rtt": link.rtt,
        "bandwidth": link.bandwidth,
        "jitter": link.jitter,
        "up": link.up,
    }


def _pair(one: str, other: str) -> Pair:
    return (one, other) if one <= other else (other, one)


def _ends(link: Link) -> str:
    return " ↔ ".join(link.ends)
