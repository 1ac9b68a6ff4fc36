"""The part of a sandbox that places Workers.

Floor: sandbox. Light: what runs processes is loaded by the first Worker that is placed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rpclab.placement.declared import Processes
    from rpclab.placement.hosts import Host
    from rpclab.placement.listing import PlacedNodes
    from rpclab.placement.programs import Programs
    from rpclab.workers.worker import Worker


class Placing:
    """The part of a sandbox that places Workers.

    Attributes:
        tell_printed: takes what the code of a Worker has printed elsewhere: its name, "stdout" or
            "stderr", and the text; in the variables of the call that caused it. None prints it.
    """

    tell_printed: Callable[[str, str, str], None] | None = None
    _placed: Programs | None = None

    @property
    def programs(self) -> Programs:
        """The hosts of Workers that run in processes of their own."""
        if self._placed is None:
            from rpclab.placement.programs import Programs  # noqa: PLC0415 - for those who place

            self._placed = Programs(self)  # type: ignore[arg-type]  # it is a sandbox
        return self._placed

    async def move(
        self, worker: str, placement: str | Processes, *, seconds: float = 30.0
    ) -> Worker:
        """Have a Worker run elsewhere, while it is called.

        Its code starts there first, and the Worker serves on meanwhile. Then calls that come wait,
        those under way finish, its Durable Objects leave memory, and those that waited go on where
        it runs now. No call is lost, and none runs twice. Stubs of what it has returned live on
        where they are. Module variables begin anew, as with any deployment.

        Args:
            worker: its name.
            placement: as of `deploy`.
            seconds: how long calls that are under way may take; then those are cut off, and reject.

        Returns:
            The Worker, as it runs now.

        Raises:
            UnknownBindingError: there is none of that name.
            PlacementError: it cannot run there, or what its Durable Objects store cannot come.
            BaseException: whatever its code raises there; it serves on where it was.
        """
        from rpclab.placement.moving import move  # noqa: PLC0415 - for those who move

        return await move(self, worker, placement, seconds)  # type: ignore[arg-type]

    def nodes(self) -> PlacedNodes:
        """Say where Workers run: here, in processes, and on the nodes of the clusters in use.

        A cluster is asked which nodes it has, for some seconds at most.

        Returns:
            A list of places, each with its Workers; as text it is a table.
        """
        from rpclab.placement.programs import listed  # noqa: PLC0415 - for those who ask

        return listed(self, self._placed)  # type: ignore[arg-type]  # it is a sandbox

    def node_names(self) -> list[str]:
        """The names of the nodes of clusters that are in use, as they were last seen."""
        return [] if self._placed is None else self._placed.node_names()

    def busy_hosts(self) -> list[Host]:
        """The processes that calls of Workers of this one are under way to."""
        return [] if self._placed is None else self._placed.busy()

    def _forget_programs(self) -> None:
        placed, self._placed = self._placed, None
        if placed is not None:
            placed.close()
